"""``smsconnector opt-outs``: the list as CSV, and back; numbers taken out; what is wrong with a file."""

import csv
import io
import os
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from smsconnector.cli import main
from smsconnector.store.offline.opt_outs import OptOut, enter_opt_outs, opt_outs
from smsconnector.store.store import Store
from tests.unit.store.test_store import NOW

NAMES = "channel,number,sender,since,because\n"
NUMBER = "15551234567"


class OptOutsCommandCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.path = str(self.folder / "oo.db")
        self.config = self.folder / "c.yaml"
        self.config.write_text(
            f"store: {{path: {self.path}}}\nchannels: {{cloud: {{type: smpp, opt_out: {{}}}}, plain: {{type: smpp}}}}\n"
        )
        Store(self.path).close()

    def run_command(self, *arguments: str) -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        self.patch(sys, "stdout", out)
        self.patch(sys, "stderr", err)
        return main(["opt-outs", *arguments, "--config", str(self.config)]), out.getvalue(), err.getvalue()

    def imported(self, text: str | bytes) -> tuple[int, str, str]:
        file = self.folder / "list.csv"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return self.run_command("--import", str(file))

    def numbers(self) -> list[str]:
        return [one.number for one in opt_outs(self.path)]

    def test_there_and_back(self) -> None:
        """Whoever has written a word can be in the list, also a name and an address of another messenger; the export
        takes all of them, and the import too."""
        odd = [
            "MyBank",
            "whatsapp:+447700900100",
            '=HYPERLINK("http://x")',
            "+15551234567",
            "'quoted",
            ' a,b\n"c',
            "-1+1",
            "@x",
        ]
        entries = [OptOut("cloud", one, sender, NOW, f"word {one}") for one in odd for sender in ("", one)]
        enter_opt_outs(self.path, entries)
        before = list(opt_outs(self.path))
        self.assertEqual(len(before), len(entries))
        status, text, _ = self.run_command()
        self.assertEqual(status, 0)
        os.remove(self.path)
        Store(self.path).close()
        self.assertEqual(self.imported(text)[::2], (0, ""))
        after = list(opt_outs(self.path))
        self.assertEqual(
            [one._replace(number=one.number.lstrip("+"), sender=one.sender.lstrip("+")) for one in after],
            [
                one._replace(since=NOW // 1000 * 1000, number=one.number.lstrip("+"), sender=one.sender.lstrip("+"))
                for one in before
            ],
        )

    def test_no_formula(self) -> None:
        """A spreadsheet calculates nothing of what a customer has written (OWASP: CSV injection)."""
        enter_opt_outs(
            self.path, [OptOut("cloud", "=1+1", "@x", NOW, "\tword"), OptOut("cloud", "-2", "", NOW, "=cmd")]
        )
        _, text, _ = self.run_command()
        cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
        self.assertEqual([cell for cell in cells if cell.startswith(("=", "-", "@", "\t", "\r"))], [])

    def test_stray_quote(self) -> None:
        """It is told, with its line, and nothing is entered; a long file is no traceback."""
        for text in ('cloud,"15551234567,,,\n', 'cloud,"155"51234567,,,\n', 'cloud,"15551234567,,,\n' + "x" * 200_000):
            status, _, err = self.imported(NAMES + f"cloud,{NUMBER},,,\n" + text)
            self.assertEqual(status, 1)
            self.assertIn("line ", err)
            self.assertIn("quote", err)
            self.assertEqual(self.numbers(), [])

    def test_lines(self) -> None:
        """More cells than names, and times that no calendar here has."""
        for line, word in (
            (f"cloud,{NUMBER},,,,,x", "more values"),
            (f"cloud,{NUMBER},,0001-01-01T00:00:00+14:00,", "since"),
            (f"cloud,{NUMBER},,9999-12-31T23:59:59-14:00,", "since"),
            (f"cloud,{NUMBER},,1969-12-31T23:59:59,", "since"),
        ):
            status, _, err = self.imported(NAMES + line + "\n")
            self.assertEqual(status, 1, line)
            self.assertIn(word, err)

    def test_times_that_are_there(self) -> None:
        """Such a time in the database, from wherever, does not end the export."""
        enter_opt_outs(self.path, [OptOut("cloud", NUMBER + str(at), "", at, "") for at in (-(1 << 60), 1 << 60)])
        status, text, _ = self.run_command()
        self.assertEqual((status, len(text.splitlines())), (0, 3))

    def test_channel(self) -> None:
        """One that the configuration has not is named with those that there are; nothing is entered."""
        status, _, err = self.imported(f"{NAMES}cloud,{NUMBER},,,\nclowd,{NUMBER},,,\n")
        self.assertEqual(status, 1)
        self.assertIn("line 3: channel is 'clowd', but the channels are: cloud, plain", err)
        self.assertEqual(self.numbers(), [])
        status, _, err = self.imported(f"{NAMES}plain,{NUMBER},,,\n")
        self.assertEqual(status, 0)
        self.assertIn("plain has no opt_out", err)
        self.assertIn("clowd", self.run_command("--remove", "clowd", NUMBER)[2])

    def test_without_a_configuration(self) -> None:
        """With --database no file is read, so any channel is taken."""
        status, _, _ = self.run_command("--database", self.path, "--remove", "clowd", NUMBER)
        self.assertEqual(status, 1)

    def test_remove(self) -> None:
        """However the number is written."""
        for written in ("+1 555 123 4567", "001 (555) 123-4567", NUMBER):
            self.imported(f"{NAMES}cloud,{NUMBER},,,\n")
            self.assertEqual(self.run_command("--remove", "cloud", written)[0], 0, written)
        enter_opt_outs(self.path, [OptOut("cloud", "MyBank", "", NOW, "")])
        self.assertEqual(self.run_command("--remove", "cloud", "MyBank")[0], 0)

    def test_byte_order_mark(self) -> None:
        """As spreadsheets write it, in a file and on stdin."""
        text = f"\ufeff{NAMES}cloud,{NUMBER},,,\n"
        self.assertEqual(self.imported(text)[0], 0)
        self.patch(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode() + b"cloud,1555\xff,,,\n"), encoding="ascii"))
        status, _, err = self.run_command("--import", "-")
        self.assertEqual(status, 1)
        self.assertIn("line 3: number", err)

    def test_reader_has_gone(self) -> None:
        """``| head -1`` is no error that needs a traceback, with any command."""
        for command in (["opt-outs"], ["events"], ["reconcile"]):
            reading, writing = os.pipe()
            os.close(reading)
            self.patch(sys, "stdout", os.fdopen(writing, "w"))
            self.assertEqual(main([*command, "--database", self.path]), 141, command)
