"""The law of a message's life, as one table; the store applies it, nothing else changes a state.

A *segment* is QUEUED until the SMSC took it (SENT), and ends DELIVERED or FAILED. CLAIMED exists under the
policy ``hold`` only: written before the submit goes to the wire, so that after a crash it is known that the
segment may have been sent, and it is never sent twice.

A *message* is ACTIVE until it is final, once: DELIVERED when every segment is DELIVERED; FAILED at the first
segment that is FAILED, with that segment's code; FAILED by its expiry otherwise.
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


# Which steps a segment may take; a step that is not here changes nothing. FAILED and DELIVERED are final:
# the second receipt, or one after the end, finds no way on (one report, ever).
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

# ProviderStatusCodes of the connector's own; every other code is the provider's, as it wrote it.
CODE_EXPIRED = "EXPIRED"  # never accepted by the network within its lifetime
CODE_NO_RECEIPT = "NO_RECEIPT"  # accepted by the network, but no final receipt came within its lifetime
CODE_UNKNOWN = "UNKNOWN"  # submitted, no response, and the channel's policy is `hold`
CODE_ACCEPTED = "ACCEPTED"  # no receipts are asked for: the network took it, more will never be known
CODE_NO_FAILURE = "NO_FAILURE"  # failure receipts only are asked for, and none came within the lifetime


def may_step(current: SegmentState, wanted: SegmentState) -> bool:
    """Whether the table allows the step."""
    return wanted in SEGMENT_STEPS[current]


def message_state(states: list[SegmentState]) -> MessageState:
    """The state of a message from those of all its segments."""
    if SegmentState.FAILED in states:
        return MessageState.FAILED
    if all(state is SegmentState.DELIVERED for state in states):
        return MessageState.DELIVERED
    return MessageState.ACTIVE
