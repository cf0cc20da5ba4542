"""The examples of ``docs/client.rst`` run as they stand: curl, Python, Node.js, Java; with a connector that wants a
key, an SMSC that sends receipts, and a real ActiveMQ with the reports."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from twisted.internet.defer import inlineCallbacks
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SkipTest, TestCase

from tests.integration import activemq, jms
from tests.integration.activemq import die_with_parent, free_port
from tests.integration.cutter import Cutter
from tests.integration.stack import Connector, Network, until

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
KEY = "a-key-of-the-configuration"
GOOD, BAD = "+923001234567", "+923001234000"  # the SMSC can't deliver to numbers that end with 000
BOUND = 60.0  # seconds; a virtual machine starts in some, on a busy machine


def needs(command: str, package: str) -> None:
    if shutil.which(command) is None:
        raise SkipTest(f"needs {command}: apt-get install {package}")


class Listening:
    """The example in Java, while it runs; ``lines`` are what it has printed."""

    def __init__(self, url: str, folder: Path) -> None:
        self._log = folder / "reports.log"
        self._errors = folder / "reports.errors"
        command = ["java", "-XX:TieredStopAtLevel=1", "-cp", jms.classpath(), str(EXAMPLES / "Reports.java"), url]
        with self._log.open("wb") as log, self._errors.open("wb") as errors:
            self._process = subprocess.Popen([*die_with_parent(), *command], stdout=log, stderr=errors)

    def lines(self) -> list[str]:
        if self._process.poll() is not None:
            raise RuntimeError(f"it has ended:\n{self._errors.read_text()}")
        return self._log.read_text().splitlines()

    def stop(self) -> None:
        self._process.kill()
        self._process.wait(10)


class ExamplesCase(TestCase):
    timeout = 240

    @inlineCallbacks
    def set_up(self, events_uri: str) -> Any:
        self.network = Network(receipt_delay=0.1, fail_suffix="000")
        self.network.listen()
        self.addCleanup(self.network.cut)
        self.connector = Connector([self.network.number], events_uri, http={"api_keys": [KEY]})
        self.addCleanup(self.connector.close)
        yield self.connector.start()
        self.cutter = Cutter(self.connector.port)
        self.addCleanup(self.cutter.stop)

    def run_one(self, *command: str, given: str = "", key: str = KEY) -> "subprocess.CompletedProcess[str]":
        environment = os.environ | {"SMS_URL": f"http://127.0.0.1:{self.cutter.number}/msg-client", "SMS_KEY": key}
        return subprocess.run(
            command,
            cwd=EXAMPLES,
            env=environment,
            input=given,
            capture_output=True,
            text=True,
            check=False,
            timeout=BOUND,
        )

    def check_sends(self, *command: str) -> list[str]:
        """It sends one text to the number, and waits for its end: the ids of a delivered one, and of a failed one.
        Without the right key it says so, and ends with an error."""
        sids = []
        for to, state in ((GOOD, "DELIVERED"), (BAD, "FAILED")):
            before = len(self.network.taken)
            done = self.run_one(*command, to)
            found = re.search(r"accepted (SM\S+)", done.stdout)
            assert found is not None, f"{done.stdout}\n{done.stderr}"
            self.assertIn(state, done.stdout)
            self.assertEqual([one.destination for one in self.network.taken[before:]], [to[1:]])
            self.assertNotIn(KEY, done.stdout + done.stderr)
            sids.append(found[1])
        refused = self.run_one(*command, GOOD, key="another")
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("key", refused.stdout + refused.stderr)
        return sids

    def check_repeats(self, *command: str) -> None:
        """The connection is cut between the commit and the answer: it sends the same again, and one text goes out."""
        before = len(self.network.taken)
        self.cutter.cuts = [0, 0]
        done = self.run_one(*command, GOOD)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("DELIVERED", done.stdout)
        self.assertEqual((self.cutter.cuts, len(self.network.taken)), ([], before + 1))

    @inlineCallbacks
    def test_curl(self) -> Any:
        needs("curl", "curl")
        yield self.set_up(f"tcp://127.0.0.1:{free_port()}")
        yield deferToThread(self.check_sends, "sh", "send.sh")

    @inlineCallbacks
    def test_python(self) -> Any:
        """And a campaign, which sends nothing twice when it is run again."""
        yield self.set_up(f"tcp://127.0.0.1:{free_port()}")
        yield deferToThread(self.check_sends, sys.executable, "send.py")
        yield deferToThread(self.check_repeats, sys.executable, "send.py")
        numbers = "".join(f"+92300{number:07}\n" for number in range(1, 600)) + "nobody\n"

        def campaign() -> list[str]:
            done = self.run_one(sys.executable, "campaign.py", given=numbers)
            self.assertEqual(done.returncode, 0, done.stderr)
            return done.stdout.splitlines()

        first = yield deferToThread(campaign)
        self.assertEqual([line.split(" ")[0] for line in first], [str(number) for number in range(600)])
        self.assertTrue(all(line.split(" ")[1].startswith("SM") for line in first[:-1]))
        self.assertIn("400 invalid_number", first[-1])
        yield until(lambda: len(self.network.taken) == 3 + 599, BOUND)
        self.assertEqual((yield deferToThread(campaign)), first)
        self.assertEqual(len(self.network.taken), 3 + 599)

    @inlineCallbacks
    def test_node(self) -> Any:
        needs("node", "nodejs")
        yield self.set_up(f"tcp://127.0.0.1:{free_port()}")
        yield deferToThread(self.check_sends, "node", "send.mjs")
        yield deferToThread(self.check_repeats, "node", "send.mjs")

    @inlineCallbacks
    def test_java(self) -> Any:
        """It prints the report of each text once, also when the broker was killed in between."""
        missing = activemq.available() or jms.available()
        if missing:
            raise SkipTest(missing)
        broker = activemq.ActiveMQ(persistent=True)
        self.addCleanup(broker.stop)
        yield deferToThread(broker.start)
        yield self.set_up(broker.uri)
        listening = Listening(f"failover:({broker.jms_url})", Path(self.mktemp()).parent)
        self.addCleanup(listening.stop)
        sids = yield deferToThread(self.check_sends, sys.executable, "send.py")
        yield until(lambda: len(listening.lines()) == 2, BOUND)
        broker.kill()
        yield deferToThread(broker.start)
        sids += yield deferToThread(self.check_sends, sys.executable, "send.py")
        yield until(lambda: len(listening.lines()) >= 4, BOUND)
        found = [line.split(" ", 2) for line in listening.lines()]
        self.assertEqual([one[0] for one in found], sids)
        self.assertEqual({one[1] for one in found}, {"smpp"})
        states = [json.loads(one[2])["DeliveryStatus"] for one in found]
        self.assertEqual(states, ["DELIVERED", "FAILED"] * 2)
