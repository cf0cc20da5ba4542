"""The Debian package in a clean root: ``python -m tests.endurance.package``, or ``make deb-check``. As root, on Debian.

1. ``packaging/deb.py`` builds the package, debootstrap makes a root with Debian's smallest set and python3 alone.
2. dpkg installs it there. User, modes, manual page and the check of the shipped configuration are looked at.
3. The simulator and, as the package's user, the daemon run in the root. A text is sent through both.
4. The configuration is changed, and the package installed again: what was changed stays. After a purge the
   configuration is gone, and the database is kept.

No systemd runs in such a root: the unit is not started here.
"""

import argparse
import json
import re
import subprocess
import sys
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.integration.activemq import free_port

ROOT = Path(__file__).resolve().parents[2]
CONFIGURATION = "etc/smsconnector/smsconnector.yaml"
TWISTD = "/usr/lib/smsconnector/bin/twistd"
LONGEST = 60.0  # seconds until the text has come


def said(*command: str) -> str:
    """What it prints; CalledProcessError, with all it said on stderr, if it fails."""
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


class CleanRoot:
    """A root in the folder ``path``. The network is that of this machine."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def make(self) -> None:
        parts = "--include=python3,ca-certificates"
        release = said("sh", "-c", ". /etc/os-release; echo $VERSION_CODENAME")
        subprocess.run(
            ["debootstrap", "--variant=minbase", parts, release, str(self.path)], check=True, stdout=subprocess.DEVNULL
        )

    def say(self, *command: str) -> str:
        return said("chroot", str(self.path), *command)

    def start(self, *command: str, user: str = "root") -> "subprocess.Popen[bytes]":
        """In the folder of the database."""
        shell = ("sh", "-c", 'cd /var/lib/smsconnector; exec "$@"', "-")
        return subprocess.Popen(["chroot", f"--userspec={user}", str(self.path), *shell, *command])

    def install(self, package: Path) -> str:
        (self.path / "tmp" / package.name).write_bytes(package.read_bytes())
        return self.say("dpkg", "--install", f"/tmp/{package.name}")


def check_files(root: CleanRoot) -> None:
    """What the installation has left."""
    assert root.say("smsconnector", "--version").startswith("smsconnector ")
    assert "good (1 channels, 1 binds)" in root.say("smsconnector", "check-config", f"/{CONFIGURATION}")
    assert root.say("stat", "-c", "%U %G %a", f"/{CONFIGURATION}") == "root smsconnector 640"
    assert root.say("stat", "-c", "%U %a", "/var/lib/smsconnector") == "smsconnector 700"
    unit = (root.path / "lib/systemd/system/smsconnector.service").read_text()
    for command in re.findall(r"^Exec\w+=(\S+)", unit, re.MULTILINE):
        assert not command.startswith("/usr/lib") or (root.path / command[1:]).exists(), command
    assert "/opt/" not in unit
    assert (root.path / "usr/share/man/man1/smsconnector.1.gz").exists()
    here = said("sh", "-c", f"grep -rIl smsconnector-deb- {root.path}/usr/lib/smsconnector || true")
    assert not here, f"the path of the build is in {here}"


def send_text(root: CleanRoot) -> None:
    """Through the daemon and the simulator, both in the root, the daemon as its user."""
    door, smsc = free_port(), free_port()
    path = root.path / CONFIGURATION
    text = path.read_text().replace("tcp:8080:", f"tcp:{door}:").replace("127.0.0.1:2775", f"127.0.0.1:{smsc}")
    path.write_text(text)
    with ExitStack() as stack:
        daemon = ("--nodaemon", "--pidfile=", "smsconnector", "--config", f"/{CONFIGURATION}")
        simulator = ("--nodaemon", "--pidfile=", "smsc-simulator", "--port", str(smsc), "--receipt-delay", "0.2")
        for process in (root.start(TWISTD, *simulator), root.start(TWISTD, *daemon, user="smsconnector:smsconnector")):
            stack.callback(process.wait)
            stack.callback(process.terminate)
        base = f"http://127.0.0.1:{door}/msg-client"
        until(lambda: ask(f"{base}/health")["binds"]["smpp/smsc-a"] == "bound")
        body = json.dumps({"To": "+923001234567", "Body": "Hello", "Reference": "package"}).encode()
        urllib.request.urlopen(f"{base}/send", body).close()
        until(lambda: ask(f"{base}/messages?reference=package")["messages"][0]["DeliveryStatus"] == "DELIVERED")


def ask(url: str) -> Any:
    with urllib.request.urlopen(url) as answer:
        return json.loads(answer.read())


def until(is_so: Any) -> None:
    """AssertionError if it is not within ``LONGEST``."""
    end = time.monotonic() + LONGEST
    while True:
        try:
            if is_so():
                return
        except (OSError, KeyError, IndexError):
            pass
        assert time.monotonic() < end, "not within a minute"
        time.sleep(0.2)


def check(root: CleanRoot, package: Path) -> None:
    """All of it."""
    assert "edit /etc/smsconnector/smsconnector.yaml" in root.install(package)
    check_files(root)
    print("installed")
    send_text(root)
    print("a text was sent, and has come")
    changed = (root.path / CONFIGURATION).read_text()
    root.install(package)
    assert (root.path / CONFIGURATION).read_text() == changed, "a conffile keeps what was changed"
    assert "is kept" in root.say("dpkg", "--purge", "smsconnector")
    assert not (root.path / CONFIGURATION).exists()
    assert (root.path / "var/lib/smsconnector/smsconnector.db").exists()
    print("installed again, and purged")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else "")
    parser.add_argument("--package", type=Path, help="instead of building one")
    parser.add_argument("--root", type=Path, help="a root that is there, instead of making one")
    options = parser.parse_args()
    with TemporaryDirectory(prefix="smsconnector-package-") as folder:
        package = options.package
        if package is None:
            package = Path(said(sys.executable, str(ROOT / "packaging" / "deb.py"), folder))
        print(f"{package.name}: {package.stat().st_size:,} octets")
        root = CleanRoot(options.root or Path(folder) / "root")
        if options.root is None:
            root.make()
        check(root, package)


if __name__ == "__main__":
    main()
