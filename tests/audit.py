"""``make audit``: what is installed, beside requirements.lock; what advisories say of it; what bandit says of the code.

1. The lock is whole: each package has one version and its hashes; what setup.py wants is in it, and allowed by it.
2. What is installed here is what the lock says, and nothing more.
3. pip-audit asks the advisory service of the package index for each package. Where that can't be reached, that is said,
   and is no error: then the hashes stand alone.
4. bandit reads the package. Each exception has its reason beside it.

Ends with 1 if something is wrong.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from importlib.metadata import distributions, requires
from pathlib import Path
from typing import Any, NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements.lock"
OURS = "smsconnector"
NOT_LOCKED = {OURS, "pip", "wheel"}  # unless something wants them: ourselves, and what a new environment brings
EXTRAS = ("", "test", "demo")  # that `make install` installs
ACCEPTED: dict[str, str] = {}  # advisories that don't concern us, by their ids: why
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)


class Pin(NamedTuple):
    version: str
    hashes: int


def locked(text: str) -> dict[str, Pin]:
    """The packages of a lock, by name."""
    pins = [*_PIN.finditer(text)]
    ends = [pin.start() for pin in pins[1:]] + [len(text)]
    return {
        canonicalize_name(pin[1]): Pin(pin[2], len(re.findall(r"--hash=sha256:[0-9a-f]{64}\b", text[pin.end() : end])))
        for pin, end in zip(pins, ends, strict=True)
    }


def faults_of_lock(lock: Mapping[str, Pin], wanted: Iterable[Requirement]) -> list[str]:
    """A sentence for each thing that is wrong with it. ``wanted``: what setup.py asks for."""
    found = [f"{name} {pin.version} has no hash in the lock" for name, pin in lock.items() if not pin.hashes]
    for one in wanted:
        pin = lock.get(canonicalize_name(one.name))
        if pin is None:
            found.append(f"setup.py wants {one}, and the lock has no {one.name}")
        elif not one.specifier.contains(pin.version, prereleases=True):
            found.append(f"setup.py wants {one}, and the lock has {pin.version}")
    return found


def faults_of_installed(lock: Mapping[str, Pin], installed: Mapping[str, str]) -> list[str]:
    """A sentence for each difference between what is here and the lock."""
    found = []
    for name in sorted({*lock, *installed}):
        here, there = installed.get(name), lock[name].version if name in lock else None
        if here != there and (there or name not in NOT_LOCKED):
            found.append(f"{name}: {here or 'not'} installed, {there or 'not'} locked")
    return found


def wanted_here() -> list[Requirement]:
    """What our own metadata asks for here."""
    asked = [Requirement(one) for one in requires(OURS) or ()]
    return [one for one in asked if one.marker is None or any(one.marker.evaluate({"extra": name}) for name in EXTRAS)]


def installed_here() -> dict[str, str]:
    return {canonicalize_name(one.metadata["Name"]): one.version for one in distributions()}


def faults_of_advisories(report: Any) -> tuple[int, list[str]]:
    """Of how many packages anything is known, and the advisories that nobody has accepted. ``report``: pip-audit's."""
    asked = [one for one in report["dependencies"] if "skip_reason" not in one]
    found = [
        f"{one['name']} {one['version']}: {weakness['id']}, mended in {', '.join(weakness['fix_versions']) or 'none'}"
        for one in asked
        for weakness in one["vulns"]
        if ACCEPTED.keys().isdisjoint({weakness["id"], *weakness.get("aliases", ())})
    ]
    return len(asked), found


def ask_advisories() -> tuple[int, list[str]]:
    options = ["-r", str(LOCK), "--no-deps", "--disable-pip", "-f", "json", "--progress-spinner", "off"]
    done = subprocess.run([_tool("pip-audit"), *options], capture_output=True, text=True, timeout=300, check=False)
    try:
        return faults_of_advisories(json.loads(done.stdout))
    except ValueError:
        return 0, []


def bandit() -> list[str]:
    folders = ["smsconnector", "twisted", "setup.py"]
    done = subprocess.run(
        [_tool("bandit"), "-q", "-c", "pyproject.toml", "-f", "json", "-r", *folders],
        cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    report = json.loads(done.stdout)
    found = [
        f"{one['filename']}:{one['line_number']}: {one['test_id']}: {one['issue_text']}" for one in report["results"]
    ]
    return found + [f"bandit can't read {one['filename']}: {one['reason']}" for one in report["errors"]]


def _tool(name: str) -> str:
    return str(Path(sys.executable).parent / name)


def main() -> int:
    lock = locked(LOCK.read_text())
    faults = faults_of_lock(lock, wanted_here()) + faults_of_installed(lock, installed_here())
    if faults:
        faults.append(
            "the lock and what is here differ: `make lock`, then `make install LOCKED=1` in a new environment"
        )
    known, advisories = ask_advisories()
    print(f"{len(lock)} packages are locked; advisories are known for {known or 'none: the service was not reached'}")
    faults += advisories + bandit()
    for one in faults:
        print(one)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
