"""The observer of the process's log: which entries it writes, and how."""

from collections.abc import Callable
from typing import Any

from twisted.logger import ILogObserver, LogEvent
from zope.interface import implementer

from smsconnector.logs.levels import Levels
from smsconnector.logs.lines import Line, line_of


@implementer(ILogObserver)
class Observer:
    """Gives ``write`` a line for each entry that ``levels`` wants. A log that can't be written stops nobody: a disk may
    be full, and who reads a pipe may go away."""

    def __init__(self, levels: Levels, write: Callable[[Line], None]) -> None:
        self._levels, self._write = levels, write

    def __call__(self, event: LogEvent) -> None:
        if self._levels.wants(event):
            try:
                self._write(line_of(event))
            except (OSError, ValueError):  # ValueError: the stream is closed
                return


def to_stream(stream: Any, form: Callable[[Line], str]) -> Callable[[Line], None]:
    """Writes lines to a text stream, or to a ``twisted.python.logfile``."""

    def write(line: Line) -> None:
        stream.write(form(line))
        stream.flush()

    return write
