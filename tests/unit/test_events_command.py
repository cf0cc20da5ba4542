"""``smsconnector events``: what is parked, at which sink, and what becomes of it."""

import io
import sys

from twisted.trial.unittest import SynchronousTestCase

from smsconnector.cli import main
from smsconnector.messages import ALL_EVENTS, INCOMING_MESSAGE, IncomingSegment
from smsconnector.store import operations as ops
from smsconnector.store.store import Store
from tests.unit.store.test_store import NOW


class EventsCommandCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = self.mktemp()
        self.store = Store(self.path, sinks={"jms": ALL_EVENTS, "crm": ALL_EVENTS})
        self.addCleanup(self.store.close)
        parts = tuple(IncomingSegment("smpp", "a", "1", "2", sid, NOW, sid=sid) for sid in ("a", "b"))
        self.store.apply([ops.Incoming(parts)])

    def park(self, sink: str, event: int, due_at: int) -> None:
        row = ops.ParkedEvent(event, INCOMING_MESSAGE, 30, due_at, "it answered 404 Not Found")
        self.store.apply([ops.ParkEvents(sink, (row,), True, 0, NOW)])

    def run_events(self, *arguments: str) -> tuple[int, list[str]]:
        said = io.StringIO()
        self.patch(sys, "stdout", said)
        status = main(["events", *arguments, "--database", self.path])
        return status, said.getvalue().splitlines()

    def test_given_up(self) -> None:
        """One that is not tried again by itself is listed so, beside the sink that did not take it."""
        self.park("crm", 1, ops.NOT_AGAIN)
        self.park("jms", 1, NOW + 60_000)
        status, lines = self.run_events("--parked")
        self.assertEqual((status, len(lines)), (0, 3))
        self.assertIn("  crm  since ", lines[0] + lines[1])
        (given_up,) = [line for line in lines if "  crm  " in line]
        self.assertIn("refused, 30 attempts, not tried again by itself  it answered 404 Not Found", given_up)
        (other,) = [line for line in lines if "  jms  " in line]
        self.assertIn("30 attempts, next at 20", other)

    def test_retry(self) -> None:
        """All, or one by its id, at every sink; then they are due now, those that were given up too."""
        self.park("crm", 1, ops.NOT_AGAIN)
        self.park("crm", 2, ops.NOT_AGAIN)
        _, lines = self.run_events()
        first = lines[0].split()[0]
        status, said = self.run_events("--retry", first)
        self.assertEqual((status, said[0].split()[0]), (0, "1"))
        _, lines = self.run_events()
        self.assertEqual(len([line for line in lines if "next at now" in line]), 1)
        self.assertEqual(self.run_events("--retry")[1][0].split()[0], "2")

    def test_no_such_event(self) -> None:
        """It is said, and by its id, also beside one that is there."""
        self.park("crm", 1, ops.NOT_AGAIN)
        first = self.run_events()[1][0].split()[0]
        self.assertEqual(self.run_events("--retry", "no-such-id"), (1, ["no parked event has the id no-such-id"]))
        status, said = self.run_events("--retry", "no-such-id", first, "x\x1b[2J")
        self.assertEqual((status, len(said)), (1, 3))
        self.assertEqual(said[0], "no parked event has the id no-such-id")
        self.assertNotIn("\x1b", said[1])
        self.assertEqual(said[2].split()[0], "1")
