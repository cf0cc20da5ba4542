"""Which regular expressions of a configuration can hold up the connector: tried on bad texts, in a process of its own.

A pattern such as ``(\\w+\\s*)*:`` takes twice the time for each letter more, and nothing can interrupt it in its own
process. So the check of a configuration tries each pattern in a child, which is killed if it does not come back.
"""

import json
import re
import subprocess  # nosec B404 # its arguments are ours, and no shell reads them
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

from smsconnector.rest.answers import MAXIMUM_VALUES, PATTERN_CHARACTERS
from smsconnector.section_base import Problem

MOST_SECONDS = 0.1  # of one search in a text of PATTERN_CHARACTERS
PATIENCE = 5.0  # seconds for a child, and half a second more for each pattern
_KEYS = ("pattern", "id_pattern")


def slow_patterns(channels: Any) -> list[Problem]:
    """A problem for each pattern that takes too long. ``channels``: the section as it stands in the file, checked."""
    written = list(_patterns(channels, "channels"))
    slow, begin = [], 0
    while begin < len(written):
        verdicts = _tried([pattern for _, pattern in written[begin:]])
        slow += [written[begin + at][0] for at, is_slow in enumerate(verdicts) if is_slow]
        begin += len(verdicts)
    sentence = (
        f"this pattern takes more than {MOST_SECONDS:g} s for some texts of {PATTERN_CHARACTERS} characters, and"
        " nothing else is done meanwhile: write it without a repeat within a repeat, such as (a+)*"
    )
    return [(path, sentence) for path in slow]


def _patterns(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in _KEYS and isinstance(inner, str):
                yield f"{path}.{key}", inner
            else:
                yield from _patterns(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            yield from _patterns(inner, f"{path}[{at}]")


def _tried(patterns: Sequence[str]) -> list[bool]:
    """Whether each is slow, up to the first that does not come back; that one is slow."""
    command = [sys.executable, "-c", f"from {__name__} import try_them; try_them()"]
    try:
        done = subprocess.run(  # nosec B603 # its arguments are ours, and no shell reads them
            command,
            input=json.dumps(patterns).encode(),
            capture_output=True,
            timeout=PATIENCE + len(patterns) / 2,
            check=True,
        )
    except subprocess.TimeoutExpired as error:
        return [*_verdicts(error.stdout or b""), True]
    return _verdicts(done.stdout)


def _verdicts(said: bytes) -> list[bool]:
    return [line == b"slow" for line in said.splitlines()]


def try_them() -> None:
    """In the child: a word for each pattern, as soon as it is known."""
    for written in json.load(sys.stdin):
        pattern = re.compile(written)
        is_slow = any(_seconds(pattern, text) > MOST_SECONDS for text in bad_texts(written))
        sys.stdout.write("slow\n" if is_slow else "good\n")
        sys.stdout.flush()


def _seconds(pattern: re.Pattern[str], text: str) -> float:
    began = time.process_time()
    for _ in zip(range(MAXIMUM_VALUES), pattern.finditer(text), strict=False):  # as answers are read
        pass
    return time.process_time() - began


def bad_texts(pattern: str) -> Iterator[str]:
    """Texts that almost match: what the pattern may repeat, many times, and then something else."""
    literal = re.sub(r"\\[A-Za-z]|[^\w ]", "", pattern)
    prefixes = {"", *re.findall(r"[\w ]{2,}", re.sub(r"\\.", " ", pattern))}
    for prefix in sorted(prefixes):
        for unit in ("a", "1", " ", "a ", "1 ", "a1", ".", "\n", "<a", '"', literal[:64] or "x", *sorted(set(literal))):
            room = PATTERN_CHARACTERS - len(prefix) - 1
            yield prefix + (unit * (room // len(unit) + 1))[:room] + "\0"
