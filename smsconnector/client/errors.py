"""What can go wrong for an application that uses the client, as one tree.

::

    ClientError
     +-- Unreachable     no answer came, though it was tried again
     +-- Unreadable      an answer came that is not the connector's: something else answers at this address
     +-- Refused         the connector has refused it, and says why
          +-- NotAllowed     401, 403: the key is wrong, or not for this
          +-- NotFound       404: no such message, or no such path
          +-- TooLate        409: the message can't be taken back any more
          +-- Busy           429, 503: it was refused for now, each time that it was tried

``may_be_accepted`` of each says whether what was asked for may have been done all the same, because an attempt had no
answer. With the same ``idempotency_key`` the same text can be sent again, and goes out once.

No error shows the key of the API, a number or a text.
"""

from smsconnector.errors import SMSConnectorError


class ClientError(SMSConnectorError):
    """The root. ``may_be_accepted``: an attempt had no answer, so it may have been done."""

    may_be_accepted = False


class Unreachable(ClientError):
    """No answer came."""


class Unreadable(ClientError):
    """The answer is none of the connector's."""


class Refused(ClientError):
    """``status`` is that of HTTP, ``code`` a word that stays the same, ``message`` one sentence of the connector's that
    says what to do, ``field`` the name of what is wrong, or None."""

    def __init__(self, status: int, code: str, message: str, field: str | None = None) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status, self.code, self.message, self.field = status, code, message, field


class NotAllowed(Refused):
    """401 or 403."""


class NotFound(Refused):
    """404."""


class TooLate(Refused):
    """409. ``message`` has the state."""


class Busy(Refused):
    """429 or 503: nothing was done, it may be tried later. ``retry_after``: in how many seconds, if that was said."""

    retry_after: float | None = None


_BY_STATUS = {401: NotAllowed, 403: NotAllowed, 404: NotFound, 409: TooLate, 429: Busy, 503: Busy}


def refused(status: int, code: str, message: str, field: str | None = None) -> Refused:
    """The error of a status."""
    return _BY_STATUS.get(status, Refused)(status, code, message, field)
