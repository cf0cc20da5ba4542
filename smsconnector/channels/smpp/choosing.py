"""Which of a route's binds is next: the lowest priority number first, then the least loaded for its weight.

A bind that is down, or whose SMSC refuses everything for now (``refusals``), is passed over while there is another. Of
very many binds with one weight not all are looked at for each segment: some that have room, other ones each time.

A bind with nothing under way gets up to ``RUN`` of the segments that are sent together: each write, and each read of
the responses, costs more than a submit_sm does. Where SMSCs are slower than the load no bind is idle, and each segment
goes to the least loaded one.
"""

from collections.abc import Iterator, Sequence

from smsconnector.channels.smpp.bind import Bind

COMPARED = 8  # binds of one priority and one weight with room, of which the least loaded is taken
RUN = 16  # segments that an idle bind gets one after the other; fewer for one that weighs less than others
ENOUGH = 64  # segments: whether there is room for more than these is not looked at


class BindChoice:
    """``binds`` in the order of the configuration."""

    def __init__(self) -> None:
        self.binds: list[Bind] = []
        self._by_priority: list[list[Bind]] = []
        self._uneven: set[int] = set()  # the priorities of binds with several weights
        self._heaviest: dict[int, float] = {}  # by priority, the greatest weight
        self._turn = 0
        self._idle: Bind | None = None  # the bind that gets a run
        self._left = 0  # segments of the run that it has not got yet

    def add(self, bind: Bind) -> None:
        self.binds.append(bind)
        priorities = sorted({one.settings.priority for one in self.binds})
        self._by_priority = [[one for one in self.binds if one.settings.priority == each] for each in priorities]
        weights = [{one.settings.weight for one in group} for group in self._by_priority]
        self._uneven = {priority for priority, some in zip(priorities, weights, strict=True) if len(some) > 1}
        self._heaviest = {priority: max(some) for priority, some in zip(priorities, weights, strict=True)}

    def capacity(self, taken: int = 0) -> int:
        """How many segments they can take right now; ENOUGH beyond ``taken`` or more, if there is room for so many."""
        total = 0
        for bind in self._usable() if len(self.binds) > 1 else self.binds:
            total += max(0, bind.room)
            if total >= ENOUGH + taken:
                break
        return total

    def begin(self) -> None:
        """What is sent from now on is sent together."""
        self._left = 0

    def took(self, bind: Bind) -> None:
        """It got a segment that was not its turn."""
        if bind is self._idle:
            self._left -= 1

    def best(self) -> Bind | None:
        """The one for the next segment, which it will get; None if none has room."""
        if self._left > 0:
            self._left -= 1
            return self._idle
        best = self._least_loaded()
        if best is not None and not best.outstanding:
            run = RUN * best.settings.weight / self._heaviest[best.settings.priority]
            self._idle, self._left = best, min(int(run), best.room) - 1
        return best

    def _least_loaded(self) -> Bind | None:
        found: list[Bind] = []
        for bind in self._usable():
            if found and (bind.settings.priority != found[0].settings.priority or self._are_enough(found)):
                break
            if bind.room > 0:
                found.append(bind)
        self._turn += 1
        return min(found, key=lambda one: one.outstanding / one.settings.weight, default=None)

    def peek(self) -> Bind | None:
        """The one that the first of those gets that are sent together next. It is for nobody: they get the binds that
        they would have got anyway."""
        turn = self._turn
        found = self._least_loaded()
        self._turn = turn
        return found

    def in_use(self) -> list[Bind]:
        """Those that are up, and whose SMSC takes something."""
        return [bind for bind in self.binds if bind.bound and not bind.avoided]

    def _are_enough(self, found: Sequence[Bind]) -> bool:
        return len(found) >= COMPARED and found[0].settings.priority not in self._uneven

    def _usable(self) -> Iterator[Bind]:
        """The binds in the order of their priorities, without those that are down or avoided, unless all are."""
        none = True
        for group in self._by_priority:
            for bind in self._in_turn(group):
                if bind.bound and not bind.avoided:
                    none = False
                    yield bind
        if none:
            for group in self._by_priority:
                yield from self._in_turn(group)

    def _in_turn(self, group: Sequence[Bind]) -> Iterator[Bind]:
        """All of these; where they are many, each time from another one on."""
        begin = self._turn % len(group) if len(group) > COMPARED else 0
        for place in range(begin, begin + len(group)):
            yield group[place % len(group)]
