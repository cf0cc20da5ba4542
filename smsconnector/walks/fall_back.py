"""The walk of a message to another channel, where its own falls back to one.

1. Every ``LOOK_INTERVAL`` seconds the store is asked which messages their network has not taken in time, and which have
   failed with a code for which another channel is to try (``store.fall_backs``).
2. The text is cut anew, for the other channel. What that can't take stays where it is: a message that has failed then
   ends, and another one waits on for its own channel.
3. A message that its channel may still send is held there while it moves (``withdrawal``). If a segment of it is under
   way just then, it does not move: its outcome decides, and it is looked at again after a while.
4. The message is accepted for the other channel, under the same MessageSID. The commit that writes it ends it on the
   first one, so that never both send it, and never both report it.

A message whose submit had no answer may be on the handset. Under the policy `hold` it stays with its channel. Under
`resend` its channel would send it again, and another one may do so too.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from smsconnector.errors import StoreError, TextError
from smsconnector.lifecycle import CODE_UNKNOWN
from smsconnector.messages import Message
from smsconnector.recurring import Recurring, Sentences
from smsconnector.store.falling import AwaitFallBacks, EndFalling, Falling, FindFalling, Found
from smsconnector.store.inbox import ignore
from smsconnector.store.retrying import RetryingWriter
from smsconnector.store.writer import IWriter
from smsconnector.timers import Repeating
from smsconnector.walks.outlet import Outlet
from smsconnector.walks.submitter import Submitter
from smsconnector.wall_clock import WallClock

LOOK_INTERVAL = 1.0  # seconds
LIMIT = 500  # messages in one step, of each kind

SENTENCES = Sentences(
    one="{count} texts of {what} instead: it could not send them in time, or they failed with a code for which it falls"
    " back",
    more="{count} more texts of {what} instead, in the last minute",
    over="no more texts of {what} instead in the last minute, {total} before that",
)

Transfer = tuple[Falling, Message, Submitter]  # a message, what it becomes, and who takes that


class FallBack(Service):
    """Looks while it runs. Where no channel falls back, it only ends what an earlier configuration has left."""

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        wall_clock: WallClock,
        writer: IWriter,
        outlets: Mapping[str, Outlet],
    ) -> None:
        self._clock, self._wall_clock, self._writer = clock, wall_clock, writer
        self._outlets = outlets
        self._retrying = RetryingWriter(clock, writer)
        self._timer = Repeating(clock, "the look for messages that fall back", self.look)
        self._busy = False
        self._moved: Counter[tuple[str, str]] = Counter()  # by both channels, in the present step
        self._trouble = Recurring(clock, self.log, "fall-back", SENTENCES)

    def startService(self) -> None:
        super().startService()
        self._retrying.put(self._await, ignore)
        self._timer.start(LOOK_INTERVAL, now=False)

    def stopService(self) -> None:
        super().stopService()
        if self._timer.running:
            self._timer.stop()
        self._retrying.close()
        self._trouble.stop()

    def again(self) -> None:
        """Other channels fall back now, or to others, or later."""
        self._retrying.put(self._await, ignore)
        if self.running and not self._timer.running:
            self._timer.start(LOOK_INTERVAL, now=False)

    def _await(self) -> AwaitFallBacks:
        """What waits now has as much time as what comes now."""
        now_ms = self._wall_clock.steady_milliseconds()
        due_at = [(name, now_ms + int(one.fall_back.after * 1000)) for name, one in self._falling_outlets()]
        return AwaitFallBacks(tuple(due_at))

    def _falling_outlets(self) -> list[tuple[str, Outlet]]:
        return [(name, one) for name, one in self._outlets.items() if one.fall_back.channel]

    # --- 1: which they are ----------------------------------------------------------------------------------

    def look(self) -> None:
        """Ask for the next ones, unless the last ones are still moving."""
        if not self._busy:
            self._busy = True
            self._writer.put(FindFalling(self._wall_clock.steady_milliseconds(), LIMIT), self._found)

    def _found(self, found: Found | None, _error: StoreError | None) -> None:
        if found is None or not found.falling or not self.running:
            self._ended(look_again=found is not None and found.has_more)
            if found == ([], False) and not self._falling_outlets() and self._timer.running:
                self._timer.stop()
            return
        moves = {one.id: self._move_of(one) for one in found.falling}
        left = tuple(one for one, move in moves.items() if move is None)
        if left:
            self._writer.put(EndFalling(left, self._wall_clock.milliseconds()), ignore)
        self._move([one for one in moves.values() if one is not None], found.has_more)

    def _ended(self, look_again: bool = False) -> None:
        self._busy = False
        if look_again and self.running:
            self.look()

    # --- 2: what they become --------------------------------------------------------------------------------

    def _move_of(self, one: Falling) -> Transfer | None:
        """None if no other channel can take it, or may: this configuration may be another than the one by which it was
        withdrawn."""
        origin = self._outlets.get(one.channel)
        channel = origin.fall_back.channel if origin is not None else None
        if origin is None or channel is None or one.expires_at <= self._wall_clock.steady_milliseconds():
            return None
        if one.is_withdrawn and one.code == CODE_UNKNOWN and not origin.fall_back.may_repeat:
            return None
        outlet = self._outlets[channel]
        submitter = outlet.submitter(one.destination)
        try:
            split = outlet.cut(one.text)
        except TextError:
            return None
        except Exception:  # noqa: BLE001 — the edge: the fault of one text must not hold up the others
            self.log.failure("a text can't be cut for the channel {channel}", channel=channel)
            return None
        if submitter is None:
            return None
        message = Message(
            sid=one.sid,
            channel=channel,
            source=one.source,
            destination=one.destination,
            alphabet=split.alphabet,
            segments=split.segments,
            accepted_at=one.accepted_at,
            expires_at=one.expires_at,
            is_limited=bool(one.is_limited),
            is_bulk=one.is_bulk,
        )
        return one, message, submitter

    # --- 3 and 4: the move ----------------------------------------------------------------------------------

    def _move(self, moves: Sequence[Transfer], has_more: bool) -> None:
        """What is withdrawn is held as well: memory may have a copy of it that waits to be sent again."""
        outlets = {one.channel: self._outlets[one.channel] for one, _, _ in moves}  # others may stand there later
        held = self._hold([one for one, _, _ in moves])
        free = set[int]().union(*held.values())
        moves = [move for move in moves if move[0].id in free]
        waiting = len(moves)
        moved: list[Falling] = []

        def written(one: Falling, message: Message, error: StoreError | None) -> None:
            nonlocal waiting
            waiting -= 1
            if error is None:
                moved.append(one)
                self._moved[one.channel, message.channel] += 1
            if waiting == 0:
                done()

        def done() -> None:
            for channel in held:
                outlets[channel].release([one.id for one in moved if one.channel == channel])
            self._tell()
            self._ended(look_again=has_more and bool(moved))

        for one, message, submitter in moves:
            submitter.accept(message, partial(written, one, message), fallen_from=one.id)
        if not moves:
            done()

    def _hold(self, falling: Sequence[Falling]) -> dict[str, set[int]]:
        """By channel, those of its messages that may leave it."""
        channels = dict.fromkeys(one.channel for one in falling)
        return {
            name: self._outlets[name].hold([(one.id, one.segments) for one in falling if one.channel == name])
            for name in channels
        }

    def _tell(self) -> None:
        moved, self._moved = self._moved, Counter()
        for (channel, other), count in moved.items():
            self._trouble.count(f"the channel {channel} go by the channel {other}", number=count)
