"""Where events go. ``types`` names the sinks; a new one is a folder here, one entry there, one table of cases.

A sink is a Twisted service. ``publish`` takes a batch of events, which it owes an answer for, each exactly once:

- CONFIRMED: the far side has taken responsibility for that very event.
- REFUSED: the far side will not take it as it is. The others must not wait for it.
- LATER: not now, and the others must not wait for it either.

That the far side is away is no answer. The sink connects again and sends what has not been confirmed once more, in
order, with the same event ids. After ``stopService`` nothing is answered any more; what was not is still owed.
"""

import enum
from collections.abc import Callable, Sequence
from typing import NamedTuple

from twisted.application.service import IService
from zope.interface import Attribute

from smsconnector.messages import Event


class EventVerdict(enum.Enum):
    """What a sink says of an event."""

    CONFIRMED = "confirmed"
    REFUSED = "refused"
    LATER = "later"


class EventOutcome(NamedTuple):
    """The answer for some events of a batch; ``reason``: the far side's own words, unless they are confirmed."""

    events: Sequence[Event]
    verdict: EventVerdict
    reason: str = ""


TellOutcome = Callable[[EventOutcome], None]


class IEventSink(IService):
    """One destination system for events."""

    connected = Attribute("Whether somebody is there now who can confirm: a bool.")

    def publish(events: Sequence[Event], settle: TellOutcome) -> None:
        """Send all, in order; call ``settle`` as the answers come, for each event once."""
