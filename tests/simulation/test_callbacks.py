"""Callbacks of single messages in the simulation: plans of their own, and laws that are broken on purpose."""

from typing import Any

from smsconnector.net.http_client import HTTPReply
from smsconnector.sinks.webhook import answers, sink
from smsconnector.sinks.webhook.lanes import Delivery
from smsconnector.sinks.webhook.sink import WebhookSink
from smsconnector.store.callbacks import Callbacks
from smsconnector.walks.outbox_reading import OutboxReading
from tests.simulation.plan import WEBHOOK, CalledBack, Crash, Outage, Plan, Silence, Text
from tests.simulation.run import run
from tests.simulation.test_simulation import SimulationCase

TEXTS: tuple[Any, ...] = tuple(Text(0.05 * number, number, number % 3, callback=number % 3) for number in range(9))


class PlansCase(SimulationCase):
    def test_each_answer_alone(self) -> None:
        """Whatever a host does with one request, or with three in a row, all is taken in the end, and no other host
        waits for it."""
        for what in sorted(set(WEBHOOK)):
            for numbers in ((1,), (1, 2, 3)):
                steps = (*TEXTS, *(CalledBack(1, number, what) for number in numbers))
                self.assertEqual(run(Plan(7, "resend", steps)).broken, (), what)

    def test_away(self) -> None:
        """A host is down or silent for longer than it is waited for, and the daemon is killed meanwhile."""
        for step in (Outage(0.0, "callback 1", 25.0), Silence(0.1, "callback 2", 20.0)):
            for more in ((), (Crash(0.4),), (Crash(3.0), Crash(9.0))):
                for small in (False, True):
                    steps = (*TEXTS, step, *more)
                    self.assertEqual(run(Plan(7, "resend", steps, small=small)).broken, (), step)

    def test_beside_the_others(self) -> None:
        """The broker or the webhook is away, and the callbacks come."""
        for step in (Outage(0.0, "broker", 20.0), Outage(0.0, "webhook", 20.0)):
            self.assertEqual(run(Plan(7, "resend", (*TEXTS, step), webhook="all")).broken, (), step)


class BrokenLawCase(SimulationCase):
    def law(self, *steps: Any, of: str = "I14") -> None:
        """Some of these plans break it."""
        failed = self.fails(Plan(seed, "resend", (*TEXTS, *steps)) for seed in range(10))
        self.flushLoggedErrors()
        self.assertTrue(failed and failed.laws & {of, "I6"}, failed)

    def test_confirmed_too_early(self) -> None:
        """A 500 counts as taken."""

        def meaning_of(reply: HTTPReply, now_s: float) -> Any:
            return answers.TAKEN if reply.status == 500 else real(reply, now_s)

        real = answers.meaning_of
        self.patch(sink, "meaning_of", meaning_of)
        self.law(CalledBack(1, 1, "error"))

    def test_forgotten(self) -> None:
        """Whether there are callbacks is known in memory only, and not asked for at the start."""
        self.patch(Callbacks, "_open_callbacks", lambda _self: None)
        self.law(Crash(0.3), Crash(0.5))

    def test_all_at_one_url(self) -> None:
        """A host gets the right reports, all at the URL that it was given first."""
        urls: dict[str, str] = {}
        real = Callbacks._note_callbacks
        self.patch(
            Callbacks,
            "_note_callbacks",
            lambda store, rows: real(store, [(sid, host, urls.setdefault(host, url)) for sid, host, url in rows]),
        )
        self.law()

    def test_held_up_by_another_host(self) -> None:
        """What is sent to one host waits until nothing is out at the other."""
        real, sinks = WebhookSink._send, set[WebhookSink]()

        def send(one: WebhookSink, delivery: Delivery) -> None:
            sinks.add(one)
            if not one._target.url and any(other is not one and len(other._lanes) for other in sinks):
                one._clock.callLater(1.0, send, one, delivery)
            else:
                real(one, delivery)

        self.patch(WebhookSink, "_send", send)
        self.law(Outage(0.0, "callback 1", 25.0))

    def test_passed_though_owed(self) -> None:
        """How far a host has come is told without looking at what is at its sink."""

        def settled_up_to(reading: OutboxReading, settling: Any) -> int:
            return reading._read_up_to if not settling else real(reading, settling)

        real = OutboxReading.settled_up_to
        self.patch(OutboxReading, "settled_up_to", settled_up_to)
        self.law(Outage(0.0, "callback 1", 6.0), Crash(4.0))

    def test_parked_for_good(self) -> None:
        """What is given up while a host is down is not tried again."""
        real = WebhookSink._park
        self.patch(
            WebhookSink,
            "_park",
            lambda one, delivery, verdict, why: (
                one._lanes.settled(delivery) if one._target.patience else real(one, delivery, verdict, why)
            ),
        )
        self.law(Outage(0.0, "callback 1", 25.0))
