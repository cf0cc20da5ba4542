"""The ports that the HTTP door listens on, from when it opens until it closes."""

from typing import Any, Protocol

from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from smsconnector.http.api import API
from smsconnector.http.connections import allow_files
from smsconnector.http.routes import Routes
from smsconnector.http.server import make_site, with_backlog
from smsconnector.net.server_tls import listen


class DoorSettings(Protocol):
    """What the configuration says of the door: endpoints as Twisted describes them, sizes in octets, times in seconds;
    ``maximum_connections`` 0 for no limit; ``fast_lane`` False: twisted.web reads every request;
    ``warnings`` are sentences for the operator."""

    endpoints: list[str]
    maximum_body: int
    maximum_webhook_body: int
    idle_timeout: float
    request_timeout: float
    maximum_connections: int
    fast_lane: bool

    @property
    def warnings(self) -> list[str]: ...


class Door:
    """Serves the routes of ``api``."""

    log = Logger()

    def __init__(self, reactor: Any, api: API, settings: DoorSettings) -> None:
        self._reactor, self._settings = reactor, settings
        self._ports: list[Any] = []
        self._site = make_site(
            Routes(api),
            reactor,
            settings.maximum_body,
            settings.idle_timeout,
            request_timeout=settings.request_timeout,
            maximum_connections=settings.maximum_connections,
            maximum_webhook_body=settings.maximum_webhook_body,
            fast_lane=settings.fast_lane,
        )

    def open(self) -> str:
        """Listen at all endpoints; why that is not possible, or "". Every kind of endpoint that Twisted has says at
        once whether it can be listened on."""
        warning = allow_files(self._settings.maximum_connections)
        if warning:
            self.log.warn("{sentence}", sentence=warning)
        for warning in self._settings.warnings:
            self.log.warn("{sentence}", sentence=warning)
        failures: list[Failure] = []
        for description in self._settings.endpoints:
            listening = listen(self._reactor, with_backlog(description), self._site)
            listening.addCallbacks(self._ports.append, failures.append)
            if failures:
                return failures[0].getErrorMessage()
            self.log.info("HTTP on {description}", description=description)
        return ""

    def close(self) -> "Deferred[Any]":
        """Listen no more; connections that stand are not closed."""
        return DeferredList([maybeDeferred(port.stopListening) for port in self._ports])
