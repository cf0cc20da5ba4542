"""Keys of requests: one message for each, in whatever batch they come and whatever is killed between."""

import sqlite3
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from smsconnector.errors import StoreUnavailable
from smsconnector.messages import IncomingSegment
from smsconnector.sms.opt_out import OptOutRules, words_of
from smsconnector.store import operations as ops
from smsconnector.store.idempotency import LONGEST_KNOWN
from smsconnector.store.offline.rescue import rescue
from smsconnector.store.repeats import AcceptOnce, First, RequestKey
from smsconnector.store.store import Store
from smsconnector.store.writer import apply_batch
from tests.unit.fakes import ask, message
from tests.unit.store.test_store import NOW

DAY = 86_400_000


class IdempotencyCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = self.mktemp()
        self.next_id = 1
        self.open()

    def open(self, **more: Any) -> None:
        self.store = Store(self.path, **more)
        self.addCleanup(self.store.close)

    def once(
        self, sid: str, name: str = "k", caller: str = "", digest: str = "d", now: int = NOW, to: str = "923001234567"
    ) -> AcceptOnce:
        self.next_id += 1
        accept = ops.Accept(message(sid, to=to, at=now), self.next_id, "smpp")
        return AcceptOnce(accept, RequestKey(caller, name, digest, now, now + DAY))

    def sids(self) -> list[str]:
        """Of the messages that are there, in order."""
        return [sid for (sid,) in self.store._connection.execute("SELECT sid FROM message ORDER BY id")]

    def keys(self) -> int:
        return self.store._one("SELECT count(*) FROM idempotency_key")

    def test_first_and_repeats(self) -> None:
        """The first makes a message. Those that come again, in its batch or later, are told of it and make none."""
        first, *more = ask(self.store, [self.once("SM1"), self.once("SM2"), self.once("SM3", digest="other")])
        later = ask(self.store, [self.once("SM4")])
        wanted = First("SM1", NOW, NOW + 3_600_000, "d")
        self.assertEqual((first, [*more, *later]), (wanted._replace(is_queued=True), [wanted] * 3))
        self.assertEqual((self.sids(), ask(self.store, [ops.Measure()])[0].queued), (["SM1"], 1))

    def test_whose(self) -> None:
        """Another key, or the same of another caller, is another message; one without a key is none of this."""
        ask(self.store, [self.once("SM1"), self.once("SM2", caller="b"), self.once("SM3", name="k2")])
        ask(self.store, [ops.Accept(message("SM4"), 100, "smpp"), self.once("SM5", name="K")])
        self.assertEqual((self.sids(), self.keys()), (["SM1", "SM2", "SM3", "SM5", "SM4"], 4))

    def test_after_a_kill(self) -> None:
        """Message and key are there together, or neither is: a copy of the files is what a kill leaves."""
        ask(self.store, [self.once("SM1")])
        copy = self.mktemp()
        for end in ("", "-wal"):
            Path(copy + end).write_bytes(Path(self.path + end).read_bytes())
        self.path = copy
        self.open()
        (again,) = ask(self.store, [self.once("SM2")])
        self.assertEqual((again.sid, again.is_queued, self.sids()), ("SM1", False, ["SM1"]))

    def test_nothing_is_half_written(self) -> None:
        """If the key can't be written, there is no message; the next try makes it."""
        execute = self.store._execute

        def full(sql: str, rows: Any) -> Any:
            if "INTO idempotency_key" in sql:
                raise sqlite3.OperationalError("database or disk is full")
            return execute(sql, rows)

        self.patch(self.store, "_execute", full)
        self.assertRaises(StoreUnavailable, self.store.apply, [self.once("SM1")])
        self.patch(self.store, "_execute", execute)
        self.assertEqual((self.sids(), self.keys()), ([], 0))
        self.assertTrue(ask(self.store, [self.once("SM2")])[0].is_queued)

    def test_one_by_one(self) -> None:
        """Where another operation of the batch is at fault and each gets a transaction of its own, it is the same."""
        broken: Any = ops.Accept(None, 1, "smpp")  # type: ignore[arg-type]
        answers = apply_batch(self.store, [self.once("SM1"), broken, self.once("SM2")])
        self.assertEqual([getattr(one, "sid", None) for one, _ in answers], ["SM1", None, "SM1"])
        self.assertEqual(len(self.flushLoggedErrors(AttributeError)), 1)

    def test_time_is_over(self) -> None:
        """After its time a key makes a new message, whether it was swept before or not."""
        ask(self.store, [self.once("SM1", name="a"), self.once("SM2", name="b")])
        self.assertFalse(ask(self.store, [self.once("SM3", name="a", now=NOW + DAY - 1)])[0].is_queued)
        self.assertTrue(ask(self.store, [self.once("SM4", name="a", now=NOW + DAY)])[0].is_queued)
        ask(self.store, [ops.Sweep(NOW + DAY, NOW)])
        self.assertEqual(self.keys(), 1)
        self.assertTrue(ask(self.store, [self.once("SM5", name="b", now=NOW + DAY)])[0].is_queued)
        self.assertEqual(self.sids(), ["SM1", "SM2", "SM4", "SM5"])

    def test_swept(self) -> None:
        """A sweep drops so many of those whose time is over, and says that there may be more; a key that a clock of the
        future has written goes as well. The others stay."""
        ask(self.store, [self.once(f"SM{at}", name=f"k{at}") for at in range(5)])
        ask(self.store, [self.once("SMlater", name="later", now=NOW + 1_000)])
        ask(self.store, [self.once("SMfuture", name="future", now=NOW + 2 * LONGEST_KNOWN)])
        counts = []
        for _ in range(4):
            ask(self.store, [ops.Sweep(NOW + DAY, NOW, limit=2)])
            counts.append(self.keys())
        self.assertEqual(counts, [4, 2, 1, 1])
        self.assertFalse(ask(self.store, [self.once("SMx", name="later", now=NOW + 2_000)])[0].is_queued)

    def test_opted_out(self) -> None:
        """A message that ends at once, because its number wants none, is made once too, and is not to be sent."""
        self.store.close()
        self.open(opt_out={"smpp": OptOutRules(words_of(["en"], {}))})
        stop = IncomingSegment("smpp", "a", "46701234567", "8228", "STOP", NOW)
        ask(self.store, [ops.Incoming((stop,))])
        for _ in range(2):
            (found,) = ask(self.store, [self.once("SM1", to="46701234567")])
            self.assertEqual((found.sid, found.is_queued), ("SM1", False))
        self.assertEqual(self.sids(), ["SM1"])

    def test_rescued(self) -> None:
        """Keys are saved with everything else."""
        ask(self.store, [self.once("SM1")])
        self.store.close()
        target = self.mktemp()
        rescue(self.path, target)
        self.path = target
        self.open()
        self.assertEqual(ask(self.store, [self.once("SM2")])[0].sid, "SM1")
