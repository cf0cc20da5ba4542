"""The door, made from the configuration and from what stands behind it."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from smsconnector.access.keeper import Keeper
from smsconnector.config import Configuration
from smsconnector.figures import Figures
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


class Around(NamedTuple):
    """What stands behind the door, and all requests need."""

    reactor: Any
    wall_clock: WallClock
    receiver: Receiver
    reader: IReader
    writer: IWriter
    figures: Figures


def make_door(
    around: Around,
    configuration: Configuration,
    outlets: Mapping[str, Outlet],
    gate: Gate,
    health: Callable[[], dict[str, Any]],
    keeper: Keeper,
) -> Door:
    """It opens nothing yet. The parameters are those of ``API``; ``keeper`` has the keys, and counts what is sent."""
    http = configuration.http
    access = Access(ring=keeper.ring, clock=around.reactor, refusals=around.figures.refused)
    api = API(
        wall_clock=around.wall_clock,
        outlets=outlets,
        default_channel=configuration.default_channel,
        webhook_channel=http.webhook_channel or configuration.default_channel,
        receiver=around.receiver,
        reader=around.reader,
        writer=around.writer,
        access=access,
        base_path=http.base_path,
        gate=gate,
        health=health,
        hooks=configuration.hooks,
        elsewhere=make_siblings(around.reactor, http.siblings, http.base_path),
        settings=http,
        callback_hosts=configuration.callback_hosts,
        accepted_from=keeper.accepted,
        remember=keeper.remember,
    )
    door = Door(around.reactor, api, http)
    configure_door(door, configuration)
    return door


def configure_door(door: Door, configuration: Configuration) -> None:
    """What counts from now on, of what may change while the door is open (``changes.HTTP_WHILE_OPEN``)."""
    http, default = configuration.http, configuration.default_channel
    networks, proxies = tuple(map(network_of, http.networks)), tuple(map(network_of, http.trusted_proxies))
    door.api.access.configure(http.allowed_origins, networks, proxies)
    door.api.configure(default, http.webhook_channel or default, configuration.hooks)
