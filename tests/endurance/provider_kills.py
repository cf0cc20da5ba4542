"""kill -9 again and again, on the whole way of an HTTP provider: an application posts texts to a channel of the type
``twilio``; a provider takes them, and posts signed notifications until it gets a 2xx; each report goes to ActiveMQ and,
by a webhook sink, to an application.

    python -m tests.endurance.provider_kills --rounds 50 [--policy hold]

Counted from outside, at the end: of each text that was accepted there is one report on the queue and one at the
application, under one event id. A text comes to the provider again only if the answer to its request was not on disk at
a kill, and never where the policy is ``hold``.
"""

import argparse
import json
import random
import sys
import time
from collections import Counter
from typing import Any
from urllib.parse import urlencode, urlsplit

from standardwebhooks.webhooks import Webhook
from twilio.request_validator import RequestValidator
from twisted.internet import reactor as _reactor
from twisted.internet.defer import inlineCallbacks
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from smsconnector.errors import HTTPFailure
from smsconnector.net.http_client import HTTPCall, HTTPClient
from tests.endurance.figures import Promises, some
from tests.endurance.queues import Consumer
from tests.integration import activemq
from tests.integration.activemq import ActiveMQ
from tests.integration.fake_provider import FakeProvider, Reply, Request
from tests.integration.stack import Connector, Load, until

reactor: Any = _reactor
TOKEN, SECRET = "the-auth-token", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
PARALLEL = 10  # requests to the provider at a time
PACE = 0.3  # seconds between two texts of one connection
CONNECTIONS = 8
ROUND = (0.4, 1.6)  # seconds that a process lives, once it listens
WITHIN = 120.0  # seconds for what is left at the end
AGAIN = 0.5  # seconds until the provider posts a notification again


class ProviderLoad(Load):
    channel = "cloud"


class Provider:
    """Takes all. ``taken``: the MessageSIDs of ours, by their callbacks; ``refused``: statuses of notifications."""

    def __init__(self, connector: Connector) -> None:
        self._connector = connector
        self._client = HTTPClient(reactor, connections=20, reply_timeout=5.0)
        self._validator = RequestValidator(TOKEN)
        self.taken: list[str] = []
        self.texts: list[tuple[str, str, str]] = []  # SID, number, MessageSID of ours
        self.statuses: Counter[int] = Counter()
        self.server = FakeProvider(reactor, (self._answer,))

    def _answer(self, request: Request) -> Reply:
        if request.method == "GET":  # the look-up before a text is sent again
            found = [self._shown(*one[:2]) for one in self.texts if one[1] == request.query.get("To")]
            return Reply(200, json.dumps({"messages": found}).encode())
        form = request.form
        ours = urlsplit(form["StatusCallback"]).path.rpartition("/")[2]
        sid = f"SM{len(self.taken):032x}"
        self.taken.append(ours)
        self.texts.append((sid, form["To"], ours))
        reactor.callLater(random.uniform(0.02, 0.5), self._notify, urlsplit(form["StatusCallback"]).path, sid)
        return Reply(201, json.dumps(self._shown(sid, form["To"])).encode(), delay=random.uniform(0.0, 0.1))

    def _shown(self, sid: str, to: str) -> dict[str, Any]:
        now = time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime())
        return {"sid": sid, "to": to, "status": "queued", "date_created": now}

    def _notify(self, path: str, sid: str) -> None:
        fields = {"MessageSid": sid, "SmsSid": sid, "MessageStatus": "delivered", "AccountSid": "AC1"}
        public = f"http://127.0.0.1:{self._connector.port}"
        signature = self._validator.compute_signature(public + path, fields)
        headers = (("Content-Type", "application/x-www-form-urlencoded"), ("X-Twilio-Signature", signature))
        asked = self._client.ask(HTTPCall("POST", public + path, headers, urlencode(fields).encode()))

        def told(reply: Any) -> None:
            self.statuses[reply.status] += 1
            if reply.status >= 300:
                reactor.callLater(AGAIN, self._notify, path, sid)

        def failed(failure: Any) -> None:
            failure.trap(HTTPFailure)
            reactor.callLater(AGAIN, self._notify, path, sid)

        asked.addCallbacks(told, failed)


class Application:
    """Takes events. ``reports``: MessageSIDs by webhook-id, of what was signed rightly."""

    def __init__(self) -> None:
        self.reports: dict[str, set[str]] = {}
        self.arrivals = 0
        self.server = FakeProvider(reactor, (self._answer,))

    def _answer(self, request: Request) -> Reply:
        event = Webhook(SECRET).verify(request.body.decode(), request.headers)
        self.arrivals += 1
        self.reports.setdefault(request.headers["webhook-id"], set()).add(event["data"]["MessageSID"])
        return Reply(200)


def made(broker: ActiveMQ, application: Application, policy: str) -> Connector:
    """A connector that knows all but the provider's address."""
    uri = f"failover:(tcp://127.0.0.1:{broker.stomp_port})"
    sinks = [
        {"name": "jms", "type": "stomp", "uri": uri},
        {"name": "crm", "type": "webhook", "url": application.server.url, "secret": SECRET, "allow_private": True},
    ]
    channel = {
        "type": "twilio",
        "account_sid": "AC1",
        "auth_token": TOKEN,
        "from": "+15005550006",
        "parallel": PARALLEL,
        "unknown_outcome": policy,
        "retry": {"initial": 0.5, "maximum": 2},
        "base_url": "http://127.0.0.1:1",
    }
    return Connector([], uri, is_reached=True, channels={"cloud": channel}, events={"sinks": sinks})


@inlineCallbacks
def run(options: argparse.Namespace, promises: Promises) -> Any:
    broker, application = ActiveMQ(True), Application()
    yield deferToThread(broker.start)
    application.server.start()
    connector = made(broker, application, options.policy)
    provider = Provider(connector)
    provider.server.start()
    settings = connector.folder / "connector.yaml"
    settings.write_text(settings.read_text().replace("http://127.0.0.1:1\n", f"{provider.server.url}\n"))
    consumer = Consumer(broker.stomp_port)
    try:
        yield consumer.start()
        yield connector.start()
        load = ProviderLoad(connector.port, 1_000_000, CONNECTIONS, PACE)
        load.run().addErrback(lambda _: None)
        for _ in range(options.rounds):
            yield deferLater(reactor, random.uniform(*ROUND), lambda: None)
            yield deferToThread(connector.kill)
            yield connector.start()
        load.count = 0  # enough
        accepted = load.accepted
        try:
            yield until(lambda: all(sid in consumer.tally.told for sid in accepted), WITHIN)
            yield until(lambda: set(accepted) <= set().union(*application.reports.values()), WITHIN)
        except TimeoutError:
            print("not all came")
        yield deferLater(reactor, 3.0, lambda: None)
        judge(promises, options, load, provider, consumer, application)
    finally:
        consumer.close()
        connector.close()
        provider.server.stop()
        application.server.stop()
        broker.stop()


def judge(
    promises: Promises,
    options: argparse.Namespace,
    load: Load,
    provider: Provider,
    consumer: Consumer,
    application: Application,
) -> None:
    accepted, told, show = load.accepted, consumer.tally.told, promises.show
    show("kills, accepted", f"{options.rounds}, {len(accepted)}")
    never = [sid for sid in accepted if sid not in told]
    show("without a report", f"{len(never)} {some(never)}", not never, "none")
    several = [sid for sid, reports in told.items() if len(reports) > 1]
    show("with several reports", f"{len(several)} {some(several)}", not several, "none, by event-id")
    firsts = [reports[0] for reports in told.values()]
    show("reports say", str(dict(Counter(f"{one['DeliveryStatus']} {one['ProviderStatusCode']}" for one in firsts))))
    at_application = set().union(*application.reports.values())
    missing = [sid for sid in accepted if sid not in at_application]
    show("not at the application", f"{len(missing)} {some(missing)}", not missing, "none")
    ids, mixed = len(application.reports), any(len(one) > 1 for one in application.reports.values())
    is_right = ids == len(at_application) and not mixed
    show("ids at the application", f"{ids}, came {application.arrivals}", is_right, "one each")
    repeats = len(provider.taken) - len(set(provider.taken))
    most = options.rounds * PARALLEL if options.policy == "resend" else 0
    show("requests repeated", f"{repeats}", repeats <= most, f"at most {most}")
    statuses = dict(provider.statuses)
    show("notifications answered", str(statuses), set(statuses) <= {204, 503}, "204, 503")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--policy", choices=("resend", "hold"), default="resend")
    options = parser.parse_args()
    missing = activemq.available()
    if missing:
        print(missing)
        return 1
    promises = Promises()

    def failed(failure: Any) -> None:
        promises.show("the run", failure.getTraceback(), holds=False)

    def begin() -> None:
        run(options, promises).addErrback(failed).addBoth(lambda _: reactor.stop())

    reactor.callWhenRunning(begin)
    reactor.run()
    return promises.verdict()


if __name__ == "__main__":
    sys.exit(main())
