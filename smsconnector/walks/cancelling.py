"""An application takes back a message.

1. The message is looked up. What has ended can't be taken back.
2. Its channel submits nothing until it is written (``withdrawal``). If a segment of it is under way, it is too late.
3. The commit that ends it looks again: an outcome or a receipt may have come meanwhile. The report says FAILED with the
   code CANCELLED.

If all of it was sent, and no receipt has come, the network may be asked to take it back, where the configuration says
that it can (SMPP: cancel_sm):

1. All segments are asked for. The message stays as it is if one is refused, or has no answer: its receipts will tell.
2. If all are accepted, the commit that ends it looks again. What a receipt has told before is what counts.
3. Who asks meanwhile for the same message waits for the same answer.
"""

import enum
from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

from smsconnector.channels import TakeBack, TakeBackAnswer, TakenSegment
from smsconnector.codes import Codes, explain
from smsconnector.errors import StoreError
from smsconnector.lifecycle import MessageState, SegmentState
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
    UNWRITTEN = "unwritten"  # the network has taken it back, and the disk could not take that


class Stays(NamedTuple):
    """The network has it, and was asked to take it back, or could not be asked. ``sentence`` says what came of that.
    ``reason``: a stable word."""

    reason: str
    sentence: str


CancelDone = Callable[[Cancelled | Stays | None, StoreError | None], None]

TWICE = "an earlier submit of it had no response, and may be a second copy that nobody can take back"
SILENT = (
    "The network was asked to take it back, and has not answered in time: whether it will be delivered is not known."
    " Its report will tell."
)


class Cancelling:
    """``outlets`` are the channels by their names."""

    def __init__(self, wall_clock: WallClock, writer: IWriter, reader: IReader, outlets: Mapping[str, Outlet]) -> None:
        self._wall_clock, self._writer, self._reader, self._outlets = wall_clock, writer, reader, outlets
        self._asked: dict[int, list[CancelDone]] = {}  # who waits for a network's answer, by the id of the message

    def cancel(self, sid: str, done: CancelDone) -> None:
        """Called back after the commit: ``done(what, None)``, or ``done(None, error)``."""
        self._reader.put(ops.Find(sid), partial(self._found, done))

    def _found(self, done: CancelDone, found: FoundMessage | None, error: StoreError | None) -> None:
        if error is not None:
            done(None, error)
        elif found is None:
            done(Cancelled.UNKNOWN, None)
        elif found.state in (MessageState.ACTIVE, MessageState.WITHDRAWN, MessageState.SCHEDULED):
            if found.state == MessageState.ACTIVE and all(one.state == SegmentState.SENT for one in found.segments):
                self._ask(found, done)
            else:
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

    # --- what the network has -------------------------------------------------------------------------------

    def _ask(self, message: FoundMessage, done: CancelDone) -> None:
        """Ask the network to take it back."""
        if message.id in self._asked:
            self._asked[message.id].append(done)
            return
        self._asked[message.id] = [done]
        outlet = self._outlets.get(message.channel)
        if outlet is None:
            self._tell(message.id, Cancelled.TOO_LATE)
        elif any(one.unknowns for one in message.segments):
            self._answered(message, outlet.codes, [TakeBackAnswer(TakeBack.NOT_ASKED, why=TWICE)])
        else:
            outlet.take_back(_taken(message), partial(self._answered, message, outlet.codes))

    def _answered(self, message: FoundMessage, codes: Codes, answers: list[TakeBackAnswer]) -> None:
        """What the network says of each segment."""
        if any(one.what is not TakeBack.ACCEPTED for one in answers):
            self._tell(message.id, _stays(message, codes, answers))
            return

        def written(is_ended: bool | None, error: StoreError | None) -> None:
            if error is not None:
                self._tell(message.id, Cancelled.UNWRITTEN)
            else:
                self._tell(message.id, Cancelled.DONE if is_ended else Cancelled.TOO_LATE)

        self._writer.put(ops.CancelTaken(message.id, self._wall_clock.milliseconds()), written)

    def _tell(self, message_id: int, what: Cancelled | Stays) -> None:
        for done in self._asked.pop(message_id):
            done(what, None)


def _taken(message: FoundMessage) -> list[TakenSegment]:
    return [
        TakenSegment(one.account or "", one.bind, one.smsc_id or "", message.source, message.destination)
        for one in message.segments
    ]


def _stays(message: FoundMessage, codes: Codes, answers: list[TakeBackAnswer]) -> Cancelled | Stays:
    """Why it stays as it is. A refusal says more than silence does."""
    kinds = [one.what for one in answers]
    if TakeBack.NOT_ALLOWED in kinds:
        return Cancelled.TOO_LATE
    if TakeBack.NOT_ASKED in kinds:
        why = next(one.why for one in answers if one.what is TakeBack.NOT_ASKED)
        return Stays("too_late", f"It was sent, and the network can't be asked to take it back: {why}.")
    count, accepted = len(answers), kinds.count(TakeBack.ACCEPTED)
    some = f"The network takes back {accepted} of its {count} parts; its report will tell. " if count > 1 else ""
    if TakeBack.REFUSED not in kinds:
        return Stays("cancel_unknown", some + SILENT)
    place = kinds.index(TakeBack.REFUSED)
    account = message.segments[place].account
    words = explain(answers[place].code or 0, codes, was_taken=False, account=account).text
    return Stays("cancel_refused", f"{some}It was sent, and the network does not take it back. {words}")
