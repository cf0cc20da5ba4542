"""What an answer means, and which ids it gives, whatever a server may send."""

import json
import re
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.errors import TemplateError
from smsconnector.rest.answers import Answer, Selector, json_path, pattern_of, xml_path
from smsconnector.rest.conditions import Condition, FailureRule, Judgement, Meaning, Test, by_status, statuses_of
from smsconnector.rest.ids import ids_of

SUCCESS = statuses_of(["2xx"])


def in_json(path: str, pattern: str | None = None) -> Selector:
    return Selector("json", json_path(path), None if pattern is None else pattern_of(pattern))


def answer(body: Any, status: int = 200, **headers: str) -> Answer:
    octets = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else json.dumps(body).encode()
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, octets)


def equals(path: str, *words: str) -> Condition:
    return Condition(selector=in_json(path), test=Test("in", frozenset(words)))


PARTS = Meaning(
    accepted=(Condition(SUCCESS), equals("messages.*.status", "0")),
    rules=(
        FailureRule((equals("messages.*.status", "0"),), "unknown"),
        FailureRule((equals("messages.*.status", "1"),), "throttled"),
        FailureRule(
            (Condition(test=Test("contains", frozenset(["wait"]))),),
            "temporary",
            code="BUSY",
            retry_in=Selector(pattern=pattern_of(r"wait \[(\d+)\]")),
            unit=0.001,
        ),
    ),
    code=in_json("messages.*.status"),
    detail=in_json("messages.*.error-text"),
)


class JudgingCase(SynchronousTestCase):
    def test_parts(self) -> None:
        """All parts have to be taken. Some of them is an outcome of its own: sent again, they would arrive twice."""
        cases = {
            ("0", "0", "0"): ("accepted", None),
            ("0", "1", "0"): ("unknown", "0"),
            ("1",): ("throttled", "1"),
            (): ("unknown", 200),
        }
        for statuses, wanted in cases.items():
            found = PARTS.judge(answer({"messages": [{"status": one} for one in statuses]}))
            self.assertEqual((found.outcome, found.code), wanted, str(statuses))

    def test_wait_and_code_of_a_rule(self) -> None:
        """The pause stands in the body, in milliseconds; the rule's own code wins."""
        found = PARTS.judge(answer("please wait [1500] and retry"))
        self.assertEqual(found, Judgement("temporary", "BUSY", 1.5, ""))

    def test_captive_portal(self) -> None:
        """200 with a page of HTML is no success, and nothing is known of the text."""
        self.assertEqual(PARTS.judge(answer("<html>log in</html>")).outcome, "unknown")

    def test_by_status(self) -> None:
        """Where no rule fits."""
        cases = {
            200: "unknown", 302: "account", 400: "permanent", 401: "account", 403: "account", 404: "account",
            408: "temporary", 422: "permanent", 429: "throttled", 500: "unknown", 503: "unknown",
        }  # fmt: skip
        self.assertEqual({status: by_status(status) for status in cases}, cases)
        self.assertEqual(by_status(401, renewable=True), "log_in_again")

    def test_tests(self) -> None:
        """Each kind of test, on several values: all have to pass, or one."""
        one = answer({"a": [{"b": "x1"}, {"b": 2}], "t": True, "n": None, "f": 3.0})
        cases: list[tuple[str, Test, bool, bool]] = [
            ("a.*.b", Test("in", frozenset(["x1", "2"])), True, True),
            ("a.*.b", Test("equals", frozenset(["2"])), False, True),
            ("a.*.b", Test("not_in", frozenset(["2"])), False, True),
            ("a.*.b", Test("pattern", pattern=re.compile("^x")), False, True),
            ("a.*.b", Test("contains", frozenset(["1"])), False, True),
            ("a.5.b", Test("not_in", frozenset(["2"])), False, False),
            ("t", Test("equals", frozenset(["true"])), True, True),
            ("f", Test("equals", frozenset(["3"])), True, True),
            ("n", Test("exists"), False, False),
            ("n", Test("exists", wanted=False), True, True),
            ("a", Test("exists"), True, True),
            ("a", Test("equals", frozenset(["x1"])), False, False),
        ]
        for path, test, every, some in cases:
            condition = Condition(selector=in_json(path), test=test)
            self.assertEqual((condition.holds(one, True), condition.holds(one, False)), (every, some), f"{path} {test}")

    def test_statuses(self) -> None:
        """Single ones, classes and ranges."""
        self.assertEqual(statuses_of([200, "202", "500-502"]), {200, 202, 500, 501, 502})
        self.assertEqual(len(statuses_of(["4xx"])), 100)
        for wrong in (99, "2x", "600", "300-200"):
            with self.assertRaises(TemplateError):
                statuses_of([wrong])

    @given(st.binary(max_size=200) | st.sampled_from([b"[" * 9999, b"9" * 99999, b'{"messages":[{"status":NaN}]}']))
    @settings(max_examples=200, deadline=None)
    def test_nothing_in_an_answer_does_harm(self, body: bytes) -> None:
        """Whatever a server sends, there is a judgement, and it is no success."""
        self.assertNotEqual(PARTS.judge(answer(body)).outcome, "accepted")
        self.assertEqual(ids_of(answer(body), [in_json("messages.0.id"), Selector("xml", xml_path("//id"))]), ())


class SelectorsCase(SynchronousTestCase):
    def test_json(self) -> None:
        """Lists, all entries, full stops in keys, and a pattern on what stands there (Jasmin has its answer as a text
        in JSON)."""
        one = answer({"a.b": [{"c": 1}, {"c": 2}], "data": 'Success "u-1"'})
        self.assertEqual(in_json(r"a\.b.*.c").values(one), [1, 2])
        self.assertEqual(in_json(r"a\.b.1.c").values(one), [2])
        self.assertEqual(in_json("data", r'^Success "([^"]+)"').values(one), ["u-1"])
        self.assertEqual(in_json("a.b.c").values(one), [])

    def test_xml(self) -> None:
        """By local names, from the root or anywhere, text and attributes, whatever the prefixes are."""
        soap = '<s:Envelope xmlns:s="urn:s"><s:Body><r xmlns="urn:r" id="7"><x> OK </x><x/></r></s:Body></s:Envelope>'
        cases = {
            "Envelope/Body/r/x": [" OK ", ""],
            "/Envelope/Body/r/@id": ["7"],
            "//x": [" OK ", ""],
            "//r/*": [" OK ", ""],
            "Body/r": [],
        }
        for path, wanted in cases.items():
            self.assertEqual(Selector("xml", xml_path(path)).values(answer(soap)), wanted, path)

    def test_xml_without_entities(self) -> None:
        """A DTD is not read, be it to grow without end or to fetch a file; neither is XML in the middle of a page."""
        for body in (
            '<!DOCTYPE a [<!ENTITY b "cccc"><!ENTITY d "&b;&b;">]><a>&d;</a>',
            '<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
            "<a>" * 5000,
            "<a>" * 100 + "</a>" * 100,
        ):
            self.assertEqual(Selector("xml", xml_path("//a")).values(answer(body)), [], body[:30])

    def test_charset(self) -> None:
        """As the answer says, or the configuration; else UTF-8, and Latin-1 for what is none."""
        self.assertEqual(answer("é".encode("latin-1")).text, "é")
        self.assertEqual(answer(b"\xef\xbb\xbf{}").json, {})
        self.assertEqual(answer("س".encode("utf-16"), content_type="text/plain; charset=UTF-16").text, "س")
        self.assertEqual(Answer(200, {}, "ف".encode("cp1256"), "cp1256").text, "ف")
        for unusable in ("klingon", "undefined", "hex", "idna"):
            self.assertEqual(answer(b"x", content_type=f"text/plain; charset={unusable}").text, "x")

    def test_depth(self) -> None:
        """Deeper than any provider writes is not read."""
        self.assertIsNone(answer("[" * 65 + "]" * 65).json)
        self.assertIsNotNone(answer("[" * 60 + "]" * 60).json)

    def test_faults(self) -> None:
        """Each says what to write."""
        for read, wrong in ((json_path, "a..b"), (xml_path, "s:Body"), (xml_path, "//"), (pattern_of, "(")):
            with self.assertRaises(TemplateError):
                read(wrong)


class IdsCase(SynchronousTestCase):
    def test_ids(self) -> None:
        """Numbers become texts, several stay several, and what means none is none (seen at public gateways)."""
        nones: list[Any] = [None, "", " ", "null", "None", "NONE", "nil", True, {}, [], "x" * 256, "a\nb"]
        cases: list[tuple[Any, tuple[str, ...]]] = [
            (5452899970, ("5452899970",)),
            (54528999700000000001, ("54528999700000000001",)),
            (12.0, ("12",)),
            ("a-1", ("a-1",)),
            (" a ", ("a",)),
            (["x", "y", "x"], ("x", "y")),
            *((none, ()) for none in nones),
        ]
        for written, wanted in cases:
            selector = in_json("id.*" if isinstance(written, list) else "id")
            self.assertEqual(ids_of(answer({"id": written}), [selector]), wanted, repr(written)[:40])

    def test_places(self) -> None:
        """The first place that has one counts; patterns find several; headers have ids as well."""
        self.assertEqual(ids_of(answer({"b": 2}), [in_json("a"), in_json("b")]), ("2",))
        several = answer("1701|923001:x-1,1701|923002:x-2")
        self.assertEqual(ids_of(several, [Selector(pattern=pattern_of(r"1701\|\d+[:|]([\w-]+)"))]), ("x-1", "x-2"))
        self.assertEqual(ids_of(answer("", x_id="7"), [Selector("header", ("x-id",))]), ("7",))
