"""Answers as octets, to the octet as twisted.web writes them: the same fields in the same order, with their names in
the same spelling. ``tests/unit/http/test_lane.py`` compares the two."""

import time

from twisted.web.http import NO_BODY_CODES, RESPONSES, datetimeToString
from twisted.web.http_headers import Headers
from twisted.web.server import version

from smsconnector.http.answers import Answer

_CONTENT_TYPE = b"Content-Type: "


def _prefix(name: bytes) -> bytes:
    """The name of a field as twisted.web spells it, with colon and space."""
    headers = Headers()
    headers.setRawHeaders(name, [b""])
    ((spelled, _),) = headers.getAllRawHeaders()
    return spelled + b": "


class Renderer:
    """Answers to HTTP/1.1. Date is made once a second."""

    def __init__(self) -> None:
        self._second = 0
        self._begins: dict[tuple[int, bool], bytes] = {}  # of this second, by status and whether it closes
        self._prefixes: dict[bytes, bytes] = {}  # by the names that our handlers give, which are few

    def octets(self, answer: Answer, closes: bool) -> bytes:
        """The whole answer. ``closes``: the connection will be closed behind it."""
        status, headers, body = answer
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._begins.clear()
        begin = self._begins.get((status, closes)) or self._begin(status, closes)
        prefixes = self._prefixes
        fields = {prefixes.get(name) or self._know(name): value for name, value in headers}
        if not body:
            end = b"Content-Length: 0\r\n\r\n"
        elif _CONTENT_TYPE in fields or status in NO_BODY_CODES:
            end = b"Content-Length: %d\r\n\r\n" % len(body)
        else:
            end = b"Content-Length: %d\r\nContent-Type: text/html\r\n\r\n" % len(body)
        lines = b"".join([b"%s%s\r\n" % field for field in fields.items()])
        if lines.count(b"\n") + lines.count(b"\r") != 2 * len(fields):
            clean = [(prefix, b" ".join(value.splitlines())) for prefix, value in fields.items()]
            lines = b"".join([b"%s%s\r\n" % field for field in clean])
        return begin + lines + end + (b"" if status in NO_BODY_CODES else body)

    def _begin(self, status: int, closes: bool) -> bytes:
        connection = b"Connection: close\r\n" if closes else b""
        reason = RESPONSES.get(status, b"Unknown Status")
        begin = b"HTTP/1.1 %d %s\r\n%sServer: %s\r\nDate: %s\r\n" % (
            status,
            reason,
            connection,
            version,
            datetimeToString(self._second),
        )
        self._begins[status, closes] = begin
        return begin

    def _know(self, name: bytes) -> bytes:
        prefix = self._prefixes[name] = _prefix(name)
        return prefix
