"""Requests that come again under one key, as octets through both ways of the server: /send and items of a batch."""

import json
from typing import Any

from smsconnector.http import api
from smsconnector.http.batch import Batches
from smsconnector.http.idempotency import request_key
from smsconnector.http.requests import SendRequest, parse_send
from smsconnector.http.send import Send
from smsconnector.messages import Outcome, Verdict
from tests.unit.http.test_abuse import answers
from tests.unit.http.test_batch import GOOD, NDJSON, PATH, BatchCase, lines, numbered
from tests.unit.http.ways import Answer, both_ways

HOUR = 3600.0
KEYED = b"POST /send HTTP/1.1\r\nHost: x\r\n%bContent-Length: %d\r\n\r\n"


class KeyCase(BatchCase):
    def keyed(self, key: str = "k1", *, path: str = "/msg-client/send", more: Any = None, **data: Any) -> Answer:
        body = json.dumps(GOOD | data)
        headers = {"Idempotency-Key": key} | (more or {})
        named = {name.replace("-", "_"): value for name, value in headers.items()}
        return self.request("POST", path, body, Content_Type="application/json", **named)


@both_ways
class SendOnceCase(KeyCase):
    def test_again(self) -> None:
        """The same key and the same text: the same answer, and one message, however often."""
        first = self.keyed()
        again = [self.keyed() for _ in range(3)]
        self.assertEqual(first.status, 200)
        for one in again:
            self.assertEqual((one.status, one.body), (first.status, first.body))
            for name in ("X-Message-SID", "Location"):
                self.assertEqual(one.header(name), first.header(name))
        self.settle()
        (segment,) = self.channel.submitted
        self.channel.listener.outcomes([Outcome(segment, Verdict.ACCEPTED, "a", "1")])  # the lane is free for more
        self.settle()
        self.assertEqual((self.messages, self.channel.submitted), (1, [segment]))
        self.assertIsNotNone(self.stored(first.header("X-Message-SID") or ""))

    def test_what_is_the_same(self) -> None:
        """Spaces, the order of fields, fields that nobody reads, another spelling of the number, the path and quotes
        around the key are no difference."""
        first = self.keyed("a-1").header("X-Message-SID")
        same: list[Answer] = [
            self.keyed('"a-1"'),
            self.keyed(" a-1 "),
            self.keyed("a-1", path="/send"),
            self.keyed("a-1", note="x"),
            self.keyed("a-1", To="00923001234567"),
            self.request(
                "POST", "/send", b' {"Body":"hi", "To":"+92 300 1234567"} ', Idempotency_Key="a-1", X_Other="y"
            ),
        ]
        self.assertEqual({one.header("X-Message-SID") for one in same}, {first})

    def test_another_text(self) -> None:
        """422 with a code of its own for whatever is otherwise, also while the first is being written; the first
        stays."""
        first = self.keyed()
        for change in ({"Body": "ho"}, {"To": "+923001234568"}, {"From": "8228"}, {"channel": "smpp"}):
            refused = self.keyed(**change)
            self.assertEqual((refused.status, refused.error["code"]), (422, "idempotency_key_reused"), change)
        self.assertEqual(self.keyed(ValidityPeriod=60).status, 422)
        self.assertEqual(self.keyed().header("X-Message-SID"), first.header("X-Message-SID"))
        self.assertEqual(self.messages, 1)

    def test_while_the_first_is_written(self) -> None:
        """The second waits for the first's commit, and gets its answer."""
        body = json.dumps(GOOD).encode()
        octets = KEYED % (b"Idempotency-Key: k\r\n", len(body)) + body
        other = octets.replace(b'"hi"', b'"ho"')
        transports = [self.exchange(one, settle=False) for one in (octets, octets, other)]
        self.assertEqual([one.value() for one in transports], [b""] * 3)
        self.settle()
        first, second, third = (answers(one.value())[0] for one in transports)
        self.assertEqual(first.header("X-Message-SID"), second.header("X-Message-SID"))
        self.assertEqual((first.status, third.status, self.messages), (200, 422, 1))

    def test_representation(self) -> None:
        """Who asks for the resource gets that of the first message."""
        prefer = {"Prefer": "return=representation"}
        first = self.keyed(more=prefer)
        self.clock.advance(100.0)
        again = self.keyed(more=prefer)
        self.assertEqual((again.json, again.header("Preference-Applied")), (first.json, "return=representation"))

    def test_characters_that_cost(self) -> None:
        """The headers about the text are there again."""
        first, again = (self.keyed(Body="it’s") for _ in range(2))
        self.assertEqual((first.header("X-UCS2-Because"), again.header("X-UCS2-Because")), ("U+2019", "U+2019"))

    def test_not_kept(self) -> None:
        """A refusal is not kept under the key: a text that is mended goes under it. Nor is a commit that failed."""
        self.assertEqual(self.keyed(To="x").status, 400)
        self.writer.full = True
        self.assertEqual(self.keyed().status, 503)
        self.assertEqual(len(self.gate.failures), 1)
        self.writer.full = False
        self.gate.reason = "The disk is full."
        self.assertEqual(self.keyed().status, 503)
        self.gate.reason = ""
        self.assertEqual((self.keyed().status, self.messages), (200, 1))

    def test_a_day(self) -> None:
        """After the hours of the configuration the key is free again."""
        first = self.keyed()
        self.clock.advance(24 * HOUR - 1)
        self.assertEqual(self.keyed().header("X-Message-SID"), first.header("X-Message-SID"))
        self.clock.advance(2)
        self.assertNotEqual(self.keyed(Body="new").header("X-Message-SID"), first.header("X-Message-SID"))

    def test_no_key(self) -> None:
        """Without the header two requests are two messages, and the table of keys is not touched."""
        self.assertNotEqual(self.send(**GOOD).header("X-Message-SID"), self.send(**GOOD).header("X-Message-SID"))
        self.assertEqual(self.writer.store._one("SELECT count(*) FROM idempotency_key"), 0)

    def test_wrong_keys(self) -> None:
        """400 for what is no key: never an acceptance under none."""
        for key in ("", '""', " ", "a b", "x" * 256, "ü", "a\tb"):
            refused = self.keyed(key)
            self.assertEqual((refused.status, refused.error["code"]), (400, "invalid_idempotency_key"), key)
        body = json.dumps(GOOD).encode()
        (answer,) = self.give(KEYED % (b"Idempotency-Key: a\r\n" * 2, len(body)) + body)
        self.assertEqual((answer.status, self.messages), (400, 0))
        self.assertEqual(self.keyed("x" * 255).status, 200)


@both_ways
class CallerCase(KeyCase):
    keys = ("first-key-of-two-0001", "second-key-of-two-002")

    def test_of_each_caller(self) -> None:
        """Two callers may use the same key; the API key itself is not in the store."""
        sids = [self.keyed(more={"X-API-Key": key}).header("X-Message-SID") for key in (*self.keys, *self.keys)]
        self.assertEqual((sids[0], sids[1]), (sids[2], sids[3]))
        self.assertNotEqual(sids[0], sids[1])
        bearer = self.keyed(more={"Authorization": f"Bearer {self.keys[0]}"})
        self.assertEqual(bearer.header("X-Message-SID"), sids[0])
        kept = str(self.writer.store._connection.execute("SELECT * FROM idempotency_key").fetchall())
        self.assertFalse(any(key in kept for key in self.keys))


@both_ways
class BatchOnceCase(KeyCase):
    def test_batch_again(self) -> None:
        """A batch whose items have keys is sent again as a whole: every item has the MessageSID that it had."""
        body = lines(*[one | {"IdempotencyKey": f"k{at}"} for at, one in enumerate(numbered(20))])
        first, again = self.batch(body, NDJSON), self.batch(body, NDJSON)
        self.assertEqual((first.body, self.messages), (again.body, 20))

    def test_half_of_it(self) -> None:
        """Where the first try broke off, the second accepts the rest."""
        items = [one | {"IdempotencyKey": f"k{at}"} for at, one in enumerate(numbered(20))]
        self.batch(lines(*items[:12]), NDJSON)
        self.assertEqual([one[1] for one in self.results(self.batch(lines(*items), NDJSON))], [200] * 20)
        self.assertEqual(self.messages, 20)

    def test_within_one_batch(self) -> None:
        """Items with one key are one message if they are alike; else the second is refused. One key is one message for
        /send too."""
        key = {"IdempotencyKey": "k"}
        answer = self.batch(lines(GOOD | key, GOOD | key, GOOD | key | {"Body": "ho"}, GOOD), NDJSON)
        self.assertEqual(
            self.results(answer),
            [(0, 200, None), (1, 200, None), (2, 422, "idempotency_key_reused"), (3, 200, None)],
        )
        sids = [json.loads(line).get("MessageSID") for line in answer.body.splitlines()]
        self.assertEqual((sids[0], self.messages), (sids[1], 2))
        self.assertEqual(self.keyed("k").header("X-Message-SID"), sids[0])

    def test_recipients(self) -> None:
        """Each recipient has a key of its own."""
        to = [{"To": f"+92300123456{at}", "IdempotencyKey": f"k{at}"} for at in range(3)]
        body = json.dumps({"Body": "x", "To": to}).encode()
        self.assertEqual(self.batch(body).body, self.batch(body).body)
        self.assertEqual(self.messages, 3)

    def test_refused(self) -> None:
        """What is no key refuses its item; a key for the whole batch refuses the batch, as it is of one message."""
        wrong: list[Any] = ["", 7, "a b", ["k"], True]
        answer = self.batch(lines(*[GOOD | {"IdempotencyKey": one} for one in wrong]), NDJSON)
        self.assertEqual([one[2] for one in self.results(answer)], ["invalid_idempotency_key"] * len(wrong))
        refused = self.keyed(path=PATH)
        self.assertEqual((refused.status, refused.error["code"], self.messages), (400, "invalid_idempotency_key", 0))

    def test_store_fails(self) -> None:
        """A commit that failed is 503 for its items, and the next try makes them."""
        body = lines(*[one | {"IdempotencyKey": f"k{at}"} for at, one in enumerate(numbered(3))])
        self.settle()
        self.writer.full = True
        self.assertEqual([one[1] for one in self.results(self.batch(body, NDJSON))], [503] * 3)
        self.writer.full = False
        self.assertEqual([one[1] for one in self.results(self.batch(body, NDJSON))], [200] * 3)


class DigestCase(KeyCase):
    def test_new_fields(self) -> None:
        """A field that a later version adds, and that a request does not use, leaves its digest as it is: a repeat
        across an upgrade is still one."""
        send = parse_send(json.dumps(GOOD).encode())
        self.assertEqual(
            request_key("", "k", send, 0, 24).digest,
            "06b77d7a0d39e1f5ff8b238df7e50d1ec6b247acd9c4d89a059e2f0cc52390b4",
        )
        self.assertNotEqual(
            request_key("", "k", send, 0, 24).digest,
            request_key("", "k", SendRequest(send.to, send.body, "8228", None), 0, 24).digest,
        )

    def test_wired(self) -> None:
        """The hours of the configuration reach the handlers of both."""
        self.assertEqual(api.USUAL.idempotency_hours, 24.0)
        routes = {one.path: one for one in self.resource.api.routes}
        send: Any = routes["/send"].handler.__self__  # type: ignore[attr-defined]
        batches: Any = routes["/send-batch"].handler.__self__  # type: ignore[attr-defined]
        self.assertTrue(isinstance(send, Send) and isinstance(batches, Batches) and batches.send is send)
