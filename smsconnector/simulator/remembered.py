"""The messages that the simulated SMSC can still tell of, and take back: query_sm and cancel_sm (SMPP 3.4 sections 4.8
and 4.9)."""

from typing import Any, NamedTuple

from smsconnector.simulator.accounts import Account, Delivery
from smsconnector.simulator.protocol import QueryAnswer
from smsconnector.simulator.rendering import DELETED, Final
from smsconnector.simulator.submits import Submit, octets_of
from smsconnector.smpp.constants import MessageStateTLV, Status

REMEMBERED = 10_000  # messages


class RememberedMessage(NamedTuple):
    """What query_sm is told from ``final_at`` (seconds) on. Before that the message is on its way, and cancel_sm ends
    it. ``owed`` are its receipts that wait for that time."""

    final_at: float
    final: Final
    account: Account
    submit: Submit
    id_in_receipt: str
    taken_at: float
    owed: list[Delivery]


class Remembered:
    """The last ones, by the ids of their responses."""

    def __init__(self) -> None:
        self._messages: dict[str, RememberedMessage] = {}

    def add(self, message_id: str, message: RememberedMessage) -> None:
        self._messages[message_id] = message
        if len(self._messages) > REMEMBERED:
            del self._messages[next(iter(self._messages))]

    def state_of(self, message_id: str, now: float) -> QueryAnswer | None:
        """For query_sm; None if it is not known (any more)."""
        known = self._messages.get(message_id)
        if known is None:
            return None
        if now < known.final_at:
            return QueryAnswer(MessageStateTLV.ENROUTE, b"0")
        return QueryAnswer(known.final.message_state, known.final.err, known.final_at)

    def is_taken_back(self, message_id: str) -> bool:
        known = self._messages.get(message_id)
        return known is not None and known.final is DELETED

    def take_back(
        self, account: Account, fields: dict[str, Any], now: float
    ) -> tuple[Status, RememberedMessage | None]:
        """For cancel_sm: the message that is on its way, which ends as DELETED. The source address has to be that of
        its submit; the destination may be left out. Groups of messages, without message_id, are not taken back."""
        known = self._messages.get(fields["message_id"])
        if known is None or known.account is not account:
            return Status.ESME_RINVMSGID, None
        source = octets_of(fields["source_addr_ton"], fields["source_addr_npi"], fields["source_addr"])
        destination = octets_of(fields["dest_addr_ton"], fields["dest_addr_npi"], fields["destination_addr"])
        is_other = fields["destination_addr"] and destination != known.submit.destination
        if is_other or source != known.submit.source or now >= known.final_at:
            return Status.ESME_RCANCELFAIL, None
        for delivery in known.owed:
            delivery.body = b""
        self._messages[fields["message_id"]] = known._replace(final_at=now, final=DELETED, owed=[])
        return Status.ESME_ROK, known
