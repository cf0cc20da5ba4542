"""Write a new file under a temporary name, and give it its name only when it is complete and on disk."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from smsconnector.errors import StoreUnusable


@contextmanager
def new_file(target: str) -> Iterator[str]:
    """A context manager that gives the name of a temporary file to write, in the folder of ``target``, readable by its
    owner alone.

    When the block ends, the file is synced and renamed to ``target``. If the block raises, the temporary file and its
    companions (journal, WAL, image) are deleted. Raises StoreUnusable if ``target`` exists, and OSError."""
    if os.path.lexists(target):
        raise _exists(target)
    folder, name = os.path.split(target)
    file, unfinished = tempfile.mkstemp(".unfinished", f"{name}.", folder or ".")
    os.close(file)
    try:
        yield unfinished
        _sync(unfinished)
        try:
            os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))  # nobody else can take the name now
        except FileExistsError:
            raise _exists(target) from None
        os.rename(unfinished, target)
        _sync(folder or ".")
    finally:
        for rest in ("", "-journal", "-wal", "-shm", "-image", "-image-wal", "-image-shm", "-image-journal"):
            with suppress(FileNotFoundError):
                os.unlink(unfinished + rest)


def _exists(target: str) -> StoreUnusable:
    return StoreUnusable(f"{target} exists: name a file that does not, nothing is overwritten")


def _sync(path: str) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
