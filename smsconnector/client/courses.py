"""A request with all its attempts: what is sent again, when, and how long. No I/O, no clock.

Sent again is what brought no answer (no connection, none in time, one that broke off), what was refused for now (429,
503), and what something between here and the connector could not pass on (502, 504). An attempt without an answer may
have been carried out. So a request that must not be carried out twice has an Idempotency-Key, and keeps it in all its
attempts. All other requests change nothing, or can be repeated without harm.
"""

import json
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple, TypeVar

from smsconnector.client.errors import Busy, Refused, Unreachable, Unreadable, refused

A = TypeVar("A")
FOR_NOW = (429, 502, 503, 504)
NOT_PASSED_ON = (502, 504)  # of a proxy, which does not know what became of it
SHORTEST_ATTEMPT = 1.0  # seconds, however little of the time is left
_DIGITS = 9  # of Retry-After: 31 years will do


class Request(NamedTuple):
    """``path`` is below the base URL. ``is_lines``: what came before the connection was lost is an answer too.
    ``within``: seconds for this attempt, set by the course."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    is_lines: bool = False
    takes_503: bool = False
    within: float = 0.0


class Reply(NamedTuple):
    """Names of headers in small letters. ``lost``: why there is no more of it; "" if it is whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    lost: str = ""


class NoReply(NamedTuple):
    """``may_have_arrived``: the connector may have the request. ``is_lasting``: another attempt would end the same."""

    why: str
    may_have_arrived: bool
    is_lasting: bool = False


class Pause(NamedTuple):
    seconds: float


class Seen(NamedTuple):
    """What came of a request (None: of a pause), and the time by a clock that only rises, in seconds."""

    outcome: Reply | NoReply | None
    now: float


Flow = Generator[Request | Pause, Seen, A]


@dataclass(frozen=True)
class Retries:
    """``times``: how often a request is sent again at most. ``total``: within how many seconds of the first attempt the
    last one begins. Pauses double from ``first`` to ``longest`` seconds, each by chance from a half of that to all of
    it, so that clients which were refused together don't come back together. Where the connector says Retry-After, the
    pause is not shorter."""

    times: int = 8
    total: float = 60.0
    first: float = 0.25
    longest: float = 8.0

    def __post_init__(self) -> None:
        if self.times < 0 or not 0 <= self.total <= 3_600 or not 0 < self.first <= self.longest:
            raise ValueError("Retries: times is 0 or more, total 0 to 3600 s, first more than 0 and at most longest.")


class Course:
    """One operation. ``timeout``: seconds for an attempt; ``chance`` gives numbers from 0 to 1."""

    def __init__(self, origin: str, retries: Retries, timeout: float, now: float, chance: Callable[[], float]) -> None:
        self.origin, self.retries, self._timeout, self._chance = origin, retries, timeout, chance
        self._end = now + retries.total
        self.attempts = 0
        self.is_unclear = False  # an attempt had no answer, and may have been carried out
        self._within, self._now = timeout, now

    def ask(self, request: Request) -> Flow[Reply]:
        """The answer; ClientError if there is none, or one that refuses for now, and no time is left. What refuses for
        good is an answer."""
        while True:
            reply = yield from self.once(request)
            if reply is not None:
                return reply

    def once(self, request: Request) -> Flow[Reply | None]:
        """One attempt. None: it is to be made again, and the pause before that is over."""
        outcome, self._now = yield request._replace(within=self._within)
        if isinstance(outcome, Reply):
            if outcome.status not in FOR_NOW or (outcome.status == 503 and request.takes_503):
                return outcome
            self.is_unclear = self.is_unclear or outcome.status in NOT_PASSED_ON
        elif outcome is not None:
            self.is_unclear = self.is_unclear or outcome.may_have_arrived
        yield from self.pause(outcome)
        return None

    def pause(self, outcome: Reply | NoReply | None, error: Refused | None = None) -> Flow[None]:
        """Before the next attempt. Raises what the outcome means, or ``error``, if there is no other attempt."""
        self.attempts += 1
        pause = self._pause(retry_after(outcome.headers) if isinstance(outcome, Reply) else None)
        is_lasting = isinstance(outcome, NoReply) and outcome.is_lasting
        if is_lasting or self.attempts > self.retries.times or self._now + pause > self._end:
            raise self._given_up(outcome, error)
        _, self._now = yield Pause(pause)
        self._within = min(self._timeout, max(SHORTEST_ATTEMPT, self._end - self._now))

    def _pause(self, wanted: float | None) -> float:
        rising = min(self.retries.longest, self.retries.first * 2.0 ** min(self.attempts - 1, 30))
        pause = rising * (0.5 + 0.5 * self._chance())
        return pause if wanted is None else max(pause, wanted * (1.0 + 0.1 * self._chance()))

    def _given_up(self, outcome: Reply | NoReply | None, error: Refused | None) -> Refused | Unreachable:
        if error is None and isinstance(outcome, Reply) and not outcome.lost:
            error = self.refusal(outcome)
        if error is not None:
            error.may_be_accepted = self.is_unclear
            return error
        why = outcome.lost if isinstance(outcome, Reply) else outcome.why if outcome is not None else "no answer"
        times = f"{self.attempts} attempts" if self.attempts > 1 else "1 attempt"
        unreachable = Unreachable(f"{self.origin} gave no answer in {times}: {why}")
        unreachable.may_be_accepted = self.is_unclear
        return unreachable

    def refusal(self, reply: Reply) -> Refused:
        """The error that an answer tells. What is none of the connector's own has the code ``http_STATUS``."""
        said = error_of(reply)
        if said is None:
            sentence = (
                f"{self.origin} did not answer as the connector does: is base_url right, and what stands between?"
            )
            said = refused(reply.status, f"http_{reply.status}", sentence)
        if isinstance(said, Busy):
            said.retry_after = retry_after(reply.headers)
        said.may_be_accepted = self.is_unclear
        return said

    def unreadable(self, what: str) -> Unreadable:
        """An answer that was to say ``what``."""
        error = Unreadable(f"{self.origin} answered without {what}: is base_url right? It ends with the base path.")
        error.may_be_accepted = True
        return error


def error_of(reply: Reply) -> Refused | None:
    """The connector's error in an answer; None if it is none of its own."""
    said = json_in(reply.body)
    return error_in(reply.status, said.get("error") if isinstance(said, dict) else None)


def json_in(octets: bytes) -> Any:
    """What JSON says; None if it is none."""
    try:
        return json.loads(octets)
    except (ValueError, RecursionError):
        return None


def error_in(status: int, said: object) -> Refused | None:
    """Of what stands behind "error"."""
    if not isinstance(said, dict):
        return None
    code, message, field = said.get("code"), said.get("message"), said.get("field")
    if not isinstance(code, str) or not isinstance(message, str):
        return None
    return refused(status, code, message, field if isinstance(field, str) else None)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Retry-After in seconds (RFC 9110 section 10.2.3). A date, which a proxy may write, counts from the answer's own
    Date, so no clock is asked. None: it is not there, or nobody can tell what it says."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:_DIGITS])
    try:
        seconds = (parsedate_to_datetime(value) - parsedate_to_datetime(headers.get("date", ""))).total_seconds()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return max(0.0, seconds)
