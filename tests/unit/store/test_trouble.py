"""A database that can't be opened: each reason is one plain sentence that names the file and the way out."""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from smsconnector.errors import StoreUnusable
from smsconnector.store import trouble
from smsconnector.store.database import create, open_readonly, steps
from smsconnector.store.store import Store

NOBODY = 65_534  # the user of that name


@contextmanager
def nobody() -> Iterator[None]:
    """Be a user who may write nothing."""
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


class TroubleCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir(parents=True)
        self.path = str(self.folder / "sms.db")

    def refused(self, path: str = "") -> str:
        """The sentence."""
        sentence = str(self.assertRaises(StoreUnusable, Store, path or self.path))
        self.assertNotIn("\n", sentence)
        self.assertNotIn("Errno", sentence)
        return sentence

    def test_folder_is_missing(self) -> None:
        """The folder is named, also where the path is relative or goes by a link that leads nowhere."""
        gone = self.folder / "gone" / "sms.db"
        self.assertIn(f"the folder {gone.parent} is missing: make it", self.refused(str(gone)))
        os.symlink(gone, self.path)
        self.assertIn(f"the folder {gone.parent} is missing", self.refused())

    def test_folder_is_a_file(self) -> None:
        """``store.path: /var/lib/sms.db/sms.db``."""
        (self.folder / "file").write_text("x")
        self.assertIn(f"{self.folder}/file is no folder", self.refused(f"{self.folder}/file/sms.db"))

    def test_file_is_a_folder(self) -> None:
        """``store.path: /var/lib/smsconnector``."""
        self.assertIn(f"{self.folder} is a folder: set store.path to a file in it", self.refused(str(self.folder)))

    def test_name_is_too_long(self) -> None:
        """What nobody thought of has the system's own words."""
        self.assertIn("File name too long", self.refused(str(self.folder / ("x" * 300))))

    def test_no_permission(self) -> None:
        """The user is named, and the command that helps: for the folder, for a file that root has made by trying the
        daemon once, and for a companion that ``sqlite3`` as root has left."""
        if os.geteuid() != 0:
            self.skipTest("needs root, to be somebody else for a while")
        place = Path(tempfile.mkdtemp())  # nobody may look into the folders of the test
        self.addCleanup(shutil.rmtree, place)
        place.chmod(0o755)
        self.folder, self.path = place, str(place / "sms.db")
        with nobody():
            said = self.refused()
        self.assertRegex(said, r"may not write into .*: chown -R \S+ " + str(self.folder))
        Store(self.path).close()
        self.folder.chmod(0o777)
        os.unlink(f"{self.path}-lock")
        with nobody():
            said = self.refused()
        self.assertIn(f"may not write {self.path}: chown", said)
        os.chown(self.path, NOBODY, -1)
        os.unlink(f"{self.path}-lock")
        for end in ("-wal", "-shm"):
            Path(self.path + end).write_bytes(b"")
            Path(self.path + end).chmod(0o600)
        with nobody():
            said = self.refused()
        self.assertIn(f"may not write {self.path}-wal: chown", said)

    def test_locked(self) -> None:
        """Another program writes to it, or has taken it for itself."""
        Store(self.path).close()
        for sql in ("BEGIN IMMEDIATE", "BEGIN EXCLUSIVE", "PRAGMA locking_mode=EXCLUSIVE; BEGIN IMMEDIATE"):
            with closing(sqlite3.connect(self.path, isolation_level=None)) as other:
                other.executescript(sql)
                if sql == "BEGIN IMMEDIATE":
                    other.execute("UPDATE probe SET filling = ''")
                self.assertIn("is locked by another program", self.refused())
        Store(self.path).close()

    def test_full_or_failing(self) -> None:
        """SQLite has the same words for a disk that is full and one that fails: the room that is left tells. (A full
        disk itself is in tests/integration/test_disk.py.)"""
        error = sqlite3.OperationalError("disk I/O error")
        self.patch(trouble, "free_octets", lambda path: 4096)
        self.assertIn("is full", trouble.explain(error, self.path))
        self.assertIn("make room", trouble.explain(error, self.path))
        self.patch(trouble, "free_octets", lambda path: 1 << 30)
        self.assertIn("the disk fails", trouble.explain(error, self.path))
        self.assertIn("is full", trouble.explain(sqlite3.OperationalError("database or disk is full"), self.path))

    def test_tools(self) -> None:
        """The tools beside the daemon say the same."""
        said = str(self.assertRaises(StoreUnusable, open_readonly, str(self.folder)))
        self.assertIn(f"{self.folder} is a folder", said)

    def test_upgrade_is_told(self) -> None:
        """Each step of the schema is told when it begins, for it may take minutes; of a new file none is. What was
        opened is told with its schema."""
        with closing(sqlite3.connect(self.path)) as old:
            create(old, 5)
        said: list[str] = []
        store = Store(self.path, tell=said.append)
        self.addCleanup(store.close)
        newest = steps()[-1][0]
        self.assertEqual(len(said), sum(number > 5 for number, _ in steps()))
        self.assertIn(f"step 6 of {newest}", said[0])
        self.assertIn(f"schema {newest}", store.described())
        new = Store(str(self.folder / "new.db"), tell=said.append)
        self.addCleanup(new.close)
        self.assertEqual(len(said), sum(number > 5 for number, _ in steps()))
