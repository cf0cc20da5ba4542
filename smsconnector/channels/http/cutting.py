"""How a text is cut for a provider that takes so many characters in one request.

Most providers cut long texts themselves, so a text is one piece unless the configuration says otherwise. The length is
counted in UTF-16 code units, as most of them count: an emoji is two.
"""

from smsconnector.errors import TextError
from smsconnector.sms.alphabet import utf16_units
from smsconnector.sms.choice import choose
from smsconnector.sms.segmentation import Split, pieces


def cut(
    text: str, maximum: int | None, *, may_split: bool = False, maximum_parts: int = 10, transliterate: bool = False
) -> Split:
    """The text in pieces of at most ``maximum``; None: in one. Characters that belong together are not torn. Raises
    TextError: ``text_too_long``, or ``too_many_segments``."""
    chosen = choose(text, lambda _text, _alphabet: 1, may_transliterate=transliterate)
    length = utf16_units(chosen.text)
    parts: tuple[str, ...] = (chosen.text,)
    if maximum is not None and length > maximum:
        if not may_split:
            raise TextError(
                "text_too_long", f"The text has {length} characters and the maximum is {maximum}; shorten it."
            )
        parts = tuple(pieces(chosen.text, maximum))
        if len(parts) > maximum_parts:
            raise TextError(
                "too_many_segments",
                f"The text needs {len(parts)} messages and the maximum is {maximum_parts}; shorten it.",
                len(parts),
            )
    return Split(chosen.alphabet, parts, chosen.forced_by, chosen.transliterated)
