"""SMSCs that others wrote, as processes that a test steers: node-smpp (npm) and smpp.twisted3 (PyPI).

Each is installed into ``.peers/`` of the working tree (never into the connector's own environment), once for its
versions. ``install_node`` and ``install_twisted3`` give the command to run, or raise ``Unavailable`` with the one line
that says what is missing.

All servers listen on a free loopback port, take one command and tell one event per line of JSON:

    {"do": "behave", "behaviour": {...}}   throttle: the next n submits; slow: seconds before a submit's response;
                                           mute: no more answers to enquire_link and unbind; receipts: "as sent" or
                                           "decimal", one for each submit; ids: "decimal" or "hex"
    {"do": "deliver", "text", ...}         a text from a handset: source, destination, data_coding, esm_class,
                                           octets (hex) for text, udh (hex), payload (true), tlvs
    {"do": "receipt", "id", "stat"}        form: "text" or "tlv"
    {"do": "enquire_link" | "unbind" | "drop"}

    {"event": "listening", "port"}
    {"event": "behaves"}                   the answer to "behave"
    {"event": "connected" | "closed", "session"}
    {"event": "pdu", "session", "command", "sequence", "status", "fields", "text", "place"}
                                           every PDU that came; place is [reference, total, number] of its UDH
    {"event": "error", "text"}

The password is ``secret``. Commands go to the session that bound last and can receive.
"""

import functools
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from tests.integration.activemq import die_with_parent

reactor: Any = _reactor
HERE = Path(__file__).parent
INSTALLED = HERE.parents[2] / ".peers"
INSTALL_TIMEOUT = 120.0  # seconds; a few are needed
TWISTED3 = ("smpp.twisted3==0.8", "smpp.pdu3==0.6")

_COMPLAINT = re.compile(r"CRITICAL|ERROR|Traceback \(most recent|Unhandled")


class Unavailable(Exception):
    """The server can't be installed here; the text says why in one line."""


def install_node() -> list[str]:
    """The command of the server on node-smpp."""
    return _once(_install_node)


def install_twisted3() -> list[str]:
    """The command of the server on smpp.twisted3: an environment of its own, which finds Twisted in ours. Without
    its dependencies, for it pins a Twisted that is years old."""
    return _once(_install_twisted3)


def _once(install: Callable[[], list[str]]) -> list[str]:
    """Try it once in a process: what failed is not tried again for each test."""
    result = _attempt(install)
    if isinstance(result, Unavailable):
        raise result
    return result


@functools.cache
def _attempt(install: Callable[[], list[str]]) -> list[str] | Unavailable:
    try:
        return install()
    except Unavailable as error:
        return error


def _install_node() -> list[str]:
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise Unavailable("needs node and npm: apt-get install nodejs npm")
    files = [HERE / "node" / name for name in ("package.json", "package-lock.json")]

    def install(folder: Path) -> None:
        for file in files:
            shutil.copy(file, folder)
        options = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"]
        options += ["--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-timeout=30000"]
        _run("npm", "ci", *options, "--prefix", str(folder), "--cache", str(folder / "cache"))
        shutil.rmtree(folder / "cache", ignore_errors=True)

    folder = _installed("node", b"".join(file.read_bytes() for file in files), install)
    return ["env", f"NODE_PATH={folder / 'node_modules'}", "node", str(HERE / "node" / "server.js")]


def _install_twisted3() -> list[str]:
    def install(folder: Path) -> None:
        _run(sys.executable, "-m", "venv", "--without-pip", str(folder))
        python = str(folder / "bin" / "python")
        options = ["--quiet", "--no-deps", "--disable-pip-version-check", "--retries=1", "--timeout=30"]
        _run(sys.executable, "-m", "pip", "--python", python, "install", *options, *TWISTED3)
        (packages,) = folder.glob("lib/python*/site-packages")
        (packages / "twisted_of_the_tests.pth").write_text(sysconfig.get_path("purelib") + "\n")

    wanted = "\n".join((*TWISTED3, sys.version, sysconfig.get_path("purelib"))).encode()
    folder = _installed("twisted3", wanted, install)
    return [str(folder / "bin" / "python"), str(HERE / "twisted3_server.py")]


def _installed(name: str, wanted: bytes, install: Callable[[Path], None]) -> Path:
    """The folder with what is wanted; made beside it and renamed, so that it is whole or not there."""
    folder = INSTALLED / f"{name}-{hashlib.sha256(wanted).hexdigest()[:12]}"
    if folder.exists():
        return folder
    INSTALLED.mkdir(exist_ok=True)
    new = Path(tempfile.mkdtemp(prefix=f"new-{name}-", dir=INSTALLED))
    try:
        install(new)
        new.chmod(0o755)
        try:
            new.rename(folder)
        except OSError:
            if not folder.exists():  # else another test run was faster
                raise
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return folder


def _run(*command: str) -> None:
    try:
        done = subprocess.run(
            [*die_with_parent(), *command],
            capture_output=True,
            check=False,
            text=True,
            timeout=INSTALL_TIMEOUT,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        raise Unavailable(f"{' '.join(command[:4])} took longer than {INSTALL_TIMEOUT:g} s") from None
    if done.returncode:
        words = [line for line in (done.stdout + done.stderr).splitlines() if re.match("ERROR:|npm err", line)]
        words.append(f"{command[0]} ended with {done.returncode}")
        raise Unavailable(f"needs its package from the registry: {words[0].strip()}")


class Peer(ProcessProtocol):
    """One server process. ``events`` holds all that it told, in order."""

    def __init__(self, command: list[str]) -> None:
        self.events: list[dict[str, Any]] = []
        self.errors = b""  # what it wrote to stderr
        self.port = 0
        self._command = command
        self._lines = b""
        self._behaves: list[Deferred[None]] = []
        self._listening: Deferred[None] | None = Deferred()
        self._ended: Deferred[None] = Deferred()
        self._process: Any = None

    def start(self) -> "Deferred[None]":
        """Fires when it listens."""
        assert self._listening is not None
        command = ["setsid", *die_with_parent(), *self._command]
        self._process = reactor.spawnProcess(self, command[0], command, env=os.environ)
        return self._listening

    def do(self, what: str, **more: Any) -> None:
        """Give a command."""
        self._process.write(json.dumps({"do": what} | more).encode() + b"\n")

    def behave(self, **behaviour: Any) -> "Deferred[None]":
        """Fires when the server behaves so. A PDU that is sent before may overtake the command."""
        self.do("behave", behaviour=behaviour)
        behaves: Deferred[None] = Deferred()
        self._behaves.append(behaves)
        return behaves

    def pdus(self, *commands: str) -> list[dict[str, Any]]:
        """All PDUs of these commands that it got, in order."""
        return [one for one in self.events if one["event"] == "pdu" and one["command"] in commands]

    @property
    def complaints(self) -> list[str]:
        """What the server's own library found wrong with what it got."""
        told = [one["text"] for one in self.events if one["event"] == "error" and "ECONNRESET" not in one["text"]]
        said = self.errors.decode(errors="replace").splitlines()
        return told + [line for line in said if _COMPLAINT.search(line)]

    def count(self, event: str) -> int:
        return sum(one["event"] == event for one in self.events)

    def stop(self) -> "Deferred[None]":
        """End the process group; fires when it has ended."""
        if not self._ended.called:
            os.killpg(self._process.pid, signal.SIGKILL)
        return self._ended

    def outReceived(self, data: bytes) -> None:
        *lines, self._lines = (self._lines + data).split(b"\n")
        for line in lines:
            event = json.loads(line)
            self.events.append(event)
            if event["event"] == "listening" and self._listening is not None:
                self.port = event["port"]
                listening, self._listening = self._listening, None
                listening.callback(None)
            elif event["event"] == "behaves":
                self._behaves.pop(0).callback(None)

    def errReceived(self, data: bytes) -> None:
        self.errors += data

    def processEnded(self, reason: Failure) -> None:
        if self._listening is not None:
            listening, self._listening = self._listening, None
            listening.errback(RuntimeError(f"the server ended: {self.errors.decode(errors='replace')[-2000:]}"))
        self._ended.callback(None)
