"""Requests over real sockets: which failures can have reached the server, and which can't."""

import socket
import zlib
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from smsconnector.net.http_client import HTTPCall, HTTPClient, HTTPFailure, NotSent, Unanswered
from smsconnector.net.tls import TLS
from tests.integration.certificates import Authority
from tests.integration.fake_provider import FakeProvider, Reply

OK = Reply(201, b'{"sid": "SM1"}')


class ClientCase(TestCase):
    timeout = 20

    def provider(self, *script: Any, certificate: str | None = None) -> FakeProvider:
        provider = FakeProvider(reactor, script or (OK,), certificate).start()
        self.addCleanup(provider.stop)
        return provider

    def client(self, tls: TLS = TLS(), **settings: Any) -> HTTPClient:  # noqa: B008 — it is frozen
        client = HTTPClient(reactor, tls, **{"connections": 5, **settings})
        self.addCleanup(client.close)
        return client

    def failure(self, asked: "Deferred[Any]", kind: type[HTTPFailure]) -> "Deferred[HTTPFailure]":
        return self.assertFailure(asked, kind)


class HTTPTest(ClientCase):
    async def test_reply(self) -> None:
        """Method, path, query, headers and body come as they were given; the reply comes whole."""
        provider = self.provider(Reply(201, "grüß".encode(), (("X-One", "1"), ("X-One", "2"))))
        call = HTTPCall("POST", f"{provider.url}/a/b;c?x=%2f&y=+&z", (("X-Key", "k"),), b"Body=%C3%A4")
        reply = await self.client().ask(call)
        self.assertEqual((reply.status, reply.body.decode(), reply.headers["x-one"]), (201, "grüß", "1"))
        (request,) = provider.requests
        self.assertEqual((request.method, request.target), ("POST", "/a/b;c?x=%2f&y=+&z"))
        self.assertEqual((request.body, request.headers["x-key"]), (b"Body=%C3%A4", "k"))
        self.assertEqual(request.headers["accept-encoding"], "identity")

    async def test_errors_are_replies(self) -> None:
        """Whatever its status, a reply is a reply; a redirect is not followed, and a cookie not kept."""
        moved = (("Location", "/elsewhere"), ("Set-Cookie", "a=b"))
        provider = self.provider(Reply(302, b"", moved), Reply(404, b"no"), Reply(204, b"", ()), Reply(503, b"x" * 9))
        client = self.client()
        statuses = [(await client.ask(HTTPCall("GET", f"{provider.url}/"))).status for _ in range(4)]
        self.assertEqual(statuses, [302, 404, 204, 503])
        self.assertEqual({request.path for request in provider.requests}, {"/"})
        self.assertNotIn("cookie", provider.requests[-1].headers)

    async def test_one_connection_serves_many(self) -> None:
        """A connection is used again."""
        provider, client = self.provider(), self.client()
        for _ in range(3):
            await client.ask(HTTPCall("POST", provider.url, (), b"x"))
        self.assertEqual(provider.connections, 1)

    async def test_chunked(self) -> None:
        """A body in chunks, and one whose end is the end of the connection."""
        chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"
        provider = self.provider(Reply(raw=chunked), Reply(raw=b"HTTP/1.0 200 OK\r\n\r\nto the end", is_last=True))
        client = self.client()
        bodies = [(await client.ask(HTTPCall("GET", provider.url))).body for _ in range(2)]
        self.assertEqual(bodies, [b"abcde", b"to the end"])

    async def test_closed_while_idle(self) -> None:
        """The server closed the connection while nobody used it: the next request has one of its own."""
        provider, client = self.provider(), self.client()
        await client.ask(HTTPCall("POST", provider.url, (), b"x"))
        provider.drop()
        await deferLater(reactor, 0.05)
        self.assertEqual((await client.ask(HTTPCall("POST", provider.url, (), b"x"))).status, 201)
        self.assertEqual(len(provider.requests), 2)

    async def test_not_compressed(self) -> None:
        """A reply of a server that compresses although it was asked not to stays small in memory."""
        bomb = zlib.compress(b"\0" * 10_000_000, wbits=31)
        provider = self.provider(Reply(200, bomb, (("Content-Encoding", "gzip"),)))
        self.assertEqual((await self.client().ask(HTTPCall("GET", provider.url))).body, bomb)


class NotSentTest(ClientCase):
    async def test_refused(self) -> None:
        """Nobody listens at that port."""
        provider = FakeProvider(reactor).start()
        url = provider.url
        await provider.stop()
        failure = await self.failure(self.client().ask(HTTPCall("POST", f"{url}/s?k=secret", (), b"x")), NotSent)
        self.assertIn("refused", failure.reason)
        self.assertNotIn("secret", failure.reason)

    async def test_no_such_host(self) -> None:
        """A name that no server has (RFC 6761: .invalid never has one)."""
        await self.failure(self.client().ask(HTTPCall("POST", "http://provider.invalid/", (), b"x")), NotSent)

    async def test_connect_time_out(self) -> None:
        """A listening socket whose backlog is full answers no SYN."""
        listening = socket.create_server(("127.0.0.1", 0), backlog=0)
        self.addCleanup(listening.close)
        for _ in range(3):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(listening.getsockname())
            self.addCleanup(filler.close)
        await deferLater(reactor, 0.05)
        port = listening.getsockname()[1]
        client = self.client(connect_timeout=0.3)
        failure = await self.failure(client.ask(HTTPCall("POST", f"http://127.0.0.1:{port}/", (), b"x")), NotSent)
        self.assertIn("0.3 s", failure.reason)

    async def test_calls_that_break_the_protocol(self) -> None:
        """What could smuggle a header or a second request is not sent; no value is told."""
        provider, client = self.provider(), self.client()
        url = provider.url
        for call in (
            HTTPCall("GET", f"{url}/a b"),
            HTTPCall("GET", f"{url}/a\r\nX: secret"),
            HTTPCall("GET", f"{url}/\u00e4"),
            HTTPCall("GET", f"{url}/#fragment"),
            HTTPCall("GET", url.replace("//", "//user:secret@")),
            HTTPCall("GET", "ftp://127.0.0.1/"),
            HTTPCall("GET", "/receive"),
            HTTPCall("GET", "http://127.0.0.1:99999/"),
            HTTPCall("GET\r\nX: y", url),
            HTTPCall("GET", url, (("X-A", "secret\r\nX-B: 2"),)),
            HTTPCall("GET", url, (("X-A", "secret\n"),)),
            HTTPCall("GET", url, (("X-A\r\nX-B", "secret"),)),
            HTTPCall("GET", url, (("X A", "secret"),)),
            HTTPCall("GET", url, (("X-A", "\u20ac secret"),)),
            HTTPCall("POST", url, (("Content-Length", "1"),), b"secret"),
            HTTPCall("POST", url, (("transfer-encoding", "chunked"),), b"secret"),
        ):
            failure = await self.failure(client.ask(call), NotSent)
            self.assertNotIn("secret", failure.reason)
            self.assertNotIn("secret", repr(call))
        self.assertEqual(provider.requests, [])

    async def test_closed_client(self) -> None:
        """After the end nothing is sent."""
        provider, client = self.provider(), self.client()
        await client.close()
        await self.failure(client.ask(HTTPCall("POST", provider.url, (), b"x")), NotSent)
        self.assertEqual(provider.connections, 0)


class UnansweredTest(ClientCase):
    async def unanswered(self, reply: Reply, **settings: Any) -> str:
        provider = self.provider(reply)
        failure = await self.failure(
            self.client(**settings).ask(HTTPCall("POST", f"{provider.url}/p?k=secret", (), b"x")), Unanswered
        )
        self.assertEqual(len(provider.requests), 1)
        self.assertNotIn("secret", failure.reason)
        return failure.reason

    async def test_cut(self) -> None:
        """The connection is lost before, within and after the headers, and within the body."""
        whole = OK.octets()
        for cut in (0, 1, 9, whole.index(b"\r\n\r\n"), whole.index(b"\r\n\r\n") + 4, len(whole) - 1):
            await self.unanswered(Reply(201, OK.body, cut=cut))

    async def test_closed_politely(self) -> None:
        """An end without a reset says no more."""
        await self.unanswered(Reply(raw=b"", is_last=True))
        await self.unanswered(Reply(raw=b"HTTP/1.1 201 X\r\nContent-Length: 9\r\n\r\nabc", is_last=True))
        await self.unanswered(
            Reply(raw=b"HTTP/1.1 201 X\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", is_last=True)
        )

    async def test_late(self) -> None:
        """No reply in time, or one that drips."""
        self.assertIn("0.5 s", await self.unanswered(Reply(is_silent=True), reply_timeout=0.5))
        self.assertIn("0.5 s", await self.unanswered(Reply(201, b"x" * 500, is_slow=True), reply_timeout=0.5))

    async def test_too_long(self) -> None:
        """A body over the cap, headers without an end, and no length at all."""
        self.assertIn("1000 octets", await self.unanswered(Reply(200, b"x" * 1001), maximum_reply=1000))
        await self.unanswered(Reply(raw=b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 20_000), maximum_reply=1000)
        endless = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 100_000
        await self.unanswered(Reply(raw=endless), maximum_reply=1000)

    async def test_no_http(self) -> None:
        """Something that is no HTTP: but the request was read."""
        await self.unanswered(Reply(raw=b"SSH-2.0-OpenSSH_9.2\r\n\r\n\r\n"), reply_timeout=1.0)
        await self.unanswered(Reply(raw=b"HTTP/1.1 abc OK\r\n\r\n"), reply_timeout=1.0)
        await self.unanswered(Reply(raw=b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"), reply_timeout=1.0)

    async def test_given_up(self) -> None:
        """Cancelled, or under way when the client is closed: it was sent."""
        provider, client = self.provider(Reply(is_silent=True)), self.client()
        asked = [client.ask(HTTPCall("POST", provider.url, (), b"x")) for _ in range(2)]
        while len(provider.requests) < 2:
            await deferLater(reactor, 0.01)
        asked[0].cancel()
        await self.failure(asked[0], Unanswered)
        await client.close()
        await self.failure(asked[1], Unanswered)
        await deferLater(reactor, 0.05)
        self.assertEqual(provider.live, set())


class Cutting(Protocol):
    """Ends the connection when the first octets have come."""

    def dataReceived(self, data: bytes) -> None:
        assert self.transport is not None
        self.transport.loseConnection()


class HTTPSTest(ClientCase):
    def setUp(self) -> None:
        self.authority = Authority(self.mktemp())
        self.certificate = self.authority.issue("localhost")
        self.tls = TLS(ca_file=self.authority.ca_file)

    async def test_reply(self) -> None:
        """The whole way by TLS, twice over one connection, and a cut after the request is no NotSent."""
        provider = self.provider(OK, OK, Reply(cut=0), certificate=self.certificate)
        client = self.client(self.tls)
        for _ in range(2):
            self.assertEqual((await client.ask(HTTPCall("POST", provider.url, (), b"x"))).body, OK.body)
        self.assertEqual(provider.connections, 1)
        await self.failure(client.ask(HTTPCall("POST", provider.url, (), b"x")), Unanswered)

    async def refused(self, url: str, tls: TLS) -> str:
        return (await self.failure(self.client(tls).ask(HTTPCall("POST", url, (), b"x")), NotSent)).reason

    async def test_certificates(self) -> None:
        """Not trusted, for another host, or expired: nothing was sent, and why is told."""
        provider = self.provider(certificate=self.certificate)
        stranger = Authority(self.mktemp(), "another authority")
        self.assertIn("not trusted here", await self.refused(provider.url, TLS(ca_file=stranger.ca_file)))
        other = self.provider(certificate=self.authority.issue("other.example"))
        self.assertIn("not for localhost", await self.refused(other.url, self.tls))
        self.authority.valid = (-9, -1)
        old = self.provider(certificate=self.authority.issue("localhost"))
        self.assertIn("has expired", await self.refused(old.url, self.tls))
        self.assertEqual([*provider.requests, *other.requests, *old.requests], [])

    async def test_no_tls_there(self) -> None:
        """A port that speaks no TLS, and one that says nothing at all."""
        provider = self.provider()
        await self.failure(
            self.client(self.tls, connect_timeout=1.0).ask(
                HTTPCall("POST", provider.url.replace("http:", "https:"), (), b"x")
            ),
            NotSent,
        )
        self.assertEqual(provider.requests, [])

    async def test_cut_in_the_handshake(self) -> None:
        """The server goes away before the handshake is done."""
        factory: Any = Factory.forProtocol(Cutting)
        port: Any = reactor.listenTCP(0, factory, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        await self.refused(f"https://localhost:{port.getHost().port}", self.tls)

    async def test_files_that_are_no_good(self) -> None:
        """A missing ca_file is told, and nothing is sent."""
        provider = self.provider(certificate=self.certificate)
        self.assertIn("missing.pem", await self.refused(provider.url, TLS(ca_file="missing.pem")))
