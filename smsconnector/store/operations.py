"""What can be asked of the store, as plain records. Each class says what its result is.

An *operation* writes. The writer's thread puts many operations into one transaction: the store groups them by class,
and runs the groups in the order of ``ORDER``. Causes come before effects in it. So a receipt finds the outcome of its
submit written, even if both are in the same batch.

A *query* only reads. The reader's thread answers it from what was committed when the query began.

Times are integers in ms since the Unix epoch. ``now`` is the time of the operation.
"""

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, get_args

from smsconnector.messages import Event, IncomingSegment, Message, Outcome, Receipt, Selection, record
from smsconnector.sms.opt_out import Wish
from smsconnector.store.configuring import Configure, CountQueued
from smsconnector.store.falling import AwaitFallBacks, EndFalling, FindFalling, Move
from smsconnector.store.finding import FindExchanged, FindTimeline, Search
from smsconnector.store.measures import Measure as Measure  # noqa: PLC0414 — an operation as all others
from smsconnector.store.measures import Measures as Measures  # noqa: PLC0414
from smsconnector.store.measures import Outlook, QueuesMeasure
from smsconnector.store.repeats import AcceptOnce, FindFirst
from smsconnector.store.scheduling import LoadScheduled, Release


@dataclass(frozen=True, slots=True)
class Settle:
    """End the claimed segments of killed processes as FAILED with the code UNKNOWN: they may have been sent (policy
    ``hold``). Those of which a provider may still tell are kept for a grace. Result: how many were ended."""

    now: int
    process: int  # the number of the process that asks; its own claims stay


class Accepted(enum.IntEnum):
    """What became of an ``Accept``. The one that is 0 is by far the most frequent."""

    QUEUED = 0
    ENDED = 1  # its number has opted out
    NOTHING = 2  # nothing was written: the message from which it goes on has ended, or was taken after all
    SCHEDULED = 3  # it is to be sent later


@record
class Accept:
    """Write a message and its segments for the submitter of ``queue``. The ids of the segments are ``first_id`` and
    those that follow it. If the number has opted out, the message is ended in the same commit, unless it is to go
    ``despite_opt_out``. Result: an ``Accepted``.

    ``fall_back_at`` (ms): if the network has not taken it by then, it goes on over another channel; None: it does
    not."""

    message: Message
    first_id: int
    queue: str
    despite_opt_out: bool = False
    fall_back_at: int | None = None


@record
class Schedule(Accept):
    """Write a message that is to be sent later, at ``message.send_at``. It is in no queue until then. Result: an
    ``Accepted``."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Mark segments as about to be submitted (policy ``hold``). Result: the ids of those that may be submitted."""

    ids: tuple[int, ...]
    process: int  # the number of the process that submits them


@dataclass(frozen=True, slots=True)
class Unclaim:
    """Queue claimed segments again that are known not to have been sent. Result: None."""

    ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Postpone:
    """Queue segments that memory has no room for, for a try at ``due_at`` (ms). No attempt is counted. Result: None."""

    ids: tuple[int, ...]
    due_at: int


@record
class Record:
    """Write what became of submits. A segment with the verdict UNKNOWN is not sent again: it stays claimed, so that a
    late response can still tell, and ends after a grace. Result: the ids of the messages of these segments that became
    final."""

    outcomes: tuple[tuple[Outcome, int], ...]  # each with its due_at (ms): when to try again, for the verdict RETRY
    now: int
    process: int = 0  # the number of the process that has submitted them
    earlier_now: int | None = None  # ``WallClock.earlier_milliseconds``, by which the age of receipts is judged


@dataclass(frozen=True, slots=True)
class Cancel:
    """End a message of which the network has not got, and will not get, anything: FAILED with the code CANCELLED. Who
    asks has seen to it that no segment of it is under way. Result: whether it was ended; if not, it was sent, perhaps
    sent, or has ended before."""

    message_id: int
    now: int


@dataclass(frozen=True, slots=True)
class CancelTaken:
    """The same of a message that the network had, and has taken back. Result: whether it was ended; if not, something
    was told of it before. In one batch it goes before receipts: that of the taking back may have come with the
    answer."""

    message_id: int
    now: int


@record
class Receive:
    """Match receipts and write what they say, or park them. With ``report_unknown`` a receipt that fits no message is
    not parked: it is reported under the id it names, as of ``channel``. Result: a ``Received``."""

    receipts: tuple[Receipt, ...]
    report_unknown: bool = False
    channel: str = ""


@record
class Received:
    """What became of the receipts of a ``Receive``. Receipts that only tell of progress are in none of the numbers."""

    matched: int  # changed the state of a segment, or were reported as unknown
    parked: int
    repeated: int  # matched a segment whose state they could not change
    ended: tuple[int, ...] = ()  # of which a segment may wait to be sent; the first Receive of a batch has all of them


class HeardWish(NamedTuple):
    """A customer has written STOP, START or HELP, in whatever language."""

    wish: Wish
    channel: str
    number: str  # of the customer
    is_new: bool  # it has changed something, or wants an answer
    answer: Accept | None = None  # written with it


class Heard(NamedTuple):
    """What an ``Incoming`` has said, on channels that have rules for opting out."""

    wishes: tuple[HeardWish, ...] = ()


@record
class Incoming:
    """Write incoming texts, or parts of texts. Whole texts become events. ``answers``, by the place of a text: what is
    accepted with it if it is a word that is new. Result: ``Heard``."""

    segments: tuple[IncomingSegment, ...]
    answers: tuple[tuple[int, Accept], ...] = ()


@record
class Confirm:
    """The sink has taken responsibility for these events. Result: None."""

    sink: str  # its name
    events: tuple[int, ...]  # their ids in the outbox
    settled_up_to: int  # the sink has confirmed or parked every event up to this id
    now: int


NOT_AGAIN = 1 << 62  # ms; the due_at of a parked event that is not tried again until an operator wants it


class ParkedEvent(NamedTuple):
    """An event that a sink did not take."""

    event: int  # its id in the outbox
    kind: str  # as in the outbox
    attempts: int  # that the sink did not take, this one included
    due_at: int  # ms; when it is tried again; NOT_AGAIN: never by itself
    reason: str  # the sink's own words


@dataclass(frozen=True, slots=True)
class ParkEvents:
    """The sink did not take these events: it refused them, or (``refused`` False) wants them later. Each is tried again
    alone, and other events do not wait for it. ``settled_up_to`` as for ``Confirm``. Result: None."""

    sink: str
    events: tuple[ParkedEvent, ...]
    refused: bool
    settled_up_to: int
    now: int


@dataclass(frozen=True, slots=True)
class Sweep:
    """End what is overdue: messages past their lifetime or past the time for receipts, segments whose presumed end is
    due, incoming texts whose missing parts never came, and receipts that have been parked for too long. Result: a
    ``Swept``."""

    now: int
    incoming_before: int  # ms; a text with a part received at this time or before is handed on incomplete
    limit: int = 500  # of each kind
    under_way: tuple[int, ...] = ()  # the ids of messages that are being submitted: their lifetime is not over yet
    process: int = 0  # the number of the process that asks
    steady_now: int | None = None  # ``WallClock.steady_milliseconds``, by which lifetimes are judged; None: as ``now``
    earlier_now: int | None = None  # ``WallClock.earlier_milliseconds``, by which the age of stamps is judged

    @property
    def over(self) -> int:
        """ms; lifetimes that end at this time or before are over."""
        return self.now if self.steady_now is None else self.steady_now

    @property
    def earlier(self) -> int:
        """ms; by which is judged how long ago something was stamped."""
        return self.now if self.earlier_now is None else self.earlier_now


class Swept(NamedTuple):
    """What a ``Sweep`` has done."""

    number: int  # how many were ended, or begin to wait for receipts only; there may be more if it is not 0
    ended: tuple[int, ...]  # the messages of several segments that ended before their lifetime was over


@dataclass(frozen=True, slots=True)
class Purge:
    """Drop what has been kept long enough. Result: how many messages and events this step dropped or emptied; 0 when
    there is nothing left to drop."""

    texts_before: int  # ms; the texts of messages and the bodies of events are dropped if they ended by then
    messages_before: int  # ms; messages and events that ended by then are dropped
    limit: int = 200  # of each kind
    now: int = 1 << 62  # ms; what was written later has its time from a clock that was wrong


class QueuePlace(NamedTuple):
    """A place among the queued segments, in the order of queue, due_at and id."""

    queue: str
    due_at: int  # ms; 0: never tried, or due at once
    segment_id: int


BEGINNING = QueuePlace("", -1, -1)  # before every segment


@dataclass(frozen=True, slots=True)
class Requeue:
    """Move queued segments to the queues of the configuration. Those in queues that no submitter serves are looked at;
    and those in all queues if one is served now that was not when this was last done to the end. One step looks at
    most at ``limit`` of them. Result: a ``Requeued``."""

    queues: tuple[str, ...]  # those that a submitter serves
    route: Callable[[str, str], str | None]  # the new queue for a channel and a number; None if nothing serves them
    after: QueuePlace = BEGINNING  # where the step before this one ended
    limit: int = 2_000


class Requeued(NamedTuple):
    """What one step of ``Requeue`` has done."""

    moved: int  # segments
    left: list[str]  # for each segment that nothing serves, its channel
    after: QueuePlace | None  # where the next step begins; None: there is nothing more


Operation = (
    Configure
    | Settle
    | AwaitFallBacks
    | Requeue
    | Accept
    | Schedule
    | AcceptOnce
    | Claim
    | Unclaim
    | Postpone
    | Record
    | CancelTaken
    | Receive
    | Cancel
    | Release
    | Incoming
    | Confirm
    | ParkEvents
    | Move
    | FindFalling
    | EndFalling
    | Sweep
    | Purge
    | Measure
)
ORDER: tuple[type[Any], ...] = get_args(Operation)


# --- queries ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LoadSegments:
    """Result: a list of at most ``limit`` segments of ``queue`` that are due at once (``due_at`` 0) and have an id
    greater than ``after``, in the order of their ids."""

    queue: str
    after: int
    limit: int


class DuePlace(NamedTuple):
    """A place among the segments of one queue, in the order of due_at and id."""

    due_at: int  # ms
    segment_id: int


NOTHING_DUE = DuePlace(0, 1 << 62)  # behind those with due_at 0, before all that are tried again


@dataclass(frozen=True, slots=True)
class LoadDue:
    """Result: a list of at most ``limit`` segments of ``queue`` that are tried again and due at ``now`` (ms), the
    longest due first, behind the place ``after``; and the ``DuePlace`` to go on from, None if there are no more. Those
    that are due later than ``latest`` (ms) count as due: that was written before the clock was set back."""

    queue: str
    now: int
    limit: int
    after: DuePlace = NOTHING_DUE
    latest: int = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class LoadRetries:
    """Result: for each message of ``queue``, of both classes, with segments that wait for another
    attempt a tuple (destination, message id, number of such segments, when it expires in ms), the oldest first, at most
    ``limit``."""

    queue: str
    limit: int


EVENT_OCTETS = 2_000_000  # octets of the bodies of events that one query reads; it may be one body more


@dataclass(frozen=True, slots=True)
class LoadEvents:
    """Result: at most ``limit`` events with an id greater than ``after`` that the sink has neither confirmed nor
    parked, in the order of their ids. It ends with the event that makes it ``EVENT_OCTETS`` or more."""

    sink: str  # its name
    after: int
    limit: int
    may_be_settled: bool = True  # False if none behind ``after`` is confirmed or parked: to look for them takes time
    only: str | None = None  # events of that kind
    up_to: int | None = None  # the greatest id


EVENTS_EXAMINED = 20_000  # events that one query of a selection looks at, so that it takes some milliseconds at most


@dataclass(frozen=True, slots=True)
class LoadSelected:
    """As ``load``, but only events of the ``selection``; it looks at ``EVENTS_EXAMINED`` events at most. Result: a
    ``Selected``."""

    load: LoadEvents
    selection: Selection


class Selected(NamedTuple):
    """What a ``LoadSelected`` has found."""

    events: list[Event]
    examined: int  # every event up to this id was looked at
    has_more: bool  # there may be more of them behind that


@dataclass(frozen=True, slots=True)
class LoadParkedEvents:
    """Result: at most ``limit`` of the events of that kind that are parked at the sink and due at ``now`` (ms), longest
    due first, with their ``attempts``. It ends with the event that makes it ``EVENT_OCTETS`` or more. ``latest`` as for
    ``LoadDue``; those that are due at NOT_AGAIN are left out."""

    sink: str
    kind: str
    now: int
    limit: int
    latest: int = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class LoadProgress:
    """Result: the ``SinkProgress`` of a sink."""

    sink: str


class SinkProgress(NamedTuple):
    """How far a sink has come with the events of the outbox."""

    settled_up_to: int  # every event up to this id is confirmed or parked
    furthest: int  # no event with a greater id is confirmed or parked


@record
class Find:
    """Result: the message with this sid as a ``finding.FoundMessage``, or None."""

    sid: str


Query = (
    LoadSegments
    | LoadDue
    | LoadRetries
    | LoadScheduled
    | LoadEvents
    | LoadSelected
    | LoadParkedEvents
    | LoadProgress
    | Find
    | FindTimeline
    | Search
    | FindExchanged
    | Outlook
    | QueuesMeasure
    | CountQueued
    | FindFirst
)
