"""A message that may be asked for several times under one key: it is accepted once (``store.idempotency``)."""

from collections.abc import Callable

from smsconnector.errors import StoreError
from smsconnector.messages import Message
from smsconnector.store.repeats import First, RequestKey
from smsconnector.walks.submitter import Submitter


def accept_once(
    submitter: Submitter,
    message: Message,
    key: RequestKey,
    done: Callable[[First | None, StoreError | None], None],
    only_again: bool = False,
) -> None:
    """As ``Submitter.accept``. After the commit ``done`` gets the message that the key has made, this one or an earlier
    one; an earlier one may have been asked for with another digest. ``only_again``: a new one is not accepted."""

    def written(first: First | None, error: StoreError | None) -> None:
        if first is not None and first.is_queued:
            submitter.accepted(first_id, message)
        done(first, error)

    first_id = submitter.backlog.accept_once(message, key, written, only_again)
