"""enquire_link (SMPP 3.4 section 4.11): whether the SMSC is there, and whether it still knows the session.

1. Where nothing came for the interval, enquire_link is sent. Any PDU shows that the peer is there; silence for as long
   as a response may take ends the session.
2. An answer with an error, or with generic_nack, shows a peer that does not know the session: after a fail-over an SMSC
   may say so for hours. It is asked again soon. After ``ENQUIRIES`` such answers in a row the session is over. One good
   answer, a submit that is taken or a deliver_sm show that it is known after all.

Times are seconds of any clock that only rises.
"""

from smsconnector.smpp.constants import CommandId, Status

ENQUIRIES = 3  # errors in a row that end the session
ASKED_AGAIN = 5.0  # seconds after an error until enquire_link is sent again, if the interval is not shorter


class Enquiries:
    """What is known of one session by its enquire_links. ``interval`` and ``timeout`` are seconds."""

    def __init__(self, interval: float, timeout: float) -> None:
        self._interval, self._timeout = interval, timeout
        self._heard_at = 0.0  # a whole PDU
        self._asked_at: float | None = None  # and nothing was heard since
        self._sequence: int | None = None  # of the one that has no answer yet
        self.refused = 0  # in a row; the session sets it back when the SMSC shows that it knows the session

    def heard(self, now: float) -> None:
        """A whole PDU came."""
        self._heard_at, self._asked_at = now, None

    def is_overdue(self, now: float) -> bool:
        """Whether the peer is silent for too long."""
        return self._asked_at is not None and now - self._asked_at >= self._timeout

    def is_due(self, now: float) -> bool:
        """Whether enquire_link is to be sent now."""
        pause = min(self._interval, ASKED_AGAIN) if self.refused else self._interval
        return self._asked_at is None and now - self._heard_at >= pause

    def asked(self, sequence: int, now: float) -> None:
        """enquire_link is sent under this sequence_number."""
        self._sequence, self._asked_at = sequence, now

    def answered(self, command_id: int, sequence: int, status: int, others: int) -> bool:
        """enquire_link_resp or a generic_nack came; ``others`` are the requests of ours that wait for an answer as
        well. Returns whether it was the last error that is borne."""
        if command_id == CommandId.generic_nack:
            status = status or Status.ESME_RUNKNOWNERR
            is_ours = sequence == self._sequence or (sequence == 0 and not others)
        else:
            is_ours = True
        if self._sequence is None or not is_ours:
            return False
        self._sequence = None
        self.refused = self.refused + 1 if status else 0
        return self.refused >= ENQUIRIES
