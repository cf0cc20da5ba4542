"""What has happened since the process began, in plain numbers: for the log, for health, and for metrics.

1. Whoever makes something happen adds to a ``Family``: the store with each batch that it has committed, by what the
   batch was about; the doors and the wires only where something is refused. Nothing is added for each text.
2. ``Figures.read`` gives all numbers at one moment. They only rise.
3. ``Recent`` keeps some of these readings, and tells what happened in the last minutes: one minus the other.

One thread adds to a family; any thread may read. Keys are bounded: whoever is outside may invent codes.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

MOST_KEYS = 400  # of a family
OTHER = "other"
Key = tuple[str | int, ...]
Counts = Mapping[Any, int]  # by Key, which has the values of a family's labels


class Family:
    """Numbers of one kind. ``labels`` are the names of what a key has; ``name`` and ``words`` are for metrics."""

    def __init__(self, name: str, labels: tuple[str, ...], words: str) -> None:
        self.name, self.labels, self.words = name, labels, words
        self._counts: dict[Key, int] = {}

    def add(self, key: Key, count: int = 1) -> None:
        """``count`` more of this. The first value of a key is one of few; where there are too many keys, the others
        become OTHER."""
        if key not in self._counts and len(self._counts) >= MOST_KEYS:
            key = (key[0], *(OTHER for _ in key[1:]))
            if key not in self._counts and len(self._counts) >= 2 * MOST_KEYS:
                key = tuple(OTHER for _ in key)
        self._counts[key] = self._counts.get(key, 0) + count

    def add_all(self, counts: Counts) -> None:
        for key, count in counts.items():
            self.add(key, count)

    def read(self) -> dict[Key, int]:
        """A copy, which is made in one step of the interpreter."""
        return self._counts.copy()


Reading = Mapping[str, Counts]  # by the names of the families


class Figures:
    """All families. The values of the labels:

    ``channel``  its name in the configuration
    ``verdict``  the name of a ``messages.Verdict``
    ``status``   the code that came with it; "" if there was none
    ``state``    delivered, failed, unclear, progress
    ``code``     ProviderStatusCode, as it is in the report: a number that is an int is another code than one that is a
                 str. Of a refused request: its word
    """

    def __init__(self) -> None:
        self.accepted = Family("accepted", ("channel",), "Texts that were accepted")
        self.responses = Family("responses", ("channel", "verdict", "status"), "What networks answered to submits")
        self.receipts = Family("receipts", ("channel", "state"), "Receipts; without a channel: those that fit no text")
        self.given_up = Family("given_up", ("account",), "Receipts that fitted no text, and were dropped")
        self.reports = Family("reports", ("channel", "state", "code"), "How texts have ended")
        self.incoming = Family("incoming", ("channel",), "Texts from handsets")
        self.published = Family("published", ("sink",), "Events that a sink has taken")
        self.refused = Family("refused", ("code", "status"), "Requests that were refused")
        self.throttled = Family("throttled", ("channel", "bind", "status"), "Submits to be sent again after a pause")

    def __iter__(self) -> Iterator[Family]:
        return iter(vars(self).values())

    def read(self) -> Reading:
        """All numbers, now."""
        return {family.name: family.read() for family in self}


class Moment(NamedTuple):
    """``at``: seconds of a clock that only rises."""

    at: float
    reading: Reading


class Recent:
    """The readings of the last ``longest`` seconds. There is one from the beginning: nothing, at ``began``."""

    def __init__(self, figures: Figures, began: float, longest: float = 300.0) -> None:
        self._figures, self._longest = figures, longest
        self._moments = deque([Moment(began, figures.read())])

    def take(self, now: float) -> None:
        """Keep the numbers of this moment."""
        self._moments.append(Moment(now, self._figures.read()))
        while len(self._moments) > 2 and self._moments[1].at <= now - self._longest:
            self._moments.popleft()

    def since(self, seconds: float, until: float = 0.0) -> "Happened":
        """What happened from so many seconds before the last reading to ``until`` seconds before it."""
        last = self._moments[-1].at
        return Happened(self._at(last - seconds), self._at(last - until))

    def _at(self, moment: float) -> Reading:
        """The newest reading that is as old; else the oldest."""
        found = self._moments[0]
        for one in self._moments:
            if one.at > moment + 1e-6:
                break
            found = one
        return found.reading


class Happened:
    """What happened between two readings."""

    def __init__(self, before: Reading, after: Reading) -> None:
        self._before, self._after = before, after

    def counts(self, family: str) -> dict[Key, int]:
        """Of a family, by its keys; those that are not 0."""
        before = self._before[family]
        found = {key: count - before.get(key, 0) for key, count in self._after[family].items()}
        return {key: count for key, count in found.items() if count}

    def number(self, family: str, *key: str | int) -> int:
        """How many of a family, whose keys begin with these values."""
        return sum(count for one, count in self.counts(family).items() if one[: len(key)] == key)

    @property
    def is_nothing(self) -> bool:
        return self._before == self._after
