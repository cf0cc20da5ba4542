"""Notifications and texts out of requests: a table of providers, and whatever else may come."""

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from smsconnector.hook_sections import IncomingSection, NotificationSection, hooks_of
from smsconnector.hooks.documents import Body
from smsconnector.hooks.reading import Found, Reading, Source, read
from smsconnector.hooks.requests import FORM, HookRequest, Unreadable
from smsconnector.messages import IncomingSegment, Receipt
from tests.unit.hooks import NOW, call, form_call
from tests.unit.hooks.providers import PROVIDERS, Provider, as_json, form, query

SOURCE = Source("prov", NOW * 1000)
PLAIN_TEXT = {"from": "from", "to": "to", "text": "text", "id": "id"}
PLAIN_STATUS = {"id": "id", "status": "status"}


def readings_of(provider: Provider, kind: str) -> tuple[Reading, ...]:
    notification = None if provider.notification is None else NotificationSection.model_validate(provider.notification)
    incoming = None if provider.incoming is None else IncomingSection.model_validate(provider.incoming)
    hooks = hooks_of(notification, incoming, None)
    return (hooks.notification if kind == "notification" else hooks.incoming).readings


def found_in(request: HookRequest, *readings: Reading, source: Source = SOURCE) -> Found:
    return read(request, Body(request.body.decode("utf-8", "replace")), readings, source)


def text_of(request: HookRequest, **settings: Any) -> Any:
    """The one text."""
    (one,) = found_in(request, IncomingSection.model_validate(PLAIN_TEXT | settings).reading()).texts
    return one


def statuses(request: HookRequest, **settings: Any) -> list[tuple[str, str]]:
    found = found_in(request, NotificationSection.model_validate(PLAIN_STATUS | settings).reading())
    return [(one.smsc_id, one.finality.name) for one in found.receipts]


class ProvidersCase(SynchronousTestCase):
    def test_all(self) -> None:
        """Settings in, requests in: receipts and texts out."""
        for provider in PROVIDERS:
            for case in provider.cases:
                what = f"{provider.name}: {case.what}"
                kind = "incoming" if case.texts and not case.receipts else "notification"
                found = found_in(call(**case.request), *readings_of(provider, kind))
                receipts = [(one.smsc_id, one.finality.name, one.code, one.destination) for one in found.receipts]
                texts = [(one.source, one.destination, one.text, one.sid) for one in found.texts]
                self.assertEqual(receipts, case.receipts, what)
                self.assertEqual(texts, case.texts, what)
                self.assertEqual((len(found.unknown_words), len(found.faults)), (case.unknown, case.faults), what)
                told: list[Receipt | IncomingSegment] = [*found.receipts, *found.texts]
                for one in told:
                    self.assertEqual((one.account, one.received_at), ("prov", NOW * 1000), what)

    def test_a_list_of_both_to_either_url(self) -> None:
        """Where both sections say what they are for, either webhook takes both (Bandwidth, Telnyx)."""
        for provider in PROVIDERS:
            if provider.name.startswith(("bandwidth", "telnyx")):
                for case in provider.cases:
                    for kind in ("notification", "incoming"):
                        found = found_in(call(**case.request), *readings_of(provider, kind))
                        counted = len(found.receipts), len(found.texts)
                        self.assertEqual(counted, (len(case.receipts), len(case.texts)), case.what)

    def test_a_record_for_both_is_read_once(self) -> None:
        """By the first: the one of the path that it came to."""
        where = {"where": {"type": "x"}}
        provider = Provider("", {**PLAIN_STATUS, **where}, {**PLAIN_TEXT, **where}, [])
        request = call(**as_json({"type": "x", "id": "1", "status": "failed", "from": "1", "text": "t"}))
        for kind, counted in (("notification", (1, 0)), ("incoming", (0, 1))):
            found = found_in(request, *readings_of(provider, kind))
            self.assertEqual((len(found.receipts), len(found.texts)), counted)

    def test_parts(self) -> None:
        """The reference may be any text; parts of one text have one, and those of another have another. It is none of
        those that come by SMPP, with 8 or 16 bits and two marks."""
        part = {"reference": "ref", "total": "total", "number": "part"}
        places = [
            text_of(call(**form(**{"from": "1"}, to="2", text="a", ref=ref, total="3", part=number)), part=part)
            for ref, number in (("7", "1"), ("7", "3"), ("7b", "1"))
        ]
        self.assertEqual(
            [(one.number, one.count, one.sid) for one in places], [(1, 3, None), (3, 3, None), (1, 3, None)]
        )
        self.assertEqual(places[0].reference, places[1].reference)
        self.assertNotEqual(places[0].reference, places[2].reference)
        for one in places:
            self.assertEqual((one.reference & 0x3FFFF, one.reference < 2**63), (0, True))

    def test_parts_without_sense(self) -> None:
        """Such a part is a whole text, so that it is not lost."""
        part = {"reference": "ref", "total": "total", "number": "part"}
        for ref, total, number in (
            ("", "2", "1"),
            ("7", "1", "1"),
            ("7", "0", "0"),
            ("7", "2", "3"),
            ("7", "2", "0"),
            ("7", "-2", "1"),
            ("7", "999", "1"),
            ("7", "two", "1"),
            ("7", "2", "\u0661"),
            ("7", "2", ""),
        ):
            request = call(**form(**{"from": "1"}, to="2", text="a", ref=ref, total=total, part=number, id="x"))
            one = text_of(request, part=part)
            self.assertEqual((one.count, one.sid, one.text), (1, "x", "a"), (ref, total, number))


class OddRequestsCase(SynchronousTestCase):
    def test_our_own_id(self) -> None:
        """The MessageSID of the path counts more than an id in the request, and needs none."""
        reading = NotificationSection.model_validate(PLAIN_STATUS).reading()
        for fields in ({"status": "delivered"}, {"status": "delivered", "id": "theirs"}):
            found = found_in(form_call(fields), reading, source=SOURCE._replace(sid="SMours"))
            self.assertEqual([one.smsc_id for one in found.receipts], ["SMours"])

    def test_probes(self) -> None:
        """A GET without any of the fields is a probe, with a secret in its query too. So is one of nothing."""
        for request in (
            call(method="GET"),
            call(method="GET", target="/x?key=s"),
            call(b""),
            call(b"", kind="application/json"),
        ):
            self.assertEqual(statuses(request), [])
        self.assertRaises(Unreadable, statuses, call(b"other=1", kind=FORM))
        self.assertRaises(Unreadable, statuses, call(method="GET", target="/x?id=1"))

    def test_nothing_can_be_read(self) -> None:
        """A sentence for each, and no exception of another kind: broken, deep, wrong types, a document type."""
        for body in (
            b"{", b"[", b"{]", b"[" * 60_000, b'{"a":' * 9_000, b"[1, null, true, []]",
            b'{"id": {"a": 1}, "status": []}',
            b"<a>", b"<" * 999, b"<a>" * 9_000, b"<?xml version='1.0' encoding='x'?><a/>", b"\xff\xfe\x00",
            b"a=1&" * 2_000, b'{"id": null, "status": "delivered"}', b'{"id": "None", "status": "delivered"}',
            b'{"id": "", "status": "delivered"}', b'{"id": "a\\u0000b", "status": "delivered"}',
            b'{"id": "%s", "status": "delivered"}' % (b"x" * 129), b'{"id": "x", "status": ""}', b'{"id": "x"}',
        ):  # fmt: skip
            error = self.assertRaises(Unreadable, statuses, call(body))
            self.assertLess(len(str(error)), 200, body[:20])

    def test_document_types(self) -> None:
        """XML with one is refused, whether or not its entities grow, or are fetched from elsewhere."""
        for head in (
            b"",
            b'<?xml version="1.0" encoding="UTF-16"?>',
            b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>',
            b'<!DOCTYPE x [<!ENTITY b SYSTEM "file:///etc/passwd">]>',
            b'<!DOCTYPE x SYSTEM "http://evil.example/x.dtd">',
            b"<!DOCTYPE x>",
        ):
            request = call(head + b'<x id="1"/>')
            if head:
                self.assertRaises(Unreadable, statuses, request, id="x.@id", status="=sent")
            else:
                self.assertEqual(statuses(request, id="x.@id", status="=sent"), [("1", "PROGRESS")])

    def test_depth_that_the_xml_may_have(self) -> None:
        """Fifty elements within each other, and no more."""
        body = b"<a>" * 51 + b"x" + b"</a>" * 51
        self.assertEqual(statuses(call(body.replace(b"x", b"")), id="=1", status="=sent"), [("1", "PROGRESS")])
        deeper = b"<a>" * 60 + b"</a>" * 60
        self.assertRaises(Unreadable, statuses, call(deeper), id="=1", status="=sent")

    def test_one_bad_record_loses_no_other(self) -> None:
        """Whatever the others are: no objects, without an id, of other types."""
        bad: list[Any] = [
            None,
            1,
            "x",
            [],
            {},
            {"id": []},
            {"id": {}, "status": "delivered"},
            {"id": "1", "status": {}},
        ]
        for place in range(len(bad) + 1):
            records = [*bad[:place], {"id": "good", "status": "delivered"}, *bad[place:]]
            self.assertEqual(statuses(call(**as_json(records))), [("good", "DELIVERED")])
        self.assertRaises(Unreadable, statuses, call(**as_json(bad)))

    def test_words_in_any_case(self) -> None:
        """Status words and the words of the settings are compared without regard to case and blanks around them."""
        for word, settings, finality in (
            ("Delivered", {}, "DELIVERED"),
            (" UNDELIVERABLE ", {}, "FAILED"),
            ("DeLiVrD", {"delivrd": "delivered"}, "DELIVERED"),
            ("delivered", {"Delivered": "progress"}, "PROGRESS"),
            ("true", {"True": "delivered"}, "DELIVERED"),
            ("0x1", {1: "delivered"}, "PROGRESS"),
        ):
            self.assertEqual(
                statuses(form_call({"id": "1", "status": word}), statuses=settings), [("1", finality)], word
            )

    def test_lone_surrogates(self) -> None:
        """JSON may hold half a character; what is written has none. Two halves that meet are the character."""
        body = b'{"from": "1", "to": "2", "text": "a\\ud83d\\ude00b\\ud83dc\\udc00", "id": "x\\ud800"}'
        one = text_of(call(body))
        self.assertEqual(one.text, "a\U0001f600b\ufffdc\ufffd")
        self.assertRegex(one.sid, "^id-[0-9a-f]{32}$")

    def test_texts_of_any_characters(self) -> None:
        """A text stays what it is, with control characters and 60 kB; an id that no header can hold becomes a digest,
        the same each time."""
        for text in ("\0\x01\x1b\r\n\u2028", "x" * 60_000, "\u06cc" * 20_000, "{{from}}", " "):
            self.assertEqual(text_of(call(**as_json({"from": "1", "to": "2", "text": text, "id": "i"}))).text, text)
        for sid in ("a\nb: c", "\u0663", "y" * 60_000, "a\0"):
            request = call(**as_json({"from": "1", "to": "2", "text": "t", "id": sid}))
            self.assertRegex(text_of(request).sid, "^id-[0-9a-f]{32}$")
            self.assertEqual(text_of(request).sid, text_of(request).sid)
        self.assertEqual(text_of(call(**as_json({"from": "1", "to": "2", "text": "t", "id": "a b"}))).sid, "a b")

    def test_without_an_id(self) -> None:
        """A time, however it is written, tells a repeat from another text; without one nothing does."""
        fields = {"from": "1", "to": "2", "text": "t"}
        sids = {
            text_of(form_call({**fields, "at": stamp, "text": text}), timestamp="at").sid
            for stamp, text in (
                ("no time at all", "t"),
                ("no time at all", "t"),
                ("99999999999999999999", "t"),
                ("no time at all", "u"),
            )
        }
        self.assertEqual(len(sids), 3)
        self.assertNotIn(None, sids)
        self.assertIsNone(text_of(form_call(fields)).sid)
        self.assertIsNone(text_of(form_call({**fields, "id": "null"})).sid)

    def test_what_can_t_be_decoded_is_kept(self) -> None:
        """Hex that is none stays as it is; octets that are not of the charset are told as octets."""
        for encoding, charset, written, text, is_binary in (
            ("hex", "utf-8", "not hex", "not hex", False),
            ("hex", "utf-8", "ff", "FF", True),
            ("hex", "utf-16-be", "00410", "00410", False),
            ("hex", "utf-16-be", "0041", "A", False),
            ("hex", "utf-16-be", "D83D", "D83D", True),
            ("base64", "utf-8", "w7w=", "\u00fc", False),
            ("base64", "utf-8", "w7w", "\u00fc", False),
            ("base64", "utf-8", "w7\nw=", "\u00fc", False),
            ("base64", "utf-8", "\u00fc", "\u00fc", False),
            ("percent", "utf-8", "%C3%BC+%2B", "\u00fc +", False),
            ("percent", "iso-8859-1", "%FC", "\u00fc", False),
            ("percent", "utf-8", "%FC", "FC", True),
            ("percent", "utf-8", "100%", "100%", False),
            ("hex", "octets", "00ff", "00FF", True),
        ):
            request = form_call({"from": "1", "to": "2", "text": written, "id": "i"})
            one = text_of(request, encoding=encoding, charset=charset)
            self.assertEqual((one.text, one.is_binary), (text, is_binary), (encoding, charset, written))

    def test_a_body_that_is_not_what_it_says(self) -> None:
        """The first character tells; Content-Type is not always true."""
        record = b'{"id": "1", "status": "delivered"}'
        for kind in ("text/plain", FORM, "", "application/json; charset=utf-8", "text/xml"):
            self.assertEqual(statuses(call(record, kind=kind)), [("1", "DELIVERED")], kind)
            self.assertEqual(statuses(call(b"id=1&status=delivered", kind=kind)), [("1", "DELIVERED")], kind)
        self.assertEqual(statuses(call(b"\xef\xbb\xbf \r\n" + record)), [("1", "DELIVERED")])

    def test_paths(self) -> None:
        """Keys with full stops, lists, the query, the root, a word; nothing for what is not there."""
        data = {"a.b": {"c": [{"d": "1"}]}, "x": {"y.z": "2"}, "empty": "", "flag": True, "n": 1.50}
        for path, value in (
            ("a.b.c.0.d", "1"), ("x.y.z", "2"), ("/x.y.z", "2"), ("?q", "3"), ("=w", "w"), ("flag", "true"),
            ("n", "1.5"), ("a.b.c", None), ("a.b.c.1.d", None), ("a.b.c.x", None), ("x", None), ("x.y", None),
            ("?r", None),
        ):  # fmt: skip
            request = call(json.dumps(data).encode(), target="/x?q=3")
            if value is None:
                self.assertRaises(Unreadable, statuses, request, id=path, status="=sent")
            else:
                self.assertEqual(statuses(request, id=path, status="=sent"), [(value, "PROGRESS")], path)

    def test_a_query_beside_a_body(self) -> None:
        """Our own id in the query of the URL that we gave, the status in the body."""
        request = call(b"status=delivered", kind=FORM, target="/x?uuid=u1")
        self.assertEqual(statuses(request, id="?uuid"), [("u1", "DELIVERED")])

    def test_many_records(self) -> None:
        """Ten thousand records, and no more."""
        self.assertEqual(len(statuses(call(b"[" + b"{}," * 9_999 + b'{"id": "1", "status": "sent"}]'))), 1)
        self.assertRaises(Unreadable, statuses, call(b"[" + b"{}," * 10_000 + b"{}]"))

    def test_arguments_of_queries(self) -> None:
        """A query is read as a form is."""
        self.assertEqual(statuses(call(**query(id="a b", status="DELIVERED"))), [("a b", "DELIVERED")])
