"""The walk of a text on its way out: queued segment -> channel -> outcome recorded. One submitter per queue: a
channel's route.

1. ``accept`` writes the message; its ``done`` is called after the commit: only then may anybody say 200.
2. What was just accepted goes to the channel from memory, in the order of acceptance. If more has come than
   memory may hold, the rest is read back from disk in chunks, from where memory ended.
3. The channel has room: it gets the next segments. They come back as outcomes, each exactly once. Each number has
   a lane: while segments of one message to it are under way, later messages to it wait, so that no throttle and no
   second bind can put them out of order. What the network throttled is still under way and comes again after a pause
   that grows with each time: it may be its number that is full, and nobody else is to wait for that; where there are
   very many of them they go back to the disk. A message that has to be retried leaves its lane and may be overtaken,
   unless ``strict_order`` keeps it until its fate is known.
4. The outcomes of one turn are one record; if the store can't write, nothing more is submitted until it can:
   an outcome is a fact that only this memory holds. Until it is written it takes its place in the window, so that a
   kill can repeat at most a window of submits.
5. What was given up for unanswered and turns out to have been taken (``late``) is not sent again, unless it is already
   on its way; then what becomes of that attempt no longer matters.

Who owns a segment: the store, always; this room holds copies of those that are on their way.
"""

import random
from collections import deque
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from smsconnector.channels import IChannel
from smsconnector.errors import StoreError
from smsconnector.lifecycle import CODE_UNKNOWN
from smsconnector.messages import Message, Outcome, Segment, Verdict
from smsconnector.store import operations as ops
from smsconnector.store.retrying import RetryingWriter
from smsconnector.store.writer import IWriter
from smsconnector.walks.lanes import Lanes, Waiting

CHUNK = 500  # segments read from disk at once
MEMORY = 2000  # segments held in memory at most, beside those under way and those in lanes
KEPT = 20_000  # lanes that strict_order keeps at most; more, and nothing new is begun until some have ended
HELD = 2_000  # throttled segments that memory holds gladly; more, and those with a long pause go back to the disk
LANES = 20_000  # segments that wait in lanes at most; more, and one number's flood holds up the others
CROWDED = 10.0  # seconds: how long what is due stays on disk if its lane is long
DUE_INTERVAL = 0.5  # seconds between looks for segments whose next attempt is due
KEPT_CHECK = 5.0  # seconds between looks whether what strict_order keeps lanes for still waits
STORE_RETRY = 1.0  # seconds until what could not be read or claimed is tried again
FIRST_PAUSE, LONGEST_PAUSE = 0.01, 30.0  # seconds, doubled with each time, until a throttled segment is sent again
LONG_PAUSE = 1.0  # seconds: such a pause begins some two seconds after the first throttle
POSTPONED = 7  # as many of them as what comes back from the disk without an attempt is taken to have had
ROUNDS = 50  # how often room that was left is offered to others in one go
TOGETHER = 0.02  # seconds: pauses that end within it end together
ENDED = 10_000  # messages that are remembered as ended at most


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and when a segment is tried again. Delays in seconds; ``resend`` False is the policy `hold`."""

    attempts: int = 8
    initial: float = 2.0
    maximum: float = 300.0
    resend: bool = True
    strict_order: bool = False
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
        queue: str,
        policy: RetryPolicy,
        told: Callable[[], None],
        process: int = 0,
    ) -> None:
        self._clock, self._wall_clock, self._writer, self._channel = clock, wall_clock, writer, channel
        self.queue, self._policy, self._told, self._process = queue, policy, told, process
        self._ready: deque[Segment] = deque()
        self._due: deque[Segment] = deque()  # those to be tried again, before what is ready
        self._again: list[tuple[int, Segment]] = []  # a heap by id: claimed or throttled before, to be sent again
        self._held: list[tuple[float, int, Segment]] = []  # a heap by when they may be sent again: throttled ones
        self._held_call: IDelayedCall | None = None
        self._again_first = self._due_first = False  # they take turns with what is fresh
        self._read_up_to = 0  # the id up to which segments are in memory or gone
        self._behind = True  # there may be more on disk than in memory
        self._loading = False
        self._under_way: set[int] = set()  # ids handed to the channel, or due ones in memory
        self._lanes = Lanes()
        self._retrying = RetryingWriter(clock, writer)
        self._knows_retries = not policy.strict_order
        self._checked_at: float | None = None  # None while it is being looked at
        self._to_claim: list[Segment] = []  # those whose claim could not be written
        self._claiming = self._recording = 0  # segments whose claim, or whose outcome, is being written
        self._retry: IDelayedCall | None = None
        self._pump_call: IDelayedCall | None = None
        self._due_timer = LoopingCall(self._load_due)
        self._due_timer.clock = clock
        self._due_timer.interval = DUE_INTERVAL
        self._loading_due = False
        self._due_place = ops.NOTHING_DUE  # where the next look goes on
        self._late = 0  # late responses that are being written
        self._taken: set[int] = set()  # segments that were taken late, while their next attempt may be in memory
        self._ended: set[int] = set()  # messages that failed while segments of them may still be in memory

    # --- service --------------------------------------------------------------------------------------------

    def startService(self) -> None:
        super().startService()
        self._due_timer.start(DUE_INTERVAL, now=False)
        if self._policy.strict_order:
            self._load_retries()
        self.pump()

    def stopService(self) -> None:
        """Submit nothing more; outcomes are still recorded."""
        super().stopService()
        self._due_timer.stop()
        for call in (self._pump_call, self._held_call, self._retry):
            if call is not None:
                call.cancel()
        self._pump_call = self._held_call = self._retry = None
        self._unclaim([segment for _, segment in self._again])
        self._unclaim([segment for _, _, segment in self._held])

    # --- 1: accepting ---------------------------------------------------------------------------------------

    def accept(self, message: Message, done: Callable[[StoreError | None], None]) -> None:
        """Write it; ``done(None)`` after the commit, ``done(error)`` if nothing was written."""
        count = len(message.segments)
        first_id = self._writer.allocate(count)

        def written(_result: None, error: StoreError | None) -> None:
            if error is None:
                self._accepted(message, first_id, count)
            done(error)

        self._writer.put(ops.Accept(message, first_id, self.queue), written)

    def _accepted(self, message: Message, first_id: int, count: int) -> None:
        if self._behind or first_id <= self._read_up_to:  # on disk, or loaded in the very batch that wrote it
            return
        if len(self._ready) + count > MEMORY or self._lanes.waiting > LANES:
            self._behind = True
            return
        self._read_up_to = first_id + count - 1
        for number, text in enumerate(message.segments, 1):
            self._ready.append(
                Segment(
                    first_id + number - 1,
                    number,
                    count,
                    text,
                    message.alphabet,
                    message.source,
                    message.destination,
                    message.expires_at,
                    0,
                    message.is_limited,
                )
            )
        if self._pump_call is None and self.running:
            self._pump_call = self._clock.callLater(0, self.pump)

    # --- 2: from disk ---------------------------------------------------------------------------------------

    def _load(self) -> None:
        if self._loading or not self._behind or len(self._ready) > CHUNK or self._lanes.waiting > LANES:
            return
        self._loading = True
        self._writer.put(ops.LoadSegments(self.queue, self._read_up_to, CHUNK), self._loaded)

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

    def _look_after_kept(self) -> None:
        """``strict_order``: a lane is kept as long as its message may still be tried again, and no longer."""
        free = self._lanes.expire(self._now())
        if free:
            self._first_in_line(free)
            self.pump()
        due = self._checked_at is not None and self._clock.seconds() - self._checked_at >= KEPT_CHECK
        if due and (self._lanes.kept or not self._knows_retries):
            self._load_retries()

    def _load_retries(self) -> None:
        self._checked_at = None
        self._writer.put(ops.LoadRetries(self.queue, KEPT), self._loaded_retries)

    def _loaded_retries(self, rows: list[Waiting] | None, error: StoreError | None) -> None:
        self._checked_at = self._clock.seconds()
        if rows is None:
            return
        if not self._knows_retries:
            self._lanes.keep(rows)
            self._knows_retries = True
        elif self._retrying.failing:  # a full disk can be read: outcomes that wait are not on it
            self._lanes.forget_absent()
        elif len(rows) < KEPT:
            self._first_in_line(self._lanes.compare(rows))
        self.pump()

    def _load_due(self) -> None:
        if self._policy.strict_order:
            self._look_after_kept()
        if self._loading_due or len(self._due) > CHUNK:
            return
        self._loading_due = True
        self._writer.put(ops.LoadDue(self.queue, self._now(), CHUNK, self._due_place), self._loaded_due)

    def _loaded_due(self, loaded: "tuple[list[Segment], tuple[int, int] | None] | None", _: StoreError | None) -> None:
        """A chunk of what is due. Some of it may be in memory already: the next look is for what is behind it, until
        all has been seen."""
        self._loading_due = False
        if loaded is None:
            return
        segments, place = loaded
        self._due_place = place or ops.NOTHING_DUE
        fresh = [one for one in segments if one.id not in self._under_way]
        self._under_way.update(one.id for one in fresh)
        self._due.extend(one if one.attempts else replace(one, throttles=POSTPONED) for one in fresh)
        if fresh:
            self.pump()

    # --- 3: to the channel ----------------------------------------------------------------------------------

    def pump(self) -> None:
        """Give the channel what it has room for."""
        if self._pump_call is not None and self._pump_call.active():
            self._pump_call.cancel()
        self._pump_call = None
        if not self.running or self._retrying.failing or not self._knows_retries:
            return
        room = self._room()
        if room > 0 and self._again:
            self._again_first = not self._again_first
            share = (room + self._again_first) // 2 if self._due or self._ready else room
            self._send_again(share)
            room = self._room()
        rounds = ROUNDS
        while room > 0 and rounds and (self._due or self._ready):  # some may find no room on the bind of their number
            self._send(self._next(room))
            room, rounds = self._room(), rounds - 1
        if room > 0 and self._again:
            was_empty = not self._ready
            self._send_again(room)
            if was_empty and self._ready:  # lanes that have become free meanwhile
                self._pump_call = self._clock.callLater(0, self.pump)
        if not self._holds_segments:
            self._ended.clear()
            if not self._late:
                self._taken.clear()
        self._load()

    def _room(self) -> int:
        """What the channel can take, less what is or will be claimed, and what it gave back and is not on disk."""
        return self._channel.capacity() - self._claiming - self._recording - len(self._to_claim)

    def room(self) -> None:
        """The channel says that it can take more."""
        self.pump()

    def throttled(self, segments: Iterable[Segment]) -> None:
        """The network took none of these: they keep their lanes, and come again after a while. When there are very many
        of them, those that have waited for some time already wait on disk."""
        now = self._clock.seconds()
        many = len(self._held) > HELD or self._lanes.waiting > LANES // 2
        away = []
        for one in segments:
            segment = replace(one, throttles=one.throttles + 1)
            pause = min(FIRST_PAUSE * 2 ** min(segment.throttles, 20), LONGEST_PAUSE)
            if many and pause > LONG_PAUSE and self.running and not self._policy.strict_order:
                away.append(segment)
                continue
            heappush(self._held, (now + pause * (0.75 + self._policy.source.random() / 2), segment.id, segment))
        if not self.running:
            self._unclaim(segments)
        elif self._held and (self._held_call is None or self._held_call.getTime() > self._held[0][0]):
            self._hold_on(now)

        if away:
            self._postpone(away)

    def _postpone(self, segments: list[Segment]) -> None:
        """Back to the disk for a while; no attempt is counted, for it may be their numbers that are full. The next ones
        in their lanes are tried, and follow them at once if they are throttled too. Where too many wait in lanes, all
        that wait in these go along: what is accepted later for their numbers may overtake them."""
        crowded = self._lanes.waiting > LANES // 2
        away = list(segments)
        for segment in segments:
            if crowded:
                away += self._lanes.clear(segment.destination)
            self._first_in_line(replace(one, throttles=POSTPONED) for one in self._lanes.leave(segment))
        self._put_away(away, self._policy.maximum * (0.5 + self._policy.source.random() / 2))

    def _put_away(self, segments: list[Segment], seconds: float) -> None:
        ids = tuple(one.id for one in segments)
        due_at = self._now() + int(seconds * 1000)
        self._under_way.update(ids)

        def are_away(_result: None, _error: StoreError | None) -> None:
            self._under_way.difference_update(ids)
            self.pump()

        self._retrying.put(lambda: ops.Postpone(ids, due_at), are_away)

    def _hold_on(self, now: float) -> None:
        """Until the first pause ends."""
        if self._held_call is not None:
            self._held_call.cancel()
        self._held_call = self._clock.callLater(max(0.0, self._held[0][0] - now), self._come_again)

    def _come_again(self) -> None:
        """The pause of some is over."""
        self._held_call = None
        now = self._clock.seconds()
        while self._held and self._held[0][0] <= now + TOGETHER:
            _, segment_id, segment = heappop(self._held)
            heappush(self._again, (segment_id, segment))
        if self._held:
            self._hold_on(now)
        self.pump()

    def _send_again(self, room: int) -> None:
        """Send up to ``room`` of those that were throttled. Some find none on the bind of their number: they are passed
        over, and keep their turn."""
        now = self._now()
        passed: list[Segment] = []
        while self._again and room > 0 and len(passed) < CHUNK:
            segments: list[Segment] = []
            while self._again and len(segments) < room:
                segment = heappop(self._again)[1]
                if self._is_over(segment, now):
                    self._leave_lane(segment)
                else:
                    segments.append(segment)
            left = self._channel.submit(segments)
            passed += left
            room -= len(segments) - len(left)
        self._put_back(passed)

    def _put_back(self, segments: Iterable[Segment]) -> None:
        """The channel found no room for these after all."""
        for segment in segments:
            heappush(self._again, (segment.id, segment))
        if not self.running:
            self._unclaim(segments)

    def _is_over(self, segment: Segment, now: int) -> bool:
        """Whether its message has ended, or it was taken late; if so, it is not under way any more."""
        over = segment.expires_at <= now or segment.message_id in self._ended or segment.id in self._taken
        if over:
            self._under_way.discard(segment.id)
        return over

    def _next(self, room: int) -> list[Segment]:
        """Up to ``room`` segments that may go now, in order; those whose number is busy wait in its lane, or where that
        is long and they have waited on disk already, there again."""
        now = self._now()
        found: list[Segment] = []
        crowd: list[Segment] = []
        lanes = self._lanes
        self._due_first = not self._due_first
        due = (room + self._due_first) // 2 if self._ready else room  # numbers may be full that were so before
        while len(found) < room:
            ready = self._due if self._due and (due > 0 or not self._ready) else self._ready
            if not ready or (ready is self._ready and max(len(lanes.kept), len(self._held)) >= KEPT):
                break
            segment = ready.popleft()
            due -= ready is self._due
            if self._is_over(segment, now):
                self._first_in_line(lanes.drop(segment))
                continue
            if ready is self._due and lanes.is_crowded(segment, CHUNK):
                crowd.append(segment)
            elif lanes.enter(segment):
                found.append(segment)
        if crowd:
            self._put_away(crowd, CROWDED)
        return found

    def _leave_lane(self, segment: Segment, to_retry: bool = False) -> None:
        self._first_in_line(self._lanes.leave(segment, to_retry))

    def _first_in_line(self, segments: Iterable[Segment]) -> None:
        """They have waited long enough."""
        self._ready.extendleft(reversed(tuple(segments)))

    def _send(self, segments: list[Segment]) -> None:
        self._under_way.update(one.id for one in segments)
        if self._policy.resend:
            self._submit(segments)
        elif segments:
            self._claim(segments)

    def _submit(self, segments: list[Segment]) -> None:
        self._put_back(self._channel.submit(segments))

    def _claim(self, segments: list[Segment]) -> None:
        """Policy `hold`: on disk before it is on the wire, so that after a crash it is not sent again."""
        self._claiming += len(segments)

        def claimed(ids: list[int] | None, error: StoreError | None) -> None:
            self._claiming -= len(segments)
            if ids is None:  # they keep their lanes
                self._to_claim += segments
                self._again_later()
                return
            allowed, now = set(ids), self._now()
            ready = []
            for segment in segments:
                if segment.id in allowed and not self._is_over(segment, now):
                    ready.append(segment)
                else:
                    self._under_way.discard(segment.id)
                    self._leave_lane(segment)
            room = max(0, self._room()) if self.running else 0
            self._submit(ready[:room])
            self._put_back(ready[room:])  # the room went while the claim was written
            self.pump()

        self._writer.put(ops.Claim(tuple(one.id for one in segments), self._process), claimed)

    def _unclaim(self, segments: Iterable[Segment]) -> None:
        """These are known not to have been sent: the next start may send them."""
        if not self._policy.resend:
            ids = tuple(one.id for one in segments)
            if ids:
                self._retrying.put(lambda: ops.Unclaim(ids), lambda *_: None)

    # --- 4: outcomes ----------------------------------------------------------------------------------------

    def outcomes(self, outcomes: list[Outcome]) -> None:
        """What became of submits, from the channel."""
        decided = [self._decide(outcome) for outcome in outcomes]
        for outcome, _ in decided:
            to_retry = outcome.verdict is Verdict.RETRY and outcome.segment.id not in self._taken
            self._leave_lane(outcome.segment, self._policy.strict_order and to_retry)
        self._record(decided)

    def _decide(self, outcome: Outcome) -> tuple[Outcome, int]:
        """Turn what the policy decides into a verdict that the store writes, and when to try again (ms)."""
        verdict, segment = outcome.verdict, outcome.segment
        if segment.id in self._taken:
            no_step = Verdict.RETRY  # from SENT
            return Outcome(segment, no_step, outcome.account, None, outcome.code), self._now()
        if verdict not in (Verdict.RETRY, Verdict.UNKNOWN):
            return outcome, 0
        code = CODE_UNKNOWN if outcome.code is None else outcome.code
        again = verdict is Verdict.RETRY or self._policy.resend
        if not again or segment.attempts + 1 >= self._policy.attempts:
            return Outcome(segment, Verdict.REFUSED, outcome.account, None, code), 0
        delay = self._policy.delay(segment.attempts) if outcome.retry_in is None else outcome.retry_in
        due_at = self._now() + int(delay * 1000)
        return Outcome(segment, Verdict.RETRY, outcome.account, None, code), due_at

    def _record(self, decided: list[tuple[Outcome, int]]) -> None:
        self._recording += len(decided)

        def recorded(ended: list[int] | None, error: StoreError | None) -> None:
            self._recording -= len(decided)
            self._under_way.difference_update(outcome.segment.id for outcome, _ in decided)
            if ended:
                self._messages_end(ended, decided)
            self.pump()

        self._retrying.put(lambda: ops.Record(tuple(decided), self._now()), recorded)

    def late(self, outcome: Outcome) -> None:
        """The network has taken a segment whose outcome it gave as unknown."""
        segment, decided = outcome.segment, [(outcome, 0)]
        if len(self._taken) > ENDED:  # to forget them costs a submit too many, or a report by the last attempt
            self._taken.clear()
        self._taken.add(segment.id)
        self._late += 1

        def recorded(ended: list[int] | None, error: StoreError | None) -> None:
            self._late -= 1
            if ended:
                self._messages_end(ended, decided)
            if segment.count == 1 and self._lanes.kept:
                self._first_in_line(self._lanes.give_up(segment.destination, segment.id))
            self.pump()

        self._retrying.put(lambda: ops.Record(((outcome, 0),), self._now()), recorded)

    def _messages_end(self, ended: list[int], decided: list[tuple[Outcome, int]]) -> None:
        several = {outcome.segment.message_id for outcome, _ in decided if outcome.segment.count > 1}
        self.messages_ended(several.intersection(ended))
        if self._lanes.kept:
            for outcome, _ in decided:
                if outcome.segment.message_id in ended:
                    self._first_in_line(self._lanes.give_up(outcome.segment.destination, outcome.segment.message_id))
        self._told()

    def messages_ended(self, message_ids: Collection[int]) -> None:
        """Messages of several segments have ended, here or by a receipt: what is still here of them is not sent."""
        if message_ids and self._holds_segments:
            if len(self._ended) > ENDED:  # to forget them costs no more than a futile submit
                self._ended.clear()
            self._ended.update(message_ids)

    @property
    def _holds_segments(self) -> bool:
        """Whether segments that are not under way are in memory, or may come back."""
        return bool(self._ready or self._due or self._again or self._lanes.waiting or self._claiming or self._under_way)

    def _again_later(self) -> None:
        """The store could not do it: look again in a while, unless it is the stop that could not."""
        if self._retry is None and self.running:
            self._retry = self._clock.callLater(STORE_RETRY, self._try_again)

    def _try_again(self) -> None:
        self._retry = None
        to_claim, self._to_claim = self._to_claim, []
        if to_claim:
            self._claim(to_claim)
        self.pump()

    def settled(self) -> "Deferred[None]":
        """Fires when every outcome is on disk."""
        return self._retrying.settled()

    def close(self) -> None:
        """After the stop: nothing more is tried."""
        self._retrying.close()

    def _now(self) -> int:
        return int(self._wall_clock() * 1000)
