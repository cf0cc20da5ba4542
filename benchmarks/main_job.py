"""What a text costs the connector: ``python -m benchmarks.main_job [--texts 20000] [--rounds 3] [--against CHECKOUT]``.

1. Texts are posted over HTTP on 32 kept connections, each as soon as the one before is answered.
2. The connector, a twistd process with its database on disk, sends them over SMPP to the simulator, a process too.
3. Each receipt comes back; ActiveMQ confirms each report.

The figure is the processor time of the connector's process, all threads, in user and in kernel mode: from the first
POST until every report is confirmed, divided by the texts. The start of the process is not in it, and neither is the
time of the others: the client, the simulator, the broker. It is no measure of latency: texts a second are printed
beside it, but they depend on what else the machine does.

With ``--against`` the same parts drive the connector of another checkout too. Both take turns, first the one and then
the other in front, so that noise hits both alike; the ratio is this tree's figure divided by the other's. Before the
first round comes a short one that does not count, for a broker that has just started is slow.
"""

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from twisted.internet import reactor as _reactor

from tests.endurance.figures import processor_times
from tests.endurance.load import Load
from tests.endurance.outage import health
from tests.endurance.queues import Consumer
from tests.endurance.stage import Daemon, Stage, run, settled, sleep
from tests.integration.activemq import die_with_parent
from tests.integration.stack import START, until

reactor: Any = _reactor
HERE = Path(__file__).parent.parent
CONNECTIONS = 32
RECEIPT_DELAY = 0.2  # seconds
WARM_UP = 2000  # texts


class Cost(NamedTuple):
    """Microseconds of processor time per text; texts a second of real time."""

    user: float
    system: float
    pace: float

    @property
    def total(self) -> float:
        return self.user + self.system


def environment(tree: Path) -> dict[str, str]:
    """That of a process which runs the code of a checkout. SystemExit if it would run another."""
    found = os.environ | {"PYTHONPATH": str(tree)}
    command = [sys.executable, "-P", "-c", "import smsconnector; print(smsconnector.__file__)"]
    said = subprocess.run(command, env=found, check=True, capture_output=True, text=True, timeout=START).stdout
    if not Path(said.strip()).is_relative_to(tree):
        raise SystemExit(f"{tree} is no checkout: its process would run {said.strip()}")
    return found


class Simulator:
    """``twistd smsc-simulator`` of this tree, on a port of its own choice."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="simulator-")
        self._port_file = Path(self._folder.name) / "port"
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> int:
        """Its port."""
        twistd = [str(Path(sys.executable).parent / "twistd"), "--nodaemon", "--pidfile=", "smsc-simulator"]
        options = ["--port", "0", "--port-file", str(self._port_file), "--receipt-delay", str(RECEIPT_DELAY)]
        self._process = subprocess.Popen(
            [*die_with_parent(), *twistd, *options],
            cwd=self._folder.name,
            env=environment(HERE),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        await until(self._port_file.exists, START)
        return int(self._port_file.read_text())

    def close(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(START)
            self._folder.cleanup()


FIGURES: dict[str, Callable[[Cost], float]] = {
    "us/text": lambda one: one.total,
    "  in user mode": lambda one: one.user,
    "  in the kernel": lambda one: one.system,
    "texts/s": lambda one: one.pace,
}


async def measure(stage: Stage, tree: Path, texts: int) -> Cost:
    """One run of the whole, on a new database."""
    simulator, consumer = Simulator(), Consumer(stage.broker.stomp_port)
    ended = reactor.addSystemEventTrigger("before", "shutdown", simulator.close)
    daemon = stage.daemon([await simulator.start()])
    daemon.environment = environment(tree)
    try:
        await consumer.start()
        await daemon.start()
        await until(lambda: ": bound as" in daemon.said(), START)
        begun, (user, system) = time.monotonic(), processor_times(daemon.pid)
        await job(daemon, consumer, texts)
        ended_user, ended_system = processor_times(daemon.pid)
        seconds = time.monotonic() - begun
    finally:
        consumer.close()
        daemon.close()
        simulator.close()
        reactor.removeSystemEventTrigger(ended)
    return Cost((ended_user - user) / texts * 1e6, (ended_system - system) / texts * 1e6, texts / seconds)


async def job(daemon: Daemon, consumer: Consumer, texts: int) -> None:
    """From the first POST until every report is confirmed. SystemExit if something gets lost or refused."""
    load = Load(daemon.port, connections=CONNECTIONS)
    load.limit = texts
    load.start()
    try:
        await settled(lambda: load.done, lambda: len(load.accepted))
    finally:
        load.stop()
    if len(load.accepted) != texts:
        refused = f", the first refusal: {load.refused[0].decode(errors='replace')}" if load.refused else ""
        raise SystemExit(f"{len(load.accepted)} of {texts} texts were accepted{refused}")
    reports = consumer.tally.reports
    if not await settled(lambda: len(reports) >= texts, lambda: consumer.tally.arrivals):
        raise SystemExit(f"{len(reports)} of {texts} reports came")
    while (await health(daemon))["store"]["waiting_for_broker"]:  # it is measured every second
        await sleep(0.1)


def show(name: str, values: list[Cost]) -> None:
    for title, figure in FIGURES.items():
        found = [figure(one) for one in values]
        print(f"{name:>8} {title:<15} min {min(found):7.1f}   median {statistics.median(found):7.1f}", flush=True)


async def program(stage: Stage, options: argparse.Namespace) -> int:
    trees = {"here": HERE} | ({"against": options.against.resolve()} if options.against else {})
    for tree in trees.values():
        environment(tree)
    await stage.broker.do(stage.broker.start)
    await measure(stage, HERE, WARM_UP)
    costs: dict[str, list[Cost]] = {name: [] for name in trees}
    for number in range(options.rounds):
        for name in list(trees) if number % 2 == 0 else reversed(trees):
            cost = await measure(stage, trees[name], options.texts)
            costs[name].append(cost)
            parts = f"{cost.user:.1f} user + {cost.system:.1f} system"
            print(
                f"round {number + 1} {name:>8} {cost.total:7.1f} us/text = {parts}   {cost.pace:5.0f} texts/s",
                flush=True,
            )
    for name, values in costs.items():
        show(name, values)
    if options.against:
        here, against = ([one.total for one in values] for values in costs.values())
        rounds = " ".join(f"{mine / theirs:.3f}" for mine, theirs in zip(here, against, strict=True))
        print(f"   ratio {statistics.median(here) / statistics.median(against):.3f} of the medians; by rounds {rounds}")
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="the processor time that a text costs the connector")
    parser.add_argument("--texts", type=int, default=20_000, help="texts a run, 20000")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each tree, 3")
    parser.add_argument("--against", type=Path, help="another checkout to compare with")
    arguments = parser.parse_args()
    run(lambda stage: program(stage, arguments))
