"""Why a database can't be used, as a sentence that says what an operator can do about it.

SQLite has few words: "unable to open database file" for a folder that is missing, "disk I/O error" for a disk that is
full. So the file, its folder and its disk are looked at.
"""

import errno
import os
import pwd
import sqlite3

COMPANIONS = ("", "-wal", "-shm", "-lock")  # files that belong to a database, by what follows its name
LEAST_FREE = 1 << 17  # octets; SQLite needs room for more than one page
FULL = {errno.ENOSPC, errno.EDQUOT}


def free_octets(path: str) -> int:
    """The octets that this user may still write on the file's disk. Raises OSError."""
    if path == ":memory:":
        return 1 << 62  # no limit
    found = os.statvfs(os.path.dirname(path) or ".")
    return found.f_bavail * found.f_frsize


def is_damaged(error: Exception) -> bool:
    """Whether the error says that the file is damaged or no database, so that trying again does not help."""
    return "malformed" in str(error) or "not a database" in str(error)


def explain(error: sqlite3.DatabaseError | OSError, path: str) -> str:
    """What is wrong, and the way out."""
    text = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
    if "locked" in text:
        return f"the database {path} is locked by another program that writes to it: end that one"
    if is_damaged(error):
        return (
            f"the database {path} is damaged, or never was one ({text}): stop the connector, save what can be "
            f"saved with `smsconnector rescue {path} NEWFILE`, and set store.path to that file"
        )
    if "is full" in text or getattr(error, "errno", 0) in FULL:
        return _full(path)
    if isinstance(error, OSError) or any(words in text for words in ("unable to open", "readonly", "disk I/O error")):
        return _looked_at(path) or f"the database {path} can't be used ({text}){_ADVICE.get(text, '')}"
    return f"the database {path} can't be used: {text}"


_ADVICE = {"disk I/O error": ": the disk fails, and the kernel's log says how; mend it, or go on with the last backup"}


def _looked_at(path: str) -> str:
    """What can be seen from outside; "" if nothing is wrong."""
    target = os.path.realpath(path)
    folder = os.path.dirname(target)
    if os.path.isdir(target):
        return f"{path} is a folder: set store.path to a file in it"
    above = folder
    while not os.path.lexists(above):
        above = os.path.dirname(above)
    if not os.path.isdir(above):
        return f"{above} is no folder, so the database {path} can't be in it: set store.path to another place"
    if above != folder:
        return (
            f"the folder {folder} is missing: make it, for the user that the connector runs as, or set store.path to a"
            " file in another one"
        )
    try:
        if os.statvfs(folder).f_flag & os.ST_RDONLY:
            return (
                f"the database {path} is on a file system that may only be read: mount it for writing, or set"
                " store.path to a file elsewhere (the unit of systemd allows /var/lib/smsconnector alone)"
            )
        if free_octets(target) < LEAST_FREE:
            return _full(path)
    except OSError:
        pass  # what follows tells more
    return _forbidden(target, folder)


def _forbidden(target: str, folder: str) -> str:
    user = _user()
    if not os.access(folder, os.W_OK | os.X_OK, effective_ids=True):
        return (
            f"the user {user} may not write into the folder of the database {target}: chown -R {user} {folder}, or set"
            " store.path to a file elsewhere"
        )
    for one in (target + end for end in COMPANIONS):
        if os.path.exists(one) and not os.access(one, os.R_OK | os.W_OK, effective_ids=True):
            return f"the user {user} may not write {one}: chown {user} {target}*"
    return ""


def _user() -> str:
    """The name of the user that this process is, or the number if it has none."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _full(path: str) -> str:
    return (
        f"the disk of the database {path} is full: make room on {os.path.dirname(os.path.realpath(path))}; what is in"
        " the database is not harmed"
    )
