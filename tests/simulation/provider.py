"""The provider: posts texts of customers and the status of messages of its own, again and again until it gets a 200."""

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
        return f"SM{0xFACE00000000 + self.hook.number:032x}"

    @property
    def event_id(self) -> str:
        return f"in-smpp-{self.sid}" if self.hook.what == "text" else f"dr-{self.sid}"

    @property
    def posted(self) -> tuple[str, dict[str, str]]:
        """The path and the fields."""
        if self.hook.what == "text":
            fields = {"Body": f"hook {self.hook.number} ŝ", "From": "+4790000777", "To": "8228", "SmsSid": self.sid}
            return "/msg-client/smpp/receive", fields
        fields = {"MessageSid": self.sid, "SmsStatus": STATUS[self.hook.what][0], "ErrorCode": "30008"}
        return "/delivery-notification", fields

    @property
    def told(self) -> dict[str, str]:
        """What has to be on the queue."""
        if self.hook.what == "text":
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
