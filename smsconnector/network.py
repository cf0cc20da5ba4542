"""Endpoints: TCP by host name, TLS with the peer's certificate verified, and peers that connect to us."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from OpenSSL import SSL
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.interfaces import IProtocolFactory, IStreamClientEndpoint, IStreamServerEndpoint
from twisted.internet.protocol import Factory
from twisted.internet.ssl import (
    Certificate,
    PrivateCertificate,
    optionsForClientTLS,
    platformTrust,
    trustRootFromCertificates,
)
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.python.filepath import FilePath
from zope.interface import implementer

CONNECT_TIMEOUT = 10.0  # seconds


@dataclass(frozen=True, slots=True)
class TLS:
    """How the peer is verified, and who we are to it; files are PEM.

    ``ca_file`` None: by what the machine trusts. ``server_name`` None: the host that is connected to; it is also
    what SNI asks for."""

    ca_file: str | None = None
    certificate_file: str | None = None
    key_file: str | None = None
    server_name: str | None = None


def client_endpoint(reactor: Any, host: str, port: int, tls: TLS | None = None) -> Any:
    """An endpoint that connects within CONNECT_TIMEOUT, by TLS if asked for: OSError, ValueError or SSL.Error if its
    files are no good."""
    endpoint: Any = HostnameEndpoint(reactor, host, port, timeout=CONNECT_TIMEOUT)
    return endpoint if tls is None else TLSEndpoint(endpoint, host, tls)


@implementer(IStreamClientEndpoint)
class TLSEndpoint:
    """Reads its files for every connection, so that a certificate that was renewed is used by the next one; if they
    can't be read then, the last ones are."""

    log = Logger()

    def __init__(self, endpoint: IStreamClientEndpoint, host: str, tls: TLS) -> None:
        self._endpoint, self._host, self._tls = endpoint, host, tls
        self._options = tls_options(host, tls)

    def connect(self, factory: IProtocolFactory) -> "Deferred[Any]":
        try:
            self._options = tls_options(self._host, self._tls)
        except (OSError, ValueError, SSL.Error) as error:
            self.log.warn(
                "certificates of {host} can't be read again, the last ones are used: {error}",
                host=self._host, error=error,
            )  # fmt: skip
        connected: Deferred[Any] = wrapClientTLS(self._options, self._endpoint).connect(factory)
        return connected


def tls_options(host: str, tls: TLS) -> Any:
    """Twisted's options for a connection to ``host``."""
    trust: Any = platformTrust() if tls.ca_file is None else trustRootFromCertificates(certificates(tls.ca_file))
    identity = None
    if tls.certificate_file is not None:
        pem = _read(tls.certificate_file) + b"\n" + (_read(tls.key_file) if tls.key_file is not None else b"")
        identity = PrivateCertificate.loadPEM(pem)
    return optionsForClientTLS(tls.server_name or host, trust, identity)


def certificates(path: str) -> list[Certificate]:
    """All certificates of a PEM file."""
    end = b"-----END CERTIFICATE-----"
    parts = [part + end for part in _read(path).split(end) if b"BEGIN CERTIFICATE" in part]
    if not parts:
        raise ValueError(f"{path} holds no certificate; write the path of a PEM file")
    return [Certificate.loadPEM(part) for part in parts]


def _read(path: str) -> bytes:
    return bytes(FilePath(path).getContent())


class _Answering(Factory):
    """Asks ``came`` for the protocol of each connection; None refuses it."""

    def __init__(self, came: Callable[[Any], Any]) -> None:
        self._came = came

    def buildProtocol(self, addr: Any) -> Any:
        return self._came(addr)


@implementer(IStreamClientEndpoint)
class IncomingConnections:
    """A client endpoint whose connections come from the peer: ``connect`` listens, and fires when one has come. It
    listens only while somebody waits, so that a peer is refused rather than left without an answer."""

    def __init__(self, endpoint: IStreamServerEndpoint) -> None:
        self._endpoint = endpoint
        self._waiting: list[tuple[IProtocolFactory, Deferred[Any]]] = []
        self._listening: Deferred[Any] | None = None
        self._factory = _Answering(self._came)

    def connect(self, factory: IProtocolFactory) -> "Deferred[Any]":
        """The first who waits gets the first connection; cancelling gives up waiting."""
        found: Deferred[Any] = Deferred(self._cancelled)
        self._waiting.append((factory, found))
        if self._listening is None:
            self._listening = self._endpoint.listen(self._factory)
            self._listening.addErrback(self._failed)
        return found

    def _came(self, address: Any) -> Any:
        if not self._waiting:
            return None
        factory, found = self._waiting.pop(0)
        self._rest()
        protocol = factory.buildProtocol(address)
        found.callback(protocol)
        return protocol

    def _failed(self, failure: Failure) -> None:
        self._listening = None
        waiting, self._waiting = self._waiting, []
        for _, found in waiting:
            found.errback(failure)

    def _cancelled(self, found: "Deferred[Any]") -> None:
        self._waiting = [pair for pair in self._waiting if pair[1] is not found]
        self._rest()

    def _rest(self) -> None:
        """Listen no more when nobody waits."""
        if not self._waiting and self._listening is not None:
            listening, self._listening = self._listening, None
            listening.addCallback(lambda port: port.stopListening() if port is not None else None)
