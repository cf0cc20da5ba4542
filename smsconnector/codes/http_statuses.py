"""The status of an HTTP answer, where a provider gave no code of its own (RFC 9110 section 15)."""

from smsconnector.codes.actions import Action, by_code

STATUSES = by_code(
    {
        Action.FIX_THE_CONFIGURATION: {
            401: "the provider does not take our key or password",
            403: "the account may not do this",
            404: "there is no such account or path at the provider",
            405: "that server takes no texts",
            407: "a proxy wants a password",
            410: "there is no such path at the provider any more",
            415: "the provider does not take requests of this form",
        },
        Action.CALL_THE_CARRIER: {402: "the account has to be paid for"},
        Action.FIX_THE_TEXT: {
            400: "the provider refuses the request, and does not say why",
            413: "the request is too long for the provider",
            422: "the provider refuses the request, and does not say why",
        },
        Action.RETRY_LATER: {
            408: "the provider did not get the request in time",
            409: "the request was at odds with another one",
            425: "the request came too early",
            429: "the requests come too fast",
            500: "a failure of the provider",
            502: "a failure of the provider",
            503: "the provider is not available",
            504: "a failure of the provider",
        },
    }
)
