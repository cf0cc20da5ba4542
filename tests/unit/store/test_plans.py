"""How SQLite finds the rows of every statement: by a key or an index, never by reading a table that grows.

The store and its tools are used as a connector and an operator use them. Each statement that is executed is EXPLAINed
with the same parameters (SQLite documentation, "EXPLAIN QUERY PLAN"). A second test looks whether every place in the
code that executes a statement was there: what is not executed here could not be looked at.
"""

import ast
import os
import re
import sqlite3
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

import smsconnector.store
from smsconnector.lifecycle import EndRules, FallBackRule
from smsconnector.messages import (
    ALL_EVENTS,
    CALLBACK_SINK,
    DELIVERY_REPORT,
    INCOMING_MESSAGE,
    Callback,
    Finality,
    IncomingSegment,
    Outcome,
    OutcomeFound,
    OutcomeOfParts,
    Selection,
    Verdict,
)
from smsconnector.sms.opt_out import OptOutRules, words_of
from smsconnector.store import operations as ops
from smsconnector.store.configuring import CountQueued
from smsconnector.store.database import create
from smsconnector.store.falling import AwaitFallBacks, EndFalling, FindFalling, Move
from smsconnector.store.finding import FindExchanged, FindTimeline, PlaceOfBoth, Search, Shown
from smsconnector.store.measures import Outlook, QueuesMeasure
from smsconnector.store.offline.backup import backup
from smsconnector.store.offline.opt_outs import OptOut, enter_opt_outs, opt_outs, take_out
from smsconnector.store.offline.parked import parked_events, retry_parked
from smsconnector.store.offline.reconcile import known_sinks, reconcile
from smsconnector.store.offline.rescue import rescue
from smsconnector.store.receipts import PARKED_TIMEOUT
from smsconnector.store.repeats import AcceptOnce, FindFirst, RequestKey
from smsconnector.store.scheduling import LoadScheduled, Release
from smsconnector.store.store import Store
from tests.unit.fakes import SINK, ask, confirm, message
from tests.unit.store.test_costs import LONG_AGO, Crowd
from tests.unit.store.test_store import ACCOUNT, NOW, by_path, receipt

GROWING = (
    "message",
    "segment",
    "outbox",
    "parked_receipt",
    "incoming_segment",
    "confirmation",
    "parked_event",
    "presumed_end",
    "opt_out",
    "fall_back_due",
    "provider_id",
    "segment_event",
    "idempotency_key",
    "schedule",
    "status_callback",
)
ROOM = Path(smsconnector.store.__file__).parent
AT_START = "once at a start, before anything is accepted"
RESCUE = "rescue reads and writes whole files"
# Scans that may be: what the statement has in it, the table, and why.
ALLOWED = {
    ("SELECT count(*) FROM segment WHERE state =", "segment"): f"{AT_START}; in an index of what waits only",
    ("SELECT count(*) FROM parked_receipt", "parked_receipt"): AT_START,
    ("SELECT count(*) FROM schedule WHERE left_at", "schedule"): f"{AT_START}; in an index of what is not due only",
    (
        "SELECT count(*) FROM schedule AS t",
        "schedule",
    ): "once when an operator takes a channel out; in an index of what is not due only",
    ("SELECT count(*) FROM message WHERE state = 0", "message"): f"{AT_START}; in an index of what is under way only",
    ("SELECT count(*) FROM parked_event WHERE id %", "parked_event"): f"{AT_START}; few are parked",
    (
        "SELECT EXISTS (SELECT 1 FROM message WHERE asked_channel",
        "message",
    ): f"{AT_START}; in an index of few",
    ("SELECT id FROM message WHERE state = 3", "message"): "some hundreds, in an index of what waits to move only",
    ("DELETE FROM fall_back_due WHERE channel NOT IN", "fall_back_due"): f"{AT_START}; if the configuration is another",
    (
        "UPDATE fall_back_due SET due_at = j.value->>1 FROM json_each(?) AS j WHERE fall_back_due.channel",
        "fall_back_due",
    ): (f"{AT_START}; texts under way of few channels"),
    ("SELECT DISTINCT m.id, j.value->>1, m.channel FROM segment", "segment"): f"{AT_START}; in an index of what waits",
    ("DELETE FROM parked_event WHERE id IN (SELECT p.id", "parked_event"): f"{AT_START}; few are parked",
    ("DELETE FROM parked_event WHERE id %", "parked_event"): f"{AT_START}; where all ids of sinks are used",
    ("DELETE FROM confirmation WHERE id %", "confirmation"): f"{AT_START}; where all ids of sinks are used",
    ("UPDATE status_callback SET event = (SELECT", "status_callback"): RESCUE,
    ("SELECT id FROM segment WHERE state = 1 AND due_at <>", "segment"): f"{AT_START}; in an index of the claimed only",
}
IN_TOOLS = {
    "offline/rescue.py": RESCUE,
    "offline/backup.py": RESCUE,
    "offline/parked.py": "an operator's list of all that is parked",
    "offline/opt_outs.py": "an operator's list of all who have opted out",
}


NOT_ALL_REACHED = {"offline/rescue.py": "most of it is for damaged files; all of it reads whole files anyway"}


class Watched(sqlite3.Connection):
    """Keeps what is executed: the statement, its parameters, and the places in the store that led to it."""

    seen: list[tuple[str, Any, list[tuple[str, int]]]]
    plans: dict[str, list[str]]

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        self._keep(sql, parameters)
        return super().execute(sql, parameters)

    def executescript(self, sql: str, /) -> sqlite3.Cursor:
        self._keep(sql, ())
        return super().executescript(sql)

    def _keep(self, sql: str, parameters: Any) -> None:
        frame, places = sys._getframe(2), []
        while frame is not None:
            if Path(frame.f_code.co_filename).is_relative_to(ROOM):
                places.append((os.path.relpath(frame.f_code.co_filename, ROOM), frame.f_lineno))
            frame = frame.f_back  # type: ignore[assignment]
        if not places:
            return
        self.seen.append((sql, parameters, places))
        if sql not in self.plans and re.match(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\b", sql):
            rows = super().execute(f"EXPLAIN QUERY PLAN {sql}", parameters).fetchall()
            self.plans[sql] = [row[3] for row in rows]


def scans(sql: str, plan: list[str]) -> Iterator[str]:
    """The growing tables that the plan reads all of, and "AUTOMATIC" for an index that is made for the statement."""
    tables = {alias: table for table, alias in re.findall(r"(\w+) AS (\w+)", sql)}
    for line in plan:
        found = re.match(r"SCAN (\w+)", line)
        table = tables.get(found[1], found[1]) if found else ""
        if table in GROWING:
            yield table
        if "AUTOMATIC" in line:
            yield "AUTOMATIC"


class PlanCase(SynchronousTestCase):
    """Everything that the store can do, once."""

    def setUp(self) -> None:
        connect = sqlite3.connect
        self.seen: list[tuple[str, Any, list[tuple[str, int]]]] = []
        self.plans: dict[str, list[str]] = {}
        made = type("Made", (Watched,), {"seen": self.seen, "plans": self.plans})
        self.patch(sqlite3, "connect", lambda *arguments, **more: connect(*arguments, **{"factory": made} | more))

    def use(self) -> None:
        path = self.mktemp()
        with sqlite3.connect(path, isolation_level=None) as old:
            create(old, 1)
        crowd = Crowd(path, 40)
        for _ in crowd.costs():
            pass
        self.tools(path)
        self.more(crowd)
        crowd.store.described()
        crowd.store.forgotten_sinks()
        crowd.store.close()
        again = Store(path, {ACCOUNT: (ACCOUNT, "b")}, ("another",), system_ids={"me@b:1": "connector"})
        again.forgotten_sinks()
        again.close()
        self.selection(path)
        self.callbacks(path)
        self.exchanged(path)

    def selection(self, path: str) -> None:
        """A sink that wants some of the events only, and so many that ids are used again."""
        wanted = Selection((INCOMING_MESSAGE,), ("smpp",))
        store = Store(path, sinks={"choosy": wanted} | dict.fromkeys((f"s{n}" for n in range(56)), ALL_EVENTS))
        ask(store, [ops.Incoming((IncomingSegment("smpp", ACCOUNT, "1", "2", "hi", NOW, sid="wanted"),))])
        ask(store, [ops.LoadSelected(ops.LoadEvents("choosy", 0, 5), wanted)])
        store.close()
        Store(path, sinks=[f"t{n}" for n in range(9)]).close()

    def exchanged(self, path: str) -> None:
        """Both directions, with all that may be given."""
        store = Store(path, sinks=[SINK])
        ask(store, [ops.Incoming((IncomingSegment("smpp", ACCOUNT, "46701", "2", "hi", NOW, sid="of 46701"),))])
        for more in ({}, {"channel": "smpp", "since": NOW - 1, "until": NOW + 1}, {"before": PlaceOfBoth(9, 10**6)}):
            ask(store, [FindExchanged("46701", **more)])
        store.close()

    def callbacks(self, path: str) -> None:
        """A message whose report is wanted at a host of its own, up to when it is dropped."""
        at, wanted = f"{CALLBACK_SINK}crm", Selection(callback="crm")
        store = Store(path, sinks={SINK: ALL_EVENTS, at: wanted})
        made = replace(message("SMcallback"), callback=Callback("crm", "https://crm/"))
        first = store.last_segment_id() + 1
        ask(store, [ops.Accept(made, first, "smpp")])
        ask(store, [ops.Cancel(first, NOW)])
        (event,) = ask(store, [ops.LoadSelected(ops.LoadEvents(at, 0, 5), wanted)])[0].events
        parked = ops.ParkedEvent(event.id, event.kind, 1, NOW, "500")
        ask(store, [ops.ParkEvents(at, (parked,), True, event.id, NOW)])
        ask(store, [ops.LoadParkedEvents(at, event.kind, NOW, 5)])
        for sink in (SINK, at):
            ask(store, [ops.Confirm(sink, (event.id,), event.id, NOW)])
        store.close()
        store = Store(path, sinks={SINK: ALL_EVENTS, at: wanted})
        for _ in range(9):
            ask(store, [ops.Purge(LONG_AGO + 10**15, LONG_AGO + 10**15)])
        store.close()

    def tools(self, path: str) -> None:
        self.assertNotEqual(reconcile(path).lines, [])
        self.assertEqual(known_sinks(path)[:1], [SINK])
        parked = [one.event_id for one in parked_events(path)]
        retry_parked(path, parked[:1])
        retry_parked(path, [])
        enter_opt_outs(path, [OptOut("smpp", "46701234567", "", NOW, "imported")])
        self.assertEqual(len(list(opt_outs(path))), 1)
        self.assertTrue(take_out(path, "smpp", "46701234567"))
        copy = self.mktemp()
        backup(path, copy)
        rescue(copy, self.mktemp())

    def more(self, crowd: Crowd) -> None:
        """What the operations of the costs leave out."""
        crowd.one(ops.Settle(NOW, 99))
        crowd.store._rules, crowd.store._of_several = EndRules(naming_ids={"smpp"}), {ACCOUNT}
        crowd.one(ops.Claim(tuple(one.id for one in crowd.accept("kept", 1)), 98))
        crowd.one(ops.Settle(NOW, 99))
        crowd.store._of_several = set()
        crowd.one(ops.Measure(probe=4096))
        place: ops.QueuePlace | None = ops.BEGINNING
        while place is not None:  # to the end: then the store keeps which routes there are
            *_, place = crowd.one(ops.Requeue(("smpp", "new"), lambda channel, number: "smpp", place, 1000))
        crowd.one(ops.Postpone((1,), NOW))
        (odd,) = crowd.accept("odd", 1)
        crowd.one(ops.Record(((Outcome(odd, Verdict.REFUSED, ACCOUNT, None, 1 << 64), 0),), NOW))
        crowd.one(ops.Find("SMqueued5"))
        self.look(crowd)
        crowd.one(Outlook("smpp", "smpp", "46700000001", None, can_opt_out=True))
        crowd.one(CountQueued(("smpp", "smpp/4670"), "smpp"))
        crowd.one(QueuesMeasure(("smpp", "smpp/4670", "nothing there")))
        crowd.one(ops.LoadProgress(SINK))
        crowd.one(ops.LoadEvents(SINK, 0, 5, False, DELIVERY_REPORT, 100))
        crowd.record(crowd.accept("two", 1, 2), Verdict.ACCEPTED, "two")
        crowd.one(ops.Receive((receipt("two0"),)))
        crowd.one(ops.Receive((receipt("nobody's"),), report_unknown=True, channel="smpp"))
        crowd.one(ops.Record(((OutcomeFound(crowd.accept("found", 1)[0], Verdict.ACCEPTED, ACCOUNT, "two0"), 0),), NOW))
        self.assertRaises(AttributeError, crowd.store.apply, [ops.Accept(None, 1, "smpp")])  # type: ignore[arg-type]
        crowd.store._rules = EndRules(receipt_times={"smpp": 10**7}, graces={"smpp": 10**9})
        crowd.record(crowd.accept("waits", 1), Verdict.ACCEPTED, "waits")
        crowd.record(crowd.accept("vague", 1), Verdict.ACCEPTED, "vague")
        crowd.one(ops.Receive((receipt("vague0", Finality.UNCLEAR),)))
        for late in (1, 10**7 + 1):
            crowd.one(ops.Sweep(NOW + 3_600_000 + late, LONG_AGO, 1000, earlier_now=NOW))
        self.several_ids(crowd)
        crowd.store._opt_out = {"smpp": OptOutRules(words_of(["en"], {}), codes={"21610"})}
        for word in ("STOP", "START", "STOP"):
            crowd.one(ops.Incoming((IncomingSegment("smpp", ACCOUNT, "46701234567", "8228", word, NOW),)))
        self.assertTrue(crowd.one(ops.Accept(message("SMout", to="46701234567"), 100_000, "smpp")))
        refused = crowd.accept("refused", 1)[0]
        crowd.one(ops.Record(((Outcome(refused, Verdict.REFUSED, ACCOUNT, code="21610"), 0),), NOW, 1))
        crowd.store._opt_out = {}
        for now in (NOW, NOW + 1):
            key = RequestKey("", "again", "d", now, now + 1)
            crowd.one(AcceptOnce(ops.Accept(message(f"SMagain{now}"), 100_001 + now - NOW, "smpp"), key))
            crowd.one(FindFirst(key))
        self.later(crowd)
        self.fall_backs(crowd)
        crowd.one(ops.Incoming((IncomingSegment("smpp", ACCOUNT, "1", "2", "hi", NOW * 2, sid="ahead"),)))
        crowd.one(confirm(crowd.one(ops.LoadEvents(SINK, 0, 1000)), NOW))
        crowd.store._connection.execute("INSERT INTO message_number VALUES (-1, '46700000001', 1)")  # was dropped
        for now in (NOW + 10**6, NOW + PARKED_TIMEOUT * 20):
            crowd.one(ops.Sweep(now, now))
            for _ in range(20):
                crowd.one(ops.Purge(now, now, now=now))

    def look(self, crowd: Crowd) -> None:
        """What applications ask of messages, and what they take back."""
        for search in (
            Search(),
            Search(state=Shown.QUEUED, source="Shop", channel="smpp", since=NOW, until=NOW + 1),
            Search(to="46701234567"),
            Search(reference="order 5"),
            Search(smsc_id="two0"),
        ):
            crowd.one(search)
        (segment,) = crowd.accept("back", 1)
        self.assertTrue(crowd.one(ops.Cancel(segment.id, NOW)))
        self.assertIsNotNone(crowd.one(FindTimeline("SMback0")))
        (segment,) = sent = crowd.accept("sent", 1)
        crowd.record(sent, Verdict.ACCEPTED, "sent")
        self.assertTrue(crowd.one(ops.CancelTaken(segment.id, NOW)))
        crowd.one(ops.Accept(replace(message("SMnamed"), reference="order 5"), 90_000, "smpp"))
        self.assertTrue(crowd.one(ops.Cancel(90_000, NOW)))

    def later(self, crowd: Crowd) -> None:
        """Messages that are to be sent later: due, taken back, and accepted under a key."""
        for place, sid in enumerate(("SMlater", "SMback")):
            crowd.one(ops.Schedule(replace(message(sid), send_at=NOW + place), 100_030 + place, "smpp"))
        key = RequestKey("", "later", "d", NOW, NOW + 1)
        crowd.one(AcceptOnce(ops.Schedule(replace(message("SMkey"), send_at=NOW), 100_032, "smpp"), key))
        self.assertEqual([one.id for one in crowd.one(LoadScheduled(NOW))], [100_030, 100_032])
        self.assertTrue(crowd.one(ops.Cancel(100_031, NOW)))
        crowd.one(Release(ops.Accept(message("SMlater"), 100_040, "smpp"), 100_030, NOW))
        crowd.one(Search(state=Shown.SCHEDULED))

    def fall_backs(self, crowd: Crowd) -> None:
        """Messages that go on over another channel, and one that can't."""
        crowd.store._rules = EndRules(fall_backs={"smpp": FallBackRule(frozenset({"11"}), may_repeat=True)})
        crowd.one(AwaitFallBacks((("smpp", NOW),)))
        crowd.one(ops.Accept(message("SMstuck"), 100_010, "smpp", fall_back_at=NOW))
        crowd.one(ops.Accept(message("SMtaken"), 100_011, "smpp", fall_back_at=NOW))
        for first_id, verdict in ((100_010, Verdict.RETRY), (100_011, Verdict.ACCEPTED)):
            (segment,) = crowd.one(ops.LoadSegments("smpp", first_id - 1, 1))
            crowd.one(ops.Record(((Outcome(segment, verdict, ACCOUNT, "f1", code=11), 0),), NOW, 1))
        for sid in ("ends", "falls"):
            crowd.one(ops.Record(((Outcome(crowd.accept(sid, 1)[0], Verdict.REFUSED, ACCOUNT, code=11), 0),), NOW, 1))
        first, second, *stuck = crowd.one(FindFalling(NOW)).falling
        self.assertTrue(stuck)
        crowd.one(EndFalling((first.id,), NOW))
        crowd.one(Move(ops.Accept(message(second.sid), 100_020, "smpp"), second.id, NOW))
        crowd.one(ops.Receive((receipt(second.sid),)))
        crowd.one(AwaitFallBacks(()))

    def several_ids(self, crowd: Crowd) -> None:
        """Texts with several ids, whose reports come before the answer and after it, unclear and clear."""
        crowd.store._of_several.add(ACCOUNT)
        (several,) = crowd.accept("severalids", 1)
        crowd.one(ops.Receive((receipt("one"), by_path(receipt("two"), "SMseveralids0"))))
        outcome = OutcomeOfParts(several, Verdict.ACCEPTED, ACCOUNT, "one", other_ids=("two", "three"))
        crowd.one(ops.Record(((outcome, 0),), NOW, 1))
        for finality in (Finality.UNCLEAR, Finality.DELIVERED):
            crowd.one(ops.Receive((receipt("three", finality),)))

    def test_no_scans(self) -> None:
        """No statement reads all of a table that grows, or makes an index for itself, but for those that are allowed
        for a reason."""
        self.use()
        found = []
        for sql, _, places in self.seen:
            is_allowed = any(file in IN_TOOLS for file, _ in places)
            for table in () if is_allowed else scans(sql, self.plans.get(sql, [])):
                if not any(part in sql and table == name for part, name in ALLOWED):
                    found.append(f"{table}: {sql}")
        self.assertEqual(sorted(set(found)), [])

    def test_allowed_ones_are_needed(self) -> None:
        """What is allowed and happens no more is taken off the list."""
        self.use()
        for part, table in ALLOWED:
            self.assertTrue(any(part in sql and table in scans(sql, plan) for sql, plan in self.plans.items()), part)

    def test_every_place(self) -> None:
        """Every call that executes a statement was reached."""
        self.use()
        reached = {place for _, _, places in self.seen for place in places}
        missed = []
        for path in sorted(ROOM.rglob("*.py")):
            name = os.path.relpath(path, ROOM)
            if name in NOT_ALL_REACHED:
                continue
            lines = {line for file, line in reached if file == name}
            for node in ast.walk(ast.parse(path.read_text())):
                if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                    continue
                if node.func.attr in ("execute", "executescript", "executemany", "_run", "_one"):
                    assert node.end_lineno is not None
                    if not lines & set(range(node.lineno, node.end_lineno + 1)):
                        missed.append(f"{name}:{node.lineno}")
        self.assertEqual(missed, [])

    def test_it_sees(self) -> None:
        """The look itself: a scan and an automatic index are found."""
        connection = sqlite3.connect(":memory:")
        create(connection, 1)
        for sql, wanted in (
            ("SELECT m.id FROM message AS m WHERE m.code = 1", "message"),
            ("SELECT 1 FROM message AS m JOIN segment AS s ON s.text = m.source", "AUTOMATIC"),
            ("SELECT * FROM message WHERE id = 1", None),
        ):
            plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}")]
            self.assertEqual(list(scans(sql, plan))[-1:], [wanted] if wanted else [], sql)
