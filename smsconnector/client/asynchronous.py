"""The client for asyncio. It is ``sync`` again, with ``await``: what both do is in the other modules."""

import time
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Mapping
from ssl import SSLContext
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

import anyio
import httpx

from smsconnector.client import answers, calls
from smsconnector.client.batches import Cutter, Item, Result, send_some
from smsconnector.client.courses import Flow, NoReply, Pause, Reply, Request, Retries, Seen
from smsconnector.client.exchange import TIMEOUT, TOO_SLOW, Settings, failure, reply_of
from smsconnector.client.texts import Fields, Query, Text

A = TypeVar("A")


class AsyncClient:
    """The API of one connector, as ``Client``. Tasks may share it. Close it, or use it in ``async with``."""

    def __init__(
        self,
        base_url: str,
        *,
        key: str | None = None,
        timeout: float = TIMEOUT,
        retries: Retries | int | None = None,
        verify: bool | SSLContext = True,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = anyio.sleep,
        chance: Callable[[], float] | None = None,
    ) -> None:
        self._settings = Settings(base_url, key, timeout, retries, clock, chance)
        self._sleep = sleep
        self._http = httpx.AsyncClient(headers=self._settings.headers, verify=verify, transport=transport)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._settings.url!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    # --- what can be asked ----------------------------------------------------------------------------------

    async def send(self, to: str, body: str, **fields: Unpack[Fields]) -> calls.Sent:
        """Have a text sent: it is on the connector's disk when this returns. See ``Text`` for the fields. What was
        refused, or had no answer, is a ``ClientError``."""
        return await self._run(calls.send(self._settings.course(), Text(to=to, body=body, **fields)))

    async def send_batch(
        self, texts: Iterable[Text | Mapping[str, Any]] | AsyncIterable[Text | Mapping[str, Any]]
    ) -> AsyncIterator[Result]:
        """Have many sent, and tell of each what became of it, in order. Texts are taken from ``texts``, and sent, while
        the results are read. If nothing more can be sent, what was under way has the error in its result, then the
        error is raised; ``texts`` is read no further then."""
        cutter = Cutter()
        async for one in _each(texts):
            for items in cutter.put(one):
                async for result in self._send_some(cutter, items):
                    yield result
        for items in cutter.rest():
            async for result in self._send_some(cutter, items):
                yield result

    async def _send_some(self, cutter: Cutter, items: list[Item]) -> AsyncIterator[Result]:
        results, error = await self._run(send_some(self._settings.course(), cutter, items))
        for one in results:
            yield one
        if error is not None:
            raise error

    async def explain(self, to: str, body: str, **fields: Unpack[Fields]) -> answers.Explained:
        """What would become of a text. Nothing is sent."""
        return await self._run(calls.explain(self._settings.course(), Text(to=to, body=body, **fields)))

    async def message(self, sid: str) -> answers.Message:
        """A message with its parts; ``NotFound`` if there is none."""
        return await self._run(calls.message(self._settings.course(), sid))

    async def timeline(self, sid: str) -> answers.Timeline:
        """All that happened to it."""
        return await self._run(calls.timeline(self._settings.course(), sid))

    async def messages(self, **query: Unpack[Query]) -> AsyncIterator[answers.Message]:
        """Those that fit, the newest first, each without its parts. Pages are asked for as they are needed."""
        cursor = None
        while True:
            found, cursor = await self._page(query, cursor)
            for one in found:
                yield one
            if cursor is None:
                return

    async def _page(self, query: Query, cursor: str | None) -> tuple[tuple[answers.Message, ...], str | None]:
        page = await self._run(calls.page(self._settings.course(), query, cursor))
        return page.messages, page.cursor

    async def cancel(self, sid: str) -> answers.Message:
        """Take a message back: it will not be sent when this returns. ``TooLate`` if it may have been."""
        return await self._run(calls.cancel(self._settings.course(), sid))

    async def health(self) -> answers.Health:
        """Whether texts are accepted now; ``raw`` has the rest."""
        return await self._run(calls.health(self._settings.course()))

    # --- how it is done -------------------------------------------------------------------------------------

    async def _run(self, flow: Flow[A]) -> A:
        seen: Seen | None = None
        while True:
            try:
                step = next(flow) if seen is None else flow.send(seen)
            except StopIteration as done:
                answer: A = done.value
                return answer
            outcome = None
            if isinstance(step, Pause):
                await self._sleep(step.seconds)
            else:
                outcome = await self._ask(step)
            seen = Seen(outcome, self._settings.clock())

    async def _ask(self, request: Request) -> Reply | NoReply:
        head, body, end = None, bytearray(), self._settings.clock() + request.within
        try:
            async with self._http.stream(**self._settings.arguments(request)) as head:
                async for piece in head.aiter_bytes():
                    body += piece
                    if self._settings.clock() > end:
                        raise httpx.ReadTimeout(TOO_SLOW)
            return reply_of(head, body)
        except httpx.HTTPError as error:
            return failure(error, request, None if head is None else reply_of(head, body))


async def _each(
    texts: Iterable[Text | Mapping[str, Any]] | AsyncIterable[Text | Mapping[str, Any]],
) -> AsyncIterator[Text | Mapping[str, Any]]:
    if isinstance(texts, AsyncIterable):
        async for one in texts:
            yield one
    else:
        for one in texts:
            yield one
