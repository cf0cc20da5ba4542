"""How Twilio calls us: its signature by its own library, its words, and what is answered."""

from dataclasses import replace
from urllib.parse import urlencode

from twilio.request_validator import RequestValidator
from twisted.trial.unittest import SynchronousTestCase

from smsconnector.config import parse
from smsconnector.hooks.documents import Body
from smsconnector.hooks.hook import Hooks
from smsconnector.hooks.reading import Source, read
from smsconnector.hooks.requests import HookRequest
from smsconnector.messages import Finality

PUBLIC = "https://sms.example.org"
CONFIGURATION = """
http: {public_url: "https://sms.example.org"}
channels:
  cloud:
    type: twilio
    account_sid: AC1
    auth_token: [first-token, second-token]
    from: "+15005550006"
"""
STATUS = {
    "MessageSid": "SM9",
    "MessageStatus": "delivered",
    "To": "+15005550001",
    "From": "+15005550006",
    "FromCity": "",
}


def hooks_of(text: str) -> Hooks:
    return parse(text, {}).hooks["cloud"]


class TwilioHooksCase(SynchronousTestCase):
    def request(self, target: str, fields: dict[str, str], token: str) -> HookRequest:
        signature = RequestValidator(token).compute_signature(PUBLIC + target, fields)
        headers = {
            b"content-type": [b"application/x-www-form-urlencoded"],
            b"x-twilio-signature": [signature.encode()],
        }
        return HookRequest("POST", target, headers, urlencode(fields).encode(), "192.0.2.1", PUBLIC)

    def test_signature(self) -> None:
        """Either token may have signed, for the path with our own id too; another token, and other fields, may not."""
        hook = hooks_of(CONFIGURATION).notification
        target = "/msg-client/cloud/delivery-notification/SM01"
        assert hook.verifier is not None
        for token in ("first-token", "second-token"):
            self.assertIsNone(hook.verifier.fault(self.request(target, STATUS, token), 0.0), token)
        good = self.request(target, STATUS, "first-token")
        self.assertIsNotNone(hook.verifier.fault(self.request(target, STATUS, "third-token"), 0.0))
        self.assertIsNotNone(hook.verifier.fault(replace(good, body=good.body.replace(b"delivered", b"failed")), 0.0))

    def test_words(self) -> None:
        """A status by our id or Twilio's; words of next year are progress."""
        hook = hooks_of(CONFIGURATION).notification
        cases = {"delivered": Finality.DELIVERED, "read": Finality.DELIVERED, "undelivered": Finality.FAILED}
        for word, finality in (cases | {"failed": Finality.FAILED, "sent": Finality.PROGRESS}).items():
            fields = STATUS | {"MessageStatus": word, "ErrorCode": "30003" if finality is Finality.FAILED else ""}
            request = self.request("/x", fields, "first-token")
            found = read(request, Body(request.body.decode()), hook.readings, Source("cloud", 0, "SM01"))
            self.assertEqual([(one.smsc_id, one.finality) for one in found.receipts], [("SM01", finality)], word)
        self.assertEqual(hook.answer.status, 204)

    def test_text(self) -> None:
        """A customer's text, answered by an empty document: a plain text would be sent to the customer."""
        hook = hooks_of(CONFIGURATION).incoming
        fields = {"MessageSid": "SM5", "From": "+15005550001", "To": "+15005550006", "Body": "hello", "NumMedia": "0"}
        request = self.request("/x", fields, "first-token")
        found = read(request, Body(request.body.decode()), hook.readings, Source("cloud", 0))
        (text,) = found.texts
        self.assertEqual((text.sid, text.source, text.text), ("SM5", "+15005550001", "hello"))
        self.assertEqual((hook.answer.content_type, hook.answer.body), ("text/xml", "<Response/>"))

    def test_not_signed(self) -> None:
        """Without a public URL nothing can be compared, and a compatible provider may sign nothing: then the API key
        says who may call."""
        self.assertIsNone(hooks_of(CONFIGURATION.replace("http:", "# ")).notification.verifier)
        self.assertIsNone(hooks_of(f"{CONFIGURATION}    verify_signature: no\n").incoming.verifier)

    def test_opted_out(self) -> None:
        """Twilio's own code enters the list, where there is one."""
        rules = parse(f"{CONFIGURATION}    opt_out: {{codes: [30004]}}\n", {}).opt_out_rules["cloud"]
        self.assertEqual(set(rules.codes), {"21610", "30004"})
