"""The client for code that waits."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from ssl import SSLContext
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

import httpx

from smsconnector.client import answers, calls
from smsconnector.client.batches import Cutter, Item, Result, send_some
from smsconnector.client.courses import Flow, NoReply, Pause, Reply, Request, Retries, Seen
from smsconnector.client.exchange import TIMEOUT, TOO_SLOW, Settings, failure, reply_of
from smsconnector.client.texts import Fields, Query, Text

A = TypeVar("A")


class Client:
    """The API of one connector. Threads may share a client. Close it, or use it in ``with``.

    :param base_url: with the base path: ``http://127.0.0.1:8080/msg-client``.
    :param key: of the API, if one is needed. It is sent as Bearer, and shown nowhere.
    :param timeout: seconds for one attempt.
    :param retries: when and how long a request is sent again; a number is that of the attempts beyond the first.
    :param verify: how a server's certificate is checked, as of httpx.
    :param transport: of httpx, in place of its own.
    :param clock, sleep, chance: for tests: seconds by a clock that only rises, a pause, numbers from 0 to 1.
    """

    def __init__(
        self,
        base_url: str,
        *,
        key: str | None = None,
        timeout: float = TIMEOUT,
        retries: Retries | int | None = None,
        verify: bool | SSLContext = True,
        transport: httpx.BaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
        chance: Callable[[], float] | None = None,
    ) -> None:
        self._settings = Settings(base_url, key, timeout, retries, clock, chance)
        self._sleep = sleep
        self._http = httpx.Client(headers=self._settings.headers, verify=verify, transport=transport)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._settings.url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    # --- what can be asked ----------------------------------------------------------------------------------

    def send(self, to: str, body: str, **fields: Unpack[Fields]) -> calls.Sent:
        """Have a text sent: it is on the connector's disk when this returns. See ``Text`` for the fields. What was
        refused, or had no answer, is a ``ClientError``."""
        return self._run(calls.send(self._settings.course(), Text(to=to, body=body, **fields)))

    def send_batch(self, texts: Iterable[Text | Mapping[str, Any]]) -> Iterator[Result]:
        """Have many sent, and tell of each what became of it, in order. Texts are taken from ``texts``, and sent, while
        the results are read. If nothing more can be sent, what was under way has the error in its result, then the
        error is raised; ``texts`` is read no further then."""
        cutter = Cutter()
        for one in texts:
            for items in cutter.put(one):
                yield from self._send_some(cutter, items)
        for items in cutter.rest():
            yield from self._send_some(cutter, items)

    def _send_some(self, cutter: Cutter, items: list[Item]) -> Iterator[Result]:
        results, error = self._run(send_some(self._settings.course(), cutter, items))
        yield from results
        if error is not None:
            raise error

    def explain(self, to: str, body: str, **fields: Unpack[Fields]) -> answers.Explained:
        """What would become of a text. Nothing is sent."""
        return self._run(calls.explain(self._settings.course(), Text(to=to, body=body, **fields)))

    def message(self, sid: str) -> answers.Message:
        """A message with its parts; ``NotFound`` if there is none."""
        return self._run(calls.message(self._settings.course(), sid))

    def timeline(self, sid: str) -> answers.Timeline:
        """All that happened to it."""
        return self._run(calls.timeline(self._settings.course(), sid))

    def messages(self, **query: Unpack[Query]) -> Iterator[answers.Message]:
        """Those that fit, the newest first, each without its parts. Pages are asked for as they are needed."""
        cursor = None
        while True:
            found, cursor = self._page(query, cursor)
            yield from found
            if cursor is None:
                return

    def _page(self, query: Query, cursor: str | None) -> tuple[tuple[answers.Message, ...], str | None]:
        page = self._run(calls.page(self._settings.course(), query, cursor))
        return page.messages, page.cursor

    def cancel(self, sid: str) -> answers.Message:
        """Take a message back: it will not be sent when this returns. ``TooLate`` if it may have been."""
        return self._run(calls.cancel(self._settings.course(), sid))

    def health(self) -> answers.Health:
        """Whether texts are accepted now; ``raw`` has the rest."""
        return self._run(calls.health(self._settings.course()))

    # --- how it is done -------------------------------------------------------------------------------------

    def _run(self, flow: Flow[A]) -> A:
        seen: Seen | None = None
        while True:
            try:
                step = next(flow) if seen is None else flow.send(seen)
            except StopIteration as done:
                answer: A = done.value
                return answer
            outcome = None
            if isinstance(step, Pause):
                self._sleep(step.seconds)
            else:
                outcome = self._ask(step)
            seen = Seen(outcome, self._settings.clock())

    def _ask(self, request: Request) -> Reply | NoReply:
        head, body, end = None, bytearray(), self._settings.clock() + request.within
        try:
            with self._http.stream(**self._settings.arguments(request)) as head:
                for piece in head.iter_bytes():
                    body += piece
                    if self._settings.clock() > end:
                        raise httpx.ReadTimeout(TOO_SLOW)
            return reply_of(head, body)
        except httpx.HTTPError as error:
            return failure(error, request, None if head is None else reply_of(head, body))
