"""What the tests of templates and requests begin from."""

from typing import Any

from smsconnector.messages import Segment
from smsconnector.rest.requests import Request, compile_request
from smsconnector.rest.variables import Facts, names

NOW_MS = 1_700_000_000_000  # 2023-11-14T22:13:20Z
SECRETS = {"key": "k&y=1", "password": 'p"w<'}


def segment(text: str = "Hello", **changes: Any) -> Segment:
    """One text to a number in Pakistan, with a minute left to be sent."""
    is_unicode = any(ord(character) > 0xFF for character in text)
    given: dict[str, Any] = {"destination": "923001234567", "source": "447700900123", "sid": "SM7"} | changes
    return Segment(
        given.pop("id", 7),
        given.pop("number", 1),
        given.pop("count", 1),
        text,
        "ucs2" if is_unicode else "gsm7",
        given.pop("source"),
        given.pop("destination"),
        NOW_MS + 60_000,
        **given,
    )


def facts(text: str = "Hello", **changes: Any) -> Facts:
    """All that is known of it."""
    hooks_url = changes.pop("hooks_url", "https://sms.example.org/msg-client/out")
    session = changes.pop("session", None)
    one = segment(text, **changes)
    return Facts(one, NOW_MS, "SM1", "out", one.source, hooks_url, SECRETS, session)


def filled(request: dict[str, Any], text: str = "Hello", **changes: Any) -> Request:
    """The request for that text; AssertionError if the template has faults."""
    template, problems = compile_request({"url": "https://api.example.com/"} | request, names(SECRETS, True))
    assert template is not None, problems
    return template.fill(facts(text, **changes))


def faults(request: dict[str, Any]) -> dict[str, str]:
    """What is wrong with the template, by where."""
    return dict(compile_request({"url": "https://api.example.com/"} | request, names(SECRETS))[1])
