"""Whether a message costs the same when there is more of everything: ``make bench-growth``.

1. *stored*: the work of W2 on a database that holds so many messages that are done. A run of the connector writes the
   first ones; they are copied, with numbers of their own, until there are enough. 5,000,000 take about 4 GB.
2. *connections*: the work of W1 with 32 requests under way, on so many connections in turn.
3. *binds*: the work of W2 over so many binds to one SMSC.

Each figure is the median of the rounds, and is compared with the first of its kind. The bars: within 15 %, and below
200 MiB at the peak.
"""

import json
import shutil
import sqlite3
import statistics
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from benchmarks.gateways import Ours
from benchmarks.peer import Peer
from benchmarks.rows import ROWS, Measure, measure, measure_on

STORED = (0, 100_000, 1_000_000, 5_000_000)
CONNECTIONS = (32, 1, 1000)
BINDS = (1, 10, 50)
FLAT = 1.15
MEMORY = 200.0  # MiB
FIRST = 10_000  # messages that are copied
OCTETS_EACH = 1500  # of a message on disk, with its segment, its event and their indexes, and some to spare
UNDER_WAY = 32

# How the rows of one message's copy differ from it: what stands here is the column's, all others are copied.
# ?1 is added to each row id. MessageSIDs keep the order of the ids, and come before all that are made from now on. The
# SMSC of ``peer`` gives no ids as high as those of the copies.
_SID = (
    "printf('SM%012x%06x', m.accepted_at - 90000000 + (m.id + ?1) / 1000, (m.id + ?1) % 16777216) || substr(m.sid, 21)"
)
_SMSC_ID = "CAST(5000000000 + m.id + ?1 AS TEXT)"
_COPIES = {
    "message": ({"id": "m.id + ?1", "sid": _SID}, "message AS m"),
    "segment": ({"id": "m.id + ?1", "smsc_id": _SMSC_ID, "smsc_key": _SMSC_ID}, "segment AS m"),
    "outbox": (
        {"id": "o.id + ?1", "event_id": f"'dr-' || {_SID}", "body": f"replace(o.body, m.sid, {_SID})"},
        # the events of the first messages are among the first events: without that bound it would look at all copies
        f"outbox AS o JOIN message AS m ON m.sid = substr(o.event_id, 4) AND o.id <= {2 * FIRST}",
    ),
    "confirmation": ({"id": "m.id + ?1 * 64"}, "confirmation AS m"),
}


def copy_until(database: Path, wanted: int) -> None:
    """Copy the first messages until there are so many. The connector must not run. SystemExit if the disk is too
    small."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        found = int(connection.execute("SELECT count(*) FROM message").fetchone()[0])
        if shutil.disk_usage(database).free < 2 * (wanted - found) * OCTETS_EACH:
            raise SystemExit(f"{wanted} messages need more room than {database.parent} has")
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -200000")
        for _ in range((wanted - found) // FIRST):
            highest = max(
                connection.execute(f"SELECT max(id) FROM {table}").fetchone()[0]
                for table in ("message", "segment", "outbox")
            )
            connection.execute("BEGIN")
            for table, (differs, source) in _COPIES.items():
                alias = source.split()[2]
                names = [name for (name,) in connection.execute("SELECT name FROM pragma_table_info(?)", (table,))]
                columns = ", ".join(differs.get(name, f"{alias}.{name}") for name in names)
                bound = FIRST * 64 + 63 if table == "confirmation" else FIRST
                connection.execute(
                    f"INSERT INTO {table} SELECT {columns} FROM {source} WHERE m.id <= {bound}", (highest,)
                )
            connection.execute("COMMIT")
        connection.execute("UPDATE sink SET settled_up_to = (SELECT max(id) FROM outbox)")
        connection.execute("PRAGMA journal_mode = WAL")


class Figures:
    """Prints each, and remembers them by kind and size."""

    def __init__(self) -> None:
        self.found: dict[str, dict[int, list[Measure]]] = {}

    def add(self, kind: str, size: int, measure: Measure) -> None:
        self.found.setdefault(kind, {}).setdefault(size, []).append(measure)
        shown = {"us": measure.total, "rss_mib": measure.rss, "pace": measure.pace}
        print(
            json.dumps({"growth": kind, "size": size} | {name: round(value, 1) for name, value in shown.items()}),
            flush=True,
        )

    def table(self) -> list[str]:
        lines = [f"{'':<12} {'size':>10} {'us':>9} {'ratio':>6} {'MiB':>6}   bars: {FLAT}, {MEMORY:.0f} MiB"]
        for kind, sizes in self.found.items():
            first = 0.0
            for size, measures in sizes.items():
                cost = statistics.median(one.total for one in measures)
                rss = statistics.median(one.rss for one in measures)
                first = first or cost
                verdict = "ok" if cost <= first * FLAT and rss <= MEMORY else "over"
                lines.append(f"{kind:<12} {size:>10,} {cost:>9.1f} {cost / first:>6.2f} {rss:>6.1f}   {verdict}")
        return lines


def stored(peer: Peer, figures: Figures, sizes: Sequence[int], texts: int, rounds: int) -> None:
    """One database, which grows; the rounds at one size come one after the other."""
    gateway = Ours(peer, with_receipt=True)
    try:
        for size in sizes:
            if size:
                copy_until(gateway.database, size)
            for _ in range(rounds):
                gateway.start()
                figures.add("stored", size, measure_on(peer, ROWS["W2"], gateway, max(texts, FIRST)))
                gateway.pause()
    finally:
        gateway.stop()


def connections(peer: Peer, figures: Figures, counts: Sequence[int], texts: int, rounds: int) -> None:
    for _ in range(rounds):
        for count in counts:
            row = replace(ROWS["W1"], connections=count, depth=max(1, UNDER_WAY // count), under_way=UNDER_WAY)
            figures.add("connections", count, measure(peer, row, lambda _: Ours(peer, False).start(), texts))


def binds(peer: Peer, figures: Figures, counts: Sequence[int], texts: int, rounds: int) -> None:
    for _ in range(rounds):
        for count in counts:
            with Ours(peer, with_receipt=True, binds=count) as gateway:
                figures.add("binds", count, measure_on(peer, ROWS["W2"], gateway, texts))


def grow(texts: int, rounds: int, most: int) -> None:
    """``most``: messages stored, at most. The table is on stdout."""
    figures = Figures()
    with Peer() as peer:
        binds(peer, figures, BINDS, texts, rounds)
        connections(peer, figures, CONNECTIONS, texts, rounds)
        stored(peer, figures, [size for size in STORED if size <= most], texts, rounds)
    print("", *figures.table(), sep="\n")
