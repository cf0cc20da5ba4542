"""Measurements as JSON lines, and the table that they end in."""

import json
import statistics
from collections.abc import Callable, Sequence
from typing import Any, TextIO

from benchmarks.rows import ROWS, Measure, Row

LATENCY_OVER_DISK = 0.5  # ms that W5 may take at the median above the disk's own fdatasync
LATENCY_P99 = 5.0  # ms
THROTTLED_SHARE = 0.95  # of the rate without throttling
MEMORY = 200.0  # MiB
_WIDTHS = (10, 45, 9, 9, 7, 5, 5, 10, 20)


class Log:
    """Prints each measurement as a line, into ``output`` too, and remembers it by row and gateway."""

    def __init__(self, output: TextIO | None = None) -> None:
        self._output = output
        self._measures: dict[tuple[str, str], list[Measure]] = {}
        self._floors: dict[str, list[dict[str, float]]] = {}
        self._disks: list[tuple[float, float]] = []

    def line(self, **what: Any) -> None:
        found = {name: round(value, 3) if isinstance(value, float) else value for name, value in what.items()}
        text = json.dumps(found)
        print(text, flush=True)
        if self._output is not None:
            print(text, file=self._output, flush=True)

    def measured(self, number: int, row: Row, gateway: str, found: Measure) -> None:
        self._measures.setdefault((row.name, gateway), []).append(found)
        parts = {"us": found.total, "user_us": found.user, "system_us": found.system, "rss_mib": found.rss}
        if found.unthrottled is not None:
            parts["unthrottled_pace"] = found.unthrottled
        self.line(round=number, row=row.name, gateway=gateway, **parts, pace=found.pace, **found.result)

    def bare(self, number: int, row: Row, costs: dict[str, float]) -> None:
        self._floors.setdefault(row.name, []).append(costs)
        self.line(round=number, row=row.name, floor="bare", **{f"{part}_us": cost for part, cost in costs.items()})

    def disk(self, number: int, row: Row, p50: float, p99: float) -> None:
        self._disks.append((p50, p99))
        self.line(round=number, row=row.name, floor="disk", p50_ms=p50, p99_ms=p99)

    def median(self, row: str, gateway: str, figure: Callable[[Measure], float]) -> float | None:
        """None if it was not measured."""
        found = self._measures.get((row, gateway))
        return statistics.median(map(figure, found)) if found else None

    def ratios(self, row: str, gateway: str, other: str) -> list[float]:
        """Of the processor times, by rounds."""
        found = (self._measures.get((row, name), []) for name in (gateway, other))
        return [one.total / two.total for one, two in zip(*found, strict=False)]

    def floor(self, row: str) -> float | None:
        """Microseconds a message."""
        found = self._floors.get(row)
        return statistics.median(one["store"] + one.get("door", one["socket"]) for one in found) if found else None

    def fdatasync(self) -> tuple[float, float]:
        """p50 and p99, ms."""
        p50, p99 = zip(*self._disks, strict=True)
        return statistics.median(p50), statistics.median(p99)


def table(log: Log, rows: Sequence[str], other: str) -> list[str]:
    """Lines. ``other``: the gateway that ours is compared with."""
    return _Table(log, rows, other).lines


class _Table:
    def __init__(self, log: Log, rows: Sequence[str], other: str) -> None:
        self._log, self._other = log, other
        self.lines = [_cells("row", "", "ours", other, "ratio", "bar", "", "ours/floor", "ratio by rounds")]
        for name in rows:
            self._row(ROWS[name])
        if "W2" in rows:
            mine, theirs = self._both("W2", lambda one: one.rss)
            self._line("memory", "MiB at the peak of W2", mine, theirs, MEMORY, mine)
        self.lines.append(_cells("disk", "fdatasync, ms: p50, p99", *log.fdatasync()))

    def _both(self, row: str, figure: Callable[[Measure], float]) -> tuple[float | None, float | None]:
        return self._log.median(row, "ours", figure), self._log.median(row, self._other, figure)

    def _line(
        self,
        name: str,
        title: str,
        mine: float | None,
        theirs: float | None,
        bar: float | None,
        compared: float | None,
        *,
        ratio: float | None = None,
        floor: float | None = None,
        is_least: bool = False,
        rounds: Sequence[float] = (),
    ) -> None:
        """``compared`` with the bar, of which it may be at most as much, or at least if ``is_least``."""
        verdict = ""
        if bar is not None and compared is not None:
            verdict = "ok" if (compared >= bar if is_least else compared <= bar) else "under" if is_least else "over"
        shown = _ratio(mine, theirs) if ratio is None else ratio
        by_rounds = " ".join(f"{one:.2f}" for one in rounds)
        self.lines.append(_cells(name, title, mine, theirs, shown, bar, verdict, floor, by_rounds))

    def _row(self, row: Row) -> None:
        if row.throttled:
            mine, theirs = self._both(row.name, lambda one: one.pace / (one.unthrottled or one.pace))
            self._line(row.name, f"{row.title}: share", mine, theirs, THROTTLED_SHARE, mine, is_least=True)
            return
        mine, theirs = self._both(row.name, lambda one: one.total)
        floor = _ratio(mine, self._log.floor(row.name))
        if row.than == "kannel":
            ratio = _ratio(mine, theirs)
            bar = row.bar if self._other == "kannel" else None
            rounds = self._log.ratios(row.name, "ours", self._other)
            self._line(row.name, f"{row.title}, us", mine, theirs, bar, ratio, floor=floor, rounds=rounds)
        else:
            ratio = _ratio(mine, self._log.median(row.than, "ours", lambda one: one.total))
            title = f"{row.title}, us (/ our {row.than})"
            self._line(row.name, title, mine, theirs, row.bar, ratio, ratio=ratio, floor=floor)
        if row.rate:
            most = self._log.fdatasync()[0] + LATENCY_OVER_DISK
            for share, bar in (("p50", most), ("p99", LATENCY_P99)):
                waits = self._both(row.name, lambda one, share=share: one.result["submit_ms"][share])  # type: ignore[misc]
                self._line("", f"to submit_sm, ms: {share}", *waits, bar, waits[0])


def _ratio(one: float | None, other: float | None) -> float | None:
    return one / other if one is not None and other else None


def _cells(*columns: object) -> str:
    shown = (f"{one:.2f}" if isinstance(one, float) else "-" if one is None else str(one) for one in columns)
    return "  ".join(one.ljust(width) for one, width in zip(shown, _WIDTHS, strict=False)).rstrip()
