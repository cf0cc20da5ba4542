"""The wiring: which parts there are, who knows whom, in which order they start and stop. On one page.

Start: store, walks, binds and sink, and the HTTP door last: READY is said when it listens. Stop: the door first,
then the binds drain, then what is in flight is written, then the sink; all of it within ``stop_timeout``.
"""

import time
from typing import Any

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, DeferredList, inlineCallbacks, maybeDeferred
from twisted.internet.endpoints import serverFromString
from twisted.logger import Logger
from twisted.python import usage

from smsconnector.channels.smpp import Bind, BindSettings, SMPPChannel
from smsconnector.config import BindSection, Configuration, SMPPChannelSection, load
from smsconnector.errors import ConfigurationError, StoreUnusable
from smsconnector.http.api import API, Outlet
from smsconnector.http.auth import KeyRing
from smsconnector.http.site import make_site
from smsconnector.link import BackOff
from smsconnector.messages import DELIVERY_REPORT, INCOMING_MESSAGE, IncomingSegment, Outcome, Receipt
from smsconnector.network import client_endpoint
from smsconnector.publisher import Publisher
from smsconnector.receiver import Receiver
from smsconnector.sinks.stomp import StompSink, tls_trust
from smsconnector.smpp.constants import RegisteredDelivery
from smsconnector.smpp.session import SessionSettings
from smsconnector.smpp.submit import SubmitSettings
from smsconnector.store.store import Store
from smsconnector.store.writer import Writer
from smsconnector.submitter import RetryPolicy, Submitter
from smsconnector.systemd import Notifier


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


class Listener:
    """What one channel calls: its submitter for outcomes, the receiver for the rest."""

    def __init__(self, submitter: Submitter, receiver: Receiver) -> None:
        self._submitter, self._receiver = submitter, receiver

    def outcomes(self, outcomes: list[Outcome]) -> None:
        self._submitter.outcomes(outcomes)

    def room(self) -> None:
        self._submitter.room()

    def received(self, items: list[Receipt | IncomingSegment], done: Any) -> None:
        self._receiver.received(items, done)


class Connector(MultiService):
    """The whole daemon. Constructing it opens the database, and nothing else."""

    log = Logger()

    def __init__(self, reactor: Any, configuration: Configuration) -> None:
        super().__init__()
        self._reactor, self._configuration = reactor, configuration
        try:
            self._store = Store(configuration.store.path)
        except StoreUnusable as error:
            raise SystemExit(f"smsconnector: {error}") from None
        events = configuration.events
        self.writer = Writer(reactor, self._store)
        self.sink = StompSink(
            reactor,
            events.uri,
            events.login,
            events.passcode.get_secret_value() if events.passcode else None,
            {DELIVERY_REPORT: events.delivery_report, INCOMING_MESSAGE: events.incoming_message},
            vhost=events.virtual_host,
            heartbeat=(int(events.heartbeat * 1000), int(events.heartbeat * 1000)),
            window=events.window,
            tls_options=tls_trust(events.ca_file),
        )
        self.publisher = Publisher(reactor, time.time, self.writer, self.sink)
        self.receiver = Receiver(reactor, time.time, self.writer, self.publisher.wake, configuration.incoming_timeout)
        self.channels: list[SMPPChannel] = []
        self.submitters: list[Submitter] = []
        outlets = {name: self._channel(name, section) for name, section in configuration.channels.items()}
        http = configuration.http
        self._api = API(
            time.time, outlets, configuration.default_channel, http.webhook_channel or configuration.default_channel,
            self.receiver, self.writer, KeyRing([key.get_secret_value() for key in http.api_keys]), http.base_path,
        )  # fmt: skip
        self._notifier = Notifier(reactor)
        self._ports: list[Any] = []

    def _channel(self, name: str, section: SMPPChannelSection) -> Outlet:
        channel = SMPPChannel(name, time.time)
        for bind in section.binds:
            tls, host, port = bind.address
            endpoint = client_endpoint(self._reactor, host, port, tls=tls)
            channel.add(Bind(self._reactor, endpoint, bind_settings(bind), channel, BackOff()))
        retry = section.retry
        policy = RetryPolicy(retry.attempts, retry.initial, retry.maximum, section.unknown_outcome == "resend")
        submitter = Submitter(self._reactor, time.time, self.writer, channel, name, policy, self.publisher.wake)
        channel.listener = Listener(submitter, self.receiver)
        self.channels.append(channel)
        self.submitters.append(submitter)
        return Outlet(submitter, section.lifetime, section.maximum_segments)

    # --- start and stop -------------------------------------------------------------------------------------

    def startService(self) -> None:
        super().startService()
        counts = self._store.counts()
        self.log.info("store {path}: {counts}", path=self._configuration.store.path, counts=counts)
        self.writer.start()
        for part in (self.sink, self.publisher, self.receiver, *self.submitters, *self.channels, self._notifier):
            part.startService()
        failed: list[str] = []
        self._listen().addErrback(lambda failure: failed.append(failure.getErrorMessage()))
        if failed:
            raise SystemExit(f"smsconnector: can't listen: {failed[0]}")

    @inlineCallbacks
    def _listen(self) -> Any:
        """Every endpoint that Twisted has says at once whether it can be listened on."""
        http = self._configuration.http
        site = make_site(self._api.resource, self._reactor, http.maximum_body, http.idle_timeout)
        for description in http.endpoints:
            port = yield serverFromString(self._reactor, description).listen(site)
            self._ports.append(port)
            self.log.info("HTTP on {address}", address=port.getHost())
        self._notifier.notify("READY=1")

    def stopService(self) -> "Deferred[Any]":
        super().stopService()
        self._notifier.notify("STOPPING=1")
        return self._stop_in_order()

    @inlineCallbacks
    def _stop_in_order(self) -> Any:
        """Each step bounded by its own means; none is waited for longer than the whole's bound."""
        self._deadline = self._reactor.seconds() + self._configuration.stop_timeout
        yield self._bounded(DeferredList([maybeDeferred(port.stopListening) for port in self._ports]))
        for submitter in self.submitters:
            submitter.stopService()
        yield self._bounded(DeferredList([maybeDeferred(channel.stopService) for channel in self.channels]))
        self.receiver.stopService()
        yield self._bounded(self.publisher.drain())
        self.publisher.stopService()
        yield self._bounded(maybeDeferred(self.sink.stopService))
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


def bind_settings(bind: BindSection) -> BindSettings:
    """A bind of the configuration in the words of the channel."""
    _, host, port = bind.address
    session = SessionSettings(
        bind.system_id, bind.secret(), bind.system_type, bind.mode,
        window=bind.window, bind_timeout=bind.bind_timeout, response_timeout=bind.response_timeout,
        enquire_link_interval=bind.enquire_link_interval, drain_timeout=bind.drain_timeout,
    )  # fmt: skip
    submit = SubmitSettings(
        bind.source, bind.service_type, RegisteredDelivery[bind.registered_delivery.upper()],
        bind.short_code_ton, bind.short_code_npi, bind.short_code_digits,
    )  # fmt: skip
    return BindSettings(bind.name, bind.account or f"{bind.system_id}@{host}:{port}", session, submit)
