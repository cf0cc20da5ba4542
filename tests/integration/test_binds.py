"""How a bind comes to its SMSC, over sockets: TLS, connections from the SMSC, pairs and parallel sessions."""

import time
from pathlib import Path
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet import ssl
from twisted.internet.defer import inlineCallbacks
from twisted.internet.endpoints import SSL4ServerEndpoint, TCP4ClientEndpoint, TCP4ServerEndpoint, connectProtocol
from twisted.internet.protocol import Protocol
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from smsconnector.channels import TakeBack, TakeBackAnswer, TakenSegment
from smsconnector.channels.smpp.channel import SMPPChannel
from smsconnector.channels.smpp.making import make_binds
from smsconnector.config import parse
from smsconnector.messages import Outcome, Segment, Verdict
from smsconnector.simulator.behaviour import Behaviour
from smsconnector.simulator.smsc import SMSC
from smsconnector.smpp import pdu as codec
from smsconnector.smpp.constants import CommandId, Status
from smsconnector.smpp.pdu import PDU, Framer
from smsconnector.wall_clock import WallClock
from tests.configured import binds_of
from tests.integration.activemq import free_port
from tests.integration.certificates import Authority
from tests.integration.stack import until
from tests.recorded_log import RecordedLog
from tests.unit.fakes import AgainMixin

reactor: Any = _reactor
SEGMENT = Segment(1, 1, 1, "hello", "gsm7", None, "923001234567", 2**50)


class Listener(AgainMixin):
    def __init__(self) -> None:
        super().__init__()
        self.answers: list[Outcome] = []

    def outcomes(self, outcomes: list[Outcome]) -> None:
        self.answers += outcomes

    def late(self, outcome: Outcome) -> None: ...

    def room(self) -> None: ...

    def received(self, items: Any, done: Any) -> None:
        done(None)


class BindCase(TestCase):
    timeout = 30

    def setUp(self) -> None:
        self.said = RecordedLog(self).lines
        self.taken: list[Any] = []
        self.smsc = SMSC(reactor, Behaviour(system_id="me", receipt_delay=0.0), on_submit=self.taken.append)

    @inlineCallbacks
    def listen(self, endpoint: Any) -> Any:
        port = yield endpoint.listen(self.smsc)
        self.addCleanup(port.stopListening)
        return port.getHost().port

    def open(self, endpoint: str, **settings: Any) -> None:
        """A channel as the configuration makes it, with one bind."""
        self.listener = Listener()
        self.channel = SMPPChannel("smpp", WallClock(time.time), self.listener, lambda prefix, route: self.listener)
        bind = {"name": "a", "endpoint": endpoint, "system_id": "me", "drain_timeout": 1.0} | settings
        section = binds_of(parse(f"channels: {{smpp: {{type: smpp, binds: [{bind}]}}}}"))[0]
        for made in make_binds(reactor, section, self.channel):
            self.channel.add(made)
        self.route = self.channel.routes.get("")
        self.channel.startService()
        self.addCleanup(self.channel.stopService)

    def bound(self, count: int = 1) -> Any:
        return until(lambda: sum(bind.bound for bind in self.channel.binds) == count, 10)

    @inlineCallbacks
    def exchange(self) -> Any:
        """A text goes out, and the SMSC takes it."""
        assert self.route is not None
        self.route.submit([SEGMENT])
        yield until(lambda: self.listener.answers, 10)
        self.assertEqual([one.verdict for one in self.listener.answers], [Verdict.ACCEPTED])


class CancelCase(BindCase):
    @inlineCallbacks
    def test_taken_back(self) -> Any:
        """Over sockets, by the transmitters of a pair: the receipt says DELETED, and the second time is refused."""
        self.smsc = SMSC(reactor, Behaviour(system_id="me", receipt_delay=60.0), on_submit=self.taken.append)
        port = yield self.listen(TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1"))
        self.open(f"tcp:127.0.0.1:{port}", mode="pair", sessions=2, cancel_sm=True)
        received: list[Any] = []

        def keep(items: Any, done: Any) -> None:
            received.extend(items)
            done(None)

        self.listener.received = keep  # type: ignore[method-assign]
        yield self.bound(4)
        yield self.exchange()
        (outcome,) = self.listener.answers
        segment = TakenSegment(outcome.account, outcome.bind, outcome.smsc_id or "", None, SEGMENT.destination)
        told: list[Any] = []
        self.channel.take_back([segment], told.append)
        yield until(lambda: told and received, 10)
        self.assertEqual(told, [[TakeBackAnswer(TakeBack.ACCEPTED)]])
        self.assertEqual([one.status for one in received], ["DELETED"])
        self.channel.take_back([segment], told.append)
        yield until(lambda: len(told) == 2, 10)
        self.assertEqual(told[1], [TakeBackAnswer(TakeBack.REFUSED, Status.ESME_RCANCELFAIL)])


class TLSCase(BindCase):
    def setUp(self) -> None:
        super().setUp()
        self.authority = Authority(self.mktemp())

    @inlineCallbacks
    def serve(self, name: str, client_authority: Authority | None = None, is_named: bool = True) -> Any:
        """The SMSC by TLS with a certificate for ``name``; it notes what SNI asks for."""
        with open(self.authority.issue(name, is_named), "rb") as pem:
            certificate = ssl.PrivateCertificate.loadPEM(pem.read())
        trust: Any = None
        if client_authority is not None:
            with open(client_authority.ca_file, "rb") as pem:
                trust = ssl.trustRootFromCertificates([ssl.Certificate.loadPEM(pem.read())])
        key, own = certificate.privateKey.original, certificate.original
        options = ssl.CertificateOptions(privateKey=key, certificate=own, trustRoot=trust)
        self.asked_for: list[bytes | None] = []
        context = options.getContext()
        context.set_tlsext_servername_callback(lambda connection: self.asked_for.append(connection.get_servername()))
        port = yield self.listen(SSL4ServerEndpoint(reactor, 0, options, interface="127.0.0.1"))
        return port

    @inlineCallbacks
    def test_private_authority(self) -> Any:
        """A certificate of an authority of one's own is verified against its file."""
        port = yield self.serve("localhost")
        self.open(f"tls:localhost:{port}", tls={"ca_file": self.authority.ca_file})
        yield self.bound()
        yield self.exchange()
        self.assertEqual(self.asked_for, [b"localhost"])

    @inlineCallbacks
    def test_server_name(self) -> Any:
        """The name in the certificate may be another than that of the host: SNI asks for it, and it is verified."""
        port = yield self.serve("smsc.example")
        self.open(f"tls:127.0.0.1:{port}", tls={"ca_file": self.authority.ca_file, "server_name": "smsc.example"})
        yield self.bound()
        self.assertEqual(self.asked_for, [b"smsc.example"])

    @inlineCallbacks
    def refused(self, **tls: Any) -> Any:
        yield until(lambda: any("next attempt" in line for line in self.said), 10)
        self.assertFalse(any(bind.bound for bind in self.channel.binds))
        (line,) = [line for line in self.said if "next attempt" in line][:1]
        return line

    @inlineCallbacks
    def test_wrong_name(self) -> Any:
        """A certificate for another name is refused, and the log says which bind and why."""
        port = yield self.serve("smsc.example")
        self.open(f"tls:localhost:{port}", tls={"ca_file": self.authority.ca_file})
        line = yield self.refused()
        self.assertIn("bind smpp/a: ", line)
        self.assertRegex(line, "(?i)certificate|verif|mismatch")

    @inlineCallbacks
    def test_no_name(self) -> Any:
        """A certificate that names nobody may be any other customer's of that authority: nothing is sent."""
        port = yield self.serve("localhost", is_named=False)
        self.open(f"tls:localhost:{port}", tls={"ca_file": self.authority.ca_file})
        line = yield self.refused()
        self.assertIn("names no host", line)
        self.assertEqual(self.smsc.accounts, {})

    @inlineCallbacks
    def test_name_not_verified(self) -> Any:
        """Unless the configuration says that whoever the authority signs for is right."""
        port = yield self.serve("localhost", is_named=False)
        self.open(f"tls:127.0.0.1:{port}", tls={"ca_file": self.authority.ca_file, "verify_name": False})
        yield self.bound()
        yield self.exchange()

    @inlineCallbacks
    def test_unknown_authority(self) -> Any:
        """So is one that nobody we trust has signed."""
        port = yield self.serve("localhost")
        self.open(f"tls:localhost:{port}")
        line = yield self.refused()
        self.assertIn("is signed by CN=test authority, which is not trusted here: set tls: {ca_file: FILE}", line)

    @inlineCallbacks
    def test_expired(self) -> Any:
        """A certificate that is no longer valid is told as that, and until when it was; one that is not yet, too."""
        for begins, ends, words in ((-3, -1, "the certificate has expired, on 20"), (1, 3, "is not valid before 20")):
            self.authority.valid = (begins, ends)
            port = yield self.serve("localhost")
            self.open(f"tls:localhost:{port}", tls={"ca_file": self.authority.ca_file})
            line = yield self.refused()
            self.assertIn(words, line)
            yield self.channel.stopService()
            self.said.clear()

    @inlineCallbacks
    def test_client_certificate(self) -> Any:
        """An SMSC that wants to see ours gets it."""
        clients = Authority(self.mktemp(), "client authority")
        port = yield self.serve("localhost", clients)
        self.open(
            f"tls:localhost:{port}",
            tls={"ca_file": self.authority.ca_file, "certificate_file": clients.issue("me")},
        )
        yield self.bound()
        yield self.exchange()

    @inlineCallbacks
    def test_renewed(self) -> Any:
        """Files that changed count for the next connection; files that went away do not stop it."""
        ca_file = Path(self.mktemp())
        ca_file.write_bytes(Path(Authority(self.mktemp(), "another").ca_file).read_bytes())
        port = yield self.serve("localhost")
        self.open(f"tls:localhost:{port}", tls={"ca_file": str(ca_file)})
        yield self.refused()
        ca_file.write_bytes(Path(self.authority.ca_file).read_bytes())
        yield self.bound()
        ca_file.unlink()
        self.smsc.unbind_all()
        yield until(lambda: any("can't be read again" in line for line in self.said), 10)
        yield self.bound()

    @inlineCallbacks
    def test_no_client_certificate(self) -> Any:
        """Without it the SMSC closes, which is said."""
        port = yield self.serve("localhost", Authority(self.mktemp(), "client authority"))
        self.open(f"tls:localhost:{port}", tls={"ca_file": self.authority.ca_file})
        line = yield self.refused()
        self.assertIn("bind smpp/a: ", line)


class SessionsCase(BindCase):
    @inlineCallbacks
    def test_pair(self) -> Any:
        """A transmitter and a receiver: two sessions, and texts go by the one."""
        port = yield self.listen(TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1"))
        self.open(f"tcp:127.0.0.1:{port}", mode="pair")
        yield self.bound(2)
        yield self.exchange()
        self.assertEqual(sorted(one.settings.session.mode for one in self.channel.binds), ["receiver", "transmitter"])

    @inlineCallbacks
    def test_parallel_sessions(self) -> Any:
        """As many sessions as are asked for, each with a name of its own; all take their share."""
        port = yield self.listen(TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1"))
        self.open(f"tcp:127.0.0.1:{port}", sessions=3, window=5)
        yield self.bound(3)
        assert self.route is not None
        self.assertEqual(self.route.capacity(), 15)
        segments = [Segment(n, 1, 1, "hi", "gsm7", None, f"92300{n:07}", 2**50) for n in range(1, 16)]
        self.assertEqual(list(self.route.submit(segments)), [])
        self.assertEqual([bind.outstanding for bind in self.channel.binds], [5, 5, 5])
        yield until(lambda: len(self.listener.answers) == 15, 10)


class Caller(Protocol):
    """An SMSC that connects to its ESME, and asks for the bind (SMPP 3.4 section 2.2.1)."""

    def connectionMade(self) -> None:
        self.framer = Framer()
        self.got: list[PDU] = []
        self.write(PDU(CommandId.outbind, 0, 1, {"system_id": "smsc", "password": "secret"}))

    def write(self, pdu: PDU) -> None:
        assert self.transport is not None
        self.transport.write(codec.encode(pdu))

    def has_response(self) -> bool:
        return self.got[-1].command_id == CommandId.deliver_sm_resp

    def dataReceived(self, data: bytes) -> None:
        for octets in self.framer.feed(data):
            pdu = codec.decode(octets)
            self.got.append(pdu)
            if not pdu.command_id & 0x80000000:
                self.write(PDU(pdu.command_id | 0x80000000, 0, pdu.sequence_number, {"system_id": "smsc"}))


class OutbindCase(BindCase):
    @inlineCallbacks
    def test_outbind(self) -> Any:
        """We listen; the SMSC connects and asks; we bind and hear its texts. After the end we listen again, and
        while a session stands nobody else gets in."""
        port = free_port()
        self.open(f"outbind:127.0.0.1:{port}", mode="receiver", outbind_system_id="smsc", outbind_password="secret")
        for _ in range(2):
            caller = yield self.call(port)
            yield self.bound()
            self.assertEqual(caller.got[0].command_id, CommandId.bind_receiver)
            caller.write(PDU(CommandId.deliver_sm, 0, 9, {"short_message": b"hi"}))
            yield until(caller.has_response, 10)
            yield self.assertFailure(self.call(port), ConnectionRefusedError, Exception)
            caller.transport.loseConnection()
            yield self.bound(0)

    @inlineCallbacks
    def call(self, port: int) -> Any:
        caller = Caller()
        tried = time.monotonic()
        while True:
            try:
                yield connectProtocol(TCP4ClientEndpoint(reactor, "127.0.0.1", port), caller)
                return caller
            except Exception:
                bound = any(bind.bound for bind in self.channel.binds)
                if bound or time.monotonic() - tried > 10:
                    raise
                yield deferLater(reactor, 0.1)
