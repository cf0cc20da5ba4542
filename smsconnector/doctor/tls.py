"""What TLS shows of an SMSC: version, cipher, whose certificate, until when, verified by which authority.

1. The connection that carries the password is verified as the connector's own is. This module takes no part in that.
   When its handshake is good, ``note_handshake`` reads what was agreed.
2. When the certificate is not accepted, OpenSSL says no more than "certificate verify failed". ``look`` then makes a
   second connection. It goes as far as the certificate, notes what is wrong with it, and breaks the handshake off.
   Nothing is ever sent on it.
"""

from typing import Any

from OpenSSL import SSL
from OpenSSL.crypto import X509
from twisted.internet import protocol as net
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import wrapClientTLS
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.ssl import CertificateOptions, platformTrust, trustRootFromCertificates
from twisted.python.failure import Failure
from zope.interface import implementer

from smsconnector.doctor.evidence import TLSFacts
from smsconnector.errors import CertificateRefused
from smsconnector.net.endpoints import client_endpoint
from smsconnector.net.tls import TLS, certificates, names_of, openssl_reasons


def not_verified(failure: BaseException | None) -> bool:
    """Whether a handshake failed because of the certificate."""
    return isinstance(failure, CertificateRefused) or "certificate verify failed" in openssl_reasons(failure)


def note_handshake(facts: TLSFacts, connection: SSL.Connection) -> None:
    """Put what was agreed in a good handshake into ``facts``."""
    facts.version, facts.cipher = connection.get_protocol_version_name(), connection.get_cipher_name() or ""
    certificate, chain = connection.get_peer_certificate(), connection.get_verified_chain()
    if certificate is not None:
        _note_certificate(facts, certificate)
    if chain:
        facts.authority = chain[-1].to_cryptography().subject.rfc4514_string()


def _note_certificate(facts: TLSFacts, certificate: X509) -> None:
    shown = certificate.to_cryptography()
    facts.subject, facts.ends = shown.subject.rfc4514_string(), shown.not_valid_after_utc
    facts.authority = shown.issuer.rfc4514_string()
    facts.names = names_of(shown)


@implementer(IOpenSSLClientConnectionCreator)
class CertificateLook:
    """Makes TLS connections that shake hands as far as the SMSC's own certificate, and never further."""

    def __init__(self, host: str, tls: TLS, facts: TLSFacts) -> None:
        trust: Any = platformTrust() if tls.ca_file is None else trustRootFromCertificates(certificates(tls.ca_file))
        self._context = CertificateOptions(trustRoot=trust).getContext()
        self._name, self._facts = tls.server_name or host, facts

    def clientConnectionForTLS(self, _protocol: Any) -> SSL.Connection:
        connection = SSL.Connection(self._context, None)
        if any(character.isalpha() for character in self._name) and ":" not in self._name:  # no address (RFC 6066)
            connection.set_tlsext_host_name(self._name.encode("idna"))
        connection.set_verify(SSL.VERIFY_PEER, self._judged)
        return connection

    def _judged(self, _connection: Any, certificate: X509, fault: int, depth: int, good: int) -> bool:
        """OpenSSL calls it with its verdict on each certificate of the chain. The SMSC's own, at depth 0, is the last.
        False ends the handshake."""
        if not good:
            self._facts.fault = self._facts.fault or fault
        if depth == 0:
            _note_certificate(self._facts, certificate)
        return depth != 0


class _Connection(net.Protocol):
    """Fires ``over`` when it is closed."""

    def __init__(self, over: "Deferred[None]") -> None:
        self._over = over

    def connectionLost(self, reason: Failure = net.connectionDone) -> None:
        if not self._over.called:
            self._over.callback(None)


def look(reactor: Any, host: str, port: int, tls: TLS, facts: TLSFacts) -> "Deferred[None]":
    """Look at the certificate, and note it in ``facts``. Fires, always with None, when that is done or can't be done;
    the caller cancels it when it takes too long."""
    connected: list[Any] = []

    def give_up(_over: "Deferred[None]") -> None:
        for one in connected:
            one.transport.abortConnection()

    over: Deferred[None] = Deferred(give_up)
    factory = net.Factory.forProtocol(lambda: _Connection(over))
    factory.noisy = False
    endpoint = wrapClientTLS(CertificateLook(host, tls, facts), client_endpoint(reactor, host, port))
    attempt = endpoint.connect(factory)
    attempt.addCallbacks(connected.append, lambda _: None if over.called else over.callback(None))
    return over.addErrback(lambda _: None)
