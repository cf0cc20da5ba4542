"""An ``http`` channel from its section of the configuration."""

from collections.abc import Callable
from functools import partial

from smsconnector.channels import Surroundings
from smsconnector.channels.http.cutting import cut
from smsconnector.channels.http.provider import Surface, TemplateProvider, login_facts, make_provider
from smsconnector.channels.http.settings import HTTPChannelSection
from smsconnector.channels.http.templates import Templates
from smsconnector.channels.provider.channel import ProviderChannel, ProviderSettings
from smsconnector.net.http_client import HTTPClient
from smsconnector.net.proxy import Proxy, proxied
from smsconnector.sms.segmentation import Split


def make_channel(name: str, section: HTTPChannelSection, around: Surroundings) -> ProviderChannel:
    """The channel with its client. It starts nothing."""
    client = make_client(name, section, around)
    settings = ProviderSettings(name, section.parallel, section.rate, section.drain_timeout, section.reports == "one")
    provider = provider_of(name, section, around, client)
    return ProviderChannel(name, settings, provider, client, around, text_cutter(section))


def text_cutter(section: HTTPChannelSection) -> Callable[[str], Split]:
    """How texts are cut for its provider."""
    return partial(
        cut,
        maximum=section.maximum_length,
        may_split=section.long_texts == "split",
        maximum_parts=section.maximum_parts,
        transliterate=section.transliterate,
    )


def provider_of(name: str, section: HTTPChannelSection, around: Surroundings, client: HTTPClient) -> TemplateProvider:
    """The provider, which asks ``client`` for its log-ins."""
    return make_provider(
        section, surface_of(name, around), client.ask, around.wall_clock.milliseconds, around.reactor.seconds
    )


def surface_of(name: str, around: Surroundings) -> Surface:
    """How the channel looks from outside."""
    public = None if around.public_url is None else f"{around.public_url.rstrip('/')}{around.base_path}/{name}"
    return Surface(name, public)


def make_client(name: str, section: HTTPChannelSection, around: Surroundings) -> HTTPClient:
    """The client for its requests, through the proxy if there is one."""
    tls = section.tls.settings()
    endpoint_for = None
    if section.proxy is not None:
        templates = Templates(section.written())
        facts = login_facts(Surface(name, None), section.all_secrets(), 0)
        credentials = None
        if templates.proxy is not None:
            credentials = ":".join(one.fill(facts) or "" for one in templates.proxy)
        proxy = Proxy(*section.proxy.address, credentials)
        endpoint_for = proxied(around.reactor, proxy, tls, section.connect_timeout)
    return HTTPClient(
        around.reactor,
        tls,
        connections=section.parallel,
        connect_timeout=section.connect_timeout,
        reply_timeout=section.reply_timeout,
        maximum_reply=section.maximum_reply,
        endpoint_for=endpoint_for,
    )
