"""Our codec beside an independent one, smpp.pdu3: what the one writes the other reads as it was meant, both ways.

1. ``pdus`` draws a PDU in our terms, of values that SMPP 3.4 gives a meaning.
2. ``told`` says its fields and TLVs in theirs: enumerations, sets of flags, times.
3. We encode and they decode; they encode and we decode. Fields and TLVs are compared.

``WRONG`` is what they can't do although SMPP 3.4 has it: left out of the above, and each shown to be so.
"""

import contextlib
import datetime
import io
import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st
from smpp.pdu import constants, operations, pdu_types
from smpp.pdu.error import PDUCorruptError, PDUParseError
from smpp.pdu.pdu_encoding import PDUEncoder
from smpp.pdu.smpp_time import SMPPRelativeTime
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.smpp.constants import RESPONSE, CommandId, EsmClass, Status, Tag, command_name
from smsconnector.smpp.pdu import FIELDS, PDU, decode, encode

some = settings(deadline=None, max_examples=60, database=None)  # of each command


class Way(NamedTuple):
    """The values that a field, or the octets that a TLV, may have; and how one is said in their terms."""

    values: st.SearchStrategy[Any]
    told: Callable[[Any], Any]


# --- fields -----------------------------------------------------------------------------------------------------


def number(last: int = 0xFF) -> Way:
    return Way(st.integers(0, last), int)


def named(enum: Any, numbers: dict[str, int]) -> Way:
    """One of an enumeration."""
    members = {number: enum[name] for name, number in numbers.items()}
    return Way(st.sampled_from(sorted(members)), members.__getitem__)


def text(size: int) -> Way:
    """A C-octet string of at most ``size`` octets, its NUL included."""
    characters = st.characters(min_codepoint=1, max_codepoint=255)
    return Way(st.text(characters, max_size=size - 1), lambda value: value.encode("latin-1"))


def bits(*parts: Iterable[int]) -> st.SearchStrategy[int]:
    """One of each part, summed up."""
    return st.tuples(*[st.sampled_from(sorted(part)) for part in parts]).map(sum)


def flags(enum: Any, numbers: dict[str, int], value: int) -> set[Any]:
    return {enum[name] for name, bit in numbers.items() if value & bit}


def esm_class(value: int) -> Any:
    return pdu_types.EsmClass(
        named(pdu_types.EsmClassMode, constants.esm_class_mode_name_map).told(value & 0x03),
        named(pdu_types.EsmClassType, constants.esm_class_type_name_map).told(value & EsmClass.MESSAGE_TYPE),
        flags(pdu_types.EsmClassGsmFeatures, constants.esm_class_gsm_features_name_map, value),
    )


def registered_delivery(value: int) -> Any:
    receipts, acks = (
        constants.registered_delivery_receipt_name_map,
        constants.registered_delivery_sme_originated_acks_name_map,
    )
    return pdu_types.RegisteredDelivery(
        named(pdu_types.RegisteredDeliveryReceipt, receipts).told(value & 0x03),
        flags(pdu_types.RegisteredDeliverySmeOriginatedAcks, acks, value),
        bool(value & 0x10),
    )


def data_coding(value: int) -> Any:
    scheme = pdu_types.DataCodingScheme
    if value >= 0xF0:
        classes, codings = (
            constants.data_coding_gsm_message_class_name_map,
            constants.data_coding_gsm_message_coding_name_map,
        )
        message = pdu_types.DataCodingGsmMsg(
            named(pdu_types.DataCodingGsmMsgCoding, codings).told(value & 0x04),
            named(pdu_types.DataCodingGsmMsgClass, classes).told(value & 0x03),
        )
        return pdu_types.DataCoding(scheme.GSM_MESSAGE_CLASS, message)
    name = constants.data_coding_default_value_map.get(value)
    return pdu_types.DataCoding(*((scheme.DEFAULT, pdu_types.DataCodingDefault[name]) if name else (scheme.RAW, value)))


def time(value: str) -> Any:
    """Section 7.1.1: ``YYMMDDhhmmsstnnp``, nn in quarters of an hour, p one of + - R."""
    if not value:
        return None
    if value.endswith("R"):
        return SMPPRelativeTime(*map(int, re.findall("..", value[:12])))
    moment = datetime.datetime.strptime(value[:12], "%y%m%d%H%M%S").replace(microsecond=100_000 * int(value[12]))
    offset = datetime.timedelta(minutes=15 * int(value[15] + value[13:15]))
    return moment.replace(tzinfo=datetime.timezone(offset)) if offset else moment


pairs = st.integers(0, 99).map("{:02}".format)
moments = st.datetimes(datetime.datetime(2000, 1, 1), datetime.datetime(2068, 12, 31))
zones = st.just("00+") | st.tuples(st.integers(1, 48), st.sampled_from("+-")).map(lambda zone: "{:02}{}".format(*zone))
times = (
    st.just("")
    | st.lists(pairs, min_size=6, max_size=6).map(lambda six: "".join(six) + "000R")
    | st.builds(lambda moment, t, zone: f"{moment:%y%m%d%H%M%S}{t}{zone}", moments, st.integers(0, 9), zones)
)
TIME, UNUSED = Way(times, time), Way(st.just(""), lambda _: None)
TON = named(pdu_types.AddrTon, constants.addr_ton_name_map)
NPI = named(pdu_types.AddrNpi, constants.addr_npi_name_map)
MESSAGE_STATE = named(pdu_types.MessageState, constants.message_state_name_map)

WAYS: dict[str, Way] = {
    "system_id": text(16),
    "password": text(9),
    "system_type": text(13),
    "interface_version": number(),
    "addr_ton": TON,
    "addr_npi": NPI,
    "address_range": text(41),
    "service_type": text(6),
    "source_addr_ton": TON,
    "source_addr_npi": NPI,
    "source_addr": text(21),
    "dest_addr_ton": TON,
    "dest_addr_npi": NPI,
    "destination_addr": text(21),
    "esme_addr_ton": TON,
    "esme_addr_npi": NPI,
    "esme_addr": text(65),
    "esm_class": Way(
        bits(
            constants.esm_class_mode_value_map,
            constants.esm_class_type_value_map,
            (0, EsmClass.UDHI, EsmClass.REPLY_PATH, EsmClass.UDHI | EsmClass.REPLY_PATH),
        ),
        esm_class,
    ),
    "protocol_id": number(),
    "priority_flag": named(pdu_types.PriorityFlag, constants.priority_flag_name_map),
    "schedule_delivery_time": TIME,
    "validity_period": TIME,
    "registered_delivery": Way(bits((0, 1, 2), (0, 4), (0, 8), (0, 0x10)), registered_delivery),
    "replace_if_present_flag": named(pdu_types.ReplaceIfPresentFlag, constants.replace_if_present_flap_name_map),
    "data_coding": Way(st.integers(0, 0xF7), data_coding),  # and not 0xF8: see WRONG
    "sm_default_msg_id": number(254),
    "short_message": Way(st.binary(max_size=254), bytes),
    "message_id": text(65),
    "final_date": TIME,
    "message_state": MESSAGE_STATE,
    "error_code": Way(st.integers(0, 255), lambda value: value or None),
}
UNLIKE: dict[tuple[int, str], Way] = {  # in one PDU other than in the rest
    (CommandId.deliver_sm, "schedule_delivery_time"): UNUSED,  # section 4.6.1
    (CommandId.deliver_sm, "validity_period"): UNUSED,
    (CommandId.deliver_sm_resp, "message_id"): UNUSED,  # section 4.6.2
    (CommandId.data_sm, "source_addr"): text(65),
    (CommandId.data_sm, "destination_addr"): text(65),
    (CommandId.alert_notification, "source_addr"): text(65),
}

# --- TLVs -------------------------------------------------------------------------------------------------------


def integer(size: int) -> Way:
    return Way(st.binary(min_size=size, max_size=size), lambda octets: int.from_bytes(octets, "big"))


def octet_of(way: Way) -> Way:
    """One octet for what a field has elsewhere."""
    return Way(way.values.map(lambda value: bytes((value,))), lambda octets: way.told(octets[0]))


def named_octet(enum: Any, numbers: dict[str, int]) -> Way:
    return octet_of(named(enum, numbers))


def octets(least: int, most: int) -> Way:
    return Way(st.binary(min_size=least, max_size=most), bytes)


def ended(size: int) -> Way:
    """A C-octet string with its NUL."""
    return Way(text(size).values.map(lambda value: value.encode("latin-1") + b"\0"), lambda octets: octets[:-1])


def behind(heads: list[Way], digits: Way, make: Callable[..., Any]) -> Way:
    """An octet for each of ``heads``, then ``digits``."""
    values = st.tuples(st.tuples(*[head.values for head in heads]).map(bytes), digits.values).map(b"".join)

    def told(octets: bytes) -> Any:
        return make(*[head.told(octet) for head, octet in zip(heads, octets, strict=False)], octets[len(heads) :])

    return Way(values, told)


MODE = named(pdu_types.CallbackNumDigitModeIndicator, constants.callback_num_digit_mode_indicator_name_map)
SUBADDRESS = behind(
    [
        named(
            pdu_types.SubaddressTypeTag,
            {name: tag for name, tag in constants.subaddress_type_tag_name_map.items() if name != "RESERVED"},
        )
    ],
    octets(1, 22),
    pdu_types.Subaddress,
)
SUBUNIT = named_octet(pdu_types.AddrSubunit, constants.addr_subunit_name_map)
NETWORK = named_octet(pdu_types.NetworkType, constants.network_type_name_map)
BEARER = named_octet(pdu_types.BearerType, constants.bearer_type_name_map)

TLVS: dict[Tag, Way] = {
    Tag.dest_addr_subunit: SUBUNIT,
    Tag.dest_network_type: NETWORK,
    Tag.dest_bearer_type: BEARER,
    Tag.dest_telematics_id: integer(2),
    Tag.source_addr_subunit: SUBUNIT,
    Tag.source_network_type: NETWORK,
    Tag.source_bearer_type: BEARER,
    Tag.qos_time_to_live: integer(4),
    Tag.payload_type: named_octet(pdu_types.PayloadType, constants.payload_type_name_map),
    Tag.additional_status_info_text: ended(256),
    Tag.receipted_message_id: ended(65),
    Tag.privacy_indicator: named_octet(pdu_types.PrivacyIndicator, constants.privacy_indicator_name_map),
    Tag.source_subaddress: SUBADDRESS,
    Tag.dest_subaddress: SUBADDRESS,
    Tag.user_message_reference: integer(2),
    Tag.user_response_code: integer(1),
    Tag.source_port: integer(2),
    Tag.destination_port: integer(2),
    Tag.sar_msg_ref_num: integer(2),
    Tag.language_indicator: named_octet(pdu_types.LanguageIndicator, constants.language_indicator_name_map),
    Tag.sar_total_segments: integer(1),
    Tag.sar_segment_seqnum: integer(1),
    Tag.sc_interface_version: integer(1),
    Tag.number_of_messages: octet_of(number(99)),
    Tag.callback_num: behind([MODE, TON, NPI], octets(1, 16), pdu_types.CallbackNum),
    Tag.ms_availability_status: named_octet(pdu_types.MsAvailabilityStatus, constants.ms_availability_status_name_map),
    Tag.network_error_code: octets(3, 3),
    Tag.message_payload: octets(0, 300),
    Tag.delivery_failure_reason: named_octet(
        pdu_types.DeliveryFailureReason, constants.delivery_failure_reason_name_map
    ),
    Tag.more_messages_to_send: named_octet(pdu_types.MoreMessagesToSend, constants.more_messages_to_send_name_map),
    Tag.message_state: octet_of(MESSAGE_STATE),
    Tag.display_time: named_octet(pdu_types.DisplayTime, constants.display_time_name_map),
    Tag.sms_signal: octets(2, 2),
}

# --- what smpp.pdu3 does wrong ----------------------------------------------------------------------------------


class Wrong(NamedTuple):
    """Against ``clause`` of SMPP 3.4 they raise ``error`` at ``pdu``, or without one write it back otherwise."""

    clause: str
    what: str
    pdu: PDU
    error: type[Exception] | None


NO_ENCODER = {  # TLVs that they know by name only
    Tag.ms_msg_wait_facilities: ("5.3.2.13", CommandId.submit_sm, b"\x80"),
    Tag.ms_validity: ("5.3.2.27", CommandId.submit_sm, b"\0"),
    Tag.dpf_result: ("5.3.2.28", CommandId.data_sm_resp, b"\1"),
    Tag.set_dpf: ("5.3.2.29", CommandId.data_sm, b"\1"),
    Tag.callback_num_pres_ind: ("5.3.2.37", CommandId.submit_sm, b"\0"),
    Tag.callback_num_atag: ("5.3.2.38", CommandId.submit_sm, b"\0Shop"),
    Tag.its_reply_type: ("5.3.2.42", CommandId.submit_sm, b"\0"),
    Tag.its_session_info: ("5.3.2.43", CommandId.submit_sm, b"\0\1"),
    Tag.ussd_service_op: ("5.3.2.44", CommandId.submit_sm, b"\2"),
}
HOME, WORK = b"\1\1\x0111", b"\1\1\x0122"

WRONG = (
    Wrong(
        "4.5.1",
        "submit_multi has no encoder for its destinations",
        PDU(CommandId.submit_multi, 0, 1, {"dest_address": [{"dl_name": "all"}]}),
        KeyError,
    ),
    Wrong(
        "4.5.2",
        "submit_multi_resp has none for unsuccess_sme",
        PDU(CommandId.submit_multi_resp, 0, 1, {"message_id": "1"}),
        KeyError,
    ),
    Wrong(
        "4.10.1",
        "replace_sm takes sm_length for a field beside short_message",
        PDU(CommandId.replace_sm, 0, 1, {"short_message": b"x"}),
        KeyError,
    ),
    Wrong(
        "3.3",
        "a TLV of a later version refuses the PDU, instead of being ignored",
        PDU(CommandId.deliver_sm, 0, 1, {}, [(Tag.congestion_state, b"\x32")]),
        PDUParseError,
    ),
    Wrong(
        "3.3",
        "a TLV that this PDU should not have refuses it likewise",
        PDU(CommandId.deliver_sm, 0, 1, {}, [(Tag.number_of_messages, b"\1")]),
        PDUParseError,
    ),
    Wrong(
        "5.3.1",
        "an SMSC vendor's TLV, 0x1400 to 0x3FFF, is dropped",
        PDU(CommandId.deliver_sm, 0, 1, {}, [(0x1400, b"x")]),
        None,
    ),
    Wrong(
        "4.4.1",
        "callback_num may be there several times; the last one is kept",
        PDU(CommandId.submit_sm, 0, 1, {}, [(Tag.callback_num, HOME), (Tag.callback_num, WORK)]),
        None,
    ),
    Wrong(
        "5.1.3",
        "an SMSC vendor's status, 0x400 to 0x4FF, loses its number",
        PDU(CommandId.submit_sm_resp, 0x450, 1),
        ValueError,
    ),
    Wrong(
        "5.2.19",
        "data_coding 0xF8 to 0xFF loses bit 3, which GSM 03.38 reserves",
        PDU(CommandId.submit_sm, 0, 1, {"data_coding": 0xF9}),
        None,
    ),
    Wrong(
        "5.3.2.8",
        "source_telematics_id is one octet; two are read",
        PDU(CommandId.data_sm, 0, 1, {}, [(Tag.source_telematics_id, b"\1")]),
        PDUCorruptError,
    ),
    Wrong(
        "5.3.2.32",
        "an encoder that has read TLVs writes message_payload only in the length of the last one",
        PDU(CommandId.data_sm, 0, 1, {}, [(Tag.message_payload, b"hello"), (Tag.payload_type, b"\0")]),
        ValueError,
    ),
    Wrong(
        "5.3.2.41",
        "alert_on_message_delivery is expected under another name",
        PDU(CommandId.submit_sm, 0, 1, {}, [(Tag.alert_on_message_delivery, b"")]),
        PDUParseError,
    ),
    *[
        Wrong(clause, f"{tag.name} has no encoder", PDU(command_id, 0, 1, {}, [(tag, value)]), PDUParseError)
        for tag, (clause, command_id, value) in NO_ENCODER.items()
    ],
)
CANT = {CommandId.submit_multi, CommandId.submit_multi_resp, CommandId.replace_sm}
CANT_TLV = {*NO_ENCODER, Tag.source_telematics_id, Tag.alert_on_message_delivery}
COMMANDS = [command_id for command_id in CommandId if command_id not in CANT]

# --- PDUs -------------------------------------------------------------------------------------------------------


def their_class(command_id: int) -> Any:
    return operations.getPDUClass(pdu_types.CommandId[command_name(command_id)])


def is_bodiless(command_id: int, status: int) -> bool:
    """Responses that have no body on an error, such as submit_sm_resp (section 4.4.2)."""
    return bool(status and command_id & RESPONSE and their_class(command_id).noBodyOnError)


def expected_tlvs(command_id: int) -> list[Tag]:
    return [tag for tag in TLVS if tag.name in their_class(command_id).optionalParams]


def way(command_id: int, name: str) -> Way:
    return UNLIKE.get((command_id, name)) or WAYS[name]


@st.composite
def pdus(draw: Any, command_id: CommandId) -> PDU:
    """A PDU of this command as SMPP 3.4 describes it."""
    status = draw(st.just(Status.ESME_ROK) | st.sampled_from(Status)) if command_id & RESPONSE else 0
    sequence = draw(st.integers(0, 0x7FFFFFFF))
    names = [name for name, _ in FIELDS[command_id]]
    if is_bodiless(command_id, status):
        return PDU(command_id, status, sequence, dict.fromkeys(names, ""))
    expected = expected_tlvs(command_id)
    tags = draw(st.lists(st.sampled_from(expected), max_size=4, unique=True)) if expected else []
    fields = {name: draw(way(command_id, name).values) for name in names}
    return PDU(command_id, status, sequence, fields, sorted((int(tag), draw(TLVS[tag].values)) for tag in tags))


def told(pdu: PDU) -> dict[str, Any]:
    """Fields and TLVs in their terms."""
    if is_bodiless(pdu.command_id, pdu.command_status):
        return {}
    fields = {name: way(pdu.command_id, name).told(value) for name, value in pdu.fields.items()}
    return fields | {Tag(tag).name: TLVS[Tag(tag)].told(value) for tag, value in pdu.tlvs}


def they_decode(octets: bytes, encoder: Any = None) -> Any:
    with contextlib.redirect_stdout(io.StringIO()):  # they print the last character of every time
        return (encoder or PDUEncoder()).decode(io.BytesIO(octets))


def they_give_back(octets: bytes) -> bytes | type[Exception]:
    """What they write after reading it, or what they raise."""
    encoder = PDUEncoder()
    try:
        written: bytes = encoder.encode(they_decode(octets, encoder))
    except (KeyError, ValueError, PDUParseError, PDUCorruptError) as error:
        return type(error)
    return written


class PeerTests(SynchronousTestCase):
    """Every PDU of SMPP 3.4, each way."""

    def each(self, check: Callable[[PDU], None]) -> None:
        for command_id in COMMANDS:
            some(given(pdus(command_id))(check))()

    def test_we_write_they_read(self) -> None:
        """Our octets are to them the PDU that we meant, with no field or TLV more or less."""

        def check(pdu: PDU) -> None:
            theirs = they_decode(encode(pdu))
            self.assertEqual(
                (theirs.id.name, theirs.status.name, theirs.seqNum or 0),
                (command_name(pdu.command_id), Status(pdu.command_status).name, pdu.sequence_number),
            )
            self.assertEqual(theirs.params, told(pdu))

        self.each(check)

    def test_they_write_we_read(self) -> None:
        """And theirs to us."""

        def check(pdu: PDU) -> None:
            status = pdu_types.CommandStatus[Status(pdu.command_status).name]
            theirs = their_class(pdu.command_id)(pdu.sequence_number or None, status, **told(pdu))
            ours = decode(PDUEncoder().encode(theirs))
            ours.tlvs.sort()
            self.assertEqual(ours, pdu)

        self.each(check)

    def test_what_they_do_wrong(self) -> None:
        """What is left out above is still wrong there, and right here."""
        for clause, what, pdu, error in WRONG:
            octets = encode(pdu)
            ours = decode(octets)
            self.assertEqual((ours.command_status, ours.tlvs), (pdu.command_status, pdu.tlvs), what)
            self.assertEqual({**ours.fields, **pdu.fields}, ours.fields, what)
            self.assertEqual(encode(ours), octets, what)
            given_back = they_give_back(octets)
            if error is None:
                self.assertIsInstance(given_back, bytes, f"{clause}: {what}")
                self.assertNotEqual(given_back, octets, f"{clause}: {what}")
            else:
                self.assertIs(given_back, error, f"{clause}: {what}")

    def test_nothing_else_is_left_out(self) -> None:
        """Each PDU and TLV that they have a name for is compared, or is in ``WRONG``."""
        self.assertEqual({*COMMANDS, *CANT}, set(FIELDS))
        self.assertEqual({tag for command_id in COMMANDS for tag in expected_tlvs(command_id)}, set(TLVS))
        self.assertEqual({tag.name for tag in (*TLVS, *CANT_TLV)}, numbers_of(constants.tag_name_map).keys())
        self.assertLessEqual(CANT, {wrong.pdu.command_id for wrong in WRONG})
        self.assertLessEqual(CANT_TLV, {tag for wrong in WRONG for tag, _ in wrong.pdu.tlvs})

    def test_numbers(self) -> None:
        """Names and numbers are the same: commands and TLVs of 3.4, statuses of 3.4 and 5.0."""
        self.assertEqual({member.name: int(member) for member in CommandId}, constants.command_id_name_map)
        self.assertEqual({member.name: int(member) for member in Status}, numbers_of(constants.command_status_name_map))
        tags = numbers_of(constants.tag_name_map)
        self.assertEqual({member.name: int(member) for member in Tag if member.name in tags}, tags)


def numbers_of(names: dict[str, int]) -> dict[str, int]:
    """Without the negative ones, which stand for what they do not know."""
    return {name: number for name, number in names.items() if number >= 0}
