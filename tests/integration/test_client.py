"""The Python client and a real connector: connections that are cut between the commit and the answer, a kill in the
middle, many at once; both shells, on real sockets."""

import asyncio
import contextlib  # trial takes the name ``suppress`` in a module for its own
import sqlite3
import threading
import time
from collections.abc import AsyncIterator
from contextlib import closing
from typing import Any

from twisted.internet.defer import inlineCallbacks
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from smsconnector.client import AsyncClient, Client, Message, NotAllowed, NotFound, Refused, Text, TooLate, Unreachable
from tests.integration.activemq import free_port
from tests.integration.cutter import Cutter
from tests.integration.stack import Connector, Network, until

KEY = "a-key-of-the-configuration"
TO = "+923001234567"
MANY = 1_200
BOUND = 30.0  # seconds


def wait_for(look: Any, wanted: Any) -> Any:
    """In a thread: what ``look`` gives when ``wanted`` is true of it."""
    end = time.monotonic() + BOUND
    while not wanted(found := look()):
        if time.monotonic() > end:
            raise TimeoutError(f"it is still {found}")
        time.sleep(0.05)
    return found


class RealClientCase(TestCase):
    timeout = 120

    @inlineCallbacks
    def set_up(self, is_up: bool = True, **http: Any) -> Any:
        """``is_up``: whether the SMSC is there."""
        self.network = Network(receipt_delay=0.1)
        if is_up:
            self.network.listen()
        self.addCleanup(self.network.cut)
        http = {"api_keys": [KEY]} | http
        self.connector = Connector([self.network.number], f"tcp://127.0.0.1:{free_port()}", http=http)
        self.addCleanup(self.connector.close)
        yield self.connector.start()
        self.cutter = Cutter(self.connector.port)
        self.addCleanup(self.cutter.stop)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.cutter.number}/msg-client"

    def client(self, **more: Any) -> Client:
        client = Client(self.url, **({"key": KEY} | more))
        self.addCleanup(client.close)
        return client

    def stored(self) -> list[str]:
        """The texts of all messages that are on disk."""
        path = self.connector.folder / "smsconnector.db"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            return [text for (text,) in connection.execute("SELECT text FROM segment ORDER BY id")]

    @inlineCallbacks
    def test_send_until_delivered(self) -> Any:
        """A text from the question what it will be to its receipt, by both shells."""
        yield self.set_up()

        def look(message: Message) -> bool:
            return message.is_final

        def sync() -> None:
            client = self.client()
            self.assertTrue(client.health().accepting)
            self.assertEqual(client.explain(TO, "It’s").ucs2_because[0].code_point, "U+2019")
            sent = client.send(TO, "sync", reference="order 5", validity_period=3600)
            found = wait_for(lambda: client.message(sent.sid), look)
            assert found.explanation is not None
            self.assertEqual((found.state, found.reference, found.explanation.action), ("delivered", "order 5", None))
            happenings = client.timeline(sent.sid).happenings
            self.assertEqual([one.event for one in happenings], ["accepted", "submit", "receipt", "ended", "report"])
            self.assertRaises(NotAllowed, self.client(key="another").send, TO, "hi")
            self.assertRaises(NotFound, client.message, "SM1")
            self.assertEqual(self.assertRaises(Refused, client.send, "nobody", "hi").code, "invalid_number")

        async def awaited() -> None:
            async with AsyncClient(self.url, key=KEY) as client:
                sent = await asyncio.gather(*(client.send(TO, f"async {number}") for number in range(10)))
                for one in sent:
                    while not (await client.message(one.sid)).is_final:
                        await asyncio.sleep(0.05)
                    self.assertEqual((await client.message(one.sid)).state, "delivered")

        yield deferToThread(sync)
        yield deferToThread(asyncio.run, awaited())
        self.assertEqual(len(self.network.taken), 11)

    @inlineCallbacks
    def test_cut_behind_the_commit(self) -> Any:
        """The text is accepted, and the connection is cut before, or in the middle of, the answer: the repeat gets
        the answer of the first, and one text goes out. Without repeats the error says that it may be accepted."""
        yield self.set_up()

        def work() -> None:
            client = self.client()
            for number, octets in enumerate((0, 5, 40)):
                self.cutter.cuts = [octets, octets]
                sent = client.send(TO, f"text {number}")
                self.assertEqual(client.message(sent.sid).body, f"text {number}")
                self.assertEqual(self.stored(), [f"text {one}" for one in range(number + 1)])
            self.cutter.cuts = [0]
            error = self.assertRaises(Unreachable, self.client(retries=0).send, TO, "text 3", idempotency_key="k")
            self.assertTrue(error.may_be_accepted)
            client.send(TO, "text 3", idempotency_key="k")
            self.assertEqual(self.stored(), [f"text {one}" for one in range(4)])
            wait_for(lambda: len(self.network.taken), lambda count: count == 4)

        yield deferToThread(work)
        self.assertEqual([one.short_message for one in self.network.taken], [b"text %d" % one for one in range(4)])

    @inlineCallbacks
    def test_batch(self) -> Any:
        """Many, by both shells; the connection is cut in the middle of the results, and a kill -9 comes in between.
        Each has one result, and is there once."""
        yield self.set_up()
        texts = [Text(to=f"+92300{number:07}", body=f"text {number}") for number in range(MANY)]
        self.cutter.cuts = [9_000, 0, 25_000]

        def sync() -> None:
            results = list(self.client().send_batch(iter(texts)))
            self.assertEqual([one.index for one in results], list(range(MANY)))
            self.assertEqual(len({one.sid for one in results} - {None}), MANY)
            self.assertEqual(sorted(self.stored()), sorted(one.body for one in texts))

        yield deferToThread(sync)
        half_way = threading.Event()

        async def some() -> AsyncIterator[Text]:
            for number, one in enumerate(texts):
                if number == MANY // 2:
                    half_way.set()
                yield one

        async def awaited() -> None:
            async with AsyncClient(self.url, key=KEY) as client:
                results = [one async for one in client.send_batch(some())]
                self.assertEqual(len({one.sid for one in results} - {None}), MANY)
                bad = await anext(client.send_batch([{"to": "nobody", "body": "x"}]))
                assert isinstance(bad.error, Refused)
                self.assertEqual((bad.sid, bad.error.code), (None, "invalid_number"))

        working = deferToThread(asyncio.run, awaited())
        yield until(half_way.is_set, BOUND)
        self.connector.kill()
        yield self.connector.start()
        yield working
        self.assertEqual(sorted(self.stored()), sorted(one.body for one in texts * 2))

    @inlineCallbacks
    def test_restart(self) -> Any:
        """Texts that are sent while the connector is killed and started again are neither lost nor doubled."""
        yield self.set_up()
        sids: list[str] = []

        def work() -> None:
            client = self.client()
            for number in range(60):
                sids.append(client.send(TO, f"text {number}").sid)

        working = deferToThread(work)
        yield until(lambda: len(sids) > 10, BOUND)
        self.connector.kill()
        yield self.connector.start()
        yield working
        self.assertEqual(len(set(sids)), 60)
        self.assertEqual(self.stored(), [f"text {number}" for number in range(60)])

    @inlineCallbacks
    def test_search_and_cancel(self) -> Any:
        """While no bind is up: what waits is found page by page, and taken back once. The answer to a cancel is lost:
        the repeat finds its own work, and is no error."""
        yield self.set_up(is_up=False)

        def work() -> None:
            client = self.client()
            sids = [client.send(TO, f"text {number}", reference="order 5").sid for number in range(7)]
            for query in ({"to": TO}, {"reference": "order 5"}, {"state": "queued"}):
                self.assertEqual([one.sid for one in client.messages(limit=3, **query)], sids[::-1])  # type: ignore[arg-type]
            self.assertEqual(client.cancel(sids[0]).state, "cancelled")
            self.assertRaises(TooLate, client.cancel, sids[0])
            self.cutter.cuts = [0]
            self.assertEqual(client.cancel(sids[1]).code, "CANCELLED")
            self.assertEqual([one.sid for one in client.messages(state="failed")], [sids[1], sids[0]])

        yield deferToThread(work)

        async def awaited() -> None:
            async with AsyncClient(self.url, key=KEY) as client:
                found = [one async for one in client.messages(to=TO, state="queued", limit=2)]
                self.assertEqual(len(found), 5)
                with contextlib.suppress(TooLate):
                    await client.cancel(found[0].sid)
                self.assertEqual((await client.message(found[0].sid)).state, "cancelled")

        yield deferToThread(asyncio.run, awaited())
        self.network.listen()
        yield until(lambda: len(self.network.taken) == 4, BOUND)
