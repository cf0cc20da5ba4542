"""Which entries are written: by their level, and by the namespace that they come from."""

from collections.abc import Mapping
from typing import Any

from twisted.logger import LogEvent, LogLevel

NAMES = ("debug", "info", "warn", "error", "critical")
# Unless the configuration says otherwise: they tell of each connection. What twisted.python.log writes is log_legacy.
QUIET = {"twisted": "warn", "klein": "warn", "log_legacy": "warn"}
MOST_NAMESPACES = 1000
_RANKS: dict[Any, int] = {LogLevel.lookupByName(name): rank for rank, name in enumerate(NAMES)}


class Levels:
    """A namespace has the level of the longest name that it begins with, up to a dot: ``smsconnector.channels`` is
    meant for ``smsconnector.channels.smpp.bind`` too. What has none has the level of all."""

    def __init__(self, level: str = "info", by_namespace: Mapping[str, str] | None = None) -> None:
        self.configure(level, by_namespace or {})

    def configure(self, level: str, by_namespace: Mapping[str, str]) -> None:
        """What counts from now on; the names of levels are those of NAMES."""
        self._rank = NAMES.index(level)
        self._ranks = {name: NAMES.index(one) for name, one in {**QUIET, **by_namespace}.items()}
        self._known: dict[str, int] = {}

    def wants(self, event: LogEvent) -> bool:
        """Whether the entry is to be written."""
        namespace = event.get("log_namespace", "")
        least = self._known.get(namespace)
        if least is None:
            least = self._known_of(namespace)
        return _RANKS.get(event.get("log_level"), 1) >= least

    def _known_of(self, namespace: str) -> int:
        if len(self._known) >= MOST_NAMESPACES:
            self._known.clear()
        name = namespace
        while name and name not in self._ranks:
            name = name.rpartition(".")[0]
        self._known[namespace] = least = self._ranks.get(name, self._rank)
        return least
