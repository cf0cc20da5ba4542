"""Messages that go on over another channel: two channels, each with its submitter, a real store, and a clock."""

import json
from dataclasses import replace
from random import Random
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.errors import TextError
from smsconnector.lifecycle import CODE_UNKNOWN, EndRules, FallBackRule
from smsconnector.messages import Finality, Outcome, Receipt, Segment, Verdict
from smsconnector.sms.segmentation import Split
from smsconnector.store import operations as ops
from smsconnector.store.fall_backs import LOOK_AGAIN
from smsconnector.store.falling import Falling, Found
from smsconnector.store.scheduling import LoadScheduled
from smsconnector.store.store import Store
from smsconnector.store.writer import Written
from smsconnector.walks import fall_back as falling
from smsconnector.walks import withdrawal
from smsconnector.walks.backlog import StoreBacklog
from smsconnector.walks.fall_back import FallBack
from smsconnector.walks.outlet import FallBackTo, Outlet
from smsconnector.walks.retry_policy import RetryPolicy
from smsconnector.walks.submitter import Submitter
from smsconnector.wall_clock import WallClock
from tests.recorded_log import RecordedLog
from tests.unit.fakes import EPOCH, SINK, DirectWriter, FakeChannel, ask, message, run_what_is_due

AFTER = 60.0


class FallBackCase(SynchronousTestCase):
    """``smpp`` falls back to ``cloud`` after ``AFTER`` seconds, and with the code 11."""

    resend = True
    strict_order = False
    window = 2
    is_configured = True

    def setUp(self) -> None:
        self.clock, self.path, self.lives = Clock(), self.mktemp(), 0
        self.start()
        self.addCleanup(self.close)

    def close(self) -> None:
        self.writer.store.close()

    def start(self) -> None:
        rules = EndRules(fall_backs={"smpp": FallBackRule(frozenset({"11", CODE_UNKNOWN}), self.resend)})
        self.writer = DirectWriter(self.clock, Store(self.path, rules=rules if self.is_configured else None))
        self.writer.listen(self.tell)
        self.wall_clock, self.told, self.lives = WallClock(self.now), 0, self.lives + 1
        self.smpp, self.smpp_channel = self.outlet("smpp", FallBackTo("cloud", AFTER))
        self.cloud, self.cloud_channel = self.outlet("cloud", FallBackTo())
        outlets = {"smpp": self.smpp, "cloud": self.cloud}
        self.fall_back = FallBack(self.clock, self.wall_clock, self.writer, outlets)
        self.fall_back.startService()
        run_what_is_due(self.clock)

    def outlet(self, name: str, fall_back: FallBackTo) -> tuple[Outlet, FakeChannel]:
        channel = FakeChannel(self.window)
        after = fall_back.after if fall_back.channel and self.is_configured else None
        policy = RetryPolicy(
            initial=2, maximum=10, resend=self.resend, strict_order=self.strict_order, source=Random(1)
        )
        backlog = StoreBacklog(
            name,
            self.writer,
            self.writer,
            clock=self.clock,
            wall_clock=self.wall_clock,
            process=self.lives,
            fall_back_after=after,
        )
        submitter = Submitter(self.clock, self.wall_clock, backlog, channel, policy)
        channel.listener = submitter
        submitter.startService()
        return Outlet(channel, {"": submitter}, 3600.0, fall_back if self.is_configured else FallBackTo()), channel

    def now(self) -> float:
        return EPOCH + self.clock.seconds()

    def tell(self, _events: Written) -> None:
        self.told += 1

    def accept(self, *sids: str, **more: Any) -> None:
        for sid in sids:
            settings: dict[str, Any] = {"to": f"92300{sid[2:]:>07}", "at": int(self.now() * 1000)} | more
            self.smpp.submitters[""].accept(message(sid, *settings.pop("texts", ()), **settings), self.accepted)
        run_what_is_due(self.clock)

    def accepted(self, error: Any) -> None:
        self.assertIs(error, None)

    def advance(self, seconds: float) -> None:
        for _ in range(int(seconds * 4)):
            self.clock.advance(0.25)
            run_what_is_due(self.clock)

    def answer(self, segment: Segment, verdict: Verdict, code: Any = None, channel: str = "smpp") -> None:
        which = self.smpp_channel if channel == "smpp" else self.cloud_channel
        smsc_id = f"{channel}{segment.id}" if verdict is Verdict.ACCEPTED else None
        which.answer(Outcome(segment, verdict, channel, smsc_id, code))
        run_what_is_due(self.clock)

    def kill(self) -> None:
        self.writer.store.close()
        self.clock.calls.clear()
        self.start()

    def sids(self, channel: FakeChannel) -> list[str]:
        return [one.sid for one in channel.submitted]

    def reports(self) -> dict[str, tuple[str, Any]]:
        (events,) = ask(self.writer.store, [ops.LoadEvents(SINK, 0, 1000)])
        bodies = [json.loads(event.body) for event in events]
        self.assertEqual(len({one["MessageSID"] for one in bodies}), len(bodies))
        return {one["MessageSID"]: (one["DeliveryStatus"], one["ProviderStatusCode"]) for one in bodies}


class WalkCase(FallBackCase):
    def test_in_time(self) -> None:
        """What its channel takes in time stays with it."""
        self.accept("SM1")
        self.answer(self.smpp_channel.submitted[0], Verdict.ACCEPTED)
        self.advance(AFTER * 2)
        self.assertEqual(self.sids(self.cloud_channel), [])

    def test_channel_is_down(self) -> None:
        """All that waits goes the other way when its time is over, in the order in which it was accepted. When the
        channel is up again, it sends none of it, and all that came later."""
        self.smpp_channel.window, self.cloud_channel.window = 0, 50
        sids = [f"SM{number}" for number in range(1, 6)]
        self.accept(*sids)
        self.advance(AFTER - 2)
        self.assertEqual(self.sids(self.cloud_channel), [])
        self.accept("SM6")
        self.advance(4)
        self.assertEqual(self.sids(self.cloud_channel), sids)
        self.smpp_channel.window = 50
        self.smpp.submitters[""].room()
        run_what_is_due(self.clock)
        self.assertEqual(self.sids(self.smpp_channel), ["SM6"])
        for one in self.cloud_channel.submitted:
            self.answer(one, Verdict.DONE, channel="cloud")
        self.assertEqual(set(self.reports()), set(sids))

    def test_what_was_asked_is_kept(self) -> None:
        """A bulk text is one on the other channel too, and one that was scheduled still says so; Reference and the name
        of the key go along."""
        self.smpp_channel.window, self.cloud_channel.window = 0, 50
        now_ms = int(self.now() * 1000)
        bulk = replace(message("SM1", at=now_ms), is_bulk=True, reference="order 1", accepted_by="desk")
        self.smpp.submitters[""].accept(bulk, self.accepted)
        later = replace(message("SM2", to="923007654321", at=now_ms), send_at=now_ms, expires_at=now_ms + 3_600_000)
        self.smpp.submitters[""].accept(later, self.accepted)
        run_what_is_due(self.clock)
        (due,) = ask(self.writer.store, [LoadScheduled(now_ms)])[0]
        self.smpp.submitters[""].accept(replace(due.message, accepted_at=now_ms), self.accepted, scheduled=due.id)
        self.advance(AFTER + 2)
        sent = sorted((one.sid, one.is_bulk) for one in self.cloud_channel.submitted)
        self.assertEqual(sent, [("SM1", True), ("SM2", False)])
        (found,) = ask(self.writer.store, [ops.Find("SM2")])
        self.assertEqual((found.channel, found.send_at), ("cloud", now_ms))
        (found,) = ask(self.writer.store, [ops.Find("SM1")])
        self.assertEqual((found.channel, found.reference, found.accepted_by), ("cloud", "order 1", "desk"))

    def test_under_way(self) -> None:
        """What its channel is just sending stays there, whatever becomes of it; then it is looked at again."""
        self.accept("SM1", "SM2")
        self.advance(AFTER + 2)
        self.assertEqual(self.sids(self.cloud_channel), [])
        first, second = self.smpp_channel.submitted
        self.smpp_channel.window = 0
        self.answer(first, Verdict.ACCEPTED)
        self.answer(second, Verdict.RETRY, 88)
        self.advance(LOOK_AGAIN / 1000 + 2)
        self.assertEqual(self.sids(self.cloud_channel), ["SM2"])
        self.advance(60)
        self.smpp_channel.window = 50
        self.advance(60)
        self.assertEqual(self.sids(self.smpp_channel), ["SM1", "SM2"])

    def test_throttled(self) -> None:
        """What the network throttles all the time goes the other way, and its lane is free for what comes later."""
        self.accept("SM1")
        self.smpp_channel.throttle(self.smpp_channel.submitted[0])
        while self.clock.seconds() < AFTER + 10:
            self.advance(1)
            for one in list(self.smpp_channel.under_way):
                self.smpp_channel.throttle(one)
        self.assertEqual(self.sids(self.cloud_channel), ["SM1"])
        sent = len(self.smpp_channel.submitted)
        self.accept("SM2", to=self.smpp_channel.submitted[0].destination)
        self.advance(60)
        self.assertEqual(self.sids(self.smpp_channel)[sent:], ["SM2"])

    def test_code(self) -> None:
        """What fails with a code of the list goes at once; its other parts are not sent by the first channel."""
        self.window = self.smpp_channel.window = 1
        self.accept("SM1", texts=("one ", "two"))
        self.answer(self.smpp_channel.submitted[0], Verdict.REFUSED, 11)
        self.advance(2)
        self.assertEqual([one.text for one in self.smpp_channel.submitted], ["one "])
        self.assertEqual([one.text for one in self.cloud_channel.submitted], ["one two"])
        self.answer(self.cloud_channel.submitted[0], Verdict.REFUSED, "no", channel="cloud")
        self.assertEqual(self.reports(), {"SM1": ("FAILED", "no")})

    def test_can_not_be_cut(self) -> None:
        """What the other channel can't take ends with its code, and is told; or it waits on for its own channel."""

        def cut(text: str) -> Split:
            raise TextError("too_long", "too long", 0)

        self.cloud_channel.cut = cut
        self.accept("SM1")
        self.answer(self.smpp_channel.submitted[0], Verdict.REFUSED, 11)
        told = self.told
        self.advance(2)
        self.assertEqual(self.reports(), {"SM1": ("FAILED", 11)})
        self.assertEqual(self.told, told + 1)
        self.smpp_channel.window = 0
        self.accept("SM2")
        self.advance(AFTER + 30)
        self.smpp_channel.window = 2
        self.smpp.submitters[""].room()
        run_what_is_due(self.clock)
        self.assertEqual(self.sids(self.smpp_channel), ["SM1", "SM2"])

    def test_disk(self) -> None:
        """While the disk is full nothing moves, and nothing is lost."""
        self.smpp_channel.window = 0
        self.accept("SM1")
        self.advance(AFTER - 5)
        self.writer.full = True
        self.advance(30)
        self.assertEqual(self.sids(self.cloud_channel), [])
        self.writer.full = False
        self.advance(LOOK_AGAIN / 1000 + 2)
        self.assertEqual(self.sids(self.cloud_channel), ["SM1"])
        self.assertFalse(self.smpp.submitters[""].held)

    def test_disk_at_the_start(self) -> None:
        """The disk is full for long after the start: what is accepted then has its whole time."""
        self.window = self.smpp_channel.window = 0
        self.writer.full = True
        self.fall_back.stopService()
        self.fall_back = FallBack(self.clock, self.wall_clock, self.writer, {"smpp": self.smpp, "cloud": self.cloud})
        self.fall_back.startService()
        self.advance(AFTER * 2)
        self.writer.full = False
        self.accept("SM1")
        self.advance(AFTER - 5)
        self.assertEqual(self.sids(self.cloud_channel), [])
        self.advance(10)
        self.assertEqual(self.sids(self.cloud_channel), ["SM1"])

    def test_kill(self) -> None:
        """Whichever moment the process is killed in, the next one has the message on one of the two channels."""
        self.window = self.smpp_channel.window = 0
        self.accept("SM1")
        self.advance(AFTER - 5)
        self.kill()
        self.advance(10)
        self.window = 2
        self.kill()
        self.assertEqual((self.sids(self.smpp_channel), self.sids(self.cloud_channel)), ([], ["SM1"]))

    def test_many(self) -> None:
        """More than one step has room for: all of them go, and memory forgets those that it does not have."""
        self.patch(falling, "LIMIT", 3)
        self.patch(withdrawal, "MANY", 4)
        self.smpp_channel.window, self.cloud_channel.window = 0, 50
        self.accept(*(f"SM{number}" for number in range(10)))
        self.advance(AFTER + 2)
        self.assertEqual(len(set(self.sids(self.cloud_channel))), 10)
        self.smpp_channel.window = 50
        self.smpp.submitters[""].room()
        run_what_is_due(self.clock)
        self.assertEqual(self.sids(self.smpp_channel), [])

    def test_waits_in_a_lane(self) -> None:
        """A text that is due, and waits in the lane of its number, is not under way: it moves as any other."""
        self.accept("SM1", "SM2", to="923001234567")
        for _ in range(2):
            self.answer(self.smpp_channel.submitted[-1], Verdict.RETRY, 88)
        self.advance(3)
        self.smpp_channel.window = 0
        self.answer(self.smpp_channel.under_way[0], Verdict.RETRY, 88)
        self.advance(AFTER + 5)
        self.answer(self.cloud_channel.submitted[0], Verdict.DONE, channel="cloud")
        self.assertEqual(sorted(self.sids(self.cloud_channel)), ["SM1", "SM2"])

    def test_late_response_that_is_not_on_disk(self) -> None:
        """The network has taken it, which only memory knows: it does not move."""
        self.accept("SM1")
        segment = self.smpp_channel.submitted[0]
        self.smpp_channel.window = 0
        self.answer(segment, Verdict.UNKNOWN)
        self.advance(AFTER - 2)
        self.writer.full = True
        self.smpp.submitters[""].late(Outcome(segment, Verdict.ACCEPTED, "smpp", "id1"))
        self.advance(1.75)
        self.writer.full = False
        self.advance(10)
        self.assertEqual(self.sids(self.cloud_channel), [])

    def test_copy_of_what_was_withdrawn(self) -> None:
        """A text waits in memory to be sent again when a receipt for an earlier try says that it failed, with a code of
        the list: it goes the other way, and the first channel sends no copy, however much it has forgotten."""
        self.accept("SM1")
        segment = self.smpp_channel.submitted[0]
        self.smpp_channel.window = 0
        self.answer(segment, Verdict.UNKNOWN)
        self.advance(5)
        now_ms = int(self.now() * 1000)
        receipt = Receipt("smpp", "SM1", Finality.FAILED, "11", "UNDELIV", now_ms, segment.destination)
        ask(self.writer.store, [ops.Receive((receipt,))])
        self.advance(3)
        self.assertEqual(self.sids(self.cloud_channel), ["SM1"])
        self.smpp.messages_ended(range(10**6, 10**6 + 20_000))
        self.smpp.messages_ended([5])
        self.smpp_channel.window = 2
        self.smpp.submitters[""].room()
        self.advance(60)
        self.assertEqual(self.sids(self.smpp_channel), ["SM1"])

    def test_all_at_once(self) -> None:
        """Many texts that were taken are looked at first, and hold up nobody."""
        self.patch(falling, "LIMIT", 5)
        self.smpp_channel.window = 1000
        self.accept(*(f"SM{number}" for number in range(100)))
        for one in list(self.smpp_channel.under_way):
            self.answer(one, Verdict.ACCEPTED)
        self.smpp_channel.window = 0
        self.accept("SM200")
        self.advance(AFTER + 2)
        self.assertEqual(self.sids(self.cloud_channel), ["SM200"])

    def test_fault_of_one(self) -> None:
        """A fault of one text is in the log, and holds up nobody."""
        real = self.cloud_channel.cut

        def cut(text: str) -> Split:
            if text == "bad":
                raise RuntimeError("a fault")
            return real(text)

        self.cloud_channel.cut = cut
        self.smpp_channel.window = 0
        self.accept("SM1", texts=("bad",))
        self.accept("SM2")
        self.advance(AFTER + 2)
        self.assertEqual(self.sids(self.cloud_channel), ["SM2"])
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_nothing_is_sent_meanwhile(self) -> None:
        """While it is written that a message moves, its channel sends nothing; when that is answered, it goes on."""
        self.smpp_channel.window = 0
        self.accept("SM1", "SM2")
        self.assertEqual(self.smpp.hold([(1, 1)]), {1})
        self.smpp_channel.window = 5
        self.smpp.submitters[""].room()
        self.advance(1)
        self.assertEqual(self.sids(self.smpp_channel), [])
        self.smpp.release([1])
        self.assertEqual(self.sids(self.smpp_channel), ["SM2"])

    def test_copies_in_memory(self) -> None:
        """Of many that have moved memory forgets those that it does not have. Those that wait in a lane, or that a load
        is just bringing, are remembered."""
        self.patch(withdrawal, "MANY", 0)
        number = "923001234567"
        self.accept("SM1", "SM2", "SM3", to=number)
        self.smpp.hold([(2, 1)])
        self.smpp.release([2])
        self.answer(self.smpp_channel.submitted[0], Verdict.DONE)
        self.assertEqual(self.sids(self.smpp_channel), ["SM1", "SM3"])
        self.window = 0
        self.kill()
        self.accept("SM4")
        self.kill()
        submitter = self.smpp.submitters[""]
        submitter._ready.interactive._behind, submitter._ready.interactive._read_up_to = True, 0
        submitter._ready.interactive.in_line.clear()
        submitter._ready.load()
        self.smpp.hold([(4, 1)])
        self.smpp.release([4])
        self.smpp_channel.window = 5
        run_what_is_due(self.clock)
        self.assertNotIn("SM4", self.sids(self.smpp_channel))

    def test_taken_meanwhile(self) -> None:
        """Between the look and the commit its channel has taken it: nothing is written, and nothing counted."""
        self.accept("SM1")
        stuck = Falling(
            1, "SM1", "smpp", "8228", "92300000001", 1, 0, int(self.now() * 1000) + 10**6, False, False, None, "hi"
        )
        self.answer(self.smpp_channel.submitted[0], Verdict.ACCEPTED)
        self.fall_back._found(Found([stuck], False), None)
        run_what_is_due(self.clock)
        self.assertEqual((self.sids(self.cloud_channel), self.fall_back._moved), ([], {}))
        self.assertFalse(self.fall_back._busy)

    def test_over(self) -> None:
        """What has failed, and whose lifetime is over before it could move, ends with its code."""
        self.accept("SM1")
        self.answer(self.smpp_channel.submitted[0], Verdict.REFUSED, 11)
        self.fall_back._timer.stop()
        self.clock.advance(4000)
        self.fall_back.look()
        run_what_is_due(self.clock)
        self.assertEqual((self.sids(self.cloud_channel), self.reports()), ([], {"SM1": ("FAILED", 11)}))

    def test_log(self) -> None:
        """One line a minute at most says how many, and no number and no text of a customer."""
        log = RecordedLog(self)
        self.smpp_channel.window, self.cloud_channel.window = 0, 50
        self.accept("SM1", "SM2")
        self.advance(AFTER + 2)
        self.accept("SM3")
        self.advance(AFTER + 70)
        lines = [line for line in log.lines if "instead: it could not" in line]
        self.assertEqual(len(lines), 2, lines)
        self.assertIn("2 texts of the channel smpp go by the channel cloud", lines[0])
        self.assertIn("1 texts of the channel smpp", lines[1])


class UnknownOutcomeCase(FallBackCase):
    def test_resend(self) -> None:
        """Where its channel may send it again, another one may."""
        self.accept("SM1")
        self.smpp_channel.window = 0
        self.answer(self.smpp_channel.submitted[0], Verdict.UNKNOWN)
        self.advance(AFTER + 10)
        self.assertEqual(self.sids(self.cloud_channel), ["SM1"])


class HoldCase(FallBackCase):
    resend = False

    def test_unknown(self) -> None:
        """A text that may have been sent is not sent by another channel."""
        self.accept("SM1")
        self.smpp_channel.window = 0
        self.answer(self.smpp_channel.submitted[0], Verdict.UNKNOWN)
        self.advance(AFTER + 10)
        self.assertEqual(self.sids(self.cloud_channel), [])
        self.assertEqual(self.reports(), {"SM1": ("FAILED", CODE_UNKNOWN)})

    def test_killed_while_sending(self) -> None:
        """Nor one that was under way at a kill."""
        self.accept("SM1")
        self.kill()
        ask(self.writer.store, [ops.Settle(int(self.now() * 1000), self.lives)])
        self.advance(AFTER + 10)
        self.assertEqual(self.sids(self.cloud_channel), [])

    def test_throttled(self) -> None:
        """What is throttled has given its claim back: it goes the other way."""
        self.accept("SM1")
        while self.clock.seconds() < AFTER + 10:
            for one in list(self.smpp_channel.under_way):
                self.smpp_channel.throttle(one)
            self.advance(1)
        self.assertEqual(self.sids(self.cloud_channel), ["SM1"])
        self.assertEqual(self.smpp_channel.under_way, [])


class StrictOrderCase(FallBackCase):
    strict_order = True

    def test_lane(self) -> None:
        """A message that waits for another attempt keeps its number's lane until it has gone the other way."""
        number = "923001234567"
        self.accept("SM1", to=number)
        self.smpp_channel.window = 0
        self.answer(self.smpp_channel.submitted[0], Verdict.RETRY, 88)
        self.advance(30)
        self.accept("SM2", to=number)
        self.advance(AFTER - 25)
        self.assertEqual(self.sids(self.cloud_channel), ["SM1"])
        self.smpp_channel.window = 2
        self.smpp.submitters[""].room()
        self.advance(15)
        self.assertEqual(self.sids(self.smpp_channel), ["SM1", "SM2"])


class TakenOutCase(FallBackCase):
    def test_no_fall_back_any_more(self) -> None:
        """The configuration has no fall-back now: what waited to move ends, and what waited to be sent goes on."""
        self.accept("SM1", "SM2", "SM3")
        self.fall_back.stopService()
        first, second = self.smpp_channel.submitted
        self.smpp_channel.window = 0
        self.answer(first, Verdict.REFUSED, 11)
        self.answer(second, Verdict.ACCEPTED)
        self.is_configured = False
        self.kill()
        self.advance(AFTER * 2)
        self.assertEqual(self.reports(), {"SM1": ("FAILED", 11)})
        self.assertEqual((self.sids(self.smpp_channel), self.sids(self.cloud_channel)), (["SM3"], []))
        self.assertFalse(self.fall_back._timer.running)
