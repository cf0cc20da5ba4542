"""A text with placeholders, ``{{name}}`` or ``{{name|filter|filter:argument}}``, filled in one pass.

One pass means that a value is never looked at again: a text that contains ``{{from}}`` is sent as it stands. Each value
is escaped for its place (``Place``), and never the template around it, but for the values of ``query`` and ``form``,
where the template is no URL yet.

Where something that a template names has no value, the whole template has none (``fill`` gives None), and whoever holds
it leaves the field out. A text that is empty is a value.
"""

import enum
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from difflib import get_close_matches
from urllib.parse import quote

from smsconnector.errors import TemplateError, TextError
from smsconnector.rest.filters import Chain, Value, as_text, chain, encoded
from smsconnector.rest.variables import OPTIONAL, Facts

_PLACEHOLDER = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
# What XML 1.0 can't hold in any form (production 2, Char).
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_XML = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;", "\r": "&#13;", "\n": "&#10;", "\t": "&#9;"}
)


class Place(enum.Enum):
    """Where a template stands, which decides how values are escaped."""

    PATH = "the path of a URL"
    URL_QUERY = "the query of a URL"  # the template is written as a URL
    FIELD = "a field of query or form"  # the template is written as a plain text
    JSON = "JSON"
    XML = "XML"
    HEADER = "a header"
    RAW = "a raw body"


_OCTETS_MAY_STAND = {Place.PATH, Place.URL_QUERY, Place.FIELD}


def _in_path(value: Value, charset: str) -> str:
    if value in (".", ".."):
        raise TextError("unsendable_text", "A value of one or two full stops would lead to another path of the URL.")
    return _in_query(value, charset)


def _in_query(value: Value, charset: str) -> str:
    """Percent-encoded as RFC 3986 has it: everything but letters, digits and ``-._~``; a blank is %20, which query and
    form understand alike."""
    return quote(value if isinstance(value, bytes) else encoded(as_text(value), charset), safe="")


def _in_xml(value: Value, charset: str) -> str:
    text = as_text(value)
    if _NOT_XML.search(text):
        raise TextError("unsendable_text", "The text has control characters that XML can't hold.")
    return text.translate(_XML)


def _in_header(value: Value, charset: str) -> str:
    """RFC 9110 section 5.5: what can be seen in ASCII, and blanks; a line end would begin another header."""
    text = as_text(value)
    if not text.isascii() or not text.isprintable():
        raise TextError("unsendable_text", "A header holds ASCII without control characters: encode it by a filter.")
    return text


def _as_it_is(value: Value, charset: str) -> str:
    return as_text(value)


_ESCAPES: dict[Place, Callable[[Value, str], str]] = {
    Place.PATH: _in_path,
    Place.URL_QUERY: _in_query,
    Place.FIELD: _in_query,
    Place.JSON: _as_it_is,  # the whole tree is written by a JSON writer
    Place.XML: _in_xml,
    Place.HEADER: _in_header,
    Place.RAW: _as_it_is,
}


@dataclass(frozen=True, slots=True)
class Placeholder:
    """One name, and what is made of its value."""

    name: str
    chain: Chain

    def value(self, facts: Facts) -> Value:
        return self.chain.apply(facts.value(self.name))

    @property
    def may_be_missing(self) -> bool:
        """Whether there are texts for which it has no value."""
        return (self.name in OPTIONAL and not self.chain.has_default) or self.chain.lacks_a_word


@dataclass(frozen=True, slots=True)
class Template:
    """Pieces of text and placeholders, in order."""

    parts: tuple[str | Placeholder, ...]
    place: Place
    charset: str = "utf-8"

    def fill(self, facts: Facts) -> str | None:
        """The text for this place; None if something that it names has no value. Raises TextError for a value that
        can't stand there."""
        escape = _ESCAPES[self.place]
        filled = []
        for part in self.parts:
            if isinstance(part, str):
                filled.append(part)
                continue
            value = part.value(facts)
            if value is None:
                return None
            filled.append(escape(value, self.charset))
        return "".join(filled)

    def needed(self, facts: Facts) -> str:
        """As ``fill``, where nothing can be left out. Raises TextError also for a value that is not there."""
        filled = self.fill(facts)
        if filled is None:
            names = [part.name for part in self.parts if isinstance(part, Placeholder) and part.value(facts) is None]
            if set(names) == {"signature"}:  # what is signed has none yet
                return self.needed(replace(facts, signature=""))
            raise TextError(
                "unsendable_text", f"The text has no value for {', '.join(names)}, and {self.place.value} needs it."
            )
        return filled

    @property
    def may_be_missing(self) -> set[str]:
        """The names for which some texts have no value."""
        return {part.name for part in self.parts if isinstance(part, Placeholder) and part.may_be_missing}

    def native(self, facts: Facts) -> Value:
        """As ``fill``, but a template that is one placeholder and nothing else gives its value as it is: a number, or
        yes or no."""
        if len(self.parts) == 1 and isinstance(self.parts[0], Placeholder):
            return self.parts[0].value(facts)
        return self.fill(facts)

    @property
    def names(self) -> set[str]:
        """Of the placeholders."""
        return {part.name for part in self.parts if isinstance(part, Placeholder)}


def read_template(source: str, place: Place, known: Collection[str], charset: str = "utf-8") -> Template:
    """The template that is written as ``source``. ``known`` are the names that exist. Raises TemplateError."""
    parts: list[str | Placeholder] = []
    position = 0
    for found in _PLACEHOLDER.finditer(source):
        parts.append(_literal(source[position : found.start()], place, charset))
        parts.append(_placeholder(found[1], place, known))
        position = found.end()
    parts.append(_literal(source[position:], place, charset))
    return Template(tuple(part for part in parts if part != ""), place, charset)


def _literal(text: str, place: Place, charset: str) -> str:
    if "{{" in text:
        raise TemplateError("{{ begins a placeholder here, but no }} ends it")
    if place is not Place.JSON and place is not Place.HEADER:
        try:
            encoded(text, charset)
        except TextError:
            raise TemplateError(f"it has characters that {charset} lacks") from None
    if place is Place.FIELD:
        return _in_query(text, charset)
    if place is Place.HEADER and not (text.isascii() and text.isprintable()):
        raise TemplateError("a header holds ASCII without control characters")
    return text


def _placeholder(written: str, place: Place, known: Collection[str]) -> Placeholder:
    name, *filters = written.split("|")
    name = name.strip()
    if name not in known:
        near = get_close_matches(name, known, 1)
        hint = f": did you mean {near[0]}?" if near else "."
        raise TemplateError(f"{{{{{name}}}}} names what does not exist{hint} There are: {', '.join(known)}")
    made = chain(filters)
    if made.gives_octets and place not in _OCTETS_MAY_STAND:
        raise TemplateError(
            f"octets can't stand in {place.value}: put hex, base64 or percent behind {filters[-1].strip()!r}"
        )
    return Placeholder(name, made)
