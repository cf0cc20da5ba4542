"""One text for many numbers: ``{"Body": "Hello {name}", "To": [{"To": "+49...", "name": "Ann"}, ...]}``.

``{name}`` in the text stands for the value that each recipient has under that name. ``{{`` and ``}}`` stand for the
braces themselves. A value is put in as it is: what looks like a placeholder in it is text.
"""

import re

from smsconnector.errors import InvalidRequest
from smsconnector.http.idempotency import FIELD
from smsconnector.http.requests import Fields, NotJSON, json_object

_PLACE = re.compile(r"\{\{|\}\}|\{([A-Za-z_][A-Za-z0-9_]*)\}|[{}]")


class Wording:
    """A text with placeholders. Raises InvalidRequest if a brace stands alone."""

    def __init__(self, text: str) -> None:
        self._parts: list[str] = []  # a text, a name, a text, a name ... and a text
        literal, at = "", 0
        for found in _PLACE.finditer(text):
            literal += text[at : found.start()]
            at = found.end()
            if found[1] is not None:
                self._parts += [literal, found[1]]
                literal = ""
            elif len(found[0]) == 2:
                literal += found[0][0]
            else:
                raise InvalidRequest(
                    "invalid_template",
                    f"Body has a {found[0]} that belongs to no placeholder, at character {found.start() + 1}: write"
                    " {name}, or double a brace that is to stand in the text.",
                    "Body",
                )
        self._parts.append(literal + text[at:])

    def filled(self, values: Fields) -> str:
        """Raises InvalidRequest if a value is not there, or is neither a string nor a whole number."""
        parts = self._parts[:]
        for place in range(1, len(parts), 2):
            name = parts[place]
            value = values.clear_value(name)
            if value is None:
                raise InvalidRequest(
                    "missing_placeholder", f"This recipient has no {name}, and Body has {{{name}}}: give it.", name
                )
            if isinstance(value, bool) or not isinstance(value, str | int):
                raise InvalidRequest("invalid_field", f"{name} must be a string or a whole number.", name)
            parts[place] = str(value)
        return "".join(parts)


class Recipients:
    """The object is read as a whole, for its members may come in any order. Items are the fields of one message each;
    see ``batch_items``, whose readers this one stands beside. ``longest`` is in octets, of the whole."""

    def __init__(self, longest: int) -> None:
        self._longest, self._octets, self._pieces = longest, 0, list[bytes]()
        self._to: list[object] = []
        self._at = 0
        self._is_closed = False

    def put(self, octets: bytes) -> None:
        self._octets += len(octets)
        if self._octets <= self._longest:
            self._pieces.append(octets)

    def close(self) -> None:
        self._is_closed = True

    def next(self) -> Fields | InvalidRequest | None:
        if self._octets > self._longest:
            raise InvalidRequest(
                "body_too_large",
                f"An object with recipients may have {self._longest} octets: send less, or one item a line as"
                " application/x-ndjson.",
                status=413,
            )
        if self._pieces and self._is_closed:
            self._read()
        if self._at >= len(self._to):
            return None
        one = self._to[self._at]
        self._at += 1
        if isinstance(one, str):
            one = Fields(To=one)
        if not isinstance(one, Fields):
            return InvalidRequest("invalid_field", "A recipient must be a number, or an object with To.", "To")
        try:
            message = Fields(self._common, Body=self._wording.filled(one), To=one.clear_value("To"))
            message[FIELD] = one.clear_value(FIELD)
            if "Reference" in one:
                message["Reference"] = one.clear_value("Reference")
        except InvalidRequest as error:
            return error
        if message["To"] is None:
            del message["To"]
        return message

    def _read(self) -> None:
        octets, self._pieces = b"".join(self._pieces), []
        try:
            data = json_object(octets)
        except NotJSON:
            raise InvalidRequest(
                "malformed_json",
                "The body is not one JSON object: mend it, or if it has one message a line, send it as Content-Type:"
                " application/x-ndjson.",
            ) from None
        data.make_clear("To", "Body", "From", "channel", "ValidityPeriod", "Reference", "StatusCallback")
        to, body = data.get("To"), data.get("Body")
        if not isinstance(to, list):
            raise InvalidRequest(
                "invalid_field" if to is not None else "missing_field",
                "To must be a list of recipients: a single message is posted to /send.",
                "To",
            )
        if not isinstance(body, str):
            raise InvalidRequest(
                "invalid_field" if body is not None else "missing_field", "Body must be a string.", "Body"
            )
        self._wording, self._common, self._to = Wording(body), Fields(data), to
        self._common.pop(FIELD, None)  # one key for all of them would be one message
