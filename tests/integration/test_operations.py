"""The commands of ``docs/operations.rst`` are run, in their order, against a connector that runs.

The paths lead into a folder of the test. ``systemctl`` and ``pip`` are scripts that stand for the real ones: the first
starts and stops the daemon as the unit does, the second says what it was asked for.
"""

import getpass
import grp
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from tempfile import mkdtemp
from textwrap import dedent
from typing import Any

from twisted.trial.unittest import TestCase

from smsconnector import __version__
from tests.integration.activemq import free_port

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "operations.rst"
BIN = Path(sys.executable).parent
SYSTEMCTL = """#!/bin/bash
set -e
stop() {
    [ -e FOLDER/pid ] || return 0
    kill "$(cat FOLDER/pid)"
    while kill -0 "$(cat FOLDER/pid)" 2>/dev/null; do sleep 0.05; done
    rm FOLDER/pid
}
start() {
    cd FOLDER/lib
    setsid TWISTD --nodaemon --pidfile= smsconnector --config CONFIG \
        >>FOLDER/log 2>&1 </dev/null &
    echo $! >FOLDER/pid
    for _ in $(seq 400); do curl -s -o /dev/null http://127.0.0.1:PORT/msg-client/health && return 0; sleep 0.05; done
    cat FOLDER/log
    return 1
}
case "$1 $2" in
    "stop smsconnector") stop ;;
    "start smsconnector") start ;;
    "restart smsconnector") stop; start ;;
    *) exit 2 ;;
esac
"""


def blocks() -> dict[str, str]:
    """The literal blocks of the page, by the title that they stand under."""
    found: dict[str, str] = {}
    for title, body in re.findall(r"^(\S[^\n]*)\n-{3,}\n(.*?)(?=^\S[^\n]*\n-{3,}\n|\Z)", PAGE.read_text(), re.M | re.S):
        code = re.findall(r"::\n\n((?:    [^\n]*\n|\n)+)", body)
        if code:
            found[title] = "".join(map(dedent, code))
    return found


class OperationsCase(TestCase):
    timeout = 120

    def setUp(self) -> None:
        self.folder = Path(mkdtemp(prefix="operations-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.port = free_port()
        for name in ("bin", "etc", "lib"):
            (self.folder / name).mkdir()
        (self.folder / "etc" / "smsconnector.yaml").write_text(
            f"http: {{endpoints: ['tcp:{self.port}:interface=127.0.0.1']}}\n"
            f"store: {{path: {self.folder}/lib/smsconnector.db}}\n"
            f"channels: {{smpp: {{type: smpp, binds: [{{name: a, endpoint: 'tcp:127.0.0.1:{free_port()}',"
            " system_id: me, password: secret}]}}\n"
            f"events: {{uri: 'tcp://127.0.0.1:{free_port()}'}}\n"
        )
        self.script("systemctl", self.placed(SYSTEMCTL).replace("TWISTD", str(BIN / "twistd")))
        self.script("pip", f'#!/bin/bash\necho "pip $*" >>{self.folder}/asked\n')
        self.script("smsconnector", f'#!/bin/bash\nexec {sys.executable} -m smsconnector "$@"\n')

    def script(self, name: str, text: str) -> None:
        path = self.folder / "bin" / name
        path.write_text(text)
        path.chmod(0o755)

    def placed(self, text: str) -> str:
        """With the paths of the test."""
        text = text.replace("FOLDER", str(self.folder)).replace("PORT", str(self.port))
        for path, name in (
            ("/var/lib/smsconnector", "lib"),
            ("/var/backups", "backups"),
            ("/etc/smsconnector", "etc"),
            ("/opt/smsconnector/bin/", "bin/"),
        ):
            text = text.replace(path, f"{self.folder}/{name}")
        text = text.replace("CONFIG", f"{self.folder}/etc/smsconnector.yaml")
        group = grp.getgrgid(os.getgid()).gr_name
        return text.replace("-o smsconnector -g smsconnector", f"-o {getpass.getuser()} -g {group}")

    def run_script(self, text: str) -> str:
        """What it prints. It ends at the first command that fails, which fails the test."""
        path = f"{self.folder}/bin:{BIN}:{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", self.placed(text)],
            cwd=self.folder,
            env=os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        self.assertEqual(done.returncode, 0, f"{text}\n{done.stdout}{done.stderr}")
        return done.stdout

    def send(self) -> str:
        body = json.dumps({"To": "+923001234567", "Body": "Hello"}).encode()
        url = f"http://127.0.0.1:{self.port}/msg-client/send"
        with urllib.request.urlopen(self.authorized(url, body)) as answer:
            return str(answer.headers["X-Message-SID"])

    def known(self, sid: str) -> bool:
        try:
            url = f"http://127.0.0.1:{self.port}/msg-client/messages/{sid}"
            with urllib.request.urlopen(self.authorized(url)) as answer:
                found: Any = json.loads(answer.read())
                return bool(found["MessageSID"] == sid)
        except urllib.error.HTTPError as error:
            self.assertEqual(error.code, 404)
            return False

    def authorized(self, url: str, body: bytes | None = None) -> urllib.request.Request:
        return urllib.request.Request(url, body, {"Authorization": f"Bearer {self.key}"})

    def test_the_page(self) -> None:
        """A text that is accepted before the backup is there after the restore, one that came later is not; the same
        for a downgrade. What was there before is kept, and everything adds up."""
        page = blocks()
        self.assertEqual(list(page), ["Back up", "Restore", "Upgrade", "Downgrade"])
        self.addCleanup(self.end)
        said = self.run_script(
            "smsconnector key new ops --scope send --scope read --config /etc/smsconnector/smsconnector.yaml"
        )
        (self.key,) = re.findall(r"\b(\S{30,})\b", said)
        self.run_script("systemctl start smsconnector")
        before = self.send()
        self.run_script(page["Back up"])
        after = self.send()
        self.assertTrue(self.known(before) and self.known(after))
        self.assertIn("all adds up", self.run_script(page["Restore"]))
        self.assertTrue(self.known(before) and not self.known(after))
        self.assertTrue((self.folder / "lib" / "before" / "smsconnector.db").exists())
        self.assertIn(f"smsconnector {__version__}", self.run_script(page["Upgrade"]))
        self.assertTrue(self.known(before))
        last = self.send()
        self.run_script(page["Downgrade"])
        self.assertTrue(self.known(before) and not self.known(last))
        asked = (self.folder / "asked").read_text().splitlines()
        self.assertEqual(asked, ["pip install --upgrade smsconnector", "pip install smsconnector==OLD"])
        self.assertEqual(oct((self.folder / "lib" / "smsconnector.db").stat().st_mode & 0o777), "0o600")

    def end(self) -> None:
        """The daemon, if it still runs."""
        try:
            pid = int((self.folder / "pid").read_text())
            os.kill(pid, signal.SIGTERM)
        except (OSError, ValueError):
            return
        for _ in range(200):
            try:
                os.kill(pid, 0)
            except ProcessLookupError:
                return
            time.sleep(0.05)
