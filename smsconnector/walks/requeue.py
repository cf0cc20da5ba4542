"""The walk of what waits on disk since another configuration: queue that nobody serves -> queue of a route of today.

1. At the start the store is asked, a chunk at a time, for segments in queues that no submitter of this configuration
   reads. If it has a route that the one before had not, all queues are looked at: a prefix that was added holds for
   what was accepted before it, too. The store keeps which routes there were, from the moment when the walk was done.
   It forgets them in the commit from which on others accept texts (``Configure``, or the first step of a walk).
2. For each it asks ``queue_of``, in the store's thread, which queue serves the channel and the number now, and moves
   the segment there in the same commit.
3. What no route serves stays where it is. It is counted by its channel in ``unserved``, told in the log, and ends by
   its expiry unless another configuration serves it in time.
4. When the last chunk is done, the submitters are started. Before that they may not read their queues: a segment that
   came to one later would be out of order.

What could not be read or written is tried again until it can, or until the stop. If the configuration changes while the
daemon runs, the walk is done again (``again``), from the beginning if it was under way.
"""

from collections import Counter
from collections.abc import Mapping
from functools import partial

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from smsconnector.errors import StoreError
from smsconnector.store import operations as ops
from smsconnector.store.retrying import RetryingWriter
from smsconnector.store.writer import IWriter
from smsconnector.walks.outlet import Outlet, queues_of


class Rerouting(Service):
    """Runs once, from ``startService`` on, and then starts the submitters of all ``outlets``, unless it was stopped.
    ``limit``: segments that are looked at in one step."""

    log = Logger()

    def __init__(self, clock: IReactorTime, writer: IWriter, outlets: Mapping[str, Outlet], limit: int = 2_000) -> None:
        self._outlets, self._limit = outlets, limit
        self._retrying = RetryingWriter(clock, writer)
        self._moved = 0  # segments
        self._queues: tuple[str, ...] = ()
        self._left: Counter[str] = Counter()
        self._walk = 0  # the number of the last one
        self.unserved: dict[str, int] = {}  # segments that no route serves, by channel; empty until all is looked at

    def startService(self) -> None:
        super().startService()
        self.again()

    def stopService(self) -> None:
        super().stopService()
        self._retrying.close()

    def hold(self) -> None:
        """The outlets are others from now on, and ``again`` follows: until then no submitter is started, for what is
        under way of those before may be in the queues of the new ones."""
        self._walk += 1

    def again(self) -> None:
        """The outlets are others now. Those of their submitters that do not run are started when it is done."""
        self._queues = queues_of(self._outlets)
        self._walk += 1
        self._left.clear()
        self._look(ops.BEGINNING)

    def _look(self, after: ops.QueuePlace) -> None:
        make = partial(ops.Requeue, self._queues, self.queue_of, after, self._limit)
        self._retrying.put(make, partial(self._looked, self._walk))

    def _looked(self, walk: int, found: ops.Requeued | None, _error: StoreError | None) -> None:
        """One chunk; an error here is one that no repeat would mend, and then what is left stays as it is."""
        if not self.running or walk != self._walk:
            return
        if found is not None:
            self._moved += found.moved
            self._left.update(found.left)
            if found.after is not None:
                self._look(found.after)
                return
        self._tell()
        for outlet in self._outlets.values():
            outlet.start_submitters()

    def _tell(self) -> None:
        if self._moved:
            self.log.info("{count} segments go by other routes now", count=self._moved)
        self._moved = 0
        self.unserved = dict(self._left)
        self._warn(self.unserved)

    def leave(self, counts: Mapping[str, int]) -> None:
        """So many more segments wait that no route serves, by channel: they were scheduled, and are due."""
        for channel, count in counts.items():
            self.unserved[channel] = self.unserved.get(channel, 0) + count
        self._warn(counts)

    def _warn(self, unserved: Mapping[str, int]) -> None:
        for channel, count in unserved.items():
            self.log.warn(
                "{count} segments of the channel {channel} wait, and {why}: if that stays so, they end as EXPIRED",
                count=count,
                channel=channel,
                why="no bind of it serves their numbers" if channel in self._outlets else "it is not configured",
            )

    def queue_of(self, channel: str, destination: str) -> str | None:
        """The queue that serves the number in this configuration; None: no route does. Called in the store's thread:
        what it reads may be changed meanwhile only by who calls ``again`` afterwards."""
        outlet = self._outlets.get(channel)
        submitter = outlet.submitter(destination) if outlet is not None else None
        return submitter.queue if submitter is not None else None
