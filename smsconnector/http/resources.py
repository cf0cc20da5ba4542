"""The message as applications see it: the resource, its parts, and its timeline, as JSON.

``DeliveryStatus`` has the words of the delivery report, and SENT and QUEUED before there is one. ``State`` says more:
what the message waits for. It is that of the part that is furthest behind.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from smsconnector.codes import ANY, Codes
from smsconnector.http.explanations import explain_end, explanation
from smsconnector.lifecycle import CODE_CANCELLED, MessageState, SegmentState
from smsconnector.messages import Message
from smsconnector.smpp.constants import describe_status
from smsconnector.sms.segmentation import unmarked
from smsconnector.store.finding import FoundMessage, FoundSegment, Leg, Timeline
from smsconnector.store.segment_events import Kind, SegmentEvent
from smsconnector.walks.whereabouts import Place

FINAL = (MessageState.DELIVERED, MessageState.FAILED)
PlaceOf = Callable[[FoundMessage], Mapping[int, Place]]  # where the segments are that wait, by their numbers
_PLACES = {
    Place.QUEUED: "queued",
    Place.NO_WAY_OUT: "waiting_for_bind",
    Place.THROTTLED: "throttled",
    Place.UNDER_WAY: "under_way",
}
_FURTHEST = (  # the states of a message that has not ended, the one furthest behind first
    "waiting_for_bind",
    "throttled",
    "retrying",
    "queued",
    "under_way",
    "unanswered",
    "submitted",
    "delivered",
)


def representation(message: Message) -> dict[str, Any]:
    """A message that has just been accepted."""
    return _resource(message, message.segments, status="QUEUED", state="queued")


def found(row: FoundMessage, place_of: PlaceOf | None = None, codes: Codes = ANY) -> dict[str, Any]:
    """A message as the store found it; with ``place_of`` its parts as well. ``codes`` are those of its channel."""
    texts = [segment.text for segment in row.segments]
    code = row.code if row.state in FINAL else None
    places = place_of(row) if place_of is not None else {}
    states = [_state_of(one, places.get(one.number, Place.QUEUED)) for one in row.segments]
    resource = _resource(
        row, texts, status=delivery_status(row), state=_state(row, states), code=code, final_at=row.final_at
    )
    if code is not None:
        resource["Explanation"] = explanation(explain_end(row, codes))
    if place_of is not None:
        resource["Parts"] = [_part(one, state) for one, state in zip(row.segments, states, strict=True)]
    return resource


def _resource(
    message: Message | FoundMessage,
    texts: Sequence[str],
    *,
    status: str,
    state: str,
    code: int | str | None = None,
    final_at: int | None = None,
) -> dict[str, Any]:
    """The message resource. ``texts`` are those of its segments; ``final_at`` is in ms."""
    return {
        "MessageSID": message.sid,
        "channel": message.channel,
        "From": message.source,
        "To": message.destination,
        "Body": "".join(texts),
        "Alphabet": unmarked(message.alphabet)[0],
        "Segments": len(texts),
        "DeliveryStatus": status,
        "State": state,
        "ProviderStatusCode": code,
        "Reference": message.reference,
        "AcceptedAt": timestamp(message.accepted_at),
        "ExpiresAt": timestamp(message.expires_at),
        "FinalAt": timestamp(final_at),
    }


def delivery_status(row: FoundMessage) -> str:
    """DELIVERED or FAILED when final; before that SENT when the network has taken all of it, else QUEUED."""
    if row.state in FINAL:
        return MessageState(row.state).name
    is_sent = row.state == MessageState.ACTIVE and all(one.state >= SegmentState.SENT for one in row.segments)
    return "SENT" if is_sent else "QUEUED"


def _state(row: FoundMessage, states: Sequence[str]) -> str:
    if row.state == MessageState.FAILED:
        return "cancelled" if row.code == CODE_CANCELLED else "failed"
    if row.state == MessageState.DELIVERED:
        return "delivered"
    if row.state == MessageState.WITHDRAWN:
        return "falling_back"
    return min(states, key=_FURTHEST.index, default="queued")


def _state_of(segment: FoundSegment, place: Place) -> str:
    """Of a segment: where it is in memory counts only while it waits on disk."""
    state = segment.state
    if state == SegmentState.SENT:
        return "submitted"
    if state == SegmentState.DELIVERED:
        return "delivered"
    if state == SegmentState.FAILED:
        return "failed"
    if place is Place.QUEUED and segment.attempts:
        return "retrying"
    if place is Place.QUEUED and state == SegmentState.CLAIMED:
        return "unanswered"
    return _PLACES[place]


def _part(segment: FoundSegment, state: str) -> dict[str, Any]:
    is_waiting = segment.state in (SegmentState.QUEUED, SegmentState.CLAIMED)
    return {
        "Number": segment.number,
        "Body": segment.text,
        "State": state,
        "Bind": segment.bind,
        "Sequence": segment.sequence,
        "SmscId": segment.smsc_id,
        "Attempts": segment.attempts,
        "AnsweredAt": timestamp(segment.sent_at),
        "AnsweredInMs": segment.answered_in,
        "NextAttemptAt": timestamp(segment.due_at) if state == "retrying" else None,
        "LastError": _words_of(segment.code, segment.bind) if is_waiting or state == "failed" else None,
        "Receipt": segment.told,
        "ReceivedAt": timestamp(segment.told_at),
    }


def _words_of(code: int | str | None, bind: str | None) -> str | None:
    """A code of an SMPP bind in words; another code as it is."""
    if code is None:
        return None
    return describe_status(code) if bind is not None and isinstance(code, int) else str(code)


# --- the timeline -------------------------------------------------------------------------------------------


def timeline(row: Timeline) -> dict[str, Any]:
    """All that is known to have happened to a message, in order. Times are UTC."""
    entries = [_accepted(row.legs[0].message)]
    for leg in row.legs:
        entries += _of_leg(leg)
    for before, after in pairwise(row.legs):
        moved = {"Event": "moved", "From": before.message.channel, "To": after.message.channel}
        entries.append((before.message.final_at or 0, moved))
    last = row.legs[-1].message
    if last.final_at is not None and last.state in FINAL:
        state = MessageState(last.state).name
        entries.append((last.final_at, {"Event": "ended", "DeliveryStatus": state, "ProviderStatusCode": last.code}))
    if row.report is not None:
        entries.append((row.report.at, {"Event": "report", "EventId": row.report.event_id}))
        for one in row.report.told:
            told: dict[str, Any] = {"Event": "confirmed" if one.is_confirmed else "parked", "Sink": one.sink}
            if not one.is_confirmed:
                told |= {"Attempts": one.attempts, "Reason": one.reason}
            entries.append((one.at, told))
    entries.sort(key=lambda entry: (entry[0], _ORDER.index(entry[1]["Event"])))
    return {
        "MessageSID": last.sid,
        "DeliveryStatus": delivery_status(last),
        "Timeline": [{"At": timestamp(at)} | entry for at, entry in entries],
    }


_Entry = tuple[int, dict[str, Any]]  # when (ms), and what
# Of what has the same time
_ORDER = ("accepted", "submit", "unanswered", "moved", "receipt", "ended", "report", "confirmed", "parked")


def _accepted(message: FoundMessage) -> _Entry:
    what: dict[str, Any] = {"Event": "accepted", "Channel": message.channel, "Segments": len(message.segments)}
    return message.accepted_at, what | ({"Key": message.accepted_by} if message.accepted_by else {})


def _of_leg(leg: Leg) -> Iterator[_Entry]:
    message = leg.message
    for event in leg.events:
        yield event.at, _happened(event, event.segment - message.id + 1)
    known = {(event.segment, event.at) for event in leg.events if event.kind != Kind.RECEIPT}
    for one in message.segments:
        if one.sent_at is not None and (message.id + one.number - 1, one.sent_at) not in known:
            yield one.sent_at, _last_submit(one)
        if one.told_at is not None:
            yield one.told_at, {"Event": "receipt", "Segment": one.number, "Status": one.told, "Code": one.code}


def _last_submit(segment: FoundSegment) -> dict[str, Any]:
    is_refused = segment.state == SegmentState.FAILED and segment.smsc_id is None
    what = {"Event": "submit", "Segment": segment.number, "Bind": segment.bind, "Sequence": segment.sequence}
    what |= {"AnsweredInMs": segment.answered_in, "SmscId": segment.smsc_id}
    code = segment.code if is_refused else 0
    return what | {"Response": "accepted" if code == 0 and segment.bind is None else _words_of(code, segment.bind)}


def _happened(event: SegmentEvent, number: int) -> dict[str, Any]:
    if event.kind == Kind.RECEIPT:
        return {"Event": "receipt", "Segment": number, "Status": event.words, "Code": event.code}
    what = {"Segment": number, "Bind": event.bind, "Sequence": event.sequence}
    if event.kind == Kind.SILENCE:
        return {"Event": "unanswered"} | what
    response = _words_of(event.code, event.bind)
    return {"Event": "submit"} | what | {"AnsweredInMs": event.answered_in, "Response": response}


def timestamp(milliseconds: int | None) -> str | None:
    """ISO 8601 in UTC."""
    if milliseconds is None:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
