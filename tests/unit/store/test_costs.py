"""What an operation costs: it reads what it is about, and not what lies beside it, however much that is.

Counted in instructions of SQLite's machine, which are the same on every computer.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from smsconnector.messages import DELIVERY_REPORT, Finality, IncomingSegment, Outcome, OutcomeOfParts, Segment, Verdict
from smsconnector.store import operations as ops
from smsconnector.store.receipts import PARKED_TIMEOUT
from smsconnector.store.repeats import AcceptOnce, RequestKey
from smsconnector.store.store import Store
from tests.unit.fakes import SINK, ask, confirm, message
from tests.unit.store.test_store import ACCOUNT, NOW, by_path, receipt

FEW = 20
LONG_AGO, MUCH_LATER = NOW - 10**6, NOW + 10**10


def part(reference: int, number: int) -> IncomingSegment:
    return IncomingSegment("smpp", ACCOUNT, "92300", "8228", "text", NOW, reference, number, 2)


class Crowd:
    """A store in which ``count`` of everything lie: queued, claimed, waiting for another attempt, sent, ended; events
    that wait and that are published; parked receipts; parts of texts."""

    def __init__(self, path: str, count: int) -> None:
        self.store, self.next_id = Store(path), 1
        self.steps = 0
        self.store._of_several.add("prov")
        pairs = [
            (OutcomeOfParts(one, Verdict.ACCEPTED, "prov", f"{one.id}-x", other_ids=(f"{one.id}-y",)), 0)
            for one in self.accept("parts", count)
        ]
        self.one(ops.Record(tuple(pairs), NOW))
        self.store._of_several.discard("prov")
        for tag in ("ended", "told", "half"):
            self.record(self.accept(tag, count, 2 if tag == "half" else 1), Verdict.ACCEPTED, tag)
        for tag in ("ended", "told"):
            self.one(ops.Receive(tuple(receipt(f"{tag}{at}") for at in range(count))))
            if tag == "ended":
                self.one(confirm(self.one(ops.LoadEvents(SINK, 0, count)), NOW + 10))
        crowd = self.one(ops.LoadEvents(SINK, 0, count // 2))
        rows = tuple(ops.ParkedEvent(event.id, event.kind, 1, MUCH_LATER, "no") for event in crowd)
        self.one(ops.ParkEvents(SINK, rows, True, crowd[-1].id, NOW))
        self.record(self.accept("retried", count), Verdict.RETRY, "", NOW + 5000)
        self.one(ops.Claim(tuple(one.id for one in self.accept("claimed", count)), 1))
        self.one(ops.Receive(tuple(receipt(f"parked{at}") for at in range(count))))
        self.one(ops.Incoming(tuple(part(at, 1) for at in range(count))))
        self.accept("queued", count)
        for at in range(count):
            key = RequestKey("", f"k{at}", "d", NOW, MUCH_LATER + 1)
            self.one(AcceptOnce(ops.Accept(message(f"SMkey{at}"), self.next_id + at, "smpp"), key))
        self.next_id += count
        self.one(ops.Sweep(NOW - 1, LONG_AGO, 10**6))  # what is later than that is set to it
        self.store._connection.set_progress_handler(self.step, 10)

    def step(self) -> int:
        self.steps += 1
        return 0

    def one(self, operation: ops.Operation | ops.Query) -> Any:
        return ask(self.store, [operation])[0]

    def accept(self, tag: str, count: int = FEW, segments: int = 1) -> list[Segment]:
        first = self.next_id
        self.next_id += count * segments
        ask(
            self.store,
            [
                ops.Accept(message(f"SM{tag}{at}", *["hello"] * segments), first + at * segments, "smpp")
                for at in range(count)
            ],
        )
        loaded: list[Segment] = self.one(ops.LoadSegments("smpp", first - 1, count * segments))
        return loaded

    def record(self, segments: list[Segment], verdict: Verdict, tag: str, due_at: int = 0) -> None:
        self.one(outcomes(segments, verdict, tag, due_at))

    def costs(self) -> Iterator[tuple[ops.Operation | ops.Query, int]]:
        """Of each operation on a few."""
        self.one(ops.Accept(message("SMfar"), 10**6 - 1, "other"))  # lists those before by their numbers
        for operation in self.operations():
            self.steps = 0
            self.one(operation)
            yield operation, self.steps

    def operations(self) -> Iterator[ops.Operation | ops.Query]:
        mine = self.accept("mine")
        ids = tuple(one.id for one in mine)
        yield ops.Accept(message("SMone"), 10**6, "other")
        yield AcceptOnce(ops.Accept(message("SMonce"), 10**6 + 1, "other"), RequestKey("", "new", "d", NOW, NOW + 1))
        yield AcceptOnce(ops.Accept(message("SMmore"), 10**6 + 2, "other"), RequestKey("", "k5", "d", NOW, NOW + 1))
        yield ops.LoadSegments("smpp", ids[0] - 1, FEW)
        yield ops.Claim(ids, 7)
        yield ops.Unclaim(ids)
        yield outcomes(mine, Verdict.ACCEPTED, "mine")
        yield ops.Receive(tuple(receipt(f"mine{at}") for at in range(FEW)))
        yield ops.Receive(tuple(receipt(f"unknown{at}") for at in range(FEW)))
        yield ops.Receive(tuple(receipt(f"SMqueued{at}") for at in range(FEW)))
        yield ops.Receive(tuple(receipt(f"half{at}") for at in range(FEW)))
        yield ops.Receive(tuple(receipt(f"half{at + FEW}", Finality.FAILED) for at in range(FEW)))
        yield outcomes(self.accept("late"), Verdict.ACCEPTED, "parked")
        yield outcomes(self.accept("unanswered"), Verdict.UNKNOWN, "")
        yield outcomes(self.accept("unclear"), Verdict.ACCEPTED, "unclear")
        yield ops.Receive(tuple(receipt(f"unclear{at}", Finality.UNCLEAR) for at in range(FEW)))
        yield outcomes(self.accept("refused"), Verdict.REFUSED, "")
        self.store._of_several.add("prov")
        several = self.accept("several")
        yield ops.Receive(
            tuple(by_path(receipt(f"{one.id}-b", account="prov"), f"SMseveral{at}") for at, one in enumerate(several))
        )
        answered = [
            OutcomeOfParts(one, Verdict.ACCEPTED, "prov", f"{one.id}-a", other_ids=(f"{one.id}-b",)) for one in several
        ]
        yield ops.Record(tuple((one, 0) for one in answered), NOW)
        yield ops.Receive(tuple(receipt(f"{one.id}-a", account="prov") for one in several))
        self.store._of_several.discard("prov")
        yield ops.LoadEvents(SINK, 0, FEW)
        yield confirm(self.one(ops.LoadEvents(SINK, 0, FEW)), NOW + 11)
        owed = self.one(ops.LoadEvents(SINK, 0, FEW))
        parked = tuple(ops.ParkedEvent(event.id, event.kind, 1, NOW - 1, "no") for event in owed)
        yield ops.ParkEvents(SINK, parked, True, 0, NOW)
        yield ops.LoadParkedEvents(SINK, DELIVERY_REPORT, NOW - 1, FEW)
        yield ops.Confirm(SINK, tuple(event.id for event in owed), 0, NOW)
        yield ops.Incoming(tuple(part(at, 2) for at in range(FEW)))
        posted = IncomingSegment("twilio", "twilio", "92300", "8228", "text", NOW)
        yield ops.Incoming(tuple(replace(posted, sid=str(at)) for at in range(FEW)))
        named = tuple(receipt(f"named{at}", account="twilio") for at in range(FEW))
        yield ops.Receive(named, report_unknown=True, channel="twilio")
        yield ops.Sweep(NOW - 1, LONG_AGO)
        yield ops.Sweep(NOW - 1, NOW, FEW)
        yield ops.Sweep(MUCH_LATER - PARKED_TIMEOUT, LONG_AGO, FEW)
        yield ops.Purge(LONG_AGO, LONG_AGO)
        for _ in range(2):
            yield ops.Purge(NOW + 20, NOW + 20, FEW)
        yield ops.LoadDue("smpp", NOW, FEW)
        yield ops.LoadDue("smpp", NOW + 5000, FEW)
        yield ops.LoadRetries("other", FEW)
        yield ops.Measure()
        yield ops.Find("SMqueued50")
        yield ops.Requeue(("smpp", "other"), lambda *_: None)
        yield ops.Requeue((), lambda *_: "other", limit=FEW)


def outcomes(segments: list[Segment], verdict: Verdict, tag: str, due_at: int = 0) -> ops.Record:
    smsc_ids = [f"{tag}{at}" if tag else None for at in range(len(segments))]
    return ops.Record(
        tuple(
            (Outcome(one, verdict, ACCOUNT, smsc_id, None), due_at)
            for one, smsc_id in zip(segments, smsc_ids, strict=True)
        ),
        NOW,
    )


class CostCase(SynchronousTestCase):
    def test_what_lies_beside(self) -> None:
        """Three times as much of everything changes the cost of nothing."""
        few, many = Crowd(self.mktemp(), 100), Crowd(self.mktemp(), 300)
        self.addCleanup(few.store.close)
        self.addCleanup(many.store.close)
        for (operation, cost), (_, among_many) in zip(few.costs(), many.costs(), strict=True):
            self.assertLess(among_many, cost + 20, operation)
