"""The signature of a request that goes out, which the request names as ``{{signature}}``.

1. The request is filled without the signature: what names it is left out, as all that has no value.
2. What is signed is told by a template of two kinds of placeholders. ``{{to}}`` and its like have the values that the
   request has. ``{params}``, ``{body}``, ``{url}`` and their like are parts of the request of step 1. The latter are
   those of webhooks' verifiers (``hooks.template_signatures``): one piece of code writes what is signed, whoever signs.
   All are filled in one pass, so that a text that contains ``{secret}`` is signed as it stands.
3. The request is filled again, with the signature. Time and nonce are the same in both, and others at each try.
"""

import base64
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import field_validator, model_validator

from smsconnector.errors import TemplateError
from smsconnector.hook_sections.verify import ParametersSection, known_algorithm
from smsconnector.hooks.requests import HookRequest
from smsconnector.hooks.signatures import key_of
from smsconnector.hooks.template_signatures import Template as Signed
from smsconnector.hooks.template_signatures import digest_of
from smsconnector.rest.filters import as_text, encoded
from smsconnector.rest.requests import Request, RequestTemplate
from smsconnector.rest.templates import Placeholder, Template
from smsconnector.rest.variables import Facts
from smsconnector.section_base import Section

# What a verifier reads from the request, and a signer writes by a name of its own.
_OURS = {"timestamp": "now", "nonce": "nonce", "id": "sid"}
_OF_THE_BODY = ("body", "body_sha256", "body_sha256_raw")


class SignSection(Section):
    """``template`` and ``secret`` may name what requests name; they are read by ``templates``."""

    algorithm: str = "hmac-sha256"
    template: str
    secret: str | None = None  # the key of an HMAC; of a bare digest what {secret} is
    key_encoding: Literal["raw", "base64", "hex", "whsec"] = "raw"
    encoding: Literal["hex", "base64"] = "hex"
    params: ParametersSection = ParametersSection()

    _checked = field_validator("algorithm")(known_algorithm)

    @model_validator(mode="after")
    def _has_a_secret(self) -> "SignSection":
        is_hmac, names_it = self.algorithm.startswith("hmac-"), "{secret}" in self.template.replace("{{secret.", "")
        if (is_hmac or names_it) and self.secret is None:
            raise ValueError("set secret: the key of the signature, as in secret: '{{secret.key}}'")
        if self.secret is not None and is_hmac == names_it:
            raise ValueError("{secret} belongs into the template of a bare digest (md5, sha1 ...), and into no other")
        if not is_hmac and not names_it and "{{secret." not in self.template:
            raise ValueError(
                "the template of a bare digest has no secret in it, so anybody could make it: add {secret}"
            )
        return self


class Signer:
    """Signs requests. ``key`` is the template of the key. Raises TemplateError where ``signed`` can't be filled."""

    def __init__(self, section: SignSection, signed: Template, key: Template | None) -> None:
        self._section, self._key = section, key
        form = section.params.form()
        self._pieces = tuple(one if isinstance(one, Placeholder) else _signed(one, params=form) for one in signed.parts)

    def key(self, facts: Facts) -> bytes:
        """Raises ValueError for one that is not written as the section says."""
        if self._key is None:
            return b""
        return key_of(self._key.fill(facts) or "", self._section.key_encoding)

    def signature(self, template: RequestTemplate, facts: Facts) -> str:
        """Of the request that ``template`` makes of these facts, which have no signature yet. Raises TextError for a
        text that can't stand in the request."""
        request, key = template.fill(facts), self.key(facts)
        seen = _as_seen(request, template.origin)
        octets = b"".join(self._octets(one, seen, facts, key, template.charset) for one in self._pieces)
        digest = digest_of(self._section.algorithm, key, octets)
        return digest.hex() if self._section.encoding == "hex" else base64.b64encode(digest).decode("ascii")

    def _octets(self, piece: Placeholder | Signed, seen: HookRequest, facts: Facts, key: bytes, charset: str) -> bytes:
        if isinstance(piece, Signed):
            return piece.octets(seen, seen.url, key)
        return encoded(as_text(piece.value(facts)), charset)


def _as_seen(request: Request, origin: str) -> HookRequest:
    """As who verifies it sees it."""
    headers = {name.lower().encode("latin-1"): [value.encode("latin-1")] for name, value in request.headers}
    return HookRequest(request.method, request.url[len(origin) :], headers, request.body, public_url=origin)


def _signed(text: str, **settings: Any) -> Signed:
    """Raises TemplateError."""
    for name, ours in _OURS.items():
        if f"{{{name}}}" in text:
            raise TemplateError(f"{{{name}}} is for what comes in: write {{{{{ours}}}}} here, and in the request too")
    try:
        return Signed(text, **settings)
    except ValueError as error:
        raise TemplateError(str(error)) from None


def check_signed(signed: Template, request: RequestTemplate, params: Mapping[str, Any]) -> None:
    """Whether that can be signed of such a request. Raises TemplateError."""
    pieces = [_signed(one) for one in signed.parts if isinstance(one, str)]

    def names(name: str) -> bool:
        return any(piece.has(name) for piece in pieces)

    if "signature" in request.body_names and any(map(names, _OF_THE_BODY)):
        raise TemplateError("the signature is over the body, so it can't stand in there: write it into a header")
    if not names("params") or params.get("of") == "query" or request.kind in (None, "form"):
        return
    if request.kind != "json" or not isinstance(request.body, dict):
        raise TemplateError("{params} are the fields of a query, a form or a flat JSON object: sign {body} instead")
    if any(isinstance(one, dict | list) for one in request.body.values()):
        raise TemplateError("{params} has no list and no object of JSON in it: sign {body} instead")
