"""A batch, cut into its items while it comes: octets in, one item after the other out.

1. ``put`` takes octets as they come. ``next`` gives the next item that is whole: its octets, or why it is refused; None
   if more has to come. ``close`` says that no more will.
2. An item that is longer than ``longest`` octets is refused. It is read past, and not kept.
3. Where nobody can tell any more where an item ends, ``next`` raises InvalidRequest. Nothing behind that is an item.

``Lines`` reads NDJSON: one JSON value a line. A line that is no JSON is that line's own fault. ``Elements`` reads the
elements of a JSON array (RFC 8259 section 5). It looks for brackets and strings alone; what stands between them is seen
by who decodes the element.
"""

import re
from collections.abc import Iterator

from smsconnector.errors import InvalidRequest

_BLANK = b" \t\r\n"  # RFC 8259 section 2: ws
_BOM = b"\xef\xbb\xbf"
# An element that is a flat object, with the comma or bracket behind it. No two parts begin with the same octet, and
# none gives back what it has taken: the time is linear in the length.
_FLAT = re.compile(rb'(\{[^{}\[\]"\\]*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"[^{}\[\]"\\]*+)*+\})[ \t\r\n]*+([,\]])', re.DOTALL)
_BLANKS = re.compile(rb"[ \t\r\n]*+")
_MARK = re.compile(rb'["{}\[\],]')  # of an element, outside of strings
_STRING = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)  # up to its end, or an escape that is not whole


def too_long(longest: int) -> InvalidRequest:
    return InvalidRequest("body_too_large", f"This item is longer than {longest} octets: send less.", status=413)


class Lines:
    """NDJSON. Empty lines are no items."""

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._begun: list[bytes] = []  # the line that is not whole yet
        self._length = 0  # octets of it, those that are not kept too
        self._lines: Iterator[bytes] = iter(())
        self._is_first = True

    def put(self, octets: bytes) -> None:
        """To be called when ``next`` has given None."""
        first, *lines = octets.split(b"\n")
        self._keep(first)
        if lines:
            last = lines.pop()
            whole = b"".join(self._begun) if self._length <= self._longest else None
            self._begun, self._length = [], 0
            self._lines = iter([b"" if whole is None else whole, *lines])
            self._was_too_long = whole is None
            self._keep(last)

    _was_too_long = False  # the first of the lines

    def close(self) -> None:
        """What stands behind the last line feed is a line too."""
        if self._length:
            self.put(b"\n")

    def next(self) -> bytes | InvalidRequest | None:
        for line in self._lines:
            if self._was_too_long:
                self._was_too_long = self._is_first = False
                return too_long(self._longest)
            if self._is_first:
                self._is_first, line = False, line.removeprefix(_BOM)  # noqa: PLW2901
            if line and (item := line.strip(_BLANK)):
                return item if len(item) <= self._longest else too_long(self._longest)
        return None

    def _keep(self, octets: bytes) -> None:
        self._length += len(octets)
        if self._length <= self._longest:
            if octets:
                self._begun.append(octets)
        else:
            self._begun = []


class Elements:
    """A JSON array. It has begun when its bracket has come."""

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._data, self._at = b"", 0  # what has come, and where the element that is being read begins
        self._looked = 0  # up to where that was looked at
        self._dropped = 0  # octets of it that were not kept, because it is too long
        self._depth = 0  # brackets that are open in it
        self._in_string = self._is_closed = False
        self._place = "begin"  # begin, first (behind the bracket), next (behind a comma), end

    def put(self, octets: bytes) -> None:
        """To be called when ``next`` has given None."""
        begun = self._data[self._at :]
        self._looked -= self._at
        self._data, self._at = begun + octets if begun else octets, 0

    def close(self) -> None:
        self._is_closed = True

    def next(self) -> bytes | InvalidRequest | None:
        if self._place == "begin":
            self._begin()
        if self._place in ("first", "next"):
            if self._looked == self._at and not self._dropped:
                self._at = self._looked = _BLANKS.match(self._data, self._at).end()  # type: ignore[union-attr]
                flat = _FLAT.match(self._data, self._at)
                if flat is not None:
                    self._behind(flat.end(), flat[2])
                    length = flat.end(2) - flat.start(1) - 1
                    return flat[1] if length <= self._longest else too_long(self._longest)
            found = self._scan()
            if found is not None:
                return found
        if self._place == "end" and self._data[self._at :].strip(_BLANK):
            raise self._broken("there is more behind the array")
        if self._place == "end":
            self._data, self._at = b"", 0
        elif self._is_closed:
            raise self._broken("it ends before its closing bracket")
        return None

    def _begin(self) -> None:
        begin = self._data.lstrip(_BLANK)
        if begin:  # who has chosen this reader has seen the bracket
            self._data, self._at = begin, 1
            self._looked, self._place = 1, "first"

    def _scan(self) -> bytes | InvalidRequest | None:
        """Look on for the end of the element. None: it has not come, or there is none."""
        data, at = self._data, self._looked
        while True:
            if self._in_string:
                at = _STRING.match(data, at).end()  # type: ignore[union-attr]  # it fits nothing at least
                if at >= len(data) or data[at] != 0x22:
                    break
                self._in_string, at = False, at + 1
            mark = _MARK.search(data, at)
            if mark is None:
                at = len(data)
                break
            octet, at = mark[0], mark.end()
            if octet == b'"':
                self._in_string = True
            elif octet in b"{[":
                self._depth += 1
            elif octet != b"," and self._depth:
                self._depth -= 1
            elif octet == b"}":
                raise self._broken("a bracket is closed that was not opened")
            elif not self._depth:
                return self._element(at, octet)
        self._looked = at
        if at - self._at > self._longest:
            self._dropped += at - self._at
            self._at = at
        return None

    def _element(self, end: int, mark: bytes) -> bytes | InvalidRequest | None:
        """The one that ends before ``mark``, a comma or the closing bracket."""
        element, length = self._data[self._at : end - 1].strip(_BLANK), self._dropped + end - 1 - self._at
        was_first = self._place == "first"
        if not length:
            if not was_first or mark == b",":
                raise self._broken("an element is missing beside a comma")
            self._behind(end, mark)
            return None
        self._behind(end, mark)
        return element if length <= self._longest else too_long(self._longest)

    def _behind(self, at: int, mark: bytes) -> None:
        self._at = self._looked = at
        self._dropped = 0
        self._place = "next" if mark == b"," else "end"

    def _broken(self, why: str) -> InvalidRequest:
        return InvalidRequest(
            "malformed_json", f"The array is broken: {why}. What came before stands, and nothing behind it was read."
        )


Items = Lines | Elements
