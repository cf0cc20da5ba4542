"""HTTP providers that texts are sent through: they take, refuse, throttle, stop, forget to answer, and call back.

The ledger knows of each request for a text when the daemon wrote it, what the provider did with it, and whether the
whole answer reached a daemon that lived; of each look at Twilio's list what it showed; and of each callback whether it
reached one, and whether its 2xx came back. It is what ``gateway_laws`` is about.
"""

import base64
import hashlib
import hmac
import json
import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from random import Random
from typing import Any, NamedTuple
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from tests.simulation.clock import Machine, Time
from tests.simulation.network import Connection, End, Network
from tests.simulation.plan import GATEWAYS, Callback, Created, LookUp, Plan, Trouble
from tests.simulation.post import Post, is_open
from tests.simulation.provider import AGAIN, FORM, JSON, PUBLIC_URL, signature_of
from tests.simulation.served import Parser, Request, Served
from tests.simulation.smsc import TAG

HOSTS = {"twilio-a": "10.0.0.6", "http-a": "10.0.0.7", "http-b": "10.0.0.8"}
NAMES_OUR_SID = {"twilio-a", "http-a"}  # in its callbacks
LISTS = {"twilio-a"}  # of these the daemon can ask what they have taken
ANSWER_TIMEOUT = 2.0  # seconds, of the daemon's requests
TOKEN = "a token of Twilio"
SILENT = 6.0  # seconds until a connection is cut on which an answer never comes
UNSEEN = 30.0  # seconds for which a list that is behind does not show a text
FAILURES = {"undelivered", "failed"}


class Way(NamedTuple):
    """What the provider does with a request. ``means``: what its answer means by the documentation, "" if there is
    none. ``codes``: Twilio's, and the other's."""

    taken: bool
    means: str
    status: int = 0
    codes: tuple[int, int] = (0, 0)


WAYS = {
    "": Way(True, "taken", 201),
    "permanent": Way(False, "permanent", 400, (21211, 41)),
    "temporary": Way(False, "temporary", 400, (21611, 30)),
    "throttled": Way(False, "throttled", 429, (20429, 16)),
    "account": Way(False, "account", 401, (20003, 17)),
    "today": Way(False, "account", 429, (63038, 18)),
    "error": Way(False, "unknown", 503),
    "page": Way(False, "unknown", 200),
    "dropped": Way(False, ""),
    "silent": Way(False, ""),
    "taken, dropped": Way(True, ""),
    "taken, half": Way(True, "taken", 201),
    "taken, silent": Way(True, ""),
    "taken, late": Way(True, "taken", 201),
    "taken, slow": Way(True, "taken", 201),
    "taken, error": Way(True, "unknown", 500),
    "taken, page": Way(True, "unknown", 200),
    "failed at once": Way(True, "permanent", 201, (30007, 42)),
}
DELAYS = {"taken, late": 3.0, "taken, slow": 1.0, "silent": SILENT, "taken, silent": SILENT}
_PAGE = "<html>Log in</html>"


@dataclass(eq=False)
class Call:
    """One request for a text, from the daemon's writing it. ``life``: who wrote it; ``number``: which of all. ``sid``:
    the provider's id, if it took it; ``ours``: the id that the daemon gave, and ``callback``: where it wants to be
    called, if it says so. ``known_at``: the whole answer was with a daemon that lived."""

    channel: str
    request: tuple[int, int]  # number of the text, and which request of it
    part: int
    text: str
    destination: str
    ours: str
    callback: str
    sent_at: float
    life: Machine
    connection: Connection
    number: int
    is_authorized: bool
    arrived_at: float | None = None
    what: str = ""
    sid: str = ""
    known_at: float | None = None
    told: list["Told"] = field(default_factory=list)

    @property
    def key(self) -> tuple[tuple[int, int], int]:
        return self.request, self.part

    @property
    def way(self) -> Way:
        return WAYS[self.what]

    @property
    def taken(self) -> bool:
        return bool(self.sid)

    @property
    def code(self) -> str:
        """That its answer has; "" for none."""
        code = self.way.codes[self.channel != "twilio-a"]
        return str(code) if code else ""


@dataclass(eq=False)
class Look:
    """One request for Twilio's list. ``shown``: those that it told; None: it told none, but something else."""

    channel: str
    destination: str
    sent_at: float
    life: Machine
    connection: Connection
    what: str = ""
    shown: list[Call] | None = None
    known_at: float | None = None


@dataclass(eq=False)
class Told:
    """One callback, however often it is posted. ``delivered``: the end that it tells; None: none."""

    call: Call
    status: str
    code: str = ""
    delivered: bool | None = None
    reached_at: list[float] = field(default_factory=list)  # a daemon that lived had all of it
    acknowledged_at: list[float] = field(default_factory=list)  # its 2xx was with the provider
    answers: list[int | None] = field(default_factory=list)
    forged: list[int | None] = field(default_factory=list)  # the answers to what somebody else has posted


class Gateways:
    """All providers, and what they have in common. ``pending`` counts what they have still to do."""

    def __init__(self, time: Time, network: Network, plan: Plan, dice: Random, find: Any, late: float) -> None:
        """``late``: seconds until no receipt is waited for any more."""
        self.time, self.network, self.dice, self.find, self.late = time, network, dice, find, late
        self.calls: list[Call] = []
        self.looks: list[Look] = []
        self.told: list[Told] = []
        self.pending = 0
        self._created = {(one.text, one.part, one.attempt): one.what for one in plan.of(Created)}
        self.callbacks = {(one.text, one.part): one for one in plan.of(Callback)}
        self._look_ups = {one.number: one.what for one in plan.of(LookUp)}
        self._troubles = plan.of(Trouble)
        self._tries: dict[Any, int] = {}

    def answers(self) -> dict[str, Callable[[Connection], Any]]:
        """By the host who answers there."""
        return {HOSTS[one]: self._answering(one) for one in GATEWAYS}

    def _answering(self, channel: str) -> Callable[[Connection], Any]:
        return lambda connection: Peer(self, channel, connection)

    def fate(self, call: Call) -> str:
        """What happens to a request that has come."""
        key = call.channel, call.key
        tries = self._tries[key] = self._tries.get(key, 0) + 1
        trouble = self.trouble(call.channel)
        number = call.request[0]
        return trouble or self._created.get((number, call.part, tries)) or self._created.get((number, call.part, 0), "")

    def fate_of_look(self, channel: str) -> str:
        return self.trouble(channel) or self._look_ups.get(len(self.looks), "")

    def trouble(self, channel: str) -> str:
        now = self.time.rightNow
        return next(
            (one.what for one in self._troubles if one.of == channel and one.at <= now < one.at + one.seconds), ""
        )

    def take(self, call: Call) -> None:
        """It has it now, and will tell what becomes of it."""
        call.sid = f"SM{0xFEED00000000 + call.number:032x}" if call.channel == "twilio-a" else f"m{call.number + 7000}"
        dice, later = self.dice, self._later
        step = self.callbacks.get((call.request[0], call.part)) or Callback(0, "")
        what = step.what
        first = 0.0 if what.startswith("first") else 0.05 + dice.random() * 0.3
        end = {"late": 3.0, "after the validity": self.late}.get(what, first + dice.random() * 0.3)
        if call.what == "failed at once":
            later(first, Told(call, "failed", call.code, False))
            return
        if what != "reordered" and not what.startswith("first"):
            later(first, Told(call, "sent"))
        if what in FAILURES or what == "first, undelivered":
            status = "failed" if what == "failed" else "undelivered"
            final = Told(call, status, "30003" if status == "failed" else "30005", False)
        else:
            final = Told(call, "delivered", "", True)
        if what.startswith("word"):
            later(first, Told(call, "frobbed"))
        if what not in ("never", "word"):
            later(end, final, step.forged)
        if what == "reordered":
            later(end + 0.1, Told(call, "sent"))
        if what == "both":
            later(end + dice.random(), Told(call, "failed", "30003", False))

    # --- callbacks --------------------------------------------------------------------------------------------

    def _later(self, seconds: float, told: Told, forged: int = 0) -> None:
        self.told.append(told)
        told.call.told.append(told)
        self.pending += 1
        self.time.callLater(seconds, self._post, told, forged)

    def _post(self, told: Told, forged: int) -> None:
        machine = self.find()
        if not is_open(machine):
            self.time.callLater(AGAIN, self._post, told, forged)
            return
        if len(told.forged) < forged:
            self._forge(told, machine, forged)
            return
        what = self.callbacks.get((told.call.request[0], told.call.part))

        def ended(status: int | None, _headers: dict[str, str]) -> None:
            told.answers.append(status)
            good = status is not None and 200 <= status < 300
            if good:
                told.acknowledged_at.append(self.time.rightNow)
            is_lost = what is not None and what.what == "lost"
            again = what is not None and what.what == "twice" and len(told.acknowledged_at) < 2
            if (good and not again) or is_lost:
                self.pending -= 1
            else:
                self.time.callLater(AGAIN, self._post, told, forged)

        path, kind, body = posted(told, told.status, told.code)
        post = Post(self.network, machine, path, kind, body, ended, f"{signed(told.call.channel, path, body)}\r\n")
        length = len(post.octets)

        def watch(step: str, end: End, _data: bytes, upto: int) -> None:
            if step == "arrived" and end is post.connection.peer and upto >= length:
                told.reached_at.append(self.time.rightNow)
                post.connection.watch = None

        post.connection.watch = watch
        if what is not None and what.what == "lost":
            self.time.callLater(self.dice.random() * 0.03, post.connection.cut)

    def _forge(self, told: Told, machine: Machine, forged: int) -> None:
        """Somebody posts the contrary, with the signature of the right one, or with a wrong one."""

        def ended(status: int | None, _headers: dict[str, str]) -> None:
            told.forged.append(status)
            self.time.callLater(0.05, self._post, told, forged)

        path, kind, body = posted(told, "failed" if told.delivered else "delivered", "66")
        name, _, value = signed(told.call.channel, path, posted(told, told.status, told.code)[2]).partition(": ")
        if len(told.forged) % 2:
            value = value[::-1]
        Post(self.network, machine, path, kind, body, ended, f"{name}: {value}\r\n")


class Peer(Served):
    """A provider's end of one connection."""

    def __init__(self, owner: Gateways, channel: str, connection: Connection) -> None:
        super().__init__(connection)
        self.owner, self.channel = owner, channel
        self._written = Parser()
        self._waiting: deque[Call | Look] = deque()  # written, and not here yet

    def written(self, data: bytes) -> None:
        owner, life = self.owner, self.connection.daemon.machine
        assert life is not None
        for request in self._written.feed(data):
            if request.method == "GET":
                to = parse_qs(urlsplit(request.target).query)["To"][0].removeprefix("+")
                look = Look(self.channel, to, owner.time.rightNow, life, self.connection)
                owner.looks.append(look)
                self._waiting.append(look)
                continue
            call = _call_of(self.channel, request, life, self.connection, len(owner.calls))
            owner.calls.append(call)
            self._waiting.append(call)

    def heard(self, request: Request) -> None:
        one, owner = self._waiting.popleft(), self.owner
        if isinstance(one, Look):
            one.what = owner.fate_of_look(self.channel)
        else:
            one.arrived_at, one.what = owner.time.rightNow, owner.fate(one)
            if one.way.taken:
                owner.take(one)
        if one.what.endswith("dropped"):
            self.connection.cut()
            return
        early = isinstance(one, Call) and one.taken and any(told.delivered is not None for told in one.told[:1])
        delay = DELAYS.get(one.what, 0.4 if early else owner.dice.random() * 0.03)
        owner.pending += 1
        owner.time.callLater(delay, self._answer, one)

    def _answer(self, one: Call | Look) -> None:
        self.owner.pending -= 1
        if self.connection.is_cut:
            return
        if one.what in ("silent", "taken, silent"):
            self.connection.cut()
            return
        octets, stays = self._rendered(*(self._list(one) if isinstance(one, Look) else _answer_of(one)))
        self.answer(octets, one)
        if one.what == "taken, half":
            self.connection.cut()
        elif not stays:
            self.transport.loseConnection()
        elif self.owner.dice.random() < 0.2:  # an idle connection is closed, perhaps when the next request is written
            self.owner.time.callLater(self.owner.dice.random() * 2, self.transport.loseConnection)

    def _rendered(self, status: int, body: str, more: str = "") -> tuple[bytes, bool]:
        """The octets, in one of the forms that HTTP has, and whether the connection is kept."""
        form = self.owner.dice.choice(("length", "length", "length", "chunked", "close"))
        head, octets = f"HTTP/1.1 {status} A\r\n{more}", body.encode()
        if form == "chunked":
            chunk = f"{len(octets):x}\r\n".encode() + octets + b"\r\n" if octets else b""
            return f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + chunk + b"0\r\n\r\n", True
        stays = form == "length"
        close = "" if stays else "Connection: close\r\n"
        return f"{head}{close}Content-Length: {len(octets)}\r\n\r\n".encode() + octets, stays

    def _list(self, look: Look) -> tuple[int, str, str]:
        owner, now = self.owner, self.owner.time.rightNow
        if look.what in ("error", "page", "throttled", "account"):
            way = WAYS[look.what]
            return way.status, _PAGE, "Retry-After: 1\r\n" if look.what == "throttled" else ""
        if look.what == "none":  # a compatible provider without a list
            look.shown = []
            return 404, "{}", ""
        if look.what in ("temporary", "refused"):
            return 400, json.dumps({"code": 21611 if look.what == "temporary" else 21211}), ""
        calls = (one for one in owner.calls if one.channel == self.channel and one.taken)
        behind = UNSEEN if look.what == "behind" else 0.0
        look.shown = [
            one for one in calls if one.destination == look.destination and now - (one.arrived_at or now) >= behind
        ]
        made = owner.time.wall_clock() - now
        return 200, json.dumps({"messages": [_listed(one, made) for one in reversed(look.shown)]}), ""


def _listed(call: Call, made: float) -> dict[str, Any]:
    date = formatdate(made + (call.arrived_at or 0.0), usegmt=True)
    to = f"+{call.destination}"
    return {"sid": call.sid, "body": call.text, "to": to, "direction": "outbound-api", "date_created": date}


def _call_of(channel: str, request: Request, life: Machine, connection: Connection, number: int) -> Call:
    """What the daemon asks for. The path ends with our MessageSID, and with the number of the part."""
    authorization = request.headers["authorization"]
    if channel == "twilio-a":
        assert request.target == "/2010-04-01/Accounts/AC0001/Messages.json", request.target
        fields = dict(parse_qsl(request.body, strict_parsing=True))
        to, text, url, part = fields["To"], fields["Body"], fields["StatusCallback"], 1
        authorized = authorization == f"Basic {base64.b64encode(f'AC0001:{TOKEN}'.encode()).decode()}"
    else:
        assert request.target == "/sms", request.target
        data = json.loads(request.body)
        to, text, url, part = data["to"], data["text"], data.get("callback", ""), data["part"]
        authorized = authorization == "Bearer a key"
    tag = TAG.search(text)
    assert tag is not None, text
    path = url.partition("#")[0].removeprefix(PUBLIC_URL)
    assert not path or re.fullmatch(rf"/msg-client/{channel}/delivery-notification/SM[0-9a-f]{{32}}(-\d+)?", path), url
    where = path or f"/msg-client/{channel}/delivery-notification"
    return Call(
        channel,
        (int(tag[1]), int(tag[2])),
        part,
        text,
        to.removeprefix("+"),
        path.rpartition("/")[2],
        where,
        connection.time.rightNow,
        life,
        connection,
        number,
        authorized,
    )


def _answer_of(call: Call) -> tuple[int, str, str]:
    """Status, body, and headers with their ends of lines."""
    way, code = call.way, call.way.codes[call.channel != "twilio-a"]
    is_twilio = call.channel == "twilio-a"
    if way.means == "unknown":
        return way.status, _PAGE, ""
    if way.means == "taken":
        taken = {"sid": call.sid, "status": "queued", "error_code": None} if is_twilio else {"id": call.sid}
        return way.status, json.dumps(taken), ""
    if call.what == "failed at once" and is_twilio:
        return way.status, json.dumps({"sid": call.sid, "status": "failed", "error_code": code}), ""
    status = 402 if call.what == "today" and not is_twilio else 400 if call.what == "failed at once" else way.status
    refused: dict[str, Any] = (
        {"code": code, "message": "No."} if is_twilio else {"error": {"code": code, "text": "No."}}
    )
    return status, json.dumps(refused), "Retry-After: 1\r\n" if call.what == "throttled" else ""


def posted(told: Told, status: str, code: str) -> tuple[str, str, bytes]:
    """Path, type and body of a callback."""
    call = told.call
    if call.channel == "twilio-a":
        fields = {"MessageSid": call.sid, "SmsSid": call.sid, "MessageStatus": status, "SmsStatus": status}
        fields |= {"To": f"+{call.destination}", "From": "+15005550006", "AccountSid": "AC0001"}
        return call.callback, FORM, urlencode(fields | ({"ErrorCode": code} if code else {})).encode()
    record = {"id": call.sid, "status": status, "error": code or None, "to": f"+{call.destination}"}
    return call.callback, JSON, json.dumps({"results": [record]}).encode()


def signed(channel: str, path: str, body: bytes) -> str:
    """The header that shows who it is."""
    if channel != "twilio-a":
        return f"X-Signature: {signature_of(path, body)}"
    fields = "".join(name + value for name, value in sorted(parse_qsl(body.decode(), keep_blank_values=True)))
    digest = hmac.digest(TOKEN.encode(), f"{PUBLIC_URL}{path}{fields}".encode(), hashlib.sha1)
    return f"X-Twilio-Signature: {base64.b64encode(digest).decode()}"
