"""The table of routes, and the edge where an error becomes an answer.

1. A server reads a request and finds its route in ``API.routes``: ``routes.Routes`` does so by Klein.
2. ``API.serve`` checks who asks (``auth``) and calls the route's handler, a plain function of octets and headers.
3. What goes wrong is JSON. 400 and its kin say which field and what to do, 503 says that nothing was done, 500
   says that it is our fault and in the log.

Nothing here knows which server it is: another one can serve the same table.
"""

import re
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any, NamedTuple, Protocol

from twisted.logger import Logger
from twisted.python.failure import Failure

from smsconnector.errors import InvalidRequest
from smsconnector.hooks.hook import Hooks
from smsconnector.http import replies
from smsconnector.http.answers import Answer, AnswerInPieces, BodyInPieces, GiveAnswer, HTTPRequest, HTTPRoute
from smsconnector.http.auth import Access, NotForThisKey
from smsconnector.http.batch import Batches, BatchSettings
from smsconnector.http.docs import Docs
from smsconnector.http.explain import Explain
from smsconnector.http.health import HealthDoor
from smsconnector.http.messages import Elsewhere, Messages, Remember, nowhere_else
from smsconnector.http.send import SCHEDULE_AHEAD, AcceptedFrom, Send
from smsconnector.http.waiting import WaitingBody
from smsconnector.http.webhooks import Webhooks
from smsconnector.store.reader import IReader
from smsconnector.store.writer import IWriter
from smsconnector.walks.admission import Gate
from smsconnector.walks.cancelling import Cancelling
from smsconnector.walks.outlet import Outlet
from smsconnector.walks.receiver import Receiver
from smsconnector.wall_clock import WallClock

_COMPRESSIONS = (b"gzip", b"x-gzip", b"deflate", b"br", b"zstd", b"compress", b"x-compress")
_ORIGIN = re.compile(r"^https?://[^/]*/", re.IGNORECASE)  # of an absolute URI


# RFC 9110 section 15.5.16: a 415 says by Accept-Encoding what can be read.
_COMPRESSED = InvalidRequest(
    "unsupported_encoding",
    "The body is compressed, as Content-Encoding says: send it as it is.",
    status=415,
    headers=((b"Accept-Encoding", b"identity"),),
)


class APISettings(BatchSettings, Protocol):
    """What the configuration says of requests. ``idempotency_hours``: how long the key of a request is known;
    ``schedule_ahead``: how far ahead SendAt may be (s); ``docs``: whether the description of the API is served."""

    @property
    def idempotency_hours(self) -> float: ...

    @property
    def schedule_ahead(self) -> float: ...

    @property
    def docs(self) -> bool: ...


class UsualSettings(NamedTuple):
    """Where the configuration says nothing."""

    maximum_batch: int = 10_000
    maximum_batch_body: int = 8_388_608
    maximum_body: int = 65_536
    idempotency_hours: float = 24.0
    schedule_ahead: float = SCHEDULE_AHEAD
    docs: bool = True


USUAL = UsualSettings()
NO_HOOKS: Mapping[str, Hooks] = {}


def _sending(
    send: Send, gate: Gate, outlets: Mapping[str, Outlet], reader: IReader, settings: APISettings, access: Access
) -> tuple[HTTPRoute, ...]:
    batches = Batches(send, gate, settings, access.charge)
    explain = Explain(send=send, gate=gate, outlets=outlets, reader=reader)
    return (
        HTTPRoute("POST", "/send", send.post, "send", at_root=True),
        HTTPRoute("POST", "/send-batch", batches.post, "send", at_root=True, stream=batches.stream),
        HTTPRoute("POST", "/send/explain", explain.post, "send", at_root=True),
    )


class API:
    """``routes`` is the table. ``outlets`` are the channels by their names; ``webhook_channel`` is that of webhooks
    whose path names none. ``settings`` are limits from the configuration. ``health`` gives what the health says
    beside whether texts are accepted. ``hooks`` says how the providers of channels call us. ``elsewhere``
    answers for messages that are not in this store. ``accepted_from`` is told who has sent each text that
    was accepted, ``remember`` who has done what, for the audit."""

    log = Logger()

    def __init__(
        self,
        *,
        wall_clock: WallClock,
        outlets: Mapping[str, Outlet],
        default_channel: str,
        webhook_channel: str,
        receiver: Receiver,
        reader: IReader,
        writer: IWriter,
        access: Access,
        base_path: str,
        gate: Gate | None = None,
        health: Callable[[], dict[str, Any]] = dict,
        hooks: Mapping[str, Hooks] = NO_HOOKS,
        elsewhere: Elsewhere = nowhere_else,
        settings: APISettings = USUAL,
        callback_hosts: Collection[str] = (),
        accepted_from: AcceptedFrom = lambda caller: None,
        remember: Remember = lambda caller, what, about: None,
    ) -> None:
        self.access, self.base_path, gate = access, base_path, gate or Gate()
        self._send = send = Send(
            wall_clock=wall_clock,
            outlets=outlets,
            default_channel=default_channel,
            gate=gate,
            reader=reader,
            messages_path=f"{base_path}/messages/",
            idempotency_hours=settings.idempotency_hours,
            schedule_ahead=settings.schedule_ahead,
            callback_hosts=callback_hosts,
            accepted_from=accepted_from,
        )
        sending = _sending(send, gate, outlets, reader, settings, access)
        self._webhooks = webhooks = Webhooks(
            wall_clock=wall_clock,
            channels=outlets,
            default_channel=webhook_channel,
            receiver=receiver,
            gate=gate,
            access=access,
            hooks=hooks,
        )
        lookups = HealthDoor(gate=gate, details=lambda: health() | webhooks.counts())
        cancelling = Cancelling(wall_clock, writer, reader, outlets)
        messages = Messages(reader, outlets, cancelling, f"{base_path}/messages", elsewhere, remember)
        probe = HTTPRoute("GET", "/health", lookups.health, "health", at_root=True)
        docs = Docs(base_path).routes() if settings.docs else ()
        self.routes = (*sending, *webhooks.routes(), *messages.routes(), probe, *docs)

    def configure(self, default_channel: str, webhook_channel: str, hooks: Mapping[str, Hooks]) -> None:
        """What counts from now on, of requests that come."""
        self._send.default_channel = default_channel
        self._webhooks.configure(webhook_channel, hooks)

    def stop(self) -> None:
        """No more requests come, but for those of connections that stand."""
        self.access.stop()
        self._webhooks.stop()

    @property
    def needs_key(self) -> bool:
        """Whether who asks has to bring an API key."""
        return self.access.ring.is_needed

    def methods(self, route: HTTPRoute, arguments: Mapping[str, str]) -> list[str]:
        """That the path of this route takes. Only of webhooks there are several: what the channel's provider uses."""
        return self._webhooks.methods(route, arguments) if route.scope == "webhook" else [route.method]

    def takes_lists(self, target: bytes) -> bool:
        """Whether the body of a request to this target, as it stands in its first line, may be a long list."""
        path = _ORIGIN.sub("/", target.decode("latin-1")).partition("?")[0]
        if path.startswith(f"{self.base_path}/"):
            return self._webhooks.has_own_form(path.removeprefix(self.base_path))
        return path.count("/") == 1 and self._webhooks.has_own_form(path)

    def serve(self, route: HTTPRoute, request: HTTPRequest, answer: GiveAnswer) -> None:
        """Have the request handled. ``answer`` is called once: now, or after the commit that it speaks of."""
        access = self.access
        try:
            if route.scope != "webhook" or self._webhooks.needs_key(route, request):
                access.check_page(request.headers, route.scope)
                if access.is_guarded:
                    admitted = access.admit(route.scope, request)
                    if admitted is None:
                        access.examine(route.scope, request, partial(self._handle, route, answer), answer)
                        return
                    request = admitted
        except InvalidRequest as error:
            answer(self.access.refusal(error))
            return
        self._handle(route, answer, request)

    def _handle(self, route: HTTPRoute, answer: GiveAnswer, request: HTTPRequest) -> None:
        """Who asks has been let in."""
        try:
            if request.fault is not None and route.scope != "webhook":  # those may have to verify the caller first
                raise request.fault
            route.handler(request, answer)
        except NotForThisKey as error:
            self.access.refuse(request, error.reason, answer)
        except InvalidRequest as error:
            answer(self.access.refusal(_COMPRESSED if error.status == 400 and _is_compressed(request) else error))
        except Exception:  # noqa: BLE001 — the edge: whatever it is, the client has its answer, and the log the reason
            answer(self.our_fault(Failure(), route.path.encode()))  # not the path itself, which may hold a secret

    def open(self, route: HTTPRoute, request: HTTPRequest, answer: AnswerInPieces) -> BodyInPieces:
        """Who takes the body of this request in pieces. Raises InvalidRequest."""
        access, open_stream = self.access, route.stream
        assert open_stream is not None
        access.check_page(request.headers, route.scope)
        if not access.is_guarded:
            return open_stream(request, answer)
        admitted = access.admit(route.scope, request)
        if admitted is not None:
            return open_stream(admitted, answer)
        if not access.has_to_hash(request):
            refusals: list[Answer] = []
            access.examine(route.scope, request, lambda found: None, refusals.append)
            raise replies.error_of(refusals[0])
        waiting = WaitingBody(answer)
        access.examine(
            route.scope, request, lambda found: waiting.admitted(lambda: open_stream(found, answer)), waiting.refused
        )
        return waiting

    def our_fault(self, failure: Failure, path: bytes) -> Answer:
        """500 for what nobody expected; the reason is in the log and not in the answer."""
        self.log.failure("a request to {path} failed", failure, path=path)
        return replies.refusal(InvalidRequest("internal_error", "Internal error: see the connector's log.", status=500))


def _is_compressed(request: HTTPRequest) -> bool:
    """Whether the client says so of a body that can't be read. Of one that can be it is not asked: some clients write
    an alphabet into Content-Encoding."""
    found = b",".join(request.headers.get(b"content-encoding", ())).lower()
    return any(one.strip() in _COMPRESSIONS for one in found.split(b","))
