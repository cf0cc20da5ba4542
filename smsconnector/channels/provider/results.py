"""What a reply of a provider means for a text, and what a provider has to know about itself."""

import enum
from typing import NamedTuple, Protocol

from twisted.internet.defer import Deferred

from smsconnector.messages import Segment
from smsconnector.net.http_client import HTTPCall, HTTPReply


class Kind(enum.Enum):
    """What became of one request."""

    TAKEN = "taken"  # the provider has the text now
    TEMPORARY = "temporary"  # not taken for now: the same request later; an attempt is counted
    THROTTLED = "throttled"  # not taken: the whole channel has to slow down; no attempt is counted
    DOWN = "down"  # not sent: the provider can't be asked for anything now; no attempt is counted
    PERMANENT = "permanent"  # refused for good: the number, the sender or the text
    ACCOUNT = "account"  # not taken: nothing will be until somebody mends the account or the configuration
    UNKNOWN = "unknown"  # it may have been taken
    LOG_IN_AGAIN = "log in again"  # not taken: the session is over, and the provider has forgotten it


class Result(NamedTuple):
    """``ids``: TAKEN, what the provider's notifications will name; several where it has made parts of the text.
    ``code``: for the report; an int where it is a number. ``reason``: a sentence for the log, without a number or a
    text of a customer.
    ``retry_in`` (s): when to try again, if the provider says so. ``is_found``: TAKEN, as a look-up has shown."""

    kind: Kind
    ids: tuple[str, ...] = ()
    code: int | str | None = None
    reason: str = ""
    retry_in: float | None = None
    is_found: bool = False


class Provider(Protocol):
    """What is special to one provider."""

    @property
    def gives_receipts(self) -> bool:
        """Whether it will tell what became of a text that it took. If not, taking it is the end."""
        ...

    @property
    def names_our_sid(self) -> bool:
        """Whether its notifications name our MessageSID. Then one may tell of a text whose request was not answered."""
        ...

    def addresses(self, segment: Segment) -> tuple[str | None, str]:
        """The sender, None for none, and the number, as its request has them."""
        ...

    def call(self, segment: Segment, now_ms: int) -> "HTTPCall | Result | Deferred[HTTPCall | Result]":
        """The request for this text. A Deferred where a token has to be fetched first. A Result where none can be
        made. A failure of the Deferred means that nothing was sent."""
        ...

    def read(self, segment: Segment, reply: HTTPReply) -> Result:
        """What its reply means."""
        ...

    def lookup(self, segment: Segment, now_ms: int) -> "HTTPCall | Result | Deferred[HTTPCall | Result] | None":
        """A request that asks whether an earlier one for this text was taken, of which no reply came; None: there is no
        such thing. Else as ``call``; a Result that is PERMANENT means that this text can't be asked for."""
        ...

    def found(self, segment: Segment, reply: HTTPReply) -> Result | None:
        """What the reply to ``lookup`` means. TAKEN if it was taken, None if it was not, another Result if the reply
        says neither: then the text is not sent now. LOG_IN_AGAIN asks for another look-up."""
        ...
