"""What need not be sent any more, while memory may still hold a copy of it.

1. A message has ended while segments of it wait: another one was refused, or a receipt said so. What waits is obsolete.
2. A segment was given up for unanswered, and turns out to have been taken: its next attempt is obsolete.
3. A message has moved to another channel (``withdrawal``).
4. A message whose lifetime is over is obsolete by itself.

Nothing is lost if something of 1 and 2 is forgotten here: it costs a submit that is of no use. So these sets are
emptied when there are too many, and all of them when memory holds no segments.
"""

from collections.abc import Iterable

from smsconnector.messages import Segment

MOST_REMEMBERED = 10_000  # messages that have ended, and segments that were taken late, at most


class Obsolete:
    """``messages`` are the ids of messages that have ended, ``moved`` of those that have moved; ``taken`` the ids of
    segments that were taken late."""

    def __init__(self) -> None:
        self.messages: set[int] = set()
        self.moved: set[int] = set()
        self.taken: set[int] = set()

    def add_messages(self, message_ids: Iterable[int]) -> None:
        if len(self.messages) > MOST_REMEMBERED:
            self.messages.clear()
        self.messages.update(message_ids)

    def add_taken(self, segment_id: int) -> None:
        if len(self.taken) > MOST_REMEMBERED:
            self.taken.clear()
        self.taken.add(segment_id)

    def covers(self, segment: Segment, now_ms: int) -> bool:
        """Whether this segment need not be sent any more."""
        message_id = segment.message_id
        is_over = segment.expires_at <= now_ms or message_id in self.messages or message_id in self.moved
        return is_over or segment.id in self.taken

    def forget(self, but_taken: bool) -> None:
        """Memory holds no segments any more."""
        self.messages.clear()
        self.moved.clear()
        if not but_taken:
            self.taken.clear()
