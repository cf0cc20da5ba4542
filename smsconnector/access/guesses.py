"""Addresses that come with wrong keys are slowed down, before anything is hashed for them.

Each address may have ``AT_ONCE`` keys checked that are not known yet, and one more every ``EVERY_S`` seconds. A key
that turns out to be right costs nothing. IPv6 addresses count by their /64, which one customer has as a whole.

What a key that is known already does is not asked here: who has one, behind the same proxy as an attacker, goes on.
"""

from collections import OrderedDict
from ipaddress import IPv4Address, IPv6Address

from smsconnector.smpp.pace import TokenBucket

AT_ONCE = 10
EVERY_S = 6.0
MOST = 10_000  # addresses; beyond them the one that was quiet the longest is forgotten

Address = IPv4Address | IPv6Address | None


class Guesses:
    """``now`` is in seconds of a clock that only rises."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._buckets: OrderedDict[int, TokenBucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def charge(self, address: Address, now: float) -> float:
        """Count a key of this address. 0 if it may be checked, else the seconds until one may be."""
        place = _place(address)
        bucket = self._buckets.get(place)
        if bucket is None:
            if len(self._buckets) >= self._most:
                self._buckets.popitem(last=False)
            bucket = self._buckets[place] = TokenBucket(1 / EVERY_S, now, burst=AT_ONCE * EVERY_S, is_full=True)
        else:
            self._buckets.move_to_end(place)
        if not bucket.available(now):
            return bucket.wait_for_one()
        bucket.take()
        return 0.0

    def give_back(self, address: Address) -> None:
        """The key was right."""
        bucket = self._buckets.get(_place(address))
        if bucket is not None:
            bucket.give_back()


def _place(address: Address) -> int:
    """IPv4 addresses are their numbers, networks of IPv6 numbers below zero; no address is another one."""
    if address is None:
        return -1
    return int(address) if isinstance(address, IPv4Address) else -2 - (int(address) >> 64)
