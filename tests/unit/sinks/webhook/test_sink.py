"""The webhook sink: at least once, in order for each number, and nobody held up by another."""

import json
from datetime import UTC, datetime

from standardwebhooks.webhooks import Webhook

from smsconnector.net.http_client import HTTPReply
from smsconnector.sinks import EventVerdict, IEventSink
from smsconnector.sinks.webhook.sink import (
    IN_A_ROW,
    LAST_ATTEMPT,
    LONGEST_PAUSE,
    LONGEST_WISH,
    PATIENCE,
    TRIES,
)
from smsconnector.walks.publisher import FIRST_DELAY, FIRST_RETRY, LONGEST_RETRY
from tests.unit.fakes import EPOCH
from tests.unit.sinks.webhook.stage import SECRET, SinkStage, cut, down, report, text


class SentCase(SinkStage):
    def test_request(self) -> None:
        """What an application gets, and that it can verify it with the library of Standard Webhooks."""
        self.assertTrue(IEventSink.providedBy(self.sink))
        self.publish(text(1))
        ((call, _),) = self.client.asked
        self.assertEqual((call.method, call.url), ("POST", "https://crm.example/hook?token=s3cret"))
        headers = dict(call.headers)
        self.assertEqual(headers["webhook-id"], "in/smpp/S1/d")
        self.assertEqual((headers["Authorization"], headers["Content-Type"]), ("s3cret", "application/json"))
        self.assertEqual(headers["webhook-timestamp"], str(int(EPOCH)))
        expected = Webhook(SECRET).sign(headers["webhook-id"], datetime.fromtimestamp(EPOCH, UTC), call.body.decode())
        self.assertEqual(headers["webhook-signature"], expected)
        self.assertEqual(json.loads(call.body)["data"]["From"], "46701")

    def test_confirmed(self) -> None:
        """Any 2xx confirms; all that one turn of the reactor brings is told together."""
        self.publish(text(1), report(2), report(3))
        for _, answer in self.client.asked:
            self.assertFalse(answer.called)
        self.answer(200, 204, 299)
        self.assertEqual(self.confirmed, [1, 2, 3])
        self.assertEqual(self.client.asked, [])
        self.assertTrue(self.sink.connected)

    def test_told_together(self) -> None:
        """One outcome for those, so that the database is asked once."""
        self.publish(text(1), report(2))
        asked, self.client.asked = self.client.asked, []
        for _, answer in asked:
            answer.callback(HTTPReply(200, {}, b""))
        self.assertEqual(self.outcomes, [])
        self.clock.advance(0)
        self.assertEqual([[event.id for event in one.events] for one in self.outcomes], [[1, 2]])

    def test_parallel(self) -> None:
        """So many at a time, and not more."""
        self.publish(*(report(number) for number in range(10)))
        self.assertEqual(len(self.client.asked), 4)
        self.answer(200)
        self.assertEqual(len(self.client.asked), 4)
        self.answer(200, 200, 200, 200)
        self.assertEqual(self.ids(), ["dr-SM5", "dr-SM6", "dr-SM7", "dr-SM8"])

    def test_order_of_a_number(self) -> None:
        """Texts of one number go one after the other; others go beside them."""
        self.publish(text(1, "46701"), text(2, "46701"), text(3, "46702"), text(4, "+46701"), report(5))
        self.assertEqual(self.ids(), ["in/smpp/S1/d", "in/smpp/S3/d", "dr-SM5"])
        self.answer(200, 200, 200)
        self.assertEqual(self.ids(), ["in/smpp/S2/d"])
        self.answer(200)
        self.assertEqual(self.ids(), ["in/smpp/S4/d"])

    def test_what_can_not_be_sent(self) -> None:
        """An event whose body is none is refused, and holds up no other."""
        bad = text(1).__class__(7, "dr-x", "delivery_report", "smpp", "", 0, 0)
        strange = text(1).__class__(8, "x", "another_kind", "smpp", '{"a": 1}', 0, 0)
        self.publish(bad, strange, report(9))
        self.answer(200)
        self.assertEqual((self.told(EventVerdict.REFUSED), self.confirmed), ([7, 8], [9]))

    def test_new_time_and_same_id(self) -> None:
        """A repeat has the id and the body that it had, and a time and a signature of its own."""
        self.publish(text(1))
        (first, _) = self.client.asked[0]
        self.answer(cut())
        self.advance_until(lambda: self.client.asked, step=1.0)
        (second, _) = self.client.asked[0]
        self.assertEqual(first.body, second.body)
        one, other = dict(first.headers), dict(second.headers)
        self.assertEqual(one["webhook-id"], other["webhook-id"])
        for header in ("webhook-timestamp", "webhook-signature"):
            self.assertNotEqual(one[header], other[header])


class FailuresCase(SinkStage):
    def test_refused_at_once(self) -> None:
        """A 4xx and a redirect are parked at once: to send the same again in a second is no use."""
        self.publish(text(1, "46701"), text(2, "46701"), report(3), report(4))
        self.answer(400, 301, 404)
        self.assertEqual(self.told(EventVerdict.REFUSED), [1, 3, 4])
        self.assertIn("redirects are not followed", self.outcomes[1].reason)
        self.assertEqual(self.ids(), ["in/smpp/S2/d"])

    def test_tried_again_then_parked(self) -> None:
        """Other failures are tried again after pauses that double; the number's next text waits, and goes when this one
        is parked. Others do not wait."""
        self.publish(text(1, "46701"), text(2, "46701"))
        pauses = []
        for number in range(TRIES):
            self.assertEqual(self.ids(), ["in/smpp/S1/d"])
            self.publish(report(10 + number))
            self.answer(500, 200)
            if number < TRIES - 1:
                pauses.append(self.advance_until(lambda: self.client.asked, step=0.05))
        for pause, most in zip(pauses, (1, 2, 4, 8), strict=True):
            self.assertTrue(most / 2 <= pause <= most + 0.1, pauses)
        self.assertEqual(self.told(EventVerdict.REFUSED), [1])
        (refused,) = [one for one in self.outcomes if one.verdict is EventVerdict.REFUSED]
        self.assertEqual(refused.reason, "it answered 500 Internal Server Error")
        self.assertEqual(self.ids(), ["in/smpp/S2/d"])

    def test_silence_of_one(self) -> None:
        """An event that never gets an answer, while others do, is wanted later."""
        self.publish(report(1))
        for number in range(TRIES):
            self.advance_until(lambda: self.client.asked)
            self.answer(cut())
            self.publish(report(10 + number))
            self.answer(200)
        self.assertEqual(self.told(EventVerdict.LATER), [1])

    def test_silence_of_all(self) -> None:
        """A target that answers nobody is the one in trouble: its events wait, for a long time, and are not parked one
        after the other."""
        self.publish(*(report(number) for number in range(8)))
        while self.clock.seconds() < PATIENCE / 2:
            self.advance_until(lambda: self.client.asked)
            self.answer(cut())
        self.assertEqual((self.outcomes, self.states), ([], ["holds back"]))
        while not self.outcomes:
            self.advance_until(lambda: self.client.asked)
            self.answer(cut())
        self.assertTrue(PATIENCE <= self.clock.seconds() < 2 * PATIENCE)

    def test_parked_ones_have_one_try(self) -> None:
        """An event that was parked before does not hold up its number with five tries each time."""
        self.publish(text(1, "46701", attempts=3), text(2, "46701"))
        self.answer(500)
        self.assertEqual((self.told(EventVerdict.REFUSED), self.ids()), ([1], ["in/smpp/S2/d"]))

    def test_a_day(self) -> None:
        """The publisher's pauses up to the last attempt make a day and not two; what is refused then stays parked."""
        for verdict, first in ((EventVerdict.REFUSED, FIRST_RETRY), (EventVerdict.LATER, FIRST_DELAY)):
            pauses = [min(first * 2**number, LONGEST_RETRY) for number in range(LAST_ATTEMPT[verdict] - 1)]
            self.assertTrue(86_400 <= sum(pauses) < 90_000 + LONGEST_RETRY, sum(pauses))
        last = LAST_ATTEMPT[EventVerdict.REFUSED]
        self.publish(report(1, attempts=last - 2), report(2, attempts=last - 1), report(3, attempts=99))
        self.answer(400, 400, 400)
        self.assertEqual([one.again for one in self.outcomes], [True, False, False])

    def test_refuses_all(self) -> None:
        """Health says so, the log once; parked events are still tried, or it would never end."""
        self.publish(*(report(number) for number in range(10)))
        self.answer(*[403] * 4, *[403] * 4, *[403] * 2)
        self.assertEqual((self.states, self.sink.connected), (["refuses"], True))
        said = [line for line in self.log.lines if "403" in line]
        self.assertEqual(len(said), 1)
        self.assertGreater(len(self.told(EventVerdict.REFUSED)), IN_A_ROW)
        self.publish(report(20, attempts=1))
        self.answer(200)
        self.assertEqual((self.states, self.log.lines[-1]), ([], "https://crm.example takes events again"))

    def test_nothing_secret(self) -> None:
        """No log and no reason has the query, a header of ours, or a word of the answer's body."""
        self.publish(report(1), report(2), text(3), text(4))
        self.answer(400, 410, down(), cut())
        for line in [*self.log.lines, *(one.reason for one in self.outcomes), *(one.why for one in self.sink.troubles)]:
            for secret in ("s3cret", "4670", "token"):
                self.assertNotIn(secret, line)


class DownCase(SinkStage):
    def test_down(self) -> None:
        """Nothing is answered and nothing counts, however long; one is tried at a time, with pauses that grow up to a
        minute; when the target is back, all goes on, with more and more at a time."""
        self.publish(*(report(number) for number in range(30)))
        self.answer(down(), down(), down(), down())
        self.assertEqual((self.states, self.sink.connected), (["down"], False))
        pauses = []
        for _ in range(40):
            pauses.append(self.advance_until(lambda: self.client.asked))
            self.assertEqual(len(self.client.asked), 1)
            self.answer(down())
        self.assertTrue(0.5 <= pauses[0] <= 1.25 and 30 <= pauses[-1] <= LONGEST_PAUSE + 0.25, pauses)
        self.assertEqual(self.outcomes, [])
        self.advance_until(lambda: self.client.asked)
        self.answer(200)
        self.assertEqual((len(self.client.asked), self.states, self.sink.connected), (2, [], True))
        self.answer(200, 200)
        self.assertEqual(len(self.client.asked), 4)
        self.assertEqual(len([line for line in self.log.lines if "down" in line]), 1)

    def test_one_after_the_other(self) -> None:
        """Each number has its turn while it is down, and none loses its order."""
        self.publish(text(1, "46701"), text(2, "46701"), report(3))
        self.answer(down(), down())
        tried = []
        for _ in range(4):
            self.advance_until(lambda: self.client.asked)
            tried += self.ids()
            self.answer(down())
        self.assertEqual(tried, ["in/smpp/S1/d", "dr-SM3"] * 2)

    def test_stop_while_down(self) -> None:
        """Nothing is left to be called, and nothing is answered any more."""
        self.publish(report(1), report(2))
        self.answer(down())
        ((_, late),) = self.client.asked
        self.sink.stopService()
        late.callback(HTTPReply(200, {}, b""))
        self.assertEqual((self.clock.getDelayedCalls(), self.outcomes, self.client.is_closed), ([], [], True))

    def test_stop_tells_what_is_confirmed(self) -> None:
        """What was confirmed in the turn of the stop is told, so that it is not sent again."""
        self.publish(report(1))
        self.client.asked[0][1].callback(HTTPReply(200, {}, b""))
        self.sink.stopService()
        self.assertEqual((self.confirmed, self.clock.getDelayedCalls()), ([1], []))


class SlowerCase(SinkStage):
    def test_retry_after(self) -> None:
        """Nothing is sent for so long, in either form; then one at a time until one is taken."""
        moment = "Wed, 31 Dec 1969 23:59:59 GMT"
        for status, header, least in ((429, "17", 17.0), (503, moment, 0.5), (500, "20", 20.0)):
            self.publish(*(report(number) for number in range(6)))
            self.answer(status, headers={"retry-after": header})
            self.answer(200, 200, 200)
            self.assertEqual(self.client.asked, [])
            pause = self.advance_until(lambda: self.client.asked)
            self.assertTrue(least <= pause <= least + 2.5, (status, pause))
            while self.client.asked:
                self.answer(200)
            self.assertEqual((self.states, sorted(self.confirmed)), ([], [*range(6)]))
            self.outcomes.clear()

    def test_wish_about_one_event(self) -> None:
        """404 and Retry-After of an hour: that is about this event, and holds up no other."""
        self.publish(*(report(number) for number in range(6)))
        self.answer(404, 404, 200, 200, 200, 200, headers={"retry-after": "3600"})
        self.clock.advance(0)
        self.assertEqual((sorted(self.confirmed), self.states), ([2, 3, 4, 5], []))
        self.assertEqual(
            [one.verdict for one in self.outcomes if one.verdict is not EventVerdict.CONFIRMED],
            [EventVerdict.REFUSED] * 2,
        )

    def test_one_probe(self) -> None:
        """While it says no, one event asks it, another one each time, after pauses that grow."""
        self.publish(*(report(number) for number in range(6)))
        self.answer(503, 503, 503, 503)
        tried = []
        for _ in range(8):
            self.advance_until(lambda: self.client.asked)
            tried += self.ids()
            self.answer(503)
        self.assertEqual(len(set(tried)), 6)
        self.assertEqual((self.outcomes, self.states), ([], ["holds back"]))

    def test_longest_wish(self) -> None:
        """Who wishes for a year gets an hour."""
        self.publish(report(1))
        self.answer(429, headers={"retry-after": "99999999"})
        self.assertTrue(LONGEST_WISH <= self.advance_until(lambda: self.client.asked, step=10) <= LONGEST_WISH + 10)

    def test_one_event_that_breaks_it(self) -> None:
        """A target that fails at one event, behind a proxy that says 502, is not slow: the others are taken, and the
        one is parked."""
        self.publish(report(1))
        for number in range(50):
            self.publish(report(10 + number))
        while not self.told(EventVerdict.LATER):
            self.advance_until(lambda: self.client.asked, step=0.5)
            self.answer(502 if self.ids()[0] == "dr-SM1" else 200)
            self.publish(report(100 + len(self.confirmed)))
        self.assertEqual(self.told(EventVerdict.LATER), [1])
        self.assertGreater(len(self.confirmed), 3)

    def test_parked_while_it_holds_back(self) -> None:
        """If the last one was parked, parked events are tried: nobody else would find out that it is well again."""
        self.publish(report(1))
        while not self.outcomes:
            self.advance_until(lambda: self.client.asked, step=1.0)
            self.answer(503)
        self.assertEqual((self.states, self.sink.connected), (["holds back"], True))


class GoneCase(SinkStage):
    def test_gone(self) -> None:
        """A 410 is told loudly, once; nothing is sent any more, and all stays owed."""
        self.publish(*(report(number) for number in range(9)))
        self.answer(410, 410, 200, down())
        self.clock.advance(10 * 86_400)
        self.publish(report(10))
        self.assertEqual((self.client.asked, self.confirmed, self.states), ([], [2], ["disabled"]))
        (line,) = [line for line in self.log.lines if "410" in line]
        self.assertIn("https://crm.example answered 410: it wants no events any more", line)
        self.assertIn("at the next start", line)
        self.assertFalse(self.sink.connected)


class GoneForAWhileCase(SinkStage):
    retry_disabled = 3600.0

    def test_again(self) -> None:
        """After the time that is configured one event asks whether it is so still."""
        self.publish(*(report(number) for number in range(9)))
        self.answer(410, 200, 200, 200)
        self.assertEqual(self.client.asked, [])
        self.clock.advance(3600)
        self.assertEqual(len(self.client.asked), 1)
        self.answer(410)
        self.clock.advance(3600)
        while self.client.asked:
            self.answer(200)
        self.assertEqual((self.states, sorted(self.confirmed)), ([], [*range(9)]))

    def test_stopped(self) -> None:
        """A stop waits for none of that."""
        self.publish(report(1))
        self.answer(410)
        self.sink.stopService()
        self.assertEqual(self.clock.getDelayedCalls(), [])
