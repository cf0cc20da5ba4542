"""What has happened to a segment before its last submit and its last receipt, which are in its own row.

So a segment that is taken at once, and has one receipt, has no rows here. An outside that tells ever more of one
segment fills nothing: ``MOST`` rows of each are kept, and what comes later is left out.
"""

import enum
from collections.abc import Sequence
from typing import NamedTuple

from smsconnector.store.rows import Rows, columns

MOST = 50  # rows of one segment


class Kind(enum.IntEnum):
    """What a row tells."""

    SUBMIT = 1  # an attempt that the network did not take
    SILENCE = 2  # an attempt that had no response in time
    LATE = 3  # the response to it came after all
    RECEIPT = 4  # a receipt that has not ended the segment


class SegmentEvent(NamedTuple):
    """A row. ``at`` and ``answered_in`` in ms; ``words``: of a receipt its status word."""

    segment: int
    at: int
    kind: int
    bind: str | None = None
    sequence: int | None = None
    answered_in: int | None = None
    code: int | str | None = None
    words: str | None = None


class SegmentEvents(Rows):
    """Writes them and drops them."""

    def _note_segment_events(self, events: Sequence[SegmentEvent]) -> None:
        if events:
            self._run(
                "INSERT INTO segment_event (segment, at, kind, bind, sequence, answered_in, code, words)"
                f" SELECT {columns(8)} FROM json_each(?1) AS j WHERE"
                " (SELECT count(*) FROM segment_event AS e WHERE e.segment = j.value->>0) < ?2",
                events,
                MOST,
            )

    def _drop_segment_events(self, message_ids: Sequence[int]) -> None:
        """Those of all segments of these messages."""
        if self._one("SELECT coalesce(max(id), 0) FROM segment_event"):
            self._run(
                "DELETE FROM segment_event WHERE id IN (SELECT e.id FROM json_each(?) AS j"
                " CROSS JOIN message AS m ON m.id = j.value"
                " CROSS JOIN segment_event AS e ON e.segment BETWEEN m.id AND m.id + m.segments - 1)",
                message_ids,
            )
