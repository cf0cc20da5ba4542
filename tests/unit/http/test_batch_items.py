"""A batch cut into items: whatever pieces it comes in, the items are the same, and what is broken is found where it
is."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.errors import InvalidRequest
from smsconnector.http.batch_items import Elements, Items, Lines
from smsconnector.http.recipients import Recipients, Wording
from smsconnector.http.requests import Fields

LONGEST = 1_000  # octets
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def items(reader: Items, *pieces: bytes) -> list[Any]:
    """Each item, or the code of its refusal; the sentence in a list of its own where nothing more can be read."""
    found: list[Any] = []

    def drain() -> None:
        while (item := reader.next()) is not None:
            found.append(item.code if isinstance(item, InvalidRequest) else item)

    try:
        for piece in pieces:
            reader.put(piece)
            drain()
        reader.close()
        drain()
    except InvalidRequest as error:
        found.append([error.message.partition(":")[2].partition(".")[0].strip()])
    return found


def cuts(octets: bytes, size: int) -> list[bytes]:
    return [octets[at : at + size] for at in range(0, len(octets), size)] or [b""]


class ElementsCase(SynchronousTestCase):
    def test_table(self) -> None:
        """What comes out, in one piece, octet by octet, and in threes."""
        missing, unopened = ["an element is missing beside a comma"], ["a bracket is closed that was not opened"]
        cut, more = ["it ends before its closing bracket"], ["there is more behind the array"]
        cases: list[tuple[bytes, list[Any]]] = [
            (b"[]", []),
            (b" [ \r\n\t ] \n", []),
            (b"[{}]", [b"{}"]),
            (
                b'[{"a": 1}, {"b": "]},{"} ,{"c": [1, {"d": 2}]}]',
                [b'{"a": 1}', b'{"b": "]},{"}', b'{"c": [1, {"d": 2}]}'],
            ),
            (
                b'[{"a": "\\"}\\\\"}, "x\\",]", [[]], null, -1.5e3]',
                [b'{"a": "\\"}\\\\"}', b'"x\\",]"', b"[[]]", b"null", b"-1.5e3"],
            ),
            ('[{"a": "ü€🙂"}]'.encode(), ['{"a": "ü€🙂"}'.encode()]),
            (b"[{} {}]", [b"{} {}"]),
            (b"[a,b]", [b"a", b"b"]),
            (b"[,1]", [missing]),
            (b"[1,,2]", [b"1", missing]),
            (b"[1,]", [b"1", missing]),
            (b"[1", [cut]),
            (b"[1,", [b"1", cut]),
            (b"[", [cut]),
            (b'[{"a": "', [cut]),
            (b"[1}", [unopened]),
            (b"[1] x", [b"1", more]),
            (b"[1][2]", [b"1", more]),
            (b"[1]]", [b"1", more]),
            (b'[{"a": "' + b"x" * LONGEST + b'"}, 2]', ["body_too_large", b"2"]),
            (b'[{"a": ["' + b"\\\\" * LONGEST + b'", 1]}, 2]', ["body_too_large", b"2"]),
            (b"[" + b"[" * LONGEST + b"]" * LONGEST + b", 2]", ["body_too_large", b"2"]),
            (b"[" + b" " * 3 * LONGEST + b"1]", [b"1"]),
            (b"[1" + b" " * 3 * LONGEST + b"]", ["body_too_large"]),
            (b"[{}" + b" " * 3 * LONGEST + b"]", ["body_too_large"]),
            (b"[1, " + b" " * 3 * LONGEST + b"]", [b"1", missing]),
        ]
        for octets, wanted in cases:
            for size in (len(octets), 1, 3):
                self.assertEqual(items(Elements(LONGEST), *cuts(octets, size)), wanted, (octets[:40], size))

    @settings(max_examples=150, deadline=None)
    @given(st.lists(VALUES, max_size=6), st.integers(1, 40), st.booleans(), st.sampled_from((None, 1)))
    def test_as_json(self, values: list[Any], size: int, ascii_only: bool, indent: int | None) -> None:
        """The elements of any array are those that the json module sees in it."""
        octets = json.dumps(values, ensure_ascii=ascii_only, indent=indent).encode("utf-8", "replace")
        found = items(Elements(100_000), *cuts(octets, size))
        self.assertEqual([json.loads(one) for one in found], json.loads(octets))

    @settings(max_examples=300, deadline=None)
    @given(st.text(alphabet='[]{}",:\\ a1\n', max_size=30), st.integers(1, 8))
    def test_any_octets(self, text: str, size: int) -> None:
        """Whatever comes, it ends, and in pieces it ends as it does in one."""
        octets = b"[" + text.encode()
        self.assertEqual(
            items(Elements(LONGEST), *cuts(octets, size)), items(Elements(LONGEST), octets), "pieces make a difference"
        )

    def test_memory(self) -> None:
        """Of an element that never ends no more is kept than it may have, and one piece."""
        for begin, piece in ((b'[{"a": "', b"x" * 500), (b"[", b"[" * 500), (b"[", b" " * 500), (b'["', b"\\\\" * 250)):
            reader = Elements(LONGEST)
            reader.put(begin)
            for _ in range(100):
                self.assertIsNone(reader.next())
                reader.put(piece)
            self.assertLess(len(reader._data), LONGEST + 1_100)


class LinesCase(SynchronousTestCase):
    def test_table(self) -> None:
        """Each line that is not empty is an item, the last one without a line feed too."""
        cases: list[tuple[bytes, list[Any]]] = [
            (b"", []),
            (b"\n\r\n \n", []),
            (b"1", [b"1"]),
            (b"1\n2\r\n\n 3 \n", [b"1", b"2", b"3"]),
            (b"\xef\xbb\xbf1\n2", [b"1", b"2"]),
            (b"{\n}\n", [b"{", b"}"]),
            (b"x" * (LONGEST + 1) + b"\n2", ["body_too_large", b"2"]),
            (b"1\n" + b"x" * (LONGEST + 1), [b"1", "body_too_large"]),
            (b"x" * LONGEST + b"\n", [b"x" * LONGEST]),
        ]
        for octets, wanted in cases:
            for size in (max(1, len(octets)), 1, 3):
                self.assertEqual(items(Lines(LONGEST), *cuts(octets, size)), wanted, (octets[:40], size))

    def test_memory(self) -> None:
        """Of a line that never ends no more is kept than it may have."""
        reader = Lines(LONGEST)
        for _ in range(100):
            reader.put(b"x" * 500)
            self.assertIsNone(reader.next())
        self.assertLessEqual(sum(map(len, reader._begun)), LONGEST)


class WordingCase(SynchronousTestCase):
    def filled(self, text: str, **values: Any) -> str:
        """The text, or the code of why not."""
        try:
            return Wording(text).filled(Fields(values))
        except InvalidRequest as error:
            return f"{error.code} {error.field}"

    def test_table(self) -> None:
        """Placeholders, braces that stand for themselves, and what is refused."""
        cases: list[tuple[str, dict[str, Any], str]] = [
            ("Hello {name}", {"name": "Ann"}, "Hello Ann"),
            ("{a}{b}{a}", {"a": "1", "b": 2}, "121"),
            ("{{name}} {name}", {"name": "{x} {{y}}"}, "{name} {x} {{y}}"),
            ("}}{{", {}, "}{"),
            ("{{{a}}}", {"a": "x"}, "{x}"),
            ("no", {"a": "x"}, "no"),
            ("", {}, ""),
            ("{name}", {}, "missing_placeholder name"),
            ("{name}", {"name": None}, "missing_placeholder name"),
            ("{name}", {"name": ""}, ""),
            ("{name}", {"name": ["x"]}, "invalid_field name"),
            ("{name}", {"name": True}, "invalid_field name"),
            ("{name}", {"name": 1.5}, "invalid_field name"),
            ("a { b", {}, "invalid_template Body"),
            ("a } b", {}, "invalid_template Body"),
            ("{}", {}, "invalid_template Body"),
            ("{a b}", {}, "invalid_template Body"),
            ("{name.__class__}", {"name": "x"}, "invalid_template Body"),
            ("{name!r}", {"name": "x"}, "invalid_template Body"),
        ]
        for text, values, wanted in cases:
            self.assertEqual(self.filled(text, **values), wanted, text)

    def test_whole(self) -> None:
        """An object with recipients; a key for all of them would be one for none."""
        reader = Recipients(10_000)
        body = {
            "IdempotencyKey": "k",
            "channel": "smpp",
            "Body": "Hi {name}",
            "Reference": "all",
            "To": [{"To": "+49", "name": "A", "IdempotencyKey": "k1", "Reference": "a"}, "+50", 7, {"name": "B"}],
        }
        reader.put(json.dumps(body).encode())
        self.assertIsNone(reader.next())
        reader.close()
        found = []
        while (item := reader.next()) is not None:
            found.append(item.code if isinstance(item, InvalidRequest) else dict(item))
        first, second, third, fourth = found
        self.assertEqual(
            first, {"channel": "smpp", "Body": "Hi A", "To": "+49", "IdempotencyKey": "k1", "Reference": "a"}
        )
        self.assertEqual((second, third), ("missing_placeholder", "invalid_field"))
        self.assertEqual(fourth, {"channel": "smpp", "Body": "Hi B", "IdempotencyKey": None, "Reference": "all"})
