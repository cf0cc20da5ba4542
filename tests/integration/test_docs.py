"""The pages become HTML without a warning, and load nothing from elsewhere."""

import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp

from twisted.trial.unittest import SkipTest, TestCase

from smsconnector.config import schema
from smsconnector.config_schema import sections_of

ROOT = Path(__file__).resolve().parents[2]
LOADED = re.compile(r"""<(?:script|img|iframe|link)\b[^>]*?(?:src|href)=["'](?:https?:)?//""", re.IGNORECASE)
LINK = re.compile(r'href="([^"#:?]+)[^"#:]*(?:#([^"]+))?"')


class DocsCase(TestCase):
    timeout = 120

    def setUp(self) -> None:
        if find_spec("sphinx") is None:
            raise SkipTest("needs Sphinx, of the extra `docs`: make install")
        self.built = Path(mkdtemp(prefix="docs-"))
        self.addCleanup(shutil.rmtree, self.built)

    def test_pages(self) -> None:
        """Every page is in the contents; every link to a page leads somewhere; every key is on the page of keys."""
        done = subprocess.run(
            [sys.executable, str(ROOT / "docs" / "make.py"), str(self.built)],
            capture_output=True,
            text=True,
            check=False,
            cwd=self.built,
        )
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        pages = {path.relative_to(self.built).as_posix(): path.read_text() for path in self.built.rglob("*.html")}
        for source in (ROOT / "docs").rglob("*.rst"):
            self.assertIn(source.relative_to(ROOT / "docs").with_suffix(".html").as_posix(), pages)
        for name, page in pages.items():
            self.assertIsNone(LOADED.search(page), name)
            for target, place in LINK.findall(page):
                found = (self.built / name).parent / target
                self.assertTrue(found.exists(), f"{name}: {target}")
                if place and target.endswith(".html"):
                    self.assertIn(f'id="{place}"', found.read_text(), f"{name}: {target}#{place}")
        for place, section in sections_of(schema()):
            for key in section["properties"]:
                self.assertIn(f">{key}</span>", pages["configuration.html"], f"{place}.{key}")
        self.assertIn('href="readme.html#the-api"', pages["index.html"])
        self.assertIn('href="openapi.yaml"', pages["readme.html"])
