"""Opening the database file, and bringing its schema to the newest numbered step.

``PRAGMA user_version`` holds the number of the last step that ran. A file from a newer version is refused.
WAL and synchronous=FULL: a commit that returned is on disk (SQLite documentation, "PRAGMA synchronous").
"""

import importlib.resources
import os
import sqlite3

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
    """A connection in autocommit mode (transactions are written out at the call), schema up to date.

    Only one connector may own a file. Raises StoreUnusable with a sentence that says what to do."""
    try:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=2.0)
        if path != ":memory:":
            os.chmod(path, 0o600)  # texts and numbers of customers
        connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        for pragma in PRAGMAS:
            connection.execute(pragma)
        upgrade(connection, path)
    except sqlite3.DatabaseError as error:
        raise StoreUnusable(explain(error, path)) from error
    except OSError as error:
        raise StoreUnusable(f"the database {path} can't be opened: {error.strerror}") from error
    return connection


def explain(error: sqlite3.DatabaseError, path: str) -> str:
    """What an operator can do about it."""
    text = str(error)
    if "unable to open" in text:
        return f"the database {path} can't be opened: does its directory exist, and may this user write there?"
    if "locked" in text:
        return f"the database {path} is in use by another connector: stop that one, or give this one its own store.path"
    if "malformed" in text or "not a database" in text:
        return (
            f"the database {path} is damaged ({text}): move it away and save what can be saved with "
            f"`sqlite3 {path} .recover | sqlite3 recovered.db`"
        )
    return f"the database {path} can't be used: {text}"


def steps() -> list[tuple[int, str]]:
    """The numbered steps of the schema, in order."""
    folder = importlib.resources.files("smsconnector.store") / "schema"
    found = [
        (int(entry.name[:4]), entry.read_text("utf-8")) for entry in folder.iterdir() if entry.name.endswith(".sql")
    ]
    return sorted(found)


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
    for number, sql in numbered:
        if number > current:
            connection.executescript(f"BEGIN IMMEDIATE;\n{sql}\nPRAGMA user_version={number};\nCOMMIT;")
