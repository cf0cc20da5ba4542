"""A port at which several processes of one machine listen, and how one of them leaves it.

Each process has a listening socket of its own with SO_REUSEPORT. The kernel hashes the addresses of each new connection
to choose one of the sockets, and that connection stays there. All processes have to set the option, and to run as one
user: so nobody else can take a share.

When a listening socket is closed, the connections that its process has not accepted yet are reset, and so are those
whose handshake is not done. Their clients have seen a connection, and may have sent a request. So:

1. A filter drops each SYN that comes to this socket. The client's kernel sends it again after a second. By then the
   socket is closed, and another process gets it.
2. Handshakes that were begun have ``HANDSHAKES_S`` to end.
3. All that waits is accepted, and the socket is closed.

``net.ipv4.tcp_migrate_req`` has Linux (5.14) hand such connections to another process by itself; it is off by default.
After ``kill -9`` it is the only thing that helps.

Sources: socket(7); Linux, Documentation/networking/filter.rst and ip-sysctl.rst.
"""

import ctypes
import select
import socket
import struct
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IListeningPort
from twisted.internet.task import deferLater
from twisted.internet.tcp import makeBinding
from twisted.logger import Logger
from zope.interface import implementer

HANDSHAKES_S = 0.25  # time for the rest of handshakes: longer than a round trip, shorter than a client's second SYN
NO_NEW_ONES = (socket.SOL_SOCKET, 26)  # SO_ATTACH_FILTER, which Python has no name for

MOST_READS = 1_000  # each accepts several; where the kernel gives none of them, the stop goes on

# Classic BPF over a segment that has come, beginning with its TCP header: (code, jump if true, if false, operand).
_FILTER = (
    (0x30, 0, 0, 13),  # load the octet of the flags (RFC 9293 section 3.1)
    (0x54, 0, 0, 0x12),  # of them SYN and ACK
    (0x15, 0, 1, 0x02),  # SYN alone?
    (0x06, 0, 0, 0),  # then drop it
    (0x06, 0, 0, 0xFFFFFFFF),  # else take all of it
)


class Sharing:
    """Stands for the reactor where Twisted's endpoint listens: the port that it gets may be shared."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor

    def listenTCP(self, port: int, factory: Any, backlog: int, interface: str) -> "SharedPort":
        listening = self._reactor.listenTCP(_binding(interface, port), factory, backlog, interface)
        return SharedPort(self._reactor, listening)

    def listenSSL(self, port: int, factory: Any, contextFactory: Any, backlog: int, interface: str) -> "SharedPort":
        listening = self._reactor.listenSSL(_binding(interface, port), factory, contextFactory, backlog, interface)
        return SharedPort(self._reactor, listening)


def _binding(interface: str, port: int) -> Any:
    return makeBinding(interface, port, reuseAddress=True, reusePort=True)


@implementer(IListeningPort)
class SharedPort:
    """A port of Twisted's that is left in order."""

    log = Logger()

    def __init__(self, reactor: Any, port: Any) -> None:
        self._reactor, self._port = reactor, port

    def startListening(self) -> None:
        self._port.startListening()

    def getHost(self) -> Any:
        return self._port.getHost()

    def stopListening(self) -> "Deferred[Any]":
        """Fires when the port is closed, and all that was begun at it is accepted."""
        try:
            _drop_new_ones(self._port.socket)
        except OSError as error:  # a kernel without these filters
            self.log.warn("connections that come while the port is being closed may be reset: {error}", error=error)
        return deferLater(self._reactor, HANDSHAKES_S, self._close)

    def _close(self) -> Any:
        waits = select.poll()
        waits.register(self._port.fileno(), select.POLLIN)
        for _ in range(MOST_READS):
            if not waits.poll(0):
                break
            self._port.doRead()
        return self._port.stopListening()


def _drop_new_ones(listening: socket.socket) -> None:
    """OSError if the kernel takes no filter."""
    program = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in _FILTER))
    # struct sock_fprog: the number of lines, and where they are; the kernel copies them
    listening.setsockopt(*NO_NEW_ONES, struct.pack("@HP", len(_FILTER), ctypes.addressof(program)))
