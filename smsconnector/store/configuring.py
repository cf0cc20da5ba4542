"""What the store knows of the configuration, when that changes while the daemon runs.

``Configure`` is an operation as all others: so it comes between two commits, and never in the midst of one.
``CountQueued`` is a query: what waits for a channel that is to be taken out of the configuration.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from smsconnector.lifecycle import EndRules
from smsconnector.messages import Selection
from smsconnector.sms.opt_out import OptOutRules


@dataclass(frozen=True, slots=True)
class Configure:
    """From now on these count; see ``Store``. ``sinks`` None: as they are. A new one is owed what is written from now
    on. ``queues``: of all routes, by which texts are accepted from now on; None: as they are."""

    kin: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sinks: Mapping[str, Selection] | None = None
    rules: EndRules = field(default_factory=EndRules)
    system_ids: Mapping[str, str] = field(default_factory=dict)
    opt_out: Mapping[str, OptOutRules] = field(default_factory=dict)
    queues: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class CountQueued:
    """Result: a ``Waiting``, of a channel and its queues."""

    queues: tuple[str, ...]
    channel: str


class Waiting(NamedTuple):
    """``queued``: segments that no network has taken yet. ``scheduled``: messages that are not due yet."""

    queued: int
    scheduled: int
