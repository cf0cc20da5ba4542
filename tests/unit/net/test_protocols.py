"""Which protocol the other side speaks, by its first octets, and which one is mostly spoken at a port."""

from twisted.trial.unittest import SynchronousTestCase

from smsconnector.net.protocols import ENOUGH, Wanted, spoken_instead, unlikely_port
from smsconnector.smpp import pdu as codec
from smsconnector.smpp.constants import CommandId, Status

OPENWIRE = b"\0\0\1\x84\1ActiveMQ\0\0\0\x0c\1"
OPENWIRE_BARE = b"\1ActiveMQ\0\0\0\x0c\1"
AMQP = b"AMQP\0\0\x09\1"
AMQP_1_0 = b"AMQP\3\1\0\0"
MQTT = b"\x20\2\0\5"
MQTT_5 = b"\x20\3\0\x84\0"
HTTP = b"HTTP/1.1 400 Bad Request\r\n\r\n"
TLS_ALERT = b"\x15\3\1\0\2\2\x16"
TLS_HELLO = b"\x16\3\1\2\0\1\0\1\xfc\3\3"
SSH = b"SSH-2.0-OpenSSH_9.2\r\n"
MAIL = b"220 mail.example ESMTP\r\n"
STOMP_ERROR = b"ERROR\nmessage:no\n\n\0"
STOMP_CRLF = b"ERROR\r\nmessage:no\r\n\r\n\0"
STOMP_CONNECTED = b"\nCONNECTED\nversion:1.2\n\n\0"
NACK = codec.bare(CommandId.generic_nack, 0, Status.ESME_RINVCMDLEN)
BIND_RESP = codec.with_body(CommandId.bind_transceiver | 0x80000000, 1, b"smsc\0")
OUTBIND = codec.with_body(CommandId.outbind, 1, b"smsc\0secret\0")
ENQUIRY = codec.bare(CommandId.enquire_link, 7)
REFUSED = codec.bare(CommandId.bind_receiver | 0x80000000, 1, Status.ESME_RBINDFAIL)

FOREIGN_TO_BOTH = (
    (OPENWIRE, "OpenWire"),
    (OPENWIRE_BARE, "OpenWire"),
    (AMQP, "AMQP"),
    (AMQP_1_0, "AMQP"),
    (MQTT, "MQTT"),
    (MQTT_5, "MQTT"),
    (HTTP, "HTTP"),
    (TLS_ALERT, "TLS"),
    (TLS_HELLO, "TLS"),
    (SSH, "SSH"),
    (MAIL, "SMTP or FTP"),
)


class ProtocolCase(SynchronousTestCase):
    def test_foreign(self) -> None:
        """Each is named, to who wanted SMPP and to who wanted STOMP, with what to do."""
        for octets, name in FOREIGN_TO_BOTH:
            others: tuple[tuple[Wanted, str], ...] = (("SMPP", "2775"), ("STOMP", "61613"))
            for wanted, port in others:
                said = spoken_instead(octets, wanted)
                self.assertIn(f"it speaks {name}", said, octets)
                self.assertIn(
                    "tls:" if name == "TLS" and wanted == "SMPP" else "ssl://" if name == "TLS" else port, said
                )

    def test_mixed_up(self) -> None:
        """A broker where an SMSC should be, and an SMSC where a broker should be."""
        for octets in (STOMP_ERROR, STOMP_CRLF, STOMP_CONNECTED):
            self.assertIn("it speaks STOMP, as brokers do: SMPP is at another port", spoken_instead(octets, "SMPP"))
            self.assertEqual(spoken_instead(octets, "STOMP"), "")
        for octets in (NACK, BIND_RESP, OUTBIND, ENQUIRY, REFUSED):
            self.assertIn("it speaks SMPP, as SMSCs do: STOMP is at another port", spoken_instead(octets, "STOMP"))
            self.assertEqual(spoken_instead(octets, "SMPP"), "")

    def test_in_pieces(self) -> None:
        """No beginning of what is right is taken for something else; what is foreign is told by ``ENOUGH`` octets, and
        by four where an SMSC's framing would be lost."""
        for octets in (STOMP_ERROR, STOMP_CRLF, STOMP_CONNECTED):
            for length in range(len(octets)):
                self.assertEqual(spoken_instead(octets[:length], "STOMP"), "")
        for octets in (NACK, BIND_RESP, OUTBIND, ENQUIRY, REFUSED):
            for length in range(len(octets)):
                self.assertEqual(spoken_instead(octets[:length], "SMPP"), "")
        for octets, name in FOREIGN_TO_BOTH:
            self.assertIn(name, spoken_instead(octets[:ENOUGH], "SMPP"))
            if name != "OpenWire":
                self.assertIn(name, spoken_instead(octets[:4], "SMPP"))

    def test_unknown(self) -> None:
        """Nothing is guessed of octets that are like none of them; a PDU of unknown command is still SMPP's affair."""
        for octets in (b"", b"\0", b"\xff" * 16, b"hello, world\n", b"\0\0\0\x10" + b"\x99" * 12):
            self.assertEqual(spoken_instead(octets, "SMPP"), "")
            self.assertEqual(spoken_instead(octets, "STOMP"), "")

    def test_ports(self) -> None:
        """What is mostly spoken at a port, and whether by TLS. Usual ports, and those of nobody, need no word."""
        mostly_others: tuple[tuple[Wanted, int, bool, str], ...] = (
            ("STOMP", 61616, False, "61616 is mostly OpenWire: STOMP is mostly at 61613"),
            ("STOMP", 61617, True, "61617 is mostly OpenWire by TLS"),
            ("STOMP", 5672, False, "5672 is mostly AMQP"),
            ("STOMP", 5671, True, "5671 is mostly AMQP by TLS"),
            ("STOMP", 1883, False, "1883 is mostly MQTT"),
            ("STOMP", 8883, True, "8883 is mostly MQTT by TLS"),
            ("STOMP", 61619, True, "61619 is mostly STOMP over WebSocket"),
            ("STOMP", 15674, False, "15674 is mostly STOMP over WebSocket"),
            ("STOMP", 8161, False, "8161 is mostly ActiveMQ's console"),
            ("STOMP", 15672, False, "15672 is mostly RabbitMQ's console"),
            ("STOMP", 2775, False, "2775 is mostly SMPP: STOMP is mostly at 61613"),
            ("STOMP", 3550, True, "3550 is mostly SMPP by TLS"),
            ("STOMP", 80, False, "80 is mostly HTTP"),
            ("STOMP", 443, True, "443 is mostly HTTPS"),
            ("STOMP", 61614, False, "61614 is mostly STOMP by TLS, or over WebSocket: for TLS write ssl://"),
            ("STOMP", 61613, True, "61613 is mostly STOMP without TLS: for that write tcp://"),
            ("SMPP", 61613, False, "61613 is mostly STOMP: SMPP is mostly at 2775"),
            ("SMPP", 61614, True, "61614 is mostly STOMP by TLS"),
            ("SMPP", 61616, False, "61616 is mostly OpenWire: SMPP is mostly at 2775"),
            ("SMPP", 5672, False, "5672 is mostly AMQP"),
            ("SMPP", 80, False, "80 is mostly HTTP: SMPP is mostly at 2775"),
            ("SMPP", 443, True, "443 is mostly HTTPS"),
            ("SMPP", 8080, False, "8080 is mostly HTTP"),
            ("SMPP", 22, False, "22 is mostly SSH"),
            ("SMPP", 25, False, "25 is mostly SMTP"),
            ("SMPP", 3550, False, "3550 is mostly SMPP by TLS: for that write tls:"),
            ("SMPP", 2775, True, "2775 is mostly SMPP without TLS: for that write tcp:"),
        )
        for wanted, port, tls, words in mostly_others:
            self.assertIn(words, unlikely_port(port, wanted, tls) or "", (wanted, port, tls))
        usual: tuple[tuple[Wanted, int, bool], ...] = (
            ("STOMP", 61613, False),
            ("STOMP", 61614, True),
            ("STOMP", 61612, True),
            ("SMPP", 2775, False),
            ("SMPP", 2776, False),
            ("SMPP", 3550, True),
            ("SMPP", 16000, True),
        )
        for wanted, port, tls in usual:
            self.assertIsNone(unlikely_port(port, wanted, tls), (wanted, port, tls))
