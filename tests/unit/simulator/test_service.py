"""``twistd smsc-simulator``: the options and the service."""

import json
from pathlib import Path

from twisted.internet.testing import MemoryReactorClock
from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.simulator.behaviour import Behaviour
from smsconnector.simulator.service import Options, makeService
from smsconnector.smpp.constants import CommandId, Status
from tests.unit.simulator.esme import (
    ESME,
)


class ServiceTests(SynchronousTestCase):
    """From the command line to a port."""

    def test_options(self) -> None:
        """Options become a Behaviour of the right types; what is not given is its default, but for the first id."""
        options = Options()
        options.parseOptions(
            [
                "--port",
                "0",
                "--system-id",
                "connector",
                "--receipt-delay",
                "0.5",
                "--failure-share",
                "0.1",
                "--id-form",
                "hex",
                "--receipt-tlvs",
                "no",
                "--seed",
                "-3",
                "--first-id",
                "17",
                "--verbose",
                "--interface-version",
                "5.0",
                "--long-messages",
                "sar,payload",
                "--echo",
                "yes",
                "--sessions",
                "2",
            ]
        )
        self.assertEqual(
            options["behaviour"],
            Behaviour(
                system_id="connector",
                receipt_delay=0.5,
                failure_share=0.1,
                id_form="hex",
                receipt_tlvs=False,
                seed=-3,
                first_id=17,
                interface_version="5.0",
                long_messages="sar,payload",
                echo=True,
                sessions=2,
            ),
        )
        options = Options()
        options.parseOptions([])
        self.assertEqual(options["behaviour"], Behaviour(first_id=options["behaviour"].first_id))
        self.assertGreater(options["behaviour"].first_id, 1_600_000_000_000)

    def test_bad_options(self) -> None:
        """A sentence for each, no traceback."""
        for arguments, sentence in (
            (["--failure-share", "2"], "--failure-share has to be 0 to 1, not 2.0"),
            (["--receipt-delay", "soon"], "--receipt-delay has to be a number, not soon"),
            (["--seed", "1.5"], "--seed has to be a whole number, not 1.5"),
            (["--receipt-tlvs", "maybe"], "--receipt-tlvs has to be yes or no, not maybe"),
            (["--id-form", "roman"], "--id-form has to be one of decimal, "),
            (["--port", "http"], "--port has to be 0 to 65535, not http"),
            (["--mo-rate", "-1"], "--mo-rate has to be 0 or more, not -1.0"),
        ):
            with self.assertRaises(UsageError) as caught:
                Options().parseOptions(arguments)
            self.assertIn(sentence, str(caught.exception))

    def test_service(self) -> None:
        """It listens where it was told, says on which port, and writes the ledger; a stop asks the ESMEs to go, and
        what they still say after it does no harm."""
        port_file, ledger = self.mktemp(), self.mktemp()
        options = Options()
        options.parseOptions(["--port", "2775", "--port-file", port_file, "--ledger", ledger, "--first-id", "1"])
        reactor = MemoryReactorClock()
        service = makeService(options, reactor)
        service.startService()
        ((port, factory, _backlog, interface),) = reactor.tcpServers
        smsc = service.smsc
        self.assertIs(factory, smsc)
        self.assertEqual((port, interface), (2775, "127.0.0.1"))
        self.assertEqual(int(Path(port_file).read_text(encoding="ascii")), service.port.getHost().port)
        esme = ESME(smsc)
        esme.submit(b"hello")
        self.assertEqual(json.loads(Path(ledger).read_text(encoding="ascii"))["short_message"], b"hello".hex())
        self.assertEqual(smsc.ledger, [])
        esme.received()
        service.stopService()
        self.assertEqual([pdu.command_id for pdu in esme.received()], [CommandId.unbind])
        esme.submit(b"late")
        self.assertEqual([pdu.command_status for pdu in esme.received()], [Status.ESME_RINVBNDSTS])
        esme.lose()
