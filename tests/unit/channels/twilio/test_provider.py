"""What Twilio is sent, and what its answers mean: tables of cases."""

import json
import os
import time
from typing import Any
from unittest import mock
from urllib.parse import parse_qsl, urlsplit

from twisted.trial.unittest import SynchronousTestCase

from smsconnector.channels.provider.results import Kind
from smsconnector.channels.twilio.codes import CODES
from smsconnector.channels.twilio.provider import TwilioProvider, cut
from smsconnector.channels.twilio.settings import TwilioChannelSection
from smsconnector.errors import TextError
from smsconnector.messages import Segment, new_sid
from smsconnector.net.http_client import HTTPCall, HTTPReply
from tests.unit.fakes import EPOCH

NOW_MS = int(EPOCH * 1000)  # 08:00 UTC
SID = new_sid(NOW_MS)
CALLBACK = "https://sms.example.org/msg-client/cloud/delivery-notification"
SECTION: dict[str, Any] = {"account_sid": "AC1", "auth_token": "secret-token", "from": "+15005550006"}


def a_provider(callback: str | None = CALLBACK, **section: Any) -> TwilioProvider:
    return TwilioProvider(TwilioChannelSection(**SECTION | section), callback, lambda: NOW_MS)


def a_segment(text: str = "Hello", **fields: Any) -> Segment:
    made = {"source": None, "destination": "46700000000", "expires_at": NOW_MS + 600_000, "sid": SID} | fields
    return Segment(7, 1, 1, text, "gsm7", **made)


def form(call: HTTPCall) -> dict[str, str]:
    return dict(parse_qsl(call.body.decode(), strict_parsing=True))


def a_reply(status: int, data: Any = None, **headers: str) -> HTTPReply:
    body = data if isinstance(data, bytes) else json.dumps(data).encode()
    return HTTPReply(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


class CallTest(SynchronousTestCase):
    def test_request(self) -> None:
        """URL, authorization and form."""
        call = a_provider().call(a_segment(), NOW_MS)
        self.assertEqual(
            (call.method, call.url), ("POST", "https://api.twilio.com/2010-04-01/Accounts/AC1/Messages.json")
        )
        self.assertEqual(dict(call.headers)["Authorization"], "Basic QUMxOnNlY3JldC10b2tlbg==")
        self.assertEqual(
            form(call),
            {
                "To": "+46700000000",
                "From": "+15005550006",
                "Body": "Hello",
                "ValidityPeriod": "600",
                "StatusCallback": f"{CALLBACK}/{SID}#rc=5&rp=all",
            },
        )

    def test_senders(self) -> None:
        """The text's own sender wins; a service goes alone, or with the sender that it is to use."""
        for section, source, sender, service in (
            ({}, "46731", "46731", None),
            ({}, "46731234567", "+46731234567", None),
            ({}, "ACME", "ACME", None),
            ({"messaging_service_sid": "MG1"}, None, "+15005550006", "MG1"),
            ({"messaging_service_sid": "MG1", "from": None}, None, None, "MG1"),
            ({"messaging_service_sid": "MG1", "from": None}, "ACME", "ACME", "MG1"),
        ):
            fields = form(a_provider(**section).call(a_segment(source=source), NOW_MS))
            self.assertEqual((fields.get("From"), fields.get("MessagingServiceSid")), (sender, service), section)

    def test_texts(self) -> None:
        """Every text comes out as it went in: no template, no escape, no trimming."""
        for text in (
            "{{from}} {{to}} %s",
            "a&b=c&timestamp=1 +100%",
            " Ünïcödé \u0633\u0644\u0627\u0645 \U0001f600\r\n ",
            "x" * 1600,
        ):
            self.assertEqual(form(a_provider().call(a_segment(text), NOW_MS))["Body"], text)

    def test_validity(self) -> None:
        """What is left of the lifetime, from 1 s to 10 hours."""
        for validity, left_ms, is_limited, wanted in (
            ("auto", 600_000, False, "600"),
            ("auto", 300_000_000, False, "36000"),
            ("auto", -5, False, "1"),
            ("asked", 600_000, False, None),
            ("asked", 600_000, True, "600"),
            ("none", 600_000, True, None),
            (60, 600_000, False, "60"),
            (3_600, 600_000, False, "600"),
        ):
            segment = a_segment(expires_at=NOW_MS + left_ms, is_limited=is_limited)
            fields = form(a_provider(validity=validity).call(segment, NOW_MS))
            self.assertEqual(fields.get("ValidityPeriod"), wanted, (validity, left_ms))

    def test_no_callback(self) -> None:
        """Without a public URL nothing is told, so to be taken is the end, unless the operator says otherwise."""
        provider = a_provider(None)
        self.assertNotIn("StatusCallback", form(provider.call(a_segment(), NOW_MS)))
        self.assertEqual((provider.gives_receipts, provider.names_our_sid), (False, False))
        self.assertTrue(a_provider(None, receipts=True).gives_receipts)
        self.assertTrue(a_provider().gives_receipts)

    def test_credentials(self) -> None:
        """The first of two tokens sends; an API key goes before it."""
        for section, wanted in (
            ({"auth_token": ["one", "two"]}, "Basic QUMxOm9uZQ=="),
            ({"api_key": "SK1", "api_secret": "s"}, "Basic U0sxOnM="),
        ):
            self.assertEqual(dict(a_provider(**section).call(a_segment(), NOW_MS).headers)["Authorization"], wanted)

    def test_length(self) -> None:
        """1600 characters are one request; 1601 are refused at the door."""
        for text in ("x" * 1600, "\u0633" * 1600, "{" * 1600):
            self.assertEqual(cut(text).segments, (text,))
        with self.assertRaises(TextError) as raised:
            cut("x" * 1601)
        self.assertIn("1600", str(raised.exception))

    def test_what_counts_as_two(self) -> None:
        """Emojis "will be counted as multiple characters" (Twilio's page on error 21617): in UTF-16 each is two. With
        fewer than that the text would get its 200, and fail then."""
        self.assertEqual(cut("\U0001f600" * 800).segments, ("\U0001f600" * 800,))
        for text in ("\U0001f600" * 801, "\U0001f600" + "x" * 1599):
            with self.assertRaises(TextError) as raised:
                cut(text)
            self.assertIn("emoji", str(raised.exception))

    def test_what_transliteration_makes(self) -> None:
        """Twilio sees the text that is sent: an ellipsis has become three characters, an emoji none that counts as
        two."""
        self.assertEqual(len(cut("\u2026" * 500, transliterate=True).segments[0]), 1500)
        self.assertRaises(TextError, cut, "\u2026" * 600, transliterate=True)
        self.assertEqual(len(cut("\u2026" * 600).segments[0]), 600)


class ReadTest(SynchronousTestCase):
    def test_table(self) -> None:
        """Status and body, and what is to be done."""
        html = b"<html><body>Log in, please</body></html>"
        for status, data, kind, code in (
            (201, {"sid": "SM1", "status": "queued"}, Kind.TAKEN, None),
            (200, {"sid": "MM1", "status": "accepted", "error_code": None}, Kind.TAKEN, None),
            (201, {"sid": "SM1", "status": "failed", "error_code": 30007}, Kind.PERMANENT, 30007),
            (200, html, Kind.UNKNOWN, 200),
            (200, b"", Kind.UNKNOWN, 200),
            (201, {"sid": None}, Kind.UNKNOWN, 201),
            (201, {"sid": ""}, Kind.UNKNOWN, 201),
            (201, ["SM1"], Kind.UNKNOWN, 201),
            (201, b"\xff{", Kind.UNKNOWN, 201),
            (201, b"[" * 100_000, Kind.UNKNOWN, 201),
            (204, b"", Kind.UNKNOWN, 204),
            (302, html, Kind.ACCOUNT, 302),
            (400, {"code": 21211}, Kind.PERMANENT, 21211),
            (400, {"code": "21211"}, Kind.PERMANENT, 21211),
            (400, {"code": 21610}, Kind.PERMANENT, 21610),
            (400, {"code": 21408}, Kind.PERMANENT, 21408),
            (400, {"code": 21617}, Kind.PERMANENT, 21617),
            (400, {"code": 21212}, Kind.ACCOUNT, 21212),
            (400, {"code": 21611}, Kind.TEMPORARY, 21611),
            (400, {"code": 21703}, Kind.ACCOUNT, 21703),
            (400, {"code": 30001}, Kind.THROTTLED, 30001),
            (400, {"code": 30008}, Kind.UNKNOWN, 30008),
            (400, {"code": 99999}, Kind.PERMANENT, 99999),
            (400, {"code": True}, Kind.PERMANENT, 400),
            (400, html, Kind.PERMANENT, 400),
            (401, {"code": 20003}, Kind.ACCOUNT, 20003),
            (401, html, Kind.ACCOUNT, 401),
            (403, b"", Kind.ACCOUNT, 403),
            (404, {"code": 20404}, Kind.ACCOUNT, 20404),
            (408, b"", Kind.UNKNOWN, 408),
            (429, {"code": 20429}, Kind.THROTTLED, 20429),
            (429, html, Kind.THROTTLED, 429),
            (429, {"code": 21211}, Kind.THROTTLED, 21211),
            (429, {"code": 63038}, Kind.ACCOUNT, 63038),
            (500, {"code": 20500}, Kind.UNKNOWN, 20500),
            (500, {"code": 21211}, Kind.UNKNOWN, 21211),
            (502, html, Kind.UNKNOWN, 502),
            (503, b"", Kind.UNKNOWN, 503),
            (504, b"", Kind.UNKNOWN, 504),
        ):
            result = a_provider().read(a_segment(), a_reply(status, data))
            self.assertIs(result.kind, kind, (status, data))
            if kind in (Kind.PERMANENT, Kind.ACCOUNT):
                self.assertEqual(result.code, code)
            self.assertNotIn("46700000000", result.reason)

    def test_every_code(self) -> None:
        """Each code of the table, with status 400, is what the table says."""
        for code, meaning in CODES.items():
            self.assertIs(a_provider().read(a_segment(), a_reply(400, {"code": code})).kind, meaning.kind, code)

    def test_codes_that_no_number_holds(self) -> None:
        """A code above 64 bits can't be stored (SQLite), so it is none; the status counts."""
        for code in (2**63, -(2**63) - 1, 10**30, "9" * 30, -5):
            result = a_provider().read(a_segment(), a_reply(400, {"code": code}))
            self.assertEqual((result.kind, result.code), (Kind.PERMANENT, 400), code)

    def test_failed_at_once(self) -> None:
        """201 with a status that is an end: it failed, whether or not the answer says why."""
        for status, error, code in (("failed", 30007, 30007), ("failed", None, "failed"), ("canceled", 0, "canceled")):
            data = {"sid": "SM1", "status": status, "error_code": error}
            result = a_provider().read(a_segment(), a_reply(201, data))
            self.assertEqual((result.kind, result.code), (Kind.PERMANENT, code), str(data))

    def test_whose_sender(self) -> None:
        """A bad sender that a text brought is its own fault; the configured one is the account's."""
        for source, kind in ((None, Kind.ACCOUNT), ("ACME", Kind.PERMANENT)):
            result = a_provider().read(a_segment(source=source), a_reply(400, {"code": 21212}))
            self.assertIs(result.kind, kind)

    def test_when_again(self) -> None:
        """Retry-After in both forms; 63038 is a 429 that means tomorrow (public bug reports on Twilio's libraries)."""
        for headers, retry_in in (
            ({"retry_after": "3"}, 3.0),
            ({"retry_after": "Fri, 15 Jan 2027 08:01:00 GMT"}, 60.0),
            ({}, None),
        ):
            self.assertEqual(a_provider().read(a_segment(), a_reply(429, {}, **headers)).retry_in, retry_in)
        tomorrow = a_provider().read(a_segment(), a_reply(429, {"code": 63038}, retry_after="1")).retry_in
        self.assertEqual(tomorrow, 16 * 3600 + 600)


class LookUpTest(SynchronousTestCase):
    def message(self, **fields: Any) -> dict[str, Any]:
        date = "Fri, 15 Jan 2027 08:00:01 +0000"
        made = {"sid": "SM1", "body": "Hello", "date_created": date, "direction": "outbound-api", "status": "queued"}
        return made | fields

    def found(self, *messages: Any, provider: TwilioProvider | None = None) -> str | None:
        result = (provider or a_provider()).found(a_segment(), a_reply(200, {"messages": list(messages)}))
        return None if result is None else result.ids[0]

    def test_request(self) -> None:
        """The messages to its number from its sender, since the day when it was accepted."""
        call = a_provider().lookup(a_segment(), NOW_MS)
        query = dict(parse_qsl(urlsplit(call.url).query))
        self.assertEqual(call.method, "GET")
        self.assertEqual(
            query, {"To": "+46700000000", "From": "+15005550006", "DateSent>": "2027-01-15", "PageSize": "100"}
        )

    def test_found_once(self) -> None:
        """Who finds a message and is tried again all the same was told that it is another's: it finds it no more."""
        provider = a_provider()
        self.assertEqual(self.found(self.message(), provider=provider), "SM1")
        self.assertIsNone(self.found(self.message(), provider=provider))

    def test_found(self) -> None:
        """The same text, made after it was accepted; neither somebody else's nor an older one."""
        older = self.message(sid="SM0", date_created="Fri, 15 Jan 2027 07:00:00 +0000")
        other, inbound = self.message(body="Other"), self.message(direction="inbound")
        self.assertEqual(self.found(older, other, inbound, None, {"sid": 5}, self.message()), "SM1")
        self.assertIsNone(self.found(older, other, inbound))
        self.assertEqual(self.found(self.message(date_created="soon")), "SM1")

    def test_zone_of_the_machine(self) -> None:
        """A date with -0000 is UTC, wherever the machine stands: a message an hour older is not ours."""
        older = self.message(sid="SM0", date_created="Fri, 15 Jan 2027 07:00:00 -0000")
        self.addCleanup(time.tzset)
        with mock.patch.dict(os.environ, TZ="XYZ5"):
            time.tzset()
            self.assertIsNone(self.found(older))

    def test_known_as_anothers(self) -> None:
        """Two equal texts to one number: the message of the one is not taken for the other's."""
        provider = a_provider()
        provider.read(Segment(6, 1, 1, "Hello", "gsm7", None, "46700000000", NOW_MS), a_reply(201, {"sid": "SM1"}))
        self.assertIsNone(self.found(self.message(), provider=provider))
        self.assertEqual(self.found(self.message(), self.message(sid="SM2"), provider=provider), "SM2")

    def test_not_told(self) -> None:
        """An answer that says neither yes nor no is no "not found"."""
        for status, data, kind in (
            (200, b"<html>", Kind.UNKNOWN),
            (200, {"messages": None}, Kind.UNKNOWN),
            (503, b"", Kind.UNKNOWN),
            (429, b"", Kind.THROTTLED),
            (401, {"code": 20003}, Kind.ACCOUNT),
        ):
            result = a_provider().found(a_segment(), a_reply(status, data))
            assert result is not None
            self.assertIs(result.kind, kind)
        self.assertIsNone(a_provider().found(a_segment(), a_reply(404, b"")))
