"""The states of segments and messages, and the table of the steps between them. Only the store changes states.

A *segment* is QUEUED until the SMSC has accepted it (SENT). It ends as DELIVERED or FAILED. CLAIMED is used under the
policy ``hold`` only. It is written before the submit is sent. So after a crash it is known that the segment may have
been sent, and it is not sent again.

A *message* is ACTIVE until it becomes final, which happens once:

- DELIVERED, when every segment is DELIVERED.
- FAILED, when the first segment is FAILED, with the code of that segment.
- When its lifetime is over: DELIVERED with NO_FAILURE if only failure receipts were asked for, the network has accepted
  every segment, and no failure was reported; else FAILED with NO_RECEIPT or EXPIRED.
"""

import enum


class SegmentState(enum.IntEnum):
    QUEUED = 0
    CLAIMED = 1
    SENT = 2
    DELIVERED = 3
    FAILED = 4


class MessageState(enum.IntEnum):
    ACTIVE = 0
    DELIVERED = 1
    FAILED = 2


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
    SegmentState.DELIVERED: frozenset(),
    SegmentState.FAILED: frozenset(),
}

# The connector's own values of ProviderStatusCode; the others come from the network or the provider.
CODE_EXPIRED = "EXPIRED"  # the network accepted no segment of it within its lifetime
CODE_NO_RECEIPT = "NO_RECEIPT"  # the network accepted a segment of it, but not every final receipt came in its lifetime
CODE_UNKNOWN = "UNKNOWN"  # submitted without a response under the policy ``hold``: it may have been sent
CODE_ACCEPTED = "ACCEPTED"  # no receipts are asked for: the network has accepted it, and will tell nothing more
CODE_NO_FAILURE = "NO_FAILURE"  # only failure receipts are asked for, and none came within the lifetime


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
