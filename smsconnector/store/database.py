"""Opening the database file, and bringing its schema to the newest numbered step.

``PRAGMA user_version`` holds the number of the last step that ran. A file from a newer version is refused.
WAL and synchronous=FULL: a commit that returned is on disk (SQLite documentation, "PRAGMA synchronous").
"""

import fcntl
import importlib.resources
import os
import re
import sqlite3
from pathlib import Path

from smsconnector.errors import StoreUnusable

PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=OFF",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA cache_size=-32768",  # KiB
    "PRAGMA journal_size_limit=67108864",
)


def open_database(path: str) -> sqlite3.Connection:
    """A connection in autocommit mode (transactions are written out at the call), schema up to date. Raises
    StoreUnusable with a sentence that says what to do."""
    try:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=2.0)
        try:
            _prepare(connection, path)
        except BaseException:
            connection.close()  # and with it the transaction of a step that failed
            raise
    except sqlite3.DatabaseError as error:
        raise StoreUnusable(explain(error, path)) from error
    except OSError as error:
        raise StoreUnusable(f"the database {path} can't be opened: {error.strerror}") from error
    return connection


def _prepare(connection: sqlite3.Connection, path: str) -> None:
    _look(connection, path)
    if path != ":memory:":
        os.chmod(path, 0o600)  # texts and numbers of customers
    for pragma in PRAGMAS:
        connection.execute(pragma)
    upgrade(connection, path)


def _look(connection: sqlite3.Connection, path: str) -> None:
    """Before anything is changed: is the file ours, or empty?"""
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    if tables and not {"message", "segment", "outbox"} <= tables:
        raise StoreUnusable(f"the database {path} is another program's: give this one a store.path of its own")


class Lock:
    """Only one connector may own a database: whoever holds ``PATH-lock``, until its process ends. Others may read the
    database meanwhile (``backup``, ``reconcile``, ``sqlite3 -readonly``). With ``create`` False nothing is written, and
    where no connector ever was there is nothing to hold. Raises StoreUnusable."""

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
            raise StoreUnusable(
                f"the database {path} can't be opened ({error.strerror}): does its directory exist, and may this user"
                " write there?"
            ) from None

    def release(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


def open_readonly(path: str, any_version: bool = False) -> sqlite3.Connection:
    """For the tools beside a connector that may be running: one consistent view per transaction, nothing is written.
    Raises StoreUnusable; for a schema that is not the newest too, unless ``any_version``."""
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


def free_octets(path: str) -> int:
    """What this user may still write on the file's disk."""
    if path == ":memory:":
        return 1 << 62
    found = os.statvfs(os.path.dirname(path) or ".")
    return found.f_bavail * found.f_frsize


def is_damaged(error: Exception) -> bool:
    """Whether the file is not what it should be, which no repeat mends."""
    return "malformed" in str(error) or "not a database" in str(error)


def explain(error: sqlite3.DatabaseError, path: str) -> str:
    """What an operator can do about it."""
    text = str(error)
    if "unable to open" in text:
        return f"the database {path} can't be opened: does its directory exist, and may this user write there?"
    if "locked" in text:
        return f"the database {path} is locked by another program that writes to it: end that one"
    if is_damaged(error):
        return (
            f"the database {path} is damaged, or never was one ({text}): stop the connector, save what can be "
            f"saved with `smsconnector rescue {path} NEWFILE`, and set store.path to that file"
        )
    return f"the database {path} can't be used: {text}"


def steps() -> list[tuple[int, str]]:
    """The numbered steps of the schema, in order."""
    folder = importlib.resources.files("smsconnector.store") / "schema"
    found = [
        (int(entry.name[:4]), entry.read_text("utf-8")) for entry in folder.iterdir() if entry.name.endswith(".sql")
    ]
    return sorted(found)


def create(connection: sqlite3.Connection, version: int) -> None:
    """The tables as that version made them, in an empty file."""
    _run(connection, [step for step in steps() if step[0] <= version])


def upgrade(connection: sqlite3.Connection, path: str) -> None:
    """Run the steps that are missing, each in a transaction of its own together with its number."""
    current = connection.execute("PRAGMA user_version").fetchone()[0]
    numbered = steps()
    newest = numbered[-1][0]
    if current > newest:
        raise StoreUnusable(
            f"the database {path} was written by a newer version (schema {current}, this one knows {newest}): "
            "install that version, or give this one another store.path"
        )
    _run(connection, [step for step in numbered if step[0] > current])


def _run(connection: sqlite3.Connection, numbered: list[tuple[int, str]]) -> None:
    """SQLite keeps the text of what makes a table. Without comments and columns of blanks all of it fits the file's
    first page: one page less that can be damaged and take everything along."""
    for number, sql in numbered:
        short = re.sub(r"\s+", " ", re.sub(r"--[^\n]*", "", sql))
        connection.executescript(f"BEGIN IMMEDIATE; {short} PRAGMA user_version={number}; COMMIT;")
