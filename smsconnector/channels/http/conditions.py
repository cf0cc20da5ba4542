"""The sections that say what answers mean, in the words of the configuration, and what is made of them in ``rest``.

A place in an answer is ``{json: messages.0.id}``, ``{xml: //data}``, ``{header: x-id}``, or the body itself; with
``pattern`` only what its group finds there.
"""

from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, Field, PlainValidator, field_validator, model_validator

from smsconnector.errors import TemplateError
from smsconnector.rest.answers import Selector, json_path, pattern_of, xml_path
from smsconnector.rest.conditions import Condition, FailureRule, Test, statuses_of
from smsconnector.section_base import Section
from smsconnector.sections import CODE

UNITS = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0}
_Made = TypeVar("_Made")


def checked(make: Callable[[], _Made]) -> _Made:
    """What it makes; its TemplateError as the error of a value."""
    try:
        return make()
    except TemplateError as error:
        raise ValueError(str(error)) from None


class _Place(Section):
    """Where a value stands."""

    in_json: str | None = Field(default=None, alias="json")
    in_xml: str | None = Field(default=None, alias="xml")
    header: str | None = None
    pattern: str | None = None

    @field_validator("in_json")
    @classmethod
    def _is_json_path(cls, path: str | None) -> str | None:
        checked(lambda: None if path is None else json_path(path))
        return path

    @field_validator("in_xml")
    @classmethod
    def _is_xml_path(cls, path: str | None) -> str | None:
        checked(lambda: None if path is None else xml_path(path))
        return path

    @field_validator("pattern")
    @classmethod
    def _is_pattern(cls, pattern: str | None) -> str | None:
        checked(lambda: None if pattern is None else pattern_of(pattern))
        return pattern

    @model_validator(mode="after")
    def _is_one_place(self) -> "_Place":
        if sum(one is not None for one in (self.in_json, self.in_xml, self.header)) > 1:
            raise ValueError("json, xml and header exclude each other: a value stands in one of them")
        return self

    def place(self, pattern: str | None) -> Selector:
        """The same in the words of ``rest``."""
        compiled = None if pattern is None else pattern_of(pattern)
        if self.in_json is not None:
            return Selector("json", json_path(self.in_json), compiled)
        if self.in_xml is not None:
            return Selector("xml", xml_path(self.in_xml), compiled)
        if self.header is not None:
            return Selector("header", (self.header.lower(),), compiled)
        return Selector(pattern=compiled)


class PlaceSection(_Place):
    """A value of an answer."""

    @model_validator(mode="after")
    def _names_something(self) -> "PlaceSection":
        if not (self.in_json or self.in_xml or self.header or self.pattern):
            raise ValueError("say where it stands: json, xml, header, or a pattern of the body")
        return self

    def selector(self) -> Selector:
        return self.place(self.pattern)


def _listed(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


_TESTS = ("equals", "in", "not_in", "contains", "pattern", "exists")


def _word(value: Any) -> Any:
    """What YAML reads as a number or a truth value, as the answer has it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else value


Word = Annotated[str, BeforeValidator(_word, json_schema_input_type=str | int | bool)]


class ConditionSection(_Place):
    """Something that holds for an answer, or not. Numbers are compared by their digits: 0 is "0"."""

    status: (
        Annotated[list[int | str], BeforeValidator(_listed, json_schema_input_type=int | str | list[int | str])] | None
    ) = None
    equals: Word | None = None
    among: list[Word] | None = Field(default=None, alias="in")
    not_in: list[Word] | None = None
    contains: str | None = None
    exists: bool | None = None

    @field_validator("status")
    @classmethod
    def _are_statuses(cls, status: list[int | str] | None) -> list[int | str] | None:
        checked(lambda: statuses_of(status or ()))
        return status

    @model_validator(mode="after")
    def _asks_one_thing(self) -> "ConditionSection":
        if len(self._asked()) > 1:
            raise ValueError(f"one of {', '.join(_TESTS)} is enough: for more write a list of conditions")
        if self.status is None and not self._asked() and not self._has_place():
            raise ValueError(f"say what has to hold: status, or a place with one of {', '.join(_TESTS)}")
        return self

    def _has_place(self) -> bool:
        return any(one is not None for one in (self.in_json, self.in_xml, self.header))

    def _asked(self) -> list[str]:
        given = (self.equals, self.among, self.not_in, self.contains, self.pattern, self.exists)
        return [name for name, value in zip(_TESTS, given, strict=True) if value is not None]

    def condition(self) -> Condition:
        """The same in the words of ``rest``."""
        statuses = None if self.status is None else statuses_of(self.status)
        return Condition(statuses, self.place(None), self._test())

    def _test(self) -> Test | None:
        if self.pattern is not None:
            return Test("pattern", pattern=pattern_of(self.pattern))
        if self.exists is not None or (not self._asked() and self._has_place()):
            return Test("exists", wanted=self.exists is not False)
        for kind, words in (("in", self.among), ("not_in", self.not_in)):
            if words is not None:
                return Test(kind, frozenset(words))
        for kind, word in (("equals", self.equals), ("contains", self.contains)):
            if word is not None:
                return Test(kind, frozenset([word]))
        return None


Conditions = Annotated[
    list[ConditionSection],
    BeforeValidator(_listed, json_schema_input_type=ConditionSection | list[ConditionSection]),
    Field(min_length=1),
]


def _code(value: Any) -> Any:
    """Fixed, or a place."""
    if isinstance(value, dict):
        return PlaceSection.model_validate(value).selector()
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError("a code is wanted here, or where it stands: {json: error.code}")
    if not CODE.fullmatch(str(value)):
        raise ValueError("a code is 1 to 32 letters of ASCII, digits and _.-, as it stands in the report: NO_CREDIT")
    return value


class _WaitSection(PlaceSection):
    unit: Literal["ms", "s", "min", "h"] = "s"


def _wait(value: Any) -> Any:
    """Seconds, or (place, seconds in its unit)."""
    if isinstance(value, dict):
        section = _WaitSection.model_validate(value)
        return section.selector(), UNITS[section.unit]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 604_800:
        raise ValueError("seconds are wanted here, 604800 at most, or where they stand: {json: retry_after, unit: ms}")
    return float(value)


_WAIT_FOR = ("temporary", "throttled", "account")


class FailureSection(Section):
    """What it means when all conditions of ``when`` hold."""

    when: Conditions
    then: Literal["temporary", "throttled", "permanent", "account", "unknown", "log_in_again"]
    code: Annotated[Any, PlainValidator(_code, json_schema_input_type=PlaceSection | int | str)] = None
    retry_in: Annotated[Any, PlainValidator(_wait, json_schema_input_type=_WaitSection | float)] = None

    @model_validator(mode="after")
    def _waits_for_something(self) -> "FailureSection":
        if self.retry_in is not None and self.then not in _WAIT_FOR:
            raise ValueError(f"retry_in goes with {', '.join(_WAIT_FOR)}: after {self.then} nothing waits for it")
        return self

    def rule(self) -> FailureRule:
        """The same in the words of ``rest``."""
        wait, unit = self.retry_in if isinstance(self.retry_in, tuple) else (self.retry_in, 1.0)
        return FailureRule(tuple(one.condition() for one in self.when), self.then, self.code, wait, unit)


def _ids(value: Any) -> Any:
    """own, none, a place or a list of places."""
    if value in ("own", "none"):
        return value
    try_each = value if isinstance(value, list) and value else [value]
    if not all(isinstance(one, dict) for one in try_each):
        raise ValueError("own, none, or where the id stands: {json: messages.*.id}")
    if isinstance(value, dict) and set(value) == {"own"} and isinstance(value["own"], str):
        return value  # a template, which is checked with the others
    return tuple(PlaceSection.model_validate(one).selector() for one in try_each)


_Own = dict[Literal["own"], str]
IdPlaces = Annotated[
    Any,
    PlainValidator(_ids, json_schema_input_type=Literal["own", "none"] | _Own | PlaceSection | list[PlaceSection]),
]
