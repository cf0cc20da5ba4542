"""The examples of conf/providers read what their providers post: their sections are those of the table of cases."""

import re
from dataclasses import replace
from pathlib import Path

import yaml
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.config import Configuration, parse
from smsconnector.hooks.requests import HookRequest
from tests.unit.channels.http.examples import ENVIRONMENT
from tests.unit.hooks import providers

EXAMPLES = Path(__file__).resolve().parents[3] / "conf" / "providers"
NAMES = {"kannel": "kannel, dlr-url"}  # of the table, where it has another
SILENT = {"routemobile", "taqnyat", "telenor", "zong"}  # what these post is not known for sure


class ExamplesCase(SynchronousTestCase):
    def test_sections(self) -> None:
        """``notification`` and ``incoming`` of each example are the ones that the cases are tried with."""
        table = {one.name: one for one in vars(providers).values() if isinstance(one, providers.Provider)}
        seen = set()
        for path in sorted(EXAMPLES.glob("*.yaml")):
            (section,) = yaml.safe_load(path.read_text("utf-8"))["channels"].values()
            name = path.stem
            if name in SILENT:
                self.assertNotIn("notification", section, name)
                continue
            seen.add(name)
            wanted = table[NAMES.get(name, name)]
            self.assertEqual(section.get("notification"), wanted.notification, name)
            self.assertEqual(section.get("incoming"), wanted.incoming, name)
        self.assertGreater(len(seen), 10)

    def examples(self, more: str = "") -> dict[str, Configuration]:
        """By name. ``more`` comes before, as sections of its own."""
        found = {}
        for path in sorted(EXAMPLES.glob("*.yaml")):
            text = path.read_text("utf-8")
            names = re.findall(r"\$\{(\w+)\}", text)
            if more:
                text = more + re.sub(r"(?m)^http:.*$", "", text)
            found[path.stem] = parse(text, {one: ENVIRONMENT.get(one, f"hook7{one}") for one in names})
        return found

    def test_nobody_else_is_let_in(self) -> None:
        """Each example that is called says by whom: a STOP or a report that just anybody posts is refused. A secret in
        the query is enough where that is the way."""
        for name, configuration in self.examples().items():
            if name in SILENT:
                continue
            hooks = configuration.hooks[name]
            for hook in (hooks.notification, hooks.incoming):
                request = HookRequest("POST", f"/msg-client/{name}/receive", {}, b"a=b", "198.51.100.7", "https://h")
                assert hook.verifier is not None
                self.assertIsNotNone(hook.verifier.fault(request, 0.0), name)
                section = configuration.channels[name].verify  # type: ignore[attr-defined]
                if section.type == "secret":
                    (secret,) = (one.get_secret_value() for one in section.secrets)
                    request = replace(request, target=f"{request.target}?key={secret}")
                    self.assertIsNone(hook.verifier.fault(request, 0.0), name)

    def test_no_warnings(self) -> None:
        """Once the public URL is set, there is nothing to warn of, with API keys and without."""
        for keys in ("[]", "[k3y]"):
            more = f"http: {{public_url: 'https://h', endpoints: ['tcp:1:interface=127.0.0.1'], api_keys: {keys}}}\n"
            for name, configuration in self.examples(more).items():
                self.assertEqual(configuration.warnings, [], name)


class WarningsCase(SynchronousTestCase):
    """Who can call a webhook, as the check tells it."""

    def warnings(self, channel: str, http: str = "public_url: 'https://sms.example.org'") -> list[str]:
        return parse(
            f"http: {{{http}, endpoints: ['tcp:1:interface=127.0.0.1']}}\nchannels: {{c: {channel}}}", {}
        ).warnings

    def test_open_to_everybody(self) -> None:
        """With a public URL, and neither verify nor keys: each webhook is named."""
        channel = (
            "{type: http, request: {url: 'https://h/'}, notification: {id: a, status: b}, incoming: {from: c, text: d}}"
        )
        found = self.warnings(channel)
        self.assertEqual([one.partition(": ")[0] for one in found], ["channels.c.notification", "channels.c.incoming"])
        self.assertIn("verify", found[0])
        self.assertEqual(self.warnings(channel, "base_path: /x"), [])  # nobody from outside is meant to call
        keys = "public_url: 'https://sms.example.org', api_keys: [k3y]"
        self.assertEqual(self.warnings(channel, keys), [])  # the URL that is entered there may have a key
        verified = channel.replace("type: http,", "type: http, verify: {type: networks, networks: [192.0.2.0/24]},")
        self.assertEqual(self.warnings(verified), [])

    def test_one_of_both(self) -> None:
        """A ``verify`` of one webhook leaves the other open."""
        channel = "{type: http, request: {url: 'https://h/'}, notification: {id: a, status: b, verify: {type: networks,"
        channel += " networks: [192.0.2.0/24]}}, incoming: {from: c, text: d}}"
        self.assertEqual([one.partition(": ")[0] for one in self.warnings(channel)], ["channels.c.incoming"])

    def test_no_key_can_come(self) -> None:
        """With keys, where the provider calls a URL that we gave it, which has none."""
        keys = "public_url: 'https://sms.example.org', api_keys: [k3y]"
        channel = "{type: http, request: {url: 'https://h/?u={{callback_url}}'}, notification: {id: a, status: b}}"
        (found,) = self.warnings(channel, keys)
        self.assertIn("channels.c.notification: ", found)
        self.assertIn("401", found)
        twilio = "{type: twilio, account_sid: AC1, api_key: SK1, api_secret: x, from: '+15005550006'}"
        (found,) = self.warnings(twilio, keys)
        self.assertIn("channels.c.notification: ", found)
        self.assertEqual(len(self.warnings(twilio)), 2)
        self.assertEqual(self.warnings(twilio.replace("api_key: SK1, api_secret: x", "auth_token: t"), keys), [])

    def test_own_forms(self) -> None:
        """A channel that says nothing of webhooks has none to warn of."""
        self.assertEqual(self.warnings("{type: http, receipts: no, request: {url: 'https://h/'}}"), [])
        self.assertEqual(
            self.warnings("{type: smpp, binds: [{name: a, endpoint: 'tcp:127.0.0.1:1', system_id: a}]}"), []
        )
