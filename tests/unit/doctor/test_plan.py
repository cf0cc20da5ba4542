"""The command line and the configuration as what is to be tried."""

import argparse
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from smsconnector.doctor.evidence import MARK, SHORT, Evidence
from smsconnector.doctor.plan import PASSWORD_VARIABLE, Plan, make_plan
from smsconnector.doctor.rendering import announcement, configuration
from smsconnector.sms import alphabet as alphabets
from tests.unit.doctor.cases import BIND, NUMBER


class PlanCase(SynchronousTestCase):
    def options(self, **given: Any) -> argparse.Namespace:
        names = ("bind", "host", "system_id", "system_type", "password_file", "ca_file", "source")
        defaults: dict[str, Any] = {"config": "c.yaml", "to": [], "wait": 15.0} | dict.fromkeys(names)
        return argparse.Namespace(**(defaults | given))

    def configured(self) -> str:
        path = self.mktemp()
        binds = (
            "[{name: a, endpoint: 'tcp:h:1', system_id: me, password: hunter2, window: 7, alphabet: latin1}, "
            "{name: r, endpoint: 'tcp:h:1', system_id: me, mode: receiver}, "
            "{name: o, endpoint: 'outbind:0.0.0.0:1', system_id: me, outbind_system_id: s, "
            "outbind_password: p}]"
        )
        Path(path).write_text(f"channels: {{one: {{type: smpp, binds: {binds}}}, two: {{type: smpp, binds: {binds}}}}}")
        return path

    def test_wrong_usage(self) -> None:
        """One sentence that says what to do; never the password."""
        here, config = {PASSWORD_VARIABLE: "hunter2"}, self.configured()
        host = {"host": "tcp:h:1", "system_id": "me"}
        bind = {"config": config, "bind": "one/a"}
        secret = Path(self.mktemp())
        secret.write_text("hunter2ü")
        cases: tuple[tuple[dict[str, Any], dict[str, str], str], ...] = (
            ({}, here, "--bind NAME"),
            ({"bind": "a", **host}, here, "--bind NAME"),
            ({"host": "tcp:h:1"}, here, "needs --system-id"),
            (host, {}, f"environment variable {PASSWORD_VARIABLE}"),
            (host, {PASSWORD_VARIABLE: "hunter2\n"}, "printable"),
            (host, {PASSWORD_VARIABLE: "hunter2ü"}, "ASCII"),
            ({**host, "password_file": str(secret)}, {}, "ASCII"),
            ({**host, "password_file": "nowhere"}, {}, "nowhere can't be read"),
            ({**host, "host": "h:1"}, here, "--host: 'h:1' is no SMSC endpoint"),
            ({**host, "host": "outbind:0.0.0.0:1"}, here, "outbind"),
            ({**host, "system_id": "x" * 16}, here, "--system-id: "),
            ({**host, "to": ["12"]}, here, "--to '12' is not a phone number"),
            ({**host, "to": ["me"]}, here, "is not a phone number"),
            ({**host, "source": "8228"}, here, "name a number"),
            ({**host, "to": ["12345"], "source": "x" * 12}, here, "--from is neither a number of up to 20 digits"),
            ({**host, "wait": -1.0}, here, "--wait has to be"),
            ({**host, "wait": float("nan")}, here, "--wait has to be"),
            ({**bind, "bind": "b"}, here, "say one of one/a, one/r, one/o, two/a"),
            ({**bind, "bind": "a"}, here, "more than one bind"),
            ({**bind, "system_id": "me"}, here, "--system-id goes with --host"),
            ({**bind, "bind": "two/r", "to": ["12345"]}, here, "is a receiver"),
            ({**bind, "bind": "one/o"}, here, "outbind"),
        )
        for given, environment, sentence in cases:
            with self.assertRaises(ValueError) as caught:
                make_plan(self.options(**given), environment)
            self.assertIn(sentence, str(caught.exception))
            self.assertNotIn("hunter2", str(caught.exception))

    def test_from_the_configuration(self) -> None:
        """The session and the submits are the connector's own, but one at a time and with receipts."""
        plan = make_plan(self.options(config=self.configured(), bind="two/a", to=["+92 300-1234567"] * 2, source="8"))
        self.assertEqual((plan.place, plan.numbers, plan.bind.source), ("channels.two.binds, a", (NUMBER,), "8"))
        session, submit = plan.session("transceiver"), plan.submit("sar")
        self.assertEqual((session.password, session.window, session.response_timeout), ("hunter2", 1, 15.0))
        self.assertEqual((submit.default_alphabet, submit.form, submit.source), ("latin1", "sar", "8"))
        for asked in ("none", "failure", "final"):
            bind = BIND.model_copy(update={"registered_delivery": asked, "intermediate_notifications": True})
            self.assertEqual(Plan(bind).submit("udh8").registered_delivery, 0x11)

    def test_numbers_as_the_door_reads_them(self) -> None:
        """What the doctor sends to is what the daemon would send to: the international prefix 00 comes off."""
        here = {PASSWORD_VARIABLE: "hunter2"}
        for written in ("00923001234567", "+92 300-1234567", "0092 (300) 123.4567", "+92 300/1234567"):
            options = self.options(host="tcp:h:1", system_id="me", to=[written], source=written)
            plan = make_plan(options, here)
            self.assertEqual((plan.numbers, plan.bind.source), ((NUMBER,), NUMBER), written)

    def test_password_from_the_environment(self) -> None:
        """It is used, and the entry names the variable rather than it."""
        plan = make_plan(self.options(host="tcp:h:1", system_id="me"), {PASSWORD_VARIABLE: "hunter2"})
        self.assertEqual(plan.session("transceiver").password, "hunter2")
        self.assertNotIn("hunter2", str((plan, configuration(Evidence(), plan), announcement(plan))))

    def test_trials(self) -> None:
        """To each number one short text and one long text in each form; the signs are where a receipt quotes."""
        trials = list(Plan(BIND, (NUMBER, "12345")).trials())
        counts = [(SHORT, 1), ("udh8", 2), ("udh16", 2), ("sar", 2), ("payload", 1)]
        forms = [form for form, count in counts for _ in range(count)]
        self.assertEqual([trial.form for trial in trials], forms * 2)
        self.assertEqual(len({trial.segment.id for trial in trials}), 16)
        self.assertLess(trials[0].segment.text.index(MARK) + len(MARK), 20)
        for alphabet in ("gsm7", "gsm7-packed", "latin1", "ascii"):
            plan = Plan(BIND.model_copy(update={"alphabet": alphabet}), (NUMBER,))
            alphabets.encode_text(next(plan.trials()).segment.text, alphabet)  # or it would not go with data_coding 0
