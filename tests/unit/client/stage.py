"""A client whose connector is a function. ``both_clients`` runs the tests of a class with each of the two shells."""

import json
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, TypeVar

import httpx
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.client import AsyncClient, Client

URL = "http://sms.example:8080/msg-client"
KEY = "smsc_verysecret"
TO = "+923001234567"
Handler = Callable[[httpx.Request], httpx.Response]


def finished(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """What it returns. Nothing here waits, so it needs no loop."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("it waits for something")


class Awaited:
    """An ``AsyncClient`` that is called like a ``Client``."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    def __repr__(self) -> str:
        return repr(self._client)

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            made = getattr(self._client, name)(*args, **kwargs)
            return self._each(made) if isinstance(made, AsyncIterator) else finished(made)

        return call

    def _each(self, some: AsyncIterator[Any]) -> Iterator[Any]:
        while True:
            try:
                yield finished(some.__anext__())  # type: ignore[arg-type]
            except StopAsyncIteration:
                return


class Script:
    """A connector that answers with these, one after the other, the last one again and again. What is an exception is
    raised, what is a function is called."""

    def __init__(self, *answers: httpx.Response | Exception | Handler) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers[min(len(self.requests), len(self.answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, httpx.Response) else answer(request)

    def bodies(self) -> list[bytes]:
        return [one.content for one in self.requests]

    def keys(self) -> set[str]:
        return {one.headers["Idempotency-Key"] for one in self.requests}


def accepted(sid: str = "SM1", **headers: str) -> httpx.Response:
    return httpx.Response(200, headers={"X-Message-SID": sid} | {k.replace("_", "-"): v for k, v in headers.items()})


def refusal(
    status: int, code: str, message: str = "Do this.", field: str | None = None, **headers: str
) -> httpx.Response:
    said = {"error": {"code": code, "message": message, "field": field}}
    return httpx.Response(status, json=said, headers={k.replace("_", "-"): v for k, v in headers.items()})


class Broken(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body that comes in these pieces, and then breaks off with ``error``, or ends. ``each``: called before each."""

    def __init__(self, *pieces: bytes, error: Exception | None = None, each: Callable[[], Any] = lambda: None) -> None:
        self._pieces, self._error, self._each = pieces, error, each

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            self._each()
            yield piece
        if self._error is not None:
            raise self._error

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self:
            yield piece


def lines(*results: Any) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in results)


class ClientCase(SynchronousTestCase):
    is_async = False

    def setUp(self) -> None:
        self.time = 1_000.0
        self.pauses: list[float] = []

    def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.time += seconds

    async def _sleep_async(self, seconds: float) -> None:
        self._sleep(seconds)

    def client(self, handler: Handler, url: str = URL, **more: Any) -> Any:
        """A ``Client``, or what can be called like one."""
        settings: dict[str, Any] = {"key": KEY, "clock": lambda: self.time, "chance": lambda: 1.0}
        settings |= more
        if self.is_async:

            async def answer(request: httpx.Request) -> httpx.Response:
                return handler(request)

            transport = httpx.MockTransport(answer)
            return Awaited(AsyncClient(url, transport=transport, sleep=self._sleep_async, **settings))
        return Client(url, transport=httpx.MockTransport(handler), sleep=self._sleep, **settings)

    def fails(self, kind: type[Exception], call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """The error, which is exactly of this kind."""
        error = self.assertRaises(kind, call, *args, **kwargs)
        self.assertIs(type(error), kind)
        return error


Case = TypeVar("Case", bound=type[ClientCase])


def both_clients(case: Case) -> Case:
    """Every test of this class runs a second time, with ``AsyncClient``."""
    name = case.__name__.removesuffix("Case") + "AsyncCase"
    members = {"is_async": True, "__module__": case.__module__, "__doc__": f"{case.__name__} with AsyncClient."}
    setattr(sys.modules[case.__module__], name, type(name, (case,), members))
    return case
