"""How Twilio calls us: what became of a text, and what a customer has written.

The fields are those of Twilio's pages "Outbound message status in status callbacks" and "Twilio's request to your
incoming message webhook". A word of MessageStatus that nobody knows is progress: Twilio adds some without notice. A
text is answered by an empty TwiML document, because a plain text would be sent to the customer.
"""

from collections.abc import Sequence

from pydantic import SecretStr

from smsconnector.hook_sections import IncomingSection, NotificationSection, hooks_of
from smsconnector.hook_sections.verify import TwilioVerifySection
from smsconnector.hooks.hook import Hooks

_NOTIFICATION = NotificationSection.model_validate(
    {
        "id": ["MessageSid", "SmsSid"],
        "status": ["MessageStatus", "SmsStatus"],
        "statuses": {
            "delivered": "delivered",
            "read": "delivered",
            "undelivered": "failed",
            "failed": "failed",
            "canceled": "failed",
        },
        "code": "ErrorCode",
        "recipient": "To",
        "answer": {"status": 204},
    }
)
_INCOMING = IncomingSection.model_validate(
    {
        "method": ["GET", "POST"],
        "from": "From",
        "to": "To",
        "text": "Body",
        "id": ["MessageSid", "SmsSid"],
        "answer": {"content_type": "text/xml", "body": "<Response/>"},
    }
)


def twilio_hooks(tokens: Sequence[str], public_url: str | None) -> Hooks:
    """Both webhooks. ``tokens``: each may have signed. Without any, or without a public_url, which is signed too, an
    API key is asked for instead."""
    verify = None
    if tokens and public_url is not None:
        verify = TwilioVerifySection(type="twilio", tokens=[SecretStr(one) for one in tokens])
    return hooks_of(_NOTIFICATION, _INCOMING, public_url, verify)
