"""Who wants no more texts: entered and taken out in the commit of what said so, looked up in the commit of a text.

1. A text from a handset that is a word of the channel (``sms.opt_out``) enters its number, or takes it out. The answer
   to it is accepted in the same commit.
2. A refusal or a receipt with a code by which the network says the same enters it too.
3. A text that is accepted for such a number is written, and ended as FAILED with OPTED_OUT in the same commit. So it
   has its one report like any other, and nobody submits it.

Texts that were accepted before go out. A channel without rules costs nothing.
"""

import sqlite3
from collections.abc import Iterable, Mapping

from smsconnector.messages import IncomingSegment
from smsconnector.sms.addresses import number_tail, same_subscriber
from smsconnector.sms.opt_out import OptOutRules, Wish
from smsconnector.store import operations as ops
from smsconnector.store.rows import Rows, columns

# Of a number ``j``: (channel, tail, number, sender); a sender that is not known may be any.
ENTRIES_OF = (
    "JOIN opt_out AS o ON o.channel = j.value->>0 AND o.tail = j.value->>1 AND same_subscriber(o.number, j.value->>2)"
    " AND (o.sender = '' OR j.value->>3 = '' OR same_subscriber(o.sender, j.value->>3))"
)

Word = tuple[int, IncomingSegment, Wish]  # a text, its place in its operation, and what it says


def wish_of(one: IncomingSegment, rules: Mapping[str, OptOutRules]) -> Wish | None:
    """What a text says, by the rules of its channel. Such a word has one part, and is no octets."""
    if one.count > 1 or one.is_binary or one.channel not in rules:
        return None
    return rules[one.channel].wish(one.text)


def same_subscriber_in(connection: sqlite3.Connection) -> None:
    """Let statements of this connection compare numbers."""
    connection.create_function("same_subscriber", 2, same_subscriber, deterministic=True)


class OptOuts(Rows):
    """The table of those who have opted out. ``_opt_out``: the rules of the channels that have some."""

    _opt_out: Mapping[str, OptOutRules]

    def _wish_of(self, one: IncomingSegment) -> Wish | None:
        """What a text says."""
        return wish_of(one, self._opt_out) if self._opt_out else None

    def _hear_wishes(self, words: Iterable[Word], answers: Iterable[tuple[int, ops.Accept]]) -> ops.Heard:
        """Enter and take out what the texts of one operation say, in their order. A repeat of a text that was told
        before must not be among them: an old STOP would undo a later START."""
        there = dict(answers)
        wishes = [(place, self._hear_wish(one, wish)) for place, one, wish in words]
        return ops.Heard(
            tuple(heard._replace(answer=there.get(place)) if heard.is_new else heard for place, heard in wishes)
        )

    def _hear_wish(self, one: IncomingSegment, wish: Wish) -> ops.HeardWish:
        is_new = wish is Wish.HELP
        sender = self._scope(one.channel, one.destination)
        if wish is Wish.STOP:
            because = f"word {one.text.strip()}"
            is_new = self._enter([(one.channel, number_tail(one.source), one.source, sender, one.received_at, because)])
        elif wish is Wish.START:
            is_new = self._take_out(one.channel, one.source, sender)
        return ops.HeardWish(wish, one.channel, one.source, is_new)

    def _enter(self, entries: list[tuple[str, str, str, str, int, str]]) -> bool:
        """Rows of the table; whether one of them was not there, under any spelling of its number."""
        there = {index for (index,) in self._run(f"SELECT j.key FROM json_each(?) AS j {ENTRIES_OF}", entries)}
        entries = [one for index, one in enumerate(entries) if index not in there]
        self._run(
            "INSERT OR IGNORE INTO opt_out (channel, tail, number, sender, since, because)"
            f" SELECT {columns(6)} FROM json_each(?)",
            entries,
        )
        return bool(entries)

    def _take_out(self, channel: str, number: str, sender: str) -> bool:
        """Whether it was there. A START to one sender takes out what holds for the whole channel too."""
        return bool(
            self._run(
                f"DELETE FROM opt_out WHERE id IN (SELECT o.id FROM json_each(?) AS j {ENTRIES_OF})",
                [(channel, number_tail(number), number, sender)],
            ).rowcount
        )

    def _note_codes(self, ended: Iterable[tuple[int, str, int | str | None, int]]) -> None:
        """Enter the numbers of messages that FAILED with a code of their channel: (id, channel, code, ms)."""
        found = [
            (message_id, now, f"code {code}")
            for message_id, channel, code, now in ended
            if channel in self._opt_out and str(code) in self._opt_out[channel].codes
        ]
        if not found:
            return
        rows = self._run(
            "SELECT m.channel, m.destination, m.source, j.value->>1, j.value->>2 FROM json_each(?) AS j"
            " JOIN message AS m ON m.id = j.value->>0",
            found,
        ).fetchall()
        self._enter(
            [
                (channel, number_tail(number), number, self._scope(channel, sender or ""), *why)
                for channel, number, sender, *why in rows
            ]
        )

    def _scope(self, channel: str, sender: str) -> str:
        """The sender for which an entry holds; "" for all of the channel."""
        return sender if self._opt_out[channel].per_sender else ""

    def _opted_out(self, batch: list[ops.Accept]) -> list[ops.Accept]:
        """Those whose numbers want no texts of their channel."""
        asked = [one for one in batch if one.message.channel in self._opt_out and not one.despite_opt_out]
        if not asked:
            return []
        messages = [one.message for one in asked]
        rows = [(one.channel, number_tail(one.destination), one.destination, one.source or "") for one in messages]
        found = self._run(f"SELECT DISTINCT j.key FROM json_each(?) AS j {ENTRIES_OF}", rows)
        return [asked[index] for (index,) in found]
