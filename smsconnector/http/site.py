"""The HTTP server: Twisted's, with bodies that are bounded before they are in memory, and no access log.

A body that turns out too long is read on, up to ``DRAIN`` octets, without being kept, so that its sender can read
the 413; one that says it is longer than that is answered and closed at once.
"""

import json
from io import BytesIO
from typing import Any, cast
from urllib.parse import unquote_to_bytes

from twisted.internet.interfaces import IReactorTime
from twisted.web.resource import Resource
from twisted.web.server import Request, Site

from smsconnector.errors import InvalidRequest
from smsconnector.http import replies
from smsconnector.http.connections import Connection, Connections

DRAIN = 1_048_576  # octets of an over-long body that are read and thrown away


def too_large(maximum: int) -> InvalidRequest:
    return InvalidRequest("body_too_large", f"The body is longer than {maximum} octets: send less.", status=413)


class BoundedRequest(Request):
    """``too_long`` is set when the body went over ``maximum_body``; ``content`` is empty then."""

    maximum_body = 65_536
    too_long = False
    _received = 0

    def gotLength(self, length: int | None) -> None:
        if length is not None and length > self.maximum_body:
            self.too_long = True
            if length > self.maximum_body + DRAIN:
                self._refuse_at_once()
        super().gotLength(0 if self.too_long else length)

    def handleContentChunk(self, data: bytes) -> None:
        self._received += len(data)
        if self._received > self.maximum_body:
            self.too_long = True
            content = cast(BytesIO, self.content)
            content.seek(0)
            content.truncate()
            if self._received > self.maximum_body + DRAIN:
                self._refuse_at_once()
            return
        super().handleContentChunk(data)

    def process(self) -> None:
        """A path that is no UTF-8 is none of ours; the routes would stumble over it."""
        connection = self.channel.transport if self.channel is not None else None
        if isinstance(connection, Connection):
            connection.request_is_whole()
        try:
            unquote_to_bytes(self.path).decode("utf-8")
        except UnicodeDecodeError:
            self.write(replies.refuse(self, InvalidRequest("not_found", "There is no such path.", status=404)))
            self.finish()
        else:
            super().process()

    def body(self) -> bytes:
        """All of it."""
        return cast(BytesIO, self.content).read()

    def _refuse_at_once(self) -> None:
        if self.channel is None or self.channel.transport is None:
            return
        error = too_large(self.maximum_body)
        body = json.dumps({"error": {"code": error.code, "message": error.message, "field": None}}).encode()
        transport: Any = self.channel.transport
        transport.write(
            b"HTTP/1.1 413 Payload Too Large\r\nContent-Type: application/json\r\nConnection: close\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
        )
        transport.loseConnection()


class QuietSite(Site):
    """No access log: it costs more than the handlers do. Bodies are bounded, so they stay in memory."""

    def getContentFile(self, length: int | None) -> BytesIO:
        return BytesIO()

    def log(self, request: Any) -> None:
        pass


def make_site(
    resource: Resource,
    clock: IReactorTime,
    maximum_body: int,
    idle_timeout: float,
    request_timeout: float = 30.0,
    maximum_connections: int = 10_000,
) -> Connections:
    """Times in seconds: how long a connection may be silent, and how long a request may take to arrive."""

    class ConfiguredRequest(BoundedRequest):
        pass

    ConfiguredRequest.maximum_body = maximum_body
    site = QuietSite(
        resource,
        requestFactory=ConfiguredRequest,
        timeout=idle_timeout,
        reactor=clock,
        parsePOSTFormSubmission=False,  # requests.py does, and says what is wrong
    )
    site.displayTracebacks = False
    return Connections(site, clock, maximum_connections, request_timeout)
