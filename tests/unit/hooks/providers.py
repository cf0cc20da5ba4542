"""Fifteen providers: settings, and what they post (from their documentation, their SDKs, and what gateways have met).

``CASES``: a name, the sections ``notification`` and ``incoming`` as the configuration has them, and requests, each with
what it tells: receipts as (id, finality, code, recipient), texts as (from, to, text, sid).
"""

import json
from typing import Any, NamedTuple
from urllib.parse import urlencode

from smsconnector.hooks.requests import FORM

D, F, P, U = "DELIVERED", "FAILED", "PROGRESS", "UNCLEAR"


class Case(NamedTuple):
    what: str
    request: dict[str, Any]  # of tests.unit.hooks.call
    receipts: list[tuple[str, str, str, str]] = []
    texts: list[tuple[str, str, str, str | None]] = []
    unknown: int = 0  # words that are not known
    faults: int = 0  # records that can't be read


class Provider(NamedTuple):
    name: str
    notification: dict[str, Any] | None
    incoming: dict[str, Any] | None
    cases: list[Case]


def form(**fields: object) -> dict[str, Any]:
    return {"body": urlencode(fields).encode(), "kind": FORM}


def query(**fields: object) -> dict[str, Any]:
    return {"target": f"/msg-client/x/receive?{urlencode(fields)}", "method": "GET"}


def as_json(data: object) -> dict[str, Any]:
    return {"body": json.dumps(data).encode(), "kind": "application/json"}


VONAGE_DLR = {
    "msisdn": "447700900001",
    "to": "Acme",
    "messageId": "0C00",
    "status": "delivered",
    "err-code": "0",
    "scts": "2001011400",
    "message-timestamp": "2020-01-01 14:00:00",
}
VONAGE_MO = {"msisdn": "447700900001", "to": "447700900000", "messageId": "0B00", "text": "Hi & bye", "type": "text"}
VONAGE = Provider(
    "vonage",
    {
        "method": ["GET", "POST"],
        "id": "messageId",
        "status": "status",
        "code": "err-code",
        "recipient": "msisdn",
        "statuses": {"unknown": "progress"},
    },
    {
        "method": ["GET", "POST"],
        "from": "msisdn",
        "to": "to",
        "text": "text",
        "id": "messageId",
        "kind": "type",
        "forms": {"binary": {"text": "data", "encoding": "hex", "charset": "octets"}},
        "part": {"reference": "concat-ref", "total": "concat-total", "number": "concat-part"},
    },
    [
        Case("by GET", query(**VONAGE_DLR), [("0C00", D, "0", "447700900001")]),
        Case("by form", form(**VONAGE_DLR), [("0C00", D, "0", "447700900001")]),
        Case("by JSON", as_json(VONAGE_DLR), [("0C00", D, "0", "447700900001")]),
        Case(
            "failed",
            form(**{**VONAGE_DLR, "status": "REJECTED", "err-code": "9"}),
            [("0C00", F, "9", "447700900001")],
        ),
        Case("no information", form(**{**VONAGE_DLR, "status": "unknown"}), [("0C00", P, "0", "447700900001")]),
        Case("a text", form(**VONAGE_MO), texts=[("447700900001", "447700900000", "Hi & bye", "0B00")]),
        Case("a text by GET", query(**VONAGE_MO), texts=[("447700900001", "447700900000", "Hi & bye", "0B00")]),
        Case(
            "octets",
            form(**{**VONAGE_MO, "type": "binary", "data": "00ffA0", "udh": "06"}),
            texts=[("447700900001", "447700900000", "00FFA0", "0B00")],
        ),
        Case(
            "a part of 3",
            form(**VONAGE_MO, concat="true", **{"concat-ref": "7", "concat-total": "3", "concat-part": "2"}),
            texts=[("447700900001", "447700900000", "Hi & bye", None)],
        ),
        Case("a probe", {"method": "GET"}),
    ],
)

INFOBIP = Provider(
    "infobip",
    {
        "records": "results",
        "id": "messageId",
        "status": "status.groupName",
        "code": "error.id",
        "recipient": "to",
    },
    {"records": "results", "from": "from", "to": "to", "text": "text", "id": "messageId"},
    [
        Case(
            "a list with a word that nobody knows, and one without an id",
            as_json(
                {
                    "results": [
                        {
                            "messageId": "a1",
                            "to": "41793026727",
                            "status": {"groupName": "DELIVERED"},
                            "error": {"id": 0},
                        },
                        {
                            "messageId": "a2",
                            "to": "41793026728",
                            "status": {"groupName": "NEW_WORD"},
                            "error": {"id": 0},
                        },
                        {"to": "41793026729", "status": {"groupName": "DELIVERED"}},
                        "rubbish",
                        {
                            "messageId": "a3",
                            "to": "41793026730",
                            "doneAt": "2019-11-09T17:00:00.000+0000",
                            "status": {"groupId": 4, "groupName": "EXPIRED", "id": 15},
                            "error": {"groupId": 1, "id": 27, "permanent": False},
                        },
                        {
                            "messageId": "a4",
                            "to": "41793026731",
                            "status": {"groupName": "UNDELIVERABLE"},
                            "error": {"id": 1457},
                        },
                    ]
                }
            ),
            [
                ("a1", D, "0", "41793026727"),
                ("a2", P, "0", "41793026728"),
                ("a3", F, "27", "41793026730"),
                ("a4", F, "1457", "41793026731"),
            ],
            unknown=1,
            faults=2,
        ),
        Case("an empty list", as_json({"results": []})),
        Case(
            "texts",
            as_json(
                {
                    "results": [
                        {
                            "messageId": "817790",
                            "from": "385916242493",
                            "to": "385921004026",
                            "text": "QUIZ: yes \u20ac",
                        },
                        {"messageId": "817791", "from": "385916242494", "to": "385921004026", "text": ""},
                    ],
                    "messageCount": 2,
                }
            ),
            texts=[
                ("385916242493", "385921004026", "QUIZ: yes \u20ac", "817790"),
                ("385916242494", "385921004026", "", "817791"),
            ],
        ),
    ],
)

PLIVO = Provider(
    "plivo",
    {
        "method": ["GET", "POST"],
        "id": ["ParentMessageUUID", "MessageUUID"],
        "status": "Status",
        "code": "ErrorCode",
        "recipient": "To",
    },
    {
        "from": "From",
        "to": "To",
        "text": "Text",
        "id": "MessageUUID",
        "answer": {"content_type": "text/xml", "body": "<Response/>"},
    },
    [
        Case(
            "delivered",
            form(MessageUUID="u-1", ParentMessageUUID="u-0", Status="delivered", To="14155550100"),
            [("u-0", D, "delivered", "14155550100")],
        ),
        Case(
            "undelivered is final",
            query(MessageUUID="u-1", ParentMessageUUID="", Status="undelivered", ErrorCode="300", To="1"),
            [("u-1", F, "300", "1")],
        ),
        Case("sent", form(MessageUUID="u-1", Status="sent", To="1"), [("u-1", P, "sent", "1")]),
        Case(
            "a text",
            form(MessageUUID="u-9", From="14155550100", To="14155550101", Text="x", Type="sms"),
            texts=[("14155550100", "14155550101", "x", "u-9")],
        ),
    ],
)


def telnyx(event: str, **payload: object) -> dict[str, Any]:
    data = {
        "event_type": event,
        "id": "ev-1",
        "occurred_at": "2024-01-01T00:00:00Z",
        "payload": {"id": "t-1", **payload},
    }
    return as_json({"data": data, "meta": {"attempt": 1}})


TELNYX = Provider(
    "telnyx",
    {
        "records": "data.payload.to",
        "where": {"/data.event_type": ["message.sent", "message.finalized"]},
        "id": "/data.payload.id",
        "status": "status",
        "code": "/data.payload.errors.0.code",
        "recipient": "phone_number",
        "statuses": {"sending_failed": "failed", "delivery_failed": "failed", "delivery_unconfirmed": "unclear"},
    },
    {
        "records": "data.payload",
        "where": {"/data.event_type": "message.received"},
        "from": "from.phone_number",
        "to": "to.0.phone_number",
        "text": "text",
        "id": "id",
    },
    [
        Case(
            "sent",
            telnyx("message.sent", to=[{"phone_number": "+1415", "status": "sent"}]),
            [("t-1", P, "sent", "+1415")],
        ),
        Case(
            "finalized",
            telnyx("message.finalized", to=[{"phone_number": "+1415", "status": "delivered"}], errors=[]),
            [("t-1", D, "delivered", "+1415")],
        ),
        Case(
            "failed",
            telnyx(
                "message.finalized",
                to=[{"phone_number": "+1415", "status": "delivery_failed"}],
                errors=[{"code": "40001"}],
            ),
            [("t-1", F, "40001", "+1415")],
        ),
        Case(
            "nobody knows",
            telnyx("message.finalized", to=[{"phone_number": "+1415", "status": "delivery_unconfirmed"}]),
            [("t-1", U, "delivery_unconfirmed", "+1415")],
        ),
        Case(
            "a text, to the same URL",
            telnyx(
                "message.received", **{"from": {"phone_number": "+1416"}}, to=[{"phone_number": "+1415"}], text="hi"
            ),
            texts=[("+1416", "+1415", "hi", "t-1")],
        ),
    ],
)

SINCH_ONE = {"type": "recipient_delivery_report_sms", "batch_id": "b1", "recipient": "447700900001"}
SINCH = Provider(
    "sinch",
    {
        "id": "batch_id",
        "recipient": "recipient",
        "status": "status",
        "code": "code",
        "statuses": {"dispatched": "progress", "aborted": "failed", "unknown": "unclear"},
        "codes": {"401": "progress"},
    },
    {
        "from": "from",
        "to": "to",
        "text": "body",
        "id": "id",
        "kind": "type",
        "forms": {"mo_binary": {"encoding": "base64", "charset": "octets"}},
    },
    [
        Case("delivered", as_json({**SINCH_ONE, "code": 0, "status": "Delivered"}), [("b1", D, "0", "447700900001")]),
        Case(
            "dispatched",
            as_json({**SINCH_ONE, "code": 401, "status": "Dispatched"}),
            [("b1", P, "401", "447700900001")],
        ),
        Case("aborted", as_json({**SINCH_ONE, "code": 408, "status": "Aborted"}), [("b1", F, "408", "447700900001")]),
        Case("no outcome", as_json({**SINCH_ONE, "code": 0, "status": "Unknown"}), [("b1", U, "0", "447700900001")]),
        Case(
            "a text",
            as_json({"type": "mo_text", "id": "m1", "from": "16051234567", "to": "13185551234", "body": "ok"}),
            texts=[("16051234567", "13185551234", "ok", "m1")],
        ),
        Case(
            "octets",
            as_json({"type": "mo_binary", "id": "m2", "from": "1605", "to": "1318", "body": "VGV4dA==", "udh": "00"}),
            texts=[("1605", "1318", "54657874", "m2")],
        ),
    ],
)
SINCH_FULL = Provider(
    "sinch, several numbers in one report",
    {
        "records": "statuses",
        "id": "/batch_id",
        "recipient": "recipients",
        "status": "status",
        "code": "code",
        "statuses": {"aborted": "failed"},
    },
    None,
    [
        Case(
            "full",
            as_json(
                {
                    "type": "delivery_report_sms",
                    "batch_id": "b1",
                    "statuses": [
                        {"code": 0, "status": "Delivered", "count": 2, "recipients": ["447700900001", "447700900002"]},
                        {"code": 408, "status": "Aborted", "count": 1, "recipients": ["447700900003"]},
                    ],
                }
            ),
            [("b1", D, "0", "447700900001"), ("b1", D, "0", "447700900002"), ("b1", F, "408", "447700900003")],
        )
    ],
)

MESSAGEBIRD = Provider(
    "messagebird",
    {
        "method": "GET",
        "id": "id",
        "status": "status",
        "code": "statusErrorCode",
        "recipient": "recipient",
        "statuses": {"delivery_failed": "failed"},
    },
    {
        "from": "originator",
        "to": ["recipient", "shortcode"],
        "text": ["body", "message"],
        "id": ["id", "mid"],
        "timestamp": ["createdDatetime", "receive_datetime"],
        "answer": "OK",
    },
    [
        Case(
            "by GET",
            query(
                id="e8",
                reference="",
                recipient="31612345678",
                status="delivered",
                statusDatetime="2017-09-01T10:00:05+00:00",
            ),
            [("e8", D, "delivered", "31612345678")],
        ),
        Case(
            "failed",
            query(id="e8", recipient="31612345678", status="delivery_failed", statusErrorCode="103"),
            [("e8", F, "103", "31612345678")],
        ),
        Case(
            "a text",
            form(id="m1", originator="31612345678", recipient="31600000000", body="a\u20acb"),
            texts=[("31612345678", "31600000000", "a\u20acb", "m1")],
        ),
        Case(
            "a short code",
            form(
                mid="55", shortcode="8008", originator="31612345678", message="STOP", receive_datetime="20170901100005"
            ),
            texts=[("31612345678", "8008", "STOP", "55")],
        ),
    ],
)
BIRD = Provider(
    "bird",
    {
        "where": {"event": ["sms.outbound"]},
        "id": "payload.id",
        "status": "payload.status",
        "code": "payload.reason",
        "statuses": {"delivery_failed": "failed"},
    },
    {
        "where": {"event": ["sms.inbound"]},
        "from": "payload.sender.contact.identifierValue",
        "text": "payload.body.text.text",
        "id": "payload.id",
    },
    [
        Case(
            "delivered",
            as_json(
                {
                    "service": "channels",
                    "event": "sms.outbound",
                    "payload": {"id": "p1", "status": "delivered", "reason": ""},
                }
            ),
            [("p1", D, "delivered", "")],
        ),
        Case("another event", as_json({"service": "channels", "event": "sms.interaction", "payload": {"id": "p1"}})),
        Case(
            "a text",
            as_json(
                {
                    "event": "sms.inbound",
                    "payload": {
                        "id": "p2",
                        "sender": {"contact": {"identifierValue": "+316"}},
                        "body": {"type": "text", "text": {"text": "x"}},
                    },
                }
            ),
            texts=[("+316", "", "x", "p2")],
        ),
    ],
)

AFRICASTALKING = Provider(
    "africastalking",
    {
        "id": "id",
        "status": "status",
        "code": "failureReason",
        "recipient": "phoneNumber",
        "statuses": {"success": "delivered", "absentsubscriber": "unclear"},
    },
    {"from": "from", "to": "to", "text": "text", "id": "id", "timestamp": "date"},
    [
        Case(
            "success",
            form(id="ATXid_1", status="Success", phoneNumber="+254711000000", networkCode="63902", retryCount="0"),
            [("ATXid_1", D, "Success", "+254711000000")],
        ),
        Case(
            "rejected",
            form(id="ATXid_1", status="Rejected", phoneNumber="+254711000000", failureReason="UserIsBlacklisted"),
            [("ATXid_1", F, "UserIsBlacklisted", "+254711000000")],
        ),
        Case(
            "buffered",
            form(id="ATXid_1", status="Buffered", phoneNumber="+254711000000"),
            [("ATXid_1", P, "Buffered", "+254711000000")],
        ),
        Case(
            "a text; a plus that is not escaped",
            {"body": b"id=77&linkId=1&from=+254711000000&to=20880&text=a+b&date=2015-11-09+12:30:00", "kind": FORM},
            texts=[("+254711000000", "20880", "a b", "77")],
        ),
    ],
)

CLICKATELL = Provider(
    "clickatell",
    {
        "id": "messageId",
        "status": ["status", "statusCode"],
        "code": "statusCode",
        "statuses": {
            "device_ack": "delivered",
            "recipient_does_not_exist": "failed",
            "delivery_failure": "failed",
            "004": "delivered",
            "5": "failed",
        },
    },
    {
        "from": "fromNumber",
        "to": "toNumber",
        "text": "text",
        "id": "messageId",
        "kind": "charset",
        "forms": {
            "ISO-8859-1": {"encoding": "percent", "charset": "iso-8859-1"},
            "UTF-16BE": {"encoding": "percent", "charset": "utf-16-be"},
        },
    },
    [
        Case(
            "a word",
            as_json({"messageId": "c1", "status": "DEVICE_ACK", "statusCode": 4, "clientMessageId": "x"}),
            [("c1", D, "4", "")],
        ),
        Case("a number", as_json({"messageId": "c1", "statusCode": "004"}), [("c1", D, "004", "")]),
        Case(
            "a number of JSON",
            as_json({"messageId": 12345678901234567890, "statusCode": 5}),
            [("12345678901234567890", F, "5", "")],
        ),
        Case(
            "Latin-1",
            as_json(
                {
                    "messageId": "m",
                    "fromNumber": "278",
                    "toNumber": "27",
                    "timestamp": 1495617,
                    "text": "caf%E9+%25",
                    "charset": "ISO-8859-1",
                }
            ),
            texts=[("278", "27", "caf\u00e9 %", "m")],
        ),
        Case(
            "UTF-16BE",
            as_json(
                {
                    "messageId": "m",
                    "fromNumber": "278",
                    "toNumber": "27",
                    "text": "%00m%06%27%D8%3D%DE%00",
                    "charset": "UTF-16BE",
                }
            ),
            texts=[("278", "27", "m\u0627\U0001f600", "m")],
        ),
        Case(
            "plain",
            as_json({"messageId": "m", "fromNumber": "278", "toNumber": "27", "text": "100%25 +", "charset": "UTF-8"}),
            texts=[("278", "27", "100%25 +", "m")],
        ),
    ],
)

UNIFONIC = Provider(
    "unifonic",
    {
        "method": ["GET", "POST"],
        "id": ["MessageID", "messageId"],
        "status": ["Status", "status"],
        "recipient": ["Recipient", "recipient"],
        "statuses": {"sent": "progress"},
    },
    None,
    [
        Case(
            "by GET, a number as an id",
            query(MessageID="6580", Status="Delivered", Recipient="966505980169"),
            [("6580", D, "Delivered", "966505980169")],
        ),
        Case(
            "by JSON",
            as_json({"messageId": 6580, "status": "Rejected", "recipient": 966505980169}),
            [("6580", F, "Rejected", "966505980169")],
        ),
    ],
)

GUPSHUP_LIST = [
    {
        "externalId": "3401-57",
        "eventType": "DELIVERED",
        "eventTs": 1548,
        "destAddr": 919800000000,
        "cause": "SUCCESS",
        "errCode": "000",
        "noOfFrags": 1,
    },
    {
        "externalId": "3401-58",
        "eventType": "FAILED",
        "eventTs": 1548,
        "destAddr": "919800000001",
        "cause": "ABSENT",
        "errCode": "011",
    },
]
GUPSHUP = Provider(
    "gupshup, JSON in a field of a form",
    {
        "method": ["GET", "POST"],
        "json_field": "response",
        "id": "externalId",
        "id_pattern": r"^([0-9]+)-",
        "status": "eventType",
        "code": "errCode",
        "recipient": "destAddr",
    },
    None,
    [
        Case(
            "a list",
            form(response=json.dumps(GUPSHUP_LIST)),
            [("3401", D, "000", "919800000000"), ("3401", F, "011", "919800000001")],
        ),
        Case("by GET", query(response=json.dumps(GUPSHUP_LIST[:1])), [("3401", D, "000", "919800000000")]),
    ],
)

BANDWIDTH_LIST = [
    {
        "type": "message-delivered",
        "time": "2016-09-14T18:20:16Z",
        "to": "+12345678902",
        "message": {"id": "b1", "to": ["+12345678902"]},
    },
    {
        "type": "message-failed",
        "errorCode": 4720,
        "to": "+12345678903",
        "message": {"id": "b2", "to": ["+12345678903"]},
    },
    {"type": "message-failed", "errorCode": 9902, "to": "+12345678904", "message": {"id": "b3"}},
    {"type": "message-sending", "to": "+12345678905", "message": {"id": "b4"}},
    {
        "type": "message-received",
        "to": "+12345678902",
        "message": {"id": "b5", "from": "+14443332222", "to": ["+12345678902"], "text": "Hey"},
    },
]
BANDWIDTH = Provider(
    "bandwidth, a list of both kinds",
    {
        "where": {"type": ["message-sending", "message-delivered", "message-failed"]},
        "id": "message.id",
        "status": "type",
        "code": "errorCode",
        "recipient": "to",
        "statuses": {"message-sending": "progress", "message-delivered": "delivered", "message-failed": "failed"},
        "codes": {9902: "unclear", 9999: "unclear"},
    },
    {
        "where": {"type": "message-received"},
        "from": "message.from",
        "to": "message.to",
        "text": "message.text",
        "id": "message.id",
    },
    [
        Case(
            "all of them, not the first alone",
            as_json(BANDWIDTH_LIST),
            [
                ("b1", D, "message-delivered", "+12345678902"),
                ("b2", F, "4720", "+12345678903"),
                ("b3", U, "9902", "+12345678904"),
                ("b4", P, "message-sending", "+12345678905"),
            ],
            [("+14443332222", "+12345678902", "Hey", "b5")],
        )
    ],
)

KANNEL_BITS = {1: "delivered", 2: "failed", 16: "failed", 4: "progress", 8: "progress"}
KANNEL = Provider(
    "kannel, dlr-url",
    {"method": "GET", "id": "id", "status": "status", "statuses": KANNEL_BITS},
    {
        "method": "GET",
        "from": "from",
        "to": "to",
        "text": "text",
        "id": "id",
        "timestamp": "ts",
        "answer": {"status": 204},
    },
    [
        Case("delivered", query(id="SM1", status="1"), [("SM1", D, "1", "")]),
        Case("rejected", query(id="SM1", status="16"), [("SM1", F, "16", "")]),
        Case("buffered", query(id="SM1", status="8"), [("SM1", P, "8", "")]),
        Case("32 is progress, not failure", query(id="SM1", status="32"), [("SM1", P, "32", "")], unknown=1),
        Case("99 is progress too", query(id="SM1", status="99"), [("SM1", P, "99", "")], unknown=1),
        Case(
            "a text",
            query(id="k1", **{"from": "+923001234567"}, to="8228", text="\u0633\u0644\u0627\u0645", ts="1"),
            texts=[("+923001234567", "8228", "\u0633\u0644\u0627\u0645", "k1")],
        ),
    ],
)

JASMIN = Provider(
    "jasmin",
    {
        "method": ["GET", "POST"],
        "id": "id",
        "status": "message_status",
        "code": "err",
        "statuses": {
            "DELIVRD": "delivered",
            "UNDELIV": "failed",
            "REJECTD": "failed",
            "ESME_ROK": "progress",
            "UNKNOWN": "unclear",
        },
        "answer": "ACK/Jasmin",
    },
    {
        "method": ["GET", "POST"],
        "from": "from",
        "to": "to",
        "text": "content",
        "id": "id",
        "kind": "coding",
        "forms": {8: {"text": "binary", "encoding": "hex", "charset": "ucs2"}},
        "answer": "ACK/Jasmin",
    },
    [
        Case(
            "level 2", form(id="j-1", message_status="DELIVRD", level="2", err="000", text="-"), [("j-1", D, "000", "")]
        ),
        Case(
            "level 1",
            query(id="j-1", message_status="ESME_ROK", level="1", connector="c"),
            [("j-1", P, "ESME_ROK", "")],
        ),
        Case(
            "a text",
            form(id="j-2", **{"from": "24206155423"}, to="12345", coding="0", content="Hello", binary="48656c6c6f"),
            texts=[("24206155423", "12345", "Hello", "j-2")],
        ),
        Case(
            "coding 8: the content is wrong, the octets are right",
            form(id="j-2", **{"from": "24206155423"}, to="12345", coding="8", content="???", binary="06330644"),
            texts=[("24206155423", "12345", "\u0633\u0644", "j-2")],
        ),
    ],
)

TWILIO_DLR = {
    "MessageSid": "SM00",
    "SmsSid": "SM00",
    "MessageStatus": "delivered",
    "SmsStatus": "delivered",
    "To": "+1415",
    "From": "+1500",
    "AccountSid": "AC",
}
TWILIO = Provider(
    "twilio",
    {
        "id": ["MessageSid", "SmsSid"],
        "status": ["MessageStatus", "SmsStatus"],
        "code": "ErrorCode",
        "recipient": "To",
        "answer": {"status": 204},
    },
    {
        "method": ["GET", "POST"],
        "from": "From",
        "to": "To",
        "text": "Body",
        "id": ["MessageSid", "SmsSid"],
        "answer": {"content_type": "text/xml", "body": "<Response/>"},
    },
    [
        Case("delivered", form(**TWILIO_DLR), [("SM00", D, "delivered", "+1415")]),
        Case(
            "undelivered",
            form(**{**TWILIO_DLR, "MessageStatus": "undelivered", "ErrorCode": "30003"}),
            [("SM00", F, "30003", "+1415")],
        ),
        Case(
            "a word of next year",
            form(**{**TWILIO_DLR, "MessageStatus": "partially_delivered"}),
            [("SM00", P, "partially_delivered", "+1415")],
            unknown=1,
        ),
        Case(
            "a text, blank fields",
            form(MessageSid="SM1", SmsSid="SM1", From="+1415", To="+1500", Body="", FromCity="", NumMedia="1"),
            texts=[("+1415", "+1500", "", "SM1")],
        ),
        Case(
            "a text, a field twice",
            {"body": b"MessageSid=SM1&From=%2B1415&To=%2B1500&Body=a%20b&To=%2B1500&To=%2B1600", "kind": FORM},
            texts=[("+1415", "+1500", "a b", "SM1")],
        ),
    ],
)

MTARGET = Provider(
    "mtarget, parts",
    {"id": "MsgId", "status": "Status", "statuses": {3: "delivered", 4: "failed", 6: "failed"}},
    {
        "from": "Msisdn",
        "to": "Shortcode",
        "text": "Content",
        "id": "MsgId",
        "part": {
            "reference": ["msglong.id", "msglong.msgref"],
            "total": "msglong.msgcount",
            "number": "msglong.index",
            "first": 0,
        },
    },
    [
        Case("delivered", form(MsgId="mt1", Status="3"), [("mt1", D, "3", "")]),
        Case(
            "the first part",
            form(
                Msisdn="+336",
                Shortcode="36600",
                Content="a",
                MsgId="x",
                **{"msglong.id": "longer than a number", "msglong.msgcount": "2", "msglong.index": "0"},
            ),
            texts=[("+336", "36600", "a", None)],
        ),
        Case(
            "a part that makes no sense is a text",
            form(
                Msisdn="+336",
                Shortcode="36600",
                Content="a",
                MsgId="x",
                **{"msglong.id": "1", "msglong.msgcount": "2", "msglong.index": "2"},
            ),
            texts=[("+336", "36600", "a", "x")],
        ),
    ],
)

XML = Provider(
    "XML",
    {"records": "DeliveryReport.message", "id": "@id", "status": "@status", "code": "gsmerror", "recipient": "to"},
    {"from": "sms.from", "to": "sms.to", "text": ["sms.text.", "sms.text"], "id": "sms.@id"},
    [
        Case(
            "a list",
            {
                "body": b'<?xml version="1.0" encoding="ISO-8859-1"?><DeliveryReport><!-- x -->'
                b'<message id="1" status="DELIVERED"><to>385</to><gsmerror>0</gsmerror></message>'
                b'<message id="2" status="FAILED"/></DeliveryReport>',
                "kind": "text/xml",
            },
            [("1", D, "0", "385"), ("2", F, "FAILED", "")],
        ),
        Case(
            "one",
            {"body": b'<d:DeliveryReport xmlns:d="urn:x"><d:message id="1" status="delivered"/></d:DeliveryReport>'},
            [("1", D, "delivered", "")],
        ),
        Case(
            "a text",
            {
                "body": '<sms id="9"><from>+1</from><to>2</to><text><![CDATA[a <b> & \u20ac]]></text></sms>'.encode(),
                "kind": "application/xml",
            },
            texts=[("+1", "2", "a <b> & \u20ac", "9")],
        ),
    ],
)

PROVIDERS = (
    VONAGE,
    INFOBIP,
    PLIVO,
    TELNYX,
    SINCH,
    SINCH_FULL,
    MESSAGEBIRD,
    BIRD,
    AFRICASTALKING,
    CLICKATELL,
    UNIFONIC,
    GUPSHUP,
    BANDWIDTH,
    KANNEL,
    JASMIN,
    TWILIO,
    MTARGET,
    XML,
)
