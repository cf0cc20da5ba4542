"""The ledger in a file."""

import json
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from smsconnector.simulator.ledger import Entry, FileLedger


class FileLedgerTests(SynchronousTestCase):
    """What tests from outside read."""

    def test_ledger_file(self) -> None:
        """One line of JSON a message, in the file at the end of the turn, and added to what is there."""
        path = self.mktemp()
        for sid in ("1", "2"):
            ledger = FileLedger(path)
            ledger.append(Entry(sid, 'Sh"op', "923001234567", b"\0\xff", 8, 0x40))
            ledger.flush()
        lines = [json.loads(line) for line in Path(path).read_text(encoding="ascii").splitlines()]
        self.assertEqual([line["message_id"] for line in lines], ["1", "2"])
        self.assertEqual(
            lines[0],
            {
                "message_id": "1",
                "source": 'Sh"op',
                "destination": "923001234567",
                "short_message": "00ff",
                "data_coding": 8,
                "esm_class": 0x40,
            },
        )
