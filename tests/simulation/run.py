"""One plan carried out and judged; and many of them, in as many processes as asked for."""

import gc
import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from twisted.logger import ILogObserver, LogLevel, formatEvent, globalLogPublisher
from zope.interface import implementer

from tests.simulation import invariants
from tests.simulation.plan import Plan, plan_of
from tests.simulation.shrink import shrink
from tests.simulation.world import World

STOPPED = "the channel {channel} has stopped"  # a line of the level critical that is as it should be: ``gateway_laws``


@dataclass(frozen=True)
class Result:
    """``broken``: (invariant, how), the worst first; nothing if all is well."""

    plan: Plan
    broken: tuple[tuple[str, str], ...]

    @property
    def laws(self) -> set[str]:
        return {law for law, _ in self.broken}


@implementer(ILogObserver)
class _Errors:
    """What the log says that nobody expected."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self.world: World | None = None

    def __call__(self, event: Any) -> None:
        machine = self.world.machine if self.world is not None else None
        if machine is not None and not machine.alive:  # what a dead process thinks
            return
        if event.get("log_format", "").startswith(STOPPED) and self.world is not None:
            self.world.stopped.append((event["channel"], self.world.time.rightNow))
            return
        failure = event.get("log_failure")
        if failure is not None or event.get("log_level") is LogLevel.critical:
            where = failure.getTraceback() if failure is not None else ""
            self.found.append(f"in the log: {formatEvent(event)}\n{where}")


@contextmanager
def carried_out(plan: Plan) -> Iterator[tuple[World, list[str]]]:
    """The world when nothing happens in it any more, and what the log says that nobody expected."""
    errors = _Errors()
    globalLogPublisher.addObserver(errors)
    world = errors.world = World(plan)
    try:
        world.run()
        yield world, errors.found
    finally:
        world.clean_up()
        del world
        errors.world = None
        gc.collect(1)
        globalLogPublisher.removeObserver(errors)


def run(plan: Plan) -> Result:
    """Carry it out, and look at everything afterwards."""
    with carried_out(plan) as (world, found):
        left = invariants.left_in_memory(world) if not world.problems else []
        if left:  # what is looked after now and then has had its time
            world.linger()
            left = invariants.left_in_memory(world)
        world.finish()
        left += world.leftovers
        broken = invariants.check(world)
        broken += [("I6", f"left: {one}") for one in left]
        del world
    broken += [("I6", error) for error in found]
    return Result(plan, tuple(broken))


def shortest(result: Result) -> Result:
    """The shortest plan that breaks one of the same invariants."""
    wanted = result.broken[0][0]

    def breaks(plan: Plan) -> bool:
        return wanted in run(plan).laws

    return run(shrink(result.plan, breaks))


def run_seed(seed: int) -> Result:
    return run(plan_of(seed))


def run_seeds(seeds: range, jobs: int) -> Iterator[Result]:
    """In their order if there is one job, else as they come."""
    if jobs <= 1:
        yield from map(run_seed, seeds)
        return
    with multiprocessing.get_context("fork").Pool(jobs, prepare) as pool:
        yield from pool.imap_unordered(run_seed, seeds, chunksize=8)


def prepare() -> None:
    """Once a process: what is there now is not garbage, and needs no looking at."""
    gc.collect()
    gc.freeze()


def rate(count: int, since: float) -> str:
    return f"{count} runs, {count / max(1e-9, time.perf_counter() - since):.0f} a second"
