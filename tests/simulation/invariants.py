"""What has to be true after a run, told from outside wherever that is possible: from what the application, the SMSCs
and the broker saw.

I1 every message with a 200 has one final report, and nothing else has one;
I2 no submit without a reason: the one before it was not taken, or nobody can know; and none by a bind that does not
   serve its number in the configuration of the day;
I3 what was acknowledged to the SMSC, or to the provider with a 200, had its effect, once;
I4 every event has one id and one content, and comes again only where its confirmation was lost;
I5 two texts to one number are submitted in the order of their 200s;
I6 no error in the log, no stop that hangs, nothing left in memory or in the store;
I7 every event that the webhook wants reaches it, with one content for each id, again only where its answer was lost;
   the texts of a number in their order; and neither sink waits for the other (``webhook_laws``);
I8 what is sent through HTTP providers is sent again only with a reason, and ends as they say (``gateway_laws``);
I9 what falls back to another channel does so with a reason, and never has two channels (``fall_laws``);
I10 what the application has taken back is not sent (``cancel_laws``);
I11 a text that is posted again and again under one key is one message, and each 200 names it (``key_laws``);
I12 no text is sent before its time (``later_laws``);
I13 an interactive text is not overtaken by more bulk ones than their share (``later_laws``);
I14 the report of a message with a callback reaches its host in the end, and no other does (``callback_laws``).

Whether the daemon *knows* what reached it is decided so: it lived on until it could have written it, ``SETTLED``
seconds without a fault of the disk. Where a crash came in between, either is right.
"""

import json
import math
import re
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise, takewhile
from typing import Any, NamedTuple

from smsconnector.channels.provider.channel import ProviderChannel
from smsconnector.channels.smpp.channel import SMPPChannel
from smsconnector.channels.smpp.connection import SESSION_TICK
from smsconnector.lifecycle import (
    CODE_ACCEPTED,
    CODE_CANCELLED,
    CODE_EXPIRED,
    CODE_NO_FAILURE,
    CODE_NO_RECEIPT,
    CODE_OPTED_OUT,
    CODE_UNKNOWN,
    MessageState,
)
from smsconnector.net.endpoints import CONNECT_TIMEOUT
from smsconnector.net.hearing import MOST
from smsconnector.smpp.constants import Status
from smsconnector.walks.pauses import pause_after
from smsconnector.walks.throttled import LONG_PAUSE
from tests.simulation.application import PATIENCE, Request, body_of, number_of
from tests.simulation.broker import Published
from tests.simulation.callback_laws import callbacks
from tests.simulation.cancel_laws import taken_back
from tests.simulation.clock import EPOCH, Machine
from tests.simulation.disk import CONFIRMED, CONFIRMED_2
from tests.simulation.fall_laws import falls
from tests.simulation.gateway_laws import gateways
from tests.simulation.key_laws import keys
from tests.simulation.later_laws import later, shares
from tests.simulation.plan import (
    BATCHED,
    PIPELINED,
    Crash,
    Disk,
    Fate,
    Forgotten,
    Freeze,
    Full,
    Mo,
    Outage,
    Refusal,
    Reload,
    SetClock,
    Silence,
    Stop,
    Text,
    TornFile,
    may_overtake,
)
from tests.simulation.smsc import MO_TAG, RESPONSE_TIMEOUT, TAG, UNCLEAR, Delivered, Submit, text_of_mo
from tests.simulation.webhook_laws import webhook
from tests.simulation.world import (
    ATTEMPTS,
    INCOMING_TIMEOUT,
    LIMITED,
    RECEIPT_GRACE,
    RECEIPT_TIME,
    RESENDS,
    World,
    hosts_for,
)

SMALLEST_WINDOW = 2
RELOAD_TIME = 12.0  # seconds: what is replaced drains, and its responses are waited for; then it connects
LONGEST_BACK_OFF = 8.0  # seconds: until what is refused for now is tried again, and a little
OURS = re.compile(r"dr-SM[0-9a-f]{32}|in-smpp-SM[0-9a-f]{32}")  # event ids of the channel smpp
PROVIDERS = re.compile(r"(?:dr|in)/(?P<channel>smpp|smpp-b|listed)/.+")
SETTLED = 1.6  # seconds: a record that failed is tried again after one, and a commit takes a while
NOT_TAKEN_FOR_NOW = {
    Status.ESME_RTHROTTLED,
    Status.ESME_RMSGQFUL,
    Status.ESME_RSYSERR,
    Status.ESME_RINVBNDSTS,
}
THROTTLES = {Status.ESME_RTHROTTLED, Status.ESME_RMSGQFUL}
SHORTEST_OF_SPREAD = 0.75  # of a pause
SHORTEST_POSTPONEMENT = 2.0  # seconds that a throttled segment is on disk, if memory holds next to nothing
HOUR = 3600.0  # seconds
Broken = tuple[str, str]  # which invariant, and how


def check(world: World) -> list[Broken]:
    """Everything that is not as it has to be."""
    facts = Facts(world)
    found: list[Broken] = [("I6", problem) for problem in world.problems]
    laws = (
        _reports,
        _submits,
        _receipts,
        _opted_out,
        _texts,
        _hooks,
        _events,
        _order,
        _store,
        webhook,
        gateways,
        falls,
        taken_back,
        keys,
        later,
        shares,
        callbacks,
    )
    for law in laws:
        found += law(facts)
    return found


class Stored(NamedTuple):
    """A message in the store; times on the simulation's clock."""

    sid: str
    segments: int
    accepted_at: float
    final_at: float
    expires_at: float  # the end of its lifetime
    channel: str  # that has it, or has moved it to another

    @property
    def report_by(self) -> float:
        """When its receipts have had their time."""
        return self.expires_at + RECEIPT_TIME


class Facts:
    """What is known about a run, in the words of the invariants."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.setups = {world.plan.setup_of(life) for life in range(1, len(world.lives) + 1)}
        self.strict = all("strict" in setup for setup in self.setups)
        self.are_moved = any(one.what in ("prefix added", "bind removed") for one in world.plan.of(Reload))
        self.ended = {machine: ended for machine, _, ended in world.lives if ended is not None}
        self.disk = [(step.at, step.at + step.seconds) for kind in (Disk, Freeze) for step in world.plan.of(kind)]
        rows, self.outbox, self.under_way, self.owed = world.rows(
            "SELECT m.sid, m.segments, m.accepted_at, m.final_at, m.expires_at, m.channel, m.state, s.text"
            " FROM message AS m JOIN segment AS s ON s.id = m.id ORDER BY m.id",
            f"SELECT event_id, {CONFIRMED} FROM outbox",
            "SELECT (SELECT count(*) FROM message WHERE state IN (0, 3)),"
            " (SELECT count(*) FROM segment WHERE state IN (0, 1))",
            f"SELECT event_id, kind, created_at, body, {CONFIRMED_2} FROM outbox ORDER BY id",
        )
        down = sum(step.seconds for step in world.plan.steps if isinstance(step, Disk | Freeze | Crash | Stop))
        self.late = 5.0 + 2.0 + down + 10 * world.plan.slowness  # seconds: a sweep comes every five
        self.texts_by_number = {one.number: one for one in world.plan.of(Text)}
        self.opted_out = {one.opted_out: one for one in world.ledger.deliveries if one.opted_out}
        self.stored: dict[tuple[int, int], Stored] = {}
        self.moved: dict[tuple[int, int], list[Stored]] = defaultdict(list)  # from a channel to the next
        self.sids: dict[tuple[int, int], list[str]] = defaultdict(list)  # of all messages with that tag that stayed
        for sid, segments, accepted_at, final_at, expires_at, channel, state, text in rows:
            found = TAG.search(text)
            assert found is not None
            tag = int(found[1]), int(found[2])
            times = world.time.of_stamp(accepted_at), world.time.of_stamp(final_at or 0), expires_at / 1000 - EPOCH
            one = Stored(sid, segments, *times, channel)
            if state == MessageState.MOVED:
                self.moved[tag].append(one)
            else:
                self.stored[tag] = one
                self.sids[tag].append(sid)
        self.submits: dict[tuple[tuple[int, int], int], list[Submit]] = defaultdict(list)
        for submit in world.ledger.submits:
            self.submits[submit.key].append(submit)
        self.hooks = world.provider.all
        self.hooked_texts = {
            (one.hook.channel, json.dumps(told)) for one in self.hooks if one.is_text for told in one.told
        }
        self.reports: dict[str, list[tuple[Published, Any]]] = defaultdict(list)
        self.texts: list[tuple[Published, Any]] = []
        self.cancelled: set[tuple[int, int]] = set()  # by their reports; the law of these is their own
        for event in world.broker.events:
            body = json.loads(event.body)
            if event.destination == "/queue/delivery-report":
                self.reports[body["MessageSID"]].append((event, body))
            else:
                self.texts.append((event, body))

        for tag, stored in self.stored.items():
            if any(body["ProviderStatusCode"] == CODE_CANCELLED for _, body in self.reports.get(stored.sid, ())):
                self.cancelled.add(tag)

    def channel_of(self, tag: tuple[int, int]) -> str:
        """The channel that the application has named for that text."""
        text = self.texts_by_number.get(tag[0])
        return text.channel if text is not None else "smpp"

    def settled(self, life: Machine, at: float) -> bool:
        """Whether that life lasted long enough to write what it knew at that time."""
        end = at + SETTLED + self.world.plan.slowness * 3
        for begin, until in sorted(self.disk):
            if begin <= end and until >= at:
                end = max(end, until + SETTLED + self.world.plan.slowness * 3)
        died = self.ended.get(life)
        return died is None or died > end

    def on_channel(self, tag: tuple[int, int], channel: str) -> Stored | None:
        """The message as which the text was with that channel."""
        every = [*self.moved.get(tag, ()), *([self.stored[tag]] if tag in self.stored else [])]
        return next((one for one in every if one.channel == channel), None)

    def moved_at(self, tag: tuple[int, int]) -> float:
        """When the text came to the channel that has it now, if it has fallen back."""
        return max((one.final_at for one in self.moved.get(tag, ())), default=0.0)

    def hindered(self, tag: tuple[int, int], expires_at: float) -> bool:
        """Whether something kept the daemon from submitting a text that expires then: the last seconds of its lifetime
        were not enough to come back from what was wrong."""
        plan, wrong, to = self.world.plan, self.moved_at(tag), self.texts_by_number[tag[0]].to
        strict = any("strict" in setup for setup in self.setups)
        for step in plan.steps:
            if isinstance(step, Full) and (step.to == to or (plan.small and strict)):  # its flood fills the lanes
                wrong = max(wrong, step.at + step.seconds + LONGEST_BACK_OFF)
            if isinstance(step, Forgotten):  # found out by three enquire_links
                wrong = max(wrong, step.at + step.seconds + 20.0)
            if isinstance(step, Reload):  # binds drain, and connect again; what is under way is waited for
                wrong = max(wrong, step.at + RELOAD_TIME)
            if isinstance(step, Outage | Silence | Refusal | Disk | Freeze | TornFile):
                pace = 31.0 if isinstance(step, Refusal) else 2 * step.seconds + 5.0
                pace += CONNECT_TIMEOUT if isinstance(step, Outage) else 0.0  # an attempt that nobody answers
                wrong = max(wrong, step.at + step.seconds + pace)
        wrong = max([wrong, *(began for _, began, _ in self.world.lives[1:])])
        slow = sum(
            4.0 if one.attempt else math.inf  # each try, whatever the time
            for one in plan.of(Fate)
            if one.what not in ("progress", "twice", "undelivered")
        )
        hold, texts = any("hold" in setup for setup in self.setups), plan.of(Text)
        rounds = len(texts) if hold else sum(text.segments for text in texts) / SMALLEST_WINDOW  # one after the other
        return wrong + slow + 3.0 + (4 + 2 * rounds) * plan.slowness > expires_at

    def hosts(self, submit: Submit) -> set[str]:
        """Who might have got it, by the configuration of that moment."""
        ways = [way for way in self.world.ways if way[0] <= submit.sent_at]
        then = [way for way in ways if way[0] == submit.sent_at] + [way for way in ways if way[0] < submit.sent_at][-1:]
        return set[str]().union(*(hosts_for(setup, submit.destination, changed) for _, setup, changed in then))

    def heard(self, begin: float, end: float) -> float:
        """Seconds in which the daemon could hear anybody; each time that it was frozen counts a little."""
        frozen = [min(end, until) - max(begin, since) for since, until in self.world.frozen]
        return end - begin - sum(max(0.0, seconds - MOST) for seconds in frozen)

    def silent_response(self, submit: Submit) -> bool:
        """Whether the daemon may have given up waiting for it."""
        left = submit.connection.left_at
        return (
            submit.answered_at is None
            or self.heard(submit.sent_at, submit.answered_at) >= RESPONSE_TIMEOUT
            or (left is not None and submit.answered_at >= left)
        )

    def came_too_late(self, submit: Submit) -> bool:
        """Whether the daemon had surely given up before the response came: it looks at the time now and then only."""
        left, answered_at = submit.connection.left_at, submit.answered_at
        assert answered_at is not None
        is_late = self.heard(submit.sent_at, answered_at) >= RESPONSE_TIMEOUT + 2 * SESSION_TICK
        return is_late or (left is not None and answered_at > left)  # it may come with an unbind

    def ended_with(self, submit: Submit, at: float) -> bool:
        """Whether an answer for good had come by then."""
        return submit.answered_at is not None and submit.answered_at <= at and submit.status not in NOT_TAKEN_FOR_NOW

    def used_up(self, submits: list[Submit], at: float) -> bool:
        """Whether a segment had ended by then because nobody knew what became of so many tries. A kill may come before
        that is on disk: then it is tried once more."""
        unknown = [one for one in submits if self.silent_response(one)]
        return len(unknown) > RESENDS and self.gave_up(submits[-1], at)

    def under_way_at(self, submit: Submit, at: float) -> bool:
        """Whether the daemon that wrote it was waiting for the answer then."""
        answered = submit.answered_at is not None and submit.answered_at <= at
        return not answered and self.ended.get(submit.life, at + 1) > at and not self.gave_up(submit, at)

    def gave_up(self, submit: Submit, at: float) -> bool:
        """Whether the daemon that wrote it had stopped waiting by then."""
        until = min(at, self.ended.get(submit.life, at))
        ends = (submit.connection.cut_at, submit.connection.left_at)
        return self.heard(submit.sent_at, until) >= RESPONSE_TIMEOUT or any(
            end is not None and end <= until for end in ends
        )

    def to_retry(self, submit: Submit, at: float) -> bool:
        """Whether it was to be tried again by then, for another reason than a throttle."""
        if submit.answered_at is not None and submit.answered_at <= at and not self.silent_response(submit):
            return submit.status in (Status.ESME_RSYSERR, Status.ESME_RINVBNDSTS)
        return self.gave_up(submit, at)

    def waits_unclaimed(self, submits: list[Submit], final_at: float) -> bool:
        """Whether the last submit before a kill was throttled, and in a pause that is long enough for its claim to be
        given back when the process died. Then nothing ends it at the start of the next life."""
        last = next((one for one in reversed(submits) if one.sent_at <= final_at), None)
        if last is None or last.status not in THROTTLES or last.answered_at is None:
            return False
        died = self.ended.get(last.life)
        if died is None or "hold" not in last.life.setup:
            return False
        if any(self.silent_response(one) for one in submits):
            return False
        its = [one for one in reversed(submits) if one.life is last.life]
        pause = pause_after(len(list(takewhile(lambda one: one.status in THROTTLES, its))))
        if pause <= LONG_PAUSE or any(until > last.answered_at and begin < died for begin, until in self.disk):
            return False
        until = SHORTEST_OF_SPREAD * pause
        until = min(until, SHORTEST_POSTPONEMENT) if self.world.plan.small else until
        return last.answered_at + 0.1 + 4 * self.world.plan.slowness < died < last.answered_at + until

    def unknown_on_disk(self, submit: Submit, next_one: Submit) -> bool:
        """Whether the daemon counted this one as unknown before it sent the next: it waited for the answer in vain, and
        lived on. What a kill leaves under way is counted by nobody."""
        answered = submit.answered_at is not None and submit.answered_at <= next_one.sent_at
        if submit.life is not next_one.life or (answered and not self.came_too_late(submit)):
            return False
        return self.gave_up(submit, next_one.sent_at)

    def known(self, submit: Submit) -> bool:
        return not self.silent_response(submit) and self.settled(submit.life, submit.answered_at or 0.0)


# --- I1 -------------------------------------------------------------------------------------------------------


def _reports(facts: Facts) -> Iterator[Broken]:
    known = {sid for sid, *_ in facts.stored.values()} | {one.sid for one in facts.hooks}
    for sid in facts.reports.keys() - known:
        yield "I1", f"a report about {sid}, which is no message"
    for request in facts.world.application.requests:
        yield from _report_of(facts, request)
    for tag, (sid, *_) in facts.stored.items():
        contents = {event.body for event, _ in facts.reports.get(sid, ())}
        if len(contents) != 1:
            yield "I1", f"message {tag} has {len(contents)} reports"


def _report_of(facts: Facts, request: Request) -> Iterator[Broken]:
    stored = facts.stored.get(request.tag)
    if request.status == 200:
        if stored is None or stored[0] != request.sid:
            yield "I1", f"text {request.tag} got 200 and {request.sid}, and is not in the store"
        elif not facts.reports.get(request.sid):
            yield "I1", f"text {request.tag} got 200, and no report"
    elif request.status is not None and stored is not None and not request.text.again:
        yield "I1", f"text {request.tag} got {request.status}, and was accepted"
    if request.status is None and request.text.hangup in ("", "slow request", "half closed", PIPELINED, BATCHED):
        died = facts.ended.get(request.life, math.inf)
        closed = request.ended_at is not None and died > request.ended_at  # by a daemon that lived on
        if died - request.begun_at > PATIENCE or (closed and request.text.hangup == "half closed"):
            yield "I6", f"text {request.tag} got no answer"
    if stored is not None and stored.final_at > stored.report_by + facts.late:
        yield "I1", f"text {request.tag} ended at {stored.final_at:.3f}, long after the time for receipts"
    if request.status not in (None, 200, 503):
        yield "I1", f"text {request.tag} got {request.status}"


# --- I2 -------------------------------------------------------------------------------------------------------


def _submits(facts: Facts) -> Iterator[Broken]:
    for key, submits in facts.submits.items():
        if key[0] not in facts.stored:
            yield "I2", f"segment {key} is submitted, and no message"
            continue
        expected = body_of(next(one.text for one in facts.world.application.requests if one.tag == key[0]), key[0][1])
        for one in submits:
            if one.connection.host not in facts.hosts(one):
                yield "I2", f"segment {key} is submitted by {one.connection.host} at {one.sent_at:.3f}, a forbidden way"
        if any(submit.text not in expected for submit in submits):
            yield "I2", f"segment {key} has another text"
        for before, after in pairwise(submits):
            reason = _may_follow(facts, before, after)
            if reason:
                yield "I2", f"segment {key} is submitted again at {after.sent_at:.3f}: {reason}"
        copies = sum(facts.unknown_on_disk(before, after) for before, after in pairwise(submits))
        if copies > RESENDS:
            yield "I2", f"segment {key} is sent again after {copies} outcomes that nobody knows"
    yield from _after_the_end(facts)


def _may_follow(facts: Facts, before: Submit, after: Submit) -> str:
    """ "" if the submit ``after`` has its reason in what became of the one before."""
    answered = before.answered_at is not None and before.answered_at <= after.sent_at
    if answered and before.status in NOT_TAKEN_FOR_NOW:
        return ""
    if "hold" in before.life.setup:
        return "the policy is hold, and the first one may have been taken"
    if before.life is not after.life:
        knew = answered and facts.known(before)
        return f"the daemon knew at {before.answered_at:.3f} that the answer was {before.status}" if knew else ""
    if answered and not facts.silent_response(before):
        return f"the answer of {before.answered_at:.3f} was {before.status}"
    if not facts.gave_up(before, after.sent_at):
        return "nothing was known of the first one yet"
    late = answered and before.status == 0 and _heard(before) and (before.answered_at or 0.0) < after.sent_at - 0.01
    return f"the answer was late, and said at {before.answered_at:.3f} that it was taken" if late else ""


def _heard(submit: Submit) -> bool:
    """Whether the daemon read the answer, late or not: the connection was still there."""
    left, cut = submit.connection.left_at, submit.connection.cut_at
    return all(end is None or (submit.answered_at or 0.0) < end for end in (left, cut))


def _after_the_end(facts: Facts) -> Iterator[Broken]:
    """Nothing is submitted of a message that has had its report."""
    for tag, (sid, _, _, final_at, *_) in facts.stored.items():
        reports = facts.reports.get(sid)
        for submit in facts.world.ledger.submits if reports else ():
            if submit.request == tag and submit.sent_at > min(event.at for event, _ in reports or ()) + 0.001:
                yield "I2", f"message {tag} is submitted at {submit.sent_at:.3f}, ended at {final_at:.3f}"


# --- I3 -------------------------------------------------------------------------------------------------------


def _receipts(facts: Facts) -> Iterator[Broken]:
    for tag, stored in facts.stored.items():
        reports = facts.reports.get(stored.sid)
        if reports and stored.channel == "smpp" and tag not in facts.cancelled:
            body = reports[0][1]
            segments = [facts.submits.get((tag, number), []) for number in range(1, stored.segments + 1)]
            yield from _verdict(facts, tag, body, segments, stored)
    for one in facts.world.ledger.deliveries:
        if one.refused:
            yield "I3", f"a deliver_sm was refused for good with {one.refused}"


def _verdict(facts: Facts, tag: Any, body: Any, segments: list[list[Submit]], stored: Stored) -> Iterator[Broken]:
    final_at = stored.final_at
    status, code = body["DeliveryStatus"], body["ProviderStatusCode"]
    if status == "DELIVERED" and code in (CODE_ACCEPTED, CODE_NO_FAILURE):
        taken = all(any(one.status == 0 and one.answered_at is not None for one in submits) for submits in segments)
        asked = {CODE_ACCEPTED: "no receipts", CODE_NO_FAILURE: "failures"}[code] in facts.setups
        if not taken or not asked or (code == CODE_NO_FAILURE and final_at < stored.report_by - 0.01):
            yield "I3", f"message {tag} is DELIVERED ({code}) without a reason"
        return
    if status == "DELIVERED":
        if code != "000":
            yield "I3", f"message {tag} is DELIVERED, with the code {code!r}"
        silent = [
            submits
            for submits in segments
            if not any(_receipt_says(facts, one, final_at, sure=False) for one in submits)
        ]
        if silent and not _one_told_for_all(facts, segments, silent, stored):
            yield "I3", f"message {tag} is DELIVERED ({code}), and not all its receipts said so"
        if any(_certain(facts, submits, final_at) is False for submits in segments):
            yield "I3", f"message {tag} is DELIVERED, and a receipt said it is not"
        return
    if all(_certain(facts, submits, _clear_by(submits, stored)) for submits in segments):
        yield "I3", f"message {tag} is FAILED ({code}), and all its receipts said DELIVRD in time"
    if code == CODE_NO_RECEIPT and any(_told_unclearly(facts, submits, stored) for submits in segments):
        yield "I3", f"message {tag} is NO_RECEIPT, and what a receipt told unclearly is forgotten"
    if not _failure_has_a_reason(facts, tag, code, segments, stored):
        yield "I3", f"message {tag} is FAILED ({code}) at {final_at:.3f} without a reason"


def _told_unclearly(facts: Facts, submits: list[Submit], stored: Stored) -> bool:
    """Whether the daemon must know of an unclear receipt for this segment, and there is time to tell its code."""
    if not submits or not facts.known(submits[-1]) or submits[-1].status != 0 or facts.disk:
        return False
    until = min(stored.final_at, stored.report_by) - 1.0
    finals = [one for one in submits[-1].receipts if one.final is not None]
    unclear = any(at <= until for one in finals if one.final in UNCLEAR for at in one.acknowledged_at)
    told = [at for one in finals if one.final not in UNCLEAR for at in one.reached_at]
    clear = any(at <= until + 1.0 for at in told)  # it takes the place of the other, as late as it comes
    return unclear and not clear and not any(one.taken for one in submits[:-1])


def _clear_by(submits: list[Submit], stored: Stored) -> float:
    """Until when a clear receipt of this segment counts for sure: the time for receipts, and the grace after the first
    unclear one."""
    unclear = [at for submit in submits for one in submit.receipts if one.final in UNCLEAR for at in one.reached_at]
    return min([stored.report_by, *(at + RECEIPT_GRACE for at in unclear)])


def _one_told_for_all(facts: Facts, segments: list[list[Submit]], silent: list[list[Submit]], stored: Stored) -> bool:
    """Whether the silent segments may be presumed to be delivered, because others were: each was taken, and the grace
    after a receipt for another one was over, or the time for receipts was."""
    told = [
        at
        for submits in segments
        for submit in submits
        for one in submit.receipts
        if one.delivered
        for at in one.reached_at
        if at <= stored.final_at
    ]
    taken = all(any(one.status == 0 and one.answered_at is not None for one in submits) for submits in silent)
    late = facts.world.plan.slowness * 2 + 0.05
    return taken and bool(told) and stored.final_at >= min(min(told) + RECEIPT_GRACE, stored.report_by) - late


def _receipt_says(facts: Facts, submit: Submit, before: float, sure: bool) -> bool | None:
    """What the SMSC's receipt for this submit told the daemon; ``sure``: and it was acknowledged."""
    commit = 0.0 if sure else 2 * facts.world.plan.slowness  # what is written together has the time of the first
    mended = commit if facts.world.plan.of(SetClock) else 0.0  # a stamp behind a step, by a sweep from before it
    answered = (submit.answered_at or math.inf) <= before + commit + 0.002
    if submit.registered_delivery == 0 and submit.status == 0 and answered:
        return True  # no receipt was asked for
    for one in submit.receipts:
        times = one.acknowledged_at if sure else one.reached_at
        if one.delivered is not None and any(at <= before + mended + 0.002 for at in times):
            return one.delivered
    return None


def _certain(facts: Facts, submits: list[Submit], until: float) -> bool | None:
    """What the daemon must know of a segment: its last submit's id, and an acknowledged receipt in good time."""
    if not submits:
        return None
    last = submits[-1]
    if last.status != 0 or not facts.known(last) or any(one.taken and one.status == 0 for one in submits[:-1]):
        return None
    return _receipt_says(facts, last, until - 1.0 if not facts.disk else until - 6.0, sure=True)


def _opted_out(facts: Facts) -> Iterator[Broken]:
    """From the acknowledgement of a STOP on, no text that is accepted for that number, or becomes due, is submitted."""
    for request in facts.world.application.requests:
        word = facts.opted_out.get(request.destination)
        if word is None or request.status != 200 or request.tag not in facts.stored or request.text.channel != "smpp":
            continue
        codes = [body["ProviderStatusCode"] for _, body in facts.reports.get(request.sid, ())]
        begun_at = min(one.begun_at for one in facts.world.application.requests if one.tag == request.tag)
        judged_at = request.answered_at or 0.0
        if request.text.later:
            begun_at = max(begun_at, request.text.at + request.text.later)
            judged_at = max(judged_at, facts.stored[request.tag].final_at)
        after = bool(word.acknowledged_at) and begun_at > min(word.acknowledged_at)
        after = after and request.tag not in facts.cancelled
        before = not word.reached_at or judged_at < min(word.reached_at)
        submitted = any(one.request == request.tag for one in facts.world.ledger.submits)
        if after and (submitted or set(codes) != {CODE_OPTED_OUT}):
            yield "I3", f"text {request.tag} to who has opted out: {codes}, submitted: {submitted}"
        if CODE_OPTED_OUT in codes and (before or submitted):
            yield "I3", f"text {request.tag} is OPTED_OUT, submitted: {submitted}, and the STOP came {word.reached_at}"


def _failure_has_a_reason(facts: Facts, tag: Any, code: Any, segments: list[list[Submit]], stored: Stored) -> bool:
    if code == CODE_OPTED_OUT:
        return number_of(facts.texts_by_number[tag[0]].to) in facts.opted_out
    expires_at, final_at = stored.expires_at, stored.final_at
    everything = [submit for submits in segments for submit in submits]
    overdue = final_at >= expires_at - 0.01
    in_time = final_at - 2 * facts.world.plan.slowness  # for what was answered to be on disk before the end
    taken = [
        any(facts.known(one) and one.status == 0 and (one.answered_at or 0.0) < in_time for one in some)
        for some in segments
    ]
    if code == CODE_UNKNOWN:
        return _nobody_knows(facts, segments, overdue, final_at)
    if code == CODE_EXPIRED:
        return overdue and facts.hindered(tag, expires_at) and not all(taken)
    if code == CODE_NO_RECEIPT:
        return final_at >= stored.report_by - 0.01 or (overdue and not all(taken))
    if isinstance(code, int) and code < 0x400:
        used_up = not facts.setups.isdisjoint(LIMITED) and any(len(submits) >= ATTEMPTS for submits in segments)
        return any(one.status == code for one in everything) and (code not in NOT_TAKEN_FOR_NOW or used_up)
    can_wait = not (overdue and not all(taken))  # else nothing better can come: what is unclear counts at once
    return any(_told_failure(facts, one, code, stored, can_wait) for submit in everything for one in submit.receipts)


def _told_failure(facts: Facts, receipt: Delivered, code: Any, stored: Stored, can_wait: bool) -> bool:
    """Whether this receipt told of a failure with that code, and counts for one: an unclear one when the grace or the
    time for receipts was over, unless there is nothing to wait for."""
    if receipt.final is None or code != receipt.final.err.decode():
        return False
    reached = [at for at in receipt.reached_at if at <= stored.final_at + 0.002]
    if receipt.final not in UNCLEAR:
        return receipt.delivered is False and bool(reached)
    if not can_wait:
        return bool(reached)
    late = facts.world.plan.slowness * 2 + 0.05
    return bool(reached) and stored.final_at >= min(min(reached) + RECEIPT_GRACE, stored.report_by) - late


def _nobody_knows(facts: Facts, segments: list[list[Submit]], overdue: bool, final_at: float) -> bool:
    """Whether the code UNKNOWN is right."""
    everything = [submit for submits in segments for submit in submits]
    if all(facts.waits_unclaimed(submits, final_at) for submits in segments):
        return False
    lost = {one for one in everything if facts.silent_response(one) or not facts.settled(one.life, one.sent_at)}
    claimed = any(ended > final_at - 60.0 for ended in facts.ended.values())
    if not any("hold" in setup for setup in facts.setups):
        used_up = any(len(lost.intersection(some)) > RESENDS for some in segments)
        limited = not facts.setups.isdisjoint(LIMITED) and any(len(some) >= ATTEMPTS for some in segments)
        return bool(lost) and (used_up or limited or overdue)
    return bool(lost) or claimed


# --- I3, texts from handsets ----------------------------------------------------------------------------------


def _texts(facts: Facts) -> Iterator[Broken]:
    by_mo: dict[int, list[Any]] = defaultdict(list)
    seen: set[str] = set()
    for event, body in facts.texts:
        if (event.jms_type, event.body) in facts.hooked_texts:
            continue
        tag = MO_TAG.search(body["Body"])
        if tag is None and body["Body"] == "STOP" and body["From"] in facts.opted_out:
            continue
        if tag is None:
            yield "I3", f"a text that no handset wrote: {body['Body'][:40]!r}"
        elif event.event_id not in seen:
            seen.add(event.event_id)
            by_mo[int(tag[1])].append(body)
    for step in facts.world.plan.of(Mo):
        yield from _text(facts, step, by_mo[step.number])


def _text(facts: Facts, step: Mo, bodies: list[Any]) -> Iterator[Broken]:
    parts: dict[int, Any] = {}
    for one in facts.world.ledger.deliveries:
        if one.mo == step.number:
            parts[one.part] = one
    count = facts.world.ledger.mo_parts.get(step.number, 0)
    whole = text_of_mo(step)
    complete = [body for body in bodies if body["Body"] == whole and not body.get("Incomplete")]
    reached = [at for one in parts.values() for at in one.reached_at]
    if len(parts) == count and all(one.acknowledged_at for one in parts.values()):
        if max(reached) - min(reached) < INCOMING_TIMEOUT - 1.0 and not complete:
            yield "I3", f"MO {step.number} was acknowledged, and is not on the queue"
        most = len(parts[1].reached_at) if count == 1 else 1
        if reached and max(reached) - min(reached) < INCOMING_TIMEOUT - 1.0 and len(complete) > most:
            yield "I3", f"MO {step.number} came {most} times, and is on the queue {len(complete)} times"
    for one in parts.values():
        if one.acknowledged_at and not bodies:
            yield "I3", f"part {one.part} of MO {step.number} was acknowledged, and nothing of it is on the queue"
    whole_words = sum(len(body["Body"]) for body in bodies)
    acknowledged = all(one.acknowledged_at for one in parts.values())
    if step.what.startswith("no udhi"):  # nobody said that these are parts: each is told as a text
        if len(parts) < count and acknowledged and len(bodies) < len(parts):
            yield "I3", f"MO {step.number}: of {len(parts)} parts without UDHI {len(bodies)} are on the queue"
    elif len(parts) < count and acknowledged and bodies and not any(body.get("Incomplete") for body in bodies):
        yield "I3", f"MO {step.number} is not marked incomplete ({whole_words} characters)"


def _hooks(facts: Facts) -> Iterator[Broken]:
    """What the providers posted; they do so until they get a 200. Each text is told under one id, and of each message
    one end: what another provider says of its own has nothing to do with it."""
    ends: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for one in facts.hooks:
        if set(one.statuses) - {None, 200, 503} or 200 not in one.statuses:
            yield "I3", f"{one.hook} was answered with {one.statuses}"
        if set(one.forged) - {None, 403}:
            yield "I3", f"somebody else than the provider of {one.hook} was answered with {one.forged}"
        if not one.is_text:
            ends[one.hook.channel, one.sid] += one.told
            continue
        for text in one.told:
            told = [event for event, body in facts.texts if (event.jms_type, body) == (one.hook.channel, text)]
            if len({event.event_id for event in told}) != 1:
                yield "I3", f"{one.hook} got 200, and {text} is told under {[event.event_id for event in told]}"
    for (channel, sid), said in ends.items():
        reports = [(event.event_id, body) for event, body in facts.reports.get(sid, ()) if event.jms_type == channel]
        if len({event_id for event_id, _ in reports}) != 1 or any(body not in said for _, body in reports):
            yield "I3", f"{channel} said of {sid} {said}, and on the queue is {reports}"


# --- I4 -------------------------------------------------------------------------------------------------------


def _events(facts: Facts) -> Iterator[Broken]:
    by_id: dict[str, list[Published]] = defaultdict(list)
    channels = {stored.sid: facts.channel_of(tag) for tag, stored in facts.stored.items()}
    for event in facts.world.broker.events:
        by_id[event.event_id].append(event)
        if event.headers.get("persistent") != "true" or "content-length" in event.headers:
            yield "I4", f"event {event.event_id} has the headers {event.headers}"
        named = OURS.fullmatch(event.event_id) or PROVIDERS.fullmatch(event.event_id)
        own = channels.get(event.event_id[3:], "smpp")
        if named is None or (named.groupdict().get("channel") or own) != event.jms_type:
            yield "I4", f"{event.event_id!r} is no event id of {event.jms_type}"
    for event_id, events in by_id.items():
        if len({(event.body, event.destination) for event in events}) > 1:
            yield "I4", f"event {event_id} has several contents"
        for before, after in pairwise(events):
            known = before.confirmed_at is not None and before.confirmed_at <= after.at
            older = min(before.connection, after.connection, key=lambda one: one.opened_at)  # it may arrive last
            gone = [at for at in (older.cut_at, older.left_at) if at is not None]
            if not gone or min(gone) > after.at:
                yield "I4", f"event {event_id} is published again at {after.at:.3f}, and its connection lives"
            if known and (before.life is after.life or facts.settled(before.life, before.confirmed_at or 0.0)):
                yield "I4", f"event {event_id} is published again at {after.at:.3f}, confirmed at {before.confirmed_at}"
    told = {sid for sid, *_ in facts.stored.values()} | {one.sid for one in facts.hooks}
    for event_id, published in facts.outbox:
        if not published:
            yield "I4", f"event {event_id} was never published"
        elif event_id not in by_id and (event_id.startswith(("in", "dr/")) or event_id[3:] in told):
            yield "I4", f"event {event_id} is marked as published, and the broker never had it"


# --- I5 -------------------------------------------------------------------------------------------------------


def _order(facts: Facts) -> Iterator[Broken]:
    if (
        len(facts.setups) > 1 or facts.are_moved
    ):  # what waits goes by its old route: it is not promised that the order outlives that
        return
    accepted = [one for one in facts.world.application.requests if one.status == 200 and one.text.channel == "smpp"]
    plan = facts.world.plan
    bulk = plan.small and not facts.strict  # lanes are crowded by two: what waits in them goes to the disk untried
    full = {one.to for one in plan.of(Full)} if bulk else set()
    for first in accepted:
        if first.text.to in full:
            continue
        for second in accepted:
            later = second.destination == first.destination and second.begun_at >= (first.answered_at or 0.0)
            if later and first is not second and not second.text.again:  # that may have been accepted before
                yield from _ordered(facts, first, second)


def _ordered(facts: Facts, first: Request, second: Request) -> Iterator[Broken]:
    """``second`` waits until what is under way of ``first`` has its answer, a throttle not being one. What has to be
    tried again may be overtaken, unless the order is strict."""
    begins = [some[0] for (tag, _), some in facts.submits.items() if tag == second.tag]
    if not begins:
        return
    next_one = min(begins, key=lambda one: one.number)
    begin = next_one.sent_at
    segments = [some for (tag, _), some in facts.submits.items() if tag == first.tag]
    before = [one for some in segments for one in some if one.number < next_one.number]
    retried = any(facts.to_retry(one, begin) for one in before)
    for some in segments:
        tried = [one for one in some if one.number < next_one.number]
        last = tried[-1] if tried else None
        again = some[-1].number > next_one.number
        if last is not None and (facts.ended_with(last, begin) or facts.used_up(tried, begin)):
            continue
        under_way = last is not None and facts.under_way_at(last, begin)
        if under_way or (again and not may_overtake(first.text, second.text) and (facts.strict or not retried)):
            why = "under way" if under_way else "to be sent"
            yield "I5", f"text {second.tag} is submitted at {begin:.3f}, {first.tag}/{some[0].segment} is still {why}"


# --- I6 -------------------------------------------------------------------------------------------------------


def left_in_memory(world: World) -> list[str]:
    """What is still in memory of a daemon that is quiet, by the names of the rooms' own fields."""
    found = []
    connector = world.connector
    assert world.machine is not None
    now = connector._wall_clock.steady_milliseconds()
    outlets = [one for one in connector.outlets.values() if not _is_stopped(one.channel)]
    for submitter in (one for outlet in outlets for one in outlet.submitters.values()):
        ready, obsolete, pauses = submitter._ready, submitter._obsolete, submitter._pauses
        in_line = [*ready.interactive.in_line, *ready.bulk.in_line]
        held = {
            "in line": in_line,
            "due": [*ready.interactive.due, *ready.bulk.due],
            "throttled": pauses.segments(),
            "under way": ready.under_way,
            "kept aside": ready.interactive._aside + ready.bulk._aside,
            "lanes": submitter._lanes,
            "to be claimed": submitter.claims,
            "being recorded": submitter._recording or submitter._recording_late,
            "taken": obsolete.taken,
            "ended": obsolete.messages,
            "moved": obsolete.moved,
            "held": [submitter.held] if submitter.held else [],
        }
        left = [name for name, what in held.items() if what]
        if in_line and all(segment.expires_at <= now for segment in in_line):
            left = [
                name for name in left if name not in ("in line", "lanes", "taken", "ended", "moved")
            ]  # the next turn's
        found += [f"{submitter.queue}: {name}" for name in left]
    channels = [outlet.channel for outlet in connector.outlets.values()]
    for provider in (one for one in channels if isinstance(one, ProviderChannel)):
        if any((provider._under_way, provider._outcomes, provider._given_back, provider._client._exchanges)):
            found.append(f"requests of {provider.name}")
    for channel in (one for one in channels if isinstance(one, SMPPChannel)):
        found += [f"route {prefix!r}._on" for prefix, route in channel.routes.items() if route._on]
        for bind in channel.binds:
            found += [f"{bind.settings.name}.outstanding"] if bind.outstanding else []
            found += [f"{bind.settings.name}._unanswered"] if bind._unanswered else []
            if bind._protocol is not None and bind._protocol.session._owed:
                found.append(f"{bind.settings.name}.session._owed")
    for name, publisher in connector.publishers.items():
        reading = publisher._reading
        if any((*reading._unsettled.values(), *publisher._retried.values(), reading._places, publisher._retry)):
            found.append(f"publisher of {name}")
    for producer in connector.sinks["stomp"].producers.values():
        if producer._waiting or (producer._connection is not None and producer._connection.in_flight):
            found.append("sink")
    crm = connector.sinks.get("crm")
    if crm is not None and (len(crm._lanes) or crm._out or crm._confirmed):
        found.append("webhook")
    return found


def _is_stopped(channel: Any) -> bool:
    """Whether it is a provider's that will not be asked before tomorrow: what has expired meanwhile leaves memory when
    there is room again."""
    if not isinstance(channel, ProviderChannel) or channel._availability.trouble is None:
        return False
    return bool(channel._availability.wait(channel._clock.seconds()) > HOUR)


def _store(facts: Facts) -> Iterator[Broken]:
    """What is still under way in the file after the end."""
    if any(facts.under_way[0]) and not facts.world.problems:
        yield "I6", f"left in the store: {facts.under_way[0]} messages and segments"
