"""Searches among many messages while texts go through: ``python -m benchmarks.search [--stored 1000000]``.

A load of W2 at a fixed rate, alone and beside a client that searches one after the other, in turns: by a number that
has some messages, by one that has none, for both directions of each of the two, by a second, and by a state within a
minute. Printed are the times of the searches in ms, and the 99th percentile of the answers to /send of both.
"""

import argparse
import json
import sqlite3
import statistics
import threading
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from http.client import HTTPConnection
from typing import Any

from benchmarks.gateways import Ours
from benchmarks.growth import copy_until
from benchmarks.peer import Peer, build
from benchmarks.rows import ROWS, checked, measure_on, work

RATE = 2000.0  # texts a second
SECONDS = 8.0


def queries(gateway: Ours) -> dict[str, str]:
    """By what they ask."""
    with closing(sqlite3.connect(gateway.database)) as connection:
        number, at = connection.execute(
            "SELECT destination, accepted_at FROM message WHERE id = (SELECT max(id) / 2 FROM message)"
        ).fetchone()

    def time_of(milliseconds: int) -> str:
        return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat().replace("+00:00", "Z")

    return {
        "number": f"to={number}",
        "no such number": "to=46999999999",
        "with a number": f"with={number}",
        "with no such number": "with=46999999999",
        "second": f"since={time_of(at)}&until={time_of(at + 1000)}",
        "failed, of a minute": f"state=failed&since={time_of(at - 30_000)}&until={time_of(at + 30_000)}",
    }


class Searcher(threading.Thread):
    """Searches until ``stop``. ``took``: seconds, by what was asked."""

    def __init__(self, port: int, asked: dict[str, str]) -> None:
        super().__init__(daemon=True)
        self._port, self._asked, self._is_over = port, asked, threading.Event()
        self.took: dict[str, list[float]] = {name: [] for name in asked}

    def run(self) -> None:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=10)
        while not self._is_over.is_set():
            for name, query in self._asked.items():
                begun = time.perf_counter()
                connection.request("GET", f"/msg-client/messages?{query}")
                answer = connection.getresponse()
                answer.read()
                assert answer.status == 200, answer.status
                self.took[name].append(time.perf_counter() - begun)
            time.sleep(0.05)

    def stop(self) -> None:
        self._is_over.set()
        self.join()


def p99_of(peer: Peer, gateway: Ours) -> float:
    """ms from the moment for which a request was meant to its answer."""
    row = replace(ROWS["W2"], rate=RATE)
    result: Any = checked(work(peer, row, gateway, int(RATE * SECONDS)))
    return float(result["answer_ms"]["p99"])


def main() -> None:
    parser = argparse.ArgumentParser(description="searches among many messages while texts go through")
    parser.add_argument("--stored", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    build()
    with Peer() as peer, Ours(peer, with_receipt=True) as gateway:
        measure_on(peer, ROWS["W2"], gateway, 10_000)
        gateway.pause()
        copy_until(gateway.database, options.stored)
        asked = queries(gateway)
        gateway.start()
        p99_of(peer, gateway)
        alone, beside, took = [], [], {name: [] for name in asked}  # type: ignore[var-annotated]
        for _ in range(options.rounds):
            alone.append(p99_of(peer, gateway))
            searcher = Searcher(gateway.port, asked)
            searcher.start()
            beside.append(p99_of(peer, gateway))
            searcher.stop()
            for name, times in searcher.took.items():
                took[name] += times
    for name, times in took.items():
        ranked = sorted(times)
        figures = {"p50": statistics.median(ranked), "p99": ranked[int(len(ranked) * 0.99)], "max": ranked[-1]}
        shown = {key: round(value * 1000, 2) for key, value in figures.items()}
        print(json.dumps({"search": name, "count": len(ranked)} | shown))
    ratio = statistics.median(beside) / statistics.median(alone)
    print(json.dumps({"send_p99_ms": {"alone": alone, "beside searches": beside}, "ratio": round(ratio, 3)}))


if __name__ == "__main__":
    main()
