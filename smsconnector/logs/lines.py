"""An entry of the log as a line, and its forms for people and for programs."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from twisted.logger import LogEvent, formatEvent

from smsconnector.masking import without_quotes

LONGEST = 65_536  # characters of a sentence or a traceback; more are cut off
_ADDRESS = re.compile(r" at 0x[0-9A-Fa-f]+")  # of an object, as repr() shows it
_LEGACY = ("message", "time", "system", "isError", "format", "failure", "why")  # of twisted.python.log: the same again
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
    """Without the values of variables. The words of an exception may hold what a customer wrote."""
    try:
        found = failure.getTraceback()
    except Exception as error:  # noqa: BLE001 — the words of an exception may be the fault
        found = f"no traceback: {type(error).__name__}\n"
    lines = [one if one.startswith(("  ", "Traceback")) else without_quotes(one) for one in found.splitlines()]
    return _ADDRESS.sub("", "".join(f"{one}\n" for one in lines))[-LONGEST:]


def _on_one_line(sentence: str) -> str:
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in sentence)
