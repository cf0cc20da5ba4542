"""The wiring: which parts there are, who knows whom, in which order they start and stop. On one page.

Start: store, walks, channels and sinks, and the HTTP door last: READY is said when it listens. Stop: the door first,
then the channels, then the publishers drain; the sinks end, and the rest is written; all within ``stop_timeout``.
"""

from collections.abc import Callable, Collection
from random import Random
from typing import Any, NoReturn

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, inlineCallbacks, maybeDeferred
from twisted.logger import Logger

from smsconnector import __version__
from smsconnector.access.keeper import Keeper
from smsconnector.config import Configuration
from smsconnector.deadline import Deadline
from smsconnector.errors import StoreError, StoreUnusable
from smsconnector.figures import Figures
from smsconnector.health import Health
from smsconnector.http.making import Around, make_door
from smsconnector.making import Making
from smsconnector.reloading import Parts, Reloading
from smsconnector.store.opening import open_store
from smsconnector.store.reader import Reader
from smsconnector.store.writer import Writer
from smsconnector.systemd import Notifier
from smsconnector.walks.admission import Admission, Limits
from smsconnector.walks.fall_back import FallBack
from smsconnector.walks.opt_out_replies import OptOutReplies
from smsconnector.walks.outlet import Outlets
from smsconnector.walks.publisher import Publisher
from smsconnector.walks.receiver import Receiver
from smsconnector.walks.requeue import Rerouting
from smsconnector.walks.scheduling import Scheduling
from smsconnector.walks.submitter import Submitter
from smsconnector.walks.sweeper import Keep, Sweeper
from smsconnector.wall_clock import WallClock, since_boot
from smsconnector.watch.watching import Watch


class Connector(MultiService):
    """The whole daemon. Making it opens nothing: twistd makes it before it becomes a daemon and another user.
    What is not given is the real thing. The threads are made from the reactor, and what to call on a damaged store."""

    log = Logger()

    def __init__(
        self,
        reactor: Any,
        configuration: Configuration,
        wall_clock: WallClock | None = None,
        make_writer: Callable[..., Any] = Writer,
        make_reader: Callable[..., Any] = Reader,
        dice: Random | None = None,
        make_keeper: Callable[..., Any] = Keeper,
        load_again: Callable[[], Configuration] | None = None,
    ) -> None:
        super().__init__()
        self._reactor, dice = reactor, dice or Random()  # nosec B311 # no secret
        self._wall_clock = wall_clock = wall_clock or WallClock(elapsed=since_boot)
        store, process = configuration.store, wall_clock.milliseconds()  # names this run
        self.figures = Figures()
        self.writer, self.reader = make_writer(reactor, self._damaged), make_reader(reactor, self._damaged)
        self.outlets = Outlets()
        answers = OptOutReplies(wall_clock, *configuration.opt_out_answers, lambda: self.outlets)
        self.receiver = Receiver(self.writer, self._messages_ended, answers, self.outlets.country_of)
        self.making = Making(reactor, wall_clock, self.writer, self.reader, dice, self.receiver, process, self.figures)
        self.sinks = self.making.sinks(configuration)
        self.publishers = self.making.publishers(configuration, self.sinks)
        for one in self.publishers.values():
            self.writer.listen(one.written)
        self.admission = Admission(reactor, self.writer, Limits(store.maximum_backlog, store.minimum_free))
        self.outlets.update({name: self.making.outlet(name, configuration) for name in configuration.channels})
        by_clock, keep = (reactor, wall_clock, self.writer), Keep(store.keep_texts, store.retention)
        timeout, outlets = configuration.incoming_timeout, self.outlets.everyone
        self.sweeper = Sweeper(*by_clock, incoming_timeout=timeout, keep=keep, process=process, outlets=outlets)
        self.rerouting = Rerouting(reactor, self.writer, self.outlets)
        self.fall_back = FallBack(*by_clock, self.outlets)
        self.scheduling = Scheduling(*by_clock, self.reader, self.outlets, self.rerouting.leave)
        self._by_time = (self.sweeper, self.fall_back, self.scheduling, self.admission)
        self.keeper = make_keeper(reactor, wall_clock, store.access, *configuration.http.keys_and_rate)
        health = Health(reactor, wall_clock, self.outlets, self.sinks, self.admission, self.rerouting)
        around = Around(reactor, wall_clock, self.receiver, self.reader, self.writer, self.figures)
        self._door = make_door(around, configuration, self.outlets, self.admission, health.report, self.keeper)
        self._notifier = Notifier(reactor)
        self.watch = self._make_watch(health)
        parts = (self.making, self.outlets, self.sinks, self.publishers, self.rerouting, self.fall_back, self.sweeper)
        more = (self.admission, answers, self.keeper, self._door, self._notifier)
        self.reloading = Reloading(Parts(*parts, *more), configuration, load_again or (lambda: configuration))

    def _make_watch(self, health: Health) -> Watch:
        return Watch(
            self._reactor,
            self._wall_clock,
            figures=self.figures,
            reader=self.reader,
            outlets=self.outlets,
            admission=self.admission,
            health=health,
            notifier=self._notifier,
        )

    def reload(self) -> None:
        """Read the configuration again."""
        self.reloading.reload()

    def _damaged(self, error: StoreError) -> None:
        self.admission.failed(error)

    def _messages_ended(self, message_ids: Collection[int]) -> None:
        for outlet in self.outlets.everyone():
            outlet.messages_ended(message_ids)

    def startService(self) -> None:
        super().startService()
        configuration = self.reloading.configuration
        try:
            wanted, rules, ids = configuration.selections, configuration.end_rules, configuration.system_ids
            opt_out, kin = configuration.opt_out_rules, configuration.kin
            store = open_store(configuration.store.path, kin, wanted, rules, ids, self.log, opt_out, self.figures)
            self.reader.start(configuration.store.path)
            self.keeper.start(f"version {__version__}")
        except StoreUnusable as error:
            self._give_up(str(error))
        self.writer.start(store)
        walks: Any = (self.rerouting, *self.publishers.values(), *self._by_time)
        for part in (
            *walks,
            *self.sinks.values(),
            *(one.channel for one in self.outlets.values()),
            self._notifier,
            self.reloading,
            self.watch,
        ):
            part.startService()
        if why_not := self._door.open():
            self._give_up(why_not)
        self._notifier.ready()

    def _give_up(self, sentence: str) -> NoReturn:
        """End the start with 1; a daemon has no terminal, so the log has it too."""
        self.log.critical("{sentence}", sentence=sentence)
        raise SystemExit(f"smsconnector: {sentence}")

    def stopService(self) -> "Deferred[Any]":
        super().stopService()
        self._notifier.notify("STOPPING=1")
        return self._stop_in_order()

    @inlineCallbacks
    def _stop_in_order(self) -> Any:
        """No step is waited for longer than what is left of the whole's time, nor a sink that is away."""
        timeout = self.reloading.configuration.stop_timeout
        self.log.info("stopping: for what SMSC and broker owe it waits {timeout:g} s at most", timeout=timeout)
        wait = Deadline(self._reactor, timeout).bound
        yield wait(self._door.close())
        self.rerouting.stopService()
        left = self.reloading.stopService()
        for outlet in self.outlets.values():
            outlet.stop_submitters()
        yield wait(left, *(maybeDeferred(outlet.channel.stopService) for outlet in self.outlets.values()))
        for walk in (*self._by_time, self.watch):
            walk.stopService()
        running = {name: one for name, one in self.publishers.items() if one.running}
        yield wait(*(one.drain() for name, one in running.items() if self.sinks[name].connected))
        for publisher in running.values():
            publisher.stopService()
        yield wait(*(maybeDeferred(sink.stopService) for sink in self.sinks.values() if sink.running))
        submitters = {one for outlet in self.outlets.everyone() for one in outlet.submitters.values()}
        keepers: list[Submitter | Publisher] = [*self.publishers.values(), *self.reloading.keepers(), *submitters]
        yield wait(*(keeper.settled() for keeper in keepers))
        for keeper in keepers:
            keeper.close()
        yield wait(self.keeper.stop())
        yield wait(self.reader.stop())  # the last who closes the file leaves it whole
        yield wait(self.writer.stop())
        self._notifier.stopService()
        self.log.info("stopped")
