"""What a bind sees again and again, for the log: a line for the first of a kind, the tenth, the hundredth and every
thousandth, each with an example."""

from collections import Counter

from twisted.logger import Logger

KINDS = 200  # at most that many are told apart: an SMSC may send any status


class Tally:
    """Counts for one bind; ``title`` is its name in the log."""

    log = Logger()

    def __init__(self, title: str) -> None:
        self._title = title
        self._counts: Counter[str] = Counter()

    def count(self, what: str, example: str) -> None:
        """One more of the kind ``what``; ``example`` says which one this was."""
        if what not in self._counts and len(self._counts) >= KINDS:
            what = "other things"
        self._counts[what] += 1
        count = self._counts[what]
        if count in (1, 10, 100) or count % 1000 == 0:
            self.log.warn(
                "{title}: {what}: {count} so far, now {example}",
                title=self._title,
                what=what,
                count=count,
                example=example,
            )
