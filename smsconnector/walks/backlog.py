"""What is on disk and not in memory: everything that a submitter asks of the place where its segments are kept.

The backlog owns each segment from the commit that accepted it until its outcome is recorded. A submitter only holds
copies of the few that are about to be sent.

``IBacklog`` is the whole interface; it knows nothing of SQL, files or threads. ``StoreBacklog`` keeps the segments in
the database. Another one could keep them in queues that several machines share; it has to pass the same tests
(``tests/unit/walks/backlog_contract.py``).

Writes and loads may be answered by different threads, so a load can be answered late, and from a state of the database
that later commits have changed. These rules hold for every backlog:

1. Each callback is called once: ``done(answer, None)``, or ``done(None, error)``. It is called after the method has
   returned; only an error may come earlier.
2. What was written is on disk, so that a kill does not lose it, when its callback is called without an error.
3. A load sees at least what had been answered when it was asked. It may or may not see what was written later.
4. Ids rise: a message that is accepted later has higher ids, and a load never sees a message and misses one that
   was accepted before it.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from smsconnector.errors import StoreError
from smsconnector.messages import Message, Outcome, Segment, bulk_queue
from smsconnector.store import operations as ops
from smsconnector.store.falling import Move
from smsconnector.store.reader import IReader
from smsconnector.store.repeats import AcceptOnce, First, RequestKey
from smsconnector.store.retrying import RetryingWriter
from smsconnector.store.scheduling import Release
from smsconnector.store.writer import IWriter
from smsconnector.walks.lanes import Waiting
from smsconnector.wall_clock import WallClock

FOR_EVER = 3.2e9  # seconds: a century

T = TypeVar("T")
BacklogDone = Callable[[T | None, StoreError | None], None]
Decided = tuple[Outcome, int]  # what became of a submit; with the verdict RETRY, when to try again (ms)


class ILoads(Protocol):
    """What reads the segments of one class."""

    def load_untried(self, after: int, limit: int, done: BacklogDone[list[Segment]]) -> None:
        """Segments that were never tried, with an id above ``after``, in the order of their ids; at most ``limit``.
        Fewer than ``limit`` means that there were no more."""
        ...

    def load_due(self, limit: int, done: BacklogDone[list[Segment]]) -> None:
        """Segments whose next attempt is due now, the longest due first; at most ``limit``. The next call goes on
        behind them. When the end was reached, it begins anew. One call at a time."""
        ...


class IBacklog(ILoads, Protocol):
    """The segments of one queue: those of one channel's route. Its own loads give the interactive ones. The module's
    docstring has the rules."""

    @property
    def queue(self) -> str:
        """The name of the queue."""
        ...

    @property
    def bulk(self) -> ILoads:
        """What gives the bulk ones."""
        ...

    @property
    def failing(self) -> bool:
        """Whether an outcome, or another fact that only memory holds, could not be written and waits to be tried
        again. Nothing more should be submitted until it is written."""
        ...

    def accept(
        self,
        message: Message,
        done: BacklogDone[int],
        fallen_from: int | None = None,
        scheduled: int | None = None,
    ) -> int:
        """Write a message. Gives the id of its first segment at once; the others have the ids after it. The answer says
        whether there is nothing to send now: it has ended already, because its number has opted out, or is to be sent
        later. With an error nothing was written.
        ``fallen_from`` is the id of the message as which it was accepted for another channel, which ends here. If that
        has ended before, or was taken, the answer is an error. ``scheduled`` is the id of the message as which it was
        scheduled; if that is not there any more, nothing is written, and the answer says so."""
        ...

    def accept_once(self, message: Message, key: RequestKey, done: BacklogDone[First], only_again: bool = False) -> int:
        """As ``accept``, unless the key is known: then nothing is written. The answer has the message that the key has
        made. It says whether that was done now, and the message is to be sent. ``only_again``: nothing is written in
        any case, and if the key is not known, the answer has no message."""
        ...

    def answer_of(self, message: Message) -> ops.Accept:
        """What writes an answer to an opt-out word, in the commit of the word. Its ids are taken now, so it has to be
        put to the writer at once. It is sent even though its number has opted out."""
        ...

    def load_retries(self, limit: int, done: BacklogDone[list[Waiting]]) -> None:
        """The messages with segments that wait for another attempt, due or not, in the order of their ids; at most
        ``limit``. This load sees all outcomes that were given to ``record`` before, written or not: it waits until
        they are written."""
        ...

    def claim(self, ids: Sequence[int], done: BacklogDone[list[int]]) -> None:
        """Mark segments as about to be submitted: if the process is killed now, they are not sent again. The answer
        has the ids of those that may be submitted; the others have ended."""
        ...

    def unclaim(self, ids: Sequence[int], done: BacklogDone[None]) -> None:
        """Claimed segments that are known not to have been sent: the next process may send them. Tried again until it
        is written. They must not be claimed again before that is answered."""
        ...

    def postpone(self, ids: Sequence[int], seconds: float, done: BacklogDone[None]) -> None:
        """Segments that are due in so many seconds from now, and not before; no attempt is counted. Tried again until
        it is written."""
        ...

    def record(self, decided: Sequence[Decided], done: BacklogDone[list[int]], may_wait: bool = False) -> None:
        """What became of submits. The answer has the ids of their messages that have ended by it. Tried again until it
        is written. ``may_wait``: for some milliseconds, so that it can be written together with something else."""
        ...

    def afterwards(self, call: Callable[[], None]) -> None:
        """Call it when all answers have been given that are given together with the present one; at once if none is
        being given. It is called once, however often it was asked for."""
        ...

    def settled(self) -> "Deferred[None]":
        """Fires when all that is tried again is written; it is tried once more at once. The caller bounds how long it
        waits."""
        ...

    def close(self) -> None:
        """After the stop: nothing is tried again any more."""
        ...


class StoreLoads:
    """The segments of one queue in the database, which is that of one class. ``longest_pause``: see
    ``StoreBacklog``."""

    def __init__(self, queue: str, reader: IReader, wall_clock: WallClock, longest_pause: float) -> None:
        self.queue, self._reader, self._wall_clock, self._longest_pause = queue, reader, wall_clock, longest_pause
        self._place = ops.NOTHING_DUE  # behind which the next look for due segments goes on

    def load_untried(self, after: int, limit: int, done: BacklogDone[list[Segment]]) -> None:
        self._reader.put(ops.LoadSegments(self.queue, after, limit), done)

    def load_due(self, limit: int, done: BacklogDone[list[Segment]]) -> None:
        def loaded(found: tuple[list[Segment], ops.DuePlace | None] | None, error: StoreError | None) -> None:
            if found is None:
                done(None, error)
                return
            segments, place = found
            self._place = place or ops.NOTHING_DUE
            done(segments, None)

        now_ms = self._wall_clock.steady_milliseconds()
        latest_ms = now_ms + int(self._longest_pause * 1000)
        self._reader.put(ops.LoadDue(self.queue, now_ms, limit, self._place, latest_ms), loaded)


class StoreBacklog:
    """The segments of one queue in the database. ``process`` is the
    number of this process among all that have used the database: claims are made in its name. No pause before another
    attempt is longer than ``longest_pause`` (s): one that seems to be was written before the clock was set back.
    ``fall_back_after`` (s): how long the network has to take a message; None: as long as it may be sent."""

    def __init__(
        self,
        queue: str,
        writer: IWriter,
        reader: IReader,
        clock: IReactorTime,
        wall_clock: WallClock,
        process: int = 0,
        longest_pause: float = FOR_EVER,
        fall_back_after: float | None = None,
    ) -> None:
        self.queue, self._writer, self._reader = queue, writer, reader
        self._wall_clock, self._process, self._fall_back_after = wall_clock, process, fall_back_after
        self._interactive = StoreLoads(queue, reader, wall_clock, longest_pause)
        self.bulk = StoreLoads(bulk_queue(queue), reader, wall_clock, longest_pause)
        self._retrying = RetryingWriter(clock, writer)
        self._records = 0  # so many were given to ``record``; each has a number
        self._unwritten: set[int] = set()  # the numbers of those that are not written yet
        self._loads: list[tuple[set[int], Callable[[], None]]] = []  # which of them a load waits for

    @property
    def failing(self) -> bool:
        return self._retrying.failing

    def accept(
        self,
        message: Message,
        done: BacklogDone[int],
        fallen_from: int | None = None,
        scheduled: int | None = None,
    ) -> int:
        accept = self._accept(message)
        if scheduled is not None:
            self._writer.put(Release(accept, scheduled, self._wall_clock.milliseconds()), done)
        elif fallen_from is None:
            self._writer.put(accept, done)
        else:
            move = Move(accept, fallen_from, self._wall_clock.milliseconds())
            self._writer.put(move, partial(_if_written, done))
        return accept.first_id

    def accept_once(self, message: Message, key: RequestKey, done: BacklogDone[First], only_again: bool = False) -> int:
        accept = self._accept(message)
        self._writer.put(AcceptOnce(accept, key, only_again), done)
        return accept.first_id

    def answer_of(self, message: Message) -> ops.Accept:
        return self._accept(message, despite_opt_out=True)

    def _accept(self, message: Message, despite_opt_out: bool = False) -> ops.Accept:
        fall_back_at = None
        if self._fall_back_after is not None:
            fall_back_at = self._wall_clock.steady_milliseconds() + int(self._fall_back_after * 1000)
        first_id = self._writer.allocate(len(message.segments))
        queue = self.bulk.queue if message.is_bulk else self.queue
        if message.send_at is not None:
            return ops.Schedule(message, first_id, queue)
        return ops.Accept(message, first_id, queue, despite_opt_out, fall_back_at)

    # --- loads ----------------------------------------------------------------------------------------------

    def load_untried(self, after: int, limit: int, done: BacklogDone[list[Segment]]) -> None:
        self._interactive.load_untried(after, limit, done)

    def load_due(self, limit: int, done: BacklogDone[list[Segment]]) -> None:
        self._interactive.load_due(limit, done)

    def load_retries(self, limit: int, done: BacklogDone[list[Waiting]]) -> None:
        self._loads.append((set(self._unwritten), partial(self._load_retries, limit, done)))
        self._load_what_is_written()

    def _load_retries(self, limit: int, done: BacklogDone[list[Waiting]]) -> None:
        def loaded(rows: Sequence[tuple[str, int, int, int]] | None, error: StoreError | None) -> None:
            done(None if rows is None else [Waiting(*row) for row in rows], error)

        self._reader.put(ops.LoadRetries(self.queue, limit), loaded)

    def _load_what_is_written(self) -> None:
        """Ask for what waited for outcomes that are on disk now."""
        loads, self._loads = self._loads, []
        for awaited, load in loads:
            if awaited.isdisjoint(self._unwritten):
                load()
            else:
                self._loads.append((awaited, load))

    # --- writes ---------------------------------------------------------------------------------------------

    def claim(self, ids: Sequence[int], done: BacklogDone[list[int]]) -> None:
        self._writer.put(ops.Claim(tuple(ids), self._process), done)

    def unclaim(self, ids: Sequence[int], done: BacklogDone[None]) -> None:
        self._retrying.put(lambda: ops.Unclaim(tuple(ids)), done)

    def postpone(self, ids: Sequence[int], seconds: float, done: BacklogDone[None]) -> None:
        due_at = self._wall_clock.steady_milliseconds() + int(seconds * 1000)
        self._retrying.put(lambda: ops.Postpone(tuple(ids), due_at), done)

    def record(self, decided: Sequence[Decided], done: BacklogDone[list[int]], may_wait: bool = False) -> None:
        self._records += 1
        number = self._records
        self._unwritten.add(number)

        def recorded(ended: list[int] | None, error: StoreError | None) -> None:
            self._unwritten.discard(number)
            if self._loads:
                self._load_what_is_written()
            done(ended, error)

        def make() -> ops.Record:
            clock = self._wall_clock
            return ops.Record(tuple(decided), clock.milliseconds(), self._process, clock.earlier_milliseconds())

        self._retrying.put(make, recorded, may_wait)

    def afterwards(self, call: Callable[[], None]) -> None:
        self._writer.afterwards(call)

    def settled(self) -> "Deferred[None]":
        return self._retrying.settled()

    def close(self) -> None:
        self._retrying.close()


def _if_written(done: BacklogDone[int], result: ops.Accepted | None, error: StoreError | None) -> None:
    if result is ops.Accepted.NOTHING:
        result, error = None, StoreError("nothing was written: its channel has taken the message, or ended it")
    done(result, error)
