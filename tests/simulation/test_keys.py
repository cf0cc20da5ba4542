"""Texts that are posted again under one key: seeds, the moments that matter, and that a broken key is found."""

from collections.abc import Iterator
from typing import Any

from smsconnector.http import idempotency
from smsconnector.store.idempotency import Idempotency
from tests.simulation.plan import CRASHES, Crash, Disk, Freeze, Outage, Plan, Step, Stop, Text, plan_of
from tests.simulation.run import run
from tests.simulation.test_simulation import SimulationCase

FIRST, SEEDS = 990_000_000, 800


def plans_with_keys(count: int = SEEDS) -> Iterator[Plan]:
    for seed in range(FIRST, FIRST + count):
        plan = plan_of(seed)
        if any(text.again for text in plan.of(Text)):
            yield plan


class KeysCase(SimulationCase):
    def test_seeds(self) -> None:
        """No plan with keys breaks anything."""
        failed = self.fails(plans_with_keys())
        self.flushLoggedErrors()
        self.assertIsNone(failed, failed and f"{failed.plan!r}\n{failed.broken}")

    def test_moments(self) -> None:
        """A repeat that comes with the first, while it is written, after each kind of kill, and while the disk is
        full."""
        texts = (Text(0.5, 0, again=(0.0, 0.01, 1.0, 4.0)), Text(0.5, 1, 1, 3, "after request", again=(0.3,)))
        faults: list[Step] = [Crash(0.5, where, 0.1) for where in CRASHES]
        faults += [Disk(0.3, "commit", 2.0), Stop(0.51), Freeze(0.51, 9.0), Outage(0.5, "smsc 0")]
        for fault in faults:
            for seed in range(8):
                result = run(Plan(seed, "resend", (*texts, fault), slowness=0.02))
                self.assertEqual(result.broken, (), f"{result.plan!r}")

    # --- it can fail ----------------------------------------------------------------------------------------

    def found(self) -> None:
        for plan in plans_with_keys():
            laws = run(plan).laws
            self.flushLoggedErrors()
            if "I11" in laws:
                return
        self.fail("nothing was found")

    def test_a_key_that_is_not_written(self) -> None:
        """Where the row of a key is not written, a repeat is another message."""

        def make(insert: Any) -> Any:
            def without_keys(self: Any, into: str, rows: Any) -> int:
                return 0 if "idempotency_key" in into else insert(self, into, rows)

            return without_keys

        self.wrapped(Idempotency, "_insert", make)
        self.found()

    def test_a_key_of_another_commit(self) -> None:
        """Where it is written in the commit behind that of its message, a kill between the two is found."""
        later: dict[Any, list[Any]] = {}

        def make(insert: Any) -> Any:
            def one_behind(self: Any, into: str, rows: Any) -> int:
                if "idempotency_key" not in into:
                    return insert(self, into, rows)  # type: ignore[no-any-return]
                before, later[self] = later.get(self, []), list(rows)
                return insert(self, into, before) if before else 0

            return one_behind

        self.wrapped(Idempotency, "_insert", make)
        self.found()

    def test_a_key_that_is_forgotten_at_a_restart(self) -> None:
        """Keys that only memory holds are found out by a crash."""
        keys: dict[Any, dict[Any, Any]] = {}

        def make(first_of: Any) -> Any:
            def of_this_life(self: Any, batch: Any) -> Any:
                if self not in keys:
                    keys[self] = {}
                    self._connection.execute("DELETE FROM idempotency_key")
                return first_of(self, batch)

            return of_this_life

        self.wrapped(Idempotency, "_first_of", make)
        self.found()

    def test_a_key_that_is_not_read(self) -> None:
        """A door that takes each request for a new one."""
        self.patch(idempotency, "HEADER", b"no-such-header")
        self.found()
