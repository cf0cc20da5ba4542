"""A Twilio channel and a fake Twilio, over HTTP and HTTPS on loopback; and once the whole way, with a real process."""

import json
import sqlite3
from contextlib import closing
from typing import Any, NamedTuple
from urllib.parse import urlencode

from twilio.request_validator import RequestValidator
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from smsconnector.channels.twilio.making import make_channel
from smsconnector.channels.twilio.settings import TwilioChannelSection
from smsconnector.messages import Verdict
from smsconnector.net.http_client import HTTPCall, HTTPClient
from tests.integration.fake_provider import FakeProvider, Reply
from tests.integration.provider_bench import (
    HTML,
    NUMBER,
    TEXT,
    THROTTLED,
    Bench,
    Ended,
    ProviderCase,
    SecureCase,
    reactor,
    says,
)
from tests.integration.stack import Connector, until
from tests.recorded_log import RecordedLog

TOKEN = "the-secret-token"


class Case(NamedTuple):
    """``wanted``: the verdict, or that the text is given back; ``state``: of the channel then."""

    reply: Reply
    wanted: Verdict | str
    code: int | None = None
    state: str = "up"
    unknowns: int = 0
    requests: int = 1


def refuses(code: int, status: int = 400, *headers: tuple[str, str]) -> Reply:
    return says(status, {"code": code, "message": f"no, {NUMBER}: {TEXT}", "status": status}, *headers)


TAKEN = says(201, {"sid": "SM" + "1" * 32, "status": "queued"})
CASES = (
    Case(TAKEN, Verdict.ACCEPTED),
    Case(says(200, {"sid": "SM1"}), Verdict.ACCEPTED),
    Case(says(201, {"sid": "SM1"}, delay=0.2), Verdict.ACCEPTED),
    Case(says(201, {"sid": "SM1"}, is_last=True), Verdict.ACCEPTED),
    Case(
        Reply(raw=b'HTTP/1.1 201 X\r\nTransfer-Encoding: chunked\r\n\r\ne\r\n{"sid": "SM1"}\r\n0\r\n\r\n'),
        Verdict.ACCEPTED,
    ),
    Case(says(200, HTML, ("Content-Type", "text/html")), Verdict.UNKNOWN),
    Case(says(201, b"not JSON"), Verdict.UNKNOWN),
    Case(says(201, b""), Verdict.UNKNOWN),
    Case(says(201, {"sid": 5}), Verdict.UNKNOWN),
    Case(says(302, b"", ("Location", "/")), THROTTLED, state="stopped"),
    Case(refuses(21211), Verdict.REFUSED, 21211),
    Case(refuses(21408), Verdict.REFUSED, 21408),
    Case(refuses(21602), Verdict.REFUSED, 21602),
    Case(refuses(21606), Verdict.REFUSED, 21606),
    Case(refuses(21610), Verdict.REFUSED, 21610),
    Case(refuses(21612), Verdict.REFUSED, 21612),
    Case(refuses(21614), Verdict.REFUSED, 21614),
    Case(refuses(21617), Verdict.REFUSED, 21617),
    Case(refuses(21635), Verdict.REFUSED, 21635),
    Case(refuses(30450), Verdict.REFUSED, 30450),
    Case(refuses(12345), Verdict.REFUSED, 12345),
    Case(says(400, HTML), Verdict.REFUSED, 400),
    Case(refuses(21212), THROTTLED, state="stopped"),
    Case(refuses(21703), THROTTLED, state="stopped"),
    Case(refuses(21609), THROTTLED, state="stopped"),
    Case(refuses(20003, 401), THROTTLED, state="stopped"),
    Case(says(401, HTML), THROTTLED, state="stopped"),
    Case(refuses(20404, 404), THROTTLED, state="stopped"),
    Case(refuses(63038, 429, ("Retry-After", "1")), THROTTLED, state="stopped"),
    Case(refuses(20429, 429), THROTTLED, state="throttled"),
    Case(refuses(20429, 429, ("Retry-After", "30")), THROTTLED, state="throttled"),
    Case(refuses(20429, 429, ("Retry-After", "Fri, 31 Dec 2099 23:59:59 GMT")), THROTTLED, state="throttled"),
    Case(says(429, HTML), THROTTLED, state="throttled"),
    Case(refuses(30001), THROTTLED, state="throttled"),
    Case(refuses(21611), Verdict.RETRY, 21611),
    Case(refuses(20500, 500), Verdict.UNKNOWN),
    Case(says(502, HTML), Verdict.UNKNOWN),
    Case(says(503, b"", ("Retry-After", "5")), Verdict.UNKNOWN),
    Case(Reply(is_silent=True), Verdict.UNKNOWN),
    Case(says(201, {"sid": "SM1"}, is_slow=True), Verdict.UNKNOWN),
    Case(says(201, {"sid": "SM1"}, cut=0), Verdict.UNKNOWN),
    Case(says(201, {"sid": "SM1"}, cut=20), Verdict.UNKNOWN),
    Case(says(201, {"sid": "SM1"}, cut=len(says(201, {"sid": "SM1"}).octets()) - 1), Verdict.UNKNOWN),
    Case(says(200, {"messages": [{"sid": "SM1", "body": TEXT}]}), Verdict.ACCEPTED, unknowns=1),
    Case(says(200, {"messages": []}), Verdict.UNKNOWN, unknowns=1, requests=2),
    Case(says(503, b""), Verdict.RETRY, unknowns=1),
    Case(refuses(21211), Verdict.RETRY, unknowns=1),
)


class TwilioTest(ProviderCase):
    async def end(self, url: str, unknowns: int = 0, **section: Any) -> Ended:
        made = {"account_sid": "AC1", "auth_token": TOKEN, "from": "+15005550006", "base_url": url, "tls": self.tls}
        checked = TwilioChannelSection(**{"reply_timeout": 0.6, **made, **section})
        bench = Bench(lambda around: make_channel("cloud", checked, around))
        found = await bench.end(unknowns=unknowns)
        await bench.stop()
        self.assertEqual(len(bench.told) + len(bench.back), 1)
        return found

    async def look_at(self, case: Case) -> None:
        provider = self.provider(case.reply)
        found = await self.end(provider.url, case.unknowns)
        self.assertEqual(found, (case.wanted, case.code, case.state), case)
        self.assertEqual(len(provider.requests), case.requests, case)
        if not case.unknowns:
            (request,) = provider.requests
            self.assertEqual(request.target, "/2010-04-01/Accounts/AC1/Messages.json")
            self.assertEqual((request.form["To"], request.form["Body"]), (f"+{NUMBER}", TEXT))
            self.assertTrue(request.form["StatusCallback"].endswith("#rc=5&rp=all"))

    async def test_cases(self) -> None:
        """All cases. No secret, number or text gets into the log."""
        log = RecordedLog(self)
        for case in CASES:
            await self.look_at(case)
        for secret in (TOKEN, NUMBER, TEXT):
            self.assertNotIn(secret, "\n".join(log.lines))


class SecureTwilioTest(SecureCase, TwilioTest):
    async def test_certificate(self) -> None:
        """Where the certificate is not valid, nothing was sent: the text is tried again, whatever the policy is."""
        provider = self.provider(TAKEN, certificate=self.authority.issue("other.example"))
        found = await self.end(provider.url)
        self.assertEqual((found, provider.requests), ((Verdict.RETRY, None, "down"), []))


class WholeWayTest(TestCase):
    timeout = 60

    async def test_whole_way(self) -> None:
        """POST /send with the channel -> Twilio -> its signed notification -> the report is in the outbox."""
        sid = "SM" + "ab" * 16
        provider = FakeProvider(reactor, (says(201, {"sid": sid, "status": "queued"}),)).start()
        self.addCleanup(provider.stop)
        channel = {
            "type": "twilio", "account_sid": "AC1", "auth_token": TOKEN, "from": "ACME", "base_url": provider.url,
        }  # fmt: skip
        connector = Connector(
            [], "tcp://127.0.0.1:1", channels={"cloud": channel}, http={"public_url": "https://sms.example.org"}
        )
        self.addCleanup(connector.close)
        await connector.start()
        client = HTTPClient(reactor, connections=2)
        self.addCleanup(client.close)
        door = f"http://127.0.0.1:{connector.port}/msg-client"
        body = json.dumps({"To": f"+{NUMBER}", "Body": TEXT, "channel": "cloud"}).encode()
        reply = await client.ask(HTTPCall("POST", f"{door}/send", (("Content-Type", "application/json"),), body))
        self.assertEqual(reply.status, 200)
        ours = reply.headers["x-message-sid"]
        await until(lambda: provider.requests, 10)
        callback = f"https://sms.example.org/msg-client/cloud/delivery-notification/{ours}#rc=5&rp=all"
        self.assertEqual(provider.requests[0].form["StatusCallback"], callback)
        store = connector.folder / "smsconnector.db"

        def rows(sql: str) -> list[Any]:
            with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as connection:
                return connection.execute(sql).fetchall()

        await until(lambda: rows("SELECT smsc_id FROM segment") == [(sid,)], 10)
        path = f"/msg-client/cloud/delivery-notification/{ours}"
        signer = RequestValidator(TOKEN)
        for status, validator, wanted in (
            ("failed", RequestValidator("forged"), 403),
            ("sent", signer, 204),
            ("delivered", signer, 204),
            ("delivered", signer, 204),
        ):
            told = {"MessageSid": sid, "SmsSid": sid, "MessageStatus": status, "AccountSid": "AC1", "To": f"+{NUMBER}"}
            signature = validator.compute_signature(f"https://sms.example.org{path}", told)
            headers = (("Content-Type", "application/x-www-form-urlencoded"), ("X-Twilio-Signature", signature))
            url = f"http://127.0.0.1:{connector.port}{path}"
            reply = await client.ask(HTTPCall("POST", url, headers, urlencode(told).encode()))
            self.assertEqual(reply.status, wanted, status)
        ((jms_type, event),) = rows("SELECT jms_type, body FROM outbox WHERE kind = 'delivery_report'")
        report = json.loads(event)
        self.assertEqual((jms_type, report["MessageSID"], report["DeliveryStatus"]), ("cloud", ours, "DELIVERED"))
        self.assertNotIn(TOKEN, connector.said())
        self.assertNotIn(NUMBER, connector.said())
        await deferLater(reactor, 0)
        self.assertEqual(connector.terminate() in (0, 143, -15), True)
