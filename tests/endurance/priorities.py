"""An agent among a campaign: ``python -m tests.endurance.priorities [--bulk 100000] [--rate 10] [--seconds 60]``.

1. A connector whose bind may submit so many texts a second accepts so many bulk texts by ``/send-batch``.
2. For so long interactive texts are posted, one after the other and now and then three at once. The time from the POST
   to the ``submit_sm``, as the SMSC sees it, has to be under 2 seconds for each; and the campaign goes on beside them.
3. The connector is killed and started again, and the same is measured on what it reads from its disk.
"""

import argparse
import json
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

from twisted.internet.threads import deferToThread

from smsconnector.simulator.ledger import Entry
from tests.endurance.figures import Promises, memory, percentile
from tests.endurance.stage import Daemon, Stage, run, sleep

LIMIT = 2.0  # seconds from the POST to the submit_sm
AT_ONCE = 10_000  # messages of one batch
BULK, INTERACTIVE = "campaign", "agent"


class Arrivals(list[Entry]):
    """What came to the SMSC, and when: interactive texts by their own words."""

    def __init__(self) -> None:
        super().__init__()
        self.at: dict[str, float] = {}
        self.bulk = 0

    def append(self, entry: Entry) -> None:
        text = entry.short_message.decode("latin-1")
        if text.startswith(INTERACTIVE):
            self.at.setdefault(text, time.monotonic())
        else:
            self.bulk += 1


def post(daemon: Daemon, path: str, body: bytes, kind: str) -> bytes:
    url = f"http://127.0.0.1:{daemon.port}/msg-client/{path}"
    request = urllib.request.Request(url, body, {"Content-Type": kind})
    with urllib.request.urlopen(request, timeout=120) as answer:
        content: bytes = answer.read()
        return content


def batches(count: int) -> Iterator[bytes]:
    texts = (
        json.dumps({"To": f"+9231{number:08d}", "Body": f"{BULK} {number}", "Priority": "bulk"}).encode()
        for number in range(count)
    )
    lines: list[bytes] = []
    for line in texts:
        lines.append(line)
        if len(lines) == AT_ONCE:
            yield b"\n".join(lines)
            lines = []
    if lines:
        yield b"\n".join(lines)


class Priorities:
    def __init__(self, stage: Stage, options: argparse.Namespace) -> None:
        self.stage, self.options = stage, options
        self.arrivals, self.promises = Arrivals(), Promises()
        self.network = stage.network(taken=self.arrivals)
        endpoint = f"tcp:127.0.0.1:{self.network.number}"
        bind = {"name": "a", "endpoint": endpoint, "system_id": "test", "password": "test", "window": 50}
        channel = {"type": "smpp", "binds": [bind | {"throughput": options.rate}]}
        self.daemon = stage.daemon([], channels={"smpp": channel})
        self.posted = 0

    async def program(self) -> int:
        self.network.listen()
        await self.daemon.start()
        begun, accepted = time.monotonic(), 0
        for body in batches(self.options.bulk):
            answer = await deferToThread(post, self.daemon, "send-batch", body, "application/x-ndjson")
            accepted += answer.count(b'"status": 200')
        took = time.monotonic() - begun
        self.promises.show("bulk texts", f"{accepted} accepted in {took:.0f} s", accepted == self.options.bulk, "all")
        await self._measure("among them")
        self.daemon.kill()
        await self.daemon.start()
        await sleep(2)
        await self._measure("after a kill")
        print(f"{'memory':22} {memory(self.daemon.pid):.0f} MiB", flush=True)
        return self.promises.verdict()

    async def _measure(self, name: str) -> None:
        posted: dict[str, float] = {}
        bulk, begun = self.arrivals.bulk, time.monotonic()
        while time.monotonic() - begun < self.options.seconds:
            for _ in range(3 if len(posted) % 10 == 9 else 1):
                self.posted += 1
                text = f"{INTERACTIVE} {self.posted}"
                posted[text] = time.monotonic()
                asked: dict[str, Any] = {"To": f"+9232{self.posted:08d}", "Body": text}
                await deferToThread(post, self.daemon, "send", json.dumps(asked).encode(), "application/json")
            await sleep(0.37)
        await sleep(LIMIT)
        took = time.monotonic() - begun
        waits = [self.arrivals.at[text] - at for text, at in posted.items() if text in self.arrivals.at]
        longest = max(waits, default=LIMIT) if len(waits) == len(posted) else float("inf")
        self.promises.show(
            name,
            f"{len(posted)} interactive texts, POST to submit_sm: median {percentile(waits, 0.5):.3f},"
            f" p99 {percentile(waits, 0.99):.3f}, longest {longest:.3f} s",
            longest < LIMIT,
            f"under {LIMIT:g} s",
        )
        rate = (self.arrivals.bulk - bulk + len(waits)) / took
        bulk_rate = (self.arrivals.bulk - bulk) / took
        least = self.options.rate * 0.15
        self.promises.show(
            f"{name}, rates",
            f"{rate:.1f} a second in all, {bulk_rate:.1f} of them bulk",
            bulk_rate >= least and rate >= self.options.rate * 0.9,
            f"bulk at least {least:.1f}, all at least {self.options.rate * 0.9:.1f}",
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(":")[0])
    parser.add_argument("--bulk", type=int, default=100_000)
    parser.add_argument("--rate", type=float, default=10.0)
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    run(lambda stage: Priorities(stage, options).program())


if __name__ == "__main__":
    main()
