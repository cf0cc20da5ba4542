"""A real ActiveMQ of Debian's package ``activemq``, started on free loopback ports in a folder of its own.

``available()`` is None, or the one line that says what to install. A broker runs in its own process group and is
killed by the kernel when the test process dies, so nothing outlives a test.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

HOME = Path("/usr/share/activemq")
JAR = HOME / "bin" / "activemq.jar"
START_TIMEOUT = 20.0  # seconds; about one is needed
STOP_TIMEOUT = 5.0  # seconds

_XML = """\
<beans xmlns="http://www.springframework.org/schema/beans"
  xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
  xsi:schemaLocation="http://www.springframework.org/schema/beans
    http://www.springframework.org/schema/beans/spring-beans-2.0.xsd
    http://activemq.apache.org/schema/core http://activemq.apache.org/schema/core/activemq-core.xsd">
  <broker xmlns="http://activemq.apache.org/schema/core" useJmx="false" persistent="{persistent}" brokerName="test"
      dataDirectory="{folder}" advisorySupport="false">
    {policy}
    <plugins>
      <simpleAuthenticationPlugin anonymousAccessAllowed="{anonymous}" anonymousGroup="users"><users>
        <authenticationUser username="{login}" password="{passcode}" groups="users"/>
      </users></simpleAuthenticationPlugin>
      {authorization}
    </plugins>
    {tls}
    <transportConnectors>
      <transportConnector uri="stomp://127.0.0.1:{stomp}{frame}"/>
      <transportConnector uri="tcp://127.0.0.1:{openwire}"/>
      {tls_connector}
    </transportConnectors>
  </broker>
</beans>
"""

# As in a configuration that ActiveMQ's package ships: a queue without memory holds its producers back.
_FLOW_CONTROL = """\
<destinationPolicy><policyMap><policyEntries>
      <policyEntry queue=">" producerFlowControl="true" memoryLimit="{limit}"/>
    </policyEntries></policyMap></destinationPolicy>
"""
_TLS = """\
<sslContext><sslContext keyStore="file:{key_store}" keyStorePassword="secret" keyStoreType="PKCS12"
      trustStore="file:{trust_store}" trustStorePassword="secret" trustStoreType="PKCS12"/></sslContext>
"""

_AUTHORIZATION = """\
<authorizationPlugin><map><authorizationMap><authorizationEntries>
        <authorizationEntry queue="delivery-report" read="users" write="users" admin="users"/>
        <authorizationEntry queue="incoming-message" read="users" write="{writers}" admin="users"/>
        <authorizationEntry topic="ActiveMQ.Advisory.>" read="users" write="users" admin="users"/>
      </authorizationEntries></authorizationMap></map></authorizationPlugin>
"""


def available() -> str | None:
    """None if a broker can be started here, else what to do about it."""
    if not JAR.exists() or shutil.which("java") is None:
        return "needs a real broker: apt-get install activemq"
    return None


def die_with_parent() -> list[str]:
    """The command (util-linux) by which the kernel kills the broker when the thread that started it ends."""
    return ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []


def free_port() -> int:
    """A loopback port that nobody listens on at this moment."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class BrokerProcess:
    """A broker in a process group of its own, with its files in ``folder``."""

    def __init__(self, name: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"{name}-"))
        self._process: subprocess.Popen[bytes] | None = None

    def _launch(self, command: list[str], **more: Any) -> None:
        with (self.folder / "broker.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*die_with_parent(), *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **more,
            )

    def _wait_until(self, is_ready: Callable[[], bool], within: float) -> None:
        """Poll until it is ready; a broker that ended, or takes too long (s), is an error with its own words."""
        assert self._process is not None
        deadline = time.monotonic() + within
        while not is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                said = (self.folder / "broker.log").read_text(errors="replace")[-2000:]
                self.kill()
                raise RuntimeError(f"the broker did not start:\n{said}")
            time.sleep(0.02)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """The outage: kill -9 of the whole process group at once, as a power cut would."""
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):  # it ended by itself
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(STOP_TIMEOUT)

    def stop(self) -> None:
        """The end of the test: nothing stays, no process and no folder."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


class ActiveMQ(BrokerProcess):
    """One broker. ``start`` blocks until it answers (about a second); it can be stopped and started again on the
    same ports, and with ``persistent`` its messages are then still there. With ``guarded`` only those whom ``writers``
    names may write to the queue of incoming texts: "users" or nobody. ``memory_limit``: of each queue, with producer
    flow control ("60kb"). ``maximum_frame``: octets. ``stores``: PKCS12 files of the broker's key and of whom it trusts
    (passwords "secret"); it then has a port for TLS too, and wants to see a client's certificate there."""

    def __init__(
        self,
        persistent: bool = False,
        login: str | None = None,
        passcode: str = "",
        guarded: bool = False,
        memory_limit: str = "",
        maximum_frame: int = 0,
        stores: tuple[str, str] | None = None,
    ) -> None:
        super().__init__("activemq")
        self.persistent, self.login, self.passcode, self.guarded = persistent, login, passcode, guarded
        self.writers = "users"
        self.memory_limit, self.maximum_frame, self.stores = memory_limit, maximum_frame, stores
        self.stomp_port, self.openwire_port, self.tls_port = free_port(), free_port(), free_port()

    @property
    def uri(self) -> str:
        """For the sink."""
        return f"tcp://127.0.0.1:{self.stomp_port}"

    @property
    def jms_url(self) -> str:
        """For a JMS client."""
        return f"tcp://127.0.0.1:{self.openwire_port}"

    def start(self) -> Self:
        settings = [f"-Dactivemq.{name}={self.folder}" for name in ("base", "conf", "data")]
        java = ["java", "-Xmx512m", "-XX:TieredStopAtLevel=1", f"-Dactivemq.home={HOME}"]
        self._launch([*java, *settings, "-jar", str(JAR), "start", self._configuration()])
        self._wait_until(lambda: _accepts(self.stomp_port) and _accepts(self.openwire_port), START_TIMEOUT)
        return self

    def terminate(self) -> None:
        """The maintenance window: a stop in good order."""
        process, self._process = self._process, None
        if process is not None:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(STOP_TIMEOUT * 4)

    def _configuration(self) -> str:
        persistent = "true" if self.persistent else "false"
        is_plain = not (self.guarded or self.memory_limit or self.maximum_frame or self.stores)
        if self.login is None and is_plain:
            connectors = f"stomp://127.0.0.1:{self.stomp_port},tcp://127.0.0.1:{self.openwire_port}"
            options = f"persistent={persistent}&useJmx=false&advisorySupport=false&dataDirectory={self.folder}"
            return f"broker:({connectors})?{options}"
        xml = self.folder / "activemq.xml"
        key_store, trust_store = self.stores or ("", "")
        xml.write_text(
            _XML.format(
                policy=_FLOW_CONTROL.format(limit=self.memory_limit) if self.memory_limit else "",
                frame=f"?wireFormat.maxFrameSize={self.maximum_frame}" if self.maximum_frame else "",
                tls=_TLS.format(key_store=key_store, trust_store=trust_store) if self.stores else "",
                tls_connector=(
                    f'<transportConnector uri="stomp+ssl://127.0.0.1:{self.tls_port}?needClientAuth=true"/>'
                    if self.stores
                    else ""
                ),
                persistent=persistent,
                folder=self.folder,
                anonymous="true" if self.login is None else "false",
                authorization=_AUTHORIZATION.format(writers=self.writers) if self.guarded else "",
                login=self.login,
                passcode=self.passcode,
                stomp=self.stomp_port,
                openwire=self.openwire_port,
            )
        )
        return f"xbean:file:{xml}"


def _accepts(port: int) -> bool:
    with socket.socket() as sock:
        sock.settimeout(1)
        return sock.connect_ex(("127.0.0.1", port)) == 0
