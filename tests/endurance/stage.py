"""The parts of a run: ports, broker, SMSC, connector processes; and their end, whatever happens.

Processes have groups of their own and are killed by the kernel when this one dies (``die_with_parent``); ``run`` ends
all parts and removes their folders however the program ends. If a promise is broken, the folders stay as evidence.
"""

import os
import random
import signal
import socket
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred, ensureDeferred, maybeDeferred
from twisted.internet.task import LoopingCall, deferLater, react
from twisted.internet.threads import deferToThread, deferToThreadPool
from twisted.python.threadpool import ThreadPool

from smsconnector.simulator.smsc import HANDSET_TEXTS
from tests.integration.activemq import ActiveMQ, available
from tests.integration.stack import Connector, Network

reactor: Any = _reactor
PATIENCE = 90.0  # seconds without any progress, after which it is not waited any longer


def quiet_port() -> int:
    """A free loopback port below those that the kernel gives to clients: while nobody listens there, a client that
    tries it again and again can't be given the very port and connect to itself."""
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.SystemRandom().randrange(lowest // 2, lowest)
        with socket.socket() as sock:
            if sock.connect_ex(("127.0.0.1", port)):
                return port


def sleep(seconds: float) -> "Deferred[None]":
    return deferLater(reactor, seconds, lambda: None)


async def settled(
    done: Callable[[], Any], progress: Callable[[], Any], patience: float = PATIENCE, pause: float = 0.05
) -> bool:
    """Waits until it is done, or nothing has moved for so many seconds; whether it is done. Looks after each pause."""
    last, since = progress(), reactor.seconds()
    while not done():
        if progress() != last:
            last, since = progress(), reactor.seconds()
        elif reactor.seconds() - since > patience:
            return False
        await sleep(pause)
    return True


class Broker(ActiveMQ):
    """A persistent ActiveMQ, started and stopped in a thread that lasts as long as this process: the kernel would end
    the broker together with the thread that started it."""

    def __init__(self) -> None:
        super().__init__(persistent=True)
        self.stomp_port, self.openwire_port = quiet_port(), quiet_port()
        self._pool = ThreadPool(1, 1, "broker")
        self._pool.start()

    def do(self, step: Callable[[], Any]) -> "Deferred[Any]":
        """``start``, ``kill`` or ``terminate``, without holding up the others."""
        return deferToThreadPool(reactor, self._pool, step)

    def close(self, keep: bool) -> None:
        self._pool.stop()
        if keep:
            self.kill()
        else:
            self.stop()


class Networks(Network):
    """The SMSC, and handsets that write ``mo_rate`` texts a second, each unlike all others, while ``writing``.
    ``written``: what they wrote, as (From, Body)."""

    def __init__(self, mo_rate: float = 0.0, **behaviour: Any) -> None:
        super().__init__(**behaviour)
        self.number = quiet_port()
        self.written: list[tuple[str, str]] = []
        self.writing = LoopingCall(self._write)
        if mo_rate:
            self.writing.start(1 / mo_rate, now=False)

    def _write(self) -> None:
        number = len(self.written)
        source, text = f"49151{number:08d}", f"{number}: {HANDSET_TEXTS[number % len(HANDSET_TEXTS)]}"
        self.written.append((source, text))
        self.smsc.send_mo(source, "12345", text)

    def stop_writing(self) -> None:
        if self.writing.running:
            self.writing.stop()

    @property
    def connected(self) -> int:
        return len(self.smsc.connections)

    @property
    def owes(self) -> int:
        """deliver_sm that are not acknowledged for good yet."""
        counts = self.smsc.counts
        return counts.receipts + counts.texts - counts.acknowledged - counts.refused_for_good


class Daemon(Connector):
    """A connector process on a port of its own that clients may try while it is down."""

    def __init__(self, smsc_ports: list[int], events_uri: str, **sections: Any) -> None:
        port = quiet_port()
        http = {"endpoints": [f"tcp:{port}:interface=127.0.0.1"]}
        super().__init__(smsc_ports, events_uri, http=http, **sections)
        self.port = port

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def database(self) -> Path:
        return self.folder / "smsconnector.db"

    def ask_to_stop(self) -> None:
        """SIGTERM, without waiting."""
        os.killpg(self.pid, signal.SIGTERM)

    def ended(self) -> bool:
        """Whether it has ended by itself; it stays a zombie, so that ``kill`` still finds it."""
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def stop(self) -> "Deferred[int]":
        """SIGTERM; fires with the exit code."""
        return deferToThread(self.terminate)

    def finish(self, keep: bool) -> None:
        if keep:
            self.kill()
        else:
            self.close()


class Stage:
    """What a run has put up."""

    def __init__(self) -> None:
        self._broker: Broker | None = None
        self.networks: list[Networks] = []
        self.daemons: list[Daemon] = []
        self.keep = self.closed = False

    @property
    def broker(self) -> Broker:
        if self._broker is None:
            self._broker = Broker()
        return self._broker

    def network(self, **behaviour: Any) -> Networks:
        self.networks.append(Networks(**({"receipt_delay": 0.2} | behaviour)))
        return self.networks[-1]

    def daemon(self, smsc_ports: list[int], **sections: Any) -> Daemon:
        self.daemons.append(Daemon(smsc_ports, self.broker.uri, **sections))
        return self.daemons[-1]

    @property
    def folders(self) -> str:
        folders = [one.folder for one in self.daemons] + ([self._broker.folder] if self._broker is not None else [])
        return " ".join(map(str, folders))

    def close(self) -> "Deferred[Any]":
        self.closed = True
        for daemon in self.daemons:
            daemon.finish(self.keep)
        if self._broker is not None:
            self._broker.close(self.keep)
        cuts = [maybeDeferred(network.cut) for network in self.networks]
        return cuts[0] if cuts else maybeDeferred(lambda: None)


def run(program: Callable[[Stage], Coroutine[Any, Any, int]]) -> None:
    """Run it in the reactor to its end, which is its exit status."""
    missing = available()
    if missing:
        raise SystemExit(missing)

    async def whole(stage: Stage) -> None:
        try:
            status = await program(stage)
            stage.keep = bool(status)
        except BaseException:
            if stage.closed:  # interrupted
                raise SystemExit(1) from None
            stage.keep = True
            raise
        finally:
            if stage.keep:
                print(f"what there is to look at: {stage.folders}", flush=True)
        raise SystemExit(status)

    def main(_reactor: Any) -> "Deferred[None]":
        stage = Stage()
        reactor.addSystemEventTrigger("before", "shutdown", stage.close)
        return ensureDeferred(whole(stage))

    react(main)
