"""Every case of ``awkward``, from the wire to what the channel is told and what the SMSC is answered."""

import re
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from smsconnector import messages
from smsconnector.channels.smpp.bind import Bind, BindSettings
from smsconnector.figures import Figures
from smsconnector.net.link import BackOff
from smsconnector.smpp.pdu import Framer, decode
from smsconnector.smpp.session import SessionSettings
from smsconnector.smpp.submit import SubmitSettings
from smsconnector.sms.user_data import join
from smsconnector.wall_clock import WallClock
from tests.unit.fakes import EPOCH
from tests.unit.smpp import awkward
from tests.unit.smpp.awkward import (
    BROKEN,
    CASES,
    PACKED,
    SEQUENCE,
    Case,
    Nack,
    Nothing,
    Outcome,
    Receipt,
    Submitted,
    Text,
)

SEGMENT = messages.Segment(1, 1, 1, "hello", "gsm7", None, "923001234567", 0)


class Ear:
    """The endpoint, the channel and the route of one bind: it hears all, and acknowledges at once."""

    name = "smpp"
    wall_clock = WallClock(lambda: EPOCH)
    figures = Figures()

    def __init__(self) -> None:
        self.items: list[Any] = []
        self.answers: list[messages.Outcome] = []
        self.waiting: list[messages.Segment] = []

    def connect(self, factory: Any) -> "Deferred[Any]":
        self.protocol = factory.buildProtocol(None)
        self.transport = StringTransport()
        self.protocol.makeConnection(self.transport)
        return succeed(self.protocol)

    def offer_room(self) -> None: ...

    def received(self, items: Any, done: Any) -> None:
        self.items += items
        done(None)

    def outcomes(self, outcomes: list[messages.Outcome]) -> None:
        self.answers += outcomes

    def late(self, outcome: messages.Outcome) -> None: ...

    def wait_again(self, segment: messages.Segment) -> None:
        self.waiting.append(segment)


class AwkwardCase(SynchronousTestCase):
    """One bind, with one submit_sm under way."""

    def bind(self, alphabet: str = "gsm7") -> None:
        self.ear = Ear()
        submit = SubmitSettings(default_alphabet=alphabet)
        settings = BindSettings("a", "me@smsc", SessionSettings("me", "secret"), submit)
        self.connection = Bind(Clock(), self.ear, settings, self.ear, BackOff())  # type: ignore[arg-type]
        self.connection.startService()
        self.give(awkward.pdu(0x80000009, b"smsc\0", 0, 1))
        self.connection.submit(SEGMENT, self.ear)
        self.connection.flush()
        self.sent()

    def give(self, octets: bytes) -> None:
        self.ear.protocol.dataReceived(octets)

    def sent(self) -> list[tuple[int, int, int]]:
        """(command_id, command_status, sequence_number) of what was written since."""
        written = [decode(octets) for octets in Framer().feed(self.ear.transport.value())]
        self.ear.transport.clear()
        return [(pdu.command_id, pdu.command_status, pdu.sequence_number) for pdu in written]

    def is_bound(self) -> bool:
        return self.connection.bound and not self.ear.transport.disconnecting

    def expect(self, case: Case) -> None:
        """Compare what was heard and answered with the case's outcome."""
        command_id, _, sequence = decode_header(case.octets)
        said = f"{case.name} ({case.source})"
        items = [seen(item, case.outcome) for item in self.ear.items]
        answers = [(command_id | 0x80000000, 0, sequence)] if isinstance(case.outcome, Receipt | Text) else []
        if isinstance(case.outcome, Nothing) and case.outcome.answer is not None:
            answers = [(command_id | 0x80000000, case.outcome.answer, sequence)]
        elif isinstance(case.outcome, Nack):
            answers = [(awkward.GENERIC_NACK, case.outcome.status, sequence)]
        self.assertEqual(items, [case.outcome] if isinstance(case.outcome, Receipt | Text) else [], said)
        self.assertEqual(self.sent(), answers, said)
        if isinstance(case.outcome, Submitted) and case.outcome.verdict is not None:
            got = [Submitted(one.verdict, one.smsc_id, one.code) for one in self.ear.answers]
            self.assertEqual(got, [case.outcome], said)
        elif isinstance(case.outcome, Submitted) and case.outcome.code is not None:
            codes = [one.code for one in self.ear.answers]
            self.assertTrue(codes == [case.outcome.code] or self.ear.waiting == [SEGMENT], said)
        else:
            self.assertEqual((self.ear.answers, self.ear.waiting), ([], []), said)


def decode_header(octets: bytes) -> tuple[int, int, int]:
    return tuple(int.from_bytes(octets[start : start + 4], "big") for start in (4, 8, 12))  # type: ignore[return-value]


def seen(item: Any, expected: Outcome) -> Outcome:
    """What the channel was told, in the table's words."""
    if isinstance(item, messages.Receipt):
        return Receipt(item.smsc_id, item.finality, item.status, item.code, item.destination)
    text = None if isinstance(expected, Text) and expected.text is None else join([(item.written_in, item.text)])
    return Text(text, (item.reference, item.number, item.count), item.source)


class AwkwardTests(AwkwardCase):
    def test_each_alone(self) -> None:
        """Each case has its right outcome, and the bind is bound after it."""
        for case in CASES:
            self.bind()
            self.give(case.octets)
            self.expect(case)
            self.assertTrue(self.is_bound(), case.name)

    def test_packed_septets(self) -> None:
        """The same on a bind whose alphabet is packed septets, for the cases of such."""
        for case in PACKED:
            self.bind("gsm7-packed")
            self.give(case.octets)
            self.expect(case)

    def test_octet_by_octet(self) -> None:
        """The same when the network delivers single octets."""
        for case in CASES:
            if len(case.octets) > 1000:
                continue
            self.bind()
            for position in range(len(case.octets)):
                self.give(case.octets[position : position + 1])
            self.expect(case)

    def test_all_in_one_read(self) -> None:
        """All of them at once: every receipt and text is handed on, in order, and the bind is bound."""
        self.bind()
        self.give(b"".join(case.octets for case in CASES))
        expected = [case.outcome for case in CASES if isinstance(case.outcome, Receipt | Text)]
        got = [seen(item, outcome) for item, outcome in zip(self.ear.items, expected, strict=True)]
        self.assertEqual(got, expected)
        self.assertTrue(self.is_bound())

    def test_broken_framing(self) -> None:
        """A command_length that can't be: what came before it counts; generic_nack; the connection is closed."""
        for case in BROKEN:
            self.bind()
            self.give(awkward.pdu(awkward.ENQUIRE_LINK) + case.octets)
            enquired, nack = self.sent()
            self.assertEqual(enquired, (awkward.ENQUIRE_LINK | 0x80000000, 0, SEQUENCE), case.name)
            assert isinstance(case.outcome, Nack)
            self.assertEqual(nack[:2], (awkward.GENERIC_NACK, case.outcome.status), case.name)
            self.assertTrue(self.ear.transport.disconnecting, case.name)

    def test_the_table(self) -> None:
        """At least 150 cases, each a name of its own in its group and a source in words, octets that are sound PDUs."""
        self.assertGreaterEqual(len(CASES), 150)
        for group in (awkward.RECEIPTS, awkward.TEXTS, PACKED, awkward.PDUS, awkward.STATUSES, BROKEN):
            self.assertEqual(len({case.name for case in group}), len(group))
        for case in CASES:
            self.assertRegex(case.source, re.compile(r"[a-z].*", re.IGNORECASE), case.name)
            self.assertEqual(Framer().feed(case.octets), [case.octets], case.name)
