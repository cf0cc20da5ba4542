"""An account that the configuration writes otherwise than at the last start: what was sent before is found.

An operator writes a host's name for its address, another port, TLS, or gives the account a name: the SMSC is the same,
and it still owes the receipts of what it took.
"""

from collections.abc import Mapping
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from smsconnector.config import parse
from smsconnector.messages import ALL_EVENTS, Finality, IncomingSegment, Outcome, Segment, Verdict
from smsconnector.store import operations as ops
from smsconnector.store.accounts import Accounts
from smsconnector.store.configuring import Configure
from smsconnector.store.store import Store
from tests.unit.fakes import SINK, ask, message
from tests.unit.store.test_store import NOW, receipt

OLD, NEW = "me@127.0.0.1:2775", "me@localhost:2775"


class AccountCase(SynchronousTestCase):
    """A store in a file, which is opened again with the accounts of another configuration."""

    def setUp(self) -> None:
        self.path = self.mktemp()
        self.store = Store(self.path, {}, (SINK,), system_ids={OLD: "me"})
        self.addCleanup(self.close)
        self.next_id, self.steps = 1, 0

    def step(self) -> int:
        self.steps += 1
        return 0

    def close(self) -> None:
        self.store.close()

    def again(
        self, *accounts: str, kin: dict[str, tuple[str, ...]] | None = None, more: Mapping[str, str] = {}
    ) -> None:
        """Another start; ``accounts`` have the system_id "me", ``more`` are others with theirs."""
        self.store.close()
        self.store = Store(self.path, kin, (SINK,), system_ids={**dict.fromkeys(accounts, "me"), **more})

    def test_changed_while_it_runs(self) -> None:
        """A bind is taken out while it drains: receipts over it still find what its family has sent, and those over the
        family find what it has sent, though it was written only afterwards. Parts of a text wait in one place."""
        other, long_id = "me@10.0.0.2:2775", "1234567890abcdef"
        self.again(OLD, other, kin=dict.fromkeys((OLD, other), (OLD, other)))
        self.one(Configure({}, None, system_ids={OLD: "me"}))
        self.taken(OLD, long_id)
        self.assertEqual(self.told(other, long_id), 1)
        self.taken(other, f"{long_id}0")
        self.assertEqual(self.told(OLD, f"{long_id}0"), 1)
        accounts = self.store._accounts
        self.assertEqual(accounts.of_texts(other), accounts.of_texts(OLD))
        self.one(Configure({}, None, system_ids={other: "me"}))  # and the other way round
        self.taken(OLD, f"{long_id}1")
        self.assertEqual(self.told(other, f"{long_id}1"), 1)
        accounts = self.store._accounts
        self.assertEqual(accounts.of_texts(other), accounts.of_texts(OLD))

    def test_sinks_change_while_it_runs(self) -> None:
        """A new sink is owed what is written from now on; nothing is owed to one that has left."""
        self.taken(OLD, "1234567890abcdef")
        self.told(OLD, "1234567890abcdef")
        self.assertEqual(self.store.counts()["events"], 1)
        self.one(Configure({}, {SINK: ALL_EVENTS, "crm": ALL_EVENTS}, system_ids={OLD: "me"}))
        self.assertEqual(self.store.counts()["events"], 1)
        self.taken(OLD, "1234567890abcdff")
        self.told(OLD, "1234567890abcdff")
        self.assertEqual(self.store.counts()["events"], 3)
        self.one(Configure({}, {"crm": ALL_EVENTS}, system_ids={OLD: "me"}))
        self.assertEqual(self.store.counts()["events"], 1)
        self.assertEqual(self.store.forgotten_sinks(), {SINK: 2})

    def one(self, operation: ops.Operation | ops.Query) -> Any:
        return ask(self.store, [operation])[0]

    def accept(self) -> Segment:
        first, self.next_id = self.next_id, self.next_id + 1
        self.one(ops.Accept(message(f"SM{first}"), first, "smpp"))
        loaded: list[Segment] = self.one(ops.LoadSegments("smpp", first - 1, 1))
        return loaded[0]

    def taken(self, account: str, smsc_id: str) -> None:
        outcome = Outcome(self.accept(), Verdict.ACCEPTED, account, smsc_id, None)
        self.one(ops.Record(((outcome, 0),), NOW))

    def told(self, account: str, smsc_id: str, **more: Any) -> int:
        """How many texts the receipt has ended."""
        received: ops.Received = self.one(ops.Receive((receipt(smsc_id, account=account, **more),)))
        return received.matched

    def part(self, account: str, number: int) -> list[Any]:
        """The events, after this part of a text."""
        one = IncomingSegment("smpp", account, "92300", "8228", "ab"[number - 1], NOW, 7, number, 2)
        self.one(ops.Incoming((one,)))
        return list(self.one(ops.LoadEvents(SINK, 0, 10)))

    def test_another_spelling(self) -> None:
        """The receipt for a text of the life before ends it, once."""
        self.taken(OLD, "1000077")
        self.again(NEW)
        self.assertEqual(self.told(NEW, "1000077"), 1)
        self.assertEqual(self.told(NEW, "1000077"), 0)
        self.assertEqual(len(self.one(ops.LoadEvents(SINK, 0, 10))), 1)

    def test_named_now(self) -> None:
        """The account has got a name in the configuration."""
        self.taken(OLD, "1000077")
        self.again("carrier")
        self.assertEqual(self.told("carrier", "1000077"), 1)

    def test_there_and_back(self) -> None:
        """Two spellings ago."""
        self.taken(OLD, "1000077")
        self.again(NEW)
        self.taken(NEW, "1000088")
        self.again("me@smsc.example:3550")
        self.assertEqual([self.told("me@smsc.example:3550", one) for one in ("1000077", "1000088")], [1, 1])

    def test_parked(self) -> None:
        """A receipt that came before its response, in the life before."""
        self.assertEqual(self.told(OLD, "1000077"), 0)
        self.again(NEW)
        self.taken(NEW, "1000077")
        self.assertEqual(len(self.one(ops.LoadEvents(SINK, 0, 10))), 1)

    def test_parts(self) -> None:
        """A text from a handset, of which one part came in each life, whichever name sorts first."""
        for before, after in ((OLD, NEW), (NEW, OLD)):
            with self.subTest(before=before):
                self.again(before)
                events = len(self.part(before, 1))
                self.again(after)
                self.assertEqual(len(self.part(after, 2)), events + 1)
                self.one(ops.Sweep(NOW + 10, NOW))

    def test_repeated_part(self) -> None:
        """A part that the SMSC sends again in the new life is no second part."""
        self.part(OLD, 1)
        self.again(NEW)
        self.assertEqual(self.part(NEW, 1), [])
        self.assertEqual(len(self.part(NEW, 2)), 1)

    def test_system_id_with_an_at_sign(self) -> None:
        """The last @ divides: a system_id may have one of its own."""
        self.taken("me@carrier@127.0.0.1:2775", "1000077")
        self.again(more={"me@carrier@localhost:2775": "me@carrier"})
        self.assertEqual(self.told("me@carrier@localhost:2775", "1000077"), 1)

    def test_caution(self) -> None:
        """A short id, another number, or a text of one's own with that id: the rule for hosts that stand for each
        other."""
        self.taken(OLD, "77")
        self.taken(OLD, "1000077")
        self.again(NEW)
        self.taken(NEW, "1000077")
        self.assertEqual(self.told(NEW, "77"), 0)
        self.assertEqual(self.told(NEW, "1000088", destination="15550001111"), 0)
        self.assertEqual(self.told(NEW, "1000077", finality=Finality.FAILED), 1)
        found = self.one(ops.Find("SM2"))
        self.assertEqual(found.state, 0)

    def test_another_system_id(self) -> None:
        """Two customers of one host are two accounts."""
        self.taken(OLD, "1000077")
        self.again(more={"you@localhost:2775": "you"})
        self.assertEqual(self.told("you@localhost:2775", "1000077"), 0)

    def test_an_account_of_today(self) -> None:
        """An account that another channel has today tells of its own texts itself."""
        self.taken(OLD, "1000077")
        self.again(OLD, NEW)
        self.assertEqual(self.told(NEW, "1000077"), 0)
        self.assertEqual(self.told(OLD, "1000077"), 1)

    def test_beside_kin(self) -> None:
        """One of two hosts that stand for each other is written otherwise."""
        other = "me@other:2775"
        self.taken(OLD, "1000077")
        self.again(NEW, other, kin=dict.fromkeys((NEW, other), (NEW, other)))
        self.taken(other, "1000088")
        self.assertEqual([self.told(NEW, "1000088"), self.told(other, "1000077")], [1, 1])

    def test_many_rows(self) -> None:
        """The accounts are found without reading the rows: ten times as many cost the start nothing more."""
        costs = []
        for count in (20, 200):
            for _ in range(count):
                self.taken(OLD, f"{1_000_000 + self.next_id}")
            self.steps = 0
            self.store._connection.set_progress_handler(self.step, 1)
            Accounts(self.store._connection, {}, {NEW: "me"})
            self.store._connection.set_progress_handler(None, 0)
            costs.append(self.steps)
        self.assertLess(costs[1], costs[0] + 10)

    def test_configuration(self) -> None:
        """Each bind's account has its system_id, whether it is named or not."""
        binds = (
            '{name: a, endpoint: "tcp:h1:2775", system_id: me, password: x}',
            '{name: b, endpoint: "tls:h2:3550", system_id: you, password: x, account: own}',
        )
        configuration = parse(f"channels:\n  smpp: {{type: smpp, binds: [{', '.join(binds)}]}}\n")
        self.assertEqual(configuration.system_ids, {"me@h1:2775": "me", "own": "you"})
