"""How often webhooks were refused or could not be read, by channel: for the health, and a few lines of the log."""

from collections import Counter, defaultdict

from twisted.logger import Logger

from smsconnector.hooks.reading import Found

MOST_WORDS = 100  # of a channel that are told one by one; whoever may call can invent more


class HookCounts:
    """Of each kind of trouble of a channel the log gets a line the first time, the second, the fourth, the eighth, and
    so on: their number stays small, whoever calls however often."""

    log = Logger()

    def __init__(self) -> None:
        self._counts: defaultdict[str, Counter[str]] = defaultdict(Counter)  # by channel; of these the health tells
        self._told: Counter[tuple[str, str]] = Counter()  # by channel and sentence

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

    def _tell(self, channel: str, what: str, why: str) -> None:
        if len(self._told) >= MOST_WORDS and (channel, why) not in self._told:
            why = "and for other reasons"
        self._told[channel, why] += 1
        times = self._told[channel, why]
        if times & (times - 1) == 0:
            self.log.warn(
                "{times} webhook requests or records of the channel {channel} {what}: {why}",
                times=times,
                channel=channel,
                what=what,
                why=why,
            )
