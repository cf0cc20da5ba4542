"""A real RabbitMQ of Debian's package ``rabbitmq-server`` with its plugin ``rabbitmq_stomp``, on free loopback ports in
a folder of its own.

``available()`` is None, or the one line that says what to install. The node and its epmd (Erlang's name server, one of
our own, in the foreground) run in one process group, and are killed by the kernel when the test process dies.
"""

import base64
import contextlib
import hashlib
import json
import os
import shutil
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from tests.integration.activemq import BrokerProcess, free_port

SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
START_TIMEOUT = 60.0  # seconds; about six are needed
LOGIN = PASSCODE = "guest"


def available() -> str | None:
    """None if a broker can be started here, else what to do about it."""
    if not SERVER.exists() or shutil.which("epmd") is None:
        return "needs a real broker: apt-get install rabbitmq-server"
    return None


class RabbitMQ(BrokerProcess):
    """One node. ``start`` blocks until it takes a STOMP session; it can be killed and started again on the same ports,
    and its durable queues are then still there. ``queues``: names and arguments of durable queues that are there from
    the beginning, as ``/amq/queue/NAME`` reaches them. ``writable``: a regular expression, for the names of the queues
    and exchanges that the user may write to."""

    def __init__(self, queues: Mapping[str, Mapping[str, Any]] | None = None, writable: str = ".*") -> None:
        super().__init__("rabbitmq")
        self.queues, self.writable = dict(queues or {}), writable
        self.stomp_port, self.amqp_port = free_port(), free_port()
        self._node_port, self._epmd_port = free_port(), free_port()

    @property
    def uri(self) -> str:
        """For the sink."""
        return f"tcp://127.0.0.1:{self.stomp_port}"

    def start(self) -> Self:
        command = f"epmd -port {self._epmd_port} -address 127.0.0.1 & exec {SERVER}"
        self._launch(["sh", "-c", command], cwd=self.folder, env=self._environment())
        self._wait_until(self._takes_sessions, START_TIMEOUT)
        return self

    def _environment(self) -> dict[str, str]:
        folder = self.folder
        (folder / "enabled_plugins").write_text("[rabbitmq_stomp].\n")
        (folder / "definitions.json").write_text(json.dumps(self._definitions()))
        (folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.default = 127.0.0.1:{self.amqp_port}\n"
            f"stomp.listeners.tcp.1 = 127.0.0.1:{self.stomp_port}\n"
            f"load_definitions = {folder}/definitions.json\n"
            "disk_free_limit.absolute = 1MB\n"
        )
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),  # of Erlang's cookie
            "LANG": "C.UTF-8",
            "RABBITMQ_NODENAME": f"node{self.stomp_port}@localhost",
            "RABBITMQ_DIST_PORT": str(self._node_port),
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_PID_FILE": str(folder / "pid"),
        }

    def _definitions(self) -> dict[str, Any]:
        """What the node makes at its start. A password is stored as salt and SHA-256."""
        salt = b"salt"
        hashed = base64.b64encode(salt + hashlib.sha256(salt + PASSCODE.encode()).digest()).decode()
        algorithm = "rabbit_password_hashing_sha256"
        user = {"name": LOGIN, "password_hash": hashed, "hashing_algorithm": algorithm, "tags": "administrator"}
        may = {"user": LOGIN, "vhost": "/", "configure": ".*", "write": self.writable, "read": ".*"}
        return {
            "users": [user],
            "vhosts": [{"name": "/"}],
            "permissions": [may],
            "queues": [
                {"name": name, "vhost": "/", "durable": True, "auto_delete": False, "arguments": dict(arguments)}
                for name, arguments in self.queues.items()
            ],
        }

    def _takes_sessions(self) -> bool:
        """Whether CONNECT is answered by CONNECTED. The port is open some time before that."""
        connect = f"CONNECT\naccept-version:1.2\nlogin:{LOGIN}\npasscode:{PASSCODE}\nhost:/\n\n\0"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.stomp_port), 2) as sock:
            sock.sendall(connect.encode())
            return sock.recv(64).startswith(b"CONNECTED")
        return False
