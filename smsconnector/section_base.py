"""What every section of the configuration is: keys that are known, words for what is wrong, and the choice by type.

A secret never shows in an error.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Self, TypeVar

from pydantic import AliasChoices, BaseModel, ConfigDict, ModelWrapValidatorHandler, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from smsconnector.key_names import about_unknown
from smsconnector.key_words import purpose_of

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
BASE_PATH_PATTERN = r"^(/[A-Za-z0-9._~-]+)+$"
ASCII_PATTERN = r"^[\x20-\x7e]*$"
PRINTABLE_PATTERN = r"^[^\x00-\x1f\x7f]*$"
ORIGIN_PATTERN = r"^https?://[A-Za-z0-9._:\[\]-]+$"
PUBLIC_URL_PATTERN = r"^https?://[^\s/?#]+(/[A-Za-z0-9._~/%-]*)?$"
PREFIX_PATTERN = r"^\+?[0-9]{1,20}$"

_WORDS_OF_PATTERNS = {
    NAME_PATTERN: "a name has letters, digits, '.', '_' and '-', 64 at most, and begins with a letter or digit",
    BASE_PATH_PATTERN: "it begins with / and does not end with one: /msg-client",
    ASCII_PATTERN: "ASCII without control characters is wanted here",
    PRINTABLE_PATTERN: "it may not hold control characters",
    ORIGIN_PATTERN: "an origin is a scheme, a host, and a port if it has one, without a path: https://desk.example",
    PUBLIC_URL_PATTERN: "how providers reach us, up to the base path, without ? and #: https://sms.example.org",
    PREFIX_PATTERN: 'digits are wanted here, 20 at most, with or without a + before them: "+92300"',
}
_NUMBER = "a number without a unit is wanted here; times are in seconds, sizes in octets"
_KEYS = "keys and values are wanted here, KEY: VALUE"
_WORDS_OF_ERRORS = {  # by pydantic's error types, instead of its own words
    "extra_forbidden": "no such key: look for a typing mistake",
    "missing": "missing: this key is required",
    "string_type": "a text is wanted here: put it in quotes",
    "model_type": _KEYS,
    "dict_type": _KEYS,
    "list_type": "a list is wanted here: [ONE, ANOTHER]",
    "bool_type": "yes or no is wanted here",
    "bool_parsing": "yes or no is wanted here",
    "too_short": "at least one is wanted here",
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "int_type": _NUMBER,
    "int_parsing": _NUMBER,
    "int_from_float": "a whole number is wanted here",
}

Problem = tuple[str, str]  # where: "channels.smpp.binds[0].tls"; and what is wrong there, as a sentence


def explain_error(error: Any, elsewhere: Mapping[str, Sequence[str]] | None = None) -> str:
    """One of pydantic's errors as a sentence. The sentence never shows the value, which may be a secret. ``elsewhere``:
    where the keys of the whole configuration belong, by their names."""
    told = error.get("ctx", {})
    if "known" in told:
        return about_unknown(str(error["loc"][-1]), told["known"], elsewhere)
    if "sentence" in told:
        return str(told["sentence"])
    if error["type"] == "string_pattern_mismatch":
        pattern = error["ctx"]["pattern"]
        return _WORDS_OF_PATTERNS.get(pattern, f"it has to match {pattern}")
    return _WORDS_OF_ERRORS.get(error["type"]) or str(error["msg"]).removeprefix("Value error, ")


def _restated(error: Any, **more: Any) -> InitErrorDetails:
    """One of pydantic's errors, to be raised again: its sentence, and what there is ``more`` to say. Not its value."""
    said = {name: value for name, value in error.get("ctx", {}).items() if name == "known"}
    said["sentence"] = explain_error(error)
    return InitErrorDetails(
        type=PydanticCustomError(error["type"], "{sentence}", said | more), loc=error["loc"], input=None
    )


def _with_words(schema: dict[str, Any], model: type[Any]) -> None:
    """The JSON Schema of a section tells of each key what it is for."""
    for key, about in schema.get("properties", {}).items():
        if (words := model.purpose(key)) is not None:
            about["description"] = words


class Section(BaseModel):
    """Keys and values of one place in the file. A key that is not known is an error: it is a typing mistake far more
    often than a wish."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra=_with_words)

    @model_validator(mode="wrap")
    @classmethod
    def _knows_its_keys(cls, data: Any, check: ModelWrapValidatorHandler[Self]) -> Self:
        """With an error about a key that is not known goes what is known here, for a better sentence."""
        try:
            return check(data)
        except ValidationError as error:
            found = error.errors(include_url=False)
            if not any(one["type"] == "extra_forbidden" and len(one["loc"]) == 1 for one in found):
                raise
            raise ValidationError.from_exception_data(
                cls.__name__,
                [
                    _restated(one, known=cls.keys())
                    if one["type"] == "extra_forbidden" and len(one["loc"]) == 1
                    else _restated(one)
                    for one in found
                ],
            ) from None

    @classmethod
    def purpose(cls, key: str) -> str | None:
        """What that key is for."""
        return purpose_of(cls.__mro__, key)

    @classmethod
    def keys(cls) -> list[str]:
        """As they are written in the file."""
        return [name for field in cls.model_fields for name in cls.keys_of(field)]

    @classmethod
    def keys_of(cls, field: str) -> list[str]:
        """How the file may write that field."""
        alias = cls.model_fields[field].validation_alias
        return [str(one) for one in alias.choices] if isinstance(alias, AliasChoices) else [str(alias or field)]

    def problems(self, path: str) -> list[Problem]:
        """What the file system says against this section; ``path`` is where the section stands in the file."""
        return []


AnySection = TypeVar("AnySection", bound=Section)


def check_by_type(
    data: Any, key: str, sections: Mapping[str, type[AnySection]], default: str | None = None
) -> AnySection:
    """The section by the model of its type. The type is what ``data`` has under ``key``, or else ``default``. Raises
    pydantic's ValidationError, with every problem at once.

    Where the type is missing or unknown the other keys are checked as well as can be: by the model of the first type,
    except that no key counts as missing or as unknown, for another type may have other keys."""
    if not isinstance(data, dict):
        return next(iter(sections.values())).model_validate(data)
    name = data.get(key, default)
    if isinstance(name, str) and name in sections:
        return sections[name].model_validate(data)
    wanted = f"one of these is wanted here: {', '.join(sections)}"
    problems: list[Any] = [
        {"type": "explained", "loc": (key,), "ctx": {"sentence": wanted}}
        if key in data
        else {"type": "missing", "loc": (key,)}
    ]
    first, model = next(iter(sections.items()))
    try:
        model.model_validate(data | {key: first})
    except ValidationError as error:
        problems += [
            one
            for one in error.errors(include_url=False)
            if len(one["loc"]) > 1 or one["type"] not in ("missing", "extra_forbidden")
        ]
    raise ValidationError.from_exception_data(key, [_restated(one) for one in problems])
