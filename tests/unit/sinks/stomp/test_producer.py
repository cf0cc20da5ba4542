"""A producer of the STOMP sink against a broker made of bytes."""

import json
from dataclasses import replace
from random import Random
from typing import Any

from OpenSSL import SSL
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost, ConnectionRefusedError
from twisted.logger import LogLevel

from smsconnector.messages import DELIVERY_REPORT, INCOMING_MESSAGE, Event, new_sid
from smsconnector.sinks import EventOutcome, EventVerdict
from smsconnector.sinks.stomp.connection import HELD_BACK, MAX_FRAME, STALLED, SessionSettings
from smsconnector.sinks.stomp.failover import Broker, FailoverURI
from smsconnector.sinks.stomp.producer import STOP_TIMEOUT, Producer
from smsconnector.sinks.stomp.suspicion import HANG_UPS_LAST, REFUSED_IN_A_ROW, STALL_KEPT_S
from tests.unit.sinks.stomp.stage import QUEUE, BrokerOfBytes, Wire, event, publish


class ProducerTests(BrokerOfBytes):
    """One law a test."""

    # -- life

    def test_constructor_starts_nothing(self) -> None:
        """No timer, no connection before startService."""
        self.sink()
        self.assertEqual((self.clock.getDelayedCalls(), self.attempts), ([], []))

    def test_handshake(self) -> None:
        """CONNECT offers all versions, names the host, brings login, passcode and heart-beats; CONNECTED is logged."""
        sink = self.sink()
        sink.startService()
        wire = self.reach()
        (frame,) = wire.frames()
        self.assertEqual(frame.command, "CONNECT")
        self.assertEqual(
            frame.headers,
            {
                "accept-version": "1.0,1.1,1.2",
                "host": "a",
                "login": "admin",
                "passcode": "hunter2",
                "heart-beat": "10000,10000",
            },
        )
        self.assertIsNone(sink.broker)
        wire.say("CONNECTED", version="1.2", server="ActiveMQ/5.17.2", heart_beat="10000,10000")
        self.assertEqual(sink.broker, Broker("a", 61613))
        self.assertEqual(self.warnings(), [])

    def test_no_login(self) -> None:
        """login and passcode are sent only if they are set; vhost is the host header."""
        self.sink(login=None, passcode=None, vhost="virtual", heartbeat=(0, 0)).startService()
        (frame,) = self.reach().frames()
        self.assertEqual(frame.headers, {"accept-version": "1.0,1.1,1.2", "host": "virtual", "heart-beat": "0,0"})

    def test_login_is_not_escaped(self) -> None:
        """A colon, a backslash and an umlaut in the passcode travel as they are: CONNECT knows no escapes."""
        self.sink(passcode="a:b\\ü").startService()
        (data,) = self.reach().writes
        self.assertIn("\npasscode:a:b\\ü\n".encode(), data)

    # -- publishing

    def test_batch_is_a_transaction(self) -> None:
        """BEGIN, one SEND per event, COMMIT with the receipt, in one write; it fires on the RECEIPT, not before."""
        sink, wire = self.started()
        done = publish(sink, [event(1), event(2)])
        self.assertEqual(len(wire.writes), 1)
        begin, first, second, commit = wire.frames()
        transaction = begin.headers["transaction"]
        self.assertEqual((begin.command, commit.command), ("BEGIN", "COMMIT"))
        for frame, number in ((first, 1), (second, 2)):
            self.assertEqual((frame.command, frame.body), ("SEND", b'{"n":%d}' % number))
            self.assertEqual(
                frame.headers,
                {
                    "destination": QUEUE,
                    "type": "smpp",
                    "channel": "smpp",
                    "persistent": "true",
                    "event-id": f"e{number}",
                    "event_id": f"e{number}",
                    "transaction": transaction,
                },
            )
        self.assertEqual(commit.headers["transaction"], transaction)
        self.assertEqual(done.outcomes, [])
        wire.say("RECEIPT", receipt_id="of-something-else")
        self.assertEqual(done.outcomes, [])
        wire.say("RECEIPT", receipt_id=commit.headers["receipt"])
        self.assertTrue(done.confirmed)

    def test_single_event(self) -> None:
        """One event needs no transaction: a SEND with a receipt. A full destination name is kept."""
        sink, wire = self.started()
        done = publish(sink, [event(1)])
        (frame,) = wire.frames()
        self.assertEqual((frame.command, frame.headers["destination"]), ("SEND", QUEUE))
        self.assertNotIn("transaction", frame.headers)
        wire.say("RECEIPT", receipt_id=frame.headers["receipt"])
        self.assertTrue(done.confirmed)

    def test_no_content_length(self) -> None:
        """With content-length a SEND would become a BytesMessage."""
        sink, wire = self.started()
        publish(sink, [event(1), event(2)])
        self.assertNotIn(b"content-length", b"".join(wire.writes))

    def test_empty_batch(self) -> None:
        """Nothing to send is nothing on the wire."""
        sink, wire = self.started()
        self.assertEqual(publish(sink, []).outcomes, [])
        self.assertEqual(wire.writes, [])

    def test_before_start(self) -> None:
        """What is published before the start, or before CONNECTED, is sent after it."""
        sink = self.sink()
        publish(sink, [event(1)])
        sink.startService()
        wire = self.reach()
        publish(sink, [event(2)])
        self.assertEqual([frame.command for frame in wire.frames()], ["CONNECT"])
        wire.say("CONNECTED", version="1.2")
        self.assertEqual([frame.headers["event-id"] for frame in wire.frames()], ["e1", "e2"])

    def test_several_batches_outstanding(self) -> None:
        """Batches don't wait for one another, have their own transactions, and each fires on its own receipt."""
        sink, wire = self.started()
        first, second = publish(sink, [event(1), event(2)]), publish(sink, [event(3), event(4)])
        commits = [frame.headers for frame in wire.frames() if frame.command == "COMMIT"]
        self.assertNotEqual(commits[0]["transaction"], commits[1]["transaction"])
        wire.say("RECEIPT", receipt_id=commits[1]["receipt"])
        self.assertEqual(first.outcomes, [])
        self.assertTrue(second.confirmed)
        wire.say("RECEIPT", receipt_id=commits[0]["receipt"])
        self.assertTrue(first.confirmed)

    def test_window(self) -> None:
        """No more octets than the window are on the wire unconfirmed; a larger batch goes in parts, and each is settled
        by its own receipt."""
        sink, wire = self.started(window=800)
        done = publish(sink, [event(number) for number in range(5)])  # two fit
        seen: list[str] = []
        for number in range(3):
            self.assertEqual(len(done.outcomes), number)
            frames = wire.frames()
            seen += [frame.headers["event-id"] for frame in frames if frame.command == "SEND"]
            self.assertLessEqual(len(frames), 4)
            wire.say("RECEIPT", receipt_id=frames[-1].headers["receipt"])
        self.assertEqual(seen, [f"e{number}" for number in range(5)])
        self.assertTrue(done.confirmed)

    def test_event_larger_than_window(self) -> None:
        """An event larger than the window is still sent, alone."""
        sink, wire = self.started(window=10)
        publish(sink, [event(1), event(2)])
        self.assertEqual([frame.headers["event-id"] for frame in wire.frames()], ["e1"])

    def test_byte_by_byte(self) -> None:
        """How TCP cuts the broker's words makes no difference."""
        sink = self.sink()
        sink.startService()
        wire = self.reach()
        done = publish(sink, [event(1), event(2)])
        for (
            byte
        ) in b"CONNECTED\nversion:1.2\nserver:ActiveMQ/5.17.2\nheart-beat:0,0\n\n\0\n\nRECEIPT\nreceipt-id:1\n\n\0\n":
            wire.protocol.dataReceived(bytes([byte]))
        self.assertTrue(done.confirmed)

    # -- escaping

    def test_escaping_by_version(self) -> None:
        """From 1.1 on header values are escaped; 1.0 has no escapes, so what would break the frame is replaced."""
        odd = "a:b\\c\nd\re\0ü"
        for version, expected in (
            ("1.0", "event-id:a:b\\c?d?e??\n"),
            ("1.1", "event-id:a\\cb\\\\c\\nd?e?ü\n"),
            ("1.2", "event-id:a\\cb\\\\c\\nd\\re?ü\n"),
        ):
            self.version = version
            sink, wire = self.started()
            publish(sink, [event(1, event_id=odd, jms_type=odd)])
            (data,) = wire.writes
            self.assertIn(expected.encode(), data, version)
            self.assertIn(expected.replace("event-id", "type").encode(), data, version)
            (frame,) = wire.frames()
            self.assertEqual(frame.body, b'{"n":1}')

    def test_version_1_0(self) -> None:
        """A broker that names no version speaks 1.0: no heart-beats are expected or sent."""
        self.version = "1.0"
        sink = self.sink()
        sink.startService()
        wire = self.reach()
        wire.frames()
        wire.say("CONNECTED", session="1")
        self.advance(60)
        self.assertEqual((wire.writes, wire.closed), ([], False))

    # -- lost connections

    def test_resent_after_a_loss(self) -> None:
        """What has no receipt when the connection is lost is sent again, in order, before what came later, with
        the same event ids and new transactions; what was confirmed is not."""
        sink, wire = self.started()
        confirmed = publish(sink, [event(1), event(2)])
        second, third = publish(sink, [event(3), event(4)]), publish(sink, [event(5)])
        old = wire.frames()
        wire.say("RECEIPT", receipt_id=old[3].headers["receipt"])
        self.assertTrue(confirmed.confirmed)
        wire.lose(ConnectionLost())
        fourth = publish(sink, [event(6)])
        self.clock.advance(1.25)
        wire = self.connect()
        self.assertEqual(wire.broker.host, "b")
        new = self.confirm_all(wire)
        self.assertEqual(
            [frame.headers["event-id"] for frame in new if frame.command == "SEND"], ["e3", "e4", "e5", "e6"]
        )
        numbers = [{f.headers["receipt"] for f in frames if "receipt" in f.headers} for frames in (old, new)]
        self.assertTrue(numbers[0].isdisjoint(numbers[1]))
        for done in (second, third, fourth):
            self.assertTrue(done.confirmed)

    def test_unconfirmed_before_unsent(self) -> None:
        """What was on the wire when the connection was lost goes before what the window still held back."""
        sink, wire = self.started(window=800)
        publish(sink, [event(number) for number in range(5)])  # two fit
        wire.lose()
        self.clock.advance(2)
        wire = self.connect()
        sent = [frame.headers["event-id"] for frame in self.confirm_all(wire) if frame.command == "SEND"]
        self.assertEqual(sent, [f"e{number}" for number in range(5)])

    def test_broker_words_are_unescaped(self) -> None:
        """After CONNECTED the broker's headers are read by the rules of the agreed version."""
        _, wire = self.started()
        wire.say("ERROR", message="Invalid id\\c 7")
        wire.lose()
        self.assertIn("the broker reported an error: Invalid id: 7.", self.warnings()[0])

    def test_cause_in_the_body(self) -> None:
        """What the header leaves open stands in the body: RabbitMQ 3.10's refused queue, and the cause of ActiveMQ's
        rolled-back transaction."""
        refused = b"ACCESS_REFUSED - access to queue 'x' refused for user 'guest'"
        rolled_back = b"javax.jms.E: rolled back\n\tat a.B\nCaused by: a.B: not authorized to write"
        for message, body, cause in (("refused", refused, "for user 'guest'"), ("", rolled_back, "not authorized")):
            _, wire = self.started()
            wire.say("ERROR", body, message=message)
            wire.lose()
            self.assertIn(cause, self.warnings()[-1])

    def test_log_tells_which_why_and_when(self) -> None:
        """A loss is one line: which broker, why, which is next, and when."""
        _, wire = self.started()
        wire.lose()
        (line,) = self.warnings()
        self.assertEqual(
            line,
            f"No events for {QUEUE} to tcp://a:61613: the broker closed the connection."
            " tcp://b:61613 will be tried at once.",
        )
        self.clock.advance(0)
        self.attempts[-1][2].errback(ConnectionRefusedError())
        self.assertRegex(
            self.warnings()[-1],
            rf"^No events for {QUEUE} to tcp://b:61613: Connection was refused by other side\."
            r" tcp://a:61613 will be tried in \d",
        )

    def test_refused_ports_are_walked(self) -> None:
        """Brokers that can't be reached are tried one after the other, round after round, with growing pauses."""
        self.sink().startService()
        for _ in range(6):
            while self.attempts and self.attempts[-1][2].called:
                self.clock.advance(0.1)
            self.clock.advance(0)
            self.attempts[-1][2].errback(ConnectionRefusedError())
            self.clock.advance(0)
        self.assertEqual([broker.host for broker, _, _ in self.attempts[:6]], ["a", "b"] * 3)
        self.assertTrue(0.75 + 1.5 <= self.clock.seconds() <= 1.3 + 2.6, self.clock.seconds())

    def test_refused_event_is_found_by_halving(self) -> None:
        """One event of a batch at which the broker hangs up is refused alone, with the broker's words; the others are
        confirmed, and none of the pauses is long."""
        sink = self.sink(uri="failover:(tcp://a)?initialReconnectDelay=10")
        sink.startService()
        done = publish(sink, [event(number) for number in range(100)])
        poisoned, connections = "e37", 0
        wire = self.connect()
        while len({one.id for outcome in done.outcomes for one in outcome.events}) < 100:
            frames = wire.frames()
            sends = [frame.headers["event-id"] for frame in frames if frame.command == "SEND"]
            if poisoned in sends:
                connections += 1
                self.refuse(wire)
                wire = self.connect()
            else:
                wire.say("RECEIPT", receipt_id=frames[-1].headers["receipt"])
        (refused,) = [one for one in done.outcomes if one.verdict is EventVerdict.REFUSED]
        self.assertEqual([one.event_id for one in refused.events], [poisoned])
        self.assertEqual(refused.reason, f"{QUEUE}: no such thing")
        told = [one.id for outcome in done.outcomes for one in outcome.events]
        self.assertEqual(sorted(told), list(range(100)))
        self.assertLess(connections, 10)
        self.assertLess(sum(self.pauses), 1.0)

    def test_refused_event_that_is_named(self) -> None:
        """An ERROR whose receipt-id names a SEND is about that event, whatever else is under way."""
        sink, wire = self.started()
        first, second, third = (publish(sink, [event(number)]) for number in range(3))
        receipts = [frame.headers["receipt"] for frame in wire.frames()]
        self.refuse(wire, receipt_id=receipts[1])
        (outcome,) = second.outcomes
        self.assertEqual((outcome.verdict, outcome.reason), (EventVerdict.REFUSED, f"{QUEUE}: no such thing"))
        wire = self.connect()
        for _ in range(2):
            (frame,) = wire.frames()  # one at a time, until it is known that all is well
            wire.say("RECEIPT", receipt_id=frame.headers["receipt"])
        self.assertTrue(first.confirmed and third.confirmed)

    def test_error_without_a_name(self) -> None:
        """It may be about the broker: an event that was alone under way is refused at the second one in a row."""
        sink, wire = self.started()
        done = publish(sink, [event(1)])
        wire.frames()
        self.refuse(wire, "shutting down")
        self.assertEqual(done.outcomes, [])
        wire = self.connect()
        (frame,) = wire.frames()
        wire.say("RECEIPT", receipt_id=frame.headers["receipt"])
        self.assertTrue(done.confirmed)

    def test_error_without_words(self) -> None:
        """It counts as one with words."""
        sink, wire = self.started()
        done = publish(sink, [event(1)])
        for _ in range(2):
            wire.frames()
            wire.say("ERROR", b"\n")
            wire.lose()
            self.clock.advance(60)
            wire = self.connect()
        (outcome,) = done.outcomes
        self.assertEqual((outcome.verdict, outcome.reason), (EventVerdict.REFUSED, f"{QUEUE}: no reason given"))

    def close_destination(self) -> tuple[Producer, Any]:
        """A sink whose topic of incoming texts has refused three events in a row, and its new connection."""
        sink, wire = self.started()
        for number in range(REFUSED_IN_A_ROW):
            publish(sink, [event(number)])
            self.refuse(wire, receipt_id=wire.frames()[-1].headers["receipt"])
            wire = self.connect()
        (outcome,) = publish(sink, [event(9)]).outcomes
        self.assertEqual((outcome.verdict, wire.frames()), (EventVerdict.REFUSED, []))
        return sink, wire

    def test_destination_mended(self) -> None:
        """An event that was parked is sent to a destination that refuses all, for somebody may have mended it. It is
        the only one of its batch. If it is taken, so are new ones."""
        sink, wire = self.close_destination()
        parked = replace(event(7), attempts=2)
        tried = publish(sink, [event(6), parked])
        (frame,) = wire.frames()
        self.assertEqual([one.id for outcome in tried.outcomes for one in outcome.events], [6])
        wire.say("RECEIPT", receipt_id=frame.headers["receipt"])
        self.assertEqual(tried.outcomes[-1], EventOutcome([parked], EventVerdict.CONFIRMED))
        publish(sink, [event(8)])
        self.assertEqual(len(wire.frames()), 1)

    def test_destination_not_mended(self) -> None:
        """If it refuses that one too, the parked events that wait behind it are refused without a try."""
        sink, wire = self.close_destination()
        done = [publish(sink, [replace(event(n), attempts=1)]) for n in range(20, 40)]
        self.refuse(wire, receipt_id=wire.frames()[-1].headers["receipt"])
        wire = self.connect()
        self.assertEqual([len(one.outcomes) for one in done], [1] * 20)
        self.assertEqual(wire.frames(), [])

    def test_broker_started_again(self) -> None:
        """A broker that goes while nothing is under way may have been changed: its destinations are tried again."""
        sink, wire = self.close_destination()
        wire.lose()
        wire = self.connect()
        publish(sink, [event(10)])
        self.assertEqual(len(wire.frames()), 1)

    def test_receipt_after_error_does_not_count(self) -> None:
        """ActiveMQ goes on after an ERROR and even commits the rest of the transaction: that receipt is no proof."""
        sink, wire = self.started()
        done = publish(sink, [event(1), event(2)])
        wire.protocol.dataReceived(b"ERROR\nmessage:x\n\n\0\nRECEIPT\nreceipt-id:1\n\n\0\n")
        wire.say("RECEIPT", receipt_id="1")
        self.assertEqual(done.outcomes, [])

    def test_a_good_session_resets_the_delay(self) -> None:
        """A session with a receipt, or of some length, is good: the next pause is short again."""
        sink = self.sink(uri="failover:(tcp://a)?initialReconnectDelay=100&maxReconnectDelay=20000")
        sink.startService()
        for _ in range(8):
            self.clock.advance(0)
            self.attempts[-1][2].errback(ConnectionRefusedError())
            self.clock.advance(25)
        wire = self.connect()
        publish(sink, [event(1)])
        wire.say("RECEIPT", receipt_id="1")
        wire.lose()
        self.clock.advance(0.13)
        wire = self.connect()
        self.advance(13)
        wire.lose()
        self.clock.advance(0.13)
        self.assertEqual(self.connect().closed, False)

    # -- refusals and nonsense

    def test_login_refused_is_paced(self) -> None:
        """A refused login is said loudly, with the broker's own words and no passcode, and tried again after 5 s,
        then 10, and so on; not at the pace of lost connections."""
        self.sink(uri="failover:(tcp://a)?initialReconnectDelay=10").startService()
        pauses = []
        for _ in range(3):
            wire = self.reach()
            wire.say("ERROR", b"..", message="User name [admin] or password is invalid. (hunter2)")
            wire.lose()
            pauses.append(self.clock.getDelayedCalls()[0].getTime() - self.clock.seconds())
            self.clock.advance(pauses[-1])
        for pause, least in zip(pauses, (5, 10, 20), strict=True):
            self.assertTrue(least <= pause <= least * 1.25, pauses)
        self.assertRegex(
            self.warnings()[0],
            r"refused CONNECT: User name \[admin\] or password is invalid.*tcp://a:61613 will be tried again in \d",
        )
        self.assertNotIn("hunter2", "".join(self.warnings()))
        self.assertEqual({entry["log_level"] for entry in self.logged if "why" in entry}, {LogLevel.error})

    def test_closed_before_connected(self) -> None:
        """A broker that hangs up without CONNECTED is named as such, and the next one is tried."""
        self.sink().startService()
        self.reach().lose()
        self.assertIn("the broker closed the connection before it answered CONNECT", self.warnings()[0])
        self.clock.advance(0)
        self.assertEqual(self.attempts[-1][0].host, "b")

    def test_tls_failure_in_words(self) -> None:
        """What OpenSSL gives as a list of tuples is logged as its reason."""
        self.sink().startService()
        self.reach().lose(SSL.Error([("SSL routines", "", "certificate verify failed")]))
        self.assertIn(": TLS: certificate verify failed before it answered CONNECT.", self.warnings()[0])

    def test_handshake_timeout(self) -> None:
        """A broker that accepts and says nothing is dropped after 10 s."""
        self.sink().startService()
        wire = self.reach()
        self.advance(9.5)
        self.assertFalse(wire.closed)
        self.advance(3)
        self.assertTrue(wire.aborted)
        wire.lose(ConnectionLost())
        self.assertIn("no answer to CONNECT within 10 s", self.warnings()[0])

    def test_unusable_versions_and_beats(self) -> None:
        """CONNECTED with a version or heart-beats that make no sense drops the connection, and nothing worse."""
        for headers in (
            {"version": "3.0"},
            {"version": "1.2", "heart_beat": "a,b"},
            {"version": "1.2", "heart_beat": "1" + "0" * 400 + ",1" + "0" * 400},
        ):
            self.sink().startService()
            wire = self.reach()
            wire.say("CONNECTED", **headers)
            self.assertTrue(wire.aborted, headers)

    def test_receipt_without_id(self) -> None:
        """A RECEIPT that names nothing confirms nothing."""
        sink, wire = self.started()
        done = publish(sink, [event(1)])
        wire.say("RECEIPT")
        self.assertEqual(done.outcomes, [])

    def test_oversized(self) -> None:
        """A frame without end is not collected beyond 1 MiB; many small ones may be larger together."""
        _, wire = self.started()
        for _ in range(2 * MAX_FRAME // 60_000):
            wire.protocol.dataReceived(b"RECEIPT\nreceipt-id:9\n\n\0\n" * 2400)
        self.assertFalse(wire.closed)
        for _ in range(MAX_FRAME // 60_000 + 2):
            wire.protocol.dataReceived(b"x" * 60_000)
        self.assertTrue(wire.aborted)
        wire.lose()
        self.assertIn("without completing a frame", self.warnings()[0])
        self.assertLess(len(wire.protocol.parser._data), MAX_FRAME + 1)

    # -- time

    def test_silence_drops_the_connection(self) -> None:
        """A beat may be nearly twice as late as agreed, but not later."""
        self.sink().startService()
        wire = self.connect(heart_beat="10000,10000")
        for _ in range(3):
            self.advance(19.5)
            self.assertFalse(wire.closed)
            wire.protocol.dataReceived(b"\n")
        self.advance(24)
        self.assertTrue(wire.aborted)
        wire.lose()
        self.assertIn("agreed was a beat every 10.0 s", self.warnings()[0])

    def test_own_beats(self) -> None:
        """While there is nothing to send, beats go out more often than agreed; and data counts as a beat."""
        sink = self.sink(heartbeat=(10_000, 0))
        sink.startService()
        wire = self.connect(heart_beat="0,400")  # agreed: every 10 s
        self.advance(60)
        self.assertTrue(6 < len(wire.writes) <= 13, len(wire.writes))
        self.assertEqual(set(wire.writes), {b"\n"})
        wire.writes.clear()
        for number in range(20):
            publish(sink, [event(number)])
            self.advance(1)
        self.assertEqual(wire.writes.count(b"\n"), 0)

    def test_fast_beats(self) -> None:
        """Beats that are agreed faster than the usual tick are kept, from the first one on."""
        self.sink(heartbeat=(200, 0)).startService()
        wire = self.connect(heart_beat="0,200")
        for _ in range(20):
            wire.writes.clear()
            for _ in range(20):
                self.clock.advance(0.01)
            self.assertTrue(wire.writes)

    def test_one_timer(self) -> None:
        """However much is outstanding, a connection has one timer; a lost one leaves none behind."""
        sink, wire = self.started()
        for number in range(50):
            publish(sink, [event(number)])
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        wire.lose()
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)  # the next attempt

    # -- stopping

    def test_stop_says_disconnect(self) -> None:
        """A stop says DISCONNECT, takes the receipts that still come, and closes when its own has come too. RabbitMQ
        confirms an event when it likes, and may do so after that."""
        for order in (("1", "2", "disconnect"), ("1", "disconnect", "2")):
            sink, wire = self.started()
            done = publish(sink, [event(1)]), publish(sink, [event(2)])
            stopped = sink.stopService()
            *_, frame = wire.frames()
            self.assertEqual((frame.command, frame.headers["receipt"]), ("DISCONNECT", "disconnect"))
            for receipt in order:
                self.assertFalse(wire.closed)
                wire.say("RECEIPT", receipt_id=receipt)
            self.assertTrue(wire.closed)
            self.assertTrue(all(one.confirmed for one in done))
            self.assertNoResult(stopped)
            wire.lose()
            self.successResultOf(stopped)
            self.assertEqual((self.clock.getDelayedCalls(), self.warnings()), ([], []))

    def test_stop_and_the_broker_hangs_up(self) -> None:
        """A broker that closes behind the receipt of DISCONNECT confirms nothing more; nothing is said of the rest."""
        sink, wire = self.started()
        lost = publish(sink, [event(1)])
        stopped = sink.stopService()
        wire.say("RECEIPT", receipt_id="disconnect")
        wire.lose()
        self.successResultOf(stopped)
        self.assertEqual(lost.outcomes, [])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stop_never_hangs(self) -> None:
        """A broker that does not answer DISCONNECT costs 2 s; nothing is said of what it did not confirm."""
        sink, wire = self.started(window=300)
        done = publish(sink, [event(1), event(2), event(3)])
        stopped = sink.stopService()
        self.advance(STOP_TIMEOUT - 0.2)
        self.assertNoResult(stopped)
        self.advance(0.4)
        self.successResultOf(stopped)
        self.assertTrue(wire.aborted)
        self.assertEqual(done.outcomes, [])
        wire.lose()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stop_forgets_what_is_on_the_wire(self) -> None:
        """What was sent, but not confirmed within the stop's bound, is still owed: nothing is said of it."""
        sink, wire = self.started()
        done = publish(sink, [event(1), event(2)])
        sink.stopService()
        self.advance(STOP_TIMEOUT + 0.2)
        self.assertTrue(wire.aborted)
        wire.say("RECEIPT", receipt_id="1")
        self.assertEqual(done.outcomes, [])

    def test_stop_in_every_other_state(self) -> None:
        """Before the start, while an attempt is on its way, before CONNECTED, and between attempts: at once."""
        self.successResultOf(self.sink().stopService() or Deferred())

        sink = self.sink()
        sink.startService()
        self.clock.advance(0)
        self.successResultOf(sink.stopService())
        self.assertTrue(self.attempts[-1][2].called)

        sink = self.sink()
        sink.startService()
        wire = self.reach()
        stopped = sink.stopService()
        self.assertTrue(wire.aborted)
        wire.lose()
        self.successResultOf(stopped)

        sink, wire = self.started()
        wire.lose()
        self.successResultOf(sink.stopService())
        self.assertEqual((self.clock.getDelayedCalls()), [])

    def test_connected_too_late(self) -> None:
        """A connection that comes about although its attempt was cancelled is closed without a word."""
        sink = self.sink()
        sink.startService()
        self.clock.advance(0)
        _, factory, _ = self.attempts[-1]
        sink.stopService()
        protocol = factory.buildProtocol(None)
        wire = Wire(Broker("a", 1), protocol, "1.2")
        protocol.makeConnection(wire)
        self.assertEqual((wire.aborted, wire.writes), (True, []))
        wire.lose()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_publish_after_stop(self) -> None:
        """After a stop a batch is not taken; after another start it is."""
        sink, wire = self.started()
        sink.stopService()
        wire.lose()
        self.assertEqual(publish(sink, [event(1)]).outcomes, [])
        sink.startService()
        done = publish(sink, [event(1)])
        wire = self.connect()
        self.assertEqual([frame.headers["event-id"] for frame in wire.frames()], ["e1"])
        self.assertEqual(done.outcomes, [])

    def test_start_while_stopping(self) -> None:
        """A start before the stop has ended ends it, and the new connection is left alone by the old timer."""
        sink, _ = self.started()
        stopped = sink.stopService()
        sink.startService()
        self.successResultOf(stopped)
        wire = self.connect()
        self.advance(STOP_TIMEOUT + 1)
        self.assertFalse(wire.closed)
        self.assertIsNotNone(sink.broker)

    # -- whose receipts confirm what

    def test_only_known_brokers_get_transactions(self) -> None:
        """RabbitMQ's receipt of a COMMIT is no publisher confirm (measured on 3.10). Of Artemis, and of brokers without
        a name, it is not known. There each event has a receipt of its own. A setting overrides this."""
        for server, setting, expected in (
            ("ActiveMQ/5.17.2", "auto", True),
            ("ActiveMQ/6.1.0", "auto", True),
            ("RabbitMQ/3.10.8", "auto", False),
            ("ActiveMQ-Artemis/2.30.0 ActiveMQ Artemis Messaging Engine", "auto", False),
            ("coilmq/1.0", "auto", False),
            ("", "auto", False),
            ("RabbitMQ/3.10.8", True, True),
            ("ActiveMQ/5.17.2", False, False),
        ):
            sink = self.sink(transactions=setting)
            sink.startService()
            wire = self.connect(server=server)
            publish(sink, [event(number) for number in range(3)])
            commands = [frame.command for frame in wire.frames()]
            wanted = ["BEGIN", "SEND", "SEND", "SEND", "COMMIT"] if expected else ["SEND"] * 3
            self.assertEqual(commands, wanted, server)

    def test_each_receipt_confirms_its_own_event(self) -> None:
        """Receipts may come in any order. Those that come together are told together."""
        sink = self.sink()
        sink.startService()
        wire = self.connect(server="RabbitMQ/3.10.8")
        done = publish(sink, [event(number) for number in range(4)])
        receipts = [frame.headers["receipt"] for frame in wire.frames()]
        self.assertEqual(len(set(receipts)), 4)
        wire.say("RECEIPT", receipt_id=receipts[2])
        self.assertEqual([one.id for one in done.outcomes[0].events], [2])
        rest = b"".join(b"RECEIPT\nreceipt-id:%s\n\n\0\n" % receipts[n].encode() for n in (3, 0, 1))
        wire.protocol.dataReceived(rest)
        self.assertEqual([[one.id for one in outcome.events] for outcome in done.outcomes], [[2], [3, 0, 1]])

    def test_receipts_that_are_lost_with_the_connection(self) -> None:
        """Without its receipt an event is sent again on the next connection, under the same event-id; with it, not."""
        sink = self.sink()
        sink.startService()
        wire = self.connect(server="RabbitMQ/3.10.8")
        done = publish(sink, [event(number) for number in range(6)])
        receipts = [frame.headers["receipt"] for frame in wire.frames()]
        wire.say("RECEIPT", receipt_id=receipts[1])
        wire.lose(ConnectionLost())
        self.clock.advance(2)
        wire = self.connect(server="RabbitMQ/3.10.8")
        self.assertEqual(
            [frame.headers["event-id"] for frame in self.confirm_all(wire)], ["e0", "e2", "e3", "e4", "e5"]
        )
        self.assertEqual(sorted(one.id for outcome in done.outcomes for one in outcome.events), list(range(6)))

    def test_refused_event_among_pipelined_ones(self) -> None:
        """Without transactions the culprit is found as well: fewer are under way at each ERROR, until it is alone."""
        sink = self.sink(uri="failover:(tcp://a)?initialReconnectDelay=10")
        sink.startService()
        done = publish(sink, [event(number) for number in range(300)])
        wire, connections = self.connect(server="RabbitMQ/3.10.8"), 0
        while sum(len(outcome.events) for outcome in done.outcomes) < 300:
            frames = wire.frames()
            ids = [frame.headers["event-id"] for frame in frames]
            for frame in frames[: ids.index("e207") if "e207" in ids else None]:
                wire.say("RECEIPT", receipt_id=frame.headers["receipt"])
            if "e207" in ids:
                connections += 1
                self.refuse(wire)
                wire = self.connect(server="RabbitMQ/3.10.8")
        (refused,) = [one for one in done.outcomes if one.verdict is EventVerdict.REFUSED]
        self.assertEqual([one.event_id for one in refused.events], ["e207"])
        self.assertLess(connections, 15)
        self.assertLess(sum(self.pauses), 1.0)

    # -- a broker that is slow, full, or hangs up

    def test_broker_that_holds_back_is_waited_for(self) -> None:
        """A full queue whose consumer is away holds a receipt back, with heart-beats all the time (measured on ActiveMQ
        5.17: a copy every 30 s). In eight hours the SEND goes out once, and it is said, once, and seen in
        ``trouble``."""
        sink = self.sink()
        sink.startService()
        wire = self.connect(heart_beat="10000,10000")
        done = [publish(sink, [event(number)]) for number in range(2)]
        sends = wire.frames()
        self.assertIsNone(sink.trouble)
        before = self.clock.seconds()
        self.live(wire, HELD_BACK + 2)
        trouble = sink.trouble
        assert trouble is not None
        self.assertEqual((trouble.state, trouble.since), ("holds back", before))
        self.assertIn("tcp://a:61613 owes the receipts of 2 events for /queue/delivery-report", trouble.why)
        for _ in range(8 * 360):
            self.clock.advance(10)
            wire.protocol.dataReceived(b"\n")
        self.assertEqual((wire.frames(), wire.closed, len(self.attempts)), ([], False, 1))
        (line,) = self.warnings()
        self.assertIn("tcp://a:61613 holds back the receipts of 2 events for /queue/delivery-report.", line)
        for frame in sends:
            wire.say("RECEIPT", receipt_id=frame.headers["receipt"])
        self.assertTrue(all(one.confirmed for one in done))
        self.assertIsNone(sink.trouble)

    def test_frozen(self) -> None:
        """The process is stopped for half a minute, with the broker's beats and receipts in the socket: it reads them
        before it judges. The same in the handshake, and with a transaction under way. A broker that stays silent after
        that is given up all the same."""
        sink = self.sink()
        sink.startService()
        wire = self.reach()
        self.clock.advance(30)
        self.assertFalse(wire.closed)
        wire.frames()
        wire.say("CONNECTED", version="1.2", server=self.server, heart_beat="10000,10000")
        done = publish(sink, [event(1), event(2)])
        self.clock.advance(30)
        self.assertFalse(wire.closed)
        wire.say("RECEIPT", receipt_id=wire.frames()[-1].headers["receipt"])
        self.assertTrue(done.confirmed)
        self.assertEqual(self.warnings(), [])
        self.clock.advance(30)
        self.advance(23)
        self.assertTrue(wire.aborted)

    def test_broker_that_holds_back_and_dies(self) -> None:
        """Its heart stops: the events are sent again on a new connection. Such a connection is no proof of a good
        broker: the pauses between attempts grow, as one after the other brings no receipt."""
        sink = self.sink(uri="failover:(tcp://a)?initialReconnectDelay=1000")
        sink.startService()
        done, pauses = publish(sink, [event(1)]), []
        for _ in range(5):
            wire = self.connect(heart_beat="10000,10000")
            self.assertEqual([frame.headers["event-id"] for frame in wire.frames()], ["e1"])
            self.live(wire, 60)
            self.advance(22)
            self.assertTrue(wire.aborted)
            wire.lose(ConnectionLost())
            pauses.append(self.clock.getDelayedCalls()[0].getTime() - self.clock.seconds())
            self.clock.advance(pauses[-1])
        self.assertEqual(done.outcomes, [])
        self.assertGreater(pauses[-1], 4 * pauses[0])

    def test_stalled_transaction(self) -> None:
        """With ActiveMQ's producer flow control a SEND in a transaction waits for memory that only its own COMMIT would
        free. The transaction is given up, and the events go one by one; then parts grow to half of what stalled."""
        sink = self.sink(uri="failover:(tcp://a)?initialReconnectDelay=10")
        sink.startService()
        wire = self.connect(heart_beat="10000,10000")
        done = publish(sink, [event(number) for number in range(64)])
        wire.frames()
        self.live(wire, STALLED + 2)
        self.assertTrue(wire.aborted)
        wire.lose(ConnectionLost())
        self.assertIn("nothing moves in a transaction within 10 s", self.warnings()[0])
        self.clock.advance(1)
        wire = self.connect(heart_beat="10000,10000")
        frames = self.confirm_all(wire)
        self.assertEqual(frames[0].headers["event-id"], "e0")
        self.assertNotIn("BEGIN", [frame.command for frame in frames[:64]])
        self.assertTrue(done.confirmed)

        def longest() -> int:
            publish(sink, [event(number) for number in range(500)])
            size = most = 0
            for frame in self.confirm_all(wire):
                size = 0 if frame.command == "BEGIN" else size + (frame.command == "SEND")
                most = max(most, size)
            return most

        for _ in range(3):
            size = longest()
        self.assertEqual(size, 32)
        for _ in range(round(STALL_KEPT_S / 10)):
            self.clock.advance(10)
            wire.protocol.dataReceived(b"\n")
        for _ in range(3):
            size = longest()
        self.assertEqual(size, 500)

    def test_transaction_behind_a_held_event(self) -> None:
        """A SEND that is waited for holds up the transactions behind it. They have not stalled: a connection that is
        given up for that would give a full broker copies."""
        sink = self.sink()
        sink.startService()
        wire = self.connect(heart_beat="10000,10000")
        done = [publish(sink, [event(1)])]
        self.live(wire, 60)
        done.append(publish(sink, [event(2), event(3)]))
        self.live(wire, 600)
        self.assertFalse(wire.closed)
        self.confirm_all(wire)
        self.assertTrue(all(one.confirmed for one in done))

    def test_receipts_that_trickle(self) -> None:
        """One receipt each nine seconds, and hundreds owed: the health says so after a minute, since the oldest was
        sent, and the log has one line."""
        sink = self.sink(transactions=False)
        sink.startService()
        wire = self.connect(heart_beat="10000,10000")
        publish(sink, [event(number) for number in range(300)])
        frames, begun = wire.frames(), self.clock.seconds()
        for frame in frames[1:20]:
            self.live(wire, 9)
            wire.say("RECEIPT", receipt_id=frame.headers["receipt"])
        trouble = sink.trouble
        assert trouble is not None
        self.assertEqual((trouble.state, trouble.since), ("holds back", begun))
        self.assertEqual(len(self.warnings()), 1)

    def test_closed_destination_is_no_health(self) -> None:
        """While everything for the queue is refused, ``trouble`` says so, and why."""
        sink, _ = self.close_destination()
        trouble = sink.trouble
        assert trouble is not None
        self.assertEqual(trouble.state, "refuses")
        self.assertIn("no such thing", trouble.why)

    def test_since_when_it_flaps(self) -> None:
        """Sessions that come and go without a receipt are one trouble: it began with the first."""
        sink = self.sink(uri="failover:(tcp://a)?initialReconnectDelay=10&useExponentialBackOff=false")
        sink.startService()
        begun = self.clock.seconds()
        for _ in range(30):
            self.connect().lose()
            self.clock.advance(0.1)
        trouble = sink.trouble
        assert trouble is not None
        self.assertEqual(trouble.since, begun)

    def test_broker_dies_after_a_refusal(self) -> None:
        """An ERROR for one event says nothing against the next, at which the broker is killed."""
        sink, wire = self.started()
        publish(sink, [event(1)])
        self.refuse(wire, receipt_id=wire.frames()[-1].headers["receipt"])
        done = publish(sink, [event(2)])
        wire = self.connect()
        wire.frames()
        wire.lose(ConnectionLost())
        self.assertEqual(done.outcomes, [])

    def test_refused_event_and_a_dead_broker_in_the_list(self) -> None:
        """Who has refused an event is asked about the rest at once, before a broker that does not even answer."""
        sink = self.sink(uri="failover:(tcp://a,tcp://dead)?randomize=false&initialReconnectDelay=10")
        sink.startService()
        wire = self.connect()
        publish(sink, [event(number) for number in range(8)])
        for _ in range(3):
            self.refuse(wire)
            wire = self.connect()
            self.assertEqual(wire.broker.host, "a")

    def test_single_events_never_stall(self) -> None:
        """After a stall a broker that is full holds single events back: these are waited for. No copy follows."""
        sink = self.sink(uri="failover:(tcp://a)?initialReconnectDelay=10")
        sink.startService()
        wire = self.connect(heart_beat="10000,10000")
        publish(sink, [event(number) for number in range(64)])
        wire.frames()
        self.live(wire, STALLED + 2)
        wire.lose(ConnectionLost())
        self.clock.advance(1)
        wire = self.connect(heart_beat="10000,10000")
        self.assertEqual(len(wire.frames()), 64)
        self.live(wire, 600)
        self.assertEqual((wire.closed, wire.frames()), (False, []))

    def test_lost_connections_halve_what_is_under_way(self) -> None:
        """A broker that goes without a word may do so because of an event. Nothing is refused for that, however often
        it happens with a receipt in between."""
        sink, wire = self.started()
        for _ in range(5):
            done = publish(sink, [event(number) for number in range(4)])
            for _ in range(2):
                self.assertTrue(wire.frames())
                wire.lose(ConnectionLost())
                self.clock.advance(60)
                wire = self.connect()
            self.confirm_all(wire)
            self.assertTrue(done.confirmed)

    def test_hang_ups(self) -> None:
        """A broker may hang up without a word at one event, as RabbitMQ 3.10 does when a queue with ``reject-publish``
        is full. It is found, and refused when that has gone on for some seconds. The others wait less than five."""
        sink = self.sink(uri="failover:(tcp://a)?initialReconnectDelay=10")
        sink.startService()
        wire = self.connect()
        done = publish(sink, [event(number) for number in range(200)])
        begun, told = self.clock.seconds(), dict[int, EventVerdict]()
        while len(told) < 200:
            frames = wire.frames()
            if "e50" in [frame.headers.get("event-id") for frame in frames]:
                wire.lose(ConnectionLost())
                self.clock.advance(self.clock.getDelayedCalls()[0].getTime() - self.clock.seconds())
                wire = self.connect()
            elif frames:
                wire.say("RECEIPT", receipt_id=frames[-1].headers["receipt"])
            told = {one.id: outcome.verdict for outcome in done.outcomes for one in outcome.events}
        self.assertEqual([number for number, verdict in told.items() if verdict is EventVerdict.REFUSED], [50])
        spent = self.clock.seconds() - begun
        self.assertTrue(HANG_UPS_LAST <= spent < 5, spent)

    def test_broker_that_restarts_is_not_the_event(self) -> None:
        """Three hang-ups within a second, as of a broker that is starting: the event under way is not refused."""
        sink = self.sink(uri="failover:(tcp://a)?initialReconnectDelay=10&useExponentialBackOff=false")
        sink.startService()
        done = publish(sink, [event(1)])
        for _ in range(20):
            wire = self.connect()
            self.assertEqual(len(wire.frames()), 1)
            wire.lose(ConnectionLost())
            self.clock.advance(0.02)
        self.assertEqual(done.outcomes, [])

    def test_parts_grow_again(self) -> None:
        """After trouble the parts are small. They double each time that so many events are confirmed."""
        sink, wire = self.started()
        publish(sink, [event(number) for number in range(64)])
        self.refuse(wire)
        wire = self.connect()
        sizes = []
        while frames := wire.frames():
            sizes.append(sum(frame.command == "SEND" for frame in frames))
            wire.say("RECEIPT", receipt_id=frames[-1].headers["receipt"])
        self.assertEqual(sizes, [32, 32])
        publish(sink, [event(number) for number in range(1000)])
        self.assertEqual(sum(frame.command == "SEND" for frame in wire.frames()), 64)

    def test_event_that_cannot_be_rendered(self) -> None:
        """Whatever goes wrong with one event, it is refused alone, and the others of its batch are sent."""
        sink, wire = self.started()
        bad = replace(event(2), jms_type=None)  # type: ignore[arg-type]  # no such row is written
        done = publish(sink, [event(1), bad, event(3)])
        self.confirm_all(wire)
        told = {one.id: outcome.verdict for outcome in done.outcomes for one in outcome.events}
        self.assertEqual(told, {1: EventVerdict.CONFIRMED, 2: EventVerdict.REFUSED, 3: EventVerdict.CONFIRMED})

    def test_connect_raises(self) -> None:
        """A PEM file that is half written at that moment is a failed attempt, whatever the library raises."""
        for error in (
            SSL.Error([("PEM routines", "", "no start line")]),
            ValueError("x"),
            KeyError("x"),
            MemoryError(),
        ):
            self.attempts.clear()
            broken: list[BaseException] = [error]

            def endpoint(reactor: Any, broker: Broker, tls: Any, broken: list[BaseException] = broken) -> Any:
                if broken:
                    raise broken.pop()
                return self.endpoint(reactor, broker, tls)

            settings = SessionSettings()
            uri = FailoverURI.parse("failover:(tcp://a)?initialReconnectDelay=10")
            sink = Producer(self.clock, QUEUE, uri, settings, {}, Random(1), endpoint)
            sink.startService()
            self.clock.advance(0)
            self.assertEqual(len(self.attempts), 0)
            self.clock.advance(1)
            self.connect()
            self.assertTrue(sink.connected)

    # -- what consumers find in the headers

    def test_headers_for_consumers(self) -> None:
        """The MessageSID correlates; DeliveryStatus, channel and event_id are names that a selector may use; the
        operator's own headers are added."""
        sink, wire = self.started(headers={"_type": "com.example.Report", "odd": "a:b"})
        for sid in (new_sid(1_800_000_000_000), "SM:1"):  # ours, and one that has to be escaped
            body = f'{{"MessageSID": "{sid}", "DeliveryStatus": "DELIVERED", "ProviderStatusCode": 0}}'
            publish(sink, [Event(1, "dr-1", DELIVERY_REPORT, "smpp", body)])
            (frame,) = wire.frames()
            expected = {"correlation-id": sid, "DeliveryStatus": "DELIVERED", "channel": "smpp", "event_id": "dr-1"}
            self.assertEqual({name: frame.headers[name] for name in expected}, expected)
            self.assertEqual((frame.headers["_type"], frame.headers["odd"]), ("com.example.Report", "a:b"))
        for body, correlation in (
            ('{"Body": "x", "From": "1", "To": "2", "SmsSid": "in1"}', "in1"),
            ('{"SmsSid": 7}', None),
            ("[1]", None),
            ("no JSON", None),
            ('{"MessageSID": "", "DeliveryStatus": ["x"]}', None),
        ):
            publish(sink, [Event(2, "e", DELIVERY_REPORT, "smpp", body)])
            (frame,) = wire.frames()
            self.assertEqual(frame.headers.get("correlation-id"), correlation, body)
            self.assertNotIn("DeliveryStatus", frame.headers)

    def test_headers_of_a_conversation(self) -> None:
        """What the event says beside its body, escaped where that is needed."""
        sink, wire = self.started()
        said = {"MessageSID": "SM1", "Reference": "order: 5\\ é"}
        publish(sink, [Event(1, "in-1", INCOMING_MESSAGE, "smpp", '{"SmsSid": "x"}', headers=json.dumps(said))])
        (frame,) = wire.frames()
        self.assertEqual({name: frame.headers.get(name) for name in said}, said)

    # -- words

    def refused_connect(self, data: bytes, **settings: Any) -> str:
        """What the log says of an answer to CONNECT; the next attempt is paced."""
        self.logged.clear()
        self.sink(uri="failover:(tcp://a)?initialReconnectDelay=10", **settings).startService()
        wire = self.reach()
        wire.protocol.dataReceived(data)
        self.assertTrue(wire.aborted, data)
        wire.lose()
        (line,) = self.warnings()
        self.assertGreaterEqual(self.clock.getDelayedCalls()[-1].getTime() - self.clock.seconds(), 5)
        for call in self.clock.getDelayedCalls():
            call.cancel()
        return line

    def test_refusals_in_any_alphabet(self) -> None:
        """A login with an umlaut, and a wrong passcode: brokers repeat it in UTF-8 or Latin-1, and some with escapes
        that STOMP does not know. The words are told, and the next attempt waits."""
        for data in (
            "ERROR\nmessage:User name [müller] or password is invalid.\n\n\0".encode(),
            "ERROR\nmessage:User name [müller] or password is invalid.\n\n\0".encode("latin-1"),
            "ERROR\r\nmessage:User name [müller] or password is invalid.\r\n\r\n\0".encode(),
            "\nERROR\nmessage:User name [müller] or password is invalid\\q.\n\nx\0\n".encode(),
            "ERROR\nno separator\nmessage:User name [müller] or password is invalid.\n\n\0".encode(),
        ):
            self.assertIn("refused CONNECT: User name [müller] or password is invalid", self.refused_connect(data))

    def test_other_protocols(self) -> None:
        """The port of another protocol is told by its first octets, at once, and tried at the pace of refusals."""
        for data, words in (
            (b"\0\0\1\x84\1ActiveMQ\0\0\0\x0c\1", "it speaks OpenWire: ActiveMQ's STOMP is at another port"),
            (b"AMQP\0\0\x09\1", "it speaks AMQP"),
            (b"HTTP/1.1 400 Bad Request\r\n\r\n", "it speaks HTTP"),
            (b"\x15\x03\x01\0\x02\x02\x16", "it speaks TLS: write ssl://"),
            (b"\x16\x03\x01\0\x02\x02\x16", "it speaks TLS: write ssl://"),
            (b"\x20\x02\0\x05", "it speaks MQTT"),
            (b"\0\0\0\x10\x80\0\0\0\0\0\0\x02\0\0\0\0", "it speaks SMPP, as SMSCs do"),
            (b"hello, who is there?\r\n", "it begins with b'hello, who is th'"),
            (b"220 mail.example ESMTP\r\n", "it speaks SMTP or FTP"),
        ):
            self.assertIn(words, self.refused_connect(data))

    def test_error_that_breaks_its_version(self) -> None:
        """After CONNECTED as well: the ERROR ends the session with its words."""
        _, wire = self.started()
        wire.protocol.dataReceived("ERROR\nmessage:Benutzer müller darf nicht\n\n\0".encode("latin-1"))
        wire.lose()
        self.assertIn("the broker reported an error: Benutzer müller darf nicht.", self.warnings()[0])

    def test_broken_error_in_pieces(self) -> None:
        """However TCP cuts it."""
        _, wire = self.started()
        for piece in (b"ERROR\nmes", b"sage:not \\q", b"this\n\n\0"):
            wire.protocol.dataReceived(piece)
        wire.lose()
        self.assertIn("the broker reported an error: not \\qthis", self.warnings()[0])

    def test_rubbish_at_an_event(self) -> None:
        """A broker that answers one event with what nobody can read: the event is found and refused."""
        sink = self.sink(uri="failover:(tcp://a)?initialReconnectDelay=100&useExponentialBackOff=false")
        sink.startService()
        done = publish(sink, [event(1)])
        for _ in range(40):
            wire = self.connect()
            if wire.frames():
                wire.protocol.dataReceived(b"RUBBISH\n\n\0")
            wire.lose()
            self.clock.advance(0.13)
        self.assertEqual([outcome.verdict for outcome in done.outcomes], [EventVerdict.REFUSED])

    def test_receipts_before_a_broken_frame(self) -> None:
        """They count, also if they come in one read with it."""
        sink, wire = self.started()
        first, second = publish(sink, [event(1)]), publish(sink, [event(2)])
        wire.protocol.dataReceived(b"RECEIPT\nreceipt-id:1\n\n\0\nERROR\nmessage:a\\q\n\n\0")
        self.assertTrue(first.confirmed)
        self.assertEqual(second.outcomes, [])
        self.assertTrue(wire.aborted)

    def test_carriage_returns(self) -> None:
        """Between frames, however they are cut, and as heart-beats (STOMP 1.2)."""
        for pieces in (
            (b"\r\nRECEIPT\r\nreceipt-id:1\r\n\r\n\0\r\n\r\n",),
            (b"\r\n", b"RECEIPT\nreceipt-id:1\n\n\0", b"\r\n\r\n"),
            (b"RECEIPT\r\nreceipt-id:9\r\n\r\n\0", b"\r\nRECEIPT\r\nreceipt-id:1\r\n", b"\r\n\0\r\n"),
        ):
            sink, wire = self.started()
            done = publish(sink, [event(1)])
            for piece in pieces:
                wire.protocol.dataReceived(piece)
            self.assertTrue(done.confirmed, pieces)
            self.assertFalse(wire.closed, pieces)

    def test_passcode_that_a_peer_repeats(self) -> None:
        """It is in no line of the log, whatever the peer does with it; but a word that is the login as well stays."""
        for passcode, login, data, shown in (
            ("hunter2", "admin", b"CONNECTED\npasscode:hunter2\nversion:9\n\n\0", None),
            ("hunter2", "admin", b"RECEIPT\npasscode:hunter2\n\n\0", None),
            ("guest", "guest", b"ERROR\nmessage:Access refused for user 'guest'\n\n\0", "user 'guest'"),
        ):
            self.logged.clear()
            self.sink(uri="tcp://a", login=login, passcode=passcode).startService()
            wire = self.reach()
            wire.protocol.dataReceived(data)
            wire.lose()
            line = "".join(self.warnings())
            self.assertIn(shown or "", line)
            self.assertEqual("hunter2" in line, False, line)

    def test_name_that_version_1_0_cannot_express(self) -> None:
        """It would be another queue, and nobody reads it: no session, and the log says what to do."""
        self.version = "1.0"
        uri = FailoverURI.parse("tcp://a")
        sink = Producer(self.clock, "/queue/b\u00fcro", uri, SessionSettings(), {}, Random(1), self.endpoint)
        sink.startService()
        wire = self.connect()
        self.assertTrue(wire.aborted)
        wire.lose()
        self.assertIn("can't express the name /queue/b\u00fcro: write it in ASCII", self.warnings()[0])

    def test_line_ends_of_connected(self) -> None:
        """STOMP 1.2 lets a broker end lines with CR LF, in CONNECTED too, and name itself in UTF-8."""
        sink = self.sink()
        sink.startService()
        wire = self.reach()
        wire.protocol.dataReceived("\r\nCONNECTED\r\nversion:1.2\r\nserver:Müller/1\r\n\r\n\0\r\n".encode())
        self.assertTrue(sink.connected)
        self.assertEqual(self.warnings(), [])

    def test_nonsense(self) -> None:
        """Whatever is no STOMP drops the connection, with one line in the log."""
        for data in (
            b"HTTP/1.1 400 Bad Request\r\n\r\n\n\n",
            b"RECEIPT\nno separator\n\n\0",
            b"RECEIPT\nreceipt-id:\xff\n\n\0",
            b"RECEIPT\ncontent-length:x\n\n\0",
            b"RECEIPT\ncontent-length:-3\n\n\0\0\0",
            b"MESSAGE\ndestination:/queue/a\nmessage-id:1\nsubscription:1\n\nx\0",
            b"CONNECTED\nversion:1.2\n\n\0",
            b"\0" * 10 + b"\n\n",
        ):
            _, wire = self.started()
            self.logged.clear()
            wire.protocol.dataReceived(data)
            self.assertTrue(wire.aborted, data)
            wire.protocol.dataReceived(data)
            wire.lose()
            self.assertEqual(len(self.warnings()), 1, data)
