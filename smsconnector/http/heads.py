"""Heads of requests in their plain form: the one that nearly all clients send, and that can be read in one way only.

Two readers of HTTP that see different requests in the same octets are a hole (request smuggling, RFC 9112 section
11.2). So the fast lane takes a head only if nothing in it is open to dispute. It decides nothing itself: each head that
is not plain goes to twisted.web, which refuses it, or knows what to make of it.

A head is plain if

1. every octet of it fits ``_PLAIN``: POST or GET, a path, HTTP/1.1, lines that end with CR LF, names of letters,
   digits, hyphens and underscores with the colon right behind them. So there are no folded lines, no bare CR or LF, no
   NUL.
2. it is not longer than ``LONGEST``, with at most ``MOST_FIELDS`` fields.
3. there is one Host; at most one Content-Length, of digits without a zero before them; at most one Connection, which is
   ``keep-alive`` or ``close``; and none of ``_UNUSUAL``.
4. its path is that of a route, found as twisted.web's side finds it, and the route wants its body whole.
5. httptools, which is the parser of Node.js, reads it too. It takes the fields apart.

Clients send the same head again and again. So the last ``MOST_KNOWN`` are kept with what they mean.
"""

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from smsconnector.http.answers import HTTPRoute, RequestHeaders

LONGEST = 8_192  # octets; twisted.web takes twice as many
MOST_FIELDS = 100
MOST_KNOWN = 512  # heads that are kept
LONGEST_KNOWN = 1_024  # octets of one that is kept
END = b"\r\n\r\n"

_FIELD = rb"[A-Za-z][A-Za-z0-9_-]*:[\t -~\x80-\xff]*\r\n"
_PLAIN = re.compile(rb"(?:POST|GET) (/[!-~]*) HTTP/1\.1\r\n(?:%s)*\r\n" % _FIELD)
_LENGTH = re.compile(rb"0|[1-9][0-9]{0,8}")
_CONNECTIONS = (b"keep-alive", b"close")
_NO_LENGTH, _NO_CONNECTION = (b"0",), (b"keep-alive",)  # what a head without these fields means
_UNUSUAL = frozenset(
    (b"transfer-encoding", b"expect", b"upgrade", b"http2-settings", b"te", b"trailer", b"proxy-connection")
)

FindRoute = Callable[[bytes, bytes], tuple[HTTPRoute, Mapping[str, str]] | None]  # by method and path


class Head(NamedTuple):
    """What a plain head says. ``length`` is that of the body, in octets; ``closes``: the client wants the connection
    closed behind the answer."""

    route: HTTPRoute
    method: bytes
    path: bytes
    target: bytes  # path and query
    headers: RequestHeaders
    arguments: Mapping[str, str]
    length: int
    closes: bool


class _Fields:
    """What httptools calls. ``found``: the fields by their names in lower case."""

    def __init__(self) -> None:
        self.found: dict[bytes, list[bytes]] = {}
        self.method = self.target = b""
        self.count = 0

    @classmethod
    def of(cls, octets: bytes) -> "_Fields | None":
        """Those of a head; None if httptools does not read it."""
        fields = cls()
        parser = HttpRequestParser(fields)
        try:
            parser.feed_data(octets)
        except (HttpParserError, HttpParserUpgrade):
            return None
        fields.method = parser.get_method()
        return fields

    def are_usual(self, is_whole: bool) -> bool:
        """Whether what frames the request and steers the connection is in its plain form; see the head of this module.
        ``is_whole`` False: there may be more fields."""
        found = self.found
        hosts = found.get(b"host", () if is_whole else _NO_LENGTH)
        lengths, connections = found.get(b"content-length", _NO_LENGTH), found.get(b"connection", _NO_CONNECTION)
        return (
            self.count <= MOST_FIELDS
            and _UNUSUAL.isdisjoint(found)
            and len(hosts) == len(lengths) == len(connections) == 1
            and connections[0].lower() in _CONNECTIONS
            and _LENGTH.fullmatch(lengths[0]) is not None
        )

    def on_url(self, octets: bytes) -> None:
        self.target += octets

    def on_header(self, name: bytes, value: bytes) -> None:
        self.count += 1
        name, value, found = name.lower(), value.strip(b" \t"), self.found
        if name in found:
            found[name].append(value)
        else:
            found[name] = [value]


class Heads:
    """Reads heads. ``longest_body`` is in octets: a request that announces more is not plain."""

    def __init__(self, find: FindRoute, longest_body: int) -> None:
        self._find, self._longest_body = find, longest_body
        self._known: dict[bytes, Head] = {}

    def read(self, octets: bytes) -> Head | None:
        """The head that these octets are, with the empty line at its end; None if it is not plain."""
        return self._known.get(octets) or self._read_new(octets)

    def may_become_plain(self, octets: bytes) -> bool:
        """Whether a head that is not whole yet may still be plain: its whole lines are."""
        end = octets.rfind(b"\r\n") + 2
        if len(octets) > LONGEST:
            return False
        return end < 2 or self._plain(octets[:end] + b"\r\n", is_whole=False) is not None

    def _read_new(self, octets: bytes) -> Head | None:
        head = self._plain(octets)
        if head is not None and len(octets) <= LONGEST_KNOWN and not head.arguments:
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            self._known[octets] = head
        return head

    def _plain(self, octets: bytes, is_whole: bool = True) -> Head | None:
        match = _PLAIN.fullmatch(octets) if len(octets) <= LONGEST else None
        if match is None:
            return None
        fields = _Fields.of(octets)
        if fields is None or fields.target != match[1] or not fields.are_usual(is_whole):
            return None
        method, target, found = fields.method, fields.target, fields.found
        path = target.partition(b"?")[0]
        route = self._find(method, path)
        length = int(found.get(b"content-length", _NO_LENGTH)[0])
        if route is None or length > self._longest_body:
            return None
        closes = found.get(b"connection", _NO_CONNECTION)[0].lower() == b"close"
        return Head(route[0], method, path, target, found, route[1], length, closes)
