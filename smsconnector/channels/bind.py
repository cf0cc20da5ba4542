"""One SMPP session that is kept: the shell around ``smpp.session``, with its pace, its policy and its link.

1. ``submit`` renders a segment and puts it into the session's window; ``flush`` writes what one turn has queued.
2. A response becomes an outcome by the policy's table. Throttling is none: the pace slows down, and the segment
   goes back to its route, to be sent again in its order by any bind with room.
3. Receipts and texts of one read go to the channel together; their responses follow when they are on disk, or
   ESME_RX_T_APPN when they can't be written, so that the SMSC tries again.
4. When a connection ends, what was under way has an unknown outcome; the submitter decides by its policy.

While the disk can't keep up with what the SMSC delivers, or the SMSC does not read what we answer, nothing more is
read from it: no buffer grows beyond its bound.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from twisted.application.service import Service
from twisted.internet import protocol as net
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import (
    IDelayedCall,
    IPushProducer,
    IReactorTime,
    IStreamClientEndpoint,
    ITCPTransport,
)
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from smsconnector.errors import StoreError
from smsconnector.lifecycle import CODE_ACCEPTED, CODE_NO_FAILURE
from smsconnector.link import BackOff, Link
from smsconnector.messages import IncomingSegment, Outcome, Receipt, Segment, Verdict
from smsconnector.smpp import session as smpp
from smsconnector.smpp.constants import EsmClass, RegisteredDelivery, Status, Tag, describe_status
from smsconnector.smpp.pace import Pace
from smsconnector.smpp.pdu import PDU
from smsconnector.smpp.policy import Action, Policy
from smsconnector.smpp.receipt import carries_text, octets_of, read_receipt
from smsconnector.smpp.submit import SubmitRenderer, SubmitSettings
from smsconnector.sms import udh, user_data
from smsconnector.sms.alphabet import is_binary

TICK = 0.25  # seconds between looks at the clock, per session
CLOSE_TIMEOUT = 5.0  # seconds for the peer to take the last octets and close; then the connection is aborted
UNANSWERED_LIMIT = 2000  # deliver_sm not on disk yet, per connection; more and the SMSC has to wait
REFUSED_PACE = 30.0  # seconds before the next attempt when the SMSC refused the bind
ALREADY_BOUND_PACE = 10.0  # the same for ESME_RALYBND: the SMSC has not yet seen that our last session is gone
MOVE_OVER = 0.1  # seconds until what was under way on a lost connection goes to another bind, if it is sent again
PAUSE = 5.0  # seconds, for a status whose rule is to pause and says not for how long


@dataclass(frozen=True, slots=True)
class BindSettings:
    """One bind of the configuration. ``account`` names whose message ids are comparable (host and system_id);
    ``to`` are the prefixes of the numbers it serves, none for all that no other bind's prefix fits."""

    name: str
    account: str
    session: smpp.SessionSettings
    submit: SubmitSettings = field(default_factory=SubmitSettings)
    policy: Policy = field(default_factory=Policy)
    to: tuple[str, ...] = ()
    priority: int = 0
    weight: float = 1.0


class Owner(Protocol):
    """The route that a segment came from."""

    def outcomes(self, outcomes: list[Outcome]) -> None: ...
    def wait_again(self, segment: Segment) -> None: ...


class Channel(Protocol):
    """What a bind needs of its channel."""

    channel_name: str
    wall_clock: Callable[[], float]

    def offer_room(self) -> None: ...
    def received(self, items: list[Receipt | IncomingSegment], done: Callable[[StoreError | None], None]) -> None: ...


@implementer(IPushProducer)
class SMPPProtocol(net.Protocol):
    """The shell around one session: feed it, take its events, write its octets, dispatch.

    As the transport's producer it learns when the peer does not read what is written."""

    transport: Any

    def __init__(self, bind: "Bind", session: smpp.Session) -> None:
        self._bind, self.session = bind, session
        self._ticking = LoopingCall(self._tick)
        self._ticking.clock = bind.clock
        self._abort: IDelayedCall | None = None
        self._held = False  # by the bind: the disk has to catch up
        self._blocked_since: float | None = None  # when the peer's side of the connection became full

    def connectionMade(self) -> None:
        if ITCPTransport.providedBy(self.transport):
            self.transport.setTcpNoDelay(True)
            self.transport.setTcpKeepAlive(True)
        self.transport.registerProducer(self, True)
        self.session.start(self._bind.clock.seconds())
        self.flush()
        self._ticking.start(TICK, now=False)

    def dataReceived(self, data: bytes) -> None:
        self._dispatch(self.session.receive(data, self._bind.clock.seconds()))

    def connectionLost(self, reason: Failure = net.connectionDone) -> None:
        if self._ticking.running:
            self._ticking.stop()
        if self._abort is not None and self._abort.active():
            self._abort.cancel()
        clean = reason.check(ConnectionDone) is not None
        text = "the SMSC closed the connection" if clean else f"connection lost ({reason.getErrorMessage()})"
        self._bind.dispatch(self, self.session.connection_lost(text))
        self._bind.gone(self)

    def unbind(self) -> None:
        self._dispatch(self.session.unbind(self._bind.clock.seconds()))

    def flush(self) -> None:
        """Write what the session has queued in this turn."""
        data = self.session.data_to_send()
        if data:
            self.transport.write(data)

    # --- what is read, and what is not ----------------------------------------------------------------------

    def hold_reading(self, hold: bool) -> None:
        """Read nothing more for the time being, or go on."""
        self._held = hold
        self._read_or_not()

    def pauseProducing(self) -> None:
        """The transport: what was written is not being read."""
        self._blocked_since = self._bind.clock.seconds()
        self._read_or_not()

    def resumeProducing(self) -> None:
        """The transport: the peer reads again."""
        self._blocked_since = None
        self._read_or_not()

    def stopProducing(self) -> None: ...

    def _read_or_not(self) -> None:
        blocked = self._blocked_since is not None and self.session.state not in (smpp.State.OPEN, smpp.State.BINDING)
        if self._held or blocked:  # before the bind it may be a TLS handshake that has to be read
            self.transport.pauseProducing()
        else:
            self.transport.resumeProducing()

    # --- time and ends --------------------------------------------------------------------------------------

    def _tick(self) -> None:
        now = self._bind.clock.seconds()
        if self._blocked_since is not None and self.session.state is smpp.State.BOUND:
            self._read_or_not()
            limit = self.session.settings.response_timeout
            if now - self._blocked_since >= limit:
                self._dispatch(self.session.connection_lost(f"the SMSC read nothing for {limit:g} s", silent=True))
        elif not self._held:  # what has not been read can't be missed
            self._dispatch(self.session.tick(now))

    def _dispatch(self, events: list[smpp.Event]) -> None:
        if events:
            self._bind.dispatch(self, events)
        self.flush()
        if self.session.state is smpp.State.CLOSED and self._abort is None:
            silent = any(isinstance(event, smpp.Closed) and event.silent for event in events)
            self._abort = self._bind.clock.callLater(0.0 if silent else CLOSE_TIMEOUT, self.transport.abortConnection)
            self.transport.unregisterProducer()
            self.transport.loseConnection()


class Bind(Service):
    """One session at a time, kept by a link. ``pace`` may be shared by the parallel sessions of one bind."""

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        endpoint: IStreamClientEndpoint,
        settings: BindSettings,
        channel: Channel,
        back_off: BackOff,
        pace: Pace | None = None,
    ) -> None:
        self.clock, self.settings, self._endpoint, self._channel = clock, settings, endpoint, channel
        self._pace = pace or Pace(0.0, clock.seconds())
        self._renderer = SubmitRenderer(settings.submit)
        self._link = Link(clock, f"bind {settings.name}", self._connect, back_off)
        self._protocol: SMPPProtocol | None = None
        self._ended: tuple[str, float] | None = None
        self._unanswered = 0
        self._noticed: Counter[str] = Counter()
        self._wake: IDelayedCall | None = None
        self._stopped: Deferred[None] | None = None
        self._accepted = {
            RegisteredDelivery.NONE: (Verdict.DONE, CODE_ACCEPTED),
            RegisteredDelivery.FAILURE: (Verdict.ACCEPTED, CODE_NO_FAILURE),
        }.get(RegisteredDelivery(settings.submit.registered_delivery & 0b11), (Verdict.ACCEPTED, None))

    # --- service --------------------------------------------------------------------------------------------

    def startService(self) -> None:
        super().startService()
        self._link.startService()

    def stopService(self) -> "Deferred[None]":
        """Drain and unbind; bounded by the session's drain_timeout."""
        super().stopService()
        ended = maybeDeferred(self._link.stopService)
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None
        if self._protocol is None:
            return ended
        self._stopped = Deferred()
        self._protocol.unbind()
        return self._stopped if self._stopped is not None else succeed(None)

    def _connect(self) -> "Deferred[Any]":
        return self._endpoint.connect(net.Factory.forProtocol(self._build))

    def _build(self) -> SMPPProtocol:
        self._protocol = SMPPProtocol(self, smpp.Session(self.settings.session))
        self._ended = None
        return self._protocol

    def gone(self, protocol: SMPPProtocol) -> None:
        """The connection is closed and its last events are dispatched."""
        if self._protocol is not protocol:
            return
        self._protocol = None
        self._unanswered = 0
        reason, pace = self._ended or ("connection lost", 0.0)
        self._link.ended(reason, pace)
        stopped, self._stopped = self._stopped, None
        if stopped is not None:
            stopped.callback(None)
        self._channel.offer_room()  # its share goes to the others

    # --- submits --------------------------------------------------------------------------------------------

    @property
    def bound(self) -> bool:
        return self._protocol is not None and self._protocol.session.state is smpp.State.BOUND

    @property
    def outstanding(self) -> int:
        """Submits under way."""
        return self._protocol.session.outstanding if self._protocol is not None else 0

    @property
    def room(self) -> int:
        """How many submits may be sent now, by the window and by the pace."""
        if self._protocol is None:
            return 0
        session = self._protocol.session
        room = session.room
        if room <= 0:
            return 0
        allowed = self._pace.available(self.clock.seconds(), session.outstanding)
        if allowed <= 0:
            self._come_again()
        return min(room, allowed)

    def _come_again(self) -> None:
        """The pace says not now: ask the channel again when it says yes."""
        if self._wake is None and self.running:
            delay = max(0.01, self._pace.wait(self.clock.seconds()))
            self._wake = self.clock.callLater(delay, self._woken)

    def _woken(self) -> None:
        self._wake = None
        self._channel.offer_room()

    def submit(self, segment: Segment, owner: Owner) -> None:
        """Put it into the window; ``flush`` writes it. The route has looked at ``room``."""
        assert self._protocol is not None
        self._pace.submitted()
        body = self._renderer.body(segment, int(self._channel.wall_clock() * 1000))
        self._protocol.session.submit(body, (segment, owner), self.clock.seconds())

    def flush(self) -> None:
        if self._protocol is not None:
            self._protocol.flush()

    # --- events ---------------------------------------------------------------------------------------------

    def dispatch(self, protocol: SMPPProtocol, events: list[smpp.Event]) -> None:
        """What one read or tick brought: outcomes to their routes and deliver_sm to the channel, each in one go."""
        outcomes: list[tuple[Owner, Outcome]] = []
        delivered: list[PDU] = []
        for event in events:
            if isinstance(event, smpp.Answered):
                self._answered(protocol, event, outcomes)
            elif isinstance(event, smpp.Delivered):
                delivered.append(event.pdu)
            elif isinstance(event, smpp.Unanswered):
                outcomes.append(self._unknown(event.token))
            elif isinstance(event, smpp.Closed):
                self._ended = self._ended or (event.reason, 0.0)
                outcomes += [self._unknown(token, MOVE_OVER) for token in event.outstanding]
            else:
                self._changed(event)
        if delivered:
            self._deliver(protocol, delivered)
        by_owner: dict[int, tuple[Owner, list[Outcome]]] = {}
        for owner, outcome in outcomes:
            by_owner.setdefault(id(owner), (owner, []))[1].append(outcome)
        for owner, its_outcomes in by_owner.values():
            owner.outcomes(its_outcomes)
        self._channel.offer_room()

    def _unknown(self, token: tuple[Segment, Owner], retry_in: float | None = None) -> tuple[Owner, Outcome]:
        """``retry_in`` is for the first attempt: whoever loses one connection after the other has to wait."""
        segment, owner = token
        retry_in = None if segment.attempts else retry_in
        return owner, Outcome(segment, Verdict.UNKNOWN, self.settings.account, retry_in=retry_in)

    def _answered(self, protocol: SMPPProtocol, event: smpp.Answered, outcomes: list[tuple[Owner, Outcome]]) -> None:
        segment, owner = event.token
        account = self.settings.account
        now = self.clock.seconds()
        if event.congestion is not None:
            self._pace.congested(now, event.congestion)
        if event.status == Status.ESME_ROK:
            self._pace.taken()
            verdict, code = self._accepted
            outcomes.append((owner, Outcome(segment, verdict, account, event.message_id, code)))
            return
        rule = self.settings.policy.rule(event.status)
        if rule.action is Action.THROTTLE:
            self._pace.refused(now)
            owner.wait_again(segment)
            return
        if rule.action is Action.PAUSE:
            self._pace.pause(now, rule.delay or PAUSE)
            owner.wait_again(segment)
            return
        if rule.action is Action.REBIND:
            self._ended = (f"the SMSC answered submit_sm with {describe_status(event.status)}", 0.0)
            self.clock.callLater(0, protocol.unbind)
        verdict = Verdict.REFUSED if rule.action is Action.REJECT else Verdict.RETRY
        outcomes.append((owner, Outcome(segment, verdict, account, None, event.status, rule.delay)))

    def _changed(self, event: smpp.Event) -> None:
        name = self.settings.name
        if isinstance(event, smpp.Bound):
            self._link.established()
            self.log.info(
                "bind {name}: bound as {mode} to {smsc}{version}",
                name=name,
                mode=self.settings.session.mode,
                smsc=event.smsc_system_id or "the SMSC",
                version=f", SMPP {event.interface_version >> 4}.{event.interface_version & 15}"
                if event.interface_version
                else "",
            )
        elif isinstance(event, smpp.BindRefused):
            pace = ALREADY_BOUND_PACE if event.status == Status.ESME_RALYBND else REFUSED_PACE
            self._ended = (f"the SMSC refused the bind: {describe_status(event.status)}", pace)
        elif isinstance(event, smpp.Rejected):
            self.log.warn("bind {name}: {reason}", name=name, reason=event.reason)

    # --- receipts and texts ---------------------------------------------------------------------------------

    def _deliver(self, protocol: SMPPProtocol, pdus: list[PDU]) -> None:
        """Hand over; answer each when all are on disk."""
        now = int(self._channel.wall_clock() * 1000)
        items = [item for pdu in pdus for item in [self.read(pdu, now)] if item is not None]
        self._unanswered += len(pdus)
        if self._unanswered > UNANSWERED_LIMIT:
            protocol.hold_reading(True)

        def done(error: StoreError | None) -> None:
            status = Status.ESME_ROK if error is None else Status.ESME_RX_T_APPN
            for pdu in pdus:
                protocol.session.respond(pdu, status)
            protocol.flush()
            if self._protocol is protocol:
                before, self._unanswered = self._unanswered, self._unanswered - len(pdus)
                if before > UNANSWERED_LIMIT >= self._unanswered:
                    protocol.hold_reading(False)

        if items:
            self._channel.received(items, done)
        else:
            done(None)

    def read(self, pdu: PDU, now: int) -> Receipt | IncomingSegment | None:
        """A deliver_sm or data_sm as the words of the walks; None for what tells nothing about a submit."""
        found = read_receipt(pdu)
        if found is not None:
            if not found.known:
                self._notice("receipts with a status that no table knows", found.status)
            elif found.disagrees:
                self._notice("receipts whose text and message_state are at odds", found.status)
            return Receipt(
                self.settings.account, found.smsc_id, found.finality, found.code, found.status, now,
                pdu.fields["source_addr"], None if found.marked else self._read_text(pdu, now),
            )  # fmt: skip
        if carries_text(pdu):
            return self._read_text(pdu, now)
        self._notice("acknowledgements of a handset, or receipts without an id", f"from {pdu.fields['source_addr']}")
        return None

    def _notice(self, what: str, example: str) -> None:
        """A line in the log for the first, the tenth, the hundredth and then every thousandth."""
        self._noticed[what] += 1
        count = self._noticed[what]
        if count in (1, 10, 100) or count % 1000 == 0:
            name = self.settings.name
            self.log.warn("bind {name}: {what}: {count} so far, now {example}",
                          name=name, what=what, count=count, example=example)  # fmt: skip

    def _read_text(self, pdu: PDU, now: int) -> IncomingSegment:
        has_header = bool(pdu.fields["esm_class"] & EsmClass.UDHI)
        text, elements = user_data.read(
            octets_of(pdu), pdu.fields["data_coding"], self.settings.submit.default_alphabet, has_header
        )
        place = udh.find_concatenation(elements)
        reference, count, number = place or _sar(pdu) or (0, 1, 1)
        return IncomingSegment(
            self._channel.channel_name, self.settings.account,
            pdu.fields["source_addr"], pdu.fields["destination_addr"],
            text, now, reference, number, count, is_binary=is_binary(pdu.fields["data_coding"]),
        )  # fmt: skip


def _sar(pdu: PDU) -> tuple[int, int, int] | None:
    """(reference, count, number) of the SAR TLVs (section 5.3.2.22 to 24), if all three are sound."""
    values = pdu.tlv_int(Tag.sar_msg_ref_num), pdu.tlv_int(Tag.sar_total_segments), pdu.tlv_int(Tag.sar_segment_seqnum)
    reference, count, number = values
    if reference is None or count is None or number is None or not 1 <= number <= count <= 0xFF:
        return None
    return reference & 0xFFFF, count, number
