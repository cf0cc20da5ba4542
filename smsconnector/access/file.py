"""The file of keys and of the audit: SQLite, beside the database of the store.

The daemon and the command line may both write: each does so in one transaction (BEGIN IMMEDIATE) and waits for the
other, ``BUSY_TIMEOUT_S`` at most. With synchronous=FULL a commit that returned is on disk, so a kill -9 loses nothing
of it. A key that is made or revoked, and the row of the audit that says so, are one transaction.

The audit is only added to: triggers refuse to change or to delete its rows. Keys are never deleted either: one that is
revoked stays, so that a door that had keys once is never open to everybody again.
"""

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from smsconnector.access import chain, keys
from smsconnector.access.keys import Permissions, StoredKey
from smsconnector.errors import ConfigurationError, StoreUnusable

BUSY_TIMEOUT_S = 10.0
VERSION = 1  # PRAGMA user_version
_TABLES = {"key", "audit", "audit_head"}
_SCHEMA = """
CREATE TABLE key (
    id TEXT PRIMARY KEY, name TEXT NOT NULL,
    scopes TEXT NOT NULL, channels TEXT NOT NULL, networks TEXT NOT NULL, rate REAL NOT NULL,
    scheme TEXT NOT NULL, salt BLOB NOT NULL, hash BLOB NOT NULL,
    created_at INTEGER NOT NULL, created_by TEXT NOT NULL, revoked_at INTEGER, used_at INTEGER
) WITHOUT ROWID;
CREATE UNIQUE INDEX key_name ON key (name) WHERE revoked_at IS NULL;
CREATE TABLE audit (
    number INTEGER PRIMARY KEY, at INTEGER NOT NULL,
    who TEXT NOT NULL, what TEXT NOT NULL, about TEXT NOT NULL, hash TEXT NOT NULL
);
CREATE TABLE audit_head (only INTEGER PRIMARY KEY CHECK (only = 1), number INTEGER NOT NULL, hash TEXT NOT NULL);
CREATE TRIGGER audit_unchanged BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit is only added to'); END;
CREATE TRIGGER audit_kept BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit is only added to'); END;
CREATE TRIGGER key_kept BEFORE DELETE ON key BEGIN SELECT RAISE(ABORT, 'keys are revoked, not deleted'); END;
"""
_COLUMNS = "id, name, scopes, channels, networks, rate, scheme, salt, hash, created_at, created_by, revoked_at, used_at"
Note = tuple[str, str, str]  # who, what, about


class AccessFile:
    """One connection. Its methods may be called from any thread, one at a time. They raise StoreUnusable."""

    def __init__(self, path: str, *, create: bool = True) -> None:
        self.path = path
        with _explained(path):
            if create:
                _make(path)
            elif not os.path.exists(path):
                raise StoreUnusable(f"there is no {path}: `smsconnector key new`, or a start of the daemon, makes it")
            self._connection = sqlite3.connect(
                path, isolation_level=None, check_same_thread=False, timeout=BUSY_TIMEOUT_S
            )
            try:
                self._prepare(create)
            except BaseException:
                self._connection.close()
                raise

    def close(self) -> None:
        self._connection.close()

    def version_of_data(self) -> int:
        """Another number when another connection has committed."""
        with _explained(self.path):
            found: int = self._connection.execute("PRAGMA data_version").fetchone()[0]
            return found

    # --- keys -----------------------------------------------------------------------------------------------

    def stored_keys(self) -> list[StoredKey]:
        """All of them, also those that are revoked, in the order of their making."""
        with _explained(self.path):
            return [
                _key(row) for row in self._connection.execute(f"SELECT {_COLUMNS} FROM key ORDER BY created_at, id")
            ]

    def add(self, name: str, permissions: Permissions, who: str, now: int) -> str:
        """Make a key, and give it: it is written nowhere. ConfigurationError if a key has this name already."""
        key_id, secret = keys.make_secret()
        salt = os.urandom(keys.SALT_LENGTH)
        row = StoredKey(
            key_id,
            name,
            permissions,
            keys.SCRYPT,
            salt,
            keys.hashed(secret.encode(), salt, keys.SCRYPT),
            now,
            who,
            None,
            None,
        )
        with self._transaction():
            if self._active(name):
                raise ConfigurationError(
                    [("", f"there is a key with the name {name}: revoke it, or take another name")]
                )
            self._connection.execute(
                f"INSERT INTO key ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", _row(row)
            )
            self._append([(who, "key created", f"{name} ({key_id}): {described(permissions)}")], now)
        return keys.written(key_id, secret)

    def revoke(self, name: str, who: str, now: int) -> bool:
        """Revoke the key of this name or id; False if there is none that is not revoked."""
        with self._transaction():
            found = self._active(name)
            if not found:
                return False
            self._connection.execute("UPDATE key SET revoked_at = ? WHERE id = ?", (now, found[0]))
            self._append([(who, "key revoked", f"{found[1]} ({found[0]})")], now)
            return True

    def used(self, at: Mapping[str, int], notes: Sequence[Note], now: int) -> None:
        """Note when keys were used last (ms), by their ids, and add to the audit, in one transaction."""
        with self._transaction():
            for key_id, moment in at.items():
                self._connection.execute("UPDATE key SET used_at = ? WHERE id = ?", (moment, key_id))
            self._append(notes, now)

    def _active(self, name: str) -> tuple[str, str] | None:
        found: tuple[str, str] | None = self._connection.execute(
            "SELECT id, name FROM key WHERE revoked_at IS NULL AND (name = ? OR id = ?)", (name, name)
        ).fetchone()
        return found

    # --- the audit ------------------------------------------------------------------------------------------

    def note(self, notes: Sequence[Note], now: int) -> None:
        """Add rows to the audit. When it returns they are on disk."""
        with self._transaction():
            self._append(notes, now)

    def rows(self, since: int = 0) -> Iterator[chain.Row]:
        """Of the audit, from this moment (ms) on."""
        with _explained(self.path):
            for row in self._connection.execute(
                "SELECT number, at, who, what, about, hash FROM audit WHERE at >= ? ORDER BY number", (since,)
            ):
                yield chain.Row(*row)

    def head(self) -> chain.Head:
        """Number and hash of the last row."""
        with _explained(self.path):
            return self._head()

    def faults(self) -> list[str]:
        """What is wrong with the chain of the audit, while nobody writes."""
        with self._transaction():
            return chain.faults_of(self.rows(), self._head())

    def _append(self, notes: Iterable[Note], now: int) -> None:
        head = self._head()
        for who, what, about in notes:
            row = chain.chained(chain.Row(head.number + 1, now, who, what, about), head.hash)
            self._connection.execute("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?)", row)
            head = chain.Head(row.number, row.hash)
        self._connection.execute("INSERT OR REPLACE INTO audit_head VALUES (1, ?, ?)", head)

    def _head(self) -> chain.Head:
        found = self._connection.execute("SELECT number, hash FROM audit_head").fetchone()
        return chain.Head(*found) if found else chain.Head()

    # --- the file -------------------------------------------------------------------------------------------

    def _prepare(self, create: bool) -> None:
        self._connection.execute("PRAGMA synchronous=FULL")
        tables = {name for (name,) in self._connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        if tables and not tables >= _TABLES:
            raise StoreUnusable(f"{self.path} is another program's: give store.access_path a file of its own")
        if not tables and create:
            with self._transaction():
                if not self._version():  # another process may have been faster
                    for statement in _statements(_SCHEMA):
                        self._connection.execute(statement)
                    self._connection.execute(f"PRAGMA user_version={VERSION}")
        if self._version() > VERSION:
            raise StoreUnusable(f"{self.path} was written by a newer version: use that one")

    def _version(self) -> int:
        found: int = self._connection.execute("PRAGMA user_version").fetchone()[0]
        return found

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with _explained(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise


def open_to_copy(path: str) -> sqlite3.Connection:
    """A connection to a file that is there, for a copy of it. Raises StoreUnusable."""
    return AccessFile(path, create=False)._connection


def access_path_of(store_path: str) -> str:
    """Where keys and audit are for this database of the store, unless the configuration says it: beside it,
    ``smsconnector.access.db`` beside ``smsconnector.db``."""
    path = Path(store_path)
    return str(path.parent / f"{path.stem}.access.db")


def has_keys(path: str) -> bool:
    """Whether the file has a key that is not revoked; a file that is not there has none. Raises StoreUnusable."""
    if not os.path.exists(path):
        return False
    file = AccessFile(path, create=False)
    try:
        return any(one.revoked_at is None for one in file.stored_keys())
    finally:
        file.close()


def described(permissions: Permissions) -> str:
    """What a key may do, in a line."""
    said = [f"scope {','.join(permissions.scopes)}"]
    said += [f"channel {','.join(permissions.channels)}"] if permissions.channels else []
    said += [f"network {','.join(permissions.networks)}"] if permissions.networks else []
    said += [f"rate {permissions.rate:g} a second"] if permissions.rate else []
    return "; ".join(said)


def _make(path: str) -> None:
    """The file, readable by its owner alone. If root makes it, it belongs to who has the folder: the daemon could not
    write to it else."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        return
    if os.geteuid() == 0:
        folder = os.stat(Path(path).absolute().parent)
        os.chown(path, folder.st_uid, folder.st_gid)


@contextmanager
def _explained(path: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise StoreUnusable(f"{path} is in use by another process for too long: try again") from error
        raise StoreUnusable(f"{path} can't be used ({error}): may this user write to it, and to its folder?") from error
    except sqlite3.DatabaseError as error:
        raise StoreUnusable(f"{path} can't be used: {error}") from error
    except OSError as error:
        raise StoreUnusable(f"{path} can't be used: {error.strerror}") from error


def _statements(script: str) -> Iterator[str]:
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _key(row: tuple[object, ...]) -> StoredKey:
    key_id, name, scopes, channels, networks, rate, *more = row
    listed = [tuple(json.loads(str(one))) for one in (scopes, channels, networks)]
    permissions = Permissions(listed[0], listed[1], listed[2], float(str(rate)))
    return StoredKey(str(key_id), str(name), permissions, *more)  # type: ignore[arg-type]  # the rest as it was written


def _row(key: StoredKey) -> tuple[object, ...]:
    key_id, name, permissions, *more = key
    *lists, rate = permissions
    return (key_id, name, *map(json.dumps, lists), rate, *more)
