"""``docs/client.rst`` shows the examples that the tests run, and tells of what there is."""

import re
import textwrap
from dataclasses import fields
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from smsconnector import client
from smsconnector.client.courses import Retries
from smsconnector.client.exchange import TIMEOUT

DOCS = Path(__file__).parents[3] / "docs"


class PageCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.page = (DOCS / "client.rst").read_text("utf-8")

    def test_examples(self) -> None:
        """Each stands in the page to the letter, and each block of code is one of them."""
        blocks = re.findall(r"\.\. code-block:: \w+\n\n((?:    .*\n|\n)+)", self.page)
        shown = {textwrap.dedent(one).strip() for one in blocks}
        files = {one.read_text("utf-8").strip() for one in (DOCS / "examples").iterdir() if one.is_file()}
        self.assertEqual(shown, files)
        self.assertGreater(len(files), 4)

    def test_names(self) -> None:
        """Each operation, each field of a text, each error; and the defaults."""
        for name, _ in [*vars(client.Client).items()]:
            if not name.startswith("_"):
                self.assertIn(f"``{name}(", self.page)
        for one in fields(client.Text):
            self.assertTrue(f"``{one.name}``" in self.page or one.name in ("to", "body"), one.name)
        for kind in vars(client).values():
            if isinstance(kind, type) and issubclass(kind, client.ClientError):
                self.assertIn(kind.__name__, self.page)
        given = ", ".join(f"{name}={value:g}" for name, value in vars(Retries()).items())
        self.assertIn(f"retries=Retries({given})", self.page)
        self.assertIn(f"timeout={TIMEOUT:g}", self.page)

    def test_fields_of_both(self) -> None:
        """``send`` takes what ``Text`` has."""
        self.assertEqual({*client.Fields.__annotations__}, {one.name for one in fields(client.Text)} - {"to", "body"})
