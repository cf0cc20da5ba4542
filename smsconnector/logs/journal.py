"""The journal of systemd, by its native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL): one datagram for each line.

That way a line has its priority, and one of several lines, such as one with a traceback, stays one entry. Nothing waits
for the journal: what it does not take at once is counted, and told with the next line that it takes. Where its socket
can't be reached, a line goes to standard error with the prefix of sd-daemon(3), which is connected to the journal too.
"""

import os
import socket
import sys
from collections.abc import Mapping
from typing import Any, cast

from smsconnector.logs.lines import Line

ADDRESS = "/run/systemd/journal/socket"
IDENTIFIER = "smsconnector"
PRIORITIES = {"debug": 7, "info": 6, "warn": 4, "error": 3, "critical": 2}  # syslog(3)
LONGEST = 131_072  # octets of a datagram: the kernel has some 200,000 for one by default


def is_connected(environment: Mapping[str, str], outputs: tuple[int, ...] = (2, 1)) -> bool:
    """Whether standard error or standard output goes to the journal: JOURNAL_STREAM has the device and the inode of
    that (systemd.exec(5)). The variable alone says nothing: whatever systemd has started passes it on."""
    wanted = environment.get("JOURNAL_STREAM", "")
    for output in outputs if wanted else ():
        try:
            found = os.fstat(output)
        except OSError:
            continue
        if wanted == f"{found.st_dev}:{found.st_ino}":
            return True
    return False


class Journal:
    """Writes lines. ``stream``: standard error; ``sender``: a socket that waits for nobody."""

    def __init__(self, address: str = ADDRESS, stream: Any = None, sender: Any = None) -> None:
        self._address, self._stream = address, stream or cast(Any, sys.__stderr__)
        self._socket = sender if sender is not None else _open()
        self._lost = 0

    def write(self, line: Line) -> None:
        """Write it, or count it as lost."""
        if self._lost and self._send(_lost_line(line.time, self._lost)):
            self._lost = 0
        if not self._send(line):
            self._lost += 1

    def _send(self, line: Line) -> bool:
        try:
            self._socket.sendto(datagram(line), self._address)
        except BlockingIOError:
            return False
        except OSError:
            return self._to_stream(line)
        return True

    def _to_stream(self, line: Line) -> bool:
        prefix = f"<{PRIORITIES[line.level]}>"
        words = (line.sentence + "\n" + line.traceback).splitlines()
        try:
            self._stream.write("".join(f"{prefix}{one}\n" for one in words))
            self._stream.flush()
        except (OSError, ValueError):
            return False
        return True

    def close(self) -> None:
        self._socket.close()


def _open() -> socket.socket:
    found = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    found.setblocking(False)
    return found


def datagram(line: Line) -> bytes:
    """The entry of a line. The journal stamps it."""
    words = line.sentence + ("\n" + line.traceback.rstrip("\n") if line.traceback else "")
    fields = {
        "PRIORITY": str(PRIORITIES[line.level]),
        "SYSLOG_IDENTIFIER": IDENTIFIER,
        "SMSCONNECTOR_NAMESPACE": line.namespace,
        "MESSAGE": words,
    }
    return b"".join(_field(name, value) for name, value in fields.items())


def _field(name: str, value: str) -> bytes:
    """``NAME=value`` and an end of line; with its length before it if there are ends of lines in it."""
    octets = value.encode("utf-8", "replace")
    if len(octets) > LONGEST:
        octets = octets[:LONGEST].decode("utf-8", "ignore").encode()  # no half of a character
    if b"\n" not in octets:
        return b"%s=%s\n" % (name.encode(), octets)
    return b"%s\n%s%s\n" % (name.encode(), len(octets).to_bytes(8, "little"), octets)


def _lost_line(time: float, count: int) -> Line:
    sentence = f"{count} lines of the log are lost: the journal did not take them"
    return Line(time, "error", "smsconnector.logs", sentence, {"count": count})
