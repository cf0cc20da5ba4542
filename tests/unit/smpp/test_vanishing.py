"""A search for what vanishes: a deliver_sm or data_sm that is acknowledged is either a receipt that says something, or
an incoming text. Every combination of how a PDU is marked, of its TLVs, and of where its text stands is read.
"""

import itertools
import json
from collections.abc import Iterator
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.messages import IncomingSegment, Receipt
from smsconnector.smpp.deliver import DeliverReader, Reading
from smsconnector.smpp.pdu import decode
from smsconnector.sms import user_data
from smsconnector.store import operations as ops
from smsconnector.store.receipts import PARKED_TIMEOUT
from smsconnector.store.store import Store
from tests.unit.fakes import SINK, ask
from tests.unit.smpp import awkward
from tests.unit.smpp.awkward import MESSAGE_PAYLOAD, MESSAGE_STATE, RECEIPTED_MESSAGE_ID, tlv
from tests.unit.store.test_store import NOW

MESSAGE_TYPES = tuple(kind << 2 for kind in range(16))  # bits 5 to 2 of esm_class (SMPP 3.4 section 5.2.12)
IDS = {
    "no id": b"",
    "an id": tlv(RECEIPTED_MESSAGE_ID, b"4711\0"),
    "an empty id": tlv(RECEIPTED_MESSAGE_ID, b"\0"),
    "an id of blanks": tlv(RECEIPTED_MESSAGE_ID, b"    \0"),
}
STATES = {
    "no state": b"",
    "delivered": tlv(MESSAGE_STATE, b"\2"),
    "enroute": tlv(MESSAGE_STATE, b"\1"),
    "no state of any table": tlv(MESSAGE_STATE, b"\x2a"),
    "a state of no octets": tlv(MESSAGE_STATE, b""),
}
# What a person or a machine writes that tells no stat and no err.
WORDS = (b"Help", b"Message delivered", b"id: 12345", b"date: tomorrow?", b"text: me", b"9")
# What an SMSC writes, without an id: no message can be found by it.
WITHOUT_ID = (b"sub:001 dlvrd:001 stat:DELIVRD err:000", b'id:"" stat:"UNDELIV" err:"034"')
FILLER = b"\0"


class Place(NamedTuple):
    """Where the text of a PDU stands."""

    name: str
    is_data: bool = False


PLACES = (
    Place("short_message"),
    Place("message_payload"),
    Place("short_message, and a NUL as message_payload"),
    Place("message_payload, and a NUL as short_message"),
    Place("message_payload that is cut"),
    Place("behind an sm_length of 0"),
    Place("data_sm", True),
)


def put(place: Place, text: bytes, tlvs: bytes, esm: int) -> bytes:
    """The PDU with its text there."""
    payload = tlv(MESSAGE_PAYLOAD, text)
    if place.is_data:
        return awkward.data(tlvs + payload, esm=esm)
    if place.name == "short_message":
        return awkward.deliver(text, tlvs, esm=esm)
    if place.name == "behind an sm_length of 0":
        return awkward.deliver(text, b"", esm=esm, length=0)
    if place.name == "short_message, and a NUL as message_payload":
        return awkward.deliver(text, tlvs + tlv(MESSAGE_PAYLOAD, FILLER), esm=esm)
    if place.name == "message_payload that is cut":
        longer = MESSAGE_PAYLOAD.to_bytes(2, "big") + (len(text) + 9).to_bytes(2, "big") + text
        return awkward.deliver(b"", tlvs + longer, esm=esm)
    short = FILLER if place.name.endswith("as short_message") else b""
    return awkward.deliver(short, tlvs + payload, esm=esm)


def combinations(texts: tuple[bytes, ...]) -> Iterator[tuple[str, bytes, bytes]]:
    """(what it is, the PDU, its text)."""
    for esm, (an_id, id_tlv), (a_state, state_tlv), place, text in itertools.product(
        MESSAGE_TYPES, IDS.items(), STATES.items(), PLACES, texts
    ):
        if place.name == "behind an sm_length of 0" and (id_tlv or state_tlv or not text[0] >= 0x40):
            continue  # TLVs can't be told from a text there
        name = f"esm_class 0x{esm:02X}, {an_id}, {a_state}, {text!r} in {place.name}"
        yield name, put(place, text, id_tlv + state_tlv, esm), text


def read(octets: bytes) -> Reading:
    return DeliverReader("smpp", "me@smsc", "gsm7").read(decode(octets), NOW)


def says_something(receipt: Receipt) -> bool:
    """It tells a state, a status word or a code, of a message that can be found."""
    return bool(receipt.smsc_id.strip()) and (receipt.status, receipt.code) != ("UNKNOWN", "UNKNOWN")


def text_of(item: Receipt | IncomingSegment | None) -> str | None:
    """What is handed on as a text, at once or if the receipt fits no message."""
    one = item.incoming if isinstance(item, Receipt) else item
    return None if one is None else user_data.join([(one.written_in, one.text)])


class VanishingCase(SynchronousTestCase):
    def check(self, name: str, octets: bytes, text: bytes) -> None:
        item = read(octets).item
        if isinstance(item, Receipt) and says_something(item):
            return
        self.assertIn(text.decode(), text_of(item) or "", name)

    def test_words(self) -> None:
        """The words of a person are told, unless the PDU is a receipt that says what became of a message."""
        for name, octets, text in combinations(WORDS):
            self.check(name, octets, text)

    def test_receipts_without_an_id(self) -> None:
        """What tells a state and no id finds no message: it is told as the text that it is."""
        for name, octets, text in combinations(WITHOUT_ID):
            self.check(name, octets, text)

    def test_whole_receipts(self) -> None:
        """A whole receipt is one wherever it stands and whatever marks it, also as an acknowledgement of a handset: no
        handset knows the id."""
        for name, octets, _ in combinations((awkward.usual(text=""),)):
            item = read(octets).item
            assert isinstance(item, Receipt), name
            self.assertEqual(item.smsc_id, "4711", name)
            self.assertTrue(says_something(item), name)

    def test_receipt_beside_the_quoted_text(self) -> None:
        """A receipt in short_message with the message that it is about in message_payload."""
        item = read(awkward.deliver(awkward.usual(), tlv(MESSAGE_PAYLOAD, b"Hello, how are you?"), esm=4)).item
        assert isinstance(item, Receipt)
        self.assertEqual((item.smsc_id, item.status), ("4711", "DELIVRD"))

    def test_acknowledgements_that_tell_a_state(self) -> None:
        """An acknowledgement without a text that names a message and its state is a receipt."""
        for esm in (0x08, 0x10, 0x18):
            item = read(awkward.deliver(b"", IDS["an id"] + STATES["delivered"], esm=esm)).item
            assert isinstance(item, Receipt), esm
            self.assertEqual((item.smsc_id, item.status), ("4711", "DELIVRD"))

    def test_through_the_store(self) -> None:
        """The same to the end: what fits no message is an event for the application, at the latest when it has been
        parked for its time. Only a receipt that says something, and is marked as one, may fit nothing."""
        store = Store(":memory:")
        self.addCleanup(store.close)
        expected = {}
        chosen = itertools.islice(combinations(WORDS + WITHOUT_ID), 0, None, 7)
        for number, (name, octets, text) in enumerate(chosen):
            sender = f"{923_000_000_000 + number}"
            item = read(octets.replace(awkward.HANDSET.encode(), sender.encode())).item
            assert item is not None, name
            store.apply([ops.Receive((item,)) if isinstance(item, Receipt) else ops.Incoming((item,))])
            if not (isinstance(item, Receipt) and says_something(item) and item.incoming is None):
                expected[sender] = (name, text.decode())
        while any(ask(store, [ops.Sweep(NOW + PARKED_TIMEOUT + 1, NOW)])[0]):
            pass
        (events,) = ask(store, [ops.LoadEvents(SINK, 0, 100_000)])
        bodies = {body["From"]: body["Body"] for body in (json.loads(event.body) for event in events)}
        self.assertGreater(len(expected), 1000)
        for sender, (name, words) in expected.items():
            self.assertIn(words, bodies.get(sender, ""), name)

    @settings(deadline=None, database=None, max_examples=300)
    @given(
        st.integers(0, 255).filter(lambda esm: not esm & 0x40),
        st.text("abc :=;,\"'idstaerx0123456789\n", min_size=1, max_size=60),
        st.lists(st.sampled_from([*IDS.values(), *STATES.values()]), max_size=3),
        st.sampled_from([place for place in PLACES if not place.name.startswith("behind")]),
    )
    def test_any_words(self, esm: int, text: str, tlvs: list[bytes], place: Place) -> None:
        """Texts that nearly read as receipts, of any esm_class."""
        if text.strip():
            self.check(
                f"0x{esm:02X} {text!r} {tlvs} {place}", put(place, text.encode(), b"".join(tlvs), esm), text.encode()
            )
