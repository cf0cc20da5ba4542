"""What ``doctor --channel`` needs to know of a channel to an HTTP provider, by the channel's type."""

import json
from collections.abc import Callable
from dataclasses import dataclass

from smsconnector.channels import Surroundings
from smsconnector.channels.http import making as http_making
from smsconnector.channels.http.settings import HTTPChannelSection
from smsconnector.channels.provider.results import Provider
from smsconnector.channels.twilio import making as twilio_making
from smsconnector.channels.twilio.codes import meaning_of
from smsconnector.channels.twilio.provider import code_of
from smsconnector.channels.twilio.settings import TwilioChannelSection
from smsconnector.messages import Segment
from smsconnector.net.http_client import HTTPCall, HTTPClient, HTTPReply
from smsconnector.rest.variables import MASK
from smsconnector.sms.segmentation import Split

ProviderSection = HTTPChannelSection | TwilioChannelSection


@dataclass(frozen=True, slots=True)
class Check:
    """A request that changes nothing, and shows whether the credentials are good. ``read``: whether they are, as far as
    its reply tells, and a sentence that tells it. The reply is not shown: it may hold secrets and texts."""

    call: HTTPCall
    read: Callable[[HTTPReply], tuple[bool, str]]


@dataclass(frozen=True, slots=True)
class Side:
    """The far side. ``masked``: the request for a text (ms), to be shown. ``charset`` of its answers; None: as they
    say. ``check`` None: there is nothing to ask for."""

    client: HTTPClient
    provider: Provider
    cut: Callable[[str], Split]
    masked: Callable[[Segment, int], HTTPCall]
    secrets: tuple[str, ...]
    charset: str | None = None
    check: Check | None = None


def side_of(name: str, section: ProviderSection, around: Surroundings) -> Side:
    """That of the channel of this name. It is asked nothing yet."""
    if isinstance(section, TwilioChannelSection):
        return _twilio(name, section, around)
    client = http_making.make_client(name, section, around)
    provider = http_making.provider_of(name, section, around, client)
    return Side(
        client,
        provider,
        http_making.text_cutter(section),
        lambda segment, now_ms: provider.request.masked(provider.facts(segment, now_ms)),
        tuple(section.all_secrets().values()),
        section.answer_charset,
    )


def _twilio(name: str, section: TwilioChannelSection, around: Surroundings) -> Side:
    provider = twilio_making.provider_of(name, section, around)
    user, password = section.credentials()

    def masked(segment: Segment, now_ms: int) -> HTTPCall:
        call = provider.call(segment, now_ms)
        shown = [(key, f"Basic {MASK}" if key == "Authorization" else value) for key, value in call.headers]
        return call._replace(headers=tuple(shown))

    return Side(
        twilio_making.make_client(section, around),
        provider,
        twilio_making.text_cutter(section),
        masked,
        (password, *section.tokens()),
        check=Check(provider.check_call(by_key=user != section.account_sid), _read_check),
    )


def _read_check(reply: HTTPReply) -> tuple[bool, str]:
    """Twilio's account has a status; its list of messages has none."""
    try:
        data = json.loads(reply.body)
    except (ValueError, RecursionError):
        data = None
    found = data if isinstance(data, dict) else {}
    if 200 <= reply.status < 300:
        status = found.get("status")
        if status in ("suspended", "closed"):
            return False, f"the credentials are good, but the account is {status}"
        if status == "active" or isinstance(found.get("messages"), list):
            return True, "the credentials are good" + (", and the account is active" if status else "")
        return False, "this is no answer of Twilio's: is it a proxy that answers?"
    code = code_of(found.get("code"))
    if reply.status == 404 and code is None:
        return True, "nothing: a compatible provider may be good that has no such resource"
    told = meaning_of(reply.status, code).title
    return False, told if code is None else f"{told} (code {code})"
