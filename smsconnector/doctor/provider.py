"""``smsconnector doctor --channel NAME``: the request that a channel would send to its HTTP provider, and its answer.

1. ``ProviderPlan`` is made from the command line and the configuration.
2. Without a number nothing is sent: the request is shown as it would be for an example. Secrets are masked. Where
   the provider has a request that changes nothing (Twilio), it shows whether the credentials are good.
3. With one, one text is sent, and the answer is shown with what it means to the connector. If a log-in is configured
   it comes first.

The provider may be in use by a running connector at the same time; it only sees one more text.
"""

import argparse
import random
import signal
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from typing import Any

from twisted.internet.defer import Deferred, inlineCallbacks, maybeDeferred
from twisted.logger import ILogObserver, LogEvent, globalLogBeginner
from zope.interface import provider

from smsconnector.channels import Surroundings
from smsconnector.channels.http.redaction import forms_of
from smsconnector.channels.provider.results import Kind, Result
from smsconnector.config import load
from smsconnector.doctor.provider_types import Check, ProviderSection, side_of
from smsconnector.errors import AddressError, HTTPFailure, NotSent, TextError
from smsconnector.messages import Segment, new_sid
from smsconnector.net.http_client import HTTPCall, HTTPReply
from smsconnector.rest.answers import Answer
from smsconnector.rest.variables import MASK
from smsconnector.sms.addresses import in_country, normal_number, normal_sender
from smsconnector.timers import run_on_monotonic_clock
from smsconnector.wall_clock import WallClock

EXAMPLE_NUMBER = "923001234567"
EXAMPLE_TEXT = "Test of the connector."
SHOWN_CHARACTERS = 4_000  # of a body
VALIDITY_MS = 3_600_000
_SHOWN_HEADERS = ("content-type", "location", "retry-after", "www-authenticate", "server")

_MEANINGS = {
    Kind.TAKEN: "accepted",
    Kind.TEMPORARY: "not accepted for now: tried again later, and an attempt is counted",
    Kind.THROTTLED: "throttled: the whole channel slows down, and no attempt is counted",
    Kind.DOWN: "not sent: the provider can't be asked now; the channel waits, and no attempt is counted",
    Kind.PERMANENT: "refused for good: this text ends as FAILED",
    Kind.ACCOUNT: "a trouble of the account or the configuration: the channel stops, and its texts wait",
    Kind.UNKNOWN: "not known whether it was accepted: the policy unknown_outcome decides",
    Kind.LOG_IN_AGAIN: "the session is over: a new log-in, and the request once more",
}


@dataclass(frozen=True, slots=True)
class ProviderPlan:
    """What is to be tried. ``number`` None: nothing is sent."""

    channel: str
    section: ProviderSection
    number: str | None
    source: str | None
    text: str
    public_url: str | None
    base_path: str


def make_provider_plan(options: argparse.Namespace) -> ProviderPlan:
    """The plan that the command line asks for. Raises ConfigurationError for a file that can't be used, and ValueError,
    with a sentence for the operator, for options that can't be followed."""
    for name in ("bind", "host", "system_id", "system_type", "password_file", "ca_file"):
        if getattr(options, name) is not None:
            raise ValueError(f"--{name.replace('_', '-')} is for an SMSC, and --channel for an HTTP provider")
    if len(options.to) > 1:
        raise ValueError("with --channel one text is sent: name one number behind --to")
    configuration = load(options.config)
    fitting = {name: one for name, one in configuration.channels.items() if isinstance(one, ProviderSection)}
    section = fitting.get(options.channel)
    if section is None:
        known = ", ".join(fitting) or "there is none"
        raise ValueError(f"{options.config} has no channel {options.channel!r} to an HTTP provider: say one of {known}")
    try:
        number = in_country(normal_number(options.to[0]), section.default_country) if options.to else None
        source = normal_sender(options.source)
    except AddressError as error:
        raise ValueError(error.about("the number behind --to, or the sender behind --from,")) from None
    text = EXAMPLE_TEXT if options.text is None else options.text
    public_url = getattr(configuration.http, "public_url", None)
    return ProviderPlan(options.channel, section, number, source, text, public_url, configuration.http.base_path)


class Trial:
    """One visit to the provider. ``say`` prints a line."""

    def __init__(self, reactor: Any, plan: ProviderPlan, say: Callable[[str], None]) -> None:
        self._clock, self._plan, self._say = reactor, plan, say
        wall_clock = WallClock()
        nobody: Any = None  # a trial sends without a channel, so that nobody listens
        around = Surroundings(reactor, wall_clock, random.Random(), nobody, nobody, plan.public_url, plan.base_path)  # nosec B311 # nothing secret comes of it
        self._side = side_of(plan.channel, plan.section, around)
        self._now_ms = wall_clock.milliseconds()

    def segments(self) -> list[Segment]:
        """The text as it would be sent. Raises TextError."""
        plan = self._plan
        split = self._side.cut(plan.text)
        sid = new_sid(self._now_ms)
        number, ends_at = plan.number or EXAMPLE_NUMBER, self._now_ms + VALIDITY_MS
        return [
            Segment(
                at, at, len(split.segments), one, split.alphabet, plan.source, number, ends_at, is_limited=True, sid=sid
            )
            for at, one in enumerate(split.segments, 1)
        ]

    @inlineCallbacks
    def run(self) -> Generator["Deferred[Any]", Any, int]:
        """Shows, and sends if there is a number; fires with the exit status: 0, or 1 if a part was not accepted."""
        try:
            segments = self.segments()
            self._show_requests(segments)
        except TextError as error:
            self._say(f"this text can't be sent: {error}")
            return 1
        if self._plan.number is None:
            good = True if self._side.check is None else (yield self._try(self._side.check))
            self._say("Nothing was sent. With --to NUMBER one text is sent, and the answer is shown.")
            yield self._side.client.close()
            return 0 if good else 1
        taken = True
        for one in segments:
            result = yield self._send(one)
            taken = taken and result is not None and result.kind is Kind.TAKEN
        yield self._side.client.close()
        return 0 if taken else 1

    def _show_requests(self, segments: list[Segment]) -> None:
        """As they are, and the first one without what a text may lack, if that makes a difference. Raises
        TextError."""
        shown = [self._side.masked(one, self._now_ms) for one in segments]
        for one in shown:
            self._show(one)
        bare = self._side.masked(replace(segments[0], is_limited=False, source=None), self._now_ms)
        if bare != shown[0]:
            self._say("Without a validity and a sender of its own:")
            self._show(bare)

    @inlineCallbacks
    def _send(self, segment: Segment) -> Generator["Deferred[Any]", Any, Result | None]:
        try:
            for is_last in (False, True):
                call = yield maybeDeferred(self._side.provider.call, segment, self._now_ms)
                if isinstance(call, Result):
                    self._tell(call)
                    return call
                began = self._clock.seconds()
                reply = yield self._side.client.ask(call)
                self._show_reply(reply, self._clock.seconds() - began)
                result = self._side.provider.read(segment, reply)
                self._tell(result)
                if result.kind is not Kind.LOG_IN_AGAIN or is_last:
                    return result
        except HTTPFailure as error:
            sent = "nothing was sent" if isinstance(error, NotSent) else "it may have been sent"
            self._say(f"no answer, {sent}: {error.reason}")
        return None

    @inlineCallbacks
    def _try(self, check: Check) -> Generator["Deferred[Any]", Any, bool]:
        """Whether the credentials are good, as far as that can be told."""
        self._say(f"{check.call.method} {check.call.url}")
        began = self._clock.seconds()
        try:
            reply = yield self._side.client.ask(check.call)
        except HTTPFailure as error:
            self._say(f"no answer: {error.reason}")
            return False
        self._say_status(reply, self._clock.seconds() - began)
        good, sentence = check.read(reply)
        self._say(f"this means: {sentence}\n")
        return good

    def _show(self, call: HTTPCall) -> None:
        self._say(f"{call.method} {call.url}")
        for name, value in call.headers:
            self._say(f"{name}: {value}")
        self._say("")
        if call.body:
            self._say(call.body.decode("utf-8", "replace"))
            self._say("")

    def _show_reply(self, reply: HTTPReply, seconds: float) -> None:
        answer = Answer(reply.status, reply.headers, reply.body, self._side.charset)
        self._say_status(reply, seconds)
        for name in _SHOWN_HEADERS:
            if name in reply.headers:
                self._say(f"{name}: {self._masked(reply.headers[name])}")
        text = answer.text
        shown = text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}..."
        self._say(f"\n{self._masked(shown)}\n")

    def _say_status(self, reply: HTTPReply, seconds: float) -> None:
        self._say(f"HTTP status {reply.status} after {seconds * 1000:.0f} ms, {len(reply.body)} octets")

    def _masked(self, text: str) -> str:
        """Without our secrets, which a provider may quote."""
        for form in sorted({form for one in self._side.secrets for form in forms_of(one)}, key=len, reverse=True):
            text = text.replace(form, MASK)
        return text

    def _tell(self, result: Result) -> None:
        self._say(f"this means: {_MEANINGS[result.kind]}")
        if result.kind is Kind.TAKEN:
            ids = ", ".join(result.ids) or "none, so that no delivery report will find it by the provider's id"
            self._say(f"id: {ids}")
        else:
            wait = "" if result.retry_in is None else f", to be tried again in {result.retry_in:g} s"
            self._say(f"code of the report: {result.code}{wait}")


@provider(ILogObserver)
def _observe_nothing(_event: LogEvent) -> None:
    """What there is to say is said by the trial."""


def run_trial(reactor: Any, plan: ProviderPlan, say: Callable[[str], None]) -> int:
    """Run ``reactor`` for one trial. Gives the exit status."""
    run_on_monotonic_clock(reactor)
    globalLogBeginner.beginLoggingTo([_observe_nothing], discardBuffer=True, redirectStandardIO=False)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: reactor.callFromThread(reactor.stop))
    statuses = [1]

    def done(result: Any) -> None:
        if isinstance(result, int):
            statuses[0] = result
        else:
            say(f"the trial broke off: {result.getErrorMessage()}")
        reactor.stop()

    reactor.callWhenRunning(lambda: maybeDeferred(lambda: Trial(reactor, plan, say).run()).addBoth(done))
    reactor.run(installSignalHandlers=False)
    return statuses[0]
