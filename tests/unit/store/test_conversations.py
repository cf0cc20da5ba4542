"""A customer's text is told together with the text of ours that it answers, so that it finds the one who wrote that."""

import json
from dataclasses import replace
from typing import Any

from smsconnector.lifecycle import (
    CODE_CANCELLED,
    CODE_EXPIRED,
    CODE_NO_RECEIPT,
    CODE_OPTED_OUT,
    CODE_UNKNOWN,
    CODE_UNSENDABLE,
    EndRules,
    MessageState,
)
from smsconnector.messages import IncomingSegment, Verdict
from smsconnector.store import conversations
from smsconnector.store import operations as ops
from smsconnector.store.numbers import BLOCK
from tests.unit.fakes import SINK, message
from tests.unit.store.test_searching import ACCOUNT, NOW, SearchStage

CUSTOMER, OURS = "923001234567", "8228"
HOURS_MS = 3_600_000


class ConversationCase(SearchStage):
    """``accept`` makes texts from 8228 to the customer, a second apart."""

    def told(self, source: str = CUSTOMER, to: str = OURS, at: int = NOW + 60_000, **fields: Any) -> Any:
        """What the event of a text says beside its body; None: nothing."""
        self.one(ops.Incoming((IncomingSegment("smpp", ACCOUNT, source, to, "yes", at, **fields),)))
        (*_, event) = self.one(ops.LoadEvents(SINK, 0, 100))
        return event.headers and json.loads(event.headers)

    def test_newest(self) -> None:
        """The newest text to that number from that sender, whatever became of it."""
        self.accept(reference="order 4")
        newest = self.accept(reference="order 5")
        self.accept("hi", to="46701234567")
        self.accept(source="Shop")
        self.assertEqual(self.told(), {"MessageSID": "SM2", "Reference": "order 5"})
        self.record(newest, Verdict.REFUSED, code=11)
        self.assertEqual(self.told()["MessageSID"], "SM2")

    def test_without_reference(self) -> None:
        self.accept()
        self.assertEqual(self.told(), {"MessageSID": "SM1"})

    def test_none(self) -> None:
        """A stranger; another of our numbers; a text that is too old."""
        self.accept()
        self.assertIsNone(self.told(source="46701234567"))
        self.assertIsNone(self.told(to="9999"))
        self.assertIsNone(self.told(at=NOW + 1001 + 72 * HOURS_MS))
        self.assertIsNotNone(self.told(at=NOW + 1000 + 72 * HOURS_MS))

    def test_sender_of_the_bind(self) -> None:
        """A text that named no sender went out by the bind's own."""
        self.accept(source=None)
        self.assertEqual(self.told(), {"MessageSID": "SM1"})

    def test_spelled_otherwise(self) -> None:
        """The network writes the number as it likes; one that is no number is looked for as it is."""
        self.accept()
        for source in ("+923001234567", "00923001234567"):
            self.assertEqual(self.told(source=source), {"MessageSID": "SM1"}, source)
        self.assertIsNone(self.told(source="Bank"))

    def test_parts(self) -> None:
        """A text in parts, and one whose rest never came."""
        self.accept()
        self.one(ops.Incoming((IncomingSegment("smpp", ACCOUNT, CUSTOMER, OURS, "a", NOW, 7, 1, 2),)))
        self.assertEqual(self.told(reference=7, number=2, count=2), {"MessageSID": "SM1"})
        self.one(ops.Incoming((IncomingSegment("smpp", ACCOUNT, CUSTOMER, OURS, "b", NOW, 8, 1, 2),)))
        self.one(ops.Sweep(NOW + 1, NOW + 1))
        (*_, event) = self.one(ops.LoadEvents(SINK, 0, 100))
        self.assertIn("Incomplete", event.body)
        self.assertEqual(json.loads(event.headers), {"MessageSID": "SM1"})

    def test_far_behind(self) -> None:
        """Among those that are not listed by their numbers yet, then in the newest blocks, then farther back, and no
        farther than that."""
        self.patch(conversations, "BLOCKS", 5)
        self.accept()
        for block, found in ((0, True), (1, True), (2, True), (4, True), (5, True), (6, False)):
            self.next_id = (block << BLOCK) + 2
            self.accept("hi", to="46701234567")
            self.assertEqual(self.told() is not None, found, block)

    def test_newest_of_all(self) -> None:
        """Of one that is listed and one that is not, the newer; of the newer with another sender, the older."""
        self.accept()
        self.next_id = (1 << BLOCK) + 1
        self.accept(source="Shop")
        self.assertEqual(self.told(), {"MessageSID": "SM1"})
        newer = self.accept()
        self.assertEqual(self.told(), {"MessageSID": newer.sid})

    def test_never_sent(self) -> None:
        """A customer answers what can have reached him: not what was taken back, what was refused because he wants no
        texts, what nobody could send, and what its time ran out for. Whether that is listed by its number or not."""
        for code in (CODE_CANCELLED, CODE_OPTED_OUT, CODE_UNSENDABLE, CODE_EXPIRED):
            self.next_id = ((self.next_id >> BLOCK) + 1) << BLOCK
            sent, other = self.accept(reference=f"before {code}"), self.accept(reference="agent 2")
            self.store._connection.execute(
                "UPDATE message SET state = ?, code = ? WHERE sid = ?", (MessageState.FAILED, code, other.sid)
            )
            self.assertEqual(self.told(), {"MessageSID": sent.sid, "Reference": f"before {code}"})
            self.next_id = ((self.next_id >> BLOCK) + 2) << BLOCK
            self.accept(to="46701234567")
            self.assertEqual(self.told(), {"MessageSID": sent.sid, "Reference": f"before {code}"}, "listed")

    def test_taken_back(self) -> None:
        """As it happens: of two texts the newer is taken back, before it is sent or before it is due."""
        self.accept()
        self.accept()
        self.assertTrue(self.one(ops.Cancel(self.one(ops.Find("SM2")).id, NOW + 3000)))
        self.assertEqual(self.told(), {"MessageSID": "SM1"})
        later = replace(message("SM3", to=CUSTOMER, at=NOW), send_at=NOW + HOURS_MS, expires_at=NOW + 2 * HOURS_MS)
        self.one(ops.Schedule(later, self.next_id, "smpp"))
        self.assertTrue(self.one(ops.Cancel(self.one(ops.Find("SM3")).id, NOW + 3000)))
        self.assertEqual(self.told(), {"MessageSID": "SM1"})

    def test_may_have_been_sent(self) -> None:
        """What nobody knows of, and what no receipt came for, may have reached him."""
        for code in (CODE_UNKNOWN, CODE_NO_RECEIPT, 11, None):
            newest = self.accept()
            self.store._connection.execute("UPDATE message SET code = ? WHERE sid = ?", (code, newest.sid))
            self.assertEqual(self.told(), {"MessageSID": newest.sid}, code)

    def test_switched_off(self) -> None:
        self.store._rules = EndRules(conversation=0)
        self.accept()
        self.assertIsNone(self.told())


class ReportCase(SearchStage):
    def test_reference(self) -> None:
        """A report says the Reference of its message, if it has one; also after a restart."""
        plain = self.accept()
        self.record(plain, Verdict.REFUSED, code=11)
        named = self.accept(reference="order é 5")
        self.store._has_references = bool(self.store._one("SELECT count(reference) FROM message"))
        self.record(named, Verdict.REFUSED, code=11)
        first, second = self.one(ops.LoadEvents(SINK, 0, 100))
        self.assertIsNone(first.headers)
        self.assertEqual(json.loads(second.headers), {"Reference": "order é 5"})
        self.assertTrue(second.headers.isascii())
        handed_over = self.store.take_written()
        assert handed_over is not None
        self.assertEqual([one.headers for one in handed_over], [None, second.headers])
