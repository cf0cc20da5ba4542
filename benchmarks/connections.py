"""What idle connections cost: ``python -m benchmarks.connections [COUNT]``.

A connector process of its own; its memory and the time of ``GET /health`` before and with so many open connections.
"""

import argparse
import contextlib
import resource
import socket
import statistics
import time
import urllib.request
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.defer import ensureDeferred
from twisted.internet.threads import deferToThread

from tests.integration.activemq import free_port
from tests.integration.stack import Connector

ASKED = 200


def memory(process: int) -> float:
    """Resident, in MiB."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def health(port: int) -> float:
    """The median time of a request, in ms."""
    times = []
    for _ in range(ASKED):
        started = time.perf_counter()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=10) as answer:
            answer.read()
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


def measure(connector: Connector, count: int) -> None:
    assert connector.process is not None
    process = connector.process.pid
    before, quick = memory(process), health(connector.port)
    with contextlib.ExitStack() as connections:
        for _ in range(count):
            connections.enter_context(socket.create_connection(("127.0.0.1", connector.port), timeout=10))
        slow = health(connector.port)
        after = memory(process)
    print(f"{count} idle connections: {(after - before) * 1024 / count:.1f} KiB each ({before:.0f} to {after:.0f} MiB)")
    print(f"GET /health: {quick:.2f} ms before, {slow:.2f} ms with them")


async def main(count: int) -> None:
    http = {"maximum_connections": count + 100, "idle_timeout": 600}
    connector = Connector([free_port()], f"tcp://127.0.0.1:{free_port()}", http=http)
    try:
        await connector.start()
        await deferToThread(measure, connector, count)
    finally:
        connector.close()


if __name__ == "__main__":
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    parser = argparse.ArgumentParser(description="what idle connections cost the connector")
    parser.add_argument("count", type=int, nargs="?", default=10_000, help="connections, 10000")
    running = ensureDeferred(main(parser.parse_args().count))
    running.addErrback(lambda failure: failure.printTraceback())
    running.addBoth(lambda _: reactor.stop())
    reactor.run()
