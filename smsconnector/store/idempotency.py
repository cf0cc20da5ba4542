"""Messages that are accepted once, however often they are asked for.

A request may bring a key. The message and the key's row are written in one commit, so after a kill both are there or
neither. The writer does one operation after the other. So one that brings the same key finds the row of the first,
even if both are in one batch; and its answer comes after the commit of the first.
"""

from smsconnector.store import operations as ops
from smsconnector.store.repeats import AcceptOnce, First
from smsconnector.store.schedules import ScheduledTexts

LONGEST_KNOWN = 2_764_800_000  # ms, 32 days: no key is known for longer, unless a clock was wrong
_INTO = "INSERT INTO idempotency_key (caller, name, digest, sid, accepted_at, expires_at, known_until)"


class Idempotency(ScheduledTexts):
    """What is written of keys."""

    def _accept_once(self, batch: list[AcceptOnce]) -> list[First]:
        known = self._first_of(batch)
        new: dict[int, AcceptOnce] = {}  # by their places in the batch
        results: list[First] = []
        for place, once in enumerate(batch):
            message, key = once.accept.message, once.key
            first = known.get((key.caller, key.name))
            if first is None and once.only_again:
                first = First(None, 0, 0, key.digest)
            elif first is None:
                first = First(message.sid, message.accepted_at, message.expires_at, key.digest)
                known[key.caller, key.name], new[place] = first, once
            results.append(first)
        if new:
            accepted = self._accept_or_schedule([once.accept for once in new.values()])
            for place, what in zip(new, accepted, strict=True):
                results[place] = results[place]._replace(is_queued=what is ops.Accepted.QUEUED)
            self._insert(_INTO, [_row(once) for once in new.values()])
        return results

    def _first_of(self, batch: list[AcceptOnce]) -> dict[tuple[str, str], First]:
        """The messages of these keys that are there already, by caller and name. Keys whose time is over are
        dropped."""
        keys = {(once.key.caller, once.key.name): once.key for once in batch}
        rows = self._select(
            "i.id, i.caller, i.name, i.sid, i.accepted_at, i.expires_at, i.digest, i.known_until",
            "CROSS JOIN idempotency_key AS i ON i.caller = j.column1 AND i.name = j.column2",
            list(keys),
        )
        over = [row[0] for row in rows if row[-1] <= keys[row[1], row[2]].now]
        if over:
            self._run("DELETE FROM idempotency_key WHERE id IN (SELECT value FROM json_each(?))", over)
        return {(row[1], row[2]): First(*row[3:7]) for row in rows if row[0] not in over}

    def _drop_keys(self, sweep: ops.Sweep) -> int:
        """Those whose time is over, some of them; and those that a wrong clock would keep for ever. How many."""
        return self._connection.execute(
            "DELETE FROM idempotency_key WHERE id IN"
            " (SELECT id FROM idempotency_key WHERE known_until <= ?1 LIMIT ?3)"
            " OR id IN (SELECT id FROM idempotency_key WHERE known_until > ?2 LIMIT ?3)",
            (sweep.over, sweep.over + LONGEST_KNOWN, sweep.limit),
        ).rowcount


def _row(once: AcceptOnce) -> tuple[str, str, str, str, int, int, int]:
    message, key = once.accept.message, once.key
    made = (message.sid, message.accepted_at, message.expires_at)
    return (key.caller, key.name, key.digest, *made, key.known_until)
