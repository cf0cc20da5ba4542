"""A real Kannel of Debian's package ``kannel``: bearerbox and smsbox on free loopback ports, in a folder of their own.

``available()`` is None, or the one line that says what to install. Both processes are in process groups of their own
and are killed by the kernel when the test process dies.
"""

import shutil
import socket
from contextlib import closing
from pathlib import Path
from typing import Self

from tests.integration.activemq import BrokerProcess, free_port

BEARERBOX, SMSBOX = Path("/usr/sbin/bearerbox"), Path("/usr/sbin/smsbox")
START_TIMEOUT = 20.0  # seconds; about one is needed

_CONFIGURATION = """\
group = core
admin-port = {admin}
admin-interface = 127.0.0.1
admin-password = admin
smsbox-port = {box}
smsbox-interface = 127.0.0.1
box-allow-ip = "127.0.0.1"
dlr-storage = internal
log-level = 1
{core}

group = smsc
smsc = smpp
smsc-id = simulator
host = 127.0.0.1
port = {smsc}
transceiver-mode = true
smsc-username = kannel
smsc-password = kannel
system-type = ""
max-pending-submits = 50
reconnect-delay = 1

group = smsbox
bearerbox-host = 127.0.0.1
bearerbox-port = {box}
sendsms-port = {sendsms}
sendsms-interface = 127.0.0.1
log-level = 1

group = sendsms-user
username = tester
password = "s3cret & more"
concatenation = true
max-messages = 10

group = sms-service
keyword = default
{service}
max-messages = 0
"""


def available() -> str | None:
    """None if a Kannel can be started here, else what to do about it."""
    return None if BEARERBOX.exists() and SMSBOX.exists() else "needs a real Kannel: apt-get install kannel"


class _Box(BrokerProcess):
    """One of its two processes."""

    def start(self, program: Path, configuration: Path, port: int, verbosity: int) -> Self:
        self._launch([str(program), "-v", str(verbosity), str(configuration)], cwd=self.folder)
        self._wait_until(lambda: _accepts(port), START_TIMEOUT)
        return self


class Kannel:
    """Bearerbox and smsbox; ``smsc_port`` is the SMSC's that the bearerbox binds to. ``password`` is that of the user
    ``tester``. ``core``: more lines of that group; ``{folder}`` there is one that ends with the Kannel. ``service``:
    what is done with texts from handsets. ``verbosity``: 0 logs each PDU, as the tests want to see them; 1 is "info", 2
    warnings."""

    password = "s3cret & more"

    def __init__(self, smsc_port: int, core: str = "", service: str = 'text = ""', verbosity: int = 0) -> None:
        self.port, self._verbosity = free_port(), verbosity
        self._bearerbox, self._smsbox = _Box("bearerbox"), _Box("smsbox")
        self._box = free_port()
        self._configuration = self._bearerbox.folder / "kannel.conf"
        self._configuration.write_text(
            _CONFIGURATION.format(
                admin=free_port(),
                box=self._box,
                smsc=smsc_port,
                sendsms=self.port,
                core=core.format(folder=self._bearerbox.folder),
                service=service,
            )
        )

    def start(self) -> Self:
        """Blocks until it answers."""
        self._bearerbox.start(BEARERBOX, self._configuration, self._box, self._verbosity)
        self._smsbox.start(SMSBOX, self._configuration, self.port, self._verbosity)
        return self

    @property
    def pids(self) -> list[int]:
        """Of both processes."""
        return [self._bearerbox.pid, self._smsbox.pid]

    def said(self) -> str:
        """The logs of both."""
        logs = (box.folder / "broker.log" for box in (self._bearerbox, self._smsbox))
        return "\n".join(log.read_text(errors="replace")[-2000:] for log in logs if log.exists())

    def kill(self) -> None:
        """The smsbox at once, as an outage: connections to sendsms are refused then."""
        self._smsbox.kill()

    def again(self) -> None:
        """The smsbox, after ``kill``."""
        self._smsbox.start(SMSBOX, self._configuration, self.port, self._verbosity)

    def stop(self) -> None:
        """Nothing stays."""
        self._smsbox.stop()
        self._bearerbox.stop()
        shutil.rmtree(self._bearerbox.folder, ignore_errors=True)


def _accepts(port: int) -> bool:
    try:
        with closing(socket.create_connection(("127.0.0.1", port), 0.2)):
            return True
    except OSError:
        return False
