"""The process ``peer`` (``benchmarks/native``): the client, the SMSC, the broker and the HTTP server around a gateway.

It is one process with one clock, so that the way of a message from the time its request was meant for to its submit_sm
can be measured. Its own processor time is no part of any figure, but every result says it (``peer_us``, microseconds a
message), so that one sees that it holds nothing up.
"""

import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self, TypedDict, cast

from tests.integration.activemq import die_with_parent

HERE = Path(__file__).parent.parent
PROGRAM = HERE / "build" / "native" / "peer"
NUMBER = "########"  # in a template; becomes the message's number
ALONE = 50_000  # messages
PREFIX = "9230"  # of the numbers of handsets


class Latency(TypedDict):
    """Milliseconds."""

    count: int
    p50: float
    p90: float
    p99: float
    max: float


class Result(TypedDict, total=False):
    """What ``peer`` says of a run. ``seconds``: until the last thing happened; ``most_seconds``: until nine of ten
    messages were submitted."""

    finished: bool
    error: str
    messages: int
    seconds: float
    most_seconds: float
    statuses: dict[str, int]
    lost: int
    submits: int
    throttled: int
    receipts: int
    acknowledged: int
    refused: int
    reports: int
    delivered: int
    wrong: int
    peer_us: float
    answer_ms: Latency
    submit_ms: Latency
    told_ms: Latency


def build() -> None:
    """SystemExit, with the compiler's own words, if it can't be built."""
    command = ["make", "--no-print-directory", "-s", "-C", str(HERE), str(PROGRAM.relative_to(HERE))]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    if said.returncode:
        raise SystemExit(f"benchmarks/native can't be built (it needs cc and make):\n{said.stderr}")


class Peer:
    """The process, while the ``with`` block lasts. ``smsc``, ``stomp`` and ``hook`` are its ports."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="peer-")
        self._process = subprocess.Popen(
            [*die_with_parent(), str(PROGRAM)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            start_new_session=True,
        )
        ports = self._answer()
        self.smsc, self.stomp, self.hook = (int(ports[name]) for name in ("smsc", "stomp", "hook"))
        self._first = 0  # number of the next message: none comes twice

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._folder.cleanup()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        said = self._process.stdout.readline()
        if not said:
            raise RuntimeError(f"peer ended with {self._process.wait()}")
        return cast(dict[str, Any], json.loads(said))

    def _ask(self, command: str, **options: object) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(" ".join([command, *(f"{name}={value}" for name, value in options.items())]) + " \n")
        return self._answer()

    def sessions(self) -> tuple[int, int]:
        """Of SMPP, bound, and of STOMP."""
        said = self._ask("status")
        return int(said["binds"]), int(said["brokers"])

    def smsc_is(self, receipt_delay: float = 0.2, throttled: float = 0.0) -> None:
        """``receipt_delay`` in seconds; ``throttled``: the share of submits, from 0 to 1, that get ESME_RTHROTTLED."""
        self._ask("smsc", receipt_delay=receipt_delay, throttled=throttled)

    def load(self, port: int, template: bytes, count: int, **options: float) -> Result:
        """Requests as in the head of ``peer.c``; each is ``template`` with its number."""
        path = Path(self._folder.name) / "template"
        path.write_bytes(template)
        return self._run("load", count, port=port, template=path, **options)

    def texts(self, count: int, reports: int = 1, window: int = 100) -> Result:
        """Texts from handsets. ``reports``: how often each is told to ``peer``."""
        return self._run("texts", count, reports=reports, window=window)

    def pace_alone(self) -> dict[str, float]:
        """A second each of requests and submits that ``peer`` sends itself: both ends are in one process, so each is at
        least so fast."""
        wanted = {"submits": 0, "reports": 0}
        runs = {
            "requests": self.load(self.hook, request("POST", f"/{NUMBER}", body="x" * 80), ALONE, **wanted),
            "pipelined_requests": self.load(
                self.hook, request("POST", f"/{NUMBER}", body="x" * 80), ALONE, **wanted, connections=1, depth=32
            ),
        }
        self.smsc_is(receipt_delay=0)
        runs["submits_with_receipts"] = self._run("esme", ALONE, window=50)
        return {name: round(result["messages"] / result["seconds"]) for name, result in runs.items()}

    def _run(self, command: str, count: int, **options: object) -> Result:
        first, self._first = self._first, self._first + count
        return cast(Result, self._ask(command, first=first, count=count, **options))


def request(method: str, path: str, headers: Sequence[str] = (), body: str = "") -> bytes:
    """A whole HTTP request as curl would write it, in UTF-8."""
    octets = body.encode()
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "User-Agent: curl/8.5.0", "Accept: */*", *headers]
    if method == "POST":
        lines.append(f"Content-Length: {len(octets)}")
    return "\r\n".join([*lines, "", ""]).encode() + octets
