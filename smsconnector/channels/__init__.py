"""The ways out to the networks. ``types`` names them; a new one is a folder here, one entry there, one table of cases.

A channel takes segments, and tells of receipts and texts. It knows nothing of the store. Whom it tells is given to it
when it is made (``Surroundings``):

1. It has one or more *routes*, each for the numbers with a prefix. For each it asks ``listener_of`` once, when it is
   made, who hears of what is sent through that route.
2. Every segment that ``IRoute.submit`` took comes back to the route's ``Listener`` exactly once: in ``outcomes``, which
   say what became of it, or in ``throttled``, if the network takes none of these for now. The
   listener counts the latter in ``Segment.throttles``.
3. ``Listener.late`` says of a segment whose outcome was given as unknown that the network has taken it after all.
   ``Listener.room`` says that the route can take more now.
4. What the network tells of its own, receipts and texts, goes to ``IReceiver.received``. Its ``done`` is called when
   they are on disk (``None``), or when they could not be written (the error). Only then does the channel answer the
   network: yes, or no, so that the network tells it again.

A channel may also have the ability to ask its network to take segments back that it has: ``ITakesBack``.

``types``     which types of channel there are
``previews``  what a channel says of a text that it is not given
``smpp``      the SMPP channel: routes among binds
``provider``  the base of channels that send by HTTP requests
``twilio``    Twilio, and providers that speak as Twilio does
"""

import enum
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, NamedTuple, Protocol, runtime_checkable

from twisted.internet.defer import Deferred

from smsconnector.channels.previews import Preview
from smsconnector.errors import StoreError
from smsconnector.figures import Figures
from smsconnector.messages import IncomingSegment, Outcome, Receipt, Segment
from smsconnector.sms.segmentation import Split
from smsconnector.wall_clock import WallClock

ReceivedDone = Callable[[StoreError | None], None]


class IRoute(Protocol):
    """What a submitter sends through."""

    @property
    def is_up(self) -> bool:
        """Whether something of it is connected to the network."""
        ...

    def capacity(self, taken: int = 0) -> int:
        """How many segments it can take right now. It need not be counted further than a few dozen beyond ``taken``,
        which is how many of them somebody has already."""
        ...

    def submit(self, segments: Sequence[Segment]) -> Sequence[Segment]:
        """Send these, in order; at most ``capacity()`` of them. Gives back those that found no room after all."""
        ...


class Listener(Protocol):
    """What a route tells of its submits."""

    @property
    def is_urgent(self) -> bool:
        """Whether interactive texts wait in memory for room."""
        ...

    def outcomes(self, outcomes: list[Outcome]) -> None: ...
    def late(self, outcome: Outcome) -> None: ...
    def throttled(self, segments: Iterable[Segment]) -> None: ...
    def room(self) -> None: ...


class IReceiver(Protocol):
    """What a channel tells of the network's own doing."""

    def received(self, items: list[Receipt | IncomingSegment], done: ReceivedDone) -> None: ...


class Part(NamedTuple):
    """One part of a channel that can be up or down, for health and metrics. ``why`` it is not up; "" if that is not
    known."""

    name: str
    state: str  # a stable word: "bound", "down"
    why: str = ""


class IChannel(Protocol):
    """One channel of the configuration: a Twisted service. Making it starts nothing."""

    @property
    def name(self) -> str:
        """What the configuration calls it."""
        ...

    def startService(self) -> None: ...

    def stopService(self) -> "Deferred[Any] | None":
        """Take nothing more, and let what is under way come to its end, for as long as the channel's settings allow."""
        ...

    def cut(self, text: str) -> Split:
        """The segments of a text, such as every route of the channel can send. Raises TextError."""
        ...

    def parts(self) -> list[Part]:
        """Its binds, or whatever connects it to the network, and how they are."""
        ...

    def preview(self, prefix: str, segments: Sequence[Segment]) -> Preview:
        """How the segments of one text would go out by the route with this prefix now. Nothing is sent. There is at
        least one segment."""
        ...


class TakenSegment(NamedTuple):
    """A segment that the network has taken, and what it needs to be told to find it: by which account and bind it went,
    the network's own id of it, and both numbers."""

    account: str
    bind: str | None
    smsc_id: str
    source: str | None  # None: the bind's
    destination: str


class TakeBack(enum.Enum):
    """What came of asking a network to take a segment back."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    SILENT = "silent"  # no answer came: it may be taken back, or not
    NOT_ALLOWED = "not allowed"  # the configuration does not say that the network can
    NOT_ASKED = "not asked"  # it was not possible just now


class TakeBackAnswer(NamedTuple):
    """``code``: of a refusal, the network's own. ``why`` it was not asked: a clause."""

    what: TakeBack
    code: int | None = None
    why: str = ""


TakeBackDone = Callable[[list[TakeBackAnswer]], None]


@runtime_checkable
class ITakesBack(Protocol):
    """The ability of some channels to take back what the network has."""

    def take_back(self, segments: Sequence[TakenSegment], done: TakeBackDone) -> None:
        """Ask the network to take all these back. ``done`` is called once, perhaps at once, with an answer for each. If
        one can't be asked for, none is, and there is one answer, which says why."""
        ...


ListenerOf = Callable[[str, IRoute], Listener]  # the route's prefix ("" for all other numbers), the route


class Predecessor(NamedTuple):
    """The channel that the new one takes the place of while the daemon runs. ``links``: the names of its connections
    that the new one has too, just as they are: it takes them over, and they stay connected. What is under way there
    comes back to whom it came from."""

    channel: Any
    links: frozenset[str]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a channel is made with, beside its name and its section. ``receiver`` hears what the network tells, and
    ``listener_of`` says who hears of the submits of a route. ``public_url`` is how providers reach the HTTP door; None:
    they can't. ``base_path`` is the path below which it answers them. ``before``: None at a start, and for a new
    name. ``figures`` counts."""

    reactor: Any
    wall_clock: WallClock
    dice: Random
    receiver: IReceiver
    listener_of: ListenerOf
    public_url: str | None = None
    base_path: str = "/msg-client"
    before: Predecessor | None = None
    figures: Figures = field(default_factory=Figures)
