"""Two providers: they post texts of customers and the status of messages of their own, again and again until they get a
200. Both count their ids from the same number."""

from dataclasses import dataclass, field
from random import Random
from typing import Any
from urllib.parse import urlencode

from tests.simulation.clock import Time
from tests.simulation.network import Network
from tests.simulation.plan import Hook, Plan
from tests.simulation.post import Post, is_open

AGAIN = 0.6  # seconds
STATUS = {"delivered": ("delivered", "DELIVERED"), "failed": ("undelivered", "FAILED")}


@dataclass(eq=False)
class Hooked:
    """What the provider tells, and what it was answered."""

    hook: Hook
    statuses: list[int | None] = field(default_factory=list)

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
    def told(self) -> dict[str, str]:
        """What has to be on the queue."""
        if self.is_text:
            return self.posted[1]
        status = STATUS[self.hook.what][1]
        return {"MessageSID": self.sid, "DeliveryStatus": status, "ProviderStatusCode": "30008"}


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

        def ended(status: int | None, _headers: dict[str, str]) -> None:
            one.statuses.append(status)
            if status != 200 or (one.hook.twice and one.statuses.count(200) < 2):
                self.time.callLater(AGAIN, self._post, one)
            else:
                self.pending -= 1

        path, fields = one.posted
        post = Post(self.network, machine, path, "application/x-www-form-urlencoded", urlencode(fields).encode(), ended)
        if one.hook.hangup and not one.statuses:
            self.time.callLater(self.dice.random() * 0.1, post.connection.cut)
