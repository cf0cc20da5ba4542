"""The section ``http`` of the configuration: the HTTP API, and the endpoints at which it listens.

Several processes of one machine may share a port: then it is one of ``shared_endpoints``, and ``endpoints`` has one of
each process alone. What they can't promise together, and what only all their files tell, is in ``instances``.
"""

import re
from collections import Counter
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationInfo, field_validator, model_validator
from twisted.internet.endpoints import serverFromString

from smsconnector.hooks.callers import network_of
from smsconnector.section_base import BASE_PATH_PATTERN, ORIGIN_PATTERN, PUBLIC_URL_PATTERN, Problem, Section
from smsconnector.sections import Name, Origin, Seconds

_LOOPBACK = re.compile(r":(?:interface=)?(?:127\.[0-9.]+|localhost|\\:\\:1)(?::|$)")
_PORT = re.compile(r"^(?:tcp6?|ssl):(?:port=)?([0-9]+)(?::|$)")


DEFAULT_PORTS = {"http": 80, "https": 443}


def _is_network(text: str) -> str:
    network_of(text)
    return text


Network = Annotated[str, AfterValidator(_is_network)]
SiblingURL = Annotated[str, Field(pattern=ORIGIN_PATTERN)]


class HTTP(Section):
    """The section ``http``: the HTTP API. Times are seconds."""

    endpoints: list[str] = Field(default=["tcp:8080:interface=127.0.0.1"], min_length=1)
    shared_endpoints: list[str] = []  # at which other processes of this machine listen too
    siblings: list[SiblingURL] = []  # where those answer alone, by their endpoints
    base_path: str = Field(default="/msg-client", pattern=BASE_PATH_PATTERN)
    api_keys: list[SecretStr] = []
    allowed_origins: list[Origin] = []  # of pages in browsers; those of other servers are refused
    networks: list[Network] = []  # from where requests that need a key may come; none: from everywhere
    trusted_proxies: list[Network] = []  # whose X-Forwarded-For says whom a request comes from
    rate_limit: float = Field(default=0.0, ge=0, le=1_000_000)  # requests a second of each key; 0: no limit
    allow_insecure: bool = False  # True: others can reach it without a key, or without TLS
    maximum_body: int = Field(default=65_536, ge=1_024, le=1_048_576)  # octets of a request
    maximum_webhook_body: int = Field(default=1_048_576, ge=1_024, le=16_777_216)  # of a provider's own form
    maximum_batch: int = Field(default=10_000, ge=1, le=100_000)  # messages of one request to /send-batch
    maximum_batch_body: int = Field(default=8_388_608, ge=1_024, le=67_108_864)  # of such a request
    idempotency_hours: float = Field(default=24.0, gt=0, le=720)  # for which an Idempotency-Key is known
    schedule_ahead: Seconds = 3_024_000.0  # 35 days: how far ahead SendAt may be
    idle_timeout: Seconds = 60.0  # between requests of one connection
    request_timeout: Seconds = 30.0  # until a whole request has come
    maximum_connections: int = Field(default=10_000, ge=0, le=1_000_000)  # 0: no limit
    docs: bool = True  # the description of the API, and a page that shows it, for everybody
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

    @field_validator("endpoints", "shared_endpoints")
    @classmethod
    def _are_endpoints(cls, endpoints: list[str], about: ValidationInfo) -> list[str]:
        for endpoint in endpoints:
            kind = endpoint.split(":", 1)[0]
            if about.field_name == "shared_endpoints" and kind in ("unix", "systemd"):
                raise ValueError(f"{endpoint!r} can't be shared by this key: write tcp:PORT, tcp6:PORT or ssl:PORT")
            try:
                if kind not in ("tcp", "tcp6", "ssl", "unix", "systemd"):
                    raise ValueError(f"{kind} is none of them")
                port = port_of(endpoint)
                if port is not None and not 0 < port < 65_536:
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

    @model_validator(mode="after")
    def _has_one_of_its_own(self) -> "HTTP":
        if not self.shared_endpoints:
            return self
        if "endpoints" not in self.model_fields_set:
            raise ValueError(
                "shared_endpoints needs endpoints beside it, of this process alone: there its health is asked for, and"
                ' its providers call. Write endpoints: ["tcp:8081:interface=127.0.0.1"], each process its own port'
            )
        shared = {port_of(endpoint) for endpoint in self.shared_endpoints}
        places = Counter(map(_place, self.shared_endpoints))
        for place, count in places.items():
            if count > 1:  # the kernel would share it between the two, TLS with plain TCP for instance
                raise ValueError(f"port {place[0]} is twice in shared_endpoints, at the same address: leave one out")
        for port in shared.intersection(map(port_of, self.endpoints)):
            raise ValueError(f"port {port} is in both endpoints and shared_endpoints: give endpoints another one")
        return self

    @property
    def keys_and_rate(self) -> tuple[list[str], float]:
        """The keys as they are, and how many texts a second each may send."""
        return [key.get_secret_value() for key in self.api_keys], self.rate_limit

    def warnings(self, has_keys: bool) -> list[str]:
        """A sentence each if providers may call what several processes share, and if these know nothing of each
        other; and, where that is allowed, for each endpoint at which others can send texts without a key or read them
        on their way."""
        found = [f"{key}: {sentence}" for key, sentence in self.exposed(has_keys)] if self.allow_insecure else []
        url = urlsplit(self.public_url or "http:")
        port = url.port or DEFAULT_PORTS[url.scheme]
        if self.public_url is not None and port in map(port_of, self.shared_endpoints):
            found.append(
                f"http.public_url leads to port {port}, and other processes share a port of that number: what a"
                " provider tells of a text may reach one that does not know it. Let it lead to one of http.endpoints"
            )
        if self.shared_endpoints and not self.siblings:
            found.append(
                "http.siblings is not set: a GET for a message that another process has accepted is answered 404. Name"
                " where the others answer by their http.endpoints"
            )
        return found

    def exposed(self, has_keys: bool) -> list[Problem]:
        """What is wrong with endpoints that others can reach; the place is the key. ``has_keys``: requests need a key.
        A socket of systemd is judged when it is there, by ``exposure``."""
        return [
            (f"http.{key}", exposure(one, has_keys, one.startswith("ssl:")))
            for key, endpoints in (("endpoints", self.endpoints), ("shared_endpoints", self.shared_endpoints))
            for one in endpoints
            if not one.startswith(("unix:", "systemd:")) and not _LOOPBACK.search(one)
            if not (has_keys and one.startswith("ssl:"))
        ]


def exposure(endpoint: str, has_keys: bool, is_tls: bool) -> str:
    """What others can do there, and what to do about it."""
    harms = [] if has_keys else ["lets everybody in reach send texts"]
    harms += [] if is_tls else ["carries keys and texts for everybody on the way to read"]
    mends = [] if has_keys else ["make a key (`smsconnector key new NAME --scope send`) or set http.api_keys"]
    mends += [] if is_tls else ["write ssl:PORT:privateKey=FILE:certKey=FILE"]
    return (
        f"{endpoint} {' and '.join(harms)}: {', and '.join(mends)}; or keep it on this machine by interface=127.0.0.1;"
        " or, if something else protects it, say http.allow_insecure: true"
    )


def port_of(endpoint: str) -> int | None:
    """Of an endpoint string; None if it has none."""
    found = _PORT.match(endpoint)
    return int(found[1]) if found else None


def _place(endpoint: str) -> tuple[int | None, str]:
    """Port and address of an endpoint string of TCP or TLS."""
    kind, _, *rest = re.split(r"(?<!\\):", endpoint)
    named = [one.removeprefix("interface=") for one in rest if one.startswith("interface=")]
    by_place = [one for one in rest[:1] if "=" not in one and kind != "ssl"]
    return port_of(endpoint), (*named, *by_place, "::" if kind == "tcp6" else "")[0]
