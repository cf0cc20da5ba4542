"""The HTTP door as a bench of octets, in memory, and the two ways through it: the fast lane, and twisted.web alone."""

import json
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.http_headers import Headers

from smsconnector.access.keys import Caller
from smsconnector.codes import ANY, Codes
from smsconnector.hooks.hook import Hooks
from smsconnector.http.api import API, NO_HOOKS, USUAL, UsualSettings
from smsconnector.http.auth import Access
from smsconnector.http.bodies import Bodies
from smsconnector.http.connections import Connections
from smsconnector.http.routes import Routes
from smsconnector.http.server import make_site
from smsconnector.sms.segmentation import segment
from smsconnector.store import operations as ops
from smsconnector.store.store import Store
from smsconnector.walks.backlog import StoreBacklog
from smsconnector.walks.outlet import Outlet
from smsconnector.walks.publisher import Publisher
from smsconnector.walks.receiver import Receiver
from smsconnector.walks.retry_policy import RetryPolicy
from smsconnector.walks.submitter import Submitter
from smsconnector.wall_clock import WallClock
from tests.unit.fakes import EPOCH, SINK, DirectWriter, FakeChannel, FakeGate, FakeSink, ask

FORM = "application/x-www-form-urlencoded"


def make_api(*keys: str, settings: UsualSettings = USUAL) -> API:
    """One with nothing behind it."""
    nothing: Any = None
    return API(
        wall_clock=WallClock(time.time),
        outlets={},
        default_channel="smpp",
        webhook_channel="smpp",
        receiver=nothing,
        reader=nothing,
        writer=nothing,
        access=Access(keys),
        base_path="/base",
        settings=settings,
    )


class Answer:
    """A response, taken apart."""

    def __init__(self, octets: bytes) -> None:
        head, _, self.body = octets.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        self.status = int(first.split(" ")[1])
        self.headers = Headers()
        for line in lines:
            name, _, value = line.partition(":")
            self.headers.addRawHeader(name, value.strip())
        if self.header("Transfer-Encoding") == "chunked":
            self.body = _joined(self.body)

    def header(self, name: str) -> str | None:
        values = self.headers.getRawHeaders(name)
        return values[0] if values else None

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> Any:
        return self.json["error"]


def _joined(chunks: bytes) -> bytes:
    body = b""
    while chunks:
        size, _, chunks = chunks.partition(b"\r\n")
        body, chunks = body + chunks[: int(size, 16)], chunks[int(size, 16) + 2 :]
    return body


class DoorCase(SynchronousTestCase):
    """``fast_lane`` False: everything goes through twisted.web. ``both_ways`` runs the tests of a class both ways."""

    keys: tuple[str, ...] = ()
    hooks: Mapping[str, Hooks] = NO_HOOKS
    codes: Codes = ANY
    callback_hosts: tuple[str, ...] = ()
    make_policy: Callable[[], RetryPolicy] = RetryPolicy
    fast_lane = True

    def setUp(self) -> None:
        self.clock = Clock()
        self.writer = DirectWriter(self.clock, Store(":memory:"))
        self.addCleanup(self.writer.store.close)
        publisher = Publisher(self.clock, WallClock(self.now), self.writer, self.writer, FakeSink())
        self.writer.listen(publisher.written)
        receiver = Receiver(self.writer)
        self.outlets = self.make_outlets()
        self.gate = FakeGate()
        self.accepted_from: list[Caller | None] = []
        self.told: list[tuple[Any, ...]] = []  # for the audit
        api = API(
            wall_clock=WallClock(self.now),
            outlets=self.outlets,
            default_channel="smpp",
            webhook_channel="smpp",
            receiver=receiver,
            reader=self.writer,
            writer=self.writer,
            access=self.make_access(),
            base_path="/msg-client",
            gate=self.gate,
            health=lambda: {"binds": {"a": "bound"}},
            hooks=self.hooks,
            callback_hosts=self.callback_hosts,
            accepted_from=self.accepted_from.append,
            remember=lambda caller, *what: self.told.append((caller and caller.name, *what)),
        )
        self.resource = Routes(api)
        self.site = self.make_site()

    def make_outlets(self) -> dict[str, Outlet]:
        """One channel, of which the test says what becomes of each submit."""
        self.channel = FakeChannel()
        backlog = StoreBacklog("smpp", self.writer, self.writer, clock=self.clock, wall_clock=WallClock(self.now))
        submitter = Submitter(self.clock, WallClock(self.now), backlog, self.channel, policy=self.make_policy())
        self.channel.listener = submitter
        submitter.startService()
        self.channel.cut = partial(segment, maximum_segments=4)
        return {"smpp": Outlet(self.channel, {"": submitter}, 3600, codes=self.codes)}

    def make_access(self) -> Access:
        return Access(self.keys)

    def make_site(self, maximum_body: int = 65_536, **limits: Any) -> Connections:
        return make_site(self.resource, self.clock, maximum_body, 60.0, fast_lane=self.fast_lane, **limits)

    @property
    def bodies(self) -> Bodies:
        """The octets of all bodies."""
        factory: Any = self.site.wrappedFactory
        found: Bodies = getattr(factory, "site", factory).limits.bodies
        return found

    def now(self) -> float:
        return EPOCH + self.clock.seconds()

    def exchange(self, octets: bytes, settle: bool = True) -> StringTransport:
        protocol = self.site.buildProtocol(None)
        transport = StringTransport()
        self.patch(transport, "abortConnection", transport.loseConnection)
        protocol.makeConnection(transport)
        protocol.dataReceived(octets)
        if settle:
            self.settle()
        return transport

    def settle(self) -> None:
        for _ in range(10):
            self.clock.advance(0)

    def request(self, method: str, path: str, body: bytes | str = b"", **headers: str) -> Answer:
        body = body.encode() if isinstance(body, str) else body
        lines = [f"{method} {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        return Answer(self.exchange("\r\n".join(lines).encode() + b"\r\n\r\n" + body).value())

    def send(self, path: str = "/msg-client/send", **data: Any) -> Answer:
        return self.request("POST", path, json.dumps(data), Content_Type="application/json")

    def form(self, path: str, body: bytes | str, content_type: str = FORM) -> Answer:
        return self.request("POST", path, body, Content_Type=content_type)

    def events(self) -> list[Any]:
        (events,) = ask(self.writer.store, [ops.LoadEvents(SINK, 0, 100)])
        return list(events)


Case = TypeVar("Case", bound=type[DoorCase])


def both_ways(case: Case) -> Case:
    """Every test of this class runs a second time, without the fast lane."""
    name = case.__name__.removesuffix("Case") + "WithoutLaneCase"
    members = {"fast_lane": False, "__module__": case.__module__, "__doc__": f"{case.__name__} without the fast lane."}
    setattr(sys.modules[case.__module__], name, type(name, (case,), members))
    return case
