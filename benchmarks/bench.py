"""What a message costs: ``make bench``, or ``python -m benchmarks.bench [--peers kannel] [--against CHECKOUT] ...``.

Each row of ``rows.py`` is one kind of work. In every round each gateway does it once on processes started for that, in
turns: who was first comes last in the next round. The figure is the processor time of all processes of the gateway in
user and in kernel mode, from the first request until everything is confirmed, divided by the messages. The client, the
SMSC and the broker are one program in C (``peer.py``), whose time is not in it.

Beside them, in the same round, stand the floors of ``floors.py``. ``ours/floor`` is ours divided by the bare door and
the bare store together (of W3: the bare socket and the store). It can be compared between machines; microseconds can't.

Every measurement is one JSON line, on stdout and in the file ``--output``. A table comes at the end.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TextIO

from benchmarks import floors
from benchmarks.gateways import Gateway, Kannels, Ours, environment
from benchmarks.peer import HERE, Peer, build
from benchmarks.rows import ROWS, Measure, Row, floor, measure
from tests.integration import activemq, kannel

Starter = Callable[[bool], Gateway]
LATENCY_OVER_DISK = 0.5  # ms that W5 may take at the median above the disk's own fdatasync
LATENCY_P99 = 5.0  # ms
THROTTLED_SHARE = 0.95
MEMORY = 200  # MiB


class Log:
    """JSON lines, and what they hold by row and peer."""

    def __init__(self, output: TextIO | None) -> None:
        self._output = output
        self.measures: dict[tuple[str, str], list[Measure]] = {}
        self.floors: dict[str, list[dict[str, float]]] = {}
        self.disks: list[tuple[float, float]] = []

    def line(self, **what: Any) -> None:
        text = json.dumps(
            {name: round(value, 2) if isinstance(value, float) else value for name, value in what.items()}
        )
        print(text, flush=True)
        if self._output is not None:
            print(text, file=self._output, flush=True)

    def measured(self, number: int, row: Row, peer: str, found: Measure) -> None:
        self.measures.setdefault((row.name, peer), []).append(found)
        parts = {"us": found.total, "user_us": found.user, "system_us": found.system}
        self.line(round=number, row=row.name, peer=peer, **parts, rss_mib=found.rss, pace=found.pace, **found.result)

    def median(self, row: str, peer: str, figure: Callable[[Measure], float]) -> float | None:
        found = self.measures.get((row, peer))
        return statistics.median(map(figure, found)) if found else None

    def floor(self, row: str) -> float | None:
        """Microseconds a message."""
        found = self.floors.get(row)
        if not found:
            return None
        return statistics.median(one["store"] + one.get("door", one["socket"]) for one in found)


def starters(peer: Peer, options: argparse.Namespace, broker: activemq.ActiveMQ | None) -> dict[str, Starter]:
    trees = {"ours": HERE} | ({"against": options.against.resolve()} if options.against else {})
    for tree in trees.values():
        environment(tree)

    def of(tree: Path) -> Starter:
        return lambda with_receipt: Ours(peer, with_receipt, tree, broker=broker).start()

    found = {name: of(tree) for name, tree in trees.items()}
    if "kannel" in options.peers:
        found["kannel"] = lambda _: Kannels(peer).start()
    return found


def run(options: argparse.Namespace, output: TextIO | None = None) -> Log:
    log = Log(output)
    broker = activemq.ActiveMQ(persistent=True).start() if options.broker == "activemq" else None
    try:
        with Peer() as peer:
            who = starters(peer, options, broker)
            for number in range(options.rounds):
                names = list(who)[number % len(who) :] + list(who)[: number % len(who)]
                for row in (ROWS[name] for name in options.rows):
                    one_round(log, peer, row, number + 1, {name: who[name] for name in names}, options.texts)
    finally:
        if broker is not None:
            broker.stop()
    return log


def one_round(log: Log, peer: Peer, row: Row, number: int, who: dict[str, Starter], texts: int) -> None:
    log.disks.append(floors.disk())
    log.line(round=number, row=row.name, floor="disk", p50_ms=log.disks[-1][0], p99_ms=log.disks[-1][1])
    for name, start in who.items():
        if name == "kannel" and row.only_ours:
            continue
        log.measured(number, row, name, measure(peer, row, start, texts if name != "kannel" else fewer(row, texts)))
    bare = floor(peer, row, texts)
    log.floors.setdefault(row.name, []).append(bare)
    log.line(round=number, row=row.name, floor="bare", **{f"{part}_us": cost for part, cost in bare.items()})


def fewer(row: Row, texts: int) -> int:
    """Kannel waits a second after each throttled submit: as many texts as it needs ten seconds for."""
    return min(texts, 1000) if row.throttled else texts


# --- the table ----------------------------------------------------------------------------------------------


def cells(*columns: object) -> str:
    widths = (9, 42, 9, 9, 6, 6, 5, 10)
    shown = (f"{one:.2f}" if isinstance(one, float) else "-" if one is None else str(one) for one in columns)
    return "  ".join(one.ljust(width) for one, width in zip(shown, widths, strict=True)).rstrip()


def verdict(value: float | None, bar: float | None, is_least: bool = False) -> str:
    if value is None or bar is None:
        return "-"
    return "ok" if (value >= bar if is_least else value <= bar) else "over" if not is_least else "under"


def table(log: Log, rows: Sequence[str], other: str) -> list[str]:
    """Lines. ``other``: the peer that ours is compared with."""
    lines = [cells("row", "", "ours", other, "ratio", "bar", "", "ours/floor")]
    for row in (ROWS[name] for name in rows):
        lines += of_row(log, row, other)
    if ("W2", "ours") in log.measures:
        mine, theirs = (log.median("W2", name, lambda one: one.rss) for name in ("ours", other))
        lines.append(
            cells(
                "memory",
                "MiB at the peak of W2",
                mine,
                theirs,
                ratio(mine, theirs),
                MEMORY,
                verdict(mine, MEMORY),
                None,
            )
        )
    lines.append(cells("disk", "fdatasync, ms: p50, p99", *disk(log), None, None, "", None))
    return lines


def ratio(one: float | None, other: float | None) -> float | None:
    return one / other if one is not None and other else None


def disk(log: Log) -> tuple[float, float]:
    p50, p99 = (statistics.median(one[index] for one in log.disks) for index in (0, 1))
    return p50, p99


def of_row(log: Log, row: Row, other: str) -> list[str]:
    def both(figure: Callable[[Measure], float]) -> tuple[float | None, float | None]:
        return log.median(row.name, "ours", figure), log.median(row.name, other, figure)

    if row.throttled:
        shares = [
            ratio(log.median(row.name, name, lambda one: one.pace), log.median("W1", name, lambda one: one.pace))
            for name in ("ours", other)
        ]
        least = THROTTLED_SHARE
        return [
            cells(row.name, "share of W1's pace", *shares, ratio(*shares), least, verdict(shares[0], least, True), None)
        ]
    mine, theirs = both(lambda one: one.total)
    compared = ratio(mine, theirs)
    bar = row.bar if row.than != "kannel" or other == "kannel" else None
    if row.than != "kannel":
        compared = ratio(mine, log.median(row.than, "ours", lambda one: one.total))
    title = row.title if row.than == "kannel" else f"{row.title} (/{row.than})"
    lines = [
        cells(
            row.name,
            f"{title}, us",
            mine,
            theirs,
            compared,
            bar,
            verdict(compared, bar),
            ratio(mine, log.floor(row.name)),
        )
    ]
    if row.rate:
        most = disk(log)[0] + LATENCY_OVER_DISK
        p50 = both(lambda one: one.result["submit_ms"]["p50"])
        p99 = both(lambda one: one.result["submit_ms"]["p99"])
        lines.append(cells("", "to submit_sm, ms: p50", *p50, ratio(*p50), most, verdict(p50[0], most), None))
        lines.append(
            cells("", "to submit_sm, ms: p99", *p99, ratio(*p99), LATENCY_P99, verdict(p99[0], LATENCY_P99), None)
        )
    return lines


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="what a message costs, beside floors and other gateways")
    parser.add_argument("--peers", nargs="*", default=[], choices=["kannel"], help="other gateways to measure")
    parser.add_argument("--against", type=Path, help="another checkout to compare with")
    parser.add_argument("--rows", nargs="+", default=list(ROWS), choices=list(ROWS), help="default: all")
    parser.add_argument("--rounds", type=int, default=3, help="3")
    parser.add_argument("--texts", type=int, default=20_000, help="messages of a run, 20000")
    parser.add_argument("--broker", choices=["peer", "activemq"], default="peer", help="who confirms the reports")
    parser.add_argument("--output", type=Path, help="a file for the JSON lines")
    found = parser.parse_args(given)
    for wanted, missing in (
        ("kannel" in found.peers, kannel.available()),
        (found.broker == "activemq", activemq.available()),
    ):
        if wanted and missing:
            parser.error(missing)
    return found


def main() -> None:
    options = arguments()
    build()
    output = (options.output or HERE / "build" / f"bench-{time.strftime('%Y%m%d-%H%M%S')}.jsonl").open("w")
    with output:
        log = run(options, output)
    other = "against" if options.against and not options.peers else "kannel"
    print("", *table(log, options.rows, other), sep="\n", flush=True)
    if options.against and options.peers:
        print("", *table(log, options.rows, "against"), sep="\n", flush=True)
    print(f"\nthe measurements: {output.name}", file=sys.stderr)


if __name__ == "__main__":
    main()
