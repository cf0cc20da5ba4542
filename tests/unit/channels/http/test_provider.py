"""An ``http`` channel's provider: log-ins and tokens, pauses that a provider asks for, and what may be shown."""

import hashlib
import hmac
import json
from dataclasses import replace
from email.utils import formatdate
from random import Random
from types import SimpleNamespace
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.channels import Surroundings
from smsconnector.channels.http.cutting import cut
from smsconnector.channels.http.making import provider_of
from smsconnector.channels.http.provider import Surface, TemplateProvider, make_provider
from smsconnector.channels.http.session import EARLY_S, PAUSE
from smsconnector.channels.http.settings import HTTPChannelSection
from smsconnector.channels.provider.results import Kind, Result
from smsconnector.errors import NotSent, TextError, Unanswered
from smsconnector.lifecycle import CODE_UNSENDABLE
from smsconnector.messages import LONGEST_WAIT
from smsconnector.net.http_client import HTTPCall, HTTPReply
from smsconnector.wall_clock import WallClock
from tests.unit.rest.cases import NOW_MS, segment

OAUTH2 = {
    "token_url": "https://login.example/token",
    "client_id": "me",
    "client_secret": "{{secret.key}}",
    "scope": "sms",
}

TOLD = {"id": "id", "status": "status", "statuses": {"d": "delivered"}}


class Bench:
    """A provider of a section, whose log-ins wait to be answered by the test."""

    def __init__(self, **section: Any) -> None:
        self.clock = Clock()
        self.asked: list[tuple[HTTPCall, Deferred[HTTPReply]]] = []
        data = {
            "type": "http",
            "secrets": {"key": "S3CRET"},
            "request": {"url": "https://api.example/send", "form": {"to": "{{to}}", "text": "{{text}}"}},
        } | section
        checked = HTTPChannelSection.model_validate(data)
        surface = Surface("out", "https://sms.example.org/msg-client/out")
        self.provider: TemplateProvider = make_provider(checked, surface, self._ask, lambda: NOW_MS, self.clock.seconds)

    def _ask(self, call: HTTPCall) -> "Deferred[HTTPReply]":
        self.asked.append((call, Deferred()))
        return self.asked[-1][1]

    def log_in(self, status: int = 200, **body: Any) -> None:
        """Answer the last log-in."""
        self.asked[-1][1].callback(HTTPReply(status, {}, json.dumps(body).encode()))

    def call(self, **changes: Any) -> Any:
        return self.provider.call(segment(**changes), NOW_MS)

    def read(self, status: int, body: Any = b"", **headers: str) -> Result:
        octets = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.provider.read(segment(), HTTPReply(status, headers, octets))


def authorization(call: Any) -> str:
    return str(dict(call.headers)["Authorization"])


class TokenCase(SynchronousTestCase):
    def bench(self, **more: Any) -> Bench:
        return Bench(authentication={"oauth2": OAUTH2 | more})

    def test_one_token_for_all(self) -> None:
        """The first request fetches it, the others wait for the same, and it is kept until it ends."""
        bench = self.bench()
        waiting = [bench.call(), bench.call(id=8)]
        self.assertEqual(len(bench.asked), 1)
        call = bench.asked[0][0]
        self.assertEqual((call.method, call.url), ("POST", "https://login.example/token"))
        self.assertEqual(call.body, b"grant_type=client_credentials&scope=sms")
        self.assertEqual(authorization(call), "Basic bWU6UzNDUkVU")  # me:S3CRET
        bench.log_in(access_token="t1", expires_in="3600")  # a text, as at MTN and Hormuud
        for one in waiting:
            self.assertEqual(authorization(self.successResultOf(one)), "Bearer t1")
        bench.clock.advance(3600 - EARLY_S - 1)
        self.assertEqual(authorization(bench.call()), "Bearer t1")
        bench.clock.advance(2)
        late = bench.call()
        bench.log_in(access_token="t2", expires_in=3600)
        self.assertEqual(authorization(self.successResultOf(late)), "Bearer t2")
        self.assertEqual(len(bench.asked), 2)

    def test_refused_token(self) -> None:
        """401 ends the token with which the request was made, once; a late 401 of the old one leaves the new one."""
        bench = self.bench()
        first, second = bench.call(id=7), bench.call(id=8)
        bench.log_in(access_token="t1", expires_in=3600)
        self.successResultOf(first), self.successResultOf(second)
        self.assertEqual(bench.read(401).kind, Kind.LOG_IN_AGAIN)
        again = bench.call(id=7)
        bench.log_in(access_token="t2")
        self.assertEqual(authorization(self.successResultOf(again)), "Bearer t2")
        late = bench.provider.read(segment(id=8), HTTPReply(401, {}, b""))
        self.assertEqual(late.kind, Kind.LOG_IN_AGAIN)
        self.assertEqual(authorization(bench.call(id=8)), "Bearer t2")
        self.assertEqual(len(bench.asked), 2)

    def test_password_grant(self) -> None:
        """With the client's own credentials in the form."""
        bench = self.bench(grant="password", username="u", password="{{secret.key}}", credentials="form")
        bench.call()
        self.assertEqual(
            bench.asked[0][0].body,
            b"grant_type=password&client_id=me&client_secret=S3CRET&username=u&password=S3CRET&scope=sms",
        )
        self.assertNotIn("Authorization", dict(bench.asked[0][0].headers))

    def test_log_ins_that_fail(self) -> None:
        """A wrong password stops the channel, an overload slows it down, and what was never sent is told as that. The
        next try comes after a pause, whoever asks."""
        cases: list[tuple[Any, Kind]] = [
            (HTTPReply(401, {}, b"no"), Kind.ACCOUNT),
            (HTTPReply(400, {}, b'{"error": "invalid_client"}'), Kind.ACCOUNT),
            (HTTPReply(200, {}, b"<html>portal</html>"), Kind.ACCOUNT),
            (HTTPReply(200, {}, b'{"access_token": "null"}'), Kind.ACCOUNT),
            (HTTPReply(429, {}, b""), Kind.THROTTLED),
            (HTTPReply(503, {}, b""), Kind.DOWN),
            (NotSent("refused"), Kind.DOWN),
            (Unanswered("cut"), Kind.DOWN),  # of the text nothing was sent
            (ValueError("a fault of ours"), Kind.ACCOUNT),
        ]
        for answer, wanted in cases:
            bench = self.bench()
            waiting = [bench.call(), bench.call(id=8)]
            if isinstance(answer, HTTPReply):
                bench.asked[0][1].callback(answer)
            else:
                bench.asked[0][1].errback(answer)
            for one in (*waiting, bench.call(id=9)):
                result = self.successResultOf(one)
                self.assertEqual(result.kind, wanted, str(answer))
                self.assertEqual(result.retry_in, PAUSE if wanted is Kind.DOWN else None)
            self.assertEqual(len(bench.asked), 1, str(answer))
            bench.clock.advance(PAUSE)
            good = bench.call()
            bench.log_in(access_token="t")
            self.assertEqual(authorization(self.successResultOf(good)), "Bearer t")
        self.flushLoggedErrors(ValueError)

    def test_log_in_that_cannot_be_made(self) -> None:
        """A secret that can't stand in its place: the channel stops with a reason that names no secret, and whoever
        comes is told (was: all texts waited for ever, and the channel was "up")."""
        login = {"request": {"url": "https://h/in", "headers": {"X": "{{secret.key}}"}}, "session": {"json": "s"}}
        request = {"url": "https://h/?s={{session}}"}
        bench = Bench(secrets={"key": "pässword"}, authentication={"login": login}, request=request)
        for _ in range(3):
            result = self.successResultOf(bench.call())
            self.assertEqual(result.kind, Kind.ACCOUNT)
            self.assertIn("A header holds ASCII", result.reason)
            self.assertNotIn("pässword", result.reason)
            bench.clock.advance(PAUSE)
        self.assertEqual(bench.asked, [])

    def test_words_of_a_refusal(self) -> None:
        """Why a log-in was refused is told in the provider's words, without what they quote, in the alphabet of its
        answers: else the operator has an HTTP status of 200 and nothing more."""
        login = {
            "request": {"url": "https://api.example/in", "query": {"p": "{{secret.key}}"}},
            "accepted": {"json": "session"},
            "session": {"json": "session"},
        }
        bench = Bench(
            authentication={"login": login},
            request={"url": "https://api.example/send?s={{session}}"},
            reason={"json": "why"},
            code={"json": "code"},
            answer_charset="utf-16-le",
        )
        one = bench.call()
        words = json.dumps({"code": 7, "why": "p\u00e4ssword S3CRET is old, +447911123456"}, ensure_ascii=False)
        bench.asked[0][1].callback(HTTPReply(200, {}, words.encode("utf-16-le")))
        result = self.successResultOf(one)
        self.assertEqual((result.kind, result.code), (Kind.ACCOUNT, 7))
        self.assertEqual(result.reason, "the log-in was refused with HTTP status 200: p\u00e4ssword *** is old, ***")

    def test_code_of_a_refusal_that_is_none(self) -> None:
        """Then it is the HTTP status, as with a text."""
        bench = self.bench()
        one = bench.call()
        bench.log_in(400, error="no such client: 447911123456")
        self.assertEqual(self.successResultOf(one).code, 400)

    def test_words_of_oauth2(self) -> None:
        """RFC 6749 section 5.2: error and error_description."""
        bench = self.bench()
        one = bench.call()
        bench.log_in(400, error="invalid_client", error_description="no S3CRET here")
        result = self.successResultOf(one)
        self.assertEqual((result.kind, result.code), (Kind.ACCOUNT, "invalid_client"))
        self.assertEqual(result.reason, "the log-in was refused with HTTP status 400: no *** here")

    def test_session_of_a_login(self) -> None:
        """By a pattern in the body; without a lifetime it is kept until it is refused."""
        bench = Bench(
            authentication={
                "login": {
                    "request": {"url": "https://api.example/in", "query": {"p": "{{secret.key}}"}},
                    "session": {"pattern": r"session=(\w+)"},
                }
            },
            request={"url": "https://api.example/send?s={{session}}", "query": {"to": "{{to}}"}},
            failures=[{"when": {"contains": "ERR 9"}, "then": "log_in_again"}],
            accepted={"contains": "OK"},
        )
        one = bench.call()
        self.assertEqual(bench.asked[0][0].url, "https://api.example/in?p=S3CRET")
        bench.asked[0][1].callback(HTTPReply(200, {}, b"session=abc;"))
        self.assertEqual(self.successResultOf(one).url, "https://api.example/send?s=abc&to=923001234567")
        bench.clock.advance(1e6)
        self.assertIsInstance(bench.call(), HTTPCall)
        self.assertEqual(bench.read(200, b"ERR 9").kind, Kind.LOG_IN_AGAIN)
        self.assertIsInstance(bench.call(), Deferred)


class ReadingCase(SynchronousTestCase):
    def test_retry_after(self) -> None:
        """Seconds, or a date; a rule's own wait wins; where nothing was refused it means nothing."""
        bench = Bench(
            failures=[{"when": {"json": "wait"}, "then": "throttled", "retry_in": {"json": "wait", "unit": "min"}}]
        )
        self.assertEqual(bench.read(429, **{"retry-after": "7"}).retry_in, 7.0)
        self.assertEqual(bench.read(429, **{"retry-after": "Tue, 14 Nov 2023 22:13:50 GMT"}).retry_in, 30.0)
        self.assertEqual(bench.read(429, {"wait": 2}, **{"retry-after": "7"}).retry_in, 120.0)
        self.assertIsNone(bench.read(500, **{"retry-after": "7"}).retry_in)
        for none in ("NaN", "-1", "", "soon", {"a": 1}):
            self.assertIsNone(bench.read(429, {"wait": none}).retry_in, str(none))

    def test_longest_wait(self) -> None:
        """Years in Retry-After, or in the answer, are an hour, also for a trouble of the account (measured: a CDN's
        403 with 999999999 stopped a channel for 31 years). What the file says is kept."""
        asked = {"when": {"json": "wait"}, "then": "account", "retry_in": {"json": "wait", "unit": "h"}}
        fixed = {"when": {"json": "fixed"}, "then": "account", "retry_in": 14400}
        bench = Bench(failures=[asked, fixed])
        for status in (403, 404, 429):
            for far in ("999999999", "Fri, 31 Dec 9999 23:59:59 GMT"):
                self.assertEqual(bench.read(status, **{"retry-after": far}).retry_in, LONGEST_WAIT)
        self.assertEqual(bench.read(403, {"wait": 9999}).retry_in, LONGEST_WAIT)
        self.assertEqual(bench.read(403, {"fixed": 1}).retry_in, 14400)

    def test_daily_cap(self) -> None:
        """429 with a code that means tomorrow (twilio-php 661): a long pause of the channel, and no attempt counted."""
        bench = Bench(
            failures=[
                {"when": [{"status": 429}, {"json": "code", "equals": 63038}], "then": "account", "retry_in": 14400}
            ],
            code={"json": "code"},
        )
        self.assertEqual(bench.read(429, {"code": 63038})[:3], (Kind.ACCOUNT, (), 63038))
        self.assertEqual(bench.read(429, {"code": 63038}).retry_in, 14400.0)
        self.assertEqual(bench.read(429, {"code": 20429}).kind, Kind.THROTTLED)

    def test_lost_answers_are_not_sent_again_for_nothing(self) -> None:
        """503 after a text was handed over: the outcome is unknown, and the channel's policy decides (reports on
        gateways that send twice)."""
        self.assertEqual(Bench().read(503).kind, Kind.UNKNOWN)

    def test_no_id_where_one_is_configured(self) -> None:
        """The log-in page of a proxy, or of a hotel, comes with 200: nobody knows whether the text was taken."""
        page = b"<html>Please log in</html>"
        places: list[Any] = [{"json": "id"}, [{"json": "a"}, {"header": "x-id"}], {"pattern": r"id=(\d+)"}]
        for place in places:
            bench = Bench(id=place)
            for body in (page, b"{}", b"", {"id": None}, {"id": "null"}):
                result = bench.read(200, body)
                self.assertEqual((result.kind, result.code), (Kind.UNKNOWN, None), f"{place} {body!r}")
        self.assertEqual(Bench(id={"json": "id"}).read(200, {"id": 7}).ids, ("7",))
        for own in ("own", "none"):
            self.assertEqual(Bench(id=own).read(200, page).kind, Kind.TAKEN)

    def test_code_that_no_number_holds(self) -> None:
        """Above 64 bits it can't be stored as a number: the report has its digits. What is longer is no code."""
        bench = Bench(code={"json": "code"})
        for code, wanted in ((2**63, str(2**63)), (-(2**63) - 1, str(-(2**63) - 1)), (10**99, 400)):
            self.assertEqual(bench.read(400, {"code": code}).code, wanted)
        self.assertEqual(bench.read(400, {"code": 2**63 - 1}).code, 2**63 - 1)

    def test_times_of_day(self) -> None:
        """The clock was an hour behind and was set right. What the provider reads, and what it writes, is the true
        time; what is left of a lifetime does not change."""
        bench = Bench(
            request={
                "url": "https://h/",
                "form": {
                    "n": "{{now}}",
                    "m": "{{now_ms}}",
                    "e": "{{expires}}",
                    "v": "{{validity}}",
                    "l": "{{lifetime}}",
                },
            }
        )
        steady = NOW_MS - 3_600_000
        one = replace(segment(is_limited=True), expires_at=steady + 60_000)
        call: Any = bench.provider.call(one, steady)
        self.assertEqual(call.body, b"n=1700000000&m=1700000000000&e=1700000060&v=60&l=60")

    def test_own_id(self) -> None:
        """Ours, as the request has it; of a long text that we cut, each part its own."""
        bench = Bench(id={"own": "{{sid|lower}}"})
        self.assertEqual(bench.read(200).ids, ("sm7",))
        bench = Bench(id="own")
        reply = HTTPReply(200, {}, b"")
        self.assertEqual(bench.provider.read(segment(count=2, number=2), reply).ids, ("SM7-2",))

    def test_receipts(self) -> None:
        """Without an id and without a callback there will be none, unless it is said."""
        plain: dict[str, Any] = {"url": "https://h/"}
        called = {"url": "https://h/", "form": {"u": "{{callback_url}}"}}
        cases: list[tuple[dict[str, Any], bool, bool]] = [
            ({"request": plain}, False, False),
            ({"request": plain, "receipts": True}, True, False),
            ({"request": plain, "id": {"json": "id"}}, False, False),  # an id is no word that reports will come
            ({"request": plain, "id": {"json": "id"}, "notification": TOLD}, True, False),
            ({"request": called}, True, True),
            ({"request": called, "receipts": False}, False, True),
        ]
        for section, gives, names_ours in cases:
            provider = Bench(**section).provider
            self.assertEqual((provider.gives_receipts, provider.names_our_sid), (gives, names_ours), str(section))

    def test_reasons_quote_nothing(self) -> None:
        """A provider quotes the number, the text and the key that it complains about: whole, in part, escaped for HTML,
        JSON or a URL. Then none of its words is shown, for nobody knows where the quote ends. A key is masked."""
        bench = Bench(reason={"json": "why"}, secrets={"key": "S3 CR&T/key"})
        sent = 'Dear Ali & Sons, your PIN is "ABCXYZ"\nجلد آئیں گے'
        for quote in (
            "+923001234567",
            "0300 123-45.67",
            "%2B923001234567",
            "(92) 300 1234567",
            sent,
            "Dear Ali &amp; Sons",
            "dear ali & so...",
            "Ali%20%26%20Sons%2C%20your",
            "Ali+%26+Sons%2C+your",
            r"PIN is \"ABCXYZ\"\n",
            "is &quot;ABCXYZ&#34;",
            r"\u062c\u0644\u062f \u0622\u0626\u06cc\u06ba \u06af\u06d2",
            "%D8%AC%D9%84%D8%AF%20%D8%A2%D8%A6%DB%8C%DA%BA%20%DA%AF%DB%92",
            "S3 CR&T/key",
            "S3%20CR%26T%2Fkey",
            "S3+CR%26T%2fkey",
            "S3 CR&amp;T/key",
            r"S3 CR&T\/key",
            "UzMgQ1ImVC9rZXk=",  # base64, as in HTTP Basic
        ):
            reply = HTTPReply(400, {}, json.dumps({"why": f"refused: {quote} is not allowed"}).encode())
            result = bench.provider.read(segment(text=sent, destination="923001234567"), reply)
            said = result.reason.removeprefix("HTTP status 400").replace("refused: *** is not allowed", "")
            self.assertEqual(said.strip(": "), "", quote)

    def test_reasons_in_its_own_words(self) -> None:
        """Words that quote nothing are shown, on one line, and not too many; short texts and their words too."""
        bench = Bench(reason={"json": "why"})
        reason = bench.read(400, {"why": "the sender is not\r\nallowed here " + "x" * 500}).reason
        self.assertTrue(reason.startswith("HTTP status 400: the sender is not"), reason)
        self.assertNotIn("\n", reason)
        self.assertLess(len(reason), 260)

    def test_codes(self) -> None:
        """A code is a short word. What is none, or quotes the number or the text, is not shown and not reported."""
        bench = Bench(code={"json": "code"})
        for code in ("E-17", "InvalidSenderId", "4.2.1_a", 21610, -1):
            self.assertEqual(bench.read(400, {"code": code}).code, code)
        hidden = (
            "Bad To 15551234567",
            "923001234567",
            923001234567,
            "x" * 33,
            "a b",
            "é",
            "To_923001234567",
            "3001234567",
        )
        for code in hidden:
            reply = HTTPReply(400, {}, json.dumps({"code": code}).encode())
            result = bench.provider.read(segment(text="Your code is ABCDEF", destination="923001234567"), reply)
            self.assertEqual(result.code, 400, code)
        reply = HTTPReply(400, {}, b'{"code": "code.is.ABCDEF"}')
        self.assertEqual(bench.provider.read(segment(text="Your code is ABCDEF"), reply).code, 400)

    def test_text_that_cannot_be_sent(self) -> None:
        """A character that the charset lacks is the end of this text, and of no other."""
        bench = Bench(request={"url": "https://h/", "charset": "latin-1", "form": {"t": "{{text}}"}})
        result = bench.call(text="€")
        self.assertEqual((result.kind, result.code), (Kind.PERMANENT, CODE_UNSENDABLE))
        self.assertIsInstance(bench.call(text="é"), HTTPCall)


LOOKUP: dict[str, Any] = {
    "request": {"url": "https://api.example/find", "query": {"ref": "{{sid}}", "key": "{{secret.key}}"}},
    "taken": {"json": "count", "equals": 1},
    "not_taken": [{"status": 200}, {"json": "count", "equals": 0}],
    "id": {"json": "messages.*.id"},
}
REQUEST = {"url": "https://api.example/send", "form": {"to": "{{to}}", "text": "{{text}}", "ref": "{{sid}}"}}


class LookupCase(SynchronousTestCase):
    def bench(self, **more: Any) -> Bench:
        return Bench(**{"request": REQUEST, "id": {"json": "id"}, "lookup": LOOKUP} | more)

    def asked(self, bench: Bench, **changes: Any) -> Any:
        return bench.provider.lookup(segment(**changes), NOW_MS)

    def found(self, bench: Bench, status: int, body: Any = b"", **headers: str) -> Result | None:
        octets = body if isinstance(body, bytes) else json.dumps(body).encode()
        return bench.provider.found(segment(), HTTPReply(status, headers, octets))

    def test_request(self) -> None:
        """By our own id of the text, and of a part that we cut; without a look-up there is none."""
        call = self.asked(self.bench())
        self.assertEqual((call.method, call.url), ("GET", "https://api.example/find?ref=SM7&key=S3CRET"))
        part = self.asked(self.bench(), number=2, count=3)
        self.assertIn("ref=SM7-2&", part.url)
        self.assertIsNone(self.asked(Bench(request=REQUEST)))

    def test_credentials(self) -> None:
        """Those of the channel: user and password, or its session, which may have to be fetched."""
        basic = self.bench(authentication={"basic": {"username": "me", "password": "{{secret.key}}"}})
        self.assertEqual(authorization(self.asked(basic)), "Basic bWU6UzNDUkVU")
        bench = self.bench(authentication={"oauth2": OAUTH2})
        waits = self.asked(bench)
        self.assertNoResult(waits)
        bench.log_in(access_token="t1", expires_in=3600)
        self.assertEqual(authorization(self.successResultOf(waits)), "Bearer t1")
        result = self.found(bench, 401)
        assert result is not None
        self.assertIs(result.kind, Kind.LOG_IN_AGAIN)
        self.assertIsInstance(self.asked(bench), Deferred)

    def test_signature(self) -> None:
        """A look-up that names one is signed by itself, and checked as the request is."""
        sign = {"template": "{url}", "secret": "{{secret.key}}"}
        headers = {"headers": {"X-Signature": "{{signature}}"}}
        lookup = LOOKUP | {"request": LOOKUP["request"] | headers}
        bench = self.bench(sign=sign, request=REQUEST | headers, lookup=lookup)
        asked, sent = self.asked(bench), bench.call()
        signed = hmac.new(b"S3CRET", asked.url.encode(), hashlib.sha256).hexdigest()
        self.assertEqual(dict(asked.headers)["X-Signature"], signed)
        self.assertNotEqual(dict(sent.headers)["X-Signature"], signed)
        unsigned = self.asked(self.bench(sign=sign, request=REQUEST | headers))
        self.assertNotIn("X-Signature", dict(unsigned.headers))

    def test_answers(self) -> None:
        """Taken, with its ids; not taken; and all else says neither, so that nothing is sent now. A page that answers
        in the place of the provider is no answer."""
        bench = self.bench(failures=[{"when": {"json": "error", "equals": "busy"}, "then": "throttled", "retry_in": 7}])
        taken = self.found(bench, 200, {"count": 1, "messages": [{"id": "a"}, {"id": "b"}]})
        self.assertEqual(taken, Result(Kind.TAKEN, ("a", "b")))
        self.assertIsNone(self.found(bench, 200, {"count": 0, "messages": []}))
        for status, body, kind in (
            (200, b"<html>log in</html>", Kind.UNKNOWN),
            (200, {"count": 2}, Kind.UNKNOWN),
            (404, b"", Kind.TEMPORARY),
            (400, b"", Kind.TEMPORARY),
            (302, b"", Kind.TEMPORARY),
            (500, {"count": 0}, Kind.UNKNOWN),
            (401, b"", Kind.ACCOUNT),
            (403, b"", Kind.ACCOUNT),
            (429, b"", Kind.THROTTLED),
            (400, {"error": "busy"}, Kind.THROTTLED),
        ):
            result = self.found(bench, status, body)
            assert result is not None
            self.assertIs(result.kind, kind, (status, body))
            self.assertIn(f"the look-up: HTTP status {status}", result.reason)

    def test_ids(self) -> None:
        """Without a place of its own the id stands where it stands in answers to texts."""
        lookup = {key: value for key, value in LOOKUP.items() if key != "id"}
        for written, wanted in (
            ({"json": "id"}, ("x",)),
            ("own", ("SM7",)),
            ({"own": "A{{id}}"}, ("A7",)),
            ("none", ()),
        ):
            bench = self.bench(id=written, lookup=lookup)
            self.assertEqual(self.found(bench, 200, {"count": 1, "id": "x"}), Result(Kind.TAKEN, wanted))

    def test_nothing_secret_is_shown(self) -> None:
        """The provider may quote our secret and the number."""
        result = self.found(self.bench(reason={"json": "words"}), 400, {"words": "S3CRET for 923001234567"})
        assert result is not None
        self.assertNotRegex(result.reason, "S3CRET|9230")


class ClockCase(SynchronousTestCase):
    def test_the_channel_reads_the_time_of_day(self) -> None:
        """A date in Retry-After is held against the machine's clock as it is now, and not against the steady reading
        (measured: ten seconds were read as an hour)."""
        times = [1_700_000_000.0, 0.0]
        wall_clock = WallClock(lambda: times[0], lambda: times[1])
        wall_clock.steady_milliseconds()
        times[0] += 3600
        steady = wall_clock.steady_milliseconds()
        nobody: Any = None
        around = Surroundings(Clock(), wall_clock, Random(1), nobody, nobody)
        section = HTTPChannelSection.model_validate(
            {"type": "http", "request": {"url": "https://h/", "form": {"n": "{{now}}"}}}
        )
        provider = provider_of("out", section, around, cast(Any, SimpleNamespace(ask=None)))
        call: Any = provider.call(segment(), steady)
        self.assertEqual(call.body, b"n=1700003600")
        date = formatdate(times[0] + 10, usegmt=True)
        self.assertEqual(provider.read(segment(), HTTPReply(429, {"retry-after": date}, b"")).retry_in, 10.0)


class CuttingCase(SynchronousTestCase):
    def test_cut(self) -> None:
        """In one piece, or in pieces of so many UTF-16 code units, with nothing torn and nothing lost."""
        long = "a" * 25 + "👨‍👩‍👧" + "é" * 8
        self.assertEqual(cut(long, None).segments, (long,))
        split = cut(long, 10, may_split=True)
        self.assertEqual("".join(split.segments), long)
        self.assertEqual(split.alphabet, "ucs2")
        self.assertTrue(all(len(one.encode("utf-16-be")) <= 20 for one in split.segments))
        self.assertTrue(any("👨‍👩‍👧" in one for one in split.segments))
        self.assertEqual(cut("Hi", 2).alphabet, "gsm7")
        self.assertEqual(cut("\u201cHi\u201d", 9, transliterate=True).segments, ('"Hi"',))

    def test_refused(self) -> None:
        """What is too long is refused at the door, with the length that it may have."""
        for options, code in (({}, "text_too_long"), ({"may_split": True, "maximum_parts": 2}, "too_many_segments")):
            with self.assertRaises(TextError) as caught:
                cut("a" * 21, 10, **options)  # type: ignore[arg-type]
            self.assertEqual(caught.exception.code, code)
        self.assertEqual(cut("a" * 10, 10).segments, ("a" * 10,))
