"""``POST /send/explain``: it tells what ``/send`` does, refuses what that refuses, and does nothing."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.channels import ListenerOf, Surroundings
from smsconnector.channels.smpp.bind import Bind
from smsconnector.channels.smpp.channel import SMPPChannel
from smsconnector.channels.smpp.making import cutter
from smsconnector.channels.smpp.settings import SMPPChannelSection, bind_settings
from smsconnector.channels.types import CHANNEL_TYPES
from smsconnector.config import parse
from smsconnector.net.link import BackOff
from smsconnector.simulator.behaviour import Behaviour
from smsconnector.simulator.smsc import SMSC
from smsconnector.smpp import pdu as codec
from smsconnector.smpp.constants import CommandId, Tag
from smsconnector.smpp.pace import Pace
from smsconnector.smpp.pdu import PDU
from smsconnector.sms.addresses import number_tail
from smsconnector.sms.opt_out import OptOutRules
from smsconnector.store import operations as ops
from smsconnector.store.measures import MOST_COUNTED, Outlook, Prospect
from smsconnector.walks.forecast import forecast
from smsconnector.walks.outlet import FallBackTo, Outlet, SubmitterMaker, make_outlet
from smsconnector.walks.retry_policy import RetryPolicy
from smsconnector.wall_clock import WallClock
from tests.unit.channels.smpp.test_channel import Wires
from tests.unit.fakes import ask
from tests.unit.http.ways import Answer, DoorCase, both_ways

EXPLAIN = "/msg-client/send/explain"
TO = "+923001234567"
FORBIDDEN = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
TEXTS = st.one_of(
    st.text(st.sampled_from("abc @£$€[]{}~^|\\\n"), min_size=1, max_size=400),
    st.text(st.sampled_from("abc€’“”–…éêçğşıİ"), min_size=1, max_size=300),
    st.text(FORBIDDEN, min_size=1, max_size=200),
    st.text(st.sampled_from("👍🏽👨‍👩‍👧سلام a"), min_size=1, max_size=200),
)


@both_ways
class ExplainCase(DoorCase):
    def explain(self, path: str = EXPLAIN, **data: Any) -> Answer:
        return self.send(path, **data)

    def test_a_plain_text(self) -> None:
        """All that is told of a text in one segment; at the root too."""
        for path in (EXPLAIN, "/send/explain"):
            said = self.explain(path, To="+92 (300) 123-4567", Body="hi", From="ACME").json
            self.assertEqual(
                said,
                {
                    "To": "923001234567",
                    "From": "ACME",
                    "channel": "smpp",
                    "Route": "",
                    "Priority": "interactive",
                    "SendAt": None,
                    "Body": "hi",
                    "Alphabet": "gsm7",
                    "Encoding": "GSM 03.38 default alphabet (GSM-7)",
                    "Units": "septets",
                    "Segments": 1,
                    "Parts": [{"Number": 1, "Body": "hi", "Length": 2, "Left": 158}],
                    "NetworkParts": 1,
                    "UCS2Because": [],
                    "Transliterated": [],
                    "Transliteration": None,
                    "Binds": [
                        {
                            "Name": "smpp/a",
                            "State": "bound",
                            "Why": "",
                            "Next": True,
                            "From": {"Address": "ACME", "TON": 5, "NPI": 0},
                            "To": {"Address": "923001234567", "TON": 1, "NPI": 1},
                            "DataCodings": [{"Number": 0, "Words": "the SMSC's default alphabet, here gsm7"}],
                        }
                    ],
                    "FallBack": None,
                    "OptedOut": False,
                    "EstimatedWait": {"Seconds": 0.0, "Reason": None},
                },
            )

    def test_nothing_is_done(self) -> None:
        """Nothing is written or submitted, and no id is used up."""
        self.explain(To=TO, Body="hi")
        self.assertEqual((self.channel.submitted, self.writer.store.last_segment_id()), ([], 0))
        self.assertEqual((self.events(), self.writer.next_id), ([], 1))

    def test_why_ucs2(self) -> None:
        """Each character that forced UCS-2, where it stands and what it is called; and what would be saved."""
        body = "“Hello” it’s " + "x" * 80
        said = self.explain(To=TO, Body=body).json
        self.assertEqual((said["Alphabet"], said["Units"], said["NetworkParts"]), ("ucs2", "UTF-16 code units", 2))
        self.assertEqual(
            [(one["CodePoint"], one["Name"], one["Position"], one["Times"]) for one in said["UCS2Because"]],
            [
                ("U+201C", "LEFT DOUBLE QUOTATION MARK", 0, 1),
                ("U+201D", "RIGHT DOUBLE QUOTATION MARK", 6, 1),
                ("U+2019", "RIGHT SINGLE QUOTATION MARK", 10, 1),
            ],
        )
        near = '"Hello" it\'s ' + "x" * 80
        self.assertEqual(said["Transliteration"], {"Body": near, "Segments": 1, "NetworkParts": 1, "Saves": 1})
        self.assertIsNone(self.explain(To=TO, Body="سلام").json["Transliteration"])

    def test_what_is_left(self) -> None:
        """By the size of one segment of several, with its header; an escape counts two (GSM 03.38 6.2.1)."""
        for body, lengths in (
            ("x" * 160, [(160, 0)]),
            ("x" * 161, [(153, 0), (8, 145)]),
            ("{" * 80, [(160, 0)]),
            ("{" * 81, [(152, 1), (10, 143)]),
            ("س" * 71, [(67, 0), (4, 63)]),
            ("👍" * 35, [(70, 0)]),
            ("👍" * 36, [(66, 1), (6, 61)]),
        ):
            said = self.explain(To=TO, Body=body).json
            self.assertEqual([(one["Length"], one["Left"]) for one in said["Parts"]], lengths)

    def test_characters_are_bounded(self) -> None:
        """A text of a hundred foreign characters names the first twenty."""
        said = self.explain(To=TO, Body="".join(chr(0x4E00 + one) for one in range(100))).json
        self.assertEqual(len(said["UCS2Because"]), 20)
        self.assertEqual(said["UCS2Because"][0]["Name"], "CJK UNIFIED IDEOGRAPH-4E00")

    def test_same_refusals(self) -> None:
        """What /send refuses is refused here, in the same words."""
        for body in (
            "{",
            "[]",
            '{"Body": "hi"}',
            '{"To": "somebody", "Body": "hi"}',
            '{"To": "+923001234567", "Body": ""}',
            '{"To": "+923001234567", "Body": "a\\u0000b"}',
            '{"To": "+923001234567", "Body": "a\\ud800b"}',
            '{"To": "+923001234567", "Body": "hi", "channel": "pigeon"}',
            '{"To": "+923001234567", "Body": "hi", "From": "a name too long"}',
            '{"To": "+923001234567", "Body": "hi", "ValidityPeriod": -1}',
            '{"To": "+923001234567", "Body": "' + "x" * 613 + '"}',
        ):
            wanted, got = (self.request("POST", path, body) for path in ("/msg-client/send", EXPLAIN))
            self.assertEqual((got.status, got.json), (400, wanted.json), body)
        self.gate.reason = "The disk is nearly full."
        wanted, got = (self.send(path, To=TO, Body="hi") for path in ("/msg-client/send", EXPLAIN))
        self.assertEqual((got.status, got.json), (503, wanted.json))
        self.assertIsNotNone(got.header("Retry-After"))

    def test_method(self) -> None:
        """It is posted, as /send is."""
        answer = self.request("GET", EXPLAIN)
        self.assertEqual((answer.status, answer.header("Allow")), (405, "POST"))

    def test_opted_out(self) -> None:
        """Whoever has written STOP is told of, by any spelling of the number; where there are no rules nobody is asked
        for."""
        self.writer.store._opt_out = {"smpp": OptOutRules({})}
        number = "923001234567"
        self.writer.store._enter([("smpp", number_tail(number), number, "", 1, "word STOP")])
        self.writer.store._connection.commit()
        self.assertFalse(self.explain(To=TO, Body="hi").json["OptedOut"])
        outlet = self.outlets["smpp"]
        self.outlets["smpp"] = Outlet(
            outlet.channel, outlet.submitters, 3600, FallBackTo("cloud", 300.0), can_opt_out=True
        )
        said = self.explain(To=TO, Body="hi").json
        self.assertTrue(said["OptedOut"])
        self.assertIn("wants no texts", said["EstimatedWait"]["Reason"])
        self.assertEqual(said["FallBack"], {"channel": "cloud", "After": 300.0})
        self.assertFalse(self.explain(To="+923001234568", Body="hi").json["OptedOut"])

    def test_backlog(self) -> None:
        """What waits before it, by the rate. What is under way waits no more."""
        self.channel.window, self.channel.rate = 2, 10.0
        for number in range(12):
            self.send(To=f"+9230012345{number:02}", Body="hi")
        self.assertEqual(self.explain(To=TO, Body="hi").json["EstimatedWait"], {"Seconds": 1.0, "Reason": None})
        self.channel.rate = None
        self.assertIn("10 segments", self.explain(To=TO, Body="hi").json["EstimatedWait"]["Reason"])
        self.channel.obstacle = "It sleeps."
        self.assertEqual(
            self.explain(To=TO, Body="hi").json["EstimatedWait"], {"Seconds": None, "Reason": "It sleeps."}
        )

    def test_backlog_under_hold(self) -> None:
        """Under ``hold`` what is with the channel is claimed on disk, and no part of what is queued."""
        self.writer.store.close()
        self.make_policy = partial(RetryPolicy, resend=False)
        self.setUp()
        self.channel.window, self.channel.rate = 2, 10.0
        outlet = self.outlets["smpp"]
        self.outlets["smpp"] = replace(outlet, may_repeat=False)
        for number in range(12):
            self.send(To=f"+9230012345{number:02}", Body="hi")
        self.assertEqual(len(self.channel.submitted), 2)
        self.assertEqual(self.explain(To=TO, Body="hi").json["EstimatedWait"]["Seconds"], 1.0)

    def test_store_fails(self) -> None:
        """If the store can't be read, all else is told."""
        self.writer.broken = True
        said = self.explain(To=TO, Body="hi").json
        self.assertEqual((said["OptedOut"], said["EstimatedWait"]["Seconds"], said["NetworkParts"]), (None, None, 1))
        self.assertIn("can't be read", said["EstimatedWait"]["Reason"])

    def test_key(self) -> None:
        """It asks for a key as /send does."""
        self.keys = ("k",)
        self.setUp()
        self.assertEqual(self.explain(To=TO, Body="hi").status, 401)


PROVIDERS = """
channels:
  cloud: {type: twilio, account_sid: AC1, auth_token: x, from: "+13125550100", rate: 4}
  shop:
    type: http
    from: ACME
    maximum_length: 100
    long_texts: split
    request: {url: "https://sms.example/send", form: {to: "{{to}}", from: "{{from}}", text: "{{text}}"}}
"""


class ProvidersCase(DoorCase):
    """Channels of HTTP providers say what they can."""

    def make_outlets(self) -> dict[str, Outlet]:
        maker = SubmitterMaker(self.clock, WallClock(self.now), self.writer, self.writer, 1)
        outlets = {}
        for name, section in parse(PROVIDERS).channels.items():

            def make_channel(listener_of: ListenerOf, name: str = name, section: Any = section) -> Any:
                around = Surroundings(self.clock, WallClock(self.now), Random(1), mock.Mock(), listener_of)
                return CHANNEL_TYPES[section.type].make(name, section, around)

            outlets[name] = make_outlet(name, section, make_channel, maker.make, Random(1))
            outlets[name].start_submitters()
        return outlets

    def tearDown(self) -> None:
        for one in self.outlets.values():
            one.stop_submitters()

    def test_what_they_say(self) -> None:
        """Addresses as their request has them, without type and plan; parts as a network would count them."""
        for channel, source, number in (
            ("cloud", "+13125550100", "+923001234567"),
            ("shop", "ACME", "923001234567"),
        ):
            said = self.send(EXPLAIN, To=TO, Body="it’s " + "x" * 300, channel=channel).json
            (way,) = said["Binds"]
            self.assertEqual((way["Name"], way["State"], way["DataCodings"]), (channel, "up", []))
            self.assertEqual(way["From"], {"Address": source, "TON": None, "NPI": None})
            self.assertEqual(way["To"], {"Address": number, "TON": None, "NPI": None})
            self.assertEqual({one["Left"] for one in said["Parts"]}, {None})
            self.assertEqual(len(said["Parts"]), 1 if channel == "cloud" else 4)
            self.assertEqual(said["NetworkParts"], 5 if channel == "cloud" else 7)
            self.assertEqual(said["Alphabet"], "ucs2")
            self.assertIsNotNone(said["Transliteration"])
        self.assertEqual(self.send(EXPLAIN, To=TO, Body="hi", channel="cloud").json["Binds"][0]["Next"], True)

    def test_too_long(self) -> None:
        """What the provider would not take is refused as by /send."""
        for path in (EXPLAIN, "/msg-client/send"):
            answer = self.send(path, To=TO, Body="x" * 1601, channel="cloud")
            self.assertEqual((answer.status, answer.error["code"]), (400, "text_too_long"))


class ForecastCase(SynchronousTestCase):
    def test_table(self) -> None:
        """Seconds, or why they are not known; the first reason that holds."""
        free, slow, stuck = (mock.Mock(rate=rate, obstacle=why) for rate, why in ((None, ""), (4.0, ""), (4.0, "No.")))
        for preview, prospect, under_way, segments, is_running, seconds, reason in (
            (free, Prospect(0, False), 0, 5, True, 0.0, None),
            (free, Prospect(7, False), 7, 5, True, 0.0, None),
            (free, Prospect(8, False), 7, 1, True, None, "1 segments"),
            (slow, Prospect(0, False), 0, 1, True, 0.0, None),
            (slow, Prospect(0, False), 0, 5, True, 1.0, None),
            (slow, Prospect(40, False), 0, 1, True, 10.0, None),
            (slow, Prospect(1, False), 9, 1, True, 0.0, None),
            (slow, Prospect(MOST_COUNTED, False), 0, 1, True, None, "1000000"),
            (stuck, Prospect(0, False), 0, 1, True, None, "No."),
            (stuck, Prospect(0, True), 0, 1, True, None, "wants no texts"),
            (stuck, None, 0, 1, True, None, "No."),
            (slow, None, 0, 1, True, None, "can't be read"),
            (slow, Prospect(0, False), 0, 1, False, None, "not served"),
        ):
            found = forecast(preview, prospect, under_way=under_way, segments=segments, is_running=is_running)
            self.assertEqual(found.seconds, seconds)
            self.assertEqual(found.reason is None, reason is None)
            self.assertIn(reason or "", found.reason or "")

    def test_counting(self) -> None:
        """What waits in this queue, and no other."""
        case = DoorCase()
        case.setUp()
        case.channel.window = 0
        for number in range(3):
            case.send(To=f"+92300123450{number}", Body="x" * 200)
        (found,) = ask(case.writer.store, [Outlook("smpp", "smpp", "1", None, can_opt_out=True)])
        (other,) = ask(case.writer.store, [Outlook("other", "smpp", "1", None, can_opt_out=False)])
        self.assertEqual((found, other), (Prospect(6, False), Prospect(0, False)))
        case.writer.store.close()


class RecordingWires(Wires):
    """Keeps the submit_sm that are written."""

    def __init__(self, smsc: SMSC) -> None:
        super().__init__(smsc)
        self.submits: list[PDU] = []

    def pump(self) -> None:
        for near, _ in self.pairs:
            octets = near.transport.value()
            framer = codec.Framer()
            pdus = [codec.decode(one) for one in framer.feed(octets)]
            self.submits += [one for one in pdus if one.command_id == CommandId.submit_sm]
        super().pump()


BINDS = {
    "plain": "{}",
    "sender": "{source: '8228', short_code_ton: 6, short_code_npi: 9}",
    "types": "{source: ACME, source_ton: 3, source_npi: 2, dest_ton: 2, dest_npi: 8}",
    "latin1": "{alphabet: latin1}",
    "ascii": "{alphabet: ascii, data_codings: {ucs2: 0x18}}",
    "packed": "{alphabet: gsm7-packed, long_messages: udh16}",
    "sar": "{long_messages: sar, tlvs: {'0x1400': abc}}",
    "payload": "{long_messages: payload}",
}
CHANNELS = {"exact": "{}", "near": "{transliterate: yes}", "turkish": "{national_languages: [tr, es]}"}
CASES = [
    "hi",
    "x" * 160,
    "x" * 161,
    "[" * 153,
    "€" * 80 + "x",
    "it’s",
    "Île “d’Orléans” – " * 12,
    "سلام " * 30,
    "👍" * 40,
    "👨‍👩‍👧" * 30,
    "şığ " * 40,
    "áéíóúñ " * 30,
    "\n\r\t",
    "naïve ç",
]


class AgreesCase(DoorCase):
    """What is explained is what ``/send`` does: over a real bind, to a simulated SMSC, octet for octet."""

    def make_outlets(self) -> dict[str, Outlet]:
        text = "channels: {smpp: {type: smpp, binds: [{name: a, endpoint: 'tcp:h:1', system_id: me, password: p}]}}"
        data = parse(text).channels["smpp"].model_dump()
        bind = data["binds"][0] | {"password": "p"} | json_of(getattr(self, "bind", "{}"))
        data |= json_of(getattr(self, "channel_keys", "{}")) | {"binds": [bind], "maximum_segments": 20}
        section = SMPPChannelSection.model_validate(data)
        self.smsc = SMSC(self.clock, Behaviour(lost_receipt_share=1.0))
        self.smsc.startFactory()
        self.wires = RecordingWires(self.smsc)

        def make_channel(listener_of: ListenerOf) -> SMPPChannel:
            channel = SMPPChannel("smpp", WallClock(self.now), mock.Mock(), listener_of, cutter(section))
            made = bind_settings(section.binds[0], "a", "transceiver")
            pace = Pace(section.binds[0].throughput, self.clock.seconds())
            channel.add(Bind(self.clock, self.wires, made, channel, BackOff(), pace))  # type: ignore[arg-type]
            return channel

        maker = SubmitterMaker(self.clock, WallClock(self.now), self.writer, self.writer, 1)
        outlet = make_outlet("smpp", section, make_channel, maker.make, Random(1))
        outlet.channel.startService()
        self.wires.pump()
        outlet.start_submitters()
        return {"smpp": outlet}

    def leave(self) -> None:
        """The end of one door, before another is made."""
        self.outlets["smpp"].stop_submitters()
        self.smsc.stopFactory()
        self.writer.store.close()

    def agrees(self, **data: Any) -> None:
        explained = self.send(EXPLAIN, **data)
        self.wires.submits.clear()
        sent = self.send(**data)
        for _ in range(3):
            self.settle()
            self.wires.pump()
            self.clock.advance(0.5)
        self.assertEqual(explained.status, sent.status, data)
        if sent.status != 200:
            self.assertEqual(explained.json, sent.json)
            return
        said = explained.json
        (found,) = ask(self.writer.store, [ops.Find(str(sent.header("X-Message-SID")))])
        self.assertEqual([one["Body"] for one in said["Parts"]], [one.text for one in found.segments])
        self.assertEqual(
            (said["Alphabet"], said["To"], said["From"]),
            (found.alphabet.partition("/")[0], found.destination, found.source),
        )
        points = " ".join(one["CodePoint"] for one in said["UCS2Because"])
        self.assertEqual(points, sent.header("X-UCS2-Because") or "")
        (bind,) = said["Binds"]
        self.assertEqual((bind["Name"], bind["State"], bind["Next"]), ("smpp/a", "bound", True))
        self.assertEqual(len(self.wires.submits), len(found.segments))
        codings = set()
        for pdu in self.wires.submits:
            fields = pdu.fields
            for name, kind in (("From", "source"), ("To", "dest")):
                address = fields["source_addr" if kind == "source" else "destination_addr"]
                on_the_wire = (address, fields[f"{kind}_addr_ton"], fields[f"{kind}_addr_npi"])
                self.assertEqual(tuple(bind[name].values()), on_the_wire)
            codings.add(fields["data_coding"])
        self.assertEqual({one["Number"] for one in bind["DataCodings"]}, codings)
        self.check_lengths(said)

    def check_lengths(self, said: Any) -> None:
        """The lengths are those of the octets on the wire, less what is no text."""
        for one, pdu in zip(said["Parts"], self.wires.submits, strict=True):
            user_data = pdu.tlv(Tag.message_payload) or pdu.fields["short_message"]
            if pdu.fields["esm_class"] & 0x40:
                user_data = user_data[1 + user_data[0] :]
            if said["Alphabet"] == "ucs2":
                self.assertEqual(one["Length"], len(user_data) // 2)
            elif said["Units"] == "septets" and pdu.fields["data_coding"] == 0 and self.is_unpacked:
                self.assertEqual(one["Length"], len(user_data))
            if said["NetworkParts"] == len(said["Parts"]):
                self.assertGreaterEqual(one["Left"], 0)

    is_unpacked = True

    def with_(self, bind: str = "plain", channel: str = "exact") -> None:
        self.leave()
        self.bind, self.channel_keys = BINDS[bind], CHANNELS[channel]
        self.is_unpacked = bind not in ("packed", "ascii", "latin1")
        self.setUp()

    def test_table(self) -> None:
        """Every kind of bind and of channel, with texts and senders of every kind."""
        for bind in BINDS:
            for channel in CHANNELS if bind == "plain" else ("exact",):
                self.with_(bind, channel)
                for text in CASES:
                    self.agrees(To=TO, Body=text)
                for source in ("ACME", "8228", "+46701234567", None):
                    self.agrees(To=TO, Body="hi", From=source)
                self.agrees(To="8228", Body="hi")
                self.agrees(To=TO, Body="x" * 4000)

    def test_any_text(self) -> None:
        """Whatever the text is."""
        for bind, channel in (("plain", "exact"), ("plain", "near"), ("ascii", "turkish"), ("sar", "turkish")):
            self.with_(bind, channel)

            @settings(max_examples=60, deadline=None, database=None, derandomize=True)
            @given(TEXTS)
            def agrees(text: str) -> None:
                self.agrees(To=TO, Body=text)

            agrees()

    def test_what_transliteration_saves(self) -> None:
        """What it is told to save is what a channel that does it sends."""
        texts = ("it’s", "Île “d’Orléans” – " * 12, "“" * 200, "œuvre…" * 30)
        for text, bind in [*((text, "plain") for text in texts), ("“à la carte”, 5 €", "ascii"), ("“à”", "latin1")]:
            self.with_(bind, "exact")
            saved = self.send(EXPLAIN, To=TO, Body=text).json["Transliteration"]
            self.with_(bind, "near")
            near = self.send(EXPLAIN, To=TO, Body=text).json
            self.assertEqual((saved["Body"], saved["NetworkParts"]), (near["Body"], near["NetworkParts"]))
            self.assertTrue(near["Transliterated"])

    def test_down(self) -> None:
        """A bind that is not there: nobody is next, and the wait is not known, with the reason."""
        self.wires.refuse = True
        self.wires.cut()
        said = self.send(EXPLAIN, To=TO, Body="hi").json
        self.assertEqual([(one["State"], one["Next"]) for one in said["Binds"]], [("down", False)])
        self.assertEqual(said["EstimatedWait"]["Seconds"], None)
        self.assertRegex(said["EstimatedWait"]["Reason"], r"^smpp/a is not bound: .+\.$")

    def test_paused(self) -> None:
        """A bind whose SMSC throttles stands still for a known time."""
        (bind,) = self.outlets["smpp"].channel.binds  # type: ignore[attr-defined]
        bind.pace.pause(self.clock.seconds(), 3.0)
        said = self.send(EXPLAIN, To=TO, Body="hi").json
        self.assertIn("another 3.0 s", said["EstimatedWait"]["Reason"])

    def test_rate(self) -> None:
        """The configured throughput: what waits and all but one of its own segments, by the rate."""
        self.leave()
        self.bind = "{throughput: 2}"
        self.setUp()
        said = self.send(EXPLAIN, To=TO, Body="x" * 700).json
        self.assertEqual((len(said["Parts"]), said["EstimatedWait"]["Seconds"]), (5, 2.0))

    def tearDown(self) -> None:
        self.leave()


def json_of(flow: str) -> Any:
    """A flow of YAML."""
    return yaml.safe_load(flow)


class NamesCase(SynchronousTestCase):
    def test_example_is_json(self) -> None:
        """The example in the docs is JSON, with the keys that there are."""
        page = (Path(__file__).parents[3] / "docs" / "explain.rst").read_text()
        begin = page.index('    {"To"')
        example = json.loads(page[begin : page.index("\n\n", begin)])
        case = DoorCase()
        case.setUp()
        said = case.send(EXPLAIN, To=TO, Body="hi").json
        self.assertEqual(set(example), set(said))
        self.assertEqual(set(example["Binds"][0]), set(said["Binds"][0]))
        self.assertEqual(set(example["Parts"][0]), set(said["Parts"][0]))
        case.writer.store.close()
