"""Requests of people who mean harm: a table of named octets, and what may come of each.

A case is refused: every answer is a 4xx, or the connection is closed without one, and nothing of it is accepted. What
may precede the refusal (``before``) is told by the case: a good request that stands in front of the hostile one. A
batch answers 200 when it has begun; then each result in it is a refusal (``inside``).

Where a request is ambiguous the stricter reading of RFC 9110 and RFC 9112 counts; each kind names its clause.
"""

import base64
import gzip
import json
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

EVIL = "hostile"  # the text of what must never be accepted
NUMBER = "+923001234567"
JSON_TYPE, FORM_TYPE, LINES_TYPE = "application/json", "application/x-www-form-urlencoded", "application/x-ndjson"


def text(body: str = EVIL, **fields: Any) -> bytes:
    return json.dumps({"To": NUMBER, "Body": body} | fields).encode()


RECEIVE = b"Body=hostile&From=%2B923001234567&To=8228&SmsSid=hostile-1"
NOTIFY = b"MessageSid=hostile-2&SmsStatus=delivered"
SID = "SM00000000000000000000000000000000"

# Each route that takes a body, with one that it would accept, by a short name.
BODIES: dict[str, tuple[str, str, bytes]] = {
    "send": ("/msg-client/send", JSON_TYPE, text()),
    "send at the root": ("/send", JSON_TYPE, text()),
    "batch": ("/msg-client/send-batch", JSON_TYPE, b"[" + text() + b"]"),
    "explain": ("/msg-client/send/explain", JSON_TYPE, text()),
    "receive": ("/msg-client/receive", FORM_TYPE, RECEIVE),
    "notification": ("/delivery-notification", FORM_TYPE, NOTIFY),
    "channel": ("/msg-client/smpp/receive", FORM_TYPE, RECEIVE),
}
LOOKS: dict[str, str] = {
    "messages": "/msg-client/messages",
    "message": f"/msg-client/messages/{SID}",
    "timeline": f"/msg-client/messages/{SID}/timeline",
    "health": "/msg-client/health",
    "health at the root": "/health",
}


@dataclass(frozen=True)
class Case:
    """``before``: the statuses of good requests in front. ``most``: how many refusals may follow. ``only``: the one
    status that the refusal has, where the RFC leaves no choice. ``sure``: it has to be answered. ``fits``: statuses
    below 400 that are right too, because what is hostile in it is passed over; then too nothing was accepted.
    ``accepted``: texts of good requests. ``inside``: a batch."""

    name: str
    octets: bytes
    before: tuple[int, ...] = ()
    most: int = 1
    only: int = 0
    sure: bool = True
    fits: tuple[int, ...] = ()
    accepted: int = 0
    inside: bool = False


def head(method: str, path: str, *lines: str | bytes, host: str = "x") -> bytes:
    written = [f"{method} {path} HTTP/1.1".encode("latin-1"), f"Host: {host}".encode()]
    written += [line if isinstance(line, bytes) else line.encode("latin-1") for line in lines]
    return b"\r\n".join(written) + b"\r\n\r\n"


def post(path: str, body: bytes, *lines: str | bytes, kind: str = JSON_TYPE, method: str = "POST") -> bytes:
    return head(method, path, f"Content-Type: {kind}", f"Content-Length: {len(body)}", *lines) + body


def chunked(body: bytes) -> bytes:
    return b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)


GOOD = post("/msg-client/send", text("good"))
HEALTH = head("GET", "/health")
SMUGGLED = post("/msg-client/send", text())

_KINDS: list[Callable[[], Iterator[Case]]] = []


def kind(make: Callable[[], Iterator[Case]]) -> Callable[[], Iterator[Case]]:
    _KINDS.append(make)
    return make


def cases() -> list[Case]:
    found = [case for make in _KINDS for case in make()]
    names = [case.name for case in found]
    twice = {name for name in names if names.count(name) > 1}
    assert not twice, twice
    return found


# --- where a request ends ---------------------------------------------------------------------------------------


@kind
def lengths() -> Iterator[Case]:
    """RFC 9112 section 6.3: a message with both fields ought to be handled as an error (its rule 3), and one whose
    Content-Length is invalid is unrecoverable: 400, and close (rule 5). What comes behind it is never a request."""
    for name, (path, form, body) in BODIES.items():
        size = len(body)
        faults: dict[str, tuple[str | bytes, ...]] = {
            "length and chunked": (f"Content-Length: {size}", "Transfer-Encoding: chunked"),
            "chunked and length": ("Transfer-Encoding: chunked", f"Content-Length: {size}"),
            "length 0 and chunked": ("Content-Length: 0", "Transfer-Encoding: chunked"),
            "two lengths": (f"Content-Length: {size}", "Content-Length: 0"),
            "two lengths, small letters": ("content-length: 0", f"Content-Length: {size}"),
            "two lengths in a list": (f"Content-Length: {size}, 0",),
            "length with a plus": (f"Content-Length: +{size}",),
            "length with a minus": (f"Content-Length: -{size}",),
            "length in hex": (f"Content-Length: 0x{size:x}",),
            "length with an underscore": (f"Content-Length: {size}_0",),
            "length with a fraction": (f"Content-Length: {size}.0",),
            "length in Arabic digits": (b"Content-Length: \xd9\xa1\xd9\xa2",),
            "length of nothing": ("Content-Length:",),
            "length of words": ("Content-Length: all",),
            "length with a blank inside": (f"Content-Length: {size} 0",),
            "length of 5,000 digits": ("Content-Length: " + "9" * 5_000,),
        }
        for fault, lines in faults.items():
            octets = head("POST", path, f"Content-Type: {form}", *lines) + body + SMUGGLED
            yield Case(f"{fault}: {name}", octets, only=400)


@kind
def codings() -> Iterator[Case]:
    """RFC 9112 section 6.1: chunked is the last coding, and there once; what the server does not know it refuses. A
    field whose name or value is bent so that another reader may see no Transfer-Encoding (section 11.2) is refused."""
    for name, (path, form, body) in BODIES.items():
        for what, line in {
            "chunked twice": "Transfer-Encoding: chunked, chunked",
            "chunked before another": "Transfer-Encoding: chunked, identity",
            "gzip": "Transfer-Encoding: gzip",
            "gzip, chunked": "Transfer-Encoding: gzip, chunked",
            "xchunked": "Transfer-Encoding: xchunked",
            "chunked in quotes": 'Transfer-Encoding: "chunked"',
            "chunked with a vertical tab": "Transfer-Encoding: \x0bchunked",
            "chunked with NUL": "Transfer-Encoding: chunked\0",
            "a blank before the colon": "Transfer-Encoding : chunked",
            "two fields": "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
            "two fields, the other way": "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
            "chunked in two fields": "Transfer-Encoding: chunked\r\ntransfer-encoding: chunked",
            "identity": "Transfer-Encoding: identity",
            "a bare LF": "X: y\nTransfer-Encoding: chunked",
            "a bare CR": "X: y\rTransfer-Encoding: chunked",
        }.items():
            octets = head("POST", path, f"Content-Type: {form}", line) + chunked(body) + SMUGGLED
            yield Case(f"coding, {what}: {name}", octets, only=400)
        octets = head("POST", path, f"Content-Type: {form}", "Transfer-Encoding: chunked") + chunked(body) + SMUGGLED
        yield Case(f"coding of HTTP/1.0: {name}", octets.replace(b"HTTP/1.1", b"HTTP/1.0", 1), only=400)


@kind
def chunks() -> Iterator[Case]:
    """RFC 9112 section 7.1: a size is hex digits; a chunk ends with CRLF. Section 7.1.1: a server limits the octets of
    extensions. A body that does not end is no request (section 8)."""
    for name in ("send", "batch", "receive", "explain"):
        path, form, body = BODIES[name]
        if name == "batch":  # an item that is whole stands, whatever comes behind it: docs/batches.rst
            body = body[:-2] + b" " * 80
        begin = head("POST", path, f"Content-Type: {form}", "Transfer-Encoding: chunked")
        size = b"%x" % len(body)
        for what, octets in {
            "no hex": b"zz\r\n" + body,
            "minus": b"-" + size + b"\r\n" + body + b"\r\n0\r\n\r\n",
            "plus": b"+" + size + b"\r\n" + body + b"\r\n0\r\n\r\n",
            "0x": b"0x" + size + b"\r\n" + body + b"\r\n0\r\n\r\n",
            "a blank before": b" " + size + b"\r\n" + body + b"\r\n0\r\n\r\n",
            "empty": b"\r\n" + body + b"\r\n0\r\n\r\n",
            "too short": b"%x\r\n%s\r\n0\r\n\r\n" % (len(body) - 3, body),
            "2,000 digits": b"f" * 2_000 + b"\r\n",
            "no CRLF behind": size + b"\r\n" + body + b"0\r\n\r\n",
            "an underscore": b"1_0\r\n" + body + b"\r\n0\r\n\r\n",
            "extensions of 64 KiB": size + b";" + b"x" * 65_536 + b"\r\n" + body + b"\r\n0\r\n\r\n",
            "trailers of 120 kB": size + b"\r\n" + body + b"\r\n0\r\n" + b"a: b\r\n" * 20_000 + b"\r\n",
        }.items():
            yield Case(f"chunk, {what}: {name}", begin + octets, only=400)
        for what, octets in {
            "17 digits": b"1" + b"0" * 15 + size + b"\r\n" + body + b"\r\n0\r\n\r\n",
            "LF alone": size + b"\n" + body + b"\n0\n\n",
            "cut off": size + b"\r\n" + body[:-1],
            "no last chunk": size + b"\r\n" + body + b"\r\n",
            "no end of trailers": size + b"\r\n" + body + b"\r\n0\r\nContent-Length: 5\r\n",
        }.items():
            yield Case(f"chunk, {what}: {name}", begin + octets, sure=False, inside=name == "batch")


@kind
def pipelines() -> Iterator[Case]:
    """RFC 9112 section 9.3.2: answers come in the order of the requests; behind a refusal that closes there is none."""
    both = head("POST", "/msg-client/send", "Content-Length: 5", "Transfer-Encoding: chunked") + b"0\r\n\r\n"
    refused, nothing = post("/msg-client/send", b"{}"), head("GET", "/msg-client/nothing")
    yield Case("pipeline: good, both lengths, smuggled", GOOD + both + SMUGGLED, (200,), only=400, accepted=1)
    yield Case("pipeline: good, garbage, smuggled", GOOD + b"\0\0\r\n\r\n" + SMUGGLED, (200,), only=400, accepted=1)
    yield Case("pipeline: health, both lengths, smuggled", HEALTH + both + SMUGGLED, (200,), only=400)
    yield Case("pipeline: refused, health, nothing", refused + HEALTH + nothing, (400, 200), only=404)
    yield Case("pipeline: nothing, good, refused", nothing + GOOD + refused, (404, 200), only=400, accepted=1)
    yield Case(
        "pipeline: health, good, nothing, refused", HEALTH + GOOD + nothing + refused, (200, 200, 404), accepted=1
    )
    yield Case(
        "pipeline: a webhook, a batch, a text, each refused",
        post("/receive", b"Body=x", kind=FORM_TYPE) + post("/send-batch", b"7") + refused,
        (400, 400),
    )
    yield Case("pipeline: close, smuggled", post("/send", b"{}", "Connection: close") + SMUGGLED, only=400)
    yield Case("pipeline: HTTP/1.0, smuggled", refused.replace(b"HTTP/1.1", b"HTTP/1.0") + SMUGGLED, only=400)
    yield Case("pipeline: a body that is a request", post("/msg-client/send", SMUGGLED), only=400)
    yield Case(
        "pipeline: a GET with a body that is a request",
        head("GET", "/nothing", f"Content-Length: {len(SMUGGLED)}") + SMUGGLED,
        only=404,
    )
    yield Case(
        "pipeline: a HEAD with a body that is a request",
        head("HEAD", "/nothing", f"Content-Length: {len(SMUGGLED)}") + SMUGGLED,
        only=404,
    )
    yield Case(
        "pipeline: a DELETE with a body that is a request",
        head("DELETE", f"/msg-client/messages/{SID}", f"Content-Length: {len(SMUGGLED)}") + SMUGGLED,
        only=404,
    )
    yield Case(
        "pipeline: upgrade to h2c, smuggled",
        head(
            "GET",
            "/nothing",
            "Connection: Upgrade, HTTP2-Settings",
            "Upgrade: h2c",
            "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA",
            "Content-Length: 3",
        )
        + b"PRI",
        only=404,
    )
    yield Case("pipeline: 500 refusals", refused * 500, (400,) * 499, only=400)
    for name, (path, form, body) in BODIES.items():
        cut = post(path, body, kind=form)[:-1]
        yield Case(f"pipeline: cut off behind health: {name}", HEALTH + cut, (200,), most=0, inside=name == "batch")
        if name != "batch":  # of which the item stands
            longer = head("POST", path, f"Content-Type: {form}", f"Content-Length: {len(body) + 40}")
            yield Case(f"pipeline: a longer length that eats the next: {name}", longer + body + SMUGGLED[:40])


# --- the first line and the fields ------------------------------------------------------------------------------


@kind
def first_lines() -> Iterator[Case]:
    """RFC 9112 section 3: method, one blank, target, one blank, version. Section 2.3: what is not HTTP/1 is refused;
    505 would be the word for it, and 400 is right as well."""
    body = b"Content-Length: %d\r\n\r\n%s" % (len(text()), text())
    fields = b"Host: x\r\nContent-Type: application/json\r\n" + body
    for what, line in {
        "no version": b"POST /msg-client/send",
        "HTTP/0.9": b"POST /msg-client/send HTTP/0.9",
        "HTTP/2.0": b"POST /msg-client/send HTTP/2.0",
        "HTTP/1.10": b"POST /msg-client/send HTTP/1.10",
        "HTTP/11": b"POST /msg-client/send HTTP/11",
        "http/1.1": b"POST /msg-client/send http/1.1",
        "HTTPS/1.1": b"POST /msg-client/send HTTPS/1.1",
        "HTTP 1.1": b"POST /msg-client/send HTTP 1.1",
        "no target": b"POST HTTP/1.1",
        "an empty target": b"POST  HTTP/1.1",
        "two blanks": b"POST  /msg-client/send HTTP/1.1",
        "a tab": b"POST\t/msg-client/send HTTP/1.1",
        "a blank in the target": b"POST /msg-client/send x HTTP/1.1",
        "a blank before": b" POST /msg-client/send HTTP/1.1",
        "NUL in the target": b"POST /msg-client/send\0 HTTP/1.1",
        "NUL in the method": b"PO\0ST /msg-client/send HTTP/1.1",
        "a bare CR": b"POST /msg-client/send\rHTTP/1.1",
        "8 bits in the method": b"P\xd6ST /msg-client/send HTTP/1.1",
        "a line of 20 kB": b"POST /msg-client/send?" + b"x" * 20_000 + b" HTTP/1.1",
        "a method of 20 kB": b"X" * 20_000 + b" /msg-client/send HTTP/1.1",
    }.items():
        yield Case(f"first line: {what}", line + b"\r\n" + fields + SMUGGLED, only=400)


@kind
def methods() -> Iterator[Case]:
    """RFC 9110 section 15.5.6: 405 with Allow; section 9.1: methods are told apart by case."""
    routes = {name: path for name, (path, _, _) in BODIES.items()} | LOOKS
    for method in ("PUT", "PATCH", "TRACE", "post", "Get", "delete", "DEBUG", "POSTPOST"):
        for name, path in routes.items():
            yield Case(f"method {method}: {name}", post(path, text(), method=method))
    for name, path in LOOKS.items():
        yield Case(f"method POST: {name}", post(path, text()), only=405)
    for name in ("send", "batch", "explain", "receive", "notification"):
        path, _, body = BODIES[name]
        yield Case(f"method GET with a body: {name}", post(path, body, method="GET"), only=405)
        yield Case(f"method DELETE: {name}", post(path, body, method="DELETE"), only=405)
    yield Case("method CONNECT: of another host", head("CONNECT", "evil.example:443"), only=404)


@kind
def overrides() -> Iterator[Case]:
    """No field and no parameter makes another method of a request: RFC 9110 section 9.1 knows the first line alone."""
    for line in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"):
        yield Case(f"{line}: POST by GET", post("/msg-client/send", text(), f"{line}: POST", method="GET"), only=405)
        yield Case(f"{line}: DELETE by POST", post(LOOKS["message"], b"", f"{line}: DELETE"), only=405)
        yield Case(
            f"{line}: POST by PUT", post("/msg-client/send-batch", b"[]", f"{line}: POST", method="PUT"), only=405
        )
    for name in ("_method", "X-HTTP-Method-Override"):
        yield Case(f"?{name}=POST by GET", post(f"/msg-client/send?{name}=POST", text(), method="GET"), only=405)
        yield Case(f"?{name}=DELETE by GET", head("GET", f"{LOOKS['message']}?{name}=DELETE"), only=404)
        yield Case(
            f"{name}=DELETE in a form", post(LOOKS["message"], f"{name}=DELETE".encode(), kind=FORM_TYPE), only=405
        )
    yield Case("a text in the query of a GET", head("GET", f"/msg-client/send?To=923001234567&Body={EVIL}"), only=405)
    yield Case("a webhook in the query of a GET", head("GET", "/msg-client/receive?" + RECEIVE.decode()), only=405)
    yield Case("a text in the query of a POST", post(f"/msg-client/send?To=923001234567&Body={EVIL}", b""), only=400)
    yield Case("a webhook in the query of a POST", post("/receive?" + RECEIVE.decode(), b"", kind=FORM_TYPE), only=400)


@kind
def fields() -> Iterator[Case]:
    """RFC 9112 section 3.2: one Host, or 400. Section 5.1: no blank before the colon, or 400. Section 5.2: a folded
    line is refused, or read as one. RFC 9110 section 5.5: CR, LF and NUL in a value are dangerous."""
    for name in ("send", "batch", "receive", "explain"):
        path, form, body = BODIES[name]
        good = post(path, body, kind=form)
        for what, octets in {
            "no Host": good.replace(b"Host: x\r\n", b""),
            "two Hosts": good.replace(b"Host: x", b"Host: x\r\nHost: x"),
            "another Host in small letters": good.replace(b"Host: x", b"Host: x\r\nhost: y"),
            "a blank before Host's colon": good.replace(b"Host: x", b"Host : x"),
            "a blank before the first name": good.replace(b"Host: x", b" Host: x"),
            "a line without a colon": good.replace(b"Host: x", b"Host: x\r\nabc"),
            "NUL in a value": good.replace(b"Host: x", b"Host: x\r\nX: a\0b"),
            "NUL in a name": good.replace(b"Host: x", b"Host: x\r\nX\0: a"),
            "LF in a value": good.replace(b"Host: x", b"Host: x\r\nX: a\nContent-Length: 0"),
            "CR in a value": good.replace(b"Host: x", b"Host: x\r\nX: a\rContent-Length: 0"),
            "an empty name": good.replace(b"Host: x", b"Host: x\r\n: a"),
            "a name of 8 bits": good.replace(b"Host: x", b"Host: x\r\nX\xe9: a"),
            "600 fields": good.replace(
                b"Host: x", b"Host: x\r\n" + b"\r\n".join(b"X%d: y" % one for one in range(600))
            ),
            "a field of 20 kB": good.replace(b"Host: x", b"Host: x\r\nX: " + b"y" * 20_000),
            "fields of 1 MB": good.replace(b"Host: x", b"Host: x" + b"\r\nX: yyyyyyyy" * 80_000),
            "a fold of 120 kB": good.replace(b"Host: x", b"Host: x\r\nX: y" + b"\r\n z" * 30_000),
        }.items():
            yield Case(f"field, {what}: {name}", octets, only=400)
    yield Case("field, LF alone ends each line", SMUGGLED.replace(b"\r\n", b"\n"), sure=False)
    yield Case("field, CR alone ends each line", SMUGGLED.replace(b"\r\n", b"\r"), sure=False)
    yield Case("field, 1 MB that never ends", b"GET /health HTTP/1.1\r\nX: " + b"y" * 1_000_000, only=400)
    yield Case("field, half a head", SMUGGLED[:40], most=0)
    yield Case(
        "field, a length with an underscore in its name",
        post("/msg-client/send", text()).replace(b"Content-Length", b"Content_Length"),
        most=2,
        only=400,
    )


@kind
def keys_of_requests() -> Iterator[Case]:
    """Idempotency-Key is 1 to 255 characters of ASCII without blanks, once."""
    lines: dict[str, str | bytes] = {
        "empty": "Idempotency-Key:",
        "256 characters": "Idempotency-Key: " + "k" * 256,
        "16,000 characters": "Idempotency-Key: " + "k" * 16_000,
        "a blank inside": "Idempotency-Key: a b",
        "a tab inside": "Idempotency-Key: a\tb",
        "8 bits": b"Idempotency-Key: \xc3\xa9",
        "twice": "Idempotency-Key: a\r\nIdempotency-Key: b",
        "empty quotes": 'Idempotency-Key: ""',
        "a control character": "Idempotency-Key: a\x01",
        "DEL": "Idempotency-Key: a\x7f",
    }
    for what, line in lines.items():
        yield Case(f"Idempotency-Key, {what}", post("/msg-client/send", text(), line), only=400)
    values: tuple[Any, ...] = ("", "a b", "k" * 256, "\0", "\u00e9", "a\nb", 7, True, [], {})
    for value in values:
        yield Case(
            f"IdempotencyKey of an item: {str(value)[:12]!r} ({type(value).__name__})",
            post("/msg-client/send-batch", json.dumps([json.loads(text(IdempotencyKey=value))]).encode()),
            inside=True,
        )


# --- paths ------------------------------------------------------------------------------------------------------


@kind
def paths() -> Iterator[Case]:
    """RFC 3986 section 3.3: segments are told apart before they are decoded; nothing here climbs, and no file is
    reached. RFC 9110 section 4.2.3 makes equal what only differs in the escape of an unreserved character."""
    for path in (
        "/msg-client/x/../send",
        "/msg-client/./send",
        "/../msg-client/send",
        "/msg-client/%2e%2e/send",
        "/msg-client/x/%2e%2e/send",
        "/msg-client/%2e/send",
        "/msg-client%2fsend",
        "/msg-client%2Fsend",
        "/msg-client/send%00",
        "/msg-client/send%00.json",
        "/msg-client/send%20",
        "/msg-client/send%0d%0aX:%20y",
        "/msg-client/send;a=b",
        "/msg-client;a/send",
        "/msg-client/send%3fa",
        "/msg-client/send%23",
        "/msg-client\\send",
        "/msg-client/..\\send",
        "/msg-client/%5c..%5csend",
        "/msg-client/SEND",
        "/MSG-CLIENT/send",
        "/msg-client/send.json",
        "/msg-client/send/..",
        "/msg-client/send/explain/..",
        "/msg-client/send/x",
        "/msg-client/send-batch/x",
        "/msg-client/%u0073end",
        "/msg-client/%zz",
        "/msg-client/%",
        "/msg-client/%c0%aesend",
        "/msg-client/%ff",
        "/msg-client/\xff",
        "/msg-client/send%c2%a0",
        "/msg-client/\u00a0send",
        "/<path>",
        "/.git/config",
        "/etc/passwd",
        "/msg-client/docs/../../../etc/passwd",
        "/msg-client/docs/..%2f..%2f..%2fetc%2fpasswd",
        "/msg-client/docs/%2e%2e/%2e%2e/etc/passwd",
        "/msg-client/docs//etc/passwd",
        "/msg-client/docs/swagger-ui-bundle.js/../../x",
        "/msg-client/docs/package.json",
        "/msg-client/openapi.yaml",
        "http://evil.example/",
        "http://evil.example",
        "http:///msg-client",
        "file:///etc/passwd",
        "javascript:x",
        "*",
        "msg-client/send",
        "?x",
        "x" * 9_000,
        "/" + "a/" * 4_000,
        "/" * 4_000,
        "/msg-client/" + "%2e" * 2_000,
    ):
        shown = path if len(path) < 60 else f"{path[:14]}... ({len(path)})"
        yield Case(f"path {shown!a}: POST", post(path, text()))
        yield Case(f"path {shown!a}: GET", head("GET", path))
    for sid in (
        "..%2f..%2fsend",
        "%00",
        "%2e%2e",
        "%ff",
        "SM%0a",
        "%27%20OR%201=1--",
        "1%3bDROP%20TABLE%20message",
        "%25s%25n",
        "x" * 8_000,
        "%f0%9f%98%80",
        "*",
        "..",
        "SM1/../SM2",
        "<script>",
        "-1",
        "9" * 40,
    ):
        shown = sid if len(sid) < 60 else f"{sid[:10]}..."
        for ending in ("", "/timeline"):
            yield Case(f"sid {shown}{ending}: GET", head("GET", f"/msg-client/messages/{sid}{ending}"))
        yield Case(f"sid {shown}: DELETE", head("DELETE", f"/msg-client/messages/{sid}"))
        yield Case(f"channel {shown}: POST", post(f"/msg-client/{sid}/receive", RECEIVE, kind=FORM_TYPE))


@kind
def queries() -> Iterator[Case]:
    for query in (
        "to=x",
        "to=%00",
        "to=",
        "to=1&to=2",
        "from=%00",
        "from=a%0d%0aX",
        "channel=%00",
        "state=%00",
        "state=nonsense",
        "reference=%00",
        "smsc_id=%00",
        "since=yesterday",
        "since=99999999999999",
        "since=-1",
        "since=9999-99-99",
        "since=0000-01-01T00:00:00Z",
        "until=NaN",
        "limit=0",
        "limit=-1",
        "limit=201",
        "limit=1e9",
        "limit=%D9%A1",
        "limit=" + "9" * 5_000,
        "cursor=-1",
        "cursor=9223372036854775808",
        "cursor=x",
        "cursor=1;2",
        "%ff=1",
        "to=%ff",
        "to=%ed%a0%80",
        "unknown=1",
        "__class__=1",
        "a",
        "&",
        "=",
        "to[]=1",
        "&".join(f"a{number}=1" for number in range(2_000)),
    ):
        shown = query if len(query) < 50 else f"{query[:16]}... ({len(query)})"
        yield Case(f"query {shown}", head("GET", f"/msg-client/messages?{query}"), only=400)


# --- bodies -----------------------------------------------------------------------------------------------------

_WRONG: tuple[Any, ...] = (None, 0, 1.5, True, [], ["x"], {}, {"x": 1}, "", "\0", "\ud800")


@kind
def types() -> Iterator[Case]:
    """Each field of the wrong type, empty, and with what no text can have: NUL, half of a surrogate pair."""
    for name, value in product(("To", "Body", "From", "channel", "ValidityPeriod", "Reference"), _WRONG):
        if value is None and name not in ("To", "Body"):
            continue  # it means that there is none
        if name in ("From", "channel") and value == "":
            continue  # likewise
        item = text(**{name: value})
        what = f"{name} = {value!a} ({type(value).__name__})"
        yield Case(f"send, {what}", post("/msg-client/send", item), only=400)
        yield Case(f"explain, {what}", post("/msg-client/send/explain", item), only=400)
        yield Case(f"batch, {what}", post("/msg-client/send-batch", b"[" + item + b"]"), inside=True)
        yield Case(f"lines, {what}", post("/msg-client/send-batch", item + b"\n", kind=LINES_TYPE), inside=True)


@kind
def injections() -> Iterator[Case]:
    """What would make a header, a field or another PDU of a sender, a number or a reference."""
    for value in (
        "a\r\nX: y",
        "a\nb",
        "a\rb",
        "a\0b",
        "a\tb",
        "a\x1bb",
        "a\x7fb",
        "\u2028",
        "\u202edcba",
        "ab\u0085c",
        "\r\n\r\nHTTP/1.1 200 OK",
        "\ud83d",
        "\U0001f600",
        "x" * 12,
        "9" * 21,
        "x" * 10_000,
    ):
        shown = f"{value[:18]!a}"
        for route in ("send", "explain"):
            yield Case(f"From {shown}: {route}", post(BODIES[route][0], text(From=value)), only=400)
        for name in ("To", "channel"):
            yield Case(f"{name} {shown}: send", post("/send", text(**{name: value})), only=400)
        if not value.isprintable() or len(value) > 255:
            yield Case(f"Reference {shown}: send", post("/send", text(Reference=value)), only=400)
        yield Case(
            f"From {shown}: recipients",
            post("/send-batch", json.dumps({"Body": EVIL, "To": [NUMBER], "From": value}).encode()),
            inside=True,
        )


@kind
def bombs() -> Iterator[Case]:
    """JSON that is deep, wide, long, or none; nothing of it takes long, or much memory."""
    many = b"{" + b",".join(b'"%x":1' % number for number in range(7_000)) + b',"To":1,"Body":2}'
    bodies: dict[str, bytes] = {
        "nothing": b"",
        "blanks": b" " * 60_000,
        "60,000 brackets": b"[" * 60_000,
        "10,000 objects": b'{"a":' * 10_000,
        "brackets that close": b"[" * 30_000 + b"]" * 30_000,
        "deep in a field": b'{"To": "+923001234567", "Body": ' + b"[" * 30_000 + b"]" * 30_000 + b"}",
        "7,000 fields": many,
        "NaN": b'{"To": "+923001234567", "Body": NaN}',
        "Infinity": b'{"To": Infinity, "Body": "hostile"}',
        "a number of 60,000 digits": b'{"To": ' + b"9" * 60_000 + b', "Body": "hostile"}',
        "1e999999": b'{"To": 1e999999, "Body": "hostile"}',
        "a validity of 5,000 digits": text()[:-1] + b', "ValidityPeriod": ' + b"9" * 5_000 + b"}",
        "To twice": b'{"To": "+923001234567", "To": "+923001234568", "Body": "hostile"}',
        "Body twice": b'{"To": "+923001234567", "Body": "x", "Body": "hostile"}',
        "two objects": text() + text(),
        "an object and more": text() + b"]",
        "cut off": text()[:-2],
        "single quotes": text().replace(b'"', b"'"),
        "a comment": b"/* x */" + text(),
        "a comma too many": text()[:-1] + b",}",
        "a form": b"To=%2B923001234567&Body=hostile",
        "XML": b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>',
        "YAML": b"!!python/object/apply:os.system ['true']",
        "pickle": b"\x80\x04\x95",
        "gzip": base64.b64decode("H4sIAAAAAAAC/6tWKklVslJQqs5ILVKqBQCOXcTmDgAAAA=="),
        "octets that are no UTF-8": b'{"To": "+923001234567", "Body": "\xff"}',
        "a surrogate in UTF-8": b'{"To": "+923001234567", "Body": "\xed\xa0\x80"}',
        "an overlong slash": b'{"To": "+923001234567", "Body": "\xc0\xaf"}',
        "UTF-32": text().decode().encode("utf-32"),
        "a line end in a string": b'{"To": "+923001234567", "Body": "hos\ntile"}',
        "a string that does not end": b'{"To": "' + b"x" * 60_000,
        "60,000 escapes": b'{"To": "' + b"\\u0000" * 10_000 + b'", "Body": "hostile"}',
        "40,000 characters": text("x" * 40_000),
        "names of surrogates": b'{"\\ud800": 1, "\\ud800": 2}',
        "null": b"null",
        "a number": b"7",
        "a string": b'"hostile"',
        "true": b"true",
        "__proto__": b'{"__proto__": {"To": "+923001234567", "Body": "hostile"}}',
        "nested": b'{"message": ' + text() + b"}",
        "small letters": b'{"to": "+923001234567", "body": "hostile"}',
    }
    for what, body in bodies.items():
        for route in ("send", "explain"):
            yield Case(f"JSON, {what}: {route}", post(BODIES[route][0], body), only=400)
        if body.strip() and what not in ("two objects", "an object and more"):
            yield Case(f"JSON, {what}: lines", post("/send-batch", body + b"\n", kind=LINES_TYPE), inside=True)
            if what not in ("60,000 brackets", "brackets that close"):
                yield Case(f"JSON, {what}: batch", post("/send-batch", b"[" + body + b"]"), inside=True)
        yield Case(f"JSON, {what}: recipients", post("/send-batch", body), inside=True)
    charsets: dict[str, str | bytes] = {
        "charset of no alphabet": "Content-Type: application/json; charset=zlib",
        "charset that runs code": "Content-Type: application/json; charset=idna",
        "charset UTF-7": "Content-Type: application/json; charset=utf-7",
        "charset with NUL": "Content-Type: application/json; charset=utf-8\\0",
        "charset of 8 bits": b"Content-Type: application/json; charset=\xff",
    }
    for what, line in charsets.items():
        octets = head("POST", "/msg-client/send", line, f"Content-Length: {len(text())}") + text()
        yield Case(f"JSON, {what}", octets, only=400)
    for path, size, status in (
        ("/msg-client/send", 65_537, 413),
        ("/msg-client/send", 99_000_000, 413),
        ("/msg-client/send/explain", 65_537, 413),
        ("/receive", 99_000_000, 413),
        ("/send-batch", 99_000_000, 413),
        ("/delivery-notification", 65_537, 413),
    ):
        octets = head("POST", path, f"Content-Length: {size}", "Expect: 100-continue")
        yield Case(f"a body of {size} octets is announced: {path}", octets, only=status)
    long = b"x" * 65_537
    yield Case("a body of 65,537 octets: send", post("/send", long), only=413)
    yield Case("a body of 2 MB: send", post("/send", long * 32), only=413, sure=False)
    yield Case(
        "a body of 2 MB in chunks: send",
        head("POST", "/send", "Transfer-Encoding: chunked") + chunked(long * 32),
        only=413,
        sure=False,
    )
    yield Case("an item of 1 MB: batch", post("/send-batch", b"[" + text("x" * 1_000_000) + b"]"), inside=True)
    yield Case("a line of 1 MB: lines", post("/send-batch", text("x" * 1_000_000), kind=LINES_TYPE), inside=True)
    yield Case(
        "10,001 items that are none: batch", post("/send-batch", b"[" + b",".join([b"7"] * 10_001) + b"]"), inside=True
    )
    yield Case("4 MB of commas: batch", post("/send-batch", b"[" + b"," * 4_000_000), inside=True)
    yield Case("4 MB of blanks: batch", post("/send-batch", b" " * 4_000_000), inside=True)
    yield Case(
        "4 MB of empty lines: lines", post("/send-batch", b"\n" * 4_000_000, kind=LINES_TYPE), inside=True, fits=(200,)
    )
    for coding, (name, (path, form, body)) in product(("gzip", "deflate", "br", "identity, gzip"), BODIES.items()):
        packed = zlib.compress(body) if coding == "deflate" else gzip.compress(body)
        yield Case(f"{coding}: {name}", post(path, packed, f"Content-Encoding: {coding}", kind=form), only=415)
    bomb = gzip.compress(text("x" * 20_000_000))
    yield Case("20 MB in gzip: send", post("/send", bomb, "Content-Encoding: gzip"), only=415)
    yield Case("20 MB in gzip: batch", post("/send-batch", bomb, "Content-Encoding: gzip"), only=415)


@kind
def forms() -> Iterator[Case]:
    """The forms of webhooks: nothing of what is refused becomes an event."""

    def form(**changes: str | None) -> bytes:
        fields = {"Body": EVIL, "From": "%2B923001234567", "To": "8228", "SmsSid": "hostile-3"} | changes
        return "&".join(f"{name}={value}" for name, value in fields.items() if value is not None).encode("latin-1")

    routes = {"receive": "/receive", "channel": "/msg-client/smpp/receive"}
    broken: dict[str, bytes] = {f"no {name}": form(**{name: None}) for name in ("Body", "From", "To", "SmsSid")}
    broken |= {f"{name} is empty": form(**{name: ""}) for name in ("From", "To", "SmsSid")}
    broken |= {f"{name} twice": form() + f"&{name}=other".encode() for name in ("Body", "From", "To", "SmsSid")}
    broken |= {f"{name} has half a surrogate": form(**{name: "%ED%A0%80"}) for name in ("Body", "From", "To", "SmsSid")}
    broken |= {f"{name} is no UTF-8": form(**{name: "%FF"}) for name in ("Body", "From", "To", "SmsSid")}
    broken |= {
        "an id with a line end": form(SmsSid="a%0D%0Ab"),
        "an id with NUL": form(SmsSid="a%00b"),
        "an id of 129 characters": form(SmsSid="x" * 129),
        "an id of 8 bits": form(SmsSid="%C3%A9"),
        "101 fields": form() + b"&a=b" * 98,
        "20,000 fields": b"a&" * 20_000 + form(),
        "JSON": text(),
        "nothing": b"",
        "octets that are no UTF-8": form() + b"&a=\xff",
    }
    for (what, body), (route, path) in product(broken.items(), routes.items()):
        yield Case(f"form, {what}: {route}", post(path, body, kind=FORM_TYPE), only=400)
    for what in (
        "multipart/form-data; boundary=x",
        JSON_TYPE,
        "text/plain",
        "text/xml",
        "x",
        FORM_TYPE + "; charset=zlib",
    ):
        yield Case(f"form as {what}", post("/receive", form(), kind=what), only=400)
    for what, body in {
        "no id": b"SmsStatus=delivered",
        "no status": b"MessageSid=hostile-4",
        "another status": b"MessageSid=hostile-4&SmsStatus=nonsense",
        "two statuses": NOTIFY + b"&SmsStatus=failed",
        "two ids": NOTIFY + b"&MessageSid=hostile-5",
        "an id with a line end": b"MessageSid=a%0D%0Ab&SmsStatus=delivered",
        "an id with NUL": b"MessageSid=a%00&SmsStatus=delivered",
        "a status with NUL": b"MessageSid=hostile-4&SmsStatus=delivered%00",
        "half a surrogate": b"MessageSid=%ED%A0%80&SmsStatus=delivered",
        "JSON": b'{"MessageSid": "hostile-4", "SmsStatus": "delivered"}',
    }.items():
        for path in ("/delivery-notification", "/msg-client/smpp/delivery-notification"):
            yield Case(f"notification, {what}: {path}", post(path, body, kind=FORM_TYPE), only=400)


# --- no HTTP ----------------------------------------------------------------------------------------------------


@kind
def others() -> Iterator[Case]:
    """Other protocols at the port of HTTP, and pages that have a browser speak to it."""
    for what, octets in {
        "TLS": b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + b"\0" * 500 + b"\r\n\r\n",
        "SSH": b"SSH-2.0-OpenSSH_9.2\r\n",
        "SMPP bind_transceiver": b"\0\0\0\x2f\0\0\0\x09\0\0\0\0\0\0\0\x01test\0test\0\0\x34\0\0\0",
        "STOMP": b"CONNECT\naccept-version:1.2\n\n\0",
        "OpenWire": b"\0\0\0\xf0\x01ActiveMQ",
        "SMTP": b"EHLO x\r\nMAIL FROM:<a@b>\r\n",
        "Redis": b"*1\r\n$4\r\nPING\r\n",
        "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
        "PROXY 1": b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n" + SMUGGLED,
        "PROXY 2": b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + b"\0" * 12 + SMUGGLED,
        "RTSP": b"OPTIONS rtsp://x/ RTSP/1.0\r\nCSeq: 1\r\n\r\n",
        "SIP": b"INVITE sip:x SIP/2.0\r\n\r\n",
        "UTF-16": SMUGGLED.decode("latin-1").encode("utf-16"),
        "BOM": b"\xef\xbb\xbf" + SMUGGLED,
        "zeros": b"\0" * 100_000,
        "line ends": b"\r\n" * 50_000,
        "0xff": b"\xff" * 100_000,
        "an answer": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        "one octet": b"P",
        "nothing": b"",
    }.items():
        yield Case(f"no HTTP: {what}", octets, sure=False)
    for origin in ("https://evil.example", "null", "http://x.evil.example", "http://x@evil.example", "file://"):
        for name in ("send", "batch", "explain"):
            path, _, body = BODIES[name]
            yield Case(
                f"a page of {origin}: {name}", post(path, body, f"Origin: {origin}", kind="text/plain"), only=403
            )
        yield Case(f"a page of {origin}: search", head("GET", LOOKS["messages"], f"Origin: {origin}"), only=403)
    yield Case("a page of another site: send", post("/send", text(), "Sec-Fetch-Site: cross-site"), only=403)
    yield Case("a page of another site: search", head("GET", LOOKS["messages"], "Sec-Fetch-Site: cross-site"), only=403)


# --- with keys ----------------------------------------------------------------------------------------------------


def with_wrong_keys(key: str) -> Iterator[Case]:
    """``key`` is good. None of these brings it: RFC 9110 section 11.6.2 has it in Authorization, our own header is
    X-API-Key, and nothing else carries one."""
    basic = base64.b64encode(f"any:{key}".encode()).decode()
    wrong = "X" + key[1:]
    lines: dict[str, tuple[str | bytes, ...]] = {
        "none": (),
        "empty bearer": ("Authorization: Bearer",),
        "empty": ("Authorization:",),
        "blanks": ("Authorization: Bearer    ",),
        "another": (f"Authorization: Bearer {wrong}",),
        "the beginning": (f"Authorization: Bearer {key[:-1]}",),
        "more behind": (f"Authorization: Bearer {key}x",),
        "in quotes": (f'Authorization: Bearer "{key}"',),
        "twice in one line": (f"Authorization: Bearer {key}, {key}",),
        "two words": (f"Authorization: Bearer {key} {key}",),
        "upper case": (f"Authorization: Bearer {key.upper()}",),
        "NUL behind it is no HTTP": (f"Authorization: Bearer {key}\0",),
        "escaped": ("Authorization: Bearer " + "".join(f"%{ord(one):02x}" for one in key),),
        "no scheme": (f"Authorization: {key}",),
        "another scheme": (f"Authorization: Token {key}",),
        "Digest": (f'Authorization: Digest username="any", response="{key}"',),
        "Basic that is no base64": ("Authorization: Basic ====",),
        "Basic of the key as it is": (f"Authorization: Basic {key}",),
        "Basic without a colon": ("Authorization: Basic " + base64.b64encode(key.encode()).decode(),),
        "Basic with the key as the user": ("Authorization: Basic " + base64.b64encode(f"{key}:".encode()).decode(),),
        "Basic of 8 bits": (b"Authorization: Basic \xff\xfe",),
        "Basic behind Bearer": (f"Authorization: Bearer Basic {basic}",),
        "wrong, then right": (f"Authorization: Bearer {wrong}", f"Authorization: Bearer {key}"),
        "wrong X-API-Key, right bearer": (f"X-API-Key: {wrong}", f"Authorization: Bearer {key}"),
        "X-API-Key with more": (f"X-API-Key: {key},{key}",),
        "X-API-Key with Bearer": (f"X-API-Key: Bearer {key}",),
        "X_API_Key": (f"X_API_Key: {key}",),
        "a cookie": (f"Cookie: api_key={key}; Authorization=Bearer {key}",),
        "Proxy-Authorization": (f"Proxy-Authorization: Bearer {key}",),
        "X-Forwarded-For of this machine": ("X-Forwarded-For: 127.0.0.1", "X-Real-IP: 127.0.0.1"),
        "Forwarded": ("Forwarded: for=127.0.0.1",),
        "16,000 characters": ("Authorization: Bearer " + "k" * 16_000,),
        "8 bits": (b"X-API-Key: \xff\xfe\xfd",),
    }
    routes = {name: post(path, body, kind=form) for name, (path, form, body) in BODIES.items()}
    routes |= {name: head("GET", path) for name, path in LOOKS.items()}
    routes["take back"] = head("DELETE", LOOKS["message"])
    for what, more in lines.items():
        only = 400 if what.endswith("no HTTP") else 401
        for name, octets in routes.items():
            written = b"".join((one if isinstance(one, bytes) else one.encode("latin-1")) + b"\r\n" for one in more)
            yield Case(f"key, {what}: {name}", octets.replace(b"Host: x\r\n", b"Host: x\r\n" + written), only=only)
    yield Case("key, in the query", post(f"/msg-client/send?api_key={key}&access_token={key}", text()), only=401)
    yield Case("key, in the user of the target", head("GET", f"http://any:{key}@x/health"), only=401)
    yield Case("key, in the body", post("/msg-client/send", text(api_key=key)), only=401)
    trailer = f"Authorization: Bearer {key}\r\n".encode()
    for name in ("send", "batch", "explain"):
        path, form, body = BODIES[name]
        begin = head("POST", path, f"Content-Type: {form}", "Transfer-Encoding: chunked", "Trailer: Authorization")
        yield Case(  # RFC 9110 section 6.5.1: no field of the trailer is one of the head
            f"key, in the trailer: {name}", begin + chunked(body)[:-2] + trailer + b"\r\n", only=401
        )
    good = post("/msg-client/send", text("good"), f"Authorization: Bearer {key}")
    yield Case("key, of the request before it", good + SMUGGLED, (200,), only=401, accepted=1)


# --- slow ---------------------------------------------------------------------------------------------------------


def slow() -> Iterator[tuple[str, bytes, bytes]]:
    """Name, what comes at once, and what follows now and then, an octet or a few: a request that is never whole. RFC
    9112 section 9.5: a server may end what takes too long."""
    yield "nothing but line ends", b"\r\n", b"\r\n"
    yield "the first line", b"", b"P"
    yield "a method without an end", b"POST", b"T"
    yield "a target without an end", b"GET /", b"x"
    for name, (path, form, body) in BODIES.items():
        begin = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {form}\r\n".encode()
        yield f"fields without an end: {name}", begin, b"X: y\r\n"
        yield f"one field without an end: {name}", begin + b"X: ", b"y"
        yield f"a body: {name}", begin + b"Content-Length: 60000\r\n\r\n" + body[:-1], b" "
        yield f"a body in chunks: {name}", begin + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"
        yield f"the size of a chunk: {name}", begin + b"Transfer-Encoding: chunked\r\n\r\n", b"0"
        yield f"the extension of a chunk: {name}", begin + b"Transfer-Encoding: chunked\r\n\r\n1;", b"x"
        yield (
            f"a body that was asked for: {name}",
            begin + b"Expect: 100-continue\r\nContent-Length: 9999\r\n\r\n",
            b" ",
        )
    for name, path in LOOKS.items():
        yield f"fields without an end: {name}", f"GET {path} HTTP/1.1\r\nHost: x\r\n".encode(), b"X: y\r\n"
        yield f"a body nobody wants: {name}", head("GET", path, "Content-Length: 60000"), b" "
    yield "behind a good one", HEALTH + b"GET /", b"x"


STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) ")
