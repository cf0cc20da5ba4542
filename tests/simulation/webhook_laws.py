"""I7: what has to be true of the second sink after a run, told by what the application behind it saw."""

import json
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from smsconnector.messages import DELIVERY_REPORT
from smsconnector.sinks.webhook.message import webhook_id
from tests.simulation.plan import (
    Answered,
    Confirmation,
    Crash,
    Disk,
    Freeze,
    HeldBack,
    Outage,
    RefusedEvent,
    RefusedQueue,
    SetClock,
    Silence,
    Stop,
    TornFile,
)
from tests.simulation.webhook import FINAL, TAKEN, Hooked
from tests.simulation.world import KINDS, WEBHOOK_TRIES

if TYPE_CHECKING:
    from tests.simulation.invariants import Facts

Broken = tuple[str, str]

_BESIDE = ("channel", "about")  # what stands in the data beside the body of the event


def webhook(facts: "Facts") -> Iterator[Broken]:
    """What the application behind the webhook got."""
    plan, by_id = facts.world.plan, defaultdict(list)
    for request in facts.world.subscriber.requests:
        by_id[request.webhook_id].append(request)
    wanted = {webhook_id(event_id): row for event_id, *row in facts.owed if row[0] in KINDS.get(plan.webhook, ())}
    sids = {"", *(one.sid for one in facts.stored.values())}
    if any(one.target != "/hook" for one in facts.world.subscriber.requests):
        yield "I7", "the webhook got what is for a callback"
    for its_id in by_id.keys() - wanted.keys():
        yield "I7", f"the webhook got {its_id}, which it is not owed"
    for its_id, (_, _, body, confirmed) in wanted.items():
        requests = by_id[its_id]
        if not confirmed or not any(one.is_taken for one in requests):
            yield (
                "I7",
                f"event {its_id} is marked {confirmed}, and the webhook has taken it: {[r.what for r in requests]}",
            )
        elif any({k: v for k, v in one.data.items() if k not in _BESIDE} != json.loads(body) for one in requests):
            yield "I7", f"event {its_id} came as something else"
        elif any(one.data.get("about", {}).get("MessageSID", "") not in sids for one in requests):
            yield "I7", f"event {its_id} answers a text that there is not"
        mended = bool(plan.of(SetClock))  # retention sets a stamp in the future to now, and the body tells it
        if len({json.dumps(one.data) if mended else one.body for one in requests}) > 1:
            yield "I7", f"event {its_id} has several contents"
        for before, after in pairwise(requests):
            known = before.known_at is not None and before.known_at <= after.at
            if known and (before.life is after.life or facts.settled(before.life, before.known_at or 0.0)):
                yield "I7", f"event {its_id} is sent again at {after.at:.3f}, answered at {before.known_at}"
    yield from _webhook_in_order(facts, list(wanted), by_id)
    yield from _held_up(facts, wanted, by_id)


def _webhook_in_order(facts: "Facts", ids: list[str], by_id: dict[str, list[Hooked]]) -> Iterator[Broken]:
    """Of two texts of one number the later one does not come before the other was taken, or has had its tries. One try
    may have been under way when the connection was lost, and have come nowhere."""
    cut = sum(step.of == "webhook" for kind in (Outage, Silence) for step in facts.world.plan.of(kind))
    by_number: dict[str, list[list[Hooked]]] = defaultdict(list)
    for its_id in ids:
        if its_id.startswith("in") and by_id[its_id]:
            by_number[by_id[its_id][0].data["From"].removeprefix("+")].append(by_id[its_id])
    for texts in by_number.values():
        for first, second in pairwise(texts):
            begin = second[0].at
            before = [one.what for one in first if one.at < begin]
            if not any(what in TAKEN or what in FINAL for what in before) and len(before) + cut < WEBHOOK_TRIES:
                yield "I7", f"{second[0].webhook_id} comes at {begin:.3f}, and {first[0].webhook_id} had {before}"


def _held_up(facts: "Facts", wanted: dict[str, Any], by_id: dict[str, list[Hooked]]) -> Iterator[Broken]:
    """Where one sink is well, its reports come at once, whatever the other does."""
    plan, time = facts.world.plan, facts.world.time
    if any(isinstance(step, Disk | Freeze | Crash | Stop | TornFile | SetClock) for step in plan.steps):
        return
    sick = {step.of for step in plan.steps if isinstance(step, Outage | Silence)}
    bound = 1.5 + 8 * plan.slowness
    at_broker: dict[str, float] = {}
    for event in facts.world.broker.events:
        at_broker.setdefault(event.event_id, event.at)
    of_broker = (Confirmation, RefusedEvent, RefusedQueue, HeldBack)
    is_broker_well = "broker" not in sick and not any(isinstance(step, of_broker) for step in plan.steps)
    is_webhook_well = "webhook" not in sick and not plan.of(Answered)
    for event_id, kind, created_at, *_ in facts.owed:
        due = time.of_stamp(created_at) + bound
        if kind != DELIVERY_REPORT:
            continue
        requests = by_id.get(webhook_id(event_id), [])
        if is_webhook_well and webhook_id(event_id) in wanted and requests and requests[0].at > due:
            yield "I7", f"{event_id} comes to the webhook at {requests[0].at:.3f}, {bound:.1f} s too late"
        if is_broker_well and plan.webhook and at_broker.get(event_id, 0.0) > due:
            yield "I7", f"{event_id} comes to the broker at {at_broker[event_id]:.3f}, {bound:.1f} s too late"
