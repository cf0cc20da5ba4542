"""The examples of conf/providers: each makes the request that its provider describes, and reads its answers."""

import json
import re
from pathlib import Path

from twisted.internet.defer import Deferred, succeed
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.channels.http.provider import Surface, TemplateProvider, make_provider
from smsconnector.channels.http.settings import HTTPChannelSection
from smsconnector.channels.provider.results import Kind
from smsconnector.codes import Action, explain
from smsconnector.config import parse
from smsconnector.net.http_client import HTTPCall, HTTPReply
from tests.unit.channels.http.examples import ENVIRONMENT, EXAMPLES, Asked, Example
from tests.unit.rest.cases import NOW_MS, segment

FOLDER = Path(__file__).resolve().parents[4] / "conf" / "providers"


def read_example(name: str) -> tuple[HTTPChannelSection, dict[str, str]]:
    """Its section, and the environment with which it was read."""
    text = (FOLDER / f"{name}.yaml").read_text("utf-8")
    variables = {one: ENVIRONMENT.get(one, f"<{one}>") for one in re.findall(r"\$\{(\w+)\}", text)}
    section = parse(text, variables).channels[name]
    assert isinstance(section, HTTPChannelSection)
    return section, variables


def make_example(
    name: str, session: str | None, public_url: str | None = "https://sms.example.org"
) -> TemplateProvider:
    """The provider of an example; every log-in gives that session."""
    section, _ = read_example(name)
    surface = Surface(name, None if public_url is None else f"{public_url}/msg-client/{name}")
    body = f"<a><response>OK</response><data>{session}</data></a>".encode()

    def ask(_call: HTTPCall) -> "Deferred[HTTPReply]":
        return succeed(HTTPReply(200, {}, body))

    return make_provider(section, surface, ask, lambda: NOW_MS, lambda: 0.0)


class ExamplesCase(SynchronousTestCase):
    def test_every_example_has_its_table(self) -> None:
        """No file without cases, and no cases without a file; at least five answers each."""
        self.assertEqual({path.stem for path in FOLDER.glob("*.yaml")}, set(EXAMPLES))
        for name, example in EXAMPLES.items():
            self.assertGreaterEqual(len(example.answered), 5, name)

    def test_requests(self) -> None:
        """To the letter: method, URL, headers and body."""
        for name, example in EXAMPLES.items():
            for asked in example.asked:
                self._check_request(name, example, asked)

    def _check_request(self, name: str, example: Example, asked: Asked) -> None:
        provider = make_example(name, example.session)
        one = segment(asked.text, source=example.source, is_limited=asked.is_limited)
        call = provider.call(one, NOW_MS)
        if isinstance(call, Deferred):
            call = self.successResultOf(call)
        assert isinstance(call, HTTPCall), call
        self.assertEqual((call.method, call.url), (asked.method, asked.url), name)
        self.assertEqual(dict(call.headers), asked.headers, name)
        self.assertEqual(call.body if isinstance(asked.body, bytes) else json.loads(call.body), asked.body, name)

    def test_answers(self) -> None:
        """Each with its result: accepted and its ids, or what the failure means and its code."""
        for name, example in EXAMPLES.items():
            provider = make_example(name, example.session)
            for answered in example.answered:
                result = provider.read(segment(), HTTPReply(answered.status, {}, answered.octets))
                self.assertTrue(answered.fits(result), f"{name}: {answered}\n{result}")
                if result.kind is not Kind.TAKEN:
                    self.assertIn(f"HTTP status {answered.status}", result.reason)

    def test_receipts(self) -> None:
        """Each waits for reports only where the provider is told whom to call, or has them by its own settings; else
        every text would end as FAILED (measured: three of them, after 73 h)."""
        for name in EXAMPLES:
            section, variables = read_example(name)
            has_section = section.notification is not None
            for public in (None, "https://sms.example.org"):
                provider = make_example(name, None, public)
                asks = "callback_url" in provider.request.template.names
                wanted = has_section and (public is not None or not asks)
                self.assertEqual(provider.gives_receipts, wanted, f"{name} {public}")
            text = (FOLDER / f"{name}.yaml").read_text("utf-8")
            if "public_url" not in text:
                text = f"http: {{public_url: 'https://sms.example.org'}}\n{text}"
            self.assertEqual([one for one in parse(text, variables).warnings if "receipts" in one], [], name)

    def test_an_answer_without_an_id(self) -> None:
        """A page of a proxy is never a text that was taken."""
        for name in EXAMPLES:
            result = make_example(name, None).read(segment(), HTTPReply(200, {}, b"<html>Please log in</html>"))
            self.assertIsNot(result.kind, Kind.TAKEN, name)

    def test_nothing_secret_is_shown(self) -> None:
        """Not by the representation of anything, and not by the masked request."""
        for name, example in EXAMPLES.items():
            section, variables = read_example(name)
            secrets = [variables[one] for one in variables if one not in ENVIRONMENT]
            provider = make_example(name, example.session)
            shown = provider.request.masked(provider.facts(segment(), NOW_MS))
            told = "".join(map(repr, (section, provider, provider.request, tuple(shown), provider.facts(segment(), 0))))
            for secret in secrets:
                self.assertNotIn(secret, told, name)
            self.assertNotIn("UEE6PFBM", told, "the credentials of basic")

    def test_codes_are_explained(self) -> None:
        """Where an example has ``codes``, every code that its rules name is among them, for refusals; and there are two
        meanings where the provider numbers its reports from 1 on as well."""
        for name, listed in (("vonage", range(1, 34)), ("telnyx", range(40001, 40016))):
            section, _ = read_example(name)
            codes = section.codes_of(name)
            written = (FOLDER / f"{name}.yaml").read_text("utf-8")
            ruled = {
                one
                for rule in re.findall(r"(?:in|equals): (\[[\d, ]+\]|\d+)\}", written)
                for one in map(int, re.findall(r"\d+", rule))
                if one in listed
            }
            self.assertGreater(len(ruled), 3, name)
            for code in ruled:
                self.assertTrue(explain(str(code), codes, account=name, was_taken=False).is_known, (name, code))
        vonage = read_example("vonage")[0].codes_of("vonage")
        told, refused = (explain("9", vonage, account="vonage", was_taken=taken) for taken in (True, False))
        self.assertEqual((told.action, refused.action), (Action.RECIPIENT_OPTED_OUT, Action.FIX_THE_CONFIGURATION))
