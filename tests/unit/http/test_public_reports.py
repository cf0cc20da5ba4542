"""Fifteen public reports on gateways and libraries, and which test shows each of them. What no other test shows is here.

========================================================  ==============================================================
report                                                    tests
========================================================  ==============================================================
1 twilio-python#402: the port in a signed URL             unit.hooks.test_twilio_signature.TwilioSignatureCase.test_a_port_with_and_without
2 twilio-python#392: a default port written out           unit.hooks.test_twilio_signature.TwilioSignatureCase.test_a_default_port_written_out
3 twilio-php#790: an unsorted query                       unit.hooks.test_twilio_signature.TwilioSignatureCase.test_a_query_that_is_sent_sorted
                                                          unit.http.test_public_reports.OurURLsCase.test_no_query
4 twilio-node#722, twilio-python#613: repeated fields     unit.hooks.test_twilio_signature.TwilioSignatureCase.test_repeated_fields
                                                          unit.http.test_public_reports.TwilioDoorCase.test_repeated_fields
5 twilio-php#436: a sub-account's token, blank fields     unit.hooks.test_twilio_signature.TwilioSignatureCase.test_two_tokens_and_a_blank_field
                                                          unit.http.test_public_reports.TwilioDoorCase.test_blank_fields
6 twilio-csharp#522: a host in capitals                   unit.hooks.test_twilio_signature.TwilioSignatureCase.test_a_host_in_capitals
7 twilio-csharp#633, chatwoot#14149: any order, repeats   unit.http.test_hooks.WhatIsToldCase.test_any_order_and_repeats
                                                          unit.http.test_hooks.WhatIsToldCase.test_the_answer_comes_after_all
                                                          unit.http.test_public_reports.TwilioDoorCase.test_any_order
8 twilio-php#661: 429 that means tomorrow                 unit.http.test_public_reports.DailyCapCase.test_one_request_a_day
                                                          unit.channels.http.test_provider.ReadingCase.test_daily_cap
9 eliza#22382: an answer that was lost                    integration.test_public_reports.LostAnswersTest.test_policies
                                                          unit.channels.twilio.test_provider.LookUpTest.test_found
10 habs#230, vonage-ruby-sdk#60: hex, & and =             unit.hooks.test_template_signatures.ProvidersCase.test_vonage
                                                          unit.http.test_public_reports.VonageDoorCase.test_text_with_its_own_signs
11 vonage-node-sdk#876: a signed text with objects in it  unit.hooks.test_template_signatures.ProvidersCase.test_vonage_as_json
                                                          unit.hooks.test_tokens.WebTokenCase.test_nested_json_is_covered_by_its_hash
                                                          unit.http.test_public_reports.VonageDoorCase.test_nested_objects
12 vonage-python-sdk#202: a repeat of a signed request    unit.hooks.test_template_signatures.ProvidersCase.test_a_repeat_is_signed_anew
                                                          unit.channels.http.test_signing.VonageCase.test_a_repeat_is_signed_anew
                                                          integration.test_http_access.SignedTest.test_signature
13 jasmin#1012, #1010, #1051, #998: ACK/Jasmin            integration.test_public_reports.JasminTest.test_acknowledged
                                                          unit.http.test_public_reports.JasminDoorCase.test_octets
14 plivo-node#83, messagebird-nodejs#69: port, url_hash   unit.hooks.test_template_signatures.ProvidersCase.test_plivo_v2
                                                          unit.hooks.test_tokens.WebTokenCase.test_a_status_by_get
                                                          unit.http.test_public_reports.MessageBirdDoorCase.test_status_by_get
15 courier#1029, #1030: Arabic to Kannel, its bits        unit.rest.test_requests.ValuesCase.test_octets_in_a_query
                                                          unit.channels.http.test_examples.ExamplesCase.test_requests
                                                          unit.hooks.test_reading.ProvidersCase.test_all
                                                          unit.http.test_public_reports.KannelDoorCase.test_bits
a list with one unknown id or word                        unit.hooks.test_reading.OddRequestsCase.test_one_bad_record_loses_no_other
                                                          unit.http.test_hooks.WhatIsToldCase.test_a_list_in_one_commit
Vonage's three parts, Africa's Talking without            unit.channels.http.test_examples.ExamplesCase.test_answers
recipients, Taqnyat's number, Clickatell's 207            integration.test_http_channel.ExamplesTest.test_answers
a text that holds {{from}}                                integration.test_http_octets.OctetsTest.test_every_text_in_every_place
a login page is no success                                integration.test_http_channel.ExamplesTest.test_login_page
Retry-After as a date                                     integration.test_http_channel.AnswersTest.test_pauses
========================================================  ==============================================================
"""  # noqa: E501 — names of tests can't be broken

import hashlib
import json
import re
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any, cast
from urllib.parse import urlencode, urlsplit

import jwt
import yaml
from twilio.request_validator import RequestValidator
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.channels import IReceiver, Surroundings
from smsconnector.channels.provider.channel import ProviderChannel, ProviderSettings
from smsconnector.channels.twilio.hooks import twilio_hooks
from smsconnector.config import parse
from smsconnector.errors import ConfigurationError
from smsconnector.http.answers import HTTPRequest
from smsconnector.messages import Outcome, Verdict
from smsconnector.net.http_client import HTTPClient
from smsconnector.sms.segmentation import segment as cut
from smsconnector.store import operations as ops
from smsconnector.wall_clock import WallClock
from tests.recorded_log import RecordedLog
from tests.unit.channels.http.test_examples import make_example
from tests.unit.channels.provider.test_channel import FakeClient, FakeListener
from tests.unit.channels.twilio.test_provider import CALLBACK, a_provider, a_reply, a_segment, form
from tests.unit.fakes import EPOCH, ask, message
from tests.unit.http.test_hooks import FORM, KEY, PUBLIC, DoorCase, hooks, post
from tests.unit.rest.cases import NOW_MS, segment

BASE = "/msg-client/prov"
STATUS = f"{BASE}/delivery-notification"


class TableCase(SynchronousTestCase):
    def test_every_test_is_there(self) -> None:
        """The table above names nothing that is gone."""
        named = re.findall(r"(?:unit|integration)\.[\w.]+\.test_\w+$", __doc__ or "", re.MULTILINE)
        self.assertGreater(len(named), 30)
        for one in named:
            module, case, test = f"tests.{one}".rsplit(".", 2)
            self.assertTrue(hasattr(getattr(import_module(module), case, None), test), one)


class OurURLsCase(SynchronousTestCase):
    def test_no_query(self) -> None:
        """What we give to providers to be called has no query at all, so none can be signed in one order and sent in
        another (twilio-php#790, twilio-node#1079); and nothing that an escape could be written in two ways for."""
        told = [form(a_provider(CALLBACK).call(a_segment(), NOW_MS))["StatusCallback"]]
        for name in ("vonage", "infobip"):
            provider = make_example(name, None)
            facts = provider.facts(segment(), NOW_MS)
            told += [str(facts.value("callback_url")), str(facts.value("receive_url"))]
        for url in told:
            parts = urlsplit(url)
            self.assertEqual(parts.query, "", url)
            self.assertRegex(parts.path, r"^[A-Za-z0-9/_-]+$")

    def test_public_url_without_a_query(self) -> None:
        """Neither can the configuration bring one in."""
        for url in ("https://h.example/?b=1&a=2", "https://h.example/x?", "https://h.example/#a"):
            error = self.assertRaises(ConfigurationError, parse, yaml.safe_dump({"http": {"public_url": url}}), {})
            self.assertIn("http.public_url", dict(error.problems))


class SignedCase(DoorCase):
    """What is asked of the door by a provider that signs."""

    def texts(self) -> list[str]:
        return [one["Body"] for one in self.events() if "Body" in one]

    def reports(self) -> list[tuple[str, str, str]]:
        return [
            (one["MessageSID"], one["DeliveryStatus"], one["ProviderStatusCode"])
            for one in self.events()
            if "DeliveryStatus" in one
        ]

    def taken(self, sid: str, smsc_id: str) -> None:
        """A message of ours, and the provider's answer to its request."""
        ask(self.writer.store, [ops.Accept(message(sid, "hello"), 1, "prov")])
        (one,) = ask(self.writer.store, [ops.LoadSegments("prov", 0, 1)])[0]
        outcome = Outcome(one, Verdict.ACCEPTED, "prov", smsc_id)
        ask(self.writer.store, [ops.Record(((outcome, 0),), int(EPOCH) * 1000)])

    def status_of(self, handler: Any, request: HTTPRequest) -> int:
        """Whether it writes or not."""
        answers: list[Any] = []
        handler(request, answers.append)
        self.clock.advance(0)
        self.assertEqual(len(answers), 1)
        return int(answers[0].status)


class Lists(dict[str, list[str]]):
    """Fields of several values, as Twilio's validator reads them."""

    def getall(self, name: str) -> list[str]:
        return self[name]


class TwilioDoorCase(SignedCase):
    """Channels of the type ``twilio``, and of others whose provider speaks as Twilio does."""

    def setUp(self) -> None:
        super().setUp()
        ours = self.door(twilio_hooks(["the main token", "of the sub-account"], PUBLIC))
        contract = self.door(hooks(type="twilio", tokens=["the main token", "of the sub-account"]))
        self.doors = (ours, contract)

    def signed(self, pairs: list[tuple[str, str]], target: str, token: str = "the main token") -> HTTPRequest:
        fields = Lists()
        for name, value in pairs:
            fields.setdefault(name, []).append(value)
        signature = RequestValidator(token).compute_signature(PUBLIC + target, fields)
        return post(urlencode(pairs).encode(), FORM, ("x-twilio-signature", signature), target=target)

    def test_repeated_fields(self) -> None:
        """The same field twice, with values that are not sorted, or equal: it is believed, and taken."""
        for number, door in enumerate(self.doors):
            for more in (
                [("MediaUrl", "b"), ("MediaUrl", "a"), ("MediaUrl", "b")],
                [("From", "+14155550100")],
                [("Body", "again and again"), ("SmsSid", f"SM{number}2")],
            ):
                pairs = [("SmsSid", f"SM{number}{len(more)}"), ("MessageSid", f"SM{number}{len(more)}")]
                pairs += [("From", "+14155550100"), ("To", "+15005550006"), ("Body", "again and again"), *more]
                request = self.signed(pairs, f"{BASE}/receive")
                self.assertEqual(self.status_of(door.receive, request), 200, (number, more))
        self.assertEqual(len(self.texts()), 6)

    def test_blank_fields(self) -> None:
        """A sub-account's token signs, and blank fields are signed as they are."""
        for number, door in enumerate(self.doors):
            pairs = [("FromCity", ""), ("SmsSid", f"SM{number}"), ("From", "+1415"), ("To", "+1500"), ("Body", "  ")]
            good = self.signed(pairs, f"{BASE}/receive", "of the sub-account")
            self.assertEqual(self.status_of(door.receive, good), 200)
            bad = self.signed(pairs[1:], f"{BASE}/receive", "of the sub-account")
            self.assertEqual(self.refused(door.receive, bad._replace(body=good.body)).status, 403)
        self.assertEqual(self.texts(), ["  ", "  "])

    def test_any_order(self) -> None:
        """Before the answer to our request, delivered before sent, a late failed without ErrorCode (Twilio's callbacks
        are unordered, and come again)."""
        self.taken("SMours", "SMtheirs")
        for word, code in (("undelivered", "30003"), ("sent", ""), ("failed", ""), ("queued", ""), ("delivered", "")):
            pairs = [("MessageSid", "SMtheirs"), ("MessageStatus", word), ("To", "+1500"), ("ErrorCode", code)]
            for _ in range(2):
                request = self.signed(pairs, STATUS)
                self.assertEqual(self.status_of(self.doors[0].delivery_notification, request), 204)
        self.assertEqual(self.reports(), [("SMours", "FAILED", "30003")])


class DailyCapCase(SynchronousTestCase):
    def test_one_request_a_day(self) -> None:
        """429 with 63038 and Retry-After: 1 (twilio-php#661): one request in six hours, one loud line, and no attempt
        counted."""
        log = RecordedLog(self)
        clock, client, listener = Clock(), FakeClient(), FakeListener()
        wall_clock = WallClock(lambda: EPOCH + clock.seconds())
        around = Surroundings(clock, wall_clock, Random(1), cast(IReceiver, None), lambda prefix, route: listener)
        settings = ProviderSettings("cloud", 4, 0.0, 5.0)
        channel = ProviderChannel("cloud", settings, a_provider(), cast(HTTPClient, client), around, cut)
        channel.startService()
        self.addCleanup(channel.stopService)
        waiting = [a_segment()]
        requests = 0
        for _ in range(6 * 60):
            if waiting and channel.capacity():
                self.assertEqual(list(channel.submit(waiting)), [])
                waiting = []
                requests += 1
                client.asked.pop()[1].callback(a_reply(429, {"code": 63038}, retry_after="1"))
            clock.advance(60)
            waiting += [one for turn in listener.back for one in turn]
            listener.back = []
        self.assertEqual((requests, len(waiting), listener.told), (1, 1, []))
        self.assertEqual(len([line for line in log.lines if "has stopped" in line]), 1)
        self.assertIn("used up", channel.parts()[0].why)


class VonageDoorCase(SignedCase):
    SECRET = "signature secret"

    def signed_by_md5(self) -> Any:
        verified = {
            "type": "hmac", "algorithm": "md5", "secrets": self.SECRET, "template": "{params}{secret}",
            "params": {"pair": "&{name}={value}", "replace": "&=", "by": "_"},
            "signature": {"field": "sig"}, "timestamp": {"field": "timestamp"},
        }  # fmt: skip
        return self.door(hooks(None, yaml.safe_load(_section("vonage", "incoming")), **verified))

    def test_text_with_its_own_signs(self) -> None:
        """A text with &, = and "&timestamp=" in it; upper-case hex (vonage-ruby-sdk#60, habs#230). A page that decodes
        HTML makes another sign of "&times": then it does not verify, and nothing is written."""
        door = self.signed_by_md5()
        fields = {
            "msisdn": "447700900001", "to": "447700900000", "messageId": "0B00", "type": "text",
            "text": "a&b=c &timestamp=1", "timestamp": str(int(EPOCH)),
        }  # fmt: skip
        written = "".join(
            f"&{name}={value.replace('&', '_').replace('=', '_')}" for name, value in sorted(fields.items())
        )
        digest = hashlib.md5((written + self.SECRET).encode()).hexdigest().upper()
        damaged = fields | {"text": "a&b=c \u00d7tamp=1"}
        self.assertEqual(
            self.refused(door.receive, post(urlencode(damaged | {"sig": digest}).encode(), FORM)).status, 403
        )
        good = post(urlencode(fields | {"sig": digest}).encode(), FORM)
        self.assertEqual(self.answer_to(door.receive, good).status, 200)
        self.assertEqual(self.texts(), ["a&b=c &timestamp=1"])

    def test_nested_objects(self) -> None:
        """A text as JSON with objects in it (vonage-node-sdk#876): signed by its fields it can't be verified and is
        refused with a sentence; by a token that has the hash of the body it is taken. A forged one is refused."""
        data = {
            "msisdn": "447700900001", "to": "447700900000", "messageId": "0B01", "type": "text", "text": "hello",
            "usage": {"price": "0.03", "parts": [1, {"a": None}]}, "timestamp": int(EPOCH), "sig": "0" * 32,
        }  # fmt: skip
        body = json.dumps(data).encode()
        kind = ("content-type", "application/json")
        self.assertEqual(self.refused(self.signed_by_md5().receive, post(body, kind)).status, 403)
        verified = {"type": "jwt", "secrets": "k" * 32}
        door = self.door(hooks(None, yaml.safe_load(_section("vonage", "incoming")), **verified))
        claims = {"iat": int(EPOCH), "iss": "Vonage", "payload_hash": hashlib.sha256(body).hexdigest()}
        token = ("authorization", f"Bearer {jwt.encode(claims, 'k' * 32, 'HS256')}")
        forged = post(body.replace(b"hello", b"h3llo"), kind, token)
        self.assertEqual(self.refused(door.receive, forged).status, 403)
        self.assertEqual(self.answer_to(door.receive, post(body, kind, token)).status, 200)
        self.assertEqual(self.texts(), ["hello"])


class MessageBirdDoorCase(SignedCase):
    def test_status_by_get(self) -> None:
        """A status by GET (messagebird-nodejs#69): url_hash is over the whole URL with its query, and there is no
        payload_hash, for there is no payload."""
        verified = {
            "type": "jwt", "secrets": "k" * 32, "token": {"header": "MessageBird-Signature-JWT"}, "url_hash": True,
        }  # fmt: skip
        section = yaml.safe_load(_section("messagebird", "notification"))
        door = self.door(hooks(section, **verified))
        self.taken("SMours", "mb-1")
        target = (
            f"{STATUS}?id=mb-1&status=delivered&recipient=31612345678&statusDatetime=2020-01-01T00%3A00%3A00%2B00%3A00"
        )
        for hashed, wanted in ((target.partition("?")[0], 403), (target, 200)):
            claims = {
                "iss": "MessageBird", "nbf": int(EPOCH), "exp": int(EPOCH) + 60, "jti": "1",
                "url_hash": hashlib.sha256((PUBLIC + hashed).encode()).hexdigest(),
            }  # fmt: skip
            token = ("MessageBird-Signature-JWT", jwt.encode(claims, "k" * 32, "HS256"))
            request = post(b"", token, target=target, method="GET")
            if wanted == 403:
                self.assertEqual(self.refused(door.delivery_notification, request).status, 403)
            else:
                self.assertEqual(self.status_of(door.delivery_notification, request), 200)
        self.assertEqual([one[:2] for one in self.reports()], [("SMours", "DELIVERED")])


class JasminDoorCase(SignedCase):
    def test_octets(self) -> None:
        """ACK/Jasmin and nothing else (jasmin#1012, #1010, #1051, #998): no line end, no HTML; for progress, an end, a
        repeat, an id that nobody knows, a text, its repeat, and one without characters."""
        notification, incoming = (yaml.safe_load(_section("jasmin", one)) for one in ("notification", "incoming"))
        door = self.door(hooks(notification, incoming))
        self.taken("SMours", "uuid-1")
        key = ("x-api-key", KEY)
        for handler, fields in (
            (door.delivery_notification, {"id": "uuid-1", "message_status": "ESME_ROK", "level": "1"}),
            (door.delivery_notification, {"id": "uuid-1", "message_status": "DELIVRD", "level": "2", "err": "000"}),
            (door.delivery_notification, {"id": "uuid-1", "message_status": "DELIVRD", "level": "2", "err": "000"}),
            (door.delivery_notification, {"id": "uuid-1", "message_status": "UNDELIV", "level": "2"}),
            (door.delivery_notification, {"id": "uuid-9", "message_status": "DELIVRD", "level": "2"}),
            (door.delivery_notification, {"id": "uuid-9", "message_status": "SPARKLING", "level": "3"}),
            (door.receive, {"id": "mo-1", "from": "923001234567", "to": "8228", "coding": "0", "content": "hi"}),
            (door.receive, {"id": "mo-1", "from": "923001234567", "to": "8228", "coding": "0", "content": "hi"}),
            (door.receive, {"id": "mo-2", "from": "923001234567", "to": "8228", "coding": "8", "binary": "06330644"}),
            (door.receive, {"id": "mo-3", "from": "923001234567", "to": "8228", "coding": "0", "content": ""}),
        ):
            answers: list[Any] = []
            handler(post(urlencode(fields).encode(), FORM, key), answers.append)
            self.clock.advance(0)
            self.assertEqual([(one.status, one.body) for one in answers], [(200, b"ACK/Jasmin")], fields)
            self.assertEqual(dict(answers[0].headers)[b"Content-Type"], b"text/plain")
        self.assertEqual([one[:2] for one in self.reports()], [("SMours", "DELIVERED")])
        self.assertEqual(self.texts(), ["hi", "\u0633\u0644", ""])


class KannelDoorCase(SignedCase):
    def test_bits(self) -> None:
        """32 (intermediate), 99 and what is no number are progress, never a failure (courier#1030 and its notes); 8
        and 1 come as calls of their own, in any order."""
        door = self.door(hooks(yaml.safe_load(_section("kannel", "notification"))))
        self.taken("SMours", "SMours")
        for bits in ("32", "99", "8", "4", "x", "1", "8", "16"):
            target = f"{STATUS}/SMours?status={bits}&reply=ACK%2F"
            request = post(b"", ("x-api-key", KEY), target=target, method="GET", sid="SMours")
            self.assertIn(self.status_of(door.delivery_notification, request), (200, 204), bits)
        self.assertEqual([one[:2] for one in self.reports()], [("SMours", "DELIVERED")])


def _section(name: str, key: str) -> str:
    """What an example of conf/providers says there, as YAML."""
    folder = Path(__file__).resolve().parents[3] / "conf" / "providers"
    channel = yaml.safe_load((folder / f"{name}.yaml").read_text("utf-8"))["channels"][name]
    return yaml.safe_dump(channel[key])
