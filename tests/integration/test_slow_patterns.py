"""``check-config`` tries the patterns of a configuration in a process of its own."""

import io
import sys
import time
from pathlib import Path

import yaml
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.channels.http.slow_patterns import slow_patterns
from smsconnector.cli import main

EXAMPLES = Path(__file__).resolve().parents[2] / "conf" / "providers"
CONFIGURATION = r"""
channels:
  out:
    type: http
    request: {url: "https://h/"}
    id: {pattern: '%s'}
    notification: {id: a, status: b, id_pattern: '^(\d+)$'}
"""


class SlowPatternsCase(SynchronousTestCase):
    def check(self, pattern: str) -> tuple[int, str]:
        path, said = Path(self.mktemp()), io.StringIO()
        path.write_text(CONFIGURATION % pattern)
        self.patch(sys, "stderr", said)
        self.patch(sys, "stdout", io.StringIO())
        return main(["check-config", str(path)]), said.getvalue()

    def test_refused(self) -> None:
        """Patterns that never come back are named, with what to write instead; one that is good is not."""
        for pattern in (r"^\s*(\w+\s*)*:\s*(\d+)$", r"^(a+)+$", r"id (\d+)*x"):
            status, said = self.check(pattern)
            self.assertEqual(status, 1, pattern)
            self.assertIn("channels.out.id.pattern: this pattern takes more than 0.1 s", said)
            self.assertNotIn("id_pattern:", said)

    def test_good(self) -> None:
        """An ordinary one passes, and takes no time that somebody would notice."""
        began = time.monotonic()
        self.assertEqual(self.check(r"^\s*(\w+):\s*(\d+)$")[0], 0)
        self.assertLess(time.monotonic() - began, 10.0)

    def test_several(self) -> None:
        """Behind one that does not come back the others are tried all the same."""
        patterns = [{"pattern": one} for one in (r"^(a+)+$", "good", r"^(\d+)+$", r"\d{4}")]
        found = [path for path, _ in slow_patterns({"c": {"failures": patterns}})]
        self.assertEqual(found, ["channels.c.failures[0].pattern", "channels.c.failures[2].pattern"])

    def test_examples(self) -> None:
        """Those of conf/providers pass."""
        for path in EXAMPLES.glob("*.yaml"):
            self.assertEqual(slow_patterns(yaml.safe_load(path.read_text("utf-8"))["channels"]), [], path.stem)
