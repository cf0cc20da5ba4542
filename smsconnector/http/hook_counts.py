"""How often webhooks were refused or could not be read, by channel: for the health, and for the log."""

from collections import Counter, defaultdict
from typing import Any

from twisted.logger import Logger

from smsconnector.hooks.reading import Found
from smsconnector.masking import without_numbers
from smsconnector.recurring import Recurring, Sentences

REFUSED = Sentences(
    one="{count} webhook requests or records {what}",
    more="{count} more webhook requests or records in the last minute {what}",
    over="no more webhook requests or records in the last minute {what}; {total} before that",
)


class HookCounts:
    """The log has each kind of trouble of a channel summed up by time, whoever calls however often."""

    log = Logger()

    def __init__(self, clock: Any) -> None:
        self._counts: defaultdict[str, Counter[str]] = defaultdict(Counter)  # by channel; of these the health tells
        self._trouble = Recurring(clock, self.log, "webhooks", REFUSED)

    def refused(self, channel: str, fault: str) -> None:
        """A caller who is not who it should be. ``fault`` is a sentence of the verifier's, one of few."""
        self._counts[channel]["refused"] += 1
        self._tell(channel, "refused", fault)

    def unreadable(self, channel: str, fault: str) -> None:
        """A request of which nothing could be read."""
        self._counts[channel]["unreadable"] += 1
        self._tell(channel, "unreadable", fault)

    def found(self, channel: str, found: Found) -> None:
        """What could be read, and what could not."""
        for fault in found.faults:
            self.unreadable(channel, fault)
        for word in found.unknown_words:
            self._counts[channel]["unknown_words"] += 1
            self._tell(channel, "of an unknown status", f"{word!a}, taken for progress: add it to statuses")

    def told(self) -> dict[str, object]:
        """For JSON; nothing while nothing was wrong."""
        found = {channel: dict(counts) for channel, counts in sorted(self._counts.items())}
        return {"webhooks": found} if found else {}

    def stop(self) -> None:
        """No more requests come."""
        self._trouble.stop()

    def _tell(self, channel: str, what: str, why: str) -> None:
        self._trouble.count(f"of the channel {channel} {what}: {without_numbers(why)}")
