"""Who may call a webhook, where nothing is signed: by a shared secret, a password, or the network it comes from."""

import base64
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from smsconnector.hooks.requests import HookRequest, Place, Unreadable
from smsconnector.hooks.signatures import Verifier, any_true, equal

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class SharedSecret:
    """A secret that stands in a header, in the query or in the path. Any of ``secrets`` will do."""

    place: Place
    secrets: tuple[str, ...] = field(repr=False)

    def fault(self, request: HookRequest, now_s: float) -> str | None:
        try:
            given = self.place.values(request)
        except Unreadable as error:
            return str(error)
        if not any(given):
            return "the secret is missing"
        right = any_true([equal(one, secret) for one in given for secret in self.secrets])
        return None if right else "the secret is wrong"


@dataclass(frozen=True, slots=True)
class BasicPassword:
    """``Authorization: Basic`` (RFC 7617), in UTF-8. ``credentials`` are ``user:password``; any of them will do."""

    credentials: tuple[str, ...] = field(repr=False)

    def fault(self, request: HookRequest, now_s: float) -> str | None:
        kind, _, text = request.header("authorization").partition(" ")
        if kind.lower() != "basic":
            return "the password is missing"
        try:
            given = base64.b64decode(text.strip(), validate=True)
        except ValueError:
            return "the password is not written as RFC 7617 has it"
        right = any_true([equal(given, one) for one in self.credentials])
        return None if right else "user or password is wrong"


@dataclass(frozen=True, slots=True)
class Networks:
    """The networks that calls may come from; ``caller_address`` says how ``trusted_proxies`` count."""

    allowed: tuple[Network, ...]
    trusted_proxies: tuple[Network, ...] = ()

    def fault(self, request: HookRequest, now_s: float) -> str | None:
        address = caller_address(request.peer, request.header("x-forwarded-for"), self.trusted_proxies)
        if address is None:
            return "the address that the request comes from is not known"
        if is_in(address, self.allowed):
            return None
        if is_in(address, self.trusted_proxies):
            return "the request comes from a proxy, which does not say for whom"
        return "the request comes from a network that is not allowed"


@dataclass(frozen=True, slots=True)
class AllOf:
    """Each of them has to agree."""

    verifiers: tuple[Verifier, ...]

    def fault(self, request: HookRequest, now_s: float) -> str | None:
        return next((found for one in self.verifiers if (found := one.fault(request, now_s)) is not None), None)


def network_of(text: str) -> Network:
    """CIDR, or one address. Raises ValueError with a sentence that says what to write."""
    try:
        return ip_network(text.strip())
    except ValueError:
        raise ValueError(
            f"{text!r} is no network: write 192.0.2.0/24 (the bits behind the mask zero) or 2001:db8::/32"
        ) from None


def address_of(text: str) -> Address | None:
    """An address, with or without its port; IPv4 within IPv6 (RFC 4291 section 2.5.5.2) as IPv4."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


def caller_address(peer: str, forwarded_for: str, trusted_proxies: tuple[Network, ...]) -> Address | None:
    """Whom a request comes from; None if that is not known. It is the direct peer. If that is one of the trusted
    proxies, it is the last address in X-Forwarded-For that is no such proxy: what stands before it anybody can write.
    If all are such proxies, it is the first one."""
    hops = [peer]
    if trusted_proxies:
        hops = [*(one.strip() for one in forwarded_for.split(",") if one.strip()), *hops]
    for hop in reversed(hops):
        address = address_of(hop)
        if address is None or not is_in(address, trusted_proxies):
            return address
    return address_of(hops[0])


def is_in(address: Address, networks: tuple[Network, ...]) -> bool:
    """Whether the address is in one of the networks."""
    return any(address.version == one.version and address in one for one in networks)
