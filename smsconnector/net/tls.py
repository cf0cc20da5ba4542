"""TLS as a client: the settings, and whether the peer's certificate is for the host that we connect to.

OpenSSL checks who has signed a certificate. Whom it is for is checked here (RFC 9525), because Twisted's own check lets
a certificate pass that names no host at all.
"""

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from OpenSSL import SSL, crypto
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
    """Twisted's options for a connection to ``host``. OSError if a file can't be read, ValueError if one is no good;
    the sentence names the file."""
    trust: Any = platformTrust() if tls.ca_file is None else trustRootFromCertificates(certificates(tls.ca_file))
    identity, own = None, " and ".join(path for path in (tls.certificate_file, tls.key_file) if path is not None)
    if tls.certificate_file is not None:
        pem = _read(tls.certificate_file) + b"\n" + (_read(tls.key_file) if tls.key_file is not None else b"")
        identity = _loaded(own, PrivateCertificate.loadPEM, pem)
    name = tls.server_name or host
    options = _loaded(own or str(tls.ca_file), optionsForClientTLS, name, trust, identity)
    return Verifying(options, name if tls.verify_name else None)


def _loaded(path: str, load: Callable[..., Any], *arguments: Any) -> Any:
    """What OpenSSL makes of it. A file may be read while somebody writes it, and then holds half a certificate."""
    try:
        return load(*arguments)
    except Exception as error:  # noqa: BLE001 — OpenSSL and what stands before it have many ways to say it
        why = openssl_reasons(error) or str(error) or type(error).__name__
        raise ValueError(f"{path}: no whole PEM of a certificate and its key ({why})") from None


@implementer(IOpenSSLClientConnectionCreator)
class Verifying:
    """Twisted's connections, with our verdict on whose certificate it is; ``name`` None: whoever's."""

    def __init__(self, inner: IOpenSSLClientConnectionCreator, name: str | None) -> None:
        self._inner, self._name = inner, name

    def clientConnectionForTLS(self, tlsProtocol: Any) -> SSL.Connection:
        connection: SSL.Connection = self._inner.clientConnectionForTLS(tlsProtocol)
        found = weakref.ref(tlsProtocol)

        def judge(_connection: Any, certificate: X509, fault: int, depth: int, good: int) -> bool:
            """OpenSSL's verdict on one certificate of the chain; it comes to the peer's own last."""
            if good and (depth or self._name is None):
                return True
            found_certificate = certificate.to_cryptography()
            why = not_for(self._name or "", found_certificate) if good else faulty(found_certificate, fault, depth)
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


# What is wrong with a certificate, by OpenSSL's X509_V_ERR_ numbers.
_FAULTS = {
    9: "is not valid before {begins}: does this machine's clock tell the right time?",
    10: "has expired, on {ends}: whoever runs the other side has to renew it",
    18: "is signed by itself, and not trusted here: if it is theirs, set tls: {{ca_file: FILE}} to that certificate",
    23: "is revoked",
    26: "is not meant for servers",
}
_NOT_TRUSTED = (
    "is signed by {issuer}, which is not trusted here: set tls: {{ca_file: FILE}} to that authority's certificate"
)


def faulty(certificate: x509.Certificate, fault: int, depth: int) -> str:
    """Why OpenSSL refuses this certificate, which is the peer's own at ``depth`` 0."""
    words = _FAULTS.get(fault, _NOT_TRUSTED if fault in (2, 19, 20, 21) else "is refused (OpenSSL's error {fault})")
    said = words.format(
        begins=f"{certificate.not_valid_before_utc:%Y-%m-%d %H:%M}Z",
        ends=f"{certificate.not_valid_after_utc:%Y-%m-%d %H:%M}Z",
        issuer=certificate.issuer.rfc4514_string(),
        fault=fault,
    )
    return f"{'the certificate' if depth == 0 else 'a certificate of the chain'} {said}"


def names_of(certificate: x509.Certificate) -> tuple[str, ...]:
    """The hosts and addresses that it is for."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return ()
    return tuple(str(name.value) for name in names)


def openssl_reasons(failure: BaseException | None) -> str:
    """The words of OpenSSL's errors, which are triples of library, function and reason; empty for other failures."""
    if not isinstance(failure, (SSL.Error, crypto.Error)) or not failure.args or not isinstance(failure.args[0], list):
        return ""
    return ", ".join(str(part[-1]) for part in failure.args[0])


def explain_failure(failure: Failure) -> str:
    """Why there is no connection (any more), for the log."""
    reasons = openssl_reasons(failure.value)
    if reasons:
        return f"TLS: {reasons}" + (", so it may be that the port speaks no TLS" if "wrong version" in reasons else "")
    return failure.getErrorMessage() or type(failure.value).__name__


def is_our_certificate_refused(failure: Failure) -> bool:
    """Whether the peer says that it does not take our certificate, or wants one (RFC 8446 section 6.2). A server says
    so instead of reading what was written: by TLS 1.3 that may be a request, for the client's handshake is done before
    the server has looked at the certificate."""
    reasons = openssl_reasons(failure.value)
    return "alert" in reasons and any(words in reasons for words in _REFUSALS)


_REFUSALS = ("certificate", "unknown ca", "access denied")  # in OpenSSL's names of the alerts


def certificates(path: str) -> list[Certificate]:
    """All certificates of a PEM file."""
    end = b"-----END CERTIFICATE-----"
    parts = [part + end for part in _read(path).split(end) if b"BEGIN CERTIFICATE" in part]
    if not parts:
        raise ValueError(f"{path} holds no certificate; write the path of a PEM file")
    return [_loaded(path, Certificate.loadPEM, part) for part in parts]


def _read(path: str) -> bytes:
    return bytes(FilePath(path).getContent())
