"""``smsconnector demo``: show the connector at work, on one machine, with one command.

1. An embedded broker (coilmq), the SMSC simulator and the connector are started, each as a process. Their data is in a
   temporary folder, and so is the configuration.
2. Each listens at a free port of 127.0.0.1. The demo never connects to a broker or an SMSC that it finds: reports on a
   real queue belong to others, and real texts cost money. Nor does it stand at the port of a broker or an SMSC, where a
   connector in use might find it. HTTP is at 8080 if that is free, for people to try.
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
import subprocess  # nosec B404 # its arguments are ours, and no shell reads them
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

import yaml
from stompest.config import StompConfig
from stompest.error import StompError
from stompest.sync import Stomp

from smsconnector import terminal

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
HOST = "127.0.0.1"  # of all parts
HTTP_PORT = 8080  # if it is free
DIRECTLY = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # whatever http_proxy says
QUEUES = ("delivery-report", "incoming-message")  # of the demo's own broker
BROKER, SMSC, CONNECTOR = "the broker", "the SMSC simulator", "the connector"


class DemoError(Exception):
    """The demo can't go on; the text says why."""


class Interrupted(Exception):
    """The signal ``number`` ends the demo."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


class Ports(NamedTuple):
    """Where the parts listen."""

    http: int
    smsc: int
    broker: int


class Parts:
    """The processes of the demo; ``close`` ends each by its process group."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._processes: dict[str, subprocess.Popen[str]] = {}
        self._signal = 0  # the number of the one that came

    def end_by_signals(self) -> None:
        """From now on a signal has the next ``check`` raise Interrupted. A handler that raises would not do: Python
        drops what is raised while it runs code of its own."""

        def note(number: int, _frame: Any) -> None:
            self._signal = number

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # a shell's background job ignores the first
            signal.signal(number, note)

    def start(self, what: str, name: str, *command: str) -> None:
        """Start a process, and show its log lines under ``name``. ``what`` is its name in a sentence."""
        process = subprocess.Popen(  # nosec B603 # its arguments are ours, and no shell reads them
            command,
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"},
            preexec_fn=_end_with_parent,  # noqa: PLW1509 — it is one system call, and takes no lock
        )
        self._processes[what] = process
        say("demo", f"{what} is process {process.pid}")
        assert process.stdout is not None
        threading.Thread(target=_show, args=(name, process.stdout), daemon=True).start()

    def check(self) -> None:
        """Raises Interrupted if a signal has come, and DemoError if one of the processes has ended."""
        if self._signal:
            raise Interrupted(self._signal)
        for what, process in self._processes.items():
            if process.poll() is not None:
                raise DemoError(f"{what} has ended with {process.returncode}; its last lines say why")

    def close(self) -> None:
        """End one after the other, the last one first: the connector still has its SMSC and its broker then."""
        for process in reversed(self._processes.values()):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)


def _end_with_parent() -> None:
    """In a child: SIGTERM when the demo is gone, however it went (Linux: prctl, PR_SET_PDEATHSIG)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def say(name: str, text: str) -> None:
    terminal.say(f"{name:>10} | {text}")


def _show(name: str, lines: IO[str]) -> None:
    """A child's log without twistd's own prefix."""
    for line in lines:
        text = line.rstrip()
        if text.startswith("20") and "] " in text:
            text = text.split("] ", 1)[1]
        if text and "twistd" not in text and "reactor class" not in text:
            say(name, text)


def run(once: bool = False) -> int:
    """Run the demo until Ctrl-C or, with ``once``, until the three reports have come. Returns the exit status: 0 if
    they have come, 1 if the demo could not go on, 128 and its number if a signal has ended it before they came."""
    shown: list[str] = []
    try:
        with tempfile.TemporaryDirectory(prefix="smsconnector-demo-") as folder:
            parts = Parts(folder)
            parts.end_by_signals()
            try:
                _walk(folder, parts, once, shown)
            finally:
                say("demo", "ending ...")
                parts.close()
    except Interrupted as interrupted:
        return 0 if shown else 128 + interrupted.number
    except (DemoError, OSError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    return 0


def _walk(folder: str, parts: Parts, once: bool, shown: list[str]) -> None:
    if importlib.util.find_spec("coilmq") is None:
        raise DemoError(
            "the embedded broker is not installed: install smsconnector with its extra, pip install 'smsconnector"
            "[demo]', or '.[demo]' in its source"
        )
    ports = _free_ports()
    if ports.http != HTTP_PORT:
        say("demo", f"port {HTTP_PORT} is taken: the connector listens on {ports.http}")
    path = Path(folder) / "demo.yaml"
    path.write_text(yaml.safe_dump(_configuration(ports), sort_keys=False), "utf-8")
    say("demo", f"the configuration is {path}")
    parts.start(BROKER, "broker", sys.executable, "-m", "smsconnector.demo", HOST, str(ports.broker))
    _await(ports.broker, parts, BROKER)
    _start_smsc(ports.smsc, parts)
    _await(ports.smsc, parts, SMSC)
    parts.start(
        CONNECTOR, "connector", _script("twistd"), "--nodaemon", "--pidfile=", "smsconnector", "--config", str(path)
    )
    _await(ports.http, parts, CONNECTOR)
    with _reports(ports.broker) as reports:
        _show_texts(f"http://{HOST}:{ports.http}/msg-client", reports, parts, once, shown)


def _free_ports() -> Ports:
    """Ports that nobody listens at. They are held until all are found, so that they differ."""
    with contextlib.ExitStack() as stack:
        found = []
        for wanted in (HTTP_PORT, 0, 0):
            holder = stack.enter_context(socket.socket())
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as Twisted does
            try:
                holder.bind((HOST, wanted))
            except OSError:
                holder.bind((HOST, 0))
            found.append(holder.getsockname()[1])
        return Ports(*found)


def _configuration(ports: Ports) -> dict[str, Any]:
    """The connector's, as ``conf/smsconnector.yaml`` explains it."""
    bind = {
        "name": "simulator",
        "endpoint": f"tcp:{HOST}:{ports.smsc}",
        "system_id": "demo",
        "password": "demo",  # nosec B105 # the simulator's own
        "source": "8228",
    }
    return {
        "http": {"endpoints": [f"tcp:{ports.http}:interface={HOST}"]},
        "store": {"path": "demo.db"},
        "channels": {"smpp": {"type": "smpp", "binds": [bind]}},
        # coilmq loses its way in heart-beats and in frames that cross its reads of 4096 octets
        "events": {"uri": f"failover:(tcp://{HOST}:{ports.broker})", "heartbeat": 0, "window": 4000},
    }


def _start_smsc(port: int, parts: Parts) -> None:
    parts.start(
        SMSC,
        "smsc",
        _script("twistd"),
        "--nodaemon",
        "--pidfile=",
        "smsc-simulator",
        "--port",
        str(port),
        "--system-id",
        "demo",
        "--password",
        "demo",
        "--receipt-delay",
        "1",
        "--verbose",
    )


def _show_texts(base: str, reports: "queue.Queue[Any]", parts: Parts, once: bool, shown: list[str]) -> None:
    """Send the three texts and wait for their reports, which go to ``shown`` when all are there. Then show each report
    that comes, unless ``once``."""
    sent = []
    for text in TEXTS:
        parts.check()
        sent.append(_send(base, *text))
    waiting = set(sent)
    deadline = time.monotonic() + WAIT_TIMEOUT
    while waiting and time.monotonic() < deadline:
        parts.check()
        waiting.discard(_next_report(reports))
    if waiting:
        raise DemoError(f"{len(waiting)} of the texts had no report within {WAIT_TIMEOUT:.0f} s")
    shown += sent
    say("demo", "all three texts have their one report each.")
    if once:
        return
    say("demo", "try it yourself (Ctrl-C ends everything):")
    terminal.say(f"""
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
        with DIRECTLY.open(request, timeout=WAIT_TIMEOUT) as response:
            sid = str(response.headers["X-Message-SID"])
            say("demo", f"{response.status}, X-Message-SID: {sid}")
            return sid
    except urllib.error.HTTPError as error:
        raise DemoError(f"the connector answered {error.code}: {error.read().decode()}") from None
    except OSError as error:
        raise DemoError(f"the connector does not answer: {error}") from None


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
def _reports(port: int) -> "Iterator[queue.Queue[Any]]":
    """A subscriber to both queues, in a thread."""
    client = Stomp(StompConfig(f"tcp://{HOST}:{port}"))
    try:
        client.connect()
        for name in QUEUES:
            client.subscribe(f"/queue/{name}", {"ack": "auto"})
    except StompError as error:
        raise DemoError(f"nothing can be read from the broker: {error}") from None
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


def _answers(port: int) -> bool:
    try:
        with socket.create_connection((HOST, port), timeout=1):
            return True
    except OSError:
        return False


def _await(port: int, parts: Parts, what: str) -> None:
    """Until ``what`` listens at this port. Raises DemoError."""
    deadline = time.monotonic() + WAIT_TIMEOUT
    while not _answers(port):
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
