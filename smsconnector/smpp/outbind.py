"""outbind: an SMSC that connects asks for the bind, and says who it is (SMPP 3.4 section 4.1.7)."""

import hmac

from smsconnector.errors import PDUError
from smsconnector.smpp import pdu as codec


def is_from(octets: bytes, system_id: str, password: str) -> bool:
    """Whether this outbind tells that system_id and password. Both are compared at once, in constant time. One that
    can't be read tells neither. Never raises."""
    try:
        fields = codec.decode(octets).fields
    except PDUError:
        fields = {}
    told = fields.get("system_id", ""), fields.get("password", "")
    return hmac.compare_digest(_joined(*told), _joined(system_id, password))


def _joined(system_id: str, password: str) -> bytes:
    return f"{system_id}\0{password}".encode()
