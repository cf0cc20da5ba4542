"""The rows of the table: what is done, how a run of it goes, and the bar that ours has to meet."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from benchmarks import floors
from benchmarks.gateways import LONG, SHORT, Gateway, Ours, peak_memory, processor_seconds, send
from benchmarks.peer import Peer, Result
from tests.endurance.figures import processor_times

BATCH = 50  # messages that a bare store writes in one transaction


@dataclass(frozen=True)
class Row:
    """One kind of work. ``share`` of TEXTS are its messages, unless ``seconds`` at ``rate`` say how many. ``bar``: the
    most that ours may be, divided by ``than``: Kannel's figure in this row, or ours in another. ``only_ours``: Kannel
    can't do it (its smsbox stops answering a connection on which requests are pipelined)."""

    name: str
    title: str
    kind: Literal["load", "texts"] = "load"
    with_receipt: bool = False
    text: str = SHORT
    segments: int = 1
    connections: int = 32
    depth: int = 1
    under_way: int = 0  # requests in all, on the connections in turn; 0: one on each, or ``depth``
    rate: float = 0.0  # requests a second, open loop; 0: closed loop
    seconds: float = 10.0
    share: float = 1.0
    throttled: float = 0.0  # share of the submits
    batch: int = BATCH
    bar: float | None = None
    than: str = "kannel"
    only_ours: bool = False

    def count(self, texts: int) -> int:
        return int(self.rate * self.seconds) if self.rate else max(200, int(texts * self.share))


ROWS = {
    row.name: row
    for row in (
        Row("W1", "MT without receipt, 32 connections", bar=0.85),
        Row("W2", "MT, receipt, report confirmed", with_receipt=True, bar=0.38),
        Row("W3", "MO to event confirmed", kind="texts", bar=0.15),
        Row("W4", "400 characters UCS-2, 6 parts", text=LONG, segments=6, share=0.2, bar=0.85),
        Row("pipeline", "as W1, one connection 32 deep", connections=1, depth=32, bar=0.8, than="W1", only_ours=True),
        Row("W5", "500/s, open loop", rate=500, batch=1, bar=1.5),
        Row("W5-100", "100/s, open loop", rate=100, batch=1),
        Row("throttled", "W1 with 1 % of submits throttled", throttled=0.01),
    )
}
WARM_UP = 1000  # messages, at most


class Measure(NamedTuple):
    """Microseconds of processor time per message, MiB at the peak, messages a second, and what ``peer`` saw."""

    total: float
    user: float
    system: float
    rss: float
    result: Result
    unthrottled: float | None = None  # of a row with throttling: the pace without it, just before

    @property
    def pace(self) -> float:
        """Of the first nine in ten that were submitted; of texts from handsets, all. A gateway that comes back to a
        throttled text after a minute is not blamed for that minute."""
        if "most_seconds" in self.result:
            return 0.9 * self.result["messages"] / self.result["most_seconds"]
        return self.result["messages"] / self.result["seconds"]


def measure(peer: Peer, row: Row, start: Callable[[bool], Gateway], texts: int) -> Measure:
    """One run on a gateway that starts for it, after a short one that does not count. RuntimeError if a message is
    refused or lost."""
    gateway = start(row.with_receipt)
    try:
        return measure_on(peer, row, gateway, row.count(texts))
    finally:
        gateway.stop()


def measure_on(peer: Peer, row: Row, gateway: Gateway, count: int) -> Measure:
    """As ``measure``, on a gateway that runs."""
    peer.smsc_is()
    checked(work(peer, row, gateway, min(WARM_UP, max(100, count // 5))))
    gateway.settle()
    unthrottled = None
    if row.throttled:
        unthrottled = measure_on(peer, replace(row, throttled=0), gateway, count).pace
    peer.smsc_is(throttled=row.throttled)
    begun, ticks = processor_seconds(gateway.pids), _ticks(gateway.pids)
    result = checked(work(peer, row, gateway, count))
    gateway.settle()
    spent = (processor_seconds(gateway.pids) - begun) / count * 1e6
    user, system = (after - before for after, before in zip(_ticks(gateway.pids), ticks, strict=True))
    share = user / (user + system) if user + system else 1.0
    return Measure(spent, spent * share, spent * (1 - share), peak_memory(gateway.pids), result, unthrottled)


def _ticks(pids: list[int]) -> tuple[float, float]:
    found = [processor_times(pid) for pid in pids]
    return sum(user for user, _ in found), sum(system for _, system in found)


def work(peer: Peer, row: Row, gateway: Gateway, count: int) -> Result:
    is_told = row.with_receipt or row.kind == "texts" or gateway.tells_always
    if isinstance(gateway, Ours) and gateway.has_real_broker:
        is_told = False  # ``settle`` waits for it
    if row.kind == "texts":
        return peer.texts(count, int(is_told))
    template = gateway.template(row.text, row.with_receipt)
    options = pattern(row)
    receipts = row.segments if row.with_receipt else 0
    if row.throttled:
        options["enough"] = 0.9
    return peer.load(
        gateway.port, template, count, submits=row.segments, receipts=receipts, reports=int(is_told), **options
    )


def checked(result: Result) -> Result:
    """RuntimeError if not all messages went all their way."""
    refused = {code: times for code, times in result["statuses"].items() if not code.startswith("2")}
    if not result["finished"] or refused or result["lost"] or result["wrong"]:
        raise RuntimeError(f"not all messages went their way: {result}")
    return result


def pattern(row: Row) -> dict[str, float]:
    """How the client sends, as options of ``Peer.load``."""
    return {"connections": row.connections, "depth": row.depth, "rate": row.rate, "under_way": row.under_way}


def bare_store(row: Row, count: int) -> float:
    """Microseconds a message."""
    return floors.store(len(row.text) * (1 if row.text.isascii() else 2), row.batch, count)


def floor(peer: Peer, row: Row, texts: int) -> dict[str, float]:
    """What the bare parts cost that this row can't do without, in microseconds a message: ``store`` and ``socket``;
    ``door`` and ``durable`` where there is a door."""
    count, template = min(row.count(texts), 10_000), send(row.text)
    found = {"store": bare_store(row, min(count, 5000))}
    for kind in ("door", "durable", "socket") if row.kind == "load" else ("socket",):
        with floors.Server(kind) as server:
            options = pattern(row)
            server.cost(peer, template, max(1, count // 10), **options)
            found[kind] = server.cost(peer, template, count, **options)
    return found
