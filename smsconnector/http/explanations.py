"""What the code of a message that has ended means, as JSON."""

from typing import Any

from smsconnector.codes import Codes, Explanation, explain
from smsconnector.lifecycle import MessageState, SegmentState
from smsconnector.store.finding import FoundMessage


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


def explanation(one: Explanation) -> dict[str, Any]:
    """For JSON; ``action`` is null where nothing is to be done."""
    return {"text": one.text, "action": one.action.value if one.action is not None else None}
