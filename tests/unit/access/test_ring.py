"""Whose key it is: known, hashed, or refused; and what a change of the file changes."""

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.access import keys, ring
from smsconnector.access.keys import Caller, Permissions, StoredKey
from smsconnector.access.ring import KeyRing

CHEAP = "scrypt:2:1:1"  # so that the tests are quick


def stored(key_id: str, secret: str = "right", **more: Any) -> StoredKey:
    salt = key_id.encode()
    digest = keys.hashed(secret.encode(), salt, CHEAP)
    return StoredKey(key_id, f"name-{key_id}", Permissions(("send",)), CHEAP, salt, digest)._replace(**more)


class Later:
    """Threads that are run when the test says so."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Callable[[], Any], Deferred[Any]]] = []
        self.count = 0

    def run(self, function: Callable[[], Any]) -> "Deferred[Any]":
        done: Deferred[Any] = Deferred()
        self.waiting.append((function, done))
        return done

    def go(self) -> None:
        waiting, self.waiting = self.waiting, []
        for function, done in waiting:
            self.count += 1
            done.callback(function())


class RingCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.threads = Later()
        self.ring = KeyRing(["configured"], in_thread=self.threads.run)
        self.ring.replace([stored("a"), stored("b", revoked_at=1)])
        self.found: list[Caller | None] = []

    def test_another_configuration(self) -> None:
        """Keys of the configuration come and go at once; those of the file stay, and have to be hashed once more."""
        self.assertEqual(self.ask(b"smsc_a_right"), self.ring.find(b"smsc_a_right"))
        gone = self.ring.configure(["second", "third"], 2.0)
        self.assertEqual([one.name for one in gone], ["http.api_keys[0]", "name-a"])
        self.assertIsNone(self.ring.find(b"configured"))
        third = self.ring.find(b"third")
        self.assertTrue(third is not None and third.name == "http.api_keys[1]" and third.bucket is not None)
        self.assertIsNone(self.ring.find(b"smsc_a_right"))
        found = self.ask(b"smsc_a_right")
        self.assertTrue(found is not None and found.bucket is not None)
        self.assertIsNone(self.ask(b"smsc_b_right"))
        self.ring.configure([], 0.0)
        self.assertTrue(self.ring.is_needed)  # by the keys of the file
        self.ring.replace([])
        self.assertFalse(self.ring.is_needed)

    def ask(self, key: bytes) -> Caller | None:
        self.assertTrue(self.ring.examine(key, self.found.append))
        self.threads.go()
        return self.found.pop()

    def test_table(self) -> None:
        """Which keys are found, each after one hash."""
        for key, name in (
            (b"smsc_a_right", "name-a"),
            (b"smsc_a_wrong", None),
            (b"smsc_a_", None),
            (b"smsc_a_right ", None),
            (b"smsc_a_right\0", None),
            (b"smsc_A_right", None),
            (b"smsc_b_right", None),  # revoked
            (b"smsc_c_right", None),  # unknown
            (b"smsc__right", None),
            (b"right", None),
            (b"\xff", None),
            (b"smsc_a_" + b"x" * 100_000, None),
            (b"configured", "http.api_keys[0]"),
            (b"configured ", None),
        ):
            before = self.threads.count
            caller = self.ask(key)
            self.assertEqual(caller and caller.name, name, key[:50])
            self.assertEqual(self.threads.count, before + 1, key[:50])

    def test_known(self) -> None:
        """A key that was right is known from then on; a wrong one is hashed again each time, and keeps no memory."""
        self.assertIsNone(self.ring.find(b"smsc_a_right"))
        caller = self.ask(b"smsc_a_right")
        self.assertIs(self.ring.find(b"smsc_a_right"), caller)
        for number in range(100):
            self.ask(b"smsc_a_%d" % number)
        self.assertEqual(self.threads.count, 101)
        self.assertEqual(len(self.ring._known), 2)
        self.assertFalse([one for one in self.ring._known if b"right" in one or b"configured" in one])

    def test_revoked(self) -> None:
        """Whoever was known is not, from the moment on at which the file has changed; the others stay known."""
        self.ring.replace([stored("a"), stored("c")])
        first, other = self.ask(b"smsc_a_right"), self.ask(b"smsc_c_right")
        self.assertEqual(self.ring.replace([stored("a", revoked_at=5), stored("c", used_at=7)]), [first])
        self.assertIsNone(self.ring.find(b"smsc_a_right"))
        self.assertIsNone(self.ask(b"smsc_a_right"))
        self.assertIs(self.ring.find(b"smsc_c_right"), other)
        self.assertIsNotNone(self.ring.find(b"configured"))

    def test_changed(self) -> None:
        """New permissions count at once."""
        self.ask(b"smsc_a_right")
        self.ring.replace([stored("a", permissions=Permissions(("read",), ("smpp",), ("192.0.2.0/24",), 5.0))])
        caller = self.ask(b"smsc_a_right")
        assert caller is not None and caller.bucket is not None
        self.assertEqual((caller.scopes, caller.channels, caller.bucket.rate), ({"read"}, {"smpp"}, 5.0))

    def test_revoked_while_hashed(self) -> None:
        """A hash that was begun before does not open the door after."""
        for now in ([stored("a", revoked_at=5)], [], [stored("a", secret="other")]):
            self.ring.replace([stored("a")])
            self.ring.examine(b"smsc_a_right", self.found.append)
            self.ring.replace(now)
            self.threads.go()
            self.assertEqual(self.found.pop(), None)
            self.assertIsNone(self.ring.find(b"smsc_a_right"))

    def test_needed(self) -> None:
        """Where there was a key once, one is needed ever after: the last one revoked does not open the door."""
        for configured, file, needed in (
            ([], [], False),
            (["x"], [], True),
            ([], [stored("a")], True),
            ([], [stored("a", revoked_at=1)], True),
        ):
            here = KeyRing(configured)
            here.replace(file)
            self.assertEqual(here.is_needed, needed)

    def test_together(self) -> None:
        """Requests with one key wait for one hash."""
        for _ in range(1_000):
            self.assertTrue(self.ring.examine(b"smsc_a_right", self.found.append))
        self.threads.go()
        self.assertEqual((self.threads.count, len(self.found), len(set(self.found))), (1, 1_000, 1))

    def test_bounded(self) -> None:
        """A flood of wrong keys has no more than ``MOST_AT_ONCE`` hashed or waiting; afterwards all is as before."""
        began = [self.ring.examine(b"smsc_a_%d" % number, self.found.append) for number in range(1_000)]
        self.assertEqual(sum(began), ring.MOST_AT_ONCE)
        self.threads.go()
        self.assertEqual(self.found, [None] * ring.MOST_AT_ONCE)
        self.assertIsNotNone(self.ask(b"smsc_a_right"))

    def test_what_follows_fails(self) -> None:
        """One request's fault is not that of the others who wait for the same hash."""

        def fails(_caller: Caller | None) -> None:
            raise RuntimeError("x")

        self.ring.examine(b"smsc_a_right", fails)
        self.assertIsNotNone(self.ask(b"smsc_a_right"))
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_the_hash_fails(self) -> None:
        """A way to hash that this version does not know, out of memory: nobody is let in, and the log says why."""
        self.ring.replace([stored("a", scheme="argon9")])
        self.ring.examine(b"smsc_a_right", self.found.append)
        ((function, done),), self.threads.waiting = self.threads.waiting, []
        done.errback(self.assertRaises(ValueError, function))
        self.assertEqual(self.found, [None])
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_rate(self) -> None:
        """A key's own, or else that of the configuration."""
        here = KeyRing(["x"], rate=7.0, in_thread=self.threads.run)
        here.replace([stored("a"), stored("b", permissions=Permissions(("send",), rate=3.0))])
        self.assertEqual(sorted(one.bucket.rate for one in here.callers() if one.bucket), [3.0, 7.0, 7.0])
