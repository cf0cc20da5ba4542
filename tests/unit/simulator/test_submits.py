"""What an ESME submits, in every form."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock

from smsconnector.simulator.smsc import SMSC
from smsconnector.smpp.constants import CommandId, Status, Tag
from smsconnector.sms import udh
from tests.unit.simulator.esme import ESME, SUBMIT_SM_RESP, SimulatorTestCase


class ReadingTests(SimulatorTestCase):
    """The fast way, the long way, and the forms of long messages."""

    @settings(deadline=None, max_examples=60, database=None)
    @given(
        st.fixed_dictionaries(
            {
                name: st.text(st.characters(min_codepoint=1, max_codepoint=255), min_size=shortest, max_size=longest)
                for name, shortest, longest in (
                    ("service_type", 0, 5),
                    ("source_addr", 0, 20),
                    ("destination_addr", 1, 20),
                )
            }
            | {
                name: st.sampled_from(["", "261128120000000+", "000001000000000R"])
                for name in ("schedule_delivery_time", "validity_period")
            }
            | {name: st.integers(0, 255) for name in ("source_addr_ton", "dest_addr_npi", "protocol_id", "data_coding")}
            | {"esm_class": st.sampled_from([0, 3, 0x40]), "short_message": st.binary(max_size=254)}
        )
    )
    def test_fast_way_reads_as_the_codec(self, fields: dict[str, Any]) -> None:
        """Whatever a submit_sm holds, the regular expression finds what the codec finds."""
        smsc = SMSC(Clock())
        esme = ESME(smsc)
        esme.send(CommandId.submit_sm, fields)
        names = ("source_addr", "destination_addr", "short_message", "data_coding", "esm_class")
        self.assertEqual(smsc.ledger, [("1", *(fields[name] for name in names))])

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

    def test_long_messages(self) -> None:
        """Each form is taken alone; the others are refused, a short message and other headers are not."""
        header8, header16 = (udh.build_header(udh.concatenation_element(1, 2, 1, wide)) for wide in (False, True))
        sar: list[tuple[int, bytes]] = [
            (Tag.sar_msg_ref_num, b"\0\1"),
            (Tag.sar_total_segments, b"\2"),
            (Tag.sar_segment_seqnum, b"\1"),
        ]
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
