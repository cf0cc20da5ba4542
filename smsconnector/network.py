"""Client endpoints: TCP by host name, and TLS with the peer's certificate verified."""

from dataclasses import dataclass
from typing import Any

from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.ssl import (
    Certificate,
    PrivateCertificate,
    optionsForClientTLS,
    platformTrust,
    trustRootFromCertificates,
)
from twisted.python.filepath import FilePath

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
    """An endpoint that connects within CONNECT_TIMEOUT, by TLS if asked for."""
    endpoint: Any = HostnameEndpoint(reactor, host, port, timeout=CONNECT_TIMEOUT)
    if tls is None:
        return endpoint
    trust: Any = platformTrust() if tls.ca_file is None else trustRootFromCertificates(certificates(tls.ca_file))
    identity = None
    if tls.certificate_file is not None:
        pem = _read(tls.certificate_file) + b"\n" + (_read(tls.key_file) if tls.key_file is not None else b"")
        identity = PrivateCertificate.loadPEM(pem)
    return wrapClientTLS(optionsForClientTLS(tls.server_name or host, trust, identity), endpoint)


def certificates(path: str) -> list[Certificate]:
    """All certificates of a PEM file."""
    end = b"-----END CERTIFICATE-----"
    parts = [part + end for part in _read(path).split(end) if b"BEGIN CERTIFICATE" in part]
    return [Certificate.loadPEM(part) for part in parts]


def _read(path: str) -> bytes:
    return bytes(FilePath(path).getContent())
