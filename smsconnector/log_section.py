"""The section ``log`` of the configuration: in what form the log is written, and how much of it."""

import re
from typing import Literal

from pydantic import field_validator

from smsconnector.logs.starting import settle
from smsconnector.section_base import Section

Level = Literal["debug", "info", "warn", "error", "critical"]
_NAMESPACE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")


class LogSection(Section):
    """Of these, ``format`` needs a restart."""

    format: Literal["auto", "journal", "text", "json"] = "auto"
    level: Level = "info"
    levels: dict[str, Level] = {}  # by namespace, such as smsconnector.channels
    numbers: Literal["masked", "full"] = "masked"

    @field_validator("levels")
    @classmethod
    def _are_namespaces(cls, levels: dict[str, Level]) -> dict[str, Level]:
        for name in levels:
            if not _NAMESPACE.fullmatch(name):
                raise ValueError(f"{name!r} is no namespace: write one as in smsconnector.channels")
        return levels

    def settle(self) -> None:
        """Have the process's log follow it from now on."""
        settle(self.level, self.levels, self.numbers)
