"""What a submit's command_status means for its segment: one table, to be extended by the configuration."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass

from smsconnector.smpp.constants import Status


class Action(enum.Enum):
    THROTTLE_RULE = "throttle"  # too fast or too busy: the bind adapts; no attempt counts against the message
    PAUSE = "pause"  # the bind submits nothing for a while; no attempt counts
    RETRY = "retry"  # temporary: try this message again later, an attempt is counted
    REBIND_RULE = "rebind"  # the session is of no use any more: unbind and bind again, then as RETRY
    REJECT_RULE = "reject"  # permanent: FAILED with this status


@dataclass(frozen=True, slots=True)
class Rule:
    """``delay`` (s): when to try again, or how long to pause; None leaves it to the back-off."""

    action: Action
    delay: float | None = None


RETRY_RULE, THROTTLE, REBIND, REJECT = (
    Rule(Action.RETRY),
    Rule(Action.THROTTLE_RULE),
    Rule(Action.REBIND_RULE),
    Rule(Action.REJECT_RULE),
)

# SMPP 3.4 section 5.1.3; what is not here rejects, so that a broken message can't go round for ever.
RULES: dict[int, Rule] = {
    Status.ESME_RTHROTTLED: THROTTLE,
    Status.ESME_RMSGQFUL: THROTTLE,
    Status.ESME_RINVBNDSTS: REBIND,
    Status.ESME_RSYSERR: RETRY_RULE,
    Status.ESME_RSUBMITFAIL: RETRY_RULE,
    Status.ESME_RX_T_APPN: RETRY_RULE,
    Status.ESME_RUNKNOWNERR: RETRY_RULE,
    Status.ESME_RSERTYPUNAVAIL: RETRY_RULE,
}


def status_number(text: str) -> int:
    """``ESME_RSYSERR``, ``8`` or ``0x00000008`` as its number. Raises ValueError."""
    if text in Status.__members__:
        return int(Status[text])
    return int(text, 0)


class Policy:
    """The table with a bind's own rules over it."""

    def __init__(self, own: Mapping[int, Rule] | None = None) -> None:
        self._rules = RULES | dict(own or {})

    def rule(self, status: int) -> Rule:
        return self._rules.get(status, REJECT)
