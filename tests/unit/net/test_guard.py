"""Public addresses only: whatever a name leads to, and however an address is written."""

from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.error import ConnectionRefusedError, DNSLookupError
from twisted.internet.interfaces import IHostnameResolver, IReactorPluggableNameResolver
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from smsconnector.errors import TargetNotAllowed
from smsconnector.net.guard import literal_address, public_endpoint, why_not_public
from smsconnector.net.tls import TLS

PUBLIC = ("93.184.216.34", "8.8.8.8", "1.1.1.1", "172.15.255.255", "172.32.0.1", "100.63.255.255", "100.128.0.1")
PUBLIC_6 = ("2606:2800:220:1:248:1893:25c8:1946", "2a00:1450:4001:81c::200e", "2001:4860:4860::8888")
NOT_PUBLIC = (
    *("0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.255", "127.0.0.1"),
    *("127.255.255.254", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.8", "192.0.2.1", "192.88.99.1"),
    *("192.168.0.1", "198.18.0.1", "198.19.255.255", "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.255.255.250"),
    *("240.0.0.1", "255.255.255.255"),
    *("::", "::1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::7f00:1", "64:ff9b::7f00:1", "64:ff9b::8.8.8.8"),
    *("64:ff9b:1::1", "100::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1"),
    *("2001::1", "2001:10::1", "2001:db8::1", "2002:7f00:1::", "3fff::1", "5f00::1", "4000::1", "no address", ""),
)


class AddressesCase(SynchronousTestCase):
    def test_table(self) -> None:
        """Every range that is not public, at both ends where it has a neighbour that is."""
        for address in (*PUBLIC, *PUBLIC_6):
            self.assertIsNone(why_not_public(address), address)
        for address in NOT_PUBLIC:
            self.assertTrue(why_not_public(address), address)

    def test_words(self) -> None:
        """An operator reads what kind of address it is."""
        for address, word in (("169.254.169.254", "link-local"), ("::1", "loopback"), ("fd00::1", "private")):
            self.assertEqual(why_not_public(address), word)

    def test_spellings(self) -> None:
        """One address in all the ways that inet_aton(3) reads; a name is none."""
        for host in ("127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "127.0.0.1."):
            self.assertEqual(literal_address(host), "127.0.0.1", host)
        for host in ("[::1]", "::1", "[0:0:0:0:0:0:0:1]", "[::1%25eth0]", "[0000::0001]"):
            self.assertEqual(literal_address(host), "::1", host)
        for host in ("crm.example.org", "localhost", "1.example", "127.0.0.1.example", "256.1.1.1", "[::g]", ""):
            self.assertIsNone(literal_address(host), host)


@implementer(IReactorPluggableNameResolver, IHostnameResolver)
class Reactor(MemoryReactorClock):
    """``names`` says what each question for a name is answered, one after the other."""

    def __init__(self, *answers: tuple[str, ...]) -> None:
        super().__init__()
        self.answers, self.asked = list(answers), 0

        self.nameResolver: Any = self

    def resolveHostName(self, resolutionReceiver: Any, hostName: str, portNumber: int = 0, *_more: Any) -> Any:
        answer = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        resolutionReceiver.resolutionBegan(None)
        for address in answer:
            kind = IPv6Address if ":" in address else IPv4Address
            resolutionReceiver.addressResolved(kind("TCP", address, portNumber))
        resolutionReceiver.resolutionComplete()


class ConnectCase(SynchronousTestCase):
    def connect(self, *answers: tuple[str, ...], tls: TLS | None = None, host: str = "crm.example") -> Any:
        self.reactor = Reactor(*answers)
        self.endpoint = public_endpoint(self.reactor, host, 443, tls)
        return self.again()

    def again(self) -> Any:
        connected = self.endpoint.connect(Factory.forProtocol(Protocol))
        self.reactor.advance(1)
        return connected

    def hosts(self) -> list[str]:
        return [host for host, *_ in self.reactor.tcpClients]

    def test_public(self) -> None:
        """It connects to the address, not to the name: nobody asks for the name again."""
        connected = self.connect(("93.184.216.34",))
        self.assertNoResult(connected)
        self.assertEqual((self.hosts(), self.reactor.asked), (["93.184.216.34"], 1))

    def test_private(self) -> None:
        """Nothing is connected to, and the failure says which address it is and what to do if it is meant."""
        for address in ("127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "::ffff:10.0.0.1", "fd00::1"):
            error = self.failureResultOf(self.connect((address,)), TargetNotAllowed).value
            self.assertEqual(self.hosts(), [])
            self.assertIn(f"crm.example leads to no public address ({address} is ", str(error))
            self.assertIn("allow_private: yes", str(error))

    def test_literals(self) -> None:
        """A literal address is no way round it."""
        for host in ("127.0.0.1", "2130706433", "127.1"):
            self.failureResultOf(self.connect(("127.0.0.1",), host=host), TargetNotAllowed)

    def test_mixed(self) -> None:
        """Of several addresses the public ones are tried, and no other."""
        self.connect(("10.0.0.1", "93.184.216.34", "::1", "2a00:1450:4001:81c::200e"))
        self.assertEqual(self.hosts(), ["93.184.216.34", "2a00:1450:4001:81c::200e"])

    def test_rebinding(self) -> None:
        """Each connection looks for itself: a name that leads somewhere else the next time is refused then."""
        self.connect(("93.184.216.34",), ("127.0.0.1",))
        self.failureResultOf(self.again(), TargetNotAllowed)
        self.assertEqual(self.hosts(), ["93.184.216.34"])

    def test_other_failures(self) -> None:
        """A name that nobody knows, and a connection that is refused, are what they are elsewhere."""
        self.failureResultOf(self.connect(()), DNSLookupError)
        connected = self.connect(("93.184.216.34", "10.0.0.1"))
        factory: Any = self.reactor.tcpClients[0][2]
        factory.clientConnectionFailed(None, Failure(ConnectionRefusedError()))
        self.reactor.advance(1)
        self.failureResultOf(connected, ConnectionRefusedError)

    def test_tls(self) -> None:
        """By TLS too the address is looked at; the certificate is asked for by the name."""
        self.failureResultOf(self.connect(("127.0.0.1",), tls=TLS()), TargetNotAllowed)
        self.connect(("93.184.216.34",), tls=TLS())
        self.assertEqual(self.hosts(), ["93.184.216.34"])
        self.assertEqual(self.endpoint._host, "crm.example")
