"""Many texts: each has one result, whatever breaks in the middle."""

import json
import random
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx

from smsconnector.client import Busy, ClientError, NotAllowed, Refused, Result, Text, Unreachable, Unreadable
from smsconnector.client.batches import AT_ONCE, LARGEST
from tests.unit.client.stage import Broken, ClientCase, Script, both_clients, lines, refusal


def texts(count: int) -> list[Text]:
    return [Text(to=f"+92300{number:07}", body=f"text {number}") for number in range(count)]


class FakeBatches:
    """A connector that knows keys. ``first`` is what goes wrong, one request after the other; then all is well."""

    def __init__(self, *first: Any) -> None:
        self.first, self.sids, self.items = list(first), dict[str, str](), list[list[Any]]()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        items = [json.loads(line) for line in request.content.splitlines()]
        self.items.append(items)
        trouble = self.first.pop(0) if self.first else None
        if isinstance(trouble, Exception):
            raise trouble
        if isinstance(trouble, httpx.Response):
            return trouble
        return trouble(items, self) if trouble is not None else httpx.Response(200, content=self.results(items))

    def accept(self, items: list[Any]) -> list[Any]:
        """The result of each."""
        for one in items:
            self.sids.setdefault(one["IdempotencyKey"], f"SM{len(self.sids)}")
        return [
            {"index": at, "status": 200, "MessageSID": self.sids[one["IdempotencyKey"]]} for at, one in enumerate(items)
        ]

    def results(self, items: list[Any]) -> bytes:
        return lines(*self.accept(items))


def cut(after: int, torn: bytes = b"") -> Any:
    """All are accepted; so many are told, and a piece of the next."""

    def answer(items: list[Any], fake: FakeBatches) -> httpx.Response:
        told = lines(*fake.accept(items)[:after]) + torn
        return httpx.Response(200, stream=Broken(told, error=httpx.RemoteProtocolError("cut")))

    return answer


def refused_at(status: int, *places: int, code: str = "unavailable") -> Any:
    def answer(items: list[Any], fake: FakeBatches) -> httpx.Response:
        error = {"code": code, "message": "Try again.", "field": None}
        told = fake.accept([one for at, one in enumerate(items) if at not in places])
        for at in [one for one in places if one < len(items)]:
            told.insert(at, {"status": status, "error": error})
        return httpx.Response(200, content=lines(*(one | {"index": at} for at, one in enumerate(told))))

    return answer


def too_large(items: list[Any], fake: FakeBatches) -> httpx.Response:
    """If it is more than one."""
    if len(items) > 1:
        return refusal(413, "body_too_large")
    return httpx.Response(200, content=fake.results(items))


def stopped(at: int, status: int, code: str) -> Any:
    def answer(items: list[Any], fake: FakeBatches) -> httpx.Response:
        error = {"code": code, "message": "Less.", "field": None}
        if at >= len(items):
            return httpx.Response(200, content=fake.results(items))
        last = {"index": at, "status": status, "error": error, "stopped": True}
        return httpx.Response(200, content=lines(*fake.accept(items[:at]), last))

    return answer


@both_clients
class BatchCase(ClientCase):
    def send(self, fake: Any, some: Any, **more: Any) -> list[Result]:
        found: list[Result] = list(self.client(fake, **more).send_batch(some))
        return found

    def until_error(self, fake: Any, some: Any, kind: type[ClientError], **more: Any) -> tuple[list[Result], Any]:
        """The results that came before the error."""
        found = []
        try:
            for one in self.client(fake, **more).send_batch(some):
                found.append(one)
        except kind as error:
            self.assertIs(type(error), kind)
            return found, error
        raise AssertionError("no error was raised")

    def check_all(self, fake: FakeBatches, results: list[Result], count: int) -> None:
        """One result for each, in order, with the id that the connector has given it; each text was accepted once."""
        self.assertEqual([one.index for one in results], list(range(count)))
        self.assertEqual([one.text.body for one in results], [f"text {number}" for number in range(count)])
        self.assertEqual([one.sid for one in results], [fake.sids[one.idempotency_key] for one in results])
        self.assertEqual(len(fake.sids), count)

    def test_all(self) -> None:
        """More than one request takes, as NDJSON with a key each."""
        fake = FakeBatches()
        count = 2 * AT_ONCE + 3
        self.check_all(fake, self.send(fake, iter(texts(count))), count)
        self.assertEqual([len(one) for one in fake.items], [AT_ONCE, AT_ONCE, 3])
        script = Script(FakeBatches())
        self.send(script, [{"to": "+1", "body": "text 0", "idempotency_key": "k"}])
        (request,) = script.requests
        self.assertEqual(
            (request.url.path, request.headers["Content-Type"]), ("/msg-client/send-batch", "application/x-ndjson")
        )
        self.assertEqual(json.loads(request.content), {"To": "+1", "Body": "text 0", "IdempotencyKey": "k"})
        self.assertNotIn("Idempotency-Key", request.headers)

    def test_nothing(self) -> None:
        fake = FakeBatches()
        self.assertEqual((self.send(fake, []), fake.items), ([], []))

    def test_as_they_are_read(self) -> None:
        """The texts are taken while results are read: a million of them need no memory."""
        taken: list[int] = []

        def some() -> Iterator[Text]:
            for number, one in enumerate(texts(3 * AT_ONCE)):
                taken.append(number)
                yield one

        results = iter(self.client(FakeBatches()).send_batch(some()))
        self.assertEqual(taken, [])
        next(results)
        self.assertEqual(len(taken), AT_ONCE)

    def test_large_texts(self) -> None:
        """A request is bounded in octets too; one that is larger by itself goes alone."""
        fake = FakeBatches()
        big = [Text(to="+1", body="x" * (LARGEST // 3)) for _ in range(4)] + [Text(to="+1", body="x" * LARGEST)]
        self.assertEqual(len(self.send(fake, big)), 5)
        self.assertEqual([len(one) for one in fake.items], [2, 2, 1])

    def test_cut(self) -> None:
        """The connection is lost between the commit and the results: what has a result stays, the rest is sent again
        with its keys, and gets the ids of the first time."""
        for trouble in (
            cut(0),
            cut(3),
            cut(3, b'{"index": 3, "status": 200, "Mess'),
            cut(10),
            httpx.ReadTimeout("slow"),
            httpx.ConnectError("refused"),
            httpx.Response(502),
            refusal(503, "overloaded"),
            refusal(429, "too_many", Retry_After="1"),
        ):
            fake = FakeBatches(trouble)
            self.check_all(fake, self.send(fake, texts(10)), 10)
            if len(fake.items) > 1:
                told = {one["IdempotencyKey"] for one in fake.items[0]}
                self.assertLessEqual({one["IdempotencyKey"] for one in fake.items[1]}, told)

    def test_cut_again_and_again(self) -> None:
        fake = FakeBatches(cut(2), cut(2), httpx.ReadError(""), cut(3))
        self.check_all(fake, self.send(fake, texts(10)), 10)
        self.assertEqual([len(one) for one in fake.items], [10, 8, 6, 6, 3])

    def test_slow_progress(self) -> None:
        """What brings results is no failed attempt, though the connection is cut each time."""
        fake = FakeBatches(*[cut(1)] * 30)
        self.check_all(fake, self.send(fake, texts(30)), 30)
        self.assertEqual(max(self.pauses), 0.25)

    def test_refused_for_now(self) -> None:
        """Some in the middle: they alone are sent again, and the results keep their order."""
        for status in (503, 429):
            fake = FakeBatches(refused_at(status, 2, 3, 7), refused_at(status, 1))
            self.check_all(fake, self.send(fake, texts(10)), 10)
            self.assertEqual([len(one) for one in fake.items], [10, 3, 1])
            self.assertEqual(len(self.pauses), 2)
            self.pauses.clear()

    def test_refused_for_good(self) -> None:
        """Each by itself; the others go on, and none is sent again."""
        fake = FakeBatches(refused_at(400, 1, code="invalid_number"))
        results = self.send(fake, texts(3))
        self.assertEqual([one.sid is None for one in results], [False, True, False])
        error = results[1].error
        assert isinstance(error, Refused)
        self.assertEqual((error.status, error.code, len(fake.items)), (400, "invalid_number", 1))

    def test_takes_fewer(self) -> None:
        """A connector with a smaller ``maximum_batch`` or ``maximum_batch_body``: the rest goes in requests of that
        size, later ones too, and without a pause."""
        fake = FakeBatches(stopped(100, 413, "batch_too_long"))
        self.check_all(fake, self.send(fake, texts(AT_ONCE + 50)), AT_ONCE + 50)
        self.assertEqual([len(one) for one in fake.items], [AT_ONCE, 100, 100, 100, 100, 50])
        fake = FakeBatches(refusal(413, "body_too_large"), refusal(413, "body_too_large"))
        self.check_all(fake, self.send(fake, texts(40)), 40)
        self.assertEqual([len(one) for one in fake.items], [40, 20, 10, 10, 10, 10])
        self.assertEqual(self.pauses, [])

    def test_one_is_too_large(self) -> None:
        """One text that no request can carry has the error, and the others go on."""

        def answer(items: list[Any], fake: FakeBatches) -> httpx.Response:
            if any(one["Body"] == "text 2" for one in items):
                return refusal(413, "body_too_large")
            return httpx.Response(200, content=fake.results(items))

        fake = FakeBatches(*[answer] * 20)
        results = self.send(fake, texts(5))
        self.assertEqual([one.sid is not None for one in results], [True, True, False, True, True])
        error = results[2].error
        assert isinstance(error, Refused)
        self.assertEqual((error.code, self.pauses), ("body_too_large", []))
        self.assertEqual([len(one) for one in fake.items], [5, 2, 2, 1, 2], "the others go together again")

    def test_not_allowed(self) -> None:
        """A wrong key: one request, its texts have the error, and no more are read."""
        fake = Script(refusal(401, "unauthorized"))
        found, error = self.until_error(fake, texts(3 * AT_ONCE), NotAllowed)
        self.assertEqual((len(found), {one.error for one in found}, len(fake.requests)), (AT_ONCE, {error}, 1))

    def test_away(self) -> None:
        """The connector does not come back: who has a result keeps it, the others have the error, which says whether
        they may have been accepted."""
        fake = FakeBatches(cut(3), *[httpx.ConnectError("refused")] * 50)
        found, error = self.until_error(fake, texts(5), Unreachable)
        self.assertEqual([one.sid for one in found], ["SM0", "SM1", "SM2", None, None])
        self.assertEqual([one.error for one in found], [None, None, None, error, error])
        self.assertTrue(error.may_be_accepted)
        fake = FakeBatches(*[refused_at(503, 0, 1)] * 50)
        found, error = self.until_error(fake, texts(2), Busy)
        self.assertEqual((error.code, error.may_be_accepted), ("unavailable", False))

    def test_not_a_batch(self) -> None:
        """Answers of no known form are an error, and nothing is sent again for them."""
        good = {"index": 0, "status": 200, "MessageSID": "SM1"}
        for octets in (
            b"",
            b"<html>",
            lines(good),
            lines(good, good | {"index": 2}),
            lines(good, good | {"index": -1}),
            lines(good, good | {"index": "1"}),
            lines(good, {"index": 1, "status": 200}),
            lines(good, {"index": 1, "status": 400}),
            lines(good, {"index": 1, "status": 400, "error": "no"}),
            lines({"index": 0, "status": 413, "stopped": True}),
            lines(good, []),
        ):
            fake = Script(httpx.Response(200, content=octets))
            found, _ = self.until_error(fake, texts(2), Unreadable)
            self.assertEqual((len(found), len(fake.requests)), (2, 1), octets)

    def test_stopped(self) -> None:
        """Stopped for now goes on after a pause; stopped for good is an error."""
        fake = FakeBatches(stopped(2, 503, "overloaded"))
        self.check_all(fake, self.send(fake, texts(5)), 5)
        self.assertEqual([len(one) for one in fake.items], [5, 3])
        fake = FakeBatches(stopped(2, 400, "malformed_json"))
        found, error = self.until_error(fake, texts(5), Refused)
        self.assertEqual(([one.sid for one in found], error.code), (["SM0", "SM1", None, None, None], "malformed_json"))

    def test_any_trouble(self) -> None:
        """Whatever goes wrong, in whatever order: each text has one result, in order, and is accepted once."""
        kinds: list[Callable[[random.Random], Any]] = [
            lambda dice: cut(dice.randrange(40), dice.choice((b"", b'{"index"'))),
            lambda dice: refused_at(dice.choice((429, 503)), *sorted(dice.sample(range(3), dice.randrange(1, 4)))),
            lambda dice: stopped(dice.randrange(1, 5), 413, "batch_too_long"),
            lambda dice: stopped(dice.randrange(5), 503, "overloaded"),
            lambda dice: too_large,
            lambda dice: refusal(dice.choice((429, 502, 503, 504)), "x", Retry_After=str(dice.randrange(3))),
            lambda dice: dice.choice((httpx.ReadTimeout(""), httpx.ConnectError(""), httpx.WriteError(""))),
        ]
        for seed in range(150):
            dice = random.Random(seed)
            fake = FakeBatches(*(dice.choice(kinds)(dice) for _ in range(dice.randrange(6))))
            count = dice.randrange(20, 60)
            self.check_all(fake, self.send(fake, texts(count)), count)

    def test_async_texts(self) -> None:
        """Texts that come one by one, from a coroutine."""

        async def some() -> AsyncIterator[Text]:
            for one in texts(AT_ONCE + 1):
                yield one

        fake = FakeBatches()
        if self.is_async:
            self.check_all(fake, self.send(fake, some()), AT_ONCE + 1)
