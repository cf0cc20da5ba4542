"""What to do when the SMSC refuses a submit_sm: a rule for each command_status.

``RULES`` is the table for every bind: what the codes say may be taken later (``codes.command_status``) is tried again,
and three have rules of their own. The configuration of a bind (``statuses``) puts its rules over it. A status that
neither has is a refusal for good.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass

from smsconnector.codes.command_status import Status, refused_for_now


class Action(enum.Enum):
    """What to do. The values are the words of the configuration.

    ``THROTTLE`` and ``PAUSE`` say nothing about the message: it goes out again, and no attempt is counted against it.
    """

    THROTTLE = "throttle"  # we are too fast, or the SMSC too busy: the bind slows down
    PAUSE = "pause"  # the bind submits nothing for a while
    RETRY = "retry"  # the SMSC can't take it now: try this message again later, and count the attempt
    REBIND = "rebind"  # the session is of no use any more: unbind, bind again, then as RETRY
    REJECT = "reject"  # refused for good: the message is FAILED, with this status as its code


@dataclass(frozen=True, slots=True)
class Rule:
    """An action and its ``delay`` in seconds: until the next attempt for RETRY and REBIND, how long it lasts for PAUSE.
    None leaves it to the caller, which has a back-off for attempts and a length of its own for pauses."""

    action: Action
    delay: float | None = None


_REJECT = Rule(Action.REJECT)
RULES: dict[int, Rule] = {int(status): Rule(Action.RETRY) for status in Status if refused_for_now(status)} | {
    Status.ESME_RTHROTTLED: Rule(Action.THROTTLE),
    Status.ESME_RMSGQFUL: Rule(Action.THROTTLE),
    Status.ESME_RINVBNDSTS: Rule(Action.REBIND),
}


def status_number(text: str) -> int:
    """A command_status as the configuration may write it: ``ESME_RSYSERR``, ``8`` or ``0x00000008``. Raises
    ValueError."""
    if text in Status.__members__:
        return int(Status[text])
    return int(text, 0)


class Policy:
    """The rules of one bind: ``RULES``, with its ``own`` over them, by command_status."""

    def __init__(self, own: Mapping[int, Rule] | None = None) -> None:
        self._rules = RULES | dict(own or {})

    def rule(self, status: int) -> Rule:
        """For a command_status other than ESME_ROK. What no table has is rejected, so that a message which the SMSC
        will never take does not go round for ever."""
        return self._rules.get(status, _REJECT)
