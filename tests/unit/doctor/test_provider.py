"""``doctor --channel``: the request that would be sent, masked, and what an answer means."""

import argparse
import contextlib
import html
import json
import signal
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import quote, quote_plus

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import globalLogBeginner
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.doctor import provider
from smsconnector.doctor.provider import Trial, make_provider_plan, run_trial
from smsconnector.errors import Unanswered
from smsconnector.net.http_client import HTTPCall, HTTPReply

CONFIGURATION = """
channels:
  out:
    type: http
    secrets: {key: S3CRET, pin: "4711"}
    request:
      url: "https://api.example/send?k={{secret.key}}"
      form: {to: "{{to_plus}}", from: "{{from}}", text: "{{text}}", ttl: "{{validity}}", pin: "{{secret.pin|number}}"}
    id: {json: id}
    maximum_length: 30
  cloud:
    type: twilio
    account_sid: ACme
    auth_token: [S3CRET, 0THER]
    from: "+15005550006"
  keyed:
    type: twilio
    account_sid: ACme
    api_key: SKmine
    api_secret: S3CRET
    from: Bank
  smpp:
    type: smpp
    binds: [{name: a, endpoint: "tcp:127.0.0.1:2775", system_id: me}]
"""
_NONE = ("bind", "host", "system_id", "system_type", "password_file", "ca_file", "source", "text")


class Reactor(MemoryReactorClock):
    """Runs what is to be called when it runs, as a real one does: an exception there ends nothing."""

    def run(self, installSignalHandlers: bool = True) -> None:
        for function, arguments, keywords in self.whenRunningHooks:
            with contextlib.suppress(Exception):
                function(*arguments, **keywords)


class TrialCase(SynchronousTestCase):
    def options(self, **given: Any) -> argparse.Namespace:
        path = self.mktemp()
        Path(path).write_text(CONFIGURATION)
        return argparse.Namespace(**(dict.fromkeys(_NONE) | {"config": path, "channel": "out", "to": []} | given))

    def trial(self, *answers: Any, **given: Any) -> tuple[int, str, list[HTTPCall]]:
        """The exit status, what was said, and what was asked."""
        said: list[str] = []
        asked: list[HTTPCall] = []
        waiting = list(answers)

        def ask(call: HTTPCall) -> "Deferred[HTTPReply]":
            asked.append(call)
            answer = waiting.pop(0)
            return succeed(answer) if isinstance(answer, HTTPReply) else fail(answer)

        one = Trial(MemoryReactorClock(), make_provider_plan(self.options(**given)), said.append)
        with mock.patch.object(one._side.client, "ask", ask):
            status = self.successResultOf(one.run())
        return status, "\n".join(said), asked


class ProviderTrialCase(TrialCase):
    def test_shown(self) -> None:
        """Without a number nothing is sent, and no secret is shown."""
        status, said, asked = self.trial()
        self.assertEqual((status, asked), (0, []))
        self.assertIn("POST https://api.example/send?k=_hidden_", said)
        self.assertIn("to=%2B923001234567&text=Test", said)
        self.assertNotIn("S3CRET", said)

    def test_values_that_a_text_may_lack(self) -> None:
        """With a lifetime of its own and a sender, and without: both requests, because fields are left out."""
        _, said, _ = self.trial(source="Bank")
        with_all, without = said.split("Without a validity and a sender of its own:\n")
        self.assertTrue("ttl=3600" in with_all and "from=Bank" in with_all, with_all)
        self.assertTrue("ttl=" not in without and "from=" not in without, without)

    def test_secret_that_is_a_number(self) -> None:
        """Its mask is a number too: the request can be shown (was: this text can't be sent)."""
        status, said, _ = self.trial()
        self.assertEqual(status, 0)
        self.assertIn("pin=0", said)
        self.assertNotIn("4711", said)

    def test_sent(self) -> None:
        """What came back, without our secrets, and what it means."""
        reply = HTTPReply(200, {"content-type": "application/json"}, b'{"id": 17, "key": "S3CRET"}')
        status, said, asked = self.trial(reply, to=["+44 7911 123456"], source="Bank", text="Hi {{from}}")
        self.assertEqual(status, 0)
        self.assertEqual(asked[0].body, b"to=%2B447911123456&from=Bank&text=Hi%20%7B%7Bfrom%7D%7D&ttl=3600&pin=4711")
        self.assertIn("S3CRET", asked[0].url)
        self.assertNotIn("S3CRET", said)
        for words in ("HTTP status 200", '{"id": 17, "key": "_hidden_"}', "this means: accepted", "id: 17"):
            self.assertIn(words, said)

    def test_secrets_however_escaped(self) -> None:
        """A server that sends the request back shows its URL, with the secret escaped."""
        for key in ("S3 CR&T/key", 'pass"wörd'):
            configuration = CONFIGURATION.replace("{key: S3CRET", f"{{key: {json.dumps(key)}")
            for form in (
                quote(key, safe=""),
                quote_plus(key),
                html.escape(key),
                json.dumps(key)[1:-1],
                quote(key, safe="").replace("%2F", "%2f"),
            ):
                with mock.patch(f"{__name__}.CONFIGURATION", configuration):
                    _, said, _ = self.trial(HTTPReply(400, {}, f"no: {form}".encode()), to=["447911123456"])
                self.assertNotIn(form, said)

    def test_file_that_can_not_be_read(self) -> None:
        """What is wrong before the first request ends the trial, and the reactor, with a sentence."""
        reactor, said = Reactor(), list[str]()
        plan = make_provider_plan(self.options())
        section: Any = plan.section
        section.secret_files["late"] = "/nowhere"  # gone since it was checked
        self.patch(signal, "signal", lambda *_: None)
        self.patch(globalLogBeginner, "beginLoggingTo", lambda *_, **__: None)
        self.patch(provider, "run_on_monotonic_clock", lambda _: None)
        self.assertEqual(run_trial(reactor, plan, said.append), 1)
        self.assertIn("the trial broke off", said[0])
        self.assertTrue(reactor.hasStopped)

    def test_refused(self) -> None:
        """Status 1 for a text that was not accepted, or was not answered."""
        status, said, _ = self.trial(HTTPReply(401, {}, b"no"), to=["447911123456"])
        self.assertEqual(status, 1)
        self.assertIn("a trouble of the account", said)
        status, said, _ = self.trial(Unanswered("it was cut"), to=["447911123456"])
        self.assertEqual(status, 1)
        self.assertIn("it may have been sent: it was cut", said)
        self.assertEqual(self.trial(text="x" * 31)[0], 1)

    def test_options(self) -> None:
        """What can't be followed, in a sentence."""
        for given, words in (
            ({"channel": "smpp"}, "say one of out, cloud, keyed"),
            ({"channel": "nobody"}, "no channel 'nobody'"),
            ({"to": ["1234567", "1234568"]}, "name one number"),
            ({"to": ["x"]}, "not a phone number"),
            ({"bind": "a"}, "--bind is for an SMSC"),
        ):
            with self.assertRaises(ValueError) as caught:
                make_provider_plan(self.options(**given))
            self.assertIn(words, str(caught.exception))


class TwilioTrialCase(TrialCase):
    """The same for a channel of the type ``twilio``."""

    ACCOUNT = HTTPReply(200, {}, b'{"status": "active", "auth_token": "S3CRET", "friendly_name": "Acme"}')
    SENT = HTTPReply(201, {"content-type": "application/json"}, b'{"sid": "SM17", "status": "queued", "to": "+447911"}')

    def test_shown(self) -> None:
        """Without a number the request is shown, without secrets, and nothing is sent. The account is asked for, which
        changes nothing; what comes back is not shown, for it holds the token."""
        status, said, asked = self.trial(self.ACCOUNT, channel="cloud")
        self.assertEqual(status, 0)
        ((method, url, headers, _body),) = asked
        self.assertEqual((method, url), ("GET", "https://api.twilio.com/2010-04-01/Accounts/ACme.json"))
        self.assertIn("Basic ", dict(headers)["Authorization"])
        for words in (
            "POST https://api.twilio.com/2010-04-01/Accounts/ACme/Messages.json",
            "To=%2B923001234567&Body=Test",
            "Authorization: Basic _hidden_",
            "the credentials are good",
            "active",
            "Nothing was sent",
        ):
            self.assertIn(words, said)
        self.assertNotRegex(said, "S3CRET|0THER|QUNtZTpTM0NSRVQ|Acme")

    def test_key(self) -> None:
        """A standard API key may not read the account: with a key the messages are asked for, one at most."""
        _, said, asked = self.trial(HTTPReply(200, {}, b'{"messages": [{"body": "private"}]}'), channel="keyed")
        self.assertEqual(asked[0].url, "https://api.twilio.com/2010-04-01/Accounts/ACme/Messages.json?PageSize=1")
        self.assertIn("the credentials are good", said)
        self.assertNotIn("private", said)

    def test_credentials(self) -> None:
        """Wrong ones, a suspended account, a page of a proxy, no answer: what it means, and status 1."""
        for answer, words in (
            (HTTPReply(401, {}, b'{"code": 20003, "message": "x", "status": 401}'), "code 20003"),
            (HTTPReply(200, {}, b'{"status": "suspended"}'), "the account is suspended"),
            (HTTPReply(200, {}, b"<html>S3CRET"), "is it a proxy"),
            (HTTPReply(404, {}, b""), "has no such resource"),
            (HTTPReply(500, {}, b""), "HTTP status 500"),
            (Unanswered("it was cut"), "no answer: it was cut"),
        ):
            status, said, _ = self.trial(answer, channel="cloud")
            self.assertEqual(status, 0 if answer == HTTPReply(404, {}, b"") else 1, words)
            self.assertIn(words, said)
            self.assertNotIn("S3CRET", said)

    def test_sent(self) -> None:
        """What came back, and what it means."""
        status, said, asked = self.trial(self.SENT, channel="cloud", to=["+44 7911 123456"], source="Bank", text="Hi")
        self.assertEqual((status, len(asked)), (0, 1))
        self.assertEqual(asked[0].body, b"To=%2B447911123456&Body=Hi&From=Bank&ValidityPeriod=3600")
        for words in ("HTTP status 201", '"status": "queued"', "this means: accepted", "id: SM17"):
            self.assertIn(words, said)

    def test_refused(self) -> None:
        """Status 1, and what it means."""
        reply = HTTPReply(400, {}, b'{"code": 21211, "message": "not valid: +44", "status": 400}')
        status, said, _ = self.trial(reply, channel="cloud", to=["447911123456"])
        self.assertEqual(status, 1)
        self.assertIn("refused for good", said)
        self.assertIn("code of the report: 21211", said)
        self.assertEqual(self.trial(channel="cloud", text="x" * 1601)[0], 1)
