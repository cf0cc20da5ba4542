"""submit_sm bodies: every setting at its place, every alphabet and form, and nothing in the store that raises."""

import random
import struct
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.messages import Segment
from smsconnector.smpp import pdu as codec
from smsconnector.smpp.constants import CommandId, EsmClass, Tag
from smsconnector.smpp.pdu import PDU
from smsconnector.smpp.submit import GSM_CLASS_1, SubmitRenderer, SubmitSettings, relative_time
from smsconnector.sms import segmentation, udh, user_data
from smsconnector.sms.segmentation import segment as split_text

quick = settings(deadline=None, max_examples=150, database=None)

NOW = 1_700_000_000_000  # ms
FORMS = segmentation.FORMS
DEFAULT_ALPHABETS = ("gsm7", "gsm7-packed", "latin1", "ascii")
NAMES = ("auto", "gsm7", "gsm7+tr", "gsm7=tr", "gsm7=tr+tr", "latin1", "ascii", "ucs2")
LETTERS = {
    "gsm7": "abc xyz\n@£é€[]Δ",
    "gsm7+tr": "abc şğı €[]Δ",
    "gsm7=tr": "abc şğı €[]Δ",
    "gsm7=tr+tr": "abc şğı €[]Δ",
    "latin1": "abc éèçÿ",
    "ascii": "abc`{}",
    "ucs2": "abc بş😀é",
    "auto": "abc ş’é€",
}


def long_texts(letters: str) -> st.SearchStrategy[str]:
    """Texts of one segment as often as of several."""
    return st.builds(str.__mul__, st.text(letters, max_size=60), st.integers(1, 15))


def one(text: str = "Hello", name: str = "gsm7", **changes: Any) -> Segment:
    """A segment as the store holds it."""
    fields: dict[str, Any] = {
        "id": 7,
        "number": 1,
        "count": 1,
        "text": text,
        "alphabet": name,
        "source": "12345678",
        "destination": "923001234567",
        "expires_at": NOW + 3_600_000,
    }
    return Segment(**{**fields, **changes})


def several(text: str, first_id: int = 7, **options: Any) -> list[Segment]:
    """The segments of a text as the store holds them."""
    split = split_text(text, **options)
    count = len(split.segments)
    return [
        one(part, split.alphabet, id=first_id + number - 1, number=number, count=count)
        for number, part in enumerate(split.segments, 1)
    ]


def read(body: bytes) -> PDU:
    """What an SMSC makes of a body; there is nothing behind the last TLV."""
    pdu = codec.decode(struct.pack(">IIII", 16 + len(body), CommandId.submit_sm, 0, 1) + body)
    assert pdu.rest == b"", pdu
    return pdu


def submit(segment: Segment, now: int | None = NOW, **options: Any) -> PDU:
    return read(SubmitRenderer(SubmitSettings(**options)).body(segment, now))


def text_of(pdu: PDU, default: str) -> tuple[str, tuple[int, int, int] | None]:
    """The text, and (reference, count, number) from either the header or the TLVs."""
    payload = pdu.tlv(Tag.message_payload)
    assert payload is None or pdu.fields["short_message"] == b""
    octets = pdu.fields["short_message"] if payload is None else payload
    has_header = bool(pdu.fields["esm_class"] & EsmClass.UDHI)
    found = user_data.read(octets, pdu.fields["data_coding"], default, has_header)
    place = udh.find_concatenation(found.elements)
    if (total := pdu.tlv_int(Tag.sar_total_segments)) is not None:
        assert place is None, "told twice"
        reference, number = pdu.tlv_int(Tag.sar_msg_ref_num), pdu.tlv_int(Tag.sar_segment_seqnum)
        assert reference is not None and number is not None
        place = udh.SegmentPlace(reference, total, number)
    return found.text, place


class FieldTests(SynchronousTestCase):
    """The mandatory fields and TLVs of section 4.4.1."""

    def test_defaults(self) -> None:
        """With no settings: what every SMSC takes, and a receipt asked for."""
        pdu = submit(one())
        self.assertEqual(
            pdu.fields,
            {
                "service_type": "",
                "source_addr_ton": 1,
                "source_addr_npi": 1,
                "source_addr": "12345678",
                "dest_addr_ton": 1,
                "dest_addr_npi": 1,
                "destination_addr": "923001234567",
                "esm_class": 0,
                "protocol_id": 0,
                "priority_flag": 0,
                "schedule_delivery_time": "",
                "validity_period": "",
                "registered_delivery": 1,
                "replace_if_present_flag": 0,
                "data_coding": 0,
                "sm_default_msg_id": 0,
                "short_message": b"Hello",
            },
        )
        self.assertEqual(pdu.tlvs, [])

    def test_settings(self) -> None:
        """Each setting reaches its field, and no other changes."""
        plain = submit(one()).fields
        for options, changed in (
            ({"service_type": "CMT"}, {"service_type": "CMT"}),
            ({"protocol_id": 0x41}, {"protocol_id": 0x41}),
            ({"priority_flag": 2}, {"priority_flag": 2}),
            ({"registered_delivery": 0x11}, {"registered_delivery": 0x11}),
            ({"registered_delivery": 0}, {"registered_delivery": 0}),
            ({"source_ton": 0}, {"source_addr_ton": 0}),
            ({"source_npi": 8}, {"source_addr_npi": 8}),
            ({"dest_ton": 2, "dest_npi": 3}, {"dest_addr_ton": 2, "dest_addr_npi": 3}),
            ({"data_codings": {"gsm7": 0xF1}}, {"data_coding": 0xF1}),
            ({"validity": 90}, {"validity_period": "000000000130000R"}),
            ({"validity": "auto"}, {"validity_period": "000000010000000R"}),
            ({"source": "9999999"}, {}),  # the message names its own
        ):
            self.assertEqual(submit(one(), **options).fields, {**plain, **changed}, options)

    def test_tlvs(self) -> None:
        """Configured TLVs stand behind every submit as they are, and behind ours."""
        tlvs = ((0x1400, b"\x01\x02"), (0x1401, b""))
        self.assertEqual(submit(one(), tlvs=tlvs).tlvs, list(tlvs))
        long = submit(several("a" * 200, form="payload")[0], tlvs=tlvs)
        self.assertEqual([tag for tag, _ in long.tlvs], [Tag.message_payload, 0x1400, 0x1401])

    def test_addresses(self) -> None:
        """TON and NPI follow from the address (pitfall 19); whatever it is, the body stays whole."""
        for address, ton, npi, written in (
            ("923001234567", 1, 1, "923001234567"),
            ("12345", 3, 0, "12345"),
            ("123456", 3, 0, "123456"),
            ("1234567", 1, 1, "1234567"),
            ("Acme", 5, 0, "Acme"),
            ("Acme Ltd", 5, 0, "Acme Ltd"),
            ("", 0, 0, ""),
            ("Ac\0me", 5, 0, "Acme"),
            ("Łódź", 5, 0, "?ód?"),
            ("١٢٣٤٥٦٧", 5, 0, "???????"),  # digits, but none that an address may have
            ("²³", 5, 0, "²³"),
        ):
            fields = submit(one(source=address, destination=address)).fields
            self.assertEqual(
                (fields["source_addr_ton"], fields["source_addr_npi"], fields["source_addr"]), (ton, npi, written)
            )
            self.assertEqual(
                (fields["dest_addr_ton"], fields["dest_addr_npi"], fields["destination_addr"]), (ton, npi, written)
            )

    def test_source_of_the_bind(self) -> None:
        """A message that names no source gets the bind's."""
        for source in (None, ""):
            self.assertEqual(submit(one(source=source), source="Acme").fields["source_addr"], "Acme")

    def test_many_sources(self) -> None:
        """Sources without end are rendered right, and not all of them kept."""
        renderer = SubmitRenderer(SubmitSettings())
        for number in range(3000):
            source = f"9230{number:08}"
            self.assertEqual(read(renderer.body(one(source=source))).fields["source_addr"], source)
        self.assertLess(len(renderer._sources), 1100)


class ValidityTests(SynchronousTestCase):
    """validity_period, relative (section 7.1.1.2)."""

    def test_relative_time(self) -> None:
        """Seconds as YYMMDDhhmmss000R; a month is 31 days, so it is never longer than asked for."""
        for seconds, text in (
            (1, "000000000001000R"),
            (59, "000000000059000R"),
            (3_600, "000000010000000R"),
            (86_399, "000000235959000R"),
            (86_400, "000001000000000R"),
            (259_200, "000003000000000R"),
            (30 * 86_400, "000030000000000R"),
            (31 * 86_400, "000100000000000R"),
            (365 * 86_400, "001124000000000R"),
            (372 * 86_400, "010000000000000R"),
            (10**12, "990000000000000R"),
        ):
            self.assertEqual(relative_time(seconds), text)

    def test_what_is_left(self) -> None:
        """It shrinks with the message's lifetime, message by message, and is never nothing."""
        renderer = SubmitRenderer(SubmitSettings(validity="auto"))
        for left, text in (
            (10_000, "000000000010000R"),
            (9_999, "000000000009000R"),
            (10_000, "000000000010000R"),
            (500, "000000000001000R"),
            (-5_000, "000000000001000R"),
        ):
            pdu = read(renderer.body(one(expires_at=NOW + left), NOW))
            self.assertEqual(pdu.fields["validity_period"], text)

    def test_what_the_request_asked_for(self) -> None:
        """The SMSC is told of a lifetime that the request set, unless it takes none; the shorter one counts."""
        for validity, limited, text in (
            ("asked", True, "000000000010000R"),
            ("asked", False, ""),
            ("none", True, ""),
            ("auto", False, "000000000010000R"),
            (5, True, "000000000005000R"),
            (60, True, "000000000010000R"),
            (60, False, "000000000100000R"),
        ):
            renderer = SubmitRenderer(SubmitSettings(validity=validity))  # type: ignore[arg-type]
            pdu = read(renderer.body(one(expires_at=NOW + 10_000, is_limited=limited), NOW))
            self.assertEqual(pdu.fields["validity_period"], text, (validity, limited))
            other = read(renderer.body(one(expires_at=NOW + 10_000), NOW)).fields["validity_period"]
            self.assertEqual(
                other, {"asked": "", "none": "", "auto": text, 5: "000000000005000R"}.get(validity, "000000000100000R")
            )

    def test_without_now(self) -> None:
        """Without the time there is none, and a fixed one needs no time."""
        self.assertEqual(submit(one(), now=None, validity="auto").fields["validity_period"], "")
        self.assertEqual(submit(one(), now=None, validity=60).fields["validity_period"], "000000000100000R")


class CodingTests(SynchronousTestCase):
    """The alphabet that the door chose, in the bind's coding (pitfall 16)."""

    def test_table(self) -> None:
        """Default alphabet of the SMSC, alphabet and text: the data_coding and the octets."""
        for default, name, text, data_coding, octets in (
            ("gsm7", "gsm7", "@é€", 0, "00051b65"),
            ("gsm7-packed", "gsm7", "hello", 0, "e8329bfd06"),
            ("latin1", "gsm7", "@é", 0, "40e9"),
            ("ascii", "gsm7", "@[]", 0, "405b5d"),
            ("ascii", "gsm7", "é", 8, "00e9"),  # lacking, and short: UCS-2
            ("latin1", "gsm7", "€", 8, "20ac"),
            ("latin1", "gsm7", "€" + "a" * 70, GSM_CLASS_1, "1b65" + "61" * 70),  # lacking, and long: septets
            ("latin1", "gsm7", "@" * 160, 0, "40" * 160),  # on the air it is 160 septets
            ("gsm7", "latin1", "é", 3, "e9"),
            ("latin1", "latin1", "é", 0, "e9"),
            ("gsm7", "ascii", "`", 1, "60"),
            ("ascii", "ascii", "`", 0, "60"),
            ("gsm7", "ucs2", "ب", 8, "0628"),
            ("gsm7-packed", "ucs2", "ب", 8, "0628"),
            ("latin1", "ucs2", "\ud83d", 8, "003f"),
            ("gsm7", "gsm7", "ب", 8, "0628"),  # not as the door would store it: legible all the same
            ("gsm7", "klingon", "a", 0, "61"),
            ("gsm7", "gsm7+xx", "ب", 8, "0628"),
            ("gsm7", "gsm7+tr", "ş", 0, "03240101" + "1b73"),
            ("gsm7-packed", "gsm7=tr", "ş", 0, "03250101" + "e800"),
            ("latin1", "gsm7+tr", "ş", 8, "015f"),
            ("latin1", "gsm7+tr", "ş" * 71, GSM_CLASS_1, "03240101" + "1b73" * 71),
        ):
            pdu = submit(one(text, name), default_alphabet=default)
            self.assertEqual(
                (pdu.fields["data_coding"], pdu.fields["short_message"].hex()), (data_coding, octets), (default, text)
            )
            self.assertEqual(pdu.tlvs, [])

    def test_overrides(self) -> None:
        """A number of the configuration counts, for the octets that are really sent."""
        numbers = {"gsm7": 0x10, "latin1": 0x33, "ascii": 0x11, "ucs2": 0x18}
        for default, name, text, data_coding in (
            ("gsm7", "gsm7", "a", 0x10),
            ("gsm7", "latin1", "é", 0x33),
            ("gsm7", "ucs2", "ب", 0x18),
            ("latin1", "gsm7", "a", 0x33),
            ("latin1", "gsm7", "€" * 80, 0x10),
        ):
            pdu = submit(one(text, name), default_alphabet=default, data_codings=numbers)
            self.assertEqual(pdu.fields["data_coding"], data_coding, (default, text))

    def test_segments_of_one_message(self) -> None:
        """UCS-2 is never mixed with septets in one message, though its last segment would have fitted."""
        segments = several("a" * 160 + "€")
        found = [submit(segment, default_alphabet="latin1").fields["data_coding"] for segment in segments]
        self.assertEqual(found, [0, GSM_CLASS_1])  # both leave the SMSC as septets


class FormTests(SynchronousTestCase):
    """The four forms of a long message (pitfall 17)."""

    def test_table(self) -> None:
        """What it was cut for and what the bind wants: header, TLVs, payload, in every combination."""
        header8, header16 = "0500039a0201", "060804029a0201"
        for cut_for, wanted, esm_class, header, tags in (
            ("udh8", "udh8", 0x40, header8, []),
            ("udh8", "udh16", 0x40, header8, []),
            ("udh8", "sar", 0, "", ["sar"]),
            ("udh8", "payload", 0x40, header8, []),
            ("udh16", "udh8", 0x40, header8, []),
            ("udh16", "udh16", 0x40, header16, []),
            ("udh16", "sar", 0, "", ["sar"]),
            ("udh16", "payload", 0x40, header16, []),
            ("sar", "udh8", 0, "", ["sar"]),
            ("sar", "udh16", 0, "", ["sar"]),
            ("sar", "sar", 0, "", ["sar"]),
            ("sar", "payload", 0, "", ["sar"]),
            ("payload", "udh8", 0, "", ["payload"]),
            ("payload", "udh16", 0, "", ["payload"]),
            ("payload", "sar", 0, "", ["payload"]),
            ("payload", "payload", 0, "", ["payload"]),
        ):
            first = several("a" * 200, 0x1029A, form=cut_for)[0]
            pdu = submit(first, form=wanted)
            self.assertEqual(pdu.fields["esm_class"], esm_class, (cut_for, wanted))
            expected = {
                "": [],
                "sar": [
                    (Tag.sar_msg_ref_num, b"\x02\x9a"),
                    (Tag.sar_total_segments, b"\x02"),
                    (Tag.sar_segment_seqnum, b"\x01"),
                ],
                "payload": [(Tag.message_payload, b"a" * 200)],
            }["".join(tags)]
            self.assertEqual(pdu.tlvs, expected, (cut_for, wanted))
            text = first.text if tags != ["payload"] else ""
            self.assertEqual(pdu.fields["short_message"], bytes.fromhex(header) + text.encode(), (cut_for, wanted))

    def test_edges(self) -> None:
        """The last text of one short_message and the first that is not, for each alphabet and form."""
        for name, letter, single in (
            ("gsm7", "a", 160),
            ("gsm7+tr", "a", 155),
            ("gsm7=tr+tr", "a", 152),
            ("ucs2", "ب", 70),
            ("latin1", "é", 140),
        ):
            for form in FORMS:
                whole = submit(several(letter * single, alphabet=name, form=form)[0], form=form)
                self.assertEqual((whole.tlvs, text_of(whole, "gsm7")), ([], (letter * single, None)), (name, form))
                longer = several(letter * (single + 1), alphabet=name, form=form)
                in_payload = form == "payload" and "tr" not in name
                self.assertEqual(len(longer), 1 if in_payload else 2, (name, form))
                pdu = submit(longer[0], form=form)
                self.assertEqual(pdu.tlv(Tag.message_payload) is not None, in_payload)
                self.assertEqual(pdu.tlv(Tag.sar_total_segments) is not None, form == "sar")

    def test_longest_payload(self) -> None:
        """255 segments' worth of text in one submit_sm, in every alphabet."""
        for letter in ("a", "€", "ب"):
            text = letter * (255 * 66 if letter != "a" else 255 * 153)
            pdu = submit(several(text, form="payload")[0], form="payload")
            self.assertEqual(text_of(pdu, "gsm7"), (text, None))

    @quick
    @given(
        st.sampled_from(NAMES).flatmap(lambda name: st.tuples(st.just(name), long_texts(LETTERS[name]))),
        st.sampled_from(FORMS),
        st.sampled_from(FORMS),
        st.sampled_from(DEFAULT_ALPHABETS),
        st.integers(1, 2**40),
        st.randoms(),
    )
    def test_round_trip(
        self, choice: tuple[str, str], cut_for: str, wanted: str, default: str, first_id: int, order: random.Random
    ) -> None:
        """Whatever the alphabet, the form it was cut for, and the bind that got it in the end: the text comes back
        from its submits in any order, and the segments of one message agree on how they are told apart."""
        name, text = choice
        options: dict[str, Any] = {"transliterate": True, "national_languages": ["tr"]} if name == "auto" else {}
        segments = several(text, first_id, alphabet=name, form=cut_for, **options)
        renderer = SubmitRenderer(SubmitSettings(default_alphabet=default, form=wanted, validity="auto"))
        pdus = [read(renderer.body(segment, NOW)) for segment in segments]
        order.shuffle(pdus)
        parts, keys = {}, set()
        for pdu in pdus:
            part, place = text_of(pdu, default)
            self.assertEqual(place is not None, len(segments) > 1)
            reference, count, number = place or (0, 1, 1)
            parts[number] = part
            keys.add((reference, count, pdu.tlv(Tag.sar_msg_ref_num)))
        self.assertEqual(len(keys), 1)
        self.assertEqual(
            "".join(parts[number] for number in sorted(parts)), "".join(segment.text for segment in segments)
        )

    @quick
    @given(
        st.sampled_from(("", "gsm7", "gsm7-packed", "gsm7+tr", "gsm7=es", "latin1", "ascii", "ucs2", "x/y", "auto"))
        | st.text(max_size=12),
        st.sampled_from(("", "/sar", "/udh16", "/udh8", "/payload", "/?")),
        st.text(st.characters(), max_size=300),
        st.integers(1, 255).flatmap(lambda count: st.tuples(st.integers(1, count), st.just(count))),
        st.text(max_size=30),
        st.sampled_from(FORMS),
        st.sampled_from(DEFAULT_ALPHABETS),
    )
    def test_never_raises(
        self, name: str, mark: str, text: str, place: tuple[int, int], address: str, form: str, default: str
    ) -> None:
        """No name, text or address that a store could hold, ours or a newer version's, stops a bind; and the body
        is one that an SMSC can read."""
        segment = one(
            text, name + mark, id=300 + place[0], number=place[0], count=place[1], source=address, destination=address
        )
        pdu = submit(segment, form=form, default_alphabet=default)
        self.assertLessEqual(len(pdu.fields["short_message"]), 254)
        self.assertEqual(pdu.fields["registered_delivery"], 1)
