"""The alphabet of a body: what ``charset=`` of its Content-Type says, UTF-8 if it says nothing.

Only the alphabets of the table are known. Python would find others by their names, some of which are no alphabets, or
run for long; and it remembers each name that it has been asked for.
"""

import re

from smsconnector.errors import InvalidRequest

_CHARSET = re.compile(r""";\s*charset\s*=\s*["']?([^"';]*)""", re.IGNORECASE)
# As browsers do (WHATWG Encoding): Latin-1 is read as windows-1252, which has more. Who says ASCII may write UTF-8.
_CODECS = {
    "": "utf-8-sig",
    "utf-8": "utf-8-sig",
    "utf8": "utf-8-sig",
    "us-ascii": "utf-8-sig",
    "ascii": "utf-8-sig",
    "utf-16": "utf-16",
    "utf16": "utf-16",
    "utf-16le": "utf-16-le",
    "utf-16be": "utf-16-be",
    "iso-8859-1": "cp1252",
    "iso8859-1": "cp1252",
    "latin-1": "cp1252",
    "latin1": "cp1252",
    **{f"iso-8859-{number}": f"iso8859-{number}" for number in (2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16)},
    **{f"{prefix}{number}": f"cp{number}" for prefix in ("windows-", "cp") for number in range(1250, 1259)},
    "koi8-r": "koi8-r",
    "gbk": "gb18030",
    "gb2312": "gb18030",
    "gb18030": "gb18030",
    "big5": "big5",
    "shift-jis": "shift_jis",
    "euc-jp": "euc_jp",
    "euc-kr": "euc_kr",
}


def decode(octets: bytes, content_type: str) -> tuple[str, str]:
    """The body as text, and the codec of octets that are escaped in it. Raises InvalidRequest."""
    if ";" not in content_type and octets.isascii():  # by far the most: no other reading is possible
        return octets.decode("ascii"), "utf-8"
    found = _CHARSET.search(content_type) if ";" in content_type else None
    name = found[1].strip() if found else ""
    codec = _CODECS.get(name.lower().replace("_", "-"))
    if codec is None:
        raise InvalidRequest(
            "wrong_encoding", f"The charset {name[:32]!a} of Content-Type is not known here: use utf-8."
        )
    if codec == "utf-16" and octets[:2] not in (b"\xfe\xff", b"\xff\xfe"):
        codec = "utf-16-be" if octets[:1] == b"\0" else "utf-16-le"  # a form and JSON begin with ASCII
    try:
        text = octets.decode(codec)
    except UnicodeDecodeError:
        raise InvalidRequest(
            "wrong_encoding", f"The body is not {(name or 'UTF-8')[:32]}: encode it so, or name its charset."
        ) from None
    return text, "utf-8" if codec.startswith("utf") else codec
