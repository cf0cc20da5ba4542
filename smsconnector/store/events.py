"""Events, before they are rows: what is told, and under which event id.

The id of an event is the same whenever the same thing is told, in another life of the process too. Two things never
have one id: the name of a channel has no slash, and the digest at the end has a fixed length.

=================================  ====================================================================================
``dr-<MessageSID>``                the report of a message of ours
``dr/<channel>/<id>``              the report of a message that is not ours: a provider named it by its own id
``in-<channel>-<SmsSid>``          a text to which we gave the SmsSid
``in/<channel>/<SmsSid>/<digest>`` a text that a provider posted. The digest is of its sender and its text: a provider
                                   may use an id again, and then it is another text
=================================  ====================================================================================

Earlier versions wrote the second as the first, and the fourth as the third. Two channels, or two texts, could have one
id then. ``EventRow.earlier_id`` is what they would have written, so that a repeat of what they have told is known:
``is_repeat``.
"""

import hashlib
import json
from typing import Any, NamedTuple

from smsconnector.messages import (
    DELIVERY_REPORT,
    INCOMING_MESSAGE,
    Callback,
    Finality,
    IncomingSegment,
    Receipt,
    new_sid,
)
from smsconnector.sms.user_data import plain_text


class EventRow(NamedTuple):
    """An event that is not in the outbox yet. ``headers``: as of ``Event``. ``sender``: of a customer's text, see
    ``sender_key``. ``earlier_id`` is "" if earlier versions
    gave it the same id. ``numbers``: of a customer's text, sender and addressee. ``callback``: of a report, where its
    message wants it too."""

    event_id: str
    kind: str
    jms_type: str
    body: str
    created_at: int  # ms since the Unix epoch
    headers: str | None = None
    sender: int | None = None
    earlier_id: str = ""
    numbers: tuple[str, str] | None = None
    callback: Callback | None = None


def report_event(sid: str, channel: str, delivered: bool, code: Any, now: int, headers: str | None = None) -> EventRow:
    """The delivery report of a message of ours as an event; ``now`` in ms."""
    return EventRow(f"dr-{sid}", DELIVERY_REPORT, channel, _report(sid, delivered, code), now, headers)


def foreign_report_event(receipt: Receipt, channel: str) -> EventRow:
    """The delivery report of a message that is not ours, under the id by which the provider named it."""
    body = _report(receipt.smsc_id, receipt.finality is Finality.DELIVERED, receipt.code)
    return EventRow(
        f"dr/{channel}/{receipt.smsc_id}",
        DELIVERY_REPORT,
        channel,
        body,
        receipt.received_at,
        earlier_id=f"dr-{receipt.smsc_id}",
    )


def incoming_event(one: IncomingSegment, text: str, incomplete: bool = False) -> EventRow:
    """A text from a handset as an event. Of a binary one the octets are told, and the text too if they are one: there
    are SMSCs that mark every text as binary. ``incomplete``: parts of it never came."""
    sid = one.sid or new_sid(one.received_at)
    body: dict[str, Any] = {
        "Body": plain_text(text) if one.is_binary else text,
        "From": one.source,
        "To": one.destination,
        "SmsSid": sid,
    }
    if one.is_binary:
        body["BodyHex"] = text
    if incomplete:
        body["Incomplete"] = True
    event_id = earlier_id = f"in-{one.channel}-{sid}"
    if one.sid is not None:
        event_id = f"in/{one.channel}/{sid}/{_digest(one.source, text)}"
    else:
        earlier_id = ""
    numbers = (one.source, one.destination)
    return EventRow(
        event_id,
        INCOMING_MESSAGE,
        one.channel,
        json.dumps(body),
        one.received_at,
        None,
        sender_key(one.source),
        earlier_id,
        numbers,
    )


def sender_key(number: str) -> int | None:
    """The last nine digits of a number, by which texts from it are found; None if they are not all digits. Other
    numbers may have the same."""
    tail = number[-9:]
    return int(tail) if tail.isascii() and tail.isdigit() else None


def is_repeat(event: EventRow, told: str) -> bool:
    """Whether this is what the row of an earlier version told, which has ``event.earlier_id`` and the same channel;
    ``told`` is its body. If retention has dropped the body, the id alone decides, as it did for that version."""
    if event.kind == DELIVERY_REPORT or not told:
        return True
    return _sender_and_text(json.loads(told)) == _sender_and_text(json.loads(event.body))


def _report(sid: str, delivered: bool, code: Any) -> str:
    status = "DELIVERED" if delivered else "FAILED"
    return json.dumps({"MessageSID": sid, "DeliveryStatus": status, "ProviderStatusCode": code})


def _sender_and_text(body: dict[str, str]) -> tuple[str, str]:
    return _plain(body["From"]), body["Body"]


def _digest(source: str, text: str) -> str:
    """32 hexadecimal digits. The NUL ends the sender, which has none."""
    octets = f"{_plain(source)}\0{text}".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(octets, digest_size=16).hexdigest()


def _plain(source: str) -> str:
    """The sender without its plus. It may be lost on the way, and in a form it may come as a blank."""
    return source.strip().removeprefix("+")
