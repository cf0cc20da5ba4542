"""What can be asked of the store about how much it holds: of all of it, and of what waits before one text. As in
``operations``, each class says what its result is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Measure:
    """Measure how full the store is. Result: a ``Measures``."""

    probe: int | None = None  # octets to write, to see whether the disk can be written; None: write nothing


@dataclass(frozen=True, slots=True)
class Measures:
    """How full the store is."""

    queued: int  # segments that the network has not taken
    waiting_events: int  # neither confirmed nor parked; an event that two sinks are owed counts twice
    parked: int  # receipts that wait for the response to their submit
    parked_events: int  # events that a sink did not take; an event parked at two sinks counts twice
    free: int  # octets that can still be written on the disk
    dropped: int = 0  # receipts that fitted no text in the time for which they are parked; since the process began
    unknown_codes: Mapping[tuple[str, str], int] = field(default_factory=dict)  # of failures that nothing explains
    scheduled: int = 0  # messages that are to be sent later


MOST_OF_A_QUEUE = 100_000  # segments that are counted for the log


@dataclass(frozen=True, slots=True)
class QueuesMeasure:
    """What waits in these queues. Result: for each that has queued segments, by its name, a ``QueueMeasure``."""

    queues: tuple[str, ...]


class QueueMeasure(NamedTuple):
    """``queued``: segments; MOST_OF_A_QUEUE if there are so many or more. ``accepted_at``: ms; of the oldest."""

    queued: int
    accepted_at: int


MOST_COUNTED = 1_000_000  # segments that one query counts, so that it takes some 0.1 s at most


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a text would meet that was accepted now. Result: a ``Prospect``."""

    queue: str
    channel: str
    destination: str
    source: str | None
    can_opt_out: bool  # else it is not looked whether the number has
    is_bulk: bool = False  # then what waits in both classes is before it, else the interactive ones only


class Prospect(NamedTuple):
    """``waiting``: segments that wait before it; MOST_COUNTED if there are so many or more."""

    waiting: int
    opted_out: bool
