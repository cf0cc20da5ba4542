"""The store's two threads, on a real reactor: what one does the other does not wait for."""

import threading
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.trial.unittest import TestCase

from smsconnector.errors import StoreError, StoreUnavailable
from smsconnector.store import operations as ops
from smsconnector.store.reader import Reader
from smsconnector.store.store import Store
from smsconnector.store.writer import Writer
from tests.unit.fakes import message


class ThreadsCase(TestCase):
    timeout = 30

    def setUp(self) -> None:
        self.path = self.mktemp()
        self.damages: list[StoreError] = []
        self.store = Store(self.path)
        self.writer: Any = Writer(reactor)  # type: ignore[arg-type]  # the module stands for its reactor
        self.reader: Any = Reader(reactor, self.damages.append)  # type: ignore[arg-type]  # as above
        self.writer.start(self.store)
        self.reader.start(self.path)

    @inlineCallbacks
    def tearDown(self) -> Any:  # type: ignore[override]  # trial waits for the Deferred
        yield self.reader.stop()
        yield self.writer.stop()

    def ask(self, who: Any, what: ops.Operation | ops.Query) -> "Deferred[tuple[Any, StoreError | None]]":
        answered: Deferred[tuple[Any, StoreError | None]] = Deferred()
        who.put(what, lambda result, error: answered.callback((result, error)))
        return answered

    @inlineCallbacks
    def test_reads_what_was_told(self) -> Any:
        """What a callback of the writer has told is there for every query that is asked after it."""
        for number in range(1, 200):
            yield self.ask(self.writer, ops.Accept(message(f"SM{number}"), number, "smpp"))
            segments, error = yield self.ask(self.reader, ops.LoadSegments("smpp", number - 1, 10))
            self.assertEqual(([one.id for one in segments], error), ([number], None))

    @inlineCallbacks
    def test_slow_query_delays_no_commit(self) -> Any:
        """A query that takes its time holds up the queries behind it, and no commit."""
        go_on = threading.Event()
        self.addCleanup(go_on.set)
        handlers = self.reader._queries._handlers
        find = handlers[ops.Find]

        def slow(asked: ops.Find) -> Any:
            go_on.wait()
            return find(asked)

        handlers[ops.Find] = slow
        found = self.ask(self.reader, ops.Find("SM1"))
        for number in range(1, 50):
            yield self.ask(self.writer, ops.Accept(message(f"SM{number}"), number, "smpp"))
        self.assertFalse(found.called)
        go_on.set()
        result, _ = yield found
        self.assertEqual(result.sid, "SM1")

    @inlineCallbacks
    def test_writes_nothing(self) -> Any:
        """The reader's connection can't write, whatever it is asked."""
        with self.assertRaisesRegex(Exception, "readonly"):
            self.reader._connection.execute("DELETE FROM message")
        yield self.ask(self.writer, ops.Accept(message("SM1"), 1, "smpp"))

    @inlineCallbacks
    def test_faults(self) -> Any:
        """A query that fails gets its error; the thread and the other queries go on."""
        bad = self.ask(self.reader, ops.LoadProgress("no such sink"))
        good = self.ask(self.reader, ops.LoadSegments("smpp", 0, 10))
        result, error = yield bad
        self.assertIsNone(result)
        self.assertIsInstance(error, StoreError)
        self.assertEqual((yield good), ([], None))
        self.assertEqual(len(self.flushLoggedErrors()), 1)

    @inlineCallbacks
    def test_stop(self) -> Any:
        """What was asked before the stop is answered, what comes after it is refused at once."""
        asked = [self.ask(self.reader, ops.LoadSegments("smpp", 0, 10)) for _ in range(300)]
        stopped = self.reader.stop()
        _, error = yield self.ask(self.reader, ops.LoadSegments("smpp", 0, 10))
        self.assertIsInstance(error, StoreUnavailable)
        yield stopped
        self.assertTrue(all(one.called for one in asked))
        self.patch(self.reader, "stop", lambda: None)
