"""What stands for the outside and for time in unit tests: no sockets, no threads, no sleeping."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from zope.interface import implementer

from smsconnector.channels import IRoute, Listener, Part
from smsconnector.errors import StoreUnavailable
from smsconnector.messages import Event, Message, Outcome, Segment
from smsconnector.sinks import IEventSink
from smsconnector.sms.segmentation import Split, segment
from smsconnector.store import operations as ops
from smsconnector.store.operations import Operation
from smsconnector.store.store import Store
from smsconnector.store.writer import Done, apply_batch

EPOCH = 1_800_000_000.0  # what the wall clock shows when a test's clock shows 0


READING = (ops.LoadSegments, ops.LoadDue, ops.LoadRetries, ops.LoadEvents, ops.Find, ops.Measure)
HOUSEKEEPING = (ops.Sweep, ops.Purge)  # comes again and again, whether there is anything to do or not


def only_reads(operations: list[Operation]) -> bool:
    """A batch that can be done on a full disk; housekeeping has mostly nothing to do."""
    return all(isinstance(one, READING + HOUSEKEEPING) and getattr(one, "probe", None) is None for one in operations)


class DirectWriter:
    """The writer without its thread: what was put in one turn is one commit in the next. ``broken``: it can be neither
    read nor written; ``full``: not written."""

    def __init__(self, clock: Clock, store: Store) -> None:
        self.clock, self.store = clock, store
        self.next_id = store.last_segment_id() + 1
        self.queue: list[tuple[Operation, Done]] = []
        self.broken = self.full = False
        self.commits = 0

    @property
    def depth(self) -> int:
        return len(self.queue)

    def allocate(self, count: int) -> int:
        first, self.next_id = self.next_id, self.next_id + count
        return first

    def put(self, operation: Operation, done: Done) -> None:
        self.queue.append((operation, done))
        if len(self.queue) == 1:
            self.clock.callLater(0, self.commit)

    def commit(self) -> None:
        batch, self.queue = self.queue, []
        operations = [operation for operation, _ in batch]
        if self.broken or (self.full and not only_reads(operations)):
            answers: list[Any] = [(None, StoreUnavailable("the disk is full"))] * len(batch)
        else:
            answers = apply_batch(self.store, operations)
            self.commits += 1
        for (_, done), (result, error) in zip(batch, answers, strict=True):
            done(result, error)


class FakeChannel(Service):
    """A channel with a window, which is its own only route; the test says what becomes of each submit."""

    name: str = "smpp"

    def __init__(self, window: int = 50) -> None:
        self.window = window
        self.cut: Callable[[str], Split] = segment
        self.submitted: list[Segment] = []
        self.under_way: list[Segment] = []
        self.listener: Listener

    def parts(self) -> list[Part]:
        return [Part("smpp/a", "bound")]

    def capacity(self) -> int:
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
    """A sink whose broker confirms when the test says so."""

    connected = True

    def __init__(self) -> None:
        self.batches: list[tuple[list[Event], Deferred[None]]] = []
        self.published: list[Event] = []

    def publish(self, events: Sequence[Event]) -> "Deferred[None]":
        fired: Deferred[None] = Deferred()
        self.batches.append((list(events), fired))
        return fired

    def confirm(self) -> None:
        batches, self.batches = self.batches, []
        for events, fired in batches:
            self.published += events
            fired.callback(None)


def message(sid: str = "SM1", *segments: str, to: str = "923001234567", at: int = int(EPOCH * 1000)) -> Message:
    """A message of one segment, or of those given."""
    return Message(sid, "smpp", "8228", to, "gsm7", segments or ("hello",), at, at + 3_600_000)
