"""Requests to webhooks, as the tests make them."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from urllib.parse import urlencode

from smsconnector.hooks.requests import FORM, HookRequest

PUBLIC = "https://sms.example.org"
PATH = "/msg-client/prov/receive"
NOW = 1_700_000_000  # seconds since the Unix epoch


def call(
    body: bytes = b"",
    *,
    headers: Mapping[str, str] | None = None,
    target: str = PATH,
    method: str = "POST",
    kind: str = "",
    peer: str = "192.0.2.7",
    public_url: str | None = PUBLIC,
) -> HookRequest:
    """A request. ``kind`` is its Content-Type."""
    all_headers = dict(headers or {}) | ({"Content-Type": kind} if kind else {})
    return HookRequest(
        method,
        target,
        {name.lower().encode(): [value.encode("latin-1")] for name, value in all_headers.items()},
        body,
        peer,
        public_url,
    )


def form_call(fields: object, **arguments: object) -> HookRequest:
    """A form by POST; ``fields`` are pairs or a mapping."""
    return call(urlencode(fields).encode(), kind=FORM, **arguments)  # type: ignore[arg-type]


def damaged(
    request: HookRequest, *, headers: tuple[str, ...] = (), parts: str = "body url"
) -> Iterator[tuple[str, HookRequest]]:
    """The request with one bit of it flipped: of the middle and the last character of each of these headers, of the
    body, and of the URL."""
    for name in headers:
        value = request.headers[name.lower().encode()][0]
        for place in (len(value) // 2, len(value) - 1):
            yield (
                f"{name}[{place}]",
                replace(request, headers={**request.headers, name.lower().encode(): [flipped(value, place)]}),
            )
    if "body" in parts and request.body:
        yield "body", replace(request, body=flipped(request.body, len(request.body) // 2))
    if "url" in parts:
        target = flipped(request.target.encode(), len(request.target) // 2).decode("latin-1")
        yield "url", replace(request, target=target)


def flipped(octets: bytes, place: int) -> bytes:
    """The lowest bit of one octet is another."""
    return octets[:place] + bytes([octets[place] ^ 1]) + octets[place + 1 :]
