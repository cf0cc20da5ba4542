"""What the connector answers, as records. A field that is not there is None, empty, or 0; ``raw`` has the JSON with all
that a newer connector may say more. Times are in UTC. Numbers and texts don't show in ``repr``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Raw = Mapping[str, Any]
INCOMING, OUTGOING = "incoming", "outgoing"  # directions


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a code means, and what to do about it: one of the words of ``docs/codes.rst``, such as "fix_the_number", or
    None where nothing is to be done."""

    text: str
    action: str | None


@dataclass(frozen=True, slots=True)
class Part:
    """A segment of a message. ``last_error`` is explained; its code is ``last_error_code``."""

    number: int
    body: str = field(repr=False)
    state: str
    bind: str | None
    sequence: int | None
    smsc_id: str | None
    attempts: int
    answered_at: datetime | None
    answered_in_ms: int | None
    next_attempt_at: datetime | None
    last_error_code: int | str | None
    last_error: Explanation | None
    receipt: str | None
    received_at: datetime | None


@dataclass(frozen=True, slots=True)
class Message:
    """A message, as ``docs/messages.rst`` has it. ``parts`` is empty in what a search finds.

    ``direction`` is "outgoing". In a conversation it is "incoming" of a text that a customer wrote: then ``sid`` is the
    network's or the provider's id, ``received_at`` says when it came, and ``answers`` which of our texts it answers, by
    ``MessageSID`` and ``Reference``. ``body_hex`` is set for one that is no text, and ``incomplete`` says that a part
    of it never came.
    """

    sid: str
    direction: str
    channel: str
    from_: str | None = field(repr=False)
    to: str = field(repr=False)
    body: str = field(repr=False)
    alphabet: str
    segments: int
    delivery_status: str
    state: str
    code: int | str | None
    explanation: Explanation | None
    reference: str | None
    priority: str | None
    send_at: datetime | None
    accepted_at: datetime | None
    expires_at: datetime | None
    final_at: datetime | None
    received_at: datetime | None
    answers: Raw | None
    body_hex: str | None = field(repr=False)
    incomplete: bool
    parts: tuple[Part, ...]
    raw: Raw = field(repr=False)

    @property
    def is_final(self) -> bool:
        """Whether it has its report, delivered or failed."""
        return self.delivery_status in ("DELIVERED", "FAILED")


@dataclass(frozen=True, slots=True)
class Page:
    """``cursor`` leads to the next one; None: there are no more."""

    messages: tuple[Message, ...]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class Happening:
    """One entry of a timeline. ``event`` is a word of ``docs/messages.rst``; what else there is depends on it."""

    at: datetime | None
    event: str
    segment: int | None
    bind: str | None
    sequence: int | None
    response: str | None
    status: str | None
    code: int | str | None
    explanation: Explanation | None
    raw: Raw = field(repr=False)


@dataclass(frozen=True, slots=True)
class Timeline:
    """All that is known to have happened to a message, in order."""

    sid: str
    delivery_status: str
    happenings: tuple[Happening, ...]


@dataclass(frozen=True, slots=True)
class ExplainedPart:
    """A segment that would be sent; ``length`` and ``left`` in the units of the whole."""

    number: int
    body: str = field(repr=False)
    length: int
    left: int | None


@dataclass(frozen=True, slots=True)
class Character:
    """One that a text has, ``times`` times, at ``position`` first (from 0)."""

    character: str
    code_point: str
    name: str
    position: int
    times: int


@dataclass(frozen=True, slots=True)
class Transliteration:
    """What ``transliterate`` would make of a text, and how many parts it would save."""

    body: str = field(repr=False)
    segments: int
    network_parts: int
    saves: int


@dataclass(frozen=True, slots=True)
class Wait:
    """``seconds`` is None where nobody can tell, and ``reason`` says why."""

    seconds: float | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Explained:
    """What would become of a text, as ``docs/explain.rst`` has it."""

    to: str = field(repr=False)
    from_: str | None = field(repr=False)
    channel: str
    route: str
    priority: str | None
    send_at: datetime | None
    body: str = field(repr=False)
    alphabet: str
    encoding: str
    units: str
    segments: int
    parts: tuple[ExplainedPart, ...]
    network_parts: int
    ucs2_because: tuple[Character, ...]
    transliterated: tuple[Character, ...]
    transliteration: Transliteration | None
    binds: Sequence[Raw]
    fall_back: Raw | None
    opted_out: bool | None
    estimated_wait: Wait
    raw: Raw = field(repr=False)


@dataclass(frozen=True, slots=True)
class Health:
    """Whether texts are accepted, and if not why. ``raw`` has the binds, the broker and what waits."""

    accepting: bool
    reason: str | None
    raw: Raw = field(repr=False)


# --- read ---------------------------------------------------------------------------------------------------


def message_of(data: Raw) -> Message:
    """KeyError, TypeError or ValueError if it is none."""
    is_ours = data.get("Direction") != INCOMING
    return Message(
        sid=_text(data, "MessageSID") if is_ours else str(data.get("SmsSid") or ""),
        direction=OUTGOING if is_ours else INCOMING,
        channel=str(data.get("channel") or ""),
        from_=data.get("From"),
        to=str(data.get("To") or ""),
        body=str(data.get("Body") or ""),
        alphabet=str(data.get("Alphabet") or ""),
        segments=int(data.get("Segments") or 0),
        delivery_status=str(data.get("DeliveryStatus") or ""),
        state=str(data.get("State") or ""),
        code=data.get("ProviderStatusCode"),
        explanation=_explanation(data.get("Explanation")),
        reference=data.get("Reference"),
        priority=data.get("Priority"),
        send_at=_time(data.get("SendAt")),
        accepted_at=_time(data.get("AcceptedAt")),
        expires_at=_time(data.get("ExpiresAt")),
        final_at=_time(data.get("FinalAt")),
        received_at=_time(data.get("ReceivedAt")),
        answers=data.get("Answers"),
        body_hex=data.get("BodyHex"),
        incomplete=bool(data.get("Incomplete")),
        parts=tuple(_part(one) for one in data.get("Parts") or ()),
        raw=data,
    )


def _part(data: Raw) -> Part:
    words = data.get("LastError")
    return Part(
        number=int(data["Number"]),
        body=str(data.get("Body") or ""),
        state=str(data.get("State") or ""),
        bind=data.get("Bind"),
        sequence=data.get("Sequence"),
        smsc_id=data.get("SmscId"),
        attempts=int(data.get("Attempts") or 0),
        answered_at=_time(data.get("AnsweredAt")),
        answered_in_ms=data.get("AnsweredInMs"),
        next_attempt_at=_time(data.get("NextAttemptAt")),
        last_error_code=data.get("LastErrorCode"),
        last_error=None if words is None else Explanation(str(words), data.get("LastErrorAction")),
        receipt=data.get("Receipt"),
        received_at=_time(data.get("ReceivedAt")),
    )


def timeline_of(data: Raw) -> Timeline:
    return Timeline(
        _text(data, "MessageSID"),
        str(data.get("DeliveryStatus") or ""),
        tuple(_happening(one) for one in data["Timeline"]),
    )


def _happening(data: Raw) -> Happening:
    return Happening(
        at=_time(data.get("At")),
        event=_text(data, "Event"),
        segment=data.get("Segment"),
        bind=data.get("Bind"),
        sequence=data.get("Sequence"),
        response=data.get("Response"),
        status=data.get("Status") or data.get("DeliveryStatus"),
        code=data.get("Code", data.get("ProviderStatusCode")),
        explanation=_explanation(data.get("Explanation")),
        raw=data,
    )


def explained_of(data: Raw) -> Explained:
    other, wait = data.get("Transliteration"), data.get("EstimatedWait") or {}
    return Explained(
        to=_text(data, "To"),
        from_=data.get("From"),
        channel=str(data.get("channel") or ""),
        route=str(data.get("Route") or ""),
        priority=data.get("Priority"),
        send_at=_time(data.get("SendAt")),
        body=str(data.get("Body") or ""),
        alphabet=str(data.get("Alphabet") or ""),
        encoding=str(data.get("Encoding") or ""),
        units=str(data.get("Units") or ""),
        segments=int(data["Segments"]),
        parts=tuple(
            ExplainedPart(int(one["Number"]), str(one["Body"]), int(one["Length"]), one.get("Left"))
            for one in data.get("Parts") or ()
        ),
        network_parts=int(data.get("NetworkParts") or 0),
        ucs2_because=_characters(data.get("UCS2Because")),
        transliterated=_characters(data.get("Transliterated")),
        transliteration=None
        if other is None
        else Transliteration(
            str(other["Body"]), int(other["Segments"]), int(other["NetworkParts"]), int(other["Saves"])
        ),
        binds=tuple(data.get("Binds") or ()),
        fall_back=data.get("FallBack"),
        opted_out=data.get("OptedOut"),
        estimated_wait=Wait(wait.get("Seconds"), wait.get("Reason")),
        raw=data,
    )


def _characters(some: Sequence[Raw] | None) -> tuple[Character, ...]:
    return tuple(
        Character(one["Character"], one["CodePoint"], one["Name"], int(one["Position"]), int(one["Times"]))
        for one in some or ()
    )


def health_of(data: Raw) -> Health:
    return Health(bool(data["accepting"]), data.get("reason"), data)


def _explanation(data: Raw | None) -> Explanation | None:
    return None if data is None else Explanation(str(data.get("text") or ""), data.get("action"))


def _text(data: Raw, name: str) -> str:
    value = data[name]
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} is no text")
    return value


def _time(value: Any) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value)
