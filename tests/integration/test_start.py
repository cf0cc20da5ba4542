"""What a connector says of what it finds when it starts."""

import json
import sqlite3
import time
import urllib.request
from contextlib import closing
from dataclasses import replace
from typing import Any

from twisted.internet.defer import inlineCallbacks
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from smsconnector import __version__
from smsconnector.store import operations as ops
from smsconnector.store.database import create, steps
from smsconnector.store.store import Store
from tests.integration.activemq import free_port
from tests.integration.stack import Connector, until
from tests.unit.fakes import message


class StartCase(TestCase):
    timeout = 60

    def setUp(self) -> None:
        self.connector = Connector([free_port()], f"tcp://127.0.0.1:{free_port()}")
        self.addCleanup(self.connector.close)

    @inlineCallbacks
    def test_unserved(self) -> Any:
        """Texts of a channel that is not configured any more wait; the log and health say so, with how many."""
        store = Store(str(self.connector.folder / "smsconnector.db"))
        later = int(time.time() * 1000)
        gone = replace(message("SM1", "a", "b", at=later), channel="carrier")
        store.apply([ops.Accept(gone, 1, "carrier"), ops.Accept(message("SM2", "a", "b", at=later), 3, "smpp/9230")])
        store.close()
        yield self.connector.start()
        yield until(lambda: "2 segments of the channel carrier wait, and it is not configured" in self.said(), 10)

        def health() -> Any:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.connector.port}/health", timeout=10) as answer:
                return json.load(answer)

        found = yield deferToThread(health)
        self.assertEqual(found["unserved"], {"carrier": 2})
        self.assertIn("2 segments go by other routes now", self.said())

    @inlineCallbacks
    def test_new_database(self) -> Any:
        """That a database was made is said: where one was expected, its path is a mistake."""
        yield self.connector.start()
        self.assertIn("a new database", self.said())
        self.connector.terminate()
        yield self.connector.start()
        self.assertNotIn("a new database", self.said())

    @inlineCallbacks
    def test_version_and_schema(self) -> Any:
        """The first lines say which version runs, on what, and which steps have changed the database: a support
        request begins with them."""
        with closing(sqlite3.connect(self.connector.folder / "smsconnector.db")) as old:
            create(old, 5)
        yield self.connector.start()
        newest = steps()[-1][0]
        self.assertIn(f"smsconnector {__version__}, with Python", self.said())
        self.assertIn(f"step 6 of {newest}", self.said())
        self.assertIn(f"schema {newest}: ", self.said())
        self.connector.terminate()
        yield self.connector.start()
        self.assertNotIn("step 6", self.said())

    def said(self) -> str:
        return self.connector.said()
