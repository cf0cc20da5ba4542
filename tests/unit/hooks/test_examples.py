"""The examples of conf/providers read what their providers post: their sections are those of the table of cases."""

from pathlib import Path

import yaml
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.hooks import providers

EXAMPLES = Path(__file__).resolve().parents[3] / "conf" / "providers"
NAMES = {"kannel": "kannel, dlr-url"}  # of the table, where it has another
SILENT = {"routemobile", "taqnyat", "telenor", "zong"}  # what these post is not known for sure


class ExamplesCase(SynchronousTestCase):
    def test_sections(self) -> None:
        """``notification`` and ``incoming`` of each example are the ones that the cases are tried with."""
        table = {one.name: one for one in vars(providers).values() if isinstance(one, providers.Provider)}
        seen = set()
        for path in sorted(EXAMPLES.glob("*.yaml")):
            (section,) = yaml.safe_load(path.read_text("utf-8"))["channels"].values()
            name = path.stem
            if name in SILENT:
                self.assertNotIn("notification", section, name)
                continue
            seen.add(name)
            wanted = table[NAMES.get(name, name)]
            self.assertEqual(section.get("notification"), wanted.notification, name)
            self.assertEqual(section.get("incoming"), wanted.incoming, name)
        self.assertGreater(len(seen), 10)
