"""A channel and a sink of types that the connector does not have, as somebody else's package would bring them."""

from collections.abc import Sequence
from random import Random
from typing import Any

from twisted.application.service import Service
from zope.interface import implementer

from smsconnector.channels import Part, Surroundings
from smsconnector.channels.previews import Preview, Way, WireAddress
from smsconnector.channels.types import ChannelType
from smsconnector.messages import Event, Finality, Outcome, Receipt, Segment, Verdict
from smsconnector.section_base import Problem
from smsconnector.sections import ChannelSection, Name, SinkSection
from smsconnector.sinks import EventOutcome, EventVerdict, IEventSink, TellOutcome
from smsconnector.sinks.types import SinkType
from smsconnector.sms.segmentation import Split, segment
from smsconnector.wall_clock import WallClock


class ToyChannelSection(ChannelSection):
    """A toy has a line, which must not be engaged."""

    line: Name
    size: int = 1

    def problems(self, path: str) -> list[Problem]:
        return [(f"{path}.line", "the line is engaged")] if self.line == "engaged" else []

    def kin(self) -> dict[str, tuple[str, ...]]:
        return {self.line: (self.line, "other")}


class ToyChannel(Service):
    """Takes every segment at once, and has a receipt for it a second later. It is its own only route."""

    name: str

    def __init__(self, name: str, section: ToyChannelSection, around: Surroundings) -> None:
        self.name, self._section, self._around = name, section, around
        self._listener = around.listener_of("", self)
        self.sent: list[str] = []

    def cut(self, text: str) -> Split:
        return segment(text, maximum_segments=self._section.size)

    @property
    def is_up(self) -> bool:
        return bool(self.running)

    def parts(self) -> list[Part]:
        return [Part(f"{self.name}/{self._section.line}", "open" if self.running else "closed")]

    def preview(self, prefix: str, segments: Sequence[Segment]) -> Preview:
        source, number = WireAddress(segments[0].source or ""), WireAddress(segments[0].destination)
        return Preview([Way(*self.parts()[0], True, source, number)], None, "")

    def capacity(self, taken: int = 0) -> int:
        return 10 if self.running else 0

    def submit(self, segments: Sequence[Segment]) -> Sequence[Segment]:
        self.sent += [one.text for one in segments]
        self._around.reactor.callLater(0, self._answer, segments)
        return ()

    def _answer(self, segments: Sequence[Segment]) -> None:
        account = self._section.line
        self._listener.outcomes([Outcome(one, Verdict.ACCEPTED, account, f"toy-{one.id}") for one in segments])
        now_ms = self._around.wall_clock.milliseconds()
        receipts: list[Any] = [
            Receipt(account, f"toy-{one.id}", Finality.DELIVERED, "000", "DELIVRD", now_ms) for one in segments
        ]
        self._around.reactor.callLater(1, self._around.receiver.received, receipts, lambda error: None)


class ToySinkSection(SinkSection):
    """Where the events go."""

    box: Name


@implementer(IEventSink)
class ToySink(Service):
    """Confirms every event at once."""

    connected = True
    troubles: tuple[()] = ()

    def __init__(self, box: str) -> None:
        self.box = box
        self.events: list[Event] = []

    def publish(self, events: Sequence[Event], settle: TellOutcome) -> None:
        self.events += events
        settle(EventOutcome(events, EventVerdict.CONFIRMED))


def make_toy_sink(_reactor: Any, section: ToySinkSection, _dice: Random, _wall_clock: WallClock) -> ToySink:
    return ToySink(section.box)


TOY_CHANNEL = ChannelType(ToyChannelSection, ToyChannel)
TOY_SINK = SinkType(ToySinkSection, make_toy_sink)
