"""Notify systemd: READY, RELOADING, STOPPING, and that the process is alive (sd_notify(3), ``Type=notify-reload``).

If ``NOTIFY_SOCKET`` is not set, nothing is done. ``WATCHDOG=1`` is sent by the reactor, so systemd finds out when the
reactor hangs. It is sent twice in the time that ``WATCHDOG_USEC`` gives.
"""

import os
import socket
import time
from collections.abc import Mapping

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger


class Notifier(Service):
    """Sends ``WATCHDOG=1`` while it runs. ``notify`` sends any other state."""

    log = Logger()

    def __init__(self, clock: IReactorTime, environment: Mapping[str, str] | None = None) -> None:
        environment = os.environ if environment is None else environment
        self._address = environment.get("NOTIFY_SOCKET", "")
        interval = environment.get("WATCHDOG_USEC", "")
        self._interval = int(interval) / 2_000_000 if interval.isdigit() else 0.0  # s; 0: no watchdog
        self._sentence = self._status = ""  # what the last reload has come to; what was said last
        self._feeding = LoopingCall(self.notify, "WATCHDOG=1")
        self._feeding.clock = clock

    def startService(self) -> None:
        super().startService()
        if self._address and self._interval:
            self._feeding.start(self._interval)

    def stopService(self) -> None:
        super().stopService()
        if self._feeding.running:
            self._feeding.stop()

    def reloading(self) -> None:
        """Say that the configuration is read again. ``READY=1`` has to follow, whatever came of it. systemd wants the
        time, of CLOCK_MONOTONIC, to tell this reload from one before (sd_notify(3))."""
        self.notify(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def ready(self, sentence: str = "") -> None:
        """Say that all is done; ``sentence`` is what ``systemctl status`` shows."""
        self._sentence = line = _on_one_line(sentence)
        self.notify(f"READY=1\nSTATUS={line}" if line else "READY=1")

    def status(self, line: str) -> None:
        """What ``systemctl status`` shows, with what the last reload has come to; nothing is sent if it shows that."""
        shown = "; ".join(one for one in (_on_one_line(line), self._sentence) if one)
        if shown != self._status:
            self._status = shown
            self.notify(f"STATUS={shown}")

    def notify(self, state: str) -> None:
        """Send ``state``, such as ``READY=1``. An error is logged and not raised. An address that begins with @ is in
        the abstract namespace (unix(7))."""
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
                channel.connect(address)
                channel.send(state.encode())
        except OSError as error:
            self.log.warn("systemd could not be told {state}: {error}", state=state, error=error)


def _on_one_line(words: str) -> str:
    """Another line would be another assignment."""
    return " ".join(words.split())
