"""The section of a channel of the type ``twilio``, and how the channel is made from it."""

from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from smsconnector.channels.twilio.hooks import twilio_hooks
from smsconnector.code_sections import CodeSections, own_codes
from smsconnector.codes import Action, Codes
from smsconnector.codes.twilio import TWILIO
from smsconnector.hook_sections import unguarded
from smsconnector.hooks.hook import Hooks
from smsconnector.messages import LONGEST_WAIT
from smsconnector.section_base import ORIGIN_PATTERN, Problem
from smsconnector.sections import ChannelSection, Seconds, Sender, TLSSection, unreadable_files, unusable_tls

Sid = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$")]  # a compatible provider's are no AC and 32 digits
LONGEST_VALIDITY = 36_000  # seconds: how long Twilio may keep a text in its queue


class TwilioChannelSection(ChannelSection):
    """A channel of the type ``twilio``. Times are seconds."""

    type: Literal["twilio"] = "twilio"
    account_sid: Sid
    auth_token: SecretStr | list[SecretStr] | None = None  # two while they change: the first one sends
    auth_token_file: str | None = None  # a token on each line
    api_key: Sid | None = None
    api_secret: SecretStr | None = None
    source: Sender = Field(default=None, alias="from")  # of texts that name no sender
    messaging_service_sid: Sid | None = None
    base_url: str = Field(default="https://api.twilio.com", pattern=ORIGIN_PATTERN)
    parallel: int = Field(default=50, ge=1, le=1_000)  # requests under way at once
    rate: float = Field(default=0, ge=0, le=100_000)  # requests a second; 0: no limit
    validity: Literal["none", "asked", "auto"] | Annotated[int, Field(ge=1, le=LONGEST_VALIDITY)] = "auto"
    receipts: bool | None = None  # whether it tells what became of a text; None: if http.public_url is set
    connect_timeout: Seconds = 10.0
    reply_timeout: Seconds = 30.0
    drain_timeout: Seconds = 5.0
    transliterate: bool = False
    codes: CodeSections = {}  # what codes mean, beside those that Twilio has
    verify_signature: bool = True  # no: a compatible provider does not sign what it posts; then an API key is asked for
    tls: TLSSection = TLSSection()

    @field_validator("auth_token")
    @classmethod
    def _are_tokens(cls, tokens: SecretStr | list[SecretStr] | None) -> SecretStr | list[SecretStr] | None:
        found = tokens if isinstance(tokens, list) else [tokens] if tokens is not None else None
        if found is not None and not 1 <= len(found) <= 2:
            raise ValueError("one token is wanted here, or a list of two while they change")
        for one in found or ():
            _check_secret(one)
        return tokens

    @field_validator("api_secret")
    @classmethod
    def _is_secret(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None:
            _check_secret(secret)
        return secret

    @model_validator(mode="after")
    def _is_whole(self) -> "TwilioChannelSection":
        if self.auth_token is not None and self.auth_token_file is not None:
            raise ValueError("auth_token and auth_token_file exclude each other: leave one out")
        if (self.api_key is None) is not (self.api_secret is None):
            raise ValueError("api_key and api_secret go together")
        if self.auth_token is None and self.auth_token_file is None and self.api_key is None:
            raise ValueError("set auth_token, auth_token_file, or api_key with api_secret")
        if self.source is None and self.messaging_service_sid is None:
            raise ValueError("set from, messaging_service_sid, or both")
        return self

    def tokens(self) -> list[str]:
        """The auth tokens: the first one sends, and each may have signed what comes in."""
        if self.auth_token_file is not None:
            lines = Path(self.auth_token_file).read_text("utf-8").split()
            return lines[:2]
        if self.auth_token is None:
            return []
        tokens = self.auth_token if isinstance(self.auth_token, list) else [self.auth_token]
        return [token.get_secret_value() for token in tokens]

    def credentials(self) -> tuple[str, str]:
        """User and password of the requests (RFC 7617)."""
        if self.api_key is not None and self.api_secret is not None:
            return self.api_key, self.api_secret.get_secret_value()
        return self.account_sid, self.tokens()[0]

    def hooks(self, public_url: str | None, path: str) -> Hooks | None:
        try:
            tokens = self.tokens() if self.verify_signature else []
        except (OSError, UnicodeDecodeError):  # told by ``problems``
            tokens = []
        return twilio_hooks(tokens, public_url)

    def names_our_ids(self, public_url: str | None) -> bool:
        return public_url is not None and self.receipts is not False

    def opt_out_codes(self) -> Collection[str]:
        return [str(code) for code, one in TWILIO.items() if one.action is Action.RECIPIENT_OPTED_OUT]

    def codes_of(self, name: str) -> Codes:
        return Codes("twilio", {name: own_codes(self.codes)})

    def longest_pause(self) -> float:
        """Seconds: Twilio may say how long."""
        return max(super().longest_pause(), LONGEST_WAIT)

    def problems(self, path: str) -> list[Problem]:
        """Files that can't be used, and a base_url that would tell everybody the secrets."""
        found = unreadable_files({f"{path}.auth_token_file": self.auth_token_file})
        if not found and self.auth_token_file is not None:
            try:
                good = [token for token in self.tokens() if token.isascii() and token.isprintable()]
            except UnicodeDecodeError:
                good = []
            if not good or len(good) < len(self.tokens()):
                found.append((f"{path}.auth_token_file", f"{self.auth_token_file} holds no token: write one on a line"))
        found += self.tls.problems(f"{path}.tls")
        url = urlsplit(self.base_url)
        if not found and url.scheme == "https":
            found = unusable_tls(url.hostname or "", self.tls.settings(), f"{path}.tls")
        return found

    def warnings(self, path: str, public_url: str | None, has_keys: bool) -> list[str]:
        found = super().warnings(path, public_url, has_keys)
        remedy = "set auth_token, beside an api_key too, for Twilio signs with it"
        found += unguarded(self.hooks(public_url, path), path, public_url, has_keys, True, remedy)
        if public_url is None and self.receipts is None:
            found.append(
                f"{path}: http.public_url is not set, so there are no status callbacks: receipts will not come, and a"
                " text counts as delivered when Twilio has taken it"
            )
        url = urlsplit(self.base_url)
        if url.scheme == "http" and url.hostname not in ("127.0.0.1", "localhost"):
            found.append(f"{path}.base_url: by http everybody on the way can read the token and the texts: use https")
        return found


def _check_secret(secret: SecretStr) -> None:
    value: Any = secret.get_secret_value()
    if not value.strip():
        raise ValueError("it is empty: is the variable that it comes from set?")
    if not value.isascii() or not value.isprintable():
        raise ValueError("it holds characters that no token has")
