"""A flame graph of where the processor time goes: ``python -m benchmarks.flame SAMPLES > graph.svg``.

SAMPLES is what ``py-spy record --threads --rate 400 --duration 12 --format raw --output SAMPLES --pid PID`` has written
of a connector under load: each line a stack, its frames with semicolons, and how often it was seen. Stacks of threads
that wait are left out. The width of a box is the share of the samples in which its function was at work or waited for
those above it; what has less than 0.4 % is not drawn.
"""

import argparse
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

WAITING = ("Condition.wait (threading.py", "Worker._work (smsconnector/store/worker.py")
WIDTH, ROW, LEAST = 1200, 17, 0.004  # pixels; pixels; of all samples
COLOURS = {"smsconnector/store": "#e8b04b", "smsconnector": "#e07b53", "twisted": "#7aa6c2", "": "#b5b5b5"}


@dataclass
class Box:
    """A function as it was called by those below it."""

    count: int = 0
    above: dict[str, "Box"] = field(default_factory=dict)


def read(lines: Iterator[str]) -> Box:
    """All stacks as one tree, without those that wait, and without line numbers."""
    root = Box()
    for line in lines:
        stack, _, count = line.rpartition(" ")
        frames = [_named(frame) for frame in stack.split(";")]
        if any(frames[-1].startswith(waiting) for waiting in WAITING):
            continue
        box = root
        box.count += int(count)
        for name in frames:
            box = box.above.setdefault(name, Box())
            box.count += int(count)
    return root


def _named(frame: str) -> str:
    frame = re.sub(r":\d+\)$", ")", frame)
    frame = re.sub(r"\((?:/\S+?/)?((?:smsconnector|twisted)/)", r"(\1", frame)
    return re.sub(r"thread \(\w+\)", "thread", frame)


def draw(root: Box) -> Iterator[str]:
    boxes = list(_above(root, 0.0, 0, WIDTH / max(1, root.count)))
    height = (max((depth for _, depth, *_ in boxes), default=0) + 1) * ROW
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" font-family="sans-serif"'
        ' font-size="11">'
    )
    for left, depth, width, name in boxes:
        colour = next(colour for part, colour in COLOURS.items() if f"({part}" in name or not part)
        shown = escape(name[: int(width / 6.2)]) if width > 20 else ""
        top = height - (depth + 1) * ROW
        yield (
            f'<g><title>{escape(name)}: {width / WIDTH:.1%}</title><rect x="{left:.1f}" y="{top}" width="{width:.1f}"'
            f' height="{ROW - 1}" fill="{colour}"/><text x="{left + 2:.1f}" y="{top + 12}">{shown}</text></g>'
        )
    yield "</svg>"


def _above(box: Box, left: float, depth: int, unit: float) -> Iterator[tuple[float, int, float, str]]:
    """Left edge, row from below, width and name of all boxes above this one; ``unit`` pixels for each sample."""
    for name, one in sorted(box.above.items(), key=lambda item: -item[1].count):
        width = one.count * unit
        if width >= WIDTH * LEAST:
            yield left, depth, width, name
            yield from _above(one, left, depth + 1, unit)
        left += width


def main() -> None:
    parser = argparse.ArgumentParser(description="a flame graph from the samples of py-spy")
    parser.add_argument("samples", type=Path)
    with parser.parse_args().samples.open() as lines:
        root = read(iter(lines))
    sys.stdout.write("\n".join(draw(root)) + "\n")


if __name__ == "__main__":
    main()
