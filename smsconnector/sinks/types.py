"""Which types of event sink there are: the word that ``events.sink`` of the configuration may hold.

A new type is one entry here. The configuration looks a type up when it is read, so an entry may also be added from
outside before that.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from smsconnector.sections import SinkSection
from smsconnector.sinks.stomp.settings import StompSection, make_sink


@dataclass(frozen=True, slots=True)
class SinkType:
    """``section`` is the model of the sink's section in the configuration. ``make`` makes the sink, an ``IEventSink``,
    from the reactor, its section, which is one of that model, and the dice."""

    section: type[SinkSection]
    make: Callable[[Any, Any, Random], Any]


SINK_TYPES: dict[str, SinkType] = {
    "stomp": SinkType(StompSection, make_sink),
}
