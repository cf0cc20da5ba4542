"""SQL is put together of words of our own, and nothing else: what comes from outside goes by parameters.

Each expression that stands in an f-string of SQL is a constant in capitals, a whole number (``:d``), or one of
``REVIEWED``: somebody has looked where it comes from. (So bandit's B608, which finds every such string, is off.)
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import smsconnector

PACKAGE = Path(smsconnector.__file__).parent
_SQL = re.compile(r"\b(SELECT|INSERT|UPDATE|DELETE|PRAGMA|ATTACH|CREATE|DROP|WHERE|FROM|VACUUM)\b")
_CONSTANT = re.compile(r"_?[A-Z][A-Z_0-9]*")
# By module. Names of tables and columns, conditions and placeholders that the module itself has written, and ids that
# the database gave.
REVIEWED = {
    "store/accounts.py": {"table", "_TABLES[table]"},
    "store/conversations.py": {"joined"},
    "store/database.py": {"short", "number"},
    "store/exchanged.py": {"wanted"},
    "store/fall_backs.py": {"columns(3)"},
    "store/incoming.py": {"columns(11)"},
    "store/offline/parked.py": {"which"},
    "store/offline/reconcile.py": {"len(CALLBACK_SINK) + 1"},
    "store/offline/rescue.py": {
        "', '.join(names)", "confirmed", "default", "is_scheduled", "last", "name", "orphans", "places", "self.name",
        "table",
    },
    "store/opt_outs.py": {"columns(6)"},
    "store/outbox.py": {
        "column", "columns", "name", "selected(selection)", "settled.format('confirmation')",
        "settled.format('parked_event')", "sink", "table",
    },
    "store/outgoing.py": {"is_moved('(j.value->>3)')"},
    "store/queries.py": {
        "CALLBACK_OF.format('c.host')", "CALLBACK_OF.format('c.url')", "_loaded(load.queue)", "columns", "key", "sink",
        "source", "table", "which",
    },
    "store/receipts.py": {"columns(10)", "is_moved(sid, '(j.value->>2)')", "sid"},
    "store/retention.py": {"column", "first", "parked_at", "table"},
    "store/rows.py": {"_values(count, width)", "columns", "joined", "rows", "set_to", "table"},
    "store/schedules.py": {"table"},
    "store/searching.py": {
        "''.join((f' AND {one}' for one in wanted))", "is_moved('?1')", "is_moved('n.sid')", "source",
    },
    "store/segment_events.py": {"columns(8)"},
    "store/several_ids.py": {"columns(7)"},
}  # fmt: skip


def put_in(module: Path) -> Iterator[str]:
    """What stands in the SQL of a module, but for constants and numbers."""
    for node in ast.walk(ast.parse(module.read_text())):
        if not isinstance(node, ast.JoinedStr):
            continue
        if not _SQL.search("".join(str(one.value) for one in node.values if isinstance(one, ast.Constant))):
            continue
        for one in node.values:
            if not isinstance(one, ast.FormattedValue):
                continue
            expression = ast.unparse(one.value)
            is_number = one.format_spec is not None and ast.unparse(one.format_spec) == "f'd'"
            if not (is_number or _CONSTANT.fullmatch(expression)):
                yield expression


class SQLCase(SynchronousTestCase):
    def test_reviewed(self) -> None:
        """One that is new is looked at: it must not hold what somebody outside has written."""
        found: dict[str, set[str]] = {}
        for room in ("store", "access"):
            for module in sorted((PACKAGE / room).rglob("*.py")):
                if expressions := {*put_in(module)}:
                    found[str(module.relative_to(PACKAGE))] = expressions
        self.assertEqual(found, REVIEWED)

    def test_nowhere_else(self) -> None:
        """Only these two rooms have SQL: nobody else runs any."""
        for module in PACKAGE.rglob("*.py"):
            if module.relative_to(PACKAGE).parts[0] not in ("store", "access"):
                self.assertNotRegex(module.read_text(), r"\bimport sqlite3\b|\.executescript\(", str(module))
