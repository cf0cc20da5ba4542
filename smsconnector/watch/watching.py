"""The one who looks: every few seconds, by the reactor's clock."""

from collections.abc import Collection, Mapping

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger, LogLevel

from smsconnector.errors import StoreError
from smsconnector.figures import Figures, Happened, Recent
from smsconnector.health import Health
from smsconnector.messages import bulk_queue, route_queue
from smsconnector.recurring import Conditions, Recurring, Sentences
from smsconnector.store.measures import QueueMeasure, QueuesMeasure
from smsconnector.store.reader import IReader
from smsconnector.systemd import Notifier
from smsconnector.timers import Repeating
from smsconnector.walks.admission import Admission
from smsconnector.walks.outlet import Outlets
from smsconnector.wall_clock import WallClock
from smsconnector.watch.situations import LONGEST, MINUTE, Waits, conditions, failures, taken
from smsconnector.watch.words import Channel, Moved, commonest, links_words, status_line, waiting_words

LOOK = 10.0  # seconds between looks
LOOKS_A_MINUTE, LOOKS_AN_HOUR = 6, 360
LONG = 60.0  # seconds; a text that waits for so long is not said to be well
UP = ("bound", "up")  # states of a part
DROPPED = Sentences(
    one="{what}: {count} fitted no text, and were given up. What they said is lost",
    more="{what}: {count} more fitted no text in the last minute, and were given up",
    over="{what}: no more were given up in the last minute, {total} before that",
)


class Watch(Service):
    """Looks while it runs."""

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        wall_clock: WallClock,
        *,
        figures: Figures,
        reader: IReader,
        outlets: Outlets,
        admission: Admission,
        health: Health,
        notifier: Notifier,
    ) -> None:
        self._clock, self._wall_clock, self._reader, self._outlets = clock, wall_clock, reader, outlets
        self._admission, self._health, self._notifier = admission, health, notifier
        self.recent = Recent(figures, clock.seconds(), LONGEST)
        self._conditions = Conditions(clock, self.log)
        self._dropped = Recurring(clock, self.log, "receipts", DROPPED)
        self._waiting: dict[str, Waits] = {}  # by channel
        self._looks = self._quiet = 0  # looks; those since anything moved
        self._timer = Repeating(clock, "the look at how it goes", self.look)

    def startService(self) -> None:
        super().startService()
        self._timer.start(LOOK, now=False)

    def stopService(self) -> None:
        super().stopService()
        self._timer.stop()
        self._dropped.stop()

    def look(self) -> None:
        """Take a reading, and say what is to be said."""
        self._looks += 1
        self.recent.take(self._clock.seconds())
        self._quiet = self._quiet + 1 if self.recent.since(LOOK).is_nothing else 0
        for (account,), count in self.recent.since(LOOK).counts("given_up").items():
            self._dropped.count(f"receipts of the account {account}", number=count)
        channels = self._channels()
        found = conditions(self.recent, channels, self._waiting, self._conditions.lasting)
        self._conditions.settle(found)
        minute = self.recent.since(MINUTE)
        moved = self._moved(minute, channels, channels)
        broker = self._health.broker()
        self._notifier.status(status_line(channels, self._queued, moved, broker, [*found]))
        if self._looks % LOOKS_A_MINUTE == 0:
            self._tell_minute(minute, moved, channels, [*found])
        self._measure()

    # --- what is there --------------------------------------------------------------------------------------

    @property
    def _queued(self) -> int:
        measures = self._admission.measures
        return measures.queued if measures is not None else 0

    def _channels(self) -> dict[str, Channel]:
        found = {}
        for name, outlet in self._outlets.items():
            parts = outlet.channel.parts()
            down = {
                part.name: f"{part.state} ({part.why})" if part.why else part.state
                for part in parts
                if part.state not in UP
            }
            found[name] = Channel(outlet.codes, down, len(parts) - len(down))
        return found

    def _measure(self) -> None:
        """Ask what waits, for the next look."""
        if not self._queued or not self.running:
            self._waiting = {}
            return
        queues = [one.queue for outlet in self._outlets.values() for one in outlet.submitters.values()]
        self._reader.put(QueuesMeasure((*queues, *map(bulk_queue, queues))), self._measured)

    def _measured(self, found: Mapping[str, QueueMeasure] | None, _error: StoreError | None) -> None:
        now_ms, waiting = self._wall_clock.milliseconds(), dict[str, Waits]()
        for queue, measure in (found or {}).items():
            channel = route_queue(queue).partition("/")[0]
            before = waiting.get(channel, Waits(0, 0.0))
            oldest = max(before.oldest, (now_ms - measure.accepted_at) / 1000)
            waiting[channel] = Waits(before.segments + measure.queued, oldest)
        self._waiting = waiting

    # --- what is said ---------------------------------------------------------------------------------------

    def _moved(self, minute: Happened, names: Collection[str], channels: Mapping[str, Channel]) -> Moved:
        """Of the channels of these names."""
        failed = {name: failures(minute, name) for name in names}
        words = [
            commonest(codes, minute, name, channels[name]) + (f" on {name}" if len(channels) > 1 else "")
            for name, codes in failed.items()
            if codes
        ]
        return Moved(
            accepted=sum(minute.number("accepted", name) for name in names),
            taken=sum(taken(minute, name) for name in names),
            delivered=sum(minute.number("reports", name, "delivered") for name in names),
            failed=sum(minute.number("reports", name, "failed") for name in names),
            incoming=sum(minute.number("incoming", name) for name in names),
            codes="; ".join(words),
        )

    def _tell_minute(self, minute: Happened, moved: Moved, channels: Mapping[str, Channel], wrong: list[str]) -> None:
        oldest = max((one.oldest for one in self._waiting.values()), default=0.0)
        waits = waiting_words(self._queued, oldest)
        if minute.is_nothing and not self._waiting:
            if self._quiet and self._quiet % LOOKS_AN_HOUR == 0:
                self.log.info(
                    "the last hour: nothing moved; {waits}; {links}; broker {broker}",
                    waits=waits,
                    links=links_words(channels),
                    broker=self._health.broker(),
                )
            return
        is_well = not (wrong or moved.failed or oldest > LONG or any(one.down for one in channels.values()))
        each = self._each(minute, channels)
        self.log.emit(
            LogLevel.warn if wrong else LogLevel.info,
            "the last minute: {moved}; {waits}{each}{verdict}",
            moved=moved.told(),
            waits=waits,
            each=each,
            verdict=". All is well" if is_well else f". Wrong: {', '.join(wrong)}" if wrong else "",
        )

    def _each(self, minute: Happened, channels: Mapping[str, Channel]) -> str:
        """By channel, where more than one has moved or waits."""
        told = []
        for name in channels:
            moved, waits = self._moved(minute, [name], channels), self._waiting.get(name)
            if moved != Moved(0, 0, 0, 0, 0) or waits is not None:
                behind = f", {waits.segments} waiting" if waits is not None else ""
                told.append(f"{name}: {moved.told_shortly()}{behind}")
        return f"; {'; '.join(told)}" if len(told) > 1 else ""
