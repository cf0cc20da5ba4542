"""What an event looks like as a webhook, and what an answer means."""

import json
from datetime import UTC, datetime

from standardwebhooks.webhooks import Webhook, WebhookVerificationError
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.messages import Event, IncomingSegment
from smsconnector.net.http_client import HTTPReply
from smsconnector.sinks.webhook.answers import Kind, meaning_of
from smsconnector.sinks.webhook.lanes import Delivery, Lanes
from smsconnector.sinks.webhook.message import LONGEST_ID, body_of, headers_of, number_of, webhook_id
from smsconnector.store.events import EventRow, incoming_event, report_event
from tests.unit.sinks.webhook.stage import CREATED_MS, SECRET, report, text

NOW = 1_767_225_600.0  # 2026-01-01, a Thursday


class BodyCase(SynchronousTestCase):
    def event(self, row: EventRow) -> Event:
        return Event(1, row.event_id, row.kind, row.jms_type, row.body, 0, row.created_at)

    def test_report(self) -> None:
        """Type, time and data; data is what a queue gets, and the channel."""
        body = body_of(self.event(report_event("SM1", "smpp", True, "000", CREATED_MS)))
        self.assertEqual(
            json.loads(body),
            {
                "type": "message.report",
                "timestamp": "2026-01-01T00:00:00.123Z",
                "data": {
                    "MessageSID": "SM1",
                    "DeliveryStatus": "DELIVERED",
                    "ProviderStatusCode": "000",
                    "channel": "smpp",
                },
            },
        )

    def test_text(self) -> None:
        """The same for a text, whatever stands in it: it is ASCII, and its own words stay as they are."""
        for said in ("héllo 😀\x00\u2028", '"}, "channel": "x"', "\\", "\ud83d", "%s{0}\r\n"):
            part = IncomingSegment("ch.1 ŝ", "a", "+46701", "8228", said, CREATED_MS, sid="S1")
            found = json.loads(body_of(self.event(incoming_event(part, said))))
            self.assertEqual(found["type"], "message.incoming")
            self.assertEqual(
                found["data"], {"Body": said, "From": "+46701", "To": "8228", "SmsSid": "S1", "channel": "ch.1 ŝ"}
            )

    def test_about(self) -> None:
        """What stands in a broker's headers stands beside the data's own words."""
        event = Event(1, "dr-1", "delivery_report", "smpp", '{"a": 1}', headers='{"Reference": "order 5"}')
        data = json.loads(body_of(event))["data"]
        self.assertEqual(data, {"a": 1, "channel": "smpp", "about": {"Reference": "order 5"}})

    def test_odd_times(self) -> None:
        """A stamp of a clock that was wrong is told as it is, or at the edge of what can be written."""
        for stamp, said in (
            (0, "1970-01-01T00:00:00.000Z"),
            (-5, "1970-01-01T00:00:00.000Z"),
            (1 << 62, "9999-12-31T23:59:59.000Z"),
        ):
            event = Event(1, "dr-1", "delivery_report", "smpp", '{"a": 1}', 0, stamp)
            self.assertEqual(json.loads(body_of(event))["timestamp"], said)

    def test_no_object(self) -> None:
        """What is no JSON object is not sent: retention has dropped it, or somebody else has written it."""
        for body in ("", "[]", "{}", "null", '"x"'):
            self.assertRaises(ValueError, body_of, Event(1, "dr-1", "delivery_report", "smpp", body))

    def test_numbers(self) -> None:
        """A text has its sender's, with a plus or without; a report stands for itself."""
        self.assertEqual({number_of(text(1, one)) for one in ("+46701", "46701", " 46701 ")}, {"46701"})
        self.assertEqual(number_of(report(7)), "dr-SM7")
        self.assertEqual(number_of(Event(1, "in/x", "incoming_message", "smpp", '{"Body": "no sender"}')), "in/x")


class IdCase(SynchronousTestCase):
    def test_ids(self) -> None:
        """Characters that a header may have, no full stop, never twice the same, never too long."""
        ids = (
            "dr-SM1",
            "dr/smpp/1.5",
            "dr/smpp/1=2E5",
            "dr/smpp/1=5",
            "in/ŝ/ä ö",
            "in/a\r\nb",
            "x" * 500,
            "x" * 501,
            "a.b",
            "a=b",
        )
        found = [webhook_id(one) for one in ids]
        self.assertEqual(len(set(found)), len(ids))
        for one in found:
            self.assertRegex(one, r"\A[A-Za-z0-9/=_-]+\Z")
            self.assertLessEqual(len(one), LONGEST_ID)
        self.assertEqual(found[:2], ["dr-SM1", "dr/smpp/1=2E5"])
        self.assertEqual([webhook_id(one) for one in ids], found)


class SignatureCase(SynchronousTestCase):
    def test_by_all_secrets(self) -> None:
        """Each of several secrets verifies it, by the library of Standard Webhooks; with one bit changed, none does."""
        other, now = b"x" * 40, int(datetime.now(UTC).timestamp())
        body = body_of(text(1))
        headers = dict(headers_of(text(1), body, (SECRET, other), now))
        for secret in (SECRET, other):
            Webhook(secret).verify(body.decode(), headers)
            changed = bytes((body[0], body[1] ^ 1, *body[2:])).decode()
            self.assertRaises(WebhookVerificationError, Webhook(secret).verify, changed, headers)
        self.assertRaises(WebhookVerificationError, Webhook(b"y" * 40).verify, body.decode(), headers)


class AnswersCase(SynchronousTestCase):
    def test_table(self) -> None:
        """Each status, alone and with Retry-After."""
        for kind, statuses in {
            Kind.TAKEN: (200, 201, 202, 204, 299),
            Kind.GONE: (410,),
            Kind.SLOWER: (429, 502, 503, 504),
            Kind.REFUSED: (300, 301, 302, 304, 307, 308, 400, 401, 403, 404, 413, 422, 451, 499),
            Kind.AGAIN: (408, 409, 425, 500, 501, 505, 599, 600, 999, 100, 0),
        }.items():
            for status in statuses:
                self.assertIs(meaning_of(HTTPReply(status, {}, b""), NOW).kind, kind, status)
        for status in (408, 425, 429, 500, 501, 503):
            found = meaning_of(HTTPReply(status, {"retry-after": "5"}, b""), NOW)
            self.assertEqual((found.kind, found.pause), (Kind.SLOWER, 5.0), status)
        for kind, statuses in {Kind.REFUSED: (400, 401, 403, 404, 413, 422, 499), Kind.AGAIN: (409,)}.items():
            for status in statuses:
                found = meaning_of(HTTPReply(status, {"retry-after": "3600"}, b""), NOW)
                self.assertEqual((found.kind, found.pause), (kind, None), status)
        for status in (200, 301, 410):
            self.assertIsNone(meaning_of(HTTPReply(status, {"retry-after": "5"}, b""), NOW).pause)


class LanesCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.lanes = Lanes()

    def add(self, number: int, of: str) -> Delivery:
        delivery = Delivery(text(number), lambda outcome: None, of, b"")
        self.lanes.add(delivery)
        return delivery

    def test_one_at_a_time(self) -> None:
        """The next of a number comes when the one before is settled, and not when it waits or has to go again."""
        first, second, other = self.add(1, "a"), self.add(2, "a"), self.add(3, "b")
        self.assertEqual(self.lanes.take(0.0, 9), [first, other])
        self.lanes.wait(first, 5.0)
        self.assertEqual((self.lanes.take(4.9, 9), self.lanes.due_at()), ([], 5.0))
        self.assertEqual(self.lanes.take(5.0, 9), [first])
        self.lanes.again(first)
        self.assertEqual((self.lanes.take(6.0, 9), self.lanes.due_at()), ([first], None))
        self.lanes.settled(first)
        self.assertEqual(self.lanes.take(6.0, 9), [second])
        self.lanes.settled(second)
        self.lanes.settled(other)
        self.assertEqual(len(self.lanes), 0)

    def test_room(self) -> None:
        """No more than asked for; none where there is no room."""
        found = [self.add(number, str(number)) for number in range(3)]
        self.assertEqual(self.lanes.take(0.0, 2), found[:2])
        self.assertEqual(self.lanes.take(0.0, 0), [])
        self.assertEqual(self.lanes.take(0.0, -3), [])
        self.assertEqual(self.lanes.take(0.0, 2), found[2:])
