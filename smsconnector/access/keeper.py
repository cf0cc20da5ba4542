"""The daemon's side of the file: keys that the command line makes or revokes, and the audit.

1. At the start the file is opened, and made if it is missing; the audit gets a row.
2. Every second a thread looks whether another process has written to the file (``PRAGMA data_version``, which reads a
   few octets). Only then the keys are read again.
   What it was told to ``remember`` meanwhile is written.
3. Every minute the thread writes when keys were used, and for each key how many messages were accepted from it: one row
   a key and minute, not one a message. What was counted since is lost by a kill -9. All else that the audit is told is
   on disk when the Deferred of ``note`` fires.
4. If the file can't be written, the log says so, and what was counted is kept for the next minute.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Protocol

from twisted.internet.defer import Deferred, succeed
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from smsconnector.access.file import AccessFile, Note
from smsconnector.access.keys import Caller
from smsconnector.access.ring import KeyRing

LOOK_S = 1.0  # between two looks whether the file has changed
COUNT_S = 60.0  # between two rows of a key
MOST_NOTES = 10_000  # that wait because the file can't be written; the oldest are dropped
HASHERS = 2  # threads that hash keys
NO_KEY = "no key"  # who sends where none is needed


class IClock(Protocol):
    """The time of day."""

    def milliseconds(self) -> int: ...


class Threads:
    """So many threads, which run functions for the reactor's; they begin with the first one."""

    def __init__(self, reactor: Any, most: int, name: str) -> None:
        self._reactor, self._pool, self._is_over = reactor, ThreadPool(0, most, name), False

    def run(self, function: Callable[[], Any]) -> "Deferred[Any]":
        if not self._pool.started:
            self._pool.start()
        return deferToThreadPool(self._reactor, self._pool, lambda: None if self._is_over else function())

    def stop(self) -> None:
        """What waits is not run any more; what runs is waited for."""
        self._is_over = True
        if self._pool.started:
            self._pool.stop()


class Keeper:
    """``path`` is that of the file; ``keys`` and ``rate`` are those of the configuration. ``threads`` makes what runs
    functions in threads."""

    log = Logger()

    def __init__(
        self,
        reactor: Any,
        wall_clock: IClock,
        path: str,
        keys: list[str],
        rate: float = 0.0,
        threads: Callable[[Any, int, str], Any] = Threads,
    ) -> None:
        self._reactor, self._wall_clock, self._path = reactor, wall_clock, path
        self._hashers, self._writer = threads(reactor, HASHERS, "keys"), threads(reactor, 1, "access")
        self.ring = KeyRing(keys, rate=rate, in_thread=self._hashers.run)
        self.nobody = Caller(NO_KEY)  # whose messages are counted where no key is needed
        self._file: AccessFile | None = None
        self._version = 0
        self._looks: Any = None
        self._is_failing = False
        self._counted_at, self._counted_s = 0, 0.0  # ms of the time of day; seconds of the reactor's clock
        self._is_stopping = False
        self._left: list[Note] = []  # that could not be written
        self._gone: list[Caller] = []  # callers whose keys were revoked, with what they have done before

    def start(self, about: str) -> None:
        """Open the file, and note the start. Raises StoreUnusable."""
        self._file = file = AccessFile(self._path)
        now = self._counted_at = self._wall_clock.milliseconds()
        self._counted_s = self._reactor.seconds()
        file.note([("daemon", "started", about)], now)
        self._version = file.version_of_data()
        self.ring.replace(file.stored_keys())
        row, digest = file.head()
        self.log.info("audit: row {row} has the hash {hash}", row=row, hash=digest)
        self._looks = self._reactor.callLater(LOOK_S, self._look)

    def configure(self, keys: list[str], rate: float) -> None:
        """The keys and the rate of another configuration."""
        self._gone += [one for one in self.ring.configure(keys, rate) if one.sent or one.uses]

    def note(self, who: str, what: str, about: str) -> "Deferred[None]":
        """Add a row to the audit. Fires when it is on disk; fails with StoreUnusable."""
        now = self._wall_clock.milliseconds()
        file = self._file
        if file is None:
            return succeed(None)
        noted: Deferred[None] = self._writer.run(lambda: file.note([(who, what, about)], now))
        return noted

    def accepted(self, caller: Caller | None) -> None:
        """A message was accepted from this caller."""
        (caller or self.nobody).sent += 1

    def remember(self, caller: Caller | None, what: str, about: str) -> None:
        """Add a row to the audit with the next look, within a second: for what many do at once, and nobody waits
        for."""
        if len(self._left) >= MOST_NOTES:
            del self._left[0]
        self._left.append((caller.title if caller else NO_KEY, what, about))

    def stop(self) -> "Deferred[Any]":
        """Write what was counted, and close the file."""
        file = self._file
        if file is None:
            return succeed(None)
        self._is_stopping = True
        if self._looks is not None:
            self._looks.cancel()
            self._looks = None
        used, notes, now = self._counts()
        notes = [*notes, ("daemon", "stopped", "")]

        def write() -> None:
            try:
                file.used(used, notes, now)
            finally:
                file.close()

        written: Deferred[Any] = self._writer.run(write)
        return written.addErrback(self._failed, notes).addBoth(self._end)

    def _end(self, _result: Any) -> None:
        self._file = None
        self._writer.stop()
        self._hashers.stop()

    # --- every second ---------------------------------------------------------------------------------------

    def _look(self) -> None:
        self._looks = None
        file, seen = self._file, self._version
        assert file is not None
        now = self._wall_clock.milliseconds()
        used: dict[str, int] = {}
        notes: list[Note] = []
        if self._reactor.seconds() - self._counted_s >= COUNT_S:
            used, notes, _ = self._counts()
        elif not self._is_failing:
            notes, self._left = self._left, []

        def work() -> tuple[int, Any]:
            if used or notes:
                file.used(used, notes, now)
            version = file.version_of_data()
            return version, None if version == seen else file.stored_keys()

        self._writer.run(work).addCallbacks(self._looked, self._failed, errbackArgs=(notes,)).addBoth(self._again)

    def _looked(self, found: tuple[int, Any]) -> None:
        self._version, stored = found
        if self._is_failing and not self._left:
            self._is_failing = False
            self.log.info("the file of keys and audit can be used again")
        if stored is not None:
            self._gone += [one for one in self.ring.replace(stored) if one.sent]

    def _failed(self, failure: Failure, notes: list[Note]) -> None:
        self._left = [*notes, *self._left][:MOST_NOTES]
        if not self._is_failing:
            self._is_failing = True
            self.log.error("keys and audit: {reason}", reason=failure.getErrorMessage())

    def _again(self, _result: Any) -> None:
        if not self._is_stopping:
            self._looks = self._reactor.callLater(LOOK_S, self._look)

    def _counts(self) -> tuple[dict[str, int], list[Note], int]:
        """When keys were used, and notes of what was accepted, since this was asked last; and the time (ms)."""
        now = self._wall_clock.milliseconds()
        since = datetime.fromtimestamp(self._counted_at / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
        self._counted_at, self._counted_s = now, self._reactor.seconds()
        notes, self._left = self._left, []
        used: dict[str, int] = {}
        gone, self._gone = self._gone, []
        for caller in (*self.ring.callers(), *gone, self.nobody):
            if caller.uses and caller.id:
                used[caller.id] = now
            if caller.sent:
                who = caller.title if caller is not self.nobody else NO_KEY
                notes.append((who, "sent", f"{caller.sent} messages since {since}"))
            caller.uses = caller.sent = 0
        return used, notes, now
