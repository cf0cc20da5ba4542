"""What both shells need: how a request is put to httpx, and what its exceptions mean."""

import random
import ssl
from collections.abc import Callable
from typing import Any

import httpx

from smsconnector import __version__
from smsconnector.client.address import checked_url, key_headers, origin_of
from smsconnector.client.courses import Course, NoReply, Reply, Request, Retries

TIMEOUT = 10.0
NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol, httpx.ProxyError)
LONGEST_WHY = 200  # characters of what httpx says
TOO_SLOW = "the answer took too long"


class Settings:
    """What was given to a client, checked."""

    def __init__(
        self,
        base_url: str,
        key: str | None,
        timeout: float,
        retries: Retries | int | None,
        clock: Callable[[], float],
        chance: Callable[[], float] | None,
    ) -> None:
        if not timeout > 0:
            raise ValueError("timeout is more than 0 seconds.")
        self.url = checked_url(base_url)
        self.headers = key_headers(key) | {"User-Agent": f"smsconnector-client/{__version__}"}
        self.timeout, self.clock = timeout, clock
        self.retries = Retries(times=retries) if isinstance(retries, int) else retries or Retries()
        self._chance = chance or random.Random().random  # nosec B311 # spreads retries; no secret

    def course(self) -> Course:
        return Course(origin_of(self.url), self.retries, self.timeout, self.clock(), self._chance)

    def arguments(self, request: Request) -> dict[str, Any]:
        """For ``stream`` of httpx."""
        return {
            "method": request.method,
            "url": self.url + request.path,
            "params": httpx.QueryParams(request.query) if request.query else None,
            "headers": dict(request.headers),
            "content": request.body,
            "timeout": httpx.Timeout(request.within),
        }


def reply_of(response: httpx.Response, body: bytearray) -> Reply:
    return Reply(response.status_code, {name.lower(): value for name, value in response.headers.items()}, bytes(body))


def failure(error: httpx.HTTPError, request: Request, reply: Reply | None) -> Reply | NoReply:
    """What a request came to that has failed. ``reply``: what had come of the answer until then."""
    why = _words(error)
    if reply is not None and request.is_lines and reply.status == 200:
        return reply._replace(lost=why)
    return NoReply(why, not isinstance(error, NOT_SENT), _is_lasting(error))


def _words(error: BaseException) -> str:
    if isinstance(error, httpx.ConnectTimeout | httpx.PoolTimeout):
        return "no connection in time"
    if isinstance(error, httpx.TimeoutException):
        return TOO_SLOW
    said = " ".join(str(error).split())[:LONGEST_WHY]
    return said or type(error).__name__


def _is_lasting(error: BaseException) -> bool:
    """A certificate that is not good, or a request that can't be made, is the same the next time."""
    if isinstance(error, httpx.UnsupportedProtocol | httpx.LocalProtocolError):
        return True
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return True
        cause = cause.__cause__ or cause.__context__
    return "CERTIFICATE_VERIFY_FAILED" in str(error)
