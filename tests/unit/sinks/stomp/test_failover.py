"""The failover URI and the reconnect schedule: tables of cases, no clock, no sockets."""

from random import Random

from twisted.trial.unittest import SynchronousTestCase

from smsconnector.sinks.stomp.failover import JITTER, Broker, FailoverURI, ReconnectSchedule

A, B, C = Broker("a", 61613), Broker("b", 61613), Broker("c", 61613)

GOOD = [
    ("tcp://a:61613", [A]),
    ("stomp://a:61613", [A]),
    ("stomp+nio://a:61613", [A]),
    ("TCP://a:61613/", [A]),
    ("tcp://a", [A]),
    ("ssl://a", [Broker("a", 61614, tls=True)]),
    ("stomp+ssl://a:7", [Broker("a", 7, tls=True)]),
    ("stomp+nio+ssl://a", [Broker("a", 61614, tls=True)]),
    ("tcp://[::1]:61613", [Broker("::1", 61613)]),
    ("tcp://[fe80::1]", [Broker("fe80::1", 61613)]),
    ("failover:(tcp://a:61613,tcp://b:61613)", [A, B]),
    ("failover://(tcp://a:61613,tcp://b:61613)", [A, B]),
    ("failover:tcp://a:61613,tcp://b:61613", [A, B]),
    ("failover://tcp://a:61613", [A]),
    ("failover:( tcp://a:61613 ,\n  tcp://b:61613 )", [A, B]),
    ("failover:(tcp://a:1?wireFormat.maxInactivityDuration=0,ssl://b)", [Broker("a", 1), Broker("b", 61614, True)]),
    ("failover:(tcp://a?keepAlive=true,soTimeout=1,tcp://b?x=1&y=2,tcp://c)", [A, B, C]),
    ("failover:(tcp://[::1]:1,tcp://[::2]:2)", [Broker("::1", 1), Broker("::2", 2)]),
]

# (the options as written, the fields that differ from the defaults, what is ignored)
OPTIONS = [
    ("?randomize=false", {"randomize": False}, ()),
    (
        "?randomize=FALSE&initialReconnectDelay=100",
        {"randomize": False, "initial_reconnect_delay": 100},
        (),
    ),
    (
        "?initialReconnectDelay=5,maxReconnectDelay=7",
        {"initial_reconnect_delay": 5, "max_reconnect_delay": 7},
        (),
    ),
    ("?useExponentialBackOff=false", {"use_exponential_back_off": False}, ()),
    ("?backOffMultiplier=1.5", {"back_off_multiplier": 1.5}, ()),
    ("?reconnectDelayExponent=3", {"back_off_multiplier": 3.0}, ()),
    ("?maxReconnectAttempts=0", {"max_reconnect_attempts": 0}, ()),
    ("?maxReconnectAttempts=-1", {}, ()),
    ("?backup=true&nested.x=1&backup=true&randomize=true", {}, ("backup", "nested.x")),
    ("?", {}, ()),
    ("", {}, ()),
]

# (the URI, a part of the sentence)
BAD = [
    ("", "tcp://host:61613"),
    ("a:61613", "tcp://host:61613"),
    ("http://a:61613", "tcp://host:61613"),
    ("vm://localhost", "tcp://host:61613"),
    ("failover:", "tcp://host:61613"),
    ("failover:()", "tcp://host:61613"),
    ("failover:(tcp://a", "closing parenthesis"),
    ("failover:(tcp://a)randomize=false", "closing parenthesis"),
    ("failover:(tcp://a,tcp://b,)", "usable host and port"),
    ("tcp://", "usable host and port"),
    ("tcp://:61613", "usable host and port"),
    ("tcp://a:", "usable host and port"),
    ("tcp://a:0", "usable host and port"),
    ("tcp://a:65536", "usable host and port"),
    ("tcp://a:stomp", "usable host and port"),
    ("tcp://::1:61613", "usable host and port"),
    ("tcp://[::1", "usable host and port"),
    ("tcp://a b:1", "usable host and port"),
    ("tcp://a/queue", "usable host and port"),
    ("failover:(tcp://a)?randomize=no", "randomize=true or randomize=false"),
    ("failover:(tcp://a)?randomize", "name=value"),
    ("failover:(tcp://a)?initialReconnectDelay=-1", "whole milliseconds"),
    ("failover:(tcp://a)?maxReconnectDelay=1s", "whole milliseconds"),
    ("failover:(tcp://a)?backOffMultiplier=0.5", "from 1 on"),
    ("failover:(tcp://a)?backOffMultiplier=nan", "from 1 on"),
    ("failover:(tcp://a)?maxReconnectAttempts=many", "-1 for no limit"),
]


class ParseTests(SynchronousTestCase):
    """What is understood, what is tolerated, what is refused and how."""

    def test_addresses(self) -> None:
        """Every way to write the list of brokers gives those brokers, in that order."""
        for text, brokers in GOOD:
            self.assertEqual(FailoverURI.parse(text).brokers, tuple(brokers), text)

    def test_options(self) -> None:
        """Known options are read, unknown ones are tolerated and named, and the rest has ActiveMQ's defaults."""
        for query, fields, ignored in OPTIONS:
            uri = FailoverURI.parse("failover:(tcp://a:61613)" + query)
            self.assertEqual(uri, FailoverURI((A,), **fields), query)  # type: ignore[arg-type]
            self.assertEqual(uri.ignored, ignored, query)

    def test_defaults(self) -> None:
        """The defaults are those of ActiveMQ's documentation."""
        uri = FailoverURI.parse("tcp://a")
        self.assertEqual((uri.randomize, uri.initial_reconnect_delay, uri.max_reconnect_delay), (True, 10, 30_000))
        self.assertEqual((uri.use_exponential_back_off, uri.back_off_multiplier), (True, 2.0))
        self.assertEqual(uri.max_reconnect_attempts, -1)

    def test_options_without_parentheses(self) -> None:
        """Without parentheses the options stand behind the last broker, and count all the same."""
        uri = FailoverURI.parse("failover:tcp://a:61613,tcp://b:61613?randomize=false&soLinger=1")
        self.assertEqual((uri.brokers, uri.randomize, uri.ignored), ((A, B), False, ("soLinger",)))

    def test_failover_options_win(self) -> None:
        """The failover's own options come before those behind a broker."""
        self.assertFalse(FailoverURI.parse("failover:(tcp://a?randomize=true)?randomize=false").randomize)

    def test_refused(self) -> None:
        """What can't be understood is a ValueError of one sentence that says what to write."""
        for text, sentence in BAD:
            error = self.assertRaises(ValueError, FailoverURI.parse, text)
            self.assertIn(sentence, str(error), text)
            self.assertNotIn("\n", str(error))

    def test_no_secret_in_errors(self) -> None:
        """A login written into the URI is refused, and the error does not repeat the password."""
        for text in (
            "tcp://admin:hunter2@a",
            "http://admin:hunter2?@a",
            "failover:(tcp://admin:hunter2@a)?randomize=x",
        ):
            error = self.assertRaises(ValueError, FailoverURI.parse, text)
            self.assertNotIn("hunter2", str(error))
            self.assertIn("login and passcode", str(error))

    def test_broker_as_text(self) -> None:
        """A broker is shown as it would be written, IPv6 in brackets."""
        self.assertEqual(str(A), "tcp://a:61613")
        self.assertEqual(str(Broker("::1", 1, tls=True)), "ssl://[::1]:1")


def schedule(text: str, seed: int = 1) -> ReconnectSchedule:
    return ReconnectSchedule(FailoverURI.parse(text), Random(seed))


THREE = "failover:(tcp://a,tcp://b,tcp://c)"


class ScheduleTests(SynchronousTestCase):
    """Who is next, and when."""

    def assertAbout(self, delay: float, seconds: float) -> None:
        self.assertTrue(seconds * (1 - JITTER) <= delay <= seconds * (1 + JITTER), f"{delay} is not about {seconds}")

    def test_first_attempt_is_immediate(self) -> None:
        """Nothing is waited for before the first attempt."""
        self.assertEqual(schedule("tcp://a").next(), (A, 0.0))

    def test_rounds(self) -> None:
        """All brokers of a round are tried without a pause, in order; the pause is between the rounds."""
        plan = schedule(THREE + "?randomize=false&initialReconnectDelay=1000")
        self.assertEqual([plan.next() for _ in range(3)], [(A, 0.0), (B, 0.0), (C, 0.0)])
        broker, delay = plan.next()
        self.assertEqual(broker, A)
        self.assertAbout(delay, 1.0)
        self.assertEqual([plan.next() for _ in range(2)], [(B, 0.0), (C, 0.0)])
        self.assertAbout(plan.next()[1], 2.0)

    def test_exponential_with_cap(self) -> None:
        """Delays double up to maxReconnectDelay, each with at most 25 % of jitter."""
        plan = schedule("failover:(tcp://a)?maxReconnectDelay=3000&initialReconnectDelay=500")
        plan.next()
        for expected in (0.5, 1, 2, 3, 3, 3):
            self.assertAbout(plan.next()[1], expected)

    def test_jitter_spreads(self) -> None:
        """Two connectors don't come back in the same instant."""
        delays = set()
        for seed in range(20):
            plan = schedule("failover:(tcp://a)?initialReconnectDelay=1000", seed)
            plan.next()
            delays.add(plan.next()[1])
        self.assertEqual(len(delays), 20)
        self.assertGreater(max(delays) - min(delays), 0.2)

    def test_constant_delay(self) -> None:
        """useExponentialBackOff=false keeps the first delay."""
        plan = schedule("failover:(tcp://a)?useExponentialBackOff=false&initialReconnectDelay=200")
        plan.next()
        for _ in range(5):
            self.assertAbout(plan.next()[1], 0.2)

    def test_never_a_busy_loop(self) -> None:
        """A URI that asks for no delay at all still gets one, and it grows."""
        plan = schedule("failover:(tcp://a)?initialReconnectDelay=0")
        plan.next()
        self.assertAbout(plan.next()[1], 0.01)
        self.assertAbout(plan.next()[1], 0.02)
        flat = schedule("failover:(tcp://a)?maxReconnectDelay=0")
        flat.next()
        for _ in range(3):
            self.assertAbout(flat.next()[1], 0.01)

    def test_randomize(self) -> None:
        """By default every round has all brokers once, in an order that changes."""
        plan = schedule(THREE)
        rounds = [tuple(plan.next()[0] for _ in range(3)) for _ in range(20)]
        self.assertTrue(all(set(each) == {A, B, C} for each in rounds))
        self.assertGreater(len(set(rounds)), 2)

    def test_success_resets(self) -> None:
        """Only a good connection brings the delay back to its start; and the broker just lost comes last."""
        plan = schedule(THREE + "?randomize=false&initialReconnectDelay=1000")
        for _ in range(7):
            plan.next()  # the last is A, in the third round
        plan.succeeded()
        broker, delay = plan.next()
        self.assertEqual(broker, B)
        self.assertAbout(delay, 1.0)
        self.assertEqual([plan.next() for _ in range(2)], [(C, 0.0), (A, 0.0)])

    def test_refused_has_its_own_pace(self) -> None:
        """A refusal is tried again after 5 s at least, doubling to 60 s, whatever the URI says."""
        plan = schedule("failover:(tcp://a)?maxReconnectDelay=100")
        plan.next()
        for expected in (5, 10, 20, 40, 60, 60):
            plan.refused()
            delay = plan.next()[1]
            self.assertTrue(expected <= delay <= expected * (1 + JITTER), delay)
        plan.succeeded()
        self.assertLess(plan.next()[1], 0.02)
