"""The engine: what it does with a submit, and what it sends of itself."""

from typing import Any

from smsconnector.simulator.behaviour import Behaviour
from smsconnector.simulator.ledger import Entry
from smsconnector.simulator.smsc import HANDSET_TEXTS, SMSC
from smsconnector.smpp.constants import CommandId, EsmClass, MessageStateTLV, Status, Tag
from smsconnector.smpp.pdu import PDU
from smsconnector.sms import udh, user_data
from tests.unit.simulator.esme import DELIVER_SM, ESME, RECEIPT, SUBMIT_SM_RESP, TRANSMITTER, SimulatorTestCase


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

    def test_what_no_smsc_takes(self) -> None:
        """Fields that SMPP 3.4 does not allow (sections 4.4.1, 5.2.21 and 7.1.1): refused with the code of the field,
        by submit_sm and submit_multi, and nothing is taken; at the limits it is taken."""
        relative, absolute = "000001000000000R", "261128120000000+"
        cases: tuple[tuple[dict[str, Any], int], ...] = (
            ({"text": b"x" * 254}, 0),
            ({"text": b"x" * 255}, Status.ESME_RINVMSGLEN),
            ({"destination_addr": "1" * 20}, 0),
            ({"destination_addr": "1" * 21}, Status.ESME_RINVDSTADR),
            ({"destination_addr": ""}, Status.ESME_RINVDSTADR),
            ({"source_addr": "1" * 20}, 0),
            ({"source_addr": "1" * 21}, Status.ESME_RINVSRCADR),
            ({"source_addr": ""}, 0),
            ({"service_type": "x" * 5}, 0),
            ({"service_type": "x" * 6}, Status.ESME_RINVSERTYP),
            *(({"validity_period": good}, 0) for good in ("", relative, absolute, "991231235959948-")),
            *(({"schedule_delivery_time": good}, 0) for good in ("", relative, absolute)),
            *(
                ({name: bad}, status)
                for name, status in (
                    ("validity_period", Status.ESME_RINVEXPIRY),
                    ("schedule_delivery_time", Status.ESME_RINVSCHED),
                )
                for bad in (
                    "3600",
                    "261128120000000",  # 15 characters
                    "261128120000000Z",
                    "2611281200000000+",  # 17
                    "261328120000000+",  # month 13
                    "260028120000000+",  # month 0
                    "261100120000000+",  # day 0
                    "261132120000000+",
                    "261128240000000+",
                    "261128126000000+",
                    "261128120060000+",
                    "261128120000049+",  # 49 quarter hours
                    "000001000000100R",  # tenths of a relative time
                    "tomorrow at noon",
                )
            ),
        )
        for fields, status in cases:
            smsc = self.smsc()
            esme = ESME(smsc)
            esme.submit(**fields)
            self.assertEqual([pdu.command_status for pdu in esme.received()], [status], fields)
            self.assertEqual(len(smsc.ledger), status == 0, fields)
            one = {"dest_addr_ton": 1, "dest_addr_npi": 1, "destination_addr": "923001234567"} | fields
            several = {name: value for name, value in fields.items() if name not in ("text", "destination_addr")}
            several |= {"dest_address": [one], "short_message": fields.get("text", b"x")}
            esme.send(CommandId.submit_multi, several)
            self.assertEqual([pdu.command_status for pdu in esme.received()], [status], fields)

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


class PeculiarTests(SimulatorTestCase):
    """What some carriers' SMSCs do beside."""

    def test_congestion_state(self) -> None:
        """Behind the id of each response; not at all by default."""
        for percent, told in ((-1, None), (0, 0), (85, 85)):
            esme = ESME(self.smsc(congestion_state=percent))
            esme.submit()
            (response,) = esme.received()
            self.assertEqual((response.fields["message_id"], response.tlv_int(Tag.congestion_state)), ("1", told))
            self.assertEqual(response.rest, b"")

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
