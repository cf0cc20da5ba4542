"""An answer that is longer than a connection may keep: it is written as fast as the client reads it."""

from typing import Any

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

PIECE = 16_384  # octets that are given to the transport at once


@implementer(IPushProducer)
class LongAnswer:
    """Writes ``body`` to ``request``, a ``BoundedRequest`` whose head is set, and finishes it. The octets are not
    copied: who reads slowly keeps some pieces in memory, and not a whole body of their own."""

    def __init__(self, request: Any, body: bytes) -> None:
        self._request, self._body, self._at = request, body, 0
        self.is_paused = False

    def start(self) -> None:
        self._request.registerProducer(self, True)
        if not self._request.channel._waitingForTransport:  # for earlier answers to be read
            self.resumeProducing()

    def resumeProducing(self) -> None:
        request, body = self._request, self._body
        self.is_paused = False
        while not self.is_paused and self._at < len(body):
            begin = self._at
            self._at += PIECE
            request.write(body[begin : self._at])
        if self._at >= len(body) and self._request is not None:
            self._request = None
            request.unregisterProducer()
            request.finish()

    def pauseProducing(self) -> None:
        self.is_paused = True

    def stopProducing(self) -> None:
        """The client has gone."""
        self.is_paused, self._request = True, None
