"""Which segment does a receipt belong to? Ids are compared in every form that SMSCs are known to use.

Each receipt is looked up under all forms at once. Of the segments that are to the number which the receipt names,
those found under the form this account's receipts were seen to use count first (the raw one, until another was
seen), then the others, unless so many were seen in that form that it is the account's, until as many in a row were not;
of several, the one under way, then the newest. A segment to another number (carriers write
numbers in more ways than there are) is taken by its id alone: under the form in use, under way, and only where the
receipt is marked as one. An id of many digits is looked up in every form for ever: some SMSCs have nodes that write
them otherwise. Everything else is no match; the receipt waits for a better one. No setting is needed.

What was submitted over one account may be told over another of the same system_id: a carrier's hosts stand for each
other. There the number has to fit and the id to be of many digits, for hosts may count each for itself as well.
"""

from collections import Counter
from dataclasses import dataclass

from smsconnector.lifecycle import SegmentState
from smsconnector.messages import Receipt
from smsconnector.smpp.message_ids import RAW, id_key
from smsconnector.sms.addresses import same_number


@dataclass(frozen=True, slots=True)
class Candidate:
    """A segment that a receipt may belong to, submitted over ``account``, found under ``form``."""

    account: str
    segment_id: int
    state: SegmentState
    destination: str
    form: str


LEARNED = 20  # receipts that were seen in one form, until no other is thought of that was never seen
MANY_DIGITS = 6  # of an id: read in another form it hits no other text to that number by chance


def is_long(smsc_id: str) -> bool:
    return len(id_key(smsc_id)) >= MANY_DIGITS


class Matcher:
    """Learns per account in which form ids come, and picks among candidates."""

    def __init__(self) -> None:
        self._seen: dict[str, Counter[str]] = {}
        self._strange: Counter[str] = Counter()  # receipts in a row that would fit in a form that was never seen only

    def may_be(self, account: str, form: str, smsc_id: str) -> bool:
        """Whether this id may come in that form in the receipts of this account."""
        seen = self._seen.get(account)
        return seen is None or bool(seen[form]) or seen.total() < LEARNED or is_long(smsc_id)

    def pick(self, receipt: Receipt, candidates: list[Candidate]) -> Candidate | None:
        """The segment that the receipt belongs to; None if no candidate is good enough."""
        own = [one for one in candidates if one.account == receipt.account]
        found = self._pick_own(receipt, own) if own else None
        return found or self._pick_kin(receipt, [one for one in candidates if one.account != receipt.account])

    def _pick_kin(self, receipt: Receipt, candidates: list[Candidate]) -> Candidate | None:
        """Of those that another account has; they are asked for where the id is long."""
        for number in (receipt.destination, receipt.addressee):
            fitting = [one for one in candidates if same_number(one.destination, number)]
            if fitting:
                return max(fitting, key=_likelihood)
        return None

    def _pick_own(self, receipt: Receipt, candidates: list[Candidate]) -> Candidate | None:
        account, destination, addressee = receipt.account, receipt.destination, receipt.addressee
        marked = receipt.incoming is None
        seen = self._seen.setdefault(account, Counter())
        usual = seen.most_common(1)[0][0] if seen else RAW
        candidates = [one for one in candidates if self.may_be(account, one.form, receipt.smsc_id)]
        self._strange[account] = 0 if candidates else self._strange[account] + 1
        if self._strange[account] >= LEARNED:  # the SMSC writes them in another way now
            seen.clear()
        fitting = [one for one in candidates if same_number(one.destination, destination)]
        if not fitting and marked:  # the SMSC does not swap the addresses, or names none
            fitting = [one for one in candidates if same_number(one.destination, addressee)]
            if not destination and len(candidates) == 1 and not is_final(candidates[0].state):
                fitting = candidates
        if not fitting:
            by_id = [one for one in candidates if one.form == usual and (not is_final(one.state) or not destination)]
            return max(by_id, key=_likelihood) if by_id and marked else None
        if len(fitting) == 1 and not is_final(fitting[0].state):
            seen[fitting[0].form] += 1
        in_use = [one for one in fitting if one.form == usual]
        return max(in_use or fitting, key=_likelihood)


def _likelihood(candidate: Candidate) -> tuple[bool, bool, int]:
    return not is_final(candidate.state), candidate.form == RAW, candidate.segment_id


def is_final(state: SegmentState) -> bool:
    """Whether a receipt for a segment in this state is a repeat."""
    return state in (SegmentState.DELIVERED, SegmentState.FAILED)
