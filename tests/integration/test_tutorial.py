"""The tutorial is done as it is written: its configuration, its simulator and its connector, and each curl of it.

Only the ports are others, so that it can be done beside what runs here.
"""

import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import mkdtemp
from textwrap import dedent
from typing import Any

from twisted.trial.unittest import TestCase

from tests.integration.activemq import free_port
from tests.integration.stack import HEEDS_SIGNALS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tutorial.rst"
BIN = Path(sys.executable).parent
LONGEST = 60.0  # seconds until something is there


def has_status(status: str, said: Any) -> bool:
    return bool(said["messages"]) and said["messages"][0]["DeliveryStatus"] == status


class TutorialCase(TestCase):
    timeout = 150

    def setUp(self) -> None:
        self.folder = Path(mkdtemp(prefix="tutorial-"))
        self.addCleanup(shutil.rmtree, self.folder)
        text = PAGE.read_text()
        for port in ("8080", "2775", "61613"):
            text = re.sub(rf"\b{port}\b", str(free_port()), text)
        self.blocks = [dedent(one) for one in re.findall(r"::\n\n((?:    [^\n]*\n|\n)+)", text)]
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.addCleanup(self.end_all)

    def start(self, command: str) -> None:
        """A daemon of the page, in a terminal of its own."""
        words = shlex.split(command)
        name = next(one for one in words if one in ("smsc-simulator", "smsconnector"))
        with (self.folder / f"{name}.log").open("ab") as log:
            command_line = [*HEEDS_SIGNALS, str(BIN / words[0]), *words[1:]]
            self.running[name] = subprocess.Popen(command_line, cwd=self.folder, stdout=log, stderr=log)

    def end(self, name: str, number: int = signal.SIGINT) -> None:
        process = self.running.pop(name)
        process.send_signal(number)
        process.wait(20)

    def end_all(self) -> None:
        for name in list(self.running):
            self.end(name, signal.SIGKILL)

    def say(self, command: str) -> str:
        done = subprocess.run(["bash", "-c", command], cwd=self.folder, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, f"{command}\n{done.stdout}{done.stderr}")
        return done.stdout

    def until(self, command: str, is_there: Callable[[Any], Any]) -> Any:
        """The JSON that it prints, when that is as the page says."""
        end = time.monotonic() + LONGEST
        while True:
            done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
            found = json.loads(done.stdout) if done.stdout else None
            if found is not None and is_there(found):
                return found
            if time.monotonic() > end:
                logs = "".join(path.read_text() for path in self.folder.glob("*.log"))
                self.fail(f"{command}\n{found}\n{logs}")
            time.sleep(0.1)

    def test_the_page(self) -> None:
        """What the page says is what is seen."""
        configuration, simulator, connector, health, explain, good, bad, later = self.blocks
        (self.folder / "tutorial.yaml").write_text(configuration)
        self.start(simulator)
        check, daemon = connector.strip().split("\n")
        self.assertIn("good (1 channels, 1 binds)", self.say(f"{BIN}/{check}"))
        self.start(daemon)
        found = self.until(health, lambda said: said["binds"]["smpp/sim"] == "bound")
        self.assertIn("down", str(found["sinks"]["stomp"]))
        said = json.loads(self.say(explain))
        self.assertEqual((said["Alphabet"], said["Segments"], said["To"]), ("ucs2", 1, "923001234567"))
        for block, status in ((good, "DELIVERED"), (bad, "FAILED")):
            *sent, looked = re.split(r"\n(?=curl)", block.strip())
            self.say("\n".join(sent))
            one = self.until(looked, partial(has_status, status))
        self.assertIn("action", one["messages"][0]["Explanation"])
        self.end("smsc-simulator")
        *sent, looked = re.split(r"\n(?=curl)", later.strip())
        self.say("\n".join(sent))
        self.until(looked, lambda said: said["messages"][0]["State"] == "queued")
        self.end("smsconnector", signal.SIGKILL)
        self.start(daemon)
        self.start(simulator)
        self.until(looked, partial(has_status, "DELIVERED"))
