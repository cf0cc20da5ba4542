"""What can be asked of the store about texts that are to be sent later: ``schedules``. As in ``operations``, each class
says what its result is, and times are integers in ms since the Unix epoch."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from smsconnector.messages import Message

if TYPE_CHECKING:
    from smsconnector.store.operations import Accept


@dataclass(frozen=True, slots=True)
class LoadScheduled:
    """Result: a list of at most ``limit`` ``Scheduled`` that are due at ``now``, the longest due first."""

    now: int  # time of day
    limit: int = 500


class Scheduled(NamedTuple):
    """A text that was to be sent later. ``queue`` is where it would have waited, had it been sent when it was
    accepted."""

    id: int
    queue: str
    message: Message


@dataclass(frozen=True, slots=True)
class Release:
    """``accept`` a scheduled message now. It comes behind all that was accepted before, as if it had been posted now,
    and gets new ids. If its number has opted out meanwhile, it ends. Result: an ``Accepted``; NOTHING if it is not
    scheduled any more."""

    accept: "Accept"
    message_id: int  # as which it was scheduled
    now: int
