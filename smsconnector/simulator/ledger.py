"""What the SMSC took, for tests that count from outside: one entry per message it accepted, in order.

An entry is in the ledger before the response is on the wire, so that a connector that is killed can't have been
told of a message which the ledger lacks.
"""

import json
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
