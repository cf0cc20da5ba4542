"""The whole, on real parts, for tests that count from outside: a connector process, an SMSC, a load of texts.

The connector is twistd, with the package as it was installed, in a process group of its own, killed by the kernel
when the test process dies. The SMSC is
the simulator's in the test's own reactor, so that what it owes (receipts) outlives the connections and the
connector. Ports are free loopback ports, data is in temporary folders.
"""

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import yaml
from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred, DeferredList, inlineCallbacks
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.error import ConnectError
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.task import LoopingCall, deferLater

from smsconnector.simulator.behaviour import Behaviour
from smsconnector.simulator.ledger import Entry
from smsconnector.simulator.smsc import SMSC
from tests.integration.activemq import die_with_parent, free_port

reactor: Any = _reactor
START = 20.0  # seconds
# (coreutils) Also where this process ignores them: SIGHUP under nohup, SIGINT in the background of a shell.
HEEDS_SIGNALS = ["env", "--default-signal=HUP,INT"]


def until(condition: Callable[[], Any], within: float) -> "Deferred[Any]":
    """Fires when the condition holds; fails when it does not within so many seconds."""
    deadline = time.monotonic() + within

    def look() -> None:
        if condition():
            loop.stop()
        elif time.monotonic() > deadline:
            raise TimeoutError(f"did not come true within {within} s")

    loop = LoopingCall(look)
    return loop.start(0.02)


class Network:
    """The SMSC with its port: it can be cut off and come back, and forgets nothing meanwhile."""

    def __init__(self, taken: list[Entry] | None = None, **behaviour: Any) -> None:
        self.taken: list[Entry] = [] if taken is None else taken
        self.smsc = SMSC(reactor, Behaviour(**behaviour), on_submit=self.taken.append)
        self.number = free_port()
        self._protocols: list[Any] = []
        self._port: Any = None
        build = self.smsc.buildProtocol

        def remember(_address: Any) -> Any:
            protocol = build(_address)
            self._protocols.append(protocol)
            return protocol

        self.smsc.buildProtocol = remember  # type: ignore[method-assign]  # of this SMSC only

    def listen(self) -> None:
        self._port = reactor.listenTCP(self.number, self.smsc, interface="127.0.0.1")

    def cut(self) -> Any:
        """Nobody gets in, and who is in is thrown out."""
        protocols, self._protocols = self._protocols, []
        for protocol in protocols:
            if protocol.transport is not None:
                protocol.transport.abortConnection()
        port, self._port = self._port, None
        return port.stopListening() if port is not None else None


class Connector:
    """One connector process on a database that outlives it. ``environment``: the process's, or None for our own.
    ``is_reached``: providers on this machine are told how to reach it."""

    environment: dict[str, str] | None = None
    python = Path(sys.executable)  # its twistd is started

    def __init__(self, smsc_ports: list[int], events_uri: str, is_reached: bool = False, **sections: Any) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="connector-"))
        self.port = free_port()
        binds = [
            {
                "name": f"bind-{port}",
                "endpoint": f"tcp:127.0.0.1:{port}",
                "system_id": "test",
                "password": "test",
                "window": 50,
            }
            for port in smsc_ports
        ]
        channel = {"type": "smpp", "binds": binds, "retry": {"initial": 0.5, "maximum": 5}}
        reached = {"public_url": f"http://127.0.0.1:{self.port}"} if is_reached else {}
        configuration = {
            "http": {"endpoints": [f"tcp:{self.port}:interface=127.0.0.1"]} | reached | sections.pop("http", {}),
            "channels": {"smpp": channel},
            "events": {"uri": events_uri},
        } | sections
        (self.folder / "connector.yaml").write_text(yaml.safe_dump(configuration))
        self.process: subprocess.Popen[bytes] | None = None

    def reports(self) -> list[tuple[str, str]]:
        """MessageSID and DeliveryStatus of each report in its database, sent or not."""
        return [(one["MessageSID"], one["DeliveryStatus"]) for one in self._events() if "DeliveryStatus" in one]

    def texts(self) -> list[str]:
        """Of incoming ones, sorted, as ``reports``."""
        return sorted(one["Body"] for one in self._events() if "DeliveryStatus" not in one)

    def _events(self) -> list[Any]:
        with closing(sqlite3.connect(f"file:{self.folder / 'smsconnector.db'}?mode=ro", uri=True)) as connection:
            return [json.loads(body) for (body,) in connection.execute("SELECT body FROM outbox")]

    def start(self) -> "Deferred[Any]":
        """Fires when it says that it listens."""
        self.launch()
        return until(self.is_up, START)

    def launch(self) -> None:
        """Start the process."""
        self._log = self.folder / f"log-{time.monotonic_ns()}"
        twistd = self.python.parent / "twistd"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    *die_with_parent(),
                    *HEEDS_SIGNALS,
                    str(twistd),
                    "--nodaemon",
                    "--pidfile=",
                    "smsconnector",
                    "--config",
                    "connector.yaml",
                ],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def is_up(self) -> bool:
        """Whether it says that it listens. RuntimeError if it has ended."""
        assert self.process is not None
        if self.process.poll() is not None:
            raise RuntimeError(f"the connector ended: {self.said()[-2000:]}")
        return "HTTP on" in self.said()

    def said(self) -> str:
        """The log of the process that runs, or ran last."""
        return self._log.read_text(errors="replace")

    def kill(self) -> None:
        """kill -9, of the whole process group."""
        self._signal(signal.SIGKILL)

    def terminate(self) -> int:
        """SIGTERM; the exit code."""
        return self._signal(signal.SIGTERM)

    def _signal(self, number: int) -> int:
        process, self.process = self.process, None
        if process is None:
            return 0
        os.killpg(process.pid, number)
        return process.wait(30)

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


class _Client(Protocol):
    """One connection that posts texts one after the other, as fast as they are answered."""

    transport: Any

    def __init__(self, load: "Load") -> None:
        self._load = load
        self._buffer = b""
        self._waiting = False
        self.ended: Deferred[None] = Deferred()

    def connectionMade(self) -> None:
        self.transport.setTcpNoDelay(True)
        self._next()

    def _next(self) -> None:
        request = self._load.next_request()
        if request is None:
            self.transport.loseConnection()
        else:
            self._waiting = True
            self.transport.write(request)

    def dataReceived(self, data: bytes) -> None:
        self._buffer += data
        head, end, rest = self._buffer.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        if not end or length is None or len(rest) < int(length[1]):
            return
        self._buffer = b""
        self._waiting = False
        self._load.answered(head)
        if self._load.pause:
            reactor.callLater(self._load.pause, self._next)
        else:
            self._next()

    def connectionLost(self, reason: Any = connectionDone) -> None:
        if self._waiting:
            self._load.unanswered()
        self.ended.callback(None)


class Load:
    """``count`` texts to as many numbers over ``connections``; ``accepted`` holds the MessageSIDs of the 200s.

    ``pause`` (s) after each answer sets the pace. A connection that is lost is made again: what was under way on it
    may or may not have been accepted, and another text is posted in its place. What is refused is posted again, unless
    ``refusals_count``."""

    refusals_count = False
    channel = "smpp"
    texts: list[str] = []  # instead of "text 0", "text 1" and so on

    def __init__(self, port: int, count: int, connections: int = 32, pause: float = 0.0) -> None:
        self.port, self.count, self.connections, self.pause = port, count, connections, pause
        self.accepted: list[str] = []
        self.refused: list[bytes] = []
        self.posted = 0
        self._under_way = 0

    def next_request(self) -> bytes | None:
        """None when enough are accepted or under way."""
        if self._done() + self._under_way >= self.count:
            return None
        self._under_way += 1
        text = self.texts[self.posted] if self.posted < len(self.texts) else f"text {self.posted}"
        body = json.dumps({"To": f"+9230{self.posted:08d}", "Body": text, "channel": self.channel}).encode()
        self.posted += 1
        return (
            b"POST /msg-client/send HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
        )

    def _done(self) -> int:
        return len(self.accepted) + (len(self.refused) if self.refusals_count else 0)

    def answered(self, head: bytes) -> None:
        self._under_way -= 1
        sid = re.search(rb"(?i)x-message-sid: (\S+)", head)
        if head.startswith(b"HTTP/1.1 200") and sid is not None:
            self.accepted.append(sid[1].decode())
        else:
            self.refused.append(head)

    def unanswered(self) -> None:
        self._under_way -= 1

    def run(self) -> "Deferred[Any]":
        """Fires when ``count`` texts are accepted."""
        return DeferredList([self._connection() for _ in range(self.connections)], fireOnOneErrback=True)

    @inlineCallbacks
    def _connection(self) -> Any:
        while self._done() + self._under_way < self.count:
            client = _Client(self)
            try:
                yield connectProtocol(TCP4ClientEndpoint(reactor, "127.0.0.1", self.port, timeout=5), client)
            except ConnectError:  # nobody listens: the connector is down for the moment
                yield deferLater(reactor, 0.05)
                continue
            yield client.ended
