"""Signatures over a template: what is signed is told by the configuration, as Plivo, Bird, Sinch, Vonage, Telnyx and
many others need it. Requests that go out are signed by the same templates (``channels/http/signing.py``)."""

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote_plus

from smsconnector.hooks.requests import HookRequest, Pairs, Place, Unreadable, body_pairs, octets_of, url_forms
from smsconnector.hooks.signatures import (
    MISSING,
    TOLERANCE_S,
    WRONG,
    any_equal,
    any_true,
    is_signed,
    timestamp_fault,
)


@dataclass(frozen=True, slots=True)
class ParameterForm:
    """How fields are written into ``{params}``: sorted by name and value, each as ``pair``. In values each character of
    ``replaced`` becomes ``replacement``."""

    pair: str = "{name}{value}"
    joiner: str = ""
    replaced: str = ""
    replacement: str = "_"
    source: str = "both"  # query, body or both

    def written(self, request: HookRequest, without: str) -> str:
        """Raises Unreadable, also for a body whose fields are not known: nothing would cover it."""
        pairs: Pairs = []
        if self.source in ("query", "both"):
            pairs += request.query_pairs()
        if self.source in ("body", "both"):
            if request.body and not (request.is_form or request.content_type.endswith("json")):
                raise Unreadable("the body is no form and no JSON object: it is not signed")
            pairs += body_pairs(request)
        replaced = str.maketrans(dict.fromkeys(self.replaced, self.replacement))
        before, between, after = _PAIR.split(self.pair)
        return self.joiner.join(
            f"{before}{name}{between}{value.translate(replaced)}{after}"
            for name, value in sorted(pairs)
            if name != without
        )


_PAIR = re.compile(r"\{name\}|\{value\}")
_PLACEHOLDER = re.compile(r"\{([a-z0-9_]+)\}")


@dataclass(frozen=True, slots=True)
class Template:
    """What is signed: literals, and placeholders in braces, which are filled in one pass. Values are not looked at for
    placeholders. The names are those of ``PLACEHOLDERS``."""

    text: str
    timestamp: Place | None = None
    nonce: Place | None = None
    id: Place | None = None
    params: ParameterForm = ParameterForm()
    signature_name: str = ""  # the parameter that holds the signature: it is not signed

    def __post_init__(self) -> None:
        unknown = [name for name in _PLACEHOLDER.findall(self.text) if name not in PLACEHOLDERS]
        if unknown:
            raise ValueError(f"{{{unknown[0]}}} is not known: use {', '.join(f'{{{one}}}' for one in PLACEHOLDERS)}")
        for name in ("timestamp", "nonce", "id"):
            if f"{{{name}}}" in self.text and getattr(self, name) is None:
                raise ValueError(f"{{{name}}} is used: set {name}, to say where it stands in the request")

    def octets(self, request: HookRequest, url: str, secret: bytes = b"") -> bytes:
        """Raises Unreadable."""
        return b"".join(
            PLACEHOLDERS[part](self, request, url, secret) if number % 2 else octets_of(part)
            for number, part in enumerate(_PLACEHOLDER.split(self.text))
        )

    def has(self, name: str) -> bool:
        return f"{{{name}}}" in self.text

    def at(self, place: Place | None, request: HookRequest) -> bytes:
        value = place.value(request) if place else ""
        if not value:
            raise Unreadable("a header or field that is signed is missing")
        return octets_of(value)


def _sorted_query(request: HookRequest) -> bytes:
    return octets_of(
        "&".join(
            f"{quote_plus(octets_of(name))}={quote_plus(octets_of(value))}"
            for name, value in sorted(request.query_pairs())
        )
    )


def _plivo_url(request: HookRequest, url: str) -> bytes:
    """Plivo's V3: the URL, its query sorted and unescaped, and a full stop between the query and a form."""
    query = "&".join(f"{name}={value}" for name, value in sorted(request.query_pairs()))
    has_form = bool(request.form_pairs())
    mark = "?" if query or has_form else ""
    return octets_of(url.partition("?")[0] + mark + query + ("." if query and has_form else ""))


_Fill = Callable[[Template, HookRequest, str, bytes], bytes]
PLACEHOLDERS: Mapping[str, _Fill] = {
    "url": lambda template, request, url, secret: octets_of(url),
    "url_without_query": lambda template, request, url, secret: octets_of(url.partition("?")[0]),
    "plivo_url": lambda template, request, url, secret: _plivo_url(request, url),
    "path": lambda template, request, url, secret: octets_of(request.path),
    "query": lambda template, request, url, secret: octets_of(request.query),
    "sorted_query": lambda template, request, url, secret: _sorted_query(request),
    "method": lambda template, request, url, secret: octets_of(request.method),
    "timestamp": lambda template, request, url, secret: template.at(template.timestamp, request),
    "nonce": lambda template, request, url, secret: template.at(template.nonce, request),
    "id": lambda template, request, url, secret: template.at(template.id, request),
    "body": lambda template, request, url, secret: request.body,
    "body_sha256": lambda template, request, url, secret: hashlib.sha256(request.body).hexdigest().encode(),
    "body_sha256_raw": lambda template, request, url, secret: hashlib.sha256(request.body).digest(),
    "params": lambda template, request, url, secret: octets_of(
        template.params.written(request, template.signature_name)
    ),
    "secret": lambda template, request, url, secret: secret,
}


def _urls(template: Template, request: HookRequest) -> list[str]:
    """The forms of the URL that are tried; one, if the template has no URL."""
    has_url = any(template.has(name) for name in ("url", "url_without_query", "plivo_url"))
    return url_forms(request.url) if has_url else [request.url]


def _given(
    place: Place, template: Template, tolerance_s: float | None, request: HookRequest, now_s: float
) -> list[str]:
    """The signatures of the request. Raises Unreadable if there is none, or if its time is not near enough."""
    given = [one for one in place.values(request) if one]
    if not given:
        raise Unreadable(MISSING)
    if template.timestamp is not None:
        fault = timestamp_fault(template.timestamp.value(request), now_s, tolerance_s)
        if fault is not None:
            raise Unreadable(fault)
    return given


@dataclass(frozen=True, slots=True)
class TemplateSignature:
    """``algorithm`` is one of ``ALGORITHMS``: an HMAC, or the bare digest of a template that has {secret} in it.
    ``encoding`` is hex or base64."""

    template: Template
    signature: Place
    secrets: tuple[bytes, ...] = field(repr=False)
    algorithm: str = "hmac-sha256"
    encoding: str = "hex"
    tolerance_s: float | None = TOLERANCE_S

    def __post_init__(self) -> None:
        if self.algorithm.startswith("hmac-") == self.template.has("secret"):
            raise ValueError("{secret} belongs into the template of a bare digest (md5, sha1 ...), and into no other")

    def fault(self, request: HookRequest, now_s: float) -> str | None:
        try:
            given = _given(self.signature, self.template, self.tolerance_s, request, now_s)
            digests = [
                digest_of(self.algorithm, secret, self.template.octets(request, url, secret))
                for secret in self.secrets
                for url in _urls(self.template, request)
            ]
        except Unreadable as error:
            return str(error)
        return None if any_equal(digests, given, self.encoding) else WRONG


def digest_of(algorithm: str, key: bytes, octets: bytes) -> bytes:
    """By one of ``ALGORITHMS``. A bare digest has its key in ``octets``."""
    kind, _, name = algorithm.rpartition("-")
    return hmac.digest(key, octets, name) if kind else hashlib.new(name, octets).digest()


ALGORITHMS = tuple(f"{kind}{name}" for kind in ("hmac-", "") for name in ("md5", "sha1", "sha256", "sha512"))


@dataclass(frozen=True, slots=True)
class Ed25519Signature:
    """Of a template too; Telnyx's is ``{timestamp}|{body}``. ``public_keys`` are of 32 octets (RFC 8032)."""

    template: Template
    signature: Place
    public_keys: tuple[bytes, ...]
    encoding: str = "base64"
    tolerance_s: float | None = TOLERANCE_S

    def fault(self, request: HookRequest, now_s: float) -> str | None:
        try:
            given = _given(self.signature, self.template, self.tolerance_s, request, now_s)
            signed = [self.template.octets(request, url) for url in _urls(self.template, request)]
        except Unreadable as error:
            return str(error)
        tried = [
            is_signed(key, one, octets, self.encoding) for key in self.public_keys for one in given for octets in signed
        ]
        return None if any_true(tried) else WRONG
