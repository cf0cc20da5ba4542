"""Very many texts that are due at the same second: ``python -m tests.endurance.schedules [--messages 100000]``.

1. A connector accepts so many texts for one moment by ``/send-batch``. Until then none of them is submitted, the gate
   counts none of them, and memory does not grow with them.
2. Around that moment texts are posted at a steady pace: the longest answer says how long the reactor was held up.
3. All are submitted, none before its time.
"""

import argparse
import json
import time
from datetime import UTC, datetime
from typing import Any

from twisted.internet.threads import deferToThread

from smsconnector.simulator.ledger import Entry
from tests.endurance.figures import Promises, memory, percentile
from tests.endurance.load import Load
from tests.endurance.priorities import AT_ONCE, post
from tests.endurance.stage import Stage, run, settled, sleep

LONGEST_ANSWER = 1.0  # seconds
MEMORY_LIMIT = 200.0  # MiB
WORD = "later"


class Arrivals(list[Entry]):
    """Of the scheduled texts, when the first came and how many did."""

    def __init__(self) -> None:
        super().__init__()
        self.first: float | None = None
        self.taken = 0

    def append(self, entry: Entry) -> None:
        if entry.short_message.startswith(WORD.encode()):
            self.first = time.time() if self.first is None else self.first
            self.taken += 1


class Schedules:
    def __init__(self, stage: Stage, options: argparse.Namespace) -> None:
        self.stage, self.options = stage, options
        self.arrivals, self.promises = Arrivals(), Promises()
        self.network = stage.network(taken=self.arrivals)
        self.daemon = stage.daemon([self.network.number])

    async def program(self) -> int:
        self.network.listen()
        await self.daemon.start()
        before, begun = memory(self.daemon.pid), time.monotonic()
        due = time.time() + self.options.ahead
        await self._schedule(due)
        took, after = time.monotonic() - begun, memory(self.daemon.pid)
        print(f"{'accepted':22} in {took:.0f} s; memory {before:.0f} MiB before, {after:.0f} after", flush=True)
        load = Load(self.daemon.port, self.options.rate, 32, first=900_000_000)
        load.start()
        load.post(1_000_000)
        await sleep(max(0.0, due - time.time() - 5))
        waiting = self.arrivals.taken
        quiet, load.latencies = load.latencies, []
        await settled(lambda: self.arrivals.taken == self.options.messages, lambda: self.arrivals.taken)
        drained = time.time() - due
        busy, peak = load.latencies, memory(self.daemon.pid, "VmHWM")
        load.stop()
        early = waiting or (self.arrivals.first or 0.0) < due
        self.promises.show(
            "before", f"{waiting} submitted, first at {(self.arrivals.first or 0) - due:+.2f} s", not early
        )
        self.promises.show(
            "all of them",
            f"{self.arrivals.taken} of {self.options.messages}, {drained:.1f} s after they were due",
            self.arrivals.taken == self.options.messages,
            "all, once",
        )
        self.promises.show(
            "answers meanwhile",
            f"p50 {percentile(busy, 0.5) * 1000:.0f}, p99 {percentile(busy, 0.99) * 1000:.0f}, longest"
            f" {max(busy, default=0) * 1000:.0f} ms (before: p99 {percentile(quiet, 0.99) * 1000:.0f} ms)",
            bool(busy) and max(busy) < LONGEST_ANSWER,
            f"under {LONGEST_ANSWER:g} s",
        )
        self.promises.show("memory", f"peak {peak:.0f} MiB", peak < MEMORY_LIMIT, f"under {MEMORY_LIMIT:g} MiB")
        return self.promises.verdict()

    async def _schedule(self, due: float) -> None:
        moment = datetime.fromtimestamp(due, UTC).isoformat()
        for first in range(0, self.options.messages, AT_ONCE):
            items: list[Any] = [
                {"To": f"+9231{number:08d}", "Body": f"{WORD} {number}", "SendAt": moment}
                for number in range(first, min(first + AT_ONCE, self.options.messages))
            ]
            body = "\n".join(map(json.dumps, items)).encode()
            answer = await deferToThread(post, self.daemon, "send-batch", body, "application/x-ndjson")
            assert answer.count(b'"status": 200') == len(items), answer[-300:]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(":")[0])
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--ahead", type=float, default=40.0, help="seconds until they are due")
    parser.add_argument("--rate", type=float, default=50.0, help="texts a second meanwhile")
    options = parser.parse_args()
    run(lambda stage: Schedules(stage, options).program())


if __name__ == "__main__":
    main()
