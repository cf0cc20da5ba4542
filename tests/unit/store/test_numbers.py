"""Messages are listed by their numbers in blocks, each of them once, whatever comes between."""

from smsconnector.lifecycle import EndRules
from smsconnector.messages import Verdict
from smsconnector.store import operations as ops
from smsconnector.store.finding import Search
from smsconnector.store.numbers import BLOCK
from smsconnector.store.store import Store
from tests.unit.fakes import message
from tests.unit.store.test_conversations import CUSTOMER, ConversationCase
from tests.unit.store.test_searching import NOW, SearchStage

A_BLOCK = 1 << BLOCK


class NumbersCase(SearchStage):
    def listed(self) -> list[tuple[int, str, int]]:
        rows = self.store._connection.execute("SELECT block, destination, message FROM message_number")
        return [tuple(one) for one in rows]

    def jump(self, blocks: int, place: int = 1) -> None:
        self.next_id = blocks * A_BLOCK + place

    def test_a_block(self) -> None:
        """Nothing is listed before the block is over; then all of it, in the order of the numbers."""
        for number in ("463", "461", "462", "461"):
            self.accept("hi", to=number)
        self.jump(0, A_BLOCK - 1)
        self.accept("hi", to="464")
        self.assertEqual(self.listed(), [])
        self.jump(1, 0)
        self.accept("hi", to="460")
        wanted = [(0, "461", 2), (0, "461", 4), (0, "462", 3), (0, "463", 1), (0, "464", A_BLOCK - 1)]
        self.assertEqual(self.listed(), wanted)

    def test_blocks_without_messages(self) -> None:
        """Ids may jump: what lies between costs nothing, and later blocks are listed one at a time."""
        self.accept()
        self.jump(100)
        self.accept()
        self.jump(101)
        self.accept()
        self.jump(102)
        self.accept()
        self.assertEqual([block for block, *_ in self.listed()], [0, 100, 101])
        self.assertEqual(len(self.search(to=CUSTOMER)), 4)

    def test_late(self) -> None:
        """An id was taken before the block was over, and is written after it was listed."""
        self.accept()
        self.jump(1)
        newest = self.accept("hi", to="461")
        self.next_id = 7
        late = self.accept("hi", to="461")
        self.assertEqual(self.listed(), [(0, "461", 7), (0, CUSTOMER, 1)])
        self.assertEqual(self.search(to="461"), [newest.sid, late.sid])

    def test_rolled_back(self) -> None:
        """A commit that fails has listed nothing, and the next one does."""
        self.accept()
        self.jump(1)
        record = self.store._handlers[ops.Record]

        def fail(batch: list[ops.Record]) -> list[list[int]]:
            raise RuntimeError

        self.store._handlers[ops.Record] = fail
        first = self.next_id
        made = self.accept_only(first)
        self.assertRaises(RuntimeError, self.store.apply, [made, ops.Record((), NOW, 7)])
        self.store._handlers[ops.Record] = record
        self.assertEqual(self.listed(), [])
        self.store.apply([made])
        self.assertEqual(self.listed(), [(0, CUSTOMER, 1)])

    def accept_only(self, first: int) -> ops.Accept:
        return ops.Accept(message(f"SM{first}", "hi"), first, "smpp")

    def test_dropped(self) -> None:
        """A listed message that retention has dropped is not found, and a block of such goes."""
        old, kept = self.accept(), self.accept()
        self.jump(1)
        self.accept()
        self.record(old, Verdict.REFUSED, code=11)
        for _ in range(2):
            self.one(ops.Purge(NOW + 10_000_000, NOW + 10_000_000))
        self.assertEqual(self.search(to=CUSTOMER), [f"SM{A_BLOCK + 1}", "SM2"])
        self.assertEqual(len(self.listed()), 2)
        self.record(kept, Verdict.REFUSED, code=11)
        for _ in range(2):
            self.one(ops.Purge(NOW + 10_000_000, NOW + 10_000_000))
        self.assertEqual(self.listed(), [])

    def test_id_of_another(self) -> None:
        """An id that is listed with a number may belong to a message to another number by now."""
        self.accept()
        self.jump(1)
        self.accept()
        self.store._connection.execute("UPDATE message SET destination = '461' WHERE id = 1")
        self.assertEqual(self.search(to=CUSTOMER), [f"SM{A_BLOCK + 1}"])


class OpenedCase(SearchStage):
    def test_what_was_not_listed(self) -> None:
        """A file from an earlier version, or from a rescue, has no list: the start makes it."""
        path = self.mktemp()
        self.store.close()
        self.store = Store(path, sinks=[])
        for block in (3, 4, 9):
            self.next_id = block * A_BLOCK + 5
            self.accept()
        for listed_wrong in (False, True):
            self.store._connection.execute("DELETE FROM message_number")
            if listed_wrong:  # ids were given anew
                self.store._connection.execute("INSERT INTO message_number VALUES (99, '461', 405509)")
            self.store.close()
            self.store = Store(path, sinks=[])
            blocks = [block for (block,) in self.store._connection.execute("SELECT block FROM message_number")]
            self.assertEqual(blocks, [3, 4])
            self.assertEqual(len(self.search(to=CUSTOMER)), 3)


class RecentCase(ConversationCase):
    def test_written_late(self) -> None:
        """A text that is written after those with greater ids is found by the next customer's text."""
        self.accept(source="Shop")
        self.next_id = 9
        self.accept(source="Shop")
        self.assertIsNone(self.told())
        self.next_id = 5
        self.accept()
        self.assertEqual(self.told(), {"MessageSID": "SM5"})

    def test_block_ends(self) -> None:
        """What was not listed yet is found when it is."""
        self.accept()
        self.assertEqual(self.told(), {"MessageSID": "SM1"})
        self.next_id = A_BLOCK + 1
        self.accept("hi", to="461")
        self.assertEqual(self.told(), {"MessageSID": "SM1"})

    def test_no_conversation(self) -> None:
        """Where conversations last no time, nothing is kept in memory."""
        self.store._rules = EndRules(conversation=0)
        self.accept()
        self.assertIsNone(self.told())
        self.assertEqual(self.store._recent_up_to, -1)


class NewestCase(SearchStage):
    def test_page_in_what_is_not_listed(self) -> None:
        """Pages go on from what is not listed into the blocks."""
        for place in range(4):
            self.accept()
            if place == 1:
                self.next_id = A_BLOCK + 1
        first = self.one(Search(to=CUSTOMER, limit=1))
        self.assertEqual([one.sid for one in first.messages], [f"SM{A_BLOCK + 2}"])
        self.assertEqual(len(self.search(to=CUSTOMER, limit=1)), 4)
        self.assertEqual(len(self.search(to=CUSTOMER, limit=3)), 4)
