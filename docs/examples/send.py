"""Send a text to the number that is given, and wait for its end."""

import os
import sys
import time

from smsconnector.client import Client, ClientError

URL = os.environ.get("SMS_URL", "http://127.0.0.1:8080/msg-client")


def main(to: str) -> str | None:
    """None, or what went wrong."""
    with Client(URL, key=os.environ.get("SMS_KEY")) as client:
        try:
            sent = client.send(to, "Your table is booked.", reference="booking 4711", validity_period=3600)
            print("accepted", sent.sid)
            while not (message := client.message(sent.sid)).is_final:
                time.sleep(1)
        except ClientError as error:
            return str(error)
    print(message.delivery_status, message.sid)
    if message.explanation is not None and message.explanation.action is not None:
        return f"{message.explanation.text} ({message.explanation.action})"
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
