"""A JSON Web Token by RS256 (RFC 7519; RFC 7518 section 3.3), made anew for each request: ``authentication.jwt``.

The token has ``iat``, ``exp`` and ``jti``, unless ``claims`` has others, and what ``claims`` says. It is the request's
``{{session}}``.
"""

import base64
import json
from pathlib import Path
from typing import Annotated, Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from pydantic import Field

from smsconnector.rest.requests import fill_tree
from smsconnector.rest.variables import Facts
from smsconnector.section_base import Problem, Section
from smsconnector.sections import unreadable_files

LEAST_BITS = 2_048  # RFC 7518 section 3.3


class JWTSection(Section):
    """``claims`` is a tree of templates, which are read by ``templates``."""

    private_key_file: str  # PEM
    claims: dict[str, Any] = {}
    key_id: str | None = None  # the header kid
    lifetime: Annotated[int, Field(gt=0, le=86_400)] = 900  # seconds, from iat to exp

    def problems(self, path: str) -> list[Problem]:
        """What is wrong with the file."""
        place = f"{path}.private_key_file"
        found = unreadable_files({place: self.private_key_file})
        if not found:
            try:
                private_key(self.private_key_file)
            except ValueError as error:
                found.append((place, str(error)))
        return found


class TokenMaker:
    """``claims`` is the tree of the section, compiled. The key is read once."""

    def __init__(self, section: JWTSection, claims: Any) -> None:
        self._section, self._claims = section, claims
        self._key = private_key(section.private_key_file)
        kid = {} if section.key_id is None else {"kid": section.key_id}
        self._header = _part({"alg": "RS256", "typ": "JWT"} | kid)

    def token(self, facts: Facts) -> str:
        """For one request."""
        now_s = facts.now_ms // 1000
        claims = {"iat": now_s, "exp": now_s + self._section.lifetime, "jti": facts.nonce}
        signed = f"{self._header}.{_part(claims | fill_tree(self._claims, facts))}"
        signature = self._key.sign(signed.encode("ascii"), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{_base64url(signature)}"


def private_key(path: str) -> rsa.RSAPrivateKey:
    """Raises OSError, and ValueError with a sentence that does not show the key."""
    try:
        key = serialization.load_pem_private_key(Path(path).read_bytes(), None)
    except TypeError:
        raise ValueError(f"{path} is protected by a passphrase: write it without one (openssl pkey -in FILE)") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError(f"{path} holds no private key in PEM, which begins with BEGIN PRIVATE KEY") from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError(f"{path} holds no RSA key, and RS256 needs one")
    if key.key_size < LEAST_BITS:
        raise ValueError(f"{path} holds a key of {key.key_size} bits, and {LEAST_BITS} are the least")
    return key


def _part(data: Any) -> str:
    return _base64url(json.dumps(data, separators=(",", ":")).encode("ascii"))


def _base64url(octets: bytes) -> str:
    """RFC 7515 section 2: without padding."""
    return base64.urlsafe_b64encode(octets).decode("ascii").rstrip("=")
