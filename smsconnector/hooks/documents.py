"""The body or the query of a request as one document, and how values are found in it.

A document is made of mappings, lists and texts, whatever it was: a form, a query, JSON, XML, or JSON in a field of a
form. A *path* says where a value stands:

====================  =================================================================================================
``messages.0.id``     keys and places in lists, with full stops between them. A key may itself hold full stops
``/batch_id``         the same, from the root of the document and not from the record
``?name``             a field of the query, whatever the body is
``=delivered``        the word itself
====================  =================================================================================================
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl
from xml.etree.ElementTree import Element, ParseError  # nosec B405 # for the type alone; defusedxml reads

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from smsconnector.hooks.requests import MAXIMUM_FIELDS, HookRequest, Unreadable, json_of

MOST_RECORDS = 10_000  # of one request
DEEPEST_XML = 50

Paths = tuple[str, ...]  # the first that has a value counts


@dataclass(frozen=True, slots=True)
class Body:
    """``text``: the body in the alphabet that its Content-Type names. ``codec``: the alphabet of octets that are
    escaped in it."""

    text: str
    codec: str = "utf-8"


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the records are.

    :param records: the path of a list of them, or of one; "" if the document is it.
    :param json_field: the field of a form, or of a query, that holds the document as JSON.
    :param where: by path the words (in lower case) of which a record has to have one there. Others are passed over."""

    records: str = ""
    json_field: str = ""
    where: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Record:
    """``data`` is the record, ``root`` the document that it stands in, ``query`` the fields of the query."""

    data: Any
    root: Any
    query: Mapping[str, Any]

    def raw(self, path: str) -> Any:
        """What stands there; None for nothing."""
        if path.startswith("="):
            return path[1:]
        if path.startswith("?"):
            return self.query.get(path[1:])
        return _at(self.root, path[1:]) if path.startswith("/") else _at(self.data, path)

    def value(self, paths: Paths) -> str | None:
        """The first of the values that is there and not empty. Else "" if there is an empty one, or None."""
        found = None
        for path in paths:
            value = scalar(self.raw(path))
            if value:
                return value
            found = value if found is None else found
        return found

    def is_wanted(self, where: Mapping[str, frozenset[str]]) -> bool:
        return all((self.value((path,)) or "").strip().lower() in words for path, words in where.items())


def scalar(value: Any) -> str | None:
    """As a text, well formed; of a list its first value; None for an object, and for nothing."""
    if isinstance(value, list):
        value = value[0] if value else None
    if isinstance(value, bool):
        return "true" if value else "false"
    return well_formed(str(value)) if isinstance(value, str) else None


def well_formed(text: str) -> str:
    """Two surrogates that are a character become it; a lone one becomes U+FFFD, because no UTF-8 has it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def _at(data: Any, path: str) -> Any:
    while path:
        if isinstance(data, dict):
            if path in data:
                return data[path]
            key, _, path = path.partition(".")
            while key not in data and path:  # a key that holds full stops
                more, _, path = path.partition(".")
                key += f".{more}"
            data = data.get(key)
        elif isinstance(data, list):
            key, _, path = path.partition(".")
            data = data[int(key)] if key.isascii() and key.isdigit() and int(key) < len(data) else None
        else:
            return None
    return data


def records_of(request: HookRequest, body: Body, layout: Layout) -> list[Record]:
    """The records of the request. Raises Unreadable."""
    query = _fields(request.query, "utf-8")
    root = document(request, body, layout.json_field, query)
    found = _at(root, layout.records)
    if found is None and layout.records:
        raise Unreadable(f"there is nothing at {layout.records}")
    found = found if isinstance(found, list) else [found]
    if len(found) > MOST_RECORDS:
        raise Unreadable(f"there are more than {MOST_RECORDS} records")
    return [Record(one, root, query) for one in found]


def document(request: HookRequest, body: Body, json_field: str, query: Mapping[str, Any]) -> Any:
    """What kind of document it is, its first character tells; Content-Type is not always true. Raises Unreadable."""
    begin = body.text.lstrip("\ufeff \t\r\n")[:1]
    if not begin:
        found: Any = query
    elif begin in ("{", "["):
        return json_of(body.text.lstrip("\ufeff"))
    elif begin == "<":
        return _xml(request.body)
    else:
        found = _fields(body.text, body.codec)
    if not json_field:
        return found
    if json_field not in found and found is not query:
        found = query
    text = found.get(json_field)
    if text is None:
        raise Unreadable(f"there is no field {json_field}")
    return json_of(text)


def _fields(text: str, codec: str) -> dict[str, Any]:
    """By name the first value; a name may come as often as it likes. Raises Unreadable."""
    fields: dict[str, Any] = {}
    try:
        for name, value in parse_qsl(text, True, encoding=codec, errors="replace", max_num_fields=MAXIMUM_FIELDS):
            fields.setdefault(name, value)
    except ValueError:
        raise Unreadable(f"there are more than {MAXIMUM_FIELDS} fields") from None
    return fields


def _xml(octets: bytes) -> Any:
    """``<a><b x="1">text</b></a>`` as ``{"a": {"b": {"@x": "1", "": "text"}}}``. An element of text alone is that text;
    elements of one name beside each other are a list. Namespaces are left out. A document type is refused, because its
    entities can grow without bound (XML 1.0 section 4.4)."""
    try:
        root: Element = fromstring(octets.strip(), forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        raise Unreadable("the body is no XML, or has a document type: send it without one") from None
    return {_name(root.tag): _element(root, 0)}


def _element(element: Element, depth: int) -> Any:
    if depth > DEEPEST_XML:
        raise Unreadable("the XML is nested too deeply")
    text = (element.text or "") + "".join(child.tail or "" for child in element)
    if not len(element) and not element.attrib:
        return text
    found: dict[str, Any] = {f"@{_name(name)}": value for name, value in element.attrib.items()}
    for name, value in _children(element, depth):
        if name not in found:
            found[name] = value
        elif isinstance(found[name], list):
            found[name].append(value)
        else:
            found[name] = [found[name], value]
    if text.strip():
        found[""] = text
    return found


def _children(element: Element, depth: int) -> Iterator[tuple[str, Any]]:
    for child in element:
        if isinstance(child.tag, str):  # a comment has a function there
            yield _name(child.tag), _element(child, depth + 1)


def _name(tag: str) -> str:
    return tag.rpartition("}")[2]


def paths_of(value: str | Sequence[str] | None) -> Paths:
    """One path, several, or none."""
    return () if value is None else (value,) if isinstance(value, str) else tuple(value)
