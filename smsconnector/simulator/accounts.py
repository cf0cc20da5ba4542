"""The accounts of the simulated SMSC: what each system_id is still owed, and which of its binds may get it."""

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
    """One system_id: its binds that receive, and what waits for one of them."""

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
