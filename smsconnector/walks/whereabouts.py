"""Where a segment is that waits on disk: what only memory knows, for those who ask about one message."""

import enum
from collections.abc import Collection, Mapping

from smsconnector.channels import IRoute
from smsconnector.messages import Segment
from smsconnector.walks.pauses import Pauses


class Place(enum.Enum):
    """Where it is."""

    QUEUED = "queued"  # it waits for its turn, or for its next attempt
    NO_WAY_OUT = "no way out"  # nothing that could send it is up
    THROTTLED = "throttled"  # the network takes no more for now
    UNDER_WAY = "under way"  # with the network, or its outcome is about to be written


class Whereabouts:
    """``submitted``: the segments that are under way, by their ids."""

    def __init__(self, route: IRoute, pauses: Pauses, submitted: Mapping[int, Segment]) -> None:
        self.route, self._pauses, self._submitted = route, pauses, submitted

    def of(self, segment_ids: Collection[int]) -> dict[int, Place]:
        """By their ids."""
        throttled = {one.id for one in self._pauses.segments()}.intersection(segment_ids)
        otherwise = Place.QUEUED if self.route.is_up else Place.NO_WAY_OUT
        places = {one: Place.THROTTLED if one in throttled else otherwise for one in segment_ids}
        return places | {one: Place.UNDER_WAY for one in segment_ids if one in self._submitted}
