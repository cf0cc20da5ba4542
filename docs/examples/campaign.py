"""Send a text to each number that stands on a line of standard input. A second run sends nothing twice."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator

from smsconnector.client import AsyncClient, Text

URL = os.environ.get("SMS_URL", "http://127.0.0.1:8080/msg-client")


async def customers() -> AsyncIterator[Text]:
    """They may come from a database as well: they are taken some hundred at a time, as they are sent."""
    for line in sys.stdin:
        number = line.strip()
        yield Text(to=number, body="We open again on Monday.", idempotency_key=f"opening-{number.lstrip('+')}")


async def main() -> None:
    async with AsyncClient(URL, key=os.environ.get("SMS_KEY")) as client:
        async for result in client.send_batch(customers()):
            print(result.index, result.sid or result.error)


if __name__ == "__main__":
    asyncio.run(main())
