"""The fast lane: requests in their plain form are read and answered without twisted.web, by the same handlers.

1. ``Lane`` gets what a connection brings. It cuts it into requests: a head that is plain (``heads``), and a body of the
   length that the head says. What is not whole yet waits.
2. Each request gets a ``Reply``, which the handler calls with its answer. Requests that come at once are begun in one
   turn of the reactor, ``MOST_AT_ONCE`` at most, so that their texts share a commit. A request that reads (GET) is
   begun when all before it have their answers, and nothing is begun beside it.
3. The answers of one turn are written together, in the order of the requests, and at once (``net.writing``). While the
   client does not read them, nothing is read from it.
4. Whatever is not plain is handed over to twisted.web (``site``), with its octets from the first one of its request on,
   when all before it are answered. So is every refusal of what is not HTTP. When the client has its answers and nothing
   else has come, a new lane has the connection again; not if that has happened a few times already.

Limits and times are those of twisted.web's side; ``connections`` counts the times. A request that is not begun for want
of room for its body is handed over, and refused there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IReactorTime, ITCPTransport
from twisted.internet.protocol import Factory, Protocol
from twisted.python.failure import Failure
from twisted.web.server import Site

from smsconnector.http.answers import SCOPES_WITH_TARGET, Answer, GiveAnswer, HTTPRequest, HTTPRoute
from smsconnector.http.bodies import Bodies
from smsconnector.http.connections import Connection
from smsconnector.http.heads import END, Head, Heads
from smsconnector.http.rendering import Renderer
from smsconnector.net.writing import write_at_once

MOST_AT_ONCE = 32  # requests of one connection under way
LONGEST_BODY = 16_384  # octets; a request with more is twisted.web's
MOST_PIECES = 16  # reads in which a head may come: each time all of it is looked at
EAGER = 16_384  # octets that are read ahead while requests are under way

Serve = Callable[[HTTPRoute, HTTPRequest, GiveAnswer], None]


class Reply:
    """The answer to one request of a lane, when the handler has given it. ``counted``: octets of its body."""

    __slots__ = ("_lane", "closes", "counted", "octets")

    def __init__(self, lane: Lane, closes: bool, counted: int) -> None:
        self._lane, self.closes, self.counted = lane, closes, counted
        self.octets = b""

    def __call__(self, answer: Answer) -> None:
        lane = self._lane
        self.octets = lane.shared.renderer.octets(answer, self.closes)
        lane.answered(self)


class Lane(Protocol):
    """The fast lane of one connection; ``transport`` is its ``Connection``. ``shared`` is what all lanes share."""

    transport: Connection  # type: ignore[assignment]

    def __init__(self, shared: LaneFactory, address: Any) -> None:
        self.shared, self._address = shared, address
        self._peer = ""  # the address of the direct peer
        self._buffer = b""  # what has come and belongs to no request that was begun
        self._pieces = 0  # in how many reads the head at the beginning of the buffer has come so far
        self._needed = 0  # octets of the request at the beginning of the buffer; 0 while its head is not whole
        self._held = 0  # octets of the buffer that are counted in ``bodies``
        self._under_way: list[Reply] = []  # in the order of the requests
        self._is_alone = False  # the one under way is a GET
        self._waits = False  # the buffer has a request that can't be begun yet
        self._is_reading = False  # requests are being begun
        self.is_due = False  # ``turn`` will be called
        self._is_paused = False  # the transport reads nothing
        self._is_stuck = False  # the client does not read its answers
        self._is_last = False  # the client has closed its writing half
        self._is_over = False  # closed, lost or handed over

    def again(self) -> Lane:
        """A new lane for the same connection, which was handed over."""
        return Lane(self.shared, self._address)

    def connectionMade(self) -> None:
        if ITCPTransport.providedBy(self.transport):
            self.transport.setTcpNoDelay(True)
        self._peer = getattr(self.transport.getPeer(), "host", None) or ""
        self.transport.registerProducer(self, True)
        self._settle()

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        self._end()

    # --- reading --------------------------------------------------------------------------------------------

    def dataReceived(self, data: bytes) -> None:
        if self._is_over or (self._under_way and self._under_way[-1].closes):
            return
        self._buffer = self._buffer + data if self._buffer else data
        if len(self._buffer) >= self._needed:
            self._read()
        self._settle()

    def _read(self) -> None:
        """Begin the requests that are there, in their order, as many as may be under way."""
        if self._is_stuck or self._is_over:
            return
        self._is_reading = True
        is_plain = self._begin_requests()
        self._is_reading = False
        under_way = self._under_way
        if under_way and under_way[0].octets:
            self._flush()
            if self._waits and not self._is_over:  # others have their turn before the next ones
                self.shared.soon(self)
        elif not is_plain and not under_way:
            self._hand_over()

    def _begin_requests(self) -> bool:
        """False: what comes next is not plain."""
        data, start, under_way = self._buffer, 0, self._under_way
        heads, bodies, is_leaving = self.shared.heads, self.shared.bodies, self.transport.factory.is_leaving
        head: Head | None = None
        is_plain, self._waits, self._needed = True, False, 0
        while start < len(data):
            body_at = data.find(END, start) + 4
            if body_at < 4:
                self._pieces += 1
                is_plain = self._pieces <= MOST_PIECES and heads.may_become_plain(data[start:] if start else data)
                self._waits = not is_plain
                break
            head = heads.read(data[start:body_at])
            if head is None:
                is_plain, self._waits = False, True
                break
            end = body_at + head.length
            if end > len(data):
                self._needed = end - start
                break
            if under_way and (self._is_alone or head.method == b"GET" or len(under_way) >= MOST_AT_ONCE):
                self._waits = True
                break
            if not bodies.take(head.length):
                is_plain, self._waits = False, True
                break
            start, self._pieces = end, 0
            closes = is_leaving or head.closes
            self._begin(head, data[body_at:end], closes)
            if closes:
                start = len(data)  # nobody waits for an answer to what came behind
        if start:
            self._buffer = data[start:]
            self.transport.waiting_since_s = None  # what is left began to come just now
        return is_plain

    def _begin(self, head: Head, body: bytes, closes: bool) -> None:
        reply = Reply(self, closes, head.length)
        self._under_way.append(reply)
        self._is_alone = head.method == b"GET"
        route = head.route
        target = head.target if route.scope in SCOPES_WITH_TARGET else b""
        request = HTTPRequest(head.method, head.path, head.headers, body, head.arguments, None, target, self._peer)
        self.shared.serve(route, request, reply)

    # --- answers --------------------------------------------------------------------------------------------

    def answered(self, reply: Reply) -> None:
        """The handler has answered. If it did so while requests are begun, ``_read`` writes the answer; where others
        are under way, theirs may come in the same turn."""
        self.shared.bodies.give_back(reply.counted)
        under_way = self._under_way
        if self._is_reading or not under_way or reply is not under_way[0]:
            return
        if len(under_way) > 1:
            self.shared.soon(self)
        else:
            self.turn()

    def turn(self) -> None:
        """Write the answers that are there; then begin what has waited for them."""
        self.is_due = False
        if self._is_over:
            return
        self._flush()
        if self._waits:
            self._read()
        self._settle()

    def _flush(self) -> None:
        """Write the answers that are there, up to the first that is not."""
        under_way = self._under_way
        ready = []
        for reply in under_way:
            if not reply.octets:
                break
            ready.append(reply)
        if not ready:
            return
        del under_way[: len(ready)]
        last = ready[-1]
        octets = last.octets if len(ready) == 1 else b"".join([reply.octets for reply in ready])
        write_at_once(self.transport.transport, octets)
        if last.closes:
            self.loseConnection()

    def pauseProducing(self) -> None:
        """The client does not read: too much waits to be written."""
        self._is_stuck = True
        self._settle()

    def resumeProducing(self) -> None:
        """It has read."""
        self._is_stuck = False
        self._waits = bool(self._buffer)
        self.turn()

    def stopProducing(self) -> None:
        """The connection is lost: ``connectionLost`` is called too."""

    # --- between two events ---------------------------------------------------------------------------------

    def _settle(self) -> None:
        """See to it that the transport reads or not, and note since when we have been waiting for the client: for the
        rest of a request, or until it reads its answers."""
        if self._is_over:
            return
        connection, under_way = self.transport, self._under_way
        is_busy = under_way or self._is_stuck or self._waits
        if self._is_last and not is_busy:
            self.loseConnection()
            return
        too_much = self._is_stuck or (is_busy and len(self._buffer) > EAGER)
        if too_much != self._is_paused:
            self._is_paused = bool(too_much)
            (connection.pauseProducing if too_much else connection.resumeProducing)()
        if self._held or (self._buffer and not is_busy):
            self._hold(0 if is_busy else len(self._buffer))
            if self._is_over:
                return
        if is_busy and not self._is_stuck:
            connection.waiting_since_s = connection.silent_since_s = None
            return
        now = connection.factory.now()
        connection.silent_since_s = now
        if not (self._buffer or self._is_stuck):
            connection.waiting_since_s = None
        elif connection.waiting_since_s is None:
            connection.waiting_since_s = now

    def _hold(self, octets: int) -> None:
        """So many octets of a request that is not whole are in memory."""
        bodies = self.shared.bodies
        bodies.give_back(self._held)
        self._held = 0
        if bodies.take(octets):
            self._held = octets
        else:
            self._hand_over()

    def no_more_comes(self) -> None:
        """The client has closed its writing half. Twisted says so again whenever reading is taken up again."""
        self._is_last = True
        self._settle()

    # --- the end --------------------------------------------------------------------------------------------

    def loseConnection(self) -> None:
        """Close when all that is written has been sent."""
        if self._is_over:
            return
        connection = self.transport
        self._end()
        connection.unregisterProducer()
        connection.loseConnection()
        if connection.waiting_since_s is None:
            connection.waiting_since_s = connection.factory.now()

    def _end(self) -> None:
        self._is_over = True
        self._buffer = b""
        self._under_way = []
        self.shared.bodies.give_back(self._held)
        self._held = 0
        self.transport.silent_since_s = None

    def _hand_over(self) -> None:
        """To twisted.web, from the first octet of this request on."""
        octets, connection = self._buffer, self.transport
        self._end()
        connection.unregisterProducer()
        if self._is_paused:
            connection.resumeProducing()
        connection.hand_over(self.shared.site.buildProtocol(self._address), octets, self._is_last)


class LaneFactory(Factory):
    """Makes the lanes, and has what they share. ``site`` makes the protocol of what is handed over."""

    noisy = False

    def __init__(self, site: Site, heads: Heads, serve: Serve, bodies: Bodies, clock: IReactorTime) -> None:
        self.site, self.heads, self.serve, self.bodies = site, heads, serve, bodies
        self.renderer = Renderer()
        self._clock = clock
        self._due: list[Lane] = []

    def buildProtocol(self, addr: Any) -> Lane:
        return Lane(self, addr)

    def startFactory(self) -> None:
        self.site.doStart()

    def stopFactory(self) -> None:
        self.site.doStop()

    def soon(self, lane: Lane) -> None:
        """Call its ``turn`` when all that is done in this turn of the reactor is done. One timer serves all lanes."""
        if lane.is_due:
            return
        lane.is_due = True
        if not self._due:
            self._clock.callLater(0, self._turn)
        self._due.append(lane)

    def _turn(self) -> None:
        due, self._due = self._due, []
        for lane in due:
            lane.turn()
