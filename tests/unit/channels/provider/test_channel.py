"""A channel that sends by HTTP requests: what becomes of each text, and of the channel."""

from collections.abc import Iterable, Sequence
from random import Random
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.channels import IReceiver, Surroundings
from smsconnector.channels.previews import WireAddress
from smsconnector.channels.provider.availability import ACCOUNT_PAUSE, MANY
from smsconnector.channels.provider.channel import ProviderChannel, ProviderSettings
from smsconnector.channels.provider.results import Kind, Result
from smsconnector.lifecycle import CODE_ACCEPTED
from smsconnector.messages import LONGEST_WAIT, Outcome, OutcomeOfParts, Segment, Verdict
from smsconnector.net.http_client import HTTPCall, HTTPClient, HTTPReply, NotSent, Unanswered
from smsconnector.sms.segmentation import segment as cut
from smsconnector.wall_clock import WallClock
from tests.recorded_log import RecordedLog
from tests.unit.fakes import EPOCH

CALL = HTTPCall("POST", "http://provider.example/")
LOOKUP = HTTPCall("GET", "http://provider.example/")
REPLY = HTTPReply(200, {}, b"")


def a_segment(number: int, unknowns: int = 0) -> Segment:
    expires_at = int(EPOCH + 3600) * 1000
    return Segment(number, 1, 1, "text", "gsm7", None, "4670000", expires_at, unknowns=unknowns, sid=f"SM{number}")


class FakeClient:
    """The test ends each request."""

    def __init__(self) -> None:
        self.asked: list[tuple[HTTPCall, Deferred[HTTPReply]]] = []
        self.is_closed = False

    def ask(self, call: HTTPCall) -> "Deferred[HTTPReply]":
        asked: Deferred[HTTPReply] = Deferred()
        self.asked.append((call, asked))
        return asked

    def close(self) -> None:
        self.is_closed = True
        asked, self.asked = self.asked, []
        for _, one in asked:
            one.errback(Unanswered("the stop"))


class FakeProvider:
    """What it reads is what the test says."""

    gives_receipts = names_our_sid = True

    def __init__(self) -> None:
        self.result: Result | None = Result(Kind.TAKEN, ("id-1",))
        self.made: Any = CALL
        self.looks_up = False
        self.lookup_call: Any = LOOKUP
        self.calls = 0

    def addresses(self, segment: Segment) -> tuple[str | None, str]:
        return segment.source, f"+{segment.destination}"

    def call(self, segment: Segment, now_ms: int) -> Any:
        self.calls += 1
        if isinstance(self.made, Exception):
            raise self.made
        return self.made

    def read(self, segment: Segment, reply: HTTPReply) -> Result:
        if self.result is None:
            raise ValueError("a fault")
        return self.result

    def lookup(self, segment: Segment, now_ms: int) -> Any:
        if isinstance(self.lookup_call, Exception):
            raise self.lookup_call
        return self.lookup_call if self.looks_up else None

    def found(self, segment: Segment, reply: HTTPReply) -> Result | None:
        return self.result


class FakeListener:
    is_urgent = False

    def __init__(self) -> None:
        self.told: list[list[Outcome]] = []
        self.back: list[list[Segment]] = []
        self.rooms = 0

    def outcomes(self, outcomes: list[Outcome]) -> None:
        self.told.append(outcomes)

    def late(self, outcome: Outcome) -> None: ...

    def throttled(self, segments: Iterable[Segment]) -> None:
        self.back.append(list(segments))

    def room(self) -> None:
        self.rooms += 1


class ProviderCase(SynchronousTestCase):
    parallel, rate, one_report = 4, 0.0, False

    def setUp(self) -> None:
        self.clock, self.client, self.provider, self.listener = Clock(), FakeClient(), FakeProvider(), FakeListener()
        wall_clock = WallClock(lambda: EPOCH + self.clock.seconds())
        around = Surroundings(
            self.clock, wall_clock, Random(1), cast(IReceiver, None), lambda prefix, route: self.listener
        )
        settings = ProviderSettings("cloud", self.parallel, self.rate, drain_timeout=5.0, one_report=self.one_report)
        client = cast(HTTPClient, self.client)
        self.channel = ProviderChannel("cloud", settings, self.provider, client, around, cut)
        self.channel.startService()
        self.next = 0

    def send(self, count: int = 1, unknowns: int = 0) -> Sequence[Segment]:
        segments = [a_segment(self.next + one, unknowns) for one in range(1, count + 1)]
        self.next += count
        return self.channel.submit(segments)

    def reply(self, result: Result | Exception | None) -> None:
        """The oldest request ends so."""
        _, asked = self.client.asked.pop(0)
        if isinstance(result, Exception):
            asked.errback(result)
        else:
            self.provider.result = result
            asked.callback(REPLY)

    def outcome(self, result: Result | Exception | None) -> Outcome:
        """What becomes of one text whose request ends so."""
        self.send()
        self.reply(result)
        self.clock.advance(0)
        ((outcome,),) = self.listener.told
        self.listener.told = []
        return outcome

    def state(self) -> str:
        (part,) = self.channel.parts()
        return part.state


class OutcomesTest(ProviderCase):
    def test_several_ids(self) -> None:
        """All of them are told, and whether each has a report."""
        for self.one_report in (False, True):
            self.setUp()
            outcome = self.outcome(Result(Kind.TAKEN, ("a", "b", "c")))
            assert isinstance(outcome, OutcomeOfParts)
            told = outcome.smsc_id, outcome.other_ids, outcome.one_report
            self.assertEqual(told, ("a", ("b", "c"), self.one_report))

    def test_table(self) -> None:
        """What each end of a request means for its text."""
        for result, verdict, smsc_id, code in (
            (Result(Kind.TAKEN, ("a", "b")), Verdict.ACCEPTED, "a", None),
            (Result(Kind.TAKEN), Verdict.ACCEPTED, None, None),
            (Result(Kind.TEMPORARY, code=30017), Verdict.RETRY, None, 30017),
            (Result(Kind.PERMANENT, code=21211), Verdict.REFUSED, None, 21211),
            (Result(Kind.PERMANENT, code="blocked"), Verdict.REFUSED, None, "blocked"),
            (Result(Kind.UNKNOWN), Verdict.UNKNOWN, None, None),
            (Unanswered("lost"), Verdict.UNKNOWN, None, None),
            (ValueError("a fault of ours"), Verdict.UNKNOWN, None, None),
        ):
            outcome = self.outcome(result)
            self.assertEqual((outcome.verdict, outcome.smsc_id, outcome.code), (verdict, smsc_id, code), result)
            self.assertEqual(outcome.account, "cloud")
            self.assertEqual(outcome.may_come_late, verdict is Verdict.UNKNOWN)
        self.flushLoggedErrors()

    def test_retry_in(self) -> None:
        """When the provider says when, the retry is then."""
        self.assertEqual(self.outcome(Result(Kind.TEMPORARY, retry_in=60.0)).retry_in, 60.0)

    def test_no_receipts(self) -> None:
        """Taken is the end where nothing will be told."""
        self.provider.gives_receipts = False
        outcome = self.outcome(Result(Kind.TAKEN, ("a",)))
        self.assertEqual((outcome.verdict, outcome.code), (Verdict.DONE, CODE_ACCEPTED))

    def test_not_sent(self) -> None:
        """It is tried again, whatever the policy for unknown outcomes is."""
        self.assertIs(self.outcome(NotSent("refused")).verdict, Verdict.RETRY)

    def test_faults(self) -> None:
        """A provider of ours that raises stops nobody; a reply that can't be read may have been a yes."""
        self.assertIs(self.outcome(None).verdict, Verdict.UNKNOWN)
        self.provider.made = ValueError("no such field")
        self.send()
        self.clock.advance(0)
        self.assertIs(self.listener.told[0][0].verdict, Verdict.RETRY)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 2)

    def test_one_call_for_a_turn(self) -> None:
        """What comes in one turn is told together."""
        self.send(4)
        for _ in range(4):
            self.reply(Result(Kind.TAKEN, ("a",)))
        self.assertEqual(self.listener.told, [])
        self.clock.advance(0)
        self.assertEqual([len(told) for told in self.listener.told], [4])

    def test_window(self) -> None:
        """So many requests at once; the others are given back."""
        self.assertEqual(self.channel.capacity(), 4)
        self.assertEqual([one.id for one in self.send(6)], [5, 6])
        self.assertEqual((self.channel.capacity(), len(self.client.asked)), (0, 4))
        self.reply(Result(Kind.TAKEN, ("a",)))
        rooms = self.listener.rooms
        self.clock.advance(0)
        self.assertEqual((self.channel.capacity(), self.listener.rooms), (1, rooms + 1))


class TroubleTest(ProviderCase):
    def test_throttled(self) -> None:
        """No attempt is counted. All wait; then one tries, and if it is taken the window is half of what it was."""
        self.send(4)
        self.reply(Result(Kind.THROTTLED, retry_in=7.0, reason="too many requests"))
        for _ in range(3):
            self.reply(Result(Kind.THROTTLED, retry_in=7.0))
        self.clock.advance(0)
        self.assertEqual(([len(one) for one in self.listener.back], self.listener.told), ([4], []))
        self.assertEqual((self.channel.capacity(), self.state()), (0, "throttled"))
        self.clock.advance(6.9)
        self.assertEqual(self.channel.capacity(), 0)
        rooms = self.listener.rooms
        self.clock.advance(0.2)
        self.assertEqual((self.channel.capacity(), self.listener.rooms), (1, rooms + 1))
        self.send()
        self.assertEqual(self.channel.capacity(), 0)
        self.reply(Result(Kind.TAKEN, ("a",)))
        self.assertEqual((self.channel.capacity(), self.state()), (2, "up"))

    def test_throttled_without_a_time(self) -> None:
        """The pause doubles up to a minute; a provider's own is bounded both ways."""
        pauses = []
        for retry_in in (*[None] * 8, 0.0, 10.0**9):
            self.send()
            self.reply(Result(Kind.THROTTLED, retry_in=retry_in))
            began = self.clock.seconds()
            for _ in range(80_000):
                if self.channel.capacity():
                    break
                self.clock.advance(0.05)
            pauses.append(self.clock.seconds() - began)
        self.assertTrue(0.5 <= pauses[0] <= 1.1 and 25 < pauses[7] <= 60.1, pauses)
        self.assertTrue(pauses[8] <= 0.2 and abs(pauses[9] - LONGEST_WAIT) < 1, pauses)

    def test_account(self) -> None:
        """One loud line; the texts wait, and one is tried after a long pause. What is told meanwhile is no news."""
        log = RecordedLog(self)
        self.send(3)
        self.reply(Result(Kind.ACCOUNT, code=20003, reason="the token is wrong"))
        self.reply(Result(Kind.ACCOUNT, code=20003, reason="the token is wrong"))
        self.reply(Result(Kind.THROTTLED, retry_in=1.0))
        self.clock.advance(0)
        loud = [line for line in log.lines if "has stopped" in line]
        self.assertEqual(len(loud), 1)
        self.assertIn("20003", loud[0])
        self.assertEqual(sum(map(len, self.listener.back)), 3)
        self.assertEqual(self.state(), "stopped")
        self.assertIn("the token is wrong (since 2027-01-15T08:00:00Z)", self.channel.parts()[0].why)
        self.clock.advance(ACCOUNT_PAUSE - 1)
        self.assertEqual(self.channel.capacity(), 0)
        self.clock.advance(1)
        self.assertEqual(self.channel.capacity(), 1)
        self.send()
        self.reply(Result(Kind.ACCOUNT, code=20003))
        self.clock.advance(0)
        self.assertEqual(self.channel.capacity(), 0)
        self.clock.advance(ACCOUNT_PAUSE)
        self.send()
        self.reply(Result(Kind.TAKEN, ("a",)))
        self.assertEqual((self.channel.capacity(), self.state()), (4, "up"))

    def test_only_a_trial_ends_it(self) -> None:
        """What was under way when the provider said no may still be taken: that is no word about what comes after."""
        for kind, state, pause in ((Kind.ACCOUNT, "stopped", ACCOUNT_PAUSE), (Kind.THROTTLED, "throttled", 600.0)):
            self.send(3)
            self.reply(Result(kind, retry_in=600.0 if kind is Kind.THROTTLED else None))
            self.reply(Result(Kind.TAKEN, ("a",)))
            self.clock.advance(0)
            self.assertEqual((self.channel.capacity(), self.state()), (0, state))
            self.clock.advance(pause)
            self.assertEqual(self.channel.capacity(), 0)  # one is under way still
            self.reply(Result(Kind.TAKEN, ("a",)))
            self.assertEqual((self.channel.capacity(), self.state()), (1, state))
            self.send()
            self.reply(Result(Kind.PERMANENT, code=21211))
            self.assertEqual(self.state(), "up")
            self.clock.advance(0)

    def test_pause_begins_anew(self) -> None:
        """A trial that is refused begins the next pause, and an answer to it that is good ends the trouble."""
        self.send()
        self.reply(Result(Kind.THROTTLED, retry_in=10.0))
        self.clock.advance(10)
        self.send()
        self.reply(Result(Kind.THROTTLED, retry_in=10.0))
        self.clock.advance(9)
        self.assertEqual(self.channel.capacity(), 0)
        self.clock.advance(1)
        self.send()
        self.reply(Result(Kind.TAKEN, ("a",)))
        self.assertEqual(self.state(), "up")

    def test_an_answer_says_that_it_can_be_reached(self) -> None:
        """One connection that was refused among others that work (a balancer with one bad host) is over with the next
        answer, whichever request it is for."""
        self.send(2)
        self.reply(NotSent("refused"))
        self.assertEqual(self.state(), "down")
        self.reply(Result(Kind.TAKEN, ("a",)))
        self.assertEqual(self.state(), "up")

    def test_down(self) -> None:
        """A provider that can't be reached is tried with one text after a pause, so that no others use up attempts."""
        self.send(2)
        self.reply(NotSent("refused"))
        self.reply(NotSent("refused"))
        self.clock.advance(0)
        self.assertEqual((self.channel.capacity(), self.state()), (0, "down"))
        self.clock.advance(1)
        self.assertEqual(self.channel.capacity(), 1)
        self.send()
        self.reply(Result(Kind.PERMANENT, code=21211))
        self.assertEqual((self.channel.capacity(), self.state()), (4, "up"))

    def test_unanswered(self) -> None:
        """Some lost answers are accidents; many in a row are a provider that is down."""
        for number in range(1, MANY + 1):
            self.send()
            self.reply(Unanswered("lost"))
            self.assertEqual(self.state(), "down" if number == MANY else "up")
        self.assertEqual(self.channel.capacity(), 0)

    def test_log_in_again(self) -> None:
        """A session that is over is renewed once for a text; if it is still refused, it is the account."""
        self.send()
        self.reply(Result(Kind.LOG_IN_AGAIN))
        self.assertEqual((self.provider.calls, len(self.client.asked)), (2, 1))
        self.reply(Result(Kind.LOG_IN_AGAIN))
        self.clock.advance(0)
        self.assertEqual((self.state(), len(self.listener.back)), ("stopped", 1))

    def test_token_first(self) -> None:
        """A call may have to wait for a token. If there is none, the text was not sent."""
        token: Deferred[HTTPCall] = Deferred()
        self.provider.made = token
        self.send()
        self.assertEqual(self.client.asked, [])
        token.callback(CALL)
        self.assertEqual(len(self.client.asked), 1)
        self.reply(Result(Kind.TAKEN, ("a",)))
        for failure in (Unanswered("the log-in was lost"), NotSent("refused")):
            self.clock.advance(3600)
            token = self.provider.made = Deferred()
            self.send()
            token.errback(failure)
            self.clock.advance(0)
            self.assertEqual((self.listener.told[1:], len(self.listener.back[-1])), ([], 1))  # no attempt is counted
            self.assertEqual(self.state(), "down")

    def test_no_log_in_now(self) -> None:
        """One text has found out that there is no log-in. The others are not run through: they wait for the next one
        (measured: 1000 texts in 0 s, each with an attempt counted)."""
        self.provider.made = Result(Kind.DOWN, reason="no session", retry_in=5.0)
        self.send()
        self.clock.advance(0)
        self.assertEqual((self.channel.capacity(), self.state(), self.listener.told), (0, "down", []))
        self.assertEqual([len(one) for one in self.listener.back], [1])
        self.clock.advance(4.9)
        self.assertEqual(self.channel.capacity(), 0)
        self.clock.advance(0.2)
        self.assertEqual(self.channel.capacity(), 1)

    def account(self) -> None:
        """The oldest request brings a trouble of the account, and the pause is over."""
        self.reply(Result(Kind.ACCOUNT, code=412, reason="no route"))
        self.clock.advance(ACCOUNT_PAUSE)

    def take(self) -> None:
        """The oldest request is taken."""
        self.reply(Result(Kind.TAKEN, ("a",)))
        self.clock.advance(0)

    def test_it_is_the_text(self) -> None:
        """The same text stops the channel twice, and another was taken between: then it is refused, and the channel
        goes on (Jasmin's 412 for a number without a route stopped all others for hours)."""
        poison = a_segment(100)
        self.channel.submit([poison])
        self.account()
        self.send()
        self.take()
        self.channel.submit([poison])
        self.reply(Result(Kind.ACCOUNT, code=412))
        self.clock.advance(0)
        outcome = self.listener.told[-1][0]
        self.assertEqual((outcome.segment, outcome.verdict, outcome.code), (poison, Verdict.REFUSED, 412))
        self.assertEqual((self.state(), self.channel.capacity()), ("up", 4))

    def test_it_is_the_account(self) -> None:
        """Without another that was taken no text is refused, however often it is told."""
        for _ in range(5):
            self.channel.submit([a_segment(100)])
            self.account()
            self.channel.submit([a_segment(100)])  # put behind others that may try
            self.clock.advance(0)
        self.assertEqual((self.listener.told, self.state()), ([], "stopped"))

    def test_one_at_a_time(self) -> None:
        """A credit that is mended and used up again refuses one text at most, and not all that were told before."""
        waiting = [a_segment(number) for number in (100, 101, 102)]
        self.channel.submit(waiting)
        for _ in waiting:
            self.reply(Result(Kind.ACCOUNT, code=402))
        self.clock.advance(ACCOUNT_PAUSE)
        self.send()
        self.take()
        self.channel.submit(waiting)
        for _ in waiting:
            self.reply(Result(Kind.ACCOUNT, code=402))
        self.clock.advance(0)
        refused = [one for told in self.listener.told for one in told if one.verdict is Verdict.REFUSED]
        self.assertEqual((len(refused), self.state()), (1, "stopped"))

    def test_another_tries(self) -> None:
        """After the pause the text that was told lets another one try, once: else the oldest would try for ever."""
        poison = a_segment(100)
        self.channel.submit([poison])
        self.account()
        self.assertEqual(self.channel.submit([poison]), [])
        self.clock.advance(0)
        self.assertEqual((self.client.asked, self.listener.back[-1], self.channel.capacity()), ([], [poison], 1))
        self.channel.submit([poison])  # nobody else is there
        self.assertEqual(len(self.client.asked), 1)
        self.account()
        self.channel.submit([poison])  # and anew after each pause
        self.assertEqual(self.client.asked, [])


class LookUpTest(ProviderCase):
    def setUp(self) -> None:
        super().setUp()
        self.provider.looks_up = True

    def test_only_unknown_ones(self) -> None:
        """A text that was never sent before is sent."""
        self.send()
        self.assertEqual(self.client.asked[0][0].method, "POST")

    def test_found(self) -> None:
        """It was taken: it is not sent again."""
        self.send(unknowns=1)
        self.assertEqual(self.client.asked[0][0].method, "GET")
        self.reply(Result(Kind.TAKEN, ("a",)))
        self.clock.advance(0)
        self.assertEqual((self.listener.told[0][0].verdict, self.listener.told[0][0].smsc_id), (Verdict.ACCEPTED, "a"))
        self.assertEqual(self.client.asked, [])

    def test_not_found(self) -> None:
        """It was not: it is sent."""
        self.send(unknowns=1)
        self.reply(None)
        self.assertEqual(self.client.asked[0][0].method, "POST")

    def test_not_told(self) -> None:
        """Where nobody can say, nothing is sent now, and no unknown outcome is counted."""
        for result in (Result(Kind.UNKNOWN), Unanswered("lost"), NotSent("refused")):
            self.clock.advance(3600)
            self.send(unknowns=1)
            self.reply(result)
            self.clock.advance(0)
            self.assertIs(self.listener.told[-1][0].verdict, Verdict.RETRY, result)
        self.assertEqual(self.provider.calls, 0)

    def test_refused(self) -> None:
        """A list that is refused says nothing of the text, which may be on the handset: it is looked for again, and its
        report has no code of the list's. What concerns the whole channel does."""
        for kind in (Kind.PERMANENT, Kind.TEMPORARY, Kind.UNKNOWN):
            self.send(unknowns=1)
            self.reply(Result(kind, code=21211, retry_in=7.0))
            self.clock.advance(0)
            outcome = self.listener.told[-1][0]
            self.assertEqual((outcome.verdict, outcome.code, outcome.retry_in), (Verdict.RETRY, None, 7.0), kind)
        for kind, state in ((Kind.THROTTLED, "throttled"), (Kind.ACCOUNT, "stopped")):
            self.clock.advance(3600)
            self.send(unknowns=1)
            self.reply(Result(kind))
            self.clock.advance(0)
            self.assertEqual((len(self.listener.back[-1]), self.state()), (1, state))
        self.assertEqual(self.provider.calls, 0)

    def test_waits_for_a_token(self) -> None:
        """The look-up may need a session too; without one nothing was sent."""
        for failed in (False, True):
            self.clock.advance(3600)
            made: Deferred[HTTPCall | Result] = Deferred()
            self.provider.lookup_call = made
            self.send(unknowns=1)
            self.assertEqual(self.client.asked, [])
            if failed:
                made.errback(NotSent("no log-in"))
                self.clock.advance(0)
                self.assertEqual((len(self.listener.back[-1]), self.state()), (1, "down"))
            else:
                made.callback(LOOKUP)
                self.reply(Result(Kind.TAKEN, ("a",)))
                self.clock.advance(0)
                self.assertIs(self.listener.told[-1][0].verdict, Verdict.ACCEPTED)

    def test_logs_in_again(self) -> None:
        """Once. Then it is a trouble of the account, and the text waits."""
        self.send(unknowns=1)
        self.reply(Result(Kind.LOG_IN_AGAIN))
        self.assertEqual([one.method for one, _ in self.client.asked], ["GET"])
        self.reply(Result(Kind.LOG_IN_AGAIN))
        self.clock.advance(0)
        self.assertEqual((len(self.listener.back), self.channel.parts()[0].state), (1, "stopped"))

    def test_cannot_be_asked_for(self) -> None:
        """A text of which no look-up can be made: the policy decides alone, and it is sent."""
        self.provider.lookup_call = Result(Kind.PERMANENT)
        self.send(unknowns=1)
        self.assertEqual(self.client.asked[0][0].method, "POST")

    def test_faults(self) -> None:
        """A look-up that can't be made must not stop the channel."""
        self.provider.lookup_call = ValueError("a fault")
        self.send(unknowns=1)
        self.clock.advance(0)
        self.assertIs(self.listener.told[-1][0].verdict, Verdict.RETRY)
        self.flushLoggedErrors(ValueError)


class StopTest(ProviderCase):
    def test_drains(self) -> None:
        """Nothing more is taken; what is answered in time has its outcome."""
        self.send(2)
        stopped = self.channel.stopService()
        self.assertEqual(self.channel.capacity(), 0)
        self.reply(Result(Kind.TAKEN, ("a",)))
        self.reply(Result(Kind.THROTTLED))
        self.successResultOf(stopped)
        self.assertEqual([one.verdict for told in self.listener.told for one in told], [Verdict.ACCEPTED])
        self.assertEqual(sum(map(len, self.listener.back)), 1)
        self.assertTrue(self.client.is_closed)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_time_is_over(self) -> None:
        """What was sent and is not answered is unknown; what still waits for a token was not sent."""
        self.send()
        self.provider.made = Deferred()
        self.send()
        stopped = self.channel.stopService()
        self.clock.advance(4.9)
        self.assertNoResult(stopped)
        self.clock.advance(0.1)
        self.successResultOf(stopped)
        self.assertEqual([one.verdict for told in self.listener.told for one in told], [Verdict.UNKNOWN])
        self.assertEqual([one.id for back in self.listener.back for one in back], [2])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_idle(self) -> None:
        """Nothing is under way: it ends at once, also in a pause."""
        self.send()
        self.reply(Result(Kind.THROTTLED, retry_in=60.0))
        self.clock.advance(0)
        self.successResultOf(self.channel.stopService())
        self.assertEqual(self.clock.getDelayedCalls(), [])


class RateTest(ProviderCase):
    parallel, rate = 100, 10.0

    def test_rate(self) -> None:
        """So many requests a second, and room is offered when there are tokens again."""
        sent, rooms = 0, self.listener.rooms
        for _ in range(640):  # of 1/64 s, which adds up exactly
            sent += 5 - len(self.send(5))
            while self.client.asked:
                self.reply(Result(Kind.TAKEN, ("a",)))
            self.clock.advance(1 / 64)
        self.assertTrue(85 <= sent <= 101, sent)
        self.assertGreater(self.listener.rooms, rooms)


class PreviewTest(ProviderCase):
    rate = 5.0

    def test_what_can_be_said(self) -> None:
        """The provider chooses how a text is coded; addresses are as its request has them, and the rate is ours."""
        segment = a_segment(1)
        preview = self.channel.preview("", [segment])
        (way,) = preview.ways
        self.assertEqual((way.name, way.state, way.is_next, way.data_codings), ("cloud", "up", True, ()))
        self.assertEqual(way.destination, WireAddress(f"+{segment.destination}"))
        self.assertEqual((preview.rate, preview.obstacle, self.provider.calls), (5.0, "", 0))

    def test_trouble(self) -> None:
        """A channel that is stopped says so, and why."""
        self.send()
        self.reply(Result(Kind.ACCOUNT, code=20003, reason="the token is wrong"))
        self.clock.advance(0)
        preview = self.channel.preview("", [a_segment(9)])
        self.assertFalse(preview.ways[0].is_next)
        self.assertRegex(preview.obstacle, r"^The channel cloud is stopped: the token is wrong \(since .+\)\.$")
