"""The door for providers: who is let in, what is written, and what is answered when."""

import base64
import hashlib
import hmac
import json
from dataclasses import replace
from typing import Any, cast
from urllib.parse import urlencode

from twilio.request_validator import RequestValidator
from twisted.logger import ILogObserver, globalLogPublisher
from zope.interface import implementer

from smsconnector.access.keys import Caller
from smsconnector.channels.http.settings import HTTPChannelSection
from smsconnector.errors import InvalidRequest
from smsconnector.hook_sections import IncomingSection, NotificationSection, hooks_of
from smsconnector.hook_sections.verify import VERIFY_TYPES
from smsconnector.hooks.hook import Hooks
from smsconnector.http import replies
from smsconnector.http.answers import Answer, HTTPRequest
from smsconnector.http.auth import Access
from smsconnector.http.webhooks import Webhooks
from smsconnector.messages import Outcome, OutcomeOfParts, Segment, Verdict
from smsconnector.recurring import PERIOD
from smsconnector.store import operations as ops
from smsconnector.walks.receiver import Receiver
from smsconnector.wall_clock import WallClock
from tests.unit.fakes import EPOCH, SINK, ask, by_name, message
from tests.unit.http.test_handlers import HandlerCase

PUBLIC = "https://sms.example.org"
KEY = "the api key"
SECRET = "whsec_" + base64.b64encode(b"k" * 24).decode()
FORM = ("content-type", "application/x-www-form-urlencoded")
FORM_OCTETS = (FORM[0].encode(), FORM[1].encode())
BANDWIDTH = {
    "where": {"type": ["message-delivered", "message-failed"]},
    "id": "message.id",
    "status": "type",
    "code": "errorCode",
    "recipient": "to",
    "statuses": {"message-delivered": "delivered", "message-failed": "failed"},
}
BANDWIDTH_TEXTS = {
    "where": {"type": "message-received"},
    "from": "message.from",
    "text": "message.text",
    "id": "message.id",
}


def verify(**settings: Any) -> Any:
    return VERIFY_TYPES[settings["type"]].model_validate(settings)


def hooks(notification: Any = None, incoming: Any = None, **verified: Any) -> Hooks:
    return hooks_of(
        notification and NotificationSection.model_validate(notification),
        incoming and IncomingSection.model_validate(incoming),
        PUBLIC,
        verify(**verified) if verified else None,
    )


class DoorCase(HandlerCase):
    """``self.hooks`` are those of the channel ``prov``; ``smpp`` has none."""

    hooks: Hooks

    def setUp(self) -> None:
        super().setUp()
        self.lines: list[str] = []

        @implementer(ILogObserver)
        def heard(event: Any) -> None:
            if event.get("log_namespace", "").startswith("smsconnector.http"):
                self.lines.append(event["log_format"].format(**event))

        globalLogPublisher.addObserver(heard)
        self.addCleanup(globalLogPublisher.removeObserver, heard)

    def door(self, found: Hooks, default_channel: str = "smpp", *keys: str) -> Webhooks:
        return Webhooks(
            wall_clock=WallClock(self.now),
            channels={"smpp", "prov"},
            default_channel=default_channel,
            receiver=Receiver(self.writer),
            gate=self.gate,
            access=Access(keys, clock=self.clock),
            hooks={"prov": replace(found, public_url=PUBLIC)},
        )

    def events(self) -> list[Any]:
        return [json.loads(one.body) for one in ask(self.writer.store, [ops.LoadEvents(SINK, 0, 100)])[0]]

    def at_once(self, handler: Any, received: HTTPRequest) -> Answer:
        """The answer of a request that writes nothing."""
        answers: list[Answer] = []
        handler(received, answers.append)
        self.assertEqual((len(answers), self.writer.depth), (1, 0))
        return answers[0]


def post(
    body: bytes,
    *headers: tuple[str, str],
    channel: str = "prov",
    target: str = "/msg-client/prov/receive",
    method: str = "POST",
    peer: str = "192.0.2.7",
    fault: InvalidRequest | None = None,
    **arguments: str,
) -> HTTPRequest:
    named = by_name(tuple((name.encode(), value.encode()) for name, value in headers))
    path = target.partition("?")[0].encode()
    all_arguments = {"channel": channel, **arguments}
    return HTTPRequest(method.encode(), path, named, body, all_arguments, fault, target.encode(), peer)


def standard(body: bytes, now: int = int(EPOCH), secret: bytes = b"k" * 24) -> tuple[tuple[str, str], ...]:
    signature = base64.b64encode(hmac.new(secret, b"m1.%d.%s" % (now, body), hashlib.sha256).digest()).decode()
    return ("webhook-id", "m1"), ("webhook-timestamp", str(now)), ("webhook-signature", f"v1,{signature}")


class WhoMayCallCase(DoorCase):
    TEXT = b"Body=hi&From=%2B923001234567&To=8228&SmsSid=X1"

    def test_the_contract_s_form_verified(self) -> None:
        """A signature opens the door without a key; a wrong one gets 403 with JSON, is counted, and writes nothing. So
        does an API key alone, and no signature."""
        door = self.door(hooks(type="standard-webhooks", secrets=SECRET))
        good = post(self.TEXT, FORM, *standard(self.TEXT))
        self.assertEqual(self.answer_to(door.receive, good), Answer(200, (), b""))
        self.assertEqual(len(self.events()), 1)
        for bad in (
            post(self.TEXT, FORM, *standard(self.TEXT + b"x")),
            post(self.TEXT, FORM, *standard(self.TEXT, secret=b"other")),
            post(self.TEXT, FORM, *standard(self.TEXT, int(EPOCH) - 301)),
            post(self.TEXT, FORM, ("x-api-key", KEY)),
            post(self.TEXT, FORM),
        ):
            error = self.refused(door.receive, bad)
            self.assertEqual((error.status, error.code), (403, "not_verified"))
        self.assertEqual(door.counts(), {"webhooks": {"prov": {"refused": 5}}})
        self.assertEqual(len(self.events()), 1)

    def test_a_channel_without_hooks_needs_the_key(self) -> None:
        """As ever: and so does one that has a form of its own, but says nothing of who may call."""
        signed = standard(self.TEXT)
        door = self.door(hooks(BANDWIDTH, BANDWIDTH_TEXTS), "smpp", KEY)
        route = next(one for one in door.routes() if one.handler == door.receive)
        for channel in ("smpp", "prov"):
            self.assertTrue(door.needs_key(route, post(self.TEXT, FORM, *signed, channel=channel)))
            error = self.refused(door.receive, post(self.TEXT, FORM, *signed, channel=channel))
            self.assertEqual((error.status, error.code), (401, "unauthorized"))
        keyed = post(self.TEXT, FORM, channel="smpp")._replace(caller=Caller("a key"))
        self.assertEqual(self.answer_to(door.receive, keyed).status, 200)
        self.assertEqual(door.counts(), {})

    def test_twilio_signs_the_url_that_came(self) -> None:
        """The public URL and the path and query of the request as they came, escaped as they were."""
        door = self.door(hooks(type="twilio", tokens="12345"))
        fields = {"Body": "h\u00e9", "From": "+14155550100", "To": "+15005550006", "SmsSid": "SM1", "FromCity": ""}
        for target in ("/msg-client/prov/receive", "/msg-client/prov/receive?b=%7e&a=1", "/msg-client/%70rov/receive"):
            signature = RequestValidator("12345").compute_signature(PUBLIC + target, fields)
            good = post(urlencode(fields).encode(), FORM, ("x-twilio-signature", signature), target=target)
            self.assertEqual(self.answer_to(door.receive, good).status, 200, target)
            bad = good._replace(target=b"/msg-client/prov/receive?c")
            self.assertEqual(self.refused(door.receive, bad).status, 403)

    def test_the_paths_without_a_name(self) -> None:
        """/receive is of http.webhook_channel, and what that says of its provider holds there too."""
        door = self.door(hooks(type="twilio", tokens="12345"), default_channel="prov")
        fields = {"Body": "x", "From": "+14155550100", "To": "+1500", "SmsSid": "SM1"}
        for target in ("/receive", "/msg-client/receive"):
            signature = RequestValidator("12345").compute_signature(PUBLIC + target, fields)
            good = post(urlencode(fields).encode(), FORM, ("x-twilio-signature", signature), target=target)
            good = good._replace(arguments={})
            self.assertEqual(self.answer_to(door.receive, good).status, 200, target)
            keyed = good._replace(headers=by_name((FORM_OCTETS, (b"x-api-key", KEY.encode()))))
            self.assertEqual(self.refused(door.receive, keyed).status, 403, target)

    def test_a_page_in_a_browser_is_still_refused(self) -> None:
        """A verifier of networks alone would else let in every page that somebody in them looks at."""
        door = self.door(hooks(type="networks", networks="192.0.2.0/24"))
        self.assertEqual(self.answer_to(door.receive, post(self.TEXT, FORM)).status, 200)
        error = self.refused(door.receive, post(self.TEXT, FORM, ("origin", "https://evil.example"), ("host", "a")))
        self.assertEqual(error.code, "foreign_origin")
        self.assertEqual(self.refused(door.receive, post(self.TEXT, FORM, peer="198.51.100.1")).status, 403)

    def test_a_secret_in_the_path(self) -> None:
        """The last part of the path; our own MessageSID may stand before it."""
        door = self.door(hooks(type="secret", secrets="s3cret", place={"path": True}))
        target = "/msg-client/prov/receive/s3cret"
        self.assertEqual(
            self.answer_to(door.receive, post(self.TEXT, FORM, target=target, secret="s3cret")).status, 200
        )
        self.assertEqual(
            self.refused(door.receive, post(self.TEXT, FORM, target=target[:-1], secret="s3cre")).status, 403
        )
        status = b"MessageSid=theirs&SmsStatus=delivered"
        base = "/msg-client/prov/delivery-notification"
        for target, arguments, sid in (
            (f"{base}/s3cret", {"sid": "s3cret"}, "theirs"),
            (f"{base}/SMours/s3cret", {"sid": "SMours", "secret": "s3cret"}, "SMours"),
        ):
            received = post(status, FORM, target=target)._replace(arguments={"channel": "prov", **arguments})
            self.assertEqual(self.answer_to(door.delivery_notification, received).status, 200)
            self.assertEqual(self.events()[-1]["MessageSID"], sid)

    def test_few_lines_and_no_secret(self) -> None:
        """A thousand wrong requests make two lines, with their number and the reason, and none of their values."""
        door = self.door(hooks(type="secret", secrets="s3cret", place={"query": "key"}))
        for number in range(1_000):
            target = f"/msg-client/prov/receive?key=wrong{number}"
            self.refused(door.receive, post(self.TEXT, FORM, target=target))
        self.clock.advance(PERIOD)
        refused = "of the channel prov refused: the secret is wrong"
        self.assertEqual(
            self.lines,
            [
                f"1 webhook requests or records {refused}",
                f"999 more webhook requests or records in the last minute {refused}",
            ],
        )
        for line in self.lines:
            self.assertNotRegex(line, "s3cret|wrong[0-9]|9230")
        self.assertEqual(door.counts(), {"webhooks": {"prov": {"refused": 1_000}}})

    def test_a_body_that_is_too_long(self) -> None:
        """413 before anything is verified: there is no body that could be."""
        door = self.door(hooks(type="standard-webhooks", secrets=SECRET))
        fault = InvalidRequest("body_too_large", "x", status=413)
        self.assertEqual(self.refused(door.receive, post(b"", fault=fault)).status, 413)

    def test_methods(self) -> None:
        """GET where the channel's provider uses it; else 405 with what is allowed, as before."""
        for found, method, allowed in (
            (hooks(), "GET", "POST"),
            (hooks({**BANDWIDTH, "method": "GET"}), "POST", "GET"),
            (hooks({**BANDWIDTH, "method": ["GET", "POST"]}), "HEAD", "GET, POST"),
        ):
            received = post(b"", method=method, target="/x?id=1")
            error = self.refused(self.door(found).delivery_notification, received)
            self.assertEqual((error.status, error.headers), (405, ((b"Allow", allowed.encode()),)))

    def test_a_probe(self) -> None:
        """A bare GET is answered as all others are, unsigned, where the channel has a provider."""
        found = hooks({**BANDWIDTH, "answer": "ACK/Jasmin"}, type="standard-webhooks", secrets=SECRET)
        answer = self.at_once(self.door(found).delivery_notification, post(b"", method="GET"))
        self.assertEqual(answer, Answer(200, ((b"Content-Type", b"text/plain"),), b"ACK/Jasmin"))
        self.assertEqual(self.refused(self.door(hooks()).receive, post(b"", method="GET")).status, 405)


class WhatIsToldCase(DoorCase):
    """With hooks, and an API key."""

    def say(self, door: Webhooks, data: Any, kind: str = "delivery_notification", **more: Any) -> Answer:
        body = data if isinstance(data, bytes) else json.dumps(data).encode()
        return self.answer_to(getattr(door, kind), post(body, ("x-api-key", KEY), **more))

    def accepted(self, sid: str, first: int = 1) -> Segment:
        """A message of ours; returns its segment."""
        one = message(sid, "hello")
        ask(self.writer.store, [ops.Accept(one, first, "prov")])
        (segment,) = ask(self.writer.store, [ops.LoadSegments("prov", first - 1, 1)])[0]
        return cast(Segment, segment)

    def taken(self, segment: Segment, smsc_id: str) -> None:
        """The provider's answer to our request."""
        outcome = Outcome(segment, Verdict.ACCEPTED, "prov", smsc_id)
        ask(self.writer.store, [ops.Record(((outcome, 0),), int(EPOCH) * 1000)])

    def test_a_list_in_one_commit(self) -> None:
        """All receipts and texts of a request are put at once; the answer comes after, and has the wanted form."""
        door = self.door(
            hooks({**BANDWIDTH, "answer": {"status": 202, "content_type": "text/xml", "body": "<R/>"}}, BANDWIDTH_TEXTS)
        )
        data = [
            {"type": "message-delivered", "to": "+1", "message": {"id": "b1"}},
            {"type": "message-failed", "errorCode": 4720, "to": "+2", "message": {"id": "b2"}},
            {"type": "message-failed"},
            {"type": "message-of-next-year"},
            {"type": "message-received", "message": {"id": "b5", "from": "+3", "text": "Hey"}},
        ]
        answer = self.say(door, data)
        self.assertEqual(answer, Answer(202, ((b"Content-Type", b"text/xml"),), b"<R/>"))
        self.assertEqual([one["Body"] for one in self.events()], ["Hey"])
        self.assertEqual(self.parked(), [("b1", "prov"), ("b2", "prov")])
        self.assertEqual(door.counts(), {"webhooks": {"prov": {"unreadable": 1}}})
        self.say(door, data)  # a repeat
        self.assertEqual(len(self.events()), 1)

    def parked(self) -> list[Any]:
        rows = self.writer.store._connection.execute("SELECT DISTINCT smsc_id, account FROM parked_receipt ORDER BY 1")
        return [tuple(row) for row in rows]

    def test_a_notification_before_our_answer(self) -> None:
        """It is parked and not reported, for the provider's answer to our own request may still come. In the contract's
        form it is reported at once, under the id that it names."""
        door = self.door(hooks({"id": "id", "status": "status"}))
        self.assertEqual(self.say(door, {"id": "p1", "status": "delivered"}).status, 200)
        self.assertEqual((self.events(), self.parked()), ([], [("p1", "prov")]))
        contract = self.door(hooks(type="networks", networks="192.0.2.0/24"))
        self.say(contract, b"MessageSid=q1&SmsStatus=delivered")
        self.assertEqual([one["MessageSID"] for one in self.events()], ["q1"])

    def test_the_contract_s_form_to_a_channel_that_sends(self) -> None:
        """A channel that sends by HTTP itself waits for its provider's answer in that form too: else a report that is
        faster than our answer would be told under the provider's id, and ours would never end."""
        section = HTTPChannelSection.model_validate({"type": "http", "request": {"url": "https://prov.example"}})
        found = section.hooks(PUBLIC, "/msg-client/prov")
        assert found is not None
        door = self.door(found)
        segment = self.accepted("SMours")
        self.say(door, b"MessageSid=q1&SmsStatus=failed&ErrorCode=7")
        self.assertEqual((self.events(), self.parked()), ([], [("q1", "prov")]))
        self.taken(segment, "q1")
        wanted = {"MessageSID": "SMours", "DeliveryStatus": "FAILED", "ProviderStatusCode": "7"}
        self.assertEqual(self.events(), [wanted])
        self.refused(door.delivery_notification, post(b"MessageSid=q1&SmsStatus=odd", ("x-api-key", KEY)))

    def test_a_path_for_the_reports_of_all_parts(self) -> None:
        """Vonage calls the callback of the text once for each part that it has made of it: both ids count then, in its
        form and in the contract's. Where one report is about all, or one id is all that the answer has, the path does
        alone."""
        request = {"url": "https://prov.example", "json": {"to": "{{to}}", "callback": "{{callback_url}}"}}
        base = {"type": "http", "request": request, "id": {"json": "messages.*.message-id"}}
        own_form = {"notification": {"id": "messageId", "status": "status"}}
        cases: list[tuple[dict[str, Any], bool]] = [
            (base | own_form, False),
            (base, False),
            (base | own_form | {"reports": "one"}, True),
            (base | own_form | {"id": {"json": "id"}}, True),
            (base | {"id": "own"}, True),
        ]
        for at, (written, ends_all) in enumerate(cases):
            section = HTTPChannelSection.model_validate(written)
            found = section.hooks(PUBLIC, "/msg-client/prov")
            assert found is not None
            self.writer.store._of_several = set(section.several_ids("prov"))
            sid = f"SM{at:032x}"
            segment = self.accepted(sid, at + 1)
            for part in ("1", "2"):
                said: Any = {"messageId": f"{at}{part}", "status": "delivered"}
                if "notification" not in written:
                    said = f"MessageSid={at}{part}&SmsStatus=delivered".encode()
                self.say(self.door(found), said, sid=sid)
            self.assertEqual(len(self.events()) == at + 1, ends_all, written)
            outcome = OutcomeOfParts(segment, Verdict.ACCEPTED, "prov", f"{at}1", other_ids=(f"{at}2", f"{at}3"))
            ask(self.writer.store, [ops.Record(((outcome, 0),), int(EPOCH) * 1000)])
            self.assertEqual(len(self.events()) == at + 1, ends_all, written)
            if not ends_all:
                said = {"messageId": f"{at}3", "status": "delivered"}
                if "notification" not in written:
                    said = f"MessageSid={at}3&SmsStatus=delivered".encode()
                self.say(self.door(found), said, sid=sid)
            self.assertEqual(len(self.events()), at + 1, written)

    def test_a_part_by_the_path(self) -> None:
        """The path of a part that we cut ends that part, in the provider's form and in the contract's, before and after
        the provider's answer."""
        forms: list[tuple[Hooks, Any]] = [
            (hooks({"id": "id", "status": "status"}), {"id": "p2", "status": "delivered"}),
            (hooks(type="networks", networks="192.0.2.0/24"), b"MessageSid=p2&SmsStatus=delivered"),
        ]
        for at, (found, said) in enumerate(forms):
            sid, first = f"SM{at:032x}", 1 + at * 3
            parts = ask(self.writer.store, [ops.Accept(message(sid, "a", "b", "c"), first, "prov")])
            parts = ask(self.writer.store, [ops.LoadSegments("prov", first - 1, 3)])[0]
            self.taken(parts[2], f"answered {at}")
            for number in (3, 2):
                self.say(self.door(found), said, sid=f"{sid}-{number}")
            self.assertEqual((self.events(), self.parked()), ([], []))
            (shown,) = ask(self.writer.store, [ops.Find(sid)])
            self.assertEqual([one.state for one in shown.segments], [0, 3, 3])

    def test_the_answer_comes_after_all(self) -> None:
        """A notification that was before the answer to our request is matched when that comes (Twilio's callbacks do
        so; public bug reports on gateways)."""
        door = self.door(hooks({"id": "id", "status": "status", "code": "code"}))
        segment = self.accepted("SMours")
        self.say(door, {"id": "t1", "status": "failed", "code": 30003})
        self.assertEqual(self.events(), [])
        self.taken(segment, "t1")
        wanted = {"MessageSID": "SMours", "DeliveryStatus": "FAILED", "ProviderStatusCode": "30003"}
        self.assertEqual(self.events(), [wanted])

    def test_any_order_and_repeats(self) -> None:
        """delivered before sent; failed twice, the second without a code: one report, and the code is kept
        (twilio-csharp#633, chatwoot#14149)."""
        door = self.door(hooks({"id": "id", "status": "status", "code": "code"}))
        for first, sid, said in (
            (1, "SMa", [("delivered", ""), ("sent", ""), ("delivered", ""), ("failed", "9")]),
            (2, "SMb", [("failed", "30008"), ("failed", ""), ("delivered", "")]),
        ):
            self.taken(self.accepted(sid, first), f"their {sid}")
            for status, code in said:
                body = json.dumps({"id": f"their {sid}", "status": status, "code": code}).encode()
                door.delivery_notification(post(body, ("x-api-key", KEY)), lambda answer: None)
                self.clock.advance(0)
        self.assertEqual(
            [(one["MessageSID"], one["DeliveryStatus"], one["ProviderStatusCode"]) for one in self.events()],
            [("SMa", "DELIVERED", "delivered"), ("SMb", "FAILED", "30008")],
        )

    def test_our_own_id_in_the_path(self) -> None:
        """The MessageSID of the callback URL finds the message, before the provider's answer too."""
        door = self.door(hooks({"id": "id", "status": "status"}))
        self.accepted("SMours")
        self.say(door, {"id": "theirs", "status": "delivered"}, sid="SMours")
        self.assertEqual([one["MessageSID"] for one in self.events()], ["SMours"])

    def test_one_id_for_several_numbers(self) -> None:
        """Sinch's batch has one id; its number tells the message."""
        door = self.door(hooks({"id": "batch_id", "status": "status", "recipient": "recipient"}))
        for first, sid, number in ((1, "SMa", "923001234567"), (2, "SMb", "923007654321")):
            one = message(sid, "hello", to=number)
            ask(self.writer.store, [ops.Accept(one, first, "prov")])
            (segment,) = ask(self.writer.store, [ops.LoadSegments("prov", first - 1, 1)])[0]
            self.taken(segment, "batch")
        self.say(door, {"batch_id": "batch", "recipient": "+923007654321", "status": "delivered"})
        self.say(door, {"batch_id": "batch", "recipient": "923001234567", "status": "failed"})
        told = [(one["MessageSID"], one["DeliveryStatus"]) for one in self.events()]
        self.assertEqual(told, [("SMb", "DELIVERED"), ("SMa", "FAILED")])

    def test_progress_needs_no_commit(self) -> None:
        """An unknown word is progress, is counted and told once with its channel, and is answered at once with 2xx."""
        door = self.door(hooks({"id": "id", "status": "status"}))
        for status in ("sent", "sparkling", "Sparkling"):
            body = json.dumps({"id": "1", "status": status}).encode()
            received = post(body, ("x-api-key", KEY))
            self.assertEqual(self.at_once(door.delivery_notification, received).status, 200)
        self.assertEqual(door.counts(), {"webhooks": {"prov": {"unknown_words": 2}}})
        self.assertIn("sparkling", self.lines[0])

    def test_the_contract_s_own_form_keeps_its_400(self) -> None:
        """An unknown word there is a mistake."""
        error = self.refused(
            self.door(hooks()).delivery_notification,
            post(b"MessageSid=1&SmsStatus=sparkling", FORM, ("x-api-key", KEY), channel="smpp"),
        )
        self.assertEqual((error.status, error.field), (400, "SmsStatus"))

    def test_nothing_can_be_read(self) -> None:
        """400 with a sentence that names the field, counted."""
        door = self.door(hooks({"id": "data.id", "status": "status"}))
        for body in (b"{", b"{}", b'{"status": "delivered"}', b"<a>"):
            error = self.refused(door.delivery_notification, post(body, ("x-api-key", KEY)))
            self.assertEqual((error.status, error.code), (400, "unreadable"), body)
        self.assertEqual(door.counts(), {"webhooks": {"prov": {"unreadable": 4}}})

    def test_the_store_fails(self) -> None:
        """503, whatever answer is wanted: the provider has to say it again."""
        self.writer.broken = True
        door = self.door(hooks({"id": "id", "status": "status", "answer": {"status": 204}}))
        self.assertEqual(self.say(door, {"id": "1", "status": "failed"}), replies.STORE_FAILED)
        self.assertEqual(len(self.gate.failures), 1)

    def test_a_charset_that_is_wrong(self) -> None:
        """A text is not lost because the provider names an alphabet that there is not, or another than it writes."""
        door = self.door(hooks(None, {"from": "f", "text": "t", "id": "i"}))
        for number, (kind, octets, text) in enumerate(
            (
                ("application/x-www-form-urlencoded; charset=klingon", b"t=%C3%BC", "\u00fc"),
                ("application/x-www-form-urlencoded; charset=iso-8859-1", b"t=%FC", "\u00fc"),
                ("application/x-www-form-urlencoded", b"t=%FC", "\ufffd"),
                ("application/x-www-form-urlencoded", b"t=\xff", "\ufffd"),
            )
        ):
            body = b"f=1&i=%d&" % number + octets
            received = post(body, ("content-type", kind), ("x-api-key", KEY))
            self.assertEqual(self.answer_to(door.receive, received).status, 200, kind)
            self.assertEqual(self.events()[-1]["Body"], text, kind)

    def test_parts_are_joined(self) -> None:
        """In any order, with a repeat; one event."""
        part = {"reference": "ref", "total": "n", "number": "k"}
        door = self.door(hooks(None, {"from": "f", "text": "t", "part": part}))
        for number, text in ((2, "b"), (1, "a"), (2, "b"), (3, "c"), (3, "c")):
            self.say(door, {"f": "1", "t": text, "ref": "long ref", "n": 3, "k": number}, "receive")
        self.assertEqual([one["Body"] for one in self.events()], ["abc"])
