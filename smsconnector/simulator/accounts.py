"""The accounts of the simulated SMSC: what each system_id is still owed, and which of its binds may get it.

1. What is owed waits in the account's queue, over any number of connections.
2. ``pump`` hands it to the binds that receive and have room in their window; they take turns.
3. A bind that is lost, or whose ESME refuses for now, puts it back.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Protocol


class ReceivingBind(Protocol):
    """What an account needs of a bind that receives."""

    @property
    def has_room(self) -> bool: ...
    def deliver(self, delivery: "Delivery") -> None: ...


@dataclass(slots=True, eq=False)
class Account:
    """One system_id: its binds that receive, what waits for one of them, and how much it may submit.

    ``tokens`` are the submits that it may send at once, as of ``filled_at`` (seconds).
    """

    system_id: str
    tokens: float
    filled_at: float
    receivers: deque[ReceivingBind] = field(default_factory=deque)
    waiting: "deque[Delivery]" = field(default_factory=deque)

    def deliver(self, delivery: "Delivery") -> None:
        """Send it now, or keep it in order behind what waits."""
        self.waiting.append(delivery)
        self.pump()

    def pump(self) -> None:
        """Send what waits while a receiving bind has room; they take turns."""
        while self.waiting and (receiver := self._with_room()) is not None:
            receiver.deliver(self.waiting.popleft())

    def is_too_fast(self, rate: float, now: float) -> bool:
        """Whether one more submit would be above ``rate`` submits a second, of which one second's worth may come at
        once. If not, it is counted."""
        self.tokens = min(max(rate, 1.0), self.tokens + (now - self.filled_at) * rate)
        self.filled_at = now
        if self.tokens < 1:
            return True
        self.tokens -= 1
        return False

    def _with_room(self) -> ReceivingBind | None:
        for _ in self.receivers:
            self.receivers.rotate(-1)
            if self.receivers[0].has_room:
                return self.receivers[0]
        return None


@dataclass(slots=True, eq=False)
class Delivery:
    """A deliver_sm's body that an account is owed."""

    account: Account
    body: bytes
