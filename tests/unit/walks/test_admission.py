"""When the door refuses: before memory, latency or the disk suffer, and with the reason."""

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.errors import StoreDamaged, StoreUnavailable
from smsconnector.store import operations as ops
from smsconnector.walks import admission
from smsconnector.walks.admission import Admission, Limits


class FakeWriter:
    """Answers when the test says so."""

    def __init__(self) -> None:
        self.depth = 0
        self.asked: list[Any] = []
        self.probes: list[int | None] = []

    def put(self, operation: ops.Operation, done: Any, may_wait: bool = False) -> None:
        assert isinstance(operation, ops.Measure)
        self.asked.append(done)
        self.probes.append(operation.probe)

    def allocate(self, count: int) -> int:
        raise NotImplementedError


class AdmissionCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock, self.writer = Clock(), FakeWriter()
        writer: Any = self.writer
        self.admission = Admission(self.clock, writer, Limits(backlog=100, free=1 << 20, depth=10))
        self.admission.startService()
        self.addCleanup(self.admission.stopService)

    def answer(self, queued: int = 0, free: int = 1 << 30, error: Any = None) -> str:
        measures = ops.Measures(queued, 0, 0, 0, free) if error is None else None
        self.writer.asked.pop()(measures, error)
        self.clock.advance(1.0)
        return self.admission.refusal()

    def test_all_is_well(self) -> None:
        """Accepted before the first answer too."""
        self.assertEqual(self.admission.refusal(), "")
        self.assertEqual(self.answer(99), "")

    def test_backlog(self) -> None:
        """At the limit nothing is accepted, below it again."""
        self.assertIn("100 segments wait", self.answer(100))
        self.assertEqual(self.answer(50), "")

    def test_disk(self) -> None:
        """A disk that is nearly full."""
        self.assertIn("0 MiB left", self.answer(free=1000))

    def test_store_fails(self) -> None:
        """A store that can't write says why; when it can, all goes on."""
        self.assertIn("disk is full", self.answer(error=StoreUnavailable("the disk is full")))
        self.assertEqual(self.answer(), "")

    def test_door_has_failed(self) -> None:
        """What the door could not write closes it at once, until a write has shown that it can."""
        self.answer()
        self.admission.failed(StoreUnavailable("the disk is full"))
        self.assertIn("disk is full", self.admission.refusal())
        self.answer()
        self.assertEqual(self.answer(), "")
        self.assertEqual(self.writer.probes[:4], [admission.SMALL, None, admission.LARGE, None])

    def test_words_for_the_client(self) -> None:
        """What passes by itself, and what does not; of a damaged file no path."""
        self.assertEqual(self.admission.answer(), ("", ""))
        self.answer(100)
        self.assertEqual(self.admission.answer()[0], "overloaded")
        self.admission.failed(StoreUnavailable("the disk is full"))
        self.assertEqual(self.admission.answer()[0], "unavailable")
        self.admission.failed(StoreDamaged("/var/lib/sms.db is damaged"))
        code, sentence = self.admission.answer()
        self.assertEqual(code, "unavailable")
        self.assertNotIn("/var", sentence)

    def test_frozen(self) -> None:
        """A time in which the process was frozen, its store's thread too, is none in which the store did not answer."""
        self.clock.pump([1.0] * 2)
        self.clock.advance(3_600.0)
        self.assertEqual(self.admission.refusal(), "")

    def test_store_is_slow(self) -> None:
        """More operations wait than are written in a moment, or no answer comes at all."""
        self.writer.depth = 11
        self.assertIn("11 operations wait", self.admission.refusal())
        self.writer.depth = 0
        self.clock.pump([1.0] * 12)
        self.assertEqual(len(self.writer.asked), 1)
        self.assertIn(f"{admission.STORE_TIMEOUT:g} s", self.admission.refusal())
