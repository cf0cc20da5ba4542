"""What clients do to a door: dripping, hoarding, never reading, and octets of every kind. Nothing of it is a 500."""

import gzip
import re
import resource
import time
import zlib
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import ConnectionLost
from twisted.internet.ssl import CertificateOptions
from twisted.internet.testing import MemoryReactor, StringTransport
from twisted.logger import LogEvent, LogLevel
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure

from smsconnector.errors import InvalidRequest
from smsconnector.http import connections
from smsconnector.http.bodies import Bodies
from smsconnector.http.forms import parse_notification, parse_receive
from smsconnector.http.requests import parse_send
from smsconnector.http.routes import Routes
from smsconnector.http.server import with_backlog
from tests.recorded_log import RecordedLog
from tests.unit.http.ways import Answer, DoorCase, both_ways

HEAD = b"POST /msg-client/send HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
GOOD = b'{"To": "+923001234567", "Body": "hi"}'
SEND = HEAD + b"Content-Length: %d\r\n\r\n%s" % (len(GOOD), GOOD)
CHUNKED = b"%x\r\n%s\r\n0\r\n\r\n" % (len(GOOD), GOOD)
NOTHING = b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n"
FORM = "application/x-www-form-urlencoded"


class Transport(StringTransport):
    """A socket whose other side reads only when ``read`` says so; it goes only when it is told twice, as TLS does."""

    BUFFER = 65_536  # octets, as Twisted's
    aborted = False

    def write(self, data: bytes) -> None:
        super().write(data)
        if self.producer is not None and len(self.value()) > self.BUFFER:
            self.producer.pauseProducing()

    def writeSequence(self, data: Any) -> None:
        self.write(b"".join(data))

    def read(self) -> bytes:
        octets: bytes = self.value()
        self.clear()
        if self.producer is not None:
            self.producer.resumeProducing()
        return octets

    def unregisterProducer(self) -> None:
        """As Twisted's own: whether there is one or not."""
        self.producer = None

    def loseConnection(self) -> None:
        self.disconnecting = True

    def abortConnection(self) -> None:
        self.aborted = self.disconnecting = True


class AbuseCase(DoorCase):
    def setUp(self) -> None:
        super().setUp()
        self.log = RecordedLog(self)
        self.site.doStart()
        self.addCleanup(self.site.doStop)

    @property
    def failures_said(self) -> list[LogEvent]:
        wrong = (LogLevel.error, LogLevel.critical)
        return [event for event in self.log.events if event.get("log_failure") or event.get("log_level") in wrong]

    def connect(self) -> tuple[Any, Transport]:
        protocol, transport = self.site.buildProtocol(None), Transport()
        protocol.makeConnection(transport)
        return protocol, transport

    def give(self, *pieces: bytes) -> list[Answer]:
        """All answers to these octets on one connection."""
        protocol, transport = self.connect()
        for piece in pieces:
            if not transport.disconnecting:
                protocol.dataReceived(piece)
        self.settle()
        return answers(transport.value())


def answers(octets: bytes) -> list[Answer]:
    found = re.split(rb"(?=HTTP/1\.[01] \d{3} )", octets)[1:]
    return [Answer(one) for one in found if not one.startswith(b"HTTP/1.1 100")]


@both_ways
class TimeCase(AbuseCase):
    def test_dripping(self) -> None:
        """An octet now and then keeps no connection: the whole request has to be there in time."""
        protocol, transport = self.connect()
        for octet in HEAD[:40]:
            protocol.dataReceived(bytes((octet,)))
            self.clock.advance(1.0)
        self.assertTrue(transport.aborted)

    def test_dripping_body(self) -> None:
        """Nor does a body that drips in, in one piece or in chunks."""
        for how, octet in ((b"Content-Length: 1000", b"x"), (b"Transfer-Encoding: chunked", b"1\r\nx\r\n")):
            protocol, transport = self.connect()
            protocol.dataReceived(HEAD + how + b"\r\n\r\n")
            for _ in range(31):
                protocol.dataReceived(octet)
                self.clock.advance(1.0)
            self.assertTrue(transport.aborted, how)

    def test_dripping_behind_another(self) -> None:
        """The time of a request that came with the one before begins when that is answered."""
        protocol, transport = self.connect()
        protocol.dataReceived(SEND + HEAD)
        self.settle()
        self.assertIn(b"HTTP/1.1 200", transport.value())
        self.clock.pump([1.0] * 29)
        self.assertFalse(transport.aborted)
        for _ in range(3):
            protocol.dataReceived(b"X")
            self.clock.advance(1.0)
        self.assertTrue(transport.aborted)

    def test_each_has_its_time(self) -> None:
        """A request that begins where a slow one ends, in one read, has all of the time for itself."""
        refused = SEND.replace(GOOD, b"{" + b" " * (len(GOOD) - 1))
        protocol, transport = self.connect()
        protocol.dataReceived(refused[:-1])
        self.clock.pump([1.0] * 20)
        protocol.dataReceived(refused[-1:] + SEND[:-1])
        self.assertIn(b"HTTP/1.1 400", transport.value())
        self.clock.pump([1.0] * 28)
        self.assertFalse(transport.aborted)
        self.clock.pump([1.0] * 4)
        self.assertTrue(transport.aborted)

    def test_slow_store(self) -> None:
        """How long the answer takes is not the client's fault, nor that of what it has sent behind it."""
        self.settle()
        commit = self.writer.commit
        self.patch(self.writer, "commit", lambda: None)
        protocol, transport = self.connect()
        protocol.dataReceived(SEND)
        for _ in range(100):
            protocol.dataReceived(SEND[:7])
            self.clock.advance(1.0)
        self.assertFalse(transport.disconnecting)
        self.patch(self.writer, "commit", commit)
        commit()
        self.assertIn(b"HTTP/1.1 200", transport.value())

    def test_many_requests_on_one_connection(self) -> None:
        """A connection that is used again and again stays."""
        protocol, transport = self.connect()
        for _ in range(50):
            protocol.dataReceived(SEND)
            self.settle()
            self.clock.advance(20.0)
        self.assertFalse(transport.disconnecting)
        self.assertEqual(transport.value().count(b"HTTP/1.1 200"), 50)

    def test_idle(self) -> None:
        """One that is silent is closed, and cut off if the other side does not go; the log is silent too."""
        said = RecordedLog(self).events
        _, transport = self.connect()
        self.clock.pump([1.0] * 61)
        self.assertEqual((transport.disconnecting, transport.aborted), (True, False))
        self.clock.pump([1.0] * 32)
        self.assertEqual((transport.aborted, said), (True, []))

    def test_frozen(self) -> None:
        """A process that was frozen (SIGSTOP, a virtual machine that is paused) reads before it judges: neither a
        request that is half there nor a silent connection is over, for what the client sent lies in the socket."""
        protocol, half = self.connect()
        protocol.dataReceived(HEAD)
        idle_protocol, idle = self.connect()
        self.clock.pump([1.0] * 25)
        self.clock.advance(90.0)
        self.assertFalse(half.aborted or idle.disconnecting)
        idle_protocol.dataReceived(SEND)
        protocol.dataReceived(SEND[len(HEAD) :])
        self.settle()
        for transport in (half, idle):
            self.assertIn(b"HTTP/1.1 200", transport.value())

    def test_frozen_in_vain(self) -> None:
        """A client that is slow after that too is cut off, as ever."""
        protocol, half = self.connect()
        protocol.dataReceived(HEAD)
        _, idle = self.connect()
        self.clock.advance(90.0)
        self.clock.pump([1.0] * 62)
        self.assertTrue(half.aborted and idle.disconnecting)

    def test_close_ends(self) -> None:
        """Connection: close, HTTP/1.0 and refusals: whoever keeps the connection then is cut off."""
        for octets in (
            b"GET /health HTTP/1.0\r\n\r\n",
            b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            b"X\r\n\r\n",
        ):
            protocol, transport = self.connect()
            protocol.dataReceived(octets)
            self.assertEqual((transport.disconnecting, transport.aborted), (True, False))
            self.clock.pump([1.0] * 32)
            self.assertTrue(transport.aborted, octets)


@both_ways
class BodiesCase(AbuseCase):
    """The bodies of all requests together."""

    def setUp(self) -> None:
        super().setUp()
        self.patch(Bodies, "most", 150_000)

    def begin(self, octets: int = 60_000) -> tuple[Any, Transport]:
        """A client that sends so many octets of a body, and then waits."""
        protocol, transport = self.connect()
        protocol.dataReceived(HEAD + b"Content-Length: 65000\r\n\r\n" + b" " * octets)
        return protocol, transport

    def status(self, transport: Transport) -> list[int]:
        return [one.status for one in answers(transport.value())]

    def test_too_many(self) -> None:
        """The one that makes it too much gets 503 and is closed; the others are read on and answered."""
        (first, answered), (second, _), (_, refused) = self.begin(), self.begin(), self.begin()
        self.assertEqual((self.status(refused), refused.disconnecting), ([503], True))
        self.assertIn(b"\r\nRetry-After: ", refused.value())
        second.connectionLost(Failure(ConnectionLost()))
        first.dataReceived(b" " * (5_000 - len(GOOD)) + GOOD)
        self.settle()
        self.assertEqual(self.status(answered), [200])

    def test_room_again(self) -> None:
        """A request that is answered, or whose client has gone, leaves its room, however it ended."""
        for _ in range(5):
            first, transport = self.begin()
            first.dataReceived(b" " * 5_000)  # no JSON: 400
            self.settle()
            self.assertEqual(self.status(transport), [400])
            second, _ = self.begin()
            second.connectionLost(Failure(ConnectionLost()))
        self.assertEqual(self.status(self.begin()[1]), [])

    def test_in_chunks(self) -> None:
        """Chunks count too, and what is too long for one body counts no further."""
        protocol, transport = self.connect()
        protocol.dataReceived(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        for _ in range(20):
            protocol.dataReceived(b"4000\r\n" + b"x" * 0x4000 + b"\r\n")
        protocol.dataReceived(b"0\r\n\r\n")
        self.settle()
        self.assertEqual(self.status(transport), [413])
        self.begin(), self.begin()
        self.assertEqual(self.status(self.begin()[1]), [503])


@both_ways
class ManyCase(AbuseCase):
    def test_limit(self) -> None:
        """Beyond the limit a connection is closed at once; when one has gone there is room again."""
        self.site = self.make_site(maximum_connections=3)
        open_ones = [self.connect() for _ in range(3)]
        self.assertTrue(self.connect()[1].aborted)
        open_ones[0][0].connectionLost(None)
        self.assertFalse(self.connect()[1].aborted)
        self.assertFalse(any(transport.aborted for _, transport in open_ones))

    def test_limit_under_tls(self) -> None:
        """Where Twisted wraps each protocol, and stumbles over none."""
        self.site = self.make_site(maximum_connections=1)
        self.connect()
        protocol, transport = (
            TLSMemoryBIOFactory(CertificateOptions(), False, self.site).buildProtocol(None),
            Transport(),
        )
        protocol.makeConnection(transport)
        self.assertTrue(transport.aborted)
        self.assertEqual(self.failures_said, [])

    def test_no_limit(self) -> None:
        """0 is none."""
        self.site = self.make_site(maximum_connections=0)
        self.assertFalse(any(self.connect()[1].aborted for _ in range(50)))

    def test_never_reads(self) -> None:
        """Of a client that sends on and never reads no more is read, and no more is answered; in the end it goes."""
        for request, size in ((NOTHING, 300), (SEND, 300)):
            protocol, transport = self.connect()
            for _ in range(3_000):
                if transport.producerState == "producing":
                    protocol.dataReceived(request)
                    self.settle()
            self.assertEqual(transport.producerState, "paused")
            self.assertLess(len(transport.value()), Transport.BUFFER + 2 * size)
            protocol.dataReceived(request * 100)
            self.settle()
            self.assertLess(len(transport.value()), Transport.BUFFER + 2 * size)
            self.clock.pump([1.0] * 32)
            self.assertTrue(transport.aborted)

    def test_reads_late(self) -> None:
        """When it reads after all it has every answer, in order."""
        protocol, transport = self.connect()
        octets, sent = b"", 0
        while sent < 900:
            while sent < 900 and transport.producerState == "producing":
                for request in (SEND, NOTHING):
                    protocol.dataReceived(request)
                sent += 2
                self.settle()
            octets += transport.read()
            self.settle()
        octets += transport.read()
        statuses = [answer.status for answer in answers(octets)]
        self.assertEqual(statuses, [200, 404] * 450)
        self.assertFalse(transport.disconnecting)

    def test_one_a_turn(self) -> None:
        """Requests that come at once are answered one a turn of the reactor, and none is read meanwhile."""
        protocol, transport = self.connect()
        protocol.dataReceived(NOTHING * 100)
        self.assertEqual((len(answers(transport.value())), transport.producerState), (1, "paused"))
        self.settle()
        self.assertEqual((len(answers(transport.value())), transport.producerState), (100, "producing"))

    def test_gone_in_between(self) -> None:
        """A client that goes away before its turn, or before its answer, leaves nothing behind but its text."""
        for octets in (NOTHING * 10, SEND, SEND.replace(b"/send", b"/send/"), SEND + NOTHING):
            protocol, transport = self.connect()
            protocol.dataReceived(octets)
            before = transport.value()
            protocol.connectionLost(Failure(ConnectionLost()))
            self.settle()
            self.assertEqual(transport.value(), before)
        self.assertEqual((self.writer.store.last_segment_id(), self.failures_said), (3, []))

    def test_files(self) -> None:
        """The limit of open files is raised as far as it may be, and said if that is too low."""
        limits = [1024, 4096]
        changed: list[Any] = []
        self.patch(resource, "getrlimit", lambda _: tuple(limits))
        self.patch(resource, "setrlimit", lambda _, pair: changed.append(pair))
        self.assertEqual(connections.allow_files(500), "")
        self.assertEqual(connections.allow_files(3000), "")
        self.assertIn("raise LimitNOFILE", connections.allow_files(10_000))
        self.assertEqual(connections.allow_files(0), "")
        self.assertEqual(changed, [(3200, 4096), (4096, 4096), (4096, 4096)])

    def test_backlog(self) -> None:
        """A burst finds room, unless the endpoint says itself how much; every form is one that Twisted reads."""
        for endpoint, more in (
            ("tcp:8080", True),
            ("tcp:8080:interface=127.0.0.1", True),
            ("tcp6:8080:interface=\\:\\:1", True),
            ("tcp:port=8080", True),
            ("unix:/run/x.sock:mode=660", True),
            ("tcp:8080:backlog=9", False),
            ("tcp:8080:127.0.0.1", False),
            ("tcp:8080:127.0.0.1:9", False),
            ("systemd:domain=INET:index=0", False),
        ):
            self.assertEqual(with_backlog(endpoint), endpoint + ":backlog=1024" * more)
            if not endpoint.startswith("systemd"):
                serverFromString(MemoryReactor(), with_backlog(endpoint))


@both_ways
class OctetsCase(AbuseCase):
    def check(self, answer: Answer, status: int, octets: bytes) -> None:
        """What is refused is refused in JSON, with a sentence."""
        self.assertEqual(answer.status, status, octets[:80])
        if status >= 400 and not octets.startswith(b"HEAD"):
            self.assertEqual(answer.header("Content-Type"), "application/json", octets[:80])
            self.assertEqual(len(answer.body), int(answer.header("Content-Length") or -1), octets[:80])
            self.assertTrue(answer.error["code"] and answer.error["message"].endswith("."), answer.body)

    def test_table(self) -> None:
        """Each has one answer; none is a 500, none is in the log."""
        send = b"POST /msg-client/send HTTP/1.1\r\nHost: x\r\n"
        body = b"Content-Length: %d\r\n\r\n%s" % (len(GOOD), GOOD)
        cases = {
            b"GET /health\r\n\r\n": 400,
            b"GET /health HTTP/0.9\r\n\r\n": 400,
            b"GET /health HTTP/1.0\r\n\r\n": 200,
            b"GET /health HTTP/1.1\r\n\r\n": 400,  # RFC 9112 section 3.2: one Host, and only one
            b"GET /health HTTP/1.1\r\nHost:\r\n\r\n": 200,
            b"GET /health HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n": 400,
            b"GET /health HTTP/1.1\r\nHost: x\r\nhost: y\r\n\r\n": 400,
            b"GET /health HTTP/1.0\r\nHost: x\r\nHost: y\r\n\r\n": 400,
            b"GET http://x/health HTTP/1.1\r\n\r\n": 400,
            b"OPTIONS * HTTP/1.1\r\n\r\n": 400,
            b"GET /nothing HTTP/1.1\r\n\r\n": 400,
            send.replace(b"Host: x\r\n", b"") + body: 400,
            send.replace(b"Host: x", b"Host: x\r\nHost: y")
            + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n": 400,
            send.replace(b"Host: x", b"Hosts: x") + b"Expect: 100-continue\r\n" + body: 400,
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n": 400,
            b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\r\n\r\n": 400,
            b"NONSENSE\r\n\r\n": 400,
            b"\r\n\r\n\r\n": 400,
            b"\xff /send HTTP/1.1\r\nHost: x\r\n\r\n": 400,
            b"GET http://x/msg-client/health HTTP/1.1\r\nHost: x\r\n\r\n": 200,
            b"GET HTTPS://x:1/health?a=b HTTP/1.1\r\nHost: x\r\n\r\n": 200,
            b"GET http://x HTTP/1.1\r\nHost: x\r\n\r\n": 404,
            b"GET xhealth HTTP/1.1\r\nHost: x\r\n\r\n": 404,
            b"CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n": 404,
            b"GET * HTTP/1.1\r\nHost: x\r\n\r\n": 404,
            b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n": 200,
            b"OPTIONS /send HTTP/1.1\r\nHost: x\r\n\r\n": 405,
            b"TRACE /send HTTP/1.1\r\nHost: x\r\n\r\n": 405,
            b"HEAD /msg-client/health HTTP/1.1\r\nHost: x\r\n\r\n": 200,
            b"HEAD /send HTTP/1.1\r\nHost: x\r\n\r\n": 405,
            b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n": 200,
            b"GET /msg-client/messages/%00 HTTP/1.1\r\nHost: x\r\n\r\n": 404,
            b"GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n": 400,
            b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n": 400,
            send + b"Content-Length: -1\r\n\r\n": 400,
            send + b"Content-Length: 0x5\r\n\r\nhello": 400,
            send + b"Content-Length: " + b"9" * 4_000 + b"\r\n\r\n": 413,
            send + b"Content-Length: " + b"9" * 5_000 + b"\r\n\r\n": 400,
            send + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx": 400,
            send + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n": 400,
            send + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n": 400,
            send + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n": 400,
            send + b"Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n": 400,
            send + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhelloXX": 400,
            send + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 2_000: 400,
            send + b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + b"a: b\r\n" * 20_000: 400,
            send + b"Transfer-Encoding: gzip\r\n\r\n": 400,
            send + b"X: " + b"y" * 70_000 + b"\r\n\r\n": 400,
            send + b"X: " + b"y" * 70_000: 400,
            send + b"".join(b"X%d: y\r\n" % number for number in range(600)) + b"\r\n": 400,
            send + b"X: y\r\n" + b" z\r\n" * 20_000 + b"\r\n": 400,
            send + b"no colon\r\n\r\n": 400,
            send + b"X: a\0b\r\n\r\n": 400,
            send + b"Content-Length: 0\r\n\r\n": 400,
            # RFC 9112 section 6.3: chunked is the last coding, else nobody knows where the body ends; all fields of one
            # name are one list (RFC 9110 section 5.3). Section 6.1: HTTP/1.0 has no codings.
            send + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n" + CHUNKED: 400,
            send + b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKED: 400,
            send + b"Transfer-Encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n" + CHUNKED: 400,
            send + b"Transfer-Encoding: identity\r\n" + body: 400,
            send.replace(b"/1.1", b"/1.0") + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKED: 400,
            send + b"Transfer-Encoding: Chunked\r\n\r\n" + CHUNKED: 200,
            # RFC 9110 section 9.1: a method is told by its case too
            send.replace(b"POST", b"post") + body: 405,
            send.replace(b"POST", b"Post") + body: 405,
            send.replace(b"POST /msg-client/send", b"get /health") + body: 405,
            send.replace(b"POST /msg-client/send", b"delete /msg-client/messages/SM1") + body: 405,
            send.replace(b"POST /msg-client/send", b"post /nothing") + body: 404,
            # RFC 3986 section 2.2: an escaped slash is not one. Who guards paths before us does not see it as one.
            send.replace(b"client/send", b"client%2fsend") + body: 404,
            send.replace(b"client/send", b"client%2Fsend") + body: 404,
            send.replace(b"/msg-client/send", b"/%2Fsend") + body: 404,
            send.replace(b"/msg-client/send", b"%2fsend") + body: 404,
            send + b"Expect: 100-continue\r\n" + body: 200,
            send + b"Expect: 100-continue\r\nContent-Length: 70000\r\n\r\n": 413,
            send + b"Expect: 100-continue\r\nContent-Length: 99000000\r\n\r\n": 413,
            send.replace(b"Host: x", b"Host: \xff") + body: 200,
            send.replace(b"Host: x", b"Host: a..b") + body: 200,
            send.replace(b"/send", b"/send/").replace(b"Host: x", b"Host: a..b") + body: 200,
            send.replace(b"/send", b"/send/").replace(b"Host: x", b"Host: " + b"a" * 70) + body: 200,
            send.replace(b"/send", b"/receive") + b"Content-Type: \xff\r\n" + body: 400,
        }
        for octets, status in cases.items():
            for pieces in ((octets,), [octets[at : at + 1_000] for at in range(0, len(octets), 1_000)]):
                found = self.give(*pieces)
                self.assertEqual(len(found), 1, octets[:80])
                self.check(found[0], status, octets)
        self.assertEqual(self.failures_said, [])

    def test_host(self) -> None:
        """The refusal says which it is: two servers that take different ones of two Hosts can be played against each
        other (RFC 9112 section 11.2)."""
        for octets in (SEND.replace(b"Host: x\r\n", b""), SEND.replace(b"Host: x", b"Host: x\r\nHost: x")):
            (answer,) = self.give(octets + SEND)
            self.assertEqual((answer.status, answer.error["code"]), (400, "malformed_request"))
            self.assertIn("Host", answer.error["message"])
        self.assertEqual(self.writer.store.last_segment_id(), 0)

    def test_refused_once(self) -> None:
        """Nothing follows a refusal: not for the chunks behind it, nor for a request, nor 100 Continue."""
        chunked = HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + (b"8000\r\n" + b"x" * 0x8000 + b"\r\n") * 34
        for octets in (
            chunked + b"1\r\nx\r\n" * 100 + b"0\r\n\r\n" + NOTHING,
            HEAD + b"Expect: 100-continue\r\nContent-Length: 70000\r\n\r\n" + b"x" * 70_000 + NOTHING,
            b"NONSENSE\r\n\r\n" + NOTHING,
        ):
            protocol, transport = self.connect()
            protocol.dataReceived(octets)
            protocol.dataReceived(NOTHING)
            self.settle()
            self.assertEqual((transport.value().count(b"HTTP/1.1 4"), transport.disconnecting), (1, True), octets[:90])
            self.assertNotIn(b"100 Continue", transport.value())

    def test_tiny_chunks(self) -> None:
        """They make a body like any other."""
        chunks = b"".join(b"1;x=y\r\n%c\r\n" % octet for octet in GOOD)
        (answer,) = self.give(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\nA: b\r\n\r\n")
        self.assertEqual(answer.status, 200)

    def test_shortcut(self) -> None:
        """What is found without werkzeug is answered as with it."""
        requests = [
            f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
            for method in ("GET", "HEAD", "POST", "PUT", "OPTIONS")
            for path in (
                "/send",
                "/send/",
                "//send",
                "/%73end",
                "/send?To=1",
                "/msg-client/send",
                "/SEND",
                "/receive",
                "/health",
                "/msg-client/health",
                "/msg-client/smpp/receive",
                "/delivery-notification",
                "/msg-client/<channel>/receive",
                "/msg-client/messages/<sid>",
            )
            for kind, body in (("application/json", GOOD.decode()), (FORM, "Body=x&From=1&To=2&SmsSid=7"), (FORM, ""))
        ]
        short = [self.seen(request) for request in requests]
        self.patch(self.resource, "_plain", {})
        self.assertEqual([self.seen(request) for request in requests], short)
        self.assertEqual({one[0] for one in short}, {200, 400, 404, 405})

    def seen(self, request: bytes) -> Any:
        (answer,) = self.give(request)
        headers = {
            name: values
            for name, values in answer.headers.getAllRawHeaders()
            if name not in (b"Date", b"Location", b"X-Message-Sid")
        }
        return answer.status, headers, answer.body

    def test_the_shortcut_is_taken(self) -> None:
        """The hot route does without werkzeug's matching."""
        self.patch(Routes.__base__, "render", None)
        self.assertEqual(self.give(SEND)[0].status, 200)

    def test_bodies(self) -> None:
        """JSON of every kind but the right one: 400, with a code and a sentence."""
        for body in (
            b"null",
            b"1",
            b"[]",
            b'"x"',
            b"{",
            b'{"To": 1, "Body": "x"}',
            b'{"To": true, "Body": "x"}',
            b'{"To": 1.5, "Body": "x"}',
            b'{"To": -Infinity, "Body": "x"}',
            b'{"To": "+923001234567", "Body": NaN}',
            b'{"To": NaN, "Body": "x"}',
            b'{"To": 1e999, "Body": "x"}',
            b'{"To": "1", "To": "2", "Body": "x"}',
            b'{"To": "+923001234567", "Body": {"a": 1}}',
            b'{"To": "+923001234567", "Body": "\\u0000"}',
            b'{"To": "+923001234567", "Body": "\\ud800"}',
            b'{"To": "\xff", "Body": "x"}',
            b"\xff\xfe{\0}\0",
            b'{"To": "+923001234567", "Body": "x", "ValidityPeriod": ' + b"9" * 5000 + b"}",
            b'{"To": "+923001234567", "Body": "x", "channel": "\\ud800"}',
            b'{"To": "+923001234567", "Body": "x", "From": "\\ud800"}',
            b'{"\\ud800": 1, "\\ud800": 2}',
            b"[" * 60_000,
            b'{"a":' * 10_000,
            b'[{"a":' * 9_000,
        ):
            answer = self.request("POST", "/send", body)
            self.check(answer, 400, body)
        self.assertEqual(self.failures_said, [])

    def test_compressed(self) -> None:
        """A body that was compressed can't be read: 415 says so (RFC 9110 section 8.4), and what can be sent instead. A
        body that can be read is, whatever a client writes into Content-Encoding: some write an alphabet there."""
        for path, kind, body in (
            ("/send", "application/json", GOOD),
            ("/msg-client/send/explain", "application/json", GOOD),
            ("/receive", FORM, b"Body=x&From=1234&To=2345&SmsSid=7"),
            ("/msg-client/smpp/delivery-notification", FORM, b"MessageSid=1&SmsStatus=sent"),
        ):
            for coding, packed in (
                ("gzip", gzip.compress(body)),
                ("deflate", zlib.compress(body)),
                ("br", b"\x8b\x05"),
            ):
                found = self.request("POST", path, packed, Content_Type=kind, Content_Encoding=coding)
                self.check(found, 415, packed)
                self.assertEqual(found.header("Accept-Encoding"), "identity")
            for coding in ("utf-8", "identity", "gzip"):
                found = self.request("POST", path, body, Content_Type=kind, Content_Encoding=coding)
                self.assertEqual(found.status, 200, (path, coding))
            found = self.request("POST", path, b"\xff", Content_Type=kind, Content_Encoding="identity")
            self.assertEqual(found.status, 400, path)
        self.assertEqual(self.failures_said, [])

    def test_many_keys(self) -> None:
        """The time that a body takes grows as its length does."""
        body = b"{" + b",".join(b'"%x":1' % number for number in range(100_000)) + b',"1869f":1}'
        started = time.process_time()
        self.assertRaises(InvalidRequest, parse_send, body)
        self.assertLess(time.process_time() - started, 5.0)  # seconds; comparing each with each takes minutes

    @settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.differing_executors])
    @given(
        st.lists(
            st.binary(max_size=50)
            | st.sampled_from(
                [
                    b"POST /msg-client/send HTTP/1.1\r\n",
                    b"GET /health HTTP/1.1\r\n",
                    b"Host: x\r\n",
                    b"\r\n",
                    b"0\r\n\r\n",
                    b"POST /receive HTTP/1.1\r\n",
                    b"GET /msg-client/messages/\xff HTTP/1.0\r\n",
                    b"Host: a..b\r\n",
                    b"Host: \xff\r\n",
                    b"Content-Length: 5\r\n",
                    b"Transfer-Encoding: chunked\r\n",
                    b"5\r\nhello\r\n",
                    b"hello",
                    b"\0",
                    b"\xff",
                    GOOD,
                    b"Content-Type: \xff;=\r\n",
                    b"Authorization: Basic =\r\n",
                    b"Prefer: \x01\r\n",
                    b"Expect: 100-continue\r\n",
                    b"Connection: close\r\n",
                    b"Content-Length: 70000\r\n",
                    b"GET //\xff/ HTTP/1.1\r\n",
                    NOTHING,
                    SEND,
                ]
            ),
            max_size=12,
        )
    )
    def test_any_octets(self, pieces: list[bytes]) -> None:
        """No octets bring the door down, or a failure into the log; what is refused is refused in JSON."""
        for together in (pieces, [b"".join(pieces)]):
            for answer in self.give(*together):
                self.assertLess(answer.status, 500)
                if answer.status >= 400:
                    self.assertEqual(answer.header("Content-Type"), "application/json")
        self.assertEqual(self.failures_said, [])

    @settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.differing_executors])
    @given(st.binary(max_size=100) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")))
    def test_any_body(self, octets: bytes) -> None:
        """The parsers give a record or say what is wrong."""
        for parse in (parse_send, lambda body: parse_receive(body, FORM), lambda body: parse_notification(body, FORM)):
            try:
                parse(octets)
            except InvalidRequest as error:
                self.assertTrue(400 <= error.status < 500)
