"""What the log may hold: no customer's number, no text, no secret. Read from the source, nothing is imported."""

import ast
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import smsconnector
from smsconnector.hooks.reading import Found
from smsconnector.http.hook_counts import HookCounts
from smsconnector.masking import masked, without_numbers
from tests.recorded_log import RecordedLog

ROOT = Path(smsconnector.__file__).parent
LEVELS = {"debug", "info", "warn", "error", "critical", "failure", "emit"}
BY_WAY = {"Notice", "Rejected", "ended", "_try_in", "_connect_next"}  # what these are given gets into the log
SECRET = {
    *("destination", "source", "addressee", "sender", "number", "msisdn", "to"),
    *("source_addr", "destination_addr", "short_message", "text", "texts", "body", "octets", "message_payload"),
    *("password", "passcode", "secret", "key", "keys", "api_keys", "authorization", "headers", "uri"),
}
TO_TRY_WITH = ("simulator/", "doctor/", "demo.py")  # they show what they were given, to whoever gave it


def log_calls(tree: ast.AST) -> list[ast.Call]:
    """The calls that write a line into the log, and those whose words get there."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
            owner = ast.unparse(node.func.value) if isinstance(node.func, ast.Attribute) else ""
            is_log = (name in LEVELS and owner.endswith("log")) or (name == "count" and owner.endswith("trouble"))
            if is_log or name in BY_WAY or name == "level":
                found.append(node)
    return found


def secrets_in(node: ast.AST) -> set[str]:
    """The names of SECRET that an expression uses, but for what goes through ``masked``."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "masked":
        return set()
    own = set()
    if isinstance(node, ast.Name) and node.id in SECRET:
        own = {node.id}
    elif isinstance(node, ast.Attribute) and node.attr in SECRET:
        own = {node.attr}
    elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and node.slice.value in SECRET:
        own = {str(node.slice.value)}
    return own.union(*(secrets_in(child) for child in ast.iter_child_nodes(node)))


class LogsCase(SynchronousTestCase):
    def test_no_number_no_text_no_secret(self) -> None:
        """Nothing that holds one is given to a call of the log, unless it goes through ``masked``."""
        seen, wrong = 0, []
        for path in sorted(ROOT.rglob("*.py")):
            relative = str(path.relative_to(ROOT))
            if relative.startswith(TO_TRY_WITH):
                continue
            for call in log_calls(ast.parse(path.read_text("utf-8"))):
                seen += 1
                harmless = {"destination"} if relative.startswith("sinks/") else set()  # a queue there
                for part in [*call.args, *(keyword.value for keyword in call.keywords)]:
                    wrong += [f"{relative}:{call.lineno} {name}" for name in sorted(secrets_in(part) - harmless)]
        self.assertGreater(seen, 40, "the log calls are not found any more")
        self.assertEqual(wrong, [])

    def test_words_of_others(self) -> None:
        """A provider's status word, a broker's reason, what a peer's PDU is refused for: each may hold a number."""
        lines = RecordedLog(self).lines
        HookCounts(None).found("prov", Found(unknown_words=["to 923001234567"], faults=["+923001234567 is no status"]))
        for words in ("no queue for 923001234567", "x=%2B923001234567&y", "00923001234567", "(923001234567)"):
            self.assertNotIn("92300", without_numbers(words))
        self.assertEqual(len(lines), 2)
        self.assertNotIn("92300", "".join(lines))
        for harmless in ("line 1234567", "2026-11-28T21:30", "4096 octets", "1.23456789", "SM01a3185c50690000016e65e1"):
            self.assertEqual(without_numbers(harmless), harmless)

    def test_masked(self) -> None:
        """Of a number the last digits are left, by which an operator who has it knows it again; of a short one at
        most half, and of nothing nothing. What a network wrote into an address does not break the line."""
        for written, shown in (
            ("+923001234567", "***567"),
            ("923001234567", "***567"),
            ("447911", "***911"),
            ("12345", "***45"),
            ("8228", "***28"),
            ("112", "***2"),
            ("1", "***"),
            ("", "***"),
            ("a\r\nb\nc", "***b?c"),
            ("\u202e12345\u200b", "***45?"),
        ):
            self.assertEqual(masked(written), shown, repr(written))
