"""Texts that fall back to another channel, with a real process: an SMSC that is away, one that refuses, a kill."""

import json

from twisted.trial.unittest import TestCase

from smsconnector.net.http_client import HTTPCall, HTTPClient
from tests.integration.activemq import free_port
from tests.integration.fake_provider import FakeProvider
from tests.integration.provider_bench import OURS, TAKEN, reactor
from tests.integration.stack import Connector, Network, until

COUNT = 20


class FallBackTest(TestCase):
    timeout = 120

    def connector(self, provider: FakeProvider, smsc: int, **fall_back: object) -> Connector:
        """Its channel ``smpp`` falls back to ``cloud``, which asks for no receipts."""
        cloud = OURS | {"request": OURS["request"] | {"url": f"{provider.url}/send"}, "receipts": False}
        bind = {"name": "a", "endpoint": f"tcp:127.0.0.1:{smsc}", "system_id": "test", "password": "test"}
        smpp = {"type": "smpp", "binds": [bind], "fallback": {"channel": "cloud", **fall_back}}
        connector = Connector([], "tcp://127.0.0.1:1", channels={"smpp": smpp, "cloud": cloud})
        self.addCleanup(connector.close)
        return connector

    def provider(self) -> FakeProvider:
        provider = FakeProvider(reactor, (TAKEN,)).start()
        self.addCleanup(provider.stop)
        return provider

    async def send(self, connector: Connector, count: int = COUNT) -> set[str]:
        """The MessageSIDs."""
        client = HTTPClient(reactor, connections=1)
        self.addCleanup(client.close)
        sids = set()
        for number in range(count):
            body = json.dumps({"To": f"+92300{number:07}", "Body": f"text {number}", "channel": "smpp"}).encode()
            url = f"http://127.0.0.1:{connector.port}/msg-client/send"
            reply = await client.ask(HTTPCall("POST", url, (("Content-Type", "application/json"),), body))
            self.assertEqual(reply.status, 200)
            sids.add(reply.headers["x-message-sid"])
        return sids

    async def test_away(self) -> None:
        """The SMSC is away, and the process is killed while all waits: each text goes by the provider, once, and has
        one report."""
        provider = self.provider()
        connector = self.connector(provider, free_port(), after=3)
        await connector.start()
        sids = await self.send(connector)
        connector.kill()
        self.assertEqual(provider.requests, [])
        await connector.start()
        await until(lambda: len(connector.reports()) == COUNT, 60)
        self.assertEqual(set(connector.reports()), {(sid, "DELIVERED") for sid in sids})
        self.assertEqual(len(provider.requests), COUNT)
        self.assertEqual(len({json.loads(one.body)["to"] for one in provider.requests}), COUNT)
        self.assertIn("texts of the channel smpp go by the channel cloud", connector.said())
        self.assertNotIn("9230000000", connector.said())

    async def test_code(self) -> None:
        """The SMSC refuses each of them with a code of the list, and the provider takes them. Without that code they
        fail."""
        network = Network(refuse_share=1.0)
        self.addCleanup(network.cut)
        network.listen()
        for codes, wanted, requests in (([11], "DELIVERED", COUNT), ([12], "FAILED", 0)):
            provider = self.provider()
            connector = self.connector(provider, network.number, codes=codes)
            await connector.start()
            sids = await self.send(connector)
            await until(lambda: len(connector.reports()) == COUNT, 60)  # noqa: B023 — of this turn
            self.assertEqual(set(connector.reports()), {(sid, wanted) for sid in sids})
            self.assertEqual(len(provider.requests), requests)
            connector.close()
