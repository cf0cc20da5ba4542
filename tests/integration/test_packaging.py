"""What users get: an sdist of the tracked files, the wheel that is built from it, and what pip makes of that.

1. The files that git tracks are copied into a folder of their own, and what runs leave behind is put among them.
2. setuptools makes the sdist of that copy, by the hook that every build tool calls (PEP 517, ``build_sdist``).
3. pip builds the wheel from the sdist alone, and installs it into an empty folder. Nothing is fetched.
"""

import argparse
import os
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_string
from email.message import Message
from functools import cache
from importlib.metadata import version
from pathlib import Path
from shutil import copyfile, which
from tempfile import mkdtemp
from typing import NamedTuple

from twisted.trial.unittest import SkipTest, TestCase

from smsconnector import __version__
from smsconnector.cli import make_parser

ROOT = Path(__file__).resolve().parents[2]
BUILT_BY = (77, 0, 3)  # setuptools; pyproject.toml says why
LEFT_BEHIND = (
    ".peers/package.json",
    "conf/smsconnector.db",
    "smsconnector/__pycache__/cli.cpython-311.pyc",
    "tests/__pycache__/__init__.cpython-311.pyc",
    "twisted/plugins/dropin.cache",
)
MADE = {"PKG-INFO", "setup.cfg"}  # what setuptools adds to an sdist, with the folder smsconnector.egg-info
# Where the package is imported from, then twistd's names of the plugins in the folder that is given, and in no other:
# the environment that the tests run in may have the package too, and its folder comes first.
PLUGINS = """
import sys

import twisted.plugins
from twisted.application.service import IServiceMaker
from twisted.plugin import getPlugins

import smsconnector

twisted.plugins.__path__ = sys.argv[1:]
print(smsconnector.__file__, *sorted(maker.tapname for maker in getPlugins(IServiceMaker)), sep="\\n")
"""


def tracked() -> list[str]:
    """The files of the working tree that git tracks; SkipTest where it can't say, as in an unpacked sdist."""
    listing = ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z"]
    try:
        found = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise SkipTest(f"needs a checkout and git, to know which files belong: {error}") from None
    names = [name for name in found.split("\0") if name and (ROOT / name).exists()]
    if not names:
        raise SkipTest("needs a checkout: git tracks nothing here")
    return names


def run(*command: str, cwd: Path, **environment: str) -> str:
    """What it prints; AssertionError with all it said if it fails."""
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    ended = subprocess.run(
        command, cwd=cwd, env=inherited | environment, capture_output=True, text=True, check=False, timeout=100
    )
    assert ended.returncode == 0, f"{' '.join(command)} ended with {ended.returncode}:\n{ended.stdout}{ended.stderr}"
    return ended.stdout


class Built(NamedTuple):
    """What came of one build. ``target`` is the folder into which the wheel is installed."""

    tracked: list[str]
    sdist: Path
    wheel: Path
    target: Path


@cache
def build() -> Built:
    """Once for all tests, in trial's folder."""
    found = tuple(int(part) for part in version("setuptools").split(".")[:3] if part.isdigit())
    if found < BUILT_BY:
        raise SkipTest("needs the setuptools of the extra `test`: make install")
    names = tracked()
    folder = Path(mkdtemp(prefix="packaging-", dir=".")).resolve()
    tree, dist, target = folder / "tree", folder / "dist", folder / "target"
    for name in names:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        copyfile(ROOT / name, tree / name)
    for name in LEFT_BEHIND:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(b"left behind")
    make_sdist = "import sys; from setuptools import build_meta; build_meta.build_sdist(sys.argv[1])"
    run(sys.executable, "-c", make_sdist, str(dist), cwd=tree)
    (sdist,) = dist.glob("*.tar.gz")
    pip(folder, "wheel", "--no-build-isolation", "--wheel-dir", str(dist), str(sdist))
    (wheel,) = dist.glob("*.whl")
    pip(folder, "install", "--target", str(target), str(wheel))
    return Built(names, sdist, wheel, target)


def pip(folder: Path, command: str, *arguments: str) -> None:
    """It fetches nothing: neither dependencies nor tools of the build."""
    quiet = ("--quiet", "--disable-pip-version-check", "--no-input", "--no-cache-dir", "--no-index", "--no-deps")
    run(sys.executable, "-m", "pip", command, *quiet, *arguments, cwd=folder)


class PackagingCase(TestCase):
    timeout = 120

    def setUp(self) -> None:
        self.built = build()

    def metadata(self) -> tuple[str, Message, list[str]]:
        """The folder of the wheel's metadata, METADATA itself, and the names of all files in the wheel."""
        with zipfile.ZipFile(self.built.wheel) as wheel:
            names = wheel.namelist()
            (path,) = [name for name in names if name.endswith(".dist-info/METADATA")]
            return path.removesuffix("METADATA"), message_from_string(wheel.read(path).decode()), names

    def test_sdist_is_the_checkout(self) -> None:
        """It holds every tracked file, so that the tests and the gate run from it, and nothing that runs left behind.
        A file that is missing wants a line in MANIFEST.in."""
        with tarfile.open(self.built.sdist) as sdist:
            names = {member.name.partition("/")[2] for member in sdist if member.isfile()}
        names = {name for name in names - MADE if not name.startswith("smsconnector.egg-info/")}
        self.assertEqual(sorted(set(self.built.tracked) - names), [])
        self.assertEqual(sorted(names - set(self.built.tracked)), [])

    def test_wheel_is_the_package(self) -> None:
        """It holds all of the package, schema steps and py.typed too, both plugins, and nothing else: no tests."""
        folder, _, names = self.metadata()
        expected = [name for name in self.built.tracked if name.startswith(("smsconnector/", "twisted/"))]
        self.assertIn("smsconnector/store/schema/0001.sql", expected)
        self.assertIn("smsconnector/py.typed", expected)
        self.assertEqual(sorted(name for name in names if not name.startswith(folder)), sorted(expected))

    def test_metadata(self) -> None:
        """The license is named and comes along; the version is the one that the code tells."""
        folder, metadata, names = self.metadata()
        self.assertEqual((metadata["License-Expression"], metadata.get_all("License-File")), ("MIT", ["LICENSE"]))
        self.assertIn(f"{folder}licenses/LICENSE", names)
        self.assertEqual((metadata["Name"], metadata["Version"]), ("smsconnector", __version__))

    def test_manual_page(self) -> None:
        """It is made of the command line's help, so it has every command; man reads it without a complaint."""
        page = run(sys.executable, str(ROOT / "packaging" / "man.py"), cwd=ROOT)
        (commands,) = [one for one in make_parser()._actions if isinstance(one, argparse._SubParsersAction)]
        for name in commands.choices:
            escaped = name.replace("-", "\\-")
            self.assertIn(f'.SS "{escaped}"\n', page)
        self.assertIn("\\-\\-schema", page)
        if which("man") is not None:
            (self.built.target.parent / "smsconnector.1").write_text(page)
            shown = ["man", "-l", "--warnings=w", str(self.built.target.parent / "smsconnector.1")]
            done = subprocess.run(shown, capture_output=True, text=True, check=False)
            self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_installed(self) -> None:
        """The console script runs, and twistd finds both plugins, from the installed wheel and from nowhere else."""
        path = {"PYTHONPATH": str(self.built.target), "PYTHONDONTWRITEBYTECODE": "1"}
        said = run(str(self.built.target / "bin" / "smsconnector"), "--version", cwd=self.built.target.parent, **path)
        self.assertEqual(said.strip(), f"smsconnector {__version__}")
        folder = str(self.built.target / "twisted" / "plugins")
        said = run(sys.executable, "-c", PLUGINS, folder, cwd=self.built.target.parent, **path)
        package = str(self.built.target / "smsconnector" / "__init__.py")
        self.assertEqual(said.splitlines(), [package, "smsc-simulator", "smsconnector"])
