"""The JSON Schema of the configuration: it knows what the model knows, and takes what we ship."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import yaml
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.config import parse, schema, written
from smsconnector.config_schema import places_of_keys, sections_of
from smsconnector.errors import ConfigurationError
from smsconnector.key_words import WORDS
from smsconnector.section_base import Section
from smsconnector.sinks.webhook.callbacks import CallbackHost
from tests.unit.test_config import example
from tests.unit.test_key_names import BIND

ROOT = Path(__file__).resolve().parents[2]
GOOD = f"channels: {{smpp: {{type: smpp, binds: [{BIND % 'window: 9'}]}}}}\n"


def sections(above: type[Section] = Section) -> set[type[Section]]:
    """All sections that there are, but for those that tests have made."""
    found = {one for one in above.__subclasses__() if one.__module__.startswith("smsconnector.")}
    found.discard(CallbackHost)  # it stands in no file
    return found.union(*map(sections, found))


class SchemaCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.schema = schema()
        self.validator = jsonschema_rs.validator_for(self.schema)

    def faults(self, data: Any) -> list[tuple[str, str]]:
        """Places and words. In JSON, and so for editors, all keys are texts."""
        data = json.loads(json.dumps(data))
        return [(".".join(map(str, one.instance_path)), one.message) for one in self.validator.iter_errors(data)]

    def test_is_a_schema(self) -> None:
        """Of the draft that it names, and each section of it has words."""
        jsonschema_rs.meta.validate(self.schema)

    def test_examples(self) -> None:
        """Every file in conf/ is taken, the shipped one also with all that is commented out."""
        files = sorted((ROOT / "conf").rglob("*.yaml"))
        self.assertGreater(len(files), 15)
        for file in files:
            self.assertEqual(self.faults(written(str(file))), [], file.name)
        text = re.sub(r"(?m)^( *)# ([a-z_0-9]+:)", r"\1\2", example())
        text = re.sub(r"(?m)^ +(tls|ca_file|passcode_file|fallback): .*$", "", text)
        self.assertEqual(self.faults(yaml.safe_load(text)), [])

    def test_agrees_with_the_check(self) -> None:
        """What the one refuses the other refuses, at the same key; what is accepted, both accept."""
        for more in (
            "store: {retension: 1}",
            "chanels: {}",
            "http: {maximum_body: 3}",
            "http: {base_path: msg/}",
            "http: {api_keys: x}",
            "events: {heartbeat: none}",
            "events: {sink: kafka}",
            "events: {sinks: []}",
            "events: {sinks: [{type: webhook, url: x, secret: y, parallel: 0}]}",
            "stop_timeout: 0",
        ):
            text = GOOD + more
            self.assertRaises(ConfigurationError, parse, text, {})
            (where, *_) = self.faults(yaml.safe_load(text)) or [("", "")]
            self.assertNotEqual(where, ("", ""), more)
        for key in (
            "widnow: 1",
            "window: 0",
            "mode: both",
            "tls: {ca: x}",
            "statuses: {8: {action: wait}}",
            "sessions: many",
        ):
            text = f"channels: {{smpp: {{type: smpp, binds: [{BIND % key}]}}}}"
            self.assertRaises(ConfigurationError, parse, text, {})
            self.assertTrue(
                any(where.startswith("channels.smpp") for where, _ in self.faults(yaml.safe_load(text))), key
            )
        for more in (
            "http:",
            "store:",
            "events:",
            'stop_timeout: "${STOP}"',
            'http: {maximum_connections: "${file:/run/many}", fast_lane: "${LANE}"}',
            "events: {sink: webhook, url: 'https://h/x', secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw}",
            "events: {sinks: [{type: stomp, uri: 'tcp://b'},"
            " {type: webhook, url: 'https://h', secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw}]}",
            "events: {headers: {delivery_report: {_type: a.B}}, transactions: yes}",
        ):
            self.assertEqual(self.faults(yaml.safe_load(GOOD + more)), [], more)
            if "${" not in more:
                parse(GOOD + more, {})
        self.assertEqual(
            self.faults({"channels": {"c": {"type": "smpp", "binds": [], "fallback": "other"}}})[0][0],
            "channels.c.binds",
        )

    def test_types(self) -> None:
        """A channel is measured by its own type alone: keys of another are refused, and a missing type is told."""
        twilio = {"type": "twilio", "account_sid": "AC1", "auth_token": "x"}
        self.assertEqual(self.faults({"channels": {"t": twilio}}), [])
        self.assertTrue(self.faults({"channels": {"t": twilio | {"binds": []}}}))
        self.assertTrue(self.faults({"channels": {"t": {"binds": []}}}))
        self.assertTrue(self.faults({"channels": {"t": {"type": "carrier-pigeon"}}}))

    def test_words(self) -> None:
        """Every key of every section has words, and no words are of a key that is gone."""
        declared = {
            one.__name__: {
                name for field in one.__annotations__ if field in one.model_fields for name in one.keys_of(field)
            }
            for one in sections()
        }
        words = {name: set(about) for name, about in WORDS.items()}
        self.assertEqual(
            {name: keys - words.get(name, set()) for name, keys in declared.items() if keys - words.get(name, set())},
            {},
        )
        self.assertEqual(
            {
                name: keys - declared.get(name, set())
                for name, keys in words.items()
                if keys - declared.get(name, set())
            },
            {},
        )
        for about in WORDS.values():
            for key, sentence in about.items():
                self.assertRegex(sentence, r"[.\}]$", key)
        for place, section in sections_of(self.schema):
            for key, one in section["properties"].items():
                self.assertTrue(one.get("description"), f"{place}.{key}")

    def test_places(self) -> None:
        """Each key is found where the file has it."""
        places = places_of_keys(self.schema)
        self.assertEqual(places["retention"], ["store"])
        self.assertEqual(places["stop_timeout"], ["the file itself"])
        self.assertIn("channels.NAME.binds[]", places["system_id"])
        self.assertIn("channels.NAME.request", places["query"])
        self.assertIn("events", places["passcode"])
