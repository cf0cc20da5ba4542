"""``python -m tests.simulation --seeds 1000 --from 0 --jobs 2``: run seeds; ends with 1 when one of them fails."""

import argparse
import sys
import tempfile
import time

from twisted.logger import globalLogBeginner

from tests.simulation import world
from tests.simulation.plan import plan_of
from tests.simulation.run import Result, prepare, rate, run_seeds, shortest

SHOWN = 12  # lines of what is broken


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many")
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first one")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--keep-going", action="store_true", help="count the failures instead of ending at the first")
    parser.add_argument("--no-shrink", action="store_true", help="show the plan as it was made")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="simulation-", dir=world.room) as folder:
        world.room = folder  # of this process and of those it forks
        return run_all(options)


def run_all(options: argparse.Namespace) -> int:
    """The exit status."""
    globalLogBeginner.beginLoggingTo([], redirectStandardIO=False, discardBuffer=True)
    prepare()
    seeds = range(options.first, options.first + options.seeds)
    since, failed = time.perf_counter(), 0
    for count, result in enumerate(run_seeds(seeds, options.jobs), 1):
        if count % 500 == 0:
            print(f"{rate(count, since)}, {failed} failed", flush=True)
        if result.broken:
            failed += 1
            if not options.keep_going:
                show(result if options.no_shrink else shortest(result), result)
                return 1
            law, how = result.broken[0]
            print(f"seed {result.plan.seed}: {law} {how.strip().splitlines()[-1]}", flush=True)
    print(f"{rate(len(seeds), since)}, {failed} failed")
    return 1 if failed else 0


def show(result: Result, first: Result) -> None:
    print(f"seed {first.plan.seed} breaks:")
    for law, how in first.broken[:SHOWN]:
        print(f"  {law} {how}")
    print(f"the shortest plan that does ({len(result.plan.steps)} of {len(plan_of(first.plan.seed).steps)} steps):")
    print(repr(result.plan))
    for law, how in result.broken[:SHOWN]:
        print(f"  {law} {how}")


if __name__ == "__main__":
    sys.exit(main())
