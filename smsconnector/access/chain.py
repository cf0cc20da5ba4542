"""The audit's rows, chained by hashes: each row's hash covers the row and the hash of the one before.

A row that is changed, or taken out of the middle, does not fit its neighbours. One that is taken off the end is missed
by the head, which is kept beside the rows. Who can write to the file and knows this page can make the whole chain anew.
So the daemon tells the head in its log at each start: a chain that was made anew has no longer the hashes that stand
there.
"""

import hashlib
import json
from collections.abc import Iterable
from typing import NamedTuple

FIRST = "0" * 64  # what the first row has before it


class Row(NamedTuple):
    """One row of the audit. ``at`` is in ms since the Unix epoch; ``number`` begins with 1 and has no gaps."""

    number: int
    at: int
    who: str
    what: str
    about: str
    hash: str = ""


class Head(NamedTuple):
    """The last row's number and hash."""

    number: int = 0
    hash: str = FIRST


def chained(row: Row, before: str) -> Row:
    """The row with its hash: SHA-256 of the hash before it and the row as JSON, in hex."""
    text = json.dumps([before, row.number, row.at, row.who, row.what, row.about], separators=(",", ":"))
    return row._replace(hash=hashlib.sha256(text.encode()).hexdigest())


def faults_of(rows: Iterable[Row], head: Head) -> list[str]:
    """What is wrong with the chain, a sentence for each place; nothing if it is whole."""
    faults, last = [], Head()
    for row in rows:
        if row.number != last.number + 1:
            missing = (
                f"{last.number + 1}" if row.number == last.number + 2 else f"{last.number + 1} to {row.number - 1}"
            )
            faults.append(f"row {missing} is not there")
        elif chained(row, last.hash).hash != row.hash:
            faults.append(f"row {row.number} is not as it was written, or the one before it was replaced")
        last = Head(row.number, row.hash)
    if last != head:
        what = "rows behind it were taken out" if last.number < head.number else "the head is not as it was written"
        faults.append(f"the last row is {last.number}, and the head knows row {head.number}: {what}")
    return faults
