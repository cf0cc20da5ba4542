"""What an operator wants to see first, as the HTTP door gives it out: who is connected, and how much waits."""

from collections.abc import Mapping
from typing import Any

from smsconnector.sinks import IEventSink
from smsconnector.walks.admission import Admission
from smsconnector.walks.outlet import Outlet
from smsconnector.walks.requeue import Rerouting


class Health:
    """Looks at the parts when it is asked."""

    def __init__(
        self,
        outlets: Mapping[str, Outlet],
        sinks: Mapping[str, IEventSink],
        admission: Admission,
        rerouting: Rerouting,
    ) -> None:
        self._outlets, self._sinks, self._admission, self._rerouting = outlets, sinks, admission, rerouting

    def report(self) -> dict[str, Any]:
        """For JSON. ``store`` is None until the store has been measured for the first time."""
        parts = [part for outlet in self._outlets.values() for part in outlet.channel.parts()]
        return {
            "binds": {part.name: f"{part.state}: {part.why}" if part.why else part.state for part in parts},
            "broker": "connected" if all(sink.connected for sink in self._sinks.values()) else "down",
            "store": self._store(),
            "unserved": self._rerouting.unserved,
        }

    def _store(self) -> dict[str, int] | None:
        measures = self._admission.measures
        if measures is None:
            return None
        return {
            "waiting_for_network": measures.queued,
            "waiting_for_broker": measures.waiting_events,
            "parked_receipts": measures.parked,
            "parked_events": measures.parked_events,
            "free_octets": measures.free,
        }
