"""Numbers and senders: one rule for the door, the configuration, the doctor and the matching of receipts.

1. ``normal_number`` and ``normal_sender`` make what people write into what the SMSC wants: digits without a plus and
   without the international prefix 00, or an alphanumeric sender. Both raise AddressError with a sentence; ``{field}``
   in it stands for the name under which the caller's user knows the value. Numbers that begin with a plus or with 00,
   and have more than digits, are read by phonenumbers. Digits alone never are, for that takes tens of microseconds.
2. ``in_country`` makes the international number of one that is dialled inside a country: what begins with one zero, for
   no international number does.
3. ``same_number`` compares a number of ours with one that a network wrote, which may be in its national form.

Limits: 20 digits (SMPP 3.4 section 4.4.1: destination_addr is 21 octets with its NUL), 11 septets of an alphanumeric
address (GSM 03.40 9.1.2.5).
"""

import re

from smsconnector.errors import AddressError
from smsconnector.sms import alphabet

NUMBER_DIGITS = 20
SENDER_SEPTETS = 11
LAST_DIGITS = 7  # which national and international forms of a number share
SHORT_CODE_DIGITS = 6  # what has no more is no national number
WITH_PREFIX = 10  # digits; a longer number that begins with 00 has the international prefix, a short code has not
# What a copied number brings along and nobody sees: spaces without width, marks of the direction of writing, a byte
# order mark.
_UNSEEN = (
    "\u00ad\u061c\u180e\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2061\u2062\u2063\u2064\u2066"
    "\u2067\u2068\u2069\ufe0e\ufe0f\ufeff"
)
_SPACES = " \u00a0\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
_DASHES = "-\u2010\u2011\u2012\u2013\u2014\u2015\u2212"
_IN_ASCII = {
    **dict.fromkeys(map(ord, _UNSEEN)),
    **dict.fromkeys(map(ord, _SPACES), " "),
    **dict.fromkeys(map(ord, _DASHES), "-"),
}
_DECORATION = str.maketrans("", "", _UNSEEN + _SPACES + _DASHES + "()./")
_NUMBER = re.compile(r"\+?[0-9]{3,20}")
_SENDER_NUMBER = re.compile(r"\+?[0-9]{1,20}")


def normal_number(text: str) -> str:
    """A number as the SMSC wants it: 3 to 20 digits. Plus, spaces, dashes, dots, slashes, brackets and what is not
    seen are taken off, and the international prefix 00. Raises AddressError."""
    if _NUMBER.fullmatch(text):  # as nearly all are written: there is nothing to take off
        return _digits(text, text, "invalid_number")
    number = text.translate(_DECORATION).strip()
    if not _NUMBER.fullmatch(number):
        raise AddressError(
            "invalid_number",
            f"{{field}} is not a phone number: write 3 to {NUMBER_DIGITS} digits, as in +923001234567.",
        )
    return _digits(number, text, "invalid_number")


def normal_sender(text: str | None) -> str | None:
    """A number (written as freely as a destination), a short code, or an alphanumeric sender of up to 11 GSM
    characters; None for none. Raises AddressError."""
    if text is None or text == "":
        return None
    plain = text.translate(_DECORATION).strip()
    if _SENDER_NUMBER.fullmatch(plain):
        return _digits(plain, text, "invalid_sender")
    text = text.strip()
    is_plain = text.isascii() and text.isprintable()
    if not text or not is_plain or alphabet.foreign_to_gsm7(text) or alphabet.septet_count(text) > SENDER_SEPTETS:
        raise AddressError(
            "invalid_sender",
            f"{{field}} is neither a number of up to {NUMBER_DIGITS} digits nor a name of up to {SENDER_SEPTETS} "
            "letters, digits and spaces.",
        )
    return text


def in_country(number: str, country: str | None) -> str:
    """A number of ``normal_number`` in its international form, if it is one that is dialled inside ``country`` (two
    letters of ISO 3166; None: nobody knows): 03001234567 of PK is 923001234567. Such a number begins with a zero, for
    that no country code does, and is longer than a short code. Raises AddressError for what can't be a number there."""
    is_national = number[:1] == "0" and number[:2] != "00" and len(number) > SHORT_CODE_DIGITS and number.isdigit()
    if country is None or not is_national:
        return number
    digits, reason = _looked_up(number, country, "it is none")
    if not reason:
        return digits
    import phonenumbers  # noqa: PLC0415 — as in _looked_up

    code = phonenumbers.country_code_for_region(country)
    raise AddressError(
        "invalid_number",
        f"{{field}} is no number of {country}: {reason}. Mend it, or write it with its country code, as"
        f" {_example_of(code, country)}.",
    )


def normal_country(text: str) -> str:
    """The country of ``in_country``, in capitals. Raises ValueError for what is none, and where national numbers have
    no zero before them, so that ``in_country`` would change nothing."""
    import phonenumbers  # noqa: PLC0415 — as in _looked_up

    country = text.upper()
    if country not in phonenumbers.SUPPORTED_REGIONS:
        raise ValueError(f"{text!r} is no country: write its two letters by ISO 3166, as PK")
    kinds = (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE)
    examples = [one for kind in kinds if (one := phonenumbers.example_number_for_type(country, kind)) is not None]
    national = [phonenumbers.format_number(one, phonenumbers.PhoneNumberFormat.NATIONAL) for one in examples]
    if not any(one.lstrip("(").startswith("0") for one in national):
        code = phonenumbers.country_code_for_region(country)
        raise ValueError(
            f"national numbers of {country} are not written with a 0 before them, so they can't be told from others:"
            f" leave it out, and write numbers with their country code, +{code}..."
        )
    return country


def _example_of(code: int, country: str) -> str:
    import phonenumbers  # noqa: PLC0415 — as below

    found = phonenumbers.example_number_for_type(country, phonenumbers.PhoneNumberType.MOBILE)
    if found is None:
        return f"+{code}..."
    return str(phonenumbers.format_number(found, phonenumbers.PhoneNumberFormat.E164))


def same_number(left: str, right: str) -> bool:
    """Whether two spellings may be one number: national and international forms share their last digits; plus signs
    and zeros before the number don't count. "" is no number."""
    left, right = left.lstrip("+0"), right.lstrip("+0")
    return bool(left and right) and (left.endswith(right[-LAST_DIGITS:]) or right.endswith(left[-LAST_DIGITS:]))


def same_subscriber(left: str, right: str) -> bool:
    """Whether two spellings are of one number, for sure: as ``same_number``, but all digits of the shorter one count. A
    number that shares its last digits only is somebody else's. Short codes and names have to be the same."""
    left, right = left.lstrip("+0"), right.lstrip("+0")
    if left == right:
        return bool(left)
    shorter, longer = sorted((left, right), key=len)
    return len(shorter) > LAST_DIGITS and shorter.isdigit() and longer.endswith(shorter)


def number_tail(number: str) -> str:
    """The last digits, which all spellings have that ``same_subscriber`` takes for one number."""
    return number.lstrip("+0")[-LAST_DIGITS:]


def _digits(number: str, written: str, code: str) -> str:
    """Without the plus, and without the international prefix 00 where it is too long for a short code. ``number`` is
    what was ``written``, without decoration. ``code`` is that of the error."""
    digits = number.removeprefix("+")
    has_prefix = digits.startswith("00") and len(digits) > WITH_PREFIX
    if number != written and (has_prefix or digits != number):
        seen = written.translate(_IN_ASCII).strip()
        if seen != number:
            return _international(seen.replace("0", "", 2) if has_prefix else seen, code)
    return digits[2:] if has_prefix else digits


def _looked_up(written: str, country: str | None, unclear: str) -> tuple[str, str]:
    """By the tables of phonenumbers: the digits of a number in its international form, and ""; or "" and why it is
    none. ``country``: whose it is if it has no plus; ``unclear`` is said where phonenumbers gives no reason."""
    import phonenumbers  # noqa: PLC0415 — takes 20 ms, and most never need it

    try:
        number = phonenumbers.parse(written, country)
    except phonenumbers.NumberParseException as error:
        return "", _PARSE_ERRORS.get(error.error_type, unclear)
    reason = _LENGTHS.get(phonenumbers.is_possible_number_with_reason(number), "its length is wrong")
    if reason:
        return "", reason
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164).removeprefix("+"), ""


def _international(written: str, code: str) -> str:
    """The digits of a number with a plus and decoration. A zero that is dialled only inside its country is taken off,
    as in +44 (0)7911 123456; which countries have one, and which numbers they have, is known by phonenumbers.

    Raises AddressError for what can't be a number there. (Its length is judged, and not whether somebody has it.)"""
    digits, reason = _looked_up("+" + written.replace("+", ""), None, "its country is not to be told")
    if not reason:
        return digits
    raise AddressError(
        code,
        f"{{field}} is not an international number: {reason}. Mend it, or write its digits alone, as +923001234567.",
    )


# By the numbers of phonenumbers.NumberParseException and phonenumbers.ValidationResult.
_PARSE_ERRORS = {
    0: "no country has this code",
    2: "it is too short",
    3: "it is too short",
    4: "it is too long",
}
_LENGTHS = {
    0: "",
    1: "no country has this code",
    2: "it is too short",
    3: "it is too long",
    4: "it is too short, for the area code is missing",
    5: "its length is not one of its country's",
}
