"""Trouble that comes again and again, summed up by time for the log.

1. The first one of a kind is told at once, with an example.
2. While there is more of it, there is a line a minute: how many there were since the last line, and the newest example.
3. A minute without it: one line says that it is over, and how many there were. A single one needs no such line.

After that it is new again. A timer runs only while something lasts: nothing is looked at for each one but a dict.
"""

from collections.abc import Mapping
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

    next_at: float = 0.0
    told: int = 1  # one by one
    count: int = 0  # since the last line
    total: int = 0  # since the first line
    example: str = ""


@dataclass(frozen=True, slots=True)
class Sentences:
    """What is said: of one, or of several that come at once; of more of them; and when there are none any more. They
    may have ``title``, ``what``, ``count``, ``total``, ``example``, and ``such``: a comma and the example."""

    one: str = "{title}: {what}{such}"
    more: str = "{title}: {what}: {count} more in the last minute{such}"
    over: str = "{title}: {what}: none in the last minute, {total} before that"


SENTENCES = Sentences()


class Recurring:
    """Writes to ``log``. ``title``: whose trouble it is. ``alone``: so many of a kind are told one by one, before they
    are summed up. Without a ``clock`` nothing is: the first of a kind is told, and no more."""

    def __init__(
        self,
        clock: IReactorTime | None,
        log: Logger,
        title: str,
        sentences: Sentences = SENTENCES,
        *,
        level: Any = LogLevel.warn,
        alone: int = 1,
    ) -> None:
        self._clock, self._log, self._title, self._sentences = clock, log, title, sentences
        self._level, self._alone = level, alone
        self._lasting: dict[str, _Lasting] = {}
        self._timer: IDelayedCall | None = None
        self._is_stopped = False

    def count(self, what: str, example: str = "", number: int = 1) -> None:
        """``number`` more of the kind ``what``; ``example`` says which one this was, in words that follow a comma."""
        if what not in self._lasting and len(self._lasting) >= MOST_KINDS:
            what = OTHER
        found = self._lasting.get(what)
        if found is not None and found.told >= self._alone:
            found.count += number
            found.example = example
        else:
            if found is None:
                found = self._lasting[what] = _Lasting(told=0)
            found.told += 1
            self._say(self._sentences.one, what, example, count=number)
            self._begin(found)
        found.total += number

    def stop(self) -> None:
        """Say what was not told yet, and end the timer. What comes after that is told once."""
        self._is_stopped = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for what, one in self._lasting.items():
            if one.count:
                self._say_more(what, one)
        self._lasting.clear()

    def _begin(self, one: _Lasting) -> None:
        if self._clock is not None and not self._is_stopped:
            one.next_at = one.next_at or self._clock.seconds() + PERIOD
            if self._timer is None:
                self._timer = self._clock.callLater(PERIOD, self._look, self._clock)

    def _look(self, clock: IReactorTime) -> None:
        """Say what is due. The timer is set anew before that, so that no fault of a line ends it."""
        self._timer, now = None, clock.seconds()
        due = {what: one for what, one in self._lasting.items() if one.next_at <= now}
        for what, one in due.items():
            one.next_at = now + PERIOD
            if not one.count:
                del self._lasting[what]
        if self._lasting:
            until = min(one.next_at for one in self._lasting.values()) - now
            self._timer = clock.callLater(until, self._look, clock)
        for what, one in due.items():
            if one.count:
                self._say_more(what, one)
                one.count = 0
            elif one.total > one.told:
                over = self._sentences.over
                self._log.info(over, title=self._title, what=what, total=one.total)

    def _say_more(self, what: str, one: _Lasting) -> None:
        self._say(self._sentences.more, what, one.example, count=one.count)

    def _say(self, sentence: str, what: str, example: str, count: int) -> None:
        such = f", {example}" if example else ""
        self._log.emit(self._level, sentence, title=self._title, what=what, count=count, example=example, such=such)


class Conditions:
    """What is wrong as long as it lasts, seen by somebody who looks now and then: a line when it begins, one each
    ``PERIOD`` while it lasts, and one when it is over."""

    def __init__(self, clock: IReactorTime, log: Logger) -> None:
        self._clock, self._log = clock, log
        self._since: dict[str, float] = {}
        self._told_at: dict[str, float] = {}

    @property
    def lasting(self) -> list[str]:
        """Their names."""
        return list(self._since)

    def settle(self, found: Mapping[str, str]) -> None:
        """These are all that is wrong now: by their names, what the log says of each."""
        now = self._clock.seconds()
        for name in [name for name in self._since if name not in found]:
            lasted = now - self._since.pop(name)
            del self._told_at[name]
            self._log.info("{name}: not so any more, after {lasted:.0f} s", name=name, lasted=lasted)
        for name, sentence in found.items():
            since = self._since.setdefault(name, now)
            if name not in self._told_at or now - self._told_at[name] >= PERIOD:
                self._told_at[name] = now
                so_long = f" (for {now - since:.0f} s now)" if now > since else ""
                self._log.error("{sentence}{so_long}", sentence=sentence, so_long=so_long)
