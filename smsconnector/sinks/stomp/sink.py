"""Send events to ActiveMQ, RabbitMQ, or any broker that speaks STOMP 1.0, 1.1 or 1.2. Its RECEIPT confirms them.

Each kind of event has a destination, and a producer with a connection of its own (``producer``). ActiveMQ reads no more
from a connection while the queue of one of its SENDs is full. So a queue whose consumer is away holds up no other
queue.
"""

import re
from collections.abc import Mapping, Sequence
from random import Random
from types import MappingProxyType
from typing import Any

from twisted.application.service import MultiService
from zope.interface import implementer

from smsconnector.messages import Event
from smsconnector.sinks import EventOutcome, EventVerdict, IEventSink, TellOutcome, Trouble
from smsconnector.sinks.stomp.connection import SessionSettings
from smsconnector.sinks.stomp.destinations import destination_of
from smsconnector.sinks.stomp.failover import FailoverURI
from smsconnector.sinks.stomp.producer import EndpointFactory, Producer, broker_endpoint

_NO_HEADERS: Mapping[str, Mapping[str, str]] = MappingProxyType({})


@implementer(IEventSink)
class StompSink(MultiService):
    """Publishes events to a STOMP broker.

    :param uri: ActiveMQ's failover syntax, or one address (``ValueError`` if it can't be understood).
    :param destinations: for each kind of event the queue, as ``destination_of`` understands it.
    :param settings: of every session. (The test broker coilmq loses its place in a frame that is cut by its reads of
        4,096 octets, and at a client's heart-beat; it works with ``window=4000``, ``heartbeat=(0, 0)`` and
        ``vhost=socket.getfqdn()``.)
    :param headers: for each kind of event the headers that are added.
    """

    def __init__(
        self,
        reactor: Any,
        uri: str,
        destinations: Mapping[str, str],
        settings: SessionSettings = SessionSettings(),  # noqa: B008 — frozen
        *,
        headers: Mapping[str, Mapping[str, str]] = _NO_HEADERS,
        random: Random | None = None,
        endpoint: EndpointFactory = broker_endpoint,
    ) -> None:
        super().__init__()
        parsed, dice = FailoverURI.parse(uri), random or Random()  # nosec B311 # spreads retries in time; nothing secret comes of it
        said = {"login": settings.login, "passcode": settings.passcode, "vhost": settings.vhost}
        for header, value in said.items():
            if value is not None and re.search(r"[\x00\r\n]", value):
                raise ValueError(f"The STOMP {header} holds a line break or NUL, which CONNECT can't express.")
        self.producers: dict[str, Producer] = {}
        for kind, name in destinations.items():
            added = headers.get(kind, {})
            producer = Producer(reactor, destination_of(name), parsed, settings, added, dice, endpoint)
            self.producers[kind] = producer
            producer.setServiceParent(self)

    @property
    def connected(self) -> bool:
        return any(producer.connected for producer in self.producers.values())

    @property
    def troubles(self) -> list[Trouble]:
        found = [producer.trouble for producer in self.producers.values()]
        return [trouble for trouble in found if trouble is not None]

    def publish(self, events: Sequence[Event], settle: TellOutcome) -> None:
        """See ``IEventSink``. Events that STOMP can't carry are answered as REFUSED at once."""
        by_kind: dict[str, list[Event]] = {}
        bad: list[Event] = []
        for event in events:
            good = event.kind in self.producers and event.body.isascii() and "\0" not in event.body
            (by_kind.setdefault(event.kind, []) if good else bad).append(event)
        if bad:
            settle(EventOutcome(bad, EventVerdict.REFUSED, "STOMP can't carry it: its body is not JSON in ASCII"))
        for kind, found in by_kind.items():
            self.producers[kind].publish(found, settle)
