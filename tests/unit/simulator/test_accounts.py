"""What an account is owed, and how much it may submit."""

from smsconnector.smpp.constants import Status
from tests.unit.simulator.esme import ESME, RECEIVER, SUBMIT_SM_RESP, TRANSCEIVER, TRANSMITTER, SimulatorTestCase


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


class ThroughputTests(SimulatorTestCase):
    """The limit of an account."""

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
