"""What clients do to a door: dripping, hoarding, never reading, and octets of every kind. Nothing of it is a 500."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.testing import StringTransport
from twisted.logger import LogLevel, globalLogPublisher

from smsconnector.errors import InvalidRequest
from smsconnector.http import connections
from smsconnector.http.requests import parse_notification, parse_receive, parse_send
from smsconnector.http.site import make_site
from tests.unit.test_http import Answer, DoorCase

HEAD = b"POST /msg-client/send HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
GOOD = b'{"To": "+923001234567", "Body": "hi"}'


class AbuseCase(DoorCase):
    def setUp(self) -> None:
        super().setUp()
        self.failures_said: list[Any] = []
        globalLogPublisher.addObserver(self.look)
        self.addCleanup(globalLogPublisher.removeObserver, self.look)
        self.site.doStart()
        self.addCleanup(self.site.doStop)

    def look(self, event: Any) -> None:
        if event.get("log_failure") or event.get("log_level") in (LogLevel.error, LogLevel.critical):
            self.failures_said.append(event)

    def connect(self) -> tuple[Any, StringTransport]:
        protocol, transport = self.site.buildProtocol(None), StringTransport()

        def close() -> None:
            transport.disconnecting = True

        transport.abortConnection = transport.loseConnection = close  # type: ignore[method-assign]
        protocol.makeConnection(transport)
        return protocol, transport

    def give(self, octets: bytes) -> list[Answer]:
        """All answers to these octets on one connection."""
        protocol, transport = self.connect()
        protocol.dataReceived(octets)
        self.settle()
        answers = [b"HTTP/1." + one for one in transport.value().split(b"HTTP/1.")[1:]]
        return [Answer(one) for one in answers if not one.startswith(b"HTTP/1.1 100")]


class TimeCase(AbuseCase):
    def test_dripping(self) -> None:
        """An octet now and then keeps no connection: the whole request has to be there in time."""
        protocol, transport = self.connect()
        for octet in HEAD[:40]:
            protocol.dataReceived(bytes((octet,)))
            self.clock.advance(1.0)
        self.assertTrue(transport.disconnecting)

    def test_dripping_body(self) -> None:
        """Nor does a body that drips in."""
        protocol, transport = self.connect()
        protocol.dataReceived(HEAD + b"Content-Length: 1000\r\n\r\n")
        for _ in range(31):
            protocol.dataReceived(b"x")
            self.clock.advance(1.0)
        self.assertTrue(transport.disconnecting)

    def test_many_requests_on_one_connection(self) -> None:
        """A connection that is used again and again stays."""
        protocol, transport = self.connect()
        for _ in range(50):
            protocol.dataReceived(HEAD + b"Content-Length: %d\r\n\r\n%s" % (len(GOOD), GOOD))
            self.settle()
            self.clock.advance(20.0)
        self.assertFalse(transport.disconnecting)
        self.assertEqual(transport.value().count(b"HTTP/1.1 200"), 50)

    def test_idle(self) -> None:
        """One that is silent is closed."""
        _, transport = self.connect()
        self.clock.advance(61.0)
        self.assertTrue(transport.disconnecting)


class ManyCase(AbuseCase):
    def test_limit(self) -> None:
        """Beyond the limit a connection is refused; when one has gone there is room again."""
        self.site = make_site(self.site.wrappedFactory.resource, self.clock, 65_536, 60.0, 30.0, 3)
        open_ones = [self.connect()[0] for _ in range(3)]
        self.assertIsNone(self.site.buildProtocol(None))
        open_ones[0].connectionLost(None)
        self.assertIsNotNone(self.site.buildProtocol(None))

    def test_never_reads(self) -> None:
        """A client that sends on and never reads is not read from any more."""
        protocol, transport = self.connect()
        request = HEAD + b"Content-Length: %d\r\n\r\n%s" % (len(GOOD), GOOD)
        protocol.dataReceived(request)
        self.settle()
        transport.producer.pauseProducing()
        protocol.dataReceived(request)
        self.settle()
        self.assertEqual(transport.producerState, "paused")

    def test_files(self) -> None:
        """The limit of open files is raised as far as it may be, and said if that is too low."""
        limits = [1024, 4096]
        changed: list[Any] = []
        self.patch(connections.resource, "getrlimit", lambda _: tuple(limits))
        self.patch(connections.resource, "setrlimit", lambda _, pair: changed.append(pair))
        self.assertEqual(connections.allow_files(500), "")
        self.assertEqual(connections.allow_files(3000), "")
        self.assertIn("raise LimitNOFILE", connections.allow_files(10_000))
        self.assertEqual(changed, [(3200, 4096), (4096, 4096)])


class OctetsCase(AbuseCase):
    def test_table(self) -> None:
        """Each has an answer that says what is wrong, or ends the connection; none is a 500, none is in the log."""
        send = b"POST /msg-client/send HTTP/1.1\r\nHost: x\r\n"
        deep = b"[" * 50_000
        cases = {
            b"GET / HTTP/0.9\r\n\r\n": (400, 404, 505, None),
            b"NONSENSE\r\n\r\n": (400, None),
            b"GET http://x/msg-client/health HTTP/1.1\r\nHost: x\r\n\r\n": (200, 404),
            b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n": (200, 400, 404, 405),
            b"HEAD /msg-client/health HTTP/1.1\r\nHost: x\r\n\r\n": (200, 405),
            b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n": (200,),
            send + b"Content-Length: -1\r\n\r\n": (400,),
            send + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx": (400,),
            send + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n": (400,),
            send + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n": (400, None),
            send + b"Transfer-Encoding: gzip\r\n\r\n": (400, 501, None),
            send + b"X: " + b"y" * 70_000 + b"\r\n\r\n": (400, 431, None),
            send + b"".join(b"X%d: y\r\n" % n for n in range(2000)) + b"\r\n": (400, 431, None),
            send + b"Content-Length: 0\r\n\r\n": (400,),
            send + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n%s" % (len(GOOD), GOOD): (200,),
            send + b"Content-Length: %d\r\n\r\n%s" % (len(deep), deep): (400,),
        }
        for octets, statuses in cases.items():
            answers = self.give(octets)
            self.assertIn(answers[0].status if answers else None, statuses, octets[:80])
        self.assertEqual(self.failures_said, [])

    def test_bodies(self) -> None:
        """JSON of every kind but the right one: 400, with a code and a sentence."""
        for body in (
            b"null", b"1", b"[]", b'"x"', b"{", b'{"To": 1, "Body": "x"}', b'{"To": true, "Body": "x"}',
            b'{"To": NaN, "Body": "x"}', b'{"To": 1e999, "Body": "x"}', b'{"To": "1", "To": "2", "Body": "x"}',
            b'{"To": "+923001234567", "Body": {"a": 1}}', b'{"To": "+923001234567", "Body": "\\u0000"}',
            b'{"To": "+923001234567", "Body": "\\ud800"}', b'{"To": "\xff", "Body": "x"}', b"\xff\xfe{\0}\0",
            b'{"To": "+923001234567", "Body": "x", "ValidityPeriod": ' + b"9" * 5000 + b"}",
        ):  # fmt: skip
            answer = self.request("POST", "/send", body)
            self.assertEqual(answer.status, 400, body[:60])
            self.assertTrue(answer.error["code"] and answer.error["message"].endswith("."), answer.body)
        self.assertEqual(self.failures_said, [])

    @settings(max_examples=150, deadline=None)
    @given(st.binary(max_size=200) | st.lists(st.sampled_from([
        b"POST /msg-client/send HTTP/1.1\r\n", b"GET /health HTTP/1.1\r\n", b"Host: x\r\n", b"\r\n", b"0\r\n\r\n",
        b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\n", b"hello", b"\0", b"\xff", GOOD,
        b"Content-Type: \xff;=\r\n", b"Authorization: Basic =\r\n", b"Prefer: \x01\r\n",
    ])).map(b"".join))  # fmt: skip
    def test_any_octets(self, octets: bytes) -> None:
        """No octets bring the door down, or a failure into the log."""
        for answer in self.give(octets):
            self.assertNotEqual(answer.status, 500)
        self.assertEqual(self.failures_said, [])

    @settings(max_examples=200, deadline=None)
    @given(st.binary(max_size=100) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")))
    def test_any_body(self, octets: bytes) -> None:
        """The parsers give a record or say what is wrong."""
        form = "application/x-www-form-urlencoded"
        for parse in (parse_send, lambda body: parse_receive(body, form), lambda body: parse_notification(body, form)):
            try:
                parse(octets)
            except InvalidRequest as error:
                self.assertTrue(400 <= error.status < 500)
