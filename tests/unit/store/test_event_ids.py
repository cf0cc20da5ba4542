"""Ids of events: two things never share one, and one thing keeps its id whoever repeats it, and when.

The collisions were found with two providers that both count their messages from 1, as many gateways do.
"""

import json
from itertools import combinations, product
from typing import Any

from smsconnector.messages import Finality, IncomingSegment, Receipt
from smsconnector.store import operations as ops
from smsconnector.store.store import Store
from tests.unit.store.test_store import NOW, StoreCase

# Channels and ids whose names run together in many ways: "a" + "b-7" and "a-b" + "7" among them.
CHANNELS = ("a", "a-b", "a.b", "A", "a-b-7")
SIDS = ("7", "b-7", "b-b-7", "a/7", "7/a", "a-b/7", "SM7")
OLD_TEXT = {"Body": "hi", "From": "+4790000777", "To": "8228"}


def text(channel: str, sid: str, body: str = "hi", source: str = "+4790000777", to: str = "8228") -> IncomingSegment:
    """A text as a provider's webhook hands it over."""
    return IncomingSegment(channel, channel, source, to, body, NOW, sid=sid)


class EventIdCase(StoreCase):
    def told(self) -> list[tuple[str, Any]]:
        """The channel and the body of each event."""
        return [(event.jms_type, json.loads(event.body)) for event in self.events()]

    def notify(self, channel: str, sid: str, finality: Finality = Finality.DELIVERED) -> ops.Received:
        said = Receipt(channel, sid, finality, "30003", finality.name, NOW)
        return self.receive(said, report_unknown=True, channel=channel)

    def incoming(self, *texts: IncomingSegment) -> None:
        self.one(ops.Incoming(texts))


class CollisionCase(EventIdCase):
    def test_reports_of_two_providers(self) -> None:
        """Two providers that count from the same number: each report is told, as of its own channel."""
        for channel in ("twilio", "other"):
            self.notify(channel, "1001")
        reports = [(channel, body["MessageSID"]) for channel, body in self.told()]
        self.assertEqual(reports, [("twilio", "1001"), ("other", "1001")])

    def test_texts_whose_names_run_together(self) -> None:
        """Channel ``a`` with the id ``b-7`` is not channel ``a-b`` with the id ``7``; nor is any other pair."""
        for pair in combinations(product(CHANNELS, SIDS), 2):
            self.setUp()
            self.incoming(*(text(channel, sid) for channel, sid in pair))
            self.assertEqual([(channel, body["SmsSid"]) for channel, body in self.told()], list(pair))

    def test_reports_whose_names_run_together(self) -> None:
        """The same for reports of messages that are not ours."""
        for pair in combinations(product(CHANNELS, SIDS), 2):
            self.setUp()
            for channel, sid in pair:
                self.notify(channel, sid)
            self.assertEqual([(channel, body["MessageSID"]) for channel, body in self.told()], list(pair))

    def test_in_one_commit(self) -> None:
        """The same when both come in one batch; and a report and a text of one id are two things."""
        self.incoming(text("a", "b-7"), text("a-b", "7"))
        self.notify("a", "b-7")
        self.notify("a-b", "7")
        self.assertEqual(len({event.event_id for event in self.events()}), 4)

    def test_id_that_spells_another_events(self) -> None:
        """A provider may use the id of an event that it has seen as its own id."""
        self.incoming(text("a", "7"))
        (event,) = self.events()
        inside = event.event_id.removeprefix("in/a/")
        for sid in (inside, f"a/{inside}", event.event_id):
            self.incoming(text("a", sid), text("a-b", sid))
        self.assertEqual(len(self.events()), 7)

    def test_handsets_text_and_providers(self) -> None:
        """A provider's id is never that of a text that came from a handset by SMPP, nor of a report of ours."""
        self.accept("SM1")
        self.incoming(text("smpp", "x"), IncomingSegment("smpp", "me@smsc", "1", "2", "hi", NOW))
        sid = next(body["SmsSid"] for _, body in self.told() if body["SmsSid"] != "x")
        self.incoming(text("smpp", sid, "another"))
        self.notify("smpp", "SM1")
        self.assertEqual(
            [body.get("Body", "DELIVERED") for _, body in self.told()], ["hi", "hi", "another", "DELIVERED"]
        )


class SameIdCase(EventIdCase):
    """One SmsSid: a repeat has the same sender and text too."""

    def test_another_text(self) -> None:
        """A provider that uses its ids again, or whose counter was set back: each text is told."""
        others = (text("a", "7"), text("a", "7", "ho"), text("a", "7", source="+4790000778"), text("a", "7", ""))
        for one in others:
            self.incoming(one)
        self.assertEqual([body["Body"] for _, body in self.told()], ["hi", "ho", "hi", ""])

    def test_sender_and_text_that_run_together(self) -> None:
        """Where the sender ends and the text begins counts: +47 and 1, or +471 and nothing."""
        self.incoming(text("a", "7", "1", "+47"), text("a", "7", "", "+471"), text("a", "7", "71", "+4"))
        self.assertEqual(len(self.events()), 3)

    def test_repeats(self) -> None:
        """A repeat is told once, whatever came in between, and after a restart too."""
        path = self.mktemp()
        self.store = Store(path)
        for _ in range(3):
            for body in ("hi", "ho", "\u0633\u0644\u0627\u0645 \ud83d\ude00\0"):
                self.incoming(text("a", "7", body), text("a-b", "7", body))
            self.store.close()
            self.store = Store(path)
            self.addCleanup(self.store.close)
        self.assertEqual(len(self.events()), 6)

    def test_same_spelling_of_the_sender(self) -> None:
        """With and without its plus it is one number: a provider changes that between two attempts if a proxy of its
        own escapes the form and another one does not."""
        self.incoming(text("a", "7", source="+923001234567"), text("a", "7", source="923001234567"))
        self.assertEqual(len(self.events()), 1)

    def test_report_is_told_once(self) -> None:
        """The first end of a message counts, whatever else is said of it."""
        for finality in (Finality.FAILED, Finality.DELIVERED, Finality.FAILED):
            self.assertEqual(self.notify("a", "1001", finality).matched, 1)
        self.assertEqual([body["DeliveryStatus"] for _, body in self.told()], ["FAILED"])


class EarlierIdCase(EventIdCase):
    """Rows of versions whose ids did not tell channels apart stay valid: their repeats are known."""

    def earlier(self, event_id: str, channel: str, kind: str, body: Any, confirmed: bool = False) -> None:
        self.store._connection.execute(
            "INSERT INTO outbox (event_id, kind, jms_type, body, created_at) VALUES (?, ?, ?, ?, ?)",
            (event_id, kind, channel, json.dumps(body) if body else "", NOW - 1),
        )

    def test_repeat_of_a_text(self) -> None:
        """It has the same id, sender and text, and is not told again; another text of that id is."""
        self.earlier("in-a-b-7", "a", "incoming_message", OLD_TEXT | {"SmsSid": "b-7"})
        self.incoming(text("a", "b-7"), text("a", "b-7"))
        self.assertEqual(len(self.events()), 1)
        self.incoming(text("a", "b-7", "another"), text("a", "b-7", source="+4790000778"))
        self.assertEqual(len(self.events()), 3)

    def test_of_the_other_channel(self) -> None:
        """The row tells whose it was: the same id of the channel that it was not of is no repeat."""
        self.earlier("in-a-b-7", "a", "incoming_message", OLD_TEXT | {"SmsSid": "b-7"})
        self.earlier("dr-1001", "a", "delivery_report", {"MessageSID": "1001"})
        self.incoming(text("a-b", "7"))
        self.notify("a-b", "1001")
        self.assertEqual([channel for channel, _ in self.told()], ["a", "a", "a-b", "a-b"])

    def test_repeat_of_a_report(self) -> None:
        """Whatever it says now."""
        self.earlier("dr-1001", "a", "delivery_report", {"MessageSID": "1001"})
        for finality in (Finality.DELIVERED, Finality.FAILED):
            self.assertEqual(self.notify("a", "1001", finality).matched, 1)
        self.assertEqual(len(self.events()), 1)

    def test_body_has_gone(self) -> None:
        """What it said can't be compared any more: its id alone tells the repeat, as it did for the version that wrote
        it."""
        self.earlier("in-a-b-7", "a", "incoming_message", None)
        self.incoming(text("a", "b-7"), text("a-b", "7"))
        self.assertEqual([event.jms_type for event in self.events() if event.body], ["a-b"])

    def test_sender_without_its_plus(self) -> None:
        """An earlier version kept the blank that an unescaped plus becomes."""
        self.earlier("in-a-b-7", "a", "incoming_message", OLD_TEXT | {"SmsSid": "b-7", "From": " 4790000777"})
        self.incoming(text("a", "b-7"))
        self.assertEqual(len(self.events()), 1)
