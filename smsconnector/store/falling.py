"""What can be asked of the store about messages that go on over the channel to which theirs falls back: ``fall_backs``.
As in ``operations``, each class says what its result is, and times are integers in ms since the Unix epoch."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from smsconnector.store.operations import Accept


@dataclass(frozen=True, slots=True)
class Move:
    """``accept`` a message for another channel. It has the MessageSID of the one as which it was accepted before; that
    one ends here without a report. It comes behind what the network has told in the same batch: that may have ended
    it. Result: an ``Accepted``."""

    accept: "Accept"
    message_id: int  # of the other one
    now: int


@dataclass(frozen=True, slots=True)
class AwaitFallBacks:
    """What waits to be sent by these channels has time until then, if they did not fall back before. All channels that
    do are named. Result: None."""

    due_at: tuple[tuple[str, int], ...]  # ms, by the name of the channel


@dataclass(frozen=True, slots=True)
class FindFalling:
    """Result: a ``Found`` with at most ``limit`` messages that are withdrawn, and at most ``limit`` of which the
    network of their channel has not taken every segment in time."""

    now: int  # ms, of the clock that nobody sets: ``WallClock.steady_milliseconds``
    limit: int = 500


class Falling(NamedTuple):
    """A message that is to go on over another channel."""

    id: int
    sid: str
    channel: str
    source: str | None
    destination: str
    segments: int  # how many it has
    accepted_at: int  # ms
    expires_at: int  # ms
    is_limited: bool
    is_withdrawn: bool  # its channel sends it no more; if not, it may still send it
    code: int | str | None  # for which it was withdrawn
    text: str
    is_bulk: bool = False


class Found(NamedTuple):
    """What a ``FindFalling`` has found."""

    falling: list[Falling]
    has_more: bool  # it has looked at as many as it may


@dataclass(frozen=True, slots=True)
class EndFalling:
    """These messages can't go on over another channel. Those that are withdrawn end as FAILED, with the code for which
    they were withdrawn; the others wait for their channel. Result: how many have ended."""

    ids: tuple[int, ...]
    now: int
