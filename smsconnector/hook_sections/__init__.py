"""The sections of a channel that say how its provider calls us: ``notification``, ``incoming`` and ``verify``.

Each makes an object of ``hooks``, which knows no pydantic. ``hooks_of`` puts them together, for
``ChannelSection.hooks``.
"""

from smsconnector.hook_sections.reading import IncomingSection, NotificationSection, hooks_of, unguarded
from smsconnector.hook_sections.verify import Verify, VerifySection

__all__ = ["IncomingSection", "NotificationSection", "Verify", "VerifySection", "hooks_of", "unguarded"]
