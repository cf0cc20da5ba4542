"""An entry of the log as a line, and its forms for people and for programs."""

import json
import linecache
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from twisted.logger import LogEvent, formatEvent

from smsconnector.errors import SMSConnectorError
from smsconnector.masking import without_numbers, without_quotes

LONGEST = 65_536  # characters of a sentence or a traceback; more are cut off
_ADDRESS = re.compile(r" at 0x[0-9A-Fa-f]+")  # of an object, as repr() shows it
# Their words are about code, files and the network.
_OF_CODE = (AttributeError, NameError, ImportError, TypeError, OSError, SMSConnectorError)
_PLAIN = (str, int, float, bool, type(None))


class Line(NamedTuple):
    """``time``: seconds since the Unix epoch. ``traceback``: of an entry that has one, with an end of line after each
    of its lines; else ""."""

    time: float
    level: str
    namespace: str
    sentence: str
    fields: Mapping[str, Any]
    traceback: str = ""


def line_of(event: LogEvent) -> Line:
    """The line of an entry. It raises nothing that ``formatEvent`` does not, and that raises nothing."""
    level = event.get("log_level")
    failure = event.get("log_failure")
    return Line(
        event.get("log_time", 0.0),
        level.name if level is not None else "info",
        event.get("log_namespace") or "-",
        _plain(formatEvent(event)),
        {key: _field(value) for key, value in event.items() if _is_field(key)},
        _traceback(failure) if failure is not None else "",
    )


def text_of(line: Line) -> str:
    """For a terminal: the time of day there, the level if it is not info, the sentence. What a terminal would obey is
    shown, not sent."""
    level = "" if line.level == "info" else f"{line.level}: "
    sentence = _on_one_line(line.sentence)
    return f"{datetime.fromtimestamp(line.time):%H:%M:%S} {level}{sentence}\n{line.traceback}"


def json_of(line: Line) -> str:
    """One object on one line, in ASCII. The time is UTC."""
    shown: dict[str, Any] = {
        "time": f"{datetime.fromtimestamp(line.time, UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z",
        "level": line.level,
        "namespace": line.namespace,
        "message": line.sentence,
    }
    if line.fields:
        shown["fields"] = line.fields
    if line.traceback:
        shown["traceback"] = line.traceback
    return json.dumps(shown) + "\n"


def _plain(sentence: str) -> str:
    return _ADDRESS.sub("", sentence)[:LONGEST]


def _is_field(key: str) -> bool:
    """Entries of twisted.python.log have fields of their own, which say the same once more."""
    return not key.startswith("log_") and key not in (
        "message",
        "time",
        "system",
        "isError",
        "format",
        "failure",
        "why",
    )


def _field(value: Any) -> Any:
    return value if isinstance(value, _PLAIN) and not isinstance(value, str) else _plain(str(value))


def _traceback(failure: Any) -> str:
    """Where it came from, the innermost call last, and what that came of. Values of variables are not shown."""
    lines = ["Traceback (most recent call last):"]
    for method, path, number, *_ in failure.frames or failure.stack:
        lines.append(f'  File "{path}", line {number}, in {method}')
        lines.append(f"    {linecache.getline(path, number).strip()}")
    error, seen = failure.value, set[int]()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        lines.append(f"{'caused by ' if len(seen) > 1 else ''}{type(error).__qualname__}: {_words_of(error)}")
        error = getattr(error, "__cause__", None) or getattr(error, "__context__", None)
    return _ADDRESS.sub("", "".join(f"{one}\n" for one in lines))[-LONGEST:]


def _words_of(error: Any) -> str:
    """On one line. Those of most exceptions may hold what a customer wrote."""
    try:
        words = str(error)
    except Exception as other:  # noqa: BLE001 — its own words may be a fault
        return f"(no words: {type(other).__name__})"
    return _on_one_line(without_numbers(words) if isinstance(error, _OF_CODE) else without_quotes(words))


def _on_one_line(sentence: str) -> str:
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in sentence)
