"""The SMPP channel: its binds, and the routes that choose among them.

1. A route serves the numbers with its prefix, by the binds that name it (``to``); numbers that no prefix fits go to
   the binds that name none. The longest prefix counts. Each route has a submitter of its own, so that one whose
   binds are down holds up nobody else.
2. ``Route.submit`` gives each segment to a bind with room (``choosing``). All segments that are under way to one number
   share a bind, so that they can't overtake each other.
3. Throttled segments go back to the submitter, which sends them first, to any bind with room.
4. What binds hear, receipts and texts, goes to the channel's one receiver.
"""

from collections.abc import Callable, Sequence
from typing import Any

from twisted.application.service import MultiService

from smsconnector.channels import IReceiver, ListenerOf, Part, ReceivedDone
from smsconnector.channels.previews import Preview
from smsconnector.channels.smpp.bind import Bind
from smsconnector.channels.smpp.choosing import BindChoice
from smsconnector.channels.smpp.previews import preview
from smsconnector.messages import IncomingSegment, Outcome, Receipt, Segment
from smsconnector.sms.segmentation import Split, segment
from smsconnector.wall_clock import WallClock


class Route:
    """What one submitter sends through: the binds for the numbers with ``prefix`` ("" for all the others)."""

    def __init__(self, prefix: str, listener_of: ListenerOf) -> None:
        self.prefix = prefix
        self._choice = BindChoice()
        self.listener = listener_of(prefix, self)
        self._on: dict[str, list[Any]] = {}  # number -> [bind, how many segments are under way on it]

    @property
    def binds(self) -> list[Bind]:
        return self._choice.binds

    @property
    def is_up(self) -> bool:
        return any(bind.bound for bind in self.binds)

    def add(self, bind: Bind) -> None:
        self._choice.add(bind)

    def capacity(self, taken: int = 0) -> int:
        return self._choice.capacity(taken)

    def submit(self, segments: Sequence[Segment]) -> Sequence[Segment]:
        """Send these, in order; gives back those that find no room on the bind of their number."""
        if len(self.binds) == 1:
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
        entry = self._on.get(segment.destination)
        if entry is None:
            self._on[segment.destination] = [bind, 1]
        else:
            entry[1] += 1
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

    def _answered(self, destination: str) -> None:
        entry = self._on.get(destination)
        if entry is not None:
            entry[1] -= 1
            if entry[1] <= 0:
                del self._on[destination]

    # --- from the binds -------------------------------------------------------------------------------------

    def outcomes(self, outcomes: list[Outcome]) -> None:
        for outcome in outcomes:
            self._answered(outcome.segment.destination)
        self.listener.outcomes(outcomes)

    def late(self, outcome: Outcome) -> None:
        self.listener.late(outcome)

    def wait_again(self, segment: Segment) -> None:
        """A throttled segment: the submitter has it again, first in line."""
        self._answered(segment.destination)
        self.listener.throttled((segment,))

    def offer_room(self) -> None:
        if self.capacity():
            self.listener.room()


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
    ) -> None:
        super().__init__()
        self.name: str = name
        self.wall_clock = wall_clock
        self.cut = cut
        self._receiver, self._listener_of = receiver, listener_of
        self.binds: list[Bind] = []
        self.routes: dict[str, Route] = {}

    def add(self, bind: Bind) -> None:
        """A bind, for the routes that it names; one that only receives serves none."""
        self.binds.append(bind)
        bind.setServiceParent(self)
        if bind.settings.session.mode == "receiver":
            return
        for prefix in dict.fromkeys(bind.settings.to or ("",)):
            if prefix not in self.routes:
                self.routes[prefix] = Route(prefix, self._listener_of)
            self.routes[prefix].add(bind)

    def parts(self) -> list[Part]:
        """Its binds."""
        return [bind.part for bind in self.binds]

    def preview(self, prefix: str, segments: Sequence[Segment]) -> Preview:
        """How these would go out by the route with this prefix."""
        return self.routes[prefix].preview(segments)

    def offer_room(self) -> None:
        """Something changed at a bind: every route may have room now."""
        for route in self.routes.values():
            route.offer_room()

    def received(self, items: list[Receipt | IncomingSegment], done: ReceivedDone) -> None:
        self._receiver.received(items, done)
