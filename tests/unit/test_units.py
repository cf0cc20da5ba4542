"""The units of systemd and the files that belong to them: one process, and several."""

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from smsconnector.config import parse
from smsconnector.instances import clashes

ROOT = Path(__file__).resolve().parents[2]
ONE, SEVERAL = ROOT / "systemd" / "smsconnector.service", ROOT / "systemd" / "smsconnector@.service"
OF_ITS_OWN = {"StateDirectory", "WorkingDirectory", "EnvironmentFile", "ExecStartPre", "ExecStart", "Description"}


def lines(unit: Path) -> list[str]:
    return [line for line in unit.read_text().splitlines() if line and not line.startswith("#")]


class UnitsCase(SynchronousTestCase):
    def test_alike(self) -> None:
        """The template guards what it runs as the unit of a single process does; only names and places differ."""
        in_one, in_several = set(lines(ONE)), set(lines(SEVERAL))
        self.assertEqual({line.partition("=")[0] for line in in_one ^ in_several}, OF_ITS_OWN)
        for line in in_several - in_one:
            self.assertIn("%i", line)

    def test_places(self) -> None:
        """An instance reads its own file, and keeps its database in a folder of its own."""
        text = lines(SEVERAL)
        for line in ("StateDirectory=smsconnector/%i", "WorkingDirectory=/var/lib/smsconnector/%i"):
            self.assertIn(line, text)
        starts = [line for line in text if line.startswith("ExecStart")]
        self.assertEqual([line.rpartition(" ")[2] for line in starts], ["/etc/smsconnector/%i.yaml"] * 2)

    def test_examples(self) -> None:
        """The files that we ship for two processes are good, and fit together."""
        texts = {name: (ROOT / "conf" / "several" / f"{name}.yaml").read_text() for name in "ab"}
        for name, text in texts.items():
            self.assertIn(f"path: /var/lib/smsconnector/{name}/smsconnector.db", text)
        files = {name: parse(text.replace("/var/lib/smsconnector/", "")) for name, text in texts.items()}
        self.assertEqual(clashes(files), [])
        for one in files.values():
            self.assertEqual(one.warnings, [])
            self.assertEqual(one.http.shared_endpoints, ["tcp:8080:interface=127.0.0.1"])
