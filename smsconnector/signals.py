"""SIGHUP does not end the daemon.

A terminal that is closed sends it, and so does ``systemctl kill -s HUP``, out of habit. By default a process ends by it
at once, without draining. The other signals are twistd's: SIGTERM and SIGINT stop in order.
"""

import signal
from typing import Any

from twisted.logger import Logger

_log = Logger()


def ignore_hang_up(reactor: Any) -> None:
    """From now on SIGHUP is logged, and nothing else. Call it in the main thread. If it is ignored already, as nohup(1)
    does, that stays."""
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        signal.signal(signal.SIGHUP, lambda *_: reactor.callFromThread(_tell))


def _tell() -> None:
    _log.warn("SIGHUP is ignored: there is no reload. Restart to read the configuration again, SIGTERM to stop")
