"""The handlers without a server: octets and headers in, an Answer out."""

import json
from functools import partial
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.errors import InvalidRequest
from smsconnector.http import replies, resources, send
from smsconnector.http.answers import Answer, Handler, HTTPRequest
from smsconnector.http.auth import Access
from smsconnector.http.health import HealthDoor
from smsconnector.http.messages import Messages
from smsconnector.http.send import Send
from smsconnector.http.webhooks import Webhooks
from smsconnector.sms.segmentation import segment
from smsconnector.store import operations as ops
from smsconnector.store.store import Store
from smsconnector.walks.backlog import StoreBacklog
from smsconnector.walks.cancelling import Cancelling
from smsconnector.walks.outlet import Outlet
from smsconnector.walks.receiver import Receiver
from smsconnector.walks.retry_policy import RetryPolicy
from smsconnector.walks.submitter import Submitter
from smsconnector.wall_clock import WallClock
from tests.unit.fakes import EPOCH, SINK, DirectWriter, FakeChannel, FakeGate, ask, by_name

GOOD = b'{"To": "+923001234567", "Body": "hi"}'
FORM = (b"content-type", b"application/x-www-form-urlencoded")
JSON = (b"Content-Type", b"application/json")


def request(body: bytes = b"", *headers: tuple[bytes, bytes], **arguments: str) -> HTTPRequest:
    """A request with these headers (names in any case) and arguments of its path."""
    return HTTPRequest(b"POST", b"/x", by_name(headers), body, arguments)


class HandlerCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock, self.gate = Clock(), FakeGate()
        self.writer = DirectWriter(self.clock, Store(":memory:"))
        self.addCleanup(self.writer.store.close)
        self.sids: list[str] = []  # of the messages that were accepted
        self.patch(send, "new_sid", self.new_sid)

    def new_sid(self, _now_ms: int) -> str:
        self.sids.append(f"SM{len(self.sids):032x}")
        return self.sids[-1]

    def now(self) -> float:
        return EPOCH + self.clock.seconds()

    def submitter(self, queue: str) -> Submitter:
        backlog = StoreBacklog(queue, self.writer, self.writer, clock=self.clock, wall_clock=WallClock(self.now))
        made = Submitter(self.clock, WallClock(self.now), backlog, FakeChannel(), policy=RetryPolicy())
        made.startService()
        self.clock.advance(0)
        return made

    def answer_to(self, handler: Handler, received: HTTPRequest) -> Answer:
        """The one answer, which was not there before the commit."""
        answers: list[Answer] = []
        handler(received, answers.append)
        self.assertEqual(answers, [], "answered before the commit")
        self.clock.advance(0)
        self.assertEqual(len(answers), 1)
        return answers[0]

    def refused(self, handler: Handler, received: HTTPRequest) -> InvalidRequest:
        """What it raised; it has neither answered nor written."""
        answers: list[Answer] = []
        error = self.assertRaises(InvalidRequest, handler, received, answers.append)
        self.assertEqual((answers, self.writer.depth), ([], 0))
        return error  # type: ignore[no-any-return]


class SendCase(HandlerCase):
    def setUp(self) -> None:
        super().setUp()
        channel = FakeChannel()
        channel.cut = partial(segment, maximum_segments=2)
        outlets = {
            "smpp": Outlet(channel, {"": self.submitter("smpp")}, 3600),
            "pk": Outlet(FakeChannel(), {"92": self.submitter("pk/92")}, 60),
        }
        self.send = Send(
            wall_clock=WallClock(self.now),
            outlets=outlets,
            default_channel="smpp",
            gate=self.gate,
            reader=self.writer,
            messages_path="/base/messages/",
        )

    def test_accepted(self) -> None:
        """200 with the MessageSID, the place of the message, and what made it cost more; no body."""
        cases = [
            (GOOD, ()),
            ('{"To": "+923001234567", "Body": "it’s"}'.encode(), ((b"X-UCS2-Because", b"U+2019"),)),
        ]
        for body, more in cases:
            answer = self.answer_to(self.send.post, request(body))
            sid = self.sids[-1].encode()
            basic = ((b"X-Message-SID", sid), (b"Location", b"/base/messages/" + sid))
            self.assertEqual(answer, Answer(200, basic + more, b""))

    def test_expiry(self) -> None:
        """The lifetime (s) is the channel's; a ValidityPeriod (s) makes it shorter, never longer."""
        for fields, seconds in (
            ({}, 3600),
            ({"ValidityPeriod": 90}, 90),
            ({"ValidityPeriod": 7200}, 3600),
            ({"channel": "pk"}, 60),
        ):
            body = json.dumps({"To": "+923001234567", "Body": "hi"} | fields).encode()
            answer = self.answer_to(self.send.post, request(body, (b"prefer", b"return=representation")))
            found = json.loads(answer.body)
            self.assertEqual(found["AcceptedAt"], resources.timestamp(int(self.now() * 1000)))
            self.assertEqual(found["ExpiresAt"], resources.timestamp(int((self.now() + seconds) * 1000)), fields)
            self.assertEqual(found["channel"], fields.get("channel", "smpp"))

    def test_representation(self) -> None:
        """Prefer: return=representation, whichever of the headers Prefer says it, gives the message in JSON."""
        for headers in (
            [(b"prefer", b"return=representation")],
            [(b"prefer", b"respond-async"), (b"prefer", b"wait=1, return=representation")],
        ):
            answer = self.answer_to(self.send.post, request(GOOD, *headers))
            self.assertEqual(answer.headers[-2:], ((b"Preference-Applied", b"return=representation"), JSON))
            self.assertEqual(json.loads(answer.body)["MessageSID"], self.sids[-1])
        self.assertEqual(self.answer_to(self.send.post, request(GOOD, (b"prefer", b"return=minimal"))).body, b"")

    def test_refused(self) -> None:
        """What is wrong with the body is raised, with the field's name, before anything is written."""
        cases: list[tuple[bytes, str, str | None]] = [
            (b"", "malformed_json", None),
            (b'{"Body": "hi"}', "missing_field", "To"),
            (b'{"To": "nobody", "Body": "hi"}', "invalid_number", "To"),
            (GOOD[:-1] + b', "channel": "pigeon"}', "unknown_channel", "channel"),
            (b'{"To": "4912345678", "Body": "hi", "channel": "pk"}', "unroutable_number", "To"),
            (b'{"To": "+923001234567", "Body": "' + b"x" * 400 + b'"}', "too_many_segments", "Body"),
        ]
        for body, code, field in cases:
            error = self.refused(self.send.post, request(body))
            self.assertEqual((error.status, error.code, error.field), (400, code, field))

    def test_closed_gate(self) -> None:
        """While the gate is closed the body is not even read."""
        self.gate.reason = "The disk is nearly full."
        for body in (GOOD, b"{"):
            error = self.refused(self.send.post, request(body))
            self.assertEqual((error.status, error.code), (503, "overloaded"))
            self.assertIn(self.gate.reason, error.message)

    def test_store_fails(self) -> None:
        """503, and the gate is told, so that it closes."""
        self.writer.broken = True
        self.assertEqual(self.answer_to(self.send.post, request(GOOD)), replies.STORE_FAILED)
        self.assertEqual(len(self.gate.failures), 1)


class WebhooksCase(HandlerCase):
    TEXT = b"Body=hi&From=%2B923001234567&To=8228&SmsSid="
    STATUS = b"SmsStatus=delivered&MessageSid="

    def setUp(self) -> None:
        super().setUp()
        receiver = Receiver(self.writer)
        self.webhooks = Webhooks(
            wall_clock=WallClock(self.now),
            channels={"smpp", "twilio"},
            default_channel="other",
            receiver=receiver,
            gate=self.gate,
            access=Access(()),
            hooks={},
        )
        self.handlers = ((self.webhooks.receive, self.TEXT), (self.webhooks.delivery_notification, self.STATUS))

    def test_channels(self) -> None:
        """The event is of the channel that the path names, or of the default one."""
        cases: list[tuple[dict[str, str], str]] = [
            ({}, "other"),
            ({"channel": "other"}, "other"),
            ({"channel": "twilio"}, "twilio"),
        ]
        for handler, form in self.handlers:
            for number, (arguments, channel) in enumerate(cases):
                received = request(form + b"SM%d" % number, FORM, **arguments)
                self.assertEqual(self.answer_to(handler, received), Answer(200, (), b""))
                (event,) = ask(self.writer.store, [ops.LoadEvents(SINK, 0, 100)])[0][-1:]
                self.assertEqual(event.jms_type, channel)

    def test_refused(self) -> None:
        """Another channel is 404; a form that is none, or has not all fields, is 400. Nothing is written."""
        for handler, form in self.handlers:
            cases: list[tuple[HTTPRequest, int, str]] = [
                (request(form + b"SM1", FORM, channel="pigeon"), 404, "not_found"),
                (request(form, FORM), 400, "missing_field"),
                (request(form + b"SM1", (b"content-type", b"application/json")), 400, "wrong_content_type"),
                (request(form + b"\xff", FORM), 400, "wrong_encoding"),
            ]
            for received, status, code in cases:
                error = self.refused(handler, received)
                self.assertEqual((error.status, error.code), (status, code))

    def test_content_type(self) -> None:
        """No Content-Type is taken for the right one; octets that are no text are not."""
        self.assertEqual(self.answer_to(self.webhooks.receive, request(self.TEXT + b"1")).status, 200)
        error = self.refused(self.webhooks.receive, request(self.TEXT + b"1", (b"content-type", b"\xff")))
        self.assertEqual(error.code, "wrong_content_type")

    def test_store_fails(self) -> None:
        """503, so that the provider comes again; the gate is told."""
        self.writer.broken = True
        for handler, form in self.handlers:
            self.assertEqual(self.answer_to(handler, request(form + b"SM1", FORM)), replies.STORE_FAILED)
        self.assertEqual(len(self.gate.failures), 2)


class LookUpCase(HandlerCase):
    def test_message(self) -> None:
        """404 if there is none, 200 with the message if there is, 503 if the store can't say."""
        outlets = {"smpp": Outlet(FakeChannel(), {"": self.submitter("smpp")}, 3600)}
        cancelling = Cancelling(WallClock(self.now), self.writer, self.writer, outlets)
        messages = Messages(reader=self.writer, outlets=outlets, cancelling=cancelling, path="/messages")
        self.assertEqual(self.answer_to(messages.one, request(sid="SM1")).status, 404)
        door = Send(
            wall_clock=WallClock(self.now),
            outlets=outlets,
            default_channel="smpp",
            gate=self.gate,
            reader=self.writer,
            messages_path="/messages/",
        )
        self.answer_to(door.post, request(GOOD))
        ask = request(sid=self.sids[-1])
        answer = self.answer_to(messages.one, ask)
        self.assertEqual((answer.status, answer.headers), (200, (JSON,)))
        self.assertEqual(json.loads(answer.body)["Body"], "hi")
        self.writer.broken = True
        answered = self.answer_to(messages.one, ask)
        self.assertEqual((answered.status, dict(answered.headers)[b"Retry-After"]), (503, b"5"))
        error = json.loads(answered.body)["error"]
        self.assertEqual(error["code"], "unavailable")
        self.assertIn("can't be read now", error["message"])
        self.assertNotIn("accepted", error["message"], "a GET has nothing that could be accepted")

    def test_health(self) -> None:
        """200 while texts are accepted, else 503 with the reason and without Retry-After; answered at once."""
        door = HealthDoor(gate=self.gate, details=lambda: {"binds": 2})
        for reason, status in (("", 200), ("The disk is full.", 503)):
            self.gate.reason = reason
            answers: list[Answer] = []
            door.health(request(), answers.append)
            said: Any = {"accepting": not reason, "reason": reason or None, "binds": 2}
            self.assertEqual(
                [(one.status, one.headers, json.loads(one.body)) for one in answers], [(status, (JSON,), said)]
            )
