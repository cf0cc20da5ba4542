"""``smsconnector key`` and ``audit`` where the store of the configuration is not: a relative path, elsewhere."""

import io
import os
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from smsconnector.access.file import AccessFile
from smsconnector.access.keys import Permissions
from smsconnector.cli import main
from smsconnector.store.store import Store

COMMANDS = (
    ("key", "new", "crm", "--scope", "send"),
    ("key", "list"),
    ("key", "revoke", "crm"),
    ("audit",),
    ("audit", "--verify"),
    ("opt-outs", "--remove", "smpp", "+923001234567"),
)
NEW = COMMANDS[0]


class AnotherFolderCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.there, self.here = (Path(self.mktemp()).absolute() for _ in range(2))
        self.there.mkdir()
        self.here.mkdir()
        self.config = self.there / "c.yaml"
        self.write("demo.db")
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.here)

    def write(self, path: str) -> None:
        self.config.write_text(f"store: {{path: {path}}}\nchannels: {{smpp: {{type: smpp, opt_out: {{}}}}}}\n")

    def run_command(self, *arguments: str) -> tuple[int, str]:
        """The status, and what it says on stderr."""
        err = io.StringIO()
        self.patch(sys, "stdout", io.StringIO())
        self.patch(sys, "stderr", err)
        return main([*arguments, "--config", str(self.config)]), err.getvalue()

    def test_refused(self) -> None:
        """Nothing is made, and the sentence has the whole path that was looked at, and what to do."""
        for command in COMMANDS:
            status, said = self.run_command(*command)
            self.assertEqual(status, 1, command)
            self.assertIn(f"there is no database {self.here}/demo.db", said, command)
            self.assertIn("store.path", said)
            self.assertEqual(os.listdir("."), [], command)
        self.assertIn("--before-first-start", self.run_command(*NEW)[1])

    def test_file_of_a_mistake(self) -> None:
        """A file of keys that stands there already, without a database, is not taken for the connector's."""
        file = AccessFile("demo.access.db")
        file.add("crm", Permissions(("send",)), "me", 1)
        file.close()
        for command in COMMANDS:
            status, said = self.run_command(*command)
            self.assertEqual((status, "there is no database" in said), (1, True), command)
        file = AccessFile("demo.access.db")
        self.addCleanup(file.close)
        self.assertIsNone(file.stored_keys()[0].revoked_at)

    def test_named_by_a_relative_path(self) -> None:
        """``--database`` as well; an access_path that is relative is no better."""
        status, said = self.run_command(*NEW, "--database", "other.db")
        self.assertEqual((status, os.listdir(".")), (1, []))
        self.assertIn(f"{self.here}/other.db", said)
        self.config.write_text("store: {path: demo.db, access_path: keys.db}\nchannels: {smpp: {type: smpp}}\n")
        self.assertEqual((self.run_command(*NEW)[0], os.listdir(".")), (1, []))

    def test_before_the_first_start(self) -> None:
        """A key can be made before there is a database, where the path is absolute, or by an option; the commands say
        in which file it is."""
        self.assertEqual(self.run_command(*NEW, "--before-first-start")[0], 0)
        self.assertEqual(os.listdir("."), ["demo.access.db"])
        self.assertEqual(self.run_command("key", "list", "--before-first-start")[0], 0)
        for path in (f"{self.there}/demo.db", str(self.there / "more.db")):
            self.write(path)
            status, said = self.run_command(*NEW)
            self.assertEqual(status, 0, said)
            self.assertIn(path.replace(".db", ".access.db"), said)
        self.assertEqual(os.listdir("."), ["demo.access.db"])

    def test_beside_the_database(self) -> None:
        """In the folder of the connector a relative path is as good as ever."""
        Store("demo.db").close()
        for command in COMMANDS[:-1]:
            self.assertEqual(self.run_command(*command)[0], 0, command)
