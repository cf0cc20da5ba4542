"""One connection of an ESME to the simulated SMSC.

1. ``dataReceived`` cuts the stream into PDUs; ``_HANDLERS`` says which method answers each.
2. A bind that is good makes the connection one of an account's; only then it may submit or receive.
3. ``deliver`` puts a deliver_sm into the window. It leaves the window when the ESME answers, when the ESME has been
   silent for ``deliver_timeout``, or when the connection ends. Unless the answer was ESME_ROK or a refusal for good, it
   goes back to its account and comes again.
4. What is written in one turn goes out in one ``transport.write``, when the owner calls ``flush``.
"""

import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol

from twisted.internet import protocol as net
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from smsconnector.errors import FramingError, PDUError
from smsconnector.simulator import limits
from smsconnector.simulator.accounts import Account, Delivery
from smsconnector.simulator.behaviour import TOLD_VERSIONS, Behaviour
from smsconnector.simulator.ledger import Counts
from smsconnector.simulator.rendering import readable
from smsconnector.simulator.submits import Submit, form_of, read_submit_sm, read_submits
from smsconnector.smpp import pdu as codec
from smsconnector.smpp.constants import (
    MAX_SEQUENCE,
    RESPONSE,
    CommandId,
    EsmClass,
    Status,
    Tag,
    command_name,
    status_name,
)
from smsconnector.smpp.pdu import PDU, Framer

REFUSED_FOR_NOW = frozenset({Status.ESME_RX_T_APPN, Status.ESME_RMSGQFUL, Status.ESME_RTHROTTLED, Status.ESME_RSYSERR})

# What a long message gets whose form the SMSC does not take.
FORM_REFUSALS = {
    "udh8": Status.ESME_RINVESMCLASS,
    "udh16": Status.ESME_RINVESMCLASS,
    "sar": Status.ESME_ROPTPARNOTALLWD,
    "payload": Status.ESME_ROPTPARNOTALLWD,
}


class QueryAnswer(NamedTuple):
    """message_state and err of a message, and since when (seconds) it is final, for query_sm_resp (section 4.8.2)."""

    message_state: int
    err: bytes
    final_at: float | None = None

    @property
    def final_date(self) -> str:
        """In the absolute form, in UTC (section 7.1.1); empty before the message is final."""
        return "" if self.final_at is None else time.strftime("%y%m%d%H%M%S000+", time.gmtime(self.final_at))


class ConnectionOwner(Protocol):
    """What a connection needs of its SMSC."""

    clock: IReactorTime
    behaviour: Behaviour
    counts: Counts
    log: Logger
    verbose: bool
    takes_all_forms: bool
    connections: "set[SMSCProtocol]"

    def later(self, delay: float, call: Callable[[Any], None], argument: Any) -> None: ...
    def has_output(self, connection: "SMSCProtocol") -> None: ...
    def end_turn(self) -> None: ...
    def refusal_of_bind(self, system_id: str, password: str, system_type: str = "") -> int: ...
    def bound(self, connection: "SMSCProtocol", system_id: str) -> Account: ...
    def submit(self, connection: "SMSCProtocol", command_id: int, sequence: int, submits: list[Submit]) -> None: ...
    def state_of(self, message_id: str) -> QueryAnswer | None: ...
    def take_back(self, account: Account, fields: dict[str, Any]) -> Status: ...


class Sent(NamedTuple):
    """A deliver_sm in the window, and when it was written (seconds)."""

    delivery: Delivery
    at: float


class SMSCProtocol(net.Protocol):
    """One connection: the stream of PDUs, the state of its bind, and the window of deliver_sm."""

    transport: Any  # ITCPTransport, or one in memory

    def __init__(self, smsc: ConnectionOwner) -> None:
        self.smsc = smsc
        self.account: Account | None = None  # set while bound
        self.transmits = self.receives = False
        self._framer = Framer()
        self._out: list[bytes] = []
        self._window: dict[int, Sent] = {}  # by sequence_number, oldest first
        self._sequences = self._sequence_numbers()
        self._open = False  # whether anything may still be written or read
        self._closing = False  # close when what was written is out
        self._received_at = self._heard_at = 0.0  # the former also when we have asked with enquire_link

    # --- the wire -------------------------------------------------------------------------------------------

    def connectionMade(self) -> None:
        self._open = True
        self._received_at = self._heard_at = self.smsc.clock.seconds()
        if hasattr(self.transport, "setTcpNoDelay"):  # a transport in memory has no such thing
            self.transport.setTcpNoDelay(True)
        self.smsc.connections.add(self)

    def connectionLost(self, reason: Failure = net.connectionDone) -> None:
        """The account goes on with its other binds."""
        self._open = False
        self.smsc.connections.discard(self)
        self._leave()
        self.smsc.end_turn()

    def dataReceived(self, data: bytes) -> None:
        smsc = self.smsc
        self._received_at = self._heard_at = smsc.clock.seconds()
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
        """Queue octets for the end of this turn; nothing once the connection is gone."""
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
        """Write what this turn has queued, and close if that was the last of it."""
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
        """Close the connection at the end of this turn, when what was written before is out."""
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
        status = limits.refusal_of_bind(fields) or self.smsc.refusal_of_bind(
            system_id, fields["password"], fields["system_type"]
        )
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
        number = TOLD_VERSIONS[version]
        tlvs = [] if number is None else [codec.tlv_int(Tag.sc_interface_version, number)]
        self.write(codec.encode(PDU(command_id | RESPONSE, 0, sequence, name, tlvs)))
        self.account = self.smsc.bound(self, system_id)
        self.account.pump()

    def _submit_sm(self, command_id: int, _status: int, sequence: int, octets: bytes) -> None:
        """Section 4.4: the hot path."""
        submit = read_submit_sm(octets) if self.transmits and self.smsc.takes_all_forms else None
        if submit is None:
            self._submit_long_way(command_id, _status, sequence, octets)
        else:
            self.smsc.submit(self, command_id, sequence, [submit])

    def _submit_long_way(self, command_id: int, _status: int, sequence: int, octets: bytes) -> None:
        """submit_multi, data_sm, and a submit_sm that has message_payload or can't be read (sections 4.4 to 4.7)."""
        if not self.transmits:
            self.write(codec.bare(command_id | RESPONSE, sequence, Status.ESME_RINVBNDSTS))
            return
        pdu = codec.decode(octets)
        form, submits = form_of(pdu), list(read_submits(pdu))
        refusal = limits.refusal_of_submit(pdu.fields)
        if refusal is not None:
            self.smsc.counts.submits += 1
            self.smsc.counts.refused += 1
            self.write(codec.bare(command_id | RESPONSE, sequence, refusal))
        elif form is not None and form not in self.smsc.behaviour.forms:
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
        fields = {
            "message_id": message_id,
            "final_date": known.final_date,
            "message_state": known.message_state,
            "error_code": int(known.err),
        }
        self.write(codec.encode(PDU(command_id | RESPONSE, 0, sequence, fields)))

    def _cancel_sm(self, command_id: int, _status: int, sequence: int, octets: bytes) -> None:
        """Section 4.9."""
        status = Status.ESME_RINVBNDSTS
        if self.transmits and self.account is not None:
            status = self.smsc.take_back(self.account, codec.decode(octets).fields)
        self.write(codec.bare(command_id | RESPONSE, sequence, status))

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
        sent = self._window.pop(sequence, None)
        if sent is None:
            return
        delivery = sent.delivery
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
        """Whether the window takes one more deliver_sm."""
        return len(self._window) < self.smsc.behaviour.deliver_window

    def deliver(self, delivery: Delivery) -> None:
        """Write a deliver_sm, and keep it in the window until the ESME answers or its time is over."""
        sequence = next(self._sequences)
        self._window[sequence] = Sent(delivery, self.smsc.clock.seconds())
        self.smsc.counts.sent += 1
        self.write(codec.with_body(CommandId.deliver_sm, sequence, delivery.body))
        if self.smsc.verbose:
            self._say_delivered(sequence, delivery.body)

    def tick(self, now: float) -> None:
        """What was not answered in time comes again; a silent ESME gets enquire_link."""
        behaviour = self.smsc.behaviour
        while self._window:
            sequence, oldest = next(iter(self._window.items()))
            if now - oldest.at < behaviour.deliver_timeout:
                break
            del self._window[sequence]
            oldest.delivery.account.deliver(oldest.delivery)
        if behaviour.inactivity_timeout and now - self._heard_at >= behaviour.inactivity_timeout:
            self.smsc.log.info("dropped: nothing came for {silence:g} s", silence=behaviour.inactivity_timeout)
            self._close()
        elif behaviour.enquire_link_interval and now - self._received_at >= behaviour.enquire_link_interval:
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
        account.waiting.extendleft([sent.delivery for sent in reversed(self._window.values())])
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
