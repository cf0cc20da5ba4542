"""The one thread that reads. It answers queries on a read-only connection of its own.

It is a ``worker``. It answers the queries that have come, at most ``MOST_QUERIES`` before their callbacks are called.
Each is answered from what was committed when the query began.

A slow query does not delay a commit, and a slow commit does not delay a query. So answers and commits have no common
order: the callback of a commit may have been called before an answer that does not show that commit. The caller has to
allow for that.
"""

import sqlite3
from collections.abc import Callable, Sequence
from typing import Protocol

from smsconnector.errors import StoreError
from smsconnector.store.database import open_readonly
from smsconnector.store.inbox import Done
from smsconnector.store.operations import Query
from smsconnector.store.queries import Queries
from smsconnector.store.worker import IReactorThreads, Result, Worker

MOST_QUERIES = 100  # queries that are answered before their callbacks are called


class IReader(Protocol):
    """What the walks need of the reader."""

    def put(self, query: Query, done: Done) -> None: ...


class Reader(Worker[Query]):
    """Reads a database from ``start`` until the Deferred of ``stop`` fires."""

    _connection: sqlite3.Connection
    _queries: Queries

    def __init__(self, reactor: IReactorThreads, damaged: Callable[[StoreError], None] = lambda error: None) -> None:
        super().__init__(reactor, damaged, name="store-reader", most=MOST_QUERIES)

    def start(self, path: str) -> None:
        """Open the file and start the thread. The file must have the newest schema: a ``Store`` has opened it before.
        Raises StoreUnusable."""
        self._connection = open_readonly(path)
        self._queries = Queries(self._connection, path)
        self._thread.start()

    def _answer(self, batch: Sequence[Query]) -> list[Result]:
        return [answer_query(self._queries, query) for query in batch]

    def _close(self) -> None:
        self._connection.close()


def answer_query(queries: Queries, query: Query) -> Result:
    """(result, None), or (None, error)."""
    try:
        return queries.answer(query), None
    except StoreError as error:
        return None, error
    except Exception as fault:  # noqa: BLE001 — whatever a query can bring about must not end the thread
        Reader.log.failure("a query failed: {kind}", kind=type(query).__name__)
        return None, StoreError(f"the query can't be answered: {fault}")
