"""Notifications and texts out of a provider's request.

1. ``documents`` finds the records of the request: one, or a list.
2. A ``NotificationReading`` makes receipts of a record, an ``IncomingReading`` a text. A record that the one is not
   for (``Layout.where``) may be for the other: some providers post both to one URL.
3. A record that can't be read is a fault, and the others are read all the same. A request of which nothing can be read
   is ``Unreadable``.

A status word that is not in the table tells of progress: providers invent words, and the one that ends a text comes, or
the text expires. Such words are given back, to be counted.
"""

import base64
import hashlib
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol
from urllib.parse import unquote_to_bytes

from smsconnector.hooks.documents import Body, Layout, Paths, Record, records_of, scalar
from smsconnector.hooks.requests import HookRequest, Unreadable
from smsconnector.messages import Finality, IncomingSegment, Receipt, ReceiptOfPart

LONGEST_ID = 128  # characters; an id goes into headers of the queue's messages
LONGEST_WORD = 64
PATTERN_CHARACTERS = 4_096  # of a value that id_pattern is tried on, as for the answers of providers
WHOLE = Layout()
NO_IDS = frozenset(("", "null", "none", "nil", "undefined"))  # what templates write for nothing

# Words that mean the same at every provider that has them.
WORDS: Mapping[str, Finality] = {
    **dict.fromkeys(("delivered", "read"), Finality.DELIVERED),
    **dict.fromkeys(
        ("undelivered", "failed", "canceled", "cancelled", "rejected", "expired", "deleted", "undeliverable"),
        Finality.FAILED,
    ),
    **dict.fromkeys(
        ("queued", "scheduled", "accepted", "buffered", "pending", "sending", "submitted", "sent"), Finality.PROGRESS
    ),
}


class Source(NamedTuple):
    """Where a request came in: the channel, the time in ms, and our own id that its path names, or None.
    ``names_parts`` as in ``Hook``."""

    channel: str
    received_at: int
    sid: str | None = None
    names_parts: bool = False

    def ids(self, theirs: Callable[[], str]) -> tuple[str, str]:
        """The id by which a receipt is matched, and our own one beside it, "" if that says nothing more. ``theirs``
        gives the provider's id, or raises Unreadable."""
        if self.sid is None:
            return theirs(), ""
        if self.names_parts:
            try:
                smsc_id = theirs()
            except Unreadable:
                return self.sid, ""
            if smsc_id != self.sid:
                return smsc_id, self.sid
        return self.sid, ""


def receipt_of(own_id: str, **fields: Any) -> Receipt:
    """A receipt, and with our own id one of a part."""
    return ReceiptOfPart(**fields, own_id=own_id) if own_id else Receipt(**fields)


@dataclass(slots=True)
class Found:
    """What a request tells. ``unknown_words``: status words that no table has. ``faults``: a sentence for each record
    that could not be read."""

    receipts: list[Receipt] = field(default_factory=list)
    texts: list[IncomingSegment] = field(default_factory=list)
    unknown_words: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


class Reading(Protocol):
    """How records of one kind are read."""

    @property
    def layout(self) -> Layout: ...
    def read(self, record: Record, source: Source, found: Found) -> None:
        """Add what the record tells to ``found``. Raises Unreadable."""
        ...

    def is_about(self, record: Record) -> bool:
        """Whether the record has any of the fields that make it one."""
        ...


def read(request: HookRequest, body: Body, readings: Sequence[Reading], source: Source) -> Found:
    """What the request tells, by the first reading that a record is for. Raises Unreadable if that is nothing, and
    something is wrong. A request by GET without any of the fields is a probe of the provider's, and tells nothing. So
    is one without a query and a body."""
    found = Found()
    troubles: list[str] = []
    is_probe = request.method == "GET" or not (request.body or request.query)
    done: set[tuple[str, str, int]] = set()
    for reading in readings:
        try:
            records = records_of(request, body, reading.layout)
        except Unreadable as error:
            troubles.append(str(error))
            continue
        for number, record in enumerate(records):
            place = reading.layout.records, reading.layout.json_field, number
            if place in done or not record.is_wanted(reading.layout.where):
                continue
            done.add(place)
            if is_probe and not reading.is_about(record):
                continue
            try:
                reading.read(record, source, found)
            except Unreadable as error:
                found.faults.append(str(error))
    if not found.receipts and not found.texts:
        wrong = found.faults or (troubles if len(troubles) == len(readings) else [])
        if wrong:
            raise Unreadable(wrong[0])
    return found


@dataclass(frozen=True, slots=True)
class NotificationReading:
    """``words`` and ``codes`` are in lower case. A code of ``codes`` says what it says whatever the word is.
    ``id_pattern``: the id is its first group, or all of what it matches."""

    id: Paths
    status: Paths
    code: Paths = ()
    recipient: Paths = ()
    words: Mapping[str, Finality] = field(default_factory=lambda: WORDS)
    codes: Mapping[str, Finality] = field(default_factory=dict)
    id_pattern: re.Pattern[str] | None = None
    layout: Layout = WHOLE

    def is_about(self, record: Record) -> bool:
        return any(record.value(paths) is not None for paths in (self.id, self.status))

    def read(self, record: Record, source: Source, found: Found) -> None:
        smsc_id, own_id = source.ids(lambda: self._id(record))
        status = short(record.value(self.status) or "")
        code = short(record.value(self.code) or "")
        if not status and not code:
            raise Unreadable(f"the status is missing: {_named(self.status)}")
        finality = self.codes.get(code.lower()) if code else None
        if finality is None:
            finality = self.words.get(status.lower())
        if finality is None:
            finality = Finality.PROGRESS
            found.unknown_words.append(status or code)
        for recipient in self._recipients(record):
            found.receipts.append(
                receipt_of(
                    own_id,
                    account=source.channel,
                    smsc_id=smsc_id,
                    finality=finality,
                    code=code or status,
                    status=status or code,
                    received_at=source.received_at,
                    destination=recipient,
                )
            )

    def _id(self, record: Record) -> str:
        text = (record.value(self.id) or "").strip()
        if self.id_pattern is not None:
            match = self.id_pattern.search(text[:PATTERN_CHARACTERS])
            text = (match[1] if self.id_pattern.groups else match[0]) if match else ""
        if (text or "").lower() in NO_IDS:
            raise Unreadable(f"the id is missing: {_named(self.id)}")
        if len(text) > LONGEST_ID or not (text.isascii() and text.isprintable()):
            raise Unreadable(
                f"the id is no id: {_named(self.id)} has to hold {LONGEST_ID} printable characters at most"
            )
        return text

    def _recipients(self, record: Record) -> list[str]:
        """One, or all of a list; "" if it is not said."""
        for path in self.recipient:
            value = record.raw(path)
            if isinstance(value, list):
                numbers = [number for number in map(scalar, value) if number]
                if numbers:
                    return list(map(plain_address, numbers))
        return [plain_address(record.value(self.recipient) or "")]


@dataclass(frozen=True, slots=True)
class TextForm:
    """How a text is written: ``text`` where, ``encoding`` plain, percent, hex or base64, and ``charset`` the alphabet
    of the octets that come out. ``octets`` as a charset: they are no text."""

    text: Paths = ()
    encoding: str = "plain"
    charset: str = "utf-8"

    def decoded(self, value: str) -> tuple[str, bool]:
        """The text; or octets as hexadecimal digits, and True: what can't be decoded is not lost."""
        if self.encoding == "plain":
            return value, False
        try:
            octets = _DECODERS[self.encoding](value)
        except ValueError:
            return value, False
        if self.charset == "octets":
            return octets.hex().upper(), True
        try:
            return octets.decode(self.charset).removeprefix("\ufeff"), False
        except (UnicodeError, LookupError):
            return octets.hex().upper(), True


_DECODERS = {
    "percent": lambda value: unquote_to_bytes(value.replace("+", " ")),
    "hex": bytes.fromhex,
    "base64": lambda value: base64.b64decode(
        "".join(value.split()) + "=" * (-len("".join(value.split())) % 4), validate=True
    ),
}


@dataclass(frozen=True, slots=True)
class PartFields:
    """Where a part of a long text says to which text it belongs, how many parts that has, and which of them it is.
    ``first``: the number of the first part."""

    reference: Paths
    total: Paths
    number: Paths
    first: int = 1


@dataclass(frozen=True, slots=True)
class IncomingReading:
    """``forms``: by a word (in lower case) at ``kind``, how such a text is written, if not as ``text``.
    ``stamp``: a time of the provider's, as it is written; it tells two texts without ids apart, and nothing else."""

    source: Paths
    text: TextForm
    destination: Paths = ()
    id: Paths = ()
    kind: Paths = ()
    forms: Mapping[str, TextForm] = field(default_factory=dict)
    stamp: Paths = ()
    part: PartFields | None = None
    layout: Layout = WHOLE

    def is_about(self, record: Record) -> bool:
        return any(record.value(paths) is not None for paths in (self.source, self.text.text))

    def read(self, record: Record, source: Source, found: Found) -> None:
        sender = plain_address(record.value(self.source) or "")
        if not sender:
            raise Unreadable(f"the sender is missing: {_named(self.source)}")
        form = self.forms.get((record.value(self.kind) or "").strip().lower(), self.text)
        written = record.value(form.text or self.text.text)
        if written is None:
            raise Unreadable(f"the text is missing: {_named(form.text or self.text.text)}")
        text, is_binary = form.decoded(written)
        destination = plain_address(record.value(self.destination) or "")
        reference, number, count = self._place(record)
        whole = IncomingSegment(
            channel=source.channel,
            account=source.channel,
            source=sender,
            destination=destination,
            text=text,
            received_at=source.received_at,
            reference=reference,
            number=number,
            count=count,
            sid=None if count > 1 else self._sid(record, (sender, destination, written)),
            is_binary=is_binary,
        )
        found.texts.append(whole)

    def _sid(self, record: Record, content: tuple[str, ...]) -> str | None:
        """The provider's id; if no header can hold it, a digest of it. Without an id a digest of all that it tells, if
        there is a time in it: so a repeat is known."""
        text = (record.value(self.id) or "").strip()
        if text.lower() not in NO_IDS:
            return text if len(text) <= LONGEST_ID and text.isascii() and text.isprintable() else _digest(text)
        stamp = record.value(self.stamp)
        return _digest(stamp, *content) if stamp else None

    def _place(self, record: Record) -> tuple[int, int, int]:
        """Reference, number and count of a part; (0, 1, 1) of a whole text, and where they make no sense."""
        if self.part is None:
            return 0, 1, 1
        reference, total, number = (
            (record.value(paths) or "").strip() for paths in (self.part.reference, self.part.total, self.part.number)
        )
        if not (reference and _is_small(total) and _is_small(number)):
            return 0, 1, 1
        place, count = int(number) - self.part.first + 1, int(total)
        if not 1 <= place <= count or count == 1:
            return 0, 1, 1
        # A reference may be any text. The bits below are those of headers on SMPP (``sms.udh``).
        return zlib.crc32(reference.encode()) << 18, place, count


def _is_small(text: str) -> bool:
    """GSM 03.40 9.2.3.24.1: an octet."""
    return text.isascii() and text.isdigit() and len(text) <= 3 and int(text) <= 255


def _digest(*texts: str) -> str:
    return "id-" + hashlib.blake2b("\0".join(texts).encode(), digest_size=16).hexdigest()


def short(text: str) -> str:
    """A word or a code, without control characters, and not longer than such are."""
    text = text.strip()[:LONGEST_WORD]
    return text if text.isprintable() else "".join(one for one in text if one.isprintable())


def _named(paths: Paths) -> str:
    return " or ".join(paths)


_UNSEEN = dict.fromkeys(map(ord, "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"))
_INTERNATIONAL = re.compile(r"[1-9](?:[ ().-]*[0-9]){6,19}")  # a short code has fewer digits, a national number a zero


def plain_address(raw: str) -> str:
    """A number or a name, without blanks around it. In a form a plus that is not escaped becomes a blank, so a blank
    before the digits of an international number was a plus."""
    text = "".join(one for one in raw.translate(_UNSEEN) if one.isprintable()).strip()[:LONGEST_WORD]
    return f"+{text}" if raw.startswith(" ") and _INTERNATIONAL.fullmatch(text) else text
