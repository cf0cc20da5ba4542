"""A request whose body is handled while it comes, and whose answer begins before the body has ended.

``Stream`` stands between twisted.web's request (``site``) and the ``BodyInPieces`` of a route.

1. ``open`` has the key checked and the body's taker made, when the head has come. What is refused then is answered when
   the rest of the body was read and dropped: at most ``DRAIN`` octets, for a client that is still writing does not read
   its answer. If the client announces more, or asks before it sends, it is answered at once, and the connection is
   closed.
2. Pieces go to the taker as they come. The taker may pause that: then nothing is read from the connection.
3. Of the answer the transport gets what it can send. The rest is kept here while the client does not read, because a
   client may write all of its body before it reads. All that is kept counts in the ``Bodies`` of all streams; when they
   are full, the body waits.
4. ``request_timeout`` is the time that the client has for the next part that is whole in itself, and for reading the
   next part of its answer. All of the body has ``LONGEST_S``.
"""

from __future__ import annotations

from typing import Any

from twisted.logger import Logger
from twisted.python.failure import Failure

from smsconnector.errors import InvalidRequest
from smsconnector.http import replies
from smsconnector.http.answers import Answer, BodyInPieces, Headers, HTTPRequest, HTTPRoute
from smsconnector.http.api import API
from smsconnector.http.bodies import Bodies

DRAIN = 1_048_576  # octets of a body that nobody wants any more that are read and dropped
PIECE = 65_536  # octets that are given to the transport at once
LONGEST_S = 600.0  # seconds in which a body has to come, not counting those in which it was paused


class Stream:
    """One request; ``request`` is a ``BoundedRequest``. It is the ``AnswerInPieces`` of its taker. ``is_read``: all of
    the body has come."""

    log = Logger()

    def __init__(self, request: Any, api: API, route: HTTPRoute, bodies: Bodies) -> None:
        self._request, self._api, self._route, self._bodies = request, api, route, bodies
        self._body: BodyInPieces | None = None
        self._answer: Answer | None = None  # that needs no more of the body
        self._held: list[bytes] = []  # of the answer
        self._taken = self._held_octets = self._dropped = 0
        self._is_begun = self._is_finished = self._is_over = False
        self._is_paused = self._is_full = False
        self._is_stopped = False  # nothing is read from the connection
        self.is_read = False
        self._begun_s: float = request.channel.transport.factory.now()

    def open(self, record: HTTPRequest, length: int | None) -> None:
        """``length`` of the body, None if nobody knows."""
        try:
            self._body = self._api.open(self._route, record, self)
        except InvalidRequest as error:
            if (length or 0) > DRAIN or b"expect" in record.headers:
                self._refuse_at_once(error)
            else:
                self._answer = replies.refusal(error)
        except Exception:  # noqa: BLE001 — the edge, as API.serve is for other routes
            self._answer = self._api.our_fault(Failure(), self._route.path.encode())

    # --- the body -------------------------------------------------------------------------------------------

    @property
    def waits_for_client(self) -> bool:
        """For more of the body, or for the client to read."""
        if self._is_over:
            return False
        return bool(self._held) if self.is_read else not self._is_paused or self._is_full

    def received(self, octets: bytes) -> None:
        if self._is_over:
            return
        if self._body is None or self._is_finished:
            self._dropped += len(octets)
            if self._dropped > DRAIN:
                self._cut_short()
        else:
            self._call(self._body.received, octets)

    def ended(self) -> None:
        """All of it has come."""
        self.is_read = True
        if self._is_over:
            return
        if self._answer is not None:
            self._give(self._answer)
        elif self._is_finished:
            self._flush()
        elif self._body is not None:
            self._call(self._body.ended)

    def lost(self) -> None:
        """The client has gone."""
        if not self._is_over:
            self._end()
            if self._body is not None and not self._is_finished:
                self._call(self._body.lost)

    def _call(self, call: Any, *arguments: Any) -> None:
        try:
            call(*arguments)
        except Exception:  # noqa: BLE001 — the edge: the client sees that its answer breaks off, the log has the reason
            answer = self._api.our_fault(Failure(), self._route.path.encode())
            if self._is_begun:
                self._cut()
            elif not self._is_over:
                self.whole(answer)

    # --- what the taker calls -------------------------------------------------------------------------------

    def take(self, octets: int) -> bool:
        if self._is_over or not self._bodies.take(octets):
            return False
        self._taken += octets
        return True

    def progress(self) -> None:
        connection = self._connection
        if connection is not None and connection.factory.now() - self._begun_s < LONGEST_S:
            connection.waiting_since_s = None

    def pause(self) -> None:
        self._is_paused = True
        self._steer()

    def resume(self) -> None:
        self._is_paused = False
        self._steer()

    def soon(self, call: Any) -> None:
        """Call it in the next turn of the reactor."""
        if not self._is_over:
            self._request.channel.callLater(0, self._call, call)

    def begin(self, headers: Headers) -> None:
        if self._is_over:
            return
        self._is_begun = True
        self._request.setResponseCode(200)
        for name, value in headers:
            self._request.setHeader(name, value)

    def write(self, octets: bytes) -> None:
        if self._is_over:
            return
        self._held.append(octets)
        self._held_octets += len(octets)
        self._flush()

    def finish(self) -> None:
        if not self._is_over:
            self._is_finished = True
            self._flush()
            if self._is_paused:
                self.resume()

    def whole(self, answer: Answer) -> None:
        if self._is_over:
            return
        self._is_finished, self._answer = True, answer
        if self.is_read:
            self._give(answer)
        elif self._is_paused:
            self.resume()

    # --- the connection -------------------------------------------------------------------------------------

    @property
    def _connection(self) -> Any:
        channel = self._request.channel
        return None if channel is None else channel.transport

    def can_write(self) -> None:
        """The client has read something."""
        if not self._is_over:
            self._connection.waiting_since_s = None
            self._flush()

    def _flush(self) -> None:
        """Give the transport what it can take."""
        request = self._request
        while self._held and not request.channel._waitingForTransport:
            octets = b"".join(self._held) if len(self._held) > 1 else self._held[0]
            self._held = [octets[PIECE:]] if len(octets) > PIECE else []
            self._held_octets = max(0, len(octets) - PIECE)
            request.write(octets[:PIECE])
        self._count()
        if self._is_over:
            return
        if self._is_finished and self.is_read and not self._held and self._answer is None:
            self._end()
            request.finish()
        else:
            self._steer()
            request.channel.set_clock()

    _counted = 0  # octets of what is held that are counted in ``bodies``

    def _count(self) -> None:
        """Count what is held. When there is no room for it the body waits."""
        if self._held_octets > self._counted:
            more = self._held_octets - self._counted
            if self._bodies.take(more):
                self._counted += more
        else:
            self._bodies.give_back(self._counted - self._held_octets)
            self._counted = self._held_octets
        self._is_full = self._held_octets > self._counted

    def _steer(self) -> None:
        """Read from the connection or not."""
        if self._is_over or self.is_read:
            return
        channel, stops = self._request.channel, (self._is_paused or self._is_full) and not self._is_finished
        if stops != self._is_stopped:
            self._is_stopped = stops
            producer = channel._networkProducer
            (producer.pauseProducing if stops else producer.resumeProducing)()
        channel.set_clock()

    def _give(self, answer: Answer) -> None:
        self._end()
        self._request.answer(answer)

    def _refuse_at_once(self, error: InvalidRequest) -> None:
        channel = self._request.channel
        self._end()
        channel.refuse(error)

    def _cut_short(self) -> None:
        """The client goes on writing what nobody wants: give it the answer, and close."""
        channel, request, answer = self._request.channel, self._request, self._answer
        channel.persistent = False
        if answer is None:
            octets, self._held = b"".join(self._held), []
            self._end()
            if octets:
                request.write(octets)
            request.finish()
        else:
            request.responseHeaders.setRawHeaders(b"connection", [b"close"])
            self._give(answer)

    def _cut(self) -> None:
        """What has come of the answer can't be gone on with."""
        if not self._is_over:
            channel = self._request.channel
            self._end()
            channel.loseConnection()

    def _end(self) -> None:
        self._is_over = True
        self._held, self._held_octets = [], 0
        self._bodies.give_back(self._counted + self._taken)
        self._counted = self._taken = 0
