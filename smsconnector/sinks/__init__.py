"""Where events go. A new sink is one module here, one line in ``SINK_TYPES``, one table of cases.

A sink is a Twisted service with one method. ``publish`` takes a batch and returns a Deferred that fires with
None when the far side has confirmed *all* of it, and never before. It does not fail because the far side is
away: the sink reconnects and sends again whatever has not been confirmed, in order, with the same event ids,
until the service is stopped (then the Deferred is cancelled; the events are still in the outbox).
"""

from collections.abc import Sequence

from twisted.application.service import IService
from twisted.internet.defer import Deferred

from smsconnector.messages import Event


class IEventSink(IService):
    """One destination system for events."""

    def publish(events: Sequence[Event]) -> "Deferred[None]":
        """Send all, in order; fire when all are confirmed."""
