"""The HTTP door, as octets in and out of Twisted's server, in memory: the contract to the letter."""

import json
from base64 import b64encode
from typing import Any

from smsconnector.http.answers import Answer as Plain
from smsconnector.http.requests import parse_send
from smsconnector.messages import INCOMING_MESSAGE, Outcome, Verdict
from tests.unit.http.ways import FORM, Answer, DoorCase, both_ways


@both_ways
class SendCase(DoorCase):
    def test_accepted(self) -> None:
        """200 with an empty body; the MessageSID and where to ask for it are headers."""
        answer = self.send(To="+923001234567", Body="hi", channel="smpp")
        self.assertEqual((answer.status, answer.body, answer.header("Content-Length")), (200, b"", "0"))
        sid = answer.header("X-Message-SID")
        self.assertEqual(answer.header("Location"), f"/msg-client/messages/{sid}")
        (segment,) = self.channel.submitted
        self.assertEqual((segment.destination, segment.text, segment.source), ("923001234567", "hi", None))

    def test_security_headers(self) -> None:
        """Every answer says that it is no page and not to be kept, also a refusal, and what is not HTTP; once each."""
        for answer in (
            self.send(To="+923001234567", Body="hi"),
            self.send(To="", Body=""),
            self.request("GET", "/health"),
            self.request("GET", "/nothing"),
            self.request("PUT", "/send"),
            Answer(self.exchange(b"nonsense\r\n\r\n").value()),
        ):
            for name, value in (
                ("Cache-Control", "no-store"),
                ("X-Content-Type-Options", "nosniff"),
                ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
            ):
                self.assertEqual(answer.headers.getRawHeaders(name), [value], (answer.status, name))

    def test_its_own_policy(self) -> None:
        """A handler that answers a page says itself what the page may load."""
        policy = (b"Content-Security-Policy", b"default-src 'self'")
        self.patch(self.resource.api, "serve", lambda route, request, answer: answer(Plain(200, (policy,), b"x")))
        self.site = self.make_site()
        answer = self.request("GET", "/health")
        self.assertEqual(answer.headers.getRawHeaders("Content-Security-Policy"), ["default-src 'self'"])
        self.assertEqual(answer.header("Cache-Control"), "no-store")

    def test_at_the_root(self) -> None:
        """The document shows paths without the base path too."""
        self.assertEqual(self.send("/send", To="+923001234567", Body="hi").status, 200)

    def test_overloaded(self) -> None:
        """Beyond capacity: 503, when to come again, and why; nothing was accepted. Health says the same."""
        self.gate.reason = "The disk is nearly full."
        answer = self.send(To="+923001234567", Body="hello")
        self.assertEqual((answer.status, answer.error["code"]), (503, "overloaded"))
        self.assertIsNotNone(answer.header("Retry-After"))
        self.assertIn(self.gate.reason, answer.error["message"])
        self.assertEqual(self.channel.submitted, [])
        health = self.request("GET", "/msg-client/health")
        self.assertEqual(
            (health.status, health.json["accepting"], health.json["reason"]), (503, False, self.gate.reason)
        )

    def test_health(self) -> None:
        """200 while texts are accepted, with what an operator wants to see."""
        health = self.request("GET", "/health")
        self.assertEqual((health.status, health.json["accepting"]), (200, True))
        self.assertEqual(health.json["binds"], {"a": "bound"})

    def test_validity(self) -> None:
        """ValidityPeriod in seconds shortens the lifetime, and never makes it longer."""
        for validity, lifetime in ((60, 60.0), ("90", 90.0), (7200, 3600.0), (75.0, 75.0)):
            self.send(To="+923001234567", Body="hello", ValidityPeriod=validity)
            self.assertEqual(self.channel.submitted[-1].expires_at / 1000, self.now() + lifetime)
            self.assertTrue(self.channel.submitted[-1].is_limited)
            self.accept_all()
        self.send(To="+923001234567", Body="hello")
        self.assertFalse(self.channel.submitted[-1].is_limited)
        self.accept_all()
        refused: tuple[Any, ...] = (0, -1, 1.5, "x", True, [], 10**12, "٣", 1e300, float("inf"), "75.0")
        for wrong in refused:
            answer = self.send(To="+923001234567", Body="hello", ValidityPeriod=wrong)
            self.assertEqual((answer.status, answer.error["field"]), (400, "ValidityPeriod"), wrong)

    def accept_all(self) -> None:
        self.channel.answer(*[Outcome(one, Verdict.ACCEPTED, "a", "1") for one in self.channel.under_way])
        self.settle()

    def test_what_forced_ucs2(self) -> None:
        """One typographic quote triples the price: the answer names it."""
        self.assertEqual(self.send(To="+923001234567", Body="it’s").header("X-UCS2-Because"), "U+2019")
        self.assertIsNone(self.send(To="+923001234567", Body="its").header("X-UCS2-Because"))

    def test_nothing_is_said_before_the_commit(self) -> None:
        """Law 1: not an octet of the answer before the message is on disk."""
        body = b'{"To":"+923001234567","Body":"hi"}'
        head = b"POST /msg-client/send HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body)
        transport = self.exchange(head + body, settle=False)
        self.assertEqual((transport.value(), self.writer.commits), (b"", 0))
        self.settle()
        self.assertIn(b" 200 ", transport.value())

    def test_store_fails(self) -> None:
        """503 with Retry-After, in JSON: nothing was accepted."""
        self.writer.broken = True
        answer = self.send(To="+923001234567", Body="hi")
        self.assertEqual((answer.status, answer.error["code"]), (503, "unavailable"))
        self.assertIsNotNone(answer.header("Retry-After"))

    def test_representation(self) -> None:
        """With Prefer: return=representation the body is the message resource, as it is when it is accepted."""
        body = json.dumps({"To": "+923001234567", "Body": "سلام", "From": "ACME"})
        answer = self.request("POST", "/msg-client/send", body, Prefer="return=representation")
        self.assertEqual((answer.json["Body"], answer.json["Alphabet"]), ("سلام", "ucs2"))
        self.assertEqual(answer.json["From"], "ACME")
        again = self.request("GET", str(answer.header("Location")))
        later = {"State": "under_way", "Parts": again.json["Parts"]}
        self.assertEqual(again.json, answer.json | later)

    def test_refusals(self) -> None:
        """Each wrong body is a 400 in JSON that names the field; nothing is written."""
        good = '"To": "+923001234567", "Body": "hi"'
        cases: list[tuple[bytes | str, str, str | None]] = [
            ('{"Body": "hi"}', "missing_field", "To"),
            ('{"To": "+923001234567"}', "missing_field", "Body"),
            ('{"To": null, "Body": "hi"}', "invalid_field", "To"),
            ('{"To": 923001234567, "Body": "hi"}', "invalid_field", "To"),
            ('{"To": "+923001234567", "Body": ["hi"]}', "invalid_field", "Body"),
            ('{"To": "+923001234567", "Body": ""}', "empty_text", "Body"),
            ('{"To": "+923001234567", "Body": "a\\u0000b"}', "invalid_text", "Body"),
            ('{"To": "+923001234567", "Body": "a\\ud800b"}', "lone_surrogate", "Body"),
            ('{"To": "somebody", "Body": "hi"}', "invalid_number", "To"),
            ('{"To": "", "Body": "hi"}', "invalid_number", "To"),
            ('{"To": "+92", "Body": "hi"}', "invalid_number", "To"),
            ('{"To": "' + "9" * 21 + '", "Body": "hi"}', "invalid_number", "To"),
            ('{"To": "٠٣٠٠١٢٣٤٥", "Body": "hi"}', "invalid_number", "To"),
            (f'{{{good}, "channel": "pigeon"}}', "unknown_channel", "channel"),
            (f'{{{good}, "channel": 5}}', "invalid_field", "channel"),
            (f'{{{good}, "From": "a name too long"}}', "invalid_sender", "From"),
            (f'{{{good}, "From": "名"}}', "invalid_sender", "From"),
            (f'{{{good}, "To": "+923007654321"}}', "duplicate_field", "To"),
            ('{"To": "+923001234567", "Body": "' + "x" * 613 + '"}', "too_many_segments", "Body"),
            ("[1, 2]", "malformed_json", None),
            ('"text"', "malformed_json", None),
            ("", "malformed_json", None),
            ("{", "malformed_json", None),
            ("To=%2B923001234567&Body=hi", "malformed_json", None),
            ("[" * 30_000, "malformed_json", None),
            (b'{"To": "\xff"}', "wrong_encoding", None),
        ]
        for body, code, field in cases:
            answer = self.request("POST", "/msg-client/send", body, Content_Type="application/json")
            self.assertEqual((answer.status, answer.error["code"], answer.error["field"]), (400, code, field), body)
            self.assertEqual(answer.header("Content-Type"), "application/json")
            self.assertTrue(answer.error["message"].endswith("."), answer.error)
        self.assertEqual(self.channel.submitted, [])
        self.assertEqual(self.writer.store.last_segment_id(), 0)

    def test_segments_are_counted_in_the_refusal(self) -> None:
        """A text that is too long is refused with its count, never cut."""
        answer = self.send(To="+923001234567", Body="x" * 613)
        self.assertIn("5 segments", answer.error["message"])

    def test_numbers_are_normalised(self) -> None:
        """Plus, spaces, dashes, brackets and the prefix 00 are taken off, of To and From alike; a short code stays."""
        for written in ("+92 300 123-4567", "0092 (300) 1234567", "923001234567", "+92.300.1234567", "00923001234567"):
            request = parse_send(json.dumps({"To": written, "From": written, "Body": "hi"}).encode())
            self.assertEqual((request.to, request.source), ("923001234567", "923001234567"), written)


@both_ways
class BodyCase(DoorCase):
    def test_too_long(self) -> None:
        """Over 64 KiB: 413, whether the length was announced or not; at 64 KiB it is still looked at."""
        self.assertEqual(self.request("POST", "/msg-client/send", b"x" * 65_537).status, 413)
        self.assertEqual(self.request("POST", "/msg-client/send", b"x" * 65_536).status, 400)
        head = b"POST /msg-client/send HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        chunks = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"
        transport = self.exchange(head + chunks * 3 + b"0\r\n\r\n")
        self.assertEqual(Answer(transport.value()).status, 413)

    def test_much_too_long(self) -> None:
        """A body that announces a gigabyte is answered and closed before it is sent."""
        head = b"POST /msg-client/send HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n"
        transport = self.exchange(head)
        self.assertEqual(Answer(transport.value()).status, 413)
        self.assertTrue(transport.disconnecting)

    def test_endless(self) -> None:
        """A chunked body without end is not kept, and cut off."""
        head = b"POST /msg-client/send HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        chunks = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"
        transport = self.exchange(head + chunks * 50)
        self.assertTrue(transport.disconnecting)


@both_ways
class PathCase(DoorCase):
    def test_wrong_path(self) -> None:
        """404, in JSON."""
        for path in ("/", "/msg-client", "/msg-client/nothing", "/msg-client/send/x", "/favicon.ico"):
            answer = self.request("POST", path, "{}")
            self.assertEqual((answer.status, answer.error["code"]), (404, "not_found"), path)

    def test_path_of_other_octets(self) -> None:
        """Octets that are no text are a path like any other that is not there."""
        for path in ("/%ff", "/msg-client/%ff/receive", "/msg-client/messages/%C3%28"):
            answer = self.request("POST", path)
            self.assertEqual((answer.status, answer.error["code"]), (404, "not_found"))

    def test_wrong_method(self) -> None:
        """405 with Allow, in JSON."""
        for method in ("GET", "PUT", "DELETE"):
            answer = self.request(method, "/msg-client/send")
            self.assertEqual((answer.status, answer.header("Allow")), (405, "POST"), method)
        answer = self.request("POST", "/msg-client/messages/SM1")
        self.assertEqual((answer.status, answer.header("Allow")), (405, "DELETE, GET"))

    def test_unknown_message(self) -> None:
        """404 for a MessageSID that we don't have."""
        self.assertEqual(self.request("GET", "/msg-client/messages/SM1").status, 404)

    def test_our_fault(self) -> None:
        """500 in JSON, the reason in the log and not in the answer."""
        self.patch(self.writer, "put", None)
        answer = self.send(To="+923001234567", Body="hi")
        self.assertEqual((answer.status, answer.error["code"]), (500, "internal_error"))
        self.assertNotIn(b"NoneType", answer.body)
        self.assertEqual(len(self.flushLoggedErrors(TypeError)), 1)


@both_ways
class ReceiveCase(DoorCase):
    FIELDS = "From=%2B923001234567&To=8228&SmsSid=SM9"

    def test_nothing_is_said_before_the_commit(self) -> None:
        """Law 1: the provider has its 200 only when the text is on disk."""
        body = b"Body=hi&From=%2B1&To=2&SmsSid=in1"
        head = f"POST /receive HTTP/1.1\r\nHost: x\r\nContent-Type: {FORM}\r\nContent-Length: {len(body)}\r\n\r\n"
        transport = self.exchange(head.encode() + body, settle=False)
        self.assertEqual((transport.value(), self.events()), (b"", []))
        self.settle()
        self.assertEqual((Answer(transport.value()).status, len(self.events())), (200, 1))

    def test_received(self) -> None:
        """200 with an empty body after the commit; the text is an event of the incoming queue."""
        for path in ("/msg-client/receive", "/receive", "/msg-client/smpp/receive"):
            answer = self.form(path, f"Body=%D8%B3+hi&{self.FIELDS}{len(path)}")
            self.assertEqual((answer.status, answer.body), (200, b""), path)
        event = self.events()[0]
        self.assertEqual((event.kind, event.jms_type), (INCOMING_MESSAGE, "smpp"))
        expected = {"Body": "س hi", "From": "+923001234567", "To": "8228", "SmsSid": "SM919"}
        self.assertEqual(json.loads(event.body), expected)

    def test_repeated(self) -> None:
        """A repeated SmsSid is answered 200 and published once."""
        for _ in range(2):
            self.assertEqual(self.form("/receive", f"Body=hi&{self.FIELDS}").status, 200)
        self.assertEqual(len(self.events()), 1)

    def test_twilio(self) -> None:
        """MessageSid serves as SmsSid; Body may be empty; further fields are left alone."""
        body = "Body=&From=1&To=2&MessageSid=SM1&NumMedia=0&AccountSid=AC1"
        self.assertEqual(self.form("/receive", body).status, 200)

    def test_refusals(self) -> None:
        """Missing, empty, repeated and undecodable fields are a 400 that names them; nothing is written."""
        cases: list[tuple[bytes | str, str, str | None]] = [
            (self.FIELDS, "missing_field", "Body"),
            ("Body=hi&To=2&SmsSid=3", "missing_field", "From"),
            ("Body=hi&From=&To=2&SmsSid=3", "missing_field", "From"),
            ("Body=hi&From=1&SmsSid=3", "missing_field", "To"),
            ("Body=hi&From=1&To=2", "missing_field", "SmsSid"),
            ("Body=hi&From=1&To=2&SmsSid=3&From=4", "duplicate_field", "From"),
            ("Body=hi&From=1&To=2&SmsSid=a%00b", "invalid_field", "SmsSid"),
            ("Body=%FF&From=1&To=2&SmsSid=3", "wrong_encoding", None),
            (b"Body=\xff&From=1&To=2&SmsSid=3", "wrong_encoding", None),
            ("&".join(f"a{n}=1" for n in range(101)), "too_many_fields", None),
            ("", "missing_field", "Body"),
        ]
        for body, code, field in cases:
            answer = self.form("/receive", body)
            self.assertEqual((answer.status, answer.error["code"], answer.error["field"]), (400, code, field), body)
        self.assertEqual(self.events(), [])

    def test_wrong_content_type(self) -> None:
        """JSON or multipart where a form belongs is told so."""
        for kind in ("application/json", "multipart/form-data; boundary=x"):
            self.assertEqual(self.form("/receive", f"Body=x&{self.FIELDS}", kind).error["code"], "wrong_content_type")

    def test_unknown_channel(self) -> None:
        """404 for a channel that is not configured."""
        self.assertEqual(self.form("/msg-client/pigeon/receive", f"Body=x&{self.FIELDS}").status, 404)


@both_ways
class NotificationCase(DoorCase):
    def test_statuses(self) -> None:
        """Ends are reported once under the provider's id; progress is answered and reported never."""
        cases = [
            ("delivered", "DELIVERED"),
            ("undelivered", "FAILED"),
            ("failed", "FAILED"),
            ("queued", None),
            ("sent", None),
            ("Delivered", "DELIVERED"),
            ("canceled", "FAILED"),
            ("accepted", None),
        ]
        for number, (status, expected) in enumerate(cases):
            answer = self.form("/delivery-notification", f"MessageSid=SMx{number}&SmsStatus={status}")
            self.assertEqual((answer.status, answer.body), (200, b""), status)
            reports = {one["MessageSID"]: one for one in (json.loads(event.body) for event in self.events())}
            told = reports.get(f"SMx{number}")
            self.assertEqual(told and told["DeliveryStatus"], expected, status)
            if told:
                self.assertEqual(told["ProviderStatusCode"], status)

    def test_error_code(self) -> None:
        """ErrorCode, if there, is the ProviderStatusCode; MessageStatus serves as SmsStatus."""
        self.form("/msg-client/delivery-notification", "MessageSid=SM7&MessageStatus=failed&ErrorCode=30003")
        self.assertEqual(json.loads(self.events()[0].body)["ProviderStatusCode"], "30003")

    def test_refusals(self) -> None:
        """Missing fields and a status that nobody knows are a 400 that names the field."""
        for body, field in (
            ("SmsStatus=sent", "MessageSid"),
            ("MessageSid=SM1", "SmsStatus"),
            ("MessageSid=SM1&SmsStatus=lost", "SmsStatus"),
        ):
            answer = self.form("/delivery-notification", body)
            self.assertEqual((answer.status, answer.error["field"]), (400, field))


@both_ways
class EmptyKeyCase(DoorCase):
    keys = ("", "good")

    def test_nothing_is_no_key(self) -> None:
        """Not even where an empty key came to be among those configured."""
        body = '{"To": "+923001234567", "Body": "hi"}'
        self.assertEqual(self.request("POST", "/msg-client/send", body).status, 401)
        self.assertEqual(self.request("POST", "/msg-client/send", body, Authorization="Bearer ").status, 401)


@both_ways
class KeysCase(DoorCase):
    keys = ("first-key", "second-key")

    def test_needed(self) -> None:
        """With keys configured every route wants one; in any of the three forms."""
        body = '{"To": "+923001234567", "Body": "hi"}'
        answer = self.request("POST", "/msg-client/send", body)
        self.assertEqual((answer.status, answer.error["code"]), (401, "unauthorized"))
        for value in ("Bearer nokey", "Bearer", "Bearer ", "Basic", "Basic !!!", "Basic Og=="):
            self.assertEqual(self.request("POST", "/msg-client/send", body, Authorization=value).status, 401)
        basic = b64encode(b"user:first-key").decode()
        for headers in (
            {"Authorization": "Bearer second-key"},
            {"X_API_Key": "first-key"},
            {"Authorization": f"Basic {basic}"},
        ):
            self.assertEqual(self.request("POST", "/msg-client/send", body, **headers).status, 200, headers)
