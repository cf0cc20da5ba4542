"""The engine of the simulated SMSC: what it takes, what it answers, and what it owes to whom.

1. A connection (``protocol``) reads a submit and hands it to ``SMSC.submit``.
2. ``SMSC.submit`` rolls the dice: refuse, throttle, or take. What is taken is in the ledger before its response.
3. Response and receipt go into one heap, each with the time it is due; one timer empties it, whatever the load.
4. A receipt or a text from a handset that is due belongs to the ``Account`` of its system_id. It goes to a bind of
   that account which receives and has room in its window, else it waits, over any number of connections.
5. It is gone when the ESME's deliver_sm_resp says ESME_ROK, or refuses it for good. A refusal for now, silence or a
   lost connection brings it back.

Whatever is written in one turn, by one read or one tick, goes out in one ``transport.write`` per connection.
"""

import itertools
from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from random import Random
from typing import Any

from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.internet.protocol import Factory
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from smsconnector.simulator.accounts import Account, Delivery
from smsconnector.simulator.behaviour import Behaviour, Dice, Fate, MessageIds, id_writer
from smsconnector.simulator.ledger import Counts, Entry
from smsconnector.simulator.protocol import QueryAnswer, SMSCProtocol
from smsconnector.simulator.remembered import Remembered, RememberedMessage
from smsconnector.simulator.rendering import (
    DELETED,
    DELIVERED,
    UNDELIVERABLE,
    Final,
    Minute,
    ReceiptForm,
    excerpt,
    final_by_word,
    readable,
    readable_excerpt,
    receipt,
    texts_from_handset,
)
from smsconnector.simulator.submits import Submit
from smsconnector.smpp import pdu as codec
from smsconnector.smpp.constants import (
    RESPONSE,
    CommandId,
    EsmClass,
    RegisteredDelivery,
    Status,
    Tag,
    command_name,
)
from smsconnector.sms import user_data
from smsconnector.sms.segmentation import FORMS

TICK = 0.01  # seconds between two looks at the heap
RESPONSE_AFTER_RECEIPT = 0.05  # seconds from a receipt that comes first to its response

CONGESTION_TLV = int(Tag.congestion_state).to_bytes(2, "big") + b"\0\1"  # SMPP 5.0 section 4.8.4.18

# What handsets write: one segment, two of GSM-7, two of UCS-2.
HANDSET_TEXTS = (
    "Hello, is my order on its way?",
    "I would like to change the delivery address of my order, please: it should go to the house next door, the one "
    "with the green gate, because I am not at home before six o'clock in the evening on any day of this week.",
    "میرا آرڈر کب تک پہنچے گا؟ براہ کرم بتائیں کہ کیا میں پتہ تبدیل کر سکتا ہوں، اور ترسیل کا وقت کیا ہوگا؟ شکریہ 🙏",
)


def _say_taken(log: Logger, account: Account, submit: Submit, response_id: str) -> None:
    log.info(
        "took {id} from {account}: {source} -> {destination}: {text}",
        id=response_id,
        account=account.system_id,
        source=submit.source_addr,
        destination=submit.destination_addr,
        text=readable(submit.short_message, submit.esm_class, submit.data_coding),
    )


class SMSC(Factory):
    """The SMSC's engine, and the factory of its connections. ``doStart`` (or listening) starts its one timer.

    ``on_submit`` is called with each ``Entry`` taken, ``on_turn`` before anything is written; without them the
    entries are in ``ledger``. ``verbose`` logs a line for every step.
    """

    noisy = False
    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        behaviour: Behaviour | None = None,
        on_submit: Callable[[Entry], Any] | None = None,
        on_turn: Callable[[], Any] | None = None,
        verbose: bool = False,
    ) -> None:
        self.clock = clock
        self.behaviour = behaviour = behaviour or Behaviour()
        self.counts = Counts()
        self.ledger: list[Entry] = []
        self.accounts: dict[str, Account] = {}
        self.connections: set[SMSCProtocol] = set()
        self.verbose = verbose
        self.takes_all_forms = behaviour.forms == frozenset(FORMS)
        congestion = behaviour.congestion_state
        self._congestion = b"" if congestion < 0 else CONGESTION_TLV + bytes((congestion,))
        self._record = on_submit or self.ledger.append
        self._on_turn = on_turn
        self._receipt_form = ReceiptForm(behaviour.receipt_tlvs, behaviour.receipt_mark, behaviour.receipt_payload)
        self._dice = Dice(behaviour)
        self._ids = id_writer(behaviour)
        self._numbers = itertools.count(behaviour.first_id)
        self._fail_ending = behaviour.fail_suffix.encode() + b"\0" if behaviour.fail_suffix else None
        self._submitted, self._done = Minute(), Minute()
        self._known = Remembered()
        self._heap: list[tuple[float, int, Callable[[Any], None], Any]] = []
        self._order = itertools.count()
        self._written: list[SMSCProtocol] = []  # connections with something to write in this turn
        self._unclaimed: deque[bytes] = deque()  # texts from handsets, before anyone has ever bound
        self._handsets = Random(f"{behaviour.seed} handsets")  # nosec B311 # the same draws for the same seed
        self._references = itertools.count(1)
        self._handsets_write = False
        self._ticking = LoopingCall(self.tick)
        self._ticking.clock = clock

    # --- Factory --------------------------------------------------------------------------------------------

    def startFactory(self) -> None:
        self._ticking.start(TICK, now=False).addErrback(self._tick_failed)
        if self.behaviour.mo_rate and not self._handsets_write:  # once, however often it listens
            self._handsets_write = True
            interval = 1 / self.behaviour.mo_rate
            self.later(interval, self._handset_writes, self.clock.seconds() + interval)

    def stopFactory(self) -> None:
        if self._ticking.running:
            self._ticking.stop()
        self.log.info("stopped; {counts}", counts=self.counts)

    def _tick_failed(self, failure: Failure) -> None:
        self.log.failure("the SMSC's timer stopped: no more receipts", failure)

    def buildProtocol(self, _address: IAddress | None) -> SMSCProtocol:
        return SMSCProtocol(self)

    # --- time -----------------------------------------------------------------------------------------------

    def later(self, delay: float, call: Callable[[Any], None], argument: Any) -> None:
        """``call(argument)`` in the first tick after ``delay`` seconds; in the order of asking when due together."""
        heappush(self._heap, (self.clock.seconds() + delay, next(self._order), call, argument))

    def tick(self) -> None:
        """Do what is due, and write it."""
        now, heap = self.clock.seconds(), self._heap
        while heap and heap[0][0] <= now:
            _, _, call, argument = heappop(heap)
            call(argument)
        for connection in list(self.connections):
            connection.tick(now)
        self.end_turn()

    def has_output(self, connection: SMSCProtocol) -> None:
        """The connection will be flushed at the end of this turn."""
        self._written.append(connection)

    def end_turn(self) -> None:
        """The ledger first, then the wire."""
        if self._on_turn is not None:
            self._on_turn()
        written, self._written = self._written, []
        for connection in written:
            connection.flush()

    # --- MT -------------------------------------------------------------------------------------------------

    def submit(self, connection: SMSCProtocol, command_id: int, sequence: int, submits: list[Submit]) -> None:
        """One submit_sm, data_sm, or submit_multi with a ``Submit`` per destination: refuse it or take it."""
        behaviour, counts = self.behaviour, self.counts
        counts.submits += 1
        account = connection.account
        assert account is not None, "only a bound connection submits"
        fate = self._dice.roll()
        refusal = self._refusal(account, fate)
        if refusal is not None:
            if self.verbose:
                self.log.info("refused a {command}: {status}", command=command_name(command_id), status=refusal.name)
            connection.answer(codec.bare(command_id | RESPONSE, sequence, refusal), behaviour.response_delay)
            return
        counts.taken += 1
        ids = self._ids(next(self._numbers))
        dropped = behaviour.drop_connection_every and counts.taken % behaviour.drop_connection_every == 0
        if fate.response_lost:
            counts.lost_responses += 1
        elif not dropped:
            body = ids.in_response.encode() + (b"\0\0" if command_id == CommandId.submit_multi else b"\0")
            body += self._congestion
            delay = max(behaviour.response_delay, RESPONSE_AFTER_RECEIPT if fate.receipt_first else 0)
            connection.answer(codec.with_body(command_id | RESPONSE, sequence, body), delay)
        for submit in submits:
            self._take(account, submit, ids, fate)
        if dropped:
            counts.drops += 1
            connection.drop()

    def _refusal(self, account: Account, fate: Fate) -> Status | None:
        """Why a submit is not taken, or None."""
        if fate.refused:
            self.counts.refused += 1
            return Status.ESME_RINVDSTADR
        if fate.throttled or (
            self.behaviour.throughput and account.is_too_fast(self.behaviour.throughput, self.clock.seconds())
        ):
            self.counts.throttled += 1
            return Status.ESME_RMSGQFUL if fate.throttled and fate.queue_full else Status.ESME_RTHROTTLED
        return None

    def _take(self, account: Account, submit: Submit, ids: MessageIds, fate: Fate) -> None:
        """Record the message, decide how it ends, and owe its receipt."""
        self._record(
            Entry(
                ids.in_response,
                submit.source_addr,
                submit.destination_addr,
                short_message=submit.short_message,
                data_coding=submit.data_coding,
                esm_class=submit.esm_class,
            )
        )
        final = final_by_word(submit.short_message) or DELIVERED
        if fate.undelivered or (self._fail_ending and submit.destination.endswith(self._fail_ending)):
            final = UNDELIVERABLE
        now = self.clock.seconds()
        delay = 0.0 if fate.receipt_first else self.behaviour.response_delay + self.behaviour.receipt_delay
        known = RememberedMessage(now + delay, final, account, submit, ids.in_receipt, now, owed := [])
        self._known.add(ids.in_response, known)
        if self.verbose:
            _say_taken(self.log, account, submit, ids.in_response)
        if self.behaviour.echo and not submit.esm_class & EsmClass.UDHI:
            self.later(delay, self._handset_answers, (account, submit, ids.in_response))
        wanted = submit.registered_delivery & 0b11
        if wanted == RegisteredDelivery.NONE or (wanted == RegisteredDelivery.FAILURE and final is DELIVERED):
            return
        if fate.receipt_lost:
            self.counts.lost_receipts += 1
            return
        body = self._receipt(submit, ids.in_receipt, final, now, now + delay)
        for _ in range(2 if fate.receipt_twice else 1):
            delivery = Delivery(account, body)
            if fate.receipt_first:
                self._receipt_due(delivery)
            else:
                owed.append(delivery)
                self.later(delay, self._receipt_due, delivery)

    def _receipt(self, submit: Submit, message_id: str, final: Final, taken_at: float, final_at: float) -> bytes:
        """The body of the deliver_sm. Times in seconds."""
        short_message, esm_class, data_coding = submit.short_message, submit.esm_class, submit.data_coding
        if self.behaviour.receipt_readable:
            quote = readable_excerpt(short_message, esm_class, data_coding, self.behaviour.default_alphabet)
        else:
            quote = excerpt(short_message, esm_class, data_coding)
        return receipt(
            submit.destination,
            submit.source,
            message_id,
            final,
            submitted=self._submitted.at(taken_at),
            done=self._done.at(final_at),
            text=quote,
            form=self._receipt_form,
        )

    def _receipt_due(self, delivery: Delivery) -> None:
        if delivery.body:  # else it was taken back meanwhile
            self.counts.receipts += 1
            delivery.account.deliver(delivery)

    def state_of(self, message_id: str) -> QueryAnswer | None:
        """What query_sm is told of a message, by the id of its response; None if it is not known (any more)."""
        return self._known.state_of(message_id, self.clock.seconds())

    def take_back(self, account: Account, fields: dict[str, Any]) -> Status:
        """cancel_sm (section 4.9). Its receipt follows the response."""
        now = self.clock.seconds()
        status, taken = self._known.take_back(account, fields, now)
        if taken is not None and taken.submit.registered_delivery & 0b11 != RegisteredDelivery.NONE:
            body = self._receipt(taken.submit, taken.id_in_receipt, DELETED, taken.taken_at, now)
            self.later(0, self._receipt_due, Delivery(account, body))
        return status

    # --- MO -------------------------------------------------------------------------------------------------

    def send_mo(self, source: str, destination: str, text: str, system_id: str | None = None) -> int:
        """A handset writes: to the account of ``system_id``, or to the one that bound first; if there is none yet,
        to the first that will. Gives the number of its segments. They are written at the next tick."""
        bodies = texts_from_handset(source, destination, text, next(self._references), self.behaviour.default_alphabet)
        if system_id is not None:
            account: Account | None = self._account(system_id)
        else:
            account = next(iter(self.accounts.values()), None)
        self.counts.texts += len(bodies)
        for body in bodies:
            if account is None:
                self._unclaimed.append(body)
            else:
                self.later(0, account.deliver, Delivery(account, body))
        if self.verbose:
            self.log.info(
                "text from {source} to {destination}: {text}", source=source, destination=destination, text=text
            )
        return len(bodies)

    def _handset_writes(self, due: float) -> None:
        """A text, and the next one in its time; while nobody is there to receive, handsets keep silent."""
        following = due + 1 / self.behaviour.mo_rate
        heappush(self._heap, (following, next(self._order), self._handset_writes, following))
        source = f"49151{self._handsets.randrange(10**8):08d}"
        text = self._handsets.choice(HANDSET_TEXTS)
        receiving = [account for account in self.accounts.values() if account.receivers]
        if receiving:
            self.send_mo(source, self.behaviour.mo_destination, text, self._handsets.choice(receiving).system_id)

    def _handset_answers(self, taken: tuple[Account, Submit, str]) -> None:
        """The handset sends back what it shows, so that a wrong alphabet is to be seen."""
        account, submit, message_id = taken
        if self._known.is_taken_back(message_id):
            return
        text = user_data.read(submit.short_message, submit.data_coding, self.behaviour.default_alphabet, False).text
        self.send_mo(
            submit.destination_addr, submit.source_addr or self.behaviour.mo_destination, text, account.system_id
        )

    # --- binds ----------------------------------------------------------------------------------------------

    def refusal_of_bind(self, system_id: str, password: str, system_type: str = "") -> int:
        """The command_status that a bind gets (sections 4.1 and 5.1.3)."""
        if self.behaviour.system_id is not None and system_id != self.behaviour.system_id:
            return Status.ESME_RINVSYSID
        if self.behaviour.password is not None and password != self.behaviour.password:
            return Status.ESME_RINVPASWD
        if self.behaviour.system_type is not None and system_type != self.behaviour.system_type:
            return Status.ESME_RINVSYSTYP
        accounts = [connection.account for connection in self.connections if connection.account is not None]
        if 0 < self.behaviour.sessions <= sum(account.system_id == system_id for account in accounts):
            return Status.ESME_RALYBND
        return Status.ESME_ROK

    def bound(self, connection: SMSCProtocol, system_id: str) -> Account:
        """A good bind; what its account is owed flows again, after the bind's response."""
        self.counts.binds += 1
        account = self._account(system_id)
        if connection.receives:
            account.receivers.append(connection)
            account.waiting.extend(Delivery(account, body) for body in self._unclaimed)
            self._unclaimed.clear()
        return account

    def _account(self, system_id: str) -> Account:
        account = self.accounts.get(system_id)
        if account is None:
            tokens = max(self.behaviour.throughput, 1.0)
            account = self.accounts[system_id] = Account(system_id, tokens, self.clock.seconds())
        return account

    def unbind_all(self) -> None:
        """Ask every bound ESME to go (section 4.2): the SMSC is about to stop."""
        for connection in list(self.connections):
            connection.unbind()
        self.end_turn()
