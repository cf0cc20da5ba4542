"""The audit shows what was done to it."""

from twisted.trial.unittest import SynchronousTestCase

from smsconnector.access.chain import FIRST, Head, Row, chained, faults_of


def rows(count: int) -> list[Row]:
    found, before = [], FIRST
    for number in range(1, count + 1):
        found.append(chained(Row(number, 1_000 * number, "me", "sent", f"{number} messages"), before))
        before = found[-1].hash
    return found


def head_of(found: list[Row]) -> Head:
    return Head(found[-1].number, found[-1].hash) if found else Head()


class ChainCase(SynchronousTestCase):
    def test_whole(self) -> None:
        """An audit that nobody has touched, and an empty one."""
        for count in (0, 1, 5):
            self.assertEqual(faults_of(rows(count), head_of(rows(count))), [])

    def test_touched(self) -> None:
        """Each way to change it shows, with the row where it does."""
        whole = rows(5)
        head = head_of(whole)
        forged = chained(whole[2]._replace(about="0 messages"), whole[1].hash)
        cases: list[tuple[list[Row], str]] = [
            ([*whole[:2], *whole[3:]], "row 3 is not there"),
            ([*whole[:1], *whole[3:]], "row 2 to 3 is not there"),
            (whole[1:], "row 1 is not there"),
            (whole[:4], "the last row is 4, and the head knows row 5: rows behind it were taken out"),
            ([], "the last row is 0, and the head knows row 5: rows behind it were taken out"),
            ([*whole, chained(Row(6, 0, "me", "sent", ""), head.hash)], "the last row is 6, and the head knows row 5"),
            ([*whole[:2], forged, *whole[3:]], "row 4 is not as it was written, or the one before it was replaced"),
            *(
                ([*whole[:2], changed, *whole[3:]], "row 3 is not as it was written")
                for changed in (
                    whole[2]._replace(at=1),
                    whole[2]._replace(who="you"),
                    whole[2]._replace(what="x"),
                    whole[2]._replace(about="x"),
                    whole[2]._replace(hash="0" * 64),
                )
            ),
            ([whole[0], whole[2]._replace(number=2), *whole[2:]], "row 2 is not as it was written"),
            ([whole[1], whole[0], *whole[2:]], "row 1 is not there"),
        ]
        for found, sentence in cases:
            self.assertIn(sentence, "; ".join(faults_of(found, head)), sentence)

    def test_fields_don_t_run_into_each_other(self) -> None:
        """Two rows with the same letters in other fields have other hashes."""
        one, other = Row(1, 1, "ab", "c", ""), Row(1, 1, "a", "bc", "")
        self.assertNotEqual(chained(one, FIRST).hash, chained(other, FIRST).hash)
