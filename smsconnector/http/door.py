"""The ports that the HTTP door listens on, from when it opens until it closes."""

from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred, DeferredList, inlineCallbacks, maybeDeferred
from twisted.internet.endpoints import serverFromString
from twisted.logger import Logger

from smsconnector.http.connections import allow_files
from smsconnector.http.site import with_backlog


class Door:
    """``endpoints`` are descriptions of server endpoints, as Twisted reads them; ``maximum_connections`` is how many
    connections the operating system is asked to allow, 0 for no limit."""

    log = Logger()

    def __init__(self, reactor: Any, endpoints: Sequence[str], site: Any, maximum_connections: int) -> None:
        self._reactor, self._endpoints, self._site = reactor, endpoints, site
        self._maximum_connections = maximum_connections
        self._ports: list[Any] = []

    @inlineCallbacks
    def open(self) -> Any:
        """Listen at all endpoints. Every endpoint that Twisted has says at once whether it can be listened on, so the
        Deferred has fired, or failed, when this returns."""
        warning = allow_files(self._maximum_connections)
        if warning:
            self.log.warn("{warning}", warning=warning)
        for description in self._endpoints:
            port = yield serverFromString(self._reactor, with_backlog(description)).listen(self._site)
            self._ports.append(port)
            self.log.info("HTTP on {description}", description=description)

    def close(self) -> "Deferred[Any]":
        """Listen no more; connections that stand are not closed."""
        return DeferredList([maybeDeferred(port.stopListening) for port in self._ports])
