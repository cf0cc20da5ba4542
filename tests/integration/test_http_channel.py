"""A channel of the type ``http`` and a fake provider, over HTTP and HTTPS on loopback: what every kind of answer means
to a text.

The octets that the provider is given are in ``test_http_octets``; sessions, tokens, certificates, proxies and limits in
``test_http_access``.
"""

import gzip
import json
import re
import time
from collections.abc import Mapping
from email.utils import formatdate
from typing import Any, NamedTuple

import yaml
from twisted.internet.task import deferLater

from smsconnector.channels.provider.results import Kind
from smsconnector.lifecycle import CODE_ACCEPTED
from smsconnector.messages import Verdict
from tests.integration.fake_provider import FakeProvider, Reply, Request
from tests.integration.provider_bench import (
    HTML,
    KEY,
    NUMBER,
    TAKEN,
    TEXT,
    THROTTLED,
    HTTPCase,
    SecureCase,
    ok,
    reactor,
    says,
)
from tests.integration.stack import until
from tests.recorded_log import RecordedLog
from tests.unit.channels.http.examples import ENVIRONMENT, EXAMPLES, NASTY
from tests.unit.channels.http.test_examples import FOLDER

XML: dict[str, Any] = {
    "accepted": [{"status": 200}, {"xml": "//result", "equals": "OK"}],
    "id": {"xml": "//message/@id"},
    "code": {"xml": "//error/code"},
    "failures": [{"when": {"xml": "//error/code", "in": [3, 4]}, "then": "permanent"}],
}
WORDS: dict[str, Any] = {
    "accepted": {"pattern": r"\A1701\|"},
    "id": {"pattern": r"1701\|\d+[:|]([^,|\s]+)"},
    "code": {"pattern": r"\A(\d{4})\b"},
    "failures": [{"when": {"contains": "1710"}, "then": "temporary"}],
}
SOAP = '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>%s</s:Body></s:Envelope>'
DTD = b'<!DOCTYPE r [<!ENTITY a "OK">]><r><result>&a;</result></r>'


class Case(NamedTuple):
    """``ident``: the provider's id that is kept. ``section``: what is different in the channel's section."""

    reply: Reply
    wanted: Verdict | str
    code: int | str | None = None
    state: str = "up"
    ident: str | None = None
    section: Mapping[str, Any] = {}


def fails(code: Any, status: int = 200, *headers: tuple[str, str], **more: Any) -> Reply:
    return says(status, {"error": {"code": code, "text": f"no, +{NUMBER}: {TEXT} {KEY}", **more}}, *headers)


def typed(kind: str, body: bytes | str, status: int = 200) -> Reply:
    return Reply(status, body if isinstance(body, bytes) else body.encode(), (("Content-Type", kind),))


ACCEPTED, REFUSED, RETRY, UNKNOWN, DONE = (
    Verdict.ACCEPTED, Verdict.REFUSED, Verdict.RETRY, Verdict.UNKNOWN, Verdict.DONE,
)  # fmt: skip
TAKEN_CASES = (
    Case(TAKEN, ACCEPTED, ident="m-1"),
    Case(says(201, ok(id="m-1"), delay=0.2), ACCEPTED, ident="m-1"),
    Case(says(202, ok(id="m-1"), ("Connection", "close"), is_last=True), ACCEPTED, ident="m-1"),
    Case(Reply(raw=b'HTTP/1.0 200 OK\r\n\r\n{"status": "ok", "id": "m-1"}', is_last=True), ACCEPTED, ident="m-1"),
    Case(
        Reply(
            raw=b'HTTP/1.1 202 X\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{"st\r\nd;a=b\r\natus": "ok"}\n\r\n'
            b"0\r\nX: y\r\n\r\n"
        ),
        ACCEPTED,
        section={"id": "none"},
    ),
    Case(Reply(raw=b"HTTP/1.1 100 Continue\r\n\r\n" + TAKEN.octets()), ACCEPTED, ident="m-1"),
    Case(says(200, ok(id="x"), is_slow=True), ACCEPTED, ident="x", section={"reply_timeout": 10}),
    # ids
    Case(says(200, ok(id=5452899970)), ACCEPTED, ident="5452899970"),
    Case(says(200, b'{"status": "ok", "id": 12345678901234567890123}'), ACCEPTED, ident="12345678901234567890123"),
    Case(says(200, ok(ids=[{"id": "p-1"}, {"id": "p-2"}])), ACCEPTED, ident="p-1"),
    Case(says(200, ok(ids=[{"id": None}, {"id": "p-2"}])), ACCEPTED, ident="p-2"),
    Case(says(200, ok(ids=[], id="m-1")), ACCEPTED, ident="m-1"),
    Case(says(200, ok(), ("X-ID", "h-1")), ACCEPTED, ident="h-1"),
    Case(says(201, ok(), ("Location", "/v1/messages/abc9")), ACCEPTED, ident="abc9"),
    Case(says(200, ok(id="null")), UNKNOWN),  # an id is configured, and there is none
    Case(says(200, ok(id=None)), UNKNOWN),
    Case(says(200, ok()), DONE, CODE_ACCEPTED, section={"id": "none", "receipts": False}),
    Case(says(200, ok()), ACCEPTED, section={"id": "own"}),
    Case(says(200, ok()), ACCEPTED, ident="sm", section={"id": {"own": "{{sid|lower|first:2}}"}}),
    Case(Reply(204), DONE, CODE_ACCEPTED, section={"accepted": {"status": 204}, "id": "none", "receipts": False}),
    # alphabets
    Case(typed("application/json; charset=utf-16", json.dumps(ok(id="m")).encode("utf-16")), ACCEPTED, ident="m"),
    Case(typed("application/json", b"\xef\xbb\xbf" + json.dumps(ok(id="m-1")).encode()), ACCEPTED, ident="m-1"),
    Case(typed("text/html; charset=no-such", json.dumps(ok(id="m-1"))), ACCEPTED, ident="m-1"),
    Case(typed("application/json; charset=utf-8", b'{"status": "ok", "id": "\xe9"}'), ACCEPTED, ident="\u00e9"),
    Case(
        typed("application/json; charset=utf-8", b'{"status": "ok", "id": "\xd4"}'),
        ACCEPTED,
        ident="\u0434",
        section={"answer_charset": "iso-8859-5", "id": {"json": "id"}},
    ),
    # XML, and plain words
    Case(typed("text/xml", "<r><result>OK</result><message id='7'/></r>"), ACCEPTED, ident="7", section=XML),
    Case(
        typed("text/xml; charset=utf-8", SOAP % "<x:result xmlns:x='u'>OK</x:result><m:message xmlns:m='v' id='8'/>"),
        ACCEPTED,
        ident="8",
        section=XML,
    ),
    Case(typed("text/plain", f"1701|{NUMBER}:ab-1,1701|{NUMBER}:ab-2\n"), ACCEPTED, ident="ab-1", section=WORDS),
)  # fmt: skip
REFUSED_CASES = (
    Case(fails(17), THROTTLED, state="stopped"),
    Case(fails("18", 403), THROTTLED, state="stopped"),
    Case(fails(21), REFUSED, 21),
    Case(fails(21, 500), REFUSED, 21),  # a rule wins over the status
    Case(fails(22), REFUSED, "LANDLINE"),
    Case(fails(40), RETRY, 40),
    Case(fails(40, 503), RETRY, 40),
    Case(fails(50, 400), UNKNOWN),
    Case(fails(30), THROTTLED, state="throttled"),
    Case(fails(30, 400, wait="NaN"), THROTTLED, state="throttled"),
    Case(fails("no-such-code", 422), REFUSED, "no-such-code"),
    Case(fails({"a": 1}, 400), REFUSED, 400),
    Case(fails("x" * 500, 400), REFUSED, 400),
    Case(typed("text/html", HTML, 400), REFUSED, 400),
    Case(says(409, {}), REFUSED, 409),
    Case(says(413, b""), REFUSED, 413),
    *(Case(typed("text/html", HTML, status), THROTTLED, state="stopped") for status in (401, 402, 403, 404, 405, 407)),
    *(Case(says(status, {}), THROTTLED, state="stopped") for status in (410, 415)),
    *(Case(typed("text/html", HTML, status), RETRY, status) for status in (408, 425, 511)),
    *(
        Case(says(status, ok(id="m-1"), ("Location", "http://provider/elsewhere")), THROTTLED, state="stopped")
        for status in (301, 302, 303, 307, 308)
    ),
    Case(says(304, b""), THROTTLED, state="stopped"),
    Case(says(429, {}), THROTTLED, state="throttled"),
    Case(says(429, HTML, ("Retry-After", "30")), THROTTLED, state="throttled"),
    Case(says(429, {}, ("Retry-After", "Fri, 31 Dec 2099 23:59:59 GMT")), THROTTLED, state="throttled"),
    Case(says(429, {}, ("Retry-After", "soon")), THROTTLED, state="throttled"),
    Case(typed("text/xml", "<r><error><code>3</code></error></r>"), REFUSED, "3", section=XML),
    Case(typed("text/plain", "1710"), RETRY, "1710", section=WORDS),
    Case(typed("text/plain", f"1706|{NUMBER}", 400), REFUSED, "1706", section=WORDS),
)
CUT = len(TAKEN.octets())
UNKNOWN_CASES = (
    *(Case(says(status, HTML), UNKNOWN) for status in (500, 502, 503, 504, 520)),
    Case(says(503, b"", ("Retry-After", "5")), UNKNOWN),
    Case(says(200, HTML, ("Content-Type", "text/html")), UNKNOWN),
    Case(says(200, b""), UNKNOWN),
    Case(says(200, b"ok"), UNKNOWN),
    Case(says(200, [ok()]), UNKNOWN),
    Case(says(200, b'{"status": "ok", "id": "m-1"'), UNKNOWN),
    Case(says(200, b'{"status": "ok"' + b',"a":[' * 100_000), UNKNOWN),
    Case(says(200, ok() | {"deep": json.loads("[" * 70 + "]" * 70)}), UNKNOWN),
    Case(says(200, {"status": ["ok"]}), UNKNOWN),
    Case(says(200, {"status": "OK"}), UNKNOWN),
    Case(says(200, gzip.compress(json.dumps(ok()).encode()), ("Content-Encoding", "gzip")), UNKNOWN),
    Case(says(204, b""), UNKNOWN),
    Case(typed("text/xml", DTD), UNKNOWN, section=XML),
    Case(typed("text/xml", "<r><result>OK</result>"), UNKNOWN, section=XML),
    Case(typed("text/xml", HTML), UNKNOWN, section=XML),
    Case(typed("text/plain", f"{NUMBER} 1701|"), UNKNOWN, section=WORDS),
    Case(says(200, ok(more="x" * 5_000)), UNKNOWN, section={"maximum_reply": 1_024}),
    Case(Reply(raw=b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 50_000), UNKNOWN, section={"maximum_reply": 1_024}),
    Case(Reply(raw=b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 20_000), UNKNOWN),
    Case(Reply(raw=b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), UNKNOWN),
    Case(Reply(raw=b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"), UNKNOWN),
    Case(Reply(raw=b"HTTP/1.1 100 Continue\r\n\r\n" * 40_000), UNKNOWN, section={"maximum_reply": 1_024}),
    Case(Reply(raw=b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"), UNKNOWN),
    Case(says(999, ok(id="m-1")), UNKNOWN),
    Case(Reply(is_silent=True), UNKNOWN),
    Case(says(202, ok(id="m-1"), is_slow=True), UNKNOWN),
    *(Case(says(202, ok(id="m-1"), cut=cut), UNKNOWN) for cut in (0, 1, 20, CUT - 1)),
    Case(Reply(raw=TAKEN.octets()[:-1], is_last=True), UNKNOWN),
    Case(Reply(raw=b"HTTP/1.1 202 X\r\nTransfer-Encoding: chunked\r\n\r\nf\r\n{", is_last=True), UNKNOWN),
)


class AnswersTest(HTTPCase):
    async def look_at(self, case: Case) -> None:
        provider = self.provider(case.reply)
        bench = self.bench(provider, **case.section)
        found = await bench.end()
        self.assertEqual(found, (case.wanted, case.code, case.state), case)
        self.assertEqual(len(provider.requests), 1, case)
        (request,) = provider.requests
        self.assertEqual((request.method, request.path), ("POST", "/send"))
        self.assertEqual(json.loads(request.body)["text"], TEXT)
        if case.section.get("id") == "own":
            sid = json.loads(request.body)["callback"].rpartition("/")[2]
            self.assertEqual(bench.told[0].smsc_id, sid)
        elif case.wanted in (ACCEPTED, DONE):
            self.assertEqual(bench.told[0].smsc_id, case.ident, case)
        await bench.stop()

    async def look_at_all(self, cases: tuple[Case, ...]) -> None:
        log = RecordedLog(self)
        for case in cases:
            await self.look_at(case)
        for secret in (KEY, NUMBER, TEXT):
            self.assertNotIn(secret, "\n".join(log.lines))

    async def test_taken(self) -> None:
        """Every way to say yes, and where the id stands. An id that is none is none."""
        await self.look_at_all(TAKEN_CASES)

    async def test_not_taken(self) -> None:
        """Every class of failure, by rules and by the status. No secret, number or text gets into the log."""
        await self.look_at_all(REFUSED_CASES)

    async def test_not_known(self) -> None:
        """The request was read, and the answer says nothing that could be relied on: it is never a success, and never
        tried again without the policy."""
        await self.look_at_all(UNKNOWN_CASES)

    async def test_answer_as_long_as_it_may_be(self) -> None:
        """The cap is of the body, and an answer that has just so many octets is whole."""
        body = json.dumps(ok(id="m-1")).ljust(1_024).encode()
        for reply, wanted in ((says(200, body), ACCEPTED), (says(200, body + b" "), UNKNOWN)):
            await self.look_at(Case(reply, wanted, ident="m-1", section={"maximum_reply": 1_024}))

    async def test_pauses(self) -> None:
        """Retry-After in seconds and as a date, and a wait in the body: the same text is sent again when it is over,
        and not before. No attempt is counted."""
        for refusal, at_least, at_most in (
            (lambda _: says(429, {}, ("Retry-After", "1")), 0.95, 6.0),
            (lambda _: says(429, {}, ("Retry-After", formatdate(time.time() + 2, usegmt=True))), 0.9, 8.0),
            (lambda _: fails(30, 200, wait="400"), 0.38, 6.0),
            (lambda _: fails(30, 429, ("Retry-After", "60"), wait=300), 0.28, 6.0),
        ):
            times: list[float] = []

            def first(request: Request, refusal: Any = refusal, times: list[float] = times) -> Reply:
                times.append(time.monotonic())
                told: Reply = refusal(request)
                return told

            def second(_: Request, times: list[float] = times) -> Reply:
                times.append(time.monotonic())
                return TAKEN

            bench = self.bench(self.provider(first, second), is_patient=True)
            bench.send()
            await until(lambda told=bench.told: told, 10)  # type: ignore[misc]
            self.assertEqual((bench.told[0].verdict, len(bench.back), len(times)), (ACCEPTED, 1, 2))
            self.assertGreaterEqual(times[1] - times[0], at_least)
            self.assertLessEqual(times[1] - times[0], at_most)

    async def test_connections(self) -> None:
        """One is kept for the next text. One that the provider closes behind its answer, with a word or without, is
        followed by a new one, and no text is lost to it."""
        told, untold = says(202, ok(id="a"), ("Connection", "close"), is_last=True), says(202, ok(id="b"), is_last=True)
        provider = self.provider(TAKEN, told, untold, TAKEN, TAKEN)
        bench = self.bench(provider)
        for _ in range(5):
            self.assertEqual(await bench.end(), (ACCEPTED, None, "up"))
            await deferLater(reactor, 0.05)
        self.assertEqual([one.connection for one in provider.requests], [0, 0, 1, 2, 2])

    async def test_an_answer_that_nobody_asked_for(self) -> None:
        """Behind an answer comes another one, at once or later, before the next text is sent: it is no answer to that
        text, which would else count as taken."""
        for delay in (0.0, 0.1):
            if delay:
                first = Reply(raw=TAKEN.octets(), then=TAKEN.octets(), pause=delay)
            else:
                first = Reply(raw=TAKEN.octets() * 2)
            provider = self.provider(first, fails(21))
            bench = self.bench(provider)
            self.assertEqual(await bench.end(), (ACCEPTED, None, "up"))
            await deferLater(reactor, 0.3)
            self.assertEqual(await bench.end(), (REFUSED, 21, "up"), delay)

    async def test_account_is_tried_again_by_one(self) -> None:
        """A stopped channel sends one text after the pause, and the others when that was taken."""
        rules = [{"when": {"json": "error.code", "equals": 17}, "then": "account", "retry_in": 0.4}]
        provider = self.provider(fails(17), says(200, ok(id="m-1"), delay=0.2), TAKEN)
        bench = self.bench(provider, is_patient=True, failures=rules)
        bench.send()
        await until(lambda: bench.back, 10)
        for number in range(2, 5):
            bench.send(id=number)
        await until(lambda: len(provider.requests) == 2, 10)
        self.assertEqual(bench.channel.parts()[0].state, "stopped")
        await until(lambda: len(bench.told) == 4, 10)
        self.assertEqual({one.verdict for one in bench.told}, {ACCEPTED})
        self.assertEqual(bench.channel.parts()[0].state, "up")


class SecureAnswersTest(SecureCase, AnswersTest): ...


class ExamplesTest(HTTPCase):
    """The examples of conf/providers, whose servers are on this machine for once."""

    def example(self, name: str, provider: FakeProvider) -> dict[str, Any]:
        """Its section."""
        text = (FOLDER / f"{name}.yaml").read_text("utf-8")
        text = re.sub(r"\$\{(\w+)\}", lambda found: ENVIRONMENT.get(found[1], f"<{found[1]}>"), text)
        section: dict[str, Any] = yaml.safe_load(text)["channels"][name]
        login = section.get("authentication", {}).get("login", {})
        for request in [section["request"], *([login["request"]] if login else [])]:
            request["url"] = re.sub("^https?://[^/]+", provider.url, request["url"])
        return section

    async def look_at(self, name: str, reply: Reply) -> tuple[Any, Any]:
        """What it makes of that answer: the verdict, and the id."""

        def answer(request: Request) -> Reply:
            if "auth.jsp" in request.path:
                return Reply(200, b"<r><response>OK</response><data>session-1</data></r>")
            return reply

        provider = self.provider(answer)
        bench = self.bench(provider, **self.example(name, provider))
        verdict, _, _ = await bench.end(text=NASTY)
        await bench.stop()
        return verdict, bench.told[0].smsc_id if bench.told else None

    async def test_login_page(self) -> None:
        """200 and a page of HTML, as a captive portal or a proxy answers: no provider's example takes it for a success,
        and nobody can say whether the text was sent."""
        for name in EXAMPLES:
            for page in (HTML, b"<!DOCTYPE html>\n" + HTML, b"<html><p>OK Success 0: 1701 accepted</p></html>"):
                found = await self.look_at(name, typed("text/html", page))
                self.assertEqual(found, (UNKNOWN, None), (name, page))

    async def test_answers(self) -> None:
        """The answers that their tables have, on the wire."""
        verdicts = {
            Kind.TAKEN: (ACCEPTED, DONE), Kind.PERMANENT: (REFUSED,), Kind.TEMPORARY: (RETRY,),
            Kind.UNKNOWN: (UNKNOWN,),
        }  # fmt: skip
        count = 0
        for name, example in EXAMPLES.items():
            for answered in example.answered:
                verdict, ident = await self.look_at(name, Reply(answered.status, answered.octets))
                self.assertIn(verdict, verdicts.get(answered.kind, (THROTTLED,)), f"{name}: {answered}")
                if answered.ids and name not in ("kannel", "infobip"):  # these give our own back
                    self.assertEqual(ident, answered.ids[0], name)
                count += 1
        self.assertGreater(count, 75)


class SecureExamplesTest(SecureCase, ExamplesTest): ...
