"""Real brokers that are slow, full, refuse, or are killed: the scenes of ``tests.endurance.brokers``, in short."""

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SkipTest, TestCase

from tests.endurance import brokers


class BrokersCase(TestCase):
    timeout = 300

    def play(self, name: str) -> "Deferred[Any]":
        """The scene, in a thread that waits for its processes."""
        missing = brokers.missing(name)
        if missing:
            raise SkipTest(missing)

        def run() -> None:
            (promises,) = brokers.play([name], is_short=True)
            self.assertEqual(promises.broken, [])

        return deferToThread(run)

    def test_killed(self) -> Any:
        """ActiveMQ with KahaDB, killed at the first receipts."""
        return self.play("kills")

    def test_flow_control(self) -> Any:
        """A queue of ActiveMQ with little memory, and a backlog for it."""
        return self.play("flow-60kb")

    def test_full_queue(self) -> Any:
        """One queue is full for a while: the other goes on, and nothing is sent twice."""
        return self.play("full-queue")

    def test_refused_queue(self) -> Any:
        """Nobody may write to one of the queues."""
        return self.play("refused-queue")

    def test_large_frame(self) -> Any:
        """One event is longer than the broker takes."""
        return self.play("large-frame")

    def test_tls(self) -> Any:
        """The broker wants to see a client's certificate."""
        return self.play("tls")

    def test_rabbitmq_killed(self) -> Any:
        """RabbitMQ, killed at the first receipts."""
        return self.play("rabbitmq-kills")

    def test_rabbitmq_rejects(self) -> Any:
        """A full queue of RabbitMQ with ``reject-publish``."""
        return self.play("rabbitmq-reject-publish")
