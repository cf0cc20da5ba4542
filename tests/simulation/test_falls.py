"""Texts that fall back to another channel, in the simulation: plans of their own, and laws broken on purpose."""

import json
from typing import Any

from smsconnector.lifecycle import FallBackRule
from smsconnector.store.fall_backs import FallBacks
from smsconnector.walks import fall_back
from smsconnector.walks.fall_back import FallBack
from smsconnector.walks.obsolete import Obsolete
from smsconnector.walks.withdrawal import Withdrawals
from tests.simulation.plan import GATEWAYS, Callback, Crash, Created, Fate, Outage, Plan, Stop, Trouble, plan_of
from tests.simulation.run import carried_out, run
from tests.simulation.test_gateway import GatewayCase, texts
from tests.simulation.world import FALLS_AFTER, World

WAYS = [(first, second) for first in ("smpp", *GATEWAYS) for second in ("smpp", *GATEWAYS) if first != second]


def away(channel: str, seconds: float) -> list[Any]:
    hosts = ("smsc 0", "smsc 1") if channel == "smpp" else (channel,)
    return [Outage(0.0, host, seconds) for host in hosts]


class FallsCase(GatewayCase):
    law = "I9"
    moves: list[Any]  # the messages that have moved

    def reports(self, *steps: Any, **more: Any) -> tuple[list[str], World]:
        """The codes of all reports, and the world when all is over. Nothing may be broken."""
        plan = Plan(7, more.pop("setup", "resend"), steps, **more)
        self.assertEqual(run(plan).broken, (), repr(plan))
        with carried_out(plan) as (world, _):
            codes = [str(json.loads(event.body)["ProviderStatusCode"]) for event in world.broker.events]
            (self.moves,) = world.rows("SELECT sid FROM message WHERE state = 4")
            return codes, world

    def breaks_falls(self, sentence: str, *steps: Any, setup: str = "resend", **more: Any) -> None:
        for seed in range(6):
            result = run(Plan(seed, setup, steps, **more))
            self.flushLoggedErrors()
            if any(law == self.law and sentence in how for law, how in result.broken):
                return
        self.fail(f"nobody says {sentence!r}: {result.broken}")


class PlansCase(FallsCase):
    def test_away(self) -> None:
        """A channel that is away for very long: all goes by the other, and is delivered, whatever happens besides."""
        for first, second in WAYS:
            for setup, *more in (
                ("resend",),
                ("hold", Crash(FALLS_AFTER + 1.0, "before")),
                ("strict", Crash(FALLS_AFTER + 0.9, "after")),
                ("resend", Stop(FALLS_AFTER + 1.2)),
                ("strict hold", Crash(FALLS_AFTER + 1.1, "torn")),
            ):
                steps = (*texts(first, 4, 2, 2), *away(first, 80.0), *more)
                codes, _ = self.reports(*steps, setup=setup, falls=((first, second),), small=setup == "strict")
                good = {"000" if second == "smpp" else "delivered"} | ({"UNKNOWN"} if "hold" in setup else set())
                self.assertLessEqual(set(codes), good, (first, second, setup))
                self.assertEqual(len(codes), 4)

    def test_code(self) -> None:
        """A text that fails with a code of the list, by an answer or by what is told later."""
        for first, second in WAYS:
            kinds: tuple[Any, ...] = (Created(100, "permanent"), Callback(100, "undelivered"))
            if first == "smpp":
                kinds = (Fate(100, "permanent"), Fate(100, "undelivered"))
            for step in kinds:
                for setup in ("resend", "hold"):
                    codes, _ = self.reports(*texts(first, 2, 2), step, setup=setup, falls=((first, second),))
                    same = (
                        {"21211", "41", "30005"} if {first, second}.isdisjoint({"smpp"}) else set()
                    )  # the other's own
                    self.assertLessEqual(set(codes), {"000", "delivered"} | same, (first, second, step))
                    self.assertEqual(len(self.moves), 1)

    def test_chain(self) -> None:
        """From one to the next, and on; the last one's answer is told."""
        falls = (("smpp", "twilio-a"), ("twilio-a", "http-b"))
        codes, _ = self.reports(*texts("smpp", 2), *away("smpp", 80.0), *away("twilio-a", 80.0), falls=falls)
        self.assertEqual(codes, ["delivered"] * 2)
        codes, _ = self.reports(*texts("twilio-a", 1), Created(100, "permanent"), falls=falls)
        self.assertEqual(codes, ["41"])

    def test_unknown_outcome(self) -> None:
        """What may have been taken moves where it may be sent again, and only there."""
        steps = (*texts("http-a", 1), Created(100, "taken, silent"), Callback(100, "never"), *away("http-a", 0.0))
        lost = (*steps, Trouble(0.3, "http-a", "throttled", 60.0))
        codes, world = self.reports(*lost, falls=(("http-a", "twilio-a"),))
        self.assertEqual(codes, ["NO_RECEIPT"])  # so says that one's list, and its callback never comes
        self.assertEqual([one.channel for one in world.gateways.calls][-1], "twilio-a")
        codes, world = self.reports(*lost, setup="hold", falls=(("http-a", "twilio-a"),))
        self.assertEqual((codes, {one.channel for one in world.gateways.calls}), (["UNKNOWN"], {"http-a"}))


class BrokenLawCase(FallsCase):
    """The daemon with a law broken on purpose."""

    def test_sent_by_both(self) -> None:
        """A channel that comes back sends what has moved."""
        steps = (*texts("http-a", 3), *away("http-a", 9.0))
        self.reports(*steps, falls=(("http-a", "http-b"),))
        self.patch(Withdrawals, "_remember", lambda *_: None)
        self.patch(Obsolete, "covers", lambda *_: False)
        self.breaks_falls("after it has moved", *steps, falls=(("http-a", "http-b"),))

    def test_under_way(self) -> None:
        """A text that is just being sent moves."""
        steps = (*texts("http-a", 1), Created(100, "taken, slow", attempt=0), Trouble(0.0, "http-a", "throttled", 3.9))
        steps = (*steps, Callback(100, "late"))
        self.reports(*steps, falls=(("http-a", "http-b"),))
        self.patch(Withdrawals, "hold", _hold_all(Withdrawals.hold))
        self.breaks_falls("that has taken it", *steps, falls=(("http-a", "http-b"),))

    def test_too_early(self) -> None:
        """The network had no time."""
        self.patch(FallBacks, "_stuck", _all_stuck)
        self.breaks_falls("and came there at", *texts("smpp", 2), *away("smpp", 6.0), falls=(("smpp", "http-b"),))

    def test_code_is_not_heard(self) -> None:
        """A code of the list is an end."""
        self.patch(FallBackRule, "takes", lambda *_: False)
        self.breaks_falls("falls back to another", *texts("smpp"), Fate(101, "permanent"), falls=(("smpp", "http-b"),))

    def test_nobody_looks(self) -> None:
        """What waits for a channel that is away expires there."""
        self.patch(FallBack, "look", lambda _: None)
        self.breaks_falls("has never tried it", *texts("smpp"), *away("smpp", 80.0), falls=(("smpp", "http-b"),))

    def test_hold_repeats(self) -> None:
        """Under the policy `hold`, what may have been taken."""
        steps = (*texts("http-a", 2), Created(100, "taken, silent"), Callback(100, "never"))
        self.reports(*steps, setup="hold", falls=(("http-a", "http-b"),))
        self.patch(FallBackRule, "takes", lambda _rule, code, _presumed: str(code) == "UNKNOWN")
        self.patch(fall_back, "CODE_UNKNOWN", "")  # who moves it looks as well
        self.breaks_falls("and that has taken it", *steps, setup="hold", falls=(("http-a", "http-b"),))


def _hold_all(real: Any) -> Any:
    def hold(held: Withdrawals, messages: Any) -> set[int]:
        messages = list(messages)
        real(held, messages)
        return {first for first, _ in messages}

    return hold


def _all_stuck(backs: FallBacks, _find: Any) -> tuple[list[int], int]:
    rows = backs._connection.execute("SELECT id FROM message WHERE state = 0 AND channel = 'smpp'")
    return [one for (one,) in rows], 0


class ReachCase(FallsCase):
    def test_everything_happens(self) -> None:
        """In some hundreds of seeds texts move from each channel to each other one, in time and by a code, and some of
        them twice."""
        wanted = {f"{first} to {second}" for first, second in WAYS} | {"twice", "by a code", "in time", "killed"}
        self.reaches(wanted, (plan for plan in map(plan_of, range(4_000)) if plan.falls), _seen)


def _seen(world: World) -> set[str]:
    (rows,) = world.rows(
        "SELECT m.channel, n.channel, m.code IS NOT NULL, (SELECT count(*) FROM message AS o"
        " WHERE o.sid LIKE substr(m.sid, 1, 34) || '/%') FROM message AS m"
        " JOIN message AS n ON n.id = (SELECT min(id) FROM message AS o WHERE o.id > m.id AND o.sid LIKE"
        " substr(m.sid, 1, 34) || '%') WHERE m.state = 4"
    )
    seen = set()
    for first, second, has_code, moves in rows:
        seen |= {f"{first} to {second}", "by a code" if has_code else "in time"}
        seen |= ({"twice"} if moves > 1 else set()) | ({"killed"} if len(world.lives) > 1 else set())
    return seen
