"""Many binds: not all are looked at for each segment, and yet the load is shared, and all the room is used."""

from collections import Counter
from types import SimpleNamespace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from smsconnector.channels.smpp.choosing import COMPARED, ENOUGH, RUN, BindChoice


def choice(
    count: int, room: int = 50, weights: dict[int, float] | None = None, **more: Any
) -> tuple[BindChoice, list[Any]]:
    made, binds = BindChoice(), []
    for number in range(count):
        settings = SimpleNamespace(priority=0, weight=(weights or {}).get(number, 1.0))
        bind: Any = SimpleNamespace(settings=settings, bound=True, avoided=False, room=room, outstanding=0, **more)
        made.add(bind)
        binds.append(bind)
    return made, binds


def send(made: BindChoice, count: int) -> None:
    for _ in range(count):
        bind: Any = made.best()
        bind.room -= 1
        bind.outstanding += 1


class ChoosingCase(SynchronousTestCase):
    def test_shared_by_many(self) -> None:
        made, binds = choice(5 * COMPARED)
        send(made, 5 * COMPARED * RUN)
        self.assertEqual(Counter(one.outstanding for one in binds), {RUN: 5 * COMPARED})

    def test_weights(self) -> None:
        """One that has the weight of all others together gets half, however many these are."""
        for count in (4, COMPARED + 1, 40):
            made, binds = choice(count, room=1000, weights={0: count - 1.0})
            send(made, 400)
            self.assertApproximates(binds[0].outstanding, 200, 12, f"{count} binds")

    def test_runs(self) -> None:
        """Of what is sent together an idle bind gets several, so that one write and one read serve them all; no more
        than it has room for, and one that weighs a quarter gets a quarter."""
        made, binds = choice(4, room=1000, weights={2: 0.25})
        binds[1].room = 3
        made.begin()
        send(made, RUN + 3 + RUN // 4 + RUN)
        self.assertEqual([one.outstanding for one in binds], [RUN, 3, RUN // 4, RUN])

    def test_run_ends(self) -> None:
        """With what is sent together, and with what the bind got beside it."""
        made, binds = choice(3)
        made.begin()
        send(made, 1)
        made.begin()
        send(made, 1)
        self.assertEqual([one.outstanding for one in binds], [1, 1, 0])
        binds[1].room -= RUN - 1
        for _ in range(RUN - 1):
            made.took(binds[1])
        send(made, 1)
        self.assertEqual([one.outstanding for one in binds], [1, 1, 1])

    def test_no_runs_where_none_is_idle(self) -> None:
        """SMSCs that are slower than the load get one each in turn."""
        made, binds = choice(3)
        for one in binds:
            one.outstanding = 5
        made.begin()
        send(made, 6)
        self.assertEqual([one.outstanding for one in binds], [7, 7, 7])

    def test_all_room_is_used(self) -> None:
        made, binds = choice(20, room=3)
        send(made, 60)
        self.assertEqual((made.best(), made.capacity(), {one.room for one in binds}), (None, 0, {0}))

    def test_capacity_beyond_what_is_taken(self) -> None:
        """Whoever has taken some of it sees that there is more."""
        made, _ = choice(10, room=50)
        for taken in (0, 100, 300):
            self.assertGreaterEqual(made.capacity(taken) - taken, ENOUGH)
        self.assertEqual(made.capacity(480), 500)

    def test_down_and_avoided(self) -> None:
        """They are passed over while there is another, and used where there is none."""
        made, binds = choice(12)
        for one in binds[:-1]:
            one.bound = False
        self.assertIs(made.best(), binds[-1])
        binds[-1].avoided = True
        self.assertIsNotNone(made.best())
        self.assertGreater(made.capacity(), 0)
