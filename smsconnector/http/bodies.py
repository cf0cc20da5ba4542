"""How many octets the bodies of all requests may have together."""


class Bodies:
    """The octets of the bodies of all requests that have no answer yet, of one server. ``beyond``: of these, what goes
    beyond the usual limit of one body. ``most`` and ``most_beyond`` are what there may be of both."""

    most = 67_108_864  # octets
    most_beyond = 33_554_432

    def __init__(self, most: int | None = None) -> None:
        self.octets = self.beyond = 0
        if most is not None:
            self.most = most

    def take(self, octets: int, beyond: int = 0) -> bool:
        """Room for so many more; whether there was any."""
        if self.octets + octets > self.most or self.beyond + beyond > self.most_beyond:
            return False
        self.octets += octets
        self.beyond += beyond
        return True

    def give_back(self, octets: int, beyond: int = 0) -> None:
        """They have their answer, or nobody waits for one."""
        self.octets -= octets
        self.beyond -= beyond
