"""The section ``events`` of the configuration for the sink type ``stomp``, and the sink that it describes."""

from random import Random
from typing import Any

from pydantic import Field, SecretStr, field_validator

from smsconnector.messages import DELIVERY_REPORT, INCOMING_MESSAGE
from smsconnector.net.tls import TLS
from smsconnector.sections import HeaderValue, Problem, SinkSection, unreadable_files, unusable_tls
from smsconnector.sinks.stomp.destinations import destination_of
from smsconnector.sinks.stomp.failover import FailoverURI
from smsconnector.sinks.stomp.sink import StompSink


class StompSection(SinkSection):
    """A STOMP broker, or several in ActiveMQ's failover syntax, and the queues that events go to."""

    uri: str = "failover:(tcp://127.0.0.1:61613)"
    login: HeaderValue | None = None
    passcode: SecretStr | None = None
    virtual_host: HeaderValue | None = None
    ca_file: str | None = None
    heartbeat: float = Field(default=10.0, ge=0, le=3600)  # seconds, in both directions; 0: none
    window: int = Field(default=1_048_576, ge=1_024)  # octets on the wire that the broker has not confirmed
    delivery_report: HeaderValue = Field(default="delivery-report", min_length=1)
    incoming_message: HeaderValue = Field(default="incoming-message", min_length=1)

    @field_validator("uri")
    @classmethod
    def _is_uri(cls, uri: str) -> str:
        FailoverURI.parse(uri)
        return uri

    @field_validator("delivery_report", "incoming_message")
    @classmethod
    def _is_destination(cls, name: str) -> str:
        destination_of(name)
        return name

    def problems(self, path: str) -> list[Problem]:
        """A problem if ``ca_file`` can't be used, else nothing."""
        if self.ca_file is None:
            return []
        place = f"{path}.ca_file"
        return unreadable_files({place: self.ca_file}) or unusable_tls("localhost", TLS(ca_file=self.ca_file), place)


def make_sink(reactor: Any, section: StompSection, dice: Random) -> StompSink:
    """The sink that the section describes. ``dice`` makes the jitter of connection attempts and the order of
    brokers."""
    heartbeat_ms = int(section.heartbeat * 1000)
    return StompSink(
        reactor,
        section.uri,
        section.login,
        section.passcode.get_secret_value() if section.passcode else None,
        {DELIVERY_REPORT: section.delivery_report, INCOMING_MESSAGE: section.incoming_message},
        vhost=section.virtual_host,
        heartbeat=(heartbeat_ms, heartbeat_ms),
        window=section.window,
        tls=TLS(ca_file=section.ca_file),
        random=dice,
    )
