"""What may wait is taken with company, or when it has waited long enough; nothing is taken twice or left."""

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from smsconnector.store.inbox import LONGEST_WAIT_S, MOST_WAITING, Inbox


class InboxCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.inbox: Inbox[str] = Inbox(lambda item: item != "text")

    def put(self, item: str, now: float = 0.0, may_wait: bool = False) -> bool:
        return self.inbox.put(item, lambda result, error: None, now, may_wait)

    def take(self, now: float = 0.0, most: int = 100, everything: bool = False) -> list[Any]:
        return [item for item, _ in self.inbox.take(most, now, everything)]

    def test_waits_for_company(self) -> None:
        self.assertEqual((self.put("outcome", may_wait=True), self.take()), (False, []))
        self.assertTrue(self.put("text"))
        self.assertEqual(self.take(), ["text"])
        self.assertTrue(self.put("receipt"))
        self.assertEqual(sorted(self.take()), ["outcome", "receipt"])
        self.assertEqual((self.take(), len(self.inbox), self.inbox.due_in(0.0)), ([], 0, None))

    def test_waits_no_longer(self) -> None:
        self.put("first", 1.0, may_wait=True)
        self.put("second", 1.0 + LONGEST_WAIT_S / 2, may_wait=True)
        self.assertAlmostEqual(self.inbox.due_in(1.0) or 0, LONGEST_WAIT_S)
        self.put("text", 1.0)
        self.assertEqual(self.take(1.0 + LONGEST_WAIT_S), ["first", "second", "text"])

    def test_many_do_not_wait(self) -> None:
        due = [self.put(str(number), may_wait=True) for number in range(MOST_WAITING)]
        self.assertEqual(due, [False] * (MOST_WAITING - 1) + [True])
        self.assertEqual(len(self.take()), MOST_WAITING)

    def test_the_end(self) -> None:
        """At the stop nothing waits any more, however much there is."""
        for number in range(5):
            self.put(str(number), may_wait=number % 2 == 0)
        found: list[str] = []
        while batch := self.take(most=1, everything=True):
            found += batch
        self.assertEqual(sorted(found), ["0", "1", "2", "3", "4"])

    def test_at_most(self) -> None:
        for _ in range(5):
            self.put("text")
        self.assertEqual([len(self.take(most=2)) for _ in range(4)], [2, 2, 1, 0])
