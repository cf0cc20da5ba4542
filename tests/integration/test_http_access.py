"""How a channel of the type ``http`` shows who it is, by HTTP and HTTPS: keys, tokens, sessions, certificates; and what
stands between it and its provider: proxies, limits."""

import base64
import hashlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from twisted.internet.task import deferLater

from smsconnector.channels.http import session
from smsconnector.messages import Verdict
from tests.integration.certificates import Authority
from tests.integration.fake_provider import Answer, FakeProvider, Reply, Request
from tests.integration.fake_proxy import FakeProxy
from tests.integration.provider_bench import (
    HTML,
    KEY,
    NUMBER,
    TAKEN,
    TEXT,
    THROTTLED,
    Bench,
    HTTPCase,
    SecureCase,
    ok,
    reactor,
    says,
)
from tests.integration.stack import until
from tests.recorded_log import RecordedLog

ACCEPTED = (Verdict.ACCEPTED, None, "up")
WAITS = (THROTTLED, None, "down")
STOPPED = (THROTTLED, None, "stopped")
DOWN = (Verdict.RETRY, None, "down")
PLAIN = {"url": "http://provider/send", "json": {"to": "{{to}}", "text": "{{text}}"}}
OAUTH2 = {"token_url": "http://provider/token", "client_id": "me", "client_secret": "{{secret.key}}"}
LOGIN = {
    "request": {"url": "http://provider/login", "form": {"user": "me", "password": "{{secret.key}}"}},
    "accepted": [{"status": 200}, {"xml": "//response", "equals": "OK"}],
    "session": {"xml": "//data"},
}


def page(response: str, data: str) -> Reply:
    return Reply(200, f"<r><response>{response}</response><data>{data}</data></r>".encode())


def token(name: str, **more: Any) -> Reply:
    return says(200, {"access_token": name, "token_type": "bearer"} | more)


class Paths:
    """A provider with a script of its own for each path; of each the last answer stays."""

    def __init__(self, **scripts: list[Answer]) -> None:
        self.scripts = scripts
        self.seen: dict[str, list[Request]] = {name: [] for name in scripts}

    def __call__(self, request: Request) -> Reply:
        name = request.path.strip("/")
        self.seen[name].append(request)
        script = self.scripts[name]
        answer = script.pop(0) if len(script) > 1 else script[0]
        return answer if isinstance(answer, Reply) else answer(request)

    def counts(self) -> tuple[int, ...]:
        return tuple(len(one) for one in self.seen.values())


class AccessCase(HTTPCase):
    def setUp(self) -> None:
        super().setUp()
        self.log_lines = RecordedLog(self).lines
        self.addCleanup(self.no_secret_is_told)

    def no_secret_is_told(self) -> None:
        for secret in (KEY, NUMBER, TEXT, "token-1", "session-1"):
            self.assertNotIn(secret, "\n".join(self.log_lines))

    def with_paths(self, paths: Paths, authentication: Mapping[str, Any], **changes: Any) -> Bench:
        section: dict[str, Any] = {"request": PLAIN, "authentication": authentication} | changes
        return self.bench(self.provider(paths), **section)


class KeysTest(AccessCase):
    async def test_keys(self) -> None:
        """By basic authentication, a header of any name and scheme, the query, and a field."""
        basic = {"basic": {"username": "me", "password": "{{secret.key}}"}}
        for more, authentication, find, wanted in (
            ({}, basic, lambda seen: seen.headers["authorization"],
             "Basic " + base64.b64encode(f"me:{KEY}".encode()).decode()),
            ({"headers": {"X-API-Key": "{{secret.key}}"}}, {}, lambda seen: seen.headers["x-api-key"], KEY),
            ({"headers": {"Authorization": "App {{secret.key}}"}}, {}, lambda seen: seen.headers["authorization"],
             f"App {KEY}"),
            ({"query": {"key": "{{secret.key}}"}}, {}, lambda seen: seen.query["key"], KEY),
            ({"json": None, "form": {"password": "{{secret.key}}"}}, {}, lambda seen: seen.form["password"], KEY),
        ):  # fmt: skip
            provider = self.provider(TAKEN)
            bench = self.bench(provider, request=PLAIN | more, authentication=authentication)
            self.assertEqual(await bench.end(), ACCEPTED)
            self.assertEqual(find(provider.requests[0]), wanted)

    async def test_refused(self) -> None:
        """A wrong key stops the channel, says so once, and no more is sent."""
        provider = self.provider(says(401, {"error": {"text": f"wrong key {KEY}"}}))
        bench = self.bench(provider, parallel=4)
        for number in range(1, 5):
            bench.send(id=number)
        await until(lambda: len(bench.back) == 4, 10)
        bench.send(id=9)
        self.assertEqual((len(provider.requests), bench.channel.parts()[0].state), (4, "stopped"))
        self.assertEqual(len([line for line in self.log_lines if "has stopped" in line]), 1)


class SecureKeysTest(SecureCase, KeysTest): ...


class TokensTest(AccessCase):
    """OAuth2 (RFC 6749 sections 4.3 and 4.4)."""

    async def test_client_credentials(self) -> None:
        """One token for all who come, asked for by Basic, and sent as Bearer."""
        paths = Paths(token=[token("token-1", expires_in="3600")], send=[TAKEN])
        bench = self.with_paths(paths, {"oauth2": OAUTH2 | {"scope": "sms"}})
        for number in range(1, 4):
            bench.send(id=number)
        await until(lambda: len(bench.told) == 3, 10)
        self.assertEqual(paths.counts(), (1, 3))
        (asked,) = paths.seen["token"]
        self.assertEqual(asked.body, b"grant_type=client_credentials&scope=sms")
        self.assertEqual(asked.headers["authorization"], "Basic " + base64.b64encode(f"me:{KEY}".encode()).decode())
        self.assertEqual({one.headers["authorization"] for one in paths.seen["send"]}, {"Bearer token-1"})

    async def test_password_grant(self) -> None:
        """User and password, and the client's own credentials in the form."""
        grant = {"grant": "password", "username": "u&1", "password": "{{secret.key}}", "credentials": "form"}
        paths = Paths(token=[token("token-1")], send=[TAKEN])
        bench = self.with_paths(paths, {"oauth2": OAUTH2 | grant | {"fields": {"audience": "a b"}}})
        self.assertEqual(await bench.end(), ACCEPTED)
        (asked,) = paths.seen["token"]
        self.assertEqual(
            asked.form,
            {
                "grant_type": "password", "client_id": "me", "client_secret": KEY, "username": "u&1", "password": KEY,
                "audience": "a b",
            },
        )  # fmt: skip
        self.assertNotIn("authorization", asked.headers)

    async def test_ends(self) -> None:
        """A token that ends is renewed before the next text, and not before its time."""
        paths = Paths(token=[token("token-1", expires_in=1), token("token-2", expires_in=3600)], send=[TAKEN])
        bench = self.with_paths(paths, {"oauth2": OAUTH2})
        for _ in range(2):
            self.assertEqual(await bench.end(), ACCEPTED)
        await deferLater(reactor, 1.1)
        self.assertEqual(await bench.end(), ACCEPTED)
        used = [one.headers["authorization"] for one in paths.seen["send"]]
        self.assertEqual((used, paths.counts()), (["Bearer token-1"] * 2 + ["Bearer token-2"], (2, 3)))

    async def test_refused_once(self) -> None:
        """A token that the provider has forgotten is renewed, and the text goes out by the new one: no attempt is
        counted, and nobody is told."""
        paths = Paths(token=[token("token-1"), token("token-2")], send=[says(401, HTML), TAKEN])
        bench = self.with_paths(paths, {"oauth2": OAUTH2})
        self.assertEqual(await bench.end(), ACCEPTED)
        self.assertEqual(paths.counts(), (2, 2))
        self.assertEqual(paths.seen["send"][1].headers["authorization"], "Bearer token-2")

    async def test_refused_for_ever(self) -> None:
        """A provider that takes no token at all stops the channel after one renewal: no loop."""
        paths = Paths(token=[token("token-1"), token("token-2")], send=[says(401, {})])
        bench = self.with_paths(paths, {"oauth2": OAUTH2})
        self.assertEqual(await bench.end(), STOPPED)
        bench.send(id=2)
        self.assertEqual(paths.counts(), (2, 2))

    async def test_several_refused(self) -> None:
        """Texts that were under way with the old token share one renewal."""
        paths = Paths(token=[token("token-1"), token("token-2")], send=[*[says(401, {}, delay=0.1)] * 4, TAKEN])
        bench = self.with_paths(paths, {"oauth2": OAUTH2}, parallel=4)
        for number in range(1, 5):
            bench.send(id=number)
        await until(lambda: len(bench.told) == 4, 10)
        self.assertEqual({one.verdict for one in bench.told}, {Verdict.ACCEPTED})
        self.assertEqual(paths.counts(), (2, 8))

    async def test_no_token(self) -> None:
        """What becomes of a text for which there is no token: nothing of it was sent, whatever the endpoint does."""
        for answer, wanted in (
            (says(401, {"error": "invalid_client"}), STOPPED),
            (says(400, {"error": "invalid_grant"}), STOPPED),
            (says(302, b"", ("Location", "/")), STOPPED),
            (says(200, HTML), STOPPED),
            (says(200, {"access_token": "null"}), STOPPED),
            (says(200, {"access_token": ""}), STOPPED),
            (says(200, {"access_token": "a\r\nX: y"}), STOPPED),
            (says(429, {}), (THROTTLED, None, "throttled")),
            (says(503, HTML), WAITS),
            (Reply(is_silent=True), WAITS),
            (Reply(cut=20), WAITS),
        ):
            paths = Paths(token=[answer], send=[TAKEN])
            bench = self.with_paths(paths, {"oauth2": OAUTH2})
            self.assertEqual(await bench.end(), wanted, answer)
            self.assertEqual(paths.counts(), (1, 0), answer)

    async def test_endpoint_down(self) -> None:
        """Nobody listens at the token endpoint: the texts are tried again later, and then go out."""
        self.patch(session, "PAUSE", 0.2)
        gone = self.provider()
        url = gone.url
        await gone.stop()
        paths = Paths(send=[TAKEN])
        bench = self.with_paths(paths, {"oauth2": OAUTH2 | {"token_url": f"{url}/token"}})
        self.assertEqual(await bench.end(), WAITS)
        self.assertEqual(paths.counts(), (0,))

    async def test_pause_of_the_endpoint(self) -> None:
        """Retry-After of the token endpoint counts as that of the provider does."""
        self.patch(session, "PAUSE", 0.1)
        paths = Paths(token=[says(429, {}, ("Retry-After", "2")), token("token-1")], send=[TAKEN])
        provider = self.provider(paths)
        bench = self.bench(provider, is_patient=True, request=PLAIN, authentication={"oauth2": OAUTH2})
        bench.send()
        await until(lambda: bench.told, 10)
        self.assertEqual((bench.told[0].verdict, paths.counts()), (Verdict.ACCEPTED, (2, 1)))
        self.assertGreaterEqual(provider.times[1] - provider.times[0], 1.95)


class SecureTokensTest(SecureCase, TokensTest): ...


class SessionsTest(AccessCase):
    """A log-in of the provider's own, as Telenor has it: failures are answered with 200."""

    async def found(self, paths: Paths, **login: Any) -> Any:
        section: dict[str, Any] = {
            "request": {"url": "http://provider/send", "query": {"s": "{{session}}", "to": "{{to}}"}},
            "authentication": {"login": LOGIN | login},
            "accepted": [{"status": 200}, {"xml": "//response", "equals": "OK"}],
            "id": {"xml": "//data"},
            "code": {"xml": "//data", "pattern": r"^Error (\d+)"},
            "failures": [
                {"when": {"xml": "//data", "pattern": "(?i)session"}, "then": "log_in_again"},
                {"when": {"xml": "//response", "equals": "Error"}, "then": "permanent"},
            ],
        }
        return await self.bench(self.provider(paths), **section).end()

    async def test_renewed(self) -> None:
        """A named error says that the session is over: one new log-in, and the text once more."""
        paths = Paths(
            login=[page("OK", "session-1"), page("OK", "session-2")],
            send=[page("Error", "Error 203: session expired"), page("OK", "77")],
        )
        self.assertEqual(await self.found(paths), ACCEPTED)
        self.assertEqual([one.query["s"] for one in paths.seen["send"]], ["session-1", "session-2"])
        self.assertEqual(paths.seen["login"][0].form, {"user": "me", "password": KEY})

    async def test_no_loop(self) -> None:
        """Every session is refused: one renewal, and the channel stops."""
        paths = Paths(login=[page("OK", "session-1"), page("OK", "session-2")], send=[page("Error", "no session")])
        self.assertEqual(await self.found(paths), STOPPED)
        self.assertEqual(paths.counts(), (2, 2))

    async def test_same_session_again(self) -> None:
        """A provider that gives the same session again, which it refuses: no loop either."""
        paths = Paths(login=[page("OK", "session-1")], send=[page("Error", "no session")])
        self.assertEqual(await self.found(paths), STOPPED)
        self.assertEqual(paths.counts(), (2, 2))

    async def test_other_errors_renew_nothing(self) -> None:
        """Any other named error is the text's own."""
        paths = Paths(login=[page("OK", "session-1")], send=[page("Error", "Error 211: no such number")])
        self.assertEqual(await self.found(paths), (Verdict.REFUSED, "211", "up"))
        self.assertEqual(paths.counts(), (1, 1))

    async def test_refused_log_in(self) -> None:
        """A wrong password is the account's trouble, with 200 or without, and is not tried again and again."""
        for answer in (page("Error", "Error 200: wrong password"), says(403, HTML), says(200, HTML), page("OK", "")):
            paths = Paths(login=[answer], send=[page("OK", "77")])
            self.assertEqual(await self.found(paths), STOPPED, answer)
            self.assertEqual(paths.counts(), (1, 0))

    async def test_refused_renewal(self) -> None:
        """The session is over, and the log-in is refused now: nothing is lost, the channel stops."""
        paths = Paths(login=[page("OK", "session-1"), page("Error", "locked")], send=[page("Error", "session over")])
        self.assertEqual(await self.found(paths), STOPPED)
        self.assertEqual(paths.counts(), (2, 1))

    async def test_lost_renewal(self) -> None:
        """The session is over, and the log-in gets no answer now: the text was refused, so it waits for the next."""
        paths = Paths(login=[page("OK", "session-1"), Reply(cut=0)], send=[page("Error", "session over")])
        self.assertEqual(await self.found(paths), WAITS)

    async def test_the_second_answer_is_lost(self) -> None:
        """With the new session the text went out, and nobody knows what became of it."""
        paths = Paths(login=[page("OK", "session-1")], send=[page("Error", "session over"), Reply(cut=0)])
        self.assertEqual((await self.found(paths))[0], Verdict.UNKNOWN)


class SecureSessionsTest(SecureCase, SessionsTest): ...


class CertificatesTest(SecureCase, AccessCase):
    async def test_of_the_provider(self) -> None:
        """Signed by itself, by a stranger, for another host, for none, expired, and not valid yet: nothing was sent,
        so the text is tried again. The log says why."""
        stranger = Authority(self.mktemp(), "stranger")
        late, early = Authority(self.mktemp()), Authority(self.mktemp())
        late.valid, early.valid = (-9, -1), (1, 9)
        for certificate, authority, why in (
            (stranger.own(), self.authority, "not trusted"),
            (stranger.issue("localhost"), self.authority, "not trusted"),
            (self.authority.issue("other.example"), self.authority, "not for localhost"),
            (self.authority.issue("localhost.example", is_named=False), self.authority, "names no host"),
            (late.issue("localhost"), late, "has expired"),
            (early.issue("localhost"), early, "is not valid before"),
        ):
            provider = self.provider(TAKEN, certificate=certificate)
            bench = self.bench(provider, tls={"ca_file": authority.ca_file})
            self.assertEqual((await bench.end(), provider.requests), (DOWN, []), why)
            self.assertIn(why, bench.channel.parts()[0].why)
            self.assertIn(why, self.log_lines[-1])

    async def test_none_at_all(self) -> None:
        """The port speaks no TLS, or no HTTP."""
        plain = self.provider(TAKEN, certificate=None)
        request = PLAIN | {"url": plain.url.replace("http://127.0.0.1", "https://localhost") + "/send"}
        bench = self.bench(plain, request=request, connect_timeout=1)
        self.assertEqual((await bench.end(), plain.requests), (DOWN, []))
        secure = self.provider(TAKEN)
        request = PLAIN | {"url": secure.url.replace("https://localhost", "http://127.0.0.1") + "/send"}
        bench = self.bench(secure, request=request)
        self.assertEqual(((await bench.end())[0], secure.requests), (Verdict.UNKNOWN, []))

    async def test_of_ours(self) -> None:
        """The provider wants to see who we are: with the certificate the text goes out. Without one, or with one that
        it does not know, it takes nothing; by TLS 1.3 it says so after our request was written (RFC 8446 section 4.4),
        and still nothing of that was read."""
        stranger = Authority(self.mktemp(), "stranger")
        clients = Authority(self.mktemp(), "clients")
        clients.valid = (-9, -1)
        expired = clients.issue("us.example")
        clients.valid = (-1, 1)
        for own, wanted in (
            (clients.issue("us.example.org"), ACCEPTED),
            (None, DOWN),
            (stranger.issue("us.example"), DOWN),
            (expired, DOWN),
        ):
            provider = self.provider(TAKEN, client_ca=clients.ca_file)
            tls = dict(self.tls) | ({} if own is None else {"certificate_file": own, "key_file": own})
            bench = self.bench(provider, tls=tls)
            self.assertEqual(await bench.end(), wanted, own)
            self.assertEqual(len(provider.requests), wanted == ACCEPTED)
            if wanted == DOWN:
                self.assertIn("certificate", bench.channel.parts()[0].why)


class ProxiesTest(AccessCase):
    def proxy(self, **settings: Any) -> FakeProxy:
        proxy = FakeProxy(reactor, **settings)
        self.addCleanup(proxy.start().stop)
        return proxy

    async def by(self, proxy_url: str, provider: FakeProvider, **changes: Any) -> Any:
        proxy = {"url": proxy_url, "username": "p", "password": "{{secret.key}}"}
        return await self.bench(provider, proxy=proxy, connect_timeout=0.5, **changes).end()

    async def test_by_connect(self) -> None:
        """Every connection goes through the proxy, which is told host, port and who we are, and nothing else. The
        token as well."""
        paths = Paths(token=[token("token-1")], send=[TAKEN])
        provider, proxy = self.provider(paths), self.proxy()
        changes: dict[str, Any] = {"request": PLAIN, "authentication": {"oauth2": OAUTH2}}
        self.assertEqual(await self.by(proxy.url, provider, **changes), ACCEPTED)
        place = provider.url.partition("//")[2]
        credentials = base64.b64encode(f"p:{KEY}".encode()).decode()
        head = f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\nProxy-Authorization: Basic {credentials}\r\n\r\n"
        self.assertEqual(set(proxy.heads), {head})
        for request in provider.requests:
            self.assertNotIn("proxy-authorization", request.headers)

    async def test_no_tunnel(self) -> None:
        """The proxy refuses, says nothing, speaks no HTTP, or is not there: nothing was sent."""
        provider = self.provider(TAKEN)
        for reply in (
            b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 403 Forbidden\r\n\r\n" + HTML,
            b"HTTP/1.1 502 Bad Gateway\r\n\r\n",
            b"SSH-2.0-x\r\n\r\n",
            None,
        ):
            self.assertEqual(await self.by(self.proxy(reply=reply).url, provider), DOWN, reply)
        gone = self.proxy()
        url = gone.url
        await gone.stop()
        self.assertEqual((await self.by(url, provider), provider.requests), (DOWN, []))

    async def test_the_far_side(self) -> None:
        """What the provider does beyond the tunnel means what it means without one."""
        for reply, wanted in ((Reply(cut=20), Verdict.UNKNOWN), (says(400, {}), Verdict.REFUSED)):
            self.assertEqual((await self.by(self.proxy().url, self.provider(reply)))[0], wanted)


class SecureProxiesTest(SecureCase, ProxiesTest): ...


class SignedTest(AccessCase):
    """What is computed for each request, checked by other code than ours."""

    async def test_signature(self) -> None:
        """Vonage's: MD5 over the sorted fields. A try that was refused is followed by one with a timestamp, a nonce and
        a signature of its own, and with no field twice (vonage-python-sdk#202)."""
        names = {"to": "{{to}}", "text": "{{text}}", "timestamp": "{{now}}", "nonce": "{{nonce}}"}
        section: dict[str, Any] = {
            "request": {"url": "http://provider/sms", "form": names | {"sig": "{{signature}}"}},
            "sign": {
                "algorithm": "md5", "secret": "{{secret.key}}", "template": "{params}{secret}",
                "params": {"pair": "&{name}={value}", "replace": "&=", "by": "_"},
            },
        }  # fmt: skip
        provider = self.provider(says(429, {}, ("Retry-After", "1")), TAKEN)
        bench = self.bench(provider, is_patient=True, **section)
        bench.send(text=f"a&b=c {TEXT}")
        await until(lambda: bench.told, 10)
        self.assertEqual((bench.told[0].verdict, len(provider.requests)), (Verdict.ACCEPTED, 2))
        sent = [parse_qsl(one.body.decode(), strict_parsing=True) for one in provider.requests]
        for pairs in sent:
            self.assertEqual(sorted(name for name, _ in pairs), ["nonce", "sig", "text", "timestamp", "to"])
            signed = "".join(
                f"&{name}={value.replace('&', '_').replace('=', '_')}" for name, value in sorted(pairs) if name != "sig"
            )
            self.assertEqual(dict(pairs)["sig"], hashlib.md5((signed + KEY).encode()).hexdigest())
            self.assertLess(abs(int(dict(pairs)["timestamp"]) - time.time()), 5)
        for name in ("nonce", "sig", "timestamp"):
            self.assertEqual(len({dict(pairs)[name] for pairs in sent}), 2, name)

    async def test_token(self) -> None:
        """A JSON Web Token by RS256, as Vonage's Messages API has it: valid now, and another for each request."""
        key = rsa.generate_private_key(65537, 2048)
        path = Path(self.mktemp())
        form = serialization.PrivateFormat.TraditionalOpenSSL
        path.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
        provider = self.provider(TAKEN)
        token = {"private_key_file": str(path), "claims": {"application_id": "app-1"}}
        bench = self.bench(provider, request=PLAIN, authentication={"jwt": token})
        for _ in range(2):
            self.assertEqual(await bench.end(), ACCEPTED)
        ids = set()
        for request in provider.requests:
            given = request.headers["authorization"].removeprefix("Bearer ")
            claims = jwt.decode(given, key.public_key(), ["RS256"], leeway=5)
            self.assertEqual((claims["application_id"], claims["exp"] - claims["iat"]), ("app-1", 900))
            ids.add(claims["jti"])
            self.assertNotIn(given, "\n".join(self.log_lines))
        self.assertEqual(len(ids), 2)


class SecureSignedTest(SecureCase, SignedTest): ...


class LimitsTest(AccessCase):
    async def test_parallel(self) -> None:
        """So many requests at once, over so many connections, and not one more."""
        provider = self.provider(says(200, ok(id="m"), delay=0.05))
        bench = self.bench(provider, is_patient=True, parallel=3)
        for number in range(1, 13):
            bench.send(id=number)
        await until(lambda: len(bench.told) == 12, 10)
        self.assertEqual((provider.most_at_once, provider.connections), (3, 3))

    async def test_rate(self) -> None:
        """So many requests a second, however fast the provider is."""
        provider, start = self.provider(TAKEN), reactor.seconds()
        bench = self.bench(provider, is_patient=True, rate=20)
        for number in range(1, 21):
            bench.send(id=number)
        await until(lambda: len(bench.told) == 20, 10)
        for number, at in enumerate(provider.times):
            self.assertGreaterEqual(at - start, number / 20 - 0.01)
        self.assertLess(provider.times[-1] - start, 5)

    async def test_throttled(self) -> None:
        """After a refusal for load there is one request at a time until one was taken; none is lost or sent twice."""
        provider = self.provider(
            *[says(429, {}, ("Retry-After", "0"), delay=0.05)] * 4, says(200, ok(id="m"), delay=0.05)
        )
        bench = self.bench(provider, is_patient=True, parallel=4)
        for number in range(1, 9):
            bench.send(id=number)
        await until(lambda: len(bench.told) == 8, 10)
        self.assertEqual(sorted(one.segment.id for one in bench.told), list(range(1, 9)))
        self.assertEqual((len(bench.back), len(provider.requests)), (4, 12))

    async def test_stop(self) -> None:
        """At a stop what was sent and not answered is unknown, and what was never sent is given back."""
        provider = self.provider(Reply(is_silent=True))
        bench = self.bench(provider, parallel=2, drain_timeout=0.2, reply_timeout=10)
        for number in range(1, 4):
            bench.send(id=number)
        await until(lambda: len(provider.requests) == 2, 10)
        await bench.stop()
        self.assertEqual([one.verdict for one in bench.told], [Verdict.UNKNOWN] * 2)
        self.assertEqual([one.id for one in bench.waiting], [3])


class SecureLimitsTest(SecureCase, LimitsTest): ...
