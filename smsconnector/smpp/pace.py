"""How fast a bind may submit: the configured throughput, and what the SMSC's throttling teaches.

``TokenBucket`` keeps the configured rate with bounded bursts. ``Pace`` adds what is learned: SMSCs answer
ESME_RTHROTTLED or ESME_RMSGQFUL for two reasons that want opposite answers.

- *The bind is too fast.* Then the SMSC takes what its limit allows whatever we send: sending at the rate that it
  took, and trying a little more now and then, wastes the fewest submits.
- *It is busy for reasons of its own*, and refuses a share of all submits at any rate. Then slowing down only costs:
  the way through is to go on and send the refused ones again.

So time is looked at in intervals. After one with refusals the rate falls to what was taken; if in a clearly slower
interval no larger part is taken, the rate was not the reason, and the limit is lifted for a while. An interval without
refusals lets a limit grow, faster each time in a row; one that is far from used is forgotten. From a time in which
nobody wanted to send, nothing is learned.

Sans-clock: ``now`` (seconds) is an argument.
"""

COUNTING_INTERVAL = 0.5  # seconds over which submits are counted
BURST = 0.1  # seconds' worth of tokens that may be used at once
ENOUGH_SUBMITS = 20  # submits in an interval, to learn anything from it
NOISE = 0.02  # a share of refusals below this teaches nothing
SLOWER = 0.85  # the part of the first rate that is clearly slower
BETTER = 1.15  # if that does not raise the part that is taken by as much, the rate was not the reason
LIFTED_FOR = 10.0  # seconds without a limit after that was found
LOWEST_RATE = 1.0  # submits a second; a limit never falls below it
SHORTEST_STANDSTILL, LONGEST_STANDSTILL = 0.05, 0.75  # seconds without any submit while nothing at all is taken
MOST = 1 << 30


class TokenBucket:
    """``rate`` tokens a second, at most ``BURST`` seconds' worth (and one) at once."""

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
        self._tokens -= 1.0

    def wait(self) -> float:
        """Seconds until it is worth coming again: half a burst, so that there is no timer per message."""
        return max(0.0, (max(1.0, self.rate * BURST / 2) - self._tokens) / self.rate)


class Pace:
    """What one bind may submit now. ``throughput``: submits a second by configuration, 0 for no limit."""

    def __init__(self, throughput: float, now: float) -> None:
        self._configured = TokenBucket(throughput, now) if throughput > 0 else None
        self._learned: TokenBucket | None = None
        self._lifted_until = 0.0
        self._first: tuple[float, float] | None = None  # rate and share of refusals in the first of a run of intervals
        self._clean = 0  # intervals without refusals in a row
        self._taken = self._refused = 0
        self._since = self._asked_at = now
        self._paused_until = 0.0
        self._pause = 0.0

    def available(self, now: float, outstanding: int) -> int:
        """How many submits may be sent now, with so many under way."""
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
        """Submit nothing for so long."""
        self._pause = seconds
        self._paused_until = max(self._paused_until, now + seconds)

    def congested(self, now: float, percent: int) -> None:
        """The SMSC's congestion_state (SMPP 5.0 section 4.8.4.18): 80 and more is congestion, 100 the maximum."""
        if 80 <= percent <= 100:  # what is above is reserved
            self.pause(now, (percent - 75) / 100)

    def _learn(self, now: float) -> None:
        """Look at the interval that is over."""
        taken, refused, elapsed = self._taken, self._refused, now - self._since
        if refused and taken + refused < ENOUGH_SUBMITS and elapsed < 10 * COUNTING_INTERVAL:
            return
        self._taken = self._refused = 0
        self._since = now
        share = refused / max(1, taken + refused)
        if share >= NOISE:
            self._clean = 0
            if taken and now >= self._lifted_until:  # where nothing is taken, the pause is what helps
                self._slow_down(now, (taken + refused) / elapsed, taken / elapsed, share)
        else:
            self._first = None
            if self._learned is not None:
                self._grow(taken / elapsed)

    def _slow_down(self, now: float, sent: float, taken: float, share: float) -> None:
        """``sent`` and ``taken`` a second."""
        if self._first is None:
            self._first = (sent, share)
        elif sent < self._first[0] * SLOWER and 1 - share < (1 - self._first[1]) * BETTER:
            self._learned, self._first = None, None
            self._lifted_until = now + LIFTED_FOR
            return
        self._learned = TokenBucket(max(LOWEST_RATE, taken), now)

    def _grow(self, rate: float) -> None:
        assert self._learned is not None
        if rate > self._learned.rate * 0.8:
            self._learned.rate *= 1.0 + min(1.0, 0.02 * 2**self._clean)
            self._clean += 1
        elif rate < self._learned.rate * 0.5:
            self._learned = None
