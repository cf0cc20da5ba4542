"""One connection: binds, enquire_link, unbind, query_sm, and what breaks the protocol."""

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock

from smsconnector.simulator.smsc import SMSC
from smsconnector.smpp.constants import RESPONSE, CommandId, MessageStateTLV, Status, Tag
from smsconnector.smpp.pdu import PDU, bare, encode, with_body
from tests.unit.simulator.esme import ESME, RECEIVER, SUBMIT_SM_RESP, TRANSCEIVER, TRANSMITTER, SimulatorTestCase


class BindTests(SimulatorTestCase):
    """Section 4.1 and 4.2: who may bind, and how a bind ends."""

    def test_fields_over_their_length(self) -> None:
        """Longer than the field may be (section 4.1.1): refused, and the connection stays."""
        for fields, status in (
            ({"system_id": "x" * 15}, 0),
            ({"system_id": "x" * 16}, Status.ESME_RINVSYSID),
            ({"system_id": "me", "system_type": "x" * 12}, 0),
            ({"system_id": "me", "system_type": "x" * 13}, Status.ESME_RINVSYSTYP),
            ({"system_id": "me", "address_range": "1" * 40}, 0),
            ({"system_id": "me", "address_range": "1" * 41}, Status.ESME_RBINDFAIL),
        ):
            esme = ESME(self.smsc(), bind=None)
            esme.send(TRANSCEIVER, fields)
            self.assertEqual([pdu.command_status for pdu in esme.received()], [status], fields)
            self.assertFalse(esme.transport.disconnecting)

    def test_good(self) -> None:
        """The three binds: ESME_ROK, the SMSC's name and version; and a second bind on the connection is refused."""
        smsc = self.smsc(system_id="connector", password="secret")
        for command_id in (TRANSCEIVER, TRANSMITTER, RECEIVER):
            esme = ESME(smsc, None)
            response = esme.bind(command_id)
            self.assertEqual((response.command_id, response.command_status), (command_id | RESPONSE, Status.ESME_ROK))
            self.assertEqual(response.fields["system_id"], "smsc-simulator")
            self.assertEqual(response.tlv_int(Tag.sc_interface_version), 0x34)
            self.assertEqual(esme.bind(command_id).command_status, Status.ESME_RALYBND)
        self.assertEqual(smsc.counts.binds, 3)

    def test_refused(self) -> None:
        """Wrong system_id and wrong password have their codes; the connection may try again."""
        esme = ESME(self.smsc(system_id="connector", password="secret"), None)
        self.assertEqual(esme.bind(system_id="other").command_status, Status.ESME_RINVSYSID)
        self.assertEqual(esme.bind(password="wrong").command_status, Status.ESME_RINVPASWD)
        self.assertEqual(esme.bind().command_status, Status.ESME_ROK)

    def test_wrong_state(self) -> None:
        """Submits before the bind, or on a receiver: ESME_RINVBNDSTS."""
        smsc = self.smsc()
        for esme in (ESME(smsc, None), ESME(smsc, RECEIVER)):
            esme.submit()
            self.assertEqual([pdu.command_status for pdu in esme.received()], [Status.ESME_RINVBNDSTS])
        self.assertEqual(smsc.ledger, [])

    def test_system_type(self) -> None:
        """Only the one it knows."""
        smsc = self.smsc(system_type="OTA")
        for system_type, status in (("OTA", Status.ESME_ROK), ("", Status.ESME_RINVSYSTYP)):
            esme = ESME(smsc, None)
            esme.send(TRANSCEIVER, {"system_id": "connector", "system_type": system_type})
            self.assertEqual([pdu.command_status for pdu in esme.received()], [status])

    def test_sessions(self) -> None:
        """One bind more of a system_id than there may be: ESME_RALYBND, until one has gone."""
        smsc = self.smsc(sessions=1)
        first = ESME(smsc)
        second = ESME(smsc, None)
        self.assertEqual(second.bind().command_status, Status.ESME_RALYBND)
        self.assertEqual(ESME(smsc, None).bind(system_id="other").command_status, Status.ESME_ROK)
        first.lose()
        self.assertEqual(second.bind().command_status, Status.ESME_ROK)

    def test_interface_version(self) -> None:
        """As it is told to say, or not at all."""
        for version, told in (("none", None), ("3.3", 0x33), ("3.4", 0x34), ("5.0", 0x50)):
            response = ESME(self.smsc(interface_version=version), None).bind()
            self.assertEqual(response.tlv_int(Tag.sc_interface_version), told)

    def test_unbind(self) -> None:
        """The ESME's unbind is answered and the connection closed."""
        smsc = self.smsc()
        esme = ESME(smsc)
        esme.send(CommandId.unbind)
        self.assertEqual([pdu.command_id for pdu in esme.received()], [CommandId.unbind_resp])
        self.assertTrue(esme.transport.disconnecting)
        self.assertEqual(list(smsc.accounts["connector"].receivers), [])

    def test_unbind_by_the_smsc(self) -> None:
        """It asks; what the ESME still acknowledges counts; the answer closes the connection."""
        smsc = self.smsc(receipt_delay=0.0)
        esme = ESME(smsc)
        esme.submit()
        self.clock.advance(0.1)
        _, receipt = esme.received()
        smsc.unbind_all()
        (pdu,) = esme.received()
        self.assertEqual(pdu.command_id, CommandId.unbind)
        esme.acknowledge(receipt)
        self.assertFalse(esme.transport.disconnecting)
        esme.acknowledge(pdu)
        self.assertTrue(esme.transport.disconnecting)
        self.assertEqual((smsc.counts.acknowledged, len(smsc.accounts["connector"].waiting)), (1, 0))


class ConnectionTests(SimulatorTestCase):
    """PDUs that every connection answers, and when it writes."""

    def test_enquire_link(self) -> None:
        """Answered; and asked after silence, if so set."""
        esme = ESME(self.smsc(enquire_link_interval=5.0))
        sequence = esme.send(CommandId.enquire_link)
        (pdu,) = esme.received()
        self.assertEqual((pdu.command_id, pdu.sequence_number), (CommandId.enquire_link_resp, sequence))
        self.clock.advance(6)
        (pdu,) = esme.received()
        self.assertEqual(pdu.command_id, CommandId.enquire_link)
        esme.acknowledge(pdu)
        self.assertEqual(esme.received(), [])

    def test_nonsense(self) -> None:
        """Unknown command: generic_nack. Broken PDU: its error response. Broken length: generic_nack, and close."""
        esme = ESME(self.smsc())
        esme.send(0x0111)
        esme.send(0x80000111)  # a response nobody asked for is not answered
        esme.protocol.dataReceived(with_body(CommandId.submit_sm, 5, b"\0\0\0\0"))
        statuses = [(pdu.command_id, pdu.command_status) for pdu in esme.received()]
        self.assertEqual(
            statuses,
            [(CommandId.generic_nack, Status.ESME_RINVCMDID), (SUBMIT_SM_RESP, Status.ESME_RINVMSGLEN)],
        )
        esme.protocol.dataReceived(bare(CommandId.enquire_link, 9) + b"\0\0\0\1rest")
        self.assertEqual(
            [(pdu.command_id, pdu.command_status) for pdu in esme.received()],
            [(CommandId.enquire_link_resp, 0), (CommandId.generic_nack, Status.ESME_RINVCMDLEN)],
        )
        self.assertTrue(esme.transport.disconnecting)

    def test_query(self) -> None:
        """query_sm: on its way, then the final state; unknown ids and replace_sm have their codes."""
        esme = ESME(self.smsc())
        esme.submit(b"#fail")
        esme.received()
        for seconds, state, error, final_date in (
            (0, MessageStateTLV.ENROUTE, 0, ""),
            (2, MessageStateTLV.UNDELIVERABLE, 1, "231114221321000+"),  # section 7.1.1: when it became final, in UTC
        ):
            self.clock.advance(seconds)
            esme.received()
            esme.send(CommandId.query_sm, {"message_id": "1"})
            (pdu,) = esme.received()
            self.assertEqual((pdu.fields["message_state"], pdu.fields["error_code"]), (state, error))
            self.assertEqual(pdu.fields["final_date"], final_date)
        for command_id, status in (
            (CommandId.query_sm, Status.ESME_RQUERYFAIL),
            (CommandId.cancel_sm, Status.ESME_RINVMSGID),
            (CommandId.replace_sm, Status.ESME_RREPLACEFAIL),
        ):
            esme.send(command_id, {"message_id": "99"})
            self.assertEqual([pdu.command_status for pdu in esme.received()], [status])

    def test_cancel(self) -> None:
        """cancel_sm ends what is on its way as DELETED, once, and only for who submitted it from that address."""
        smsc = self.smsc()
        esme, other = ESME(smsc), ESME(smsc, system_id="other")
        esme.submit(b"hello", source_addr="8228", destination_addr="4790000001")
        esme.received()
        fields = {"message_id": "1", "source_addr": "8228"}
        for who, more, status in (
            (other, {}, Status.ESME_RINVMSGID),
            (esme, {"message_id": "2"}, Status.ESME_RINVMSGID),
            (esme, {"source_addr": "8229"}, Status.ESME_RCANCELFAIL),
            (esme, {"destination_addr": "4790000002"}, Status.ESME_RCANCELFAIL),
            (esme, {}, Status.ESME_ROK),
            (esme, {}, Status.ESME_RCANCELFAIL),
        ):
            who.send(CommandId.cancel_sm, fields | more)
            self.assertEqual([pdu.command_status for pdu in who.received()], [status], more)
        self.clock.advance(10)
        self.assertEqual(self.stats(esme.received()), ["DELETED"])
        esme.send(CommandId.query_sm, {"message_id": "1"})
        self.assertEqual([pdu.fields["message_state"] for pdu in esme.received()], [MessageStateTLV.DELETED])

    def test_silence(self) -> None:
        """inactivity_timer (section 7.2): a bind that sends nothing is dropped, and so is a connection that never
        binds; any PDU is a sign of life, and the SMSC's own enquire_link is none."""
        for enquires in (0.0, 7.0):
            smsc = self.smsc(inactivity_timeout=60.0, enquire_link_interval=enquires)
            esme, unbound = ESME(smsc), ESME(smsc, bind=None)
            for _ in range(3):
                self.clock.pump([1.0] * 40)
                esme.send(CommandId.enquire_link)
                esme.received()
            self.assertEqual((esme.transport.disconnecting, unbound.transport.disconnecting), (False, True))
            self.clock.pump([1.0] * 59)
            self.assertFalse(esme.transport.disconnecting)
            self.clock.pump([1.0] * 2)
            self.assertTrue(esme.transport.disconnecting)
        esme = ESME(self.smsc())
        self.clock.pump([100.0] * 10)
        self.assertFalse(esme.transport.disconnecting)

    @settings(deadline=None, max_examples=60, database=None)
    @given(st.lists(st.tuples(st.sampled_from([1, 2, 3, 4, 5, 9, 0x21, 0x103, 0x80000005]), st.binary(max_size=40))))
    def test_garbage(self, pdus: list[tuple[int, bytes]]) -> None:
        """Random bodies never raise."""
        smsc = SMSC(Clock())
        esme = ESME(smsc)
        for command_id, body in pdus:
            esme.protocol.dataReceived(with_body(command_id, 1, body))
        smsc.tick()

    def test_one_write_per_turn(self) -> None:
        """Whatever one read brings is answered in one write, after the ledger has it."""
        steps: list[str] = []
        smsc = SMSC(self.clock, on_submit=lambda _: steps.append("taken"), on_turn=lambda: steps.append("ledger"))
        esme = ESME(smsc)
        esme.transport.write = lambda _: steps.append("write")  # type: ignore[method-assign]
        steps.clear()
        fields = {"source_addr": "1", "destination_addr": "2", "short_message": b"x"}
        esme.protocol.dataReceived(encode(PDU(CommandId.submit_sm, 0, 1, fields)) * 3)
        self.assertEqual(steps, ["taken"] * 3 + ["ledger", "write"])
