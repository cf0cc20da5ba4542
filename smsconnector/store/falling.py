"""What can be asked of the store about messages that go on over the channel to which theirs falls back: ``fall_backs``.
As in ``operations``, each class says what its result is, and times are integers in ms since the Unix epoch."""

from dataclasses import dataclass
from typing import NamedTuple


class Fallen(NamedTuple):
    """A message goes on over another channel."""

    message_id: int  # of the message as which it was accepted first
    now: int  # ms


@dataclass(frozen=True, slots=True)
class AwaitFallBacks:
    """What waits to be sent by these channels has time until then, if they did not fall back before. All channels that
    do are named. Result: None."""

    due_at: tuple[tuple[str, int], ...]  # ms, by the name of the channel


@dataclass(frozen=True, slots=True)
class FindFalling:
    """Result: a list of at most ``limit`` messages that are withdrawn, and of at most ``limit`` of which the network of
    their channel has not taken every segment in time; as ``Falling``."""

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
    text: str


@dataclass(frozen=True, slots=True)
class EndFalling:
    """These messages can't go on over another channel. Those that are withdrawn end as FAILED, with the code for which
    they were withdrawn; the others wait for their channel. Result: how many have ended."""

    ids: tuple[int, ...]
    now: int
