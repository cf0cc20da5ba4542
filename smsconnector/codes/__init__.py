"""What codes mean, and what to do about them: words and tables, and nothing else.

``explain`` answers for the code of a report (ProviderStatusCode), of a refusal or of a receipt. What it is made of:

``actions``         the actions, and what an explanation is
``command_status``  SMPP's statuses (the policy of refusals and the doctor use this table too)
``networks``        network_error_code: GSM, ANSI-136, IS-95
``words``           words of receipts and providers, message_state, the connector's own codes
``twilio``          Twilio's error codes (its channel uses this table too)
``http_statuses``   HTTP statuses, of providers that give no code

``err`` of a receipt is the carrier's own, so no table here has it: the configuration of a bind may (``codes``).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from smsconnector.codes.actions import Action, Explanation, phrase
from smsconnector.codes.command_status import MEANINGS, status_name
from smsconnector.codes.http_statuses import STATUSES
from smsconnector.codes.networks import GSM, SMPP, network_error
from smsconnector.codes.twilio import TWILIO
from smsconnector.codes.words import OWN, WORDS, explain_state

__all__ = ["ANY", "Action", "Codes", "Explanation", "OwnMeaning", "explain", "explain_state", "knows", "phrase"]


class OwnMeaning(NamedTuple):
    """What the configuration says of a code, by the way on which it came: in a receipt or a notification, or in the
    refusal of a submit. Some providers number both from 1 on."""

    told: Explanation
    refused: Explanation


OwnCodes = Mapping[str, OwnMeaning]  # by the code as it stands in a report: "8" is 8, and "008" is another one
_NOTHING: OwnCodes = {}
_NO_ERROR = Explanation("The network reports no error.", None)
_LONGEST_SHOWN = 40  # characters of a code that nobody knows


@dataclass(frozen=True, slots=True)
class Codes:
    """How one channel's codes are read. ``numbers``: what a number may be, "smpp" (command_status or
    network_error_code), "twilio" (Twilio's, else HTTP's) or "http". ``own``: the codes of the configuration, by the
    account over which a text was submitted. ``accounts``: that of each bind, by the bind's name."""

    numbers: str = "http"
    own: Mapping[str, OwnCodes] = field(default_factory=dict)
    accounts: Mapping[str, str] = field(default_factory=dict)

    def account_of(self, bind: str | None) -> str | None:
        """Of a bind, or of one of its sessions, which are called ``bind#1`` and so on."""
        if bind is None:
            return None
        return self.accounts.get(bind) or self.accounts.get(bind.rpartition("#")[0])

    def configured(self, code: str, account: str | None, was_taken: bool) -> Explanation | None:
        """What the configuration says of it; without an account, what it says for any."""
        accounts = self.own.values() if account is None else (self.own.get(account, _NOTHING),)
        found = next((one[code] for one in accounts if code in one), None)
        return None if found is None else found.told if was_taken else found.refused


ANY = Codes()


def explain(
    code: int | str,
    codes: Codes = ANY,
    *,
    was_taken: bool = True,
    account: str | None = None,
    network_type: int = GSM,
    word: str = "",
) -> Explanation:
    """What a code means, and what to do. It is a few look-ups in dicts, and never fails.

    :param code: as it stands in the report: a number that is an int is another code than one that is a str.
    :param codes: those of the message's channel (``Outlet.codes``).
    :param was_taken: whether the network had taken the segment with this code, which has an id of the network then. Of
        an SMPP channel a number is a network_error_code then, and a command_status else; and EXPIRED and UNKNOWN are
        words of a receipt then, and the connector's own else.
    :param account: over which the segment was submitted (``FoundSegment.account``); None: not known.
    :param network_type: the first octet of network_error_code, where it is known: the report has only the error.
    :param word: the status word of the receipt, where it is known: it tells something if nobody knows the code, or if
        the code is zero beside the word of a failure.
    """
    text = str(code)
    found = codes.configured(text, account, was_taken) if codes.own else None
    if found is None:
        found = _of_words(text, was_taken) if isinstance(code, str) else None if code else _NO_ERROR
    if found is None and codes.numbers == "smpp":
        found = _of_smpp(code, was_taken, network_type)
    elif found is None:
        found = _of_http(text, with_twilio=codes.numbers == "twilio")
    if found is _NO_ERROR and word:
        failure = WORDS.get(word.upper())
        return found if failure is None or failure.action is None else failure
    return found or _by_word(code, word) or _unknown(code, codes, was_taken)


def knows(code: int | str, codes: Codes) -> bool:
    """Whether anything is known of a code, whatever way it came."""
    return explain(code, codes).is_known or explain(code, codes, was_taken=False).is_known


def _of_words(text: str, was_taken: bool) -> Explanation | None:
    word = text.upper()
    first, second = (WORDS, OWN) if was_taken else (OWN, WORDS)
    found = first.get(word) or second.get(word)
    return _NO_ERROR if found is None and text and not text.strip("0") else found


def _of_smpp(code: int | str, was_taken: bool, network_type: int) -> Explanation | None:
    """A number that is a str is ``err`` of a receipt: the carrier's own."""
    if isinstance(code, str):
        return None
    if was_taken and network_type != SMPP:
        return network_error(code, network_type)
    known = MEANINGS.get(code)
    if known is None:
        return None
    hint = f": {known.hint}" if known.hint else ""
    return Explanation(f"The SMSC refused it with {status_name(code)}, {known.words}{hint}.", known.action)


def _of_http(text: str, with_twilio: bool) -> Explanation | None:
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= 6 else -1
    found = TWILIO.get(number) if with_twilio else None
    return found or STATUSES.get(number)


def _by_word(code: int | str, word: str) -> Explanation | None:
    found = WORDS.get(word.upper())
    if found is None:
        return None
    return Explanation(
        f"{found.text[:-1]}; {_shown(code)} is a code of the carrier's own.", found.action, is_known=False
    )


def _shown(code: int | str) -> str:
    return ascii(str(code)[:_LONGEST_SHOWN])[1:-1]


def _unknown(code: int | str, codes: Codes, was_taken: bool) -> Explanation:
    shown = _shown(code)
    if isinstance(code, int) and codes.numbers == "smpp" and not was_taken:
        shown = status_name(code)
    hint = _like_gsm(code) if codes.numbers == "smpp" else ""
    return Explanation(
        f"{shown} is a code of the carrier's own{hint}: ask what it means, and add it to codes in the configuration.",
        Action.CALL_THE_CARRIER,
        is_known=False,
    )


def _like_gsm(code: int | str) -> str:
    """What an ``err`` would mean if it were a number of GSM 09.02, as it is at some SMSCs: a hint, where that would be
    about the number or its handset."""
    if not (isinstance(code, str) and code.isascii() and code.isdigit() and len(code) <= 4):
        return ""
    like = network_error(int(code))
    if like is None or like.action is Action.CALL_THE_CARRIER:
        return ""
    return f" (at SMSCs that use the errors of GSM: {phrase(like.text)})"
