"""What HTTP providers call: ``receive``, a text from a handset, and ``delivery-notification``, what became of a text.

1. The channel of the path says who may call, and how its provider writes: its ``Hooks``. Without any it is who has an
   API key, and the contract's own forms, which ``forms`` reads. A caller who is not who it should be gets 403.
2. All that a request tells goes to the receiver at once, and is written in one commit.
3. The answer is given after the commit: then the provider may forget it. With any other status it comes again.

A notification that fits no message is reported under its own id if it came in the contract's form: somebody else has
sent the text. Of a channel with a form of its own, or one that sends by HTTP itself, it is parked: the answer to our
request may still come.
"""

import re
from collections.abc import Callable, Container, Mapping

from smsconnector.errors import InvalidRequest, StoreError
from smsconnector.hooks.documents import Body
from smsconnector.hooks.hook import PLAIN, Hook, HookAnswer, Hooks
from smsconnector.hooks.reading import Found, Source, read, receipt_of
from smsconnector.hooks.requests import HookRequest, Unreadable
from smsconnector.http import replies
from smsconnector.http.answers import Answer, GiveAnswer, HTTPRequest, HTTPRoute
from smsconnector.http.auth import Access
from smsconnector.http.charsets import decode
from smsconnector.http.forms import parse_notification, parse_receive
from smsconnector.http.hook_counts import HookCounts
from smsconnector.messages import Finality, IncomingSegment, Receipt
from smsconnector.walks.admission import Gate
from smsconnector.walks.receiver import Receiver
from smsconnector.wall_clock import WallClock

_WEBHOOK = re.compile(r"(?:/([^/]+))?/(receive|delivery-notification)(?:/.*)?")


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
        access: Access,
        hooks: Mapping[str, Hooks],
    ) -> None:
        self._wall_clock, self._channels, self._default_channel = wall_clock, channels, default_channel
        self._receiver, self._gate, self._access = receiver, gate, access
        self._hooks = hooks
        self._counts = HookCounts(access.clock)

    def configure(self, default_channel: str, hooks: Mapping[str, Hooks]) -> None:
        """What counts from now on."""
        self._default_channel, self._hooks = default_channel, hooks

    def routes(self) -> tuple[HTTPRoute, ...]:
        """``<sid>`` is our own MessageSID. ``<secret>`` is a secret that the provider was given in its URL."""
        notified, told = self.delivery_notification, self.receive
        paths = (
            ("/receive", told, True),
            ("/delivery-notification", notified, True),
            ("/<channel>/receive", told, False),
            ("/<channel>/receive/<secret>", told, False),
            ("/<channel>/delivery-notification", notified, False),
            ("/<channel>/delivery-notification/<sid>", notified, False),
            ("/<channel>/delivery-notification/<sid>/<secret>", notified, False),
        )
        return tuple(
            HTTPRoute(method, path, handler, "webhook", at_root=at_root)
            for path, handler, at_root in paths
            for method in ("POST", "GET")
        )

    def has_own_form(self, path: str) -> bool:
        """Whether this path, without the base path, is that of a webhook whose provider has a form of its own: it may
        post long lists."""
        match = _WEBHOOK.fullmatch(path)
        if match is None:
            return False
        hooks = self._hooks.get(match[1] or self._default_channel, PLAIN)
        return bool((hooks.incoming if match[2] == "receive" else hooks.notification).readings)

    def stop(self) -> None:
        """No more requests come."""
        self._counts.stop()

    def counts(self) -> dict[str, object]:
        """For the health: by channel what was refused, and what could not be read."""
        return self._counts.told()

    def needs_key(self, route: HTTPRoute, request: HTTPRequest) -> bool:
        """Whether nothing else tells who calls, so that the caller has to bring an API key. Not where the answer tells
        nothing and does nothing, whoever asks: 404, 405, and that to a probe."""
        hook = self._hook(route, request.arguments)
        is_allowed = request.method.decode("latin-1") in hook.methods and not _is_probe(request, hook)
        return hook.verifier is None and is_allowed and self._is_known(request)

    def methods(self, route: HTTPRoute, arguments: Mapping[str, str]) -> list[str]:
        """That this webhook takes, in order; a GET without anything is a probe for many."""
        hook = self._hook(route, arguments)
        return sorted({*hook.methods, *(("GET",) if _is_own(hook) else ())})

    def _hook(self, route: HTTPRoute, arguments: Mapping[str, str]) -> Hook:
        hooks = self._hooks.get(arguments.get("channel", self._default_channel), PLAIN)
        return hooks.incoming if route.handler == self.receive else hooks.notification

    def _is_known(self, request: HTTPRequest) -> bool:
        """Its channel."""
        channel = request.arguments.get("channel", self._default_channel)
        return channel in self._channels or channel == self._default_channel

    def receive(self, request: HTTPRequest, answer: GiveAnswer) -> None:
        """A text from a handset."""
        channel = self._channel_of(request)
        hook = self._hooks.get(channel, PLAIN).incoming
        if not self._lets_in(request, channel, hook, answer):
            return
        if hook.readings:
            self._read(request, Source(channel, self._now_ms()), hook, answer)
            return
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
        self._receiver.incoming(text, self._when_written(hook, answer))

    def delivery_notification(self, request: HTTPRequest, answer: GiveAnswer) -> None:
        """The status of a text that the provider was given."""
        channel = self._channel_of(request)
        hook = self._hooks.get(channel, PLAIN).notification
        if not self._lets_in(request, channel, hook, answer):
            return
        sid = request.arguments.get("sid")
        if hook.has_path_secret and "secret" not in request.arguments:
            sid = None  # what stands there is the secret
        source = Source(channel, self._now_ms(), sid, hook.names_parts)
        if hook.readings:
            self._read(request, source, hook, answer)
            return
        form = parse_notification(request.body, request.content_type)
        smsc_id, own_id = source.ids(lambda: form.sid)
        receipt = receipt_of(
            own_id,
            account=channel,
            smsc_id=smsc_id,
            finality=form.finality,
            code=form.code,
            status=form.status,
            received_at=source.received_at,
        )
        if hook.is_of_sender:
            self._receiver.received([receipt], self._when_written(hook, answer))
        else:
            self._receiver.notified(receipt, channel, self._when_written(hook, answer))

    def _channel_of(self, request: HTTPRequest) -> str:
        if not self._is_known(request):
            raise InvalidRequest("not_found", "There is no such channel.", status=404)
        return request.arguments.get("channel", self._default_channel)

    def _lets_in(self, request: HTTPRequest, channel: str, hook: Hook, answer: GiveAnswer) -> bool:
        """Whether to go on; else it has been answered. A GET of the bare path tells nothing and is a probe: providers
        send it, unsigned, when the URL is entered. Raises InvalidRequest for who may not call, and for a method that
        the provider does not use."""
        if _is_probe(request, hook):
            answer(answer_of(hook.answer))
            return False
        if request.method.decode("latin-1") not in hook.methods:
            raise replies.not_allowed(hook.methods)
        if hook.verifier is None:
            self._access.check_caller(request, channel)
        else:
            self._access.check_page(request.headers)
        if request.fault is not None:
            raise request.fault
        if hook.verifier is not None:
            fault = hook.verifier.fault(self._seen(request, channel), self._wall_clock.milliseconds() / 1000)
            if fault is not None:
                self._counts.refused(channel, fault)
                raise InvalidRequest("not_verified", f"This request can't be verified: {fault}.", status=403)
        return True

    def _seen(self, request: HTTPRequest, channel: str) -> HookRequest:
        """The request as ``hooks`` sees it."""
        return HookRequest(
            request.method.decode("latin-1"),
            request.target.decode("latin-1"),
            request.headers,
            request.body,
            request.peer,
            self._hooks.get(channel, PLAIN).public_url,
        )

    def _read(self, request: HTTPRequest, source: Source, hook: Hook, answer: GiveAnswer) -> None:
        """By a form of the provider's own."""
        try:
            found = read(self._seen(request, source.channel), _body(request), hook.readings, source)
        except Unreadable as error:
            self._counts.unreadable(source.channel, str(error))
            raise InvalidRequest("unreadable", f"Nothing in this request can be read: {error}.") from None
        self._counts.found(source.channel, found)
        items = _to_write(found)
        if items:
            self._receiver.received(items, self._when_written(hook, answer))
        else:
            answer(answer_of(hook.answer))

    def _now_ms(self) -> int:
        return self._wall_clock.milliseconds()

    def _when_written(self, hook: Hook, answer: GiveAnswer) -> Callable[[StoreError | None], None]:
        """What the receiver calls after the commit, or when there was none."""

        def written(error: StoreError | None) -> None:
            if error is None:
                answer(answer_of(hook.answer))
            else:
                self._gate.failed(error)
                answer(replies.STORE_FAILED)

        return written


def _is_own(hook: Hook) -> bool:
    return hook.verifier is not None or bool(hook.readings)


def _is_probe(request: HTTPRequest, hook: Hook) -> bool:
    return _is_own(hook) and request.method in (b"GET", b"HEAD") and not request.body and b"?" not in request.target


def answer_of(wanted: HookAnswer) -> Answer:
    """What the provider wants to hear."""
    headers = ((b"Content-Type", wanted.content_type.encode()),) if wanted.content_type else ()
    return Answer(wanted.status, headers, wanted.body.encode())


def _body(request: HTTPRequest) -> Body:
    """In the alphabet that it names; where it names a wrong one, in UTF-8, with U+FFFD for what is not."""
    try:
        return Body(*decode(request.body, request.content_type))
    except InvalidRequest:
        return Body(request.body.decode("utf-8", "replace"))


def _to_write(found: Found) -> list[Receipt | IncomingSegment]:
    """Progress is not on disk for any channel: there is nothing to wait for."""
    receipts = [one for one in found.receipts if one.finality is not Finality.PROGRESS]
    return [*receipts, *found.texts]
