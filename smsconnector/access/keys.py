"""API keys: what one looks like, what it may do, and how it is hashed.

A key is ``smsc_ID_SECRET``. The id finds its row in the file; it is no secret. The secret has 256 random bits. The file
has only its hash by scrypt (RFC 7914), with a salt for each key.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from typing import NamedTuple

from smsconnector.hooks.callers import Network
from smsconnector.smpp.pace import TokenBucket

SCOPES = ("send", "read", "webhook", "admin", "health")
PREFIX = "smsc"
_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZabcdefghjkmnpqrstvwxyz"  # without those that look alike
_ID_LENGTH, _SECRET_LENGTH = 10, 45  # characters; 45 of 54 letters are 258 bits
LONGEST = 512  # octets; nothing longer is a key
# 16 MiB and some 40 ms for each guess. The secret is random, so that nobody finds it by guessing. The cost is for a
# file that was stolen where the random numbers of the machine were poor.
SCRYPT = "scrypt:16384:8:1"
SALT_LENGTH, HASH_LENGTH = 16, 32  # octets
RATE_BURST_S = 1.0  # so many seconds' worth of requests may come at once


class Permissions(NamedTuple):
    """What a key may do. Empty ``channels`` or ``networks``: all. ``rate``: requests a second, 0 for no limit."""

    scopes: tuple[str, ...]
    channels: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    rate: float = 0.0


class StoredKey(NamedTuple):
    """A key as the file has it. Times are ms since the Unix epoch; None: never."""

    id: str
    name: str
    permissions: Permissions
    scheme: str
    salt: bytes = b""
    hash: bytes = b""
    created_at: int = 0
    created_by: str = ""
    revoked_at: int | None = None
    used_at: int | None = None


@dataclass(slots=True, eq=False)
class Caller:
    """Who makes a request, by a key that was checked. ``id`` is "" for a key of the configuration. ``uses`` and
    ``sent``: requests that the key has opened, and messages that were accepted from it, since the keeper has looked."""

    name: str
    id: str = ""
    scopes: frozenset[str] = frozenset(SCOPES)
    channels: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()
    bucket: TokenBucket | None = None
    uses: int = field(default=0)
    sent: int = field(default=0)

    def may_use(self, channel: str) -> bool:
        """Whether the key is for this channel too."""
        return not self.channels or channel in self.channels

    @property
    def title(self) -> str:
        """As the audit and the log name it."""
        return f"key {self.name} ({self.id})" if self.id else f"key {self.name}"


def make_secret() -> tuple[str, str]:
    """An id and a secret, at random."""
    both = "".join(secrets.choice(_LETTERS) for _ in range(_ID_LENGTH + _SECRET_LENGTH))
    return both[:_ID_LENGTH], both[_ID_LENGTH:]


def written(key_id: str, secret: str) -> str:
    """The key as its owner gets it."""
    return f"{PREFIX}_{key_id}_{secret}"


def parts_of(given: bytes) -> tuple[str, bytes]:
    """Id and secret of what a client has sent. What has no such form has the id "", and is all secret. (A secret that
    ends with NUL would have the hash of the one without: HMAC, which is part of scrypt, fills short ones up.)"""
    prefix, _, rest = given.partition(b"_")
    key_id, _, secret = rest.partition(b"_")
    if prefix == PREFIX.encode() and len(key_id) <= 64 and key_id.isalnum() and secret.isalnum():
        return key_id.decode("ascii"), secret
    return "", given


def hashed(secret: bytes, salt: bytes, scheme: str = SCRYPT) -> bytes:
    """By the scheme ``scrypt:N:r:p``. Takes tens of milliseconds: not for the reactor's thread. ValueError for a scheme
    that is not known."""
    kind, *numbers = scheme.split(":")
    if kind != "scrypt" or len(numbers) != 3:
        raise ValueError(f"{scheme} is no way to hash a key")
    n, r, p = map(int, numbers)
    memory = 128 * r * (n + p) + 1_048_576  # octets
    return hashlib.scrypt(secret, salt=salt, n=n, r=r, p=p, dklen=HASH_LENGTH, maxmem=memory)


NOBODYS = StoredKey("", "", Permissions(()), SCRYPT, secrets.token_bytes(SALT_LENGTH), secrets.token_bytes(HASH_LENGTH))


def is_right(stored: StoredKey, secret: bytes) -> bool:
    """Whether it is the secret of this key. For a key that there is not, ``NOBODYS`` costs the same."""
    return hmac.compare_digest(hashed(secret, stored.salt, stored.scheme), stored.hash)
