"""The message as applications see it: the resource, its parts, and its timeline, as JSON.

``DeliveryStatus`` has the words of the delivery report; before there is one SENT, QUEUED, or SCHEDULED. ``State`` says
more: what the message waits for. It is that of the part that is furthest behind.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from smsconnector.codes import ANY, Codes
from smsconnector.http.explanations import (
    explain_end,
    explain_last_error,
    explain_receipt,
    explain_submit,
    explanation,
)
from smsconnector.lifecycle import CODE_CANCELLED, MessageState, SegmentState
from smsconnector.messages import Message
from smsconnector.smpp.constants import describe_status
from smsconnector.sms.segmentation import unmarked
from smsconnector.store.finding import FoundMessage, FoundSegment, FoundText, Leg, Timeline
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
_WAITS_FOR_NOBODY: dict[int, str] = {
    SegmentState.SENT: "submitted",
    SegmentState.DELIVERED: "delivered",
    SegmentState.FAILED: "failed",
    SegmentState.SCHEDULED: "scheduled",
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


def representation(message: Message | FoundMessage, texts: Sequence[str]) -> dict[str, Any]:
    """A message as it was when it had just been accepted."""
    is_later = message.send_at is not None
    status, state = ("SCHEDULED", "scheduled") if is_later else ("QUEUED", "queued")
    return _resource(message, texts, status=status, state=state)


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
        resource["Parts"] = [_part(one, state, codes) for one, state in zip(row.segments, states, strict=True)]
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
        "Priority": "bulk" if message.is_bulk else "interactive",
        "SendAt": timestamp(message.send_at),
        "AcceptedAt": timestamp(message.accepted_at),
        "ExpiresAt": timestamp(message.expires_at),
        "FinalAt": timestamp(final_at),
    }


def cancelled(row: FoundMessage) -> dict[str, Any]:
    """Of one that was taken back: that it was, and nothing of what it says or to whom."""
    return {
        "MessageSID": row.sid,
        "DeliveryStatus": delivery_status(row),
        "State": "cancelled",
        "ProviderStatusCode": row.code,
    }


def incoming(row: FoundText) -> dict[str, Any]:
    """A text from a customer, and which of ours it answers, if that is known."""
    body: dict[str, Any] = json.loads(row.body)
    answers = json.loads(row.headers) if row.headers is not None else None
    return body | {"channel": row.channel, "Answers": answers, "ReceivedAt": timestamp(row.received_at)}


def delivery_status(row: FoundMessage) -> str:
    """DELIVERED or FAILED when final; before that SENT when the network has taken all of it, else QUEUED."""
    if row.state in FINAL:
        return MessageState(row.state).name
    if row.state == MessageState.SCHEDULED:
        return "SCHEDULED"
    is_sent = row.state == MessageState.ACTIVE and all(one.state >= SegmentState.SENT for one in row.segments)
    return "SENT" if is_sent else "QUEUED"


def _state(row: FoundMessage, states: Sequence[str]) -> str:
    if row.state == MessageState.FAILED:
        return "cancelled" if row.code == CODE_CANCELLED else "failed"
    if row.state == MessageState.DELIVERED:
        return "delivered"
    if row.state == MessageState.WITHDRAWN:
        return "falling_back"
    if row.state == MessageState.SCHEDULED:
        return "scheduled"
    return min(states, key=_FURTHEST.index, default="queued")


def _state_of(segment: FoundSegment, place: Place) -> str:
    """Of a segment: where it is in memory counts only while it waits on disk."""
    state = segment.state
    if state in _WAITS_FOR_NOBODY:
        return _WAITS_FOR_NOBODY[state]
    if place is Place.QUEUED and segment.attempts:
        return "retrying"
    if place is Place.QUEUED and state == SegmentState.CLAIMED:
        return "unanswered"
    return _PLACES[place]


def _part(segment: FoundSegment, state: str, codes: Codes) -> dict[str, Any]:
    has_error = segment.state in (SegmentState.QUEUED, SegmentState.CLAIMED) or state == "failed"
    error = explain_last_error(segment, codes) if has_error else None
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
        "LastErrorCode": None if error is None else segment.code,
        "LastError": None if error is None else error.text,
        "LastErrorAction": None if error is None or error.action is None else error.action.value,
        "Receipt": segment.told,
        "ReceivedAt": timestamp(segment.told_at),
    }


# --- the timeline -------------------------------------------------------------------------------------------


def timeline(row: Timeline, codes_of: Callable[[str], Codes]) -> dict[str, Any]:
    """All that is known to have happened to a message, in order. Times are UTC. ``codes_of`` a channel, by its name."""
    entries = [_accepted(row.legs[0].message), *_later(row.legs[0].message)]
    for leg in row.legs:
        entries += _of_leg(leg, codes_of(leg.message.channel))
    for before, after in pairwise(row.legs):
        moved = {"Event": "moved", "From": before.message.channel, "To": after.message.channel}
        entries.append((before.message.final_at or 0, moved))
    last = row.legs[-1].message
    if last.final_at is not None and last.state in FINAL:
        state = MessageState(last.state).name
        end: dict[str, Any] = {"Event": "ended", "DeliveryStatus": state, "ProviderStatusCode": last.code}
        if last.code is not None:
            end["Explanation"] = explanation(explain_end(last, codes_of(last.channel)))
        entries.append((last.final_at, end))
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
_ORDER = ("accepted", "due", "submit", "unanswered", "moved", "receipt", "ended", "report", "confirmed", "parked")


def _accepted(message: FoundMessage) -> _Entry:
    what: dict[str, Any] = {"Event": "accepted", "Channel": message.channel, "Segments": len(message.segments)}
    what |= {"Key": message.accepted_by} if message.accepted_by else {}
    return message.accepted_at, what | ({"SendAt": timestamp(message.send_at)} if message.send_at else {})


def _later(message: FoundMessage) -> Iterator[_Entry]:
    """When it was due, if it was to be sent later and was not taken back before."""
    if message.left_at is not None and message.left_at >= (message.send_at or 0):
        yield message.left_at, {"Event": "due", "SendAt": timestamp(message.send_at)}


def _of_leg(leg: Leg, codes: Codes) -> Iterator[_Entry]:
    message = leg.message
    for event in leg.events:
        number = event.segment - message.id + 1
        accounts = (one.account for one in message.segments if one.number == number)
        yield event.at, _happened(event, number, codes, next(accounts, None))
    known = {(event.segment, event.at) for event in leg.events if event.kind != Kind.RECEIPT}
    for one in message.segments:
        if one.sent_at is not None and (message.id + one.number - 1, one.sent_at) not in known:
            yield one.sent_at, _last_submit(one, codes)
        if one.told_at is not None:
            yield one.told_at, _receipt(one.number, one.told, one.code, codes, one.account)


def _last_submit(segment: FoundSegment, codes: Codes) -> dict[str, Any]:
    is_refused = segment.state == SegmentState.FAILED and segment.smsc_id is None
    what = {"Event": "submit", "Segment": segment.number, "Bind": segment.bind, "Sequence": segment.sequence}
    what |= {"AnsweredInMs": segment.answered_in, "SmscId": segment.smsc_id}
    code = segment.code if is_refused else 0
    return what | _response(code, codes, segment.bind, segment.account)


def _happened(event: SegmentEvent, number: int, codes: Codes, account: str | None) -> dict[str, Any]:
    """``account``: that of the segment's last submit."""
    if event.kind == Kind.RECEIPT:
        return _receipt(number, event.words, event.code, codes, account)
    what = {"Segment": number, "Bind": event.bind, "Sequence": event.sequence}
    if event.kind == Kind.SILENCE:
        return {"Event": "unanswered"} | what
    what |= {"AnsweredInMs": event.answered_in}
    return {"Event": "submit"} | what | _response(event.code, codes, event.bind, account)


def _response(code: int | str | None, codes: Codes, bind: str | None, account: str | None) -> dict[str, Any]:
    """To a submit: in short, and if it is a refusal its code, what that means and what to do. 0 is none."""
    if code == 0:
        return {"Response": "accepted" if bind is None else describe_status(0)}
    if code is None:
        return {"Response": None}
    words = describe_status(code) if bind is not None and isinstance(code, int) else str(code)
    return {"Response": words, "Code": code, "Explanation": explanation(explain_submit(code, codes, bind, account))}


def _receipt(
    number: int, word: str | None, code: int | str | None, codes: Codes, account: str | None
) -> dict[str, Any]:
    explained = explanation(explain_receipt(code, word, codes, account))
    return {"Event": "receipt", "Segment": number, "Status": word, "Code": code, "Explanation": explained}


def timestamp(milliseconds: int | None) -> str | None:
    """ISO 8601 in UTC."""
    if milliseconds is None:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
