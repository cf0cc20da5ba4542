"""A message that another process has accepted: it is found there, and "there is none" is said only if nobody has it."""

from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.errors import NotSent
from smsconnector.http.answers import Answer, HTTPRequest
from smsconnector.http.siblings import Siblings, make_siblings
from smsconnector.net.http_client import HTTPCall, HTTPReply
from tests.recorded_log import RecordedLog
from tests.unit.fakes import by_name

SID = "SM" + "0" * 32
NOT_HERE = Answer(404, (), b"none")
FOUND = HTTPReply(200, {"content-type": "application/json"}, b'{"MessageSID": "SM"}')
NONE = HTTPReply(404, {}, b"{}")


class SiblingsCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.log = RecordedLog(self)
        self.calls: list[tuple[HTTPCall, Deferred[HTTPReply]]] = []
        self.siblings = Siblings(self.ask, ["http://127.0.0.1:8082", "http://127.0.0.1:8083/"], "/msg-client")

    def ask(self, call: HTTPCall) -> "Deferred[HTTPReply]":
        self.calls.append((call, Deferred()))
        return self.calls[-1][1]

    def look(self, *headers: tuple[bytes, bytes], sid: str = SID) -> list[Answer]:
        """What was answered so far."""
        answers: list[Answer] = []
        self.calls.clear()
        request = HTTPRequest(b"GET", b"/x", by_name(headers), b"", {"sid": sid})
        self.siblings.find(request, NOT_HERE, answers.append)
        return answers

    def reply(self, number: int, reply: Any) -> None:
        (self.calls[number][1].errback if isinstance(reply, Exception) else self.calls[number][1].callback)(reply)

    def test_asked(self) -> None:
        """All are asked at once, with the key that the client has brought, and a mark that ends the search there."""
        key = ((b"authorization", b"Bearer k"), (b"x-api-key", b"k"), (b"origin", b"https://a"), (b"cookie", b"c"))
        self.look(*key, sid="SM/../?")
        urls = [call.url for call, _ in self.calls]
        self.assertEqual(urls, [f"http://127.0.0.1:{port}/msg-client/messages/SM%2F..%2F%3F" for port in (8082, 8083)])
        for call, _ in self.calls:
            self.assertEqual(call.method, "GET")
            wanted = {("via", "1.1 smsconnector"), ("authorization", "Bearer k"), ("x-api-key", "k")}
            self.assertEqual({(name.lower(), value) for name, value in call.headers}, wanted)

    def test_no_circle(self) -> None:
        """Who is asked by another one asks nobody; a proxy's own mark is not ours."""
        for via in (b"1.1 smsconnector", b"1.0 fred, 1.1 SMSConnector"):
            self.assertEqual((self.look((b"via", via)), self.calls), ([NOT_HERE], []))
        self.assertEqual((self.look((b"via", b"1.1 proxy")), len(self.calls)), ([], 2))

    def test_alone(self) -> None:
        """Without any others the answer is given at once."""
        answers: list[Answer] = []
        find = make_siblings(None, [], "/msg-client")
        find(HTTPRequest(b"GET", b"/x", {}, b"", {"sid": SID}), NOT_HERE, answers.append)
        self.assertEqual(answers, [NOT_HERE])

    def test_found(self) -> None:
        """The first that has it tells it; whatever the others say, there is one answer."""
        for order in (
            (0, FOUND, 1, NONE),
            (0, NONE, 1, FOUND),
            (1, FOUND, 0, NotSent("gone")),
            (1, NotSent("x"), 0, FOUND),
        ):
            answers = self.look()
            self.reply(*order[:2])
            self.reply(*order[2:])
            ((status, headers, body),) = answers
            self.assertEqual((status, headers, body), (200, ((b"Content-Type", b"application/json"),), FOUND.body))

    def test_nobody_has_it(self) -> None:
        """404 when all have said so, and not before."""
        answers = self.look()
        self.reply(1, NONE)
        self.assertEqual(answers, [])
        self.reply(0, NONE)
        self.assertEqual(answers, [NOT_HERE])

    def test_one_can_not_say(self) -> None:
        """One is down, its store can't read, or it does not know the key: 503, for it may have it. Said once in the log
        until it answers again."""
        for bad in (NotSent("refused"), HTTPReply(503, {}, b""), HTTPReply(401, {}, b""), HTTPReply(500, {}, b"")):
            answers = self.look()
            self.reply(0, bad)
            self.reply(1, NONE)
            self.assertEqual([answer.status for answer in answers], [503])
            self.assertIn(b"Retry-After", dict(answers[0].headers))
        (line,) = self.log.lines
        self.assertIn("http://127.0.0.1:8082", line)
        self.look()
        self.reply(0, NONE)
        self.assertIn("answers again", self.log.lines[-1])
