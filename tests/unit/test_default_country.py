"""National numbers, as they are dialled inside a country: with ``default_country`` they are international ones."""

import json
from functools import partial
from typing import Any
from urllib.parse import urlencode

from twisted.trial.unittest import SynchronousTestCase

from smsconnector.config import parse
from smsconnector.errors import AddressError, ConfigurationError, InvalidRequest
from smsconnector.http.answers import HTTPRequest
from smsconnector.http.messages import Messages
from smsconnector.http.send import Send
from smsconnector.messages import IncomingSegment
from smsconnector.sms.addresses import in_country, normal_number
from smsconnector.walks.outlet import Outlet
from smsconnector.walks.receiver import Receiver
from smsconnector.wall_clock import WallClock
from tests.unit.fakes import FakeChannel, by_name
from tests.unit.http.test_handlers import HandlerCase, request
from tests.unit.test_key_names import BIND

ONE = BIND % "window: 9"
GOOD = f"channels: {{smpp: {{type: smpp, binds: [{ONE}]%s}}, other: {{type: smpp, binds: [{ONE}]}}}}\n"


class NumberCase(SynchronousTestCase):
    def test_national(self) -> None:
        """Each as somebody at home writes it; what is international already, and short codes, stay as they are."""
        for written, country, number in (
            ("03001234567", "PK", "923001234567"),
            ("0300 123-4567", "PK", "923001234567"),
            ("(0300) 1234567", "PK", "923001234567"),
            ("0300\u200e1234567", "PK", "923001234567"),
            ("+923001234567", "PK", "923001234567"),
            ("00923001234567", "PK", "923001234567"),
            ("923001234567", "PK", "923001234567"),
            ("+447911123456", "PK", "447911123456"),
            ("07911 123456", "GB", "447911123456"),
            ("0171 1234567", "DE", "491711234567"),
            ("06 12345678", "NL", "31612345678"),
            ("06 1234 5678", "IT", "390612345678"),
            ("06301234567", "HU", "36301234567"),
            ("0501234567", "AE", "971501234567"),
            ("8228", "PK", "8228"),
            ("0321", "PK", "0321"),
            ("012345", "PK", "012345"),
            ("03001234567", None, "03001234567"),
            ("3001234567", "PK", "3001234567"),
        ):
            self.assertEqual(in_country(normal_number(written), country), number, (written, country))

    def test_unclear(self) -> None:
        """What can't be a number of that country is refused, with what to do; never guessed."""
        for written, reason in (
            ("0300123", "it is too short, for the area code is missing"),
            ("030012345678901", "it is too long"),
        ):
            error = self.assertRaises(AddressError, in_country, normal_number(written), "PK")
            self.assertEqual(error.code, "invalid_number")
            self.assertEqual(
                error.about("To"),
                f"To is no number of PK: {reason}. Mend it, or write it with its country code, as +923012345678.",
            )


class SettingsCase(SynchronousTestCase):
    def test_global_and_own(self) -> None:
        """The file's own is every channel's that has none; any case will do."""
        found = parse("default_country: pk\n" + GOOD % ", default_country: GB").channels
        self.assertEqual({name: one.default_country for name, one in found.items()}, {"smpp": "GB", "other": "PK"})
        found = parse(GOOD % "").channels
        self.assertEqual({name: one.default_country for name, one in found.items()}, {"smpp": None, "other": None})

    def test_refused(self) -> None:
        """No country, one where national numbers have no zero, and YAML's own idea of Norway: once, at its place."""
        for value, words in (
            ("XX", "is no country: write its two letters by ISO 3166, as PK"),
            ("PAK", "is no country"),
            ("92", "a text is wanted here"),
            ("NO", "a text is wanted here: put it in quotes"),
            ('"NO"', "national numbers of NO are not written with a 0 before them"),
            ("US", "national numbers of US are not written with a 0 before them"),
            ("ES", "national numbers of ES are not written with a 0 before them"),
        ):
            for text, place in (
                (f"default_country: {value}\n" + GOOD % "", "default_country"),
                (GOOD % f", default_country: {value}", "channels.smpp.default_country"),
            ):
                error = self.assertRaises(ConfigurationError, parse, text, {})
                self.assertEqual([where for where, _ in error.problems], [place], value)
                self.assertIn(words, error.problems[0][1])


class DoorCase(HandlerCase):
    def setUp(self) -> None:
        super().setUp()
        self.outlets = {
            "smpp": Outlet(FakeChannel(), {"92300": self.submitter("smpp/92300")}, 60, default_country="PK"),
            "uk": Outlet(FakeChannel(), {"": self.submitter("uk")}, 60, default_country="GB"),
            "any": Outlet(FakeChannel(), {"": self.submitter("any")}, 60),
        }
        self.send = Send(
            wall_clock=WallClock(self.now),
            outlets=self.outlets,
            default_channel="smpp",
            gate=self.gate,
            reader=self.writer,
            messages_path="/m/",
        )

    def sent_to(self, number: str, **fields: str) -> Any:
        body = json.dumps({"To": number, "Body": "hi"} | fields).encode()
        answer = self.answer_to(self.send.post, request(body, (b"prefer", b"return=representation")))
        return json.loads(answer.body)["To"]

    def test_send(self) -> None:
        """By the country of the channel that takes it; so it finds the bind for its prefix."""
        self.assertEqual(self.sent_to("0300 1234567"), "923001234567")
        self.assertEqual(self.sent_to("07911 123456", channel="uk"), "447911123456")
        self.assertEqual(self.sent_to("+92 (0)300 1234567"), "923001234567")
        self.assertEqual(self.sent_to("03001234567", channel="any"), "03001234567", "as ever")

    def test_refused(self) -> None:
        """The client's error, with its field."""
        error = self.refused(self.send.post, request(b'{"To": "0300123", "Body": "hi"}'))
        self.assertEqual((error.code, error.field), ("invalid_number", "To"))
        self.assertIn("To is no number of PK: it is too short", str(error))

    def test_searches(self) -> None:
        """By the country of the channel that is named, else of all of them if it is the same one; otherwise the number
        is unclear, and that is said."""
        found = partial(self.searched, self.outlets)
        self.assertEqual(found(to="03001234567", channel="smpp"), "923001234567")
        self.assertEqual(found(to="07911123456", channel="uk"), "447911123456")
        self.assertEqual(found(to="03001234567", channel="any"), "03001234567")
        self.assertEqual(found(to="+923001234567"), "923001234567")
        self.assertEqual(found(**{"with": "03001234567", "channel": "smpp"}), "923001234567")
        error = self.assertRaises(InvalidRequest, found, to="03001234567")
        self.assertEqual((error.code, error.field), ("invalid_number", "to"))
        self.assertIn("name the channel", str(error))
        self.assertEqual(self.searched({"smpp": self.outlets["smpp"]}, to="03001234567"), "923001234567")
        self.assertEqual(self.searched({"any": self.outlets["any"]}, to="03001234567"), "03001234567")

    def searched(self, outlets: Any, **query: str) -> Any:
        """The number that the store is asked for."""
        asked: list[Any] = []

        class Reader:
            def put(self, search: Any, _found: Any) -> None:
                asked.append(search)

        nobody: Any = None
        reader: Any = Reader()
        target = f"/messages?{urlencode(query)}".encode()
        received = HTTPRequest(b"GET", b"/messages", by_name(()), b"", target=target)
        Messages(reader, outlets, nobody, "/m").search(received, nobody)
        return getattr(asked[0], "number", None) or asked[0].to

    def test_incoming(self) -> None:
        """A national sender is told in the form in which it can be answered. What can't be a number of the country
        is told as the network wrote it, for what was acknowledged never vanishes."""
        receiver = Receiver(self.writer, country_of={"smpp": "PK"}.get)
        for source, told, channel in (
            ("03001234567", "923001234567", "smpp"),
            ("923001234567", "923001234567", "smpp"),
            ("0300123", "0300123", "smpp"),
            ("00447911123456", "00447911123456", "smpp"),
            ("8228", "8228", "smpp"),
            ("0Shop", "0Shop", "smpp"),
            ("03001234567", "03001234567", "other"),
        ):
            done: list[Any] = []
            receiver.received([IncomingSegment(channel, "a", source, "8228", f"{source}?", 1)], done.append)
            self.clock.advance(0)
            self.assertEqual(done, [None])
            (event,) = self.writer.store._connection.execute(
                "SELECT body FROM outbox ORDER BY id DESC LIMIT 1"
            ).fetchone()
            self.assertEqual(json.loads(event)["From"], told)
