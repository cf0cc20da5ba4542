"""The simulated SMSC: what it takes, what it answers, and what it owes to whom.

1. ``SMSCProtocol`` cuts the stream and reads a submit_sm (by one regular expression; the codec is for the rest).
2. ``SMSC.submit`` rolls the dice: refuse, throttle, or take. What is taken is in the ledger before its response.
3. Response and receipt go into one heap, each with the time it is due; one timer empties it, whatever the load.
4. A receipt or a text from a handset that is due belongs to the ``Account`` of its system_id. It goes to a bind of
   that account which receives and has room in its window, else it waits, over any number of connections.
5. It is gone only when the ESME's deliver_sm_resp says ESME_ROK; a refusal for now, silence or a lost connection
   brings it back.

Whatever is written in one turn, by one read or one tick, goes out in one ``transport.write`` per connection.
"""

import itertools
import re
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from random import Random
from typing import Any, NamedTuple

from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from smsconnector.errors import FramingError, PDUError
from smsconnector.simulator.behaviour import SC_INTERFACE_VERSIONS, Behaviour, Dice, Fate, id_writer
from smsconnector.simulator.ledger import Entry
from smsconnector.simulator.rendering import (
    DELIVERED,
    UNDELIVERABLE,
    Final,
    Minute,
    excerpt,
    final_by_word,
    readable_excerpt,
    receipt,
    texts_from_handset,
)
from smsconnector.smpp import pdu as codec
from smsconnector.smpp.constants import (
    HEADER_OCTETS,
    MAX_SEQUENCE,
    RESPONSE,
    CommandId,
    EsmClass,
    MessageStateTLV,
    RegisteredDelivery,
    Status,
    Tag,
    command_name,
    status_name,
)
from smsconnector.smpp.pdu import PDU, Framer
from smsconnector.sms import alphabet, udh, user_data
from smsconnector.sms.segmentation import FORMS

TICK = 0.01  # seconds between two looks at the heap
RESPONSE_AFTER_RECEIPT = 0.05  # seconds from a receipt that comes first to its response
REMEMBERED = 10_000  # messages that query_sm knows
REFUSED_FOR_NOW = frozenset({Status.ESME_RX_T_APPN, Status.ESME_RMSGQFUL, Status.ESME_RTHROTTLED, Status.ESME_RSYSERR})

CONGESTION_TLV = int(Tag.congestion_state).to_bytes(2, "big") + b"\0\1"  # SMPP 5.0 section 4.8.4.18
FORM_OF_ELEMENT = {udh.CONCATENATION_8_BIT: "udh8", udh.CONCATENATION_16_BIT: "udh16"}
FORM_REFUSALS = {
    "udh8": Status.ESME_RINVESMCLASS,
    "udh16": Status.ESME_RINVESMCLASS,
    "sar": Status.ESME_ROPTPARNOTALLWD,
    "payload": Status.ESME_ROPTPARNOTALLWD,
}

# What handsets write: one segment, two of GSM-7, two of UCS-2.
HANDSET_TEXTS = (
    "Hello, is my order on its way?",
    "I would like to change the delivery address of my order, please: it should go to the house next door, the one "
    "with the green gate, because I am not at home before six o'clock in the evening on any day of this week.",
    "میرا آرڈر کب تک پہنچے گا؟ براہ کرم بتائیں کہ کیا میں پتہ تبدیل کر سکتا ہوں، اور ترسیل کا وقت کیا ہوگا؟ شکریہ 🙏",
)

# submit_sm from its first field on (section 4.4.1): the groups are the addresses whole, then esm_class,
# registered_delivery, data_coding and sm_length. What it does not match goes the long way, through the codec.
SUBMIT_SM = re.compile(
    rb"[^\0]*+\0"  # service_type
    rb"(..[^\0]*+\0)(..[^\0]*+\0)"  # source and destination: TON, NPI, address
    rb"(.).."  # esm_class, protocol_id, priority_flag
    rb"[^\0]*+\0[^\0]*+\0"  # schedule_delivery_time, validity_period
    rb"(.).(.).(.)",  # registered_delivery, replace_if_present_flag, data_coding, sm_default_msg_id, sm_length
    re.DOTALL,
)


class Submit(NamedTuple):
    """What the SMSC looks at in a submit_sm, submit_multi or data_sm. Addresses as octets: TON, NPI, address, NUL."""

    source: bytes
    destination: bytes
    esm_class: int
    registered_delivery: int
    data_coding: int
    short_message: bytes


@dataclass(slots=True)
class Counts:
    """What has happened so far."""

    binds: int = 0
    submits: int = 0
    taken: int = 0
    refused: int = 0
    throttled: int = 0
    lost_responses: int = 0
    lost_receipts: int = 0
    receipts: int = 0  # receipts that fell due, duplicates included
    texts: int = 0  # deliver_sm from handsets
    sent: int = 0  # deliver_sm written, repeats included
    acknowledged: int = 0  # deliver_sm answered with ESME_ROK
    refused_for_good: int = 0  # deliver_sm that the ESME refused and that are gone
    drops: int = 0


@dataclass(slots=True, eq=False)
class Account:
    """One system_id: its binds that receive, and what waits for one of them."""

    system_id: str
    tokens: float
    filled_at: float
    receivers: "deque[SMSCProtocol]" = field(default_factory=deque)
    waiting: "deque[Delivery]" = field(default_factory=deque)

    def deliver(self, delivery: "Delivery") -> None:
        """Send it now, or keep it in order behind what waits."""
        self.waiting.append(delivery)
        self.pump()

    def pump(self) -> None:
        """Send what waits while a receiving bind has room; they take turns."""
        while self.waiting and (receiver := self._with_room()) is not None:
            receiver.deliver(self.waiting.popleft())

    def _with_room(self) -> "SMSCProtocol | None":
        for _ in self.receivers:
            self.receivers.rotate(-1)
            if self.receivers[0].has_room:
                return self.receivers[0]
        return None


@dataclass(slots=True, eq=False)
class Delivery:
    """A deliver_sm's body that an account is owed."""

    account: Account
    body: bytes


class SMSC(Factory):
    """The SMSC's engine, and the factory of its connections. ``doStart`` (or listening) starts its one timer.

    ``on_submit`` is called with each ``Entry`` taken, ``on_turn`` before anything is written; without them the
    entries are in ``ledger``. ``verbose`` logs a line for every step.
    """

    noisy = False
    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        behaviour: Behaviour | None = None,
        on_submit: Callable[[Entry], Any] | None = None,
        on_turn: Callable[[], Any] | None = None,
        verbose: bool = False,
    ) -> None:
        self.clock = clock
        self.behaviour = behaviour = behaviour or Behaviour()
        self.counts = Counts()
        self.ledger: list[Entry] = []
        self.accounts: dict[str, Account] = {}
        self.connections: set[SMSCProtocol] = set()
        self.verbose = verbose
        self.takes_all_forms = behaviour.forms == frozenset(FORMS)
        congestion = behaviour.congestion_state
        self._congestion = b"" if congestion < 0 else CONGESTION_TLV + bytes((congestion,))
        self._record = on_submit or self.ledger.append
        self._on_turn = on_turn
        self._dice = Dice(behaviour)
        self._ids = id_writer(behaviour)
        self._numbers = itertools.count(behaviour.first_id)
        self._fail_ending = behaviour.fail_suffix.encode() + b"\0" if behaviour.fail_suffix else None
        self._submitted, self._done = Minute(), Minute()
        self._states: dict[str, tuple[float, Final]] = {}  # id in the response -> final when, and what
        self._heap: list[tuple[float, int, Callable[[Any], None], Any]] = []
        self._order = itertools.count()
        self._written: list[SMSCProtocol] = []  # connections with something to write in this turn
        self._unclaimed: deque[bytes] = deque()  # texts from handsets, before anyone has ever bound
        self._handsets = Random(f"{behaviour.seed} handsets")
        self._references = itertools.count(1)
        self._handsets_write = False
        self._ticking = LoopingCall(self.tick)
        self._ticking.clock = clock

    # --- Factory --------------------------------------------------------------------------------------------

    def startFactory(self) -> None:
        self._ticking.start(TICK, now=False).addErrback(self._tick_failed)
        if self.behaviour.mo_rate and not self._handsets_write:  # once, however often it listens
            self._handsets_write = True
            interval = 1 / self.behaviour.mo_rate
            self.later(interval, self._handset_writes, self.clock.seconds() + interval)

    def stopFactory(self) -> None:
        if self._ticking.running:
            self._ticking.stop()
        self.log.info("stopped; {counts}", counts=self.counts)

    def _tick_failed(self, failure: Failure) -> None:
        self.log.failure("the SMSC's timer stopped: no more receipts", failure)

    def buildProtocol(self, _address: IAddress | None) -> "SMSCProtocol":
        return SMSCProtocol(self)

    # --- time -----------------------------------------------------------------------------------------------

    def later(self, delay: float, call: Callable[[Any], None], argument: Any) -> None:
        """``call(argument)`` in the first tick after ``delay`` seconds; in the order of asking when due together."""
        heappush(self._heap, (self.clock.seconds() + delay, next(self._order), call, argument))

    def tick(self) -> None:
        """Do what is due, and write it."""
        now, heap = self.clock.seconds(), self._heap
        while heap and heap[0][0] <= now:
            _, _, call, argument = heappop(heap)
            call(argument)
        for connection in list(self.connections):
            connection.tick(now)
        self.end_turn()

    def has_output(self, connection: "SMSCProtocol") -> None:
        """The connection will be flushed at the end of this turn."""
        self._written.append(connection)

    def end_turn(self) -> None:
        """The ledger first, then the wire."""
        if self._on_turn is not None:
            self._on_turn()
        written, self._written = self._written, []
        for connection in written:
            connection.flush()

    # --- MT -------------------------------------------------------------------------------------------------

    def submit(self, connection: "SMSCProtocol", command_id: int, sequence: int, submits: list[Submit]) -> None:
        """One submit_sm, data_sm, or submit_multi with a ``Submit`` per destination: refuse it or take it."""
        behaviour, counts = self.behaviour, self.counts
        counts.submits += 1
        account = connection.account
        assert account is not None, "only a bound connection submits"
        fate = self._dice.roll()
        refusal = self._refusal(account, fate)
        if refusal is not None:
            if self.verbose:
                self.log.info("refused a {command}: {status}", command=command_name(command_id), status=refusal.name)
            connection.answer(codec.bare(command_id | RESPONSE, sequence, refusal), behaviour.response_delay)
            return
        counts.taken += 1
        response_id, receipt_id = self._ids(next(self._numbers))
        dropped = behaviour.drop_connection_every and counts.taken % behaviour.drop_connection_every == 0
        if fate.response_lost:
            counts.lost_responses += 1
        elif not dropped:
            body = response_id.encode() + (b"\0\0" if command_id == CommandId.submit_multi else b"\0")
            body += self._congestion
            delay = max(behaviour.response_delay, RESPONSE_AFTER_RECEIPT if fate.receipt_first else 0)
            connection.answer(codec.with_body(command_id | RESPONSE, sequence, body), delay)
        for submit in submits:
            self._take(account, submit, response_id, receipt_id, fate)
        if dropped:
            counts.drops += 1
            connection.drop()

    def _refusal(self, account: Account, fate: Fate) -> Status | None:
        """Why a submit is not taken, or None."""
        if fate.refused:
            self.counts.refused += 1
            return Status.ESME_RINVDSTADR
        if fate.throttled or (self.behaviour.throughput and self._too_fast(account)):
            self.counts.throttled += 1
            return Status.ESME_RMSGQFUL if fate.throttled and fate.queue_full else Status.ESME_RTHROTTLED
        return None

    def _take(self, account: Account, submit: Submit, response_id: str, receipt_id: str, fate: Fate) -> None:
        """Record the message, decide how it ends, and owe its receipt."""
        source, destination, esm_class, registered_delivery, data_coding, short_message = submit
        self._record(
            Entry(
                response_id,
                source[2:-1].decode("latin-1"),
                destination[2:-1].decode("latin-1"),
                short_message,
                data_coding,
                esm_class,
            )
        )
        final = final_by_word(short_message) or DELIVERED
        if fate.undelivered or (self._fail_ending and destination.endswith(self._fail_ending)):
            final = UNDELIVERABLE
        now = self.clock.seconds()
        delay = 0.0 if fate.receipt_first else self.behaviour.response_delay + self.behaviour.receipt_delay
        self._states[response_id] = now + delay, final
        if len(self._states) > REMEMBERED:
            del self._states[next(iter(self._states))]
        if self.verbose:
            self._say_taken(account, submit, response_id)
        if self.behaviour.echo and not esm_class & EsmClass.UDHI:
            self.later(delay, self._handset_answers, (account, submit))
        wanted = registered_delivery & 0b11
        if wanted == RegisteredDelivery.NONE or (wanted == RegisteredDelivery.FAILURE and final is DELIVERED):
            return
        if fate.receipt_lost:
            self.counts.lost_receipts += 1
            return
        body = receipt(
            destination,
            source,
            receipt_id,
            final,
            self._submitted.at(now),
            self._done.at(now + delay),
            self._quote(short_message, esm_class, data_coding),
            self.behaviour.receipt_tlvs,
            self.behaviour.receipt_mark,
            self.behaviour.receipt_payload,
        )
        for _ in range(2 if fate.receipt_twice else 1):
            delivery = Delivery(account, body)
            if fate.receipt_first:
                self._receipt_due(delivery)
            else:
                self.later(delay, self._receipt_due, delivery)

    def _quote(self, short_message: bytes, esm_class: int, data_coding: int) -> bytes:
        if self.behaviour.receipt_readable:
            return readable_excerpt(short_message, esm_class, data_coding, self.behaviour.default_alphabet)
        return excerpt(short_message, esm_class, data_coding)

    def _receipt_due(self, delivery: Delivery) -> None:
        self.counts.receipts += 1
        delivery.account.deliver(delivery)

    def _too_fast(self, account: Account) -> bool:
        """A bucket of one second's submits per account."""
        rate, now = self.behaviour.throughput, self.clock.seconds()
        account.tokens = min(max(rate, 1.0), account.tokens + (now - account.filled_at) * rate)
        account.filled_at = now
        if account.tokens < 1:
            return True
        account.tokens -= 1
        return False

    def state_of(self, message_id: str) -> tuple[int, bytes] | None:
        """message_state and err of a message by the id of its response; None if it is not known (any more)."""
        known = self._states.get(message_id)
        if known is None:
            return None
        due, final = known
        if self.clock.seconds() < due:
            return MessageStateTLV.ENROUTE, b"0"
        return final.message_state, final.err

    # --- MO -------------------------------------------------------------------------------------------------

    def send_mo(self, source: str, destination: str, text: str, system_id: str | None = None) -> int:
        """A handset writes: to the account of ``system_id``, or to the one that bound first; if there is none yet,
        to the first that will. Gives the number of its segments. They are written at the next tick."""
        bodies = texts_from_handset(source, destination, text, next(self._references), self.behaviour.default_alphabet)
        if system_id is not None:
            account: Account | None = self._account(system_id)
        else:
            account = next(iter(self.accounts.values()), None)
        self.counts.texts += len(bodies)
        for body in bodies:
            if account is None:
                self._unclaimed.append(body)
            else:
                self.later(0, account.deliver, Delivery(account, body))
        if self.verbose:
            self.log.info(
                "text from {source} to {destination}: {text}", source=source, destination=destination, text=text
            )
        return len(bodies)

    def _handset_writes(self, due: float) -> None:
        """A text, and the next one in its time; while nobody is there to receive, handsets keep silent."""
        following = due + 1 / self.behaviour.mo_rate
        heappush(self._heap, (following, next(self._order), self._handset_writes, following))
        source = f"49151{self._handsets.randrange(10**8):08d}"
        text = self._handsets.choice(HANDSET_TEXTS)
        receiving = [account for account in self.accounts.values() if account.receivers]
        if receiving:
            self.send_mo(source, self.behaviour.mo_destination, text, self._handsets.choice(receiving).system_id)

    def _handset_answers(self, taken: tuple[Account, Submit]) -> None:
        """With what it shows, so that a mistake about the alphabet is to be seen."""
        account, submit = taken
        text = user_data.read(submit.short_message, submit.data_coding, self.behaviour.default_alphabet, False).text
        source, destination = (octets[2:-1].decode("latin-1") for octets in (submit.source, submit.destination))
        self.send_mo(destination, source or self.behaviour.mo_destination, text, account.system_id)

    # --- binds ----------------------------------------------------------------------------------------------

    def refusal_of_bind(self, system_id: str, password: str, system_type: str = "") -> int:
        """The command_status that a bind gets (sections 4.1 and 5.1.3)."""
        if self.behaviour.system_id is not None and system_id != self.behaviour.system_id:
            return Status.ESME_RINVSYSID
        if self.behaviour.password is not None and password != self.behaviour.password:
            return Status.ESME_RINVPASWD
        if self.behaviour.system_type is not None and system_type != self.behaviour.system_type:
            return Status.ESME_RINVSYSTYP
        accounts = [connection.account for connection in self.connections if connection.account is not None]
        if 0 < self.behaviour.sessions <= sum(account.system_id == system_id for account in accounts):
            return Status.ESME_RALYBND
        return Status.ESME_ROK

    def bound(self, connection: "SMSCProtocol", system_id: str) -> Account:
        """A good bind; what its account is owed flows again, after the bind's response."""
        self.counts.binds += 1
        account = self._account(system_id)
        if connection.receives:
            account.receivers.append(connection)
            account.waiting.extend(Delivery(account, body) for body in self._unclaimed)
            self._unclaimed.clear()
        return account

    def _account(self, system_id: str) -> Account:
        account = self.accounts.get(system_id)
        if account is None:
            tokens = max(self.behaviour.throughput, 1.0)
            account = self.accounts[system_id] = Account(system_id, tokens, self.clock.seconds())
        return account

    def unbind_all(self) -> None:
        """Ask every bound ESME to go (section 4.2): the SMSC is about to stop."""
        for connection in list(self.connections):
            connection.unbind()
        self.end_turn()

    # --- words ----------------------------------------------------------------------------------------------

    def _say_taken(self, account: Account, submit: Submit, response_id: str) -> None:
        self.log.info(
            "took {id} from {account}: {source} -> {destination}: {text}",
            id=response_id,
            account=account.system_id,
            source=submit.source[2:-1].decode("latin-1"),
            destination=submit.destination[2:-1].decode("latin-1"),
            text=readable(submit.short_message, submit.esm_class, submit.data_coding),
        )


def readable(short_message: bytes, esm_class: int, data_coding: int) -> str:
    """The text for a log line, with ``[2/3]`` before it if it is a segment."""
    if not esm_class & EsmClass.UDHI:
        return alphabet.decode_data_coding(short_message, data_coding, "gsm7")
    elements, octets = udh.split(short_message)
    found = udh.find_concatenation(elements)
    number = f"[{found[2]}/{found[1]}] " if found else ""
    return number + alphabet.decode_data_coding(octets, data_coding, "gsm7")


class SMSCProtocol(Protocol):
    """One connection: the stream of PDUs, the state of its bind, and the window of deliver_sm."""

    transport: Any  # ITCPTransport, or one in memory

    def __init__(self, smsc: SMSC) -> None:
        self.smsc = smsc
        self.account: Account | None = None  # set while bound
        self.transmits = self.receives = False
        self._framer = Framer()
        self._out: list[bytes] = []
        self._window: dict[int, tuple[Delivery, float]] = {}
        self._sequences = self._sequence_numbers()
        self._open = False  # whether anything may still be written or read
        self._closing = False  # close when what was written is out
        self._received_at = 0.0

    # --- the wire -------------------------------------------------------------------------------------------

    def connectionMade(self) -> None:
        self._open = True
        self._received_at = self.smsc.clock.seconds()
        if hasattr(self.transport, "setTcpNoDelay"):  # a transport in memory has no such thing
            self.transport.setTcpNoDelay(True)
        self.smsc.connections.add(self)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The account goes on with its other binds."""
        self._open = False
        self.smsc.connections.discard(self)
        self._leave()
        self.smsc.end_turn()

    def dataReceived(self, data: bytes) -> None:
        smsc = self.smsc
        self._received_at = smsc.clock.seconds()
        try:
            pdus, lost = self._framer.feed(data), None
        except FramingError as error:
            pdus, lost = error.pdus, error  # type: ignore[attr-defined]
        for octets in pdus:
            if not self._open:
                break
            self._receive(octets)
        if lost is not None and self._open:
            self.write(codec.bare(CommandId.generic_nack, 0, Status.ESME_RINVCMDLEN))
            self._close()
        smsc.end_turn()

    def write(self, octets: bytes) -> None:
        """At the end of this turn; nothing once the connection is gone."""
        if self._open:
            if not self._out:
                self.smsc.has_output(self)
            self._out.append(octets)

    def answer(self, octets: bytes, delay: float) -> None:
        """A response, after ``delay`` seconds."""
        if delay:
            self.smsc.later(delay, self.write, octets)
        else:
            self.write(octets)

    def flush(self) -> None:
        if self._out:
            self.transport.write(b"".join(self._out))
            self._out.clear()
        if self._closing:
            self.transport.loseConnection()

    def drop(self) -> None:
        """Cut the connection as a broken network does: nothing more is said."""
        self._out.clear()
        self._open = False
        self._leave()
        self.transport.abortConnection()

    def _close(self) -> None:
        """Close it at the end of this turn, when what was written before is out."""
        self._leave()
        self._open, self._closing = False, True
        self.smsc.has_output(self)

    # --- PDUs -----------------------------------------------------------------------------------------------

    def _receive(self, octets: bytes) -> None:
        command_id, status, sequence = codec.header(octets)
        handler = _HANDLERS.get(command_id)
        if handler is not None:
            try:
                handler(self, command_id, status, sequence, octets)
            except PDUError as error:
                self.write(codec.bare(command_id | RESPONSE, sequence, error.command_status))
        elif not command_id & RESPONSE:
            self.write(codec.bare(CommandId.generic_nack, sequence, Status.ESME_RINVCMDID))

    def _bind(self, command_id: int, _status: int, sequence: int, octets: bytes) -> None:
        """Section 4.1."""
        fields = codec.decode(octets).fields
        system_id = fields["system_id"]
        status = self.smsc.refusal_of_bind(system_id, fields["password"], fields["system_type"])
        if self.account is not None:
            status = Status.ESME_RALYBND
        self.smsc.log.info(
            "{command} of {system_id}: {status}",
            command=command_name(command_id),
            system_id=system_id,
            status=status_name(status),
        )
        if status != Status.ESME_ROK:
            self.write(codec.bare(command_id | RESPONSE, sequence, status))
            return
        self.transmits = command_id != CommandId.bind_receiver
        self.receives = command_id != CommandId.bind_transmitter
        name, version = {"system_id": self.smsc.behaviour.name}, self.smsc.behaviour.interface_version
        number = SC_INTERFACE_VERSIONS[version]
        tlvs = [] if number is None else [codec.tlv_int(Tag.sc_interface_version, number)]
        self.write(codec.encode(PDU(command_id | RESPONSE, 0, sequence, name, tlvs)))
        self.account = self.smsc.bound(self, system_id)
        self.account.pump()

    def _submit_sm(self, command_id: int, _status: int, sequence: int, octets: bytes) -> None:
        """Section 4.4: the hot path."""
        match = SUBMIT_SM.match(octets, HEADER_OCTETS)
        if (
            not self.transmits
            or not self.smsc.takes_all_forms
            or match is None
            or match[6] == b"\0"
            or match.end() + octets[match.end() - 1] > len(octets)
        ):
            self._submit_long_way(command_id, _status, sequence, octets)
            return
        source, destination, esm_class, registered_delivery, data_coding, sm_length = match.groups()
        short_message = octets[match.end() : match.end() + sm_length[0]]
        submit = Submit(source, destination, esm_class[0], registered_delivery[0], data_coding[0], short_message)
        self.smsc.submit(self, command_id, sequence, [submit])

    def _submit_long_way(self, command_id: int, _status: int, sequence: int, octets: bytes) -> None:
        """submit_multi, data_sm, and a submit_sm that has message_payload or can't be read (sections 4.4 to 4.7)."""
        if not self.transmits:
            self.write(codec.bare(command_id | RESPONSE, sequence, Status.ESME_RINVBNDSTS))
            return
        pdu = codec.decode(octets)
        form, submits = form_of(pdu), list(read_submits(pdu))
        if form is not None and form not in self.smsc.behaviour.forms:
            self.smsc.counts.submits += 1
            self.smsc.counts.refused += 1
            self.write(codec.bare(command_id | RESPONSE, sequence, FORM_REFUSALS[form]))
        elif submits:
            self.smsc.submit(self, command_id, sequence, submits)
        else:
            self.write(codec.bare(command_id | RESPONSE, sequence, Status.ESME_RINVNUMDESTS))

    def _query_sm(self, command_id: int, _status: int, sequence: int, octets: bytes) -> None:
        """Section 4.8."""
        message_id = codec.decode(octets).fields["message_id"]
        known = self.smsc.state_of(message_id)
        if not self.transmits or known is None:
            status = Status.ESME_RQUERYFAIL if self.transmits else Status.ESME_RINVBNDSTS
            self.write(codec.bare(command_id | RESPONSE, sequence, status))
            return
        message_state, err = known
        fields = {"message_id": message_id, "message_state": message_state, "error_code": int(err)}
        self.write(codec.encode(PDU(command_id | RESPONSE, 0, sequence, fields)))

    def _cancel_sm(self, command_id: int, _status: int, sequence: int, _octets: bytes) -> None:
        self.write(codec.bare(command_id | RESPONSE, sequence, Status.ESME_RCANCELFAIL))

    def _replace_sm(self, command_id: int, _status: int, sequence: int, _octets: bytes) -> None:
        self.write(codec.bare(command_id | RESPONSE, sequence, Status.ESME_RREPLACEFAIL))

    def _enquire_link(self, command_id: int, _status: int, sequence: int, _octets: bytes) -> None:
        self.write(codec.bare(command_id | RESPONSE, sequence))

    def _ignore(self, _command_id: int, _status: int, _sequence: int, _octets: bytes) -> None:
        """enquire_link_resp: that something came is all it says."""

    def _unbind(self, command_id: int, _status: int, sequence: int, _octets: bytes) -> None:
        """The ESME goes (section 4.2)."""
        self.write(codec.bare(command_id | RESPONSE, sequence))
        self._close()

    def _unbind_resp(self, _command_id: int, _status: int, _sequence: int, _octets: bytes) -> None:
        """The ESME lets us go."""
        self._close()

    def _deliver_sm_resp(self, _command_id: int, status: int, sequence: int, _octets: bytes) -> None:
        """Section 4.6.2; a generic_nack counts as one. What is refused for now comes again."""
        waiting = self._window.pop(sequence, None)
        if waiting is None:
            return
        delivery, _ = waiting
        if status == Status.ESME_ROK:
            self.smsc.counts.acknowledged += 1
        elif status in REFUSED_FOR_NOW:
            self.smsc.later(self.smsc.behaviour.redelivery_delay, delivery.account.deliver, delivery)
        else:
            self.smsc.counts.refused_for_good += 1
        if self.smsc.verbose:
            self.smsc.log.info("deliver_sm {sequence}: {status}", sequence=sequence, status=status_name(status))
        delivery.account.pump()

    # --- deliver_sm -----------------------------------------------------------------------------------------

    @property
    def has_room(self) -> bool:
        return len(self._window) < self.smsc.behaviour.deliver_window

    def deliver(self, delivery: Delivery) -> None:
        """Write it; it is in the window until the ESME's word on it, or its silence."""
        sequence = next(self._sequences)
        self._window[sequence] = delivery, self.smsc.clock.seconds()
        self.smsc.counts.sent += 1
        self.write(codec.with_body(CommandId.deliver_sm, sequence, delivery.body))
        if self.smsc.verbose:
            self._say_delivered(sequence, delivery.body)

    def tick(self, now: float) -> None:
        """What was never answered comes again; a silent ESME is asked whether it is there."""
        behaviour = self.smsc.behaviour
        while self._window:
            sequence, (delivery, sent_at) = next(iter(self._window.items()))
            if now - sent_at < behaviour.deliver_timeout:
                break
            del self._window[sequence]
            delivery.account.deliver(delivery)
        if behaviour.enquire_link_interval and now - self._received_at >= behaviour.enquire_link_interval:
            self._received_at = now
            self.write(codec.bare(CommandId.enquire_link, next(self._sequences)))

    def unbind(self) -> None:
        """Ask the ESME to go. It gets no more deliver_sm, but may still answer those it has."""
        if self.transmits or self.receives:
            self._unlist()
            self.write(codec.bare(CommandId.unbind, next(self._sequences)))

    def _leave(self) -> None:
        """Not bound any more: what was not acknowledged goes to the head of the account's queue, in order."""
        account, self.account = self.account, None
        if account is None:
            return
        self._unlist(account)
        account.waiting.extendleft([delivery for delivery, _ in reversed(self._window.values())])
        self._window.clear()
        account.pump()

    def _unlist(self, account: Account | None = None) -> None:
        account = account or self.account
        self.transmits = self.receives = False
        if account is not None and self in account.receivers:
            account.receivers.remove(self)

    def _sequence_numbers(self) -> Iterator[int]:
        """1 .. 0x7FFFFFFF and again (section 5.1.4), without those that are still in the window."""
        while True:
            yield from (number for number in range(1, MAX_SEQUENCE + 1) if number not in self._window)

    def _say_delivered(self, sequence: int, body: bytes) -> None:
        fields = codec.decode(codec.with_body(CommandId.deliver_sm, sequence, body)).fields
        text = readable(fields["short_message"], fields["esm_class"], fields["data_coding"])
        what = "receipt" if fields["esm_class"] & EsmClass.DELIVERY_RECEIPT else "text"
        self.smsc.log.info("deliver_sm {sequence}: {what} {text}", sequence=sequence, what=what, text=text)


_HANDLERS: dict[int, Callable[[SMSCProtocol, int, int, int, bytes], None]] = {
    CommandId.bind_transmitter: SMSCProtocol._bind,
    CommandId.bind_receiver: SMSCProtocol._bind,
    CommandId.bind_transceiver: SMSCProtocol._bind,
    CommandId.submit_sm: SMSCProtocol._submit_sm,
    CommandId.submit_multi: SMSCProtocol._submit_long_way,
    CommandId.data_sm: SMSCProtocol._submit_long_way,
    CommandId.query_sm: SMSCProtocol._query_sm,
    CommandId.cancel_sm: SMSCProtocol._cancel_sm,
    CommandId.replace_sm: SMSCProtocol._replace_sm,
    CommandId.enquire_link: SMSCProtocol._enquire_link,
    CommandId.enquire_link_resp: SMSCProtocol._ignore,
    CommandId.unbind: SMSCProtocol._unbind,
    CommandId.unbind_resp: SMSCProtocol._unbind_resp,
    CommandId.deliver_sm_resp: SMSCProtocol._deliver_sm_resp,
    CommandId.data_sm_resp: SMSCProtocol._deliver_sm_resp,
    CommandId.generic_nack: SMSCProtocol._deliver_sm_resp,
}


def form_of(pdu: PDU) -> str | None:
    """Which of ``segmentation.FORMS`` this submit is in; None for a short message."""
    if pdu.tlv(Tag.message_payload) is not None and pdu.command_id != CommandId.data_sm:
        return "payload"
    if pdu.tlv(Tag.sar_total_segments) is not None:
        return "sar"
    if pdu.fields["esm_class"] & EsmClass.UDHI:
        identifiers = {identifier for identifier, _ in udh.split(pdu.fields.get("short_message", b""))[0]}
        if not identifiers.isdisjoint(FORM_OF_ELEMENT):
            return FORM_OF_ELEMENT[min(identifiers & set(FORM_OF_ELEMENT))]
    return None


def read_submits(pdu: PDU) -> Iterator[Submit]:
    """One ``Submit`` per destination; distribution lists are not simulated. message_payload serves as the text."""
    fields = pdu.fields
    short_message = fields.get("short_message") or pdu.tlv(Tag.message_payload) or b""
    source = _address(fields["source_addr_ton"], fields["source_addr_npi"], fields["source_addr"])
    for address in fields.get("dest_address", [fields]):
        if "destination_addr" in address:
            destination = _address(address["dest_addr_ton"], address["dest_addr_npi"], address["destination_addr"])
            yield Submit(
                source,
                destination,
                fields["esm_class"],
                fields["registered_delivery"],
                fields["data_coding"],
                short_message,
            )


def _address(ton: int, npi: int, address: str) -> bytes:
    return bytes((ton, npi)) + address.encode("latin-1") + b"\0"
