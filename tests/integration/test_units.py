"""The units, as systemd itself reads them."""

import shutil
import subprocess
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

UNITS = Path(__file__).resolve().parents[2] / "systemd"


class UnitsCase(SynchronousTestCase):
    skip = None if shutil.which("systemd-analyze") else "needs systemd-analyze: apt-get install systemd"

    def verify(self, *changes: tuple[str, str]) -> str:
        """What systemd says of both, with the programs that are there."""
        folder = Path(self.mktemp())
        folder.mkdir()
        for name, source in (("smsconnector.service", "smsconnector"), ("smsconnector@a.service", "smsconnector@")):
            text = (UNITS / f"{source}.service").read_text()
            for before, after in (("/opt/smsconnector/bin/smsconnector ", "/bin/true "), *changes):
                text = text.replace(before, after)
            (folder / name).write_text(text.replace("/opt/smsconnector/bin/twistd ", "/bin/true "))
        command = ["systemd-analyze", "verify", *map(str, folder.iterdir())]
        found = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        return "\n".join(line for line in found.stderr.splitlines() if "smsconnector" in line)

    def test_security(self) -> None:
        """How much of the machine it can reach, by systemd's own score: less than 2.0 of 10."""
        for name in ("smsconnector.service", "smsconnector@.service"):
            command = ["systemd-analyze", "security", "--offline=true", "--threshold=20", str(UNITS / name)]
            found = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
            self.assertEqual(found.returncode, 0, found.stdout[-200:] + found.stderr)
            self.assertIn("Overall exposure level", found.stdout)

    def test_verify(self) -> None:
        """It knows every key and every value."""
        self.assertEqual(self.verify(), "")
        self.assertIn("Unknown key", self.verify(("ProtectProc=", "ProtectProcess=")))
