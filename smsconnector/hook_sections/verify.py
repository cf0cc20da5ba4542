"""The section ``verify``: who may call a webhook. Its ``type`` says which other keys it has: ``VERIFY_TYPES``."""

from typing import Annotated, Any, Literal, Union

from pydantic import BeforeValidator, Field, PlainValidator, SecretStr, field_validator, model_validator

from smsconnector.hook_sections.fields import Secrets, Texts, listed, no_empty_secret
from smsconnector.hooks.callers import AllOf, BasicPassword, Networks, SharedSecret, network_of
from smsconnector.hooks.requests import Place
from smsconnector.hooks.signatures import TOLERANCE_S, StandardWebhooks, Verifier, key_of, secret_of
from smsconnector.hooks.template_signatures import (
    ALGORITHMS,
    Ed25519Signature,
    ParameterForm,
    Template,
    TemplateSignature,
)
from smsconnector.hooks.tokens import WebToken
from smsconnector.hooks.twilio_signature import TwilioSignature
from smsconnector.section_base import Section, check_by_type

TOKEN_PATTERN = r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"  # nosec B105 # a pattern; the name of a header (RFC 9110 section 5.6.2)


Algorithm = Literal["HS256", "HS384", "HS512"]
Tolerance = Annotated[float, Field(gt=0, le=86_400)] | None


class CallPlaceSection(Section):
    """Where a value stands in a request: ``header``, ``query``, ``field`` (of a form or a JSON object), or ``path``."""

    header: Annotated[str, Field(pattern=TOKEN_PATTERN)] | None = None
    query: str | None = None
    field: str | None = None
    path: Literal[True] | None = None
    prefix: str = ""
    separator: str = ""

    @model_validator(mode="after")
    def _is_one(self) -> "CallPlaceSection":
        if sum(one is not None for one in (self.header, self.query, self.field, self.path)) != 1:
            raise ValueError("say where it stands, by one of these: header: NAME, query: NAME, field: NAME, path: yes")
        return self

    def place(self) -> Place:
        kinds = {"header": self.header, "query": self.query, "form": self.field, "path": "" if self.path else None}
        kind, name = next((kind, name) for kind, name in kinds.items() if name is not None)
        return Place(kind, name, self.prefix, self.separator)


class VerifySection(Section):
    """What the ways to verify a caller have in common. ``networks`` is asked for besides all else."""

    type: str
    networks: Texts = []
    trusted_proxies: Texts = []

    @field_validator("networks", "trusted_proxies")
    @classmethod
    def _are_networks(cls, networks: list[str]) -> list[str]:
        for one in networks:
            network_of(one)
        return networks

    @model_validator(mode="after")
    def _proxies_have_networks(self) -> "VerifySection":
        if self.trusted_proxies and not self.networks:
            raise ValueError("trusted_proxies says which proxies tell the network: set networks, which may call")
        return self

    @property
    def needs_url(self) -> bool:
        """Whether the URL is signed, so that http.public_url has to be known."""
        return False

    @property
    def has_path_secret(self) -> bool:
        return False

    def made(self) -> Verifier | None:
        """The verifier, but for the networks."""
        return None

    def verifier(self) -> Verifier:
        found = self.made()
        if not self.networks:
            assert found is not None  # a type without a verifier of its own requires networks
            return found
        networks = Networks(tuple(map(network_of, self.networks)), tuple(map(network_of, self.trusted_proxies)))
        return networks if found is None else AllOf((networks, found))


class TwilioVerifySection(VerifySection):
    """X-Twilio-Signature. ``urls``: as they are entered with Twilio, if their query is not in alphabetical order."""

    type: Literal["twilio"]
    tokens: Secrets
    urls: Texts = []

    _checked = field_validator("tokens")(no_empty_secret)

    @property
    def needs_url(self) -> bool:
        return True

    def made(self) -> Verifier:
        return TwilioSignature(tuple(one.get_secret_value().encode() for one in self.tokens), tuple(self.urls))


class StandardVerifySection(VerifySection):
    """Standard Webhooks 1.0. ``secrets`` are whsec_..., ``public_keys`` whpk_..."""

    type: Literal["standard-webhooks"]
    secrets: Annotated[
        list[SecretStr], BeforeValidator(listed, json_schema_input_type=SecretStr | list[SecretStr])
    ] = []
    public_keys: Texts = []
    tolerance: Tolerance = TOLERANCE_S

    @model_validator(mode="after")
    def _can_be_made(self) -> "StandardVerifySection":
        if not self.secrets and not self.public_keys:
            raise ValueError("set secrets (whsec_...) or public_keys (whpk_...)")
        self.made()
        return self

    def made(self) -> Verifier:
        return StandardWebhooks(
            tuple(secret_of(one.get_secret_value()) for one in self.secrets),
            tuple(_public_key(one.removeprefix("whpk_"), "base64") for one in self.public_keys),
            self.tolerance,
        )


def known_algorithm(algorithm: str) -> str:
    """One of ``ALGORITHMS``. Raises ValueError."""
    if algorithm not in ALGORITHMS:
        raise ValueError(f"one of these is wanted here: {', '.join(ALGORITHMS)}")
    return algorithm


class ParametersSection(Section):
    """How ``{params}`` is written."""

    pair: str = "{name}{value}"
    joiner: str = ""
    replace: str = ""
    by: str = "_"
    of: Literal["query", "body", "both"] = "both"

    @field_validator("pair")
    @classmethod
    def _has_both(cls, pair: str) -> str:
        if [pair.count("{name}"), pair.count("{value}")] != [1, 1] or pair.index("{name}") > pair.index("{value}"):
            raise ValueError("write how a field is signed with {name} first and {value} behind it: '&{name}={value}'")
        return pair

    def form(self) -> ParameterForm:
        return ParameterForm(self.pair, self.joiner, self.replace, self.by, self.of)


class TemplateVerifySection(VerifySection):
    """What a signature over a template has, whatever makes it."""

    template: str
    signature: CallPlaceSection
    timestamp: CallPlaceSection | None = None
    nonce: CallPlaceSection | None = None
    id: CallPlaceSection | None = None
    params: ParametersSection = ParametersSection()
    tolerance: Tolerance = TOLERANCE_S

    @model_validator(mode="after")
    def _can_be_made(self) -> "TemplateVerifySection":
        self.made()
        return self

    @property
    def needs_url(self) -> bool:
        return "url" in self.template

    def what_is_signed(self) -> Template:
        places = {
            name: section.place() if (section := getattr(self, name)) is not None else None
            for name in ("timestamp", "nonce", "id")
        }
        name = self.signature.query or self.signature.field or ""
        return Template(self.template, **places, params=self.params.form(), signature_name=name)


class HMACVerifySection(TemplateVerifySection):
    """An HMAC, or a bare digest with {secret} in the template."""

    type: Literal["hmac"]
    secrets: Secrets
    key_encoding: Literal["raw", "base64", "hex", "whsec"] = "raw"
    algorithm: str = "hmac-sha256"
    encoding: Literal["hex", "base64"] = "hex"

    _checked = field_validator("secrets")(no_empty_secret)

    _known = field_validator("algorithm")(known_algorithm)

    def made(self) -> Verifier:
        return TemplateSignature(
            self.what_is_signed(),
            self.signature.place(),
            tuple(key_of(one.get_secret_value(), self.key_encoding) for one in self.secrets),
            self.algorithm,
            self.encoding,
            self.tolerance,
        )


class Ed25519VerifySection(TemplateVerifySection):
    type: Literal["ed25519"]
    public_keys: Annotated[Texts, Field(min_length=1)]
    key_encoding: Literal["base64", "hex"] = "base64"
    encoding: Literal["hex", "base64"] = "base64"

    def made(self) -> Verifier:
        return Ed25519Signature(
            self.what_is_signed(),
            self.signature.place(),
            tuple(_public_key(one, self.key_encoding) for one in self.public_keys),
            self.encoding,
            self.tolerance,
        )


def _public_key(text: str, encoding: str) -> bytes:
    key = key_of(text, encoding)
    if len(key) != 32:
        raise ValueError("an ed25519 key has 32 octets: copy the public key from the provider's console")
    return key


class JWTVerifySection(VerifySection):
    """A JSON Web Token. ``place`` is where it stands; the default is ``Authorization: Bearer``."""

    type: Literal["jwt"]
    secrets: Secrets
    key_encoding: Literal["raw", "base64", "hex"] = "raw"
    token: CallPlaceSection = CallPlaceSection(header="Authorization", prefix="Bearer ")
    algorithms: Annotated[
        list[Algorithm], BeforeValidator(listed, json_schema_input_type=Algorithm | list[Algorithm])
    ] = ["HS256"]
    issuer: str | None = None
    url_hash: bool = False
    payload_hash: bool = True
    leeway: Annotated[float, Field(ge=0, le=600)] = 5.0
    tolerance: Tolerance = TOLERANCE_S

    _checked = field_validator("secrets")(no_empty_secret)

    @property
    def needs_url(self) -> bool:
        return self.url_hash

    def made(self) -> Verifier:
        return WebToken(
            self.token.place(),
            tuple(key_of(one.get_secret_value(), self.key_encoding) for one in self.secrets),
            tuple(self.algorithms),
            self.issuer,
            self.payload_hash,
            self.url_hash,
            self.leeway,
            self.tolerance,
        )


class SecretVerifySection(VerifySection):
    """A shared secret in a header, the query, a field or the path."""

    type: Literal["secret"]
    secrets: Secrets
    place: CallPlaceSection

    _checked = field_validator("secrets")(no_empty_secret)

    @property
    def has_path_secret(self) -> bool:
        return self.place.path is not None

    def made(self) -> Verifier:
        return SharedSecret(self.place.place(), tuple(one.get_secret_value() for one in self.secrets))


class BasicVerifySection(VerifySection):
    """User and password (RFC 7617): ``credentials: "user:password"``."""

    type: Literal["basic"]
    credentials: Secrets

    @field_validator("credentials")
    @classmethod
    def _are_both(cls, credentials: list[SecretStr]) -> list[SecretStr]:
        for one in credentials:
            user, colon, password = one.get_secret_value().partition(":")
            if not (user and colon and password):
                raise ValueError('write user and password with a colon between them: "user:password"')
        return credentials

    def made(self) -> Verifier:
        return BasicPassword(tuple(one.get_secret_value() for one in self.credentials))


class NetworksVerifySection(VerifySection):
    """Networks alone."""

    type: Literal["networks"]

    @model_validator(mode="after")
    def _has_some(self) -> "NetworksVerifySection":
        if not self.networks:
            raise ValueError("set networks: those that the provider calls from, [192.0.2.0/24]")
        return self


VERIFY_TYPES: dict[str, type[VerifySection]] = {
    "twilio": TwilioVerifySection,
    "hmac": HMACVerifySection,
    "standard-webhooks": StandardVerifySection,
    "jwt": JWTVerifySection,
    "ed25519": Ed25519VerifySection,
    "secret": SecretVerifySection,
    "basic": BasicVerifySection,
    "networks": NetworksVerifySection,
}


def _check_verify(data: Any) -> VerifySection:
    return data if isinstance(data, VerifySection) else check_by_type(data, "type", VERIFY_TYPES)


Verify = Annotated[
    VerifySection, PlainValidator(_check_verify, json_schema_input_type=Union[tuple(VERIFY_TYPES.values())])  # noqa: UP007
]
