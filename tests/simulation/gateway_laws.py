"""I8: what has to be true of texts that went out through HTTP providers, told by what these and the broker saw.

1. A request is repeated only after an answer that says "not taken", or, where the policy is ``resend``, after one that
   never came or says nothing: ``RESENDS`` times at most. Under ``hold`` never. Where the provider can be asked what it
   has taken, it was asked before, and has not shown the text.
2. The report says what the provider did: DELIVERED if it told so, FAILED with the code that it gave, EXPIRED, UNKNOWN
   and NO_RECEIPT where its ledger allows them.
3. A channel whose account is in trouble rests, and begins again by itself.
4. Of two texts to one number the later one waits for what is under way of the other; with strict order for its end.
5. Who can't sign a callback gets 403; who can is heard.
"""

import math
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from smsconnector.lifecycle import CODE_EXPIRED, CODE_NO_RECEIPT, CODE_UNKNOWN
from smsconnector.net.endpoints import CONNECT_TIMEOUT
from tests.simulation.application import Request, body_of
from tests.simulation.gateway import ANSWER_TIMEOUT, LISTS, NAMES_OUR_SID, Call, Look, Told
from tests.simulation.plan import (
    Created,
    Disk,
    Freeze,
    LookUp,
    Outage,
    Reload,
    SetClock,
    Silence,
    Text,
    TornFile,
    Trouble,
    may_overtake,
)
from tests.simulation.world import (
    ACCOUNT_PAUSE,
    ATTEMPTS,
    LIMITED,
    RESENDS,
)

if TYPE_CHECKING:
    from tests.simulation.invariants import Facts, Stored

Broken = tuple[str, str]
CONNECTING = 0.05  # seconds: a connection is made, and the request that waits for it is written
DRAINING = 5.0  # seconds, at most, from the beginning of a reload until what was replaced has its last answer
NOT_TAKEN = {"temporary", "throttled", "account"}  # what such an answer means: the same request may come again
FINAL = {"taken", "permanent"}
DECIDED = {"taken", "permanent", "temporary"}  # the provider has looked at the text, so it works


def gateways(facts: "Facts") -> Iterator[Broken]:
    """Everything that is not as it has to be."""
    if not facts.world.plan.gateways:
        return
    sent = Sent(facts)
    for law in (_calls, _verdicts, _rests, _order, _callbacks):
        yield from law(sent)


class Sent:
    """What is known of the requests, beside ``facts``."""

    def __init__(self, facts: "Facts") -> None:
        self.facts, self.world, self.plan = facts, facts.world, facts.world.plan
        self.calls: dict[tuple[str, tuple[int, int], int], list[Call]] = defaultdict(list)
        for call in self.world.gateways.calls:
            self.calls[call.channel, *call.key].append(call)
        names = self.plan.gateways
        self.stored = {
            tag: one for tag, one in facts.stored.items() if one.channel in names and tag not in facts.cancelled
        }

    def gave_up(self, one: Call | Look, at: float) -> bool:
        """Whether the daemon that wrote it had stopped waiting for the answer by then."""
        until = min(at, self.facts.ended.get(one.life, at))
        ends = (one.connection.cut_at, one.connection.left_at)
        gone = any(end is not None and end <= until for end in ends)
        return gone or self.facts.heard(one.sent_at, until) >= ANSWER_TIMEOUT

    def heard(self, call: Call, at: float = math.inf) -> str:
        """What the answer that the daemon had by then means; "" if it had none."""
        return call.way.means if call.known_at is not None and call.known_at <= at else ""

    def known(self, call: Call) -> str:
        """What the daemon must know of it, whatever came later: the answer is on disk."""
        return self.heard(call) if self.facts.settled(call.life, call.known_at or 0.0) else ""

    def is_unknown(self, call: Call, at: float) -> bool:
        """Whether nobody could tell by then what became of it."""
        heard = self.heard(call, at)
        return heard == "unknown" or (not heard and self.gave_up(call, at))

    def under_way(self, call: Call, at: float) -> bool:
        """Whether the daemon that wrote it was waiting for the answer then."""
        return not self.heard(call, at) and self.facts.ended.get(call.life, at + 1) > at and not self.gave_up(call, at)

    def was_unreachable(self, channel: str, at: float) -> bool:
        """Whether by then requests may have found no connection, which only the daemon knows."""
        away = [step for step in self.plan.of(Outage) if step.of == channel]
        return any(step.at <= at for step in (*away, *self.plan.of(TornFile)))

    def hindered(self, tag: tuple[int, int], channel: str, expires_at: float) -> bool:
        """Whether something kept the daemon from sending a text by that channel that expires then."""
        plan, wrong, slow = self.plan, self.facts.moved_at(tag), 0.0
        sources = {channel}
        for _ in plan.falls:  # from one to the next
            sources |= {one for one, other in plan.falls if other in sources}
        for step in plan.steps:
            if isinstance(step, Outage | Silence | Disk | Freeze | TornFile):
                pace = 2 * step.seconds + 5.0 + (CONNECT_TIMEOUT if isinstance(step, Outage) else 0.0)
                wrong = max(wrong, step.at + step.seconds + pace)
            elif isinstance(step, Trouble) and step.of == channel:
                wrong = max(wrong, step.at + step.seconds + 5.0 + ACCOUNT_PAUSE * (step.what == "account"))
            elif isinstance(step, Created) and self.facts.channel_of((step.text, 0)) in sources:
                slow += math.inf if not step.attempt or step.what == "today" else 4.5 + ACCOUNT_PAUSE
            elif isinstance(step, LookUp) and channel in LISTS:
                slow += 6.0
        wrong = max([wrong, *(began for _, began, _ in self.world.lives[1:])])
        texts = [text for text in plan.of(Text) if text.channel in sources]
        rounds = sum(text.segments for text in texts)
        return bool(wrong + slow + 3.0 + 0.2 * rounds + (4 + 2 * rounds) * plan.slowness > expires_at)


# --- the requests ---------------------------------------------------------------------------------------------


def _calls(sent: Sent) -> Iterator[Broken]:
    facts = sent.facts
    requests = {one.tag: one for one in facts.world.application.requests}
    for (channel, tag, part), calls in sent.calls.items():
        key = tag, part
        stored = facts.on_channel(tag, channel)
        if stored is None:
            yield "I8", f"part {key} is sent by {channel}, and no message is there"
            continue
        text, sid = requests[tag].text, facts.stored[tag].sid if tag in facts.stored else ""
        expected = body_of(text, tag[1])
        for call in calls:
            is_it = call.text in expected and call.destination == requests[tag].destination
            ours = sid if call.channel == "twilio-a" or stored.segments == 1 else f"{sid}-{part}"
            if not is_it or not call.is_authorized:
                yield "I8", f"part {key} is sent as another text"
            if call.channel in NAMES_OUR_SID and call.ours != ours:
                yield "I8", f"part {key} is sent as {call.ours}, and is {ours}"
        for before, after in pairwise(calls):
            reason = _may_follow(sent, before, after) or _looked_up(sent, before, after)
            if reason:
                yield "I8", f"part {key} is sent again at {after.sent_at:.3f}: {reason}"
        copies = sum(
            before.life is after.life and sent.is_unknown(before, after.sent_at) for before, after in pairwise(calls)
        )
        if copies > RESENDS:
            yield "I8", f"part {key} is sent again after {copies} outcomes that nobody knows"
        reports = facts.reports.get(sid)
        ended = min((event.at for event, _ in reports or ()), default=math.inf)
        for call in calls:
            if call.sent_at > max(ended, _asked_until(sent, call, ended)) + CONNECTING:
                yield "I8", f"part {key} is sent at {call.sent_at:.3f}, and its report is of {ended:.3f}"


def _asked_until(sent: Sent, call: Call, ended: float) -> float:
    """Until when its list was asked for at that time; 0: it was not. The request that follows is under way by then."""
    looks = (one for one in sent.world.gateways.looks if one.destination == call.destination and one.life is call.life)
    return max((one.known_at or 0.0 for one in looks if one.sent_at < ended + CONNECTING), default=0.0)


def _may_follow(sent: Sent, before: Call, after: Call) -> str:
    """ "" if the request ``after`` has its reason in what became of the one before."""
    heard, same = sent.heard(before, after.sent_at), before.life is after.life
    if heard in NOT_TAKEN:
        return ""
    if heard in FINAL and (same or sent.known(before)):
        return f"the answer of {before.known_at:.3f} means {heard}"
    if "hold" in before.life.setup:
        return "the policy is hold, and the first one may have been taken"
    if same and not sent.is_unknown(before, after.sent_at):
        return "nothing was known of the first one yet"
    return ""


def _looked_up(sent: Sent, before: Call, after: Call) -> str:
    """ "" if it was asked for, where that can be done, and was not shown. A kill may come before it is on disk that the
    outcome is unknown: then nobody asks."""
    if before.channel not in LISTS or before.life is not after.life or not sent.is_unknown(before, after.sent_at):
        return ""
    looks = [
        one
        for one in sent.world.gateways.looks
        if one.destination == after.destination
        and one.known_at is not None
        and before.sent_at < one.sent_at
        and one.known_at <= after.sent_at
        and one.shown is not None
    ]
    if not looks:
        return "the list was not looked at before"
    if sent.plan.of(SetClock):  # what is ours is told by the time of its acceptance too
        return ""
    found = [one.known_at for one in looks if any(call.key == after.key for call in one.shown or ())]
    return f"the list showed it at {found[0]:.3f}" if found else ""


# --- the reports ----------------------------------------------------------------------------------------------


def _verdicts(sent: Sent) -> Iterator[Broken]:
    for tag, stored in sent.stored.items():
        reports = sent.facts.reports.get(stored.sid)
        if not reports:
            continue
        body = reports[0][1]
        status, code = body["DeliveryStatus"], str(body["ProviderStatusCode"])
        parts = [sent.calls.get((stored.channel, tag, part), []) for part in range(1, stored.segments + 1)]
        ends = [[told for call in calls for told in call.told if told.delivered is not None] for calls in parts]
        if status == "DELIVERED":
            yield from _delivered(sent, tag, code, ends, stored)
        else:
            if all(_told_for_sure(sent, calls, some, True, stored) for calls, some in zip(parts, ends, strict=True)):
                yield "I8", f"message {tag} is FAILED ({code}), and callbacks said delivered in time"
            if not _has_a_reason(sent, tag, code, parts, stored):
                yield "I8", f"message {tag} is FAILED ({code}) at {stored.final_at:.3f} without a reason"
        failed = [_told_for_sure(sent, calls, some, False, stored) for calls, some in zip(parts, ends, strict=True)]
        if status == "DELIVERED" and any(failed):
            yield "I8", f"message {tag} is DELIVERED, and a callback said before that it is not"


def _reached(told: Told, stored: "Stored", late: float) -> bool:
    return any(at <= stored.final_at + late for at in told.reached_at)


def _delivered(sent: Sent, tag: Any, code: str, ends: list[list[Told]], stored: "Stored") -> Iterator[Broken]:
    late = 2 * sent.plan.slowness + 0.002  # what is written together has the time of the first
    silent = [some for some in ends if not any(one.delivered and _reached(one, stored, late) for one in some)]
    if code != "delivered":
        yield "I8", f"message {tag} is DELIVERED, with the code {code!r}"
    if silent:
        yield "I8", f"message {tag} is DELIVERED ({code}), and not all its callbacks said so"


def _told_for_sure(sent: Sent, calls: list[Call], ends: list[Told], delivered: bool, stored: "Stored") -> bool:
    """Whether the daemon must have known this end, and no other, of a part, a second before the report: what got its
    2xx is on disk."""
    taken = [call for call in calls if call.taken]
    if len(taken) != 1 or any(one.delivered is not delivered for one in ends):
        return False
    if taken[0].channel not in NAMES_OUR_SID and sent.known(taken[0]) != "taken":
        return False
    by = min(stored.final_at - 1.0, stored.report_by - 1.0)
    return any(at <= by for one in ends for at in one.acknowledged_at)


def _has_a_reason(sent: Sent, tag: Any, code: str, parts: list[list[Call]], stored: "Stored") -> bool:
    """Whether FAILED with that code is right."""
    facts, final_at = sent.facts, stored.final_at
    late = 2 * sent.plan.slowness
    overdue = final_at >= stored.expires_at - 0.01
    every = [call for calls in parts for call in calls]
    taken = [
        any(sent.known(one) == "taken" and (one.known_at or 0.0) < final_at - late for one in calls) for calls in parts
    ]
    if code == CODE_EXPIRED:
        limited = not facts.setups.isdisjoint(LIMITED)  # attempts that found no connection count
        return (overdue or limited) and not all(taken) and sent.hindered(tag, stored.channel, final_at)
    if code == CODE_NO_RECEIPT:
        by_a_list = [one for look in sent.world.gateways.looks if look.known_at for one in look.shown or ()]
        some = any(sent.heard(one, final_at + late) == "taken" or one in by_a_list for one in every)
        some = some or any(_reached(told, stored, late) for one in every for told in one.told if told.delivered)
        return some and (final_at >= stored.report_by - 0.01 or (overdue and not all(taken)))
    if code == CODE_UNKNOWN:
        return _nobody_knows(sent, parts, overdue, final_at)
    used_up = _used_up(sent, parts, final_at)
    for call in every:
        told = sent.heard(call, final_at + late) in ("permanent", *(("temporary",) if used_up else ()))
        if told and call.code == code:
            return True
    if any(call.code == code and _is_guilty(sent, calls, final_at + late) for calls in parts for call in calls):
        return True
    ends = [told for call in every for told in call.told if told.delivered is False]
    return any((one.code or one.status) == code and _reached(one, stored, late + 0.002) for one in ends)


def _is_guilty(sent: Sent, calls: list[Call], at: float) -> bool:
    """Whether it is the text, and not the account: two answers said that of the account, and between them another text
    was taken."""
    accused = [one.known_at or 0.0 for one in calls if sent.heard(one, at) == "account"]
    others = [
        one.known_at or 0.0
        for one in sent.world.gateways.calls
        if calls and one.channel == calls[0].channel and one.key != calls[0].key and sent.heard(one, at) == "taken"
    ]
    return any(first < known < second for first, second in pairwise(accused) for known in others)


def _nobody_knows(sent: Sent, parts: list[list[Call]], overdue: bool, final_at: float) -> bool:
    """Whether the code UNKNOWN is right: nobody can tell whether a request was carried out."""
    facts = sent.facts
    final_at += 0.002 + 2 * sent.plan.slowness  # what is written together has the time of the first
    lost = [
        [one for one in calls if sent.is_unknown(one, final_at) or not facts.settled(one.life, one.sent_at)]
        for calls in parts
    ]
    if not any(lost):
        return any("hold" in setup for setup in facts.setups) and any(
            ended > final_at - 60.0 for ended in facts.ended.values()
        )
    if any("hold" in setup for setup in facts.setups):
        return True
    limited = _used_up(sent, parts, final_at)
    return limited or overdue or any(len(some) > RESENDS for some in lost)


def _used_up(sent: Sent, parts: list[list[Call]], at: float) -> bool:
    """Whether there may have been as many attempts as a limit allows. Requests that found no connection count, and
    lists that were not told."""
    facts, calls = sent.facts, [call for calls in parts for call in calls]
    if facts.setups.isdisjoint(LIMITED) or not calls:
        return False
    looks = sum(one.destination == calls[0].destination for one in sent.world.gateways.looks)
    return sent.was_unreachable(calls[0].channel, at) or any(len(some) + looks >= ATTEMPTS for some in parts)


# --- the account ----------------------------------------------------------------------------------------------


def _is_of_the_text(sent: Sent, one: Call, same: list[Call]) -> bool:
    """Whether the trouble may be this text's own: it was told for it before, and others were taken since then."""
    assert one.known_at is not None
    before = [
        call.known_at
        for call in same
        if call.key == one.key and call.known_at and call.known_at < one.known_at and sent.heard(call) == "account"
    ]
    return bool(before) and any(
        call.known_at is not None and min(before) < call.known_at <= one.known_at and sent.heard(call) == "taken"
        for call in same
    )


def _rests(sent: Sent) -> Iterator[Broken]:
    """From an answer about the account on, the channel asks for nothing until the pause is over, unless an answer that
    was under way says that it works, or another configuration may have made the channel anew: it tries then, as after a
    restart. That it begins again after the pause, is told by what expires."""
    calls = sent.world.gateways.calls
    heard: list[Call | Look] = [*calls, *sent.world.gateways.looks]
    for channel, at in sent.world.stopped:
        times = [one.known_at for one in heard if one.channel == channel and one.known_at]
        if not any(at - 0.001 <= time <= at for time in times):
            yield "I8", f"the log says at {at:.3f} that {channel} has stopped, and it had no answer"
    said = len(sent.world.stopped)
    told = sum(sent.heard(one) == "account" for one in calls) + sum(
        one.what == "account" for one in sent.world.gateways.looks
    )
    if said > told:
        yield "I8", f"the log says {said} times that an account is in trouble, and {told} answers did"
    for one in calls:
        since = one.known_at
        if since is None or sent.heard(one) != "account":
            continue
        until = since + ACCOUNT_PAUSE - 0.05
        until = min([until, *(step.at for step in sent.plan.of(Reload) if step.at > since - DRAINING)])
        asked = since + CONNECTING + sum(step.seconds for step in sent.plan.of(Freeze))  # a request that was under way
        same = [call for call in calls if call.channel == one.channel and call.life is one.life]
        if _is_of_the_text(sent, one, same):
            continue
        works = [call.known_at for call in same if sent.heard(call) in DECIDED and call.sent_at <= asked]
        works += [look.known_at for look in sent.world.gateways.looks if look.sent_at <= asked]
        for call in same:
            if asked < call.sent_at < min([until, *(at for at in works if at is not None and at > since)]):
                yield "I8", f"{one.channel} asks at {call.sent_at:.3f}, and its account was in trouble at {since:.3f}"


# --- order ----------------------------------------------------------------------------------------------------


def _order(sent: Sent) -> Iterator[Broken]:
    facts, plan = sent.facts, sent.plan
    if len(facts.setups) > 1 or (plan.small and not facts.strict):
        return
    accepted = [one for one in facts.world.application.requests if one.status == 200 and one.tag in sent.stored]
    accepted = [one for one in accepted if one.tag not in facts.moved]  # the order is kept within each channel
    for first in accepted:
        for second in accepted:
            same = second.destination == first.destination and second.text.channel == first.text.channel
            if same and first is not second and not second.text.again and second.begun_at >= (first.answered_at or 0.0):
                yield from _ordered(sent, first, second)


def _ordered(sent: Sent, first: Request, second: Request) -> Iterator[Broken]:
    """``second`` waits for what is under way of ``first``. What has to be tried again may be overtaken, unless the
    order is strict."""
    begins = [calls[0] for (_, tag, _), calls in sent.calls.items() if tag == second.tag]
    if not begins:
        return
    begin = min(begins, key=lambda one: one.number)
    at = begin.sent_at
    parts = [calls for (_, tag, _), calls in sent.calls.items() if tag == first.tag]
    before = [call for calls in parts for call in calls if call.number < begin.number]
    retried = any(sent.heard(call, at) == "temporary" or sent.is_unknown(call, at) for call in before)
    retried = retried or sent.was_unreachable(first.text.channel, at)
    for calls in parts:
        tried = [call for call in calls if call.number < begin.number]
        again = calls[-1].number > begin.number
        if tried and sent.heard(tried[-1], at) in FINAL:
            continue
        under_way = bool(tried) and sent.under_way(tried[-1], at)
        if under_way or (again and not may_overtake(first.text, second.text) and (sent.facts.strict or not retried)):
            why = "under way" if under_way else "to be sent"
            yield "I8", f"text {second.tag} is sent at {at:.3f}, {first.tag}/{calls[0].part} is still {why}"


# --- the callbacks --------------------------------------------------------------------------------------------


def _callbacks(sent: Sent) -> Iterator[Broken]:
    for told in sent.world.gateways.told:
        if set(told.forged) - {None, 403}:
            yield "I8", f"somebody else than the provider of {told.call.request} was answered with {told.forged}"
        if set(told.answers) - {None, 200, 204, 503}:
            yield "I8", f"the callback {told.status} about {told.call.request} was answered with {told.answers}"
