"""What a template can name. ``VARIABLES`` is the table: a name, and how its value comes from the facts of one text.

Beside these there are names that the configuration makes: ``secret.NAME`` for each entry of ``secrets``, ``session``
where a log-in or a token is configured, and ``signature`` where requests are signed. A value that a text does not have
is None.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from smsconnector.messages import Segment
from smsconnector.rest.filters import Value

SHORT_CODE = 7  # digits; a sender with fewer is a short code, which has no plus and no prefix
MASK = "_hidden_"  # shown in the place of a secret; a URL needs no escapes for it


@dataclass(frozen=True, slots=True)
class Facts:
    """All that is known of one text when its request is made. ``sid`` is our own id of it, as callbacks bring it back.
    ``source`` is its sender, or the channel's. ``hooks_url`` is where the provider reaches this channel, without a
    slash at its end; None if that is not configured. Secrets never show in the representation."""

    segment: Segment
    now_ms: int  # since the Unix epoch
    sid: str
    channel: str
    source: str | None = None
    hooks_url: str | None = None
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    session: str | None = field(default=None, repr=False)
    signature: str | None = field(default=None, repr=False)
    nonce: str = ""  # another at each try

    def value(self, name: str) -> Value:
        """The value of a name that ``names`` has."""
        made = VARIABLES.get(name)
        if made is not None:
            return made(self)
        if name == "session":
            return self.session
        if name == "signature":
            return self.signature
        return self.secrets[name.removeprefix("secret.")]

    def masked(self, keeps_numbers: bool = False) -> "Facts":
        """The same, with a mask in the place of every secret, to be shown. ``keeps_numbers``: the mask of a number is
        0, which a filter for numbers can read."""
        hidden = {name: "0" if keeps_numbers and one.isdigit() else MASK for name, one in self.secrets.items()}
        return replace(self, secrets=hidden, session=MASK, signature=MASK)


def names(secrets: Iterable[str], has_session: bool = False, has_signature: bool = False) -> tuple[str, ...]:
    """All names that a template may have."""
    computed = [name for name, is_there in (("session", has_session), ("signature", has_signature)) if is_there]
    return (*VARIABLES, *computed, *(f"secret.{name}" for name in secrets))


def _is_long(number: str) -> bool:
    return number.isascii() and number.isdigit() and len(number) >= SHORT_CODE


def _prefixed(number: str | None, prefix: str) -> str | None:
    """With its prefix if it is an international number; a name or a short code as it is."""
    return prefix + number if number is not None and _is_long(number) else number


def _national(number: str | None) -> str | None:
    """As it is dialled inside its own country, in digits; as it is if that is not known."""
    if number is None or not _is_long(number):
        return number
    import phonenumbers  # noqa: PLC0415 — takes 20 ms, and most never need it

    try:
        parsed = phonenumbers.parse("+" + number)
    except phonenumbers.NumberParseException:
        return number
    shown = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.NATIONAL)
    return "".join(character for character in shown if character.isdigit())


def _is_unicode(facts: Facts) -> bool:
    return facts.segment.alphabet.startswith("ucs2")


def _seconds_left(facts: Facts) -> int:
    return max(1, (facts.segment.expires_at - facts.now_ms) // 1000)


def _asked(facts: Facts, value: int) -> int | None:
    """Only where the request for the text has set its lifetime."""
    return value if facts.segment.is_limited else None


def _hook(facts: Facts, path: str) -> str | None:
    return None if facts.hooks_url is None else f"{facts.hooks_url}/{path}"


VARIABLES: dict[str, Callable[[Facts], Value]] = {
    "to": lambda facts: facts.segment.destination,
    "to_plus": lambda facts: _prefixed(facts.segment.destination, "+"),
    "to_00": lambda facts: _prefixed(facts.segment.destination, "00"),
    "to_national": lambda facts: _national(facts.segment.destination),
    "from": lambda facts: facts.source,
    "from_plus": lambda facts: _prefixed(facts.source, "+"),
    "from_00": lambda facts: _prefixed(facts.source, "00"),
    "from_national": lambda facts: _national(facts.source),
    "text": lambda facts: facts.segment.text,
    "text_gsm": lambda facts: None if _is_unicode(facts) else facts.segment.text,  # where the two have other fields
    "text_unicode": lambda facts: facts.segment.text if _is_unicode(facts) else None,
    "unicode": _is_unicode,
    "alphabet": lambda facts: "unicode" if _is_unicode(facts) else "gsm",
    "sid": lambda facts: facts.sid,
    "id": lambda facts: facts.segment.id,
    "part": lambda facts: facts.segment.number,
    "parts": lambda facts: facts.segment.count,
    "channel": lambda facts: facts.channel,
    "callback_url": lambda facts: _hook(facts, f"delivery-notification/{facts.sid}"),
    "receive_url": lambda facts: _hook(facts, "receive"),
    "now": lambda facts: facts.now_ms // 1000,
    "now_ms": lambda facts: facts.now_ms,
    "nonce": lambda facts: facts.nonce,
    "lifetime": _seconds_left,
    "validity": lambda facts: _asked(facts, _seconds_left(facts)),
    "expires": lambda facts: _asked(facts, facts.segment.expires_at // 1000),
}
# Those that some texts lack. Senders: the channel may have one for all. The two URLs: no text has them without
# http.public_url, and every text with it.
OF_THE_SENDER = frozenset({"from", "from_plus", "from_00", "from_national"})
OF_THE_DOOR = frozenset({"callback_url", "receive_url"})
OPTIONAL = OF_THE_SENDER | OF_THE_DOOR | {"text_gsm", "text_unicode", "validity", "expires"}
