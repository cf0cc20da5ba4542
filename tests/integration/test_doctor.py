"""``smsconnector doctor`` as the command that an operator types, against the simulated SMSC over loopback and TLS."""

import datetime
import os
import signal
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import yaml
from twisted.internet import reactor as _reactor
from twisted.internet import ssl
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.endpoints import SSL4ServerEndpoint, TCP4ServerEndpoint
from twisted.internet.protocol import Factory, ProcessProtocol, Protocol
from twisted.trial.unittest import TestCase

from smsconnector.channels.smpp.channel import SMPPChannel
from smsconnector.channels.smpp.making import make_binds
from smsconnector.config import parse
from smsconnector.messages import Receipt, Segment
from smsconnector.simulator.behaviour import Behaviour
from smsconnector.simulator.smsc import SMSC
from smsconnector.smpp import pdu as codec
from smsconnector.smpp.constants import CommandId
from smsconnector.wall_clock import WallClock
from tests.configured import binds_of
from tests.integration import certificates
from tests.integration.activemq import die_with_parent, free_port
from tests.integration.certificates import Authority
from tests.integration.stack import until
from tests.integration.test_binds import Listener

reactor: Any = _reactor
COMMAND = Path(sys.executable).parent / "smsconnector"
NUMBER = "+92 300 1234567"
SECRET = "hunter2"


class Doctor(ProcessProtocol):
    """The command; ``ended`` fires with it when it has ended."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        self.out = self.err = ""
        self.code: int | None = None
        self.ended: Deferred[Doctor] = Deferred()
        inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        command = [*die_with_parent(), str(COMMAND), "doctor", *arguments]
        self.process = reactor.spawnProcess(self, command[0], command, env=inherited | environment)

    def outReceived(self, data: bytes) -> None:
        self.out += data.decode()

    def errReceived(self, data: bytes) -> None:
        self.err += data.decode()

    def processEnded(self, reason: Any) -> None:
        self.code = reason.value.exitCode
        self.ended.callback(self)

    @property
    def words(self) -> str:
        """What it said, in one line."""
        return " ".join(self.out.split())


class DoctorCase(TestCase):
    skip = None if COMMAND.exists() else "needs the package installed: make install"
    timeout = 60

    @inlineCallbacks
    def listen(self, endpoint: Any = None, **behaviour: Any) -> Any:
        """An SMSC; ``octets`` is all that it gets."""
        settings: dict[str, Any] = {"system_id": "me", "password": SECRET, "receipt_delay": 0.1, "first_id": 0xABCDE}
        self.smsc = SMSC(reactor, Behaviour(**(settings | behaviour)))
        self.octets = b""
        build = self.smsc.buildProtocol

        def remember(address: Any) -> Any:
            protocol = build(address)
            receive = protocol.dataReceived

            def look(data: bytes) -> None:
                self.octets += data
                receive(data)

            protocol.dataReceived = look  # type: ignore[method-assign]
            return protocol

        self.patch(self.smsc, "buildProtocol", remember)
        port = yield (endpoint or TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")).listen(self.smsc)
        self.addCleanup(port.stopListening)
        return port.getHost().port

    def commands(self) -> list[int]:
        """What the SMSC was asked for."""
        return [codec.header(octets)[0] for octets in codec.Framer().feed(self.octets)]

    def configuration(self, port: int, scheme: str = "tcp", **bind: Any) -> str:
        path = Path(self.mktemp())
        bind = {"name": "a", "endpoint": f"{scheme}:localhost:{port}", "system_id": "me", "password": SECRET} | bind
        path.write_text(yaml.safe_dump({"channels": {"smpp": {"type": "smpp", "binds": [bind]}}}))
        return str(path)

    @inlineCallbacks
    def run_doctor(self, *arguments: str, **environment: str) -> Any:
        """Until it has ended; it never shows a traceback, nor the password."""
        doctor = yield Doctor(*arguments, **environment).ended
        for text in (doctor.out, doctor.err):
            self.assertNotIn("Traceback", text)
            self.assertNotIn(SECRET, text)
        self.assertNotIn("itself has failed", doctor.out)
        return doctor


class TableCase(DoctorCase):
    @inlineCallbacks
    def test_nothing_is_sent_unasked(self) -> Any:
        """A bind of the configuration: what the SMSC is, 0, and no submit_sm."""
        port = yield self.listen(name="carrier", interface_version="3.3")
        doctor = yield self.run_doctor("--config", self.configuration(port), "--bind", "a")
        self.assertEqual((doctor.code, doctor.err), (0, ""))
        for words in ("bind ESME_ROK (no error) as transceiver", "carrier, SMPP 3.3", "enquire_link", "ESME_RALYBND"):
            self.assertIn(words, doctor.words)
        self.assertEqual(self.commands(), [CommandId.bind_transceiver, CommandId.enquire_link, CommandId.unbind])

    @inlineCallbacks
    def test_nothing_is_taken(self) -> Any:
        """Every text refused: why that may be, by what the SMSC said; none answered: that."""
        for behaviour, words in (
            ({"refuse_share": 1.0}, ("took none of the texts", "ESME_RINVDSTADR", "set dest_ton and dest_npi")),
            ({"lost_response_share": 1.0}, ("answered no submit_sm",)),
        ):
            port = yield self.listen(**behaviour)
            doctor = yield self.run_doctor(
                "--config",
                self.configuration(port, response_timeout=0.5),
                "--bind",
                "a",
                "--to",
                "+923001234567",
                "--wait",
                "1",
            )
            for one in words:
                self.assertIn(one, doctor.words)
            self.assertNotIn("in no notation", doctor.words)

    @inlineCallbacks
    def test_numbers(self) -> Any:
        """What it finds out about an SMSC with habits of its own, and the entry that fits it, which can be used."""
        port = yield self.listen(
            long_messages="payload",
            default_alphabet="latin1",
            echo=True,
            congestion_state=7,
            system_type="OTA",
            id_form="decimal-response-hex-receipt",
        )
        doctor = yield self.run_doctor(
            "--host",
            f"tcp:127.0.0.1:{port}",
            "--system-id",
            "me",
            "--system-type",
            "OTA",
            "--to",
            NUMBER,
            "--from",
            "Shop",
            "--wait",
            "5",
            SMSCONNECTOR_PASSWORD=SECRET,
        )
        self.assertEqual((doctor.code, doctor.err), (0, ""))
        for words in (
            "8 sent, 2 taken",
            "payload taken, receipts 1 of 1: DELIVRD err 000",
            "up to 7 %",
            "sar refused: ESME_ROPTPARNOTALLWD",
            "hexadecimal (ABCDE); the same number: dec",
        ):
            self.assertIn(words, doctor.words)
        self.assertEqual({(entry.source, entry.destination) for entry in self.smsc.ledger}, {("Shop", "923001234567")})
        entry = yaml.safe_load(doctor.out.partition("under binds:")[2])
        self.assertEqual(entry[0]["long_messages"], "payload")
        text = yaml.safe_dump({"channels": {"smpp": {"type": "smpp", "binds": entry}}})
        bind = binds_of(parse(text, {"SMSCONNECTOR_PASSWORD": SECRET}))[0]
        self.assertEqual((bind.system_type, bind.secret()), ("OTA", SECRET))

    @inlineCallbacks
    def test_the_other_alphabet(self) -> Any:
        """What is sent by the configured alphabet comes back in the SMSC's: the lines for the bind say so."""
        port = yield self.listen(default_alphabet="gsm7", echo=True)
        config = self.configuration(port, alphabet="latin1")
        doctor = yield self.run_doctor("--config", config, "--bind", "smpp/a", "--to", NUMBER, "--wait", "2")
        self.assertEqual(doctor.code, 0)
        # The phone shows a character that the alphabet lacks, and so answers in UCS-2, which tells nothing.
        self.assertIn("data_coding 0 not known", doctor.words)
        port = yield self.listen(default_alphabet="gsm7", receipt_readable=True)
        config = self.configuration(port, alphabet="latin1")
        doctor = yield self.run_doctor("--config", config, "--bind", "a", "--to", NUMBER, "--wait", "2")
        self.assertTrue(doctor.out.endswith("\n\n  alphabet: gsm7\n"), doctor.out)

    @inlineCallbacks
    def test_interrupt(self) -> Any:
        """Ctrl-C while it waits: unbind, the table of what was seen, and the status that the bind had."""
        port = yield self.listen(receipt_delay=600.0)
        doctor = Doctor("--config", self.configuration(port), "--bind", "a", "--to", NUMBER, "--wait", "600")
        yield until(lambda: "waiting up to 600 s" in doctor.out, 20)
        doctor.process.signalProcess(signal.SIGINT)
        yield doctor.ended
        self.assertEqual((doctor.code, doctor.err), (0, ""))
        self.assertIn("interrupted", doctor.out)
        self.assertIn("8 sent, 8 taken", doctor.out)
        self.assertEqual(self.commands()[-1], CommandId.unbind)

    @inlineCallbacks
    def test_interrupt_before_the_bind(self) -> Any:
        """The same where nothing has come up: 1."""
        silent = Factory.forProtocol(Protocol)
        port = yield TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(silent)
        self.addCleanup(port.stopListening)
        doctor = Doctor("--config", self.configuration(port.getHost().port), "--bind", "a")
        yield until(lambda: "sends no text" in doctor.out, 20)
        doctor.process.signalProcess(signal.SIGINT)
        yield doctor.ended
        self.assertEqual((doctor.code, doctor.err), (1, ""))
        self.assertIn("interrupted", doctor.out)

    @inlineCallbacks
    def test_reader_goes_away(self) -> Any:
        """As ``| head -1`` does: no traceback, and the SMSC is left in good order."""
        port = yield self.listen()
        config = self.configuration(port)
        doctor = Doctor("--config", config, "--bind", "a")
        doctor.process.closeStdout()
        yield doctor.ended
        self.assertEqual((doctor.code, doctor.err), (0, ""))
        self.assertEqual(self.commands()[-1], CommandId.unbind)


class BesideAConnectorCase(DoctorCase):
    """The bind that a connector holds at the same time."""

    @inlineCallbacks
    def connect(self, port: int) -> Any:
        """The connector's own bind, in this process."""
        self.listener = KeepingListener()
        self.channel = SMPPChannel("smpp", WallClock(time.time), self.listener, lambda prefix, route: self.listener)
        section = binds_of(parse(Path(self.configuration(port)).read_text()))[0]
        for made in make_binds(reactor, section, self.channel):
            self.channel.add(made)
        self.channel.startService()
        self.addCleanup(self.channel.stopService)
        yield until(lambda: self.channel.binds[0].bound, 10)

    @inlineCallbacks
    def test_no_receipt_is_taken_from_it(self) -> Any:
        """The SMSC shares what it delivers among both sessions; every receipt reaches the connector all the same."""
        port = yield self.listen(receipt_delay=0.5, redelivery_delay=0.3)
        yield self.connect(port)
        doctor = Doctor("--config", self.configuration(port), "--bind", "a", "--to", NUMBER, "--wait", "5")
        yield until(lambda: self.smsc.counts.taken >= 1, 20)
        route = self.channel.routes[""]
        route.submit([Segment(n, 1, 1, "hello", "gsm7", None, f"4915{n:07}", 2**50) for n in range(1, 11)])
        yield doctor.ended
        self.assertEqual((doctor.code, doctor.err), (0, ""))
        sent_to = {f"4915{n:07}" for n in range(1, 11)}
        yield until(lambda: sent_to <= {receipt.destination for receipt in self.listener.receipts}, 10)
        self.assertTrue(self.channel.binds[0].bound)
        self.assertIn("that are not of this test", doctor.out)

    @inlineCallbacks
    def test_only_one_session(self) -> Any:
        """An SMSC that allows no second one: 1, what that means, and the connector stays bound."""
        port = yield self.listen(sessions=1)
        yield self.connect(port)
        doctor = yield self.run_doctor("--config", self.configuration(port), "--bind", "a")
        self.assertEqual(doctor.code, 1)
        self.assertIn("ESME_RALYBND (already bound)", doctor.words)
        self.assertIn("stop the connector for this test", doctor.words)
        self.assertTrue(self.channel.binds[0].bound)


class KeepingListener(Listener):
    """Keeps the receipts."""

    def __init__(self) -> None:
        super().__init__()
        self.receipts: list[Receipt] = []

    def received(self, items: Any, done: Any) -> None:
        self.receipts += [item for item in items if isinstance(item, Receipt)]
        done(None)


class RefusalCase(DoctorCase):
    """What is wrong, in words, and 1."""

    @inlineCallbacks
    def refused(self, *arguments: str, **environment: str) -> Any:
        doctor = yield self.run_doctor(*arguments, **environment)
        self.assertEqual((doctor.code, doctor.err), (1, ""))
        return doctor.words

    @inlineCallbacks
    def test_refused_binds(self) -> Any:
        """Wrong password, system_id, system_type."""
        for behaviour, words in (
            ({"password": "other"}, "mend password"),
            ({"system_id": "other"}, "mend system_id"),
            ({"system_type": "OTA"}, "set system_type"),
        ):
            port = yield self.listen(**behaviour)
            said = yield self.refused("--config", self.configuration(port), "--bind", "a", "--to", NUMBER)
            self.assertIn(words, said)
            self.assertEqual(self.smsc.counts.submits, 0)

    @inlineCallbacks
    def test_no_connection(self) -> Any:
        """Nobody listens; the name is not known."""
        said = yield self.refused("--config", self.configuration(free_port()), "--bind", "a")
        self.assertIn("refuses connections", said)
        host = ("--host", "tcp:no-such-host.invalid:2775", "--system-id", "me")
        said = yield self.refused(*host, SMSCONNECTOR_PASSWORD=SECRET)
        self.assertIn("no-such-host.invalid is not known", said)

    @inlineCallbacks
    def test_closed_at_once(self) -> Any:
        """An SMSC that does not want our address."""

        class Closing(Protocol):
            def dataReceived(self, data: bytes) -> None:
                self.transport.loseConnection()  # type: ignore[union-attr]

        port = yield TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(Factory.forProtocol(Closing))
        self.addCleanup(port.stopListening)
        said = yield self.refused("--config", self.configuration(port.getHost().port), "--bind", "a")
        self.assertIn("IP whitelisting", said)

    @inlineCallbacks
    def test_wrong_usage(self) -> Any:
        """2, and a sentence on stderr; the SMSC is not disturbed. A configuration that is wrong: 1."""
        port = yield self.listen()
        config = self.configuration(port)
        for arguments, words in (
            ((), "--bind NAME"),
            (("--bind", "b"), "smpp/a"),
            (("--bind", "a", "--to", "me"), "is not a phone number"),
            (("--bind", "a", "--wait", "soon"), "--wait"),
            (("--host", "tcp:h:1", "--system-id", "me"), "password"),
        ):
            doctor = yield self.run_doctor("--config", config, *arguments)
            self.assertEqual((doctor.code, doctor.out), (2, ""))
            self.assertIn(words, doctor.err)
        doctor = yield self.run_doctor("--config", "nowhere.yaml", "--bind", "a")
        self.assertEqual((doctor.code, doctor.out), (1, ""))
        self.assertEqual(self.octets, b"")


class TLSCase(DoctorCase):
    def setUp(self) -> None:
        self.authority = Authority(self.mktemp())

    @inlineCallbacks
    def serve(self, name: str = "localhost", clients: Authority | None = None, is_named: bool = True) -> Any:
        """The SMSC by TLS, with a certificate for that name."""
        certificate = ssl.PrivateCertificate.loadPEM(Path(self.authority.issue(name, is_named)).read_bytes())
        trust: Any = None
        if clients is not None:
            trust = ssl.trustRootFromCertificates([ssl.Certificate.loadPEM(Path(clients.ca_file).read_bytes())])
        key, own = certificate.privateKey.original, certificate.original
        options = ssl.CertificateOptions(privateKey=key, certificate=own, trustRoot=trust)
        port = yield self.listen(SSL4ServerEndpoint(reactor, 0, options, interface="127.0.0.1"))
        return port

    @inlineCallbacks
    def visit(self, port: int, scheme: str = "tls", **tls: str) -> Any:
        config = self.configuration(port, scheme, **({"tls": tls} if tls else {}))
        doctor = yield self.run_doctor("--config", config, "--bind", "a")
        self.assertEqual(doctor.err, "")
        return doctor

    @inlineCallbacks
    def test_verified(self) -> Any:
        """By an authority of one's own: version, cipher, whose certificate, until when, and by what."""
        port = yield self.serve()
        doctor = yield self.visit(port, ca_file=self.authority.ca_file)
        self.assertEqual(doctor.code, 0)
        ends = datetime.datetime.now(datetime.UTC) + certificates.DAY
        for words in (
            "TLSv1.3, TLS_",
            "CN=localhost; valid until",
            f"{ends:%Y-%m-%d}",
            "(soon)",
            f"verified by {self.authority.ca_file}: CN=test authority",
        ):
            self.assertIn(words, doctor.words)

    @inlineCallbacks
    def refused(self, port: int, *words: str, scheme: str = "tls", **tls: str) -> Any:
        """1, with the reason; and the SMSC has seen nothing of ours, the password least of all."""
        doctor = yield self.visit(port, scheme, **tls)
        self.assertEqual(doctor.code, 1)
        for one in words:
            self.assertIn(one, doctor.words)
        self.assertEqual((self.octets, self.smsc.counts.binds), (b"", 0))

    @inlineCallbacks
    def test_unknown_authority(self) -> Any:
        """The certificate is shown, so that one can see whose it is; it is not accepted."""
        port = yield self.serve()
        other = Authority(self.mktemp(), "another authority")
        for tls, by in (({}, "what this machine trusts"), ({"ca_file": other.ca_file}, other.ca_file)):
            yield self.refused(
                port, "CN=localhost; valid until", f"verified no, not by {by}", "set tls: {ca_file", **tls
            )

    @inlineCallbacks
    def test_expired(self) -> Any:
        """Which is said, and who has to mend it."""
        past = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=40)
        calendar = SimpleNamespace(UTC=datetime.UTC, datetime=SimpleNamespace(now=lambda _: past))
        self.patch(certificates, "datetime", calendar)
        port = yield self.serve()
        yield self.refused(port, "days ago", "no longer valid", "renew", ca_file=self.authority.ca_file)

    @inlineCallbacks
    def test_wrong_name(self) -> Any:
        """Which name it was not good for."""
        port = yield self.serve("smsc.example")
        yield self.refused(
            port, "CN=smsc.example", "is not for localhost", "It is for smsc.example", ca_file=self.authority.ca_file
        )

    @inlineCallbacks
    def test_no_name(self) -> Any:
        """One that names nobody is nobody's."""
        port = yield self.serve("localhost", is_named=False)
        yield self.refused(port, "names no host", "verify_name: no", ca_file=self.authority.ca_file)

    @inlineCallbacks
    def test_client_certificate(self) -> Any:
        """An SMSC that wants ours: without it 1 and how to set it, with it 0."""
        clients = Authority(self.mktemp(), "client authority")
        port = yield self.serve(clients=clients)
        yield self.refused(port, "certificate_file", ca_file=self.authority.ca_file)
        doctor = yield self.visit(port, ca_file=self.authority.ca_file, certificate_file=clients.issue("me"))
        self.assertEqual(doctor.code, 0)

    @inlineCallbacks
    def test_tls_and_plain_mixed_up(self) -> Any:
        """tls: to a port without, tcp: to a port with it."""
        port = yield self.serve()
        yield self.refused(port, "tls:HOST:PORT", scheme="tcp")
        port = yield self.listen()
        doctor = yield self.visit(port, ca_file=self.authority.ca_file)
        self.assertEqual(doctor.code, 1)
        self.assertIn("speaks no TLS", doctor.words)
        self.assertNotIn(SECRET.encode(), self.octets)
