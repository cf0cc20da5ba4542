"""The floors of the house: an import goes down only. Read from the source, nothing is imported."""

import ast
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import smsconnector

ROOT = Path(smsconnector.__file__).parent

# Which floor a room stands on. Rooms on one floor don't import each other unless ALLOWED says so.
FLOORS = {
    "errors": 0,
    "messages": 0,
    "lifecycle": 0,
    "sms": 1,
    "smpp": 1,
    "store": 2,
    "net": 3,
    "sections": 3,
    "channels": 3,
    "sinks": 3,
    "walks": 4,
    "http": 5,
    "config": 5,
    "cli": 5,
    "service": 5,
    "systemd": 5,
    "demo": 5,
    "deadline": 5,
    "health": 5,
    "doctor": 5,
    "simulator": 5,
}
ALLOWED = {
    ("messages", "errors"),
    ("lifecycle", "errors"),
    ("smpp", "sms"),  # a segment is rendered as submit_sm
    ("sections", "net"),  # whether PEM files can be used
    ("channels", "net"),
    ("channels", "sections"),
    ("sinks", "net"),
    ("sinks", "sections"),
    ("cli", "config"),
    ("cli", "demo"),
    ("demo", "config"),
    ("cli", "doctor"),
    ("doctor", "config"),
    ("service", "config"),
    ("service", "deadline"),
    ("service", "health"),
    ("service", "http"),
    ("service", "systemd"),
}
OUTSIDE_STDLIB = {"twisted", "klein", "zope", "stompest", "yaml", "pydantic", "werkzeug", "coilmq", "treq", "attr"}


def imports() -> list[tuple[str, str, str]]:
    """(module, room, what it imports) for every import in the package."""
    found = []
    for path in sorted(ROOT.rglob("*.py")):
        relative = path.relative_to(ROOT)
        room = relative.parts[0].removesuffix(".py")
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                found += [(str(relative), room, alias.name) for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{relative}: a relative import hides where it goes"
                found += [(str(relative), room, node.module or "")]
                if node.module == "smsconnector":
                    found += [(str(relative), room, f"smsconnector.{alias.name}") for alias in node.names]
    return found


class FloorsCase(SynchronousTestCase):
    def test_imports_go_down(self) -> None:
        """No room imports one above it, or beside it unless that is said here."""
        for module, room, target in imports():
            if room == "__init__" or not target.startswith("smsconnector."):
                continue
            other = target.split(".")[1]
            if other == room or other.startswith("__"):
                continue
            self.assertIn(other, FLOORS, f"{module} imports {target}: which floor is it on?")
            below = FLOORS[other] < FLOORS[room]
            self.assertTrue(below or (room, other) in ALLOWED, f"{module} imports {target}")

    def test_every_room_has_its_floor(self) -> None:
        """A new room is put on a floor."""
        rooms = {path.name.removesuffix(".py") for path in ROOT.iterdir() if path.suffix == ".py" or path.is_dir()}
        self.assertEqual({room for room in rooms if not room.startswith("__")} - set(FLOORS), set())

    def test_cores_know_no_twisted(self) -> None:
        """Words and cores are of the standard library: no reactor, no clock, no I/O."""
        for module, room, target in imports():
            if FLOORS.get(room, 9) <= 1:
                self.assertNotIn(
                    target.split(".")[0], OUTSIDE_STDLIB | {"socket", "time", "threading", "asyncio"}, module
                )

    def test_wires_know_no_store(self) -> None:
        """Channels and sinks never see the store; the simulator sees words and cores only."""
        for module, room, target in imports():
            other = target.split(".")[1] if target.startswith("smsconnector.") else ""
            if room in ("channels", "sinks", "net"):
                self.assertNotEqual(other, "store", module)
            if room == "simulator":
                self.assertIn(other or "errors", {"errors", "messages", "sms", "smpp", "simulator"}, module)

    def test_handlers_know_no_server(self) -> None:
        """In ``http`` only the server's own modules know twisted.web and Klein: another can take their place."""
        for module, room, target in imports():
            if room == "http" and module not in ("http/site.py", "http/connections.py", "http/door.py"):
                self.assertNotRegex(target, r"^(klein|werkzeug|twisted\.(web|internet|protocols)|twisted$)", module)
                self.assertNotIn(
                    target,
                    ("smsconnector.http.site", "smsconnector.http.connections", "smsconnector.http.door"),
                    module,
                )

    def test_only_the_service_imports_the_reactor(self) -> None:
        """Everybody else is given it."""
        for path in ROOT.rglob("*.py"):
            if path.name not in ("service.py", "cli.py") and "simulator" not in path.parts:
                self.assertNotIn("import reactor", path.read_text("utf-8"), path.name)

    def test_all_sql_is_in_one_room(self) -> None:
        """No other room imports sqlite3."""
        for module, room, target in imports():
            if target.split(".")[0] == "sqlite3":
                self.assertEqual(room, "store", module)
