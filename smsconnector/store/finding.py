"""What can be asked about messages, for those who look at them: one, its whole history, or those that fit.

Times are ms since the Unix epoch, as they stand in the database.
"""

import enum
from typing import NamedTuple

from smsconnector.messages import is_bulk_queue, record
from smsconnector.store.segment_events import SegmentEvent

MOST_FOUND = 200  # messages in one answer


class FoundSegment(NamedTuple):
    """A segment as it is on disk."""

    number: int  # from 1
    text: str  # "" if retention has dropped it
    state: int  # one of lifecycle.SegmentState
    attempts: int  # that are to be repeated
    account: str | None  # over which it was submitted last
    smsc_id: str | None  # as the SMSC wrote it
    code: int | str | None
    sent_at: int | None  # when the outcome of its last submit was written
    due_at: int = 0  # of one that waits: when it is tried again; 0: it was never tried
    bind: str | None = None  # by which it was submitted last
    sequence: int | None = None  # the sequence_number of that submit
    answered_in: int | None = None  # ms from that submit to its response
    told: str | None = None  # the status word of the receipt that ended it
    told_at: int | None = None  # when that came
    queue: str = ""  # in which it waits, or did
    unknowns: int = 0  # earlier submits without an outcome: each may have been taken, under an id that nobody knows


class FoundMessage(NamedTuple):
    """A message as it is on disk. ``state`` is one of ``lifecycle.MessageState``."""

    id: int
    sid: str
    channel: str
    source: str | None
    destination: str
    alphabet: str
    accepted_at: int
    expires_at: int
    state: int
    code: int | str | None
    final_at: int | None
    segments: tuple[FoundSegment, ...]
    reference: str | None = None
    accepted_by: str | None = None
    send_at: int | None = None  # of one that was to be sent later
    left_at: int | None = None  # of such a one: when it was due, or was taken back

    @property
    def is_bulk(self) -> bool:
        """Its class."""
        return bool(self.segments) and is_bulk_queue(self.segments[0].queue)


class Shown(enum.Enum):
    """The states by which messages are looked for: those that a delivery report and a look-up tell."""

    QUEUED = "QUEUED"
    SENT = "SENT"
    DELIVERED = "DELIVERED"
    FAILED = "FAILED"
    SCHEDULED = "SCHEDULED"


@record
class Search:
    """Result: a ``Page`` of the messages that fit all that is given, the newest first. ``before``: those with a smaller
    id than this. A page may have fewer than ``limit``, and even none, while there are more: what one query looks at is
    bounded."""

    to: str | None = None  # the number, as it was accepted
    source: str | None = None
    channel: str | None = None
    state: Shown | None = None
    reference: str | None = None
    smsc_id: str | None = None  # in any of the forms that an SMSC may write it in
    since: int | None = None  # accepted then or later
    until: int | None = None  # accepted before
    before: int | None = None
    limit: int = 50


class Page(NamedTuple):
    """``before`` is for the next page; None: there is nothing more."""

    messages: list[FoundMessage]
    before: int | None


class PlaceOfBoth(NamedTuple):
    """Messages with a smaller id than this, and events with a smaller id; 0: there are none."""

    message: int
    event: int


@record
class FindExchanged:
    """Result: an ``Exchanged`` of the texts to a number and those from it, the newest first. Pages as of ``Search``."""

    number: str  # without a plus
    channel: str | None = None
    since: int | None = None  # accepted or received then or later
    until: int | None = None
    before: PlaceOfBoth | None = None
    limit: int = 50


class FoundText(NamedTuple):
    """A text from a customer, as the event that tells of it. ``id`` is that of the event."""

    id: int
    event_id: str
    channel: str
    body: str  # JSON
    received_at: int
    headers: str | None  # as of ``messages.Event``
    answered: str | None  # the channel of the message that the headers name; None: they name none, or it is gone


class Exchanged(NamedTuple):
    """``before`` is for the next page; None: there is nothing more."""

    found: list[FoundMessage | FoundText]
    before: PlaceOfBoth | None


@record
class FindTimeline:
    """Result: the ``Timeline`` of the message with this sid, or None."""

    sid: str


class Told(NamedTuple):
    """What a sink did with the report."""

    sink: str
    at: int
    is_confirmed: bool  # False: it is parked there
    attempts: int = 0  # of a parked one
    reason: str = ""  # of a parked one: the sink's own words


class Report(NamedTuple):
    """The event that reports the end of a message."""

    event_id: str
    at: int
    told: tuple[Told, ...]


class Leg(NamedTuple):
    """A message as it was with one channel. ``events``: what happened to its segments, in the order of writing."""

    message: FoundMessage
    events: tuple[SegmentEvent, ...]


class Timeline(NamedTuple):
    """``legs``: the first one first; more than one if it went on over other channels. The last one is the message that
    is found by the sid."""

    legs: tuple[Leg, ...]
    report: Report | None
