"""What each example of conf/providers asks, and what the answers of its provider mean.

The requests are written by hand from the providers' own descriptions, and not by our code. Secrets are ``<NAME>``, by
the variable of the environment that they come from.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from smsconnector.channels.provider.results import Kind, Result

ARABIC = "سل"  # U+0633 U+0644
NASTY = 'a&b "c" <d> {{from}}'
QUOTED_NASTY = "a%26b%20%22c%22%20%3Cd%3E%20%7B%7Bfrom%7D%7D"


@dataclass(frozen=True)
class Asked:
    """One request: for which text, and how it looks. ``body`` is octets, or what JSON stands for."""

    method: str
    url: str
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = b""
    text: str = NASTY
    is_limited: bool = False


@dataclass(frozen=True)
class Answered:
    """One answer, and the result that it has to have. What is not a text is written as JSON."""

    status: int
    body: Any
    kind: Kind
    ids: tuple[str, ...] = ()
    code: int | str | None = None
    retry_in: float | None = None

    @property
    def octets(self) -> bytes:
        return self.body.encode() if isinstance(self.body, str) else json.dumps(self.body).encode()

    def fits(self, result: Result) -> bool:
        wanted = (self.kind, self.ids, self.code, self.retry_in)
        return (result.kind, result.ids, result.code, result.retry_in) == wanted


@dataclass(frozen=True)
class Example:
    """``source`` is the sender of the texts; ``session`` is what a log-in has given."""

    asked: list[Asked]
    answered: list[Answered]
    source: str = "447700900123"
    session: str | None = None


PORTAL = Answered(200, "<html><body>Please log in</body></html>", Kind.UNKNOWN, code=200)
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
JSON = {"Content-Type": "application/json"}


def hook(channel: str) -> str:
    return f"https://sms.example.org/msg-client/{channel}/delivery-notification/SM7"


def quoted_hook(channel: str) -> str:
    return f"https%3A%2F%2Fsms.example.org%2Fmsg-client%2F{channel}%2Fdelivery-notification%2FSM7"


def vonage(*statuses: str, words: str = "") -> dict[str, Any]:
    parts: list[dict[str, str]] = []
    for number, status in enumerate(statuses, 1):
        more = {"message-id": f"0C-{number}"} if status == "0" else {"error-text": words}
        parts.append({"to": "923001234567", "status": status} | more)
    return {"message-count": str(len(statuses)), "messages": parts}


def africa(*recipients: dict[str, Any], words: str = "Sent to 1/1") -> dict[str, Any]:
    return {"SMSMessageData": {"Message": words, "Recipients": list(recipients)}}


def infobip(group: int) -> dict[str, Any]:
    return {"messages": [{"messageId": "SM7", "status": {"groupId": group, "id": group * 10, "name": "N"}}]}


def infobip_request(text: str, **options: Any) -> dict[str, Any]:
    message = {
        "sender": "447700900123",
        "destinations": [{"to": "923001234567", "messageId": "SM7"}],
        "content": {"text": text},
        "webhooks": {"delivery": {"url": f"{hook('infobip')}?key=hook7"}, "contentType": "application/json"},
    }
    return {"messages": [message | options]}


def clickatell(accepted: bool, code: int | None = None) -> dict[str, Any]:
    error = None if code is None else {"code": code, "description": "no"}
    return {"messages": [{"apiMessageId": "c-1" if accepted else None, "accepted": accepted, "error": error}]}


def soap(inner: str) -> str:
    return f'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>{inner}</s:Body></s:Envelope>'


def zong(result: str) -> str:
    inner = f"<QuickSMSResult>{result}</QuickSMSResult>"
    return soap(f'<QuickSMSResponse xmlns="http://tempuri.org/">{inner}</QuickSMSResponse>')


def telenor(response: str, data: str) -> str:
    return f'<?xml version="1.0"?>\n<corpsms><response>{response}</response><data>{data}</data></corpsms>'


ROUTE = (
    "http://route.example:8080/bulksms/bulksms?username=%3CROUTE_USERNAME%3E&password=%3CROUTE_PASSWORD%3E&type={}&dlr=1"
    "&destination=923001234567&source=EXMPLE&message={}&entityid=1101&tempid=1107"
)
VONAGE = (
    "api_key=%3CVONAGE_API_KEY%3E&api_secret=%3CVONAGE_API_SECRET%3E&from=447700900123&to=923001234567&text={}&type={}"
    f"&callback={quoted_hook('vonage')}&client-ref=SM7"
)
KANNEL = (
    "http://127.0.0.1:13013/cgi-bin/sendsms?username=%3CKANNEL_USERNAME%3E&password=%3CKANNEL_PASSWORD%3E"
    "&from=447700900123&to=923001234567&text={}&dlr-mask=31"
    f"&dlr-url={quoted_hook('kannel')}%3Fstatus%3D%25d%26reply%3D%25A"
)
JASMIN = (
    "username=%3CJASMIN_USERNAME%3E&password=%3CJASMIN_PASSWORD%3E&to=923001234567&from=447700900123&{}"
    f"&dlr=yes&dlr-url={quoted_hook('jasmin')}&dlr-level=2&dlr-method=POST"
)
MESSAGEBIRD = (
    "recipients=923001234567&originator=Bank&body={}&reference=SM7&reportUrl=" + quoted_hook("messagebird") + "&{}"
)
TELENOR = (
    "https://telenorcsms.com.pk:27677/corporate_sms2/api/sendsms.jsp?session_id=s%201&to=923001234567&text={}&mask=Bank"
)
SINCH_ID = "01FC66621XXXXX119Z8PMV1QPQ"
JASMIN_ID = "07033084-5cfd-4812-90a4-e4d24ffb6e3d"

EXAMPLES: dict[str, Example] = {
    "vonage": Example(
        [
            Asked("POST", "https://rest.nexmo.com/sms/json", FORM, VONAGE.format(QUOTED_NASTY, "text").encode()),
            Asked(
                "POST",
                "https://rest.nexmo.com/sms/json",
                FORM,
                f"{VONAGE.format('%D8%B3%D9%84', 'unicode')}&ttl=60000".encode(),
                ARABIC,
                is_limited=True,
            ),
        ],
        [
            Answered(200, vonage("0"), Kind.TAKEN, ("0C-1",)),
            Answered(200, vonage("0", "0", "0"), Kind.TAKEN, ("0C-1", "0C-2", "0C-3")),
            Answered(200, vonage("0", "1", "0"), Kind.PERMANENT, code="1"),
            Answered(200, vonage("0", "0", "6"), Kind.PERMANENT, code="6"),
            Answered(200, vonage("3", "0"), Kind.PERMANENT, code="3"),
            Answered(
                200,
                vonage("1", words="Throughput Rate Exceeded - please wait [250] and retry"),
                Kind.THROTTLED,
                code="1",
                retry_in=0.25,
            ),
            Answered(200, vonage("5", words="Internal Error"), Kind.TEMPORARY, code="5"),
            Answered(200, vonage("9", words="Partner quota violation"), Kind.ACCOUNT, code="9"),
            Answered(200, vonage("6"), Kind.PERMANENT, code="6"),
            Answered(200, {"message-count": "0", "messages": []}, Kind.UNKNOWN, code=200),
            PORTAL,
        ],
    ),
    "infobip": Example(
        [
            Asked(
                "POST",
                "https://xyz.api.infobip.com/sms/3/messages",
                JSON | {"Authorization": "App <INFOBIP_API_KEY>", "Accept": "application/json"},
                infobip_request(NASTY),
            ),
            Asked(
                "POST",
                "https://xyz.api.infobip.com/sms/3/messages",
                JSON | {"Authorization": "App <INFOBIP_API_KEY>", "Accept": "application/json"},
                infobip_request(ARABIC, options={"validityPeriod": {"amount": 1, "timeUnit": "MINUTES"}}),
                ARABIC,
                is_limited=True,
            ),
        ],
        [
            Answered(200, infobip(1), Kind.TAKEN, ("SM7",)),
            Answered(200, infobip(0), Kind.TAKEN, ("SM7",)),
            Answered(200, infobip(5), Kind.PERMANENT, code=50),
            Answered(
                401,
                {"requestError": {"serviceException": {"messageId": "UNAUTHORIZED", "text": "Invalid login details"}}},
                Kind.ACCOUNT,
                code="UNAUTHORIZED",
            ),
            Answered(
                429,
                {"requestError": {"serviceException": {"messageId": "TOO_MANY_REQUESTS"}}},
                Kind.THROTTLED,
                code="TOO_MANY_REQUESTS",
            ),
            Answered(500, "", Kind.UNKNOWN, code=500),
            PORTAL,
        ],
    ),
    "plivo": Example(
        [
            Asked(
                "POST",
                "https://api.plivo.com/v1/Account/PA/Message/",
                JSON | {"Authorization": "Basic UEE6PFBMSVZPX0FVVEhfVE9LRU4+"},  # PA:<PLIVO_AUTH_TOKEN>
                {"src": "447700900123", "dst": "923001234567", "text": NASTY, "url": hook("plivo"), "method": "POST"},
            )
        ],
        [
            Answered(202, {"message": "queued", "message_uuid": ["db3c"], "api_id": "x"}, Kind.TAKEN, ("db3c",)),
            Answered(202, {"message": "queued", "message_uuid": []}, Kind.UNKNOWN, code=202),
            Answered(400, {"error": "invalid dst"}, Kind.PERMANENT, code=400),
            Answered(401, "Could not verify your access level", Kind.ACCOUNT, code=401),
            Answered(429, "", Kind.THROTTLED, code=429),
            PORTAL,
        ],
    ),
    "telnyx": Example(
        [
            Asked(
                "POST",
                "https://api.telnyx.com/v2/messages",
                JSON | {"Authorization": "Bearer <TELNYX_API_KEY>"},
                {"from": "+447700900123", "to": "+923001234567", "text": NASTY, "webhook_url": hook("telnyx")},
            )
        ],
        [
            Answered(200, {"data": {"id": "4031", "to": [{"status": "queued"}], "errors": []}}, Kind.TAKEN, ("4031",)),
            Answered(200, {"data": {"id": None}}, Kind.UNKNOWN, code=200),
            Answered(422, {"errors": [{"code": "40001", "title": "Not routable"}]}, Kind.PERMANENT, code="40001"),
            Answered(400, {"errors": [{"code": "40011", "title": "Too many"}]}, Kind.THROTTLED, code="40011"),
            Answered(403, {"errors": [{"code": "10010", "title": "Forbidden"}]}, Kind.ACCOUNT, code="10010"),
            Answered(503, "<html>upstream</html>", Kind.UNKNOWN, code=503),
            PORTAL,
        ],
    ),
    "sinch": Example(
        [
            Asked(
                "POST",
                "https://eu.sms.api.sinch.com/xms/v1/plan1/batches",
                JSON | {"Authorization": "Bearer <SINCH_API_TOKEN>"},
                {
                    "type": "mt_text",
                    "from": "447700900123",
                    "to": ["923001234567"],
                    "body": NASTY,
                    "delivery_report": "per_recipient",
                    "callback_url": f"{hook('sinch')}?key=hook7",
                    "client_reference": "SM7",
                    "expire_at": "2023-11-14T22:14:20Z",
                },
                is_limited=True,
            )
        ],
        [
            Answered(201, {"id": SINCH_ID}, Kind.TAKEN, (SINCH_ID,)),
            Answered(400, {"code": "syntax_invalid_json", "text": "to"}, Kind.PERMANENT, code="syntax_invalid_json"),
            Answered(403, {"code": "forbidden"}, Kind.ACCOUNT, code="forbidden"),
            Answered(429, {}, Kind.THROTTLED, code=429),
            Answered(302, "", Kind.ACCOUNT, code=302),
            PORTAL,
        ],
    ),
    "messagebird": Example(
        [
            Asked(
                "POST",
                "https://rest.messagebird.com/messages",
                FORM | {"Authorization": "AccessKey <MESSAGEBIRD_ACCESS_KEY>"},
                MESSAGEBIRD.format(QUOTED_NASTY, "datacoding=plain&validity=60").encode(),
                is_limited=True,
            ),
            Asked(
                "POST",
                "https://rest.messagebird.com/messages",
                FORM | {"Authorization": "AccessKey <MESSAGEBIRD_ACCESS_KEY>"},
                MESSAGEBIRD.format("%D8%B3%D9%84", "datacoding=unicode").encode(),
                ARABIC,
            ),
        ],
        [
            Answered(201, {"id": "e8077d", "recipients": {"totalSentCount": 1}}, Kind.TAKEN, ("e8077d",)),
            Answered(422, {"errors": [{"code": 10, "description": "invalid"}]}, Kind.PERMANENT, code=10),
            Answered(422, {"errors": [{"code": 25, "description": "no balance"}]}, Kind.ACCOUNT, code=25),
            Answered(500, {"errors": [{"code": 99}]}, Kind.TEMPORARY, code=99),
            Answered(500, "", Kind.UNKNOWN, code=500),
            Answered(429, {}, Kind.THROTTLED, code=429),
            PORTAL,
        ],
        source="Bank",
    ),
    "africastalking": Example(
        [
            Asked(
                "POST",
                "https://api.africastalking.com/version1/messaging",
                FORM | {"apikey": "<AFRICASTALKING_API_KEY>", "Accept": "application/json"},
                f"username=sandbox&to=%2B923001234567&message={QUOTED_NASTY}&from=447700900123".encode(),
            )
        ],
        [
            Answered(201, africa({"statusCode": 101, "messageId": "ATXid_1"}), Kind.TAKEN, ("ATXid_1",)),
            Answered(201, africa(words="InvalidSenderId"), Kind.PERMANENT, code="InvalidSenderId"),
            Answered(201, africa(words="Sent to 0/1 Total Cost: 0"), Kind.PERMANENT, code=201),
            Answered(201, africa({"statusCode": 403, "messageId": "None"}), Kind.PERMANENT, code=403),
            Answered(201, africa({"statusCode": 405, "messageId": "None"}), Kind.ACCOUNT, code=405),
            Answered(201, africa({"statusCode": 401, "messageId": "None"}), Kind.UNKNOWN, code=401),
            Answered(201, africa({"statusCode": 500, "messageId": "None"}), Kind.TEMPORARY, code=500),
            Answered(401, "The supplied authentication is invalid", Kind.ACCOUNT, code=401),
            PORTAL,
        ],
    ),
    "clickatell": Example(
        [
            Asked(
                "POST",
                "https://platform.clickatell.com/v1/message",
                JSON | {"Authorization": "<CLICKATELL_API_KEY>", "Accept": "application/json"},
                {
                    "messages": [
                        {
                            "channel": "sms",
                            "to": "923001234567",
                            "from": "447700900123",
                            "content": NASTY,
                            "clientMessageId": "SM7",
                        }
                    ]
                },
            )
        ],
        [
            Answered(202, clickatell(True), Kind.TAKEN, ("c-1",)),
            Answered(207, clickatell(False, 25), Kind.PERMANENT, code=25),
            Answered(207, clickatell(False, 43), Kind.THROTTLED, code=43),
            Answered(207, clickatell(False, 20), Kind.ACCOUNT, code=20),
            Answered(207, clickatell(False, 19), Kind.TEMPORARY, code=19),
            Answered(207, clickatell(False), Kind.UNKNOWN, code=207),
            PORTAL,
        ],
    ),
    "unifonic": Example(
        [
            Asked(
                "POST",
                "https://el.cloud.unifonic.com/rest/SMS/messages",
                FORM,
                (
                    f"AppSid=%3CUNIFONIC_APP_SID%3E&SenderID=Bank&Recipient=923001234567&Body={QUOTED_NASTY}"
                    f"&responseType=JSON&CorrelationID=SM7&statusCallback={quoted_hook('unifonic')}%3Fkey%3Dhook7"
                ).encode(),
            )
        ],
        [
            Answered(200, {"success": True, "data": {"MessageID": 3200017889310}}, Kind.TAKEN, ("3200017889310",)),
            Answered(200, {"success": "true", "data": {"MessageID": "17"}}, Kind.TAKEN, ("17",)),
            Answered(200, {"success": False, "errorCode": "ER-482", "message": "x"}, Kind.PERMANENT, code="ER-482"),
            Answered(401, {"success": False, "errorCode": "ER-401"}, Kind.ACCOUNT, code="ER-401"),
            Answered(500, "", Kind.UNKNOWN, code=500),
            PORTAL,
        ],
        source="Bank",
    ),
    "routemobile": Example(
        [
            Asked("GET", ROUTE.format(0, QUOTED_NASTY)),
            Asked("GET", ROUTE.format(2, "06330644"), text=ARABIC),
        ],
        [
            Answered(200, "1701|923001234567:bc5f7425-c98c", Kind.TAKEN, ("bc5f7425-c98c",)),
            Answered(200, "1701|923001234567|bc5f7425-c98c\n", Kind.TAKEN, ("bc5f7425-c98c",)),
            Answered(200, "1025", Kind.ACCOUNT, code="1025"),
            Answered(200, "1703", Kind.ACCOUNT, code="1703"),
            Answered(200, "1706|923001234567", Kind.PERMANENT, code="1706"),
            Answered(200, "1710", Kind.TEMPORARY, code="1710"),
            Answered(200, "9999", Kind.UNKNOWN, code="9999"),
            PORTAL,
        ],
        source="EXMPLE",
    ),
    "telenor": Example(
        [
            Asked("GET", TELENOR.format(QUOTED_NASTY)),
            Asked("GET", TELENOR.format("%D8%B3%D9%84") + "&unicode=true", text=ARABIC),
        ],
        [
            Answered(200, telenor("OK", "150033"), Kind.TAKEN, ("150033",)),
            Answered(200, telenor("OK", "150033,150034"), Kind.TAKEN, ("150033",)),
            Answered(200, telenor("Error", "Error 102 Session expired"), Kind.LOG_IN_AGAIN, code="102"),
            Answered(200, telenor("Error", "Error 211"), Kind.PERMANENT, code="211"),
            Answered(500, "", Kind.UNKNOWN, code=500),
            PORTAL,
        ],
        source="Bank",
        session="s 1",
    ),
    "zong": Example(
        [
            Asked(
                "POST",
                "http://cbs.zong.com.pk/reachcwsv2/corporatesms.svc",
                {
                    "Content-Type": "text/xml; charset=utf-8",
                    "SOAPAction": '"http://tempuri.org/ICorporateSMS/QuickSMS"',
                },
                b'<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body>\n'
                b'<QuickSMS xmlns="http://tempuri.org/"><obj_QuickSMS>\n'
                b"<loginId>&lt;ZONG_LOGIN_ID&gt;</loginId><loginPassword>&lt;ZONG_PASSWORD&gt;</loginPassword>\n"
                b"<Destination>923001234567</Destination><Mask>Bank</Mask>"
                b"<Message>a&amp;b &quot;c&quot; &lt;d&gt; {{from}}</Message>\n"
                b"<UniCode>0</UniCode><ShortCodePrefered>n</ShortCodePrefered>\n"
                b"</obj_QuickSMS></QuickSMS></soap:Body></soap:Envelope>\n",
            )
        ],
        [
            Answered(200, zong("Submitted Successfully"), Kind.TAKEN),
            Answered(200, zong("Invalid Mask"), Kind.PERMANENT, code=200),
            Answered(500, soap("<s:Fault><faultcode>s:Client</faultcode></s:Fault>"), Kind.ACCOUNT, code=500),
            Answered(500, "", Kind.UNKNOWN, code=500),
            Answered(404, "", Kind.ACCOUNT, code=404),
            PORTAL,
        ],
        source="Bank",
    ),
    "kannel": Example(
        [
            Asked("GET", KANNEL.format(f"{QUOTED_NASTY}&charset=UTF-8&coding=0")),
            # nyaruka/courier 1029 and 1030: octets of UTF-16, and no charset
            Asked("GET", KANNEL.format("%063%06D&coding=2&validity=1"), text=ARABIC, is_limited=True),
        ],
        [
            Answered(202, "0: Accepted for delivery", Kind.TAKEN, ("SM7",)),
            Answered(202, "3: Queued for later delivery", Kind.TAKEN, ("SM7",)),
            Answered(403, "Authorization failed for sendsms", Kind.ACCOUNT, code=403),
            Answered(400, "Missing receiver number, rejected", Kind.PERMANENT, code=400),
            Answered(503, "Temporal failure, try again later.", Kind.TEMPORARY, code=503),
            PORTAL,
        ],
    ),
    "jasmin": Example(
        [
            Asked("POST", "http://127.0.0.1:1401/send", FORM,
                  JASMIN.format(f"content={QUOTED_NASTY}&coding=0").encode()),
            Asked("POST", "http://127.0.0.1:1401/send", FORM,
                  JASMIN.format("hex-content=06330644&coding=8&validity-period=1").encode(), ARABIC, is_limited=True),
        ],
        [
            Answered(200, f'Success "{JASMIN_ID}"', Kind.TAKEN, (JASMIN_ID,)),
            Answered(403, 'Error "User throughput exceeded"', Kind.THROTTLED, code=403),
            Answered(403, 'Error "Authentication failure for username:x"', Kind.ACCOUNT, code=403),
            Answered(400, 'Error "Argument [to] has an invalid value"', Kind.PERMANENT, code=400),
            Answered(412, 'Error "No route found"', Kind.PERMANENT, code=412),
            Answered(503, 'Error "interceptor"', Kind.TEMPORARY, code=503),
            PORTAL,
        ],
    ),
    "taqnyat": Example(
        [
            Asked(
                "POST",
                "https://api.taqnyat.sa/v1/messages",
                JSON | {"Authorization": "Bearer <TAQNYAT_BEARER_TOKEN>"},
                {"recipients": ["923001234567"], "body": NASTY, "sender": "Bank"},
            )
        ],
        [
            Answered(201, {"messageId": 5452899970, "accepted": "[923001234567,]", "rejected": "[]"}, Kind.TAKEN,
                     ("5452899970",)),
            Answered(201, {"messageId": 5452899970, "accepted": "[]", "rejected": "[923001234567,]"}, Kind.PERMANENT,
                     code="rejected"),
            Answered(401, {"statusCode": 401, "message": "no"}, Kind.ACCOUNT, code=401),
            Answered(400, {"statusCode": 400, "message": "no"}, Kind.PERMANENT, code=400),
            PORTAL,
        ],
        source="Bank",
    ),
}  # fmt: skip

ENVIRONMENT = {
    "INFOBIP_HOST": "xyz.api.infobip.com",
    "PLIVO_AUTH_ID": "PA",
    "SINCH_REGION": "eu",
    "SINCH_SERVICE_PLAN_ID": "plan1",
    "AFRICASTALKING_USERNAME": "sandbox",
    "ROUTE_SERVER": "route.example",
    "ROUTE_ENTITY_ID": "1101",
    "ROUTE_TEMPLATE_ID": "1107",
    "PUBLIC_URL": "https://sms.example.org",
    "TELNYX_PUBLIC_KEY": "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",  # RFC 8032 section 7.1
    "SINCH_HOOK_KEY": "hook7",
    "INFOBIP_HOOK_KEY": "hook7",
    "UNIFONIC_HOOK_KEY": "hook7",
}
