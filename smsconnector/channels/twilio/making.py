"""A Twilio channel from its section of the configuration."""

from functools import partial

from smsconnector.channels import Surroundings
from smsconnector.channels.provider.channel import ProviderChannel, ProviderSettings
from smsconnector.channels.twilio.provider import TwilioProvider, cut
from smsconnector.channels.twilio.settings import TwilioChannelSection
from smsconnector.net.http_client import HTTPClient


def make_channel(name: str, section: TwilioChannelSection, surroundings: Surroundings) -> ProviderChannel:
    """The account of its texts is the channel's name: so the HTTP door names it, whom the callbacks come to."""
    callback = None
    if surroundings.public_url is not None:
        callback = f"{surroundings.public_url.rstrip('/')}{surroundings.base_path}/{name}/delivery-notification"
    client = HTTPClient(
        surroundings.reactor,
        section.tls.settings(),
        connections=section.parallel,
        connect_timeout=section.connect_timeout,
        reply_timeout=section.reply_timeout,
    )
    return ProviderChannel(
        name,
        ProviderSettings(name, section.parallel, section.rate, section.drain_timeout),
        TwilioProvider(section, callback, surroundings.wall_clock.milliseconds),
        client,
        surroundings,
        partial(cut, transliterate=section.transliterate),
    )
