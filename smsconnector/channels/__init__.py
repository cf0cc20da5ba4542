"""The ways out to the networks. A new channel is one module here, one line in ``service``'s wiring, one table.

A channel is a service that submits segments and hears receipts and texts. It knows nothing of the store; it
calls the two walks that its owner gives it:

- ``Listener.outcomes``: what became of submits. Every segment given to ``submit`` comes back exactly once.
- ``Listener.room``: it can take more now.
- ``Listener.received``: receipts and texts came; ``done`` is to be called when they are on disk (``None``), or
  could not be written (the error): only then does the channel answer the network.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from smsconnector.errors import StoreError
from smsconnector.messages import IncomingSegment, Outcome, Receipt, Segment

ReceivedDone = Callable[[StoreError | None], None]


class IChannel(Protocol):
    """What the submitter needs of a channel."""

    def capacity(self) -> int:
        """How many segments it can take right now."""
        ...

    def submit(self, segments: Sequence[Segment]) -> None:
        """Send these, in order; at most ``capacity()`` of them."""
        ...


class Listener(Protocol):
    """What a channel calls."""

    def outcomes(self, outcomes: list[Outcome]) -> None: ...
    def room(self) -> None: ...
    def received(self, items: list[Receipt | IncomingSegment], done: ReceivedDone) -> None: ...
