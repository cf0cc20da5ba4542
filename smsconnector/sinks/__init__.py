"""Sinks: the systems that events are sent to. ``types`` lists them. A new sink is a package here, an entry in
``types``, and a case of the common tests.

A sink is a Twisted service. ``publish`` takes a batch of events. The sink answers for each of them exactly once:

- CONFIRMED: the other side has taken responsibility for the event.
- REFUSED: the other side will not take the event as it is. Other events must not wait for it.
- LATER: the other side does not take the event now. Other events must not wait for it.

While the other side is away, there is no answer. The sink connects again, and sends the events without an answer again,
in order and with the same event ids. After ``stopService`` it answers no more. Events without an answer stay in the
outbox.
"""

import enum
from collections.abc import Callable, Sequence
from typing import NamedTuple

from twisted.application.service import IService
from zope.interface import Attribute

from smsconnector.messages import Event


class EventVerdict(enum.Enum):
    """The answer of a sink for an event."""

    CONFIRMED = "confirmed"
    REFUSED = "refused"
    LATER = "later"


class EventOutcome(NamedTuple):
    """The answer for some events of a batch. ``reason`` has the other side's own words; "" for CONFIRMED. ``again``:
    what was not confirmed is tried again by itself; else it stays parked until an operator wants it sent."""

    events: Sequence[Event]
    verdict: EventVerdict
    reason: str = ""
    again: bool = True


class Trouble(NamedTuple):
    """Why events do not flow. ``state``: "down", "holds back" for a system that lives and does not confirm, "refuses",
    or "disabled" where the other side wants no events any more. ``why`` is a sentence. ``since``: seconds of the
    reactor's clock."""

    state: str
    why: str
    since: float


TellOutcome = Callable[[EventOutcome], None]


class IEventSink(IService):
    """One system that events are sent to."""

    connected = Attribute("Whether the other side can confirm events now: a bool.")
    troubles = Attribute("Why some events, or all, do not flow: a list of Trouble, empty while they do.")

    def publish(events: Sequence[Event], settle: TellOutcome) -> None:
        """Send all events, in order. ``settle`` is called as the answers come: for each event once."""
