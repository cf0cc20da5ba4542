"""A copy of the database while a connector may be writing to it: whole, consistent, checked."""

import os
import sqlite3
from contextlib import closing

from smsconnector.errors import StoreUnusable
from smsconnector.store.database import open_readonly


def backup(path: str, target: str) -> int:
    """Copy the database to ``target``, which must not exist; its size in octets. It is what was committed at one
    moment. Nothing is left behind if it fails. Raises StoreUnusable."""
    if os.path.exists(target):
        raise StoreUnusable(f"{target} exists: name a file that does not, nothing is overwritten")
    unfinished = f"{target}.unfinished"
    try:
        with closing(open_readonly(path)) as source:
            os.close(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            with closing(sqlite3.connect(unfinished)) as copy:
                source.backup(copy)
                copy.execute("PRAGMA journal_mode=DELETE")
                found = copy.execute("PRAGMA quick_check").fetchone()[0]
        if found != "ok":
            raise StoreUnusable(f"the copy is damaged ({found}), and so may be {path}")
        _sync(unfinished)
        os.rename(unfinished, target)
        _sync(os.path.dirname(target) or ".")
    except (sqlite3.Error, OSError) as error:
        raise StoreUnusable(f"{path} could not be copied to {target}: {error}") from error
    finally:
        if os.path.exists(unfinished):
            os.unlink(unfinished)
    return os.path.getsize(target)


def _sync(path: str) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
