"""A segment rendered as the body of submit_sm (SMPP 3.4 section 4.4.1).

What is the same for every message of a bind is rendered once; a segment costs a few joins.
"""

from dataclasses import dataclass

from smsconnector.messages import Segment
from smsconnector.smpp.constants import DataCoding, EsmClass
from smsconnector.sms import segmentation

TON_UNKNOWN, TON_INTERNATIONAL, TON_NETWORK_SPECIFIC, TON_ALPHANUMERIC = 0, 1, 3, 5  # section 5.2.5
NPI_UNKNOWN, NPI_E164 = 0, 1  # section 5.2.6

DATA_CODINGS = {"gsm7": DataCoding.DEFAULT, "ucs2": DataCoding.UCS2, "latin1": DataCoding.LATIN1}


@dataclass(frozen=True, slots=True)
class SubmitSettings:
    """What a bind says about its submits. ``source`` serves messages that name none; addresses of at most
    ``short_code_digits`` digits count as short codes and get ``short_code_ton`` and ``short_code_npi``."""

    source: str = ""
    service_type: str = ""
    registered_delivery: int = 1
    short_code_ton: int = TON_NETWORK_SPECIFIC
    short_code_npi: int = NPI_UNKNOWN
    short_code_digits: int = 6


class SubmitRenderer:
    """``body(segment)`` is the octets behind the header."""

    def __init__(self, settings: SubmitSettings) -> None:
        self._settings = settings
        self._service_type = settings.service_type.encode("ascii") + b"\0"
        # protocol_id, priority_flag, schedule_delivery_time, validity_period, registered_delivery,
        # replace_if_present_flag, data_coding, sm_default_msg_id
        self._tails = {
            alphabet: b"\0\0\0\0" + bytes((settings.registered_delivery, 0, coding, 0))
            for alphabet, coding in DATA_CODINGS.items()
        }
        self._sources: dict[str, bytes] = {}

    def body(self, segment: Segment) -> bytes:
        octets, has_header = segmentation.wire(
            segment.text, segment.alphabet, segment.reference, segment.count, segment.number
        )
        return b"".join(
            (
                self._service_type,
                self._source(segment.source or self._settings.source),
                self.address(segment.destination),
                bytes((EsmClass.UDHI,)) if has_header else b"\0",
                self._tails[segment.alphabet],
                bytes((len(octets),)),
                octets,
            )
        )

    def address(self, address: str) -> bytes:
        """TON, NPI and the address (4.4.1): alphanumeric 5/0, international digits 1/1, short codes as set."""
        if not address:
            return b"\0\0\0"
        if not address.isdigit():
            ton, npi = TON_ALPHANUMERIC, NPI_UNKNOWN
        elif len(address) <= self._settings.short_code_digits:
            ton, npi = self._settings.short_code_ton, self._settings.short_code_npi
        else:
            ton, npi = TON_INTERNATIONAL, NPI_E164
        return bytes((ton, npi)) + address.encode("latin-1", "replace") + b"\0"

    def _source(self, source: str) -> bytes:
        """Senders are few: rendered once each, and forgotten all together should they ever be many."""
        rendered = self._sources.get(source)
        if rendered is None:
            if len(self._sources) > 1000:
                self._sources.clear()
            rendered = self._sources[source] = self.address(source)
        return rendered
