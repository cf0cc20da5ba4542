"""The server, put together: what listens at an endpoint, and how it is told what that may cost."""

import re
from typing import Any

from twisted.internet.interfaces import IReactorTime

from smsconnector.http.bodies import Bodies
from smsconnector.http.connections import Connections
from smsconnector.http.heads import Heads
from smsconnector.http.lane import LONGEST_BODY, LaneFactory
from smsconnector.http.routes import Routes
from smsconnector.http.site import BodyLimits, BoundedRequest, QuietSite
from smsconnector.http.streams import Stream

MOST_IN_PIECES = 33_554_432  # octets that all bodies that are handled in pieces, and their answers, have in memory
BACKLOG = 1_024  # connections that wait to be accepted; the kernel has its own limit, net.core.somaxconn


def with_backlog(endpoint: str) -> str:
    """The endpoint string with a backlog for a burst of connections, unless it has one. Twisted's own is 50: one more
    that comes at once has to wait a second, until the client sends its SYN again."""
    kind, *arguments = re.split(r"(?<!\\):", endpoint)
    own = any("=" not in argument or argument.startswith("backlog=") for argument in arguments[1:])
    return endpoint if own or kind == "systemd" else f"{endpoint}:backlog={BACKLOG}"


def make_site(
    resource: Routes,
    clock: IReactorTime,
    maximum_body: int,
    idle_timeout: float,
    request_timeout: float = 30.0,
    maximum_connections: int = 10_000,
    maximum_webhook_body: int = 1_048_576,
    fast_lane: bool = True,
) -> Connections:
    """The server's factory. ``maximum_body`` and ``maximum_webhook_body`` in octets. ``idle_timeout`` (s): how long a
    connection may be silent; ``request_timeout`` (s): how long a request may take to arrive. Without ``fast_lane``
    everything goes through twisted.web."""

    site = QuietSite(
        resource,
        requestFactory=BoundedRequest,
        timeout=idle_timeout,
        reactor=clock,
        parsePOSTFormSubmission=False,  # forms.py does, and says what is wrong
    )
    site.displayTracebacks = False
    in_pieces = Bodies(MOST_IN_PIECES)

    def make_stream(request: Any, method: bytes, target: bytes) -> Stream | None:
        route = resource.stream_route(method, target)
        return None if route is None else Stream(request, resource.api, route, in_pieces)

    site.limits = BodyLimits(maximum_body, maximum_webhook_body, resource.takes_lists, Bodies(), make_stream)
    factory: Any = site
    if fast_lane:
        heads = Heads(resource.find_whole, min(maximum_body, LONGEST_BODY))
        factory = LaneFactory(site, heads, resource.api.serve, site.limits.bodies, clock)
    return Connections(factory, clock, maximum_connections, request_timeout, idle_timeout)
