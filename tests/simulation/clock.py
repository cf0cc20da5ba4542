"""Time: one heap of calls for the world, and the reactor that one life of the daemon sees. The wall clock may be set.

Whatever the daemon wants to be called for goes through its ``Machine``; when the machine is dead, nothing of it is
called any more and nothing it does reaches anybody: that is what ``kill -9`` looks like from outside.
"""

from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.base import DelayedCall
from twisted.internet.interfaces import IReactorPluggableNameResolver, IReactorTCP, IReactorTime
from twisted.internet.task import Clock
from zope.interface import implementer

EPOCH = 1_800_000_000.0  # what the wall clock shows at the beginning


class Time(Clock):
    """Twisted's ``Clock`` with a heap, going from call to call."""

    def __init__(self) -> None:
        super().__init__()
        self._heap: list[tuple[float, int, DelayedCall]] = []
        self._serial = count()
        self.set_by = [(0.0, 0.0)]  # since when the wall clock is set, and by how much

    def wall_clock(self) -> float:
        return EPOCH + self.rightNow + self.set_by[-1][1]

    def set_wall_clock(self, seconds: float) -> None:
        self.set_by.append((self.rightNow, self.set_by[-1][1] + seconds))

    def of_stamp(self, milliseconds: int) -> float:
        """When the wall clock showed that. A stamp has one time only, because every step is longer than a run."""
        at = milliseconds / 1000 - EPOCH
        ends = [begin for begin, _ in self.set_by[1:]] + [self.rightNow]
        fits = [
            at - by
            for (begin, by), end in zip(self.set_by, ends, strict=True)
            if begin - 0.002 <= at - by < end + 0.002
        ]
        return fits[-1] if fits else at

    def callLater(self, delay: float, callable: Callable[..., Any], *args: Any, **kw: Any) -> DelayedCall:
        call = DelayedCall(self.rightNow + delay, callable, args, kw, _nothing, self._push, self.seconds)
        self._push(call)
        return call

    def _push(self, call: DelayedCall) -> None:
        heappush(self._heap, (call.getTime(), next(self._serial), call))

    def step(self) -> bool:
        """Make the next call, at its time; False if there is none."""
        while self._heap:
            at, _, call = heappop(self._heap)
            if call.cancelled or call.called or call.time < at:
                continue
            if call.delayed_time:
                call.activate_delay()
                self._push(call)
                continue
            self.rightNow = max(self.rightNow, at)
            call.called = 1
            function, arguments, keywords = call.func, call.args, call.kw
            function(*arguments, **keywords)
            return True
        return False


class Torn(Exception):
    """What OpenSSL raises of half a PEM file: no OSError and no ValueError."""


def _nothing(_call: DelayedCall) -> None: ...


@implementer(IReactorTime, IReactorTCP, IReactorPluggableNameResolver)
class Machine:
    """The reactor of one life of the daemon. ``connect`` is the network's way to somebody who listens."""

    def __init__(self, time: Time, connect: Callable[..., Any]) -> None:
        self.time, self._connect = time, connect
        self.alive = True
        self.frozen_until = 0.0
        self.torn_until = 0.0  # a connect raises what nobody expects
        self.setup = ""
        self.calls: dict[int, tuple[DelayedCall, Callable[..., Any]]] = {}
        self.ports: dict[int, Any] = {}  # number -> factory
        self.nameResolver = self
        self._serial = count()

    def seconds(self) -> float:
        return self.time.rightNow

    def callLater(self, delay: float, callable: Callable[..., Any], *args: Any, **kw: Any) -> DelayedCall:
        time, key = self.time, next(self._serial)

        def run() -> None:
            if self.frozen_until > time.rightNow:
                call.called = 0
                call.time = self.frozen_until
                time._push(call)
                return
            if self.calls.pop(key, None) is not None and self.alive:
                callable(*args, **kw)

        def cancelled(_call: DelayedCall) -> None:
            self.calls.pop(key, None)

        call = DelayedCall(time.rightNow + delay, run, (), {}, cancelled, time._push, time.seconds)
        self.calls[key] = call, callable
        time._push(call)
        return call

    def getDelayedCalls(self) -> list[DelayedCall]:
        return [call for call, _ in self.calls.values()]

    def waiting(self) -> list[str]:
        """What would be called, by name."""
        return [str(getattr(what, "__qualname__", what)) for _, what in self.calls.values()]

    def resolveHostName(self, receiver: Any, name: str, portNumber: int = 0, *_: Any, **__: Any) -> None:
        if self.torn_until > self.time.rightNow:
            raise Torn([("PEM routines", "", "no start line")])
        receiver.resolutionBegan(None)
        receiver.addressResolved(IPv4Address("TCP", name, portNumber))
        receiver.resolutionComplete()

    def installNameResolver(self, resolver: Any) -> Any:
        raise NotImplementedError

    def connectTCP(self, host: str, port: int, factory: Any, timeout: float = 30, bindAddress: Any = None) -> Any:
        return self._connect(self, host, port, factory, timeout)

    def listenTCP(self, port: int, factory: Any, backlog: int = 50, interface: str = "") -> Any:
        self.ports[port] = factory
        factory.doStart()
        return Port(self, port, factory)

    def die(self) -> None:
        """Nothing more comes of it. What it still does in this turn, it does not know."""
        self.alive = False
        self.calls.clear()
        self.ports.clear()


class Port:
    """What ``listenTCP`` gives."""

    def __init__(self, machine: Machine, number: int, factory: Any) -> None:
        self._machine, self._number, self._factory = machine, number, factory

    def getHost(self) -> IPv4Address:
        return IPv4Address("TCP", "127.0.0.1", self._number)

    def stopListening(self) -> None:
        self._machine.ports.pop(self._number, None)
        self._factory.doStop()
