"""A text explained and then sent, and its end explained, by the daemon's process and the simulated SMSC."""

import json
from functools import partial
from typing import Any
from urllib.request import Request, urlopen

from twisted.internet import reactor as _reactor
from twisted.internet.defer import inlineCallbacks
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from tests.integration.stack import Connector, Network, until

reactor: Any = _reactor
TEXTS = ("hi", "[" * 90, "x" * 400, "it’s", "سلام " * 40, "Île “d’Orléans” – 👍🏽 " * 9)
LISTED = {"text": "The number is on the list", "action": "recipient_opted_out"}


class ExplainCase(TestCase):
    timeout = 90

    @inlineCallbacks
    def set_up(self, **behaviour: Any) -> Any:
        self.network = Network(**({"receipt_delay": 0.1} | behaviour))
        self.network.listen()
        self.addCleanup(self.network.cut)
        bind: dict[str, Any] = {"name": "a", "endpoint": f"tcp:127.0.0.1:{self.network.number}", "system_id": "test"}
        bind |= {"password": "test", "source": "8228", "dest_ton": 2, "throughput": 100, "codes": {"003": LISTED}}
        channels = {"smpp": {"type": "smpp", "binds": [bind], "opt_out": {}}}
        self.connector = Connector([], "failover:(tcp://127.0.0.1:1)", channels=channels)
        self.addCleanup(self.connector.close)
        yield self.connector.start()
        yield until(lambda: "bound as" in self.connector.said(), 20)

    def has_taken(self, count: int) -> bool:
        return len(self.network.taken) >= count

    def ask(self, path: str, **data: Any) -> Any:
        """(headers, JSON); a POST if there is something to send."""

        def exchange() -> tuple[Any, Any]:
            body = json.dumps(data).encode() if data else None
            url = f"http://127.0.0.1:{self.connector.port}/msg-client{path}"
            with urlopen(Request(url, body, {"Content-Type": "application/json"}), timeout=10) as answer:
                return answer.headers, json.loads(answer.read() or b"null")

        return deferToThread(exchange)

    @inlineCallbacks
    def test_explained_and_sent(self) -> Any:
        """What is told beforehand is what the SMSC gets, segment by segment; what is explained alone is not sent."""
        yield self.set_up()
        for text in TEXTS:
            self.network.taken.clear()
            _, said = yield self.ask("/send/explain", To="+923001234567", Body=text)
            self.assertEqual(self.network.taken, [])
            yield self.ask("/send", To="+923001234567", Body=text)
            count = len(said["Parts"])
            yield until(partial(self.has_taken, count), 20)
            (bind,) = said["Binds"]
            taken = {(one.source, one.destination, one.data_coding) for one in self.network.taken}
            told = (bind["From"]["Address"], bind["To"]["Address"], bind["DataCodings"][0]["Number"])
            self.assertEqual((len(self.network.taken), taken), (count, {told}))
            self.assertEqual((bind["From"]["TON"], bind["To"]["TON"], bind["To"]["NPI"]), (3, 2, 1))
            self.assertEqual((said["OptedOut"], said["EstimatedWait"]["Reason"]), (False, None))
            for one, entry in zip(said["Parts"], self.network.taken, strict=True):
                user_data = entry.short_message
                if entry.esm_class & 0x40:
                    user_data = user_data[1 + user_data[0] :]
                self.assertEqual(one["Length"] * (2 if said["Alphabet"] == "ucs2" else 1), len(user_data))

    @inlineCallbacks
    def test_explained_at_the_end(self) -> Any:
        """Receipts with an err that the configuration has, and with one that it has not, which the word beside it
        explains; and how often the unknown one came."""
        yield self.set_up()
        ends = {"hi #reject": "recipient_opted_out", "hi #expire": "retry_later", "hi": None}
        for text, action in ends.items():
            headers, _ = yield self.ask("/send", To="+923001234567", Body=text)
            message: Any = {"FinalAt": None}
            for _ in range(100):
                _, message = yield self.ask(f"/messages/{headers['X-Message-SID']}")
                if message["FinalAt"] is not None:
                    break
                yield deferLater(reactor, 0.1)
            self.assertEqual(message["Explanation"]["action"], action, message)
        for _ in range(100):
            _, health = yield self.ask("/health")
            if "unknown_codes" in health:
                break
            yield deferLater(reactor, 0.1)
        self.assertEqual(health["unknown_codes"], {"smpp": {"002": 1}})
