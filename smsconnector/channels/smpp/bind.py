"""One SMPP session that is kept: what stands around ``smpp.session``, with its pace, its policy and its link.

1. ``submit`` makes a submit_sm of a segment and puts it into the session's window. ``flush`` writes what one turn of
   the reactor has put there.
2. A response becomes an outcome by the policy's table. A response that throttles is no outcome: the pace slows down,
   and the segment goes back to its route, which sends it again, in its order, by any bind that has room. The pace is
   told whether a segment was throttled before: it may be that the SMSC has no more room for that one number.
3. Receipts and texts of one read go to the channel together. Their responses follow when they are on disk. If they
   can't be written the response is ESME_RX_T_APPN, so that the SMSC tries again.
4. A response that comes after its time-out still tells that the SMSC has taken the segment: it need not be sent again.
5. When a connection ends, the outcome of what was under way is unknown. The submitter decides by its policy whether
   that is sent again.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
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

from smsconnector.channels import Part
from smsconnector.channels.smpp.connection import SMPPProtocol
from smsconnector.channels.smpp.refusals import MANY, Refusals
from smsconnector.channels.smpp.unanswered import Unanswered
from smsconnector.errors import StoreError
from smsconnector.figures import Figures
from smsconnector.lifecycle import CODE_ACCEPTED, CODE_NO_FAILURE
from smsconnector.masking import masked, without_numbers
from smsconnector.messages import Finality, IncomingSegment, Outcome, Receipt, Segment, Verdict
from smsconnector.net.link import BackOff, Link
from smsconnector.recurring import Recurring
from smsconnector.smpp import session as smpp
from smsconnector.smpp.constants import RegisteredDelivery, Status, describe_status
from smsconnector.smpp.deliver import DeliverReader
from smsconnector.smpp.pace import Pace
from smsconnector.smpp.pdu import PDU
from smsconnector.smpp.policy import Action, Policy
from smsconnector.smpp.submit import SubmitRenderer, SubmitSettings
from smsconnector.wall_clock import WallClock

REFUSED_PACE = 30.0  # seconds until the next attempt when the SMSC has refused the bind
ALREADY_BOUND_PACE = 10.0  # seconds, for ESME_RALYBND: the SMSC has not yet seen that our last session is gone
MOVE_OVER = 0.1  # seconds until what was under way on a lost connection is sent again, by another bind if there is one
FIRST_WITH_TLVS = 0x34  # the first interface_version that has TLVs
WITH_TLVS = {"sar", "payload"}  # the forms of long messages that need TLVs
NO_TLVS = (
    "{title}: the SMSC's version has no TLVs, and the configuration sends some: if it refuses them"
    " (ESME_ROPTPARNOTALLWD), leave `tlvs` out and set `long_messages: udh8`"
)
PAUSE = 5.0  # seconds, where the rule of a status is to pause and does not say for how long


@dataclass(frozen=True, slots=True)
class BindSettings:
    """One bind of the configuration.

    ``account`` names whose message ids are one series (host and system_id). ``to`` are the prefixes of the numbers that
    it serves; without any it serves all numbers that no other bind's prefix fits. ``receipt_words`` are words of
    ``stat``, in capital letters, and what they mean here."""

    name: str
    account: str
    session: smpp.SessionSettings
    submit: SubmitSettings = field(default_factory=SubmitSettings)
    policy: Policy = field(default_factory=Policy)
    to: tuple[str, ...] = ()
    priority: int = 0
    weight: float = 1.0
    receipt_words: Mapping[str, Finality] = field(default_factory=dict)
    headers_without_udhi: bool = True
    cancel_sm: bool = False  # whether the SMSC may be asked to take back what it has


class SubmitOwner(Protocol):
    """The route that a segment came from."""

    def outcomes(self, outcomes: list[Outcome]) -> None: ...
    def late(self, outcome: Outcome) -> None: ...
    def wait_again(self, segment: Segment) -> None: ...


OwnedOutcomes = list[tuple[SubmitOwner, Outcome]]


class BindOwner(Protocol):
    """What a bind needs of its channel."""

    name: str
    wall_clock: WallClock
    figures: Figures

    def offer_room(self) -> None: ...
    def received(self, items: list[Receipt | IncomingSegment], done: Callable[[StoreError | None], None]) -> None: ...


def _reader_of(channel: str, settings: BindSettings) -> DeliverReader:
    return DeliverReader(
        channel,
        settings.account,
        settings.submit.default_alphabet,
        settings.receipt_words,
        headers_without_udhi=settings.headers_without_udhi,
    )


def _say_bound(log: Logger, title: str, settings: BindSettings, event: smpp.Bound) -> None:
    submit, version = settings.submit, event.interface_version
    log.info(
        "{title}: bound as {mode} to {smsc}{version}",
        title=title,
        mode=settings.session.mode,
        smsc=event.smsc_system_id or "the SMSC",
        version=f", SMPP {version >> 4}.{version & 15}" if version else "",
    )
    if version and version < FIRST_WITH_TLVS and (submit.tlvs or submit.form in WITH_TLVS):
        log.warn(NO_TLVS, title=title)


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
        self.clock, self.settings, self._endpoint, self.channel = clock, settings, endpoint, channel
        self.pace = pace or Pace(0.0, clock.seconds())
        self.renderer = SubmitRenderer(settings.submit)
        self._reader = _reader_of(channel.name, settings)
        self._title = f"bind {channel.name}/{settings.name}"  # in the log
        self.trouble = Recurring(clock, self.log, self._title)
        self._link = Link(clock, self._title, self._connect, back_off, incoming=settings.session.outbind)
        self._protocol: SMPPProtocol | None = None
        self._ended: tuple[str, float] | None = None
        self._submits_at: int | None = None  # ms; the same for all that is written together
        self._unanswered = Unanswered()
        self._refusals = Refusals()
        self._wake: IDelayedCall | None = None
        self._trial: IDelayedCall | None = None  # when a bind that is avoided may be tried again
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
        self.trouble.stop()
        ended = maybeDeferred(self._link.stopService)
        for call in (self._wake, self._trial):
            if call is not None:
                call.cancel()
        self._wake = self._trial = None
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
        self._unanswered = Unanswered()
        reason, pace = self._ended or ("connection lost", 0.0)
        self._link.ended(reason, pace)
        stopped, self._stopped = self._stopped, None
        if stopped is not None:
            stopped.callback(None)
        self.channel.offer_room()  # other binds may take what it would have sent

    # --- submits --------------------------------------------------------------------------------------------

    @property
    def part(self) -> Part:
        """For health: "bound", or "down" and why."""
        title = f"{self.channel.name}/{self.settings.name}"
        return Part(title, "bound") if self.bound else Part(title, "down", self._link.why)

    @property
    def bound(self) -> bool:
        return self._protocol is not None and self._protocol.session.state is smpp.State.BOUND

    @property
    def avoided(self) -> bool:
        """Whether its SMSC refuses everything for now: then other binds go first."""
        return self._refusals.is_avoided(self.clock.seconds(), self.outstanding)

    @property
    def outstanding(self) -> int:
        """Submits under way."""
        return self._protocol.session.outstanding if self._protocol is not None else 0

    def under_way(self) -> list[tuple[Segment, SubmitOwner]]:
        """The submits without an outcome, and whom each came from."""
        return [token for token, _ in self._protocol.session.window.values()] if self._protocol is not None else []

    @property
    def room(self) -> int:
        """How many submits may be sent now, by the window and by the pace."""
        if self._protocol is None:
            return 0
        session = self._protocol.session
        room = session.room
        if room <= 0:
            return 0
        allowed = self.pace.available(self.clock.seconds(), session.outstanding)
        if allowed <= 0:
            self._come_again()
        if self._refusals.in_a_row >= MANY:
            allowed = min(allowed, 1 - session.outstanding)
        return min(room, allowed)

    def _come_again(self) -> None:
        """The pace allows nothing now: tell the channel when it does."""
        if self._wake is None and self.running:
            delay = max(0.01, self.pace.wait(self.clock.seconds()))
            self._wake = self.clock.callLater(delay, self._woken)

    def _woken(self) -> None:
        self._wake = None
        self.channel.offer_room()

    def submit(self, segment: Segment, owner: SubmitOwner) -> None:
        """Put it into the window; ``flush`` writes it. The route has looked at ``room``."""
        assert self._protocol is not None
        self.pace.submitted()
        if self._submits_at is None:
            self._submits_at = self.channel.wall_clock.steady_milliseconds()
        self._protocol.submit(self.renderer.body(segment, self._submits_at), (segment, owner))

    def flush(self) -> None:
        self._submits_at = None
        if self._protocol is not None:
            self._protocol.flush()

    @property
    def protocol(self) -> SMPPProtocol | None:
        """The connection, if there is one: for requests that are no submits."""
        return self._protocol

    # --- events ---------------------------------------------------------------------------------------------

    def dispatch(self, protocol: SMPPProtocol, events: list[smpp.SessionEvent]) -> None:
        """What one read or tick brought: outcomes to their routes and deliver_sm to the channel, each in one go."""
        outcomes: OwnedOutcomes = []
        delivered: list[PDU] = []
        for event in events:
            try:
                self._take(protocol, event, outcomes, delivered)
            except Exception:  # noqa: BLE001 — one event's fault must not cost what the others of its read say
                self.log.failure("{title}: {event} failed", title=self._title, event=type(event).__name__)
                if isinstance(event, smpp.Answered):
                    outcomes.append(self._unknown(event.token))
        if delivered:
            self._deliver(protocol, delivered)
        by_owner: dict[int, tuple[SubmitOwner, list[Outcome]]] = {}
        for owner, outcome in outcomes:
            by_owner.setdefault(id(owner), (owner, []))[1].append(outcome)
        for owner, its_outcomes in by_owner.values():
            owner.outcomes(its_outcomes)
        self.channel.offer_room()

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
            self.trouble.count("submit_sm without a response in time", f"to {masked(event.token[0].destination)}")
            owner, outcome = self._unknown(event.token)
            outcomes.append((owner, replace(outcome, may_come_late=True, sequence=event.sequence)))
        elif isinstance(event, smpp.Late):
            segment, owner = event.token
            owner.late(self._taken(segment, event.message_id, event.sequence))
        elif isinstance(event, smpp.Replied):
            event.token(event.status)
        elif isinstance(event, smpp.Congestion):
            self.pace.congested(self.clock.seconds(), event.percent)
        elif isinstance(event, smpp.Closed):
            self._ended = self._ended or (event.reason, 0.0)
            outcomes += [self._unknown(token, MOVE_OVER) for token in event.outstanding]
        else:
            self._changed(event)

    def _unknown(
        self, token: tuple[Segment, SubmitOwner], retry_in: float | None = None
    ) -> tuple[SubmitOwner, Outcome]:
        """``retry_in`` (s) is for a first attempt only: a segment that loses one connection after the other has to wait
        as long as the policy says."""
        segment, owner = token
        settings, retry_in = self.settings, None if segment.attempts else retry_in
        return owner, Outcome(segment, Verdict.UNKNOWN, settings.account, retry_in=retry_in, bind=settings.name)

    def _answered(self, protocol: SMPPProtocol, event: smpp.Answered, outcomes: OwnedOutcomes) -> None:
        segment, owner = event.token
        account, now = self.settings.account, self.clock.seconds()
        if event.status == Status.ESME_ROK:
            self.pace.taken(segment.throttles)
            self._refusals.in_a_row = 0
            outcomes.append((owner, self._taken(segment, event.message_id, event.sequence, int(event.waited * 1000))))
            return
        rule = self.settings.policy.rule(event.status)
        _note_refusal(self, segment, event.status, rule.action)
        if rule.action is Action.THROTTLE:
            self.pace.refused(now, segment.throttles)
            owner.wait_again(segment)
            return
        if rule.action is Action.PAUSE:
            self.pace.pause(now, rule.delay or PAUSE)
            owner.wait_again(segment)
            return
        self.pace.taken(segment.throttles)
        if rule.action is Action.REBIND:
            self._ended = (f"the SMSC answered submit_sm with {describe_status(event.status)}", 0.0)
            self.clock.callLater(0, protocol.unbind)
        if rule.action is Action.REJECT:
            self._refusals.in_a_row, verdict = 0, Verdict.REFUSED
        else:
            self._refused_for_now(now)
            verdict = Verdict.RETRY
        how = (self.settings.name, event.sequence, int(event.waited * 1000))
        outcomes.append((owner, Outcome(segment, verdict, account, None, event.status, rule.delay, False, *how)))

    def _taken(self, segment: Segment, message_id: str, sequence: int, answered_in: int | None = None) -> Outcome:
        """``answered_in``: ms; None: too late."""
        how, (verdict, code) = (self.settings.name, sequence, answered_in), self._accepted
        return Outcome(segment, verdict, self.settings.account, message_id, code, None, False, *how)

    def _refused_for_now(self, now: float) -> None:
        pause = self._refusals.refused(now)
        if pause and self._trial is None and self.running:
            self._trial = self.clock.callLater(pause, self._try_it)

    def _try_it(self) -> None:
        """The time for which the bind is avoided is over, unless more refusals have made it longer."""
        self._trial = None
        left = self._refusals.left(self.clock.seconds())
        if left > 0:
            self._trial = self.clock.callLater(left, self._try_it)
        else:
            self.channel.offer_room()

    def _changed(self, event: smpp.SessionEvent) -> None:
        if isinstance(event, smpp.Bound):
            self._link.established()
            _say_bound(self.log, self._title, self.settings, event)
        elif isinstance(event, smpp.BindRefused):
            pace = ALREADY_BOUND_PACE if event.status == Status.ESME_RALYBND else REFUSED_PACE
            self._ended = (f"the SMSC refused the bind: {describe_status(event.status)}", pace)
        elif isinstance(event, smpp.Dismissed):
            self._ended = (event.reason, 0.0)
        elif isinstance(event, smpp.Rejected):
            self.log.warn("{title}: {reason}", title=self._title, reason=without_numbers(event.reason))

    # --- receipts and texts ---------------------------------------------------------------------------------

    def _deliver(self, protocol: SMPPProtocol, pdus: list[PDU]) -> None:
        """Hand over; answer each when all are on disk."""
        now = self.channel.wall_clock.milliseconds()
        readings = [self._reader.read(pdu, now) for pdu in pdus]
        for reading in readings:
            if reading.notice is not None:
                self.trouble.count(*reading.notice)
        items = [reading.item for reading in readings if reading.item is not None]
        octets = self._unanswered.add(pdus)
        if self._unanswered.is_too_much:
            protocol.hold_reading(True)

        def done(error: StoreError | None) -> None:
            status = Status.ESME_ROK if error is None else Status.ESME_RX_T_APPN
            for pdu in pdus:
                protocol.session.respond(pdu, status)
            protocol.flush()
            if self._protocol is protocol and self._unanswered.remove(len(pdus), octets):
                protocol.hold_reading(False)

        if items:
            self.channel.received(items, done)
        else:
            done(None)


def _note_refusal(bind: Bind, segment: Segment, status: int, action: Action) -> None:
    """For the log; and for the figures if no outcome tells of it."""
    bind.trouble.count(f"submit_sm answered with {describe_status(status)}", f"to {masked(segment.destination)}")
    if action in (Action.THROTTLE, Action.PAUSE):
        bind.channel.figures.throttled.add((bind.channel.name, bind.settings.name, status))
