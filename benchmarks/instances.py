"""One and two connectors on a shared port, in turns: ``python -m benchmarks.instances [--rounds 4] [--texts 20000]``.

Messages a second, and processor time per message of all of them together. The texts come on 64 kept connections: the
kernel spreads connections by their ports, and of few of them one process may get most.
"""

import argparse
import statistics
from dataclasses import replace
from functools import partial
from typing import Self

from benchmarks.gateways import Ours, is_quiet, wait_for
from benchmarks.peer import Peer, build
from benchmarks.rows import ROWS, Measure, measure
from tests.integration.activemq import free_port

CONNECTIONS = 64
AT_REST = 60.0  # s


class Several:
    """So many processes, each with a database and a bind of its own."""

    tells_always = True

    def __init__(self, peer: Peer, count: int, with_receipt: bool) -> None:
        self.port = free_port()
        shared = {"shared_endpoints": [f"tcp:{self.port}:interface=127.0.0.1"]}
        self._parts = [Ours(peer, with_receipt, http=shared, sessions=number) for number in range(1, count + 1)]
        self.pids: list[int] = []

    def start(self) -> Self:
        try:
            for one in self._parts:
                self.pids += one.start().pids
        except BaseException:
            self.stop()
            raise
        return self

    def template(self, text: str, with_receipt: bool) -> bytes:
        return self._parts[0].template(text, with_receipt)

    def settle(self) -> None:
        wait_for(lambda: is_quiet(self.pids), AT_REST, "they did not come to rest")

    def stop(self) -> None:
        for one in self._parts:
            one.stop()


def started(peer: Peer, count: int, with_receipt: bool) -> Several:
    return Several(peer, count, with_receipt).start()


def main() -> None:
    parser = argparse.ArgumentParser(description="one and two connectors on a shared port")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--texts", type=int, default=20_000)
    parser.add_argument("--rows", nargs="+", default=["W1", "W2"], choices=["W1", "W2"])
    options = parser.parse_args()
    build()
    found: dict[tuple[str, int], list[Measure]] = {}
    for turn in range(options.rounds):
        for name in options.rows:
            row = replace(ROWS[name], connections=CONNECTIONS)
            for count in (1, 2) if turn % 2 == 0 else (2, 1):
                with Peer() as peer:
                    one = measure(peer, row, partial(started, peer, count), options.texts)
                found.setdefault((name, count), []).append(one)
                print(
                    f"{name}  {count} processes  {one.pace:7.0f}/s  {one.total:6.1f} us  {one.rss:5.0f} MiB", flush=True
                )
    for (name, count), runs in sorted(found.items()):
        paces, costs = [one.pace for one in runs], [one.total for one in runs]
        print(
            f"{name}  {count} processes: median {statistics.median(paces):.0f}/s ({min(paces):.0f}-{max(paces):.0f}),"
            f" {statistics.median(costs):.0f} us a message ({min(costs):.0f}-{max(costs):.0f})"
        )


if __name__ == "__main__":
    main()
