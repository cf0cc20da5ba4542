"""I10: what has to be true of texts that the application takes back.

1. A 200 says that the text is not sent: there is no submit or request of it afterwards, and none before that the
   network may have taken, unless it has told that it failed: then the text was waiting for another channel; or unless
   the SMSC has accepted cancel_sm for it. Its report is FAILED with the code CANCELLED.
2. A report with that code has a wish behind it, which was answered with 200, or whose answer was lost.
3. A wish is answered with 200, or with 409; with 503 only while the disk fails.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from smsconnector.lifecycle import CODE_CANCELLED
from tests.simulation.application import PATIENCE, Request, Wish
from tests.simulation.plan import Disk, TornFile

if TYPE_CHECKING:
    from tests.simulation.invariants import Facts

Broken = tuple[str, str]


def taken_back(facts: "Facts") -> Iterator[Broken]:
    """Everything that is not as it has to be."""
    for request in facts.world.application.requests:
        codes = {body["ProviderStatusCode"] for _, body in facts.reports.get(request.sid, ())} if request.sid else set()
        if CODE_CANCELLED in codes and not any(one.status in (200, None) for one in request.wishes):
            yield "I10", f"text {request.tag} is CANCELLED, and nobody has asked for it"
        for wish in request.wishes:
            if wish.status == 200:
                yield from _not_sent(facts, request, wish, codes)
            elif wish.status == 503 and facts.world.plan.of(Disk) + facts.world.plan.of(TornFile):
                continue
            elif wish.status is None:
                died = facts.ended.get(wish.life)
                if died is None or died - wish.asked_at > PATIENCE:
                    yield "I10", f"the wish of {wish.asked_at:.3f} to take {request.tag} back has no answer"
            elif wish.status != 409:
                yield "I10", f"the wish to take {request.tag} back got {wish.status}"


def _not_sent(facts: "Facts", request: Request, wish: Wish, codes: set[object]) -> Iterator[Broken]:
    """What was under way when a process was killed may have been sent, and the next one knows nothing of it."""
    at = wish.answered_at or 0.0
    if codes != {CODE_CANCELLED}:
        yield "I10", f"text {request.tag} was taken back at {at:.3f}, and its report says {codes}"
    for submit in facts.world.ledger.submits:
        if submit.request == request.tag:
            is_known = submit.answered_at is not None and submit.answered_at <= at and submit.status != 0
            is_known = is_known or any(
                one.delivered is False and min(one.reached_at, default=at) < at for one in submit.receipts
            )
            is_known = is_known or (submit.taken_back_at is not None and submit.taken_back_at <= at)
            is_forgotten = submit.life is not wish.life
            if submit.sent_at > at or not (is_known or is_forgotten):
                yield "I10", f"text {request.tag} was taken back at {at:.3f}, and submitted at {submit.sent_at:.3f}"
    for call in facts.world.gateways.calls:
        has_failed = any(one.delivered is False and min(one.reached_at, default=at) < at for one in call.told)
        is_over = has_failed or call.life is not wish.life
        if call.key[0] == request.tag and (call.sent_at > at or (call.way.taken and not is_over)):
            yield "I10", f"text {request.tag} was taken back at {at:.3f}, and requested at {call.sent_at:.3f}"
