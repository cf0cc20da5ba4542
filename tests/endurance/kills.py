"""kill -9 after kill -9 under load: ``python -m tests.endurance.kills [--rounds 200] [--seed N] [--rate 300]``.

1. Each round starts the connector on the same database and kills it: 0.3 to 3 s after it is up, or in its start, or
   in its stop, or while it drains what came in while the SMSC was away. In some rounds the SMSC is cut off, or the
   broker is stopped or killed, and comes back after a while.
2. Texts are posted all the time (paced; in a quarter of the rounds as fast as they are answered), handsets write.
3. At the end everything is up, nothing more is posted, and what is owed is waited for. Then it is counted: 200s at
   the clients, submits in the SMSC's ledger, reports and texts on the broker's queues.

What may come twice: a submit whose response was lost, an event whose confirmation was lost, a text whose
acknowledgement was lost. So each repeat has to have a disturbance between its two copies, and a disturbance can cost
no more repeated submits than the bind's window.
"""

import argparse
import json
import random
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred, ensureDeferred, gatherResults

from tests.endurance.figures import Promises, some
from tests.endurance.load import Load
from tests.endurance.queues import Consumer, Tally
from tests.endurance.stage import Stage, run, settled, sleep
from tests.integration.stack import until

WINDOW = 50
DELIVER_WINDOW = 100  # of the simulated SMSC
STRAYS = 3000  # ms that the broker may take to read what a killed connector had written
CHUNKS = 2 * 500  # events at the sink at once, by smsconnector.walks.publisher


class Disturbance(NamedTuple):
    what: str
    at: int  # ms since the epoch
    submits: int  # in the ledger when nothing more could come from before


class Kills:
    """The rounds, and what they have done."""

    def __init__(self, stage: Stage, options: argparse.Namespace) -> None:
        self.stage, self.options = stage, options
        self.dice = random.Random(options.seed)
        self.network = stage.network(mo_rate=options.mo_rate)
        self.connector = stage.daemon([self.network.number])
        self.load = Load(self.connector.port, options.rate, long_every=10)
        self.disturbances: list[Disturbance] = []
        self.crashes: list[str] = []
        self._troubles: dict[str, Deferred[None]] = {}

    def disturb(self, what: str, at: float) -> None:
        self.disturbances.append(Disturbance(what, int(at * 1000), len(self.network.taken)))

    async def rounds(self) -> None:
        for number in range(self.options.rounds):
            await self._round()
            if (number + 1) % 10 == 0:
                print(f"{number + 1} rounds, {len(self.load.accepted)} accepted", flush=True)
        await gatherResults(list(self._troubles.values()))

    async def _round(self) -> None:
        dice = self.dice
        when = dice.choices(("running", "starting", "stopping", "draining"), (60, 15, 15, 10))[0]
        self.load.rate = 0 if dice.random() < 0.25 else self.options.rate
        if when != "draining" and dice.random() < 0.3:
            self._trouble("SMSC")
        if dice.random() < 0.2:
            self._trouble("broker")
        starting = self.connector.start()
        if when == "starting":
            starting.addErrback(lambda _: None)
            await sleep(dice.uniform(0.05, 1.2))
        else:
            await starting
            await (self._drain() if when == "draining" else sleep(dice.uniform(0.3, 3)))
            if self.connector.ended():
                self.crashes.append(self.connector.said()[-2000:])
        if when == "stopping":
            self.connector.ask_to_stop()
            await sleep(dice.uniform(0, 0.6))
        at = time.time()
        self.connector.kill()
        await until(lambda: not self.network.connected, 10)
        self.disturb(f"kill -9 while {when}", at)

    async def _drain(self) -> None:
        """A backlog, and the SMSC just back."""
        if "SMSC" in self._troubles:
            await self._troubles["SMSC"]
        self.load.rate = 0
        await self.network.cut()
        self.disturb("SMSC cut off", time.time())
        await sleep(self.dice.uniform(1, 3))
        self.network.listen()
        taken = len(self.network.taken)
        await until(lambda: len(self.network.taken) > taken, 30)
        await sleep(self.dice.uniform(0, 0.4))

    def _trouble(self, what: str) -> None:
        """One of a kind at a time; it may outlast the round."""
        if what not in self._troubles:
            trouble = self._cut() if what == "SMSC" else self._end_broker()
            self._troubles[what] = ensureDeferred(trouble)

            def over(_: None) -> None:
                del self._troubles[what]

            self._troubles[what].addCallback(over)

    async def _cut(self) -> None:
        await sleep(self.dice.uniform(0, 3))
        await self.network.cut()
        self.disturb("SMSC cut off", time.time())
        await sleep(self.dice.uniform(0.2, 4))
        self.network.listen()

    async def _end_broker(self) -> None:
        broker, kill = self.stage.broker, self.dice.random() < 0.5
        await sleep(self.dice.uniform(0, 3))
        at = time.time()
        await broker.do(broker.kill if kill else broker.terminate)
        self.disturb("broker kill -9" if kill else "broker stop", at)
        await sleep(self.dice.uniform(0.2, 4))
        await broker.do(broker.start)

    # --- the end --------------------------------------------------------------------------------------------

    async def quiet(self) -> Tally:
        """Everything is up and nothing is posted: waits for what is owed, and takes it off the queues."""
        await self.connector.start()
        self.load.stop()
        self.network.stop_writing()
        wanted = set(self.load.accepted.values())
        await settled(
            lambda: self.load.done and wanted <= {one.destination for one in self.network.taken},
            lambda: (len(self.network.taken), self.load.under_way),
        )
        await settled(lambda: not self.network.owes, lambda: self.network.owes)
        consumer = Consumer(self.stage.broker.stomp_port)
        await consumer.start()
        tally = consumer.tally
        await settled(
            lambda: len(tally.reports) >= len(wanted) and len(tally.texts) >= len(self.network.written),
            lambda: tally.arrivals,
        )
        await settled(lambda: False, lambda: tally.arrivals, patience=5)  # whatever comes on top
        consumer.close()
        return tally


class Count:
    """What came of it all, and whether it is what was promised."""

    def __init__(self, kills: Kills, tally: Tally) -> None:
        self.load, self.network, self.tally = kills.load, kills.network, tally
        self.disturbances, self.crashes = kills.disturbances, kills.crashes
        self.promises = Promises()
        self.told = tally.told

    def all(self) -> int:
        for name, count in sorted(Counter(one.what for one in self.disturbances).items()):
            self.promises.show(name, str(count))
        show = self.promises.show
        show("ended by itself", f"{len(self.crashes)} {some(self.crashes, 1)}", not self.crashes, "never")
        self._messages()
        self._reports()
        self._submits()
        self._texts()
        return self.promises.verdict()

    def _messages(self) -> None:
        accepted, show = self.load.accepted, self.promises.show
        unasked = self.told.keys() - accepted.keys()
        refused = Counter(head.split(b" ", 2)[1].decode() for head in self.load.refused)
        show("accepted", f"{len(accepted)} (200s that clients saw); refused: {dict(refused)}")
        parts = Counter(number for number, _ in {(one.destination, one.short_message) for one in self.network.taken})
        unsent = [sid for sid, number in accepted.items() if parts[number] < 1 + self.load.is_long(number)]
        show("not submitted", f"{len(unsent)} {some(unsent)}", not unsent, "none")
        lost = [sid for sid in accepted if sid not in self.told]
        show("lost", f"{len(lost)} without a report {some(lost)}", not lost, "none")
        show(
            "posts unanswered",
            f"{self.load.unanswered}, of which {len(unasked)} were accepted all the same",
            len(unasked) <= self.load.unanswered,
            "no report of what was never posted",
        )

    def _reports(self) -> None:
        show, reports = self.promises.show, self.tally.reports
        several = [sid for sid, found in self.told.items() if len(found) > 1]
        show(
            "messages reported",
            f"{len(self.told)}, {len(several)} of them by several events {some(several)}",
            not several,
            "one event a message",
        )
        wrong = [sid for sid, found in self.told.items() if found[0]["DeliveryStatus"] != "DELIVERED"]
        show("not DELIVERED", f"{len(wrong)} {some(wrong)}", not wrong, "all are, as the SMSC says")
        differ = [event_id for event_id, copies in reports.items() if copies.differ]
        show("two contents", f"{len(differ)} {some(differ)}", not differ, "none")
        self._repeats("repeats by event-id", {event_id: copies.at for event_id, copies in reports.items()}, CHUNKS)

    def _repeats(self, what: str, times: Mapping[Any, list[int]], most: int) -> None:
        """``times``: when each was seen, in order; ``most``: repeats that one disturbance may cause."""
        groundless = [one for one, at in times.items() if not all(map(self._between, at, at[1:]))]
        count = sum(len(at) - 1 for at in times.values())
        self.promises.show(
            what,
            f"{count}, {len(groundless)} without a disturbance between {some(groundless)}",
            not groundless and count <= most * len(self.disturbances),
            "only what a kill can cause",
        )

    def _between(self, first: int, second: int) -> bool:
        """Whether something was disturbed between these two times."""
        return any(first - STRAYS <= one.at <= second for one in self.disturbances)

    def _submits(self) -> None:
        """Each repeat goes to the account of the first disturbance after the copy before it."""
        bounds = [one.submits for one in self.disturbances]
        costs: Counter[int] = Counter()
        groundless = []
        last: dict[tuple[str, bytes], int] = {}
        for place, one in enumerate(self.network.taken):
            key = one.destination, one.short_message
            if key in last:
                disturbance = bisect_left(bounds, last[key] + 1)
                if disturbance == len(bounds) or bounds[disturbance] > place:
                    groundless.append(one.destination)
                costs[disturbance] += 1
            last[key] = place
        worst = costs.most_common(1)
        which = f" ({self.disturbances[worst[0][0]].what})" if worst and worst[0][0] < len(bounds) else ""
        at_most = worst[0][1] if worst else 0
        over = sum(cost > WINDOW for cost in costs.values())
        self.promises.show(
            "repeated submits",
            f"{costs.total()}, at most {at_most} by one disturbance{which}, {over} cost over {WINDOW};"
            f" {len(groundless)} without one between {some(groundless)}",
            not over and not groundless,
            f"at most {WINDOW} each",
        )

    def _texts(self) -> None:
        events = [json.loads(copies.body) for copies in self.tally.texts.values()]
        came = Counter((event["From"], event["Body"]) for event in events)
        written, show, refused = self.network.written, self.promises.show, self.network.smsc.counts.refused_for_good
        lost = [source for source, text in written if not came[source, text]]
        show(
            "texts of handsets",
            f"{len(written)}, {len(lost)} of them lost {some(lost)}, {refused} parts refused",
            not lost and not refused,
            "none",
        )
        strange = came.keys() - set(written)
        show("texts nobody wrote", f"{len(strange)} {some(list(strange))}", not strange, "none")
        at: dict[tuple[str, str], list[int]] = {}
        for event in events:  # a MessageSID begins with the time it was made
            at.setdefault((event["From"], event["Body"]), []).append(int(event["SmsSid"][2:14], 16))
        in_order = {key: sorted(times) for key, times in at.items()}
        self._repeats("texts that came twice", in_order, DELIVER_WINDOW)

    def save(self, path: Path) -> None:
        """All that was counted, to look into what was broken."""
        evidence = {
            "disturbances": self.disturbances,
            "accepted": self.load.accepted,
            "taken": [(one.message_id, one.destination, one.short_message.hex()) for one in self.network.taken],
            "written": self.network.written,
            "reports": {event_id: (one.body, one.at) for event_id, one in self.tally.reports.items()},
            "texts": {event_id: (one.body, one.at) for event_id, one in self.tally.texts.items()},
        }
        path.write_text(json.dumps(evidence, indent=0))


def main() -> None:
    parser = argparse.ArgumentParser(description="kill -9 after kill -9 under load: is anything lost?")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--rate", type=float, default=300.0, help="texts a second (in a quarter of the rounds: all)")
    parser.add_argument("--mo-rate", type=float, default=20.0, help="texts a second from handsets")
    options = parser.parse_args()

    async def program(stage: Stage) -> int:
        begun = time.monotonic()
        print(f"kills: seed {options.seed}, {options.rounds} rounds", flush=True)
        await stage.broker.do(stage.broker.start)
        kills = Kills(stage, options)
        kills.network.listen()
        kills.load.start()
        await kills.rounds()
        tally = await kills.quiet()
        code = await kills.connector.stop()
        print(f"wall time {time.monotonic() - begun:.0f} s; the last stop ended with {code}", flush=True)
        count = Count(kills, tally)
        status = count.all()
        if status:
            count.save(kills.connector.folder / "count.json")
        return status

    run(program)


if __name__ == "__main__":
    main()
