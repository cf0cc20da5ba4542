"""What is set once for the process of a daemon: what signals do, and how often the collector of cycles looks.

SIGTERM, SIGINT  stop it in order, as twistd has it. While it stops, another one is logged, and nothing else. Before the
                 reactor runs, either ends the process at once: nothing was accepted yet.
SIGHUP           has the configuration read again. By default a process ends by it at once, without draining: a terminal
                 that is closed sends it.

What is ignored already, as nohup(1) and the background jobs of a shell do, stays ignored.

What a text needs is freed at once when it is done, by reference counts. Python's collector looks only for cycles; by
itself it looks after every 700 objects more, which are a few texts. Nearly all that it finds alive then is the code and
the configuration, which live as long as the process. So what is there at the start is put aside, and the collector
looks less often. A cycle may then wait for some 50,000 objects, a few megabytes, before it is freed.
"""

import gc
import signal
from collections.abc import Callable
from typing import Any

from twisted.logger import Logger

# Objects made and not freed, after which the collector looks at the young ones; how many such looks before one at the
# older ones; how many of those before one at all.
COLLECTOR_THRESHOLDS = (50_000, 20, 10)

_log = Logger()


def prepare(reactor: Any, reload: Callable[[], None] | None = None) -> None:
    """Set that. ``reload`` reads the configuration again, where there is one; it is called in the reactor's thread.
    Call it in the main thread, before the reactor runs."""
    _handle_signals(reactor, reload or _tell_hang_up)
    reactor.callWhenRunning(_look_less_often)


def _look_less_often() -> None:
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTOR_THRESHOLDS)


def _handle_signals(reactor: Any, reload: Callable[[], None]) -> None:
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        signal.signal(signal.SIGHUP, lambda *_: reactor.callFromThread(reload))
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # else it is an exception, wherever the start is just then
    reactor.callWhenRunning(_Stop, reactor)


class _Stop:
    """Lets the first signal stop the reactor. The reactor itself raises ReactorNotRunning at a second one."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._begun = False
        reactor.addSystemEventTrigger("before", "shutdown", self._begin)
        for number, stop in ((signal.SIGTERM, reactor.sigTerm), (signal.SIGINT, reactor.sigInt)):
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._handler(stop))

    def _begin(self) -> None:
        self._begun = True

    def _handler(self, stop: Callable[[int, Any], None]) -> Callable[[int, Any], None]:
        def handle(number: int, frame: Any) -> None:
            if self._begun:
                self._reactor.callFromThread(_tell_stopping, signal.Signals(number).name)
            else:
                self._begun = True
                stop(number, frame)

        return handle


def _tell_stopping(name: str) -> None:
    _log.warn("{name}: the daemon is stopping already. Only SIGKILL would end it sooner", name=name)


def _tell_hang_up() -> None:
    _log.warn("SIGHUP is ignored: there is no configuration to read again. SIGTERM would stop it")
