"""What SMSCs and handsets really send: each case as the octets on the wire, where it is known from, and its outcome.

The octets are put together by hand, not by the codec under test. ``source`` names a clause where one describes the
case; "field practice" is what is commonly met without a document to point at.
"""

import struct
from dataclasses import dataclass
from typing import Any

from smsconnector.messages import Finality, Verdict

DELIVER_SM, DATA_SM, SUBMIT_SM_RESP, GENERIC_NACK, ENQUIRE_LINK = 0x05, 0x103, 0x80000004, 0x80000000, 0x15
HANDSET, SERVICE = "923001234567", "8228"
SEQUENCE = 900  # of every request here
SUBMITTED = 2  # the sequence_number of the one submit_sm under way
DELIVERED, FAILED, PROGRESS, UNCLEAR = Finality.DELIVERED, Finality.FAILED, Finality.PROGRESS, Finality.UNCLEAR


# --- outcomes --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Receipt:
    """Handed on as a receipt."""

    smsc_id: str
    finality: Finality = DELIVERED
    status: str = "DELIVRD"
    code: int | str = "000"
    from_number: str = HANDSET


@dataclass(frozen=True)
class Text:
    """Handed on as a handset's text. ``text`` None: not this table's business."""

    text: str | None
    place: tuple[int, int, int] = (0, 1, 1)  # reference, number, count
    from_number: str = HANDSET


@dataclass(frozen=True)
class Nothing:
    """Handed on to nobody; a request is answered with ``answer``, None if it must not be answered at all."""

    answer: int | None = 0


@dataclass(frozen=True)
class Nack:
    """Answered with generic_nack."""

    status: int


@dataclass(frozen=True)
class Submitted:
    """What became of the submit under way; ``verdict`` None: nothing yet."""

    verdict: Verdict | None
    smsc_id: str | None = None
    code: int | str | None = None


Outcome = Receipt | Text | Nothing | Nack | Submitted


@dataclass(frozen=True)
class Case:
    name: str
    source: str
    octets: bytes
    outcome: Outcome


# --- octets ----------------------------------------------------------------------------------------------------------


def pdu(command_id: int, body: bytes = b"", status: int = 0, sequence: int = SEQUENCE) -> bytes:
    return struct.pack(">IIII", 16 + len(body), command_id, status, sequence) + body


def tlv(tag: int, value: bytes) -> bytes:
    return struct.pack(">HH", tag, len(value)) + value


def address(number: bytes, ton: int = 1, npi: int = 1) -> bytes:
    return bytes((ton, npi)) + number + b"\0"


def deliver(
    text: bytes = b"",
    tlvs: bytes = b"",
    *,
    esm: int = 0,
    coding: int = 0,
    source: bytes = address(HANDSET.encode()),
    destination: bytes = address(SERVICE.encode(), 3, 0),
    service_type: bytes = b"",
    times: bytes = b"\0\0",
    protocol: int = 0,
    length: int | None = None,
    status: int = 0,
    sequence: int = SEQUENCE,
) -> bytes:
    """deliver_sm (SMPP 3.4 section 4.6.1)."""
    length = len(text) if length is None else length
    head = service_type + b"\0" + source + destination + bytes((esm, protocol, 0)) + times
    return pdu(DELIVER_SM, head + bytes((0, 0, coding, 0, length)) + text + tlvs, status, sequence)


def data(tlvs: bytes = b"", *, esm: int = 0, coding: int = 0) -> bytes:
    """data_sm (SMPP 3.4 section 4.7.1)."""
    addresses = address(HANDSET.encode()) + address(SERVICE.encode(), 3, 0)
    return pdu(DATA_SM, b"\0" + addresses + bytes((esm, 0, coding)) + tlvs)


def usual(smsc_id: str = "4711", stat: str = "DELIVRD", err: str = "000", text: str = "hello") -> bytes:
    """A receipt's text as appendix B of SMPP 3.4 has it."""
    dates = "submit date:2401010000 done date:2401010001"
    return f"id:{smsc_id} sub:001 dlvrd:001 {dates} stat:{stat} err:{err} text:{text}".encode("latin-1")


def packed(text: bytes) -> bytes:
    """Eight septets in seven octets (GSM 03.38 section 6.1.2.1), of signs whose septets are their ASCII codes."""
    return sum(septet << 7 * at for at, septet in enumerate(text)).to_bytes(-(-7 * len(text) // 8), "little")


RECEIPTED_MESSAGE_ID, MESSAGE_STATE, NETWORK_ERROR_CODE, MESSAGE_PAYLOAD = 0x001E, 0x0427, 0x0423, 0x0424
SAR_MSG_REF_NUM, SAR_TOTAL_SEGMENTS, SAR_SEGMENT_SEQNUM = 0x020C, 0x020E, 0x020F


def sar(reference: int, total: int, number: int) -> bytes:
    return (
        tlv(SAR_MSG_REF_NUM, struct.pack(">H", reference))
        + tlv(SAR_TOTAL_SEGMENTS, bytes((total,)))
        + tlv(SAR_SEGMENT_SEQNUM, bytes((number,)))
    )


# --- receipts: what stat says ----------------------------------------------------------------------------------------

_B2 = "SMPP 3.4 appendix B, table B-2"
_STATES = "SMPP 3.4 section 5.2.28"
STAT_WORDS = [
    ("DELIVRD", DELIVERED, _B2),
    ("EXPIRED", FAILED, _B2),
    ("DELETED", FAILED, _B2),
    ("UNDELIV", FAILED, _B2),
    ("ACCEPTD", PROGRESS, _B2),
    ("UNKNOWN", UNCLEAR, _B2),
    ("REJECTD", FAILED, _B2),
    ("ENROUTE", PROGRESS, "SMPP 3.4 section 5.2.28, and field practice for intermediate receipts"),
    ("SCHEDULED", PROGRESS, "SMPP 5.0, the states of message_state, spelled out"),
    ("SKIPPED", FAILED, "SMPP 5.0 section 4.7.15: a final state"),
    ("DELIVERED", DELIVERED, "field practice: spelled out, HTTP-to-SMPP aggregators"),
    ("DELIVERD", DELIVERED, "field practice: one letter more than table B-2"),
    ("UNDELIVERED", FAILED, "field practice: spelled out, HTTP-to-SMPP aggregators"),
    ("UNDELIVERABLE", FAILED, "SMPP 3.4 section 5.2.28's own name of the state"),
    ("REJECTED", FAILED, "SMPP 3.4 section 5.2.28's own name of the state"),
    ("ACCEPTED", PROGRESS, "SMPP 3.4 section 5.2.28's own name of the state"),
    ("FAILED", FAILED, "field practice: aggregators"),
    ("FAIL", FAILED, "field practice: aggregators"),
    ("REJECT", FAILED, "field practice: the verb in place of the state"),
    ("DELETE", FAILED, "field practice: the verb in place of the state"),
    ("EXPIRE", FAILED, "field practice: the verb in place of the state"),
    ("UNDELIVRD", FAILED, "field practice: UN before table B-2's DELIVRD"),
    ("NON_DELIVERED", FAILED, "field practice: carriers' own word"),
    ("ACKED", PROGRESS, "Kannel's source notes: counted as buffered"),
    ("BUFFRED", PROGRESS, "Kannel's source notes: counted as buffered"),
    ("DND_REJECTED", FAILED, "field practice: India's do-not-disturb register"),
    ("BLACKLST", FAILED, "field practice: carriers' own word in seven letters"),
    ("SENT", PROGRESS, "field practice: aggregators that report hand-over to the next hop"),
    ("NACK", FAILED, "an aggregator's public table: refused by the SMSC"),
    ("NOCRED", FAILED, "an aggregator's public table: marked as final, 0x04"),
    ("SYSERR", FAILED, "an aggregator's public table: marked as final, 0x04"),
]
# Final words of Indian carriers, with the err that comes with them where that is known.
STAT_WORDS_OF_CARRIERS = [
    ("DNDNUMB", "408"),
    ("ABSENT-SUB", "010"),
    ("MOB-OFF", "013"),
    ("BARRED", "005"),
    ("MEMEXEC", "009"),
    ("SPAM", "407"),
    ("INV-TEMPLATE", "453"),
    ("NOT-OPTIN", "455"),
    ("INVALID-SUB", "001"),
    ("HANDSET-ERR", "000"),
    ("HANDSET-BUSY", "000"),
    ("NET-ERR", "000"),
    ("SERIES-BLOCK", "000"),
    ("INV-NUMBER", "000"),
    ("BLACKLIST", "000"),
    ("TEMPLATE-NOT-FOUND", "000"),
]

RECEIPTS = [
    Case(f"stat {spelled}", source, deliver(usual(stat=spelled), esm=4), Receipt("4711", finality, word, "000"))
    for word, finality, source in STAT_WORDS
    for spelled in ((word, word.lower()) if source is _B2 else (word,))
]
RECEIPTS += [
    Case(
        f"stat {word}",
        "field practice: public tables of aggregators in India",
        deliver(usual(stat=word, err=err), esm=4),
        Receipt("4711", FAILED, word, err),
    )
    for word, err in STAT_WORDS_OF_CARRIERS
]
RECEIPTS += [
    Case("stat in mixed case", "field practice", deliver(usual(stat="Delivrd"), esm=4), Receipt("4711")),
    Case(
        "a stat that no table has",
        "field practice: carriers' own words; it may be an end, or a better one may follow",
        deliver(usual(stat="FROBBED", err="042"), esm=4),
        Receipt("4711", UNCLEAR, "FROBBED", "042"),
    ),
    Case(
        "a stat that no table has, with message_state",
        "field practice; SMPP 3.4 section 5.3.2.35 for the TLV, which decides",
        deliver(usual(stat="FROBBED", err="042"), tlv(MESSAGE_STATE, b"\5"), esm=4),
        Receipt("4711", FAILED, "FROBBED", "042"),
    ),
    Case(
        "a number as stat",
        "field practice: the state's number in place of its word",
        deliver(usual(stat="2"), esm=4),
        Receipt("4711", UNCLEAR, "2"),
    ),
    Case(
        "no stat at all",
        "SMPP 3.4 appendix B: the format is SMSC specific",
        deliver(b"id:4711 err:000", esm=4),
        Receipt("4711", PROGRESS, "UNKNOWN"),
    ),
    Case(
        "an empty stat",
        "field practice",
        deliver(b"id:4711 sub:001 dlvrd:001 stat: err:034 text:", esm=4),
        Receipt("4711", UNCLEAR, "UNKNOWN", "034"),
    ),
    Case(
        "the low line of DND_REJECTED in GSM 03.38",
        "GSM 03.38 section 6.2.1: its code is 0x11",
        deliver(usual(stat="DND\x11REJECTED"), esm=4),
        Receipt("4711", FAILED, "DND_REJECTED"),
    ),
]


# --- receipts: which fields, in which order and spelling -------------------------------------------------------------


def _marked(name: str, source: str, text: bytes, *expected: Any) -> Case:
    return Case(name, source, deliver(text, esm=4), Receipt(*expected or ("4711",)))


_SPECIFIC = "SMPP 3.4 appendix B: the format is SMSC specific"
_DATES = b"submit date:2401010000 done date:2401010001"
RECEIPTS += [
    _marked("no sub and dlvrd", "Jasmin's issue notes", b"id:4711 " + _DATES + b" stat:DELIVRD err:000 text:x"),
    _marked("no dates", _SPECIFIC, b"id:4711 sub:001 dlvrd:001 stat:DELIVRD err:000 text:x"),
    _marked("no text", _SPECIFIC, b"id:4711 sub:001 dlvrd:001 " + _DATES + b" stat:DELIVRD err:000"),
    _marked("id and stat only", _SPECIFIC, b"id:4711 stat:DELIVRD", "4711", DELIVERED, "DELIVRD", "DELIVRD"),
    _marked("stat before id", "field practice", b"stat:DELIVRD err:000 id:4711 sub:001 dlvrd:001 text:"),
    _marked(
        "err before stat", "field practice", b"id:4711 sub:001 dlvrd:001 " + _DATES + b" err:000 stat:DELIVRD text:"
    ),
    _marked(
        "dates with seconds",
        "Kannel's source notes: YYMMDDhhmmss beside YYMMDDhhmm",
        b"id:4711 sub:001 dlvrd:001 submit date:240101000000 done date:240101000107 stat:DELIVRD err:000 text:",
    ),
    _marked(
        "dates with four digits of the year",
        "field practice",
        b"id:4711 sub:001 dlvrd:001 submit date:20240101000000 done date:20240101000107 stat:DELIVRD err:000 text:",
    ),
    _marked(
        "dates with dashes, colons and a space",
        "field practice",
        b"id:4711 sub:001 dlvrd:001 submit date:2024-01-01 00:00:00 done date:2024-01-01 00:01:07 stat:DELIVRD err:000",
    ),
    _marked(
        "dates that are none",
        "field practice: a process that lost the submit time",
        b"id:4711 sub:001 dlvrd:001 submit date:null done date:N/A stat:DELIVRD err:000 text:",
    ),
    _marked(
        "empty dates", "field practice", b"id:4711 sub:001 dlvrd:001 submit date: done date: stat:DELIVRD err:000 text:"
    ),
    _marked(
        "dates with a low line",
        "jsmpp's issue notes: submit_date in place of submit date",
        b"id:4711 sub:001 dlvrd:001 submit_date:2401010000 done_date:2401010001 stat:DELIVRD err:000 text:",
    ),
    _marked(
        "capital initials",
        _SPECIFIC,
        b"Id:4711 Sub:001 Dlvrd:001 Submit Date:2401010000 Done Date:2401010001 Stat:DELIVRD Err:000 Text:x",
    ),
    _marked("capital keys", _SPECIFIC, usual().upper().replace(b"HELLO", b"hello")),
    _marked("Text with a capital", "SMPP 3.4 appendix B prints it both ways", usual().replace(b"text:", b"Text:")),
    *(
        _marked(f"an empty text: before {name}", "field practice: text: is not the last field", fields, *expected)
        for name, fields, expected in (
            ("stat", b"id:4711 sub:001 dlvrd:001 " + _DATES + b" text: stat:DELIVRD err:000", ()),
            ("stat, with semicolons", b"id:4711;text:;stat:DELIVRD;err:000", ()),
            ("stat, in quotes", b'id:"4711" text:"" stat:"DELIVRD" err:"000"', ()),
            ("stat, with bars in GSM 03.38", b"id:4711\x1b@text:\x1b@stat:DELIVRD\x1b@err:000", ()),
            ("err", b"id:4711 stat:UNDELIV text: err:034", ("4711", FAILED, "UNDELIV", "034")),
            ("dates and stat", b"id:4711 text: submit date:2024-01-01 00:00:00 stat:DELIVRD err:000", ()),
            ("id and all", b"text: id:4711 sub:001 dlvrd:001 stat:DELIVRD err:000", ()),
        )
    ),
    _marked("a text that begins as a field", _SPECIFIC, usual(text=" stat:UNDELIV err:77")),
    _marked(
        "a text that holds words and a field",
        "field practice: what a message says is no field",
        b"id:4711 stat:DELIVRD text: err:5 in your code",
        "4711",
        DELIVERED,
        "DELIVRD",
        "DELIVRD",
    ),
    _marked("text of four digits behind err", _SPECIFIC, usual(text="id:9999 stat:UNDELIV err:77")),
    _marked(
        "extra fields at the end",
        "field practice: Huawei and ZTE families add fields of their own",
        usual().replace(b" text:", b" mccmnc:41001 price:0.01 text:"),
    ),
    _marked("extra fields at the front", "field practice", b"type:dlr seq:5 " + usual()),
    _marked("a key that ends in id", "field practice", b"userid:99 paid:1 " + usual()),
    _marked("a space behind every colon", "field practice", usual().replace(b":", b": ")),
    _marked("a space before every colon", "field practice", usual().replace(b":", b" :")),
    _marked("equals signs", "field practice", usual().replace(b":", b"=")),
    _marked("commas", "field practice", b"id:4711,sub:001,dlvrd:001,stat:DELIVRD,err:000,text:hello"),
    _marked("semicolons", "field practice", b"id:4711;sub:001;dlvrd:001;stat:DELIVRD;err:000;text:hello"),
    _marked("semicolons and spaces", "field practice", b"id:4711; sub:001; dlvrd:001; stat:DELIVRD; err:000; text:x"),
    _marked("bars", "field practice", usual().replace(b" ", b"|").replace(b"submit|", b"submit ")),
    _marked("bars and spaces", "field practice", b"id:4711 | sub:001 | dlvrd:001 | stat:DELIVRD | err:000 | text:x"),
    _marked(
        "bars in GSM 03.38",
        "GSM 03.38 section 6.2.1.1: an escape and 0x40",
        b"id:4711\x1b@sub:001\x1b@dlvrd:001\x1b@stat:DELIVRD\x1b@err:000\x1b@text:x",
    ),
    _marked("a bar right behind err", "field practice", usual().replace(b" text:", b"|text:")),
    _marked("quoted values", "field practice", b'id:"4711" sub:"001" dlvrd:"001" stat:"DELIVRD" err:"000" text:"x"'),
    _marked(
        "quoted values in the usual form",
        "field practice",
        b'id:"4711" sub:"001" dlvrd:"001" submit date:'
        b'"2401010000" done date:"2401010001" stat:"DELIVRD" err:"000" text:"x"',
    ),
    _marked(
        "quoted values, commas, a space behind every colon",
        "field practice",
        b'id: "4711", sub: "001", dlvrd: "001", stat: "DELIVRD", err: "000", text: "x"',
    ),
    _marked("status in place of stat", "field practice", usual().replace(b"stat:", b"status:")),
    _marked("status and stat: its own name counts", "field practice", b"status:0 " + usual()),
    _marked("a key that ends in status", "field practice", b"substatus:5 " + usual()),
    _marked("line ends between fields", "field practice", usual().replace(b" ", b"\r\n")),
    _marked("white space at the front", "field practice", b"  \n" + usual()),
    _marked("a NUL at the end", "Logica's API and SMPPSim families: a C string's NUL counted in", usual() + b"\0"),
    _marked(
        "a NUL right behind err",
        "field practice: a C string's NUL counted in",
        b"id:4711 sub:001 dlvrd:001 " + _DATES + b" stat:DELIVRD err:000\0",
    ),
    _marked("padded with NULs", "field practice: a fixed buffer sent whole", usual() + bytes(20)),
    _marked("umlauts in text", "field practice", usual(text="Grüße")),
]

# --- receipts: err ---------------------------------------------------------------------------------------------------

RECEIPTS += [
    Case(
        f"err {written!r}",
        source,
        deliver(usual(stat="UNDELIV", err=written), esm=4),
        Receipt("4711", FAILED, "UNDELIV", told),
    )
    for written, told, source in (
        ("001", "001", "SMPP 3.4 appendix B: three digits"),
        ("0", "0", "Nexmo's and other aggregators' one digit"),
        ("1024", "1024", "field practice: four digits"),
        ("0x1F", "0x1F", "field practice: hexadecimal"),
        ("00B", "00B", "field practice: hexadecimal without a mark"),
        ("4.4.1", "4.4.1", "field practice: enhanced status codes, as of mail"),
        ("-1", "-1", "field practice"),
        ("AbsentSub", "AbsentSub", "field practice: a word"),
        ("EC_ABSENT_SUBSCRIBER", "EC_ABSENT_SUBSCRIBER", "Infobip's published error names"),
        ("", "UNDELIV", "field practice: the key without a value"),
    )
]
RECEIPTS += [
    Case(
        "no err",
        _SPECIFIC,
        deliver(b"id:4711 sub:001 dlvrd:000 stat:UNDELIV text:x", esm=4),
        Receipt("4711", FAILED, "UNDELIV", "UNDELIV"),
    ),
]

# --- receipts: id ----------------------------------------------------------------------------------------------------

_NO_ID = "field practice: no message can be found by it; acknowledged, it must not be lost"
RECEIPTS += [
    Case(f"id {written}", source, deliver(usual(written), esm=4), Receipt(written))
    for written, source in (
        ("0000004711", "SMPP 3.4 appendix B: ten digits, padded"),
        ("12AB34CD", "field practice: hexadecimal, upper case"),
        ("12ab34cd", "field practice: hexadecimal, lower case"),
        ("0x12ab34cd", "field practice: hexadecimal with 0x"),
        ("18446744073709551615", "field practice: 64 bits"),
        ("123e4567-e89b-12d3-a456-426614174000", "field practice: a UUID"),
        ("123E4567E89B12D3A456426614174000", "field practice: a UUID without dashes"),
        ("41001-4711-1", "field practice: parts with dashes"),
        ("smsc1.4711@node:2", "field practice: a name with punctuation"),
        ("A" * 64, "SMPP 3.4 section 5.2.23: up to 64 characters"),
        ("B" * 120, "field practice: longer than section 5.2.23 allows"),
        ("0", "field practice: a counter that begins at 0"),
        ("-4711", "field practice: a signed counter that ran over"),
    )
]
RECEIPTS += [
    _marked("a space behind id:", "field practice", b"id: 4711 sub:001 dlvrd:001 stat:DELIVRD err:000"),
    _marked("several spaces behind id:", "field practice", b"id:   4711   stat:DELIVRD   err:000"),
    _marked("message_id:", "field practice", b"message_id:4711 stat:DELIVRD err:000"),
    _marked("msgid:", "field practice", b"msgid:4711 stat:DELIVRD err:000"),
    _marked("msg_id:", "field practice", b"msg_id:4711 stat:DELIVRD err:000"),
    _marked("messageid:, capital initials", "field practice", b"MessageId:4711 Stat:DELIVRD Err:000"),
    Case(
        "an empty id in quotes",
        _NO_ID,
        deliver(b'id:"" stat:"DELIVRD" err:"000"', esm=4),
        Text('id:"" stat:"DELIVRD" err:"000"'),
    ),
    _marked("a low line in GSM 03.38", "GSM 03.38 section 6.2.1", usual("node1\x114711"), "node1_4711"),
    Case(
        "no id, nowhere",
        _NO_ID,
        deliver(b"sub:001 dlvrd:001 stat:DELIVRD err:000", esm=4),
        Text("sub:001 dlvrd:001 stat:DELIVRD err:000"),
    ),
    Case(
        "an empty id",
        _NO_ID,
        deliver(b"id: sub:001 dlvrd:001 stat:DELIVRD err:000", esm=4),
        Text("id: sub:001 dlvrd:001 stat:DELIVRD err:000"),
    ),
    Case(
        "an empty id before a date",
        _NO_ID,
        deliver(b"id: " + _DATES + b" stat:DELIVRD", esm=4),
        Text(f"id: {_DATES.decode()} stat:DELIVRD"),
    ),
    Case("marked as a receipt, and no text", "field practice", deliver(esm=4), Nothing()),
    Case("marked as a receipt, and any text", _NO_ID, deliver(b"Message delivered", esm=4), Text("Message delivered")),
]

# --- receipts: TLVs --------------------------------------------------------------------------------------------------

_ID = tlv(RECEIPTED_MESSAGE_ID, b"4711\0")
_WINS = "SMPP 3.4 section 5.3.2: the TLV is specified, appendix B's text is not"


def _state(state: int) -> bytes:
    return tlv(MESSAGE_STATE, bytes((state,)))


RECEIPTS += [
    Case(
        f"message_state {state} and no text",
        _STATES,
        deliver(tlvs=_ID + _state(state), esm=4),
        Receipt("4711", finality, status, status),
    )
    for state, finality, status in (
        (0, PROGRESS, "SCHEDULED"),
        (1, PROGRESS, "ENROUTE"),
        (2, DELIVERED, "DELIVRD"),
        (3, FAILED, "EXPIRED"),
        (4, FAILED, "DELETED"),
        (5, FAILED, "UNDELIV"),
        (6, PROGRESS, "ACCEPTD"),
        (7, UNCLEAR, "UNKNOWN"),
        (8, FAILED, "REJECTD"),
        (9, FAILED, "SKIPPED"),
    )
]
RECEIPTS += [
    Case(
        "receipted_message_id without its NUL",
        "field practice; SMPP 3.4 section 5.3.2.12 wants it",
        deliver(tlvs=tlv(RECEIPTED_MESSAGE_ID, b"4711") + _state(2), esm=4),
        Receipt("4711", code="DELIVRD"),
    ),
    Case(
        "receipted_message_id padded with NULs",
        "field practice: a fixed buffer of 65 octets",
        deliver(tlvs=tlv(RECEIPTED_MESSAGE_ID, b"4711".ljust(65, b"\0")) + _state(2), esm=4),
        Receipt("4711", code="DELIVRD"),
    ),
    Case(
        "an empty receipted_message_id",
        "field practice",
        deliver(usual(), tlv(RECEIPTED_MESSAGE_ID, b"\0"), esm=4),
        Receipt("4711"),
    ),
    Case(
        "a receipted_message_id of no octets",
        "field practice",
        deliver(usual(), tlv(RECEIPTED_MESSAGE_ID, b""), esm=4),
        Receipt("4711"),
    ),
    Case(
        "receipted_message_id hexadecimal, text decimal",
        _WINS,
        deliver(usual("18193"), tlv(RECEIPTED_MESSAGE_ID, b"4711\0"), esm=4),
        Receipt("4711"),
    ),
    Case(
        "receipted_message_id alone, esm_class 0",
        "field practice: an SMSC that never marks",
        deliver(usual(), _ID),
        Receipt("4711"),
    ),
    Case(
        "receipted_message_id twice",
        "field practice; the first counts",
        deliver(usual(), _ID + tlv(RECEIPTED_MESSAGE_ID, b"4712\0"), esm=4),
        Receipt("4711"),
    ),
    Case(
        "message_state delivered, stat UNDELIV",
        _WINS,
        deliver(usual(stat="UNDELIV", err="034"), _state(2), esm=4),
        Receipt("4711", DELIVERED, "DELIVRD", "034"),
    ),
    Case(
        "message_state undeliverable, stat DELIVRD",
        _WINS,
        deliver(usual(), _state(5), esm=4),
        Receipt("4711", FAILED, "UNDELIV"),
    ),
    Case(
        "message_state enroute, stat DELIVRD",
        _WINS,
        deliver(usual(), _state(1), esm=4),
        Receipt("4711", PROGRESS, "ENROUTE"),
    ),
    Case(
        "message_state expired, stat UNDELIV: both failed",
        _WINS,
        deliver(usual(stat="UNDELIV"), _state(3), esm=4),
        Receipt("4711", FAILED, "UNDELIV"),
    ),
    Case(
        "a message_state that no table has",
        "field practice; the text is left to go by",
        deliver(usual(), _state(0x2A), esm=4),
        Receipt("4711"),
    ),
    Case(
        "message_state of two octets",
        "field practice",
        deliver(tlvs=_ID + tlv(MESSAGE_STATE, b"\0\2"), esm=4),
        Receipt("4711", code="DELIVRD"),
    ),
    Case(
        "message_state of no octets",
        "field practice",
        deliver(usual(), tlv(MESSAGE_STATE, b""), esm=4),
        Receipt("4711"),
    ),
    Case(
        "message_state, esm_class 0, a stat that no table has",
        "field practice: an SMSC that never marks",
        deliver(usual(stat="FROBBED"), _state(2)),
        Receipt("4711", DELIVERED, "FROBBED"),
    ),
    Case(
        "network_error_code",
        "SMPP 3.4 section 5.3.2.31: network type, then the code in two octets",
        deliver(usual(stat="UNDELIV", err="001"), tlv(NETWORK_ERROR_CODE, b"\3\0\x1b"), esm=4),
        Receipt("4711", FAILED, "UNDELIV", 27),
    ),
    Case(
        "network_error_code 0",
        "field practice: sent with every receipt, and says nothing",
        deliver(usual(stat="UNDELIV", err="001"), tlv(NETWORK_ERROR_CODE, b"\3\0\0"), esm=4),
        Receipt("4711", FAILED, "UNDELIV", "001"),
    ),
    Case(
        "network_error_code in ASCII digits",
        "a carrier's capture: 303334 beside err:034",
        deliver(usual(stat="UNDELIV", err="001"), tlv(NETWORK_ERROR_CODE, b"034"), esm=4),
        Receipt("4711", FAILED, "UNDELIV", "034"),
    ),
    Case(
        "network_error_code in ASCII digits, with a NUL",
        "field practice: a C string",
        deliver(usual(stat="UNDELIV", err="001"), tlv(NETWORK_ERROR_CODE, b"1027\0"), esm=4),
        Receipt("4711", FAILED, "UNDELIV", "1027"),
    ),
    *(
        Case(
            f"network_error_code of network type 0, {code}",
            "SMPP 3.4 section 5.3.2.31: the code is in two octets, which may look like digits",
            deliver(usual(stat="UNDELIV", err="001"), tlv(NETWORK_ERROR_CODE, b"\0" + code.to_bytes(2, "big")), esm=4),
            Receipt("4711", FAILED, "UNDELIV", code),
        )
        for code in (0x35, 0x3334, 0x2035)
    ),
    Case(
        "network_error_code in ASCII zeros",
        "field practice: it tells nothing",
        deliver(usual(stat="UNDELIV", err="001"), tlv(NETWORK_ERROR_CODE, b"000"), esm=4),
        Receipt("4711", FAILED, "UNDELIV", "001"),
    ),
    Case(
        "network_error_code whose code looks like digits",
        "SMPP 3.4 section 5.3.2.31: the first octet is the network type, here GSM",
        deliver(usual(stat="UNDELIV", err="001"), tlv(NETWORK_ERROR_CODE, b"\x0334"), esm=4),
        Receipt("4711", FAILED, "UNDELIV", 0x3334),
    ),
    Case(
        "message_state 0, stat UNDELIV",
        "a carrier's capture; SMPP 3.4 section 5.2.28 begins at 1",
        deliver(usual(stat="UNDELIV", err="255"), _state(0), esm=4),
        Receipt("4711", FAILED, "UNDELIV", "255"),
    ),
    Case(
        "message_state 7, stat DELIVRD",
        "SMPP 3.4 section 5.2.28: UNKNOWN says nothing, so the text does",
        deliver(usual(), _ID + _state(7), esm=4),
        Receipt("4711"),
    ),
    Case(
        "message_state 7, stat UNDELIV",
        "SMPP 3.4 section 5.2.28: UNKNOWN says nothing, so the text does",
        deliver(usual(stat="UNDELIV", err="034"), _ID + _state(7), esm=4),
        Receipt("4711", FAILED, "UNDELIV", "034"),
    ),
    Case(
        "message_state 7, a stat that no table has",
        "SMPP 3.4 section 5.2.28",
        deliver(usual(stat="FROBBED", err="042"), _ID + _state(7), esm=4),
        Receipt("4711", UNCLEAR, "FROBBED", "042"),
    ),
    Case(
        "message_state 0, stat DELIVRD",
        "SMPP 3.4 section 5.2.28 begins at 1",
        deliver(usual(), _ID + _state(0), esm=4),
        Receipt("4711"),
    ),
    Case(
        "message_state 0, a stat that no table has",
        "SMPP 5.0 section 4.7.15: SCHEDULED",
        deliver(usual(stat="FROBBED"), _state(0), esm=4),
        Receipt("4711", PROGRESS, "FROBBED"),
    ),
    Case(
        "network_error_code cut to two octets",
        "field practice",
        deliver(usual(stat="UNDELIV", err="001"), tlv(NETWORK_ERROR_CODE, b"\3\5"), esm=4),
        Receipt("4711", FAILED, "UNDELIV", "001"),
    ),
    Case(
        "TLVs of a vendor",
        "SMPP 3.4 section 5.3.1: tags 0x1400 to 0x3FFF",
        deliver(usual(), tlv(0x1400, b"41001\0") + tlv(0x3FFF, b"") + _ID + _state(2), esm=4),
        Receipt("4711"),
    ),
    Case(
        "TLVs of reserved tags",
        "Jasmin's source notes: reserved tags are passed over",
        deliver(usual(), tlv(0x0000, b"x") + tlv(0xFFFF, b"y" * 300) + _ID, esm=4),
        Receipt("4711"),
    ),
    Case(
        "TLVs that section 4.6.1 does not list for deliver_sm",
        "Jasmin's issue notes: network types, more_messages_to_send",
        deliver(usual(), tlv(0x0006, b"\1") + tlv(0x000E, b"\1") + tlv(0x0426, b"\1"), esm=4),
        Receipt("4711"),
    ),
    Case("a TLV cut in its header", "field practice", deliver(usual(), _ID + b"\x04\x27\0", esm=4), Receipt("4711")),
    Case(
        "a TLV cut in its value",
        "field practice; SMPP 3.4 has ESME_RINVOPTPARSTREAM, which would lose the receipt",
        deliver(usual(), _ID + b"\x04\x24\0\x09abc", esm=4),
        Receipt("4711"),
    ),
    Case(
        "NULs of padding behind the text",
        "Jasmin's source notes: PDUs with padding",
        deliver(usual(), bytes(3), esm=4),
        Receipt("4711"),
    ),
    Case(
        "eight NULs of padding: two TLVs of tag 0",
        "Jasmin's source notes",
        deliver(usual(), bytes(8), esm=4),
        Receipt("4711"),
    ),
]

# --- receipts: where the text is, and in which coding ----------------------------------------------------------------

_UCS2 = usual().decode("latin-1").encode("utf-16-be")
_2340_16 = "GSM 03.40 section 9.2.3.24.8: the header of a long message is given back"
RECEIPTS += [
    Case(
        "text in message_payload",
        "SMPP 3.4 section 5.3.2.32",
        deliver(b"", tlv(MESSAGE_PAYLOAD, usual()), esm=4),
        Receipt("4711"),
    ),
    Case(
        "text in message_payload, not marked",
        "field practice",
        deliver(b"", tlv(MESSAGE_PAYLOAD, usual())),
        Receipt("4711"),
    ),
    Case(
        "message_payload, and a NUL as short_message",
        "field practice; SMPP 5.0 section 4.2.1.1: short_message is superseded",
        deliver(b"\0", tlv(MESSAGE_PAYLOAD, usual()), esm=4),
        Receipt("4711"),
    ),
    Case("data_sm", "SMPP 3.4 section 4.7.1", data(tlv(MESSAGE_PAYLOAD, usual()), esm=4), Receipt("4711")),
    Case(
        "data_sm with TLVs only",
        "SMPP 3.4 section 4.7.1",
        data(_ID + _state(2), esm=4),
        Receipt("4711", code="DELIVRD"),
    ),
    Case("data_sm, not marked", "field practice", data(tlv(MESSAGE_PAYLOAD, usual())), Receipt("4711")),
    Case(
        "data_coding 8, text ASCII",
        "Kannel's and Jasmin's issue notes: the coding of the message is given back with the receipt",
        deliver(usual(), esm=4, coding=8),
        Receipt("4711"),
    ),
    Case("data_coding 8, text UCS-2", "field practice", deliver(_UCS2, esm=4, coding=8), Receipt("4711")),
    Case("data_coding 0, text UCS-2", "field practice", deliver(_UCS2, esm=4), Receipt("4711")),
    Case("text UCS-2, not marked", "field practice", deliver(_UCS2, coding=8), Receipt("4711")),
    Case(
        "text UCS-2 with a byte order mark",
        "field practice",
        deliver(b"\xfe\xff" + _UCS2, esm=4, coding=8),
        Receipt("4711"),
    ),
    Case("text UCS-2, little-endian", "field practice", deliver(_UCS2[1:] + b"\0", esm=4, coding=8), Receipt("4711")),
    Case(
        "text UCS-2 of an odd number of octets", "field practice", deliver(_UCS2[:-1], esm=4, coding=8), Receipt("4711")
    ),
    *(
        Case(
            f"ASCII, and behind text: {name}",
            "a carrier's capture: the fields are written by the SMSC, and the text is quoted as it was",
            deliver(b"", tlv(MESSAGE_PAYLOAD, usual(err="034", stat="UNDELIV", text="") + tail), esm=esm, coding=8),
            Receipt("4711", FAILED, "UNDELIV", "034"),
        )
        for name, tail, esm in (
            ("a long text in UCS-2", "We are open from nine to five. ".encode("utf-16-be") * 12, 4),
            ("the same, not marked", "We are open from nine to five. ".encode("utf-16-be") * 12, 0),
            ("the same, little-endian", "We are open from nine to five. ".encode("utf-16-le") * 12, 4),
            ("the same, with a byte order mark", b"\xfe\xff" + "We are open. ".encode("utf-16-be") * 20, 4),
            ("many NULs", bytes(400), 4),
        )
    ),
    Case(
        "UCS-2, and behind text: a long text in ASCII",
        "field practice: the other way round",
        deliver(b"", tlv(MESSAGE_PAYLOAD, _UCS2 + b"We are open from nine to five. " * 12), esm=4, coding=8),
        Receipt("4711"),
    ),
    Case(
        "UCS-2 behind a header of seven octets",
        _2340_16,
        deliver(b"\6\x08\4\x12\x34\2\1" + _UCS2, esm=0x44, coding=8),
        Receipt("4711"),
    ),
    Case("data_coding 3", "field practice", deliver(usual(), esm=4, coding=3), Receipt("4711")),
    Case(
        "data_coding 4",
        "field practice: binary is given back with the receipt",
        deliver(usual(), esm=4, coding=4),
        Receipt("4711"),
    ),
    Case("data_coding 0xF5", "field practice", deliver(usual(), esm=4, coding=0xF5), Receipt("4711")),
]

# --- receipts: which are some ----------------------------------------------------------------------------------------

RECEIPTS += [
    Case(
        "not marked, usual form",
        "Kannel's source notes: SMSCs that set no esm_class",
        deliver(usual()),
        Receipt("4711"),
    ),
    Case(
        "not marked, id and stat only",
        "field practice: nobody writes this word by chance",
        deliver(b"id:4711 stat:DELIVRD"),
        Receipt("4711", code="DELIVRD"),
    ),
    Case(
        "not marked, quoted values", "field practice", deliver(b'id:"4711" stat:"DELIVRD" err:"000"'), Receipt("4711")
    ),
    Case("not marked, bars", "field practice", deliver(b"id:4711|stat:DELIVRD|err:000|text:hello"), Receipt("4711")),
    Case(
        "not marked, msgid and status",
        "field practice: nobody writes this word by chance",
        deliver(b"msgid:4711 status:DELIVRD err:000"),
        Receipt("4711"),
    ),
    Case("not marked, lower case", "field practice", deliver(usual(stat="delivrd")), Receipt("4711")),
    Case(
        "not marked, no sub and dlvrd",
        "field practice",
        deliver(b"id:4711 " + _DATES + b" stat:UNDELIV err:011"),
        Receipt("4711", FAILED, "UNDELIV", "011"),
    ),
    Case(
        "UDHI given back with the receipt",
        "field practice: esm_class 0x44, and no header in the text",
        deliver(usual(), esm=0x44),
        Receipt("4711"),
    ),
    Case(
        "a header before the receipt",
        "field practice: the header of a long message is given back",
        deliver(b"\5\0\3\x42\2\1" + usual(), esm=0x44),
        Receipt("4711"),
    ),
    Case(
        "mode bits set",
        "SMPP 3.4 section 5.2.12: bits 1..0 mean nothing in deliver_sm",
        deliver(usual(), esm=0x07),
        Receipt("4711"),
    ),
    Case("reply path set", "SMPP 3.4 section 5.2.12", deliver(usual(), esm=0x84), Receipt("4711")),
    Case(
        "a reserved message type",
        "SMPP 3.4 section 5.2.12: 1111 is reserved; the text decides",
        deliver(usual(), esm=0x3C),
        Receipt("4711"),
    ),
    Case(
        "receipt and intermediate notification at once",
        "field practice: bits taken for flags",
        deliver(usual(), esm=0x24),
        Receipt("4711"),
    ),
    Case(
        "an intermediate notification",
        "SMPP 3.4 section 5.2.12, type 1000",
        deliver(usual(stat="ENROUTE", err="254"), esm=0x20),
        Receipt("4711", PROGRESS, "ENROUTE", "254"),
    ),
    Case(
        "an intermediate notification that says UNDELIV",
        "SMPP 3.4 section 2.11: further attempts follow",
        deliver(usual(stat="UNDELIV", err="001"), esm=0x20),
        Receipt("4711", PROGRESS, "UNDELIV", "001"),
    ),
    Case(
        "an intermediate notification by TLVs",
        "SMPP 3.4 section 2.11",
        deliver(tlvs=_ID + _state(1), esm=0x20),
        Receipt("4711", PROGRESS, "ENROUTE", "ENROUTE"),
    ),
    Case(
        "the handset's acknowledgement that reads as a receipt",
        "SMPP 3.4 section 5.2.12, type 0010; no handset knows the id, so an SMSC wrote it",
        deliver(usual(), esm=0x08),
        Receipt("4711"),
    ),
    Case(
        "the handset's acknowledgement with TLVs of a receipt",
        "SMPP 3.4 section 5.2.12, type 0010; no handset knows the id",
        deliver(b"", _ID + _state(2), esm=0x08),
        Receipt("4711", code="DELIVRD"),
    ),
    Case("the handset's acknowledgement", "SMPP 3.4 section 5.2.12, type 0010", deliver(esm=0x08), Nothing()),
    Case(
        "the handset's acknowledgement and any text",
        "SMPP 3.4 section 5.2.12, type 0010; acknowledged, it must not be lost",
        deliver(b"Delivered", esm=0x08),
        Text("Delivered"),
    ),
    Case(
        "message_payload of a NUL beside short_message",
        "field practice: a TLV that is always there; SMPP 5.0 section 4.2.1.1 would have it supersede the text",
        deliver(b"Help", tlv(MESSAGE_PAYLOAD, b"\0")),
        Text("Help"),
    ),
    Case(
        "message_payload cut in its value",
        "field practice: refused or left out, it would be lost",
        deliver(b"", struct.pack(">HH", MESSAGE_PAYLOAD, 9) + b"Help"),
        Text("Help"),
    ),
    Case("a text behind an sm_length of 0", "field practice", deliver(b"Help", length=0), Text("Help")),
    Case(
        "a vendor's TLV cut in its value, and no text",
        "SMPP 3.4 section 5.3.1: its tag shows that it is none",
        deliver(b"", b"\x14\x00\0\x09abc"),
        Text(""),
    ),
    Case(
        "a receipt, and the message that it is about in message_payload",
        "field practice",
        deliver(usual(), tlv(MESSAGE_PAYLOAD, b"Hello, how are you?"), esm=4),
        Receipt("4711"),
    ),
    Case(
        "a receipted_message_id of blanks",
        "field practice: a buffer that was never filled",
        deliver(usual(), tlv(RECEIPTED_MESSAGE_ID, b"   \0"), esm=4),
        Receipt("4711"),
    ),
    Case(
        "the user's acknowledgement",
        "SMPP 3.4 section 5.2.12, type 0100; user_response_code by section 5.3.2.18",
        deliver(b"", tlv(0x0205, b"\1"), esm=0x10),
        Nothing(),
    ),
    Case(
        "the user's acknowledgement with a NUL",
        "field practice: a C string's NUL counted in",
        deliver(b"\0", tlv(0x0205, b"\1"), esm=0x10),
        Nothing(),
    ),
    Case(
        "the user's acknowledgement that reads as a receipt",
        "field practice: no user knows the id",
        deliver(usual(), esm=0x10),
        Receipt("4711"),
    ),
    Case(
        "the user's acknowledgement with TLVs of a receipt",
        "field practice: a receipt if it fits a message, and else a text",
        deliver(b"OK", _ID + _state(2), esm=0x10),
        Receipt("4711", code="DELIVRD"),
    ),
    Case(
        "the end of a conversation",
        "SMPP 3.4 section 5.2.12, type 0110 (Korean CDMA)",
        deliver(b"", esm=0x18),
        Nothing(),
    ),
    Case(
        "source and destination given back unturned",
        "field practice; the id finds the message all the same",
        deliver(usual(), esm=4, source=address(b"8228", 3, 0), destination=address(b"923001234567")),
        Receipt("4711", from_number="8228"),
    ),
    Case(
        "no addresses",
        "field practice",
        deliver(usual(), esm=4, source=b"\0\0\0", destination=b"\0\0\0"),
        Receipt("4711", from_number=""),
    ),
    Case(
        "TON and NPI outside the tables",
        "SMPP 3.4 sections 5.2.5 and 5.2.6",
        deliver(usual(), esm=4, source=address(HANDSET.encode(), 9, 77)),
        Receipt("4711"),
    ),
    Case(
        "an address of 60 characters",
        "SMPP 3.4 section 4.6.1 allows 20",
        deliver(usual(), esm=4, source=address(b"9" * 60)),
        Receipt("4711", from_number="9" * 60),
    ),
    Case(
        "a service_type of 12 characters",
        "SMPP 3.4 section 4.6.1 allows 5",
        deliver(usual(), esm=4, service_type=b"DLRSERVICE01"),
        Receipt("4711"),
    ),
    Case(
        "schedule_delivery_time and validity_period in a receipt",
        "SMPP 3.4 section 4.6.1 wants them NUL",
        deliver(usual(), esm=4, times=b"240101000000000+\0000000001000000R\0"),
        Receipt("4711"),
    ),
    Case(
        "a command_status in a request",
        "SMPP 3.4 section 5.1.3: it has no meaning there",
        deliver(usual(), esm=4, status=0x0B),
        Receipt("4711"),
    ),
]

# --- texts that look nearly like receipts ----------------------------------------------------------------------------

TEXTS = [
    Case(
        f"no receipt: {chatter}",
        "field practice: handsets write what they like",
        deliver(chatter.encode()),
        Text(chatter),
    )
    for chatter in (
        "id: 5 stat: what?",
        "id:5 stat:ok err:none",
        "my id:5 sub:5 stat:failed err:1",
        "ID:4711",
        "stat:DELIVRD",
        "id:4711 stat:delivered",
        "id:4711;stat:delivered",
        "ID: 4711 Status: Delivered Date: 12 May",
        "Message ID: 4711, status: sent, date: today",
        'id:"5" status:"failed" err:"1"',
        "status:DELIVRD",
        "sub:001 dlvrd:001 stat:DELIVRD err:000",
        "please tell me the stat: id:4711 err:5",
        "Did I pass? paid:1 stat:sent",
        "idea: new state: failed",
        "text:id:4711 sub:001 dlvrd:001 stat:DELIVRD err:000",
        "id sub dlvrd submit date done date stat err text",
        "Fwd: id:4711 sub:001 dlvrd:001 stat:DELIVRD err:000",
    )
]

# --- texts: data_coding ----------------------------------------------------------------------------------------------

_2338 = "GSM 03.38 section 4"
_DCS = "SMPP 3.4 section 5.2.19"
TEXTS += [
    Case(f"data_coding 0x{coding:02X}", source, deliver(octets, coding=coding), Text(expected))
    for coding, octets, expected, source in (
        (0x00, b"caf\x05 \x1be\x00", "café €@", "GSM 03.38 section 6.2.1, unpacked, as most SMSCs send it"),
        (0x01, b"@hello$", "@hello$", _DCS),
        (0x02, b"\x00\xffA", "00FF41", _DCS),
        (0x03, b"caf\xe9 \xa3", "café £", _DCS),
        (0x04, b"\x06\x05\x04", "060504", _DCS),
        (0x05, "日本".encode("shift_jis"), "日本", _DCS + "; JIS as Shift-JIS by field practice"),
        (0x06, "привет".encode("iso8859_5"), "привет", _DCS),
        (0x07, "שלום".encode("iso8859_8"), "שלום", _DCS),
        (0x08, "سلام 😀".encode("utf-16-be"), "سلام 😀", _DCS + "; UTF-16 by field practice"),
        (0x09, b"hello", "hello", _DCS + ": pictograms; read as the default alphabet"),
        (0x0A, "日本".encode("iso2022_jp"), "日本", _DCS),
        (0x0B, b"hello", "hello", _DCS + ": reserved"),
        (0x0C, b"hello", "hello", _DCS + ": reserved"),
        (0x0D, "日本".encode("euc_jp"), "日本", _DCS),
        (0x0E, "안녕".encode("euc_kr"), "안녕", _DCS),
        (0x0F, b"hello", "hello", _DCS + ": reserved"),
        (0x10, b"caf\x05", "café", _2338 + ": class 0, a flash message"),
        (0x11, b"caf\x05", "café", _2338 + ": class 1"),
        (0x12, b"caf\x05", "café", _2338 + ": class 2"),
        (0x13, b"caf\x05", "café", _2338 + ": class 3"),
        (0x14, b"\x01\x02", "0102", _2338 + ": 8 bit, class 0"),
        (0x15, b"\x01\x02", "0102", _2338 + ": 8 bit, class 1"),
        (0x16, b"\x01\x02", "0102", _2338 + ": 8 bit, class 2"),
        (0x17, b"\x01\x02", "0102", _2338 + ": 8 bit, class 3"),
        (0x18, "سلام".encode("utf-16-be"), "سلام", _2338 + ": UCS-2, class 0"),
        (0x19, "سلام".encode("utf-16-be"), "سلام", _2338 + ": UCS-2, class 1"),
        (0x1A, "سلام".encode("utf-16-be"), "سلام", _2338 + ": UCS-2, class 2"),
        (0x1B, "سلام".encode("utf-16-be"), "سلام", _2338 + ": UCS-2, class 3"),
        (0x20, b"\x01\x02", "0102", _2338 + ": compressed"),
        (0x80, b"hello", "hello", _2338 + ": reserved"),
        (0xC0, b"hello", "hello", _2338 + ": message waiting, discard"),
        (0xC8, b"hello", "hello", _2338 + ": message waiting, discard, active"),
        (0xD0, b"hello", "hello", _2338 + ": message waiting, store"),
        (0xE0, "سلام".encode("utf-16-be"), "سلام", _2338 + ": message waiting, UCS-2"),
        (0xF0, b"caf\x05", "café", _2338 + ": class 0, SMPP 3.4 5.2.19's GSM class control"),
        (0xF1, b"caf\x05", "café", _2338 + ": class 1"),
        (0xF2, b"caf\x05", "café", _2338 + ": class 2"),
        (0xF4, b"\x01\x02", "0102", _2338 + ": 8 bit, class 0"),
        (0xF5, b"\x06\x05", "0605", _2338 + ": 8 bit, class 1"),
        (0xFF, b"\x06\x05", "0605", _2338 + ": 8 bit, class 3"),
    )
]

# --- texts: their octets ---------------------------------------------------------------------------------------------

TEXTS += [
    Case("an empty text", "field practice: a blank reply", deliver(), Text("")),
    Case("an empty UCS-2 text", "field practice", deliver(coding=8), Text("")),
    Case("an empty message_payload", "field practice", deliver(b"", tlv(MESSAGE_PAYLOAD, b"")), Text("")),
    Case("data_sm without message_payload", "SMPP 3.4 section 4.7.1: it is optional", data(), Text("")),
    Case(
        "UCS-2 of odd length",
        "field practice: the last octet is half a character",
        deliver("سلام".encode("utf-16-be") + b"\x06", coding=8),
        Text("سلام"),
    ),
    Case(
        "UCS-2 with a byte order mark",
        "RFC 2781 section 4.3; field practice: converters on PCs",
        deliver(b"\xfe\xff\0h\0i", coding=8),
        Text("hi"),
    ),
    Case(
        "UCS-2 with that of the other order", "RFC 2781 section 4.3", deliver(b"\xff\xfeh\0i\0", coding=8), Text("hi")
    ),
    Case("one octet of UCS-2", "field practice", deliver(b"\x06", coding=8), Text("")),
]

# --- texts that carry TLVs of receipts -------------------------------------------------------------------------------

_PROGRESS_ONLY = Receipt("4711", PROGRESS, "UNKNOWN", "UNKNOWN")
_TICKET = "an aggregator's capture: each text from a handset has an id of its own as receipted_message_id"

TEXTS += [
    Case(
        "a text with receipted_message_id",
        _TICKET,
        bytes.fromhex(
            "0000005d0000000500000000000000014f4d5634000101343437373030393030373635000101343437373030393030373530"
            "000000000000000000000448656c70001e0018313631385a2d30313032472d323333334d2d3235464a4600"
        ),
        Text("Help", from_number="447700900765"),
    ),
    Case("the same with a word and a colon", _TICKET, deliver(b"date: tomorrow?", _ID), Text("date: tomorrow?")),
    Case("the same with a number", _TICKET, deliver(b"id: 12345", _ID), Text("id: 12345")),
    Case("the same in UCS-2", _TICKET, deliver("سلام".encode("utf-16-be"), _ID, coding=8), Text("سلام")),
    Case("the same in message_payload", _TICKET, deliver(b"", tlv(MESSAGE_PAYLOAD, b"Help") + _ID), Text("Help")),
    Case("the same without a text", "it tells nothing, and nothing is lost", deliver(b"", _ID), _PROGRESS_ONLY),
    Case("the same, a user's acknowledgement", _TICKET, deliver(b"Yes", _ID, esm=0x10), Text("Yes")),
    Case(
        "the same, with stat in the text",
        "an SMSC that never marks",
        deliver(b"id:4711 stat:UNDELIV err:034", _ID),
        Receipt("4711", FAILED, "UNDELIV", "034"),
    ),
    Case(
        "the same, with err alone in the text",
        "an SMSC that never marks",
        deliver(b"id:4711 err:034", _ID),
        Receipt("4711", UNCLEAR, "UNKNOWN", "034"),
    ),
    Case(
        "half a surrogate pair",
        "field practice: a text cut by an SMSC",
        deliver(b"\0A\xd8\x3d", coding=8),
        Text("A\ufffd"),
    ),
    Case("an escape at the end", "GSM 03.38 section 6.2.1.1", deliver(b"a\x1b"), Text("a ")),
    Case(
        "an escape to a code that is not in the table", "GSM 03.38 section 6.2.1.1, note", deliver(b"\x1ba"), Text("a")
    ),
    Case("octets above 0x7F in the default alphabet", "field practice", deliver(b"a\xe9b"), Text("a\ufffdb")),
    Case("a NUL at the end: it is the at sign", "GSM 03.38 section 6.2.1", deliver(b"a\0"), Text("a@")),
    Case("255 octets", "SMPP 3.4 section 5.2.21 allows 254", deliver(b"x" * 255), Text("x" * 255)),
    Case("200 septets in one message", "field practice: over GSM 03.40's 160", deliver(b"y" * 200), Text("y" * 200)),
    Case(
        "a text in message_payload",
        "SMPP 3.4 section 5.3.2.32",
        deliver(b"", tlv(MESSAGE_PAYLOAD, b"z" * 1000)),
        Text("z" * 1000),
    ),
    Case(
        "a text of 60,000 octets",
        "field practice: message_payload's length is two octets",
        deliver(b"", tlv(MESSAGE_PAYLOAD, b"z" * 60000)),
        Text("z" * 60000),
    ),
    Case(
        "message_payload beside short_message",
        "SMPP 5.0 section 4.2.1.1: it supersedes",
        deliver(b"short", tlv(MESSAGE_PAYLOAD, b"the whole text")),
        Text("the whole text"),
    ),
    Case("data_sm", "SMPP 3.4 section 4.7.1", data(tlv(MESSAGE_PAYLOAD, b"hello")), Text("hello")),
    Case(
        "data_sm in UCS-2",
        "SMPP 3.4 section 4.7.1",
        data(tlv(MESSAGE_PAYLOAD, "سلام".encode("utf-16-be")), coding=8),
        Text("سلام"),
    ),
    Case(
        "an alphanumeric sender",
        "SMPP 3.4 section 5.2.5, TON 5",
        deliver(b"hi", source=address(b"Shop & Co", 5, 0)),
        Text("hi", from_number="Shop & Co"),
    ),
    Case(
        "a sender with octets above 0x7F",
        "field practice",
        deliver(b"hi", source=address(b"Caf\xe9", 5, 0)),
        Text("hi", from_number="Café"),
    ),
    Case(
        "a sender with a plus sign",
        "field practice",
        deliver(b"hi", source=address(b"+923001234567")),
        Text("hi", from_number="+923001234567"),
    ),
    Case("no sender", "field practice: a hidden number", deliver(b"hi", source=b"\0\0\0"), Text("hi", from_number="")),
    Case("protocol_id 0x7F", "GSM 03.40 section 9.2.3.9: SIM data download", deliver(b"hi", protocol=0x7F), Text("hi")),
    Case(
        "a reserved message type and a text",
        "SMPP 3.4 section 5.2.12; a text must not be lost",
        deliver(b"hi", esm=0x3C),
        Text("hi"),
    ),
    Case(
        "the user's acknowledgement with a text",
        "SMPP 3.4 section 5.2.12, type 0100: the user's reply",
        deliver(b"OK", tlv(0x0205, b"\1"), esm=0x10),
        Text("OK"),
    ),
    Case(
        "the user's acknowledgement with a header",
        "SMPP 3.4 section 5.2.12, type 0100",
        deliver(b"\5\0\3\x42\2\1part", esm=0x50),
        Text("part", (0x42, 1, 2)),
    ),
    Case(
        "store and forward mode set",
        "SMPP 3.4 section 5.2.12: no meaning in deliver_sm",
        deliver(b"hi", esm=3),
        Text("hi"),
    ),
    Case(
        "TLVs of a vendor",
        "SMPP 3.4 section 5.3.1",
        deliver(b"hi", tlv(0x1501, b"LTE\0") + tlv(0x2FFF, b"")),
        Text("hi"),
    ),
    Case(
        "callback_num and USSD",
        "SMPP 3.4 sections 5.3.2.36 and 5.3.2.44",
        deliver(b"hi", tlv(0x0381, b"\1\1\x01" + b"555") + tlv(0x0501, b"\x02") + tlv(0x1383, b"\0\1")),
        Text("hi"),
    ),
    Case("a TLV cut in its value", "field practice", deliver(b"hi", b"\x14\x00\0\x09abc"), Text("hi")),
    Case(
        "sequence_number 0",
        "field practice; SMPP 3.4 section 5.1.4 begins with 1",
        deliver(b"hi", sequence=0),
        Text("hi"),
    ),
    Case(
        "sequence_number 0xFFFFFFFF",
        "field practice; SMPP 3.4 section 5.1.4 ends with 0x7FFFFFFF",
        deliver(b"hi", sequence=0xFFFFFFFF),
        Text("hi"),
    ),
]

# --- texts: parts of longer ones -------------------------------------------------------------------------------------

_2340 = "GSM 03.40 section 9.2.3.24"


def _udh(header: bytes, text: bytes = b"part", coding: int = 0, esm: int = 0x40) -> bytes:
    return deliver(header + text, esm=esm, coding=coding)


TEXTS += [
    Case("8-bit reference", _2340 + ".1", _udh(b"\5\0\3\x42\3\2"), Text("part", (0x42, 2, 3))),
    Case("16-bit reference", _2340 + ".8", _udh(b"\6\x08\4\x12\x34\3\2"), Text("part", (0x11234, 2, 3))),
    Case(
        "8-bit reference, UCS-2",
        _2340 + ".1",
        _udh(b"\5\0\3\x42\2\1", "سلام".encode("utf-16-be"), 8),
        Text("سلام", (0x42, 1, 2)),
    ),
    Case("255 parts", _2340 + ".1", _udh(b"\5\0\3\x42\xff\xff"), Text("part", (0x42, 255, 255))),
    Case("reference 0", _2340 + ".1", _udh(b"\5\0\3\0\2\1"), Text("part", (0, 1, 2))),
    Case(
        "one part of one",
        _2340 + ".1; some handsets always send it",
        _udh(b"\5\0\3\x42\1\1"),
        Text("part", (0x42, 1, 1)),
    ),
    Case(
        "ports before the reference",
        _2340 + ".4",
        _udh(b"\x0b\5\4\x0b\x84\x23\xf0\0\3\x42\2\1"),
        Text("part", (0x42, 1, 2)),
    ),
    Case(
        "ports behind the reference",
        _2340 + ".4",
        _udh(b"\x0b\0\3\x42\2\1\5\4\x0b\x84\x23\xf0"),
        Text("part", (0x42, 1, 2)),
    ),
    Case("ports only", _2340 + ".4", _udh(b"\6\5\4\x0b\x84\x23\xf0"), Text("part")),
    Case("8-bit ports only", _2340 + ".3", _udh(b"\4\4\2\xf0\xf1"), Text("part")),
    Case(
        "both references: the last counts",
        _2340,
        _udh(b"\x0b\0\3\x42\2\1\x08\4\x12\x34\2\2"),
        Text("part", (0x11234, 2, 2)),
    ),
    Case(
        "national single shift and a reference",
        "3GPP 23.040 section 9.2.3.24.15",
        _udh(b"\x08\x24\1\1\0\3\x42\2\1"),
        Text(None, (0x42, 1, 2)),
    ),
    Case(
        "national locking shift and a reference",
        "3GPP 23.040 section 9.2.3.24.16",
        _udh(b"\x08\0\3\x42\2\2\x25\1\1"),
        Text(None, (0x42, 2, 2)),
    ),
    Case("a national shift of no known language", "3GPP 23.038 section 6.2.1.2.4", _udh(b"\3\x24\1\xfe"), Text(None)),
    Case(
        "an information element of no known kind",
        _2340 + ": it is passed over",
        _udh(b"\x0a\x7e\3abc\0\3\x42\2\1"),
        Text("part", (0x42, 1, 2)),
    ),
    Case("message waiting in the header", _2340 + ".2", _udh(b"\4\1\2\x80\1"), Text("part")),
    Case("part 0", _2340 + ".1: the element is ignored", _udh(b"\5\0\3\x42\2\0"), Text("part")),
    Case("part 3 of 2", _2340 + ".1: the element is ignored", _udh(b"\5\0\3\x42\2\3"), Text("part")),
    Case("0 parts", _2340 + ".1: the element is ignored", _udh(b"\5\0\3\x42\0\0"), Text("part")),
    Case("an element of the wrong length", _2340, _udh(b"\4\0\2\x42\2"), Text("part")),
    Case("a header that runs over the end: none", _2340, _udh(b"\x7f", b"abc"), Text(None)),
    Case("an element that runs over its header", _2340, _udh(b"\5\0\x50\x42\2\1"), Text("part")),
    Case("a header and no text", _2340, _udh(b"\5\0\3\x42\2\1", b""), Text("", (0x42, 1, 2))),
    Case("an empty header", _2340, _udh(b"\0"), Text("part")),
    Case("UDHI and no octets", "field practice", deliver(esm=0x40), Text("")),
    Case(
        "UDHI, reply path and a reserved mode",
        "SMPP 3.4 section 5.2.12",
        _udh(b"\5\0\3\x42\2\1", esm=0xC3),
        Text("part", (0x42, 1, 2)),
    ),
    Case(
        "a header in message_payload",
        "field practice",
        deliver(b"", tlv(MESSAGE_PAYLOAD, b"\5\0\3\x42\2\1part"), esm=0x40),
        Text("part", (0x42, 1, 2)),
    ),
    Case(
        "a header in data_sm",
        "field practice",
        data(tlv(MESSAGE_PAYLOAD, b"\5\0\3\x42\2\1part"), esm=0x40),
        Text("part", (0x42, 1, 2)),
    ),
    Case(
        "SAR TLVs",
        "SMPP 3.4 sections 5.3.2.22 to 5.3.2.24",
        deliver(b"part", sar(0x1234, 3, 2)),
        Text("part", (0x1234, 2, 3)),
    ),
    Case(
        "SAR TLVs with message_payload",
        "SMPP 3.4 sections 5.3.2.22 to 5.3.2.24",
        deliver(b"", sar(7, 2, 1) + tlv(MESSAGE_PAYLOAD, b"part")),
        Text("part", (7, 1, 2)),
    ),
    Case(
        "SAR TLVs in data_sm",
        "SMPP 3.4 section 4.7.1",
        data(sar(7, 2, 2) + tlv(MESSAGE_PAYLOAD, b"part")),
        Text("part", (7, 2, 2)),
    ),
    Case(
        "sar_msg_ref_num of one octet",
        "field practice",
        deliver(b"part", tlv(SAR_MSG_REF_NUM, b"\7") + tlv(SAR_TOTAL_SEGMENTS, b"\2") + tlv(SAR_SEGMENT_SEQNUM, b"\1")),
        Text("part", (7, 1, 2)),
    ),
    Case(
        "sar_total_segments alone",
        "field practice: the others were forgotten",
        deliver(b"part", tlv(SAR_TOTAL_SEGMENTS, b"\2")),
        Text("part"),
    ),
    Case("sar_segment_seqnum 0", "SMPP 3.4 section 5.3.2.24: 1 to 255", deliver(b"part", sar(7, 2, 0)), Text("part")),
    Case("sar_segment_seqnum above the total", "field practice", deliver(b"part", sar(7, 2, 3)), Text("part")),
    Case(
        "SAR TLVs of zeros",
        "field practice: an SMSC that always sends them",
        deliver(b"whole", sar(0, 0, 0)),
        Text("whole"),
    ),
]

# --- where data_coding 0 is packed septets ---------------------------------------------------------------------------

_PACKED = "GSM 03.38 section 6.1.2.1, on a bind with the alphabet gsm7-packed"
_PACKED_COUNT = "field practice: septets counted, packed octets sent (a public bug report of a gateway)"


def _after_fill_bit(text: bytes) -> bytes:
    """Packed septets behind a header of six octets (GSM 03.40 section 9.2.3.24)."""
    number = sum(septet << 7 * at for at, septet in enumerate(text)) << 1
    return number.to_bytes(-(-(7 * len(text) + 1) // 8), "little")


PACKED = [
    Case("a receipt", _PACKED, deliver(packed(usual()), esm=4), Receipt("4711")),
    Case(
        "a receipt, sm_length in septets",
        _PACKED,
        deliver(packed(usual()), esm=4, length=len(usual())),
        Receipt("4711"),
    ),
    Case("a receipt, not marked", _PACKED, deliver(packed(usual())), Receipt("4711")),
    Case(
        "a receipt in message_payload",
        _PACKED,
        deliver(tlvs=tlv(MESSAGE_PAYLOAD, packed(usual())), esm=4),
        Receipt("4711"),
    ),
    Case(
        "receipted_message_id, and stat in the text",
        _PACKED,
        deliver(packed(usual("18193", "UNDELIV", "034")), _ID, esm=4),
        Receipt("4711", FAILED, "UNDELIV", "034"),
    ),
    Case(
        "a receipt that is not packed",
        "field practice: receipts are written by another part of the SMSC",
        deliver(usual(), esm=4),
        Receipt("4711"),
    ),
    Case("a receipt that is not packed, not marked", "field practice", deliver(usual()), Receipt("4711")),
    Case(
        "marked as a receipt, and any text",
        _PACKED,
        deliver(packed(b"Message delivered"), esm=4),
        Text("Message delivered"),
    ),
    Case(
        "the user's acknowledgement that reads as a receipt",
        _PACKED,
        deliver(packed(usual()), esm=0x10),
        Receipt("4711"),
    ),
    Case("a text", _PACKED, deliver(packed(b"hello")), Text("hello")),
    Case(
        "a text, sm_length in septets", _PACKED, deliver(packed(b"Where are you?"), length=14), Text("Where are you?")
    ),
    Case(
        "a text, sm_length in septets, TLVs behind it",
        _PACKED_COUNT,
        deliver(packed(b"Where are you now?"), tlv(0x1501, b"LTE\0") + tlv(0x0381, b"\1\1\1555"), length=18),
        Text("Where are you now?"),
    ),
    Case(
        "a receipt, sm_length in septets, its TLVs behind it",
        _PACKED_COUNT,
        deliver(packed(usual("18193", "UNDELIV", "034")), _ID + _state(5), esm=4, length=len(usual("18193"))),
        Receipt("4711", FAILED, "UNDELIV", "034"),
    ),
    Case(
        "seven spare bits, sm_length in septets: no at sign",
        _PACKED_COUNT,
        deliver(packed(b"Are you up yet?"), length=15),
        Text("Are you up yet?"),
    ),
    Case(
        "an at sign at the end, sm_length in septets",
        _PACKED_COUNT,
        deliver(packed(b"Are you up yet?\0"), length=16),
        Text("Are you up yet?@"),
    ),
    Case(
        "a carriage return at the end, sm_length in septets: it is the text's",
        _PACKED_COUNT,
        deliver(packed(b"Are you up yet?\r"), length=16),
        Text("Are you up yet?\r"),
    ),
    Case(
        "a carriage return at the end, sm_length in octets: it is filling",
        "GSM 03.38 section 6.1.2.3.1",
        deliver(packed(b"Are you up yet?\r")),
        Text("Are you up yet?"),
    ),
    Case(
        "two carriage returns at the end: one is filling",
        "GSM 03.38 section 6.1.2.3.1",
        deliver(packed(b"Are you up yet?\r\r")),
        Text("Are you up yet?\r"),
    ),
    Case(
        "a header, sm_length in septets, TLVs behind it",
        _PACKED_COUNT + "; the header's septets are counted too (GSM 03.40 section 9.2.3.24)",
        deliver(b"\5\0\3\x42\2\1" + _after_fill_bit(b"123456789"), tlv(0x1501, b"LTE\0"), esm=0x40, length=7 + 9),
        Text("123456789", (0x42, 1, 2)),
    ),
    Case(
        "a header, seven spare bits, sm_length in septets",
        _PACKED_COUNT,
        deliver(b"\5\0\3\x42\2\1" + _after_fill_bit(b"12345678"), esm=0x40, length=7 + 8),
        Text("12345678", (0x42, 1, 2)),
    ),
    Case("no receipt", _PACKED, deliver(packed(b"id:4711 stat:delivered")), Text("id:4711 stat:delivered")),
    Case("a text in Latin-1", _PACKED, deliver(packed(usual()), coding=3), Text(packed(usual()).decode("latin-1"))),
]

# --- PDUs ------------------------------------------------------------------------------------------------------------

_SHORT = Nothing(0x01)  # ESME_RINVMSGLEN
_UNKNOWN = Nack(0x03)  # ESME_RINVCMDID
_WHOLE = deliver(b"hello")


def _cut(octets: bytes, end: int) -> bytes:
    return struct.pack(">I", end) + octets[4:end]


PDUS = [
    Case("deliver_sm without a body", "PDUs cut by a broken proxy: field practice", _cut(_WHOLE, 16), _SHORT),
    Case("deliver_sm cut in its source address", "SMPP 3.4 section 4.6.1", _cut(_WHOLE, 25), _SHORT),
    Case("deliver_sm cut before sm_length", "SMPP 3.4 section 4.6.1", _cut(_WHOLE, len(_WHOLE) - 6), _SHORT),
    Case(
        "deliver_sm cut in its text",
        "field practice: refused, it would be lost; SMPP 3.4 section 5.2.21",
        _cut(_WHOLE, len(_WHOLE) - 1),
        Text("hell"),
    ),
    Case(
        "sm_length above what follows",
        "field practice: septets counted, packed octets sent; all of them came",
        deliver(b"hello", length=200),
        Text("hello"),
    ),
    Case(
        "sm_length above what follows, of a receipt",
        "field practice: septets counted, packed octets sent",
        deliver(usual(), esm=4, length=255),
        Receipt("4711"),
    ),
    Case(
        "sm_length below what follows: the rest is no TLV", "field practice", deliver(b"hello", length=4), Text("hell")
    ),
    *(
        Case(
            f"what is no sm_length in septets: {name}", "field practice", deliver(b"Help me!", behind), Text("Help me!")
        )
        for name, behind in (
            ("NULs of padding behind it", bytes(3)),
            ("more NULs of padding", bytes(11)),
            ("a TLV cut in its value", tlv(0x1501, b"LTE\0") + b"\x14\x00\0\x09abc"),
            ("a TLV cut in its header", b"\x14\x00\0"),
        )
    ),
    Case("data_sm without a body", "SMPP 3.4 section 4.7.1", pdu(DATA_SM), _SHORT),
    Case("data_sm cut before data_coding", "SMPP 3.4 section 4.7.1", _cut(data(), len(data()) - 1), _SHORT),
    Case("a command_id that no table has", "SMPP 3.4 section 4.3.1", pdu(0x00000F00, b"\1\2"), _UNKNOWN),
    Case("a command_id of a vendor", "SMPP 3.4 section 5.1.2.1: 0x00010200 to 0x000102FF", pdu(0x00010200), _UNKNOWN),
    Case("broadcast_sm", "SMPP 5.0 section 4.4.1; not for an ESME", pdu(0x00000111, b"x" * 40), _UNKNOWN),
    Case("submit_sm to an ESME", "SMPP 3.4 table 2-1: not in this direction", pdu(0x4, _WHOLE[16:]), _UNKNOWN),
    Case("query_sm to an ESME", "SMPP 3.4 table 2-1", pdu(0x3, b"4711\0\0\0\0"), _UNKNOWN),
    Case("bind_transceiver to an ESME", "SMPP 3.4 table 2-1", pdu(0x9, b"a\0b\0\0\x34\0\0\0"), _UNKNOWN),
    Case(
        "a response that no table has",
        "SMPP 3.4 section 4.3.1: responses get no generic_nack",
        pdu(0x80000111),
        Nothing(None),
    ),
    Case(
        "alert_notification",
        "SMPP 3.4 section 4.12: it has no response",
        pdu(0x102, address(b"923001234567") + address(b"8228") + tlv(0x0422, b"\0")),
        Nothing(None),
    ),
    Case("alert_notification without a body", "field practice", pdu(0x102), Nothing(None)),
    Case(
        "outbind on a bound session", "SMPP 3.4 section 4.1.7: it has no response", pdu(0xB, b"a\0b\0"), Nothing(None)
    ),
    Case("enquire_link", "SMPP 3.4 section 4.11", pdu(ENQUIRE_LINK), Nothing()),
    Case(
        "enquire_link with a body", "field practice: TLVs of a vendor", pdu(ENQUIRE_LINK, tlv(0x1400, b"x")), Nothing()
    ),
    Case("enquire_link_resp that nobody asked for", "field practice", pdu(0x80000015), Nothing(None)),
    Case("a second bind_transceiver_resp", "field practice", pdu(0x80000009, b"smsc\0", 0, 1), Nothing(None)),
    Case("a bind_transceiver_resp with an error, late", "field practice", pdu(0x80000009, b"", 0x0D, 1), Nothing(None)),
    Case("unbind_resp that nobody asked for", "field practice", pdu(0x80000006), Nothing(None)),
    Case("generic_nack of no request of ours", "SMPP 3.4 section 4.3.1", pdu(GENERIC_NACK, b"", 3, 0), Nothing(None)),
    Case("deliver_sm_resp to an ESME", "field practice: an SMSC that mirrors", pdu(0x80000005, b"\0"), Nothing(None)),
    Case(
        "submit_sm_resp of no request of ours",
        "field practice: the answer after our time-out",
        pdu(SUBMIT_SM_RESP, b"4711\0", 0, 4444),
        Submitted(None),
    ),
]


def _answer(name: str, source: str, body: bytes, outcome: Submitted, status: int = 0, command: Any = None) -> Case:
    return Case(name, source, pdu(command or SUBMIT_SM_RESP, body, status, SUBMITTED), outcome)


def _accepted(smsc_id: str) -> Submitted:
    return Submitted(Verdict.ACCEPTED, smsc_id)


PDUS += [
    _answer("submit_sm_resp", "SMPP 3.4 section 4.4.2", b"4711\0", _accepted("4711")),
    _answer("its NUL forgotten", "field practice", b"4711", _accepted("4711")),
    _answer("its id empty", "field practice", b"\0", _accepted("")),
    _answer("its body missing, status ok", "field practice", b"", _accepted("")),
    _answer("an id of 200 characters", "SMPP 3.4 section 5.2.23 allows 64", b"7" * 200 + b"\0", _accepted("7" * 200)),
    _answer("an id with octets above 0x7F", "field practice", b"caf\xe9\0", _accepted("café")),
    _answer("a TLV behind the id", "SMPP 5.0 section 4.2.1.2", b"4711\0" + tlv(0x0428, b"\x32"), _accepted("4711")),
    _answer("a cut TLV behind the id", "field practice", b"4711\0\x04\x28\0\x09\1", _accepted("4711")),
    _answer("octets of garbage behind the id", "field practice", b"4711\0\xff\xff\xff\xff\xff", _accepted("4711")),
    _answer(
        "refused, with a body",
        "field practice; SMPP 3.4 section 4.4.2 has none then",
        b"\0",
        Submitted(Verdict.REFUSED, None, 0x0B),
        0x0B,
    ),
    _answer("refused, without a body", "SMPP 3.4 section 4.4.2", b"", Submitted(Verdict.REFUSED, None, 0x0B), 0x0B),
]

# --- broken framing: the only octets that end a bind -----------------------------------------------------------------

BROKEN = [
    Case(f"command_length {length}", source, struct.pack(">IIII", length, ENQUIRE_LINK, 0, SEQUENCE), Nack(0x02))
    for length, source in (
        (0, "field practice: a proxy that sends NULs"),
        (4, "field practice: the length of the length"),
        (15, "SMPP 3.4 section 3.2: the header is 16 octets"),
        (65537, "our cap of 64 KiB"),
        (0x7FFFFFFF, "field practice: another protocol on the port"),
        (0x48545450, "field practice: an HTTP server answers"),
        (0x16030100, "field practice: a TLS server answers"),
        (0xFFFFFFFF, "field practice"),
    )
]

# An unknown status is the policy's to judge; here it only has to be kept and to leave the bind alone.
STATUSES = [
    _answer(f"command_status 0x{status:X}", source, b"", Submitted(None, None, status), status)
    for status, source in (
        (0x10, "SMPP 3.4 section 5.1.3: reserved"),
        (0xFF, "SMPP 3.4 section 5.1.3: ESME_RUNKNOWNERR"),
        (0x112, "SMPP 5.0 section 4.7.6"),
        (0x400, "SMPP 3.4 section 5.1.3: SMSC vendor specific, 0x400 to 0x4FF"),
        (0x4FF, "SMPP 3.4 section 5.1.3: SMSC vendor specific"),
        (0x501, "field practice: beyond the vendors' range"),
        (0x7FFFFFFF, "field practice"),
        (0xFFFFFFFF, "field practice: -1"),
    )
]
STATUSES += [
    _answer("generic_nack to our submit_sm", "SMPP 3.4 section 4.3.1", b"", Submitted(None, None, 3), 3, GENERIC_NACK),
    _answer("generic_nack with a body", "field practice", b"\0\0", Submitted(None, None, 0xFF), 0xFF, GENERIC_NACK),
]

CASES = (*RECEIPTS, *TEXTS, *PDUS, *STATUSES)
