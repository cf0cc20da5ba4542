"""An SMPP channel from its section of the configuration: its binds, their endpoints, and how its texts are cut."""

from collections.abc import Callable, Iterator
from functools import partial
from random import Random
from typing import Any

from twisted.internet.endpoints import TCP4ServerEndpoint

from smsconnector.channels import Predecessor, Surroundings
from smsconnector.channels.smpp.bind import Bind
from smsconnector.channels.smpp.channel import SMPPChannel
from smsconnector.channels.smpp.settings import BindSection, SMPPChannelSection, bind_settings
from smsconnector.net.endpoints import IncomingConnections, client_endpoint
from smsconnector.net.link import BackOff
from smsconnector.smpp.pace import Pace
from smsconnector.sms.segmentation import Split, segment


def make_channel(name: str, section: SMPPChannelSection, surroundings: Surroundings) -> SMPPChannel:
    """The channel with all its binds."""
    before = surroundings.before or Predecessor(None, frozenset())
    channel = SMPPChannel(
        name,
        surroundings.wall_clock,
        surroundings.receiver,
        surroundings.listener_of,
        cutter(section),
        surroundings.figures,
    )
    new = {
        bind.name: [*make_binds(surroundings.reactor, bind, channel, surroundings.dice)]
        for bind in section.binds
        if bind.name not in before.links
    }
    for bind in section.binds:
        if bind.name in before.links:
            for taken in before.channel.give_up(bind.name):
                channel.take_over(bind.name, taken)
        for made in new.get(bind.name, ()):
            channel.add(made, bind.name)
    if before.channel is not None:
        channel.follow(before.channel)
    return channel


def make_binds(reactor: Any, section: BindSection, channel: SMPPChannel, dice: Random | None = None) -> Iterator[Bind]:
    """The sessions of one bind of the configuration: ``sessions`` of them, or twice as many for ``pair``. They share
    the pace, for the SMSC counts what the account sends."""
    scheme, host, port = section.address
    if scheme == "outbind":
        endpoint: Any = IncomingConnections(TCP4ServerEndpoint(reactor, port, interface=host))
    else:
        tls = section.tls.settings() if scheme == "tls" else None
        endpoint = client_endpoint(reactor, host, port, tls)
    pace = Pace(section.throughput, reactor.seconds())
    modes = ("transmitter", "receiver") if section.mode == "pair" else (section.mode,)
    for number in range(1, section.sessions + 1):
        for mode in modes:
            name = section.name + (f"#{number}" if section.sessions > 1 else "")
            name += f" ({mode})" if len(modes) > 1 else ""
            settings = bind_settings(section, name, mode)
            yield Bind(reactor, endpoint, settings, channel, back_off=BackOff(source=dice), pace=pace)


def cutter(section: SMPPChannelSection) -> Callable[[str], Split]:
    """How texts are cut, so that every bind of the channel can send the segments."""
    senders = [bind for bind in section.binds if bind.mode != "receiver"]
    forms = {bind.long_messages for bind in senders}
    return partial(
        segment,
        form=forms.pop() if len(forms) == 1 else "udh16" if "udh16" in forms else "udh8",
        maximum_segments=section.maximum_segments,
        default_alphabets=frozenset(bind.alphabet for bind in senders) or {"gsm7"},
        national_languages=section.national_languages,
        transliterate=section.transliterate,
    )
