"""The section ``http`` of the configuration: the HTTP API, and the endpoints at which it listens."""

import re

from pydantic import Field, SecretStr, field_validator
from twisted.internet.endpoints import serverFromString

from smsconnector.sections import BASE_PATH_PATTERN, PUBLIC_URL_PATTERN, Name, Origin, Seconds, Section

_LOOPBACK = re.compile(r":(?:interface=)?(?:127\.[0-9.]+|localhost|\\:\\:1)(?::|$)")
_PORT = re.compile(r"^(?:tcp6?|ssl):(?:port=)?([0-9]+)(?::|$)")


class HTTP(Section):
    """The section ``http``: the HTTP API. Times are seconds."""

    endpoints: list[str] = Field(default=["tcp:8080:interface=127.0.0.1"], min_length=1)
    base_path: str = Field(default="/msg-client", pattern=BASE_PATH_PATTERN)
    api_keys: list[SecretStr] = []
    allowed_origins: list[Origin] = []  # of pages in browsers; those of other servers are refused
    maximum_body: int = Field(default=65_536, ge=1_024, le=1_048_576)  # octets of a request
    maximum_webhook_body: int = Field(default=1_048_576, ge=1_024, le=16_777_216)  # of a provider's own form
    idle_timeout: Seconds = 60.0  # between requests of one connection
    request_timeout: Seconds = 30.0  # until a whole request has come
    maximum_connections: int = Field(default=10_000, ge=0, le=1_000_000)  # 0: no limit
    fast_lane: bool = True  # requests in their plain form need no twisted.web
    default_channel: Name | None = None
    webhook_channel: Name | None = None
    public_url: str | None = Field(default=None, pattern=PUBLIC_URL_PATTERN)  # as providers reach us, without base_path

    @field_validator("api_keys")
    @classmethod
    def _are_keys(cls, keys: list[SecretStr]) -> list[SecretStr]:
        if not all(key.get_secret_value().strip() for key in keys):
            raise ValueError("an empty key would open the door to everybody: is the variable that it comes from set?")
        return keys

    @field_validator("endpoints")
    @classmethod
    def _are_endpoints(cls, endpoints: list[str]) -> list[str]:
        for endpoint in endpoints:
            kind = endpoint.split(":", 1)[0]
            try:
                if kind not in ("tcp", "tcp6", "ssl", "unix", "systemd"):
                    raise ValueError(f"{kind} is none of them")
                port = _PORT.match(endpoint)
                if port and not 0 < int(port[1]) < 65_536:
                    raise ValueError("a port is 1 to 65535")
                if kind != "systemd":  # its sockets are there only when systemd starts us
                    serverFromString(None, endpoint)
            except Exception as error:  # noqa: BLE001 — each of Twisted's parsers has its own
                raise ValueError(
                    f"{endpoint!r} is no server endpoint ({error}): write tcp:PORT:interface=ADDRESS, "
                    "ssl:PORT:privateKey=FILE:certKey=FILE, unix:PATH or systemd:domain=INET:index=0"
                ) from None
        if len(set(endpoints)) < len(endpoints):
            raise ValueError("one of them is there twice")
        return endpoints

    @property
    def warnings(self) -> list[str]:
        """A sentence for each endpoint at which others can send texts without a key: it is not of this machine alone,
        nor a socket that somebody else has made."""
        if self.api_keys:
            return []
        return [
            f"http.endpoints: {one} lets everybody in reach send texts: set http.api_keys, or interface=127.0.0.1"
            for one in self.endpoints
            if not one.startswith(("unix:", "systemd:")) and not _LOOPBACK.search(one)
        ]
