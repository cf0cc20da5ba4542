"""Texts for which the provider told a trouble of the account. It may be a trouble of that one text all the same.

A provider's answer does not always tell the two apart: "no route" may be about one number, or about all of them. If
others are taken, and the same text brings the same answer again, then it is the text. Without that one text would stop
a channel again and again, until its lifetime ends. A credit that comes and goes looks alike. So between two texts that
are found guilty one has to be taken, too.
"""

from collections import OrderedDict

REMEMBERED = 1_000  # more than may be under way together


class Suspects:
    """``REMEMBERED`` texts at most, the oldest go first."""

    def __init__(self) -> None:
        self._taken = 0  # texts that the provider has taken
        self._guilty_at = 0  # how many were taken when the last one was found guilty
        self._passed: set[int] = set()  # those that have let others go first, in this trouble
        self._told: OrderedDict[int, int] = OrderedDict()  # by id of the segment: how many were taken before it

    def taken(self, segment_id: int, is_found: bool = False) -> None:
        """The provider has taken this one. ``is_found``: some time ago, as a look-up shows; that says nothing of the
        account today."""
        self._taken += not is_found
        if self._told:
            self._told.pop(segment_id, None)

    def is_guilty(self, segment_id: int) -> bool:
        """A trouble of the account was told for this one; whether it is the second time, with others taken between."""
        self._passed.clear()
        before = self._told.setdefault(segment_id, self._taken)
        if max(before, self._guilty_at) < self._taken:
            del self._told[segment_id]
            self._guilty_at = self._taken
            return True
        if len(self._told) > REMEMBERED:
            self._told.popitem(last=False)
        return False

    def lets_others_try(self, segment_id: int) -> bool:
        """Whether another text should be the trial. A suspect says so once in each trouble: else the oldest one would
        be the trial each time, and nobody would learn that it is the text."""
        if segment_id not in self._told or segment_id in self._passed:
            return False
        self._passed.add(segment_id)
        return True
