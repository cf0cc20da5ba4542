"""Open the database file, and bring its schema to the newest numbered step.

``PRAGMA user_version`` holds the number of the last step that ran. A file from a newer version is refused.
With WAL and synchronous=FULL a commit that returned is on disk (SQLite documentation, "PRAGMA synchronous").
"""

import fcntl
import importlib.resources
import os
import re
import sqlite3
from collections.abc import Callable
from pathlib import Path

from smsconnector.errors import StoreUnusable
from smsconnector.store.trouble import explain

STATEMENTS = 1_000  # compiled statements that a connection keeps: many have a form for each number of rows (``rows``)
PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=OFF",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA cache_size=-32768",  # a negative number is KiB: 32 MiB
    # Pages (of 4 KiB) in the WAL, after which a commit moves them to the file and waits for that: some milliseconds.
    # At 1000, which is the default, more than one commit of a hundred waited, where each has one text.
    "PRAGMA wal_autocheckpoint=4000",
    "PRAGMA journal_size_limit=67108864",  # octets that the WAL keeps after a checkpoint: 64 MiB
)


Tell = Callable[[str], None]


def open_database(path: str, tell: Tell = lambda sentence: None) -> sqlite3.Connection:
    """A connection to the database, which is made if it is missing, with the newest schema. The connection is in
    autocommit mode: a transaction needs its own BEGIN and COMMIT. Each step that an older schema needs is told by
    ``tell`` when it begins. Raises StoreUnusable with a sentence that says what to do."""
    try:
        connection = sqlite3.connect(
            path, isolation_level=None, check_same_thread=False, timeout=2.0, cached_statements=STATEMENTS
        )  # s
        try:
            _prepare(connection, path, tell)
        except BaseException:
            connection.close()  # and with it the transaction of a step that failed
            raise
    except sqlite3.DatabaseError as error:
        raise StoreUnusable(explain(error, path)) from error
    except OSError as error:
        raise StoreUnusable(explain(error, path)) from error
    return connection


def _prepare(connection: sqlite3.Connection, path: str, tell: Tell) -> None:
    _look(connection, path)
    if path != ":memory:":
        os.chmod(path, 0o600)  # texts and numbers of customers
    for pragma in PRAGMAS:
        connection.execute(pragma)
    upgrade(connection, path, tell)


def _look(connection: sqlite3.Connection, path: str) -> None:
    """Raises StoreUnusable if the file has tables, but not those of a connector. Called before anything is changed."""
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    if tables and not {"message", "segment", "outbox"} <= tables:
        raise StoreUnusable(f"the database {path} is another program's: give this one a store.path of its own")


class Lock:
    """The right to write to a database: an exclusive flock(2) on ``PATH-lock``, which ends with the process at the
    latest.

    Only one connector may hold it. Others may read the database meanwhile (``backup``, ``reconcile``,
    ``sqlite3 -readonly``). With ``create`` False a missing lock file is not made, and then nothing is locked. Raises
    StoreUnusable if another process holds the lock."""

    def __init__(self, path: str, create: bool = True) -> None:
        self._file: int | None = None
        if path == ":memory:" or not (create or os.path.exists(f"{path}-lock")):
            return
        try:
            flags = os.O_CREAT | os.O_RDWR if create else os.O_RDONLY
            self._file = os.open(f"{path}-lock", flags | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.release()
            raise StoreUnusable(
                f"the database {path} is in use by another connector: stop that one, or give this one its own"
                " store.path"
            ) from None
        except OSError as error:
            raise StoreUnusable(explain(error, path)) from None

    def release(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


def open_readonly(path: str, any_version: bool = False) -> sqlite3.Connection:
    """A read-only connection, beside a connector that may be running. Each transaction sees one consistent view. Raises
    StoreUnusable, also for a schema that is not the newest, unless ``any_version``."""
    try:
        if not os.path.exists(path):
            raise StoreUnusable(
                f"there is no database {os.path.abspath(path)}: is that the store.path of the connector? A relative one"
                " begins where the connector was started; --database names the file itself"
            )
        connection = sqlite3.connect(
            f"{Path(path).absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
        )
        _look(connection, path)
        current = connection.execute("PRAGMA user_version").fetchone()[0]
    except sqlite3.DatabaseError as error:
        raise StoreUnusable(explain(error, path)) from error
    newest = steps()[-1][0]
    if current != newest and not any_version:
        connection.close()
        raise StoreUnusable(
            f"the database {path} has schema {current}, this version {newest}: start the connector first"
        )
    return connection


def steps() -> list[tuple[int, str]]:
    """The steps of the schema in order, each as its number and its SQL."""
    folder = importlib.resources.files("smsconnector.store") / "schema"
    found = [
        (int(entry.name[:4]), entry.read_text("utf-8")) for entry in folder.iterdir() if entry.name.endswith(".sql")
    ]
    return sorted(found)


def create(connection: sqlite3.Connection, version: int) -> None:
    """Make the tables in an empty file, as the schema of that version had them."""
    _run(connection, [step for step in steps() if step[0] <= version])


def upgrade(connection: sqlite3.Connection, path: str, tell: Tell = lambda sentence: None) -> None:
    """Run the steps that are missing. Each is one transaction, which also sets user_version to its number. Raises
    StoreUnusable if the file has a newer schema."""
    current = connection.execute("PRAGMA user_version").fetchone()[0]
    numbered = steps()
    newest = numbered[-1][0]
    if current > newest:
        raise StoreUnusable(
            f"the database {path} was written by a newer version (schema {current}, this one knows {newest}): "
            "install that version, or give this one another store.path"
        )
    for step in numbered:
        if step[0] > current:
            if current:
                tell(f"the schema of {path} is brought up to date: step {step[0]} of {newest}. It may take minutes")
            _run(connection, [step])


def _run(connection: sqlite3.Connection, numbered: list[tuple[int, str]]) -> None:
    """Run these steps without their comments and repeated blanks. SQLite keeps the text of each CREATE in its schema
    table. When it is short, all of the schema is on the file's first page, and damage to another page can't take the
    schema along."""
    for number, sql in numbered:
        short = re.sub(r"\s+", " ", re.sub(r"--[^\n]*", "", sql))
        connection.executescript(f"BEGIN IMMEDIATE; {short} PRAGMA user_version={number}; COMMIT;")
