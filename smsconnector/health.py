"""What an operator wants to see first, as the HTTP door gives it out: who is connected, and how much waits."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from twisted.internet.interfaces import IReactorTime

from smsconnector.messages import CALLBACK_SINK
from smsconnector.sinks import IEventSink, Trouble
from smsconnector.walks.admission import Admission
from smsconnector.walks.outlet import Outlet
from smsconnector.walks.requeue import Rerouting
from smsconnector.wall_clock import WallClock


class Health:
    """Looks at the parts when it is asked."""

    def __init__(
        self,
        clock: IReactorTime,
        wall_clock: WallClock,
        outlets: Mapping[str, Outlet],
        sinks: Mapping[str, IEventSink],
        admission: Admission,
        rerouting: Rerouting,
    ) -> None:
        self._clock, self._wall_clock = clock, wall_clock
        self._outlets, self._sinks, self._admission, self._rerouting = outlets, sinks, admission, rerouting

    def report(self) -> dict[str, Any]:
        """For JSON. ``store`` is None until the store has been measured for the first time."""
        parts = [part for outlet in self._outlets.values() for part in outlet.channel.parts()]
        return {
            "binds": {part.name: f"{part.state}: {part.why}" if part.why else part.state for part in parts},
            "broker": self.broker(),
            "sinks": {name: self._flow([sink]) for name, sink in self._sinks.items()},
            "store": self._store(),
            "unserved": self._rerouting.unserved,
        } | self._unknown_codes()

    def broker(self) -> str:
        """All sinks in one line, but for those for callbacks: what is wrong with one customer's host is no outage."""
        return self._flow(sink for name, sink in self._sinks.items() if not name.startswith(CALLBACK_SINK))

    def _flow(self, sinks: Iterable[IEventSink]) -> str:
        """ "connected", or what is wrong, since when, and why; several of these, with "; " between them."""
        troubles = [trouble for sink in sinks for trouble in sink.troubles]
        return "; ".join(dict.fromkeys(map(self._told, troubles))) or "connected"

    def _told(self, trouble: Trouble) -> str:
        lasted = self._clock.seconds() - trouble.since
        since = datetime.fromtimestamp(self._wall_clock.milliseconds() // 1000 - int(lasted), UTC)
        return f"{trouble.state} since {since:%Y-%m-%dT%H:%M:%SZ}: {trouble.why}"

    def _unknown_codes(self) -> dict[str, Any]:
        """How often texts failed with codes that nothing explains, by channel; nothing while there are none."""
        measures = self._admission.measures
        found: dict[str, dict[str, int]] = {}
        for (channel, code), count in (measures.unknown_codes if measures is not None else {}).items():
            found.setdefault(channel, {})[code] = count
        return {"unknown_codes": found} if found else {}

    def _store(self) -> dict[str, int] | None:
        measures = self._admission.measures
        if measures is None:
            return None
        return {
            "waiting_for_network": measures.queued,
            "scheduled": measures.scheduled,
            "waiting_for_broker": measures.waiting_events,
            "parked_receipts": measures.parked,
            "dropped_receipts": measures.dropped,
            "parked_events": measures.parked_events,
            "free_octets": measures.free,
        }
