"""``smsconnector demo`` as a newcomer, a CI job and an operator beside a real broker run it: as a process."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from twisted.trial.unittest import TestCase

from tests.integration.activemq import free_port

DEMO = (sys.executable, "-m", "smsconnector", "demo")
USUAL = (8080, 2775, 61613, 61616)  # of HTTP, of an SMSC, and of ActiveMQ: STOMP and OpenWire


@contextmanager
def traps() -> Iterator[list[socket.socket]]:
    """A listening socket at each usual port that is not taken already. Who connects there is held, and never served."""
    with ExitStack() as stack:
        found = []
        for port in USUAL:
            trap = stack.enter_context(socket.socket())
            trap.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trap.bind(("127.0.0.1", port))
            except OSError:
                continue
            trap.listen()
            trap.setblocking(False)
            found.append(trap)
        yield found


def caught(trap: socket.socket) -> bool:
    """Whether somebody has connected."""
    try:
        trap.accept()[0].close()
    except BlockingIOError:
        return False
    return True


class DemoCase(TestCase):
    skip = None if (Path(sys.executable).parent / "twistd").exists() else "needs the package installed: make install"
    timeout = 120

    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir(parents=True)

    def start(self, *options: str, **environment: str) -> "subprocess.Popen[str]":
        """The demo, in a folder that holds nothing of ours, and in a process group of its own."""
        process = subprocess.Popen(
            [*DEMO, *options],
            cwd=self.folder,
            env=os.environ | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

        def end() -> None:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()

        self.addCleanup(end)
        return process

    def run_once(self, **environment: str) -> tuple[int, str, str]:
        """(exit status, output, errors) of ``demo --once``."""
        process = self.start("--once", **environment)
        said, errors = process.communicate(timeout=100)
        return process.returncode, said, errors

    def check_good(self, result: tuple[int, str, str]) -> None:
        status, said, errors = result
        self.assertEqual((status, errors), (0, ""), said)
        self.assertIn("all three texts have their one report each", said)
        self.assertNotIn("Traceback", said)

    def read_until(self, process: "subprocess.Popen[str]", words: str) -> str:
        """What it says up to the line with these words."""
        assert process.stdout is not None
        said = ""
        while words not in said:
            line = process.stdout.readline()
            self.assertTrue(line, f"it ended without saying {words!r}: {said}")
            said += line
        return said

    def test_beside_everything(self) -> None:
        """A broker, an SMSC and an HTTP server of somebody else stand at the usual ports. The demo connects to none of
        them: it would take real reports off the queue. It takes free ports, and says which one HTTP has."""
        with traps() as found:
            result = self.run_once()
            self.assertEqual([trap.getsockname()[1] for trap in found if caught(trap)], [])
        self.check_good(result)
        self.assertIn("port 8080 is taken", result[1])

    def test_ci(self) -> None:
        """A CI job has a proxy for HTTP, no Java, no terminal, an encoding without Urdu, and a HOME that is empty."""
        nothing = f"http://127.0.0.1:{free_port()}"
        result = self.run_once(
            http_proxy=nothing,
            HTTP_PROXY=nothing,
            all_proxy=nothing,
            PATH="/nowhere",
            PYTHONIOENCODING="ascii",
            HOME=str(self.folder.absolute()),
        )
        self.check_good(result)
        self.assertEqual(list(self.folder.iterdir()), [], "it left something behind")

    def test_reader_has_gone(self) -> None:
        """``demo --once | head -1``: no traceback about a broken pipe."""
        process = self.start("--once")
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        self.assertEqual((process.wait(100), process.stderr.read()), (0, ""))
        process.stderr.close()

    def test_interrupted_twice(self) -> None:
        """Ctrl-C, and again while it is ending: it ends its parts, with 0 and without a traceback."""
        process = self.start()
        said = self.read_until(process, "curl -i")
        url = re.search(r"http://127\.0\.0\.1:(\d+)", said)
        assert url is not None
        process.send_signal(signal.SIGINT)
        self.read_until(process, "ending ...")
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=30)
        self.assertEqual((process.returncode, errors), (0, ""))
        self.assertNotIn("Traceback", said + rest)
        with socket.socket() as later:
            self.assertNotEqual(later.connect_ex(("127.0.0.1", int(url[1]))), 0, "the connector is still there")

    def test_interrupted_before_the_reports(self) -> None:
        """A demo that was ended before its three reports were there has shown nothing: a CI job must not take it for
        good. It ends as a shell expects of a signal: 128 and its number."""
        for number in (signal.SIGTERM, signal.SIGINT):
            process = self.start("--once")
            self.read_until(process, "demo |")
            process.send_signal(number)
            _, errors = process.communicate(timeout=30)
            self.assertEqual((process.returncode, errors), (128 + number, ""))

    def test_interrupted_at_once(self) -> None:
        """Ctrl-C while it is still being loaded shows no traceback."""
        for pause in (0.1, 0.3, 0.5, 0.8):
            process = self.start("--once")
            time.sleep(pause)
            process.send_signal(signal.SIGINT)
            said, errors = process.communicate(timeout=30)
            self.assertNotIn("Traceback", said + errors)

    def test_part_ends(self) -> None:
        """A part that ends ends the demo, with 1 and one sentence that names the part."""
        process = self.start()
        said = self.read_until(process, "curl -i")
        part = re.search(r"the SMSC simulator is process (\d+)", said)
        assert part is not None, said
        os.kill(int(part[1]), signal.SIGKILL)
        rest, errors = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 1)
        self.assertRegex(errors, r"^demo: the SMSC simulator has ended .*\n$")
        self.assertNotIn("Traceback", rest)
