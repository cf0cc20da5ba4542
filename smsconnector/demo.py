"""``smsconnector demo``: show the connector at work, on one machine, with one command.

1. The broker is the one that answers at the configured address, else an embedded one (coilmq).
2. The SMSC simulator and the connector are started, each as a process. Their data is in a temporary folder.
3. Three texts are sent over HTTP. The log lines of each process, and each report from the queue, are shown as they
   come.
4. Then the demo shows a command to try, and goes on until Ctrl-C.
"""

import contextlib
import ctypes
import importlib.util
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from stompest.config import StompConfig
from stompest.sync import Stomp

from smsconnector.channels.smpp.settings import BindSection, SMPPChannelSection
from smsconnector.config import Configuration, load
from smsconnector.errors import ConfigurationError
from smsconnector.sinks.stomp.destinations import destination_of
from smsconnector.sinks.stomp.failover import Broker, FailoverURI
from smsconnector.sinks.stomp.settings import StompSection

TEXTS = (
    ("a plain text, one segment in GSM-7", "+923001234567", "Your order 4711 is on its way. Reply STOP to end."),
    (
        "Urdu and emoji, several segments in UCS-2",
        "+923007654321",
        "السلام علیکم! آپ کا آرڈر روانہ کر دیا گیا ہے اور کل شام تک آپ کے پتے پر پہنچ جائے گا۔ "  # noqa: RUF100
        "کسی بھی سوال کے لیے اسی نمبر پر جواب دیں۔ شکریہ 🙏👨‍👩‍👧‍👦 خریداری جاری رکھیں!",
    ),
    ("one that the network can't deliver", "+923009999999", "This one fails: #fail"),
)
WAIT_TIMEOUT = 30.0  # seconds for each thing that is waited for


class DemoError(Exception):
    """The demo can't go on; the text says why."""


class Parts:
    """The processes of the demo; ``close`` ends each by its process group."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._processes: list[subprocess.Popen[str]] = []

    def start(self, name: str, *command: str) -> None:
        """Start a process, and show its log lines under ``name``."""
        process = subprocess.Popen(
            command,
            cwd=self._folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
            preexec_fn=_end_with_parent,  # noqa: PLW1509 — it is one system call, and takes no lock
        )
        self._processes.append(process)
        assert process.stdout is not None
        threading.Thread(target=_show, args=(name, process.stdout), daemon=True).start()

    def check(self) -> None:
        """Raises DemoError if one of them has ended."""
        for process in self._processes:
            if process.poll() is not None:
                raise DemoError(f"a part of the demo ended with {process.returncode}; its last lines say why")

    def close(self) -> None:
        for process in reversed(self._processes):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        for process in self._processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)


def _end_with_parent() -> None:
    """In a child: SIGTERM when the demo is gone, however it went (Linux: prctl, PR_SET_PDEATHSIG)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def _interrupt(_signal: int, _frame: Any) -> None:
    raise KeyboardInterrupt


def say(name: str, text: str) -> None:
    print(f"{name:>10} | {text}", flush=True)


def _show(name: str, lines: IO[str]) -> None:
    """A child's log without twistd's own prefix."""
    for line in lines:
        text = line.rstrip()
        if text.startswith("20") and "] " in text:
            text = text.split("] ", 1)[1]
        if text and "twistd" not in text and "reactor class" not in text:
            say(name, text)


def run(path: str, once: bool = False) -> int:
    """Run the demo with the configuration file ``path`` until Ctrl-C or, with ``once``, until the three reports have
    come. Returns the exit status: 1 if the demo could not go on, else 0."""
    for end in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # a shell's background job ignores the first
        signal.signal(end, _interrupt)
    try:
        configuration = load(path)
        with tempfile.TemporaryDirectory(prefix="smsconnector-demo-") as folder:
            parts = Parts(folder)
            try:
                _walk(configuration, str(Path(path).resolve()), parts, once)
            finally:
                for end in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                    signal.signal(end, signal.SIG_IGN)
                say("demo", "ending ...")
                parts.close()
    except KeyboardInterrupt:
        return 0
    except (ConfigurationError, DemoError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    return 0


def _walk(configuration: Configuration, path: str, parts: Parts, once: bool) -> None:
    channel, events = next(iter(configuration.channels.values())), configuration.events
    if not isinstance(channel, SMPPChannelSection) or not isinstance(events, StompSection):
        raise DemoError("the demo needs a first channel of type smpp, and stomp as the sink of its events")
    bind = channel.binds[0]
    _, smsc_host, smsc_port = bind.address
    broker = FailoverURI.parse(events.uri).brokers[0]
    http_port = int(configuration.http.endpoints[0].split(":")[1])
    for name, port in (("connector", http_port), ("SMSC simulator", smsc_port)):
        if _answers("127.0.0.1", port):
            raise DemoError(f"port {port} is taken, the {name} of the demo needs it: stop what listens there")
    _find_broker(broker, parts)
    _start_smsc(bind, parts)
    _await(lambda: _answers(smsc_host, smsc_port), parts, "the SMSC simulator")
    parts.start("connector", _script("twistd"), "--nodaemon", "--pidfile=", "smsconnector", "--config", path)
    _await(lambda: _answers("127.0.0.1", http_port), parts, "the connector")

    base = f"http://127.0.0.1:{http_port}{configuration.http.base_path}"
    with _reports(events, broker.host, broker.port) as reports:
        _show_texts(base, reports, parts, once)


def _find_broker(broker: Broker, parts: Parts) -> None:
    """Use the broker that answers at this address, or start an embedded one there. Raises DemoError."""
    if _answers(broker.host, broker.port):
        say("demo", f"using the broker at {broker.host}:{broker.port}")
    else:
        if importlib.util.find_spec("coilmq") is None:
            raise DemoError(
                f"no broker answers at {broker.host}:{broker.port}, and the embedded one is not installed: start a "
                "broker there, or install smsconnector with its extra [demo]"
            )
        say("demo", f"no broker at {broker.host}:{broker.port}: starting an embedded one")
        parts.start("broker", sys.executable, "-m", "smsconnector.demo", broker.host, str(broker.port))
        _await(lambda: _answers(broker.host, broker.port), parts, "the broker")


def _start_smsc(bind: BindSection, parts: Parts) -> None:
    """Start the simulator at the port that the bind connects to."""
    parts.start(
        "smsc",
        _script("twistd"),
        "--nodaemon",
        "--pidfile=",
        "smsc-simulator",
        "--port",
        str(bind.address[2]),
        "--system-id",
        bind.system_id,
        "--password",
        bind.secret(),
        "--receipt-delay",
        "1",
        "--verbose",
    )


def _show_texts(base: str, reports: "queue.Queue[Any]", parts: Parts, once: bool) -> None:
    """Send the three texts and wait for their reports. Then show each report that comes, unless ``once``."""
    waiting = {_send(base, *text) for text in TEXTS}
    deadline = time.monotonic() + WAIT_TIMEOUT
    while waiting and time.monotonic() < deadline:
        parts.check()
        waiting.discard(_next_report(reports))
    if waiting:
        raise DemoError(f"{len(waiting)} of the texts had no report within {WAIT_TIMEOUT:.0f} s")
    say("demo", "all three texts have their one report each.")
    if once:
        return
    say("demo", "try it yourself (Ctrl-C ends everything):")
    print(f"""
  curl -i {base}/send -H 'Content-Type: application/json' \\
       -d '{{"To": "+923001234567", "Body": "Hello from curl", "channel": "smpp"}}'
""")
    while True:
        parts.check()
        _next_report(reports)


def _send(base: str, what: str, to: str, body: str) -> str:
    """Send a text over HTTP; returns its MessageSID. Raises DemoError."""
    say("demo", f"POST {base}/send: {what}")
    request = urllib.request.Request(
        f"{base}/send",
        json.dumps({"To": to, "Body": body, "channel": "smpp"}).encode(),
        {"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=WAIT_TIMEOUT) as response:
            sid = str(response.headers["X-Message-SID"])
            say("demo", f"{response.status}, X-Message-SID: {sid}")
            return sid
    except urllib.error.HTTPError as error:
        raise DemoError(f"the connector answered {error.code}: {error.read().decode()}") from None


def _next_report(reports: "queue.Queue[Any]") -> str:
    """Wait half a second for a message from the queues, and show it; returns its MessageSID, "" if there is none."""
    try:
        frame = reports.get(timeout=0.5)
    except queue.Empty:
        return ""
    body = frame.body.decode()
    say("queue", f"{frame.headers.get('destination', '')} [{frame.headers.get('type', '')}] {body}")
    return str(json.loads(body).get("MessageSID", ""))


@contextlib.contextmanager
def _reports(events: StompSection, host: str, port: int) -> "Iterator[queue.Queue[Any]]":
    """A subscriber to both queues, in a thread."""
    client = Stomp(StompConfig(f"tcp://{host}:{port}", login=events.login or "", passcode=events.secret() or ""))
    client.connect()
    for name in (events.delivery_report, events.incoming_message):
        client.subscribe(destination_of(name), {"ack": "auto"})
    found: queue.Queue[Any] = queue.Queue()
    over = threading.Event()

    def read() -> None:
        try:
            while not over.is_set():
                if client.canRead(0.2):
                    found.put(client.receiveFrame())
        except Exception as error:  # noqa: BLE001 — the broker went away: the demo's parts say why
            say("queue", f"the subscription ended: {error}")

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        yield found
    finally:
        over.set()
        reader.join(2)
        client.close()


def _answers(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False


def _await(condition: Any, parts: Parts, what: str) -> None:
    deadline = time.monotonic() + WAIT_TIMEOUT
    while not condition():
        parts.check()
        if time.monotonic() > deadline:
            raise DemoError(f"{what} did not come up within {WAIT_TIMEOUT:.0f} s")
        time.sleep(0.05)


def _script(name: str) -> str:
    """A console script beside this interpreter."""
    return str(Path(sys.executable).parent / name)


def _embedded_broker(host: str, port: int) -> None:
    """coilmq, in this process, until it is ended."""
    from coilmq.queue import QueueManager  # noqa: PLC0415 — an extra, only for the demo
    from coilmq.scheduler import FavorReliableSubscriberScheduler, RandomQueueScheduler  # noqa: PLC0415
    from coilmq.server.socket_server import ThreadedStompServer  # noqa: PLC0415
    from coilmq.store.memory import MemoryQueue  # noqa: PLC0415
    from coilmq.topic import TopicManager  # noqa: PLC0415

    socket.getfqdn = lambda name="": host  # the only name coilmq takes in CONNECT, whatever this machine's is
    server = ThreadedStompServer(
        (host, port),
        queue_manager=QueueManager(
            store=MemoryQueue(),
            subscriber_scheduler=FavorReliableSubscriberScheduler(),
            queue_scheduler=RandomQueueScheduler(),
        ),
        topic_manager=TopicManager(),
        authenticator=None,
    )
    server.serve_forever()


if __name__ == "__main__":
    _embedded_broker(sys.argv[1], int(sys.argv[2]))
