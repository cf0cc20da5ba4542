"""The process stops: a client whose connection is kept is told to make a new one, which another process may get."""

from twisted.internet.testing import StringTransport

from tests.unit.http.test_abuse import NOTHING, SEND, AbuseCase, answers
from tests.unit.http.ways import both_ways

OTHER = SEND.replace(b"923001234567", b"923001234568")  # to another number: no text waits for another one
HEALTH = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"


@both_ways
class LeavingCase(AbuseCase):
    def closes(self, transport: StringTransport) -> list[tuple[int, str | None]]:
        return [(one.status, one.header("Connection")) for one in answers(transport.value())]

    def test_told(self) -> None:
        """The next answer says so, and the connection is closed behind it (RFC 9112 section 9.6). Until then nothing of
        this is seen."""
        for request, status in ((SEND, 200), (HEALTH, 200), (NOTHING, 404), (SEND.replace(b'"hi"', b"1234"), 400)):
            self.site.is_leaving = False
            protocol, transport = self.connect()
            protocol.dataReceived(request)
            self.settle()
            self.assertEqual((self.closes(transport), transport.disconnecting), ([(status, None)], False))
            self.site.is_leaving = True
            self.assertFalse(transport.disconnecting, "it has asked nothing yet")
            transport.clear()
            protocol.dataReceived(request)
            self.settle()
            self.assertEqual((self.closes(transport), transport.disconnecting), ([(status, "close")], True))

    def test_nothing_behind_it(self) -> None:
        """What a client has written behind such a request is neither done nor answered: it will send it again."""
        self.site.is_leaving = True
        protocol, transport = self.connect()
        protocol.dataReceived(SEND + OTHER)
        self.settle()
        self.assertEqual((self.closes(transport), transport.disconnecting), ([(200, "close")], True))
        self.assertEqual(len(self.channel.submitted), 1)

    def test_under_way(self) -> None:
        """A request that was read before is answered as ever; the next one is the last."""
        protocol, transport = self.connect()
        protocol.dataReceived(SEND)
        self.site.is_leaving = True
        self.settle()
        self.assertEqual((self.closes(transport), transport.disconnecting), ([(200, None)], False))
        protocol.dataReceived(OTHER)
        self.settle()
        self.assertEqual(self.closes(transport)[1:], [(200, "close")])
        self.assertEqual(len(self.channel.submitted), 2)
