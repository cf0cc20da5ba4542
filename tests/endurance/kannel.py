"""5,000 texts through an ``http`` channel and a real Kannel to the simulated SMSC, which counts them; its receipts come
back by Kannel's dlr-url.

    python -m tests.endurance.kannel --texts 5000

Exit status 0: each was taken once, and each has one report, DELIVERED.
"""

import argparse
import sys
import time
from collections import Counter
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import inlineCallbacks
from twisted.internet.threads import deferToThread

from tests.integration import kannel
from tests.integration.activemq import free_port
from tests.integration.stack import Connector, Network, until
from tests.integration.test_kannel import KannelLoad, channel_of

reactor: Any = _reactor
WITHIN = 300.0  # seconds


@inlineCallbacks
def run(texts: int, statuses: list[int]) -> Any:
    """Post them, and count."""
    network = Network(receipt_delay=0.1)
    network.listen()
    upstream = kannel.Kannel(network.number)
    uri, channels = f"tcp://127.0.0.1:{free_port()}", channel_of(upstream.port)
    connector = Connector([], uri, is_reached=True, channels=channels)
    try:
        yield deferToThread(upstream.start)
        yield connector.start()
        began = time.monotonic()
        load = KannelLoad(connector.port, texts)
        yield load.run()
        try:
            yield until(lambda: len(network.taken) >= texts, WITHIN)
            yield until(lambda: len(connector.reports()) >= texts, WITHIN)
        except TimeoutError:
            print("not all came")
        counts = Counter(Counter(entry.destination for entry in network.taken).values())
        print(f"{texts} posted, taken by how many times: {dict(counts)}, {time.monotonic() - began:.1f} s")
        reports = connector.reports()
        right = sorted(reports) == sorted((sid, "DELIVERED") for sid in load.accepted)
        print(f"{len(reports)} reports, {'one DELIVERED for each' if right else 'and that is not one for each'}")
        statuses.append(0 if counts == {1: texts} and right else 1)
    finally:
        connector.close()
        upstream.stop()
        yield network.cut()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=5_000)
    options = parser.parse_args()
    missing = kannel.available()
    if missing:
        print(missing)
        return 1
    statuses: list[int] = []

    def begin() -> None:
        run(options.texts, statuses).addErrback(lambda failure: print(failure.getTraceback())).addBoth(
            lambda _: reactor.stop()
        )

    reactor.callWhenRunning(begin)
    reactor.run()
    return statuses[0] if statuses else 1


if __name__ == "__main__":
    sys.exit(main())
