"""What is asked, what is answered, and what is sent again."""

import importlib
import json
import ssl
import sys
import traceback
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from unittest import mock

import httpx
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.client import (
    AsyncClient,
    Busy,
    Client,
    ClientError,
    NotAllowed,
    NotFound,
    Refused,
    Retries,
    TooLate,
    Unreachable,
    Unreadable,
)
from tests.unit.client.stage import (
    KEY,
    TO,
    Broken,
    ClientCase,
    Script,
    accepted,
    both_clients,
    refusal,
)

UNCLEAR = (httpx.ReadTimeout("slow"), httpx.ReadError("reset"), httpx.RemoteProtocolError("gone"), httpx.WriteError(""))
NOT_SENT = (httpx.ConnectError("refused"), httpx.ConnectTimeout(""), httpx.PoolTimeout(""))
MESSAGE = {"MessageSID": "SM1", "channel": "smpp", "To": "1", "Body": "x", "DeliveryStatus": "FAILED"}


@both_clients
class SendCase(ClientCase):
    def test_request(self) -> None:
        """All fields under the names of the API; what is not given is left out. The key is Bearer."""
        script = Script(accepted("SM7", X_UCS2_Because="U+2019 U+1F600", X_Transliterated="U+00EA"))
        client = self.client(script)
        sent = client.send(
            TO,
            "It’s",
            from_="ACME",
            channel="smpp",
            reference="order 5",
            validity_period=timedelta(seconds=90.5),
            send_at=datetime(2030, 1, 31, 12, tzinfo=timezone(timedelta(hours=5))),
            priority="bulk",
            status_callback="https://app.example/status",
        )
        client.send(TO, "hi", validity_period=60)
        self.assertEqual((sent.sid, sent.ucs2_because, sent.transliterated), ("SM7", "’😀", "ê"))
        first, second = script.requests
        self.assertEqual((first.method, str(first.url)), ("POST", "http://sms.example:8080/msg-client/send"))
        self.assertEqual(first.headers["Authorization"], f"Bearer {KEY}")
        self.assertEqual(first.headers["Content-Type"], "application/json")
        self.assertEqual(
            json.loads(first.content),
            {
                "To": TO,
                "Body": "It’s",
                "From": "ACME",
                "channel": "smpp",
                "Reference": "order 5",
                "ValidityPeriod": 91,
                "SendAt": "2030-01-31T12:00:00+05:00",
                "Priority": "bulk",
                "StatusCallback": "https://app.example/status",
            },
        )
        self.assertEqual(json.loads(second.content), {"To": TO, "Body": "hi", "ValidityPeriod": 60})
        self.assertEqual(first.headers["Idempotency-Key"], sent.idempotency_key)
        self.assertNotEqual(*(one.headers["Idempotency-Key"] for one in script.requests))

    def test_no_key(self) -> None:
        """A connector without keys: no header at all. And a key of the application's own for the text."""
        script = Script(accepted())
        sent = self.client(script, key=None).send(TO, "hi", idempotency_key="order-5")
        self.assertNotIn("Authorization", script.requests[0].headers)
        self.assertEqual((script.keys(), sent.idempotency_key), ({"order-5"}, "order-5"))

    def test_what_no_request_is_made_of(self) -> None:
        """What can't be meant is told before anything is sent."""
        script = Script(accepted())
        client = self.client(script)
        for fields in (
            {"send_at": datetime(2030, 1, 1)},
            {"idempotency_key": "two words"},
            {"idempotency_key": ""},
            {"idempotency_key": "a\r\nb"},
        ):
            self.fails(ValueError, client.send, TO, "hi", **fields)
        self.assertEqual(script.requests, [])

    def test_sent_again(self) -> None:
        """Whatever leaves it open whether the text was accepted, or refuses it for now: the same body with the same
        key, until it is accepted."""
        for failure in (
            *UNCLEAR,
            *NOT_SENT,
            lambda _request: httpx.Response(
                200, headers={"X-Message-SID": "SM1"}, stream=Broken(b"", error=httpx.ReadError("cut"))
            ),
            refusal(429, "too_many_requests", Retry_After="1"),
            refusal(503, "overloaded", Retry_After="5"),
            httpx.Response(502, text="<html>"),
            httpx.Response(504, text="<html>"),
        ):
            script = Script(failure, failure, accepted("SM5"))
            self.assertEqual(self.client(script).send(TO, "hi").sid, "SM5", failure)
            self.assertEqual((len(script.requests), len(script.keys()), len(set(script.bodies()))), (3, 1, 1), failure)

    def test_not_sent_again(self) -> None:
        """What was refused for good is an error at once, with the connector's own words."""
        for status, kind in (
            (400, Refused),
            (401, NotAllowed),
            (403, NotAllowed),
            (404, NotFound),
            (409, TooLate),
            (413, Refused),
            (422, Refused),
            (500, Refused),
        ):
            script = Script(refusal(status, "a_code", "Do this.", "To"))
            error = self.fails(kind, self.client(script).send, TO, "hi")
            self.assertEqual(
                (error.status, error.code, error.message, error.field), (status, "a_code", "Do this.", "To")
            )
            self.assertEqual(str(error), f"{status} a_code: Do this.")
            self.assertEqual((len(script.requests), error.may_be_accepted), (1, False))
        self.assertEqual(self.pauses, [])

    def test_not_the_connector(self) -> None:
        """Something else answers at this address, as it likes. A redirect is not followed: the key is for this host."""
        for status in (301, 307, 400, 404, 500):
            script = Script(httpx.Response(status, text="<html>", headers={"Location": "http://other.example/"}))
            error = self.assertRaises(Refused, self.client(script).send, TO, "hi")
            self.assertEqual((error.code, len(script.requests)), (f"http_{status}", 1))
            self.assertIn("http://sms.example:8080", str(error))
        for answer in (httpx.Response(200, text="<html>"), httpx.Response(200)):
            error = self.fails(Unreadable, self.client(Script(answer)).send, TO, "hi")
            self.assertIn("base_url", str(error))

    def test_unclear(self) -> None:
        """``may_be_accepted`` tells whether an attempt may have been carried out, whatever came after it."""
        for failures, is_it in (
            ((httpx.ReadTimeout("slow"), refusal(400, "x")), True),
            ((httpx.Response(504), refusal(401, "x")), True),
            ((httpx.ConnectError("refused"), refusal(400, "x")), False),
            ((refusal(503, "x"), refusal(400, "x")), False),
            ((httpx.ReadError("cut"), httpx.ConnectError("refused")), True),
            ((httpx.ConnectError("refused"),), False),
            ((refusal(503, "x"),), False),
        ):
            error = self.assertRaises(ClientError, self.client(Script(*failures)).send, TO, "hi")
            self.assertEqual(error.may_be_accepted, is_it, failures)

    def test_slow_answer(self) -> None:
        """An answer that drips is ended after the time-out, though each octet comes in time."""

        def drip() -> None:
            self.time += 4

        slow = httpx.Response(200, headers={"X-Message-SID": "SM1"}, stream=Broken(*[b" "] * 9, each=drip))
        script = Script(slow, accepted("SM2"))
        self.assertEqual(self.client(script, timeout=10).send(TO, "hi").sid, "SM2")
        self.assertEqual(self.time, 1_000 + 12 + self.pauses[0])


@both_clients
class RetriesCase(ClientCase):
    def test_pauses(self) -> None:
        """They double up to the longest, each by chance between its half and its whole."""
        script = Script(httpx.ConnectError("refused"))
        retries = Retries(times=6, total=3_000, first=1, longest=10)
        error = self.fails(Unreachable, self.client(script, retries=retries).send, TO, "hi")
        self.assertEqual(self.pauses, [1, 2, 4, 8, 10, 10])
        self.assertIn("7 attempts", str(error))
        self.assertIn("refused", str(error))
        self.pauses.clear()
        self.assertRaises(Unreachable, self.client(script, retries=retries, chance=lambda: 0.0).send, TO, "hi")
        self.assertEqual(self.pauses, [0.5, 1, 2, 4, 5, 5])

    def test_total(self) -> None:
        """No attempt begins after the total, and the last ones are given no more time than is left."""
        given: list[float] = []

        def slow(request: httpx.Request) -> httpx.Response:
            given.append(request.extensions["timeout"]["read"])
            self.time += given[-1]
            raise httpx.ReadTimeout("slow")

        retries = Retries(times=99, total=35, first=1, longest=4)
        self.fails(Unreachable, self.client(slow, retries=retries, timeout=10).send, TO, "hi")
        self.assertEqual(given, [10, 10, 10])
        self.assertLessEqual(self.time, 1_000 + 35)
        given.clear()
        self.time = 1_000.0
        self.assertRaises(Unreachable, self.client(slow, retries=Retries(total=15, first=4), timeout=10).send, TO, "hi")
        self.assertEqual(given, [10, 1])

    def test_none(self) -> None:
        script = Script(httpx.ConnectError("refused"))
        self.assertRaises(Unreachable, self.client(script, retries=0).send, TO, "hi")
        self.assertEqual((len(script.requests), self.pauses), (1, []))

    def test_retry_after(self) -> None:
        """The pause is as long as the connector says, or a little longer; a date counts from the answer's own."""
        dated = {"Retry_After": "Wed, 21 Oct 2015 07:28:20 GMT", "Date": "Wed, 21 Oct 2015 07:28:00 GMT"}
        past = {"Retry_After": "Wed, 21 Oct 2015 07:28:00 GMT", "Date": "Wed, 21 Oct 2015 07:28:20 GMT"}
        for headers, least, most in (
            ({"Retry_After": "5"}, 5, 5.6),
            ({"Retry_After": " 7 "}, 7, 8),
            (dated, 20, 22.1),
            (past, 0.1, 0.3),
            ({"Retry_After": "0"}, 0.1, 0.3),
            ({"Retry_After": "soon"}, 0.1, 0.3),
            ({"Retry_After": "-1"}, 0.1, 0.3),
            ({"Retry_After": "Wed, 21 Oct 2015 07:28:20 GMT"}, 0.1, 0.3),
        ):
            self.pauses.clear()
            self.client(Script(refusal(429, "x", **headers), accepted())).send(TO, "hi")
            (pause,) = self.pauses
            self.assertTrue(least <= pause <= most, (headers, pause))

    def test_retry_after_too_long(self) -> None:
        """Who is told to come tomorrow is told so at once."""
        for seconds in ("86400", "9" * 40):
            script = Script(refusal(429, "too_many", Retry_After=seconds))
            error = self.fails(Busy, self.client(script).send, TO, "hi")
            self.assertEqual((len(script.requests), self.pauses), (1, []))
            self.assertEqual(error.retry_after, float(seconds[:9]))

    def test_given_up(self) -> None:
        """Refused for now until the end: the connector's own words, not those of a connection."""
        error = self.fails(Busy, self.client(Script(refusal(503, "overloaded", "Full."))).send, TO, "hi")
        self.assertEqual((error.code, error.message), ("overloaded", "Full."))

    def test_certificate(self) -> None:
        """A certificate that is not good gets no better: one attempt, which has sent nothing."""
        error = httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed certificate")
        chained = httpx.ConnectError("no")
        chained.__cause__ = ssl.SSLCertVerificationError("self-signed")
        for one in (error, chained):
            script = Script(one)
            found = self.fails(Unreachable, self.client(script).send, TO, "hi")
            self.assertEqual((len(script.requests), found.may_be_accepted), (1, False))

    def test_settings(self) -> None:
        for wrong in ({"times": -1}, {"total": 90_000}, {"first": 0}, {"first": 9}, {"total": -1}):
            self.assertRaises(ValueError, lambda given: Retries(**given), wrong)
        self.assertRaises(ValueError, self.client, Script(accepted()), timeout=0)


@both_clients
class CancelCase(ClientCase):
    def test_taken_back(self) -> None:
        script = Script(httpx.Response(200, json=MESSAGE | {"State": "cancelled"}))
        self.assertEqual(self.client(script).cancel("SM1").state, "cancelled")
        self.assertEqual(
            (script.requests[0].method, script.requests[0].url.path), ("DELETE", "/msg-client/messages/SM1")
        )

    def test_too_late(self) -> None:
        """At once: nothing else is asked."""
        script = Script(refusal(409, "too_late", "It is too late."))
        self.fails(TooLate, self.client(script).cancel, "SM1")
        self.assertEqual(len(script.requests), 1)

    def test_own_success_is_no_failure(self) -> None:
        """The first attempt took it back and its answer was lost: the second is told that it is too late, by which the
        first is meant."""
        script = Script(
            httpx.ReadError("cut"), refusal(409, "too_late"), httpx.Response(200, json=MESSAGE | {"State": "cancelled"})
        )
        self.assertEqual(self.client(script).cancel("SM1").state, "cancelled")
        script = Script(
            httpx.ReadError("cut"), refusal(409, "too_late"), httpx.Response(200, json=MESSAGE | {"State": "submitted"})
        )
        error = self.fails(TooLate, self.client(script).cancel, "SM1")
        self.assertFalse(error.may_be_accepted)

    def test_shown_later(self) -> None:
        """It was taken back, and could not be read just then: 200 without a body."""
        script = Script(httpx.Response(200), httpx.Response(200, json=MESSAGE | {"State": "cancelled"}))
        self.assertEqual(self.client(script).cancel("SM1").state, "cancelled")

    def test_odd_ids(self) -> None:
        """An id leads nowhere else: neither to the collection nor up."""
        script = Script(httpx.Response(200, json=MESSAGE))
        client = self.client(script)
        for sid in ("", ".", ".."):
            self.fails(ValueError, client.cancel, sid)
        client.message("../send?x=1#y")
        self.assertEqual(script.requests[0].url.raw_path, b"/msg-client/messages/..%2Fsend%3Fx%3D1%23y")


@both_clients
class SearchCase(ClientCase):
    def page(self, *sids: str, following: str | None = None) -> httpx.Response:
        return httpx.Response(
            200, json={"messages": [MESSAGE | {"MessageSID": one} for one in sids], "next": following}
        )

    def test_pages(self) -> None:
        """Cursors are followed through pages that are empty; the path is that of base_url, whatever stands between.
        Each request has the query."""
        script = Script(
            self.page("SM3", following="/elsewhere/messages?to=1&cursor=30"),
            self.page(following="/elsewhere/messages?to=1&cursor=20"),
            self.page("SM2", "SM1"),
        )
        found = self.client(script, "https://proxy.example/sms/v1/").messages(
            to=TO, limit=1, since=datetime(2030, 1, 1, tzinfo=UTC)
        )
        self.assertEqual([one.sid for one in found], ["SM3", "SM2", "SM1"])
        self.assertEqual({one.url.path for one in script.requests}, {"/sms/v1/messages"})
        self.assertEqual([one.url.params.get("cursor") for one in script.requests], [None, "30", "20"])
        for one in script.requests:
            self.assertIn("to=%2B923001234567", str(one.url))
            self.assertEqual((one.url.params["limit"], one.url.params["since"]), ("1", "2030-01-01T00:00:00+00:00"))

    def test_as_needed(self) -> None:
        """A page is asked for when its first message is wanted."""
        script = Script(self.page("SM3", following="/x?cursor=3"), self.page("SM1"))
        found = iter(self.client(script).messages())
        self.assertEqual(len(script.requests), 0)
        next(found)
        self.assertEqual(len(script.requests), 1)

    def test_names(self) -> None:
        """``from`` and ``with`` are words of Python's."""
        script = Script(self.page())
        list(self.client(script).messages(from_="ACME", with_=TO, state="failed", since=1_700_000_000))
        self.assertEqual(
            dict(script.requests[0].url.params), {"from": "ACME", "with": TO, "state": "failed", "since": "1700000000"}
        )
        self.fails(ValueError, lambda: list(self.client(script).messages(since=datetime(2030, 1, 1))))

    def test_both_directions(self) -> None:
        """A text that a customer wrote has no MessageSID of ours."""
        incoming = {
            "Direction": "incoming",
            "SmsSid": "SM900",
            "From": TO,
            "To": "8228",
            "Body": "STOP",
            "BodyHex": "53544F50",
            "Incomplete": True,
            "channel": "smpp",
            "Answers": {"MessageSID": "SM1"},
            "ReceivedAt": "2030-01-31T12:00:00.000Z",
        }
        page = {"messages": [incoming, MESSAGE | {"Direction": "outgoing"}], "next": None}
        first, second = self.client(Script(httpx.Response(200, json=page))).messages(with_=TO)
        self.assertEqual((first.direction, first.sid, first.body), ("incoming", "SM900", "STOP"))
        self.assertEqual(
            (first.answers, first.received_at), ({"MessageSID": "SM1"}, datetime(2030, 1, 31, 12, tzinfo=UTC))
        )
        self.assertEqual((second.direction, second.sid, second.answers), ("outgoing", "SM1", None))
        self.assertEqual((first.body_hex, first.incomplete), ("53544F50", True))
        self.assertEqual((second.body_hex, second.incomplete), (None, False))
        self.assertNotIn("53544F50", repr(first))

    def test_circle(self) -> None:
        """A next page that is the same again ends, with an error, rather than going on for ever."""
        script = Script(self.page("SM3", following="/x?cursor=3"))
        error = self.fails(Unreadable, list, self.client(script).messages())
        self.assertEqual(len(script.requests), 2)
        self.assertIn("messages", str(error))


@both_clients
class AnswersCase(ClientCase):
    def test_not_as_expected(self) -> None:
        """Answers of no known form: one error, of one kind, with the address that gave them."""
        for octets in (
            b"",
            b"[]",
            b"{}",
            b"<html>",
            b'{"MessageSID": 5}',
            b"[" * 100_000,
            b'{"MessageSID": ""}',
            b"\xff",
        ):
            client = self.client(Script(httpx.Response(200, content=octets)))
            for call in (client.message, client.timeline):
                self.fails(Unreadable, call, "SM1")
            self.fails(Unreadable, client.explain, TO, "hi")
            self.fails(Unreadable, client.health)
            self.fails(Unreadable, list, client.messages())

    def test_health(self) -> None:
        """503 says why texts are refused: it is the answer, and is not asked for again."""
        script = Script(httpx.Response(503, json={"accepting": False, "reason": "The disk is full.", "waiting": 5}))
        found = self.client(script).health()
        self.assertEqual((found.accepting, found.reason, found.raw["waiting"]), (False, "The disk is full.", 5))
        self.assertEqual(len(script.requests), 1)
        self.fails(Busy, self.client(Script(httpx.Response(503, text="<html>"))).health)

    def test_more_than_we_know(self) -> None:
        """A newer connector says more, an older one less: what is known is read, the rest is in ``raw``."""
        found = self.client(Script(httpx.Response(200, json={"MessageSID": "SM1", "Colour": "red"}))).message("SM1")
        self.assertEqual((found.sid, found.parts, found.accepted_at, found.raw["Colour"]), ("SM1", (), None, "red"))

    def test_nothing_private_in_repr(self) -> None:
        """Numbers, senders and texts stay out of logs that print an answer."""
        private = {"To": "923001234567", "From": "SENDER", "Body": "WORDS"}
        data = MESSAGE | private | {"Parts": [{"Number": 1, "Body": "WORDS"}]}
        shown = repr(self.client(Script(httpx.Response(200, json=data))).message("SM1"))
        for one in private.values():
            self.assertNotIn(one, shown)
        self.assertIn("SM1", shown)


@both_clients
class KeyCase(ClientCase):
    def test_never_shown(self) -> None:
        """Neither by repr nor by any error, with its whole traceback."""
        ways: tuple[Any, ...] = (
            *UNCLEAR,
            *NOT_SENT,
            refusal(401, "unauthorized"),
            httpx.Response(500),
            httpx.Response(200),
        )
        for answer in ways:
            client = self.client(Script(answer))
            self.assertNotIn("verysecret", repr(client))
            try:
                client.send(TO, "hi")
            except ClientError as error:
                said = "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error))
                for secret in ("verysecret", "3001234567"):
                    self.assertNotIn(secret, said)
                self.assertIsNone(error.__cause__)
                self.assertIsNone(error.__context__, "httpx's own error has the request, with the key in its head")

    def test_wrong_keys_and_urls(self) -> None:
        """They are told at once, and without what is wrong in them."""
        for key in ("", "very secret", "verysecret\n", "verysecret\r\nX: y", "vérysecret"):
            error = self.fails(ValueError, self.client, Script(accepted()), key=key)
            self.assertNotIn("secret", str(error))
        for url in ("", "sms.example", "ftp://sms.example", "http://", "http://x:99999/", "http://x:y/", "http://[/"):
            self.assertIn("http://127.0.0.1:8080/msg-client", str(self.fails(ValueError, self.client, Script(), url)))
        for url in ("http://u:verysecret@sms.example/", "http://verysecret@sms.example/", "http://x/?key=verysecret"):
            self.assertNotIn("secret", str(self.fails(ValueError, self.client, Script(), url)))

    def test_repr(self) -> None:
        self.assertIn("Client('http://sms.example:8080/msg-client')", repr(self.client(Script())))


class PackageCase(SynchronousTestCase):
    def test_without_httpx(self) -> None:
        """The extra is not installed: the error says what to do, and what is missing."""
        ours = [one for one in sys.modules if one.startswith("smsconnector.client")]
        with mock.patch.dict(sys.modules, {"httpx": None}):
            for name in ours:
                del sys.modules[name]
            error = self.assertRaises(ImportError, importlib.import_module, "smsconnector.client")
        self.assertIn("pip install 'smsconnector[client]'", str(error))
        self.assertEqual(error.name, "httpx")

    def test_the_two_are_alike(self) -> None:
        """Each operation is in both, under one name."""
        public = [{name for name in vars(one) if not name.startswith("_")} for one in (Client, AsyncClient)]
        self.assertEqual(*public)
        self.assertEqual(len(public[0]), 9)
