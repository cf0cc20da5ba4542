"""A channel that sends by HTTP requests, with whom it tells: what the tests of all types of such channels share."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from random import Random
from typing import Any, cast

from twisted.internet import reactor as _reactor
from twisted.trial.unittest import TestCase

from smsconnector.channels import IReceiver, Surroundings
from smsconnector.channels.http.making import make_channel
from smsconnector.channels.http.settings import HTTPChannelSection
from smsconnector.channels.provider.channel import ProviderChannel
from smsconnector.messages import Outcome, Segment, Verdict, new_sid
from smsconnector.wall_clock import WallClock
from tests.integration.certificates import Authority
from tests.integration.fake_provider import Answer, FakeProvider, Reply
from tests.integration.stack import until

reactor: Any = _reactor
KEY = "the-secret-key"
NUMBER, TEXT = "923001234567", "Hi {{from}} & {{text}} \u0633\u0644\u0627\u0645 \U0001f600"
PUBLIC = "https://sms.example.org"
THROTTLED = "given back"  # no attempt is counted
HTML = b"<html><body>Please log in</body></html>"
Ended = tuple[Verdict | str, int | str | None, str]  # verdict or THROTTLED, code, state of the channel then

OURS: dict[str, Any] = {
    "type": "http",
    "from": "15005550006",
    "secrets": {"key": KEY},
    "request": {
        "url": "http://provider/send",
        "headers": {"Authorization": "Bearer {{secret.key}}"},
        "json": {"to": "{{to}}", "text": "{{text}}", "callback": "{{callback_url}}"},
    },
    "accepted": [{"status": ["2xx"]}, {"json": "status", "equals": "ok"}],
    "receipts": True,
    "id": [{"json": "ids.*.id"}, {"json": "id"}, {"header": "X-Id"}, {"header": "Location", "pattern": r"/(\w+)$"}],
    "code": {"json": "error.code"},
    "reason": {"json": "error.text"},
    "failures": [
        {"when": {"json": "error.code", "in": [17, 18]}, "then": "account"},
        {"when": {"json": "error.code", "equals": 21}, "then": "permanent"},
        {"when": {"json": "error.code", "equals": 22}, "then": "permanent", "code": "LANDLINE"},
        {
            "when": {"json": "error.code", "equals": 30},
            "then": "throttled",
            "retry_in": {"json": "error.wait", "unit": "ms"},
        },
        {"when": {"json": "error.code", "equals": 40}, "then": "temporary"},
        {"when": [{"status": 400}, {"json": "error.code", "equals": 50}], "then": "unknown"},
    ],
}


def says(status: int, data: Any = None, *headers: tuple[str, str], **acts: Any) -> Reply:
    """An answer in JSON, or of these octets."""
    body = data if isinstance(data, bytes) else json.dumps(data).encode()
    return Reply(status, body, headers, **acts)


def ok(**more: Any) -> dict[str, Any]:
    return {"status": "ok"} | more


TAKEN = says(202, ok(id="m-1"))


class Bench:
    """A channel that is started, and its listener. ``make`` makes it. ``is_patient``: what is given back is submitted
    again as soon as there is room, as a submitter does."""

    is_urgent = False

    def __init__(self, make: Callable[[Surroundings], ProviderChannel], is_patient: bool = False) -> None:
        self.told: list[Outcome] = []
        self.back: list[Segment] = []
        self.waiting: list[Segment] = []
        self.is_patient = is_patient
        around = Surroundings(
            reactor, WallClock(), Random(1), cast(IReceiver, None), lambda prefix, route: self, PUBLIC
        )
        self.channel = make(around)
        self.channel.startService()

    def outcomes(self, outcomes: list[Outcome]) -> None:
        self.told += outcomes

    def late(self, outcome: Outcome) -> None: ...

    def throttled(self, segments: Iterable[Segment]) -> None:
        segments = list(segments)
        self.back += segments
        if self.is_patient:
            self.waiting[:0] = segments

    def room(self) -> None:
        if self.waiting:
            waiting, self.waiting = self.waiting, []
            self.waiting += self.channel.submit(waiting)

    def send(self, **changes: Any) -> Segment:
        """Submit one text; it waits if there is no room."""
        now_ms = WallClock().milliseconds()
        made: dict[str, Any] = {
            "id": 1, "number": 1, "count": 1, "text": TEXT, "alphabet": "ucs2", "source": None, "destination": NUMBER,
            "expires_at": now_ms + 60_000, "sid": new_sid(now_ms),
        }  # fmt: skip
        segment = Segment(**(made | changes))
        self.waiting.append(segment)
        self.room()
        return segment

    async def end(self, **changes: Any) -> Ended:
        """What becomes of one text, its code, and how the channel is then."""
        told, back = len(self.told), len(self.back)
        self.send(**changes)
        await until(lambda: len(self.told) > told or len(self.back) > back, 10)
        (part,) = self.channel.parts()
        if len(self.back) > back:
            return THROTTLED, None, part.state
        return self.told[-1].verdict, self.told[-1].code, part.state

    async def stop(self) -> None:
        await self.channel.stopService()


class ProviderCase(TestCase):
    """Tests with a fake provider, by HTTP. ``SecureCase`` has the same by HTTPS."""

    timeout = 120
    certificate: str | None = None
    tls: Mapping[str, Any] = {}

    def provider(self, *script: Answer, **settings: Any) -> FakeProvider:
        """One that listens until the test is over."""
        provider = FakeProvider(
            reactor, script or (Reply(),), settings.pop("certificate", self.certificate), **settings
        )
        self.addCleanup(provider.start().stop)
        return provider


def placed(value: Any, url: str) -> Any:
    """With the provider's URL wherever ``http://provider`` stands."""
    if isinstance(value, dict):
        return {key: placed(one, url) for key, one in value.items()}
    if isinstance(value, list):
        return [placed(one, url) for one in value]
    return re.sub("^http://provider(?=/|$)", url, value) if isinstance(value, str) else value


class HTTPCase(ProviderCase):
    """A channel of the type ``http``. ``OURS`` is its section, unless a test changes it."""

    def bench(self, provider: FakeProvider, is_patient: bool = False, **changes: Any) -> Bench:
        """One that runs until the test is over."""
        data = placed({"reply_timeout": 0.6, "tls": dict(self.tls)} | OURS | changes, provider.url)
        section = HTTPChannelSection.model_validate(data)
        self.assertEqual(HTTPChannelSection.early_problems(data, "x"), [])
        bench = Bench(lambda around: make_channel("out", section, around), is_patient)
        self.addCleanup(bench.stop)
        return bench


class SecureCase(ProviderCase):
    """By HTTPS, with a certificate of the test's own authority."""

    def setUp(self) -> None:
        super().setUp()
        self.authority = Authority(self.mktemp())
        self.certificate = self.authority.issue("localhost")
        self.tls = {"ca_file": self.authority.ca_file}
