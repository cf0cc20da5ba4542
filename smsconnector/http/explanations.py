"""What codes mean, as JSON: that of a message that has ended, the last error of a segment, those of its history."""

from dataclasses import replace
from typing import Any

from smsconnector.codes import Codes, Explanation, explain
from smsconnector.codes.words import WORDS
from smsconnector.lifecycle import MessageState, SegmentState
from smsconnector.store.finding import FoundMessage, FoundSegment

_NO_FAILURE = Explanation("The receipt tells of no failure; its code says no more than that.", None)


def explain_end(row: FoundMessage, codes: Codes) -> Explanation:
    """What the code of a message that has ended means. ``codes`` are those of its channel."""
    ends = [one for one in row.segments if one.code == row.code]
    decisive = next((one for one in ends if one.state == SegmentState.FAILED), ends[-1] if ends else None)
    told = (decisive,) if decisive is not None else row.segments
    explained = explain(
        "" if row.code is None else row.code,
        codes,
        was_taken=any(one.smsc_id is not None for one in told),
        account=decisive.account if decisive is not None else None,
        word=(decisive.told or "") if decisive is not None else "",
    )
    if row.state == MessageState.DELIVERED and explained.action is not None:
        return Explanation("The text was delivered; the code says no more than that.", None)
    return explained


def explain_last_error(segment: FoundSegment, codes: Codes) -> Explanation | None:
    """Of a segment that waits or has failed; None if there is none."""
    if segment.code is None:
        return None
    if segment.state == SegmentState.FAILED and segment.smsc_id is not None:
        return explain_receipt(segment.code, segment.told, codes, segment.account)
    return explain_submit(segment.code, codes, segment.bind, segment.account)


def explain_submit(code: int | str, codes: Codes, bind: str | None, account: str | None = None) -> Explanation:
    """What the response to a submit says, by the bind that has made it, or else by the account. Who has a bind, has
    SMPP's numbers, though its channel may not be configured any more."""
    if bind is not None and codes.numbers != "smpp":
        codes = replace(codes, numbers="smpp")
    return explain(code, codes, was_taken=False, account=codes.account_of(bind) or account)


def explain_receipt(code: int | str | None, word: str | None, codes: Codes, account: str | None) -> Explanation:
    """What a receipt says: by its code, and by its word."""
    said = explain((word or "") if code is None else code, codes, account=account, word=word or "")
    return _NO_FAILURE if _is_good(word) and said.action is not None else said


def _is_good(word: str | None) -> bool:
    """Whether it is a word of no failure: a code beside it is then no error, whatever it is at other times."""
    return word is not None and (known := WORDS.get(word.upper())) is not None and known.action is None


def explanation(one: Explanation) -> dict[str, Any]:
    """For JSON; ``action`` is null where nothing is to be done."""
    return {"text": one.text, "action": one.action.value if one.action is not None else None}
