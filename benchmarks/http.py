"""What a request costs at the door: ``python -m benchmarks.http [--profile]``.

Processor time of ``POST /send`` on one kept connection, octets to octets in memory, with nothing behind the door: what
is accepted is answered in the next turn. Beside it the floor: a bare ``twisted.web`` Resource that gives the same
answer. Both in turns in one process; the best of the rounds counts, and the ratio is what to compare between machines.
"""

import argparse
import cProfile
import pstats
import time
from collections.abc import Callable
from typing import Any

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

ROUNDS, REQUESTS = 9, 2_000
BODY = b'{"To": "+923001234567", "Body": "Your code is 123456", "channel": "smpp"}'
HEAD = b"Host: sms.example:8080\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\nContent-Type: application/json\r\n"
REQUEST = b"POST /msg-client/send HTTP/1.1\r\n%sContent-Length: %d\r\n\r\n%s" % (HEAD, len(BODY), BODY)
SID = "SM0192f0c1a2b37c3d8e4f5a6b7c8d9e0f"


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


def round_of(factory: Any, behind: Accepting) -> float:
    """Microseconds of processor time per request."""
    protocol, transport = factory.buildProtocol(None), StringTransport()
    protocol.makeConnection(transport)
    started = time.process_time()
    for _ in range(REQUESTS):
        protocol.dataReceived(REQUEST)
        for answer in behind.waiting:
            answer()
        behind.waiting.clear()
    spent = time.process_time() - started
    assert transport.value().count(b"HTTP/1.1 200 OK") == REQUESTS, transport.value()[-500:]
    return spent / REQUESTS * 1e6


def main(profile: bool) -> None:
    clock, behind = Clock(), Accepting()
    nothing: Any = None
    outlets: Any = {"smpp": Outlet(behind, {"": behind}, 3600)}  # type: ignore[arg-type, dict-item]  # it stands for both
    api = API(
        wall_clock=WallClock(time.time),
        outlets=outlets,
        default_channel="smpp",
        webhook_channel="smpp",
        receiver=nothing,
        reader=nothing,
        access=Access(()),
        base_path="/msg-client",
    )
    door = make_site(Routes(api), clock, 65_536, 60.0)
    floor = QuietFloor(Floor(behind), reactor=clock, parsePOSTFormSubmission=False)
    if profile:
        profiler = cProfile.Profile()
        profiler.runcall(round_of, door, behind)
        pstats.Stats(profiler).sort_stats("tottime").print_stats(40)
        return
    rounds = [(round_of(door, behind), round_of(floor, behind)) for _ in range(ROUNDS)]
    ours, bare = (min(one[index] for one in rounds) for index in (0, 1))
    print(f"/send: {ours:.0f} us; a bare Resource: {bare:.0f} us; {ours / bare:.2f} times the floor")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="what a /send costs at the door, beside a bare Resource")
    parser.add_argument("--profile", action="store_true", help="say where the time goes")
    main(parser.parse_args().profile)
