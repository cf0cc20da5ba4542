"""The one thread that reads. It answers queries on a read-only connection of its own.

1. ``put`` appends a query and its callback to a queue. Nothing else happens in the reactor's thread.
2. The reader's thread answers the queries that have come, each from what was committed when the query began.
3. One call into the reactor's thread passes the answers of at most ``MOST_QUERIES`` to their callbacks, in the order of
   ``put``.

A slow query does not delay a commit, and a slow commit does not delay a query. So answers and commits have no common
order: the callback of a commit may have been called before an answer that does not show that commit. The caller has to
allow for that.

A callback is called exactly once, as ``done(result, None)`` or as ``done(None, error)``.
"""

import sqlite3
import threading
from collections import deque
from collections.abc import Callable
from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from smsconnector.errors import StoreDamaged, StoreError, StoreUnavailable
from smsconnector.store.database import open_readonly
from smsconnector.store.operations import Query
from smsconnector.store.queries import Queries
from smsconnector.store.writer import Done, IReactorThreads, Result

MOST_QUERIES = 100  # queries that are answered before their callbacks are called


class IReader(Protocol):
    """What the walks need of the reader."""

    def put(self, query: Query, done: Done) -> None: ...


class Reader:
    """Reads a database from ``start`` until the Deferred of ``stop`` fires. ``damaged`` is called in the reactor's
    thread with the error each time that SQLite finds the file damaged."""

    log = Logger()

    def __init__(self, reactor: IReactorThreads, damaged: Callable[[StoreError], None] = lambda error: None) -> None:
        self._reactor, self._damaged = reactor, damaged
        self._queue: deque[tuple[Query, Done]] = deque()
        self._wake = threading.Event()
        self._stopping = False
        self._stopped: Deferred[None] = Deferred()
        self._connection: sqlite3.Connection
        self._queries: Queries
        self._thread = threading.Thread(target=self._work, name="store-reader", daemon=True)

    def start(self, path: str) -> None:
        """Open the file and start the thread. The file must have the newest schema: a ``Store`` has opened it before.
        Raises StoreUnusable."""
        self._connection = open_readonly(path)
        self._queries = Queries(self._connection, path)
        self._thread.start()

    def stop(self) -> "Deferred[None]":
        """Answer what is queued and close the connection. Fires with None, in the reactor's thread, when the thread has
        ended its work. What is put from now on gets StoreUnavailable."""
        self._stopping = True
        self._wake.set()
        return self._stopped

    def put(self, query: Query, done: Done) -> None:
        """Queue a query. Call it in the reactor's thread only."""
        if self._stopping:
            done(None, StoreUnavailable("the connector is stopping"))
            return
        self._queue.append((query, done))
        if not self._wake.is_set():
            self._wake.set()

    # --- in the thread --------------------------------------------------------------------------------------

    def _work(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            stopping = self._stopping  # read before the queue is emptied: once it is set, nothing is put any more
            while self._queue:
                batch = [self._queue.popleft() for _ in range(min(len(self._queue), MOST_QUERIES))]
                answers = [answer_query(self._queries, query) for query, _ in batch]
                self._reactor.callFromThread(self._finish, batch, answers)
            if stopping:
                self._connection.close()
                self._reactor.callFromThread(self._stopped.callback, None)
                return

    # --- in the reactor's thread ----------------------------------------------------------------------------

    def _finish(self, batch: list[tuple[Query, Done]], answers: list[Result]) -> None:
        damaged = next((error for _, error in answers if isinstance(error, StoreDamaged)), None)
        if damaged is not None:
            self._damaged(damaged)
        for (query, done), (result, error) in zip(batch, answers, strict=True):
            try:
                done(result, error)
            except Exception:  # noqa: BLE001 — the edge of the loop: one callback's fault is not the others'
                self.log.failure("the callback of {query} failed", query=type(query).__name__)


def answer_query(queries: Queries, query: Query) -> Result:
    """(result, None), or (None, error)."""
    try:
        return queries.answer(query), None
    except StoreError as error:
        return None, error
    except Exception as fault:  # noqa: BLE001 — whatever a query can bring about must not end the thread
        Reader.log.failure("a query failed: {kind}", kind=type(query).__name__)
        return None, StoreError(f"the query can't be answered: {fault}")
