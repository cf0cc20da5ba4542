"""When a segment is tried again, and how often.

1. A refusal for now says that the network took nothing. The next attempt costs nobody anything, so the attempts go on
   until the lifetime of the message ends, ever slower, up to one each ``maximum`` seconds. ``attempts`` is a limit that
   an operator may set.
2. An unknown outcome is another thing: the text may be on the handset already, and each resend may be one more copy.
   ``resends`` is the limit. It counts unknown outcomes alone. The count is on disk with each outcome
   (``Segment.unknowns``), so that no restart renews it. A segment with no resend left ends as FAILED with the code
   UNKNOWN. Under the policy `hold` that is so after the first submit.
3. A throttled segment is neither: ``throttled``.
"""

import random
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from smsconnector.lifecycle import CODE_EXPIRED, CODE_UNKNOWN
from smsconnector.messages import Outcome, Verdict
from smsconnector.walks.backlog import FOR_EVER, Decided
from smsconnector.walks.priorities import USUAL_SHARE

DOUBLINGS = 60  # at most; more would leave the range of floats, and are longer than any lifetime


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Delays in seconds. ``attempts``: submits of one segment at most, those that were throttled not counted; None: as
    many as its lifetime has room for. ``resends``: after unknown outcomes at most. ``resend`` False is the policy
    `hold`. ``source`` spreads the delays."""

    attempts: int | None = None
    initial: float = 2.0
    maximum: float = 300.0
    resends: int = 2
    resend: bool = True
    strict_order: bool = False
    source: random.Random = field(default_factory=random.Random)
    longest_pause: float = FOR_EVER  # whatever asked for it
    fall_back_after: float | None = None  # from the acceptance on, to another channel; None: never
    interactive_share: float = USUAL_SHARE  # of all places, while both classes wait (``priorities``)

    def delay(self, attempts: int) -> float:
        """Seconds until the next attempt, after so many before this one."""
        return self._spread(_doubled(self.initial, attempts, self.maximum))

    def postponement(self) -> float:
        """Seconds until a throttled segment that went back to the disk is tried again."""
        return self._spread(self.maximum)

    def _spread(self, seconds: float) -> float:
        return seconds * (0.5 + self.source.random() / 2)

    def decided(self, outcome: Outcome, taken: Collection[int], now_ms: Callable[[], int]) -> Decided:
        """What is recorded for any outcome: a verdict, and when to try again (ms). ``taken``: the ids of segments that
        the network is known to have taken."""
        if outcome.segment.id in taken:
            no_step = Verdict.RETRY  # for a segment that is on disk as taken
            return outcome.decided(no_step, outcome.code), now_ms()
        if outcome.verdict in (Verdict.RETRY, Verdict.UNKNOWN):
            return self.decide(outcome, now_ms())
        return outcome, 0

    def decide(self, outcome: Outcome, now_ms: int) -> Decided:
        """What is recorded for a refusal for now or an unknown outcome: RETRY and the time of another attempt, or the
        end. That is REFUSED, or UNKNOWN where a late response may still come, for which the store keeps it for a grace.
        The code UNKNOWN of a RETRY tells the store to count it (``Segment.unknowns``). A refusal for now without a code
        is a request that could not be sent: it has no code, and where it was the last one, nothing was ever taken."""
        segment, is_unknown = outcome.segment, outcome.verdict is Verdict.UNKNOWN
        code = CODE_UNKNOWN if outcome.code is None and is_unknown else outcome.code
        counted = code if is_unknown or code != CODE_UNKNOWN else None  # UNKNOWN may be a word of the provider's
        over = is_unknown and not (self.resend and segment.unknowns < self.resends)
        over = over or (self.attempts is not None and segment.attempts + 1 >= self.attempts)
        if over and outcome.may_come_late:
            return outcome.decided(Verdict.UNKNOWN, code), 0
        if over and code is None:
            code = CODE_UNKNOWN if segment.unknowns else CODE_EXPIRED
        if over:
            return outcome.decided(Verdict.REFUSED, code), 0
        if outcome.retry_in is None:
            delay = self.delay(segment.attempts)
        else:
            first = max(outcome.retry_in, self.initial / 2)  # "at once" would be so for ever: 0 can't be doubled
            delay = _doubled(first, segment.attempts, max(self.maximum, first))
        delay = min(delay, self.longest_pause)  # else the backlog takes it for written before the clock was set back
        return outcome.decided(Verdict.RETRY, counted), now_ms + int(delay * 1000)


def _doubled(seconds: float, times: int, most: float) -> float:
    """So many seconds, doubled so often, but not more than ``most``."""
    return min(seconds * 2.0 ** min(times, DOUBLINGS), most)
