"""A million accepted messages on disk: ``python -m tests.endurance.backlog [--messages 1000000] [--sends 5000]``.

1. A database is made with so many queued messages of a channel ``backlog``, whose SMSC is not there.
2. Start-up on it, and on an empty one, in turns: from the start of the process to its line ``HTTP on`` and to its
   first 200; with the file in the page cache, and once read from the disk. Memory after the start and 30 s later.
3. What a message of another channel costs, accepted, submitted and reported: processor time of the connector on that
   database and of one on an empty one, which take turns under the same paced load.
4. The SMSC of the backlog is there and takes it: messages a second, and the peak of the memory.
"""

import argparse
import os
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from statistics import median

from smsconnector.messages import Message, new_sid
from smsconnector.store import operations as ops
from smsconnector.store.store import Store
from tests.endurance.figures import Promises, memory, processor_time, some
from tests.endurance.load import Load
from tests.endurance.queues import Consumer
from tests.endurance.stage import Daemon, Networks, Stage, quiet_port, run, settled, sleep

BATCH = 4000  # messages in one transaction
LIFETIME = 259_200_000  # ms
START_LIMIT = 3.0  # seconds
MEMORY_LIMIT = 200.0  # MiB
COST_LIMIT = 1.15
STARTS = 3


def backlog(count: int) -> Iterator[Message]:
    """Texts of one segment to as many numbers, all accepted now."""
    now = int(time.time() * 1000)
    for number in range(count):
        text = (f"Your order {number} is on its way. Reply STOP to end.",)
        yield Message(new_sid(now), "backlog", None, f"9231{number:08d}", "gsm7", text, now, now + LIFETIME)


def fill(path: Path, count: int) -> None:
    """Through the real store, in batches."""
    store = Store(str(path))
    messages = backlog(count)
    next_id = store.last_segment_id() + 1
    while batch := list(islice(messages, BATCH)):
        store.apply([ops.Accept(message, next_id + place, "backlog") for place, message in enumerate(batch)])
        next_id += len(batch)
    store.close()


def forget(path: Path) -> None:
    """Let the kernel drop what it has of the file, so that the next start reads it from the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


class Backlog:
    def __init__(self, stage: Stage, options: argparse.Namespace) -> None:
        self.stage, self.options = stage, options
        self.network = stage.network()
        self.away = quiet_port()  # nobody listens there until the draining
        self.full, self.empty = self._connector("full"), self._connector("empty")
        self.first = 0  # number of the next load
        self.promises = Promises()

    def _connector(self, account: str) -> Daemon:
        """Each has an account of its own at the SMSC, to which its receipts go."""
        bind = {"system_id": account, "password": "test", "window": 50}
        here = bind | {"name": "here", "endpoint": f"tcp:127.0.0.1:{self.network.number}"}
        away = bind | {"name": "away", "endpoint": f"tcp:127.0.0.1:{self.away}"}
        return self.stage.daemon(
            [], channels={"smpp": {"type": "smpp", "binds": [here]}, "backlog": {"type": "smpp", "binds": [away]}}
        )

    async def program(self) -> int:
        begun = time.monotonic()
        fill(self.full.database, self.options.messages)
        size = self.full.database.stat().st_size / (1 << 20)
        print(f"written in {time.monotonic() - begun:.0f} s, {size:.0f} MiB", flush=True)
        await self.stage.broker.do(self.stage.broker.start)
        self.network.listen()
        await self._starts()
        await self._memory()
        await self._costs()
        if not self.options.no_drain:
            await self._drain()
        return self.promises.verdict()

    # --- start-up -------------------------------------------------------------------------------------------

    async def _start(self, daemon: Daemon) -> tuple[float, float]:
        """Seconds from the start of the process to its line and to its first 200."""
        load = self._load(daemon, connections=1)
        load.start()
        load.post(1)
        begun = time.monotonic()
        await daemon.start()
        listening = time.monotonic() - begun
        await settled(lambda: load.accepted, lambda: load.accepted, pause=0.005)
        answered = time.monotonic() - begun
        load.stop()
        return listening, answered

    async def _starts(self) -> None:
        times: dict[str, list[tuple[float, float]]] = {"empty": [], "backlog": []}
        for _ in range(STARTS):
            for name, daemon in (("empty", self.empty), ("backlog", self.full)):
                times[name].append(await self._start(daemon))
                await daemon.stop()
        forget(self.full.database)
        times["backlog, from disk"] = [await self._start(self.full)]
        for name, found in times.items():
            longest = max(answered for _, answered in found)
            figures = "; ".join(f"HTTP {listening:.2f}, 200 {answered:.2f} s" for listening, answered in found)
            self.promises.show(
                f"start, {name}",
                figures,
                longest < START_LIMIT,
                f"under {START_LIMIT:g} s",
            )
        floor, whole = (median(answered for _, answered in times[name]) for name in ("empty", "backlog"))
        print(f"{'':22} imports and all that an empty database needs: {floor:.2f} of {whole:.2f} s", flush=True)

    async def _memory(self) -> None:
        """The connector on the backlog has just been started."""
        at_once = memory(self.full.pid)
        await sleep(30)
        later, peak = memory(self.full.pid), memory(self.full.pid, "VmHWM")
        self.promises.show(
            "memory",
            f"{at_once:.1f} MiB after the start, {later:.1f} after 30 s, peak {peak:.1f}",
            peak < MEMORY_LIMIT,
            f"under {MEMORY_LIMIT:g} MiB",
        )

    # --- what a message costs -------------------------------------------------------------------------------

    def _load(self, daemon: Daemon, rate: float = 0.0, connections: int = 32) -> Load:
        load = Load(daemon.port, rate, connections, first=self.first)
        self.first += 1_000_000
        return load

    async def _costs(self) -> None:
        await self.empty.start()
        consumer = Consumer(self.stage.broker.stomp_port)
        await consumer.start()
        daemons = {"empty": self.empty, "backlog": self.full}
        for daemon in daemons.values():
            await self._cost(daemon, consumer, 500)
        costs: dict[str, list[float]] = {name: [] for name in daemons}
        for pair in range(self.options.pairs):
            for name in sorted(daemons, reverse=bool(pair % 2)):
                costs[name].append(await self._cost(daemons[name], consumer, self.options.sends))
        idle = {name: await self._idle(daemon) for name, daemon in daemons.items()}
        for name, found in costs.items():
            print(
                f"{'cost, ' + name:22} {', '.join(f'{one:.0f}' for one in found)} us a message;"
                f" {idle[name] * 1000:.1f} ms a second when idle",
                flush=True,
            )
        ratio = sum(costs["backlog"]) / sum(costs["empty"])
        pairs = [full / empty for full, empty in zip(costs["backlog"], costs["empty"], strict=True)]
        self.promises.show(
            "cost, ratio",
            f"{ratio:.3f} ({', '.join(f'{one:.3f}' for one in pairs)})",
            ratio <= COST_LIMIT,
            f"at most {COST_LIMIT}",
        )
        consumer.close()
        await self.empty.stop()
        await self.full.stop()

    async def _cost(self, daemon: Daemon, consumer: Consumer, count: int) -> float:
        """Processor time in microseconds a message, from the first post to the last report."""
        load, told = self._load(daemon, self.options.rate), consumer.tally.told
        load.start()
        begun = processor_time(daemon.pid)
        load.post(count)
        if not await settled(lambda: load.done and load.accepted.keys() <= told.keys(), lambda: len(told), patience=30):
            missing = load.accepted.keys() - told.keys()
            raise RuntimeError(f"{len(load.accepted)} of {count} accepted, {len(missing)} without a report")
        spent = processor_time(daemon.pid) - begun
        load.stop()
        return spent / count * 1e6

    async def _idle(self, daemon: Daemon, seconds: float = 5.0) -> float:
        """Processor time a second."""
        begun = processor_time(daemon.pid)
        await sleep(seconds)
        return (processor_time(daemon.pid) - begun) / seconds

    # --- draining -------------------------------------------------------------------------------------------

    async def _drain(self) -> None:
        """The rest of the backlog's way, counted at its own SMSC and on the queue."""
        network = self.stage.network()
        network.number = self.away
        network.listen()
        consumer = Consumer(self.stage.broker.stomp_port)
        await consumer.start()
        await self.full.start()
        begun, count = time.monotonic(), self.options.messages
        taken, reports = network.taken, consumer.tally.reports
        submitted = await self._watch(network, consumer, begun)
        await settled(lambda: len(reports) >= count, lambda: len(reports), patience=30)
        reported = time.monotonic() - begun
        show, peak = self.promises.show, memory(self.full.pid, "VmHWM")
        show(
            "submitted",
            f"{len(taken)} in {submitted:.0f} s, {len(taken) / submitted:.0f} a second",
            len({one.destination for one in taken}) == len(taken) == count,
            "each once",
        )
        show(
            "reported",
            f"{len(reports)} in {reported:.0f} s, {len(reports) / reported:.0f} a second",
            len(consumer.tally.told) == consumer.tally.arrivals == count,
            "each once",
        )
        said = {report["DeliveryStatus"] for found in consumer.tally.told.values() for report in found}
        show("said", some(sorted(said)), said == {"DELIVERED"}, "DELIVERED")
        show("memory, draining", f"peak {peak:.1f} MiB", peak < MEMORY_LIMIT, f"under {MEMORY_LIMIT:g} MiB")
        consumer.close()

    async def _watch(self, network: Networks, consumer: Consumer, begun: float) -> float:
        """A line every half minute; the seconds until all is submitted."""
        count, shown = self.options.messages, begun

        def progress() -> int:
            nonlocal shown
            if time.monotonic() - shown > 30:
                shown = time.monotonic()
                print(
                    f"{shown - begun:5.0f} s: {len(network.taken)} submitted, {len(consumer.tally.reports)} reported,"
                    f" RSS {memory(self.full.pid):.1f} MiB",
                    flush=True,
                )
            return len(network.taken)

        await settled(lambda: len(network.taken) >= count, progress)
        return time.monotonic() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description="a backlog on disk: start, memory, the cost of a message, draining")
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--sends", type=int, default=5000, help="messages of which the cost is taken")
    parser.add_argument("--pairs", type=int, default=3, help="times that they take turns")
    parser.add_argument("--rate", type=float, default=400.0, help="texts a second, for the cost")
    parser.add_argument("--no-drain", action="store_true", help="leave the draining out")
    options = parser.parse_args()

    async def program(stage: Stage) -> int:
        print(f"backlog: {options.messages} messages", flush=True)
        return await Backlog(stage, options).program()

    run(program)


if __name__ == "__main__":
    main()
