"""Read ActiveMQ's failover URI, and decide in which order and at what pace its brokers are tried.

::

    failover:(tcp://a:61613,ssl://b:61614)?randomize=false&initialReconnectDelay=100
    failover:tcp://a:61613,tcp://b:61613        failover://(tcp://a:61613)        tcp://a:61613

1. ``FailoverURI.parse`` turns the text into brokers and options. Options that the connector has no use for
   (``wireFormat.*``, ``backup``, ``timeout``...) are accepted and named in ``ignored``. A text that can't be understood
   raises ValueError with one sentence that says what to write.
2. ``ReconnectSchedule`` gives the next broker and the delay before it is tried. Like ActiveMQ's own client, it tries
   all brokers in one round without a pause, and waits between rounds: initialReconnectDelay at first, then
   backOffMultiplier times longer each time, up to maxReconnectDelay. A broker that was just lost is the last one of the
   next round. Each of these waits has a jitter of 25 % either way, so that many connectors do not connect at the same
   moment.
3. Only ``succeeded`` resets the delay. After ``refused`` (wrong password and the like) each attempt waits for 5 s at
   least. This is doubled with each refusal, up to 60 s, and has a jitter of up to 25 % more.

Nothing here reads a clock or opens a socket. The random generator is a parameter. Delays are seconds; options are
milliseconds, as in the URI.

Source: https://activemq.apache.org/components/classic/documentation/failover-transport-reference, and
FailoverTransport.doReconnect of ActiveMQ 5.17.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from types import MappingProxyType
from typing import Any, Self
from urllib.parse import unquote, urlsplit

PORT, TLS_PORT = 61613, 61614  # of an address without a port
JITTER = 0.25  # of a delay
FLOOR = 10.0  # ms; a URI that asks for less would make a busy loop
REFUSED_FIRST, REFUSED_MAX = 5.0, 60.0  # seconds

EXAMPLE = "failover:(tcp://host-a:61613,tcp://host-b:61613)?randomize=false"

_TRANSPORTS = {"tcp", "stomp", "nio", "auto", "ssl", "tls"}
_TLS = {"ssl", "tls"}
# A comma begins another broker if a scheme follows; any other comma separates options.
_NEXT_BROKER = re.compile(r",(?=\s*[A-Za-z][A-Za-z0-9+.\-]*:(?://|\())")


@dataclass(frozen=True, slots=True)
class Broker:
    """The address of one broker; ``tls``: whether it is reached over TLS."""

    host: str
    port: int
    tls: bool = False

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'ssl' if self.tls else 'tcp'}://{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class FailoverURI:
    """The brokers in their order, and the options of reconnecting. Delays are milliseconds.

    ``max_reconnect_attempts`` is read but not used. The connector never gives up, because its events stay in the outbox
    until a broker has confirmed them.
    """

    brokers: tuple[Broker, ...]
    randomize: bool = True
    initial_reconnect_delay: int = 10
    max_reconnect_delay: int = 30_000
    use_exponential_back_off: bool = True
    back_off_multiplier: float = 2.0
    max_reconnect_attempts: int = -1
    ignored: tuple[str, ...] = field(default=(), compare=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``text``. Raises ValueError with one sentence if it can't be understood."""
        listed, query = _split(text.strip())
        brokers, options = [], list(_pairs(query))
        for item in _NEXT_BROKER.split(listed):
            if "@" in item:
                raise ValueError("A broker address holds a login; use the settings login and passcode instead.")
            address, _, item_query = item.strip().partition("?")
            brokers.append(_broker(address))
            options += _pairs(item_query)
        known: dict[str, Any] = {}
        ignored: list[str] = []
        for name, value in options:
            if name in _OPTIONS:
                attribute, read = _OPTIONS[name]
                known.setdefault(attribute, read(name, value))
            elif name not in ignored:
                ignored.append(name)
        return cls(tuple(brokers), **known, ignored=tuple(ignored))


def _split(text: str) -> tuple[str, str]:
    """The list of brokers and the failover's own query, without prefix and parentheses."""
    scheme, colon, rest = text.partition(":")
    if not colon or scheme.lower() != "failover":
        return text, ""
    rest = rest.removeprefix("//").strip()
    if not rest.startswith("("):
        return rest, ""
    listed, parenthesis, query = rest[1:].rpartition(")")
    if not parenthesis or query.strip()[:1] not in ("", "?"):
        raise ValueError(f"The failover URI needs its closing parenthesis before the options; write {EXAMPLE}.")
    return listed, query.strip().removeprefix("?")


def _pairs(query: str) -> Iterator[tuple[str, str]]:
    """The options of a query; ``&`` and ``,`` both separate them."""
    for pair in re.split(r"[&,]", query):
        name, equals, value = pair.strip().partition("=")
        if name and not equals:
            raise ValueError(f"The option {name!r} of the broker URI has no value; write name=value.")
        if name:
            yield name, unquote(value.strip())


def _broker(address: str) -> Broker:
    """One address, without its query."""
    scheme = address.partition("://")[0].lower() if "://" in address else ""
    transports = set(scheme.split("+"))
    if not transports <= _TRANSPORTS:
        raise ValueError(f"The broker address {address!r} can't be used; write tcp://host:61613 or ssl://host:61614.")
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    tls = not transports.isdisjoint(_TLS)
    if port is None and host and _port_is_missing(parts.netloc):
        port = TLS_PORT if tls else PORT
    if not host or not port or parts.path not in ("", "/") or re.search(r"[\s(),]", address):
        raise ValueError(f"The broker address {address!r} has no usable host and port; write tcp://host:61613.")
    return Broker(host, port, tls)


def _port_is_missing(netloc: str) -> bool:
    return netloc.endswith("]") or ":" not in netloc


def _boolean(name: str, value: str) -> bool:
    if value.lower() not in ("true", "false"):
        raise ValueError(f"The option {name} of the broker URI is {value!r}; write {name}=true or {name}=false.")
    return value.lower() == "true"


def _milliseconds(name: str, value: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", value):
        raise ValueError(f"The option {name} of the broker URI is {value!r}; write whole milliseconds, as {name}=100.")
    return int(value)


def _attempts(name: str, value: str) -> int:
    if not re.fullmatch(r"-1|[0-9]{1,9}", value):
        raise ValueError(f"The option {name} of the broker URI is {value!r}; write a whole number, or -1 for no limit.")
    return int(value)


def _factor(name: str, value: str) -> float:
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", value) or float(value) < 1:
        raise ValueError(f"The option {name} of the broker URI is {value!r}; write a number from 1 on, as {name}=2.0.")
    return float(value)


_OPTIONS: Mapping[str, tuple[str, Callable[[str, str], Any]]] = MappingProxyType(
    {
        "randomize": ("randomize", _boolean),
        "initialReconnectDelay": ("initial_reconnect_delay", _milliseconds),
        "maxReconnectDelay": ("max_reconnect_delay", _milliseconds),
        "useExponentialBackOff": ("use_exponential_back_off", _boolean),
        "backOffMultiplier": ("back_off_multiplier", _factor),
        "reconnectDelayExponent": ("back_off_multiplier", _factor),  # its name in older clients
        "maxReconnectAttempts": ("max_reconnect_attempts", _attempts),
    }
)


class ReconnectSchedule:
    """Says which broker to try next, and after how many seconds. It never ends."""

    def __init__(self, uri: FailoverURI, random: Random) -> None:
        self._uri, self._random = uri, random
        self._round: list[Broker] = []
        self._given: Broker | None = None  # the broker that next() gave last
        self._lost: Broker | None = None  # the broker that succeeded last; it comes last in the next round
        self._begun = False
        self._delay = float(uri.initial_reconnect_delay)  # ms
        self._refusal = 0.0  # s

    def next(self) -> tuple[Broker, float]:
        """The broker to try now, and the seconds to wait before that."""
        delay = 0.0
        if not self._round:
            self._round = self._new_round()
            delay = self._back_off() if self._begun else 0.0
        self._begun = True
        self._given = self._round.pop(0)
        return self._given, max(delay, self._refusal * self._random.uniform(1, 1 + JITTER))

    def succeeded(self) -> None:
        """The connection to the broker given last works: the next attempt begins a new round, after the initial
        delay."""
        self._delay = float(self._uri.initial_reconnect_delay)
        self._refusal = 0.0
        self._round = []
        self._lost = self._given

    def again(self) -> None:
        """It was not the fault of the broker given last: it is tried first, at once, and then the others."""
        self.succeeded()
        if self._given is not None:
            others = [one for one in self._new_round() if one != self._given]
            self._round, self._begun = [self._given, *others], True

    def refused(self) -> None:
        """The broker given last refused the session: the next attempts wait longer, whichever broker they are for."""
        self._refusal = min(self._refusal * 2, REFUSED_MAX) if self._refusal else REFUSED_FIRST

    def _new_round(self) -> list[Broker]:
        brokers = list(self._uri.brokers)
        if self._uri.randomize:
            self._random.shuffle(brokers)
        if self._lost is not None:
            brokers.remove(self._lost)
            brokers.append(self._lost)
            self._lost = None
        return brokers

    def _back_off(self) -> float:
        """The pause before this round, in seconds. Makes the one before the next round longer."""
        now = max(FLOOR, min(self._delay, self._uri.max_reconnect_delay))
        if self._uri.use_exponential_back_off:
            self._delay = now * self._uri.back_off_multiplier
        return now / 1000 * self._random.uniform(1 - JITTER, 1 + JITTER)
