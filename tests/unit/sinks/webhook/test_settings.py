"""The section of a webhook: what it takes, and what it says about everything else."""

from pathlib import Path
from random import Random

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.config import Configuration, parse
from smsconnector.errors import ConfigurationError
from smsconnector.sinks.webhook.settings import WebhookSection, make_webhook_sink
from smsconnector.wall_clock import WallClock

CHANNELS = """
channels:
  smpp: {type: smpp, binds: [{name: a, endpoint: "tcp:smsc:2775", system_id: me, password: x}]}
"""
WHSEC = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"  # 24 octets
GOOD = f"name: crm, type: webhook, url: 'https://crm.example/sms', secret: {WHSEC}"


class SettingsCase(SynchronousTestCase):
    def parse(self, sink: str) -> Configuration:
        return parse(f"{CHANNELS}events: {{sinks: [{{{sink}}}]}}\n", {})

    def section(self, sink: str) -> WebhookSection:
        (found,) = self.parse(sink).events.sinks
        assert isinstance(found, WebhookSection)
        return found

    def problem(self, sink: str, key: str = "") -> str:
        problems: dict[str, str] = dict(self.assertRaises(ConfigurationError, self.parse, sink).problems)
        place = f"events.sinks[0].{key}" if key else "events.sinks[0]"
        self.assertEqual(set(problems), {place}, sink)
        return problems[place]

    def with_url(self, url: str) -> str:
        return GOOD.replace("https://crm.example/sms", url)

    def test_good(self) -> None:
        """What is given, and what holds else; the short form too."""
        section = self.section(GOOD)
        self.assertEqual(section.secrets(), [b"0123456789abcdef01234567"])
        self.assertEqual((section.parallel, section.timeout, section.allow_private), (16, 30.0, False))
        (short,) = parse(
            f"{CHANNELS}events: {{sink: webhook, url: 'https://crm.example', secret: {WHSEC}}}", {}
        ).events.sinks
        self.assertEqual(short.known_as, "webhook")

    def test_several_secrets(self) -> None:
        """While a secret is changed both sign; from files too."""
        path = self.mktemp()
        Path(path).write_text(f"{WHSEC}\n")
        for secrets in (f"secret: [{WHSEC}, {WHSEC}]", f"secret_file: [{path}, {path}]", f"secret_file: {path}"):
            section = self.section(GOOD.replace(f"secret: {WHSEC}", secrets))
            self.assertEqual(set(section.secrets()), {b"0123456789abcdef01234567"})

    def test_secrets(self) -> None:
        """One kind of them is required; each has its form; how to make one is said, and none is shown."""
        self.assertIn("is required: python3", self.problem(GOOD.replace(f", secret: {WHSEC}", "")))
        self.assertIn("is required", self.problem(f"{GOOD}, secret_file: /x"))
        for secret in ("hunter2hunter2hunter2hunter2", "whsec_hunter2!", "whsec_", "whsec_aHVudGVyMg==", "''"):
            said = self.problem(GOOD.replace(WHSEC, secret), "secret")
            self.assertNotIn("hunter2", said)
            self.assertIn("whsec_", said)
        self.assertIn(
            "can't be read", self.problem(GOOD.replace(f"secret: {WHSEC}", "secret_file: /no/such"), "secret_file")
        )
        path = self.mktemp()
        Path(path).write_text("")
        self.assertIn(
            "begins with whsec_", self.problem(GOOD.replace(f"secret: {WHSEC}", f"secret_file: {path}"), "secret_file")
        )

    def test_urls(self) -> None:
        """Only what can be asked is taken; a password in it is told what to do instead, and is not shown."""
        for url in (
            "ftp://crm.example",
            "crm.example/x",
            "https://",
            "https:///x",
            "https://a b/",
            "https://ö.example",
            "https://crm.example:99999/",
            "https://crm.example/#x",
            "https://[::g]/",
            "http:crm",
        ):
            self.assertTrue(self.problem(self.with_url(url), "url"), url)
        said = self.problem(self.with_url("https://me:hunter2@crm.example/x"), "url")
        self.assertIn("write headers: {Authorization: ", said)
        self.assertNotIn("hunter2", said)
        for url in (
            "http://crm.example",
            "https://crm.example:8443/a/b?c=d&e=%20",
            "https://xn--nda.example/",
            "https://8.8.8.8/x",
        ):
            self.assertEqual(self.section(self.with_url(url)).url.get_secret_value(), url)

    def test_private_targets(self) -> None:
        """A literal address that is not public is refused in every spelling, unless it is meant."""
        for host in (
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f.1",
            "0177.1",
            "10.0.0.1:8080",
            "[::1]",
            "[::ffff:10.0.0.1]",
            "[fd00::1]",
            "169.254.169.254",
            "localhost",
            "x.localhost",
            "0",
        ):
            said = self.problem(self.with_url(f"http://{host}/x"))
            self.assertIn("write allow_private: yes if that is meant", said)
            self.section(self.with_url(f"http://{host}/x") + ", allow_private: yes")

    def test_headers(self) -> None:
        """Headers of one's own are added; those that the connector sets itself, and broken ones, are refused."""
        self.assertEqual(len(self.section(f"{GOOD}, headers: {{Authorization: Bearer x}}").headers), 1)
        for headers in ("Webhook-Id: x", "content-type: x", "'a b': x", 'a: "x\\ny"', "a: ŝ", "Host: x"):
            error = self.assertRaises(ConfigurationError, self.parse, f"{GOOD}, headers: {{{headers}}}")
            self.assertTrue(all(place.startswith("events.sinks[0].headers") for place, _ in error.problems), headers)

    def test_files_of_tls(self) -> None:
        """They are looked at when the file is read."""
        self.assertIn("can't be read", self.problem(f"{GOOD}, tls: {{ca_file: /no/such}}", "tls.ca_file"))

    def test_nothing_secret_is_shown(self) -> None:
        """Neither by the section, nor by the sink, nor by what the sink says of its target."""
        section = self.section(
            self.with_url("https://crm.example/x?key=hunter2") + ", headers: {Authorization: hunter2}"
        )
        sink = make_webhook_sink(MemoryReactorClock(), section, Random(1), WallClock())
        for shown in (repr(section), repr(sink), sink._target.shown, repr(sink._target)):
            self.assertNotIn("hunter2", shown)
            self.assertNotIn("MDEyMz", shown)
            self.assertNotIn("0123456789abcdef", shown)
