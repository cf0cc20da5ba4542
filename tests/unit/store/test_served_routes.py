"""What the store notes as served holds for what is accepted while routes change."""

from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase

from smsconnector.store import operations as ops
from smsconnector.store.configuring import Configure
from smsconnector.store.store import Store
from tests.unit.fakes import ask, message

NOW = 1_800_000_000_000  # ms
BOTH, ONE = ("smpp", "smpp/4680"), ("smpp",)


def route(queues: tuple[str, ...]) -> Callable[[str, str], str]:
    return lambda channel, number: "smpp/4680" if number.startswith("4680") and "smpp/4680" in queues else "smpp"


class ServedCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.store = Store(":memory:")
        self.addCleanup(self.store.close)

    def walk(self, queues: tuple[str, ...], steps: int = 100) -> None:
        after = ops.BEGINNING
        for _ in range(steps):
            (found,) = ask(self.store, [ops.Requeue(queues, route(queues), after, 100)])
            if found.after is None:
                return
            after = found.after

    def accept(self, number: int, queue: str, to: str = "46801") -> None:
        ask(self.store, [ops.Accept(message(f"SM{number}", "hi", to=to, at=NOW), number, queue)])

    def waiting(self, queue: str) -> list[str]:
        (found,) = ask(self.store, [ops.LoadSegments(queue, 0, 10)])
        return [one.sid for one in found]

    def test_walk_that_was_not_ended(self) -> None:
        """A route is taken out; its walk has begun, and texts came by the route of then. Before it has ended the route
        is back: the texts go by it."""
        self.walk(BOTH)
        self.accept(1, "smpp/4680")
        self.walk(ONE, steps=1)
        self.accept(2, "smpp")
        self.walk(BOTH)
        self.assertEqual((self.waiting("smpp"), self.waiting("smpp/4680")), ([], ["SM1", "SM2"]))

    def test_no_walk_at_all(self) -> None:
        """The new routes accept before their walk begins, and a kill may come before it."""
        self.walk(BOTH)
        ask(self.store, [Configure(queues=ONE)])
        self.accept(1, "smpp")
        self.walk(BOTH)
        self.assertEqual((self.waiting("smpp"), self.waiting("smpp/4680")), ([], ["SM1"]))

    def test_last_step_of_the_walk_before(self) -> None:
        """The last step of a walk that the change has overtaken notes nothing: in the same batch, or later."""
        self.walk(BOTH)
        last = ops.Requeue(BOTH, route(BOTH), ops.BEGINNING, 100)
        ask(self.store, [last, Configure(queues=ONE)])
        ask(self.store, [last])
        self.accept(1, "smpp")
        self.walk(BOTH)
        self.assertEqual((self.waiting("smpp"), self.waiting("smpp/4680")), ([], ["SM1"]))

    def test_fewer_routes_and_a_kill(self) -> None:
        """What waits for a route that was taken out is moved, however often its walk begins; what waits for the others
        is not looked at."""
        self.walk(BOTH)
        self.accept(1, "smpp/4680")
        self.accept(2, "smpp", to="46701")
        ask(self.store, [Configure(queues=ONE)])
        asked = []

        def look(_channel: str, number: str) -> str:
            asked.append(number)
            return "smpp"

        (found,) = ask(self.store, [ops.Requeue(ONE, look)])
        self.assertEqual((found.moved, asked), (1, ["46801"]))
        self.assertEqual(self.waiting("smpp"), ["SM1", "SM2"])

    def test_as_they_are(self) -> None:
        """A change that leaves the routes alone costs no look at what waits."""
        self.walk(BOTH)
        self.accept(1, "smpp/4680")
        ask(self.store, [Configure()])
        ask(self.store, [Configure(queues=BOTH)])
        asked: list[str] = []
        ask(self.store, [ops.Requeue(BOTH, lambda _, number: asked.append(number))])
        self.assertEqual(asked, [])
