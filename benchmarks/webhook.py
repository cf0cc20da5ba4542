"""What an event costs as a webhook: ``python -m benchmarks.webhook [--profile]``.

Processor time of the sink, from ``publish`` to ``settle``, with 16 requests under way; beside it the floor: bare treq
with a persistent pool that does the same POSTs, with the same bodies and headers, which are made before. The
application is a process of its own that answers 200. Both in turns in one process; the best of the rounds counts, and
the ratio is what to compare between machines.
"""

import argparse
import cProfile
import multiprocessing
import pstats
import socket
import time
from random import Random
from typing import Any

import treq
from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.task import react
from twisted.web.client import HTTPConnectionPool
from twisted.web.http_headers import Headers

from smsconnector.messages import DELIVERY_REPORT, Event
from smsconnector.sinks import EventOutcome
from smsconnector.sinks.webhook.message import body_of, headers_of
from smsconnector.sinks.webhook.settings import WebhookSection, make_webhook_sink
from smsconnector.wall_clock import WallClock

ROUNDS, EVENTS, PARALLEL = 7, 2_000, 16
SECRET = b"0123456789abcdef01234567"
WHSEC = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"
REPORT = '{"MessageSID": "SM0192f0c1a2b37c3d8e4f5a6b%06d", "DeliveryStatus": "DELIVERED", "ProviderStatusCode": "000"}'
reactor: Any = _reactor


def events() -> list[Event]:
    """Reports, as the outbox has them."""
    now_ms = WallClock().milliseconds()
    return [Event(n, f"dr-SM{n:032x}", DELIVERY_REPORT, "smpp", REPORT % n, 0, now_ms) for n in range(EVENTS)]


def application(listening: Any) -> None:
    """Answers 200 to every POST, for ever. It is a process of its own, so that its time does not count."""
    import selectors  # noqa: PLC0415 — of that process alone

    selector = selectors.DefaultSelector()
    buffers: dict[Any, bytes] = {}
    listening.setblocking(False)
    selector.register(listening, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            connection: Any = key.fileobj
            if connection is listening:
                connection, _ = listening.accept()
                buffers[connection] = b""
                selector.register(connection, selectors.EVENT_READ)
                continue
            try:
                data = connection.recv(65_536)
            except OSError:
                data = b""
            if not data:
                selector.unregister(connection)
                connection.close()
                continue
            buffers[connection] += data
            head, separator, rest = buffers[connection].partition(b"\r\n\r\n")
            if not separator:
                continue
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            if len(rest) >= length:
                buffers[connection] = rest[length:]
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


@inlineCallbacks
def by_treq(url: str) -> Any:
    """Seconds of processor time for all events."""
    pool = HTTPConnectionPool(reactor)
    pool.maxPersistentPerHost = PARALLEL
    now_s = WallClock().milliseconds() // 1000
    made = [(body := body_of(event), headers_of(event, body, (SECRET,), now_s)) for event in events()]
    left, done = iter(made), Deferred[None]()
    running = 0

    def following(_result: Any = None) -> None:
        nonlocal running
        running -= 1
        go()

    def go() -> None:
        nonlocal running
        found = next(left, None)
        if found is None:
            if not running:
                done.callback(None)
            return
        running += 1
        body, headers = found
        asked = treq.post(
            url,
            data=body,
            headers=Headers({name: [value] for name, value in headers}),
            pool=pool,
            allow_redirects=False,
            reactor=reactor,
        )
        asked.addCallback(treq.content).addCallback(following)

    begun = time.process_time()
    for _ in range(PARALLEL):
        go()
    yield done
    took = time.process_time() - begun
    yield pool.closeCachedConnections()
    return took


@inlineCallbacks
def by_sink(url: str) -> Any:
    """The same by the sink."""
    section = WebhookSection.model_validate({"url": url, "secret": WHSEC, "allow_private": True, "parallel": PARALLEL})
    sink = make_webhook_sink(reactor, section, Random(1), WallClock())
    sink.startService()
    given, done, left = events(), Deferred[None](), EVENTS

    def settle(outcome: EventOutcome) -> None:
        nonlocal left
        left -= len(outcome.events)
        if not left:
            done.callback(None)

    begun = time.process_time()
    sink.publish(given, settle)
    yield done
    took = time.process_time() - begun
    yield sink.stopService()
    return took


@inlineCallbacks
def measure(_reactor: Any, url: str, is_profiled: bool) -> Any:
    best = {by_treq: 1e9, by_sink: 1e9}
    profile = cProfile.Profile()
    for _ in range(ROUNDS):
        for way in (by_treq, by_sink):
            if is_profiled and way is by_sink:
                profile.enable()
            took = yield way(url)
            profile.disable()
            best[way] = min(best[way], took)
    floor, sink = (best[way] / EVENTS * 1e6 for way in (by_treq, by_sink))
    print(f"bare treq {floor:.0f} us, sink {sink:.0f} us a request: {sink / floor:.2f} times")
    if is_profiled:
        pstats.Stats(profile).sort_stats("tottime").print_stats(30)


def main() -> None:
    parser = argparse.ArgumentParser(description="what an event costs as a webhook")
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    listening = socket.create_server(("127.0.0.1", 0))
    process = multiprocessing.get_context("fork").Process(target=application, args=(listening,), daemon=True)
    process.start()
    try:
        react(measure, (f"http://127.0.0.1:{listening.getsockname()[1]}/hook", options.profile))
    finally:
        process.kill()


if __name__ == "__main__":
    main()
