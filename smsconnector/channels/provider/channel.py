"""A channel whose texts go out by HTTP requests, one for each text. It is its own only route.

1. ``submit`` makes a request for each segment (``Provider.call``), as many as ``availability`` has room for. The HTTP
   client sends it.
2. A segment of which an earlier request was not answered is looked up before it is sent again, where the provider can
   be asked (``Provider.lookup``).
3. ``Provider.read`` says what a reply means. A request that was not sent is tried again later; one that was sent and
   not answered has an unknown outcome (law 5).
4. What came in one turn of the reactor goes to the listener in one call.
5. The stop takes nothing more, and lets what is under way end within ``drain_timeout``. What is not answered then is
   unknown. What was not sent is given back.

The segments that are under way are the channel's; each comes back to the listener exactly once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from smsconnector.channels import Part, Surroundings
from smsconnector.channels.previews import Preview, Way, WireAddress
from smsconnector.channels.provider.availability import Availability
from smsconnector.channels.provider.results import Kind, Provider, Result
from smsconnector.channels.provider.suspects import Suspects
from smsconnector.lifecycle import CODE_ACCEPTED
from smsconnector.messages import Outcome, OutcomeFound, OutcomeOfParts, Segment, Verdict
from smsconnector.net.http_client import HTTPCall, HTTPClient, HTTPFailure, HTTPReply, NotSent
from smsconnector.net.link import BackOff
from smsconnector.sms.segmentation import Split

SHORTEST_WAIT = 0.01  # seconds: what is left of a pause by a rounding of floats would be a timer that spins
_WORKS = (Kind.TAKEN, Kind.PERMANENT, Kind.TEMPORARY)  # the provider has decided on the text
_GIVEN_BACK = (Kind.THROTTLED, Kind.DOWN, Kind.ACCOUNT)  # it is about the channel, and not about the text
_VERDICTS = {Kind.TEMPORARY: Verdict.RETRY, Kind.PERMANENT: Verdict.REFUSED, Kind.UNKNOWN: Verdict.UNKNOWN}


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """``parallel``: requests under way at once. ``rate``: requests a second, 0 for no limit. ``drain_timeout`` (s): for
    what is under way at the stop. ``account``: whose ids are one series; it is what notifications are matched by.
    ``one_report``: where a text gets several ids, a report of any of them is about all of it."""

    account: str
    parallel: int = 50
    rate: float = 0.0
    drain_timeout: float = 5.0
    one_report: bool = False


class ProviderChannel(Service):
    """An ``IChannel`` and its ``IRoute``. ``client`` is closed with the channel."""

    log = Logger()

    def __init__(
        self,
        name: str,
        settings: ProviderSettings,
        provider: Provider,
        client: HTTPClient,
        around: Surroundings,
        cut: Callable[[str], Split],
    ) -> None:
        self.name: str = name
        self.cut = cut
        self._settings, self._provider, self._client = settings, provider, client
        self._clock, self._wall_clock, self._throttled = around.reactor, around.wall_clock, around.figures.throttled
        back_off = BackOff(1.0, 60.0, source=around.dice)
        self._availability = Availability(settings.parallel, settings.rate, back_off, self._clock.seconds())
        self._under_way: dict[int, tuple[Segment, int]] = {}  # each with the number of its request
        self._suspects = Suspects()
        self._outcomes, self._given_back = list[Outcome](), list[Segment]()  # of this turn; the second was throttled
        self._tell_call: IDelayedCall | None = None
        self._room_call: IDelayedCall | None = None
        self._drained: Deferred[None] | None = None
        self._is_closing = False
        self._listener = around.listener_of("", self)

    # --- service --------------------------------------------------------------------------------------------

    def startService(self) -> None:
        super().startService()
        self._listener.room()

    def stopService(self) -> "Deferred[None]":
        super().stopService()
        if self._room_call is not None:
            self._room_call.cancel()
            self._room_call = None
        if not self._under_way:
            return self._close()
        drained = self._drained = Deferred[None]()
        late = self._clock.callLater(self._settings.drain_timeout, self._give_up)
        drained.addBoth(lambda _: late.cancel() if late.active() else None)
        return drained.addCallback(lambda _: self._close())

    def _give_up(self) -> None:
        """The time of the stop is over: whatever is under way ends now."""
        self._is_closing = True
        self._client.close()
        for segment, _ in tuple(self._under_way.values()):  # those that wait for a token: nothing was sent
            self._result(Result(Kind.THROTTLED), segment)
        if self._drained is not None and not self._drained.called:
            self._drained.callback(None)

    def _close(self) -> "Deferred[None]":
        self._is_closing = True
        self._client.close()
        if self._tell_call is not None:
            self._tell_call.cancel()
            self._tell()
        return succeed(None)

    # --- health ---------------------------------------------------------------------------------------------

    def parts(self) -> list[Part]:
        """The channel is one part."""
        return [self._availability.part(self.name, self._clock.seconds(), self._wall_clock.milliseconds())]

    def preview(self, _prefix: str, segments: Sequence[Segment]) -> Preview:
        """How these would go out now."""
        return _preview_of(self.parts()[0], self._provider.addresses(segments[0]), self._settings.rate)

    # --- the route ------------------------------------------------------------------------------------------

    @property
    def is_up(self) -> bool:
        return self._availability.is_up

    def capacity(self, taken: int = 0) -> int:
        """How many segments it can take right now."""
        if not self.running:
            return 0
        return self._availability.room(self._clock.seconds(), len(self._under_way))

    def submit(self, segments: Sequence[Segment]) -> Sequence[Segment]:
        """Send these, in order; gives back those that find no room."""
        room = self.capacity()
        for segment in segments[:room]:
            if self._availability.is_stopped and self._suspects.lets_others_try(segment.id):
                self._given_back.append(segment)
                self._tell_soon()
                continue
            self._under_way[segment.id] = (segment, self._availability.asked())
            if segment.unknowns:
                self._look_up(segment)
            else:
                self._make(segment)
        self._wait_for_room()
        return segments[room:]

    def _make(self, segment: Segment, is_second: bool = False) -> None:
        """The request for it. ``is_second``: it is made with a new log-in, after the provider had asked for one."""
        try:
            call = self._provider.call(segment, self._wall_clock.steady_milliseconds())
        except Exception:  # noqa: BLE001 — the edge: one text that can't be rendered must not stop the others
            self.log.failure("{channel}: no request could be made for a text", channel=self.name)
            call = Result(Kind.TEMPORARY, reason="no request could be made for it")
        if isinstance(call, Deferred):
            call.addErrback(self._no_call)
            call.addCallback(self._ask, segment, is_second)
        else:
            self._ask(call, segment, is_second)

    def _no_call(self, failure: Failure) -> Result:
        """A token could not be fetched: of the text nothing was sent."""
        if isinstance(failure.value, HTTPFailure):
            return Result(Kind.DOWN, reason=failure.value.reason)
        self.log.failure("{channel}: no request could be made for a text", failure, channel=self.name)
        return Result(Kind.TEMPORARY, reason="no request could be made for it")

    def _ask(self, call: HTTPCall | Result, segment: Segment, is_second: bool) -> None:
        if isinstance(call, Result):
            self._result(call, segment)
        elif segment.id in self._under_way:  # else the stop has given it back
            self._client.ask(call).addCallbacks(
                self._replied, self._failed, (segment, is_second), errbackArgs=(segment,)
            )

    def _replied(self, reply: HTTPReply, segment: Segment, is_second: bool) -> None:
        result = self._read(self._provider.read, segment, reply)
        if result is not None and result.kind is Kind.LOG_IN_AGAIN:
            if not is_second and self.running:
                self._make(segment, is_second=True)
                return
            result = result._replace(kind=Kind.ACCOUNT, reason=result.reason or "it takes no log-in")
        self._told_by_reply(result or Result(Kind.UNKNOWN), segment)

    def _told_by_reply(self, result: Result, segment: Segment) -> None:
        if result.kind is Kind.TAKEN:
            self._suspects.taken(segment.id, result.is_found)
        elif result.kind is Kind.ACCOUNT and self._suspects.is_guilty(segment.id):
            self.log.warn(
                "{channel}: a text is refused. For the second time it brought {reason} (code {code}), and others were"
                " taken meanwhile", channel=self.name, reason=result.reason, code=result.code,
            )  # fmt: skip
            result = result._replace(kind=Kind.PERMANENT)
        _, number = self._under_way.get(segment.id, (segment, 0))
        if result.kind in _WORKS and self._availability.works(number):
            self.log.info("the channel {channel} works again", channel=self.name)
        self._result(result, segment)

    def _failed(self, failure: Failure, segment: Segment) -> None:
        error = failure.value
        if isinstance(error, NotSent):
            self._result(self._not_sent(error.reason), segment)
            return
        reason = error.reason if isinstance(error, HTTPFailure) else type(error).__name__
        self._result(Result(Kind.UNKNOWN, reason=reason), segment)

    def _not_sent(self, reason: str) -> Result:
        """Nothing of a request can have reached the provider."""
        if self._is_closing:
            return Result(Kind.THROTTLED)
        self._say_down(self._availability.down(self._clock.seconds(), reason), reason)
        return Result(Kind.TEMPORARY, reason=reason)

    def _say_down(self, is_news: bool, reason: str) -> None:
        if is_news:
            self.log.warn("the channel {channel} gets no answers: {reason}", channel=self.name, reason=reason)

    def _look_up(self, segment: Segment, is_second: bool = False) -> None:
        """Ask whether an earlier request for it was taken, if the provider can be asked."""
        call: HTTPCall | Result | Deferred[HTTPCall | Result] | None
        try:
            call = self._provider.lookup(segment, self._wall_clock.steady_milliseconds())
        except Exception:  # noqa: BLE001 — the edge, as in _make
            self.log.failure("{channel}: a text could not be looked up", channel=self.name)
            call = Result(Kind.TEMPORARY, reason="it could not be looked up")
        if call is None:
            self._make(segment)
        elif isinstance(call, Deferred):
            call.addErrback(self._no_call)
            call.addCallback(self._ask_for, segment, is_second)
        else:
            self._ask_for(call, segment, is_second)

    def _ask_for(self, call: HTTPCall | Result, segment: Segment, is_second: bool) -> None:
        if isinstance(call, Result):
            if call.kind is Kind.PERMANENT:  # the policy decides alone
                self._make(segment)
            else:
                self._result(call, segment)
        elif segment.id in self._under_way:  # else the stop has given it back
            asked = self._client.ask(call)
            asked.addCallbacks(self._looked_up, self._not_looked_up, (segment, is_second), errbackArgs=(segment,))

    def _looked_up(self, reply: HTTPReply, segment: Segment, is_second: bool) -> None:
        """A reply that tells no list says nothing of the text: it is looked for again, and the code is not its own."""
        result = self._read(self._provider.found, segment, reply)
        if result is not None and result.kind is Kind.LOG_IN_AGAIN:
            if not is_second and self.running:
                self._look_up(segment, is_second=True)
                return
            result = result._replace(kind=Kind.ACCOUNT, reason=result.reason or "it takes no log-in")
        if result is None and self.running:
            self._make(segment)
        elif result is None or result.kind in (Kind.TAKEN, Kind.THROTTLED, Kind.ACCOUNT):
            result = result or Result(Kind.THROTTLED)
            self._told_by_reply(result._replace(is_found=result.kind is Kind.TAKEN), segment)
        else:  # nothing was sent now
            self._result(result._replace(kind=Kind.TEMPORARY, code=None), segment)

    def _not_looked_up(self, failure: Failure, segment: Segment) -> None:
        """Of the text nothing was sent now."""
        reason = failure.value.reason if isinstance(failure.value, HTTPFailure) else type(failure.value).__name__
        self._result(self._not_sent(reason), segment)

    def _read(
        self, read: Callable[[Segment, HTTPReply], Result | None], segment: Segment, reply: HTTPReply
    ) -> Result | None:
        try:
            return read(segment, reply)
        except Exception:  # noqa: BLE001 — nothing that a provider sends may stop the connector (law 3)
            self.log.failure("{channel}: a reply could not be read", channel=self.name)
            return Result(Kind.UNKNOWN, reason="its reply could not be read")

    # --- what became of it ----------------------------------------------------------------------------------

    def _result(self, result: Result, segment: Segment) -> None:
        if self._under_way.pop(segment.id, None) is None:
            return
        self._judge(result)
        if result.kind in _GIVEN_BACK:
            self._given_back.append(segment)
        else:
            self._outcomes.append(_outcome_of(result, segment, self._settings, self._provider))
        self._tell_soon()
        if self._drained is not None and not self._under_way and not self._drained.called:
            self._drained.callback(None)

    def _judge(self, result: Result) -> None:
        """What it says about the provider as a whole."""
        now, reason = self._clock.seconds(), result.reason
        if not self.running:
            return
        if result.kind is Kind.THROTTLED:
            self._throttled.add((self.name, "", "" if result.code is None else result.code))
            if self._availability.throttled(now, reason, result.retry_in):
                self.log.info("the channel {channel} is throttled: {reason}", channel=self.name, reason=reason)
        elif result.kind is Kind.ACCOUNT:
            if self._availability.stopped(now, reason, result.retry_in):
                self.log.critical(
                    "the channel {channel} has stopped: {reason} (code {code}). Its texts wait. Mend the account or the"
                    " configuration; one request is tried in {pause:.0f} s.",
                    channel=self.name, reason=reason, code=result.code, pause=self._availability.wait(now),
                )  # fmt: skip
        elif result.kind is Kind.DOWN:
            self._say_down(self._availability.down(now, reason, result.retry_in), reason)
        elif result.kind is Kind.UNKNOWN:
            self._say_down(self._availability.unanswered(now, reason), reason)

    def _tell_soon(self) -> None:
        if self._tell_call is None:
            self._tell_call = self._clock.callLater(0, self._tell)

    def _tell(self) -> None:
        """All that came in this turn."""
        self._tell_call = None
        outcomes, self._outcomes = self._outcomes, []
        given_back, self._given_back = self._given_back, []
        if given_back:
            self._listener.throttled(given_back)
        if outcomes:
            self._listener.outcomes(outcomes)
        if self.running and self.capacity():
            self._listener.room()
        self._wait_for_room()

    def _wait_for_room(self) -> None:
        """One timer, for the end of a pause or the next tokens."""
        if not self.running:
            return
        now = self._clock.seconds()
        wait = self._availability.wait(now)
        if wait <= 0:
            return
        wait = max(wait, SHORTEST_WAIT)
        if self._room_call is not None and self._room_call.getTime() <= now + wait:
            return
        if self._room_call is not None:
            self._room_call.cancel()
        self._room_call = self._clock.callLater(wait, self._offer_room)

    def _offer_room(self) -> None:
        self._room_call = None
        if self.running and self.capacity():
            self._listener.room()
        self._wait_for_room()


def _preview_of(part: Part, addresses: tuple[str | None, str], rate: float) -> Preview:
    """How a text would go out now. How it is coded is the provider's to choose."""
    source, number = addresses
    is_up = part.state == "up"
    way = Way(*part, is_up, WireAddress(source or ""), WireAddress(number))
    why = f": {part.why}" if part.why else ""
    return Preview([way], rate or None, "" if is_up else f"The channel {part.name} is {part.state}{why}.")


def _outcome_of(result: Result, segment: Segment, settings: ProviderSettings, provider: Provider) -> Outcome:
    """What the listener is told of a text that is not given back."""
    account = settings.account
    if result.kind is Kind.TAKEN:
        if result.is_found and len(result.ids) == 1:
            verdict, code = (Verdict.ACCEPTED, None) if provider.gives_receipts else (Verdict.DONE, CODE_ACCEPTED)
            return OutcomeFound(segment, verdict, account, result.ids[0], code)
        if not provider.gives_receipts:
            return Outcome(segment, Verdict.DONE, account, _first(result.ids), CODE_ACCEPTED)
        if len(result.ids) > 1:
            first, *others = result.ids
            return OutcomeOfParts(
                segment, Verdict.ACCEPTED, account, first, other_ids=tuple(others), one_report=settings.one_report
            )
        return Outcome(segment, Verdict.ACCEPTED, account, _first(result.ids))
    verdict = _VERDICTS[result.kind]
    if verdict is Verdict.UNKNOWN:
        return Outcome(segment, verdict, account, may_come_late=provider.names_our_sid)
    return Outcome(segment, verdict, account, code=result.code, retry_in=result.retry_in)


def _first(ids: Sequence[str]) -> str | None:
    return ids[0] if ids else None
