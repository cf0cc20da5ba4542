"""Whether a refusal tells by its time why it is one: ``python -m benchmarks.refusals [ROUNDS]``.

The door with keys as in the daemon, scrypt in threads included, over a socket on loopback, in this process. In each
round one request of each kind is made, in an order that is drawn anew: a wrong secret, an id that there is not, a key
that was revoked, no form of a key, and a right one for another scope, channel or network, known to the door before. All
answers are 401. Compared are times from the first octet sent to the last one received, each kind with all others:

- the difference of the medians,
- Welch's t of the times without the slowest tenth, which is the machine's. Tests for leaks (dudect) take 4.5 for a
  difference.

Beside them, as a check that this would see one: a refusal without a hash, as for a request without a key.
"""

import argparse
import json
import random
import socket
import statistics
import time
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import ensureDeferred
from twisted.internet.task import react
from twisted.internet.threads import deferToThread

from benchmarks.http import make_api
from smsconnector.access import keys
from smsconnector.access.guesses import Guesses
from smsconnector.access.keeper import HASHERS, Threads
from smsconnector.access.keys import Permissions, StoredKey
from smsconnector.access.ring import KeyRing
from smsconnector.hooks.callers import network_of
from smsconnector.http.auth import Access
from smsconnector.http.routes import Routes
from smsconnector.http.server import make_site
from smsconnector.walks.outlet import Outlet

BODY = json.dumps({"To": "+923001234567", "Body": "hi", "channel": "smpp"})
ELSEWHERE = "192.0.2.0/24"


def stored(key_id: str, permissions: Permissions, revoked_at: int | None = None) -> StoredKey:
    salt = key_id.encode().ljust(keys.SALT_LENGTH, b"x")
    digest = keys.hashed(b"right", salt)
    return StoredKey(key_id, key_id, permissions, keys.SCRYPT, salt, digest, revoked_at=revoked_at)


STORED = (
    stored("good", Permissions(("send",))),
    stored("revoked", Permissions(("send",)), revoked_at=1),
    stored("scope", Permissions(("read",))),
    stored("channel", Permissions(("send",), channels=("cloud",))),
    stored("network", Permissions(("send",), networks=(ELSEWHERE,))),
)
KINDS = {
    "wrong secret": "smsc_good_wrong",
    "unknown id": "smsc_nobody_right",
    "no form of a key": "nonsense",
    "revoked": "smsc_revoked_right",
    "another scope": "smsc_scope_right",
    "another channel": "smsc_channel_right",
    "another network": "smsc_network_right",
    "(no key at all)": "",
}


class Patient(Guesses):
    """Slows nobody down, or there would be little to measure."""

    def charge(self, *_: Any) -> float:
        return 0.0


def door(threads: Threads) -> Any:
    ring = KeyRing(in_thread=threads.run)
    ring.replace(STORED)
    access = Access(ring=ring, networks=(network_of("127.0.0.0/8"),))
    access._guesses = Patient()
    nothing: Any = None
    outlets: Any = {"smpp": Outlet(nothing, {}, 3600)}
    api = make_api(outlets, access)
    site: Any = make_site(Routes(api), reactor, 65_536, 60.0)
    return site


def request(key: str, path: str = "/send", method: str = "POST") -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    head += f"X-API-Key: {key}\r\n" if key else ""
    return f"{head}Content-Length: {len(BODY)}\r\n\r\n{BODY}".encode()


def timed(connection: socket.socket, octets: bytes) -> tuple[float, bytes]:
    """Microseconds, and the answer, which comes in one piece."""
    began = time.perf_counter_ns()
    connection.sendall(octets)
    answer = connection.recv(65_536)
    return (time.perf_counter_ns() - began) / 1000, answer


def measure(port: int, rounds: int) -> None:
    times: dict[str, list[float]] = {kind: [] for kind in KINDS}
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for key in KINDS.values():  # those that are right become known
            timed(connection, request(key, "/health", "GET"))
        for _ in range(rounds):
            for kind in random.sample(list(KINDS), len(KINDS)):
                took, answer = timed(connection, request(KINDS[kind]))
                assert answer.startswith(b"HTTP/1.1 401 "), answer
                times[kind].append(took)
    print(f"{'refused for':<18}{'median us':>11}{'difference':>12}{'|t|':>7}")
    for kind, mine in times.items():
        others = [one for other, all_ in times.items() if other not in (kind, "(no key at all)") for one in all_]
        difference = statistics.median(mine) - statistics.median(others)
        print(f"{kind:<18}{statistics.median(mine):>11.0f}{difference:>12.0f}{welch(mine, others):>7.1f}")


def welch(one: list[float], other: list[float]) -> float:
    """Of the times without the slowest tenth of each."""
    parts = [sorted(times)[: max(2, len(times) * 9 // 10)] for times in (one, other)]
    spread = sum(statistics.variance(times) / len(times) for times in parts)
    return abs(statistics.mean(parts[0]) - statistics.mean(parts[1])) / float(spread**0.5)


async def main(rounds: int) -> None:
    there: Any = reactor
    threads = Threads(there, HASHERS, "keys")
    port = there.listenTCP(0, door(threads), interface="127.0.0.1")
    try:
        await deferToThread(measure, port.getHost().port, rounds)
    finally:
        await port.stopListening()
        threads.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="whether the time of a refusal tells why it is one")
    parser.add_argument("rounds", type=int, nargs="?", default=300, help="300")
    rounds = parser.parse_args().rounds
    react(lambda _reactor: ensureDeferred(main(rounds)))
