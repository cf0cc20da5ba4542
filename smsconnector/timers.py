"""The clock that timers run on, and timers that no fault ends.

``run_on_monotonic_clock`` is called once, before anything asks the reactor for a timer. Twisted's own clock is
``time.time``: when it is set back by an hour, every timer stands still for an hour; when it is set forward, every
time-out is over at once.

The clock is CLOCK_MONOTONIC (clock_gettime(2)). Nobody can set it, and NTP changes its speed by 0.05 % at most. It
stands still while the machine is suspended, and so it should: in that time no peer could be heard, and none was
silent. CLOCK_BOOTTIME goes on in a suspension; with it every time-out would be over when the machine wakes up. The
kernel measures by CLOCK_MONOTONIC too how long epoll_wait(2) and poll(2) sleep, so the reactor wakes up when it means
to. What has to go on while the machine sleeps is not a timer's: see ``wall_clock``.

That the process itself gets no time for a while (SIGSTOP, a paused virtual machine, swapping) is seen by
``net.hearing``.
"""

import time
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.runtime import seconds as time_of_day


def run_on_monotonic_clock(reactor: Any, clock: Callable[[], float] = time.monotonic) -> None:
    """Have ``reactor`` tell the time by ``clock`` (s), and keep what its timers have left. Nothing is done to a reactor
    that has a clock of its own, such as that of asyncio, which is monotonic, and that of a test."""
    if getattr(reactor, "seconds", None) is not time_of_day:
        return
    left = [(call, call.getTime() - time_of_day()) for call in reactor.getDelayedCalls()]
    reactor.seconds = clock
    for call, seconds in left:
        call.seconds = clock
        call.reset(max(0.0, seconds))


class Repeating(LoopingCall):
    """A ``LoopingCall`` on ``clock`` that goes on whatever ``function`` raises. Twisted's ends for good, with a line in
    the log that comes when its Deferred is garbage. ``title`` is for the log: whose call it is."""

    log = Logger()

    def __init__(self, clock: IReactorTime, title: str, function: Callable[[], Any]) -> None:
        super().__init__(self._call)
        self.clock = clock
        self._title, self._function = title, function

    def _call(self) -> None:
        try:
            self._function()
        except Exception:  # noqa: BLE001 — the edge of a loop: one fault must not end all that was to come
            self.log.failure("{title} failed, and goes on", title=self._title)
