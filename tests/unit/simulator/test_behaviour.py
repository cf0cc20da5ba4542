"""The record of what the SMSC does: its bounds, its ids, its dice."""

from typing import Any

from smsconnector.errors import ConfigurationError
from smsconnector.simulator.behaviour import ID_FORMS, Behaviour
from smsconnector.smpp.constants import Tag
from tests.unit.simulator.esme import ESME, SUBMIT_SM_RESP, SimulatorTestCase


class BehaviourTests(SimulatorTestCase):
    """What is wrong is refused; what chance decides can be repeated."""

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
