"""X-Twilio-Signature, with all that has changed about it over the years."""

import hashlib
import hmac
from dataclasses import dataclass, field

from smsconnector.hooks.requests import HookRequest, Unreadable, is_same_call, octets_of, url_forms
from smsconnector.hooks.signatures import MISSING, WRONG, any_equal, any_true, equal


@dataclass(frozen=True, slots=True)
class TwilioSignature:
    """base64(HMAC-SHA1(auth token, URL and sorted form)), https://www.twilio.com/docs/usage/security.

    - The URL is the public one, exactly as it is entered with Twilio. With and without its port, because Twilio's rule
      has changed over the years.
    - Of a form each distinct name, and for each name each distinct value, sorted, blank ones too. What is no form is
      signed by its hash in the query, bodySHA256, over the raw octets.
    - ``tokens``: the primary token of the account and of each sub-account, or two of one account while they change.
      The secret of an API key never signs.
    - ``written``: URLs as they are entered with Twilio, where that matters: Twilio sends a query sorted, and signs it
      as it was entered.
    - A webhook rule may sign by HMAC-SHA256: X-Twilio-Webhooks-Signature-Settings says so."""

    tokens: tuple[bytes, ...] = field(repr=False)
    written: tuple[str, ...] = ()

    def fault(self, request: HookRequest, now_s: float) -> str | None:
        given = request.header("x-twilio-signature")
        if not given:
            return MISSING
        algorithm = _twilio_algorithm(request.header("x-twilio-webhooks-signature-settings"))
        if algorithm is None:
            return "X-Twilio-Webhooks-Signature-Settings names an algorithm that is not known here"
        try:
            urls = [form for one in self._urls(request) for form in url_forms(one)]
            tails = _twilio_tails(request)
        except Unreadable as error:
            return str(error)
        if not tails:
            return "the body is no form, and the URL has no bodySHA256 that fits it: it is not signed"
        digests = [
            hmac.digest(token, octets_of(url) + tail, algorithm)
            for token in self.tokens
            for url in urls
            for tail in tails
        ]
        return None if any_equal(digests, [given], "base64") else WRONG

    def _urls(self, request: HookRequest) -> list[str]:
        return [request.url, *(one.partition("#")[0] for one in self.written if is_same_call(one, request))]


def _twilio_algorithm(settings: str) -> str | None:
    """``key=..,algorithm=HMAC_SHA256``; SHA-1 if nothing is said."""
    named = [one.strip()[10:].strip() for one in settings.split(",") if one.strip().lower().startswith("algorithm=")]
    name = named[0].upper() if named and named[0] else "HMAC_SHA1"
    return {"HMAC_SHA1": "sha1", "HMAC_SHA256": "sha256"}.get(name)


def _twilio_tails(request: HookRequest) -> list[bytes]:
    """What may stand behind the URL in that which is signed: the form, or nothing where bodySHA256 tells the body."""
    tails = []
    if request.method == "GET" and not request.body:
        return [b""]
    if request.is_form:
        pairs = sorted(set(request.form_pairs()), key=lambda pair: (_utf_16(pair[0]), _utf_16(pair[1])))
        tails.append(b"".join(octets_of(name + value) for name, value in pairs))
    elif not request.body:
        tails.append(b"")
    hashes = [value.lower() for name, value in request.query_pairs() if name == "bodySHA256"]
    if any_true([equal(one, hashlib.sha256(request.body).hexdigest()) for one in hashes]) and b"" not in tails:
        tails.append(b"")
    return tails


def _utf_16(text: str) -> bytes:
    """Sorts as Twilio does: by code units."""
    return text.encode("utf-16-be", "surrogatepass")
