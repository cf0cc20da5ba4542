"""The fields SendAt and Priority, as octets through both ways of the server: /send, items of a batch, and what is told
of such messages."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from smsconnector.errors import InvalidRequest
from smsconnector.http.requests import parse_send
from smsconnector.walks.admission import BULK_PART, Admission, Limits
from smsconnector.walks.scheduling import Scheduling
from smsconnector.wall_clock import WallClock
from tests.unit.fakes import EPOCH
from tests.unit.http.test_batch import NDJSON, lines
from tests.unit.http.test_idempotency import KeyCase
from tests.unit.http.ways import Answer, both_ways

DAY = 86_400


def at(seconds: float) -> str:
    """So many seconds from the beginning of a test."""
    return datetime.fromtimestamp(EPOCH + seconds, UTC).isoformat().replace("+00:00", "Z")


class ReadingCase(SynchronousTestCase):
    def read(self, **fields: Any) -> Any:
        return parse_send(json.dumps({"To": "+923001234567", "Body": "hi"} | fields).encode())

    def test_times(self) -> None:
        """RFC 3339 section 5.6 and its examples in 5.8; lower case, and a blank for the T, are as good (its notes)."""
        cases = {
            "1985-04-12T23:20:50.52Z": datetime(1985, 4, 12, 23, 20, 50, 520_000, UTC),
            "1996-12-19T16:39:57-08:00": datetime(1996, 12, 19, 16, 39, 57, 0, timezone(-timedelta(hours=8))),
            "2027-01-15t08:00:00z": datetime(2027, 1, 15, 8, 0, 0, 0, UTC),
            "2027-01-15 08:00:00+05:30": datetime(2027, 1, 15, 2, 30, 0, 0, UTC),
            "2027-01-15T08:00:00.123456789Z": datetime(2027, 1, 15, 8, 0, 0, 123_456, UTC),
        }
        for text, time in cases.items():
            self.assertEqual(self.read(SendAt=text).send_at, int(time.timestamp() * 1000), text)
        self.assertEqual(self.read(SendAt=None).send_at, None)

    def test_no_times(self) -> None:
        """Whatever else is there is refused, with its field and what to write."""
        wrong: list[Any] = [
            "",
            "tomorrow",
            "2027-01-15",
            "20270115T080000Z",
            "2027-02-30T08:00:00Z",
            "2027-01-15T25:00:00Z",
            "2027-01-15T08:00:60Z",
            "2027-01-15T08:00Z",
            "2027-01-15T08:00:00+99:00",
            "2027-01-15T08:00:00Z\n",
            "٢٠٢٧-01-15T08:00:00Z",
            "0000-01-01T00:00:00Z",
            1_800_000_000,
            True,
            [],
            {},
        ]
        for value in wrong:
            error = self.assertRaises(InvalidRequest, self.read, SendAt=value)
            self.assertEqual((error.code, error.field), ("invalid_send_at", "SendAt"), value)
        for value in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"):  # at the ends of what is a time
            try:
                self.assertIsInstance(self.read(SendAt=value).send_at, int)
            except InvalidRequest as error:
                self.assertEqual(error.code, "invalid_send_at")

    def test_no_offset(self) -> None:
        """Nobody could tell which time that is: the answer says what to write."""
        error = self.assertRaises(InvalidRequest, self.read, SendAt="2027-01-15T08:00:00")
        self.assertIn("2027-01-15T08:00:00Z", str(error))
        self.assertIn("offset", str(error))

    def test_priorities(self) -> None:
        """Two words, and nothing else."""
        for word in ("interactive", "bulk", None):
            self.assertEqual(self.read(Priority=word).priority, word)
        wrong: list[Any] = ["", "Bulk", "high", 1, True, [], {}]
        for value in wrong:
            error = self.assertRaises(InvalidRequest, self.read, Priority=value)
            self.assertEqual((error.code, error.field), ("invalid_priority", "Priority"), value)

    def test_twice(self) -> None:
        """A field that has two values is clear to nobody."""
        for name, values in (("SendAt", (at(1), at(2))), ("Priority", ("bulk", "interactive"))):
            body = '{"To": "+923001234567", "Body": "hi", ' + ", ".join(f'"{name}": "{one}"' for one in values) + "}"
            error = self.assertRaises(InvalidRequest, parse_send, body.encode())
            self.assertEqual((error.code, error.field), ("duplicate_field", name))


@both_ways
class LaterCase(KeyCase):
    def setUp(self) -> None:
        super().setUp()
        scheduling = Scheduling(
            self.clock, WallClock(self.now), self.writer, self.writer, self.outlets, lambda counts: None
        )
        scheduling.startService()
        self.addCleanup(scheduling.stopService)

    def later(self, seconds: float, **more: Any) -> Answer:
        return self.send(To="+923001234567", Body="hi", SendAt=at(seconds), **more)

    def look(self, answer: Answer, more: str = "") -> Any:
        found = self.request("GET", f"/msg-client/messages/{answer.header('X-Message-SID')}{more}")
        self.assertEqual(found.status, 200)
        return found.json

    def wait(self, seconds: int) -> None:
        self.clock.pump([0.5] * 2 * seconds)
        self.settle()

    def test_the_whole_way(self) -> None:
        """200, and then it is scheduled until it is due; the timeline says when."""
        answer = self.later(60, Reference="r-1")
        self.assertEqual(answer.status, 200)
        found = self.look(answer)
        self.assertEqual((found["State"], found["DeliveryStatus"]), ("scheduled", "SCHEDULED"))
        self.assertEqual(found["SendAt"], at(60).replace("Z", ".000Z"))
        self.assertEqual([part["State"] for part in found["Parts"]], ["scheduled"])
        listed = self.request("GET", "/msg-client/messages?state=scheduled").json["messages"]
        self.assertEqual([one["Reference"] for one in listed], ["r-1"])
        self.wait(59)
        self.assertEqual(self.channel.submitted, [])
        self.wait(2)
        self.assertEqual(len(self.channel.submitted), 1)
        found = self.look(answer)
        self.assertEqual((found["State"], found["AcceptedAt"]), ("under_way", at(0).replace("Z", ".000Z")))
        events = [one["Event"] for one in self.look(answer, "/timeline")["Timeline"]]
        self.assertEqual(events[:2], ["accepted", "due"])

    def test_validity(self) -> None:
        """ValidityPeriod counts from SendAt on."""
        self.assertEqual(self.look(self.later(60, ValidityPeriod=30))["ExpiresAt"], at(90).replace("Z", ".000Z"))

    def test_limits(self) -> None:
        """Up to 35 days ahead; a little in the past is now, and more is a mistake."""
        for seconds, status, code in (
            (35 * DAY, 200, None),
            (35 * DAY + 1, 400, "send_at_too_far"),
            (-299, 200, None),
            (-301, 400, "send_at_past"),
        ):
            answer = self.later(seconds)
            self.assertEqual(answer.status, status, seconds)
            if code:
                self.assertEqual((answer.error["code"], answer.error["field"]), (code, "SendAt"))
        self.assertEqual(len(self.channel.submitted), 1)

    def test_representation(self) -> None:
        """With the answer, if the client wants it."""
        body = {"To": "+923001234567", "Body": "hi", "SendAt": at(60), "Priority": "bulk"}
        answer = self.request("POST", "/msg-client/send", json.dumps(body), Prefer="return=representation")
        self.assertEqual((answer.json["State"], answer.json["Priority"]), ("scheduled", "bulk"))
        self.assertEqual(self.look(answer)["Priority"], "bulk")

    def test_cancel(self) -> None:
        """Before it is due; then it is never sent."""
        answer = self.later(60)
        path = f"/msg-client/messages/{answer.header('X-Message-SID')}"
        cancelled = self.request("DELETE", path)
        self.assertEqual((cancelled.status, cancelled.json["State"]), (200, "cancelled"))
        self.wait(62)
        self.assertEqual(self.channel.submitted, [])
        self.assertEqual(self.request("DELETE", path).status, 409)
        self.assertNotIn("due", [one["Event"] for one in self.look(answer, "/timeline")["Timeline"]])

    def test_under_a_key(self) -> None:
        """The same request gets the same answer: while it is scheduled, when it was sent, and when its SendAt is so
        long ago that a new one would be refused. Another time, or another class, is another request."""
        asked = {"SendAt": at(60), "Priority": "bulk"}
        first = self.keyed("k", **asked)
        self.assertEqual(first.status, 200)
        for seconds in (0, 61, 3600):
            self.wait(seconds)
            again = self.keyed("k", **asked)
            self.assertEqual(again.header("X-Message-SID"), first.header("X-Message-SID"), seconds)
        self.assertEqual(self.keyed("k", **asked | {"SendAt": at(61)}).status, 422)
        self.assertEqual(self.keyed("k", SendAt=at(60)).status, 422)
        late = self.keyed("other", **asked)
        self.assertEqual((late.status, late.error["code"]), (400, "send_at_past"))
        self.assertEqual(self.keyed("other", Priority="bulk").status, 200)  # the key was not used up
        self.assertEqual(len(self.channel.submitted), 1)

    def test_batch(self) -> None:
        """Each item has its own."""
        good = {"To": "+923001234567", "Body": "hi"}
        items = [
            good | {"SendAt": at(60)},
            good | {"Priority": "bulk"},
            good | {"SendAt": at(-3600)},
            good | {"SendAt": at(-3600), "IdempotencyKey": "k"},
            good | {"SendAt": "soon"},
            good | {"Priority": "soon"},
        ]
        answer = self.request("POST", "/msg-client/send-batch", lines(*items), Content_Type=NDJSON)
        results = [json.loads(line) for line in answer.body.splitlines()]
        codes = [one.get("error", {}).get("code") for one in results]
        past = "send_at_past"
        self.assertEqual(codes, [None, None, past, past, "invalid_send_at", "invalid_priority"])
        self.settle()
        self.assertEqual([one.is_bulk for one in self.channel.submitted], [True])

    def test_one_text_for_many(self) -> None:
        """Both are those of all recipients."""
        asked = {"To": ["+923001234567", "+923001234568"], "Body": "hi", "SendAt": at(60), "Priority": "bulk"}
        answer = self.request("POST", "/msg-client/send-batch", json.dumps(asked), Content_Type="application/json")
        self.assertEqual([one["status"] for one in answer.json], [200, 200])
        self.assertEqual(self.channel.submitted, [])
        self.wait(62)
        self.assertEqual([one.is_bulk for one in self.channel.submitted], [True, True])
        twice = json.dumps(asked)[:-1] + ', "Priority": "interactive"}'
        answer = self.request("POST", "/msg-client/send-batch", twice, Content_Type="application/json")
        self.assertEqual(answer.error["code"], "duplicate_field")

    def test_explain(self) -> None:
        """A dry run knows both, and refuses what /send refuses."""
        path = "/msg-client/send/explain"
        said = self.send(path, To="+923001234567", Body="hi", SendAt=at(60), Priority="bulk").json
        self.assertEqual((said["Priority"], said["SendAt"]), ("bulk", at(60).replace("Z", ".000Z")))
        self.assertIn("scheduled", said["EstimatedWait"]["Reason"])
        self.assertEqual(self.send(path, To="+923001234567", Body="hi", SendAt=at(-3600)).status, 400)

    def test_class_of_the_channel(self) -> None:
        """A text that does not say its class has that of its channel: interactive, if nothing else is configured."""
        self.assertEqual(self.look(self.send(To="+923001234567", Body="hi"))["Priority"], "interactive")

    def test_room_for_interactive_texts(self) -> None:
        """When bulk texts have filled their part of the backlog, the others are still accepted."""
        self.patch(self.gate, "refuses_bulk", lambda: "It is full.")
        bulk = self.send(To="+923001234567", Body="hi", Priority="bulk")
        self.assertEqual((bulk.status, bulk.error["code"]), (503, "overloaded"))
        self.assertEqual(self.send(To="+923001234567", Body="hi").status, 200)

    def test_part_of_bulk(self) -> None:
        """What counts is what waits for the network; scheduled texts do not."""
        admission = Admission(self.clock, self.writer, Limits(backlog=10, free=0))
        admission.startService()
        self.addCleanup(admission.stopService)
        for number in range(20):
            self.later(3600 + number)
        self.wait(2)
        self.assertEqual((admission.refuses_bulk(), admission.refusal()), ("", ""))
        self.channel.window = 0
        for number in range(int(10 * BULK_PART)):
            self.send(To=f"+92300123{number:04}", Body="hi", Priority="bulk")
        self.wait(2)
        self.assertIn("the limit for bulk texts is 9", admission.refuses_bulk())
        self.assertEqual(admission.refusal(), "")


del KeyCase
