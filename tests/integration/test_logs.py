"""The log of a real process: in the journal, on a terminal, in a file, through a pipe; and changed while it runs."""

import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import skipIf

from twisted.trial.unittest import SynchronousTestCase

from smsconnector.logs.journal import ADDRESS, Journal
from smsconnector.logs.lines import Line
from tests.integration.activemq import free_port
from tests.integration.stack import HEEDS_SIGNALS

YAML = """
http: {{endpoints: ["tcp:{port}:interface=127.0.0.1"]}}
store: {{path: s.db}}
channels: {{smpp: {{type: smpp, binds: [{{name: a, endpoint: "tcp:127.0.0.1:1", system_id: me, password: x}}]}}}}
events: {{sink: stomp, uri: "tcp://127.0.0.1:1"}}
log: {{{log}}}
"""
LINE = Line(0.0, "warn", "smsconnector.here", "a bind is down", {})
TWISTD = str(Path(sys.executable).with_name("twistd"))


def fields_of(datagram: bytes) -> dict[str, str]:
    """As the journal reads it."""
    found: dict[str, str] = {}
    while datagram:
        head, _, datagram = datagram.partition(b"\n")
        name, equals, value = head.partition(b"=")
        if not equals:
            length = int.from_bytes(datagram[:8], "little")
            value, datagram = datagram[8 : 8 + length], datagram[9 + length :]
        found[name.decode()] = value.decode()
    return found


class JournalCase(SynchronousTestCase):
    """Against a socket as the journal has one."""

    def setUp(self) -> None:
        self.path = os.path.join(tempfile.mkdtemp(), "socket")
        self.server = self.listen()
        self.journal = Journal(self.path)
        self.addCleanup(self.journal.close)

    def listen(self) -> socket.socket:
        server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(server.close)
        server.bind(self.path)
        server.settimeout(10)
        return server

    def heard(self) -> dict[str, str]:
        return fields_of(self.server.recv(1_000_000))

    def test_fields(self) -> None:
        """Priority, identifier, and the sentence; a traceback is part of the entry."""
        self.journal.write(LINE)
        self.assertEqual(
            self.heard(),
            {
                "PRIORITY": "4",
                "SYSLOG_IDENTIFIER": "smsconnector",
                "SMSCONNECTOR_NAMESPACE": "smsconnector.here",
                "MESSAGE": "a bind is down",
            },
        )
        self.journal.write(LINE._replace(traceback="x\n  y\n"))
        self.assertEqual(self.heard()["MESSAGE"], "a bind is down\nx\n  y")
        self.journal.write(LINE._replace(sentence="\u20ac" * 1_000_000))
        self.assertGreater(len(self.heard()["MESSAGE"]), 40_000)

    def test_nobody_takes_them(self) -> None:
        """The writer never waits; when lines are taken again, it is told how many are lost."""
        began, written = time.monotonic(), 0
        while not self.journal._lost and written < 100_000:
            self.journal.write(LINE)
            written += 1
        self.assertTrue(self.journal._lost)
        self.journal.write(LINE)
        self.assertLess(time.monotonic() - began, 10)
        for _ in range(written - 1):
            self.heard()
        self.journal.write(LINE)
        self.assertEqual((self.heard()["MESSAGE"], self.heard()["MESSAGE"])[1], LINE.sentence)

    def test_journal_starts_again(self) -> None:
        """Another socket at the same path."""
        self.journal.write(LINE)
        self.server.close()
        os.unlink(self.path)
        self.server = self.listen()
        self.journal.write(LINE)
        self.assertEqual(self.heard()["MESSAGE"], LINE.sentence)


class ProcessCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.port = free_port()
        self.write("")

    def write(self, log: str) -> None:
        (self.folder / "c.yaml").write_text(YAML.format(port=self.port, log=log))

    def start(self, *options: str, **more: Any) -> "subprocess.Popen[bytes]":
        """``twistd`` in a folder of its own; it is ended with the test."""
        command = [*HEEDS_SIGNALS, TWISTD, "--nodaemon", "--pidfile=", *options, "smsconnector", "-c", "c.yaml"]
        more = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, **more}
        process = subprocess.Popen(command, cwd=self.folder, stdin=subprocess.DEVNULL, **more)
        self.addCleanup(process.wait, 20)
        self.addCleanup(process.kill)
        return process

    def until(self, condition: Callable[[], Any], what: str) -> None:
        deadline = time.monotonic() + 20
        while not condition():
            self.assertLess(time.monotonic(), deadline, what)
            time.sleep(0.05)

    def lines(self, process: "subprocess.Popen[bytes]", words: str) -> list[str]:
        """What it says, up to a line with these words."""
        found: list[str] = []
        assert process.stdout is not None
        while not found or words not in found[-1]:
            line = process.stdout.readline().decode()
            self.assertTrue(line, f"it ended: {found}")
            found.append(line)
        return found

    @skipIf(os.path.exists(ADDRESS), "there is a journal, which would get the lines")
    def test_under_systemd(self) -> None:
        """What goes to the journal has priorities and no time of its own; nothing has the address of an object."""
        reading, writing = os.pipe()
        found = os.fstat(writing)
        environment = {**os.environ, "JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}
        self.start(stdout=writing, stderr=writing, env=environment)
        os.close(writing)
        with os.fdopen(reading, "rb") as stream:
            lines: list[str] = []
            while not lines or "no connection" not in lines[-1]:
                lines.append(stream.readline().decode())
        for line in lines:
            self.assertRegex(line, r"^<[2-7]>(?!\d{4}-\d\d-\d\d)")
            self.assertNotRegex(line, "0x[0-9a-f]{6}")
        self.assertIn("<6>smsconnector ", lines[0])
        self.assertIn("<4>bind smpp/a: no connection", lines[-1])

    @skipIf(os.path.exists(ADDRESS), "there is a journal, which would get the lines")
    def test_refused_start_under_systemd(self) -> None:
        """A start that is refused by its configuration is a line that is seen with ``journalctl -p err``."""
        self.write("level: loud")
        reading, writing = os.pipe()
        found = os.fstat(writing)
        environment = {**os.environ, "JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}
        process = self.start(stdout=writing, stderr=writing, env=environment)
        os.close(writing)
        with os.fdopen(reading, "rb") as stream:
            said = stream.read().decode()
        self.assertEqual(process.wait(20), 1)
        self.assertRegex(said, r"<2>the start is refused: the configuration c.yaml can't be used:\n<2>.*log.level")
        self.assertNotIn("Traceback", said)

    def test_pipe(self) -> None:
        """Whoever collects lines gets one JSON object a line."""
        found = [json.loads(line) for line in self.lines(self.start(), "HTTP on")]
        for line in found:
            self.assertRegex(line["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        self.assertEqual(found[-1]["level"], "info")
        self.assertEqual(found[-1]["fields"], {"description": f"tcp:{self.port}:interface=127.0.0.1"})

    def test_terminal(self) -> None:
        """Short text."""
        ours, theirs = pty.openpty()
        self.addCleanup(os.close, ours)
        self.start(stdout=theirs, stderr=theirs)
        os.close(theirs)
        said = b""
        while b"no connection" not in said:
            said += os.read(ours, 10_000)
        self.assertRegex(said.decode(), r"(?m)^\d\d:\d\d:\d\d HTTP on tcp:")
        self.assertRegex(said.decode(), r"(?m)^\d\d:\d\d:\d\d warn: bind smpp/a: no connection")

    def test_form(self) -> None:
        """What the configuration says comes before what the output is."""
        self.write("format: text")
        self.assertRegex(self.lines(self.start(), "HTTP on")[-1], r"^\d\d:\d\d:\d\d HTTP on")

    def test_logfile(self) -> None:
        """twistd's --logfile is that file; SIGUSR1 begins a new one."""
        process = self.start("--logfile=x.log")
        log = self.folder / "x.log"
        self.until(lambda: log.exists() and "HTTP on" in log.read_text(), "no log")
        for line in log.read_text().splitlines():
            json.loads(line)
        process.send_signal(signal.SIGUSR1)
        self.until((self.folder / "x.log.1").exists, "no new file")
        process.send_signal(signal.SIGTERM)
        process.wait(20)
        self.assertIn("stopped", log.read_text())

    def test_logger(self) -> None:
        """twistd's --logger is used as it is."""
        (self.folder / "own.py").write_text(
            "from twisted.logger import FileLogObserver\nimport sys\n"
            "def make(): return FileLogObserver(sys.__stdout__, lambda e: f\"own: {e['log_format']}\\n\")\n"
        )
        process = self.start("--logger=own.make", env={**os.environ, "PYTHONPATH": str(self.folder)})
        self.assertTrue(all(line.startswith("own: ") for line in self.lines(process, "HTTP on")))

    def test_levels_while_it_runs(self) -> None:
        """A reload changes the level; the form can't change then, and the log says so."""
        process = self.start("--logfile=x.log")
        log = self.folder / "x.log"
        self.until(lambda: log.exists() and "no connection" in log.read_text(), "no log")
        self.write("level: error, levels: {smsconnector.reloading: info}")
        process.send_signal(signal.SIGHUP)
        self.until(lambda: "reload: done" in log.read_text(), "no reload")
        self.assertIn("log.level is changed", log.read_text())
        said = len(log.read_text())
        time.sleep(2.5)  # it tries to connect all the time
        self.assertNotIn("no connection", log.read_text()[said:])
        self.write("format: text")
        process.send_signal(signal.SIGHUP)
        self.until(lambda: "the configuration stays as it was: log.format" in log.read_text(), "not refused")
        self.assertIsNone(re.search("Traceback", log.read_text()))
