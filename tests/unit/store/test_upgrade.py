"""Files that earlier versions wrote: nothing in them is lost, and nothing is told twice, whichever step they are at.

``write_file`` makes the tables of a version and puts into each what can be in it. Then the file is opened by this
version, or saved by ``rescue`` first, and asked by operations as a connector asks. A step that is added makes the one
before it an earlier version: ``test_every_table_is_filled`` then wants rows for the tables that it had.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from smsconnector.errors import StoreUnusable
from smsconnector.lifecycle import (
    CODE_EXPIRED,
    CODE_NO_RECEIPT,
    CODE_UNKNOWN,
    DEFAULT_WAIT_MS,
    MessageState,
    SegmentState,
)
from smsconnector.messages import Event, Finality, IncomingSegment, Outcome, OutcomeOfParts, Receipt, Segment, Verdict
from smsconnector.sms.addresses import number_tail
from smsconnector.store import database
from smsconnector.store import operations as ops
from smsconnector.store.finding import FoundSegment
from smsconnector.store.offline.opt_outs import opt_outs
from smsconnector.store.offline.reconcile import reconcile
from smsconnector.store.offline.rescue import rescue
from smsconnector.store.receipts import PARKED_TIMEOUT
from smsconnector.store.store import Store
from tests.unit.fakes import EPOCH, SINK, ask, confirm

NOW = int(EPOCH * 1000)
LATER = NOW + 3_600_000  # when what is under way expires
OLD = NOW - PARKED_TIMEOUT - 1  # of receipts and parts for which nobody waits any more
ACCOUNT = "connector@smsc"
NUMBER = "923001234567"
OPTED_OUT = "46701234567"
UUID = "0F8FAD5B-D9CB-469F-A165-70867728950E"
LONG_SID = "SM" + "7" * 300
PROCESS = 77  # that claimed a segment, and was killed

NEWEST = database.steps()[-1][0]
EARLIER = [number for number, _ in database.steps() if number < NEWEST]
SINCE = {  # columns that a step has added to a table
    ("parked_receipt", "incoming"): 2,
    ("incoming_segment", "is_binary"): 2,
    ("message", "texts_kept"): 3,
    ("message", "is_limited"): 4,
    ("incoming_segment", "written_in"): 6,
}


class File:
    """A database file of an earlier version, being written."""

    def __init__(self, connection: sqlite3.Connection, version: int) -> None:
        self.connection, self.version = connection, version

    def row(self, table: str, **values: Any) -> None:
        """One row, without the columns that the version did not have."""
        if self.version < 2 and "queue" in values:
            values["channel"] = values.pop("queue")
        row = {name: value for name, value in values.items() if SINCE.get((table, name), 1) <= self.version}
        marks = ", ".join("?" * len(row))
        self.connection.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", tuple(row.values()))

    def message(self, first_id: int, sid: str, *segments: dict[str, Any], **more: Any) -> None:
        """A message under way to NUMBER, and its segments, which are queued if they don't say more."""
        under_way = {"channel": "smpp", "destination": NUMBER, "alphabet": "gsm7", "segments": len(segments)}
        times = {"accepted_at": NOW, "expires_at": LATER}
        self.row("message", **({"id": first_id, "sid": sid} | under_way | times | more))
        for number, segment in enumerate(segments, 1):
            place = {"id": first_id + number - 1, "queue": "smpp", "number": number, "text": f"text {number} of {sid}"}
            self.row("segment", **(place | segment))

    def event(self, event_id: str, kind: str, body: dict[str, Any], published_at: int | None = None) -> None:
        row = {"event_id": event_id, "kind": kind, "jms_type": "smpp", "body": json.dumps(body)}
        self.row("outbox", created_at=NOW, published_at=published_at, **row)

    def report(self, sid: str, status: str, code: Any, published_at: int | None = None) -> None:
        body = {"MessageSID": sid, "DeliveryStatus": status, "ProviderStatusCode": code}
        self.event(f"dr-{sid}", "delivery_report", body, published_at)

    def parked(self, smsc_id: str, received_at: int, **more: Any) -> None:
        receipt = {"account": ACCOUNT, "smsc_key": smsc_id, "smsc_id": smsc_id, "status": "DELIVRD"}
        values = {"finality": Finality.DELIVERED, "destination": NUMBER, "received_at": received_at}
        self.row("parked_receipt", **(receipt | values | more))

    def part(self, reference: int, number: int, text: str, received_at: int = NOW, **more: Any) -> None:
        place = {"account": ACCOUNT, "source": NUMBER, "destination": "8228", "reference": reference, "number": number}
        values = {"channel": "smpp", "count": 2, "text": json.dumps(text), "received_at": received_at}
        self.row("incoming_segment", **(place | values | more))


def sent(smsc_id: str, smsc_key: str) -> dict[str, Any]:
    """A segment that the SMSC took. ``smsc_key`` is what versions before wrote, and not what this one would write."""
    row = {"state": SegmentState.SENT, "account": ACCOUNT, "sent_at": NOW}
    return row | {"smsc_id": smsc_id, "smsc_key": smsc_key}


def write_file(path: str, version: int) -> None:
    """The tables of that version, with something of everything that it could write."""
    with closing(sqlite3.connect(path)) as connection:
        database.create(connection, version)
        file = File(connection, version)
        write_messages(file)
        write_what_waits(file)
        connection.commit()


def write_messages(file: File) -> None:
    file.message(1, "SM-QUEUED", {}, source="Shop", is_limited=1)
    tried = {"due_at": NOW - 1, "attempts": 2, "account": ACCOUNT, "code": 88, "sent_at": NOW - 2000}
    file.message(2, "SM-AGAIN", tried)
    file.message(3, "SM-CLAIMED", {"state": SegmentState.CLAIMED, "due_at": PROCESS})
    delivered = sent("1000001", "1000001") | {"state": SegmentState.DELIVERED, "code": "000"}
    file.message(4, "SM-LONG", delivered, sent("00F444A", "f444a"), {}, alphabet="ucs2", source="8228")
    file.message(7, LONG_SID, sent(UUID, "f8fad5bd9cb469fa16570867728950e"))
    file.message(8, "SM-OVERDUE", {}, expires_at=NOW - 1)
    file.message(9, "SM-SILENT", sent("1000009", "1000009"), expires_at=NOW - 1)
    final = {"final_at": NOW - 10}
    file.message(10, "SM-DELIVERED", delivered | {"smsc_id": "1000010", "smsc_key": "1000010"}, **final, state=1)
    refused = {"state": SegmentState.FAILED, "account": ACCOUNT, "code": 11, "sent_at": NOW}
    file.message(11, "SM-FAILED", refused, {"state": SegmentState.FAILED}, **final, state=2, code=11)
    file.message(13, "SM-PURGED", delivered | {"text": ""}, **final, state=1, code="000", texts_kept=0)


def write_what_waits(file: File) -> None:
    """Events, receipts that were parked, and parts of texts."""
    file.report("SM-PURGED", "DELIVERED", "000", published_at=NOW - 6)
    if file.version >= 3:  # retention has dropped its body
        file.connection.execute("UPDATE outbox SET body = ''")
        file.connection.execute("UPDATE outbox_progress SET emptied = 1")
    file.report("SM-DELIVERED", "DELIVERED", "000", published_at=NOW - 5)
    file.report("SM-FAILED", "FAILED", 11)
    text = {"Body": "\u0633\u0644\u0627\u0645", "From": NUMBER, "To": "8228", "SmsSid": LONG_SID}
    file.event("in-smpp-SM-TOLD", "incoming_message", text | {"SmsSid": "SM-TOLD"}, published_at=NOW - 4)
    file.event(f"in-smpp-{LONG_SID}", "incoming_message", text)
    file.report("1001", "FAILED", "30003", published_at=NOW - 3)  # of a message that a provider named
    file.parked("1000001f", NOW, code="000")
    file.parked("2000002", NOW, code=None)
    file.parked("3000003", OLD, code="000")
    if file.version >= 2:  # unmarked ones that may be texts: as versions wrote them, one after the other
        texts: list[list[Any]] = [["smpp", "8228", "id:1 old"], ["smpp", "8228", "id:2 newer", 0, 1, 1, False]]
        for number, parked in enumerate([*texts, ["smpp", "8228", "id:3 newest", 0, 1, 1, False, None]]):
            file.parked(f"400000{number}", OLD, code="000", incoming=json.dumps(parked))
    file.part(1, 1, "begin\0 ")
    file.part(2, 1, "alone", received_at=OLD)
    if file.version >= 2:
        file.part(3, 1, "c0ffee", is_binary=1)
        file.part(4, 1, "told ")
        file.part(4, 2, "already")
    if file.version >= 6:
        file.part(5, 1, "0633064406270645", written_in="ucs2")
    if file.version >= 7:
        write_sink(file)
    if file.version >= 8:
        file.row("presumed_end", id=7, reason=1, code="999", due_at=LATER)
        file.row("account_telling_parts", id=1, account="other@smsc", seen_at=NOW)
    write_what_came_later(file)


def write_what_came_later(file: File) -> None:
    """The tables of the last steps."""
    if file.version >= 9:
        file.row("served_queue", id=1, name="smpp")
    if file.version >= 10:
        who = {"channel": "smpp", "tail": number_tail(OPTED_OUT), "number": OPTED_OUT, "sender": ""}
        file.row("opt_out", id=1, since=NOW, because="word STOP", **who)
    if file.version >= 11:
        file.row("fall_back_due", id=1, due_at=LATER, channel="smpp")
        file.row("falling_channel", name="smpp")
    if file.version >= 12:
        file.row("provider_id", id=1, segment=7, account=ACCOUNT, smsc_key=UUID, awaited=1, told=0, code=None)
    if file.version >= 14:
        times = {"accepted_at": NOW, "expires_at": LATER, "known_until": LATER}
        file.row("idempotency_key", id=1, caller="", name="order-1", digest="d", sid="SM-QUEUED", **times)
    if file.version >= 16:
        file.row("schedule", id=1, send_at=NOW, accepted_at=NOW, left_at=NOW)
    if file.version >= 17:
        file.row("status_callback", id=1, sid="SM-QUEUED", host="crm", url="https://crm/", event=None)
    if file.version >= 13:
        file.row("segment_event", id=1, segment=7, at=NOW, kind=1, bind="a", sequence=7, answered_in=20, code=8)


def write_sink(file: File) -> None:
    """How far the sink is, as versions with several sinks tell it: one more event is parked."""
    owed = "(SELECT min(id) FROM outbox WHERE published_at IS NULL)"
    file.connection.execute(f"INSERT INTO sink SELECT 1, '{SINK}', {owed} - 1")
    confirmed = f"SELECT id * 64 + 1, published_at FROM outbox WHERE published_at > 0 AND id > {owed}"
    file.connection.execute(f"INSERT INTO confirmation {confirmed}")
    file.event("dr-SM-REFUSED", "delivery_report", {"MessageSID": "SM-REFUSED"})
    (event,) = file.connection.execute("SELECT max(id) FROM outbox").fetchone()
    times = {"since": NOW - 5, "due_at": NOW - 1}
    file.row("parked_event", id=event * 64 + 1, kind="delivery_report", refused=1, attempts=2, reason="no", **times)


TOLD_BEFORE = {
    "dr-SM-DELIVERED",
    "dr-SM-PURGED",
    "in-smpp-SM-TOLD",
    "dr-1001",
}  # published by the version that wrote the file
WAITING = ["dr-SM-FAILED", f"in-smpp-{LONG_SID}"]


def receipt(smsc_id: str, finality: Finality = Finality.DELIVERED) -> Receipt:
    return Receipt(ACCOUNT, smsc_id, finality, "000", finality.name, NOW + 1, NUMBER)


class UpgradeCase(SynchronousTestCase):
    """``store``: the file of one version, opened by this one."""

    store: Store
    path: str
    is_rescued: bool

    def each(self) -> Iterator[int]:
        """Version by version: opened as it is, then as ``rescue`` saves it."""
        for version in EARLIER:
            for self.is_rescued in (False, True):
                self.path = self.mktemp()
                write_file(self.path, version)
                if self.is_rescued:
                    damaged, self.path = self.path, self.mktemp()
                    rescue(damaged, self.path)
                self.store = Store(self.path)
                self.addCleanup(self.store.close)
                yield version
                self.store.close()

    def one(self, operation: ops.Operation | ops.Query) -> Any:
        return ask(self.store, [operation])[0]

    def waiting(self) -> list[Event]:
        """The events that the broker has to get."""
        events: list[Event] = self.one(ops.LoadEvents(SINK, 0, 1000))
        return events

    def confirm(self) -> None:
        """The broker has taken responsibility for all of them."""
        self.one(confirm(self.waiting(), NOW))

    def reports(self) -> dict[str, tuple[str, Any]]:
        """What is told of each message by the events that wait. Each of them is told once."""
        bodies = [json.loads(one.body) for one in self.waiting() if one.kind == "delivery_report"]
        found = {one["MessageSID"]: (one["DeliveryStatus"], one["ProviderStatusCode"]) for one in bodies}
        self.assertEqual(len(found), len(bodies))
        return found

    def texts(self) -> list[str]:
        """The incoming texts among the events that this version has written."""
        events = [one for one in self.waiting() if one.kind == "incoming_message" and one.event_id not in WAITING]
        bodies = [json.loads(one.body) for one in events]
        return sorted(one.get("BodyHex", one["Body"]) for one in bodies)

    def queued(self) -> list[Segment]:
        loaded: list[Segment] = self.one(ops.LoadSegments("smpp", 0, 100))
        return loaded

    def parts(self, sid: str) -> list[FoundSegment]:
        """What is known of the segments of a message."""
        return list(self.one(ops.Find(sid)).segments)

    def accept(self, segment: Segment, smsc_id: str) -> None:
        """The SMSC takes it."""
        self.one(ops.Record(((Outcome(segment, Verdict.ACCEPTED, ACCOUNT, smsc_id), 0),), NOW))


class EarlierVersionsCase(UpgradeCase):
    def test_every_table_is_filled(self) -> None:
        """These tests say something of every table that an earlier version had."""
        for version in EARLIER:
            path = self.mktemp()
            write_file(path, version)
            with closing(sqlite3.connect(path)) as connection:
                names = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
                for (table,) in connection.execute(names).fetchall():
                    (rows,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
                    self.assertGreater(rows, 0, f"write rows into {table}, which version {version} has")

    def test_counts(self) -> None:
        """What is under way, queued, waiting and parked is counted as it is; ids go on rising."""
        for version in self.each():
            parked = 6 if version >= 2 else 3
            counts = {"active": 7, "queued": 5, "events": 2, "parked": parked}
            self.assertEqual((self.store.counts(), self.store.last_segment_id()), (counts, 13), version)
            self.assertEqual(self.one(ops.Measure(4096)).queued, 5, version)

    def test_opted_out(self) -> None:
        """Who had opted out still has."""
        for version in self.each():
            wanted = [OPTED_OUT] if version >= 10 else []
            self.store.close()
            self.assertEqual([one.number for one in opt_outs(self.path)], wanted, (version, self.is_rescued))

    def test_queued(self) -> None:
        """What was queued is loaded, with all that it is sent with: at once, or when its next attempt is due."""
        for version in self.each():
            first, last, overdue = self.queued()
            limited = version >= 4
            shop = Segment(
                1, 1, 1, "text 1 of SM-QUEUED", "gsm7", "Shop", NUMBER, LATER, 0, is_limited=limited, sid="SM-QUEUED"
            )
            self.assertEqual(first, shop, version)
            self.assertEqual(last, Segment(6, 3, 3, "text 3 of SM-LONG", "ucs2", "8228", NUMBER, LATER, sid="SM-LONG"))
            self.assertEqual(overdue.id, 8)
            self.assertEqual(self.one(ops.LoadRetries("smpp", 9)), [(NUMBER, 2, 1, LATER)])
            ((again,), _) = self.one(ops.LoadDue("smpp", NOW, 9, ops.DuePlace(0, 100)))
            self.assertEqual(
                again, Segment(2, 1, 1, "text 1 of SM-AGAIN", "gsm7", None, NUMBER, LATER, 2, sid="SM-AGAIN")
            )
            self.accept(again, "5000005")
            self.assertEqual(self.one(ops.Receive((receipt("5000005"),))).matched, 1)
            self.assertEqual(self.reports()["SM-AGAIN"], ("DELIVERED", "000"), version)

    def test_other_queue(self) -> None:
        """What was queued for a channel can be given to another route."""
        for version in self.each():
            moved = self.one(ops.Requeue(("smpp/92",), lambda *_: "smpp/92"))
            self.assertEqual((moved.moved, self.queued()), (4, []), version)
            self.assertEqual([one.id for one in self.one(ops.LoadSegments("smpp/92", 0, 9))], [1, 6, 8])

    def test_claimed(self) -> None:
        """What another process had claimed may have been sent: it is never sent again, and told."""
        for version in self.each():
            self.assertEqual(self.one(ops.Settle(NOW, PROCESS)), 0, version)
            self.assertEqual(self.one(ops.Settle(NOW, PROCESS + 1)), 1, version)
            self.assertEqual(self.reports()["SM-CLAIMED"], ("FAILED", CODE_UNKNOWN), version)
            self.assertEqual(self.store.counts()["queued"], 4)

    def test_events(self) -> None:
        """What waits in the outbox is loaded, in order and whole; what the broker confirmed before is not. Once the
        broker has it, nothing waits."""
        for version in self.each():
            report, text = self.waiting()
            self.assertEqual([report.event_id, text.event_id], WAITING, version)
            self.assertEqual((report.kind, text.kind, report.jms_type), ("delivery_report", "incoming_message", "smpp"))
            said = {"MessageSID": "SM-FAILED", "DeliveryStatus": "FAILED", "ProviderStatusCode": 11}
            self.assertEqual(json.loads(report.body), said)
            self.assertEqual(json.loads(text.body)["Body"], "\u0633\u0644\u0627\u0645")
            self.confirm()
            self.assertEqual((self.waiting(), self.store.counts()["events"]), ([], 0), version)

    def test_nothing_waits(self) -> None:
        """Where nothing waits, be it that there never was anything, only what comes from now on is told."""
        for version in EARLIER:
            for told in ([], ["SM1", "SM2"]):
                path = self.mktemp()
                with closing(sqlite3.connect(path)) as connection:
                    database.create(connection, version)
                    for sid in told:
                        File(connection, version).report(sid, "DELIVERED", "000", published_at=NOW)
                    connection.commit()
                self.store = Store(path)
                self.addCleanup(self.store.close)
                self.assertEqual(self.waiting(), [], version)
                self.one(ops.Incoming((IncomingSegment("smpp", ACCOUNT, NUMBER, "8228", "hello", NOW),)))
                self.assertEqual(self.texts(), ["hello"], version)
                self.confirm()
                self.assertEqual(self.waiting(), [], version)

    def test_told_before(self) -> None:
        """What was told by the version before is not told again, whoever repeats it."""
        repeat = IncomingSegment("smpp", "smpp", NUMBER, "8228", "\u0633\u0644\u0627\u0645", NOW, sid="SM-TOLD")
        again = ops.Receive((replace(receipt("1001"), account="smpp"),), report_unknown=True, channel="smpp")
        for version in self.each():
            received = self.one(ops.Receive((receipt("1000010"), receipt("1000010", Finality.FAILED))))
            self.assertEqual((received.matched, received.parked, received.repeated), (0, 0, 2), version)
            self.one(ops.Incoming((repeat, replace(repeat, sid=LONG_SID))))
            self.assertEqual(self.one(again).matched, 1)
            self.assertEqual([one.event_id for one in self.waiting()], WAITING, version)
            self.one(ops.Incoming((replace(repeat, text="another"),)))
            self.assertEqual(self.texts(), ["another"], version)

    def test_receipts(self) -> None:
        """Receipts find what was sent, in whichever form their ids come, and end it once; the rest is sent first."""
        for version in self.each():
            received = self.one(ops.Receive((receipt(UUID.replace("-", "")), receipt("1000010"), receipt("1000522"))))
            self.assertEqual((received.matched, received.parked, received.repeated), (2, 0, 1), version)
            self.assertEqual(self.reports()[LONG_SID], ("DELIVERED", "000"), version)
            self.assertNotIn("SM-LONG", self.reports())
            (rest,) = [one for one in self.queued() if one.message_id == 4]
            self.accept(rest, "6000006")
            self.assertEqual(self.one(ops.Receive((receipt("6000006"),))).ended, (4,))
            self.assertEqual(self.one(ops.Receive((receipt("6000006"), receipt(UUID)))).repeated, 2)
            self.assertEqual(self.reports()["SM-LONG"], ("DELIVERED", "000"), version)

    def test_several_ids(self) -> None:
        """What was queued may get several ids now; what was sent and what was parked before is found as ever."""
        for version in self.each():
            self.store._of_several.add(ACCOUNT)
            first = self.queued()[0]
            outcome = OutcomeOfParts(first, Verdict.ACCEPTED, ACCOUNT, "2000002", other_ids=("2000003",))
            self.one(ops.Record(((outcome, 0),), NOW))
            self.assertNotIn("SM-QUEUED", self.reports(), version)
            received = self.one(ops.Receive((receipt("2000003"), receipt(UUID))))
            self.assertEqual((received.matched, received.parked), (2, 0), version)
            self.assertEqual(self.reports()["SM-QUEUED"], ("DELIVERED", "000"), version)

    def test_parked(self) -> None:
        """A receipt that came before the response to its submit is found by that response; one without a code too."""
        for version in self.each():
            first, last, _ = self.queued()
            self.accept(first, "2000002")
            self.assertEqual(self.reports()["SM-QUEUED"], ("DELIVERED", "DELIVERED"), version)
            self.accept(last, "1000001F")
            states = [part.state for part in self.parts("SM-LONG")]
            self.assertEqual(states, [SegmentState.DELIVERED, SegmentState.SENT, SegmentState.DELIVERED], version)
            self.assertEqual(self.store.parked, 4 if version >= 2 else 1)

    def test_parked_texts(self) -> None:
        """What only looked like a receipt, and fitted no message, is handed on as the text that it was."""
        for version in self.each():
            self.one(ops.Sweep(NOW, 0))
            expected = ["id:1 old", "id:2 newer", "id:3 newest"] if version >= 2 else []
            self.assertEqual((self.texts(), self.store.parked), (expected, 2), version)

    def test_parts_of_texts(self) -> None:
        """A part that waited is joined with the one that comes now, whether characters, octets or of an alphabet; one
        that waited for too long is handed on alone, and what was handed on before is not handed on again."""
        for version in self.each():
            more: list[tuple[int, str, str | None]] = [(1, "end", None)]
            expected = ["begin\0 end"]
            if version >= 2:
                more += [(3, "00ff", None), (4, "already", None)]
                expected += ["c0ffee00ff"]
            if version >= 6:
                more += [(5, "0021", "ucs2")]
                expected += ["\u0633\u0644\u0627\u0645!"]
            for reference, text, written_in in more:
                part = IncomingSegment("smpp", ACCOUNT, NUMBER, "8228", text, NOW, reference, 2, 2)
                self.one(ops.Incoming((replace(part, is_binary=reference == 3, written_in=written_in),)))
            self.assertEqual(self.texts(), sorted(expected), version)
            self.one(ops.Sweep(0, OLD))
            self.assertEqual(self.texts(), sorted([*expected, "alone"]), version)

    def test_overdue(self) -> None:
        """What is past its lifetime ends as what it is: never taken by the network, or never told of."""
        for version in self.each():
            self.one(ops.Sweep(NOW, 0))
            told = self.reports()
            self.assertEqual(told["SM-OVERDUE"], ("FAILED", CODE_EXPIRED), version)
            self.assertEqual(len(told), 2, version)
            self.one(ops.Sweep(NOW + DEFAULT_WAIT_MS, 0))
            self.assertEqual(self.reports()["SM-SILENT"], ("FAILED", CODE_NO_RECEIPT), version)

    def test_parked_event(self) -> None:
        """An event that the sink had refused is tried again."""
        for version in self.each():
            parked = self.one(ops.LoadParkedEvents(SINK, "delivery_report", NOW, 9))
            expected = ["dr-SM-REFUSED"] if version >= 7 else []
            self.assertEqual([one.event_id for one in parked], expected, version)

    def test_find(self) -> None:
        """What an application asks about is shown as the version before knew it."""
        for version in self.each():
            found = self.one(ops.Find("SM-FAILED"))
            self.assertEqual((found.state, found.code, found.final_at), (MessageState.FAILED, 11, NOW - 10))
            first, second = self.parts("SM-FAILED")
            self.assertEqual(
                first._replace(queue=""),
                FoundSegment(1, "text 1 of SM-FAILED", SegmentState.FAILED, 0, ACCOUNT, None, 11, NOW),
            )
            self.assertEqual((second.account, second.smsc_id, second.code, second.sent_at), (None, None, None, None))
            self.assertEqual(self.parts(LONG_SID)[0].smsc_id, UUID, version)
            self.assertIsNone(self.one(ops.Find("SM-DELIVERED")).code)

    def test_texts_are_dropped(self) -> None:
        """Retention goes on where it was: it drops the texts of what has ended and of what the broker has, once."""
        for version in self.each():
            text = 1 if version < 3 else 0  # of SM-PURGED: versions without retention kept it
            body = 1 if version < 3 or self.is_rescued else 0  # rescue does not know how far retention was
            self.assertEqual(self.one(ops.Purge(LATER, 0)), 3 + text + body, version)
            self.assertEqual(self.one(ops.Purge(LATER, 0)), 0, version)
            for sid in ("SM-DELIVERED", "SM-FAILED", "SM-PURGED"):
                self.assertEqual({part.text for part in self.parts(sid)}, {""})
            self.assertTrue(all(one.body for one in self.waiting()), version)
            self.assertEqual(self.queued()[0].text, "text 1 of SM-QUEUED")

    def test_to_the_end(self) -> None:
        """Everything under way ends and is told once; the books balance; and retention finds all that is over."""
        for version in self.each():
            self.assertEqual(reconcile(self.path).faults, [], version)
            self.one(ops.Settle(NOW, PROCESS + 1))
            self.one(ops.Sweep(LATER + DEFAULT_WAIT_MS, LATER))
            under_way = {"SM-QUEUED", "SM-AGAIN", "SM-CLAIMED", "SM-LONG", LONG_SID, "SM-OVERDUE", "SM-SILENT"}
            self.assertEqual(set(self.reports()), under_way | {"SM-FAILED"}, version)
            self.assertEqual(TOLD_BEFORE & {one.event_id for one in self.waiting()}, set())
            self.assertEqual(self.store.counts()["active"], 0)
            self.assertEqual(reconcile(self.path).faults, [], version)
            purge = ops.Purge(LATER + DEFAULT_WAIT_MS, LATER + DEFAULT_WAIT_MS)
            self.one(purge)
            self.assertEqual(len(self.reports()), 8)  # what the broker has not got yet is kept
            self.confirm()
            steps = [self.one(purge) for _ in range(5)]
            self.assertEqual(steps[-1], 0, version)
            self.assertEqual(reconcile(self.path), ([], []), version)
            self.assertEqual(self.store.counts(), {"active": 0, "queued": 0, "events": 0, "parked": 0}, version)


class StepCase(SynchronousTestCase):
    def test_newer_schema(self) -> None:
        """A file of a newer version is refused, with the way out."""
        path = self.mktemp()
        store = Store(path)
        store._connection.execute("PRAGMA user_version=9999")
        store.close()
        self.assertIn("newer version", str(self.assertRaises(StoreUnusable, Store, path)))

    def test_step_that_fails(self) -> None:
        """A step is taken whole or not at all: what it had done is undone, and the file stays what it was."""
        path = self.mktemp()
        write_file(path, EARLIER[-1])
        known = database.steps()
        broken = (NEWEST + 1, "CREATE TABLE half (x); DELETE FROM message; SELECT no_such_function();")
        self.patch(database, "steps", lambda: [*known, broken])
        self.assertRaises(StoreUnusable, Store, path)
        self.patch(database, "steps", lambda: known)
        with closing(sqlite3.connect(path)) as connection:
            self.assertEqual(connection.execute("PRAGMA user_version").fetchone(), (NEWEST,))
            self.assertEqual(connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'half'").fetchone(), None)
        store = Store(path)
        self.addCleanup(store.close)
        self.assertEqual(store.apply([ops.Settle(NOW, PROCESS + 1)]), [1])
