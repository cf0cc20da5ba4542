"""What an operator sees first: of the broker whether events flow, and if not, since when and why."""

from typing import Any, cast
from unittest import mock

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.health import Health
from smsconnector.sinks import Trouble
from smsconnector.wall_clock import WallClock


class Sink:
    def __init__(self, *troubles: Trouble) -> None:
        self.troubles = troubles


def health_of(sinks: dict[str, Any], seconds: float) -> Health:
    clock, nothing = Clock(), cast(Any, None)
    clock.advance(seconds)
    return Health(clock, WallClock(lambda: 1_795_867_200.0), {}, sinks, nothing, nothing)


class BrokerCase(SynchronousTestCase):
    def broker(self, *sinks: Any, seconds: float = 0.0) -> str:
        """What the health says of it, so many seconds after the reactor's clock began, at 12:00 of a day in 2026."""
        return health_of({f"sink {number}": sink for number, sink in enumerate(sinks)}, seconds).broker()

    def test_flows(self) -> None:
        """Without a trouble it is one word."""
        self.assertEqual(self.broker(Sink()), "connected")

    def test_since_and_why(self) -> None:
        """The time of day is counted back from now: the reactor's clock is none."""
        trouble = Trouble("down", "tcp://a:61613: refused", 100.0)
        self.assertEqual(
            self.broker(Sink(trouble), seconds=160.0), "down since 2026-11-28T11:59:00Z: tcp://a:61613: refused"
        )

    def test_several(self) -> None:
        """Each trouble once: both queues of one broker tell the same when it is away."""
        down, held = Trouble("down", "why", 5.0), Trouble("holds back", "who", 5.5)
        self.assertEqual(
            self.broker(Sink(down, down, held), seconds=10.0),
            "down since 2026-11-28T11:59:55Z: why; holds back since 2026-11-28T11:59:56Z: who",
        )

    def test_each_by_its_name(self) -> None:
        """With several sinks the answer says which of them is in trouble."""
        admission = cast(Any, mock.Mock(measures=None))
        sinks = {"jms": Sink(), "crm": Sink(Trouble("disabled", "it answered 410", 5.0))}
        health = health_of(sinks, 10.0)
        health._admission = health._rerouting = admission
        self.assertEqual(
            health.report()["sinks"],
            {"jms": "connected", "crm": "disabled since 2026-11-28T11:59:55Z: it answered 410"},
        )

    def test_host_of_callbacks(self) -> None:
        """One that is down is told under its name. It is no trouble of the broker's."""
        at = "callback:crm.example"
        health = health_of({"jms": Sink(), at: Sink(Trouble("down", "crm.example: refused", 5.0))}, 10.0)
        health._admission = health._rerouting = cast(Any, mock.Mock(measures=None))
        found = health.report()
        self.assertEqual((found["broker"], found["sinks"]["jms"]), ("connected", "connected"))
        self.assertEqual(found["sinks"][at], "down since 2026-11-28T11:59:55Z: crm.example: refused")
