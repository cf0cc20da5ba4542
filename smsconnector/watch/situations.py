"""What is wrong with a channel, seen from what happened: a function of figures, and nothing else.

Each condition that is found has a name, by which it is known at the next look, and a sentence with its numbers. Times
are seconds.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from smsconnector.figures import Happened, Recent
from smsconnector.lifecycle import CODE_CANCELLED, CODE_OPTED_OUT
from smsconnector.watch.words import Channel, age, commonest, many

MINUTE = 60.0
LONGEST = 300.0  # for which the readings are kept
FEW = 5  # texts: of fewer it is not said that all of them fail
FEW_RECEIPTS = 10  # texts that were taken: of fewer it is not said that no receipt comes
RECEIPT_IN = 20.0  # a handset that is on has usually told by then
STILL = 30.0  # for so long nothing moves before it is said
TAKEN = ("ACCEPTED", "DONE")  # verdicts
OURS = frozenset({CODE_CANCELLED, CODE_OPTED_OUT})  # nothing is wrong with the channel then


class Waits(NamedTuple):
    """What waits in the queues of a channel. ``oldest``: for how long the oldest has waited since it was accepted."""

    segments: int
    oldest: float


def conditions(
    recent: Recent, channels: Mapping[str, Channel], waiting: Mapping[str, Waits], lasting: Sequence[str]
) -> dict[str, str]:
    """By their names the sentences of all that is wrong. ``lasting``: the names of what was wrong at the last look."""
    found: dict[str, str] = {}
    minute = recent.since(MINUTE)
    for name, channel in channels.items():
        title = f"the channel {name}: "
        for key, sentence in (
            ("every text fails", _all_fail(minute, name, channel)),
            ("the network takes nothing", _takes_nothing(minute, name, channel)),
            ("no receipt comes", _no_receipt(recent, minute, name, title + "no receipt comes" in lasting)),
            ("nothing moves", _nothing_moves(recent, name, channel, waiting.get(name))),
        ):
            if sentence:
                found[title + key] = f"{title}{key}{sentence}"
    return found


def taken(happened: Happened, channel: str) -> int:
    """Submits that the network has taken."""
    return sum(happened.number("responses", channel, verdict) for verdict in TAKEN)


def failures(happened: Happened, channel: str) -> dict[str | int, int]:
    """Reports of failure, by their codes."""
    reports = happened.counts("reports")
    return {key[2]: count for key, count in reports.items() if key[:2] == (channel, "failed") and key[2] not in OURS}


def _all_fail(minute: Happened, name: str, channel: Channel) -> str:
    found = failures(minute, name)
    failed = sum(found.values())
    if failed < FEW or minute.number("reports", name, "delivered"):
        return ""
    return f": {failed} in the last minute, none was delivered: {commonest(found, minute, name, channel)}"


def _takes_nothing(minute: Happened, name: str, channel: Channel) -> str:
    """Refusals that are tried again, and throttled submits. What is refused for good is a text that fails."""
    refused = minute.number("responses", name, "RETRY") + minute.number("responses", name, "UNKNOWN")
    throttled = minute.number("throttled", name)
    if refused + throttled < FEW or taken(minute, name) or minute.number("responses", name, "REFUSED"):
        return ""
    codes: dict[str | int, int] = {}
    for family in ("responses", "throttled"):
        for key, count in minute.counts(family).items():
            if key[0] == name:
                codes[key[2]] = codes.get(key[2], 0) + count
    return f": {refused + throttled} submits in the last minute: {commonest(codes, minute, name, channel)}"


def _no_receipt(recent: Recent, minute: Happened, name: str, is_lasting: bool) -> str:
    """Of texts for which receipts are asked: those have no code before. It begins with texts that are old enough for a
    receipt; it lasts while receipts are owed to texts of the last minutes."""
    if minute.number("receipts", name) or minute.number("reports", name, "delivered"):
        return ""
    owed = recent.since(LONGEST, RECEIPT_IN).number("responses", name, "ACCEPTED", "")
    begins = recent.since(MINUTE, RECEIPT_IN).number("responses", name, "ACCEPTED", "") >= FEW_RECEIPTS
    if not (begins or (is_lasting and owed)):
        return ""
    unmatched = minute.number("receipts", "")
    more = f"; {many(unmatched, 'receipt')} came that fit no text: see message ids" if unmatched else ""
    return f" for {many(owed, 'segment')} that the network has taken in the last minutes{more}"


def _nothing_moves(recent: Recent, name: str, channel: Channel, waits: Waits | None) -> str:
    still = recent.since(STILL)
    if waits is None or waits.oldest < STILL or still.number("responses", name) or still.number("throttled", name):
        return ""
    why = "; ".join(f"{part} is {state}" for part, state in channel.down.items())
    because = f": {why}" if why else ""
    return f" though {many(waits.segments, 'segment')} wait, the oldest for {age(waits.oldest)}{because}"
