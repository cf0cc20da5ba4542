"""A channel whose provider posts lists of texts and notifications, signed. Nothing is sent through it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from twisted.application.service import Service

from smsconnector.channels import Part, Surroundings
from smsconnector.channels.previews import Preview
from smsconnector.channels.types import CHANNEL_TYPES, ChannelType
from smsconnector.hook_sections import IncomingSection, NotificationSection, Verify, hooks_of
from smsconnector.hooks.hook import Hooks
from smsconnector.messages import Segment
from smsconnector.sections import ChannelSection
from smsconnector.sms.segmentation import Split, segment


class ListedSection(ChannelSection):
    """As those of providers, without a word of sending."""

    notification: NotificationSection
    incoming: IncomingSection
    verify: Verify

    def hooks(self, public_url: str | None, path: str) -> Hooks:
        return hooks_of(self.notification, self.incoming, public_url, self.verify)


class ListedChannel(Service):
    """It has no route."""

    name: str

    def __init__(self, name: str, _section: ListedSection, _around: Surroundings) -> None:
        self.name = name

    def cut(self, text: str) -> Split:
        return segment(text)

    def parts(self) -> list[Part]:
        return []

    def preview(self, prefix: str, segments: Sequence[Segment]) -> Preview:
        return Preview([], None, "It has no route.")


@contextmanager
def is_known() -> Iterator[None]:
    """The connector knows the type ``listed`` for as long."""
    CHANNEL_TYPES["listed"] = ChannelType(ListedSection, ListedChannel)
    try:
        yield
    finally:
        del CHANNEL_TYPES["listed"]
