"""The configuration: YAML in, checked models out; every error at once, with its path and what is allowed.

1. ``load`` reads the file with PyYAML's safe loader.
2. ``${NAME}`` in any string is replaced from the environment; a variable that is not set is an error.
3. The models below check types, ranges and names; what they refuse comes back as one ``ConfigurationError``.

Times are seconds unless the name says otherwise. Secrets never show in an error or a log.
"""

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from twisted.internet.endpoints import serverFromString

from smsconnector.errors import AddressError, ConfigurationError
from smsconnector.net.endpoints import client_endpoint
from smsconnector.net.tls import TLS
from smsconnector.sinks.stomp.failover import FailoverURI
from smsconnector.smpp.policy import status_number
from smsconnector.sms.addresses import normal_sender
from smsconnector.sms.shift_tables import LANGUAGES

# What a text may look like, and how that is said.
_NAME, _BASE_PATH = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", r"^(/[A-Za-z0-9._~-]+)+$"
_ASCII, _PRINTABLE, _PREFIX = r"^[\x20-\x7e]*$", r"^[^\x00-\x1f\x7f]*$", r"^\+?[0-9]{1,20}$"
_PATTERNS = {
    _NAME: "a name has letters, digits, '.', '_' and '-', 64 at most, and begins with a letter or digit",
    _BASE_PATH: "it begins with / and does not end with one: /msg-client",
    _ASCII: "ASCII without control characters is wanted here",
    _PRINTABLE: "it may not hold control characters",
    _PREFIX: 'digits are wanted here, 20 at most, with or without a + before them: "+92300"',
}
_NUMBER = "a number without a unit is wanted here; times are in seconds, sizes in octets"
_KEYS = "keys and values are wanted here, KEY: VALUE"
_WORDS = {  # instead of pydantic's
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

Name = Annotated[str, Field(pattern=_NAME)]
Seconds = Annotated[float, Field(gt=0, le=31_536_000)]
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_ENDPOINT = re.compile(r"^(tcp|tls|outbind):(\[[0-9A-Fa-f:.]+\]|[^:\s]+):(\d{1,5})$")
_PORT = re.compile(r"^(?:tcp6?|ssl):(?:port=)?([0-9]+)(?::|$)")
_TLV_TAG = re.compile(r"^0x[0-9A-Fa-f]{1,4}$")
Octet = Annotated[int, Field(ge=0, le=0xFF)]
CString = Annotated[str, Field(pattern=_ASCII)]  # what goes into a C-octet string of SMPP
HeaderValue = Annotated[str, Field(pattern=_PRINTABLE)]


def _is_status(text: str) -> str:
    try:
        status_number(text)
    except ValueError:
        raise ValueError(f"{text!r} is no command_status: write ESME_RSYSERR, 8 or 0x00000008") from None
    return text


StatusName = Annotated[str, AfterValidator(_is_status)]


class Section(BaseModel):
    """A key that is not known is an error: it is a typing mistake far more often than a wish."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class HTTP(Section):
    endpoints: list[str] = Field(default=["tcp:8080:interface=127.0.0.1"], min_length=1)
    base_path: str = Field(default="/msg-client", pattern=_BASE_PATH)
    api_keys: list[SecretStr] = []
    maximum_body: int = Field(default=65_536, ge=1_024, le=1_048_576)
    idle_timeout: Seconds = 60.0
    request_timeout: Seconds = 30.0  # for all of a request to arrive
    maximum_connections: int = Field(default=10_000, ge=0, le=1_000_000)  # 0: no limit
    default_channel: Name | None = None
    webhook_channel: Name | None = None

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


class StoreSection(Section):
    path: str = Field(default="smsconnector.db", min_length=1)
    retention: Seconds = 2_592_000.0  # 30 days: how long final messages are kept
    text_retention: Annotated[float, Field(ge=0, le=31_536_000)] | None = None  # 0: not at all; None: as long
    maximum_backlog: int = Field(default=5_000_000, ge=1)  # segments that wait for the network; more are refused
    minimum_free: int = Field(default=268_435_456, ge=0)  # octets that stay free on the disk

    @property
    def keep_texts(self) -> float:
        """Seconds."""
        return self.retention if self.text_retention is None else min(self.text_retention, self.retention)


class RetrySection(Section):
    attempts: int = Field(default=8, ge=1, le=1000)
    initial: Seconds = 2.0
    maximum: Seconds = 300.0

    @model_validator(mode="after")
    def _rises(self) -> "RetrySection":
        if self.initial > self.maximum:
            raise ValueError(f"initial ({self.initial:g} s) is more than maximum ({self.maximum:g} s)")
        return self


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


class RuleSection(Section):
    """What a command_status means: see smpp.policy."""

    action: Literal["throttle", "pause", "retry", "rebind", "reject"]
    delay: Annotated[float, Field(gt=0, le=86_400)] | None = None


class BindSection(Section):
    name: Name
    endpoint: str
    system_id: CString = Field(max_length=15)  # SMPP 3.4 section 5.2.1: 16 octets with its NUL
    password: SecretStr | None = None
    password_file: str | None = None
    system_type: CString = Field(default="", max_length=12)
    mode: Literal["transceiver", "transmitter", "receiver", "pair"] = "transceiver"
    sessions: int = Field(default=1, ge=1, le=64)
    to: list[Annotated[str, Field(pattern=_PREFIX)]] = []
    priority: int = 0
    weight: float = Field(default=1.0, gt=0)
    interface_version: Literal["3.3", "3.4", "5.0"] = "3.4"
    address_range: CString = Field(default="", max_length=40)
    addr_ton: Octet = 0
    addr_npi: Octet = 0
    tls: TLSSection = TLSSection()
    statuses: dict[StatusName, RuleSection] = {}
    window: int = Field(default=50, ge=1, le=10_000)
    throughput: float = Field(default=0, ge=0)
    registered_delivery: Literal["final", "failure", "none"] = "final"
    intermediate_notifications: bool = False
    source: CString = Field(default="", max_length=20)
    service_type: CString = Field(default="", max_length=5)
    account: Name | None = None
    bind_timeout: Seconds = 10.0
    response_timeout: Seconds = 30.0
    enquire_link_interval: Seconds = 30.0
    outbind_system_id: CString = Field(default="", max_length=15)  # of the SMSC, when it connects to us
    outbind_password: SecretStr | None = None
    drain_timeout: Seconds = 5.0
    maximum_pdu: int = Field(default=65_536, ge=1_024, le=16_777_216)  # octets
    short_code_digits: int = Field(default=6, ge=0, le=20)
    short_code_ton: int = Field(default=3, ge=0, le=6)
    short_code_npi: int = Field(default=0, ge=0, le=18)
    source_ton: Octet | None = None  # None: by what the address looks like
    source_npi: Octet | None = None
    dest_ton: Octet | None = None
    dest_npi: Octet | None = None
    alphabet: Literal["gsm7", "gsm7-packed", "latin1", "ascii"] = "gsm7"  # what data_coding 0 means
    data_codings: dict[Literal["gsm7", "gsm7-packed", "latin1", "ascii", "ucs2"], Octet] = {}
    long_messages: Literal["udh8", "udh16", "sar", "payload"] = "udh8"
    protocol_id: Octet = 0
    priority_flag: int = Field(default=0, ge=0, le=3)
    validity: Literal["none", "asked", "auto"] | Annotated[int, Field(ge=60, le=31_536_000)] = "asked"
    tlvs: dict[str, str] = {}

    @field_validator("endpoint")
    @classmethod
    def _is_endpoint(cls, endpoint: str) -> str:
        found = _ENDPOINT.match(endpoint)
        if not found or not 0 < int(found[3]) < 65_536:
            raise ValueError(f"{endpoint!r} is no SMSC endpoint: write tcp:HOST:PORT or tls:HOST:PORT")
        return endpoint

    @field_validator("password")
    @classmethod
    def _fits_a_bind(cls, password: SecretStr | None) -> SecretStr | None:
        if password is not None and not password.get_secret_value():
            raise ValueError("it is empty: is the variable that it comes from set? For no password leave the key out")
        if password is not None and not password.get_secret_value().isprintable():
            raise ValueError("the password must be printable")
        return password

    @field_validator("tlvs")
    @classmethod
    def _are_tlvs(cls, tlvs: dict[str, str]) -> dict[str, str]:
        for tag, value in tlvs.items():
            if not _TLV_TAG.match(tag):
                raise ValueError(f'{tag!r} is no tag of a TLV: write it as "0x1400", in quotes')
            try:
                tlv_octets(value)
            except ValueError:
                raise ValueError(f"{value!r} is no value of a TLV: write Latin-1 text or hex:0A0B") from None
        return tlvs

    @field_validator("source")
    @classmethod
    def _is_sender(cls, source: str) -> str:
        try:
            return normal_sender(source) or ""
        except AddressError as error:
            raise ValueError(error.about(repr(source))) from None

    @field_validator("statuses", "tlvs", mode="before")
    @classmethod
    def _have_names(cls, data: Any) -> Any:
        """YAML reads 8 and 0x1400 as numbers."""
        if not isinstance(data, dict):
            return data
        return {f"0x{key:04x}" if isinstance(key, int) and key >= 0 else key: one for key, one in data.items()}

    @model_validator(mode="after")
    def _fits_its_version(self) -> "BindSection":
        if self.interface_version == "3.3" and (self.tlvs or self.long_messages in ("sar", "payload")):
            raise ValueError("SMPP 3.3 has no TLVs: leave out tlvs, and write udh8 or udh16 for long_messages")
        if self.address[0] == "outbind" and not (self.outbind_system_id and self.outbind_password):
            raise ValueError(
                "outbind needs outbind_system_id and outbind_password, what the SMSC says of itself: whoever connects"
                " would be shown this bind's password"
            )
        return self

    @model_validator(mode="after")
    def _uses_its_tls(self) -> "BindSection":
        if self.address[0] != "tls" and self.tls != TLSSection():
            raise ValueError(f"tls is given, but {self.endpoint} is without: write tls:HOST:PORT, or leave tls out")
        return self

    @model_validator(mode="after")
    def _has_one_password(self) -> "BindSection":
        if self.password is not None and self.password_file is not None:
            raise ValueError("password and password_file exclude each other: leave one out")
        return self

    @property
    def address(self) -> tuple[str, str, int]:
        """(tcp, tls or outbind; host; port)."""
        found = _ENDPOINT.match(self.endpoint)
        assert found is not None
        return found[1], found[2].strip("[]"), int(found[3])

    def secret(self) -> str:
        """The password, from wherever it is."""
        if self.password_file is not None:
            return Path(self.password_file).read_text("utf-8").strip()
        return self.password.get_secret_value() if self.password is not None else ""


class SMPPChannelSection(Section):
    type: Literal["smpp"]
    binds: list[BindSection] = Field(min_length=1)
    strict_order: bool = False
    unknown_outcome: Literal["resend", "hold"] = "resend"
    lifetime: Seconds = 259_200.0  # 72 h
    maximum_segments: int = Field(default=10, ge=1, le=255)
    transliterate: bool = False
    national_languages: list[Literal[tuple(LANGUAGES)]] = []  # type: ignore[valid-type]
    retry: RetrySection = RetrySection()


ChannelSection = SMPPChannelSection


class EventsSection(Section):
    sink: Literal["stomp"] = "stomp"
    uri: str = "failover:(tcp://127.0.0.1:61613)"
    login: HeaderValue | None = None
    passcode: SecretStr | None = None
    virtual_host: HeaderValue | None = None
    ca_file: str | None = None
    heartbeat: float = Field(default=10.0, ge=0, le=3600)  # 0: none
    window: int = Field(default=1_048_576, ge=1_024)  # octets on the wire that the broker has not confirmed
    delivery_report: HeaderValue = Field(default="delivery-report", min_length=1)
    incoming_message: HeaderValue = Field(default="incoming-message", min_length=1)

    @field_validator("uri")
    @classmethod
    def _is_uri(cls, uri: str) -> str:
        FailoverURI.parse(uri)
        return uri


class Configuration(Section):
    http: HTTP = HTTP()
    store: StoreSection = StoreSection()
    channels: dict[Name, ChannelSection] = Field(min_length=1)
    events: EventsSection = EventsSection()
    stop_timeout: Seconds = 15.0
    incoming_timeout: Seconds = 300.0

    @property
    def default_channel(self) -> str:
        """Where texts go that name no channel: as configured, else the first one."""
        return self.http.default_channel or next(iter(self.channels))


def tlv_tag(text: str) -> int:
    """``0x1400`` as a number."""
    return int(text, 16)


def tlv_octets(text: str) -> bytes:
    """``hex:0A0B`` as two octets, everything else as Latin-1; ValueError if it is neither, or over 65,535 octets."""
    octets = bytes.fromhex(text[4:]) if text.startswith("hex:") else text.encode("latin-1")
    if len(octets) > 0xFFFF:
        raise ValueError(text)
    return octets


class _Loader(yaml.SafeLoader):
    """YAML lets the last of two equal keys win in silence; here that is an error, for something would be dropped."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None,
                        None,
                        f"the key {key.value!r} is here for the second time: only one would count",
                        key.start_mark,
                    )
                seen.add(key.value)
        found: dict[Any, Any] = super().construct_mapping(node, deep)
        return found


def load(path: str, environment: Mapping[str, str] | None = None) -> Configuration:
    """The checked configuration in that file. Raises ConfigurationError with every problem at once."""
    return parse(_read(path), environment)


def load_store(path: str, environment: Mapping[str, str] | None = None) -> StoreSection:
    """Its section ``store`` alone, for who needs no secrets. Raises ConfigurationError."""
    found = _parse_mapping(_read(path)).get("store") or {}
    problems: list[tuple[str, str]] = []
    found = _substitute(found, "store", os.environ if environment is None else environment, problems)
    try:
        store = StoreSection.model_validate(found)
    except ValidationError as error:
        problems += [(f"store.{name}", text) for name, text in _explained(error)]
    if problems:
        raise ConfigurationError(problems)
    return store


def _read(path: str) -> str:
    try:
        return Path(path).read_text("utf-8")
    except OSError as error:
        raise ConfigurationError([("", f"{path} can't be read: {error.strerror}")]) from None
    except UnicodeDecodeError:
        raise ConfigurationError([("", f"{path} is not UTF-8 text")]) from None


def _parse_mapping(text: str) -> dict[str, Any]:
    """What the file says, unchecked; a section without a key is an empty one."""
    try:
        data = yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "the text is not YAML"
        raise ConfigurationError([(place, f"not valid YAML: {problem}")]) from None
    if not isinstance(data, dict):
        raise ConfigurationError([("", "the file must hold a mapping with the keys http, store, channels, events")])
    return {key: {} if value is None else value for key, value in data.items()}


def parse(text: str, environment: Mapping[str, str] | None = None) -> Configuration:
    """The same from the text itself."""
    data = _parse_mapping(text)
    problems: list[tuple[str, str]] = []
    data = _substitute(data, "", os.environ if environment is None else environment, problems)
    try:
        configuration = Configuration.model_validate(data)
    except ValidationError as error:
        unset = {path for path, _ in problems}
        problems += [one for one in _explained(error) if one[0] not in unset]
    problems += _check_names(data)
    if not problems:
        problems += _check_files(configuration)
    if problems:
        raise ConfigurationError(problems)
    return configuration


def _check_names(data: dict[str, Any]) -> list[tuple[str, str]]:
    """What the whole says of a part, whatever else is wrong."""
    http, channels = data.get("http"), data.get("channels")
    name = http.get("default_channel") if isinstance(http, dict) else None
    if not isinstance(channels, dict):
        return []
    problems = []
    if isinstance(name, str) and name not in channels:
        known = ", ".join(map(str, channels))
        problems.append(("http.default_channel", f"names {name!r}, but the channels are: {known}"))
    for channel, section in channels.items():
        binds = section.get("binds") if isinstance(section, dict) else None
        names = [str(one.get("name")) for one in binds if isinstance(one, dict)] if isinstance(binds, list) else []
        problems += [
            (f"channels.{channel}.binds", f"{one!r} is there {count} times: every bind needs a name of its own")
            for one, count in Counter(names).items()
            if count > 1
        ]
    return problems


def _substitute(value: Any, path: str, environment: Mapping[str, str], problems: list[tuple[str, str]]) -> Any:
    if isinstance(value, str):
        for name in _VARIABLE.findall(value):
            if name not in environment:
                problems.append((path, f"the environment variable {name} is not set"))
        return _VARIABLE.sub(lambda found: environment.get(found[1], ""), value)
    if isinstance(value, dict):
        return {
            key: _substitute(one, f"{path}.{key}" if path else str(key), environment, problems)
            for key, one in value.items()
        }
    if isinstance(value, list):
        return [_substitute(one, f"{path}[{index}]", environment, problems) for index, one in enumerate(value)]
    return value


def _explained(error: ValidationError) -> list[tuple[str, str]]:
    """(path, sentence); a value that fits none of several kinds is one problem."""
    found: dict[str, str] = {}
    for one in error.errors(include_url=False):
        path, sentence = _path(one["loc"]), explain_error(one)
        found[path] = f"{found[path]}; or: {sentence}" if path in found else sentence
    return list(found.items())


def _path(location: Sequence[int | str]) -> str:
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        elif part != "[key]" and not part.startswith(("literal[", "constrained-")):
            path += f".{part}" if path else part
    return path


def explain_error(error: Any) -> str:
    """One of pydantic's errors as a sentence, never with the value."""
    if error["type"] == "string_pattern_mismatch":
        return _PATTERNS[error["ctx"]["pattern"]]
    return _WORDS.get(error["type"]) or str(error["msg"]).removeprefix("Value error, ")


def _check_files(configuration: Configuration) -> list[tuple[str, str]]:
    """What only the file system can say; not of a relative ``store.path``, which begins where the connector starts."""
    problems = []
    path = configuration.store.path
    if os.path.isdir(path):
        problems.append(("store.path", f"{path} is a folder: name a file in it"))
    elif os.path.isabs(path) and not os.path.isdir(os.path.dirname(path)):
        problems.append(
            ("store.path", f"there is no folder {os.path.dirname(path)}: make it, for the connector's user")
        )
    for name, channel in configuration.channels.items():
        for index, bind in enumerate(channel.binds):
            path = f"channels.{name}.binds[{index}]"
            problems += _check_password(bind, path)
            files = {f"{path}.tls.{key}": getattr(bind.tls, key) for key in ("ca_file", "certificate_file", "key_file")}
            problems += _check_pem(files)
            if not problems and bind.address[0] == "tls":
                problems += _check_tls(bind.address[1], TLS(**bind.tls.model_dump()), f"{path}.tls")
    unreadable = _check_pem({"events.ca_file": configuration.events.ca_file})
    if configuration.events.ca_file is not None and not unreadable:
        problems += _check_tls("localhost", TLS(ca_file=configuration.events.ca_file), "events.ca_file")
    return problems + unreadable


def _check_password(bind: BindSection, path: str) -> list[tuple[str, str]]:
    try:
        secret = bind.secret()
    except (OSError, UnicodeDecodeError) as error:
        return [(f"{path}.password_file", f"{bind.password_file} can't be read: {error}")]
    if bind.password_file is not None and not secret:
        return [(f"{path}.password_file", f"{bind.password_file} is empty")]
    if not secret.isascii() or not secret.isprintable():
        return [(f"{path}.password", "the password of a bind is ASCII, without control characters")]
    return []


def _check_pem(files: dict[str, str | None]) -> list[tuple[str, str]]:
    return [
        (path, f"{file} can't be read: does it exist, and may this user read it?")
        for path, file in files.items()
        if file is not None and not (os.path.isfile(file) and os.access(file, os.R_OK))
    ]


def _check_tls(host: str, tls: TLS, path: str) -> list[tuple[str, str]]:
    try:
        client_endpoint(None, host, 1, tls)
    except Exception as error:  # noqa: BLE001 — OpenSSL has many ways to say what is wrong with a file
        return [(path, f"the PEM files can't be used: {error}")]
    return []
