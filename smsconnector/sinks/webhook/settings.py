"""A sink of the type ``webhook`` in the configuration, and the sink that it describes. Times are seconds."""

import re
from pathlib import Path
from random import Random
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from smsconnector.hooks.signatures import secret_of
from smsconnector.net.guard import public_endpoint
from smsconnector.net.http_client import HTTPClient, server_of
from smsconnector.section_base import Problem, Section
from smsconnector.sections import Seconds, SinkSection, TLSSection, unusable_tls
from smsconnector.sinks.webhook.sink import Target, WebhookSink
from smsconnector.sinks.webhook.urls import fault_of, why_private
from smsconnector.wall_clock import WallClock

FEWEST_OCTETS, MOST_OCTETS = 24, 64  # of a secret: Standard Webhooks 1.0, "Signature scheme"
MAXIMUM_REPLY = 1_048_576  # octets; nobody reads it
_HOW_TO_MAKE = "python3 -c \"import base64, os; print('whsec_' + base64.b64encode(os.urandom(32)).decode())\""
_INSTEAD_OF_USER = "write headers: {Authorization: 'Basic ...'} instead, or leave them out, for every request is signed"
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}").fullmatch
_OWN = {"connection", "content-length", "content-type", "expect", "host", "te", "transfer-encoding", "upgrade"}


def _is_header_name(name: str) -> str:
    if not _HEADER_NAME(name):
        raise ValueError("the name of a header has letters, digits and '-', 100 at most")
    if name.lower() in _OWN or name.lower().startswith("webhook-"):
        raise ValueError(f"the connector sets the header {name} itself: leave it out")
    return name


def _is_header_value(value: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[\x20-\x7e]*", value.get_secret_value()):
        raise ValueError("the value of a header is ASCII without control characters")
    return value


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class PostingSection(Section):
    """How events are posted: by which secrets they are signed, and what connections are made."""

    secret: list[SecretStr] = []
    secret_file: list[str] = []
    allow_private: bool = False
    parallel: int = Field(default=16, ge=1, le=1_000)
    timeout: Seconds = 30.0  # until the answer is there
    connect_timeout: Seconds = 10.0
    tls: TLSSection = TLSSection()

    _list_secrets = field_validator("secret", "secret_file", mode="before", json_schema_input_type=str | list[str])(
        _listed
    )

    @model_validator(mode="after")
    def _has_secret(self) -> "PostingSection":
        if bool(self.secret) == bool(self.secret_file):
            raise ValueError(f"one of secret and secret_file is required: {_HOW_TO_MAKE} makes a secret")
        return self

    def secrets(self) -> list[bytes]:
        """The keys to sign with, from wherever they are. Raises OSError, UnicodeDecodeError or ValueError."""
        texts = [one.get_secret_value() for one in self.secret]
        texts += [Path(file).read_text("utf-8").strip() for file in self.secret_file]
        return [_key_of(text) for text in texts]

    def problems(self, path: str) -> list[Problem]:
        """Secrets and files of TLS that can't be used."""
        found = self.tls.problems(f"{path}.tls")
        if not found and self.tls != TLSSection():
            found = unusable_tls("localhost", self.tls.settings(), f"{path}.tls")
        key = "secret_file" if self.secret_file else "secret"
        try:
            self.secrets()
        except (OSError, UnicodeDecodeError) as error:
            found.append((f"{path}.{key}", f"it can't be read: {error}"))
        except ValueError as error:
            found.append((f"{path}.{key}", str(error)))
        return found


class WebhookSection(PostingSection, SinkSection):
    """An application that takes events by HTTP POST."""

    url: SecretStr  # its query may hold a secret
    headers: dict[
        Annotated[str, AfterValidator(_is_header_name)], Annotated[SecretStr, AfterValidator(_is_header_value)]
    ] = {}
    retry_disabled: Seconds | None = None  # after a 410; None: at the next start

    @field_validator("url")
    @classmethod
    def _is_url(cls, url: SecretStr) -> SecretStr:
        fault = fault_of(url.get_secret_value(), _INSTEAD_OF_USER)
        if fault:
            raise ValueError(fault)
        return url

    @model_validator(mode="after")
    def _is_public(self) -> "WebhookSection":
        host = urlsplit(self.url.get_secret_value()).hostname or ""
        why = why_private(host)
        if why and not self.allow_private:
            raise ValueError(f"url leads to an address that is {why}: write allow_private: yes if that is meant")
        return self


def _key_of(text: str) -> bytes:
    if not text.startswith("whsec_"):
        raise ValueError(f"a secret begins with whsec_: {_HOW_TO_MAKE} makes one")
    key = secret_of(text)
    if not FEWEST_OCTETS <= len(key) <= MOST_OCTETS:
        raise ValueError(f"a secret is whsec_ and the base64 of 24 to 64 octets: {_HOW_TO_MAKE} makes one")
    return key


def client_of(reactor: Any, section: PostingSection) -> HTTPClient:
    """The HTTP client that the section describes."""
    tls, timeout = section.tls.settings(), section.connect_timeout

    def guarded(host: str, port: int, is_tls: bool) -> Any:
        return public_endpoint(reactor, host, port, tls if is_tls else None, timeout)

    return HTTPClient(
        reactor,
        tls,
        connections=section.parallel,
        connect_timeout=timeout,
        reply_timeout=section.timeout,
        maximum_reply=MAXIMUM_REPLY,
        whole_replies=False,
        endpoint_for=None if section.allow_private else guarded,
    )


def make_webhook_sink(reactor: Any, section: WebhookSection, dice: Random, wall_clock: WallClock) -> WebhookSink:
    """The sink that the section describes."""
    url = section.url.get_secret_value()
    headers = tuple((name, value.get_secret_value()) for name, value in section.headers.items())
    target = Target(url, server_of(url), tuple(section.secrets()), headers, section.parallel, section.retry_disabled)
    return WebhookSink(reactor, wall_clock, target, client_of(reactor, section), dice)
