"""Messages that go on over the channel to which theirs falls back.

1. A message that is accepted for a channel with a fall-back has a row in ``fall_back_due``: it says until when the
   network has time to take it. ``FindFalling`` finds those of which the network has not taken every segment by then.
2. A message that ends as FAILED with a code of the channel's list does not end: it is WITHDRAWN. Nothing is reported,
   and its channel sends nothing more of it. ``FindFalling`` finds these as well. So it is with one whose attempts are
   used up, and that could never be sent.
3. Who has found one accepts its text for the other channel: ``Move``. In that commit the message is MOVED, and a new
   one has its MessageSID. So at each moment one message of the two is alive, and the report, whose event id is made of
   the MessageSID, is written once.
4. ``EndFalling`` is for those that the other channel can't take: a withdrawn one ends as it would have ended, and
   another one goes on waiting.

Nothing of it is done for a channel without a fall-back.
"""

from collections.abc import Collection, Iterable

from smsconnector.lifecycle import CODE_EXPIRED, EndRules, MessageState, SegmentState
from smsconnector.messages import is_bulk_queue
from smsconnector.store import operations as ops
from smsconnector.store.falling import AwaitFallBacks, Falling, FindFalling, Found, Move
from smsconnector.store.rows import Rows, columns

LOOK_AGAIN = 1_000  # ms after which a message that was found is looked at again, unless it has moved
CLAIMED_AGAIN = 5_000  # ms; the same for one that may be with the network, or whose outcome is waited for
SID_OF_MOVED = "substr(m.sid, 1, instr(m.sid, '/') - 1)"  # the MessageSID of a message ``m`` that has moved
_SEGMENTS = "JOIN segment AS s ON s.id BETWEEN m.id AND m.id + m.segments - 1"


def is_moved(sid: str, channel: str | None = None) -> str:
    """The condition that the message ``m`` has moved, and had this MessageSID; from that channel, if one is given. Both
    are SQL."""
    begin = sid if channel is None else f"{sid} || '/' || {channel}"
    return f"m.sid BETWEEN {begin} || '/' AND {begin} || '0'"  # "0" comes next behind "/"


class FallBacks(Rows):
    """What is written of messages that fall back. ``_has_moved``: whether there are any that have."""

    _rules: EndRules
    _has_moved: bool

    def _open_fall_backs(self) -> None:
        self._has_moved = bool(self._one("SELECT EXISTS (SELECT 1 FROM message WHERE asked_channel IS NOT NULL)"))

    def _drop_waiting_segments(self, message_ids: list[int]) -> None:
        """The segments of these messages that the network has not taken are sent no more."""
        self._counts.queued -= self._run(
            f"UPDATE segment SET state = {SegmentState.FAILED:d} WHERE state IN"
            f" ({SegmentState.QUEUED:d}, {SegmentState.CLAIMED:d}) AND id IN (SELECT s.id FROM json_each(?) AS j"
            f" JOIN message AS m ON m.id = j.value {_SEGMENTS})",
            message_ids,
        ).rowcount

    # --- which they are -------------------------------------------------------------------------------------

    def _await_fall_backs(self, batch: list[AwaitFallBacks]) -> list[None]:
        """What waits to be sent by a channel that did not fall back until now has as much time as new ones."""
        run = self._connection.execute
        for wanted in batch:
            names = {name for name, _ in wanted.due_at}
            known = {name for (name,) in run("SELECT name FROM falling_channel")}
            if known != names:
                run("DELETE FROM falling_channel")
                self._run("INSERT INTO falling_channel (name) SELECT value FROM json_each(?)", sorted(names))
                self._run("DELETE FROM fall_back_due WHERE channel NOT IN (SELECT value FROM json_each(?))", [*names])
            self._run(  # a clock that was wrong when it was written
                "UPDATE fall_back_due SET due_at = j.value->>1 FROM json_each(?) AS j"
                " WHERE fall_back_due.channel = j.value->>0 AND fall_back_due.due_at > j.value->>1",
                wanted.due_at,
            )
            new = [(name, due_at) for name, due_at in wanted.due_at if name not in known]
            if new:
                self._run(
                    "INSERT OR IGNORE INTO fall_back_due (id, due_at, channel) SELECT DISTINCT m.id, j.value->>1,"
                    " m.channel"
                    " FROM segment AS s CROSS JOIN message AS m ON m.id = s.id - s.number + 1"
                    " JOIN json_each(?) AS j ON j.value->>0 = m.channel"
                    f" WHERE s.state = {SegmentState.QUEUED:d}",
                    new,
                )
        return [None] * len(batch)

    def _note_fall_backs(self, batch: Iterable[ops.Accept]) -> None:
        """Until when the networks of these have time."""
        rows = [(one.first_id, one.fall_back_at, one.message.channel) for one in batch if one.fall_back_at is not None]
        if rows:
            self._run(
                f"INSERT OR REPLACE INTO fall_back_due (id, due_at, channel) SELECT {columns(3)} FROM json_each(?)",
                rows,
            )

    def _find_falling(self, batch: list[FindFalling]) -> list[Found]:
        return [self._find(find) for find in batch]

    def _find(self, find: FindFalling) -> Found:
        withdrawn = self._withdrawn(find)
        stuck, examined = self._stuck(find)
        return Found(self._falling(withdrawn + stuck), max(len(withdrawn), examined) >= find.limit)

    def _withdrawn(self, find: FindFalling) -> list[int]:
        rows = self._connection.execute(
            f"SELECT id FROM message WHERE state = {MessageState.WITHDRAWN:d} ORDER BY id LIMIT ?", (find.limit,)
        )
        return [message_id for (message_id,) in rows]

    def _stuck(self, find: FindFalling) -> tuple[list[int], int]:
        """Those whose time is over, and of which a segment is known not to have been taken; and how many were looked
        at. They are looked at again, and so are those with a segment that is just being sent, or whose outcome is
        waited for. What can't fall back any more is forgotten."""
        rows = self._connection.execute(
            f"SELECT d.id, m.state = {MessageState.ACTIVE:d} AND m.expires_at > ?1 AND max(s.state ="
            f" {SegmentState.QUEUED:d}), m.state = {MessageState.ACTIVE:d} AND max(s.state = {SegmentState.CLAIMED:d})"
            " FROM (SELECT id FROM fall_back_due WHERE due_at <= ?1 ORDER BY due_at LIMIT ?2) AS d"
            f" LEFT JOIN message AS m ON m.id = d.id LEFT {_SEGMENTS} GROUP BY d.id",
            (find.now, find.limit),
        ).fetchall()
        again = [
            (message_id, find.now + (LOOK_AGAIN if is_queued else CLAIMED_AGAIN))
            for message_id, is_queued, is_claimed in rows
            if is_queued or is_claimed
        ]
        if again:
            self._run(
                "UPDATE fall_back_due SET due_at = j.value->>1 FROM json_each(?) AS j"
                " WHERE fall_back_due.id = j.value->>0",
                again,
            )
        self._forget([message_id for message_id, is_queued, is_claimed in rows if not (is_queued or is_claimed)])
        return [message_id for message_id, is_queued, _ in rows if is_queued], len(rows)

    def _forget(self, message_ids: list[int]) -> None:
        """These can't fall back, whatever comes."""
        if message_ids:
            self._run("DELETE FROM fall_back_due WHERE id IN (SELECT value FROM json_each(?))", message_ids)

    def _falling(self, message_ids: list[int]) -> list[Falling]:
        if not message_ids:
            return []
        rows = self._run(
            "SELECT m.id, m.sid, m.channel, m.source, m.destination, m.segments, m.accepted_at, m.expires_at,"
            f" m.is_limited, m.state = {MessageState.WITHDRAWN:d}, m.code,"
            " (SELECT group_concat(t.text, '') FROM (SELECT text FROM segment"
            "   WHERE id BETWEEN m.id AND m.id + m.segments - 1 ORDER BY id) AS t),"
            " (SELECT f.queue FROM segment AS f WHERE f.id = m.id)"
            " FROM json_each(?) AS j JOIN message AS m ON m.id = j.value ORDER BY j.key",
            message_ids,
        )
        return [Falling._make((*row, is_bulk_queue(queue))) for *row, queue in rows]

    # --- and what becomes of them ---------------------------------------------------------------------------

    def _withdraw(
        self, ended: Iterable[tuple[int, str, int | str | None]], is_presumed: bool, unsent: Collection[int]
    ) -> set[int]:
        """Which of these (id, channel, code), which would end as FAILED, fall back instead: they are withdrawn.
        ``is_presumed``: the network has not told that clearly, so this is another send where the first may have come.
        ``unsent``: those that end because their attempts are used up, and none was ever sent; they fall back. What is
        over by then ends when it is found: its lifetime is told by another clock."""
        rules = self._rules.fall_backs
        wanted = [
            (message_id, code)
            for message_id, channel, code in ended
            if channel in rules
            and ((message_id in unsent and code == CODE_EXPIRED) or rules[channel].takes(code, is_presumed))
        ]
        if not wanted:
            return set()
        ids = [message_id for message_id, _ in wanted]
        self._run(
            f"UPDATE message SET state = {MessageState.WITHDRAWN:d}, code = j.value->>1 FROM json_each(?) AS j"
            " WHERE message.id = j.value->>0",
            wanted,
        )
        self._drop_waiting_segments(ids)
        return set(ids)

    def _take_from(self, batch: list[Move]) -> list[Move]:
        """Of these those that may move: the other message is withdrawn, or a segment of it waits. It is moved. Its sid
        gets the name of its channel and its id, for a text may come to a channel more than once."""
        rows = self._run(
            f"SELECT m.id, m.state = {MessageState.WITHDRAWN:d} OR (m.state = {MessageState.ACTIVE:d}"
            f" AND max(s.state = {SegmentState.QUEUED:d})) FROM json_each(?) AS j JOIN message AS m ON m.id = j.value"
            f" {_SEGMENTS} GROUP BY m.id",
            [one.message_id for one in batch],
        ).fetchall()
        may = {message_id for message_id, may_move in rows if may_move}
        moved = list({one.message_id: one for one in batch if one.message_id in may}.values())
        ids = [one.message_id for one in moved]
        self._drop_waiting_segments(ids)
        self._run(
            "UPDATE message SET sid = sid || '/' || channel || '/' || message.id, final_at = j.value->>1,"
            f" state = {MessageState.MOVED:d} FROM json_each(?) AS j WHERE message.id = j.value->>0",
            [(one.message_id, one.now) for one in moved],
        )
        self._forget(ids)
        return moved

    def _note_asked_channels(self, moved: Iterable[Move]) -> None:
        """The new messages are there: their reports are of the channel that was asked for."""
        self._has_moved = True
        self._run(
            "UPDATE message SET asked_channel = coalesce(o.asked_channel, o.channel), reference = o.reference,"
            " accepted_by = o.accepted_by"
            " FROM json_each(?) AS j JOIN message AS o ON o.id = j.value->>1 WHERE message.id = j.value->>0",
            pairs := [(one.accept.first_id, one.message_id) for one in moved],
        )
        self._run(
            "INSERT INTO schedule (id, send_at, accepted_at, left_at) SELECT j.value->>0, t.send_at, t.accepted_at,"
            " t.left_at FROM json_each(?) AS j CROSS JOIN schedule AS t ON t.id = j.value->>1",
            pairs,
        )

    def _asked_channels(self, message_ids: Iterable[int]) -> dict[int, str]:
        """The channels that were asked for, of those of these messages that have fallen back."""
        if not self._has_moved:
            return {}
        return dict(
            self._run(
                "SELECT m.id, m.asked_channel FROM json_each(?) AS j JOIN message AS m ON m.id = j.value"
                " WHERE m.asked_channel IS NOT NULL",
                list(message_ids),
            ).fetchall()
        )
