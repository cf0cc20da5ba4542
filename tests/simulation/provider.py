"""Three providers: they post texts of customers and the status of messages of their own, again and again until they get
a 200. Two count their ids from the same number. Those of the channels ``smpp`` and ``listed`` sign what they post; the
latter posts lists. Somebody else, who can't sign, posts forged texts."""

import hashlib
import hmac
import json
from dataclasses import dataclass, field
from random import Random
from typing import Any
from urllib.parse import urlencode

from tests.simulation.clock import Time
from tests.simulation.network import Network
from tests.simulation.plan import Hook, Plan
from tests.simulation.post import Post, is_open

AGAIN = 0.6  # seconds
SECRET = "a secret of the provider"
PUBLIC_URL = "https://sms.example.org"
FORM, JSON = "application/x-www-form-urlencoded", "application/json"
STATUS = {"delivered": ("delivered", "DELIVERED"), "failed": ("undelivered", "FAILED")}


@dataclass(eq=False)
class Hooked:
    """What the provider tells, and what it was answered."""

    hook: Hook
    statuses: list[int | None] = field(default_factory=list)
    forged: list[int | None] = field(default_factory=list)  # the answers to what somebody else has posted

    @property
    def sid(self) -> str:
        return self.hook.sid or f"SM{0xFACE00000000 + self.hook.number:032x}"

    @property
    def is_text(self) -> bool:
        return self.hook.what == "text"

    @property
    def posted(self) -> tuple[str, dict[str, str]]:
        """The path and the fields. The root is the door of the channel ``smpp-b``."""
        where = "" if self.hook.channel == "smpp-b" else f"/msg-client/{self.hook.channel}"
        if self.is_text:
            fields = {"Body": f"hook {self.hook.number} ŝ", "From": "+4790000777", "To": "8228", "SmsSid": self.sid}
            return f"{where}/receive", fields
        fields = {"MessageSid": self.sid, "SmsStatus": STATUS[self.hook.what][0], "ErrorCode": "30008"}
        return f"{where}/delivery-notification", fields

    @property
    def request(self) -> tuple[str, str, bytes]:
        """Path, type and body."""
        path, fields = self.posted
        if self.hook.channel != "listed":
            return path, FORM, urlencode(fields).encode()
        texts = [{"kind": "text", **one} for one in self.told]
        unknown = {"kind": "status", "SmsSid": f"unknown {self.hook.number}", "status": "delivered"}
        return path, JSON, json.dumps({"records": ["no record", unknown, *texts, {"kind": "text"}]}).encode()

    @property
    def told(self) -> list[dict[str, str]]:
        """What has to be on the queue."""
        if self.hook.channel == "listed":
            fields = self.posted[1]
            every = range(self.hook.texts)
            return [{**fields, "Body": f"{fields['Body']} {at}", "SmsSid": f"{self.sid} {at}"} for at in every]
        if self.is_text:
            return [self.posted[1]]
        status = STATUS[self.hook.what][1]
        return [{"MessageSID": self.sid, "DeliveryStatus": status, "ProviderStatusCode": "30008"}]


class Provider:
    """``pending`` counts what has had no 200 yet."""

    def __init__(self, time: Time, network: Network, plan: Plan, dice: Random, find: Any) -> None:
        self.time, self.network, self.dice, self._find = time, network, dice, find
        self.all = [Hooked(hook) for hook in plan.of(Hook)]
        self.pending = len(self.all)
        for one in self.all:
            time.callLater(one.hook.at, self._post, one)

    def _post(self, one: Hooked) -> None:
        machine = self._find()
        if not is_open(machine):
            self.time.callLater(AGAIN, self._post, one)
            return

        path, kind, body = one.request
        if len(one.forged) < one.hook.forged:
            self._forge(one, machine, path, kind, body)
            return

        def ended(status: int | None, _headers: dict[str, str]) -> None:
            one.statuses.append(status)
            if status != 200 or (one.hook.twice and one.statuses.count(200) < 2):
                self.time.callLater(AGAIN, self._post, one)
            else:
                self.pending -= 1

        signature = "" if one.hook.channel == "smpp-b" else f"X-Signature: {signature_of(path, body)}\r\n"
        post = Post(self.network, machine, path, kind, body, ended, signature)
        if one.hook.hangup and not one.statuses:
            self.time.callLater(self.dice.random() * 0.1, post.connection.cut)

    def _forge(self, one: Hooked, machine: Any, path: str, kind: str, body: bytes) -> None:
        """Somebody posts another text with the signature of the right one, or the right one with another signature."""

        def ended(status: int | None, _headers: dict[str, str]) -> None:
            one.forged.append(status)
            self.time.callLater(0.05, self._post, one)

        signature = signature_of(path, body)
        if len(one.forged) % 2:
            signature = ("0" if signature[0] != "0" else "1") + signature[1:]
        else:
            body = body.replace(b"hook", b"fake").replace(b"delivered", b"failed")
            body += b" " if kind == JSON else b"&x=1"
        Post(self.network, machine, path, kind, body, ended, f"X-Signature: {signature}\r\n")


def signature_of(path: str, body: bytes) -> str:
    """As ``verify`` of the channels smpp and listed, and of those of the type http, has it."""
    return hmac.digest(SECRET.encode(), f"{PUBLIC_URL}{path}\n".encode() + body, hashlib.sha256).hex()
