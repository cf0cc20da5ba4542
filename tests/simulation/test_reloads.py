"""The configuration changes while the daemon runs: seeds, the moments that matter, and that a broken walk is found."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from smsconnector import reloading
from smsconnector.config import Configuration
from smsconnector.walks.outlet import Outlet
from smsconnector.walks.requeue import Rerouting
from tests.simulation.plan import (
    CRASHES,
    RELOADS,
    SETUPS,
    Crash,
    Disk,
    Fate,
    Freeze,
    Outage,
    Plan,
    Reload,
    Silence,
    Step,
    Stop,
    TakenBack,
    Text,
    plan_of,
)
from tests.simulation.run import carried_out, run
from tests.simulation.test_simulation import SimulationCase
from tests.simulation.world import World

FIRST, SEEDS = 992_500_000, 400
TEXTS = tuple(Text(0.1 * number, number, number % 4, 1 + number % 2) for number in range(8))


def plans_with_reloads(count: int = SEEDS) -> Iterator[Plan]:
    return (plan for plan in map(plan_of, range(FIRST, FIRST + count)) if plan.of(Reload))


class ReloadsCase(SimulationCase):
    def holds(self, *steps: Step, setup: str = "resend", seeds: int = 2, **more: Any) -> None:
        for seed in range(seeds):
            result = run(Plan(seed, setup, steps, **more))
            self.flushLoggedErrors()
            self.assertEqual(result.broken, (), f"{result.plan!r}")

    def test_seeds(self) -> None:
        """No plan with reloads breaks anything."""
        failed = self.fails(plans_with_reloads())
        self.flushLoggedErrors()
        self.assertIsNone(failed, failed and f"{failed.plan!r}\n{failed.broken}")

    def test_each(self) -> None:
        """Each kind of change, in each setup, while texts come."""
        for setup in SETUPS:
            for what in RELOADS:
                self.holds(*TEXTS, Reload(0.35, what), setup=setup, slowness=0.02)

    def test_taken_back(self) -> None:
        """A text that an earlier submitter has under way is not taken back as one that was never sent."""
        silent = (Text(1.3, 2, 0), Fate(2, "silent", 1, 0), TakenBack(2, 0.3), Reload(2.0, "prefix added"))
        self.holds(*silent, slowness=0.3)
        text = Text(0.084, 101, 0, channel="twilio-a")
        self.holds(text, TakenBack(101, 0.0), Reload(0.121, "renewed"), slowness=0.002)

    def test_moments(self) -> None:
        """A kill or a stop before, at, and after a change; and while disk, SMSC or broker are not there."""
        faults: list[Step] = [Crash(0.4, where, 0.1) for where in CRASHES]
        faults += [Stop(0.34), Stop(0.36), Stop(0.6), Disk(0.3, "full", 2.0), Freeze(0.3, 9.0)]
        faults += [Outage(0.3, "smsc 0", 4.0), Outage(0.3, "broker", 4.0), Silence(0.2, "smsc 0", 6.0)]
        for fault in faults:
            for what in ("bind added", "bind changed", "bind removed", "prefix added", "renewed", "sink"):
                for setup in ("hold", "strict"):
                    self.holds(*TEXTS, Reload(0.35, what), fault, setup=setup, seeds=1, slowness=0.02)

    def test_one_after_the_other(self) -> None:
        """Twenty within a second, and at the start and the stop: one at a time."""
        reloads = [Reload(0.05 * number, RELOADS[number % len(RELOADS)]) for number in range(20)]
        for setup in ("resend", "hold", "strict routes", "pair"):
            self.holds(*TEXTS, *reloads, setup=setup, slowness=0.3)
            self.holds(*TEXTS, *reloads, Stop(0.7), Reload(0.7, "renewed"), Reload(0.71, "bind added"), setup=setup)

    def test_route_is_back(self) -> None:
        """A bind is taken out and put back at once, before the walk of what waits has ended or begun, and with a kill
        in between: the texts that came meanwhile go by the way of then."""
        texts = [Text(0.02 * number, number + 1, to=number % 4) for number in range(40)]
        self.holds(*texts, Reload(0.1, "bind removed"), Reload(0.2, "bind removed"), setup="pair", seeds=12)
        texts = [replace(text, at=text.at / 2) for text in texts]
        for kill in (Crash(0.14, "now", 0.3), Stop(0.14, 0.3)):
            self.holds(*texts, Reload(0.1, "bind removed"), kill, Reload(0.2, "bind removed"), setup="pair", seeds=4)

    def test_late_response(self) -> None:
        """A response that comes too late to the submitters of before is known to those of today."""
        late = [Fate(number, "late") for number in range(4)]
        for at in (1.9, 2.2, 2.6):
            self.holds(*TEXTS[:4], *late, Reload(at, "renewed"), Reload(at + 0.3, "prefix added"), seeds=8)

    def test_what_is_not_named_is_not_touched(self) -> None:
        """The bind that stays has one connection through all changes of others, and of the channel's policy."""
        steps = [Reload(0.3 + 0.3 * number, what) for number, what in enumerate(RELOADS) if what != "bind changed"]
        with carried_out(Plan(3, "strict", (*TEXTS, *steps))) as (world, found):
            self.assertEqual([*world.problems, *found], [])
            self.assertEqual([one.connection.opened_at < 0.3 for one in world.smscs[0].peers], [True])

    # --- channels ---------------------------------------------------------------------------------------------

    def reload_without(self, channel: str, *steps: Step) -> tuple[World, list[str]]:
        """What the log says at a reload by which this channel is removed."""

        def make(real: Any) -> Any:
            def load_again(world: World) -> Configuration:
                found: Configuration = real(world)
                channels = {name: one for name, one in found.channels.items() if name != channel}
                return found.model_copy(update={"channels": channels})

            return load_again

        self.wrapped(World, "_load_again", make)
        told: list[str] = []
        self.patch(reloading.Reloading, "log", _Log(told))
        with carried_out(Plan(3, "resend", steps)) as (world, found):
            self.assertEqual([*world.problems, *found], [])
        return world, told

    def test_removed_while_texts_wait(self) -> None:
        """A channel for which texts wait is not removed: nobody would send them."""
        text = Text(0.1, 100, channel="http-a")
        world, told = self.reload_without("http-a", text, Outage(0.0, "http-a", 3.0), Reload(1.0))
        self.assertIn("channels.http-a: 1 of its texts still wait", told[0])
        self.assertIn("http-a", world.connector.outlets)

    def test_removed_while_texts_are_scheduled(self) -> None:
        """Nor one for which texts are scheduled: they are told apart from those that wait."""
        text = Text(0.1, 100, channel="http-a", later=6.0)
        world, told = self.reload_without("http-a", text, Reload(1.0))
        self.assertIn("channels.http-a: 1 of its texts are scheduled for later", told[0])
        self.assertIn("http-a", world.connector.outlets)

    def test_removed(self) -> None:
        """When they are sent, it is removed."""
        world, told = self.reload_without("http-a", Text(0.1, 100, channel="http-a"), Reload(2.0))
        self.assertEqual(told[0], "the channel http-a is removed")
        self.assertNotIn("http-a", world.connector.outlets)
        self.assertEqual(world.connector.outlets.leaving, [])

    # --- it can fail ------------------------------------------------------------------------------------------

    def found(self, *laws: str, slowness: float) -> None:
        slow, reloads = (Fate(3, "slow"), Fate(4, "slow")), (Reload(0.35, "renewed"), Reload(0.5, "prefix added"))
        steps: tuple[Step, ...] = (*TEXTS, *slow, *reloads)
        for seed in range(40):
            seen = run(Plan(seed, "resend", steps, slowness=slowness)).laws
            self.flushLoggedErrors()
            if seen.intersection(laws):
                return
        self.fail("nothing was found")

    def test_begun_too_early(self) -> None:
        """New submitters that begin while segments of the old ones are under way send these twice."""
        self.patch(Outlet, "is_idle", True)
        self.found("I2", slowness=0.02)

    def test_begun_by_the_walk_before(self) -> None:
        """So do those that are started by the end of an earlier walk of what waits."""
        self.patch(Rerouting, "hold", lambda _rerouting: None)
        self.found("I2", slowness=0.3)


class _Log:
    def __init__(self, told: list[str]) -> None:
        self._told = told

    def info(self, _words: str, **values: Any) -> None:
        self._told.append(str(values.get("sentence", "")))

    warn = error = failure = info
