"""Callbacks of single messages: the section of the configuration, and the sink of one host."""

from dataclasses import replace
from pathlib import Path
from random import Random

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.config import Configuration, load_sink_names, parse
from smsconnector.errors import ConfigurationError
from smsconnector.messages import ALL_EVENTS, Callback, Event, Selection
from smsconnector.sinks import EventVerdict
from smsconnector.sinks.types import make_sinks
from smsconnector.sinks.webhook.sink import LONGEST_PAUSE, PATIENCE, Target, WebhookSink
from smsconnector.wall_clock import WallClock
from tests.unit.fakes import EPOCH
from tests.unit.sinks.webhook.stage import SECRET, FakeClient, SinkStage, cut, down, report, text
from tests.unit.sinks.webhook.test_settings import CHANNELS, WHSEC


def wanted(number: int, url: str = "") -> Event:
    return replace(
        report(number), callback=Callback("crm.example", url or f"https://crm.example/{number}?token=s3cret")
    )


class CallbackSinkCase(SinkStage):
    """The sink of one host, whose events bring their URLs."""

    def setUp(self) -> None:
        super().setUp()
        self.sink.stopService()
        self.client = FakeClient()
        target = Target("", "crm.example", (SECRET,), parallel=self.parallel, patience=PATIENCE)
        wall_clock = WallClock(lambda: EPOCH + self.clock.seconds())
        self.sink = WebhookSink(self.clock, wall_clock, target, self.client, Random(1))
        self.sink.startService()

    def test_each_at_its_url(self) -> None:
        """The same request as of a webhook, each to the URL of its message; the answer confirms it."""
        self.publish(wanted(1), wanted(2))
        self.assertEqual(
            [call.url for call, _ in self.client.asked],
            ["https://crm.example/1?token=s3cret", "https://crm.example/2?token=s3cret"],
        )
        headers = dict(self.client.asked[0][0].headers)
        self.assertEqual((headers["webhook-id"], headers["webhook-signature"][:3]), ("dr-SM1", "v1,"))
        self.answer(200, 204)
        self.assertEqual(self.confirmed, [1, 2])

    def test_without_a_url(self) -> None:
        """An event that has none is refused, and holds up no other."""
        self.publish(text(1), wanted(2))
        self.assertEqual(self.told(EventVerdict.REFUSED), [1])
        self.assertEqual(self.ids(), ["dr-SM2"])

    def test_gone_is_about_one_url(self) -> None:
        """410 at one URL ends no other URL of that host; redirects are not followed."""
        self.publish(wanted(1), wanted(2), wanted(3))
        self.answer(410, 302, 200)
        self.assertEqual((self.told(EventVerdict.REFUSED), self.confirmed, self.states), ([1, 2], [3], []))
        self.publish(wanted(4))
        self.answer(200)
        self.assertEqual(self.confirmed, [3, 4])

    def test_given_up_while_down(self) -> None:
        """All that waits for a host that is down for PATIENCE is parked, and tried again from there, so that whoever
        reads the outbox, and retention behind it, goes on. One after the other is still tried."""
        self.publish(*map(wanted, range(1, 40)))
        took = 0.0
        while not self.outcomes:
            if self.client.asked:
                self.answer(down())
            self.clock.advance(1)
            took += 1
            self.assertLess(took, PATIENCE + 2 * LONGEST_PAUSE)
        self.assertGreaterEqual(took, PATIENCE - 1)
        self.assertEqual(sorted(self.told(EventVerdict.LATER)), list(range(1, 40)))
        self.assertTrue(all(one.again for one in self.outcomes))
        self.assertTrue(self.sink.connected, "parked ones may be tried")
        self.publish(wanted(50))
        self.advance_until(lambda: self.client.asked)
        self.answer(200)
        self.assertEqual((self.confirmed, self.states), ([50], []))

    def test_given_up_while_busy_or_silent(self) -> None:
        """So it is for a host that answers 503 for ever, and for one that never answers."""
        for said in (503, cut()):
            self.setUp()
            self.publish(*map(wanted, range(1, 40)))
            since = self.clock.seconds()
            while len(self.told(EventVerdict.LATER)) < 39:
                if self.client.asked:
                    self.answer(said)
                self.clock.advance(1)
                self.assertLess(self.clock.seconds() - since, PATIENCE + 2 * LONGEST_PAUSE, said)

    def test_a_webhook_has_patience(self) -> None:
        """The operator's own webhook waits as long as it is down."""
        SinkStage.setUp(self)
        self.publish(report(1), report(2))
        for _ in range(int(3 * PATIENCE)):
            if self.client.asked:
                self.answer(down())
            self.clock.advance(1)
        self.assertEqual(self.outcomes, [])

    def test_silent_about_urls(self) -> None:
        """No log, trouble or reason shows what may be a secret in the URL."""
        self.publish(wanted(1), wanted(2))
        self.answer(404, down())
        said = [one.reason for one in self.outcomes] + [one.why for one in self.sink.troubles] + self.log.lines
        self.assertFalse([one for one in said if "s3cret" in one or "/1" in one], said)


class SectionCase(SynchronousTestCase):
    def parse(self, section: str) -> Configuration:
        return parse(f"{CHANNELS}status_callbacks: {{{section}}}\n", {})

    def problems(self, section: str) -> dict[str, str]:
        return dict(self.assertRaises(ConfigurationError, self.parse, section).problems)

    def test_none(self) -> None:
        """Without the section there is no such sink, and no host is allowed."""
        configuration = parse(CHANNELS, {})
        self.assertEqual((configuration.callback_hosts, configuration.selections), ((), {"stomp": ALL_EVENTS}))

    def test_good(self) -> None:
        """A sink for each host, in lower case; its client is guarded as a webhook's is."""
        configuration = self.parse(f"hosts: [CRM.example, 'desk.example:8443', 8.8.8.8], secret: {WHSEC}")
        self.assertEqual(configuration.callback_hosts, ["crm.example", "desk.example:8443", "8.8.8.8"])
        names = ["stomp", "callback:crm.example", "callback:desk.example:8443", "callback:8.8.8.8"]
        self.assertEqual(list(configuration.selections), names)
        self.assertEqual(configuration.selections[names[1]], Selection(callback="crm.example"))
        sinks = make_sinks(MemoryReactorClock(), configuration.sinks, Random(1), WallClock())
        self.assertEqual(list(sinks), names)
        self.assertEqual(sinks[names[1]]._target.secrets, (b"0123456789abcdef01234567",))

    def test_names_for_tools(self) -> None:
        """Tools that count what is owed know the hosts as well, without any secret."""
        for section, names in (
            ("{hosts: [CRM.example, 'a:81'], secret: nonsense}", {"stomp", "callback:crm.example", "callback:a:81"}),
            ("nonsense", {"stomp"}),
            ("{hosts: 7}", {"stomp"}),
            ("", {"stomp"}),
        ):
            path = self.mktemp()
            Path(path).write_text(f"status_callbacks: {section}\n")
            self.assertEqual(load_sink_names(path), names, section)

    def test_hosts(self) -> None:
        """What is no host is told with what to write: no URL, path, user, wildcard or letter that is not ASCII."""
        for host in (
            "https://crm.example",
            "crm.example/x",
            "crm.example?x",
            "me@crm.example",
            "crm.example:443",
            "crm.example:0x1",
            "crm.example:99999",
            "'*.example'",
            "bücher.example",
            "a..example",
            "'[2a00:1450::1]'",
            "''",
            "a b",
        ):
            found = self.problems(f"hosts: ['{host.strip(chr(39))}'], secret: {WHSEC}")
            self.assertEqual(set(found), {"status_callbacks.hosts"}, host)
            self.assertIn("is no host: write", found["status_callbacks.hosts"], host)
        self.assertIn("twice", self.problems(f"hosts: [a.b, A.b], secret: {WHSEC}")["status_callbacks.hosts"])
        self.assertEqual(set(self.problems(f"hosts: [], secret: {WHSEC}")), {"status_callbacks.hosts"})
        many = ", ".join(f"h{number}.example" for number in range(17))
        self.assertEqual(set(self.problems(f"hosts: [{many}], secret: {WHSEC}")), {"status_callbacks.hosts"})

    def test_private(self) -> None:
        """A host that is private is refused, however it is written, unless that is meant."""
        for host in (
            "localhost",
            "x.localhost",
            "127.0.0.1",
            "10.1.2.3:8080",
            "2130706433",
            "127.1",
            "169.254.169.254",
        ):
            found = self.problems(f"hosts: ['{host}'], secret: {WHSEC}")
            self.assertIn("write allow_private: yes", found["status_callbacks"], host)
            self.parse(f"hosts: ['{host}'], secret: {WHSEC}, allow_private: yes")

    def test_secret(self) -> None:
        """It is required, and a bad one is told without showing it."""
        self.assertIn("is required", self.problems("hosts: [a.example]")["status_callbacks"])
        self.assertIn("begins with whsec_", self.problems("hosts: [a.example], secret: x")["status_callbacks.secret"])
