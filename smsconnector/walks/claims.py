"""Policy `hold`: a segment is marked on disk before it is on the wire, so that after a crash it is not sent again.

1. ``claim`` writes the mark. Until that is answered the segments take their place in the window, and keep their lanes.
2. ``claimed`` hears which may be sent. Those that may not have ended.
3. What could not be marked is kept for ``try_again``; ``failed`` says that it is time to plan that.
4. ``release`` takes the mark off segments that are known not to have been sent, when the process is about to end.
5. ``give_back`` does so while it goes on: a segment that is throttled waits for seconds and more, and a kill in that
   time must not end it as one that may have been sent. Such a segment is claimed again before it is sent
   (``is_given_back``). It is nobody's until the mark is off on disk: if it were claimed and sent meanwhile, a write
   that comes late would take the new mark off.
"""

from collections.abc import Callable, Iterable, Sequence

from smsconnector.errors import StoreDamaged, StoreError
from smsconnector.messages import Segment
from smsconnector.store.inbox import ignore
from smsconnector.walks.backlog import IBacklog


class Claims:
    """``claimed(segments, ids)`` gets the segments of one claim, and the ids of those that may be sent."""

    def __init__(
        self,
        backlog: IBacklog,
        claimed: Callable[[Sequence[Segment], set[int]], None],
        failed: Callable[[], None],
    ) -> None:
        self._backlog, self._claimed, self._failed = backlog, claimed, failed
        self.writing = 0  # segments whose mark is being written
        self.unwritten: list[Segment] = []  # those whose mark could not be written
        self._given_back: set[int] = set()  # ids of segments in memory whose mark is off

    def __len__(self) -> int:
        """Segments that take a place in the window and are not given to the channel yet."""
        return self.writing + len(self.unwritten)

    def claim(self, segments: Sequence[Segment]) -> None:
        if not segments:
            return
        self.forget(segments)
        self.writing += len(segments)

        def answered(ids: list[int] | None, error: StoreError | None) -> None:
            self.writing -= len(segments)
            if ids is None:
                self.unwritten += segments
                if not isinstance(error, StoreDamaged):  # which stays so: these are never sent by this process
                    self._failed()
            else:
                self._claimed(segments, set(ids))

        self._backlog.claim([one.id for one in segments], answered)

    def try_again(self) -> None:
        segments, self.unwritten = self.unwritten, []
        self.claim(segments)

    def release(self, segments: Sequence[Segment]) -> None:
        if segments:
            self._backlog.unclaim([one.id for one in segments], ignore)

    # --- while they wait ------------------------------------------------------------------------------------

    def give_back(self, segments: Sequence[Segment], given_back: Callable[[], None]) -> None:
        """Take the mark off these; ``given_back`` is called when it is off on disk."""
        ids = [one.id for one in segments]

        def answered(_result: None, _error: StoreError | None) -> None:
            self._given_back.update(ids)
            given_back()

        self._backlog.unclaim(ids, answered)

    def is_given_back(self, segment: Segment) -> bool:
        return segment.id in self._given_back

    def forget(self, segments: Iterable[Segment]) -> None:
        """These are claimed again, or will not be sent."""
        self._given_back.difference_update([one.id for one in segments])
