"""What is said about a key of the configuration that is not known there: which one was meant.

Looked for in this order: the same word written otherwise (``systemId``, ``system-id``); a name that other gateways or
brokers have for it (``host`` and ``port`` for ``endpoint``); a word that is nearly the same (``widnow``); the place
where the key belongs (``retention`` under ``http``). Only names of keys are compared: no value is ever looked at.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches

NEAR = 0.7  # the least likeness (difflib's ratio) of two words of which one is a typing mistake
MOST_LISTED = 12  # keys of a small section are all named, if nothing is near

MOST_PLACES = 3  # of a key that is known at many

# Names that others have, as ``_plain`` makes them, and ours; of several the first that the section knows. The last part
# says how the value is written here, where that differs.
_ENDPOINT = ' and write its value as "tcp:HOST:PORT" or "tls:HOST:PORT"'
_URI = ' and write its value as "tcp://HOST:61613"'
_LISTEN = ' and write its value as ["tcp:PORT:interface=ADDRESS"]'
_FILE = " and write the path of a file there"
_WHERE = (("endpoint", _ENDPOINT), ("uri", _URI), ("url", ""), ("endpoints", _LISTEN))
_WHO = (("system_id", ""), ("login", ""), ("account_sid", ""))
_SECRET = (("password", ""), ("passcode", ""), ("auth_token", ""), ("secret", ""))
_SPEED = (("throughput", " (submit_sm a second)"), ("rate_limit", " (requests a second)"))
_SENDER = (("source", ""), ("from", ""))
_OTHERS: Mapping[str, Sequence[tuple[str, str]]] = {
    **dict.fromkeys(("host", "port", "hostname", "ip", "address", "server", "smsc", "smschost", "smscport"), _WHERE),
    **dict.fromkeys(("url", "uri", "endpoint", "broker", "brokers", "brokerurl", "listen", "connection"), _WHERE),
    **dict.fromkeys(("user", "username", "login", "account", "accountid", "sysid", "smscusername", "sid"), _WHO),
    **dict.fromkeys(("pass", "passwd", "pwd", "passphrase", "password", "passcode", "smscpassword", "token"), _SECRET),
    **dict.fromkeys(("tps", "mps", "rate", "maxtps", "speed", "submitthroughput", "ratelimit"), _SPEED),
    **dict.fromkeys(("sender", "from", "sourceaddr", "senderid", "defaultsender", "sourceaddress"), _SENDER),
    **dict.fromkeys(("windowsize", "maxoutstanding", "maxpendingsubmits", "inflight"), (("window", ""),)),
    **dict.fromkeys(("bindtype", "bindmode", "transceivermode", "bind"), (("mode", ""),)),
    **dict.fromkeys(("ssl", "usessl", "usetls", "secure"), (("tls", ", and begin the endpoint with tls:"),)),
    **dict.fromkeys(("sourceaddrton", "srcton", "srcaddrton"), (("source_ton", ""),)),
    **dict.fromkeys(("sourceaddrnpi", "srcnpi", "srcaddrnpi"), (("source_npi", ""),)),
    **dict.fromkeys(("destaddrton", "dstton", "dstaddrton"), (("dest_ton", ""),)),
    **dict.fromkeys(("destaddrnpi", "dstnpi", "dstaddrnpi"), (("dest_npi", ""),)),
    **dict.fromkeys(("enquirelink", "elinkinterval", "keepalive"), (("enquire_link_interval", ""), ("heartbeat", ""))),
    **dict.fromkeys(("db", "database", "file", "filename", "dsn"), (("path", _FILE),)),
    **dict.fromkeys(("apikey", "keys", "tokens"), (("api_keys", " and write a list there: [KEY]"),)),
    **dict.fromkeys(("deliveryreports", "dlr", "dlrqueue", "reportqueue", "queue"), (("delivery_report", ""),)),
    **dict.fromkeys(("incoming", "mo", "moqueue", "incomingmessages"), (("incoming_message", ""),)),
    **dict.fromkeys(("vhost",), (("virtual_host", ""),)),
    **dict.fromkeys(("ttl", "expiry", "validityperiod"), (("lifetime", " (seconds)"),)),
    **dict.fromkeys(("ca", "cafile", "cacert", "cacertificate", "truststore"), (("ca_file", ""), ("tls", ""))),
    **dict.fromkeys(("cert", "certfile", "certificate"), (("certificate_file", ""), ("tls", ""))),
    **dict.fromkeys(("country", "region", "defaultregion", "countrycode"), (("default_country", ""),)),
}


def about_unknown(key: str, known: Collection[str], elsewhere: Mapping[str, Sequence[str]] | None = None) -> str:
    """The sentence about ``key``, which is none of the ``known`` keys of its section. ``elsewhere``: by its name where
    each key of the whole configuration belongs."""
    by_plain = {_plain(one): one for one in known}
    if (same := by_plain.get(_plain(key))) is not None:
        return f"no such key: did you mean {same}?"
    for ours, how in _OTHERS.get(_plain(key), ()):
        if ours in known:
            return f"no such key: use {ours} instead{how}" if how.startswith(" and") else _meant(ours, how)
    if near := _nearest(key, by_plain):
        return f"no such key: did you mean {near}?"
    return _elsewhere(key, elsewhere or {}) or _nothing_near(known)


def _elsewhere(key: str, places: Mapping[str, Sequence[str]]) -> str | None:
    if key in places:
        return f"no such key here: it belongs under {_listed(places[key])}"
    near = _nearest(key, {_plain(one): one for one in places})
    return near and f"no such key here: did you mean {near}? It belongs under {_listed(places[near])}"


def _nothing_near(known: Collection[str]) -> str:
    if 0 < len(known) <= MOST_LISTED:
        return f"no such key: the keys here are {', '.join(sorted(known))}"
    return "no such key: look for a typing mistake"


def glued(key: str) -> str | None:
    """Of a key like ``password:secret`` the name alone: the blank behind its colon is missing, so what follows is the
    value, and may be a secret. None if it is no such key."""
    name, colon, _ = key.partition(":")
    return name if colon else None


def about_glued(name: str) -> str:
    """The sentence about such a key."""
    return f"a blank is missing behind the colon: write {name}: VALUE"


def _meant(ours: str, how: str) -> str:
    return f"no such key: did you mean {ours}{how}?" if not how.startswith(",") else f"no such key: use {ours}{how}"


def _nearest(key: str, by_plain: Mapping[str, str]) -> str | None:
    found = get_close_matches(_plain(key), by_plain, 1, NEAR)
    return by_plain[found[0]] if found else None


def _listed(places: Sequence[str]) -> str:
    shown = places[:MOST_PLACES]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} or {shown[-1]}"


def _plain(key: str) -> str:
    """Without case and what separates words."""
    return re.sub(r"[^a-z0-9]", "", key.lower())
