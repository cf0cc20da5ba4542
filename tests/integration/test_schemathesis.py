"""The description of the API against a live connector: schemathesis makes requests of it, good ones and bad ones, and
compares each answer with what the description says.

It runs as a program of its own. It is deterministic: it makes the same requests in each run.
"""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml
from twisted.internet.defer import inlineCallbacks
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from smsconnector.http.docs import DESCRIPTION
from tests.integration.activemq import free_port
from tests.integration.stack import Connector, Network

KEY = "a-key-for-schemathesis-0123456789"
LONGEST_S = 90.0
EXAMPLES = 40  # of each operation and way of making them


class SchemathesisCase(TestCase):
    timeout = 200

    @inlineCallbacks
    def set_up(self, **http: Any) -> Any:
        network = Network()
        network.listen()
        self.addCleanup(network.cut)
        self.connector = Connector([network.number], f"tcp://127.0.0.1:{free_port()}", http=http)
        self.addCleanup(self.connector.close)
        yield self.connector.start()
        self.folder = Path(self.mktemp())
        self.folder.mkdir()

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.connector.port}/msg-client"

    def run_it(self, description: str, *options: str) -> "subprocess.CompletedProcess[str]":
        found = [str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]  # where the hooks are
        return subprocess.run(
            [
                str(Path(sys.executable).parent / "schemathesis"),
                "--no-color",
                "run",
                description,
                f"--url={self.base}",
                "--phases=examples,coverage,fuzzing,stateful",
                "--checks=all",
                "--exclude-checks=use_after_free",  # a message that was taken back can still be looked at
                f"--max-examples={EXAMPLES}",
                "--generation-deterministic",
                "--continue-on-failure",
                "--warnings=off",
                "--request-timeout=10",
                *options,
            ],
            cwd=self.folder,
            env=os.environ
            | {"SCHEMATHESIS_HOOKS": "tests.integration.schemathesis_hooks", "PYTHONPATH": os.pathsep.join(found)},
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )

    @inlineCallbacks
    def check_it(self, description: str, *options: str) -> Any:
        started = time.monotonic()
        done = yield deferToThread(self.run_it, description, *options)
        self.assertEqual(done.returncode, 0, done.stdout[-60_000:] + done.stderr[-2_000:])
        self.assertLess(time.monotonic() - started, LONGEST_S)
        made = re.search(r"(\d+) generated, \1 passed", done.stdout)
        assert made is not None, done.stdout[-2_000:]
        self.assertGreater(int(made[1]), 500)
        for bad in ("Traceback", "Unhandled"):
            self.assertNotIn(bad, self.connector.said())

    @inlineCallbacks
    def test_without_keys(self) -> Any:
        yield self.set_up()
        yield self.check_it(f"{self.base}/openapi.json")

    @inlineCallbacks
    def test_with_a_key(self) -> Any:
        """The description says that a key may be needed. Where it is, no operation does without, and none takes a wrong
        one: so schemathesis is told, and tries."""
        yield self.set_up(api_keys=[KEY], trusted_proxies=["127.0.0.1"])
        description: Any = yaml.safe_load(DESCRIPTION.read_text())
        description["security"].remove({})
        file = self.folder / "openapi.json"
        file.write_text(json.dumps(description))
        yield self.check_it(
            str(file.resolve()), f"--header=X-API-Key: {KEY}", "--generation-with-security-parameters=false"
        )
        self.assertNotIn(KEY, self.connector.said())
