"""Keys and audit with the command line and a daemon, each a process of its own; with the fast lane and without."""

import base64
import json
import os
import sqlite3
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import closing
from pathlib import Path
from typing import Any

import yaml
from twisted.internet.defer import inlineCallbacks
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from tests.integration.activemq import free_port
from tests.integration.certificates import Authority
from tests.integration.stack import Connector
from tests.unit.test_secrets import MARKER, everything, leaves

NOTICED = 2.5  # seconds in which a daemon knows what the command line has changed; it looks every second


class Bench(TestCase):
    timeout = 120
    fast_lane = True

    def setUp(self) -> None:
        self.connector = Connector(
            [free_port()], f"tcp://127.0.0.1:{free_port()}", http={"fast_lane": self.fast_lane} | self.door()
        )
        self.addCleanup(self.connector.close)

    def door(self) -> dict[str, Any]:
        return {}

    environment: dict[str, str] | None = None

    def command(self, *arguments: str, status: int = 0) -> "subprocess.CompletedProcess[str]":
        """Run one; with the configuration, unless it is named."""
        named = {"connector.yaml", "--database"} & set(arguments)
        done = subprocess.run(
            [
                str(Path(sys.executable).parent / "smsconnector"),
                *arguments,
                *([] if named else ["-c", "connector.yaml"]),
            ],
            cwd=self.connector.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        self.assertEqual(done.returncode, status, done.stderr + done.stdout)
        return done

    def key(self, name: str, *options: str) -> str:
        return self.command("key", "new", name, "--before-first-start", *options).stdout.strip()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.connector.port}"

    def ask(
        self,
        path: str,
        key: str = "",
        body: dict[str, str] | None = None,
        how: str = "bearer",
        context: ssl.SSLContext | None = None,
    ) -> int:
        """The status. ``context``: by HTTPS."""
        url = self.url if context is None else f"https://localhost:{self.connector.port}"
        request = urllib.request.Request(url + path, json.dumps(body).encode() if body else None)
        if body:
            request.add_header("Content-Type", "application/json")
        if key and how == "bearer":
            request.add_header("Authorization", f"Bearer {key}")
        elif key and how == "basic":
            request.add_header("Authorization", "Basic " + base64.b64encode(f"me:{key}".encode()).decode())
        elif key:
            request.add_header("X-API-Key", key)
        try:
            with urllib.request.urlopen(request, timeout=20, context=context) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    def send(self, key: str = "", **more: str) -> int:
        return self.ask("/send", key, {"To": "+923001234567", "Body": "hi"} | more)

    def becomes(self, status: int, key: str) -> None:
        """Within the time in which it is to be noticed; no more tries than an address has."""
        until = time.monotonic() + NOTICED
        while (found := self.send(key)) != status and time.monotonic() < until:
            time.sleep(0.4)
        self.assertEqual(found, status)


class AccessTest(Bench):
    """On this machine alone."""

    @inlineCallbacks
    def test_life_of_a_key(self) -> Any:
        """Made, used, listed and revoked while the daemon runs; the audit has all of it, and its chain is whole."""
        yield self.connector.start()
        yield deferToThread(self.life_of_a_key)
        self.connector.terminate()
        audit = [json.loads(line) for line in self.command("audit", "--json").stdout.splitlines()]
        self.assertEqual(
            [(one["who"] if one["who"] in ("daemon", "no key") else "", one["what"]) for one in audit],
            [
                ("daemon", "started"),
                ("", "key created"),
                ("", "key created"),
                ("", "opt-outs imported"),
                ("", "key revoked"),
                ("", "sent"),
                ("no key", "sent"),
                ("daemon", "stopped"),
            ],
        )
        self.assertIn(" messages since ", audit[5]["about"])
        self.assertIn("key crm", audit[5]["who"])
        self.assertIn("the chain is whole; row 8", self.command("audit", "--verify").stdout)
        with closing(sqlite3.connect(self.connector.folder / "smsconnector.access.db")) as connection:
            connection.executescript("DROP TRIGGER audit_kept; DELETE FROM audit WHERE number = 5")
        self.assertIn("row 5 is not there", self.command("audit", "--verify", status=1).stdout)

    def life_of_a_key(self) -> None:
        self.assertEqual(self.send(), 200)  # there was never a key, and it is on loopback
        probe = self.key("probe", "--scope", "health")
        key = self.key("crm", "--scope", "send", "--channel", "smpp")
        self.becomes(401, "")
        self.becomes(200, key)
        for how in ("bearer", "basic", "header"):
            self.assertEqual(self.ask("/send", key, {"To": "+923001234567", "Body": "hi"}, how), 200)
        self.assertEqual((self.ask("/health"), self.ask("/health", probe), self.send(probe)), (401, 200, 401))
        self.assertEqual(self.ask("/msg-client/messages/SM1", key), 401)
        source = self.connector.folder / "numbers.csv"
        source.write_text("channel,number\nsmpp,+923009999999\n")
        self.command("opt-outs", "--import", str(source))
        self.command("key", "revoke", "crm")
        self.becomes(401, key)
        listed = self.command("key", "list").stdout
        self.assertIn("nothing: revoked", listed)
        self.assertNotIn(key.rpartition("_")[2], listed + self.connector.said())
        self.assertIn("refused: a request for want of a valid API key, from 127.0.0.1", self.connector.said())
        files = b"".join(one.read_bytes() for one in self.connector.folder.glob("smsconnector*"))
        self.assertNotIn(key.rpartition("_")[2].encode(), files)

    def test_commands(self) -> None:
        """What is wrong with a command is said at once, with what to write; the file is made by the first key."""
        self.assertIn("there is no database", self.command("key", "list", status=1).stderr)
        self.assertIn("makes it", self.command("key", "list", "--before-first-start", status=1).stderr)
        wrong = self.command(
            "key", "new", "a b", "--scope", "send,fly", "--channel", "cloud", "--network", "10.0.0.1/8", "--rate", "-1",
            status=1,
        ).stderr  # fmt: skip
        for words in (
            "NAME: it has letters",
            "'fly' is none of send",
            "'cloud' is none of the channels: smpp",
            "no network",
        ):
            self.assertIn(words, wrong)
        self.assertIn("--rate: requests a second", wrong)
        key = self.key("crm", "--scope", "send", "--scope", "read", "--network", "127.0.0.1", "--rate", "5")
        self.assertRegex(key, "^smsc_[A-Za-z0-9]{10}_[A-Za-z0-9]{45}$")
        again = self.command("key", "new", "crm", "--scope", "send", "--before-first-start", status=1)
        self.assertIn("there is a key with the name crm", again.stderr)
        first = "--before-first-start"
        (listed,) = [json.loads(line) for line in self.command("key", "list", "--json", first).stdout.splitlines()]
        self.assertEqual((listed["scopes"], listed["rate"], listed["used"]), (["send", "read"], 5.0, None))
        self.assertNotIn("hash", listed)
        self.assertIn("no key that is not revoked", self.command("key", "revoke", "other", first, status=1).stdout)
        self.command("key", "revoke", listed["id"], first)
        self.assertIn("key revoked", self.command("audit", first).stdout)

    @inlineCallbacks
    def test_both_append(self) -> Any:
        """The daemon and several commands at once: every row is there, and the chain is whole."""
        yield self.connector.start()
        yield deferToThread(lambda: [self.send() for _ in range(3)])
        names = [f"key-{number}" for number in range(6)]
        started = [
            subprocess.Popen(
                [str(Path(sys.executable).parent / "smsconnector"), "key", "new", name, "--scope", "send",
                 "--database", "smsconnector.db"],
                cwd=self.connector.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )
            for name in names
        ]  # fmt: skip
        self.connector.terminate()
        self.assertEqual([one.wait(30) for one in started], [0] * 6)
        text = self.command("audit").stdout
        for name in (*names, "stopped", "3 messages"):
            self.assertIn(name, text)
        self.assertIn("the chain is whole", self.command("audit", "--verify").stdout)

    @inlineCallbacks
    def test_killed(self) -> Any:
        """After kill -9 the chain is whole, keys are as they were, and what is lost are counts of a minute at most."""
        key = self.key("crm", "--scope", "send")
        yield self.connector.start()
        status = yield deferToThread(self.send, key)
        self.connector.kill()
        yield self.connector.start()
        again = yield deferToThread(self.send, key)
        self.connector.terminate()
        self.assertEqual((status, again), (200, 200))
        self.assertIn("the chain is whole", self.command("audit", "--verify").stdout)
        self.assertEqual(self.command("audit").stdout.count("1 messages since"), 1)  # the other one is lost


class AccessWithoutLaneTest(AccessTest):
    """The same by twisted.web."""

    fast_lane = False


class OpenDoorTest(Bench):
    """On an address that others reach."""

    def door(self) -> dict[str, Any]:
        return {"endpoints": [f"tcp:{free_port()}"]}

    def test_refused(self) -> None:
        """Neither check-config nor the daemon takes it, with a sentence and no traceback; with allow_insecure both do,
        with a warning."""
        said = self.command("check-config", "connector.yaml", status=1).stderr
        for words in ("http.endpoints: tcp:", "smsconnector key new", "ssl:PORT", "http.allow_insecure: true"):
            self.assertIn(words, said)
        self.connector.launch()
        assert self.connector.process is not None
        self.assertEqual(self.connector.process.wait(30), 1)
        self.connector.process = None
        self.assertIn("lets everybody in reach send texts", self.connector.said())
        self.assertNotIn("Traceback", self.connector.said())
        self.key("crm", "--scope", "send")
        said = self.command("check-config", "connector.yaml", status=1).stderr
        self.assertNotIn("key new", said)
        self.assertIn("carries keys and texts", said)
        path = self.connector.folder / "connector.yaml"
        path.write_text(path.read_text().replace("http:\n", "http:\n  allow_insecure: true\n"))
        self.assertIn("warning: http.endpoints: tcp:", self.command("check-config", "connector.yaml").stderr)

    @inlineCallbacks
    def test_shut(self) -> Any:
        """With a key and HTTPS it starts, on every address, and serves who has the key."""
        authority = Authority(str(self.connector.folder / "certificates"))
        pem = authority.issue("localhost")
        path = self.connector.folder / "connector.yaml"
        data = yaml.safe_load(path.read_text())
        data["http"]["endpoints"] = [f"ssl:{self.connector.port}:privateKey={pem}:certKey={pem}"]
        path.write_text(yaml.safe_dump(data))
        self.assertNotIn("carries", self.command("check-config", "connector.yaml", status=1).stderr)
        key = self.key("crm", "--scope", "send")
        self.assertEqual(self.command("check-config", "connector.yaml").stderr, "")
        yield self.connector.start()
        self.assertNotIn("carries", self.connector.said())
        context = ssl.create_default_context(cafile=authority.own())
        statuses = yield deferToThread(
            lambda: [self.ask("/health", one, context=context) for one in (key, "", "wrong")]
        )
        self.assertEqual(statuses, [200, 401, 401])


class SecretsTest(Bench):
    """A daemon with a marker in every secret, each of which comes from a credential, a file or the environment."""

    def setUp(self) -> None:
        super().setUp()
        folder = self.connector.folder
        data = everything()
        del data["channels"]["smpp"]["binds"][1:], data["http"]["public_url"]
        for name in [name for name, one in data["channels"].items() if name.startswith("v")]:
            data["channels"][name]["binds"] = [data["channels"][name]["binds"][0] | {"name": f"{name}-a"}]
        data["channels"]["v1"] = data["channels"]["smpp"] | {
            "binds": [data["channels"]["v3"]["binds"][0] | {"name": "x"}]
        }
        data["channels"]["twilio"]["verify_signature"] = False
        self.environment = {**os.environ, "CREDENTIALS_DIRECTORY": str(folder)}
        for number, way in enumerate(leaves(data)):
            place: Any = data
            for step in way[:-1]:
                place = place[step]
            (folder / f"secret-{number}").write_text(f"{place[way[-1]]}\n")
            self.environment[f"SECRET_{number}"] = place[way[-1]]
            place[way[-1]] = (
                f"${{credential:secret-{number}}}",
                f"${{file:{folder}/secret-{number}}}",
                f"${{SECRET_{number}}}",
            )[number % 3]
        data["http"]["endpoints"] = [f"tcp:{self.connector.port}:interface=127.0.0.1"]
        data["http"]["fast_lane"] = self.fast_lane
        (folder / "connector.yaml").write_text(yaml.safe_dump(data))
        self.connector.environment = self.environment

    @inlineCallbacks
    def test_nothing_shows_one(self) -> Any:
        """check-config, the log of a life in which nobody can be reached, every answer of the API, the lists of the
        command line, and the files that it leaves."""
        said = [self.command("check-config", "connector.yaml").stdout]
        yield self.connector.start()
        said += yield deferToThread(self.answers)
        self.connector.terminate()
        said.append(self.connector.said())
        for command in (["audit"], ["key", "list", "--json"], ["opt-outs"], ["events"], ["reconcile"]):
            said.append(self.command(*command, "--database", "smsconnector.db").stdout)
        for text in said:
            for marker in (MARKER, "TTRya2Vy", base64.b64encode(MARKER.encode()).decode()[:-2]):
                self.assertNotIn(marker, text)
        for file in self.connector.folder.glob("smsconnector*"):
            self.assertNotIn(MARKER.encode(), file.read_bytes(), file)
        self.assertGreater(sum(map(len, said)), 5_000)

    def answers(self) -> list[str]:
        """What the API says to somebody who has a key, and to somebody who has not."""
        key = everything()["http"]["api_keys"][0]
        found = []
        for given in (key, "wrong"):
            for path, body in (
                ("/health", None),
                ("/msg-client/messages/SM1", None),
                ("/nothing", None),
                ("/send", {"To": "x"}),
                *(
                    ("/send", {"To": "+923001234567", "Body": "hi", "channel": one})
                    for one in ("smpp", "twilio", "http")
                ),
                *((f"/msg-client/v{n}/receive", {"Body": "x"}) for n in range(1, 7)),
                ("/receive", {"Body": "x"}),
            ):
                request = urllib.request.Request(self.url + path, json.dumps(body).encode() if body else None)
                request.add_header("X-API-Key", given)
                try:
                    with urllib.request.urlopen(request, timeout=20) as answer:
                        found.append(str(answer.headers) + answer.read().decode())
                except urllib.error.HTTPError as error:
                    with error:
                        found.append(str(error.headers) + error.read().decode())
        time.sleep(3)  # in which binds, sinks and providers are tried
        return found


class SecretsWithoutLaneTest(SecretsTest):
    """The same by twisted.web."""

    fast_lane = False
