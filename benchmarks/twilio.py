"""CPU per message of the Twilio channel, beside bare treq doing the same requests. ``python -m benchmarks.twilio``.

The provider is a process of its own, which answers each request at once. Both do ``COUNT`` requests, 50 at a time, over
HTTP on loopback, in turns; the CPU is that of this process.
"""

import time
from collections.abc import Awaitable, Callable, Iterable
from multiprocessing import get_context
from random import Random
from typing import Any, cast

import treq
from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import react
from twisted.web.client import HTTPConnectionPool

from smsconnector.channels import IReceiver, Surroundings
from smsconnector.channels.provider.channel import ProviderChannel
from smsconnector.channels.twilio.making import make_channel
from smsconnector.channels.twilio.settings import TwilioChannelSection
from smsconnector.messages import Outcome, Segment, new_sid
from smsconnector.wall_clock import WallClock

reactor: Any = _reactor
COUNT, PARALLEL, ROUNDS = 5_000, 50, 3
HEAD = b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
BODY = b'{"sid": "SM%032d", "status": "queued", "num_segments": "1", "error_code": null, "price": null}'
FIELDS = {"To": "+46700000000", "From": "+15005550006", "Body": "Hello", "ValidityPeriod": "600"}


class Provider(Protocol):
    buffer, count = b"", 0

    def dataReceived(self, data: bytes) -> None:
        self.buffer += data
        head, end, rest = self.buffer.partition(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]) if end else 0
        if end and len(rest) >= length:
            self.buffer = b""
            Provider.count += 1
            body = BODY % Provider.count
            assert self.transport is not None
            self.transport.write(HEAD % len(body) + body)


def serve(ports: Any) -> None:
    """The provider's process."""
    factory: Any = Factory.forProtocol(Provider)
    ports.put(reactor.listenTCP(0, factory, interface="127.0.0.1").getHost().port)
    reactor.run()


async def bare(url: str) -> None:
    """The requests by treq alone."""
    pool, left = HTTPConnectionPool(reactor), iter(range(COUNT))
    pool.maxPersistentPerHost = PARALLEL
    target = f"{url}/2010-04-01/Accounts/AC1/Messages.json"

    async def worker() -> None:
        for _ in left:
            reply = await treq.post(target, data=FIELDS, auth=("AC1", "token"), pool=pool, timeout=30)
            assert (await reply.json())["sid"]

    await DeferredList([Deferred.fromCoroutine(worker()) for _ in range(PARALLEL)], fireOnOneErrback=True)
    await pool.closeCachedConnections()


class Listener:
    """Gives the channel what it has room for."""

    is_urgent = False

    channel: ProviderChannel

    def __init__(self) -> None:
        self.done: Deferred[None] = Deferred()
        self._left = self._open = COUNT

    def outcomes(self, outcomes: list[Outcome]) -> None:
        self._open -= len(outcomes)
        if not self._open:
            self.done.callback(None)

    def late(self, outcome: Outcome) -> None: ...

    def throttled(self, segments: Iterable[Segment]) -> None:
        raise RuntimeError("throttled")

    def room(self) -> None:
        segments = []
        for _ in range(min(self._left, self.channel.capacity())):
            now_ms = WallClock().milliseconds()
            expires_at, sid = now_ms + 600_000, new_sid(now_ms)
            segments.append(Segment(self._left, 1, 1, "Hello", "gsm7", None, "46700000000", expires_at, sid=sid))
            self._left -= 1
        self.channel.submit(segments)


async def ours(url: str) -> None:
    """The same by the channel."""
    listener = Listener()
    around = Surroundings(reactor, WallClock(), Random(1), cast(IReceiver, None), lambda prefix, route: listener)
    made: Any = {"account_sid": "AC1", "auth_token": "token", "from": "+15005550006", "base_url": url}
    listener.channel = make_channel("cloud", TwilioChannelSection(**made, parallel=PARALLEL), around)
    listener.channel.startService()
    await listener.done
    await listener.channel.stopService()


async def rounds(url: str) -> None:
    """Print microseconds of CPU per message, of the best round."""
    best: dict[str, float] = {}
    runs: dict[str, Callable[[str], Awaitable[None]]] = {"bare treq": bare, "channel": ours}
    for _ in range(ROUNDS):
        for name, run in runs.items():
            began = time.process_time()
            await run(url)
            spent = (time.process_time() - began) / COUNT * 1e6
            best[name] = min(best.get(name, spent), spent)
    for name, spent in best.items():
        print(f"{name:<10} {spent:6.0f} us of CPU per message")
    print(f"{'ratio':<10} {best['channel'] / best['bare treq']:6.2f}")


def main() -> None:
    """Both, in turns."""
    context = get_context("spawn")
    ports = context.Queue()
    process = context.Process(target=serve, args=(ports,), daemon=True)
    process.start()
    url = f"http://127.0.0.1:{ports.get()}"
    try:
        react(lambda _: Deferred.fromCoroutine(rounds(url)), [])
    finally:
        process.terminate()


if __name__ == "__main__":
    main()
