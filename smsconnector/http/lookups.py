"""What clients GET: one message by its MessageSID, and the health of the connector."""

from collections.abc import Callable
from typing import Any

from smsconnector.errors import InvalidRequest, StoreError
from smsconnector.http import replies
from smsconnector.http.answers import Answer, GiveAnswer, HTTPRequest
from smsconnector.store import operations as ops
from smsconnector.store.reader import IReader
from smsconnector.walks.admission import Gate

Elsewhere = Callable[[HTTPRequest, Answer, GiveAnswer], None]


def nowhere_else(_request: HTTPRequest, not_here: Answer, answer: GiveAnswer) -> None:
    """There are no other processes."""
    answer(not_here)


class Lookups:
    """The handlers of both. ``details`` gives what the health says beside whether texts are accepted. ``elsewhere``
    answers for a message that is not here; it is given the answer that says so."""

    def __init__(
        self,
        *,
        reader: IReader,
        gate: Gate,
        details: Callable[[], dict[str, Any]],
        elsewhere: Elsewhere = nowhere_else,
    ) -> None:
        self._reader, self._gate, self._details, self._elsewhere = reader, gate, details, elsewhere

    def message(self, request: HTTPRequest, answer: GiveAnswer) -> None:
        """200 with the message, 404 if there is none with this MessageSID, 503 if the store can't read, or another
        process can't be asked."""

        def found(row: ops.FoundMessage | None, error: StoreError | None) -> None:
            if error is not None:
                answer(replies.LOOKUP_FAILED)
            elif row is None:
                self._elsewhere(request, replies.refusal(_no_message()), answer)
            else:
                answer(replies.json_answer(replies.found(row)))

        self._reader.put(ops.Find(request.arguments["sid"]), found)

    def health(self, _request: HTTPRequest, answer: GiveAnswer) -> None:
        """200 while texts are accepted, else 503 with the reason. That 503 refuses nothing: it has no Retry-After."""
        reason = self._gate.refusal()
        said = {"accepting": not reason, "reason": reason or None} | self._details()
        answer(replies.json_answer(said, status=503 if reason else 200))


def _no_message() -> InvalidRequest:
    return InvalidRequest("not_found", "There is no message with this MessageSID.", status=404)
