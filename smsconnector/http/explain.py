"""``POST /send/explain``: what would become of a text, had it been posted to ``/send``. Nothing is written or sent.

1. The gate, the reading of the body, the choice of the route and the cutting are those of ``/send`` itself
   (``http.send``), and so are all refusals.
2. The channel tells how the segments would go out (``IChannel.preview``): its binds render them as they would be sent.
3. The store is asked how much waits before it, and whether the number has opted out. If it can't be read, that alone
   is not known.
"""

from collections.abc import Mapping
from typing import Any

from smsconnector.channels.previews import Preview, Way, WireAddress
from smsconnector.errors import StoreError, TextError
from smsconnector.http import replies
from smsconnector.http.answers import GiveAnswer, HTTPRequest
from smsconnector.http.requests import parse_send
from smsconnector.http.resources import timestamp
from smsconnector.http.send import Send, closed, past
from smsconnector.messages import Message, segments_of
from smsconnector.sms import measuring
from smsconnector.sms.segmentation import Split, unmarked
from smsconnector.store.measures import Outlook, Prospect
from smsconnector.store.reader import IReader
from smsconnector.walks.admission import Gate
from smsconnector.walks.forecast import forecast
from smsconnector.walks.outlet import Outlet


class Explain:
    """The handler. ``send`` is that of ``/send``, and ``gate`` its gate."""

    def __init__(self, *, send: Send, gate: Gate, outlets: Mapping[str, Outlet], reader: IReader) -> None:
        self._send, self._gate, self._outlets, self._reader = send, gate, outlets, reader

    def post(self, request: HTTPRequest, answer: GiveAnswer) -> None:
        """200 with what would be; the refusals of ``/send``."""
        code, reason = self._gate.answer()
        if code:
            raise closed(code, reason)
        asked = parse_send(request.body, request.content_type)
        message, submitter, split = self._send.message_of(
            asked, self._send.wall_clock.both_milliseconds(), Outlet.cut, request.caller
        )
        if self._send.is_past(asked):
            raise past()
        outlet = self._outlets[message.channel]
        prefix = outlet.prefix_of(submitter)
        preview = outlet.channel.preview(prefix, segments_of(message, 1))
        said = _addressed(message, prefix) | _text(asked.body, split, outlet, preview) | _ways(preview, outlet)

        def found(prospect: Prospect | None, _error: StoreError | None) -> None:
            wait = forecast(
                preview,
                prospect,
                under_way=outlet.queued_under_way(submitter),
                segments=len(split.segments),
                is_running=bool(submitter.running),
                is_scheduled=message.send_at is not None,
            )
            known: dict[str, Any] = {
                "OptedOut": None if prospect is None else prospect.opted_out,
                "EstimatedWait": {"Seconds": wait.seconds, "Reason": wait.reason},
            }
            answer(replies.json_answer(said | known))

        about = (message.channel, message.destination, message.source)
        outlook = Outlook(submitter.queue, *about, outlet.can_opt_out, message.is_bulk)
        self._reader.put(outlook, found)


def _text(body: str, split: Split, outlet: Outlet, preview: Preview) -> dict[str, Any]:
    """What became of the text."""
    is_coded_here = any(way.data_codings for way in preview.ways)
    return {
        "Body": "".join(split.segments),
        "Alphabet": unmarked(split.alphabet)[0],
        "Encoding": measuring.described(split),
        "Units": measuring.unit(split),
        "Segments": len(split.segments),
        "Parts": [
            {"Number": number, "Body": one.text, "Length": one.units, "Left": one.left}
            for number, one in enumerate(measuring.measured(split, is_coded_here), 1)
        ],
        "NetworkParts": measuring.parts(split),
        "UCS2Because": _characters(body, split.forced_by),
        "Transliterated": _characters(body, split.transliterated),
        "Transliteration": _transliteration(body, split, outlet),
    }


def _characters(text: str, characters: str) -> list[dict[str, Any]]:
    return [
        {
            "Character": one.character,
            "CodePoint": one.code_point,
            "Name": one.name,
            "Position": one.position,
            "Times": one.times,
        }
        for one in measuring.named(text, characters)
    ]


def _transliteration(body: str, split: Split, outlet: Outlet) -> dict[str, Any] | None:
    """What ``transliterate`` of the channel would save; None where it would change nothing, or can't."""
    near = measuring.without(body, split.forced_by) if split.forced_by else None
    if near is None:
        return None
    try:
        other = outlet.cut(near)
    except TextError:
        return None
    if other.forced_by:
        return None
    parts = measuring.parts(other)
    return {
        "Body": "".join(other.segments),
        "Segments": len(other.segments),
        "NetworkParts": parts,
        "Saves": measuring.parts(split) - parts,
    }


def _addressed(message: Message, prefix: str) -> dict[str, Any]:
    """From whom to whom, and by which route."""
    return {
        "To": message.destination,
        "From": message.source,
        "channel": message.channel,
        "Route": prefix,
        "Priority": "bulk" if message.is_bulk else "interactive",
        "SendAt": timestamp(message.send_at),
    }


def _ways(preview: Preview, outlet: Outlet) -> dict[str, Any]:
    """How it would go out, and where it would go instead."""
    fall_back = outlet.fall_back
    return {
        "Binds": [_way(one) for one in preview.ways],
        "FallBack": None if fall_back.channel is None else {"channel": fall_back.channel, "After": fall_back.after},
    }


def _way(way: Way) -> dict[str, Any]:
    codings = dict.fromkeys(way.data_codings)
    return {
        "Name": way.name,
        "State": way.state,
        "Why": way.why,
        "Next": way.is_next,
        "From": _address(way.source),
        "To": _address(way.destination),
        "DataCodings": [{"Number": one.number, "Words": one.words} for one in codings],
    }


def _address(address: WireAddress) -> dict[str, str | int | None]:
    return {"Address": address.address, "TON": address.ton, "NPI": address.npi}
