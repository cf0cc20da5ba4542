"""What was put to a worker and is not taken yet. The reactor's thread puts, the worker's thread takes.

Nobody waits for an item that *may wait*. It is taken with the next items that take such ones along, or when it has
waited for LONGEST_WAIT_S, or when MOST_WAITING of them are there. So where each text has a commit of its own, because
somebody waits for it, what follows the text shares one with that of many others.
"""

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Generic, TypeVar

from smsconnector.errors import StoreError

Item = TypeVar("Item")
Done = Callable[[Any, StoreError | None], None]
Entry = tuple[Item, Done]
LONGEST_WAIT_S = 0.02
MOST_WAITING = 64  # items


def ignore(_answer: Any, _error: StoreError | None) -> None:
    """A ``Done`` of what nobody has to hear of."""


class Inbox(Generic[Item]):
    """``takes_along``: whether an item that may not wait takes along those that may. Times are seconds."""

    def __init__(self, takes_along: Callable[[Item], bool] = lambda item: True) -> None:
        self._takes_along = takes_along
        self._urgent: deque[Entry[Item]] = deque()
        self._waiting: deque[tuple[Item, Done, float]] = deque()  # the last is when it was put

    def __len__(self) -> int:
        return len(self._urgent) + len(self._waiting)

    def put(self, item: Item, done: Done, now: float, may_wait: bool = False) -> bool:
        """Whether it, or all that waits, is to be taken at once."""
        if not may_wait:
            self._urgent.append((item, done))
            return True
        self._waiting.append((item, done, now))
        return len(self._waiting) >= MOST_WAITING

    def due_in(self, now: float) -> float | None:
        """Seconds until what waits has waited long enough; 0 or less: it has. None: nothing waits."""
        with suppress(IndexError):  # the other thread may take it just now
            return self._waiting[0][2] + LONGEST_WAIT_S - now
        return None

    def take(self, most: int, now: float, everything: bool = False) -> list[Entry[Item]]:
        """What is to be done now, at most ``most`` of either sort: first what has waited. Empty: nothing is."""
        urgent, waiting = self._urgent, self._waiting
        batch = [urgent.popleft() for _ in range(min(len(urgent), most))]
        if waiting and (
            everything
            or len(waiting) >= MOST_WAITING
            or waiting[0][2] + LONGEST_WAIT_S <= now
            or any(self._takes_along(item) for item, _ in batch)
        ):
            return [waiting.popleft()[:2] for _ in range(min(len(waiting), most))] + batch
        return batch
