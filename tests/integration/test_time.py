"""A connector process whose time does not go on as it should: it is frozen, or the machine's clock is set.

The clock is set for this one process: a ``sitecustomize`` puts a ``time.time`` of ours in place of Python's, before
anything has imported it. It reads from a file by how much it is set.
"""

import os
import signal
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import inlineCallbacks
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from tests.integration.activemq import free_port
from tests.integration.stack import Connector, Load, Network, until

reactor: Any = _reactor
COUNT = 50  # texts, one window
RESPONSE_TIMEOUT = 4.0  # seconds
SITECUSTOMIZE = """
import os, time
_time, _path = time.time, os.environ["CLOCK_IS_SET_BY"]

def set_time():
    try:
        with open(_path) as file:
            return _time() + float(file.read() or 0)
    except (OSError, ValueError):
        return _time()

time.time = set_time
"""


class TimeCase(TestCase):
    timeout = 120

    @inlineCallbacks
    def set_up(self, unknown_outcome: str, **behaviour: Any) -> Any:
        self.network = Network(**({"receipt_delay": 0.2} | behaviour))
        self.network.listen()
        self.addCleanup(self.network.cut)
        bind = {
            "name": "a",
            "endpoint": f"tcp:127.0.0.1:{self.network.number}",
            "system_id": "test",
            "password": "test",
            "window": COUNT,
            "response_timeout": RESPONSE_TIMEOUT,
        }
        channel = {"type": "smpp", "unknown_outcome": unknown_outcome, "binds": [bind], "retry": {"initial": 0.5}}
        connector = Connector([], f"tcp://127.0.0.1:{free_port()}", channels={"smpp": channel})
        self.connector = connector
        self.addCleanup(connector.close)
        self.set_by = connector.folder / "clock"
        (connector.folder / "sitecustomize.py").write_text(SITECUSTOMIZE)
        connector.environment = os.environ | {
            "CLOCK_IS_SET_BY": str(self.set_by),
            "PYTHONPATH": os.pathsep.join([str(connector.folder), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]),
        }
        yield connector.start()
        yield until(lambda: "bound as" in connector.said(), 10)

    def set_clock(self, seconds: float) -> None:
        new = Path(f"{self.set_by}-new")
        new.write_text(f"{seconds}")
        new.replace(self.set_by)

    def fates(self) -> Counter[tuple[int, Any]]:
        """How many messages there are, by state (1: delivered) and code."""
        connection = sqlite3.connect(f"file:{self.connector.folder}/smsconnector.db?mode=ro", uri=True)
        try:
            return Counter(connection.execute("SELECT state, code FROM message").fetchall())
        finally:
            connection.close()

    @inlineCallbacks
    def submit_all(self) -> Any:
        """All texts are accepted, and the SMSC has them and has answered none."""
        yield Load(self.connector.port, COUNT, connections=8).run()
        yield until(lambda: len(self.network.taken) == COUNT, 10)

    @inlineCallbacks
    def check_all_delivered(self) -> Any:
        yield until(lambda: self.fates().total() == COUNT and all(state for state, _ in self.fates()), 30)
        self.assertEqual(self.fates(), {(1, "000"): COUNT})
        self.assertEqual(len(self.network.taken), COUNT, "submits")

    @inlineCallbacks
    def test_frozen(self) -> Any:
        """SIGSTOP for 9 seconds with 50 submits under way, whose responses come meanwhile: not one is unknown, and
        none is sent twice; with either policy."""
        for policy in ("hold", "resend"):
            yield self.set_up(policy, response_delay=2.0)
            yield self.submit_all()
            assert self.connector.process is not None
            os.kill(self.connector.process.pid, signal.SIGSTOP)
            yield deferLater(reactor, 9.0)
            self.assertEqual(sum(state > 0 for state, _ in self.fates().elements()), 0)
            os.kill(self.connector.process.pid, signal.SIGCONT)
            yield self.check_all_delivered()

    @inlineCallbacks
    def test_set_forward(self) -> Any:
        """By a minute, and by an hour, with 50 submits under way."""
        for policy, seconds in (("hold", 60.0), ("resend", 3_600.0)):
            yield self.set_up(policy, response_delay=2.0)
            yield self.submit_all()
            self.set_clock(seconds)
            yield self.check_all_delivered()
            yield until(lambda: "clock was set forward" in self.connector.said(), 10)

    @inlineCallbacks
    def test_set_back(self) -> Any:
        """By an hour, while one of five submits is throttled: each is sent again in time."""
        yield self.set_up("resend", throttle_share=0.2, response_delay=0.5)
        yield Load(self.connector.port, COUNT, connections=8).run()
        yield until(lambda: "submit_sm answered with" in self.connector.said(), 10)
        self.set_clock(-3_600.0)
        yield until(lambda: self.fates() == {(1, "000"): COUNT}, 60)
        self.assertIn("clock was set back by 3600 s", self.connector.said())
