"""One look-up under way for each name, whoever waits for it.

Twisted looks names up by getaddrinfo(3) in a pool of ten threads. A name whose servers are slow takes a thread for some
seconds in each look-up, and each new connection looks its name up. So fifty requests to such a name would keep all
other channels and sinks from theirs. Here they share one look-up, and its result.

Nothing is kept: the next connection after the result asks again.
"""

from collections.abc import Sequence
from typing import Any

from twisted.internet.interfaces import (
    IHostnameResolver,
    IHostResolution,
    IReactorPluggableNameResolver,
    IResolutionReceiver,
)
from twisted.logger import Logger
from zope.interface import implementer


def share_look_ups(reactor: Any) -> None:
    """Have all who connect by ``reactor`` share their look-ups. Once is enough, and more do no harm. Nothing is done to
    a reactor that looks no names up, such as that of a test."""
    if not IReactorPluggableNameResolver.providedBy(reactor):
        return
    resolver = getattr(reactor, "nameResolver", None)
    if IHostnameResolver.providedBy(resolver) and resolver is not reactor and not isinstance(resolver, SharedLookUps):
        reactor.installNameResolver(SharedLookUps(resolver))


@implementer(IHostnameResolver)
class SharedLookUps:
    """``resolver`` looks names up."""

    def __init__(self, resolver: Any) -> None:
        self._resolver = resolver
        self._under_way: dict[Any, _LookUp] = {}

    def resolveHostName(
        self,
        resolutionReceiver: Any,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Sequence[Any] | None = None,
        transportSemantics: str = "TCP",
    ) -> Any:
        key = (hostName, portNumber, None if addressTypes is None else tuple(addressTypes), transportSemantics)
        shared = self._under_way.get(key)
        if shared is not None:
            return shared.add(resolutionReceiver)
        shared = self._under_way[key] = _LookUp(hostName, lambda: self._under_way.pop(key, None))
        waiter = shared.add(resolutionReceiver)
        try:
            self._resolver.resolveHostName(shared, hostName, portNumber, addressTypes, transportSemantics)
        except BaseException:
            self._under_way.pop(key, None)
            raise
        return waiter


@implementer(IHostResolution)
class _Waiter:
    """One who waits. To cancel it is to wait no longer; the look-up goes on for the others."""

    def __init__(self, name: str, receiver: Any) -> None:
        self.name, self.receiver = name, receiver
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True


@implementer(IResolutionReceiver)
class _LookUp:
    """One look-up, and all who wait for it. ``ended`` is called before they are told, so that whoever asks again then
    has a look-up of his own."""

    log = Logger()

    def __init__(self, name: str, ended: Any) -> None:
        self._name, self._ended = name, ended
        self._waiters: list[_Waiter] = []
        self._addresses: list[Any] = []

    def add(self, receiver: Any) -> _Waiter:
        waiter = _Waiter(self._name, receiver)
        self._waiters.append(waiter)
        receiver.resolutionBegan(waiter)
        return waiter

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None: ...

    def addressResolved(self, address: Any) -> None:
        self._addresses.append(address)

    def resolutionComplete(self) -> None:
        self._ended()
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if waiter.is_cancelled:
                continue
            try:
                for address in self._addresses:
                    waiter.receiver.addressResolved(address)
                waiter.receiver.resolutionComplete()
            except Exception:  # noqa: BLE001 — the fault of one who waits must not keep the others from the result
                self.log.failure("a result of looking up a name could not be used")
