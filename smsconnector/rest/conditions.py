"""Whether a provider took a text, and what it means if it did not.

1. ``Accepted`` is a list of conditions, which must all hold. A path that finds several values (``messages.*.status``)
   must find at least one, and each must pass: a text of three parts of which one was refused was not accepted.
2. Else the failure rules are looked at in their order. In their conditions one of several values is enough.
3. Where no rule fits, the status decides (``by_status``). A status of success whose body is not as wanted is an outcome
   that is not known: the text may have been sent, or a captive portal may have answered in the provider's place.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from smsconnector.errors import TemplateError
from smsconnector.messages import LONGEST_WAIT
from smsconnector.rest.answers import PATTERN_CHARACTERS, Answer, Selector, as_word

OUTCOMES = ("temporary", "throttled", "permanent", "account", "unknown", "log_in_again")
CODE_CHARACTERS = 64  # of a code in a report
_RANGE = re.compile(r"^(?:([1-5])xx|([1-5][0-9]{2})(?:-([1-5][0-9]{2}))?)$")


class Judgement(NamedTuple):
    """What an answer means: ``outcome`` is "accepted" or one of OUTCOMES. ``code`` is for the report, ``retry_in`` is
    in seconds, ``detail`` are the provider's own words, which may quote numbers and texts."""

    outcome: str
    code: int | str | None = None
    retry_in: float | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Test:
    """What is asked of one value. ``kind``: equals, in, not_in, contains, pattern, exists."""

    kind: str
    words: frozenset[str] = frozenset()
    pattern: re.Pattern[str] | None = None
    wanted: bool = True  # of exists

    def passes(self, value: Any) -> bool:
        word = as_word(value)
        if self.kind == "exists":
            return True
        if word is None:
            return False
        if self.kind == "pattern":
            assert self.pattern is not None
            return self.pattern.search(word[:PATTERN_CHARACTERS]) is not None
        if self.kind == "contains":
            return any(one in word for one in self.words)
        return (word in self.words) is (self.kind != "not_in")


@dataclass(frozen=True, slots=True)
class Condition:
    """On the status, on a value of the answer, or on both. ``statuses`` None: any."""

    statuses: frozenset[int] | None = None
    selector: Selector | None = None
    test: Test | None = None

    def holds(self, answer: Answer, every: bool) -> bool:
        """``every``: all values that the path finds have to pass; else one is enough."""
        if self.statuses is not None and answer.status not in self.statuses:
            return False
        if self.test is None:
            return True
        values = (self.selector or Selector()).values(answer)
        if self.test.kind == "exists":
            return bool(values) is self.test.wanted
        return bool(values) and (all if every else any)(map(self.test.passes, values))


@dataclass(frozen=True, slots=True)
class FailureRule:
    """What it means where all conditions hold. ``code`` and ``retry_in`` are fixed, or stand in the answer.
    ``unit`` is that of the number in the answer, in seconds."""

    conditions: tuple[Condition, ...]
    outcome: str
    code: Selector | int | str | None = None
    retry_in: Selector | float | None = None
    unit: float = 1.0

    def holds(self, answer: Answer) -> bool:
        return all(condition.holds(answer, every=False) for condition in self.conditions)


@dataclass(frozen=True, slots=True)
class Meaning:
    """How all answers of one provider are judged. ``code`` and ``detail`` say where failures have their code and their
    words, for rules that say nothing of their own. ``renewable``: a log-in can be made again, so that a 401 asks for
    it."""

    accepted: tuple[Condition, ...]
    rules: tuple[FailureRule, ...] = ()
    code: Selector | None = None
    detail: Selector | None = None
    renewable: bool = False

    def judge(self, answer: Answer) -> Judgement:
        return Judgement("accepted") if self.accepts(answer) else self.refusal(answer)

    def accepts(self, answer: Answer) -> bool:
        return all(condition.holds(answer, every=True) for condition in self.accepted)

    def refusal(self, answer: Answer) -> Judgement:
        """What it means, as it is no success."""
        rule = next((one for one in self.rules if one.holds(answer)), None)
        written = self.code if rule is None or rule.code is None else rule.code
        code = _code(written.first(answer) if isinstance(written, Selector) else written)
        detail = "" if self.detail is None else as_word(self.detail.first(answer)) or ""
        outcome = by_status(answer.status, self.renewable) if rule is None else rule.outcome
        return Judgement(outcome, answer.status if code is None else code, _wait(rule, answer), detail)


def by_status(status: int, renewable: bool = False) -> str:
    """What a status means where no rule says it. 5xx: the request may have been carried out before it failed. 3xx: no
    redirect is followed, so the URL of the configuration is wrong."""
    if status == 401 and renewable:
        return "log_in_again"
    if status in (408, 425, 511):  # the request was not read, or a captive portal stands before the provider
        return "temporary"
    if status == 429:
        return "throttled"
    if 300 <= status < 400 or status in (401, 402, 403, 404, 405, 407, 410, 415):
        return "account"
    if 400 <= status < 500:
        return "permanent"
    return "unknown"


def _code(value: Any) -> int | str | None:
    """A whole number stays one, if a column of the database can hold it."""
    if isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63:
        return value
    word = as_word(value)
    return word[:CODE_CHARACTERS] if word else None


def _wait(rule: FailureRule | None, answer: Answer) -> float | None:
    if rule is None or rule.retry_in is None:
        return None
    if not isinstance(rule.retry_in, Selector):
        return rule.retry_in
    try:
        seconds = float(as_word(rule.retry_in.first(answer)) or "") * rule.unit
    except ValueError:
        return None
    return min(seconds, LONGEST_WAIT) if seconds >= 0 else None  # NaN is not


def statuses_of(written: Sequence[int | str]) -> frozenset[int]:
    """``[200, "2xx", "500-599"]``. Raises TemplateError."""
    found: set[int] = set()
    for one in written:
        match = _RANGE.match(str(one))
        if match is None:
            raise TemplateError(f'{one!r} is no HTTP status: write 200, "2xx" or "500-599"')
        first = int(match[1]) * 100 if match[1] else int(match[2])
        last = first + 99 if match[1] else int(match[3] or match[2])
        if last < first:
            raise TemplateError(f"{one!r} ends before it begins")
        found.update(range(first, last + 1))
    return frozenset(found)
