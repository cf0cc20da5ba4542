"""What is counted: plain numbers that only rise, by bounded keys; and what happened lately."""

from twisted.trial.unittest import SynchronousTestCase

from smsconnector.errors import StoreError, StoreUnavailable
from smsconnector.figures import MOST_KEYS, OTHER, Family, Figures, Recent
from smsconnector.lifecycle import CODE_ACCEPTED
from smsconnector.messages import Finality, IncomingSegment, Outcome, Receipt, Verdict
from smsconnector.store import operations as ops
from smsconnector.store.receipts import PARKED_TIMEOUT
from smsconnector.store.store import Store
from tests.unit.fakes import ask, confirm, message

NOW, ACCOUNT = 1_800_000_000_000, "me@smsc"


class FamilyCase(SynchronousTestCase):
    def test_bounded(self) -> None:
        """Whoever is outside may invent codes: the others of a channel count as one, and nothing is lost."""
        family = Family("reports", ("channel", "state", "code"), "")
        for number in range(5 * MOST_KEYS):
            family.add(("smpp", "failed", number))
        found = family.read()
        self.assertLessEqual(len(found), MOST_KEYS + 1)
        self.assertEqual(sum(found.values()), 5 * MOST_KEYS)
        self.assertEqual(found["smpp", OTHER, OTHER], 4 * MOST_KEYS)

    def test_bounded_in_the_first_label_too(self) -> None:
        """Accounts are named by the configuration, which may change for years."""
        family = Family("given_up", ("account",), "")
        for number in range(5 * MOST_KEYS):
            family.add((f"account {number}",))
        self.assertLessEqual(len(family.read()), 2 * MOST_KEYS + 1)
        self.assertEqual(sum(family.read().values()), 5 * MOST_KEYS)

    def test_a_reading_stays(self) -> None:
        """A reading is of its moment."""
        figures = Figures()
        figures.accepted.add(("smpp",))
        reading = figures.read()
        figures.accepted.add(("smpp",), 2)
        self.assertEqual((reading["accepted"], figures.accepted.read()), ({("smpp",): 1}, {("smpp",): 3}))

    def test_names(self) -> None:
        """Each family has a name of its own, under which metrics can tell it."""
        names = [family.name for family in Figures()]
        self.assertEqual(sorted(set(names)), sorted(names))
        self.assertEqual(set(names), set(vars(Figures())))


class RecentCase(SynchronousTestCase):
    def test_since(self) -> None:
        """Of the last minutes, and of a time between; before the first reading there was nothing."""
        figures = Figures()
        recent = Recent(figures, 100.0, longest=300.0)
        self.assertTrue(recent.since(60).is_nothing)
        for second in range(110, 510, 10):
            figures.accepted.add(("smpp",))
            recent.take(float(second))
        self.assertEqual(recent.since(60).number("accepted"), 6)
        self.assertEqual(recent.since(60, 20).number("accepted"), 4)
        self.assertEqual(recent.since(10_000).number("accepted"), 30)  # no more is kept
        self.assertEqual(recent.since(60).number("accepted", "other"), 0)
        self.assertFalse(recent.since(60).is_nothing)
        self.assertLessEqual(len(recent._moments), 32)


class StoreCase(SynchronousTestCase):
    """What the store counts, in the batch that has written it."""

    def setUp(self) -> None:
        self.figures = Figures()
        self.store = Store(":memory:", figures=self.figures)
        self.addCleanup(self.store.close)

    def accept(self, count: int = 1, first: int = 1) -> None:
        ask(self.store, [ops.Accept(message(f"SM{n}"), n, "smpp") for n in range(first, first + count)])

    def record(self, *outcomes: tuple[Verdict, int | str | None]) -> None:
        (segments,) = ask(self.store, [ops.LoadSegments("smpp", 0, 100)])
        decided = [
            (Outcome(one, verdict, ACCOUNT, f"id{one.id}" if verdict is Verdict.ACCEPTED else None, code), 0)
            for one, (verdict, code) in zip(segments, outcomes, strict=False)
        ]
        ask(self.store, [ops.Record(tuple(decided), NOW)])

    def receive(self, *receipts: tuple[str, Finality]) -> None:
        found = tuple(
            Receipt(ACCOUNT, smsc_id, finality, "000", "DELIVRD", NOW, "923001234567") for smsc_id, finality in receipts
        )
        ask(self.store, [ops.Receive(found)])

    def test_way_of_texts(self) -> None:
        """Accepted, answered, receipts, reports, events."""
        self.accept(5)
        self.record(
            (Verdict.ACCEPTED, None), (Verdict.ACCEPTED, None), (Verdict.REFUSED, 11), (Verdict.RETRY, 8),
            (Verdict.DONE, CODE_ACCEPTED),
        )  # fmt: skip
        self.receive(("id1", Finality.DELIVERED), ("id2", Finality.FAILED), ("nobody", Finality.DELIVERED))
        (events,) = ask(self.store, [ops.LoadEvents("stomp", 0, 100)])
        ask(self.store, [confirm(events[:3], NOW)])
        read = self.figures.read()
        self.assertEqual(read["accepted"], {("smpp",): 5})
        self.assertEqual(
            read["responses"],
            {
                ("smpp", "ACCEPTED", ""): 2,
                ("smpp", "REFUSED", 11): 1,
                ("smpp", "RETRY", 8): 1,
                ("smpp", "DONE", CODE_ACCEPTED): 1,
            },
        )
        self.assertEqual(read["receipts"], {("smpp", "delivered"): 1, ("smpp", "failed"): 1, ("", "delivered"): 1})
        self.assertEqual(
            read["reports"],
            {
                ("smpp", "failed", 11): 1,
                ("smpp", "delivered", CODE_ACCEPTED): 1,
                ("smpp", "delivered", "000"): 1,
                ("smpp", "failed", "000"): 1,
            },
        )
        self.assertEqual(read["published"], {("stomp",): 3})

    def test_alike(self) -> None:
        """A batch whose outcomes are all the same."""
        self.accept(3)
        self.record(*[(Verdict.REFUSED, 11)] * 3)
        self.assertEqual(self.figures.responses.read(), {("smpp", "REFUSED", 11): 3})

    def test_from_handsets(self) -> None:
        """By their channel."""
        texts = tuple(IncomingSegment("smpp", ACCOUNT, "46", "8228", f"text {n}", NOW) for n in range(3))
        ask(self.store, [ops.Incoming(texts)])
        self.assertEqual(self.figures.incoming.read(), {("smpp",): 3})

    def test_given_up(self) -> None:
        """A receipt that fits no text is given up after its time, by its account."""
        self.receive(("nobody", Finality.DELIVERED))
        self.assertEqual(self.figures.given_up.read(), {})
        ask(self.store, [ops.Sweep(NOW + PARKED_TIMEOUT + 1, NOW)])
        self.assertEqual(self.figures.given_up.read(), {(ACCOUNT,): 1})

    def test_what_was_not_written_is_not_counted(self) -> None:
        """A batch whose commit fails has not happened; and counts once when it is written after all."""
        real = self.store._connection

        class Full:
            def __getattr__(self, name: str) -> object:
                return getattr(real, name)

            def execute(self, sql: str, parameters: object = ()) -> object:
                if sql == "COMMIT":
                    raise real.OperationalError("database or disk is full")
                return real.execute(sql, parameters)  # type: ignore[arg-type]

        self.store._connection = Full()  # type: ignore[assignment]
        error = self.assertRaises(StoreError, self.accept)
        self.assertIsInstance(error, StoreUnavailable)
        self.assertEqual(self.figures.accepted.read(), {})
        self.store._connection = real
        self.accept()
        self.assertEqual(self.figures.accepted.read(), {("smpp",): 1})
