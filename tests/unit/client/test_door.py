"""The client and the connector's own door, put together in memory: each reads what the other writes."""

from datetime import UTC, datetime
from typing import Any

import httpx

from smsconnector.client import Busy, Client, NotFound, Refused, Text, TooLate
from smsconnector.messages import Finality, Outcome, Receipt, Verdict
from smsconnector.store import operations as ops
from tests.unit.client.stage import TO
from tests.unit.fakes import ask
from tests.unit.http.ways import DoorCase, both_ways


@both_ways
class DoorAndClientCase(DoorCase):
    def setUp(self) -> None:
        super().setUp()
        self.client = Client("http://x/msg-client", transport=httpx.MockTransport(self.pass_on), retries=0)
        self.keys_sent: list[str] = []

    def pass_on(self, request: httpx.Request) -> httpx.Response:
        leave_out = ("host", "content-length", "connection", "accept", "accept-encoding")
        headers = {name.replace("-", "_"): value for name, value in request.headers.items() if name not in leave_out}
        self.keys_sent += request.headers.get_list("Idempotency-Key")
        answer = self.request(request.method, request.url.raw_path.decode(), request.content, **headers)
        found = [(name.decode(), value) for name, some in answer.headers.getAllRawHeaders() for value in some]
        kept = [(n, v.decode()) for n, v in found if n.lower() not in ("transfer-encoding", "content-length")]
        return httpx.Response(answer.status, headers=kept, content=answer.body)

    def test_walk(self) -> None:
        """A text with all that may be said of it: sent, sent again, looked at before and after each step, found."""
        sent = self.client.send(TO, "It’s ok", reference="order 5", from_="ACME", validity_period=600, channel="smpp")
        self.settle()
        self.assertEqual(sent.ucs2_because, "’")
        again = self.client.send(
            TO, "It’s ok", reference="order 5", from_="ACME", validity_period=600, channel="smpp",
            idempotency_key=sent.idempotency_key,
        )  # fmt: skip
        self.assertEqual((again.sid, len(self.channel.submitted)), (sent.sid, 1))
        found = self.client.message(sent.sid)
        self.assertEqual((found.state, found.delivery_status, found.is_final), ("under_way", "QUEUED", False))
        self.assertEqual(
            (found.to, found.from_, found.body, found.reference), ("923001234567", "ACME", "It’s ok", "order 5")
        )
        self.assertEqual((found.alphabet, found.segments, found.parts[0].state), ("ucs2", 1, "under_way"))
        assert found.accepted_at is not None and found.expires_at is not None
        self.assertEqual((found.expires_at - found.accepted_at).total_seconds(), 600)
        (segment,) = self.channel.under_way
        self.channel.answer(Outcome(segment, Verdict.ACCEPTED, "acc", "77", bind="a", sequence=5, answered_in=12))
        self.settle()
        told = Receipt("acc", "77", Finality.FAILED, "000", "ABSENT-SUB", int(self.now() * 1000))
        ask(self.writer.store, [ops.Receive((told,))])
        ended = self.client.message(sent.sid)
        assert ended.explanation is not None and ended.parts[0].last_error is not None
        self.assertEqual((ended.is_final, ended.code, ended.explanation.action), (True, "000", "retry_later"))
        self.assertEqual((ended.parts[0].last_error, ended.parts[0].last_error_code), (ended.explanation, "000"))
        timeline = self.client.timeline(sent.sid)
        self.assertEqual(
            [one.event for one in timeline.happenings], ["accepted", "submit", "receipt", "ended", "report"]
        )
        self.assertEqual([one.sid for one in self.client.messages(to=TO, state="failed", limit=1)], [sent.sid])

    def test_explain(self) -> None:
        found = self.client.explain(TO, "It’s ok", from_="ACME")
        self.assertEqual((found.to, found.from_, found.channel, found.segments), ("923001234567", "ACME", "smpp", 1))
        self.assertEqual([one.character for one in found.ucs2_because], ["’"])
        assert found.transliteration is not None
        self.assertEqual((found.transliteration.body, found.parts[0].number), ("It's ok", 1))
        self.assertEqual((found.opted_out, self.channel.submitted), (False, []))
        self.assertEqual((found.priority, found.send_at), ("interactive", None))
        later = datetime.fromtimestamp(int(self.now()) + 3600, UTC)
        found = self.client.explain(TO, "hi", send_at=later, priority="bulk")
        self.assertEqual((found.priority, found.send_at), ("bulk", later))

    def test_refused(self) -> None:
        """The connector's own words."""
        error = self.assertRaises(Refused, self.client.send, "nobody", "hi")
        self.assertEqual((error.status, error.code, error.field), (400, "invalid_number", "To"))
        self.assertNotIn("nobody", str(error))
        for call in (self.client.message, self.client.timeline, self.client.cancel):
            self.assertEqual(self.assertRaises(NotFound, call, "SM/../x").code, "not_found")
        error = self.assertRaises(Refused, lambda: list(self.client.messages(limit=500)))
        self.assertEqual(error.field, "limit")

    def test_cancel(self) -> None:
        self.channel.window = 0
        sent = self.client.send(TO, "hi")
        self.settle()
        self.assertEqual(self.client.cancel(sent.sid).state, "cancelled")
        self.assertIn("cancelled", self.assertRaises(TooLate, self.client.cancel, sent.sid).message)

    def test_batch(self) -> None:
        """With keys of its own and of the application's; what is refused is refused alone."""
        texts: list[Any] = [
            Text(to=TO, body="one"),
            {"to": "nobody", "body": "two"},
            Text(to=TO, body="x", idempotency_key="k"),
        ]
        first = list(self.client.send_batch(texts))
        self.assertEqual([one.sid is not None for one in first], [True, False, True])
        error = first[1].error
        assert isinstance(error, Refused)
        self.assertEqual((error.code, error.field), ("invalid_number", "To"))
        second = list(self.client.send_batch(texts[2:]))
        self.assertEqual(second[0].sid, first[2].sid)
        self.assertEqual(self.keys_sent, [], "the head of a batch has none")

    def test_pages_and_health(self) -> None:
        sids = [self.client.send(TO, f"{number}").sid for number in range(5)]
        self.assertEqual([one.sid for one in self.client.messages(to=TO, limit=2)], sids[::-1])
        self.assertTrue(self.client.health().accepting)
        self.gate.reason = "Too much waits."
        self.assertEqual((self.client.health().accepting, self.client.health().reason), (False, "Too much waits."))
        error = self.assertRaises(Busy, self.client.send, TO, "hi")
        self.assertEqual((error.code, error.retry_after, error.may_be_accepted), ("overloaded", 5.0, False))
