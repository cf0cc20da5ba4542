"""What stands for the outside and for time in unit tests: no sockets, no threads, no sleeping."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast, get_args

from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.task import Clock
from zope.interface import implementer

from smsconnector.access.keys import Caller
from smsconnector.access.ring import KeyRing
from smsconnector.channels import IRoute, Listener, Part
from smsconnector.channels.previews import DataCoding, Preview, Way, WireAddress
from smsconnector.errors import StoreError, StoreUnavailable
from smsconnector.messages import Event, Message, Outcome, Segment
from smsconnector.sinks import EventOutcome, EventVerdict, IEventSink, TellOutcome
from smsconnector.sms.segmentation import Split, segment
from smsconnector.store import operations as ops
from smsconnector.store.inbox import Done
from smsconnector.store.operations import Operation, Query
from smsconnector.store.queries import Queries
from smsconnector.store.reader import answer_query
from smsconnector.store.store import Store
from smsconnector.store.worker import Result, Soon
from smsconnector.store.writer import HearWritten, apply_batch, hand_over
from smsconnector.systemd import Notifier
from smsconnector.walks.admission import Gate

EPOCH = 1_800_000_000.0  # what the wall clock shows when a test's clock shows 0


SINK = "stomp"  # the one that events are owed to, unless a test says otherwise
HOUSEKEEPING = (ops.Sweep, ops.Purge)  # comes again and again, whether there is anything to do or not


def run_what_is_due(clock: Clock) -> None:
    """Everything that is due now, and what becomes due by it; nothing that takes time."""
    while any(call.getTime() <= clock.seconds() for call in clock.getDelayedCalls()):
        clock.advance(0)


def by_name(headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, list[bytes]]:
    """Headers as an HTTPRequest has them."""
    found: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        found.setdefault(name.lower(), []).append(value)
    return found


class FakeGate(Gate):
    """It is closed when the test gives a reason."""

    def __init__(self) -> None:
        self.reason = ""
        self.failures: list[StoreError] = []

    def refusal(self) -> str:
        return self.reason

    def answer(self) -> tuple[str, str]:
        return "overloaded" if self.reason else "", self.reason

    def failed(self, error: StoreError) -> None:
        self.failures.append(error)


def only_reads(operations: Sequence[Operation]) -> bool:
    """A batch that can be done on a full disk; housekeeping has mostly nothing to do."""
    return all(
        isinstance(one, (ops.Measure, *HOUSEKEEPING)) and getattr(one, "probe", None) is None for one in operations
    )


def is_query(asked: Operation | Query) -> bool:
    return isinstance(asked, get_args(Query))


def answers_of(store: Store, batch: Sequence[Operation | Query]) -> list[Result]:
    """Of operations, in one commit, and of queries, asked behind it."""
    operations = [one for one in batch if not is_query(one)]
    written = iter(apply_batch(store, cast(list[Operation], operations)))
    queries = Queries(store._connection, store.path)
    return [answer_query(queries, cast(Query, one)) if is_query(one) else next(written) for one in batch]


def ask(store: Store, batch: Sequence[Operation | Query]) -> list[Any]:
    """The results of all; raises the first error."""
    operations = [one for one in batch if not is_query(one)]
    written = iter(store.apply(cast(list[Operation], operations)))
    queries = Queries(store._connection, store.path)
    return [queries.answer(cast(Query, one)) if is_query(one) else next(written) for one in batch]


def confirm(events: Sequence[Event], at: int, sink: str = SINK) -> ops.Confirm:
    """The sink has confirmed these, and all before them."""
    return ops.Confirm(sink, tuple(event.id for event in events), max((event.id for event in events), default=0), at)


class DirectWriter:
    """Writer and reader without their threads: what was put in one turn is answered in the next. ``broken``: the file
    can be neither read nor written; ``full``: not written. ``error`` is what is answered then."""

    error: StoreError = StoreUnavailable("the disk is full")

    def __init__(self, clock: Clock, store: Store) -> None:
        self.clock, self.store = clock, store
        self.next_id = store.last_segment_id() + 1
        self.queue: list[tuple[Operation | Query, Done]] = []
        self.broken = self.full = False
        self.commits = 0
        self.soon = Soon()
        self.listeners: list[HearWritten] = []

    @property
    def depth(self) -> int:
        return len(self.queue)

    def allocate(self, count: int) -> int:
        first, self.next_id = self.next_id, self.next_id + count
        return first

    def listen(self, listener: HearWritten) -> None:
        self.listeners.append(listener)

    def afterwards(self, call: Callable[[], None]) -> None:
        self.soon.call(call)

    def put(self, operation: Operation | Query, done: Done, may_wait: bool = False) -> None:
        self.queue.append((operation, done))
        if len(self.queue) == 1:
            self.clock.callLater(0, self.commit)

    def commit(self) -> None:
        batch, self.queue = self.queue, []
        asked = [one for one, _ in batch]
        writes = [cast(Operation, one) for one in asked if not is_query(one)]
        if self.broken or (self.full and not only_reads(writes)):
            answers: list[Result] = [(None, self.error)] * len(batch)
        else:
            answers = answers_of(self.store, asked)
            self.commits += 1
        hand_over(self.store.take_written(), self.listeners)
        self.soon.is_open = True
        for (_, done), (result, error) in zip(batch, answers, strict=True):
            done(result, error)
        for call in self.soon.taken():
            call()


class FakeChannel(Service):
    """A channel with a window, which is its own only route; the test says what becomes of each submit."""

    name: str = "smpp"
    is_up = True
    rate: float | None = None
    obstacle = ""

    def __init__(self, window: int = 50) -> None:
        self.window = window
        self.cut: Callable[[str], Split] = segment
        self.submitted: list[Segment] = []
        self.under_way: list[Segment] = []
        self.listener: Listener

    def parts(self) -> list[Part]:
        return [Part("smpp/a", "bound")]

    def preview(self, prefix: str, segments: Sequence[Segment]) -> Preview:
        source, number = WireAddress(segments[0].source or "", 5, 0), WireAddress(segments[0].destination, 1, 1)
        codings = (DataCoding(0, "the SMSC's default alphabet, here gsm7"),)
        return Preview([Way("smpp/a", "bound", "", True, source, number, codings)], self.rate, self.obstacle)

    def capacity(self, taken: int = 0) -> int:
        return self.window - len(self.under_way)

    def submit(self, segments: Sequence[Segment]) -> Sequence[Segment]:
        assert len(segments) <= self.capacity(), "more was submitted than there was room for"
        self.submitted += segments
        self.under_way += segments
        return ()

    def throttle(self, *segments: Segment) -> None:
        for one in segments:
            self.under_way.remove(one)
        self.listener.throttled(segments)

    def answer(self, *outcomes: Outcome) -> None:
        for outcome in outcomes:
            self.under_way.remove(outcome.segment)
        self.listener.outcomes(list(outcomes))
        self.listener.room()


class AgainMixin:
    """The submitter's part for segments that the network or the channel did not take: kept, and sent again first."""

    is_urgent = False

    def __init__(self) -> None:
        self.again: list[Segment] = []

    def throttled(self, segments: Iterable[Segment]) -> None:
        self.again = sorted([*self.again, *segments], key=lambda one: one.id)

    def send_again(self, channel: IRoute) -> None:
        room = channel.capacity()
        sent, self.again = self.again[:room], self.again[room:]
        self.throttled(channel.submit(sent))


@implementer(IEventSink)
class FakeSink(Service):
    """A sink whose broker answers when the test says so."""

    connected = True
    troubles: tuple[()] = ()

    def __init__(self) -> None:
        self.batches: list[tuple[list[Event], TellOutcome]] = []
        self.published: list[Event] = []

    def publish(self, events: Sequence[Event], settle: TellOutcome) -> None:
        self.batches.append((list(events), settle))

    def answer(self, verdict: EventVerdict, reason: str = "") -> None:
        """The same for all that is here."""
        batches, self.batches = self.batches, []
        for events, settle in batches:
            if verdict is EventVerdict.CONFIRMED:
                self.published += events
            settle(EventOutcome(events, verdict, reason))

    def confirm(self) -> None:
        self.answer(EventVerdict.CONFIRMED)


def message(sid: str = "SM1", *segments: str, to: str = "923001234567", at: int = int(EPOCH * 1000)) -> Message:
    """A message of one segment, or of those given."""
    return Message(sid, "smpp", "8228", to, "gsm7", segments or ("hello",), at, at + 3_600_000)


class AtOnce:
    """Stands for threads: what they are given is done at once."""

    def __init__(self, *_made_with: Any) -> None: ...

    def run(self, function: Callable[[], Any]) -> "Deferred[Any]":
        return maybeDeferred(function)

    def stop(self) -> None: ...


class HeardNotifier(Notifier):
    """Keeps what systemd would be told."""

    def __init__(self) -> None:
        super().__init__(Clock(), {})
        self.said: list[str] = []

    def notify(self, state: str) -> None:
        self.said.append(state)


class NoKeeper:
    """No file of keys, and no audit."""

    def __init__(self, *_made_with: Any) -> None:
        self.ring = KeyRing()

    def start(self, about: str) -> None: ...

    def note(self, who: str, what: str, about: str) -> "Deferred[None]":
        return succeed(None)

    def accepted(self, caller: Caller | None) -> None: ...

    def remember(self, caller: Caller | None, what: str, about: str) -> None: ...

    def stop(self) -> "Deferred[None]":
        return succeed(None)
