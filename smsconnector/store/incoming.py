"""Texts from handsets (MO): whole ones become events, parts wait for the others."""

import json
from collections.abc import Mapping
from dataclasses import replace

from smsconnector.messages import IncomingSegment
from smsconnector.sms.user_data import TextPart, join
from smsconnector.store import operations as ops
from smsconnector.store.outbox import EventRow, Outbox, incoming_event
from smsconnector.store.rows import columns

TextKey = tuple[str, str, str, int, int]  # account, source, destination, reference, count


def _text_key(one: IncomingSegment) -> TextKey:
    return one.account, one.source, one.destination, one.reference, one.count


def _part(one: IncomingSegment) -> TextPart:
    return one.written_in, one.text


class PartialText:
    """What has come of a text in several parts; ``echo`` is what came again after it was complete, which on disk has
    negative numbers. ``received_at`` is the time of the last part."""

    def __init__(self, first: IncomingSegment, parts: dict[int, TextPart]) -> None:
        self.first = first
        self.parts: dict[int, TextPart] = dict(parts)
        self.echo: dict[int, TextPart] = {}
        self.received_at = first.received_at

    def add(self, one: IncomingSegment) -> None:
        if one.number < 0:
            self.echo[-one.number] = _part(one)
        else:
            self.parts[one.number] = _part(one)
        self.received_at = max(self.received_at, one.received_at)

    def numbered(self) -> list[tuple[int, TextPart]]:
        """As it is on disk."""
        return [*self.parts.items(), *((-number, part) for number, part in self.echo.items())]

    @property
    def joined(self) -> bool:
        """Whether it is complete, and so has been handed on."""
        return len(self.parts) >= self.first.count

    def event(self, incomplete: bool = False) -> EventRow:
        whole = replace(self.first, received_at=self.received_at)
        return incoming_event(whole, join(self.parts[number] for number in sorted(self.parts)), incomplete)


class IncomingTexts(Outbox):
    """Texts from handsets, whole or in parts."""

    _kin: Mapping[str, tuple[str, ...]]

    def _incoming(self, batch: list[ops.Incoming]) -> list[int]:
        events, parts = [], []
        for incoming in batch:
            for one in incoming.segments:
                if one.count <= 1:
                    events.append(incoming_event(one, one.text))
                else:  # the others may come over another account of the same system_id
                    parts.append(replace(one, account=self._kin.get(one.account, (one.account,))[0]))
        if parts:
            events += self._join(parts)
        self._tell(events)
        return [len(incoming.segments) for incoming in batch]

    def _join(self, parts: list[IncomingSegment]) -> list[EventRow]:
        """Put the parts to those that are here; texts that are complete now become events. A part that is here
        already was sent again; if its text is another one, it begins another text under the same reference, and what
        seemed to be sent again of a text that was handed on belongs to the new one."""
        texts = self._unfinished(list({_text_key(one) for one in parts}))
        changed: set[TextKey] = set()
        events = []
        for one in parts:
            key = _text_key(one)
            text = texts.get(key)
            if text is not None and text.parts.get(one.number) == _part(one):
                if text.joined:
                    text.echo[one.number] = _part(one)
                    changed.add(key)
                continue
            if text is None or text.joined or one.number in text.parts:
                if text is not None and not text.joined:
                    events.append(text.event(incomplete=True))
                text = texts[key] = PartialText(one, text.echo if text is not None else {})
            text.add(one)
            changed.add(key)
            if text.joined:
                events.append(text.event())
        self._write_parts([texts[key] for key in changed])
        return events

    def _unfinished(self, keys: "list[TextKey]") -> "dict[TextKey, PartialText]":
        """What is here of these texts."""
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
        """Hand on what came of texts whose other parts never did, and forget those that were handed on."""
        keys = self._connection.execute(
            "SELECT DISTINCT account, source, destination, reference, count FROM ("
            "  SELECT * FROM incoming_segment WHERE received_at <= ? ORDER BY received_at LIMIT ?)",
            (sweep.incoming_before, sweep.limit),
        ).fetchall()
        if not keys:
            return 0
        texts = self._unfinished(keys)
        self._tell([text.event(incomplete=True) for text in texts.values() if not text.joined])
        self._delete_parts(keys)
        return len(keys)
