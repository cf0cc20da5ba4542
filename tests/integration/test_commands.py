"""The commands that the README names, as processes of the installed package, away from the source tree."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from twisted.trial.unittest import TestCase

from smsconnector.store.store import Store
from tests.integration.activemq import free_port
from tests.integration.stack import HEEDS_SIGNALS

BIN = Path(sys.executable).parent
GOOD = """
http: {endpoints: ["tcp:%d:interface=127.0.0.1"]}
channels: {smpp: {type: smpp, binds: [{name: a, endpoint: "tcp:127.0.0.1:1", system_id: me, password: hunter2}]}}
events: {uri: "tcp://127.0.0.1:1"}
"""


class CommandsCase(TestCase):
    skip = None if (BIN / "smsconnector").exists() else "needs the package installed: make install"
    timeout = 60

    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir(parents=True)

    def run_command(self, *command: str, **more: str) -> "subprocess.CompletedProcess[str]":
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | more
        return subprocess.run(
            [str(BIN / command[0]), *command[1:]],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=50,
            stdin=subprocess.DEVNULL,
        )

    def write(self, text: str) -> str:
        (self.folder / "c.yaml").write_text(text)
        return "c.yaml"

    def test_check_config(self) -> None:
        """Good: one line and 0. Bad, as an open door is: every error with its path, and 1. No traceback, no
        secret."""
        good = self.run_command("smsconnector", "check-config", self.write(GOOD % 8080))
        self.assertEqual((good.returncode, good.stderr), (0, ""))
        opened = self.run_command(
            "smsconnector", "check-config", self.write((GOOD % 8080).replace(":interface=127.0.0.1", ""))
        )
        self.assertEqual(opened.returncode, 1)
        self.assertIn("http.endpoints: tcp:8080 lets everybody in reach send texts", opened.stderr)
        bad = self.run_command(
            "smsconnector",
            "check-config",
            self.write(GOOD.replace("smpp, binds", "pigeon, binds") % 8080 + "colour: red\n"),
        )
        self.assertEqual(bad.returncode, 1)
        self.assertIn("channels.smpp.type", bad.stderr)
        self.assertIn("colour", bad.stderr)
        self.assertNotIn("Traceback", bad.stderr)
        self.assertNotIn("hunter2", bad.stderr)

    def test_schema(self) -> None:
        """``--schema`` prints JSON that an editor can use. Without it files have to be named, and not beside it."""
        schema = self.run_command("smsconnector", "check-config", "--schema")
        self.assertEqual((schema.returncode, schema.stderr), (0, ""))
        self.assertIn("BindSection", json.loads(schema.stdout)["$defs"])
        for wrong in ((), ("--schema", self.write(GOOD % 8080))):
            said = self.run_command("smsconnector", "check-config", *wrong)
            self.assertEqual((said.returncode, said.stdout), (2, ""))
            self.assertIn("name the files to check, or ask for the --schema", said.stderr)

    def test_check_config_of_several(self) -> None:
        """Files of processes that run together: each is checked, and then what they have in common."""
        one, other = (self.folder / name for name in ("one.yaml", "other.yaml"))
        one.write_text(GOOD % 8081)
        other.write_text((GOOD % 8082).replace("system_id: me", "system_id: you"))
        good = self.run_command("smsconnector", "check-config", one.name, other.name)
        self.assertEqual((good.returncode, good.stderr, good.stdout.count("good (")), (0, "", 2))
        other.write_text(GOOD % 8081)
        bad = self.run_command("smsconnector", "check-config", one.name, other.name)
        self.assertEqual((bad.returncode, bad.stdout.count("good (")), (1, 2))
        self.assertIn("one.yaml, other.yaml: port 8081 is in http.endpoints of both", bad.stderr)
        self.assertIn("both bind as me@127.0.0.1:1", bad.stderr)
        other.write_text("colour: red")
        broken = self.run_command("smsconnector", "check-config", one.name, other.name, one.name)
        self.assertEqual((broken.returncode, broken.stdout.count("good (")), (1, 1))
        self.assertIn("colour", broken.stderr)
        self.assertNotIn("hunter2", bad.stderr + broken.stderr)

    def test_check_config_against(self) -> None:
        """What a reload would change, a line each, and 1 for what it would refuse."""
        one, other = (self.folder / name for name in ("one.yaml", "other.yaml"))
        one.write_text(GOOD % 8081)
        other.write_text((GOOD % 8081).replace("hunter2", "hunter3"))
        command = ("smsconnector", "check-config", other.name, "--against", one.name)
        told = self.run_command(*command)
        self.assertEqual((told.returncode, told.stderr), (0, ""))
        self.assertEqual(told.stdout.splitlines()[1:], ["  the bind smpp/a is made anew"])
        other.write_text(GOOD % 8082)
        refused = self.run_command(*command)
        self.assertEqual((refused.returncode, refused.stdout.splitlines()[1:]), (1, ["  nothing is changed"]))
        self.assertIn("http.endpoints: can't change while the connector runs", refused.stderr)

    def test_bad_configuration_stops_twistd(self) -> None:
        """twistd ends with 1 and the same lines, without a traceback."""
        ended = self.run_command("twistd", "-n", "--pidfile=", "smsconnector", "--config", self.write("channels: {}"))
        self.assertEqual(ended.returncode, 1)
        self.assertIn("channels", ended.stdout + ended.stderr)
        self.assertNotIn("Traceback", ended.stdout + ended.stderr)

    def test_port_is_taken(self) -> None:
        """A port that is taken ends the start with 1 and says so."""
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            config = self.write(GOOD % taken.getsockname()[1])
            ended = self.run_command("twistd", "-n", "--pidfile=", "smsconnector", "--config", config)
        self.assertEqual(ended.returncode, 1)
        self.assertIn("can't listen", ended.stdout + ended.stderr)
        self.assertNotIn("Traceback", ended.stdout + ended.stderr)
        self.assertNotIn("hunter2", ended.stdout + ended.stderr)

    def test_damaged_database(self) -> None:
        """A damaged database is refused with the command that saves what can be saved."""
        (self.folder / "smsconnector.db").write_bytes(b"x" * 8192)
        ended = self.run_command(
            "twistd", "-n", "--pidfile=", "smsconnector", "--config", self.write(GOOD % free_port())
        )
        self.assertEqual(ended.returncode, 1)
        self.assertIn("smsconnector rescue", ended.stdout + ended.stderr)
        self.assertNotIn("Traceback", ended.stdout + ended.stderr)
        nothing = self.run_command("smsconnector", "rescue", "smsconnector.db", "saved.db")
        self.assertEqual((nothing.returncode, nothing.stdout), (1, ""))
        self.assertIn("last backup", nothing.stderr)

    def test_tools_without_a_configuration(self) -> None:
        """``--database`` names the file; what was copied can be reconciled, and rescued though there is no need."""
        Store(str(self.folder / "a.db")).close()
        for command in (
            ("backup", "--database", "a.db", "b.db"),
            ("reconcile", "--database", "b.db"),
            ("rescue", "b.db", "c.db"),
            ("reconcile", "--database", "c.db"),
        ):
            ended = self.run_command("smsconnector", *command)
            self.assertEqual((ended.returncode, ended.stderr), (0, ""), command)
        self.assertIn("all adds up", ended.stdout)

    def test_simulator_is_a_plugin(self) -> None:
        """twistd knows both plugins, and the simulator says what it can do."""
        listed = self.run_command("twistd", "--help").stdout
        self.assertIn("smsconnector", listed)
        self.assertIn("smsc-simulator", listed)
        self.assertIn("--receipt-delay", self.run_command("twistd", "smsc-simulator", "--help").stdout)

    def test_notify(self) -> None:
        """Under systemd's protocol it says READY when it listens, and STOPPING on SIGTERM; the end is 143.
        SIGHUP has the configuration read again: RELOADING with the time, and READY, also if nothing changes."""
        path, sockets = self.folder / "log", tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, sockets)
        good = GOOD % free_port()
        other = good.replace("hunter2", "hunter3")
        path_of_file = self.write(good)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager, path.open("wb") as log:
            address = str(Path(sockets) / "n")  # of 107 octets at most (unix(7)), wherever the tests run
            manager.bind(address)
            manager.settimeout(20)
            process = subprocess.Popen(
                [*HEEDS_SIGNALS, str(BIN / "twistd"), "-n", "--pidfile=", "smsconnector", "--config", path_of_file],
                cwd=self.folder,
                env=os.environ | {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1000000"},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            try:
                said = [manager.recv(100)]
                while said[-1] != b"READY=1":
                    said.append(manager.recv(100))
                while said[-1] != b"WATCHDOG=1":
                    said.append(manager.recv(100))
                contents = (("no: [", b"not valid YAML"), (good, b"changed nothing"), (other, b"read last"))
                for content, wanted in contents:
                    self.write(content)
                    process.send_signal(signal.SIGHUP)
                    while b"RELOADING=1" not in said[-1]:
                        said.append(manager.recv(1000))
                    usec = int(said[-1].partition(b"MONOTONIC_USEC=")[2])
                    self.assertLess(abs(time.clock_gettime(time.CLOCK_MONOTONIC) - usec / 1e6), 10)
                    while b"READY=1" not in said[-1]:
                        said.append(manager.recv(1000))
                    self.assertIn(wanted, said[-1])
                process.send_signal(signal.SIGTERM)
                while said[-1] != b"STOPPING=1":
                    said.append(manager.recv(100))
                self.assertIn(process.wait(20), (143, -signal.SIGTERM))
            finally:
                process.kill()
                process.wait()
        self.assertIn("the configuration stays as it was: line 1, column 6: not valid YAML", path.read_text())
        self.assertNotIn("Traceback", path.read_text())
