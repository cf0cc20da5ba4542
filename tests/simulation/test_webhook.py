"""The second sink in the simulation: that a law which is broken on purpose is found, and plans of their own."""

from typing import Any

from smsconnector.net.http_client import HTTPReply
from smsconnector.sinks.webhook import answers, message, sink
from smsconnector.sinks.webhook.lanes import Delivery, Lanes
from smsconnector.store import queries
from smsconnector.store.writer import HearWritten, Written
from smsconnector.walks.outbox_reading import OutboxReading
from smsconnector.walks.publisher import Publisher
from tests.simulation.disk import SimulatedWriter
from tests.simulation.plan import WEBHOOK, Answered, Crash, Hook, Outage, Plan, Silence, Text
from tests.simulation.run import run
from tests.simulation.test_simulation import SimulationCase

HOOKS: tuple[Any, ...] = tuple(Hook(0.2 + number * 0.01, number, sid=f"h{number}") for number in range(6))


class PlansCase(SimulationCase):
    def test_each_answer_alone(self) -> None:
        """Whatever the application does with one request, or with three in a row, all is taken in the end, in order."""
        for what in sorted(set(WEBHOOK)):
            for numbers in ((1,), (2, 3, 4)):
                steps = (*HOOKS, Text(0.1, 0), *(Answered(number, what) for number in numbers))
                self.assertEqual(run(Plan(7, "resend", steps, webhook="all")).broken, (), what)

    def test_away(self) -> None:
        """It is away, or silent, for long; and the daemon is killed meanwhile."""
        for step in (Outage(0.1, "webhook", 25.0), Silence(0.1, "webhook", 12.0)):
            for more in ((), (Crash(3.0),)):
                for small in (False, True):
                    steps = (*HOOKS, Text(0.1, 0), step, *more)
                    self.assertEqual(run(Plan(7, "resend", steps, webhook="all", small=small)).broken, (), step)

    def test_broker_away(self) -> None:
        """The webhook gets its events meanwhile."""
        steps = (*HOOKS, Text(0.1, 0), Outage(0.1, "broker", 25.0))
        for webhook in ("all", "reports", "texts"):
            self.assertEqual(run(Plan(7, "resend", steps, webhook=webhook)).broken, ())


class BrokenLawCase(SimulationCase):
    """The second sink with a law broken on purpose."""

    def test_order(self) -> None:
        """The texts of one number go side by side."""

        def add(lanes: Lanes, delivery: Delivery) -> None:
            delivery.number = str(id(delivery))
            real(lanes, delivery)

        real = Lanes.add
        self.patch(Lanes, "add", add)
        self.broken("I7")

    def test_confirmed_too_early(self) -> None:
        """A 500 counts as taken."""

        def meaning_of(reply: HTTPReply, now_s: float) -> Any:
            return answers.TAKEN if reply.status == 500 else real(reply, now_s)

        real = answers.meaning_of
        self.patch(sink, "meaning_of", meaning_of)
        self.broken("I7")

    def test_another_id_each_time(self) -> None:
        """A repeat that nobody can know."""
        count, real = iter(range(10**6)), message.headers_of
        self.patch(sink, "headers_of", lambda event, *more: _with_id(real(event, *more), f"{next(count)}"))
        self.broken("I7")

    def test_held_up_by_the_other(self) -> None:
        """The webhook's publisher is told when the broker has taken all."""

        def listen(writer: SimulatedWriter, listener: HearWritten) -> None:
            publisher: Any = listener.__self__  # type: ignore[attr-defined]  # it is a method

            def late(written: Written) -> None:
                waits = publisher.sink_name != "stomp" and stomp[0].at_sink.total()
                writer._machine.callLater(3.0 if waits else 0.0, listener, written)

            stomp[:] = [publisher] if publisher.sink_name == "stomp" else stomp
            lates[listener] = late
            writer._listeners.append(late)

        stomp: list[Publisher] = []
        lates: dict[HearWritten, HearWritten] = {}
        self.patch(SimulatedWriter, "listen", listen)
        self.patch(SimulatedWriter, "unlisten", lambda writer, listener: writer._listeners.remove(lates[listener]))
        self.broken("I7")

    def test_passed_though_owed(self) -> None:
        """How far a sink that wants some has come is told without looking at what is at the sink."""

        def settled_up_to(reading: OutboxReading, settling: Any) -> int:
            return reading._read_up_to if not settling else real(reading, settling)

        real = OutboxReading.settled_up_to
        self.patch(OutboxReading, "settled_up_to", settled_up_to)
        steps = (*HOOKS, Outage(0.0, "webhook", 6.0), Crash(5.0))
        failed = self.fails(Plan(seed, "resend", steps, webhook="texts") for seed in range(20))
        self.flushLoggedErrors()
        self.assertTrue(failed and failed.laws & {"I6", "I7"})

    def test_unwanted_too(self) -> None:
        """The sink gets what it does not want."""
        self.patch(queries, "selected", lambda _selection: "")
        self.broken("I7")


def _with_id(headers: Any, its_id: str) -> Any:
    return tuple((name, message.webhook_id(its_id) if name == "webhook-id" else value) for name, value in headers)
