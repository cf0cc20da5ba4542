"""The section of a Twilio channel: what is refused, with a sentence, and what is only warned of."""

from twisted.trial.unittest import SynchronousTestCase

from smsconnector.channels.twilio.settings import TwilioChannelSection
from smsconnector.config import parse
from smsconnector.errors import ConfigurationError
from smsconnector.messages import LONGEST_WAIT

GOOD = "{type: twilio, account_sid: AC1, auth_token: secret-token, from: '+15005550006'%s}"


def channel(more: str = "") -> str:
    return f"channels:\n  cloud: {GOOD % more}\n"


class TwilioSectionCase(SynchronousTestCase):
    def section(self, more: str = "") -> TwilioChannelSection:
        found = parse(channel(more), {}).channels["cloud"]
        assert isinstance(found, TwilioChannelSection)
        return found

    def problem(self, text: str) -> str:
        error = self.assertRaises(ConfigurationError, parse, text, {})
        self.assertNotIn("secret-token", str(error))
        return str(error)

    def test_good(self) -> None:
        """Defaults; the secret is in no repr."""
        section = self.section()
        self.assertEqual(
            (section.base_url, section.parallel, section.source), ("https://api.twilio.com", 50, "15005550006")
        )
        self.assertEqual(section.credentials(), ("AC1", "secret-token"))
        self.assertNotIn("secret-token", repr(section))

    def test_refused(self) -> None:
        """What can't work, told at its place."""
        for text, words in (
            (channel().replace("auth_token: secret-token, ", ""), "set auth_token"),
            (channel().replace("auth_token: secret-token", "auth_token: ''"), "is empty"),
            (channel().replace("auth_token: secret-token", "auth_token: [secret-token, b, c]"), "a list of two"),
            (channel().replace(", from: '+15005550006'", ""), "set from, messaging_service_sid"),
            (channel().replace("+15005550006", "a name that is too long"), "channels.cloud.from"),
            (channel().replace("AC1", "AC/1"), "channels.cloud.account_sid"),
            (channel(", api_key: SK1"), "go together"),
            (channel(", auth_token_file: x"), "exclude each other"),
            (channel(", base_url: 'https://a.example/path'"), "channels.cloud.base_url"),
            (channel(", validity: 36001"), "channels.cloud.validity"),
            (channel(", parallel: 0"), "channels.cloud.parallel"),
            (channel(", tls: {ca_file: /no/such/file.pem}"), "channels.cloud.tls.ca_file"),
            (channel().replace("auth_token: secret-token", "auth_token_file: /no/such/file"), "auth_token_file"),
        ):
            self.assertIn(words, self.problem(text), text)

    def test_longest_pause(self) -> None:
        """At least what Retry-After may ask for."""
        self.assertEqual(self.section().longest_pause(), LONGEST_WAIT)
        self.assertEqual(self.section(", retry: {maximum: 7200}").longest_pause(), 7200)

    def test_token_file(self) -> None:
        """A token on each line; the first one sends."""
        path = self.mktemp()
        with open(path, "w", encoding="utf-8") as file:
            file.write("one\ntwo\n")
        section = parse(channel().replace("auth_token: secret-token", f"auth_token_file: {path}"), {}).channels["cloud"]
        assert isinstance(section, TwilioChannelSection)
        self.assertEqual((section.tokens(), section.credentials()), (["one", "two"], ("AC1", "one")))

    def test_warnings(self) -> None:
        """No callbacks, and a token that everybody can read, are told; they are no errors."""
        (warning,) = parse(channel(), {}).warnings
        self.assertIn("no status callbacks: receipts will not come", warning)
        public = "http: {public_url: 'https://sms.example.org'}\n"
        self.assertEqual(parse(public + channel(), {}).warnings, [])
        (warning,) = parse(public + channel(", base_url: 'http://twilio.example'"), {}).warnings
        self.assertIn("use https", warning)
