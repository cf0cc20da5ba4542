"""The sections ``notification`` and ``incoming``: where the values stand in what a provider posts, and what it wants to
be answered. ``docs/webhooks-in.rst`` has examples."""

import codecs
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from smsconnector.errors import ConfigurationError
from smsconnector.hook_sections.fields import Paths, Texts, listed, worded
from smsconnector.hook_sections.verify import Verify, VerifySection
from smsconnector.hooks.documents import Layout
from smsconnector.hooks.hook import Hook, HookAnswer, Hooks
from smsconnector.hooks.reading import WORDS, IncomingReading, NotificationReading, PartFields, Reading, TextForm
from smsconnector.messages import Finality
from smsconnector.section_base import Section
from smsconnector.sections import HeaderValue

Word = Literal["delivered", "failed", "progress", "unclear"]
Encoding = Literal["plain", "percent", "hex", "base64"]
_CHARSETS = {"ucs2": "utf-16-be", "ucs-2": "utf-16-be", "latin1": "iso-8859-1", "octets": "octets"}


def _is_charset(name: str) -> str:
    """The codec of an alphabet, or ``octets``."""
    name = _CHARSETS.get(name.lower(), name)
    try:
        known = name == "octets" or codecs.lookup(name)._is_text_encoding
    except (LookupError, ValueError):  # ValueError: it holds U+0000
        known = False
    if not known or name.lower() in ("undefined", "idna", "punycode"):
        raise ValueError(f"{name!r} is no alphabet: write utf-8, utf-16-be, iso-8859-1, or octets for what is no text")
    return name


Charset = Annotated[str, BeforeValidator(lambda value: _is_charset(value) if isinstance(value, str) else value)]


Method = Literal["GET", "POST"]


class AnswerSection(Section):
    """What the provider is answered, once all is on disk. A text alone is the body, as text/plain."""

    status: Annotated[int, Field(ge=200, le=299)] = 200
    content_type: HeaderValue = ""
    body: str = ""

    @model_validator(mode="after")
    def _has_no_body(self) -> "AnswerSection":
        if self.status in (204, 205) and self.body:
            raise ValueError(f"an answer with {self.status} has no body: leave body out, or answer with 200")
        return self

    def answer(self) -> HookAnswer:
        return HookAnswer(self.status, self.content_type, self.body)


def _as_answer(value: Any) -> Any:
    return {"body": value, "content_type": "text/plain"} if isinstance(value, str) else value


class HookSection(Section):
    """What both have: how the provider calls, where its records are, and what it is answered."""

    method: Annotated[
        list[Method], BeforeValidator(listed, json_schema_input_type=Method | list[Method]), Field(min_length=1)
    ] = ["POST"]
    records: str = ""
    json_field: str = ""
    where: dict[str, Texts] = {}
    answer: Annotated[AnswerSection, BeforeValidator(_as_answer, json_schema_input_type=AnswerSection | str)] = (
        AnswerSection()
    )
    verify: Verify | None = None

    def layout(self) -> Layout:
        where = {path: frozenset(word.strip().lower() for word in words) for path, words in self.where.items()}
        return Layout(self.records, self.json_field, where)

    def reading(self) -> Reading:
        raise NotImplementedError

    def hook(self, readings: tuple[Reading, ...]) -> Hook:
        verify = self.verify
        return Hook(
            readings,
            verify.verifier() if verify is not None else None,
            tuple(self.method),
            self.answer.answer(),
            verify is not None and verify.has_path_secret,
        )


class NotificationSection(HookSection):
    """What became of a text. ``statuses`` and ``codes`` say what a word or a code means; a word that is in none of them
    tells of progress."""

    id: Paths
    status: Paths
    code: Paths | None = None
    recipient: Paths | None = None
    id_pattern: str | None = None
    statuses: Annotated[dict[str, Word], BeforeValidator(worded)] = {}
    codes: Annotated[dict[str, Word], BeforeValidator(worded)] = {}

    @field_validator("id_pattern")
    @classmethod
    def _is_pattern(cls, pattern: str | None) -> str | None:
        try:
            re.compile(pattern or "")
        except re.error as error:
            raise ValueError(f"this is no regular expression: {error}") from None
        return pattern

    def reading(self) -> NotificationReading:
        return NotificationReading(
            tuple(self.id),
            tuple(self.status),
            tuple(self.code or ()),
            tuple(self.recipient or ()),
            {**WORDS, **_finalities(self.statuses)},
            _finalities(self.codes),
            re.compile(self.id_pattern) if self.id_pattern is not None else None,
            self.layout(),
        )


def _finalities(words: Mapping[str, Word]) -> dict[str, Finality]:
    return {word: Finality[meaning.upper()] for word, meaning in words.items()}


class TextFormSection(Section):
    """How texts of one kind are written, where that is another way than for the others."""

    text: Paths | None = None
    encoding: Encoding = "plain"
    charset: Charset = "utf-8"

    def form(self) -> TextForm:
        return TextForm(tuple(self.text or ()), self.encoding, self.charset)


class PartSection(Section):
    """Where a part of a long text says to which text it belongs, how many parts it has, and which it is."""

    reference: Paths
    total: Paths
    number: Paths
    first: Literal[0, 1] = 1


class IncomingSection(HookSection):
    """A text from a handset. ``forms``: by a word at ``kind``, how texts of that kind are written."""

    source: Annotated[Paths, Field(alias="from")]
    destination: Annotated[Paths | None, Field(alias="to")] = None
    text: Paths
    id: Paths | None = None
    timestamp: Paths | None = None
    encoding: Encoding = "plain"
    charset: Charset = "utf-8"
    kind: Paths | None = None
    forms: Annotated[dict[str, TextFormSection], BeforeValidator(worded)] = {}
    part: PartSection | None = None

    @model_validator(mode="after")
    def _forms_have_a_kind(self) -> "IncomingSection":
        if self.forms and self.kind is None:
            raise ValueError("forms is by the word at kind: set kind, the field that the word stands in")
        return self

    def reading(self) -> IncomingReading:
        part = self.part
        return IncomingReading(
            tuple(self.source),
            TextForm(tuple(self.text), self.encoding, self.charset),
            tuple(self.destination or ()),
            tuple(self.id or ()),
            tuple(self.kind or ()),
            {word: one.form() for word, one in self.forms.items()},
            tuple(self.timestamp or ()),
            PartFields(tuple(part.reference), tuple(part.total), tuple(part.number), part.first) if part else None,
            self.layout(),
        )


def hooks_of(
    notification: NotificationSection | None,
    incoming: IncomingSection | None,
    public_url: str | None,
    verify: VerifySection | None = None,
) -> Hooks:
    """The webhooks of a channel. ``verify`` is for those that have none of their own, and for the contract's own forms
    where a section is missing. Where both sections have ``where``, each webhook takes what the other is for, because
    some providers have one URL for both. Raises ConfigurationError if a signature covers the URL, and http.public_url
    is not known."""
    sections: dict[str, HookSection | None] = {"notification": notification, "incoming": incoming}
    readings = {name: section.reading() for name, section in sections.items() if section is not None}
    shared = len(readings) == 2 and all(reading.layout.where for reading in readings.values())
    made = {}
    for name, section in sections.items():
        path = f"{name}.verify" if section is not None and section.verify is not None else "verify"
        asked = section.verify if section is not None and section.verify is not None else verify
        if asked is not None and asked.needs_url and public_url is None:
            sentence = "the URL is signed: set http.public_url to how the provider reaches us, https://sms.example.org"
            raise ConfigurationError([(path, sentence)])
        if section is None:
            made[name] = contract_hook(asked)
            continue
        others = tuple(one for other, one in readings.items() if other != name) if shared else ()
        made[name] = section.model_copy(update={"verify": asked}).hook((readings[name], *others))
    return Hooks(made["notification"], made["incoming"])


def unguarded(
    hooks: Hooks | None,
    path: str,
    public_url: str | None,
    has_keys: bool,
    we_name_it: bool,
    remedy: str = "set verify",
) -> list[str]:
    """Sentences for the operator about webhooks that are open to everybody, or closed to their provider too.
    ``we_name_it``: the provider reports to a URL that we give it, and which has no API key."""
    found: list[str] = []
    if hooks is None or public_url is None:
        return found
    for name, hook in (("notification", hooks.notification), ("incoming", hooks.incoming)):
        if hook.verifier is not None or not hook.readings:
            continue
        if not has_keys:
            found.append(
                f"{path}.{name}: whoever knows the URL can post here in the provider's name, a STOP or a report, for"
                f" neither a signature nor a key is asked for: {remedy}"
            )
        elif we_name_it and name == "notification":
            found.append(
                f"{path}.{name}: the provider is answered 401, for http.api_keys are set and the URL that it is told"
                f" has none of them: {remedy}"
            )
    return found


def contract_hook(verify: VerifySection | None) -> Hook:
    """The contract's own form, from whom it should be."""
    if verify is None:
        return Hook()
    return Hook(verifier=verify.verifier(), has_path_secret=verify.has_path_secret)
