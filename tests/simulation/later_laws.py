"""I12: texts that are to be sent later are not sent before. I13: interactive texts are not overtaken by more bulk texts
than these have a share for.

I12 holds whatever is killed, and counts for texts that were taken back as well, which are never sent (I10).

I13 looks at each interactive text from a moment after its 200 on: by then it is in memory, or could have been read. In
the same life, among the numbers of the same route, few bulk texts may be begun before it. A text to a number to which
there is another one may wait for that, and is not looked at.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from tests.simulation.plan import Disk, Freeze, Reload

Broken = tuple[str, str]
FEW = 3  # bulk texts that may be begun before an interactive one, beside one for each interactive one before it


def later(facts: Any) -> Iterator[Broken]:
    world = facts.world
    due = {one.number: one.at + one.later for one in facts.texts_by_number.values() if one.later}
    for submit in world.ledger.submits:
        if submit.sent_at < due.get(submit.request[0], 0.0):
            yield "I12", f"text {submit.request} is due at {due[submit.request[0]]:.3f}, sent at {submit.sent_at:.3f}"
    for call in world.gateways.calls:
        number = call.key[0][0]
        if call.sent_at < due.get(number, 0.0):
            yield "I12", f"text {call.key[0]} is due at {due[number]:.3f}, requested at {call.sent_at:.3f}"


def shares(facts: Any) -> Iterator[Broken]:
    world = facts.world
    disturbed = any(
        world.plan.of(kind) for kind in (Disk, Freeze, Reload)
    )  # while a route is made anew, it sends nothing
    if disturbed or not any(one.bulk for one in facts.texts_by_number.values()):
        return
    numbers = Counter(one.to for one in facts.texts_by_number.values())
    for request in world.application.requests:
        text = request.text
        if request.status != 200 or text.bulk or text.later or text.again or text.channel != "smpp":
            continue
        if numbers[text.to] > 1 or request.sid not in (facts.sids.get(request.tag) or [None]):
            continue
        begin = request.answered_at + 1.0 + 8 * world.plan.slowness
        own = [some[0].sent_at for (tag, _), some in facts.submits.items() if tag == request.tag]
        end = min(own, default=facts.ended.get(request.life, 0.0) if request.tag not in facts.cancelled else 0.0)
        others = [
            (facts.texts_by_number[some[0].request[0]].bulk, some[0])
            for some in facts.submits.values()
            if some[0].life is request.life and begin < some[0].sent_at < end
        ]
        route = request.destination[:4]
        bulk = [one for is_bulk, one in others if is_bulk and one.destination[:4] == route]
        if len(bulk) > FEW + sum(not is_bulk for is_bulk, _ in others):
            yield (
                "I13",
                f"{len(bulk)} bulk texts were begun before text {request.tag}, accepted {request.answered_at:.3f}",
            )
