"""TLS as a client: the settings, and whether the peer's certificate is for the host that we connect to.

OpenSSL checks who has signed a certificate. Whom it is for is checked here (RFC 9525), because Twisted's own check lets
a certificate pass that names no host at all.
"""

import weakref
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from OpenSSL import SSL
from OpenSSL.crypto import X509
from service_identity import CertificateError, VerificationError
from service_identity.cryptography import extract_patterns
from service_identity.hazmat import DNS_ID, IPAddress_ID, verify_service_identity
from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.ssl import (
    Certificate,
    PrivateCertificate,
    optionsForClientTLS,
    platformTrust,
    trustRootFromCertificates,
)
from twisted.python.failure import Failure
from twisted.python.filepath import FilePath
from zope.interface import implementer

from smsconnector.errors import CertificateRefused


@dataclass(frozen=True, slots=True)
class TLS:
    """How the peer is verified, and who we are to it; files are PEM.

    ``ca_file`` None: by what the machine trusts. ``server_name`` None: the host that is connected to; it is also
    what SNI asks for. ``verify_name`` False: any certificate that ``ca_file`` has signed will do."""

    ca_file: str | None = None
    certificate_file: str | None = None
    key_file: str | None = None
    server_name: str | None = None
    verify_name: bool = True


def tls_options(host: str, tls: TLS) -> Any:
    """Twisted's options for a connection to ``host``."""
    trust: Any = platformTrust() if tls.ca_file is None else trustRootFromCertificates(certificates(tls.ca_file))
    identity = None
    if tls.certificate_file is not None:
        pem = _read(tls.certificate_file) + b"\n" + (_read(tls.key_file) if tls.key_file is not None else b"")
        identity = PrivateCertificate.loadPEM(pem)
    name = tls.server_name or host
    return Verifying(optionsForClientTLS(name, trust, identity), name if tls.verify_name else None)


@implementer(IOpenSSLClientConnectionCreator)
class Verifying:
    """Twisted's connections, with our verdict on whose certificate it is; ``name`` None: whoever's."""

    def __init__(self, inner: IOpenSSLClientConnectionCreator, name: str | None) -> None:
        self._inner, self._name = inner, name

    def clientConnectionForTLS(self, tlsProtocol: Any) -> SSL.Connection:
        connection: SSL.Connection = self._inner.clientConnectionForTLS(tlsProtocol)
        found = weakref.ref(tlsProtocol)

        def judge(_connection: Any, certificate: X509, _fault: int, depth: int, good: int) -> bool:
            """OpenSSL's verdict on one certificate of the chain; it comes to the peer's own last."""
            if not good or depth or self._name is None:
                return bool(good)
            why = not_for(self._name, certificate.to_cryptography())
            protocol = found()
            if why and protocol is not None:
                protocol.failVerification(Failure(CertificateRefused(why)))
            return not why

        connection.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, judge)
        return connection


def not_for(name: str, certificate: x509.Certificate) -> str:
    """Why this is no certificate for that host name or address (RFC 9525), "" if it is one."""
    is_address = isIPAddress(name) or isIPv6Address(name)
    try:
        expected = IPAddress_ID(name) if is_address else DNS_ID(name.encode("idna").decode())
        verify_service_identity(extract_patterns(certificate), [expected], [])
    except VerificationError:
        return f"the certificate is not for {name} but for {', '.join(names_of(certificate))}"
    except CertificateError:
        return (
            f"the certificate names no host (it has no subjectAltName), so it may be anybody's: ask for one for {name},"
            " or set tls: {verify_name: no} if ca_file signs for nobody else"
        )
    except Exception as error:  # noqa: BLE001 — whatever it is, this is called by OpenSSL, and nothing was verified
        return f"the certificate can't be read: {error}"
    return ""


def names_of(certificate: x509.Certificate) -> tuple[str, ...]:
    """The hosts and addresses that it is for."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return ()
    return tuple(str(name.value) for name in names)


def openssl_reasons(failure: BaseException | None) -> str:
    """The words of OpenSSL's errors, which are triples of library, function and reason; empty for other failures."""
    if not isinstance(failure, SSL.Error) or not failure.args or not isinstance(failure.args[0], list):
        return ""
    return ", ".join(str(part[-1]) for part in failure.args[0])


def explain_failure(failure: Failure) -> str:
    """Why there is no connection (any more), for the log."""
    reasons = openssl_reasons(failure.value)
    if reasons:
        return f"TLS: {reasons}" + (", so it may be that the port speaks no TLS" if "wrong version" in reasons else "")
    return failure.getErrorMessage() or type(failure.value).__name__


def certificates(path: str) -> list[Certificate]:
    """All certificates of a PEM file."""
    end = b"-----END CERTIFICATE-----"
    parts = [part + end for part in _read(path).split(end) if b"BEGIN CERTIFICATE" in part]
    if not parts:
        raise ValueError(f"{path} holds no certificate; write the path of a PEM file")
    return [Certificate.loadPEM(part) for part in parts]


def _read(path: str) -> bytes:
    return bytes(FilePath(path).getContent())
