"""The sections of the configuration that belong to the channel type ``smpp``, and what they mean to a bind.

1. ``SMPPChannelSection`` and ``BindSection`` are what the file says, checked.
2. ``bind_settings`` translates one bind into the settings of its session, of its submit_sm and of its policy. The
   doctor uses the same translation, so that it tries what the connector would do.
"""

import re
from collections import Counter, defaultdict
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from smsconnector.channels.smpp.bind import BindSettings
from smsconnector.code_sections import CodeSections, own_codes
from smsconnector.codes import Codes, OwnMeaning
from smsconnector.errors import AddressError
from smsconnector.hook_sections import Verify, hooks_of
from smsconnector.hooks.hook import Hooks
from smsconnector.messages import Finality
from smsconnector.net.protocols import unlikely_port
from smsconnector.section_base import Problem, Section
from smsconnector.sections import ChannelSection, CString, Name, NumberPrefix, Octet, Seconds, TLSSection, unusable_tls
from smsconnector.smpp.constants import INTERFACE_VERSIONS, RegisteredDelivery
from smsconnector.smpp.policy import Action, Policy, Rule, status_number
from smsconnector.smpp.session import SessionSettings
from smsconnector.smpp.submit import SubmitSettings
from smsconnector.sms.addresses import normal_sender
from smsconnector.sms.shift_tables import LANGUAGES

INTERMEDIATE_NOTIFICATION = 0x10  # registered_delivery bit 4 (SMPP 3.4 section 5.2.17)

_ENDPOINT = re.compile(r"^(tcp|tls|outbind):(\[[0-9A-Fa-f:.]+\]|[^:\s]+):(\d{1,5})$")
_RECEIPT_WORD = re.compile(r"^[!#-+\--:<-{}~]{1,64}$")  # what ``smpp.receipt`` reads as one value
_TLV_TAG = re.compile(r"^0x[0-9A-Fa-f]{1,4}$")


def _is_status(text: str) -> str:
    try:
        status_number(text)
    except ValueError:
        raise ValueError(f"{text!r} is no command_status: write ESME_RSYSERR, 8 or 0x00000008") from None
    return text


StatusName = Annotated[str, AfterValidator(_is_status)]


class RuleSection(Section):
    """What a command_status means: see smpp.policy."""

    action: Literal["throttle", "pause", "retry", "rebind", "reject"]
    delay: Annotated[float, Field(gt=0, le=86_400)] | None = None


class BindSection(Section):
    """One bind: an SMSC, who we are there, and how the SMSC wants to be spoken to. Times are seconds."""

    name: Name
    endpoint: str
    system_id: CString = Field(max_length=15)  # SMPP 3.4 section 5.2.1: 16 octets with its NUL
    password: SecretStr | None = None
    password_file: str | None = None
    system_type: CString = Field(default="", max_length=12)
    mode: Literal["transceiver", "transmitter", "receiver", "pair"] = "transceiver"
    sessions: int = Field(default=1, ge=1, le=64)
    to: list[NumberPrefix] = []
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
    headers_without_udhi: bool = True  # of incoming texts: what looks like the header of a part is one
    long_messages: Literal["udh8", "udh16", "sar", "payload"] = "udh8"
    protocol_id: Octet = 0
    priority_flag: int = Field(default=0, ge=0, le=3)
    validity: Literal["none", "asked", "auto"] | Annotated[int, Field(ge=60, le=31_536_000)] = "asked"
    tlvs: dict[str, str] = {}
    receipt_words: dict[str, Literal["delivered", "failed", "progress"]] = {}  # of ``stat``
    codes: CodeSections = {}  # what ``err`` of its receipts, and statuses of its own, mean
    cancel_sm: bool = False  # whether DELETE of a message that was sent asks the SMSC to take it back
    one_receipt: Literal["auto", "never"] = "auto"  # for a long text; never: the SMSC gives one for each part

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

    @field_validator("receipt_words", mode="before")
    @classmethod
    def _are_words(cls, data: Any) -> Any:
        """YAML reads OFF as a truth value, and 010 as eight."""
        for word in data if isinstance(data, dict) else ():
            if not isinstance(word, str):
                raise ValueError(f'the word {word!r} is not read as it is written: put it in quotes, "OFF", "010"')
            if not _RECEIPT_WORD.match(word):
                raise ValueError(f"{word!r} is no word of a receipt: write ASCII without blanks, commas and quotes")
        return data

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

    def problems(self, path: str) -> list[Problem]:
        """Files of the password and of TLS that can't be used."""
        found = self._problems_of_password(path) + self.tls.problems(f"{path}.tls")
        if not found and self.address[0] == "tls":
            found = unusable_tls(self.address[1], self.tls.settings(), f"{path}.tls")
        return found

    def _problems_of_password(self, path: str) -> list[Problem]:
        try:
            secret = self.secret()
        except (OSError, UnicodeDecodeError) as error:
            return [(f"{path}.password_file", f"{self.password_file} can't be read: {error}")]
        if self.password_file is not None and not secret:
            return [(f"{path}.password_file", f"{self.password_file} is empty")]
        if not secret.isascii() or not secret.isprintable():
            return [(f"{path}.password", "the password of a bind is ASCII, without control characters")]
        return []


class SMPPChannelSection(ChannelSection):
    """A channel of the type ``smpp``."""

    binds: list[BindSection] = Field(min_length=1)
    maximum_segments: int = Field(default=10, ge=1, le=255)
    transliterate: bool = False
    national_languages: list[Literal[tuple(LANGUAGES)]] = []  # type: ignore[valid-type]
    verify: Verify | None = None  # of who calls its two paths; None: the API keys say who may

    def hooks(self, public_url: str | None, path: str) -> Hooks | None:
        return None if self.verify is None else hooks_of(None, None, public_url, self.verify)

    @classmethod
    def early_problems(cls, data: dict[str, Any], path: str) -> list[Problem]:
        """Two binds of one name. ``data`` is the section as it stands in the file."""
        binds = data.get("binds")
        names = [str(one.get("name")) for one in binds if isinstance(one, dict)] if isinstance(binds, list) else []
        return [
            (f"{path}.binds", f"{one!r} is there {count} times: every bind needs a name of its own")
            for one, count in Counter(names).items()
            if count > 1
        ]

    def problems(self, path: str) -> list[Problem]:
        """Those of all its binds."""
        return [one for index, bind in enumerate(self.binds) for one in bind.problems(f"{path}.binds[{index}]")]

    def links(self) -> dict[str, Section]:
        """Its binds."""
        return {bind.name: bind for bind in self.binds}

    def of_submitters(self) -> Any:
        """Not what is said of each bind, but for the prefixes: each has a route."""
        senders = [bind for bind in self.binds if bind.mode != "receiver"]
        prefixes = frozenset(prefix.removeprefix("+") for bind in senders for prefix in bind.to or [""])
        return self.model_copy(update={"binds": []}), prefixes, self.longest_pause()

    def warnings(self, path: str, public_url: str | None, has_keys: bool) -> list[str]:
        """Binds that lead to a port where something else than an SMSC mostly listens."""
        found = []
        for index, bind in enumerate(self.binds):
            scheme, _, port = bind.address
            unlikely = None if scheme == "outbind" else unlikely_port(port, "SMPP", scheme == "tls")
            found += [] if unlikely is None else [f"{path}.binds[{index}].endpoint: {unlikely}"]
        return found

    def longest_pause(self) -> float:
        """Seconds: a status may have a delay of its own."""
        delays = [rule.delay or 0.0 for bind in self.binds for rule in bind.statuses.values()]
        return max([super().longest_pause(), *delays])

    def kin(self) -> dict[str, tuple[str, ...]]:
        """For each account those of its system_id: hosts that stand for each other. A bind that names its ``account``
        has said what belongs together."""
        accounts: defaultdict[str, set[str]] = defaultdict(set)
        for bind in self.binds:
            if bind.account is None:
                accounts[bind.system_id].add(account_of(bind))
        return {one: tuple(sorted(group)) for group in accounts.values() for one in group if len(group) > 1}

    def codes_of(self, name: str) -> Codes:
        """Binds of one account share what they say; the first that has a code says what it means."""
        own: dict[str, dict[str, OwnMeaning]] = {}
        for bind in self.binds:
            own[account_of(bind)] = own_codes(bind.codes) | own.get(account_of(bind), {})
        return Codes("smpp", own, {bind.name: account_of(bind) for bind in self.binds})

    def telling_parts(self, name: str) -> set[str]:
        """The accounts of binds with ``one_receipt: never``."""
        return {account_of(bind) for bind in self.binds if bind.one_receipt == "never"}

    def system_ids(self) -> dict[str, str]:
        """Those of all binds, by account."""
        return {account_of(bind): bind.system_id for bind in self.binds}

    def told_over(self) -> dict[str, str]:
        """Not over binds that only transmit, and ask for no receipts."""
        silent = ("transmitter", "none")
        told = [bind for bind in self.binds if (bind.mode, bind.registered_delivery) != silent]
        return {account_of(bind): bind.system_id for bind in told}


def tlv_tag(text: str) -> int:
    """``0x1400`` as a number."""
    return int(text, 16)


def tlv_octets(text: str) -> bytes:
    """``hex:0A0B`` as two octets, everything else as Latin-1; ValueError if it is neither, or over 65,535 octets."""
    octets = bytes.fromhex(text[4:]) if text.startswith("hex:") else text.encode("latin-1")
    if len(octets) > 0xFFFF:
        raise ValueError(text)
    return octets


def account_of(bind: BindSection) -> str:
    """Whose message ids are one series: what the configuration says, or system_id and host."""
    _, host, port = bind.address
    return bind.account or f"{bind.system_id}@{host}:{port}"


def bind_settings(bind: BindSection, name: str, mode: str) -> BindSettings:
    """What one session of the bind needs to know. ``name`` and ``mode`` are the session's own: a bind may have several
    sessions, and ``pair`` has two modes."""
    rules = {status_number(text): Rule(Action(rule.action), rule.delay) for text, rule in bind.statuses.items()}
    return BindSettings(
        name,
        account_of(bind),
        _session_settings(bind, mode),
        _submit_settings(bind),
        policy=Policy(rules),
        to=tuple(prefix.removeprefix("+") for prefix in bind.to),
        priority=bind.priority,
        weight=bind.weight,
        receipt_words={word.upper(): Finality[meaning.upper()] for word, meaning in bind.receipt_words.items()},
        headers_without_udhi=bind.headers_without_udhi,
        cancel_sm=bind.cancel_sm,
    )


def _session_settings(bind: BindSection, mode: str) -> SessionSettings:
    return SessionSettings(
        bind.system_id,
        bind.secret(),
        bind.system_type,
        mode,
        interface_version=INTERFACE_VERSIONS[bind.interface_version],
        address_range=bind.address_range,
        window=bind.window,
        bind_timeout=bind.bind_timeout,
        response_timeout=bind.response_timeout,
        enquire_link_interval=bind.enquire_link_interval,
        drain_timeout=bind.drain_timeout,
        addr_ton=bind.addr_ton,
        addr_npi=bind.addr_npi,
        maximum_pdu=bind.maximum_pdu,
        outbind=bind.address[0] == "outbind",
        outbind_system_id=bind.outbind_system_id,
        outbind_password=bind.outbind_password.get_secret_value() if bind.outbind_password else "",
    )


def _submit_settings(bind: BindSection) -> SubmitSettings:
    intermediate = INTERMEDIATE_NOTIFICATION if bind.intermediate_notifications else 0
    return SubmitSettings(
        source=bind.source,
        service_type=bind.service_type,
        registered_delivery=RegisteredDelivery[bind.registered_delivery.upper()] | intermediate,
        short_code_ton=bind.short_code_ton,
        short_code_npi=bind.short_code_npi,
        short_code_digits=bind.short_code_digits,
        source_ton=bind.source_ton,
        source_npi=bind.source_npi,
        dest_ton=bind.dest_ton,
        dest_npi=bind.dest_npi,
        default_alphabet=bind.alphabet,
        form=bind.long_messages,
        data_codings={str(name): number for name, number in bind.data_codings.items()},
        protocol_id=bind.protocol_id,
        priority_flag=bind.priority_flag,
        validity=bind.validity,
        tlvs=tuple((tlv_tag(tag), tlv_octets(value)) for tag, value in bind.tlvs.items()),
    )
