"""What follows from the evidence: functions without any state, one for each question."""

import contextlib
import re
from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any, NamedTuple

from smsconnector.doctor.evidence import MARK, SHORT, Evidence, SeenReceipt, Trial, signs_read_as
from smsconnector.errors import TextError
from smsconnector.messages import Finality
from smsconnector.smpp.constants import EsmClass, Tag, describe_status
from smsconnector.smpp.message_ids import DECIMAL_TO_HEX, HEX_TO_DECIMAL, RAW, id_candidates, id_key
from smsconnector.smpp.pdu import PDU
from smsconnector.smpp.receipt import octets_of, read_receipt
from smsconnector.sms import alphabet as alphabets
from smsconnector.sms.segmentation import FORMS

_UUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_HEXADECIMAL = re.compile(r"(0x)?[0-9A-Fa-f]+")
_QUOTE = re.compile(rb"text[ \t]*+[:=](.*)", re.IGNORECASE | re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f]")


# --- times ----------------------------------------------------------------------------------------------------


class Times(NamedTuple):
    """Of durations, in seconds."""

    median: float
    longest: float


def times(durations: Iterable[float]) -> Times | None:
    """None for no durations."""
    known = list(durations)
    return Times(median(known), max(known)) if known else None


def response_times(evidence: Evidence) -> Times | None:
    """From submit_sm to its response."""
    return times(
        trial.answered_at - trial.sent_at
        for trial in evidence.trials
        if trial.sent_at is not None and trial.answered_at is not None
    )


def receipt_times(evidence: Evidence) -> Times | None:
    """From submit_sm to its final receipt; the response may have come later than that."""
    by_trial = attributed(evidence).by_trial
    return times(
        final.at - trial.sent_at
        for trial, receipts in by_trial.items()
        if trial.sent_at is not None and (final := final_of(receipts)) is not None
    )


# --- message ids ----------------------------------------------------------------------------------------------


def notation(ids: Sequence[str]) -> str:
    """How the SMSC writes ids: decimal, hexadecimal, UUID or otherwise, with the first one as an example."""
    example = f" ({ids[0]})"
    if all(_UUID.fullmatch(one) for one in ids):
        return "UUID" + example
    if all(one.isdecimal() and one.isascii() for one in ids):
        padded = any(len(one) > 1 and one.startswith("0") for one in ids)
        return ("decimal with leading zeros" if padded else "decimal") + example
    if all(_HEXADECIMAL.fullmatch(one) for one in ids):
        return "hexadecimal" + example
    return "of a form of its own" + example


class Attribution(NamedTuple):
    """Which receipts are of which submit, by the conversion of ids (of ``message_ids``) that ``form`` names."""

    form: str
    by_trial: dict[Trial, list[SeenReceipt]]


def attributed(evidence: Evidence) -> Attribution:
    """By that conversion by which most receipts find their submit."""
    trials = {id_key(trial.message_id): trial for trial in evidence.trials if trial.message_id}

    def by(form: str) -> dict[Trial, list[SeenReceipt]]:
        found: dict[Trial, list[SeenReceipt]] = {}
        for receipt in evidence.receipts:
            for other, key in id_candidates(receipt.read.smsc_id):
                if other == form and key in trials:
                    found.setdefault(trials[key], []).append(receipt)
        return found

    forms = {form: by(form) for form in (RAW, DECIMAL_TO_HEX, HEX_TO_DECIMAL)}
    best = max(forms, key=lambda form: sum(map(len, forms[form].values())))
    return Attribution(best, forms[best])


def agreement(evidence: Evidence) -> str:
    """Whether the ids of responses and receipts agree; empty without a receipt."""
    form, by_trial = attributed(evidence)
    if not any(trial.message_id for trial in evidence.trials):
        return "no response has an id to compare them with"
    if not by_trial:
        return "they agree in no notation" if evidence.unmatched else ""
    if form == DECIMAL_TO_HEX:
        return "the same number: hexadecimal in the response, decimal in the receipt"
    if form == HEX_TO_DECIMAL:
        return "the same number: decimal in the response, hexadecimal in the receipt"
    same = all(one.read.smsc_id == trial.message_id for trial, many in by_trial.items() for one in many)
    return "the same as in the response" if same else "the same but for case, dashes or leading zeros"


# --- receipts -------------------------------------------------------------------------------------------------


def final_of(receipts: Sequence[SeenReceipt]) -> SeenReceipt | None:
    """The first receipt that tells an end; else the first that may tell one."""
    ends = (Finality.DELIVERED, Finality.FAILED), (Finality.UNCLEAR,)
    return next((one for kinds in ends for one in receipts if one.read.finality in kinds), None)


def receipts_missing(evidence: Evidence) -> int:
    """How many submits that were taken have no final receipt yet."""
    by_trial = attributed(evidence).by_trial
    return sum(trial.taken and final_of(by_trial.get(trial, ())) is None for trial in evidence.trials)


def receipt_form(receipts: Sequence[SeenReceipt]) -> list[str]:
    """What the receipts look like, a phrase for each part; "5 of 8" where they differ."""
    count = len(receipts)

    def say(phrase: str, how_many: int) -> str:
        return phrase if how_many == count else f"{phrase} ({how_many} of {count})"

    pdus = [one.pdu for one in receipts]
    marked = sum(bool(pdu.fields["esm_class"] & EsmClass.MESSAGE_TYPE) for pdu in pdus)
    phrases = [say("marked in esm_class", marked) if marked else "not marked in esm_class"]
    for tag in (Tag.receipted_message_id, Tag.message_state, Tag.network_error_code):
        having = sum(pdu.tlv(tag) is not None for pdu in pdus)
        if having:
            phrases.append(say(f"TLV {tag.name}", having))
    if len(phrases) == 1:
        phrases.append("no TLVs")
    for place, having in (
        ("short_message", sum(bool(pdu.fields.get("short_message")) for pdu in pdus)),
        ("message_payload", sum(bool(pdu.tlv(Tag.message_payload)) for pdu in pdus)),
    ):
        if having:
            phrases.append(say(f"text in {place}", having))
    texts = [found for found in map(_by_text, pdus) if found is not None]
    differing = sum(
        found != one.read.smsc_id for found, one in zip(map(_by_text, pdus), receipts, strict=True) if found
    )
    phrases.append(say("text with id and stat", len(texts)) if texts else "no id in the text")
    if differing:
        phrases.append(say("the id in the text is not that of the TLV", differing))
    return phrases


def _by_text(pdu: PDU) -> str | None:
    """The id in the receipt's text, whatever the TLVs say."""
    payload = [(tag, octets) for tag, octets in pdu.tlvs if tag == Tag.message_payload]
    fields = pdu.fields | {"esm_class": int(EsmClass.DELIVERY_RECEIPT)}
    found = read_receipt(PDU(pdu.command_id, 0, 0, fields, payload))
    return found.smsc_id if found is not None else None


# --- the alphabet of data_coding 0 ------------------------------------------------------------------------------


class DefaultAlphabet(NamedTuple):
    """``name`` is what data_coding 0 seems to be; empty if it is not known. ``why`` is the evidence in words."""

    name: str
    why: str


def default_alphabet(evidence: Evidence, sent_as: str) -> DefaultAlphabet:
    """By a text that came back, else by what receipts quote of the short text. ``sent_as``: the bind's alphabet."""
    for pdu in evidence.texts:
        name = signs_read_as(pdu)
        if name:
            return DefaultAlphabet(name, f"by the text that {pdu.fields['source_addr']} sent back")
    short = {trial for trial in evidence.trials if trial.form == SHORT and trial.taken}
    if any(trial.data_coding for trial in short):
        return DefaultAlphabet("", "the bind's data_codings keep the short text from going with data_coding 0")
    by_trial = attributed(evidence).by_trial
    quotes = [quoted(one.pdu) for trial, receipts in by_trial.items() if trial in short for one in receipts]
    verdicts = {alphabet_by_quote(sent_as, quote) for quote in quotes if quote}
    named = {name for name in verdicts if name}
    if len(named) == 1:
        return DefaultAlphabet(named.pop(), "by what the receipt quotes of the short text")
    if "" in verdicts:
        return DefaultAlphabet("", "the receipt quotes the short text as it was sent, which tells nothing")
    if verdicts:
        return DefaultAlphabet("", "the receipt quotes the short text in a way that tells nothing")
    return DefaultAlphabet("", "no receipt quotes the short text, and no answer came")


def quoted(pdu: PDU) -> bytes:
    """What a receipt quotes of our text, behind its ``text:``; of one in UTF-16, in Latin-1."""
    octets = octets_of(pdu)
    if b"\0t\0e\0x\0t\0:" in octets.lower():
        octets = octets.decode("utf-16-be", "replace").encode("latin-1", "replace")
    found = _QUOTE.search(octets)
    return found[1] if found else b""


def alphabet_by_quote(sent_as: str, quote: bytes) -> str | None:
    """The alphabet in which the SMSC read the signs of the short text, by how a receipt quotes them. The receipt may be
    in ASCII, Latin-1, UTF-8 or GSM 03.38. Empty if it has just the octets that were sent; None if the signs are not to
    be found."""
    readings = {sent_as: MARK}
    sent = b""
    if sent_as != "gsm7-packed":  # where the signs would be in packed octets depends on what is before them
        sent = alphabets.encode_text(MARK, sent_as)
        other = "latin1" if sent_as == "gsm7" else "gsm7"
        readings[other] = alphabets.decode_text(sent, other)
    found = [name for name, text in readings.items() if any(way in quote for way in _ways(text) - {sent})]
    if len(found) == 1:
        return found[0]
    return "" if sent and sent in quote else None


def _ways(text: str) -> set[bytes]:
    """How a receipt may write ``text``. Control codes are often replaced by another character, or left out."""
    ways = {text.encode("latin-1", "replace"), text.encode("utf-8")}
    if _CONTROL.search(text):
        ways |= {_CONTROL.sub(instead, text).encode("latin-1", "replace") for instead in ("?", ".", " ", "")}
    with contextlib.suppress(TextError):
        ways.add(alphabets.gsm7_encode(text))
    return ways


# --- the forms of long messages ---------------------------------------------------------------------------------


class FormFinding(NamedTuple):
    """Whether the SMSC understands a form of long messages.

    ``good``: every segment to every number was taken, and no receipt says that one failed. ``bad``: one was refused or
    failed, or none was even answered. Neither is true if some responses are missing, because they may have been lost.
    ``said`` is what became of the segments, for the table.
    """

    form: str
    good: bool
    bad: bool
    said: str


def of_form(evidence: Evidence, form: str) -> FormFinding:
    """What became of the messages in this form, or of the SHORT ones."""
    by_trial = attributed(evidence).by_trial
    trials = [trial for trial in evidence.trials if trial.form == form]
    said: dict[str, int] = {}
    for trial in trials:
        phrase = _fate(trial)
        said[phrase] = said.get(phrase, 0) + 1
    phrases = [
        phrase if count == len(trials) else f"{phrase} ({count} of {len(trials)})" for phrase, count in said.items()
    ]
    finals = [final for trial in trials if (final := final_of(by_trial.get(trial, ()))) is not None]
    if finals:
        taken = sum(trial.taken for trial in trials)
        outcomes = sorted({_outcome(final) for final in finals})
        phrases.append(f"receipts {len(finals)} of {taken}: {', '.join(outcomes)}")
    failed = any(final.read.finality is not Finality.DELIVERED for final in finals)
    answered = [trial for trial in trials if trial.status is not None]
    bad = failed or not all(trial.taken for trial in answered) or not answered
    good = bool(trials) and len(answered) == len(trials) and not bad
    return FormFinding(form, good, bad, ", ".join(phrases))


def _fate(trial: Trial) -> str:
    if trial.sent_at is None:
        return "not tried"
    if trial.taken:
        return "taken"
    if trial.status is not None:
        return f"refused: {describe_status(trial.status)}"
    return trial.unanswered or "no response"


def _outcome(receipt: SeenReceipt) -> str:
    """``DELIVRD err 000``."""
    read = receipt.read
    return read.status if read.code == read.status else f"{read.status} err {read.code}"


# --- what to configure ------------------------------------------------------------------------------------------


def advisable(evidence: Evidence, alphabet: str, long_messages: str) -> dict[str, Any]:
    """The keys of the bind that should be changed, with their new values: only what is known for certain. A form of
    long messages that works is kept, even if another one works too."""
    keys: dict[str, Any] = {}
    found = default_alphabet(evidence, alphabet).name
    if found and found != alphabet and {found, alphabet} != {"latin1", "ascii"}:
        keys["alphabet"] = found
    if evidence.trials and of_form(evidence, long_messages).bad:
        good = [form for form in FORMS if of_form(evidence, form).good]
        if good:
            keys["long_messages"] = good[0]
    return keys
