"""The messages by their numbers, in blocks of ids (the table ``message_number``).

1. Messages are accepted without being listed: an index by number would cost each of them another page.
2. When a message of the next block is accepted, those of the last block are listed, in the order of their numbers: one
   statement for 4,096 ids.
3. A message whose block is listed already, because its id was taken long before its commit, is listed on its own.
4. Those that are not listed yet are looked at themselves: by a search one by one (``searching``); by the writer, who is
   asked about each text from a customer, once each (``_recent``).

A message that was dropped may still be listed, and its id may belong to another one later. So whoever finds an id here
looks at the message as well.
"""

from collections.abc import Sequence

from smsconnector.store.rows import Rows

BLOCK = 12  # bits of an id that are its place in a block
LISTED_BELOW = f"(SELECT coalesce((SELECT max(block) + 1 << {BLOCK} FROM message_number), 0))"  # SQL; see StoreCounts


class Numbers(Rows):
    """Lists them. ``_counts.listed_below``: all messages with lower ids are listed. ``_recent``: the ids of others by
    their numbers, as far as ``_recent_up_to``."""

    _recent: dict[str, list[int]]
    _recent_up_to = -1

    def _open_numbers(self) -> None:
        """List what should be by now: after a rescue, all."""
        newest = self._one("SELECT coalesce(max(id), 0) FROM message")
        self._connection.execute("DELETE FROM message_number WHERE block > ?", (newest >> BLOCK,))
        self._counts.listed_below = self._one(f"SELECT {LISTED_BELOW}")
        while self._counts.listed_below < newest >> BLOCK << BLOCK:
            self._list_block(newest >> BLOCK << BLOCK)

    def _list_numbers(self, ids: Sequence[int]) -> None:
        """Those of messages that were accepted in this transaction."""
        listed = self._counts.listed_below
        if min(ids) < listed:
            self._run(
                f"INSERT OR IGNORE INTO message_number (block, destination, message) SELECT m.id >> {BLOCK},"
                " m.destination, m.id FROM json_each(?) AS j CROSS JOIN message AS m ON m.id = j.value",
                [one for one in ids if one < listed],
            )
        if min(ids) <= self._recent_up_to:
            self._recent_up_to = -1
        if max(ids) >> BLOCK << BLOCK > listed:
            self._list_block(max(ids) >> BLOCK << BLOCK)

    def _list_block(self, end: int) -> None:
        """The next one that has messages with ids less than ``end``, the first of another one."""
        next_id = self._one("SELECT coalesce(min(id), ?2) FROM message WHERE id >= ?1", self._counts.listed_below, end)
        first = next_id >> BLOCK << BLOCK
        self._connection.execute(
            f"INSERT OR IGNORE INTO message_number (block, destination, message) SELECT id >> {BLOCK}, destination, id"
            " FROM message WHERE id >= ?1 AND id < ?2 ORDER BY destination, id",
            (first, min(first + (1 << BLOCK), end)),
        )
        self._counts.listed_below = min(first + (1 << BLOCK), end)
        self._recent_up_to = -1

    def _not_listed(self, number: str) -> list[int]:
        """The ids of messages to it that may not be listed yet."""
        if self._recent_up_to < 0:
            self._recent, self._recent_up_to = {}, self._counts.listed_below - 1
        for message_id, to in self._connection.execute(
            "SELECT id, destination FROM message WHERE id > ? ORDER BY id", (self._recent_up_to,)
        ):
            self._recent.setdefault(to, []).append(message_id)
            self._recent_up_to = message_id
        return self._recent.get(number, [])

    def _forget_numbers(self, limit: int) -> None:
        """So many of the oldest block, if all messages are newer."""
        rows = self._connection.execute(
            "SELECT block, destination, message FROM message_number"
            f" WHERE block < coalesce((SELECT min(id) >> {BLOCK} FROM message), ?1) ORDER BY block LIMIT ?2",
            (self._counts.listed_below, limit),
        ).fetchall()
        for row in rows:
            self._connection.execute(
                "DELETE FROM message_number WHERE block = ? AND destination = ? AND message = ?", row
            )
