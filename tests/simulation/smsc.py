"""The networks: SMSCs that do with each submit what the plan says, and keep a ledger of what happened.

The ledger knows of each submit when the daemon wrote it, whether it arrived, what became of it, and whether the whole
response reached a daemon that lived; and of each deliver_sm whether it reached one, and whether its ESME_ROK came
back. It is what the invariants are about.
"""

import re
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from smsconnector.simulator import rendering
from smsconnector.simulator.behaviour import ID_FORMS
from smsconnector.smpp import pdu as codec
from smsconnector.smpp.constants import HEADER_OCTETS, RESPONSE, CommandId, EsmClass, Status
from smsconnector.smpp.pdu import PDU, Framer
from smsconnector.sms import udh
from tests.simulation.application import number_of
from tests.simulation.clock import Machine, Time
from tests.simulation.network import Connection, End
from tests.simulation.plan import Delivery, Fate, Forgotten, Full, Mo, Plan, Refusal

RESPONSE_TIMEOUT = 2.0  # seconds, of the daemon's binds
WINDOW = 10
FIRST_ID = 41_234_567  # no id of a run, read as hexadecimal or the other way round, is another one's
REDELIVERY, DELIVER_TIMEOUT = 1.0, 4.0  # seconds
TAG = re.compile(r"\((\d+)\.(\d+)\)")
MO_TAG = re.compile(r"<(\d+)>")
STATUSES = {
    "throttled": Status.ESME_RTHROTTLED,
    "queue full": Status.ESME_RMSGQFUL,
    "temporary": Status.ESME_RSYSERR,
    "rebind": Status.ESME_RINVBNDSTS,
    "permanent": Status.ESME_RINVDSTADR,
}
_RECEIPT_FORM = rendering.ReceiptForm(tlvs=True, marked=True, in_payload=False)
_WITHOUT_TLVS = rendering.ReceiptForm(tlvs=False, marked=True, in_payload=False)
PROGRESS = rendering.Final(b"ENROUTE", 1, b"000", b"000")
EXPIRED = rendering.Final(b"EXPIRED", 3, b"027", b"000")
UNKNOWN = rendering.Final(b"UNKNOWN", 7, b"099", b"000")
WORD = rendering.Final(b"FROBBED", 0, b"042", b"000")
UNCLEAR = (UNKNOWN, WORD)
_DELIVERED_BY = {rendering.DELIVERED: True, rendering.UNDELIVERABLE: False, EXPIRED: False}
UNSAID_VALIDITY = 24.0  # seconds that the SMSC tries where no validity_period says how long
_SAID = {"undelivered": rendering.UNDELIVERABLE}
_BINDS = (CommandId.bind_transceiver, CommandId.bind_transmitter, CommandId.bind_receiver)


@dataclass(eq=False)
class Submit:
    """One submit_sm, from the daemon's writing it. ``life``: who wrote it; ``number``: which of all."""

    request: tuple[int, int]  # number of the text, and which request of it
    segment: int
    text: str
    destination: str
    sent_at: float
    life: Machine
    connection: Connection
    number: int
    arrived_at: float | None = None
    status: int | None = None  # of the response
    taken: bool = False
    message_id: str = ""
    registered_delivery: int = 1
    parts: int = 1  # of its text
    validity: float = UNSAID_VALIDITY
    taken_back_at: float | None = None  # cancel_sm was accepted
    answered_at: float | None = None  # the whole response was with a daemon that lived
    receipts: list["Delivered"] = field(default_factory=list)

    @property
    def key(self) -> tuple[tuple[int, int], int]:
        return self.request, self.segment


@dataclass(eq=False)
class Delivered:
    """A deliver_sm, however often it is sent: a receipt (``submit``, ``final``), or part ``part`` of an MO."""

    body: bytes
    smsc: int
    submit: Submit | None = None
    final: rendering.Final | None = None  # what a receipt says
    delivered: bool | None = None  # whether that is an end, and which
    mo: int = -1
    part: int = 0
    opted_out: str = ""  # the number whose handset writes STOP
    reached_at: list[float] = field(default_factory=list)  # a daemon that lived had all of it
    acknowledged_at: list[float] = field(default_factory=list)  # its ESME_ROK was with the SMSC
    refused: list[int] = field(default_factory=list)


class SMSC:
    """One of them, with one account."""

    def __init__(self, index: int, time: Time, plan: Plan, dice: Random, ledger: "Ledger") -> None:
        self.index, self.time, self.plan, self.dice, self.ledger = index, time, plan, dice, ledger
        self.receivers: list[Peer] = []
        self.peers: set[Peer] = set()  # bound ones
        self.waiting: deque[Delivered] = deque()
        self.response_id, self.receipt_id = ID_FORMS.get(plan.forms, ID_FORMS["decimal"])
        self.forgetful_until, self.nacks = 0.0, False  # enquire_link gets an error until then
        self._next_id = FIRST_ID + 10_000 * index * plan.redundant
        self.hosts = [self]  # who may tell what this one took
        self._sent = 0
        self._deliveries = {one.number: one.what for one in plan.of(Delivery) if one.smsc == index}
        self._full = [(number_of(one.to), one) for one in plan.of(Full)]
        self.cancel_dice = Random(f"cancel_sm {plan.seed} {index}")
        self._refusals = [one for one in plan.of(Refusal) if one.smsc == index]

    def answer(self, connection: Connection) -> "Peer":
        return Peer(self, connection)

    def bind_status(self) -> int:
        now = self.time.rightNow
        return next((one.status for one in self._refusals if one.at <= now < one.at + one.seconds), 0)

    def forget(self, step: Forgotten) -> None:
        """No session that stands is known any more; what waits for them waits for the next."""
        self.forgetful_until = self.time.rightNow + step.seconds
        self.nacks = step.nack
        for peer in sorted(self.peers, key=lambda one: one.connection.opened_at):
            peer.forget()

    def full_status(self, number: str) -> int:
        """What is answered to submits for that number; 0 if they are taken."""
        now = self.time.rightNow
        return next((one.status for to, one in self._full if to == number and one.at <= now < one.at + one.seconds), 0)

    def next_id(self) -> tuple[str, str]:
        self._next_id += 1
        if self.plan.forms == "constant":
            return "0", "0"
        if self.plan.forms == "other case":
            smsc_id = f"xyz{self._next_id // 2}{'gG'[self._next_id % 2]}"
            return smsc_id, smsc_id
        return self.response_id.format(self._next_id), self.receipt_id.format(self._next_id)

    def unbind(self) -> None:
        for peer in sorted(self.peers, key=lambda one: one.connection.opened_at):
            peer.unbind()

    # --- deliver_sm -------------------------------------------------------------------------------------------

    def _teller(self) -> "SMSC":
        return self.dice.choice(self.hosts) if len(self.hosts) > 1 else self

    def deliver(self, delivery: Delivered) -> None:
        self.waiting.append(delivery)
        self.pump()

    def pump(self) -> None:
        while self.waiting:
            free = [peer for peer in self.receivers if len(peer.window) < WINDOW]
            if not free:
                return
            self._sent += 1
            what = self._deliveries.get(self._sent, "")
            self.dice.choice(free).deliver(self.waiting.popleft(), what)

    def receipt(
        self, submit: Submit, receipt_id: str, delay: float, final: rendering.Final = rendering.DELIVERED
    ) -> None:
        """A receipt after so many seconds."""
        delivered = _DELIVERED_BY.get(final)
        if submit.registered_delivery == 0 or (submit.registered_delivery == 2 and delivered is not False):
            return
        if self.plan.joins and final is rendering.DELIVERED and not self.ledger.has_all_parts(submit):
            return
        handset = b"\1\1" + submit.destination.encode() + b"\0"
        dates = {"submitted": b"2701150800", "done": b"2701150800"}
        form = _WITHOUT_TLVS if final is WORD else _RECEIPT_FORM
        body = rendering.receipt(handset, b"\3\0008228\0", receipt_id, final, **dates, text=b"x", form=form)
        one = Delivered(body, self.index, submit, final, delivered)
        submit.receipts.append(one)
        self.ledger.deliveries.append(one)
        self.later(delay, self._teller().deliver, one)

    def mo(self, step: Mo) -> None:
        """A handset's text, in its parts."""
        text = text_of_mo(step)
        bodies = rendering.texts_from_handset(f"4790000{step.number:03}", "8228", text, step.number + 1)
        if step.what.startswith("no udhi"):
            bodies = [without_udhi(body) for body in bodies]
        parts = [Delivered(body, self.index, mo=step.number, part=part) for part, body in enumerate(bodies, 1)]
        self.ledger.mo_parts[step.number] = len(parts)
        sent = list(parts)
        if step.what == "reordered":
            sent.reverse()
        elif step.what == "repeated":
            sent.insert(self.dice.randrange(len(sent)), parts[0])
        elif step.what.endswith("part lost") and len(parts) > 1:
            del sent[-1]
        self.ledger.deliveries += dict.fromkeys(sent)
        for index, one in enumerate(sent):
            late = step.what == "part late" and index == len(sent) - 1
            self.later(3.0 if late else 0.001, self._teller().deliver, one)

    def opt_out(self, number: str) -> None:
        """That handset writes STOP."""
        (body,) = rendering.texts_from_handset(number, "8228", "STOP", 0)
        one = Delivered(body, self.index, opted_out=number)
        self.ledger.deliveries.append(one)
        self.later(0.001, self._teller().deliver, one)

    def later(self, delay: float, what: Callable[..., Any], *arguments: Any) -> None:
        self.ledger.pending += 1

        def run() -> None:
            self.ledger.pending -= 1
            what(*arguments)

        self.time.callLater(delay, run)


def without_udhi(body: bytes) -> bytes:
    """A deliver_sm's body from an SMSC that forgets UDHI."""
    pdu = codec.decode(codec.with_body(CommandId.deliver_sm, 1, body))
    pdu.fields["esm_class"] &= ~EsmClass.UDHI
    return codec.encode(pdu)[HEADER_OCTETS:]


def text_of_mo(step: Mo) -> str:
    tag = f"<{step.number}>"
    return tag if step.parts == 1 else (tag * 200)[: 153 * (step.parts - 1) + 9]


class Ledger:
    """All that happened at the SMSCs. ``pending``: what they still want to do."""

    def __init__(self, plan: Plan) -> None:
        self.submits: list[Submit] = []
        self.deliveries: list[Delivered] = []
        self.mo_parts: dict[int, int] = {}
        self.arrivals: dict[tuple[int, int], int] = defaultdict(int)
        self.fates = {(one.text, one.segment, one.attempt): one.what for one in plan.of(Fate)}
        self.pending = 0

    def has_all_parts(self, submit: Submit) -> bool:
        """Whether the SMSCs have taken each part of the text that this one is of."""
        taken = {one.segment for one in self.submits if one.request == submit.request and one.taken}
        return len(taken) == submit.parts


class Peer:
    """The SMSC's end of one connection."""

    def __init__(self, smsc: SMSC, connection: Connection) -> None:
        self.smsc, self.connection, self.ledger = smsc, connection, smsc.ledger
        self.transport: End
        self.window: dict[int, Delivered] = {}
        self._bound = 0
        self._sequence = 0
        self._framer, self._seen = Framer(), Framer()
        self._submits: dict[int, Submit] = {}
        self._answers: deque[tuple[int, Submit]] = deque()  # where in our octets the response ends
        self._delivers: deque[tuple[int, Delivered]] = deque()

    def makeConnection(self, transport: End) -> None:
        self.transport = transport
        self.connection.watch = self._watch

    def connectionLost(self, _reason: Any) -> None:
        self.smsc.peers.discard(self)
        if self in self.smsc.receivers:
            self.smsc.receivers.remove(self)
        self.smsc.waiting.extendleft(reversed(self.window.values()))
        self.window.clear()
        self.smsc.pump()

    # --- what passes by ---------------------------------------------------------------------------------------

    def _watch(self, what: str, end: End, data: bytes, upto: int) -> None:
        if end is self.connection.daemon:
            if what == "wrote":
                for octets in self._seen.feed(data):
                    if octets[7] == CommandId.submit_sm and not octets[4]:
                        self._written(octets)
            return
        if what == "arrived":
            now = self.smsc.time.rightNow
            while self._answers and self._answers[0][0] <= upto:
                submit = self._answers.popleft()[1]
                if submit.answered_at is None:
                    submit.answered_at = now
            while self._delivers and self._delivers[0][0] <= upto:
                self._delivers.popleft()[1].reached_at.append(now)

    def _written(self, octets: bytes) -> None:
        fields = codec.decode(octets).fields
        elements, text = udh.split(fields["short_message"]) if fields["esm_class"] & EsmClass.UDHI else ([], b"")
        place = udh.find_concatenation(elements) if elements else None
        words = (text if elements else fields["short_message"]).decode("latin-1")
        tag = TAG.search(words)
        assert tag is not None, words
        life = self.connection.daemon.machine
        assert life is not None
        submit = Submit(
            (int(tag[1]), int(tag[2])),
            place[2] if place else 1,
            words,
            fields["destination_addr"],
            self.smsc.time.rightNow,
            life,
            self.connection,
            len(self.ledger.submits),
        )
        submit.registered_delivery = fields["registered_delivery"]
        submit.parts = place[1] if place else 1
        if fields["validity_period"]:
            submit.validity = float(_seconds_of_validity(fields["validity_period"]))
        self.ledger.submits.append(submit)
        self._submits[int.from_bytes(octets[12:16], "big")] = submit

    # --- PDUs -------------------------------------------------------------------------------------------------

    def dataReceived(self, data: bytes) -> None:
        for octets in self._framer.feed(data):
            command_id, status, sequence = codec.header(octets)
            if command_id in _BINDS:
                self._bind(command_id, sequence)
            elif command_id == CommandId.submit_sm:
                self._submit(sequence)
            elif command_id == CommandId.cancel_sm:
                self._cancel(sequence, codec.decode(octets).fields)
            elif command_id == CommandId.deliver_sm | RESPONSE:
                self._answered(sequence, status)
            elif command_id == CommandId.enquire_link:
                self._enquired(sequence)
            elif command_id == CommandId.unbind_resp:
                self.transport.loseConnection()
            elif command_id == CommandId.unbind:
                self._write(codec.bare(CommandId.unbind_resp, sequence))
                self.transport.loseConnection()
            elif command_id == CommandId.generic_nack:
                raise AssertionError("the daemon answered with generic_nack")

    def _write(self, octets: bytes) -> bool:
        if self.connection.is_cut:
            return False
        self.transport.write(octets)
        return True

    def _bind(self, command_id: int, sequence: int) -> None:
        status = self.smsc.bind_status()
        if status:
            self._write(codec.bare(command_id | RESPONSE, sequence, status))
            return
        self._bound = command_id
        self.smsc.peers.add(self)
        self._write(codec.encode(PDU(command_id | RESPONSE, 0, sequence, {"system_id": "smsc"})))
        if command_id != CommandId.bind_transmitter:
            self.smsc.receivers.append(self)
            self.smsc.pump()

    def forget(self) -> None:
        """The session is not known any more: nothing is delivered over it, and nothing is taken."""
        self._bound = 0
        self.smsc.peers.discard(self)
        if self in self.smsc.receivers:
            self.smsc.receivers.remove(self)

    def _enquired(self, sequence: int) -> None:
        knows = self._bound and self.smsc.time.rightNow >= self.smsc.forgetful_until
        command = CommandId.enquire_link_resp if knows or not self.smsc.nacks else CommandId.generic_nack
        self._write(codec.bare(command, sequence, 0 if knows else Status.ESME_RINVBNDSTS))

    def _submit(self, sequence: int) -> None:
        submit = self._submits[sequence]
        smsc, ledger = self.smsc, self.ledger
        submit.arrived_at = smsc.time.rightNow
        key = submit.request[0], submit.segment
        ledger.arrivals[key] += 1
        fate = ledger.fates.get((*key, ledger.arrivals[key])) or ledger.fates.get((*key, 0), "")
        if not self._bound:
            fate = "rebind"
        status = STATUSES.get(fate) or smsc.full_status(submit.destination)
        if status:
            submit.status = status
            smsc.later(smsc.dice.random() * 0.05, self._respond, sequence, submit)
        elif fate == "dropped before":
            self.connection.cut()
        elif fate != "ignored":
            self._take(sequence, submit, fate)

    def _take(self, sequence: int, submit: Submit, fate: str) -> None:
        smsc = self.smsc
        submit.taken, submit.status = True, 0
        submit.message_id, receipt_id = smsc.next_id()
        delay = smsc.dice.random() * 0.05
        delay = {"late": RESPONSE_TIMEOUT + 0.7, "slow": RESPONSE_TIMEOUT * 0.7, "receipt first": 0.3}.get(fate, delay)
        if fate == "dropped after":
            self.connection.cut()
        elif fate == "half":
            if self._respond(sequence, submit):
                self.connection.cut()
        elif fate not in ("silent", "receipt first, dropped"):
            smsc.later(delay, self._respond, sequence, submit)
            if fate == "twice":
                smsc.later(delay + 0.1, self._respond, sequence, submit)
        wait = smsc.dice.choice((0.001, 0.1, 0.5))
        if fate == "receipt first, dropped":
            smsc.later(0.2, self.connection.cut)
        if fate == "progress":
            smsc.receipt(submit, receipt_id, delay + wait / 2, PROGRESS)
        if fate == "receipt lost":
            return
        word, _, better = fate.partition(", ")
        if word in ("word", "unknown"):
            smsc.receipt(submit, receipt_id, delay + wait, WORD if word == "word" else UNKNOWN)
            if better:
                smsc.receipt(submit, receipt_id, delay + wait + 2.0)
            return
        if fate in ("receipt after the validity", "expired"):
            said = EXPIRED if fate == "expired" else rendering.DELIVERED
            smsc.receipt(submit, receipt_id, submit.validity + 2.0, said)
            return
        wait = 0.0 if fate.startswith("receipt first") else 5.0 if fate == "receipt late" else delay + wait
        smsc.receipt(submit, receipt_id, wait, _SAID.get(fate, rendering.DELIVERED))
        if fate == "receipt twice":
            smsc.receipt(submit, receipt_id, wait + 0.3)

    def _cancel(self, sequence: int, fields: dict[str, Any]) -> None:
        """An SMSC that answers cancel_sm with 0 and delivers all the same, refuses it, or is silent."""
        assert fields["message_id"], "that would take back all between two numbers"
        smsc, now = self.smsc, self.smsc.time.rightNow
        found = [one for one in self.ledger.submits if one.taken and one.message_id == fields["message_id"]]
        what, delay = smsc.cancel_dice.choice(("", "", "", "refused", "silent")), smsc.cancel_dice.random() * 0.3
        status = 0
        if len(found) != 1 or found[0].destination != fields["destination_addr"]:
            status = int(Status.ESME_RINVMSGID)
        elif what == "refused" or not self._bound:
            status = int(Status.ESME_RCANCELFAIL)
        elif what != "silent":
            found[0].taken_back_at = now
        if what != "silent":
            smsc.later(delay, self._write, codec.bare(CommandId.cancel_sm_resp, sequence, status))

    def _respond(self, sequence: int, submit: Submit) -> bool:
        command, status = CommandId.submit_sm_resp, submit.status or 0
        body = b"" if status else submit.message_id.encode() + b"\0"
        written = self._write(codec.with_body(command, sequence, body, status))
        if written:
            self._answers.append((len(self.transport.written), submit))
        return written

    def unbind(self) -> None:
        """No more deliver_sm; submits are still taken."""
        if self in self.smsc.receivers:
            self.smsc.receivers.remove(self)
        self._sequence += 1
        self._write(codec.bare(CommandId.unbind, self._sequence))

    # --- deliver_sm -------------------------------------------------------------------------------------------

    def deliver(self, delivery: Delivered, what: str) -> None:
        for _ in range(2 if what == "twice" else 1):
            self._sequence += 1
            self.window[self._sequence] = delivery
            if self._write(codec.with_body(CommandId.deliver_sm, self._sequence, delivery.body)):
                self._delivers.append((len(self.transport.written), delivery))
            self.smsc.time.callLater(DELIVER_TIMEOUT, self._overdue, self._sequence)
        if what == "half":
            self.connection.cut()
        elif what == "dropped at response":
            self._drop_at = self._sequence

    _drop_at = -1

    def _overdue(self, sequence: int) -> None:
        delivery = self.window.pop(sequence, None)
        if delivery is not None:
            self.smsc.deliver(delivery)

    def _answered(self, sequence: int, status: int) -> None:
        if sequence == self._drop_at:
            self.connection.cut()
            return
        delivery = self.window.pop(sequence, None)
        if delivery is None:
            return
        if status == 0:
            delivery.acknowledged_at.append(self.smsc.time.rightNow)
        elif status in (Status.ESME_RX_T_APPN, Status.ESME_RMSGQFUL, Status.ESME_RINVBNDSTS):
            self.smsc.later(REDELIVERY, self.smsc.deliver, delivery)
        else:
            delivery.refused.append(status)
        self.smsc.pump()


def _seconds_of_validity(period: str) -> int:
    """Of a relative validity_period, YYMMDDhhmmss000R (SMPP 3.4 section 7.1.1.2)."""
    assert period.endswith("R"), period
    return ((int(period[4:6]) * 24 + int(period[6:8])) * 60 + int(period[8:10])) * 60 + int(period[10:12])
