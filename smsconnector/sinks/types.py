"""The types of event sink, by the word that ``events.sink`` of the configuration may have.

A new type is one entry here. The configuration looks the type up when it is read. So another package may add an entry
before that.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from smsconnector.sections import SinkSection
from smsconnector.sinks.stomp.settings import StompSection, make_sink


@dataclass(frozen=True, slots=True)
class SinkType:
    """One type of sink."""

    section: type[SinkSection]  # the model of its section in the configuration
    make: Callable[[Any, Any, Random], Any]  # makes the IEventSink from the reactor, the section, a random generator


SINK_TYPES: dict[str, SinkType] = {
    "stomp": SinkType(StompSection, make_sink),
}
