"""What tests want to know of a configuration."""

from smsconnector.channels.smpp.settings import BindSection, SMPPChannelSection
from smsconnector.config import Configuration


def binds_of(configuration: Configuration, channel: str = "smpp") -> list[BindSection]:
    """The binds of an SMPP channel."""
    section = configuration.channels[channel]
    assert isinstance(section, SMPPChannelSection)
    return section.binds
