"""Several processes of one machine that share a port: what they can't promise together, and what their files must not
have in common.

Each process has a store, binds and endpoints of its own, and knows nothing of the others. The kernel decides which of
them a connection to the shared port goes to. ``docs/several-processes.rst`` tells what follows from that.

1. ``unkept_promises`` looks at one file: what an application may rely on with one process, and with several may not.
2. ``clashes`` looks at all their files together. Most of all at SMPP: an SMSC gives a receipt to any bind of the
   system_id. If that is another process's, the text has no report in the end.
"""

import os
from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import Protocol
from urllib.parse import urlsplit

from smsconnector.http_section import DEFAULT_PORTS, HTTP, port_of
from smsconnector.section_base import Problem
from smsconnector.sections import ChannelSection


class Kept(Protocol):
    """Where the database is."""

    path: str


class Settings(Protocol):
    """What is compared of a configuration."""

    @property
    def http(self) -> HTTP: ...
    @property
    def store(self) -> Kept: ...
    @property
    def channels(self) -> Mapping[str, ChannelSection]: ...


def unkept_promises(channels: Mapping[str, ChannelSection]) -> list[Problem]:
    """What a process that shares a port can't keep."""
    found = []
    for name, channel in channels.items():
        if channel.opt_out is not None:
            found.append(
                (
                    f"channels.{name}.opt_out",
                    "with http.shared_endpoints a customer who has written STOP to another process would get texts from"
                    " this one: send texts of this channel by a process that shares no port",
                )
            )
        if channel.strict_order:
            found.append(
                (
                    f"channels.{name}.strict_order",
                    "with http.shared_endpoints a text may be overtaken by one that another process sends: use a"
                    " process that shares no port, or leave it out",
                )
            )
    return found


def clashes(configurations: Mapping[str, Settings]) -> list[Problem]:
    """What two configurations, by their files, can't both have; the place is both files."""
    return [
        (f"{one}, {other}", sentence)
        for one, other in combinations(configurations, 2)
        for sentence in _between(configurations[one], configurations[other])
    ]


def _between(one: Settings, other: Settings) -> Iterable[str]:
    path, paths = one.store.path, {one.store.path, other.store.path}
    if os.path.isabs(path) and len(set(map(os.path.realpath, paths))) == 1:
        yield f"store.path is {path} in both: each process needs a database of its own"
    for place in sorted(_places(one.http.endpoints) & _places(other.http.endpoints)):
        yield f"{place} is in http.endpoints of both: give each its own, or share it by http.shared_endpoints"
    for here, there in ((one, other), (other, one)):
        for place in sorted(_places(here.http.endpoints) & _places(there.http.shared_endpoints)):
            yield f"{place} is in http.endpoints of one and in http.shared_endpoints of the other: name it alike"
    for port in sorted(_places(one.http.shared_endpoints) & _places(other.http.shared_endpoints)):
        if _of(one, port) != _of(other, port):
            yield f"http.shared_endpoints: write {port} in the same words in both, or one of them gets all connections"
    if _places(one.http.shared_endpoints) & _places(other.http.shared_endpoints):
        for here, there in ((one, other), (other, one)):
            if here.http.siblings and not _ports_of(here.http.siblings) & _places(there.http.endpoints):
                yield (
                    f"http.siblings of the process at {', '.join(here.http.endpoints)} names none of the other's"
                    f" http.endpoints: {', '.join(there.http.endpoints)}"
                )
    yield from _accounts(one, other)
    url = one.http.public_url
    if url is not None and url == other.http.public_url:
        yield (
            f"http.public_url is {url} in both: what a provider tells of a text would reach one that does not know it."
            " Let each lead to http.endpoints of its own process"
        )


def _accounts(one: Settings, other: Settings) -> Iterable[str]:
    """Of SMPP. Binds with one account, or with one system_id at two hosts, are one customer to the SMSC."""
    here, there = _told_over(one), _told_over(other)
    shared = {here[account] for account in here.keys() & there.keys()}
    for account in sorted(here.keys() & there.keys()):
        yield (
            f"both bind as {account}: the SMSC gives receipts and parts of texts to any of these binds, and a receipt"
            " that reaches the other process is lost. Have a system_id for each process"
        )
    for system_id in sorted({*here.values()} & {*there.values()} - shared):
        yield (
            f"both bind as {system_id}, at two hosts: if these belong to one SMSC, it gives receipts to any of these"
            " binds, and one that reaches the other process is lost. Have a system_id for each process; where the two"
            " have nothing to do with each other, check the files one by one"
        )


def _told_over(configuration: Settings) -> dict[str, str]:
    return {account: name for one in configuration.channels.values() for account, name in one.told_over().items()}


def _places(endpoints: Iterable[str]) -> set[str]:
    """Ports, as "port 8080", and the paths of sockets. Those of systemd are none: it has seen to them."""
    named = ((endpoint, port_of(endpoint)) for endpoint in endpoints if not endpoint.startswith("systemd:"))
    return {endpoint if port is None else f"port {port}" for endpoint, port in named}


def _ports_of(urls: Iterable[str]) -> set[str]:
    return {f"port {url.port or DEFAULT_PORTS[url.scheme]}" for url in map(urlsplit, urls)}


def _of(configuration: Settings, place: str) -> set[str]:
    return {one for one in configuration.http.shared_endpoints if f"port {port_of(one)}" == place}
