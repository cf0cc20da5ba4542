"""How many connections there may be, and how long one may take over a request.

Twisted's own time-out is for silence: an octet now and then resets it. Here the whole request has to be there within
``request_timeout`` of its first octet. A connection beyond ``maximum`` is closed at once: whoever has ten thousand open
does not read an answer, and one that is written costs what it is to save.
"""

import resource
from typing import Any

from twisted.internet.interfaces import IProtocolNegotiationFactory, IReactorTime
from twisted.internet.protocol import Protocol
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from zope.interface import implementer

LOOK = 1.0  # seconds between looks for those that take too long
SPARE_FILES = 200  # descriptors for everything that is no connection of a client


class Connection(ProtocolWrapper):
    """``since`` is when the request that is being received began; None between requests."""

    since: float | None = None
    factory: "Connections"

    def dataReceived(self, data: bytes) -> None:
        if self.since is None:
            self.since = self.factory.clock.seconds()
        super().dataReceived(data)

    def request_is_whole(self) -> None:
        """All of it has been received; how long the answer takes is not the client's fault."""
        self.since = None


class Refused(Protocol):
    """One connection too many. It is a protocol, for under TLS none is an error."""

    transport: Any

    def connectionMade(self) -> None:
        self.transport.abortConnection()


@implementer(IProtocolNegotiationFactory)
class Connections(WrappingFactory):
    """``maximum`` connections at once, 0 for no limit; ``request_timeout`` in seconds."""

    log = Logger()
    protocol = Connection
    noisy = False

    def __init__(self, factory: Any, clock: IReactorTime, maximum: int, request_timeout: float) -> None:
        super().__init__(factory)
        self.clock = clock
        self._maximum, self._timeout = maximum, request_timeout
        self._refused = 0
        self._looking = LoopingCall(self._look)
        self._looking.clock = clock

    def acceptableProtocols(self) -> list[bytes]:
        """For ALPN (RFC 7301). HTTP/1.1 alone: with HTTP/2 a connection is not one request at a time."""
        return [b"http/1.1"]

    def startFactory(self) -> None:
        super().startFactory()
        self._looking.start(LOOK, now=False)

    def stopFactory(self) -> None:
        self._looking.stop()
        super().stopFactory()

    def buildProtocol(self, addr: Any) -> Any:
        if self._maximum and len(self.protocols) >= self._maximum:
            self._refused += 1
            return Refused()
        return super().buildProtocol(addr)

    def _look(self) -> None:
        now = self.clock.seconds()
        slow = [one for one in self.protocols if one.since is not None and now - one.since >= self._timeout]
        for connection in slow:
            connection.abortConnection()
        if self._refused:
            self.log.warn(
                "{refused} connections were refused: {maximum} are open, the limit of http.maximum_connections",
                refused=self._refused,
                maximum=self._maximum,
            )
            self._refused = 0


def allow_files(connections: int) -> str:
    """Raise the limit of open files to what ``connections`` need, or as far as this process may if they are 0, which
    is no limit; a warning if that is less than is needed, or ""."""
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
