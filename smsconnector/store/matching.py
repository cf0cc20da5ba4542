"""Which segment does a receipt belong to? Ids are compared in every form that SMSCs are known to use.

Each receipt is looked up under all forms at once. A segment found under the form this account's receipts were
seen to use (the raw one, until another was seen) may be taken by its id alone; one found under another form
must also be to the number that the receipt names. Where several are left, the better one is, in this order:
under way rather than ended; to that number; in the form seen most; the newest. No setting is needed.
"""

from collections import Counter
from dataclasses import dataclass

from smsconnector.lifecycle import SegmentState
from smsconnector.message_ids import RAW


@dataclass(frozen=True, slots=True)
class Candidate:
    """A segment that a receipt may belong to, found under ``form``."""

    segment_id: int
    state: SegmentState
    destination: str
    form: str


def same_number(left: str, right: str) -> bool:
    """Whether two spellings may be one number: national and international forms share their last digits."""
    left, right = left.lstrip("+0"), right.lstrip("+0")
    return bool(left and right) and (left.endswith(right[-7:]) or right.endswith(left[-7:]))


class Matcher:
    """Learns per account in which form ids come, and picks among candidates."""

    def __init__(self) -> None:
        self._seen: dict[str, Counter[str]] = {}

    def pick(self, account: str, destination: str, candidates: list[Candidate]) -> Candidate | None:
        """The segment that the receipt belongs to; None if no candidate is good enough."""
        seen = self._seen.setdefault(account, Counter())
        usual = seen.most_common(1)[0][0] if seen else RAW
        fitting = [
            (one, same_number(one.destination, destination))
            for one in candidates
            if one.form == usual or same_number(one.destination, destination)
        ]
        if not fitting:
            return None
        best, number_fits = min(
            fitting,
            key=lambda pair: (
                pair[0].state in (SegmentState.DELIVERED, SegmentState.FAILED),
                not pair[1],
                -seen[pair[0].form],
                pair[0].form != RAW,
                -pair[0].segment_id,
            ),
        )
        if len(fitting) == 1 and number_fits:
            seen[best.form] += 1
        return best
