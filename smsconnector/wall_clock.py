"""The time of day, for what is stamped and for what has to outlast a restart. It may be set at any moment: by NTP soon
after the machine's start, by an operator, when a virtual machine goes on after a pause. No timer runs by it
(``timers``).

There are two readings. They are the same until the clock is set.

- ``milliseconds`` is the time of day as the machine has it now. It stamps what people read: when a message was
  accepted, sent and ended, when a receipt came. The log's lines are stamped with it too.
- ``steady_milliseconds`` goes on as if nobody had set the clock. What is due or over is written and judged by it: the
  next attempt, the end of a lifetime. So a clock that is set forward ends no lifetime, and one that is set back holds
  up no attempt.

What is compared with a stamp, such as the age of a parked receipt, is judged by ``earlier_milliseconds``: the steady
reading, less what the clock was ever set back by. Nothing is given up too early, whichever way the clock was set.

A step of more than ``FOLLOWED`` is taken for the end of a fault: a machine without a battery starts in 1970, and NTP
mends that. The steady reading follows such a step, and a small one as well. After a restart both readings are the same
again. ``docs/decisions/0009-clocks.rst`` has the reasons.
"""

import time
from collections.abc import Callable
from functools import partial

from twisted.logger import Logger

NOTICED = 1.0  # seconds: a smaller step is not worth a word, and the steady reading follows it
FOLLOWED = 86_400.0  # seconds: a larger step puts right a clock that was quite wrong


def _since_boot() -> Callable[[], float]:
    try:
        time.clock_gettime(time.CLOCK_BOOTTIME)
    except (AttributeError, OSError):
        return time.monotonic
    return partial(time.clock_gettime, time.CLOCK_BOOTTIME)


# Seconds since the machine was started, those in which it was suspended included (CLOCK_BOOTTIME, clock_gettime(2)). A
# lifetime goes on while the machine sleeps, so CLOCK_MONOTONIC, which stops then, won't do here. Where there is no such
# clock, CLOCK_MONOTONIC has to do: then a suspension looks like a step.
since_boot = _since_boot()


class WallClock:
    """``source`` gives seconds since the Unix epoch. ``elapsed`` gives seconds on a clock that nobody sets; with None
    no step is noticed, and both readings are the same. Each step of ``NOTICED`` seconds and more is logged."""

    log = Logger()

    def __init__(self, source: Callable[[], float] = time.time, elapsed: Callable[[], float] | None = None) -> None:
        self._source, self._elapsed = source, elapsed
        self._ahead = source() - elapsed() if elapsed is not None else 0.0  # s: how far it is before ``elapsed``
        self._ahead_if_not_set = self._ahead
        self._furthest_back = 0.0  # s: by how much it was ever behind the steady reading; not above 0

    def milliseconds(self) -> int:
        """Since the Unix epoch; the unit of all times on disk and in the records of ``messages``."""
        return int(self._source() * 1000)

    def steady_milliseconds(self) -> int:
        """Since the Unix epoch, but for what the clock was set by since the start."""
        now = self._source()
        if self._elapsed is None:
            return int(now * 1000)
        elapsed = self._elapsed()
        step = now - elapsed - self._ahead
        self._ahead += step
        if -NOTICED < step < NOTICED:  # nearly always: the two clocks are read one after the other
            self._ahead_if_not_set += step
        else:
            self._stepped(step)
        return int((elapsed + self._ahead_if_not_set) * 1000)

    def both_milliseconds(self) -> tuple[int, int]:
        """``milliseconds`` and ``steady_milliseconds``, read at once."""
        steady = self.steady_milliseconds()
        return steady + int((self._ahead - self._ahead_if_not_set) * 1000), steady

    def earlier_milliseconds(self) -> int:
        """For the age of what was stamped at any time since the start: no stamp seems older than it is."""
        steady = self.steady_milliseconds()
        return steady + int(self._furthest_back * 1000)

    def _stepped(self, step: float) -> None:
        """Follow one of ``NOTICED`` seconds and more, or not, and say so."""
        followed = abs(step) > FOLLOWED
        if followed:
            self._ahead_if_not_set += step
        self._furthest_back = min(self._furthest_back, self._ahead - self._ahead_if_not_set)
        self.log.warn(
            "the machine's clock was set {way} by {seconds:.0f} s: {what}",
            way="forward" if step > 0 else "back",
            seconds=abs(step),
            what="lifetimes and pauses follow it" if followed else "lifetimes and pauses do not change",
        )
