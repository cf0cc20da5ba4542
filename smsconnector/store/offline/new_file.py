"""Write a new file under a temporary name, and give it its name only when it is complete and on disk."""

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from smsconnector.errors import StoreUnusable

NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}  # link(2): the file system has none


@contextmanager
def new_file(target: str) -> Iterator[str]:
    """A context manager that gives the name of a temporary file to write, in the folder of ``target``, readable by its
    owner alone.

    When the block ends, the file is synced, and named ``target`` in one step: whenever the process is killed, there is
    all of it under that name or no such file. If the block raises, the temporary file and its companions (journal, WAL,
    image) are deleted. Raises StoreUnusable if ``target`` exists, and OSError."""
    if os.path.lexists(target):
        raise _exists(target)
    folder, name = os.path.split(target)
    file, unfinished = tempfile.mkstemp(".unfinished", f"{name}.", folder or ".")
    os.close(file)
    try:
        yield unfinished
        _sync(unfinished)
        _name(unfinished, target)
        _sync(folder or ".")
    finally:
        for rest in ("", "-journal", "-wal", "-shm", "-image", "-image-wal", "-image-shm", "-image-journal"):
            with suppress(FileNotFoundError):
                os.unlink(unfinished + rest)


def _name(unfinished: str, target: str) -> None:
    """A hard link is refused if there is such a file, even one that came a moment ago. Where the file system has no
    links, a file of another program that came between the look and the renaming would be overwritten."""
    try:
        os.link(unfinished, target)
    except FileExistsError:
        raise _exists(target) from None
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        if os.path.lexists(target):
            raise _exists(target) from None
        os.rename(unfinished, target)


def _exists(target: str) -> StoreUnusable:
    return StoreUnusable(f"{target} exists: name a file that does not, nothing is overwritten")


def _sync(path: str) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
