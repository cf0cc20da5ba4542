"""One connection that is kept: made, handshaken, and made again when it ends.

1. ``startService`` asks ``connect`` for a connection: a Deferred of a protocol.
2. The protocol makes its handshake itself and calls ``established`` when it is good. The back-off begins anew only
   after a connection that has stood for ``STOOD`` seconds. So a peer that refuses the bind, or ends it at once, is
   tried ever more slowly.
3. The protocol calls ``ended`` once, whatever ends the connection, with the reason. The next attempt follows after the
   back-off's delay, and not before ``pace`` seconds where an operator has to mend something. A link to a peer that
   connects to us (``incoming``) waits for the next connection at once: waiting is no load for the peer.

Every change is one line in the log: which link, why, and when it will be tried again.
"""

import random
from collections.abc import Callable
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from smsconnector.net.tls import explain_failure

STOOD = 10.0  # seconds after the handshake; a connection that has lasted so long was a good one


class BackOff:
    """Exponential, with jitter and a cap. Delays in seconds."""

    def __init__(
        self, initial: float = 0.5, maximum: float = 60.0, factor: float = 2.0, source: random.Random | None = None
    ) -> None:
        self._initial, self._maximum, self._factor = initial, maximum, factor
        self._random = source or random.Random()  # nosec B311 # spreads retries in time; nothing secret comes of it
        self._next = initial

    def delay(self, pace: float = 0.0) -> float:
        """The next delay: between half and the whole of the present step, and between ``pace`` and one and a half times
        that, so that many don't come at once."""
        step, jitter = self._next, self._random.random() / 2
        self._next = min(step * self._factor, self._maximum)
        return max(step * (0.5 + jitter), pace * (1.0 + jitter))

    def reset(self) -> None:
        self._next = self._initial


class Link(Service):
    """Keeps one connection, from ``startService`` to ``stopService``. ``connect`` makes an attempt."""

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        title: str,
        connect: Callable[[], "Deferred[Any]"],
        back_off: BackOff,
        incoming: bool = False,
    ) -> None:
        self._clock, self.title, self._connect, self._back_off = clock, title, connect, back_off
        self._incoming = incoming
        self._established_at: float | None = None
        self.why = ""  # there is no connection, or no handshake, since the last one ended
        self._attempt: Deferred[Any] | None = None
        self._timer: IDelayedCall | None = None

    def startService(self) -> None:
        super().startService()
        self._try()

    def stopService(self) -> None:
        """Make no further attempt. A connection that stands is its protocol's to close."""
        super().stopService()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._attempt is not None:
            self._attempt.cancel()

    def established(self) -> None:
        """The handshake is good."""
        self._established_at = self._clock.seconds()
        self.why = ""

    def ended(self, reason: str, pace: float = 0.0) -> None:
        """The connection is over; try again unless stopped. ``pace``: wait at least that many seconds."""
        established_at, self._established_at = self._established_at, None
        if not self.running:
            return
        if established_at is not None and self._clock.seconds() - established_at >= STOOD:
            self._back_off.reset()
        self._try_in(0.0 if self._incoming else self._back_off.delay(pace), reason, is_error=pace > 0)

    def _try_in(self, delay: float, reason: str, is_error: bool = False) -> None:
        if delay or reason != self.why:  # a load balancer's checks are told once
            level = self.log.error if is_error else self.log.warn
            level("{title}: {reason}; next attempt in {delay:.1f} s", title=self.title, reason=reason, delay=delay)
        self.why = reason
        self._timer = self._clock.callLater(delay, self._try)

    def _try(self) -> None:
        self._timer = None
        self._attempt = attempt = maybeDeferred(self._connect)  # whatever it raises, it is a failed attempt
        attempt.addCallbacks(self._connected, self._failed)

    def _connected(self, _protocol: Any) -> None:
        self._attempt = None

    def _failed(self, failure: Failure) -> None:
        self._attempt = None
        if self.running:
            self._try_in(self._back_off.delay(), f"no connection ({explain_failure(failure)})")
