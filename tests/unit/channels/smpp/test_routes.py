"""Several binds behind one submitter: shares, prefixes, throttling and order, in simulated time.

The real submitter, store, channel and sessions, and the simulated SMSC; nothing is faked but wires and clock."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.channels import IRoute
from smsconnector.channels.smpp.bind import Bind, BindSettings
from smsconnector.channels.smpp.channel import SMPPChannel
from smsconnector.net.link import BackOff
from smsconnector.simulator.behaviour import Behaviour, Dice
from smsconnector.simulator.ledger import Entry
from smsconnector.simulator.smsc import SMSC
from smsconnector.smpp.constants import Status
from smsconnector.smpp.pace import Pace
from smsconnector.smpp.policy import Action, Policy, Rule
from smsconnector.smpp.session import SessionSettings
from smsconnector.store.store import Store
from smsconnector.walks.backlog import StoreBacklog
from smsconnector.walks.retry_policy import RetryPolicy
from smsconnector.walks.submitter import Submitter
from smsconnector.wall_clock import WallClock
from tests.unit.channels.smpp.test_channel import Wires
from tests.unit.fakes import EPOCH, DirectWriter, message, run_what_is_due

STEP = 0.01  # seconds
ROUND_TRIP = 0.02


class Peer:
    """One SMSC, its wires, and when it took what."""

    def __init__(self, clock: Clock, **behaviour: Any) -> None:
        self.taken: list[tuple[float, Entry]] = []
        settings = {"response_delay": ROUND_TRIP, "receipt_delay": 0.1} | behaviour
        self.smsc = SMSC(clock, Behaviour(**settings), lambda entry: self.taken.append((clock.seconds(), entry)))
        self.smsc.startFactory()
        self.wires = Wires(self.smsc)

    def texts(self) -> list[str]:
        return [entry.short_message.decode() for _, entry in self.taken]


def refusing(behaviour: Behaviour) -> tuple[Behaviour, Dice]:
    """Everything, for now by the policy of the test's binds."""
    sick = replace(behaviour, refuse_share=1.0)
    return sick, Dice(sick)


class RoutesCase(SynchronousTestCase):
    def build(self, *peers: dict[str, Any], strict_order: bool = False, **behaviour: Any) -> None:
        """A bind for each of ``peers``, which are the settings of the bind and, as ``smsc``, of its SMSC."""
        self.clock = Clock()
        self.writer = DirectWriter(self.clock, Store(":memory:"))
        self.addCleanup(self.writer.store.close)
        self.policy = RetryPolicy(initial=0.5, maximum=5, strict_order=strict_order, source=Random(1))
        self.submitters: dict[str, Submitter] = {}
        self.channel = SMPPChannel("smpp", WallClock(self.now), self, self.submitter)
        self.peers = []
        for number, settings in enumerate(peers or ({},)):
            peer = Peer(self.clock, **(behaviour | settings.pop("smsc", {})))
            self.addCleanup(peer.smsc.stopFactory)
            self.peers.append(peer)
            session = SessionSettings("me", "secret", window=50)
            pace = Pace(settings.pop("pace", 0.0), 0.0)
            bind = BindSettings(f"b{number}", f"me@{number}", session, **settings)
            self.channel.add(
                Bind(self.clock, peer.wires, bind, self.channel, BackOff(), pace)  # type: ignore[arg-type]
            )
        for submitter in self.submitters.values():
            submitter.startService()
        self.channel.startService()
        self.turn(0.1)
        self.sent = 0

    def submitter(self, prefix: str, route: IRoute) -> Submitter:
        backlog = StoreBacklog(
            f"smpp/{prefix}", self.writer, self.writer, clock=self.clock, wall_clock=WallClock(self.now)
        )
        self.submitters[prefix] = Submitter(self.clock, WallClock(self.now), backlog, route, policy=self.policy)
        return self.submitters[prefix]

    def now(self) -> float:
        return EPOCH + self.clock.seconds()

    def received(self, items: Any, done: Any) -> None:
        done(None)

    def turn(self, seconds: float) -> None:
        for _ in range(round(seconds / STEP)):
            self.clock.advance(STEP)
            for peer in self.peers:
                peer.wires.pump()
            run_what_is_due(self.clock)
            for peer in self.peers:
                peer.wires.pump()

    def send(self, count: int, numbers: int, prefix: str = "", is_bulk: bool = False) -> None:
        """``count`` texts, each its own rising number, round and round to ``numbers`` destinations."""
        for _ in range(count):
            to = f"{prefix or '9230'}{self.sent % numbers:08}"
            accepted = message(f"SM{self.sent}", f"{self.sent:06}", to=to, at=int(self.now() * 1000))
            self.submitters[prefix].accept(replace(accepted, is_bulk=is_bulk), self.assertIsNone)
            self.sent += 1

    def until(self, condition: Callable[[], bool], within: float) -> float:
        """Let time pass until it holds; the seconds that it took."""
        started = self.clock.seconds()
        while not condition():
            self.assertLess(self.clock.seconds() - started, within, f"only {len(self.taken())} of {self.sent} taken")
            self.turn(0.1)
        return self.clock.seconds() - started

    def taken(self) -> list[tuple[float, str, str]]:
        """(when, to whom, text) of all that the SMSCs took, in the order of taking."""
        taken = [(at, one.destination, one.short_message.decode()) for peer in self.peers for at, one in peer.taken]
        return sorted(taken)

    def check_once_and_in_order(self) -> None:
        """Nothing lost, nothing twice, and to each number in the order of the 200s."""
        taken = self.taken()
        counts = Counter(text for _, _, text in taken)
        self.assertEqual((len(counts), set(counts.values())), (self.sent, {1}))
        self.check_order(taken)

    def check_order(self, taken: list[tuple[float, str, str]]) -> None:
        by_number: dict[str, list[str]] = {}
        for _, number, text in taken:
            by_number.setdefault(number, []).append(text)
        for number, texts in by_number.items():
            self.assertEqual(texts, sorted(texts), number)


class ThrottleCase(RoutesCase):
    def rate(self, seconds: float, numbers: int = 400) -> float:
        """Messages that the SMSC takes a second when there is always more to send, after some seconds to learn."""
        taken = lambda: sum(len(peer.taken) for peer in self.peers)  # noqa: E731
        learning, started = 5.0, 0
        for tenth in range(round((learning + seconds) * 10)):
            if tenth == learning * 10:
                started = taken()
            self.send(max(0, taken() + 1000 - self.sent), numbers)
            self.turn(0.1)
        return (taken() - started) / seconds

    def test_share(self) -> None:
        """1 % and 20 % throttled: nothing lost, order kept, and the rate within a tenth of what is let through."""
        self.build()
        free = self.rate(5)
        for share in (0.01, 0.2):
            self.build(throttle_share=share)
            self.assertGreater(self.rate(10), free * (1 - share) * 0.9, f"share {share}")
            self.until(lambda: len(self.peers[0].taken) == self.sent, 60)
            self.assertGreater(self.peers[0].smsc.counts.throttled, 10)
            self.check_once_and_in_order()

    def test_limit(self) -> None:
        """The same for an SMSC that takes only so many a second."""
        self.build(throughput=150)
        self.assertGreater(self.rate(20), 150 * 0.9)
        self.until(lambda: len(self.peers[0].taken) == self.sent, 60)
        self.check_once_and_in_order()

    def test_two_binds(self) -> None:
        """The order to a number holds where one of two binds throttles a fifth."""
        self.build({"smsc": {"throttle_share": 0.2}}, {"smsc": {"response_delay": 0.05}})
        self.send(2_000, 60)
        self.until(lambda: len(self.taken()) == 2_000, 60)
        self.check_once_and_in_order()
        self.assertTrue(all(len(peer.taken) > 100 for peer in self.peers))


class ClassesCase(RoutesCase):
    def test_routes_that_share_a_bind(self) -> None:
        """A campaign to the numbers of one prefix does not hold up an agent's text to those of another one that goes by
        the same bind, whichever route was there first; nor do many such texts stop the campaign."""
        for campaign, agents in (("4670", "9230"), ("9230", "4670")):
            self.build({"to": ("4670", "9230"), "pace": 10.0})
            self.send(500, 500, campaign, is_bulk=True)
            self.turn(1)
            for _ in range(3):
                before = len(self.taken_by(agents))
                self.send(1, 500, agents)
                self.until(lambda: len(self.taken_by(agents)) > before, 1.0)  # noqa: B023 — called at once
            bulk = len(self.taken_by(campaign))
            self.send(200, 200, agents)
            self.turn(10)
            self.assertGreater(len(self.taken_by(campaign)) - bulk, 10)
            self.assertGreater(len(self.taken_by(agents)), 60)

    def taken_by(self, prefix: str) -> list[str]:
        return [to for _, to, _ in self.taken() if to.startswith(prefix)]

    def test_routes_that_share_a_bind_take_turns(self) -> None:
        """Where both have texts of one class, each has its part of the rate."""
        self.build({"to": ("4670", "9230"), "pace": 10.0})
        for prefix in ("4670", "9230"):
            self.send(300, 300, prefix)
        self.turn(20)
        counts = [len(self.taken_by(prefix)) for prefix in ("4670", "9230")]
        self.assertGreater(min(counts), 60, counts)


class OrderCase(RoutesCase):
    retry_all = Policy({Status.ESME_RINVDSTADR: Rule(Action.RETRY, None)})

    def test_retried_may_be_overtaken(self) -> None:
        """A refusal for now does not hold up what follows it to the same number."""
        self.build({"policy": self.retry_all}, refuse_share=0.1, seed=3)
        self.send(200, 5)
        self.until(lambda: len(self.taken()) == 200, 60)
        self.assertEqual(set(Counter(self.peers[0].texts()).values()), {1})

    def test_refused_a_thousand_times_in_a_row(self) -> None:
        """However long an SMSC refuses everything, nothing is stuck when it is well again."""
        self.build({"policy": self.retry_all})
        smsc, bind = self.peers[0].smsc, self.channel.binds[0]
        well = smsc.behaviour
        bind._refusals.in_a_row = 2_000
        smsc.behaviour, smsc._dice = refusing(well)
        self.send(20, 20)
        self.turn(1)
        smsc.behaviour, smsc._dice = well, Dice(well)
        self.until(lambda: len(self.taken()) == 20, 200)
        self.assertEqual((len(self.submitters[""]._ready.under_way), self.channel.routes[""]._on), (0, {}))

    def follow(self, *kept: str) -> None:
        """Another channel takes the place of this one, with the binds of these names and one more; the others stop."""
        before, self.channel = self.channel, SMPPChannel("smpp", WallClock(self.now), self, self.staying)
        peer = Peer(self.clock)
        self.addCleanup(peer.smsc.stopFactory)
        self.peers.append(peer)
        settings = BindSettings("new", "me@new", SessionSettings("me", "secret", window=50))
        bind = Bind(self.clock, peer.wires, settings, self.channel, BackOff(), Pace(0.0, 0.0))  # type: ignore[arg-type]
        for name in kept:
            for taken in before.give_up(name):
                self.channel.take_over(name, taken)
        self.channel.add(bind, "new")
        self.channel.follow(before)
        before.stopService()
        self.channel.startService()

    def staying(self, prefix: str, route: IRoute) -> Submitter:
        submitter = self.submitters[prefix]
        submitter.route = submitter.whereabouts.route = route
        return submitter

    def test_another_channel_takes_its_place(self) -> None:
        """One bind is taken over as it is, the other drains: nothing is lost or sent twice, the first stays connected,
        and what came before waits for nothing."""
        self.build({}, {}, response_delay=0.3)
        for bind, name in zip(self.channel.binds, ("b0", "b1"), strict=True):
            self.channel._named[name] = [bind]
        first = self.channel.binds[0]
        self.send(60, 60)
        self.turn(0.1)
        under_way = [len(bind.under_way()) for bind in self.channel.binds]
        self.assertGreater(min(under_way), 0)
        self.follow("b0")
        self.send(60, 60)
        self.until(lambda: len(self.taken()) == 120, 60)
        self.turn(1)
        self.check_once_and_in_order()
        self.assertIs(self.channel.binds[0], first)
        self.assertEqual([one.bound for one in self.channel.binds], [True, True])
        self.assertEqual((self.channel.routes[""]._on, self.channel.routes[""]._on.elsewhere), ({}, set()))

    def test_a_number_waits_for_its_old_bind(self) -> None:
        """Where there was one bind, and now there is another one instead: what is under way to a number on the first
        is answered before the second gets more for it; and then nothing is noted any more."""
        self.build({}, response_delay=0.5)
        self.channel._named["b0"] = [*self.channel.binds]
        self.send(5, 5)
        self.turn(0.1)
        route = self.channel.routes[""]
        self.assertEqual((len(self.channel.binds[0].under_way()), route._on), (5, {}))
        self.follow()
        after = self.channel.routes[""]
        self.assertEqual(len(after._on.elsewhere), 5)
        self.turn(0.2)  # the new bind is there, and the old one drains
        self.assertTrue(self.channel.binds[0].bound)
        self.assertIsNone(after._choose(next(iter(after._on))))
        self.send(5, 5)
        self.until(lambda: len(self.taken()) == 10, 60)
        self.turn(1)
        self.assertEqual((after._on, after._on.elsewhere), ({}, set()))
        self.assertEqual(len(self.peers[1].taken), 5)

    def test_fault_in_an_event(self) -> None:
        """A fault of ours with one response: it is logged, the outcome unknown, and the others of its read count."""
        self.build({})
        bind = self.channel.binds[0]
        answered, faults = bind._answered, [ValueError("a fault")]

        def faulty(*arguments: Any) -> None:
            if faults:
                raise faults.pop()
            answered(*arguments)

        self.patch(bind, "_answered", faulty)
        self.send(20, 20)
        self.until(lambda: len(self.peers[0].taken) == 21, 60)
        self.turn(1)
        self.assertEqual((len(self.flushLoggedErrors(ValueError)), len(self.submitters[""]._ready.under_way)), (1, 0))

    def test_prefix_written_twice(self) -> None:
        """Two spellings of a prefix are no two binds."""
        self.build({"to": ("92", "92")})
        self.assertEqual(len(self.channel.routes["92"].binds), 1)

    def test_strict_order(self) -> None:
        """With strict_order it does: the next one waits for what becomes of it."""
        self.build({"policy": self.retry_all}, {"policy": self.retry_all}, strict_order=True, refuse_share=0.1, seed=3)
        self.send(200, 5)
        self.until(lambda: len(self.taken()) == 200, 200)
        self.check_once_and_in_order()


class SharesCase(RoutesCase):
    def shares(self) -> list[int]:
        return [len(peer.taken) for peer in self.peers]

    def test_weight(self) -> None:
        """Two binds of one priority share by weight, while there is room on both."""
        self.build({"weight": 3.0}, {"weight": 1.0})
        for _ in range(50):
            self.send(20, 4_000)
            self.turn(0.05)
        self.turn(1)
        first, second = self.shares()
        self.assertTrue(650 < first < 850 and first + second == 1_000, (first, second))

    def test_priority(self) -> None:
        """The bind of lower priority gets what the first has no room for, and nothing else."""
        self.build({"priority": 0}, {"priority": 1})
        self.send(40, 1_000)
        self.turn(1)
        self.assertEqual(self.shares(), [40, 0])
        self.send(80, 1_000)
        self.turn(1)
        self.assertEqual(self.shares(), [90, 30])

    def test_one_bind_a_message(self) -> None:
        """All segments of a message go by one bind: an SMSC joins them by its own means."""
        self.build({"smsc": {"response_delay": 0.3}}, {"smsc": {"response_delay": 0.3}})
        for number in range(40):
            accepted = message(f"SM{number}", "a", "b", "c", to=f"92300{number:07}", at=int(self.now() * 1000))
            self.submitters[""].accept(accepted, self.assertIsNone)
        self.turn(3)
        first, second = ({entry.destination for _, entry in peer.taken} for peer in self.peers)
        self.assertEqual((first & second, len(first | second)), (set(), 40))
        self.assertTrue(first and second)

    def test_prefixes(self) -> None:
        """The longest prefix counts; one whose bind is down holds up nobody else."""
        self.build({}, {"to": ("92300",)}, {"to": ("9230012", "44")})
        self.send(10, 10)
        self.send(10, 10, "92300")
        self.send(10, 10, "9230012")
        self.turn(1)
        self.assertEqual(self.shares(), [10, 10, 10])
        self.peers[1].wires.refuse = True
        self.peers[1].wires.cut()
        self.send(10, 10, "92300")
        self.send(10, 10)
        self.turn(1)
        self.assertEqual(self.shares(), [20, 10, 10])
        self.peers[1].wires.refuse = False
        self.until(lambda: self.shares() == [20, 20, 10], 120)

    def test_one_refuses(self) -> None:
        """An SMSC that refuses all for now hands its share to the other; well again, it has it back."""
        for binds in (({}, {}), ({"priority": 0}, {"priority": 1})):
            self.build(*({**one, "policy": OrderCase.retry_all} for one in binds))
            first = self.peers[0].smsc
            well = first.behaviour
            first.behaviour, first._dice = sick = refusing(well)
            for _ in range(30):
                self.send(10, 4_000)
                self.turn(0.1)
            self.until(lambda: len(self.taken()) == 300, 60)
            self.assertEqual(self.shares(), [0, 300])
            self.assertLess(first.counts.refused, 30, sick)
            first.behaviour, first._dice = well, Dice(well)
            self.turn(60)
            for _ in range(30):
                self.send(10, 4_000)
                self.turn(0.1)
            self.turn(3)
            self.assertGreater(self.shares()[0], 100)

    def test_one_goes_down(self) -> None:
        """One of two SMSCs is gone in mid-run and comes back: its share moves over within a second; nothing is lost,
        and only what was under way there, with an outcome that nobody knows, may come twice."""
        self.build({}, {})
        self.send(4_000, 2_000)
        self.turn(0.4)
        first, second = self.peers
        under_way = {one.short_message.decode() for _, one in first.taken[-50:]}
        first.wires.refuse = True
        first.wires.cut()
        cut_at, before = self.clock.seconds(), len(second.taken)
        self.turn(1.0)
        there = [at for at, _ in second.taken[before:]]
        gaps = [later - sooner for sooner, later in zip([cut_at, *there], there, strict=False)]
        self.assertLess(max(gaps), 0.1)
        self.assertLessEqual(under_way - set(first.texts()[:-50]) - set(second.texts()), set())
        first.wires.refuse = False
        self.until(lambda: len({text for _, _, text in self.taken()}) == 4_000, 120)
        self.turn(5)
        twice = {text for text, count in Counter(text for _, _, text in self.taken()).items() if count > 1}
        self.assertLessEqual(twice, under_way)
        self.assertGreater(len(first.taken), 100)
