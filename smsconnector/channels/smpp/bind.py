"""One SMPP session that is kept: the shell around ``smpp.session``, with its pace, its policy and its link.

1. ``submit`` renders a segment and puts it into the session's window; ``flush`` writes what one turn has queued.
2. A response becomes an outcome by the policy's table. Throttling is none: the pace slows down, and the segment
   goes back to its route, to be sent again in its order by any bind with room. One that is throttled again and again
   while others are taken says nothing about the pace: its number is full.
3. Receipts and texts of one read go to the channel together; their responses follow when they are on disk, or
   ESME_RX_T_APPN when they can't be written, so that the SMSC tries again.
4. A response that is too late to count as one still tells that the segment need not be sent again.
5. When a connection ends, what was under way has an unknown outcome; the submitter decides by its policy.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from twisted.application.service import Service
from twisted.internet import protocol as net
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.interfaces import (
    IDelayedCall,
    IReactorTime,
    IStreamClientEndpoint,
)
from twisted.logger import Logger

from smsconnector.channels.smpp.connection import SMPPProtocol
from smsconnector.channels.smpp.deliver import Reader
from smsconnector.channels.smpp.tally import Tally
from smsconnector.errors import StoreError
from smsconnector.lifecycle import CODE_ACCEPTED, CODE_NO_FAILURE
from smsconnector.messages import IncomingSegment, Outcome, Receipt, Segment, Verdict
from smsconnector.net.link import BackOff, Link
from smsconnector.smpp import session as smpp
from smsconnector.smpp.constants import RegisteredDelivery, Status, describe_status
from smsconnector.smpp.pace import Pace
from smsconnector.smpp.pdu import PDU
from smsconnector.smpp.policy import Action, Policy
from smsconnector.smpp.submit import SubmitRenderer, SubmitSettings

UNANSWERED_LIMIT = 2000  # deliver_sm not on disk yet, per connection; more and the SMSC has to wait
REFUSED_PACE = 30.0  # seconds before the next attempt when the SMSC refused the bind
ALREADY_BOUND_PACE = 10.0  # the same for ESME_RALYBND: the SMSC has not yet seen that our last session is gone
MOVE_OVER = 0.1  # seconds until what was under way on a lost connection goes to another bind, if it is sent again
AILING = 5  # refusals for now in a row, after which a bind is used only where no other can be
LONGEST_AVOIDED = 60.0  # seconds until such a bind is tried again, at most
THROTTLES_OF_FULL_NUMBER = 5  # in a row of one segment: then its number may be full, and the bind not too fast
OTHERS_TAKEN = 10.0  # seconds: if the SMSC has taken another segment within them, it is the number
FIRST_WITH_TLVS = 0x34  # interface_version
WITH_TLVS = {"sar", "payload"}  # forms of long messages
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


class SubmitOwner(Protocol):
    """The route that a segment came from."""

    def outcomes(self, outcomes: list[Outcome]) -> None: ...
    def late(self, outcome: Outcome) -> None: ...
    def wait_again(self, segment: Segment) -> None: ...


OwnedOutcomes = list[tuple[SubmitOwner, Outcome]]


class BindOwner(Protocol):
    """What a bind needs of its channel."""

    channel_name: str
    wall_clock: Callable[[], float]

    def offer_room(self) -> None: ...
    def received(self, items: list[Receipt | IncomingSegment], done: Callable[[StoreError | None], None]) -> None: ...


class Bind(Service):
    """One session at a time, kept by a link. ``pace`` may be shared by the parallel sessions of one bind."""

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        endpoint: IStreamClientEndpoint,
        settings: BindSettings,
        channel: BindOwner,
        back_off: BackOff,
        pace: Pace | None = None,
    ) -> None:
        self.clock, self.settings, self._endpoint, self._channel = clock, settings, endpoint, channel
        self._pace = pace or Pace(0.0, clock.seconds())
        self._renderer = SubmitRenderer(settings.submit)
        self._reader = Reader(settings.name, channel.channel_name, settings.account, settings.submit.default_alphabet)
        self._tally = Tally(settings.name)
        self._link = Link(clock, f"bind {settings.name}", self._connect, back_off, incoming=settings.session.outbind)
        self._protocol: SMPPProtocol | None = None
        self._ended: tuple[str, float] | None = None
        self._unanswered = 0
        self._refusals = 0  # in a row, for now, with nothing taken in between
        self._avoid_until = 0.0
        self._taken_at = -OTHERS_TAKEN
        self._wake: IDelayedCall | None = None
        self._avoided: IDelayedCall | None = None
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
        for call in (self._wake, self._avoided):
            if call is not None:
                call.cancel()
        self._wake = self._avoided = None
        if self._protocol is None:
            return ended
        self._stopped = Deferred()
        self._protocol.unbind()
        return self._stopped if self._stopped is not None else succeed(None)

    def _connect(self) -> "Deferred[Any]":
        factory = net.Factory.forProtocol(self._build)
        factory.noisy = False
        return self._endpoint.connect(factory)

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
    def title(self) -> str:
        """What it is called beyond its channel."""
        return f"{self._channel.channel_name}/{self.settings.name}"

    @property
    def state(self) -> str:
        """ "bound", or "down" and why."""
        return "bound" if self.bound else "down" + (f": {self._link.why}" if self._link.why else "")

    @property
    def bound(self) -> bool:
        return self._protocol is not None and self._protocol.session.state is smpp.State.BOUND

    @property
    def ailing(self) -> bool:
        """Whether its SMSC has refused everything of late, for reasons of its own: others go first, until it is time to
        try it with one."""
        return self._refusals >= AILING and (self.outstanding > 0 or self.clock.seconds() < self._avoid_until)

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
        if self._refusals >= AILING:
            allowed = min(allowed, 1 - session.outstanding)
        return min(room, allowed)

    def _come_again(self) -> None:
        """The pace says not now: ask the channel again when it says yes."""
        if self._wake is None and self.running:
            delay = max(0.01, self._pace.wait(self.clock.seconds()))
            self._wake = self.clock.callLater(delay, self._woken)

    def _woken(self) -> None:
        self._wake = None
        self._channel.offer_room()

    def submit(self, segment: Segment, owner: SubmitOwner) -> None:
        """Put it into the window; ``flush`` writes it. The route has looked at ``room``."""
        assert self._protocol is not None
        self._pace.submitted()
        body = self._renderer.body(segment, int(self._channel.wall_clock() * 1000))
        self._protocol.session.submit(body, (segment, owner), self.clock.seconds())

    def flush(self) -> None:
        if self._protocol is not None:
            self._protocol.flush()

    # --- events ---------------------------------------------------------------------------------------------

    def dispatch(self, protocol: SMPPProtocol, events: list[smpp.SessionEvent]) -> None:
        """What one read or tick brought: outcomes to their routes and deliver_sm to the channel, each in one go."""
        outcomes: OwnedOutcomes = []
        delivered: list[PDU] = []
        for event in events:
            try:
                self._take(protocol, event, outcomes, delivered)
            except Exception:  # noqa: BLE001 — one event's fault must not cost what the others of its read say
                self.log.failure("bind {name}: {event} failed", name=self.settings.name, event=type(event).__name__)
                if isinstance(event, smpp.Answered):
                    outcomes.append(self._unknown(event.token))
        if delivered:
            self._deliver(protocol, delivered)
        by_owner: dict[int, tuple[SubmitOwner, list[Outcome]]] = {}
        for owner, outcome in outcomes:
            by_owner.setdefault(id(owner), (owner, []))[1].append(outcome)
        for owner, its_outcomes in by_owner.values():
            owner.outcomes(its_outcomes)
        self._channel.offer_room()

    def _take(
        self,
        protocol: SMPPProtocol,
        event: smpp.SessionEvent,
        outcomes: OwnedOutcomes,
        delivered: list[PDU],
    ) -> None:
        if isinstance(event, smpp.Answered):
            self._answered(protocol, event, outcomes)
        elif isinstance(event, smpp.Delivered):
            delivered.append(event.pdu)
        elif isinstance(event, smpp.Unanswered):
            self._tally.count("submit_sm without a response in time", f"to {event.token[0].destination}")
            outcomes.append(self._unknown(event.token))
        elif isinstance(event, smpp.Late):
            segment, owner = event.token
            owner.late(self._taken(segment, event.message_id))
        elif isinstance(event, smpp.Congestion):
            self._pace.congested(self.clock.seconds(), event.percent)
        elif isinstance(event, smpp.Closed):
            self._ended = self._ended or (event.reason, 0.0)
            outcomes += [self._unknown(token, MOVE_OVER) for token in event.outstanding]
        else:
            self._changed(event)

    def _unknown(
        self, token: tuple[Segment, SubmitOwner], retry_in: float | None = None
    ) -> tuple[SubmitOwner, Outcome]:
        """``retry_in`` is for the first attempt: whoever loses one connection after the other has to wait."""
        segment, owner = token
        retry_in = None if segment.attempts else retry_in
        return owner, Outcome(segment, Verdict.UNKNOWN, self.settings.account, retry_in=retry_in)

    def _answered(self, protocol: SMPPProtocol, event: smpp.Answered, outcomes: OwnedOutcomes) -> None:
        segment, owner = event.token
        account = self.settings.account
        now = self.clock.seconds()
        if event.status == Status.ESME_ROK:
            self._pace.taken()
            self._refusals, self._taken_at = 0, now
            outcomes.append((owner, self._taken(segment, event.message_id)))
            return
        rule = self.settings.policy.rule(event.status)
        self._tally.count(f"submit_sm answered with {describe_status(event.status)}", f"to {segment.destination}")
        if rule.action is Action.THROTTLE_RULE:
            if segment.throttles < THROTTLES_OF_FULL_NUMBER or now - self._taken_at > OTHERS_TAKEN:
                self._pace.refused(now)
            owner.wait_again(segment)
            return
        if rule.action is Action.PAUSE:
            self._pace.pause(now, rule.delay or PAUSE)
            owner.wait_again(segment)
            return
        self._pace.taken()
        if rule.action is Action.REBIND_RULE:
            self._ended = (f"the SMSC answered submit_sm with {describe_status(event.status)}", 0.0)
            self.clock.callLater(0, protocol.unbind)
        if rule.action is Action.REJECT_RULE:
            self._refusals, verdict = 0, Verdict.REFUSED
        else:
            self._refused_for_now(now)
            verdict = Verdict.RETRY
        outcomes.append((owner, Outcome(segment, verdict, account, None, event.status, rule.delay)))

    def _taken(self, segment: Segment, message_id: str) -> Outcome:
        verdict, code = self._accepted
        return Outcome(segment, verdict, self.settings.account, message_id, code)

    def _refused_for_now(self, now: float) -> None:
        """After some in a row the bind is avoided, longer each time."""
        self._refusals += 1
        if self._refusals >= AILING:
            pause = min(2.0 ** min(self._refusals - AILING, 10), LONGEST_AVOIDED)
            self._avoid_until = now + pause
            if self._avoided is None and self.running:
                self._avoided = self.clock.callLater(pause, self._try_it)

    def _try_it(self) -> None:
        """It may be well again."""
        self._avoided = None
        left = self._avoid_until - self.clock.seconds()
        if left > 0:
            self._avoided = self.clock.callLater(left, self._try_it)
        else:
            self._channel.offer_room()

    def _changed(self, event: smpp.SessionEvent) -> None:
        name = self.settings.name
        if isinstance(event, smpp.Bound):
            self._link.established()
            self._say_bound(event)
        elif isinstance(event, smpp.BindRefused):
            pace = ALREADY_BOUND_PACE if event.status == Status.ESME_RALYBND else REFUSED_PACE
            self._ended = (f"the SMSC refused the bind: {describe_status(event.status)}", pace)
        elif isinstance(event, smpp.Rejected):
            self.log.warn("bind {name}: {reason}", name=name, reason=event.reason)

    def _say_bound(self, event: smpp.Bound) -> None:
        name, submit, version = self.settings.name, self.settings.submit, event.interface_version
        self.log.info(
            "bind {name}: bound as {mode} to {smsc}{version}",
            name=name,
            mode=self.settings.session.mode,
            smsc=event.smsc_system_id or "the SMSC",
            version=f", SMPP {version >> 4}.{version & 15}" if version else "",
        )
        if version and version < FIRST_WITH_TLVS and (submit.tlvs or submit.form in WITH_TLVS):
            self.log.warn(
                "bind {name}: the SMSC's version has no TLVs, and the configuration sends some: if it refuses them"
                " (ESME_ROPTPARNOTALLWD), leave `tlvs` out and set `long_messages: udh8`",
                name=name,
            )

    # --- receipts and texts ---------------------------------------------------------------------------------

    def _deliver(self, protocol: SMPPProtocol, pdus: list[PDU]) -> None:
        """Hand over; answer each when all are on disk."""
        now = int(self._channel.wall_clock() * 1000)
        items = [item for pdu in pdus for item in [self._reader.read(pdu, now)] if item is not None]
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
