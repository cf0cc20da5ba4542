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
from tests.unit.http.ways import DoorCase, both_ways

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
            reader=self.writer,
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


@both_ways
class DoorCallbackCase(DoorCase):
    """The other ways by which a text comes, through the server."""

    callback_hosts = ("crm.example",)
    good = {"To": "+923001234567", "Body": "hi", "StatusCallback": URL}

    def stored(self) -> list[tuple[str, str]]:
        return self.writer.store._connection.execute("SELECT sid, url FROM status_callback ORDER BY id").fetchall()

    def test_explained(self) -> None:
        """A dry run refuses what /send refuses, and writes nothing."""
        self.assertEqual(self.send("/msg-client/send/explain", **self.good).status, 200)
        other = self.good | {"StatusCallback": "https://other.example/"}
        refused = [self.send(path, **other) for path in ("/msg-client/send/explain", "/msg-client/send")]
        self.assertEqual([one.error["code"] for one in refused], ["callback_not_allowed"] * 2)
        self.assertEqual(self.stored(), [])

    def test_items_of_a_batch(self) -> None:
        """Each item has its own, or none; one that is not allowed is refused alone."""
        items = [self.good, {"To": "1234", "Body": "hi"}, self.good | {"StatusCallback": "https://other.example/"}]
        answer = self.request("POST", "/msg-client/send-batch", json.dumps(items), Content_Type="application/json")
        first, second, third = answer.json
        self.assertEqual((first["status"], second["status"], third["status"]), (200, 200, 400))
        self.assertEqual(third["error"]["code"], "callback_not_allowed")
        self.assertEqual(self.stored(), [(first["MessageSID"], URL)])

    def test_one_text_for_many(self) -> None:
        """That of the text is of each recipient."""
        body = json.dumps(self.good | {"To": ["1234", {"To": "1235"}]})
        results = self.request("POST", "/msg-client/send-batch", body, Content_Type="application/json").json
        self.assertEqual(self.stored(), [(one["MessageSID"], URL) for one in results])

    def test_repeated_request(self) -> None:
        """With a key it is one message with one callback; another URL under the same key is another request."""
        body = json.dumps(self.good)
        first, again = (self.request("POST", "/msg-client/send", body, Idempotency_Key="k") for _ in range(2))
        self.assertEqual(first.header("X-Message-SID"), again.header("X-Message-SID"))
        self.assertEqual(self.stored(), [(first.header("X-Message-SID"), URL)])
        other = json.dumps(self.good | {"StatusCallback": URL + "2"})
        self.assertEqual(self.request("POST", "/msg-client/send", other, Idempotency_Key="k").status, 422)

    def test_not_told_by_the_message(self) -> None:
        """Who may read messages does not see the URL, which may hold a secret."""
        sid = self.send(**self.good).header("X-Message-SID")
        for path in (f"/{sid}", f"/{sid}/timeline", "?limit=9"):
            answer = self.request("GET", f"/msg-client/messages{path}")
            self.assertEqual(answer.status, 200)
            self.assertNotIn(SECRET.encode(), answer.body)
