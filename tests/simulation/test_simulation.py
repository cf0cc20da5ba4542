"""The simulation itself: a number of seeds, the plans of the bugs it found, and that it finds a law that is broken."""

import gc
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from smsconnector.channels import TakeBack, TakeBackAnswer
from smsconnector.channels.smpp import cancels
from smsconnector.channels.smpp.bind import Bind
from smsconnector.hooks import reading
from smsconnector.hooks.template_signatures import TemplateSignature
from smsconnector.http.answers import Answer
from smsconnector.http.lane import Lane
from smsconnector.http.webhooks import Webhooks
from smsconnector.lifecycle import EndRules, SegmentState
from smsconnector.net.hearing import Hearing
from smsconnector.sinks import EventOutcome, EventVerdict
from smsconnector.sinks.stomp import connection
from smsconnector.sinks.stomp.producer import Producer
from smsconnector.sinks.stomp.sink import StompSink
from smsconnector.store import ends, retrying
from smsconnector.store.store import Store
from smsconnector.walks.claims import Claims
from smsconnector.walks.outbox_reading import OutboxReading
from smsconnector.walks.outlet import Outlet
from smsconnector.walks.publisher import Publisher
from smsconnector.walks.ready import ReadySegments
from smsconnector.walks.receiver import Receiver
from smsconnector.walks.retry_policy import RetryPolicy
from smsconnector.walks.submitter import Submitter
from smsconnector.walks.sweeper import Sweeper
from smsconnector.wall_clock import WallClock
from tests.simulation import plan as plans
from tests.simulation.plan import (
    PIPELINED,
    Crash,
    Disk,
    Fate,
    Forgotten,
    Freeze,
    Full,
    Mo,
    OptOut,
    Outage,
    Plan,
    SetClock,
    Stop,
    TakenBack,
    Text,
    Unbind,
    plan_of,
)
from tests.simulation.run import Result, run
from tests.simulation.shrink import shrink
from tests.simulation.world import World

SEEDS = 700  # of the general part: some twenty seconds
WITHIN = 250  # seeds within which a broken law has to be found


class SimulationCase(SynchronousTestCase):
    """``fails`` runs plans until one breaks an invariant."""

    def setUp(self) -> None:
        gc.collect()
        gc.freeze()
        self.addCleanup(gc.unfreeze)

    def fails(self, plans: Iterable[Plan]) -> Result | None:
        return next((result for result in map(run, plans) if result.broken), None)

    def broken(self, law: str, within: int = WITHIN) -> None:
        """Within so many seeds the simulation says that this law is broken."""
        for seed in range(within):
            result = run(plan_of(seed))
            self.flushLoggedErrors()
            if law in result.laws:
                return
        self.fail(f"no seed under {within} broke {law}")

    def wrapped(self, owner: Any, name: str, make: Callable[[Any], Any]) -> None:
        self.patch(owner, name, make(getattr(owner, name)))


class SeedsCase(SimulationCase):
    def test_seeds(self) -> None:
        """No plan breaks anything."""
        failed = self.fails(plan_of(seed) for seed in range(SEEDS))
        self.flushLoggedErrors()
        self.assertIsNone(failed, failed and f"{failed.plan!r}\n{failed.broken}")

    def test_repeatable(self) -> None:
        """A plan runs the same way each time: what failed can be looked at."""
        for seed in (3, 14, 15):
            first, second = World(plan_of(seed)), World(plan_of(seed))
            for world in (first, second):
                self.addCleanup(world.clean_up)
                world.run()
            self.assertEqual(first.time.rightNow, second.time.rightNow)
            self.assertEqual(
                [(one.request, one.sent_at, one.answered_at) for one in first.ledger.submits],
                [(one.request, one.sent_at, one.answered_at) for one in second.ledger.submits],
            )
            self.assertEqual([one.body for one in first.broker.events], [one.body for one in second.broker.events])


class ReplayedCase(SimulationCase):
    """The shortest plans of what the simulation has found."""

    def holds(self, *steps: Any, setup: str = "strict", **more: Any) -> None:
        for seed in range(12):
            result = run(Plan(seed, setup, steps, **more))
            self.assertEqual(result.broken, (), f"{result.plan!r}")

    def test_ended_by_a_receipt_while_throttled(self) -> None:
        """What is left of a message that a receipt has ended is not submitted any more."""
        throttled = [Fate(0, "throttled", 2, attempt) for attempt in range(1, 9)]
        self.holds(Text(1.5, 0, segments=3), Fate(0, "undelivered", 3), *throttled, setup="resend")

    def test_ended_by_a_receipt_while_the_pace_holds_it_up(self) -> None:
        """The same where the rest of it waits for the bind's throughput."""
        self.holds(Text(0.2, 0, to=1, segments=3), Fate(0, "undelivered", 1), setup="pair", slowness=0.002)

    def replay(self, plan: Plan) -> None:
        """As it was found, with the seed of its latencies."""
        self.assertEqual(run(plan).broken, ())

    def test_reading_fails_at_the_stop(self) -> None:
        """What the last commit of a stop could not read is not tried again afterwards."""
        self.replay(
            Plan(
                97002722,
                "resend",
                (
                    Mo(0.1, 1, 1, 1, "repeated"),
                    Outage(0.1, "broker", 4.0),
                    Disk(1.0, "commit", 3.0),
                    Stop(0.4, 3.0),
                ),
                slowness=1.5,
                small=True,
            )
        )

    def test_ends_of_a_batch(self) -> None:
        """Of two records in one commit each hears of the ends of its own messages."""
        self.replay(
            Plan(
                1010207,
                "strict hold",
                (
                    Text(0.1, 2, 1, 2),
                    Text(0.167, 1, 0),
                    Fate(2, "receipt first, dropped", 1),
                    Outage(0.312, "smsc 0", 25.0),
                ),
                splits=0.6,
                slowness=0.3,
            )
        )

    def test_routes_are_read_when_they_are_filled(self) -> None:
        """What is given to another route at the start is there before that route is read, if the disk fails too."""
        self.replay(
            Plan(
                53464,
                "strict routes",
                (
                    Text(1.4, 1),
                    Disk(1.9, "commit", 0.5),
                    Unbind(2.4, 1),
                    Unbind(0.5, 1),
                    Crash(1.6, "write", 0.2),
                ),
                splits=0.6,
                slowness=0.3,
                later="pair",
            )
        )

    def test_sessions_that_the_smsc_has_forgotten(self) -> None:
        """An SMSC that fails over delivers nothing over sessions that it does not know, and answers their enquire_links
        with errors: they are bound anew, and what it has for us comes."""
        for setup, nack, seconds in (("resend", False, 0.0), ("pair", True, 0.0), ("hold", False, 12.0)):
            self.replay(
                Plan(
                    720000000,
                    setup,
                    (Text(0.1, 0), Forgotten(0.11, 0, seconds, nack), Forgotten(0.11, 1), Mo(0.5, 0), Mo(0.6, 1, 1)),
                )
            )

    def test_parts_without_udhi(self) -> None:
        """The parts are joined though no esm_class announces their header; if one is lost, each other is told."""
        self.replay(Plan(720000001, "resend", (Mo(0.5, 0, 0, 3, "no udhi"), Mo(0.6, 1, 0, 3, "no udhi, part lost"))))

    def test_claims_are_settled_when_the_disk_lets(self) -> None:
        """What a killed process had claimed ends UNKNOWN, however late that can be written."""
        self.replay(
            Plan(
                100623,
                "strict hold",
                (
                    Text(0.0, 0, hangup="after request"),
                    Text(0.2, 1, 1),
                    Disk(0.6, "commit", 3.0),
                    Crash(0.9, "callback", 0.1),
                ),
                slowness=0.3,
                later="hold",
            )
        )

    def test_a_claim_that_fails_keeps_its_lane(self) -> None:
        """What could not be claimed is not overtaken by what waits behind it."""
        self.replay(
            Plan(
                3001849,
                "hold",
                (
                    Text(0.223, 3),
                    Text(0.527, 5),
                    Text(0.6, 4),
                    Disk(0.5, "statement", 3.0),
                ),
                splits=0.2,
                slowness=0.002,
            )
        )

    def test_pipelined(self) -> None:
        """Texts that come at once on one connection are each answered with their own MessageSID, whatever dies."""
        texts = [Text(0.5, number, number % 3, hangup=PIPELINED) for number in range(9)]
        for more in ((), (Crash(0.55, "after", 0.1),), (Crash(0.55, "callback", 0.1),), (Disk(0.3, "commit", 2.0),)):
            self.holds(*texts, *more, setup="resend", splits=0.6)

    def test_an_answer_to_another_is_found(self) -> None:
        """A door that answers requests of one connection in another order tells a text's MessageSID to another."""

        def make(flush: Any) -> Any:
            def reversed_flush(lane: Lane) -> None:
                ready = [reply.octets for reply in lane._under_way]
                if all(ready):
                    for reply, octets in zip(lane._under_way, reversed(ready), strict=True):
                        reply.octets = octets
                flush(lane)

            return reversed_flush

        self.wrapped(Lane, "_flush", make)
        texts = [Text(0.5, number, number, hangup=PIPELINED) for number in range(6)]
        found = {law for seed in range(12) for law in run(Plan(seed, "resend", tuple(texts))).laws}
        self.flushLoggedErrors()
        self.assertIn("I1", found)

    def test_through_the_fast_lane(self) -> None:
        """The door of the simulation is that of the daemon as it is configured by default."""
        begun: list[Any] = []

        def make(begin: Any) -> Any:
            def counted(lane: Lane, *args: Any) -> None:
                begun.append(args)
                begin(lane, *args)

            return counted

        self.wrapped(Lane, "_begin", make)
        self.holds(Text(0.1, 0), Text(0.2, 1))
        self.assertEqual(len(begun), 2 * 12)

    def test_outcomes_outlive_a_stop(self) -> None:
        """What the disk could not take a moment ago is written at a stop, not forgotten: it would be sent again."""
        self.holds(Text(0.5, 0), Disk(0.51, "commit", 0.4), Stop(1.2), setup="resend", slowness=0.002)

    def test_marks_outlive_a_stop(self) -> None:
        """Nor what the broker has confirmed: it would be published again."""
        self.holds(Mo(0.5, 0), Disk(0.55, "commit", 0.3), Stop(1.1), setup="resend", slowness=0.002)

    def test_ended_by_a_receipt_while_to_be_tried_again(self) -> None:
        """The lane of a message that a receipt has ended is free: the next text to the number is sent."""
        self.holds(
            Text(4.0, 0, segments=3),
            Text(6.9, 1),
            Fate(0, "undelivered", 2),
            Fate(0, "temporary", 3),
            Fate(0, "temporary", 3, 2),
            Fate(0, "temporary", 3, 3),
        )

    def test_strict_order_outlives_a_crash(self) -> None:
        """What is to be tried again goes first in the next life too."""
        self.holds(Text(1.0, 0), Text(1.2, 1), Fate(0, "temporary"), Crash(1.4))

    def test_strict_order_outlives_a_stop(self) -> None:
        """And after a clean stop."""
        self.holds(Text(1.0, 0), Text(1.2, 1), Fate(0, "temporary"), Stop(1.3))

    def test_the_rest_of_a_text_goes_before_the_next(self) -> None:
        """Retried segments are not those that still wait for room, and do not give the lane away for them."""
        texts = [Text(0.4, 3), Text(0.9, 1, segments=3), Text(1.5, 2, segments=2)]
        self.holds(*texts, Fate(3, "ignored"), Fate(1, "dropped after"), setup="strict routes", slowness=0.02)

    def test_full_lanes_are_freed(self) -> None:
        """However much waits behind a text that is to be tried again, it is tried again."""
        texts = [Text(0.4, number) for number in range(1, 5)]
        self.holds(Text(0.1, 0), *texts, Fate(0, "ignored"), small=True)

    def test_full_number_starves_nobody(self) -> None:
        """More than a chunk of what is due is in memory already: what is due behind it comes all the same."""
        texts = [Text(1.8, 3), Text(2.0, 1, segments=3), Text(2.1, 4, to=1), Text(2.2, 5, to=1)]
        self.holds(*texts, Full(1.4, 0, 0x58, 8.0), Fate(4, "temporary"), setup="hold", slowness=0.002, small=True)

    def test_full_number_is_forgotten(self) -> None:
        """Once its texts have expired nothing of them is left in memory."""
        texts = [Text(1.3, 0), Text(1.3, 1), Text(1.4, 5, segments=3)]
        self.holds(*texts, Full(0.1, 0, 0x14, 60.0), setup="resend", slowness=0.3, small=True)

    def test_lane_that_is_free_at_last(self) -> None:
        """The last text in the lane of a full number expires when there is nothing else to do: the next one goes."""
        texts = [Text(2.1, 4), Text(2.2, 0, segments=2), Text(3.3, 1), Text(5.5, 5, segments=3), Text(6.0, 3)]
        self.holds(*texts, Outage(4.2, "smsc 0", 4.0), Full(0.2, 0, 0x14, 60.0), setup="strict routes", slowness=0.002)

    def test_never_an_answer(self) -> None:
        """A text whose submits are never answered is sent three times, over kills too; the next one to its number is
        not held up for longer."""
        self.holds(Text(0.1, 0), Text(0.2, 1), Fate(0, "ignored", attempt=0), setup="resend")
        self.holds(Text(0.1, 0), Text(0.2, 1), Fate(0, "ignored", attempt=0), Crash(4.0), setup="strict")

    def test_refused_for_now_for_long(self) -> None:
        """However often a number is refused for now: when that is over, its texts are sent."""
        for setup in ("resend", "hold", "strict"):
            self.holds(Text(0.1, 0), Text(0.2, 1), Full(0.0, 0, 0x08, 15.0), setup=setup)

    def test_killed_while_a_number_is_full(self) -> None:
        """Under hold: what the SMSC has refused, and waits to be sent again, is not UNKNOWN because of a kill."""
        for setup in ("hold", "strict hold"):
            for at in (4.0, 5.0, 7.0):
                self.holds(*self.to_a_full_number(at), setup=setup, slowness=0.002)

    def test_a_prefix_is_added(self) -> None:
        """What was accepted before goes by the bind that serves its number now, and by no other."""
        texts = [Text(0.2, number, to=number % 2) for number in range(6)]
        self.holds(*texts, Outage(0.0, "smsc 0", 2.0), Crash(1.0), setup="resend", later="routes")
        self.holds(*texts, Outage(0.0, "smsc 0", 2.0), Stop(1.0), setup="resend", later="pair")

    def test_a_prefix_is_removed(self) -> None:
        """And without its prefix by the one that serves all others."""
        texts = [Text(0.2, number, to=number % 2) for number in range(6)]
        self.holds(*texts, Outage(0.0, "smsc 0", 9.0), Crash(1.0), setup="routes", later="pair")
        self.holds(*texts, Outage(0.0, "smsc 1", 2.0), Crash(1.0), setup="pair", later="resend")

    def to_a_full_number(self, killed_at: float) -> list[Any]:
        texts = [Text(0.1, number, to=number % 2) for number in range(4)]
        return [*texts, Full(0.0, 0, 0x14, 12.0), Full(0.0, 1, 0x14, 12.0), Crash(killed_at)]


class BrokenLawCase(SimulationCase):
    """The daemon with a law broken on purpose: within ``WITHIN`` seeds the simulation says so."""

    def test_200_before_the_commit(self) -> None:
        """Law 1 at the door."""

        def make(real: Any) -> Any:
            def accept(submitter: Submitter, message: Any, done: Any) -> None:
                real(submitter, message, lambda _error: None)
                done(None)

            return accept

        self.wrapped(Submitter, "accept", make)
        self.broken("I1")

    def test_webhook_answered_before_the_commit(self) -> None:
        """Law 1 towards the provider."""

        def make(real: Any) -> Any:
            def incoming(receiver: Receiver, text: Any, done: Any) -> None:
                real(receiver, text, lambda _error: None)
                done(None)

            return incoming

        self.wrapped(Receiver, "incoming", make)
        self.broken("I3")

    def test_list_answered_before_the_commit(self) -> None:
        """Law 1 towards a provider that posts lists."""

        def make(real: Any) -> Any:
            def read(webhooks: Webhooks, request: Any, source: Any, hook: Any, answer: Any) -> None:
                real(webhooks, request, source, hook, lambda _answer: None)
                answer(Answer())

            return read

        self.wrapped(Webhooks, "_read", make)
        self.broken("I3")

    def test_a_forged_request_is_let_in(self) -> None:
        """What somebody else posts has no effect."""
        self.wrapped(TemplateSignature, "fault", lambda real: lambda *_arguments: None)
        self.broken("I3")

    def test_the_first_of_a_list_alone(self) -> None:
        """Each record of a list counts, and one that can't be read takes no other with it."""
        self.wrapped(reading, "records_of", lambda real: lambda *arguments: real(*arguments)[:3])
        self.broken("I3")

    def test_published_before_the_receipt(self) -> None:
        """Law 1 at the broker."""

        def make(real: Any) -> Any:
            def publish(sink: StompSink, events: Any, settle: Any) -> None:
                real(sink, events, lambda _outcome: None)
                settle(EventOutcome(events, EventVerdict.CONFIRMED))

            return publish

        self.wrapped(StompSink, "publish", make)
        self.broken("I4")

    def test_acknowledged_before_the_commit(self) -> None:
        """Law 1 at the SMSC."""

        def make(real: Any) -> Any:
            def write(receiver: Receiver, operations: Any, done: Any) -> None:
                real(receiver, operations, lambda _error: None)
                done(None)

            return write

        self.wrapped(Receiver, "_write", make)
        self.broken("I3")

    def test_submitted_twice(self) -> None:
        """Law 5: no second submit without a reason."""

        def make(real: Any) -> Any:
            def submit(bind: Bind, segment: Any, owner: Any) -> None:
                real(bind, segment, owner)
                if segment.number == 2:
                    real(bind, segment, owner)

            return submit

        self.wrapped(Bind, "submit", make)
        self.broken("I2")

    def test_hold_without_a_claim(self) -> None:
        """Law 5 under `hold`: what may have been sent before a crash is not sent again."""
        self.patch(Claims, "claim", lambda claims, some: some and claims._claimed(some, {one.id for one in some}))
        self.broken("I2")

    def test_claims_are_forgotten(self) -> None:
        """Nor if what was claimed is taken for queued at the start."""

        def settle(store: Store, batch: Any) -> list[int]:
            store._connection.execute(f"UPDATE segment SET state = 0 WHERE state = {SegmentState.CLAIMED:d}")
            return [0] * len(batch)

        self.patch(Store, "_settle", settle)
        self.broken("I2")

    def test_no_lanes(self) -> None:
        """The order of one number's texts, where something is tried again."""

        def take(ready: ReadySegments, room: int, _now_ms: int, _may_begin: bool) -> tuple[list[Any], list[Any]]:
            return [ready.in_line.popleft() for _ in range(min(room, len(ready.in_line)))], []

        self.patch(ReadySegments, "take", take)
        self.broken("I5")

    def test_early_receipts_are_dropped(self) -> None:
        """A receipt before its response, acknowledged and without effect."""
        self.patch(Store, "_park", lambda *_: None)
        self.broken("I3")

    def test_reports_without_a_stable_id(self) -> None:
        """One message, one report, one id."""

        def make(real: Any) -> Any:
            def tell(store: Store, events: Any) -> None:
                real(store, [one._replace(event_id=f"{one.event_id}-{one.created_at}") for one in events])

            return tell

        self.wrapped(Store, "_write_events", make)
        self.broken("I4")

    def test_first_segment_decides(self) -> None:
        """A message is DELIVERED when all of it is."""
        self.patch(ends, "message_state", lambda states: 1 if SegmentState.DELIVERED in states else 0)
        self.broken("I3")

    def test_receipts_are_not_waited_for(self) -> None:
        """What the network tells after the lifetime counts."""
        self.patch(EndRules, "receipt_time", lambda *_: 0)
        self.broken("I3")

    def test_expired_while_it_is_submitted(self) -> None:
        """What is on the wire at the end of the lifetime, and is taken, has not expired."""
        plan = Plan(
            4893,
            "resend",
            (
                Text(at=0.3, number=6, to=1),
                Text(at=0.3, number=0, to=0, validity=12),
                Text(at=0.3, number=11, to=0, segments=2, validity=8),
                Disk(at=0.9, what="full", seconds=9.0),
            ),
            slowness=0.3,
            small=True,
            redundant=True,
        )
        self.assertEqual(run(plan).laws, set())
        self.patch(Submitter, "overdue", lambda *_: set())
        self.assertIn("I3", run(plan).laws)
        self.flushLoggedErrors()

    def test_unclear_receipts_are_dropped(self) -> None:
        """A word that nobody knows is kept until something better comes."""
        self.patch(Store, "_keep_unclear", lambda *_: None)
        self.broken("I3")

    def test_unclear_receipts_are_taken_for_ends(self) -> None:
        """And not for longer, or before it could come."""
        self.patch(EndRules, "grace", lambda *_: 0)
        self.broken("I3")

    def test_outcomes_are_not_kept(self) -> None:
        """What the store could not write is a fact that must not be lost."""
        self.patch(retrying.RetryingWriter, "_try_again", lambda self: None)
        self.broken("I6", 600)

    def test_commit_is_taken_for_a_confirm(self) -> None:
        """RabbitMQ's receipt of a COMMIT confirms nothing."""
        self.patch(connection, "confirms_transactions", lambda _server: True)
        self.broken("I4", 1000)

    def test_copies_for_a_broker_that_holds_back(self) -> None:
        """A receipt that is owed is no reason to send a copy while the connection lives."""

        def held_back(producer: Producer, connection: Any) -> None:
            for part in connection.in_flight.values():
                producer._number += 1
                producer.reactor.callLater(0, connection.send, part, producer._number)
                break

        self.patch(Producer, "held_back", held_back)
        self.broken("I4", 3000)

    def test_stalled_transaction_is_waited_for(self) -> None:
        """It would wait for ever."""
        self.patch(connection.StompConnection, "_is_stalled", lambda *_: False)
        self.broken("I6", 3000)

    def test_marks_are_not_tried_again(self) -> None:
        """An event that was confirmed and could not be marked stays under way."""

        def confirmed(_publisher: Publisher, _outcome: EventOutcome) -> None:
            """It is taken note of, and not written."""

        self.patch(Publisher, "_confirmed", confirmed)
        self.broken("I6")

    def test_parked_event_is_given_up(self) -> None:
        """An event that the broker refused is tried again, until it takes it."""
        self.patch(Publisher, "_look_for_parked", lambda _publisher: None)
        self.broken("I6", 400)

    def test_progress_runs_ahead(self) -> None:
        """What is being parked is not settled before that is on disk: a crash would lose it."""
        self.patch(OutboxReading, "settled_up_to", lambda reading, _settling: reading._read_up_to)
        self.broken("I4", 3000)

    def test_resends_are_not_counted(self) -> None:
        """Each resend may be one more copy on a handset."""

        def make(real: Any) -> Any:
            return lambda policy, outcome, now_ms: real(replace(policy, resends=99), outcome, now_ms)

        self.wrapped(RetryPolicy, "decide", make)
        plans = (Plan(seed, "resend", (Text(0.1, 0), Fate(0, "ignored", attempt=0))) for seed in range(10))
        failed = self.fails(plans)
        self.assertEqual(failed and failed.laws, {"I2"})

    def test_claims_are_kept_while_a_number_is_full(self) -> None:
        """A claim that is not given back makes an UNKNOWN of what was refused."""

        def give_back(_claims: Claims, _segments: Any, given_back: Callable[[], None]) -> None:
            given_back()

        def is_given_back(_claims: Claims, _segment: Any) -> bool:
            return False

        self.patch(Claims, "give_back", give_back)
        self.patch(Claims, "is_given_back", is_given_back)
        plans = (Plan(seed, "hold", (Text(0.1, 0), Full(0.0, 0, 0x14, 12.0), Crash(5.0))) for seed in range(10))
        failed = self.fails(plans)
        self.assertEqual(failed and failed.laws, {"I3"})

    def test_opt_out_is_forgotten(self) -> None:
        """Who has written STOP gets nothing more."""
        plans = [Plan(seed, "resend", (OptOut(0.1, 0), Text(1.0, 0), Crash(0.8))) for seed in range(3)]
        self.assertIsNone(self.fails(plans))
        self.patch(Store, "_opted_out", lambda *_: [])
        failed = self.fails(plans)
        self.assertEqual(failed and failed.laws, {"I3"})

    def test_taken_back_while_under_way(self) -> None:
        """What the application has taken back is not sent: neither what is under way, nor what memory holds."""
        plans = [Plan(seed, "resend", (Text(0.1, 0), TakenBack(0, 0.0)), slowness=0.002) for seed in range(30)]
        self.assertIsNone(self.fails(plans))
        self.patch(Outlet, "hold", lambda _outlet, messages: {one for one, _ in messages})
        self.patch(Outlet, "release", lambda _outlet, _moved: None)
        failed = self.fails(plans)
        self.assertEqual(failed and failed.laws, {"I10"})

    def test_taken_back_unasked(self) -> None:
        """What the SMSC has is taken back only if it accepts that."""
        plans = [Plan(seed, "resend", (Text(0.1, 0), Fate(0, "receipt late"), TakenBack(0, 1.5))) for seed in range(10)]
        self.assertIsNone(self.fails(plans))
        self.patch(cancels, "_answer", lambda _status: TakeBackAnswer(TakeBack.ACCEPTED))
        failed = self.fails(plans)
        self.assertEqual(failed and failed.laws, {"I10"})

    def test_what_waits_keeps_its_old_route(self) -> None:
        """A prefix that is added holds for what was accepted before."""
        self.patch(Store, "_first_queue", lambda _store, _begin: None)
        self.broken("I2", 1500)

    def test_attempts_are_used_up(self) -> None:
        """A refusal for now ends nothing where no limit is set."""

        def make(real: Any) -> Any:
            return lambda policy, outcome, now_ms: real(replace(policy, attempts=3), outcome, now_ms)

        self.wrapped(RetryPolicy, "decide", make)
        self.broken("I3", 1500)

    def test_a_timer_is_left(self) -> None:
        """Nothing calls after a stop."""
        self.patch(Sweeper, "stopService", lambda _sweeper: None)
        self.broken("I6")

    def test_an_answer_is_forgotten(self) -> None:
        """A text that nothing hinders is sent in its lifetime."""
        self.patch(Submitter, "throttled", lambda *_: None)
        self.broken("I3")


class ShrinkCase(SimulationCase):
    def test_shortest(self) -> None:
        """Only what it takes is left of a plan."""
        plan = next(plan for plan in map(plan_of, range(1000)) if len(plan.steps) > 12)
        wanted = plan.steps[4]
        found = shrink(plan, lambda candidate: wanted in candidate.steps)
        self.assertEqual((found.steps, found.setup, found.splits), ((wanted,), "resend", 0.0))

    def test_literal(self) -> None:
        """A plan can be pasted as it prints."""
        for seed in range(50):
            plan = plan_of(seed)
            self.assertEqual(eval(repr(plan), vars(plans)), plan)


class TimeCase(SimulationCase):
    """Freezes and steps of the clock, which are rare among the seeds."""

    def frozen(self) -> Iterable[Plan]:
        """The process is frozen while submits are under way; their responses come meanwhile."""
        texts = [Text(0.1, number, number) for number in range(6)]
        return (Plan(seed, "hold", (*texts, Freeze(0.13 + seed * 0.002, 9.0))) for seed in range(60))

    def set(self) -> Iterable[Plan]:
        return (plan for plan in map(plan_of, range(1_000)) if plan.of(SetClock))

    def test_frozen(self) -> None:
        """What lies in the socket is read before anything is judged."""
        failed = self.fails(self.frozen())
        self.assertIsNone(failed, failed and failed.broken)

    def test_frozen_is_found(self) -> None:
        """It is seen if somebody judges first."""
        self.patch(Hearing, "tick", lambda hearing, now: hearing.now(now) + 9.0)
        self.assertIsNotNone(self.fails(self.frozen()))

    def test_set_clock_is_found(self) -> None:
        """It is seen if lifetimes go by the time of day."""
        self.patch(WallClock, "steady_milliseconds", WallClock.milliseconds)
        self.assertIsNotNone(self.fails(self.set()))
