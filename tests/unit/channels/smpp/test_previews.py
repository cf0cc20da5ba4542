"""How a text would go out over several binds: which one is next, at what rate, and what is in the way."""

from smsconnector.channels.previews import Preview
from smsconnector.channels.smpp.previews import MOST_WAYS
from smsconnector.messages import Segment
from smsconnector.smpp.submit import SubmitSettings
from tests.unit.channels.smpp.test_routes import RoutesCase


class PreviewCase(RoutesCase):
    def preview(self, to: str = "923000000000", prefix: str = "") -> Preview:
        return self.channel.preview(prefix, [Segment(1, 1, 1, "hello", "gsm7", None, to, 2**50)])

    def next(self, to: str = "923000000000", prefix: str = "") -> list[str]:
        return [way.name for way in self.preview(to, prefix).ways if way.is_next]

    def limit(self, *rates: float) -> None:
        for bind, rate in zip(self.channel.binds, rates, strict=True):
            bind.pace._configured = type(bind.pace)(rate, self.clock.seconds())._configured

    def test_next_is_the_one_that_gets_it(self) -> None:
        """By weight and by what is under way, as the choice itself; the look changes nothing of the choice."""
        self.build({"weight": 1.0}, {"weight": 3.0})
        for number in range(40):
            to = f"9230{number:08}"
            told = self.next(to)
            choice = self.channel.routes[""]._choice
            turn = choice._turn
            self.assertEqual(told, self.next(to), "a look is no use of the bind")
            self.assertEqual(choice._turn, turn)
            before = [len(peer.taken) for peer in self.peers]
            self.sent = number
            self.send(1, 100)
            self.turn(0.01)
            after = [len(peer.taken) for peer in self.peers]
            (used,) = [f"smpp/b{place}" for place in (0, 1) if after[place] > before[place]]
            self.assertEqual(told, [used], number)

    def test_one_number_one_bind(self) -> None:
        """While a text to a number is under way, the next one would go the same way, whatever is free."""
        self.build({"smsc": {"response_delay": 5.0}}, {"smsc": {"response_delay": 5.0}})
        self.send(1, 1)
        self.turn(0.1)
        (used,) = [f"smpp/b{place}" for place in (0, 1) if self.peers[place].taken]
        for _ in range(3):
            self.assertEqual(self.next(), [used])

    def test_each_bind_its_own(self) -> None:
        """Addresses and codings are the bind's own; the lowest priority is next, and the other one if that is down."""
        self.build(
            {"priority": 0, "submit": SubmitSettings(source="ACME", dest_ton=2, default_alphabet="latin1")},
            {"priority": 1, "submit": SubmitSettings(source="8228", short_code_ton=6)},
        )
        first, second = self.preview().ways
        self.assertEqual((first.source, first.destination), (("ACME", 5, 0), ("923000000000", 2, 1)))
        self.assertEqual((second.source, second.destination), (("8228", 6, 0), ("923000000000", 1, 1)))
        self.assertEqual([one.words for one in first.data_codings], ["the SMSC's default alphabet, here latin1"])
        self.assertEqual(self.next(), ["smpp/b0"])
        self.peers[0].wires.refuse = True
        self.peers[0].wires.cut()
        self.assertEqual((self.next(), self.preview().obstacle), (["smpp/b1"], ""))
        self.assertEqual([way.state for way in self.preview().ways], ["down", "bound"])

    def test_rate_of_a_route(self) -> None:
        """The sum of those that are up, each pace once: parallel sessions share one. No limit of one is no limit."""
        self.build({}, {}, {})
        self.assertIsNone(self.preview().rate)
        self.limit(10.0, 5.0, 0.0)
        self.assertIsNone(self.preview().rate)
        self.limit(10.0, 5.0, 1.0)
        self.assertEqual(self.preview().rate, 16.0)
        self.channel.binds[1].pace = self.channel.binds[0].pace
        self.assertEqual(self.preview().rate, 11.0)
        self.peers[2].wires.refuse = True
        self.peers[2].wires.cut()
        self.assertEqual(self.preview().rate, 10.0)

    def test_obstacles(self) -> None:
        """None while one bind can send; then why, in the words of the health."""
        self.build({}, {})
        now = self.clock.seconds()
        self.channel.binds[0].pace.pause(now, 9.0)
        self.assertEqual(self.preview().obstacle, "")
        self.channel.binds[1].pace.pause(now, 2.5)
        self.assertIn("another 2.5 s", self.preview().obstacle)
        self.turn(3.0)
        self.assertEqual(self.preview().obstacle, "")
        for peer in self.peers:
            peer.wires.refuse = True
            peer.wires.cut()
        self.assertRegex(self.preview().obstacle, r"^smpp/b0 is not bound: .+\. Nor is any other bind of this route\.$")

    def test_refuses_everything(self) -> None:
        """A bound SMSC that takes nothing is an obstacle."""
        self.build({})
        for _ in range(20):
            self.channel.binds[0]._refused_for_now(self.clock.seconds())
        self.assertIn("refuses everything", self.preview().obstacle)

    def test_prefixes(self) -> None:
        """A route has its own binds."""
        self.build({"to": ("4670",)}, {})
        self.assertEqual(self.next("46700000001", "4670"), ["smpp/b0"])
        self.assertEqual(self.next(), ["smpp/b1"])

    def test_very_many(self) -> None:
        """Of fifty binds sixteen are told of, and the one that is next is among them."""
        self.build(*[{"priority": 50 - place} for place in range(50)])
        ways = self.preview().ways
        self.assertEqual(len(ways), MOST_WAYS)
        self.assertEqual(self.next(), ["smpp/b49"])
