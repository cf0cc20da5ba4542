"""Read and check the configuration file. All errors are reported at once, each with its path and what is allowed.

1. ``load`` reads the YAML file with PyYAML's safe loader.
2. ``${NAME}`` in any string is replaced by the environment variable, ``${file:PATH}`` and ``${credential:NAME}`` by
   what is in files (``substitution``).
3. The pydantic models check types, ranges and names. If these are right, the files that are named are checked.
4. All that is wrong is raised as one ``ConfigurationError``.

Times are seconds unless the name says otherwise. Secrets are never in an error or a log.
"""

import os
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any

from pydantic import Field, PlainValidator, ValidationError, field_validator, model_validator

from smsconnector import instances
from smsconnector.access.file import access_path_of
from smsconnector.access.file import has_keys as has_stored_keys
from smsconnector.channels.types import CHANNEL_TYPES
from smsconnector.codes import Codes, knows
from smsconnector.config_schema import Schema, places_of_keys, schema_of
from smsconnector.errors import ConfigurationError, StoreUnusable
from smsconnector.hooks.hook import Hooks
from smsconnector.http_section import HTTP
from smsconnector.key_names import about_glued, glued
from smsconnector.lifecycle import EndRules
from smsconnector.log_section import LogSection
from smsconnector.messages import CALLBACK_SINK, Selection
from smsconnector.section_base import Problem, Section, check_by_type, explain_error
from smsconnector.sections import ChannelSection, Country, Name, Seconds, SinkSection
from smsconnector.sinks.types import SINK_TYPES
from smsconnector.sinks.webhook.callbacks import CallbackSection
from smsconnector.sms.addresses import normal_country
from smsconnector.sms.opt_out import OptOutRules, Wish
from smsconnector.substitution import substitute
from smsconnector.yaml_file import parse_mapping, read


class StoreSection(Section):
    """The section ``store``: the database. Times are seconds."""

    path: str = Field(default="smsconnector.db", min_length=1)
    access_path: str | None = Field(default=None, min_length=1)  # of keys and audit; None: beside ``path``
    retention: Seconds = 2_592_000.0  # 30 days: how long final messages are kept
    text_retention: Annotated[float, Field(ge=0, le=31_536_000)] | None = None  # None: as long as ``retention``
    maximum_backlog: int = Field(default=5_000_000, ge=1)  # segments that wait for the network; more are refused
    minimum_free: int = Field(default=268_435_456, ge=0)  # octets that stay free on the disk
    conversation: Annotated[float, Field(ge=0, le=31_536_000)] = 259_200.0  # 72 h; 0: no text is told as an answer

    @property
    def access(self) -> str:
        """Where keys and audit are."""
        return self.access_path or access_path_of(self.path)

    @property
    def keep_texts(self) -> float:
        """How long the texts of final messages are kept, in seconds: never longer than the messages."""
        return self.retention if self.text_retention is None else min(self.text_retention, self.retention)

    def problems(self, path: str) -> list[Problem]:
        """A problem if the file's folder is missing. A relative file name is not checked, because it depends on where
        the connector is started. ``path`` is that of the section in the configuration."""
        if os.path.isdir(self.path):
            return [(f"{path}.path", f"{self.path} is a folder: name a file in it")]
        folder = os.path.dirname(self.path)
        if os.path.isabs(self.path) and not os.path.isdir(folder):
            return [(f"{path}.path", f"there is no folder {folder}: make it, for the connector's user")]
        return []


def _check_channel(data: Any) -> ChannelSection:
    """By its type, looked up now."""
    return check_by_type(data, "type", {name: one.section for name, one in CHANNEL_TYPES.items()})


def _check_sink(data: Any) -> SinkSection:
    """By its type, looked up now."""
    return check_by_type(data, "type", {name: one.section for name, one in SINK_TYPES.items()})


def _fall_back_problems(channels: Mapping[Any, Any]) -> list[Problem]:
    """Each channel falls back to another that there is, and never by way of others to itself. ``channels`` are the
    sections as they stand in the file, unchecked."""
    others: dict[Any, Any] = {}
    for name, section in channels.items():
        wanted = section.get("fallback") if isinstance(section, dict) else None
        others[name] = wanted.get("channel") if isinstance(wanted, dict) else wanted
    problems = []
    for name in channels:
        way = [name]
        while isinstance(others.get(way[-1]), str) and others[way[-1]] not in way:
            way.append(others[way[-1]])
        if len(way) > 1 and way[1] not in channels:
            known = ", ".join(str(one) for one in channels if one != name) or "no other"
            problems.append((f"channels.{name}.fallback", f"names {way[1]!r}, but the other channels are: {known}"))
        elif others.get(way[-1]) == name:
            circle = " -> ".join(map(str, [*way, name]))
            problems.append((f"channels.{name}.fallback", f"a channel can't fall back to itself: {circle}"))
    return problems


MOST_SINKS = 16


class _SinksSection(Section):
    """The long form of the section ``events``."""

    sinks: list[Annotated[SinkSection, PlainValidator(_check_sink)]] = Field(min_length=1, max_length=MOST_SINKS)

    @field_validator("sinks")
    @classmethod
    def _have_names_of_their_own(cls, sinks: list[SinkSection]) -> list[SinkSection]:
        names = [sink.known_as for sink in sinks]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two of them have the name {name}: write another name: for one of them")
        return sinks


@dataclass(frozen=True, slots=True)
class Events:
    """The section ``events``: where events go. Its short form is the section of one sink, its type under ``sink``."""

    by_place: Mapping[str, SinkSection]  # where its section stands in the file

    @property
    def sinks(self) -> list[SinkSection]:
        return list(self.by_place.values())

    @property
    def selections(self) -> dict[str, Selection]:
        """What each sink wants, by its name."""
        return {sink.known_as: sink.selection for sink in self.sinks}


def _check_events(data: Any) -> Events:
    if isinstance(data, dict) and "sinks" in data:
        sinks = _SinksSection.model_validate(data).sinks
        return Events({f"events.sinks[{number}]": sink for number, sink in enumerate(sinks)})
    sections = {name: one.section for name, one in SINK_TYPES.items()}
    key = "type" if isinstance(data, dict) and "type" in data else "sink"
    return Events({"events": check_by_type(data, key, sections, "stomp")})


def _knows(codes: Mapping[str, Codes], channel: str, code: int | str) -> bool:
    """Whether the code of a report of that channel has an explanation. A channel that is gone asks for none."""
    return channel not in codes or knows(code, codes[channel])


def schema() -> Schema:
    """The JSON Schema of the file, with the types of channels and of sinks that there are now."""
    return schema_of(Configuration, _SinksSection)


class Configuration(Section):
    """The whole configuration file. Times are seconds."""

    http: HTTP = HTTP()
    store: StoreSection = StoreSection()
    channels: dict[Name, Annotated[ChannelSection, PlainValidator(_check_channel)]] = Field(min_length=1)
    events: Annotated[Events, PlainValidator(_check_events)] = Field(default_factory=lambda: _check_events({}))
    status_callbacks: CallbackSection | None = None
    log: LogSection = LogSection()
    stop_timeout: Seconds = 15.0
    incoming_timeout: Seconds = 300.0
    default_country: Country | None = None  # of the channels that name none

    @model_validator(mode="before")
    @classmethod
    def _channels_have_a_country(cls, data: Any) -> Any:
        """The file's own country is that of each channel that names none. One that is wrong is told once."""
        country, channels = data.get("default_country"), data.get("channels")
        if not isinstance(country, str) or not isinstance(channels, dict):
            return data
        with suppress(ValueError):
            more = {"default_country": normal_country(country)}
            return data | {
                "channels": {name: more | one if isinstance(one, dict) else one for name, one in channels.items()}
            }
        return data

    @property
    def default_channel(self) -> str:
        """The channel of texts that name none: as configured, else the first channel."""
        return self.http.default_channel or next(iter(self.channels))

    @property
    def sinks(self) -> list[SinkSection]:
        """Those of ``events``, and one for each host that callbacks may go to."""
        return [*self.events.sinks, *(() if self.status_callbacks is None else self.status_callbacks.sinks())]

    @property
    def selections(self) -> dict[str, Selection]:
        """What each of the sinks wants, by its name."""
        return {sink.known_as: sink.selection for sink in self.sinks}

    @property
    def callback_hosts(self) -> Collection[str]:
        """To which the report of a single message may be posted."""
        return () if self.status_callbacks is None else self.status_callbacks.hosts

    @property
    def reached_at(self) -> tuple[str | None, str]:
        """Where providers reach the HTTP door: the public URL, and the path that comes behind it."""
        return self.http.public_url, self.http.base_path

    @property
    def has_keys(self) -> bool:
        """Whether there is an API key, here or in the file of keys. Raises StoreUnusable."""
        return bool(self.http.api_keys) or has_stored_keys(self.store.access)

    @property
    def warnings(self) -> list[str]:
        """Sentences for the operator, of the HTTP door, of each channel and of each sink."""
        try:
            has_keys = self.has_keys
        except StoreUnusable:  # perhaps to this user; the start will tell
            has_keys = False
        found = self.http.warnings(has_keys)
        for name, channel in self.channels.items():
            found += channel.warnings(f"channels.{name}", self.http.public_url, has_keys)
        for place, sink in self.events.by_place.items():
            found += sink.warnings(place)
        return found

    @property
    def kin(self) -> dict[str, tuple[str, ...]]:
        """For each account the accounts of its channel, itself included, over which its receipts may come."""
        return {account: group for channel in self.channels.values() for account, group in channel.kin().items()}

    @property
    def end_rules(self) -> EndRules:
        """How messages end, by channel."""
        channels = self.channels.items()
        return EndRules(
            receipt_times={name: int(channel.receipt_time * 1000) for name, channel in channels},
            graces={name: int(channel.receipt_grace * 1000) for name, channel in channels},
            telling_parts={account for name, channel in channels for account in channel.telling_parts(name)},
            naming_ids={name for name, channel in channels if channel.names_our_ids(self.http.public_url)},
            several_ids={account for name, channel in channels for account in channel.several_ids(name)},
            fall_backs={name: rule for name, channel in channels if (rule := channel.fall_back_rule)},
            conversation=int(self.store.conversation * 1000),
            knows=partial(_knows, {name: channel.codes_of(name) for name, channel in channels}),
        )

    @property
    def opt_out_rules(self) -> dict[str, OptOutRules]:
        """Of the channels whose customers can opt out by a word."""
        found = ((name, one.opt_out, one.opt_out_codes()) for name, one in self.channels.items())
        return {name: section.rules(codes) for name, section, codes in found if section is not None}

    @property
    def opt_out_answers(self) -> tuple[dict[str, OptOutRules], dict[str, dict[Wish, str]]]:
        """The same, and what these channels answer."""
        answers = {name: one.opt_out.answers() for name, one in self.channels.items() if one.opt_out is not None}
        return self.opt_out_rules, answers

    @property
    def system_ids(self) -> dict[str, str]:
        """Of the accounts of all channels, where there is one."""
        return {account: name for channel in self.channels.values() for account, name in channel.system_ids().items()}

    @property
    def hooks(self) -> dict[str, Hooks]:
        """How the providers of channels call us, where it is not by the contract's own forms. Raises
        ConfigurationError."""
        found: dict[str, Hooks] = {}
        problems: list[Problem] = []
        for name, channel in self.channels.items():
            try:
                hooks = channel.hooks(self.http.public_url, f"{self.http.base_path}/{name}")
            except ConfigurationError as error:
                problems += [(f"channels.{name}.{where}", sentence) for where, sentence in error.problems]
                continue
            if hooks is not None:
                found[name] = replace(hooks, public_url=self.http.public_url)
        if problems:
            raise ConfigurationError(problems)
        return found

    def problems(self, path: str = "") -> list[Problem]:
        """The problems that the sections find with named files, and with each other."""
        found = self.store.problems("store")
        if not self.http.allow_insecure and self.http.exposed(has_keys=False):
            try:
                found += self.http.exposed(self.has_keys)
            except StoreUnusable as error:
                found.append(("store.access_path", str(error)))
        if self.http.shared_endpoints:
            found += instances.unkept_promises(self.channels)
        for name, channel in self.channels.items():
            found += channel.problems(f"channels.{name}")
        try:
            _ = self.hooks
        except ConfigurationError as error:
            found += error.problems
        for place, sink in self.events.by_place.items():
            found += sink.problems(place)
        if self.status_callbacks is not None:
            found += self.status_callbacks.problems("status_callbacks")
        return found


def load(path: str, environment: Mapping[str, str] | None = None) -> Configuration:
    """The checked configuration in the file ``path``. ``environment`` is the process's own if it is None. Raises
    ConfigurationError with all problems."""
    return parse(read(path), environment)


def load_store(path: str, environment: Mapping[str, str] | None = None) -> StoreSection:
    """Only the section ``store`` of the file, for tools that should not need the secrets of the others. Raises
    ConfigurationError."""
    found = written(path).get("store") or {}
    problems: list[Problem] = []
    found = substitute(found, "store", os.environ if environment is None else environment, problems)
    try:
        store = StoreSection.model_validate(found)
    except ValidationError as error:
        problems += [(f"store.{name}", text) for name, text in _explained(error)]
    if problems:
        raise ConfigurationError(problems)
    return store


def load_sink_names(path: str) -> set[str] | None:
    """Only the names of the sinks, for the same tools; None if they can't be told, for the section is wrong. Raises
    ConfigurationError if the file can't be read."""
    file = written(path)
    events, callbacks = file.get("events") or {}, file.get("status_callbacks") or {}
    sinks = events.get("sinks", [events]) if isinstance(events, dict) else None
    if not isinstance(sinks, list) or not all(isinstance(one, dict) for one in sinks):
        return None
    hosts = callbacks.get("hosts") if isinstance(callbacks, dict) else None
    at_hosts = {f"{CALLBACK_SINK}{one}".lower() for one in hosts} if isinstance(hosts, list) else set[str]()
    return at_hosts | {str(one.get("name") or one.get("type") or one.get("sink") or "stomp") for one in sinks}


def written(path: str) -> dict[str, Any]:
    """What stands in the file, unchecked. Raises ConfigurationError."""
    return parse_mapping(read(path))


def written_channels(path: str) -> dict[str, Any]:
    """The section ``channels`` as it stands in the file, unchecked; for tools as above. Raises ConfigurationError."""
    channels = written(path).get("channels")
    return channels if isinstance(channels, dict) else {}


def parse(text: str, environment: Mapping[str, str] | None = None) -> Configuration:
    """As ``load``, from the text of the file."""
    data = parse_mapping(text)
    problems: list[Problem] = []
    data = substitute(data, "", os.environ if environment is None else environment, problems)
    found, told = _check_names(data), {path for path, _ in problems}
    try:
        configuration = Configuration.model_validate(data)
    except ValidationError as error:
        found = _explained(error) + found
    problems += [one for one in found if one[0] not in told]
    if not problems:
        problems += configuration.problems()
    if problems:
        raise ConfigurationError(problems)
    return configuration


def _check_names(data: dict[str, Any]) -> list[Problem]:
    """Problems that concern more than one value. They are found even if the models find others."""
    http, channels = data.get("http"), data.get("channels")
    name = http.get("default_channel") if isinstance(http, dict) else None
    if not isinstance(channels, dict):
        return []
    problems = []
    if isinstance(name, str) and name not in channels:
        known = ", ".join(map(str, channels))
        problems.append(("http.default_channel", f"names {name!r}, but the channels are: {known}"))
    for channel, section in channels.items():
        if isinstance(section, dict):
            kind = CHANNEL_TYPES.get(str(section.get("type")), next(iter(CHANNEL_TYPES.values())))
            problems += kind.section.early_problems(section, f"channels.{channel}")
    problems += _fall_back_problems(channels)
    of_webhooks = http.get("webhook_channel") if isinstance(http, dict) else None
    all_names = [*channels, *([of_webhooks] if isinstance(of_webhooks, str) else [])]
    return problems + _check_channels_of_sinks(data.get("events"), all_names)


def _check_channels_of_sinks(events: Any, channels: list[Any]) -> list[Problem]:
    if not isinstance(events, dict):
        return []
    sinks = events.get("sinks", events)
    by_place = (
        {f"events.sinks[{n}]": one for n, one in enumerate(sinks)} if isinstance(sinks, list) else {"events": sinks}
    )
    return [
        (f"{place}.channels[{number}]", f"names {name!r}, but the channels are: {', '.join(map(str, channels))}")
        for place, sink in by_place.items()
        if isinstance(sink, dict) and isinstance(sink.get("channels"), list)
        for number, name in enumerate(sink["channels"])
        if isinstance(name, str) and name not in channels
    ]


def _explained(error: ValidationError) -> list[Problem]:
    """The problems as (path, sentence). Several errors about one value become one problem."""
    found: dict[str, str] = {}
    errors = error.errors(include_url=False)
    elsewhere = places_of_keys(schema()) if any(one["type"] == "extra_forbidden" for one in errors) else None
    for one in errors:
        path, sentence = _path(one["loc"]), explain_error(one, elsewhere)
        if one["type"] == "extra_forbidden" and (name := glued(str(one["loc"][-1]))) is not None:
            path, sentence = _path([*one["loc"][:-1], name]), about_glued(name)
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
