"""The ports that the HTTP door listens on, from when it opens until it closes."""

from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.endpoints import serverFromString
from twisted.logger import Logger
from twisted.python.failure import Failure

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

    def open(self) -> str:
        """Listen at all endpoints; why that is not possible, or "". Every kind of endpoint that Twisted has says at
        once whether it can be listened on."""
        warning = allow_files(self._maximum_connections)
        if warning:
            self.log.warn("{warning}", warning=warning)
        failures: list[Failure] = []
        for description in self._endpoints:
            listening = serverFromString(self._reactor, with_backlog(description)).listen(self._site)
            listening.addCallbacks(self._ports.append, failures.append)
            if failures:
                return failures[0].getErrorMessage()
            self.log.info("HTTP on {description}", description=description)
        return ""

    def close(self) -> "Deferred[Any]":
        """Listen no more; connections that stand are not closed."""
        return DeferredList([maybeDeferred(port.stopListening) for port in self._ports])
