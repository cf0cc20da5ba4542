"""The webhook sink over real HTTP and HTTPS on loopback: an application that is as bad as they come."""

import json
import subprocess
import sys
import time
from collections import Counter
from email.utils import formatdate
from pathlib import Path
from random import Random
from typing import Any

from standardwebhooks.webhooks import Webhook, WebhookVerificationError
from twisted.internet import reactor
from twisted.internet.defer import inlineCallbacks
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from smsconnector.messages import Event
from smsconnector.sinks import EventOutcome, EventVerdict
from smsconnector.sinks.webhook import sink as sinks
from smsconnector.sinks.webhook.settings import WebhookSection, make_webhook_sink
from smsconnector.wall_clock import WallClock
from tests.integration import activemq, jms
from tests.integration.activemq import free_port
from tests.integration.certificates import Authority
from tests.integration.fake_provider import FakeProvider, Reply, Request
from tests.integration.stack import Connector, Load, Network, until
from tests.unit.sinks.webhook.stage import report, text

WHSEC = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"
OTHER = "whsec_OTg3NjU0MzIxMGFiY2RlZjAxMjM0NTY3"
OK = Reply(200, b"")
ROOT = Path(__file__).resolve().parents[2]


class WebhookCase(TestCase):
    """Real time: the pauses between tries are short."""

    timeout = 40

    def setUp(self) -> None:
        self.patch(sinks, "FIRST_PAUSE", 0.1)
        self.patch(sinks, "LONGEST_PAUSE", 0.2)
        self.outcomes: list[EventOutcome] = []

    def application(self, *script: Any, certificate: str | None = None) -> FakeProvider:
        found = FakeProvider(reactor, script or (OK,), certificate).start()
        self.addCleanup(found.stop)
        return found

    def start(self, url: str, **settings: Any) -> Any:
        given = {"url": f"{url}/hook?key=x", "secret": WHSEC, "allow_private": True, "timeout": 1.0, **settings}
        section = WebhookSection.model_validate({"type": "webhook", **given})
        self.sink = make_webhook_sink(reactor, section, Random(1), WallClock())
        self.sink.startService()
        self.addCleanup(self.sink.stopService)
        return self.sink

    def publish(self, *events: Event) -> None:
        self.sink.publish(events, self.outcomes.append)

    def told(self, verdict: EventVerdict = EventVerdict.CONFIRMED) -> list[int]:
        return [event.id for one in self.outcomes if one.verdict is verdict for event in one.events]

    def ids(self, application: FakeProvider) -> list[str]:
        return [request.headers["webhook-id"] for request in application.requests]


class AnswersCase(WebhookCase):
    @inlineCallbacks
    def test_signed(self) -> Any:
        """PyPI's ``standardwebhooks`` verifies what comes, by each of two secrets, and not with one bit changed."""
        application = self.application()
        self.start(application.url, secret=[WHSEC, OTHER])
        self.publish(text(1), report(2))
        yield until(lambda: len(self.told()) == 2, 5)
        for request in application.requests:
            self.assertEqual((request.method, request.target), ("POST", "/hook?key=x"))
            for secret in (WHSEC, OTHER):
                found = Webhook(secret).verify(request.body.decode(), request.headers)
                self.assertIn(found["type"], ("message.report", "message.incoming"))
            body = request.body.decode().replace("smpp", "smpq")
            self.assertRaises(WebhookVerificationError, Webhook(WHSEC).verify, body, request.headers)

    @inlineCallbacks
    def test_success(self) -> Any:
        """200 with and without a body, 204, and an HTML page: a 2xx is a 2xx."""
        html = Reply(200, b"<html>" + b"x" * 20_000, (("Content-Type", "text/html"),))
        application = self.application(OK, Reply(200, b"{}"), Reply(204, b"", ()), html)
        self.start(application.url, parallel=1)
        self.publish(*(report(number) for number in range(6)))
        yield until(lambda: len(self.told()) == 6, 5)
        self.assertEqual((self.told(), application.connections), ([*range(6)], 1), "one connection serves them all")

    @inlineCallbacks
    def test_refused(self) -> Any:
        """400, a redirect (which is not followed), and an HTML page for a 404: parked at once, the others go on."""
        moved = Reply(301, b"", (("Location", "/elsewhere"),))
        page = Reply(404, b"<html>no", (("Content-Type", "text/html"),))
        application = self.application(Reply(400, b"no"), moved, page, OK)
        self.start(application.url, parallel=1)
        self.publish(*(report(number) for number in range(5)))
        yield until(lambda: len(self.outcomes) >= 4, 5)
        self.assertEqual((self.told(EventVerdict.REFUSED), self.told()), ([0, 1, 2], [3, 4]))
        self.assertEqual({request.path for request in application.requests}, {"/hook"})

    @inlineCallbacks
    def test_gone(self) -> Any:
        """410 ends it: nothing more is sent, and nothing is answered."""
        application = self.application(OK, Reply(410, b""))
        self.start(application.url, parallel=1)
        self.publish(*(report(number) for number in range(5)))
        yield until(lambda: self.sink.troubles, 5)
        self.publish(report(9))
        self.assertEqual((self.told(), len(application.requests)), ([0], 2))
        self.assertEqual(self.sink.troubles[0].state, "disabled")

    @inlineCallbacks
    def test_retry_after(self) -> Any:
        """As seconds and as a date: nobody is asked before, and then the same event comes with the same id."""
        for status, value, least in ((429, "1", 1.0), (503, None, 0.9)):
            self.outcomes.clear()
            wish = value or formatdate(time.time() + 2, usegmt=True)
            application = self.application(Reply(status, b"", (("Retry-After", wish),)), OK)
            self.start(application.url, parallel=1)
            since = time.monotonic()
            self.publish(report(1), report(2))
            yield until(lambda: len(self.told()) == 2, 8)
            self.assertGreaterEqual(time.monotonic() - since, least)
            self.assertEqual(Counter(self.ids(application)), {"dr-SM1": 2, "dr-SM2": 1})

    @inlineCallbacks
    def test_not_now(self) -> Any:
        """500, 503 without a word of when, an answer that does not come in time, one that is cut, and a connection that
        is cut before: sent again with the same id and the same body, and a time of its own."""
        slow, cut, silent = Reply(200, b"x" * 200, is_slow=True), Reply(200, b"x" * 100, cut=60), Reply(200, cut=0)
        for bad in (
            Reply(500, b"oops"),
            Reply(503, b""),
            slow,
            cut,
            silent,
            Reply(200, raw=b"garbage\r\n\r\n", is_last=True),
        ):
            self.outcomes.clear()
            application = self.application(bad, OK)
            self.start(application.url, timeout=0.5)
            self.publish(text(1))
            yield until(self.told, 8)
            first, second = application.requests
            self.assertEqual(first.headers["webhook-id"], second.headers["webhook-id"])
            self.assertEqual(first.body, second.body)
            self.assertEqual(len(self.outcomes), 1)

    @inlineCallbacks
    def test_order_of_one_number(self) -> Any:
        """Under all sorts of failures the texts of each number are taken in their order, and none is left out; others
        go beside them."""
        dice, taken = Random(5), []

        def answer(request: Request) -> Reply:
            if dice.random() < 0.5:
                return dice.choice((Reply(500), Reply(503), Reply(200, cut=0), Reply(502), Reply(408)))
            data = json.loads(request.body)["data"]
            taken.append((data["From"], int(data["SmsSid"][1:])))
            return OK

        self.patch(sinks, "TRIES", 1000)
        application = self.application(answer)
        self.start(application.url, parallel=4)
        self.patch(sinks, "FIRST_PAUSE", 0.01)
        self.publish(*(text(number, f"4670{number % 3}") for number in range(30)))
        yield until(lambda: len(self.told()) == 30, 30)
        for sender in range(3):
            numbers = [number for one, number in taken if one == f"4670{sender}"]
            self.assertEqual(numbers, [*range(sender, 30, 3)])

    @inlineCallbacks
    def test_down_and_back(self) -> Any:
        """While nobody listens nothing is answered; when somebody does, all comes."""
        application = self.application()
        port, url = application.port, application.url
        yield application.stop()
        self.start(url)
        self.publish(*(report(number) for number in range(20)))
        yield until(lambda: self.sink.troubles, 5)
        self.assertEqual((self.outcomes, self.sink.troubles[0].state), ([], "down"))
        again: Any = FakeProvider(reactor, (OK,))
        listen = reactor.listenTCP
        self.patch(reactor, "listenTCP", lambda _port, factory, **more: listen(port, factory, **more))
        again.start()
        self.addCleanup(again.stop)
        yield until(lambda: len(self.told()) == 20, 8)


class TLSCase(WebhookCase):
    def setUp(self) -> None:
        super().setUp()
        self.authority = Authority(self.mktemp())

    @inlineCallbacks
    def test_verified(self) -> Any:
        """With the authority that signed it."""
        application = self.application(certificate=self.authority.issue("localhost"))
        self.start(application.url, tls={"ca_file": self.authority.ca_file})
        self.publish(report(1))
        yield until(self.told, 5)

    @inlineCallbacks
    def test_not_verified(self) -> Any:
        """A certificate of somebody else, or for another host: nothing is sent, the target is down, and it says why."""
        other = Authority(self.mktemp(), "another")
        for certificate in (other.issue("localhost"), self.authority.issue("crm.example")):
            application = self.application(certificate=certificate)
            self.start(application.url, tls={"ca_file": self.authority.ca_file})
            self.publish(report(1))
            yield until(lambda: self.sink.troubles, 5)
            self.assertEqual((self.outcomes, application.requests), ([], []))
            self.assertEqual(self.sink.troubles[0].state, "down")
            self.assertRegex(self.sink.troubles[0].why, "TLS|certificate")


class GuardCase(WebhookCase):
    @inlineCallbacks
    def test_not_allowed(self) -> Any:
        """A name that leads to loopback is not connected to, and health says what to write if it is meant."""
        application = self.application()
        url = application.url.replace("127.0.0.1", "localhost")
        section = WebhookSection.model_validate(
            {"type": "webhook", "url": f"{url}/x", "secret": WHSEC, "allow_private": True}
        ).model_copy(update={"allow_private": False})  # a name that leads there only later is not seen by the section
        self.sink = make_webhook_sink(reactor, section, Random(1), WallClock())
        self.sink.startService()
        self.addCleanup(self.sink.stopService)
        self.publish(report(1))
        yield until(lambda: self.sink.troubles, 5)
        self.assertIn(
            "leads to no public address (127.0.0.1 is loopback",
            self.sink.troubles[0].why.replace("::1 is loopback, ", ""),
        )
        self.assertEqual((application.connections, self.outcomes), (0, []))


class DaemonCase(TestCase):
    """The whole connector as a process, with a broker and an application."""

    skip = activemq.available() or jms.available()
    timeout = 180

    @inlineCallbacks
    def test_one_down_the_other_goes_on(self) -> Any:
        """The application is away: every report is on the queue all the same. It comes, the connector is killed
        meanwhile and starts again: the application gets each report too, with one content for each id. It takes reports
        only, and texts hold up nothing."""
        broker = activemq.ActiveMQ()
        self.addCleanup(broker.stop)
        broker.start()
        network = Network(receipt_delay=0.1)
        network.listen()
        self.addCleanup(network.cut)
        port, count = free_port(), 300
        crm: dict[str, Any] = {"name": "crm", "type": "webhook", "url": f"http://127.0.0.1:{port}/x", "secret": WHSEC}
        crm |= {"allow_private": True, "kinds": ["delivery_report"]}
        events = {"sinks": [{"name": "jms", "type": "stomp", "uri": broker.uri}, crm]}
        connector = Connector([network.number], "", events=events)
        self.addCleanup(connector.close)
        yield connector.start()
        yield Load(connector.port, count).run()
        reports = yield jms.consume(broker.jms_url, "delivery-report", count, 10)
        sids = {json.loads(one["text"])["MessageSID"] for one in reports}
        self.assertEqual(len(sids), count)

        application = FakeProvider(reactor, (Reply(200, b"", delay=0.02),))
        listen = reactor.listenTCP
        self.patch(reactor, "listenTCP", lambda _port, factory, **more: listen(port, factory, **more))
        application.start()
        self.addCleanup(application.stop)
        yield until(lambda: len(application.requests) > count // 4, 60)
        connector.kill()
        yield connector.start()

        def got() -> set[str]:
            return {json.loads(one.body)["data"]["MessageSID"] for one in application.requests}

        yield until(lambda: got() == sids, 60)
        contents: dict[str, set[bytes]] = {}
        for one in application.requests:
            contents.setdefault(one.headers["webhook-id"], set()).add(one.body)
            Webhook(WHSEC).verify(one.body.decode(), one.headers)
        self.assertEqual((len(contents), {len(one) for one in contents.values()}), (count, {1}))
        self.assertLess(len(application.requests), count + 100, "only what the kill left open comes again")


class WebhookOnlyCase(TestCase):
    """The whole connector as a process, with an application instead of a broker."""

    timeout = 120

    @inlineCallbacks
    def test_parked_and_sent_again(self) -> Any:
        """The application refuses every event: each is parked, and listed. When it takes them, ``--retry`` is enough
        for the connector that runs: each comes, with the id that it had."""
        application = FakeProvider(reactor, (Reply(400, b"no"),)).start()
        self.addCleanup(application.stop)
        network = Network(receipt_delay=0.1)
        network.listen()
        self.addCleanup(network.cut)
        events = {"sink": "webhook", "url": f"{application.url}/x", "secret": WHSEC, "allow_private": True}
        connector = Connector([network.number], "", events=events)
        self.addCleanup(connector.close)
        yield connector.start()
        yield Load(connector.port, 20).run()
        yield until(lambda: len(application.requests) >= 20, 30)
        refused = {one.headers["webhook-id"] for one in application.requests}

        def command(*arguments: str) -> str:
            found = subprocess.run(
                [sys.executable, "-m", "smsconnector.cli", "events", *arguments, "--config", "connector.yaml"],
                cwd=connector.folder,
                env={"PYTHONPATH": str(ROOT)},
                capture_output=True,
                text=True,
                timeout=60,
                check=True,
            )
            return found.stdout

        listed = ""
        while listed.count("it answered 400 Bad Request") < 20:
            listed = yield deferToThread(command, "--parked")
        self.assertEqual(listed.count("  webhook  since "), 20)
        application.requests.clear()
        application.script = (OK,)
        said = yield deferToThread(command, "--retry")
        self.assertIn("20 events will be sent again", said)
        yield until(lambda: {one.headers["webhook-id"] for one in application.requests} == refused, 60)
        listed = ""
        while listed != "none\n":
            listed = yield deferToThread(command)
        self.assertEqual(len(application.requests), 20)
