"""A client that closes its writing half after its requests still gets its answers: then the connection is closed.

``nc -N``, ``socat`` and some embedded clients do so; RFC 9112 section 9.6 has a server go on until its last response.
Without an answer such a client sends its text again.
"""

from typing import Any

from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from tests.unit.http.test_abuse import GOOD, HEAD, NOTHING, SEND, AbuseCase, Transport, answers
from tests.unit.http.ways import both_ways

CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(GOOD), GOOD)
EXPECT = HEAD + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(GOOD)


@both_ways
class HalfClosedCase(AbuseCase):
    def half_close(self, protocol: Any, transport: StringTransport) -> None:
        """What Twisted does when the client has closed its writing half: a protocol that does not know of halves loses
        the connection."""
        half = IHalfCloseableProtocol(protocol, None)
        if half is None:
            protocol.connectionLost(Failure(ConnectionDone()))
        elif not transport.disconnecting:
            half.readConnectionLost()

    def given(self, octets: bytes) -> tuple[list[int], Transport]:
        """The statuses of the answers if the writing half is closed right behind these octets."""
        protocol, transport = self.connect()
        protocol.dataReceived(octets)
        self.half_close(protocol, transport)
        self.settle()
        return [one.status for one in answers(transport.value())], transport

    def test_answered(self) -> None:
        """Whatever the request, and however its answer is made: the answer, and then the end."""
        cases = {
            SEND: [200],
            CHUNKED: [200],
            EXPECT + GOOD: [200],
            SEND.replace(b"/send", b"/send/"): [200],
            SEND.replace(b'"hi"', b"1234"): [400],
            b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n": [200],
            b"GET /health HTTP/1.0\r\n\r\n": [200],
            NOTHING: [404],
            b"NONSENSE\r\n\r\n": [400],
            HEAD + b"Content-Length: 70000\r\n\r\n" + b"x" * 70_000: [413],
        }
        for octets, statuses in cases.items():
            found, transport = self.given(octets)
            self.assertEqual((found, transport.disconnecting), (statuses, True), octets[:80])
        self.assertEqual(self.failures_said, [])

    def test_several(self) -> None:
        """Each of those that came before the end is answered, in their order."""
        found, transport = self.given(SEND + NOTHING + SEND + NOTHING * 50 + CHUNKED)
        self.assertEqual((found, transport.disconnecting), ([200, 404, 200, *[404] * 50, 200], True))

    def test_between_requests(self) -> None:
        """A client that is done, as most are in the end, is let go at once, without a word."""
        for octets in (b"", SEND, SEND + NOTHING, NOTHING):
            protocol, transport = self.connect()
            protocol.dataReceived(octets)
            self.settle()
            transport.clear()
            self.half_close(protocol, transport)
            self.assertEqual((transport.value(), transport.disconnecting), (b"", True))

    def test_cut_short(self) -> None:
        """A request of which the rest will never come is accepted from nobody; what came before it is answered."""
        for octets in (SEND, CHUNKED, EXPECT + GOOD):
            for end in range(1, len(octets)):
                found, transport = self.given(octets[:end])
                self.assertEqual((found, transport.disconnecting), ([], True), octets[:end])
            found, transport = self.given(NOTHING + octets[:-1])
            self.assertEqual((found, transport.disconnecting), ([404], True))
        self.assertEqual(self.writer.store.last_segment_id(), 0)

    def test_slow_store(self) -> None:
        """However long the commit takes; the client's end is heard of again and again where reading goes on."""
        self.settle()
        commit = self.writer.commit
        self.patch(self.writer, "commit", lambda: None)
        protocol, transport = self.connect()
        protocol.dataReceived(SEND)
        for _ in range(100):
            self.half_close(protocol, transport)
            self.clock.advance(1.0)
        self.assertEqual((transport.value(), transport.disconnecting), (b"", False))
        self.patch(self.writer, "commit", commit)
        commit()
        self.assertIn(b"HTTP/1.1 200", transport.value())
        self.assertTrue(transport.disconnecting)

    def test_gone_after_all(self) -> None:
        """One that had closed both halves is found out when it is written to: nothing is left, nothing in the log."""
        protocol, transport = self.connect()
        protocol.dataReceived(SEND + NOTHING)
        self.half_close(protocol, transport)
        protocol.connectionLost(Failure(ConnectionLost()))
        self.settle()
        self.assertEqual((self.failures_said, len(self.site.protocols)), ([], 0))

    def test_reads_late(self) -> None:
        """One that does not read its answers is waited for as any other, and gets all of them."""
        protocol, transport = self.connect()
        protocol.dataReceived(NOTHING * 900)
        self.half_close(protocol, transport)
        octets = b""
        for _ in range(200):
            self.settle()
            octets += transport.read()
        self.assertTrue(transport.disconnecting)
        self.assertEqual([one.status for one in answers(octets + transport.read())], [404] * 900)

    def test_never_reads(self) -> None:
        """One that never does is cut off in time."""
        protocol, transport = self.connect()
        protocol.dataReceived(NOTHING * 900)
        self.half_close(protocol, transport)
        for _ in range(100):
            self.clock.advance(1.0)
        self.assertTrue(transport.aborted)
