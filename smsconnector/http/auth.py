"""Who is let in: networks, API keys, and pages in browsers.

If any keys are configured, or the file of keys has had any, every request must bring one of them; if none, every
request is let in, and the server should listen on the loopback interface only.

A key comes as ``Authorization: Bearer KEY``, as ``X-API-Key: KEY``, or as the password of HTTP Basic: that is the form
that the URL of a webhook can carry (``https://any:KEY@host/receive``).

1. ``admit`` lets in who brings a key that is known and allowed for this. That costs microseconds.
2. Anybody else is ``examined``: the key is hashed in a thread, and then there is one answer for all who are refused,
   after the same effort. A key that is wrong, unknown or revoked, and one for another scope, channel or network: the
   answer, a 401, does not tell which. The log does, summed up by time, with the address and without the key.
3. Before anything is hashed, an address that has come with too many such keys gets 429 (``access.guesses``).

A page that somebody looks at can have the browser post to any address that the browser reaches, loopback too; for
``text/plain`` the browser asks nobody before. It says so in ``Origin`` (RFC 6454) or ``Sec-Fetch-Site`` (W3C Fetch
Metadata), which no page can change. Such a request is refused, unless its origin is this server or is allowed. Programs
that are no browsers send neither header.
"""

import base64
import binascii
import time
from collections.abc import Callable, Sequence
from typing import Any

from twisted.logger import Logger

from smsconnector.access.guesses import Guesses
from smsconnector.access.keys import Caller
from smsconnector.access.ring import KeyRing
from smsconnector.errors import InvalidRequest
from smsconnector.figures import Family, Figures
from smsconnector.hooks.callers import Address, Network, caller_address, is_in
from smsconnector.http import replies
from smsconnector.http.answers import Answer, GiveAnswer, HTTPRequest, RequestHeaders, Scope
from smsconnector.recurring import Recurring, Sentences

CHALLENGE = (b"WWW-Authenticate", b'Bearer realm="smsconnector"')  # RFC 9110 section 11.6.1: a 401 has one
REFUSED = Sentences(
    one="refused: a request for want of a valid API key, from {example}",
    more="refused: {count} more requests for want of a valid API key in the last minute, the last from {example}",
    over="no more requests without a valid API key in the last minute, {total} before that",
)
MOST_ADDRESSES = 4_096  # that are kept as they were read
_SOCKET = "127.0.0.1"  # whom a request by a UNIX socket comes from: this machine
Admitted = Callable[[HTTPRequest], None]


class Unauthorized(InvalidRequest):
    """401: the one refusal of whatever is wrong with a key."""

    def __init__(self) -> None:
        super().__init__(
            "unauthorized",
            "No API key that is valid for this request: send one as Authorization: Bearer KEY.",
            status=401,
            headers=(CHALLENGE,),
        )


class NotForThisKey(Unauthorized):
    """A handler finds that the caller may not do this. Whoever catches it has the refusal cost what any other costs
    (``Access.refuse``); ``reason`` is for the log."""

    def __init__(self, reason: str) -> None:
        super().__init__()
        self.reason = reason


_UNAUTHORIZED = replies.refusal(Unauthorized())
_BUSY = replies.refusal(InvalidRequest("overloaded", "Too many keys are being checked: try again later.", status=503))


class Access:
    """``keys`` are those of the configuration, unless ``ring`` has them. ``allowed_origins`` are origins of pages, as
    browsers write them: ``https://desk.example``. ``networks``: only from there requests come that need a key; none:
    from everywhere. ``trusted_proxies``: whose X-Forwarded-For counts. ``clock``: the reactor; None where nothing has
    to be summed up. ``refusals`` counts what is refused."""

    log = Logger()

    def __init__(
        self,
        keys: Sequence[str] = (),
        allowed_origins: Sequence[str] = (),
        *,
        ring: KeyRing | None = None,
        networks: tuple[Network, ...] = (),
        trusted_proxies: tuple[Network, ...] = (),
        clock: Any = None,
        refusals: Family | None = None,
    ) -> None:
        self.ring = KeyRing(keys) if ring is None else ring
        self.configure(allowed_origins, networks, trusted_proxies)
        self.clock = clock
        self._seconds: Callable[[], float] = time.monotonic if clock is None else clock.seconds
        self._refusals = Figures().refused if refusals is None else refusals
        self._trouble = Recurring(self.clock, self.log, "keys", REFUSED)
        self._guesses = Guesses()
        self._addresses: dict[str, Address | None] = {}

    def configure(
        self, allowed_origins: Sequence[str], networks: tuple[Network, ...], trusted_proxies: tuple[Network, ...]
    ) -> None:
        """What counts from now on."""
        self._allowed_origins = {origin.lower().encode() for origin in allowed_origins}
        self._networks, self._trusted_proxies = networks, trusted_proxies

    @property
    def is_guarded(self) -> bool:
        """Whether anything but pages has to be looked at."""
        return self.ring.is_needed or bool(self._networks)

    def stop(self) -> None:
        """No more requests come."""
        self._trouble.stop()

    def refusal(self, error: InvalidRequest) -> Answer:
        """The answer to a request that is refused; it is counted."""
        self._refusals.add((error.code, str(error.status)))
        return replies.refusal(error)

    # --- keys -----------------------------------------------------------------------------------------------

    def admit(self, scope: Scope, request: HTTPRequest) -> HTTPRequest | None:
        """The request with its caller, if that is known and may come in; None: ``examine`` it. Raises InvalidRequest:
        403 for who comes from elsewhere, 429 for a key that has made too many requests."""
        if self._networks and not self._is_in(request, self._networks):
            self._tell(self._address(request), "its network is not allowed")
            raise InvalidRequest("forbidden", "Requests from this network are not allowed.", status=403)
        ring = self.ring
        if not ring.is_needed:
            return request
        given = presented_key(request.headers)
        caller = ring.find(given) if given else None
        if caller is None or self._why_not(caller, scope, request):
            return request if scope == "public" else None
        self._limit(caller)
        return request._replace(caller=caller)

    def examine(self, scope: Scope, request: HTTPRequest, admitted: Admitted, answer: GiveAnswer) -> None:
        """For a request that ``admit`` has not let in: ``admitted`` or ``answer`` is called, now or later."""

        def examined(caller: Caller | None, address: Address | None) -> bool:
            reason = "its key is not valid" if caller is None else self._why_not(caller, scope, request)
            if caller is None or reason:
                return self._refuse(address, reason, answer)
            try:
                self._limit(caller)
            except InvalidRequest as error:
                answer(self.refusal(error))
            else:
                admitted(request._replace(caller=caller))
            return True

        self._hash(request, examined, answer)

    def has_to_hash(self, request: HTTPRequest) -> bool:
        """Whether ``examine`` may take a while; else it refuses at once, because ``admit`` has not let it in."""
        return self.ring.is_stored and presented_key(request.headers) != b""

    def refuse(self, request: HTTPRequest, reason: str, answer: GiveAnswer) -> None:
        """Of a caller who may come in, but may not do this."""
        self._hash(request, lambda _caller, address: self._refuse(address, reason, answer), answer)

    def check_caller(self, request: HTTPRequest, channel: str) -> None:
        """For a handler that says itself when it needs a key. Raises InvalidRequest if there is no caller though one is
        needed, or if its key is not for this channel."""
        if request.caller is None and self.ring.is_needed:
            raise Unauthorized
        check_channel(request.caller, channel)

    def _hash(
        self, request: HTTPRequest, examined: Callable[[Caller | None, Address | None], bool], answer: GiveAnswer
    ) -> None:
        """``examined`` says whether the caller may come in: then that was no guess. Nor is it one to bring a key that
        is being hashed just now: a client opens many connections with one key."""
        address, given = self._address(request), presented_key(request.headers)
        if not given:
            self._refuse(address, "it has no key", answer)
            return
        is_guess = not self.ring.is_examined(given)
        wait = self._guesses.charge(address, self._seconds()) if is_guess else 0.0

        def hashed(caller: Caller | None) -> None:
            if examined(caller, address) and is_guess:
                self._guesses.give_back(address)

        if wait:
            self._tell(address, "it has come with too many keys that are not valid")
            answer(replies.refusal(_too_many("too_many_attempts", "Too many invalid API keys from this address", wait)))
        elif not self.ring.is_stored:  # keys of the configuration are compared, not hashed
            hashed(self.ring.find(given))
        elif not self.ring.examine(given, hashed):
            self._guesses.give_back(address)
            answer(_BUSY)

    def _why_not(self, caller: Caller, scope: Scope, request: HTTPRequest) -> str:
        """ "" if the caller may come in for this; else the reason, for the log. Any key is enough to ask for health."""
        if scope != "health" and scope not in caller.scopes:
            return f"the {caller.title} has not the scope {scope}"
        if caller.networks and not self._is_in(request, caller.networks):
            return f"the {caller.title} is not for this network"
        return ""

    def _limit(self, caller: Caller) -> None:
        caller.uses += 1
        self.charge(caller)

    def charge(self, caller: Caller | None) -> None:
        """For a request, or for a text of a batch beyond the first. Raises InvalidRequest, 429, if that is more than
        the rate of the key."""
        bucket = None if caller is None else caller.bucket
        if bucket is None:
            return
        if not bucket.available(self._seconds()):
            raise _too_many("rate_limited", "This API key makes too many requests", bucket.wait_for_one())
        bucket.take()

    def _refuse(self, address: Address | None, reason: str, answer: GiveAnswer) -> bool:
        self._tell(address, reason)
        self._refusals.add(("unauthorized", "401"))
        answer(_UNAUTHORIZED)
        return False

    def _tell(self, address: Address | None, reason: str) -> None:
        self._trouble.count("refused", f"{address or 'an unknown address'}: {reason}")

    # --- addresses ------------------------------------------------------------------------------------------

    def _is_in(self, request: HTTPRequest, networks: tuple[Network, ...]) -> bool:
        address = self._address(request)
        return address is not None and is_in(address, networks)

    def _address(self, request: HTTPRequest) -> Address | None:
        forwarded = b",".join(request.headers.get(b"x-forwarded-for", ())) if self._trusted_proxies else b""
        peer = request.peer or _SOCKET
        if forwarded:
            return caller_address(peer, forwarded.decode("latin-1"), self._trusted_proxies)
        if peer not in self._addresses:
            if len(self._addresses) >= MOST_ADDRESSES:
                self._addresses.clear()
            self._addresses[peer] = caller_address(peer, "", ())
        return self._addresses[peer]

    # --- pages ----------------------------------------------------------------------------------------------

    def check_page(self, headers: RequestHeaders, scope: Scope = "webhook") -> None:
        """If a browser asks, it has to be for a navigation to us, for our own page, or for one that is allowed. To what
        is public other pages may lead. Raises InvalidRequest."""
        origins = headers.get(b"origin", ())
        if (origins or b"sec-fetch-site" in headers) and scope != "public":
            self._check_origins(origins, headers)

    def _check_origins(self, origins: Sequence[bytes], headers: RequestHeaders) -> None:
        foreign = [one for one in (value.strip().lower() for value in origins) if one not in self._allowed_origins]
        host = b"".join(headers.get(b"host", ())).strip().lower()
        elsewhere = any(value.strip().lower() == b"cross-site" for value in headers.get(b"sec-fetch-site", ()))
        if any(_host_of(one) != _without_default_port(host) for one in foreign) or (
            elsewhere and (foreign or not origins)
        ):
            raise InvalidRequest(
                "foreign_origin",
                "A page of another origin may not ask this server: name its origin in http.allowed_origins.",
                status=403,
            )


def check_channel(caller: Caller | None, channel: str) -> None:
    """Raises NotForThisKey if the caller may not use this channel."""
    if caller is not None and not caller.may_use(channel):
        raise NotForThisKey(f"the {caller.title} is not for the channel {channel[:64]}")


def _too_many(code: str, sentence: str, wait_s: float) -> InvalidRequest:
    """429 (RFC 6585 section 4). Retry-After is in whole seconds, never too early."""
    seconds = int(wait_s) + 1
    headers = ((b"Retry-After", b"%d" % seconds),)
    return InvalidRequest(code, f"{sentence}: try again in {seconds} s.", status=429, headers=headers)


def _host_of(origin: bytes) -> bytes | None:
    """Host and port of an origin; None for ``null``, which is that of files and of frames without one."""
    scheme, separator, host = origin.partition(b"://")
    return _without_default_port(host) if separator and scheme in (b"http", b"https") else None


def _without_default_port(host: bytes) -> bytes:
    return host.removesuffix(b":80").removesuffix(b":443")


def presented_key(headers: RequestHeaders) -> bytes:
    """The key that the headers bring; b"" for none. Of a header that comes twice the first counts."""
    plain = headers.get(b"x-api-key")
    if plain:
        return plain[0].strip()
    kind, _, value = headers.get(b"authorization", (b"",))[0].strip().partition(b" ")
    kind = kind.lower()
    if kind == b"bearer":
        return value.strip()
    if kind == b"basic":
        try:
            return base64.b64decode(value, validate=True).partition(b":")[2]
        except binascii.Error:
            return b""
    return b""
