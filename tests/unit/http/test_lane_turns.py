"""What the fast lane does in which turn of the reactor: the order of answers, how many requests are under way, how they
get to the socket; and its parts, the heads and the answers as octets."""

import time
from errno import EAGAIN, EPIPE
from itertools import pairwise
from typing import Any
from unittest.mock import patch

from twisted.internet.error import ConnectionLost
from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST
from twisted.internet.tcp import Connection as TCPConnection
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.http import heads
from smsconnector.http.answers import Answer
from smsconnector.http.bodies import Bodies
from smsconnector.http.connections import MOST_HANDED_OVER
from smsconnector.http.door import Door
from smsconnector.http.heads import Heads
from smsconnector.http.lane import EAGER, MOST_AT_ONCE, MOST_PIECES, Lane, LaneFactory
from smsconnector.http.rendering import Renderer
from smsconnector.http.site import QuietSite
from smsconnector.http_section import HTTP
from tests.unit.http.test_abuse import GOOD, HEAD, NOTHING, SEND, AbuseCase, answers
from tests.unit.http.test_lane import HEALTH, PLAIN, masked, post


class Held:
    """A handler's side: keeps the replies, so that a test gives the answers in the order that it wants."""

    def __init__(self, case: AbuseCase) -> None:
        self.replies: list[Any] = []
        self.requests: list[Any] = []
        case.patch(case.site.wrappedFactory, "serve", self.serve)

    def serve(self, _route: Any, request: Any, answer: Any) -> None:
        self.requests.append(request)
        self.replies.append(answer)

    def answer(self, *numbers: int) -> None:
        for number in numbers:
            self.replies[number](Answer(200, ((b"X-Number", b"%d" % number),)))


def numbers_of(transport: Any) -> list[int]:
    return [int(one.header("X-Number") or -1) for one in answers(transport.value())]


class OrderCase(AbuseCase):
    """Several requests of one connection at once."""

    def setUp(self) -> None:
        super().setUp()
        self.held = Held(self)
        self.protocol, self.transport = self.connect()

    def test_in_order(self) -> None:
        """Answers go out in the order of the requests, whichever is ready first; those of one turn in one write."""
        writes: list[bytes] = []
        self.patch(self.transport, "write", writes.append)
        self.protocol.dataReceived(SEND * 6)
        self.assertEqual(len(self.held.replies), 6)
        self.held.answer(3, 1, 2)
        self.settle()
        self.assertEqual(writes, [])
        self.held.answer(0, 5)
        self.settle()
        self.assertEqual(len(writes), 1)
        self.held.answer(4)
        self.settle()
        self.assertEqual([one.count(b"HTTP/1.1 200") for one in writes], [4, 2])
        self.transport.io.write(b"".join(writes))
        self.assertEqual(numbers_of(self.transport), [0, 1, 2, 3, 4, 5])

    def test_at_once(self) -> None:
        """One request alone is answered as soon as its answer is there, without another turn."""
        self.protocol.dataReceived(SEND)
        self.held.answer(0)
        self.assertEqual(numbers_of(self.transport), [0])

    def test_so_many_at_once(self) -> None:
        """No more than so many are under way; the next are begun as these are answered. What is read ahead is bounded,
        however much the client sends."""
        self.protocol.dataReceived(SEND * 200)
        self.assertEqual((len(self.held.replies), self.transport.producerState), (MOST_AT_ONCE, "paused"))
        self.held.answer(*range(10))
        self.settle()
        self.assertEqual(len(self.held.replies), MOST_AT_ONCE + 10)
        answered = 10
        while answered < 200:
            upto = len(self.held.replies)
            self.held.answer(*range(answered, upto))
            answered = upto
            self.settle()
        self.assertEqual(numbers_of(self.transport), list(range(200)))
        self.assertEqual(self.transport.producerState, "producing")

    def test_read_ahead(self) -> None:
        """While requests are under way a little is read ahead, and then no more."""
        self.protocol.dataReceived(SEND + HEALTH)
        sent = 0
        while self.transport.producerState == "producing":
            self.protocol.dataReceived(SEND)
            sent += len(SEND)
        self.assertLess(sent, EAGER + 2 * len(SEND))
        self.held.answer(0)
        self.settle()
        self.held.answer(1)
        self.settle()
        self.assertGreater(len(self.held.replies), 2)

    def test_others_have_their_turn(self) -> None:
        """Requests that are answered as soon as they are read (400) are answered in lots, one lot a turn."""
        self.site = self.make_site()
        protocol, transport = self.connect()
        writes: list[bytes] = []
        self.patch(transport, "write", writes.append)
        protocol.dataReceived(PLAIN["refused"] * 100)
        self.assertEqual(len(writes), 1)
        self.settle()
        self.assertEqual([len(answers(one)) for one in writes], [MOST_AT_ONCE] * 3 + [100 - 3 * MOST_AT_ONCE])

    def test_a_get_is_alone(self) -> None:
        """A GET sees what the requests before it have done, and none of those behind it (RFC 9112 section 9.3.2)."""
        self.protocol.dataReceived(SEND * 2 + HEALTH + SEND * 2)
        self.held.answer(0)
        self.settle()
        self.assertEqual(len(self.held.replies), 2)
        self.held.answer(1)
        self.settle()
        self.assertEqual([one.path for one in self.held.requests[2:]], [b"/health"])
        self.held.answer(2)
        self.settle()
        self.assertEqual(len(self.held.replies), 5)
        self.held.answer(4, 3)
        self.settle()
        self.assertEqual(numbers_of(self.transport), [0, 1, 2, 3, 4])

    def test_many_pieces(self) -> None:
        """A head that drips in costs no look at all of it for each octet: it is handed over. So many pieces are fine,
        and each head has as many; a body may come in any number."""
        for _ in range(3):
            cuts = [*range(MOST_PIECES), *range(len(HEAD) + 30, len(SEND) + 1)]
            for begin, end in pairwise(cuts):
                self.protocol.dataReceived(SEND[begin:end])
        self.assertEqual(len(self.held.replies), 3)
        self.held.answer(0, 1, 2)
        for octet in SEND[: MOST_PIECES + 1]:
            self.assertIsInstance(self.protocol.wrappedProtocol, Lane)
            self.protocol.dataReceived(bytes((octet,)))
        self.assertNotIsInstance(self.protocol.wrappedProtocol, Lane)
        self.protocol.dataReceived(SEND[MOST_PIECES + 1 :])
        self.settle()
        self.assertEqual([one.status for one in answers(self.transport.value())], [200] * 4)

    def test_handed_over_behind_others(self) -> None:
        """What is not plain waits until those before it are answered; what is behind it goes there too."""
        self.protocol.dataReceived(SEND * 2 + NOTHING + SEND)
        self.held.answer(1)
        self.settle()
        self.assertEqual(self.transport.value(), b"")
        self.held.answer(0)
        self.settle()
        self.assertEqual([one.status for one in answers(self.transport.value())], [200, 200, 404, 200])
        self.assertEqual(len(self.held.replies), 2)

    def test_given_back(self) -> None:
        """When all is answered the lane has the connection again. JDK's HttpClient asks for h2c with the first request
        of each connection (``Upgrade: h2c``), and with no other. A client that is unusual again and again stays."""
        java = post("/send", GOOD, "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAEAAEA")
        for times in range(1, MOST_HANDED_OVER + 2):
            self.protocol.dataReceived(java)
            self.settle()
            self.assertEqual(isinstance(self.protocol.wrappedProtocol, Lane), times < MOST_HANDED_OVER)
            self.assertEqual(len(answers(self.transport.value())), times)
        begun = len(self.held.replies)
        self.protocol, self.transport = self.connect()
        self.protocol.dataReceived(java)
        self.settle()
        self.protocol.dataReceived(SEND)
        self.assertEqual(len(self.held.replies), begun + 1)
        self.held.answer(begun)
        self.assertEqual(len(answers(self.transport.value())), 2)
        self.clock.pump([1.0] * 58)
        self.assertFalse(self.transport.disconnecting)
        self.clock.pump([1.0] * 4)
        self.assertTrue(self.transport.disconnecting)

    def test_not_given_back(self) -> None:
        """Nobody takes a connection away that has something to do: half a request, a client that does not read or has
        closed its half, and one that was never in a lane."""
        chunked = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
        for octets in (NOTHING + NOTHING[:9], NOTHING + SEND[:-1], NOTHING + b"\r\n", chunked):
            self.protocol, self.transport = self.connect()
            self.protocol.dataReceived(octets)
            self.settle()
            self.assertFalse(isinstance(self.protocol.wrappedProtocol, Lane), octets)
        self.protocol, self.transport = self.connect()
        self.protocol.dataReceived(NOTHING * 900)
        self.settle()
        self.assertNotIsInstance(self.protocol.wrappedProtocol, Lane)
        octets = b""
        for _ in range(30):
            octets += self.transport.read()
            self.settle()
        self.assertEqual(len(answers(octets)), 900)
        self.assertIsInstance(self.protocol.wrappedProtocol, Lane)
        self.fast_lane = False
        self.site = self.make_site()
        self.protocol, self.transport = self.connect()
        self.protocol.dataReceived(NOTHING)
        self.settle()
        self.assertNotIsInstance(self.protocol.wrappedProtocol, Lane)

    def test_close(self) -> None:
        """Behind Connection: close nothing is begun, and the connection is closed when all before it are answered."""
        self.protocol.dataReceived(SEND + PLAIN["close"] + SEND)
        self.assertEqual(len(self.held.replies), 2)
        self.held.answer(1)
        self.settle()
        self.assertFalse(self.transport.disconnecting)
        self.held.answer(0)
        self.settle()
        self.assertEqual((numbers_of(self.transport), self.transport.disconnecting), ([0, 1], True))
        self.protocol.dataReceived(SEND)
        self.assertEqual(len(self.held.replies), 2)

    def test_nothing_behind_close(self) -> None:
        """Nor is what comes later, while the last one is under way: nobody waits for an answer to it, so no text of it
        may be accepted."""
        for octets in (SEND, NOTHING, SEND[:9], HEALTH):
            self.protocol, self.transport = self.connect()
            self.protocol.dataReceived(PLAIN["close"])
            begun = len(self.held.replies)
            self.protocol.dataReceived(octets)
            self.settle()
            self.assertEqual(len(self.held.replies), begun)
            self.held.answer(begun - 1)
            self.settle()
            self.assertEqual((numbers_of(self.transport), self.transport.disconnecting), ([begun - 1], True))

    def test_gone(self) -> None:
        """The answers to a client that has gone go nowhere, and leave no octet counted."""
        self.protocol.dataReceived(SEND * 3 + SEND[:-1])
        self.held.answer(2)
        self.protocol.connectionLost(Failure(ConnectionLost()))
        self.held.answer(0, 1)
        self.settle()
        self.assertEqual((self.transport.value(), self.bodies.octets, self.failures_said), (b"", 0, []))

    def test_bodies_count(self) -> None:
        """A body counts until its request is answered. One for which there is no room waits until those before it are
        answered, or is refused as ever."""
        self.patch(Bodies, "most", 2 * len(GOOD))
        self.protocol.dataReceived(SEND * 3)
        self.assertEqual((len(self.held.replies), self.bodies.octets), (2, 2 * len(GOOD)))
        _, refused = other = self.connect()
        other[0].dataReceived(SEND)
        self.assertEqual([one.status for one in answers(refused.value())], [503])
        self.held.answer(0)
        self.settle()
        self.assertEqual(len(self.held.replies), 3)

    def test_half_a_request_counts(self) -> None:
        """What waits for its rest counts too."""
        self.protocol.dataReceived(SEND[:-1])
        self.assertEqual(self.bodies.octets, len(SEND) - 1)
        self.patch(Bodies, "most", len(SEND) + 40)
        _, refused = other = self.connect()
        other[0].dataReceived(SEND[:-1])
        self.assertIs(type(other[0].wrappedProtocol).__name__, "BoundedChannel")
        self.assertEqual((refused.value(), self.bodies.octets), (b"", len(SEND) - 1 + len(GOOD) - 1))


class Socket:
    """A socket that takes ``room`` octets, and then says that it would block. ``error`` is raised instead."""

    def __init__(self, room: int = 1 << 20) -> None:
        self.room, self.sent, self.calls = room, b"", 0
        self.error: OSError | None = None

    def send(self, octets: Any) -> int:
        self.calls += 1
        if self.error is not None:
            raise self.error
        if not self.room:
            raise BlockingIOError(EAGAIN, "would block")
        taken = bytes(octets[: self.room])
        self.room -= len(taken)
        self.sent += taken
        return len(taken)

    def fileno(self) -> int:
        return 1

    def setblocking(self, *_: Any) -> None: ...

    setsockopt = shutdown = close = setblocking


class SocketCase(AbuseCase):
    """Answers go straight to the socket of plain TCP, by Twisted's own transport where it takes no more."""

    def setUp(self) -> None:
        super().setUp()
        self.reactor = MemoryReactorClock()
        self.socket = Socket()
        self.protocol: Any = self.site.buildProtocol(None)
        self.tcp = TCPConnection(self.socket, self.protocol, self.reactor)  # type: ignore[arg-type]
        self.tcp.connected = 1
        self.patch(self.tcp, "getPeer", lambda: None)
        self.patch(self.tcp, "getHost", lambda: None)
        self.tcp.startReading()
        self.protocol.makeConnection(self.tcp)

    def send(self, octets: bytes) -> None:  # type: ignore[override]
        self.protocol.dataReceived(octets)
        self.settle()

    @property
    def statuses(self) -> list[int]:
        return [one.status for one in answers(self.socket.sent)]

    def test_straight(self) -> None:
        """One system call for one answer, one for many, and the reactor is not asked to say when there is room."""
        self.send(SEND)
        self.assertEqual((self.statuses, self.socket.calls), ([200], 1))
        self.send(SEND * 20)
        self.assertEqual((self.statuses, self.socket.calls), ([200] * 21, 2))
        self.assertEqual(self.reactor.getWriters(), [])

    def test_no_room(self) -> None:
        """What the kernel does not take goes when there is room, in order and once. While there is much, nothing is
        read."""
        self.patch(self.tcp, "bufferSize", 500)  # octets
        for room in (0, 1, 100, 300):
            self.socket.room, self.socket.sent = room, b""
            self.send(SEND * 5 + HEALTH)
            self.assertEqual((len(self.socket.sent), self.reactor.getWriters()), (room, [self.tcp]))
            self.assertEqual(self.reactor.getReaders(), [])
            self.socket.room = 1 << 20
            for _ in range(3):
                if self.reactor.getWriters():
                    self.tcp.doWrite()
                self.settle()
            self.assertEqual(self.statuses, [200] * 6)
            self.assertEqual((self.reactor.getWriters(), self.reactor.getReaders()), ([], [self.tcp]))
            self.socket.sent = b""
            self.send(SEND)
            self.assertEqual(self.statuses, [200])

    def test_answers_while_there_is_no_room(self) -> None:
        """Answers to what was under way wait behind those that do not go, in order."""
        held = Held(self)
        self.protocol.dataReceived(SEND * 3)
        self.socket.room = 10
        held.answer(0)
        self.settle()
        held.answer(2, 1)
        self.settle()
        self.socket.room = 1 << 20
        for _ in range(3):
            if self.reactor.getWriters():
                self.tcp.doWrite()
            self.settle()
        self.assertEqual([int(one.header("X-Number") or -1) for one in answers(self.socket.sent)], [0, 1, 2])

    def test_never_reads(self) -> None:
        """A client that never reads is cut off in time."""
        self.socket.room = 0
        self.patch(self.tcp, "bufferSize", 100)  # octets
        self.send(SEND)
        self.clock.pump([1.0] * 29)
        self.assertFalse(self.tcp._aborting)
        self.clock.pump([1.0] * 3)
        self.assertTrue(self.tcp._aborting)

    def test_closes(self) -> None:
        """Connection: close closes behind the last octet, however slowly the client takes it."""
        for room in (1 << 20, 20):
            self.setUp()
            self.socket.room = room
            self.send(PLAIN["close"])
            self.assertTrue(self.tcp.disconnecting)
            self.socket.room = 1 << 20
            self.assertIs(self.tcp.doWrite(), CONNECTION_DONE)
            self.assertEqual(self.statuses, [200])

    def test_gone(self) -> None:
        """A connection that is gone is found out by the transport, as ever."""
        self.socket.error = BrokenPipeError(EPIPE, "broken pipe")
        self.send(SEND)
        self.assertEqual(self.reactor.getWriters(), [self.tcp])
        found: Any = self.tcp.doWrite()
        self.assertIs(found, CONNECTION_LOST)
        self.tcp.connectionLost(Failure(found))
        self.assertEqual((len(self.site.protocols), self.bodies.octets, self.failures_said), (0, 0, []))

    def test_handed_over(self) -> None:
        """Behind what was sent straight twisted.web writes by the transport."""
        self.send(SEND * 2 + NOTHING + SEND)
        self.assertEqual(self.statuses, [200, 200])
        self.tcp.doWrite()
        self.assertEqual(self.statuses, [200, 200, 404, 200])


class SettingCase(AbuseCase):
    def test_setting(self) -> None:
        """``http.fast_lane`` switches it off; without a word it is on."""
        for given, wanted in (({}, LaneFactory), ({"fast_lane": True}, LaneFactory), ({"fast_lane": False}, QuietSite)):
            settings = HTTP.model_validate(given)
            reactor: Any = MemoryReactorClock()
            door = Door(reactor, self.resource.api, settings)
            self.assertEqual(door.open(), "")
            ((_, factory, *_rest),) = reactor.tcpServers
            self.assertIs(type(factory.wrappedFactory), wanted)


class HeadsCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.asked: list[bytes] = []
        self.heads = Heads(self.find, 1_000)

    def find(self, method: bytes, path: bytes) -> Any:
        self.asked.append(path)
        return (method + path, {"sid": "1"} if path == b"/v" else {}) if path in (b"/send", b"/v") else None

    def head(self, path: bytes = b"/send", more: bytes = b"") -> bytes:
        return b"GET %s HTTP/1.1\r\nHost: x\r\n%s\r\n" % (path, more)

    def test_known(self) -> None:
        """A head that has come before is not taken apart again; one whose path has variables is not kept. Their number
        is bounded, and so is their length."""
        first = self.heads.read(self.head())
        self.assertIs(self.heads.read(self.head()), first)
        self.assertEqual(self.asked, [b"/send"])
        for _ in range(2):
            self.heads.read(self.head(b"/v"))
            self.heads.read(self.head(more=b"X: %s\r\n" % (b"y" * heads.LONGEST_KNOWN)))
        self.assertEqual(len(self.asked), 5)
        for number in range(3 * heads.MOST_KNOWN):
            self.assertIsNotNone(self.heads.read(self.head(more=b"X: %d\r\n" % number)))
        self.assertLessEqual(len(self.heads._known), heads.MOST_KNOWN)

    def test_time(self) -> None:
        """A head that nearly fits costs no more than its length."""
        for more in (b"a" * 8_000, b"a:" * 4_000, b"a: b\r\n" * 1_300, b"a: \t" * 2_000 + b"\0"):
            started = time.process_time()
            for _ in range(100):
                self.assertIsNone(self.heads.read(self.head(more=more)))
            self.assertLess(time.process_time() - started, 1.0)  # seconds


class RendererCase(AbuseCase):
    def test_as_twisted_web(self) -> None:
        """Whatever a handler answers: line ends in values, names in any case and twice, no Content-Type, statuses that
        have no body, or that nobody knows."""
        renderer = Renderer()
        for status in (200, 204, 299, 304, 400, 503, 799):
            for headers in (
                (),
                ((b"X-Message-SID", b"1"),),
                ((b"content-type", b"text/plain"), (b"WWW-Authenticate", b"Bearer"), (b"etag", b"x")),
                ((b"X", b"a\r\nb\nc\rd\n"), (b"Y", b""), (b"Z", b"50%")),
                ((b"X", b"1"), (b"Y", b"\r"), (b"x", b"2")),
            ):
                for body in (b"", b"abc"):
                    for closes in (False, True):
                        answer = Answer(status, headers, body)
                        self.fast_lane = False
                        self.site = self.make_site()
                        self.patch(self.resource.api, "serve", lambda _route, _request, reply, one=answer: reply(one))
                        (octets,) = (self.given(PLAIN["close"] if closes else SEND),)
                        self.assertEqual(masked(renderer.octets(answer, closes)), masked(octets), answer)

    def given(self, octets: bytes) -> bytes:
        protocol, transport = self.connect()
        protocol.dataReceived(octets)
        found: bytes = transport.value()
        return found

    def test_date(self) -> None:
        """The time of the answer, to the second."""
        renderer = Renderer()
        for now, wanted in ((1e9 + 0.999, b"01:46:40"), (1e9 + 1.0, b"01:46:41"), (1e9, b"01:46:40")):
            with patch("smsconnector.http.rendering.time.time", lambda now=now: now):
                for closes in (True, False):
                    self.assertIn(b"Date: Sun, 09 Sep 2001 %s GMT\r\n" % wanted, renderer.octets(Answer(), closes))
