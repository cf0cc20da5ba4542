"""Which of our texts a customer's text answers: the newest one to that number from that sender.

It is looked for among the messages that were accepted in the time that a conversation lasts, and among ``BLOCKS``
blocks of ids at most (``searching`` tells of the index), the newest first, because most customers answer soon. Nothing
is looked for where conversations last no time.
"""

import json
from collections.abc import Sequence
from typing import Any

from smsconnector.errors import AddressError
from smsconnector.lifecycle import EndRules, MessageState
from smsconnector.sms.addresses import normal_number
from smsconnector.store.events import EventRow
from smsconnector.store.rows import Rows

BLOCK = 10  # bits of an id that are its place in a block of the index of numbers
NEWEST = 8  # blocks that are looked into first
BLOCKS = 1_000


def about(sid: str | None, reference: str | None) -> str | None:
    """The headers of an event, as JSON."""
    found = {name: value for name, value in (("MessageSID", sid), ("Reference", reference)) if value is not None}
    return json.dumps(found) if found else None


class Conversations(Rows):
    """Finds them. ``_rules``: see ``Store``."""

    _rules: EndRules

    def _in_conversations(self, events: Sequence[EventRow]) -> list[EventRow]:
        """These, with what they say of the texts that they answer."""
        if not events or not self._rules.conversation:
            return list(events)
        wanted = {place: _numbers(one) for place, one in enumerate(events) if one.numbers is not None}
        since = min(one.created_at for one in events) - self._rules.conversation
        newest = self._one("SELECT coalesce(max(id), 0) FROM message") >> BLOCK
        found = self._newest_to(wanted, newest, newest - NEWEST + 1, since)
        rest = {place: numbers for place, numbers in wanted.items() if place not in found}
        if rest and newest >= NEWEST:
            found |= self._newest_to(rest, newest - NEWEST, newest - BLOCKS + 1, since)
        return [one._replace(headers=found[place]) if place in found else one for place, one in enumerate(events)]

    def _newest_to(
        self, wanted: dict[int, tuple[str, str]], last: int, first: int, since: int
    ) -> dict[int, str | None]:
        """By the place of an event, the headers that tell of the message."""
        rows: list[Any] = self._run(
            "WITH RECURSIVE block (number) AS (SELECT ?2 UNION ALL SELECT number - 1 FROM block WHERE number > ?3)"
            " SELECT f.place, m.sid, m.reference FROM"
            "  (SELECT j.value->>0 AS place, max(m.id) AS id FROM json_each(?1) AS j CROSS JOIN block"
            f"   CROSS JOIN message AS m ON m.id >> {BLOCK} = block.number AND m.destination = j.value->>1"
            "   WHERE m.accepted_at >= ?4 AND coalesce(m.source, j.value->>2) = j.value->>2"
            f"    AND m.state NOT IN ({MessageState.MOVED:d}, {MessageState.SCHEDULED:d}) GROUP BY j.value->>0) AS f"
            " CROSS JOIN message AS m ON m.id = f.id",
            [(place, *numbers) for place, numbers in wanted.items()],
            last,
            max(first, 0),
            since,
        ).fetchall()
        return {place: about(sid, reference) for place, sid, reference in rows}


def _numbers(event: EventRow) -> tuple[str, str]:
    """The customer's number as ``/send`` would have written it, and ours."""
    assert event.numbers is not None
    customer, ours = event.numbers
    try:
        return normal_number(customer), ours
    except AddressError:
        return customer, ours
