"""Providers call a real connector, over TCP: Twilio, Kannel, Bandwidth, Telnyx. Twilio signs by its own code."""

import base64
import http.client
import json
import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from twilio.request_validator import RequestValidator
from twisted.internet.defer import inlineCallbacks
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from tests.integration.activemq import free_port
from tests.integration.stack import Connector
from tests.unit.hooks.providers import BANDWIDTH, BANDWIDTH_LIST, KANNEL, TELNYX, telnyx

PUBLIC = "https://sms.example.org/gateway"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
FORM, JSON = "application/x-www-form-urlencoded", "application/json"
REPOSITORY = Path(__file__).resolve().parents[2]
BIND = {"endpoint": "tcp:127.0.0.1:1", "system_id": "test", "password": "test"}


def listed(provider: Any, **verify: Any) -> dict[str, Any]:
    return {
        "type": "listed",
        "notification": provider.notification,
        "incoming": provider.incoming,
        "verify": verify,
    }


CHANNELS = {
    "smpp": {"type": "smpp", "binds": [{"name": "a", **BIND}]},
    "twilio": {
        "type": "smpp",
        "binds": [{"name": "b", **BIND}],
        "verify": {"type": "twilio", "tokens": ["the token of a sub-account", "12345"]},
    },
    "kannel": listed(KANNEL, type="secret", secrets="s3cret", place={"query": "key"}, networks=["127.0.0.0/8"]),
    "bandwidth": listed(BANDWIDTH, type="basic", credentials="user:p4ss"),
    "telnyx": listed(
        TELNYX,
        type="ed25519",
        public_keys=base64.b64encode(KEY.public_key().public_bytes_raw()).decode(),
        template="{timestamp}|{body}",
        timestamp={"header": "telnyx-timestamp"},
        signature={"header": "telnyx-signature-ed25519"},
    ),
}


class ProvidersCase(TestCase):
    timeout = 120

    @inlineCallbacks
    def setUp(self) -> Any:  # type: ignore[override]  # trial takes a Deferred
        self.connector = Connector(
            [],
            f"tcp://127.0.0.1:{free_port()}",
            http={"public_url": PUBLIC, "api_keys": ["the api key"]},
            channels=CHANNELS,
        )
        self.addCleanup(self.connector.close)
        (self.connector.folder / "sitecustomize.py").write_text(
            "from tests.simulation import listed\nknown = listed.is_known()\nknown.__enter__()\n"
        )
        paths = os.pathsep.join((str(self.connector.folder), str(REPOSITORY)))
        self.connector.environment = {**os.environ, "PYTHONPATH": paths}
        yield self.connector.start()

    def call(self, where: str, body: bytes | str = b"", method: str = "POST", **headers: str) -> Any:
        """(status, body). ``where`` is the path behind the base path."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.connector.port, timeout=10)) as client:
            names = {name.replace("_", "-"): value for name, value in headers.items()}
            client.request(method, f"/msg-client/{where}", body, names)
            answer = client.getresponse()
            return answer.status, answer.read()

    def events(self) -> list[Any]:
        with closing(sqlite3.connect(self.connector.folder / "smsconnector.db")) as database:
            return [json.loads(body) for (body,) in database.execute("SELECT body FROM outbox ORDER BY id")]

    @inlineCallbacks
    def test_all(self) -> Any:
        """Each provider is let in by its own signature and told what it wants to hear; nobody else is, and what was
        wrong is counted and in the log, without a secret."""
        yield deferToThread(self.twilio)
        yield deferToThread(self.kannel)
        yield deferToThread(self.bandwidth)
        yield deferToThread(self.telnyx)
        status, body = yield deferToThread(self.call, "health", method="GET", X_API_Key="the api key")
        self.assertEqual(status, 200)
        refused = {name: counts["refused"] for name, counts in json.loads(body)["webhooks"].items()}
        self.assertEqual(refused, {"twilio": 2, "kannel": 1, "bandwidth": 1, "telnyx": 2})
        said = self.connector.said()
        self.assertIn("of the channel telnyx refused: the signature is wrong", said)
        self.assertNotRegex(said, "s3cret|p4ss|12345|Traceback|Unhandled")

    def twilio(self) -> None:
        """The contract's form with X-Twilio-Signature, behind a proxy with a prefix."""
        fields = {"SmsSid": "SM1", "MessageSid": "SM1", "From": "+14155550100", "To": "+1500", "Body": "a b", "X": ""}
        signature = RequestValidator("12345").compute_signature(f"{PUBLIC}/msg-client/twilio/receive?b=%7E&a", fields)
        sent = {"Content_Type": FORM, "X_Twilio_Signature": signature}
        self.assertEqual(self.call("twilio/receive?b=%7E&a", urlencode(fields), **sent), (200, b""))
        self.assertEqual(self.events()[-1]["Body"], "a b")
        for target, body in (("receive?b=~&a", fields), ("receive?b=%7E&a", {**fields, "Body": "forged"})):
            status, answer = self.call(f"twilio/{target}", urlencode(body), **sent)
            self.assertEqual((status, json.loads(answer)["error"]["code"]), (403, "not_verified"))
        self.assertEqual(self.call("smpp/receive", urlencode(fields), **sent)[0], 401)

    def kannel(self) -> None:
        """dlr-url by GET with a secret in it; an answer without a body; a bare GET is a probe."""
        query = urlencode({"from": "+923001234567", "to": "8228", "text": "\u0633\u0644", "id": "k1", "key": "s3cret"})
        self.assertEqual(self.call(f"kannel/receive?{query}", method="GET"), (204, b""))
        self.assertEqual(
            self.events()[-1], {"Body": "\u0633\u0644", "From": "+923001234567", "To": "8228", "SmsSid": "k1"}
        )
        self.assertEqual(self.call("kannel/receive", method="GET"), (204, b""))
        self.assertEqual(self.call(f"kannel/receive?{query}x", method="GET")[0], 403)
        self.assertEqual(self.call(f"kannel/receive?{query}", method="POST")[0], 405)
        self.assertEqual(self.call("kannel/delivery-notification/SM1?id=x&status=32&key=s3cret", method="GET")[0], 200)

    def bandwidth(self) -> None:
        """A list of both kinds; the text is told once, though it comes twice."""
        before = len(self.events())
        body = json.dumps(BANDWIDTH_LIST)
        for what in ("receive", "delivery-notification"):
            right = base64.b64encode(b"user:p4ss").decode()
            self.assertEqual(self.call(f"bandwidth/{what}", body, Authorization=f"Basic {right}")[0], 200)
        self.assertEqual([one["Body"] for one in self.events()[before:]], ["Hey"])
        wrong = base64.b64encode(b"user:other").decode()
        self.assertEqual(self.call("bandwidth/receive", body, Authorization=f"Basic {wrong}")[0], 403)

    def telnyx(self) -> None:
        """ed25519; one bit flipped in the body, and an old signature."""
        body = telnyx("message.received", **{"from": {"phone_number": "+1416"}}, to=[], text="hi")["body"]
        for age, sent, status in ((0, body, 200), (0, body.replace(b"hi", b"ho"), 403), (301, body, 403)):
            stamp = str(int(time.time()) - age)
            signature = base64.b64encode(KEY.sign(stamp.encode() + b"|" + body)).decode()
            headers = {"telnyx_timestamp": stamp, "telnyx_signature_ed25519": signature, "Content_Type": JSON}
            self.assertEqual(self.call("telnyx/receive", sent, **headers)[0], status)
        self.assertEqual(self.events()[-1]["Body"], "hi")
