"""Texts from handsets (MO). A whole text becomes an event. A part waits in the database for the others."""

import json
from collections import Counter
from dataclasses import replace

from smsconnector.messages import IncomingSegment
from smsconnector.sms import udh
from smsconnector.sms.user_data import TextPart, join
from smsconnector.store import operations as ops
from smsconnector.store.accounts import Accounts
from smsconnector.store.conversations import Conversations
from smsconnector.store.events import EventRow, incoming_event
from smsconnector.store.opt_outs import OptOuts, Word
from smsconnector.store.outbox import Outbox
from smsconnector.store.rows import columns

TEXT_OCTETS = 131_072  # of the parts of one text; 255 parts of 140 octets (GSM 03.40 9.2.3.24.1) have 71,400 as digits
TEXTS_AT_ONCE = 100  # texts whose parts are in memory together
TextKey = tuple[str, str, str, int, int]  # account, source, destination, reference, count


def _text_key(one: IncomingSegment) -> TextKey:
    return one.account, one.source, one.destination, one.reference, one.count


def _part(one: IncomingSegment) -> TextPart:
    return one.written_in, one.text


def _first_told(words: list[tuple[EventRow, Word]], new: set[str]) -> list[Word]:
    """The words whose event is ``new``; it is so for the first of several."""
    found = []
    for event, word in words:
        if event.event_id in new:
            new.discard(event.event_id)
            found.append(word)
    return found


class PartialText:
    """A text of several parts, as far as it has come.

    ``parts`` are the parts by number. ``repeats`` are parts that came again, unchanged, after the text was complete; on
    disk they have negative numbers. ``received_at`` (ms) is the time of the last part."""

    def __init__(self, first: IncomingSegment, parts: dict[int, TextPart]) -> None:
        self.first = first
        self.parts: dict[int, TextPart] = dict(parts)
        self.repeats: dict[int, TextPart] = {}
        self.received_at = first.received_at

    def add(self, one: IncomingSegment) -> None:
        if one.number < 0:
            self.repeats[-one.number] = _part(one)
        else:
            self.parts[one.number] = _part(one)
        self.received_at = max(self.received_at, one.received_at)

    def numbered(self) -> list[tuple[int, TextPart]]:
        """All parts as they are on disk: parts with their numbers, repeats with negative ones."""
        return [*self.parts.items(), *((-number, part) for number, part in self.repeats.items())]

    @property
    def octets(self) -> int:
        """Of its parts as they are kept."""
        return sum(len(part) for parts in (self.parts, self.repeats) for _, part in parts.values())

    @property
    def joined(self) -> bool:
        """Whether all parts are there. Then its event has been written."""
        return len(self.parts) >= self.first.count

    def event(self, incomplete: bool = False) -> EventRow:
        """The event of the text, joined from the parts that are there."""
        whole = replace(self.first, received_at=self.received_at)
        return incoming_event(whole, join(self.parts[number] for number in sorted(self.parts)), incomplete)

    def given_up(self) -> list[EventRow]:
        """What is told if the parts that are missing never come: the text, incomplete. Or, where nobody had said that
        these are parts, each of them as a whole text with what was taken for its header."""
        if not self.first.reference & udh.GUESSED:
            return [self.event(incomplete=True)]
        whole = replace(self.first, received_at=self.received_at)
        reference, count = self.first.reference, self.first.count
        headers = {number: udh.rebuild_unmarked(reference, count, number).hex() for number in sorted(self.parts)}
        if self.first.is_binary:
            return [incoming_event(whole, head.upper() + self.parts[at][1]) for at, head in headers.items()]
        parts = [(self.parts[at][0], head + self.parts[at][1]) for at, head in headers.items()]
        return [incoming_event(whole, join([part])) for part in parts]


class IncomingTexts(Outbox, OptOuts, Conversations):
    """What is written of texts from handsets."""

    _accounts: Accounts

    def _incoming(self, batch: list[ops.Incoming]) -> list[ops.Heard]:
        events: list[EventRow] = []
        parts: list[IncomingSegment] = []
        words: list[list[tuple[EventRow, Word]]] = []
        for incoming in batch:
            words.append([])
            for place, one in enumerate(incoming.segments):
                if one.count <= 1:
                    event = incoming_event(one, one.text)
                    events.append(event)
                    if (wish := self._wish_of(one)) is not None:
                        words[-1].append((event, (place, one, wish)))
                else:  # the others may come over another account of the same system_id
                    parts.append(replace(one, account=self._accounts.of_texts(one.account)))
        new = self._new_events([event for some in words for event, _ in some])
        self._write_texts(events)
        for begin in range(0, len(parts), TEXTS_AT_ONCE):
            self._write_texts(self._join(parts[begin : begin + TEXTS_AT_ONCE]))
        return [
            self._hear_wishes(_first_told(some, new), incoming.answers)
            for incoming, some in zip(batch, words, strict=True)
        ]

    def _write_texts(self, events: list[EventRow]) -> None:
        """With what they say of the texts that they answer."""
        self._note(self.figures.incoming, Counter((one.jms_type,) for one in events))
        self._write_events(self._in_conversations(events))

    def _join(self, parts: list[IncomingSegment]) -> list[EventRow]:
        """Add the parts to their texts and write them; returns the events of the texts that are complete now.

        A part that is there already, unchanged, is a repeat. A different one under the same number begins a new text
        with the same reference, because handsets use references again. Parts that seemed to repeat a complete text then
        belong to the new text. If the old text was not complete, it is handed on incomplete. So is one that would have
        more than ``TEXT_OCTETS`` with this part."""
        texts = self._unfinished(list({_text_key(one) for one in parts}))
        changed: set[TextKey] = set()
        events = []
        for one in parts:
            key = _text_key(one)
            text = texts.get(key)
            if text is not None and text.parts.get(one.number) == _part(one):
                if text.joined:
                    text.repeats[one.number] = _part(one)
                    changed.add(key)
                continue
            if text is None or text.joined or one.number in text.parts or text.octets + len(one.text) > TEXT_OCTETS:
                if text is not None and not text.joined:
                    events += text.given_up()
                text = texts[key] = PartialText(one, text.repeats if text is not None else {})
            text.add(one)
            changed.add(key)
            if text.joined:
                events.append(text.event())
        self._write_parts([texts[key] for key in changed])
        return events

    def _unfinished(self, keys: "list[TextKey]") -> "dict[TextKey, PartialText]":
        """The texts with these keys, as far as they are on disk."""
        texts: dict[TextKey, PartialText] = {}
        for row in self._run(
            "SELECT p.channel, p.account, p.source, p.destination, p.text, p.received_at, p.reference, p.number,"
            " p.count, NULL, p.is_binary, p.written_in FROM json_each(?) AS j JOIN incoming_segment AS p"
            " ON p.account = j.value->>0 AND p.source = j.value->>1 AND p.destination = j.value->>2"
            " AND p.reference = j.value->>3 AND p.count = j.value->>4",
            keys,
        ):
            channel, account, source, destination, text, *place = row
            one = IncomingSegment(channel, account, source, destination, json.loads(text), *place)
            texts.setdefault(_text_key(one), PartialText(one, {})).add(one)
        return texts

    def _write_parts(self, texts: "list[PartialText]") -> None:
        self._delete_parts([_text_key(text.first) for text in texts])
        self._run(
            "INSERT INTO incoming_segment (channel, account, source, destination, reference, count, number, text,"
            " received_at, is_binary, written_in)"
            f" SELECT {columns(11)} FROM json_each(?)",
            [
                (
                    one.channel,
                    one.account,
                    one.source,
                    one.destination,
                    one.reference,
                    one.count,
                    number,
                    json.dumps(part),
                    text.received_at,
                    one.is_binary,
                    written_in,
                )
                for text in texts
                for one in [text.first]
                for number, (written_in, part) in text.numbered()
            ],
        )

    def _delete_parts(self, keys: "list[TextKey]") -> None:
        self._run(
            "DELETE FROM incoming_segment WHERE id IN (SELECT p.id FROM json_each(?) AS j JOIN incoming_segment AS p"
            " ON p.account = j.value->>0 AND p.source = j.value->>1 AND p.destination = j.value->>2"
            " AND p.reference = j.value->>3 AND p.count = j.value->>4)",
            keys,
        )

    def _give_up_waiting(self, sweep: ops.Sweep) -> int:
        """Hand on texts whose missing parts did not come in time, as incomplete, and delete all parts of texts that are
        old enough. Returns how many texts that were."""
        keys = self._connection.execute(
            "SELECT DISTINCT account, source, destination, reference, count FROM ("
            "  SELECT * FROM incoming_segment WHERE received_at <= ? ORDER BY received_at LIMIT ?)",
            (sweep.incoming_before, sweep.limit),
        ).fetchall()
        for begin in range(0, len(keys), TEXTS_AT_ONCE):
            some = keys[begin : begin + TEXTS_AT_ONCE]
            texts = self._unfinished(some)
            given_up = [event for text in texts.values() if not text.joined for event in text.given_up()]
            self._write_texts(given_up)
            self._delete_parts(some)
        return len(keys)
