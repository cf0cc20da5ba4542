"""What the simulated SMSC does, good and bad: one record, from which twistd's options are made too.

Shares are probabilities from 0 to 1. All chance comes from ``Dice``: with the same seed and the same sequence of
submits the same happens again, whatever the delays are.
"""

import dataclasses
import math
import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from smsconnector.errors import ConfigurationError
from smsconnector.smpp.constants import INTERFACE_VERSIONS
from smsconnector.sms.segmentation import FORMS

# The form of a message id: in the response, in the receipt. SMSCs differ, and SMPP 3.4 leaves both open.
ID_FORMS: dict[str, tuple[str, str]] = {
    "decimal": ("{0:d}", "{0:d}"),
    "hex": ("{0:x}", "{0:x}"),
    "hex-response-decimal-receipt": ("{0:x}", "{0:d}"),
    "decimal-response-hex-receipt": ("{0:d}", "{0:X}"),
    "uuid": ("{1}", "{1}"),
    "padded": ("{0:d}", "{0:010d}"),
}
# sc_interface_version in a bind response (section 5.3.2.25), by the words of the option.
TOLD_VERSIONS: dict[str, int | None] = {"none": None, **INTERFACE_VERSIONS}
DEFAULT_ALPHABETS = ("gsm7", "gsm7-packed", "latin1", "ascii")


def option(default: Any, sentence: str, lowest: float | None = 0, highest: float = math.inf) -> Any:
    """A field of ``Behaviour`` with its help text and the bounds of a number (``lowest`` None: any)."""
    return dataclasses.field(default=default, metadata={"help": sentence, "bounds": (lowest, highest)}, kw_only=True)


def share(sentence: str) -> Any:
    """A field of ``Behaviour`` that is a probability; 0 unless it is set."""
    return option(0.0, f"share (0 to 1) of {sentence}", 0, 1)


@dataclass(frozen=True)
class Behaviour:
    """How the SMSC behaves. Times in seconds. Raises ConfigurationError with all that is wrong."""

    name: str = option("smsc-simulator", "the SMSC's own system_id, in its bind responses")
    system_id: str | None = option(None, "the only system_id that may bind (default: any)")
    password: str | None = option(None, "the password a bind must bring (default: any)")
    system_type: str | None = option(None, "the only system_type that may bind (default: any)")
    sessions: int = option(0, "binds of one system_id at once; one more gets ESME_RALYBND (0: any number)")
    interface_version: str = option("3.4", f"sc_interface_version in its bind responses: {', '.join(TOLD_VERSIONS)}")
    response_delay: float = option(0.0, "seconds from submit_sm to its response")
    receipt_delay: float = option(1.0, "seconds from the response to the receipt")
    id_form: str = option("decimal", f"how message ids are written: {', '.join(ID_FORMS)}")
    first_id: int = option(1, "the number of the first message id", 1)
    receipt_tlvs: bool = option(True, "whether receipts carry receipted_message_id and message_state (yes or no)")
    receipt_mark: bool = option(True, "whether the esm_class of receipts says what they are (yes or no)")
    receipt_payload: bool = option(False, "whether the text of receipts is in message_payload (yes or no)")
    receipt_readable: bool = option(False, "whether receipts quote texts in Latin-1, not as they came (yes or no)")
    default_alphabet: str = option("gsm7", f"what data_coding 0 means: {', '.join(DEFAULT_ALPHABETS)}")
    long_messages: str = option(",".join(FORMS), "the forms of long messages that it takes, with commas between them")
    congestion_state: int = option(-1, "percent of congestion in its responses to submits (-1: not told)", -1, 100)
    failure_share: float = share("messages whose receipt says UNDELIV")
    fail_suffix: str = option("", "messages to a destination with this ending are always UNDELIV")
    refuse_share: float = share("submits refused for good (ESME_RINVDSTADR)")
    throttle_share: float = share("submits answered with ESME_RTHROTTLED or ESME_RMSGQFUL")
    throughput: float = option(0.0, "submits a second and account above which it throttles (0: no limit)")
    lost_response_share: float = share("submits that are taken and never answered")
    lost_receipt_share: float = share("receipts that are never sent")
    duplicate_receipt_share: float = share("receipts that are sent twice")
    receipt_before_response_share: float = share("messages whose receipt comes before the response")
    drop_connection_every: int = option(0, "drop the connection at every so many messages, unanswered (0: never)")
    deliver_window: int = option(100, "deliver_sm that may wait for their response on one bind", 1)
    redelivery_delay: float = option(1.0, "seconds until a deliver_sm that was refused for now is sent again")
    deliver_timeout: float = option(30.0, "seconds after which an unanswered deliver_sm is sent again")
    enquire_link_interval: float = option(0.0, "seconds of silence after which it sends enquire_link (0: never)")
    inactivity_timeout: float = option(0.0, "seconds of silence after which it drops a connection (0: never)")
    mo_rate: float = option(0.0, "texts a second from handsets, some of them long (0: none)")
    mo_destination: str = option("12345", "the number that handsets write to")
    echo: bool = option(False, "whether handsets answer each text of one segment with the same text (yes or no)")
    seed: int = option(0, "the seed of all chance", None)

    def __post_init__(self) -> None:
        problems = []
        for field in dataclasses.fields(self):
            value, (lowest, highest) = getattr(self, field.name), field.metadata["bounds"]
            if isinstance(value, str | bool | None) or lowest is None:
                continue
            if not lowest <= value <= highest:
                limits = f"{lowest} to {highest}" if highest < math.inf else f"{lowest} or more"
                problems.append((field.name, f"has to be {limits}, not {value}"))
        for name, words in (
            ("id_form", ID_FORMS),
            ("interface_version", TOLD_VERSIONS),
            ("default_alphabet", DEFAULT_ALPHABETS),
        ):
            if getattr(self, name) not in words:
                problems.append((name, f"has to be one of {', '.join(words)}, not {getattr(self, name)}"))
        if not self.forms <= set(FORMS):
            problems.append(("long_messages", f"has to be some of {', '.join(FORMS)}, not {self.long_messages}"))
        if problems:
            raise ConfigurationError(problems)

    @property
    def forms(self) -> frozenset[str]:
        """``long_messages`` as a set."""
        return frozenset(filter(None, self.long_messages.split(",")))


class Fate(NamedTuple):
    """What chance does to one submit."""

    refused: bool = False
    throttled: bool = False
    queue_full: bool = False  # the other word for throttled
    undelivered: bool = False
    response_lost: bool = False
    receipt_lost: bool = False
    receipt_twice: bool = False
    receipt_first: bool = False


class Dice:
    """Chance that can be repeated: every submit draws the same number of times in the same order, whatever comes of
    it."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._shares = (
            behaviour.refuse_share,
            behaviour.throttle_share,
            0.5,
            behaviour.failure_share,
            behaviour.lost_response_share,
            behaviour.lost_receipt_share,
            behaviour.duplicate_receipt_share,
            behaviour.receipt_before_response_share,
        )
        self._fair = Fate()
        self._idle = not any((*self._shares[:2], *self._shares[3:]))
        self._draw = random.Random(f"{behaviour.seed} submits").random  # nosec B311 # the same draws for the same seed

    def roll(self) -> Fate:
        """The fate of the next submit."""
        if self._idle:
            return self._fair
        return Fate(*[self._draw() < probability for probability in self._shares])


class MessageIds(NamedTuple):
    """What the SMSC calls one message: in the response to its submit, and in its receipt."""

    in_response: str
    in_receipt: str


def id_writer(behaviour: Behaviour) -> Callable[[int], MessageIds]:
    """A function from a message's number to its ids, in the form ``behaviour.id_form``."""
    response, receipt = ID_FORMS[behaviour.id_form]
    if behaviour.id_form == "decimal":
        return lambda number: MessageIds(text := str(number), text)
    bits = random.Random(f"{behaviour.seed} ids").getrandbits  # nosec B311 # the same draws for the same seed

    def write(number: int) -> MessageIds:
        universal = uuid.UUID(int=bits(128), version=4) if behaviour.id_form == "uuid" else None
        return MessageIds(response.format(number, universal), receipt.format(number, universal))

    return write
