"""HTTPS with a certificate that is renewed while the port is open: the next connection gets the new one."""

import contextlib
import os
import shutil
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from OpenSSL import SSL
from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import Factory
from twisted.internet.testing import MemoryReactor
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.net.server_tls import listen
from tests.integration.certificates import Authority
from tests.recorded_log import RecordedLog


class RenewedCase(SynchronousTestCase):
    """``pem`` is the file that the endpoint names."""

    def setUp(self) -> None:
        self.log = RecordedLog(self)
        self.authority = Authority(self.mktemp())
        self.pem = Path(self.mktemp())
        self.renew("first")

    def renew(self, name: str) -> None:
        """As certbot does: the new file takes the place of the old one."""
        new = self.pem.with_suffix(".new")
        shutil.copy(self.authority.issue(name), new)
        os.replace(new, self.pem)

    def open(self, more: str = "", files: str = "") -> Any:
        """What the port asks for a context, once for each connection."""
        reactor = MemoryReactor()
        files = files or f"privateKey={self.pem}:certKey={self.pem}"
        port = self.successResultOf(listen(reactor, f"ssl:8443:{files}{more}", Factory()))
        self.assertTrue(IListeningPort.providedBy(port))
        ((number, _, contexts, *self.how),) = reactor.sslServers
        self.assertEqual(number, 8443)
        return contexts

    def presented(self, contexts: Any) -> str:
        """The name in the certificate that the next connection presents."""
        certificate = SSL.Connection(contexts.getContext()).get_certificate()
        assert certificate is not None
        name = certificate.get_subject().CN
        assert name is not None
        return name

    def said(self) -> list[str]:
        return [line for line in self.log.lines if "certificate" in line]

    def test_renewed(self) -> None:
        """The next connection presents the new one; that is said once. Without a change nothing is read again."""
        contexts = self.open()
        self.assertEqual(self.presented(contexts), "first")
        self.assertIs(contexts.getContext(), contexts.getContext())
        for name in ("second", "third"):
            self.renew(name)
            self.assertEqual([self.presented(contexts) for _ in range(3)], [name] * 3)
        self.assertEqual(len(self.said()), 2, self.said())
        self.assertIn(str(self.pem), self.said()[0])

    def handshake(self, contexts: Any, ciphers: bytes, *, newest: int, oldest: int = 0) -> str:
        """The version and the cipher that a client gets which knows these; "" if it is refused."""
        wanted = SSL.Context(SSL.TLS_METHOD)
        wanted.set_min_proto_version(oldest)
        wanted.set_max_proto_version(newest)
        wanted.set_cipher_list(ciphers + b":@SECLEVEL=0")
        client, server = SSL.Connection(wanted), SSL.Connection(contexts.getContext())
        client.set_connect_state()
        server.set_accept_state()
        for _ in range(10):
            for one, other in ((client, server), (server, client)):
                try:
                    one.do_handshake()
                except SSL.WantReadError:
                    pass
                except SSL.Error:
                    return ""
                with contextlib.suppress(SSL.WantReadError):
                    other.bio_write(one.bio_read(65_536))
        return f"{client.get_protocol_version_name()} {client.get_cipher_name()}"

    def test_modern(self) -> None:
        """TLS 1.2 and 1.3 with forward secrecy and authenticated encryption; nothing older, whatever the endpoint's
        sslmethod says, and after a renewal too."""
        one_two, one_three = SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION
        for more in ("", ":sslmethod=TLS_METHOD"):
            contexts = self.open(more)
            for _ in range(2):
                self.assertEqual(self.handshake(contexts, b"ALL", newest=one_three)[:16], "TLSv1.3 TLS_AES_")
                for ciphers, is_taken in (
                    (b"ECDHE-ECDSA-AES128-GCM-SHA256", True),
                    (b"ECDHE-ECDSA-CHACHA20-POLY1305", True),
                    (b"ECDHE-ECDSA-AES128-SHA", False),  # CBC
                    (b"ECDHE-ECDSA-AES256-SHA384", False),
                    (b"AES128-GCM-SHA256:AES256-SHA", False),  # the key exchange of RSA: no forward secrecy
                    (b"aNULL", False),
                ):
                    found = self.handshake(contexts, ciphers, newest=one_two)
                    self.assertEqual(bool(found), is_taken, (ciphers, found))
                for version in (SSL.TLS1_VERSION, SSL.TLS1_1_VERSION):
                    self.assertEqual(self.handshake(contexts, b"ALL", newest=version), "")
                self.renew("another")

    def test_written_in_place(self) -> None:
        """A file that is written anew, octet for octet as long as before, is seen too."""
        contexts = self.open()
        self.pem.write_bytes(Path(self.authority.issue("other")).read_bytes())
        self.assertEqual(self.presented(contexts), "other")

    def test_half_written(self) -> None:
        """A file that is not whole yet, empty, of something else, or gone: the one from before is presented, the log
        says so once for each state of the files, and when it is whole it is read."""
        contexts = self.open()
        whole = Path(self.authority.issue("second")).read_bytes()
        states = [whole[:end] for end in range(0, len(whole) - 1, 97)] + [
            b"\xff" * 99,
            b"-----BEGIN CERTIFICATE-----\n",
        ]
        for octets in states:
            self.pem.write_bytes(octets)
            self.assertEqual([self.presented(contexts) for _ in range(3)], ["first"] * 3, octets[-60:])
        self.pem.unlink()
        self.assertEqual([self.presented(contexts) for _ in range(3)], ["first"] * 3)
        self.assertEqual(len(self.said()), len(states) + 1)
        self.assertIn("the one from before", self.said()[0])
        self.pem.write_bytes(whole)
        self.assertEqual(self.presented(contexts), "second")

    def test_key_of_another(self) -> None:
        """Key and certificate in two files, of which one is new already: until both are, the ones from before."""
        first, second = (Path(self.authority.issue(name)).read_bytes() for name in ("one", "two"))
        key, certificate = Path(self.mktemp()), Path(self.mktemp())
        for path in (key, certificate):
            path.write_bytes(first)
        contexts = self.open(files=f"privateKey={key}:certKey={certificate}")
        key.write_bytes(second)
        self.assertEqual(self.presented(contexts), "one")
        certificate.write_bytes(second)
        self.assertEqual(self.presented(contexts), "two")

    def test_as_it_is_written(self) -> None:
        """Names that are escaped, values by their place, one file for both; the rest of the endpoint counts as
        before."""
        odd = Path(self.mktemp() + ":x")
        shutil.copy(self.pem, odd)
        escaped = str(odd).replace(":", "\\:")
        for files in (
            f"{escaped}:{escaped}",
            f"privateKey={escaped}",
            f"{escaped}",
            f"certKey={escaped}:privateKey={escaped}",
        ):
            shutil.copy(self.authority.issue("before"), odd)
            contexts = self.open(":interface=127.0.0.1:backlog=7", files)
            self.assertEqual(self.how, [7, "127.0.0.1"])
            self.assertEqual(self.presented(contexts), "before")
            shutil.copy(self.authority.issue("after"), odd)
            self.assertEqual(self.presented(contexts), "after", files)

    def test_half_a_chain(self) -> None:
        """Twisted leaves out a certificate of the chain that has no end: clients would no longer find who has signed
        ours."""
        chain = Path(self.mktemp())
        one, two = (Path(self.authority.issue(name)).read_bytes().split(b"-----BEGIN PRIV")[0] for name in ("a", "b"))
        chain.write_bytes(one + two)
        contexts = self.open(f":extraCertChain={chain}")
        first = contexts.getContext()
        chain.write_bytes(one + two[:-20])
        self.assertIs(contexts.getContext(), first)
        chain.write_bytes(one + two + b"# a word behind it\n")
        self.assertIsNot(contexts.getContext(), first)

    def test_encrypted_key(self) -> None:
        """OpenSSL would ask at the terminal for its word, and the connector would wait for it: nobody is asked."""
        contexts = self.open()
        key = serialization.load_pem_private_key(self.pem.read_bytes(), None)
        word = serialization.BestAvailableEncryption(b"word")
        pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, word)
        self.pem.write_bytes(pem)
        self.assertEqual(self.presented(contexts), "first")
        self.assertIn("is encrypted", self.said()[0])

    def test_other_endpoints(self) -> None:
        """What has no certificate is listened on as ever."""
        reactor = MemoryReactor()
        self.successResultOf(listen(reactor, "tcp:8080:interface=127.0.0.1", Factory()))
        self.successResultOf(listen(reactor, "unix:/run/x.sock", Factory()))
        self.assertEqual((len(reactor.tcpServers), len(reactor.unixServers), reactor.sslServers), (1, 1, []))
