"""Another configuration while the daemon runs: the walk from SIGHUP to what counts from now on.

1. The file is read and checked. If anything is wrong, nothing changes: the log has a line for each error, and systemd
   shows the first one.
   Certificates of HTTPS are looked at too, if the file is right, whether it has changed or not.
2. ``changes.plan`` says what is not the same. What needs a restart is refused, and then nothing changes either. Nor if
   a channel is to be removed for which texts wait: nobody would send them.
3. In one turn of the reactor all that is new is made, and takes the place of what was there. Binds that are the same
   are taken over and stay bound. Nothing is submitted any more by what was replaced.
4. What was replaced drains: binds within their ``drain_timeout``, sinks within ``SINK_DRAIN``. Then what is new is
   started: two binds of one account are never bound at once because of a change.
5. Where submitters were replaced, the new ones begin when nothing of the old ones is under way any more, so no segment
   is in two windows; and what waits on disk has gone to the queues of today (``requeue``). That takes as long as a
   response may take.
6. systemd hears READY when all this is done, or after ``READY_AFTER``: what is under way then ends all the same.

One reload at a time: what comes meanwhile has one more follow. A stop ends it, wherever it is.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList, inlineCallbacks, maybeDeferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from smsconnector.changes import Changes, plan, snapshot
from smsconnector.config import Configuration
from smsconnector.errors import ConfigurationError, StoreError
from smsconnector.http.door import Door
from smsconnector.http.making import configure_door
from smsconnector.making import Making
from smsconnector.messages import bulk_queue
from smsconnector.section_base import Problem
from smsconnector.store.configuring import Configure, CountQueued, Waiting
from smsconnector.store.retrying import RetryingWriter
from smsconnector.systemd import Notifier
from smsconnector.walks.admission import Admission, Limits
from smsconnector.walks.fall_back import FallBack
from smsconnector.walks.opt_out_replies import OptOutReplies
from smsconnector.walks.outlet import Outlet, Outlets, queues_of
from smsconnector.walks.publisher import Publisher
from smsconnector.walks.requeue import Rerouting
from smsconnector.walks.sweeper import Keep, Sweeper

LOOK_INTERVAL = 0.05  # seconds between looks whether what was replaced is idle
SINK_DRAIN = 5.0  # seconds for the answers to what is at a sink that is replaced
READY_AFTER = 30.0  # seconds; less than TimeoutStartSec of the unit
QUEUED = "{count} of its texts still wait: wait until they are sent, or restart without it, and they end as EXPIRED"
SCHEDULED = (
    "{count} of its texts are scheduled for later (SendAt): take them back, wait until they are sent, or restart"
    " without it, and they end as EXPIRED"
)
UNCOUNTED = "how many of its texts still wait can't be read from the database: try again when it can"


@dataclass(frozen=True, slots=True)
class Parts:
    """What runs, and may be changed."""

    making: Making
    outlets: Outlets
    sinks: dict[str, Any]
    publishers: dict[str, Publisher]
    rerouting: Rerouting
    fall_back: FallBack
    sweeper: Sweeper
    admission: Admission
    answers: OptOutReplies
    keeper: Any
    door: Door
    notifier: Notifier


@dataclass(slots=True)
class _Leaving:
    """What was replaced. ``outlets``: whose submitters are replaced too."""

    channels: list[Outlet] = field(default_factory=list)
    outlets: list[Outlet] = field(default_factory=list)
    sinks: list[tuple[Publisher, Any]] = field(default_factory=list)


class Reloading(Service):
    """``load`` reads and checks the file; it raises ConfigurationError. ``configuration`` is what counts."""

    log = Logger()

    def __init__(self, parts: Parts, configuration: Configuration, load: Callable[[], Configuration]) -> None:
        self._parts, self.configuration, self._load = parts, configuration, load
        self._clock = parts.making.reactor
        self._known = snapshot(configuration)
        self._retrying = RetryingWriter(self._clock, parts.making.writer)
        self.is_busy = self._is_wanted = False
        self._leaving = _Leaving()
        self._stops: list[Deferred[Any]] = []  # of what is leaving
        self._look_call: IDelayedCall | None = None
        self._ready_call: IDelayedCall | None = None

    def stopService(self) -> "Deferred[Any]":
        """Change nothing more; fires when what was replaced has drained."""
        super().stopService()
        for call in (self._look_call, self._ready_call):
            if call is not None:
                call.cancel()
        self._look_call = self._ready_call = None
        self._retrying.close()
        self._stops += [maybeDeferred(sink.stopService) for _, sink in self._leaving.sinks if sink.running]
        return DeferredList(self._stops, consumeErrors=True)

    def keepers(self) -> list[Publisher]:
        """Publishers that are leaving: what they know may not be on disk yet."""
        return [publisher for publisher, _ in self._leaving.sinks]

    def reload(self) -> None:
        """Read the configuration again."""
        if not self.running:
            self.log.warn("the configuration is not read again: the connector does not run yet, or stops")
            return
        if self.is_busy:
            self._is_wanted = True
            self.log.info("the configuration is read once more when the reload that is under way is done")
            return
        self.is_busy = True
        self._parts.notifier.reloading()
        self._ready_call = self._clock.callLater(READY_AFTER, self._ready, "drains what another configuration had")
        self._reload().addErrback(self._failed).addCallback(self._ended)

    def _failed(self, failure: Any) -> str:
        self.log.failure("the reload failed", failure)
        return "the last reload failed: see the log, and restart"

    def _ended(self, sentence: str) -> None:
        if not self.running:
            return
        if self._ready_call is not None:
            self._ready_call.cancel()
        self._ready(sentence)
        self.is_busy, again = False, self._is_wanted
        self._is_wanted = False
        if again:
            self.reload()

    def _ready(self, sentence: str) -> None:
        self._ready_call = None
        self._parts.notifier.ready(sentence)

    # --- 1 and 2: whether it can be used --------------------------------------------------------------------

    @inlineCallbacks
    def _reload(self) -> Any:
        """The result is a sentence for systemd."""
        try:
            new = snapshot(self._load())
        except ConfigurationError as error:
            return self._refuse(error.problems)
        changes = plan(self._known, new)
        problems = [*changes.refused]
        if not problems:
            for name in changes.removed:
                sentences = yield self._find_waiting(name)
                problems += [(f"channels.{name}", one) for one in sentences]
        if problems:
            return self._refuse(problems)
        if not self.running:
            return ""
        self._parts.door.look_at_certificates()
        if changes.is_empty:
            self.log.info("the configuration was read again: nothing in it has changed")
            return "the last reload changed nothing"
        for sentence in changes.told():
            self.log.info("reload: {sentence}", sentence=sentence)
        begun, self._known, self.configuration = self._clock.seconds(), new, new.configuration
        written = self._replace(changes)
        yield from self._drain()
        yield written
        if self.running:
            self._start(changes)
            yield from self._begin(changes)
            self.log.info("reload: done, in {seconds:.1f} s", seconds=self._clock.seconds() - begun)
        return "runs by the configuration that was read last"

    def _refuse(self, problems: Collection[Problem]) -> str:
        told = [f"{place or 'the file'}: {sentence}" for place, sentence in problems]
        for sentence in told:
            self.log.error("the configuration stays as it was: {sentence}", sentence=sentence)
        more = f", and {len(told) - 1} more" if len(told) > 1 else ""
        return f"the last reload changed nothing: {told[0]}{more}"

    def _find_waiting(self, channel: str) -> "Deferred[list[str]]":
        """A sentence for each kind of its texts, of those on disk, for which it can't be removed."""
        told: Deferred[list[str]] = Deferred()

        def found(waiting: Waiting | None, _error: StoreError | None) -> None:
            if waiting is None:
                told.callback([UNCOUNTED])
                return
            counts = ((QUEUED, waiting.queued), (SCHEDULED, waiting.scheduled))
            told.callback([words.format(count=count) for words, count in counts if count])

        queues = queues_of({channel: self._parts.outlets[channel]})
        self._parts.making.reader.put(CountQueued((*queues, *map(bulk_queue, queues)), channel), found)
        return told

    # --- 3: what is new takes the place of what was there -----------------------------------------------------

    def _replace(self, changes: Changes) -> "Deferred[None]":
        """Fires when the store knows of it."""
        self._leaving = _Leaving()
        self._replace_channels(changes)
        self._replace_sinks(changes)
        self._settle_keys(changes)
        parts, configuration, written = self._parts, self.configuration, Deferred[None]()
        are_others = changes.sinks_added or changes.sinks_changed or changes.sinks_removed
        configure = Configure(
            configuration.kin,
            configuration.selections if are_others else None,
            configuration.end_rules,
            configuration.system_ids,
            configuration.opt_out_rules,
            queues_of(parts.outlets),
        )
        self._retrying.put(lambda: configure, lambda _result, _error: written.callback(None))
        configure_door(parts.door, configuration)
        return written

    def _replace_channels(self, changes: Changes) -> None:
        outlets, configuration, make = self._parts.outlets, self.configuration, self._parts.making.outlet
        leaving = self._leaving
        made = {name: make(name, configuration) for name in changes.added}
        for name, links in (*changes.renewed.items(), *changes.rebound.items()):
            before = outlets[name]
            staying = before.submitters if name in changes.rebound else None
            made[name] = make(name, configuration, links.predecessor(before.channel), staying)
            leaving.channels.append(before)
        for name in changes.renewed:
            made[name].predecessors.append(outlets[name])
            for submitter in outlets[name].submitters.values():
                submitter.successor = made[name].submitter
        leaving.channels += [outlets[name] for name in changes.removed]
        leaving.outlets += [outlets[name] for name in (*changes.renewed, *changes.removed)]
        if changes.moves_queues:
            self._parts.rerouting.hold()
        found = {name: made.get(name) or outlets[name] for name in configuration.channels}
        outlets.clear()
        outlets.update(found)
        outlets.leaving += leaving.channels
        for outlet in leaving.outlets:
            outlet.stop_submitters()
        self._stops = [maybeDeferred(outlet.channel.stopService) for outlet in leaving.channels]

    def _replace_sinks(self, changes: Changes) -> None:
        parts, names = self._parts, (*changes.sinks_added, *changes.sinks_changed)
        sinks = parts.making.sinks(self.configuration, names)
        for name in (*changes.sinks_changed, *changes.sinks_removed):
            publisher, sink = parts.publishers.pop(name), parts.sinks.pop(name)
            parts.making.writer.unlisten(publisher.written)
            publisher.drain()  # what it has gathered goes to the sink, and after that nothing
            publisher.stopService()
            self._leaving.sinks.append((publisher, sink))
        parts.sinks.update(sinks)
        parts.publishers.update(parts.making.publishers(self.configuration, sinks))

    def _settle_keys(self, changes: Changes) -> None:
        parts, configuration = self._parts, self.configuration
        http, store = configuration.http, configuration.store
        parts.sweeper.keep = Keep(store.keep_texts, store.retention)
        parts.sweeper.incoming_timeout = configuration.incoming_timeout
        parts.admission.limits = Limits(store.maximum_backlog, store.minimum_free)
        parts.answers.configure(*configuration.opt_out_answers)
        configuration.log.settle()
        if {"http.api_keys", "http.rate_limit"}.intersection(changes.settings):
            parts.keeper.configure([key.get_secret_value() for key in http.api_keys], http.rate_limit)

    # --- 4 and 5: what was there drains, what is new begins ---------------------------------------------------

    def _drain(self) -> Any:
        yield DeferredList(self._stops, consumeErrors=True)
        leaving, until = self._leaving, self._clock.seconds() + SINK_DRAIN
        yield self._until(
            lambda: not any(one.at_sink.total() for one, _ in leaving.sinks) or self._clock.seconds() >= until
        )
        if not self.running:
            return
        self._stops = [maybeDeferred(sink.stopService) for _, sink in leaving.sinks]
        yield DeferredList(self._stops, consumeErrors=True)
        yield DeferredList([publisher.settled() for publisher, _ in leaving.sinks], consumeErrors=True)
        for publisher, _ in leaving.sinks:
            publisher.close()
        leaving.sinks.clear()

    def _until(self, condition: Callable[[], bool]) -> "Deferred[None]":
        """It never fires once the stop has begun."""
        fulfilled: Deferred[None] = Deferred()

        def look() -> None:
            self._look_call = None
            if condition():
                fulfilled.callback(None)
            elif self.running:
                self._look_call = self._clock.callLater(LOOK_INTERVAL, look)

        look()
        return fulfilled

    def _start(self, changes: Changes) -> None:
        parts = self._parts
        for name in (*changes.added, *changes.renewed, *changes.rebound):
            parts.outlets[name].channel.startService()
        for name in (*changes.sinks_added, *changes.sinks_changed):
            parts.making.writer.listen(parts.publishers[name].written)
            parts.publishers[name].startService()
            parts.sinks[name].startService()

    def _begin(self, changes: Changes) -> Any:
        leaving, outlets = self._leaving, self._parts.outlets
        yield self._until(lambda: all(outlet.is_idle for outlet in leaving.outlets))
        submitters = [submitter for outlet in leaving.outlets for submitter in outlet.submitters.values()]
        yield DeferredList([submitter.settled() for submitter in submitters], consumeErrors=True)
        if not self.running:
            return
        for submitter in submitters:
            submitter.close()
        outlets.leaving.clear()
        for outlet in outlets.values():
            outlet.predecessors.clear()
        if changes.moves_queues:
            self._parts.rerouting.again()
            self._parts.fall_back.again()
