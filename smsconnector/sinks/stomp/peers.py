"""What is known of the other side: what each broker's receipts are worth, and what it says when it ends a session.

**Receipts.** STOMP 1.2 leaves open what a broker has done when it sends a RECEIPT.

- ActiveMQ Classic writes to its store before it sends the receipt of a persistent SEND, or of a COMMIT. So many events
  may share one COMMIT, which is far cheaper for both sides.
- RabbitMQ makes a publisher confirm of the receipt of a persistent SEND, and of no other frame. The receipt of a COMMIT
  says that the COMMIT was read. A kill, or a queue that refuses, loses what it "confirmed" (measured on 3.10).
- Of other brokers it is not known. A receipt for each SEND is the least that all of them promise.

**Words.** The cause stands in different places of an ERROR frame, and some frames break the rules of their own version.
What speaks another protocol is known by its first octets: ``net.protocols``.
"""

import re

from smsconnector.net.protocols import spoken_instead

# The header ``server`` of CONNECTED. ActiveMQ Artemis calls itself "ActiveMQ-Artemis/2.30.0 ...".
_CONFIRMS_TRANSACTIONS = re.compile(r"ActiveMQ/\d").match

_ERROR_FRAME = re.compile(rb"(?:\A|\0)[\r\n]*ERROR\r?\n(.*)", re.DOTALL)
_BETWEEN_FRAMES = re.compile(rb"\0[\r\n]+")
_CAUSED_BY = re.compile(r"^Caused by: [\w.$]+: (.+)$", re.MULTILINE)
_MESSAGE = re.compile(r"^message:(.*)$", re.MULTILINE)
_ESCAPES = {"\\n": "\n", "\\r": "\r", "\\c": ":", "\\\\": "\\"}


def confirms_transactions(server: str | None) -> bool:
    """Whether the receipt of a COMMIT is known to mean that the broker has taken all of the transaction."""
    return server is not None and _CONFIRMS_TRANSACTIONS(server) is not None


def is_no_stomp(data: bytes) -> str:
    """Why these first octets are not the beginning of an answer to CONNECT, as a sentence; "" if they may be. STOMP
    1.2 lets line ends come before a frame."""
    begun = data.lstrip(b"\r\n")
    if any(begun[:9] == command[: len(begun)] for command in (b"CONNECTED", b"ERROR")):
        return ""
    if begun.startswith((b"ERROR\n", b"ERROR\r")) or len(begun) < 2:
        return ""
    return spoken_instead(data, "STOMP") or (f"it begins with {begun[:16]!r}" if len(begun) >= 9 else "")


def broken_error(data: bytes) -> str | None:
    """The words of an ERROR frame among octets that no parser of the version takes, for instance with a login in
    Latin-1 or an escape that STOMP does not know. None if there is no such frame."""
    found = _ERROR_FRAME.search(data)
    if found is None:
        return None
    head, _, body = (b"\n" + found[1].replace(b"\r\n", b"\n")).partition(b"\n\n")
    message = _MESSAGE.search(_decoded(head))
    escaped = message[1] if message else ""
    return words_of_error(re.sub(r"\\.", lambda one: _ESCAPES.get(one[0], one[0]), escaped), body.partition(b"\0")[0])


def with_line_feeds(data: bytes, before: bytes) -> bytes:
    """The octets, with line feeds alone for line ends between frames. STOMP 1.2 lets lines end with CR LF; the parser
    knows that in headers only. ``before``: what came before them."""
    if before[-1:] in (b"\0", b"\n"):
        rest = data.lstrip(b"\r\n")
        data = data[: len(data) - len(rest)].replace(b"\r", b"") + rest
    return _BETWEEN_FRAMES.sub(lambda found: found[0].replace(b"\r", b""), data)


def words_of_error(message: str, body: bytes) -> str:
    """What an ERROR frame says: its header ``message``, and what the body adds. RabbitMQ puts the cause into the first
    line ("Access refused for user 'x'"). ActiveMQ's body is a stack trace, whose last "Caused by" is the cause, for
    instance of a transaction that was rolled back."""
    text = _decoded(body)
    if "\n\tat " in text:
        causes = _CAUSED_BY.findall(text)
        cause = causes[-1].strip() if causes else ""
    else:
        cause = next((line.strip() for line in text.split("\n") if line.strip(" \r\t\0")), "")
    if message in cause:  # "" too
        return cause
    return message if cause in message else f"{message}: {cause}"


def shortened(text: str) -> str:
    """One printable line of at most 200 characters."""
    return "".join(character if character.isprintable() else " " for character in text)[:200].strip(" .")


def _decoded(octets: bytes) -> str:
    """UTF-8, as STOMP wants it, or else Latin-1."""
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return octets.decode("latin-1")
