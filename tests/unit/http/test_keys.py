"""Keys of the file, through the door: who is let in, and that a refusal does not tell why."""

import json
import re
from base64 import b64encode
from typing import Any

from twisted.internet.error import ConnectionLost
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from smsconnector.access.guesses import AT_ONCE, EVERY_S
from smsconnector.access.keys import Permissions
from smsconnector.access.ring import KeyRing
from smsconnector.hooks.callers import network_of
from smsconnector.http import auth
from smsconnector.http.auth import Access
from smsconnector.recurring import PERIOD
from tests.recorded_log import RecordedLog
from tests.unit.access.test_ring import Later, stored
from tests.unit.http.ways import FORM, Answer, DoorCase, both_ways

HERE = "192.168.1.1"  # whom a StringTransport comes from
TEXT = "Body=hi&From=%2B923001234567&To=8228&SmsSid=in1"
KEYS = {  # by id: what it may do
    "send": Permissions(("send",)),
    "read": Permissions(("read",)),
    "webhook": Permissions(("webhook",)),
    "admin": Permissions(("admin",)),
    "probe": Permissions(("health",)),
    "here": Permissions(("send",), networks=("192.168.0.0/16",)),
    "there": Permissions(("send", "read", "webhook"), networks=("192.0.2.0/24", "2001:db8::/32")),
    "smpp": Permissions(("send", "read", "webhook"), channels=("smpp",)),
    "cloud": Permissions(("send", "read", "webhook"), channels=("cloud",)),
    "slow": Permissions(("send", "health"), rate=2.0),
    "gone": Permissions(("send",)),
}


def masked(answer: Answer) -> tuple[Any, ...]:
    """All of it that could tell something."""
    headers = sorted((name, values) for name, values in answer.headers.getAllRawHeaders() if name != b"Date")
    return answer.status, headers, answer.body


class KeysCase(DoorCase):
    networks: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()

    def make_access(self) -> Access:
        self.threads = Later()
        self.ring = KeyRing(self.keys, in_thread=self.threads.run)
        self.ring.replace(
            stored(name, permissions=one, revoked_at=1 if name == "gone" else None) for name, one in KEYS.items()
        )
        self.log_lines = RecordedLog(self).lines
        return Access(
            ring=self.ring,
            networks=tuple(map(network_of, self.networks)),
            trusted_proxies=tuple(map(network_of, self.trusted_proxies)),
            clock=self.clock,
        )

    def settle(self) -> None:
        for _ in range(3):
            super().settle()
            self.threads.go()
        super().settle()

    def with_key(self, key: str, method: str = "POST", path: str = "/send", body: str = "", **headers: str) -> Answer:
        body = body or ('{"To": "+923001234567", "Body": "hi"}' if path == "/send" else "")
        kind = FORM if path.endswith("receive") else "application/json"
        return self.request(method, path, body, Content_Type=kind, X_API_Key=key, **headers)


@both_ways
class WhoIsLetInCase(KeysCase):
    def test_table(self) -> None:
        """Each key, and each kind of request: let in, or the one refusal that there is."""
        requests = {
            "send": ("POST", "/send", ""),
            "read": ("GET", "/msg-client/messages/SM1", ""),
            "webhook": ("POST", "/receive", TEXT),
            "health": ("GET", "/health", ""),
        }
        opens = {
            "send": ("send", "health"),
            "read": ("read", "health"),
            "webhook": ("webhook", "health"),
            "admin": ("health",),
            "probe": ("health",),
            "here": ("send", "health"),
            "smpp": ("send", "read", "webhook", "health"),
            "cloud": ("read", "health"),
            "there": (),
            "gone": (),
        }
        for name, scopes in opens.items():
            for scope, (method, path, body) in requests.items():
                self.clock.advance(AT_ONCE * EVERY_S)
                answer = self.with_key(f"smsc_{name}_right", method, path, body)
                wanted = 404 if scope == "read" else 200  # there is no such message
                self.assertEqual(answer.status, wanted if scope in scopes else 401, (name, scope))
        self.assertEqual(self.writer.store.last_segment_id(), 3)

    def test_where_a_key_stands(self) -> None:
        """As Bearer, as the password of Basic with any user, as X-API-Key."""
        basic = b64encode(b"anybody:smsc_send_right").decode()
        for headers in (
            {"Authorization": "Bearer smsc_send_right"},
            {"Authorization": f"Basic {basic}"},
            {"X_API_Key": "smsc_send_right"},
        ):
            self.assertEqual(
                self.request("POST", "/send", '{"To": "+923001234567", "Body": "x"}', **headers).status, 200
            )

    def test_one_refusal(self) -> None:
        """A key that is wrong, unknown, malformed or revoked, and one for another scope, channel or network: the same
        octets, after one hash each; known to us before or not."""
        for round_ in range(2):
            found = {}
            for key, body in (
                ("smsc_send_wrong", ""),
                ("smsc_nobody_right", ""),
                ("nonsense", ""),
                ("smsc_gone_right", ""),
                ("smsc_read_right", ""),
                ("smsc_there_right", ""),
                ("smsc_cloud_right", ""),
                ("smsc_cloud_right", '{"To": "+923001234567", "Body": "hi", "channel": "smpp"}'),
                ("smsc_smpp_right", '{"To": "+923001234567", "Body": "hi", "channel": "nowhere"}'),
            ):
                self.clock.advance(AT_ONCE * EVERY_S)
                if round_:
                    self.with_key(key, "GET", "/health")  # now it is known, if it is right
                    self.clock.advance(AT_ONCE * EVERY_S)
                before = self.threads.count
                found[key, body] = masked(self.with_key(key, body=body))
                if round_ or ("cloud" not in key and "smpp" not in key):
                    self.assertEqual(self.threads.count, before + 1, key)
            self.assertEqual(len(set(map(repr, found.values()))), 1, found)
            self.assertEqual({status for status, _, _ in found.values()}, {401})
        self.assertEqual(self.channel.submitted, [])

    def test_microseconds(self) -> None:
        """What is known is not hashed again."""
        for _ in range(50):
            self.assertEqual(self.with_key("smsc_send_right").status, 200)
        self.assertEqual(self.threads.count, 1)
        self.assertEqual([one and one.name for one in self.accepted_from], ["name-send"] * 50)

    def test_revoked(self) -> None:
        """From the next request on."""
        self.assertEqual(self.with_key("smsc_send_right").status, 200)
        self.ring.replace([stored("send", permissions=KEYS["send"], revoked_at=5)])
        self.assertEqual(self.with_key("smsc_send_right").status, 401)

    def test_the_last_one_revoked(self) -> None:
        """The door is not open to everybody then."""
        self.ring.replace([stored("send", permissions=KEYS["send"], revoked_at=5)])
        self.assertEqual(self.send("/send", To="+923001234567", Body="x").status, 401)

    def test_a_message_of_another_channel(self) -> None:
        """To a key of another channel it is as if there were none."""
        sid = self.with_key("smsc_smpp_right").header("X-Message-SID")
        nothing = self.with_key("smsc_cloud_right", "GET", "/msg-client/messages/SM0")
        found = self.with_key("smsc_cloud_right", "GET", f"/msg-client/messages/{sid}")
        self.assertEqual(masked(found), masked(nothing))
        self.assertEqual(self.with_key("smsc_smpp_right", "GET", f"/msg-client/messages/{sid}").status, 200)

    def test_messages_of_another_channel(self) -> None:
        """Neither found in a search, nor shown step by step, nor cancelled by a key of another channel."""
        sid = self.with_key("smsc_smpp_right").header("X-Message-SID")
        for path in ("/msg-client/messages", "/msg-client/messages?to=%2B923001234567"):
            for key, count in (("cloud", 0), ("smpp", 1), ("read", 1)):
                found = self.with_key(f"smsc_{key}_right", "GET", path)
                self.assertEqual((found.status, len(found.json["messages"])), (200, count), (key, path))
        for method, path in (
            ("GET", f"/msg-client/messages/{sid}/timeline"),
            ("DELETE", f"/msg-client/messages/{sid}"),
        ):
            nothing = self.with_key("smsc_cloud_right", method, path.replace(str(sid), "SM0"))
            self.assertEqual(masked(self.with_key("smsc_cloud_right", method, path)), masked(nothing))
            self.assertEqual(nothing.status, 404)
        self.assertEqual(self.told, [])
        self.assertEqual(self.with_key("smsc_read_right", "DELETE", f"/msg-client/messages/{sid}").status, 401)
        state = self.with_key("smsc_smpp_right", "GET", f"/msg-client/messages/{sid}").json["State"]
        self.assertNotEqual(state, "cancelled")
        self.assertEqual(self.with_key("smsc_smpp_right", "GET", f"/msg-client/messages/{sid}/timeline").status, 200)

    def test_who_has_cancelled(self) -> None:
        """The audit is told, once it is done; not of one that was too late, or is not there."""
        self.with_key("smsc_smpp_right")
        sid = self.with_key("smsc_smpp_right").header("X-Message-SID")  # behind the first one, to the same number
        answer = self.with_key("smsc_send_right", "DELETE", f"/msg-client/messages/{sid}")
        self.assertEqual(answer.status, 200)
        self.with_key("smsc_send_right", "DELETE", "/msg-client/messages/SM0")
        self.with_key("smsc_send_right", "DELETE", f"/msg-client/messages/{sid}")
        self.assertEqual(self.told, [("name-send", "cancelled", sid)])

    def test_body_too_long(self) -> None:
        """Whoever has no key does not learn it; whoever has one does, though it has to be hashed first."""
        for key, status in (("smsc_send_wrong", 401), ("smsc_send_right", 413)):
            self.assertEqual(self.with_key(key, body="x" * 70_000).status, status)


@both_ways
class SlowedDownCase(KeysCase):
    def test_rate(self) -> None:
        """So many requests a second of one key; then 429 with the time to wait, and it is as good as its word."""
        for _ in range(3):
            statuses = [self.with_key("smsc_slow_right").status for _ in range(4)]
            self.assertEqual(statuses, [200, 200, 429, 429])
            answer = self.with_key("smsc_slow_right")
            self.assertEqual((answer.error["code"], answer.header("Retry-After")), ("rate_limited", "1"))
            self.assertEqual(self.with_key("smsc_send_right").status, 200)  # another key has its own
            self.clock.advance(1.0)

    def test_rate_of_batches(self) -> None:
        """Each text of a batch counts, in each form that a batch may have: what is beyond the rate is refused by
        itself, with the time to wait, and nothing of it is stored. After that time there is room again. Keys without a
        rate send what they like."""
        items = [{"To": f"+92300123{place:04d}", "Body": "hi"} for place in range(200)]
        recipients = {"Body": "hi", "To": [one["To"] for one in items]}
        forms = (json.dumps(items), "\n".join(map(json.dumps, items)), json.dumps(recipients))
        for place, body in enumerate(forms):
            kind = "application/x-ndjson" if place == 1 else "application/json"
            headers = {"Content_Type": kind, "X_API_Key": "smsc_slow_right"}
            answer = self.request("POST", "/send-batch", body, **headers)
            said = [json.loads(one) for one in answer.body.splitlines()] if place == 1 else answer.json
            self.assertEqual([one["status"] for one in said], [200] * 2 + [429] * 198, place)
            self.assertEqual(said[2]["error"]["code"], "rate_limited")
            self.assertIn("try again in 1 s", said[2]["error"]["message"])
            self.assertEqual(self.writer.store.last_segment_id(), 2 * (place + 1))
            refused = self.request("POST", "/send-batch", body, **headers)
            self.assertEqual((refused.status, refused.header("Retry-After")), (429, "1"))
            self.clock.advance(1.0)
        answer = self.with_key("smsc_send_right", path="/send-batch", body=forms[0])
        self.assertEqual({one["status"] for one in answer.json}, {200})

    def test_wrong_keys(self) -> None:
        """An address may try so many, then one now and then, whichever they are: nothing is hashed for the others. A
        key that is known goes on meanwhile."""
        self.assertEqual(self.with_key("smsc_send_right").status, 200)
        for number in range(AT_ONCE):
            self.assertEqual(self.with_key(f"smsc_send_{number}").status, 401)
        before = self.threads.count
        for key in ("smsc_send_99", "smsc_there_right", "smsc_read_right"):
            answer = self.with_key(key)
            self.assertEqual((answer.status, answer.error["code"]), (429, "too_many_attempts"))
            self.assertEqual(answer.header("Retry-After"), "7")
        self.assertEqual(self.threads.count, before)
        self.assertEqual(self.with_key("smsc_send_right").status, 200)
        self.clock.advance(7.0)
        self.assertEqual(self.with_key("smsc_smpp_right").status, 200)  # one that is right costs nothing
        self.assertEqual([self.with_key("smsc_send_9").status for _ in range(2)], [401, 429])

    def test_many_connections_at_the_start(self) -> None:
        """Clients open many connections with one key, which is not known yet: that is one guess, and all are let in.
        (Seen in the benchmark: 32 connections at once, and most of their first requests were answered 429.)"""
        body = b'{"To": "+923001234567", "Body": "hi"}'
        octets = b"POST /send HTTP/1.1\r\nHost: x\r\nX-API-Key: smsc_%%s\r\nContent-Length: %d\r\n\r\n%s" % (
            len(body),
            body,
        )
        for key, status in ((b"send_right", b"200"), (b"send_wrong", b"401")):
            transports = [self.exchange(octets % key, settle=False) for _ in range(5 * AT_ONCE)]
            self.settle()
            found = {transport.value()[9:12] for transport in transports}
            self.assertEqual(found, {status})
        self.assertEqual(self.threads.count, 2)
        self.assertEqual(
            [self.with_key(f"smsc_send_{n}").status for n in range(AT_ONCE)], [401] * (AT_ONCE - 1) + [429]
        )

    def test_configured_keys_too(self) -> None:
        """Without keys of the file nothing is hashed, but an address is slowed down all the same."""
        self.ring.replace([])
        self.ring.is_needed = True
        statuses = [self.with_key("wrong").status for _ in range(AT_ONCE + 1)]
        self.assertEqual(statuses, [401] * AT_ONCE + [429])

    def test_too_many_hashed(self) -> None:
        """With the threads full it is 503, and the address is not charged for it."""
        self.patch(self.ring, "examine", lambda given, examined: False)
        for _ in range(2 * AT_ONCE):
            answer = self.with_key("smsc_send_right")
            self.assertEqual((answer.status, answer.header("Retry-After")), (503, "5"))

    def test_log(self) -> None:
        """A line says who was refused and why, without the key; then one in a while, with how many there were."""
        for key in ("smsc_send_wrong1", "smsc_cloud_right", "smsc_read_right", "nonsense"):
            self.with_key(key)
        self.with_key("smsc_read_right")
        self.clock.advance(PERIOD)
        lines = [one for one in self.log_lines if "refused" in one]
        self.assertEqual(len(lines), 2, lines)
        self.assertIn(f"a request for want of a valid API key, from {HERE}: its key is not valid", lines[0])
        self.assertIn(f"4 more requests for want of a valid API key in the last minute, the last from {HERE}", lines[1])
        self.assertIn("the key name-read (read) has not the scope send", lines[1])
        for secret in ("wrong1", "right", "nonsense"):
            self.assertNotIn(secret, re.sub(r"copyright", "", "\n".join(self.log_lines)))


@both_ways
class NetworksCase(KeysCase):
    networks = ("192.168.0.0/16", "203.0.113.0/24")
    trusted_proxies = ("192.168.1.0/24",)

    def test_behind_a_proxy(self) -> None:
        """Whom a request comes from: the last address in X-Forwarded-For that is no proxy of ours. What stands before
        it anybody can write."""
        for forwarded, status in (
            ("203.0.113.7", 200),
            ("198.51.100.1", 403),
            ("203.0.113.7, 198.51.100.1", 403),
            ("198.51.100.1, 203.0.113.7", 200),
            ("203.0.113.7, 192.168.1.9", 200),
            ("198.51.100.1,192.168.1.9", 403),
            ("nonsense", 403),
            ("203.0.113.7:4711", 200),
            ("::ffff:203.0.113.7", 200),
        ):
            answer = self.with_key("smsc_send_right", X_Forwarded_For=forwarded)
            self.assertEqual(answer.status, status, forwarded)

    def test_told(self) -> None:
        """The log names who was refused by the network, and nothing grows with the refusals: an exception that is
        raised again and again keeps each of its tracebacks."""
        for _ in range(3):
            self.with_key("smsc_send_right", X_Forwarded_For="198.51.100.1")
        self.assertIn("from 198.51.100.1: its network is not allowed", "\n".join(self.log_lines))
        for name, one in vars(auth).items():
            self.assertFalse(isinstance(one, Exception) and one.__traceback__, name)

    def test_key_s_own(self) -> None:
        """A key's networks count by the same address."""
        for forwarded, status in (("192.168.9.9", 200), ("203.0.113.7", 401)):
            self.assertEqual(self.with_key("smsc_here_right", X_Forwarded_For=forwarded).status, status)

    def test_batch(self) -> None:
        """A body that is handled while it comes is let in, or not, by the same address: of the API, of a key, and of
        who has guessed too often."""
        body = '[{"To": "+923001234567", "Body": "hi"}]'
        for path, how in (("/send-batch", {}), ("/msg-client/send-batch", {"X_Forwarded_For": "192.168.3.4"})):
            self.assertEqual(self.with_key("smsc_here_right", path=path, body=body, **how).status, 200, how)
        for address, status in (("198.51.100.9", 403), ("203.0.113.9", 401)):
            answer = self.with_key("smsc_here_right", path="/send-batch", body=body, X_Forwarded_For=address)
            self.assertEqual(answer.status, status, address)

    def test_guesses_by_the_client(self) -> None:
        """Behind a proxy one client's wrong keys don't slow down the others."""
        for _ in range(AT_ONCE):
            self.with_key("smsc_send_wrong", X_Forwarded_For="203.0.113.7")
        self.assertEqual(self.with_key("smsc_send_wrong", X_Forwarded_For="203.0.113.7").status, 429)
        self.assertEqual(self.with_key("smsc_send_wrong", X_Forwarded_For="203.0.113.8").status, 401)


@both_ways
class NotTrustedCase(KeysCase):
    networks = ("203.0.113.0/24",)

    def test_anybody_can_write_it(self) -> None:
        """Who is no proxy of ours is who he is, whatever X-Forwarded-For says."""
        self.assertEqual(self.with_key("smsc_send_right", X_Forwarded_For="203.0.113.7").status, 403)


class ThreadsCase(KeysCase):
    def test_answers_in_order(self) -> None:
        """Requests of one connection, one of which is hashed: the answers come in the order of the requests."""
        body = b'{"To": "+923001234567", "Body": "hi"}'
        head = b"POST /send HTTP/1.1\r\nHost: x\r\nX-API-Key: %s\r\nContent-Length: %d\r\n\r\n%s"
        keys = (b"smsc_send_right", b"smsc_send_wrong", b"smsc_read_right", b"smsc_send_right")
        answers = self.exchange(b"".join(head % (key, len(body), body) for key in keys)).value()
        self.assertEqual(re.findall(rb"HTTP/1.1 (\d+)", answers), [b"200", b"401", b"401", b"200"])

    def test_gone_while_hashed(self) -> None:
        """A client that does not wait for its answer: nothing fails, and nothing is kept."""
        protocol = self.site.buildProtocol(None)
        protocol.makeConnection(StringTransport())
        protocol.dataReceived(b"GET /health HTTP/1.1\r\nHost: x\r\nX-API-Key: smsc_send_wrong\r\n\r\n")
        protocol.connectionLost(Failure(ConnectionLost()))
        self.settle()
        self.assertEqual((self.threads.count, self.ring._examined), (1, {}))


@both_ways
class BatchCase(KeysCase):
    ITEM = '{"To": "+923001234567", "Body": "hi", "channel": "%s"}'

    def batch(self, key: str, *channels: str) -> Answer:
        body = "[" + ", ".join(self.ITEM % channel for channel in channels) + "]"
        return self.request("POST", "/msg-client/send-batch", body, Content_Type="application/json", X_API_Key=key)

    def test_known_or_not(self) -> None:
        """The body waits while the key is hashed; then it is taken, or refused as any other request."""
        for _ in range(2):
            self.assertEqual(self.batch("smsc_send_right", "smpp", "smpp").status, 200)
        self.assertEqual([one and one.name for one in self.accepted_from], ["name-send"] * 4)
        plain = masked(self.batch("smsc_nobody_right", "smpp"))
        self.assertEqual((plain[0], plain[2]), (401, self.with_key("smsc_send_wrong").body))
        for key in ("smsc_send_wrong", "smsc_read_right", "smsc_gone_right", "smsc_there_right"):
            self.assertEqual(masked(self.batch(key, "smpp")), plain, key)
        self.assertEqual(self.writer.store.last_segment_id(), 4)

    def test_another_channel(self) -> None:
        """Of the items those are refused that the key is not for."""
        answer = self.batch("smsc_smpp_right", "smpp", "cloud", "smpp")
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.body.count(b'"unauthorized"'), 1)
        self.assertEqual(self.writer.store.last_segment_id(), 2)

    def test_gone_while_it_waits(self) -> None:
        """A client that goes away before its key is known: nothing is accepted, and nothing fails."""
        protocol = self.site.buildProtocol(None)
        protocol.makeConnection(StringTransport())
        head = b"POST /msg-client/send-batch HTTP/1.1\r\nHost: x\r\nX-API-Key: smsc_send_right\r\n"
        protocol.dataReceived(head + b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n[")
        protocol.connectionLost(Failure(ConnectionLost()))
        self.settle()
        self.assertEqual(self.writer.store.last_segment_id(), 0)
