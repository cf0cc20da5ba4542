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
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TextIO

from benchmarks import floors, growth, short
from benchmarks.gateways import Gateway, Kannels, Ours, environment
from benchmarks.peer import HERE, Peer, build
from benchmarks.rows import ROWS, Row, floor, measure
from benchmarks.table import Log, table
from tests.integration import activemq, kannel

Starter = Callable[[bool], Gateway]


def starters(peer: Peer, options: argparse.Namespace, broker: activemq.ActiveMQ | None) -> dict[str, Starter]:
    trees = {"ours": (HERE, Path(sys.executable))}
    if options.against or options.against_python:
        trees["against"] = (
            (options.against or HERE).resolve(),
            (options.against_python or Path(sys.executable)).absolute(),
        )
    for tree, python in trees.values():
        environment(tree, python)

    def of(tree: Path, python: Path, with_key: bool) -> Starter:
        return lambda with_receipt: Ours(
            peer, with_receipt, tree, broker=broker, python=python, with_key=with_key
        ).start()

    found = {name: of(*how, options.keys and name == "ours") for name, how in trees.items()}
    if "kannel" in options.peers:
        found["kannel"] = lambda _: Kannels(peer).start()
    return found


def run(options: argparse.Namespace, output: TextIO | None = None) -> Log:
    log = Log(output)
    broker = activemq.ActiveMQ(persistent=True).start() if options.broker == "activemq" else None
    try:
        with Peer() as peer:
            log.line(peer_alone=peer.pace_alone())
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
    log.disk(number, row, *floors.disk())
    for name, start in who.items():
        if name == "kannel" and row.only_ours:
            continue
        log.measured(number, row, name, measure(peer, row, start, fewer(row, texts) if name == "kannel" else texts))
    log.bare(number, row, floor(peer, row, texts))


def fewer(row: Row, texts: int) -> int:
    """Kannel waits a second after each throttled submit: as many texts as it needs ten seconds for."""
    return min(texts, 1000) if row.throttled else texts


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="what a message costs, beside floors and other gateways")
    parser.add_argument("--peers", nargs="*", default=[], choices=["kannel"], help="other gateways to measure")
    parser.add_argument("--against", type=Path, help="another checkout to compare with")
    parser.add_argument("--against-python", type=Path, help="another Python, of an environment with all we need")
    parser.add_argument("--keys", action="store_true", help="ours has an API key with every request")
    parser.add_argument("--rows", nargs="+", default=list(ROWS), choices=list(ROWS), help="default: all")
    parser.add_argument("--rounds", type=int, default=3, help="3")
    parser.add_argument("--texts", type=int, default=20_000, help="messages of a run, 20000")
    parser.add_argument("--broker", choices=["peer", "activemq"], default="peer", help="who confirms the reports")
    parser.add_argument("--short", action="store_true", help="ratios to the floors only, for CI: short.py")
    parser.add_argument("--write", action="store_true", help="with --short: write them down as expected")
    parser.add_argument("--growth", action="store_true", help="more messages, connections, binds: growth.py")
    parser.add_argument("--stored", type=int, default=5_000_000, help="with --growth: messages stored, 5000000")
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
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # as with Ctrl-C, every part ends and leaves no folder
    build()
    if options.growth:
        growth.grow(options.texts, options.rounds, options.stored)
        return
    if options.short:
        raise SystemExit(short.write() if options.write else short.short())
    output = (options.output or HERE / "build" / f"bench-{time.strftime('%Y%m%d-%H%M%S')}.jsonl").open("w")
    with output:
        log = run(options, output)
    is_against = bool(options.against or options.against_python)
    other = "against" if is_against and not options.peers else "kannel"
    print("", *table(log, options.rows, other), sep="\n", flush=True)
    if is_against and options.peers:
        print("", *table(log, options.rows, "against"), sep="\n", flush=True)
    print(f"\nthe measurements: {output.name}", file=sys.stderr)


if __name__ == "__main__":
    main()
