"""Ends that are presumed, because the network has not told them clearly, and are applied when nothing better came.

1. *No response* came to a submit that is not repeated. A late one may still tell, or the callback of a provider that
   names our own id, also after a kill. If none does, the segment is FAILED with the code UNKNOWN.
2. *An unclear receipt* has a status word that nobody knows, or the word UNKNOWN. A clear one may follow. If none does,
   the segment is FAILED with the code of the unclear one. A later unclear receipt takes the place of an earlier one.
3. *One receipt for all parts.* Some SMSCs join the parts of a long text, and send one receipt for the whole. So when a
   part is delivered and the others stay silent, they are presumed to be delivered too. This is not done for an account
   whose SMSC was seen to send a receipt for each part (of any message, in the last ``REMEMBERED_MS``): there the others
   have an end of their own, which may be another one.

Each waits for the grace of its channel, but not longer than the time for receipts.
"""

from collections.abc import Mapping

from smsconnector.lifecycle import CODE_NO_FAILURE, MessageState, SegmentState
from smsconnector.store import operations as ops
from smsconnector.store.ends import KNOWN_COLUMNS, Code, EndedMessage, Ends, Known, PresumedEnd, Reason, may_wait

REMEMBERED_MS = 7 * 86_400_000  # how long it counts that an SMSC has sent a receipt for each part
RENEWED_MS = 86_400_000  # after this time it is looked whether it still does

_NOT_SENT = (SegmentState.QUEUED, SegmentState.CLAIMED)


class PresumedEnds(Ends):
    """What is written of presumed ends."""

    _telling_parts: dict[str, int]  # by account: when its SMSC was last seen to send a receipt for each part (ms)

    def _open_presumed(self) -> None:
        self._telling_parts = dict(self._connection.execute("SELECT account, seen_at FROM account_telling_parts"))

    def _tells_each_part(self, account: str, since: int) -> bool:
        """Whether the SMSC of this account is known to send a receipt for each part: by the configuration, or because
        it did so at ``since`` (ms) or later."""
        return account in self._rules.telling_parts or self._telling_parts.get(account, -1) >= since

    def _keep_unclear(self, known: Known, unclear: Mapping[int, Code], now: int) -> None:
        """Receipts have told something unclear of these segments; ``unclear`` has their codes."""
        if unclear:
            rules, messages = self._rules, known.messages
            graces = {one: rules.grace(messages[known.message_of[one]].channel) for one in unclear}
            self._presume([(one, Reason.UNCLEAR_RECEIPT, code, now + graces[one]) for one, code in unclear.items()])

    def _hear_of_parts(self, known: Known, delivered: Mapping[int, tuple[str, Code]], now: int) -> None:
        """Receipts have said that these segments are delivered. ``delivered`` has the account of the submit, and the
        code of the receipt, by the id of the segment."""
        told = {
            known.message_of[segment_id]: said
            for segment_id, said in delivered.items()
            if known.messages[known.message_of[segment_id]].segments > 1
            and not self._tells_each_part(said[0], now - RENEWED_MS)
        }
        if not told:
            return
        rows = self._run(
            "SELECT m.id, m.state, s.id, s.state, s.smsc_key, s.code FROM json_each(?) AS j"
            " JOIN message AS m ON m.id = j.value JOIN segment AS s ON s.id BETWEEN m.id AND m.id + m.segments - 1",
            list(told),
        ).fetchall()
        for message_id, (account, _) in told.items():
            keys = {key for one, _, _, state, key, _ in rows if one == message_id and state == SegmentState.DELIVERED}
            if len(keys) > 1:  # with one id for all parts, several receipts may be repeats of one
                self._learn_telling_parts(account, now)
        self._presume(
            [
                (segment_id, Reason.OTHER_PART, told[one][1], now + self._rules.grace(known.messages[one].channel))
                for one, message_state, segment_id, state, _, code in rows
                if message_state == MessageState.ACTIVE
                and state != SegmentState.DELIVERED
                and code != CODE_NO_FAILURE  # there silence is the good news anyway
                and not self._tells_each_part(told[one][0], now - REMEMBERED_MS)
            ]
        )

    def _learn_telling_parts(self, account: str, now: int) -> None:
        self._telling_parts[account] = now
        self._connection.execute(
            "INSERT INTO account_telling_parts (account, seen_at) VALUES (?, ?)"
            " ON CONFLICT (account) DO UPDATE SET seen_at = ?2",
            (account, now),
        )

    def _apply_presumed(self, sweep: ops.Sweep) -> tuple[int, list[EndedMessage]]:
        """Apply what is due. Returns how many there were, and the messages of several segments that ended by it."""
        rows = self._connection.execute(
            f"SELECT p.id, p.reason, p.code, s.account, m.expires_at, {KNOWN_COLUMNS} FROM"
            " (SELECT * FROM presumed_end WHERE due_at <= ? ORDER BY due_at LIMIT ?) AS p"
            " LEFT JOIN segment AS s ON s.id = p.id LEFT JOIN message AS m ON m.id = s.id - s.number + 1",
            (sweep.earlier, sweep.limit),
        ).fetchall()
        if not rows:
            return 0, []
        known = Known(row[5:] for row in rows if row[4] is not None)  # retention may have dropped some
        codes: dict[int, Code] = {}
        to_submit: set[int] = set()  # messages of which memory may have a segment that waits
        again: list[PresumedEnd] = []
        for segment_id, reason, code, account, expires_at, *_ in rows:
            if segment_id not in known.states:
                continue
            message = known.messages[known.message_of[segment_id]]
            if message.state != MessageState.ACTIVE:
                continue
            if reason == Reason.OTHER_PART and known.states[segment_id] in _NOT_SENT:
                if sweep.over < expires_at:
                    again.append((segment_id, Reason(reason), code, sweep.now + self._rules.grace(message.channel)))
            elif self._is_to_be_applied(reason, known.states[segment_id], account, sweep.now):
                wanted = SegmentState.DELIVERED if reason == Reason.OTHER_PART else SegmentState.FAILED
                if known.states[segment_id] in _NOT_SENT:
                    to_submit.add(known.message_of[segment_id])
                if known.step(segment_id, wanted):
                    codes[segment_id] = code
        self._run("DELETE FROM presumed_end WHERE id IN (SELECT value FROM json_each(?))", [row[0] for row in rows])
        self._presume(again)
        self._write_ends(known, codes)
        ended = self._conclude(known, codes, sweep.now, is_presumed=True)
        return len(rows), [one for one in ended if may_wait(known, one.message_id, to_submit)]

    def _is_to_be_applied(self, reason: int, state: SegmentState, account: str | None, now: int) -> bool:
        """Whether what was presumed still is."""
        if reason == Reason.UNANSWERED:
            return state is SegmentState.CLAIMED
        return reason != Reason.OTHER_PART or not self._tells_each_part(account or "", now - REMEMBERED_MS)
