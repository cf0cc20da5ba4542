"""The ports that the HTTP door listens on, from when it opens until it closes."""

import errno
from ipaddress import ip_address
from typing import Any, Protocol

from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.logger import Logger
from twisted.python.failure import Failure

from smsconnector.http.api import API
from smsconnector.http.connections import allow_files
from smsconnector.http.routes import Routes
from smsconnector.http.server import make_site, with_backlog
from smsconnector.http_section import exposure
from smsconnector.net.server_tls import RenewedCertificate, listen


class DoorSettings(Protocol):
    """What the configuration says of the door: endpoints as Twisted describes them, of which ``shared_endpoints`` are
    those of other processes too; sizes in octets, times in seconds; ``maximum_connections`` 0 for no limit;
    ``fast_lane`` False: twisted.web reads every request;
    ``allow_insecure``: others may reach it without a key or TLS; ``warnings`` are sentences for the operator."""

    endpoints: list[str]
    shared_endpoints: list[str]
    maximum_body: int
    maximum_webhook_body: int
    idle_timeout: float
    request_timeout: float
    maximum_connections: int
    fast_lane: bool

    allow_insecure: bool

    def warnings(self, has_keys: bool) -> list[str]: ...


class Door:
    """Serves the routes of ``api``."""

    log = Logger()

    def __init__(self, reactor: Any, api: API, settings: DoorSettings) -> None:
        self._reactor, self.api, self._settings = reactor, api, settings
        self._ports: list[Any] = []
        self._certificates: list[RenewedCertificate] = []
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
        once whether it can be listened on. Those that are shared come last: who comes by them is served at once."""
        warning = allow_files(self._settings.maximum_connections)
        if warning:
            self.log.warn("{sentence}", sentence=warning)
        for warning in self._settings.warnings(self.api.needs_key):
            self.log.warn("{sentence}", sentence=warning)
        return self._listen(self._settings.endpoints) or self._listen(self._settings.shared_endpoints, shared=True)

    def _listen(self, endpoints: list[str], *, shared: bool = False) -> str:
        failures: list[Failure] = []
        for description in endpoints:
            endpoint = with_backlog(description)
            certificate = RenewedCertificate(endpoint) if description.startswith("ssl:") else None
            self._certificates += [certificate] if certificate is not None else []
            listening = listen(self._reactor, endpoint, self._site, shared=shared, certificate=certificate)
            listening.addCallbacks(self._ports.append, failures.append)
            if failures:
                return _why_not(failures[0], shared)
            if description.startswith("systemd:") and not self._settings.allow_insecure:
                host = getattr(self._ports[-1].getHost(), "host", None)  # none: a UNIX socket
                if host is not None and not ip_address(host.partition("%")[0]).is_loopback:
                    return f"http.endpoints: {exposure(description, self.api.needs_key, is_tls=False)}"
            self.log.info("HTTP on {description}", description=description)
        return ""

    def look_at_certificates(self) -> None:
        """Those that were renewed are presented from now on, and the log says so, or why not."""
        for certificate in self._certificates:
            certificate.look()

    def close(self) -> "Deferred[Any]":
        """Listen no more. Connections that stand are closed behind their next answer."""
        self._site.is_leaving = True
        self.api.stop()
        return DeferredList([maybeDeferred(port.stopListening) for port in self._ports])


def _why_not(failure: Failure, shared: bool) -> str:
    """In a sentence that names the key."""
    error: Any = failure.value
    sentence = f"http.{'shared_' if shared else ''}endpoints: can't listen: {failure.getErrorMessage()}"
    if shared and isinstance(error, CannotListenError) and error.socketError.errno == errno.EADDRINUSE:
        sentence += (
            f" Another process has port {error.port}, and does not share it: each has to name it in"
            " http.shared_endpoints, and to run as the same user. `ss -ltnp` shows which process it is."
        )
    return sentence
