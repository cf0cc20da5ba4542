"""The fast lane beside twisted.web: the same octets go through both, and what comes back is the same to the octet."""

import re
from base64 import b64encode
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.internet.error import ConnectionLost
from twisted.python.failure import Failure

from smsconnector.http.answers import GiveAnswer, HTTPRequest, HTTPRoute
from smsconnector.http.connections import Connections
from smsconnector.http.lane import LONGEST_BODY, Lane
from smsconnector.messages import Outcome, Verdict
from tests.unit.http.test_abuse import FORM, GOOD, HEAD, NOTHING, SEND, AbuseCase

HEALTH = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
TEXT = b"Body=hi&From=%2B923001234567&To=8228&SmsSid=in1"
STATUS = b"MessageSid=SMx&SmsStatus=delivered"


def post(path: str, body: bytes, *lines: str, kind: str = "application/json") -> bytes:
    head = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Type: {kind}", f"Content-Length: {len(body)}", *lines]
    return "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body


def get(path: str, *lines: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: x", *lines]).encode() + b"\r\n\r\n"


RECEIVE, NOTIFY = post("/receive", TEXT, kind=FORM), post("/msg-client/delivery-notification", STATUS, kind=FORM)
PLAIN = {  # what the lane has to take
    "send": SEND,
    "at the root": post("/send", GOOD),
    "with a query": post("/send?a=b&c", GOOD),
    "refused": post("/send", b"{}"),
    "no JSON": post("/send", b"\xff\0"),
    "empty": post("/send", b""),
    "without a length": HEAD + b"\r\n",
    "an umlaut": post("/send", '{"To": "+923001234567", "Body": "für 3 €"}'.encode()),
    "Arabic": post("/send", '{"To": "+923001234567", "Body": "سلام"}'.encode()),
    "a charset": post("/send", GOOD, kind="application/json; charset=latin-1"),
    "representation": post("/send", GOOD, "Prefer: return=representation"),
    "preferred twice": post("/send", GOOD, "Prefer: x", "PREFER: return=representation"),
    "a page": post("/send", GOOD, "Origin: https://evil.example"),
    "a cookie": post("/send", GOOD, "Cookie: a=b; c", "cookie: ;;="),
    "eight bits": post("/send", GOOD, "X-Name: \xe9\xff"),
    "spaces": post("/send", GOOD, "X-Padded:  \t a b \t", "X-Empty:", "X-Spaces:   "),
    "keep-alive": post("/send", GOOD, "Connection: Keep-Alive"),
    "close": post("/send", GOOD, "Connection: close"),
    "a key": post("/send", GOOD, "Idempotency-Key: k1"),
    "no key": post("/send", GOOD, "Idempotency-Key:"),
    "receive": RECEIVE,
    "of a channel": post("/msg-client/smpp/receive", TEXT, kind=FORM),
    "of no channel": post("/msg-client/pigeon/receive", TEXT, kind=FORM),
    "notification": NOTIFY,
    "our id": post("/msg-client/smpp/delivery-notification/SM1", STATUS, kind=FORM),
    "a form of the wrong kind": post("/receive", TEXT),
    "health": HEALTH,
    "health with a query": get("/msg-client/health?x"),
    "health with a body": HEALTH.replace(b"Host", b"Content-Length: 3\r\nHost") + b"abc",
    "no message": get("/msg-client/messages/SM1"),
    "a GET of a webhook": get("/receive?" + TEXT.decode()),
}
UNUSUAL = {  # what it has to hand over
    "404": NOTHING,
    "a batch": post("/send-batch", b"[%s, 7]" % GOOD),
    "a batch that is none": post("/msg-client/send-batch", GOOD),
    "405": get("/send"),
    "HTTP/1.0": HEALTH.replace(b"1.1", b"1.0"),
    "HEAD": HEALTH.replace(b"GET", b"HEAD"),
    "PUT": post("/send", GOOD).replace(b"POST", b"PUT"),
    "a slash behind": post("/send/", GOOD),
    "escaped": post("/%73end", GOOD),
    "two slashes": post("//send", GOOD),
    "absolute": get("http://x/health"),
    "no Host": SEND.replace(b"Host: x\r\n", b""),
    "two Hosts": post("/send", GOOD, "Host: y"),
    "expects": post("/send", GOOD, "Expect: 100-continue"),
    "chunks": HEAD + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(GOOD), GOOD),
    "chunks and a length": post("/send", GOOD, "Transfer-Encoding: chunked"),
    "identity": post("/send", GOOD, "Transfer-Encoding: identity"),
    "upgrade": get("/health", "Connection: Upgrade", "Upgrade: websocket"),
    "h2c": get("/health", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"),
    "TE": get("/health", "TE: trailers"),
    "close and more": post("/send", GOOD, "Connection: close, x"),
    "close twice": post("/send", GOOD, "Connection: keep-alive", "Connection: close"),
    "length twice": post("/send", GOOD, f"Content-Length: {len(GOOD)}"),
    "length as a list": SEND.replace(b"Length: ", b"Length: %d, " % len(GOOD)),
    "length with a sign": SEND.replace(b"Length: ", b"Length: +"),
    "length with a zero": SEND.replace(b"Length: ", b"Length: 0"),
    "length with a minus": SEND.replace(b"Length: ", b"Length: -"),
    "length in hex": SEND.replace(b"Length: ", b"Length: 0x"),
    "length of nothing": SEND.replace(b"Length: %d" % len(GOOD), b"Length:"),
    "length with an underscore": SEND.replace(b"Length: ", b"Length: 1_"),
    "a space before the colon": SEND.replace(b"Host:", b"Host :"),
    "a space before the name": SEND.replace(b"Content-Type", b" Content-Type"),
    "folded": SEND.replace(b"application/json", b"application/json\r\n x"),
    "a bare LF": SEND.replace(b"Host: x\r\n", b"Host: x\n"),
    "a bare CR": SEND.replace(b"Host: x", b"Host: x\rContent-Length: 3"),
    "LF in a value": SEND.replace(b"Host: x", b"Host: x\nContent-Length: 3"),
    "NUL in a value": post("/send", GOOD, "X: a\0b"),
    "a control character": post("/send", GOOD, "X: a\x01b"),
    "DEL": post("/send", GOOD, "X: a\x7fb"),
    "a name of other octets": post("/send", GOOD, "X\xe9: a"),
    "a name with a dot": post("/send", GOOD, "X.Y: a"),
    "no name": post("/send", GOOD, ": a"),
    "no colon": post("/send", GOOD, "abc"),
    "blank line before": b"\r\n" + SEND,
    "blank lines before": b"\r\n\r\n" + SEND,
    "small letters": SEND.replace(b"POST", b"post"),
    "http/1.1": SEND.replace(b"HTTP/1.1", b"http/1.1"),
    "HTTP/1.2": SEND.replace(b"HTTP/1.1", b"HTTP/1.2"),
    "two spaces": SEND.replace(b"POST ", b"POST  "),
    "a tab": SEND.replace(b"POST ", b"POST\t"),
    "a space behind": SEND.replace(b"HTTP/1.1", b"HTTP/1.1 "),
    "a fragment of 8 bits": SEND.replace(b"/send", b"/send?\xe9"),
    "many fields": post("/send", GOOD, *[f"X{number}: y" for number in range(101)]),
    "too many fields": post("/send", GOOD, *[f"X{number}: y" for number in range(600)]),
    "a long field": post("/send", GOOD, "X: " + "y" * 9_000),
    "too long a field": post("/send", GOOD, "X: " + "y" * 17_000),
    "a long body": post("/send", b" " * LONGEST_BODY + GOOD),
    "too long a body": post("/send", b"x" * 65_537),
    "TLS": b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "nonsense": b"NONSENSE\r\n\r\n",
}


def masked(octets: bytes, times: bool = False) -> bytes:
    """Without what is never the same twice; ``times``: without when it was accepted too."""
    if times:
        octets = re.sub(rb'At": "[^"]*"', b'At": -', octets)
    return re.sub(rb"\r\nDate: [^\r]*", b"\r\nDate: -", re.sub(rb"SM[0-9a-f]{32}", b"SID", octets))


class Door(AbuseCase):
    """One of the two, with a store of its own. ``served``: what its handlers were given."""

    def runTest(self) -> None: ...

    def make_site(self, *args: Any, **limits: Any) -> Connections:
        self.served: list[Any] = []
        serve = self.resource.api.serve

        def recorded(route: HTTPRoute, request: HTTPRequest, answer: GiveAnswer) -> None:
            self.served.append((route.path, request._replace(fault=None), str(request.fault)))
            serve(route, request, answer)

        self.resource.api.serve = recorded  # type: ignore[method-assign]
        return super().make_site(*args, **limits)

    def takes(
        self,
        octets: bytes,
        *,
        cuts: Sequence[int] = (),
        settle: bool = True,
        half_closed: bool = False,
        wait: bool = False,
        slow_store: bool = False,
    ) -> Any:
        """What comes of these octets on one connection: the answers, whether it is closed then, and, with ``wait``,
        when time has passed; what the store has, and what the handlers were given. ``cuts``: where one read ends and
        the next begins; with ``settle`` the door has its turns between them. With ``slow_store`` nothing is committed
        until 40 s after all has come."""
        protocol, transport = self.connect()
        commit = self.writer.commit
        if slow_store:
            self.writer.commit = lambda: None  # type: ignore[method-assign]
        ends = sorted({min(cut, len(octets)) for cut in cuts} | {len(octets)})
        for begin, end in zip([0, *ends], ends, strict=False):
            if end > begin and not transport.disconnecting:
                protocol.dataReceived(octets[begin:end])
                if settle:
                    self.settle()
        if half_closed and not transport.disconnecting:
            protocol.readConnectionLost()
        if slow_store:
            self.clock.pump([1.0] * 40)
            self.writer.commit = commit  # type: ignore[method-assign]
            commit()
        for _ in range(3 + octets.count(b"HTTP/1.1")):
            self.settle()
        found: list[Any] = [masked(transport.value(), slow_store), transport.disconnecting, transport.aborted]
        if wait and not transport.disconnecting:
            for seconds in (33, 70):
                self.clock.pump([1.0] * seconds)
                found += [masked(transport.value(), slow_store), transport.disconnecting, transport.aborted]
        protocol.connectionLost(Failure(ConnectionLost()))
        self.settle()
        self.channel.answer(*[Outcome(one, Verdict.ACCEPTED, "a", "1") for one in self.channel.under_way])
        self.settle()
        assert (self.bodies.octets, self.bodies.beyond) == (0, 0), octets
        served, self.served[:] = [*self.served], []
        return [*found, self.writer.store.last_segment_id(), len(self.events()), served]


class BothCase(AbuseCase):
    """``doors``: with the lane, and without it."""

    def setUp(self) -> None:
        super().setUp()
        self.handed_over = 0
        self.doors = [self.door(True), self.door(False)]
        original = Lane._hand_over

        def counted(lane: Lane) -> None:
            self.handed_over += 1
            original(lane)

        self.patch(Lane, "_hand_over", counted)

    def door(self, fast_lane: bool) -> Door:
        door = Door()
        door.fast_lane, door.keys = fast_lane, self.keys
        door.setUp()
        self.addCleanup(door.writer.store.close)
        return door

    def check(self, octets: bytes, what: Any = "", **how: Any) -> bytes:
        """Both say the same; what they say."""
        lane, twisted_web = (door.takes(octets, **how) for door in self.doors)
        self.assertEqual(lane, twisted_web, (what, octets[:300]))
        found: bytes = lane[0]
        return found


class DifferenceCase(BothCase):
    def test_plain(self) -> None:
        """Every plain request has the same answer in both; the lane takes it itself."""
        for what, octets in PLAIN.items():
            self.assertTrue(self.check(octets, what, wait=True).startswith(b"HTTP/1.1 "), what)
        self.assertEqual(self.handed_over, 0)

    def test_unusual(self) -> None:
        """Whatever is not plain is handed over, and has twisted.web's answer."""
        for number, (what, octets) in enumerate(UNUSUAL.items(), 1):
            self.assertTrue(self.check(octets, what, wait=True).startswith(b"HTTP/1."), what)
            self.assertEqual(self.handed_over, number, what)

    def test_no_line_yet(self) -> None:
        """What has no CR LF is no line: both wait for more, until it is too long for one."""
        for octets in (b"POST /send HTTP/1.1\n\n", SEND.replace(b"\r\n", b"\n"), b"\0" * 5_000, b"\r", b"x" * 17_000):
            self.assertEqual(bool(self.check(octets, wait=True)), len(octets) > 16_384)

    def test_octet_by_octet(self) -> None:
        """However the octets come."""
        for what, octets in (PLAIN | UNUSUAL).items():
            if len(octets) < 1_000:
                for cuts in (range(len(octets)), [octets.find(b"\r\n\r\n") + 4], [octets.find(b"\r\n") + 1]):
                    for settle in (True, False):
                        self.check(octets, (what, settle), cuts=cuts, settle=settle)

    def test_cut_short(self) -> None:
        """What does not come to its end has the same end, whether the client waits or closes its half."""
        for what, octets in (PLAIN | UNUSUAL).items():
            for end in sorted({len(octets) * part // 7 for part in range(1, 7)} | {len(octets) - 1}):
                for half_closed in (True, False):
                    self.check(octets[:end], (what, end, half_closed), half_closed=half_closed, wait=True)

    def test_pipelines(self) -> None:
        """Several requests at once: all answers, in their order, also where one of them is handed over or the last."""
        some = [SEND, HEALTH, RECEIVE, NOTIFY, PLAIN["refused"], PLAIN["no message"], PLAIN["representation"]]
        for first in some:
            for second in [*some, NOTHING, UNUSUAL["chunks"], PLAIN["close"], UNUSUAL["nonsense"], UNUSUAL["folded"]]:
                for half_closed in (True, False):
                    self.check(first + second + first, half_closed=half_closed)
                    self.check(first + first + second + second[:-1], half_closed=half_closed)
        self.check(b"".join(some) * 20 + NOTHING + b"".join(some) * 20)
        self.check((SEND + PLAIN["refused"]) * 80)  # the answers fit the buffer of the connection

    def test_behind_close(self) -> None:
        """What comes behind the last request, before that is answered or after, is read by nobody."""
        octets = PLAIN["close"]
        for behind in (SEND, NOTHING, SEND[:9], UNUSUAL["chunks"], UNUSUAL["nonsense"]):
            for slow_store in (True, False):
                for settle in (True, False):
                    self.check(octets + behind, behind, cuts=[len(octets)], settle=settle, slow_store=slow_store)

    def test_slow_store(self) -> None:
        """While texts wait for their commit more may come: whatever it is, it is answered as it would be alone."""
        some = [SEND, HEALTH, RECEIVE, PLAIN["close"], PLAIN["refused"], PLAIN["no message"], NOTHING]
        some += [UNUSUAL["nonsense"], UNUSUAL["chunks"], SEND[:40], SEND[:-3], b"\r\n", b"X" * 9_000]
        for first in (SEND, RECEIVE, SEND * 3):
            for second in some:
                for third in (b"", SEND, second):
                    octets = first + second + third
                    ends = [len(first), len(first + second)]
                    for half_closed in (True, False):
                        for cuts in (ends, []):
                            how = {"half_closed": half_closed, "cuts": cuts}
                            self.check(octets, (second[:40], how), wait=True, slow_store=True, **how)

    def test_keys(self) -> None:
        """With keys configured: none, a wrong one, and the right one in each of its forms."""
        self.keys = ("first-key", "second-key")
        self.doors = [self.door(True), self.door(False)]
        basic = b64encode(b"user:first-key").decode()
        for lines in (
            [],
            ["Authorization: Bearer second-key"],
            ["authorization:bearer  first-key "],
            ["X-API-Key: first-key"],
            [f"Authorization: Basic {basic}"],
            ["Authorization: Basic !!!"],
            ["Authorization: Bearer no-key", "Authorization: Bearer first-key"],
        ):
            for octets in (post("/send", GOOD, *lines), get("/health", *lines), post("/receive", TEXT, *lines)):
                self.check(octets, lines)
        self.assertEqual(self.handed_over, 0)

    def test_closed_gate_and_broken_store(self) -> None:
        """503 with Retry-After, from either."""
        for door in self.doors:
            door.gate.reason = "The disk is nearly full."
        for octets in (SEND, HEALTH, RECEIVE):
            self.check(octets)
        for door in self.doors:
            door.gate.reason, door.writer.broken = "", True
        for octets in (SEND, SEND * 3, RECEIVE, PLAIN["no message"]):
            self.check(octets)

    NAMES = ("Host", "Content-Length", "Connection", "Transfer-Encoding", "Expect", "Prefer", "Origin", "X-A", "TE")
    VALUES = (
        "x",
        "",
        "5",
        "0",
        "05",
        "+5",
        "5, 5",
        "close",
        "keep-alive",
        "Close",
        "chunked",
        "identity",
        "100-continue",
    )
    LINE = st.tuples(
        st.sampled_from(NAMES).flatmap(lambda name: st.sampled_from((name, name.lower(), name.upper()))),
        st.sampled_from((": ", ":", " : ", ":\t", ": \t ", "")),
        st.sampled_from((*VALUES, "return=representation", "https://evil.example", "\xe9", "a\tb", "a\0", "a\rb")),
        st.sampled_from(("\r\n",) * 12 + ("\n", "\r", "\r\n ", "\r\n\t", " \r\n", "\r\r\n", "\r\n\r\n")),
    ).map(lambda parts: "".join(parts).encode("latin-1"))
    BODY = st.sampled_from((GOOD, TEXT, STATUS, b"", b"{", b"hello", b"\r\n", b"5\r\nhello\r\n0\r\n\r\n"))
    BEGIN = st.tuples(
        st.sampled_from((b"POST", b"POST", b"POST", b"GET", b"GET", b"HEAD", b"post", b"PUT", b"")),
        st.sampled_from((b" ", b" ", b" ", b" ", b"  ", b"\t")),
        st.sampled_from(
            b"/send /msg-client/send /receive /health /msg-client/smpp/receive /send/ /%73end /msg-client/messages/SM1 "
            b"/delivery-notification http://x/health /send?x * /\xe9".split()
        ),
        st.sampled_from((b" HTTP/1.1\r\n",) * 6 + (b" HTTP/1.0\r\n", b" HTTP/1.1\n", b"\r\n", b" HTTP/1.1 \r\n")),
    ).map(b"".join)

    @staticmethod
    def whole(begin: bytes, lines: list[bytes], body: bytes, has_length: bool, has_host: bool) -> bytes:
        more = b"Host: x\r\n" * has_host + b"Content-Length: %d\r\n" % len(body) * has_length
        return begin + more + b"".join(lines) + b"\r\n" + body

    REQUEST = st.builds(
        whole,
        BEGIN,
        st.lists(LINE, max_size=3) | st.just([]),
        BODY,
        st.sampled_from((True, True, True, False)),
        st.sampled_from((True, True, True, False)),
    )
    OCTETS = st.lists(
        REQUEST | st.sampled_from((*PLAIN.values(),)) | st.sampled_from((b"\r\n", b"\0", b"GET", SEND, SEND[:-3])),
        min_size=1,
        max_size=5,
    )

    @settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
    @given(OCTETS, st.lists(st.integers(0, 1_500), max_size=6), st.booleans(), st.booleans(), st.booleans())
    def test_any(self, requests: list[bytes], cuts: list[int], apart: bool, settle: bool, half_closed: bool) -> None:
        """Heads that are nearly right, bodies of other lengths, cut anywhere, one behind the other, each in a read of
        its own (``apart``) or not."""
        ends = accumulate(map(len, requests)) if apart else ()
        self.check(b"".join(requests), cuts=[*cuts, *ends], settle=settle, half_closed=half_closed, wait=True)
