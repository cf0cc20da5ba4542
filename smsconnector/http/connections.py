"""How many connections there may be, and how long one may take over a request.

Twisted's own time-out counts silence: a client that sends an octet now and then is never timed out. Here the whole
request must have come within ``request_timeout`` of its first octet. Both count only the time in which the client could
be heard (``net.hearing``).

A connection beyond ``maximum`` is closed at once, without an answer: the limit is there to save work and memory, and
an answer costs both.
"""

import resource
from typing import Any, cast

from twisted.internet.interfaces import IHalfCloseableProtocol, IProtocolNegotiationFactory, IReactorTime
from twisted.internet.protocol import Protocol
from twisted.logger import Logger
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from zope.interface import implementer

from smsconnector.net.hearing import Hearing
from smsconnector.recurring import Recurring, Sentences
from smsconnector.timers import Repeating

MOST_HANDED_OVER = 4  # times that a connection is handed over by its lane; the last time it stays
LOOK_INTERVAL_S = 1.0  # between looks for connections that take too long
SPARE_FILES = 200  # open files for everything else: database, log, binds, broker


@implementer(IHalfCloseableProtocol)
class Connection(ProtocolWrapper):
    """One connection. ``waiting_since_s`` is the time (``Connections.now``) since when it has been waiting for the
    client, as ``BoundedChannel`` or ``Lane`` notes it; None while it does not wait. ``silent_since_s`` is the time
    since when a lane has heard nothing; None while the client waits for us. (``BoundedChannel`` has its own timer.)"""

    waiting_since_s: float | None = None
    silent_since_s: float | None = None
    factory: "Connections"
    _lane: Any = None  # what has handed it over, and how often that was
    _handed_over = 0

    def readConnectionLost(self) -> None:
        """The client will send no more. Over TLS this is not called: there Twisted closes both halves at once."""
        channel: Any = self.wrappedProtocol
        channel.no_more_comes()

    def writeConnectionLost(self) -> None:
        """We never close our half alone."""

    def hand_over(self, protocol: Any, octets: bytes, is_last: bool) -> None:
        """From now on it is this protocol's, beginning with these octets. ``is_last``: no more will come."""
        self._lane, self._handed_over = self.wrappedProtocol, self._handed_over + 1
        self.wrappedProtocol, self.silent_since_s = protocol, None
        protocol.makeConnection(self)
        protocol.dataReceived(octets)
        if is_last:
            protocol.no_more_comes()

    @property
    def may_be_given_back(self) -> bool:
        """Whether a lane has handed it over. A client that is unusual again and again stays where it is."""
        return self._lane is not None and self._handed_over < MOST_HANDED_OVER

    def give_back(self) -> None:
        """The lane has it again."""
        lane = self.wrappedProtocol = self._lane.again()
        self._lane = None
        lane.makeConnection(self)

    def request_is_whole(self) -> None:
        """All of the request has been received: the time that the answer takes is not the client's."""
        self.waiting_since_s = None


class Refused(Protocol):
    """Closes a connection beyond the limit. ``buildProtocol`` can't give None instead: under TLS that is an error."""

    transport: Any

    def connectionMade(self) -> None:
        self.transport.abortConnection()


REFUSED = Sentences(
    one="{count} connections were refused: {example}",
    more="{count} more connections were refused in the last minute: {example}",
    over="no more connections were refused in the last minute, {total} before that",
)


@implementer(IProtocolNegotiationFactory)
class Connections(WrappingFactory):
    """The factory that wraps the site, or the lanes: ``maximum`` connections at once, 0 for no limit;
    ``request_timeout`` and ``idle_timeout`` (s), the latter for lanes. ``is_leaving``: each connection is closed behind
    its next answer, which says so: the process stops, and the client may reach another one."""

    log = Logger()
    is_leaving = False
    protocol = Connection
    noisy = False

    def __init__(
        self, factory: Any, clock: IReactorTime, maximum: int, request_timeout: float, idle_timeout: float = 60.0
    ) -> None:
        super().__init__(factory)
        self.clock = clock
        self._maximum, self._request_timeout_s, self._idle_timeout_s = maximum, request_timeout, idle_timeout
        self._refused = 0
        self._trouble = Recurring(clock, self.log, "HTTP", REFUSED)
        self._looking = Repeating(clock, "the look for slow clients", self._look)
        self._hearing = Hearing(clock.seconds(), 2 * LOOK_INTERVAL_S)
        self._heard = 0.0

    def now(self) -> float:
        """For what begins now, in seconds in which clients could be heard."""
        return self._hearing.now(self.clock.seconds())

    def heard_for(self, since: float) -> float:
        """For how long (s) clients have been heard since then, by ``now``."""
        return self._heard - since

    @property
    def has_just_woken(self) -> bool:
        """Whether the process was frozen until a moment ago."""
        return self._hearing.has_just_woken(self.clock.seconds())

    def acceptableProtocols(self) -> list[bytes]:
        """For ALPN (RFC 7301). HTTP/1.1 only: an HTTP/2 connection has several requests at once, which neither the
        limits nor the times here know."""
        return [b"http/1.1"]

    def startFactory(self) -> None:
        super().startFactory()
        self._looking.start(LOOK_INTERVAL_S, now=False)

    def stopFactory(self) -> None:
        self._looking.stop()
        self._trouble.stop()
        super().stopFactory()

    def buildProtocol(self, addr: Any) -> Any:
        if self._maximum and len(self.protocols) >= self._maximum:
            self._refused += 1
            return Refused()
        return super().buildProtocol(addr)

    def _look(self) -> None:
        """Cut off who takes too long, close what is silent, and say in the log how many connections were refused since
        the last look."""
        self._heard = self._hearing.tick(self.clock.seconds())
        slow = [
            one
            for one in self.protocols
            if one.waiting_since_s is not None and self.heard_for(one.waiting_since_s) >= self._request_timeout_s
        ]
        for connection in slow:
            connection.abortConnection()
        silent = [
            one
            for one in self.protocols
            if one.silent_since_s is not None and self.heard_for(one.silent_since_s) >= self._idle_timeout_s
        ]
        for connection in silent:
            cast(Any, connection.wrappedProtocol).loseConnection()
        if self._refused:
            limit = f"{self._maximum} are open, the limit of http.maximum_connections"
            self._trouble.count("connections were refused", limit, self._refused)
            self._refused = 0


def allow_files(connections: int) -> str:
    """Raise this process's limit of open files to what so many connections need; 0 connections means no limit, and
    then it is raised as far as it may be. Gives a warning for the log if fewer files may be open than are needed, else
    ""."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + SPARE_FILES if connections else hard
    if soft >= wanted or soft == resource.RLIM_INFINITY:
        return ""
    possible = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
    if possible > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (possible, hard))
    if possible >= wanted:
        return ""
    return (
        f"only {possible} files may be open, and http.maximum_connections: {connections} needs {wanted}: "
        "raise LimitNOFILE in the unit file, or ulimit -n"
    )
