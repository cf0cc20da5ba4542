"""The short form, which ``.ci/run`` runs: ``python -m benchmarks.bench --short [--write]``.

It measures no time but ratios: what a message costs ours, divided by what the bare parts of ``floors.py`` cost for the
same requests. Gateway and floors stay up and take turns in slices of about a second, and the median of the slices'
ratios counts, so that what else the machine does hits both. ``ratios.json`` has what is expected. A ratio that has
grown by more than ``MOST`` is measured again, twice at most, before it counts as a failure. One that has fallen is no
failure: then ``--write`` puts down the new ones.
"""

import json
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from benchmarks import floors
from benchmarks.gateways import Ours, processor_seconds, send
from benchmarks.peer import Peer
from benchmarks.rows import ROWS, Row, bare_store, checked, pattern, work

EXPECTED = Path(__file__).parent / "ratios.json"
MOST = 1.2
TRIES = 3
SLICES = 7
COUNTS = {"W1": 1500, "W2": 1500}  # messages in a slice; W5 is left out, its ratio varies by a third
DOOR_FACTOR = 3  # so many more requests for the bare door, which is so much faster


class Slice(NamedTuple):
    """Microseconds of processor time a message."""

    ours: float
    bare: float

    @property
    def ratio(self) -> float:
        return self.ours / self.bare


def slices(row: Row, count: int) -> list[Slice]:
    """The first of each is not counted."""
    template, options = send(row.text), pattern(row)
    with Peer() as peer, floors.Server("door") as door, Ours(peer, row.with_receipt) as gateway:
        peer.smsc_is(receipt_delay=0.05)
        found = []
        for _ in range(SLICES + 1):
            begun = processor_seconds(gateway.pids)
            checked(work(peer, row, gateway, count))
            gateway.settle()
            ours = (processor_seconds(gateway.pids) - begun) / count * 1e6
            bare = door.cost(peer, template, count * DOOR_FACTOR, **options)
            found.append(Slice(ours, bare + bare_store(row, count)))
        return found[1:]


def ratio_of(name: str) -> float:
    """Measured now; with its parts on stdout."""
    found = slices(ROWS[name], COUNTS[name])
    ratio = statistics.median(one.ratio for one in found)
    ours, bare = (statistics.median(figures) for figures in zip(*found, strict=True))
    print(
        json.dumps({"short": name, "ratio": round(ratio, 2), "us": round(ours, 1), "floor_us": round(bare, 1)}),
        flush=True,
    )
    return ratio


def holds(name: str, expected: float, measure: Callable[[str], float] = ratio_of) -> bool:
    """Whether the ratio has not grown too much. Says so."""
    best = float("inf")
    for _ in range(TRIES):
        best = min(best, measure(name))
        if best <= expected * MOST:
            print(f"{name}: {best:.2f} times the floor, expected {expected:.2f}: ok", flush=True)
            return True
    print(f"{name}: {best:.2f} times the floor, expected {expected:.2f}: over by {best / expected - 1:.0%}", flush=True)
    return False


def short() -> int:
    """The exit status."""
    expected = json.loads(EXPECTED.read_text())
    failed = [name for name in COUNTS if not holds(name, expected[name])]
    return 1 if failed else 0


def write() -> int:
    """Put down what is measured now, the median of three; the exit status."""
    found = {name: round(statistics.median(ratio_of(name) for _ in range(TRIES)), 2) for name in COUNTS}
    EXPECTED.write_text(json.dumps(found, indent=2) + "\n")
    return 0
