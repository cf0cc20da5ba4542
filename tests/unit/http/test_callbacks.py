"""StatusCallback of /send: which URLs are accepted, and what is said about the others."""

import json

from smsconnector.errors import InvalidRequest
from smsconnector.http.requests import parse_send
from smsconnector.http.send import Send
from smsconnector.messages import Callback
from smsconnector.sinks.webhook.urls import LONGEST_URL
from smsconnector.walks.outlet import Outlet
from smsconnector.wall_clock import WallClock
from tests.unit.fakes import FakeChannel
from tests.unit.http.test_handlers import HandlerCase, request

SECRET = "s3cret"
URL = f"https://crm.example/told?token={SECRET}"


class StatusCallbackCase(HandlerCase):
    hosts: tuple[str, ...] = ("crm.example", "desk.example:8443")

    def setUp(self) -> None:
        super().setUp()
        self.send = self.made(self.hosts)

    def made(self, hosts: tuple[str, ...]) -> Send:
        return Send(
            wall_clock=WallClock(self.now),
            outlets={"smpp": Outlet(FakeChannel(), {"": self.submitter("smpp")}, 3600)},
            default_channel="smpp",
            gate=self.gate,
            messages_path="/base/messages/",
            callback_hosts=hosts,
        )

    def body(self, url: object) -> bytes:
        return json.dumps({"To": "+923001234567", "Body": "hi", "StatusCallback": url}).encode()

    def stored(self) -> list[tuple[str, str, str]]:
        return self.writer.store._connection.execute("SELECT sid, host, url FROM status_callback").fetchall()

    def test_accepted(self) -> None:
        """The URL is kept as it was written, with the host that allows it."""
        for url, host in (
            (URL, "crm.example"),
            ("http://crm.example", "crm.example"),
            ("https://CRM.Example:443/x", "crm.example"),
            ("https://desk.example:8443/%2Fa?b=c", "desk.example:8443"),
        ):
            answer = self.answer_to(self.send.post, request(self.body(url)))
            self.assertEqual(answer.status, 200, url)
            self.assertEqual(self.stored()[-1], (self.sids[-1], host, url))

    def test_none(self) -> None:
        """null is as if it was not there."""
        self.assertEqual(self.answer_to(self.send.post, request(self.body(None))).status, 200)
        self.assertEqual(self.stored(), [])

    def test_not_allowed(self) -> None:
        """Another host, another port, a host that only begins or ends so: refused, with the setting that says so."""
        for url in (
            "https://other.example/",
            "https://crm.example:8443/",
            "https://desk.example/",
            "http://desk.example:443/",
            "https://crm.example.evil.example/",
            "https://evil-crm.example/",
            "https://crm.example./",
            "https://127.0.0.1/",
            "https://2130706433/",
            "https://[::1]/",
        ):
            error = self.refused(self.send.post, request(self.body(url)))
            self.assertEqual((error.code, error.field), ("callback_not_allowed", "StatusCallback"), url)
            self.assertIn("status_callbacks.hosts", str(error))
        error = self.refused(self.made(()).post, request(self.body(URL)))
        self.assertEqual(error.code, "callback_not_allowed")

    def test_no_url(self) -> None:
        """What is no URL is told with what to do, and nothing of it is shown, for it may hold a secret."""
        for url, said in (
            (f"ftp://crm.example/{SECRET}", "https://HOST/PATH"),
            (f"javascript:{SECRET}", "https://HOST/PATH"),
            (f"//crm.example/{SECRET}", "https://HOST/PATH"),
            (f"https:///{SECRET}", "https://HOST/PATH"),
            (f"https://crm.example:99999/{SECRET}", "https://HOST/PATH"),
            (f"https://crm.example:/{SECRET}", "https://HOST/PATH"),
            (f"HTTPS://crm.example/{SECRET}", "https://HOST/PATH"),
            (f"https://me:{SECRET}@crm.example/", "a user and a password"),
            (f"https://crm.example@evil.example/{SECRET}", "a user and a password"),
            (f"https://crm.example\\@evil.example/{SECRET}", "a user and a password"),
            (f"https://crm.example\\.evil.example/{SECRET}", "https://HOST/PATH"),
            (f"https://crm.example/#{SECRET}", "behind #"),
            (f"https://bücher.example/{SECRET}", "xn--"),
            (f"https://crm.example/a {SECRET}", "%20"),
            (f"https://crm.example/\r\nX: {SECRET}", "ASCII"),
            (f"https://crm.example/{SECRET}{'x' * LONGEST_URL}", "longer than 2048"),
            ("", "ASCII"),
        ):
            error = self.refused(self.send.post, request(self.body(url)))
            self.assertEqual(error.field, "StatusCallback", url)
            self.assertIn(said, str(error), url)
            self.assertNotIn(SECRET, str(error))
        self.assertEqual(self.refused(self.send.post, request(self.body(7))).code, "invalid_field")
        self.assertEqual(self.refused(self.send.post, request(self.body([URL]))).code, "invalid_field")

    def test_given_twice(self) -> None:
        """Nobody could tell which of them is meant."""
        body = b'{"To": "1234", "Body": "x", "StatusCallback": "https://a.b/", "StatusCallback": "https://c.d/"}'
        self.assertEqual(self.assertRaises(InvalidRequest, parse_send, body).code, "duplicate_field")

    def test_not_shown(self) -> None:
        """Neither the request nor what comes of it shows the URL where it is written to a log."""
        self.assertNotIn(SECRET, repr(parse_send(self.body(URL))))
        self.assertNotIn(SECRET, repr(Callback("crm.example", URL)))
