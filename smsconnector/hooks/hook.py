"""What a channel says of its two webhooks."""

from collections.abc import Collection
from dataclasses import dataclass

from smsconnector.hooks.reading import Reading
from smsconnector.hooks.signatures import Verifier


@dataclass(frozen=True, slots=True)
class HookAnswer:
    """What the provider wants to be answered, once all is on disk."""

    status: int = 200
    content_type: str = ""
    body: str = ""


@dataclass(frozen=True, slots=True)
class Hook:
    """One webhook of a channel.

    :param readings: how its requests are read, the first that a record is for; none: by the contract's own form.
    :param verifier: who may call; None: whoever has an API key, as everywhere.
    :param methods: GET, POST, or both.
    :param has_path_secret: the last part of the path is the provider's secret.
    :param is_of_sender: the channel itself gives texts to the provider. So what names an id that is not known yet waits
        for the provider's answer, in the contract's own form too.
    :param names_parts: the provider may make several parts of one text, and tell of each by an id of its own. So our id
        in the path does not say which part is meant."""

    readings: tuple[Reading, ...] = ()
    verifier: Verifier | None = None
    methods: Collection[str] = ("POST",)
    answer: HookAnswer = HookAnswer()
    has_path_secret: bool = False
    is_of_sender: bool = False
    names_parts: bool = False


@dataclass(frozen=True, slots=True)
class Hooks:
    """Both webhooks of a channel: ``/delivery-notification`` and ``/receive``. ``public_url``: how its provider reaches
    us, without the base path; the configuration sets it."""

    notification: Hook = Hook()
    incoming: Hook = Hook()
    public_url: str | None = None


PLAIN = Hooks()  # the contract's own forms, and the API keys
