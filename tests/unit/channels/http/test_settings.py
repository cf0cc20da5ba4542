"""The section of an ``http`` channel: every error at once, each with its path and what to write instead."""

import re
import textwrap
import warnings
from pathlib import Path
from typing import Any

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.channels.http.provider import Surface, make_provider
from smsconnector.channels.http.settings import HTTPChannelSection
from smsconnector.channels.http.templates import Templates
from smsconnector.config import parse
from smsconnector.errors import ConfigurationError
from smsconnector.messages import LONGEST_WAIT
from smsconnector.net.http_client import HTTPCall
from tests.unit.rest.cases import NOW_MS, segment

REQUEST = {"url": "https://h/", "form": {"ref": "{{sid}}"}}
LOOKUP: dict[str, Any] = {
    "request": {"url": "https://h/{{sid}}"},
    "taken": {"json": "id"},
    "not_taken": {"status": 404},
}


class SettingsCase(SynchronousTestCase):
    def problems(self, **section: Any) -> dict[str, str]:
        data = {"type": "http", "request": {"url": "https://h/"}} | section
        error = self.assertRaises(ConfigurationError, parse, yaml.safe_dump({"channels": {"out": data}}), {})
        return {path.removeprefix("channels.out."): sentence for path, sentence in error.problems}

    def test_secret_files(self) -> None:
        """The first line of the file is the secret, with or without a BOM and a line end; what is no text is told."""
        folder = Path(self.mktemp())
        folder.mkdir()
        for octets, secret in (
            (b"s3cret\nanother line\n", "s3cret"),
            (b" s3cret \r\n", "s3cret"),
            ("\ufeffschlüssel".encode(), "schlüssel"),
        ):
            (folder / "key").write_bytes(octets)
            text = yaml.safe_dump(
                {
                    "channels": {
                        "out": {
                            "type": "http",
                            "request": {"url": "https://h/"},
                            "secret_files": {"k": str(folder / "key")},
                        }
                    }
                }
            )
            section: Any = parse(text, {}).channels["out"]
            self.assertEqual(section.all_secrets(), {"k": secret})
        for octets, words in (
            (b"schl\xfcssel", "UTF-8"),
            (b"\nsecond", "first line is empty"),
            (b"", "first line is empty"),
            (b"a\x00b", "control"),
        ):
            (folder / "key").write_bytes(octets)
            found = self.problems(secret_files={"k": str(folder / "key")})
            self.assertIn(words, found["secret_files.k"])

    def test_each_error(self) -> None:
        """Its path, and words that help."""
        cases: list[tuple[dict[str, Any], str, str]] = [
            ({"request": {"url": "https://h/", "form": {"a": "{{x}}"}}}, "request.form.a", "names what does not exist"),
            ({"request": {}}, "request.url", "missing"),
            ({"request": {"url": "https://h/", "method": "GEHT"}}, "request.method", "GET"),
            ({"request": {"url": "https://h/", "headers": 5}}, "request.headers", "keys and values"),
            ({"id": {"own": "{{sidd}}"}}, "id.own", "did you mean sid"),
            ({"id": "mine"}, "id", "own, none, or where the id stands"),
            ({"id": {"json": "a..b"}}, "id.json", "is no path"),
            ({"id": {"json": "a", "xml": "b"}}, "id", "exclude each other"),
            ({"accepted": {"status": [200, "2x"]}}, "accepted[0].status", "no HTTP status"),
            ({"accepted": {"equals": "a", "contains": "b"}}, "accepted[0]", "is enough"),
            ({"accepted": {}}, "accepted[0]", "say what has to hold"),
            ({"accepted": [{"xml": "a:b"}]}, "accepted[0].xml", "is no path in XML"),
            ({"failures": [{"when": {"pattern": "("}, "then": "unknown"}]}, "failures[0].when[0].pattern", "regular"),
            ({"failures": [{"when": {"status": 500}, "then": "maybe"}]}, "failures[0].then", "temporary"),
            ({"failures": [{"when": {"status": 5}, "then": "unknown"}]}, "failures[0].when[0].status", "no HTTP"),
            (
                {"failures": [{"when": {"status": 500}, "then": "unknown", "retry_in": -1}]},
                "failures[0].retry_in",
                "seconds",
            ),
            ({"failures": [{"when": {"status": 500}, "then": "unknown", "code": [1]}]}, "failures[0].code", "a code"),
            (
                {"failures": [{"when": {"status": 5}, "then": "unknown", "code": "no credit"}]},
                "failures[0].code",
                "NO_CREDIT",
            ),
            ({"secrets": {"key": ""}}, "secrets", "is the variable"),
            ({"secrets": {"Key": "x"}}, "secrets.Key", "match"),
            ({"secrets": {"key": "x"}, "secret_files": {"key": "y"}}, "", "not in both"),
            ({"secret_files": {"key": "/nowhere/key"}}, "secret_files.key", "can't be read"),
            ({"long_texts": "split"}, "", "needs maximum_length"),
            ({"answer_charset": "klingon"}, "answer_charset", "no charset"),
            ({"from": "a name that is too long"}, "from", "neither a number"),
            ({"proxy": {"url": "https://p:1"}}, "proxy.url", "http://HOST:PORT"),
            ({"proxy": {"url": "http://p:1", "username": "{{secret.x}}"}}, "proxy.username", "does not exist"),
            ({"tls": {"ca_file": "/nowhere"}}, "tls.ca_file", "can't be read"),
            (
                {"authentication": {"basic": {"username": "a", "password": "{{secret.b}}"}}},
                "authentication.basic.password",
                "does not exist",
            ),
            (
                {"authentication": {"oauth2": {"token_url": "/t", "client_id": "a", "client_secret": "b"}}},
                "authentication.oauth2.token_url",
                "an absolute URL",
            ),
            (
                {
                    "authentication": {
                        "oauth2": {
                            "token_url": "https://h/",
                            "client_id": "a",
                            "client_secret": "b",
                            "grant": "password",
                        }
                    }
                },
                "authentication.oauth2",
                "goes with username",
            ),
            (
                {
                    "authentication": {
                        "login": {"request": {"url": "https://h/?t={{text}}"}, "session": {"json": "s"}},
                    }
                },
                "authentication.login.request.url",
                "does not exist",
            ),
            ({"request": {"url": "https://h/{{session}}"}}, "request.url", "does not exist"),
            (
                {
                    "authentication": {"basic": {"username": "a", "password": "b"}},
                    "request": {"url": "https://h/", "headers": {"authorization": "App x"}},
                },
                "request.headers.authorization",
                "basic writes this header",
            ),
            ({"parallel": 0}, "parallel", "greater"),
            ({"failures": [{"when": {"status": 403}, "then": "log_in_again"}]}, "", "no log-in"),
            (
                {
                    "authentication": {"basic": {"username": "a", "password": "b"}},
                    "failures": [{"when": {"status": 403}, "then": "log_in_again"}],
                },
                "",
                "no log-in",
            ),
            (
                {"authentication": {"login": {"request": {"url": "https://h/"}, "session": {"json": "s"}}}},
                "authentication.login",
                "{{session}}",
            ),
            *(
                (
                    {"failures": [{"when": {"status": 500}, "then": then, "retry_in": 5}]},
                    "failures[0]",
                    "retry_in goes with",
                )
                for then in ("permanent", "unknown")
            ),
            ({"lookup": LOOKUP | {"request": {"url": "https://h/{{x}}"}}}, "lookup.request.url", "does not exist"),
            ({"lookup": LOOKUP | {"request": {"url": "https://h/{{to}}"}}}, "lookup.request", "{{sid}} or {{id}}"),
            ({"lookup": LOOKUP}, "request", "does not know the text by {{sid}}"),
            ({"request": REQUEST, "lookup": LOOKUP | {"not_taken": []}}, "lookup.not_taken", "at least one"),
            (
                {"request": REQUEST, "lookup": {"request": REQUEST, "taken": {"json": "a"}}},
                "lookup.not_taken",
                "missing",
            ),
            (
                {"request": REQUEST, "lookup": LOOKUP | {"id": {"own": "{{sid}}"}}},
                "lookup.id",
                "own, none, or where",
            ),
            ({"lookup": LOOKUP, "request": REQUEST, "unknown_outcome": "hold"}, "", "it never is"),
            ({"reports": "some"}, "reports", "each"),
            ({"answer_charset": "undefined"}, "answer_charset", "no charset"),
            ({"answer_charset": "\0"}, "answer_charset", "no charset"),
            ({"request": {"url": b"https://h/"}}, "request.url", "!!binary"),
            (
                {"authentication": {"login": {"request": {"url": b"x://h"}, "session": {"json": "s"}}}},
                "authentication.login.request.url",
                "!!binary",
            ),
        ]
        for section, path, words in cases:
            found = self.problems(**section)
            told = found.get(path) or found.get("channels.out", "")
            self.assertIn(words, told, f"{section}: {found}")

    def test_secrets_that_cannot_stand_where_they_are(self) -> None:
        """Told when the file is read, and not by the first text: of a log-in, of a token, and of each request."""
        header = {"url": "https://h/", "headers": {"X": "{{secret.key}}"}}
        cases: list[tuple[dict[str, Any], str]] = [
            (
                {
                    "authentication": {"login": {"request": header, "session": {"json": "s"}}},
                    "request": {"url": "https://h/?s={{session}}"},
                },
                "authentication.login.request",
            ),
            ({"request": header}, "request"),
            ({"request": {"url": "https://h/", "charset": "ascii", "form": {"k": "{{secret.key}}"}}}, "request"),
        ]
        for section, path in cases:
            found = self.problems(secrets={"key": "p\u00e4ssword"}, **section)
            self.assertEqual(list(found), [path], str(section))
            self.assertNotIn("ssword", str(found))

    def test_values_that_may_be_missing(self) -> None:
        """Where nothing can be left out, with the name and what to write."""
        cases: list[tuple[dict[str, Any], str]] = [
            ({"request": {"url": "https://h/{{from}}/s"}}, "request.url"),
            ({"request": {"url": "https://h/", "xml": "<a>{{validity}}</a>"}}, "request.xml"),
            ({"request": {"url": "https://h/", "raw": "{{text_gsm}}"}}, "request.raw"),
            ({"id": {"own": "{{from}}-{{sid}}"}}, "id.own"),
        ]
        for section, path in cases:
            found = self.problems(**section)
            self.assertEqual(list(found), [path], str(section))
            self.assertIn("default", found[path])
        data = {"type": "http", "from": "8080", "request": {"url": "https://h/{{from}}", "raw": "{{callback_url}}"}}
        parsed = parse(yaml.safe_dump({"channels": {"out": data}}), {})
        self.assertTrue([one for one in parsed.warnings if "UNSENDABLE" in one], parsed.warnings)

    def test_longest_pause(self) -> None:
        """At least what a provider may ask for, and what a rule of the file says: nothing that is due within it is
        taken for written before the clock was set back."""
        data: dict[str, Any] = {"type": "http", "request": {"url": "https://h/"}}
        self.assertEqual(HTTPChannelSection.model_validate(data).longest_pause(), LONGEST_WAIT)
        rule = {"when": {"status": 429}, "then": "temporary", "retry_in": 14400}
        self.assertEqual(HTTPChannelSection.model_validate(data | {"failures": [rule]}).longest_pause(), 14400)

    def test_all_at_once(self) -> None:
        """Faults of templates and of values together."""
        found = self.problems(
            request={"url": "https://h/", "form": {"a": "{{x}}", "b": "{{y}}"}, "colour": 1},
            accepted={"status": 1},
            parallel=0,
        )
        self.assertEqual(
            set(found), {"request.form.a", "request.form.b", "request.colour", "accepted[0].status", "parallel"}
        )

    def test_the_page_s_examples(self) -> None:
        """Each is right as it stands in docs/http-channel.rst, and makes its requests."""
        page = (Path(__file__).resolve().parents[4] / "docs" / "http-channel.rst").read_text("utf-8")
        blocks = re.findall(r"code-block:: yaml\n\n((?:    .*\n|\n)+)", page)
        self.assertEqual(len(blocks), 4)
        path = self.mktemp()
        key = rsa.generate_private_key(65537, 2048)
        plain = serialization.NoEncryption()
        Path(path).write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
        for block in map(textwrap.dedent, blocks):
            section = {"type": "http"} | yaml.safe_load(block.replace("vonage.key", path))
            variables = dict.fromkeys(re.findall(r"\$\{([A-Z_]+)\}", block), "x")
            configuration = parse(yaml.safe_dump({"channels": {"out": section}}), variables)
            checked: Any = configuration.channels["out"]
            self.assertEqual(checked.problems("x"), [])
            nobody: Any = None
            provider = make_provider(checked, Surface("out", None), nobody, lambda: NOW_MS, lambda: 0.0)
            self.assertIsInstance(provider.call(segment(), NOW_MS), HTTPCall)

    def warnings(self, public_url: str | None, section: dict[str, Any]) -> list[str]:
        data = {"type": "http", "request": {"url": "https://h/"}} | section
        http = {} if public_url is None else {"public_url": public_url}
        return list(parse(yaml.safe_dump({"channels": {"out": data}, "http": http}), {}).warnings)

    def test_warnings(self) -> None:
        """Where nobody is asked for reports, with what follows from it; and nothing where that is wanted."""
        called = {"request": {"url": "https://h/", "query": {"u": "{{callback_url}}"}}}
        verify = {"type": "networks", "networks": "192.0.2.1"}
        told = {"notification": {"id": "id", "status": "status", "statuses": {"d": "delivered"}, "verify": verify}}
        public = "https://sms.example.org"
        cases: list[tuple[str | None, dict[str, Any], str]] = [
            (None, called, "http.public_url is not set"),
            (None, called | told, "http.public_url is not set"),
            (public, {"id": {"json": "id"}}, "counts as delivered when the provider has taken it"),
            (public, {"id": {"json": "id"}, "receipts": True}, "NO_RECEIPT"),
            (None, called | {"receipts": True}, "NO_RECEIPT"),
            (public, called, ""),
            (public, told, ""),
            (None, told, ""),
            (public, told | {"receipts": True}, ""),
            (public, {"receipts": False}, ""),
            (None, called | {"receipts": False}, ""),
        ]
        for url, section, words in cases:
            found = self.warnings(url, section)
            self.assertEqual(len(found), 1 if words else 0, f"{section}: {found}")
            self.assertIn(words, "".join(found))

    def test_no_warning_of_python(self) -> None:
        """How the provider calls us is no template: a section with all of it is written without a warning of
        pydantic's. Such were the first lines of the log at every start."""
        data = {
            "type": "http",
            "request": {"url": "https://h/"},
            "verify": {"type": "hmac", "secrets": "s", "template": "{body}", "signature": {"header": "X-S"}},
            "notification": {"id": "id", "status": "status", "verify": {"type": "networks", "networks": "192.0.2.1"}},
            "incoming": {"from": "from", "text": "text", "verify": {"type": "basic", "credentials": "a:b"}},
        }
        section: Any = parse(yaml.safe_dump({"channels": {"out": data}}), {}).channels["out"]
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            self.assertEqual(Templates(section.written()).problems, [])
        self.assertEqual([str(one.message) for one in found], [])

    def test_junk(self) -> None:
        """Whatever stands in the file, it is an error and no crash."""
        junks: list[Any] = [None, 5, "x", [], [1], {"a": None}, {"url": 5}, {"url": None, "json": {"a": [None, {}]}}]
        for junk in junks:
            for key in (
                "request",
                "authentication",
                "id",
                "accepted",
                "failures",
                "secrets",
                "proxy",
                "code",
                "lookup",
            ):
                data = {"type": "http", "request": {"url": "https://h/"}, key: junk}
                try:
                    parse(yaml.safe_dump({"channels": {"out": data}}), {})
                except ConfigurationError as error:
                    self.assertTrue(error.problems)

    def test_secrets_stay_secret(self) -> None:
        """Neither an error nor a representation shows one, from the file or beside it."""
        path = self.mktemp()
        Path(path).write_text("FROMFILE\n")
        data: dict[str, Any] = {
            "type": "http",
            "secrets": {"key": "S3CRET"},
            "secret_files": {"other": path},
            "request": {"url": "https://h/", "headers": {"A": "{{secret.key}} {{secret.other}}"}},
        }
        configuration = parse(yaml.safe_dump({"channels": {"out": data}}), {})
        section: Any = configuration.channels["out"]
        self.assertEqual(section.all_secrets(), {"key": "S3CRET", "other": "FROMFILE"})
        told = repr(configuration) + str(self.problems(secrets={"key": "S3CRET"}, request={"url": "{{secret.kee}}"}))
        for secret in ("S3CRET", "FROMFILE"):
            self.assertNotIn(secret, told)
