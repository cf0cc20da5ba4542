"""An event that a real broker refuses: parked alone, visible, and sent again when somebody has mended the cause."""

import json
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from twisted.internet.defer import inlineCallbacks
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from tests.integration import activemq, jms
from tests.integration.stack import Connector, Load, Network, until

ROOT = Path(__file__).resolve().parents[2]
TEXTS, REPORTS = 3, 200


class ParkedCase(TestCase):
    skip = activemq.available() or jms.available()
    timeout = 120

    def setUp(self) -> None:
        self.broker = activemq.ActiveMQ(guarded=True)
        self.addCleanup(self.broker.stop)
        self.network = Network(receipt_delay=0.1)
        self.network.listen()
        self.addCleanup(self.network.cut)

    def post(self, number: int) -> int:
        """A text from a handset, as a provider posts it; the status of the answer."""
        form = {"Body": f"text {number}", "From": "+923001234567", "To": "8228", "SmsSid": f"in{number}"}
        url = f"http://127.0.0.1:{self.connector.port}/msg-client/receive"
        with urllib.request.urlopen(url, urllib.parse.urlencode(form).encode(), timeout=20) as answer:
            return int(answer.status)

    def health(self) -> dict[str, Any]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.connector.port}/health", timeout=20) as answer:
                return json.loads(answer.read())  # type: ignore[no-any-return]
        except urllib.error.HTTPError as error:
            return json.loads(error.read())  # type: ignore[no-any-return]

    def events(self, *arguments: str) -> str:
        """What ``smsconnector events`` says, beside the connector that runs."""
        found = subprocess.run(
            [sys.executable, "-m", "smsconnector.cli", "events", *arguments, "--config", "connector.yaml"],
            cwd=self.connector.folder,
            env={"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        self.assertEqual((found.returncode, found.stderr), (0, ""))
        return found.stdout

    @inlineCallbacks
    def test_one_queue_refused(self) -> Any:
        """The broker lets nobody write to the queue of incoming texts. Each text is parked, and told once; the reports
        all come. When the broker lets us, ``--retry`` is enough: each text comes, once."""
        self.broker.writers = "nobody"
        self.broker.start()
        self.connector = Connector([self.network.number], self.broker.uri)
        self.addCleanup(self.connector.close)
        yield self.connector.start()
        load = Load(self.connector.port, REPORTS)
        running = load.run()
        for number in range(TEXTS):
            status = yield deferToThread(self.post, number)
            self.assertEqual(status, 200)
        yield running
        reports = yield jms.consume(self.broker.jms_url, "delivery-report", REPORTS, 5)
        self.assertEqual(len({json.loads(one["text"])["MessageSID"] for one in reports}), REPORTS)

        yield until(lambda: self.connector.said().count("refused the event in/smpp/in") >= TEXTS, 30)
        self.assertEqual(self.connector.said().count("refused the event in/smpp/in"), TEXTS)
        store: dict[str, Any] = {}
        while store.get("parked_events") != TEXTS or store.get("waiting_for_broker"):
            store = (yield deferToThread(self.health))["store"] or {}
        listed = yield deferToThread(self.events, "--parked")
        for number in range(TEXTS):
            self.assertRegex(listed, rf"in/smpp/in{number}/[0-9a-f]{{32}}  incoming_message  stomp")
        self.assertIn("not authorized to write to", listed)

        self.broker.kill()
        self.broker.writers = "users"
        yield deferToThread(self.broker.start)
        said = yield deferToThread(self.events, "--retry")
        self.assertIn(f"{TEXTS} events will be sent again", said)
        texts = yield jms.consume(self.broker.jms_url, "incoming-message", TEXTS, 20)
        self.assertEqual(sorted(json.loads(one["text"])["Body"] for one in texts), ["text 0", "text 1", "text 2"])
        self.assertEqual((yield deferToThread(self.events)), "none\n")
