"""The ways in which SMSCs write one message id.

A receipt finds its submit by the id in submit_sm_resp. SMPP 3.4 leaves open how an id is written, and many SMSCs write
it in the receipt in another way than in the response:

- in upper case, with zeros before it, a UUID without its dashes. ``id_key`` takes such differences away.
- hexadecimal in the response and decimal in the receipt, or the other way round. ``id_candidates`` gives the keys to
  look for then.
"""

import re

_HEXADECIMAL = re.compile(r"[0-9a-f]{1,20}")  # 64 bits are 20 decimal digits
# How the id in a receipt becomes the one of its response: as it is, or from one notation to the other.
RAW, DECIMAL_TO_HEX, HEX_TO_DECIMAL = "raw", "decimal-to-hex", "hex-to-decimal"
OTHER_WAY = {RAW: RAW, DECIMAL_TO_HEX: HEX_TO_DECIMAL, HEX_TO_DECIMAL: DECIMAL_TO_HEX}


def id_key(smsc_id: str) -> str:
    """``smsc_id`` as ids are stored and looked up: in lower case, without leading zeros, dashes and ``0x``."""
    key = smsc_id.strip().lower().replace("-", "")
    if key.startswith("0x"):
        key = key[2:]
    return key.lstrip("0") or "0"


def is_hexadecimal(smsc_id: str) -> bool:
    """Whether it may be a number of 64 bits in hexadecimal or decimal digits, or a UUID: then case says nothing."""
    return re.fullmatch(r"[0-9a-f]{1,32}", id_key(smsc_id)) is not None


def id_candidates(smsc_id: str) -> list[tuple[str, str]]:
    """The keys under which the other id of the same message may have been stored, likeliest first, each with the
    conversion that leads to it: RAW, DECIMAL_TO_HEX or HEX_TO_DECIMAL."""
    key = id_key(smsc_id)
    candidates = {key: RAW}
    if _HEXADECIMAL.fullmatch(key):
        if key.isdigit():
            candidates.setdefault(f"{int(key):x}", DECIMAL_TO_HEX)
        candidates.setdefault(str(int(key, 16)), HEX_TO_DECIMAL)
    return [(form, found) for found, form in candidates.items()]
