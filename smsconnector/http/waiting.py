"""A body that comes in pieces while the key of its request is hashed: it waits until that is known."""

from collections.abc import Callable

from smsconnector.errors import InvalidRequest
from smsconnector.http import replies
from smsconnector.http.answers import Answer, AnswerInPieces, BodyInPieces


class WaitingBody:
    """Keeps what has been read already, and has nothing more read. Then it hands all of it on, or is refused."""

    def __init__(self, answer: AnswerInPieces) -> None:
        self._answer = answer
        self._body: BodyInPieces | None = None
        self._pieces: list[bytes] = []
        self._has_ended = self._is_over = False
        answer.pause()

    def received(self, octets: bytes) -> None:
        if self._body is not None:
            self._body.received(octets)
        elif not self._is_over:
            self._pieces.append(octets)

    def ended(self) -> None:
        self._has_ended = True
        if self._body is not None:
            self._body.ended()

    def lost(self) -> None:
        self._is_over = True
        self._pieces.clear()
        if self._body is not None:
            self._body.lost()

    def admitted(self, opened: Callable[[], BodyInPieces]) -> None:
        """The caller may come in: ``opened`` gives who takes the body, or raises InvalidRequest."""
        if self._is_over:
            return
        try:
            self._body = opened()
        except InvalidRequest as error:
            self.refused(replies.refusal(error))
            return
        self._answer.resume()
        pieces, self._pieces = self._pieces, []
        for piece in pieces:
            self._body.received(piece)
        if self._has_ended:
            self._body.ended()

    def refused(self, answer: Answer) -> None:
        if not self._is_over:
            self._is_over = True
            self._pieces.clear()
            self._answer.resume()
            self._answer.whole(answer)
