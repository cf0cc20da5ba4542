"""How fast the share of a lost bind moves to the other one: ``python -m benchmarks.move_over [--rounds 5]``.

A connector process with binds to two simulated SMSCs, each with half of a steady load; the first is cut off, and comes
back. Real time, counted at the SMSCs: how long after the cut the second takes as much as both did before (in steps of
``SLOT`` seconds), and how long after it what was under way at the first has been taken by the second.
"""

import argparse
import time
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater, react

from tests.integration.activemq import free_port
from tests.integration.stack import Connector, Load, Network, until

reactor: Any = _reactor
SLOT = 0.05  # seconds
AS_MUCH = 0.9  # of what both took before
CONNECTIONS, PAUSE = 20, 0.04  # some 400 texts a second
RESPONSE_DELAY = 0.05  # seconds: some ten under way at each


class Stamped(list[Any]):
    """What an SMSC took, and when (s)."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    def append(self, entry: Any) -> None:
        super().append(entry)
        self.times.append(time.monotonic())

    def between(self, begin: float, end: float) -> int:
        return sum(begin <= at < end for at in self.times)


def network() -> Network:
    found = Network(Stamped(), response_delay=RESPONSE_DELAY)
    found.listen()
    return found


async def one_round(connector: Connector, first: Network, second: Network) -> tuple[float, float, int]:
    """Seconds until the rate is back, until what was under way is with the second, and how many that was."""
    a, b = first.taken, second.taken
    assert isinstance(a, Stamped) and isinstance(b, Stamped)
    load = Load(connector.port, 10**9, CONNECTIONS, PAUSE)
    running = load.run()
    await deferLater(reactor, 2.0)
    now = time.monotonic()
    before = sum(one.between(now - 1.0, now) for one in (a, b))
    under_way = {entry.short_message for entry, at in zip(a, a.times, strict=True) if at > now - RESPONSE_DELAY}
    first.cut()
    cut_at = time.monotonic()
    await deferLater(reactor, 2.0)
    slots = int(1.9 / SLOT)
    back = next(
        slot * SLOT
        for slot in range(1, slots)
        if b.between(cut_at + slot * SLOT, cut_at + slot * SLOT + 0.25) >= AS_MUCH * before * 0.25
    )
    again = [at - cut_at for entry, at in zip(b, b.times, strict=True) if entry.short_message in under_way]
    load.count = 0
    await running
    first.listen()
    await until(lambda: connector.said().count("bound as") >= 2, 30)
    await deferLater(reactor, 6.0)
    return back, max(again, default=0.0), len(under_way)


async def program(rounds: int) -> None:
    first, second = network(), network()
    connector = Connector([first.number, second.number], f"tcp://127.0.0.1:{free_port()}")
    try:
        await connector.start()
        await until(lambda: connector.said().count("bound as") == 2, 30)
        print(f"{'round':>5} {'share moved, s':>15} {'under way':>10} {'taken again, s':>15}")
        for number in range(1, rounds + 1):
            back, again, count = await one_round(connector, first, second)
            print(f"{number:5} {back:15.2f} {count:10} {again:15.3f}", flush=True)
    finally:
        connector.close()


def main() -> None:
    parser = argparse.ArgumentParser(description="how fast the share of a lost bind moves to the other one")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    react(lambda _reactor: Deferred.fromCoroutine(program(options.rounds)))


if __name__ == "__main__":
    main()
