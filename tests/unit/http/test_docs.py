"""The description of the API and its page: what they say, whom they let in, and what one costs who does not read."""

import re
from html.parser import HTMLParser
from typing import Any

import yaml
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.http import docs
from smsconnector.http.api import UsualSettings
from smsconnector.http.docs import DESCRIPTION
from smsconnector.http.long_answers import PIECE
from tests.unit.http.test_abuse import SEND, AbuseCase, Transport
from tests.unit.http.test_keys import KeysCase
from tests.unit.http.ways import Answer, DoorCase, both_ways, make_api

BASE = "/msg-client"
JSON, PAGE, SCRIPT, BUNDLE, STYLE = (
    BASE + path
    for path in ("/openapi.json", "/docs", "/docs/page.js", "/docs/swagger-ui-bundle.js", "/docs/swagger-ui.css")
)
ALL = (JSON, PAGE, SCRIPT, BUNDLE, STYLE)


class References(HTMLParser):
    """``found``: all that a page has a browser ask for. ``inline``: scripts and styles that stand in it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.inline: list[str] = []
        self._inside = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self._inside = tag
        for name, value in attributes:
            if name in ("src", "href", "action", "data", "srcset", "poster", "formaction"):
                self.found.append(value or "")
            if name == "style" or name.startswith("on"):
                self.inline.append(value or "")

    def handle_data(self, data: str) -> None:
        if self._inside in ("script", "style") and data.strip():
            self.inline.append(data)


@both_ways
class DocsCase(DoorCase):
    def test_description(self) -> None:
        """The file, as JSON; its server is this one."""
        answer = self.request("GET", JSON)
        self.assertEqual((answer.status, answer.header("Content-Type")), (200, "application/json"))
        wanted = yaml.safe_load(DESCRIPTION.read_text())
        self.assertEqual(answer.json, wanted | {"servers": [{"url": BASE}]})

    def test_page(self) -> None:
        """Whatever it refers to is here, and nothing stands in it that its policy forbids."""
        answer = self.request("GET", PAGE)
        self.assertEqual((answer.status, answer.header("Content-Type")), (200, "text/html; charset=utf-8"))
        seen = References(answer.body.decode())
        self.assertEqual(seen.inline, [])
        self.assertEqual({*seen.found}, {JSON, SCRIPT, BUNDLE, STYLE, "data:,"})
        for path in {*seen.found} - {"data:,"}:
            self.assertEqual(self.request("GET", path).status, 200, path)
        policy = dict(one.split(" ", 1) for one in str(answer.header("Content-Security-Policy")).split("; "))
        self.assertEqual(policy["default-src"], "'none'")
        for what, where in policy.items():
            self.assertIn(where, ("'none'", "'self'", "'self' data:"), what)
        script = self.request("GET", SCRIPT).body.decode()
        self.assertNotIn("http", script)
        self.assertIn("../openapi.json", script)

    def test_version(self) -> None:
        """OpenAPI 3.1 needs Swagger UI 5, which knows its dialect."""
        body = self.request("GET", BUNDLE).body
        self.assertIn(b"https://spec.openapis.org/oas/3.1/dialect/base", body)
        self.assertIn(b"SwaggerUIBundle", body)

    def test_headers(self) -> None:
        """As those of any answer, but that it may be kept."""
        for path in ALL:
            answer = self.request("GET", path)
            self.assertEqual(answer.header("X-Content-Type-Options"), "nosniff", path)
            self.assertEqual(answer.header("Cache-Control"), "no-cache", path)
            self.assertIn("frame-ancestors 'none'", str(answer.header("Content-Security-Policy")), path)
            self.assertEqual(answer.header("Cross-Origin-Resource-Policy"), "same-origin", path)
            self.assertEqual(len(answer.body), int(answer.header("Content-Length") or 0), path)

    def test_known(self) -> None:
        """Who has it already is told so: 304 without a body, and with the length that it would have (RFC 9110 section
        8.6)."""
        for path in ALL:
            whole = self.request("GET", path)
            etag = str(whole.header("ETag"))
            self.assertTrue(re.fullmatch(r'"[0-9a-f]{32}"', etag))
            for given in (etag, f"W/{etag}", f'"x", {etag}', "*"):
                answer = self.request("GET", path, If_None_Match=given)
                self.assertEqual((answer.status, answer.body), (304, b""), given)
                self.assertEqual(answer.header("ETag"), etag)
                self.assertEqual(answer.header("Content-Length"), str(len(whole.body)))
            for given in ('"x"', etag.strip('"'), "", '"\xe9"'):
                self.assertEqual(self.request("GET", path, If_None_Match=given).status, 200, given)

    def test_other_methods(self) -> None:
        for path in ALL:
            head = self.request("HEAD", path)
            self.assertEqual((head.status, head.body), (200, b""), path)
            self.assertEqual(head.header("Content-Length"), self.request("GET", path).header("Content-Length"))
            self.assertEqual(self.request("POST", path, "x").status, 405, path)

    def test_paths(self) -> None:
        """No file is reached but those, and a long one by no other way of writing its path."""
        self.assertEqual(self.request("GET", PAGE + "/").status, 200)
        for path in (
            BUNDLE + "/", BUNDLE.replace("swagger", "%73wagger"), BUNDLE.replace("/docs", "//docs"),
            PAGE + "/LICENSE",
            PAGE + "/..", PAGE + "/%2e%2e/core.py", PAGE + "/swagger-ui.js", "/docs", "/openapi.json",
        ):  # fmt: skip
            self.assertEqual(self.request("GET", path).status, 404, path)

    def test_behind_one_another(self) -> None:
        """Answers of all lengths come in the order of the requests, also behind a long one."""
        requests = [f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode() for path in (JSON, BUNDLE, PAGE, BUNDLE, SCRIPT)]
        found = self.exchange(b"".join(requests) + SEND).value()
        tags = re.findall(rb'ETag: ("\w+")', found)
        alone = [
            str(self.request("GET", path).header("ETag")).encode() for path in (JSON, BUNDLE, PAGE, BUNDLE, SCRIPT)
        ]
        self.assertEqual((tags, found.count(b"HTTP/1.1 200")), (alone, 6))

    def test_not_installed(self) -> None:
        """Without the package of the page its files are missing, and that is said; the description is there."""
        self.patch(docs, "_PACKAGE", "no_such_package")
        self.assertIn("swagger-ui-py", self.request("GET", STYLE).error["message"])
        self.assertEqual(self.request("GET", JSON).status, 200)


class OffCase(SynchronousTestCase):
    def test_off(self) -> None:
        """They can be switched off: then there is nothing."""
        paths = [{one.path for one in make_api(settings=UsualSettings(docs=docs)).routes} for docs in (True, False)]
        self.assertEqual({BASE + path for path in paths[0] - paths[1]}, {*ALL})


@both_ways
class GuardedDocsCase(KeysCase):
    """With keys and networks."""

    networks = ("192.168.0.0/16",)
    trusted_proxies = ("192.168.1.0/24",)

    def test_no_key(self) -> None:
        """None is needed, a wrong one does no harm, and none is hashed for it."""
        for path in ALL:
            for key in ("", "smsc_send_wrong", "smsc_read_right"):
                self.assertEqual(self.with_key(key, "GET", path).status, 200, (path, key))
        self.assertEqual(self.threads.count, 0)

    def test_elsewhere(self) -> None:
        """Who may not come at all does not see it either."""
        for path in ALL:
            self.assertEqual(self.request("GET", path, X_Forwarded_For="203.0.113.1").status, 403, path)

    def test_other_pages(self) -> None:
        """A link on another page leads here."""
        for path in ALL:
            self.assertEqual(self.request("GET", path, Sec_Fetch_Site="cross-site").status, 200, path)
        self.assertEqual(self.request("GET", f"{BASE}/messages", Sec_Fetch_Site="cross-site").status, 403)

    def test_tells_nothing(self) -> None:
        """It is the same for a door with other keys, networks and channels, or none."""
        other = DocsCase("test_page")
        other.setUp()
        self.addCleanup(other.doCleanups)
        for path in ALL:
            self.assertEqual(self.request("GET", path).body, other.request("GET", path).body, path)


@both_ways
class SlowReaderCase(AbuseCase):
    def begin(self) -> tuple[Any, Transport]:
        protocol, transport = self.connect()
        protocol.dataReceived(f"GET {BUNDLE} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        self.settle()
        return protocol, transport

    def test_reads(self) -> None:
        """What it has not read is not in memory, but for some pieces; it gets all of it as it reads."""
        wanted = self.request("GET", BUNDLE).body
        _, transport = self.begin()
        found = b""
        while not transport.disconnecting and len(found) < len(wanted):
            more = transport.read()
            self.assertLessEqual(len(more), Transport.BUFFER + 2 * PIECE)
            found += more
            self.clock.advance(5.0)
            self.settle()
        self.assertTrue(found.endswith(wanted[-100:]))
        self.assertEqual(Answer(found).body, wanted)
        self.assertEqual(self.failures_said, [])

    def test_never_reads(self) -> None:
        """It is cut off when it has read nothing for request_timeout."""
        _, transport = self.begin()
        self.clock.pump([1.0] * 28)
        self.assertFalse(transport.aborted)
        self.clock.pump([1.0] * 4)
        self.assertTrue(transport.aborted)
        self.assertLess(len(transport.value()), Transport.BUFFER + 2 * PIECE)
