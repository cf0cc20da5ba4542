"""Incoming user data as a text: the header, its shift tables and its fill bits, all in one reading.

1. ``udh.split`` takes the user data header off, where UDHI says that there is one.
2. Its elements 0x24 and 0x25 select the national tables (3GPP TS 23.040 section 9.2.3.24.15 and .16); they count for
   this part of a text only, and each part brings its own.
3. The octets behind it are decoded by data_coding; packed ones after the fill bits that the header's length tells.
"""

from smsconnector.sms import alphabet, udh

Elements = list[tuple[int, bytes]]


def read(user_data: bytes, data_coding: int, default_alphabet: str, has_header: bool) -> tuple[str, Elements]:
    """The text, and the information elements for ``udh.find_concatenation``. ``user_data`` is short_message or
    message_payload as it came, ``has_header`` the UDHI of esm_class (SMPP 3.4 section 5.2.12), ``default_alphabet``
    what the SMSC means by data_coding 0. Never raises."""
    if not has_header:
        return alphabet.decode_data_coding(user_data, data_coding, default_alphabet), []
    elements, octets = udh.split(user_data)
    padding_bits = alphabet.fill_bits(len(user_data) - len(octets))
    locking, single = udh.find_shifts(elements)
    text = alphabet.decode_data_coding(octets, data_coding, default_alphabet, padding_bits, locking, single)
    return text, elements
