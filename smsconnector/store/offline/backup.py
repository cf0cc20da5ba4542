"""Copy the database while a connector may be writing to it. The copy is consistent, and it is checked."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing

from smsconnector.errors import StoreUnusable
from smsconnector.store.database import open_readonly
from smsconnector.store.offline.new_file import new_file

OpenSource = Callable[[str], sqlite3.Connection]  # raises StoreUnusable


def _open(path: str) -> sqlite3.Connection:
    return open_readonly(path, any_version=True)


def backup(path: str, target: str, open_source: OpenSource = _open) -> int:
    """Copy the database to ``target``, which must not exist; returns the size of the copy in octets.

    The copy holds what was committed at one moment. The schema may be of any version. If the copy fails its check,
    nothing is left behind. Raises StoreUnusable. ``open_source`` is for another file than the database of the store."""
    try:
        with closing(open_source(path)) as source, new_file(target) as unfinished:
            with closing(sqlite3.connect(unfinished)) as copy:
                source.backup(copy)
                copy.execute("PRAGMA journal_mode=DELETE")
                found = copy.execute("PRAGMA quick_check").fetchone()[0]
            if found != "ok":
                raise StoreUnusable(
                    f"the copy is damaged ({found}), and so may be {path}: nothing was kept; `smsconnector rescue"
                    f" {path} NEWFILE` saves what can be saved"
                )
    except (sqlite3.Error, OSError) as error:
        raise StoreUnusable(f"{path} could not be copied to {target}: {error}") from error
    return os.path.getsize(target)
