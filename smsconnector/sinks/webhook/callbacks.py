"""The section ``status_callbacks`` of the configuration, and the sinks that it makes: one for each host.

An application may name a URL with a message (``StatusCallback``): the report of this one message is posted there too.
Each host that is allowed is a sink of its own, with a publisher of its own. So a host that is down holds up nobody
else, and what is owed to it is kept, tried again and parked as for every other sink.
"""

import re
from random import Random
from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from smsconnector.messages import CALLBACK_SINK, Selection
from smsconnector.sections import SinkSection
from smsconnector.sinks.webhook.settings import PostingSection, client_of
from smsconnector.sinks.webhook.sink import PATIENCE, Target, WebhookSink
from smsconnector.sinks.webhook.urls import fault_of, place_of, why_private
from smsconnector.wall_clock import WallClock

MOST_HOSTS = 16
_PORT = re.compile(r":[0-9]+$")


class CallbackSection(PostingSection):
    """``hosts``: to which the reports of single messages may be posted, HOST or HOST:PORT."""

    hosts: Annotated[list[str], Field(min_length=1, max_length=MOST_HOSTS)]

    @field_validator("hosts")
    @classmethod
    def _are_hosts(cls, hosts: list[str]) -> list[str]:
        for one in hosts:
            url = f"https://{one}/"
            if fault_of(url) or one.lower() != place_of(url) or "/" in one or "?" in one or "[" in one:
                raise ValueError(
                    f"{one[:100]!r} is no host: write crm.example.org, or crm.example.org:8443 for another port than"
                    " 443 and 80; one with other letters than ASCII as xn--..."
                )
        names = [one.lower() for one in hosts]
        if len(set(names)) < len(names):
            raise ValueError("one of them is there twice")
        return names

    @model_validator(mode="after")
    def _are_public(self) -> "CallbackSection":
        for one in () if self.allow_private else self.hosts:
            why = why_private(_PORT.sub("", one))
            if why:
                raise ValueError(f"hosts has {one}, which is {why}: write allow_private: yes if that is meant")
        return self

    def sinks(self) -> list["CallbackHost"]:
        """One for each host."""
        return [CallbackHost(type=TYPE, host=one, posting=self) for one in self.hosts]


TYPE = "status_callback"


class CallbackHost(SinkSection):
    """One host, as the sink that it is."""

    host: str
    posting: CallbackSection

    @property
    def known_as(self) -> str:
        return CALLBACK_SINK + self.host

    @property
    def selection(self) -> Selection:
        return Selection(callback=self.host)


def make_callback_sink(reactor: Any, section: CallbackHost, dice: Random, wall_clock: WallClock) -> WebhookSink:
    """The sink that the section describes: each event brings its URL."""
    posting = section.posting
    target = Target("", section.host, tuple(posting.secrets()), parallel=posting.parallel, patience=PATIENCE)
    return WebhookSink(reactor, wall_clock, target, client_of(reactor, posting), dice)
