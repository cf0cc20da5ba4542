"""Client endpoints: TCP by host name, and TLS with the peer's certificate verified."""

from typing import Any

from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.ssl import Certificate, optionsForClientTLS, platformTrust, trustRootFromCertificates
from twisted.python.filepath import FilePath

CONNECT_TIMEOUT = 10.0  # seconds


def client_endpoint(reactor: Any, host: str, port: int, tls: bool = False, ca_file: str | None = None) -> Any:
    """An endpoint that connects within CONNECT_TIMEOUT. With ``tls`` the certificate must be good for ``host``, by
    the machine's trust store or by the certificates in ``ca_file`` (PEM)."""
    endpoint: Any = HostnameEndpoint(reactor, host, port, timeout=CONNECT_TIMEOUT)
    if not tls:
        return endpoint
    trust = platformTrust() if ca_file is None else _trust(ca_file)
    return wrapClientTLS(optionsForClientTLS(host, trustRoot=trust), endpoint)


def _trust(ca_file: str) -> Any:
    pem = FilePath(ca_file).getContent()
    end = b"-----END CERTIFICATE-----"
    parts = [part + end for part in pem.split(end) if b"BEGIN CERTIFICATE" in part]
    return trustRootFromCertificates([Certificate.loadPEM(part) for part in parts])
