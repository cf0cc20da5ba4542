"""TLS as a server: a port whose certificate may be renewed while it is open.

1. ``listen`` has Twisted read the endpoint and the files that it names.
2. For each connection that comes, ``RenewedCertificate`` looks whether the files have changed, and reads them again.
3. Whatever the endpoint's ``sslmethod`` says: TLS 1.2 is the oldest version, and every cipher has forward secrecy and
   authenticates what it encrypts (as "intermediate" of Mozilla's Server Side TLS 5.7). Clients since 2014 know these.
4. If they can't be used, because they are half written, or the key is new and the certificate is not yet, the context
   from before is used, and the log says so. The next connection tries again.
"""

import os
import re
from pathlib import Path
from typing import Any

from OpenSSL import SSL
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IOpenSSLContextFactory
from twisted.internet.ssl import AcceptableCiphers, CertificateOptions, TLSVersion
from twisted.logger import Logger
from zope.interface import implementer

from smsconnector.net.shared_port import Sharing
from smsconnector.net.tls import openssl_reasons

_PLACES = ("port", "privateKey", "certKey", "sslmethod", "interface", "backlog", "extraCertChain", "dhParameters")
_FILES = ("privateKey", "certKey", "extraCertChain", "dhParameters")
_CIPHERS = (  # of TLS 1.2, and those of 1.3
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:"
    "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20:!aNULL:!PSK"
)
_END = re.compile(rb"-----END [A-Z0-9 ]+-----")
FileStates = tuple[tuple[int, ...], ...]


def listen(
    reactor: Any,
    endpoint: str,
    factory: Any,
    *,
    shared: bool = False,
    certificate: "RenewedCertificate | None" = None,
) -> "Deferred[Any]":
    """Listen at an endpoint that is written as Twisted's server strings are. The Deferred has the port. ``shared``:
    other processes may listen there too. ``certificate``: of an ``ssl:`` endpoint, for who wants to look at it. Raises
    what Twisted does if the string, or a file that it names, is no good."""
    listens: Any = Sharing(reactor) if shared else reactor
    is_tls = endpoint.startswith("ssl:")
    watched: Any = _ListensRenewed(listens, certificate or RenewedCertificate(endpoint)) if is_tls else listens
    listening: Deferred[Any] = serverFromString(watched, endpoint).listen(factory)
    return listening


class _ListensRenewed:
    """Stands for the reactor where Twisted's endpoint listens: the context that it has made is the first one."""

    def __init__(self, reactor: Any, certificate: "RenewedCertificate") -> None:
        self._reactor, self._certificate = reactor, certificate

    def listenSSL(self, port: int, factory: Any, contextFactory: Any, backlog: int, interface: str) -> Any:
        self._certificate.use(_modern(contextFactory).getContext())
        return self._reactor.listenSSL(port, factory, self._certificate, backlog=backlog, interface=interface)


class _Reads:
    """Stands for the reactor where only the context is wanted."""

    context: Any = None

    def listenSSL(self, _port: int, _factory: Any, contextFactory: Any, **_more: Any) -> None:
        self.context = _modern(contextFactory).getContext()


def _modern(made: Any) -> CertificateOptions:
    """With the same key and certificates as the endpoint has made."""
    return CertificateOptions(
        privateKey=made.privateKey,
        certificate=made.certificate,
        extraCertChain=made.extraCertChain,
        dhParameters=made.dhParameters,
        raiseMinimumTo=TLSVersion.TLSv1_2,
        acceptableCiphers=AcceptableCiphers.fromOpenSSLCipherString(_CIPHERS),
    )


@implementer(IOpenSSLContextFactory)
class RenewedCertificate:
    """The context of an ``ssl:`` endpoint, as its files are now. Twisted asks for it once for each connection."""

    log = Logger()

    def __init__(self, endpoint: str) -> None:
        self._endpoint, self._files = endpoint, files_of(endpoint)
        self._context: SSL.Context | None = None
        self._seen = self._told = self._states()  # the files of the context; those that the log has spoken of

    def use(self, context: SSL.Context) -> None:
        self._context = context

    def look(self) -> None:
        """Read it again now, if it has changed: so the log says at once whether it can be used."""
        self.getContext()

    def getContext(self) -> SSL.Context:
        states = self._states()
        if states != self._seen:
            self._read_again(states)
        assert self._context is not None
        return self._context

    def _read_again(self, states: FileStates) -> None:
        """The files are looked at before they are read: a change meanwhile makes the next connection read again."""
        try:
            for path in self._files:
                _check_whole(path)
            reads: Any = _Reads()
            serverFromString(reads, self._endpoint).listen(None).addErrback(lambda failure: failure.raiseException())
        except Exception as error:  # noqa: BLE001 — OpenSSL, cryptography and Twisted have a dozen for a bad file
            self._say(states, f"it can't be used ({_reason(error)}), so the one from before is presented", warns=True)
            return
        self._context, self._seen = reads.context, states
        self._say(states, "it is presented from now on", warns=False)

    def _say(self, states: FileStates, sentence: str, *, warns: bool) -> None:
        """Once for each state of the files: else anybody who can connect could fill the log."""
        if states != self._told or not warns:
            self._told = states
            say = self.log.warn if warns else self.log.info
            say("HTTPS: the certificate in {files} has changed: {sentence}", files=self._names(), sentence=sentence)

    def _names(self) -> str:
        return ", ".join(dict.fromkeys(self._files))

    def _states(self) -> FileStates:
        return tuple(map(_state, self._files))


def files_of(endpoint: str) -> list[str]:
    """The files that an ``ssl:`` endpoint names, by name or by place; a backslash escapes the sign behind it."""
    named = {"privateKey": "server.pem"}
    places = iter(_PLACES)
    for argument in re.split(r"(?<!\\):", endpoint.removeprefix("ssl:")):
        name, separator, value = argument.partition("=")
        if not separator:
            name, value = next(places), argument
        named[name] = re.sub(r"\\(.)", r"\1", value)
    return [named[name] for name in _FILES if name in named]


def _state(path: str) -> tuple[int, ...]:
    """What changes if the file does; of one that can't be looked at nothing."""
    try:
        found = os.stat(path)
    except OSError:
        return ()
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _check_whole(path: str) -> None:
    """ValueError if a PEM block in it has no end: in a chain Twisted leaves such a block out without a word. And if it
    is encrypted: OpenSSL would ask at the terminal for the word, and everything would wait for that."""
    octets = Path(path).read_bytes()
    if octets.count(b"-----BEGIN ") != len(_END.findall(octets)):
        raise ValueError(f"{path} is not whole")
    if b"ENCRYPTED" in octets:
        raise ValueError(f"{path} is encrypted")


def _reason(error: Exception) -> str:
    return openssl_reasons(error) or str(error) or type(error).__name__
