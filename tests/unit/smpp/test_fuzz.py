"""Whatever octets come: only the documented exceptions, bounded memory, and work in proportion to the input.

The seeds lie in ``corpus/``, a file for each target, a line of hexadecimal digits for each seed. Every seed is tried
as it is, and hypothesis changes them; plain random octets hardly ever get past the first field.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.errors import FramingError, PDUError
from smsconnector.lifecycle import SegmentState
from smsconnector.messages import Finality, IncomingSegment, Receipt
from smsconnector.smpp import session as smpp
from smsconnector.smpp.constants import HEADER_OCTETS, RESPONSE, CommandId
from smsconnector.smpp.deliver import DeliverReader
from smsconnector.smpp.message_ids import RAW, id_candidates, id_key
from smsconnector.smpp.pdu import FIELDS, PDU, Framer, bare, decode, encode, with_body
from smsconnector.smpp.receipt import read_receipt
from smsconnector.smpp.session import Session, SessionSettings, State
from smsconnector.sms import udh, user_data
from smsconnector.sms.addresses import same_number
from smsconnector.store.matching import Candidate, Matcher
from tests.unit.smpp.awkward import DELIVER_SM, MESSAGE_PAYLOAD, deliver, tlv

fuzz = settings(deadline=None, max_examples=150, database=None)
SPELLINGS = ("{}", "{:x}", "{:X}", "0x{:08x}", "{:020}", " {}", "{:010X}")


def seeds(target: str) -> list[bytes]:
    """The corpus of one target."""
    lines = (Path(__file__).parent / "corpus" / f"{target}.hex").read_text("ascii").splitlines()
    return [bytes.fromhex(line) for line in lines if not line.startswith("#")]


@st.composite
def changed(draw: Any, target: str) -> bytes:
    """A seed with a few octets replaced, put in or taken out; or two seeds in one; or random octets."""
    corpus = seeds(target)
    octets: bytes = draw(st.sampled_from(corpus) | st.binary(max_size=200))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(octets)))
        put = draw(st.binary(max_size=3) | st.sampled_from(corpus))
        octets = octets[:start] + put + octets[start + draw(st.integers(0, 4)) :]
    return octets[:2000]


@st.composite
def streams(draw: Any, target: str) -> list[bytes]:
    """Changed seeds, cut anew as a network would."""
    stream = b"".join(draw(st.lists(changed(target), min_size=1, max_size=3)))
    size = draw(st.sampled_from((1, 7, 16, 100, 5000)))
    return [stream[start : start + size] for start in range(0, len(stream), size)]


def bound_session(**more: Any) -> Session:
    session = Session(SessionSettings("me", "secret", **more))
    session.start(0.0)
    bind = smpp.BINDS[session.settings.mode] | RESPONSE
    session.receive(with_body(bind, 1, b"smsc\0"), 0.0)
    for token in "abc":
        session.submit(b"\0" * 20, token, 0.0)
    session.data_to_send()
    return session


def a_reader() -> DeliverReader:
    return DeliverReader("smpp", "me@smsc", "gsm7")


class FuzzTests(SynchronousTestCase):
    """No exception but the documented ones, and nothing that grows without bound."""

    def framer(self, chunks: list[bytes]) -> None:
        framer = Framer(4096)
        for chunk in chunks:
            try:
                pdus = framer.feed(chunk)
            except FramingError as error:
                self.assertLessEqual(len(framer._buffer), 4096)
                self.assertTrue(all(16 <= len(octets) <= 4096 for octets in error.pdus))  # type: ignore[attr-defined]
                return
            self.assertTrue(all(16 <= len(octets) <= 4096 for octets in pdus))
            self.assertLessEqual(len(framer._buffer), 4096)

    def test_framer_seeds(self) -> None:
        """The seeds of the framer, whole and octet by octet."""
        for seed in seeds("framer"):
            self.framer([seed])
            self.framer([seed[at : at + 1] for at in range(len(seed))])

    @fuzz
    @given(streams("framer"))
    def test_framer(self, chunks: list[bytes]) -> None:
        """FramingError, or PDUs within the bounds; it never holds more than one PDU of the cap."""
        self.framer(chunks)

    def decoder(self, octets: bytes) -> None:
        if len(octets) < HEADER_OCTETS:
            return
        command_id = int.from_bytes(octets[4:8], "big")
        try:
            pdu = decode(octets)
        except PDUError as error:
            self.assertFalse(command_id & RESPONSE, "a response is never refused")
            self.assertEqual(error.command_id, command_id)
            return
        if command_id == DELIVER_SM:  # sm_length may be above what follows, or count septets
            text = pdu.fields["short_message"]
            behind = len(pdu.rest) + sum(4 + len(value) for _, value in pdu.tlvs)
            start = len(octets) - behind - len(text)
            octets = octets[: start - 1] + bytes((len(text),)) + octets[start:]
        if not command_id & RESPONSE:
            self.assertEqual(encode(pdu)[4:], octets[4:], "what was read is given back byte for byte")

    def test_decoder_seeds(self) -> None:
        """Each seed with each command_id: what is sound for one PDU is awkward for the others."""
        for seed in seeds("pdu"):
            for command_id in (*FIELDS, 0x00000F00, 0x80000F00):
                self.decoder(seed[:4] + int(command_id).to_bytes(4, "big") + seed[8:])

    @fuzz
    @given(changed("pdu"), st.sampled_from([None, *map(int, FIELDS)]))
    def test_decoder(self, octets: bytes, command_id: int | None) -> None:
        """PDUError for a request, or a PDU that gives the same octets back, with an sm_length that is true."""
        self.decoder(octets if command_id is None else octets[:4] + command_id.to_bytes(4, "big") + octets[8:])

    def session(self, session: Session, chunks: list[bytes], reader: DeliverReader) -> None:
        tokens: list[Any] = []
        for now, chunk in enumerate(chunks):
            before = session.window.copy()
            events = session.receive(chunk, float(now))
            for event in events:
                if isinstance(event, smpp.Delivered):
                    self.assertIsInstance(reader.read(event.pdu, 0).item, Receipt | IncomingSegment | None)
                    session.respond(event.pdu)
                elif isinstance(event, smpp.Answered | smpp.Unanswered):
                    tokens.append(event.token)
                elif isinstance(event, smpp.Closed):
                    tokens += event.outstanding
            written = len(session.data_to_send())
            whole = len(chunk) + session.settings.maximum_pdu  # a PDU may have begun before this chunk
            self.assertLessEqual(written, 2 * whole, "an answer is not much longer than what it answers")
            self.assertLessEqual(len(session.window), len(before))
            self.assertLessEqual(len(session._framer._buffer), session.settings.maximum_pdu)
        for event in session.connection_lost("the end"):
            assert isinstance(event, smpp.Closed)
            tokens += event.outstanding
        self.assertEqual(len(tokens), len(set(tokens)), "a token comes back once")
        self.assertEqual(session.receive(b"\0" * 20, 1e6), [], "a closed session reads nothing")

    def test_session_seeds(self) -> None:
        """Each seed on a session that is bound, and on one that waits for its bind to be answered."""
        reader = a_reader()
        for seed in seeds("session") + seeds("framer"):
            for mode in smpp.BINDS:
                self.session(bound_session(mode=mode), [seed], reader)
                waiting = Session(SessionSettings("me", "secret", mode=mode))
                waiting.start(0.0)
                self.session(waiting, [seed], reader)

    @fuzz
    @given(streams("session"), st.booleans(), st.sampled_from(list(smpp.BINDS)))
    def test_session(self, chunks: list[bytes], is_bound: bool, mode: str) -> None:
        """Any octets, bound or not: no exception at all, every token comes back once, answers are bounded."""
        session = bound_session(mode=mode) if is_bound else Session(SessionSettings("me", "secret", mode=mode))
        if not is_bound:
            session.start(0.0)
        self.session(session, chunks, a_reader())

    @fuzz
    @given(streams("session"), st.lists(st.floats(0, 100), max_size=6))
    def test_session_in_time(self, chunks: list[bytes], steps: list[float]) -> None:
        """The same with time going by and an unbind of ours in between."""
        session, now = bound_session(), 0.0
        for number, chunk in enumerate(chunks[:50]):
            session.receive(chunk, now)
            now += steps[number % len(steps)] if steps else 0.1
            session.tick(now)
            if number == 2:
                session.unbind(now)
        session.tick(now + 1000)
        session.tick(now + 2000)
        self.assertIs(session.state, State.CLOSED, "a silent peer ends a session in bounded time")

    def receipt(self, octets: bytes, esm_class: int, tlvs: list[tuple[int, bytes]]) -> None:
        pdu = PDU(DELIVER_SM, 0, 1, {"esm_class": esm_class, "short_message": octets}, tlvs)
        receipt = read_receipt(pdu)
        if receipt is not None:
            self.assertTrue(receipt.smsc_id and receipt.status and receipt.code != "", receipt)

    def test_receipt_seeds(self) -> None:
        """Each seed under each esm_class."""
        for seed in seeds("receipt"):
            for esm_class in range(0, 256, 4):
                self.receipt(seed, esm_class, [])

    @fuzz
    @given(
        changed("receipt"),
        st.sampled_from((0, 4, 4, 8, 0x10, 0x20, 0x24, 0x44)),
        st.lists(st.tuples(st.sampled_from((0x1E, 0x427, 0x423, 0x424)), changed("ids")), max_size=4),
    )
    def test_receipt(self, octets: bytes, esm_class: int, tlvs: list[tuple[int, bytes]]) -> None:
        """No exception; what is read as a receipt has an id, a status and a code."""
        self.receipt(octets, esm_class, tlvs)

    @fuzz
    @given(
        st.text("0123456789abXY-_.", min_size=1, max_size=12),
        st.sampled_from(["DELIVRD", "undeliv", "frob"]),
        st.text("0123456789abXY-_.", min_size=1, max_size=5),
        st.sampled_from(["", " ", "\n"]),
    )
    def test_both_readings_agree(self, smsc_id: str, stat: str, err: str, before: str) -> None:
        """White space at the front keeps the usual form from being read in one match; field by field it is the same."""
        usual = f"id:{smsc_id} sub:1 dlvrd:1 submit date:1 done date:2 stat:{stat} err:{err} text:id:9 stat:x"
        pdus = [
            PDU(DELIVER_SM, 0, 1, {"esm_class": 4, "short_message": (front + usual).encode()}) for front in ("", before)
        ]
        one, other = map(read_receipt, pdus)
        assert one is not None
        self.assertEqual(one, other)
        self.assertEqual((one.smsc_id, one.status, one.code), (smsc_id, stat.upper(), err))

    def ids(self, smsc_id: str) -> None:
        key = id_key(smsc_id)
        self.assertTrue(key)
        candidates = id_candidates(smsc_id)
        self.assertEqual(candidates[0], (RAW, key))
        self.assertLessEqual(len(candidates), 3)
        self.assertEqual(len({found for _, found in candidates}), len(candidates))
        found = [Candidate("smsc", 1, SegmentState.SENT, "923001234567", form) for form, _ in candidates]
        said = Receipt("smsc", smsc_id, Finality.DELIVERED, "000", "DELIVRD", 0)
        self.assertEqual(Matcher().pick(said, found), found[0])

    def test_id_seeds(self) -> None:
        """The seeds of the ids."""
        for seed in seeds("ids"):
            self.ids(seed.decode("utf-8"))

    @fuzz
    @given(changed("ids").map(lambda octets: octets.decode("utf-8", "replace")) | st.text(max_size=40))
    def test_ids(self, smsc_id: str) -> None:
        """Any text has a key and few candidates, the raw one first; and it is taken by its id alone."""
        self.ids(smsc_id)

    @fuzz
    @given(st.integers(0, 2**64 - 1), st.sampled_from(SPELLINGS), st.sampled_from(SPELLINGS))
    def test_spellings(self, number: int, stored: str, receipted: str) -> None:
        """One 64-bit id in any two spellings is found."""
        keys = [key for _, key in id_candidates(receipted.format(number))]
        self.assertIn(id_key(stored.format(number)), keys)

    @fuzz
    @given(st.text(max_size=20), st.text(max_size=20))
    def test_numbers(self, left: str, right: str) -> None:
        """Whether two numbers may be the same does not depend on who asks."""
        self.assertEqual(same_number(left, right), same_number(right, left))

    def header(self, octets: bytes) -> None:
        elements, text = udh.split(octets)
        self.assertTrue(octets.endswith(text))
        self.assertLessEqual(sum(2 + len(data) for _, data in elements) + len(text), len(octets))
        place = udh.find_concatenation(elements)
        if place is not None:
            self.assertTrue(1 <= place[2] <= place[1] <= 255 and 0 <= place[0] <= 0xFFFF)

    def test_header_seeds(self) -> None:
        """The seeds of the user data header."""
        for seed in seeds("udh"):
            self.header(seed)

    @fuzz
    @given(changed("udh"))
    def test_header(self, octets: bytes) -> None:
        """No exception; elements and text are parts of what came, and a place is a possible one."""
        self.header(octets)

    def coding(self, octets: bytes) -> None:
        for data_coding in range(256):
            for default in ("gsm7", "gsm7-packed", "latin1", "ascii"):
                text = user_data.read(octets, data_coding, default, False).text
                self.assertLessEqual(len(text), 2 * len(octets))

    def test_coding_seeds(self) -> None:
        """Each seed under all 256 data_codings."""
        for seed in seeds("coding"):
            self.coding(seed)

    @settings(fuzz, max_examples=20)
    @given(changed("coding"))
    def test_coding(self, octets: bytes) -> None:
        """No exception under any data_coding, and no text longer than the hexadecimal digits would be."""
        self.coding(octets[:100])


# --- work in proportion ---------------------------------------------------------------------------------------


def calls(call: Callable[[], Any]) -> int:
    """How many functions, of Python and of C, are called."""
    count = 0

    def profile(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        call()
    finally:
        sys.setprofile(before)
    return count


def seconds(call: Callable[[], Any]) -> float:
    """Processor time, the best of three."""
    best = float("inf")
    for _ in range(3):
        begun = time.process_time()
        call()
        best = min(best, time.process_time() - begun)
    return max(best, 1e-6)


def with_text(octets: bytes, esm_class: int = 4) -> PDU:
    return PDU(DELIVER_SM, 0, 1, {"esm_class": esm_class, "short_message": octets})


class LinearTests(SynchronousTestCase):
    """Twice the input costs twice the work, never four times."""

    def assertLinear(self, name: str, make: Callable[[int], Callable[[], Any]]) -> None:
        make(50)()  # what is done only once is done
        one, two = calls(make(200)), calls(make(400))
        self.assertLessEqual(two, 2 * one + 20, f"{name}: {one} calls, then {two}")

    def test_framer(self) -> None:
        """Many PDUs in a read, and one PDU in many reads."""
        self.assertLinear("PDUs", lambda n: lambda: Framer().feed(bare(CommandId.enquire_link, 1) * n))

        def reads(n: int) -> Callable[[], Any]:
            octets, framer = with_body(CommandId.data_sm, 1, b"x" * n), Framer()
            return lambda: [framer.feed(octets[at : at + 1]) for at in range(len(octets))]

        self.assertLinear("reads", reads)

    def test_decoder(self) -> None:
        """Many TLVs, also of one tag; many octets in a string; many addresses."""
        self.assertLinear(
            "TLVs", lambda n: lambda: read_receipt(decode(deliver(b"id:1", tlv(0x1400, b"x") * n, esm=4)))
        )
        self.assertLinear("strings", lambda n: lambda: decode(deliver(source=b"\1\1" + b"9" * 100 * n + b"\0")))
        self.assertLinear("padding", lambda n: lambda: decode(deliver(b"x", bytes(n * 4))))
        multi = b"\0\0\0\0"
        self.assertLinear(
            "addresses",
            lambda n: (
                lambda: decode(
                    with_body(
                        CommandId.submit_multi, 1, multi + bytes((n // 2,)) + b"\1\1\x0149\0" * (n // 2) + bytes(11)
                    )
                )
            ),
        )

    def test_session(self) -> None:
        """Many requests in one read, of every kind."""
        for octets in (
            deliver(b"hello"),
            deliver(length=99),
            bare(CommandId.enquire_link, 1),
            bare(0x0F00, 1),
            bare(CommandId.submit_sm_resp, 99),
        ):
            session = bound_session()
            self.assertLinear(octets.hex(), lambda n, o=octets, s=session: lambda: s.receive(o * n, 0.0))  # type: ignore[misc]

    def test_texts(self) -> None:
        """Receipts, headers and alphabets, with what repeats in them."""
        for part in (b"id:1 ", b"stat:DELIVRD ", b"text ", b"id: id: ", b"a"):
            self.assertLinear(repr(part), lambda n, p=part: lambda: read_receipt(with_text(p * n)))  # type: ignore[misc]
        self.assertLinear("elements", lambda n: lambda: udh.split(bytes((n // 2,)) + b"\x70\0" * (n // 4) + b"x"))
        for data_coding, part in ((0, b"\x1be"), (8, b"\6\x33"), (10, b"\x1b$B"), (4, b"\xff")):
            self.assertLinear(
                f"data_coding {data_coding}",
                lambda n, c=data_coding, p=part: lambda: user_data.read(p * n, c, "gsm7", False).text,  # type: ignore[misc]
            )

    def test_expressions(self) -> None:
        """Regular expressions are one call whatever they do, so here the clock has to say: sixteen times the text takes
        about sixteen times as long; did they backtrack, it would be 256 times. The bound lies far from both."""
        parts = (
            b"a",
            b" ",
            b"id",
            b"id ",
            b"id:",
            b"id: ",
            b"id  :",
            b"stat",
            b"submit ",
            b"submit_",
            b"id: submit ",
            b"id: a",
            b"id: a ",
            b"id:1 sub:",
            b"id:1 sub:1 dlvrd:",
            b"id:1 sub:1 dlvrd:1 submit date:1 done date:1 ",
            b"text",
            b"text ",
            b"done date ",
            b":",
            b"\0",
            b"0-",
            b"x\0",
            b"msg_",
            b"message_",
            b"message_id ",
            b'id:"',
            b'"',
            b"|",
            b"id:|",
            b"status",
            b"status ",
        )
        for part in parts:
            for esm_class in (0, 4):

                def read(size: int, p: bytes = part, e: int = esm_class) -> Callable[[], Any]:
                    pdu = with_text(b"id:1 " + p * (size // len(p)), e)
                    return lambda: read_receipt(pdu)

                ratio = seconds(read(64000)) / max(seconds(read(4000)), 2e-5)
                self.assertLess(ratio, 100, f"{part!r} with esm_class {esm_class}")
        payload = with_body(DELIVER_SM, 1, b"\0" * 16 + b"\0" + tlv(MESSAGE_PAYLOAD, b"\0" * 60000))
        self.assertLess(seconds(lambda: decode(payload)), 0.1)
        cut = {size: with_body(DELIVER_SM, 1, b"9" * size) for size in (4000, 64000)}
        for octets in cut.values():
            self.assertRaises(PDUError, decode, octets)
        for smsc_id in ("0" * 60000, "0x" * 30000, "-" * 60000, "f" * 60000, "9" * 60000):
            self.assertLess(seconds(lambda one=smsc_id: id_candidates(one)), 0.1)  # type: ignore[misc]
