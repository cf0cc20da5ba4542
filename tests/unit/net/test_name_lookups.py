"""Names are looked up once for all who wait."""

from typing import Any, cast

from twisted.internet.address import IPv4Address
from twisted.internet.interfaces import IHostnameResolver, IReactorPluggableNameResolver
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from smsconnector.net.http_client import HTTPClient
from smsconnector.net.name_lookups import SharedLookUps, share_look_ups

ADDRESS = IPv4Address("TCP", "198.51.100.7", 443)


@implementer(IHostnameResolver)
class FakeResolver:
    """The test ends each look-up. Like Twisted's it has a thread for each, and ``threads`` of them."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []

    def resolveHostName(
        self, receiver: Any, name: str, portNumber: int = 0, addressTypes: Any = None, transportSemantics: str = "TCP"
    ) -> Any:
        self.asked.append((name, receiver))
        return receiver

    def end(self, *addresses: Any) -> None:
        """The oldest one has these addresses."""
        _, receiver = self.asked.pop(0)
        for one in addresses:
            receiver.addressResolved(one)
        receiver.resolutionComplete()

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.asked]


class Receiver:
    def __init__(self, fault: bool = False) -> None:
        self.fault = fault
        self.began: Any = None
        self.found: list[Any] = []
        self.completed = 0

    def resolutionBegan(self, resolution: Any) -> None:
        self.began = resolution

    def addressResolved(self, address: Any) -> None:
        if self.fault:
            raise ValueError("a fault")
        self.found.append(address)

    def resolutionComplete(self) -> None:
        self.completed += 1


@implementer(IReactorPluggableNameResolver)
class NamingClock(Clock):
    def __init__(self) -> None:
        super().__init__()
        self.nameResolver: Any = FakeResolver()

    def installNameResolver(self, resolver: Any) -> Any:
        before, self.nameResolver = self.nameResolver, resolver
        return before


class LookUpsCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.resolver = FakeResolver()
        self.shared = SharedLookUps(self.resolver)

    def ask(self, name: str, port: int = 443, fault: bool = False) -> Receiver:
        receiver = Receiver(fault)
        self.shared.resolveHostName(receiver, name, port)
        return receiver

    def test_one_for_all(self) -> None:
        """Fifty who wait for a slow name take one thread, and another name goes its own way (measured: it waited 15 s
        for 50 look-ups of 3 s)."""
        slow = [self.ask("slow.example") for _ in range(50)]
        other = self.ask("other.example")
        self.assertEqual(self.resolver.names, ["slow.example", "other.example"])
        self.assertTrue(all(one.began is not None for one in slow))
        self.resolver.end(ADDRESS)
        self.assertEqual({(one.completed, *one.found) for one in slow}, {(1, ADDRESS)})
        self.assertEqual(other.completed, 0)

    def test_asked_anew(self) -> None:
        """A result is not kept, and a failure neither: an address may change (RFC 1035 leaves that to the resolver)."""
        first = self.ask("a.example")
        self.resolver.end()
        self.assertEqual((first.completed, first.found), (1, []))
        second = self.ask("a.example")
        self.resolver.end(ADDRESS)
        self.assertEqual(second.found, [ADDRESS])

    def test_other_questions(self) -> None:
        """Another port has addresses of its own."""
        self.ask("a.example", 443), self.ask("a.example", 80)
        self.assertEqual(len(self.resolver.asked), 2)

    def test_cancelled_and_faulty(self) -> None:
        """Neither keeps the others from the result."""
        gone, faulty, good = self.ask("a.example"), self.ask("a.example", fault=True), self.ask("a.example")
        gone.began.cancel()
        self.resolver.end(ADDRESS)
        self.assertEqual((gone.completed, good.found), (0, [ADDRESS]))
        self.assertEqual((faulty.completed, len(self.flushLoggedErrors(ValueError))), (0, 1))

    def test_asked_while_told(self) -> None:
        """Who asks again when he is told begins a new look-up."""
        shared = self.shared

        class Again(Receiver):
            def resolutionComplete(self) -> None:
                super().resolutionComplete()
                shared.resolveHostName(Receiver(), "a.example", 443)

        self.shared.resolveHostName(Again(), "a.example", 443)
        self.resolver.end(ADDRESS)
        self.assertEqual(self.resolver.names, ["a.example"])

    def test_installed(self) -> None:
        """By the client for HTTP, once, for channels and sinks alike; a reactor without a resolver stays as it is."""
        clock = NamingClock()
        for _ in range(2):
            HTTPClient(clock, connections=1)
        self.assertIsInstance(clock.nameResolver, SharedLookUps)
        self.assertIsInstance(cast(Any, clock.nameResolver)._resolver, FakeResolver)
        share_look_ups(Clock())
