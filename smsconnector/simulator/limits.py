"""What no SMSC takes: fields that are longer than SMPP 3.4 allows, and times that are none.

A real SMSC refuses them with the code of the field. So does this one, lest a mistake shows at the carrier first.
Passwords are not among them: the specification has 8 characters, and many SMSCs take more.
"""

import re
from typing import Any

from smsconnector.smpp.constants import Status

SERVICE_TYPE, ADDRESS, SHORT_MESSAGE = 5, 20, 254  # characters without the NUL, and octets (sections 4.4.1, 5.2.21)
SYSTEM_ID, SYSTEM_TYPE, ADDRESS_RANGE = 15, 12, 40  # characters without the NUL (section 4.1.1)

# Section 7.1.1: YYMMDDhhmmss, tenths, quarter hours from UTC and their sign; or a relative time, which ends with 000R.
_CLOCK = r"(?:[01]\d|2[0-3])[0-5]\d[0-5]\d"
TIME = (
    rf"(?:\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01]){_CLOCK}\d(?:[0-3]\d|4[0-8])[-+]"
    rf"|\d\d(?:0\d|1[0-2])(?:[0-2]\d|3[01]){_CLOCK}000R)?"
)
_is_time = re.compile(TIME, re.ASCII).fullmatch


def refusal_of_submit(fields: dict[str, Any]) -> Status | None:
    """Of the fields of a submit_sm, submit_multi or data_sm: the command_status that they get, or None."""
    destinations = [one["destination_addr"] for one in fields.get("dest_address", [fields]) if "dl_name" not in one]
    faults = (
        (len(fields["service_type"]) > SERVICE_TYPE, Status.ESME_RINVSERTYP),
        (len(fields["source_addr"]) > ADDRESS, Status.ESME_RINVSRCADR),
        (not all(0 < len(one) <= ADDRESS for one in destinations), Status.ESME_RINVDSTADR),
        (not _is_time(fields.get("schedule_delivery_time", "")), Status.ESME_RINVSCHED),
        (not _is_time(fields.get("validity_period", "")), Status.ESME_RINVEXPIRY),
        (len(fields.get("short_message", b"")) > SHORT_MESSAGE, Status.ESME_RINVMSGLEN),
    )
    return next((status for is_fault, status in faults if is_fault), None)


def refusal_of_bind(fields: dict[str, Any]) -> Status | None:
    """The same of a bind's fields."""
    for name, longest, status in (
        ("system_id", SYSTEM_ID, Status.ESME_RINVSYSID),
        ("system_type", SYSTEM_TYPE, Status.ESME_RINVSYSTYP),
        ("address_range", ADDRESS_RANGE, Status.ESME_RBINDFAIL),
    ):
        if len(fields[name]) > longest:
            return status
    return None
