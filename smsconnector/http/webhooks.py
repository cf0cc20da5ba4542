"""What HTTP providers post: ``/receive``, a text from a handset, and ``/delivery-notification``, what became of a text.

1. ``forms`` reads the form and checks it.
2. The receiver writes what it says, together with the event that it causes.
3. 200 after the commit: then the provider may forget it. With any other status it comes again.
"""

from collections.abc import Callable, Container

from smsconnector.errors import InvalidRequest, StoreError
from smsconnector.http import replies
from smsconnector.http.answers import GiveAnswer, HTTPRequest
from smsconnector.http.forms import parse_notification, parse_receive
from smsconnector.messages import IncomingSegment, Receipt
from smsconnector.walks.admission import Gate
from smsconnector.walks.receiver import Receiver
from smsconnector.wall_clock import WallClock


class Webhooks:
    """The handlers of both. A path may name its channel, which is one of ``channels`` or ``default_channel``; without
    a name it is ``default_channel``."""

    def __init__(
        self,
        *,
        wall_clock: WallClock,
        channels: Container[str],
        default_channel: str,
        receiver: Receiver,
        gate: Gate,
    ) -> None:
        self._wall_clock, self._channels, self._default_channel = wall_clock, channels, default_channel
        self._receiver, self._gate = receiver, gate

    def receive(self, request: HTTPRequest, answer: GiveAnswer) -> None:
        """A whole text from a handset."""
        channel = self._channel_of(request)
        form = parse_receive(request.body, request.content_type)
        text = IncomingSegment(
            channel=channel,
            account=channel,
            source=form.source,
            destination=form.destination,
            text=form.body,
            received_at=self._now_ms(),
            sid=form.sid,
        )
        self._receiver.incoming(text, self._when_written(answer))

    def delivery_notification(self, request: HTTPRequest, answer: GiveAnswer) -> None:
        """The status of a text that the provider was given."""
        channel = self._channel_of(request)
        form = parse_notification(request.body, request.content_type)
        receipt = Receipt(
            account=channel,
            smsc_id=form.sid,
            finality=form.finality,
            code=form.code,
            status=form.status,
            received_at=self._now_ms(),
        )
        self._receiver.notified(receipt, channel, self._when_written(answer))

    def _channel_of(self, request: HTTPRequest) -> str:
        channel = request.arguments.get("channel")
        if channel is None:
            return self._default_channel
        if channel not in self._channels and channel != self._default_channel:
            raise InvalidRequest("not_found", "There is no such channel.", status=404)
        return channel

    def _now_ms(self) -> int:
        return self._wall_clock.milliseconds()

    def _when_written(self, answer: GiveAnswer) -> Callable[[StoreError | None], None]:
        """What the receiver calls after the commit, or when there was none."""

        def written(error: StoreError | None) -> None:
            if error is None:
                answer(replies.EMPTY_200)
            else:
                self._gate.failed(error)
                answer(replies.STORE_FAILED)

        return written
