"""The machine's clock is set while the daemon runs, or between two of its lives. Known from the field: NTP that sets it
soon after the start, an RTC in another time zone, an operator, a virtual machine that goes on after a pause. Timers
run by Twisted's clock, which in the daemon is monotonic (``tests/unit/test_timers``)."""

from typing import Any

from smsconnector.messages import Finality, Outcome, Receipt, Verdict
from smsconnector.sinks import EventVerdict
from smsconnector.store import operations as ops
from smsconnector.wall_clock import WallClock
from tests.unit.fakes import EPOCH, ask
from tests.unit.walks.test_walks import ACCOUNT, WalkCase

HOUR = 3600.0
STEPS = (-HOUR, 60.0, HOUR, 14 * HOUR)


class StepCase(WalkCase):
    longest_pause = 10.0
    set_by = 0.0

    def make_wall_clock(self) -> WallClock:
        return WallClock(self.now, self.clock.seconds)

    def now(self) -> float:
        return EPOCH + self.clock.seconds() + self.set_by

    def step(self, seconds: float) -> None:
        self.set_by += seconds
        self.settle()

    def anew(self) -> None:
        """Another try, from an empty database."""
        self.tearDown()
        self.set_by = 0.0
        self.setUp()

    def accept_for(self, lifetime: float, sid: str = "SM1") -> None:
        steady = self.wall_clock.steady_milliseconds()
        self.accept(sid, at=steady + int(lifetime * 1000) - 3_600_000)  # fakes.message lives for an hour
        self.settle()

    def states(self) -> list[Any]:
        return [(one["DeliveryStatus"], one["ProviderStatusCode"]) for one in self.reports()]


class LifeCase(StepCase):
    def test_retried(self) -> None:
        """A text that is to be tried again in seconds is tried again in seconds, whatever the clock shows."""
        for seconds in STEPS:
            self.anew()
            self.accept_for(600.0)
            (one,) = self.channel.submitted
            self.channel.answer(Outcome(one, Verdict.RETRY, ACCOUNT, code=8))
            self.settle()
            self.step(seconds)
            self.advance(4)
            self.assertEqual(len(self.channel.submitted), 2, seconds)

    def test_retried_after_it(self) -> None:
        """And so is one that is refused when the clock has been set already."""
        for seconds in STEPS:
            self.anew()
            self.accept_for(600.0)
            self.step(seconds)
            (one,) = self.channel.submitted
            self.channel.answer(Outcome(one, Verdict.RETRY, ACCOUNT, code=8))
            self.advance(4)
            self.assertEqual(len(self.channel.submitted), 2, seconds)

    def test_lifetime(self) -> None:
        """It ends when its time, and the hour for receipts, has passed: a step forward ends none, and one back prolongs
        none."""
        for seconds in STEPS:
            self.anew()
            self.accept_for(60.0)
            (one,) = self.channel.submitted
            self.accepted_by_smsc(one)
            self.step(seconds)
            self.advance(HOUR + 50)
            self.assertEqual(self.states(), [], seconds)
            self.advance(20)
            self.assertEqual(self.states(), [("FAILED", "NO_RECEIPT")], seconds)

    def test_waiting_for_room(self) -> None:
        """A text that waits in memory is not dropped as overdue because the clock was set forward."""
        self.window = 1
        self.anew()
        self.accept_for(60.0, "SM1")
        self.accept_for(60.0, "SM2")
        self.step(HOUR)
        self.accepted_by_smsc(*self.channel.submitted)
        self.assertEqual(len(self.channel.submitted), 2)

    def test_parked_receipt(self) -> None:
        """A receipt that came before its response is still there when that comes, or when the text is reported: one
        that was given up would be the report lost."""
        for seconds in (*STEPS, -14 * HOUR):
            for receipt_first in (True, False):
                self.anew()
                self.accept_for(600.0)
                (one,) = self.channel.submitted
                if not receipt_first:
                    self.step(seconds)
                self.receipt(one)
                self.settle()
                if receipt_first:
                    self.step(seconds)
                self.advance(6)  # a sweep
                self.accepted_by_smsc(one)
                self.settle()
                self.assertEqual(self.states(), [("DELIVERED", "000")], (seconds, receipt_first))

    def test_parked_while_set_back(self) -> None:
        """The clock is set back by ten hours, a receipt is parked, and the clock is put right: it is not ten hours old.
        Found by the simulation."""
        self.accept_for(600.0)
        (one,) = self.channel.submitted
        self.step(-10 * HOUR)
        self.advance(1)
        self.receipt(one)
        self.settle()
        self.step(10 * HOUR)
        self.advance(6)
        self.accepted_by_smsc(one)
        self.assertEqual(self.states(), [("DELIVERED", "000")])

    def test_retention(self) -> None:
        """What has to be kept for 30 days is not dropped because the clock shows another month for a while."""
        for seconds in (-23 * HOUR, 23 * HOUR):
            self.anew()
            self.accept_for(600.0)
            (one,) = self.channel.submitted
            self.accepted_by_smsc(one)
            self.receipt(one)
            self.settle()
            self.reports()
            self.step(seconds)
            self.clock.advance(29.5 * 24 * HOUR)
            self.settle()
            self.advance(10)
            self.assertIsNotNone(ask(self.writer.store, [ops.Find("SM1")])[0], seconds)

    def test_stamps(self) -> None:
        """What people read has the time of day that the machine has now."""
        self.step(HOUR)
        self.accept_for(600.0)
        (one,) = self.channel.submitted
        self.accepted_by_smsc(one)
        receipt = Receipt(ACCOUNT, f"{one.id}", Finality.DELIVERED, "000", "DELIVRD", int(self.now() * 1000))
        self.receiver.received([receipt], lambda _error: None)
        self.settle()
        (found,) = ask(self.writer.store, [ops.Find("SM1")])
        now_ms = int(self.now() * 1000)
        self.assertEqual((found.final_at, found.segments[0].sent_at), (now_ms, now_ms))

    def test_parked_event(self) -> None:
        """A report that the broker refused is tried again after its pause, and not an hour later."""
        self.accept_for(600.0)
        (one,) = self.channel.submitted
        self.accepted_by_smsc(one)
        self.receipt(one)
        self.settle()
        self.sink.answer(EventVerdict.REFUSED, "no room")
        self.settle()
        self.step(-HOUR)
        self.advance(70)
        self.assertEqual(self.states(), [("DELIVERED", "000")])


class BetweenLivesCase(StepCase):
    """The clock is set back while the daemon is down; what is on disk was written by the clock of before."""

    def test_retried(self) -> None:
        """A pause is over at the latest when the policy's longest has passed; here at once, as it seems to be too long.
        Nothing is sent twice by that."""
        self.accept_for(600.0)
        (one,) = self.channel.submitted
        self.channel.answer(Outcome(one, Verdict.RETRY, ACCOUNT, code=8))
        self.settle()
        self.set_by -= HOUR
        self.kill()
        self.advance(4)
        self.assertEqual(len(self.channel.submitted), 1)
        self.advance(10)
        self.assertEqual(len(self.channel.submitted), 1)

    def test_ordinary(self) -> None:
        """Where the clock was not set, the pause is kept over a restart."""
        self.accept_for(600.0)
        (one,) = self.channel.submitted
        self.channel.answer(Outcome(one, Verdict.RETRY, ACCOUNT, retry_in=8.0))
        self.settle()
        self.kill()
        self.advance(6)
        self.assertEqual(len(self.channel.submitted), 0)
        self.advance(3)
        self.assertEqual(len(self.channel.submitted), 1)
