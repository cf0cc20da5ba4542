"""The other processes that share a port with this one. A request for a message may reach any of them.

1. A message that is not in the store here is asked for at all siblings at once, with the client's own key. The mark
   ``Via: 1.1 smsconnector`` (RFC 9110 section 7.6.3) keeps them from asking on.
2. The first that has it is believed.
3. If none has it, there is no such message. But if one could not say, nobody knows: the answer is 503, not 404.
"""

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote

from twisted.logger import Logger
from twisted.python.failure import Failure

from smsconnector.http import replies
from smsconnector.http.answers import Answer, GiveAnswer, HTTPRequest
from smsconnector.http.messages import Elsewhere, nowhere_else
from smsconnector.net.http_client import HTTPCall, HTTPClient, HTTPReply

_MARK = "smsconnector"
_KEYS = (b"authorization", b"x-api-key")
_FOUND = (200, 409)  # the answers of one that has the message
REPLY_TIMEOUT_S = 5.0


def make_siblings(reactor: Any, urls: Sequence[str], base_path: str) -> Elsewhere:
    """Who answers for messages of other processes; nobody if there are none."""
    if not urls:
        return nowhere_else
    client = HTTPClient(reactor, connections=4, connect_timeout=2.0, reply_timeout=REPLY_TIMEOUT_S)
    return Siblings(client.ask, urls, base_path).find


class Siblings:
    """``urls``: where each answers, up to the base path. ``ask`` gives a Deferred of the reply, as ``HTTPClient``
    does."""

    log = Logger()

    def __init__(self, ask: Callable[[HTTPCall], Any], urls: Sequence[str], base_path: str) -> None:
        self._ask, self._urls = ask, {url: f"{url.rstrip('/')}{base_path}/messages/" for url in urls}
        self._silent: set[str] = set()  # URLs of those that could not say when they were asked last

    def find(self, request: HTTPRequest, not_here: Answer, answer: GiveAnswer) -> None:
        """Answer for a message that is not here: 200 with the message, ``not_here`` if nobody has it, or 503."""
        via = b",".join(request.headers.get(b"via", ())).decode("latin-1")
        if _MARK in via.lower():
            answer(not_here)
            return
        search = _Search(len(self._urls), not_here, answer)
        kept = [(name.decode(), value.decode("latin-1")) for name in _KEYS for value in request.headers.get(name, ())]
        for url, place in self._urls.items():
            what = quote(request.arguments["sid"], safe="") + _below(request.path)
            call = HTTPCall(request.method.decode(), place + what, (("Via", f"1.1 {_MARK}"), *kept))
            self._ask(call).addCallbacks(self._replied, self._failed, (url, search), errbackArgs=(url, search))

    def _replied(self, reply: HTTPReply, url: str, search: "_Search") -> None:
        if reply.status not in (*_FOUND, 404):
            self._could_not_say(url, search, f"it answers {reply.status}")
            return
        if url in self._silent:
            self._silent.discard(url)
            self.log.info("the process at {url} answers again for its messages", url=url)
        search.said(Answer(reply.status, (replies.JSON,), reply.body) if reply.status in _FOUND else None)

    def _failed(self, failure: Failure, url: str, search: "_Search") -> None:
        self._could_not_say(url, search, failure.getErrorMessage())

    def _could_not_say(self, url: str, search: "_Search", reason: str) -> None:
        if url not in self._silent:
            self._silent.add(url)
            self.log.warn("the process at {url} can't be asked for messages: {reason}", url=url, reason=reason)
        search.is_sure = False
        search.said(None)


def _below(path: bytes) -> str:
    """What follows the MessageSID in the path of a request."""
    return "/timeline" if path.endswith(b"/timeline") else ""


class _Search:
    """For one message, at so many siblings."""

    is_sure = True  # all that have answered could say

    def __init__(self, count: int, not_here: Answer, answer: GiveAnswer) -> None:
        self._left, self._not_here, self._answer = count, not_here, answer
        self._is_found = False

    def said(self, found: Answer | None) -> None:
        """One has answered: for the message, or None."""
        self._left -= 1
        if self._is_found:
            return
        if found is not None:
            self._is_found = True
            self._answer(found)
        elif not self._left:
            self._answer(self._not_here if self.is_sure else replies.SIBLING_FAILED)
