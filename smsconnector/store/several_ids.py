"""Texts to which a provider has given several ids: one for each part that it has made of the text.

Each id has a report of its own. The text is delivered when all of its ids are, and it has failed when one has.

1. ``_note_ids`` writes the ids when the answer to our request has told several. What was parked of any of them counts
   now.
2. ``_receive`` takes the receipts of such ids before all others (``receipts``), and notes what each tells.
3. The provider may call a URL of ours that names the text, and name the part by its id. Before the answer is there, it
   is not known how many ids there will be. So what is told then is noted of its id, and the answer decides: an answer
   with one id, or a request of which no answer comes, was about the whole text. A failure needs no answer.

Which accounts may have such texts is known: from the configuration, and from the ids in the database. Where there are
none, nothing here is done.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from smsconnector.lifecycle import CODE_UNKNOWN, SegmentState
from smsconnector.messages import Finality, Outcome, OutcomeOfParts, Receipt, ReceiptOfPart, Verdict
from smsconnector.smpp.message_ids import id_key
from smsconnector.sms.addresses import same_number
from smsconnector.store import operations as ops
from smsconnector.store.ends import KNOWN_COLUMNS, TO_SUBMIT, Code, Known, Reason, may_wait
from smsconnector.store.matching import MOST_CANDIDATES, is_final
from smsconnector.store.receipts import (
    AFTER_RECEIPT,
    PARKED_BY_ID_ALONE,
    PARKED_TIMEOUT,
    AcceptedSegment,
    Receipts,
)
from smsconnector.store.rows import columns


@dataclass(slots=True)
class ProviderId:
    """One id of a text, and what was told of it. ``row``: its id in the database; None: it is not there yet."""

    row: int | None
    account: str
    awaited: bool  # the text is not delivered before this id is
    told: int = 0  # a Finality; 0: nothing yet
    code: Code = None
    is_changed: bool = False


@dataclass(slots=True)
class TextOfIds:
    """A segment with its ids, by their keys. ``is_lost``: its last request was not answered."""

    is_lost: bool
    ids: dict[str, ProviderId] = field(default_factory=dict)

    @property
    def delivered(self) -> ProviderId | None:
        """An id that is delivered, if all are for which the text waits."""
        if any(one.awaited and one.told != Finality.DELIVERED for one in self.ids.values()):
            return None
        return next((one for one in self.ids.values() if one.told == Finality.DELIVERED), None)

    @property
    def unclear(self) -> ProviderId | None:
        """An id of which only something unclear was told."""
        return next((one for one in self.ids.values() if one.told == Finality.UNCLEAR), None)


class _Telling:
    """What a batch tells of such texts: in memory, until it is written."""

    def __init__(self, known: Known, texts: dict[int, TextOfIds]) -> None:
        self.known, self.texts = known, texts
        self.codes: dict[int, Code] = {}  # of the segments that end
        self.unclear: dict[int, Code] = {}
        self.cleared: set[int] = set()  # of which something unclear was made clear
        self.to_submit: set[int] = set()  # the messages of segments that end and were still to be submitted

    def hear(self, segment_id: int, key: str, account: str, finality: Finality, code: Code) -> bool:
        """One of its ids is told of; whether that is news."""
        text, state = self.texts[segment_id], self.known.states[segment_id]
        if is_final(state):
            return False
        if state is SegmentState.SENT and not text.ids:  # it has one id, and the path of the callback says all
            return self._end_by_path(segment_id, finality, code)
        one = text.ids.setdefault(key, ProviderId(None, account, awaited=False))
        if one.told == Finality.DELIVERED:
            return False
        if finality is Finality.FAILED:
            self._end(segment_id, SegmentState.FAILED, code)
            return True
        was_unclear = one.told == Finality.UNCLEAR
        one.told, one.code, one.is_changed = int(finality), code, True
        if finality is Finality.UNCLEAR:
            self.unclear[segment_id] = code
            return True
        if was_unclear and text.unclear is None:
            self.cleared.add(segment_id)
            self.unclear.pop(segment_id, None)
        if state is SegmentState.SENT or text.is_lost:
            self.conclude(segment_id, code)
        return True

    def conclude(self, segment_id: int, code: Code = None) -> None:
        """End it if all of it is delivered. ``code``: of the report that has told so; None: of any."""
        delivered = self.texts[segment_id].delivered
        if delivered is not None:
            self._end(segment_id, SegmentState.DELIVERED, delivered.code if code is None else code)

    def _end_by_path(self, segment_id: int, finality: Finality, code: Code) -> bool:
        if finality is Finality.UNCLEAR:
            self.unclear[segment_id] = code
        else:
            self._end(segment_id, AFTER_RECEIPT[finality], code)
        return True

    def _end(self, segment_id: int, wanted: SegmentState, code: Code) -> None:
        if self.known.states[segment_id] in TO_SUBMIT:
            self.to_submit.add(self.known.message_of[segment_id])
        if self.known.step(segment_id, wanted):
            self.codes[segment_id] = code
            self.unclear.pop(segment_id, None)


class SeveralIds(Receipts):
    """What is written of texts with several ids. ``_of_several``: the accounts that may have them."""

    _of_several: set[str]

    def _open_receipts(self) -> None:
        """Read what was known of accounts before."""
        self._open_presumed()
        self._of_several, last = set(self._rules.several_ids), ""
        sql = "SELECT min(account) FROM provider_id WHERE account > ?"
        while (found := self._connection.execute(sql, (last,)).fetchone()[0]) is not None:
            self._of_several.add(found)
            last = found

    # --- receipts -------------------------------------------------------------------------------------------

    def _receive(self, batch: list[ops.Receive]) -> list[ops.Received]:
        if not self._of_several:
            return super()._receive(batch)
        flat = [
            (index, receipt)
            for index, receive in enumerate(batch)
            for receipt in receive.receipts
            if receipt.account in self._of_several and receipt.finality is not Finality.PROGRESS
        ]
        telling, found = self._texts_of([receipt for _, receipt in flat])
        matched, repeated = Counter[int](), Counter[int]()
        done: set[int] = set()  # receipts, by their id()
        others: list[tuple[int, Receipt]] = []
        for (index, receipt), segment_id in zip(flat, found, strict=True):
            if segment_id is not None:
                key, code = id_key(receipt.smsc_id), receipt.code
                is_news = telling.hear(segment_id, key, receipt.account, receipt.finality, code)
                (matched if is_news else repeated)[index] += 1
                others.append((segment_id, receipt))
                done.add(id(receipt))
        if not done:
            return super()._receive(batch)
        now = flat[-1][1].received_at
        self._write_telling(telling, now)
        self._note_receipts(others)
        concluded = self._conclude(telling.known, telling.codes, now)
        ids = (one.message_id for one in concluded)
        ended = tuple(one for one in ids if may_wait(telling.known, one, telling.to_submit))
        rest = [replace(one, receipts=tuple(each for each in one.receipts if id(each) not in done)) for one in batch]
        return [
            replace(
                one,
                matched=one.matched + matched[index],
                repeated=one.repeated + repeated[index],
                ended=one.ended if index else one.ended + ended,
            )
            for index, one in enumerate(super()._receive(rest))
        ]

    def _texts_of(self, receipts: Sequence[Receipt]) -> tuple[_Telling, list[int | None]]:
        """The segment that each receipt is about, by the provider's id and by our own; None: neither of them is known
        here. And all of these segments."""
        rows = self._run(
            f"SELECT j.key, i.id, m.destination, {KNOWN_COLUMNS} FROM json_each(?1) AS j"
            " CROSS JOIN provider_id AS i ON i.id IN (SELECT id FROM provider_id"
            "   WHERE account = j.value->>0 AND smsc_key = j.value->>1 ORDER BY id DESC LIMIT ?2)"
            " CROSS JOIN segment AS s ON s.id = i.segment CROSS JOIN message AS m ON m.id = s.id - s.number + 1",
            [(one.account, id_key(one.smsc_id)) for one in receipts],
            MOST_CANDIDATES,
        ).fetchall()
        named = [replace(one, smsc_id=one.own_id if isinstance(one, ReceiptOfPart) else "") for one in receipts]
        own_rows = self._own_sids(named)
        known = Known([row[3:] for row in rows] + [row[4:] for row in own_rows])
        by_place: dict[int, list[tuple[Any, ...]]] = {}
        for row in rows:
            by_place.setdefault(row[0], []).append(row)
        own: dict[int, set[int]] = {}
        for row in own_rows:
            own.setdefault(row[0], set()).add(row[4])
        found = [
            self._text_of(one, by_place.get(place, []), own.get(place, set()), known)
            for place, one in enumerate(receipts)
        ]
        return _Telling(known, self._load_texts({one for one in found if one is not None})), found

    def _text_of(self, receipt: Receipt, rows: list[tuple[Any, ...]], own: set[int], known: Known) -> int | None:
        """One of those that have its id: the one that our own id names, else one to its number, else the only one; of
        several the newest that has not ended. Without any the one that our own id names."""
        by_own_id = [row for row in rows if row[3] in own]
        by_number = [row for row in rows if not receipt.destination or same_number(row[2], receipt.destination)]
        fitting = by_own_id or ([] if own else by_number or (rows if len(rows) == 1 else []))
        if fitting:
            chosen: int = max(fitting, key=lambda row: (not is_final(known.states[row[3]]), row[1]))[3]
            return chosen
        return next(iter(own)) if len(own) == 1 else None

    # --- outcomes -------------------------------------------------------------------------------------------

    def _note_ids(
        self, known: Known, outcomes: Iterable[Outcome], accepted: list[AcceptedSegment], now: int, earlier: int
    ) -> dict[int, Code]:
        """Write the ids that these outcomes tell, and what was told of them before. Those with several are taken out of
        ``accepted``. Returns the codes of the segments that end by that."""
        mine = [one for one in outcomes if one.account in self._of_several and one.segment.id in known.states]
        if not mine:
            return {}
        telling = _Telling(known, self._load_texts({one.segment.id for one in mine}))
        parked_for: list[tuple[int, str, str]] = []
        several: set[int] = set()
        for outcome in mine:
            segment_id, state = outcome.segment.id, known.states[outcome.segment.id]
            text = telling.texts[segment_id]
            if state is SegmentState.SENT and isinstance(outcome, OutcomeOfParts) and outcome.smsc_id is not None:
                several.add(segment_id)
                for key in map(id_key, (outcome.smsc_id, *outcome.other_ids)):
                    one = text.ids.setdefault(key, ProviderId(None, outcome.account, awaited=False))
                    one.awaited, one.is_changed = not outcome.one_report, True
                    parked_for.append((segment_id, outcome.account, key))
            if state is SegmentState.SENT or outcome.verdict is Verdict.UNKNOWN or outcome.code == CODE_UNKNOWN:
                telling.conclude(segment_id)
        accepted[:] = [one for one in accepted if one.segment_id not in several and one.segment_id not in telling.codes]
        self._tell_parked(telling, parked_for, earlier)
        self._write_telling(telling, now)
        return telling.codes

    def _end_lost(self, known: Known, segment_ids: Iterable[int], now: int) -> dict[int, Code]:
        """End those of which no answer can come any more, by what was told of them. Returns their codes."""
        telling = _Telling(known, self._load_texts(set(segment_ids)))
        for segment_id in telling.texts:
            telling.conclude(segment_id)
        self._write_telling(telling, now)
        return telling.codes

    def _tell_parked(self, telling: _Telling, parked_for: list[tuple[int, str, str]], earlier: int) -> None:
        """What was parked of these ids."""
        if not parked_for or not self._counts.parked_receipts:
            return
        rows = self._run(
            "SELECT j.value->>0, j.value->>2, p.id, p.account, p.finality, p.code FROM json_each(?1) AS j"
            " CROSS JOIN parked_receipt AS p ON p.id IN (SELECT id FROM parked_receipt"
            "   WHERE account = j.value->>1 AND smsc_key = j.value->>2 ORDER BY id DESC LIMIT ?4)"
            " CROSS JOIN segment AS s ON s.id = j.value->>0 CROSS JOIN message AS m ON m.id = s.id - s.number + 1"
            " WHERE p.incoming IS NULL AND p.received_at > ?2"
            "   AND (p.destination = '' OR p.received_at > ?3 OR same_number(p.destination, m.destination))"
            " ORDER BY p.id",
            parked_for,
            earlier - PARKED_TIMEOUT,
            earlier - PARKED_BY_ID_ALONE,
            MOST_CANDIDATES,
        ).fetchall()
        for segment_id, key, _, account, finality, code in rows:
            telling.hear(segment_id, key, account, Finality(finality), code)
        taken = {row[2] for row in rows}
        self._run("DELETE FROM parked_receipt WHERE id IN (SELECT value FROM json_each(?))", list(taken))
        self._counts.parked_receipts -= len(taken)

    # --- rows -----------------------------------------------------------------------------------------------

    def _load_texts(self, segment_ids: set[int]) -> dict[int, TextOfIds]:
        texts: dict[int, TextOfIds] = {}
        for segment_id, state, last, row, account, key, awaited, told, code in self._run(
            "SELECT s.id, s.state, s.code, i.id, i.account, i.smsc_key, i.awaited, i.told, i.code"
            " FROM json_each(?) AS j CROSS JOIN segment AS s ON s.id = j.value"
            " LEFT JOIN provider_id AS i ON i.segment = s.id ORDER BY i.id",
            sorted(segment_ids),
        ):
            is_lost = state in (SegmentState.QUEUED, SegmentState.CLAIMED) and last == CODE_UNKNOWN
            text = texts.setdefault(segment_id, TextOfIds(is_lost))
            if row is not None:
                text.ids[key] = ProviderId(row, account, bool(awaited), told, code)
        return texts

    def _write_telling(self, telling: _Telling, now: int) -> None:
        changed = [
            (one.row, segment_id, one.account, key, int(one.awaited), one.told, one.code)
            for segment_id, text in telling.texts.items()
            for key, one in text.ids.items()
            if one.is_changed
        ]
        if changed:
            self._run(
                "INSERT INTO provider_id (id, segment, account, smsc_key, awaited, told, code)"
                f" SELECT {columns(7)} FROM json_each(?) WHERE true ON CONFLICT (id) DO UPDATE"
                " SET awaited = excluded.awaited, told = excluded.told, code = excluded.code",
                changed,
            )
        if telling.cleared:
            self._run(
                f"DELETE FROM presumed_end WHERE reason = {Reason.UNCLEAR_RECEIPT:d}"
                " AND id IN (SELECT value FROM json_each(?))",
                sorted(telling.cleared),
            )
        self._write_ends(telling.known, telling.codes)
        self._keep_unclear(telling.known, telling.unclear, now)
