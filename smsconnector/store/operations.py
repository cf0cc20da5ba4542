"""What can be asked of the store, as plain records; each class says what its result is.

An *operation* writes. The writer's thread puts many into one transaction: the store groups them by class, and runs the
groups in the order of ``ORDER``, which is the order of cause and effect. So a receipt of the same batch as its submit's
outcome finds that outcome written.

A *query* only reads. The reader's thread answers it from what was committed when it began.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from smsconnector.messages import IncomingSegment, Message, Outcome, Receipt


@dataclass(frozen=True, slots=True)
class Settle:
    """Segments that another process had claimed when it was killed may have been sent; under the policy `hold` they
    end FAILED with the code UNKNOWN. Result: how many there were."""

    now: int
    process: int  # which one asks; its own claims are left alone


@dataclass(frozen=True, slots=True)
class Accept:
    """Write a message and its segments, the first with ``first_id``, for the submitter of ``queue``. Result: None."""

    message: Message
    first_id: int
    queue: str


@dataclass(frozen=True, slots=True)
class Claim:
    """Mark segments as about to be submitted (policy `hold`). Result: the ids that may be."""

    ids: tuple[int, ...]
    process: int


@dataclass(frozen=True, slots=True)
class Unclaim:
    """Claimed segments that are known not to have been sent are queued again. Result: None."""

    ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Postpone:
    """Segments that the network does not take for now, and that memory has no room for: to be tried at ``due_at`` (ms),
    without an attempt's being counted. Result: None."""

    ids: tuple[int, ...]
    due_at: int


@dataclass(frozen=True, slots=True)
class Record:
    """Write what became of submits. ``due_at`` (ms): when to try again, for the verdict RETRY.
    Result: the ids of its messages that became final."""

    outcomes: tuple[tuple[Outcome, int], ...]
    now: int


@dataclass(frozen=True, slots=True)
class Receive:
    """Match receipts and write what they say, or park them. ``report_unknown``: a receipt that fits no message is
    reported under its own id, as from ``channel``. Result: a ``Received``."""

    receipts: tuple[Receipt, ...]
    report_unknown: bool = False
    channel: str = ""


@dataclass(frozen=True, slots=True)
class Received:
    """How many receipts were matched to a message under way, parked, or repeats of what was known; and the ids of the
    messages of several segments that the batch's receipts have ended."""

    matched: int
    parked: int
    repeated: int
    ended: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Incoming:
    """Write incoming texts or parts of them; whole ones become events. Result: the number of new events."""

    segments: tuple[IncomingSegment, ...]


@dataclass(frozen=True, slots=True)
class Confirm:
    """The sink has taken responsibility for these events, ids of the outbox; every event up to ``settled_up_to`` is
    confirmed or parked there. Result: None."""

    sink: str
    events: tuple[int, ...]
    settled_up_to: int
    now: int


class ParkedEvent(NamedTuple):
    """``event``: its id in the outbox; ``kind`` as it is there; ``attempts`` that ended so; ``due_at`` (ms): when it is
    tried again."""

    event: int
    kind: str
    attempts: int
    due_at: int
    reason: str


@dataclass(frozen=True, slots=True)
class ParkEvents:
    """The sink did not take these events: it refused them for good, or wants them later. Each is tried again alone, and
    holds up no other. ``settled_up_to`` as for ``Confirm``. Result: None."""

    sink: str
    events: tuple[ParkedEvent, ...]
    refused: bool
    settled_up_to: int
    now: int


@dataclass(frozen=True, slots=True)
class Sweep:
    """End what is overdue: messages past their lifetime, parts of texts whose others never came. At most
    ``limit`` of each. Result: how many were ended."""

    now: int
    incoming_before: int  # ms; parts received before this are handed on incomplete
    limit: int = 500


@dataclass(frozen=True, slots=True)
class Purge:
    """Drop the texts of what ended before ``texts_before`` (ms), and all of what ended before ``messages_before``, at
    most ``limit`` of each kind. Result: how many rows there were to drop; 0 when there is no more."""

    texts_before: int
    messages_before: int
    limit: int = 200


@dataclass(frozen=True, slots=True)
class Measure:
    """How full the store is. Result: a ``Measures``. ``probe``: write so many octets, to see whether that can be done;
    None: write nothing."""

    probe: int | None = None


@dataclass(frozen=True, slots=True)
class Measures:
    """``queued``: segments that the network has not taken; ``waiting_events``: owed to a sink, once for each;
    ``parked``: receipts that wait for the response to their submit; ``parked_events``: those that a sink did not take;
    ``free``: octets on the disk."""

    queued: int
    waiting_events: int
    parked: int
    parked_events: int
    free: int


Place = tuple[str, int, int]  # queue, due_at, id


@dataclass(frozen=True, slots=True)
class Requeue:
    """At start: queued segments whose queue no configured submitter serves any more, ``limit`` of them behind the place
    ``after``. ``route`` gives the new queue of a message from its channel and number, or None if there is none yet.
    Result: a ``Requeued``."""

    queues: tuple[str, ...]
    route: Callable[[str, str], str | None]
    after: Place = ("", -1, -1)
    limit: int = 2_000


class Requeued(NamedTuple):
    """How many segments were moved; the channels of those that nothing serves, once for each; the place to go on from,
    None at the end."""

    moved: int
    left: list[str]
    after: Place | None


Operation = (
    Settle
    | Requeue
    | Accept
    | Claim
    | Unclaim
    | Postpone
    | Record
    | Receive
    | Incoming
    | Confirm
    | ParkEvents
    | Sweep
    | Purge
    | Measure
)
ORDER: tuple[type[Any], ...] = (
    Settle,
    Requeue,
    Accept,
    Claim,
    Unclaim,
    Postpone,
    Record,
    Receive,
    Incoming,
    Confirm,
    ParkEvents,
    Sweep,
    Purge,
    Measure,
)


# --- queries ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LoadSegments:
    """Result: at most ``limit`` segments of ``queue`` never tried so far with id > ``after``, in order."""

    queue: str
    after: int
    limit: int


NOTHING_DUE = (0, 1 << 62)  # due_at, id: before the first that is due


@dataclass(frozen=True, slots=True)
class LoadDue:
    """Result: at most ``limit`` segments of ``queue`` whose next attempt is due at ``now``, longest due first, behind
    the place ``after``; and the place to go on from, None at the end."""

    queue: str
    now: int
    limit: int
    after: tuple[int, int] = NOTHING_DUE


@dataclass(frozen=True, slots=True)
class LoadRetries:
    """Result: for each message of ``queue`` with segments that wait for another attempt: (destination, message id, how
    many, when it expires), oldest first, at most ``limit``."""

    queue: str
    limit: int


@dataclass(frozen=True, slots=True)
class LoadEvents:
    """Result: at most ``limit`` of the events with id > ``after`` that the sink is owed, in order. To leave out those
    that it has confirmed or that are parked costs time, and there are none behind ``SinkProgress.furthest``: then
    ``may_be_settled`` is False."""

    sink: str
    after: int
    limit: int
    may_be_settled: bool = True


@dataclass(frozen=True, slots=True)
class LoadParkedEvents:
    """Result: at most ``limit`` of the events of that kind that are parked at the sink and due at ``now`` (ms), longest
    due first, each as (event, attempts)."""

    sink: str
    kind: str
    now: int
    limit: int


@dataclass(frozen=True, slots=True)
class LoadProgress:
    """Result: the ``SinkProgress`` of a sink."""

    sink: str


class SinkProgress(NamedTuple):
    """Every event up to ``settled_up_to`` is confirmed or parked; none behind ``furthest`` is."""

    settled_up_to: int
    furthest: int


@dataclass(frozen=True, slots=True)
class Find:
    """Result: the message with this sid as a ``FoundMessage``, or None."""

    sid: str


class FoundSegment(NamedTuple):
    """``state`` is one of ``lifecycle.SegmentState``; ``sent_at`` in ms."""

    number: int
    text: str
    state: int
    attempts: int
    account: str | None
    smsc_id: str | None
    code: int | str | None
    sent_at: int | None


class FoundMessage(NamedTuple):
    """A message as it is on disk; ``state`` is one of ``lifecycle.MessageState``, times are in ms."""

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


Query = LoadSegments | LoadDue | LoadRetries | LoadEvents | LoadParkedEvents | LoadProgress | Find
