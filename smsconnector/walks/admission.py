"""Whether texts may be accepted now. What is too much is refused at the door, before memory or the disk are full and
before everything becomes slow.

1. Every second the store is asked how full it is. Now and then it has to write a few octets as well, which shows that
   it can. When something could not be written, it has to write many octets each time, until that works: a few might
   still fit into a page of the file when the disk is full.
2. ``refusal`` says why nothing is accepted: too many segments wait for the network, the disk is nearly full, the
   store cannot write or does not answer, or too many operations wait for it.
3. Bulk texts are refused a little earlier, so that they leave room for interactive ones. What is scheduled does not
   wait for the network yet, and takes no room.
4. What is refused is answered with 503 and Retry-After. Nothing was accepted, and the application tries again.

Receipts and texts from the networks are never refused here: an SMSC would only send them again.
"""

from dataclasses import dataclass
from functools import partial

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from smsconnector.errors import StoreDamaged, StoreError, StoreUnavailable
from smsconnector.net.hearing import Hearing
from smsconnector.store import operations as ops
from smsconnector.store.writer import IWriter
from smsconnector.timers import Repeating

MEASURE_INTERVAL = 1.0  # seconds
PROBE_EVERY = 10  # so many times asked, it has to write once, while all is well
SMALL, LARGE = 0, 262_144  # octets that the store has to write to show that it can
BULK_PART = 0.9  # of the backlog's limit: bulk texts may fill that much of it, and leave the rest to the others
STORE_TIMEOUT = 10.0  # seconds without an answer of the store, after which nothing is accepted


@dataclass(frozen=True, slots=True)
class Limits:
    """From where on nothing is accepted. ``backlog``: so many segments wait for the network; ``free``: fewer octets are
    free on the disk of the store; ``depth``: more operations wait for the store."""

    backlog: int = 5_000_000
    free: int = 268_435_456
    depth: int = 20_000


class Gate:
    """Whether texts are accepted now. This one accepts everything; ``Admission`` is the daemon's."""

    def refusal(self) -> str:
        """Why not, as a sentence for the operator; "" if they are."""
        return ""

    def answer(self) -> tuple[str, str]:
        """The same for the client: a word that programs can rely on, and the sentence."""
        return "", ""

    def refuses_bulk(self) -> str:
        """Why no bulk texts are accepted now, where others are; "" if they are."""
        return ""

    def failed(self, error: StoreError) -> None:
        """The store could not write what was accepted."""


class Admission(Service, Gate):
    """Asks the store, and decides by ``limits``. ``measures`` is what the store said last; None before that."""

    log = Logger()

    def __init__(self, clock: IReactorTime, writer: IWriter, limits: Limits) -> None:
        self._clock, self._writer, self.limits = clock, writer, limits
        self._hearing = Hearing(clock.seconds(), 2 * MEASURE_INTERVAL)  # a freeze is no fault of the store
        self._heard = 0.0
        self.measures: ops.Measures | None = None
        self._store_says = ""  # why it can't write; "" if it can
        self._asked_at: float | None = None  # by _hearing; None while no answer is awaited
        self._looks = 0  # how often it was asked
        self._damage = ""  # what is wrong with the file; "" if nothing is
        self._said = ""  # the refusal that the log has
        self._timer = Repeating(clock, "the look at the store", self._look)

    def startService(self) -> None:
        super().startService()
        self._timer.start(MEASURE_INTERVAL)

    def stopService(self) -> None:
        super().stopService()
        self._timer.stop()

    def refusal(self) -> str:
        """Why nothing is accepted now, as a sentence; "" if it is."""
        depth = self._writer.depth
        if depth > self.limits.depth:
            return f"{depth} operations wait for the database: it is slower than what comes in."
        if self._damage:
            return self._damage
        if self._store_says:
            return f"Nothing can be written: {self._store_says}."
        if self._asked_at is not None and self._heard - self._asked_at > STORE_TIMEOUT:
            return f"The database has not answered for {STORE_TIMEOUT:g} s."
        return self._too_full()

    def answer(self) -> tuple[str, str]:
        """``overloaded``: it passes by itself. ``unavailable``: the operator has to do something."""
        if self._damage:
            return "unavailable", "The database needs the operator."
        refusal = self.refusal()
        return ("unavailable" if self._store_says else "overloaded") if refusal else "", refusal

    def refuses_bulk(self) -> str:
        measures, most = self.measures, int(self.limits.backlog * BULK_PART)
        if measures is None or measures.queued < most:
            return ""
        return f"{measures.queued} segments wait for the network, and the limit for bulk texts is {most}."

    def _too_full(self) -> str:
        measures, limits = self.measures, self.limits
        if measures is None:
            return ""
        if measures.queued >= limits.backlog:
            return f"{measures.queued} segments wait for the network, and the limit is {limits.backlog}."
        if measures.free < limits.free:
            return f"The disk of the database has {measures.free >> 20} MiB left, and {limits.free >> 20} must stay."
        return ""

    def _look(self) -> None:
        self._heard = self._hearing.tick(self._clock.seconds())
        if self._asked_at is None:
            self._asked_at = self._hearing.now(self._clock.seconds())
            probe = LARGE if self._store_says else SMALL if self._looks % PROBE_EVERY == 0 else None
            self._looks += 1
            self._writer.put(ops.Measure(probe), partial(self._measured, probe))
        self._say(self.refusal())

    def failed(self, error: StoreError) -> None:
        """The store could not write: nothing is accepted until a large write has shown that it can again."""
        if isinstance(error, StoreDamaged):
            self._damage = str(error)
        elif isinstance(error, StoreUnavailable):
            self._store_says = str(error)

    def _measured(self, probe: int | None, measures: ops.Measures | None, error: StoreError | None) -> None:
        self._asked_at = None
        if error is not None:
            self._store_says = str(error)
            self.failed(error)
            if probe is not None:
                self._writer.put(ops.Measure(), partial(self._measured, None))
        elif probe == LARGE:
            self._store_says = ""
        if measures is not None:
            self.measures = measures
        self._say(self.refusal())

    def _say(self, refusal: str) -> None:
        """Write a line into the log when refusing begins, and when it ends."""
        if bool(refusal) != bool(self._said):
            if refusal:
                self.log.error("nothing is accepted: {refusal}", refusal=refusal)
            else:
                self.log.info("texts are accepted again")
        self._said = refusal
