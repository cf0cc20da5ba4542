"""The table, and the lines for the configuration."""

from datetime import UTC, datetime

import yaml
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.config import parse
from smsconnector.doctor.evidence import Evidence, Probe, TLSFacts
from smsconnector.doctor.plan import Plan
from smsconnector.doctor.rendering import configuration, render_report, seconds
from tests.configured import binds_of
from tests.unit.doctor.cases import BIND, NOW, evidence, taken


class RenderingCase(SynchronousTestCase):
    def test_seconds(self) -> None:
        """Three figures at most."""
        self.assertEqual(
            [seconds(one) for one in (0.00042, 0.012, 0.12, 1.25, 90)],
            ["0.4 ms", "12.0 ms", "120 ms", "1.2 s", "90.0 s"],
        )

    def test_what_a_peer_writes_can_t_steer_a_terminal(self) -> None:
        """Control characters show as what they are."""
        line = Probe("transceiver", connected_in=0.1, status=0, smsc="\x1b[31mred\n")
        text = "\n".join(render_report(Evidence(probes=[line]), Plan(BIND), NOW))
        self.assertNotIn("\x1b", text)
        self.assertIn(r"\x1b[31mred\x0a", text)

    def test_certificate(self) -> None:
        """Its end, how far that is, and by what it was verified."""
        bind = BIND.model_copy(update={"tls": BIND.tls.model_copy(update={"ca_file": "ca.pem"})})
        for ends, took, words in (
            (datetime(2026, 1, 11, tzinfo=UTC), 0.1, "2026-01-11, in 10 days (soon)"),
            (datetime(2027, 1, 1, tzinfo=UTC), 0.1, "in 365 days"),
            (datetime(2025, 12, 30, tzinfo=UTC), None, "2 days ago"),
            (datetime(2027, 1, 1, tzinfo=UTC), 0.1, "by ca.pem: CN=root"),
            (datetime(2027, 1, 1, tzinfo=UTC), None, "no, not by ca.pem; it is signed by CN=root"),
        ):
            tls = TLSFacts("TLSv1.3", "AES", took, "CN=smsc", ends=ends, authority="CN=root")
            line = Probe("transceiver", connected_in=0.1, tls=tls, ended="x")
            self.assertIn(words, "\n".join(render_report(Evidence(probes=[line]), Plan(bind), NOW)))

    def test_configuration_can_be_pasted(self) -> None:
        """The entry of an SMSC that is in no configuration is one that the connector takes."""
        entry = {
            "name": "smsc",
            "endpoint": "tls:h:1",
            "system_id": "yes",
            "password": "${X}",
            "tls": {"server_name": "smsc.example"},
        }
        lines = configuration(evidence(taken("1", "sar")), Plan(BIND, entry=entry))[2:]
        binds = yaml.safe_load("\n".join(lines))
        self.assertEqual(binds, [entry | {"long_messages": "sar"}])
        text = yaml.safe_dump({"channels": {"smpp": {"type": "smpp", "binds": binds}}})
        self.assertEqual(binds_of(parse(text, {"X": "hunter2"}))[0].long_messages, "sar")

    def test_lines_for_a_bind(self) -> None:
        """Only what has to change; or that nothing has to."""
        plan = Plan(BIND, place="channels.smpp.binds, a")
        self.assertEqual(configuration(evidence(taken("1", "sar")), plan)[1:], ["", "  long_messages: sar"])
        self.assertIn("needs no change", configuration(evidence(taken("1", "udh8")), plan)[0])
