"""What a key looks like, and what is written of it."""

from twisted.trial.unittest import SynchronousTestCase

from smsconnector.access import keys
from smsconnector.access.keys import NOBODYS, Caller, Permissions, StoredKey


class KeysCase(SynchronousTestCase):
    def test_made(self) -> None:
        """A key goes apart into what it was made of. No two are alike. Its secret has 256 bits at least."""
        made = {keys.make_secret() for _ in range(100)}
        self.assertEqual(len({key_id for key_id, _ in made} | {secret for _, secret in made}), 200)
        for key_id, secret in made:
            self.assertEqual(keys.parts_of(keys.written(key_id, secret).encode()), (key_id, secret.encode()))
            self.assertGreaterEqual(len(set(keys._LETTERS)) ** len(secret), 2**256)

    def test_what_is_no_key(self) -> None:
        """Whatever a client sends can be looked up: it has no id, and nothing raises."""
        for given in (
            b"",
            b"x",
            b"smsc",
            b"smsc_",
            b"smsc__x",
            b"SMSC_abc_x",
            b"smsc_\xff_x",
            b"smsc_a b_x",
            b"_" * 99,
        ):
            self.assertEqual(keys.parts_of(given), ("", given), given)
        for given in (b"smsc_abc_", b"smsc_abc_x_y", b"smsc_abc_x\0", b"smsc_abc_x ", b"smsc_%b_x" % (b"a" * 65)):
            self.assertEqual(keys.parts_of(given), ("", given), given)
        self.assertEqual(keys.parts_of(b"smsc_abc_x"), ("abc", b"x"))

    def test_hashed(self) -> None:
        """The vector of RFC 7914 section 12 with N = 1024 in parts of it, and a scheme that nobody knows."""
        wanted = "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"
        self.assertEqual(keys.hashed(b"password", b"NaCl", "scrypt:1024:8:16").hex(), wanted)
        for scheme in ("md5", "scrypt", "scrypt:1024:8", "argon2:1:2:3"):
            self.assertRaises(ValueError, keys.hashed, b"x", b"y", scheme)

    def test_right_and_wrong(self) -> None:
        """Only the secret that was hashed; nobody's key has none."""
        stored = StoredKey("a", "a", Permissions(("send",)), "scrypt:16:8:1", b"salt")
        stored = stored._replace(hash=keys.hashed(b"right", b"salt", stored.scheme))
        for secret, right in ((b"right", True), (b"wrong", False), (b"", False), (b"right ", False)):
            self.assertEqual(keys.is_right(stored, secret), right, secret)
        self.assertFalse(keys.is_right(NOBODYS, b""))
        self.assertEqual(NOBODYS.scheme, keys.SCRYPT)  # it costs what others cost

    def test_channels(self) -> None:
        """A key without channels is for all."""
        self.assertTrue(Caller("a").may_use("smpp"))
        self.assertTrue(Caller("a", channels=frozenset({"smpp"})).may_use("smpp"))
        self.assertFalse(Caller("a", channels=frozenset({"smpp"})).may_use("cloud"))
