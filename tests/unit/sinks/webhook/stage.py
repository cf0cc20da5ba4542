"""A webhook sink before a client in memory: what it asks is answered by the test."""

import json
from collections.abc import Callable
from random import Random
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.messages import DELIVERY_REPORT, INCOMING_MESSAGE, Event
from smsconnector.net.http_client import HTTPCall, HTTPReply, NotSent, Unanswered
from smsconnector.sinks import EventOutcome, EventVerdict
from smsconnector.sinks.webhook.sink import Target, WebhookSink
from smsconnector.wall_clock import WallClock
from tests.recorded_log import RecordedLog
from tests.unit.fakes import EPOCH

SECRET = b"0123456789abcdef01234567"
CREATED_MS = 1_767_225_600_123
Asked = tuple[HTTPCall, "Deferred[HTTPReply]"]


def text(number: int, sender: str = "", attempts: int = 0) -> Event:
    body = json.dumps({"Body": "hi", "From": sender or f"4670{number}", "To": "8228", "SmsSid": f"S{number}"})
    return Event(number, f"in/smpp/S{number}/d", INCOMING_MESSAGE, "smpp", body, attempts, CREATED_MS)


def report(number: int, attempts: int = 0) -> Event:
    body = json.dumps({"MessageSID": f"SM{number}", "DeliveryStatus": "DELIVERED", "ProviderStatusCode": "000"})
    return Event(number, f"dr-SM{number}", DELIVERY_REPORT, "smpp", body, attempts, CREATED_MS)


class FakeClient:
    """Keeps what is asked."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.is_closed = False

    def ask(self, call: HTTPCall) -> "Deferred[HTTPReply]":
        answer: Deferred[HTTPReply] = Deferred()
        self.asked.append((call, answer))
        return answer

    def close(self) -> "Deferred[None]":
        self.is_closed = True
        return succeed(None)


class SinkStage(SynchronousTestCase):
    """``publish`` gives events to the sink; ``answer`` answers what it has asked, in the order in which it did."""

    parallel = 4
    retry_disabled: float | None = None

    def setUp(self) -> None:
        self.clock, self.client, self.log = Clock(), FakeClient(), RecordedLog(self)
        target = Target(
            "https://crm.example/hook?token=s3cret",
            "https://crm.example",
            (SECRET,),
            (("Authorization", "s3cret"),),
            self.parallel,
            self.retry_disabled,
        )
        wall_clock = WallClock(lambda: EPOCH + self.clock.seconds())
        self.sink = WebhookSink(self.clock, wall_clock, target, self.client, Random(1))
        self.outcomes: list[EventOutcome] = []
        self.sink.startService()

    def publish(self, *events: Event) -> None:
        self.sink.publish(events, self.outcomes.append)

    def ids(self) -> list[str]:
        """Of what is asked and not answered."""
        return [dict(call.headers)["webhook-id"] for call, _ in self.client.asked]

    def answer(self, *what: int | Exception, headers: dict[str, str] | None = None) -> None:
        """Each of what is asked now, the first ones first."""
        for one in what:
            _, answer = self.client.asked.pop(0)
            if isinstance(one, Exception):
                answer.errback(one)
            else:
                answer.callback(HTTPReply(one, headers or {}, b"whatever s3cret 46701234567"))
        self.clock.advance(0)

    def advance_until(self, condition: Callable[[], Any], most: float = 7200.0, step: float = 0.25) -> float:
        """Seconds that it took."""
        since = self.clock.seconds()
        while not condition():
            self.assertLess(self.clock.seconds() - since, most)
            self.clock.advance(step)
        return self.clock.seconds() - since

    def told(self, verdict: EventVerdict) -> list[int]:
        return [event.id for outcome in self.outcomes if outcome.verdict is verdict for event in outcome.events]

    @property
    def confirmed(self) -> list[int]:
        return self.told(EventVerdict.CONFIRMED)

    @property
    def states(self) -> list[str]:
        return [trouble.state for trouble in self.sink.troubles]


def down() -> NotSent:
    return NotSent("no connection to https://crm.example: refused")


def cut() -> Unanswered:
    return Unanswered("https://crm.example: the connection was lost")
