"""Answers as octets, to the octet as twisted.web writes them: the same fields in the same order, with their names in
the same spelling. ``tests/unit/http/test_lane.py`` compares the two."""

import time

from twisted.web.http import NO_BODY_CODES, RESPONSES, datetimeToString
from twisted.web.http_headers import Headers
from twisted.web.server import version

from smsconnector.http.answers import SECURITY_HEADERS, Answer


def _spelled(name: bytes) -> bytes:
    """The name of a field as twisted.web spells it."""
    headers = Headers()
    headers.setRawHeaders(name, [b""])
    ((spelled, _),) = headers.getAllRawHeaders()
    return spelled


class Renderer:
    """Answers to HTTP/1.1. Date is made once a second."""

    def __init__(self) -> None:
        self._second = 0
        self._begins: dict[tuple[int, bool], bytes] = {}  # of this second, by status and whether it closes
        # By the names that our handlers give, in their order, which are few: the fields with room for their values,
        # what every answer has behind them, and whether Content-Type is one of them.
        self._templates: dict[tuple[bytes, ...], tuple[bytes, bytes, bool]] = {}

    def octets(self, answer: Answer, closes: bool) -> bytes:
        """The whole answer. ``closes``: the connection will be closed behind it."""
        status, headers, body = answer
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._begins.clear()
        begin = self._begins.get((status, closes)) or self._begin(status, closes)
        names, values = zip(*headers, strict=True) if headers else ((), ())
        template, others, has_type = self._templates.get(names) or self._know(names)
        if names and not template:  # one is there twice: the last value counts
            once = {_spelled(name): value for name, value in headers}
            return self.octets(Answer(status, tuple(once.items()), body), closes)
        told = b"".join(values)
        if told.find(b"\n") >= 0 or told.find(b"\r") >= 0:
            values = tuple([b" ".join(value.splitlines()) for value in values])
        lines = template % values
        if not body:
            return b"%b%b%bContent-Length: 0\r\n\r\n" % (begin, lines, others)
        if status in NO_BODY_CODES:
            return b"%b%b%bContent-Length: %d\r\n\r\n" % (begin, lines, others, len(body))
        kind = b"" if has_type else b"Content-Type: text/html\r\n"
        return b"%b%b%bContent-Length: %d\r\n%b\r\n%b" % (begin, lines, others, len(body), kind, body)

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

    def _know(self, names: tuple[bytes, ...]) -> tuple[bytes, bytes, bool]:
        """An empty template if a name is there twice."""
        spelled = [_spelled(name) for name in names]
        is_plain = len(set(spelled)) == len(spelled)
        template = b"".join([name.replace(b"%", b"%%") + b": %b\r\n" for name in spelled]) if is_plain else b""
        others = b"".join([b"%s: %s\r\n" % one for one in SECURITY_HEADERS if _spelled(one[0]) not in spelled])
        found = self._templates[names] = template, others, b"Content-Type" in spelled
        return found
