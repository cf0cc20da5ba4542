"""What the sections of a configuration are made of: field types, base sections, and words for what is wrong.

``config`` holds the sections of the file itself. Each type of channel and of sink brings a section of its own, made of
the parts that are here. Times are seconds. A secret never shows in an error.

A section is checked in two steps. pydantic checks what the text of the file can tell: types, ranges, names. Then
``Section.problems`` checks what only the file system can tell: whether a file that is named can be read and used.
"""

import os
import re
from collections.abc import Collection, Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AliasChoices,
    BeforeValidator,
    Field,
    field_validator,
    model_validator,
)

from smsconnector.codes import Codes
from smsconnector.errors import AddressError
from smsconnector.hooks.hook import Hooks
from smsconnector.lifecycle import (
    CODE_ACCEPTED,
    CODE_EXPIRED,
    CODE_NO_FAILURE,
    CODE_NO_RECEIPT,
    CODE_OPTED_OUT,
    CODE_UNKNOWN,
    DEFAULT_WAIT_MS,
    FallBackRule,
)
from smsconnector.messages import Selection
from smsconnector.net.tls import TLS, tls_options
from smsconnector.section_base import (
    ASCII_PATTERN,
    NAME_PATTERN,
    ORIGIN_PATTERN,
    PREFIX_PATTERN,
    PRINTABLE_PATTERN,
    Problem,
    Section,
)
from smsconnector.sms.addresses import normal_country, normal_sender
from smsconnector.sms.opt_out import LANGUAGES, LONGEST_WORD, OptOutRules, Wish, normal_word, words_of

Name = Annotated[str, Field(pattern=NAME_PATTERN)]
Seconds = Annotated[float, Field(gt=0, le=31_536_000)]
Octet = Annotated[int, Field(ge=0, le=0xFF)]
CString = Annotated[str, Field(pattern=ASCII_PATTERN)]  # what may stand in a C-octet string (SMPP 3.4 section 3.1)
HeaderValue = Annotated[str, Field(pattern=PRINTABLE_PATTERN)]  # what may stand in a header of STOMP or HTTP
Origin = Annotated[str, Field(pattern=ORIGIN_PATTERN)]
NumberPrefix = Annotated[str, Field(pattern=PREFIX_PATTERN)]


def _is_sender(source: str | None) -> str | None:
    try:
        return normal_sender(source)
    except AddressError as error:
        raise ValueError(error.about(repr(source))) from None


Country = Annotated[str, AfterValidator(normal_country)]  # ISO 3166, where national numbers begin with a zero
Sender = Annotated[str | None, AfterValidator(_is_sender)]  # as the network has it; None: none


class TLSSection(Section):
    """How a ``tls:`` endpoint is verified, and how we show who we are."""

    ca_file: str | None = None  # PEM; None: what the machine trusts
    certificate_file: str | None = None  # PEM, our certificate and its chain
    key_file: str | None = None  # PEM; None: in certificate_file
    server_name: str | None = None  # what the certificate is for, and SNI; None: the endpoint's host
    verify_name: bool = True  # False: any certificate that ca_file has signed will do

    @model_validator(mode="after")
    def _verifies_something(self) -> "TLSSection":
        if not self.verify_name and self.ca_file is None:
            raise ValueError("verify_name: no needs ca_file: else any certificate in the world would do")
        return self

    def settings(self) -> TLS:
        """The same in the words of ``net.tls``."""
        return TLS(**self.model_dump())

    def problems(self, path: str) -> list[Problem]:
        """Files that can't be read."""
        return unreadable_files({f"{path}.{key}": getattr(self, key) for key in _PEM_KEYS})


_PEM_KEYS = ("ca_file", "certificate_file", "key_file")


class RetrySection(Section):
    """How often a segment is tried, and the shortest and the longest delay between two attempts."""

    attempts: Annotated[int, Field(ge=1, le=100_000)] | None = None  # None: until the lifetime ends
    resends: Annotated[int, Field(le=100)] = 2  # after outcomes that are unknown
    initial: Seconds = 2.0
    maximum: Seconds = 300.0

    @field_validator("resends")
    @classmethod
    def _resends(cls, value: int) -> int:
        if value < 1:
            raise ValueError("1 is the least; where nothing may be sent twice, set `unknown_outcome: hold` instead")
        return value

    @model_validator(mode="after")
    def _rises(self) -> "RetrySection":
        if self.initial > self.maximum:
            raise ValueError(f"initial ({self.initial:g} s) is more than maximum ({self.maximum:g} s)")
        return self


class OptOutRepliesSection(Section):
    """What is answered to each word; None: nothing."""

    stop: Annotated[str, Field(min_length=1)] | None = None
    start: Annotated[str, Field(min_length=1)] | None = None
    help: Annotated[str, Field(min_length=1)] | None = None


class OptOutSection(Section):
    """Customers can write STOP, and get no more texts of the channel. ``languages``: of the words; ``stop``, ``start``
    and ``help``: more words. ``codes``: of refusals and receipts that say the same."""

    languages: list[str] = ["en"]
    stop: list[str] = []
    start: list[str] = []
    help: list[str] = []
    scope: Literal["channel", "sender"] = "channel"
    codes: list[str | int] = []
    replies: OptOutRepliesSection = OptOutRepliesSection()

    @field_validator("languages")
    @classmethod
    def _languages(cls, value: list[str]) -> list[str]:
        for one in value:
            if one not in LANGUAGES:
                raise ValueError(f"there are words for {', '.join(LANGUAGES)}: write others under stop, start and help")
        return value

    @field_validator("stop", "start", "help")
    @classmethod
    def _words(cls, value: list[str]) -> list[str]:
        for one in value:
            if not normal_word(one) or len(one) > LONGEST_WORD:
                raise ValueError(f"{one[:50]!r} is no such word: it has letters, and {LONGEST_WORD} characters at most")
        return value

    def rules(self, codes: Collection[str] = ()) -> OptOutRules:
        """The same in the words of ``sms.opt_out``. ``codes``: those that every provider of this type has."""
        more = {Wish.STOP: self.stop, Wish.START: self.start, Wish.HELP: self.help}
        words = words_of(self.languages, more)
        return OptOutRules(words, self.scope == "sender", frozenset({*map(str, self.codes), *codes}))

    def answers(self) -> dict[Wish, str]:
        """The replies that there are."""
        said = {Wish.STOP: self.replies.stop, Wish.START: self.replies.start, Wish.HELP: self.replies.help}
        return {wish: text for wish, text in said.items() if text is not None}


NEVER_AGAIN = {
    CODE_EXPIRED: "its lifetime is over by then",
    CODE_NO_RECEIPT: "its lifetime is over by then",
    CODE_OPTED_OUT: "who has this number wants no texts",
    "DELIVERED": "it has come",
    CODE_ACCEPTED: "it has come",
    CODE_NO_FAILURE: "it has come",
}
CODE = re.compile(r"-?[A-Za-z0-9_.][A-Za-z0-9_.-]{0,31}")  # as one may stand in a report


class FallBackSection(Section):
    """To which channel messages go that this one could not send in ``after`` seconds, or that fail with one of the
    ``codes``: those of the reports, so "8" and 8 are the same, and "008" is another one."""

    channel: Name
    after: Seconds = 300.0
    codes: list[Any] = []

    @field_validator("codes")
    @classmethod
    def _codes(cls, value: list[Any]) -> list[str]:
        for one in value:
            if isinstance(one, bool) or not isinstance(one, str | int) or not CODE.fullmatch(str(one)):
                raise ValueError('codes as they stand in reports are wanted here: [11, "001", UNDELIV]')
            if str(one) in NEVER_AGAIN:
                raise ValueError(f"a text that ends as {one} is sent no more: {NEVER_AGAIN[str(one)]}")
        return [str(one) for one in value]

    def rule(self, may_repeat: bool) -> FallBackRule:
        """The same in the words of ``lifecycle``."""
        return FallBackRule(frozenset(self.codes), may_repeat)


def _named(value: Any) -> Any:
    """The short form is the name of the other channel."""
    if not isinstance(value, dict | str | None):
        raise ValueError("the name of another channel is wanted here, or the keys channel, after and codes")
    return {"channel": value} if isinstance(value, str) else value


class ChannelSection(Section):
    """What a channel of every type has; a type's own section adds to it."""

    type: str
    strict_order: bool = False
    unknown_outcome: Literal["resend", "hold"] = "resend"
    lifetime: Seconds = 259_200.0  # 72 h; how long a text may be submitted
    receipt_time: Annotated[float, Field(ge=0, le=31_536_000)] = DEFAULT_WAIT_MS / 1000  # for receipts, from then on
    receipt_grace: Seconds = DEFAULT_WAIT_MS / 1000  # for a clear answer, from an unclear one on
    retry: RetrySection = RetrySection()
    priority: Literal["interactive", "bulk"] = "interactive"  # of texts that do not say theirs
    interactive_share: Annotated[float, Field(ge=0.1, le=0.99)] = 0.8  # of the rate, while bulk texts wait too
    default_country: Country | None = None  # of numbers that begin with a zero; None: they go as they are
    opt_out: OptOutSection | None = None  # None: nobody can opt out here
    fallback: Annotated[
        FallBackSection | None, BeforeValidator(_named, json_schema_input_type=FallBackSection | Name | None)
    ] = None  # None: it has to send them itself

    @model_validator(mode="after")
    def _falls_back_in_time(self) -> "ChannelSection":
        if self.fallback is None:
            return self
        codes = set(self.fallback.codes)
        if self.fallback.after >= self.lifetime:
            raise ValueError(
                f"fallback.after ({self.fallback.after:g} s) is not less than lifetime ({self.lifetime:g} s)"
            )
        if CODE_UNKNOWN in codes and self.unknown_outcome == "hold":
            raise ValueError(
                "fallback.codes has UNKNOWN, so a text that may have been sent would be sent again, and"
                " unknown_outcome is hold: write resend there if that may be"
            )
        unwanted = codes.intersection(self.opt_out_codes()) or codes.intersection(
            map(str, self.opt_out.codes if self.opt_out else ())
        )
        if unwanted:
            raise ValueError(f"fallback.codes has {min(unwanted)}: by that code somebody says that he wants no texts")
        return self

    @property
    def fall_back_rule(self) -> FallBackRule | None:
        """Which of its messages go to another channel when they fail."""
        return None if self.fallback is None else self.fallback.rule(may_repeat=self.unknown_outcome == "resend")

    @classmethod
    def early_problems(cls, data: dict[str, Any], path: str) -> list[Problem]:
        """What is wrong with the section as a whole, whatever else is wrong in it. ``data`` is the section as it stands
        in the file, unchecked."""
        return []

    def warnings(self, path: str, public_url: str | None, has_keys: bool) -> list[str]:
        """Sentences for the operator: what works, but hardly as it was meant. ``public_url``: how providers reach
        us. ``has_keys``: who calls has to bring an API key, where nothing else verifies it."""
        return []

    def links(self) -> dict[str, Section]:
        """Its connections to the network that can change each by itself while the daemon runs, by their names."""
        return {}

    def of_submitters(self) -> Any:
        """All of it that those depend on who send through its routes: compared with that of another configuration, it
        tells whether they can stay."""
        return self

    def longest_pause(self) -> float:
        """Seconds; no segment waits for its next attempt for longer than that."""
        return self.retry.maximum

    def hooks(self, public_url: str | None, path: str) -> Hooks | None:
        """How its provider calls us; None: by the contract's own forms. Raises ConfigurationError, with paths that
        begin below this section.

        :param public_url: how providers reach us, http.public_url.
        :param path: of the channel, with the base path: ``/msg-client/vonage``."""
        return None

    def opt_out_codes(self) -> Collection[str]:
        """Codes by which every network of this type says that the customer has opted out there."""
        return ()

    def codes_of(self, name: str) -> Codes:
        """How the codes of its network are read. ``name``: as of ``telling_parts``."""
        return Codes()

    def kin(self) -> dict[str, tuple[str, ...]]:
        """For each account the accounts, itself included, that may tell what became of its texts, where there are
        several."""
        return {}

    def telling_parts(self, name: str) -> set[str]:
        """The accounts whose network gives a receipt for each part of a long text, for sure. ``name``: the channel's,
        which is the account of channels of HTTP providers."""
        return set()

    def names_our_ids(self, public_url: str | None) -> bool:
        """Whether its provider names our own ids when it tells of texts, so that it may tell of one whose request was
        not answered. ``public_url`` as of ``warnings``."""
        return False

    def several_ids(self, name: str) -> set[str]:
        """The accounts of this channel, whose name it is, where one text may get several ids."""
        return set()

    def system_ids(self) -> dict[str, str]:
        """For each account its system_id, where a channel of this type has one. By it the texts are found again that
        were sent when the account had another name."""
        return {}

    def told_over(self) -> dict[str, str]:
        """As ``system_ids``, of the accounts over which the network tells of texts, or brings them."""
        return {}


class SinkSection(Section):
    """What the section of a sink of every type has; a type's own section adds to it."""

    type: str = Field(default="stomp", validation_alias=AliasChoices("type", "sink"))
    name: Name | None = None  # None: as its type
    kinds: Annotated[list[Literal["delivery_report", "incoming_message"]], Field(min_length=1)] | None = None
    channels: Annotated[list[Name], Field(min_length=1)] | None = None

    @property
    def known_as(self) -> str:
        """The name under which the database knows how far the sink has come."""
        return self.name or self.type

    def warnings(self, path: str) -> list[str]:
        """As those of a channel."""
        return []

    @property
    def selection(self) -> Selection:
        """The events that it wants."""
        return Selection(tuple(self.kinds or ()), tuple(self.channels or ()))


def unreadable_files(files: Mapping[str, str | None]) -> list[Problem]:
    """Those of the files, by their place in the configuration, that are named and can't be read."""
    return [
        (path, f"{file} can't be read: does it exist, and may this user read it?")
        for path, file in files.items()
        if file is not None and not (os.path.isfile(file) and os.access(file, os.R_OK))
    ]


def unusable_tls(host: str, tls: TLS, path: str) -> list[Problem]:
    """Whether files that can be read hold what a TLS connection to ``host`` needs."""
    try:
        tls_options(host, tls)
    except Exception as error:  # noqa: BLE001 — OpenSSL has many ways to say what is wrong with a file
        return [(path, f"the PEM files can't be used: {error}")]
    return []
