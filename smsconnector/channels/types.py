"""Which types of channel there are: the word that ``channels.NAME.type`` of the configuration may hold.

A new type is one entry here. The configuration looks a type up when it is read, so an entry may also be added from
outside before that.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from smsconnector.channels import IChannel, Surroundings
from smsconnector.channels.http.making import make_channel as make_http_channel
from smsconnector.channels.http.settings import HTTPChannelSection
from smsconnector.channels.smpp.making import make_channel
from smsconnector.channels.smpp.settings import SMPPChannelSection
from smsconnector.channels.twilio.making import make_channel as make_twilio_channel
from smsconnector.channels.twilio.settings import TwilioChannelSection
from smsconnector.sections import ChannelSection


@dataclass(frozen=True, slots=True)
class ChannelType:
    """``section`` is the model of the channel's section in the configuration. ``make`` makes the channel from its name,
    its section, which is one of that model, and what is around it."""

    section: type[ChannelSection]
    make: Callable[[str, Any, Surroundings], IChannel]


CHANNEL_TYPES: dict[str, ChannelType] = {
    "smpp": ChannelType(SMPPChannelSection, make_channel),
    "twilio": ChannelType(TwilioChannelSection, make_twilio_channel),
    "http": ChannelType(HTTPChannelSection, make_http_channel),
}
