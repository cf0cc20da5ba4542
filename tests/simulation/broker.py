"""The queue: a STOMP 1.2 broker that confirms, or keeps silent, or hangs up, as the plan says.

Its name decides what its receipts are worth. As ActiveMQ it takes a transaction before it sends the receipt of the
COMMIT. As RabbitMQ it sends that receipt, and loses the transaction.
"""

from collections import deque
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.simulation.clock import Machine, Time
from tests.simulation.network import Connection, End
from tests.simulation.plan import RABBITMQ, Confirmation, HeldBack, Plan, RefusedEvent, RefusedQueue

BEAT = 4.0  # seconds
SILENT = 25.0  # seconds until a connection is cut on which a receipt never comes


@dataclass(eq=False)
class Published:
    """One event that the broker has. ``confirmed_at``: the whole RECEIPT was with a daemon that lived."""

    event_id: str
    destination: str
    jms_type: str
    body: str
    at: float
    life: Machine
    headers: dict[str, str]
    connection: Connection
    confirmed_at: float | None = None


class Broker:
    """What it has, in the order in which it came."""

    def __init__(self, time: Time, plan: Plan, dice: Random) -> None:
        self.time, self.dice = time, dice
        self.events: list[Published] = []
        self.pending = 0
        self.asked = 0
        self.faults = {one.number: one.what for one in plan.of(Confirmation)}
        self._refused = {one.number: [one.times, one.is_named] for one in plan.of(RefusedEvent)}
        self._heard: dict[str, int] = {}  # events in the order in which they came first
        self.server = plan.server
        self._held: list[HeldBack] = plan.of(HeldBack)
        self._queues: list[RefusedQueue] = plan.of(RefusedQueue)

    def refusal(self, events: list[Published]) -> list[Any] | None:
        """Whether one of these is refused now: how often still, and whether it is named."""
        for event in events:
            number = self._heard.setdefault(event.event_id, len(self._heard) + 1)
            left = self._refused.get(number)
            if left and left[0] > 0:
                return left
        return None

    def refused_queue(self, destination: str) -> RefusedQueue | None:
        """The step by which that queue is refused now."""
        now = self.time.rightNow
        for step in self._queues:
            if destination.endswith(step.queue) and step.at <= now < step.at + step.seconds:
                return step
        return None

    def held_until(self, destination: str, transaction: bool) -> float:
        """Until when the broker does not read on at a SEND for that queue; 0: it does."""
        now = self.time.rightNow
        for step in self._held:
            if destination.endswith(step.queue) and step.at <= now < step.at + step.seconds:
                if not step.transaction:
                    return step.at + step.seconds
                if transaction:
                    return float("inf")
        return 0.0

    def answer(self, connection: Connection) -> "Peer":
        return Peer(self, connection)


class Peer:
    """The broker's end of one connection."""

    def __init__(self, broker: Broker, connection: Connection) -> None:
        self.broker, self.connection = broker, connection
        self.transport: End
        self._buffer = b""
        self._transactions: dict[str, list[Published]] = {}
        self._receipts: list[tuple[int, list[Published]]] = []
        self._over = self._is_held = False
        self._frames: deque[tuple[str, dict[str, str], str]] = deque()

    def makeConnection(self, transport: End) -> None:
        self.transport = transport
        self.connection.watch = self._watch

    def connectionLost(self, _reason: Any) -> None:
        self._over = True

    def _watch(self, what: str, end: End, _data: bytes, upto: int) -> None:
        if what == "arrived" and end is self.connection.peer:
            now = self.broker.time.rightNow
            while self._receipts and self._receipts[0][0] <= upto:
                for event in self._receipts.pop(0)[1]:
                    event.confirmed_at = now

    def dataReceived(self, data: bytes) -> None:
        *frames, self._buffer = (self._buffer + data).split(b"\0")
        for frame in frames:
            head, _, body = frame.lstrip(b"\n").decode().partition("\n\n")
            command, *lines = head.split("\n")
            headers: dict[str, str] = {}
            for line in lines:
                name, _, value = line.partition(":")
                headers.setdefault(name, value)
            self._frames.append((command, headers, body))
        self._read_on()

    def _read_on(self) -> None:
        while self._frames and not (self._over or self.connection.is_cut or self._is_held):
            command, headers, body = self._frames[0]
            if command == "SEND":
                several = bool(self._transactions.get(headers.get("transaction", "")))
                until = self.broker.held_until(headers["destination"], several)
                if until:
                    self._hold(until)
                    return
            self._frames.popleft()
            self._frame(command, headers, body)

    def _hold(self, until: float) -> None:
        self._is_held = True
        if until != float("inf"):
            self.broker.pending += 1
            self.broker.time.callLater(until - self.broker.time.rightNow, self._let_go)

    def _let_go(self) -> None:
        self.broker.pending -= 1
        self._is_held = False
        self._read_on()

    def _frame(self, command: str, headers: dict[str, str], body: str) -> None:
        if command == "CONNECT":
            beats = int(BEAT * 1000)
            self._say(f"CONNECTED\nversion:1.2\nserver:{self.broker.server}\nheart-beat:{beats},{beats}\n\n\0\n")
            self.broker.time.callLater(BEAT, self._beat)
        elif command == "BEGIN":
            self._transactions[headers["transaction"]] = []
        elif command == "SEND":
            life = self.connection.daemon.machine
            assert life is not None
            event = Published(
                headers["event-id"],
                headers["destination"],
                headers["type"],
                body,
                self.broker.time.rightNow,
                life,
                headers,
                self.connection,
            )
            if "transaction" in headers:
                self._transactions[headers["transaction"]].append(event)
            else:
                self._take([event], headers["receipt"])
        elif command == "COMMIT":
            events = self._transactions.pop(headers["transaction"])
            if self.broker.server == RABBITMQ:
                self._say(f"RECEIPT\nreceipt-id:{headers['receipt']}\n\n\0\n")
            else:
                self._take(events, headers["receipt"])
        elif command == "DISCONNECT":
            self._say(f"RECEIPT\nreceipt-id:{headers['receipt']}\n\n\0")
        else:
            raise AssertionError(f"the daemon sent a {command} frame")

    def _take(self, events: list[Published], receipt: str) -> None:
        broker = self.broker
        broker.asked += 1
        fault = broker.faults.get(broker.asked, "")
        if fault == "dropped":
            self.connection.cut()
            return
        if fault == "error":
            self._over = True
            self._say("ERROR\nmessage:it can't be\n\n\0")
            self.transport.loseConnection()
            return
        queue = broker.refused_queue(events[0].destination)
        if queue is not None and queue.hangs_up:
            self.connection.cut(clean=True)
            return
        if queue is not None:
            self._over = True
            self._say("ERROR\nmessage:not this queue\n\n\0\n")
            self.transport.loseConnection()
            return
        refusal = broker.refusal(events)
        if refusal is not None:
            refusal[0] -= 1
            self._over = True
            named = f"receipt-id:{receipt}\n" if refusal[1] else ""
            self._say(f"ERROR\nmessage:not this one\n{named}\n\0\n")
            self.transport.loseConnection()
            return
        for event in events:
            event.at = broker.time.rightNow
        broker.events += events
        if fault == "taken, dropped":
            self.connection.cut()
        elif fault == "half":
            self._confirm(events, receipt)
            self.connection.cut()
        elif fault == "silent":
            broker.pending += 1
            broker.time.callLater(SILENT, self._cut)
        else:
            broker.pending += 1
            delay = {"late": 3.0, "very late": 15.0}.get(fault, broker.dice.random() * 0.02)
            broker.time.callLater(delay, self._confirm_later, events, receipt)

    def _cut(self) -> None:
        self.broker.pending -= 1
        self.connection.cut()

    def _confirm_later(self, events: list[Published], receipt: str) -> None:
        self.broker.pending -= 1
        self._confirm(events, receipt)

    def _confirm(self, events: list[Published], receipt: str) -> None:
        if self._say(f"RECEIPT\nreceipt-id:{receipt}\n\n\0\n"):
            # All but the frame's NUL may be missing: the line feed behind it is a beat.
            self._receipts.append((len(self.transport.written) - 1, events))

    def _say(self, text: str) -> bool:
        if self.connection.is_cut or (self._over and not text.startswith("ERROR")):
            return False
        self.transport.write(text.encode())
        return True

    def _beat(self) -> None:
        if self._say("\n"):
            self.broker.time.callLater(BEAT, self._beat)
