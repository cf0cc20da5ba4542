"""The records that the packages exchange: messages, segments, outcomes, receipts and events.

They never change: see ``record``. Times are integers in milliseconds since the Unix epoch. Texts are ``str``. Addresses
are ``str`` as the SMSC sees them: digits without ``+``, or an alphanumeric sender.

``Segment.id`` counts up in each database. The id of a message is the id of its first segment. So ``message_id`` is
``segment.id - (segment.number - 1)``, and the order of ids is the order of acceptance.
"""

import enum
import os
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True)
def record(made: type[T]) -> type[T]:
    """The dataclass of a record that is made for each text. The type checker takes it for a frozen one. It is not
    frozen when it runs, because a frozen one takes three times as long to make."""
    return dataclass(slots=True, unsafe_hash=True)(made)


_BULK = "!bulk"  # no name of a channel, and no prefix, has such a character


def bulk_queue(queue: str) -> str:
    """The queue on disk of the bulk texts that go the same way as the interactive ones of ``queue``. It is another one,
    so that the next interactive text is found without passing over bulk ones, and by the index that is there anyway."""
    return queue + _BULK


def is_bulk_queue(queue: str) -> bool:
    return queue.endswith(_BULK)


def route_queue(queue: str) -> str:
    """The name of the route's own queue, of which ``queue`` is that of one class."""
    return queue.removesuffix(_BULK)


LONGEST_WAIT = 3_600.0  # seconds; what a provider or a consumer asks for beyond that is a mistake


class Callback(NamedTuple):
    """Where the report of one message is posted, beside the sinks. ``host`` is the one of the configuration that allows
    it. ``url`` is never shown: its query may hold a secret."""

    host: str
    url: str

    def __repr__(self) -> str:
        return f"<Callback {self.host}>"


@record
class Message:
    """A text to a handset (MT), as it was accepted, already split into segments."""

    sid: str
    channel: str
    source: str | None
    destination: str
    alphabet: str  # "gsm7", "ucs2", ...: how every segment is encoded
    segments: tuple[str, ...]  # the text of each segment, in order; joined they are the body
    accepted_at: int  # ms
    expires_at: int  # ms; after this a message without final outcome is reported FAILED
    is_limited: bool = False  # the request set the lifetime, so the network is told it as the validity period
    reference: str | None = None  # what the application calls it
    accepted_by: str | None = None  # the name of the key with which it came
    is_bulk: bool = False  # its class: interactive texts go before bulk ones, up to their share
    send_at: int | None = None  # ms, time of day: not to be sent before; None: at once
    callback: Callback | None = None  # StatusCallback


@record
class Segment:
    """What a channel submits with one submit_sm, or with one request to an HTTP provider."""

    id: int
    number: int  # from 1 to count
    count: int  # how many segments the message has
    text: str
    alphabet: str
    source: str | None
    destination: str
    expires_at: int  # ms
    attempts: int = 0  # submits that ended in a temporary refusal or an unknown outcome so far
    is_limited: bool = False  # as its message
    throttles: int = 0  # how often in a row the network has throttled it, as far as is known
    unknowns: int = 0  # submits of ``attempts`` whose outcome is unknown: each may have reached the handset
    sid: str = ""  # the MessageSID of its message
    is_bulk: bool = False  # as its message

    @property
    def message_id(self) -> int:
        return self.id - self.number + 1

    @property
    def reference(self) -> int:
        """The concatenation reference of the message, to be cut to 8 or 16 bits (GSM 03.40 9.2.3.24.1)."""
        return self.message_id


def segments_of(message: Message, first_id: int) -> list[Segment]:
    """The segments of a message that was not tried yet; the ids of all follow that of the first."""
    count, segments = len(message.segments), []
    for number, text in enumerate(message.segments, 1):
        segments.append(
            Segment(
                id=first_id + number - 1,
                number=number,
                count=count,
                text=text,
                alphabet=message.alphabet,
                source=message.source,
                destination=message.destination,
                expires_at=message.expires_at,
                is_limited=message.is_limited,
                sid=message.sid,
                is_bulk=message.is_bulk,
            )
        )
    return segments


class Verdict(enum.IntEnum):
    """What became of one submit."""

    ACCEPTED = 1  # the SMSC took it and gave an id
    RETRY = 2  # temporary refusal: try again later, an attempt is counted
    REFUSED = 3  # permanent refusal
    UNKNOWN = 4  # no response came: it may or may not have been sent
    DONE = 5  # the SMSC took it, and no receipt was asked for: this is the end


@record
class Outcome:
    """The result of submitting ``segment`` on ``account`` (the SMSC account whose ids are comparable)."""

    segment: Segment
    verdict: Verdict
    account: str
    smsc_id: str | None = None  # ACCEPTED: as the SMSC wrote it
    code: int | str | None = None  # command_status or the provider's word, for the report
    retry_in: float | None = None  # seconds, with RETRY: when to try again, if the policy says so
    may_come_late: bool = False  # UNKNOWN: the connection is still there, so a late response may still tell
    bind: str | None = None  # the name of the bind that has submitted it
    sequence: int | None = None  # the sequence_number of the submit
    answered_in: int | None = None  # ms from the submit to its response

    def decided(self, verdict: Verdict, code: int | str | None) -> "Outcome":
        """The same submit with another verdict, by whoever decides what follows from it."""
        how = (self.bind, self.sequence, self.answered_in)
        return Outcome(self.segment, verdict, self.account, None, code, None, False, *how)


@record
class OutcomeOfParts(Outcome):
    """An ACCEPTED by an HTTP provider that has made parts of the segment, and gave each an id. ``other_ids``: those
    after ``smsc_id``. ``one_report``: a report of any of them is about all of the segment. A class of its own, so that
    nobody else pays for these fields."""

    other_ids: tuple[str, ...] = ()
    one_report: bool = False


@record
class OutcomeFound(Outcome):
    """The network was asked whether it had taken the segment, and has one like it, under ``smsc_id``. If another
    segment has that id, it is that one."""


class Finality(enum.IntEnum):
    """What a receipt says about its segment."""

    PROGRESS = 0
    DELIVERED = 1
    FAILED = 2
    UNCLEAR = 3  # perhaps an end, which is no delivery: the word is UNKNOWN, or one that nobody knows


@record
class IncomingSegment:
    """A text from a handset (MO), or one part of it. ``count`` 1 means that it is whole."""

    channel: str
    account: str
    source: str
    destination: str
    text: str
    received_at: int  # ms
    reference: int = 0
    number: int = 1
    count: int = 1
    sid: str | None = None  # the provider's id (SmsSid); None: the connector makes one
    is_binary: bool = False  # text holds octets, as hexadecimal digits
    written_in: str | None = None  # of a part: the alphabet of its octets, which text holds as hexadecimal digits


@record
class Receipt:
    """A delivery receipt (SMPP) or status notification (HTTP provider), read but not yet matched."""

    account: str
    smsc_id: str  # as it was written
    finality: Finality
    code: int | str  # ProviderStatusCode: the raw err or network_error_code, else the status word
    status: str  # the status word, for the timeline
    received_at: int  # ms
    destination: str = ""  # its source_addr: the handset's number; "" if it has none
    addressee: str = ""  # its destination_addr: the handset's number if the SMSC does not swap the addresses
    incoming: IncomingSegment | None = None  # if esm_class does not mark it as a receipt: the text that it may be


@record
class ReceiptOfPart(Receipt):
    """A notification that names our own id of the segment too. ``smsc_id`` may be one of several that the provider has
    given it."""

    own_id: str = ""


DELIVERY_REPORT = "delivery_report"
INCOMING_MESSAGE = "incoming_message"
KINDS_OF_EVENTS = (DELIVERY_REPORT, INCOMING_MESSAGE)


class Selection(NamedTuple):
    """Which events a sink wants: of one of these kinds, and of one of these channels. () stands for all. ``callback``:
    only the reports of messages with a callback to that host."""

    kinds: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    callback: str | None = None


ALL_EVENTS = Selection()
CALLBACK_SINK = "callback:"  # before the host: the name of the sink for callbacks to it; no other has a colon


@record
class Event:
    """One entry of the outbox. ``kind`` is DELIVERY_REPORT or INCOMING_MESSAGE. ``body`` is JSON in ASCII, without NUL.
    ``event_id`` is the same each time that the event is sent. ``attempts``: how often its sink has refused it, or
    wanted it later. ``created_at``: ms since the Unix epoch."""

    id: int
    event_id: str
    kind: str
    jms_type: str
    body: str
    attempts: int = field(default=0, compare=False)
    created_at: int = field(default=0, compare=False)
    headers: str | None = field(default=None, compare=False)  # what it says beside its body: a JSON object of strings
    callback: Callback | None = field(default=None, compare=False)  # of its message


_sid_counter = int.from_bytes(os.urandom(3), "big")
_RANDOM_AT_ONCE = 256  # MessageSIDs whose random digits are fetched together, for each fetch is a system call
_random_digits: list[str] = []


def new_sid(now_ms: int) -> str:
    """A new MessageSID: ``SM`` and 32 hexadecimal digits. ``now_ms`` is in ms since the Unix epoch.

    The first 12 digits are the time, so that an index over MessageSIDs grows at its end. Then come 6 digits of a
    counter and 14 random ones, which make the MessageSID unique and hard to guess."""
    global _sid_counter  # noqa: PLW0603 — the counter has to be the only one of the process
    _sid_counter = (_sid_counter + 1) & 0xFFFFFF
    try:
        random_digits = _random_digits.pop()  # by one thread alone, whoever else is about to
    except IndexError:
        digits = os.urandom(7 * _RANDOM_AT_ONCE).hex()
        _random_digits.extend(digits[at : at + 14] for at in range(14, len(digits), 14))
        random_digits = digits[:14]
    return f"SM{now_ms & 0xFFFFFFFFFFFF:012x}{_sid_counter:06x}{random_digits}"
