"""A certificate authority of the test's own, and what it signs; PEM files in a folder."""

import datetime
import ipaddress
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)


class Authority:
    """``ca_file`` is what peers trust. ``valid``: from when to when its next certificates are, in days from now."""

    valid = (-1, 1)

    def __init__(self, folder: str, name: str = "test authority") -> None:
        self._folder = Path(folder)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        basic = x509.BasicConstraints(ca=True, path_length=0)
        self._certificate = self._build(self._name, self._key, basic).sign(self._key, hashes.SHA256())
        self.ca_file = self._write(f"{name.replace(' ', '-')}.pem", self._certificate)

    def issue(self, name: str, is_named: bool = True) -> str:
        """The PEM file of a key and its certificate, for that DNS name or address; ``is_named`` False: not as
        a subjectAltName."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = [x509.DNSName(name)] if not name[0].isdigit() else [x509.IPAddress(ipaddress.ip_address(name))]
        builder = self._build(_name(name), key, x509.BasicConstraints(ca=False, path_length=None))
        if is_named:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return self._write(f"{name}.pem", builder.sign(self._key, hashes.SHA256()), key)

    def own(self) -> str:
        """The PEM file of its own key and certificate, which is signed by itself."""
        return self._write("own.pem", self._certificate, self._key)

    def stores(self, pem: str) -> tuple[str, str]:
        """PKCS12 files (password "secret") for Java: the key and certificate of ``pem``, and this authority as the one
        that is trusted."""
        octets = Path(pem).read_bytes()
        key, certificate = serialization.load_pem_private_key(octets, None), x509.load_pem_x509_certificate(octets)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        closed = serialization.BestAvailableEncryption(b"secret")
        key_store, trust_store = self._folder / "key.p12", self._folder / "trust.p12"
        key_store.write_bytes(pkcs12.serialize_key_and_certificates(b"broker", key, certificate, None, closed))
        trusted = pkcs12.PKCS12Certificate(self._certificate, b"authority")
        trust_store.write_bytes(pkcs12.serialize_java_truststore([trusted], closed))
        return str(key_store), str(trust_store)

    def _build(self, subject: x509.Name, key: Any, basic: x509.BasicConstraints) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + self.valid[0] * DAY)
            .not_valid_after(now + self.valid[1] * DAY)
            .add_extension(basic, critical=True)
        )

    def _write(self, file: str, certificate: x509.Certificate, key: Any = None) -> str:
        pem = certificate.public_bytes(serialization.Encoding.PEM)
        if key is not None:
            plain = serialization.NoEncryption()
            pem += key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        path = self._folder / file
        path.write_bytes(pem)
        return str(path)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
