"""A marker in every secret of the configuration: no error, no representation and no warning shows one."""

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.config import parse
from smsconnector.errors import ConfigurationError
from smsconnector.section_base import Section

MARKER = "M4rker"
HOOK = {"reply": "text", "from": "from", "to": "to", "id": "id", "text": "text"}


def secret(number: int, behind: str = "") -> str:
    return f"{MARKER}-{number}{behind}"


def everything() -> dict[str, Any]:
    """A configuration that is good, with a marker in every secret that one can have."""
    bind = {"name": "a", "endpoint": "tcp:127.0.0.1:2775", "system_id": "me", "password": "M4rker-1"}
    outbind = {
        "name": "b",
        "endpoint": "outbind:127.0.0.1:2776",
        "system_id": "me",
        "password": "M4rker-2",
        "outbind_system_id": "smsc",
        "outbind_password": "M4rker-3",
    }
    secrets = "whsec_" + "TTRya2VyTTRya2VyTTRya2VyTTRya2Vy"  # base64 of the marker, four times
    smpp: dict[str, Any] = {"type": "smpp", "binds": [bind, outbind]}
    channels: dict[str, Any] = {"smpp": smpp}
    for name, verify in {
        "v1": {"type": "twilio", "tokens": [secret(10), secret(11)]},
        "v2": {"type": "standard-webhooks", "secrets": [secrets]},
        "v3": {"type": "hmac", "secrets": secret(12), "template": "{body}", "signature": {"header": "X-S"}},
        "v4": {"type": "secret", "secrets": secret(13), "place": {"header": "X-S"}},
        "v5": {"type": "basic", "credentials": f"me:{secret(14)}"},
        "v6": {"type": "jwt", "secrets": secret(15, "x" * 32)},
    }.items():
        channels[name] = copy.deepcopy(smpp) | {"verify": verify}
    channels["twilio"] = {
        "type": "twilio",
        "account_sid": "AC" + "0" * 32,
        "auth_token": secret(20),
        "api_key": "SK" + "0" * 32,
        "api_secret": secret(21),
        "from": "+15005550006",
    }
    channels["http"] = {
        "type": "http",
        "from": "Example",
        "secrets": {"key": secret(22)},
        "request": {"url": "https://provider.example/send", "headers": {"X-Key": "{{secret.key}}"}, "json": {"a": "b"}},
        "accepted": [{"status": "2xx"}],
        "receipts": False,
    }
    return {
        "http": {"api_keys": [secret(30), secret(31)], "public_url": "https://sms.example"},
        "channels": channels,
        "events": {
            "sinks": [
                {"type": "stomp", "uri": "tcp://127.0.0.1:61613", "login": "me", "passcode": secret(40)},
                {
                    "type": "webhook",
                    "url": f"https://app.example/hook?key={secret(41)}",
                    "secret": [secrets],
                    "headers": {"X-Key": secret(42)},
                },
            ]
        },
    }


def leaves(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The ways to all strings in it that have the marker."""
    if isinstance(value, dict):
        for key, one in value.items():
            yield from leaves(one, (*way, key))
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield from leaves(one, (*way, number))
    elif isinstance(value, str) and (MARKER in value or "TTRya2Vy" in value):
        yield way


def with_value(way: tuple[Any, ...], value: Any) -> str:
    data = everything()
    place: Any = data
    for step in way[:-1]:
        place = place[step]
    place[way[-1]] = value(place[way[-1]])
    return yaml.safe_dump(data, allow_unicode=True)


SPOILED = (
    lambda text: {text: text},
    lambda text: [text, [text]],
    lambda text: [text, 5],
    lambda text: text * 100,
    lambda text: f"{text}\n{text}",
    lambda text: f"{text}\0",
    lambda text: f"{text} \u00e9\u4e2d",
    lambda text: f" {text}:{text}@ ",
    lambda text: text[: len(text) // 2] + "{{" + text,
    lambda text: text.encode(),
)


def sections() -> Iterator[type[BaseModel]]:
    waiting = [Section]
    while waiting:
        waiting += (section := waiting.pop()).__subclasses__()
        yield section


class SecretsCase(SynchronousTestCase):
    def problems(self, text: str) -> str:
        """What check-config and a start print; "" if it is good."""
        try:
            parse(text, {})
        except ConfigurationError as error:
            return str(error)
        return ""

    def silent(self, said: str, about: object) -> None:
        self.assertNotIn(MARKER, said, about)
        self.assertNotIn("TTRya2Vy", said, about)

    def test_good(self) -> None:
        """Neither the warnings nor the configuration, should it be logged, show any."""
        self.assertEqual(self.problems(yaml.safe_dump(everything())), "")
        configuration = parse(yaml.safe_dump(everything()), {})
        self.assertGreaterEqual(len(list(leaves(everything()))), 20)
        self.silent("\n".join(configuration.warnings), "warnings")
        self.silent(repr(configuration), "repr")
        self.silent(str(configuration.hooks), "hooks")
        self.silent(repr(configuration.events.sinks), "sinks")
        self.silent(configuration.model_dump_json(exclude={"channels", "events"}), "JSON")

    def test_every_error(self) -> None:
        """Each secret in turn is spoiled in each of a dozen ways: what is wrong is said without it."""
        count = 0
        for way in leaves(everything()):
            for spoil in SPOILED:
                said = self.problems(with_value(way, spoil))
                count += bool(said)
                self.silent(said, way)
        self.assertGreater(count, 60)

    def test_under_another_name(self) -> None:
        """A key that is misspelled has a secret behind it all the same."""
        for way in leaves(everything()):
            data = everything()
            place: Any = data
            for step in way[:-1]:
                place = place[step]
            if isinstance(place, dict):
                place[f"{way[-1]}s"] = place.pop(way[-1])
                self.silent(self.problems(yaml.safe_dump(data)), way)

    def test_no_yaml(self) -> None:
        """A file that is no YAML, around a secret."""
        for before, behind in (
            *(("'", ""), ("[", ""), ("{a: ", ""), ("!x ", ""), ("\t", ""), ("a: ", ": b: c"), ("%", ""), ("@", "")),
            *(("*", ""), ("!", ""), ("!!", ""), ("!a!", ""), ("&", " &x y"), ("? ", ""), ("| ", ""), ('"\\', '"')),
        ):
            self.silent(self.problems(f"http: {{api_keys: [{before}{secret(1)}{behind}]}}"), before)
        self.silent(self.problems(f"{secret(1)}: 1\n{secret(1)}: 2\n").replace(f"the key '{secret(1)}'", ""), "twice")

    def test_from_each_source(self) -> None:
        """From the environment, a file and a credential: the same secret, and as silent."""
        folder = Path(self.mktemp()).absolute()
        folder.mkdir()
        (folder / "key").write_text(f"{secret(50)}\n")
        environment = {"KEY": secret(50), "CREDENTIALS_DIRECTORY": str(folder)}
        for written in ("${KEY}", f"${{file:{folder}/key}}", "${credential:key}"):
            data = everything()
            data["http"]["api_keys"] = [written]
            configuration = parse(yaml.safe_dump(data), environment)
            self.assertEqual(configuration.http.api_keys[0].get_secret_value(), secret(50))
            self.silent(repr(configuration), written)

    def test_every_secret_is_one(self) -> None:
        """A field whose name says that it is secret hides its value, in every section that there is."""
        templates = {  # these name a secret, {{secret.key}}
            ("BasicSection", "password"),
            ("OAuth2Section", "password"),
            ("OAuth2Section", "client_secret"),
            ("ProxySection", "password"),
            ("SignSection", "secret"),
        }
        others = {("OAuth2Section", "token_url"), ("OAuth2Section", "credentials"), ("JWTVerifySection", "token")}
        seen = 0
        for section in sections():
            for name, field in section.model_fields.items():
                is_named = re.search("pass(word|code)|secrets?$|token|credential|api_keys", name)
                if is_named and not name.endswith("_file"):
                    seen += 1
                    if (section.__name__, name) not in templates | others:
                        self.assertIn("SecretStr", repr(field), (section.__name__, name))
        self.assertGreater(seen, 20)
