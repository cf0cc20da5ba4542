"""Numbers and senders: one rule for the door, the configuration, the doctor and the matching of receipts.

1. ``normal_number`` and ``normal_sender`` make what people write into what the SMSC wants: digits without a plus and
   without the international prefix 00, or an alphanumeric sender. Both raise AddressError with a sentence; ``{field}``
   in it stands for the name under which the caller's user knows the value.
2. ``same_number`` compares a number of ours with one that a network wrote, which may be in its national form.

Limits: 20 digits (SMPP 3.4 section 4.4.1: destination_addr is 21 octets with its NUL), 11 septets of an alphanumeric
address (GSM 03.40 9.1.2.5).
"""

import re

from smsconnector.errors import AddressError
from smsconnector.sms import alphabet

NUMBER_DIGITS = 20
SENDER_SEPTETS = 11
LAST_DIGITS = 7  # which national and international forms of a number share
WITH_PREFIX = 10  # digits; a longer number that begins with 00 has the international prefix, a short code has not
# What a copied number brings along and nobody sees: spaces without width, marks of the direction of writing, a byte
# order mark.
_INVISIBLE = "\u00ad\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff"
_DECORATION = str.maketrans("", "", " -()./\u00a0\u2009\u202f\u2010\u2011\u2012\u2013" + _INVISIBLE)
_NUMBER = re.compile(r"\+?[0-9]{3,20}")
_SENDER_NUMBER = re.compile(r"\+?[0-9]{1,20}")


def normal_number(text: str) -> str:
    """A number as the SMSC wants it: 3 to 20 digits. Plus, spaces, dashes, dots, slashes, brackets and what is not
    seen are taken off, and the international prefix 00. Raises AddressError."""
    number = text.translate(_DECORATION).strip()
    if not _NUMBER.fullmatch(number):
        raise AddressError(
            "invalid_number",
            f"{{field}} is not a phone number: write 3 to {NUMBER_DIGITS} digits, as in +923001234567.",
        )
    return _digits(number)


def normal_sender(text: str | None) -> str | None:
    """A number (written as freely as a destination), a short code, or an alphanumeric sender of up to 11 GSM
    characters; None for none. Raises AddressError."""
    if text is None or text == "":
        return None
    plain = text.translate(_DECORATION).strip()
    if _SENDER_NUMBER.fullmatch(plain):
        return _digits(plain)
    text = text.strip()
    is_plain = text.isascii() and text.isprintable()
    if not text or not is_plain or alphabet.foreign_to_gsm7(text) or alphabet.septet_count(text) > SENDER_SEPTETS:
        raise AddressError(
            "invalid_sender",
            f"{{field}} is neither a number of up to {NUMBER_DIGITS} digits nor a name of up to {SENDER_SEPTETS} "
            "letters, digits and spaces.",
        )
    return text


def same_number(left: str, right: str) -> bool:
    """Whether two spellings may be one number: national and international forms share their last digits; plus signs
    and zeros before the number don't count. "" is no number."""
    left, right = left.lstrip("+0"), right.lstrip("+0")
    return bool(left and right) and (left.endswith(right[-LAST_DIGITS:]) or right.endswith(left[-LAST_DIGITS:]))


def _digits(number: str) -> str:
    """Without the plus, and without the international prefix 00 where it is too long for a short code."""
    digits = number.removeprefix("+")
    return digits.removeprefix("00") if len(digits) > WITH_PREFIX else digits
