"""What the service tells systemd: READY, STOPPING, and that it is alive (sd_notify(3), Type=notify).

Nothing happens where ``NOTIFY_SOCKET`` is not set. The watchdog is fed from the reactor, so a reactor that hangs
is seen; ``WATCHDOG_USEC`` says how often.
"""

import os
import socket
from collections.abc import Mapping

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger


class Notifier(Service):
    """Feeds the watchdog while it runs; ``notify`` sends a state."""

    log = Logger()

    def __init__(self, clock: IReactorTime, environment: Mapping[str, str] | None = None) -> None:
        environment = os.environ if environment is None else environment
        self._address = environment.get("NOTIFY_SOCKET", "")
        interval = environment.get("WATCHDOG_USEC", "")
        self._interval = int(interval) / 2_000_000 if interval.isdigit() else 0.0
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

    def notify(self, state: str) -> None:
        """Send ``state``, as in ``READY=1``; a leading @ of the address means the abstract namespace."""
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
                channel.connect(address)
                channel.send(state.encode())
        except OSError as error:
            self.log.warn("systemd could not be told {state}: {error}", state=state, error=error)
