"""How fast a bind may submit: the throughput of its configuration, and a limit that is learned from throttling.

An SMSC throttles with ESME_RTHROTTLED or ESME_RMSGQFUL. It has one of two reasons, and each wants another answer:

- *The bind is too fast.* The SMSC takes as many submits a second as its limit allows, however many we send. The best
  rate is the one at which it took them, with a little more from time to time to see whether the limit has risen.
- *The SMSC is busy with other things.* It refuses a part of all submits, at any rate. To slow down would only cost
  time. The best is to go on, and to send the refused ones again.

To tell the two apart, submits are counted in intervals:

1. An interval with refusals sets a limit: the rate at which submits were taken in it.
2. If the next interval was clearly slower, and still no larger part was taken, the rate was not the reason. The limit
   is lifted for ``LIFTED_FOR`` seconds.
3. An interval without refusals that used most of the limit raises it, by more each time in a row.
4. A limit of which less than half was used is forgotten.
5. Where nothing at all is taken, the bind stands still for a moment, longer each time, and then tries with one submit.
6. A time in which there was nothing to send teaches nothing.

No clock is read here: ``now``, in seconds of a clock that only rises, is an argument.
"""

from typing import NamedTuple

COUNTING_INTERVAL = 0.5  # seconds over which submits are counted
BURST = 0.1  # seconds' worth of tokens that may be used at once
ENOUGH_SUBMITS = 20  # submits in an interval, to learn anything from it
NOISE = 0.02  # a share of refusals below this teaches nothing
SLOWER = 0.85  # a rate below this part of the first is clearly slower
BETTER = 1.15  # a slower rate has helped if the part that is taken is larger by this factor
LIFTED_FOR = 10.0  # seconds without a limit after that was found
LOWEST_RATE = 1.0  # submits a second; a limit never falls below it
SHORTEST_STANDSTILL, LONGEST_STANDSTILL = 0.05, 0.75  # seconds without any submit while nothing at all is taken
MOST = 1 << 30  # submits, where nothing limits


class TokenBucket:
    """A rate with bounded bursts: ``rate`` tokens come in a second, and at most those of ``BURST`` seconds are kept, or
    one if that is more. A submit takes one."""

    def __init__(self, rate: float, now: float) -> None:
        self.rate = rate
        self._tokens = 1.0
        self._at = now

    def available(self, now: float) -> int:
        """Whole tokens there are now."""
        most = max(1.0, self.rate * BURST)
        self._tokens = min(most, self._tokens + (now - self._at) * self.rate)
        self._at = now
        return int(self._tokens)

    def take(self) -> None:
        """For one submit."""
        self._tokens -= 1.0

    def wait(self) -> float:
        """Seconds until half a burst is there. To ask again sooner would mean a timer per message."""
        return max(0.0, (max(1.0, self.rate * BURST / 2) - self._tokens) / self.rate)


class Interval(NamedTuple):
    """What is kept of a time in which submits were counted."""

    rate: float  # submits a second
    refused: float  # the part of them that was throttled, 0 to 1


class Pace:
    """What one bind may submit now. ``throughput`` is the configured limit in submits a second, 0 for none."""

    def __init__(self, throughput: float, now: float) -> None:
        self._configured = TokenBucket(throughput, now) if throughput > 0 else None
        self._learned: TokenBucket | None = None
        self._lifted_until = 0.0
        self._first: Interval | None = None  # the first of the intervals with refusals in a row
        self._clean = 0  # how many intervals in a row had no refusals
        self._taken = self._refused = 0
        self._since = self._asked_at = now
        self._paused_until = 0.0
        self._pause = 0.0

    def available(self, now: float, outstanding: int) -> int:
        """How many submits may be sent now, while ``outstanding`` are under way."""
        if now < self._paused_until or (self._pause and outstanding):
            return 0
        if now - self._asked_at >= COUNTING_INTERVAL:  # nothing was to be sent: no rate can be read from that time
            self._taken = self._refused = 0
            self._since = now
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

    def submitted(self) -> None:
        """A submit was sent."""
        if self._configured is not None:
            self._configured.take()
        if self._learned is not None:
            self._learned.take()

    def taken(self) -> None:
        """The SMSC took one, or refused it for a reason that is not its load."""
        self._taken += 1
        self._pause = 0.0

    def refused(self, now: float) -> None:
        """The SMSC throttled one. Where none is taken between two refusals, wait, longer each time."""
        self._refused += 1
        if self._taken == 0 and self._refused > 1 and now >= self._paused_until:
            self.pause(now, min(self._pause * 2 or SHORTEST_STANDSTILL, LONGEST_STANDSTILL))

    def pause(self, now: float, seconds: float) -> None:
        """Submit nothing for ``seconds``; then try with one."""
        self._pause = seconds
        self._paused_until = max(self._paused_until, now + seconds)

    def congested(self, now: float, percent: int) -> None:
        """The SMSC's congestion_state (SMPP 5.0 section 4.8.4.18): 80 and more is congestion, 100 the maximum."""
        if 80 <= percent <= 100:  # what is above is reserved
            self.pause(now, (percent - 75) / 100)

    def _learn(self, now: float) -> None:
        """Look at the interval that is over, unless it has too few submits to say anything."""
        taken, refused, elapsed = self._taken, self._refused, now - self._since
        if refused and taken + refused < ENOUGH_SUBMITS and elapsed < 10 * COUNTING_INTERVAL:
            return
        self._taken = self._refused = 0
        self._since = now
        share = refused / max(1, taken + refused)
        if share >= NOISE:
            self._clean = 0
            if taken and now >= self._lifted_until:  # where nothing is taken, the pause is what helps
                self._slow_down(now, Interval((taken + refused) / elapsed, share), taken / elapsed)
        else:
            self._first = None
            if self._learned is not None:
                self._grow(taken / elapsed)

    def _slow_down(self, now: float, interval: Interval, taken: float) -> None:
        """After an interval with refusals in which ``taken`` submits a second were taken."""
        first = self._first
        if first is None:
            self._first = interval
        elif interval.rate < first.rate * SLOWER and 1 - interval.refused < (1 - first.refused) * BETTER:
            self._learned, self._first = None, None
            self._lifted_until = now + LIFTED_FOR
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
