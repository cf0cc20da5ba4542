"""One channel, whole: what connects it to its network, and the submitters that send through its routes.

1. ``make_outlet`` makes the channel. For each of its routes the channel asks who hears of what is sent there, and is
   given a new submitter. Nothing is started.
2. The door finds the submitter for a number, cuts the text with ``cut`` and hands the message over.
3. ``start_submitters`` is called when everything on disk stands in the queue of a route (``requeue``). The channel is
   started apart from that.
4. At the stop the submitters end first, so that nothing new is sent; then the channel ends what is under way.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from random import Random

from twisted.internet.interfaces import IReactorTime

from smsconnector.channels import IChannel, IRoute, ListenerOf
from smsconnector.sections import ChannelSection
from smsconnector.sms.segmentation import Split
from smsconnector.store.reader import IReader
from smsconnector.store.writer import IWriter
from smsconnector.walks.backlog import StoreBacklog
from smsconnector.walks.submitter import RetryPolicy, Submitter

MakeSubmitter = Callable[[IRoute, str, RetryPolicy], Submitter]  # the route, the name of its queue, when to try again


@dataclass(frozen=True, slots=True)
class SubmitterMaker:
    """What all submitters share. ``wall_clock`` gives seconds since the epoch; ``told`` is called when events were
    written; ``process`` names this run of the daemon in the store."""

    clock: IReactorTime
    wall_clock: Callable[[], float]
    writer: IWriter
    reader: IReader
    told: Callable[[], None]
    process: int

    def make(self, route: IRoute, queue: str, policy: RetryPolicy) -> Submitter:
        """A submitter of its own for that route; ``queue`` is the name of the route's segments on disk."""
        backlog = StoreBacklog(
            queue, self.writer, self.reader, clock=self.clock, wall_clock=self.wall_clock, process=self.process
        )
        return Submitter(self.clock, self.wall_clock, backlog, route, policy=policy, told=self.told)


@dataclass(frozen=True, slots=True)
class Outlet:
    """A channel with its submitters by prefix ("" for all other numbers). ``lifetime`` (s) is how long a text that it
    accepts may take at most."""

    channel: IChannel
    submitters: Mapping[str, Submitter]
    lifetime: float

    def submitter(self, destination: str) -> Submitter | None:
        """That of the longest prefix of the number; None if there is none."""
        if len(self.submitters) > 1 or "" not in self.submitters:
            for length in range(len(destination), 0, -1):
                found = self.submitters.get(destination[:length])
                if found is not None:
                    return found
        return self.submitters.get("")

    def cut(self, text: str) -> Split:
        """The segments of a text. Raises TextError."""
        return self.channel.cut(text)

    def start_submitters(self) -> None:
        for submitter in self.submitters.values():
            submitter.startService()

    def stop_submitters(self) -> None:
        """Those that have been started."""
        for submitter in self.submitters.values():
            if submitter.running:
                submitter.stopService()

    def messages_ended(self, message_ids: Collection[int]) -> None:
        """Messages of several segments have ended by a receipt: what is still here of them is not sent."""
        for submitter in self.submitters.values():
            submitter.messages_ended(message_ids)


def make_outlet(
    name: str,
    section: ChannelSection,
    make_channel: Callable[[ListenerOf], IChannel],
    make_submitter: MakeSubmitter,
    dice: Random,
) -> Outlet:
    """The channel ``name`` and, for each of its routes, a submitter. The queue of a route on disk is called by the
    channel and the prefix: ``smpp/4670``, or ``smpp`` where there is no prefix."""
    policy = RetryPolicy(
        attempts=section.retry.attempts,
        initial=section.retry.initial,
        maximum=section.retry.maximum,
        resend=section.unknown_outcome == "resend",
        strict_order=section.strict_order,
        source=dice,
    )
    submitters: dict[str, Submitter] = {}

    def listener_of(prefix: str, route: IRoute) -> Submitter:
        submitters[prefix] = make_submitter(route, f"{name}/{prefix}" if prefix else name, policy)
        return submitters[prefix]

    return Outlet(make_channel(listener_of), submitters, section.lifetime)
