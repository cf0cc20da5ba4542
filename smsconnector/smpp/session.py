"""The ESME's side of one SMPP session, without I/O. Calls, octets and ``now`` go in; octets and events come out.

``STEPS`` says which states follow which, after SMPP 3.4 section 2.2:

    OPEN --bind sent--> BINDING --bind_resp ok--> BOUND --unbind, either side--> UNBINDING --> CLOSED

1. ``start`` queues the bind, or waits for the SMSC to ask for it with outbind.
2. ``receive`` reads octets from the SMSC and gives events. ``data_to_send`` gives all octets that are to be written.
3. ``submit`` puts a rendered body into the window, with a token of the caller. The token comes back exactly once:
   in ``Answered``, in ``Unanswered`` (no response in time), or in ``Closed.outstanding``. The token of an unanswered
   submit may come again in ``Late``: the SMSC has taken it after all.
4. ``Delivered`` hands over a deliver_sm or data_sm. The caller answers with ``respond`` when it is on disk.
5. ``ask`` sends any other request: its response is not counted in the window. Its token comes back once, in
   ``Replied``.
6. ``unbind`` drains the session: no more submits, and unbind when neither side owes an answer.
7. ``tick`` gives what is due because time has passed: time-outs, enquire_link, the end of a drain. One timer calls it.

Times are seconds, as floats, of any clock that only rises. Where it rises only while the SMSC could be heard, no answer
counts as missing that has come and was not read (``net.hearing`` is such a clock).
"""

import enum
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from smsconnector.errors import FramingError, PDUError
from smsconnector.smpp import congestion, outbind
from smsconnector.smpp import pdu as codec
from smsconnector.smpp.constants import (
    DEFAULT_MAX_PDU,
    HEADER_OCTETS,
    MAX_SEQUENCE,
    RESPONSE,
    CommandId,
    Status,
    Tag,
    command_name,
    describe_status,
)
from smsconnector.smpp.enquiries import Enquiries
from smsconnector.smpp.events import Answered as Answered  # noqa: PLC0414 — the session's own words
from smsconnector.smpp.events import BindRefused as BindRefused  # noqa: PLC0414
from smsconnector.smpp.events import Bound as Bound  # noqa: PLC0414
from smsconnector.smpp.events import Closed as Closed  # noqa: PLC0414
from smsconnector.smpp.events import Congestion as Congestion  # noqa: PLC0414
from smsconnector.smpp.events import Delivered as Delivered  # noqa: PLC0414
from smsconnector.smpp.events import Dismissed as Dismissed  # noqa: PLC0414
from smsconnector.smpp.events import Late as Late  # noqa: PLC0414
from smsconnector.smpp.events import Rejected as Rejected  # noqa: PLC0414
from smsconnector.smpp.events import Replied as Replied  # noqa: PLC0414
from smsconnector.smpp.events import SessionEvent as SessionEvent  # noqa: PLC0414
from smsconnector.smpp.events import Unanswered as Unanswered  # noqa: PLC0414
from smsconnector.smpp.pdu import PDU, Framer

OVERDUE = 1_000  # how many submits without a response in time are remembered, should it come late
EARLY = 100  # how many deliver_sm are kept that come before the response to the bind


class State(enum.Enum):
    """Where the session is (section 2.2); what follows what is in ``STEPS``."""

    OPEN = "open"
    BINDING = "binding"
    BOUND = "bound"
    UNBINDING = "unbinding"
    CLOSED = "closed"


STEPS: dict[State, frozenset[State]] = {
    State.OPEN: frozenset({State.BINDING, State.CLOSED}),
    State.BINDING: frozenset({State.BOUND, State.CLOSED}),
    State.BOUND: frozenset({State.UNBINDING, State.CLOSED}),
    State.UNBINDING: frozenset({State.CLOSED}),
    State.CLOSED: frozenset(),
}

BINDS = {
    "transceiver": CommandId.bind_transceiver,
    "transmitter": CommandId.bind_transmitter,
    "receiver": CommandId.bind_receiver,
}
_ANSWERS = (CommandId.submit_sm_resp, CommandId.generic_nack, CommandId.cancel_sm_resp)
BIND_RESPONSES = {command_id | RESPONSE for command_id in BINDS.values()}


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """One bind's parameters. Times in seconds; ``window`` in submit_sm under way; ``maximum_pdu`` in octets."""

    system_id: str
    password: str
    system_type: str = ""
    mode: str = "transceiver"
    interface_version: int = 0x34
    addr_ton: int = 0
    addr_npi: int = 0
    address_range: str = ""
    window: int = 50
    bind_timeout: float = 10.0
    response_timeout: float = 30.0
    enquire_link_interval: float = 30.0
    drain_timeout: float = 5.0
    outbind: bool = False  # the SMSC connects, and asks with outbind for the bind (section 2.2.1)
    outbind_system_id: str = ""  # what the SMSC says of itself then
    outbind_password: str = ""
    maximum_pdu: int = DEFAULT_MAX_PDU


class Session:
    """One session, from connect to close. Make a new one for a new connection."""

    def __init__(self, settings: SessionSettings) -> None:
        self.settings = settings
        self.state = State.OPEN
        self._framer = Framer(settings.maximum_pdu)
        self._out: list[bytes] = []
        self.window: dict[int, tuple[Any, float]] = {}
        self._overdue: dict[int, Any] = {}  # the tokens of the unanswered, oldest first
        self.asked: dict[int, tuple[Any, float]] = {}  # requests that are no submits, as in the window
        self._sequence = 0
        self._since = 0.0  # when the present state began
        self._enquiries = Enquiries(settings.enquire_link_interval, settings.response_timeout)
        self._asked_to_unbind: int | None = None  # the sequence_number of the SMSC's unbind
        self._unbind_sent = False
        self._transmits = settings.mode != "receiver"
        self._owed = 0  # deliver_sm handed over and not answered yet
        self._early: list[bytes] = []  # deliver_sm that came before the response to the bind

    # --- calls ----------------------------------------------------------------------------------------------

    def start(self, now: float) -> None:
        """Connected: send the bind, unless the SMSC has to ask for it."""
        self._since = now
        self._enquiries.heard(now)
        if not self.settings.outbind:
            self._bind(now)

    def _bind(self, now: float) -> None:
        """Section 4.1."""
        settings = self.settings
        self._step(State.BINDING, now)
        fields = {
            "system_id": settings.system_id,
            "password": settings.password,
            "system_type": settings.system_type,
            "interface_version": settings.interface_version,
            "addr_ton": settings.addr_ton,
            "addr_npi": settings.addr_npi,
            "address_range": settings.address_range,
        }
        self._out.append(codec.encode(PDU(BINDS[settings.mode], 0, self._next_sequence(), fields)))

    @property
    def room(self) -> int:
        """How many submits may be sent now."""
        if self.state is not State.BOUND or not self._transmits:
            return 0
        return self.settings.window - len(self.window)

    @property
    def outstanding(self) -> int:
        """How many submits wait for their response."""
        return len(self.window)

    def submit(self, body: bytes, token: Any, now: float) -> None:
        """Send a rendered submit_sm body. The caller has looked at ``room``."""
        sequence = self._next_sequence()
        self.window[sequence] = (token, now)
        self._out.append(codec.with_body(CommandId.submit_sm, sequence, body))

    def ask(self, command_id: int, body: bytes, token: Any, now: float) -> None:
        """Send another request, which is no submit: cancel_sm (section 4.9). The session is bound."""
        sequence = self._next_sequence()
        self.asked[sequence] = (token, now)
        self._out.append(codec.with_body(command_id, sequence, body))

    def respond(self, pdu: PDU, status: int = 0) -> None:
        """Answer a deliver_sm or data_sm; message_id is unused and NUL (section 4.6.2)."""
        if self.state is not State.CLOSED:
            self._owed -= 1
            self._out.append(codec.with_body(pdu.command_id | RESPONSE, pdu.sequence_number, b"\0", status))

    def unbind(self, now: float) -> list[SessionEvent]:
        """Take no more submits; unbind when neither side owes an answer any more or ``drain_timeout`` is over."""
        if self.state is State.BOUND:
            self._step(State.UNBINDING, now)
            return self._drained(now)
        return self.connection_lost("stopped") if self.state is not State.UNBINDING else []

    def connection_lost(self, reason: str, *, silent: bool = False) -> list[SessionEvent]:
        """The transport is gone, or the session must end. Gives ``Closed`` once, then nothing."""
        if self.state is State.CLOSED:
            return []
        outstanding = tuple(token for token, _ in self.window.values())
        without_reply = [Replied(token, None) for token, _ in self.asked.values()]
        self.window.clear()
        self.asked.clear()
        self.state = State.CLOSED
        return [*without_reply, Closed(reason, outstanding, silent)]

    def data_to_send(self) -> bytes:
        """All octets queued since the last call."""
        data = b"".join(self._out)
        self._out.clear()
        return data

    # --- octets ---------------------------------------------------------------------------------------------

    def receive(self, data: bytes, now: float) -> list[SessionEvent]:
        """What came from the SMSC. A broken command_length gets a generic_nack and closes (section 4.3)."""
        if self.state is State.CLOSED:
            return []
        events: list[SessionEvent] = []
        try:
            pdus, lost = self._framer.feed(data), None
        except FramingError as error:
            pdus, lost = error.pdus, error  # type: ignore[attr-defined]
        if pdus:
            self._enquiries.heard(now)
        for octets in pdus:
            if self.state is State.CLOSED:  # type: ignore[comparison-overlap]  # the PDU before may have closed it
                return events
            self._receive_pdu(octets, now, events)
        if lost is not None:
            self._out.append(codec.bare(CommandId.generic_nack, 0, Status.ESME_RINVCMDLEN))
            events += self.connection_lost(str(lost))
        return events

    def _receive_pdu(self, octets: bytes, now: float, events: list[SessionEvent]) -> None:
        command_id, status, sequence = codec.header(octets)
        if command_id & RESPONSE and (percent := congestion.percent_of(octets)) is not None:
            events.append(Congestion(percent))
        if command_id in _ANSWERS:
            if command_id == CommandId.generic_nack:
                status = status or Status.ESME_RUNKNOWNERR  # whatever it says, nothing was taken
            self._answered(command_id, sequence, status, octets, now=now, events=events)
        elif command_id in (CommandId.deliver_sm, CommandId.data_sm):
            self._delivered(octets, command_id, sequence, events)
        elif command_id == CommandId.enquire_link:
            self._out.append(codec.bare(CommandId.enquire_link_resp, sequence))
        elif command_id == CommandId.enquire_link_resp:
            self._enquired(command_id, sequence, status, now, events)
        elif command_id == CommandId.unbind:
            self._asked_to_unbind = sequence
            if self.state is State.BOUND:
                self._step(State.UNBINDING, now)
            events += self._drained(now)
        elif command_id == CommandId.unbind_resp and self._unbind_sent:
            events += self.connection_lost("unbound")
        elif command_id in BIND_RESPONSES:
            self._bind_answered(octets, status, now, events)
        elif command_id == CommandId.outbind:
            self._asked_to_bind(octets, now, events)
        elif not command_id & RESPONSE and command_id != CommandId.alert_notification:
            self._out.append(codec.bare(CommandId.generic_nack, sequence, Status.ESME_RINVCMDID))
            events.append(Rejected(f"answered {command_name(command_id)} with generic_nack: not a command for an ESME"))

    def _asked_to_bind(self, octets: bytes, now: float, events: list[SessionEvent]) -> None:
        """outbind (section 4.1.7). Bind only with the SMSC that is expected: the bind tells our password."""
        settings = self.settings
        if self.state is not State.OPEN or not settings.outbind:
            return
        if outbind.is_from(octets, settings.outbind_system_id, settings.outbind_password):
            self._bind(now)
        else:
            events += self.connection_lost("an outbind with another system_id or password than is expected")

    def _answered(
        self, command_id: int, sequence: int, status: int, octets: bytes, *, now: float, events: list[SessionEvent]
    ) -> None:
        """submit_sm_resp, cancel_sm_resp, or a generic_nack in their place. A generic_nack before the bind refuses
        that."""
        if command_id == CommandId.cancel_sm_resp:
            self._replied(sequence, status, now, events)
            return
        message_id = octets[HEADER_OCTETS:].split(b"\0", 1)[0].decode("latin-1") if status == Status.ESME_ROK else ""
        entry = self.window.pop(sequence, None)
        if entry is None:
            if sequence in self._overdue:
                token = self._overdue.pop(sequence)
                events += [Late(token, message_id, sequence)] if status == Status.ESME_ROK else []
            elif self.state is State.BINDING and command_id == CommandId.generic_nack and sequence in (0, 1):
                events.append(BindRefused(status))
                events += self.connection_lost("bind refused")
            elif command_id == CommandId.generic_nack and not self._replied(sequence, status, now, events):
                self._enquired(command_id, sequence, status, now, events)
            return
        if status == Status.ESME_ROK:
            self._enquiries.refused = 0
        events.append(Answered(entry[0], status, message_id, sequence, now - entry[1]))
        if self.state is State.UNBINDING and not self.window:
            events += self._drained(now)

    def _replied(self, sequence: int, status: int, now: float, events: list[SessionEvent]) -> bool:
        """The response to a request that is no submit, or a generic_nack; whether it was asked."""
        entry = self.asked.pop(sequence, None)
        if entry is None:
            return False
        events.append(Replied(entry[0], status))
        if self.state is State.UNBINDING and not self.asked:
            events += self._drained(now)
        return True

    def _enquired(self, command_id: int, sequence: int, status: int, now: float, events: list[SessionEvent]) -> None:
        """An answer to enquire_link. Errors in a row end the session, drained as if we had been stopped."""
        too_often = self._enquiries.answered(command_id, sequence, status, len(self.window) + len(self.asked))
        if too_often and self.state is State.BOUND:
            events.append(Dismissed(f"the SMSC answers enquire_link with {describe_status(status)}"))
            events += self.unbind(now)

    def _delivered(self, octets: bytes, command_id: int, sequence: int, events: list[SessionEvent]) -> None:
        if self.state not in (State.BOUND, State.UNBINDING):
            if self.state is State.BINDING and len(self._early) < EARLY:  # it overtook the bind's response
                self._early.append(octets)
            else:
                self._out.append(codec.bare(command_id | RESPONSE, sequence, Status.ESME_RX_T_APPN))
            return
        try:
            events.append(Delivered(codec.decode(octets)))
            self._owed += 1
            self._enquiries.refused = 0
        except PDUError as error:
            self._out.append(codec.with_body(command_id | RESPONSE, sequence, b"\0", error.command_status))
            events.append(Rejected(f"answered {command_name(command_id)} with an error: {error}"))

    def _bind_answered(self, octets: bytes, status: int, now: float, events: list[SessionEvent]) -> None:
        if self.state is not State.BINDING:
            return
        if status != Status.ESME_ROK:
            events.append(BindRefused(status))
            events += self.connection_lost("bind refused")
            return
        response = codec.decode(octets)
        self._step(State.BOUND, now)
        version = response.tlv_int(Tag.sc_interface_version)
        events.append(Bound(response.fields["system_id"], version))
        early, self._early = self._early, []
        for one in early:
            self._receive_pdu(one, now, events)

    # --- time -----------------------------------------------------------------------------------------------

    def tick(self, now: float, heard: float | None = None) -> list[SessionEvent]:
        """What is due by now. Call it at least once a second; the time-outs are as exact as the calls are frequent.
        All that came up to the time ``heard`` has been given to ``receive``: time-outs are judged by it. None: all that
        came up to now."""
        settings, begins, now = self.settings, now, now if heard is None else heard
        if self.state is State.BINDING and now - self._since >= settings.bind_timeout:
            return self.connection_lost(f"no answer to the bind within {settings.bind_timeout:g} s", silent=True)
        if self.state is State.OPEN and now - self._since >= settings.bind_timeout:
            return self.connection_lost(f"no outbind within {settings.bind_timeout:g} s of the SMSC's connecting")
        if self.state not in (State.BOUND, State.UNBINDING):
            return []
        if self._enquiries.is_overdue(now):
            reason = f"no answer to enquire_link within {settings.response_timeout:g} s"
            return self.connection_lost(reason, silent=True)
        if self._enquiries.is_due(now):
            sequence = self._next_sequence()
            self._enquiries.asked(sequence, begins)
            self._out.append(codec.bare(CommandId.enquire_link, sequence))
        events = self._expired(now)
        if self.state is State.UNBINDING:
            events += self._drained(now)
        return events

    def _expired(self, now: float) -> list[SessionEvent]:
        """Free the slots of submits whose response is overdue; the dict is in the order of sending."""
        limit = now - self.settings.response_timeout
        overdue = [sequence for sequence, _ in takewhile(lambda one: one[1][1] <= limit, self.window.items())]
        tokens = {sequence: self.window.pop(sequence)[0] for sequence in overdue}
        self._overdue |= tokens
        while len(self._overdue) > OVERDUE:
            del self._overdue[next(iter(self._overdue))]
        silent = [sequence for sequence, (_, asked_at) in self.asked.items() if asked_at <= limit]
        without_reply = [Replied(self.asked.pop(sequence)[0], None) for sequence in silent]
        return [*[Unanswered(token, sequence) for sequence, token in tokens.items()], *without_reply]

    def _drained(self, now: float) -> list[SessionEvent]:
        """In UNBINDING: send unbind, or its response, when neither side owes an answer or the time for it is over."""
        waited = now - self._since
        if (self.window or self.asked or self._owed > 0) and waited < self.settings.drain_timeout:
            return []
        if self._asked_to_unbind is not None:
            self._out.append(codec.bare(CommandId.unbind_resp, self._asked_to_unbind))
            return self.connection_lost("the SMSC sent unbind")
        if not self._unbind_sent:
            self._unbind_sent = True
            self._out.append(codec.bare(CommandId.unbind, self._next_sequence()))
        elif waited >= 2 * self.settings.drain_timeout:
            return self.connection_lost("no answer to unbind", silent=True)
        return []

    def _step(self, state: State, now: float) -> None:
        assert state in STEPS[self.state], f"{self.state} -> {state} is not in the table"
        self.state, self._since = state, now

    def _next_sequence(self) -> int:
        """1 to 0x7FFFFFFF, then 1 again; never one that waits for its response or is overdue (section 5.1.4)."""
        while True:
            self._sequence = self._sequence + 1 if self._sequence < MAX_SEQUENCE else 1
            sequence = self._sequence
            if sequence not in self.window and sequence not in self._overdue and sequence not in self.asked:
                return self._sequence
