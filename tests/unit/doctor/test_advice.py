"""What to do about a bind that did not come up."""

from typing import Any

from twisted.internet import error
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.channels.smpp.settings import BindSection
from smsconnector.config import parse
from smsconnector.doctor.advice import trouble
from smsconnector.doctor.evidence import Probe, TLSFacts
from smsconnector.smpp.constants import Status
from tests.configured import binds_of
from tests.unit.doctor.cases import BIND


class AdviceCase(SynchronousTestCase):
    def told(self, bind: BindSection = BIND, **line: Any) -> str:
        return " ".join(trouble(Probe("transceiver", **line), bind))

    def test_refusals(self) -> None:
        """Each status has what to do; one that no table knows says whom to ask."""
        for status, words in (
            (Status.ESME_RINVPASWD, "invalid password"),
            (Status.ESME_RINVPASWD, "mend password"),
            (Status.ESME_RINVSYSID, "mend system_id"),
            (Status.ESME_RINVSYSTYP, "set system_type"),
            (Status.ESME_RBINDFAIL, "whitelist"),
            (Status.ESME_RALYBND, "already bound"),
            (Status.ESME_RALYBND, "stop the connector"),
            (Status.ESME_RINVCMDID, "mode: pair"),
            (Status.ESME_RSYSERR, "later"),
            (0x422, "0x00000422"),
            (0x422, "Ask the carrier"),
        ):
            self.assertIn(words, self.told(connected_in=0.1, status=int(status)))

    def test_long_password(self) -> None:
        """More than eight characters is said, but not which."""
        (bind,) = binds_of(
            parse(
                "channels: {a: {type: smpp, binds: [{name: a, endpoint: 'tcp:h:1', system_id: me, "
                "password: hunter2hunter2}]}}"
            ),
            "a",
        )
        said = self.told(bind, connected_in=0.1, status=Status.ESME_RINVPASWD)
        self.assertIn("8 characters", said)
        self.assertNotIn("hunter2", said)

    def test_no_connection(self) -> None:
        """Refused, not known, no answer, no way, anything else."""
        for failure, words in (
            (error.ConnectionRefusedError(), "refuses connections to port 2775"),
            (error.DNSLookupError(), "name smsc.example is not known"),
            (error.TimeoutError(), "whitelist"),
            (error.NoRouteError(), "no way to smsc.example"),
            (ValueError("x.pem holds no certificate"), "x.pem holds no certificate"),
            (error.ConnectError(osError=113), "smsc.example:2775"),
            (RuntimeError(), "RuntimeError"),
            (None, "ended before"),
        ):
            self.assertIn(words, self.told(failure=failure, ended="no connection"))

    def test_tls(self) -> None:
        """Why a certificate is not good."""
        for fault, words in (
            (10, "no longer valid"),
            (9, "clock"),
            (18, "signed by itself"),
            (20, "ca_file"),
            (77, "error 77"),
        ):
            self.assertIn(words, self.told(connected_in=0.1, tls=TLSFacts(fault=fault), ended="x"))

    def test_no_answer(self) -> None:
        """To the bind: what a peer does that is no SMSC, or one that does not want us."""
        for ended, words in (
            ("the SMSC closed the connection", "whitelist"),
            ("no answer to the bind within 10 s", "waits for TLS"),
            ("command_length 5 is outside 16..65536: the stream's framing is lost", "no SMPP"),
        ):
            self.assertIn(words, self.told(connected_in=0.1, ended=ended))
            self.assertNotIn("waits for TLS", self.told(connected_in=0.1, ended=ended, tls=TLSFacts(took=0.1)))
