"""What another configuration changes while the daemon runs: a function of the two, and nothing else.

``plan`` compares section by section, and sorts what is not the same:

``added``, ``removed``   channels that the other one has not
``rebound``              channels whose submitters stay, because only what is said of connections is another
``renewed``              channels of which everything is made anew, but for the connections that are the same
sinks                    in the same way
``settings``             keys that count from now on, and nothing is made anew for them
``refused``              keys that can't change while the daemon runs, each with what to do

Nothing of a configuration is used if something is refused. A secret that stands in a file counts as part of the section
that names the file: ``Snapshot`` has what was in it.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from smsconnector.channels import Predecessor
from smsconnector.config import Configuration
from smsconnector.errors import StoreUnusable
from smsconnector.section_base import Problem, Section
from smsconnector.sections import ChannelSection

HTTP_WHILE_OPEN = (  # keys of ``http`` that may change while the door is open
    *("api_keys", "rate_limit", "allowed_origins", "networks", "trusted_proxies", "default_channel", "webhook_channel"),
    *("public_url", "allow_insecure"),
)
LOG_WHILE_OPEN = ("level", "levels", "numbers")
STORE_WHILE_OPEN = ("retention", "text_retention", "maximum_backlog", "minimum_free", "conversation")
WHILE_OPEN = {"http": HTTP_WHILE_OPEN, "store": STORE_WHILE_OPEN, "log": LOG_WHILE_OPEN}  # by their sections
RESTART = "can't change while the connector runs: it needs a restart, or put it back"
LAST_KEY = "no key would be left, and everybody could come in: that needs a restart, or keep a key"


class Snapshot(NamedTuple):
    """A configuration, and by their paths digests of what is in the files that it names for secrets."""

    configuration: Configuration
    secrets: Mapping[str, str]


def snapshot(configuration: Configuration) -> Snapshot:
    """As the files are now."""
    channels, sinks = configuration.channels.values(), configuration.sinks
    paths = {path for section in (*channels, *sinks) for path in _secret_files(section)}
    return Snapshot(configuration, {path: _digest(path) for path in sorted(paths)})


def _secret_files(value: Any) -> Iterator[str]:
    """The files of a section and of the sections in it. Those of certificates are read for each connection anyway."""
    if isinstance(value, Section):
        for name in type(value).model_fields:
            found = getattr(value, name)
            if name.endswith(("password_file", "passcode_file", "token_file", "secret_file", "secret_files")):
                yield from _texts(found)
            else:
                yield from _secret_files(found)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _secret_files(one)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _digest(path: str) -> str:
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError as error:
        return str(error)


class Links(NamedTuple):
    """What becomes of the connections of a channel, by their names."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()

    def predecessor(self, channel: Any) -> Predecessor:
        """For the channel that takes the place of this one."""
        return Predecessor(channel, frozenset(self.kept))


@dataclass(frozen=True, slots=True)
class Changes:
    """What ``plan`` has found; channels and sinks by their names."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    rebound: Mapping[str, Links] = field(default_factory=dict)
    renewed: Mapping[str, Links] = field(default_factory=dict)
    sinks_added: tuple[str, ...] = ()
    sinks_changed: tuple[str, ...] = ()
    sinks_removed: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    refused: tuple[Problem, ...] = ()

    @property
    def is_empty(self) -> bool:
        return self == Changes()

    @property
    def moves_queues(self) -> bool:
        """Whether there are other submitters, so that what waits may be in the queue of another one."""
        return bool(self.added or self.renewed or self.removed)

    def told(self) -> list[str]:
        """A sentence each for what is done."""
        found = [f"the channel {name} is added" for name in self.added]
        found += [f"the channel {name} is removed" for name in self.removed]
        for name, links in (*self.rebound.items(), *self.renewed.items()):
            found += [f"the channel {name} is made anew"] if name in self.renewed else []
            for links_of, what in ((links.added, "added"), (links.changed, "made anew"), (links.removed, "removed")):
                found += [f"the bind {name}/{one} is {what}" for one in links_of]
        for sinks, what in (
            (self.sinks_added, "added"),
            (self.sinks_changed, "made anew"),
            (self.sinks_removed, "removed"),
        ):
            found += [f"the sink {name} is {what}" for name in sinks]
        return found + [f"{key} is changed" for key in self.settings]


def plan(old: Snapshot, new: Snapshot) -> Changes:
    """What it takes to come from the one to the other."""
    before, after = old.configuration, new.configuration
    channels, sinks = (before.channels, after.channels), (_sinks(before), _sinks(after))
    rebound, renewed = {}, {}
    is_reached_elsewhere = before.reached_at != after.reached_at
    for name in [name for name in after.channels if name in before.channels]:
        one, other = before.channels[name], after.channels[name]
        links, changed = _links(one, other, old, new), not _same(one, other, old, new)
        if changed and one.of_submitters() == other.of_submitters() and links != Links():
            rebound[name] = links
        elif changed or (is_reached_elsewhere and links == Links()):
            renewed[name] = links
    return Changes(
        *_comings_and_goings(*channels),
        rebound=rebound,
        renewed=renewed,
        sinks_added=_comings_and_goings(*sinks)[0],
        sinks_changed=tuple(
            name for name, one in sinks[1].items() if name in sinks[0] and not _same(sinks[0][name], one, old, new)
        ),
        sinks_removed=_comings_and_goings(*sinks)[1],
        settings=tuple(_settings(before, after)),
        refused=tuple(_refused(before, after)),
    )


def _comings_and_goings(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return tuple(name for name in after if name not in before), tuple(name for name in before if name not in after)


def _sinks(configuration: Configuration) -> dict[str, Section]:
    return {one.known_as: one for one in configuration.sinks}


def _same(one: Section, other: Section, old: Snapshot, new: Snapshot) -> bool:
    """The sections, and the secrets in files of theirs."""
    return one == other and all(old.secrets.get(path) == new.secrets.get(path) for path in _secret_files(one))


def _links(one: ChannelSection, other: ChannelSection, old: Snapshot, new: Snapshot) -> Links:
    before, after = one.links(), other.links()
    if one.type != other.type:
        return Links()
    both = [name for name in after if name in before]
    kept = tuple(name for name in both if _same(before[name], after[name], old, new))
    added, removed = _comings_and_goings(before, after)
    return Links(added, tuple(name for name in both if name not in kept), removed, kept)


def _settings(before: Configuration, after: Configuration) -> Iterator[str]:
    """The keys that are others, and may be."""
    for section, keys in WHILE_OPEN.items():
        one, other = getattr(before, section), getattr(after, section)
        yield from (f"{section}.{key}" for key in keys if getattr(one, key) != getattr(other, key))
    yield from (key for key in ("stop_timeout", "incoming_timeout") if getattr(before, key) != getattr(after, key))
    if before.default_channel != after.default_channel and before.http.default_channel == after.http.default_channel:
        yield "the channel of texts that name none"


def _refused(before: Configuration, after: Configuration) -> Iterator[Problem]:
    for section, keys in WHILE_OPEN.items():
        one, other = getattr(before, section), getattr(after, section)
        for key in type(one).model_fields:
            if key not in keys and getattr(one, key) != getattr(other, key):
                yield f"{section}.{key}", RESTART
    if before.status_callbacks != after.status_callbacks:  # what was accepted for a host is owed to it
        yield "status_callbacks", RESTART
    try:
        if before.has_keys and not after.has_keys:
            yield "http.api_keys", LAST_KEY
    except StoreUnusable as error:
        yield "store.access_path", str(error)
