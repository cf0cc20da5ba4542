"""The ESME session, octet by octet: no transport, and time is an argument."""

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from smsconnector.smpp import pdu as codec
from smsconnector.smpp import session as smpp
from smsconnector.smpp.constants import MAX_SEQUENCE, CommandId, Status
from smsconnector.smpp.enquiries import ASKED_AGAIN, ENQUIRIES
from smsconnector.smpp.pdu import PDU, Framer


class SessionCase(SynchronousTestCase):
    """A session that has been started, and what it wrote."""

    settings = smpp.SessionSettings("me", "secret", window=3)

    def setUp(self) -> None:
        self.session = smpp.Session(self.settings)
        self.session.start(0.0)
        self.assertEqual([one.command_id for one in self.sent()], [CommandId.bind_transceiver])

    def sent(self) -> list[PDU]:
        return [codec.decode(octets) for octets in Framer().feed(self.session.data_to_send())]

    def give(self, command_id: int, sequence: int, status: int = 0, now: float = 0.0, **fields: Any) -> list[Any]:
        return self.session.receive(codec.encode(PDU(command_id, status, sequence, fields)), now)

    def bind(self) -> None:
        (bound,) = self.give(CommandId.bind_transceiver_resp, 1, system_id="SMSC")
        self.assertEqual(bound, smpp.Bound("SMSC", None))


class BindingCase(SessionCase):
    def test_good(self) -> None:
        """Room for the window only after the bind_resp."""
        self.assertEqual(self.session.room, 0)
        self.bind()
        self.assertEqual(self.session.room, 3)

    def test_refused(self) -> None:
        """A refusal gives its status and closes."""
        refused, closed = self.give(CommandId.bind_transceiver_resp, 1, Status.ESME_RINVPASWD)
        self.assertEqual(refused, smpp.BindRefused(Status.ESME_RINVPASWD))
        self.assertIsInstance(closed, smpp.Closed)

    def test_refused_without_body(self) -> None:
        """The same from SMSCs that leave the body out, or answer with generic_nack."""
        header = codec.bare(CommandId.bind_transceiver_resp, 1, Status.ESME_RALYBND)
        self.assertEqual(self.session.receive(header, 0.0)[0], smpp.BindRefused(Status.ESME_RALYBND))
        self.setUp()
        header = codec.bare(CommandId.generic_nack, 1, Status.ESME_RINVCMDID)
        self.assertEqual(self.session.receive(header, 0.0)[0], smpp.BindRefused(Status.ESME_RINVCMDID))

    def test_another_kind_of_answer(self) -> None:
        """The response of another kind of bind is one to ours: no other was sent."""
        for command_id in (CommandId.bind_transmitter_resp, CommandId.bind_receiver_resp):
            self.setUp()
            (bound,) = self.give(command_id, 1, system_id="SMSC")
            self.assertIsInstance(bound, smpp.Bound)

    def test_no_answer(self) -> None:
        """A bind that is never answered ends in bounded time."""
        self.assertEqual(self.session.tick(9.9), [])
        self.assertIsInstance(self.session.tick(10.0)[0], smpp.Closed)

    def test_deliver_sm_before_the_bind(self) -> None:
        """What overtakes the bind's response is kept for it; no SMSC is told for good that we don't want it."""
        self.assertEqual(self.give(CommandId.deliver_sm, 7, short_message=b"hi"), [])
        self.assertEqual(self.sent(), [])
        bound, delivered = self.give(CommandId.bind_transceiver_resp, 1, system_id="SMSC")
        self.assertIsInstance(bound, smpp.Bound)
        self.assertEqual(delivered.pdu.fields["short_message"], b"hi")

    def test_other_responses_before_the_bind(self) -> None:
        """A response to something else is no answer to the bind."""
        self.assertEqual(self.give(CommandId.submit_sm_resp, 1), [])
        self.bind()


class BoundCase(SessionCase):
    def setUp(self) -> None:
        super().setUp()
        self.bind()

    def test_window(self) -> None:
        """A submit takes a slot, its response frees it and brings the token back."""
        for token in "abc":
            self.session.submit(b"\0" * 20, token, 0.0)
        self.assertEqual(self.session.room, 0)
        sequences = [one.sequence_number for one in self.sent()]
        self.assertEqual(sequences, [2, 3, 4])
        (answered,) = self.give(CommandId.submit_sm_resp, 3, message_id="77")
        self.assertEqual(answered, smpp.Answered("b", 0, "77"))
        self.assertEqual(self.session.room, 1)

    def test_which_submit_and_how_long(self) -> None:
        """An answer tells the sequence_number of its submit, and how long it took (s)."""
        for token in "ab":
            self.session.submit(b"\0" * 20, token, 1.0)
        response = codec.with_body(CommandId.submit_sm_resp, 3, b"77\0")
        answered: Any
        (answered,) = self.session.receive(response, 1.25)
        self.assertEqual((answered.sequence, answered.waited), (3, 0.25))
        silent: Any
        (silent,) = self.session.tick(1000.0, 40.0)
        self.assertEqual((silent.token, silent.sequence), ("a", 2))
        late: Any
        (late,) = self.session.receive(codec.with_body(CommandId.submit_sm_resp, 2, b"78\0"), 1001.0)
        self.assertEqual(late.sequence, 2)

    def test_forms_of_the_response(self) -> None:
        """Without a body, without its NUL, with an unknown status, or as generic_nack: all are answers."""
        cases = [
            (codec.bare(CommandId.submit_sm_resp, 2, 0x400), smpp.Answered("a", 0x400, "")),
            (codec.with_body(CommandId.submit_sm_resp, 2, b"77"), smpp.Answered("a", 0, "77")),
            (codec.bare(CommandId.generic_nack, 2, 3), smpp.Answered("a", 3, "")),
        ]
        for octets, expected in cases:
            self.setUp()
            self.session.submit(b"\0" * 20, "a", 0.0)
            self.assertEqual(self.session.receive(octets, 0.0), [expected])

    def test_congestion(self) -> None:
        """congestion_state counts wherever it comes: with a message_id, an empty one or none, and in any response."""
        congested, refused = b"\x04\x28\0\1\x5a", smpp.Answered("a", Status.ESME_RTHROTTLED, "")
        for command_id, status, body, answers in (
            (CommandId.submit_sm_resp, 0, b"77\0" + congested, [smpp.Answered("a", 0, "77")]),
            (CommandId.submit_sm_resp, Status.ESME_RTHROTTLED, b"\0" + congested, [refused]),
            (CommandId.submit_sm_resp, Status.ESME_RTHROTTLED, congested, [refused]),
            (CommandId.generic_nack, Status.ESME_RTHROTTLED, congested, [refused]),
            (CommandId.enquire_link_resp, 0, congested, []),
        ):
            self.setUp()
            self.session.submit(b"\0" * 20, "a", 0.0)
            events = self.session.receive(codec.with_body(command_id, 2, body, status), 0.0)
            self.assertEqual(events, [smpp.Congestion(90), *answers])

    def test_unknown_response(self) -> None:
        """A response to nothing we sent changes nothing."""
        self.assertEqual(self.give(CommandId.submit_sm_resp, 99, message_id="1"), [])

    def test_generic_nack_of_a_submit(self) -> None:
        """Whatever status it brings, nothing was taken."""
        self.session.submit(b"", "one", 0.0)
        (answered,) = self.session.receive(codec.bare(CommandId.generic_nack, 2, 0), 0.0)
        assert isinstance(answered, smpp.Answered)
        self.assertEqual(answered.status, Status.ESME_RUNKNOWNERR)

    def test_response_time_out(self) -> None:
        """A response that never comes frees its slot; the outcome is unknown. A late one says once that it was taken,
        or nothing."""
        self.session.submit(b"\0" * 20, "a", 0.0)
        self.session.submit(b"\0" * 20, "b", 1.0)
        self.session.receive(codec.bare(CommandId.enquire_link, 9), 29.0)
        self.assertEqual(self.session.tick(30.0), [smpp.Unanswered("a")])
        self.assertEqual(self.session.tick(31.0), [smpp.Unanswered("b")])
        self.assertEqual(self.give(CommandId.submit_sm_resp, 2, message_id="1", now=32.0), [smpp.Late("a", "1")])
        self.assertEqual(self.give(CommandId.submit_sm_resp, 2, message_id="1", now=32.0), [])
        refusal = codec.bare(CommandId.submit_sm_resp, 3, Status.ESME_RSYSERR)
        self.assertEqual(self.session.receive(refusal, 33.0), [])

    def test_many_overdue(self) -> None:
        """An SMSC that never answers fills no memory: the oldest are forgotten."""
        for number in range(count := smpp.OVERDUE + 1):
            self.session.submit(b"\0" * 20, number, 0.0)
        self.session.receive(codec.bare(CommandId.enquire_link, 9), 29.0)
        self.assertEqual(len(self.session.tick(30.0)), count)
        self.assertEqual(self.give(CommandId.submit_sm_resp, 2, message_id="1", now=31.0), [])
        self.assertEqual(self.give(CommandId.submit_sm_resp, 3, message_id="1", now=31.0), [smpp.Late(1, "1")])

    def test_deliver_sm(self) -> None:
        """Handed over, and answered only when the caller says so, with its status."""
        (event,) = self.give(CommandId.deliver_sm, 5, short_message=b"hi")
        self.assertEqual(self.sent(), [])
        self.session.respond(event.pdu, Status.ESME_RX_T_APPN)
        (response,) = self.sent()
        self.assertEqual(
            (response.command_id, response.sequence_number, response.command_status),
            (CommandId.deliver_sm_resp, 5, Status.ESME_RX_T_APPN),
        )

    def test_broken_deliver_sm(self) -> None:
        """One that can't be parsed gets its error response; the bind goes on."""
        events = self.session.receive(codec.with_body(CommandId.deliver_sm, 5, b"\0\1"), 0.0)
        self.assertIsInstance(events[0], smpp.Rejected)
        self.assertEqual(self.sent()[0].command_status, Status.ESME_RINVMSGLEN)
        self.assertIs(self.session.state, smpp.State.BOUND)

    def test_unknown_command(self) -> None:
        """Answered with generic_nack; unknown responses, outbind and alert_notification are passed over."""
        self.session.receive(codec.bare(0x00000111, 5), 0.0)
        self.assertEqual(self.sent()[0].command_id, CommandId.generic_nack)
        for command_id in (0x80000111, CommandId.alert_notification, CommandId.outbind):
            self.session.receive(codec.bare(command_id, 6), 0.0)
        self.assertEqual(self.sent(), [])
        self.assertIs(self.session.state, smpp.State.BOUND)

    def test_broken_framing(self) -> None:
        """A length under 16 or over the cap: generic_nack, then the end, with what was outstanding."""
        self.session.submit(b"\0" * 20, "a", 0.0)
        self.session.data_to_send()
        (closed,) = self.session.receive(b"\0\0\0\x0f" + b"\0" * 12, 0.0)
        assert isinstance(closed, smpp.Closed)
        self.assertEqual(closed.outstanding, ("a",))
        self.assertEqual(self.sent()[0].command_id, CommandId.generic_nack)

    def test_enquire_link(self) -> None:
        """The SMSC's is answered; ours is sent in silence, and no answer to it ends the session."""
        self.session.receive(codec.bare(CommandId.enquire_link, 7), 0.0)
        self.assertEqual(self.sent()[0].command_id, CommandId.enquire_link_resp)
        self.session.tick(30.0)
        self.assertEqual(self.sent()[0].command_id, CommandId.enquire_link)
        self.assertEqual(self.session.tick(59.0), [])
        self.assertIsInstance(self.session.tick(60.0)[0], smpp.Closed)

    def test_enquire_link_answered(self) -> None:
        """Any PDU that comes shows that the peer is there."""
        self.session.tick(30.0)
        self.session.receive(codec.bare(CommandId.enquire_link_resp, 2), 31.0)
        self.assertEqual(self.session.tick(60.5), [])

    def ask(self, now: float) -> int:
        """Let the session send enquire_link at that time; its sequence_number."""
        self.assertEqual(self.session.tick(now), [])
        (enquiry,) = self.sent()
        self.assertEqual(enquiry.command_id, CommandId.enquire_link)
        return enquiry.sequence_number

    def test_enquire_link_refused(self) -> None:
        """An SMSC that answers with errors has forgotten the session (public bug reports: after a fail-over it answers
        ESME_RINVBNDSTS for hours): asked again soon, and after some in a row the session is over. So with
        generic_nack, also one of sequence_number 0."""
        for command_id, status, sequence in (
            (CommandId.enquire_link_resp, Status.ESME_RINVBNDSTS, None),
            (CommandId.enquire_link_resp, Status.ESME_RSYSERR, None),
            (CommandId.generic_nack, Status.ESME_RINVCMDID, None),
            (CommandId.generic_nack, Status.ESME_RINVBNDSTS, 0),
            (CommandId.generic_nack, 0, None),
        ):
            self.setUp()
            now = 30.0
            for _ in range(ENQUIRIES - 1):
                ours = self.ask(now)
                number = ours if sequence is None else sequence
                self.assertEqual(self.session.receive(codec.bare(command_id, number, status), now), [])
                self.assertEqual(self.session.tick(now + ASKED_AGAIN - 0.5), [])
                self.assertEqual(self.sent(), [])
                now += ASKED_AGAIN
            number = self.ask(now) if sequence is None else self.ask(now) * 0
            (dismissed,) = self.session.receive(codec.bare(command_id, number, status), now)
            assert isinstance(dismissed, smpp.Dismissed)
            self.assertIn("enquire_link", dismissed.reason)
            self.assertEqual([one.command_id for one in self.sent()], [CommandId.unbind])
            self.assertEqual(self.session.room, 0)
            self.assertIsInstance(self.session.tick(now + 10.0)[0], smpp.Closed)

    def test_enquire_link_refused_now_and_then(self) -> None:
        """One good answer, a submit that is taken, or a deliver_sm: the SMSC knows the session."""
        for good in (
            lambda ours, _: codec.bare(CommandId.enquire_link_resp, ours),
            lambda _, submitted: codec.with_body(CommandId.submit_sm_resp, submitted, b"77\0"),
            lambda *_: codec.encode(PDU(CommandId.deliver_sm, 0, 9, {"short_message": b"hi"})),
        ):
            self.setUp()
            now = 30.0
            for turn in range(4 * ENQUIRIES):
                ours = self.ask(now)
                self.session.submit(b"\0" * 20, "a", now)
                submitted = self.sent()[0].sequence_number
                bad = codec.bare(CommandId.enquire_link_resp, ours, Status.ESME_RINVBNDSTS)
                self.session.receive(bad if turn % (ENQUIRIES - 1) else good(ours, submitted), now)
                self.assertIs(self.session.state, smpp.State.BOUND)
                now += 30.0
                self.session.window.clear()

    def test_refusals_that_nobody_asked_for(self) -> None:
        """Errors of enquire_link_resp without an enquire_link, and a generic_nack of something else, count for
        nothing."""
        for _ in range(3 * ENQUIRIES):
            self.session.receive(codec.bare(CommandId.enquire_link_resp, 7, Status.ESME_RINVBNDSTS), 1.0)
            self.session.receive(codec.bare(CommandId.generic_nack, 0, Status.ESME_RINVCMDID), 1.0)
        self.assertIs(self.session.state, smpp.State.BOUND)
        self.assertEqual(self.session.tick(20.0), [])
        self.assertEqual(self.sent(), [])

    def test_drops_of_a_pdu(self) -> None:
        """Octets of a PDU that never gets whole don't."""
        self.session.receive(b"\0", 25.0)
        self.session.tick(30.0)
        self.assertEqual(self.sent()[0].command_id, CommandId.enquire_link)
        self.session.receive(b"\0", 50.0)
        self.assertIsInstance(self.session.tick(60.0)[0], smpp.Closed)

    def test_sequence_wraps(self) -> None:
        """0x7FFFFFFF is followed by 1, and a number that is outstanding is skipped (section 5.1.4)."""
        self.session._sequence = MAX_SEQUENCE - 1
        self.session.submit(b"\0" * 20, "a", 0.0)
        self.session.window[1] = ("old", 0.0)
        self.session.submit(b"\0" * 20, "b", 0.0)
        self.assertEqual([one.sequence_number for one in self.sent()], [MAX_SEQUENCE, 2])

    def test_byte_by_byte(self) -> None:
        """Octets may come in any pieces."""
        self.session.submit(b"\0" * 20, "a", 0.0)
        octets = codec.encode(PDU(CommandId.submit_sm_resp, 0, 2, {"message_id": "77"}))
        events = [event for octet in octets for event in self.session.receive(bytes((octet,)), 0.0)]
        self.assertEqual(events, [smpp.Answered("a", 0, "77")])


class EndingCase(SessionCase):
    def setUp(self) -> None:
        super().setUp()
        self.bind()

    def test_unbind(self) -> None:
        """Ours: when the window is empty, then the SMSC's answer ends the session."""
        self.session.submit(b"\0" * 20, "a", 0.0)
        self.session.data_to_send()
        self.session.unbind(0.0)
        self.assertEqual((self.session.room, self.sent()), (0, []))
        self.give(CommandId.submit_sm_resp, 2, message_id="77")
        (unbind,) = self.sent()
        self.assertEqual(unbind.command_id, CommandId.unbind)
        (closed,) = self.give(CommandId.unbind_resp, unbind.sequence_number)
        self.assertEqual(closed, smpp.Closed("unbound", ()))

    def test_unbind_is_bounded(self) -> None:
        """Neither missing responses nor a missing unbind_resp keep a stop waiting."""
        self.session.submit(b"\0" * 20, "a", 0.0)
        self.session.unbind(0.0)
        self.session.tick(5.0)
        self.assertEqual(self.sent()[-1].command_id, CommandId.unbind)
        (closed,) = self.session.tick(10.0)
        assert isinstance(closed, smpp.Closed)
        self.assertEqual(closed.outstanding, ("a",))

    def test_unbind_from_the_smsc(self) -> None:
        """Drained within the bound, answered, and closed."""
        self.session.submit(b"\0" * 20, "a", 0.0)
        self.session.data_to_send()
        self.assertEqual(self.give(CommandId.unbind, 8), [])
        self.assertEqual(self.session.room, 0)
        answered, closed = self.give(CommandId.submit_sm_resp, 2, message_id="77")
        self.assertEqual(answered.token, "a")
        assert isinstance(closed, smpp.Closed)
        self.assertEqual(closed.outstanding, ())
        self.assertEqual(self.sent()[0].command_id, CommandId.unbind_resp)

    def test_unbind_waits_for_what_we_owe(self) -> None:
        """A deliver_sm that is not on disk yet is answered before the unbind: unanswered, it would come again."""
        (delivered,) = self.give(CommandId.deliver_sm, 7, short_message=b"hi")
        self.session.unbind(1.0)
        self.assertEqual(self.session.tick(1.5), [])
        self.session.respond(delivered.pdu)
        self.session.tick(1.75)
        self.assertEqual([one.command_id for one in self.sent()], [CommandId.deliver_sm_resp, CommandId.unbind])

    def test_connection_lost(self) -> None:
        """Every token comes back exactly once."""
        self.session.submit(b"\0" * 20, "a", 0.0)
        (closed,) = self.session.connection_lost("gone")
        assert isinstance(closed, smpp.Closed)
        self.assertEqual(closed.outstanding, ("a",))
        self.assertEqual(self.session.connection_lost("again"), [])
        self.assertEqual(self.give(CommandId.submit_sm_resp, 2, message_id="77"), [])


class OutbindCase(SessionCase):
    """The SMSC has connected to us (section 2.2.1)."""

    settings = smpp.SessionSettings(
        "me", "secret", mode="receiver", outbind=True, outbind_system_id="SMSC", outbind_password="x"
    )

    def setUp(self) -> None:
        self.session = smpp.Session(self.settings)
        self.session.start(0.0)

    def test_bind_when_asked(self) -> None:
        """Nothing is said before the outbind; then the bind, once."""
        self.assertEqual(self.sent(), [])
        self.give(CommandId.outbind, 1, system_id="SMSC", password="x")
        self.give(CommandId.outbind, 2, system_id="SMSC", password="x")
        self.assertEqual([one.command_id for one in self.sent()], [CommandId.bind_receiver])
        (bound,) = self.give(CommandId.bind_receiver_resp, 1, system_id="SMSC")
        self.assertIsInstance(bound, smpp.Bound)

    def test_another_smsc(self) -> None:
        """Whoever else connects is not shown system_id and password."""
        cases: tuple[dict[str, Any], ...] = (
            {"system_id": "SMSC", "password": "y"},
            {"system_id": "x", "password": "x"},
            {},
        )
        for fields in cases:
            self.setUp()
            (closed,) = self.give(CommandId.outbind, 1, **fields)
            self.assertIsInstance(closed, smpp.Closed)
            self.assertEqual(self.sent(), [])

    def test_never_asked(self) -> None:
        """A connection on which no outbind comes is closed."""
        self.assertEqual(self.session.tick(9.9), [])
        self.assertIsInstance(self.session.tick(10.0)[0], smpp.Closed)


class AskCase(SessionCase):
    """cancel_sm, a request that is no submit."""

    def setUp(self) -> None:
        super().setUp()
        self.bind()
        self.session.ask(CommandId.cancel_sm, b"\0" * 9, "a", 0.0)
        (sent,) = self.sent()
        self.assertEqual((sent.command_id, sent.sequence_number), (CommandId.cancel_sm, 2))

    def test_answered(self) -> None:
        """By its response with whatever status, or by generic_nack; once. It takes no place in the window."""
        self.assertEqual((self.session.room, self.session.outstanding), (3, 0))
        self.assertEqual(self.give(CommandId.cancel_sm_resp, 2, 0x11), [smpp.Replied("a", 0x11)])
        self.assertEqual(self.give(CommandId.cancel_sm_resp, 2), [])
        self.session.ask(CommandId.cancel_sm, b"\0" * 9, "b", 0.0)
        self.assertEqual(self.give(CommandId.generic_nack, 3, 3), [smpp.Replied("b", 3)])

    def test_no_mixing_up(self) -> None:
        """The response to a submit answers no cancel_sm, nor the other way round."""
        self.session.submit(b"\0" * 20, "s", 0.0)
        self.assertEqual(self.give(CommandId.submit_sm_resp, 2, message_id="77"), [])
        self.assertEqual(self.give(CommandId.cancel_sm_resp, 3), [])
        self.assertEqual(self.give(CommandId.cancel_sm_resp, 2), [smpp.Replied("a", 0)])

    def test_silence(self) -> None:
        """None after response_timeout; a response that is late says nothing more."""
        self.assertEqual(self.session.tick(29.0, 29.0), [])
        self.assertEqual(self.session.tick(30.0, 30.0), [smpp.Replied("a", None)])
        self.assertEqual(self.give(CommandId.cancel_sm_resp, 2, now=31.0), [])

    def test_lost(self) -> None:
        """None at the session's end, and once."""
        replied, closed = self.session.connection_lost("gone")
        self.assertEqual(replied, smpp.Replied("a", None))
        self.assertIsInstance(closed, smpp.Closed)

    def test_drain(self) -> None:
        """A stop waits for the response as for that of a submit."""
        self.assertEqual((self.session.unbind(1.0), self.sent()), ([], []))
        self.assertEqual(self.give(CommandId.cancel_sm_resp, 2, now=1.0), [smpp.Replied("a", 0)])
        self.assertEqual([one.command_id for one in self.sent()], [CommandId.unbind])
