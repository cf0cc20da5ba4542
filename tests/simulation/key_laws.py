"""I11: texts that are posted again under one key, across kills, full disks and answers that are lost.

Whichever of the requests was the first to be written, there is one message, every 200 names it, and there is no other
answer than 200 or 503.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

Broken = tuple[str, str]


def keys(facts: Any) -> Iterator[Broken]:
    told: dict[tuple[int, int], set[str]] = defaultdict(set)
    for request in facts.world.application.requests:
        if request.text.again:
            if request.status == 200:
                told[request.tag].add(request.sid)
            elif request.status not in (None, 503):
                yield "I11", f"text {request.tag} was posted again and got {request.status}"
    for tag in {request.tag for request in facts.world.application.requests if request.text.again}:
        sids = facts.sids.get(tag, [])
        if len(sids) > 1:
            yield "I11", f"text {tag} has one key and is {len(sids)} messages"
        if told[tag] - set(sids[:1]):
            yield "I11", f"text {tag} was told to be {sorted(told[tag])}, and is {sids}"
