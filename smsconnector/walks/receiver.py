"""The walk of what networks and providers tell us: receipt or incoming text -> recorded -> may be acknowledged.

1. A channel or webhook hands over what came in one read, with ``done``.
2. Receipts are matched or parked, texts joined from their parts. The events they cause are written in the same commit.
3. ``done(None)`` after the commit: now the network may have its acknowledgement. ``done(error)``: it must not.
"""

from collections.abc import Callable, Collection, Sequence

from smsconnector.channels import ReceivedDone
from smsconnector.errors import StoreError
from smsconnector.messages import IncomingSegment, Receipt
from smsconnector.store import operations as ops
from smsconnector.store.writer import IWriter


class Receiver:
    """``told`` is called when events were written. ``ended`` is called with the ids of messages of several segments
    that a receipt has ended."""

    def __init__(
        self,
        writer: IWriter,
        told: Callable[[], None],
        ended: Callable[[Collection[int]], None] = lambda message_ids: None,
    ) -> None:
        self._writer, self._told, self._ended = writer, told, ended

    def received(self, items: Sequence[Receipt | IncomingSegment], done: ReceivedDone) -> None:
        """From an SMPP channel: receipts and texts of one read."""
        receipts = tuple(item for item in items if isinstance(item, Receipt))
        segments = tuple(item for item in items if isinstance(item, IncomingSegment))
        operations: list[ops.Operation] = []
        if receipts:
            operations.append(ops.Receive(receipts))
        if segments:
            operations.append(ops.Incoming(segments))
        self._write(operations, done)

    def notified(self, receipt: Receipt, channel: str, done: ReceivedDone) -> None:
        """From a provider's webhook: a status notification, reported under its own id if it fits no message."""
        self._write([ops.Receive((receipt,), report_unknown=True, channel=channel)], done)

    def incoming(self, segment: IncomingSegment, done: ReceivedDone) -> None:
        """From a provider's webhook: a whole text."""
        self._write([ops.Incoming((segment,))], done)

    def _write(self, operations: list[ops.Operation], done: ReceivedDone) -> None:
        """Put all; ``done`` once, when the last is answered, with the first error if there is one."""
        waiting = len(operations)
        first_error: StoreError | None = None

        def written(result: object, error: StoreError | None) -> None:
            nonlocal waiting, first_error
            waiting -= 1
            first_error = first_error or error
            if isinstance(result, ops.Received) and result.ended:
                self._ended(result.ended)
            if waiting == 0:
                if first_error is None:
                    self._told()
                done(first_error)

        for operation in operations:
            self._writer.put(operation, written)
