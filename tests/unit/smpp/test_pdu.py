"""The codec: what we write is what we read, and what SMSCs get wrong is tolerated. Another's: ``test_pdu_peers``."""

import itertools
import tracemalloc
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.errors import FramingError, PDUError
from smsconnector.smpp.constants import (
    DEFAULT_MAX_PDU,
    HEADER_OCTETS,
    RESPONSE,
    CommandId,
    Status,
    Tag,
    command_name,
    describe_status,
    status_name,
)
from smsconnector.smpp.pdu import (
    ADDRESSES,
    AT_MOST,
    COUNTED,
    CSTRING,
    FIELDS,
    INT1,
    INT4,
    PDU,
    UNSUCCESSFUL,
    Framer,
    bare,
    decode,
    encode,
    header,
    tlv_int,
    with_body,
)

quick = settings(deadline=None, max_examples=100, database=None)

# --- PDUs of every kind, at random ------------------------------------------------------------------------------

octet = st.integers(0, 255)
cstrings = st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=25)
sme_addresses = st.fixed_dictionaries({"dest_addr_ton": octet, "dest_addr_npi": octet, "destination_addr": cstrings})
lists = st.fixed_dictionaries({"dl_name": cstrings})
unsuccessful = st.builds(
    lambda address, status: {**address, "error_status_code": status}, sme_addresses, st.integers(0, 2**32 - 1)
)
VALUES = (
    (INT1, octet),
    (INT4, st.integers(0, 2**32 - 1)),
    (CSTRING, cstrings),
    (COUNTED, st.binary(max_size=255)),
    (AT_MOST, st.binary(max_size=255)),
    (ADDRESSES, st.lists(sme_addresses | lists, max_size=4)),
    (UNSUCCESSFUL, st.lists(unsuccessful, max_size=4)),
)
tlvs = st.lists(st.tuples(st.integers(0, 0xFFFF), st.binary(max_size=300)), max_size=5)


@st.composite
def pdus(draw: Any) -> PDU:
    """A sound PDU of a command that the specification knows, with whatever values."""
    command_id = int(draw(st.sampled_from(sorted(FIELDS))))
    values = {name: draw(next(v for k, v in VALUES if k is kind)) for name, kind in FIELDS[command_id]}
    number = st.integers(0, 2**32 - 1)
    return PDU(command_id, draw(number), draw(number), values, draw(tlvs))


def submit(**fields: Any) -> PDU:
    """A submit_sm with plain addresses."""
    plain = {"source_addr": "12345", "dest_addr_ton": 1, "dest_addr_npi": 1, "destination_addr": "923001234567"}
    return PDU(CommandId.submit_sm, 0, 7, {**plain, "short_message": b"hello", **fields})


class RoundTripTests(SynchronousTestCase):
    """decode and encode walk the same rows."""

    def test_every_command(self) -> None:
        """Each PDU of section 4, with nothing given, gives its defaults back and the same octets again."""
        for command_id in FIELDS:
            octets = encode(PDU(command_id, 0, 1))
            pdu = decode(octets)
            self.assertEqual((pdu.command_id, pdu.sequence_number, pdu.rest), (command_id, 1, b""))
            self.assertEqual(list(pdu.fields), [name for name, _ in FIELDS[command_id]], command_name(command_id))
            self.assertEqual(encode(pdu), octets, command_name(command_id))

    def test_all_commands_of_the_specification(self) -> None:
        """No command of section 5.1.2.1 lacks its table."""
        self.assertEqual(set(FIELDS), {int(command) for command in CommandId})

    @quick
    @given(pdus())
    def test_identity(self, pdu: PDU) -> None:
        """Whatever the values and TLVs are, they come back, and the length is right."""
        octets = encode(pdu)
        self.assertEqual(int.from_bytes(octets[:4], "big"), len(octets))
        self.assertEqual(decode(octets), pdu)

    def test_octets_of_submit_sm(self) -> None:
        """Octet by octet against section 4.4.1, so that both directions can't be wrong alike."""
        fields = {
            "service_type": "CMT",
            "source_addr_ton": 5,
            "source_addr": "Shop",
            "esm_class": 0x40,
            "protocol_id": 1,
            "priority_flag": 2,
            "schedule_delivery_time": "a",
            "validity_period": "bc",
            "registered_delivery": 1,
            "replace_if_present_flag": 3,
            "data_coding": 8,
            "sm_default_msg_id": 4,
            "short_message": b"\0h",
        }
        self.assertEqual(
            encode(PDU(4, 0, 0x01020304, {**submit().fields, **fields}, [tlv_int(Tag.user_message_reference, 9, 2)])),
            b"\0\0\0\x3f\0\0\0\4\0\0\0\0\1\2\3\4CMT\0\5\0Shop\0\1\1923001234567\0\x40\1\2a\0bc\0\1\3\x08\4\2\0h"
            b"\2\4\0\2\0\x09",
        )

    def test_octets_of_submit_multi(self) -> None:
        """The repeated groups (section 4.5.1.1): flag 1 is an SME address, flag 2 a distribution list."""
        addresses = [
            {"dest_addr_ton": 1, "dest_addr_npi": 1, "destination_addr": "49"},
            {"dl_name": "all"},
        ]
        octets = encode(PDU(CommandId.submit_multi, 0, 1, {"dest_address": addresses, "short_message": b"x"}))
        self.assertIn(b"\0\0\0\0" + b"\2\1\1\x0149\0\2all\0", octets)
        self.assertEqual(decode(octets).fields["dest_address"], addresses)

    def test_short_forms(self) -> None:
        """The pre-rendered ways give what encode gives."""
        self.assertEqual(bare(CommandId.enquire_link, 5), encode(PDU(CommandId.enquire_link, 0, 5)))
        octets = encode(submit())
        self.assertEqual(with_body(CommandId.submit_sm, 7, octets[HEADER_OCTETS:]), octets)
        self.assertEqual(header(bare(CommandId.unbind_resp, 9, 8)), (CommandId.unbind_resp, 8, 9))

    def test_values_that_do_not_fit(self) -> None:
        """A fault of the caller is an exception, never a PDU that says something else."""
        for fields in (
            {"short_message": b"x" * 256},
            {"data_coding": 256},
            {"source_addr_ton": -1},
            {"source_addr": "سلام"},
            {"source_addr": "12\x0034"},  # would shift every field behind it
        ):
            self.assertRaises((OverflowError, ValueError), encode, submit(**fields))


class AwkwardTests(SynchronousTestCase):
    """What SMSCs send all the same."""

    def test_responses(self) -> None:
        """Responses without a body, cut short, or without a NUL are read as far as they go."""
        for command_id, body, field, value in (
            (CommandId.submit_sm_resp, b"", "message_id", ""),
            (CommandId.submit_sm_resp, b"\0", "message_id", ""),
            (CommandId.submit_sm_resp, b"4711", "message_id", "4711"),  # NUL forgotten
            (CommandId.submit_sm_resp, b"4711\0", "message_id", "4711"),
            (CommandId.submit_sm_resp, b"x" * 300 + b"\0", "message_id", "x" * 300),  # over 65
            (CommandId.submit_sm_resp, b"caf\xe9\0", "message_id", "café"),
            (CommandId.bind_transceiver_resp, b"", "system_id", ""),
            (CommandId.bind_transceiver_resp, b"smsc", "system_id", "smsc"),
            (CommandId.query_sm_resp, b"1\0\0\2", "message_state", 2),
            (CommandId.query_sm_resp, b"1\0\0\2", "error_code", 0),  # missing
            (CommandId.submit_multi_resp, b"1\0", "unsuccess_sme", []),
            (CommandId.submit_multi_resp, b"1\0\1\1\1" + b"49\0\0\0", "unsuccess_sme", []),  # cut in error_status_code
        ):
            pdu = decode(with_body(command_id, 1, body))
            self.assertEqual(pdu.fields[field], value, body)

    def test_defaults_are_not_shared(self) -> None:
        """Changing what one bodiless response gave does not change the next one."""
        octets = bare(CommandId.submit_multi_resp, 1)
        decode(octets).fields["unsuccess_sme"].append("mine")
        self.assertEqual(decode(octets).fields["unsuccess_sme"], [])

    def test_requests_that_are_cut(self) -> None:
        """A mandatory field that runs over the end: PDUError, with all that the answer needs."""
        whole = encode(submit())
        for end in range(HEADER_OCTETS, len(whole)):
            with self.assertRaises(PDUError) as caught:
                decode(whole[:end])
            error = caught.exception
            self.assertEqual(
                (error.command_status, error.command_id, error.sequence_number),
                (Status.ESME_RINVMSGLEN, CommandId.submit_sm, 7),
            )

    def test_broken_groups(self) -> None:
        """submit_multi with an unknown flag, or fewer destinations than it says: each has a status of its own."""
        for addresses, status, reason in (
            (b"\1\3xyz\0", Status.ESME_RINVDESTFLAG, "dest_flag 3 "),
            (b"\2\1\1\x0149\0\0", Status.ESME_RINVDESTFLAG, "dest_flag 0 "),
            (b"\2\1\1\x0149\0", Status.ESME_RINVMSGLEN, "over the end"),
            (b"\xff", Status.ESME_RINVMSGLEN, "over the end"),
        ):
            with self.assertRaises(PDUError) as caught:
                decode(with_body(CommandId.submit_multi, 7, b"\0\0\0\0" + addresses))
            error = caught.exception
            self.assertEqual(
                (error.command_status, error.command_id, error.sequence_number), (status, CommandId.submit_multi, 7)
            )
            self.assertIn(reason, str(error))

    def test_unknown_command(self) -> None:
        """Kept byte for byte, request or response."""
        for command_id in (0x00000111, 0x80000111, 0x00010200):
            octets = with_body(command_id, 3, b"\1\2\3")
            pdu = decode(octets)
            self.assertEqual((pdu.fields, pdu.tlvs, pdu.rest), ({}, [], b"\1\2\3"))
            self.assertEqual(encode(pdu), octets)
            self.assertEqual(command_name(command_id), f"0x{command_id:08X}")

    def test_unknown_status(self) -> None:
        """A carrier's own command_status stays a number with a word for the log."""
        pdu = decode(bare(CommandId.submit_sm_resp, 1, 0x0400))
        self.assertEqual((pdu.command_status, status_name(pdu.command_status)), (0x400, "0x00000400"))
        self.assertEqual(describe_status(0x400), "0x00000400")
        self.assertEqual(describe_status(14), "ESME_RINVPASWD (invalid password)")

    def test_values_outside_the_enumerations(self) -> None:
        """TON 9, data_coding 0xF5 and the like are kept."""
        fields = {"source_addr_ton": 9, "dest_addr_npi": 77, "data_coding": 0xF5, "priority_flag": 200}
        decoded = decode(encode(submit(**fields))).fields
        self.assertEqual({name: decoded[name] for name in fields}, fields)

    def test_long_strings(self) -> None:
        """A C-octet string over its maximum size, and a short_message of 255 octets, pass."""
        fields = {"source_addr": "1" * 100, "service_type": "longer than six", "short_message": b"x" * 255}
        decoded = decode(encode(submit(**fields))).fields
        self.assertEqual({name: decoded[name] for name in fields}, fields)

    def test_zero_length(self) -> None:
        """Empty texts, addresses and TLVs."""
        pdu = submit(source_addr="", destination_addr="", short_message=b"")
        pdu.tlvs = [(Tag.message_payload, b""), (Tag.alert_on_message_delivery, b"")]
        decoded = decode(encode(pdu))
        self.assertEqual(decoded.fields["short_message"], b"")
        self.assertEqual((decoded.tlv(Tag.message_payload), decoded.tlv(Tag.message_state)), (b"", None))
        self.assertIsNone(decoded.tlv_int(Tag.message_payload))

    def test_tlvs(self) -> None:
        """Unknown tags, repeated tags, text with and without NUL, integers of any width; then cut ones as rest."""
        pdu = submit()
        pdu.tlvs = [
            (0x1FFF, b"vendor"),
            (Tag.receipted_message_id, b"4711"),
            (Tag.receipted_message_id, b"second"),
            (Tag.message_state, b"\0\2"),
            (Tag.additional_status_info_text, b"text\0"),
        ]
        octets = encode(pdu)
        decoded = decode(octets)
        self.assertEqual(decoded.tlvs, pdu.tlvs)
        self.assertEqual(decoded.tlv_text(Tag.receipted_message_id), "4711")
        self.assertEqual(decoded.tlv_text(Tag.additional_status_info_text), "text")
        self.assertIsNone(decoded.tlv_text(Tag.source_port))
        self.assertEqual(decoded.tlv_int(Tag.message_state), 2)
        for cut in (1, 4, 8):
            decoded = decode(octets[:-cut])
            self.assertEqual(decoded.tlvs, pdu.tlvs[:-1], f"{cut} octets short")
            self.assertTrue(decoded.rest)
            self.assertEqual(encode(decoded)[4:], octets[4:-cut])

    def test_only_tlvs(self) -> None:
        """A response with an error may leave its fields out (section 4.4.2) and have TLVs all the same."""
        congestion = b"\x04\x28\0\1\x5a"
        for body, status, message_id in ((congestion, 0x58, ""), (b"\0" + congestion, 0x58, ""), (b"7\0", 0x58, "7")):
            pdu = decode(with_body(CommandId.submit_sm_resp, 1, body, status))
            self.assertEqual(pdu.fields, {"message_id": message_id})
            self.assertEqual(pdu.tlv_int(Tag.congestion_state), None if message_id else 0x5A)

    def test_huge_integers(self) -> None:
        """An integer of a TLV has at most 8 octets: no peer makes us count with 16,000 bits."""
        for value, expected in ((b"\xff" * 8, 2**64 - 1), (b"\0" * 8 + b"\1", None), (b"\xff" * 2000, None)):
            pdu = decode(encode(PDU(CommandId.submit_sm_resp, 0, 1, {}, [(Tag.congestion_state, value)])))
            self.assertEqual(pdu.tlv_int(Tag.congestion_state), expected)

    @quick
    @given(st.sampled_from(sorted(FIELDS)) | st.integers(0, 2**32 - 1), st.binary(max_size=120))
    def test_garbage(self, command_id: int, body: bytes) -> None:
        """Random bodies: a PDU or PDUError, nothing else; and a response is never refused."""
        try:
            pdu = decode(with_body(command_id, 1, body))
        except PDUError as error:
            self.assertFalse(command_id & RESPONSE)
            self.assertEqual(error.command_id, command_id)
        else:
            if not command_id & RESPONSE:
                self.assertEqual(encode(pdu), with_body(command_id, 1, body))

    @quick
    @given(pdus(), st.data())
    def test_damage(self, pdu: PDU, data: Any) -> None:
        """A sound PDU with one octet changed: the same."""
        octets = bytearray(encode(pdu))
        if len(octets) > HEADER_OCTETS:
            octets[data.draw(st.integers(HEADER_OCTETS, len(octets) - 1))] = data.draw(octet)
        try:
            decode(bytes(octets))
        except PDUError:
            self.assertFalse(pdu.command_id & RESPONSE)


class FramerTests(SynchronousTestCase):
    """The stream cut into PDUs."""

    def test_byte_by_byte(self) -> None:
        """A PDU comes with its last octet, not before."""
        framer, octets = Framer(), encode(submit())
        for position in range(len(octets) - 1):
            self.assertEqual(framer.feed(octets[position : position + 1]), [])
        self.assertEqual(framer.feed(octets[-1:]), [octets])

    def test_octets_are_not_copied_again_and_again(self) -> None:
        """One PDU in chunks of an octet: what waits for the rest grows in place. Only where its room gets too small is
        there memory taken for all of it, not with every chunk, which would make the work quadratic."""
        octets, framer, copies = with_body(CommandId.data_sm, 1, b"x" * 20_000), Framer(), 0
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        for position in range(len(octets) - 1):
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            framer.feed(octets[position : position + 1])
            copies += tracemalloc.get_traced_memory()[1] - before > 1000
        self.assertLess(copies, 100)
        self.assertEqual(framer.feed(octets[-1:]), [octets])

    def test_several_in_a_chunk(self) -> None:
        """All whole ones at once, in order; the begun one with the next chunk."""
        one, two, three = bare(CommandId.enquire_link, 1), encode(submit()), bare(CommandId.unbind, 3)
        framer = Framer()
        self.assertEqual(framer.feed(one + two + three[:5]), [one, two])
        self.assertEqual(framer.feed(three[5:] + one), [three, one])
        self.assertEqual(framer.feed(b""), [])

    def test_broken_length(self) -> None:
        """Under 16 or over the cap: FramingError at once, with what was whole before; the bounds are sound."""
        sound = bare(CommandId.enquire_link, 1)
        for length in (0, 1, 15, DEFAULT_MAX_PDU + 1, 0x7FFFFFFF, 0xFFFFFFFF):
            with self.assertRaises(FramingError) as caught:
                Framer().feed(sound + length.to_bytes(4, "big"))
            self.assertEqual(caught.exception.pdus, [sound])
            self.assertIn(str(length), str(caught.exception))
        largest = with_body(CommandId.data_sm, 1, b"x" * (DEFAULT_MAX_PDU - HEADER_OCTETS))
        self.assertEqual(Framer().feed(sound + largest), [sound, largest])

    def test_cap(self) -> None:
        """The cap is a parameter."""
        self.assertRaises(FramingError, Framer(32).feed, with_body(CommandId.data_sm, 1, b"x" * 17))
        self.assertEqual(len(Framer(32).feed(with_body(CommandId.data_sm, 1, b"x" * 16))), 1)

    @quick
    @given(st.lists(pdus(), max_size=6), st.lists(st.integers(0, 400), max_size=12))
    def test_chunks_do_not_matter(self, sent: list[PDU], cuts: list[int]) -> None:
        """However the stream is cut on its way, the same PDUs come out."""
        whole = [encode(pdu) for pdu in sent]
        stream = b"".join(whole)
        edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
        framer, received = Framer(), []
        for start, end in itertools.pairwise(edges):
            received += framer.feed(stream[start:end])
        self.assertEqual(received, whole)

    @quick
    @given(st.lists(st.binary(max_size=40), max_size=6))
    def test_garbage(self, chunks: list[bytes]) -> None:
        """Random octets: PDUs or FramingError, nothing else."""
        framer = Framer()
        try:
            for chunk in chunks:
                framer.feed(chunk)
        except FramingError:
            pass
