"""Build the Debian package: ``python packaging/deb.py [FOLDER]``, or ``make deb``. It prints the name of the file.

1. The package has a virtual environment of its own, below /usr/lib/smsconnector, with what requirements.lock names. So
   nothing of the system's Python packages matters, and it needs Debian's python3 of the release it is built on.
2. What pip writes into it with the path of the build is written anew with the path of the installation.
3. Beside it: the unit, the configuration as a conffile, the manual page, the documents.
4. dpkg-deb packs it; all files belong to root. gzip, for xz takes minutes and saves a quarter.

It is for the release of Debian and the architecture that it is built on: some of the dependencies are compiled.
"""

import gzip
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HOME = Path("/usr/lib/smsconnector")
PYTHON = "/usr/bin/python3"  # the one that the package depends on
COMMANDS = ("smsconnector", "twistd")  # of those that pip brings
SOURCE = ("setup.py", "pyproject.toml", "README.rst", "LICENSE", "MANIFEST.in", "smsconnector", "twisted")
DOCUMENTS = ("README.rst", "CHANGELOG.rst", "SECURITY.rst", "docs", "conf")
SCRIPTS = ("postinst", "prerm", "postrm")

CONTROL = """Package: smsconnector
Version: {version}
Section: net
Priority: optional
Architecture: {architecture}
Maintainer: the smsconnector authors <root@localhost>
Installed-Size: {size}
Depends: python3 (>= {python}), python3 (<< {next_python}), passwd
Recommends: ca-certificates
Suggests: activemq
Description: daemon that sends SMS: HTTP in, SMPP out, reports on a STOMP broker
 It takes texts from applications over HTTP, sends them to mobile networks over
 persistent SMPP binds or through HTTP providers, and tells on a queue what
 became of each: one honest report a message.
 .
 What was accepted is on disk, and survives a kill, a broker that is away and an
 SMSC that is down.
"""
COPYRIGHT = """Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

Files: *
Copyright: the smsconnector authors
License: Expat

Files: usr/lib/smsconnector/lib/*
Copyright: their authors, as their metadata in *.dist-info says
License: as said there

License: Expat
"""


def build(output: Path) -> Path:
    """The file of the package, in the folder ``output``."""
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="smsconnector-deb-") as folder:
        tree = Path(folder) / "tree"
        environment = tree / HOME.relative_to("/")
        environment.parent.mkdir(parents=True)
        make_environment(environment, Path(folder))
        relocate(environment)
        add_files(tree, environment)
        version = add_control(tree, environment)
        for path in [tree, *tree.rglob("*")]:
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        target = output / f"smsconnector_{version}_{_said('dpkg', '--print-architecture')}.deb"
        _run("dpkg-deb", "--root-owner-group", "-Zgzip", "--build", str(tree), str(target))
    return target


def make_environment(environment: Path, folder: Path) -> None:
    """The virtual environment with the connector and what it needs, in the versions that the lock has. The source is
    copied before, for a build leaves things behind, and would take what an earlier one has left."""
    source, constraints = folder / "source", folder / "constraints.txt"
    source.mkdir()
    for name in SOURCE:
        one = ROOT / name
        if one.is_dir():
            shutil.copytree(one, source / name, ignore=shutil.ignore_patterns("__pycache__", "dropin.cache"))
        else:
            shutil.copy(one, source)
    lock = (ROOT / "requirements.lock").read_text("utf-8")
    constraints.write_text("\n".join(re.findall(r"(?m)^([A-Za-z0-9._-]+==[^ \\;]+)", lock)) + "\n")
    _run(PYTHON, "-m", "venv", "--without-pip", str(environment))
    pip = (sys.executable, "-m", "pip", "--python", str(environment / "bin" / "python"))
    quiet = ("--quiet", "--disable-pip-version-check", "--no-input", "--no-compile")
    _run(*pip, "install", *quiet, "--constraint", str(constraints), str(source))


def relocate(environment: Path) -> None:
    """From the path of the build to that of the installation; and compile, for nobody may write there later."""
    for path in (environment / "bin").iterdir():
        if not path.is_symlink() and path.name not in COMMANDS:
            path.unlink()
    for path in [environment / "pyvenv.cfg", *(environment / "bin" / name for name in COMMANDS)]:
        path.write_text(path.read_text("utf-8").replace(str(environment), str(HOME)), "utf-8")
    for path in environment.rglob("direct_url.json"):  # where the source was at the build
        path.unlink()
    python = str(environment / "bin" / "python")
    _run(python, "-c", "from twisted.plugin import IPlugin, getPlugins; list(getPlugins(IPlugin))")
    for path in environment.rglob("__pycache__"):
        shutil.rmtree(path)
    library = str(environment / "lib")
    inside = ("-s", str(environment), "-p", str(HOME))
    _run(python, "-m", "compileall", "-q", *inside, "--invalidation-mode", "unchecked-hash", library)


def add_files(tree: Path, environment: Path) -> None:
    """What is not in the virtual environment."""
    unit = (ROOT / "systemd" / "smsconnector.service").read_text("utf-8")
    _write(tree / "lib/systemd/system/smsconnector.service", unit.replace("/opt/smsconnector/", f"{HOME}/"))
    _write(tree / "etc/smsconnector/smsconnector.yaml", (ROOT / "conf" / "smsconnector.yaml").read_text("utf-8"))
    command = tree / "usr/bin/smsconnector"
    command.parent.mkdir(parents=True)
    command.symlink_to(HOME / "bin" / "smsconnector")
    page = _said(str(environment / "bin" / "python"), str(ROOT / "packaging" / "man.py")) + "\n"
    (tree / "usr/share/man/man1").mkdir(parents=True)
    (tree / "usr/share/man/man1/smsconnector.1.gz").write_bytes(gzip.compress(page.encode(), mtime=0))
    documents = tree / "usr/share/doc/smsconnector"
    documents.mkdir(parents=True)
    for name in DOCUMENTS:
        one = ROOT / name
        if one.is_dir():
            shutil.copytree(one, documents / name, ignore=shutil.ignore_patterns("__pycache__", "*.py", "*.db*"))
        else:
            shutil.copy(one, documents)
    license_text = (ROOT / "LICENSE").read_text("utf-8")
    lines = (f" {line}" if line else " ." for line in license_text.splitlines())
    _write(documents / "copyright", COPYRIGHT + "\n".join(lines) + "\n")


def add_control(tree: Path, environment: Path) -> str:
    """What dpkg has to know; returns the version."""
    folder = tree / "DEBIAN"
    folder.mkdir()
    python = str(environment / "bin" / "python")
    version = _said(python, "-c", "import smsconnector; print(smsconnector.__version__)")
    major, minor = _said(python, "-c", "import sys; print(*sys.version_info[:2])").split()
    size = sum(path.stat().st_size for path in tree.rglob("*") if path.is_file() and not path.is_symlink())
    control = CONTROL.format(
        version=version,
        architecture=_said("dpkg", "--print-architecture"),
        size=size // 1024,
        python=f"{major}.{minor}",
        next_python=f"{major}.{int(minor) + 1}",
    )
    _write(folder / "control", control)
    _write(folder / "conffiles", "/etc/smsconnector/smsconnector.yaml\n")
    for name in SCRIPTS:
        shutil.copy(ROOT / "packaging" / "debian" / name, folder)
        (folder / name).chmod(0o755)
    return version


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


def _run(*command: str) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def _said(*command: str) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


if __name__ == "__main__":
    print(build(Path(sys.argv[1] if len(sys.argv) > 1 else "dist").resolve()))
