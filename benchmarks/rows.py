"""The rows of the table: what is done, how a run of it goes, and the bar that ours has to meet."""

from collections.abc import Callable
from dataclasses import dataclass
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
        Row("throttled", "as W1, 1 % of submits throttled", throttled=0.01),
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
    count = row.count(texts)
    gateway = start(row.with_receipt)
    try:
        peer.smsc_is()
        checked(work(peer, row, gateway, min(WARM_UP, max(100, count // 5))))
        gateway.settle()
        peer.smsc_is(throttled=row.throttled)
        begun, ticks = processor_seconds(gateway.pids), _ticks(gateway.pids)
        result = checked(work(peer, row, gateway, count))
        gateway.settle()
        spent = (processor_seconds(gateway.pids) - begun) / count * 1e6
        user, system = (after - before for after, before in zip(_ticks(gateway.pids), ticks, strict=True))
        share = user / (user + system) if user + system else 1.0
        return Measure(spent, spent * share, spent * (1 - share), peak_memory(gateway.pids), result)
    finally:
        gateway.stop()


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
    options = {"connections": row.connections, "depth": row.depth, "rate": row.rate}
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


def floor(peer: Peer, row: Row, texts: int) -> dict[str, float]:
    """What the bare parts cost that this row can't do without, in microseconds a message: ``door``, ``socket``,
    ``store``; their sum, without the socket, is the row's floor."""
    count, template = min(row.count(texts), 10_000), send(row.text)
    found = {"store": floors.store(len(row.text) * (1 if row.text.isascii() else 2), row.batch, min(count, 5000))}
    if row.kind == "load":
        options = {"connections": row.connections, "depth": row.depth, "rate": row.rate}
        for kind in ("door", "socket"):
            found[kind], _ = floors.server(peer, kind, template, count, **options)
    else:
        found["socket"], _ = floors.server(peer, "socket", template, count)
    return found
