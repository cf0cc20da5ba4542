"""Which of our texts a customer's text answers: the newest one to that number from that sender that can have reached
him. What has ended with one of NEVER_SENT can't have.

It is looked for among the messages that were accepted in the time that a conversation lasts: first among those that
are not listed by their numbers yet, then in ``BLOCKS`` blocks of the list at most (``numbers``), the newest first,
because most customers answer soon. Nothing is looked for where conversations last no time.
"""

import json
from collections.abc import Sequence
from typing import Any

from smsconnector.errors import AddressError
from smsconnector.lifecycle import (
    CODE_CANCELLED,
    CODE_EXPIRED,
    CODE_OPTED_OUT,
    CODE_UNSENDABLE,
    EndRules,
    MessageState,
)
from smsconnector.sms.addresses import normal_number
from smsconnector.store.events import EventRow
from smsconnector.store.numbers import BLOCK, Numbers

NEWEST = 2  # blocks that are looked into first
BLOCKS = 250
NEVER_SENT = (CODE_CANCELLED, CODE_EXPIRED, CODE_OPTED_OUT, CODE_UNSENDABLE)
_MAY_HAVE_COME = f"(m.code IS NULL OR m.code NOT IN ({', '.join(map(repr, NEVER_SENT))}))"
Wanted = dict[int, tuple[str, str]]  # by the place of an event, the customer's number and ours


def about(sid: str | None, reference: str | None) -> str | None:
    """The headers of an event, as JSON."""
    found = {name: value for name, value in (("MessageSID", sid), ("Reference", reference)) if value is not None}
    return json.dumps(found) if found else None


class Conversations(Numbers):
    """Finds them. ``_rules``: see ``Store``."""

    _rules: EndRules

    def _in_conversations(self, events: Sequence[EventRow]) -> list[EventRow]:
        """These, with what they say of the texts that they answer."""
        if not events or not self._rules.conversation:
            return list(events)
        wanted = {place: _numbers(one) for place, one in enumerate(events) if one.numbers is not None}
        since = min(one.created_at for one in events) - self._rules.conversation
        found: dict[int, str | None] = {}
        newest = (self._counts.listed_below >> BLOCK) - 1
        for last, first in ((None, 0), (newest, newest - NEWEST + 1), (newest - NEWEST, newest - BLOCKS + 1)):
            rest = {place: numbers for place, numbers in wanted.items() if place not in found}
            if rest and (last is None or last >= 0):
                found |= self._newest_of(rest, since) if last is None else self._newest_in(rest, since, last, first)
        return [one._replace(headers=found[place]) if place in found else one for place, one in enumerate(events)]

    def _newest_of(self, wanted: Wanted, since: int) -> dict[int, str | None]:
        """Among those that are not listed yet. By the place of an event, the headers that tell of the message."""
        ids = [(place, *numbers, one) for place, numbers in wanted.items() for one in self._not_listed(numbers[0])]
        return self._newest("message AS m ON m.id = j.value->>3", ids, since) if ids else {}

    def _newest_in(self, wanted: Wanted, since: int, last: int, first: int) -> dict[int, str | None]:
        """The same, among those in these blocks."""
        listed = (
            "(WITH RECURSIVE block (number) AS (SELECT ?3 UNION ALL SELECT number - 1 FROM block WHERE number > ?4)"
            " SELECT number FROM block) AS b"
            " CROSS JOIN message_number AS n ON n.block = b.number AND n.destination = j.value->>1"
            " CROSS JOIN message AS m ON m.id = n.message"
        )
        return self._newest(
            listed, [(place, *numbers) for place, numbers in wanted.items()], since, last, max(first, 0)
        )

    def _newest(self, joined: str, rows: Sequence[Any], *more: int) -> dict[int, str | None]:
        """``joined`` is SQL, with a message ``m``; ``more``: the time from which on it was accepted, and others."""
        found = self._run(
            "SELECT f.place, m.sid, m.reference FROM (SELECT j.value->>0 AS place, max(m.id) AS id"
            f"  FROM json_each(?1) AS j CROSS JOIN {joined}"
            "  WHERE m.destination = j.value->>1 AND m.accepted_at >= ?2"
            "   AND coalesce(m.source, j.value->>2) = j.value->>2"
            f"   AND m.state NOT IN ({MessageState.MOVED:d}, {MessageState.SCHEDULED:d})"
            f"   AND {_MAY_HAVE_COME} GROUP BY j.value->>0) AS f"
            " CROSS JOIN message AS m ON m.id = f.id",
            rows,
            *more,
        ).fetchall()
        return {place: about(sid, reference) for place, sid, reference in found}


def _numbers(event: EventRow) -> tuple[str, str]:
    """The customer's number as ``/send`` would have written it, and ours."""
    assert event.numbers is not None
    customer, ours = event.numbers
    try:
        return normal_number(customer), ours
    except AddressError:
        return customer, ours
