"""What the benchmarks conclude from their measurements: the short form's verdict, and the table."""

import io
from contextlib import redirect_stdout

from twisted.trial.unittest import SynchronousTestCase

from benchmarks.peer import Latency, Result
from benchmarks.rows import ROWS, Measure
from benchmarks.short import MOST, TRIES, holds
from benchmarks.table import Log, table


class ShortFormTests(SynchronousTestCase):
    """A ratio to the floor may grow by a fifth; noise gets two more tries."""

    def tried(self, *ratios: float) -> tuple[bool, int]:
        """Whether it holds against an expected 10, and how often it was measured."""
        left = list(ratios)
        with redirect_stdout(io.StringIO()):
            found = holds("W1", 10.0, lambda _: left.pop(0))
        return found, len(ratios) - len(left)

    def test_as_expected(self) -> None:
        """Within the bound one measurement is enough, and so is one that is far better."""
        self.assertEqual(self.tried(10 * MOST, 0), (True, 1))
        self.assertEqual(self.tried(2.0, 0), (True, 1))

    def test_noise(self) -> None:
        """A ratio that was too high and is measured again within the bound is no failure."""
        self.assertEqual(self.tried(15.0, 14.0, 11.0), (True, TRIES))

    def test_slower(self) -> None:
        """What is too high every time has become slower."""
        self.assertEqual(self.tried(12.1, 12.1, 12.1, 10.0), (False, TRIES))


class TableTests(SynchronousTestCase):
    """Medians, ratios and bars."""

    def setUp(self) -> None:
        self.log = Log()

    def add(self, row: str, gateway: str, *costs: float, p50: float = 1.0, unthrottled: float | None = None) -> None:
        wait = Latency(count=1, p50=p50, p90=9.0, p99=9.0, max=9.0)
        result = Result(messages=900, seconds=1.0, statuses={}, submit_ms=wait)
        with redirect_stdout(io.StringIO()):
            for cost in map(float, costs):
                self.log.measured(1, ROWS[row], gateway, Measure(cost, cost, 0.0, 90.0, result, unthrottled))
            self.log.bare(1, ROWS[row], {"door": 8.0, "socket": 1.0, "store": 2.0})
            self.log.disk(1, ROWS[row], 0.5, 2.0)

    def lines(self, *rows: str, other: str = "kannel") -> list[list[str]]:
        return [line.split() for line in table(self.log, rows, other)]

    def test_bar(self) -> None:
        """The medians' ratio is what the bar is for, beside those of the rounds. The floor is door and store."""
        self.add("W1", "ours", 84, 85, 500)
        self.add("W1", "kannel", 100, 1, 101)
        self.assertEqual(self.lines("W1")[1][-9:-3], ["85.00", "100.00", "0.85", "0.85", "ok", "8.50"])
        self.assertEqual(self.lines("W1")[1][-3:], ["0.84", "85.00", "4.95"])
        self.add("W1", "ours", 86, 86, 86)
        self.assertEqual(self.lines("W1")[1][-6:-4], ["0.85", "over"])

    def test_another_checkout(self) -> None:
        """The bars are for Kannel, and say nothing of another checkout."""
        self.add("W1", "ours", 200)
        self.add("W1", "against", 100)
        self.assertEqual(self.lines("W1", other="against")[1][-6:], ["200.00", "100.00", "2.00", "-", "20.00", "2.00"])

    def test_latency(self) -> None:
        """W5 may take the disk's own time and half a millisecond."""
        self.add("W5", "ours", 10, p50=1.1)
        _, _, p50, p99, _ = self.lines("W5")
        self.assertEqual((p50[-4:-1], p99[-3:-1]), (["-", "1.00", "over"], ["5.00", "over"]))

    def test_throttled(self) -> None:
        """The pace is compared with that of the same process without throttling, just before."""
        self.add("throttled", "ours", 10, unthrottled=1000.0)
        self.assertEqual(self.lines("throttled")[1][-6:-1], ["0.90", "-", "-", "0.95", "under"])

    def test_not_measured(self) -> None:
        """A gateway that was not measured leaves its cells empty."""
        self.add("pipeline", "ours", 50)
        self.assertEqual(self.lines("pipeline")[1][-5:], ["50.00", "-", "-", "0.80", "5.00"])
