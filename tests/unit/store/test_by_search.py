"""The store under any order of what may be asked of it, by search: it always adds up, and tells of each end once.

A model that knows little and is easily trusted: which messages were accepted, what the network was told and said, which
events the broker has. After every step the database is reconciled, and its counters are compared with its rows.
"""

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.lifecycle import EndRules, MessageState, SegmentState
from smsconnector.messages import (
    DELIVERY_REPORT,
    INCOMING_MESSAGE,
    Event,
    Finality,
    IncomingSegment,
    Outcome,
    OutcomeOfParts,
    Receipt,
    Segment,
    Verdict,
)
from smsconnector.store import operations as ops
from smsconnector.store.offline.reconcile import reconcile
from smsconnector.store.repeats import AcceptOnce, RequestKey
from smsconnector.store.store import Store
from tests.unit.fakes import SINK, ask, confirm, message
from tests.unit.store.test_store import ACCOUNT, NOW, by_path

HOUR = 3_600_000
RULES = EndRules(several_ids={"several"})


class LifeOfTheStore(RuleBasedStateMachine):
    """Ids of the SMSC are 1000 + the segment's id, so that receipts may come before their response."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.mkdtemp(prefix="store-")
        self.path = str(Path(self.folder) / "sms.db")
        self.store = Store(self.path, rules=RULES)
        self.now = NOW
        self.process = 1
        self.next_id = 1
        self.segments: list[Segment] = []
        self.of_several: set[int] = set()  # ids of segments that a provider took with several ids
        self.told: dict[str, str] = {}  # event_id -> body, of every event that was ever seen
        self.texts = 0
        # What has to be told once: channel, id, and sender and text of a text.
        self.posted: set[tuple[str, ...]] = set()
        self.queues = ["smpp"]
        self.keyed: dict[str, tuple[str, int]] = {}  # by its key: the message, and until when the key is known

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.folder)

    def one(self, operation: ops.Operation | ops.Query) -> Any:
        return ask(self.store, [operation])[0]

    def pick(self, data: Any) -> Segment:
        return data.draw(st.sampled_from(self.segments[-12:]))  # type: ignore[no-any-return]

    # --- what applications and the network do ---------------------------------------------------------------

    @rule(count=st.integers(1, 3))
    def accept(self, count: int) -> None:
        accepted = message(f"SM{self.next_id}", *["x"] * count, at=self.now)
        queue = self.queues[self.next_id % len(self.queues)]
        self.one(ops.Accept(accepted, self.next_id, queue))
        self.segments += self.one(ops.LoadSegments(queue, self.next_id - 1, 10))
        self.next_id += count

    @rule(name=st.sampled_from("abc"), times=st.integers(1, 2))
    def accept_once(self, name: str, times: int) -> None:
        """However often it is asked for, and across restarts, until its key's time is over."""
        key = RequestKey("", name, "d", self.now, self.now + 2 * HOUR)
        asked = [message(f"SM{self.next_id + at}", "x", at=self.now) for at in range(times)]
        found = ask(
            self.store,
            [AcceptOnce(ops.Accept(one, self.next_id + at, self.queues[0]), key) for at, one in enumerate(asked)],
        )
        self.next_id += times
        known = self.keyed.get(name)
        is_known = known is not None and known[1] > self.now
        assert [one.is_queued for one in found] == [not is_known, False][:times]
        if not is_known:
            known = self.keyed[name] = asked[0].sid, key.known_until
        assert {one.sid for one in found} == {known[0] if known else ""}

    @precondition(lambda self: self.segments)
    @rule(data=st.data())
    def claim(self, data: Any) -> None:
        segment = self.pick(data)
        claimed = self.one(ops.Claim((segment.id,), self.process))
        assert claimed in ([], [segment.id])

    @precondition(lambda self: self.segments)
    @rule(data=st.data())
    def unclaim(self, data: Any) -> None:
        self.one(ops.Unclaim((self.pick(data).id,)))

    @precondition(lambda self: self.segments)
    @rule(data=st.data())
    def postpone(self, data: Any) -> None:
        self.one(ops.Postpone((self.pick(data).id,), self.now + 1))

    @precondition(lambda self: self.segments)
    @rule(data=st.data(), verdict=st.sampled_from(list(Verdict)))
    def outcome(self, data: Any, verdict: Verdict) -> None:
        segment = self.pick(data)
        if verdict is Verdict.DONE and segment.id in self.of_several:
            return  # who gives several ids tells of each, and is never done with the answer
        smsc_id = f"{1000 + segment.id}" if verdict is Verdict.ACCEPTED else None
        self.one(ops.Record(((Outcome(segment, verdict, ACCOUNT, smsc_id, 8), self.now + 1),), self.now))

    @precondition(lambda self: self.segments)
    @rule(data=st.data(), finality=st.sampled_from(list(Finality)), repeats=st.integers(1, 2))
    def receipt(self, data: Any, finality: Finality, repeats: int) -> None:
        segment = self.pick(data)
        said = Receipt(ACCOUNT, f"{1000 + segment.id}", finality, "000", finality.name, self.now, segment.destination)
        self.one(ops.Receive((said,) * repeats))

    @precondition(lambda self: self.segments)
    @rule(
        data=st.data(), finality=st.sampled_from(list(Finality)), which=st.sampled_from("ab"), is_by_path=st.booleans()
    )
    def report_of_a_part(self, data: Any, finality: Finality, which: str, is_by_path: bool) -> None:
        """Of one of several ids, to the text's own callback or to one for all."""
        segment = self.pick(data)
        own_id = segment.sid if segment.count == 1 else f"{segment.sid}-{segment.number}"
        said = Receipt("several", f"{segment.id}-{which}", finality, "000", finality.name, self.now)
        self.one(ops.Receive((by_path(said, own_id) if is_by_path else said,)))

    @precondition(lambda self: self.segments)
    @rule(data=st.data(), ids=st.sampled_from(["a", "ab", "abc"]), one_report=st.booleans())
    def several_ids(self, data: Any, ids: str, one_report: bool) -> None:
        segment = self.pick(data)
        first, *others = (f"{segment.id}-{one}" for one in ids)
        self.of_several.add(segment.id)
        outcome = Outcome(segment, Verdict.ACCEPTED, "several", first)
        if others:
            outcome = OutcomeOfParts(
                segment, Verdict.ACCEPTED, "several", first, other_ids=tuple(others), one_report=one_report
            )
        self.one(ops.Record(((outcome, 0),), self.now))

    @rule(count=st.integers(1, 2), number=st.integers(1, 2), reference=st.integers(1, 2), new=st.booleans())
    def text(self, count: int, number: int, reference: int, new: bool) -> None:
        self.texts += new
        part = IncomingSegment(
            "smpp", ACCOUNT, "923001234567", "8228", f"t{self.texts}", self.now, reference, min(number, count), count
        )
        self.one(ops.Incoming((part,)))

    @rule(channel=st.sampled_from(["a", "a-b"]), sid=st.sampled_from(["7", "b-7", "SM1"]), new=st.integers(1, 2))
    def posted_text(self, channel: str, sid: str, new: int) -> None:
        """By a provider, which may use its ids again."""
        self.posted.add((channel, sid, f"+{new}", f"p{new}"))
        self.one(ops.Incoming((IncomingSegment(channel, channel, f"+{new}", "8228", f"p{new}", self.now, sid=sid),)))

    @rule(
        channel=st.sampled_from(["a", "a-b"]),
        sid=st.sampled_from(["7", "b-7"]),
        finality=st.sampled_from([Finality.PROGRESS, Finality.DELIVERED, Finality.FAILED]),  # a provider's words
    )
    def posted_status(self, channel: str, sid: str, finality: Finality) -> None:
        """Of a message that is not ours."""
        if finality is not Finality.PROGRESS:
            self.posted.add((channel, sid))
        said = Receipt(channel, sid, finality, "000", finality.name, self.now)
        self.one(ops.Receive((said,), report_unknown=True, channel=channel))

    # --- time, the broker, restarts -------------------------------------------------------------------------

    @rule(ahead=st.sampled_from([1_000, 60_000, HOUR // 2, HOUR]))
    def time_passes(self, ahead: int) -> None:
        self.now += ahead
        self.one(ops.Sweep(self.now, self.now - 300_000))

    @rule(limit=st.integers(0, 5))
    def publish(self, limit: int) -> None:
        events = self.events()[:limit]
        self.one(confirm(events, self.now))

    @rule(data=st.data(), limit=st.integers(1, 3), refused=st.booleans())
    def park(self, data: Any, limit: int, refused: bool) -> None:
        """The broker does not take some of those that it has, in whatever order."""
        events = data.draw(st.permutations(self.events()[:5]))[:limit]
        parked = tuple(ops.ParkedEvent(event.id, event.kind, 1, self.now + 1_000, "no") for event in events)
        self.one(ops.ParkEvents(SINK, parked, refused, 0, self.now))

    @rule(kind=st.sampled_from([DELIVERY_REPORT, INCOMING_MESSAGE]), limit=st.integers(0, 3), taken=st.booleans())
    def try_parked(self, kind: str, limit: int, taken: bool) -> None:
        """Some are due: they are taken at last, or parked again."""
        for event in self.one(ops.LoadParkedEvents(SINK, kind, self.now, 10))[:limit]:
            assert self.told.setdefault(event.event_id, event.body) == event.body, "one id, two contents"
            if taken:
                self.one(ops.Confirm(SINK, (event.id,), 0, self.now))
            else:
                again = ops.ParkedEvent(event.id, event.kind, event.attempts + 1, self.now + 60_000, "still no")
                self.one(ops.ParkEvents(SINK, (again,), True, 0, self.now))

    @rule(texts=st.sampled_from([0, HOUR]), limit=st.integers(1, 3))
    def purge(self, texts: int, limit: int) -> None:
        self.events()
        self.one(ops.Purge(self.now - texts, self.now - 2 * HOUR, limit))

    @rule(settle=st.booleans())
    def restart(self, settle: bool) -> None:
        self.store.close()
        self.store = Store(self.path, rules=RULES)
        self.process += 1
        if settle:
            self.one(ops.Settle(self.now, self.process))

    @rule(queues=st.lists(st.sampled_from(["a", "smpp", "z"]), min_size=1, unique=True), limit=st.integers(1, 4))
    def reconfigure(self, queues: list[str], limit: int) -> None:
        """Other routes serve the channel: nothing that waits is left where no one comes for it."""
        self.queues, place, moved = queues, ops.BEGINNING, 0
        while place is not None:
            some, left, place = self.one(ops.Requeue(tuple(queues), lambda channel, number: queues[0], place, limit))
            moved += some
            assert not left
        waiting = self.store._connection.execute("SELECT queue FROM segment WHERE state = 0").fetchall()
        assert {queue for (queue,) in waiting} <= set(queues)
        assert moved <= len(waiting)

    # --- what always holds ----------------------------------------------------------------------------------

    def events(self) -> list[Event]:
        events: list[Event] = self.one(ops.LoadEvents(SINK, 0, 10_000))
        for event in events:
            assert self.told.setdefault(event.event_id, event.body) == event.body, "one id, two contents"
        return events

    @invariant()
    def one_report_each(self) -> None:
        self.events()
        sids = [json.loads(body)["MessageSID"] for event_id, body in self.told.items() if event_id.startswith("dr-")]
        assert len(sids) == len(set(sids)), sids

    @invariant()
    def what_providers_post_is_told_once(self) -> None:
        """Each under an id of its own, as of its own channel."""
        self.events()
        told = sorted(
            (event_id.split("/")[1], *(body[name] for name in ("MessageSID", "SmsSid", "From", "Body") if name in body))
            for event_id, text in self.told.items()
            if "/" in event_id and (body := json.loads(text))
        )
        assert told == sorted(self.posted), (told, self.posted)

    @invariant()
    def ends_are_told_and_kept(self) -> None:
        self.events()
        for sid in {f"SM{one.message_id}" for one in self.segments[-12:]}:
            found = self.one(ops.Find(sid))
            if found is None:  # purged, so it had an end
                assert f"dr-{sid}" in self.told
                continue
            assert (found.state != MessageState.ACTIVE) == (f"dr-{sid}" in self.told), found
            if found.state == MessageState.DELIVERED:
                assert {segment.state for segment in found.segments} == {SegmentState.DELIVERED}, found

    @invariant()
    def every_part_is_delivered(self) -> None:
        """No segment is delivered before each id is for which it waits."""
        wrong = self.store._connection.execute(
            f"SELECT count(*) FROM provider_id AS i JOIN segment AS s ON s.id = i.segment"
            f" WHERE s.state = {SegmentState.DELIVERED:d} AND i.awaited AND i.told <> {Finality.DELIVERED:d}"
        ).fetchone()
        assert wrong == (0,)

    @invariant()
    def it_adds_up(self) -> None:
        assert reconcile(self.path).faults == []
        connection = self.store._connection
        queued = connection.execute("SELECT count(*) FROM segment WHERE state IN (0, 1)").fetchone()[0]
        parked = connection.execute("SELECT count(*) FROM parked_receipt").fetchone()[0]
        settled = "(SELECT id / 64 FROM confirmation UNION SELECT id / 64 FROM parked_event)"
        events = connection.execute(f"SELECT count(*) FROM outbox WHERE id NOT IN {settled}").fetchone()[0]
        aside = connection.execute("SELECT count(*) FROM parked_event").fetchone()[0]
        found = self.one(ops.Measure())
        counted = (found.queued, found.parked, found.waiting_events, found.parked_events)
        assert counted == (queued, parked, events, aside)


class SearchCase(SynchronousTestCase):
    def test_life_of_the_store(self) -> None:
        """The state machine above."""
        case = LifeOfTheStore.TestCase
        case.settings = settings(
            max_examples=20, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
        )
        case("runTest").runTest()
