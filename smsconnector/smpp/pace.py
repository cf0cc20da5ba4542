"""How fast a bind may submit: the throughput of its configuration, and a limit that is learned from throttling.

An SMSC throttles with ESME_RTHROTTLED or ESME_RMSGQFUL. It has one of three reasons, and each wants another answer:

- *The bind is too fast.* The SMSC takes as many submits a second as its limit allows, however many we send. The best
  rate is the one at which it took them, with a little more from time to time to see whether the limit has risen.
- *The SMSC is busy with other things.* It refuses a part of all submits, at any rate. To slow down would only cost
  time. The best is to go on, and to send the refused ones again.
- *The number is full*, or its handset's queue is. It is refused however often it is sent again, at any rate. To slow
  down would cost all the others their rate. The best is as for the second reason; each such segment waits alone.

To tell them apart, submits are counted in intervals. A *first try* is a submit of a segment that was not throttled just
before. The others are *repeats*; those of segments that were throttled ``MANY`` times in a row are *late* ones.

1. An interval with refusals sets a limit: the rate at which submits were taken in it.
2. If the next interval was clearly slower, and still no larger part was taken, the rate was not the reason. The limit
   is lifted for ``LIFTED_FOR`` seconds. "Larger" means by more than chance makes it.
3. If a larger part was taken, the slower rate has helped. What is still refused then is not refused for the rate, and
   lowers the limit no further: else a share that is always refused would take the limit down to nothing.
4. Where the rate or a busy SMSC is the reason, a late repeat is as good as a first try. Where late repeats are refused
   clearly more often, their numbers are full. Then only first tries say something of the rate. Repeats to full numbers
   come and go by pauses of their own, and become fewer while the bind is slow for whatever reason: counted, they would
   make it seem that the slower rate has helped. They do not lower the limit either, and have their place in it.
5. An interval without refusals that used most of the limit raises it, by more each time in a row.
6. A limit of which less than half was used is forgotten.
7. Where nothing at all is taken, the bind stands still for a moment, longer each time, and then tries with one submit.
   Only first tries say so. How many have to be refused one after the other depends on the part that was taken lately:
   where nine of ten numbers are full, fifty in a row say nothing.
8. A time in which there was nothing to send teaches nothing.

No clock is read here: ``now``, in seconds of a clock that only rises, is an argument.
"""

import math
from typing import NamedTuple

COUNTING_INTERVAL = 0.5  # seconds over which submits are counted
BURST = 0.1  # seconds' worth of tokens that may be used at once
ENOUGH_SUBMITS = 20  # submits in an interval, to learn anything from it
NOISE = 0.02  # a share of refusals below this teaches nothing
SLOWER = 0.85  # a rate below this part of the first is clearly slower
BETTER = 1.15  # a slower rate has helped if the part that is taken is larger by this factor
CHANCE = 2.0  # standard deviations: a difference between two shares that is smaller may be chance
MANY = 5  # throttles in a row of one segment: then its pauses were longer than an interval
ENOUGH_TO_COMPARE = 10  # first tries, and repeats, to say which are refused more often
REMEMBERED = 200  # of each, at most, for that: what is older counts half
LIFTED_FOR = 10.0  # seconds without a limit after that was found
LOWEST_RATE = 1.0  # submits a second; a limit never falls below it
SHORTEST_STANDSTILL, LONGEST_STANDSTILL = 0.05, 0.75  # seconds without any submit while nothing at all is taken
SHUT = 64  # refusals in a row, at least: then nothing is taken any more
SHUT_TIMES = 10.0  # and at least so many times as many as there are to each one that is taken
LEAST_TAKEN = 0.05  # the part that is taken, at least, where that is judged
MOST = 1 << 30  # submits, where nothing limits


class TokenBucket:
    """A rate with bounded bursts: ``rate`` tokens come in a second, and at most those of ``burst`` seconds are kept, or
    one if that is more. A submit takes one. It begins with one token, or with all of a burst if it ``is_full``."""

    def __init__(self, rate: float, now: float, burst: float = BURST, *, is_full: bool = False) -> None:
        self.rate = rate
        self._burst = burst
        self._tokens = max(1.0, rate * burst) if is_full else 1.0
        self._at = now

    def available(self, now: float) -> int:
        """Whole tokens there are now."""
        most = max(1.0, self.rate * self._burst)
        self._tokens = min(most, self._tokens + (now - self._at) * self.rate)
        self._at = now
        return int(self._tokens)

    def take(self) -> None:
        """For one submit."""
        self._tokens -= 1.0

    def give_back(self) -> None:
        """One that was taken was not used."""
        self._tokens += 1.0

    def wait(self) -> float:
        """Seconds until half a burst is there. To ask again sooner would mean a timer per message."""
        return max(0.0, (max(1.0, self.rate * self._burst / 2) - self._tokens) / self.rate)

    def wait_for_one(self) -> float:
        """Seconds until one token is there."""
        return max(0.0, (1.0 - self._tokens) / self.rate)


class Interval(NamedTuple):
    """What is kept of a time in which submits were counted."""

    rate: float  # submits a second
    refused: float  # the part of those that count that was throttled, 0 to 1
    counted: int  # how many those were


class Tries:
    """Responses to submits of one kind: in the interval that is being counted, and lately."""

    __slots__ = ("lately", "lately_refused", "refused", "taken")

    def __init__(self) -> None:
        self.taken = self.refused = 0
        self.lately = self.lately_refused = 0.0

    @property
    def all(self) -> int:
        return self.taken + self.refused

    @property
    def share(self) -> float:
        """The part of the late ones that was refused."""
        return self.lately_refused / max(1.0, self.lately)

    def begin(self) -> None:
        """The interval is over: it belongs to what was lately."""
        self.lately += self.all
        self.lately_refused += self.refused
        self.taken = self.refused = 0
        if self.lately > REMEMBERED:
            self.lately_refused *= REMEMBERED / 2 / self.lately
            self.lately = REMEMBERED / 2


def _chance(share: float, *counts: float) -> float:
    """By how much shares of so many submits each may differ by chance, where ``share`` is the true one."""
    return CHANCE * math.sqrt(share * (1 - share) * sum(1 / max(1, count) for count in counts))


def _is_better(one: Interval, before: Interval) -> bool:
    """Whether clearly more of its submits were taken."""
    taken, taken_before = 1 - one.refused, 1 - before.refused
    return taken > taken_before * BETTER and taken - taken_before > _chance(taken_before, one.counted, before.counted)


def _slack(one: Interval, before: Interval) -> float:
    """By how much more may be refused than before, at about the same rate, without a reason to slow down."""
    return NOISE + _chance(before.refused, one.counted, before.counted) / 2


class Pace:
    """What one bind may submit now. ``throughput`` is the configured limit in submits a second, 0 for none."""

    def __init__(self, throughput: float, now: float) -> None:
        self._configured = TokenBucket(throughput, now) if throughput > 0 else None
        self._learned: TokenBucket | None = None
        self._lifted_until = 0.0
        self._first: Interval | None = None  # with refusals, which the next ones are compared with
        self._clean = 0  # how many intervals in a row had no refusals
        self._first_tries, self._repeats, self._late = Tries(), Tries(), Tries()
        self._numbers_are_full = False  # then only first tries say something of the bind
        self._in_a_row = 0  # refusals that count since one was taken
        self._since = self._asked_at = now
        self._paused_until = 0.0
        self._pause = 0.0

    def available(self, now: float, outstanding: int) -> int:
        """How many submits may be sent now, while ``outstanding`` are under way."""
        if now < self._paused_until or (self._pause and outstanding):
            return 0
        if now - self._asked_at >= COUNTING_INTERVAL:  # nothing was to be sent: no rate can be read from that time
            self._begin(now)
        elif now - self._since >= COUNTING_INTERVAL:
            self._learn(now)
        self._asked_at = now
        room = 1 if self._pause else MOST  # after a pause, one to see whether it is over
        for bucket in (self._configured, self._learned):
            if bucket is not None:
                room = min(room, bucket.available(now))
        return room

    def wait(self, now: float) -> float:
        """Seconds until it is worth asking again; 0 if nothing limits."""
        if now < self._paused_until:
            return self._paused_until - now
        return max((bucket.wait() for bucket in (self._configured, self._learned) if bucket is not None), default=0.0)

    @property
    def limit(self) -> float | None:
        """Submits a second, the configured ones or the learned ones; None: nothing limits."""
        rates = [bucket.rate for bucket in (self._configured, self._learned) if bucket is not None]
        return min(rates, default=None)

    def pause_left(self, now: float) -> float:
        """Seconds of the pause that is left; 0 if there is none."""
        return max(0.0, self._paused_until - now)

    def submitted(self) -> None:
        """A submit was sent."""
        if self._configured is not None:
            self._configured.take()
        if self._learned is not None:
            self._learned.take()

    def taken(self, throttles: int = 0) -> None:
        """The SMSC took one, or refused it for a reason that is not its load. ``throttles``: how often in a row it had
        throttled this segment before."""
        self._tries(throttles).taken += 1
        self._in_a_row = 0
        self._pause = 0.0

    def refused(self, now: float, throttles: int = 0) -> None:
        """The SMSC throttled one. Where none is taken any more, wait, longer each time."""
        self._tries(throttles).refused += 1
        if throttles and not self._pause:
            return
        self._in_a_row += 1
        usually_taken = max(LEAST_TAKEN, 1 - self._first_tries.share)
        is_shut = self._pause > 0 or self._in_a_row >= max(SHUT, SHUT_TIMES / usually_taken)
        if is_shut and now >= self._paused_until:
            self.pause(now, min(self._pause * 2 or SHORTEST_STANDSTILL, LONGEST_STANDSTILL))

    def _tries(self, throttles: int) -> Tries:
        return self._first_tries if not throttles else self._repeats if throttles < MANY else self._late

    def pause(self, now: float, seconds: float) -> None:
        """Submit nothing for ``seconds``; then try with one."""
        self._pause = seconds
        self._paused_until = max(self._paused_until, now + seconds)

    def congested(self, now: float, percent: int) -> None:
        """The SMSC's congestion_state (SMPP 5.0 section 4.8.4.18): 80 and more is congestion, 100 the maximum."""
        if 80 <= percent <= 100:  # what is above is reserved
            self.pause(now, (percent - 75) / 100)

    def _begin(self, now: float) -> None:
        """Begin to count anew."""
        for tries in (self._first_tries, self._repeats, self._late):
            tries.begin()
        self._compare()
        self._since = now

    def _learn(self, now: float) -> None:
        """Look at the interval that is over, unless it has too few submits to say anything."""
        first_tries, repeats, late, elapsed = self._first_tries, self._repeats, self._late, now - self._since
        taken, refused, others = first_tries.taken, first_tries.refused, repeats.all + late.all
        submits = first_tries.all + others
        if not self._numbers_are_full:
            taken, refused, others = taken + repeats.taken + late.taken, refused + repeats.refused, late.refused
        counted = taken + refused
        if refused and counted < ENOUGH_SUBMITS and elapsed < 10 * COUNTING_INTERVAL:
            return
        self._begin(now)
        share = refused / max(1, counted)
        if share >= NOISE:
            self._clean = 0
            if taken and now >= self._lifted_until:  # where nothing is taken, the pause is what helps
                self._slow_down(now, Interval(submits / elapsed, share, counted), (taken + others) / elapsed)
        else:
            self._first = None
            if self._learned is not None:
                self._grow((taken + others) / elapsed)

    def _compare(self) -> None:
        """Whether late repeats are refused clearly more often than first tries. Where there are few of either, what was
        found before stays."""
        tries, late = self._first_tries, self._late
        if min(tries.lately, late.lately) < ENOUGH_TO_COMPARE:
            return
        both = (tries.lately_refused + late.lately_refused) / (tries.lately + late.lately)
        are_full = late.share - tries.share > _chance(both, tries.lately, late.lately)
        if are_full and not self._numbers_are_full:
            self._learned = self._first = None  # what was learned was learned from them
        self._numbers_are_full = are_full

    def _slow_down(self, now: float, interval: Interval, taken: float) -> None:
        """After an interval with refusals in which ``taken`` submits a second were taken. Where a slower rate has
        helped, what is still refused is what the rate is not the reason for: to go on lowering the limit by it would
        end at nothing."""
        first = self._first
        if first is None:
            self._first = interval
        elif interval.rate < first.rate * SLOWER:
            if not _is_better(interval, first):
                self._learned, self._first = None, None
                self._lifted_until = now + LIFTED_FOR
                return
            self._first = interval
        elif self._learned is not None and interval.refused < first.refused + _slack(interval, first):
            self._grow(taken)
            return
        self._learned = TokenBucket(max(LOWEST_RATE, taken), now)

    def _grow(self, rate: float) -> None:
        """After an interval without refusals, in which ``rate`` submits a second were taken."""
        assert self._learned is not None
        if rate > self._learned.rate * 0.8:
            self._learned.rate *= 1.0 + min(1.0, 0.02 * 2**self._clean)
            self._clean += 1
        elif rate < self._learned.rate * 0.5:
            self._learned = None
