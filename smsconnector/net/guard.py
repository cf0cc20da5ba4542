"""Connections to public addresses only, wherever a name leads (server-side request forgery, DNS rebinding).

An operator writes the URL of a webhook, and often it is a customer's word. It must not lead into the operator's own
network: not to a metadata service, nor to a broker that trusts its neighbours.

1. The name is resolved for every connection.
2. Of the addresses that come back, those that are not public are left out. If none is left, there is no connection,
   and the failure says why.
3. The connection goes to the addresses that were looked at: nobody asks for the name a second time. TLS still asks for
   the name, and verifies it.

Only addresses count, not how they are written: a literal address in any spelling is resolved as well, and
``literal_address`` knows the same spellings for a check before anything is connected.
"""

import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.error import DNSLookupError
from twisted.internet.interfaces import (
    IHostnameResolver,
    IHostResolution,
    IProtocolFactory,
    IReactorPluggableNameResolver,
    IResolutionReceiver,
    IStreamClientEndpoint,
)
from twisted.python.failure import Failure
from zope.interface import implementer

from smsconnector.errors import TargetNotAllowed
from smsconnector.net.endpoints import CONNECT_TIMEOUT, TLSEndpoint
from smsconnector.net.tls import TLS

# IANA's registry of special-purpose addresses for IPv4 (RFC 6890 and later), with multicast (RFC 5771).
_NOT_PUBLIC_4 = {
    "0.0.0.0/8": "this host",
    "10.0.0.0/8": "private",
    "100.64.0.0/10": "shared by a provider's customers",
    "127.0.0.0/8": "loopback",
    "169.254.0.0/16": "link-local",
    "172.16.0.0/12": "private",
    "192.0.0.0/24": "reserved",
    "192.0.2.0/24": "for documentation",
    "192.88.99.0/24": "reserved",
    "192.168.0.0/16": "private",
    "198.18.0.0/15": "for benchmarks",
    "198.51.100.0/24": "for documentation",
    "203.0.113.0/24": "for documentation",
    "224.0.0.0/4": "multicast",
    "240.0.0.0/4": "reserved",
}
# Of IPv6 only what IANA has given out for unicast is public (RFC 4291 section 2.5.4), but for these. So neither ::,
# ::1, ::ffff:a.b.c.d, 64:ff9b::a.b.c.d, fc00::, fe80:: nor ff00:: is.
_PUBLIC_6 = IPv6Network("2000::/3")
_NOT_PUBLIC_6 = {
    "2001::/23": "reserved",  # with Teredo, which has an IPv4 address in it
    "2001:db8::/32": "for documentation",
    "2002::/16": "6to4, which has an IPv4 address in it",
    "3fff::/20": "for documentation",
}
_NETWORKS = [(ip_network(text), why) for text, why in (_NOT_PUBLIC_4 | _NOT_PUBLIC_6).items()]


def why_not_public(address: str) -> str | None:
    """What the address, an IPv4 or IPv6 literal as a resolver gives it, is instead of public; None if it is public."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return "no address"
    for network, why in _NETWORKS:
        if parsed in network:
            return why
    if isinstance(parsed, IPv6Address) and parsed not in _PUBLIC_6:
        return _kind_of_ipv6(parsed)
    return None


def _kind_of_ipv6(address: IPv6Address) -> str:
    for is_so, why in (
        (address.is_unspecified, "unspecified"),
        (address.is_loopback, "loopback"),
        (address.ipv4_mapped is not None, "an IPv4 address in another form"),
        (address in IPv6Network("64:ff9b::/32"), "a translated IPv4 address"),
        (address in IPv6Network("fc00::/7"), "private"),
        (address.is_link_local, "link-local"),
        (address.is_multicast, "multicast"),
    ):
        if is_so:
            return why
    return "reserved"


def literal_address(host: str) -> str | None:
    """The address that the host of a URL is, if it is one: ``127.1``, ``2130706433`` and ``0x7f.0.0.1`` are
    ``127.0.0.1`` for the resolvers of this world (inet_aton(3)). None: it is a name."""
    host = host.strip("[]").rstrip(".")
    try:
        return str(IPv6Address(host.partition("%")[0])) if ":" in host else str(IPv4Address(socket.inet_aton(host)))
    except (OSError, ValueError):
        return None


@implementer(IResolutionReceiver)
class _PublicOnly:
    """Hands on the addresses that are public, and remembers the others."""

    def __init__(self, receiver: Any, refused: list[str]) -> None:
        self._receiver, self._refused = receiver, refused

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None:
        self._receiver.resolutionBegan(resolutionInProgress)

    def addressResolved(self, address: Any) -> None:
        why = why_not_public(address.host)
        if why is None:
            self._receiver.addressResolved(address)
        else:
            self._refused.append(f"{address.host} is {why}")

    def resolutionComplete(self) -> None:
        self._receiver.resolutionComplete()


@implementer(IReactorPluggableNameResolver, IHostnameResolver)
class _Guarded:
    """A reactor for one connection, whose names lead to public addresses only."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self.refused: list[str] = []  # why, for each address that was left out

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)

    @property
    def nameResolver(self) -> Any:
        return self

    def installNameResolver(self, resolver: Any) -> Any:
        raise NotImplementedError

    def resolveHostName(
        self,
        resolutionReceiver: Any,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Sequence[Any] | None = None,
        transportSemantics: str = "TCP",
    ) -> Any:
        receiver = _PublicOnly(resolutionReceiver, self.refused)
        resolver = self._reactor.nameResolver
        return resolver.resolveHostName(receiver, hostName, portNumber, addressTypes, transportSemantics)


@implementer(IStreamClientEndpoint)
class PublicEndpoint:
    """A host by its name, reached at its public addresses only."""

    def __init__(self, reactor: Any, host: str, port: int, timeout: float = CONNECT_TIMEOUT) -> None:
        self._reactor, self._host, self._port, self._timeout = reactor, host, port, timeout

    def connect(self, protocolFactory: IProtocolFactory) -> "Deferred[Any]":
        """Fails with TargetNotAllowed if the name leads to addresses that are not public, and to no other."""
        guarded = _Guarded(self._reactor)
        attempt: Deferred[Any] = HostnameEndpoint(guarded, self._host, self._port, self._timeout).connect(
            protocolFactory
        )

        def explain(failure: Failure) -> Failure:
            if guarded.refused and failure.check(DNSLookupError):
                raise TargetNotAllowed(
                    f"{self._host} leads to no public address ({', '.join(guarded.refused)}): write allow_private: yes"
                    " if that is meant"
                )
            return failure

        return attempt.addErrback(explain)


def public_endpoint(reactor: Any, host: str, port: int, tls: TLS | None, timeout: float = CONNECT_TIMEOUT) -> Any:
    """As ``endpoints.client_endpoint``, but to public addresses only."""
    endpoint = PublicEndpoint(reactor, host, port, timeout)
    return endpoint if tls is None else TLSEndpoint(endpoint, host, tls)
