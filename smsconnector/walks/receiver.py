"""The way of a receipt or an incoming text: received -> written -> acknowledged.

1. A channel or a webhook hands over what came in one read, with a callback ``done``.
2. The store matches or parks the receipts, and joins texts from their parts. The events that follow from that are
   written in the same commit, and so is the answer to a STOP, START or HELP (``opt_out_replies``).
3. ``done(None)`` is called after the commit: the network may get its acknowledgement now. After ``done(error)`` it must
   not get one, so that it sends the same again.
"""

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import replace

from smsconnector.channels import ReceivedDone
from smsconnector.errors import AddressError, StoreError
from smsconnector.messages import IncomingSegment, Receipt
from smsconnector.sms.addresses import in_country
from smsconnector.store import operations as ops
from smsconnector.store.writer import IWriter
from smsconnector.walks.opt_out_replies import OptOutReplies


class Receiver:
    """Writes what came from networks and providers.

    :param ended: is called with the ids of the messages that receipts have ended, where a segment may wait to be sent.
    :param replies: answers those who opt out.
    :param country_of: that of a channel, by its name. A sender as it is dialled inside that country is told in its
        international form, in which it can be answered.
    """

    def __init__(
        self,
        writer: IWriter,
        ended: Callable[[Collection[int]], None] = lambda message_ids: None,
        replies: OptOutReplies | None = None,
        country_of: Callable[[str], str | None] = lambda channel: None,
    ) -> None:
        self._writer, self._ended, self._replies, self._country_of = writer, ended, replies, country_of

    def received(self, items: Sequence[Receipt | IncomingSegment], done: ReceivedDone) -> None:
        """Write the receipts and texts that a channel got in one read."""
        receipts = tuple(item for item in items if isinstance(item, Receipt))
        segments = tuple(item for item in items if isinstance(item, IncomingSegment))
        operations: list[ops.Operation] = []
        if receipts:
            operations.append(ops.Receive(receipts))
        if segments:
            operations.append(self._incoming(segments))
        self._write(operations, done)

    def notified(self, receipt: Receipt, channel: str, done: ReceivedDone) -> None:
        """Write a status notification from a provider's webhook. If it fits no message, it is reported under the id
        that it names, as of ``channel``."""
        self._write([ops.Receive((receipt,), report_unknown=True, channel=channel)], done)

    def incoming(self, segment: IncomingSegment, done: ReceivedDone) -> None:
        """Write a whole text from a provider's webhook."""
        self._write([self._incoming((segment,))], done)

    def _incoming(self, segments: tuple[IncomingSegment, ...]) -> ops.Incoming:
        if any(one.source[:1] == "0" for one in segments):
            segments = tuple(map(self._international, segments))
        return ops.Incoming(segments, self._replies.prepare(segments) if self._replies is not None else ())

    def _international(self, segment: IncomingSegment) -> IncomingSegment:
        """What can't be a number of the country stays as the network wrote it."""
        with suppress(AddressError):
            return replace(segment, source=in_country(segment.source, self._country_of(segment.channel)))
        return segment

    def _write(self, operations: list[ops.Operation], done: ReceivedDone) -> None:
        """Put all operations to the writer. ``done`` is called once, after the last answer, with the first error or
        None."""
        waiting = len(operations)
        first_error: StoreError | None = None
        wishes: tuple[ops.HeardWish, ...] = ()

        def written(result: object, error: StoreError | None) -> None:
            nonlocal waiting, first_error, wishes
            waiting -= 1
            first_error = first_error or error
            if isinstance(result, ops.Received) and result.ended:
                self._ended(result.ended)
            elif isinstance(result, ops.Heard):
                wishes = result.wishes
            if waiting == 0:
                if wishes and self._replies is not None:
                    self._replies.written(wishes)
                done(first_error)

        for operation in operations:
            self._writer.put(operation, written)
