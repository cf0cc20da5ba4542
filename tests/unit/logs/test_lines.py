"""Entries of the log as lines, and their forms."""

import json
import os
import re
import sys
import warnings
from io import StringIO

from twisted.logger import LogBeginner, Logger, LogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.logs.journal import LONGEST, Journal, datagram, is_connected
from smsconnector.logs.levels import Levels
from smsconnector.logs.lines import Line, json_of, text_of
from smsconnector.logs.writing import Observer, to_stream
from smsconnector.masking import show_numbers

AT = 1_700_000_000.25  # 2023-11-14T22:13:20.250Z
LINE = Line(AT, "warn", "smsconnector.net.link", "bind smpp/a: no connection", {"title": "bind smpp/a"})


class Stream:
    """What was written, and what goes wrong."""

    def __init__(self, error: Exception | None = None) -> None:
        self.written, self.error = "", error

    def write(self, words: str) -> None:
        if self.error is not None:
            raise self.error
        self.written += words

    def flush(self) -> None: ...


class Sender:
    """A socket."""

    def __init__(self, error: Exception | None = None) -> None:
        self.sent: list[bytes] = []
        self.error = error

    def sendto(self, octets: bytes, _address: str) -> None:
        if self.error is not None:
            raise self.error
        self.sent.append(octets)


class LinesCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.lines: list[Line] = []
        self.levels = Levels()
        self.publisher = LogPublisher(Observer(self.levels, self.lines.append))
        self.log = Logger("smsconnector.here", observer=self.publisher)

    def test_fields(self) -> None:
        """A line has the level, the namespace, the sentence, and what stands in it."""
        self.log.warn("{count} texts of {channel}", count=3, channel="smpp", more=["a"])
        (line,) = self.lines
        self.assertEqual((line.level, line.namespace, line.sentence), ("warn", "smsconnector.here", "3 texts of smpp"))
        self.assertEqual(line.fields, {"count": 3, "channel": "smpp", "more": "['a']"})

    def test_no_address_of_an_object(self) -> None:
        """Not in the sentence, not in the fields, not in a traceback."""
        thing = object()
        self.log.info("starting {thing}", thing=thing)
        self.log.failure("failed", Failure(ValueError(repr(thing))))
        shown = "".join(text_of(line) + json_of(line) + repr(datagram(line)) for line in self.lines)
        self.assertNotRegex(shown, "0x[0-9a-f]{6}")
        self.assertIn("<object object>", shown)

    def test_entries_of_others(self) -> None:
        """What twisted.python.log or a warning writes is a line as well; what can't be formatted still is one."""
        self.publisher({"log_time": AT, "log_format": "{missing}", "message": ("x",), "isError": 0, "system": "-"})
        self.publisher({"log_time": AT, "log_format": 5, "log_level": None})
        self.assertEqual([line.level for line in self.lines], ["info", "info"])
        self.assertEqual(self.lines[0].fields, {})
        for line in self.lines:
            json.loads(json_of(line))

    def test_traceback_without_what_customers_wrote(self) -> None:
        """An exception may quote what it could not use; values of variables are not shown at all."""
        number, text = "+923001234567", "Your code is 8472, dear customer"
        for words in (
            f"no key {text!r}",
            f"{number} is wrong",
            f"x={number!r}",
            f'"{text}"',
            f"to=%2B{number[1:]}&a=b",
        ):
            try:
                raise ValueError(words)
            except ValueError:
                self.log.failure("a text failed")
        shown = "".join(text_of(line) + json_of(line) + repr(datagram(line)) for line in self.lines)
        self.assertIn("ValueError", shown)
        self.assertIn("in test_traceback_without_what_customers_wrote", shown)
        for secret in ("3001234567", "dear customer"):
            self.assertEqual([one for one in re.findall(f".*{secret}.*", shown) if "raise" not in one], [], secret)

    def test_numbers_if_wanted(self) -> None:
        """``numbers: full`` shows them."""
        self.addCleanup(show_numbers, False)
        show_numbers(True)
        try:
            raise ValueError("923001234567 is wrong")
        except ValueError:
            self.log.failure("a text failed")
        self.assertIn("923001234567 is wrong", self.lines[0].traceback)

    def test_exception_without_words(self) -> None:
        """One whose own words fail is told all the same."""

        class BadError(Exception):
            def __str__(self) -> str:
                raise KeyError("no")

        self.log.failure("a text failed", Failure(BadError()))
        self.assertIn("BadError", self.lines[0].traceback)

    def test_text(self) -> None:
        """Short, with the level where it matters; what a terminal would obey, or would look like another line, is
        shown."""
        self.assertRegex(text_of(LINE), r"^\d\d:\d\d:\d\d warn: bind smpp/a: no connection\n$")
        self.assertNotIn("info", text_of(LINE._replace(level="info")))
        self.assertIn(r"a\nb\x1b[2J", text_of(LINE._replace(sentence="a\nb\x1b[2J")))

    def test_json(self) -> None:
        """One object on one line, whatever is in it; the time is UTC."""
        shown = json_of(LINE._replace(sentence="a\n\u2028b\ud800", traceback="x\ny\n"))
        self.assertEqual(shown.count("\n"), 1)
        self.assertEqual(
            json.loads(shown),
            {
                "time": "2023-11-14T22:13:20.250Z",
                "level": "warn",
                "namespace": "smsconnector.net.link",
                "message": "a\n\u2028b\ud800",
                "fields": {"title": "bind smpp/a"},
                "traceback": "x\ny\n",
            },
        )
        self.assertNotIn("traceback", json_of(LINE))

    def test_datagram(self) -> None:
        """The fields of the journal's native protocol; one with ends of lines has its length before it, so nothing that
        was logged makes a field of its own."""
        self.assertEqual(
            datagram(LINE),
            b"PRIORITY=4\nSYSLOG_IDENTIFIER=smsconnector\nSMSCONNECTOR_NAMESPACE=smsconnector.net.link\n"
            b"MESSAGE=bind smpp/a: no connection\n",
        )
        forged = datagram(LINE._replace(sentence="a\nPRIORITY=0"))
        self.assertTrue(forged.endswith(b"MESSAGE\n" + (12).to_bytes(8, "little") + b"a\nPRIORITY=0\n"))
        self.assertLess(len(datagram(LINE._replace(sentence="\u20ac" * 1_000_000))), LONGEST + 1000)

    def test_priorities(self) -> None:
        """Those of syslog(3), so that ``journalctl -p warning`` has warnings and what is worse."""
        for level, priority in (("debug", 7), ("info", 6), ("warn", 4), ("error", 3), ("critical", 2)):
            self.assertIn(b"PRIORITY=%d\n" % priority, datagram(LINE._replace(level=level)))

    def test_journal_without_its_socket(self) -> None:
        """The line goes to standard error, each of its lines with its priority (sd-daemon(3))."""
        stream = Stream()
        journal = Journal("/nonexistent/socket", stream, Sender(FileNotFoundError()))
        journal.write(LINE._replace(traceback="x\n  y\n"))
        self.assertEqual(stream.written, "<4>bind smpp/a: no connection\n<4>x\n<4>  y\n")

    def test_journal_that_takes_nothing(self) -> None:
        """Nothing waits for it. When it takes lines again, it is told how many are lost, once."""
        sender = Sender(BlockingIOError())
        journal = Journal("/there", Stream(), sender)
        for _ in range(3):
            journal.write(LINE)
        sender.error = None
        journal.write(LINE)
        journal.write(LINE)
        self.assertEqual(len(sender.sent), 3)
        self.assertIn(b"PRIORITY=3\n", sender.sent[0])
        self.assertIn(b"3 lines of the log are lost", sender.sent[0])

    def test_nobody_reads(self) -> None:
        """A log that can't be written stops nobody, and is written again when it can."""
        for error in (BrokenPipeError(), OSError(28, "no space"), ValueError("I/O operation on closed file")):
            stream = Stream(error)
            observer = Observer(self.levels, to_stream(stream, text_of))
            log = Logger("smsconnector", observer=LogPublisher(observer))
            log.info("one")
            stream.error = None
            log.info("two")
            self.assertIn("two", stream.written)

    def test_is_connected(self) -> None:
        """Whatever systemd has started inherits JOURNAL_STREAM: only if it names our output is that the journal."""
        found = os.fstat(1)
        self.assertTrue(is_connected({"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}))
        for other in ({}, {"JOURNAL_STREAM": "1:2"}, {"JOURNAL_STREAM": "nonsense"}):
            self.assertFalse(is_connected(other))
        self.assertFalse(is_connected({"JOURNAL_STREAM": "1:2"}, (1_000_000,)))


class LevelsCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.lines: list[str] = []
        self.levels = Levels()
        self.publisher = LogPublisher(Observer(self.levels, lambda line: self.lines.append(line.sentence)))

    def say(self, namespace: str, level: str) -> bool:
        count = len(self.lines)
        getattr(Logger(namespace, observer=self.publisher), level)("x")
        return len(self.lines) > count

    def test_level(self) -> None:
        """What is below the level is left out."""
        self.assertFalse(self.say("smsconnector.a", "debug"))
        self.assertTrue(self.say("smsconnector.a", "info"))

    def test_by_namespace(self) -> None:
        """The longest name counts; a name ends at a dot."""
        self.levels.configure("warn", {"smsconnector.channels": "debug", "smsconnector.channels.smpp": "error"})
        for namespace, level, wanted in (
            ("smsconnector.walks", "info", False),
            ("smsconnector.channels", "debug", True),
            ("smsconnector.channels.http.session", "debug", True),
            ("smsconnector.channels.smpp.bind", "warn", False),
            ("smsconnector.channels_of_others", "info", False),
        ):
            self.assertEqual(self.say(namespace, level), wanted, namespace)

    def test_change(self) -> None:
        """Levels count from the moment when they are changed, also for namespaces that were heard before."""
        self.assertFalse(self.say("smsconnector.a", "debug"))
        self.levels.configure("debug", {})
        self.assertTrue(self.say("smsconnector.a", "debug"))
        self.levels.configure("error", {"smsconnector": "critical"})
        self.assertFalse(self.say("smsconnector.a", "error"))

    def test_twisted_is_quiet(self) -> None:
        """Twisted tells of each connection; that is left out unless it is asked for."""
        self.assertFalse(self.say("twisted.web.server", "info"))
        self.assertTrue(self.say("twisted.web.server", "warn"))
        self.levels.configure("info", {"twisted": "info"})
        self.assertTrue(self.say("twisted.web.server", "info"))

    def test_begin(self) -> None:
        """It is an observer that twistd can begin with."""
        LogBeginner(LogPublisher(), StringIO(), sys, warnings).beginLoggingTo(
            [Observer(self.levels, lambda line: None)], redirectStandardIO=False
        )
