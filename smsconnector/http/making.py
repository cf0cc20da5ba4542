"""The door, made from the configuration and from what stands behind it."""

from collections.abc import Callable, Mapping
from typing import Any

from smsconnector.access.keeper import Keeper
from smsconnector.config import Configuration
from smsconnector.hooks.callers import network_of
from smsconnector.http.api import API
from smsconnector.http.auth import Access
from smsconnector.http.door import Door
from smsconnector.http.siblings import make_siblings
from smsconnector.store.reader import IReader
from smsconnector.store.writer import IWriter
from smsconnector.walks.admission import Gate
from smsconnector.walks.outlet import Outlet
from smsconnector.walks.receiver import Receiver
from smsconnector.wall_clock import WallClock


def make_door(
    reactor: Any,
    wall_clock: WallClock,
    configuration: Configuration,
    *,
    outlets: Mapping[str, Outlet],
    receiver: Receiver,
    reader: IReader,
    writer: IWriter,
    gate: Gate,
    health: Callable[[], dict[str, Any]],
    keeper: Keeper,
) -> Door:
    """It opens nothing yet. The parameters are those of ``API``; ``keeper`` has the keys, and counts what is sent."""
    http = configuration.http
    access = Access(
        allowed_origins=http.allowed_origins,
        ring=keeper.ring,
        networks=tuple(map(network_of, http.networks)),
        trusted_proxies=tuple(map(network_of, http.trusted_proxies)),
        seconds=reactor.seconds,
    )
    api = API(
        wall_clock=wall_clock,
        outlets=outlets,
        default_channel=configuration.default_channel,
        webhook_channel=http.webhook_channel or configuration.default_channel,
        receiver=receiver,
        reader=reader,
        writer=writer,
        access=access,
        base_path=http.base_path,
        gate=gate,
        health=health,
        hooks=configuration.hooks,
        elsewhere=make_siblings(reactor, http.siblings, http.base_path),
        settings=http,
        accepted_from=keeper.accepted,
        remember=keeper.remember,
    )
    return Door(reactor, api, http)
