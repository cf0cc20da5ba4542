"""SIGTERM and SIGINT, once and again, at any time: the daemon stops in order, and shows no traceback."""

import signal
import socket
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

from twisted.trial.unittest import TestCase

from tests.integration.activemq import free_port
from tests.integration.test_commands import BIN, GOOD

TERM, INT = signal.SIGTERM, signal.SIGINT
ENDS = {TERM: (-TERM, 128 + TERM), INT: (-INT, 128 + INT)}  # as a shell and systemd expect of the first signal


class SignalsCase(TestCase):
    skip = None if (BIN / "twistd").exists() else "needs the package installed: make install"
    timeout = 120

    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir(parents=True)
        # The SMSC takes a bind and is silent then: it answers no unbind, so that the stop takes a while.
        self.smsc = socket.socket()
        self.addCleanup(self.smsc.close)
        self.smsc.bind(("127.0.0.1", 0))
        self.smsc.listen()
        text = (
            (GOOD % free_port())
            .replace("hunter2", "hunter2, drain_timeout: 1")
            .replace('tcp:127.0.0.1:1"', f'tcp:127.0.0.1:{self.smsc.getsockname()[1]}"')
        )
        (self.folder / "c.yaml").write_text(text)
        self.log = self.folder / "log"

    def start(self, *command: str, ignored: bool = False) -> "subprocess.Popen[bytes]":
        """twistd, which finds SIGINT as a terminal has it, or ``ignored``."""
        before = signal.signal(signal.SIGINT, signal.SIG_IGN if ignored else signal.SIG_DFL)
        try:
            with self.log.open("wb") as log:
                process = subprocess.Popen(
                    [str(BIN / "twistd"), "-n", "--pidfile=", *command],
                    cwd=self.folder,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
        finally:
            signal.signal(signal.SIGINT, before)

        def end() -> None:
            process.kill()
            process.wait()

        self.addCleanup(end)
        return process

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def await_words(self, words: str) -> None:
        deadline = time.monotonic() + 20
        while words not in self.said():
            self.assertLess(time.monotonic(), deadline, f"it never said {words!r}: {self.said()}")
            time.sleep(0.01)

    def await_bind(self) -> None:
        """The reactor runs, and the daemon is bound."""
        connection = self.smsc.accept()[0]
        self.addCleanup(connection.close)
        sequence = connection.recv(1000)[12:16]
        connection.sendall(bytes.fromhex("00000012 80000009 00000000") + sequence + b"x\0")  # bind_transceiver_resp
        self.await_words("bound as transceiver")

    def check_ended(self, process: "subprocess.Popen[bytes]", first: int) -> None:
        code = process.wait(30)
        self.assertNotIn("Traceback", self.said())
        self.assertNotIn("Unhandled", self.said())
        self.assertIn(code, ENDS[signal.Signals(first)], self.said())

    def test_twice(self) -> None:
        """Two of them while it runs, alike or not: as the first alone. It says that it is stopping already."""
        for numbers in ((TERM, TERM), (INT, INT), (TERM, INT), (INT, TERM, TERM)):
            process = self.start("smsconnector", "--config", "c.yaml")
            self.await_bind()
            for number in numbers:
                process.send_signal(number)
                self.await_words("stopping: ")  # else the kernel merges two that are alike
            self.check_ended(process, numbers[0])
            self.assertIn("stopped", self.said())
            self.assertIn("is stopping already", self.said())

    def test_at_one_moment(self) -> None:
        """Both come before the daemon can do anything, as after a time in which the machine was suspended."""
        process = self.start("smsconnector", "--config", "c.yaml")
        self.await_bind()
        for number in (signal.SIGSTOP, TERM, INT, signal.SIGHUP, signal.SIGCONT):
            process.send_signal(number)
        code = process.wait(30)
        self.assertNotIn("Traceback", self.said())
        self.assertIn(code, ENDS[TERM] + ENDS[INT])
        self.assertIn("stopped", self.said())

    def test_while_it_starts(self) -> None:
        """While it waits for its database, or at any moment after: it ends by the signal. (What comes while Python
        still loads Twisted is not ours.)"""
        with closing(sqlite3.connect(self.folder / "smsconnector.db")) as other:
            other.execute("PRAGMA journal_mode=WAL")
            for number in (TERM, INT):
                for pause in (0.05, 0.5, 1.0):
                    other.execute("BEGIN IMMEDIATE")
                    process = self.start("smsconnector", "--config", "c.yaml")
                    self.await_words("with Python")
                    time.sleep(pause)
                    process.send_signal(number)
                    self.check_ended(process, number)
                    other.rollback()
        for number in (TERM, INT):
            for pause in (0.0, 0.02, 0.05, 0.1):
                process = self.start("smsconnector", "--config", "c.yaml")
                self.await_words("with Python")
                time.sleep(pause)
                process.send_signal(number)
                self.check_ended(process, number)

    def test_simulator(self) -> None:
        """The simulated SMSC is a daemon as well."""
        for numbers in ((TERM, TERM), (INT, INT)):
            process = self.start("smsc-simulator", "--port", str(free_port()))
            self.await_words("SMSC on")
            for number in numbers:
                process.send_signal(number)
                time.sleep(0.005)
            self.check_ended(process, numbers[0])

    def test_ignored_interrupt(self) -> None:
        """A shell's background job ignores SIGINT: that stays, and SIGTERM stops it."""
        process = self.start("smsconnector", "--config", "c.yaml", ignored=True)
        self.await_bind()
        process.send_signal(INT)
        time.sleep(0.3)
        self.assertIsNone(process.poll())
        process.send_signal(TERM)
        self.check_ended(process, TERM)
