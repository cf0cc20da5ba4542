"""A Twilio channel from its section of the configuration."""

from collections.abc import Callable
from functools import partial

from smsconnector.channels import Surroundings
from smsconnector.channels.provider.channel import ProviderChannel, ProviderSettings
from smsconnector.channels.twilio.provider import TwilioProvider, cut
from smsconnector.channels.twilio.settings import TwilioChannelSection
from smsconnector.net.http_client import HTTPClient
from smsconnector.sms.segmentation import Split


def make_channel(name: str, section: TwilioChannelSection, surroundings: Surroundings) -> ProviderChannel:
    """The account of its texts is the channel's name: so the HTTP door names it, whom the callbacks come to."""
    return ProviderChannel(
        name,
        ProviderSettings(name, section.parallel, section.rate, section.drain_timeout),
        provider_of(name, section, surroundings),
        make_client(section, surroundings),
        surroundings,
        text_cutter(section),
    )


def make_client(section: TwilioChannelSection, around: Surroundings) -> HTTPClient:
    """The client for its requests."""
    return HTTPClient(
        around.reactor,
        section.tls.settings(),
        connections=section.parallel,
        connect_timeout=section.connect_timeout,
        reply_timeout=section.reply_timeout,
    )


def provider_of(name: str, section: TwilioChannelSection, around: Surroundings) -> TwilioProvider:
    """The provider, which tells Twilio where to report, if that is known."""
    callback = None
    if around.public_url is not None:
        callback = f"{around.public_url.rstrip('/')}{around.base_path}/{name}/delivery-notification"
    return TwilioProvider(section, callback, around.wall_clock.milliseconds)


def text_cutter(section: TwilioChannelSection) -> Callable[[str], Split]:
    """What makes segments of a text."""
    return partial(cut, transliterate=section.transliterate)
