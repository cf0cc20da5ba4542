"""One channel together with the submitters that send through its routes.

1. ``make_outlet`` makes the channel. For each of its routes the channel asks for a listener, and gets a new submitter.
   Nothing is started yet.
2. The HTTP API finds the submitter for a number, cuts the text with ``cut``, and hands the message to the submitter.
3. ``start_submitters`` is called when every queued segment on disk is in the queue of a route (``requeue``). The
   channel itself is started separately.
4. At the stop, the submitters are stopped first, so that nothing new is sent. Then the channel ends what is under way.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

from twisted.internet.interfaces import IReactorTime

from smsconnector.channels import (
    IChannel,
    IRoute,
    ITakesBack,
    ListenerOf,
    TakeBack,
    TakeBackAnswer,
    TakeBackDone,
    TakenSegment,
)
from smsconnector.codes import ANY, Codes
from smsconnector.sections import ChannelSection
from smsconnector.sms.segmentation import Split
from smsconnector.store.reader import IReader
from smsconnector.store.writer import IWriter
from smsconnector.walks.backlog import StoreBacklog
from smsconnector.walks.retry_policy import RetryPolicy
from smsconnector.walks.submitter import CROWDED_DELAY, Submitter
from smsconnector.walks.whereabouts import Place
from smsconnector.wall_clock import WallClock

MakeSubmitter = Callable[[IRoute, str, RetryPolicy], Submitter]  # the route, the name of its queue, when to try again


@dataclass(frozen=True, slots=True)
class SubmitterMaker:
    """Makes submitters; holds what all of them share."""

    clock: IReactorTime
    wall_clock: WallClock
    writer: IWriter
    reader: IReader
    process: int  # the number of this process; claims in the database are made in its name

    def make(self, route: IRoute, queue: str, policy: RetryPolicy) -> Submitter:
        """A new submitter for ``route``. ``queue`` is the name of the route's queue in the database."""
        backlog = StoreBacklog(
            queue,
            self.writer,
            self.reader,
            clock=self.clock,
            wall_clock=self.wall_clock,
            process=self.process,
            longest_pause=policy.longest_pause,
            fall_back_after=policy.fall_back_after,
        )
        return Submitter(self.clock, self.wall_clock, backlog, route, policy=policy)


class FallBackTo(NamedTuple):
    """Where a channel's messages go that it could not send in time."""

    channel: str | None = None  # None: nowhere
    after: float = 0.0  # seconds
    may_repeat: bool = True  # what may have been sent


NOWHERE = FallBackTo()


@dataclass(frozen=True, slots=True)
class Outlet:
    """A channel with its submitters. ``predecessors`` are those of earlier configurations that this one took the place
    of: what is under way there is still theirs."""

    channel: IChannel
    submitters: Mapping[str, Submitter]  # by the prefix of the numbers; "" for all other numbers
    lifetime: float  # seconds from the acceptance of a message, after which it ends without an outcome
    fall_back: FallBackTo = NOWHERE
    codes: Codes = ANY  # how the codes of its network are read
    can_opt_out: bool = False  # whether its customers can opt out by a word
    is_bulk: bool = False  # the class of texts that do not say theirs
    may_repeat: bool = True  # the policy is ``resend``: on disk, what is with the channel is queued
    default_country: str | None = None  # of numbers as they are dialled inside it
    predecessors: list["Outlet"] = field(default_factory=list)

    def submitter(self, destination: str) -> Submitter | None:
        """The submitter with the longest prefix that the number begins with; None if there is none."""
        if len(self.submitters) > 1 or "" not in self.submitters:
            for length in range(len(destination), 0, -1):
                found = self.submitters.get(destination[:length])
                if found is not None:
                    return found
        return self.submitters.get("")

    def prefix_of(self, submitter: Submitter) -> str:
        """The prefix of its route."""
        return next(prefix for prefix, one in self.submitters.items() if one is submitter)

    def queued_under_way(self, submitter: Submitter) -> int:
        """How many segments are with the channel, or have no outcome on disk yet, and are queued on disk all the same:
        under ``hold`` they are claimed there."""
        return len(submitter.submitted) if self.may_repeat else 0

    def cut(self, text: str) -> Split:
        """Cut a text into segments. Raises TextError."""
        return self.channel.cut(text)

    def take_back(self, segments: Sequence[TakenSegment], done: TakeBackDone) -> None:
        """Ask the network to take these back; see ``channels.ITakesBack``."""
        if isinstance(self.channel, ITakesBack):
            self.channel.take_back(segments, done)
        else:
            done([TakeBackAnswer(TakeBack.NOT_ALLOWED)])

    def places(self, destination: str, segment_ids: Collection[int]) -> dict[int, Place]:
        """Where the segments to that number are, by their ids; see ``whereabouts``."""
        submitter = self.submitter(destination)
        return submitter.whereabouts.of(segment_ids) if submitter is not None else {}

    def start_submitters(self) -> None:
        """Start those that do not run yet."""
        for submitter in self.submitters.values():
            if not submitter.running:
                submitter.startService()

    @property
    def is_idle(self) -> bool:
        """Whether nothing of it is with the channel, or may be given to it when a mark is on disk, and every outcome is
        on disk."""
        return not any(submitter.submitted or submitter.claims.writing for submitter in self.submitters.values())

    def stop_submitters(self) -> None:
        """Stop the submitters that have been started."""
        for submitter in self.submitters.values():
            if submitter.running:
                submitter.stopService()

    def overdue(self, now_ms: int) -> set[int]:
        """The ids of the messages past their lifetime that are being submitted."""
        return set().union(*(submitter.overdue(now_ms) for submitter in self.submitters.values()))

    def messages_ended(self, message_ids: Collection[int]) -> None:
        """These messages have ended, by receipts or for want of them. Their segments that still wait are not sent."""
        for submitter in self.submitters.values():
            submitter.messages_ended(message_ids)

    def hold(self, messages: Sequence[tuple[int, int]]) -> set[int]:
        """Submit nothing until ``release``; see ``withdrawal``, also for what is given and what comes back."""
        earlier = [submitter for outlet in self.predecessors for submitter in outlet.submitters.values()]
        busy = set[int]().union(*(submitter.submitted for submitter in earlier))
        return {one for one, count in messages if busy.isdisjoint(range(one, one + count))}.intersection(
            *(submitter.held.hold(messages) for submitter in self.submitters.values())
        )

    def release(self, moved: Collection[int]) -> None:
        """The messages with these ids are another channel's now."""
        for submitter in self.submitters.values():
            submitter.held.release(moved)


class Outlets(dict[str, Outlet]):
    """The channels by their names. ``leaving`` are those of an earlier configuration that end what is under way: they
    take nothing more, but what is under way there is still theirs."""

    def __init__(self, outlets: Mapping[str, Outlet] | None = None) -> None:
        super().__init__(outlets or {})
        self.leaving: list[Outlet] = []

    def everyone(self) -> Iterator[Outlet]:
        """Those that are leaving, too. A submitter that stays may be in two of them."""
        yield from self.values()
        yield from self.leaving

    def country_of(self, channel: str) -> str | None:
        """Inside which country the numbers of that channel are dialled, if that is known."""
        outlet = self.get(channel)
        return None if outlet is None else outlet.default_country


def queues_of(outlets: Mapping[str, Outlet]) -> tuple[str, ...]:
    """The names of the queues of all routes."""
    return tuple(one.queue for outlet in outlets.values() for one in outlet.submitters.values())


def make_outlet(
    name: str,
    section: ChannelSection,
    make_channel: Callable[[ListenerOf], IChannel],
    make_submitter: MakeSubmitter,
    dice: Random,
    staying: Mapping[str, Submitter] | None = None,
) -> Outlet:
    """Make the channel ``name`` and a submitter for each of its routes. The name of a route's queue in the database is
    made of the channel and the prefix: ``smpp/4670``, or ``smpp`` if there is no prefix. ``staying``: the submitters
    of the channel that this one takes the place of, by prefix, if they stay as they are."""
    fall_back, may_repeat = NOWHERE, section.unknown_outcome == "resend"
    if section.fallback is not None:
        fall_back = FallBackTo(section.fallback.channel, section.fallback.after, may_repeat)
    policy = RetryPolicy(
        attempts=section.retry.attempts,
        initial=section.retry.initial,
        maximum=section.retry.maximum,
        resends=section.retry.resends,
        resend=may_repeat,
        strict_order=section.strict_order,
        source=dice,
        longest_pause=max(section.longest_pause(), CROWDED_DELAY),
        fall_back_after=fall_back.after if fall_back.channel else None,
        interactive_share=section.interactive_share,
    )
    submitters: dict[str, Submitter] = {}

    def listener_of(prefix: str, route: IRoute) -> Submitter:
        if staying is None:
            submitters[prefix] = make_submitter(route, f"{name}/{prefix}" if prefix else name, policy)
        else:
            submitters[prefix] = staying[prefix]
            submitters[prefix].route = submitters[prefix].whereabouts.route = route
        return submitters[prefix]

    codes, can_opt_out = section.codes_of(name), section.opt_out is not None
    channel = make_channel(listener_of)
    is_bulk, country = section.priority == "bulk", section.default_country
    return Outlet(channel, submitters, section.lifetime, fall_back, codes, can_opt_out, is_bulk, may_repeat, country)
