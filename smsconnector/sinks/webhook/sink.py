"""Send events to an application by HTTP POST, at least once each. Its 2xx confirms one.

1. An event stands in the lane of its number (``lanes``). Events of one number go one after the other, and those of
   different numbers side by side, ``parallel`` of them at most.
2. TAKEN: the event is confirmed, and the next one of its number may go.
3. REFUSED: the event is parked at once. AGAIN, or no answer: it is tried again after pauses that double, ``TRIES``
   times, and is parked then. Its number waits for so long, and nobody else.
4. A parked event is tried again by the publisher, for a day (``LAST_ATTEMPT``). Then it stays parked until an operator
   wants it sent.
5. SLOWER: nothing is sent for a while, then one event at a time until one is taken. The event itself is not to blame,
   unless others are taken meanwhile.
6. No connection: the target is down. No event has an answer, nothing counts against any, and one after the other is
   tried, after pauses that double.
   A target with a ``patience`` (s) is not waited for longer: then all that waits for it is parked, as wanted later.
7. GONE (410): nothing is sent until a restart, or for ``retry_disabled`` seconds. All that is owed stays owed.

A target without a ``url`` gets each event at the URL of its message's own callback. There a 410 is about the event
alone.

What was sent when the process is killed, or when the answer is lost, is sent again, with the same ``webhook-id``.
"""

import math
from collections.abc import Sequence
from random import Random
from typing import NamedTuple, Protocol

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from smsconnector.messages import Event
from smsconnector.net.http_client import HTTPCall, HTTPReply, NotSent, Unanswered
from smsconnector.net.link import BackOff
from smsconnector.sinks import EventOutcome, EventVerdict, IEventSink, TellOutcome, Trouble
from smsconnector.sinks.webhook.answers import Kind, Meaning, meaning_of
from smsconnector.sinks.webhook.lanes import Delivery, Lanes
from smsconnector.sinks.webhook.message import Headers, body_of, headers_of, number_of
from smsconnector.wall_clock import WallClock

TRIES = 5  # of one event, before it is parked
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0  # seconds, doubled with each try
PATIENCE = 600.0  # seconds after which an event is parked that a target in trouble has not taken, tried or not
LONGEST_WISH = 3600.0  # seconds; a longer Retry-After counts as this
IN_A_ROW = 5  # failures of events, with none taken in between: then it is the target's trouble too
# The publisher's pauses double up to an hour, the first is of 60 s for a refused event and of 1 s for one that is
# wanted later. So many attempts take a day.
LAST_ATTEMPT = {EventVerdict.REFUSED: 30, EventVerdict.LATER: 36}


_SAID = {"down": "is down", "holds back": "takes nothing now", "refuses": "refuses one event after the other"}


class Client(Protocol):
    """As ``net.http_client.HTTPClient``."""

    def ask(self, call: HTTPCall) -> "Deferred[HTTPReply]": ...

    def close(self) -> "Deferred[None]": ...


class Target(NamedTuple):
    """Where events go. ``url`` and ``headers`` are never shown: they may hold secrets. ``shown``: what may be. ``url``
    is "" where each event brings its own."""

    url: str
    shown: str
    secrets: tuple[bytes, ...]
    headers: Headers = ()
    parallel: int = 16
    retry_disabled: float | None = None  # seconds after a 410; None: at the next start
    patience: float | None = None  # seconds for which events wait while nothing is taken; None: for ever

    def __repr__(self) -> str:
        return f"<Target {self.shown}>"


@implementer(IEventSink)
class WebhookSink(Service):
    """Publishes events to ``target`` by ``client``. ``dice`` makes the jitter of pauses."""

    log = Logger()

    def __init__(
        self, clock: IReactorTime, wall_clock: WallClock, target: Target, client: Client, dice: Random
    ) -> None:
        self._clock, self._wall_clock, self._target, self._client, self._dice = clock, wall_clock, target, client, dice
        self._lanes = Lanes()
        self._out = 0  # events that are being sent
        self._allowed = target.parallel  # how many may be: fewer while the target is in trouble
        self._taken = 0  # events, ever
        self._in_a_row = 0  # failures of events since one was taken
        self._not_before = 0.0  # s of the clock: the target is given a pause until then
        self._back_off = BackOff(FIRST_PAUSE, LONGEST_PAUSE, source=dice)
        self._timer: IDelayedCall | None = None  # the next look at what may be sent
        self._confirmed: dict[TellOutcome, list[Event]] = {}  # since the last turn of the reactor
        self._teller: IDelayedCall | None = None  # tells them
        self._enabler: IDelayedCall | None = None  # ends what a 410 has begun
        self._trouble: Trouble | None = None

    # --- what others see ------------------------------------------------------------------------------------

    @property
    def connected(self) -> bool:
        """Whether parked events may be tried: not where others wait already."""
        is_open = self._state in ("", "refuses") or (self._state != "disabled" and not self._lanes)
        return bool(self.running) and is_open

    @property
    def troubles(self) -> list[Trouble]:
        return [] if self._trouble is None else [self._trouble]

    def publish(self, events: Sequence[Event], settle: TellOutcome) -> None:
        """See ``IEventSink``."""
        for event in events:
            try:
                if not self._target.url and event.callback is None:
                    raise ValueError("its message has no callback")
                delivery = Delivery(event, settle, number_of(event), body_of(event))
            except (ValueError, KeyError, AttributeError) as error:
                settle(EventOutcome([event], EventVerdict.REFUSED, f"it can't be sent: {type(error).__name__}"))
            else:
                self._lanes.add(delivery)
        self._go()

    def startService(self) -> None:
        super().startService()
        self._go()

    def stopService(self) -> "Deferred[None]":
        super().stopService()
        for timer in (self._timer, self._teller, self._enabler):
            if timer is not None and timer.active():
                timer.cancel()
        self._timer = self._teller = self._enabler = None
        self._tell()
        return self._client.close()

    # --- 1: what is sent ------------------------------------------------------------------------------------

    def _go(self) -> None:
        """Send what may be sent now, and look again when more may be."""
        now = self._clock.seconds()
        if not self.running or self._state == "disabled":
            return
        if now < self._not_before:
            self._look_at(self._not_before)
            return
        for delivery in self._lanes.take(now, self._allowed - self._out):
            self._out += 1
            self._send(delivery)
        due_at = self._lanes.due_at()
        if due_at is not None and self._out < self._allowed:
            self._look_at(due_at)

    def _look_at(self, when: float) -> None:
        if self._timer is not None and self._timer.active():
            if self._timer.getTime() <= when:
                return
            self._timer.cancel()
        self._timer = self._clock.callLater(max(0.0, when - self._clock.seconds()), self._go)

    def _send(self, delivery: Delivery) -> None:
        target, now_s = self._target, self._wall_clock.milliseconds() // 1000
        headers = headers_of(delivery.event, delivery.body, target.secrets, now_s) + target.headers
        callback = delivery.event.callback
        url = target.url or (callback.url if callback is not None else "")
        asked = self._client.ask(HTTPCall("POST", url, headers, delivery.body))
        asked.addCallbacks(self._replied, self._failed, callbackArgs=(delivery,), errbackArgs=(delivery,))
        asked.addErrback(self._broken, delivery)

    # --- 2 to 7: what comes back ----------------------------------------------------------------------------

    def _replied(self, reply: HTTPReply, delivery: Delivery) -> None:
        self._out -= 1
        if not self.running:
            return
        meaning = meaning_of(reply, self._wall_clock.milliseconds() / 1000)
        if meaning.kind is Kind.TAKEN:
            self._has_taken(delivery)
        elif meaning.kind is Kind.GONE and self._target.url:
            self._disable(delivery, meaning.reason)
        elif meaning.kind is Kind.SLOWER:
            self._slower(delivery, meaning)
        else:
            self._not_taken(delivery, meaning.reason, is_final=meaning.kind in (Kind.REFUSED, Kind.GONE))
        self._lose_patience()
        self._go()

    def _failed(self, failure: Failure, delivery: Delivery) -> None:
        error = failure.value
        if not isinstance(error, NotSent | Unanswered):
            failure.raiseException()
        self._out -= 1
        if not self.running:
            return
        why = error.reason
        if isinstance(error, NotSent):
            self._lanes.again(delivery)
            self._pause(None)
            self._in_trouble("down", why)
        else:
            self._not_taken(delivery, why, is_answer=False)
        self._lose_patience()
        self._go()

    def _broken(self, failure: Failure, delivery: Delivery) -> None:
        """The edge of the loop: a fault of ours costs the event a try, and holds up no other."""
        self.log.failure("the event {event_id} failed", failure, event_id=delivery.event.event_id)

    def _has_taken(self, delivery: Delivery) -> None:
        self._taken += 1
        self._in_a_row = 0
        if self._allowed < self._target.parallel:
            self._allowed = min(self._allowed * 2, self._target.parallel)
        if self._state not in ("", "disabled"):
            self.log.info("{target} takes events again", target=self._target.shown)
            self._trouble = None
            self._back_off.reset()
        self._lanes.settled(delivery)
        self._confirmed.setdefault(delivery.settle, []).append(delivery.event)
        if self._teller is None:
            self._teller = self._clock.callLater(0.0, self._tell)

    def _tell(self) -> None:
        """Of all that one turn of the reactor has brought, in one go."""
        self._teller = None
        confirmed, self._confirmed = self._confirmed, {}
        for settle, events in confirmed.items():
            settle(EventOutcome(events, EventVerdict.CONFIRMED))

    def _not_taken(self, delivery: Delivery, why: str, *, is_final: bool = False, is_answer: bool = True) -> None:
        """The event was not taken. ``is_final``: to send it again soon is no use. ``is_answer``: the target has said
        so, and is not silent."""
        self._in_a_row += 1
        if self._in_a_row >= IN_A_ROW:
            self._in_trouble("refuses" if is_answer else "holds back", why)
        self._count_try(delivery)
        if is_final or self._has_had_its_tries(delivery, is_answer):
            self._park(delivery, EventVerdict.REFUSED if is_answer else EventVerdict.LATER, why)
            return
        pause = min(FIRST_PAUSE * 2.0 ** (delivery.tries - 1), LONGEST_PAUSE) * (0.5 + self._dice.random() / 2)
        self._lanes.wait(delivery, self._clock.seconds() + pause)

    def _slower(self, delivery: Delivery, meaning: Meaning) -> None:
        self._pause(meaning.pause)
        self._in_trouble("holds back", meaning.reason)
        self._count_try(delivery)
        if self._has_had_its_tries(delivery, is_answer=False):
            self._park(delivery, EventVerdict.LATER, meaning.reason)
        else:
            self._lanes.again(delivery)

    def _count_try(self, delivery: Delivery) -> None:
        if not delivery.tries:
            delivery.failed_at, delivery.taken_before = self._clock.seconds(), self._taken
        delivery.tries += 1

    def _has_had_its_tries(self, delivery: Delivery, is_answer: bool) -> bool:
        """Where the target says nothing about the event itself, it is the event's fault only if others are taken, or if
        it has lasted too long for those behind it."""
        if delivery.event.attempts and is_answer:
            return True  # it had its tries before it was parked
        if delivery.tries < TRIES:
            return False
        lasted = self._clock.seconds() - delivery.failed_at
        return is_answer or self._taken > delivery.taken_before or lasted >= PATIENCE

    def _park(self, delivery: Delivery, verdict: EventVerdict, why: str) -> None:
        self._lanes.settled(delivery)
        again = delivery.event.attempts + 1 < LAST_ATTEMPT[verdict]
        delivery.settle(EventOutcome([delivery.event], verdict, why, again))

    def _lose_patience(self) -> None:
        """Park all that waits, if nothing has been taken for too long. Who reads the outbox goes on behind it."""
        patience, trouble = self._target.patience, self._trouble
        if patience is None or trouble is None or trouble.state == "refuses":
            return
        if self._clock.seconds() - trouble.since < patience:
            return
        while waiting := self._lanes.take(math.inf, len(self._lanes)):
            for delivery in waiting:
                self._park(delivery, EventVerdict.LATER, trouble.why)

    def _pause(self, wish: float | None) -> None:
        """Send nothing for a while, then one event at a time. Of those that fail together only the first counts."""
        now = self._clock.seconds()
        self._allowed = 1
        if now >= self._not_before:
            self._not_before = now + self._back_off.delay()
        if wish is not None:
            self._not_before = max(self._not_before, now + min(wish, LONGEST_WISH))

    def _disable(self, delivery: Delivery, why: str) -> None:
        self._lanes.again(delivery)
        if self._state == "disabled":
            return
        after = self._target.retry_disabled
        self._in_trouble("disabled", f"{why}: it wants no events any more")
        self.log.error(
            "{target} answered 410: it wants no events any more. What it is owed stays owed; it is tried again {when}",
            target=self._target.shown,
            when="at the next start" if after is None else f"in {after:g} s",
        )
        if after is not None:
            self._enabler = self._clock.callLater(after, self._enable)

    def _enable(self) -> None:
        if self._state == "disabled":
            self._trouble, self._allowed = None, 1
            self._go()

    @property
    def _state(self) -> str:
        return "" if self._trouble is None else self._trouble.state

    def _in_trouble(self, state: str, why: str) -> None:
        """Say so once; the time since when stays while it is the same trouble."""
        if self._state in (state, "disabled"):
            return
        since = self._clock.seconds() if self._trouble is None else self._trouble.since
        self._trouble = Trouble(state, f"{self._target.shown}: {why}", since)
        if state != "disabled":
            self.log.warn("{target} {state}: {why}", target=self._target.shown, state=_SAID[state], why=why)
