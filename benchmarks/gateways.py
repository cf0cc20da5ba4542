"""The gateways that are measured: ours, from this tree or another checkout, and Kannel.

Each has one bind with a window of 50 to the SMSC of ``peer``. Ours keeps its database on disk with synchronous=FULL
and tells reports and texts to the broker of ``peer``, or to a real ActiveMQ. Kannel has its file store, as its manual
recommends, and tells by HTTP; its logs hold warnings only, which is less than its users have.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, Self
from urllib.parse import quote, urlencode
from urllib.request import urlopen

from benchmarks.peer import HERE, NUMBER, PREFIX, Peer, request
from tests.endurance.figures import memory
from tests.integration.activemq import ActiveMQ
from tests.integration.kannel import Kannel
from tests.integration.stack import START, Connector

SHORT = f"Your order {NUMBER} is on its way. Reply STOP to end."
LONG = ("Ваш заказ отправлен, " * 20)[:400]  # UCS-2: 6 segments of at most 67 characters
HEALTH_EVERY = 1.1  # seconds; /health measures what waits each second
QUIET = 0.002  # seconds of processor time in 0.1 s, below which a gateway has nothing left to do


class Gateway(Protocol):
    """One that runs. ``pids`` are all its processes."""

    port: int
    pids: list[int]
    tells_always: bool  # also of texts whose receipt was not asked for

    def template(self, text: str, with_receipt: bool) -> bytes: ...
    def settle(self) -> None: ...
    def stop(self) -> None: ...


def wait_for(condition: Callable[[], bool], within: float, what: str) -> None:
    """Look every 20 ms. RuntimeError if it does not come true within so many seconds."""
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what} within {within} s")
        time.sleep(0.02)


def processor_seconds(pids: list[int]) -> float:
    """Of all threads, also those that have ended, in user and kernel mode, to the nanosecond: the clock of another
    process (clock_getcpuclockid(3))."""
    return sum(time.clock_gettime((~pid << 3) | 2) for pid in pids)


def peak_memory(pids: list[int]) -> float:
    """MiB."""
    return sum(memory(pid, "VmHWM") for pid in pids)


def is_quiet(pids: list[int]) -> bool:
    begun = processor_seconds(pids)
    time.sleep(0.1)
    return processor_seconds(pids) - begun < QUIET


def environment(tree: Path, python: Path = Path(sys.executable)) -> dict[str, str]:
    """That of a process which runs the code of a checkout. SystemExit if it would run another."""
    found = os.environ | {"PYTHONPATH": str(tree)}
    command = [str(python), "-P", "-c", "import smsconnector; print(smsconnector.__file__)"]
    said = subprocess.run(command, env=found, check=True, capture_output=True, text=True, timeout=START).stdout
    if not Path(said.strip()).is_relative_to(tree):
        raise SystemExit(f"{tree} is no checkout: its process would run {said.strip()}")
    return found


def send(text: str, *headers: str) -> bytes:
    """A request to /send."""
    body = json.dumps({"To": f"+{PREFIX}{NUMBER}", "Body": text, "channel": "smpp"}, ensure_ascii=False)
    return request("POST", "/msg-client/send", ["Content-Type: application/json", *headers], body)


class Ours:
    """The connector of a checkout, run by ``python``. ``broker``: a real one that it tells instead of ``peer``'s.
    ``http``: more of that section; ``bind``: of each bind. ``sessions``: so many binds ``peer`` has when it is up; 0:
    its own. ``with_key``: an API key has to come with every request."""

    tells_always = True

    def __init__(
        self,
        peer: Peer,
        with_receipt: bool,
        tree: Path = HERE,
        binds: int = 1,
        broker: ActiveMQ | None = None,
        python: Path = Path(sys.executable),
        *,
        http: Mapping[str, Any] | None = None,
        bind: Mapping[str, Any] | None = None,
        sessions: int = 0,
        with_key: bool = False,
    ) -> None:
        wished = "final" if with_receipt else "none"
        uri = broker.uri if broker else f"tcp://127.0.0.1:{peer.stomp}"
        channel = {
            "type": "smpp",
            "binds": [
                {
                    "name": f"bind-{number}",
                    "endpoint": f"tcp:127.0.0.1:{peer.smsc}",
                    "system_id": "bench",
                    "password": "bench",
                    "window": 50,
                    "registered_delivery": wished,
                    "source": "Shop",
                    **(bind or {}),
                }
                for number in range(binds)
            ],
        }
        self._connector = Connector([], uri, channels={"smpp": channel}, http=dict(http or {}))
        self._connector.environment = environment(tree, python)
        self._connector.python = python
        self.port, self.database = self._connector.port, self._connector.folder / "smsconnector.db"
        self._headers = [f"X-API-Key: {self._new_key()}"] if with_key else []
        self._peer, self._sessions, self._broker = peer, sessions or binds, broker
        self.pids: list[int] = []

    def start(self) -> Self:
        """Blocks until it is bound and its broker answers."""
        self._connector.launch()
        assert self._connector.process is not None
        self.pids = [self._connector.process.pid]
        try:
            wait_for(self._connector.is_up, START, "the connector did not listen")
            wait_for(lambda: self._peer.sessions()[0] >= self._sessions, START, "the connector did not bind")
            if self._broker is None:
                wait_for(lambda: self._peer.sessions()[1] > 0, START, "the connector did not find its broker")
        except BaseException:
            self.stop()
            raise
        return self

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def template(self, text: str, with_receipt: bool) -> bytes:
        return send(text, *self._headers)

    def _new_key(self) -> str:
        command = [str(self._connector.python), "-m", "smsconnector", "key", "new", "bench", "--scope", "send"]
        command += ["--database", str(self._connector.folder / "smsconnector.db")]  # which is not there yet
        done = subprocess.run(
            command,
            cwd=self._connector.folder,
            env=self._connector.environment,
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    @property
    def has_real_broker(self) -> bool:
        return self._broker is not None

    def settle(self) -> None:
        """Wait until it has nothing left to do."""
        wait_for(lambda: is_quiet(self.pids), 30, "the connector did not come to rest")
        if self._broker is not None:
            time.sleep(HEALTH_EVERY)
            wait_for(lambda: not self._waiting(), 60, "the broker did not confirm all")
            wait_for(lambda: is_quiet(self.pids), 30, "the connector did not come to rest")

    def _waiting(self) -> int:
        with urlopen(f"http://127.0.0.1:{self.port}/health", timeout=5) as answer:
            return int(json.load(answer)["store"]["waiting_for_broker"])

    def pause(self) -> None:
        """End the process in good order; the database stays for the next ``start``."""
        self._connector.terminate()
        wait_for(lambda: self._peer.sessions() == (0, 0), START, "the connector's sessions did not end")

    def stop(self) -> None:
        self._connector.close()


class Kannels:
    """Debian's Kannel, bearerbox and smsbox."""

    tells_always = False

    def __init__(self, peer: Peer) -> None:
        hook = f"http://127.0.0.1:{peer.hook}"
        self._dlr_url = f"{hook}/dlr?n={PREFIX}{NUMBER}&status=%d"
        self._peer = peer
        self._kannel = Kannel(
            peer.smsc,
            core="store-type = file\nstore-location = {folder}/kannel.store",
            service=f'get-url = "{hook}/mo?from=%p&text=%a"',
            verbosity=2,
        )
        self.port = self._kannel.port
        self.pids: list[int] = []

    def start(self) -> Self:
        """Blocks until it is bound."""
        try:
            self._kannel.start()
            wait_for(lambda: self._peer.sessions()[0] > 0, START, "Kannel did not bind")
        except BaseException:
            self.stop()
            raise
        self.pids = self._kannel.pids
        return self

    def template(self, text: str, with_receipt: bool) -> bytes:
        fields = {
            "username": "tester",
            "password": Kannel.password,
            "from": "Shop",
            "to": f"+{PREFIX}{NUMBER}",
            "text": text,
        }
        if not text.isascii():
            fields |= {"coding": "2", "charset": "UTF-8"}
        if with_receipt:
            fields |= {"dlr-mask": "3", "dlr-url": self._dlr_url}  # delivered and failed
        return request("GET", f"/cgi-bin/sendsms?{urlencode(fields, safe='#', quote_via=quote)}")

    def settle(self) -> None:
        wait_for(lambda: is_quiet(self.pids), 30, "Kannel did not come to rest")

    def stop(self) -> None:
        self._kannel.stop()
