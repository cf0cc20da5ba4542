"""What becomes of segments that the network has throttled: each keeps its lane, and is sent again after a pause.

Where memory holds very many of them, those that have waited for some time already go back to the disk. That is a retry
in all but the count of attempts: what is accepted later for their numbers may overtake them. With strict order nothing
goes back.

Under the policy `hold` a segment gives its claim back for a pause of a second and more. So does one that was claimed
and has found no room for about a second. A kill must not end what is known not to have been sent. The pause begins
when the claim is off on disk.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from smsconnector.messages import Segment
from smsconnector.walks.claims import Claims
from smsconnector.walks.lanes import Lanes
from smsconnector.walks.pauses import Pauses, pause_after
from smsconnector.walks.priorities import ReadyByClass
from smsconnector.walks.ready import THROTTLES_OF_POSTPONED

MANY_PAUSED = 2_000  # throttled segments in memory; more, and those with a long pause go back to the disk
LONG_PAUSE = 1.0  # seconds: a pause above it begins some two seconds after the first throttle


class ThrottledSegments:
    """``postponement`` gives the seconds for which segments go back to the disk; None: they do not. ``claims``: who
    gives claims back; None: nothing is claimed. ``ended`` is called when pauses have ended."""

    def __init__(
        self,
        clock: IReactorTime,
        ready: ReadyByClass,
        lanes: Lanes,
        pauses: Pauses,
        postponement: Callable[[], float] | None,
        claims: Claims | None,
        ended: Callable[[], None],
    ) -> None:
        self._clock, self._ready, self._lanes, self._pauses = clock, ready, lanes, pauses
        self._postponement, self._claims, self._ended = postponement, claims, ended
        self._waiting: set[int] = set()  # ids of those that were claimed and found no room when we looked last
        self._stopped = False
        self._call: IDelayedCall | None = None  # when the first pause ends

    def stop(self) -> None:
        self._stopped = True
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def add(self, segments: Iterable[Segment]) -> None:
        """The network took none of these."""
        postponement = self._postponement
        if self._pauses.paused <= MANY_PAUSED and not self._ready.is_crowded:
            postponement = None
        now = self._clock.seconds()
        away, idle = [], []
        for one in segments:
            segment = replace(one, throttles=one.throttles + 1)
            is_long = pause_after(segment.throttles) > LONG_PAUSE
            if is_long and postponement is not None:
                away.append(segment)
            elif is_long and self._claims is not None:
                idle.append(segment)
            else:
                self._pauses.begin(segment, now)
        self._wait(now)
        if idle and self._claims is not None:
            self._claims.give_back(idle, lambda: self._begin(idle))
        if postponement is not None and away:
            self._postpone(away, postponement())

    def _begin(self, segments: Sequence[Segment]) -> None:
        """Their claims are given back."""
        if not self._stopped:
            now = self._clock.seconds()
            for segment in segments:
                self._pauses.begin(segment, now)
            self._wait(now)

    def tick(self) -> None:
        """Called now and then, a second apart at most: give back the claims of those that found no room since the call
        before this one."""
        claims, before = self._claims, self._waiting
        if claims is None or not (before or self._pauses.over):
            return
        claimed = [one for one in self._pauses.waiting() if not claims.is_given_back(one)]
        idle = [one for one in claimed if one.id in before]
        self._waiting = {one.id for one in claimed}
        if idle:
            self._pauses.take_out(idle)
            claims.give_back(idle, lambda: self._wait_again(idle))

    def _wait_again(self, segments: Sequence[Segment]) -> None:
        """Their claims are given back, and their pauses were over before."""
        if not self._stopped:
            self._pauses.put_back(segments)
            self._ended()

    def _postpone(self, segments: Sequence[Segment], seconds: float) -> None:
        """Back to the disk for a while; no attempt is counted, for it may be their numbers that are full. The next ones
        in their lanes are tried, and follow at once if they are throttled too. Where too many wait in lanes, all that
        wait in these go along: what is accepted later for their numbers may overtake them."""
        crowded = self._ready.is_crowded
        away = list(segments)
        for segment in segments:
            if crowded:
                away += self._lanes.clear(segment.destination)
            following = self._lanes.leave(segment)
            self._ready.first_in_line([replace(one, throttles=THROTTLES_OF_POSTPONED) for one in following])
        self._ready.postpone(away, seconds)

    def _wait(self, now: float) -> None:
        """Until the first pause ends."""
        end = self._pauses.first_end
        if end is None or (self._call is not None and self._call.getTime() <= end):
            return
        if self._call is not None:
            self._call.cancel()
        self._call = self._clock.callLater(max(0.0, end - now), self._end)

    def _end(self) -> None:
        self._call = None
        now = self._clock.seconds()
        self._pauses.end(now)
        self._wait(now)
        self._ended()
