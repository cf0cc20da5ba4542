"""What /proc says of a process, percentiles, and the list of promises kept and broken."""

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

MIB = 1024  # KiB
_TICKS = os.sysconf("SC_CLK_TCK")


def memory(pid: int, field: str = "VmRSS") -> float:
    """MiB of a process by a field of its /proc/PID/status: ``VmRSS`` now, ``VmHWM`` at its peak."""
    found = re.search(rf"{field}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    if found is None:
        raise ProcessLookupError(f"the process {pid} has ended")
    return int(found[1]) / MIB


def processor_times(pid: int) -> tuple[float, float]:
    """Seconds that all threads of a process have spent in user mode and in kernel mode, to the tick (10 ms)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) / _TICKS, int(fields[12]) / _TICKS


def processor_time(pid: int) -> float:
    """Both of ``processor_times``, together."""
    return sum(processor_times(pid))


def percentile(values: Iterable[float], share: float) -> float:
    """The value below which that share (0 to 1) of them lies, by nearest rank; 0 if there are none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


class Promises:
    """Lines of figures, and whether each holds."""

    def __init__(self) -> None:
        self.broken: list[str] = []

    def show(self, name: str, figure: str, holds: bool = True, promise: str = "") -> None:
        """One line; ``promise`` is what was to hold."""
        verdict = f"   [{promise}: {'kept' if holds else 'BROKEN'}]" if promise else ""
        print(f"{name:22} {figure}{verdict}", flush=True)
        if not holds:
            self.broken.append(name)

    def verdict(self) -> int:
        """The exit status."""
        print(f"broken: {', '.join(self.broken)}" if self.broken else "every promise is kept", flush=True)
        return 1 if self.broken else 0


def some(items: Sequence[object], count: int = 5) -> str:
    """The first few of them, for a line."""
    return ", ".join(map(str, items[:count])) + (", ..." if len(items) > count else "")
