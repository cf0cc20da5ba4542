"""Counted warnings: what a bind has seen of one kind is a line in the log for the first, the tenth and the hundredth,
and then for every thousandth."""

from collections import Counter

from twisted.logger import Logger

KINDS = 200  # that are told apart at most: an SMSC may send any status


class Tally:
    """For one bind: ``title`` is its name in the log."""

    log = Logger()

    def __init__(self, title: str) -> None:
        self._title = title
        self._counts: Counter[str] = Counter()

    def count(self, what: str, example: str) -> None:
        """One more of ``what``."""
        if what not in self._counts and len(self._counts) >= KINDS:
            what = "other things"
        self._counts[what] += 1
        count = self._counts[what]
        if count in (1, 10, 100) or count % 1000 == 0:
            self.log.warn(
                "bind {name}: {what}: {count} so far, now {example}",
                name=self._title,
                what=what,
                count=count,
                example=example,
            )
