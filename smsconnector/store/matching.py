"""Which segment a receipt belongs to.

A receipt names the message id that the SMSC gave in its submit_sm_resp. SMPP 3.4 leaves open how an id is written, so
the id in the receipt may be written in another form. The forms are those of ``smpp.message_ids``: as it is, hexadecimal
for decimal, and decimal for hexadecimal. The store looks every receipt up under all of them. The segments that it finds
are the *candidates*. ``Matcher.pick`` chooses one of them, or none:

1. The usual form of an account is the one that most of its matched receipts came in; RAW before the first match.
2. After ``RECEIPTS_TO_LEARN`` matched receipts of an account, a candidate in a form that the account has never used is
   left out. Ids of ``MANY_DIGITS`` digits or more are excepted: some SMSCs have nodes that write their ids in different
   forms, and a long id hits a wrong segment hardly ever.
3. If every candidate was left out so, ``RECEIPTS_TO_LEARN`` times in a row, the SMSC has changed its form. What was
   learned of the account is forgotten.
4. Candidates sent to the number in the receipt's source_addr come first. If there are none, and the receipt is marked
   as one in its esm_class, those sent to its destination_addr are taken: some SMSCs do not swap the addresses.
5. If no number fits, a marked receipt is matched by its id alone. The candidate must have the usual form and must not
   be final. A receipt without a source_addr may also repeat a final state, and may have any form if there is just one
   candidate. An id that stands for texts under way to several numbers says nothing alone, and neither does any id of
   an account that has just given the same one ``SAME_IN_A_ROW`` times.
6. Of several candidates those in the usual form come first; then one whose id is written exactly as in the receipt;
   then one that is not final; then one in RAW form; then the newest.

Some SMSCs count in base 62: ``xxxg`` and ``xxxG`` are two ids. Others change the case of one id on the way. An id with
letters that are no hexadecimal digits, and that differs in case only, is therefore in a form of its own: OTHER_CASE. It
counts as RAW, but rule 2 leaves it out however long it is.

Some SMSCs give the same id to many texts, or to all. Then only the number tells them apart, and only the newest
``MOST_CANDIDATES`` are looked at, so that the work for one receipt is bounded.

A channel may have several accounts with the same system_id, because one carrier runs several hosts. The receipt for a
submit over one of them may come over another. Such a candidate is taken only if there is none of the receipt's own
account. Its number must fit. The store asks for such candidates only where the id is long, because each host may count
its ids from 1.

The same is done for texts that were sent when the account had another name: see ``accounts``.

HTTP providers may name our own id instead, the MessageSID of a text or that of a part of it. It can't be guessed, and
stands for no other text. So it counts before all of these rules, unless the receipt may be a text from a handset.

A receipt without a match is not lost: the store parks it. Nothing of this needs a setting.
"""

from collections import Counter

from smsconnector.lifecycle import SegmentState
from smsconnector.messages import Receipt, record
from smsconnector.smpp.message_ids import RAW, id_key, is_hexadecimal
from smsconnector.sms.addresses import same_number


@record
class Candidate:
    """A segment that a receipt may belong to."""

    account: str  # over which it was submitted
    segment_id: int
    state: SegmentState
    destination: str  # the number it was sent to
    form: str  # how its id was found: OTHER_CASE, or RAW, DECIMAL_TO_HEX or HEX_TO_DECIMAL of smpp.message_ids
    segments: int = 1  # with those that follow it: all of its message, if the receipt names the message and no segment
    smsc_id: str = ""  # as the SMSC wrote it in its response


class OwnCandidate(Candidate):
    """One that the receipt names by our own id: the MessageSID, or that of a part."""

    __slots__ = ()


RECEIPTS_TO_LEARN = 20  # receipts of one account, after which a form that it has never used is left out
MOST_CANDIDATES = 100  # segments with one key that a receipt is compared with
SAME_IN_A_ROW = 3  # submits with one id, after which an account seems to give it to all
OTHER_CASE = "other-case"  # a form: the same but for upper and lower case, and no hexadecimal number
MANY_DIGITS = 6  # digits of an id that, read in another form, will hardly be the id of another text to that number


def is_long(smsc_id: str) -> bool:
    """Whether the id has so many digits that a match in any form is no accident."""
    return len(id_key(smsc_id)) >= MANY_DIGITS


def form_of(form: str, smsc_id: str, receipted: str) -> str:
    """The form of a candidate: ``form`` as its key was found, or OTHER_CASE.

    :param smsc_id: as in the response.
    :param receipted: as in the receipt."""
    if form != RAW or smsc_id == receipted or smsc_id.lower() != receipted.lower() or is_hexadecimal(smsc_id):
        return form
    return OTHER_CASE


class Matcher:
    """Learns in which form the ids of each account's receipts come, and picks among candidates. What it has learned is
    in memory only: a new process learns anew."""

    def __init__(self) -> None:
        self._seen: dict[str, Counter[str]] = {}  # by account: how many receipts came in each form
        self._left_out: Counter[str] = Counter()  # by account: receipts in a row whose candidates were all left out
        self._given: dict[str, tuple[str, int]] = {}  # by account: the last id, and how often it came in a row

    def given(self, account: str, key: str) -> None:
        """The account has given this id (``id_key``) to the next segment."""
        last, times = self._given.get(account, ("", 0))
        self._given[account] = (key, times + 1) if key == last else (key, 1)

    def ids_tell(self, account: str) -> bool:
        """Whether an id of this account tells one text from another."""
        return self._given.get(account, ("", 0))[1] < SAME_IN_A_ROW

    def may_be(self, account: str, form: str, smsc_id: str) -> bool:
        """Whether a receipt of this account may have this id in that form."""
        seen = self._seen.get(account)
        return (
            seen is None
            or bool(seen[form])
            or seen.total() < RECEIPTS_TO_LEARN
            or (form != OTHER_CASE and is_long(smsc_id))
        )

    def pick(self, receipt: Receipt, candidates: list[Candidate]) -> Candidate | None:
        """The segment that the receipt belongs to; None if no candidate is good enough."""
        if candidates and isinstance(candidates[-1], OwnCandidate) and receipt.incoming is None:
            return candidates[-1]
        own = [one for one in candidates if one.account == receipt.account]
        found = self._pick_own(receipt, own) if own else None
        if found is not None or len(own) == len(candidates):
            return found
        return self._pick_other(receipt, [one for one in candidates if one.account != receipt.account])

    def _pick_other(self, receipt: Receipt, candidates: list[Candidate]) -> Candidate | None:
        """The choice among the candidates of other accounts of the channel: the number has to fit."""
        for number in (receipt.destination, receipt.addressee):
            fitting = [one for one in candidates if same_number(one.destination, number)]
            if fitting:
                return _likeliest(receipt, fitting)
        return None

    def _pick_own(self, receipt: Receipt, candidates: list[Candidate]) -> Candidate | None:
        """The choice among the candidates of the receipt's own account; learns from it."""
        account, destination, addressee = receipt.account, receipt.destination, receipt.addressee
        marked = receipt.incoming is None  # esm_class says that it is a receipt
        seen = self._seen.setdefault(account, Counter())
        usual = _conversion(seen.most_common(1)[0][0]) if seen else RAW
        candidates = [one for one in candidates if self.may_be(account, one.form, receipt.smsc_id)]
        self._left_out[account] = 0 if candidates else self._left_out[account] + 1
        if self._left_out[account] >= RECEIPTS_TO_LEARN:  # the SMSC writes ids in another form now
            seen.clear()
        fitting = [one for one in candidates if same_number(one.destination, destination)]
        if not fitting and marked:  # an SMSC that does not swap the addresses, or leaves source_addr empty
            fitting = [one for one in candidates if same_number(one.destination, addressee)]
            if not destination and len(candidates) == 1 and not is_final(candidates[0].state):
                fitting = candidates
        if not fitting:
            usual = seen.most_common(1)[0][0] if seen else RAW
            return self._pick_by_id(receipt, [one for one in candidates if one.form == usual])
        if len(fitting) == 1 and not is_final(fitting[0].state):
            seen[fitting[0].form] += 1
        in_use = [one for one in fitting if _conversion(one.form) == usual]
        return _likeliest(receipt, in_use or fitting)

    def _pick_by_id(self, receipt: Receipt, candidates: list[Candidate]) -> Candidate | None:
        """The choice by the id alone: rule 5."""
        is_shared = len(candidates) >= MOST_CANDIDATES or not self.ids_tell(receipt.account)
        if receipt.incoming is not None or is_shared:
            return None
        found = [one for one in candidates if not is_final(one.state) or not receipt.destination]
        found = [one for one in found if one.smsc_id == receipt.smsc_id] or found
        if len({one.destination for one in found if not is_final(one.state)}) > 1:
            return None
        return _likeliest(receipt, found) if found else None


def _conversion(form: str) -> str:
    """The form without regard to case."""
    return RAW if form == OTHER_CASE else form


def _likeliest(receipt: Receipt, candidates: list[Candidate]) -> Candidate:
    """One of them, by rule 6."""
    if len(candidates) == 1:
        return candidates[0]
    return max(
        candidates,
        key=lambda one: (one.smsc_id == receipt.smsc_id, not is_final(one.state), one.form == RAW, one.segment_id),
    )


def is_final(state: SegmentState) -> bool:
    """Whether the segment has ended, so that another receipt for it changes nothing."""
    return state in (SegmentState.DELIVERED, SegmentState.FAILED)
