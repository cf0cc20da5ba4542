"""The provider of an ``http`` channel: the request for a text, and the result of its answer, both by the configuration.

1. ``call`` fills the template. Where it names a session that is not there yet, the request comes when the log-in is
   done (``session``). A token (``web_token``) and a signature (``signing``) are made at once. A text that can't stand
   where the template wants it is refused for good.
2. ``read`` judges the answer by ``rest.conditions`` and finds the ids. A refused session is given up, and the base
   makes the request once more.
3. A text whose request was not answered is looked for before it is sent again, where the configuration says how
   (``lookup``, ``found``).

Nothing that is shown holds a secret, a text or a number: see ``redaction``.
"""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from secrets import token_hex
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from smsconnector.channels.http.redaction import LEAST, shown_code, shown_words
from smsconnector.channels.http.session import LoginRefused, LoginRules, Session
from smsconnector.channels.http.settings import NOBODY, HTTPChannelSection, signer_of
from smsconnector.channels.http.signing import Signer
from smsconnector.channels.http.templates import Templates
from smsconnector.channels.http.web_token import TokenMaker
from smsconnector.channels.provider.results import Kind, Result
from smsconnector.errors import TemplateError, TextError
from smsconnector.lifecycle import CODE_UNSENDABLE
from smsconnector.messages import Segment
from smsconnector.net.http_client import HTTPCall, HTTPReply
from smsconnector.net.retry_after import retry_after
from smsconnector.rest.answers import Answer, Selector
from smsconnector.rest.conditions import Meaning
from smsconnector.rest.ids import ids_of, usable_id
from smsconnector.rest.requests import RequestTemplate
from smsconnector.rest.templates import Template
from smsconnector.rest.variables import MASK, Facts

MOST_SESSIONS = 10_000  # requests whose session is remembered: more than may be under way
_KINDS = {"accepted": Kind.TAKEN} | {kind.name.lower(): kind for kind in Kind if kind is not Kind.TAKEN}
_PAUSED = (Kind.TEMPORARY, Kind.THROTTLED, Kind.ACCOUNT)  # of these Retry-After is true


@dataclass(frozen=True, slots=True)
class Surface:
    """How the channel looks from outside: its name, and where the provider reaches it; None: it can't."""

    channel: str
    hooks_url: str | None


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request, with what it needs beside the facts. ``basic``: user and password, as templates."""

    template: RequestTemplate
    basic: tuple[Template, Template] | None = None
    signer: Signer | None = field(default=None, repr=False)

    def call(self, facts: Facts) -> HTTPCall:
        """Raises TextError."""
        if self.signer is not None and facts.signature is None:
            facts = replace(facts, signature=self.signer.signature(self.template, facts))
        request = self.template.fill(facts)
        headers = request.headers
        if self.basic is not None:
            user, password = (one.fill(facts) or "" for one in self.basic)
            credentials = base64.b64encode(f"{user}:{password}".encode()).decode("ascii")  # RFC 7617
            headers += (("Authorization", f"Basic {credentials}"),)
        return HTTPCall(request.method, request.url, headers, request.body)

    def masked(self, facts: Facts) -> HTTPCall:
        """As ``call``, with a mask in the place of each secret."""
        try:
            shown = self.call(facts.masked())
        except TextError:  # a filter wants a number where the secret is one
            shown = self.call(facts.masked(keeps_numbers=True))
        headers = [(name, f"Basic {MASK}" if value.startswith("Basic ") else value) for name, value in shown.headers]
        return shown._replace(headers=tuple(headers))


class TemplateProvider:
    """A provider by templates. ``milliseconds`` is the time of day. ``session`` is None where no log-in is
    configured."""

    def __init__(
        self,
        section: HTTPChannelSection,
        surface: Surface,
        templates: Templates,
        milliseconds: Callable[[], int],
        session: Session | None,
        nonce: Callable[[], str],
    ) -> None:
        if templates.problems or templates.request is None:
            raise TemplateError("; ".join(f"{path}: {sentence}" for path, sentence in templates.problems))
        self._section, self._surface, self._milliseconds, self.session = section, surface, milliseconds, session
        self.request = Prepared(templates.request, templates.basic, signer_of(section, templates))
        self._lookup = None
        if templates.lookup is not None:
            signer = signer_of(section, templates) if "signature" in templates.lookup.names else None
            self._lookup = Prepared(templates.lookup, templates.basic, signer)
        token = section.authentication.jwt
        self._token_maker = None if token is None else TokenMaker(token, templates.claims)
        self._nonce = nonce
        self._own_id: Template = templates.own_id
        self._secrets: Mapping[str, str] = section.all_secrets()
        self._meaning = section.meaning()
        self._sessions: dict[int, str] = {}  # by segment: with which session it was sent
        names = templates.request.names
        self.names_our_sid = bool(names & {"sid", "callback_url"})
        self.gives_receipts = section.tells_receipts(names, surface.hooks_url is not None)

    def call(self, segment: Segment, now_ms: int) -> "HTTPCall | Result | Deferred[HTTPCall | Result]":
        """The request. Where there is no log-in, the Deferred has the Result of that."""
        return self._prepared(self.request, self.facts(segment, now_ms))

    def _prepared(self, request: Prepared, facts: Facts) -> "HTTPCall | Result | Deferred[HTTPCall | Result]":
        if self._token_maker is not None:
            return self._with(self._token_maker.token(facts), request, facts)
        if self.session is None:
            return self._filled(request, facts)
        found = self.session.get()
        if isinstance(found, str):
            return self._with(found, request, facts)
        made: Deferred[HTTPCall | Result] = found.addCallbacks(
            self._with, self._no_session, (request, facts), errbackArgs=(facts.segment,)
        )
        return made

    def read(self, segment: Segment, reply: HTTPReply) -> Result:
        """What the answer means."""
        answer = Answer(reply.status, reply.headers, reply.body, self._section.answer_charset)
        judgement = self._meaning.judge(answer)
        used = self._sessions.pop(segment.id, None)
        kind = _KINDS[judgement.outcome]
        if kind is Kind.TAKEN:
            ids = self._ids(segment, answer, self._section.id)
            if not ids and isinstance(self._section.id, tuple):  # the page of a proxy comes with 200, too
                told = f"HTTP status {reply.status} without an id where one is configured: is it a proxy that answers?"
                return Result(Kind.UNKNOWN, reason=told)
            return Result(kind, ids)
        if kind is Kind.LOG_IN_AGAIN and self.session is not None:
            self.session.refused(used)
        wait = judgement.retry_in
        if wait is None and kind in _PAUSED:
            wait = self._asked_to_wait(reply.headers.get("retry-after"))
        code, words = self._shown(judgement.code, judgement.detail, segment, used)
        reason = f"HTTP status {reply.status}" + (f": {words}" if words else "")
        return Result(kind, (), reply.status if code is None else code, reason, wait)

    def lookup(self, segment: Segment, now_ms: int) -> "HTTPCall | Result | Deferred[HTTPCall | Result] | None":
        """As ``call``; None where no look-up is configured."""
        return None if self._lookup is None else self._prepared(self._lookup, self.facts(segment, now_ms))

    def found(self, segment: Segment, reply: HTTPReply) -> Result | None:
        """What the answer to ``lookup`` means. Only what was configured says that the text was taken, or not."""
        lookup = self._section.lookup
        assert lookup is not None
        answer = Answer(reply.status, reply.headers, reply.body, self._section.answer_charset)
        if all(one.condition().holds(answer, every=True) for one in lookup.taken):
            self._sessions.pop(segment.id, None)
            return Result(Kind.TAKEN, self._ids(segment, answer, self._section.id if lookup.id is None else lookup.id))
        if all(one.condition().holds(answer, every=False) for one in lookup.not_taken):
            self._sessions.pop(segment.id, None)
            return None
        result = self.read(segment, reply)
        kind = Kind.UNKNOWN if result.kind is Kind.TAKEN else result.kind
        if kind is Kind.PERMANENT or (kind is Kind.ACCOUNT and _is_of_the_url(reply.status)):
            kind = Kind.TEMPORARY  # it is about the look-up, and not about the text or the account
        words = result.reason or f"HTTP status {reply.status}"
        return result._replace(kind=kind, ids=(), reason=f"the look-up: {words}")

    def addresses(self, segment: Segment) -> tuple[str | None, str]:
        """As the templates are given them."""
        return segment.source if segment.source is not None else self._section.source, segment.destination

    def facts(self, segment: Segment, now_ms: int) -> Facts:
        """All that is known of it, but for the session. ``now_ms``: by the clock of its ``expires_at``, which is the
        steady reading."""
        source, _ = self.addresses(segment)
        sid = segment.sid or str(segment.id)
        if segment.count > 1:  # a text that was cut: each part has an id of its own
            sid = f"{sid}-{segment.number}"
        surface, nonce, of_day = self._surface, self._nonce(), self._milliseconds()
        if of_day != now_ms:  # the provider reads a time of day; the time that is left stays what it is
            segment = replace(segment, expires_at=segment.expires_at - now_ms + of_day)
        return Facts(segment, of_day, sid, surface.channel, source, surface.hooks_url, self._secrets, nonce=nonce)

    def _shown(
        self, code: int | str | None, words: str, segment: Segment, session: str | None = None
    ) -> tuple[int | str | None, str]:
        """The provider's code and words, without what quotes the customer, or our secrets."""
        secrets = [one for one in (*self._secrets.values(), session or "") if len(one) >= LEAST]
        hidden = segment.text, segment.destination
        return shown_code(code, hidden, secrets), shown_words(words, hidden, secrets)

    def _with(self, session: str, request: Prepared, facts: Facts) -> HTTPCall | Result:
        if len(self._sessions) >= MOST_SESSIONS:  # those that were never answered
            del self._sessions[next(iter(self._sessions))]
        self._sessions[facts.segment.id] = session
        return self._filled(request, replace(facts, session=session))

    def _filled(self, request: Prepared, facts: Facts) -> HTTPCall | Result:
        try:
            return request.call(facts)
        except TextError as error:
            return Result(Kind.PERMANENT, code=CODE_UNSENDABLE, reason=str(error))

    def _no_session(self, failure: Failure, segment: Segment) -> Result:
        """Of the text nothing was sent. It waits for the next log-in, and so does all else."""
        error, session = failure.value, self.session
        kind, code, reason, wait = Kind.DOWN, None, str(error), None
        if isinstance(error, LoginRefused):
            outcome, code, _, detail = error.judgement
            code, words = self._shown(code, detail, segment)
            kind, reason = _KINDS[outcome], f"{error}: {words}" if words else str(error)
            code = error.status if code is None else code
            wait = self._asked_to_wait(error.retry_after)
        if kind is Kind.TEMPORARY:
            kind = Kind.DOWN
        if kind is Kind.DOWN and session is not None:
            wait = max(wait or 0.0, session.pause_left())
        return Result(kind, (), code, reason, wait)

    def _asked_to_wait(self, header: str | None) -> float | None:
        """Seconds, by Retry-After."""
        return retry_after(header, self._milliseconds() / 1000)

    def _ids(self, segment: Segment, answer: Answer, written: Any) -> tuple[str, ...]:
        if written == "none":
            return ()
        if isinstance(written, tuple):
            places: tuple[Selector, ...] = written
            return ids_of(answer, places)
        own = usable_id(self._own_id.fill(self.facts(segment, 0)))
        return () if own is None else (own,)


def fresh_nonce() -> str:
    """32 hexadecimal digits."""
    return token_hex(16)


def _is_of_the_url(status: int) -> bool:
    """Whether there is nothing to ask there."""
    return 300 <= status < 400 or status in (404, 405, 410, 415)


def make_provider(
    section: HTTPChannelSection,
    surface: Surface,
    ask: "Callable[[HTTPCall], Deferred[HTTPReply]]",
    milliseconds: Callable[[], int],
    seconds: Callable[[], float],
    nonce: Callable[[], str] = fresh_nonce,
) -> TemplateProvider:
    """The provider of a section. ``ask`` sends a log-in; ``milliseconds`` is the time of day, ``seconds`` a clock that
    only rises; ``nonce`` gives another word at each call. Raises TemplateError for a section that was not checked."""
    templates = Templates(section.written())
    login = login_of(section, templates)
    session = None
    if login is not None:
        prepared, rules = login
        secrets = section.all_secrets()

        def make_call() -> HTTPCall:
            return prepared.call(login_facts(surface, secrets, milliseconds(), nonce()))

        session = Session(ask, make_call, rules, seconds)
    return TemplateProvider(section, surface, templates, milliseconds, session, nonce)


def login_facts(surface: Surface, secrets: Mapping[str, str], now_ms: int, nonce: str = "") -> Facts:
    """What the request of a log-in may name."""
    return Facts(NOBODY, now_ms, "", surface.channel, secrets=secrets, nonce=nonce)


def login_of(section: HTTPChannelSection, templates: Templates) -> tuple[Prepared, LoginRules] | None:
    """The request that gives a session, and how its answer is read; None if there is none. OAuth2 has words of its own
    for a failure (RFC 6749 section 5.2); a log-in has them where all answers of the provider have."""
    if templates.login is None:
        return None
    login, oauth2 = section.authentication.login, section.authentication.oauth2
    if login is not None:
        expires_in = None if login.expires_in is None else login.expires_in.selector()
        meaning = replace(section.meaning(), accepted=tuple(one.condition() for one in login.accepted), rules=())
        rules = LoginRules(meaning, login.session.selector(), expires_in, login.lifetime, section.answer_charset)
        return Prepared(templates.login), rules
    assert oauth2 is not None
    token, expires = Selector("json", ("access_token",)), Selector("json", ("expires_in",))
    meaning = Meaning((), code=Selector("json", ("error",)), detail=Selector("json", ("error_description",)))
    basic = templates.client if oauth2.credentials == "basic" else None
    return Prepared(templates.login, basic), LoginRules(meaning, token, expires, oauth2.lifetime)
