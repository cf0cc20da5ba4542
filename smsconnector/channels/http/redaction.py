"""What may be shown of a provider's own words: they quote the number, the text and the key that they complain about.

Words are shown whole or not at all, for nobody knows where a quote ends. They are not shown if ``RUN`` letters and
digits in a row of the number, the text or a secret are among them, or a whole value that is shorter. It does not
matter how they are escaped: for HTML, JSON or a URL, or with other blanks and punctuation between them.
"""

import base64
import html
import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from urllib.parse import quote, quote_plus, unquote, unquote_plus

from smsconnector.sections import CODE

SHOWN_CHARACTERS = 200
READ_CHARACTERS = 4_096  # of the provider's words; what stands behind them is not shown
RUN = 8  # letters and digits
LEAST = 4  # letters and digits; a shorter value is a part of many words
_NUMBER = re.compile(r"\+?\d[\d ().-]{4,}\d")  # of whomever
_IN_JSON = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))")
_CONTROLS = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}


def shown_words(words: str, hidden: Iterable[str], secrets: Sequence[str]) -> str:
    """The words on one line, and not too many; "" if they quote what is ``hidden``, or a part of a secret. A whole
    secret is masked."""
    words = words[:READ_CHARACTERS]
    for form in sorted({form for one in secrets for form in forms_of(one)}, key=len, reverse=True):
        words = words.replace(form, "***")
    if quotes(words, (*hidden, *secrets)):
        return ""
    line = "".join(character if character.isprintable() else " " for character in _NUMBER.sub("***", words))
    return line if len(line) <= SHOWN_CHARACTERS else f"{line[:SHOWN_CHARACTERS]}..."


def shown_code(code: int | str | None, hidden: Iterable[str], secrets: Sequence[str]) -> int | str | None:
    """The code, if it is a short word that quotes nothing; else None."""
    written = str(code)
    if not CODE.fullmatch(written) or quotes(written, (*hidden, *secrets)):
        return None
    return code


def quotes(words: str, hidden: Iterable[str]) -> bool:
    """Whether the words have a part of one of the values."""
    if not words:
        return False
    said = [_letters(one) for one in _unescaped(words)]
    for value in hidden:
        letters = _letters(value)
        if len(letters) < LEAST:
            continue
        size = min(RUN, len(letters))
        runs = {letters[at : at + size] for at in range(len(letters) - size + 1)}
        if any(one[at : at + size] in runs for one in said for at in range(len(one) - size + 1)):
            return True
    return False


def forms_of(secret: str) -> list[str]:
    """A secret as it may stand in an answer, the longest form first."""
    by_percent = [quote(secret, safe=""), quote(secret), quote_plus(secret)]
    in_json = [json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]]
    forms = {
        secret,
        *by_percent,
        *map(_lower_escapes, by_percent),
        html.escape(secret),
        html.escape(secret, quote=False),
    }
    forms |= {*in_json, *(one.replace("/", "\\/") for one in in_json), base64.b64encode(secret.encode()).decode()}
    return sorted(forms - {""}, key=len, reverse=True)


def _lower_escapes(text: str) -> str:
    return re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), text)


def _letters(text: str) -> str:
    """Letters and digits alone, as they are compared."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", text).casefold()))


def _unescaped(words: str) -> set[str]:
    """The words, and what they are if they are escaped, once or twice."""
    found = {words}
    for _ in range(2):
        for one in tuple(found):
            found |= {unquote(one), unquote_plus(one), html.unescape(one), _IN_JSON.sub(_json_character, one)}
    return found


def _json_character(found: re.Match[str]) -> str:
    return chr(int(found[1], 16)) if found[1] else _CONTROLS.get(found[2], found[2])
