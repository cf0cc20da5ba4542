"""What a handler is given and what it gives back: plain records, whatever server they come from and go to.

A handler takes an ``HTTPRequest`` and a callback. It calls the callback once, with an ``Answer``: at once, or after the
commit that the answer speaks of. What it can't accept it raises as InvalidRequest, before it has called the callback.

A route may take its body in pieces, while it comes. Its ``stream`` is given the request without a body and an
``AnswerInPieces``, and gives a ``BodyInPieces``, or raises InvalidRequest.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple, Protocol

from smsconnector.access.keys import Caller
from smsconnector.errors import InvalidRequest

Headers = tuple[tuple[bytes, bytes], ...]  # (name, value) pairs, in the order in which they are sent
RequestHeaders = Mapping[bytes, Sequence[bytes]]  # by the name in lower case: its values, as they came
Scope = Literal["send", "webhook", "read", "admin", "health", "public"]
SCOPES_WITH_TARGET = ("webhook", "read")  # of requests whose target a handler may want
NO_ARGUMENTS: Mapping[str, str] = {}


# Of every answer that does not say otherwise. An answer is not to be taken for a page or a script, framed, or kept by a
# cache: it may hold texts and numbers.
SECURITY_HEADERS: Headers = (
    (b"Cache-Control", b"no-store"),  # RFC 9111 section 5.2.2.5
    (b"Content-Security-Policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"X-Content-Type-Options", b"nosniff"),
)


class HTTPRequest(NamedTuple):
    """One request, read to its end."""

    method: bytes
    path: bytes  # without the query, still percent-encoded
    headers: RequestHeaders
    body: bytes
    arguments: Mapping[str, str] = NO_ARGUMENTS  # what stands in the path for each <variable> of its route, decoded
    fault: InvalidRequest | None = None  # why the server dropped the body; raised once the key was checked
    target: bytes = b""  # of a webhook, or of what is read: path and query, exactly as they came
    peer: str = ""  # the address of the direct peer; "" if it has none
    caller: Caller | None = None  # whose key it brought; None where no key is needed

    @property
    def content_type(self) -> str:
        """As the client wrote it, whatever octets these are; "" for none."""
        return self.headers.get(b"content-type", (b"",))[0].decode("latin-1")


class Answer(NamedTuple):
    """``status`` with ``headers`` and ``body``. Who writes it to the client adds Content-Length, Date and Server."""

    status: int = 200
    headers: Headers = ()
    body: bytes = b""


GiveAnswer = Callable[[Answer], None]
Handler = Callable[[HTTPRequest, GiveAnswer], None]


class AnswerInPieces(Protocol):
    """The answer to a request whose body comes in pieces, and the flow of that body. ``begin``, ``write`` as often as
    wanted, and ``finish``; or ``whole`` alone. When the client has gone all of them do nothing."""

    def begin(self, headers: Headers) -> None:
        """The status is 200. What follows is kept until the client reads it."""
        ...

    def write(self, octets: bytes) -> None: ...

    def finish(self) -> None: ...

    def whole(self, answer: Answer) -> None: ...

    def progress(self) -> None:
        """A part of the body has come that is whole in itself: the client has its time anew for the next one."""
        ...

    def pause(self) -> None:
        """Give no more of the body until ``resume``; what was read from the connection already may still come."""
        ...

    def resume(self) -> None: ...

    def soon(self, call: Callable[[], None]) -> None:
        """Call it in the next turn of the reactor."""
        ...

    def take(self, octets: int) -> bool:
        """Room for so many octets in memory, until the request is over; whether there was any."""
        ...


class Collected:
    """An ``AnswerInPieces`` that becomes one answer."""

    def __init__(self, answer: GiveAnswer) -> None:
        self._answer, self._headers, self._pieces = answer, (), list[bytes]()

    _headers: Headers

    def begin(self, headers: Headers) -> None:
        self._headers = headers

    def write(self, octets: bytes) -> None:
        self._pieces.append(octets)

    def finish(self) -> None:
        self._answer(Answer(200, self._headers, b"".join(self._pieces)))

    def whole(self, answer: Answer) -> None:
        self._answer(answer)

    def progress(self) -> None: ...

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def soon(self, call: Callable[[], None]) -> None:
        call()

    def take(self, octets: int) -> bool:
        return True


class BodyInPieces(Protocol):
    """Who takes a body in pieces. ``received`` for each, then ``ended``; or ``lost``: the client has gone before the
    answer was finished. None of them raises."""

    def received(self, octets: bytes) -> None: ...

    def ended(self) -> None: ...

    def lost(self) -> None: ...


OpenStream = Callable[[HTTPRequest, AnswerInPieces], BodyInPieces]


class HTTPRoute(NamedTuple):
    """Which handler serves ``method`` on ``path``; ``<name>`` in the path is a variable of one path segment.

    ``scope`` says what a key has to be for. A webhook may have another way to say who calls, so its handler says
    whether a key is needed. Any key opens a route of the scope health, and a public one needs none.
    """

    method: str
    path: str  # below the base path
    handler: Handler
    scope: Scope
    at_root: bool = False  # it stands at the root too, without the base path
    stream: OpenStream | None = None  # takes the body in pieces; ``handler`` then has what is written in unusual ways
    is_long: bool = False  # its answers are: they are written in pieces, as fast as the client reads

    def paths(self, base_path: str) -> tuple[str, ...]:
        """The whole paths under which it is found."""
        return (base_path + self.path, self.path) if self.at_root else (base_path + self.path,)
