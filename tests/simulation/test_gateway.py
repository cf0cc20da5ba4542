"""HTTP providers in the simulation: plans of their own, that a law which is broken on purpose is found, and that what
may happen does."""

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import islice
from typing import Any

from smsconnector.channels.provider import channel as provider_channel
from smsconnector.channels.provider.availability import Availability
from smsconnector.channels.provider.results import Kind, Result
from smsconnector.channels.twilio.provider import TwilioProvider
from smsconnector.hooks.template_signatures import TemplateSignature
from smsconnector.hooks.twilio_signature import TwilioSignature
from smsconnector.messages import Outcome, Verdict
from smsconnector.store import receipts
from smsconnector.walks.ready import ReadySegments
from smsconnector.walks.receiver import Receiver
from smsconnector.walks.retry_policy import RetryPolicy
from smsconnector.walks.submitter import Submitter
from tests.simulation.plan import (
    CALLBACKS,
    CREATED,
    GATEWAYS,
    LOOK_UPS,
    NOT_CREATED,
    TROUBLES,
    Callback,
    Crash,
    Created,
    Disk,
    LookUp,
    Outage,
    Plan,
    Silence,
    Stop,
    Text,
    TornFile,
    Trouble,
    plan_of,
)
from tests.simulation.run import carried_out, run
from tests.simulation.test_simulation import SimulationCase
from tests.simulation.world import World

POLICIES = ("resend", "hold", "strict", "pair")


def texts(channel: str, count: int = 3, segments: int = 1, numbers: int = 1) -> tuple[Any, ...]:
    """One after the other, to so many numbers."""
    return tuple(
        Text(0.1 + 0.1 * number, 100 + number, number % numbers, segments, channel=channel) for number in range(count)
    )


def gateway_plans(first: int = 0) -> Iterable[Plan]:
    """Of seeds in their order, those in which texts go out by HTTP."""
    return (plan for plan in map(plan_of, range(first, first + 100_000)) if plan.gateways)


class GatewayCase(SimulationCase):
    def holds(self, *steps: Any, setup: str = "resend", **more: Any) -> None:
        """Nothing is broken by this plan."""
        result = run(Plan(7, setup, steps, **more))
        self.assertEqual(result.broken, (), repr(result.plan))

    def breaks(self, sentence: str, *steps: Any, setup: str = "resend", within: int = 6) -> None:
        """One of so many runs of this plan says so. It is fine where no law is broken on purpose: see ``holds``."""
        for seed in range(within):
            result = run(Plan(seed, setup, steps))
            self.flushLoggedErrors()
            if any(law == "I8" and sentence in how for law, how in result.broken):
                return
        self.fail(f"nobody says {sentence!r}: {result.broken}")

    def reaches(self, wanted: set[str], plans: Iterable[Plan], seen: Callable[[World], set[str]]) -> None:
        """Each of these happens in one of the plans; ``seen``: what has happened."""
        for plan in plans:
            with carried_out(plan) as (world, _):
                wanted = wanted - seen(world)
            self.flushLoggedErrors()
            if not wanted:
                return
        self.fail(f"never seen: {sorted(wanted)}")


class PlansCase(GatewayCase):
    def test_each_answer_alone(self) -> None:
        """Whatever a provider does with one request, or with the first two, all ends as it has to, in order."""
        for what in (*NOT_CREATED, *CREATED):
            for channel in GATEWAYS:
                for setup in POLICIES:
                    self.holds(*texts(channel), Created(100, what), setup=setup)
                twice = (Created(100, what), Created(100, what, attempt=2))
                self.holds(*texts(channel, 2, 2), *twice, Created(101, what, 2), setup="strict")

    def test_each_try(self) -> None:
        """And with every request."""
        for what in ("temporary", "error", "taken, silent", "dropped"):
            for channel in GATEWAYS:
                for setup in POLICIES:
                    self.holds(*texts(channel), Created(101, what, attempt=0), setup=setup)

    def test_each_callback_alone(self) -> None:
        """Whatever it tells, and however late or often; after an answer, and where that was lost."""
        for what in CALLBACKS:
            for channel in GATEWAYS:
                self.holds(*texts(channel, 2, 2), Callback(100, what), Callback(101, what, 2, 2))
                for setup in ("resend", "hold"):
                    lost = Created(100, "taken, dropped")
                    self.holds(*texts(channel, 2), lost, Callback(100, what, forged=1), setup=setup)

    def test_each_look_up_alone(self) -> None:
        """Whatever comes of the list that is asked for before a text is sent again."""
        for what in LOOK_UPS:
            for lost in ("taken, dropped", "dropped", "taken, error", "page"):
                self.holds(*texts("twilio-a"), Created(100, lost), LookUp(1, what))
                self.holds(*texts("twilio-a"), Created(100, lost, attempt=0), LookUp(1, what), LookUp(2, what))

    def test_away(self) -> None:
        """It is away, silent, or says the same to all, for a while and for very long; with a kill and a stop."""
        for channel in GATEWAYS:
            steps: list[Any] = [Outage(0.15, channel, 4.0), Outage(0.15, channel, 40.0), Silence(0.15, channel, 6.0)]
            steps += [TornFile(0.15, 5.0), *(Trouble(0.15, channel, what, 8.0) for what in TROUBLES)]
            for step in steps:
                for setup, *more in (
                    ("resend",),
                    ("hold", Crash(0.4)),
                    ("strict", Crash(0.3, "before")),
                    ("pair", Stop(1.0)),
                    ("strict hold",),
                ):
                    self.holds(*texts(channel), step, *more, setup=setup, small=setup == "strict")

    def test_account(self) -> None:
        """The channel stops for a pause, and goes on by itself: all is delivered. Of the day's last message the texts
        expire, and nothing is sent."""
        for channel in GATEWAYS:
            for step in (Created(100, "account"), Created(100, "today")):
                is_over = step.what == "today" and channel == "twilio-a"
                with carried_out(Plan(7, "resend", (*texts(channel), step))) as (world, _):
                    told = [json.loads(event.body)["ProviderStatusCode"] for event in world.broker.events]
                    self.assertEqual(told, ["EXPIRED" if is_over else "delivered"] * 3)
                    self.assertEqual(len(world.stopped), 1)

    def test_unreachable(self) -> None:
        """Nothing was ever sent: the report says EXPIRED. Known from this simulation, where it said UNKNOWN."""
        with carried_out(Plan(7, "resend", (*texts("twilio-a", 1), Outage(0.0, "twilio-a", 60.0)))) as (world, _):
            self.assertEqual([event.body.count("EXPIRED") for event in world.broker.events], [1])


class BrokenLawCase(GatewayCase):
    """The daemon with a law broken on purpose."""

    def test_hold_sends_again(self) -> None:
        """What may have been taken."""
        real = RetryPolicy.decide
        self.patch(RetryPolicy, "decide", lambda policy, *more: real(replace(policy, resend=True), *more))
        for channel in GATEWAYS:
            self.breaks("the policy is hold", *texts(channel), Created(100, "error"), setup="hold")

    def test_resends_are_not_counted(self) -> None:
        """Each may be one more copy."""
        real = RetryPolicy.decide
        self.patch(RetryPolicy, "decide", lambda policy, *more: real(replace(policy, resends=99), *more))
        self.breaks("outcomes that nobody knows", *texts("http-a"), Created(100, "error", attempt=0))

    def test_not_looked_up(self) -> None:
        """Before a text is sent again."""
        self.patch(TwilioProvider, "lookup", lambda *_: None)
        self.breaks("the list was not looked at", *texts("twilio-a"), Created(100, "error"))

    def test_not_believed(self) -> None:
        """Though the list has it."""
        self.patch(TwilioProvider, "found", lambda *_: None)
        self.breaks("the list showed it", *texts("twilio-a"), Created(100, "taken, error"), Callback(100, "late"))

    def test_failure_of_the_server_counts_as_taken(self) -> None:
        """Of a 5xx nobody knows."""
        real = TwilioProvider.read

        def read(provider: TwilioProvider, segment: Any, reply: Any) -> Result:
            return Result(Kind.TAKEN, ("x",)) if reply.status >= 500 else real(provider, segment, reply)

        self.patch(TwilioProvider, "read", read)
        self.breaks("without a reason", *texts("twilio-a"), Created(100, "error"))

    def test_refusal_counts_as_unknown(self) -> None:
        """What could not be sent is no outcome that nobody knows."""
        real = RetryPolicy.decide

        def decide(policy: RetryPolicy, outcome: Outcome, now_ms: int) -> Any:
            decided, due_at = real(policy, outcome, now_ms)
            lost = decided.verdict is Verdict.RETRY and decided.code is None
            return replace(decided, code="UNKNOWN") if lost else decided, due_at

        self.patch(RetryPolicy, "decide", decide)
        self.breaks("(UNKNOWN)", *texts("http-a"), Outage(0.0, "http-a", 60.0))

    def test_refused_is_sent_again(self) -> None:
        """A refusal for good is an end."""
        self.patch(provider_channel, "_outcome_of", _permanent_is_temporary(provider_channel._outcome_of))
        self.breaks("means permanent", *texts("http-b"), Created(100, "permanent"))

    def test_code_is_not_told(self) -> None:
        """The report has the code that the provider gave."""
        real = provider_channel._outcome_of

        def outcome(result: Result, *more: Any) -> Outcome:
            return real(result._replace(code=1) if result.kind is Kind.PERMANENT else result, *more)

        self.patch(provider_channel, "_outcome_of", outcome)
        self.breaks("FAILED (1)", *texts("http-a"), Created(100, "permanent"))

    def test_account_is_not_heard(self) -> None:
        """A channel whose account is in trouble rests."""
        self.patch(Availability, "stopped", lambda *_: False)
        self.breaks("its account was in trouble", *texts("twilio-a", 8, 1, 8), Created(100, "account"))

    def test_account_for_ever(self) -> None:
        """And begins again by itself."""
        real = Availability.room

        def room(availability: Availability, now: float, under_way: int) -> int:
            trouble = availability.trouble
            return 0 if trouble is not None and trouble.state == "stopped" else real(availability, now, under_way)

        self.patch(Availability, "room", room)
        self.breaks("(EXPIRED)", *texts("http-a"), Created(100, "account"))

    def test_anybody_may_call(self) -> None:
        """A callback has to be signed."""
        for verifier, channel in ((TwilioSignature, "twilio-a"), (TemplateSignature, "http-a")):
            self.patch(verifier, "fault", lambda *_: None)
            self.breaks("somebody else", *texts(channel), Callback(100, "late", forged=2))

    def test_answered_before_the_commit(self) -> None:
        """A kill loses the callback, and the provider forgets it."""
        real = Receiver.received

        def received(receiver: Receiver, items: Any, done: Any) -> None:
            real(receiver, items, lambda _error: None)
            done(None)

        self.patch(Receiver, "received", received)
        self.breaks("callbacks said delivered", *texts("http-a", 6), Disk(0.3, "commit", 2.0))

    def test_no_lanes(self) -> None:
        """Two texts to one number at a time."""

        def take(ready: ReadySegments, room: int, _now_ms: int, _may_begin: bool) -> tuple[list[Any], list[Any]]:
            return [ready.in_line.popleft() for _ in range(min(room, len(ready.in_line)))], []

        self.patch(ReadySegments, "take", take)
        self.breaks("is still under way", *texts("http-b"), Created(100, "taken, slow"))

    def test_no_strict_order(self) -> None:
        """What is to be tried again lets others pass."""
        real = Submitter._leave_lane
        self.patch(Submitter, "_leave_lane", lambda submitter, segment, _to_retry=False: real(submitter, segment))
        self.breaks("is still to be sent", *texts("twilio-a"), Created(100, "temporary"), setup="strict")

    def test_sent_after_its_report(self) -> None:
        """The callback came while the text waited for the channel to begin again."""
        steps = (
            Text(0.2, 102, 3, channel="http-a"),
            Text(0.239, 101, channel="http-a"),
            Created(102, "account"),
            Created(101, "taken, error"),
            Callback(101, "late"),
        )
        for seed in range(6):
            self.assertEqual(run(Plan(seed, "strict", steps)).broken, ())
        self.patch(Submitter, "messages_ended", lambda *_: None)
        self.breaks("and its report is of", *steps, setup="strict")

    def test_parts_are_not_told_apart(self) -> None:
        """A callback names a part of a text that we cut."""
        self.holds(*texts("http-a", 2, 3), Callback(101, "undelivered", 2))
        self.patch(receipts, "_named", lambda name: (name, 0))
        self.breaks("(NO_RECEIPT)", *texts("http-a", 2, 3))


def _permanent_is_temporary(real: Any) -> Any:
    def outcome(*given: Any) -> Outcome:
        made: Outcome = real(*given)
        return replace(made, verdict=Verdict.RETRY) if made.verdict is Verdict.REFUSED else made

    return outcome


class ReachCase(GatewayCase):
    def test_everything_happens(self) -> None:
        """In some hundreds of seeds each thing that may happen does: a step that is never reached proves nothing."""
        wanted = {f"answer {what}" for what in ("", *NOT_CREATED, *CREATED)}
        wanted |= {f"callback {what}" for what in CALLBACKS} | {f"list {what}" for what in ("", *LOOK_UPS)}
        wanted |= {f"channel {one}, {setup}" for one in GATEWAYS for setup in ("resend", "hold", "strict", "pair")}
        wanted |= {"shown in the list", "stopped", "forged", "sent again", "told before the answer", "answered in vain"}
        self.reaches(wanted, islice(gateway_plans(), 300), _seen)


def _seen(world: World) -> set[str]:
    """What has happened."""
    ways, calls = world.gateways, world.gateways.calls
    seen = {f"answer {one.what}" for one in calls} | {f"list {one.what}" for one in ways.looks}
    seen |= {f"channel {one.channel}, {one.life.setup}" for one in calls}
    seen |= {
        f"callback {ways.callbacks[one.key[0][0], one.part].what}" for one in calls if one.told and _has(one, ways)
    }
    happened = {
        "shown in the list": any(one.shown for one in ways.looks),
        "stopped": bool(world.stopped),
        "forged": any(403 in one.forged for one in ways.told),
        "sent again": len({one.key for one in calls}) < len(calls),
        "told before the answer": any(map(_is_early, ways.told)),
        "answered in vain": any(one.known_at is None for one in calls),
    }
    return seen | {name for name, has in happened.items() if has}


def _has(call: Any, ways: Any) -> bool:
    return (call.request[0], call.part) in ways.callbacks


def _is_early(told: Any) -> bool:
    return bool(told.acknowledged_at) and min(told.acknowledged_at) < (told.call.known_at or float("inf"))
