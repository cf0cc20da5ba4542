"""Receipts: match each with the segment that it is about, or park it until that is known.

1. ``_receive`` looks each receipt up under every form of its id (``matching``). The segment that it belongs to takes
   the step that the receipt tells. One that tells no clear end is kept (``presumed``).
2. A receipt that fits no segment is parked, because the response to its submit may still be on its way. When an SMSC
   has given an id to a segment, ``_unpark`` looks for parked receipts with that id.
3. A receipt that has been parked for too long is dropped. If esm_class did not mark it as a receipt, it is a text from
   a handset that only looked like one, and is handed on as such.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from smsconnector.lifecycle import SegmentState
from smsconnector.messages import Finality, IncomingSegment, Receipt
from smsconnector.smpp.message_ids import OTHER_WAY, RAW, id_candidates, id_key
from smsconnector.store import operations as ops
from smsconnector.store.ends import KNOWN_COLUMNS, STATES, TO_SUBMIT, Code, Known, may_wait
from smsconnector.store.events import foreign_report_event
from smsconnector.store.fall_backs import is_moved
from smsconnector.store.incoming import IncomingTexts
from smsconnector.store.matching import MOST_CANDIDATES, Candidate, Matcher, OwnCandidate, form_of, is_final, is_long
from smsconnector.store.presumed import PresumedEnds
from smsconnector.store.rows import columns
from smsconnector.store.segment_events import Kind, SegmentEvent

AFTER_RECEIPT = {Finality.DELIVERED: SegmentState.DELIVERED, Finality.FAILED: SegmentState.FAILED}
_STATES = {one: one.name.lower() for one in Finality}
PARKED_TIMEOUT = 3_600_000  # ms that a receipt waits for the response to its submit; SMSCs use ids again later
PARKED_BY_ID_ALONE = 60_000  # ms; the same for a receipt that names another number than the message has


class AcceptedSegment(NamedTuple):
    """A segment that the SMSC of ``account`` has accepted in this batch, and the id that it gave."""

    segment_id: int
    account: str
    smsc_id: str


def _parked_text(incoming: IncomingSegment | None) -> str | None:
    """What a parked receipt might be as a text, as JSON. What the columns of parked_receipt hold is left out."""
    one = incoming
    if one is None:
        return None
    return json.dumps(
        [one.channel, one.destination, one.text, one.reference, one.number, one.count, one.is_binary, one.written_in]
    )


def _text_of_parked(account: str, source: str, received_at: int, parked: str) -> IncomingSegment:
    """The text from the JSON of ``_parked_text`` and the columns of parked_receipt. Earlier versions wrote the first
    three values only, or left out ``written_in``."""
    channel, destination, text, *place = json.loads(parked)
    reference, number, count, is_binary, written_in = (*place, None)[:5] if place else (0, 1, 1, False, None)
    return IncomingSegment(
        channel=channel,
        account=account,
        source=source,
        destination=destination,
        text=text,
        received_at=received_at,
        reference=reference,
        number=number,
        count=count,
        is_binary=is_binary,
        written_in=written_in,
    )


def _named(name: str) -> tuple[str, int]:
    """A MessageSID, and the number of the part that is meant; 0: all of it. A provider that is given a text in parts
    gets ``<MessageSID>-<number>`` as our id of each (``channels.http``)."""
    sid, _, number = name.partition("-")
    is_number = number.isascii() and number.isdigit() and len(number) <= 3 and number[0] != "0"
    return (sid, int(number)) if is_number else (name, 0)


class Receipts(PresumedEnds, IncomingTexts):
    """What is written of receipts."""

    _matcher: Matcher

    def _receive(self, batch: list[ops.Receive]) -> list[ops.Received]:
        flat = [
            (index, receipt)
            for index, receive in enumerate(batch)
            for receipt in receive.receipts
            if receipt.finality is not Finality.PROGRESS
        ]
        self._hear_of_progress([one for receive in batch for one in receive.receipts])
        candidates, known = self._candidates([receipt for _, receipt in flat])
        matched, waiting, repeated = Counter[int](), Counter[int](), Counter[int]()
        codes, unclear, picked = dict[int, Code](), dict[int, Code](), list[Candidate | None]()
        delivered: dict[int, tuple[str, Code]] = {}
        parked, unknown = list[Receipt](), list[tuple[str, Receipt]]()
        told, others = dict[int, Receipt](), list[tuple[int, Receipt]]()  # by the segments that they end, or not
        to_submit, now = set[int](), 0  # the messages of segments that were still to be submitted, perhaps once more
        for position, (index, receipt) in enumerate(flat):
            now = receipt.received_at
            found = self._matcher.pick(receipt, candidates[position])
            picked.append(found)
            if found is None and batch[index].report_unknown and receipt.finality in AFTER_RECEIPT:
                unknown.append((batch[index].channel, receipt))
                matched[index] += 1
            elif found is None:
                parked.append(receipt)
                waiting[index] += 1
            elif receipt.finality is Finality.UNCLEAR and not is_final(found.state):
                unclear[found.segment_id] = receipt.code
                others.append((found.segment_id, receipt))
                matched[index] += 1
            elif self._take_steps(known, found, receipt, codes, told):
                matched[index] += 1
                if receipt.finality is Finality.DELIVERED:
                    delivered[found.segment_id] = found.account, receipt.code
                if found.state in TO_SUBMIT:
                    to_submit.add(known.message_of[found.segment_id])
            else:
                others.append((found.segment_id, receipt))
                repeated[index] += 1
        self._note_seen(known, picked, flat)
        self._write_told_ends(known, codes, {one: (told[one].status, told[one].received_at) for one in codes}, others)
        self._keep_unclear(known, unclear, now)
        concluded = self._conclude(known, codes, now)
        self._hear_of_parts(known, delivered, now)
        ended = tuple(one.message_id for one in concluded if may_wait(known, one.message_id, to_submit))
        self._park(parked)
        self._write_events([foreign_report_event(receipt, channel) for channel, receipt in unknown])
        return [
            ops.Received(matched[index], waiting[index], repeated[index], () if index else ended)
            for index in range(len(batch))
        ]

    def _note_seen(self, known: Known, picked: Sequence[Candidate | None], flat: Sequence[tuple[int, Receipt]]) -> None:
        messages, message_of = known.messages, known.message_of
        seen = Counter(
            [
                ("" if one is None else messages[message_of[one.segment_id]].channel, receipt.finality)
                for one, (_, receipt) in zip(picked, flat, strict=True)
            ]
        )
        self._note(self.figures.receipts, {(channel, _STATES[one]): count for (channel, one), count in seen.items()})

    def _write_told_ends(
        self,
        known: Known,
        codes: dict[int, Code],
        told: Mapping[int, tuple[str, int]],
        others: Sequence[tuple[int, Receipt]] = (),
    ) -> None:
        """As ``_write_ends``, and by which words of a receipt, which came when (ms). ``others`` have ended nothing."""
        rows = [(one, int(known.states[one]), code, *told[one]) for one, code in codes.items()]
        self._update("segment", "state, code, told, told_at", rows)
        self._note_receipts(others)

    def _note_receipts(self, receipts: Sequence[tuple[int, Receipt]]) -> None:
        """These have ended nothing; each with its segment. What says the same as another one is noted once."""
        events = {
            (segment_id, one.status, one.code): SegmentEvent(
                segment_id, one.received_at, Kind.RECEIPT, code=one.code, words=one.status
            )
            for segment_id, one in receipts
        }
        self._note_segment_events(list(events.values()))

    def _take_steps(
        self, known: Known, found: Candidate, receipt: Receipt, codes: dict[int, Code], told: dict[int, Receipt]
    ) -> bool:
        """Take the steps that the receipt tells, and note its code for them; whether there was one."""
        wanted = AFTER_RECEIPT.get(receipt.finality)
        taken = False
        for segment_id in range(found.segment_id, found.segment_id + found.segments):
            if wanted is not None and known.step(segment_id, wanted):
                codes[segment_id], told[segment_id], taken = receipt.code, receipt, True
        return taken

    def _hear_of_progress(self, receipts: list[Receipt]) -> None:
        """Note the receipts that tell of progress. Write as texts from handsets those that fit no message, and are not
        marked as receipts in esm_class."""
        telling = [one for one in receipts if one.finality is Finality.PROGRESS]
        candidates = self._candidates(telling)[0] if telling else []
        texts: list[IncomingSegment] = []
        others: list[tuple[int, Receipt]] = []
        for one, some in zip(telling, candidates, strict=True):
            found = self._matcher.pick(one, some)
            if found is not None:
                others.append((found.segment_id, one))
            elif one.incoming is not None:
                texts.append(one.incoming)
        self._note_receipts(others)
        if telling:
            self._note(self.figures.receipts, {("", _STATES[Finality.PROGRESS]): len(telling) - len(texts)})
        if texts:
            self._incoming([ops.Incoming(tuple(texts))])

    def _candidates(self, receipts: list[Receipt]) -> tuple[list[list[Candidate]], Known]:
        """For each receipt the segments that it may belong to, found by every form of its id or by a MessageSID; and
        all of these segments with their messages."""
        keys: dict[tuple[str, str], int] = {}  # account and key, with its place in what SQLite is asked for
        wanted: list[list[tuple[int, str]]] = []  # for each receipt these places, each with the form of its key
        for receipt in receipts:
            family, forms = self._family(receipt.account, receipt.smsc_id), id_candidates(receipt.smsc_id)
            wanted.append(
                [(keys.setdefault((account, key), len(keys)), form) for account in family for form, key in forms]
            )
        rows = self._select(
            f"j.column1, s.account, s.smsc_id, m.destination, {KNOWN_COLUMNS}",
            "CROSS JOIN segment AS s ON s.id IN (SELECT id FROM segment"
            f" WHERE account = j.column2 AND smsc_key = j.column3 ORDER BY id DESC LIMIT {MOST_CANDIDATES})"
            " CROSS JOIN message AS m ON m.id = s.id - s.number + 1",
            [(place, *key) for key, place in keys.items()],
        )
        by_place: dict[int, list[tuple[Any, ...]]] = {}
        for row in rows:
            by_place.setdefault(row[0], []).append(row)
        found: list[list[Candidate]] = [
            [
                Candidate(
                    account,
                    segment_id,
                    STATES[state],
                    destination,
                    form_of(form, smsc_id, receipt.smsc_id),
                    smsc_id=smsc_id,
                )
                for place, form in places
                for _, account, smsc_id, destination, segment_id, state, *_ in by_place.get(place, ())
            ]
            for receipt, places in zip(receipts, wanted, strict=True)
        ]
        for row in self._own_sids(receipts):
            rows.append(row)
            position, account, name, destination, segment_id, state, message_id, _, _, segments, _ = row
            is_part = bool(_named(name)[1])
            if is_part or segment_id == message_id:
                told = 1 if is_part else segments
                one = OwnCandidate(account, segment_id, STATES[state], destination, RAW, told, name)
                found[position].append(one)
        return found, Known(row[4:] for row in rows)  # from there on they are KNOWN_COLUMNS

    def _family(self, account: str, smsc_id: str) -> tuple[str, ...]:
        """The accounts over which a receipt with this id may come."""
        family = self._accounts.family(account)
        return family if len(family) == 1 or is_long(smsc_id) else (account,)

    def _own_sids(self, receipts: list[Receipt]) -> list[tuple[Any, ...]]:
        """Rows like those of ``_candidates``, for receipts that name the MessageSID of a message instead of an SMSC's
        id, as HTTP providers may: all of its segments, for such a receipt is about the message; or the one that is
        named (``_named``). Of a message that has fallen back to another channel, the one is meant that is of the
        channel of the receipt."""
        ours = [
            (position, one.smsc_id, one.account, *_named(one.smsc_id))
            for position, one in enumerate(receipts)
            if one.smsc_id.startswith("SM")
        ]
        if not ours:
            return []
        sid = "j.value->>3"
        if self._has_moved:
            moved = f"SELECT m.sid FROM message AS m WHERE {is_moved(sid, '(j.value->>2)')} LIMIT 1"
            sid = f"coalesce(({moved}), {sid})"
        return self._run(
            f"SELECT j.value->>0, j.value->>2, j.value->>1, m.destination, {KNOWN_COLUMNS}"
            f" FROM json_each(?1) AS j JOIN message AS m ON m.sid = {sid}"
            " JOIN segment AS s ON s.id BETWEEN m.id AND m.id + m.segments - 1"
            "  AND (j.value->>4 = 0 OR s.number = j.value->>4)",
            ours,
        ).fetchall()

    def _park(self, receipts: list[Receipt]) -> None:
        if not receipts:
            return
        self._run(
            "INSERT INTO parked_receipt"
            " (account, smsc_key, smsc_id, finality, code, status, destination, addressee, received_at,"
            f" incoming) SELECT {columns(10)} FROM json_each(?)",
            [
                (
                    one.account,
                    id_key(one.smsc_id),
                    one.smsc_id,
                    one.finality,
                    one.code,
                    one.status,
                    one.destination,
                    one.addressee,
                    one.received_at,
                    _parked_text(one.incoming),
                )
                for one in receipts
            ],
        )
        self._counts.parked_receipts += len(receipts)

    def _parked_for(self, accepted: Sequence[AcceptedSegment], now: int) -> list[tuple[Any, ...]]:
        """The parked receipts that may belong to these segments, each with its segment; those first whose id is written
        as in the response."""
        wanted = [
            (segment_id, account, key, account == own and self._matcher.ids_tell(own), own, OTHER_WAY[form])
            for segment_id, own, smsc_id in accepted
            for account in self._family(own, smsc_id)
            for form, key in id_candidates(smsc_id)
            if self._matcher.may_be(account, OTHER_WAY[form], smsc_id)
        ]
        return self._run(
            "SELECT j.value->>0, j.value->>4, p.id, p.finality, p.code, p.received_at, s.smsc_id, p.smsc_id, p.account,"
            " j.value->>5, p.status"
            " FROM json_each(?) AS j CROSS JOIN parked_receipt AS p ON p.id IN (SELECT id FROM parked_receipt"
            "   WHERE account = j.value->>1 AND smsc_key = j.value->>2 ORDER BY id DESC LIMIT ?4)"
            " CROSS JOIN segment AS s ON s.id = j.value->>0 CROSS JOIN message AS m ON m.id = s.id - s.number + 1"
            " WHERE p.received_at > ?2 AND (same_number(p.destination, m.destination)"
            "    OR (p.incoming IS NULL AND same_number(p.addressee, m.destination))"
            "    OR (j.value->>3 AND p.smsc_key = s.smsc_key AND p.incoming IS NULL"
            "        AND (p.destination = '' OR p.received_at > ?3) AND NOT EXISTS (SELECT 1 FROM segment AS o"
            "          WHERE o.id IN (SELECT id FROM segment WHERE account = p.account AND smsc_key = p.smsc_key"
            "            ORDER BY id DESC LIMIT ?4)"
            f"         AND o.id <> s.id AND o.state = {SegmentState.SENT:d})))"
            " ORDER BY s.smsc_id <> p.smsc_id, p.id",  # ids that are written alike belong together
            wanted,
            now - PARKED_TIMEOUT,
            now - PARKED_BY_ID_ALONE,
            MOST_CANDIDATES,
        ).fetchall()

    def _unpark(self, known: Known, accepted: Sequence[AcceptedSegment], now: int) -> tuple[dict[int, Code], int]:
        """Match parked receipts with the segments whose ids have become known in this batch. Returns the codes of the
        segments that ended by that, and the time (ms) of the latest such receipt, 0 if there is none."""
        codes: dict[int, Code] = {}
        unclear: dict[int, Code] = {}
        delivered: dict[int, tuple[str, Code]] = {}
        taken: set[int] = set()
        exact: set[int] = set()  # segments with a parked receipt that has their id, exactly
        told: dict[int, tuple[str, int]] = {}
        latest = 0
        for row in self._parked_for(accepted, now):
            segment_id, own, parked_id, finality, code, received_at, smsc_id, parked, account, form, status = row
            if smsc_id == parked:
                exact.add(segment_id)
            elif segment_id in exact or not self._matcher.may_be(account, form_of(form, smsc_id, parked), smsc_id):
                continue
            if parked_id in taken:
                continue
            taken.add(parked_id)
            if finality == Finality.UNCLEAR:
                unclear[segment_id] = code
            elif known.step(segment_id, AFTER_RECEIPT[Finality(finality)]):
                codes[segment_id], told[segment_id] = code, (status, received_at)
                latest = max(latest, received_at)
                if finality == Finality.DELIVERED:
                    delivered[segment_id] = own, code
        self._write_told_ends(known, codes, told)
        self._keep_unclear(known, unclear, now)
        self._hear_of_parts(known, delivered, now)
        self._run("DELETE FROM parked_receipt WHERE id IN (SELECT value FROM json_each(?))", list(taken))
        self._counts.parked_receipts -= len(taken)
        return codes, latest

    def _give_up_parked(self, sweep: ops.Sweep) -> int:
        """Drop receipts that have been parked for too long, and write those as texts that were not marked as receipts
        in esm_class. Returns how many there were."""
        rows = self._connection.execute(
            "SELECT id, account, destination, received_at, incoming FROM parked_receipt WHERE received_at <= ? LIMIT ?",
            (sweep.earlier - PARKED_TIMEOUT, sweep.limit),
        ).fetchall()
        if not rows:
            return 0
        texts = [
            _text_of_parked(account, source, received_at, incoming)
            for _, account, source, received_at, incoming in rows
            if incoming is not None
        ]
        self._incoming([ops.Incoming(tuple(texts))])
        self._run("DELETE FROM parked_receipt WHERE id IN (SELECT value FROM json_each(?))", [row[0] for row in rows])
        self._counts.parked_receipts -= len(rows)
        self._counts.dropped_receipts += len(rows) - len(texts)
        self._note(self.figures.given_up, Counter((row[1],) for row in rows if row[4] is None))
        return len(rows)
