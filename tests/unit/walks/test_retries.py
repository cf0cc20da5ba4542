"""How often and when a segment is tried again: refusals for now, and outcomes that nobody knows."""

from random import Random
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from smsconnector.lifecycle import CODE_EXPIRED, CODE_UNKNOWN
from smsconnector.messages import Finality, Outcome, Receipt, Segment, Verdict
from smsconnector.walks.receiver import Receiver
from smsconnector.walks.retry_policy import RetryPolicy
from tests.unit.fakes import message
from tests.unit.walks.test_walks import ACCOUNT, WalkCase

ESME_RSYSERR = 8
HOUR = 3600


class PolicyCase(SynchronousTestCase):
    def segment(self, **counts: Any) -> Segment:
        return Segment(1, 1, 1, "hello", "gsm7", None, "923001234567", 1 << 50, **counts)

    def delays(self, retry_in: float | None, most: int) -> list[float]:
        """Seconds before each of the attempts that follow so many refusals for now."""
        policy, found = RetryPolicy(initial=2, maximum=300, source=Random(1)), []
        for attempts in range(most):
            outcome = Outcome(self.segment(attempts=attempts), Verdict.RETRY, ACCOUNT, code=8, retry_in=retry_in)
            decided, due_at = policy.decide(outcome, 0)
            self.assertIs(decided.verdict, Verdict.RETRY)
            found.append(due_at / 1000)
        return found

    def test_ever_slower(self) -> None:
        """Without a limit the attempts go on, with delays that double up to the longest, however many there were."""
        delays = self.delays(None, 3000)
        self.assertTrue(1 <= delays[0] <= 2 and all(150 <= one <= 300 for one in delays[8:]), delays[:10])

    def test_ever_slower_by_a_rule(self) -> None:
        """A rule of the configuration says the first delay: one of a second is not 259,200 attempts in 72 hours."""
        self.assertEqual(self.delays(1.0, 11), [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300])

    def test_rule_above_the_longest(self) -> None:
        """A rule with a delay that is longer than the longest keeps it."""
        self.assertEqual(self.delays(900.0, 3), [900, 900, 900])

    def test_at_once_is_no_delay(self) -> None:
        """Retry-After: 0, and a date that has passed: the delays are the ordinary ones (was: without end, at once)."""
        for asked in (0.0, 0.001):
            delays = self.delays(asked, 11)
            self.assertTrue(delays[0] >= 1 and delays[3] >= 8 and delays[10] == 300, delays)

    def test_never_longer_than_the_longest_pause(self) -> None:
        """What is due later than that is taken for written before the clock was set back, and would be due at once."""
        policy = RetryPolicy(longest_pause=3600.0)
        _, due_at = policy.decide(Outcome(self.segment(), Verdict.RETRY, ACCOUNT, code=8, retry_in=9e9), 0)
        self.assertEqual(due_at, 3_600_000)

    def test_unknown_has_a_limit_of_its_own(self) -> None:
        """Each resend may be one more copy on a handset: refusals for now, however many, neither use it up nor
        renew it."""
        policy = RetryPolicy(resends=2)
        for unknowns, verdict in ((0, Verdict.RETRY), (1, Verdict.RETRY), (2, Verdict.REFUSED)):
            outcome = Outcome(self.segment(attempts=40, unknowns=unknowns), Verdict.UNKNOWN, ACCOUNT)
            decided, _ = policy.decide(outcome, 0)
            self.assertEqual((decided.verdict, decided.code), (verdict, CODE_UNKNOWN))

    def test_limit_of_attempts(self) -> None:
        """Where one is set it counts every submit but those that were throttled, and the last code is told."""
        policy = RetryPolicy(attempts=2)
        for verdict, code in ((Verdict.RETRY, ESME_RSYSERR), (Verdict.UNKNOWN, CODE_UNKNOWN)):
            given = ESME_RSYSERR if verdict is Verdict.RETRY else None
            decided, _ = policy.decide(Outcome(self.segment(attempts=1), verdict, ACCOUNT, code=given), 0)
            self.assertEqual((decided.verdict, decided.code), (Verdict.REFUSED, code))

    def test_nothing_was_sent(self) -> None:
        """A request that found no connection has no code, and is no outcome that nobody knows: it counts as a refusal
        for now. Where a limit ends the text, it was never taken: EXPIRED, unless an earlier outcome is not known."""
        for policy, unknowns, verdict, code in (
            (RetryPolicy(resends=2), 2, Verdict.RETRY, None),
            (RetryPolicy(resends=2, resend=False), 0, Verdict.RETRY, None),
            (RetryPolicy(attempts=2), 0, Verdict.REFUSED, CODE_EXPIRED),
            (RetryPolicy(attempts=2), 1, Verdict.REFUSED, CODE_UNKNOWN),
        ):
            segment = self.segment(attempts=1, unknowns=unknowns)
            decided, _ = policy.decide(Outcome(segment, Verdict.RETRY, ACCOUNT), 0)
            self.assertEqual((decided.verdict, decided.code), (verdict, code))

    def test_word_of_a_provider(self) -> None:
        """Of an HTTP provider whose code is UNKNOWN and means "not now": that word counts nothing either."""
        outcome = Outcome(self.segment(), Verdict.RETRY, ACCOUNT, code=CODE_UNKNOWN)
        self.assertIsNone(RetryPolicy().decide(outcome, 0)[0].code)
        self.assertEqual(RetryPolicy(attempts=1).decide(outcome, 0)[0].code, CODE_UNKNOWN)


class RetriesCase(WalkCase):
    attempts = None

    def answer(self, verdict: Verdict, code: int | None = None) -> None:
        """The one submit that is under way ends so; then time passes until the next one, if it comes."""
        self.channel.answer(Outcome(self.channel.under_way[0], verdict, ACCOUNT, code=code))
        self.advance(12)

    def refuse_for_an_hour(self) -> None:
        """Whatever is sent is refused for now; an hour is the lifetime."""
        while self.clock.seconds() < HOUR or self.channel.under_way:
            if self.channel.under_way:
                self.answer(Verdict.RETRY, ESME_RSYSERR)
            else:
                self.advance(1)

    def codes(self) -> list[object]:
        return [one["ProviderStatusCode"] for one in self.reports()]

    def test_refused_for_the_whole_lifetime(self) -> None:
        """ESME_RSYSERR throughout: tried until the lifetime ends, where eight attempts took four minutes; measured:
        40 of 40 texts FAILED after four minutes at a lifetime of 72 h."""
        self.accept("SM1")
        self.settle()
        self.refuse_for_an_hour()
        self.advance(60)
        self.assertEqual(self.codes(), [CODE_EXPIRED])
        self.assertGreater(len(self.channel.submitted), HOUR / 13)

    def test_well_again(self) -> None:
        """After hours of refusals the text goes out when the SMSC is well."""
        self.accept("SM1")
        self.settle()
        for _ in range(100):
            self.answer(Verdict.RETRY, ESME_RSYSERR)
        self.accepted_by_smsc(self.channel.under_way[0])
        self.receipt(self.channel.submitted[-1])
        self.settle()
        self.assertEqual(self.codes(), ["000"])

    def test_unknown(self) -> None:
        """Two resends, and the end is FAILED with UNKNOWN: up to three copies on a handset, and not eight."""
        self.accept("SM1")
        self.settle()
        for _ in range(3):
            self.answer(Verdict.UNKNOWN)
        self.advance(60)
        self.assertEqual((len(self.channel.submitted), self.codes()), (3, [CODE_UNKNOWN]))

    def test_unknown_between_refusals(self) -> None:
        """Only the unknown ones count: between them the SMSC may refuse for now as often as it likes."""
        self.accept("SM1")
        self.settle()
        for _ in range(3):
            for _ in range(6):
                self.answer(Verdict.RETRY, ESME_RSYSERR)
            self.assertEqual(self.codes(), [])
            self.answer(Verdict.UNKNOWN)
        self.advance(60)
        self.assertEqual((len(self.channel.submitted), self.codes()), (21, [CODE_UNKNOWN]))

    def test_unreachable_between_unknown_outcomes(self) -> None:
        """A provider that can't be reached uses up no resend."""
        self.accept("SM1")
        self.settle()
        for _ in range(3):
            for _ in range(4):
                self.answer(Verdict.RETRY)
            self.assertEqual(self.codes(), [])
            self.answer(Verdict.UNKNOWN)
        self.advance(60)
        self.assertEqual((len(self.channel.submitted), self.codes()), (15, [CODE_UNKNOWN]))

    def test_unreachable_for_the_whole_lifetime(self) -> None:
        """Nothing was ever sent: EXPIRED says so, and UNKNOWN would have the application wonder whether it arrived."""
        self.accept("SM1")
        self.settle()
        while self.clock.seconds() < HOUR or self.channel.under_way:
            if self.channel.under_way:
                self.answer(Verdict.RETRY)
            else:
                self.advance(1)
        self.advance(60)
        self.assertEqual(self.codes(), [CODE_EXPIRED])

    def test_unknown_outlives_a_kill(self) -> None:
        """The count is on disk with the outcome: each restart does not give two more copies."""
        self.accept("SM1")
        self.settle()
        for _ in range(2):
            self.channel.answer(Outcome(self.channel.under_way[0], Verdict.UNKNOWN, ACCOUNT))
            self.settle()
            self.kill()
            self.advance(12)
        self.answer(Verdict.UNKNOWN)
        self.assertEqual(self.codes(), [CODE_UNKNOWN])

    def test_unknown_of_one_segment(self) -> None:
        """Each segment has its own count, and the first that uses it up ends the message."""
        self.submitter.accept(message("SM1", "one", "two", at=int(self.now() * 1000)), self.assertIsNone)
        self.settle()
        for _ in range(2):
            for segment in list(self.channel.under_way):
                self.channel.answer(Outcome(segment, Verdict.UNKNOWN, ACCOUNT))
            self.advance(12)
        self.assertEqual((len(self.channel.under_way), self.codes()), (2, []))
        self.answer(Verdict.UNKNOWN)
        self.assertEqual(self.codes(), [CODE_UNKNOWN])

    def test_expired_after_an_unknown_outcome(self) -> None:
        """EXPIRED says that the network accepted nothing. Where one submit had no response, nobody can say so."""
        self.accept("SM1")
        self.settle()
        self.answer(Verdict.UNKNOWN)
        self.refuse_for_an_hour()
        self.advance(60)
        self.assertEqual(self.codes(), [CODE_UNKNOWN])


class ToldMeanwhileCase(WalkCase):
    """Nobody knew whether a text was taken, and the provider tells what became of it before it is sent again."""

    attempts = None

    def start(self, broken: bool = False) -> None:
        super().start(broken)
        self.receiver = Receiver(self.writer, self.submitter.messages_ended)

    def tell(self, sid: str) -> None:
        """A callback that names our MessageSID."""
        told = Receipt(ACCOUNT, sid, Finality.DELIVERED, "delivered", "delivered", int(self.now() * 1000))
        self.receiver.received([told], self.assertIsNone)
        self.settle()

    def waits_in_memory(self) -> None:
        """It is due, and the channel has no room: it is stopped, or down."""
        self.accept("SM1")
        self.settle()
        self.channel.window = 0
        self.channel.answer(Outcome(self.channel.under_way[0], Verdict.UNKNOWN, ACCOUNT))
        self.advance(12)
        self.assertTrue(self.submitter._ready.interactive.due)

    def test_told_while_it_waits(self) -> None:
        """It is not sent again: the handset has it. Nothing of it is left in memory when there is room again."""
        self.waits_in_memory()
        self.tell("SM1")
        self.channel.window = 1
        self.submitter.room()
        self.settle()
        self.assertEqual(len(self.channel.submitted), 1)
        self.assertEqual([one["DeliveryStatus"] for one in self.reports()], ["DELIVERED"])
        self.assertFalse(self.submitter._ready.holds_segments)

    def test_told_while_it_is_throttled(self) -> None:
        """Nor if it was refused for now in between, and waits in memory for its pause."""
        self.waits_in_memory()
        self.channel.window = 1
        self.submitter.room()
        self.channel.throttle(self.channel.under_way[0])
        self.tell("SM1")
        self.advance(5)
        self.assertEqual(len(self.channel.submitted), 2)
        self.assertFalse(self.submitter._ready.holds_segments)

    def test_others_are_sent(self) -> None:
        """Only that one."""
        self.waits_in_memory()
        self.accept("SM2")
        self.settle()
        self.tell("SM1")
        self.channel.window = 1
        self.submitter.room()
        self.settle()
        self.assertEqual([one.sid for one in self.channel.submitted], ["SM1", "SM2"])


class ToldMeanwhileInStrictOrderCase(ToldMeanwhileCase):
    """Its number's lane is free then, too."""

    strict_order = True

    def test_next_of_its_number(self) -> None:
        """What waits behind it is sent."""
        self.waits_in_memory()
        self.accept("SM2", to=self.channel.submitted[0].destination)
        self.settle()
        self.tell("SM1")
        self.channel.window = 1
        self.submitter.room()
        self.advance(2)
        self.assertEqual([one.sid for one in self.channel.submitted], ["SM1", "SM2"])


class StrictRetriesCase(WalkCase):
    attempts = None
    strict_order = True

    def test_unknown_keeps_its_lane(self) -> None:
        """What is sent again after an unknown outcome is not overtaken either."""
        self.accept("SM1", "SM2", to="923001234567")
        self.settle()
        self.channel.answer(Outcome(self.channel.under_way[0], Verdict.UNKNOWN, ACCOUNT))
        self.advance(12)
        self.assertEqual([one.id for one in self.channel.submitted], [1, 1])


class UnlimitedHoldCase(WalkCase):
    attempts = None
    resend = False

    def test_refused_for_now(self) -> None:
        """Under hold too: what was refused for now was not taken, and is tried until the lifetime ends."""
        self.accept("SM1")
        self.settle()
        for _ in range(30):
            self.channel.answer(Outcome(self.channel.under_way[0], Verdict.RETRY, ACCOUNT, code=8))
            self.advance(12)
        self.assertEqual((len(self.channel.submitted), self.reports()), (31, []))
