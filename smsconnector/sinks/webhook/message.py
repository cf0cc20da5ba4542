"""An event as the request that Standard Webhooks 1.0 describes. No clock and no I/O.

- The body is ``{"type": ..., "timestamp": ..., "data": {...}}``. ``data`` is what stands on the queue of a broker, and
  the ``channel``, which is JMSType there. The body of an event is the same at each attempt. (Only its ``timestamp`` may
  change, where a clock that was ahead has made it: retention mends such a stamp.)
- ``webhook-id`` is made of the event id, and is the same at each attempt too. ``webhook-timestamp`` says when this
  attempt was made.
- ``webhook-signature`` has a signature by each of the secrets, so that a secret can be changed without a gap.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime

from smsconnector.hooks.signatures import sign
from smsconnector.messages import DELIVERY_REPORT, INCOMING_MESSAGE, Event

TYPES = {DELIVERY_REPORT: "message.report", INCOMING_MESSAGE: "message.incoming"}
LONGEST_ID = 200
_LAST_MS = 253_402_300_799_000  # the end of the year 9999, in ms since the Unix epoch
_SPECIAL = re.compile(r"[^A-Za-z0-9/_-]")

Headers = tuple[tuple[str, str], ...]


def webhook_id(event_id: str) -> str:
    """The event id in characters that a header may have, without a full stop, which separates what is signed. Two event
    ids never have the same one: what is special is written as ``=`` and the two hexadecimal digits of each octet (a
    long id as its digest)."""
    found = _SPECIAL.sub(
        lambda one: "".join(f"={octet:02X}" for octet in one[0].encode("utf-8", "surrogatepass")), event_id
    )
    if len(found) <= LONGEST_ID:
        return found
    return "=" + hashlib.blake2b(found.encode(), digest_size=16).hexdigest()


def number_of(event: Event) -> str:
    """Events with the same one are delivered in their order. Of a text it is the sender's number. A report does not
    tell the number, and there is one for each message: its event id."""
    if event.kind == INCOMING_MESSAGE:
        sender = json.loads(event.body).get("From")
        if isinstance(sender, str):
            return sender.strip().removeprefix("+")
    return event.event_id


def body_of(event: Event) -> bytes:
    """JSON in ASCII. Raises ValueError if the event's own body is no JSON object."""
    data = event.body
    if not (data.startswith('{"') and data.endswith("}")):
        raise ValueError("its body is not a JSON object")
    moment = datetime.fromtimestamp(min(max(event.created_at, 0), _LAST_MS) / 1000, UTC)
    timestamp = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    about = f', "about": {event.headers}' if event.headers is not None else ""
    return (
        f'{{"type": "{TYPES[event.kind]}", "timestamp": "{timestamp}",'
        f' "data": {data[:-1]}, "channel": {json.dumps(event.jms_type)}{about}}}}}'
    ).encode("ascii")


def headers_of(event: Event, body: bytes, secrets: Sequence[bytes], now_s: int) -> Headers:
    """Of an attempt that is made now, in seconds since the Unix epoch."""
    its_id = webhook_id(event.event_id)
    return (
        ("Content-Type", "application/json"),
        ("webhook-id", its_id),
        ("webhook-timestamp", str(now_s)),
        ("webhook-signature", " ".join(sign(secret, its_id, now_s, body) for secret in secrets)),
    )
