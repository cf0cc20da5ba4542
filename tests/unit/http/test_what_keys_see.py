"""What a key sees of what is not its own: of messages of another channel, and with the scope ``send`` alone."""

from dataclasses import replace
from typing import Any

from smsconnector.lifecycle import EndRules, FallBackRule
from smsconnector.messages import IncomingSegment
from smsconnector.store import operations as ops
from smsconnector.store.falling import Move
from tests.unit.fakes import ask, message
from tests.unit.http.test_keys import KeysCase, masked
from tests.unit.http.ways import both_ways
from tests.unit.store.test_searching import ACCOUNT, NOW

TO = "923001234567"
ONE, TIMELINE = "/msg-client/messages/SM1", "/msg-client/messages/SM1/timeline"


@both_ways
class WhatKeysSeeCase(KeysCase):
    def get(self, key: str, path: str, method: str = "GET") -> Any:
        return self.with_key(f"smsc_{key}_right", method, path)

    def test_fallen_back(self) -> None:
        """A message that has gone on over another channel is of that one: with all paths below it, and DELETE."""
        store = self.writer.store
        store._rules = EndRules(fall_backs={"smpp": FallBackRule(frozenset({"11"}), may_repeat=True)})
        made = message("SM1", "hi", to=TO)
        ask(store, [ops.Accept(made, 1, "smpp")])
        ask(store, [Move(ops.Accept(replace(made, channel="cloud"), 2, "cloud"), 1, NOW)])
        for key, status in (("smpp", 404), ("cloud", 200), ("read", 200)):
            found = [self.get(key, path).status for path in (ONE, TIMELINE)]
            self.assertEqual(found, [status, status], key)
        self.assertEqual(masked(self.get("smpp", TIMELINE)), masked(self.get("smpp", TIMELINE.replace("SM1", "SM0"))))
        self.assertEqual(self.get("smpp", ONE, "DELETE").status, 404)

    def answers(self, key: str) -> Any:
        (found,) = (
            one
            for one in self.get(key, f"/msg-client/messages?with=%2B{TO}").json["messages"]
            if one["Direction"] == "incoming"
        )
        return found["Answers"]

    def test_answers_of_another_channel(self) -> None:
        """A customer's text came by ``smpp``; the newest text to him from its number went by ``cloud``. Only a key that
        may read that one is told of it."""
        made = replace(message("SM1", "hi", to=TO, at=NOW), channel="cloud", reference="case 7")
        ask(self.writer.store, [ops.Accept(made, 1, "cloud")])
        ask(
            self.writer.store,
            [ops.Incoming((IncomingSegment("smpp", ACCOUNT, TO, "8228", "yes", NOW + 1, sid="in1"),))],
        )
        self.assertEqual(self.answers("read"), {"MessageSID": "SM1", "Reference": "case 7"})
        self.assertIsNone(self.answers("smpp"))

    def test_answers_of_its_own_channel(self) -> None:
        """They are told; of a message that is not kept any more nobody knows the channel, and a key of one channel is
        told nothing."""
        ask(self.writer.store, [ops.Accept(message("SM1", "hi", to=TO, at=NOW), 1, "smpp")])
        ask(
            self.writer.store,
            [ops.Incoming((IncomingSegment("smpp", ACCOUNT, TO, "8228", "yes", NOW + 1, sid="in1"),))],
        )
        self.assertEqual(self.answers("smpp"), {"MessageSID": "SM1"})
        self.writer.store._connection.execute("UPDATE message SET sid = 'SM2'")
        self.assertEqual((self.answers("read"), self.answers("smpp")), ({"MessageSID": "SM1"}, None))

    def test_taken_back_without_read(self) -> None:
        """Who may send, but not read, is told that it is done, and nothing of what the text was; also a key of one
        channel. Who may do both has the message."""
        short = {"MessageSID", "DeliveryStatus", "State", "ProviderStatusCode"}
        for key, sees in (("send", False), ("smpp", True)):
            self.with_key("smsc_smpp_right")
            sid = self.with_key("smsc_smpp_right").header("X-Message-SID")  # waits behind the first, to its number
            answer = self.get(key, f"/msg-client/messages/{sid}", "DELETE")
            self.assertEqual(answer.status, 200, key)
            self.assertEqual((answer.json["MessageSID"], answer.json["State"]), (sid, "cancelled"))
            self.assertEqual("Body" in answer.json, sees, key)
            self.assertEqual(set(answer.json) == short, not sees, key)
