"""What happens in a run, as plain records: made from a seed, shrunk, and written down as they print.

Times are seconds from the start. Every text and every MO has a number of its own, and the fate of a submit names the
text, the segment and which try it is: so that what is left of a plan means the same when parts of it are taken away.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from random import Random
from typing import Any

SETUPS = ("resend", "hold", "strict", "routes", "pair", "strict hold", "strict routes", "no receipts", "failures")
SETUPS_OF_TWO = {"strict", "routes", "pair", "strict hold", "strict routes"}  # SMSCs

# What the SMSC does with one submit. Those of the first group were not taken, those of the second were.
NOT_TAKEN = ("throttled", "queue full", "temporary", "rebind", "permanent", "ignored", "dropped before")
TAKEN = (
    "silent",  # no response, ever
    "late",  # the response comes when it is overdue
    "slow",  # it comes late, but in time
    "dropped after",  # the connection is lost before the response
    "half",  # within the response
    "twice",  # two responses
    "undelivered",  # the receipt says so
    "receipt first",  # before the response
    "receipt first, dropped",  # and the response never comes
    "receipt twice",
    "receipt late",
    "receipt lost",
    "receipt after the validity",
    "expired",  # the network says so when the validity is over
    "word",  # the receipt has a word that nobody knows
    "word, delivered",  # and a better one follows
    "unknown",  # the receipt says UNKNOWN
    "unknown, delivered",
    "progress",  # an intermediate receipt comes before the final one
)
FATES = NOT_TAKEN + TAKEN
UNKNOWN = {"silent", "late", "slow", "dropped after", "half", "receipt first", "receipt first, dropped", "ignored"}
UNKNOWN |= {"dropped before", "rebind"}  # what was under way beside it is not known either
SHARED_IDS = ("constant", "other case")  # forms in which several messages have one id, or differ by case only
EVER = ("temporary", "ignored", "silent", "dropped before")  # what may happen to each try of a segment
# What the broker does with one that wants a receipt.
BROKER = ("taken, dropped", "dropped", "half", "error", "silent", "late", "very late")
# What the application behind a webhook does with one request.
WEBHOOK = (
    *("refused", "moved", "error", "error", "bad gateway", "busy", "too many", "gone", "dropped", "taken, dropped"),
    *("half", "silent", "late", "slow"),
)
CALLBACK_HOSTS = ("10.0.0.21", "10.0.0.22:8443")  # of reports of single messages
ACTIVEMQ, RABBITMQ = "ActiveMQ/5.17.2", "RabbitMQ/3.10.8"
QUEUES = ("delivery-report", "incoming-message")
# What happens to one deliver_sm.
DELIVERIES = ("dropped at response", "half", "twice")
MO = ("reordered", "repeated", "part late", "part lost", "no udhi", "no udhi, part lost")
# The channel of a provider and its id of a text: they count from the same number, and their names run together.
COLLIDING = (("smpp", "b-7"), ("smpp-b", "7"), ("smpp", "7"), ("smpp-b", "1001"), ("smpp", "1001"))
# Channels whose texts go out by HTTP requests. The provider of ``http-a`` is told our MessageSID and where to call, as
# Twilio is; that of ``http-b`` has its own ids only.
GATEWAYS = ("twilio-a", "http-a", "http-b")
# What such a provider does with one request for a text. Those of the first group were not taken, those of the second
# were.
NOT_CREATED = (
    "permanent",  # refused
    "temporary",
    "throttled",  # with Retry-After
    "account",  # nothing will be taken until somebody mends the account
    "today",  # nor before the next day
    "error",  # 5xx
    "page",  # 200 from a proxy on the way
    "dropped",  # the connection is lost, and no answer came
    "silent",  # no answer, ever
)
CREATED = (
    "taken, dropped",
    "taken, half",  # the connection is lost within the answer
    "taken, silent",
    "taken, late",  # the answer comes when it is overdue
    "taken, slow",  # it comes late, but in time
    "taken, error",  # 5xx all the same
    "taken, page",
    "failed at once",  # the answer says that it is taken, and has failed
)
# What it tells by callbacks of a text that it took. What has no word of failure ends as delivered, if it ends.
CALLBACKS = (
    "undelivered",
    "failed",
    "never",  # only that it was sent
    "lost",  # it calls once, whatever the answer is, and the connection breaks
    "first",  # before it has answered the request
    "first, undelivered",
    "late",
    "after the validity",
    "twice",
    "reordered",  # that it was sent is told after the end
    "word",  # a word that nobody knows, and nothing else
    "word, delivered",
    "both",  # delivered, and then failed
)
LOOK_UPS = (
    "error",
    "dropped",
    "silent",
    "throttled",
    "refused",
    "page",
    "none",
    "behind",
)  # what comes of Twilio's list
LOOKED_UP = ("error", "dropped", "taken, dropped", "taken, error", "taken, page")  # what lets it be asked for
TROUBLES = ("account", "throttled", "error", "page", "silent", "temporary")  # what comes of all requests for a while
EVER_CREATED = ("temporary", "error", "silent", "dropped", "taken, silent")  # what may happen to each try of a text
HANGUPS = ("", "after request", "in request", "slow request", "half closed")
PIPELINED = "pipelined"
BATCHED = "batched"
SHARE_OF_GATEWAYS = 0.2  # of the plans
SHARE_OF_KEYS = 0.2
SHARE_OF_BATCHES = 0.12
SHARE_OF_LATER = 0.15
SHARE_OF_CLASSES = 0.12
FIRST_OF_CAMPAIGN = 200  # the number of its first text
SHARE_OF_CALLBACKS = 0.16
FIRST_OF_GATEWAYS = 100  # the number of the first text that goes out by HTTP
RELOADS = (
    "same",
    "bad",  # the file can't be used
    "bind added",
    "bind changed",
    "bind removed",
    "prefix added",
    "renewed",  # the submitters get another policy, and the binds stay
    "sink",
)
SHARE_OF_RELOADS = 0.2  # of the plans
CRASHES = ("now", "before", "torn", "after", "callback", "write")


@dataclass(frozen=True)
class Text:
    """The application posts a text of ``segments`` segments to its number ``to``, for that ``channel``. ``hangup``: how
    it behaves on its connection, one of ``HANGUPS``, or ``PIPELINED``: it posts on one connection with others, and
    waits for no answer before the next. ``BATCHED``: it is an item of a batch, as others are that come while that
    lasts. ``again``: it has a key. ``later``: it is to be sent so many seconds after ``at``, and not before; 0: at
    once. ``bulk``: its class."""

    at: float
    number: int
    to: int = 0
    segments: int = 1
    hangup: str = ""
    validity: int = 0  # seconds; 0: the request does not say
    channel: str = "smpp"
    again: tuple[float, ...] = ()  # seconds after ``at``: it is posted once more then, under one key
    later: float = 0.0
    bulk: bool = False
    callback: int = 0  # which of CALLBACK_HOSTS is to get its report, from 1; 0: none


def may_overtake(first: Text, second: Text) -> bool:
    """Whether the ``second`` may begin before a ``first`` to its number that waits: each class has its own order, and a
    text that is to be sent later comes when it is due."""
    return bool(first.later or second.later or first.bulk != second.bulk)


@dataclass(frozen=True)
class TakenBack:
    """The application takes the text back, ``after`` seconds from its 200 on."""

    text: int
    after: float


@dataclass(frozen=True)
class Fate:
    """What the SMSC does with try ``attempt`` of a segment, all from 1; 0: with each try."""

    text: int
    what: str
    segment: int = 1
    attempt: int = 1


@dataclass(frozen=True)
class Created:
    """What the provider does with try ``attempt`` of part ``part`` of a text, all from 1; 0: with each try."""

    text: int
    what: str
    part: int = 1
    attempt: int = 1


@dataclass(frozen=True)
class Callback:
    """What the provider tells of part ``part`` of a text, each time that it took it. Somebody else, who can't sign,
    tells the contrary ``forged`` times before."""

    text: int
    what: str
    part: int = 1
    forged: int = 0


@dataclass(frozen=True)
class LookUp:
    """What comes of the ``number``-th time that Twilio is asked for its list."""

    number: int
    what: str


@dataclass(frozen=True)
class Trouble:
    """What the provider of the channel ``of`` does with every request for a while."""

    at: float
    of: str
    what: str
    seconds: float


@dataclass(frozen=True)
class Mo:
    """A handset writes, by SMSC 0 or 1; ``what`` goes wrong on the SMSC's side."""

    at: float
    number: int
    smsc: int = 0
    parts: int = 1
    what: str = ""


@dataclass(frozen=True)
class OptOut:
    """The handset of the application's number ``to`` writes STOP, by SMSC 0 or 1."""

    at: float
    to: int
    smsc: int = 0


@dataclass(frozen=True)
class Hook:
    """The provider of ``channel`` posts a customer's ``text``, or that a message of its own was ``delivered`` or
    ``failed``; ``twice`` though it got its 200, and with ``hangup`` it does not wait for the first answer. ``sid``: its
    id of that, "" for one that nothing else has. That of ``listed`` posts ``texts`` texts in one list, with other
    records. Before it, somebody else posts ``forged`` times, with a wrong signature."""

    at: float
    number: int
    what: str = "text"
    twice: bool = False
    hangup: bool = False
    channel: str = "smpp"
    sid: str = ""
    texts: int = 1
    forged: int = 0


@dataclass(frozen=True)
class Delivery:
    """What happens to the deliver_sm that SMSC ``smsc`` sends as its ``number``-th."""

    number: int
    what: str
    smsc: int = 0


@dataclass(frozen=True)
class Confirmation:
    """What the broker does when a receipt is asked for the ``number``-th time."""

    number: int
    what: str


@dataclass(frozen=True)
class Answered:
    """What the application behind the webhook does with the ``number``-th request that it hears."""

    number: int
    what: str


@dataclass(frozen=True)
class CalledBack:
    """What the ``host`` (from 1) of callbacks does with the ``number``-th request that it hears."""

    host: int
    number: int
    what: str


@dataclass(frozen=True)
class RefusedEvent:
    """The broker refuses the ``number``-th event that it hears of, the first ``times`` times that it comes."""

    number: int
    times: int
    is_named: bool = False  # ERROR has the receipt-id


@dataclass(frozen=True)
class RefusedQueue:
    """The broker refuses all that comes for that queue; with ``hangs_up`` it says no word."""

    at: float
    queue: str
    seconds: float
    hangs_up: bool = False


@dataclass(frozen=True)
class HeldBack:
    """That queue is full: the broker reads no more from a connection that has a SEND for it, and its heart beats. In a
    ``transaction`` of several it waits until the connection is lost, and single events it takes (ActiveMQ's producer
    flow control)."""

    at: float
    queue: str
    seconds: float
    transaction: bool = False


@dataclass(frozen=True)
class Outage:
    """``of`` ("smsc 0", "smsc 1", "broker", "webhook", "callback 1", "callback 2", or one of ``GATEWAYS``) is gone:
    connections are lost, and refused for ``seconds``."""

    at: float
    of: str
    seconds: float = 0.0


@dataclass(frozen=True)
class Silence:
    """The network carries nothing to and from ``of`` for a while, and nobody is told."""

    at: float
    of: str
    seconds: float


@dataclass(frozen=True)
class Freeze:
    """The daemon's process gets no time for a while: SIGSTOP, a machine that swaps. The network and the peers go on.
    Then its timers are called, and after that all that came is read."""

    at: float
    seconds: float


@dataclass(frozen=True)
class SetClock:
    """The machine's clock is set forward by that, or back if it is negative. Each step is longer than a run, so that a
    stamp tells when it was made. No plan has it beside a crash or a stop, for lifetimes are not promised over a restart
    with another clock; nor beside texts of several parts, for those that stay incomplete may wait as long as that."""

    at: float
    by: float  # seconds


@dataclass(frozen=True)
class TornFile:
    """Whatever connects in that time fails at once, in a way that nobody expects: half a PEM file."""

    at: float
    seconds: float


@dataclass(frozen=True)
class Unbind:
    """The SMSC asks the daemon to go."""

    at: float
    smsc: int = 0


@dataclass(frozen=True)
class Forgotten:
    """The SMSC fails over: it knows none of its sessions any more, and their connections stand. For ``seconds`` it
    answers every enquire_link with an error, ``nack``: with generic_nack."""

    at: float
    smsc: int = 0
    seconds: float = 0.0
    nack: bool = False


@dataclass(frozen=True)
class Refusal:
    """Binds are refused with that status until then."""

    at: float
    smsc: int
    status: int
    seconds: float


@dataclass(frozen=True)
class Full:
    """The application's number ``to`` takes nothing: what comes for it is answered ``status``, which is for now."""

    at: float
    to: int
    status: int
    seconds: float


@dataclass(frozen=True)
class Disk:
    """``full``: nothing can be written; ``statement``: now and then; ``commit``: every COMMIT fails."""

    at: float
    what: str
    seconds: float


@dataclass(frozen=True)
class Crash:
    """kill -9: now, or at the next commit that writes (before it; torn; after it; between its callbacks), or at the
    next octets that are written. Started again after ``seconds``."""

    at: float
    where: str = "now"
    seconds: float = 0.2


@dataclass(frozen=True)
class Stop:
    """SIGTERM, and started again ``seconds`` after it has ended."""

    at: float
    seconds: float = 0.2


@dataclass(frozen=True)
class Reload:
    """The configuration is another one, and SIGHUP comes; ``what`` of ``RELOADS``. Later ones change what the ones
    before have left, and so do later lives."""

    at: float
    what: str = "same"


Step = (
    Text
    | TakenBack
    | Fate
    | Created
    | Callback
    | LookUp
    | Trouble
    | Mo
    | OptOut
    | Hook
    | Delivery
    | Confirmation
    | Answered
    | CalledBack
    | RefusedEvent
    | RefusedQueue
    | HeldBack
    | Outage
    | Silence
    | Freeze
    | SetClock
    | TornFile
    | Unbind
    | Forgotten
    | Refusal
    | Full
    | Disk
    | Crash
    | Stop
    | Reload
)


@dataclass(frozen=True)
class Plan:
    """``seed`` is for what the steps leave open: latencies and where octets are cut. ``splits``: the share of writes
    that arrive in pieces. ``slowness``: seconds that a commit takes at most. ``forms``: ids of responses and receipts.
    ``later``: the setup of all lives but the first, if it is another one. ``small``: memory holds next to nothing, so
    that nearly all goes by the disk. ``redundant``: the SMSCs are hosts of one system that stand for each other, either
    tells what became of the other's texts; else each counts for itself, from the same number. ``server``: the broker's
    name. ``joins``: the SMSCs join the parts of a text, and send one receipt for all, with the id of the part that
    came last. ``respelled``: every other life writes the endpoints in another way, and has no ``account``. ``webhook``:
    what a second sink wants, "all", "reports" or "texts"; "" for none. ``falls``: which channels fall back to which."""

    seed: int
    setup: str = "resend"
    steps: tuple[Step, ...] = ()
    splits: float = 0.0
    slowness: float = 0.01
    forms: str = "decimal"
    later: str = ""
    small: bool = False
    redundant: bool = False
    server: str = ACTIVEMQ
    joins: bool = False
    respelled: bool = False
    webhook: str = ""
    falls: tuple[tuple[str, str], ...] = ()

    def setup_of(self, life: int) -> str:
        """Lives count from 1."""
        return self.later if self.later and life > 1 else self.setup

    def of(self, kind: type[Any]) -> list[Any]:
        return [step for step in self.steps if type(step) is kind]

    @property
    def gateways(self) -> tuple[str, ...]:
        """The channels of HTTP providers that texts may go by: no others are configured."""
        used = {text.channel for text in self.of(Text)}.union(*self.falls)
        return tuple(one for one in GATEWAYS if one in used)

    @property
    def callbacks(self) -> bool:
        """Whether any text wants its report at a host of its own: else none is configured."""
        return any(text.callback for text in self.of(Text))

    def __repr__(self) -> str:
        lines = "".join(f"        {step!r},\n" for step in self.steps)
        more = "".join(
            f", {field.name}={getattr(self, field.name)!r}"
            for field in fields(self)
            if field.name not in ("seed", "setup", "steps") and getattr(self, field.name) != field.default
        )
        return f"Plan({self.seed}, {self.setup!r}, (\n{lines}    ){more})"


# --- from a seed ----------------------------------------------------------------------------------------------


def plan_of(seed: int) -> Plan:
    """The plan that this seed stands for. What concerns the second sink has dice of its own, and so have the
    gateways."""
    plan = _with_webhook(_plan_of(seed), Random(f"webhook {seed}"))
    plan = _with_gateways(plan, Random(f"gateways {seed}"))
    plan = _with_falls(plan, Random(f"falls {seed}"))
    plan = _with_taken_back(plan, Random(f"taken back {seed}"))
    plan = _with_batches(_with_keys(plan, Random(f"keys {seed}")), Random(f"batches {seed}"))
    plan = _with_reloads(plan, Random(f"reloads {seed}"))
    plan = _with_classes(_with_later(plan, Random(f"later {seed}")), Random(f"classes {seed}"))
    return _with_callbacks(plan, Random(f"callbacks {seed}"))


def _with_later(plan: Plan, dice: Random) -> Plan:
    """In some plans texts are to be sent later; some of these are taken back, and the daemon is killed when they are
    due. Not where the clock is set, for that makes them due."""
    if dice.random() >= SHARE_OF_LATER or plan.of(SetClock) or plan.forms in SHARED_IDS:
        return plan
    afters = (0.05, 0.3, 1.0, 2.5, 6.0)
    texts = {one.number: dice.choice(afters) for one in plan.of(Text) if dice.random() < 0.6}
    steps: list[Step] = [
        replace(step, later=texts[step.number]) if isinstance(step, Text) and step.number in texts else step
        for step in plan.steps
    ]
    for text in [one for one in steps if isinstance(one, Text) and one.later]:
        if dice.random() < 0.3:
            steps.append(TakenBack(text.number, max(0.0, text.later - dice.choice((5.0, 0.5, 0.1, 0.0, -0.4)))))
        if dice.random() < 0.2:
            at = max(0.0, text.at + text.later + dice.choice((-0.2, 0.0, 0.2, 0.5)))
            steps.append(Crash(round(at, 3), dice.choice(CRASHES), dice.choice((0.1, 1.0, 3.0))))
    return replace(plan, steps=tuple(steps))


def _with_classes(plan: Plan, dice: Random) -> Plan:
    """In some plans some texts are bulk. In a few of them a campaign goes out by a slow bind, and agents write
    meanwhile. There no text is to be sent within seconds: it may be the campaign's, and wait for longer."""
    if dice.random() >= SHARE_OF_CLASSES:
        return plan
    steps: list[Step] = [
        replace(step, bulk=True) if isinstance(step, Text) and dice.random() < 0.5 else step for step in plan.steps
    ]
    if dice.random() < 0.3 and plan.forms not in SHARED_IDS:
        for number in range(FIRST_OF_CAMPAIGN, FIRST_OF_CAMPAIGN + 40):
            steps.append(Text(_time(dice, 0.5), number, 2 * number + 1, bulk=True))
        for number in range(FIRST_OF_CAMPAIGN + 40, FIRST_OF_CAMPAIGN + 40 + dice.choice((1, 3, 6))):
            steps.append(Text(_time(dice, 6.0), number, 2 * number + 1))
        plan = replace(plan, setup="pair", later="", slowness=min(plan.slowness, 0.3))
        steps = [replace(step, validity=0) if isinstance(step, Text) else step for step in steps]
    return replace(plan, steps=tuple(steps))


def _with_reloads(plan: Plan, dice: Random) -> Plan:
    """In some plans the configuration changes while the daemon runs. Not where a shared id lets only the number tell
    texts apart: there another SMSC would have them too."""
    if dice.random() >= SHARE_OF_RELOADS or plan.forms in SHARED_IDS:
        return plan
    span = max([getattr(step, "at", 0.0) for step in plan.steps], default=0.0) + 1.0
    steps = [Reload(_time(dice, span), dice.choice(RELOADS)) for _ in range(dice.choice((1, 1, 2, 3, 20)))]
    return replace(plan, steps=(*plan.steps, *steps))


def _with_callbacks(plan: Plan, dice: Random) -> Plan:
    """In a sixth of the plans some texts want their reports at hosts of their own, which are up, down, or refuse."""
    texts = plan.of(Text)
    if not texts or dice.random() >= SHARE_OF_CALLBACKS:
        return plan
    steps = [
        replace(step, callback=dice.choice((0, 1, 1, 2))) if isinstance(step, Text) else step for step in plan.steps
    ]
    span = max(step.at for step in texts) + 2.0
    for host in (1, 2):
        for _ in range(dice.choice((0, 0, 1, 2, 6))):
            steps.append(CalledBack(host, dice.randint(1, 8), dice.choice(WEBHOOK)))
        if dice.random() < 0.3:
            steps.append(Outage(_time(dice, span), f"callback {host}", dice.choice((0.0, 1.0, 4.0, 25.0))))
        if dice.random() < 0.1:
            steps.append(Silence(_time(dice, span), f"callback {host}", dice.choice((1.0, 6.0, 12.0))))
    if dice.random() < 0.3 and not plan.of(SetClock):  # a new process goes by the clock as it is
        steps.append(Crash(_time(dice, span)))
    return replace(plan, steps=tuple(steps))


def _with_batches(plan: Plan, dice: Random) -> Plan:
    """In some plans most texts come in batches."""
    if dice.random() >= SHARE_OF_BATCHES:
        return plan
    steps = [
        replace(step, hangup=BATCHED) if isinstance(step, Text) and not step.hangup and dice.random() < 0.8 else step
        for step in plan.steps
    ]
    return replace(plan, steps=tuple(steps))


def _with_taken_back(plan: Plan, dice: Random) -> Plan:
    """In a seventh of the plans texts are taken back. Some receipts are late then, so that the SMSC may be asked."""
    texts = plan.of(Text)
    if not texts or dice.random() > 0.15:
        return plan
    after = (0.0, 0.0, 0.01, 0.05, 0.3, 1.5, 5.0)
    steps: list[Step] = [
        TakenBack(dice.choice(texts).number, dice.choice(after)) for _ in range(dice.choice((1, 1, 2, 4)))
    ]
    for step in plan.of(Text) if dice.random() < 0.5 else ():
        steps += [Fate(step.number, "receipt late", part) for part in range(1, step.segments + 1)]
    return replace(plan, steps=(*plan.steps, *steps))


def _with_keys(plan: Plan, dice: Random) -> Plan:
    """In a fifth of the plans some texts have a key, and are posted again under it: at once, soon, or after a crash."""
    if dice.random() >= SHARE_OF_KEYS:
        return plan
    pauses = (0.0, 0.0, 0.05, 0.3, 1.0, 3.0, 8.0)
    steps = [
        replace(step, again=tuple(dice.choice(pauses) for _ in range(dice.choice((1, 1, 2)))))
        if isinstance(step, Text) and step.hangup != PIPELINED and dice.random() < 0.6
        else step
        for step in plan.steps
    ]
    return replace(plan, steps=tuple(steps))


def _with_gateways(plan: Plan, dice: Random) -> Plan:
    """In a fifth of the plans texts go out by HTTP too."""
    if dice.random() >= SHARE_OF_GATEWAYS:
        return plan
    span = dice.choice((0.3, 2.0, 6.0))
    of = dice.choice((*((one,) for one in GATEWAYS), ("twilio-a",), GATEWAYS))
    numbers = dice.choice((1, 2, 8))
    texts = []
    for number in range(FIRST_OF_GATEWAYS, FIRST_OF_GATEWAYS + dice.choice((1, 1, 2, 3, 4, 6, 10))):
        at, to, segments = _time(dice, span), dice.randrange(numbers), dice.choice((1, 1, 1, 1, 2, 3))
        validity = dice.choice((8, 12)) if dice.random() < 0.1 else 0
        texts.append(Text(at, number, to, segments, "", validity, dice.choice(of)))
    steps: list[Step] = [*sorted(texts, key=lambda one: one.at)]
    for _ in range(dice.choice((0, 1, 1, 2, 3, 4, 8))):
        text, attempt = dice.choice(texts), dice.choice((1, 1, 1, 1, 1, 2, 2, 3, 0))
        what = dice.choice((*NOT_CREATED, *CREATED) if attempt else EVER_CREATED)
        if what != "today" or dice.random() < 0.3:
            steps.append(Created(text.number, what, dice.randint(1, text.segments), attempt))
    for _ in range(dice.choice((0, 0, 1, 2, 3))):
        text = dice.choice(texts)
        steps.append(
            Callback(
                text.number, dice.choice(CALLBACKS), dice.randint(1, text.segments), dice.choice((0, 0, 0, 0, 1, 2))
            )
        )
    for number in range(1, dice.choice((1, 1, 2, 3)) if "twilio-a" in of else 1):
        steps.append(LookUp(number, dice.choice(LOOK_UPS)))
        steps.append(Created(dice.choice(texts).number, dice.choice(LOOKED_UP)))
    if dice.random() < 0.15:
        steps.append(Outage(_time(dice, span + 1), dice.choice(of), dice.choice((0.0, 0.0, 1.0, 4.0, 30.0))))
    if dice.random() < 0.1:
        steps.append(Silence(_time(dice, span + 1), dice.choice(of), dice.choice((1.0, 2.5, 6.0))))
    if dice.random() < 0.2:
        seconds = dice.choice((0.5, 3.0, 10.0))
        steps.append(Trouble(_time(dice, span + 1), dice.choice(of), dice.choice(TROUBLES), seconds))
    return replace(plan, steps=(*plan.steps, *steps))


def _with_falls(plan: Plan, dice: Random) -> Plan:
    """In half of the plans with texts by HTTP some channel falls back to another."""
    if not plan.gateways or dice.random() < 0.5:
        return plan
    first = dice.choice((*plan.gateways, *plan.gateways, "smpp"))
    others = GATEWAYS if plan.forms in SHARED_IDS else ("smpp", *GATEWAYS)  # there each text needs its own number
    second, third = dice.sample([one for one in others if one != first], 2)
    falls = [(first, second), *([(second, third)] if dice.random() < 0.2 else [])]
    span, steps = max(step.at for step in plan.of(Text)) + 1.0, list[Step]()
    hosts = ("smsc 0", "smsc 1") if first == "smpp" else (first,)
    kind = dice.random()
    if kind < 0.5:
        at, seconds = _time(dice, span), dice.choice((3.0, 6.0, 12.0, 30.0))
        steps += [Outage(at, host, seconds) for host in hosts]
    elif first != "smpp" and kind < 0.8:
        steps.append(Trouble(_time(dice, span), first, dice.choice(TROUBLES), dice.choice((6.0, 12.0, 20.0))))
    for text in [one for one in plan.of(Text) if one.channel == first]:
        if first != "smpp" and dice.random() < 0.3:
            steps.append(Created(text.number, dice.choice(("permanent", "permanent", "failed at once", "today"))))
        elif first != "smpp" and dice.random() < 0.3:
            steps.append(Callback(text.number, "undelivered"))
        elif first == "smpp" and dice.random() < 0.3:
            steps.append(Fate(text.number, dice.choice(("permanent", "undelivered"))))
    return replace(plan, steps=(*plan.steps, *steps), falls=tuple(falls))


def _with_webhook(plan: Plan, dice: Random) -> Plan:
    webhook = dice.choice(("", "", "", "all", "all", "reports", "texts"))
    if not webhook:
        return plan
    steps: list[Step] = []
    for _ in range(dice.choice((0, 0, 1, 2, 4, 8))):
        steps.append(Answered(dice.randint(1, 12), dice.choice(WEBHOOK)))
    if dice.random() < 0.2:
        steps.append(Outage(_time(dice, 3.0), "webhook", dice.choice((0.0, 1.0, 4.0, 25.0))))
    if dice.random() < 0.1:
        steps.append(Silence(_time(dice, 3.0), "webhook", dice.choice((1.0, 6.0, 12.0))))
    return replace(plan, steps=(*plan.steps, *steps), webhook=webhook)


def _plan_of(seed: int) -> Plan:
    dice = Random(f"plan {seed}")
    setup = dice.choice(SETUPS)
    span = dice.choice((0.3, 2.0, 6.0))  # seconds over which things happen
    texts = _texts(dice, span)
    steps: list[Step] = [*texts]
    for number in range(dice.choice((0, 0, 1, 2, 3))):
        steps.append(
            Mo(_time(dice, span), number, dice.randrange(2), dice.choice((1, 1, 2, 3)), dice.choice(("", "", *MO)))
        )
    for _ in range(dice.choice((0, 1, 1, 2, 2, 3, 4, 6))):
        steps.append(_fault(dice, span, texts))
    later = ""
    for _ in range(dice.choice((0, 0, 0, 1, 1, 2))):
        at, seconds = _time(dice, span + 1.5), dice.choice((0.1, 0.2, 1.0, 3.0))
        steps.append(Stop(at, seconds) if dice.random() < 0.25 else Crash(at, dice.choice(CRASHES), seconds))
        later = dice.choice(SETUPS) if dice.random() < 0.2 else later
    forms = dice.choice(("decimal", "decimal", "hex-response-decimal-receipt", "padded"))
    splits = dice.choice((0.0, 0.2, 0.6))
    slowness = dice.choice((0.002, 0.02, 0.02, 0.02, 0.3, 1.5))
    small = dice.random() < 0.3
    for number in range(dice.choice((0, 0, 0, 1, 1, 3, 5))):
        what = dice.choice(("text", "text", "delivered", "failed"))
        of = dice.choice(COLLIDING) if dice.random() < 0.7 else ("smpp", "")
        hook = Hook(_time(dice, span), number, what, dice.random() < 0.2, dice.random() < 0.2, *of)
        if dice.random() < 0.4:
            hook = replace(hook, what="text", channel="listed", sid="", texts=dice.choice((0, 1, 2, 3)))
        steps.append(replace(hook, forged=dice.choice((0, 0, 1, 2)) if hook.channel != "smpp-b" else 0))
    if not any(isinstance(step, Crash | Stop) or (isinstance(step, Mo) and step.parts > 1) for step in steps):
        for _ in range(dice.choice((0, 0, 0, 0, 1, 2))):
            steps.append(SetClock(_time(dice, span + 1), dice.choice((-36_000.0, -3_600.0, 3_600.0, 40_000.0))))
    if dice.random() < 0.05:
        at = _time(dice, span)
        steps += [TornFile(at, dice.choice((0.5, 5.0))), Outage(at, dice.choice(("smsc 0", "broker")))]
    redundant = dice.random() < 0.4 and {setup, later or setup} <= SETUPS_OF_TWO
    server = dice.choice((ACTIVEMQ, ACTIVEMQ, RABBITMQ))
    joins = dice.random() < 0.1
    respelled = dice.random() < 0.3
    if dice.random() < 0.05 and not joins and "pair" not in (setup, later):  # there a receipt overtakes its response
        forms = dice.choice(SHARED_IDS)
        steps, respelled, redundant = _without_doubt(steps), False, False
    if texts and dice.random() < 0.08:
        steps.append(OptOut(_time(dice, span), dice.choice(texts).to, dice.randrange(2)))
    if dice.random() < 0.15:
        steps = [_pipelined(one) if isinstance(one, Text) and not one.hangup else one for one in steps]
    return Plan(seed, setup, tuple(steps), splits, slowness, forms, later, small, redundant, server, joins, respelled)


def _without_doubt(steps: list[Step]) -> list[Step]:
    """Without what makes a receipt come before its response, or makes two texts to one number: where an id is shared,
    only the number tells them apart."""
    kinds = (Mo, Hook, Confirmation, RefusedEvent, Full)
    texts = [replace(one, to=one.number, segments=1) for one in steps if isinstance(one, Text)]
    fates = [one for one in steps if isinstance(one, Fate) and one.what not in UNKNOWN]
    return [*texts, *fates, *(one for one in steps if isinstance(one, kinds))]


def _time(dice: Random, span: float) -> float:
    return round(dice.random() * span, 3)


def _texts(dice: Random, span: float) -> list[Text]:
    found = []
    numbers = dice.choice((1, 2, 3, 8))
    for number in range(dice.choice((0, 1, 1, 2, 3, 4, 6, 9, 12))):
        hangup = dice.choice(HANGUPS) if dice.random() < 0.1 else ""
        segments = dice.choice((1, 1, 1, 1, 2, 3))
        validity = dice.choice((8, 12)) if dice.random() < 0.2 else 0
        found.append(Text(_time(dice, span), number, dice.randrange(numbers), segments, hangup, validity))
    return sorted(found, key=lambda one: one.at)


def _pipelined(text: Text) -> Text:
    """At the same moment as others."""
    return replace(text, hangup=PIPELINED, at=round(int(text.at * 4) / 4, 3))


def _fate(dice: Random, _span: float, texts: list[Text]) -> Step:
    if not texts:
        return Confirmation(1, "late")
    text, attempt = dice.choice(texts), dice.choice((1, 1, 1, 1, 1, 1, 1, 2, 3, 0))
    what = dice.choice(FATES if attempt else EVER)
    return Fate(text.number, what, dice.randint(1, text.segments), attempt)


def _outage(dice: Random, span: float, _texts: list[Text]) -> Step:
    of = dice.choice(("smsc 0", "smsc 0", "smsc 1", "broker"))
    return Outage(_time(dice, span + 1), of, dice.choice((0.0, 0.0, 1.0, 4.0, 25.0)))


def _silence(dice: Random, span: float, _texts: list[Text]) -> Step:
    of = dice.choice(("smsc 0", "smsc 1", "broker"))
    return Silence(_time(dice, span + 1), of, dice.choice((1.0, 2.5, 6.0, 12.0)))


def _held_back(dice: Random, span: float, _texts: list[Text]) -> Step:
    seconds, transaction = dice.choice((1.0, 8.0, 25.0)), dice.random() < 0.4
    return HeldBack(_time(dice, span), dice.choice(QUEUES), seconds, transaction)


def _refused_queue(dice: Random, span: float, _texts: list[Text]) -> Step:
    return RefusedQueue(_time(dice, span), dice.choice(QUEUES), dice.choice((1.0, 6.0)), dice.random() < 0.4)


def _full(dice: Random, span: float, texts: list[Text]) -> Step:
    to = dice.choice(texts).to if texts else 0
    return Full(_time(dice, span), to, dice.choice((0x14, 0x58, 0x08)), dice.choice((1.0, 8.0, 60.0)))


def _disk(dice: Random, span: float, _texts: list[Text]) -> Step:
    return Disk(_time(dice, span + 1), dice.choice(("full", "statement", "commit")), dice.choice((0.1, 0.5, 3.0, 9.0)))


# How often each kind comes, in a hundred and seven.
_FAULTS: tuple[tuple[int, Callable[[Random, float, list[Text]], Step]], ...] = (
    (40, _fate),
    (10, lambda dice, *_: Confirmation(dice.randint(1, 4), dice.choice(BROKER))),
    (3, lambda dice, *_: RefusedEvent(dice.randint(1, 4), dice.choice((1, 2, 4, 9)), dice.random() < 0.5)),
    (4, _held_back),
    (3, _refused_queue),
    (10, lambda dice, *_: Delivery(dice.randint(1, 6), dice.choice(DELIVERIES), dice.randrange(2))),
    (15, _outage),
    (7, _silence),
    (2, lambda dice, span, _: Freeze(_time(dice, span + 1), dice.choice((0.5, 3.0, 9.0)))),
    (2, lambda dice, span, _: Unbind(_time(dice, span + 1), dice.randrange(2))),
    (
        2,
        lambda dice, span, _: Refusal(
            _time(dice, span), dice.randrange(2), dice.choice((0x05, 0x0D, 0x0E)), dice.choice((0.5, 5.0))
        ),
    ),
    (
        2,
        lambda dice, span, _: Forgotten(
            _time(dice, span + 1), dice.randrange(2), dice.choice((0.0, 4.0, 30.0)), dice.random() < 0.3
        ),
    ),
    (4, _full),
    (7, _disk),
)
_MAKERS = [make for share, make in _FAULTS for _ in range(share)]


def _fault(dice: Random, span: float, texts: list[Text]) -> Step:
    return dice.choice(_MAKERS)(dice, span, texts)
