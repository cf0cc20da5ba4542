"""What the SMSC took: one entry per message, in order. Tests count by it what a connector has really sent.

An entry is in the ledger before the response is on the wire. So a connector that is killed was never told of a message
that the ledger lacks.
"""

import json
from dataclasses import dataclass
from typing import NamedTuple


class Entry(NamedTuple):
    """A message the SMSC took; ``message_id`` is as its response wrote it."""

    message_id: str
    source: str
    destination: str
    short_message: bytes
    data_coding: int
    esm_class: int


class FileLedger:
    """Appends one JSON object per line to ``path``; the short_message in hexadecimal."""

    def __init__(self, path: str) -> None:
        self._file = open(path, "a", encoding="ascii")  # noqa: SIM115 — open as long as the process lives

    def append(self, entry: Entry) -> None:
        """Buffered until ``flush``."""
        line = json.dumps({**entry._asdict(), "short_message": entry.short_message.hex()})
        self._file.write(line + "\n")

    def flush(self) -> None:
        """Hand what was appended to the operating system, where it outlives this process."""
        self._file.flush()


@dataclass(slots=True)
class Counts:
    """What has happened so far."""

    binds: int = 0
    submits: int = 0
    taken: int = 0
    refused: int = 0
    throttled: int = 0
    lost_responses: int = 0
    lost_receipts: int = 0
    receipts: int = 0  # receipts that fell due, duplicates included
    texts: int = 0  # deliver_sm from handsets
    sent: int = 0  # deliver_sm written, repeats included
    acknowledged: int = 0  # deliver_sm answered with ESME_ROK
    refused_for_good: int = 0  # deliver_sm that the ESME refused and that are gone
    drops: int = 0
