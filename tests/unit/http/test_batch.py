"""POST /send-batch as octets through the server: what becomes of each item, and what clients do to it."""

import json
from typing import Any

from twisted.internet.error import ConnectionLost
from twisted.python.failure import Failure

from smsconnector.errors import StoreError
from smsconnector.http import batch, server, streams
from smsconnector.http.bodies import Bodies
from smsconnector.store import operations as ops
from tests.unit.fakes import ask
from tests.unit.http.test_abuse import SEND, AbuseCase, Transport, answers
from tests.unit.http.ways import Answer, both_ways

PATH = "/msg-client/send-batch"
NDJSON = "application/x-ndjson"
ALLOWANCE = 65_536 + batch.ONE_READ  # octets that each batch takes
GOOD = {"To": "+923001234567", "Body": "hi"}


def array(*items: Any) -> bytes:
    return json.dumps(items).encode()


def lines(*items: Any) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in items)


def numbered(count: int) -> list[dict[str, str]]:
    return [{"To": "+923001234567", "Body": f"text {number}"} for number in range(count)]


def head(length: int | str, *more: str, kind: str = "application/json") -> bytes:
    """Of a request with a body of that length; "chunked": in chunks."""
    how = "Transfer-Encoding: chunked" if length == "chunked" else f"Content-Length: {length}"
    return "\r\n".join([f"POST {PATH} HTTP/1.1", "Host: x", f"Content-Type: {kind}", how, *more, "", ""]).encode()


class BatchCase(AbuseCase):
    def batch(self, body: bytes, kind: str = "application/json", **headers: str) -> Answer:
        return self.request("POST", PATH, body, Content_Type=kind, **headers)

    def results(self, answer: Answer) -> list[Any]:
        """Each as (index, status, its error's code); of one that was accepted the message has to be there."""
        self.assertEqual(answer.status, 200)
        if answer.header("Content-Type") == NDJSON:
            found = [json.loads(line) for line in answer.body.splitlines()]
        else:
            found = answer.json
        for one in found:
            if one["status"] == 200:
                self.assertIsNotNone(self.stored(one["MessageSID"]))
        return [(one["index"], one["status"], one.get("error", {}).get("code")) for one in found]

    def stored(self, sid: str) -> Any:
        (message,) = ask(self.writer.store, [ops.Find(sid)])
        return message

    @property
    def messages(self) -> int:
        return self.writer.store.counts()["active"]


@both_ways
class ItemsCase(BatchCase):
    def test_each_by_itself(self) -> None:
        """An array and NDJSON: what /send would accept is accepted, the rest refused with the codes of /send."""
        wrong: list[tuple[Any, str]] = [
            ({"To": "+923001234567"}, "missing_field"),
            ({"To": "x", "Body": "hi"}, "invalid_number"),
            ({"To": "+923001234567", "Body": ""}, "empty_text"),
            ({"To": "+923001234567", "Body": 7}, "invalid_field"),
            ({"To": "+923001234567", "Body": "a\0b"}, "invalid_text"),
            ({"To": "+923001234567", "Body": "x" * 700}, "too_many_segments"),
            (GOOD | {"channel": "pigeon"}, "unknown_channel"),
            (GOOD | {"ValidityPeriod": "soon"}, "invalid_validity"),
            (7, "malformed_json"),
            ([GOOD], "malformed_json"),
            (None, "malformed_json"),
        ]
        items = [GOOD]
        for item, _ in wrong:
            items += [item, GOOD]
        wanted: list[Any] = [(0, 200, None)]
        for number, (item, code) in enumerate(wrong):
            posted = self.send(**item).error["code"] if isinstance(item, dict) else code
            wanted += [(2 * number + 1, 400, posted), (2 * number + 2, 200, None)]
        for body, kind in ((array(*items), "application/json"), (lines(*items), NDJSON)):
            self.assertEqual(self.results(self.batch(body, kind)), wanted)
        self.assertEqual(self.messages, 2 * (len(wrong) + 1))

    def test_one_text_for_many(self) -> None:
        """An object with recipients: each gets its own text; one that lacks a value is refused alone."""
        body = {
            "Body": "Hello {name}",
            "ValidityPeriod": 60,
            "To": [{"To": "+923001234567", "name": "Ann"}, {"To": "+923001234567"}, {"To": "x", "name": "B"}],
        }
        answer = self.batch(json.dumps(body).encode())
        self.assertEqual(
            self.results(answer), [(0, 200, None), (1, 400, "missing_placeholder"), (2, 400, "invalid_number")]
        )
        message = self.stored(answer.json[0]["MessageSID"])
        self.assertEqual((message.segments[0].text, message.expires_at - message.accepted_at), ("Hello Ann", 60_000))

    def test_wholly_refused(self) -> None:
        """Where nothing could be read as an item, the whole request has the status, and nothing is accepted."""
        good = array(GOOD)
        cases: list[tuple[bytes, dict[str, str], int, str]] = [
            (b"", {}, 400, "malformed_json"),
            (b"  \n", {}, 400, "malformed_json"),
            (b"To=%2B92&Body=x", {}, 400, "malformed_json"),
            (b"\xff\xfe[", {}, 400, "malformed_json"),
            (b'"x"', {}, 400, "malformed_json"),
            (b"[", {}, 400, "malformed_json"),
            (b'{"Body": "x", "To": "+923001234567"}', {}, 400, "invalid_field"),
            (b'{"Body": "x"}', {}, 400, "missing_field"),
            (b'{"To": []}', {}, 400, "missing_field"),
            (b'{"To": [], "Body": "{"}', {}, 400, "invalid_template"),
            (b'{"To": [], "To": ["+923001234567"], "Body": "x"}', {}, 400, "duplicate_field"),
            (b'{"To": [], "Body": "x"', {}, 400, "malformed_json"),
            (good, {"Content_Encoding": "gzip"}, 415, "unsupported_encoding"),
            (good, {"Origin": "https://evil.example"}, 403, "foreign_origin"),
        ]
        for body, headers, status, code in cases:
            answer = self.batch(body, **headers)
            self.assertEqual((answer.status, answer.error["code"]), (status, code), body)
        answer = self.batch(good, "application/json; charset=utf-16")
        self.assertEqual((answer.status, answer.error["code"]), (400, "wrong_encoding"))
        self.assertEqual((self.messages, self.failures_said), (0, []))

    def test_lines_that_do_not_say_so(self) -> None:
        """NDJSON under another Content-Type, such as curl's own, looks like an object: the refusal says what to do."""
        for kind in ("application/json", "application/x-www-form-urlencoded"):
            refused = self.batch(lines(GOOD, GOOD), kind)
            self.assertEqual((refused.status, refused.error["code"], self.messages), (400, "malformed_json", 0))
            self.assertIn("application/x-ndjson", refused.error["message"])

    def test_nothing_in_it(self) -> None:
        """An empty batch is answered by an empty one."""
        for body, kind, wanted in ((b" [ ] ", "application/json", b"[]\n"), (b"\n\n", NDJSON, b""), (b"", NDJSON, b"")):
            answer = self.batch(body, kind)
            self.assertEqual((answer.status, answer.body), (200, wanted))

    def test_broken_line(self) -> None:
        """A line that is no JSON is refused; the others go on. So is one nested too deep, or not UTF-8."""
        body = b"\n".join((lines(GOOD)[:-1], b'{"To": ', b"[" * 60_000, b'{"To": "\xff"}', lines(GOOD)[:-1]))
        wanted = [(0, 200, None), *((at, 400, "malformed_json") for at in (1, 2)), (3, 400, "wrong_encoding")]
        self.assertEqual(self.results(self.batch(body, NDJSON)), [*wanted, (4, 200, None)])

    def test_broken_array(self) -> None:
        """What came before stands, and the last result, which is no item's, says so."""
        for broken, before in ((b", {a}, ", 2), (b", ", 1), (b"] x", 1), (b',, {"To": 1}]', 1)):
            answer = self.batch(array(GOOD)[:-1] + broken)
            *items, last = answer.json
            self.assertEqual((items[0]["status"], len(items)), (200, before))
            self.assertEqual((last["stopped"], last["index"], last["status"]), (True, before, 400))
            self.assertIn("What came before stands", last["error"]["message"])
        self.assertEqual(self.messages, 4)

    def test_long_item(self) -> None:
        """One that is longer than maximum_body is refused by itself, deep as it may be."""
        for long in (GOOD | {"Body": "x" * 66_000}, GOOD | {"a": [["x" * 66_000]]}):
            for body, kind in ((array(GOOD, long, GOOD), "application/json"), (lines(GOOD, long, GOOD), NDJSON)):
                wanted = [(0, 200, None), (1, 413, "body_too_large"), (2, 200, None)]
                self.assertEqual(self.results(self.batch(body, kind)), wanted)
        deep = b'[{"a": ' + b"[" * 30_000 + b"]" * 30_000 + b"}," + array(GOOD)[1:]
        self.assertEqual(self.results(self.batch(deep)), [(0, 400, "malformed_json"), (1, 200, None)])

    def test_duplicates(self) -> None:
        """Two items that are alike are two messages, as two requests would be."""
        answer = self.batch(array(GOOD, GOOD))
        self.assertEqual(len({one["MessageSID"] for one in answer.json}), 2)
        answer = self.batch(b'[{"To": "+923001234567", "Body": "a", "Body": "b"}]')
        self.assertEqual(self.results(answer), [(0, 400, "duplicate_field")])

    def test_order_and_commits(self) -> None:
        """Many items in one read: one commit, results in order, and the texts leave in that order."""
        self.settle()
        before = self.writer.commits
        answer = self.batch(lines(*[one | {"To": f"+92300{at:07}"} for at, one in enumerate(numbered(300))]), NDJSON)
        self.assertEqual([one[:2] for one in self.results(answer)], [(number, 200) for number in range(300)])
        self.assertEqual(self.writer.commits - before, 1)
        self.assertGreater(len(self.channel.submitted), 5)
        sent = [segment.text for segment in self.channel.submitted]
        self.assertEqual(sent, [f"text {number}" for number in range(len(sent))])

    def test_other_paths(self) -> None:
        """However the path is written, the answer is the same."""
        for path in ("/send-batch", PATH + "/", PATH + "?x=1", "http://x" + PATH, "/msg-client/send%2Dbatch"):
            answer = self.request("POST", path, array(GOOD), Content_Type="application/json")
            self.assertEqual(self.results(answer), [(0, 200, None)], path)
        self.assertEqual(self.request("GET", PATH).status, 405)


@both_ways
class LimitsCase(BatchCase):
    def settings(self, **values: int) -> None:
        route = next(one for one in self.resource.api.routes if one.path == "/send-batch")
        batches: Any = route.stream.__self__  # type: ignore[union-attr]
        self.patch(batches, "settings", batches.settings._replace(**values))

    def test_items(self) -> None:
        """From maximum_batch on nothing is read, and what stands before it is told."""
        self.settings(maximum_batch=3)
        for body, kind in (
            (array(*numbered(5)), "application/json"),
            (lines(*numbered(5)), NDJSON),
            (json.dumps({"Body": "x", "To": ["+923001234567"] * 5}).encode(), "application/json"),
        ):
            answer = self.batch(body, kind)
            self.assertEqual([one[1] for one in self.results(answer)], [200, 200, 200, 413])
            self.assertIn(b'"stopped": true', answer.body)
        self.assertEqual([one[1] for one in self.results(self.batch(array(*numbered(3))))], [200] * 3)

    def test_octets(self) -> None:
        """A body that says that it is too long is refused as a whole; one that does not, when it is."""
        self.settings(maximum_batch_body=2_000)
        body = lines(*numbered(60))
        answer = self.batch(body, NDJSON)
        self.assertEqual((answer.status, answer.error["code"], self.messages), (413, "body_too_large", 0))
        chunk = b"%x\r\n%s\r\n" % (1_000, body[:1_000])
        (answer,) = self.give(head("chunked", kind=NDJSON), *[chunk] * 3, b"0\r\n\r\n")
        self.assertEqual(self.results(answer)[-1][1:], (413, "body_too_large"))
        self.assertGreater(self.messages, 10)

    def test_object(self) -> None:
        """One with recipients is kept as a whole, so it may not be as long as the others."""
        self.patch(batch, "LONGEST_OBJECT", 500)
        body = json.dumps({"Body": "x", "To": ["+923001234567"] * 50}).encode()
        answer = self.batch(body)
        self.assertEqual((answer.status, answer.error["code"], self.messages), (413, "body_too_large", 0))

    def test_many_batches(self) -> None:
        """All batches together have a bound; beyond it a new one gets 503, and the room comes back."""
        self.patch(server, "MOST_IN_PIECES", ALLOWANCE * 2)
        self.site = self.make_site()
        held = [self.connect() for _ in range(2)]
        for protocol, _ in held:
            protocol.dataReceived(head(100) + b"[")
        refused = self.batch(array(GOOD))
        self.assertEqual((refused.status, refused.error["code"]), (503, "overloaded"))
        self.assertIsNotNone(refused.header("Retry-After"))
        held[0][0].connectionLost(Failure(ConnectionLost()))
        held[1][0].dataReceived(b" " * 98 + b"]")
        for _ in range(3):
            self.assertEqual(self.results(self.batch(array(GOOD))), [(0, 200, None)])


@both_ways
class FlowCase(BatchCase):
    """Slow readers, slow writers, those who leave, and a store that is slow or can't."""

    def begin(self, length: int | str, kind: str = NDJSON, *more: str) -> tuple[Any, Transport]:
        protocol, transport = self.connect()
        protocol.dataReceived(head(length, *more, kind=kind))
        return protocol, transport

    def test_streamed(self) -> None:
        """Results come while the body does, each after its commit and not before."""
        protocol, transport = self.begin("chunked")
        for number in range(3):
            line = lines(GOOD)
            protocol.dataReceived(b"%x\r\n%s\r\n" % (len(line), line))
            self.assertEqual(transport.value().count(b"MessageSID"), number)
            self.settle()
            self.assertEqual(transport.value().count(b"MessageSID"), number + 1)
        protocol.dataReceived(b"0\r\n\r\n")
        self.settle()
        (answer,) = answers(transport.value())
        self.assertEqual(len(self.results(answer)), 3)
        protocol.dataReceived(SEND)  # the connection is used again
        self.settle()
        self.assertEqual(transport.value().count(b"HTTP/1.1 200"), 2)

    def test_octet_by_octet(self) -> None:
        """Pieces make no difference."""
        for body, kind in ((array(GOOD, 7, GOOD), "application/json"), (lines(GOOD, 7, GOOD), NDJSON)):
            octets = head(len(body), kind=kind) + body
            (answer,) = self.give(*[octets[at : at + 1] for at in range(len(octets))])
            self.assertEqual([one[1] for one in self.results(answer)], [200, 400, 200])

    def test_slow_store(self) -> None:
        """While as many wait for their commits as may, nothing is read; the clock does not run for the client."""
        self.patch(batch, "MOST_UNDER_WAY", 20)
        commit = self.writer.commit
        self.patch(self.writer, "commit", lambda: None)
        body = lines(*numbered(100))
        protocol, transport = self.begin(len(body))
        protocol.dataReceived(body[:2_000])
        accepts = sum(isinstance(one, ops.Accept) for one, _ in self.writer.queue)
        self.assertEqual((transport.producerState, accepts), ("paused", 20))
        self.clock.pump([1.0] * 200)
        self.assertFalse(transport.disconnecting)
        self.patch(self.writer, "commit", commit)
        commit()
        self.settle()
        self.assertEqual(transport.producerState, "producing")
        protocol.dataReceived(body[2_000:])
        self.settle()
        (answer,) = answers(transport.value())
        self.assertEqual([one[:2] for one in self.results(answer)], [(number, 200) for number in range(100)])

    def test_others_have_their_turn(self) -> None:
        """A long batch that came in one read holds up nobody: a text of another client is accepted in between. So it is
        where every item is refused, or one text goes to many numbers."""
        self.patch(batch, "AT_ONCE", 10)
        refused = lines(*[{"To": "x", "Body": "hi"}] * 100)
        recipients = json.dumps({"Body": "x", "To": ["+923001234567"] * 100}).encode()
        for body, kind in ((lines(*numbered(100)), NDJSON), (refused, NDJSON), (recipients, "application/json")):
            protocol, transport = self.begin(len(body), kind)
            protocol.dataReceived(body)
            looked_at = transport.value().count(b'"index"')
            looked_at += sum(isinstance(one, ops.Accept) for one, _ in self.writer.queue)
            self.assertEqual(looked_at, 10)
            other = self.exchange(SEND, settle=False)
            self.settle()
            self.assertIn(b"HTTP/1.1 200", other.value())
            (answer,) = answers(transport.value())
            self.assertEqual([one[0] for one in self.results(answer)], list(range(100)))

    def test_writes_before_it_reads(self) -> None:
        """A client that writes all of its body before it reads gets all of its answer: its body is read on."""
        body = lines(*numbered(3_000))
        protocol, transport = self.begin(len(body))
        for at in range(0, len(body), 20_000):
            self.assertEqual(transport.producerState, "producing")
            protocol.dataReceived(body[at : at + 20_000])
            self.settle()
        self.assertLess(len(transport.value()), 2 * Transport.BUFFER + 1_000)
        octets = b""
        while more := transport.read():
            octets += more
            self.settle()
        (answer,) = answers(octets)
        self.assertEqual([one[:2] for one in self.results(answer)], [(number, 200) for number in range(3_000)])

    def test_never_reads(self) -> None:
        """When what is kept of answers has no room any more the body waits, and then the client is cut off; what was
        committed stands, and all of the room comes back."""
        self.patch(server, "MOST_IN_PIECES", ALLOWANCE + 100_000)
        made: list[Bodies] = []

        def make(*most: int) -> Bodies:
            made.append(Bodies(*most))
            return made[-1]

        self.patch(server, "Bodies", make)
        self.site = self.make_site()
        self.site.doStart()
        self.addCleanup(self.site.doStop)
        protocol, transport = self.begin("chunked")
        piece = lines(*numbered(500))
        sent = 0
        while transport.producerState == "producing" and sent < 20:
            protocol.dataReceived(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.settle()
            sent += 1
        self.assertLess(sent, 10)
        self.clock.pump([1.0] * 40)
        self.assertTrue(transport.aborted)
        protocol.connectionLost(Failure(ConnectionLost()))
        self.assertEqual((self.messages, [one.octets for one in made]), (sent * 500, [0, 0]))

    def test_never_reads_the_end(self) -> None:
        """The same where the body has come to its end."""
        body = lines(*numbered(3_000))
        protocol, transport = self.begin(len(body))
        for at in range(0, len(body), 20_000):
            protocol.dataReceived(body[at : at + 20_000])
            self.settle()
        self.clock.pump([1.0] * 40)
        self.assertTrue(transport.aborted)

    def test_dripping(self) -> None:
        """An item may take as long as a request, the next one again; an octet now and then keeps no connection."""
        protocol, transport = self.begin("chunked")
        line = lines(GOOD)
        for _ in range(4):
            self.clock.pump([1.0] * 20)
            protocol.dataReceived(b"%x\r\n%s\r\n" % (len(line), line))
            self.settle()
        self.assertEqual((transport.value().count(b"MessageSID"), transport.aborted), (4, False))
        for _ in range(31):
            protocol.dataReceived(b"1\r\n{\r\n")
            self.clock.advance(1.0)
        self.assertTrue(transport.aborted)

    def test_not_for_ever(self) -> None:
        """A line every 20 s is not read for days."""
        self.patch(streams, "LONGEST_S", 100.0)
        protocol, transport = self.begin("chunked")
        line = lines(GOOD)
        for _ in range(8):
            if not transport.aborted:
                protocol.dataReceived(b"%x\r\n%s\r\n" % (len(line), line))
            self.clock.pump([1.0] * 20)
        self.assertTrue(transport.aborted)

    def test_client_leaves(self) -> None:
        """In the middle: what came whole is accepted, what did not is not, and what is under way goes its way."""
        protocol, transport = self.begin(10_000)
        protocol.dataReceived(lines(*numbered(3)) + lines(GOOD)[:-2])
        protocol.connectionLost(Failure(ConnectionLost()))
        self.settle()
        self.assertEqual((self.messages, transport.value(), self.failures_said), (3, b"", []))

    def test_closes_its_half(self) -> None:
        """A client that ends its writing half within the body is closed: its last line may not be whole."""
        protocol, transport = self.begin(10_000)
        protocol.dataReceived(lines(*numbered(2)) + lines(GOOD)[:-2])
        self.settle()
        protocol.readConnectionLost()
        self.assertEqual((transport.disconnecting, self.messages), (True, 2))

    def test_gate_closes(self) -> None:
        """In the middle: from there on each item is refused, in its place, as /send would be."""
        body = lines(*numbered(4))
        protocol, transport = self.begin(len(body))
        protocol.dataReceived(body[:100])
        self.settle()
        accepted = self.messages
        self.gate.reason = "The disk is full."
        protocol.dataReceived(body[100:])
        self.settle()
        (answer,) = answers(transport.value())
        refused = self.send(**GOOD)
        wanted = [*((200, None),) * accepted, *((503, refused.error["code"]),) * (4 - accepted)]
        self.assertEqual([one[1:] for one in self.results(answer)], wanted)
        self.assertEqual((self.batch(body, NDJSON).status, accepted), (503, 2))

    def test_store_fails(self) -> None:
        """Items whose commit failed are refused with 503, in their places; the gate hears of it."""
        body = lines(*numbered(4))
        protocol, transport = self.begin(len(body))
        protocol.dataReceived(body[:100])
        self.settle()
        self.writer.full = True
        protocol.dataReceived(body[100:])
        self.settle()
        (answer,) = answers(transport.value())
        self.assertEqual([one[1:] for one in self.results(answer)], [(200, None)] * 2 + [(503, "unavailable")] * 2)
        self.assertEqual((len(self.gate.failures), self.messages), (2, 2))

    def test_store_fails_at_once(self) -> None:
        """An error that comes within ``accept``, as at the stop, is told like any other."""

        def put(_operation: Any, done: Any, may_wait: bool = False) -> None:
            done(None, StoreError("the connector is stopping"))

        self.patch(self.writer, "put", put)
        answer = self.batch(lines(*numbered(3)), NDJSON)
        self.assertEqual([one[1] for one in self.results(answer)], [503] * 3)

    def test_broken_chunks(self) -> None:
        """Chunks that are none end the connection. An answer that has begun breaks off, and gets no second head."""
        protocol, transport = self.begin("chunked")
        line = lines(GOOD)
        protocol.dataReceived(b"%x\r\n%s\r\n" % (len(line), line))
        self.settle()
        protocol.dataReceived(b"nonsense\r\n")
        self.assertTrue(transport.disconnecting)
        self.assertEqual(transport.value().count(b"HTTP/1.1"), 1)
        self.assertFalse(transport.value().endswith(b"0\r\n\r\n"))

    def test_goes_on_behind_the_end(self) -> None:
        """Of what nobody wants any more some is read, so that the client reads its answer; then it is closed."""
        self.patch(streams, "DRAIN", 5_000)
        for length, closed in ((3_000, False), (50_000, True)):
            protocol, transport = self.begin(length + 3, "application/json")
            protocol.dataReceived(b"[1]")
            for _ in range(length // 1_000):
                if not transport.disconnecting:
                    protocol.dataReceived(b"x" * 1_000)
            self.settle()
            (answer,) = answers(transport.value())
            self.assertEqual(answer.json[-1]["stopped"], True)
            self.assertEqual(transport.disconnecting, closed)

    def test_bug(self) -> None:
        """What nobody expected is 500 and in the log; if the answer has begun, it breaks off."""
        self.patch(batch, "read_send", lambda fields: 1 / 0)
        self.assertEqual(self.batch(array(GOOD)).status, 500)
        protocol, transport = self.begin(1_000)
        protocol.dataReceived(lines(7))
        self.settle()
        protocol.dataReceived(lines(GOOD))
        self.assertTrue(transport.disconnecting)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)


@both_ways
class ExpectCase(BatchCase):
    keys = ("k" * 20,)

    def test_asked_before(self) -> None:
        """Expect: 100-continue: 100 if the batch may come; else the refusal at once, and nothing is waited for."""
        protocol, transport = self.connect()
        protocol.dataReceived(head(len(array(GOOD)), "Expect: 100-continue", f"X-API-Key: {self.keys[0]}"))
        self.assertEqual(transport.value(), b"HTTP/1.1 100 Continue\r\n\r\n")
        protocol.dataReceived(array(GOOD))
        self.settle()
        (answer,) = answers(transport.value())
        self.assertEqual(self.results(answer), [(0, 200, None)])
        protocol, transport = self.connect()
        protocol.dataReceived(head(100, "Expect: 100-continue"))
        (answer,) = answers(transport.value())
        self.assertEqual((answer.status, transport.disconnecting), (401, True))

    def test_wrong_key(self) -> None:
        """401 when the body was read and dropped; not one item is looked at. A body that is too long to drop is not
        waited for."""
        answer = self.batch(array(GOOD), X_API_Key="wrong")
        self.assertEqual((answer.status, self.messages), (401, 0))
        self.assertIsNotNone(answer.header("WWW-Authenticate"))
        protocol, transport = self.connect()
        protocol.dataReceived(head(8_000_000))
        (answer,) = answers(transport.value())
        self.assertEqual((answer.status, transport.disconnecting), (401, True))

    def test_http_1_0(self) -> None:
        """No chunks for HTTP/1.0: the end of the connection is the end of the answer."""
        body = array(GOOD)
        octets = head(len(body), f"X-API-Key: {self.keys[0]}").replace(b"HTTP/1.1", b"HTTP/1.0") + body
        transport = self.exchange(octets)
        (answer,) = answers(transport.value())
        self.assertEqual((self.results(answer), transport.disconnecting), ([(0, 200, None)], True))
