"""The connector's own channel over TCP against SMSCs that others wrote: node-smpp, and the one of smpp.twisted3.

What a test says of a text, a header or a status is what the other side's own codec read, or made.
"""

import json
import time
from collections.abc import Callable
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.trial.unittest import SkipTest, TestCase

from smsconnector.channels.smpp.bind import Bind, BindSettings
from smsconnector.channels.smpp.channel import Route, SMPPChannel
from smsconnector.messages import Finality, IncomingSegment, Outcome, Receipt, Segment, Verdict
from smsconnector.net.link import BackOff
from smsconnector.smpp.constants import Status
from smsconnector.smpp.session import SessionSettings
from smsconnector.sms import segmentation
from smsconnector.sms.user_data import join
from smsconnector.wall_clock import WallClock
from tests.integration import activemq, jms
from tests.integration.peers import Peer, Unavailable, install_node, install_twisted3
from tests.integration.stack import Connector, Load, until
from tests.recorded_log import RecordedLog
from tests.unit.fakes import AgainMixin

reactor: Any = _reactor
SOON = 10.0  # seconds within which whatever a test waits for has come, or never will
NUMBER = "923001234567"
GSM7 = "@£$¥èéùìòÇØøÅåΔΦΓΛΩΠΨΣΘΞÆæßÉ¤¡ÄÖÑÜ§¿äöñüà ^{}\\[~]|€ \r\n"
URDU = "آپ کا آرڈر روانہ ہو گیا ہے 🚚"


class Owner(AgainMixin):
    """What the channel calls; keeps everything, and says that it is on disk."""

    channel: Any

    def __init__(self) -> None:
        super().__init__()
        self.answers: list[Outcome] = []
        self.items: list[Receipt | IncomingSegment] = []

    def outcomes(self, outcomes: list[Outcome]) -> None:
        self.answers += outcomes

    def late(self, outcome: Outcome) -> None: ...

    def room(self) -> None:
        if self.again:
            self.send_again(self.channel)

    def received(self, items: Any, done: Any) -> None:
        self.items += items
        done(None)

    def verdicts(self) -> list[Verdict]:
        return [one.verdict for one in self.answers]

    def receipts(self) -> list[Receipt]:
        return [one for one in self.items if isinstance(one, Receipt)]

    def texts(self) -> list[IncomingSegment]:
        return [one for one in self.items if isinstance(one, IncomingSegment)]


def segments(text: str, first_id: int = 1, destination: str = NUMBER) -> list[Segment]:
    """The text as the door cuts it."""
    split = segmentation.segment(text)
    count = len(split.segments)
    return [
        Segment(first_id + at, at + 1, count, part, split.alphabet, "8228", destination, 0)
        for at, part in enumerate(split.segments)
    ]


class PeerCase(TestCase):
    timeout = 180  # the first test installs the server

    def install(self) -> list[str]:
        raise NotImplementedError

    @inlineCallbacks
    def setUp(self) -> Any:  # type: ignore[override]  # trial waits for a Deferred; unittest knows none
        try:
            command = self.install()
        except Unavailable as error:
            raise SkipTest(str(error)) from None
        self.peer = Peer(command)
        self.addCleanup(self.peer.stop)
        yield self.peer.start()
        self.said = RecordedLog(self).lines

    def tearDown(self) -> None:
        """Whatever a test did: the other side's library had nothing to find fault with."""
        self.assertEqual(self.peer.complaints, [])

    def open(self, *, password: str = "secret", modes: tuple[str, ...] = ("transceiver",), **session: Any) -> None:
        """A channel with a bind to the server for each mode, started."""
        self.owner = Owner()
        self.channel = SMPPChannel("smpp", WallClock(time.time), self.owner, lambda prefix, route: self.owner)
        for mode in modes:
            settings = SessionSettings("me", password, mode=mode, **({"drain_timeout": 2.0} | session))
            endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", self.peer.port)
            bind = BindSettings(f"a {mode}", "me@peer", settings)
            self.channel.add(Bind(reactor, endpoint, bind, self.channel, BackOff(0.1, 1.0)))
        self.route: Route = self.channel.routes[""]
        self.owner.channel = self.route
        self.channel.startService()
        self.addCleanup(lambda: self.channel.stopService() if self.channel.running else None)

    def soon(self, condition: Callable[[], Any]) -> "Deferred[Any]":
        return until(condition, SOON)

    @inlineCallbacks
    def bound(self, binds: int = 1) -> Any:
        """So many binds have been made since the start, and all are good now."""
        bind_commands = ("bind_transceiver", "bind_transmitter", "bind_receiver")
        yield self.soon(lambda: len(self.peer.pdus(*bind_commands)) >= binds)
        yield self.soon(lambda: all(bind.bound for bind in self.channel.binds))

    @inlineCallbacks
    def answered(self, count: int) -> Any:
        """So many submits have an outcome, and the server's word of those that it took has come too: it has another way
        than its responses."""
        yield self.soon(lambda: len(self.owner.answers) >= count)
        self.assertEqual(len(self.owner.answers), count)
        taken = self.owner.verdicts().count(Verdict.ACCEPTED)
        yield self.soon(lambda: len(self.submits()) >= taken)

    def submits(self) -> list[dict[str, Any]]:
        return self.peer.pdus("submit_sm")

    def joined(self) -> str:
        """The text that the server got, by the places that it read."""
        parts = sorted((one["place"][2], one["text"]) for one in self.submits())
        return "".join(text for _, text in parts)


def read_alone(one: IncomingSegment) -> str:
    """A part, as if there were no others."""
    return join([(one.written_in, one.text)])


class PeerTests:
    """What every one of these servers can do."""

    @inlineCallbacks
    def test_bind(self: Any) -> Any:
        """A good bind: the server reads system_id, password and version 3.4, and the route has the window's room."""
        self.open(window=7)
        yield self.bound()
        (bind,) = self.peer.pdus("bind_transceiver")
        self.assertEqual((bind["fields"]["system_id"], bind["fields"]["password"]), ("me", "secret"))
        self.assertEqual(bind["fields"]["interface_version"], 0x34)
        self.assertEqual(self.route.capacity(), 7)

    @inlineCallbacks
    def test_wrong_password(self: Any) -> Any:
        """A refused bind: the operator reads why and when it is tried again; it is not tried again at once."""
        self.open(password="wrong")
        yield self.soon(lambda: self.peer.count("closed") == 1)
        yield self.soon(lambda: any("ESME_RINVPASWD" in line for line in self.said))
        (line,) = [line for line in self.said if "ESME_RINVPASWD" in line]
        self.assertRegex(line, r"next attempt in (3.|4[0-5])\.. s")
        self.assertEqual((self.route.capacity(), self.peer.count("connected")), (0, 1))

    @inlineCallbacks
    def test_text(self: Any) -> Any:
        """A short text arrives as it is, from and to the right numbers; the outcome has the server's id."""
        self.open()
        yield self.bound()
        self.route.submit(segments("Your code is 4711."))
        yield self.answered(1)
        (submit,) = self.submits()
        fields = submit["fields"]
        self.assertEqual(submit["text"], "Your code is 4711.")
        self.assertEqual((fields["source_addr"], fields["destination_addr"]), ("8228", NUMBER))
        (outcome,) = self.owner.answers
        self.assertEqual((outcome.verdict, outcome.smsc_id), (Verdict.ACCEPTED, "1001"))

    @inlineCallbacks
    def test_unicode(self: Any) -> Any:
        """A text beyond GSM 03.38 arrives as UCS-2, with what is outside the basic plane."""
        self.open()
        yield self.bound()
        self.route.submit(segments(URDU))
        yield self.answered(1)
        self.assertEqual([one["text"] for one in self.submits()], [URDU])

    @inlineCallbacks
    def test_long_text(self: Any) -> Any:
        """The server reads each part's place from its header; joined, the parts are the text, in both alphabets."""
        self.open()
        yield self.bound()
        for text, count in (("A long text for one and all. " * 12, 3), (URDU * 6, 3)):
            with self.subTest(text=text[:10]):
                self.peer.events.clear()
                self.owner.answers.clear()
                parts = segments(text)
                self.route.submit(parts)
                yield self.answered(count)
                places = [one["place"] for one in self.submits()]
                self.assertEqual([place[1:] for place in places], [[count, number + 1] for number in range(count)])
                self.assertEqual({place[0] for place in places}, {parts[0].reference & 0xFF})
                self.assertEqual(self.joined(), text)

    @inlineCallbacks
    def test_receipts(self: Any) -> Any:
        """Receipts as text and as TLVs are read, and acknowledged with ESME_ROK."""
        self.open()
        yield self.bound()
        for form, stat in (("text", "DELIVRD"), ("tlv", "DELIVRD"), ("text", "UNDELIV"), ("tlv", "UNDELIV")):
            self.peer.do("receipt", id="1001", stat=stat, form=form, source=NUMBER)
        yield self.soon(lambda: len(self.peer.pdus("deliver_sm_resp")) == 4)
        self.assertEqual([one["status"] for one in self.peer.pdus("deliver_sm_resp")], [0] * 4)
        receipts = self.owner.receipts()
        self.assertEqual([one.smsc_id for one in receipts], ["1001"] * 4)
        ends = [Finality.DELIVERED, Finality.DELIVERED, Finality.FAILED, Finality.FAILED]
        self.assertEqual([one.finality for one in receipts], ends)
        self.assertEqual((receipts[0].code, receipts[2].code), ("000", "034"))
        self.assertEqual({one.destination for one in receipts}, {NUMBER})

    @inlineCallbacks
    def test_incoming(self: Any) -> Any:
        """Short texts from handsets, in the default alphabet, Latin-1 and UCS-2."""
        self.open()
        yield self.bound()
        texts = [("Where is my order?", 0), ("It is here", 1), ("Zürich für à la carte", 3), (URDU, 8)]
        for text, coding in texts:
            self.peer.do("deliver", text=text, data_coding=coding, source=NUMBER, destination="8228")
        yield self.soon(lambda: len(self.peer.pdus("deliver_sm_resp")) == len(texts))
        self.assertEqual([one.text for one in self.owner.texts()], [text for text, _ in texts])
        first = self.owner.texts()[0]
        self.assertEqual((first.source, first.destination, first.count), (NUMBER, "8228", 1))

    @inlineCallbacks
    def test_incoming_long(self: Any) -> Any:
        """Parts with 8- and 16-bit references, in any order, say where they belong."""
        self.open()
        yield self.bound()
        self.peer.do("deliver", text="the end", udh="050003070202", data_coding=0)
        self.peer.do("deliver", text="the start, ", udh="050003070201", data_coding=0)
        self.peer.do("deliver", text=URDU, udh="06080401020301", data_coding=8)
        yield self.soon(lambda: len(self.owner.texts()) == 3)
        found = [(one.reference, one.count, one.number, read_alone(one)) for one in self.owner.texts()]
        self.assertEqual(found, [(7, 2, 2, "the end"), (7, 2, 1, "the start, "), (0x10102, 3, 1, URDU)])

    @inlineCallbacks
    def test_throttled(self: Any) -> Any:
        """ESME_RTHROTTLED is no outcome: what it hit is sent again and taken, each text once, and nothing is lost."""
        self.open(window=5)
        yield self.bound()
        yield self.peer.behave(throttle=3)
        for number in range(1, 6):
            self.route.submit(segments(f"text {number}", number))
        yield self.answered(5)
        self.assertEqual(self.owner.verdicts(), [Verdict.ACCEPTED] * 5)
        self.assertEqual(len(self.submits()), 8)
        self.assertEqual({one["text"] for one in self.submits()}, {f"text {number}" for number in range(1, 6)})
        self.assertEqual(len({one.smsc_id for one in self.owner.answers}), 5)

    @inlineCallbacks
    def test_unbind_by_the_server(self: Any) -> Any:
        """Asked to go, the connector waits for the responses under way, answers unbind, and comes back by itself."""
        self.open()
        yield self.bound()
        yield self.peer.behave(slow=0.5)
        for number in range(1, 4):
            self.route.submit(segments(f"text {number}", number))
        yield self.soon(lambda: len(self.submits()) == 3)
        self.peer.do("unbind")
        yield self.soon(lambda: self.peer.count("closed") == 1)
        self.assertEqual(self.owner.verdicts(), [Verdict.ACCEPTED] * 3)
        self.assertEqual(len(self.peer.pdus("unbind_resp")), 1)
        yield self.bound(2)
        yield self.peer.behave(slow=0)
        self.route.submit(segments("text 4", 4))
        yield self.answered(4)
        self.assertEqual(len(self.submits()), 4)

    @inlineCallbacks
    def test_stop(self: Any) -> Any:
        """Stopped, the connector waits for the responses under way, unbinds, and does not come back."""
        self.open()
        yield self.bound()
        yield self.peer.behave(slow=0.5)
        self.route.submit(segments("the last one"))
        yield self.soon(lambda: len(self.submits()) == 1)
        yield self.channel.stopService()
        yield self.soon(lambda: self.peer.count("closed") == 1)
        self.assertEqual(self.owner.verdicts(), [Verdict.ACCEPTED])
        self.assertEqual((len(self.peer.pdus("unbind")), self.peer.count("connected")), (1, 1))

    @inlineCallbacks
    def test_enquire_link(self: Any) -> Any:
        """Both sides ask and both answer; the session stays."""
        self.open(enquire_link_interval=0.3)
        yield self.bound()
        yield self.soon(lambda: len(self.peer.pdus("enquire_link")) >= 2)
        self.peer.do("enquire_link")
        yield self.soon(lambda: len(self.peer.pdus("enquire_link_resp")) == 1)
        self.assertEqual(self.peer.pdus("enquire_link_resp")[0]["status"], 0)
        self.assertEqual((self.peer.count("connected"), self.peer.count("closed")), (1, 0))

    @inlineCallbacks
    def test_silent(self: Any) -> Any:
        """A server that answers no enquire_link is left in bounded time, and tried again."""
        self.open(enquire_link_interval=0.3, response_timeout=0.5)
        yield self.bound()
        yield self.peer.behave(mute=True)
        yield self.soon(lambda: self.peer.count("closed") >= 1)
        yield self.peer.behave(mute=False)
        yield self.bound(2)
        self.assertTrue([line for line in self.said if "no answer to enquire_link within 0.5 s" in line])

    @inlineCallbacks
    def test_dropped(self: Any) -> Any:
        """A connection that breaks: what was under way has an unknown outcome, once, and the bind comes back."""
        self.open()
        yield self.bound()
        yield self.peer.behave(slow=60)
        self.route.submit(segments("lost?"))
        yield self.soon(lambda: len(self.submits()) == 1)
        self.peer.do("drop")
        yield self.answered(1)
        self.assertEqual(self.owner.verdicts(), [Verdict.UNKNOWN])
        yield self.bound(2)

    @inlineCallbacks
    def test_overdue(self: Any) -> Any:
        """A response after its time frees nothing twice: unknown at the time-out, the late one changes nothing."""
        self.open(response_timeout=0.5)
        yield self.bound()
        yield self.peer.behave(slow=1.5)
        self.route.submit(segments("late"))
        yield self.answered(1)
        self.assertEqual(self.owner.verdicts(), [Verdict.UNKNOWN])
        yield self.peer.behave(slow=0)
        self.route.submit(segments("in time", 2))
        yield self.answered(2)
        yield self.soon(lambda: self.route.capacity() == 50)
        self.assertEqual((self.owner.verdicts()[1], self.peer.count("closed")), (Verdict.ACCEPTED, 0))

    @inlineCallbacks
    def test_many(self: Any) -> Any:
        """A thousand texts through a window of 20: each arrives once, in order, and each has an id of its own."""
        self.open(window=20)
        yield self.bound()
        waiting = [segments(f"text {number}", number, f"92300{number:07d}")[0] for number in range(1000)]

        def more() -> None:
            count = self.route.capacity()
            self.route.submit(waiting[:count])
            del waiting[:count]

        self.owner.room = more
        more()
        yield self.answered(1000)
        self.assertEqual([one["text"] for one in self.submits()], [f"text {number}" for number in range(1000)])
        self.assertEqual(len({one.smsc_id for one in self.owner.answers}), 1000)


class NodeCase(PeerTests, PeerCase):
    """node-smpp."""

    def install(self) -> list[str]:
        return install_node()

    @inlineCallbacks
    def test_alphabet(self) -> Any:
        """Every character of GSM 03.38 beyond ASCII, the extension table too, is read by node-smpp as it was meant."""
        self.open()
        yield self.bound()
        self.route.submit(segments(GSM7))
        yield self.answered(1)
        (submit,) = self.submits()
        self.assertEqual((submit["fields"]["data_coding"], submit["text"]), (0, GSM7))

    @inlineCallbacks
    def test_incoming_alphabet(self) -> Any:
        """The same from node-smpp's encoder."""
        self.open()
        yield self.bound()
        self.peer.do("deliver", text=GSM7, data_coding=0)
        yield self.soon(self.owner.texts)
        self.assertEqual(self.owner.texts()[0].text, GSM7)

    @inlineCallbacks
    def test_incoming_forms(self) -> Any:
        """Parts by SAR TLVs, a text in message_payload, one in data_sm, one with more than its place in the header."""
        self.open()
        yield self.bound()
        sar = {"sar_msg_ref_num": 513, "sar_total_segments": 2, "sar_segment_seqnum": 2}
        self.peer.do("deliver", text="second", data_coding=0, tlvs=sar)
        self.peer.do("deliver", text="long " * 100, data_coding=0, payload=True)
        self.peer.do("deliver", text=URDU, data_coding=8, payload=True, pdu="data_sm")
        self.peer.do("deliver", text="with ports", data_coding=0, udh="0B05041F901F9000030C0201")
        yield self.soon(lambda: len(self.owner.texts()) == 4)
        found = [(one.reference, one.count, one.number, read_alone(one)) for one in self.owner.texts()]
        self.assertEqual(
            found, [(513, 2, 2, "second"), (0, 1, 1, "long " * 100), (0, 1, 1, URDU), (12, 2, 1, "with ports")]
        )
        responses = lambda: self.peer.pdus("deliver_sm_resp", "data_sm_resp")  # noqa: E731
        yield self.soon(lambda: len(responses()) == 4)
        self.assertEqual([one["status"] for one in responses()], [0] * 4)

    @inlineCallbacks
    def test_incoming_coding_by_choice(self) -> Any:
        """What a program on node-smpp sends that leaves data_coding to it."""
        self.open()
        yield self.bound()
        texts = ["Where is it?", "ça va, Zoë ÿ", URDU]
        for text in texts:
            self.peer.do("deliver", text=text)
        yield self.soon(lambda: len(self.owner.texts()) == len(texts))
        self.assertEqual([one.text for one in self.owner.texts()], texts)

    @inlineCallbacks
    def test_incoming_gsm_called_ia5(self) -> Any:
        """node-smpp writes GSM 03.38 octets and says data_coding 1, which is IA5 (section 5.2.19): control characters
        that no text has give it away."""
        self.open()
        yield self.bound()
        texts = ["me@example.com", "snake_case for $5", "Zoé, à 10£"]
        for text in texts:
            self.peer.do("deliver", text=text)
        yield self.soon(lambda: len(self.owner.texts()) == len(texts))
        self.assertEqual([one.text for one in self.owner.texts()], texts)

    @inlineCallbacks
    def test_receipt_with_at_sign(self) -> Any:
        """A receipt that quotes the text's ``@``, which is NUL in GSM 03.38, is neither UCS-2 nor lost."""
        self.open()
        yield self.bound()
        for text in ("me@example.com", "you@example.com"):  # one at an even place, one at an odd
            self.peer.do("receipt", id="1001", stat="DELIVRD", form="text", source=NUMBER, text=text)
        yield self.soon(lambda: len(self.peer.pdus("deliver_sm_resp")) == 2)
        found = [(one.smsc_id, one.finality) for one in self.owner.receipts()]
        self.assertEqual(found, [("1001", Finality.DELIVERED)] * 2)

    @inlineCallbacks
    def test_receipt_in_gsm(self) -> Any:
        """``_`` is 0x11 in GSM 03.38: words and ids with it are those of the tables and of the response."""
        self.open()
        yield self.bound()
        self.peer.do("receipt", id="a_1", stat="DND_REJECTED", form="text", source=NUMBER)
        yield self.soon(lambda: self.peer.pdus("deliver_sm_resp"))
        found = [(one.smsc_id, one.status, one.finality) for one in self.owner.receipts()]
        self.assertEqual(found, [("a_1", "DND_REJECTED", Finality.FAILED)])

    @inlineCallbacks
    def test_pair(self) -> Any:
        """Transmitter and receiver: submits go on the one, texts and receipts come on the other."""
        self.open(modes=("transmitter", "receiver"))
        yield self.bound(2)
        yield self.peer.behave(receipts="as sent")
        self.route.submit(segments("hello"))
        self.peer.do("deliver", text="hi")
        yield self.soon(lambda: len(self.peer.pdus("deliver_sm_resp")) == 2)
        self.assertEqual(([one.smsc_id for one in self.owner.receipts()], len(self.owner.texts())), (["1001"], 1))
        session_of = {one["command"]: one["session"] for one in self.peer.events if one["event"] == "pdu"}
        self.assertEqual(session_of["submit_sm"], session_of["bind_transmitter"])
        self.assertEqual(session_of["deliver_sm_resp"], session_of["bind_receiver"])

    @inlineCallbacks
    def test_unbind_without_drain(self) -> Any:
        """Asked to go while responses never come: the connector goes after drain_timeout, the outcome is unknown."""
        self.open(drain_timeout=0.5)
        yield self.bound()
        yield self.peer.behave(slow=60)
        self.route.submit(segments("never answered"))
        yield self.soon(lambda: len(self.submits()) == 1)
        self.peer.do("unbind")
        yield self.soon(lambda: self.peer.count("closed") == 1)
        self.assertEqual((self.owner.verdicts(), len(self.peer.pdus("unbind_resp"))), ([Verdict.UNKNOWN], 1))
        yield self.bound(2)

    @inlineCallbacks
    def test_stop_is_bounded(self) -> Any:
        """A server that answers no unbind holds up no stop."""
        self.open(drain_timeout=0.3)
        yield self.bound()
        yield self.peer.behave(mute=True)
        began = time.monotonic()
        yield self.channel.stopService()
        self.assertLess(time.monotonic() - began, 3)
        yield self.soon(lambda: self.peer.count("closed") == 1)
        self.assertEqual(len(self.peer.pdus("unbind")), 1)

    @inlineCallbacks
    def test_odd_requests(self) -> Any:
        """Commands that are none for an ESME get generic_nack, notifications get nothing, and the session stays."""
        self.open()
        yield self.bound()
        self.peer.do("request", pdu="query_sm", fields={"message_id": "1"})
        self.peer.do("request", pdu="broadcast_sm", fields={"message_id": "1"})
        self.peer.do("request", pdu="alert_notification", fields={"source_addr": NUMBER})
        self.peer.do("octets", octets="00000010" + "0001F00D" + "00000000" + "00000063")  # no command of SMPP
        self.peer.do("enquire_link")
        yield self.soon(lambda: self.peer.pdus("enquire_link_resp"))
        nacks = self.peer.pdus("generic_nack")
        self.assertEqual([one["status"] for one in nacks], [Status.ESME_RINVCMDID] * 3)
        self.assertEqual((nacks[2]["sequence"], self.peer.count("closed")), (0x63, 0))


class Twisted3Case(PeerTests, PeerCase):
    """The server of smpp.twisted3."""

    def install(self) -> list[str]:
        return install_twisted3()


class ConnectorCase(PeerCase):
    """The connector's process between HTTP and node-smpp, and a real ActiveMQ where there is one."""

    def install(self) -> list[str]:
        return install_node()

    @inlineCallbacks
    def test_whole(self) -> Any:
        """Texts posted over HTTP reach node-smpp once each; its receipts, whose ids are decimal where the responses'
        were hex, end on the queue as one DELIVERED each; a text from a handset ends on the other queue."""
        with_broker = (activemq.available() or jms.available()) is None
        uri = "tcp://127.0.0.1:1"
        if with_broker:
            broker = activemq.ActiveMQ()
            self.addCleanup(broker.stop)
            uri = broker.start().uri
        yield self.peer.behave(ids="hex", receipts="decimal")
        bind = {"name": "node", "endpoint": f"tcp:127.0.0.1:{self.peer.port}", "system_id": "me", "password": "secret"}
        connector = Connector([], uri, channels={"smpp": {"type": "smpp", "binds": [bind], "lifetime": 3600}})
        self.addCleanup(connector.close)
        yield connector.start()
        yield self.soon(lambda: self.peer.pdus("bind_transceiver"))
        load = Load(connector.port, 200, connections=8)
        yield load.run()
        self.assertEqual((len(load.accepted), load.refused), (200, []))
        yield self.soon(lambda: len(self.peer.pdus("deliver_sm_resp")) == 200)
        self.assertEqual(len({one["text"] for one in self.submits()}), 200)
        self.assertEqual(len(self.submits()), 200)
        self.peer.do("deliver", text=URDU, data_coding=8, source=NUMBER, destination="8228")
        yield self.soon(lambda: len(self.peer.pdus("deliver_sm_resp")) == 201)
        self.assertEqual({one["status"] for one in self.peer.pdus("deliver_sm_resp")}, {0})
        if not with_broker:
            return
        reports = yield jms.consume(broker.jms_url, "delivery-report", 201, 2.0)
        told = [json.loads(one["text"]) for one in reports]
        self.assertEqual(sorted(one["MessageSID"] for one in told), sorted(load.accepted))
        self.assertEqual({(one["DeliveryStatus"], one["ProviderStatusCode"]) for one in told}, {("DELIVERED", "000")})
        incoming = yield jms.consume(broker.jms_url, "incoming-message", 2, 2.0)
        (text,) = [json.loads(one["text"]) for one in incoming]
        self.assertEqual((text["Body"], text["To"]), (URDU, "8228"))
        self.assertIn(text["From"], (NUMBER, f"+{NUMBER}"))
