"""Messages that are to be sent later.

1. ``Schedule`` writes the message and its segments as ``Accept`` does, but in the state SCHEDULED, which is in no queue
   and in no index of what waits; and a row in ``schedule``, which says when it is due.
2. ``LoadScheduled`` finds those that are due. ``Release`` writes each anew, as if it were accepted now: ids rise with
   the order in which texts are sent, and all that reads them relies on that. The row in ``schedule`` goes with it, and
   keeps when it was accepted.
3. ``Cancel`` ends one before that.

Nothing else ends a scheduled message: its lifetime begins when it is due.
"""

from collections.abc import Iterable, Sequence

from smsconnector.lifecycle import MessageState, SegmentState
from smsconnector.store import operations as ops
from smsconnector.store.outgoing import OutgoingTexts
from smsconnector.store.scheduling import Release


class ScheduledTexts(OutgoingTexts):
    """What is written of them."""

    def _open_schedule(self) -> None:
        self._counts.scheduled = self._one("SELECT count(*) FROM schedule WHERE left_at IS NULL")

    def _accept_or_schedule(self, batch: Sequence[ops.Accept]) -> list[ops.Accepted]:
        """Messages of both kinds; the results are in their order."""
        results: dict[int, ops.Accepted] = {}
        for write, some in (
            (self._accept, [one for one in batch if type(one) is ops.Accept]),
            (self._schedule, [one for one in batch if type(one) is not ops.Accept]),
        ):
            if some:
                results |= zip((one.first_id for one in some), write(some), strict=True)
        return [results[one.first_id] for one in batch]

    def _schedule(self, batch: list[ops.Accept]) -> list[ops.Accepted]:
        results = self._accept(batch)
        later = [one for one, what in zip(batch, results, strict=True) if what is ops.Accepted.QUEUED]
        self._run(
            f"UPDATE message SET state = {MessageState.SCHEDULED:d} WHERE id IN (SELECT value FROM json_each(?))",
            [one.first_id for one in later],
        )
        ids = [one.first_id + place for one in later for place in range(len(one.message.segments))]
        self._run(
            f"UPDATE segment SET state = {SegmentState.SCHEDULED:d} WHERE id IN (SELECT value FROM json_each(?))", ids
        )
        self._counts.queued -= len(ids)
        self._counts.scheduled += len(later)
        rows = [(one.first_id, one.message.send_at, one.message.accepted_at) for one in later]
        if rows:
            self._insert("INSERT INTO schedule (id, send_at, accepted_at)", rows)
        return [ops.Accepted.SCHEDULED if what is ops.Accepted.QUEUED else what for what in results]

    def _release(self, batch: list[Release]) -> list[ops.Accepted]:
        """Once each: one that was asked for twice in a batch is found once."""
        wanted = {one.message_id: one for one in batch}
        rows = self._run(
            "SELECT t.id, t.send_at, t.accepted_at FROM json_each(?) AS j CROSS JOIN schedule AS t ON t.id = j.value"
            f" CROSS JOIN message AS m ON m.id = t.id WHERE m.state = {MessageState.SCHEDULED:d}",
            list(wanted),
        ).fetchall()
        if not rows:
            return [ops.Accepted.NOTHING] * len(batch)
        self._drop_scheduled([message_id for message_id, *_ in rows])
        found = [wanted[message_id] for message_id, *_ in rows]
        accepted = self._accept([one.accept for one in found], are_new=False)
        results = dict(zip((one.accept.first_id for one in found), accepted, strict=True))
        self._insert(
            "INSERT INTO schedule (id, send_at, accepted_at, left_at)",
            [(one.accept.first_id, *row[1:], one.now) for one, row in zip(found, rows, strict=True)],
        )
        return [results.get(one.accept.first_id, ops.Accepted.NOTHING) for one in batch]

    def _drop_scheduled(self, message_ids: list[int]) -> None:
        """These are written anew."""
        self._run(
            "DELETE FROM segment WHERE id IN (SELECT s.id FROM json_each(?) AS j"
            " CROSS JOIN message AS m ON m.id = j.value"
            " CROSS JOIN segment AS s ON s.id BETWEEN m.id AND m.id + m.segments - 1)",
            message_ids,
        )
        for table in ("message", "schedule"):
            self._run(f"DELETE FROM {table} WHERE id IN (SELECT value FROM json_each(?))", message_ids)
        self._counts.scheduled -= len(message_ids)

    def _cancel(self, batch: list[ops.Cancel]) -> list[bool]:
        """A scheduled one was never sent."""
        rows = self._run(
            "SELECT m.id FROM json_each(?) AS j CROSS JOIN message AS m ON m.id = j.value"
            f" WHERE m.state = {MessageState.SCHEDULED:d}",
            [one.message_id for one in batch],
        )
        self._unschedule([message_id for (message_id,) in rows], batch[-1].now)
        return super()._cancel(batch)

    def _unschedule(self, message_ids: Iterable[int], now: int) -> None:
        """These are as if they had been accepted to be sent at once, and nobody has sent them."""
        ids = list(message_ids)
        if not ids:
            return
        self._counts.queued += self._run(
            f"UPDATE segment SET state = {SegmentState.QUEUED:d} WHERE id IN (SELECT s.id FROM json_each(?) AS j"
            " CROSS JOIN message AS m ON m.id = j.value"
            " CROSS JOIN segment AS s ON s.id BETWEEN m.id AND m.id + m.segments - 1)",
            ids,
        ).rowcount
        self._run(
            f"UPDATE message SET state = {MessageState.ACTIVE:d} WHERE id IN (SELECT value FROM json_each(?))", ids
        )
        self._run("UPDATE schedule SET left_at = ?2 WHERE id IN (SELECT value FROM json_each(?1))", ids, now)
        self._counts.scheduled -= len(ids)
