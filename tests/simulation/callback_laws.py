"""I14: what has to be true of reports that are wanted at a host of their own.

1. Each message with a callback has its report there, at its own URL, in the end; and it is marked so. No other message
   has one there.
2. It is the report that the broker has, under one id, again only where its answer was lost.
3. A host that is well gets its reports at once, whatever the other host, the broker and the webhook do.
"""

import json
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from smsconnector.sinks.webhook.message import webhook_id
from tests.simulation.application import callback_of
from tests.simulation.disk import CALLED_BACK
from tests.simulation.plan import (
    CALLBACK_HOSTS,
    CalledBack,
    Crash,
    Disk,
    Freeze,
    Outage,
    SetClock,
    Silence,
    Stop,
    TornFile,
)
from tests.simulation.webhook import Hooked

if TYPE_CHECKING:
    from tests.simulation.invariants import Facts

Broken = tuple[str, str]
_WAITS = Disk | Freeze | Crash | Stop | TornFile | SetClock


def callbacks(facts: "Facts") -> Iterator[Broken]:
    """Everything that is not as it has to be."""
    world = facts.world
    if not world.plan.callbacks:
        return
    rows, marked = world.rows(
        "SELECT event_id, body, created_at FROM outbox",
        f"SELECT c.sid FROM status_callback AS c WHERE {CALLED_BACK}",
    )
    reports = {event_id: (body, created_at) for event_id, body, created_at in rows}
    confirmed = {sid for (sid,) in marked}
    wanted: dict[tuple[int, str], tuple[str, str]] = {}  # host and webhook-id: MessageSID and target
    for tag, sids in facts.sids.items():
        text = facts.texts_by_number.get(tag[0])
        for sid in sids if text is not None and text.callback else ():
            assert text is not None
            target = callback_of(text, tag[1]).partition(CALLBACK_HOSTS[text.callback - 1])[2]
            wanted[text.callback, webhook_id(f"dr-{sid}")] = sid, target
    heard: dict[tuple[int, str], list[Hooked]] = defaultdict(list)
    for number, host in enumerate(world.called_back, 1):
        for request in host.requests:
            heard[number, request.webhook_id].append(request)
    for key in heard.keys() - wanted.keys():
        yield "I14", f"callback host {key[0]} got {key[1]}, which it is not owed"
    for key, (sid, target) in wanted.items():
        requests = heard[key]
        body, created_at = reports.get(f"dr-{sid}", ("{}", 0))
        if sid not in confirmed or not any(one.is_taken for one in requests):
            told = [one.what for one in requests]
            yield "I14", f"the report of {sid} is owed to callback host {key[0]}: {sid in confirmed}, {told}"
        yield from _once_and_right(facts, sid, target, json.loads(body), requests)
        due = world.time.of_stamp(created_at) + 1.5 + 8 * world.plan.slowness
        if requests and requests[0].at > due and _is_well(facts, key[0]):
            yield "I14", f"the report of {sid} comes at {requests[0].at:.3f}, and was due at {due:.3f}"


def _once_and_right(facts: "Facts", sid: str, target: str, body: Any, requests: list[Hooked]) -> Iterator[Broken]:
    for one in requests:
        data = {name: value for name, value in one.data.items() if name not in ("channel", "about")}
        if one.target != target or data != body:
            yield "I14", f"the report of {sid} came as {data} at {one.target}"
    for before, after in pairwise(requests):
        known = before.known_at is not None and before.known_at <= after.at
        if known and (before.life is after.life or facts.settled(before.life, before.known_at or 0.0)):
            yield "I14", f"the report of {sid} comes again at {after.at:.3f}, answered at {before.known_at}"


def _is_well(facts: "Facts", host: int) -> bool:
    plan = facts.world.plan
    sick = {step.of for step in plan.steps if isinstance(step, Outage | Silence)}
    is_faulty = any(one.host == host for one in plan.of(CalledBack))
    return f"callback {host}" not in sick and not is_faulty and not any(isinstance(one, _WAITS) for one in plan.steps)
