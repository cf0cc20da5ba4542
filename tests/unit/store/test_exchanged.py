"""What was exchanged with one number: both directions in one order, in pages, by an index."""

import json
import sqlite3
from contextlib import closing
from typing import Any

from smsconnector.messages import IncomingSegment
from smsconnector.store import operations as ops
from smsconnector.store import searching
from smsconnector.store.database import create, upgrade
from smsconnector.store.finding import Exchanged, FindExchanged, FoundMessage, PlaceOfBoth
from smsconnector.store.store import Store
from tests.unit.fakes import SINK, ask, confirm
from tests.unit.store.test_searching import ACCOUNT, NOW, SearchStage

NUMBER = "923001234567"


class ExchangedCase(SearchStage):
    def received(self, tag: str, at: int, source: str = NUMBER, channel: str = "smpp") -> None:
        part = IncomingSegment(channel, ACCOUNT, source, "8228", tag, NOW + at * 1000, sid=tag)
        self.one(ops.Incoming((part,)))

    def names(self, page: Exchanged) -> list[str]:
        return [one.sid if isinstance(one, FoundMessage) else json.loads(one.body)["SmsSid"] for one in page.found]

    def pages(self, **wanted: Any) -> list[list[str]]:
        """What each page has, to the last one."""
        found: list[list[str]] = []
        before: PlaceOfBoth | None = None
        for _ in range(1000):
            page: Exchanged = self.one(FindExchanged(**{"number": NUMBER, "before": before} | wanted))
            found.append(self.names(page))
            before = page.before
            if before is None:
                return found
        self.fail("the pages have no end")

    def all(self, **wanted: Any) -> list[str]:
        return [name for page in self.pages(**wanted) for name in page]

    def talk(self) -> list[str]:
        """Six texts, a second apart, and some to and from others; the newest first."""
        self.accept()  # SM1, at 1 s
        self.received("in-2", 2)
        self.received("other", 2, "4670")
        self.accept(to="4670")  # SM2, at 2 s
        self.accept()  # SM3, at 3 s
        self.received("in-4", 4, f"+{NUMBER}")
        self.accept(accepted_at=NOW + 5000)  # SM4
        self.received("in-6", 6)
        return ["in-6", "SM4", "in-4", "SM3", "in-2", "SM1"]

    def test_nothing_there(self) -> None:
        self.assertEqual(self.one(FindExchanged(NUMBER)), Exchanged([], None))

    def test_one_order(self) -> None:
        """By time, whatever the size of a page; a plus before a sender is no other number; others' texts are not
        there."""
        wanted = self.talk()
        for limit in (1, 2, 3, 4, 6, 50):
            self.assertEqual(self.all(limit=limit), wanted, limit)
        self.assertEqual([len(page) for page in self.pages(limit=4)], [4, 2])
        self.assertEqual(self.all(number="4670"), ["SM2", "other"])

    def test_one_direction_only(self) -> None:
        """A number that never wrote, and one that was never written to."""
        for _ in range(3):
            self.accept(to="1")
        for place in range(3):
            self.received(f"in{place}", place, "2")
        for limit in (1, 2, 50):
            self.assertEqual(self.all(number="1", limit=limit), ["SM3", "SM2", "SM1"])
            self.assertEqual(self.all(number="2", limit=limit), ["in2", "in1", "in0"])

    def test_with_what_else_is_given(self) -> None:
        """A time, and a channel."""
        wanted = self.talk()
        self.assertEqual(self.all(since=NOW + 3000, until=NOW + 6000), wanted[1:4])
        self.received("by twilio", 9, channel="twilio")
        self.assertEqual((self.all(channel="twilio"), self.all(channel="smpp")), (["by twilio"], wanted))

    def test_in_whatever_block(self) -> None:
        """Among thousands of others, and beyond what one query may look at: short pages, all of it, in order."""
        wanted = []
        for place in range(1, 2600):
            is_his = place % 500 == 3
            self.accept(to=NUMBER if is_his else "1")
            if place % 700 == 5:
                self.received(f"in-{place}", place)
                wanted.append(f"in-{place}")
            elif place % 3 == 0:
                self.received(f"x{place}", place, "1")
            wanted += [f"SM{place}"] if is_his else []
        self.assertEqual(self.all(), wanted[::-1])
        self.patch(searching, "BLOCKS", 1)
        self.patch(searching, "BLOCKS_AT_ONCE", 1)
        for limit in (1, 2, 50):
            self.assertEqual(self.all(limit=limit), wanted[::-1], limit)

    def test_new_ones_in_between(self) -> None:
        """What comes while pages are read stands on none of the later ones, and moves nothing."""
        wanted = self.talk()
        first: Exchanged = self.one(FindExchanged(NUMBER, limit=2))
        self.accept(accepted_at=NOW + 7000)
        self.received("in-8", 8)
        rest: Exchanged = self.one(FindExchanged(NUMBER, before=first.before))
        self.assertEqual(self.names(first) + self.names(rest), wanted)

    def test_same_last_digits(self) -> None:
        """Another number with the same last digits is another number; a sender that is no number hinders nothing."""
        self.talk()
        for source in ("44" + NUMBER[-9:], NUMBER[-9:], "Shop", "", "+", NUMBER + "x", "\u0663" * 9):
            self.received(f"of {source}", 9, source)
        self.assertEqual(len(self.all()), 6)
        self.assertEqual(self.all(number=NUMBER[-9:]), [f"of {NUMBER[-9:]}"])

    def test_as_long_as_texts_are_kept(self) -> None:
        """A text from a customer whose body retention has dropped is not found any more; and that is no error."""
        self.talk()
        for sink in (SINK, "webhook"):
            self.one(confirm(self.one(ops.LoadEvents(sink, 0, 99)), NOW, sink))
        self.one(ops.Purge(NOW + 10**9, 0))
        self.assertEqual(self.all(), ["SM4", "SM3", "SM1"])
        self.assertEqual(self.store._one("SELECT count(sender) FROM outbox"), 0, "nor are digits of numbers kept")

    def test_by_the_index(self) -> None:
        """No look at all events, and an entry for no report."""
        said: list[tuple[Any, ...]] = []
        self.talk()
        execute = self.store._connection.execute
        sql: list[str] = []
        self.store._connection.set_trace_callback(sql.append)
        self.all()
        self.store._connection.set_trace_callback(None)
        (asked,) = {one for one in sql if "outbox AS o" in one}
        said = execute(f"EXPLAIN QUERY PLAN {asked}").fetchall()
        self.assertTrue(any("outbox_sender" in row[3] for row in said), said)
        self.assertFalse(any("SCAN o" in row[3] for row in said), said)

    def test_events_of_earlier_versions(self) -> None:
        """What such a version has written is found too; a body that a fault has spoiled stops no upgrade."""
        path = self.mktemp()
        with closing(sqlite3.connect(path, isolation_level=None)) as old:
            create(old, 15)
            for name, body in (
                ("a", json.dumps({"From": NUMBER, "SmsSid": "a"})),
                ("b", '{"From": "92'),
                ("c", ""),
                ("d", json.dumps({"From": "Shop"})),
            ):
                old.execute(
                    "INSERT INTO outbox (event_id, kind, jms_type, body, created_at)"
                    " VALUES (?, 'incoming_message', 'smpp', ?, 7)",
                    (name, body),
                )
            upgrade(old, path)
            found = old.execute("SELECT event_id, sender FROM outbox WHERE sender IS NOT NULL").fetchall()
        with closing(Store(path)) as store:
            page = ask(store, [FindExchanged(NUMBER)])[0]
        self.assertEqual((found, self.names(page)), ([("a", 1234567)], ["a"]))
