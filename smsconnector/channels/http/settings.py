"""The section of a channel of the type ``http``, and what it means to the channel.

1. The models check types, and what one value can tell. They know nothing of templates.
2. ``early_problems`` reads every template of the section as it stands in the file, so that each fault is told with its
   path, whatever else is wrong. The channel reads them again by the same functions when it is made.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from smsconnector.channels.http.conditions import (
    Conditions,
    ConditionSection,
    FailureSection,
    IdPlaces,
    PlaceSection,
)
from smsconnector.channels.http.signing import Signer, SignSection
from smsconnector.channels.http.templates import Templates
from smsconnector.channels.http.web_token import JWTSection
from smsconnector.code_sections import CodeSections, own_codes
from smsconnector.codes import Codes
from smsconnector.errors import TextError
from smsconnector.hook_sections import IncomingSection, NotificationSection, Verify, hooks_of, unguarded
from smsconnector.hooks.hook import Hooks
from smsconnector.messages import LONGEST_WAIT, Segment
from smsconnector.rest.conditions import Meaning
from smsconnector.rest.filters import is_charset
from smsconnector.rest.requests import RequestTemplate
from smsconnector.rest.variables import OF_THE_DOOR, Facts
from smsconnector.section_base import Problem, Section
from smsconnector.sections import ChannelSection, Seconds, Sender, TLSSection, unreadable_files, unusable_tls

NOBODY = Segment(0, 1, 1, "", "gsm7", None, "", 0)  # a log-in and a key are for no text
SecretName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]


class RequestSection(Section):
    """One request. Which placeholders its texts may have is checked by ``rest.requests``."""

    method: Literal["GET", "POST", "PUT"] | None = None  # None: POST with a body, else GET
    url: str
    query: dict[str, Any] = {}
    form: dict[str, Any] | None = None
    as_json: Any = Field(default=None, alias="json")
    xml: str | None = None
    raw: str | None = None
    headers: dict[str, Any] = {}
    charset: str = "utf-8"

    def written(self) -> dict[str, Any]:
        """As ``rest.requests`` reads it."""
        return self.model_dump(by_alias=True, exclude_none=True)


class LookupSection(Section):
    """How to ask whether an earlier request for a text was taken, of which no answer came."""

    request: RequestSection
    taken: Conditions  # the answer says that it was
    not_taken: Conditions  # that it was not. Where neither holds, the text is not sent now
    id: IdPlaces | None = None  # None: as of the channel

    @field_validator("id")
    @classmethod
    def _has_no_template(cls, places: Any) -> Any:
        if isinstance(places, dict):
            raise ValueError(
                "own, none, or where the id stands: {json: messages.*.id}; a template is that of the channel"
            )
        return places


class BasicSection(Section):
    """RFC 7617. Both may be templates of secrets."""

    username: str
    password: str


class LoginSection(Section):
    """A call of its own that gives a session, which the request names as ``{{session}}``."""

    request: RequestSection
    session: PlaceSection
    accepted: Conditions = Field(default=[ConditionSection(status=["2xx"])])
    expires_in: PlaceSection | None = None  # seconds, in the answer
    lifetime: Seconds | None = None  # where the answer does not tell; None: until it is refused


class OAuth2Section(Section):
    """RFC 6749 sections 4.3 and 4.4."""

    token_url: str
    grant: Literal["client_credentials", "password"] = "client_credentials"
    client_id: str
    client_secret: str
    credentials: Literal["basic", "form"] = "basic"  # how the client says who it is
    username: str | None = None  # of the grant password
    password: str | None = None
    scope: str | None = None
    fields: dict[str, Any] = {}  # more of the form, such as audience
    lifetime: Seconds = 3600.0  # where expires_in is missing

    @model_validator(mode="after")
    def _has_its_grant(self) -> "OAuth2Section":
        if (self.grant == "password") is (self.username is None or self.password is None):
            raise ValueError("grant: password goes with username and password, and client_credentials without them")
        return self


class AuthenticationSection(Section):
    """Beside these, a key in a header or a query is a template of the request: ``"App {{secret.key}}"``."""

    basic: BasicSection | None = None
    login: LoginSection | None = None
    oauth2: OAuth2Section | None = None
    jwt: JWTSection | None = None

    @model_validator(mode="after")
    def _is_one(self) -> "AuthenticationSection":
        if self.jwt is not None and any(one is not None for one in (self.oauth2, self.login, self.basic)):
            raise ValueError("jwt goes with no other: its token is the whole authentication")
        if self.oauth2 is not None and (self.login is not None or self.basic is not None):
            raise ValueError("oauth2 goes with neither login nor basic: its token is the whole authentication")
        return self

    @property
    def is_renewable(self) -> bool:
        """Whether there is a session that can be made again."""
        return self.login is not None or self.oauth2 is not None


class ProxySection(Section):
    """An HTTP proxy through which every connection goes, by CONNECT (RFC 9110 section 9.3.6)."""

    url: str  # http://HOST:PORT
    username: str | None = None
    password: str = ""

    @field_validator("url")
    @classmethod
    def _is_proxy(cls, url: str) -> str:
        try:
            parts = urlsplit(url)
            good = parts.scheme == "http" and parts.hostname and parts.port and not parts.username
        except ValueError:
            good = False
        if not good or parts.path.strip("/") or parts.query:
            raise ValueError("write http://HOST:PORT; username and password are keys of their own")
        return url

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or 3128


class HTTPChannelSection(ChannelSection):
    """A channel of the type ``http``. Times are seconds."""

    type: Literal["http"]
    source: Sender = Field(default=None, alias="from")  # of texts that name no sender
    secrets: dict[SecretName, SecretStr] = {}
    secret_files: dict[SecretName, str] = {}  # the first line of the file is the secret
    request: RequestSection
    authentication: AuthenticationSection = AuthenticationSection()
    sign: SignSection | None = None  # what the request names as {{signature}}
    accepted: Conditions = Field(default=[ConditionSection(status=["2xx"])])
    id: IdPlaces = "none"
    reports: Literal["each", "one"] = (
        "each"  # where a text gets several ids: each is told of, or one report is about all
    )
    receipts: bool | None = None  # whether it tells what became of a text; None: if it knows where to report
    failures: list[FailureSection] = []
    lookup: LookupSection | None = None  # before a text is sent again of which it is not known whether it was taken
    code: PlaceSection | None = None  # of a failure whose rule has none
    reason: PlaceSection | None = None  # the provider's words for a failure, for the log
    codes: CodeSections = {}  # what the codes of its reports mean
    answer_charset: str | None = None  # None: as the answer says
    maximum_length: int | None = Field(default=None, ge=1, le=100_000)  # characters in one request
    long_texts: Literal["split", "refuse"] = "refuse"
    maximum_parts: int = Field(default=10, ge=1, le=255)
    transliterate: bool = False
    parallel: int = Field(default=10, ge=1, le=1_000)  # requests under way at a time
    rate: float = Field(default=0, ge=0, le=100_000)  # requests a second; 0: no limit
    connect_timeout: Seconds = 10.0
    reply_timeout: Seconds = 30.0
    maximum_reply: int = Field(default=1_048_576, ge=1_024, le=1_048_576)  # octets
    drain_timeout: Seconds = 5.0
    proxy: ProxySection | None = None
    tls: TLSSection = TLSSection()
    notification: NotificationSection | None = None  # what became of texts; None: as the API has it
    incoming: IncomingSection | None = None  # and what customers write
    verify: Verify | None = None  # of who calls these two, where they say nothing of their own

    def hooks(self, public_url: str | None, path: str) -> Hooks | None:
        found = hooks_of(self.notification, self.incoming, public_url, self.verify)
        notification = replace(found.notification, is_of_sender=True, names_parts=self._each_id_is_told())
        return replace(found, notification=notification)

    def _may_give_several_ids(self) -> bool:
        """Whether the place of the id may find more than one."""
        if not isinstance(self.id, tuple):
            return False
        return any("*" in one.path or one.source == "xml" or one.pattern is not None for one in self.id)

    def _each_id_is_told(self) -> bool:
        return self.reports == "each" and self._may_give_several_ids()

    def names_our_ids(self, public_url: str | None) -> bool:
        request = Templates(self.written()).request
        names = set() if request is None else request.names
        is_named = "sid" in names or ("callback_url" in names and public_url is not None)
        return is_named and self.tells_receipts(names, public_url is not None)

    def codes_of(self, name: str) -> Codes:
        return Codes(own={name: own_codes(self.codes)})

    def several_ids(self, name: str) -> set[str]:
        return {name} if self._may_give_several_ids() else set()

    @field_validator("secrets")
    @classmethod
    def _are_secrets(cls, secrets: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for name, secret in secrets.items():
            if not secret.get_secret_value():
                raise ValueError(f"{name} is empty: is the variable that it comes from set?")
        return secrets

    @field_validator("answer_charset")
    @classmethod
    def _is_charset(cls, charset: str | None) -> str | None:
        if not is_charset(charset or "utf-8"):
            raise ValueError(f"no charset has the name {charset!r}: write utf-8")
        return charset

    @model_validator(mode="after")
    def _fits(self) -> "HTTPChannelSection":
        if self.long_texts == "split" and self.maximum_length is None:
            raise ValueError("long_texts: split needs maximum_length, the characters that one request may have")
        if self.lookup is not None and self.unknown_outcome == "hold":
            raise ValueError("lookup comes before a text is sent again, and with unknown_outcome: hold it never is")
        if set(self.secrets) & set(self.secret_files):
            raise ValueError("a name is in secrets or in secret_files, not in both")
        if not self.authentication.is_renewable and any(one.then == "log_in_again" for one in self.failures):
            raise ValueError(
                "a rule says log_in_again, and there is no log-in: add authentication.login or authentication.oauth2,"
                " or write then: account"
            )
        return self

    @classmethod
    def early_problems(cls, data: dict[str, Any], path: str) -> list[Problem]:
        """Every fault of every template."""
        return Templates(data, path).problems

    def warnings(self, path: str, public_url: str | None, has_keys: bool) -> list[str]:
        """Reports that will not come, with what follows from it; webhooks that are open to others than the provider."""
        request = Templates(self.written()).request
        if request is None:
            return []
        found, we_name_it = self._warnings_of_reports(path, public_url, request), "callback_url" in request.names
        if public_url is None and we_name_it:
            return found
        return found + unguarded(self.hooks(public_url, path), path, public_url, has_keys, we_name_it)

    def _warnings_of_reports(self, path: str, public_url: str | None, request: RequestTemplate) -> list[str]:
        found = []
        if public_url is None and any(name in OF_THE_DOOR for _, name in request.may_be_missing()):
            found.append(
                f"{path}: the request can't do without callback_url or receive_url, and http.public_url is not set:"
                " every text ends as FAILED with UNSENDABLE"
            )
        named = request.names
        if self.receipts is False or self._are_told(named, public_url is not None):
            return found
        why = "nothing in the section asks the provider for reports: no callback_url, and no notification"
        if "callback_url" in named:
            why = "the request names callback_url, and http.public_url is not set, so the provider can't report"
        if self.receipts:
            found.append(
                f"{path}: {why}. But receipts are waited for: unless the provider is told elsewhere where to report,"
                " every text ends as FAILED with NO_RECEIPT"
            )
        else:
            found.append(
                f"{path}: {why}. So receipts will not come, and a text counts as delivered when the provider has taken"
                " it. Write receipts: no if that is right"
            )
        return found

    def problems(self, path: str) -> list[Problem]:
        """Files that can't be used."""
        found = unreadable_files({f"{path}.secret_files.{name}": file for name, file in self.secret_files.items()})
        for name, file in self.secret_files.items() if not found else ():
            found += [(f"{path}.secret_files.{name}", why) for why in _faults_of_secret(file)]
        found += self.tls.problems(f"{path}.tls")
        if self.authentication.jwt is not None:
            found += self.authentication.jwt.problems(f"{path}.authentication.jwt")
        found += [] if found else self._unusable_signature(path)
        host = urlsplit(self.request.url).hostname
        return found or unusable_tls(host or "", self.tls.settings(), f"{path}.tls") or self._unusable_values(path)

    def _unusable_values(self, path: str) -> list[Problem]:
        """Secrets that can't stand where the templates want them, which would be so for every text."""
        templates, found = Templates(self.written()), []
        facts = example_facts(self.all_secrets(), self.source)
        requests = {
            "authentication.login.request": templates.login,
            "request": templates.request,
            "lookup.request": templates.lookup,
        }
        for where, template in requests.items():
            try:
                if template is not None:
                    template.fill(facts)
            except TextError as error:
                found.append((f"{path}.{where}", f"no request can be made of these values: {error}"))
        return found

    def longest_pause(self) -> float:
        """Seconds: the provider may say how long, and a rule may."""
        rules = [rule.retry_in for rule in self.failures if isinstance(rule.retry_in, float)]
        return max([super().longest_pause(), LONGEST_WAIT, *rules])

    def _unusable_signature(self, path: str) -> list[Problem]:
        """Whether its key can be read, and a request without a text can be signed."""
        templates = Templates(self.written())
        signer = signer_of(self, templates)
        if signer is None or templates.request is None:
            return []
        facts, key = Facts(NOBODY, 0, "", "", secrets=self.all_secrets(), session=""), "secret"
        try:
            signer.key(facts)
            key = "template"
            signer.signature(templates.request, facts)
        except ValueError as error:
            return [(f"{path}.sign.{key}", str(error))]
        except TextError:
            pass  # what may be said of no text says nothing of others
        return []

    def all_secrets(self) -> dict[str, str]:
        """By their names, from wherever they are."""
        found = {name: secret.get_secret_value() for name, secret in self.secrets.items()}
        return found | {name: _first_line(file) for name, file in self.secret_files.items()}

    def meaning(self) -> Meaning:
        """How answers are judged."""
        return Meaning(
            tuple(one.condition() for one in self.accepted),
            tuple(one.rule() for one in self.failures),
            None if self.code is None else self.code.selector(),
            None if self.reason is None else self.reason.selector(),
            renewable=self.authentication.is_renewable,
        )

    def telling_parts(self, name: str) -> set[str]:
        """Each part that we cut is a text of its own to the provider, and told of as such."""
        return {name} if self.long_texts == "split" else set()

    def tells_receipts(self, named: set[str], can_be_called: bool) -> bool:
        """Whether it is waited for what became of a text. ``named`` are the names in the request; ``can_be_called``:
        the provider can reach us."""
        return self.receipts if self.receipts is not None else self._are_told(named, can_be_called)

    def _are_told(self, named: set[str], can_be_called: bool) -> bool:
        """Whether the provider knows where to report: each request says so, or its own settings do."""
        return can_be_called if "callback_url" in named else self.notification is not None

    def written(self) -> dict[str, Any]:
        """As ``Templates`` reads it; the values of secrets are not in it, nor is how the provider calls us."""
        left_out = {"secrets", "failures", "accepted", "id", "lookup", "notification", "incoming", "verify", "codes"}
        found = self.model_dump(by_alias=True, exclude=left_out)
        lookup = None if self.lookup is None else {"request": self.lookup.request.written()}
        return found | {"lookup": lookup} | {"secrets": dict.fromkeys(self.secrets), "id": self.id}


def _first_line(file: str) -> str:
    """Of a file in UTF-8, without blanks around it. Raises OSError or UnicodeDecodeError."""
    return Path(file).read_text("utf-8-sig").partition("\n")[0].strip()


def _faults_of_secret(file: str) -> list[str]:
    """Why the file, which can be read, holds no secret."""
    try:
        secret = _first_line(file)
    except UnicodeDecodeError:
        return [f"{file} is not UTF-8 text"]
    if not secret:
        return [f"{file}: its first line is empty, and the secret stands there"]
    return [] if secret.isprintable() else [f"{file}: its first line holds a control character"]


def example_facts(secrets: Mapping[str, str], source: str | None) -> Facts:
    """Those of a text that can stand anywhere, with all values that a text may have."""
    segment = Segment(1, 1, 1, "1", "gsm7", source, "923001234567", 2_000_000_000_000, is_limited=True, sid="SM1")
    return Facts(segment, 1_000_000_000_000, "SM1", "1", source or "8080", "https://h", secrets, "1", signature="1")


def signer_of(section: HTTPChannelSection, templates: Templates) -> Signer | None:
    """Who signs its requests. ``templates`` have no problems."""
    if section.sign is None or templates.signed is None:
        return None
    return Signer(section.sign, templates.signed, templates.key)
