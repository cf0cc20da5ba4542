"""Events as STOMP frames, and the parts of batches that are confirmed together.

Why the frames have these headers (STOMP 1.2, and ActiveMQ's page "Stomp"):

- There is no ``content-length``: without it ActiveMQ makes a TextMessage of a SEND, with it a BytesMessage.
- ``type`` becomes JMSType, and ``correlation-id`` JMSCorrelationID: the MessageSID of a report, the SmsSid of a text.
- ``persistent:true`` lets the message survive a restart of the broker.
- Other headers become JMS string properties with the same names. A JMS selector can name those that are identifiers of
  Java: ``event_id``, ``channel``, ``DeliveryStatus``, ``MessageSID``, ``Reference``. ``event-id`` is no such name. It
  is there for consumers that know it already.
- ``MessageSID`` of a customer's text is that of the text which it answers; ``Reference`` is the application's own name
  of that one, or of the one that is reported.
"""

import json
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from stompest.protocol import StompFrame, StompSpec

from smsconnector.messages import Event
from smsconnector.sinks import TellOutcome

FRAME_OVERHEAD = 384  # octets of a SEND frame, roughly, without the event id and the body

# Headers that the connector writes itself, or that would change what the broker does with the frame.
_FOR_THE_BROKER = ("destination", "receipt", "transaction", "content-length", "persistent", "type", "id", "message-id")
_ABOUT_THE_EVENT = ("correlation-id", "event-id", "event_id", "channel", "DeliveryStatus", "MessageSID", "Reference")
RESERVED_HEADERS = frozenset(_FOR_THE_BROKER + _ABOUT_THE_EVENT)

# Header texts that need no escaping in any STOMP version.
_PLAIN = re.compile(r"[A-Za-z0-9 ._/|@=+,;*()#~-]*").fullmatch
# What a version can't express in a header: 1.0 has no escapes at all, 1.1 none for the carriage return.
_INEXPRESSIBLE = {
    StompSpec.VERSION_1_0: re.compile(r"[\x00\r\n]|[^\x00-\x7f]"),
    StompSpec.VERSION_1_1: re.compile(r"[\x00\r\ud800-\udfff]"),
    StompSpec.VERSION_1_2: re.compile(r"[\x00\ud800-\udfff]"),
}
_REPORT = re.compile(r'\{"MessageSID": "([A-Za-z0-9_-]+)", "DeliveryStatus": "([A-Z]+)", ').match
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


def is_expressible(header: str, version: str) -> bool:
    """Whether that version of STOMP can carry this text in a header."""
    return _INEXPRESSIBLE[version].search(header) is None


class BatchPart:
    """Consecutive ``events`` of one batch, which one receipt confirms. ``settle`` is the callback of the batch.
    ``octets``: about so many it takes on the wire."""

    __slots__ = ("events", "octets", "settle")

    def __init__(self, events: Sequence[Event], settle: TellOutcome) -> None:
        self.events, self.settle = events, settle
        self.octets = sum(map(event_octets, events))

    def cut(self, most: int, octets: int) -> "tuple[BatchPart, BatchPart | None]":
        """The first events, at most ``most`` and at most about ``octets`` octets, but one at least; and the rest, None
        if there is none."""
        if self.octets <= octets and len(self.events) <= most:
            return self, None
        count = size = 0
        for event in self.events[:most]:
            size += event_octets(event)
            if count and size > octets:
                break
            count += 1
        if count == len(self.events):  # a single one that is longer
            return self, None
        return BatchPart(self.events[:count], self.settle), BatchPart(self.events[count:], self.settle)


def event_octets(event: Event) -> int:
    """About how many octets the event takes on the wire. The body is ASCII."""
    octets = len(event.body) + len(event.event_id) + FRAME_OVERHEAD
    return octets if event.headers is None else octets + len(event.headers)


class FrameRenderer:
    """Renders the events of one destination as SEND frames of one STOMP version. ``headers`` are the operator's own.
    The constant headers are rendered once per JMS type."""

    def __init__(self, destination: str, version: str, headers: Mapping[str, str] = _NO_HEADERS) -> None:
        self._destination, self._version, self._headers = destination, version, headers
        self._heads: dict[str, str] = {}

    def frame(self, command: str, *headers: tuple[str, str]) -> str:
        """A frame without a body. Characters that the version can't express in a header become question marks."""
        inexpressible = _INEXPRESSIBLE[self._version]
        raw = [(name, inexpressible.sub("?", value)) for name, value in headers]
        return bytes(StompFrame(command, rawHeaders=raw, version=self._version)).decode()

    def part(self, events: Sequence[Event], number: int) -> bytes:
        """The frames of all events of a part. ``number`` names its receipt, and its transaction if it has several
        events."""
        if len(events) == 1:
            return self._send(events[0], f"receipt:{number}\n").encode()
        transaction = ("transaction", str(number))
        inside = f"transaction:{number}\n"
        frames = [self.frame(StompSpec.BEGIN, transaction)]
        frames += [self._send(event, inside) for event in events]
        frames.append(self.frame(StompSpec.COMMIT, transaction, ("receipt", str(number))))
        return "".join(frames).encode()

    def _send(self, event: Event, extra: str) -> str:
        channel = event.jms_type
        head = self._heads.get(channel) or self._heads.setdefault(channel, self._head(channel))
        event_id = event.event_id if _PLAIN(event.event_id) else self._escaped(event.event_id)
        about = self._about(event.body)
        if event.headers is not None:
            about += "".join(f"{name}:{self._escaped(value)}\n" for name, value in json.loads(event.headers).items())
        return f"{head}event-id:{event_id}\nevent_id:{event_id}\n{about}{extra}\n{event.body}\0"

    def _about(self, body: str) -> str:
        """The headers that repeat what the body says, for selectors and for JMSCorrelationID. None, if it says
        nothing."""
        report = _REPORT(body)
        if report is not None:  # by far the most, and much faster so
            return f"correlation-id:{report[1]}\nDeliveryStatus:{report[2]}\n"
        try:
            said = json.loads(body)
            sid, status = said.get("MessageSID") or said.get("SmsSid"), said.get("DeliveryStatus")
        except (ValueError, AttributeError):
            return ""
        correlation = f"correlation-id:{self._escaped(sid)}\n" if isinstance(sid, str) else ""
        return f"{correlation}DeliveryStatus:{self._escaped(status)}\n" if isinstance(status, str) else correlation

    def _escaped(self, value: str) -> str:
        if _PLAIN(value):
            return value
        return self.frame(StompSpec.SEND, ("x", value))[len("SEND\nx:") : -len("\n\n\0")]

    def _head(self, channel: str) -> str:
        """The constant headers, up to and without the empty line."""
        headers = (
            ("destination", self._destination),
            ("type", channel),
            ("channel", channel),
            ("persistent", "true"),
            *self._headers.items(),
        )
        return self.frame(StompSpec.SEND, *headers)[: -len("\n\0")]
