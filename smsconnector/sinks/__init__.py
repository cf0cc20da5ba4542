"""Where events go. ``types`` names the sinks; a new one is a folder here, one entry there, one table of cases.

A sink is a Twisted service with one method more. ``publish`` takes a batch and returns a Deferred that fires with
None when the far side has confirmed *all* of it, and never before. It does not fail because the far side is
away: the sink reconnects and sends again whatever has not been confirmed, in order, with the same event ids,
until the service is stopped (then the Deferred is cancelled; the events are still in the outbox).
"""

from collections.abc import Sequence

from twisted.application.service import IService
from twisted.internet.defer import Deferred
from zope.interface import Attribute

from smsconnector.messages import Event


class IEventSink(IService):
    """One destination system for events."""

    connected = Attribute("Whether somebody is there now who can confirm: a bool.")

    def publish(events: Sequence[Event]) -> "Deferred[None]":
        """Send all, in order; fire when all are confirmed."""
