"""I9: what has to be true of texts that fall back to another channel, told by what the networks saw.

1. A text moves only to the channel that its own falls back to, when it is time, or because it has failed with a code of
   the list.
2. It never has two channels: the one sends nothing after the move, and the other nothing before.
3. It does not move while its channel may have sent all of it. Under the policy `hold` nobody may doubt that; under
   `resend` the channel itself would send again what nobody knows of.
4. A text that fails with a code of the list moves, unless it is over.
5. A text that its channel never tried does not expire there.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from smsconnector.lifecycle import CODE_EXPIRED
from tests.simulation.gateway import Call
from tests.simulation.gateway_laws import Sent
from tests.simulation.plan import Crash, Disk, Freeze, SetClock, Stop, TornFile
from tests.simulation.smsc import Submit
from tests.simulation.world import FALL_CODES, FALLS_AFTER, LIMITED

if TYPE_CHECKING:
    from tests.simulation.invariants import Facts, Stored

Broken = tuple[str, str]
Tag = tuple[int, int]
WRITTEN = 0.05  # seconds from the moment in which a message is accepted to its commit, where commits are fast
LOOKS = 8.0  # seconds in which a message is looked at for sure, some times, where commits are fast


class Try(NamedTuple):
    """One submit or request. ``taken``: whether the network may have it; ``known``: whether the daemon has read so."""

    sent_at: float
    taken: bool
    known: bool


def falls(facts: "Facts") -> Iterator[Broken]:
    """Everything that is not as it has to be."""
    if not facts.world.plan.falls:
        return
    sent = Sent(facts)
    for tag, moves in facts.moved.items():
        final = facts.stored.get(tag)
        for before, after in zip(moves, [*moves[1:], final], strict=True):
            if after is None or (before.channel, after.channel) not in facts.world.plan.falls:
                yield "I9", f"text {tag} moves from {before.channel} to {after.channel if after else 'nowhere'}"
                continue
            yield from _move(sent, tag, before, after.channel)
    for tag, stored in facts.stored.items():
        yield from _stays(sent, tag, stored)


def _move(sent: Sent, tag: Tag, before: "Stored", to: str) -> Iterator[Broken]:
    facts, at = sent.facts, before.final_at
    slack = WRITTEN + 2 * facts.world.plan.slowness + sum(step.seconds for step in facts.world.plan.of(Disk))
    slack += sum(step.seconds for step in facts.world.plan.of(Freeze))
    parts = _tries(sent, tag, before)
    failed = _has_failed(sent, tag, before)
    if facts.world.plan.of(SetClock):
        slack += 3600.0  # a stamp says little
    earlier = [one.final_at for one in facts.moved[tag] if one.final_at < at]
    began = max([before.accepted_at, *earlier])
    limited = not facts.setups.isdisjoint(LIMITED)  # then the last attempt may have found no connection
    used_up = limited and before.channel != "smpp" and sent.was_unreachable(before.channel, at)
    if at < began + FALLS_AFTER - 0.1 and not (failed or used_up or facts.world.plan.of(SetClock)):
        yield "I9", f"text {tag} moves from {before.channel} at {at:.3f}, and came there at {began:.3f}"
    if any(one.sent_at > at + slack for tries in parts for one in tries):
        yield "I9", f"text {tag} is sent by {before.channel} after it has moved at {at:.3f}"
    if any(one.sent_at < at - slack for tries in _tries_by(sent, tag, to) for one in tries):
        yield "I9", f"text {tag} is sent by {to} before it has moved at {at:.3f}"
    hold = any("hold" in setup for setup in facts.setups)
    all_hold = all("hold" in setup for setup in facts.setups)
    taken = [any(one.taken if all_hold else one.known for one in tries) for tries in parts]
    if all(taken) and not failed and len(facts.setups) == 1 and (hold == all_hold):
        yield "I9", f"text {tag} moves from {before.channel} at {at:.3f}, and that has taken it"


def _tries(sent: Sent, tag: Tag, stored: "Stored") -> list[list[Try]]:
    """Of each part, whether it was tried or not."""
    found = _tries_by(sent, tag, stored.channel)
    return found + [[]] * (stored.segments - len(found))


def _tries_by(sent: Sent, tag: Tag, channel: str) -> list[list[Try]]:
    """Of each part that was tried by that channel."""
    if channel == "smpp":
        return [[_of_submit(sent, one) for one in some] for (of, _), some in sent.facts.submits.items() if of == tag]
    return [
        [_of_call(sent, one) for one in some] for (by, of, _), some in sent.calls.items() if (by, of) == (channel, tag)
    ]


def _of_submit(sent: Sent, one: Submit) -> Try:
    return Try(one.sent_at, one.taken, one.status == 0 and sent.facts.known(one))


def _of_call(sent: Sent, one: Call) -> Try:
    return Try(one.sent_at, one.taken, sent.known(one) == "taken")


def _has_failed(sent: Sent, tag: Tag, stored: "Stored") -> bool:
    """Whether its channel has told a code of the list, to whomever."""
    return bool(_codes(sent, tag, stored.channel).intersection(FALL_CODES[stored.channel]))


def _codes(sent: Sent, tag: Tag, channel: str) -> set[str]:
    """With which codes the channel says that a text has failed."""
    if channel == "smpp":
        submits = [one for (of, _), some in sent.facts.submits.items() if of == tag for one in some]
        receipts = [one for submit in submits for one in submit.receipts if one.final is not None]
        return {str(one.status) for one in submits if one.status} | {
            one.final.err.decode() for one in receipts if one.final is not None
        }
    calls = [one for (by, of, _), some in sent.calls.items() if (by, of) == (channel, tag) for one in some]
    return {one.code for one in calls} | {one.code or one.status for call in calls for one in call.told}


def _stays(sent: Sent, tag: Tag, stored: "Stored") -> Iterator[Broken]:
    """It has ended on a channel."""
    facts, plan = sent.facts, sent.plan
    reports = facts.reports.get(stored.sid)
    if not reports or stored.channel not in dict(plan.falls):
        return
    code = str(reports[0][1]["ProviderStatusCode"])
    is_over = stored.final_at >= stored.expires_at - 0.1
    if code in FALL_CODES[stored.channel] and not is_over and not plan.of(SetClock):
        yield "I9", f"text {tag} is FAILED ({code}) at {stored.final_at:.3f}, and its channel falls back to another"
    began = max(stored.accepted_at, facts.moved_at(tag))
    enough = stored.expires_at - began > FALLS_AFTER + LOOKS + 10 * plan.slowness
    hindered = any(plan.of(kind) for kind in (Disk, Freeze, Crash, Stop, TornFile, SetClock))
    tried = any(_tries_by(sent, tag, stored.channel))
    if code == CODE_EXPIRED and enough and not hindered and not tried:
        yield "I9", f"text {tag} is EXPIRED at {stored.final_at:.3f}, and {stored.channel} has never tried it"
