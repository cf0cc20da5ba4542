"""The floors of the house: an import goes down only, and nothing grows too large to read. Read from the source, nothing
is imported."""

import ast
import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import smsconnector
from tests.floors import FLOOR_OF, FLOORS, SIBLINGS, drawing

ROOT = Path(smsconnector.__file__).parent

PAGE = Path(__file__).resolve().parents[2] / "docs" / "architecture.rst"
OUTSIDE_STDLIB = {"twisted", "klein", "zope", "stompest", "yaml", "pydantic", "werkzeug", "coilmq", "treq", "attr"}
OUTSIDE_STDLIB |= {"cryptography", "OpenSSL", "defusedxml", "httptools", "httpx", "anyio"}
SERVER = {
    "connections",
    "door",
    "lane",
    "making",
    "rendering",
    "routes",
    "server",
    "site",
    "streams",
    "long_answers",
}  # modules of http


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


def modules() -> dict[str, ast.Module]:
    """Every module of the package by its path."""
    return {str(path.relative_to(ROOT)): ast.parse(path.read_text("utf-8")) for path in sorted(ROOT.rglob("*.py"))}


def imported_at_once(tree: ast.Module, known: set[str]) -> set[str]:
    """The modules of the package, by path, that are imported when this one is."""
    found = set()
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("smsconnector"):
            place = (node.module or "").removeprefix("smsconnector").removeprefix(".").replace(".", "/")
            names = [f"{place}/{alias.name}.py".lstrip("/") for alias in node.names]
            found |= {name for name in names if name in known} or {
                one for one in (f"{place}.py", f"{place}/__init__.py") if one in known
            }
    return found


class FloorsCase(SynchronousTestCase):
    def test_imports_go_down(self) -> None:
        """No room imports one above it, or beside it unless that is said in the table."""
        for module, room, target in imports():
            if room == "__init__" or not target.startswith("smsconnector."):
                continue
            other = target.split(".")[1]
            if other == room or other.startswith("__"):
                continue
            self.assertIn(other, FLOOR_OF, f"{module} imports {target}: which floor is it on?")
            below = FLOOR_OF[other] < FLOOR_OF[room]
            self.assertTrue(below or (room, other) in SIBLINGS, f"{module} imports {target}")

    def test_every_room_has_its_floor(self) -> None:
        """A new room is put on a floor, one that is gone is taken off; and there are not too many floors."""
        rooms = {path.name.removesuffix(".py") for path in ROOT.iterdir() if path.suffix == ".py" or path.is_dir()}
        self.assertEqual(rooms - {"__init__", "__pycache__"}, set(FLOOR_OF))
        self.assertLessEqual(len(FLOORS), 8)

    def test_no_circle(self) -> None:
        """No module imports itself by way of others."""
        trees = modules()
        imported = {module: imported_at_once(tree, set(trees)) for module, tree in trees.items()}
        done: set[str] = set()

        def walk(module: str, way: tuple[str, ...]) -> None:
            self.assertNotIn(module, way, " -> ".join((*way, module)))
            if module not in done:
                for other in imported[module]:
                    walk(other, (*way, module))
                done.add(module)

        for module in trees:
            walk(module, ())
        self.assertGreater(sum(map(len, imported.values())), 200, "the imports are not found any more")

    def test_the_page_shows_the_table(self) -> None:
        """docs/architecture.rst is read by newcomers, who can't run it."""
        self.assertIn(drawing(), PAGE.read_text("utf-8"))

    def test_the_page_names_what_is_there(self) -> None:
        """Every file that it names exists."""
        for name in re.findall(r"(?:\w+/)*\w+\.(?:py|sql)", PAGE.read_text("utf-8")):
            found = [folder for folder in (ROOT, ROOT / "store", PAGE.parents[1]) if (folder / name).exists()]
            self.assertTrue(found, f"{name} is not there")

    def test_nothing_is_too_large(self) -> None:
        """A module fits a sitting, a class and a function fit what one can hold in mind, the wiring fits a page. Tables
        of constants may be longer."""
        for module, tree in modules().items():
            length = (ROOT / module).read_text("utf-8").count("\n")
            self.assertLessEqual(length, 200 if module == "service.py" else 450, module)
            for node in ast.walk(tree):
                limit = {ast.ClassDef: 300, ast.FunctionDef: 50, ast.AsyncFunctionDef: 50}.get(type(node))
                if limit is not None:
                    assert isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
                    lines = (node.end_lineno or 0) - node.lineno + 1
                    self.assertLessEqual(lines, limit, f"{module}: {node.name}")

    def test_cores_know_no_twisted(self) -> None:
        """Words and cores are of the standard library: no reactor, no clock, no I/O."""
        for module, room, target in imports():
            if FLOOR_OF.get(room, 9) <= 1:
                if room in ("hooks", "rest") and target.split(".")[0] in ("cryptography", "defusedxml"):
                    continue  # the standard library has no ed25519, and its XML parsers trust what they are given
                self.assertNotIn(
                    target.split(".")[0], OUTSIDE_STDLIB | {"socket", "time", "threading", "asyncio"}, module
                )

    def test_client_stands_alone(self) -> None:
        """It runs in others' processes: of the daemon it knows the errors and the version, and nothing of Twisted."""
        for module, room, target in imports():
            if room == "client" and target.split(".")[0] in OUTSIDE_STDLIB | {"smsconnector"}:
                words = ("smsconnector", "smsconnector.__version__", "smsconnector.errors")
                is_known = target in words or target.startswith("smsconnector.client")
                self.assertTrue(is_known or target in ("httpx", "anyio"), f"{module} imports {target}")

    def test_wires_know_no_store(self) -> None:
        """Channels and sinks never see the store; the simulator sees words and cores only."""
        for module, room, target in imports():
            other = target.split(".")[1] if target.startswith("smsconnector.") else ""
            if room in ("channels", "sinks", "net", "sections"):
                self.assertNotEqual(other, "store", module)
            if room == "simulator":
                self.assertIn(other or "errors", {"errors", "messages", "sms", "smpp", "simulator", "process"}, module)

    def test_handlers_know_no_server(self) -> None:
        """In ``http`` only the server's own modules know twisted.web and Klein: another can take their place."""
        for module, room, target in imports():
            if room == "http" and module.removesuffix(".py").removeprefix("http/") not in SERVER:
                self.assertNotRegex(target, r"^(klein|werkzeug|twisted\.(web|internet|protocols)|twisted$)", module)
                self.assertNotIn(target, {f"smsconnector.http.{name}" for name in SERVER}, module)

    def test_only_the_start_imports_the_reactor(self) -> None:
        """Everybody else is given it."""
        for path in ROOT.rglob("*.py"):
            if path.name not in ("starting.py", "cli.py") and "simulator" not in path.parts:
                self.assertNotIn("import reactor", path.read_text("utf-8"), path.name)

    def test_where_sql_is(self) -> None:
        """In the store; and in access, whose file the command line writes to as well. No other room imports sqlite3."""
        for module, room, target in imports():
            if target.split(".")[0] == "sqlite3":
                self.assertIn(room, ("store", "access"), module)
