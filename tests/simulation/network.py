"""Connections in memory. Octets take a little while, come in pieces cut anywhere, and what is under way when a
connection breaks arrives up to any octet.

A connection has two ends, the daemon's and the peer's. Each end is a transport that Twisted's protocols and the
peers of this package write to; what was written is in the ``Wire`` until it arrives at the other end's protocol.
"""

from collections import deque
from collections.abc import Callable
from random import Random
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost, ConnectionRefusedError
from twisted.internet.error import TimeoutError as ConnectTimeout
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.python.failure import Failure

from tests.simulation.clock import Machine, Time

LATENCY = 0.001  # seconds, at least
AFTER_TIMERS = 0.0001  # seconds: a process that wakes up calls its timers before it reads
ADDRESS = IPv4Address("TCP", "10.0.0.9", 50_000)


class End:
    """One end: the transport of ``protocol``. ``machine`` is the daemon's, None for a peer."""

    disconnecting = False
    negotiatedProtocol = None

    def __init__(self, connection: "Connection", machine: Machine | None) -> None:
        self.connection, self.machine = connection, machine
        self.protocol: Any = None
        self.other: End
        self.written = bytearray()  # all of it, ever
        self.arrived = 0  # how much of it the other end has
        self._in_flight: deque[tuple[float, int]] = deque()  # when -> how much will have arrived
        self._carrying = False
        self._paused = False
        self._producer: Any = None
        self._lost = self._deaf = self._is_last = False

    # --- what a protocol calls --------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        if self._lost or not self._alive():
            return
        self.connection.wrote(self, data)
        if self._alive() and not self.connection.is_cut:
            self.written += data
            self._send()

    def writeSequence(self, data: Any) -> None:
        self.write(b"".join(data))

    def loseConnection(self) -> None:
        if self._alive() and not self.disconnecting:
            self._leave()
            self.connection.time.callLater(0.0, self._close_when_empty)

    def abortConnection(self) -> None:
        """Nothing more arrives here."""
        if self._alive() and not self._deaf:
            self._deaf = True
            self._leave()
            self.connection.time.callLater(0.0, self.connection.cut)

    def close_writing(self) -> None:
        """Of a peer: it sends no more, and still reads. As Twisted: a protocol that does not know of halves loses the
        connection when all has arrived."""
        self._is_last = True
        self.connection.time.callLater(0.0, self._end_when_empty)

    def _leave(self) -> None:
        self.disconnecting = True
        if self.machine is not None and self.connection.left_at is None:
            self.connection.left_at = self.connection.time.rightNow

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        self._producer = producer

    def unregisterProducer(self) -> None:
        self._producer = None
        if self.disconnecting:
            self.connection.time.callLater(0.0, self._close_when_empty)

    def pauseProducing(self) -> None:
        self._paused = True

    def resumeProducing(self) -> None:
        self._paused = False
        self.other._carry_soon(0.0)

    def stopProducing(self) -> None:
        self.loseConnection()

    def getPeer(self) -> IPv4Address:
        return ADDRESS

    getHost = getPeer

    @property
    def deaf_until(self) -> float:
        """What arrives before lies in the socket: the process is frozen."""
        frozen = self.machine.frozen_until if self.machine is not None else 0.0
        return frozen + AFTER_TIMERS if frozen else 0.0

    # --- what the network does --------------------------------------------------------------------------------

    def _alive(self) -> bool:
        return self.machine is None or self.machine.alive

    def _send(self) -> None:
        """Cut what was written last into pieces with times of their own, none before the one before it."""
        begin = self._in_flight[-1][1] if self._in_flight else self.arrived
        last = self._in_flight[-1][0] if self._in_flight else 0.0
        now, cuts = self.connection.time.rightNow, self.connection.pieces(len(self.written) - begin)
        for delay, end in cuts:
            last = max(last, now + delay)
            self._in_flight.append((last, begin + end))
        self._carry_soon(self._in_flight[0][0] - now)

    def _carry_soon(self, delay: float) -> None:
        if not self._carrying and self._in_flight:
            self._carrying = True
            self.connection.time.callLater(max(0.0, delay), self._carry)

    def _carry(self) -> None:
        self._carrying = False
        connection, other = self.connection, self.other
        if connection.is_cut or other._paused:
            return
        now = connection.time.rightNow
        held = max(connection.held_until, other.deaf_until)
        if held > now:
            self._carry_soon(held - now)
            return
        end = self.arrived
        while self._in_flight and self._in_flight[0][0] <= now + 1e-9:
            end = self._in_flight.popleft()[1]
        if end > self.arrived:
            self.deliver(end)
        if self._in_flight:
            self._carry_soon(self._in_flight[0][0] - now)
        else:
            self._close_when_empty()
            self._end_when_empty()

    def deliver(self, end: int) -> None:
        data, self.arrived = bytes(self.written[self.arrived : end]), end
        other = self.other
        if other._alive() and not other._lost and not other._deaf:
            self.connection.arrives(self, end)
            other.protocol.dataReceived(data)

    def _close_when_empty(self) -> None:
        """As Twisted: a connection that has a producer is not closed before the producer is gone."""
        if self.disconnecting and not self._in_flight and self._producer is None:
            self.connection.cut(clean=True)

    def _end_when_empty(self) -> None:
        other = self.other
        if not self._is_last or self._in_flight or self.connection.is_cut or other.disconnecting:
            return
        half = IHalfCloseableProtocol(other.protocol, None)
        if half is None:
            self.connection.cut(clean=True)
        elif other._alive():
            half.readConnectionLost()

    def lose(self, reason: Exception) -> None:
        """The end of it, once."""
        if not self._lost:
            self._lost = True
            if self._alive():
                self.protocol.connectionLost(Failure(reason))


class Connection:
    """``daemon`` and ``peer`` are its ends."""

    def __init__(self, network: "Network", machine: Machine, host: str) -> None:
        self.network, self.time, self.host = network, network.time, host
        self.daemon, self.peer = End(self, machine), End(self, None)
        self.daemon.other, self.peer.other = self.peer, self.daemon
        self.is_cut = False
        self.held_until = 0.0
        self.opened_at = self.time.rightNow
        self.cut_at: float | None = None
        self.left_at: float | None = None  # when the daemon gave it up
        self.watch: Callable[[str, End, bytes, int], None] | None = None

    def pieces(self, octets: int) -> list[tuple[float, int]]:
        return self.network.pieces(octets)

    def wrote(self, end: End, data: bytes) -> None:
        if end is self.daemon:
            self.network.daemon_writes()
        if self.watch is not None and end._alive():
            self.watch("wrote", end, data, 0)

    def arrives(self, end: End, upto: int) -> None:
        if self.watch is not None:
            self.watch("arrived", end, b"", upto)

    def hold(self, seconds: float) -> None:
        """Nothing arrives for a while; then all of it does."""
        self.held_until = self.time.rightNow + seconds

    def cut(self, clean: bool = False) -> None:
        """The end of the connection. What is under way arrives up to any octet, or, ``clean``, whole."""
        if self.is_cut:
            return
        self.is_cut = True
        self.cut_at = self.time.rightNow
        self.network.connections.discard(self)
        dice, wait = self.network.dice, max(0.0, self.daemon.deaf_until - self.time.rightNow)
        for end in (self.daemon, self.peer):
            left = len(end.written) - end.arrived
            if left:
                upto = len(end.written) if clean else end.arrived + dice.randint(0, left)
                if end is self.peer and wait:  # it lies in the socket of a process that is frozen
                    self.time.callLater(wait, end.deliver, upto)
                else:
                    end.deliver(upto)
        reason = ConnectionDone() if clean or dice.random() < 0.5 else ConnectionLost()
        for end in (self.daemon, self.peer):
            if end is self.daemon:
                self.time.callLater(wait, end.lose, reason)
            else:
                self.time.callLater(dice.random() * 0.05, end.lose, reason)


class Network:
    """Who listens where, and which connections there are. ``gone`` holds until when a host can't be reached."""

    def __init__(self, time: Time, dice: Random, splits: float, on_write: Callable[[], None]) -> None:
        self.time, self.dice, self._splits, self.daemon_writes = time, dice, splits, on_write
        self.hosts: dict[str, Callable[[Connection], Any]] = {}
        self.gone: dict[str, float] = {}
        self.connections: set[Connection] = set()

    def pieces(self, octets: int) -> list[tuple[float, int]]:
        """(delay, up to where) of each piece of so many octets."""
        dice = self.dice
        delay = LATENCY + dice.random() * 0.02
        if octets < 2 or dice.random() >= self._splits:
            return [(delay, octets)]
        if dice.random() < 0.05 and octets < 400:
            return [(delay + 0.0001 * end, end) for end in range(1, octets + 1)]
        cuts = sorted({dice.randrange(1, octets) for _ in range(dice.randint(1, 3))} | {octets})
        return [(delay + dice.random() * 0.1 * index, end) for index, end in enumerate(cuts)]

    def connect(self, machine: Machine, host: str, port: int, factory: Any, timeout: float) -> "Connector":
        return Connector(self, machine, host, factory, timeout)

    def on(self, host: str) -> "list[Connection]":
        return sorted((one for one in self.connections if one.host == host), key=lambda one: one.opened_at)


class Connector:
    """What ``connectTCP`` gives: one attempt."""

    def __init__(self, network: Network, machine: Machine, host: str, factory: Any, timeout: float) -> None:
        self._network, self._machine, self._host, self._factory = network, machine, host, factory
        factory.doStart()
        factory.startedConnecting(self)
        silent = network.dice.random() < 0.2 and network.gone.get(host, 0.0) > network.time.rightNow
        delay = timeout if silent else LATENCY + network.dice.random() * 0.02
        self._call: Any = machine.callLater(delay, self._attempt, silent)

    def getDestination(self) -> IPv4Address:
        return IPv4Address("TCP", self._host, 1)

    def stopConnecting(self) -> None:
        if self._call is not None and self._call.active():
            self._call.cancel()
            self._fail(ConnectionAborted())

    disconnect = stopConnecting

    def _fail(self, error: Exception) -> None:
        self._factory.clientConnectionFailed(self, Failure(error))
        self._factory.doStop()

    def _attempt(self, silent: bool) -> None:
        network = self._network
        answer = network.hosts.get(self._host)
        if silent or answer is None or network.gone.get(self._host, 0.0) > network.time.rightNow:
            self._fail(ConnectTimeout() if silent else ConnectionRefusedError())
            return
        connection = Connection(network, self._machine, self._host)
        protocol = self._factory.buildProtocol(IPv4Address("TCP", self._host, 1))
        if protocol is None:
            self._fail(ConnectionAborted())
            return
        network.connections.add(connection)
        peer = answer(connection)
        connection.daemon.protocol, connection.peer.protocol = protocol, peer
        peer.makeConnection(connection.peer)
        protocol.makeConnection(connection.daemon)
