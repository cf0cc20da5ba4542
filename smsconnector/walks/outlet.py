"""One channel as the door sees it: its submitters by prefix, and how its texts are cut."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from smsconnector.sms.segmentation import Split, segment
from smsconnector.walks.submitter import Submitter


@dataclass(frozen=True, slots=True)
class Outlet:
    """A channel as the door sees it: its submitters by prefix ("" for all other numbers). ``lifetime`` in seconds;
    ``cut`` makes segments of a text."""

    routes: Mapping[str, Submitter]
    lifetime: float
    cut: Callable[[str], Split] = segment

    def submitter(self, destination: str) -> Submitter | None:
        """That of the longest prefix of the number; None if there is none."""
        if len(self.routes) > 1 or "" not in self.routes:
            for length in range(len(destination), 0, -1):
                found = self.routes.get(destination[:length])
                if found is not None:
                    return found
        return self.routes.get("")
