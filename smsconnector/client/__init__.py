"""A client of the HTTP API, for applications in Python: ``Client``, and ``AsyncClient`` for asyncio.

::

    from smsconnector.client import Client

    with Client("http://127.0.0.1:8080/msg-client", key="...") as client:
        sent = client.send("+923001234567", "Hello", reference="order 4711")
        print(client.message(sent.sid).state)

It needs httpx (``pip install smsconnector[client]``), and nothing of the daemon but its words. ``docs/client.rst``
tells what is sent again, and when.

1. ``calls`` and ``batches`` make requests and read answers, ``courses`` decides what is sent again. They do no I/O:
   they are generators that ask for a request or a pause, and are told what came of it.
2. ``sync`` and ``asynchronous`` carry that out, by httpx.
"""

try:
    import httpx as _httpx  # noqa: F401 — whether it is there
except ImportError:
    raise ImportError(
        "smsconnector.client needs httpx, which is not installed: pip install 'smsconnector[client]'", name="httpx"
    ) from None

from smsconnector.client.answers import (
    Character,
    Explained,
    ExplainedPart,
    Explanation,
    Happening,
    Health,
    Message,
    Part,
    Timeline,
    Transliteration,
    Wait,
)
from smsconnector.client.asynchronous import AsyncClient
from smsconnector.client.batches import Result
from smsconnector.client.calls import Sent
from smsconnector.client.courses import Retries
from smsconnector.client.errors import (
    Busy,
    ClientError,
    NotAllowed,
    NotFound,
    Refused,
    TooLate,
    Unreachable,
    Unreadable,
)
from smsconnector.client.sync import Client
from smsconnector.client.texts import Fields, Query, Text

__all__ = [
    "AsyncClient",
    "Busy",
    "Character",
    "Client",
    "ClientError",
    "Explained",
    "ExplainedPart",
    "Explanation",
    "Fields",
    "Happening",
    "Health",
    "Message",
    "NotAllowed",
    "NotFound",
    "Part",
    "Query",
    "Refused",
    "Result",
    "Retries",
    "Sent",
    "Text",
    "Timeline",
    "TooLate",
    "Transliteration",
    "Unreachable",
    "Unreadable",
    "Wait",
]
