"""An application takes back a message that was not sent yet.

1. The message is looked up. What has ended, or was sent, can't be taken back.
2. Its channel submits nothing until it is written (``withdrawal``). If a segment of it is under way, it is too late.
3. The commit that ends it looks again: an outcome or a receipt may have come meanwhile. The report says FAILED with the
   code CANCELLED.
"""

import enum
from collections.abc import Callable, Mapping
from functools import partial

from smsconnector.errors import StoreError
from smsconnector.lifecycle import MessageState
from smsconnector.store import operations as ops
from smsconnector.store.finding import FoundMessage
from smsconnector.store.reader import IReader
from smsconnector.store.writer import IWriter
from smsconnector.walks.outlet import Outlet
from smsconnector.wall_clock import WallClock


class Cancelled(enum.Enum):
    """What became of the wish."""

    DONE = "done"
    UNKNOWN = "unknown"  # there is no such message
    TOO_LATE = "too late"  # it is sent, or may be, or has ended


CancelDone = Callable[[Cancelled | None, StoreError | None], None]


class Cancelling:
    """``outlets`` are the channels by their names."""

    def __init__(self, wall_clock: WallClock, writer: IWriter, reader: IReader, outlets: Mapping[str, Outlet]) -> None:
        self._wall_clock, self._writer, self._reader, self._outlets = wall_clock, writer, reader, outlets

    def cancel(self, sid: str, done: CancelDone) -> None:
        """Called back after the commit: ``done(what, None)``, or ``done(None, error)``."""
        self._reader.put(ops.Find(sid), partial(self._found, done))

    def _found(self, done: CancelDone, found: FoundMessage | None, error: StoreError | None) -> None:
        if error is not None:
            done(None, error)
        elif found is None:
            done(Cancelled.UNKNOWN, None)
        elif found.state in (MessageState.ACTIVE, MessageState.WITHDRAWN, MessageState.SCHEDULED):
            self._hold(found, done)
        else:
            done(Cancelled.TOO_LATE, None)

    def _hold(self, message: FoundMessage, done: CancelDone) -> None:
        """A channel that is no longer configured sends nothing."""
        outlet = self._outlets.get(message.channel)
        if outlet is not None and not outlet.hold([(message.id, len(message.segments))]):
            outlet.release(())
            done(Cancelled.TOO_LATE, None)
            return

        def written(is_ended: bool | None, error: StoreError | None) -> None:
            if outlet is not None:
                outlet.release([message.id] if is_ended else ())
            if message.state == MessageState.SCHEDULED and error is None and not is_ended:
                self.cancel(message.sid, done)  # it has become due meanwhile, and is another message now
                return
            what = Cancelled.DONE if is_ended else Cancelled.TOO_LATE
            done(what if error is None else None, error)

        self._writer.put(ops.Cancel(message.id, self._wall_clock.milliseconds()), written)
