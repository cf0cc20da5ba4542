"""One connection to an SMSC: the transport around a session that does no I/O of its own.

It keeps buffers bounded: nothing is read from the SMSC while the disk can't keep up with what it delivers, and while it
does not read what we answer.

It keeps the end bounded: the connection to a peer that is silent is aborted at once; any other peer has some seconds to
take the last octets.

Time-outs count only the time in which the SMSC could be heard (``net.hearing``): not the time in which the process was
frozen, and not the time in which nothing is read.
"""

from typing import Any, Protocol

from twisted.internet import protocol as net
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime, ITCPTransport
from twisted.python.failure import Failure
from zope.interface import implementer

from smsconnector.net.hearing import FULL_READ, Hearing
from smsconnector.net.protocols import ENOUGH, spoken_instead
from smsconnector.net.tls import explain_failure
from smsconnector.net.writing import write_at_once
from smsconnector.smpp import session as smpp
from smsconnector.timers import Repeating

SESSION_TICK = 0.25  # seconds between looks at the clock, per session
CLOSE_TIMEOUT = 5.0  # seconds for the peer to take the last octets and close; then the connection is aborted


class SessionOwner(Protocol):
    """Who hears what the session tells."""

    clock: IReactorTime

    def dispatch(self, protocol: "SMPPProtocol", events: list[smpp.SessionEvent]) -> None: ...
    def gone(self, protocol: "SMPPProtocol") -> None: ...


@implementer(IPushProducer)
class SMPPProtocol(net.Protocol):
    """The shell around one session: feed it, take its events, write its octets, dispatch.

    As the transport's producer it learns when the peer does not read what is written."""

    transport: Any

    def __init__(self, owner: SessionOwner, session: smpp.Session) -> None:
        self._owner, self.session = owner, session
        self._ticking = Repeating(owner.clock, "a session's look at the time", self._tick)
        self._hearing = Hearing(owner.clock.seconds())
        self._awake = Hearing(owner.clock.seconds())  # as if we always read
        self._abort: IDelayedCall | None = None
        self._held = False  # by the bind: the disk has to catch up
        self._first: bytes | None = b""  # what came first; None: it is SMPP
        self._submits_at: float | None = None  # the same for all that is written together
        self._blocked_since: float | None = None  # by _awake; when the peer's side of the connection became full

    def connectionMade(self) -> None:
        if ITCPTransport.providedBy(self.transport):
            self.transport.setTcpNoDelay(True)
            self.transport.setTcpKeepAlive(True)
        self.transport.registerProducer(self, True)
        self.session.start(self._now())
        self.flush()
        self._ticking.start(SESSION_TICK, now=False)

    def dataReceived(self, data: bytes) -> None:
        if len(data) >= FULL_READ:
            self._hearing.behind()
        if self._first is not None and self._is_foreign(data):
            return
        self._dispatch(self.session.receive(data, self._now()))

    def _is_foreign(self, data: bytes) -> bool:
        """Look at the first octets. What is no SMPP ends the session; nothing is answered, for nobody could read it."""
        self._first = ((self._first or b"") + data)[:ENOUGH]
        instead = spoken_instead(self._first, "SMPP")
        if instead:
            self._dispatch(self.session.connection_lost(f"the other side is no SMSC ({instead})", silent=True))
            return True
        if len(self._first) == ENOUGH:
            self._first = None
        return False

    def submit(self, body: bytes, token: Any) -> None:
        """A rendered submit_sm body into the window; ``flush`` writes it."""
        if self._submits_at is None:
            self._submits_at = self._now()
        self.session.submit(body, token, self._submits_at)

    def ask(self, command_id: int, body: bytes, token: Any) -> None:
        """A request that is no submit: it is written at once."""
        self.session.ask(command_id, body, token, self._now())
        self.flush()

    def connectionLost(self, reason: Failure = net.connectionDone) -> None:
        if self._ticking.running:
            self._ticking.stop()
        if self._abort is not None and self._abort.active():
            self._abort.cancel()
        clean = reason.check(ConnectionDone) is not None
        text = "the SMSC closed the connection" if clean else f"connection lost ({explain_failure(reason)})"
        self._owner.dispatch(self, self.session.connection_lost(text))
        self._owner.gone(self)

    def unbind(self) -> None:
        self._dispatch(self.session.unbind(self._now()))

    def flush(self) -> None:
        """Write what the session has queued in this turn."""
        self._submits_at = None
        data = self.session.data_to_send()
        if data:
            write_at_once(self.transport, data)

    # --- what is read, and what is not ----------------------------------------------------------------------

    def hold_reading(self, hold: bool) -> None:
        """Read nothing more for the time being, or go on."""
        self._held = hold
        self._read_or_not()

    def pauseProducing(self) -> None:
        """The transport: what was written is not being read."""
        self._blocked_since = self._awake.now(self._owner.clock.seconds())
        self._read_or_not()

    def resumeProducing(self) -> None:
        """The transport: the peer reads again."""
        self._blocked_since = None
        self._read_or_not()

    def stopProducing(self) -> None: ...

    def _read_or_not(self) -> None:
        blocked = self._blocked_since is not None and self.session.state not in (smpp.State.OPEN, smpp.State.BINDING)
        if self._held or blocked:  # before the bind it may be a TLS handshake that has to be read
            self.transport.pauseProducing()
        else:
            self.transport.resumeProducing()
        self._hearing.hold(self._held or (blocked and self.session.state is smpp.State.BOUND))  # a drain has to end

    # --- time and ends --------------------------------------------------------------------------------------

    def _now(self) -> float:
        """For what begins now."""
        return self._hearing.now(self._owner.clock.seconds())

    def _tick(self) -> None:
        now = self._owner.clock.seconds()
        awake = self._awake.tick(now)
        if self._blocked_since is not None and self.session.state in (smpp.State.BOUND, smpp.State.UNBINDING):
            self._read_or_not()
            limit = self.session.settings.response_timeout
            if self.session.state is smpp.State.BOUND and awake - self._blocked_since >= limit:
                self._dispatch(self.session.connection_lost(f"the SMSC read nothing for {limit:g} s", silent=True))
                return
        heard = self._hearing.tick(now)  # what has not been read can't be missed
        self._dispatch(self.session.tick(self._now(), heard))

    def _dispatch(self, events: list[smpp.SessionEvent]) -> None:
        if events:
            self._owner.dispatch(self, events)
        self.flush()
        if self.session.state is smpp.State.CLOSED:
            for closed in (event for event in events if isinstance(event, smpp.Closed)):
                self._close(closed.silent)

    def _close(self, silent: bool) -> None:
        """Close the connection, or abort it at once if nobody listens at the other end."""
        wait = 0.0 if silent else CLOSE_TIMEOUT
        self._abort = self._owner.clock.callLater(wait, self.transport.abortConnection)
        self.transport.unregisterProducer()
        self.transport.loseConnection()
