"""For how long a peer could have been heard. A time-out counts this time, and not the clock's.

A process may get no time for a while: SIGSTOP, a virtual machine that is paused, a disk that swaps. Or it reads
nothing from a peer on purpose, because it can't keep up with what that one sends. The peer's answers lie in the socket
then. They did come, so they must not count as missing when the process goes on: *read before you judge*.

One ``Hearing`` belongs to one connection, or to several that are looked at by one timer.

1. Its owner calls ``tick`` regularly, more often than every ``most`` seconds, from the timer that looks at time-outs.
2. ``tick`` gives the seconds in which the peer was heard, up to the tick before this one. All that had come by then has
   been read, because the reactor reads between two ticks. Time-outs are judged by this number.
3. A gap between two ticks counts ``most`` seconds at most. After a longer one the process was frozen, and the gap is
   no silence of the peer.
4. While ``listening`` is False nothing is heard, and nothing counts. ``behind`` says that what was read filled the
   buffer: then more may lie in the socket, and nothing counts up to the next tick.
5. ``now`` gives the number for what begins now: a submit that is sent, octets that have come. It is never less than
   what a later tick counts from, so that nothing is judged too early.

The numbers begin at 0. Each says seconds on a clock that only rises, and can be given to a core that wants ``now``.
"""

MOST = 1.0  # seconds
FULL_READ = 65_536  # octets: Twisted reads no more at a time from a connection


class Hearing:
    """``now`` is the clock's time, in seconds, with each call. ``most`` (s): a longer gap between two ticks is not an
    ordinary one."""

    def __init__(self, now: float, most: float = MOST) -> None:
        self._most = most
        self.listening = True  # whether octets of the peer are read
        self._deaf = False  # for some time since the last tick
        self._ticked_at = now
        self._woke_at = now - most  # when the last long gap ended
        self._heard = 0.0
        self._pending = 0.0  # the gap before the last tick, which counts when what had come by then is read
        self._latest = 0.0  # what ``now`` gave last

    def hold(self, hold: bool) -> None:
        """Reading is held, or goes on."""
        self.listening = not hold
        self._deaf = self._deaf or hold

    def behind(self) -> None:
        """More has come than was read."""
        self._deaf = True

    def tick(self, now: float) -> float:
        """Seconds in which the peer could be heard, and was, until the tick before this one."""
        if self._deaf:
            self._pending = 0.0
        else:
            self._heard += self._pending
            self._pending = self._gap(now)
        if now - self._ticked_at > self._most:
            self._woke_at = now
        self._deaf = not self.listening
        self._ticked_at = now
        return self._heard

    def now(self, now: float) -> float:
        """The number for what begins now."""
        gap = now - self._ticked_at
        found = self._heard + self._pending + (gap if gap < self._most else self._most)
        self._latest = max(self._latest, found)
        return self._latest

    def has_just_woken(self, now: float) -> bool:
        """Whether the process was frozen until a moment ago. For time-outs that somebody else's timer counts."""
        return now - self._ticked_at > self._most or now - self._woke_at < self._most

    def _gap(self, now: float) -> float:
        return min(now - self._ticked_at, self._most)
