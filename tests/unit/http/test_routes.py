"""The table of routes, and the edge where what a handler raises becomes an answer."""

import json
from base64 import b64encode
from collections.abc import Mapping
from typing import Any, cast

from klein import Klein
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.errors import InvalidRequest
from smsconnector.hooks.hook import Hook, Hooks
from smsconnector.http import replies
from smsconnector.http.answers import Answer, GiveAnswer, HTTPRequest, HTTPRoute
from smsconnector.http.auth import CHALLENGE, Access
from smsconnector.http.routes import Routes
from smsconnector.sms.segmentation import Split
from tests.unit.fakes import by_name
from tests.unit.http.ways import DoorCase, both_ways, make_api

JSON = (b"Content-Type", b"application/json")
NOTHING: Any = None


def request(*headers: tuple[bytes, bytes], fault: InvalidRequest | None = None) -> HTTPRequest:
    return HTTPRequest(b"POST", b"/x", by_name(headers), b"body", fault=fault)


def refused_with(access: Access, asked: HTTPRequest) -> int:
    """The status of the refusal; 0 if it is let in."""
    answers: list[Answer] = []
    try:
        access.check_page(asked.headers)
        if access.admit("send", asked) is None:
            access.examine("send", asked, lambda admitted: None, answers.append)
    except InvalidRequest as error:
        return error.status
    return answers[0].status if answers else 0


class TableCase(SynchronousTestCase):
    def test_the_contract(self) -> None:
        """Method, whole paths and scope of every route."""
        found = {(one.method, one.scope, one.paths("/base")) for one in make_api().routes}
        webhooks = (
            ("/base/receive", "/receive"),
            ("/base/delivery-notification", "/delivery-notification"),
            ("/base/<channel>/receive",),
            ("/base/<channel>/receive/<secret>",),
            ("/base/<channel>/delivery-notification",),
            ("/base/<channel>/delivery-notification/<sid>",),
            ("/base/<channel>/delivery-notification/<sid>/<secret>",),
        )
        self.assertEqual(
            found,
            {
                ("POST", "send", ("/base/send", "/send")),
                ("POST", "send", ("/base/send-batch", "/send-batch")),
                ("POST", "send", ("/base/send/explain", "/send/explain")),
                *((method, "webhook", paths) for method in ("GET", "POST") for paths in webhooks),
                ("GET", "read", ("/base/messages",)),
                ("GET", "read", ("/base/messages/<sid>",)),
                ("GET", "read", ("/base/messages/<sid>/timeline",)),
                ("DELETE", "send", ("/base/messages/<sid>",)),
                ("GET", "health", ("/base/health", "/health")),
                *(
                    ("GET", "public", (f"/base{path}",))
                    for path in ("/openapi.json", "/docs", "/docs/page.js", "/docs/swagger-ui.css")
                ),
                ("GET", "public", ("/base/docs/swagger-ui-bundle.js",)),
            },
        )

    def test_klein_has_all_of_them(self) -> None:
        """Klein's routes are those of the table, and no others; those without a variable are in the short cut too."""
        api = make_api()
        routes = Routes(api)
        app: Klein = routes._app
        paths = {path for route in api.routes for path in route.paths("/base")}
        self.assertEqual({rule.rule for rule in app.url_map.iter_rules()}, paths)
        self.assertEqual({path.decode() for _, path in routes._plain}, {path for path in paths if "<" not in path})
        self.assertEqual(routes._plain[b"HEAD", b"/health"], routes._plain[b"GET", b"/base/health"])


@both_ways
class AllowCase(DoorCase):
    hooks: Mapping[str, Hooks] = {
        "smpp": Hooks(notification=Hook(methods=("GET",)), incoming=Hook(methods=("GET", "POST"))),
        "own": Hooks(incoming=Hook(readings=(cast(Any, None),))),
    }

    def test_allow(self) -> None:
        """Allow names what the path takes, and nothing else (RFC 9110 section 10.2.1): of a webhook that is what its
        channel's provider uses, and GET where that is how a provider looks whether we are there."""
        for path, allowed in (
            ("/send", "POST"),
            ("/msg-client/messages", "GET"),
            ("/msg-client/messages/SM1", "DELETE, GET"),
            ("/receive", "GET, POST"),
            ("/delivery-notification", "GET"),
            ("/msg-client/delivery-notification/", "GET"),
            ("/msg-client/smpp/delivery-notification", "GET"),
            ("/msg-client/smpp/delivery-notification/SM1", "GET"),
            ("/msg-client/own/receive", "GET, POST"),
            ("/msg-client/own/delivery-notification", "POST"),
            ("/msg-client/other/receive", "POST"),
        ):
            for method in ("OPTIONS", "PUT", "post"):
                answer = self.request(method, path)
                self.assertEqual((answer.status, answer.header("Allow")), (405, allowed), (method, path))
        for method in ("OPTIONS", "put"):
            self.assertEqual(self.request(method, "/nothing").status, 404)


class ServeCase(SynchronousTestCase):
    TOO_LONG = InvalidRequest("body_too_large", "Send less.", status=413)

    def serve(self, received: HTTPRequest, *keys: str, error: Exception | None = None) -> Answer:
        """The answer; ``handled`` says whether the handler was called."""
        self.handled = False
        answers: list[Answer] = []

        def handler(given: HTTPRequest, answer: GiveAnswer) -> None:
            self.handled = True
            self.assertEqual(given._replace(caller=None), received)
            self.assertEqual(given.caller is not None, bool(keys))
            if error is not None:
                raise error
            answer(replies.EMPTY_200)

        make_api(*keys).serve(HTTPRoute("POST", "/x", handler, "send"), received, answers.append)
        (answer,) = answers
        return answer

    def test_handled(self) -> None:
        """The handler has the request, and the answer is the handler's."""
        self.assertEqual((self.serve(request()), self.handled), (Answer(200, (), b""), True))

    def test_refused(self) -> None:
        """What the handler raises is the answer, with its status and its headers before those of the body."""
        error = InvalidRequest("a_code", "A sentence.", "To", status=409, headers=((b"X-A", b"b"),))
        answer = self.serve(request(), error=error)
        self.assertEqual((answer.status, answer.headers), (409, ((b"X-A", b"b"), JSON)))
        self.assertEqual(
            json.loads(answer.body), {"error": {"code": "a_code", "message": "A sentence.", "field": "To"}}
        )

    ORIGIN, SITE, HOST = b"origin", b"sec-fetch-site", (b"host", b"127.0.0.1:8080")

    def test_pages_from_elsewhere(self) -> None:
        """A page of another origin is refused, with or without a key; text/plain needs no preflight (Fetch standard,
        "CORS-safelisted request-header"), so that any page could have posted to a door on loopback."""
        for headers in (
            [(self.ORIGIN, b"https://evil.example")],
            [(self.ORIGIN, b"http://127.0.0.1:8081")],
            [(self.ORIGIN, b"http://127.0.0.1")],
            [(self.ORIGIN, b"null")],
            [(self.ORIGIN, b"")],
            [(self.ORIGIN, b"file://127.0.0.1:8080")],
            [(self.ORIGIN, b"http://127.0.0.1:8080.evil.example")],
            [(self.ORIGIN, b"http://127.0.0.1:8080"), (self.ORIGIN, b"https://evil.example")],
            [(self.SITE, b"cross-site")],
            [(self.SITE, b" Cross-Site ")],
            [(self.SITE, b"cross-site"), (self.ORIGIN, b"http://127.0.0.1:8080")],
            [(self.SITE, b"same-site"), (self.ORIGIN, b"http://other.127.0.0.1:8080")],
        ):
            for keys, more in (((), []), (("good",), [(b"x-api-key", b"good")])):
                answer = self.serve(request(self.HOST, *headers, *more), *keys)
                self.assertEqual((answer.status, self.handled), (403, False), headers)
                self.assertEqual(json.loads(answer.body)["error"]["code"], "foreign_origin")

    def test_let_in(self) -> None:
        """Programs name no origin; a person who types the address in is none; our own is not foreign."""
        for headers in (
            [],
            [(self.SITE, b"none")],
            [(self.SITE, b"same-origin"), (self.ORIGIN, b"http://127.0.0.1:8080")],
            [(self.ORIGIN, b"https://127.0.0.1:8080")],  # a proxy ends TLS
            [(self.ORIGIN, b"HTTP://127.0.0.1:8080")],
        ):
            self.assertEqual(self.serve(request(self.HOST, *headers)).status, 200, headers)
        for host, origin in ((b"sms.example", b"https://sms.example:443"), (b"SMS.example:80", b"http://sms.example")):
            self.assertEqual(self.serve(request((b"host", host), (self.ORIGIN, origin))).status, 200, host)

    def test_allowed_origins(self) -> None:
        """One that the configuration allows, and no other; it needs a key as anybody."""
        access = Access(["good"], ["https://Desk.example"])
        key = (b"x-api-key", b"good")
        for headers, status in (
            ([(self.ORIGIN, b"https://desk.example"), key], 0),
            ([(self.ORIGIN, b"https://desk.example"), (self.SITE, b"cross-site"), key], 0),
            ([(self.ORIGIN, b"https://desk.example")], 401),
            ([(self.ORIGIN, b"http://desk.example"), key], 403),
            ([(self.ORIGIN, b"https://desk.example:8443"), key], 403),
            ([(self.ORIGIN, b"https://desk.example.evil"), key], 403),
        ):
            self.assertEqual(refused_with(access, request(self.HOST, *headers)), status, headers)

    def test_the_key_first(self) -> None:
        """Without a key: 401 with a challenge, whatever else is wrong; then what is wrong with the body."""
        for fault in (None, self.TOO_LONG):
            answer = self.serve(request(fault=fault), "good")
            self.assertEqual((answer.status, answer.headers, self.handled), (401, (CHALLENGE, JSON), False))
        answer = self.serve(request((b"x-api-key", b"good"), fault=self.TOO_LONG), "good")
        self.assertEqual((answer.status, self.handled), (413, False))
        self.assertEqual(self.serve(request((b"x-api-key", b"good")), "good").status, 200)

    def test_the_log_has_no_path(self) -> None:
        """A webhook's path may hold a secret: the log names the route."""
        received = request()._replace(path=b"/base/prov/receive/s3cret")
        self.serve(received, error=RuntimeError("x"))
        (failure,) = self.flushLoggedErrors(RuntimeError)
        self.assertNotIn("s3cret", str(failure))

    def test_our_fault(self) -> None:
        """Any other error is 500; its text is in the log and not in the answer."""
        answer = self.serve(request(), error=ValueError("a secret"))
        self.assertEqual((answer.status, answer.headers), (500, (JSON,)))
        self.assertNotIn(b"secret", answer.body)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)


class KeysCase(SynchronousTestCase):
    def test_table(self) -> None:
        """Where a key may stand, and what is none."""
        good = b64encode(b"any:second")
        cases: list[tuple[list[tuple[bytes, bytes]], bool]] = [
            ([], False),
            ([(b"authorization", b"Bearer first")], True),
            ([(b"authorization", b" bearer  second ")], True),
            ([(b"authorization", b"Bearer")], False),
            ([(b"authorization", b"Bearer firs")], False),
            ([(b"authorization", b"Basic " + good)], True),
            ([(b"authorization", b"Basic !" + good)], False),
            ([(b"authorization", b"Digest first")], False),
            ([(b"x-api-key", b" first ")], True),
            ([(b"x-api-key", b"none"), (b"authorization", b"Bearer first")], False),
            ([(b"x-api-key", b"none"), (b"x-api-key", b"first")], False),
        ]
        for headers, opens in cases:
            keys = Access(("first", "second"))
            self.assertEqual(refused_with(keys, request(*headers)), 0 if opens else 401, headers)


class RepliesCase(SynchronousTestCase):
    def test_retry_after(self) -> None:
        """A refusal with 503 says when to come again, and no other does."""
        for status in (400, 401, 404, 405, 413, 500, 503):
            names = [name for name, _ in replies.refusal(InvalidRequest("x", "X.", status=status)).headers]
            self.assertEqual(b"Retry-After" in names, status == 503, status)

    def test_text_headers(self) -> None:
        """The characters that cost more, or were replaced, as code points; twenty of them at most."""
        cases: list[tuple[Split, Any]] = [
            (Split("gsm7", ("hi",)), ()),
            (Split("ucs2", ("hi",), "’ê"), ((b"X-UCS2-Because", b"U+2019 U+00EA"),)),
            (Split("gsm7", ("hi",), "", "’"), ((b"X-Transliterated", b"U+2019"),)),
            (Split("ucs2", ("hi",), "😀" * 30), ((b"X-UCS2-Because", b" ".join([b"U+1F600"] * 20)),)),
        ]
        for split, headers in cases:
            self.assertEqual(replies.text_headers(split), headers)
