"""Public reports on gateways that only a real process and real connections can show. The table of all of them is in
``tests/unit/http/test_public_reports.py``."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import yaml
from twisted.internet.defer import Deferred
from twisted.internet.protocol import ClientFactory, Protocol, connectionDone
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from tests.integration.fake_provider import FakeProvider, Reply, Request
from tests.integration.provider_bench import OURS, placed, reactor, says
from tests.integration.stack import Connector, Load, until

CONNECTIONS, REPEATS = 8, 3
JASMIN = Path(__file__).resolve().parents[2] / "conf" / "providers" / "jasmin.yaml"


class LostAnswersTest(TestCase):
    timeout = 120

    async def test_policies(self) -> None:
        """A text whose answer is lost behind its request, or is a 503 (eliza#22382): under ``hold`` it is sent once,
        and ends as FAILED with UNKNOWN. Under ``resend`` it is sent again as often as ``resends`` says. What was
        refused for now, and what was never sent, is tried again under either."""
        answers = {"cut": Reply(cut=20), "503": says(503, b""), "silent": Reply(is_silent=True), "408": says(408, {})}

        def answer(request: Request) -> Reply:
            return answers[request.path.rpartition("/")[2]]

        provider = FakeProvider(reactor, (answer,)).start()
        self.addCleanup(provider.stop)
        channels = {}
        for policy in ("hold", "resend"):
            for name in answers:
                request = dict(OURS["request"]) | {"url": f"http://provider/{policy}/{name}"}
                channels[f"{policy}-{name}"] = placed(OURS, provider.url) | {
                    "request": placed(request, provider.url),
                    "unknown_outcome": policy,
                    "reply_timeout": 0.5,
                    "retry": {"initial": 0.1, "maximum": 0.2, "resends": 2},
                    "receipt_grace": 1,
                }
        connector = Connector([], "tcp://127.0.0.1:1", channels=channels)
        self.addCleanup(connector.close)
        await connector.start()
        for name in channels:
            load = Load(connector.port, 1, 1)
            load.channel = name
            await load.run()
        count = lambda path: sum(one.path == path for one in provider.requests)  # noqa: E731
        await until(lambda: all(count(f"/resend/{name}") >= 3 for name in answers), 30)
        await until(lambda: count("/hold/408") >= 3, 30)
        await deferLater(reactor, 2)  # time enough for those that should not come
        for name in ("cut", "503", "silent"):
            self.assertEqual((count(f"/hold/{name}"), count(f"/resend/{name}")), (1, 3), name)


class JasminTest(TestCase):
    timeout = 120

    async def test_acknowledged(self) -> None:
        """Jasmin's throwers want ``ACK/Jasmin`` and nothing else, or come again and again (jasmin#1012, #1010, #1051,
        #998): for many at once, pipelined on each of several connections, for repeats of what is known, and for ids
        that nobody knows. Each text and each report is told once."""
        ids = iter(range(10_000))
        provider = FakeProvider(reactor, (lambda _: Reply(200, b'Success "uuid-%d"' % next(ids)),)).start()
        self.addCleanup(provider.stop)
        section = yaml.safe_load(re.sub(r"\$\{\w+\}", "x", JASMIN.read_text("utf-8")))["channels"]["jasmin"]
        section["request"]["url"] = f"{provider.url}/send"
        section |= {"verify": {"type": "networks", "networks": ["127.0.0.0/8"]}, "parallel": 20}
        connector = Connector([], "tcp://127.0.0.1:1", is_reached=True, channels={"jasmin": section})
        self.addCleanup(connector.close)
        await connector.start()
        load = Load(connector.port, 100, 10)
        load.channel = "jasmin"
        await load.run()
        await until(lambda: len(provider.requests) == 100, 20)
        await deferLater(reactor, 0.5)  # the last answers have to be read; those that were not would only be parked
        told = [self.told(number) for number in range(100)] + [self.told(number) for number in range(9_000, 9_020)]
        told += [self.text(number) for number in range(100)]
        pipelined = [told[place::CONNECTIONS] for place in range(CONNECTIONS)]
        found = await self.all_of([Pipeline(connector.port, one * REPEATS) for one in pipelined])
        for answers, asked in zip(found, pipelined, strict=True):
            heads = answers.split(b"ACK/Jasmin")
            self.assertEqual((len(heads), heads[-1]), (len(asked) * REPEATS + 1, b""))
            for head in heads[:-1]:
                self.assertTrue(head.startswith(b"HTTP/1.1 200 OK\r\n") and head.endswith(b"\r\n\r\n"), head)
                self.assertRegex(head, rb"(?i)content-length: 10\r\n")
                self.assertRegex(head, rb"(?i)content-type: text/plain\r\n")
        reports = connector.reports()
        self.assertEqual((len(reports), {status for _, status in reports}), (100, {"DELIVERED"}))
        self.assertEqual({sid for sid, _ in reports}, set(load.accepted))
        self.assertEqual(connector.texts(), sorted(f"text {number}" for number in range(100)))

    def told(self, number: int) -> bytes:
        fields = {"id": f"uuid-{number}", "message_status": "DELIVRD", "level": "2", "err": "000", "dlvrd": "001"}
        return self.request("delivery-notification", fields)

    def text(self, number: int) -> bytes:
        fields = {
            "id": f"mo-{number}",
            "from": "923001234567",
            "to": "8228",
            "coding": "0",
            "content": f"text {number}",
        }
        return self.request("receive", fields)

    def request(self, path: str, fields: dict[str, str]) -> bytes:
        body = urlencode(fields).encode()
        return (
            b"POST /msg-client/jasmin/%s HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (path.encode(), len(body), body)
        )

    async def all_of(self, pipelines: "list[Pipeline]") -> list[bytes]:
        for one in pipelines:
            reactor.connectTCP("127.0.0.1", one.port, one)
        return [await one.answered for one in pipelines]


class Pipeline(ClientFactory):
    """Writes all requests at once, the last one with Connection: close, and reads until the end."""

    noisy = False

    def __init__(self, port: int, requests: list[bytes]) -> None:
        self.port = port
        *others, last = requests
        self.octets = b"".join(others) + last.replace(b"\r\nHost: x", b"\r\nHost: x\r\nConnection: close", 1)
        self.answered: Deferred[bytes] = Deferred()

    def buildProtocol(self, addr: Any) -> "_Pipe":
        return _Pipe(self)


class _Pipe(Protocol):
    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline, self.heard = pipeline, b""

    def connectionMade(self) -> None:
        transport: Any = self.transport
        transport.write(self.pipeline.octets)

    def dataReceived(self, data: bytes) -> None:
        self.heard += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.pipeline.answered.callback(self.heard)
