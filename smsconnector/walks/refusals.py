"""What the log says of events that a sink refuses: each by itself while they are few, else how many there were."""

from twisted.logger import Logger

from smsconnector.messages import Event

REFUSALS_LOGGED, LOG_PERIOD = 20, 60.0  # so many are logged one by one in so many seconds


class RefusalsLog:
    """Writes to ``log``. Times are seconds."""

    def __init__(self, log: Logger, sink_name: str) -> None:
        self._log, self._sink_name = log, sink_name
        self._logged_at: list[float] = []  # for each refusal logged in the last LOG_PERIOD
        self._not_logged = 0  # refusals that were left out

    def refused(self, event: Event, reason: str, now: float) -> None:
        self._logged_at = [at for at in self._logged_at if now - at < LOG_PERIOD]
        if len(self._logged_at) >= REFUSALS_LOGGED:
            self._not_logged += 1
            return
        self._logged_at.append(now)
        self._log.error(
            "{sink} refused the event {event_id}: {reason}. It is parked, and tried again now and then;"
            " the others go on. `smsconnector events --parked` lists it",
            sink=self._sink_name,
            event_id=event.event_id,
            reason=reason,
        )

    def tick(self, now: float) -> None:
        """Say how many were left out, when that is over."""
        if self._not_logged and now - self._logged_at[-1] >= LOG_PERIOD:
            self._log.error("{sink} refused {count} more events", sink=self._sink_name, count=self._not_logged)
            self._not_logged = 0
