"""What was seen of an SMSC, with its times; and the one decision that can't wait: whose a deliver_sm is.

A receipt is ours if its id is one of our responses', as it is or in another notation (``message_ids``); another
notation counts only from a number that we sent to. A text is ours if it comes from such a number and has the signs of
our short text, or repeats another text of ours. While a response is missing, a receipt that fits none may still be of
it, and waits. All else belongs to a connector that is bound beside us: it is handed back, for the SMSC to try again.

Times are seconds of the reactor's clock, durations seconds.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from smsconnector.messages import Segment
from smsconnector.smpp.constants import EsmClass, Status
from smsconnector.smpp.message_ids import RAW, id_candidates, id_key
from smsconnector.smpp.pdu import PDU
from smsconnector.smpp.receipt import ReceiptText, carries_text, octets_of, read_receipt
from smsconnector.sms import user_data

SHORT = "short"
MARK = "@_[]"  # one septet or two of GSM 03.38 each, none of them the octet that ASCII and Latin-1 have
ENOUGH = 20  # characters of our text that nobody writes by chance
SAME_DIGITS = 7  # the last digits of a number: SMSCs write the ones before in many ways
OWN_ALPHABETS = ("gsm7", "latin1", "gsm7-packed")  # ascii reads as latin1


@dataclass(slots=True)
class TLSFacts:
    """Of the handshake; ``fault`` is OpenSSL's number of why the certificate is not accepted, 0 if that was not it."""

    version: str = ""
    cipher: str = ""
    took: float | None = None
    subject: str = ""
    names: tuple[str, ...] = ()  # that the certificate is for
    ends: datetime | None = None
    authority: str = ""  # the end of the chain where it was verified, else who signed it
    fault: int = 0


@dataclass(slots=True)
class Line:
    """One connection and its bind. ``failure`` is what ended or prevented the connection, if it was no unbind."""

    mode: str
    began: float = 0.0
    connected_in: float | None = None
    peer: str = ""
    tls: TLSFacts | None = None
    bind_sent_at: float = 0.0
    status: int | None = None  # of the bind
    bind_took: float = 0.0
    smsc: str = ""
    version: int | None = None
    link_asked_at: float | None = None
    link_took: float | None = None
    left: bool = False  # we have asked for the end
    ended: str | None = None
    gone: bool = False  # the connection is closed, or never was
    failure: BaseException | None = None

    @property
    def bound(self) -> bool:
        """Whether the bind came up; it may be over."""
        return self.status == Status.ESME_ROK

    @property
    def over(self) -> bool:
        return self.ended is not None


@dataclass(slots=True, eq=False)
class Trial:
    """One submit_sm: what was sent, and what came of it. ``form`` is one of ``segmentation.FORMS``, or SHORT."""

    form: str
    segment: Segment
    data_coding: int = 0
    sent_at: float | None = None
    answered_at: float | None = None
    status: int | None = None
    message_id: str = ""
    unanswered: str = ""  # why there will be no response

    @property
    def under_way(self) -> bool:
        return self.sent_at is not None and self.status is None and not self.unanswered

    @property
    def taken(self) -> bool:
        return self.status == Status.ESME_ROK


class Sighting(NamedTuple):
    """A receipt."""

    at: float
    pdu: PDU
    read: ReceiptText


@dataclass(slots=True)
class Evidence:
    """All of a visit. ``whence`` is the caller's word for where a PDU came from, and is given back."""

    numbers: tuple[str, ...] = ()
    lines: list[Line] = field(default_factory=list)
    trials: list[Trial] = field(default_factory=list)
    receipts: list[Sighting] = field(default_factory=list)
    strange: dict[str, Sighting] = field(default_factory=dict)  # by id: from our numbers, with an id of no response
    texts: list[PDU] = field(default_factory=list)
    rejected: list[str] = field(default_factory=list)
    throttled: int = 0
    congestion: int | None = None  # the highest congestion_state
    interrupted: bool = False
    _handed_back: set[tuple[str, bytes]] = field(default_factory=set)
    _undecided: list[tuple[Any, float, PDU]] = field(default_factory=list)

    @property
    def bound(self) -> bool:
        """Whether every bind came up."""
        return bool(self.lines) and all(line.bound for line in self.lines)

    @property
    def handed_back(self) -> int:
        """How many deliver_sm of others, repeats not counted."""
        return len(self._handed_back)

    def delivered(self, whence: Any, pdu: PDU, now: float) -> None:
        """A deliver_sm or data_sm came; ``decide`` will say how to answer it."""
        self._undecided.append((whence, now, pdu))

    def decide(self, at_the_end: bool = False) -> list[tuple[Any, PDU, int]]:
        """(whence, PDU, command_status of the response) for all that can be answered by now."""
        undecided, self._undecided = self._undecided, []
        waits = not at_the_end and any(trial.under_way for trial in self.trials)
        decided = []
        for whence, at, pdu in undecided:
            receipt = read_receipt(pdu)
            if self._keep(receipt, pdu, at):
                decided.append((whence, pdu, int(Status.ESME_ROK)))
            elif waits and receipt is not None:
                self._undecided.append((whence, at, pdu))
            else:
                self._hand_back(receipt, pdu, at)
                decided.append((whence, pdu, int(Status.ESME_RX_T_APPN)))
        return decided

    def _keep(self, receipt: ReceiptText | None, pdu: PDU, at: float) -> bool:
        """Note it, if it is ours."""
        if receipt is None:
            ours = self.from_our_number(pdu) and self._answers(pdu)
            if ours:
                self.texts.append(pdu)
            return ours
        keys = {id_key(trial.message_id) for trial in self.trials if trial.message_id}
        forms = {form for form, key in id_candidates(receipt.smsc_id) if key in keys}
        ours = RAW in forms or (bool(forms) and self.from_our_number(pdu))
        if ours:
            self.receipts.append(Sighting(at, pdu, receipt))
        return ours

    def _answers(self, pdu: PDU) -> bool:
        """Whether a text has the signs, or repeats what we sent or a good part of it."""
        ours = {trial.segment.text.strip() for trial in self.trials}
        return any(MARK in text or any(_repeats(one, text) for one in ours) for _, text in _readings(pdu))

    def _hand_back(self, receipt: ReceiptText | None, pdu: PDU, at: float) -> None:
        self._handed_back.add((pdu.fields["source_addr"], octets_of(pdu)))
        if receipt is not None and self.from_our_number(pdu):
            self.strange[receipt.smsc_id] = Sighting(at, pdu, receipt)

    def from_our_number(self, pdu: PDU) -> bool:
        """Whether it comes from a number that we were told to send to."""
        source = pdu.fields["source_addr"].lstrip("+0")
        return any(source[-SAME_DIGITS:] == number[-SAME_DIGITS:] for number in self.numbers)


def signs_read_as(pdu: PDU) -> str | None:
    """The alphabet by which a text has the signs of our short text; empty if it names another data_coding than 0, and
    None if it has them by none."""
    for alphabet, text in _readings(pdu):
        if MARK in text:
            if pdu.fields["data_coding"]:
                return ""
            return "ascii" if alphabet == "latin1" and "é" not in text else alphabet
    return None


def _repeats(one: str, other: str) -> bool:
    shorter, longer = sorted((one, other), key=len)
    return len(shorter) >= ENOUGH and shorter in longer


def _readings(pdu: PDU) -> Iterator[tuple[str, str]]:
    """The text by each alphabet that data_coding 0 may be; nothing for what is no text of a handset."""
    if carries_text(pdu):
        octets, has_header = octets_of(pdu), bool(pdu.fields["esm_class"] & EsmClass.UDHI)
        for alphabet in OWN_ALPHABETS:
            yield alphabet, user_data.read(octets, pdu.fields["data_coding"], alphabet, has_header).text.strip()
