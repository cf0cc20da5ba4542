"""The SMPP channel: binds to SMSCs, each one session on one connection that is kept.

1. ``submit`` gives each segment to a bind with room; the bind renders it and puts it into its session's window.
2. A response becomes an outcome by the table of ``policy``. ESME_RTHROTTLED and ESME_RMSGQFUL are none: the bind
   pauses, longer each time, and the segment waits at the channel's head, in order, for any bind with room.
3. Receipts and texts of one read go to the listener together; their deliver_sm_resp follow when they are on
   disk, or ESME_RX_T_APPN when they can't be written, so that the SMSC tries again.
4. When a connection ends, what was under way has an unknown outcome; the listener decides by its policy.

All that one turn writes to a connection is one write.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from twisted.application.service import MultiService, Service
from twisted.internet.defer import Deferred, DeferredList, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IReactorTime, IStreamClientEndpoint, ITCPTransport
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from smsconnector.channels import Listener
from smsconnector.errors import StoreError
from smsconnector.lifecycle import CODE_ACCEPTED, CODE_NO_FAILURE
from smsconnector.link import BackOff, Link
from smsconnector.messages import IncomingSegment, Outcome, Receipt, Segment, Verdict
from smsconnector.smpp import session as smpp
from smsconnector.smpp.constants import EsmClass, RegisteredDelivery, Status, Tag, describe_status
from smsconnector.smpp.pdu import PDU
from smsconnector.smpp.policy import Action, action_for
from smsconnector.smpp.receipt import octets_of, read_receipt
from smsconnector.smpp.submit import SubmitRenderer, SubmitSettings
from smsconnector.sms import alphabet, udh

TICK = 0.25  # seconds between looks at the clock, per session
UNANSWERED_LIMIT = 2000  # deliver_sm not on disk yet, per connection; more and the SMSC has to wait
REFUSED_PACE = 30.0  # seconds before the next attempt when the SMSC refused the bind


@dataclass(frozen=True, slots=True)
class BindSettings:
    """One bind of the configuration. ``account`` names whose message ids are comparable (host and system_id)."""

    name: str
    account: str
    session: smpp.SessionSettings
    submit: SubmitSettings = field(default_factory=SubmitSettings)
    default_alphabet: str = "gsm7"


class SMPPProtocol(Protocol):
    """The shell around one session: feed it, take its events, write its octets, dispatch."""

    def __init__(self, bind: "Bind", session: smpp.Session) -> None:
        self._bind, self.session = bind, session
        self._ticking = LoopingCall(self._tick)
        self._ticking.clock = bind.clock

    def connectionMade(self) -> None:
        if ITCPTransport.providedBy(self.transport):
            self.transport.setTcpNoDelay(True)
            self.transport.setTcpKeepAlive(True)
        self.session.start(self._bind.clock.seconds())
        self.flush()
        self._ticking.start(TICK, now=False)

    def dataReceived(self, data: bytes) -> None:
        self._dispatch(self.session.receive(data, self._bind.clock.seconds()))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._ticking.running:
            self._ticking.stop()
        clean = reason.check(ConnectionDone) is not None
        text = "the SMSC closed the connection" if clean else f"connection lost ({reason.getErrorMessage()})"
        self._bind.dispatch(self, self.session.connection_lost(text))
        self._bind.gone(self)

    def unbind(self) -> None:
        self._dispatch(self.session.unbind(self._bind.clock.seconds()))

    def flush(self) -> None:
        """Write what the session has queued in this turn."""
        data = self.session.data_to_send()
        if data and self.transport is not None:
            self.transport.write(data)

    def _tick(self) -> None:
        self._dispatch(self.session.tick(self._bind.clock.seconds()))

    def _dispatch(self, events: list[smpp.Event]) -> None:
        if events:
            self._bind.dispatch(self, events)
        self.flush()
        if self.session.state is smpp.State.CLOSED and self.transport is not None:
            self.transport.loseConnection()


class Bind(Service):
    """One configured bind: at most one session at a time, kept by a link."""

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        endpoint: IStreamClientEndpoint,
        settings: BindSettings,
        channel: "SMPPChannel",
        back_off: BackOff,
    ) -> None:
        self.clock, self.settings, self._endpoint, self._channel = clock, settings, endpoint, channel
        self._renderer = SubmitRenderer(settings.submit)
        self._link = Link(clock, f"bind {settings.name}", self._connect, back_off)
        self._protocol: SMPPProtocol | None = None
        self._paused_until = 0.0
        self._pause = 0.0
        self._unanswered = 0
        self._ended: tuple[str, float] | None = None
        self._stopped: Deferred[None] | None = None
        accepted = settings.submit.registered_delivery
        self._accepted = {
            RegisteredDelivery.NONE: (Verdict.DONE, CODE_ACCEPTED),
            RegisteredDelivery.FAILURE: (Verdict.ACCEPTED, CODE_NO_FAILURE),
        }.get(RegisteredDelivery(accepted), (Verdict.ACCEPTED, None))

    # --- service --------------------------------------------------------------------------------------------

    def startService(self) -> None:
        super().startService()
        self._link.startService()

    def stopService(self) -> "Deferred[None]":
        """Drain and unbind; bounded by the session's drain_timeout."""
        super().stopService()
        self._link.stopService()
        if self._protocol is None:
            return succeed(None)
        self._stopped = Deferred()
        self._protocol.unbind()
        return self._stopped

    def _connect(self) -> "Deferred[Any]":
        return self._endpoint.connect(Factory.forProtocol(self._build))

    def _build(self) -> SMPPProtocol:
        protocol = SMPPProtocol(self, smpp.Session(self.settings.session))
        self._protocol = protocol
        self._ended = None
        return protocol

    def gone(self, protocol: SMPPProtocol) -> None:
        """The connection is closed and its last events are dispatched."""
        if self._protocol is not protocol:
            return
        self._protocol = None
        self._unanswered = 0
        reason, pace = self._ended or ("connection lost", 0.0)
        self._link.ended(reason, pace)
        if self._stopped is not None:
            self._stopped.callback(None)
            self._stopped = None

    # --- submits --------------------------------------------------------------------------------------------

    @property
    def bound(self) -> bool:
        return self._protocol is not None and self._protocol.session.state is smpp.State.BOUND

    @property
    def room(self) -> int:
        if self._protocol is None or self._paused_until > self.clock.seconds():
            return 0
        return self._protocol.session.room

    def submit(self, segment: Segment) -> None:
        """Put it into the window; ``flush`` writes it. The channel has looked at ``room``."""
        assert self._protocol is not None
        self._protocol.session.submit(self._renderer.body(segment), segment, self.clock.seconds())

    def flush(self) -> None:
        if self._protocol is not None:
            self._protocol.flush()

    # --- events ---------------------------------------------------------------------------------------------

    def dispatch(self, protocol: SMPPProtocol, events: list[smpp.Event]) -> None:
        outcomes: list[Outcome] = []
        delivered: list[PDU] = []
        for event in events:
            if isinstance(event, smpp.Answered):
                self._answered(event, outcomes)
            elif isinstance(event, smpp.Delivered):
                delivered.append(event.pdu)
            elif isinstance(event, smpp.Unanswered):
                outcomes.append(Outcome(event.token, Verdict.UNKNOWN, self.settings.account))
            else:
                self._changed(event, outcomes)
        if delivered:
            self._deliver(protocol, delivered)
        if outcomes:
            self._channel.listener.outcomes(outcomes)
        self._channel.offer_room()

    def _answered(self, event: smpp.Answered, outcomes: list[Outcome]) -> None:
        account = self.settings.account
        if event.status == Status.ESME_ROK:
            verdict, code = self._accepted
            outcomes.append(Outcome(event.token, verdict, account, event.message_id, code))
            self._pause = 0.0
            return
        action = action_for(event.status)
        if action is Action.THROTTLE:
            self._throttled(event)
            return
        verdict = Verdict.RETRY if action is Action.RETRY else Verdict.REFUSED
        outcomes.append(Outcome(event.token, verdict, account, None, event.status))

    def _throttled(self, event: smpp.Answered) -> None:
        """Slow down the whole bind; no attempt counts, and the order stays."""
        now = self.clock.seconds()
        if self._paused_until <= now:
            self._pause = min(self._pause * 2 or 0.05, 5.0)
            self._paused_until = now + self._pause
            self.clock.callLater(self._pause, self._channel.offer_room)
        self._channel.wait_again(event.token)

    def _changed(self, event: smpp.Event, outcomes: list[Outcome]) -> None:
        name = self.settings.name
        if isinstance(event, smpp.Bound):
            self._link.established()
            self.log.info(
                "bind {name}: bound as {mode} to {smsc}",
                name=name,
                mode=self.settings.session.mode,
                smsc=event.smsc_system_id or "the SMSC",
            )
        elif isinstance(event, smpp.BindRefused):
            self._ended = (f"the SMSC refused the bind: {describe_status(event.status)}", REFUSED_PACE)
        elif isinstance(event, smpp.Rejected):
            self.log.warn("bind {name}: {reason}", name=name, reason=event.reason)
        elif isinstance(event, smpp.Closed):
            self._ended = self._ended or (event.reason, 0.0)
            outcomes += [Outcome(token, Verdict.UNKNOWN, self.settings.account) for token in event.outstanding]

    # --- receipts and texts ---------------------------------------------------------------------------------

    def _deliver(self, protocol: SMPPProtocol, pdus: list[PDU]) -> None:
        """Hand over; answer each when all are on disk."""
        now = int(self._channel.wall_clock() * 1000)
        items = [item for pdu in pdus for item in [self.read(pdu, now)] if item is not None]
        self._unanswered += len(pdus)
        if self._unanswered > UNANSWERED_LIMIT and protocol.transport is not None:
            protocol.transport.pauseProducing()  # type: ignore[attr-defined]

        def done(error: StoreError | None) -> None:
            status = Status.ESME_ROK if error is None else Status.ESME_RX_T_APPN
            for pdu in pdus:
                protocol.session.respond(pdu, status)
            protocol.flush()
            if self._protocol is protocol:
                before, self._unanswered = self._unanswered, self._unanswered - len(pdus)
                if before > UNANSWERED_LIMIT >= self._unanswered and protocol.transport is not None:
                    protocol.transport.resumeProducing()  # type: ignore[attr-defined]

        if items:
            self._channel.listener.received(items, done)
        else:
            done(None)

    def read(self, pdu: PDU, now: int) -> Receipt | IncomingSegment | None:
        """A deliver_sm or data_sm as the words of the walks; None for a handset's acknowledgement."""
        settings = self.settings
        receipt = read_receipt(pdu)
        if receipt is not None:
            if not receipt.known or receipt.disagrees:
                self.log.warn(
                    "bind {name}: receipt for {smsc_id} with {what}: stat {status}, taken as {finality}",
                    name=settings.name,
                    smsc_id=receipt.smsc_id,
                    what="a status no table knows" if not receipt.known else "text and message_state at odds",
                    status=receipt.status,
                    finality=receipt.finality.name,
                )
            return Receipt(
                settings.account, receipt.smsc_id, receipt.finality, receipt.code, receipt.status, now,
                pdu.fields["source_addr"],
            )  # fmt: skip
        if pdu.fields["esm_class"] & EsmClass.MESSAGE_TYPE:
            return None
        return self._read_text(pdu, now)

    def _read_text(self, pdu: PDU, now: int) -> IncomingSegment:
        octets = octets_of(pdu)
        place = None
        if pdu.fields["esm_class"] & EsmClass.UDHI:
            elements, octets = udh.split(octets)
            place = udh.find_concatenation(elements)
        elif (total := pdu.tlv_int(Tag.sar_total_segments)) is not None:
            reference, number = pdu.tlv_int(Tag.sar_msg_ref_num), pdu.tlv_int(Tag.sar_segment_seqnum)
            if reference is not None and number is not None and 1 <= number <= total:
                place = (reference, total, number)
        reference, count, number = place or (0, 1, 1)
        text = alphabet.decode_data_coding(octets, pdu.fields["data_coding"], self.settings.default_alphabet)
        return IncomingSegment(
            self._channel.channel_name, self.settings.account,
            pdu.fields["source_addr"], pdu.fields["destination_addr"],
            text, now, reference, number, count,
        )  # fmt: skip


class SMPPChannel(MultiService):
    """All binds of one channel, and the segments that wait to be sent again after a throttle."""

    def __init__(self, name: str, wall_clock: Callable[[], float]) -> None:
        super().__init__()
        self.channel_name = name
        self.wall_clock = wall_clock  # seconds since the epoch
        self.listener: Listener
        self.binds: list[Bind] = []
        self._waiting: deque[Segment] = deque()

    def add(self, bind: Bind) -> None:
        self.binds.append(bind)
        bind.setServiceParent(self)

    def stopService(self) -> "Deferred[Any]":
        return DeferredList([super().stopService()])

    def capacity(self) -> int:
        return max(0, sum(bind.room for bind in self.binds) - len(self._waiting))

    def submit(self, segments: Sequence[Segment]) -> None:
        used = set()
        for segment in segments:
            bind = max(self.binds, key=lambda one: one.room)
            bind.submit(segment)
            used.add(bind)
        for bind in used:
            bind.flush()

    def wait_again(self, segment: Segment) -> None:
        """A throttled segment: first in line, by the order of acceptance."""
        self._waiting.append(segment)
        if len(self._waiting) > 1 and self._waiting[-2].id > segment.id:
            self._waiting = deque(sorted(self._waiting, key=lambda one: one.id))

    def offer_room(self) -> None:
        """Send what waits; then ask for more."""
        room = sum(bind.room for bind in self.binds)
        if self._waiting and room:
            self.submit([self._waiting.popleft() for _ in range(min(room, len(self._waiting)))])
        if self.capacity():
            self.listener.room()
