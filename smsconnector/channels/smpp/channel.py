"""The SMPP channel: its binds, and the routes that choose among them.

1. A route serves the numbers with its prefix, by the binds that name it (``to``); numbers that no prefix fits go to
   the binds that name none. The longest prefix counts. Each route has a submitter of its own, so that one whose
   binds are down holds up nobody else.
2. ``Route.submit`` gives each segment to a bind with room (``choosing``). All segments that are under way to one number
   share a bind, so that they can't overtake each other.
3. Throttled segments go back to the submitter, which sends them first, to any bind with room.
4. What binds hear, receipts and texts, goes to the channel's one receiver.
5. When the configuration changes, a new channel takes the place of this one, with routes of its own. It takes over the
   binds that have not changed: ``give_up``, ``take_over``. The others drain when this one stops. Later segments to a
   number wait for those that are under way there (``follow``), so that they don't overtake them.
"""

from collections.abc import Callable, Sequence
from typing import Any

from twisted.application.service import MultiService, Service

from smsconnector.channels import IReceiver, ListenerOf, Part, ReceivedDone, TakeBackDone, TakenSegment
from smsconnector.channels.previews import Preview
from smsconnector.channels.smpp.bind import Bind
from smsconnector.channels.smpp.cancels import take_back
from smsconnector.channels.smpp.choosing import BindChoice
from smsconnector.channels.smpp.previews import preview
from smsconnector.figures import Figures
from smsconnector.messages import IncomingSegment, Outcome, Receipt, Segment
from smsconnector.sms.segmentation import Split, segment
from smsconnector.wall_clock import WallClock

ROUND = 5  # turns, in one of which no route goes before others


class UnderWay(dict[str, list[Any]]):
    """For each number [the bind, how many of its segments are under way there]. ``elsewhere``: the numbers whose bind
    the route has no more. Routes that follow each other share one: what was sent by the first comes back to it."""

    def __init__(self) -> None:
        super().__init__()
        self.elsewhere: set[str] = set()

    def sent(self, destination: str, bind: Bind) -> None:
        entry = self.get(destination)
        if entry is None:
            self[destination] = [bind, 1]
        else:
            entry[1] += 1

    def answered(self, destination: str) -> None:
        entry = self.get(destination)
        if entry is not None:
            entry[1] -= 1
            if entry[1] <= 0:
                del self[destination]
                self.elsewhere.discard(destination)


class Route:
    """What one submitter sends through: the binds for the numbers with ``prefix`` ("" for all the others)."""

    def __init__(self, prefix: str, listener_of: ListenerOf) -> None:
        self.prefix = prefix
        self._choice = BindChoice()
        self.listener = listener_of(prefix, self)
        self._on = UnderWay()

    @property
    def binds(self) -> list[Bind]:
        return self._choice.binds

    @property
    def is_up(self) -> bool:
        return any(bind.bound for bind in self.binds)

    def add(self, bind: Bind) -> None:
        self._choice.add(bind)

    def follow(self, before: "Route") -> None:
        """It takes the place of that one. Where there was one bind only, nobody has noted what is under way there."""
        self._on = on = before._on
        on.clear()
        for bind in before.binds:
            for one, owner in bind.under_way():
                if isinstance(owner, Route) and owner._on is on:
                    on.sent(one.destination, bind)
        on.elsewhere = {number for number, (bind, _) in on.items() if bind not in self.binds}

    def capacity(self, taken: int = 0) -> int:
        return self._choice.capacity(taken)

    def submit(self, segments: Sequence[Segment]) -> Sequence[Segment]:
        """Send these, in order; gives back those that find no room on the bind of their number."""
        if len(self.binds) == 1 and not self._on.elsewhere:
            return self._send_all(self.binds[0], segments)
        self._choice.begin()
        used: set[Bind] = set()
        left = [segment for segment in segments if not self._send(segment, used)]
        for bind in used:
            bind.flush()
        return left

    def _send_all(self, bind: Bind, segments: Sequence[Segment]) -> Sequence[Segment]:
        """There is one bind: whatever its number, a segment goes there."""
        room = max(0, bind.room)
        for one in segments[:room]:
            bind.submit(one, self)
        bind.flush()
        return segments[room:]

    def _send(self, segment: Segment, used: set[Bind]) -> bool:
        bind = self._choose(segment.destination)
        if bind is None:
            return False
        self._on.sent(segment.destination, bind)
        bind.submit(segment, self)
        used.add(bind)
        return True

    def _choose(self, destination: str) -> Bind | None:
        """The bind that has the number's other segments under way, else the best one with room."""
        entry = self._on.get(destination)
        if entry is None:
            return self._choice.best()
        bind: Bind = entry[0]
        if bind.room <= 0:
            return None
        self._choice.took(bind)
        return bind

    def preview(self, segments: Sequence[Segment]) -> Preview:
        """How these would go out now."""
        entry = self._on.get(segments[0].destination)
        chosen = entry[0] if entry is not None else self._choice.peek()
        return preview(self.binds, self._choice.in_use(), chosen, segments)

    # --- from the binds -------------------------------------------------------------------------------------

    def outcomes(self, outcomes: list[Outcome]) -> None:
        for outcome in outcomes:
            self._on.answered(outcome.segment.destination)
        self.listener.outcomes(outcomes)

    def late(self, outcome: Outcome) -> None:
        self.listener.late(outcome)

    def wait_again(self, segment: Segment) -> None:
        """A throttled segment: the submitter has it again, first in line."""
        self._on.answered(segment.destination)
        self.listener.throttled((segment,))

    def offer_room(self) -> bool:
        """Whether it has used some."""
        room = self.capacity()
        if room:
            self.listener.room()
        return room > 0 and self.capacity() < room


class SMPPChannel(MultiService):
    """All binds of one channel, and their routes by prefix. ``cut`` makes segments of a text, such as every bind can
    send."""

    def __init__(
        self,
        name: str,
        wall_clock: WallClock,
        receiver: IReceiver,
        listener_of: ListenerOf,
        cut: Callable[[str], Split] = segment,
        figures: Figures | None = None,
    ) -> None:
        super().__init__()
        self.figures = Figures() if figures is None else figures
        self.name: str = name
        self.wall_clock = wall_clock
        self.cut = cut
        self._receiver, self._listener_of = receiver, listener_of
        self.binds: list[Bind] = []
        self.routes: dict[str, Route] = {}
        self._named: dict[str, list[Bind]] = {}  # by the names of the configuration
        self._in_turn: list[Route] = []  # the one that has waited for the longest time first
        self._turn = 0

    def startService(self) -> None:
        """Start what does not run yet."""
        Service.startService(self)
        for bind in self.binds:
            if not bind.running:
                bind.startService()

    # --- another configuration ------------------------------------------------------------------------------

    def give_up(self, name: str) -> list[Bind]:
        """The binds of this name, which go on, for who takes them over."""
        given = self._named.pop(name)
        for bind in given:
            self.binds.remove(bind)
            self.services.remove(bind)
            bind.parent = None
        return given

    def take_over(self, name: str, bind: Bind) -> None:
        """A bind that another channel has given up."""
        bind.channel = self
        self.add(bind, name)

    def follow(self, before: "SMPPChannel") -> None:
        """It has taken over from that one whatever it wants."""
        for prefix, route in self.routes.items():
            if prefix in before.routes:
                route.follow(before.routes[prefix])

    # --- its binds ------------------------------------------------------------------------------------------

    def add(self, bind: Bind, name: str = "") -> None:
        """A bind, for the routes that it names; one that only receives serves none. ``name``: of the configuration,
        where several sessions may have one."""
        self.binds.append(bind)
        self._named.setdefault(name, []).append(bind)
        bind.setServiceParent(self)
        if bind.settings.session.mode == "receiver":
            return
        for prefix in dict.fromkeys(bind.settings.to or ("",)):
            if prefix not in self.routes:
                self.routes[prefix] = Route(prefix, self._listener_of)
                self._in_turn.append(self.routes[prefix])
            self.routes[prefix].add(bind)

    def parts(self) -> list[Part]:
        """Its binds."""
        return [bind.part for bind in self.binds]

    def take_back(self, segments: Sequence[TakenSegment], done: TakeBackDone) -> None:
        """Ask the SMSC; see ``channels.ITakesBack``."""
        take_back(self.binds, segments, done)

    def preview(self, prefix: str, segments: Sequence[Segment]) -> Preview:
        """How these would go out by the route with this prefix."""
        return self.routes[prefix].preview(segments)

    def offer_room(self) -> None:
        """Something changed at a bind: every route may have room now. Several may have it on the same bind, so they
        take turns, and those with interactive texts go first, but for one turn in ROUND."""
        if len(self._in_turn) == 1:
            self._in_turn[0].offer_room()
            return
        routes = self._in_turn
        if self._turn % ROUND:
            routes = sorted(routes, key=lambda route: not route.listener.is_urgent)
        went = [route for route in routes if route.offer_room()]
        if went:  # those come last the next time
            self._turn += 1
            self._in_turn = [route for route in self._in_turn if route not in went] + went

    def received(self, items: list[Receipt | IncomingSegment], done: ReceivedDone) -> None:
        self._receiver.received(items, done)
