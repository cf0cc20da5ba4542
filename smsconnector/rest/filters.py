"""What can be made of a value between the braces of a template: ``{{text|utf16|hex}}``, ``{{unicode|yes:1|no:0}}``.

A filter takes the value from the left. A value is a text, a whole number, yes or no, octets, or None: there is none.
None goes through every filter but ``default``; ``then:WORD`` makes a word of every other. Octets come from ``utf8``,
``utf16`` and ``latin1`` only; what becomes of them after that is known when the template is read (``gives_octets``), so
that a wrong place is an error of the configuration and not of a text.
"""

import base64
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import quote

from smsconnector.errors import TemplateError, TextError

Value = str | int | bytes | None  # a bool is an int
Filter = Callable[[Value], Value]


class _Kind(NamedTuple):
    """``argument``: none, a text, or a whole number. ``octets``: what it gives is octets; None: as what it takes."""

    make: Callable[[str], Filter]
    argument: str = "none"
    octets: bool = False
    takes_octets: bool = False


def encoded(text: str, charset: str) -> bytes:
    """Raises TextError for what the charset lacks."""
    try:
        return text.encode(charset)
    except UnicodeError:  # some codecs raise no UnicodeEncodeError
        raise TextError("unsendable_text", f"The text has characters that {charset} lacks.") from None


def is_charset(name: str) -> bool:
    """Whether texts can be written and read by it. Python's own codecs ``undefined`` and ``idna`` are for no texts."""
    try:
        return "a".encode(name).decode(name) == "a" and name.lower() not in ("idna", "punycode")
    except (LookupError, ValueError):  # ValueError: it holds U+0000
        return False


def as_text(value: Value) -> str:
    """As a provider reads it: ``true`` and ``false``, numbers in decimal; None as nothing."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        raise TypeError("octets are no text")  # the template was checked
    return str(value)


def _octets(value: Value) -> bytes:
    return value if isinstance(value, bytes) else encoded(as_text(value), "utf-8")


def _number(value: Value) -> int:
    if isinstance(value, int):
        return int(value)
    try:
        return int(as_text(value))
    except ValueError:
        raise TextError("unsendable_text", "The provider's template wants a number where there is none.") from None


def _on_text(change: Callable[[str], Value]) -> Callable[[str], Filter]:
    return lambda _: lambda value: change(as_text(value))


def _on_octets(change: Callable[[bytes], str]) -> Callable[[str], Filter]:
    return lambda _: lambda value: change(_octets(value))


def _on_number(change: Callable[[int, int], int]) -> Callable[[str], Filter]:
    def make(argument: str) -> Filter:
        operand = int(argument)
        return lambda value: change(_number(value), operand)

    return make


def _time(pattern: str) -> Filter:
    return lambda value: datetime.fromtimestamp(_number(value), UTC).strftime(pattern)


FILTERS: dict[str, _Kind] = {
    "utf8": _Kind(_on_text(lambda text: encoded(text, "utf-8")), octets=True),
    "utf16": _Kind(_on_text(lambda text: encoded(text, "utf-16-be")), octets=True),
    "latin1": _Kind(_on_text(lambda text: encoded(text, "latin-1")), octets=True),
    "hex": _Kind(_on_octets(lambda octets: octets.hex().upper()), takes_octets=True),
    "base64": _Kind(_on_octets(lambda octets: base64.b64encode(octets).decode("ascii")), takes_octets=True),
    "percent": _Kind(_on_octets(lambda octets: quote(octets, safe="")), takes_octets=True),
    "upper": _Kind(_on_text(str.upper)),
    "lower": _Kind(_on_text(str.lower)),
    "first": _Kind(lambda count: lambda value: as_text(value)[: int(count)], "number"),
    "last": _Kind(lambda count: lambda value: as_text(value)[-int(count) :], "number"),
    "yes": _Kind(lambda word: lambda value: word if value is True else value, "text"),
    "no": _Kind(lambda word: lambda value: word if value is False else value, "text"),
    "then": _Kind(lambda word: lambda value: word, "text"),
    "default": _Kind(lambda word: lambda value: word if value is None or value == "" else value, "text"),
    "number": _Kind(lambda _: _number),
    "text": _Kind(_on_text(lambda text: text)),
    "times": _Kind(_on_number(lambda value, by: value * by), "number"),
    "divide": _Kind(_on_number(lambda value, by: -(-value // by)), "number"),
    "at_least": _Kind(_on_number(max), "number"),
    "at_most": _Kind(_on_number(min), "number"),
    "iso": _Kind(lambda _: _time("%Y-%m-%dT%H:%M:%SZ")),
    "time": _Kind(_time, "text"),
}
_CHOICES = {"yes", "no"}


class Chain(NamedTuple):
    """The filters of one placeholder, in order."""

    filters: tuple[tuple[Filter, bool], ...]  # the flag: it also takes None
    gives_octets: bool
    is_choice: bool  # yes and no have words: what is left without one has no value
    has_default: bool = False
    lacks_a_word: bool = False  # of yes and no only one has a word

    def apply(self, value: Value) -> Value:
        for change, takes_none in self.filters:
            if value is not None or takes_none:
                value = change(value)
        return None if self.is_choice and isinstance(value, bool) else value


def chain(written: list[str]) -> Chain:
    """The filters as they are written between the bars. Raises TemplateError."""
    made: list[tuple[Filter, bool]] = []
    octets, names = False, set()
    for one in written:
        name, colon, argument = (part.strip() for part in one.partition(":"))
        kind = FILTERS.get(name)
        if kind is None:
            raise TemplateError(f"there is no filter {name!r}: the filters are {', '.join(FILTERS)}")
        if octets and not kind.takes_octets:
            raise TemplateError(f"the filter {name!r} takes no octets: put hex, base64 or percent before it")
        _check_argument(name, kind.argument, bool(colon), argument)
        made.append((kind.make(argument), name == "default"))
        octets = kind.octets
        names.add(name)
    return Chain(tuple(made), octets, bool(names & _CHOICES), "default" in names, len(names & _CHOICES) == 1)


def _check_argument(name: str, wanted: str, has_one: bool, argument: str) -> None:
    if wanted == "none" and has_one:
        raise TemplateError(f"the filter {name!r} takes nothing behind a colon")
    if wanted != "none" and not has_one:
        raise TemplateError(f"the filter {name!r} needs something behind a colon, as in {name}:1")
    if wanted == "number" and not (argument.isascii() and argument.isdigit() and 0 < int(argument) <= 10**12):
        raise TemplateError(f"behind {name!r} a whole number above 0 is wanted, not {argument!r}")
