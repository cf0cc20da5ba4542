"""Whether a provider may be asked now, and how many requests may be under way.

1. The window is ``parallel``. A throttled request halves it and begins a pause: Retry-After, or a time that doubles.
   Each reply that says that the provider works lets the window grow by a part of one again.
2. A provider that can't be reached, or has left ``MANY`` requests in a row without an answer, is *down*: a pause that
   doubles. Else every text that waits would have its outcome unknown in turn.
3. A trouble of the account *stops* the channel for a long pause, because nothing helps but an operator.
4. After each pause one request is a trial. While it is under way there are no others. What it brings ends the trouble,
   or begins the next pause. Answers to what was asked before the provider said no change nothing, but for one thing:
   whoever answers is not *down*.

No clock is read here: ``now``, in seconds of a clock that only rises, is an argument.
"""

from datetime import UTC, datetime
from typing import NamedTuple

from smsconnector.channels import Part
from smsconnector.messages import LONGEST_WAIT
from smsconnector.net.link import BackOff
from smsconnector.smpp.pace import MOST, TokenBucket

ACCOUNT_PAUSE = 900.0  # seconds
MANY = 5  # requests in a row without an answer that says something
SHORTEST_THROTTLE = 0.1  # seconds: Retry-After: 0, or a date that has passed


class Trouble(NamedTuple):
    """``since`` is in seconds of the clock. ``state``: "down", "throttled" or "stopped"."""

    state: str
    why: str
    since: float


class Availability:
    """``rate``: requests a second, 0 for no limit."""

    def __init__(self, parallel: int, rate: float, back_off: BackOff, now: float) -> None:
        self._parallel, self._back_off = parallel, back_off
        self._bucket = TokenBucket(rate, now) if rate > 0 else None
        self._window = float(parallel)
        self._until = 0.0  # when the pause ends
        self._unanswered = 0  # in a row
        self._asked = 0  # requests; each has its number
        self._before = 0  # the number of the last one that was made before the trouble
        self.trouble: Trouble | None = None

    def part(self, name: str, now: float, now_ms: int) -> Part:
        """For health: "up", or "down", "throttled" or "stopped", with why and since when. ``now`` is of the clock,
        ``now_ms`` the time of day."""
        trouble = self.trouble
        if trouble is None:
            return Part(name, "up")
        since = datetime.fromtimestamp(now_ms / 1000 - (now - trouble.since), UTC)
        return Part(name, trouble.state, f"{trouble.why} (since {since:%Y-%m-%dT%H:%M:%SZ})")

    @property
    def is_up(self) -> bool:
        """Not "down" and not "stopped"; who is throttled sends."""
        return self.trouble is None or self.trouble.state == "throttled"

    def room(self, now: float, under_way: int) -> int:
        """How many more requests may be made."""
        if self.trouble is not None:
            return 1 if now >= self._until and not under_way else 0
        room = int(self._window) - under_way
        return max(0, min(room, MOST if self._bucket is None else self._bucket.available(now)))

    def wait(self, now: float) -> float:
        """Seconds until it is worth asking for room again; 0: when the next reply comes."""
        if self.trouble is not None:
            return max(0.0, self._until - now)
        return 0.0 if self._bucket is None or self._bucket.available(now) else self._bucket.wait()

    def asked(self) -> int:
        """A request is made. Gives its number."""
        if self._bucket is not None:
            self._bucket.take()
        self._asked += 1
        return self._asked

    def works(self, number: int) -> bool:
        """The provider has decided on a text, by its answer to the request with this number; whether that ends a
        trouble."""
        self._unanswered = 0
        if self.trouble is not None and self.trouble.state != "down" and number <= self._before:
            return False
        self._window = min(self._parallel, self._window + 1 / self._window)
        was_trouble, self.trouble = self.trouble is not None, None
        if was_trouble:
            self._back_off.reset()
        return was_trouble

    @property
    def is_stopped(self) -> bool:
        """By a trouble of the account."""
        return self.trouble is not None and self.trouble.state == "stopped"

    def down(self, now: float, why: str, retry_in: float | None = None) -> bool:
        """It can't be reached, ``retry_in`` seconds at least; whether that is news."""
        is_news = self._pause(now, "down", why, None)
        self._until = max(self._until, now + (retry_in or 0.0))
        return is_news

    def unanswered(self, now: float, why: str) -> bool:
        """One more that may have been taken; whether that is news."""
        self._unanswered += 1
        return (self._unanswered >= MANY or self.trouble is not None) and self._pause(now, "down", why, None)

    def throttled(self, now: float, why: str, retry_in: float | None) -> bool:
        """It wants fewer requests; whether that is news."""
        if retry_in is not None:
            retry_in = min(max(retry_in, SHORTEST_THROTTLE), LONGEST_WAIT)
        if now >= self._until:
            self._window = max(1.0, self._window / 2)
        return self._pause(now, "throttled", why, retry_in)

    def stopped(self, now: float, why: str, retry_in: float | None) -> bool:
        """Nothing will be taken until somebody mends the account; whether that is news."""
        return self._pause(now, "stopped", why, retry_in or ACCOUNT_PAUSE)

    def _pause(self, now: float, state: str, why: str, seconds: float | None) -> bool:
        before = self.trouble
        if before is not None and before.state == "stopped" and state != "stopped" and now < self._until:
            return False  # replies to what was under way when the account's trouble was told
        if seconds is not None:
            self._until = max(self._until, now + seconds)
        elif now >= self._until:  # those that were under way together begin one pause
            self._until = now + self._back_off.delay()
        self._before = self._asked
        is_news = before is None or before.state != state
        self.trouble = Trouble(state, why, now) if before is None or is_news else before._replace(why=why)
        return is_news
