"""The visit to an SMSC: connect, bind, send one submit_sm at a time, wait for receipts, unbind.

1. A ``ProbeConnection`` is the connection of the daemon (``channels.smpp.connection``), which also notes what TLS shows
   and how long enquire_link takes.
2. What its session tells goes into the ``Evidence``. Each deliver_sm that can be answered by then is answered.
3. ``Visit.visit`` goes through the steps. Each step waits until something has come true, or its time is over.
4. ``stop`` (Ctrl-C) ends the waiting, so that the visit goes straight to unbind. A second ``stop`` cuts the connection.
"""

import signal
from collections.abc import Callable
from typing import Any

from twisted.internet import protocol as net
from twisted.internet.defer import Deferred, inlineCallbacks, maybeDeferred
from twisted.internet.interfaces import IHandshakeListener, ISSLTransport
from twisted.logger import ILogObserver, LogEvent, globalLogBeginner
from twisted.python.failure import Failure
from zope.interface import implementer, provider

from smsconnector.channels.smpp.connection import CLOSE_TIMEOUT, SMPPProtocol
from smsconnector.doctor import findings
from smsconnector.doctor.evidence import Evidence, Probe, TLSFacts, Trial
from smsconnector.doctor.plan import UNBIND_WAIT, Plan
from smsconnector.doctor.rendering import announcement, render_report
from smsconnector.doctor.tls import look, not_verified, note_handshake
from smsconnector.errors import FramingError
from smsconnector.net.endpoints import CONNECT_TIMEOUT, client_endpoint
from smsconnector.net.tls import TLS
from smsconnector.smpp import pdu as codec
from smsconnector.smpp import session as smpp
from smsconnector.smpp.constants import MAX_SEQUENCE, CommandId, Status
from smsconnector.smpp.pace import Pace
from smsconnector.smpp.submit import SubmitRenderer
from smsconnector.timers import run_on_monotonic_clock

THROTTLED = frozenset({Status.ESME_RTHROTTLED, Status.ESME_RMSGQFUL})
THROTTLE_PAUSE = 1.0  # seconds before a throttled submit is tried again
ATTEMPTS = 4  # how often a submit is sent that is throttled
MOST_UNANSWERED = 3  # submits without a response, after which the rest is not tried
LINK_TIMEOUT = 10.0  # seconds for the answer to enquire_link


@implementer(IHandshakeListener)
class ProbeConnection(SMPPProtocol):
    """One connection of the visit. ``probe`` is where it notes what it sees."""

    def __init__(self, visit: "Visit", session: smpp.Session, probe: Probe) -> None:
        super().__init__(visit, session)
        self.probe, self._visit, self._clock = probe, visit, visit.clock
        self._framer = codec.Framer(session.settings.maximum_pdu)
        self._asked_at = 0.0

    def connectionMade(self) -> None:
        now, probe = self._clock.seconds(), self.probe
        probe.connected_in, probe.bind_sent_at = now - probe.began, now
        peer = self.transport.getPeer()
        probe.peer = f"{getattr(peer, 'host', peer)}:{getattr(peer, 'port', '')}"
        if ISSLTransport.providedBy(self.transport):
            probe.tls = TLSFacts()
        self._visit.connections.append(self)
        super().connectionMade()

    def handshakeCompleted(self) -> None:
        """TLS is agreed; the bind goes out now."""
        facts, now = self.probe.tls, self._clock.seconds()
        assert facts is not None
        facts.took, self.probe.bind_sent_at = now - self.probe.bind_sent_at, now
        note_handshake(facts, self.transport.getHandle())

    def enquire(self) -> None:
        """Send enquire_link now. The session itself asks only after silence. It takes no notice of a response with this
        sequence_number."""
        self._asked_at = self.probe.link_asked_at = self._clock.seconds()
        self.transport.write(codec.bare(CommandId.enquire_link, MAX_SEQUENCE))

    def dataReceived(self, data: bytes) -> None:
        try:
            headers = [codec.header(octets) for octets in self._framer.feed(data)]
        except FramingError:  # the session will say so
            headers = []
        for command_id, _, sequence in headers:
            if command_id == CommandId.enquire_link_resp and sequence == MAX_SEQUENCE:
                self.probe.link_took = self._clock.seconds() - self._asked_at
                self._visit.tell()
        super().dataReceived(data)

    def connectionLost(self, reason: Failure = net.connectionDone) -> None:
        if not self.probe.left:
            self.probe.failure = reason.value
        super().connectionLost(reason)


class Visit:
    """One visit, and the owner of its connections (``SessionOwner``). ``evidence`` holds what was seen so far."""

    def __init__(
        self,
        clock: Any,
        endpoint: Callable[[], Any],
        plan: Plan,
        say: Callable[[str], None],
        look: Callable[[TLSFacts], "Deferred[None]"] | None = None,
    ) -> None:
        """``endpoint`` makes the endpoint, so that a wrong PEM file is a failure to connect like others. ``say`` shows
        a line to the operator. ``look`` looks at a certificate that was not accepted."""
        self.clock, self._endpoint, self._plan, self._say, self._look = clock, endpoint, plan, say, look
        self.evidence = Evidence(plan.numbers)
        self.connections: list[ProbeConnection] = []
        self._attempt: Deferred[Any] | None = None
        self._news: Deferred[None] | None = None
        self._stopping = False

    @inlineCallbacks
    def visit(self) -> Any:
        """All steps. Fires with None when the connections are closed."""
        try:
            for mode in self._plan.modes:
                yield self._open(mode)
                if not self.evidence.bound:
                    break
            if self.evidence.bound:
                yield self._enquire()
                yield self._send_all()
                yield self._wait_for_receipts()
        finally:
            yield self._leave()
            self.evidence.interrupted = self._stopping

    def stop(self) -> None:
        """Go to unbind now; if it is called again, cut the connection."""
        if self._stopping:
            for connection in self.connections:
                connection.transport.abortConnection()
        self._stopping = True
        if self._attempt is not None:
            self._attempt.cancel()
        self.tell()

    # --- waiting --------------------------------------------------------------------------------------------

    def tell(self) -> None:
        """Something may have come true: whoever waits looks again."""
        news, self._news = self._news, None
        if news is not None:
            news.callback(None)

    @inlineCallbacks
    def _await(self, condition: Callable[[], Any], within: float, at_the_end: bool = False) -> Any:
        """Wait until ``condition`` holds, for at most ``within`` seconds. ``stop`` ends it too, unless this is the wait
        for unbind (``at_the_end``)."""
        deadline = self.clock.seconds() + within
        while not condition() and (at_the_end or not self._stopping):
            left = deadline - self.clock.seconds()
            if left <= 0:
                break
            news = self._news = Deferred()
            timer = self.clock.callLater(left, self.tell)
            yield news
            if timer.active():
                timer.cancel()

    # --- steps ----------------------------------------------------------------------------------------------

    @inlineCallbacks
    def _open(self, mode: str) -> Any:
        """Connect and bind, or note what prevented it."""
        if self._stopping:
            return
        settings = self._plan.session(mode)
        probe = Probe(mode, self.clock.seconds())
        self.evidence.probes.append(probe)

        factory = net.Factory.forProtocol(lambda: ProbeConnection(self, smpp.Session(settings), probe))
        factory.noisy = False
        self._attempt = maybeDeferred(lambda: self._endpoint().connect(factory))
        self._attempt.addErrback(self._not_connected, probe)
        limit = CONNECT_TIMEOUT + settings.bind_timeout + CLOSE_TIMEOUT
        yield self._await(lambda: probe.status is not None or probe.gone, limit)
        if probe.tls is not None and not_verified(probe.failure) and self._look is not None:
            looking = self._look(probe.tls).addCallback(lambda _: self.tell())
            yield self._await(lambda: looking.called, CONNECT_TIMEOUT)
            looking.cancel()

    def _not_connected(self, failure: Failure, probe: Probe) -> None:
        probe.failure, probe.ended, probe.gone = None if self._stopping else failure.value, "no connection", True
        self.tell()

    @inlineCallbacks
    def _enquire(self) -> Any:
        for connection in self.connections:
            connection.enquire()
        probes = self.evidence.probes
        yield self._await(lambda: all(probe.over or probe.link_took is not None for probe in probes), LINK_TIMEOUT)

    @inlineCallbacks
    def _send_all(self) -> Any:
        """Send the texts, one after the other. When the session ends, or answers no more, the rest is not tried."""
        self.evidence.trials = trials = list(self._plan.trials())
        if not trials:
            return
        self._say(f"sending {len(trials)} submit_sm ...")
        connection = next(one for one in self.connections if one.session.settings.mode != "receiver")
        renderers = {form: SubmitRenderer(self._plan.submit(form)) for form in {trial.form for trial in trials}}
        pace = Pace(self._plan.bind.throughput, self.clock.seconds())
        for trial in trials:
            body = renderers[trial.form].body(trial.segment, 0)
            trial.data_coding = codec.decode(codec.with_body(CommandId.submit_sm, 0, body)).fields["data_coding"]
            yield self._send(connection, trial, body, pace)
            unanswered = sum(bool(one.unanswered) for one in trials)
            if connection.probe.over or self._stopping or unanswered >= MOST_UNANSWERED:
                return

    @inlineCallbacks
    def _send(self, connection: ProbeConnection, trial: Trial, body: bytes, pace: Pace) -> Any:
        """Send a submit, again while it is throttled, until it is taken or refused."""
        session = connection.session
        for attempt in range(ATTEMPTS):
            if attempt:
                yield self._await(lambda: connection.probe.over, THROTTLE_PAUSE)
            while pace.available(self.clock.seconds(), 0) <= 0 and not (connection.probe.over or self._stopping):
                yield self._await(lambda: connection.probe.over, max(0.01, pace.wait(self.clock.seconds())))
            if not session.room or self._stopping:
                return
            now = self.clock.seconds()
            trial.sent_at, trial.status = now, None
            pace.submitted()
            connection.submit(body, trial)
            connection.flush()
            limit = session.settings.response_timeout + 2 * CLOSE_TIMEOUT  # the session's own time-out is the first
            yield self._await(lambda: not trial.under_way, limit)
            if trial.status not in THROTTLED:
                return

    @inlineCallbacks
    def _wait_for_receipts(self) -> Any:
        """Wait until all receipts have come, and the alphabet is known by an answer; or as long as was asked for."""
        evidence, plan = self.evidence, self._plan
        if not any(trial.taken for trial in evidence.trials):
            return
        self._say(f"waiting up to {plan.wait:g} s for receipts, and an answer from the phone (Ctrl-C ends it) ...")

        def complete() -> bool:
            if all(probe.over for probe in evidence.probes):
                return True
            known = findings.default_alphabet(evidence, plan.bind.alphabet).name
            return bool(known) and not findings.receipts_missing(evidence)

        yield self._await(complete, plan.wait)

    @inlineCallbacks
    def _leave(self) -> Any:
        """Answer what is still to be answered, unbind, and be gone in bounded time."""
        self._answer(at_the_end=True)
        for connection in self.connections:
            connection.probe.left = connection.probe.left or not connection.probe.over
            connection.unbind()
        probes = self.evidence.probes
        yield self._await(
            lambda: all(probe.gone for probe in probes), 2 * UNBIND_WAIT + CLOSE_TIMEOUT + 1.0, at_the_end=True
        )

    # --- what the sessions tell -----------------------------------------------------------------------------

    def dispatch(self, protocol: SMPPProtocol, events: list[smpp.SessionEvent]) -> None:
        """What a session tells goes into the evidence."""
        assert isinstance(protocol, ProbeConnection)
        now, probe = self.clock.seconds(), protocol.probe
        for event in events:
            if isinstance(event, smpp.Bound):
                probe.status, probe.bind_took = int(Status.ESME_ROK), now - probe.bind_sent_at
                probe.smsc, probe.version = event.smsc_system_id, event.interface_version
            elif isinstance(event, smpp.BindRefused):
                probe.status, probe.bind_took = event.status, now - probe.bind_sent_at
            elif isinstance(event, smpp.Answered):
                trial = event.token
                trial.answered_at, trial.status, trial.message_id = now, event.status, event.message_id
                self.evidence.throttled += event.status in THROTTLED
            elif isinstance(event, smpp.Congestion):
                self.evidence.congestion = max(event.percent, self.evidence.congestion or 0)
            elif isinstance(event, smpp.Unanswered):
                event.token.unanswered = f"no response in {protocol.session.settings.response_timeout:g} s"
            elif isinstance(event, smpp.Late):
                event.token.unanswered = f"the response came only after {now - event.token.sent_at:.0f} s"
            elif isinstance(event, smpp.Delivered):
                self.evidence.delivered(protocol, event.pdu, now)
            elif isinstance(event, smpp.Rejected):
                self.evidence.rejected.append(event.reason)
            elif isinstance(event, smpp.Closed):
                probe.ended = probe.ended or event.reason
                for token in event.outstanding:
                    token.unanswered = "no response" if probe.left else f"no response: {event.reason}"
        self._answer()
        self.tell()

    def gone(self, protocol: SMPPProtocol) -> None:
        """The connection is closed."""
        assert isinstance(protocol, ProbeConnection)
        protocol.probe.gone = True
        self.tell()

    def _answer(self, at_the_end: bool = False) -> None:
        for decision in self.evidence.decide(at_the_end):
            decision.origin.session.respond(decision.pdu, decision.status)
            decision.origin.flush()


def run_visit(reactor: Any, plan: Plan, say: Callable[[str], None]) -> int:
    """Run ``reactor`` for one visit, and ``say`` its report. Gives the exit status: 0 if the bind came up, else 1."""
    run_on_monotonic_clock(reactor)
    scheme, host, port = plan.bind.address
    tls = TLS(**plan.bind.tls.model_dump()) if scheme == "tls" else None
    visit = Visit(
        reactor,
        endpoint=lambda: client_endpoint(reactor, host, port, tls),
        plan=plan,
        say=say,
        look=lambda facts: look(reactor, host, port, tls or TLS(), facts),
    )
    faults: list[Failure] = []

    @provider(ILogObserver)
    def observe(event: LogEvent) -> None:
        if "log_failure" in event:
            faults.append(event["log_failure"])

    globalLogBeginner.beginLoggingTo([observe], discardBuffer=True, redirectStandardIO=False)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: reactor.callFromThread(visit.stop))
    for line in announcement(plan):
        say(line)

    def begin() -> None:
        visit.visit().addErrback(faults.append).addBoth(lambda _: reactor.stop())

    reactor.callWhenRunning(begin)
    reactor.run(installSignalHandlers=False)
    for line in render_report(visit.evidence, plan):
        say(line)
    for fault in faults:
        say(f"The doctor itself has failed: {type(fault.value).__name__} {fault.getErrorMessage()}")
    return 0 if visit.evidence.bound else 1
