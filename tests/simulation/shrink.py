"""The shortest plan that breaks the same invariant: parts of a failing plan are taken away as long as it still does."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tests.simulation.plan import Callback, Created, Plan, Step, Text

SIMPLER: tuple[dict[str, object], ...] = (
    {"splits": 0.0},
    {"forms": "decimal"},
    {"slowness": 0.002},
    {"setup": "resend"},
    {"falls": ()},
)


def shrink(plan: Plan, breaks: Callable[[Plan], bool], most: int = 600) -> Plan:
    """``breaks`` carries a plan out and says whether it still fails in the same way; at most ``most`` times."""
    left = most

    def still(candidate: Plan) -> bool:
        nonlocal left
        left -= 1
        return left > 0 and breaks(candidate)

    before = None
    while plan != before and left > 0:
        before = plan
        plan = _fewer_steps(plan, still)
        plan = _simpler_steps(plan, still)
        for change in SIMPLER:
            candidate = replace(plan, **change)  # type: ignore[arg-type]
            if candidate != plan and still(candidate):
                plan = candidate
    return plan


def _fewer_steps(plan: Plan, still: Callable[[Plan], bool]) -> Plan:
    """Halves, quarters, and so on down to single steps."""
    size = max(1, len(plan.steps) // 2)
    while size:
        at = 0
        while at < len(plan.steps):
            candidate = replace(plan, steps=plan.steps[:at] + plan.steps[at + size :])
            if still(candidate):
                plan = candidate
            else:
                at += size
        size //= 2
    return plan


def _simpler_steps(plan: Plan, still: Callable[[Plan], bool]) -> Plan:
    for index in range(len(plan.steps)):
        for simpler in _simpler(plan.steps[index]):
            candidate = replace(plan, steps=(*plan.steps[:index], simpler, *plan.steps[index + 1 :]))
            if simpler != plan.steps[index] and still(candidate):
                plan = candidate
    return plan


def _simpler(step: Step) -> list[Step]:
    found: list[Step] = []
    if isinstance(step, Text):
        found += [replace(step, again=step.again[:1]), replace(step, again=())] if step.again else []
        found += [replace(step, segments=1), replace(step, hangup=""), replace(step, to=0), replace(step, validity=0)]
    if isinstance(step, Callback):
        found += [replace(step, forged=0)]
    if isinstance(step, Created):
        found += [replace(step, part=1), replace(step, attempt=1)]
    if hasattr(step, "at"):
        at: Any = {"at": round(step.at, 1)}
        found += [replace(step, **at)]
    return found
