"""The keys in memory, and who is behind one that a client presents.

1. A key that was found right before is in a dict, under a digest that is keyed anew in each process. So nothing in
   memory shows a key, nobody can aim at a place in the dict, and a look costs a microsecond.
2. Any other key is hashed in a thread, by scrypt: a key whose id is not known too, with the same effort. Requests that
   bring the same key meanwhile wait for the same hash. ``MOST_AT_ONCE`` keys are hashed or wait for it, no more.
3. When the file has changed, what is known of keys that were revoked or changed is forgotten.

Whoever is refused, has cost one hash: a wrong secret, an id that there is not, a key that was revoked, and one that is
right but not for this, which ``examine`` is called for as well.
"""

import hashlib
import secrets
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from smsconnector.access.keys import LONGEST, NOBODYS, RATE_BURST_S, Caller, StoredKey, is_right, parts_of
from smsconnector.hooks.callers import network_of
from smsconnector.smpp.pace import TokenBucket

MOST_AT_ONCE = 64  # keys that are hashed, or wait for it
MOST_KNOWN = 4_096  # keys that were found right; far more than anybody has
InThread = Callable[[Callable[[], Any]], "Deferred[Any]"]
Examined = Callable[[Caller | None], None]


class KeyRing:
    """``keys`` are those of the configuration: they have all scopes, and are known from the beginning. ``rate``: of
    keys that have none of their own; requests a second, 0 for no limit. ``in_thread`` runs a function in a thread;
    None: no keys of a file will come."""

    log = Logger()

    def __init__(self, keys: Sequence[str] = (), *, rate: float = 0.0, in_thread: InThread | None = None) -> None:
        self._secret, self._rate, self._in_thread = secrets.token_bytes(32), rate, in_thread
        self._configured = self._callers_of(keys)
        self._known = dict(self._configured)
        self._stored: dict[str, StoredKey] = {}
        self._callers: dict[str, Caller] = {}
        self._examined: dict[bytes, list[Examined]] = {}
        self.is_needed = bool(keys)  # whether requests need a key
        self.is_stored = False  # whether there are, or were, keys in the file

    def _callers_of(self, keys: Sequence[str]) -> dict[bytes, Caller]:
        named = {key: f"http.api_keys[{number}]" for number, key in reversed([*enumerate(keys)])}
        return {self._digest(key.encode()): self._caller(name) for key, name in named.items()}

    def configure(self, keys: Sequence[str], rate: float) -> list[Caller]:
        """These are the keys of the configuration now, and the rate of all keys that have none of their own. Gives
        the callers that are gone; those of the file are made anew, for the rate may be another one."""
        gone, stored = [*self.callers()], self._stored.values()
        self._rate, self._stored, self._callers, self._known = rate, {}, {}, {}
        self._configured = self._callers_of(keys)
        self.replace(stored)
        self._known = dict(self._configured)
        return gone

    def callers(self) -> Iterable[Caller]:
        """All that there are now."""
        return (*self._configured.values(), *self._callers.values())

    def replace(self, stored: Iterable[StoredKey]) -> list[Caller]:
        """These are the keys of the file now. Gives the callers that are gone, or were changed."""
        before, self._stored = self._stored, {one.id: one for one in stored}
        self.is_stored = bool(self._stored)
        self.is_needed = bool(self._configured) or self.is_stored
        stays = {key_id for key_id, one in self._stored.items() if _same(before.get(key_id), one)}
        gone = [caller for key_id, caller in self._callers.items() if key_id not in stays]
        self._callers = {
            key_id: self._callers[key_id] if key_id in stays else self._caller_of(one)
            for key_id, one in self._stored.items()
            if one.revoked_at is None
        }
        self._known = {
            digest: caller
            for digest, caller in self._known.items()
            if not caller.id or self._callers.get(caller.id) is caller
        }
        return gone

    def find(self, given: bytes) -> Caller | None:
        """Whose key this is, if it is known already."""
        return self._known.get(self._digest(given))

    def is_examined(self, given: bytes) -> bool:
        """Whether this key is being hashed, or waits for it."""
        return self._digest(given) in self._examined

    def examine(self, given: bytes, examined: Examined) -> bool:
        """Have it hashed; ``examined`` is called, later, with the caller if it is right. False: there are too many, and
        nothing is done."""
        digest = self._digest(given)
        waiting = self._examined.get(digest)
        if waiting is not None:
            waiting.append(examined)
            return True
        if len(self._examined) >= MOST_AT_ONCE or self._in_thread is None:
            return False
        self._examined[digest] = [examined]
        key_id, secret = parts_of(given[:LONGEST])
        stored = self._stored.get(key_id, NOBODYS)
        self._in_thread(lambda: is_right(stored, secret)).addBoth(self._hashed, digest, stored)
        return True

    def _hashed(self, right: Any, digest: bytes, stored: StoredKey) -> None:
        if isinstance(right, Failure):
            self.log.failure("a key could not be checked", right)
        now = self._callers.get(stored.id)  # it may have been revoked meanwhile
        unchanged = _same(self._stored.get(stored.id), stored)
        caller = now if right is True and unchanged else None
        if caller is not None:
            if len(self._known) >= MOST_KNOWN:
                self._known = dict(self._configured)
            self._known[digest] = caller
        for examined in self._examined.pop(digest):
            try:
                examined(self._configured.get(digest) or caller)
            except Exception:  # noqa: BLE001 — the edge of a loop: one request's fault is not the others'
                self.log.failure("what follows the check of a key failed")

    def _digest(self, given: bytes) -> bytes:
        return hashlib.blake2b(given, key=self._secret, digest_size=16).digest()

    def _caller(self, name: str, rate: float = 0.0, **more: Any) -> Caller:
        rate = rate or self._rate
        bucket = TokenBucket(rate, 0.0, RATE_BURST_S, is_full=True) if rate > 0 else None
        return Caller(name, bucket=bucket, **more)

    def _caller_of(self, stored: StoredKey) -> Caller:
        scopes, channels, networks, rate = stored.permissions
        return self._caller(
            stored.name,
            rate,
            id=stored.id,
            scopes=frozenset(scopes),
            channels=frozenset(channels),
            networks=tuple(map(network_of, networks)),
        )


def _same(one: StoredKey | None, other: StoredKey) -> bool:
    """But for when it was used."""
    return one is not None and one._replace(used_at=None) == other._replace(used_at=None)
