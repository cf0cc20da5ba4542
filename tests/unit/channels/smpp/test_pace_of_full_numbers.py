"""Numbers that are full beside healthy ones, on one bind: the full ones must not slow the others down.

Measured before: with two thirds of texts to numbers that answer ESME_RMSGQFUL the pace slid to one submit a second, and
healthy texts went out at 0.2 a second. In simulated time, with the real submitter, store, bind and session."""

from typing import Any

from smsconnector.smpp import pdu as codec
from smsconnector.smpp.constants import RESPONSE, Status
from tests.unit.channels.smpp.test_routes import RoutesCase

SHARES = (0.2, 0.5, 0.67, 0.9)  # of them to full ones
TRAFFIC = ((300, 0.02), (100, 0.05), (60, 0.2), (20, 0.05))  # texts a second, to all numbers; round trip in seconds
WARMING, STRETCH, STRETCHES = 10, 5, 4  # seconds, and how often


class FullNumbersCase(RoutesCase):
    status = Status.ESME_RMSGQFUL

    def healthy_rate(
        self, share: float, numbers: int, offered: int = 300, round_trip: float = 0.02, **behaviour: Any
    ) -> float:
        """The part of the texts to healthy numbers that the SMSC takes at the rate at which they come, in the worst
        stretch of some seconds."""
        self.build(response_delay=round_trip, **behaviour)
        smsc = self.peers[0].smsc
        take = smsc.submit

        def submit(connection: Any, command_id: int, sequence: int, submits: Any) -> None:
            if self.is_full(submits[0].destination_addr, share):
                refusal = codec.bare(command_id | RESPONSE, sequence, self.status)
                connection.answer(refusal, smsc.behaviour.response_delay)
            else:
                take(connection, command_id, sequence, submits)

        self.patch(smsc, "submit", submit)
        rates = []
        for second in range(WARMING + STRETCH * STRETCHES):
            if second >= WARMING and (second - WARMING) % STRETCH == 0:
                rates.append(-len(self.peers[0].taken))
            for _ in range(10):
                self.send(offered // 10, numbers)
                self.turn(0.1)
            if second >= WARMING and (second - WARMING) % STRETCH == STRETCH - 1:
                rates[-1] += len(self.peers[0].taken)
        self.check_order(self.taken())
        return min(rates) / (offered * STRETCH * (1 - share))

    def is_full(self, number: str, share: float) -> bool:
        """The full numbers are spread evenly among all."""
        return int(number[-8:]) * 37 % 100 < share * 100

    def keep_their_rate(self, numbers: int) -> None:
        cases = [(share, offered, round_trip) for share in SHARES for offered, round_trip in TRAFFIC]
        rates = {
            (share, offered, round_trip): self.healthy_rate(share, numbers, offered, round_trip)
            for share, offered, round_trip in cases
        }
        self.assertEqual({case: rate for case, rate in rates.items() if rate < 0.8}, {})

    def test_some_numbers(self) -> None:
        """400 numbers, and the same ones are full all the time: contacts that are written to again and again."""
        self.keep_their_rate(400)

    def test_new_numbers(self) -> None:
        """Each text goes to a number of its own: a campaign, to a list of which that part is full."""
        self.keep_their_rate(1 << 30)

    def test_throttled(self) -> None:
        """An SMSC that says ESME_RTHROTTLED of full numbers."""
        self.status = Status.ESME_RTHROTTLED
        for share in SHARES:
            self.assertGreater(self.healthy_rate(share, 1 << 30), 0.8, f"share {share}")

    def test_limited_too(self) -> None:
        """The SMSC has a limit as well, above what comes: the limit is kept, and the healthy ones keep their rate."""
        self.assertGreater(self.healthy_rate(0.2, 400, throughput=600), 0.8)

    def test_busy_too(self) -> None:
        """The SMSC refuses a fifth of all others as well."""
        self.assertGreater(self.healthy_rate(0.5, 400, throttle_share=0.2), 0.8)

    def test_limit_alone(self) -> None:
        """Without full numbers a limit below what comes is found, and few submits are in vain."""
        for numbers in (400, 1 << 30):
            self.assertGreater(self.healthy_rate(0.0, numbers, throughput=100) * 300, 90)
            self.assertLess(self.peers[0].smsc.counts.throttled / 30, 20)

    def test_limit_below_what_comes(self) -> None:
        """With full numbers beside it as much is taken as the limit allows. Measured before: 4 a second of 100."""
        for share in (0.2, 0.5):
            rate = self.healthy_rate(share, 1 << 30, throughput=100)
            self.assertGreater(rate * 300 * (1 - share), 80, f"share {share}")
