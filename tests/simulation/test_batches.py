"""Texts that come in batches: seeds, the moments that matter, and that a broken batch is found."""

from collections.abc import Iterator
from typing import Any

from smsconnector.http import batch
from smsconnector.walks.submitter import Submitter
from tests.simulation.plan import BATCHED, CRASHES, Crash, Disk, Freeze, Plan, Step, Stop, Text, plan_of
from tests.simulation.run import run
from tests.simulation.test_simulation import SimulationCase

FIRST, SEEDS = 990_100_000, 800


def plans_with_batches(count: int = SEEDS) -> Iterator[Plan]:
    for seed in range(FIRST, FIRST + count):
        plan = plan_of(seed)
        if any(text.hangup == BATCHED for text in plan.of(Text)):
            yield plan


class BatchesCase(SimulationCase):
    def test_seeds(self) -> None:
        """No plan with batches breaks anything."""
        failed = self.fails(plans_with_batches())
        self.flushLoggedErrors()
        self.assertIsNone(failed, failed and f"{failed.plan!r}\n{failed.broken}")

    def test_moments(self) -> None:
        """Kills of each kind, stops and a full disk in the middle of a batch: what was told stands, in its place."""
        texts = [Text(0.5 + 0.05 * at, at, at % 3, hangup=BATCHED, again=(0.4,) if at % 2 else ()) for at in range(8)]
        faults: list[Step] = [Crash(0.7, where, 0.1) for where in CRASHES]
        faults += [Disk(0.6, "commit", 2.0), Stop(0.71), Freeze(0.71, 9.0)]
        for fault in faults:
            for seed in range(6):
                result = run(Plan(seed, "resend", (*texts, fault), slowness=0.02, splits=0.4))
                self.assertEqual(result.broken, (), f"{result.plan!r}")

    def found(self) -> None:
        for plan in plans_with_batches():
            laws = run(plan).laws
            self.flushLoggedErrors()
            if "I1" in laws:
                return
        self.fail("nothing was found")

    def test_told_before_the_commit(self) -> None:
        """A result that is there before its commit is found by a kill."""

        def make(accept: Any) -> Any:
            def hasty(self: Submitter, message: Any, done: Any, fallen_from: int | None = None) -> None:
                accept(self, message, lambda error: None, fallen_from)
                done(None)

            return hasty

        self.wrapped(Submitter, "accept", make)
        self.found()

    def test_results_in_wrong_places(self) -> None:
        """So is one that names the message of the item before it."""
        last = ["SM" + "0" * 32]

        def make(accepted: Any) -> Any:
            def one_behind(index: int, sid: str) -> bytes:
                before, last[0] = last[0], sid
                return accepted(index, before)  # type: ignore[no-any-return]

            return one_behind

        self.wrapped(batch, "accepted", make)
        self.found()
