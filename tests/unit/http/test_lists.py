"""Long lists of notifications: a body of a provider's own form may be longer than one of the contract's.

Infobip posts up to 100 reports at once (``maxBucketSize`` of its delivery reports), each with up to 4000 characters of
callbackData: 470 kB.
"""

import json
from typing import Any

from twisted.internet.error import ConnectionLost
from twisted.python.failure import Failure

from smsconnector.hook_sections import NotificationSection, hooks_of
from smsconnector.http.bodies import Bodies
from tests.unit.http.test_abuse import GOOD, HEAD, AbuseCase, answers
from tests.unit.http.ways import both_ways

LIST = {"records": "results", "id": "messageId", "status": "status.groupName", "recipient": "to"}
PATH = "/msg-client/smpp/delivery-notification"
LONG = 200_000  # octets


class ProviderCase(AbuseCase):
    """The channel ``smpp`` has a form of its own for notifications, and the contract's for texts."""

    def setUp(self) -> None:
        self.hooks = {"smpp": hooks_of(NotificationSection.model_validate(LIST), None, None)}
        super().setUp()

    def results(self, count: int, words: int = 4_000) -> bytes:
        one = {"status": {"groupName": "DELIVERED"}, "to": "923001234567", "callbackData": "x" * words}
        return json.dumps({"results": [one | {"messageId": f"m{at}"} for at in range(count)]}).encode()


@both_ways
class ListCase(ProviderCase):
    def test_a_list(self) -> None:
        """470 kB, with its length announced or in chunks: all of it is on disk."""
        body = self.results(100)
        self.assertGreater(len(body), 400_000)
        self.assertEqual(self.request("POST", PATH, body, Content_Type="application/json").status, 200)
        self.assertEqual(self.writer.store.parked, 100)
        chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        head = f"POST {PATH}?a=b HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n".encode()
        (answer,) = self.give(head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks)
        self.assertEqual((answer.status, self.writer.store.parked), (200, 200))

    def test_the_longest(self) -> None:
        """1 MiB, and no octet more; the answer says how long it may be."""
        body = self.results(1)
        body += b" " * (1_048_576 - len(body))
        self.assertEqual(self.request("POST", PATH, body).status, 200)
        for length in (1_048_577, 10**9):
            head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode()
            (answer,) = self.give(head, body + b" ")
            self.assertEqual(answer.status, 413)
            self.assertIn("1048576", answer.error["message"])

    def test_the_others_keep_their_limit(self) -> None:
        """Those of the contract, and paths that look alike."""
        for path in (
            "/msg-client/send",
            "/msg-client/receive",
            "/msg-client/smpp/receive",
            "/msg-client/other/delivery-notification",
            "/msg-client/messages/SM1",
            "/msg-client/smpp/delivery-notifications",
            "/other/smpp/delivery-notification",
            "/send?/msg-client/smpp/delivery-notification",
            "/msg-client/send/../smpp/delivery-notification",
        ):
            transport = self.exchange(
                f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1200000\r\n\r\n".encode(), settle=False
            )
            (answer,) = answers(transport.value())
            self.assertEqual(answer.status, 413, path)
            self.assertIn("65536", answer.error["message"])

    def test_every_path_of_it(self) -> None:
        """With our own id and a secret behind it, as an absolute URI, and where no channel is named."""
        for path in (f"{PATH}/SM1", f"{PATH}/SM1/secret", f"http://x{PATH}", "/msg-client/delivery-notification"):
            before = self.writer.store.parked
            answer = self.request("POST", path, self.results(1, LONG), Content_Type="application/json")
            self.assertEqual((answer.status, self.writer.store.parked), (200, before + 1), path)

    def test_a_setting(self) -> None:
        """Both limits can be set; the greater one holds for lists."""
        for usual, lists, wanted in ((1_024, 300_000, 300_000), (500_000, 1_024, 500_000)):
            self.site = self.make_site(usual, maximum_webhook_body=lists)
            self.assertEqual(self.request("POST", PATH, self.results(1, wanted - 1_000)).status, 200)
            self.assertEqual(self.request("POST", PATH, self.results(1, wanted)).status, 413)


@both_ways
class SumCase(ProviderCase):
    """Long lists together have a share of the memory that all bodies may have, and ``/send`` has the rest."""

    def setUp(self) -> None:
        super().setUp()
        self.patch(Bodies, "most_beyond", 2 * LONG)

    def begin(self, octets: int = LONG) -> tuple[Any, Any]:
        protocol, transport = self.connect()
        protocol.dataReceived(f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n".encode())
        for _ in range(octets // 20_000):
            protocol.dataReceived(b" " * 20_000)
        return protocol, transport

    def status(self, transport: Any) -> list[int]:
        return [one.status for one in answers(transport.value())]

    def test_too_many(self) -> None:
        """The list that makes it too much gets 503 and is closed. Texts are accepted all the same, and short
        notifications too."""
        begun = [self.begin() for _ in range(4)]
        self.assertEqual([self.status(transport) for _, transport in begun], [[], [], [503], [503]])
        self.assertTrue(begun[2][1].disconnecting)
        (answer,) = self.give(HEAD + b"Content-Length: %d\r\n\r\n" % len(GOOD) + GOOD)
        self.assertEqual(answer.status, 200)
        self.assertEqual(self.request("POST", PATH, self.results(2)).status, 200)

    def test_room_again(self) -> None:
        """A list that was answered, or whose client has gone, leaves its room."""
        for _ in range(5):
            protocols = [self.begin() for _ in range(2)]
            protocols[0][0].connectionLost(Failure(ConnectionLost()))
            protocols[1][0].dataReceived(b" " * 700_000)  # all of it, and too much together
            self.settle()
            self.assertEqual(self.status(protocols[1][1]), [503])
            protocols[1][0].connectionLost(Failure(ConnectionLost()))
            self.assertEqual(self.request("POST", PATH, self.results(1, LONG)).status, 200)
        self.assertEqual((self.bodies.octets, self.bodies.beyond), (0, 0))
