"""PEM files that are read while somebody writes them, and connects that fail as nobody has foreseen.

Known from certificates that are renewed by a copy in place (certbot hooks, configuration management): a reconnect at
that moment reads half a file, and OpenSSL's own exception is none of OSError and ValueError.
"""

import os
from types import SimpleNamespace
from typing import Any

from OpenSSL import crypto
from twisted.internet.defer import Deferred, fail
from twisted.internet.protocol import Factory
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.net.endpoints import TLSEndpoint
from smsconnector.net.link import BackOff, Link
from smsconnector.net.tls import TLS, tls_options
from tests.integration.certificates import Authority
from tests.recorded_log import RecordedLog


class LinkCase(SynchronousTestCase):
    def test_any_exception(self) -> None:
        """Whatever a connect raises or fails with is a failed attempt: it is told, and the next one follows."""
        errors = [
            crypto.Error([("PEM routines", "", "no start line")]),
            RuntimeError("no such thing"),
            KeyError("x"),
            AssertionError(),
            UnicodeError("label too long"),
        ]
        for error in errors:
            for raised in (True, False):
                clock, lines, attempts = Clock(), RecordedLog(self).lines, [0]

                def connect(error: Any = error, raised: bool = raised, attempts: list[int] = attempts) -> Any:
                    attempts[0] += 1
                    if raised:
                        raise error
                    return fail(error)

                link = Link(clock, "bind a", connect, BackOff())
                link.startService()
                clock.pump([0.5] * 20)
                self.assertGreater(attempts[0], 2, error)
                self.assertIn("bind a: no connection (", lines[0])
                link.stopService()

    def test_works_again(self) -> None:
        """When the cause is gone the next attempt is good."""
        clock, answers = Clock(), [crypto.Error(), crypto.Error(), None]
        made: list[Any] = []

        def connect() -> "Deferred[Any]":
            error = answers.pop(0)
            if error is not None:
                raise error
            waiting: Deferred[Any] = Deferred()
            made.append(waiting)
            return waiting

        Link(clock, "bind a", connect, BackOff()).startService()
        clock.pump([0.5] * 10)
        self.assertEqual(len(made), 1)


class FilesCase(SynchronousTestCase):
    """``pem`` is the ESME's own certificate and key, ``ca`` the authority's."""

    def setUp(self) -> None:
        authority = Authority(self.mktemp())
        self.ca, self.pem = str(authority.ca_file), str(authority.issue("me"))
        self.whole = {path: self.read(path) for path in (self.ca, self.pem)}
        self.tls = TLS(ca_file=self.ca, certificate_file=self.pem)

    def read(self, path: str) -> bytes:
        with open(path, "rb") as file:
            return file.read()

    def write(self, path: str, octets: bytes) -> None:
        with open(path, "wb") as file:
            file.write(octets)

    def tear(self, path: str) -> list[bytes]:
        """What the file may hold at some moment: cut at any place, empty, blocks that are not written yet."""
        whole = self.whole[path]
        cuts = [whole[:end] for end in range(0, len(whole) - 1, max(1, len(whole) // 40))]
        return [*cuts, b"\0" * len(whole), whole[: len(whole) // 2] + b"\0" * 100, os.urandom(400)]

    def test_every_tear(self) -> None:
        """Each is OSError or ValueError, with the file's name in it, or is still good."""
        for path in (self.ca, self.pem):
            for octets in self.tear(path):
                self.write(path, octets)
                try:
                    tls_options("localhost", self.tls)
                except (OSError, ValueError) as error:
                    self.assertIn(path, str(error))
            self.write(path, self.whole[path])
        tls_options("localhost", self.tls)

    def test_last_good_ones(self) -> None:
        """A reconnect meanwhile uses what was good before, and says so; then the new ones."""
        attempts: list[Any] = []

        def connect(factory: Any) -> Any:
            attempts.append(factory)
            return Deferred()

        inner: Any = SimpleNamespace(connect=connect)
        endpoint = TLSEndpoint(inner, "localhost", self.tls)
        lines = RecordedLog(self).lines
        for path in (self.ca, self.pem):
            for octets in self.tear(path):
                self.write(path, octets)
                before = len(attempts)
                endpoint.connect(Factory())
                self.assertEqual(len(attempts), before + 1)
            self.write(path, self.whole[path])
        told = [line for line in lines if "the certificates for localhost can't be read again" in line]
        self.assertEqual(told, lines)
        self.assertGreater(len(lines), 20)
        count = len(lines)
        endpoint.connect(Factory())
        self.assertEqual(len(lines), count)

    def test_key_of_another(self) -> None:
        """Certificate and key are two files, and one is new while the other is not yet."""
        folder = self.mktemp()
        other = self.read(Authority(folder).issue("other"))
        key = other[other.index(b"-----BEGIN PRIVATE KEY") :]
        own = self.whole[self.pem]
        self.write(self.pem, own[: own.index(b"-----BEGIN PRIVATE KEY")] + key)
        with self.assertRaises(ValueError) as caught:
            tls_options("localhost", self.tls)
        self.assertIn(self.pem, str(caught.exception))
