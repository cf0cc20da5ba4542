"""``doctor --channel``: the request that would be sent, masked, and what an answer means."""

import argparse
from pathlib import Path
from typing import Any
from unittest import mock

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.doctor.provider import Trial, make_provider_plan
from smsconnector.errors import Unanswered
from smsconnector.net.http_client import HTTPCall, HTTPReply

CONFIGURATION = """
channels:
  out:
    type: http
    secrets: {key: S3CRET}
    request:
      url: "https://api.example/send?k={{secret.key}}"
      form: {to: "{{to_plus}}", from: "{{from}}", text: "{{text}}"}
    id: {json: id}
    maximum_length: 30
  smpp:
    type: smpp
    binds: [{name: a, endpoint: "tcp:127.0.0.1:2775", system_id: me}]
"""
_NONE = ("bind", "host", "system_id", "system_type", "password_file", "ca_file", "source", "text")


class ProviderTrialCase(SynchronousTestCase):
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
        with mock.patch.object(one._client, "ask", ask):
            status = self.successResultOf(one.run())
        return status, "\n".join(said), asked

    def test_shown(self) -> None:
        """Without a number nothing is sent, and no secret is shown."""
        status, said, asked = self.trial()
        self.assertEqual((status, asked), (0, []))
        self.assertIn("POST https://api.example/send?k=_hidden_", said)
        self.assertIn("to=%2B923001234567&text=Test", said)
        self.assertNotIn("S3CRET", said)

    def test_sent(self) -> None:
        """What came back, without our secrets, and what it means."""
        reply = HTTPReply(200, {"content-type": "application/json"}, b'{"id": 17, "key": "S3CRET"}')
        status, said, asked = self.trial(reply, to=["+44 7911 123456"], source="Bank", text="Hi {{from}}")
        self.assertEqual(status, 0)
        self.assertEqual(asked[0].body, b"to=%2B447911123456&from=Bank&text=Hi%20%7B%7Bfrom%7D%7D")
        self.assertIn("S3CRET", asked[0].url)
        self.assertNotIn("S3CRET", said)
        for words in ("HTTP status 200", '{"id": 17, "key": "_hidden_"}', "this means: accepted", "id: 17"):
            self.assertIn(words, said)

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
            ({"channel": "smpp"}, "say one of out"),
            ({"channel": "nobody"}, "no channel 'nobody'"),
            ({"to": ["1234567", "1234568"]}, "name one number"),
            ({"to": ["x"]}, "not a phone number"),
            ({"bind": "a"}, "--bind is for an SMSC"),
        ):
            with self.assertRaises(ValueError) as caught:
                make_provider_plan(self.options(**given))
            self.assertIn(words, str(caught.exception))
