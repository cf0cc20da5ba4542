"""The wiring: which parts there are, who knows whom, in which order they start and stop. On one page.

Start: store, walks, binds and sink, and the HTTP door last: READY is said when it listens. Stop: the door first,
then the binds drain, then what is in flight is written, then the sink; all of it within ``stop_timeout``.
"""

import os
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator
from functools import partial
from random import Random
from typing import Any, NoReturn

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, DeferredList, inlineCallbacks, maybeDeferred
from twisted.internet.endpoints import TCP4ServerEndpoint, serverFromString
from twisted.logger import Logger
from twisted.python import usage

from smsconnector.channels.smpp.bind import Bind, BindSettings
from smsconnector.channels.smpp.channel import SMPPChannel
from smsconnector.config import BindSection, Configuration, SMPPChannelSection, load, tlv_octets, tlv_tag
from smsconnector.errors import ConfigurationError, StoreError, StoreUnusable
from smsconnector.http.api import API
from smsconnector.http.auth import KeyRing
from smsconnector.http.connections import allow_files
from smsconnector.http.site import make_site, with_backlog
from smsconnector.messages import DELIVERY_REPORT, INCOMING_MESSAGE
from smsconnector.net.link import BackOff
from smsconnector.net.tls import TLS, IncomingConnections, client_endpoint
from smsconnector.sinks.stomp.sink import StompSink
from smsconnector.smpp.constants import RegisteredDelivery
from smsconnector.smpp.pace import Pace
from smsconnector.smpp.policy import Action, Policy, Rule, status_number
from smsconnector.smpp.session import SessionSettings
from smsconnector.smpp.submit import SubmitSettings
from smsconnector.sms.segmentation import Split, segment
from smsconnector.store import operations as ops
from smsconnector.store.reader import Reader
from smsconnector.store.retrying import RetryingWriter
from smsconnector.store.store import Store
from smsconnector.store.writer import Writer
from smsconnector.systemd import Notifier
from smsconnector.walks.admission import Admission, Limits
from smsconnector.walks.outlet import Outlet
from smsconnector.walks.publisher import Publisher
from smsconnector.walks.receiver import Receiver
from smsconnector.walks.submitter import RetryPolicy, Submitter
from smsconnector.walks.sweeper import Keep, Sweeper

INTERMEDIATE_NOTIFICATION = 0x10  # registered_delivery bit 4 (SMPP 3.4 section 5.2.17)
INTERFACE_VERSIONS = {"3.3": 0x33, "3.4": 0x34, "5.0": 0x50}  # SMPP 3.4 section 5.2.4


class Options(usage.Options):
    """The options of ``twistd smsconnector``."""

    synopsis = "[--config FILE]"
    optParameters = [["config", "c", "conf/smsconnector.yaml", "the configuration file"]]

    def postOptions(self) -> None:
        """Read the file now, so that what is wrong with it is said before anything starts."""
        try:
            self["configuration"] = load(self["config"])
        except ConfigurationError as error:
            raise usage.UsageError(f"the configuration {self['config']} can't be used:\n{error}") from None


def makeService(options: Options, reactor: Any = None) -> Any:
    """The service that twistd runs."""
    if reactor is None:
        from twisted.internet import reactor  # noqa: PLC0415 — importing it installs it
    return Connector(reactor, options["configuration"])


class Connector(MultiService):
    """The whole daemon. Constructing it opens nothing: twistd makes it before it becomes a daemon and another user.
    The wall clock (seconds since the epoch), the writer and the dice are the real ones unless they are given."""

    log = Logger()

    def __init__(
        self,
        reactor: Any,
        configuration: Configuration,
        wall_clock: Callable[[], float] = time.time,
        make_writer: Callable[[Any], Any] = Writer,
        make_reader: Callable[[Any], Any] = Reader,
        dice: Random | None = None,
    ) -> None:
        super().__init__()
        self._reactor, self._configuration = reactor, configuration
        self._wall_clock, self._dice = wall_clock, dice or Random()
        self._process = int(wall_clock() * 1000)
        events = configuration.events
        self.writer = make_writer(reactor)
        self.reader = make_reader(reactor)
        self.sink = StompSink(
            reactor,
            events.uri,
            events.login,
            events.passcode.get_secret_value() if events.passcode else None,
            {DELIVERY_REPORT: events.delivery_report, INCOMING_MESSAGE: events.incoming_message},
            vhost=events.virtual_host,
            heartbeat=(int(events.heartbeat * 1000), int(events.heartbeat * 1000)),
            window=events.window,
            tls=TLS(ca_file=events.ca_file),
            random=self._dice,
        )
        self.publisher = Publisher(reactor, wall_clock, self.writer, self.reader, self.sink)
        store = configuration.store
        self.receiver = Receiver(self.writer, self.publisher.wake, self._messages_ended)
        self.sweeper = Sweeper(
            reactor,
            wall_clock,
            self.writer,
            self.publisher.wake,
            incoming_timeout=configuration.incoming_timeout,
            keep=Keep(store.keep_texts, store.retention),
            process=self._process,
        )
        self.admission = Admission(reactor, self.writer, Limits(store.maximum_backlog, store.minimum_free))
        self.writer.damaged = self.admission.failed
        self._retrying = RetryingWriter(reactor, self.writer)
        self._unserved: dict[str, int] = {}  # segments by channel that nothing served at the start
        self.channels: list[SMPPChannel] = []
        self.submitters: list[Submitter] = []
        self._outlets = {name: self._channel(name, section) for name, section in configuration.channels.items()}
        http = configuration.http
        self._api = API(
            wall_clock,
            self._outlets,
            configuration.default_channel,
            http.webhook_channel or configuration.default_channel,
            self.receiver,
            self.reader,
            KeyRing([key.get_secret_value() for key in http.api_keys]),
            http.base_path,
            self.admission,
            self._health,
        )
        self._notifier = Notifier(reactor)
        self._ports: list[Any] = []

    def _channel(self, name: str, section: SMPPChannelSection) -> Outlet:
        channel = SMPPChannel(name, self._wall_clock)
        channel.receiver = self.receiver
        for bind in section.binds:
            for made in make_binds(self._reactor, bind, channel, self._dice):
                channel.add(made)
        retry = section.retry
        policy = RetryPolicy(
            retry.attempts,
            retry.initial,
            retry.maximum,
            section.unknown_outcome == "resend",
            section.strict_order,
            self._dice,
        )
        routes: dict[str, Submitter] = {}
        for prefix, route in channel.routes.items():
            queue = f"{name}/{prefix}" if prefix else name
            route.listener = routes[prefix] = Submitter(
                self._reactor, self._wall_clock, self.writer, route, queue, policy, self.publisher.wake, self._process
            )
        self.channels.append(channel)
        self.submitters += routes.values()
        return Outlet(routes, section.lifetime, cutter(section))

    def _health(self) -> dict[str, Any]:
        """What an operator wants to see first."""
        measures = self.admission.measures
        return {
            "binds": {bind.title: bind.state for one in self.channels for bind in one.binds},
            "broker": self.sink.state(),
            "store": None
            if measures is None
            else {
                "waiting_for_network": measures.queued,
                "waiting_for_broker": measures.waiting_events,
                "parked_receipts": measures.parked,
                "parked_events": measures.parked_events,
                "free_octets": measures.free,
            },
            "unserved": self._unserved,
        }

    def _requeue(self) -> None:
        """Give what was accepted under another configuration to the routes of this one; only then are they read."""

        queues = tuple(one.queue for one in self.submitters)
        moved, left = 0, Counter[str]()

        def go_on(after: ops.Place) -> None:
            self._retrying.put(lambda: ops.Requeue(queues, self._queue_of, after), done)

        def done(found: ops.Requeued | None, _error: StoreError | None) -> None:
            nonlocal moved
            if not self.running:
                return
            found = found or ops.Requeued(0, [], None)
            moved += found.moved
            left.update(found.left)
            if found.after is not None:
                go_on(found.after)
                return
            if moved:
                self.log.info("{count} segments go by other routes now", count=moved)
            self._unserved = dict(left)
            for channel, count in left.items():
                self.log.warn(
                    "{count} segments of the channel {channel} wait, and {why}: if that stays so, they end as EXPIRED",
                    count=count,
                    channel=channel,
                    why="no bind of it serves their numbers" if channel in self._outlets else "it is not configured",
                )
            for submitter in self.submitters:
                submitter.startService()

        go_on(("", -1, -1))

    def _messages_ended(self, message_ids: Collection[int]) -> None:
        for submitter in self.submitters:
            submitter.messages_ended(message_ids)

    def _queue_of(self, channel: str, destination: str) -> str | None:
        """Where a message goes that was accepted under another configuration; called in the store's thread."""
        outlet = self._outlets.get(channel)
        submitter = outlet.submitter(destination) if outlet is not None else None
        return submitter.queue if submitter is not None else None

    # --- start and stop -------------------------------------------------------------------------------------

    def startService(self) -> None:
        super().startService()
        path = self._configuration.store.path
        try:
            store = Store(path, kin(self._configuration))
        except StoreUnusable as error:
            self._give_up(str(error))
        what = "a new database" if store.is_new else "the database"
        self.log.info("{what}, {path}: {counts}", what=what, path=os.path.abspath(path), counts=store.counts())
        self.writer.start(store)
        self.reader.start(store.path)
        self._requeue()
        for part in (
            self.sink,
            self.publisher,
            self.sweeper,
            self.admission,
            *self.channels,
            self._notifier,
        ):
            part.startService()
        failed: list[str] = []
        self._listen().addErrback(lambda failure: failed.append(failure.getErrorMessage()))
        if failed:
            self._give_up(f"http.endpoints: can't listen: {failed[0]}")

    def _give_up(self, sentence: str) -> NoReturn:
        """End the start with 1; a daemon has no terminal, so the log has it too."""
        self.log.critical("{sentence}", sentence=sentence)
        raise SystemExit(f"smsconnector: {sentence}")

    @inlineCallbacks
    def _listen(self) -> Any:
        """Every endpoint that Twisted has says at once whether it can be listened on."""
        http = self._configuration.http
        site = make_site(
            self._api.resource,
            self._reactor,
            http.maximum_body,
            http.idle_timeout,
            http.request_timeout,
            http.maximum_connections,
        )
        warning = allow_files(http.maximum_connections)
        if warning:
            self.log.warn("{warning}", warning=warning)
        for description in http.endpoints:
            port = yield serverFromString(self._reactor, with_backlog(description)).listen(site)
            self._ports.append(port)
            self.log.info("HTTP on {description}", description=description)
        self._notifier.notify("READY=1")

    def stopService(self) -> "Deferred[Any]":
        super().stopService()
        self._notifier.notify("STOPPING=1")
        return self._stop_in_order()

    @inlineCallbacks
    def _stop_in_order(self) -> Any:
        """Each step bounded by its own means; none is waited for longer than the whole's bound."""
        timeout = self._configuration.stop_timeout
        self._deadline = self._reactor.seconds() + timeout
        self.log.info("stopping: for what SMSC and broker owe it waits {timeout:g} s at most", timeout=timeout)
        yield self._bounded(DeferredList([maybeDeferred(port.stopListening) for port in self._ports]))
        self._retrying.close()
        for submitter in self.submitters:
            if submitter.running:
                submitter.stopService()
        yield self._bounded(DeferredList([maybeDeferred(channel.stopService) for channel in self.channels]))
        self.sweeper.stopService()
        self.admission.stopService()
        if self.sink.state() == "connected":  # else nobody is there who could confirm
            yield self._bounded(self.publisher.drain())
        self.publisher.stopService()
        yield self._bounded(maybeDeferred(self.sink.stopService))
        keepers: list[Submitter | Publisher] = [*self.submitters, self.publisher]
        yield self._bounded(DeferredList([keeper.settled() for keeper in keepers]))
        for keeper in keepers:
            keeper.close()
        yield self._bounded(self.reader.stop())
        yield self._bounded(self.writer.stop())
        self._notifier.stopService()
        self.log.info("stopped")

    def _bounded(self, waiting: "Deferred[Any]") -> "Deferred[Any]":
        """Fires when ``waiting`` does, or when the time is over."""
        left = max(0.5, self._deadline - self._reactor.seconds())
        over: Deferred[Any] = Deferred()

        def fire(_result: Any = None) -> None:
            if not over.called:
                over.callback(None)

        timer = self._reactor.callLater(left, fire)
        waiting.addBoth(fire)
        return over.addCallback(lambda _: timer.cancel() if timer.active() else None)


def make_binds(reactor: Any, section: BindSection, channel: SMPPChannel, dice: Random | None = None) -> Iterator[Bind]:
    """The sessions of one bind of the configuration: ``sessions`` of them, or twice as many for ``pair``. They share
    the pace, for the SMSC counts what the account sends."""
    scheme, host, port = section.address
    if scheme == "outbind":
        endpoint: Any = IncomingConnections(TCP4ServerEndpoint(reactor, port, interface=host))
    else:
        tls = TLS(**section.tls.model_dump()) if scheme == "tls" else None
        endpoint = client_endpoint(reactor, host, port, tls)
    pace = Pace(section.throughput, reactor.seconds())
    modes = ("transmitter", "receiver") if section.mode == "pair" else (section.mode,)
    for number in range(1, section.sessions + 1):
        for mode in modes:
            name = section.name + (f"#{number}" if section.sessions > 1 else "")
            name += f" ({mode})" if len(modes) > 1 else ""
            yield Bind(reactor, endpoint, bind_settings(section, name, mode), channel, BackOff(source=dice), pace)


def cutter(section: SMPPChannelSection) -> Callable[[str], Split]:
    """How texts are cut, so that every bind of the channel can send the segments."""
    senders = [bind for bind in section.binds if bind.mode != "receiver"]
    forms = {bind.long_messages for bind in senders}
    return partial(
        segment,
        form=forms.pop() if len(forms) == 1 else "udh16" if "udh16" in forms else "udh8",
        maximum_segments=section.maximum_segments,
        default_alphabets=frozenset(bind.alphabet for bind in senders) or {"gsm7"},
        national_languages=section.national_languages,
        transliterate=section.transliterate,
    )


def account_of(bind: BindSection) -> str:
    """Whose message ids are one series: what the configuration says, or system_id and host."""
    _, host, port = bind.address
    return bind.account or f"{bind.system_id}@{host}:{port}"


def kin(configuration: Configuration) -> dict[str, tuple[str, ...]]:
    """The accounts of each account's system_id within its channel, itself included, where there are several: hosts that
    stand for each other, one of which may tell what became of another's texts. A bind that names its ``account`` has
    said what belongs together."""
    found: dict[str, tuple[str, ...]] = {}
    for channel in configuration.channels.values():
        accounts: defaultdict[str, set[str]] = defaultdict(set)
        for bind in channel.binds:
            if bind.account is None:
                accounts[bind.system_id].add(account_of(bind))
        found |= {one: tuple(sorted(group)) for group in accounts.values() for one in group if len(group) > 1}
    return found


def bind_settings(bind: BindSection, name: str, mode: str) -> BindSettings:
    """A bind of the configuration in the words of the channel."""
    scheme = bind.address[0]
    session = SessionSettings(
        bind.system_id,
        bind.secret(),
        bind.system_type,
        mode,
        interface_version=INTERFACE_VERSIONS[bind.interface_version],
        address_range=bind.address_range,
        window=bind.window,
        bind_timeout=bind.bind_timeout,
        response_timeout=bind.response_timeout,
        enquire_link_interval=bind.enquire_link_interval,
        drain_timeout=bind.drain_timeout,
        addr_ton=bind.addr_ton,
        addr_npi=bind.addr_npi,
        maximum_pdu=bind.maximum_pdu,
        outbind=scheme == "outbind",
        outbind_system_id=bind.outbind_system_id,
        outbind_password=bind.outbind_password.get_secret_value() if bind.outbind_password else "",
    )
    intermediate = INTERMEDIATE_NOTIFICATION if bind.intermediate_notifications else 0
    submit = SubmitSettings(
        source=bind.source,
        service_type=bind.service_type,
        registered_delivery=RegisteredDelivery[bind.registered_delivery.upper()] | intermediate,
        short_code_ton=bind.short_code_ton,
        short_code_npi=bind.short_code_npi,
        short_code_digits=bind.short_code_digits,
        source_ton=bind.source_ton,
        source_npi=bind.source_npi,
        dest_ton=bind.dest_ton,
        dest_npi=bind.dest_npi,
        default_alphabet=bind.alphabet,
        form=bind.long_messages,
        data_codings={str(name): number for name, number in bind.data_codings.items()},
        protocol_id=bind.protocol_id,
        priority_flag=bind.priority_flag,
        validity=bind.validity,
        tlvs=tuple((tlv_tag(tag), tlv_octets(value)) for tag, value in bind.tlvs.items()),
    )
    rules = {status_number(text): Rule(Action(rule.action), rule.delay) for text, rule in bind.statuses.items()}
    return BindSettings(
        name,
        account_of(bind),
        session,
        submit,
        policy=Policy(rules),
        to=tuple(prefix.removeprefix("+") for prefix in bind.to),
        priority=bind.priority,
        weight=bind.weight,
    )
