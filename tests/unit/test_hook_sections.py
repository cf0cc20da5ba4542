"""The sections of webhooks as somebody writes them: what is wrong is told with its path, and with what to do."""

import re
import textwrap
from pathlib import Path
from typing import Any

import yaml
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.config import parse
from smsconnector.errors import ConfigurationError
from smsconnector.hooks.callers import AllOf
from tests.simulation import listed

PAGE = Path(__file__).resolve().parents[2] / "docs" / "webhooks-in.rst"
BIND = "{name: a, endpoint: 'tcp:127.0.0.1:2775', system_id: me, password: x}"
URL = 'http: {public_url: "https://sms.example.org"}\n'
HMAC = '{type: hmac, secrets: s, template: "{body}", signature: {header: S}'
BASIC = "{type: basic, credentials: 'a:b'}"
STATUS, TEXT = "{id: i, status: s}", "{from: f, text: t}"


class HookSectionsCase(SynchronousTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.enterContext(listed.is_known())

    def problems(self, text: str) -> list[tuple[str, str]]:
        try:
            parse(text)
        except ConfigurationError as error:
            return error.problems
        return []

    def of_smpp(self, verify: str, head: str = URL) -> list[tuple[str, str]]:
        found = self.problems(f"{head}channels:\n  smpp: {{type: smpp, binds: [{BIND}], verify: {verify}}}\n")
        return [(path.removeprefix("channels.smpp.verify").lstrip("."), sentence) for path, sentence in found]

    def of_listed(self, notification: str = STATUS, incoming: str = TEXT, verify: str = "") -> list[tuple[str, str]]:
        verify = verify or "{type: networks, networks: 192.0.2.0/24}"
        channel = f"{{type: listed, notification: {notification}, incoming: {incoming}, verify: {verify}}}"
        found = self.problems(f"{URL}channels:\n  prov: {channel}\n")
        return [(path.removeprefix("channels.prov."), sentence) for path, sentence in found]

    def test_right_ones(self) -> None:
        """Of every type, in the short form and in the long one."""
        key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
        for verify in (
            "{type: twilio, tokens: t}",
            "{type: twilio, tokens: [t, u], urls: ['https://sms.example.org/x?b=1&a=2'], networks: 192.0.2.0/24}",
            HMAC + "}",
            HMAC.replace("secrets: s", "secrets: 00ff") + ", algorithm: hmac-sha1, key_encoding: hex, tolerance: 60}",
            "{type: hmac, secrets: s, algorithm: md5, template: '{params}{secret}', signature: {field: sig},"
            " timestamp: {field: timestamp}, params: {pair: '&{name}={value}', replace: '&=', by: _}}",
            f"{{type: ed25519, public_keys: {key}, template: '{{timestamp}}|{{body}}', timestamp: {{header: T}},"
            " signature: {header: S}}",
            "{type: standard-webhooks, secrets: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw}",
            f"{{type: standard-webhooks, public_keys: whpk_{key}, tolerance: null}}",
            "{type: jwt, secrets: s}",
            "{type: jwt, secrets: s, token: {header: MessageBird-Signature-JWT}, url_hash: yes, algorithms: HS512}",
            "{type: secret, secrets: s, place: {query: key}}",
            "{type: secret, secrets: s, place: {path: yes}}",
            '{type: basic, credentials: "user:pass:word"}',
            "{type: networks, networks: ['192.0.2.0/24', '2001:db8::/32'], trusted_proxies: 127.0.0.1}",
        ):  # fmt: skip
            self.assertEqual(self.of_smpp(verify), [], verify)

    def test_wrong_ones(self) -> None:
        """The path of the key, and a sentence that says what to write; never the secret."""
        for verify, path, words in (
            ("{}", "type", "required"),
            ("{type: magic}", "type", "twilio, hmac"),
            ("{type: twilio}", "tokens", "required"),
            ("{type: twilio, tokens: []}", "tokens", "at least one"),
            ("{type: twilio, tokens: ''}", "tokens", "let everybody in"),
            ("{type: twilio, tokens: t, colour: red}", "colour", "the keys here are networks, tokens"),
            (HMAC + ", algorithm: sha3}", "algorithm", "hmac-sha256"),
            (HMAC + ", algorithm: md5}", "", "{secret}"),
            (HMAC + ", key_encoding: hex, tolerance: 5}", "", "key_encoding"),
            ("{type: hmac, secrets: s, template: '{uri}', signature: {header: S}}", "", "use {url}"),
            ("{type: hmac, secrets: s, template: '{nonce}', signature: {header: S}}", "", "set nonce"),
            ("{type: hmac, secrets: s, template: '{body}', signature: {}}", "signature", "header: NAME"),
            ("{type: hmac, secrets: s, template: '{body}', signature: {header: S, query: q}}", "signature", "one of"),
            ("{type: hmac, secrets: s, template: '{body}', signature: {header: 'S T'}}", "signature.header", ""),
            (HMAC + ", params: {pair: '{value}{name}'}}", "params.pair", "{name} first"),
            ("{type: ed25519, public_keys: AAAA, template: '{body}', signature: {header: S}}", "", "32 octets"),
            ("{type: standard-webhooks}", "", "whsec_"),
            ("{type: standard-webhooks, secrets: 'not one!'}", "", "whsec_"),
            ("{type: jwt, secrets: s, algorithms: none}", "algorithms[0]", "HS256"),
            ("{type: jwt, secrets: s, algorithms: RS256}", "algorithms[0]", "HS256"),
            ("{type: basic, credentials: s3cret}", "credentials", "user:password"),
            ("{type: networks}", "", "set networks"),
            ("{type: networks, networks: 192.0.2.1/24}", "networks", "192.0.2.0/24"),
            ("{type: jwt, secrets: s, trusted_proxies: 127.0.0.1}", "", "set networks"),
        ):
            found = self.of_smpp(verify)
            self.assertEqual([one for one, _ in found], [path], (verify, found))
            self.assertIn(words, found[0][1], verify)
            self.assertNotRegex(found[0][1], "s3cret|not one!")

    def test_the_url_has_to_be_known(self) -> None:
        """Where the URL is signed, http.public_url is needed, and the sentence says so."""
        for verify in (
            "{type: twilio, tokens: t}",
            "{type: jwt, secrets: s, url_hash: yes}",
            "{type: hmac, secrets: s, template: '{url}{body}', signature: {header: S}}",
        ):
            found = self.of_smpp(verify, head="")
            self.assertEqual([path for path, _ in found], [""], found)
            self.assertIn("set http.public_url", found[0][1])
        self.assertEqual(self.of_smpp("{type: jwt, secrets: s}", head=""), [])

    def test_public_url(self) -> None:
        """A scheme, a host, and a path if a proxy adds one; no query."""
        for text, right in (
            ("https://sms.example.org", True),
            ("http://user:pass@SMS.example.org:8080/gateway/", True),
            ("https://[2001:db8::1]:443", True),
            ("sms.example.org", False),
            ("https://", False),
            ("https://sms.example.org/?a", False),
            ("https://sms.example.org#a", False),
            ("https://sms example.org", False),
            ("ftp://sms.example.org", False),
        ):
            head = yaml.safe_dump({"http": {"public_url": text}, "channels": {}})
            found = [sentence for path, sentence in self.problems(head) if path == "http.public_url"]
            self.assertEqual(found == [], right, text)
            self.assertTrue(all("https://sms.example.org" in one for one in found), found)

    def test_notification_and_incoming(self) -> None:
        """Their mistakes, with the path."""
        for notification, incoming, path, words in (
            ("{status: s}", TEXT, "notification.id", "required"),
            ("{id: [], status: s}", TEXT, "notification.id", "at least one"),
            ("{id: i, status: s, statuses: {x: lost}}", TEXT, "notification.statuses.x", "delivered"),
            ("{id: i, status: s, id_pattern: '('}", TEXT, "notification.id_pattern", "regular expression"),
            ("{id: i, status: s, method: PUT}", TEXT, "notification.method[0]", "GET"),
            ("{id: i, status: s, answer: {status: 302}}", TEXT, "notification.answer.status", "299"),
            ("{id: i, status: s, answer: {status: 204, body: x}}", TEXT, "notification.answer", "no body"),
            ("{id: i, status: s, statuses: {yes: delivered}}", TEXT, "notification.statuses", "in quotes"),
            (STATUS, "{text: t}", "incoming.from", "required"),
            (STATUS, "{from: f, text: t, charset: klingon}", "incoming.charset", "utf-8"),
            (STATUS, "{from: f, text: t, charset: rot13}", "incoming.charset", "utf-8"),
            (STATUS, "{from: f, text: t, encoding: morse}", "incoming.encoding", "hex"),
            (STATUS, "{from: f, text: t, forms: {8: {encoding: hex}}}", "incoming", "set kind"),
            (STATUS, "{from: f, text: t, part: {total: n}}", "incoming.part.reference", "required"),
        ):
            found = self.of_listed(notification, incoming)
            self.assertIn(path, [one for one, _ in found], (notification, incoming, found))
            self.assertIn(words, dict(found)[path])
        self.assertEqual(self.of_listed(), [])

    def test_keys_of_yaml(self) -> None:
        """Numbers are words of statuses. What YAML takes for yes or no has to be in quotes."""
        text = (
            f"{URL}channels:\n  prov: {{type: listed, notification: {{id: i, status: s, statuses:"
            " {1: delivered, 'yes': failed, Done: unclear}}, incoming: " + TEXT + ", verify: {type: jwt, secrets: s}}\n"
        )
        (reading,) = parse(text).hooks["prov"].notification.readings
        words: Any = reading.words  # type: ignore[attr-defined]
        self.assertEqual([words[one].name for one in ("1", "yes", "done")], ["DELIVERED", "FAILED", "UNCLEAR"])

    def test_the_nearest_verify_counts(self) -> None:
        """One in ``notification`` counts more than that of the channel; networks are asked for besides."""
        notification = "{id: i, status: s, verify: {type: jwt, secrets: s, networks: 192.0.2.0/24}}"
        channel = f"{{type: listed, notification: {notification}, incoming: {TEXT}, verify: {BASIC}}}"
        text = f"{URL}channels:\n  prov: {channel}\n"
        hooks = parse(text).hooks["prov"]
        self.assertIsInstance(hooks.notification.verifier, AllOf)
        self.assertEqual(type(hooks.incoming.verifier).__name__, "BasicPassword")
        self.assertEqual(hooks.public_url, "https://sms.example.org")

    def test_the_page_s_examples(self) -> None:
        """Each is right as it stands in docs/webhooks-in.rst."""
        environment = dict.fromkeys(re.findall(r"\$\{([A-Z_]+)\}", PAGE.read_text("utf-8")), "x")
        blocks = re.findall(r"code-block:: yaml\n\n((?:    .*\n|\n)+)", PAGE.read_text("utf-8"))
        self.assertGreater(len(blocks), 9)
        for block in map(textwrap.dedent, blocks):
            found = yaml.safe_load(block)
            if isinstance(found, list):
                channels = [{"type": "smpp", "binds": [yaml.safe_load(BIND)], "verify": one} for one in found]
            else:
                whole = {"notification": {"id": "i", "status": "s"}, "incoming": {"from": "f", "text": "t"}}
                verify = {"type": "basic", "credentials": "a:b"}
                channels = [{"type": "listed", **whole, **found, "verify": verify}]
            for channel in channels:
                text = URL + yaml.safe_dump({"channels": {"prov": channel}})
                self.assertIn("prov", parse(text, environment).hooks, block)
