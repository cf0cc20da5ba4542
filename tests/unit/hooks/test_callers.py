"""Callers without a signature: secrets, passwords and networks."""

import base64

from twisted.trial.unittest import SynchronousTestCase

from smsconnector.hooks.callers import AllOf, BasicPassword, Networks, SharedSecret, address_of, network_of
from smsconnector.hooks.requests import Place
from tests.unit.hooks import NOW, PATH, call, flipped


def networks(*texts: str) -> tuple[object, ...]:
    return tuple(network_of(text) for text in texts)


class CallersCase(SynchronousTestCase):
    def test_a_shared_secret(self) -> None:
        """In a header, behind a scheme, in the query, in the path; any of two."""
        secrets = ("s3cret/", "new one")
        for place, good, bad in (
            (Place("header", "X-Key"), {"headers": {"X-Key": "s3cret/"}}, {"headers": {"X-Key": "s3cret/x"}}),
            (Place("header", "X-Key"), {"headers": {"X-Key": "new one"}}, {}),
            (
                Place("header", "Authorization", "Bearer "),
                {"headers": {"Authorization": "bearer s3cret/"}},
                {"headers": {"Authorization": "s3cret/"}},
            ),
            (Place("query", "key"), {"target": f"{PATH}?key=s3cret%2F"}, {"target": f"{PATH}?key="}),
            (Place("path"), {"target": f"{PATH}/s3cret%2F"}, {"target": f"{PATH}/s3cret"}),
            (Place("form", "key"), {"body": b"key=new+one"}, {"body": b"key=other"}),
        ):
            verifier = SharedSecret(place, secrets)
            self.assertIsNone(verifier.fault(call(**good), NOW), place)
            self.assertIn("secret is", verifier.fault(call(**bad), NOW) or "", place)
            self.assertNotIn("s3cret", repr(verifier))

    def test_a_secret_of_any_characters(self) -> None:
        """What a caller sends can't raise: octets that are no ASCII, no UTF-8, or many."""
        verifier = SharedSecret(Place("query", "key"), ("gr\u00fcn",))
        self.assertIsNone(verifier.fault(call(target=f"{PATH}?key=gr%C3%BCn"), NOW))
        for text in ("%ff", "%C3", "\u00fc", "a" * 9_000, "%ed%a0%80"):
            self.assertIsNotNone(verifier.fault(call(target=f"{PATH}?key={text}"), NOW), text[:9])

    def test_basic(self) -> None:
        """User and password, as octets; one bit flipped is wrong."""
        verifier = BasicPassword(("user:p\u00e4ss:word", "other:x"))
        good = base64.b64encode("user:p\u00e4ss:word".encode())
        for kind in ("Basic", "basic"):
            self.assertIsNone(verifier.fault(call(headers={"Authorization": f"{kind} {good.decode()}"}), NOW))
        for text in (flipped(good, 4), b"", b"\xff", b"=", good[:-4]):
            request = call(headers={"Authorization": f"Basic {text.decode('latin-1')}"})
            self.assertIsNotNone(verifier.fault(request, NOW), text)
        self.assertIn("missing", verifier.fault(call(), NOW) or "")

    def test_networks(self) -> None:
        """The direct peer counts; X-Forwarded-For only behind proxies that are trusted, read from its end."""
        allowed, proxies = networks("192.0.2.0/24", "2001:db8::/32"), networks("127.0.0.0/8", "10.0.0.1")
        plain = Networks(allowed)  # type: ignore[arg-type]
        behind = Networks(allowed, proxies)  # type: ignore[arg-type]
        for verifier, peer, forwarded, passes in (
            (plain, "192.0.2.7", "", True),
            (plain, "::ffff:192.0.2.7", "", True),
            (plain, "2001:db8::1", "", True),
            (plain, "198.51.100.1", "", False),
            (plain, "198.51.100.1", "192.0.2.7", False),  # anybody can write that
            (plain, "", "", False),
            (plain, "a socket", "", False),
            (behind, "127.0.0.1", "192.0.2.7", True),
            (behind, "127.0.0.1", "192.0.2.7:5060", True),
            (behind, "127.0.0.1", "[2001:db8::1]:443, 10.0.0.1", True),
            (behind, "127.0.0.1", "192.0.2.7, 198.51.100.1", False),  # its own claim, before the proxy's word
            (behind, "127.0.0.1", "198.51.100.1, 192.0.2.7", True),
            (behind, "127.0.0.1", "192.0.2.7, rubbish", False),
            (behind, "127.0.0.1", "", False),
            (behind, "192.0.2.7", "198.51.100.1", True),  # the peer is no proxy
            (behind, "198.51.100.1", "192.0.2.7", False),
        ):
            request = call(peer=peer, headers={"X-Forwarded-For": forwarded} if forwarded else {})
            self.assertEqual(verifier.fault(request, NOW) is None, passes, (peer, forwarded))

    def test_a_network_that_is_none(self) -> None:
        """The sentence says how to write one."""
        for text in ("192.0.2.1/24", "example.org", "", "300.0.0.0/8"):
            with self.assertRaisesRegex(ValueError, "192.0.2.0/24"):
                network_of(text)
        self.assertIsNone(address_of("unknown"))

    def test_all_of_several(self) -> None:
        """A network and a secret: the first that is wrong is told."""
        secret = SharedSecret(Place("header", "K"), ("s",))
        both = AllOf((Networks(networks("192.0.2.0/24")), secret))  # type: ignore[arg-type]
        self.assertIsNone(both.fault(call(headers={"K": "s"}), NOW))
        self.assertIn("network", both.fault(call(headers={"K": "s"}, peer="198.51.100.1"), NOW) or "")
        self.assertIn("secret", both.fault(call(), NOW) or "")
