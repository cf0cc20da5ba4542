"""Reports of single messages over real HTTP: the whole connector as a process, and applications up and down."""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from random import Random
from typing import Any

from standardwebhooks.webhooks import Webhook
from twisted.internet import reactor
from twisted.internet.defer import inlineCallbacks
from twisted.trial.unittest import TestCase

from smsconnector.messages import Callback
from smsconnector.sinks.webhook.callbacks import CallbackSection, make_callback_sink
from smsconnector.wall_clock import WallClock
from tests.integration.activemq import free_port
from tests.integration.fake_provider import FakeProvider, Reply
from tests.integration.stack import Connector, Network, until
from tests.unit.sinks.webhook.stage import report

SINK, CALLBACKS = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3", "whsec_OTg3NjU0MzIxMGFiY2RlZjAxMjM0NTY3"
TOKEN = "s3cret-of-a-url"


class CallbackCase(TestCase):
    timeout = 120

    @inlineCallbacks
    def post(self, **fields: Any) -> Any:
        """The status, the MessageSID, and the body of the answer."""
        from treq import content, request  # noqa: PLC0415 — it imports the reactor

        url = f"http://127.0.0.1:{self.connector.port}/msg-client/send"
        answer = yield request("POST", url, json={"To": "+923001234567", "Body": "hi"} | fields, persistent=False)
        body = yield content(answer)
        sid = (answer.headers.getRawHeaders("X-Message-SID") or [""])[0]
        return answer.code, sid, body.decode()

    def told(self, application: FakeProvider) -> dict[str, str]:
        """The path at which each report came, by its MessageSID."""
        return {json.loads(one.body)["data"]["MessageSID"]: one.target for one in application.requests}

    @inlineCallbacks
    def test_one_host_down(self) -> Any:
        """One host is up, one is down, and the connector is killed in between: whoever is up gets its reports and no
        others, signed by the secret of callbacks; the other one gets its own when it is back. A host that is not
        allowed is refused. No token of a URL is in the log."""
        every = FakeProvider(reactor, (Reply(200, b""),)).start()
        up = FakeProvider(reactor, (Reply(500, b""), Reply(200, b""))).start()
        for one in (every, up):
            self.addCleanup(one.stop)
        network = Network(receipt_delay=0.1)
        network.listen()
        self.addCleanup(network.cut)
        port = free_port()
        hosts = [up.url.removeprefix("http://"), f"127.0.0.1:{port}"]
        self.connector = connector = Connector(
            [network.number],
            "",
            events={"sink": "webhook", "url": f"{every.url}/all", "secret": SINK, "allow_private": True},
            status_callbacks={"hosts": hosts, "secret": CALLBACKS, "allow_private": True, "connect_timeout": 1},
        )
        self.addCleanup(connector.close)
        yield connector.start()
        wanted: dict[int, dict[str, str]] = {0: {}, 1: {}, 2: {}}
        for number in range(30):
            which, path = number % 3, f"/told/{number}?token={TOKEN}"
            more = {"StatusCallback": f"http://{hosts[which]}{path}"} if which < 2 else {}
            status, sid, _ = yield self.post(**more)
            self.assertEqual(status, 200)
            wanted[which][sid] = path
            if number == 15:
                connector.kill()
                yield connector.start()
        status, _, said = yield self.post(StatusCallback=f"http://127.0.0.1:{free_port()}/?token={TOKEN}")
        self.assertEqual((status, json.loads(said)["error"]["code"]), (400, "callback_not_allowed"))
        self.assertNotIn(TOKEN, said)
        yield until(lambda: self.told(up) == wanted[0] and len(self.told(every)) == 30, 30)

        down = FakeProvider(reactor, (Reply(200, b""),))
        listen = reactor.listenTCP
        self.patch(reactor, "listenTCP", lambda _port, factory, **more: listen(port, factory, **more))
        down.start()
        self.addCleanup(down.stop)
        yield until(lambda: self.told(down) == wanted[1], 40)
        for application in (up, down):
            for request in application.requests:
                Webhook(CALLBACKS).verify(request.body.decode(), request.headers)
        self.assertEqual(self.told(up), wanted[0])
        at_hosts = {f"callback:{one}": 10 for one in hosts}
        yield until(lambda: self.confirmed() == {"webhook": 30} | at_hosts, 20)
        logs = "".join(one.read_text() for one in connector.folder.glob("log-*"))
        self.assertIn("is down", logs)
        self.assertNotIn(TOKEN, logs)

    def confirmed(self) -> dict[str, int]:
        """How many confirmations the database has of each sink."""
        path = self.connector.folder / "smsconnector.db"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            rows = connection.execute(
                "SELECT s.name, count(*) FROM confirmation AS c JOIN sink AS s ON s.id = c.id % 64 GROUP BY 1"
            )
            return dict(rows.fetchall())


class GuardCase(TestCase):
    timeout = 30

    @inlineCallbacks
    def test_name_that_leads_to_loopback(self) -> Any:
        """A host that is allowed, and whose name leads to a private address by now, is not connected to."""
        application = FakeProvider(reactor, (Reply(200, b""),)).start()
        self.addCleanup(application.stop)
        host = application.url.removeprefix("http://").replace("127.0.0.1", "localhost")
        section = CallbackSection.model_validate({"hosts": [host], "secret": CALLBACKS, "allow_private": True})
        (made,) = section.sinks()
        guarded = section.model_copy(update={"allow_private": False})  # a section does not see where names lead later
        made = made.model_copy(update={"posting": guarded})
        sink = make_callback_sink(reactor, made, Random(1), WallClock())
        sink.startService()
        self.addCleanup(sink.stopService)
        outcomes: list[Any] = []
        event = replace(report(1), callback=Callback(host, f"http://{host}/?token={TOKEN}"))
        sink.publish([event], outcomes.append)
        yield until(lambda: sink.troubles, 5)
        self.assertIn("leads to no public address", sink.troubles[0].why)
        self.assertNotIn(TOKEN, sink.troubles[0].why)
        self.assertEqual((application.connections, outcomes), (0, []))
