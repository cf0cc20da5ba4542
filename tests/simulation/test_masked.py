"""What a whole daemon writes into its log holds no number and no text of a customer, whatever goes wrong."""

import re
from random import Random
from typing import Any
from unittest import mock

from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.channels.smpp.bind import Bind
from smsconnector.logs.journal import datagram
from smsconnector.logs.levels import Levels
from smsconnector.logs.lines import Line, json_of, text_of
from smsconnector.logs.writing import Observer
from smsconnector.masking import show_numbers
from smsconnector.walks.fall_back import FallBack
from smsconnector.walks.sweeper import Sweeper
from smsconnector.watch.watching import Watch
from tests.simulation.application import body_of, number_of
from tests.simulation.plan import FATES, MO, Fate, Hook, Mo, OptOut, Plan, RefusedEvent, Text, plan_of
from tests.simulation.run import carried_out

NUMBERS = re.compile(r"46[78]000\d{4}|4790000\d{3}|000777")  # of the application, of handsets, of a provider's customer
TEXTS = re.compile(r"\(\d+\.\d+\)|<\d+>|hook \d")


class MaskedCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.lines: list[Line] = []
        observer = Observer(Levels("debug", {"twisted": "debug", "klein": "debug"}), self.lines.append)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)

    def secrets(self) -> list[str]:
        """The lines that hold a number or a text, in any form that the log has."""
        forms: tuple[Any, ...] = (json_of, text_of, lambda line: repr(datagram(line)))
        shown = [form(line) for line in self.lines for form in forms]
        return [one[:1000] for one in shown if NUMBERS.search(one) or TEXTS.search(one)]

    def live(self, plan: Plan) -> None:
        with carried_out(plan):
            pass

    def test_whatever_happens(self) -> None:
        """Each kind of fate of a submit, texts from handsets, opt-outs, providers' calls, refused events."""
        fates = [Fate(number, what) for number, what in enumerate(sorted(set(FATES)))]
        steps: tuple[Any, ...] = (
            *(Text(0.2 + one.text * 0.01, one.text, to=one.text) for one in fates),
            *fates,
            *(Mo(0.5, number, parts=2, what=what) for number, what in enumerate(("", *MO))),
            *(OptOut(1.0, to) for to in range(5)),
            *(Hook(0.7, number, channel=channel, forged=2) for number, channel in enumerate(("smpp", "listed"))),
            *(RefusedEvent(number, 2) for number in range(1, 4)),
        )
        self.live(Plan(7, "resend", steps))
        self.assertGreater(len(self.lines), 20)
        self.assertEqual(self.secrets(), [])

    def test_plans(self) -> None:
        """The plans of some seeds, with gateways, webhooks, reloads and all."""
        for seed in range(994_000_000, 994_000_040):
            self.live(plan_of(seed))
        self.assertGreater(len(self.lines), 500)
        self.assertEqual(self.secrets(), [])

    def test_faults_of_ours(self) -> None:
        """Exceptions nobody expected, with a number and a text in their words: their tracebacks show neither."""

        number, text = number_of(1), body_of(Text(0, 1), 1)
        for target, name in ((Bind, "_taken"), (Sweeper, "sweep"), (Watch, "look"), (FallBack, "look")):
            calls: list[int] = []
            right = getattr(target, name)

            def fault(self: Any, *given: Any, calls: list[int] = calls, real: Any = right) -> Any:
                calls.append(1)
                if len(calls) < 3:
                    raise ValueError(f"can't use {given!r} of +{number}: {text + ', says the customer'!r}")
                return real(self, *given)

            self.lines.clear()
            with mock.patch.object(target, name, fault):
                self.live(Plan(7, "resend", (Text(0.1, 1, to=1), Text(11.0, 2, to=2))))
            self.assertTrue(any("ValueError" in line.traceback for line in self.lines), name)
            self.assertEqual(self.secrets(), [], name)
        self.flushLoggedErrors()

    def test_the_look_itself(self) -> None:
        """Numbers that are shown on purpose are found."""
        self.addCleanup(show_numbers, False)
        show_numbers(True)
        steps = (Text(0.2, 1, to=1), Fate(1, "permanent"))
        self.live(Plan(Random(1).randrange(100), "resend", steps))
        self.assertTrue(self.secrets())
