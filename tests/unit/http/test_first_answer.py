"""A request that comes again under its key has the first answer, whatever has changed meanwhile: /send, and items of a
batch."""

import json
from functools import partial
from typing import Any

from smsconnector.sms.segmentation import segment
from tests.unit.http.test_batch import NDJSON, lines
from tests.unit.http.test_idempotency import KeyCase
from tests.unit.http.test_later import at
from tests.unit.http.ways import Answer, both_ways

SHOWN = {"Prefer": "return=representation"}


@both_ways
class FirstAnswerCase(KeyCase):
    def same(self, change: Any, **asked: Any) -> None:
        """Asked before and after the change, in three forms; the first two are answered alike, the third is another
        request under the key."""
        first = self.keyed("k", more=SHOWN, **asked)
        self.assertEqual(first.status, 200, first.body)
        change()
        for _ in range(2):
            again = self.keyed("k", more=SHOWN, **asked)
            self.assertEqual((again.status, again.json), (200, first.json))
            for name in ("X-Message-SID", "Location", "Preference-Applied"):
                self.assertEqual(again.header(name), first.header(name))
        plain = self.keyed("k", **asked)
        self.assertEqual((plain.status, plain.body), (200, b""))
        self.assertEqual(plain.header("X-Message-SID"), first.header("X-Message-SID"))
        sid = first.header("X-Message-SID")
        (item,) = self.in_batch("k", **asked)
        self.assertEqual((item["status"], item.get("MessageSID")), (200, sid))
        other = self.keyed("k", **asked | {"Body": "other"})
        self.assertEqual((other.status, other.error["code"]), (422, "idempotency_key_reused"))
        (item,) = self.in_batch("k", **asked | {"Body": "other"})
        self.assertEqual(item["error"]["code"], "idempotency_key_reused")
        self.assertEqual(self.writer.store._one("SELECT count(*) FROM message"), 1)

    def in_batch(self, key: str, **asked: Any) -> Any:
        item = {"To": "+923001234567", "Body": "hi", "IdempotencyKey": key} | asked
        answer: Answer = self.request("POST", "/send-batch", json.dumps([item]), Content_Type="application/json")
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json

    def test_its_channel_is_gone(self) -> None:
        def gone() -> None:
            self.outlets["other"] = self.outlets.pop("smpp")

        self.same(gone, channel="smpp")
        for key in ("new", None):
            refused = self.keyed(key, channel="smpp") if key else self.send("/send", To="+923001234567", Body="x")
            self.assertEqual((refused.status, refused.error["code"]), (400, "unknown_channel"))
        (item,) = self.in_batch("new", channel="smpp")
        self.assertEqual(item["error"]["code"], "unknown_channel")

    def test_bulk_is_refused(self) -> None:
        self.same(lambda: self.patch(self.gate, "refuses_bulk", lambda: "It is full."), Priority="bulk")
        self.assertEqual(self.keyed("new", Priority="bulk").status, 503)

    def test_its_text_is_too_long_now(self) -> None:
        """A reload allows fewer segments."""
        fewer = partial(segment, maximum_segments=1)
        self.same(lambda: self.patch(self.channel, "cut", fewer), Body="x" * 300)

    def test_it_is_due(self) -> None:
        """A scheduled text: the first answer had SendAt, and said scheduled."""
        self.same(lambda: self.clock.advance(62), SendAt=at(60))

    def test_key_is_not_known_any_more(self) -> None:
        self.keyed("k", channel="smpp")
        self.outlets["other"] = self.outlets.pop("smpp")
        self.clock.advance(24 * 3600.0 + 1)
        self.assertEqual(self.keyed("k", channel="smpp").error["code"], "unknown_channel")

    def test_among_others(self) -> None:
        """The results of a batch keep their order, whatever each has to ask."""
        first = self.keyed("k", channel="smpp").header("X-Message-SID")
        items = [
            {"To": "+923001234567", "Body": "hi", "channel": "smpp", "IdempotencyKey": "k"},
            {"To": "+923001234568", "Body": "a"},
            {"To": "+923001234567", "Body": "hi", "channel": "nowhere", "IdempotencyKey": "n"},
            {"To": "+923001234569", "Body": "b"},
        ]
        answer = self.request("POST", "/send-batch", lines(*items), Content_Type=NDJSON)
        said = [json.loads(one) for one in answer.body.splitlines()]
        self.assertEqual([one["status"] for one in said], [200, 200, 400, 200])
        self.assertEqual(said[0]["MessageSID"], first)
