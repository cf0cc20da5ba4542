"""One request, as the configuration writes it: ``compile_request`` reads it, ``RequestTemplate.fill`` makes the octets.

1. The URL is scheme and host as they stand, a path, and perhaps a query. Values go into path and query, never into the
   host: what a customer writes can't choose where a request goes.
2. ``query`` is added behind that. ``form``, ``json``, ``xml`` or ``raw`` is the body; at most one of them is there.
3. A field, also one of the URL, a header or an entry of JSON is left out where something that its template names has no
   value. An object or a list of JSON that had entries, and has none left, is left out too. The path, ``xml`` and
   ``raw`` are one piece each: a text that lacks something there can't be sent.

All faults are found at once, each with its path in the configuration. What is not of the right type is passed over,
for the models of the sections say so.
"""

import json
import math
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from smsconnector.errors import TemplateError
from smsconnector.rest.filters import Value, encoded, is_charset
from smsconnector.rest.templates import Place, Template, read_template
from smsconnector.rest.variables import Facts

_URL = re.compile(r"^(https?://)([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(/[^?#]*)?(\?[^#]*)?$")
_URL_FIELD = re.compile(r"(?:\{\{.*?\}\}|[^&])+")  # an & may stand in a placeholder
_TOKEN = re.compile(r"^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$")  # RFC 9110 section 5.6.2
BODIES = ("form", "json", "xml", "raw")
_CONTENT_TYPES = {
    "form": "application/x-www-form-urlencoded",
    "json": "application/json",
    "xml": "text/xml",
    "raw": "text/plain",
}
_NOT_OURS = {"host", "content-length", "transfer-encoding", "connection"}  # the client writes them
_OMIT = object()

Problems = list[tuple[str, str]]  # where, and what is wrong there


class Request(NamedTuple):
    """``url`` is ASCII, with its query."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


class Field(NamedTuple):
    """One field of query or form, name and value percent-encoded."""

    name: str
    value: Template


class RequestTemplate(NamedTuple):
    """A request with placeholders."""

    method: str
    origin: str  # scheme, host, port: without placeholders
    path: Template
    url_query: tuple[Template, ...]  # what stands between the & of the URL
    query: tuple[Field, ...]
    kind: str | None  # of the body, one of BODIES
    body: Any  # tuple[Field, ...] | node of JSON | Template | None
    headers: tuple[tuple[str, Template], ...]
    charset: str

    def fill(self, facts: Facts) -> Request:
        """The request for one text. Raises TextError if a value can't stand in its place."""
        parts = [one.fill(facts) for one in self.url_query]
        query = "&".join(part for part in (*parts, _fields(self.query, facts)) if part)
        url = f"{self.origin}{self.path.needed(facts)}" + (f"?{query}" if query else "")
        headers = [(name, value) for name, template in self.headers if (value := template.fill(facts)) is not None]
        return Request(self.method, url, tuple(headers), self._octets(facts))

    def _octets(self, facts: Facts) -> bytes:
        if self.kind is None:
            return b""
        if self.kind == "form":
            return _fields(self.body, facts).encode("ascii")
        if self.kind == "json":
            return json.dumps(fill_tree(self.body, facts), ensure_ascii=False).encode("utf-8", "backslashreplace")
        return encoded(self.body.needed(facts), self.charset)

    @property
    def names(self) -> set[str]:
        """Of all placeholders."""
        return {name for template in self._templates() for name in template.names}

    @property
    def body_names(self) -> set[str]:
        """Of the placeholders in the body."""
        return {name for template in _templates_of(self.body) for name in template.names}

    def may_be_missing(self) -> list[tuple[str, str]]:
        """What some texts lack and can't be left out: the key of the request, and the name."""
        whole = [("url", self.path)]
        if self.kind in ("xml", "raw"):
            whole.append((self.kind, self.body))
        return [(key, name) for key, template in whole for name in sorted(template.may_be_missing)]

    def _templates(self) -> Iterator[Template]:
        yield self.path
        yield from self.url_query
        yield from (field.value for field in self.query)
        yield from (template for _, template in self.headers)
        yield from _templates_of(self.body)


def _templates_of(node: Any) -> Iterator[Template]:
    if isinstance(node, Template):
        yield node
    elif isinstance(node, Field):
        yield node.value
    elif isinstance(node, dict):
        for one in node.values():
            yield from _templates_of(one)
    elif isinstance(node, list | tuple):
        for one in node:
            yield from _templates_of(one)


def _fields(fields: tuple[Field, ...], facts: Facts) -> str:
    filled = ((field.name, field.value.fill(facts)) for field in fields)
    return "&".join(f"{name}={value}" for name, value in filled if value is not None)


def _fill_json(node: Any, facts: Facts) -> Any:
    """The tree with values; ``_OMIT`` where there is none."""
    if isinstance(node, Template):
        value: Value = node.native(facts)
        return _OMIT if value is None else value
    if isinstance(node, dict):
        entries = {key: _fill_json(one, facts) for key, one in node.items()}
        kept = {key: one for key, one in entries.items() if one is not _OMIT}
        return _OMIT if entries and not kept else kept
    if isinstance(node, list):
        items = [_fill_json(one, facts) for one in node]
        found = [one for one in items if one is not _OMIT]
        return _OMIT if items and not found else found
    return node


def compile_request(
    data: Mapping[str, Any], known: Collection[str], path: str = "request"
) -> tuple[RequestTemplate | None, Problems]:
    """The request that ``data`` writes, by the keys method, url, query, form, json, xml, raw, headers and charset.
    ``known`` are the names that templates may have, ``path`` is where ``data`` stands. None if there are problems."""
    return _Compiler(data, known, path).compile()


def compile_tree(data: Any, known: Collection[str], path: str) -> tuple[Any, Problems]:
    """A tree of JSON whose texts are templates, to be filled by ``fill_tree``; with what is wrong in it."""
    compiler = _Compiler({}, known, path)
    return compiler.json(data, path), compiler.problems


def fill_tree(tree: Any, facts: Facts) -> Any:
    """The tree with values; {} where nothing in it has one."""
    filled = _fill_json(tree, facts)
    return {} if filled is _OMIT else filled


class _Compiler:
    """Reads one request, and keeps what is wrong."""

    def __init__(self, data: Mapping[str, Any], known: Collection[str], path: str) -> None:
        self._data, self._known, self._path = data, known, path
        self._charset = str(data.get("charset") or "utf-8")
        self.problems: Problems = []

    def compile(self) -> tuple[RequestTemplate | None, Problems]:
        if not is_charset(self._charset):
            self.problems.append((f"{self._path}.charset", f"no charset has the name {self._charset!r}: write utf-8"))
            self._charset = "utf-8"
        origin, path, url_query = self._url()
        query = self._fields("query")
        kinds = [kind for kind in BODIES if self._data.get(kind) is not None]
        if len(kinds) > 1:
            self.problems.append((self._path, f"a request has one body: leave all but one of {', '.join(kinds)} out"))
        kind = kinds[0] if kinds else None
        body = self._body(kind)
        method = str(self._data.get("method") or ("POST" if kind else "GET")).upper()
        if kind and method == "GET":
            self.problems.append((f"{self._path}.method", f"a GET has no body: write POST, or query for {kind}"))
        headers = self._headers(kind)
        if self.problems or path is None:
            return None, self.problems
        made = RequestTemplate(method, origin, path, url_query, query, kind, body, headers, self._charset)
        return made, []

    def _read(self, source: Any, place: Place, path: str, known: Collection[str] | None = None) -> Template:
        """An empty template where the source can't be read."""
        try:
            return read_template(_written(source), place, self._known if known is None else known, self._charset)
        except TemplateError as error:
            self.problems.append((path, str(error)))
            return Template((), place)

    def _url(self) -> tuple[str, Template | None, tuple[Template, ...]]:
        url, path = self._data.get("url"), f"{self._path}.url"
        if not isinstance(url, str):
            return "", None, ()
        found = _URL.match(url)
        bare = re.sub(r"\{\{.*?\}\}", "", url)
        if found is None or not (bare.isascii() and bare.isprintable() and " " not in bare):
            self.problems.append(
                (
                    path,
                    "an absolute URL is wanted here, with a host without placeholders, and without blanks and #:"
                    " https://api.example.com/send?to={{to}}",
                )
            )
            return "", None, ()
        if found[3] and not 0 < int(found[3][1:]) < 65_536:
            self.problems.append((path, "a port is 1 to 65535"))
        fields = _URL_FIELD.findall(found[5][1:]) if found[5] else ()
        query = tuple(self._read(one, Place.URL_QUERY, path) for one in fields)
        return f"{found[1]}{found[2]}{found[3] or ''}", self._read(found[4] or "/", Place.PATH, path), query

    def _fields(self, key: str) -> tuple[Field, ...]:
        """A list gives the field once for each of its entries."""
        data = self._data.get(key)
        made: list[Field] = []
        for name, value in data.items() if isinstance(data, dict) else ():
            path = f"{self._path}.{key}.{name}"
            encoded_name = self._read(name, Place.FIELD, path, known=()).fill(_NOTHING) or ""
            for index, one in enumerate(value) if isinstance(value, list) else [(None, value)]:
                place = path if index is None else f"{path}[{index}]"
                if isinstance(one, dict | list) or one is None:
                    self.problems.append((place, "a text or a number is wanted here"))
                else:
                    made.append(Field(encoded_name, self._read(one, Place.FIELD, place)))
        return tuple(made)

    def _body(self, kind: str | None) -> Any:
        if kind == "form":
            return self._fields("form")
        if kind == "json":
            return self.json(self._data["json"], f"{self._path}.json")
        if kind is not None:
            return self._read(self._data[kind], Place.XML if kind == "xml" else Place.RAW, f"{self._path}.{kind}")
        return None

    def json(self, node: Any, path: str) -> Any:
        if isinstance(node, dict):
            return {_written(key): self.json(one, f"{path}.{key}") for key, one in node.items()}
        if isinstance(node, list):
            return [self.json(one, f"{path}[{index}]") for index, one in enumerate(node)]
        if isinstance(node, str):
            return self._read(node, Place.JSON, path) if "{{" in node else node
        if not isinstance(node, int | float | None) or (isinstance(node, float) and not math.isfinite(node)):
            self.problems.append((path, "JSON has no such value: write it as a text, in quotes"))
        return node

    def _headers(self, kind: str | None) -> tuple[tuple[str, Template], ...]:
        data = self._data.get("headers")
        made: list[tuple[str, Template]] = []
        for name, value in data.items() if isinstance(data, dict) else ():
            path = f"{self._path}.headers.{name}"
            if not _TOKEN.match(str(name)) or str(name).lower() in _NOT_OURS:
                self.problems.append((path, "no header of this name can be set here"))
            elif not isinstance(value, dict | list) and value is not None:
                made.append((str(name), self._read(value, Place.HEADER, path)))
        if kind is not None and "content-type" not in (name.lower() for name, _ in made):
            content_type = _CONTENT_TYPES[kind]
            if kind in ("xml", "raw"):
                content_type += f"; charset={self._charset}"
            made.insert(0, ("Content-Type", Template((content_type,), Place.HEADER)))
        return tuple(made)


_NOTHING: Any = None  # names of fields have no placeholders, so their facts are never looked at


def _written(value: Any) -> str:
    """A scalar of YAML as the provider has to see it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
