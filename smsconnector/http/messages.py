"""The handlers below ``/messages``: one message, its timeline, those that fit, and one that is taken back."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import urlencode

from smsconnector.access.keys import Caller
from smsconnector.codes import ANY, Codes
from smsconnector.errors import InvalidRequest, StoreError
from smsconnector.http import replies, resources
from smsconnector.http.answers import Answer, GiveAnswer, HTTPRequest, HTTPRoute
from smsconnector.http.queries import parse_search
from smsconnector.http.requests import international, international_or_none
from smsconnector.store import operations as ops
from smsconnector.store.finding import (
    Exchanged,
    FindExchanged,
    FindTimeline,
    FoundMessage,
    FoundText,
    Page,
    PlaceOfBoth,
    Search,
    Timeline,
)
from smsconnector.store.reader import IReader
from smsconnector.walks.cancelling import Cancelled, Cancelling, Stays
from smsconnector.walks.outlet import Outlet
from smsconnector.walks.whereabouts import Place

NO_CHANNEL = ""  # no key that is for some channels only is for this one
Remember = Callable[[Caller | None, str, str], None]  # who, what, about
Elsewhere = Callable[[HTTPRequest, Answer, GiveAnswer], None]


def nowhere_else(_request: HTTPRequest, not_here: Answer, answer: GiveAnswer) -> None:
    """There are no other processes."""
    answer(not_here)


class Messages:
    """``outlets`` are the channels by their names. ``elsewhere`` answers for a message that is not here; it is given
    the answer that says so. ``path`` is that of the collection. ``remember`` is told who has cancelled, for the
    audit."""

    def __init__(
        self,
        reader: IReader,
        outlets: Mapping[str, Outlet],
        cancelling: Cancelling,
        path: str,
        elsewhere: Elsewhere = nowhere_else,
        remember: Remember = lambda caller, what, about: None,
    ) -> None:
        self._reader, self._outlets, self._cancelling = reader, outlets, cancelling
        self._path, self._elsewhere, self._remember = path, elsewhere, remember

    def routes(self) -> tuple[HTTPRoute, ...]:
        return (
            HTTPRoute("GET", "/messages", self.search, "read"),
            HTTPRoute("GET", "/messages/<sid>", self.one, "read"),
            HTTPRoute("GET", "/messages/<sid>/timeline", self.timeline, "read"),
            HTTPRoute("DELETE", "/messages/<sid>", self.cancel, "send"),
        )

    def one(self, request: HTTPRequest, answer: GiveAnswer) -> None:
        """200 with the message, 404 if there is none with this MessageSID, 503 if the store can't read, or another
        process can't be asked."""
        self._reader.put(ops.Find(request.arguments["sid"]), partial(self._found, request, answer, self._shown))

    def timeline(self, request: HTTPRequest, answer: GiveAnswer) -> None:
        """200 with all that happened to the message; else as ``one``."""
        query = FindTimeline(request.arguments["sid"])
        self._reader.put(query, partial(self._found, request, answer, self._history))

    def _found(
        self,
        request: HTTPRequest,
        answer: GiveAnswer,
        show: Callable[[Any], dict[str, Any]],
        row: FoundMessage | Timeline | None,
        error: StoreError | None,
    ) -> None:
        if error is not None:
            answer(replies.LOOKUP_FAILED)
        elif row is None or not may_see(request, _channel_of(row)):
            self._elsewhere(request, _no_message(), answer)
        else:
            answer(replies.json_answer(show(row)))

    def _shown(self, row: FoundMessage, with_parts: bool = True) -> dict[str, Any]:
        """The resource, with its parts."""
        return resources.found(row, self._places if with_parts else None, self._codes_of(row.channel))

    def _history(self, row: Timeline) -> dict[str, Any]:
        return resources.timeline(row, self._codes_of)

    def _codes_of(self, channel: str) -> Codes:
        """Of a channel that is not configured any more nothing but what all know."""
        outlet = self._outlets.get(channel)
        return ANY if outlet is None else outlet.codes

    def _listed(self, row: FoundMessage) -> dict[str, Any]:
        """The resource without its parts."""
        return self._shown(row, with_parts=False)

    def _places(self, row: FoundMessage) -> dict[int, Place]:
        """Where its segments are, by their numbers. A channel that is not configured any more sends nothing."""
        outlet = self._outlets.get(row.channel)
        if outlet is None:
            return dict.fromkeys((one.number for one in row.segments), Place.NO_WAY_OUT)
        places = outlet.places(row.destination, range(row.id, row.id + len(row.segments)))
        return {segment_id - row.id + 1: place for segment_id, place in places.items()}

    def search(self, request: HTTPRequest, answer: GiveAnswer) -> None:
        """200 with the messages that fit, the newest first. ``next`` is where there are more, null if there are none;
        a page may be short, or empty, and yet have a next one."""
        asked, given = parse_search(request.target.partition(b"?")[2])
        search = self._at_home(asked)

        def found(page: Page | Exchanged | None, error: StoreError | None) -> None:
            if page is None:
                answer(replies.LOOKUP_FAILED)
                return
            rows: Sequence[FoundMessage | FoundText] = page.messages if isinstance(page, Page) else page.found
            show: Callable[[Any], dict[str, Any]] = self._listed
            if not isinstance(page, Page):
                show = partial(self._exchanged, request)
            cursor = "-".join(map(str, page.before)) if isinstance(page.before, PlaceOfBoth) else page.before
            more = None if cursor is None else urlencode([*given, ("cursor", cursor)])
            said = {
                "messages": [show(row) for row in rows if may_see(request, row.channel)],
                "next": more and f"{self._path}?{more}",
            }
            answer(replies.json_answer(said))

        self._reader.put(search, found)

    def _exchanged(self, request: HTTPRequest, row: FoundMessage | FoundText) -> dict[str, Any]:
        """With its direction; and without the message that it answers, if that is none of the caller's."""
        if isinstance(row, FoundText):
            is_told = may_see(request, row.answered or NO_CHANNEL)
            return {"Direction": "incoming"} | resources.incoming(row if is_told else row._replace(headers=None))
        return {"Direction": "outgoing"} | self._listed(row)

    def _at_home(self, search: Search | FindExchanged) -> Search | FindExchanged:
        """With the number as ``/send`` would have written it to the channel that is asked for."""
        if isinstance(search, FindExchanged):
            return replace(search, number=self._international(search.number, search.channel, "with"))
        if search.to is None:
            return search
        return replace(search, to=self._international(search.to, search.channel, "to"))

    def _international(self, number: str, channel: str | None, field: str) -> str:
        """Where no channel is named, and the channels have several countries, nobody can tell: InvalidRequest."""
        countries = {one.default_country for name, one in self._outlets.items() if channel in (None, name)}
        if len(countries) < 2:
            return international(number, next(iter(countries), None), field)
        if len({number, *(international_or_none(number, one) for one in countries)}) > 1:
            raise InvalidRequest(
                "invalid_number",
                f"{field} may be the number of several countries: name the channel too, or write it with its country"
                " code.",
                field,
            )
        return number

    def cancel(self, request: HTTPRequest, answer: GiveAnswer) -> None:
        """200 with the message when it will not be sent, or the network has taken it back, which is on disk then; with
        no more than its end for a caller who may not read messages. 409 if that is too late, or the network does not
        do it; 404 if there is no such message."""
        if request.caller is None or not request.caller.channels:
            self._cancel(request, answer)
            return

        def found(row: FoundMessage | None, error: StoreError | None) -> None:
            if error is not None:
                answer(replies.CANCEL_FAILED)
            elif row is None or not may_see(request, row.channel):
                self._elsewhere(request, _no_message(), answer)
            else:
                self._cancel(request, answer)

        self._reader.put(ops.Find(request.arguments["sid"]), found)

    def _cancel(self, request: HTTPRequest, answer: GiveAnswer) -> None:
        def cancelled(what: Cancelled | Stays | None, error: StoreError | None) -> None:
            if error is not None or what is None:
                answer(replies.CANCEL_FAILED)
            elif isinstance(what, Stays):
                answer(replies.refusal(InvalidRequest(what.reason, what.sentence, status=409)))
            elif what is Cancelled.UNWRITTEN:
                answer(replies.CANCEL_UNWRITTEN)
            elif what is Cancelled.UNKNOWN:
                self._elsewhere(request, _no_message(), answer)
            else:
                if what is Cancelled.DONE:
                    self._remember(request.caller, "cancelled", request.arguments["sid"])
                show = self._shown if may_read(request) else resources.cancelled
                shown = partial(self._cancelled, answer, what, show)
                self._reader.put(ops.Find(request.arguments["sid"]), shown)

        self._cancelling.cancel(request.arguments["sid"], cancelled)

    def _cancelled(
        self,
        answer: GiveAnswer,
        what: Cancelled,
        show: Callable[[FoundMessage], dict[str, Any]],
        row: FoundMessage | None,
        error: StoreError | None,
    ) -> None:
        if what is Cancelled.DONE:
            answer(replies.json_answer(show(row)) if row is not None else replies.EMPTY_200)
            return
        state = self._shown(row)["State"] if row is not None else "unknown"
        error_sentence = f"It is too late: the state of this message is {state}."
        answer(replies.refusal(InvalidRequest("too_late", error_sentence, status=409)))


def may_see(request: HTTPRequest, channel: str) -> bool:
    """Whether the caller's key is for this channel. What it is not for is as if it were not there."""
    return request.caller is None or request.caller.may_use(channel)


def may_read(request: HTTPRequest) -> bool:
    """Whether the caller's key is for reading messages."""
    return request.caller is None or "read" in request.caller.scopes


def _channel_of(row: FoundMessage | Timeline) -> str:
    """That of the message as it is now: one that has gone on over another channel is of that one."""
    return row.legs[-1].message.channel if isinstance(row, Timeline) else row.channel


def _no_message() -> Answer:
    return replies.refusal(InvalidRequest("not_found", "There is no message with this MessageSID.", status=404))
