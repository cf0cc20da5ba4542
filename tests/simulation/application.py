"""The application: posts texts over HTTP and believes what it is told.

A text that was refused for now (503), or found nobody listening, is posted again under a tag of its own; one whose
answer never came is not: the application can't know. A text with a key may always be posted again: under the key the
tag stays the same, whatever came of the other requests.
"""

import json
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any

from tests.simulation.clock import EPOCH, Time
from tests.simulation.network import Network
from tests.simulation.plan import BATCHED, CALLBACK_HOSTS, PIPELINED, Plan, TakenBack, Text
from tests.simulation.post import Answers, Post, connect, is_open, octets_of

AGAIN, TRIES = 0.7, 40  # seconds
PATIENCE = 60.0  # seconds that an answer may take before the daemon is said to hang


@dataclass(eq=False)
class Request:
    """One POST. ``status`` None: no answer came, or not all of it."""

    text: Text
    number: int  # which request for this text
    begun_at: float
    life: Any
    destination: str
    body: str
    status: int | None = None
    sid: str = ""
    answered_at: float | None = None
    ended_at: float | None = None  # no more will come of it
    wishes: list["Wish"] = field(default_factory=list)
    is_repeat: bool = False  # of a text with a key
    tries: int = 0  # how often it was tried before

    @property
    def tag(self) -> tuple[int, int]:
        return self.text.number, self.number


@dataclass(eq=False)
class Wish:
    """To take it back. ``status`` None: no answer came."""

    asked_at: float
    life: Any
    status: int | None = None
    answered_at: float | None = None


def number_of(to: int) -> str:
    """Half of the numbers have one prefix, half the other."""
    return f"46{'70' if to % 2 == 0 else '80'}00{to:05}"


def body_of(text: Text, number: int) -> str:
    tag = f"({text.number}.{number})"
    return tag if text.segments == 1 else (tag * 100)[: 153 * (text.segments - 1) + 20]


class Application:
    """``requests`` is what it remembers."""

    def __init__(self, time: Time, network: Network, plan: Plan, dice: Random, find: Any) -> None:
        self.time, self.network, self.dice, self._find = time, network, dice, find
        self.requests: list[Request] = []
        self._pipeline: Pipeline | None = None  # the last that was made
        self._taken_back: dict[int, list[TakenBack]] = {}
        for step in plan.of(TakenBack):
            self._taken_back.setdefault(step.text, []).append(step)
        self._wishes: dict[int, list[Wish]] = {}  # of texts with a key, by their numbers
        self._batch: Batch | None = None  # the same
        self.pending = sum(1 + len(text.again) for text in plan.of(Text))
        for text in plan.of(Text):
            time.callLater(text.at, self._post, text, 0, 0)
            for pause in text.again:
                time.callLater(text.at + pause, self._post, text, 0, 0, True)

    def _post(self, text: Text, number: int, tries: int, is_repeat: bool = False) -> None:
        machine = self._find()
        if not is_open(machine):
            if tries < TRIES:
                self.time.callLater(AGAIN, self._post, text, number, tries + 1, is_repeat)
            else:
                self.pending -= 1
            return
        request = Request(text, number, self.time.rightNow, machine, number_of(text.to), body_of(text, number))
        request.is_repeat, request.tries = is_repeat, tries
        self.requests.append(request)
        if text.hangup == BATCHED and not (number or is_repeat):
            if self._batch is None or not self._batch.takes(machine):
                self._batch = Batch(self, machine)
            self._batch.send(request)
            return
        if text.hangup != PIPELINED or number:
            SendPost(self, request)
            return
        if self._pipeline is None or not self._pipeline.takes(machine):
            self._pipeline = Pipeline(self, machine)
        self._pipeline.send(request)

    def _take_back(self, request: Request) -> None:
        """Once; where nobody listens it lets it be."""
        self.pending -= 1
        machine = self._find()
        if not is_open(machine):
            return
        wish = Wish(self.time.rightNow, machine)
        request.wishes.append(wish)

        def ended(status: int | None, _headers: dict[str, str]) -> None:
            wish.status, wish.answered_at = status, self.time.rightNow

        path = f"/msg-client/messages/{request.sid}"
        Post(self.network, machine, path, "text/plain", b"", ended, method="DELETE")

    def ended(self, request: Request, status: int | None, headers: dict[str, str]) -> None:
        """An answer, or none: once more if that is safe."""
        request.ended_at = self.time.rightNow
        if status is not None:
            request.status, request.sid = status, headers.get("x-message-sid", "")
            request.answered_at = request.ended_at
        if request.text.again and status == 200:
            request.wishes = self._wishes.setdefault(request.text.number, [])
        for step in self._taken_back.get(request.text.number, ()) if status == 200 else ():
            self.pending += 1
            self.time.callLater(step.after, self._take_back, request)
        if request.text.again:
            if (status is None or status >= 500) and request.tries < TRIES:
                self.time.callLater(AGAIN, self._post, request.text, 0, request.tries + 1, True)
            else:
                self.pending -= 1
        elif status is not None and status >= 500 and request.number < TRIES:
            self.time.callLater(AGAIN, self._post, request.text, request.number + 1, 0)
        else:
            self.pending -= 1


def json_of(request: Request) -> bytes:
    asked = {"To": "+" + request.destination, "Body": request.body}
    validity = {"ValidityPeriod": request.text.validity} if request.text.validity else {}
    channel = {"channel": request.text.channel} if request.text.channel != "smpp" else {}
    due = datetime.fromtimestamp(EPOCH + request.text.at + request.text.later, UTC).isoformat()
    later = {"SendAt": due} if request.text.later else {}
    bulk = {"Priority": "bulk"} if request.text.bulk else {}
    callback = {"StatusCallback": callback_of(request.text, request.number)} if request.text.callback else {}
    return json.dumps(asked | validity | channel | later | bulk | callback).encode()


def callback_of(text: Text, number: int) -> str:
    """Where it wants the report of its ``number``-th try."""
    return f"http://{CALLBACK_HOSTS[text.callback - 1]}/told?tag={text.number}.{number}"


class Pipeline:
    """One connection for the requests of several texts, which do not wait for each other's answers. It is closed when
    nothing is waited for."""

    def __init__(self, application: Application, machine: Any) -> None:
        self._application, self._machine = application, machine
        self._waiting: deque[Request] = deque()
        self._answers = Answers(self._answered)
        self._is_over = False
        self._transport = connect(application.network, machine, self).peer

    def takes(self, machine: Any) -> bool:
        return not self._is_over and machine is self._machine

    def send(self, request: Request) -> None:
        self._waiting.append(request)
        self._transport.write(octets_of("/msg-client/send", "application/json", json_of(request)))

    def dataReceived(self, data: bytes) -> None:
        self._answers.feed(data)
        if not self._waiting and not self._is_over:
            self._is_over = True
            self._transport.loseConnection()

    def _answered(self, status: int, headers: dict[str, str]) -> None:
        self._application.ended(self._waiting.popleft(), status, headers)

    def connectionLost(self, _reason: Any) -> None:
        self._is_over = True
        while self._waiting:
            self._application.ended(self._waiting.popleft(), None, {})


class Batch:
    """A request to /send-batch in chunks, which lasts for some time: a line for each text that comes meanwhile."""

    LASTS = 0.4  # seconds
    HEAD = (
        b"POST /msg-client/send-batch HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-ndjson\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
    )

    def __init__(self, application: Application, machine: Any) -> None:
        self._application, self._machine = application, machine
        self._waiting: deque[Request] = deque()
        self._received = b""
        self._has_ended = self._is_over = False
        self._transport = connect(application.network, machine, self).peer
        self._transport.write(self.HEAD)
        application.time.callLater(self.LASTS, self._end)

    def takes(self, machine: Any) -> bool:
        return not (self._has_ended or self._is_over) and machine is self._machine

    def send(self, request: Request) -> None:
        self._waiting.append(request)
        key = {"IdempotencyKey": name_of(request)} if request.text.again else {}
        line = json.dumps(json.loads(json_of(request)) | key).encode() + b"\n"
        self._transport.write(b"%x\r\n%s\r\n" % (len(line), line))

    def _end(self) -> None:
        self._has_ended = True
        if not self._is_over:
            self._transport.write(b"0\r\n\r\n")

    def dataReceived(self, data: bytes) -> None:
        """A refusal of the whole has a length. Else there is a line for each text, in their order, cut by the sizes of
        chunks, which no line begins or ends with."""
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator:
            return
        if b"chunked" not in head.lower():
            self._over(int(head.split()[1]))
            return
        body, is_whole = _joined(body)
        lines = body.split(b"\n")
        for line in lines[self._told : -1]:
            result = json.loads(line)
            self._told += 1
            self._application.ended(
                self._waiting.popleft(), result["status"], {"x-message-sid": result.get("MessageSID", "")}
            )
        if is_whole:
            self._over(None)

    _told = 0  # lines

    def connectionLost(self, _reason: Any) -> None:
        self._over(None)

    def _over(self, status: int | None) -> None:
        """Texts without a result get this one."""
        if self._is_over:
            return
        self._is_over = True
        self._transport.loseConnection()
        while self._waiting:
            self._application.ended(self._waiting.popleft(), status, {})


def _joined(chunks: bytes) -> tuple[bytes, bool]:
    """What the chunks hold that are whole, and whether the last one is there (RFC 9112 section 7.1)."""
    found = b""
    while True:
        size, separator, rest = chunks.partition(b"\r\n")
        length = int(size, 16) if separator else -1
        if length < 0 or len(rest) < length + 2:
            return found, False
        if not length:
            return found, True
        found, chunks = found + rest[:length], rest[length + 2 :]


def name_of(request: Request) -> str:
    """Its key."""
    return f"text-{request.text.number}"


def key_of(request: Request) -> str:
    """The line of its head."""
    return f"Idempotency-Key: {name_of(request)}\r\n" if request.text.again else ""


class SendPost(Post):
    """The request of one text, which may hang up."""

    def __init__(self, application: Application, request: Request) -> None:
        self._application, self._request = application, request
        super().__init__(
            application.network,
            request.life,
            "/msg-client/send",
            "application/json",
            json_of(request),
            lambda status, headers: application.ended(request, status, headers),
            key_of(request),
        )

    def send(self) -> None:
        request = self._request
        hangup = request.text.hangup if request.number == 0 and not request.is_repeat else ""
        dice, time = self._application.dice, self._application.time
        if hangup in ("in request", "slow request"):
            cut = dice.randrange(1, len(self.octets))
            self.transport.write(self.octets[:cut])
            if hangup == "in request":
                time.callLater(0.1, self.connection.cut)
            else:
                time.callLater(1.0, self.transport.write, self.octets[cut:])
            return
        super().send()
        if hangup == "half closed":  # as nc -N: it still reads
            self.transport.close_writing()
        elif hangup:
            time.callLater(dice.random() * 0.1, self.connection.cut)
