"""The types of event sink, by the word that ``events.sink`` of the configuration may have.

A new type is one entry here. The configuration looks the type up when it is read. So another package may add an entry
before that.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random
from typing import Any

from smsconnector.sections import SinkSection
from smsconnector.sinks.stomp.settings import StompSection, make_stomp_sink
from smsconnector.sinks.webhook.callbacks import TYPE, CallbackHost, make_callback_sink
from smsconnector.sinks.webhook.settings import WebhookSection, make_webhook_sink
from smsconnector.wall_clock import WallClock


@dataclass(frozen=True, slots=True)
class SinkType:
    """One type of sink."""

    section: type[SinkSection]  # the model of its section in the configuration
    # Makes the IEventSink from the reactor, the section, a random generator, and the time of day.
    make: Callable[[Any, Any, Random, WallClock], Any]


SINK_TYPES: dict[str, SinkType] = {
    "stomp": SinkType(StompSection, make_stomp_sink),
    "webhook": SinkType(WebhookSection, make_webhook_sink),
}


# Of sinks that no section of ``events`` describes.
_OTHERS: dict[str, SinkType] = {TYPE: SinkType(CallbackHost, make_callback_sink)}


def make_sinks(reactor: Any, sections: Iterable[SinkSection], dice: Random, wall_clock: WallClock) -> dict[str, Any]:
    """The sinks, each an IEventSink, that the sections describe, by their names."""
    types = _OTHERS | SINK_TYPES
    return {one.known_as: types[one.type].make(reactor, one, dice, wall_clock) for one in sections}
