"""One run: the daemon's lives and everything around it, from the first step of a plan until nothing happens any more.

The daemon is ``service.Connector`` as twistd makes it, HTTP door, store, binds and sink included; only its reactor,
its wall clock, its dice and the writer's thread are ours. ``World.run`` lets time flow from call to call. It is over
when all steps are done, everybody is idle and the store has nothing under way; or at the ``LIMIT``, which is a failure.
"""

import json
import os
import random
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from functools import cache
from typing import Any

from werkzeug.routing.rules import Rule

from smsconnector import messages, service
from smsconnector.channels.provider import availability
from smsconnector.channels.provider import channel as provider_channel
from smsconnector.config import Configuration, StoreSection, parse
from smsconnector.errors import ConfigurationError
from smsconnector.messages import DELIVERY_REPORT, INCOMING_MESSAGE, KINDS_OF_EVENTS
from smsconnector.net.link import BackOff
from smsconnector.sinks.stomp import suspicion
from smsconnector.sinks.webhook import callbacks
from smsconnector.sinks.webhook import sink as webhook_sink
from smsconnector.store.store import Store
from smsconnector.walks import (
    fall_back,
    outbox_reading,
    parked_events,
    priorities,
    publisher,
    ready,
    scheduling,
    strict_order,
    submitter,
    throttled,
    withdrawal,
)
from smsconnector.wall_clock import WallClock
from tests.simulation import disk, gateway, listed, webhook
from tests.simulation.application import Application, number_of
from tests.simulation.broker import Broker
from tests.simulation.clock import Machine, Time
from tests.simulation.gateway import Gateways
from tests.simulation.network import Network
from tests.simulation.plan import (
    CALLBACK_HOSTS,
    Answered,
    CalledBack,
    Crash,
    Disk,
    Forgotten,
    Freeze,
    Mo,
    OptOut,
    Outage,
    Plan,
    Reload,
    SetClock,
    Silence,
    Stop,
    TornFile,
    Unbind,
)
from tests.simulation.provider import PUBLIC_URL, SECRET, Provider
from tests.simulation.smsc import SMSC, Ledger
from tests.unit.fakes import NoKeeper

LIFETIME = 25.0  # seconds, of messages that ask for no other
RECEIPT_TIME = 8.0  # seconds, for receipts after the lifetime
RECEIPT_GRACE = 6.0  # seconds, for something clear after something unclear
INCOMING_TIMEOUT = 12.0
STOP_TIMEOUT = 6.0
LIMITED, ATTEMPTS = {"pair", "failures"}, 4  # setups where a segment has a limit of attempts
RESENDS = 2  # after unknown outcomes, in every setup
WEBHOOK_TRIES = 3
LIMIT = 240.0  # seconds after the last step
PATIENCE = 3.0  # seconds that a crash waits for its moment
LINGER = 12.0  # seconds that what is done now and then may take
GRACE = 1.2  # seconds of quiet, to see whether it is
HOSTS = {
    **{"smsc 0": "10.0.0.1", "smsc 1": "10.0.0.2", "broker": "10.0.0.3", "webhook": webhook.ADDRESS},
    **gateway.HOSTS,
    **{f"callback {number}": one.partition(":")[0] for number, one in enumerate(CALLBACK_HOSTS, 1)},
}
FALLS_AFTER = 4.0  # seconds, where a channel falls back to another
FALL_CODES = {  # with these it does so at once, by the type of the channel
    "smpp": ("11", "001"),
    "twilio-a": ("21211", "30005"),
    "http-a": ("41", "30005"),
    "http-b": ("41", "30005"),
}
ACCOUNT_PAUSE = 5.0  # seconds for which a provider's channel stops when its account is in trouble
LONGEST_PAUSE_OF_GATEWAYS = 3.0  # seconds between tries of one that is down
_OF_HTTP = ("TimeoutMixin.__timedOut", "HTTPChannel.forceAbortClient")  # connections of clients; the process is gone
room: str | None = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # where the files of runs are

_YAML = """
http:
  {endpoints: ["tcp:8080"], allow_insecure: yes, idle_timeout: 20, webhook_channel: smpp-b,
   public_url: "%(public_url)s"}
store: {path: none}
%(callbacks)sstop_timeout: %(stop_timeout)s
incoming_timeout: %(incoming_timeout)s
events:
  sinks:
    - {type: stomp, uri: "tcp://10.0.0.3:61613", heartbeat: 4}
%(webhook)s
channels:
  smpp:
    type: smpp
    lifetime: %(lifetime)s
    receipt_time: %(receipt_time)s
    receipt_grace: %(receipt_grace)s
    unknown_outcome: %(unknown_outcome)s
    strict_order: %(strict_order)s
    opt_out: {}
%(falls)s    retry: {initial: 0.5, maximum: 4%(limit)s}
    binds: [%(binds)s]
    verify: &verify
      {type: hmac, secrets: "%(secret)s", template: "{url}\\n{body}", signature: {header: X-Signature}}
  listed:
    type: listed
    verify: *verify
    notification: {records: records, where: {kind: status}, id: SmsSid, status: status}
    incoming: {records: records, where: {kind: text}, from: From, to: To, text: Body, id: SmsSid}
%(gateways)s"""
_SENDING = """\
    lifetime: %(lifetime)s
    receipt_time: %(receipt_time)s
    receipt_grace: %(receipt_grace)s
    unknown_outcome: %(unknown_outcome)s
    strict_order: %(strict_order)s
    retry: {initial: 0.5, maximum: 4%(limit)s}
    connect_timeout: 2
    reply_timeout: 2
    drain_timeout: 1
"""
_HTTP = """
    type: http
    from: Example
    secrets: {key: a key}
    accepted: [{status: "2xx"}, {json: id, pattern: "^m[0-9]+$"}]
    id: {json: id}
    code: {json: error.code}
    reason: {json: error.text}
    failures:
      - {when: {json: error.code, equals: 30}, then: temporary}
      - {when: {json: error.code, in: [17, 18]}, then: account}
    maximum_length: 120
    long_texts: split
    parallel: 3
    verify: *verify
    notification: {records: results, id: id, status: status, code: error, recipient: to}
    request:
      url: "http://%s/sms"
      headers: {Authorization: "Bearer {{secret.key}}"}
      json: {to: "{{to_plus}}", text: "{{text}}", part: "{{part}}"%s}
"""
_FALL = "    fallback: {{channel: {}, after: {}, codes: {}}}\n"
_GATEWAYS = {
    "twilio-a": f"""
    type: twilio
    account_sid: AC0001
    auth_token: {gateway.TOKEN}
    from: "+15005550006"
    base_url: "http://{gateway.HOSTS["twilio-a"]}"
    parallel: 4
""",
    "http-a": _HTTP % (gateway.HOSTS["http-a"], ', reference: "{{sid}}", callback: "{{callback_url}}"'),
    "http-b": _HTTP % (gateway.HOSTS["http-b"], ""),
}
_WEBHOOK = """
    - {{name: crm, type: webhook, url: "http://10.0.0.4/hook", secret: whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3,
       allow_private: yes, parallel: 3, timeout: 2, connect_timeout: 2, retry_disabled: 3, kinds: [{0}]}}
"""
_CALLBACKS = f"""\
status_callbacks:
  {{hosts: {json.dumps(CALLBACK_HOSTS)}, secret: whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3, allow_private: yes,
   parallel: 2, timeout: 2, connect_timeout: 2}}
"""
KINDS = {"all": KINDS_OF_EVENTS, "reports": (DELIVERY_REPORT,), "texts": (INCOMING_MESSAGE,)}  # what a webhook wants
_BIND = (
    "{{name: {0}, endpoint: 'tcp:10.0.0.{1}:2775', system_id: me, password: x, bind_timeout: 2, response_timeout: 2,"
    " enquire_link_interval: 3, drain_timeout: 1, window: {2}{3}{4}}}"
)
_BINDS = {
    "resend": [("a", 1, 10, ", cancel_sm: yes")],
    "hold": [("a", 1, 10, "")],
    "strict": [("a", 1, 3, ""), ("b", 2, 3, "")],
    "routes": [("a", 1, 2, ", to: ['4670']"), ("b", 2, 10, "")],
    "pair": [("a", 1, 4, ", mode: pair, sessions: 2, cancel_sm: yes"), ("b", 2, 4, ", to: ['4680'], throughput: 5")],
    "strict hold": [("a", 1, 2, ""), ("b", 2, 2, ", priority: 1")],
    "strict routes": [("a", 1, 2, ", to: ['4670']"), ("b", 2, 3, "")],
    "no receipts": [("a", 1, 10, ", registered_delivery: none")],
    "failures": [("a", 1, 10, ", registered_delivery: failure, cancel_sm: yes")],
}
_SMALL = [
    (ready, "MEMORY", 3),
    (ready, "CHUNK", 2),
    (ready, "LANES", 2),
    (priorities, "BULK_LANES", 1),
    (scheduling, "LIMIT", 2),
    (throttled, "MANY_PAUSED", 1),
    (submitter, "PASSED_OVER", 2),
    (submitter, "DUE_INTERVAL", 0.1),
    (submitter, "CROWDED_DELAY", 0.3),
    (strict_order, "LOOK_INTERVAL", 1.0),
    (fall_back, "LIMIT", 2),
    (withdrawal, "MANY", 1),
    (publisher, "EVENTS_AT_ONCE", 2),
    (outbox_reading, "EVENTS_AT_ONCE", 2),
]


_WAITING = ("active", "queued", "events", "for webhook", "callbacks", "parts")


@cache
def configuration_of(
    setup: str,
    redundant: bool,
    port: int = 0,
    wanted: str = "",
    gateways: tuple[str, ...] = (),
    falls: tuple[tuple[str, str], ...] = (),
    changed: frozenset[str] = frozenset(),
    has_callbacks: bool = False,
) -> Configuration:
    """Short times, so that a run is short. With a ``port`` the accounts have the names that follow from the endpoints:
    the network takes every port for the same host. ``changed``: which of ``RELOADS`` it has been through."""
    binds = []
    for bind in binds_of(setup, changed):
        more = "" if redundant or port else f", account: own-{bind[1]}"
        line = _BIND.format(*bind, more).replace("2775", str(port or 2775))
        binds.append(line if redundant else line.replace("system_id: me", f"system_id: me-{bind[1]}"))
    values = {
        "stop_timeout": STOP_TIMEOUT,
        "incoming_timeout": INCOMING_TIMEOUT,
        "lifetime": LIFETIME,
        "receipt_time": RECEIPT_TIME,
        "receipt_grace": RECEIPT_GRACE,
        "unknown_outcome": "hold" if "hold" in setup else "resend",
        "strict_order": "yes" if "strict" in setup else "no",
        "binds": ", ".join(binds),
        "public_url": PUBLIC_URL,
        "secret": SECRET,
        "webhook": _WEBHOOK.format(", ".join(KINDS[wanted])) if wanted else "",
        "callbacks": _CALLBACKS if has_callbacks else "",
        "limit": f", attempts: {ATTEMPTS}" if setup in LIMITED else "",
    }
    sending, lines = (
        _SENDING % values,
        {name: _FALL.format(other, FALLS_AFTER, list(FALL_CODES[name])) for name, other in falls},
    )
    values["gateways"] = "".join(f"  {name}:{_GATEWAYS[name]}{sending}{lines.get(name, '')}" for name in gateways)
    values["falls"] = lines.get("smpp", "")
    text = _YAML % values
    if "renewed" in changed:
        text = text.replace("retry: {initial: 0.5, maximum: 4", "retry: {initial: 0.5, maximum: 3")
    return parse(text.replace("heartbeat: 4", "heartbeat: 5") if "sink" in changed else text)


def binds_of(setup: str, changed: frozenset[str] = frozenset()) -> list[tuple[str, int, int, str]]:
    """Name, host, window and more of each bind; a number can always be sent somewhere."""
    binds = list(_BINDS[setup])
    if "bind removed" in changed and len(binds) > 1:
        binds.remove(next((one for one in binds if "to:" in one[3]), binds[-1]))
    if "bind changed" in changed:
        name, host, window, more = binds[0]
        binds[0] = (name, host, window + 1, more)
    if "bind added" in changed:
        binds.append(("c", 2, 3, ""))
    if "prefix added" in changed:
        binds.append(("d", 2, 3, ", to: ['4670']"))
    return binds


def hosts_for(setup: str, destination: str, changed: frozenset[str] = frozenset()) -> set[str]:
    """Who may get a text to that number: the binds with the longest prefix that fits, else those without one."""
    prefixes = [
        (f"10.0.0.{host}", "".join(re.findall(r"to: \['(\d+)'\]", more)))
        for _, host, _, more in binds_of(setup, changed)
    ]
    fitting = {one for _, one in prefixes if destination.startswith(one)}
    return {host for host, one in prefixes if one == max(fitting, key=len)}


@cache
def template() -> bytes:
    """An empty database file: its schema costs more than a run."""
    with tempfile.TemporaryDirectory(prefix="simulation-", dir=room) as folder:
        path = os.path.join(folder, "template.db")
        Store(path).close()
        with open(path, "rb") as file:
            return file.read()


class World:
    """One plan, carried out once."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.time = Time()
        self.root = tempfile.mkdtemp(prefix="simulation-", dir=room)
        self.path = os.path.join(self.root, "0", "smsconnector.db")
        os.makedirs(os.path.dirname(self.path))
        with open(self.path, "wb") as file:
            file.write(template())
        self.network = Network(self.time, self._dice("network"), plan.splits, self._daemon_writes)
        self.ledger = Ledger(plan)
        self.smscs = [SMSC(index, self.time, plan, self._dice(f"smsc {index}"), self.ledger) for index in (0, 1)]
        if plan.redundant:
            for one in self.smscs:
                one.hosts = self.smscs
        self.broker = Broker(self.time, plan, self._dice("broker"))
        self.application = Application(self.time, self.network, plan, self._dice("application"), lambda: self.machine)
        self.provider = Provider(self.time, self.network, plan, self._dice("provider"), lambda: self.machine)
        faults = {one.number: one.what for one in plan.of(Answered)}
        self.subscriber = webhook.Subscriber(self.time, faults, self._dice("subscriber"))
        self.called_back = [
            webhook.Subscriber(
                self.time,
                {one.number: one.what for one in plan.of(CalledBack) if one.host == number},
                self._dice(f"callbacks {number}"),
            )
            for number in (1, 2)
        ]
        late = LIFETIME + RECEIPT_TIME + 2.0
        self.gateways = Gateways(self.time, self.network, plan, self._dice("gateways"), lambda: self.machine, late)
        answers = (self.smscs[0].answer, self.smscs[1].answer, self.broker.answer, self.subscriber.answer)
        self.network.hosts = dict(zip(list(HOSTS.values())[:4], answers, strict=True)) | self.gateways.answers()
        for number, host in enumerate(self.called_back, 1):
            self.network.hosts[HOSTS[f"callback {number}"]] = host.answer
        self.faults = disk.Faults()
        self.faults.crash = self.crash
        self.machine: Machine | None = None
        self.connector: Any = None
        self.lives: list[tuple[Machine, float, float | None]] = []  # when it began and ended
        self._stores: list[Any] = []  # of all lives, and their readers
        self.frozen: list[tuple[float, float]] = []  # the times in which the process had no time
        self.problems: list[str] = []
        self.leftovers: list[str] = []
        self.stopped: list[tuple[str, float]] = []  # channels whose account is in trouble, and when the log said so
        self._restart_after = 0.2
        self._crash_at_write = False
        self._starting = self._stopping = False
        self._life_dice = self._dice("daemon")
        self.last_step = 0.0
        self.setup = plan.setup
        self.changed: frozenset[str] = frozenset()  # what reloads have made of the configuration
        self._is_bad = False  # the file, just now
        self.ways: list[tuple[float, str, frozenset[str]]] = []  # from when on which configuration counts
        self._schedule()

    def _dice(self, name: str) -> random.Random:
        return random.Random(f"{self.plan.seed} {name}")

    # --- the plan ---------------------------------------------------------------------------------------------

    def _schedule(self) -> None:
        later = self.time.callLater
        actions: dict[type[Any], Callable[[Any], None]] = {
            Outage: self._outage,
            Silence: self._silence,
            Disk: self._disk,
            Crash: self._crash,
            Stop: self._stop,
            Freeze: self._freeze,
            Unbind: self._unbind,
            SetClock: lambda step: self.time.set_wall_clock(step.by),
            TornFile: self._torn,
            Forgotten: self._forgotten,
            Reload: self._reload,
        }
        for step in self.plan.steps:
            at = getattr(step, "at", 0.0)
            self.last_step = max(self.last_step, at + getattr(step, "seconds", 0.0))
            if type(step) in actions:
                later(at, actions[type(step)], step)
            elif isinstance(step, Mo):
                self.ledger.pending += 1
                later(at, self._mo, step)
            elif isinstance(step, OptOut):
                self.ledger.pending += 1
                later(at, self._opt_out, step)

    def _mo(self, step: Mo) -> None:
        self.ledger.pending -= 1
        self.smscs[step.smsc if self._used(step.smsc) else 0].mo(step)

    def _opt_out(self, step: OptOut) -> None:
        self.ledger.pending -= 1
        self.smscs[step.smsc if self._used(step.smsc) else 0].opt_out(number_of(step.to))

    def _used(self, smsc: int) -> bool:
        """Whether the present life has a bind there, by the configuration that it has read last."""
        _, setup, changed = self.ways[-1]
        return any(host == smsc + 1 for _, host, *_ in binds_of(setup, changed))

    def _outage(self, step: Outage) -> None:
        host = HOSTS[step.of]
        self.network.gone[host] = self.time.rightNow + step.seconds
        for connection in self.network.on(host):
            connection.cut()

    def _silence(self, step: Silence) -> None:
        for connection in self.network.on(HOSTS[step.of]):
            connection.hold(step.seconds)

    def _freeze(self, step: Freeze) -> None:
        machine = self.machine
        if machine is not None and machine.alive:
            since = max(self.time.rightNow, machine.frozen_until)  # it may be frozen already
            machine.frozen_until = max(since, self.time.rightNow + step.seconds)
            self.frozen.append((since, machine.frozen_until))

    def _torn(self, step: TornFile) -> None:
        if self.machine is not None:
            self.machine.torn_until = self.time.rightNow + step.seconds

    def _unbind(self, step: Unbind) -> None:
        self.smscs[step.smsc].unbind()

    def _forgotten(self, step: Forgotten) -> None:
        self.smscs[step.smsc].forget(step)

    def _reload(self, step: Reload) -> None:
        self._is_bad = step.what == "bad"
        if step.what in ("bind added", "bind changed", "bind removed", "prefix added", "renewed", "sink"):
            self.changed ^= {step.what}  # the second time it is put back
        if self.machine is not None and self.machine.alive and not self.machine.frozen_until > self.time.rightNow:
            self.connector.reload()

    @listed.is_known()
    def _load_again(self) -> Configuration:
        """What the daemon reads."""
        if self._is_bad:
            raise ConfigurationError([("channels.smpp", "it is not right")])
        self.ways.append((self.time.rightNow, self.setup, self.changed))
        return self._configuration()

    def _configuration(self) -> Configuration:
        port = 2775 + len(self.lives) % 2 if self.plan.respelled else 0
        return configuration_of(
            self.setup,
            self.plan.redundant,
            port,
            self.plan.webhook,
            self.plan.gateways,
            self.plan.falls,
            self.changed,
            self.plan.callbacks,
        ).model_copy(update={"store": StoreSection(path=self.path)})

    def _disk(self, step: Disk) -> None:
        self.faults.until[step.what] = self.time.rightNow + step.seconds

    def _crash(self, step: Crash) -> None:
        if self.machine is None or not self.machine.alive:
            return
        self._restart_after = step.seconds
        if step.where == "now":
            self.crash()
            return
        if step.where == "write":
            self._crash_at_write = True
        else:
            self.faults.crash_at = step.where
        self.last_step = max(self.last_step, self.time.rightNow + PATIENCE)
        self.time.callLater(PATIENCE, self._crash_anyway, self.machine)

    def _crash_anyway(self, machine: Machine) -> None:
        if machine is self.machine and machine.alive and (self._crash_at_write or self.faults.crash_at):
            self.crash()

    # --- lives ------------------------------------------------------------------------------------------------

    @listed.is_known()
    def start(self) -> None:
        """Another life, on the file that the one before left."""
        self._starting = False
        self.machine = machine = Machine(self.time, self.network.connect)
        self.lives.append((machine, self.time.rightNow, None))
        self.setup = machine.setup = self.plan.setup_of(len(self.lives))
        self.ways.append((self.time.rightNow, self.setup, self.changed))
        configuration = self._configuration()
        writer_dice = self._dice(f"writer {len(self.lives)}")
        reader_dice = self._dice(f"reader {len(self.lives)}")
        try:
            self.connector = service.Connector(
                machine,
                configuration,
                WallClock(self.time.wall_clock, machine.seconds),
                lambda reactor, damaged: disk.SimulatedWriter(reactor, self.faults, writer_dice, self.plan.slowness),
                lambda reactor, damaged: disk.SimulatedReader(reactor, reader_dice, self.plan.slowness),
                self._life_dice,
                NoKeeper,
                self._load_again,
            )
            self.connector.startService()
            self._stores.append(self.connector.writer.store)
            self._stores.append(self.connector.reader)
        except BaseException as error:  # noqa: BLE001 — SystemExit is what it raises on purpose
            self.problems.append(f"the daemon does not start: {error!r}")
            machine.die()

    def crash(self) -> None:
        """kill -9, now: what is in memory is lost, and what is under way arrives up to any octet."""
        machine = self.machine
        assert machine is not None
        if not machine.alive:
            return
        self.faults.crash_at, self._crash_at_write = None, False
        machine.die()
        self._ended()
        self.path = disk.copy_as_it_is(self.path)
        self._lose_connections(machine)
        self._start_later(self._restart_after)

    def _lose_connections(self, machine: Machine) -> None:
        for connection in sorted(self.network.connections, key=lambda one: one.opened_at):
            if connection.daemon.machine is machine:
                connection.cut()

    def _start_later(self, seconds: float) -> None:
        self._starting, self._stopping = True, False
        self.last_step = max(self.last_step, self.time.rightNow + seconds)
        self.time.callLater(seconds, self.start)

    def _ended(self) -> None:
        machine, began, _ = self.lives[-1]
        now = self.time.rightNow
        self.lives[-1] = machine, began, now
        self.frozen = [(since, min(until, now)) for since, until in self.frozen]  # the next process is not

    def _stop(self, step: Stop) -> None:
        if self.machine is None or not self.machine.alive or self._stopping:
            return
        self.stop().addCallback(lambda _: self._start_later(step.seconds))

    def stop(self) -> Any:
        """SIGTERM; fires when the process is gone."""
        self._stopping = True
        machine, asked_at = self.machine, self.time.rightNow
        assert machine is not None

        def stopped(_result: Any) -> None:
            if not machine.alive:  # killed meanwhile
                return
            took = self.time.rightNow - max(asked_at, machine.frozen_until)
            if took > STOP_TIMEOUT + 3.0:
                self.problems.append(f"a stop took {took:.1f} s")
            in_time = self.time.rightNow - asked_at < STOP_TIMEOUT - 1.0
            self.leftovers += [
                f"{name} is still to be called" for name in machine.waiting() if in_time and name not in _OF_HTTP
            ]
            self.leftovers += [
                f"connection to {one.host} is open after the stop"
                for one in self.network.connections
                if one.daemon.machine is machine and one.host != "http" and in_time
            ]
            machine.die()
            self.close()  # the writer may have had no time for it
            self._ended()
            self._lose_connections(machine)

        return self.connector.stopService().addCallback(stopped)

    def _daemon_writes(self) -> None:
        if self._crash_at_write:
            self.crash()

    # --- time flows -------------------------------------------------------------------------------------------

    def run(self) -> None:
        """With chance and sizes in place of the real ones as long as it lasts."""
        there: list[tuple[Any, str, Any]] = [
            (parked_events, "FIRST_PAUSE_S", 0.5),
            (parked_events, "LONGEST_PAUSE_S", 4.0),
            (suspicion, "CLOSED_S", 3.0),
            (publisher, "FIRST_RETRY", 1.0),
            (publisher, "LONGEST_RETRY", 8.0),
            (publisher, "LOOK_FOR_PARKED", 0.2),
            (fall_back, "LOOK_INTERVAL", 2.5),  # a commit may take 1.5 s: else something is always being written
            (availability, "ACCOUNT_PAUSE", ACCOUNT_PAUSE),
            (provider_channel, "BackOff", _short_back_off),
            (webhook_sink, "FIRST_PAUSE", 0.2),
            (webhook_sink, "LONGEST_PAUSE", 2.0),
            (webhook_sink, "PATIENCE", 15.0),
            (callbacks, "PATIENCE", 6.0),
            (webhook_sink, "TRIES", WEBHOOK_TRIES),
            (messages, "_sid_counter", 0),
            (messages, "_random_digits", []),
            (messages, "os", _Octets(self._dice("sids"))),
            (Rule, "_compile_builder", _no_builder),
            *(_SMALL if self.plan.small else ()),
        ]
        before = [(owner, name, getattr(owner, name)) for owner, name, _ in there]
        try:
            for owner, name, value in there:
                setattr(owner, name, value)
            self.start()
            self._run()
        finally:
            for owner, name, value in before:
                setattr(owner, name, value)

    def _run(self) -> None:
        step, time = self.time.step, self.time
        look_at, quiet_since = 0.0, -1.0
        while step() and not self.problems:
            now = time.rightNow
            if now < look_at or now < self.last_step:
                continue
            look_at = now + 0.4
            if not self.is_quiet():
                quiet_since, look_at = -1.0, now + 0.05
                if now > self.last_step + LIMIT:
                    self.problems.append(f"it never becomes quiet: {self.why_not_quiet()}")
                    return
            elif quiet_since < 0:
                quiet_since = now
            elif now - quiet_since >= GRACE:
                return

    def linger(self) -> None:
        """Some more time with nothing to do."""
        end = self.time.rightNow + LINGER
        while self.time.rightNow < end and self.time.step():
            pass

    def finish(self) -> None:
        """A clean stop, to its end; after a problem a sudden one."""
        if self.problems:
            self.close()
            return
        stopped: list[Any] = []
        self.stop().addCallback(stopped.append)
        end = self.time.rightNow + 20.0
        while not stopped and self.time.rightNow < end and self.time.step():
            pass
        if not stopped:
            self.problems.append("a stop never ended")

    def is_quiet(self) -> bool:
        return not self.why_not_quiet()

    def why_not_quiet(self) -> str:
        """What is still to come; "" if nothing is."""
        machine = self.machine
        if self._starting or self._stopping or machine is None or not machine.alive:
            return "the daemon is not up"
        if self.faults.crash_at or self._crash_at_write:
            return "a crash is to come"
        if self.connector.reloading.is_busy:
            return "a reload is under way"
        around: tuple[Any, ...] = (
            *(self.application, self.provider, self.ledger, self.broker, self.subscriber, self.gateways),
            *self.called_back,
        )
        pending = [one.pending for one in around]
        if any(pending):
            return f"pending: {pending} of application, provider, SMSCs, broker, webhook, gateways, callbacks"
        return self._why_the_wires_are_not() or self._why_the_store_is_not()

    def _why_the_wires_are_not(self) -> str:
        for smsc in self.smscs:
            if smsc.waiting and self._used(smsc.index):
                return f"SMSC {smsc.index} has deliver_sm to send"
            if any(peer.window for peer in smsc.receivers):
                return "deliver_sm are unanswered"
        if not all(bind.bound for one in self.connector.outlets.values() for bind in getattr(one.channel, "binds", ())):
            return "a bind is down"
        if any(end._in_flight for one in self.network.connections for end in (one.daemon, one.peer)):
            return "octets are under way"
        return ""

    def _why_the_store_is_not(self) -> str:
        writer = self.connector.writer
        if writer.writing:
            return "something is being written"
        kinds = ", ".join(f"'{kind}'" for kind in KINDS.get(self.plan.webhook, ()))
        found = writer.store._connection.execute(
            "SELECT (SELECT count(*) FROM message WHERE state IN (0, 3, 5)),"
            " (SELECT count(*) FROM segment WHERE state IN (0, 1)),"
            f" (SELECT count(*) FROM outbox WHERE NOT {disk.CONFIRMED}),"
            f" (SELECT count(*) FROM outbox WHERE NOT {disk.CONFIRMED_2} AND kind IN ({kinds})),"
            f" (SELECT count(*) FROM status_callback AS c WHERE event IS NOT NULL AND NOT {disk.CALLED_BACK}),"
            " (SELECT count(*) FROM (SELECT 1 FROM incoming_segment"
            "   GROUP BY account, source, destination, reference, count HAVING count(*) < count))"
        ).fetchone()
        return f"in the store: {dict(zip(_WAITING, found, strict=True))}" if any(found) else ""

    def rows(self, *queries: str) -> list[list[tuple[Any, ...]]]:
        """What the file says to each, after the daemon's end."""
        connection = sqlite3.connect(self.path)
        try:
            return [connection.execute(sql).fetchall() for sql in queries]
        finally:
            connection.close()

    def close(self) -> None:
        store = getattr(getattr(self.connector, "writer", None), "store", None)
        if store is not None:
            store.close()

    def clean_up(self) -> None:
        """What the kernel does for a process that was killed is done here."""
        self.close()
        for store in self._stores:
            store.close()
        shutil.rmtree(self.root, ignore_errors=True)


def _short_back_off(first: float, most: float, source: random.Random) -> BackOff:
    """In the place of that of a provider's channel, which waits for a minute."""
    return BackOff(first / 4, min(most, LONGEST_PAUSE_OF_GATEWAYS), source=source)


def _no_builder(_rule: Any, _append_unknown: bool = True) -> Any:
    """Nobody asks for URLs here, and compiling what makes them costs half of a start."""
    return lambda *_: None


class _Octets:
    """What ``messages`` uses of ``os``, repeatable."""

    def __init__(self, dice: random.Random) -> None:
        self.urandom = dice.randbytes
