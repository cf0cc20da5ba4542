"""Secrets that are not in the configuration: in the environment, in files, in credentials of systemd."""

from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from smsconnector.substitution import DIRECTORY, LONGEST, substitute


class SubstitutionCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        self.environment = {DIRECTORY: str(self.folder), "NAME": "from the environment", "EMPTY": ""}

    def write(self, name: str, octets: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(octets)
        return path

    def found(self, value: Any, **environment: str) -> tuple[Any, list[tuple[str, str]]]:
        problems: list[tuple[str, str]] = []
        return substitute(value, "here", environment or self.environment, problems), problems

    def test_each_source(self) -> None:
        """All three, anywhere in a string, in lists and mappings; what is none of them stays."""
        path = self.write("broker", b"s3cret ${NAME}\r\n\n")
        for written, wanted in (
            ("${NAME}", "from the environment"),
            ("${EMPTY}", ""),  # the models refuse it where it matters
            (f"${{file:{path}}}", "s3cret ${NAME}"),  # it is not looked at again
            ("${credential:broker}", "s3cret ${NAME}"),
            ("a ${NAME}, ${credential:broker}!", "a from the environment, s3cret ${NAME}!"),
            ("$NAME ${} ${1} $${x{1:2} {NAME}", "$NAME ${} ${1} $${x{1:2} {NAME}"),
            ({"a": ["${NAME}", 1, None]}, {"a": ["from the environment", 1, None]}),
        ):
            self.assertEqual(self.found(written), (wanted, []), written)

    def test_wrong(self) -> None:
        """Each that can't be used is a problem with the path of the value; none shows what is in the file."""
        self.write("binary", b"hunter2\xff")
        self.write("empty", b"\n")
        self.write("long", b"hunter2" * LONGEST)
        outside = Path(self.mktemp()).absolute()
        outside.write_text("hunter2")
        for written, words in (
            ("${NONE}", "the environment variable NONE is not set"),
            ("${credential:none}", "none can't be read: No such file"),
            ("${credential:binary}", "binary is not UTF-8"),
            ("${credential:empty}", "empty is empty"),
            ("${credential:long}", "is longer than"),
            (f"${{credential:../{outside.name}}}", "a credential's name has letters"),
            (f"${{credential:{outside}}}", "a credential's name has letters"),
            ("${credential:..}", "a credential's name has letters"),
            ("${credential:}", "a credential's name has letters"),
            ("${file:}", "can't be read"),
            ("${file:/nowhere/x}", "/nowhere/x can't be read: No such file"),
            ("${file:a\0b}", "can't be read"),
            (f"${{file:{self.folder}}}", "Is a directory"),
            ("${credentials:x}", "is not known: write ${NAME}, ${file:PATH} or ${credential:NAME}"),
            ("${env:HOME}", "is not known"),
        ):
            value, problems = self.found({"key": [written]})
            self.assertEqual([path for path, _ in problems], ["here.key[0]"], written)
            self.assertIn(words, problems[0][1])
            self.assertNotIn("hunter2", problems[0][1])
            self.assertEqual(value, {"key": [""]})

    def test_no_systemd(self) -> None:
        """Without a directory of credentials it is said what makes one."""
        _, ((_, sentence),) = self.found("${credential:broker}", NAME="x")
        self.assertIn("LoadCredential=broker:FILE", sentence)
