"""The words of what is told: of a minute, of a status, of codes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from smsconnector.codes import ANY, Codes, explain, phrase
from smsconnector.codes.words import OWN
from smsconnector.figures import Happened

MOST_CODES = 3
LONGEST_PHRASE = 90  # characters


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel as it is told. ``down``: its parts that are not up, each with its state and why."""

    codes: Codes = ANY
    down: Mapping[str, str] = field(default_factory=dict)
    up: int = 0  # its parts that are up


def many(count: int, one: str) -> str:
    """ "1 text", "2 texts"."""
    return f"{count} {one}" if count == 1 else f"{count} {one}s"


def age(seconds: float) -> str:
    """Roughly: of what waits, nobody needs to know more."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"


def commonest(codes: Mapping[str | int, int], happened: Happened, name: str, channel: Channel) -> str:
    """The three commonest of these codes, in words. An integer is a status with which the network has refused a submit,
    if it has refused one with that; else a network's error that a receipt told. A word that receipts have too is ours
    if no receipt told of a failure."""
    shown = []
    refused = {key[2] for key in (*happened.counts("responses"), *happened.counts("throttled")) if key[0] == name}
    for code, count in sorted(codes.items(), key=lambda item: -item[1])[:MOST_CODES]:
        if code == "":
            shown.append(f"{count} without a code")
            continue
        is_ours = code in OWN and not happened.number("receipts", name, "failed")
        meaning = phrase(explain(code, channel.codes, was_taken=not (is_ours or code in refused)).text)
        shown.append(f"{count} with {ascii(code)[:40]} ({_shortened(meaning)})")
    others = sum(codes.values()) - sum(sorted(codes.values(), reverse=True)[:MOST_CODES])
    return ", ".join(shown) + (f", {others} with other codes" if others else "")


def _shortened(words: str) -> str:
    return words if len(words) <= LONGEST_PHRASE else f"{words[: LONGEST_PHRASE - 3]}..."


@dataclass(frozen=True, slots=True)
class Moved:
    """What happened in a minute, of one channel or of all. ``failed``: with the commonest codes, in words."""

    accepted: int
    taken: int
    delivered: int
    failed: int
    incoming: int
    codes: str = ""

    def told(self) -> str:
        """Short; what is 0 is said where it is good to know."""
        codes = f" ({self.codes})" if self.failed else ""
        failed = f"{self.failed} failed{codes}" if self.failed else "none failed"
        return (
            f"{many(self.accepted, 'text')} accepted, {many(self.taken, 'segment')} taken by the networks,"
            f" {self.delivered} delivered, {failed}, {self.incoming} from handsets"
        )

    def told_shortly(self) -> str:
        return f"{self.accepted} accepted, {self.delivered} delivered, {self.failed} failed"


def waiting_words(count: int, oldest: float, unwritten: bool = False) -> str:
    """What waits for the networks."""
    if not count:
        return "nothing waits"
    return f"{many(count, 'segment')} wait, the oldest for {age(oldest)}"


def links_words(channels: Mapping[str, Channel]) -> str:
    """ "binds 1 of 2 up": of all that connects to networks."""
    up = sum(channel.up for channel in channels.values())
    down = sum(len(channel.down) for channel in channels.values())
    return f"links to networks: {up} of {up + down} up"


def status_line(channels: Mapping[str, Channel], waiting: int, minute: Moved, broker: str, wrong: Sequence[str]) -> str:
    """For ``systemctl status``: one line."""
    parts = [
        links_words(channels),
        f"{waiting} waiting",
        f"last minute: {minute.delivered} delivered, {minute.failed} failed",
        f"broker {broker}",
    ]
    return "; ".join([*wrong, *parts])
