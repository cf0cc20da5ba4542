"""Write to a connection in this turn of the reactor.

``transport.write`` only fills a buffer. The reactor writes it in its next turn: it asks the kernel to be told when the
socket can be written, is told so at once, writes, and asks not to be told any more. For a few hundred octets that costs
several times what the write itself costs, and a turn.
"""

from typing import Any

from twisted.internet import tcp


def write_at_once(transport: Any, data: bytes) -> None:
    """Write ``data`` behind all that was written before. What the socket does not take now, and all of it where the
    transport is no plain TCP connection (TLS, a test's), goes the usual way."""
    if isinstance(transport, tcp.Connection) and _may_write(transport):
        sent = transport.writeSomeData(data)
        if isinstance(sent, int):  # else the connection is lost: the reactor finds that out when it writes
            data = data[sent:]
    if data:
        transport.write(data)


def _may_write(transport: Any) -> bool:
    """Whether nothing waits to be written before, and the connection is open. Twisted has no public name for that; if
    one of these is called otherwise in another release, everything goes the usual way."""
    is_empty = not (getattr(transport, "_tempDataBuffer", True) or transport.dataBuffer)
    ends = transport.disconnecting or getattr(transport, "_aborting", True)
    is_open = transport.connected and not (ends or getattr(transport, "_writeDisconnected", True))
    return is_empty and is_open and not transport.TLS
