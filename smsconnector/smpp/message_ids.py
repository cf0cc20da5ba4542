"""The forms in which SMSCs write one message id: the response to a submit and its receipt often disagree.

Hexadecimal in the response and decimal in the receipt, the other way round, padded with zeros, upper case, a
UUID with or without dashes. ``id_key`` takes the harmless differences away; ``id_candidates`` adds the others.
"""

import re

_HEXADECIMAL = re.compile(r"[0-9a-f]{1,20}")  # 20: the decimal digits of 64 bits
RAW, DECIMAL_TO_HEX, HEX_TO_DECIMAL = "raw", "decimal-to-hex", "hex-to-decimal"
OTHER_WAY = {RAW: RAW, DECIMAL_TO_HEX: HEX_TO_DECIMAL, HEX_TO_DECIMAL: DECIMAL_TO_HEX}


def id_key(smsc_id: str) -> str:
    """The form under which ids are stored and looked up: lower case, no leading zeros, no dashes, no ``0x``."""
    key = smsc_id.strip().lower().replace("-", "")
    if key.startswith("0x"):
        key = key[2:]
    return key.lstrip("0") or "0"


def id_candidates(smsc_id: str) -> list[tuple[str, str]]:
    """The (form, key) pairs under which the other side of a correlation may have been stored, likeliest first."""
    key = id_key(smsc_id)
    candidates = {key: RAW}
    if _HEXADECIMAL.fullmatch(key):
        if key.isdigit():
            candidates.setdefault(f"{int(key):x}", DECIMAL_TO_HEX)
        candidates.setdefault(str(int(key, 16)), HEX_TO_DECIMAL)
    return [(form, found) for found, form in candidates.items()]
