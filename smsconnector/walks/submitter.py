"""The walk of a text on its way out: accepted -> written -> submitted to the channel -> outcome recorded.

There is one submitter per queue, which is a channel's route. Each step has a module of its own beside this one; the
submitter moves the segments from one to the next.

1. ``accept`` gives the message to the backlog (``backlog``), which writes it. ``done`` is called after the commit: only
   then may anybody say 200.
2. Segments that wait to be sent are in memory (``ready``): just accepted, or read back from the backlog in chunks.
   Interactive texts go before bulk ones, up to their share (``priorities``).
3. When the channel has room it gets the next segments. Each number has a lane (``lanes``): while segments of one
   message to it are under way, later messages to it wait, so that neither a throttle nor a second bind can change
   their order. Under the policy `hold` a segment is marked on disk before it is sent, and while it waits
   for seconds the mark is taken off (``claims``).
4. A segment that the network throttled keeps its lane and is sent again after a pause (``throttled``, ``pauses``).
   Where very many are throttled, those with a long pause go back to the disk.
5. Every other segment comes back from the channel as an outcome, exactly once. The outcomes of one turn are written
   together; if nothing waits to be sent just then, they may wait for others, as long as these take no more than half of
   the places that are free. Until they are written, they take their place in the window, so that a kill can repeat no
   more than a window of submits. While they cannot be written nothing more is submitted, for an outcome is a fact that
   only memory holds.
6. A message that has to be tried again leaves its lane and may be overtaken. With ``strict_order`` its lane is kept
   until its fate is known (``strict_order``).
7. A segment without a response in time may turn out to have been taken after all (``late``). It is not sent again
   (``obsolete``). If it is on its way already, the outcome of that attempt changes nothing. Where it is not to be sent
   again anyway, its message is not reported before a late response has had its time: the store keeps it for a grace.
8. A message may move to another channel, if none of its segments is under way (``withdrawal``).
9. What is with the channel when its lifetime ends has not expired yet (``overdue``): the response decides.

The backlog owns every segment, always. What is here are copies of those that are about to be sent or under way.
"""

from collections.abc import Callable, Collection, Iterable, Sequence

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from smsconnector.channels import IRoute
from smsconnector.errors import StoreError
from smsconnector.messages import Message, Outcome, Segment, Verdict
from smsconnector.store.retrying import RETRY_INTERVAL
from smsconnector.timers import Repeating
from smsconnector.walks.backlog import Decided, IBacklog
from smsconnector.walks.claims import Claims
from smsconnector.walks.lanes import Lanes
from smsconnector.walks.obsolete import Obsolete
from smsconnector.walks.pauses import Pauses
from smsconnector.walks.priorities import ReadyByClass
from smsconnector.walks.retry_policy import RetryPolicy
from smsconnector.walks.strict_order import StrictOrder
from smsconnector.walks.throttled import ThrottledSegments
from smsconnector.walks.whereabouts import Whereabouts
from smsconnector.walks.withdrawal import Withdrawals
from smsconnector.wall_clock import WallClock

AcceptDone = Callable[[StoreError | None], None]

DUE_INTERVAL = 0.5  # seconds between looks for segments whose next attempt is due
MOST_PAUSED = 20_000  # throttled segments in memory; more, and no new message is begun
MOST_PAUSED_OF_BULK = MOST_PAUSED * 9 // 10  # the same for bulk texts
CROWDED_DELAY = 10.0  # seconds: how long a due segment goes back to the disk if very many wait in its lane
OFFERS = 50  # how often in one turn room that some did not find on the bind of their number is offered to others
PASSED_OVER = 500  # throttled segments that are passed over in one turn for want of room on the bind of their number


class Submitter(Service):
    """Moves the segments of one backlog to one channel, whose listener it is."""

    def __init__(
        self, clock: IReactorTime, wall_clock: WallClock, backlog: IBacklog, channel: IRoute, policy: RetryPolicy
    ) -> None:
        self._clock, self._wall_clock, self.backlog, self.route = clock, wall_clock, backlog, channel
        self._policy, self.queue = policy, backlog.queue
        self._lanes, self._obsolete, self._pauses = Lanes(), Obsolete(), Pauses(policy.source)
        known = (backlog, self._lanes, self._obsolete, self.pump, self._again_later)
        self._ready = ReadyByClass(*known, policy.interactive_share)
        self._strict = StrictOrder(clock, backlog, self._lanes, self._freed) if policy.strict_order else None
        self.claims = Claims(backlog, self._claimed, self._again_later)
        self._throttled = ThrottledSegments(
            clock=clock,
            ready=self._ready,
            lanes=self._lanes,
            pauses=self._pauses,
            postponement=None if policy.strict_order else policy.postponement,
            claims=None if policy.resend else self.claims,
            ended=self.pump,
        )
        self.submitted: dict[int, Segment] = {}  # with the channel, or their outcome is not on disk yet; by their ids
        parts = (self._ready, self._lanes, self._pauses, self._obsolete, self._strict)
        self.held = Withdrawals(*parts, self.submitted, backlog, self.pump)
        self.whereabouts = Whereabouts(channel, self._pauses, self.submitted)
        self._recording = self._recording_late = 0  # outcomes of segments, and late responses, that are being written
        self._throttled_first = False  # throttled segments and others take turns when one place is left
        self.successor: Callable[[str], Submitter | None] = lambda _destination: None  # by number, once it has left
        self._pump_call: IDelayedCall | None = None
        self._again_call: IDelayedCall | None = None  # when what the disk could not do is tried again
        self._due_timer = Repeating(clock, f"the look for what is due in {backlog.queue}", self._load_due)

    # --- service --------------------------------------------------------------------------------------------

    def startService(self) -> None:
        super().startService()
        self._due_timer.start(DUE_INTERVAL, now=False)
        if self._strict is not None:
            self._strict.look()
        self.pump()

    def stopService(self) -> None:
        """Submit nothing more; outcomes are still recorded."""
        super().stopService()
        self._due_timer.stop()
        self._throttled.stop()
        for call in (self._pump_call, self._again_call):
            if call is not None:
                call.cancel()
        self._pump_call = self._again_call = None
        self._unclaim(self._pauses.segments())

    def settled(self) -> "Deferred[None]":
        """Fires when every outcome is on disk."""
        return self.backlog.settled()

    def close(self) -> None:
        """After the stop: nothing more is tried."""
        self.backlog.close()

    # --- 1 and 2: from the door, and from disk --------------------------------------------------------------

    def accept(
        self, message: Message, done: AcceptDone, fallen_from: int | None = None, scheduled: int | None = None
    ) -> None:
        """Write it; ``done(None)`` after the commit, ``done(error)`` if nothing was written. See ``IBacklog``."""

        def written(is_not_sent: int | None, error: StoreError | None) -> None:
            if error is None and not is_not_sent:
                self.accepted(first_id, message)
            done(error)

        first_id = self.backlog.accept(message, written, fallen_from, scheduled)

    def accepted(self, first_id: int, message: Message) -> None:
        """It is on disk."""
        if self._ready.accepted(first_id, message):
            self.backlog.afterwards(self.pump)

    def _load_due(self) -> None:
        if self._strict is not None:
            self._strict.tick(self._now_ms())
        self._throttled.tick()
        self._ready.load_due()

    def _freed(self, segments: Iterable[Segment]) -> None:
        """These need not wait in their lanes any more."""
        self._ready.first_in_line(segments)
        self.pump()

    # --- 3: to the channel ----------------------------------------------------------------------------------

    def pump(self) -> None:
        """Give the channel what it has room for."""
        if self._pump_call is not None and self._pump_call.active():
            self._pump_call.cancel()
        self._pump_call = None
        may_send = self.running and (self._strict is None or self._strict.is_known)
        if not may_send or self.backlog.failing or self.held:
            return
        room = self._room() if self._ready or self._pauses.over else 0
        if room > 0 and self._pauses.over:
            self._throttled_first = not self._throttled_first
            are_bulk = self._pauses.only_bulk_is_over
            self._send_throttled(self._ready.for_throttled(room, are_bulk, self._throttled_first))
            room = self._room()
        offers = OFFERS
        while room > 0 and offers and self._ready:
            self._send_ready(room)
            room, offers = self._room(), offers - 1
        if room > 0 and self._pauses.over:
            was_empty = not self._ready.any_in_line
            self._send_throttled(room)
            if was_empty and self._ready.any_in_line:  # lanes that have become free meanwhile
                self._pump_call = self._clock.callLater(0, self.pump)
        if not self._ready.holds_segments:  # what is obsolete matters only while memory holds some
            self._obsolete.forget(but_taken=self._recording_late > 0)
        self._ready.load()

    room = pump  # the channel says that it can take more

    @property
    def is_urgent(self) -> bool:
        return bool(self._ready.interactive)

    def _room(self) -> int:
        """What the channel can take, less what is or will be claimed, and what it gave back and is not on disk."""
        taken = len(self.claims) + self._recording
        return self.route.capacity(taken) - taken

    def _send_ready(self, room: int) -> None:
        """Send up to ``room`` of those that are due or in line."""
        may_begin = self._pauses.paused < MOST_PAUSED and not (self._strict is not None and self._strict.is_full)
        may_begin_bulk = self._pauses.paused < MOST_PAUSED_OF_BULK
        segments, crowd = self._ready.take(room, self._now_ms(), may_begin, may_begin_bulk)
        if crowd:
            self._ready.postpone(crowd, CROWDED_DELAY)
        if self._policy.resend:
            self._submit(segments)
        else:
            self.claims.claim(segments)

    def _send_throttled(self, room: int) -> None:
        """Send up to ``room`` of those whose pause is over; what has given its claim back is claimed again before. Some
        find no room on the bind of their number: they are passed over, and keep their turn."""
        now_ms = self._now_ms()
        passed: list[Segment] = []
        while self._pauses.over and room > 0 and len(passed) < PASSED_OVER:
            segments: list[Segment] = []
            unclaimed: list[Segment] = []
            while self._pauses.over and len(segments) + len(unclaimed) < room:
                segment = self._pauses.next()
                if self._ready.is_obsolete(segment, now_ms):
                    self.claims.forget((segment,))
                    self._leave_lane(segment)
                elif self.claims.is_given_back(segment):
                    unclaimed.append(segment)
                else:
                    segments.append(segment)
            left = self._give(segments)
            passed += left
            room -= len(segments) - len(left) + len(unclaimed)
            self.claims.claim(unclaimed)
        self._put_back(passed)

    def _submit(self, segments: Sequence[Segment]) -> None:
        self._put_back(self._give(segments))

    def _give(self, segments: Sequence[Segment]) -> Sequence[Segment]:
        """Hand these to the channel; those that found no room come back."""
        self.submitted |= {one.id: one for one in segments}
        left = self.route.submit(segments)
        for one in left:
            del self.submitted[one.id]
        return left

    def overdue(self, now_ms: int) -> set[int]:
        """The ids of the messages past their lifetime of which a segment is with the channel, or was and its outcome is
        not on disk yet."""
        return {one.message_id for one in self.submitted.values() if one.expires_at <= now_ms}

    def _put_back(self, segments: Sequence[Segment]) -> None:
        """The channel found no room for these after all."""
        self._pauses.put_back(segments)
        if not self.running:
            self._unclaim(segments)

    def _leave_lane(self, segment: Segment, to_retry: bool = False) -> None:
        freed = self._lanes.leave(segment, to_retry)
        if freed:
            self._ready.first_in_line(freed)

    def _claimed(self, segments: Sequence[Segment], allowed: set[int]) -> None:
        """Policy `hold`: the marks are on disk, so these may be on the wire."""
        now_ms = self._now_ms()
        ready = []
        for segment in segments:
            if segment.id in allowed and not self._ready.is_obsolete(segment, now_ms):
                ready.append(segment)
            else:
                self._ready.leave((segment.id,))
                self._leave_lane(segment)
        room = max(0, self._room()) if self.running else 0
        self._submit(ready[:room])
        self._put_back(ready[room:])  # the room went while the claim was written
        self.pump()

    def _unclaim(self, segments: Sequence[Segment]) -> None:
        """These are known not to have been sent: the next start may send them."""
        if not self._policy.resend:
            self.claims.release(segments)

    def _again_later(self) -> None:
        """The disk could not do it: try again in a while, unless it is the stop that could not."""
        if self._again_call is None and self.running:
            self._again_call = self._clock.callLater(RETRY_INTERVAL, self._try_again)

    def _try_again(self) -> None:
        self._again_call = None
        self.claims.try_again()
        self.pump()

    # --- 4: throttled ---------------------------------------------------------------------------------------

    def throttled(self, segments: Iterable[Segment]) -> None:
        """The network took none of these: they are sent again, after the stop by the next process."""
        segments = tuple(segments)
        for one in segments:
            self.submitted.pop(one.id, None)
        if self.running:
            self._throttled.add(segments)
        else:
            self._unclaim(segments)

    # --- 5 to 7: outcomes -----------------------------------------------------------------------------------

    def outcomes(self, outcomes: list[Outcome]) -> None:
        """What became of submits, from the channel."""
        strict, taken = self._strict is not None, self._obsolete.taken
        decided = [self._policy.decided(outcome, taken, self._now_ms) for outcome in outcomes]
        for outcome, _ in decided:
            segment = outcome.segment
            self._leave_lane(segment, strict and outcome.verdict is Verdict.RETRY and segment.id not in taken)
        self._record(decided)

    def _record(self, decided: list[Decided]) -> None:
        self._recording += len(decided)

        def recorded(ended: list[int] | None, _error: StoreError | None) -> None:
            self._recording -= len(decided)
            ids = [outcome.segment.id for outcome, _ in decided]
            self._ready.leave(ids)
            for one in ids:
                self.submitted.pop(one, None)
            if ended:
                self._messages_end(ended, decided)
            self.pump()

        nobody_waits = self._ready.is_through and not (self._pauses.over or self._pauses.paused)
        self.backlog.record(decided, recorded, may_wait=nobody_waits and self._room() > self._recording)

    def late(self, outcome: Outcome) -> None:
        """The network has taken a segment whose outcome it gave as unknown."""
        segment, decided = outcome.segment, [(outcome, 0)]
        self._obsolete.add_taken(segment.id)
        if successor := self.successor(segment.destination):  # who may be about to send it again
            successor.late(outcome)
            return
        self._recording_late += 1
        self.submitted[segment.id] = segment

        def recorded(ended: list[int] | None, _error: StoreError | None) -> None:
            self._recording_late -= 1
            self.submitted.pop(segment.id, None)
            if ended:
                self._messages_end(ended, decided)
            if self._strict is not None:
                self._strict.taken(segment)
            self.pump()

        self.backlog.record(decided, recorded)

    def _messages_end(self, ended: list[int], decided: list[Decided]) -> None:
        several = {outcome.segment.message_id for outcome, _ in decided if outcome.segment.count > 1}
        self.messages_ended(several.intersection(ended))
        if self._strict is not None:
            self._strict.give_up([outcome.segment for outcome, _ in decided if outcome.segment.message_id in ended])

    def messages_ended(self, message_ids: Collection[int]) -> None:
        """Messages have ended, here or by a receipt: what is still here of them is not sent."""
        if message_ids and self._ready.holds_segments:
            self._obsolete.add_messages(message_ids)
        if message_ids and self._strict is not None:
            self._strict.hurry()

    def _now_ms(self) -> int:
        return self._wall_clock.steady_milliseconds()
