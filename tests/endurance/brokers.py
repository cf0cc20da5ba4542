"""The connector against brokers as they are: ``python -m tests.endurance.brokers [--short] [NAME ...]``.

Each scene starts a real broker and a connector, and posts texts and notifications as providers do: each is an event as
soon as it has its 200. Then it counts from outside, by a STOMP consumer:

1. lost: what was accepted, and is not on the queue. It has to be nothing, but for events that the broker refuses: these
   are parked, and counted by the connector as such.
2. copies: what came more than once. Without a lost connection there must be none, and with kills no more than these.
3. delay: from the 200 to the consumer. An event that is refused, or a queue that is full, holds up no other for more
   than five seconds.
"""

import argparse
import http.client
import json
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

from tests.endurance.figures import Promises, some
from tests.integration import activemq, rabbitmq
from tests.integration.activemq import ActiveMQ, free_port
from tests.integration.certificates import Authority
from tests.integration.rabbitmq import RabbitMQ
from tests.integration.stack import START, Connector

REPORTS, TEXTS = "delivery-report", "incoming-message"
PATIENCE = 90.0  # seconds without anything new; a destination that is closed is tried again after 60
DELAY = 5.0  # seconds at most


def wait(condition: Callable[[], Any], within: float, pause: float = 0.05) -> bool:
    """Whether it comes true within so many seconds."""
    end = time.monotonic() + within
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(pause)
    return True


class Provider:
    """Posts events over keep-alive connections. ``accepted``: by their ids, the time (s, monotonic) of the 200."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.accepted: dict[str, float] = {}
        self._number = 0

    def texts(self, count: int, length: int = 20) -> None:
        """Incoming texts of that many characters."""
        self._post("receive", count, lambda sid: {"SmsSid": sid, "Body": "x" * length, "From": "+9230", "To": "8228"})

    def reports(self, count: int) -> None:
        """Notifications on messages of the provider's own, each of which is a report."""
        self._post("delivery-notification", count, lambda sid: {"MessageSid": sid, "MessageStatus": "delivered"})

    def _post(self, path: str, count: int, form: Callable[[str], dict[str, str]]) -> None:
        first, self._number = self._number, self._number + count
        threads = [
            threading.Thread(target=self._share, args=(path, range(first + one, first + count, 8), form))
            for one in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _share(self, path: str, numbers: range, form: Callable[[str], dict[str, str]]) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        for number in numbers:
            sid = f"P{number:07d}"
            connection.request("POST", f"/msg-client/{path}", urllib.parse.urlencode(form(sid)), headers)
            answer = connection.getresponse()
            answer.read()
            if answer.status == 200:
                self.accepted[sid] = time.monotonic()
        connection.close()


class Consumer:
    """Subscribed to queues from the start to ``close``. ``came``: by id, when each copy came."""

    def __init__(self, port: int, *destinations: str, login: str = "", passcode: str = "") -> None:
        self.came: dict[str, list[float]] = {}
        self._socket = socket.create_connection(("127.0.0.1", port), 10)
        self._socket.settimeout(None)
        who = f"login:{login}\npasscode:{passcode}\n" if login else ""
        self._socket.sendall(f"CONNECT\naccept-version:1.2\nhost:/\nheart-beat:0,0\n{who}\n\0".encode())
        for number, destination in enumerate(destinations):
            frame = f"SUBSCRIBE\nid:{number}\ndestination:{destination}\nack:auto\n\n\0"
            self._socket.sendall(frame.encode())
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        buffer = b""
        while True:
            try:
                data = self._socket.recv(1 << 16)
            except OSError:
                return
            if not data:
                return
            *frames, buffer = (buffer + data).split(b"\0")
            now = time.monotonic()
            for frame in frames:
                head, _, body = frame.lstrip(b"\n").partition(b"\n\n")
                if head.startswith(b"MESSAGE"):
                    event = json.loads(body)
                    self.came.setdefault(event.get("MessageSID") or event["SmsSid"], []).append(now)

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        self._socket.close()


class Scene:
    """One broker, one connector, and what to count."""

    def __init__(self, broker: ActiveMQ | RabbitMQ, promises: Promises, name: str, **events: Any) -> None:
        self.broker, self.promises, self.name = broker, promises, name
        self._ends = ExitStack()
        login = {"login": rabbitmq.LOGIN, "passcode": rabbitmq.PASSCODE} if isinstance(broker, RabbitMQ) else {}
        section = {"uri": f"failover:({broker.uri})?maxReconnectDelay=500"} | login
        if isinstance(broker, RabbitMQ):
            section["virtual_host"] = "/"
        self.connector = Connector([free_port()], "", events=section | events)
        self._ends.callback(broker.stop)
        self._ends.callback(self.connector.close)
        self.provider = Provider(self.connector.port)
        self._login = login

    def __enter__(self) -> "Scene":
        self.connector.launch()
        if not wait(self.connector.is_up, START):
            raise TimeoutError(self.connector.said()[-2000:])
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.close()

    def consumer(self, *destinations: str) -> Consumer:
        wanted = destinations or (f"/queue/{REPORTS}", f"/queue/{TEXTS}")
        found = Consumer(self.broker.stomp_port, *wanted, **self._login)
        self._ends.callback(found.close)
        return found

    def health(self) -> dict[str, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.connector.port, timeout=30)
        connection.request("GET", "/msg-client/health")
        found: dict[str, Any] = json.loads(connection.getresponse().read())
        connection.close()
        return found

    def confirmed(self) -> int:
        """Events that the connector has marked as published."""
        path = self.connector.folder / "smsconnector.db"
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
            return int(connection.execute("SELECT count(*) FROM confirmation").fetchone()[0])

    def retry(self) -> None:
        """What an operator does when the cause is mended: have the parked events sent again."""
        command = [sys.executable, "-m", "smsconnector", "events", "--retry", "--config", "connector.yaml"]
        subprocess.run(command, cwd=self.connector.folder, check=True, capture_output=True, timeout=60)

    def waiting(self) -> tuple[int, int]:
        """Events that wait for the broker, and those that are parked."""
        store = self.health()["store"] or {"waiting_for_broker": -1, "parked_events": -1}
        return store["waiting_for_broker"], store["parked_events"]

    def all_came(self, *consumers: Consumer, without: int = 0) -> bool:
        """Waits until all that was accepted has come, but for so many, or nothing new comes for a while."""
        wanted, last, since = len(self.provider.accepted) - without, -1, time.monotonic()
        while (came := sum(len(one.came) for one in consumers)) < wanted:
            if came != last:
                last, since = came, time.monotonic()
            elif time.monotonic() - since > PATIENCE:
                print(f"{self.name}: {came} of {wanted}; {self.health()['broker']}\n{self.connector.said()[-3000:]}")
                return False
            time.sleep(0.05)
        time.sleep(1.0)  # whatever comes on top
        return True

    def count(self, *consumers: Consumer, refused: int = 0, ends: int = 0, delays_from: float | None = None) -> None:
        """``refused``: events that the broker does not take; ``ends``: connections that were lost; ``delays_from``: of
        what was accepted after that moment, how long it took."""
        came = {sid: times for one in consumers for sid, times in one.came.items()}
        accepted = self.provider.accepted
        lost = [sid for sid in accepted if sid not in came]
        copies = sum(len(times) - 1 for times in came.values())
        most = max((len(times) - 1 for times in came.values()), default=0)
        show = self.promises.show
        show(f"{self.name}: accepted, came", f"{len(accepted)}, {len(came)}")
        show(f"{self.name}: not on the queue", f"{len(lost)} {some(lost)}", len(lost) == refused, f"{refused} refused")
        wanted = "none" if not ends else f"an event at most {ends} times"
        show(f"{self.name}: copies", f"{copies}, of one event {most}", most <= ends, wanted)
        if delays_from is not None:
            delays = [times[0] - accepted[sid] for sid, times in came.items() if accepted[sid] >= delays_from]
            longest = max(delays, default=float("inf"))
            show(f"{self.name}: longest delay", f"{longest:.2f} s", longest <= DELAY, f"{DELAY:g} s at most")


def plain(promises: Promises, _is_short: bool, persistent: bool = False) -> None:
    """Nothing goes wrong."""
    with Scene(ActiveMQ(persistent).start(), promises, "KahaDB" if persistent else "memory") as scene:
        consumer, begun = scene.consumer(), time.monotonic()
        scene.provider.texts(500)
        scene.provider.reports(500)
        scene.all_came(consumer)
        scene.count(consumer, delays_from=begun)


def kills(promises: Promises, is_short: bool, make: Callable[[], Any] = lambda: ActiveMQ(True), name: str = "") -> None:
    """A backlog; the broker is killed with -9 as soon as the first receipts have come, again and again."""
    times = 2 if is_short else 20
    broker = make()
    backlogs = 0  # rounds in which some events still waited when the broker was killed
    with Scene(broker, promises, name or "KahaDB killed") as scene:
        for _ in range(times):
            scene.provider.texts(1500)
            scene.provider.reports(1500)
            before = scene.confirmed()
            broker.start()
            wait(lambda: scene.confirmed() > before, 30, 0.002)  # noqa: B023 — called before the next round
            broker.kill()
            backlogs += scene.confirmed() < len(scene.provider.accepted)
        broker.start()
        promises.show(f"{scene.name}: kills under a backlog", f"{backlogs} of {times}", backlogs > 0, "some at least")
        consumer = scene.consumer()
        scene.all_came(consumer)
        scene.count(consumer, ends=times)


def flow_control(promises: Promises, is_short: bool, limit: str = "1mb") -> None:
    """A backlog of long texts for a queue with little memory, and a consumer that reads."""
    broker = ActiveMQ(memory_limit=limit)  # its queues are in memory: with KahaDB they would go to the disk
    with Scene(broker, promises, f"flow control {limit}") as scene:
        scene.provider.texts(200 if is_short else 600, 1500)
        scene.provider.reports(200)
        broker.start()
        consumer = scene.consumer()
        scene.all_came(consumer)
        scene.count(consumer, ends=1)  # a transaction that stalls is given up


def full_queue(promises: Promises, is_short: bool) -> None:
    """The consumer of the texts is away: their queue is full, and holds receipts back. Reports go on."""
    broker = ActiveMQ(memory_limit="60kb").start()
    with Scene(broker, promises, "full queue") as scene:
        reports = scene.consumer(f"/queue/{REPORTS}")
        scene.provider.texts(1500, 1500)
        held = wait(lambda: "holds back since" in scene.health()["broker"], 120)
        said = scene.health()["broker"]
        promises.show("full queue: health says so", said[:120], held and f"/queue/{TEXTS}" in said, "holds back since")
        wait(lambda: "holds back the receipts" in scene.connector.said(), 60)
        begun = time.monotonic()
        for _ in range(5 if is_short else 60):
            scene.provider.reports(20)
            scene.provider.texts(2, 1500)
            time.sleep(1 if is_short else 3)
        wait(lambda: len(reports.came) >= (100 if is_short else 1200), DELAY)
        lines = scene.connector.said().count("holds back the receipts")
        promises.show("full queue: lines in the log", str(lines), lines in (1, 2), "one")
        texts = scene.consumer(f"/queue/{TEXTS}")
        scene.all_came(reports, texts)
        scene.count(reports, ends=0, delays_from=begun, refused=1500 + (10 if is_short else 120))
        scene.count(texts, reports, ends=1)


def refused_queue(promises: Promises, _is_short: bool) -> None:
    """Nobody may write to the queue of the texts."""
    broker = ActiveMQ(True, guarded=True)
    broker.writers = "nobody"
    broker.start()
    with Scene(broker, promises, "refused queue") as scene:
        consumer, begun = scene.consumer(f"/queue/{REPORTS}"), time.monotonic()
        for _ in range(5):
            scene.provider.texts(40)
            scene.provider.reports(40)
        scene.all_came(consumer, without=200)
        wait(lambda: scene.waiting() == (0, 200), 30)
        promises.show("refused queue: parked", str(scene.waiting()), scene.waiting() == (0, 200), "200 texts")
        scene.count(consumer, refused=200, delays_from=begun)


def large_frame(promises: Promises, _is_short: bool) -> None:
    """One text is longer than the broker takes, among many for the same queue."""
    broker = ActiveMQ(True, maximum_frame=4000).start()
    with Scene(broker, promises, "maxFrameSize") as scene:
        consumer, begun = scene.consumer(), time.monotonic()
        scene.provider.texts(100)
        scene.provider.texts(1, 6000)
        scene.provider.texts(100)
        scene.provider.reports(100)
        scene.all_came(consumer, without=1)
        wait(lambda: scene.waiting() == (0, 1), 30)
        promises.show("maxFrameSize: parked", str(scene.waiting()), scene.waiting() == (0, 1), "the one")
        # The broker ends the connection each time that the frame comes, until it is found by halving. What it has taken
        # then, and not confirmed, comes again.
        scene.count(consumer, refused=1, ends=8, delays_from=begun)


def tls(promises: Promises, _is_short: bool) -> None:
    """The broker wants to see a client's certificate."""
    folder = tempfile.mkdtemp(prefix="authority-")
    try:
        authority = Authority(folder)
        broker = ActiveMQ(True, stores=authority.stores(authority.issue("127.0.0.1"))).start()
        uri = f"ssl://127.0.0.1:{broker.tls_port}"
        keys = {"ca_file": authority.ca_file, "certificate_file": authority.issue("client")}
        with Scene(broker, promises, "TLS with client certificate", uri=uri, tls=keys) as scene:
            consumer, begun = scene.consumer(), time.monotonic()
            scene.provider.texts(200)
            scene.provider.reports(200)
            scene.all_came(consumer)
            scene.count(consumer, delays_from=begun)
    finally:
        shutil.rmtree(folder)


def reject_publish(promises: Promises, _is_short: bool) -> None:
    """RabbitMQ's queue of texts takes five, and refuses more. Reports go on. When there is room, all texts come."""
    broker = RabbitMQ({"texts": {"x-max-length": 5, "x-overflow": "reject-publish"}}).start()
    with Scene(broker, promises, "reject-publish", incoming_message="/amq/queue/texts") as scene:
        reports, begun = scene.consumer(f"/queue/{REPORTS}"), time.monotonic()
        for _ in range(5):
            scene.provider.texts(10)
            scene.provider.reports(10)
        scene.all_came(reports, without=50)
        scene.count(reports, refused=50, delays_from=begun)
        wait(lambda: not scene.waiting()[0], 60)
        told = scene.waiting()  # the node hangs up at the first that it refuses: some receipts may be lost with that
        promises.show("reject-publish: parked", str(told), not told[0] and 45 <= told[1] <= 50, "all but five at most")
        texts = scene.consumer("/amq/queue/texts")
        scene.retry()
        scene.all_came(reports, texts)
        scene.count(reports, texts, ends=3)


SCENES: dict[str, Callable[[Promises, bool], None]] = {
    "memory": plain,
    "kahadb": lambda promises, is_short: plain(promises, is_short, persistent=True),
    "kills": kills,
    "flow-1mb": flow_control,
    "flow-60kb": lambda promises, is_short: flow_control(promises, is_short, "60kb"),
    "full-queue": full_queue,
    "refused-queue": refused_queue,
    "large-frame": large_frame,
    "tls": tls,
    "rabbitmq-kills": lambda promises, is_short: kills(promises, is_short, RabbitMQ, "RabbitMQ killed"),
    "rabbitmq-reject-publish": reject_publish,
}


def missing(name: str) -> str | None:
    """What to install for that scene; None if all is there."""
    return rabbitmq.available() if name.startswith("rabbitmq") else activemq.available()


def play(names: list[str], is_short: bool) -> Iterator[Promises]:
    """The scenes, one after the other; what each has shown."""
    for name in names:
        promises = Promises()
        SCENES[name](promises, is_short)
        yield promises


def main() -> None:
    parser = argparse.ArgumentParser(description="real brokers that are slow, full, refuse, or are killed")
    parser.add_argument("--short", action="store_true", help="as CI has it")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(SCENES)}; all, if there is none")
    options = parser.parse_args()
    unknown = set(options.names) - set(SCENES)
    if unknown:
        parser.error(f"there is no scene {', '.join(sorted(unknown))}")
    names = options.names or list(SCENES)
    for name in names:
        if missing(name):
            raise SystemExit(f"{name}: {missing(name)}")
    raise SystemExit(max([promises.verdict() for promises in play(names, options.short)]))


if __name__ == "__main__":
    main()
