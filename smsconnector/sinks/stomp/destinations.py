"""How people write the queue that events go to, and how STOMP brokers want it.

STOMP 1.2 leaves the syntax of destinations to the broker. ActiveMQ and RabbitMQ agree on ``/queue/`` and ``/topic/``.
RabbitMQ has ``/amq/queue/`` for a queue that was declared elsewhere, and ``/exchange/``. A JMS client writes
``queue://``. A name that begins otherwise would be a queue of that literal name, which nobody reads.
"""

_JMS = {"queue://": "/queue/", "topic://": "/topic/"}
_STOMP = ("/queue/", "/topic/", "/amq/queue/", "/exchange/")


def destination_of(written: str) -> str:
    """The header ``destination`` of a SEND: a bare name is a queue, and so is ``queue://name``; what begins as STOMP
    brokers know it stays. ValueError, with a sentence that says what to write, for any other beginning or no name."""
    written = written.strip()
    for jms, stomp in _JMS.items():
        if written.lower().startswith(jms):
            written = stomp + written[len(jms) :]
    known = next((prefix for prefix in _STOMP if written.startswith(prefix)), "")
    name = written[len(known) :]
    if not name.strip() or (not known and (name.startswith(("/", "queue:", "topic:")) or "://" in name)):
        wanted = "name, queue://name, topic://name, " + ", ".join(f"{prefix}name" for prefix in _STOMP)
        raise ValueError(f"{written!r} is no destination: write one of {wanted}.")
    return written if known else f"/queue/{name}"
