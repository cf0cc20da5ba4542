"""The answer of a provider: its octets decoded once, and where a value stands in it.

A ``Selector`` names a place: a path in JSON, a path in XML, a header, or the text of the body; and perhaps a pattern,
whose group is the value. Nothing in an answer can do harm: its size, its depth and the number of values are bounded,
XML has no entities and no DTD, and what can't be read has no values.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from xml.etree.ElementTree import Element, ParseError  # nosec B405 # for the type alone; defusedxml reads

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from smsconnector.errors import TemplateError

MAXIMUM_OCTETS = 1_048_576  # of a body; more is not read
MAXIMUM_DEPTH = 64  # of JSON and XML
MAXIMUM_VALUES = 1_000  # that one path may find
PATTERN_CHARACTERS = 4_096  # of a text that a pattern is tried on; what stands behind them is not looked at
_CHARSET = re.compile(r"charset\s*=\s*\"?([A-Za-z0-9._:-]+)", re.IGNORECASE)


class Answer:
    """One answer. ``headers`` has lower-case names. ``charset`` is that of the body where the provider says it wrongly
    or not at all; None: what the answer says, else UTF-8, and Latin-1 for what is no UTF-8."""

    def __init__(
        self, status: int, headers: Mapping[str, str] | None = None, body: bytes = b"", charset: str | None = None
    ) -> None:
        self.status, self.headers, self._charset = status, headers or {}, charset
        self.body = body[:MAXIMUM_OCTETS]
        self._is_whole = len(body) <= MAXIMUM_OCTETS

    @cached_property
    def text(self) -> str:
        """The body, decoded; a byte order mark is taken off."""
        said = _CHARSET.search(self.headers.get("content-type", ""))
        for charset in (self._charset, said and said[1], "utf-8"):
            try:
                if charset is not None:
                    return self.body.decode(charset).removeprefix("\ufeff")
            except (LookupError, UnicodeError):
                continue
        return self.body.decode("latin-1")

    @cached_property
    def json(self) -> Any:
        """The body as JSON; None if it is none."""
        if not self._is_whole:
            return None
        try:
            found = json.loads(self.text)
        except (ValueError, RecursionError):
            return None
        return found if _depth_of_json(found) <= MAXIMUM_DEPTH else None

    @cached_property
    def xml(self) -> Element | None:
        """The root of the body as XML; None if it is none, or has a DTD."""
        if not self._is_whole:
            return None
        try:
            root: Element = fromstring(self._octets_of_xml(), forbid_dtd=True)
        except (ParseError, DefusedXmlException, ValueError, LookupError):
            return None
        return root if _depth_of_xml(root) <= MAXIMUM_DEPTH else None

    def _octets_of_xml(self) -> bytes | str:
        """XML says its charset itself, unless the configuration knows better: then what it says is taken off."""
        if self._charset is None:
            return self.body
        return re.sub(r"^\s*<\?xml[^>]*\?>", "", self.text, count=1)


def _depth_of_json(value: Any) -> int:
    level, depth = [value], 0
    while level and depth <= MAXIMUM_DEPTH:
        depth += 1
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
    return depth


def _depth_of_xml(root: Element) -> int:
    level, depth = [root], 0
    while level and depth <= MAXIMUM_DEPTH:
        depth += 1
        level = [inner for one in level for inner in one]
    return depth


def as_word(value: Any) -> str | None:
    """A value of an answer as one word, to be compared: numbers in decimal, ``true`` and ``false``; None for null, and
    for an object or a list."""
    if value is None or isinstance(value, dict | list):
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    return str(value).strip()


@dataclass(frozen=True, slots=True)
class Selector:
    """Where a value stands: ``source`` is json, xml, header or body. ``path`` is that of JSON, of XML or the header's
    name. ``pattern``: the value is its first group, or what it matches if it has none."""

    source: str = "body"
    path: tuple[str, ...] = ()
    pattern: re.Pattern[str] | None = None

    def values(self, answer: Answer) -> list[Any]:
        """All that stand there, in order; null is none."""
        found = [value for value in self._found(answer) if value is not None]
        if self.pattern is None:
            return found
        words = [word for value in found if (word := as_word(value)) is not None]
        return [match[1] if match.re.groups else match[0] for word in words for match in self._matches(word)]

    def first(self, answer: Answer) -> Any:
        """The first of them; None if there is none."""
        found = self.values(answer)
        return found[0] if found else None

    def _matches(self, word: str) -> Iterator[re.Match[str]]:
        assert self.pattern is not None
        for count, match in enumerate(self.pattern.finditer(word[:PATTERN_CHARACTERS])):
            if count >= MAXIMUM_VALUES:
                return
            if match[match.re.groups and 1] is not None:
                yield match

    def _found(self, answer: Answer) -> list[Any]:
        if self.source == "json":
            return _in_json(answer.json, self.path)
        if self.source == "xml":
            return _in_xml(answer.xml, self.path)
        if self.source == "header":
            return [answer.headers.get(self.path[0])]
        return [answer.text]


def _in_json(value: Any, path: Iterable[str]) -> list[Any]:
    found = [value]
    for step in path:
        found = [inner for one in found for inner in _step(one, step)][:MAXIMUM_VALUES]
    return found


def _step(value: Any, step: str) -> Iterable[Any]:
    if isinstance(value, dict):
        return list(value.values()) if step == "*" else [value[step]] if step in value else []
    if isinstance(value, list):
        if step == "*":
            return value
        return [value[int(step)]] if step.isascii() and step.isdigit() and int(step) < len(value) else []
    return []


def _in_xml(root: Element | None, path: tuple[str, ...]) -> list[Any]:
    """By local names: the namespaces of a SOAP answer are not looked at."""
    if root is None:
        return []
    found, steps = [root], list(path)
    anywhere = steps[0] == ""  # written as //name
    names = steps[2:] if anywhere else steps
    for place, step in enumerate(names):
        if step.startswith("@"):
            return [one.get(step[1:]) for one in found][:MAXIMUM_VALUES]
        if place == 0:
            candidates: Iterable[Element] = root.iter() if anywhere else [root]
        else:
            candidates = [inner for one in found for inner in one]
        found = [one for one in candidates if step in ("*", _local(one))][:MAXIMUM_VALUES]
    return [one.text or "" for one in found]


def _local(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]


def json_path(written: str) -> tuple[str, ...]:
    """``messages.0.message-id``; ``*`` stands for all entries, ``\\.`` for a full stop inside a key. Raises
    TemplateError."""
    steps = tuple(step.replace("\\.", ".") for step in re.split(r"(?<!\\)\.", written))
    if not all(steps):
        raise TemplateError(f"{written!r} is no path: write messages.0.message-id, with * for all entries")
    return steps


def xml_path(written: str) -> tuple[str, ...]:
    """``response/data`` from the root, with a slash before it or without, ``//data`` anywhere, ``//data/@id`` for an
    attribute; names are written without their prefixes. Raises TemplateError."""
    steps = tuple((written if written.startswith("//") else written.removeprefix("/")).split("/"))
    names = steps[2:] if steps[:2] == ("", "") else steps
    if not names or not all(re.fullmatch(r"@?[\w.-]+|\*", name) for name in names) or names[0].startswith("@"):
        raise TemplateError(
            f"{written!r} is no path in XML: write response/data, //data or //data/@id, without prefixes"
        )
    return steps


def pattern_of(written: str) -> re.Pattern[str]:
    """A regular expression of Python. Raises TemplateError."""
    try:
        return re.compile(written, re.MULTILINE)
    except re.error as error:
        raise TemplateError(f"{written!r} is no regular expression: {error}") from None
