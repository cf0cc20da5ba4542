"""The walk of a text on its way out: queued segment -> channel -> outcome recorded. One submitter per channel.

1. ``accept`` writes the message; its ``done`` is called after the commit: only then may anybody say 200.
2. What was just accepted goes to the channel from memory, in the order of acceptance. If more has come than
   memory may hold, the rest is read back from disk in chunks, from where memory ended.
3. The channel has room: it gets the next segments. They come back as outcomes, each exactly once.
4. The outcomes of one turn are one record; if the store can't write, nothing more is submitted until it can:
   an outcome is a fact that only this memory holds.

Who owns a segment: the store, always; this room holds copies of those that are on their way.
"""

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from twisted.application.service import Service
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from smsconnector.channels import IChannel
from smsconnector.errors import StoreError
from smsconnector.lifecycle import CODE_UNKNOWN
from smsconnector.messages import Message, Outcome, Segment, Verdict
from smsconnector.store import operations as ops
from smsconnector.store.writer import IWriter

CHUNK = 500  # segments read from disk at once
MEMORY = 2000  # segments held in memory at most, beside those under way
DUE_INTERVAL = 0.5  # seconds between looks for segments whose next attempt is due
STORE_RETRY = 1.0  # seconds until a record that could not be written is tried again


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and when a segment is tried again. Delays in seconds; ``resend`` False is the policy `hold`."""

    attempts: int = 8
    initial: float = 2.0
    maximum: float = 300.0
    resend: bool = True
    source: random.Random = field(default_factory=random.Random)

    def delay(self, attempts: int) -> float:
        step = min(self.initial * 2**attempts, self.maximum)
        return step * (0.5 + self.source.random() / 2)


class Submitter(Service):
    """Moves one channel's segments from the store to the channel. ``told`` is called when events were written."""

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        wall_clock: Callable[[], float],
        writer: IWriter,
        channel: IChannel,
        name: str,
        policy: RetryPolicy,
        told: Callable[[], None],
    ) -> None:
        self._clock, self._wall_clock, self._writer, self._channel = clock, wall_clock, writer, channel
        self.channel_name, self._policy, self._told = name, policy, told
        self._ready: deque[Segment] = deque()
        self._read_up_to = 0  # the id up to which segments are in memory or gone
        self._behind = True  # there may be more on disk than in memory
        self._loading = False
        self._under_way: set[int] = set()  # ids handed to the channel, or due ones in memory
        self._unrecorded: list[tuple[Outcome, int]] = []
        self._claiming = 0
        self._retry: IDelayedCall | None = None
        self._pump_call: IDelayedCall | None = None
        self._due_timer = LoopingCall(self._load_due)
        self._due_timer.clock = clock
        self._due_timer.interval = DUE_INTERVAL
        self._loading_due = False
        self._ended: set[int] = set()  # messages that failed while segments of them may still be in memory

    # --- service --------------------------------------------------------------------------------------------

    def startService(self) -> None:
        super().startService()
        self._due_timer.start(DUE_INTERVAL, now=False)
        self.pump()

    def stopService(self) -> None:
        """Submit nothing more; outcomes are still recorded."""
        super().stopService()
        self._due_timer.stop()
        if self._pump_call is not None:
            self._pump_call.cancel()
            self._pump_call = None

    # --- 1: accepting ---------------------------------------------------------------------------------------

    def accept(self, message: Message, done: Callable[[StoreError | None], None]) -> None:
        """Write it; ``done(None)`` after the commit, ``done(error)`` if nothing was written."""
        count = len(message.segments)
        first_id = self._writer.allocate(count)

        def written(_result: None, error: StoreError | None) -> None:
            if error is None:
                self._accepted(message, first_id, count)
            done(error)

        self._writer.put(ops.Accept(message, first_id), written)

    def _accepted(self, message: Message, first_id: int, count: int) -> None:
        if self._behind or first_id <= self._read_up_to:  # on disk, or loaded in the very batch that wrote it
            return
        if len(self._ready) + count > MEMORY:
            self._behind = True
            return
        self._read_up_to = first_id + count - 1
        for number, text in enumerate(message.segments, 1):
            self._ready.append(
                Segment(first_id + number - 1, number, count, text, message.alphabet, message.source,
                        message.destination, message.expires_at)
            )  # fmt: skip
        if self._pump_call is None and self.running:
            self._pump_call = self._clock.callLater(0, self.pump)

    # --- 2: from disk ---------------------------------------------------------------------------------------

    def _load(self) -> None:
        if self._loading or not self._behind or len(self._ready) > CHUNK:
            return
        self._loading = True
        self._writer.put(ops.LoadSegments(self.channel_name, self._read_up_to, CHUNK), self._loaded)

    def _loaded(self, segments: list[Segment] | None, error: StoreError | None) -> None:
        """Answers come in the order of the commits: what is accepted after this one is newer than all it holds."""
        self._loading = False
        if segments is None:
            self._again_later()
            return
        if segments:
            self._ready.extend(one for one in segments if one.id not in self._under_way)
            self._read_up_to = segments[-1].id
        self._behind = len(segments) == CHUNK
        self.pump()

    def _load_due(self) -> None:
        if self._loading_due or len(self._ready) > MEMORY:
            return
        self._loading_due = True
        self._writer.put(ops.LoadDue(self.channel_name, self._now(), CHUNK), self._loaded_due)

    def _loaded_due(self, segments: list[Segment] | None, error: StoreError | None) -> None:
        self._loading_due = False
        fresh = [one for one in segments or () if one.id not in self._under_way]
        self._under_way.update(one.id for one in fresh)
        self._ready.extendleft(reversed(fresh))
        if fresh:
            self.pump()

    # --- 3: to the channel ----------------------------------------------------------------------------------

    def pump(self) -> None:
        """Give the channel what it has room for."""
        if self._pump_call is not None and self._pump_call.active():
            self._pump_call.cancel()
        self._pump_call = None
        if not self.running or self._unrecorded:
            return
        room = min(self._channel.capacity() - self._claiming, len(self._ready))
        if room > 0:
            self._send([self._ready.popleft() for _ in range(room)])
        if not self._ready:
            self._ended.clear()
        self._load()

    def room(self) -> None:
        """The channel says that it can take more."""
        self.pump()

    def _send(self, segments: list[Segment]) -> None:
        now = self._now()
        live = [one for one in segments if one.expires_at > now and one.message_id not in self._ended]
        self._under_way.difference_update(one.id for one in segments)
        self._under_way.update(one.id for one in live)
        if self._policy.resend:
            self._channel.submit(live)
        elif live:
            self._claim(live)

    def _claim(self, segments: list[Segment]) -> None:
        """Policy `hold`: on disk before it is on the wire, so that after a crash it is not sent again."""
        self._claiming += len(segments)

        def claimed(ids: list[int] | None, error: StoreError | None) -> None:
            self._claiming -= len(segments)
            if ids is None:
                self._ready.extendleft(reversed(segments))
                self._again_later()
                return
            allowed = set(ids)
            self._under_way.difference_update(one.id for one in segments if one.id not in allowed)
            ready = [one for one in segments if one.id in allowed]
            room = self._channel.capacity() if self.running else 0
            self._channel.submit(ready[:room])
            unsent = [(Outcome(one, Verdict.RETRY, ""), 1) for one in ready[room:]]
            if unsent:
                self._record(unsent)

        self._writer.put(ops.Claim(tuple(one.id for one in segments)), claimed)

    # --- 4: outcomes ----------------------------------------------------------------------------------------

    def outcomes(self, outcomes: list[Outcome]) -> None:
        """What became of submits, from the channel."""
        self._record([self._decide(outcome) for outcome in outcomes])

    def _decide(self, outcome: Outcome) -> tuple[Outcome, int]:
        """Turn what the policy decides into a verdict that the store writes, and when to try again (ms)."""
        verdict, segment = outcome.verdict, outcome.segment
        if verdict not in (Verdict.RETRY, Verdict.UNKNOWN):
            return outcome, 0
        code = CODE_UNKNOWN if outcome.code is None else outcome.code
        again = verdict is Verdict.RETRY or self._policy.resend
        if not again or segment.attempts + 1 >= self._policy.attempts:
            return Outcome(segment, Verdict.REFUSED, outcome.account, None, code), 0
        due_at = self._now() + int(self._policy.delay(segment.attempts) * 1000)
        return Outcome(segment, Verdict.RETRY, outcome.account, None, code), due_at

    def _record(self, decided: list[tuple[Outcome, int]]) -> None:
        def recorded(ended: list[int] | None, error: StoreError | None) -> None:
            if ended is None:
                self._unrecorded += decided
                self._again_later()
                return
            self._under_way.difference_update(outcome.segment.id for outcome, _ in decided)
            if ended:
                if self._ready:
                    self._ended.update(ended)
                self._told()

        self._writer.put(ops.Record(tuple(decided), self._now()), recorded)

    def _again_later(self) -> None:
        """The store could not do it: once more in a while, all together."""
        if self._retry is None:
            self._retry = self._clock.callLater(STORE_RETRY, self._try_again)

    def _try_again(self) -> None:
        self._retry = None
        unrecorded, self._unrecorded = self._unrecorded, []
        if unrecorded:
            self.log.warn("{count} outcomes wait for the database", count=len(unrecorded))
            self._record(unrecorded)
        self.pump()

    def _now(self) -> int:
        return int(self._wall_clock() * 1000)
