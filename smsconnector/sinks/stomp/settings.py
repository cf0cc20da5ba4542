"""The section ``events`` of the configuration for the sink type ``stomp``, and the sink that it describes."""

import re
from pathlib import Path
from random import Random
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from smsconnector.messages import DELIVERY_REPORT, INCOMING_MESSAGE
from smsconnector.net.protocols import unlikely_port
from smsconnector.net.tls import TLS
from smsconnector.section_base import Problem, Section
from smsconnector.sections import HeaderValue, SinkSection, TLSSection, unreadable_files, unusable_tls
from smsconnector.sinks.stomp.connection import SessionSettings
from smsconnector.sinks.stomp.destinations import destination_of
from smsconnector.sinks.stomp.failover import FailoverURI
from smsconnector.sinks.stomp.frames import RESERVED_HEADERS
from smsconnector.sinks.stomp.sink import StompSink
from smsconnector.wall_clock import WallClock

_HEADER_NAME = re.compile(r"[A-Za-z0-9_.$-]{1,100}").fullmatch


def _is_header_name(name: str) -> str:
    if not _HEADER_NAME(name):
        raise ValueError("the name of a header has letters, digits, '_', '-', '.' and '$', 100 at most")
    if name in RESERVED_HEADERS:
        raise ValueError(f"the connector sets the header {name} itself: leave it out")
    return name


def _is_destination(name: str) -> str:
    destination_of(name)
    return name


Headers = dict[Annotated[str, AfterValidator(_is_header_name)], HeaderValue]
Destination = Annotated[HeaderValue, Field(min_length=1), AfterValidator(_is_destination)]


class HeadersSection(Section):
    """Headers that are added to the messages on each queue, for instance Spring's type id ``_type``."""

    delivery_report: Headers = {}
    incoming_message: Headers = {}


class StompSection(SinkSection):
    """A STOMP broker, or several in ActiveMQ's failover syntax, and the queues that events go to."""

    uri: str = "failover:(tcp://127.0.0.1:61613)"
    login: HeaderValue | None = None
    passcode: SecretStr | None = None
    passcode_file: str | None = None
    virtual_host: HeaderValue | None = None
    ca_file: str | None = None  # the same as tls.ca_file
    tls: TLSSection = TLSSection()
    heartbeat: float = Field(default=10.0, ge=0, le=3600)  # seconds, in both directions; 0: none
    window: int = Field(default=1_048_576, ge=1_024)  # octets on the wire that the broker has not confirmed
    transactions: bool | Literal["auto"] = "auto"  # auto: only with brokers that are known to confirm a COMMIT
    delivery_report: Destination = "delivery-report"
    incoming_message: Destination = "incoming-message"
    headers: HeadersSection = HeadersSection()

    @field_validator("uri")
    @classmethod
    def _is_uri(cls, uri: str) -> str:
        FailoverURI.parse(uri)
        return uri

    @field_validator("transactions", mode="before")
    @classmethod
    def _is_choice(cls, value: Any) -> Any:
        if not isinstance(value, bool) and value != "auto":
            raise ValueError("auto, yes or no is wanted here")
        return value

    @model_validator(mode="after")
    def _says_each_once(self) -> "StompSection":
        if self.passcode is not None and self.passcode_file is not None:
            raise ValueError("passcode and passcode_file exclude each other: leave one out")
        if self.ca_file is not None and self.tls != TLSSection():
            raise ValueError("ca_file and tls exclude each other: write tls: {ca_file: FILE, ...}")
        return self

    def secret(self) -> str | None:
        """The passcode, from wherever it is."""
        if self.passcode_file is not None:
            return Path(self.passcode_file).read_text("utf-8").strip()
        return self.passcode.get_secret_value() if self.passcode is not None else None

    def tls_settings(self) -> TLS:
        """How brokers at ``ssl:`` addresses are verified, and who we are to them."""
        return TLS(ca_file=self.ca_file) if self.ca_file is not None else self.tls.settings()

    def problems(self, path: str) -> list[Problem]:
        """Files of the passcode and of TLS that can't be used."""
        found = self._problems_of_passcode(path) + unreadable_files({f"{path}.ca_file": self.ca_file})
        found += self.tls.problems(f"{path}.tls")
        if not found and self.tls_settings() != TLS():
            place = f"{path}.ca_file" if self.ca_file is not None else f"{path}.tls"
            found = unusable_tls("localhost", self.tls_settings(), place)
        return found

    def warnings(self, path: str) -> list[str]:
        """Brokers at a port where something else than STOMP mostly listens."""
        brokers = FailoverURI.parse(self.uri).brokers
        found = [unlikely_port(broker.port, "STOMP", broker.tls) for broker in brokers]
        return [f"{path}.uri: {one}" for one in dict.fromkeys(found) if one is not None]

    def _problems_of_passcode(self, path: str) -> list[Problem]:
        try:
            secret = self.secret()
        except (OSError, UnicodeDecodeError) as error:
            return [(f"{path}.passcode_file", f"{self.passcode_file} can't be read: {error}")]
        if self.passcode_file is not None and not secret:
            return [(f"{path}.passcode_file", f"{self.passcode_file} is empty")]
        if secret and re.search(r"[\x00\r\n]", secret):
            key = "passcode" if self.passcode_file is None else "passcode_file"
            return [(f"{path}.{key}", "a passcode is one line, without NUL: STOMP's CONNECT can't express more")]
        return []


def make_stomp_sink(reactor: Any, section: StompSection, dice: Random, _wall_clock: WallClock) -> StompSink:
    """The sink that the section describes. ``dice`` makes the jitter of connection attempts and the order of
    brokers."""
    heartbeat_ms = int(section.heartbeat * 1000)
    settings = SessionSettings(
        login=section.login,
        passcode=section.secret(),
        vhost=section.virtual_host,
        heartbeat=(heartbeat_ms, heartbeat_ms),
        window=section.window,
        transactions=section.transactions,
        tls=section.tls_settings(),
    )
    destinations = {DELIVERY_REPORT: section.delivery_report, INCOMING_MESSAGE: section.incoming_message}
    headers = {DELIVERY_REPORT: section.headers.delivery_report, INCOMING_MESSAGE: section.headers.incoming_message}
    return StompSink(reactor, section.uri, destinations, settings, headers=headers, random=dice)
