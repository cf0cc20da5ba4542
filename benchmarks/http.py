"""What a request costs at the door: ``python -m benchmarks.http [--profile]``.

Processor time of ``POST /send`` on one kept connection, octets to octets in memory, with nothing behind the door: what
is accepted is answered in the next turn. By the fast lane, one at a time and 32 at once (pipelined), and by twisted.web
(``http.fast_lane: false``). Beside it two floors that give the same answer and no more: a bare ``twisted.web``
Resource, and a bare Protocol with httptools. All in turns in one process; the best of the rounds counts, and the ratios
are what to compare between machines.
"""

import argparse
import cProfile
import pstats
import time
from collections.abc import Callable
from typing import Any

from httptools import HttpRequestParser
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site

from smsconnector.http.api import API
from smsconnector.http.auth import Access
from smsconnector.http.routes import Routes
from smsconnector.http.server import make_site
from smsconnector.sms.segmentation import segment
from smsconnector.walks.outlet import Outlet
from smsconnector.wall_clock import WallClock

ROUNDS, REQUESTS = 9, 3_200
BODY = b'{"To": "+923001234567", "Body": "Your code is 123456", "channel": "smpp"}'
HEAD = b"Host: sms.example:8080\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\nContent-Type: application/json\r\n"
KEY = "smsc_4fGhXk2bNq_" + "k" * 45
REQUEST = b"POST /msg-client/send HTTP/1.1\r\n%sContent-Length: %d\r\n\r\n%s" % (HEAD, len(BODY), BODY)
KEYED = REQUEST.replace(b"Content-Type", b"X-API-Key: %s\r\nContent-Type" % KEY.encode())
SID = "SM0192f0c1a2b37c3d8e4f5a6b7c8d9e0f"
BARE_ANSWER = b"HTTP/1.1 200 OK\r\nX-Message-Sid: %s\r\nContent-Length: 0\r\n\r\n" % SID.encode()


class Accepting:
    """A channel and its submitter with nothing behind them."""

    cut = staticmethod(segment)

    def __init__(self) -> None:
        self.waiting: list[Callable[[], Any]] = []

    def accept(self, _message: Any, done: Callable[[Any], None]) -> None:
        self.waiting.append(lambda: done(None))


class Floor(Resource):
    """Reads the body and answers as ``/send`` does, and no more."""

    isLeaf = True

    def __init__(self, behind: Accepting) -> None:
        super().__init__()
        self._behind = behind

    def render_POST(self, request: Any) -> int:
        request.content.read()

        def answer(_error: Any) -> None:
            request.setHeader("X-Message-SID", SID)
            request.setHeader("Location", f"/msg-client/messages/{SID}")
            request.setHeader("Content-Length", "0")
            request.finish()

        self._behind.accept(None, answer)
        return NOT_DONE_YET


class QuietFloor(Site):
    def log(self, request: Any) -> None:
        pass


class BareProtocol(Protocol):
    """Parses, and answers as ``/send`` does."""

    transport: Any

    def __init__(self, behind: Accepting) -> None:
        self._behind, self._parser = behind, HttpRequestParser(self)

    def dataReceived(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None: ...

    def on_message_complete(self) -> None:
        self._behind.accept(None, self._answer)

    def _answer(self, _error: Any) -> None:
        self.transport.write(BARE_ANSWER)


class BareFactory(Factory):
    def __init__(self, behind: Accepting) -> None:
        self._behind = behind

    def buildProtocol(self, _addr: Any) -> BareProtocol:
        return BareProtocol(self._behind)


def round_of(factory: Any, behind: Accepting, clock: Clock, at_once: int = 1, request: bytes = REQUEST) -> float:
    """Microseconds of processor time per request, so many of which come in one read."""
    protocol, transport = factory.buildProtocol(None), StringTransport()
    protocol.makeConnection(transport)
    octets = request * at_once
    started = time.process_time()
    for _ in range(REQUESTS // at_once):
        protocol.dataReceived(octets)
        while behind.waiting:
            waiting, behind.waiting = behind.waiting, []
            for answer in waiting:
                answer()
            if at_once > 1:
                clock.advance(0)
    spent = time.process_time() - started
    assert transport.value().count(b"HTTP/1.1 200 OK") == REQUESTS, transport.value()[-500:]
    return spent / REQUESTS * 1e6


def make_api(outlets: Any, access: Access) -> API:
    nothing: Any = None
    return API(
        wall_clock=WallClock(time.time),
        outlets=outlets,
        default_channel="smpp",
        webhook_channel="smpp",
        receiver=nothing,
        reader=nothing,
        writer=nothing,
        access=access,
        base_path="/msg-client",
    )


def main(profile: bool) -> None:
    clock, behind = Clock(), Accepting()
    outlets: Any = {"smpp": Outlet(behind, {"": behind}, 3600)}  # type: ignore[arg-type, dict-item]  # it stands for both
    api, with_keys = (make_api(outlets, Access(keys)) for keys in ((), (KEY,)))
    lane, slow = (make_site(Routes(api), clock, 65_536, 60.0, fast_lane=fast) for fast in (True, False))
    keyed = make_site(Routes(with_keys), clock, 65_536, 60.0)
    floor = QuietFloor(Floor(behind), reactor=clock, parsePOSTFormSubmission=False)
    if profile:
        profiler = cProfile.Profile()
        profiler.runcall(round_of, lane, behind, clock)
        pstats.Stats(profiler).sort_stats("tottime").print_stats(40)
        return
    works: tuple[tuple[str, Any, int, bytes], ...] = (
        ("the fast lane", lane, 1, REQUEST),
        ("the fast lane, with a key", keyed, 1, KEYED),
        ("the fast lane, 32 at once", lane, 32, REQUEST),
        ("twisted.web", slow, 1, REQUEST),
        ("twisted.web, 32 at once", slow, 32, REQUEST),
        ("floor: a bare Resource", floor, 1, REQUEST),
        ("floor: a bare Protocol", BareFactory(behind), 1, REQUEST),
    )
    rounds = [
        [round_of(factory, behind, clock, at_once, request) for _, factory, at_once, request in works]
        for _ in range(ROUNDS)
    ]
    best = [min(costs) for costs in zip(*rounds, strict=True)]
    for (name, *_), cost in zip(works, best, strict=True):
        print(f"{name:27}  {cost:5.1f} us  {cost / best[-1]:5.2f} times the bare Protocol")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="what a /send costs at the door, beside two floors")
    parser.add_argument("--profile", action="store_true", help="say where the time goes")
    main(parser.parse_args().profile)
