"""Whether an SMSC refuses everything for now, so that its bind is passed over while another one is well.

One refusal for now (the policy's action ``retry``) is about one text. Many in a row, with no text taken in between, are
about the SMSC: its session stands, but what is behind it does not work.

1. After ``MANY`` refusals in a row the bind is avoided: used only where no other can be. The time of that doubles with
   each further refusal.
2. Then one segment is sent for a trial. While it is under way the bind is still avoided.
3. A text that is taken, or refused for good, shows that the SMSC works again.
"""

MANY = 5  # refusals in a row
LONGEST_AVOIDED = 60.0  # seconds


class Refusals:
    """Of one bind. ``in_a_row`` counts them; whoever sees a text taken or refused for good sets it to 0.

    Times are seconds of a clock that only rises."""

    __slots__ = ("_avoided_until", "in_a_row")

    def __init__(self) -> None:
        self.in_a_row = 0
        self._avoided_until = 0.0

    def refused(self, now: float) -> float:
        """One more; gives the time for which the bind is avoided, 0.0 while there are not many."""
        self.in_a_row += 1
        if self.in_a_row < MANY:
            return 0.0
        pause = min(2.0 ** min(self.in_a_row - MANY, 10), LONGEST_AVOIDED)
        self._avoided_until = now + pause
        return pause

    def is_avoided(self, now: float, under_way: int) -> bool:
        """Whether others go first; ``under_way`` is how many submits of the bind have no response yet."""
        return self.in_a_row >= MANY and (under_way > 0 or now < self._avoided_until)

    def left(self, now: float) -> float:
        """How long it is still avoided; 0.0 or less: it may be tried."""
        return self._avoided_until - now
