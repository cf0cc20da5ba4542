"""The states of segments and messages, and the table of the steps between them. Only the store changes states.

A *segment* is QUEUED until the SMSC has accepted it (SENT). It ends as DELIVERED or FAILED. CLAIMED is used under the
policy ``hold`` only. It is written before the submit is sent. So after a crash it is known that the segment may have
been sent, and it is not sent again.

A text that is to be sent later is SCHEDULED until then, and so are its segments. It becomes ACTIVE when it is due or
taken back.

A *message* is ACTIVE until it becomes final, which happens once:

- DELIVERED, when every segment is DELIVERED.
- FAILED, when the first segment is FAILED, with the code of that segment.
- When its lifetime is over, FAILED, if the network is known not to have accepted every segment: no more is sent, so
  nothing better can come. The code is EXPIRED, or NO_RECEIPT if some segment was accepted.
- Else when the time for receipts is over as well: DELIVERED with NO_FAILURE if only failure receipts were asked for,
  the network has accepted every segment, and no failure was reported; else FAILED with NO_RECEIPT or UNKNOWN.

Where its channel falls back to another, a message may be WITHDRAWN instead of FAILED. It is MOVED when it goes on as a
message of the other channel, from ACTIVE or from WITHDRAWN. Neither is an end, and there is no report of it: that comes
with the end of the other one, which has its MessageSID. A message that can't go on is FAILED after WITHDRAWN.
"""

import enum
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field


class SegmentState(enum.IntEnum):
    QUEUED = 0
    CLAIMED = 1
    SENT = 2
    DELIVERED = 3
    FAILED = 4
    SCHEDULED = 5


class MessageState(enum.IntEnum):
    ACTIVE = 0
    DELIVERED = 1
    FAILED = 2
    WITHDRAWN = 3
    MOVED = 4
    SCHEDULED = 5


# The steps that a segment may take. A step that is not here changes nothing. DELIVERED and FAILED are final, so that a
# receipt after the end changes nothing, and a message is reported only once.
SEGMENT_STEPS: dict[SegmentState, frozenset[SegmentState]] = {
    SegmentState.QUEUED: frozenset(
        {SegmentState.QUEUED, SegmentState.CLAIMED, SegmentState.SENT, SegmentState.DELIVERED, SegmentState.FAILED}
    ),
    SegmentState.CLAIMED: frozenset(
        {SegmentState.QUEUED, SegmentState.SENT, SegmentState.DELIVERED, SegmentState.FAILED}
    ),
    SegmentState.SENT: frozenset({SegmentState.DELIVERED, SegmentState.FAILED}),
    SegmentState.SCHEDULED: frozenset({SegmentState.QUEUED}),
    SegmentState.DELIVERED: frozenset(),
    SegmentState.FAILED: frozenset(),
}

# The connector's own values of ProviderStatusCode; the others come from the network or the provider.
CODE_EXPIRED = "EXPIRED"  # the network accepted no segment of it within its lifetime
CODE_NO_RECEIPT = "NO_RECEIPT"  # the network accepted a segment of it, but not every final receipt came in time
CODE_UNKNOWN = "UNKNOWN"  # submitted, and no response came, early or late: it may have been sent
CODE_ACCEPTED = "ACCEPTED"  # no receipts are asked for: the network has accepted it, and will tell nothing more
CODE_OPTED_OUT = "OPTED_OUT"  # not submitted: whoever has this number wants no more texts
CODE_CANCELLED = "CANCELLED"  # the application has taken it back: not submitted, or the SMSC says that it has it back
CODE_NO_FAILURE = "NO_FAILURE"  # only failure receipts are asked for, and none came in time
CODE_UNSENDABLE = "UNSENDABLE"  # the text, or its sender, can't stand where the provider's request wants it

DEFAULT_WAIT_MS = 3_600_000  # of both times in EndRules
CONVERSATION_MS = 259_200_000  # 72 hours


@dataclass(frozen=True, slots=True)
class FallBackRule:
    """``codes``: with these a message does not end, but falls back. ``may_repeat``: also if it may have been sent."""

    codes: frozenset[str]
    may_repeat: bool

    def takes(self, code: int | str | None, is_presumed: bool) -> bool:
        """Whether a message that would end as FAILED with that code falls back instead. ``is_presumed``: nobody has
        said clearly that it failed."""
        may_have_come = is_presumed or code == CODE_UNKNOWN
        return str(code) in self.codes and (self.may_repeat or not may_have_come)


@dataclass(frozen=True, slots=True)
class EndRules:
    """How messages end, by the name of their channel: how long is waited for what may still be told, in ms, and what
    falls back to another channel."""

    receipt_times: Mapping[str, int] = field(default_factory=dict)  # from the end of the lifetime on, for receipts
    graces: Mapping[str, int] = field(default_factory=dict)  # from an unclear answer on, for a clear one
    telling_parts: Collection[str] = frozenset()  # the accounts whose SMSC gives a receipt for each part, for sure
    naming_ids: Collection[str] = frozenset()  # the channels whose provider names our own ids when it tells of texts
    several_ids: Collection[str] = frozenset()  # the accounts whose provider may give one text several ids
    fall_backs: Mapping[str, FallBackRule] = field(default_factory=dict)
    conversation: int = CONVERSATION_MS  # for which a customer's text may answer one of ours; 0: never
    knows: Callable[[str, int | str], bool] = lambda channel, code: True  # whether a code of it has an explanation

    def receipt_time(self, channel: str) -> int:
        """ms from the end of a message's lifetime until its report is written without a receipt."""
        return self.receipt_times.get(channel, DEFAULT_WAIT_MS)

    def grace(self, channel: str) -> int:
        """ms that an unclear answer of the network may be followed by a clear one."""
        return self.graces.get(channel, DEFAULT_WAIT_MS)


def may_step(current: SegmentState, wanted: SegmentState) -> bool:
    """Whether the table allows the step from ``current`` to ``wanted``."""
    return wanted in SEGMENT_STEPS[current]


def message_state(states: list[SegmentState]) -> MessageState:
    """The state of a message with segments in these states."""
    if SegmentState.FAILED in states:
        return MessageState.FAILED
    if all(state is SegmentState.DELIVERED for state in states):
        return MessageState.DELIVERED
    return MessageState.ACTIVE
