"""What a submit's command_status means for its segment: one table, to be extended by the configuration."""

import enum

from smsconnector.smpp.constants import Status


class Action(enum.Enum):
    THROTTLE = "throttle"  # slow the bind down; no attempt counts against the message
    RETRY = "retry"  # temporary: try again later, an attempt is counted
    REJECT = "reject"  # permanent: FAILED with this status


ACTIONS: dict[int, Action] = {
    Status.ESME_RTHROTTLED: Action.THROTTLE,
    Status.ESME_RMSGQFUL: Action.THROTTLE,
    Status.ESME_RSYSERR: Action.RETRY,
    Status.ESME_RSUBMITFAIL: Action.RETRY,
    Status.ESME_RX_T_APPN: Action.RETRY,
    Status.ESME_RINVBNDSTS: Action.RETRY,
    Status.ESME_RUNKNOWNERR: Action.RETRY,
}


def action_for(status: int) -> Action:
    """By the table; a status that is not in it rejects, so that a broken message can't go round for ever."""
    return ACTIONS.get(status, Action.REJECT)
