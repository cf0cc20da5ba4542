"""Policy `hold`: a segment is marked on disk before it is on the wire, so that after a crash it is not sent again.

1. ``claim`` writes the mark. Until that is answered the segments take their place in the window, and keep their lanes.
2. ``claimed`` hears which may be sent. Those that may not have ended.
3. What could not be marked is kept for ``try_again``; ``failed`` says that it is time to plan that.
4. ``release`` takes the mark off segments that are known not to have been sent.
"""

from collections.abc import Callable, Sequence

from smsconnector.errors import StoreDamaged, StoreError
from smsconnector.messages import Segment
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

    def __len__(self) -> int:
        """Segments that take a place in the window and are not given to the channel yet."""
        return self.writing + len(self.unwritten)

    def claim(self, segments: Sequence[Segment]) -> None:
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
        if segments:
            self.claim(segments)

    def release(self, segments: Sequence[Segment]) -> None:
        if segments:
            self._backlog.unclaim([one.id for one in segments])
