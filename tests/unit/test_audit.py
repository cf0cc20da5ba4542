"""The audit: what it finds wrong with a lock, with what is installed, and with what advisories say."""

from packaging.requirements import Requirement
from twisted.trial.unittest import SynchronousTestCase

from tests import audit
from tests.audit import LOCK, Pin, faults_of_advisories, faults_of_installed, faults_of_lock, locked

HASH = "--hash=sha256:" + "0a" * 32
TEXT = f"""\
#    make lock
a==1.0 \\
    {HASH} \\
    {HASH}
    # via b
B_c==2.0rc1 ; python_version < "3.13" \\
    {HASH}
d==3
    # via a
"""


class LockCase(SynchronousTestCase):
    def test_read(self) -> None:
        """Names are compared as package indexes do (PEP 503)."""
        self.assertEqual(locked(TEXT), {"a": Pin("1.0", 2), "b-c": Pin("2.0rc1", 1), "d": Pin("3", 0)})

    def test_faults(self) -> None:
        """A pin without a hash, what setup.py wants and is not there, and what it does not allow."""
        wanted = [Requirement(one) for one in ("a>=1", "b_c[x]>=2.0rc1", "e", "D>=4")]
        found = faults_of_lock(locked(TEXT), wanted)
        self.assertEqual([one.split(",")[0] for one in found], [
            "d 3 has no hash in the lock", "setup.py wants e", "setup.py wants D>=4",
        ])  # fmt: skip

    def test_installed(self) -> None:
        """Another version, one that is not locked, and one that is missing; pip is there before the lock is read."""
        found = faults_of_installed(locked(TEXT), {"a": "1.0", "b-c": "2.1", "f": "1", "pip": "24"})
        self.assertEqual(len(found), 3)
        self.assertEqual(faults_of_installed({"pip": Pin("26", 1)}, {"pip": "24"}), ["pip: 24 installed, 26 locked"])
        self.assertEqual(found[0], "b-c: 2.1 installed, 2.0rc1 locked")

    def test_ours(self) -> None:
        """The lock names no registry and no place on a machine: it serves everywhere."""
        text = LOCK.read_text()
        self.assertEqual(faults_of_lock(locked(text), []), [])
        for bad in ("://", "--index", "--find-links", "--trusted-host", " @ "):
            self.assertFalse(bad in text, bad)  # the text is too long to be shown

    def test_advisories(self) -> None:
        """What the service could not be asked for is not counted; one that was accepted is no fault."""
        weakness = {"id": "PYSEC-1", "aliases": ["CVE-1"], "fix_versions": ["2"]}
        report = {
            "dependencies": [
                {"name": "a", "version": "1", "vulns": [weakness]},
                {"name": "b", "version": "1", "vulns": []},
                {"name": "c", "skip_reason": "not found"},
            ]
        }
        self.assertEqual(faults_of_advisories(report), (2, ["a 1: PYSEC-1, mended in 2"]))
        self.patch(audit, "ACCEPTED", {"CVE-1": "we never call it"})
        self.assertEqual(faults_of_advisories(report), (2, []))
