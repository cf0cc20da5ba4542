"""The program around the gateways of the benchmarks (``benchmarks/native``): whether its figures can be trusted."""

import shutil
import socket
import threading
import time

from twisted.trial.unittest import SynchronousTestCase

from benchmarks.floors import ANSWER
from benchmarks.gateways import SHORT, Ours, send
from benchmarks.peer import Peer, build
from benchmarks.rows import ROWS, checked, work


class PeerCase(SynchronousTestCase):
    skip = None if shutil.which("cc") else "needs a C compiler: apt-get install gcc libc6-dev"
    timeout = 60

    def setUp(self) -> None:
        build()
        self.peer = Peer()
        self.addCleanup(self.peer.__exit__)

    def test_open_loop(self) -> None:
        """A server that stalls for half a second is blamed for every request that should have been answered meanwhile,
        not only for the one that it kept (coordinated omission)."""
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65_536)
                time.sleep(0.5)
                connection.sendall(ANSWER)
                while connection.recv(65_536):
                    connection.sendall(ANSWER)

        thread = threading.Thread(target=serve)
        thread.start()
        self.addCleanup(thread.join)
        port = listener.getsockname()[1]
        result = self.peer.load(port, send(SHORT), 50, connections=1, rate=100, submits=0, reports=0)
        self.assertEqual((result["finished"], result["statuses"]), (True, {"200": 50}))
        self.assertGreater(result["answer_ms"]["p50"], 150)
        self.assertGreater(result["answer_ms"]["max"], 450)

    def test_alone(self) -> None:
        """It is far faster than any gateway, with both ends in one process."""
        for what, pace in self.peer.pace_alone().items():
            self.assertGreater(pace, 10_000, what)

    def test_nobody_listens(self) -> None:
        """A run that can't begin says why."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        result = self.peer.load(port, send(SHORT), 10)
        self.assertEqual((result["finished"], result["error"]), (False, "nobody listens on the port"))

    def test_rows(self) -> None:
        """Every kind of work goes its whole way through the connector: submits, receipts, reports, texts."""
        for with_receipt in (False, True):
            with Ours(self.peer, with_receipt) as gateway:
                for row in ROWS.values():
                    if row.with_receipt == with_receipt and not row.rate and not row.throttled:
                        result = checked(work(self.peer, row, gateway, 100))
                        texts = 0 if row.kind == "texts" else 100
                        self.assertEqual(
                            (result["submits"], result["receipts"], result["reports"]),
                            (texts * row.segments, texts * with_receipt, 100),
                            row.name,
                        )
