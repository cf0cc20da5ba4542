"""What was seen of an SMSC, with its times. And one decision that can't wait for the end: whose a deliver_sm is.

1. A receipt is ours if its id is that of one of our responses. The id may be in another notation (``message_ids``) if
   the receipt comes from a number that we sent to.
2. A text is ours if it comes from such a number and has the signs of our short text, or repeats another text of ours.
3. A receipt that fits none of the responses waits while another response is missing: it may be of that one.
4. Everything else belongs to a connector that is bound beside us. It is handed back, so that the SMSC tries again.

Times and durations are seconds; times are those of the reactor's clock.
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
from smsconnector.sms import udh, user_data

SHORT = "short"
MARK = "@_[]"  # one septet or two of GSM 03.38 each, none of them the octet that ASCII and Latin-1 have
ENOUGH = 20  # characters of our text that nobody writes by chance
SAME_DIGITS = 7  # the last digits, by which numbers are compared: SMSCs write those before in many ways
OWN_ALPHABETS = ("gsm7", "latin1", "gsm7-packed")  # ascii reads as latin1


@dataclass(slots=True)
class TLSFacts:
    """What the handshake showed. ``fault`` is OpenSSL's number of why the certificate is not accepted; 0 if it is, or
    if something else is wrong."""

    version: str = ""
    cipher: str = ""
    took: float | None = None  # None: the handshake is not complete
    subject: str = ""
    names: tuple[str, ...] = ()  # the hosts that the certificate is for
    ends: datetime | None = None
    authority: str = ""  # the end of the chain where it was verified, else who signed it
    fault: int = 0


@dataclass(slots=True)
class Probe:
    """What was seen of one connection and its bind. ``failure`` is what ended or prevented the connection, unless it
    was we who ended it."""

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
    ended: str | None = None  # why the session is over
    gone: bool = False  # the connection is closed, or never was
    failure: BaseException | None = None

    @property
    def bound(self) -> bool:
        """Whether the bind came up; it may be over."""
        return self.status == Status.ESME_ROK

    @property
    def over(self) -> bool:
        """Whether the session has ended, or never began."""
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
        """Whether a response may still come."""
        return self.sent_at is not None and self.status is None and not self.unanswered

    @property
    def taken(self) -> bool:
        """Whether the SMSC took it."""
        return self.status == Status.ESME_ROK


class SeenReceipt(NamedTuple):
    """A receipt that came: when, as what, and what it says."""

    at: float
    pdu: PDU
    read: ReceiptText


class Undecided(NamedTuple):
    """A deliver_sm or data_sm that is not answered yet; ``origin`` is the caller's own."""

    origin: Any
    at: float
    pdu: PDU


class Decision(NamedTuple):
    """How to answer a deliver_sm or data_sm: with ``status``, on the connection that ``origin`` stands for."""

    origin: Any
    pdu: PDU
    status: int


@dataclass(slots=True)
class Evidence:
    """All that was seen on a visit. ``origin`` says where a PDU came from; it is not looked at, and given back."""

    numbers: tuple[str, ...] = ()
    probes: list[Probe] = field(default_factory=list)
    trials: list[Trial] = field(default_factory=list)
    receipts: list[SeenReceipt] = field(default_factory=list)
    unmatched: dict[str, SeenReceipt] = field(default_factory=dict)  # from our numbers, by an id that no response has
    texts: list[PDU] = field(default_factory=list)
    rejected: list[str] = field(default_factory=list)
    throttled: int = 0
    congestion: int | None = None  # the highest congestion_state
    interrupted: bool = False
    _handed_back: set[tuple[str, bytes]] = field(default_factory=set)
    _undecided: list[Undecided] = field(default_factory=list)

    @property
    def bound(self) -> bool:
        """Whether every bind came up."""
        return bool(self.probes) and all(probe.bound for probe in self.probes)

    @property
    def handed_back(self) -> int:
        """How many deliver_sm were handed back; those that the SMSC repeats count once."""
        return len(self._handed_back)

    def delivered(self, origin: Any, pdu: PDU, now: float) -> None:
        """A deliver_sm or data_sm came; ``decide`` will say how to answer it."""
        self._undecided.append(Undecided(origin, now, pdu))

    def decide(self, at_the_end: bool = False) -> list[Decision]:
        """Answers for all that can be answered by now; ``at_the_end`` nothing waits any longer."""
        undecided, self._undecided = self._undecided, []
        waits = not at_the_end and any(trial.under_way for trial in self.trials)
        decided = []
        for one in undecided:
            receipt = read_receipt(one.pdu)
            if self._keep(receipt, one.pdu, one.at):
                decided.append(Decision(one.origin, one.pdu, int(Status.ESME_ROK)))
            elif waits and receipt is not None:
                self._undecided.append(one)
            else:
                self._hand_back(receipt, one.pdu, one.at)
                decided.append(Decision(one.origin, one.pdu, int(Status.ESME_RX_T_APPN)))
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
            self.receipts.append(SeenReceipt(at, pdu, receipt))
        return ours

    def _answers(self, pdu: PDU) -> bool:
        """Whether a text has the signs, or repeats what we sent or a good part of it."""
        ours = {trial.segment.text.strip() for trial in self.trials}
        return any(MARK in text or any(_repeats(one, text) for one in ours) for _, text in _readings(pdu))

    def _hand_back(self, receipt: ReceiptText | None, pdu: PDU, at: float) -> None:
        self._handed_back.add((pdu.fields["source_addr"], octets_of(pdu)))
        if receipt is not None and self.from_our_number(pdu):
            self.unmatched[receipt.smsc_id] = SeenReceipt(at, pdu, receipt)

    def from_our_number(self, pdu: PDU) -> bool:
        """Whether it comes from a number that we were told to send to."""
        source = pdu.fields["source_addr"].lstrip("+0")
        return any(source[-SAME_DIGITS:] == number[-SAME_DIGITS:] for number in self.numbers)


def signs_read_as(pdu: PDU) -> str | None:
    """The alphabet in which a text reads as the signs of our short text. None if it does in none; empty if it does, but
    its data_coding is not 0, so that it says nothing about data_coding 0."""
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
    """(alphabet, text) for each alphabet that data_coding 0 may mean; nothing for what is no text of a handset."""
    if carries_text(pdu):
        octets = octets_of(pdu)
        has_header = bool(pdu.fields["esm_class"] & EsmClass.UDHI) or udh.find_unmarked(octets) is not None
        for alphabet in OWN_ALPHABETS:
            yield alphabet, user_data.read(octets, pdu.fields["data_coding"], alphabet, has_header).text.strip()
