"""What is to be tried, by the command line and the configuration: the bind, the numbers, how long to wait.

Texts are sent as the connector would send them on this bind, by its settings. Each number gets one short text and one
long text in each form of long messages. The short text has signs that every alphabet writes with other octets: how they
come back shows what data_coding 0 means to the SMSC.
"""

import argparse
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import ValidationError

from smsconnector.channels.smpp.settings import BindSection, SMPPChannelSection, bind_settings
from smsconnector.config import load
from smsconnector.doctor.evidence import MARK, SHORT, Trial
from smsconnector.errors import AddressError
from smsconnector.messages import Segment
from smsconnector.section_base import explain_error
from smsconnector.smpp.constants import RegisteredDelivery
from smsconnector.smpp.session import SessionSettings
from smsconnector.smpp.submit import SubmitSettings
from smsconnector.sms.addresses import in_country, normal_number, normal_sender
from smsconnector.sms.segmentation import segment

PASSWORD_VARIABLE = "SMSCONNECTOR_PASSWORD"  # nosec B105 # the name of a variable
LONGEST_WAIT = 3600.0  # seconds
VALIDITY_MS = 3_600_000
UNBIND_WAIT = 2.0  # seconds that the SMSC has to answer unbind
TRIED_FORMS = ("udh8", "udh16", "sar", "payload")  # in this order: the last are the likeliest to end a session
LONG_TEXT = (
    "Test of a long text as {form}. It has more characters than one segment holds, and it has to arrive as one text, "
    "whole and in order: one two three four five six seven eight nine ten eleven twelve."
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be tried. ``place`` says where the bind stands in the configuration. It is empty if the command line
    names the SMSC; then ``entry`` holds the keys that a bind of the configuration needs."""

    bind: BindSection
    numbers: tuple[str, ...] = ()
    wait: float = 15.0  # seconds, for receipts
    place: str = ""
    entry: Mapping[str, Any] = field(default_factory=dict)
    country: str | None = None  # of numbers as they are dialled inside it

    @property
    def modes(self) -> tuple[str, ...]:
        """The modes of the sessions: two for a pair."""
        return ("transmitter", "receiver") if self.bind.mode == "pair" else (self.bind.mode,)

    def session(self, mode: str) -> SessionSettings:
        """The connector's own settings, but with one submit under way at a time, and no longer time-outs than the wait
        for receipts."""
        own = bind_settings(self.bind, self.bind.name, mode).session
        timeout = min(own.response_timeout, max(self.wait, 1.0))
        return replace(own, window=1, response_timeout=timeout, drain_timeout=min(own.drain_timeout, UNBIND_WAIT))

    def submit(self, form: str) -> SubmitSettings:
        """The connector's own settings, but receipts are always asked for. ``form`` is a form of long messages or
        SHORT."""
        own = bind_settings(self.bind, self.bind.name, self.modes[0]).submit
        form = own.form if form == SHORT else form
        registered_delivery = own.registered_delivery & ~0b11 | RegisteredDelivery.FINAL
        return replace(own, form=form, registered_delivery=registered_delivery)

    @property
    def short_text(self) -> str:
        """The signs come first, because a receipt quotes no more than 20 characters."""
        mark = MARK if self.bind.alphabet == "ascii" else f"{MARK}é"
        return f"Test {mark}: please answer with these signs."

    def trials(self) -> Iterator[Trial]:
        """Every segment that will be sent, in order. Where the SMSC is told a validity, it is an hour."""
        first = 1
        for number in self.numbers:
            for form in (SHORT, *TRIED_FORMS):
                text = self.short_text if form == SHORT else LONG_TEXT.format(form=form)
                split = segment(text, alphabet="gsm7", form="udh8" if form == SHORT else form)
                count = len(split.segments)
                for at, part in enumerate(split.segments):
                    made = Segment(
                        first + at,
                        at + 1,
                        count,
                        text=part,
                        alphabet=split.alphabet,
                        source=None,
                        destination=number,
                        expires_at=VALIDITY_MS,
                    )
                    yield Trial(form, made)
                first += count


def make_plan(options: argparse.Namespace, environment: Mapping[str, str] | None = None) -> Plan:
    """The plan that the command line asks for. Raises ConfigurationError for a file that can't be used, and ValueError,
    with a sentence for the operator, for options that can't be followed."""
    if bool(options.bind) == bool(options.host):
        raise ValueError("say which SMSC: --bind NAME of the configuration, or --host tcp:HOST:PORT and --system-id ID")
    plan = _by_name(options) if options.bind else _by_host(options, os.environ if environment is None else environment)
    if plan.bind.address[0] == "outbind":
        raise ValueError(f"{plan.bind.name} waits for the SMSC to connect (outbind): there is nothing to connect to")
    numbers = tuple(dict.fromkeys(_number(text, plan.country) for text in options.to))
    if numbers and plan.bind.mode == "receiver":
        raise ValueError(f"{plan.bind.name} is a receiver and can't send: leave out --to")
    if not 0 <= options.wait <= LONGEST_WAIT:
        raise ValueError(f"--wait has to be 0 to {LONGEST_WAIT:g} seconds, not {options.wait:g}")
    bind = plan.bind
    if options.source is not None:
        if not numbers:
            raise ValueError("--from is the sender of the texts to --to: name a number")
        bind = bind.model_copy(update={"source": _sender(options.source)})
    return replace(plan, bind=bind, numbers=numbers, wait=options.wait)


def _by_name(options: argparse.Namespace) -> Plan:
    """With a bind of the configuration. Its name is NAME, or CHANNEL/NAME where two channels have a bind NAME."""
    for name in ("system_id", "system_type", "password_file", "ca_file"):
        if getattr(options, name) is not None:
            raise ValueError(f"--{name.replace('_', '-')} goes with --host; {options.config} says it for --bind")
    channels = load(options.config).channels
    smpp = {name: section for name, section in channels.items() if isinstance(section, SMPPChannelSection)}
    binds = {f"{channel}/{bind.name}": bind for channel, section in smpp.items() for bind in section.binds}
    found = [path for path, bind in binds.items() if options.bind in (path, bind.name)]
    if len(found) != 1:
        which = "no bind" if not found else "more than one bind"
        raise ValueError(f"{options.config} has {which} of the name {options.bind!r}: say one of {', '.join(binds)}")
    channel, _, name = found[0].partition("/")
    country = channels[channel].default_country
    return Plan(binds[found[0]], place=f"channels.{channel}.binds, {name}", country=country)


def _by_host(options: argparse.Namespace, environment: Mapping[str, str]) -> Plan:
    """With a bind that no configuration has yet: the command line names the SMSC."""
    if options.system_id is None:
        raise ValueError("--host needs --system-id ID")
    entry: dict[str, Any] = {"name": "smsc", "endpoint": options.host, "system_id": options.system_id}
    if options.system_type is not None:
        entry["system_type"] = options.system_type
    if options.ca_file is not None:
        entry["tls"] = {"ca_file": options.ca_file}
    if options.password_file is not None:
        secret = {"password_file": options.password_file}
        entry |= secret
    elif PASSWORD_VARIABLE in environment:
        secret = {"password": environment[PASSWORD_VARIABLE]}
        entry["password"] = f"${{{PASSWORD_VARIABLE}}}"
    else:
        raise ValueError(f"say the password: --password-file FILE, or the environment variable {PASSWORD_VARIABLE}")
    try:
        bind = BindSection.model_validate(entry | secret)
    except ValidationError as error:
        raise ValueError("; ".join(map(_explain, error.errors(include_url=False, include_input=False)))) from None
    _check_secret(bind)
    return Plan(bind, entry=entry)


def _explain(error: Any) -> str:
    """One of pydantic's errors as a sentence. It never has the value, which may be a password."""
    name = str(error["loc"][0]) if error["loc"] else "the command line"
    words = {"endpoint": "--host", "system_id": "--system-id", "system_type": "--system-type"}
    return f"{words.get(name, name)}: {explain_error(error)}"


def _check_secret(bind: BindSection) -> None:
    try:
        secret = bind.secret()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ValueError(f"--password-file {bind.password_file} can't be read: {reason}") from None
    if not secret.isascii() or not secret.isprintable():
        raise ValueError("the password of a bind is ASCII, without control characters")


def _number(text: str, country: str | None) -> str:
    try:
        return in_country(normal_number(text), country)
    except AddressError as error:
        raise ValueError(error.about(f"--to {text!r}")) from None


def _sender(text: str) -> str:
    try:
        return normal_sender(text) or ""
    except AddressError as error:
        raise ValueError(error.about("--from")) from None
