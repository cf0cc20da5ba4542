"""The broker away for minutes under load: ``python -m tests.endurance.outage [--minutes 10] [--rate 200]``.

1. A first minute with the broker: the latency of /send as it is otherwise.
2. The broker is stopped for all the time; the SMSC goes on, so reports wait in the outbox. Every half minute: the
   connector's memory, the latency of what was posted in it, and how many events wait.
3. The broker comes back; when all that was accepted is reported, the queue is read. The reports have to come in the
   order in which the outbox got them, which the database tells when the connector has stopped.
"""

import argparse
import json
import sqlite3
import time
from contextlib import closing
from typing import Any
from urllib.request import urlopen

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread

from tests.endurance.figures import Promises, memory, percentile, some
from tests.endurance.load import Load
from tests.endurance.queues import Consumer, Tally
from tests.endurance.stage import Daemon, Stage, run, settled, sleep

INTERVAL = 30.0  # seconds
CHUNKS = 2 * 500  # events at the sink at once, by smsconnector.walks.publisher: they may come twice
SLOWER = 1.5  # how many times the p99 of the first minute the outage may have


def health(daemon: Daemon) -> "Deferred[dict[str, Any]]":
    """What the connector says of itself."""

    def ask() -> dict[str, Any]:
        with urlopen(f"http://127.0.0.1:{daemon.port}/msg-client/health", timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
            return found

    return deferToThread(ask)


class Outage:
    def __init__(self, stage: Stage, options: argparse.Namespace) -> None:
        self.stage, self.options = stage, options
        self.network = stage.network()
        self.connector = stage.daemon([self.network.number])
        self.load = Load(self.connector.port, options.rate)
        self.before: list[float] = []  # latencies
        self.during: list[float] = []
        self.memory: list[float] = []  # at the end of each interval of the outage
        self.promises = Promises()

    async def program(self) -> int:
        broker = self.stage.broker
        await broker.do(broker.start)
        self.network.listen()
        await self.connector.start()
        self.load.start()
        await self._warm_up()
        print(f"{'s':>5} {'broker':>7} {'RSS MiB':>8} {'p50 ms':>7} {'p99 ms':>7} {'max ms':>7} {'waiting':>8}")
        await self._intervals(60, "there", self.before)
        await broker.do(broker.terminate)
        self._begun = len(self.load.accepted)
        await self._intervals(self.options.minutes * 60, "away", self.during)
        self.load.stop()
        await settled(lambda: self.load.done, lambda: self.load.under_way)
        await broker.do(broker.start)
        back = time.monotonic()
        await self._all_published()
        drained = time.monotonic() - back
        tally = await self._read()
        await self.connector.stop()
        self._count(tally, drained)
        return self.promises.verdict()

    async def _warm_up(self) -> None:
        """The first seconds of a process are no baseline."""
        await settled(lambda: len(self.load.accepted) > self.options.rate * 5, lambda: len(self.load.accepted))
        self.load.latencies.clear()

    async def _intervals(self, seconds: float, broker: str, latencies: list[float]) -> None:
        begun = time.monotonic()
        while (spent := time.monotonic() - begun) < seconds - 1:
            await sleep(min(INTERVAL, seconds - spent))
            found, self.load.latencies = self.load.latencies, []
            latencies += found
            self.memory.append(memory(self.connector.pid))
            store = (await health(self.connector))["store"]
            p50, p99, longest = (percentile(found, share) * 1000 for share in (0.5, 0.99, 1))
            print(
                f"{time.monotonic() - begun:5.0f} {broker:>7} {self.memory[-1]:8.1f} {p50:7.1f} {p99:7.1f}"
                f" {longest:7.1f} {store['waiting_for_broker']:8}",
                flush=True,
            )

    async def _all_published(self) -> None:
        """Waits until every accepted message is submitted, acknowledged by its receipt, and told."""
        taken, load = self.network.taken, self.load
        await settled(lambda: len(taken) >= len(load.accepted), lambda: len(taken))
        await settled(lambda: not self.network.owes, lambda: self.network.owes)
        waiting = -1
        since = time.monotonic()
        while waiting and time.monotonic() - since < 90:
            await sleep(1)
            before, waiting = waiting, (await health(self.connector))["store"]["waiting_for_broker"]
            since = time.monotonic() if waiting != before else since

    async def _read(self) -> Tally:
        consumer = Consumer(self.stage.broker.stomp_port)
        await consumer.start()
        tally, accepted = consumer.tally, self.load.accepted
        await settled(lambda: len(tally.reports) >= len(accepted), lambda: tally.arrivals, patience=30)
        await settled(lambda: False, lambda: tally.arrivals, patience=3)  # whatever comes on top
        consumer.close()
        return tally

    # --- counting -------------------------------------------------------------------------------------------

    def _count(self, tally: Tally, drained: float) -> None:
        show, load, told = self.promises.show, self.load, tally.told
        asked = f"{load.posted} posted, {load.not_posted} that fell due were not, {load.unanswered} unanswered"
        show(
            "accepted",
            f"{len(load.accepted)} ({asked}, {len(load.refused)} refused)",
            not load.refused and not load.unanswered and not load.not_posted,
            "all of them",
        )
        lost = [sid for sid in load.accepted if sid not in told]
        show("lost", f"{len(lost)} {some(lost)}", not lost, "none")
        several = [sid for sid, found in told.items() if len(found) > 1]
        show("several reports", f"{len(several)} {some(several)}", not several, "none")
        repeats = tally.arrivals - len(tally.reports)
        show("repeats by event-id", str(repeats), repeats <= CHUNKS, "only what the stop can cause")
        self._order(list(tally.reports))
        waited = len(load.accepted) - self._begun
        show("after the outage", f"{waited} reports in {drained:.1f} s, {waited / drained:.0f} a second")
        self._figures()

    def _order(self, came: list[str]) -> None:
        with closing(sqlite3.connect(f"{self.connector.database.as_uri()}?mode=ro", uri=True)) as connection:
            ids = dict(connection.execute("SELECT event_id, id FROM outbox"))
        unknown = [event_id for event_id in came if event_id not in ids]
        order = [ids[event_id] for event_id in came if event_id in ids]
        jumps = [
            event_id for event_id, first, second in zip(came[1:], order, order[1:], strict=False) if second < first
        ]
        self.promises.show(
            "order of the outbox",
            f"{len(jumps)} reports came out of it {some(jumps)}",
            not jumps and not unknown,
            "kept on the queue",
        )

    def _figures(self) -> None:
        show = self.promises.show
        first = self.memory[1]
        growth = self.memory[-1] - first
        show(
            "memory",
            f"{first:.1f} MiB after the first minute, {self.memory[-1]:.1f} at the end: {growth:+.1f}",
            growth < self.options.growth,
            f"under {self.options.growth:g} MiB",
        )
        before, during = (percentile(one, 0.99) * 1000 for one in (self.before, self.during))
        show(
            "p99 of /send",
            f"{before:.1f} ms in the first minute, {during:.1f} in the outage: {during / before:.2f}",
            during <= before * SLOWER,
            f"at most {SLOWER} times",
        )


def main() -> None:
    parser = argparse.ArgumentParser(description="the broker away for minutes: memory, latency, reports afterwards")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=200.0, help="texts a second")
    parser.add_argument("--growth", type=float, default=40.0, help="MiB it may grow in the outage (SQLite's cache: 32)")
    options = parser.parse_args()

    async def program(stage: Stage) -> int:
        print(f"outage: {options.minutes:g} minutes, {options.rate:g} texts a second", flush=True)
        return await Outage(stage, options).program()

    run(program)


if __name__ == "__main__":
    main()
