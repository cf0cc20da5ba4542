"""Which of the parked events that are due are tried now: a few, so that they hold up nobody.

An event that is refused may cost its sink the connection. It may also be its destination that refuses everything, and
thousands may be due together. So for each kind of event, which is a destination:

1. One is tried alone. If it is refused again, no other of its kind is tried for a while, longer each time.
2. If it is taken, twice as many may be tried together, up to ``MOST``.

No clock and no I/O: the time goes in as seconds.
"""

from random import Random

FIRST_PAUSE_S, LONGEST_PAUSE_S = 5.0, 20.0  # until another parked event of that kind is tried, doubled each time
MOST = 100  # parked events of one kind that are at the sink together


def pause_after(first: float, longest: float, attempts: int, dice: Random) -> float:
    """Seconds until an event is tried again that was tried so often before: ``first``, doubled each time, ``longest``
    at most. The dice take up to a quarter off, so that events that were refused together, here and at other
    connectors, don't come back in one moment."""
    return min(first * 2.0 ** min(attempts, 30), longest) * (0.75 + dice.random() / 4)


class KindOfEvent:
    """What is known of one kind."""

    def __init__(self) -> None:
        self._at_once = 1
        self._pause_s = FIRST_PAUSE_S
        self._not_before = 0.0

    def may_be_tried(self, now: float) -> int:
        """How many, now."""
        return self._at_once if now >= self._not_before else 0

    def taken(self) -> None:
        """One that was parked is confirmed."""
        self._at_once, self._pause_s = min(self._at_once * 2, MOST), FIRST_PAUSE_S

    def refused(self, now: float) -> None:
        """One was refused once more."""
        self._at_once = 1
        self._not_before = now + self._pause_s
        self._pause_s = min(self._pause_s * 2, LONGEST_PAUSE_S)


class KindsOfEvents(dict[str, KindOfEvent]):
    """Each kind that was asked for."""

    def __missing__(self, kind: str) -> KindOfEvent:
        found = self[kind] = KindOfEvent()
        return found
