"""The configuration: every error at once, with its path and what is allowed."""

import re
from pathlib import Path

import yaml
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.access.file import AccessFile, access_path_of
from smsconnector.access.keys import Permissions
from smsconnector.channels.smpp.settings import BindSection, SMPPChannelSection, bind_settings
from smsconnector.channels.types import CHANNEL_TYPES
from smsconnector.codes import Action as CodeAction
from smsconnector.codes import Explanation
from smsconnector.config import Configuration, StoreSection, load, load_store, parse
from smsconnector.demo import Ports, _configuration
from smsconnector.errors import ConfigurationError
from smsconnector.http_section import HTTP
from smsconnector.lifecycle import CODE_UNKNOWN, FallBackRule
from smsconnector.messages import Finality
from smsconnector.sections import FallBackSection, TLSSection
from smsconnector.sinks.stomp.settings import StompSection
from smsconnector.sinks.webhook.callbacks import CallbackSection
from smsconnector.sinks.webhook.settings import WebhookSection
from smsconnector.smpp.policy import Action, Rule
from smsconnector.sms.opt_out import Wish
from tests.configured import binds_of
from tests.integration.certificates import Authority

ROOT = Path(__file__).resolve().parents[2]
GOOD = """
channels:
  smpp:
    type: smpp
    binds:
      - {name: a, endpoint: "tcp:127.0.0.1:2775", system_id: me, password: secret}
"""


def example() -> str:
    """The configuration that we ship, but for the folder of its database, which is made when it is installed. It has
    an absolute path, for the tools may be started in any folder."""
    text = (ROOT / "conf" / "smsconnector.yaml").read_text()
    assert text.count("path: /var/lib/smsconnector/smsconnector.db") == 1
    return text.replace("/var/lib/smsconnector/", "")


class ConfigurationCase(SynchronousTestCase):
    def problems(self, text: str, **environment: str) -> dict[str, str]:
        error = self.assertRaises(ConfigurationError, parse, text, environment)
        return dict(error.problems)

    def test_shortest(self) -> None:
        """A channel with a bind is enough; all else has defaults."""
        configuration = parse(GOOD)
        bind = binds_of(configuration)[0]
        self.assertEqual((bind.window, bind.mode, bind.address), (50, "transceiver", ("tcp", "127.0.0.1", 2775)))
        self.assertEqual(configuration.default_channel, "smpp")
        self.assertEqual(configuration.http.base_path, "/msg-client")

    def test_examples(self) -> None:
        """What we ship is good: the file, and what the demo writes."""
        parse(example())
        unit = (ROOT / "systemd" / "smsconnector.service").read_text()
        self.assertIn("StateDirectory=smsconnector\n", unit, "what the unit may write to")
        parse(yaml.safe_dump(_configuration(Ports(8080, 2775, 61613))))

    def test_example_says_all(self) -> None:
        """What the example shows commented out is accepted, and it shows every key there is."""
        text = example()
        uncommented = re.sub(r"(?m)^( *)# ([a-z_0-9]+:)", r"\1\2", text)
        uncommented = re.sub(r"(?m)^ +(tls|ca_file|passcode_file|fallback): .*$", "", uncommented)  # names of others
        parse(uncommented, {"SMSCONNECTOR_API_KEY": "x"})
        shown = set(re.findall(r"[a-z_0-9]+(?=:)|(?<=[ ,(])[a-z_0-9]+(?=[,;:])|[a-z]+_[a-z_]+", text))
        sections = (HTTP, StoreSection, SMPPChannelSection, BindSection, TLSSection, StompSection, WebhookSection)
        for section in (*sections, CallbackSection, Configuration):
            self.assertEqual(set(section.model_fields) - shown, set(), section.__name__)

    def test_codes(self) -> None:
        """What a carrier means by codes of its own, by the account of the bind; each error says what to write."""
        text = GOOD.replace(
            "secret}",
            """secret, codes: {"069": {text: " On the list ", action: recipient_opted_out}}}
      - {name: b, endpoint: "tcp:127.0.0.1:2775", system_id: me, codes: {"069": {text: Other., action: retry_later},
         UNDELIV: {text: No., action: call_the_carrier, refused: {text: R, action: fix_the_text}}}}
      - {name: c, endpoint: "tcp:other:2775", system_id: me}""",
        )
        codes = parse(text).channels["smpp"].codes_of("smpp")
        self.assertEqual(codes.numbers, "smpp")
        listed = Explanation("On the list.", CodeAction.RECIPIENT_OPTED_OUT)
        self.assertEqual(codes.own["me@127.0.0.1:2775"]["069"], (listed, listed))
        told, refused = codes.own["me@127.0.0.1:2775"]["UNDELIV"]
        self.assertEqual((told.text, refused), ("No.", Explanation("R.", CodeAction.FIX_THE_TEXT)))
        self.assertEqual(codes.own["me@other:2775"], {})
        for bind, account in (("b", "me@127.0.0.1:2775"), ("c#2", "me@other:2775"), ("gone", None), (None, None)):
            self.assertEqual(codes.account_of(bind), account)
        knows = parse(text).end_rules.knows
        self.assertTrue(knows("smpp", "069") and knows("gone", "070"))
        self.assertFalse(knows("smpp", "070"))
        for wrong, sentence in (
            ("{011: {text: x, action: retry_later}}", "put it in quotes"),
            ("{OFF: {text: x, action: retry_later}}", "put it in quotes"),
            ('{"a b": {text: x, action: retry_later}}', "is no code"),
            ('{"": {text: x, action: retry_later}}', "is no code"),
            ('{"1": {action: retry_later}}', "missing"),
            ('{"1": {text: x}}', "missing"),
            ('{"1": {text: "", action: retry_later}}', "at least 1"),
            ('{"1": {text: x, action: wait}}', "'retry_later', 'fix_the_number'"),
            ('{"1": {text: x, action: retry_later, more: 1}}', "no such key"),
            ('{"1": "x"}', "keys and values"),
            ("[]", "keys and values"),
            (str({str(one): {"text": "x", "action": "retry_later"} for one in range(1001)}), "1001 codes"),
        ):
            problems = self.problems(GOOD.replace("secret}", f"secret, codes: {wrong}}}"))
            self.assertIn(sentence, " ".join(problems.values()), wrong)
            self.assertTrue(all(path.startswith("channels.smpp.binds[0].codes") for path in problems), problems)

    def test_ports_of_others(self) -> None:
        """A port where another protocol is mostly spoken is no error, for somebody may have it so: it is told."""
        text = GOOD.replace("tcp:127.0.0.1:2775", "tcp:127.0.0.1:61613") + "events: {uri: 'tcp://127.0.0.1:2775'}\n"
        self.assertEqual(
            parse(text).warnings,
            [
                "channels.smpp.binds[0].endpoint: port 61613 is mostly STOMP: SMPP is mostly at 2775",
                "events.uri: port 2775 is mostly SMPP: STOMP is mostly at 61613",
            ],
        )
        several = (
            GOOD
            + "events: {sinks: [{type: stomp, uri: 'failover:(tcp://a:61616,tcp://b:61616,ssl://c:61614)'},"
            + " {type: stomp, name: b, uri: 'tcp://a'}]}"
        )
        self.assertEqual(
            parse(several).warnings, ["events.sinks[0].uri: port 61616 is mostly OpenWire: STOMP is mostly at 61613"]
        )
        self.assertEqual(parse(GOOD).warnings, [])
        outbind = GOOD.replace("tcp:127.0.0.1:2775", "outbind:127.0.0.1:8080").replace(
            "secret}", "secret, outbind_system_id: s, outbind_password: p}"
        )
        self.assertEqual(parse(outbind).warnings, [], "a port of our own")

    def test_codes_of_providers(self) -> None:
        """Channels of the other types have the key too; 30007 of Twilio's is explained otherwise."""
        codes = '{"30007": {text: Our links are filtered, action: fix_the_text}}'
        twilio = f"channels: {{t: {{type: twilio, account_sid: AC1, auth_token: x, from: '8228', codes: {codes}}}}}"
        http = f"channels: {{t: {{type: http, request: {{url: 'http://h/{{{{to}}}}'}}, codes: {codes}}}}}"
        for text, numbers in ((twilio, "twilio"), (http, "http")):
            found = parse(text).channels["t"].codes_of("t")
            self.assertEqual((found.numbers, found.own["t"]["30007"].told.text), (numbers, "Our links are filtered."))

    def test_opt_out(self) -> None:
        """Off unless it is there; what is wrong with its words is said."""
        self.assertEqual(parse(GOOD).opt_out_rules, {})
        text = GOOD.replace(
            "type: smpp", "type: smpp\n    opt_out: {languages: [en, ur], codes: [21610], replies: {stop: bye}}"
        )
        configuration = parse(text)
        self.assertEqual(configuration.opt_out_rules["smpp"].codes, {"21610"})
        self.assertEqual(configuration.opt_out_answers[1], {"smpp": {Wish.STOP: "bye"}})
        problems = self.problems(text.replace("[en, ur]", "[xx]").replace("codes: [21610]", "stop: ['...']"))
        self.assertIn("there are words for en", problems["channels.smpp.opt_out.languages"])
        self.assertIn("is no such word", problems["channels.smpp.opt_out.stop"])

    def test_fall_back(self) -> None:
        """The short form and the long one; what can't be is said."""
        other = GOOD.replace("smpp:\n    type", "{}:\n    {}type").replace("{name: a", "{{name: a").replace("t}", "t}}")

        def written(*channels: tuple[str, str]) -> str:
            bodies = (other.format(name, f"{more}\n    " if more else "") for name, more in channels)
            return "channels:" + "".join(body.replace("\nchannels:", "") for body in bodies)

        self.assertEqual(parse(GOOD).end_rules.fall_backs, {})
        short = parse(written(("a", "fallback: b"), ("b", "")))
        self.assertEqual(short.channels["a"].fallback, FallBackSection(channel="b", after=300.0, codes=[]))
        long = "fallback: {channel: b, after: 20, codes: [11, '011', UNKNOWN]}"
        rule = parse(written(("a", long), ("b", "fallback: c"), ("c", ""))).end_rules.fall_backs["a"]
        self.assertEqual(rule, FallBackRule(frozenset({"11", "011", CODE_UNKNOWN}), may_repeat=True))
        for channels, place, words in (
            ([("a", "fallback: x"), ("b", "")], "a.fallback", "names 'x', but the other channels are: b"),
            ([("a", "fallback: x")], "a.fallback", "no other"),
            ([("a", "fallback: a")], "a.fallback", "a channel can't fall back to itself: a -> a"),
            ([("a", "fallback: b"), ("b", "fallback: {channel: a}")], "b.fallback", "b -> a -> b"),
            ([("a", "fallback: {channel: b, codes: [EXPIRED]}"), ("b", "")], "a.fallback.codes", "lifetime is over"),
            ([("a", f"unknown_outcome: hold\n    {long}"), ("b", "")], "a", "unknown_outcome is hold"),
            ([("a", "lifetime: 60\n    fallback: b"), ("b", "")], "a", "not less than lifetime (60 s)"),
            ([("a", "opt_out: {codes: [7]}\n    fallback: {channel: b, codes: ['7']}"), ("b", "")], "a", "codes has 7"),
            ([("a", "fallback: {after: 9}"), ("b", "")], "a.fallback.channel", "required"),
            ([("a", "fallback: [b]"), ("b", "")], "a.fallback", "the name of another channel"),
            *(
                ([("a", f"fallback: {{channel: b, codes: [{code}]}}"), ("b", "")], "a.fallback.codes", words)
                for code, words in (
                    *((one, "as they stand in reports") for one in ("1.5", "null", "yes", "''", "' 11'", "[1]")),
                    ("DELIVERED", "it has come"),
                )
            ),
        ):
            problems = self.problems(written(*channels))
            self.assertIn(words, problems[f"channels.{place}"], channels)

    def test_every_error_at_once(self) -> None:
        """Each with its path; a key that nobody knows is one too."""
        problems = self.problems(
            """
http: {endpoints: ["8080"], base_path: "msg client", colour: red}
store: {path: 5}
channels:
  smpp:
    type: smpp
    binds:
      - {name: a, endpoint: "127.0.0.1:2775", system_id: me, window: 0, mode: both}
      - {endpoint: "tcp:[::1]:99999", system_id: a-system-id-too-long}
  pigeon: {type: pigeon}
events: {uri: "http://x", sink: file}
"""
        )
        expected = {
            "http.endpoints",
            "http.base_path",
            "http.colour",
            "store.path",
            "channels.smpp.binds[0].endpoint",
            "channels.smpp.binds[0].window",
            "channels.smpp.binds[0].mode",
            "channels.smpp.binds[1].name",
            "channels.smpp.binds[1].endpoint",
            "channels.smpp.binds[1].system_id",
            "channels.pigeon.type",
            "events.uri",
            "events.sink",
        }
        self.assertEqual(expected - set(problems), set())
        self.assertIn("tcp:HOST:PORT", problems["channels.smpp.binds[0].endpoint"])

    def test_type_missing_or_unknown(self) -> None:
        """What stands beside it is checked all the same, but no key is missing or unknown: another type may differ."""
        binds = "binds: [{name: a, endpoint: 'tcp:smsc:2775', system_id: me, window: 0}]"
        types = ", ".join(CHANNEL_TYPES)
        for kind, sentence in (
            ("", "missing: this key is required"),
            ("type: smp, ", f"one of these is wanted here: {types}"),
            ("type: [smpp], ", f"one of these is wanted here: {types}"),
        ):
            problems = self.problems(f"channels: {{a: {{{kind}colour: red, lifetime: 0, {binds}}}}}")
            self.assertEqual(problems.pop("channels.a.type"), sentence)
            self.assertEqual(set(problems), {"channels.a.lifetime", "channels.a.binds[0].window"})
        self.assertEqual(
            self.problems("channels: {a: {type: smp}, b: 5}"),
            {
                "channels.a.type": f"one of these is wanted here: {types}",
                "channels.b": "keys and values are wanted here, KEY: VALUE",
            },
        )

    def test_environment(self) -> None:
        """${NAME} comes from the environment; one that is not set is an error with its path."""
        text = GOOD.replace("secret", '"${SMSC_PASSWORD}"')
        bind = binds_of(parse(text, {"SMSC_PASSWORD": "s3cret"}))[0]
        self.assertEqual(bind.secret(), "s3cret")
        self.assertIn("SMSC_PASSWORD", self.problems(text)["channels.smpp.binds[0].password"])

    def test_password_file(self) -> None:
        """A password may be in a file; one that can't be read is an error."""
        path = self.mktemp()
        Path(path).write_text("fromfile\n")
        text = GOOD.replace("password: secret", f"password_file: {path}")
        self.assertEqual(binds_of(parse(text))[0].secret(), "fromfile")
        self.assertIn("channels.smpp.binds[0].password_file", self.problems(text.replace(path, path + "x")))
        Path(path).write_text("\n")
        self.assertIn("is empty", str(self.problems(text)))

    def test_secrets_stay_secret(self) -> None:
        """Neither the representation nor an error shows a password."""
        self.assertNotIn("secret", repr(parse(GOOD)))
        problems = self.problems(GOOD.replace("system_id: me", "system_id: 5"))
        self.assertNotIn("secret", str(problems))

    def test_what_a_bind_can_say(self) -> None:
        """Every key of a bind at once, as it reaches the session and the renderer."""
        bind = """
      - {name: b, endpoint: "outbind:0.0.0.0:2776", system_id: me, mode: receiver, interface_version: "3.4",
         outbind_system_id: smsc, outbind_password: x,
         alphabet: latin1, long_messages: sar, source_ton: 0, dest_npi: 9, protocol_id: 64, priority_flag: 1,
         validity: auto, intermediate_notifications: true, tlvs: {"0x1400": "1101", "0x1401": "hex:0aff"},
         data_codings: {ucs2: 0x18}, statuses: {ESME_RSYSERR: {action: pause, delay: 3}}, maximum_pdu: 4096,
         receipt_words: {"0": delivered, mob-off: progress}, one_receipt: never, headers_without_udhi: false,
         cancel_sm: true}
"""
        section = binds_of(parse(GOOD + bind))[1]
        settings = bind_settings(section, "b", "receiver")
        session, submit = settings.session, settings.submit
        self.assertEqual((session.outbind, session.interface_version, session.maximum_pdu), (True, 0x34, 4096))
        self.assertEqual((submit.default_alphabet, submit.form, submit.registered_delivery), ("latin1", "sar", 0x11))
        self.assertEqual((submit.source_ton, submit.dest_npi, submit.validity), (0, 9, "auto"))
        self.assertEqual(submit.tlvs, ((0x1400, b"1101"), (0x1401, b"\x0a\xff")))
        self.assertEqual(settings.policy.rule(8), Rule(Action.PAUSE, 3.0))
        self.assertEqual(settings.receipt_words, {"0": Finality.DELIVERED, "MOB-OFF": Finality.PROGRESS})
        self.assertFalse(settings.headers_without_udhi)
        self.assertTrue(settings.cancel_sm)
        self.assertFalse(bind_settings(binds_of(parse(GOOD))[0], "a", "transceiver").cancel_sm)
        self.assertTrue(bind_settings(binds_of(parse(GOOD))[0], "a", "transceiver").headers_without_udhi)

    def test_how_long_is_waited(self) -> None:
        """The times of each channel in milliseconds, and the accounts whose SMSC gives a receipt for each part."""
        bind = "{name: b, endpoint: 'tcp:h:1', system_id: me, one_receipt: never}"
        waits = "receipt_time: 0, receipt_grace: 1.5"
        text = f"channels:\n  a: {{type: smpp, {waits}, binds: [{bind}]}}\n"
        rules = parse(text).end_rules
        self.assertEqual((rules.receipt_time("a"), rules.grace("a")), (0, 1500))
        self.assertEqual(rules.telling_parts, {"me@h:1"})
        rules = parse(GOOD).end_rules
        self.assertEqual((rules.receipt_time("smpp"), rules.grace("smpp")), (3_600_000, 3_600_000))
        self.assertEqual(rules.telling_parts, set())
        request = {"url": "https://h/", "query": {"u": "{{callback_url}}"}}
        cloud = {"type": "twilio", "account_sid": "A", "auth_token": "t", "from": "Bank"}
        channels = {
            "by_path": {"type": "http", "request": request},
            "by_field": {"type": "http", "id": "own", "receipts": True, "request": {"url": "https://h/{{sid}}"}},
            "never_told": {"type": "http", "receipts": False, "request": request},
            "by_id": {"type": "http", "id": {"json": "id"}, "request": {"url": "https://h/"}},
            "cloud": cloud,
            "silent": cloud | {"receipts": False},
        }
        for http, wanted in (
            ({"public_url": "https://sms.example.org"}, {"by_path", "by_field", "cloud"}),
            ({}, {"by_field"}),
        ):
            rules = parse(yaml.safe_dump({"channels": channels, "http": http}), {}).end_rules
            self.assertEqual(rules.naming_ids, wanted)
        several = {"type": "http", "request": {"url": "https://h/"}, "id": {"json": "messages.*.id"}}
        self.assertEqual(parse(yaml.safe_dump({"channels": {"prov": several}}), {}).end_rules.several_ids, {"prov"})
        split = {"type": "http", "request": {"url": "https://h/"}, "maximum_length": 160, "long_texts": "split"}
        self.assertEqual(parse(yaml.safe_dump({"channels": {"prov": split}}), {}).end_rules.telling_parts, {"prov"})

    def test_parts_that_are_texts_of_their_own(self) -> None:
        """A provider that is given a long text in parts, by requests of their own, does not know that they belong
        together. It tells of each: what it does not tell of one is not presumed because another was delivered."""
        text = "channels:\n  a: {type: http, request: {url: 'https://h/'}}\n"
        text += "  b: {type: http, request: {url: 'https://h/'}, maximum_length: 160, long_texts: split}\n"
        text += "  c: {type: twilio, account_sid: AC1, auth_token: t, from: '+15005550006'}\n"
        self.assertEqual(parse(text).end_rules.telling_parts, {"b"})

    def test_hosts_that_stand_for_each_other(self) -> None:
        """The hosts of one system_id in one channel tell of each other's texts, unless ``account`` says otherwise."""
        binds = [
            f'{{name: {name}, endpoint: "tcp:{name}:2775", system_id: {who}, password: x{more}}}'
            for name, who, more in (
                ("h1", "me", ""),
                ("h2", "me", ", sessions: 2"),
                ("h3", "me", ", account: own"),
                ("h4", "you", ""),
            )
        ]
        other = f"  other: {{type: smpp, binds: [{binds[0].replace('h1', 'h5')}]}}\n"
        configuration = parse(f"channels:\n  smpp: {{type: smpp, binds: [{', '.join(binds)}]}}\n{other}")
        group = ("me@h1:2775", "me@h2:2775")
        self.assertEqual(configuration.kin, dict.fromkeys(group, group))

    def test_numbers_as_keys(self) -> None:
        """YAML reads a status or a tag as a number; and a sender is normalised as the door does it."""
        statuses = "{8: {action: reject}, 0x58: {action: pause}}"
        bind = f'{{name: b, endpoint: "tcp:smsc:2775", system_id: me, statuses: {statuses},'
        section = binds_of(parse(f'{GOOD}      - {bind} tlvs: {{0x1400: x}}, source: "+49 123 4567"}}\n'))[1]
        settings = bind_settings(section, "b", "transceiver")
        self.assertEqual(
            (settings.policy.rule(8).action, settings.policy.rule(0x58).action), (Action.REJECT, Action.PAUSE)
        )
        self.assertEqual((settings.submit.tlvs, settings.submit.source), (((0x1400, b"x"),), "491234567"))

    def test_wrong_values(self) -> None:
        """What would be found out only at run time is found here."""
        pem = self.mktemp()
        Path(pem).write_text("no certificate")
        bind = '{name: b, endpoint: "tls:smsc:2775", system_id: me'
        for section, path, text in (
            (f"{bind}, service_type: é}}", "channels.smpp.binds[1].service_type", "ASCII"),
            (f'{bind}, password: ""}}', "channels.smpp.binds[1].password", "leave the key out"),
            (f"{bind}, password: 12345678}}", "channels.smpp.binds[1].password", "in quotes"),
            (f"{bind}, validity: 24h}}", "channels.smpp.binds[1].validity", "'auto'; or: a number without a unit"),
            (f"{bind}, to: [92 300]}}", "channels.smpp.binds[1].to[0]", "digits are wanted"),
            (f"{bind}, window: 1.5}}", "channels.smpp.binds[1].window", "whole number"),
            (f"{bind}, password: é}}", "channels.smpp.binds[1].password", "ASCII"),
            (f"{bind}, tlvs: {{pe_id: x}}}}", "channels.smpp.binds[1].tlvs", "0x1400"),
            (f'{bind}, interface_version: "3.3", long_messages: sar}}', "channels.smpp.binds[1]", "no TLVs"),
            (f"{bind}, source: ACME-Company-Name}}", "channels.smpp.binds[1].source", "11"),
            (
                '{name: b, endpoint: "outbind:0.0.0.0:2775", system_id: me}',
                "channels.smpp.binds[1]",
                "outbind_password",
            ),
            (f'{bind}, tlvs: {{"0x1400": "hex:0"}}}}', "channels.smpp.binds[1].tlvs", "hex:0A0B"),
            (f"{bind}, tls: {{verify_name: no}}}}", "channels.smpp.binds[1].tls", "needs ca_file"),
            (
                f'{{name: b, endpoint: "tcp:smsc:2775", system_id: me, tls: {{ca_file: {pem}}}}}',
                "channels.smpp.binds[1]",
                "write tls:HOST:PORT",
            ),
            (f"{bind}, tls: {{ca_file: {pem}}}}}", "channels.smpp.binds[1].tls", "no certificate"),
            (f"{bind}, tls: {{ca_file: {pem}x}}}}", "channels.smpp.binds[1].tls.ca_file", "can't be read"),
            (f"{bind}, statuses: {{ESME_NO: {{action: retry}}}}}}", "channels.smpp.binds[1].statuses", "ESME_RSYSERR"),
            (f"{bind}, receipt_words: {{OFF: failed}}}}", "channels.smpp.binds[1].receipt_words", "in quotes"),
            (f"{bind}, receipt_words: {{010: failed}}}}", "channels.smpp.binds[1].receipt_words", "in quotes"),
            (f'{bind}, receipt_words: {{"A B": failed}}}}', "channels.smpp.binds[1].receipt_words", "without blanks"),
            (f"{bind}, receipt_words: {{LOST: lost}}}}", "channels.smpp.binds[1].receipt_words", "'failed'"),
            (f"{bind}, receipt_words: [LOST]}}", "channels.smpp.binds[1].receipt_words", "keys and values"),
            (f"{bind}, one_receipt: always}}", "channels.smpp.binds[1].one_receipt", "'never'"),
        ):
            found = self.problems(f"{GOOD}      - {section}\n")
            self.assertIn(text, " ".join(one for key, one in found.items() if key.startswith(path)), section)
        for rest, path in (
            ('http: {endpoints: ["tcp:abc"]}', "http.endpoints"),
            ('http: {endpoints: ["tcp:99999:interface=127.0.0.1"]}', "http.endpoints"),
            ('http: {endpoints: ["tcp:8080", "tcp:8080"]}', "http.endpoints"),
            ("http: {base_path: msg-client/}", "http.base_path"),
            ("http: {fast_lane: fast}", "http.fast_lane"),
            ("store: {retention: 30d}", "store.retention"),
            ("store: {path: /nowhere/sms.db}", "store.path"),
            ("store: {path: /}", "store.path"),
            ('http: {api_keys: [good, ""]}', "http.api_keys"),
            ('http: {api_keys: [" "]}', "http.api_keys"),
            ('http: {allowed_origins: ["*"]}', "http.allowed_origins[0]"),
            ('http: {allowed_origins: ["https://desk.example/"]}', "http.allowed_origins[0]"),
            ("http: {allowed_origins: [desk.example]}", "http.allowed_origins[0]"),
            ('events: {login: "a\\nb"}', "events.login"),
            ("events: {incoming_message: /queues/x}", "events.incoming_message"),
            ("events: {delivery_report: 'jms://x'}", "events.delivery_report"),
            ("events: {transactions: maybe}", "events.transactions"),
            ("events: {passcode: x, passcode_file: y}", "events"),
            (f"events: {{passcode_file: {pem}x}}", "events.passcode_file"),
            ("events: {passcode_file: /dev/null}", "events.passcode_file"),
            ('events: {passcode: "a\\nb"}', "events.passcode"),
            ("events: {headers: {delivery_report: {type: x}}}", "events.headers.delivery_report"),
            ("events: {headers: {delivery_report: {'a:b': x}}}", "events.headers.delivery_report"),
            ('events: {headers: {incoming_message: {a: "x\\ny"}}}', "events.headers.incoming_message"),
            ("events: {headers: {reports: {a: x}}}", "events.headers"),
            (f"events: {{tls: {{ca_file: {pem}}}}}", "events.tls"),
            (f"events: {{tls: {{certificate_file: {pem}x}}}}", "events.tls.certificate_file"),
            (f"events: {{ca_file: {pem}, tls: {{certificate_file: {pem}}}}}", "events"),
            (f"events: {{ca_file: {pem}}}", "events.ca_file"),
            (f"events: {{ca_file: {pem}x}}", "events.ca_file"),
        ):
            found = self.problems(f"{GOOD}{rest}\n")
            self.assertTrue(any(where == path or where.startswith(f"{path}.") for where in found), (rest, found))

    def test_batches_and_keys(self) -> None:
        """What a batch may have and how long a key is known: as the page says, and nothing that would let all in."""
        http = parse(GOOD).http
        found = (http.maximum_batch, http.maximum_batch_body, http.idempotency_hours)
        self.assertEqual(found, (10_000, 8_388_608, 24.0))
        for key, value in (
            ("maximum_batch", 0),
            ("maximum_batch", 100_001),
            ("maximum_batch_body", 1_023),
            ("maximum_batch_body", 1 << 27),
            ("idempotency_hours", 0),
            ("idempotency_hours", 721),
            ("idempotency_hours", "24h"),
        ):
            self.assertEqual(list(self.problems(f"http: {{{key}: {value}}}\n{GOOD}")), [f"http.{key}"], value)

    def tls_endpoint(self) -> str:
        folder = self.mktemp()
        Path(folder).mkdir()
        pem = Authority(folder).issue("localhost")
        return f"ssl:18443:privateKey={pem}:certKey={pem}"

    def test_open_door(self) -> None:
        """Where others reach it, both a key and TLS are wanted: without one the file can't be used, and the sentence
        says what is missing and what to do. Where the configuration says that it may be, it is a warning. A key of the
        file of keys is one too."""
        tls = self.tls_endpoint()
        for endpoint, is_reached in (
            ("tcp:18080", True),
            ("tcp6:18080", True),
            ("tcp:18080:interface=0.0.0.0", True),
            ("tcp:18080:interface=192.168.127.0", True),
            (r"tcp6:18080:interface=\:\:", True),
            (tls, True),
            (f"{tls}:interface=127.0.0.1", False),
            ("tcp:18080:interface=127.0.0.1", False),
            ("tcp:18080:interface=127.1.2.3:backlog=9", False),
            ("tcp:18080:127.0.0.1", False),
            ("tcp:18080:interface=localhost", False),
            (r"tcp6:18080:interface=\:\:1", False),
            ("unix:/run/x.sock:mode=660", False),
            ("systemd:domain=INET:index=0", False),
        ):
            for has_keys in (False, True):
                http = HTTP(endpoints=[endpoint])
                found = http.exposed(has_keys)
                wanted = is_reached and not (has_keys and endpoint == tls)
                self.assertEqual([path for path, _ in found], ["http.endpoints"] * wanted, endpoint)
                self.assertEqual(http.warnings(has_keys), [])
                allowed = HTTP(endpoints=[endpoint], allow_insecure=True)
                self.assertEqual(allowed.warnings(has_keys), [f"http.endpoints: {one}" for _, one in found])
                for _, sentence in found:
                    self.assertEqual("smsconnector key new" in sentence, not has_keys)
                    self.assertEqual("write ssl:PORT" in sentence, endpoint != tls)
                    self.assertIn("http.allow_insecure: true", sentence)

    def test_keys_that_are_stored(self) -> None:
        """They count where a key is wanted, as long as one of them is not revoked."""
        path = self.mktemp()
        text = GOOD + f'http: {{endpoints: ["{self.tls_endpoint()}"]}}\nstore: {{path: "{path}"}}\n'
        self.assertIn("http.endpoints", self.problems(text))
        file = AccessFile(access_path_of(path))
        self.addCleanup(file.close)
        file.add("crm", Permissions(("send",)), "me", 1)
        self.assertTrue(parse(text).has_keys)
        file.revoke("crm", "me", 2)
        self.assertIn("http.endpoints", self.problems(text))
        Path(path).write_text("no database " * 100)
        elsewhere = text.replace("path:", f'access_path: "{path}", path:')
        self.assertIn("not a database", self.problems(elsewhere)["store.access_path"])

    def test_shared_endpoints(self) -> None:
        """A port that several processes share stands beside one of this process alone."""
        own = 'endpoints: ["tcp:8081:interface=127.0.0.1"]'
        shared = 'shared_endpoints: ["tcp:8080"]'
        self.assertIn(
            "tcp:8080 lets everybody", self.problems(f"{GOOD}http: {{{own}, {shared}}}")["http.shared_endpoints"]
        )
        http = parse(f"{GOOD}http: {{{own}, {shared}, allow_insecure: yes}}").http
        self.assertEqual((http.shared_endpoints, parse(GOOD).http.shared_endpoints), (["tcp:8080"], []))
        self.assertIn("a GET for a message that another process has accepted is answered 404", http.warnings(False)[1])
        self.assertIn("http.shared_endpoints: tcp:8080 lets everybody in reach send texts", http.warnings(False)[0])
        for rest, path, words in (
            (shared, "http", "needs endpoints beside it"),
            (f'{own}, shared_endpoints: ["tcp:8081"]', "http", "port 8081 is in both"),
            (f'{own}, shared_endpoints: ["tcp:8080", "tcp:8080"]', "http.shared_endpoints", "twice"),
            *(
                (f'{own}, shared_endpoints: ["tcp:8080{one}", "tcp:8080{other}"]', "http", "port 8080 is twice in")
                for one, other in (
                    ("", ":backlog=9"),
                    (":interface=127.0.0.1", ":127.0.0.1"),
                    (":interface=127.0.0.1", ":backlog=9:interface=127.0.0.1"),
                )
            ),
            (f'{own}, shared_endpoints: ["unix:/run/x.sock"]', "http.shared_endpoints", "can't be shared"),
            (f'{own}, shared_endpoints: ["systemd:domain=INET:index=0"]', "http.shared_endpoints", "can't be shared"),
            (f'{own}, shared_endpoints: ["tcp:0"]', "http.shared_endpoints", "1 to 65535"),
            (f'{own}, shared_endpoints: ["tcp:x"]', "http.shared_endpoints", "no server endpoint"),
            (f'{own}, {shared}, siblings: ["127.0.0.1:8082"]', "http.siblings[0]", "a scheme, a host, and a port"),
            (f'{own}, {shared}, siblings: ["http://127.0.0.1:8082/x"]', "http.siblings[0]", "without a path"),
            (f"{own}, shared_endpoints: 8080", "http.shared_endpoints", "a list is wanted"),
        ):
            self.assertIn(words, self.problems(f"{GOOD}http: {{{rest}}}")[path], rest)
        local = shared.replace("8080", "8080:interface=127.0.0.1")
        for url, warned in (
            ("http://sms.example:8080", True),
            ("http://sms.example:8081", False),
            ("https://x/a", False),
        ):
            warnings = parse(
                f'{GOOD}http: {{{own}, {local}, api_keys: [k], siblings: ["http://x"], public_url: "{url}"}}'
            ).http.warnings(True)
            self.assertEqual(["http.public_url leads to port 8080" in one for one in warnings], [True] * warned)

    def test_what_several_processes_can_not_keep(self) -> None:
        """A text may be sent by another process than the one that knows who has opted out, or what came before it."""
        http = 'http: {endpoints: ["tcp:8081:interface=127.0.0.1"], shared_endpoints: ["tcp:8080:interface=127.0.0.1"]}'
        for key, words in (
            ("opt_out: {languages: [en]}", "who has written STOP to another process"),
            ("strict_order: true", "overtaken by one that another process sends"),
        ):
            text = GOOD.replace("type: smpp", f"type: smpp\n    {key}")
            parse(text)
            place = f"channels.smpp.{key.partition(':')[0]}"
            self.assertIn(words, self.problems(f"{text}{http}")[place])

    def test_no_wording_of_pydantics(self) -> None:
        """What is wanted is said in the words of the file; an empty section is none."""
        for rest in (
            "http: 5",
            "http: {endpoints: 5}",
            "stop_timeout: 30s",
            "http: {webhook_channel: a b}",
            "events: {heartbeat: [1]}",
            "events: {virtual_host: 5}",
            "store: {minimum_free: 256M}",
        ):
            (sentence,) = self.problems(f"{GOOD}{rest}\n").values()
            self.assertNotIn("Input should", sentence)
            self.assertNotIn("pattern", sentence)
        self.assertIn("at least one", self.problems("channels: {}")["channels"])
        parse(f"{GOOD}store:\nhttp:\n")

    def test_store_alone(self) -> None:
        """What backup and reconcile read of a configuration: no secret of the rest is looked for."""
        path = Path(self.mktemp())
        path.write_text(GOOD.replace("secret", '"${NOT_SET}"') + "store: {path: '${FOLDER}/sms.db'}\n")
        self.assertEqual(load_store(str(path), {"FOLDER": "/there"}).path, "/there/sms.db")
        error = self.assertRaises(ConfigurationError, load_store, str(path), {})
        self.assertIn("FOLDER", str(error))
        path.write_text("store: {retention: 30d, colour: red}")
        error = self.assertRaises(ConfigurationError, load_store, str(path))
        self.assertEqual([one for one, _ in error.problems], ["store.retention", "store.colour"])
        path.write_text("channels: {}")
        self.assertEqual(load_store(str(path)).path, "smsconnector.db")

    def test_not_yaml(self) -> None:
        """A broken file says where; an empty one what belongs in."""
        self.assertIn("line 2", next(iter(self.problems("a: 1\nb: [\n"))) + str(self.problems("a: 1\n b: 2")))
        self.assertIn("channels", self.problems("")[""])

    def test_retry_has_no_limit(self) -> None:
        """Refusals for now are tried again until the lifetime ends, unless a limit is set; unknown ones twice."""
        retry = parse(GOOD).channels["smpp"].retry
        self.assertEqual((retry.attempts, retry.resends), (None, 2))
        text = GOOD.replace("type: smpp", "type: smpp\n    retry: {attempts: 5, resends: 1}")
        retry = parse(text).channels["smpp"].retry
        self.assertEqual((retry.attempts, retry.resends), (5, 1))

    def test_no_resend_is_hold(self) -> None:
        """0 resends is what `hold` is for, which also holds after a kill: the error says so."""
        text = GOOD.replace("type: smpp", "type: smpp\n    retry: {resends: 0}")
        with self.assertRaises(ConfigurationError) as caught:
            parse(text)
        self.assertIn("channels.smpp.retry.resends", str(caught.exception))
        self.assertIn("unknown_outcome: hold", str(caught.exception))

    def test_retry_rises(self) -> None:
        """The first delay is not longer than the longest."""
        text = GOOD.replace("type: smpp", "type: smpp\n    retry: {initial: 400, maximum: 3}")
        self.assertIn("more than maximum", str(self.problems(text)))

    def test_key_twice(self) -> None:
        """The first would be dropped in silence; a merge is no repeat."""
        found = self.problems(GOOD + "http: {}\nevents: {}\nhttp: {}\n")
        self.assertIn("'http' is here for the second time", found["line 9, column 1"])
        parse(GOOD.replace("binds:", "binds: &b", 1) + "http: {<<: {idle_timeout: 5}, idle_timeout: 6}\n")

    def test_no_file(self) -> None:
        """A file that is not there, or is no text, is one sentence."""
        self.assertRaises(ConfigurationError, load, self.mktemp())
        path = self.mktemp()
        Path(path).write_bytes(b"\xff\xfe")
        self.assertRaises(ConfigurationError, load, path)

    def test_names_of_binds(self) -> None:
        """Two binds can't have one name; the default channel must exist."""
        twice = GOOD + "      - {name: a, endpoint: 'tcp:127.0.0.1:2776', system_id: me}\n"
        self.assertIn("name of its own", self.problems(twice)["channels.smpp.binds"])
        wrong = twice.replace("me}", "me, window: 0, statuses: {ESME_NO: {action: no}}}")
        self.assertEqual(len(self.problems(wrong)), 4)
        self.assertIn("pigeon", str(self.problems(GOOD + "http: {default_channel: pigeon}\n")))
        several = self.problems(GOOD + "http: {default_channel: pigeon, webhook_channel: 7}\n")
        self.assertEqual(set(several), {"http.webhook_channel", "http.default_channel"})
