"""The simulated SMSC, in memory: an ESME of a few lines, a Clock, no sockets."""

import json
import re
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.protocol import connectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.errors import ConfigurationError
from smsconnector.simulator.behaviour import ID_FORMS, Behaviour
from smsconnector.simulator.ledger import Entry, FileLedger
from smsconnector.simulator.protocol import SMSCProtocol
from smsconnector.simulator.rendering import readable
from smsconnector.simulator.service import Options, makeService
from smsconnector.simulator.smsc import HANDSET_TEXTS, SMSC
from smsconnector.smpp.constants import RESPONSE, CommandId, EsmClass, MessageStateTLV, Status, Tag
from smsconnector.smpp.pdu import PDU, Framer, bare, decode, encode, with_body
from smsconnector.sms import udh, user_data

TRANSCEIVER, TRANSMITTER, RECEIVER = CommandId.bind_transceiver, CommandId.bind_transmitter, CommandId.bind_receiver
SUBMIT_SM_RESP, DELIVER_SM = CommandId.submit_sm_resp, CommandId.deliver_sm
RECEIPT = re.compile(
    r"id:(\S+) sub:001 dlvrd:(\d{3}) submit date:(\d{10}) done date:(\d{10}) stat:(\w+) err:(\d{3}) text:(.*)"
)


class ESME:
    """The other side: sends PDUs, collects what comes back."""

    def __init__(self, smsc: SMSC, bind: int | None = TRANSCEIVER, system_id: str = "connector") -> None:
        self.protocol: SMSCProtocol = smsc.buildProtocol(None)
        self.transport = StringTransport()
        self.protocol.makeConnection(self.transport)
        self._sequence = 0
        if bind is not None:
            self.bind(bind, system_id)

    def send(self, command_id: int, fields: dict[str, Any] | None = None, tlvs: Any = (), sequence: int = 0) -> int:
        self._sequence += 1
        sequence = sequence or self._sequence
        self.protocol.dataReceived(encode(PDU(command_id, 0, sequence, fields or {}, list(tlvs))))
        return sequence

    def received(self) -> list[PDU]:
        """What has come since the last look."""
        pdus = Framer().feed(self.transport.value())
        self.transport.clear()
        return [decode(octets) for octets in pdus]

    def bind(self, command_id: int = TRANSCEIVER, system_id: str = "connector", password: str = "secret") -> PDU:
        """Bind; the response, which is the first thing that comes. The rest stays for ``received``."""
        self.send(command_id, {"system_id": system_id, "password": password, "interface_version": 0x34})
        first, *rest = self.received()
        self.transport.write(b"".join(encode(pdu) for pdu in rest))
        return first

    def submit(self, text: bytes = b"hello", registered_delivery: int = 1, **fields: Any) -> int:
        plain: dict[str, Any] = {"source_addr": "12345", "destination_addr": "923001234567"}
        plain |= {"short_message": text, "registered_delivery": registered_delivery}
        return self.send(CommandId.submit_sm, plain | fields)

    def acknowledge(self, pdu: PDU, status: int = 0) -> None:
        self.protocol.dataReceived(bare(pdu.command_id | RESPONSE, pdu.sequence_number, status))

    def lose(self) -> None:
        self.protocol.connectionLost(connectionDone)


class SimulatorTestCase(SynchronousTestCase):
    """A Clock, and SMSCs on it."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_700_000_000)  # 2023-11-14 22:13:20

    def smsc(self, **behaviour: Any) -> SMSC:
        smsc = SMSC(self.clock, Behaviour(**behaviour))
        smsc.doStart()
        self.addCleanup(smsc.doStop)
        return smsc

    def texts(self, pdus: list[PDU]) -> list[str]:
        """The short_messages of the deliver_sm among them."""
        return [pdu.fields["short_message"].decode() for pdu in pdus if pdu.command_id == DELIVER_SM]

    def stats(self, pdus: list[PDU]) -> list[str]:
        return [RECEIPT.fullmatch(text)[5] for text in self.texts(pdus)]  # type: ignore[index]


class BindTests(SimulatorTestCase):
    """Section 4.1 and 4.2, and what is not a bind's business."""

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


class SubmitTests(SimulatorTestCase):
    """Response, receipt, and what may happen to either."""

    def test_walk(self) -> None:
        """submit_sm, its response at once, its receipt after the delay, in the form of appendix B."""
        smsc = self.smsc(receipt_delay=90.0)
        esme = ESME(smsc)
        sequence = esme.submit(b"Your order 4711 is on its way", source_addr_ton=5, source_addr="Shop", dest_addr_ton=1)
        (response,) = esme.received()
        self.assertEqual(
            (response.command_id, response.command_status, response.sequence_number, response.fields["message_id"]),
            (SUBMIT_SM_RESP, 0, sequence, "1"),
        )
        self.clock.advance(89)
        self.assertEqual(esme.received(), [])
        self.clock.advance(1.1)
        (receipt,) = esme.received()
        fields = receipt.fields
        self.assertEqual((fields["esm_class"], fields["data_coding"]), (EsmClass.DELIVERY_RECEIPT, 0))
        self.assertEqual((fields["source_addr"], fields["source_addr_ton"]), ("923001234567", 1))
        self.assertEqual((fields["destination_addr"], fields["dest_addr_ton"]), ("Shop", 5))
        self.assertEqual(
            fields["short_message"],
            b"id:1 sub:001 dlvrd:001 submit date:2311142213 done date:2311142214 stat:DELIVRD err:000 "
            b"text:Your order 4711 is o",
        )
        self.assertEqual(receipt.tlv_text(Tag.receipted_message_id), "1")
        self.assertEqual(receipt.tlv_int(Tag.message_state), MessageStateTLV.DELIVERED)
        self.assertEqual(receipt.rest, b"")
        esme.acknowledge(receipt)
        self.clock.advance(100)
        self.assertEqual(esme.received(), [])
        self.assertEqual(smsc.counts.acknowledged, 1)
        entry = Entry("1", "Shop", "923001234567", b"Your order 4711 is on its way", 0, 0)
        self.assertEqual(smsc.ledger, [entry])

    def test_excerpt(self) -> None:
        """The receipt's text is the first 20 characters, without user data header, readable if it was UCS-2."""
        esme = ESME(self.smsc())
        header = udh.build_header(udh.concatenation_element(1, 2, 1))
        for text, fields, shown in (
            (b"short", {}, "short"),
            (header + b"a segment with a header", {"esm_class": 0x40}, "a segment with a hea"),
            ("a UCS-2 text of 30 characters…".encode("utf-16-be"), {"data_coding": 8}, "a UCS-2 text of 30 c"),
            (header + "سلام!".encode("utf-16-be"), {"esm_class": 0x40, "data_coding": 8}, "????!"),
        ):
            esme.submit(text, **fields)
            self.clock.advance(2)
            (receipt,) = self.texts(esme.received())
            self.assertEqual(RECEIPT.fullmatch(receipt)[7], shown)  # type: ignore[index]

    def test_response_delay(self) -> None:
        """Nothing before its time; the receipt counts from the response."""
        esme = ESME(self.smsc(response_delay=2.0, receipt_delay=1.0))
        esme.submit()
        for seconds, commands in ((1.9, []), (0.2, [SUBMIT_SM_RESP]), (0.8, []), (0.2, [DELIVER_SM])):
            self.clock.advance(seconds)
            self.assertEqual([pdu.command_id for pdu in esme.received()], commands)

    def test_registered_delivery(self) -> None:
        """0: no receipt; 1: always; 2: only of failures (section 5.2.17)."""
        esme = ESME(self.smsc(receipt_tlvs=False))
        for text, registered_delivery in ((b"a", 0), (b"b", 1), (b"c", 2), (b"#fail d", 0), (b"#fail e", 2)):
            esme.submit(text, registered_delivery)
        self.clock.advance(2)
        pdus = esme.received()
        self.assertEqual([text.rsplit(":", 1)[1] for text in self.texts(pdus)], ["b", "#fail e"])
        self.assertEqual(pdus[-1].tlvs, [])

    def test_failures(self) -> None:
        """Words in the text, in GSM-7 and UCS-2, the ending of the number, and the share of all."""
        cases: list[tuple[dict[str, Any], dict[str, Any], str]] = [
            ({}, {"text": b"plain"}, "DELIVRD"),
            ({}, {"text": b"please #fail"}, "UNDELIV"),
            ({}, {"text": "سلام #fail".encode("utf-16-be"), "data_coding": 8}, "UNDELIV"),
            ({}, {"text": b"#expire"}, "EXPIRED"),
            ({}, {"text": b"#reject"}, "REJECTD"),
            ({"fail_suffix": "567"}, {}, "UNDELIV"),
            ({"fail_suffix": "56"}, {}, "DELIVRD"),
            ({"failure_share": 1.0}, {}, "UNDELIV"),
        ]
        for behaviour, fields, stat in cases:
            esme = ESME(self.smsc(**behaviour))
            esme.submit(**fields)
            self.clock.advance(2)
            pdus = esme.received()
            self.assertEqual(self.stats(pdus), [stat], (behaviour, fields))
            delivered, state, err = RECEIPT.fullmatch(self.texts(pdus)[0]).group(2, 5, 6)  # type: ignore[union-attr]
            self.assertEqual((delivered == "001", err == "000"), (state == "DELIVRD",) * 2)

    def test_refusals(self) -> None:
        """Refused or throttled: not taken, no id, no receipt."""
        for behaviour, statuses in (
            ({"refuse_share": 1.0}, {Status.ESME_RINVDSTADR}),
            ({"throttle_share": 1.0}, {Status.ESME_RTHROTTLED, Status.ESME_RMSGQFUL}),
        ):
            smsc = self.smsc(**behaviour)
            esme = ESME(smsc)
            for _ in range(20):
                esme.submit()
            self.clock.advance(2)
            pdus = esme.received()
            self.assertEqual({pdu.command_status for pdu in pdus}, statuses)
            self.assertEqual((len(pdus), smsc.ledger), (20, []))

    def test_throughput(self) -> None:
        """Up to the rate and the burst of one second pass, the rest is throttled; time makes room again."""
        smsc = self.smsc(throughput=10.0, receipt_delay=100.0)
        esme = ESME(smsc)
        for passed in (10, 5):
            for _ in range(20):
                esme.submit()
            statuses = [pdu.command_status for pdu in esme.received()]
            self.assertEqual(statuses, [0] * passed + [Status.ESME_RTHROTTLED] * (20 - passed))
            self.clock.advance(0.5)

    def test_lost(self) -> None:
        """A lost response is of a message that was taken and has its receipt; a lost receipt is lost for ever."""
        smsc = self.smsc(lost_response_share=1.0)
        esme = ESME(smsc)
        esme.submit()
        self.assertEqual((esme.received(), len(smsc.ledger)), ([], 1))
        self.clock.advance(2)
        self.assertEqual([pdu.command_id for pdu in esme.received()], [DELIVER_SM])
        esme = ESME(self.smsc(lost_receipt_share=1.0))
        esme.submit()
        self.clock.advance(100)
        self.assertEqual([pdu.command_id for pdu in esme.received()], [SUBMIT_SM_RESP])

    def test_duplicate_receipts(self) -> None:
        """The same receipt twice, under two sequence numbers."""
        esme = ESME(self.smsc(duplicate_receipt_share=1.0))
        esme.submit()
        self.clock.advance(2)
        _, first, second = esme.received()
        self.assertEqual(first.fields, second.fields)
        self.assertNotEqual(first.sequence_number, second.sequence_number)

    def test_receipt_before_response(self) -> None:
        """The receipt at once, the response a moment later."""
        esme = ESME(self.smsc(receipt_before_response_share=1.0))
        esme.submit()
        self.assertEqual([pdu.command_id for pdu in esme.received()], [DELIVER_SM])
        self.clock.advance(0.1)
        self.assertEqual([pdu.command_id for pdu in esme.received()], [SUBMIT_SM_RESP])

    def test_id_forms(self) -> None:
        """What the response and the receipt call the same message."""
        for form, response_id, receipt_id in (
            ("decimal", "43981", "43981"),
            ("hex", "abcd", "abcd"),
            ("hex-response-decimal-receipt", "abcd", "43981"),
            ("decimal-response-hex-receipt", "43981", "ABCD"),
            ("padded", "43981", "0000043981"),
        ):
            self.assertEqual(self.ids(form), (response_id, receipt_id))
        response_id, receipt_id = self.ids("uuid")
        self.assertRegex(response_id, r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
        self.assertEqual(response_id, receipt_id)
        self.assertEqual(len(ID_FORMS), 6)

    def ids(self, form: str) -> tuple[str, str]:
        smsc = self.smsc(id_form=form, first_id=0xABCD)
        esme = ESME(smsc)
        esme.submit()
        self.clock.advance(2)
        response, receipt = esme.received()
        receipt_id = receipt.tlv_text(Tag.receipted_message_id)
        self.assertIn(f"id:{receipt_id} ", self.texts([receipt])[0])
        self.assertEqual(smsc.ledger[0].message_id, response.fields["message_id"])
        return response.fields["message_id"], receipt_id or ""

    def test_drop_connection(self) -> None:
        """Every third message is taken, and the connection cut before its response."""
        smsc = self.smsc(drop_connection_every=3, receipt_delay=0.0)
        esme = ESME(smsc)
        for _ in range(3):
            self.assertFalse(esme.transport.disconnected)
            esme.submit()
        self.assertTrue(esme.transport.disconnected)
        self.assertEqual(([pdu.fields for pdu in esme.received()]), [{"message_id": "1"}, {"message_id": "2"}])
        self.assertEqual(len(smsc.ledger), 3)
        esme.lose()
        self.clock.advance(1)
        self.assertEqual(self.stats(ESME(smsc).received()), ["DELIVRD"] * 3)

    def test_long_way(self) -> None:
        """data_sm, submit_multi and message_payload end up in the ledger and get receipts too."""
        smsc = self.smsc()
        esme = ESME(smsc)
        payload = [(Tag.message_payload, b"payload")]
        one = {"source_addr": "1", "destination_addr": "2", "registered_delivery": 1}
        many = [{"destination_addr": "3"}, {"dl_name": "all"}, {"destination_addr": "4"}]
        esme.send(CommandId.data_sm, one, payload)
        esme.send(CommandId.submit_sm, one, payload)
        esme.send(
            CommandId.submit_multi,
            {"source_addr": "1", "dest_address": many, "registered_delivery": 1, "short_message": b"multi"},
        )
        esme.send(CommandId.submit_multi, {"dest_address": [{"dl_name": "all"}]})
        self.assertEqual(
            [(pdu.command_id, pdu.command_status, pdu.fields["message_id"]) for pdu in esme.received()],
            [
                (CommandId.data_sm_resp, 0, "1"),
                (SUBMIT_SM_RESP, 0, "2"),
                (CommandId.submit_multi_resp, 0, "3"),
                (CommandId.submit_multi_resp, Status.ESME_RINVNUMDESTS, ""),
            ],
        )
        self.clock.advance(2)
        self.assertEqual(len(self.stats(esme.received())), 4)
        self.assertEqual(
            [(entry.message_id, entry.destination, entry.short_message) for entry in smsc.ledger],
            [("1", "2", b"payload"), ("2", "2", b"payload"), ("3", "3", b"multi"), ("3", "4", b"multi")],
        )

    def test_query(self) -> None:
        """query_sm: on its way, then the final state; unknown ids, cancel_sm and replace_sm have their codes."""
        esme = ESME(self.smsc())
        esme.submit(b"#fail")
        esme.received()
        for seconds, state, error in ((0, MessageStateTLV.ENROUTE, 0), (2, MessageStateTLV.UNDELIVERABLE, 1)):
            self.clock.advance(seconds)
            esme.received()
            esme.send(CommandId.query_sm, {"message_id": "1"})
            (pdu,) = esme.received()
            self.assertEqual((pdu.fields["message_state"], pdu.fields["error_code"]), (state, error))
        for command_id, status in (
            (CommandId.query_sm, Status.ESME_RQUERYFAIL),
            (CommandId.cancel_sm, Status.ESME_RCANCELFAIL),
            (CommandId.replace_sm, Status.ESME_RREPLACEFAIL),
        ):
            esme.send(command_id, {"message_id": "99"})
            self.assertEqual([pdu.command_status for pdu in esme.received()], [status])

    @settings(deadline=None, max_examples=60, database=None)
    @given(
        st.fixed_dictionaries(
            {
                name: st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=8)
                for name in (
                    "service_type",
                    "source_addr",
                    "destination_addr",
                    "schedule_delivery_time",
                    "validity_period",
                )
            }
            | {name: st.integers(0, 255) for name in ("source_addr_ton", "dest_addr_npi", "protocol_id", "data_coding")}
            | {"esm_class": st.sampled_from([0, 3, 0x40]), "short_message": st.binary(max_size=255)}
        )
    )
    def test_fast_way_reads_as_the_codec(self, fields: dict[str, Any]) -> None:
        """Whatever a submit_sm holds, the regular expression finds what the codec finds."""
        smsc = SMSC(Clock())
        esme = ESME(smsc)
        esme.send(CommandId.submit_sm, fields)
        names = ("source_addr", "destination_addr", "short_message", "data_coding", "esm_class")
        self.assertEqual(smsc.ledger, [("1", *(fields[name] for name in names))])

    @settings(deadline=None, max_examples=60, database=None)
    @given(st.lists(st.tuples(st.sampled_from([1, 2, 3, 4, 5, 9, 0x21, 0x103, 0x80000005]), st.binary(max_size=40))))
    def test_garbage(self, pdus: list[tuple[int, bytes]]) -> None:
        """Random bodies never raise."""
        smsc = SMSC(Clock())
        esme = ESME(smsc)
        for command_id, body in pdus:
            esme.protocol.dataReceived(with_body(command_id, 1, body))
        smsc.tick()

    def test_repeatable(self) -> None:
        """The same seed and the same submits: the same outcome; another seed: another one."""
        shares = dict.fromkeys(
            (
                "failure_share",
                "refuse_share",
                "throttle_share",
                "lost_response_share",
                "lost_receipt_share",
                "duplicate_receipt_share",
                "receipt_before_response_share",
            ),
            0.2,
        )

        def run(seed: int, **delays: float) -> list[tuple[Any, ...]]:
            esme = ESME(self.smsc(seed=seed, id_form="uuid", **shares, **delays))
            for _ in range(100):
                esme.submit()
            self.clock.advance(60 - self.clock.seconds() % 60)
            return sorted(
                (pdu.command_id, pdu.command_status, pdu.tlv_text(Tag.receipted_message_id) or "", pdu.sequence_number)
                if pdu.command_id == SUBMIT_SM_RESP
                else (pdu.command_id, pdu.tlv_int(Tag.message_state), pdu.tlv_text(Tag.receipted_message_id), 0)
                for pdu in esme.received()
            )

        first = run(7)
        self.assertEqual(first, run(7))
        self.assertEqual(first, run(7, response_delay=0.5, receipt_delay=0.25))
        self.assertNotEqual(first, run(8))


class PeculiarTests(SimulatorTestCase):
    """What carriers' SMSCs have otherwise."""

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

    def test_long_messages(self) -> None:
        """Each form is taken alone; the others are refused, a short message and other headers are not."""
        header8, header16 = (udh.build_header(udh.concatenation_element(1, 2, 1, wide)) for wide in (False, True))
        sar = [(Tag.sar_msg_ref_num, b"\0\1"), (Tag.sar_total_segments, b"\2"), (Tag.sar_segment_seqnum, b"\1")]
        submits: dict[str, tuple[dict[str, Any], list[tuple[int, bytes]]]] = {
            "udh8": ({"esm_class": 0x40, "short_message": header8 + b"x"}, []),
            "udh16": ({"esm_class": 0x40, "short_message": header16 + b"x"}, []),
            "sar": ({"short_message": b"x"}, sar),
            "payload": ({}, [(Tag.message_payload, b"x")]),
            "": ({"short_message": b"x"}, []),
            "ports": ({"esm_class": 0x40, "short_message": b"\4\4\2\1\1x"}, []),
        }
        for taken in (*submits, "udh8,sar"):
            if taken == "ports":
                continue
            smsc = self.smsc(long_messages=taken)
            esme = ESME(smsc)
            for form, (fields, tlvs) in submits.items():
                esme.send(CommandId.submit_sm, {"destination_addr": "1"} | fields, tlvs)
                (response,) = esme.received()
                good = form in taken.split(",") or form in ("", "ports")
                self.assertEqual(response.command_status == Status.ESME_ROK, good, (taken, form))
            self.assertEqual(smsc.counts.refused, 6 - smsc.counts.taken)

    def test_congestion_state(self) -> None:
        """Behind the id of each response; not at all by default."""
        for percent, told in ((-1, None), (0, 0), (85, 85)):
            esme = ESME(self.smsc(congestion_state=percent))
            esme.submit()
            (response,) = esme.received()
            self.assertEqual((response.fields["message_id"], response.tlv_int(Tag.congestion_state)), ("1", told))
            self.assertEqual(response.rest, b"")

    def test_receipt_forms(self) -> None:
        """Not marked in esm_class; the text in message_payload; both."""
        for marked in (True, False):
            for in_payload in (True, False):
                esme = ESME(self.smsc(receipt_mark=marked, receipt_payload=in_payload))
                esme.submit(b"hello")
                self.clock.advance(2)
                receipt = esme.received()[-1]
                self.assertEqual(receipt.fields["esm_class"], EsmClass.DELIVERY_RECEIPT if marked else 0)
                payload, short_message = receipt.tlv(Tag.message_payload), receipt.fields["short_message"]
                self.assertEqual((payload is not None, short_message == b""), (in_payload, in_payload))
                self.assertRegex((payload or short_message).decode(), RECEIPT)
                self.assertEqual((receipt.tlv_text(Tag.receipted_message_id), receipt.rest), ("1", b""))

    def test_readable(self) -> None:
        """A receipt quotes the text as the handset shows it: by what data_coding 0 means to this SMSC."""
        for default_alphabet, quote in (("gsm7", b"@_[]\xe9"), ("latin1", b"???<?>?"), ("gsm7-packed", None)):
            esme = ESME(self.smsc(receipt_readable=True, default_alphabet=default_alphabet))
            esme.submit(b"\0\x11\x1b<\x1b>\5")
            self.clock.advance(2)
            text = esme.received()[-1].fields["short_message"].split(b"text:")[1]
            if quote is not None:
                self.assertEqual(text, quote)
            self.assertEqual(text.decode("latin-1"), "".join(filter(str.isprintable, text.decode("latin-1"))))

    def test_echo(self) -> None:
        """The handset answers a text with what it shows, in the SMSC's default alphabet; of a segment it does not."""
        for default_alphabet, sent, answer in (("gsm7", b"\0\x11", b"\0\x11"), ("latin1", b"@_\xe9", b"@_\xe9")):
            smsc = self.smsc(echo=True, default_alphabet=default_alphabet)
            esme = ESME(smsc)
            esme.submit(sent, registered_delivery=0)
            esme.submit(
                udh.build_header(udh.concatenation_element(1, 2, 1)) + b"x", registered_delivery=0, esm_class=0x40
            )
            esme.submit(b"y", registered_delivery=0, source_addr="")
            self.clock.advance(2)
            self.clock.advance(0.1)
            first, second = (pdu.fields for pdu in esme.received() if pdu.command_id == DELIVER_SM)
            self.assertEqual((first["short_message"], first["data_coding"]), (answer, 0))
            self.assertEqual((first["source_addr"], first["destination_addr"]), ("923001234567", "12345"))
            self.assertEqual((second["short_message"], second["destination_addr"]), (b"y", "12345"))


class DeliveryTests(SimulatorTestCase):
    """A receipt or a text is owed until it is acknowledged."""

    def test_refused_for_now(self) -> None:
        """ESME_RX_T_APPN: it comes again after the delay, until ESME_ROK."""
        smsc = self.smsc(redelivery_delay=3.0)
        esme = ESME(smsc)
        esme.submit()
        self.clock.advance(1.1)
        _, receipt = esme.received()
        for _ in range(2):
            esme.acknowledge(receipt, Status.ESME_RX_T_APPN)
            self.clock.advance(2.9)
            self.assertEqual(esme.received(), [])
            self.clock.advance(0.2)
            (again,) = esme.received()
            self.assertEqual(again.fields, receipt.fields)
            receipt = again
        esme.acknowledge(receipt)
        self.clock.advance(100)
        self.assertEqual(esme.received(), [])
        self.assertEqual((smsc.counts.acknowledged, smsc.counts.sent, smsc.counts.receipts), (1, 3, 1))

    def test_refused_for_good(self) -> None:
        """ESME_RX_P_APPN: gone, and counted."""
        smsc = self.smsc()
        esme = ESME(smsc)
        esme.submit()
        self.clock.advance(2)
        esme.acknowledge(esme.received()[-1], Status.ESME_RX_P_APPN)
        self.clock.advance(100)
        self.assertEqual((esme.received(), smsc.counts.refused_for_good), ([], 1))

    def test_silence(self) -> None:
        """Never answered: it comes again after the time-out."""
        esme = ESME(self.smsc(deliver_timeout=10.0))
        esme.submit()
        self.clock.advance(1.1)
        self.assertEqual(len(self.stats(esme.received())), 1)
        self.clock.advance(9)
        self.assertEqual(esme.received(), [])
        self.clock.advance(2)
        self.assertEqual(len(self.stats(esme.received())), 1)

    def test_reconnect(self) -> None:
        """Receipts that fell due in between, and those sent but not acknowledged, wait for the next bind that
        receives; in order, and after its response."""
        smsc = self.smsc()
        esme = ESME(smsc)
        for text in (b"one", b"two", b"three"):
            esme.submit(text)
            self.clock.advance(0.4)
        self.clock.advance(0.1)
        *_, first = esme.received()
        self.assertTrue(first.fields["short_message"].endswith(b"one"))
        esme.lose()
        self.clock.advance(5)
        transmitter = ESME(smsc, TRANSMITTER)
        self.clock.advance(5)
        self.assertEqual(transmitter.received(), [])
        receiver = ESME(smsc, RECEIVER)
        pdus = receiver.received()
        self.assertEqual([text.rsplit(":", 1)[1] for text in self.texts(pdus)], ["one", "two", "three"])
        for pdu in pdus:
            receiver.acknowledge(pdu)
        receiver.lose()
        self.assertEqual(ESME(smsc, RECEIVER).received(), [])

    def test_routing(self) -> None:
        """Receipts go to any bind of the same system_id that receives, by turns; never to another's."""
        smsc = self.smsc()
        transmitter = ESME(smsc, TRANSMITTER)
        receivers = [ESME(smsc, RECEIVER), ESME(smsc, TRANSCEIVER)]
        stranger = ESME(smsc, TRANSCEIVER, "stranger")
        for _ in range(10):
            transmitter.submit()
        self.clock.advance(2)
        self.assertEqual([len(self.stats(esme.received())) for esme in receivers], [5, 5])
        self.assertEqual(stranger.received(), [])
        self.assertEqual({pdu.command_id for pdu in transmitter.received()}, {SUBMIT_SM_RESP})

    def test_window(self) -> None:
        """No more unanswered deliver_sm than the window; an answer makes room; a lost bind's go to another."""
        smsc = self.smsc(deliver_window=2)
        esme = ESME(smsc)
        for text in (b"1", b"2", b"3", b"4"):
            esme.submit(text)
        esme.received()
        self.clock.advance(2)
        first, second = esme.received()
        esme.acknowledge(second)
        (third,) = esme.received()
        other = ESME(smsc)
        self.assertEqual([text[-1] for text in self.texts(other.received())], ["4"])
        esme.lose()
        self.assertEqual([text[-1] for text in self.texts(other.received())], ["1"])
        self.assertEqual([text[-1] for text in self.texts([first, third])], ["1", "3"])

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


class HandsetTests(SimulatorTestCase):
    """Texts from handsets (MO)."""

    def joined(self, pdus: list[PDU]) -> str:
        """The text of the segments, which have to be of one message and complete."""
        parts = {}
        for pdu in pdus:
            self.assertEqual(pdu.fields["esm_class"], EsmClass.UDHI)
            found = user_data.read(pdu.fields["short_message"], pdu.fields["data_coding"], "gsm7", has_header=True)
            place = udh.find_concatenation(found.elements)
            assert place is not None
            parts[place[2]] = found.text
            self.assertEqual(place[1], len(pdus))
        return "".join(parts[number] for number in range(1, len(pdus) + 1))

    def test_short(self) -> None:
        """One deliver_sm, no header, no receipt asked."""
        smsc = self.smsc()
        esme = ESME(smsc)
        self.assertEqual(smsc.send_mo("4915112345678", "12345", "price: 5 €"), 1)
        self.clock.advance(0.1)
        (pdu,) = esme.received()
        fields = pdu.fields
        self.assertEqual((fields["esm_class"], fields["short_message"]), (0, b"price: 5 \x1be"))
        self.assertEqual((fields["source_addr"], fields["source_addr_ton"]), ("4915112345678", 1))
        self.assertEqual((fields["destination_addr"], fields["dest_addr_ton"]), ("12345", 3))
        esme.acknowledge(pdu)
        self.assertEqual(smsc.counts.acknowledged, 1)

    def test_long(self) -> None:
        """Split with a user data header, in either alphabet."""
        smsc = self.smsc()
        esme = ESME(smsc)
        for text in HANDSET_TEXTS[1:]:
            self.assertEqual(smsc.send_mo("4915112345678", "12345", text), 2)
            self.clock.advance(0.1)
            self.assertEqual(self.joined(esme.received()), text)

    def test_nobody_there(self) -> None:
        """A text waits for the first bind that receives; one for a system_id waits for that one."""
        smsc = self.smsc()
        smsc.send_mo("4915112345678", "12345", "anyone?")
        smsc.send_mo("4915112345678", "12345", "you!", "other")
        self.clock.advance(1)
        self.assertEqual(self.texts(ESME(smsc, TRANSMITTER).received()), [])
        self.assertEqual(self.texts(ESME(smsc).received()), ["anyone?"])
        self.assertEqual(self.texts(ESME(smsc, system_id="other").received()), ["you!"])

    def test_rate(self) -> None:
        """mo_rate texts a second while somebody receives, some of them long; the same ones for the same seed."""

        def run() -> list[bytes]:
            smsc = self.smsc(mo_rate=10.0, seed=3)
            self.clock.advance(30)
            esme = ESME(smsc)
            self.clock.advance(2.05)
            return [pdu.fields["short_message"] for pdu in esme.received()]

        first, second = run(), run()
        self.assertTrue(20 < len(first) < 50, len(first))
        self.assertEqual(first, second)

    def test_readable(self) -> None:
        """The text of a segment as the log shows it."""
        self.assertEqual(readable(b"\5\0\3\1\2\1hello", EsmClass.UDHI, 0), "[1/2] hello")
        self.assertEqual(readable("سلام".encode("utf-16-be"), 0, 8), "سلام")

    def test_verbose(self) -> None:
        """A line for every step, and never an error, whatever the text."""
        smsc = SMSC(self.clock, Behaviour(refuse_share=0.3), verbose=True)
        smsc.doStart()
        self.addCleanup(smsc.doStop)
        esme = ESME(smsc)
        for text in (b"hello {braces}", b"\xff\xfe\x00", b""):
            esme.submit(text, data_coding=8)
        smsc.send_mo("4915112345678", "12345", HANDSET_TEXTS[2])
        self.clock.advance(2)
        for pdu in esme.received():
            if pdu.command_id == DELIVER_SM:
                esme.acknowledge(pdu)
        self.assertEqual(self.flushLoggedErrors(), [])
        self.assertEqual(smsc.counts.acknowledged, smsc.counts.sent)


class SettingsTests(SynchronousTestCase):
    """Options, Behaviour and the ledger's file."""

    def test_bounds(self) -> None:
        """All that is wrong is said at once, with the field's name."""
        with self.assertRaises(ConfigurationError) as caught:
            Behaviour(
                failure_share=1.5,
                receipt_delay=-1.0,
                id_form="roman",
                deliver_window=0,
                mo_rate=float("nan"),
                interface_version="4.0",
                default_alphabet="ebcdic",
                long_messages="udh8,morse",
                congestion_state=101,
            )
        self.assertEqual(
            {path for path, _ in caught.exception.problems},
            {
                "failure_share",
                "receipt_delay",
                "id_form",
                "deliver_window",
                "mo_rate",
                "interface_version",
                "default_alphabet",
                "long_messages",
                "congestion_state",
            },
        )

    def test_options(self) -> None:
        """Options become a Behaviour of the right types; what is not given is its default, but for the first id."""
        options = Options()
        options.parseOptions(
            [
                "--port",
                "0",
                "--system-id",
                "connector",
                "--receipt-delay",
                "0.5",
                "--failure-share",
                "0.1",
                "--id-form",
                "hex",
                "--receipt-tlvs",
                "no",
                "--seed",
                "-3",
                "--first-id",
                "17",
                "--verbose",
                "--interface-version",
                "5.0",
                "--long-messages",
                "sar,payload",
                "--echo",
                "yes",
                "--sessions",
                "2",
            ]
        )
        self.assertEqual(
            options["behaviour"],
            Behaviour(
                system_id="connector",
                receipt_delay=0.5,
                failure_share=0.1,
                id_form="hex",
                receipt_tlvs=False,
                seed=-3,
                first_id=17,
                interface_version="5.0",
                long_messages="sar,payload",
                echo=True,
                sessions=2,
            ),
        )
        options = Options()
        options.parseOptions([])
        self.assertEqual(options["behaviour"], Behaviour(first_id=options["behaviour"].first_id))
        self.assertGreater(options["behaviour"].first_id, 1_600_000_000_000)

    def test_bad_options(self) -> None:
        """A sentence for each, no traceback."""
        for arguments, sentence in (
            (["--failure-share", "2"], "--failure-share has to be 0 to 1, not 2.0"),
            (["--receipt-delay", "soon"], "--receipt-delay has to be a number, not soon"),
            (["--seed", "1.5"], "--seed has to be a whole number, not 1.5"),
            (["--receipt-tlvs", "maybe"], "--receipt-tlvs has to be yes or no, not maybe"),
            (["--id-form", "roman"], "--id-form has to be one of decimal, "),
            (["--port", "http"], "--port has to be 0 to 65535, not http"),
            (["--mo-rate", "-1"], "--mo-rate has to be 0 or more, not -1.0"),
        ):
            with self.assertRaises(UsageError) as caught:
                Options().parseOptions(arguments)
            self.assertIn(sentence, str(caught.exception))

    def test_service(self) -> None:
        """It listens where it was told, says on which port, and writes the ledger; a stop asks the ESMEs to go, and
        what they still say after it does no harm."""
        port_file, ledger = self.mktemp(), self.mktemp()
        options = Options()
        options.parseOptions(["--port", "2775", "--port-file", port_file, "--ledger", ledger, "--first-id", "1"])
        reactor = MemoryReactorClock()
        service = makeService(options, reactor)
        service.startService()
        ((port, factory, _backlog, interface),) = reactor.tcpServers
        smsc = service.smsc
        self.assertIs(factory, smsc)
        self.assertEqual((port, interface), (2775, "127.0.0.1"))
        self.assertEqual(int(Path(port_file).read_text(encoding="ascii")), service.port.getHost().port)
        esme = ESME(smsc)
        esme.submit(b"hello")
        self.assertEqual(json.loads(Path(ledger).read_text(encoding="ascii"))["short_message"], b"hello".hex())
        self.assertEqual(smsc.ledger, [])
        esme.received()
        service.stopService()
        self.assertEqual([pdu.command_id for pdu in esme.received()], [CommandId.unbind])
        esme.submit(b"late")
        self.assertEqual([pdu.command_status for pdu in esme.received()], [Status.ESME_RINVBNDSTS])
        esme.lose()

    def test_ledger_file(self) -> None:
        """One line of JSON a message, in the file at the end of the turn, and added to what is there."""
        path = self.mktemp()
        for sid in ("1", "2"):
            ledger = FileLedger(path)
            ledger.append(Entry(sid, 'Sh"op', "923001234567", b"\0\xff", 8, 0x40))
            ledger.flush()
        lines = [json.loads(line) for line in Path(path).read_text(encoding="ascii").splitlines()]
        self.assertEqual([line["message_id"] for line in lines], ["1", "2"])
        self.assertEqual(
            lines[0],
            {
                "message_id": "1",
                "source": 'Sh"op',
                "destination": "923001234567",
                "short_message": "00ff",
                "data_coding": 8,
                "esm_class": 0x40,
            },
        )
