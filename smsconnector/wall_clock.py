"""The time of day, for what is stamped and for what has to outlast a restart. It may be set at any moment, so no timer
runs by it: these have the reactor's clock."""

import time
from collections.abc import Callable


class WallClock:
    """``source`` gives seconds since the Unix epoch."""

    def __init__(self, source: Callable[[], float] = time.time) -> None:
        self._source = source

    def milliseconds(self) -> int:
        """Since the Unix epoch; the unit of all times on disk and in the records of ``messages``."""
        return int(self._source() * 1000)
