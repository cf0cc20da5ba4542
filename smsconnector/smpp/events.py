"""What a session tells (``smpp.session``).

The token of a request is the caller's own: of a submit, and of any other request that waits for a response.
"""

from dataclasses import dataclass, field
from typing import Any

from smsconnector.messages import record
from smsconnector.smpp.pdu import PDU


@dataclass(frozen=True, slots=True)
class Bound:
    """The bind is good. ``interface_version`` is the SMSC's sc_interface_version, if it said."""

    smsc_system_id: str
    interface_version: int | None


@dataclass(frozen=True, slots=True)
class BindRefused:
    """The SMSC answered the bind with this command_status; ``Closed`` follows."""

    status: int


@record
class Answered:
    """The response to a submit, which came ``waited`` seconds after it. A refusal has no ``message_id``."""

    token: Any
    status: int
    message_id: str
    sequence: int = field(default=0, compare=False)
    waited: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True)
class Congestion:
    """The congestion_state of any response (SMPP 5.0 section 4.8.4.18), before what else that one says."""

    percent: int


@record
class Unanswered:
    """No response within ``response_timeout``: the window slot is free, the outcome is unknown."""

    token: Any
    sequence: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Late:
    """The SMSC took a submit that was ``Unanswered``. A late refusal tells nothing that matters."""

    token: Any
    message_id: str
    sequence: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Replied:
    """The response to a request that is no submit (``Session.ask``). ``status`` None: none came, in time or before the
    session's end."""

    token: Any
    status: int | None


@record
class Delivered:
    """A deliver_sm or data_sm from the SMSC: to be answered with ``respond``."""

    pdu: PDU


@dataclass(frozen=True, slots=True)
class Rejected:
    """A PDU that could not be parsed and has been answered with an error; for the log."""

    reason: str


@dataclass(frozen=True, slots=True)
class Dismissed:
    """The SMSC does not know the session any more: it ends, and ``Closed`` follows."""

    reason: str


@dataclass(frozen=True, slots=True)
class Closed:
    """The session is over: close the connection, without waiting for a peer that is ``silent``. ``outstanding`` holds
    the tokens that were never answered."""

    reason: str
    outstanding: tuple[Any, ...]
    silent: bool = False


SessionEvent = (
    Bound
    | BindRefused
    | Answered
    | Congestion
    | Unanswered
    | Late
    | Replied
    | Delivered
    | Rejected
    | Dismissed
    | Closed
)
