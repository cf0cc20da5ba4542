"""What the configuration names, made: channels with their submitters, sinks with their publishers.

The wiring makes all of them at the start; ``reloading`` makes those that another configuration has, while the daemon
runs. Making starts nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

from smsconnector.channels import IChannel, IReceiver, ListenerOf, Predecessor, Surroundings
from smsconnector.channels.types import CHANNEL_TYPES
from smsconnector.config import Configuration
from smsconnector.figures import Figures
from smsconnector.messages import Selection
from smsconnector.sinks import IEventSink
from smsconnector.sinks.types import make_sinks
from smsconnector.store.reader import IReader
from smsconnector.store.writer import IHeardWriter
from smsconnector.walks.outlet import Outlet, SubmitterMaker, make_outlet
from smsconnector.walks.publisher import Publisher
from smsconnector.walks.submitter import Submitter
from smsconnector.wall_clock import WallClock


@dataclass(frozen=True, slots=True)
class Making:
    """Holds what all of them share. ``receiver`` hears what the networks tell. ``process`` names this run."""

    reactor: Any
    wall_clock: WallClock
    writer: IHeardWriter
    reader: IReader
    dice: Random
    receiver: IReceiver
    process: int
    figures: Figures

    def outlet(
        self,
        name: str,
        configuration: Configuration,
        before: Predecessor | None = None,
        staying: Mapping[str, Submitter] | None = None,
    ) -> Outlet:
        """The channel of that name. ``before``: whose place it takes; ``staying``: the submitters of that one, if they
        stay."""
        submitters = SubmitterMaker(self.reactor, self.wall_clock, self.writer, self.reader, self.process)
        make_channel = partial(self._channel, name, configuration, before)
        return make_outlet(name, configuration.channels[name], make_channel, submitters.make, self.dice, staying)

    def _channel(
        self, name: str, configuration: Configuration, before: Predecessor | None, listener_of: ListenerOf
    ) -> IChannel:
        section = configuration.channels[name]
        known = (self.reactor, self.wall_clock, self.dice, self.receiver, listener_of)
        return CHANNEL_TYPES[section.type].make(
            name, section, Surroundings(*known, *configuration.reached_at, before=before, figures=self.figures)
        )

    def sinks(self, configuration: Configuration, names: tuple[str, ...] | None = None) -> dict[str, IEventSink]:
        """Those of these names; None: all."""
        sections = [one for one in configuration.sinks if names is None or one.known_as in names]
        return make_sinks(self.reactor, sections, self.dice, self.wall_clock)

    def publishers(self, configuration: Configuration, sinks: Mapping[str, IEventSink]) -> dict[str, Publisher]:
        """One for each of these sinks, by the same names."""
        wanted = configuration.selections
        return {name: self._publisher(name, sink, wanted[name]) for name, sink in sinks.items()}

    def _publisher(self, name: str, sink: IEventSink, selection: Selection) -> Publisher:
        known = (self.reactor, self.wall_clock, self.writer, self.reader, sink, name, selection)
        return Publisher(*known, dice=self.dice)
