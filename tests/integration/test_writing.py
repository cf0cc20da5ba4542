"""Octets that are written at once, on real sockets: all arrive, in the order in which they were written."""

from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import TestCase

from smsconnector.net.writing import write_at_once

reactor: Any = _reactor
PIECE = bytes(range(256)) * 8


class Reader(Protocol):
    """Reads to the end; not before it is told to."""

    def __init__(self, ended: "Deferred[bytes]") -> None:
        self._ended, self._octets = ended, bytearray()

    def connectionMade(self) -> None:
        transport: Any = self.transport
        transport.pauseProducing()

    def dataReceived(self, data: bytes) -> None:
        self._octets += data

    def connectionLost(self, reason: Any = None) -> None:
        self._ended.callback(bytes(self._octets))


class Writer(Protocol):
    transport: Any


class WritingCase(TestCase):
    timeout = 30

    @inlineCallbacks
    def setUp(self) -> Any:  # type: ignore[override]  # trial waits for the Deferred
        self.ended: Deferred[bytes] = Deferred()
        connected: Deferred[Reader] = Deferred()
        factory, case = Factory(), self

        def build(_address: Any) -> Reader:
            reader = Reader(case.ended)
            reactor.callLater(0, connected.callback, reader)
            return reader

        factory.buildProtocol = build  # type: ignore[assignment, method-assign]
        self.port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", self.port.getHost().port)
        self.writer = yield endpoint.connect(Factory.forProtocol(Writer))
        self.reader = yield connected

    def tearDown(self) -> Any:
        self.writer.transport.abortConnection()
        return self.port.stopListening()

    @inlineCallbacks
    def test_order_and_completeness(self) -> Any:
        """The peer does not read at first, so that the socket takes only a part; some is written the usual way."""
        expected = b""
        waiting = 0
        for number in range(4_000):
            piece = b"%06d" % number + PIECE
            expected += piece
            if waiting % 7 == 3:
                self.writer.transport.write(piece)
            else:
                write_at_once(self.writer.transport, piece)
            waiting += bool(self.writer.transport._tempDataBuffer)  # first the socket has to be full
        self.assertGreater(waiting, 100, "the socket took all of it")
        self.reader.transport.resumeProducing()
        self.writer.transport.loseConnection()
        write_at_once(self.writer.transport, b"the last")
        found = yield self.ended
        self.assertEqual(found == expected + b"the last", True, (len(found), len(expected)))

    @inlineCallbacks
    def test_peer_is_gone(self) -> Any:
        """It is no error: the transport tells that the connection is lost."""
        lost: Deferred[None] = Deferred()
        self.writer.connectionLost = lambda reason=None: lost.callback(None)
        self.reader.transport.abortConnection()
        while not lost.called:
            write_at_once(self.writer.transport, PIECE)
            turn: Deferred[None] = Deferred()
            reactor.callLater(0, turn.callback, None)
            yield turn
        write_at_once(self.writer.transport, PIECE)
        yield self.ended

    @inlineCallbacks
    def test_aborted(self) -> Any:
        """What is written in the turn that aborts the connection does not go out, as by the usual way."""
        self.reader.transport.resumeProducing()
        self.writer.transport.abortConnection()
        write_at_once(self.writer.transport, b"after")
        found = yield self.ended
        self.assertEqual(found, b"")

    def test_another_transport(self) -> None:
        """One that is no TCP connection is written to the usual way."""
        transport = StringTransport()
        write_at_once(transport, b"abc")
        write_at_once(transport, b"")
        self.assertEqual(transport.value(), b"abc")
        self.reader.transport.abortConnection()
