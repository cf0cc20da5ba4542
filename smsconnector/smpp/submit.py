"""A segment rendered as the body of submit_sm (SMPP 3.4 section 4.4.1).

1. The door chose an alphabet before any bind was known; here it becomes a coding that the SMSC understands. Septets
   go as the SMSC's default alphabet, data_coding 0, whatever that is: a text of GSM 03.38 characters reaches the
   handset as such, so it takes as much room as it has septets. For an SMSC whose default alphabet lacks a character
   (its configuration changed, or another bind's is different), a text of one segment goes as UCS-2 if that fits;
   otherwise the septets go with data_coding 0xF1, which names the GSM 03.38 alphabet itself (section 4 there).
2. The form of a long message is the bind's where segments that were cut for another one fit, else theirs
   (``segmentation.rendered_form``).
3. What is too long for short_message, and only a text that was left for the SMSC to cut is, goes in message_payload.

Nothing is cut, and ``body`` raises for no segment that ``segmentation.segment`` could have made. What is the same for
every message of a bind is rendered once; a segment costs a few joins.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from smsconnector.errors import TextError
from smsconnector.messages import Segment
from smsconnector.smpp.constants import DataCoding, EsmClass, Tag
from smsconnector.sms import alphabet as alphabets
from smsconnector.sms import segmentation
from smsconnector.sms.choice import SEPTET_ALPHABETS

TON_UNKNOWN, TON_INTERNATIONAL, TON_NETWORK_SPECIFIC, TON_ALPHANUMERIC = 0, 1, 3, 5  # section 5.2.5
NPI_UNKNOWN, NPI_E164 = 0, 1  # section 5.2.6

GSM_CLASS_1 = 0xF1  # GSM 03.38 section 4: default alphabet, message class 1, where a handset keeps texts anyway
DATA_CODINGS = {
    "gsm7": GSM_CLASS_1,
    "gsm7-packed": GSM_CLASS_1,
    "ascii": DataCoding.IA5,
    "latin1": DataCoding.LATIN1,
    "ucs2": DataCoding.UCS2,
}
SHORT_MESSAGE_OCTETS = 254  # section 5.2.22
PAYLOAD_OCTETS = 0xFFFF  # the length of a TLV

_SAR = struct.Struct(">HHHHHBHHB")  # the three TLVs of section 5.3.2.22 to 24, with their tags and lengths
_TLV = struct.Struct(">HH")
_OCTET = [bytes((value,)) for value in range(0x100)]
_DAY = 86_400  # seconds
_CENTURY = 99 * 12 * 31 * _DAY  # the longest that can be told


@dataclass(frozen=True, slots=True)
class SubmitSettings:
    """What a bind says about its submits.

    ``source`` serves messages that name none. TON and NPI follow from the address unless they are set; addresses of
    at most ``short_code_digits`` digits are short codes and get ``short_code_ton`` and ``short_code_npi``.
    ``default_alphabet`` is what data_coding 0 means: gsm7, gsm7-packed, latin1 or ascii. ``data_codings`` overrides
    the number by alphabet. ``form`` is one of ``segmentation.FORMS``. ``validity`` is what the SMSC is told: ``none``,
    ``asked`` (what is left of a lifetime that the request asked for), ``auto`` (what is left of any) or seconds, unless
    a request asked for less. ``registered_delivery`` may have the bit 0x10 for
    intermediate notifications. ``tlvs`` are (tag, octets), put behind every submit.
    """

    source: str = ""
    service_type: str = ""
    registered_delivery: int = 1
    short_code_ton: int = TON_NETWORK_SPECIFIC
    short_code_npi: int = NPI_UNKNOWN
    short_code_digits: int = 6
    source_ton: int | None = None
    source_npi: int | None = None
    dest_ton: int | None = None
    dest_npi: int | None = None
    default_alphabet: str = "gsm7"
    data_codings: Mapping[str, int] = field(default_factory=dict)
    form: str = "udh8"
    protocol_id: int = 0
    priority_flag: int = 0
    validity: int | Literal["none", "asked", "auto"] = "asked"
    tlvs: tuple[tuple[int, bytes], ...] = ()


class Coding(NamedTuple):
    """One way to write a text on this bind."""

    alphabet: str  # a name of ``sms.alphabet``, with its languages
    single_octets: int  # how many octets of user data, header included, a message of one segment may have
    only_single: bool  # for such messages only, and only if it fits
    tail: bytes  # registered_delivery, replace_if_present_flag, data_coding, sm_default_msg_id


class Form(NamedTuple):
    """How segments with one name in ``Segment.alphabet`` are written: the first of ``codings`` that can."""

    codings: tuple[Coding, ...]
    form: str


class SubmitRenderer:
    """``body(segment, now)`` is the octets behind the header."""

    def __init__(self, settings: SubmitSettings) -> None:
        self._settings = settings
        self._service_type = _c_octets(settings.service_type)
        self._data_codings = {**DATA_CODINGS, settings.default_alphabet: DataCoding.DEFAULT, **settings.data_codings}
        # esm_class, protocol_id, priority_flag, schedule_delivery_time
        self._plain, self._with_header = (
            bytes((esm_class, settings.protocol_id, settings.priority_flag, 0)) for esm_class in (0, EsmClass.UDHI)
        )
        self._tlvs = b"".join(_tlv(tag, octets) for tag, octets in settings.tlvs)
        self._last_resort = self._coding("ucs2")
        self._plans: dict[str, Form] = {}
        self._sources: dict[str, bytes] = {}
        self._last_addresses: tuple[str | None, str] | None = None
        self._rendered = b""  # of these
        self._validity_is_left = settings.validity == "auto"
        self._validity_is_asked = settings.validity != "none"
        self._longest = settings.validity if isinstance(settings.validity, int) else _CENTURY
        self._validity = self._fixed_validity = _validity(self._longest)
        self._validity_seconds = self._longest

    def body(self, segment: Segment, now: int | None = None) -> bytes:
        """``now`` in milliseconds is for a validity_period of what is left; without it the SMSC's own counts."""
        plan = self._plans.get(segment.alphabet) or self._plan(segment.alphabet)
        coding, user_data, has_header = self._write(segment, plan)
        tlvs = self._tlvs
        if segment.count > 1:
            fits = len(user_data) <= SHORT_MESSAGE_OCTETS
            if plan.form == "sar":
                tlvs = _sar(segment) + tlvs
        else:
            fits = len(user_data) <= coding.single_octets
        if not fits:
            tlvs = _tlv(Tag.message_payload, user_data[:PAYLOAD_OCTETS]) + tlvs
            user_data = b""
        return b"".join(
            (
                self._addresses(segment),
                self._with_header if has_header else self._plain,
                self._left(segment, now)
                if now is not None and (self._validity_is_left or (segment.is_limited and self._validity_is_asked))
                else self._fixed_validity,
                coding.tail,
                _OCTET[len(user_data)],
                user_data,
                tlvs,
            )
        )

    def _addresses(self, segment: Segment) -> bytes:
        """service_type and both addresses. The parts of a long message follow each other: rendered once for all."""
        both = (segment.source, segment.destination)
        if both != self._last_addresses:
            settings = self._settings
            self._rendered = self._source(segment.source or settings.source) + self.address(
                segment.destination, settings.dest_ton, settings.dest_npi
            )
            self._last_addresses = both
        return self._rendered

    def cancel_body(self, message_id: str, source: str | None, destination: str) -> bytes:
        """The body of cancel_sm (section 4.9.1), with the addresses as they were submitted. An empty ``message_id``
        would take back all messages between the two: ValueError."""
        settings, rendered_id = self._settings, _c_octets(message_id)
        if rendered_id == b"\0":
            raise ValueError("cancel_sm of one message needs its message_id")
        sender = self.address(source or settings.source, settings.source_ton, settings.source_npi)
        recipient = self.address(destination, settings.dest_ton, settings.dest_npi)
        return self._service_type + rendered_id + sender + recipient

    def address(self, address: str, ton: int | None = None, npi: int | None = None) -> bytes:
        """TON, NPI and the address (4.4.1): alphanumeric 5/0, international digits 1/1, short codes as set, unless
        ``ton`` or ``npi`` say otherwise. A NUL, which would end the address, and what Latin-1 lacks don't get here:
        the door refuses them. If they do, the one is left out and the other a question mark."""
        if not address:
            automatic = TON_UNKNOWN, NPI_UNKNOWN
        elif not (address.isascii() and address.isdigit()):
            automatic = TON_ALPHANUMERIC, NPI_UNKNOWN
        elif len(address) <= self._settings.short_code_digits:
            automatic = self._settings.short_code_ton, self._settings.short_code_npi
        else:
            automatic = TON_INTERNATIONAL, NPI_E164
        types = _OCTET[automatic[0] if ton is None else ton] + _OCTET[automatic[1] if npi is None else npi]
        return types + _c_octets(address)

    def _source(self, source: str) -> bytes:
        """service_type and source address. Senders are few: rendered once each, and forgotten all together should
        they ever be many."""
        rendered = self._sources.get(source)
        if rendered is None:
            if len(self._sources) > 1000:
                self._sources.clear()
            settings = self._settings
            rendered = self._service_type + self.address(source, settings.source_ton, settings.source_npi)
            self._sources[source] = rendered
        return rendered

    def _left(self, segment: Segment, now: int) -> bytes:
        """The validity_period of what is left of the message's lifetime, to the second."""
        seconds = min(max(1, (segment.expires_at - now) // 1000), self._longest)
        if seconds != self._validity_seconds:
            self._validity_seconds, self._validity = seconds, _validity(seconds)
        return self._validity

    # --- codings --------------------------------------------------------------------------------------------

    def _write(self, segment: Segment, plan: Form) -> tuple[Coding, bytes, bool]:
        """The coding, the user data, and whether it has a header."""
        text, count = segment.text, segment.count
        for coding in plan.codings:
            if coding.only_single and count > 1:
                continue
            try:
                user_data, has_header = segmentation.wire(
                    text, coding.alphabet, segment.reference, count, segment.number, form=plan.form
                )
            except TextError:
                continue
            if not coding.only_single or len(user_data) <= coding.single_octets:
                return coding, user_data, has_header
        text = text.encode("utf-16-be", "replace").decode("utf-16-be")  # half a surrogate pair is no character
        found = segmentation.wire(text, "ucs2", segment.reference, count, segment.number, form=plan.form)
        return self._last_resort, *found

    def _plan(self, name: str) -> Form:
        """Of a name in the store; one that is not known is taken for ``gsm7``, and falls back to UCS-2."""
        alphabet, cut_for = segmentation.unmarked(name)
        try:
            base, locking, single = alphabets.shifts(alphabet)
        except KeyError:
            base, locking, single = alphabet, 0, 0
        if base not in DATA_CODINGS:
            alphabet = base = "gsm7"
        if base in SEPTET_ALPHABETS:
            codings = self._septet_codings(alphabet.removeprefix(base), shifted=bool(locking or single))
        else:
            codings = (self._coding(alphabet),)
        plan = Form(codings, segmentation.rendered_form(cut_for, self._settings.form))
        if len(self._plans) < 1000:
            self._plans[name] = plan
        return plan

    def _septet_codings(self, languages: str, shifted: bool) -> tuple[Coding, ...]:
        default = self._settings.default_alphabet
        if default in SEPTET_ALPHABETS:
            return (self._coding(default + languages),)
        otherwise = (self._coding("ucs2", only_single=True), self._coding("gsm7" + languages))
        return otherwise if shifted else (self._coding(default, as_septets=True), *otherwise)

    def _coding(self, alphabet: str, *, only_single: bool = False, as_septets: bool = False) -> Coding:
        base = alphabets.shifts(alphabet)[0]
        octets = segmentation.single_octets("gsm7" if as_septets else alphabet)
        return Coding(
            alphabet, octets, only_single, bytes((self._settings.registered_delivery, 0, self._data_codings[base], 0))
        )


def relative_time(seconds: int) -> str:
    """``YYMMDDhhmmss000R`` (section 7.1.1.2). Months differ: one is taken for 31 days, so that the SMSC's reading is
    never longer than ``seconds``. More than 99 years are not."""
    days, rest = divmod(min(seconds, _CENTURY), _DAY)
    months, days = divmod(days, 31)
    years, months = divmod(months, 12)
    return f"{years:02}{months:02}{days:02}{rest // 3600:02}{rest // 60 % 60:02}{rest % 60:02}000R"


def _validity(seconds: int) -> bytes:
    """Rendered; NUL, the SMSC's own, for what is longer than any."""
    return _c_octets(relative_time(seconds)) if seconds < _CENTURY else b"\0"


def _c_octets(text: str) -> bytes:
    """A C-octet string (section 3.1) in Latin-1."""
    return text.replace("\0", "").encode("latin-1", "replace") + b"\0"


def _tlv(tag: int, octets: bytes) -> bytes:
    return _TLV.pack(tag, len(octets)) + octets


def _sar(segment: Segment) -> bytes:
    return _SAR.pack(
        Tag.sar_msg_ref_num,
        2,
        segment.reference & 0xFFFF,
        Tag.sar_total_segments,
        1,
        segment.count,
        Tag.sar_segment_seqnum,
        1,
        segment.number,
    )
