"""Trouble that comes again and again, summed up by time for the log.

1. The first one of a kind is told at once, with an example.
2. While there is more of it, there is a line a minute: how many there were since the last line, and the newest example.
3. A minute without it: one line says that it is over, and how many there were. A single one needs no such line.

After that it is new again. A timer runs only while something lasts: nothing is looked at for each one but a dict.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger, LogLevel

PERIOD = 60.0  # seconds between lines about one thing
MOST_KINDS = 200  # that are told apart: whoever is outside may invent more
OTHER = "other things"


@dataclass(slots=True)
class _Lasting:
    """What is known of one kind. Times are seconds of the clock."""

    next_at: float
    count: int = 0  # since the last line
    total: int = 1  # since the first line
    example: str = ""


class Recurring:
    """Writes to ``log``. ``title``: whose trouble it is."""

    def __init__(self, clock: IReactorTime, log: Logger, title: str, level: Any = LogLevel.warn) -> None:
        self._clock, self._log, self._title, self._level = clock, log, title, level
        self._lasting: dict[Hashable, _Lasting] = {}
        self._timer: IDelayedCall | None = None

    def count(self, what: str, example: str = "", number: int = 1) -> None:
        """``number`` more of the kind ``what``; ``example`` says which one this was, in words that follow a comma."""
        if what not in self._lasting and len(self._lasting) >= MOST_KINDS:
            what = OTHER
        found = self._lasting.get(what)
        if found is not None:
            found.count += number
            found.total += number
            found.example = example
            return
        now = self._clock.seconds()
        self._lasting[what] = _Lasting(now + PERIOD, total=number, example=example)
        self._say("{title}: {what}{count}{example}", what, example, f", {number} times" if number > 1 else "")
        if self._timer is None:
            self._timer = self._clock.callLater(PERIOD, self._look)

    def stop(self) -> None:
        """Say what was not told yet, and end the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for what, one in self._lasting.items():
            if one.count:
                self._say_more(str(what), one)
        self._lasting.clear()

    def _look(self) -> None:
        """What is due. The timer is set anew first: a line may be what fails."""
        self._timer, now = None, self._clock.seconds()
        due = {what: one for what, one in self._lasting.items() if one.next_at <= now}
        for what, one in due.items():
            one.next_at = now + PERIOD
            if not one.count:
                del self._lasting[what]
        if self._lasting:
            until = min(one.next_at for one in self._lasting.values()) - now
            self._timer = self._clock.callLater(until, self._look)
        for what, one in due.items():
            if one.count:
                self._say_more(str(what), one)
                one.count = 0
            elif one.total > 1:
                self._log.info(
                    "{title}: {what}: none in the last minute, {total} before that",
                    title=self._title,
                    what=what,
                    total=one.total,
                )

    def _say_more(self, what: str, one: _Lasting) -> None:
        self._say("{title}: {what}: {count} more in the last minute{example}", what, one.example, one.count)

    def _say(self, sentence: str, what: str, example: str, count: Any) -> None:
        shown = f", {example}" if example else ""
        self._log.emit(self._level, sentence, title=self._title, what=what, count=count, example=shown)
