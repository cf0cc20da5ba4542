"""Which protocol the other side speaks, if it is not the one that was meant: by its first octets, and by its port.

A wrong port is among the commonest faults of a new configuration. ActiveMQ has six of them, and RabbitMQ as many.

Sources: OpenWire's WireFormatInfo; AMQP 0-9-1 section 4.2.2 and AMQP 1.0 section 2.2; MQTT 3.1.1 and 5.0 section 3.2
(CONNACK); RFC 9112 section 4 (HTTP); RFC 8446 section 5.1 (TLS); RFC 4253 section 4.2 (SSH); RFC 5321 section 4.2
(SMTP); STOMP 1.2; SMPP 3.4 section 5.1. The ports are those of IANA and of the brokers' shipped configurations.
"""

import re
from collections.abc import Mapping
from typing import Literal

Wanted = Literal["SMPP", "STOMP"]
ENOUGH = 16  # octets from the start of a connection, by which every protocol here is known

# What an SMSC says first: a response to a bind or to rubbish, outbind, or a request; after a command_length.
_SMPP = rb"\x00[\x00-\xff]{3}(?:\x80\x00\x00[\x00\x01\x02\x09\x15]|\x00\x00\x00[\x06\x0b\x15])"
_PATTERNS: Mapping[str, "re.Pattern[bytes]"] = {
    "OpenWire": re.compile(rb"(?:[\x00-\xff]{4})?\x01ActiveMQ"),
    "AMQP": re.compile(rb"AMQP"),
    "MQTT": re.compile(rb"\x20(?:\x02[\x00\x01][\x00-\x05]|[\x03-\x7f][\x00\x01][\x00\x80-\xa2])"),
    "HTTP": re.compile(rb"HTTP|<!DO|<htm", re.IGNORECASE),
    "TLS": re.compile(rb"[\x15\x16]\x03[\x00-\x04]"),
    "SSH": re.compile(rb"SSH-"),
    "SMTP or FTP": re.compile(rb"220[ -]"),
    "STOMP": re.compile(rb"[\r\n]*(?:ERRO|CONN)"),
    "SMPP": re.compile(_SMPP),
}
_AS = {"STOMP": ", as brokers do", "SMPP": ", as SMSCs do"}
_PORTS_OF = {"SMPP": 2775, "STOMP": 61613}
_WRITE = {  # how an endpoint begins: with TLS, without
    "SMPP": ("tls:", "tcp:"),
    "STOMP": ("ssl://", "tcp://"),
}

# What mostly listens there: SMPP and STOMP by their names, so that it is seen which of them was meant.
_PORTS: Mapping[int, tuple[str, bool]] = {  # protocol, and whether by TLS
    22: ("SSH", False),
    25: ("SMTP", False),
    80: ("HTTP", False),
    443: ("HTTPS", True),
    1883: ("MQTT", False),
    2775: ("SMPP", False),
    3550: ("SMPP", True),
    5671: ("AMQP", True),
    5672: ("AMQP", False),
    8080: ("HTTP", False),
    8161: ("ActiveMQ's console", False),
    8162: ("ActiveMQ's console", True),
    8443: ("HTTPS", True),
    8883: ("MQTT", True),
    15671: ("RabbitMQ's console", True),
    15672: ("RabbitMQ's console", False),
    15673: ("STOMP over WebSocket", True),
    15674: ("STOMP over WebSocket", False),
    15675: ("MQTT over WebSocket", False),
    61613: ("STOMP", False),
    61614: ("STOMP", True),
    61616: ("OpenWire", False),
    61617: ("OpenWire", True),
    61619: ("STOMP over WebSocket", True),
}


def protocol_of(first: bytes) -> str | None:
    """The protocol that begins with these octets; None if they are too few, or like none that is known."""
    return next((name for name, pattern in _PATTERNS.items() if pattern.match(first)), None)


def spoken_instead(first: bytes, wanted: Wanted) -> str:
    """What the other side speaks, and what to do about it, as a sentence without its end; "" if it may be what is
    ``wanted``. ``first``: the first octets of the connection, ``ENOUGH`` or fewer."""
    name = protocol_of(first)
    if name is None or name == wanted:
        return ""
    if name == "TLS":
        return f"it speaks TLS: write {_WRITE[wanted][0]} before the address"
    whose = "ActiveMQ's STOMP" if name == "OpenWire" and wanted == "STOMP" else wanted
    return f"it speaks {name}{_AS.get(name, '')}: {whose} is at another port, mostly {_PORTS_OF[wanted]}"


def unlikely_port(port: int, wanted: Wanted, tls: bool) -> str | None:
    """A sentence without its end, if something else is mostly spoken at that port; None if nothing is known of it.
    ``tls``: whether it is reached by TLS."""
    if port not in _PORTS:
        return None
    name, by_tls = _PORTS[port]
    if name != wanted:
        how = " by TLS" if by_tls and name in ("SMPP", "STOMP", "AMQP", "MQTT", "OpenWire") else ""
        return f"port {port} is mostly {name}{how}: {wanted} is mostly at {_PORTS_OF[wanted]}"
    if by_tls is tls:
        return None
    with_tls, without = _WRITE[wanted]
    if tls:
        return f"port {port} is mostly {name} without TLS: for that write {without}"
    if port == 61614:
        return f"port {port} is mostly {name} by TLS, or over WebSocket: for TLS write {with_tls}"
    return f"port {port} is mostly {name} by TLS: for that write {with_tls}"
