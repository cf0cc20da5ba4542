"""What can be asked of the store about requests that may come again: ``idempotency``. As in ``operations``, each class
says what its result is, and times are integers in ms since the Unix epoch."""

from typing import TYPE_CHECKING, NamedTuple

from smsconnector.messages import record

if TYPE_CHECKING:
    from smsconnector.store.operations import Accept


class RequestKey(NamedTuple):
    """What a client has given a request, so that it can send it again."""

    caller: str  # whose key it is: two callers may use the same
    name: str  # the key, in ASCII
    digest: str  # of what is asked: under one key nothing else may be
    now: int  # of the clock that nobody sets: ``WallClock.steady_milliseconds``
    known_until: int  # by the same clock


@record
class AcceptOnce:
    """As ``Accept``; but if ``key`` is known, nothing is written. With ``only_again`` nothing is in any case, and the
    result has no sid if the key is not known. Result: a ``First``."""

    accept: "Accept"
    key: RequestKey
    only_again: bool = False


@record
class FindFirst:
    """Result: the ``First`` of this key, or None if the key is not known. What is being written now is not seen."""

    key: RequestKey


class First(NamedTuple):
    """The message that a key has made."""

    sid: str | None
    accepted_at: int
    expires_at: int
    digest: str  # of what was asked then
    is_queued: bool = False  # by this operation: it is to be sent
