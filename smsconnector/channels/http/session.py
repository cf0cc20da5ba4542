"""A session or a token: fetched by a call of its own, kept until it ends, and renewed when the provider refuses it.

1. Whoever needs it asks ``get``. The first asks the provider; all who come meanwhile wait for the same answer.
2. It ends when the provider has said so, a little earlier; or when a request with it was refused: ``refused``. A late
   refusal of an old session does not end the new one.
3. A log-in that fails, or can't even be made, is told to all who wait. Until ``PAUSE`` is over the same is told to
   whoever comes, so that a wrong password is not tried a hundred times a second.
"""

from collections.abc import Callable
from dataclasses import dataclass

from twisted.internet.defer import Deferred, fail, maybeDeferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from smsconnector.errors import HTTPFailure, NotSent, TextError
from smsconnector.net.http_client import HTTPCall, HTTPReply
from smsconnector.rest.answers import Answer, Selector, as_word
from smsconnector.rest.conditions import Judgement, Meaning, by_status
from smsconnector.rest.ids import usable_id

PAUSE = 5.0  # seconds between two log-ins, if the first has failed
EARLY = 0.1  # of its lifetime, but not more than EARLY_S: it should not end on its way
EARLY_S = 30.0
LONGEST_LIFE = 31_536_000.0  # seconds
SESSION_CHARACTERS = 8_192  # a JWT may be long


class LoginRefused(Exception):
    """There is no session: the provider answered the log-in without one, or none can be made. ``retry_after`` is that
    header of its answer, ``status`` its HTTP status."""

    def __init__(
        self, judgement: Judgement, why: str, retry_after: str | None = None, status: int | None = None
    ) -> None:
        super().__init__(why)
        self.judgement, self.retry_after, self.status = judgement, retry_after, status


@dataclass(frozen=True, slots=True)
class LoginRules:
    """How the answer to a log-in is read. ``lifetime`` is in seconds; None: until the session is refused. ``charset``
    is that of answers that say it wrongly."""

    meaning: Meaning
    session: Selector
    expires_in: Selector | None = None
    lifetime: float | None = None
    charset: str | None = None


class Session:
    """``ask`` sends a call, ``make_call`` makes the log-in, ``seconds`` is a clock that only rises."""

    log = Logger()

    def __init__(
        self,
        ask: "Callable[[HTTPCall], Deferred[HTTPReply]]",
        make_call: Callable[[], HTTPCall],
        rules: LoginRules,
        seconds: Callable[[], float],
    ) -> None:
        self._ask, self._make_call, self._rules, self._seconds = ask, make_call, rules, seconds
        self._value: str | None = None
        self._ends_at: float | None = None
        self._waiting: list[Deferred[str]] | None = None  # a log-in is under way
        self._failure: Failure | None = None
        self._try_at = 0.0

    def get(self) -> "str | Deferred[str]":
        """The session. The Deferred fails with NotSent, where the log-in could not be made, or with LoginRefused."""
        now = self._seconds()
        if self._value is not None and (self._ends_at is None or now < self._ends_at):
            return self._value
        if self._waiting is None:
            if self._failure is not None and now < self._try_at:
                return fail(self._failure.value)
            self._waiting = []
            waiter: Deferred[str] = Deferred()
            self._waiting.append(waiter)
            maybeDeferred(self._log_in).addCallback(self._read).addBoth(self._done)
            return waiter
        waiter = Deferred()
        self._waiting.append(waiter)
        return waiter

    def pause_left(self) -> float:
        """Seconds until the next log-in may be tried; 0 if it may be now."""
        return 0.0 if self._failure is None else max(0.0, self._try_at - self._seconds())

    def _log_in(self) -> "Deferred[HTTPReply]":
        return self._ask(self._make_call())

    def refused(self, value: str | None) -> None:
        """The provider says that this session is none any more."""
        if value is not None and value == self._value:
            self._value = None

    def _read(self, reply: HTTPReply) -> str:
        answer = Answer(reply.status, reply.headers, reply.body, self._rules.charset)
        meaning = self._rules.meaning
        value = as_word(self._rules.session.first(answer))
        if not meaning.accepts(answer) or not value or not usable(value):
            outcome = by_status(reply.status)
            fatal = outcome in ("permanent", "account") or 200 <= reply.status < 300
            outcome = "account" if fatal else "throttled" if outcome == "throttled" else "temporary"
            why = f"the log-in was refused with HTTP status {reply.status}"
            judgement = meaning.refusal(answer)._replace(outcome=outcome)
            raise LoginRefused(judgement, why, reply.headers.get("retry-after"), reply.status)
        life = self._lifetime(answer)
        self._ends_at = None if life is None else self._seconds() + life - min(life * EARLY, EARLY_S)
        return value

    def _lifetime(self, answer: Answer) -> float | None:
        """What the answer says, as a number or as a text of digits; else what is configured."""
        if self._rules.expires_in is not None:
            try:
                said = float(as_word(self._rules.expires_in.first(answer)) or "")
            except ValueError:
                said = 0.0
            if said > 0:
                return min(said, LONGEST_LIFE)
        return self._rules.lifetime

    def _done(self, result: "str | Failure") -> None:
        waiting, self._waiting = self._waiting or [], None
        if isinstance(result, Failure):
            if result.check(HTTPFailure) and not result.check(NotSent):
                result = Failure(NotSent(f"no session: {result.value}"))  # of the text nothing was sent
            elif not result.check(HTTPFailure, LoginRefused):
                result = Failure(self._cannot_be_made(result))
            self._failure, self._try_at = result, self._seconds() + PAUSE
            for one in waiting:
                one.errback(result)
            return
        self._value, self._failure = result, None
        for one in waiting:
            one.callback(result)

    def _cannot_be_made(self, failure: Failure) -> LoginRefused:
        """It would be so each time: somebody has to mend it, and all that waits has to be told."""
        if not failure.check(TextError):  # a fault of ours
            self.log.failure("no log-in could be made", failure)
        told = failure.value if failure.check(TextError) else type(failure.value).__name__
        return LoginRefused(Judgement("account"), f"no log-in can be made: {told}")


def usable(value: str) -> bool:
    """Whether it is a session: what means "none" is none."""
    if len(value) > SESSION_CHARACTERS or not value.isprintable():
        return False
    return len(value) > len("undefined") or usable_id(value) is not None
