"""Texts that are to be sent later, and texts of two classes: seeds, the moments that matter, and that a daemon which is
broken in this is found."""

from collections.abc import Iterator
from typing import Any

from smsconnector.store import operations as ops
from smsconnector.store.queries import Queries
from smsconnector.store.scheduling import LoadScheduled
from smsconnector.store.store import Store
from smsconnector.walks.priorities import Turns
from tests.simulation.plan import CRASHES, Crash, Disk, Freeze, Mo, Outage, Plan, Step, Stop, TakenBack, Text, plan_of
from tests.simulation.run import run
from tests.simulation.test_simulation import SimulationCase

FIRST, SEEDS = 990_000_000, 800


def plans_with(kind: str, count: int = SEEDS) -> Iterator[Plan]:
    for seed in range(FIRST, FIRST + count):
        plan = plan_of(seed)
        if any(getattr(text, kind) for text in plan.of(Text)):
            yield plan


def campaign(seed: int) -> Plan:
    """Bulk texts for some seconds by a slow bind, and two texts of agents meanwhile."""
    texts = [Text(0.1, number, 2 * number + 1, bulk=True) for number in range(40)]
    texts += [Text(at, 50 + number, 101 + 2 * number) for number, at in enumerate((1.0, 3.0))]
    return Plan(seed, "pair", tuple(texts), small=bool(seed % 2))


class LaterCase(SimulationCase):
    def test_seeds(self) -> None:
        """No plan with such texts breaks anything."""
        for kind in ("later", "bulk"):
            failed = self.fails(plans_with(kind, SEEDS // 2))
            self.flushLoggedErrors()
            self.assertIsNone(failed, failed and f"{failed.plan!r}\n{failed.broken}")

    def test_moments(self) -> None:
        """Each kind of kill, a full disk, and a freeze, when texts are due, and when one is taken back as it is due."""
        texts = tuple(Text(0.1, number, number, 1 + number % 2, later=1.4) for number in range(4))
        wishes = (TakenBack(0, 1.3), TakenBack(1, 1.39), TakenBack(2, 1.9))
        faults: list[Step] = [Crash(at, where, 0.1) for where in CRASHES for at in (1.49, 1.51, 2.0)]
        faults += [Disk(1.3, "commit", 2.0), Stop(1.51), Freeze(1.45, 9.0), Outage(1.5, "smsc 0")]
        for fault in faults:
            for seed in range(4):
                result = run(Plan(seed, "resend", (*texts, *wishes, fault), slowness=0.02))
                self.flushLoggedErrors()
                self.assertEqual(result.broken, (), f"{result.plan!r}")

    def test_campaign(self) -> None:
        """With memory for nearly nothing, and with enough."""
        failed = self.fails(map(campaign, range(4)))
        self.assertIsNone(failed, failed and failed.broken)

    def test_lane_of_both(self) -> None:
        """Texts of both classes to one number, which go on over another channel: memory keeps nothing of them."""
        texts = (
            Text(0.0, 100, 0, 1, "batched", channel="http-a", bulk=True),
            Text(0.22, 102, 0, 2, channel="http-a", bulk=True),
            Text(0.2, 101, 0, 1, "batched", channel="http-a"),
        )
        steps = (Mo(0.1, 0, 0), Crash(0.6, "torn", 1.0), *texts, Outage(0.2, "http-a", 30.0))
        how: dict[str, Any] = {"splits": 0.6, "slowness": 0.002, "later": "resend", "webhook": "texts", "small": True}
        result = run(Plan(998003415, "resend", steps, falls=(("http-a", "http-b"),), **how))
        self.flushLoggedErrors()
        self.assertEqual(result.broken, ())

    # --- it can fail ----------------------------------------------------------------------------------------

    def found(self, law: str, plans: Iterator[Plan]) -> None:
        for plan in plans:
            laws = run(plan).laws
            self.flushLoggedErrors()
            if law in laws:
                return
        self.fail("nothing was found")

    def test_too_early(self) -> None:
        """Whoever does not look at the time."""
        real = Queries._load_scheduled

        def early(queries: Queries, load: LoadScheduled) -> object:
            return real(queries, LoadScheduled(load.now + 2_000, load.limit))

        self.patch(Queries, "_load_scheduled", early)
        self.found("I12", plans_with("later"))

    def test_lost_when_due(self) -> None:
        """One that leaves its schedule, and is nowhere."""

        def lost(store: Store, batch: list[object]) -> list[ops.Accepted]:
            store._drop_scheduled([one.message_id for one in batch])  # type: ignore[attr-defined]
            return [ops.Accepted.NOTHING] * len(batch)

        self.patch(Store, "_release", lost)
        self.found("I1", plans_with("later"))

    def test_taken_back_and_sent(self) -> None:
        """A text that was taken back before it was due, and is sent all the same."""
        self.patch(Store, "_cancel", lambda _store, batch: [True] * len(batch))
        texts = (Text(0.1, 0, later=2.0), TakenBack(0, 0.5))
        self.found("I10", (Plan(seed, "resend", texts) for seed in range(3)))

    def test_bulk_first(self) -> None:
        """Where bulk texts have all places while both wait."""
        self.patch(Turns, "for_bulk", lambda _turns, room: room)
        self.found("I13", map(campaign, range(4)))
