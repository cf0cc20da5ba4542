"""A request to a webhook as it came, and the places in it where a value may stand."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

MAXIMUM_FIELDS = 1_000  # of a query or a form; Twilio posts about thirty
FORM = "application/x-www-form-urlencoded"
Pairs = list[tuple[str, str]]


class Unreadable(ValueError):
    """A part of a request is not what it should be. The sentence has no value of the request in it."""


@dataclass(frozen=True, slots=True)
class HookRequest:
    """``target`` is path and query exactly as they came, still escaped: a signature is made of that. ``headers`` have
    lower-case names. ``peer`` is the address of the direct peer, "" if it has none. ``public_url`` is how providers
    reach us, from the configuration and never from headers; ``https://sms.example.org``."""

    method: str
    target: str
    headers: Mapping[bytes, Sequence[bytes]]
    body: bytes
    peer: str = ""
    public_url: str | None = None

    @property
    def url(self) -> str:
        """The URL that the provider called. It signs the URL without ``user:password@``, which this leaves out."""
        scheme, separator, rest = (self.public_url or "").partition("://")
        host, slash, prefix = rest.partition("/")
        return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{prefix}".rstrip("/") + self.target

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]

    def header(self, name: str) -> str:
        """Its value, in ISO 8859-1; several joined by a comma (RFC 9110 section 5.3); "" if it is not there."""
        return ", ".join(one.decode("latin-1").strip() for one in self.headers.get(name.lower().encode("latin-1"), ()))

    @property
    def content_type(self) -> str:
        """The media type in lower case, without parameters; "" if none is said."""
        return self.header("content-type").partition(";")[0].strip().lower()

    @property
    def is_form(self) -> bool:
        """A body without a Content-Type counts as a form, if it is no JSON."""
        return self.content_type == FORM or (not self.content_type and self.body.lstrip()[:1] not in (b"{", b"[", b"<"))

    def query_pairs(self) -> Pairs:
        """Raises Unreadable."""
        return pairs_of(self.query)

    def form_pairs(self) -> Pairs:
        """The fields of a form, blank ones too; none if the body is no form. Raises Unreadable."""
        return pairs_of(self.body.decode("latin-1")) if self.is_form else []

    def json(self) -> Any:
        """The body as JSON. Numbers stay as they are written: ``Number``. Raises Unreadable."""
        return json_of(self.body)


class Number(str):
    """A number of JSON, as it is written."""

    __slots__ = ()


def json_of(octets: bytes | str) -> Any:
    """JSON with its numbers as they are written, because an id of 20 digits is no float. Raises Unreadable."""
    try:
        text = octets if isinstance(octets, str) else octets.decode("utf-8-sig")
        return json.loads(text, parse_int=Number, parse_float=Number, parse_constant=Number)
    except RecursionError:
        raise Unreadable("the JSON is nested too deeply") from None
    except ValueError:
        raise Unreadable("the body is no JSON in UTF-8") from None


def pairs_of(text: str) -> Pairs:
    """Names and values of a query or a form, unescaped. Octets that are no UTF-8 stay what they are, as lone
    surrogates (PEP 383), so that a signature over them can be made. Raises Unreadable."""
    try:
        return [
            (
                name.encode("latin-1").decode("utf-8", "surrogateescape"),
                value.encode("latin-1").decode("utf-8", "surrogateescape"),
            )
            for name, value in parse_qsl(text, True, encoding="latin-1", max_num_fields=MAXIMUM_FIELDS)
        ]
    except ValueError:
        raise Unreadable(f"there are more than {MAXIMUM_FIELDS} fields") from None


def octets_of(text: str) -> bytes:
    """UTF-8. What ``pairs_of`` could not read becomes what it was; any other lone surrogate becomes "?"."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands. ``kind`` is header, query, form (a field of a form or a key of a JSON object), or path (any
    part of the path). Where ``separator`` is set the value is a list. ``prefix`` is what each value begins with, and
    values without it don't count: ``v1=``."""

    kind: str
    name: str = ""
    prefix: str = ""
    separator: str = ""

    def values(self, request: HookRequest) -> list[str]:
        """All values that stand there. Raises Unreadable."""
        found: list[str] = []
        for raw in self._raw(request):
            for one in raw.split(self.separator) if self.separator else (raw,):
                value = one.strip() if self.kind == "header" else one
                if value[: len(self.prefix)].lower() == self.prefix.lower():
                    found.append(value[len(self.prefix) :].strip() if self.prefix else value)
        return found

    def value(self, request: HookRequest) -> str:
        """The first value, "" if there is none. Raises Unreadable."""
        return next(iter(self.values(request)), "")

    def _raw(self, request: HookRequest) -> Iterator[str]:
        if self.kind == "header":
            value = request.header(self.name)
            if value:
                yield value
        elif self.kind == "path":
            yield from map(unquote, request.path.split("/"))
        elif self.kind == "query":
            yield from (value for name, value in request.query_pairs() if name == self.name)
        else:
            yield from (value for name, value in body_pairs(request) if name == self.name)


def body_pairs(request: HookRequest) -> Pairs:
    """The fields of a form, or the keys of a JSON object with values that are no lists and no objects. Raises
    Unreadable."""
    if request.is_form or not request.body:
        return request.form_pairs()
    data = request.json()
    if not isinstance(data, dict):
        raise Unreadable("the body is no form and no JSON object")
    words = {True: "true", False: "false", None: ""}
    pairs: Pairs = []
    for name, value in data.items():
        if isinstance(value, (dict, list)):
            raise Unreadable("a value of the JSON object is a list or an object: no signature over fields covers that")
        pairs.append((name, value if isinstance(value, str) else words[value]))
    return pairs


def url_forms(url: str) -> list[str]:
    """The URL as it is, with the port of its scheme added, and with any port left out. Twilio has signed all of these
    over the years, Plivo too. Nothing else of it changes: not the case of its host, not its escapes."""
    scheme, separator, rest = url.partition("://")
    cut = min((place for place in (rest.find("/"), rest.find("?")) if place >= 0), default=len(rest))
    host, tail = rest[:cut], rest[cut:]
    name, colon, port = host.rpartition(":")
    if colon and port.isdigit():
        return [url, f"{scheme}{separator}{name}{tail}"]
    default = "443" if scheme.lower() == "https" else "80"
    return [url, f"{scheme}{separator}{host}:{default}{tail}"]


def is_same_call(written: str, request: HookRequest) -> bool:
    """Whether the URL as it is entered with the provider is the one that this request calls: the same path, and the
    same fields of the query in any order."""
    parts = urlsplit(written)
    return (parts.path or "/") == urlsplit(request.url).path and sorted(pairs_of(parts.query)) == sorted(
        request.query_pairs()
    )
