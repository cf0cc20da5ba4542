"""PDUs of SMPP 3.4 (with 5.0's TLVs) as field tables: ``decode`` and ``encode`` walk the same rows.

A PDU is its header, its mandatory ``fields`` by the specification's names, and its ``tlvs`` in the order of
the wire as (tag, octets) pairs. Unknown commands, statuses, tags and values are kept as they are and given
back byte for byte. What is tolerated, because SMSCs do it (and each is harmless):

- a response whose body is missing or cut short: the missing fields take their defaults, and where it tells of an
  error there may be TLVs without any fields before them (section 4.4.2);
- a C-octet string over its maximum size; in a response also one without its NUL at the very end of the body;
- TLVs cut short at the end of a body: kept in ``rest``;
- a ``deliver_sm`` whose sm_length is above what follows: all that follows is its short_message;
- a ``deliver_sm`` whose sm_length counts septets that are sent packed, eight in seven octets, so that it would take in
  octets of the TLVs behind: where these can be read then, its short_message ends before them. The count is kept as the
  field ``sm_length``, which no other PDU has.

``PDUError`` is a request whose mandatory part can't be read: it is answered with its status, and the bind
goes on. ``FramingError`` is a command_length under 16 or over the cap: the stream can't be read any further
(section 3.2). Octet strings are ``bytes``; C-octet strings are ``str`` in Latin-1, so that any octet survives.
"""

import itertools
import re
import struct
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, field
from typing import Any

from smsconnector.errors import FramingError, PDUError
from smsconnector.smpp.constants import DEFAULT_MAX_PDU, HEADER_OCTETS, RESPONSE, CommandId, Status, Tag

_HEADER = struct.Struct(">IIII")
_TLV = struct.Struct(">HH")
_INT4 = struct.Struct(">I")

TLVs = list[tuple[int, bytes]]
Value = Any  # int, str (C-octet string), bytes (octet string) or a list of dicts (the repeated groups)


@dataclass(slots=True)
class PDU:
    """One protocol data unit. ``rest`` holds octets behind the last whole field or TLV."""

    command_id: int
    command_status: int = 0
    sequence_number: int = 0
    fields: dict[str, Value] = field(default_factory=dict)
    tlvs: list[tuple[int, bytes]] = field(default_factory=list)
    rest: bytes = b""

    def tlv(self, tag: int) -> bytes | None:
        """The octets of the first TLV with this tag, or None."""
        for other, value in self.tlvs:
            if other == tag:
                return value
        return None

    def tlv_int(self, tag: int) -> int | None:
        """The same as a big-endian integer of whatever width was sent; None over 8 octets, which no integer has."""
        value = self.tlv(tag)
        return int.from_bytes(value, "big") if value and len(value) <= 8 else None

    def tlv_text(self, tag: int) -> str | None:
        """The same as text: C-octet string with or without its NUL."""
        for other, value in self.tlvs:
            if other == tag:
                return value.split(b"\0", 1)[0].decode("latin-1")
        return None


# --- field kinds: each reads (body, position) -> (value, position) and writes value -> octets ---------------


class Unreadable(ValueError):
    """A mandatory field can't be read: as a rule because it runs over the end. Never leaves this module."""

    def __init__(
        self, reason: str = "a mandatory field runs over the end of the PDU", status: Status = Status.ESME_RINVMSGLEN
    ) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True, slots=True)
class Kind:
    """How one kind of field is read and written, and what it is when it is missing."""

    read: Callable[[bytes, int], tuple[Value, int]]
    write: Callable[[Value], bytes]
    default: Value


def _read_int1(body: bytes, position: int) -> tuple[int, int]:
    if position >= len(body):
        raise Unreadable
    return body[position], position + 1


def _read_int4(body: bytes, position: int) -> tuple[int, int]:
    if position + 4 > len(body):
        raise Unreadable
    return _INT4.unpack_from(body, position)[0], position + 4


def _read_cstring(body: bytes, position: int) -> tuple[str, int]:
    end = body.find(0, position)
    if end < 0:
        raise Unreadable
    return body[position:end].decode("latin-1"), end + 1


def _read_at_most(body: bytes, position: int) -> tuple[bytes, int]:
    if position >= len(body):
        raise Unreadable
    value = body[position + 1 : position + 1 + body[position]]
    return value, position + 1 + len(value)


def _read_counted(body: bytes, position: int) -> tuple[bytes, int]:
    value, end = _read_at_most(body, position)
    if len(value) < body[position]:
        raise Unreadable
    return value, end


def _write_int1(value: int) -> bytes:
    return value.to_bytes(1, "big")


def _write_cstring(value: str) -> bytes:
    if "\0" in value:
        raise ValueError(f"a C-octet string can't hold a NUL: {value!r}")
    return value.encode("latin-1") + b"\0"


def _write_counted(value: bytes) -> bytes:
    return len(value).to_bytes(1, "big") + value


INT1 = Kind(_read_int1, _write_int1, 0)
INT4 = Kind(_read_int4, _INT4.pack, 0)
CSTRING = Kind(_read_cstring, _write_cstring, "")
COUNTED = Kind(_read_counted, _write_counted, b"")  # a length octet, then as many octets (sm_length)
AT_MOST = Kind(_read_at_most, _write_counted, b"")  # the same, or fewer: SMSCs count septets and send them packed

FieldTable = tuple[tuple[str, Kind], ...]


def _read_rows(rows: FieldTable, body: bytes, position: int) -> tuple[dict[str, Value], int]:
    fields = {}
    for name, kind in rows:
        fields[name], position = kind.read(body, position)
    return fields, position


def _write_rows(rows: FieldTable, fields: dict[str, Value]) -> bytes:
    return b"".join([kind.write(fields.get(name, kind.default)) for name, kind in rows])


_SME_ADDRESS: FieldTable = (("dest_addr_ton", INT1), ("dest_addr_npi", INT1), ("destination_addr", CSTRING))
_DL_ADDRESS: FieldTable = (("dl_name", CSTRING),)
_UNSUCCESSFUL: FieldTable = (*_SME_ADDRESS, ("error_status_code", INT4))


def _read_addresses(body: bytes, position: int) -> tuple[list[dict[str, Value]], int]:
    """number_of_dests and that many dest_address (section 4.5.1.1): SME address or distribution list."""
    count, position = _read_int1(body, position)
    addresses = []
    for _ in range(count):
        flag, position = _read_int1(body, position)
        if flag not in (1, 2):
            raise Unreadable(f"dest_flag {flag} is neither 1 nor 2", Status.ESME_RINVDESTFLAG)
        address, position = _read_rows(_SME_ADDRESS if flag == 1 else _DL_ADDRESS, body, position)
        addresses.append(address)
    return addresses, position


def _write_addresses(addresses: list[dict[str, Value]]) -> bytes:
    parts = [_write_int1(len(addresses))]
    for address in addresses:
        is_list = "dl_name" in address
        parts += [b"\2" if is_list else b"\1", _write_rows(_DL_ADDRESS if is_list else _SME_ADDRESS, address)]
    return b"".join(parts)


def _read_unsuccessful(body: bytes, position: int) -> tuple[list[dict[str, Value]], int]:
    """no_unsuccess and that many unsuccess_sme (section 4.5.2.1)."""
    count, position = _read_int1(body, position)
    entries = []
    for _ in range(count):
        entry, position = _read_rows(_UNSUCCESSFUL, body, position)
        entries.append(entry)
    return entries, position


def _write_unsuccessful(entries: list[dict[str, Value]]) -> bytes:
    return b"".join([_write_int1(len(entries)), *[_write_rows(_UNSUCCESSFUL, entry) for entry in entries]])


ADDRESSES = Kind(_read_addresses, _write_addresses, [])
UNSUCCESSFUL = Kind(_read_unsuccessful, _write_unsuccessful, [])

# --- the tables: section 4 of the specification, row by row --------------------------------------------------

_BIND: FieldTable = (
    ("system_id", CSTRING),
    ("password", CSTRING),
    ("system_type", CSTRING),
    ("interface_version", INT1),
    ("addr_ton", INT1),
    ("addr_npi", INT1),
    ("address_range", CSTRING),
)
_BIND_RESP: FieldTable = (("system_id", CSTRING),)
_SOURCE: FieldTable = (("source_addr_ton", INT1), ("source_addr_npi", INT1), ("source_addr", CSTRING))
_MESSAGE_ID: FieldTable = (("message_id", CSTRING),)
_SM_TAIL: FieldTable = (
    ("esm_class", INT1),
    ("protocol_id", INT1),
    ("priority_flag", INT1),
    ("schedule_delivery_time", CSTRING),
    ("validity_period", CSTRING),
    ("registered_delivery", INT1),
    ("replace_if_present_flag", INT1),
    ("data_coding", INT1),
    ("sm_default_msg_id", INT1),
    ("short_message", COUNTED),
)
_SM: FieldTable = (("service_type", CSTRING), *_SOURCE, *_SME_ADDRESS, *_SM_TAIL)

FIELDS: dict[int, FieldTable] = {
    CommandId.bind_transmitter: _BIND,
    CommandId.bind_receiver: _BIND,
    CommandId.bind_transceiver: _BIND,
    CommandId.bind_transmitter_resp: _BIND_RESP,
    CommandId.bind_receiver_resp: _BIND_RESP,
    CommandId.bind_transceiver_resp: _BIND_RESP,
    CommandId.outbind: (("system_id", CSTRING), ("password", CSTRING)),
    CommandId.unbind: (),
    CommandId.unbind_resp: (),
    CommandId.generic_nack: (),
    CommandId.submit_sm: _SM,
    CommandId.submit_sm_resp: _MESSAGE_ID,
    CommandId.submit_multi: (("service_type", CSTRING), *_SOURCE, ("dest_address", ADDRESSES), *_SM_TAIL),
    CommandId.submit_multi_resp: (*_MESSAGE_ID, ("unsuccess_sme", UNSUCCESSFUL)),
    CommandId.deliver_sm: (*_SM[:-1], ("short_message", AT_MOST)),
    CommandId.deliver_sm_resp: _MESSAGE_ID,
    CommandId.data_sm: (
        ("service_type", CSTRING),
        *_SOURCE,
        *_SME_ADDRESS,
        ("esm_class", INT1),
        ("registered_delivery", INT1),
        ("data_coding", INT1),
    ),
    CommandId.data_sm_resp: _MESSAGE_ID,
    CommandId.query_sm: (*_MESSAGE_ID, *_SOURCE),
    CommandId.query_sm_resp: (*_MESSAGE_ID, ("final_date", CSTRING), ("message_state", INT1), ("error_code", INT1)),
    CommandId.cancel_sm: (("service_type", CSTRING), *_MESSAGE_ID, *_SOURCE, *_SME_ADDRESS),
    CommandId.cancel_sm_resp: (),
    CommandId.replace_sm: (
        *_MESSAGE_ID,
        *_SOURCE,
        ("schedule_delivery_time", CSTRING),
        ("validity_period", CSTRING),
        ("registered_delivery", INT1),
        ("sm_default_msg_id", INT1),
        ("short_message", COUNTED),
    ),
    CommandId.replace_sm_resp: (),
    CommandId.enquire_link: (),
    CommandId.enquire_link_resp: (),
    CommandId.alert_notification: (
        *_SOURCE,
        ("esme_addr_ton", INT1),
        ("esme_addr_npi", INT1),
        ("esme_addr", CSTRING),
    ),
}

# --- requests read in one go -----------------------------------------------------------------------------------


def _reader(rows: FieldTable) -> Callable[[bytes, int], tuple[dict[str, Value], int]]:
    """``_read_rows`` of these rows, much faster: one regular expression, which can't backtrack, cuts the INT1s and
    C-octet strings at the head. It runs on the octets as Latin-1 text, in which the strings are their values."""
    head = [(name, kind is INT1) for name, kind in itertools.takewhile(lambda row: row[1] in (INT1, CSTRING), rows)]
    tail = rows[len(head) :]
    match = re.compile("".join("(.)" if is_int1 else r"([^\0]*+)\0" for _, is_int1 in head), re.DOTALL).match

    def read(body: bytes, position: int) -> tuple[dict[str, Value], int]:
        found = match(body.decode("latin-1"), position)
        if found is None:
            raise Unreadable
        fields: dict[str, Value] = {
            name: ord(value) if is_int1 else value for (name, is_int1), value in zip(head, found.groups(), strict=True)
        }
        position = found.end()
        for name, kind in tail:
            fields[name], position = kind.read(body, position)
        return fields, position

    return read


_DELIVER_SM = int(CommandId.deliver_sm)
_TAGS = frozenset({*map(int, Tag), *range(0x1400, 0x4000)})  # section 5.3.2, and those of vendors (5.3.1)
_READERS = {int(command_id): _reader(rows) for command_id, rows in FIELDS.items()}


def decode(octets: bytes) -> PDU:
    """One whole PDU as the framer cut it. Raises PDUError as the module's docstring says."""
    _, command_id, command_status, sequence_number = _HEADER.unpack_from(octets)
    read = _READERS.get(command_id)
    if read is None:
        return PDU(command_id, command_status, sequence_number, rest=octets[HEADER_OCTETS:])
    try:
        fields, position = read(octets, HEADER_OCTETS)
    except Unreadable as fault:
        if not command_id & RESPONSE:
            raise PDUError(str(fault), fault.status, command_id, sequence_number) from None
        fields, position = _read_cut_response(FIELDS[command_id], octets)
    tlvs, rest = _read_tlvs(octets, position)
    if command_id == _DELIVER_SM and (rest or position == len(octets)):
        tlvs, rest = _read_packed(fields, tlvs, rest, octets, position)
    if not rest:
        return PDU(command_id, command_status, sequence_number, fields, tlvs)
    if command_status and command_id & RESPONSE:
        only_tlvs, no_rest = _read_tlvs(octets, HEADER_OCTETS)
        if not no_rest:
            fields, _ = _read_cut_response(FIELDS[command_id], octets[:HEADER_OCTETS])
            return PDU(command_id, command_status, sequence_number, fields, only_tlvs)
    return PDU(command_id, command_status, sequence_number, fields, tlvs, rest=rest)


def _read_packed(fields: dict[str, Value], tlvs: TLVs, rest: bytes, octets: bytes, position: int) -> tuple[TLVs, bytes]:
    """The TLVs and what is left behind them, of a deliver_sm whose short_message ends at ``position``. If its sm_length
    counts septets that were packed, they are read anew, and so is short_message."""
    start = position - len(fields["short_message"])
    told = octets[start - 1]
    end = start + (7 * told + 7) // 8
    if end > len(octets) or (told <= position - start and not rest.strip(b"\0")):
        return tlvs, rest
    found, left = _read_tlvs(octets, end)
    if left or (not found and told <= position - start) or not all(value and tag in _TAGS for tag, value in found):
        return tlvs, rest
    fields |= {"short_message": octets[start:end], "sm_length": told}
    return found, b""


def _read_cut_response(rows: FieldTable, octets: bytes) -> tuple[dict[str, Value], int]:
    """Responses may come without a body (section 4.4.2 on errors, and many SMSCs always): what is missing takes
    its default. An id whose NUL was forgotten is the rest of the body."""
    fields: dict[str, Value] = {}
    position = HEADER_OCTETS
    for name, kind in rows:
        try:
            fields[name], position = kind.read(octets, position)
        except Unreadable:
            missing_nul = kind is CSTRING and position < len(octets)
            fields[name] = octets[position:].decode("latin-1") if missing_nul else copy(kind.default)
            if missing_nul:
                position = len(octets)
    return fields, position


def _read_tlvs(octets: bytes, position: int) -> tuple[list[tuple[int, bytes]], bytes]:
    """The TLVs from there on, and what is left behind the last whole one."""
    tlvs = []
    end = len(octets)
    while position + 4 <= end:
        tag, length = _TLV.unpack_from(octets, position)
        value = position + 4
        if value + length > end:
            break
        position = value + length
        tlvs.append((tag, octets[value:position]))
    return tlvs, octets[position:]


def encode(pdu: PDU) -> bytes:
    """The octets of a PDU. Fields that are not given take their defaults. Raises OverflowError, ValueError or
    struct.error for values that do not fit their field: a fault of the caller, never of a peer."""
    rows = FIELDS.get(pdu.command_id, ())
    body = [_write_rows(rows, pdu.fields)]
    for tag, value in pdu.tlvs:
        body += [_TLV.pack(tag, len(value)), value]
    body.append(pdu.rest)
    octets = b"".join(body)
    return _HEADER.pack(HEADER_OCTETS + len(octets), pdu.command_id, pdu.command_status, pdu.sequence_number) + octets


def bare(command_id: int, sequence_number: int, command_status: int = 0) -> bytes:
    """A PDU without a body, for those that are only a header (enquire_link, unbind, generic_nack, refusals)."""
    return _HEADER.pack(HEADER_OCTETS, command_id, command_status, sequence_number)


def with_body(command_id: int, sequence_number: int, body: bytes, command_status: int = 0) -> bytes:
    """A PDU whose body is already rendered: the hot path of submit_sm and deliver_sm_resp."""
    return _HEADER.pack(HEADER_OCTETS + len(body), command_id, command_status, sequence_number) + body


def header(octets: bytes) -> tuple[int, int, int]:
    """command_id, command_status and sequence_number of a whole PDU."""
    _, command_id, command_status, sequence_number = _HEADER.unpack_from(octets)
    return command_id, command_status, sequence_number


def tlv_int(tag: Tag, value: int, octets: int = 1) -> tuple[int, bytes]:
    """A TLV with an integer value of that many octets."""
    return tag, value.to_bytes(octets, "big")


class Framer:
    """Cuts a stream into PDUs. ``feed`` gives the whole ones; what is left over waits for more.

    Linear in the octets fed whatever their chunks, and never holds more than one PDU of ``maximum`` octets.
    """

    def __init__(self, maximum: int = DEFAULT_MAX_PDU) -> None:
        self._maximum = maximum
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Whole PDUs, in order. On a broken command_length: FramingError; what came before it is in the
        exception's ``pdus``, and the framer is of no further use."""
        buffer = self._buffer
        buffer += data
        pdus: list[bytes] = []
        position, end = 0, len(buffer)
        while end - position >= 4:
            length = _INT4.unpack_from(buffer, position)[0]
            if not HEADER_OCTETS <= length <= self._maximum:
                buffer.clear()
                error = FramingError(
                    f"command_length {length} is outside {HEADER_OCTETS}..{self._maximum}: the stream's framing is lost"
                )
                error.pdus = pdus  # type: ignore[attr-defined]
                raise error
            if end - position < length:
                break
            pdus.append(bytes(buffer[position : position + length]))
            position += length
        del buffer[:position]
        return pdus
