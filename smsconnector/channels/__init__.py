"""The ways out to the networks. A new channel is one module here, one line in ``service``'s wiring, one table.

A channel takes segments and hears receipts and texts. It knows nothing of the store; it calls those it is given:

- ``Listener.outcomes``: what became of submits. Every segment that ``submit`` took comes back exactly once, here or as
  throttled.
- ``Listener.late``: a segment whose outcome was given as unknown has been taken after all.
- ``Listener.throttled``: the network took none of these for now; the listener has them again, and counts that in
  ``Segment.throttles``.
- ``Listener.room``: it can take more now.
- ``Receiver.received``: receipts and texts came; ``done`` is to be called when they are on disk (``None``), or could
  not be written (the error): only then does the channel answer the network.

``smpp``  the SMPP channel: routes among binds
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from smsconnector.errors import StoreError
from smsconnector.messages import IncomingSegment, Outcome, Receipt, Segment

ReceivedDone = Callable[[StoreError | None], None]


class IChannel(Protocol):
    """What a submitter needs: a route of a channel, or a channel without routes."""

    def capacity(self) -> int:
        """How many segments it can take right now."""
        ...

    def submit(self, segments: Sequence[Segment]) -> Sequence[Segment]:
        """Send these, in order; at most ``capacity()`` of them. Gives back those that found no room after all."""
        ...


class Listener(Protocol):
    """What a channel tells of its submits."""

    def outcomes(self, outcomes: list[Outcome]) -> None: ...
    def late(self, outcome: Outcome) -> None: ...
    def throttled(self, segments: Iterable[Segment]) -> None: ...
    def room(self) -> None: ...


class IReceiver(Protocol):
    """What a channel tells of the network's own doing."""

    def received(self, items: list[Receipt | IncomingSegment], done: ReceivedDone) -> None: ...
