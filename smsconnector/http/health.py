"""What clients GET of the connector itself: its health."""

from collections.abc import Callable
from typing import Any

from smsconnector.http import replies
from smsconnector.http.answers import GiveAnswer, HTTPRequest
from smsconnector.walks.admission import Gate


class HealthDoor:
    """``details`` gives what the health says beside whether texts are accepted."""

    def __init__(self, *, gate: Gate, details: Callable[[], dict[str, Any]]) -> None:
        self._gate, self._details = gate, details

    def health(self, _request: HTTPRequest, answer: GiveAnswer) -> None:
        """200 while texts are accepted, else 503 with the reason. That 503 refuses nothing: it has no Retry-After."""
        reason = self._gate.refusal()
        said = {"accepting": not reason, "reason": reason or None} | self._details()
        answer(replies.json_answer(said, status=503 if reason else 200))
