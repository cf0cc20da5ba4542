"""A JMS consumer in Java, for what only a real JMS client can tell: TextMessage or not, JMSType, delivery mode.

``Consumer.java`` is run from source by a JDK, or compiled once into a folder of the test run.
"""

import functools
import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread

_SOURCE = Path(__file__).with_name("Consumer.java")
_JAVA = Path("/usr/share/java")
_JARS = [
    "activemq-client.jar",
    "geronimo-jms_1.1_spec.jar",
    "geronimo-j2ee-management-1.1-spec.jar",
    "hawtbuf.jar",
    "slf4j-api.jar",
    "slf4j-nop.jar",
]
_START = 20.0  # seconds that a virtual machine may need to start, connect and end


def available() -> str | None:
    """None if the consumer can be run here, else the one line that says what to install."""
    if not (_JAVA / "activemq-client.jar").exists():
        return "needs ActiveMQ's JMS client: apt-get install activemq"
    if shutil.which("javac") is None:
        return "needs a Java compiler: apt-get install default-jdk-headless"
    return None


def consume(url: str, queue: str, count: int, silence: float, *selector: str) -> "Deferred[list[dict[str, Any]]]":
    """Read up to ``count`` messages, or until ``silence`` seconds pass without one. Runs in a thread; each
    message is a dict of kind, type, persistent, redelivered, event_id, correlation (JMSCorrelationID), spring (the
    property ``_type``) and text. With a JMS selector only those that it selects."""
    return deferToThread(_consume, url, queue, count, silence, *selector)


def _consume(url: str, queue: str, count: int, silence: float, *selector: str) -> list[dict[str, Any]]:
    command = ["java", "-XX:TieredStopAtLevel=1", "-cp", f"{_compiled()}:{classpath()}", "Consumer"]
    command += [url, queue, str(count), str(round(silence * 1000)), *selector]
    done = subprocess.run(command, capture_output=True, check=False, text=True, timeout=silence * 2 + _START)
    if done.returncode:
        raise RuntimeError(f"The JMS consumer failed:\n{done.stderr}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def classpath() -> str:
    """Of ActiveMQ's client and what it needs."""
    return ":".join(str(_JAVA / jar) for jar in _JARS)


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="jms-consumer-")


@functools.cache
def _compiled() -> str:
    """The folder with the class; compiled once in a process, removed with it."""
    folder = _folder().name
    subprocess.run(
        ["javac", "-nowarn", "-cp", classpath(), "-d", folder, str(_SOURCE)],
        check=True,
        capture_output=True,
        timeout=_START * 2,
    )
    return folder
