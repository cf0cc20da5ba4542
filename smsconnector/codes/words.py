"""Words: of receipts (``stat``; SMPP 3.4 appendix B table B-2, and what carriers write), of the TLV message_state, of
HTTP providers, and the connector's own of ``lifecycle``.

``smpp.receipt.STATUS_WORDS`` and its kin say which of these end a message; here is what they mean to people. Words are
the same in capitals and in small letters.
"""

from smsconnector.codes.actions import Action, Explanation, sentence
from smsconnector.lifecycle import (
    CODE_ACCEPTED,
    CODE_CANCELLED,
    CODE_EXPIRED,
    CODE_NO_FAILURE,
    CODE_NO_RECEIPT,
    CODE_OPTED_OUT,
    CODE_UNKNOWN,
    CODE_UNSENDABLE,
)

_LATER, _NUMBER, _SENDER = Action.RETRY_LATER, Action.FIX_THE_NUMBER, Action.FIX_THE_SENDER
_TEXT, _CONFIGURATION, _CARRIER = Action.FIX_THE_TEXT, Action.FIX_THE_CONFIGURATION, Action.CALL_THE_CARRIER

# The connector's own. Three of them are words of receipts too: there they are about a text that the network had taken.
OWN: dict[str, Explanation] = {
    CODE_EXPIRED: Explanation("The network has not taken the text within its lifetime.", _LATER),
    CODE_NO_RECEIPT: Explanation(
        "The network has taken the text, and has not told in time what became of it.", _CARRIER
    ),
    CODE_UNKNOWN: Explanation(
        "The network did not answer the submit, so the text may have been sent: look before you send it again.",
        _CARRIER,
    ),
    CODE_ACCEPTED: Explanation("The network has taken the text; no receipts are asked for.", None),
    CODE_NO_FAILURE: Explanation("The network has taken the text, and has told of no failure.", None),
    CODE_CANCELLED: Explanation("The text was taken back before it was sent.", None),
    CODE_OPTED_OUT: Explanation(
        "Whoever has this number wants no more texts, so nothing was sent.", Action.RECIPIENT_OPTED_OUT
    ),
    CODE_UNSENDABLE: Explanation("The provider's request can't carry this text or this sender.", _TEXT),
}
_BY_ACTION: dict[Action | None, dict[str, str]] = {
    None: {
        "the handset has the text": "DELIVRD DELIVERD DELIVERED READ",
        "the text is on its way": "ENROUTE SENT SENDING BUFFERED BUFFRED QUEUED PENDING ACKED ACTIVE",
        "the network has taken the text": "ACCEPTD ACCEPTED SUBMITD SUBMITTED",
        "the text is kept for a later time": "SCHEDULED SCHEDLD",
    },
    _LATER: {
        "the validity ended before the handset could be reached": "EXPIRED EXPIRE TIME-OUT-PROM",
        "the handset is switched off or out of reach": "ABSENT-SUB MOB-OFF",
        "the handset is busy": "HANDSET-BUSY",
        "the handset did not take the text": "HANDSET-ERR",
        "the handset has no room for more texts": "MEMEXEC",
        "a failure of the network": "NET-ERR SYSERR SERVER-ERR ERROR",
    },
    _NUMBER: {
        "nobody has this number": "INV-NUMBER INVALID-SUB",
        "the number is of a series that is blocked": "SERIES-BLK SERIES-BLOCK",
    },
    _SENDER: {"the sender is not registered": "SENDER-ID-NOT-FOUND SNDRID-NOT-ALLOTED"},
    _TEXT: {
        "the text fits no template that is registered": "INV-TEMPLATE INV-TEMPLATE-MATCH TEMPLATE-NOT-FOUND",
        "the text was taken for spam": "SPAM",
        "the carrier takes no texts of several parts": "REJECTED-MULTIPART",
    },
    _CONFIGURATION: {"the account has no credit": "NOCRED NO-CREDITS"},
    _CARRIER: {
        "the handset could not get the text, and the network does not say why": (
            "UNDELIV UNDELIVRD UNDELIVERED UNDELIVERABLE NON_DELIVERED FAILED FAIL NACK"
        ),
        "the network refuses the text": "REJECTD REJECTED REJECT OUTPUT-REJ",
        "somebody has deleted the text at the network": "DELETED DELETE CANCELED CANCELLED",
        "the network has passed the text over": "SKIPPED",
        "the network does not know what became of the text": "UNKNOWN",
        "the number or the sender is blocked": "BLACKLST BLACKLISTED BLACKLIST BLOCKED BARRED",
    },
    Action.RECIPIENT_OPTED_OUT: {
        "whoever has this number wants no such texts": "DND_REJECTED DNDNUMB NOT-OPTIN",
    },
}
WORDS: dict[str, Explanation] = {
    word: Explanation(sentence(phrase), action)
    for action, phrases in _BY_ACTION.items()
    for phrase, words in phrases.items()
    for word in words.split()
}
STATES = (  # the word of ``stat`` for each message_state (SMPP 3.4 section 5.2.28; 0 and 9 of 5.0)
    "SCHEDULED",
    "ENROUTE",
    "DELIVRD",
    "EXPIRED",
    "DELETED",
    "UNDELIV",
    "ACCEPTD",
    "UNKNOWN",
    "REJECTD",
    "SKIPPED",
)


def explain_state(state: int) -> Explanation:
    """What the TLV message_state says; a number without a word has no action."""
    if 0 <= state < len(STATES):
        return WORDS[STATES[state]]
    return Explanation(f"The message_state {state} is not known.", Action.CALL_THE_CARRIER, is_known=False)
