"""command_status (SMPP 3.4 section 5.1.3, with the additions of 5.0 section 4.7.6): numbers, names, words, actions.

``Status`` has the numbers under the specification's names. ``MEANINGS`` has for each what it means, once for everybody:
the log (``smpp.constants.describe_status``), the policy of refusals (``smpp.policy``: what is refused for now is tried
again), the doctor's advice and the API.
"""

import enum
from typing import NamedTuple

from smsconnector.codes.actions import Action


class Status(enum.IntEnum):
    """The numbers. Others are legal on the wire: 0x400 to 0x4FF are the SMSC's own."""

    ESME_ROK = 0x00000000
    ESME_RINVMSGLEN = 0x00000001
    ESME_RINVCMDLEN = 0x00000002
    ESME_RINVCMDID = 0x00000003
    ESME_RINVBNDSTS = 0x00000004
    ESME_RALYBND = 0x00000005
    ESME_RINVPRTFLG = 0x00000006
    ESME_RINVREGDLVFLG = 0x00000007
    ESME_RSYSERR = 0x00000008
    ESME_RINVSRCADR = 0x0000000A
    ESME_RINVDSTADR = 0x0000000B
    ESME_RINVMSGID = 0x0000000C
    ESME_RBINDFAIL = 0x0000000D
    ESME_RINVPASWD = 0x0000000E
    ESME_RINVSYSID = 0x0000000F
    ESME_RCANCELFAIL = 0x00000011
    ESME_RREPLACEFAIL = 0x00000013
    ESME_RMSGQFUL = 0x00000014
    ESME_RINVSERTYP = 0x00000015
    ESME_RINVNUMDESTS = 0x00000033
    ESME_RINVDLNAME = 0x00000034
    ESME_RINVDESTFLAG = 0x00000040
    ESME_RINVSUBREP = 0x00000042
    ESME_RINVESMCLASS = 0x00000043
    ESME_RCNTSUBDL = 0x00000044
    ESME_RSUBMITFAIL = 0x00000045
    ESME_RINVSRCTON = 0x00000048
    ESME_RINVSRCNPI = 0x00000049
    ESME_RINVDSTTON = 0x00000050
    ESME_RINVDSTNPI = 0x00000051
    ESME_RINVSYSTYP = 0x00000053
    ESME_RINVREPFLAG = 0x00000054
    ESME_RINVNUMMSGS = 0x00000055
    ESME_RTHROTTLED = 0x00000058
    ESME_RINVSCHED = 0x00000061
    ESME_RINVEXPIRY = 0x00000062
    ESME_RINVDFTMSGID = 0x00000063
    ESME_RX_T_APPN = 0x00000064
    ESME_RX_P_APPN = 0x00000065
    ESME_RX_R_APPN = 0x00000066
    ESME_RQUERYFAIL = 0x00000067
    ESME_RINVOPTPARSTREAM = 0x000000C0
    ESME_ROPTPARNOTALLWD = 0x000000C1
    ESME_RINVPARLEN = 0x000000C2
    ESME_RMISSINGOPTPARAM = 0x000000C3
    ESME_RINVOPTPARAMVAL = 0x000000C4
    ESME_RDELIVERYFAILURE = 0x000000FE
    ESME_RUNKNOWNERR = 0x000000FF
    ESME_RSERTYPUNAUTH = 0x00000100
    ESME_RPROHIBITED = 0x00000101
    ESME_RSERTYPUNAVAIL = 0x00000102
    ESME_RSERTYPDENIED = 0x00000103
    ESME_RINVDCS = 0x00000104
    ESME_RINVSRCADDRSUBUNIT = 0x00000105
    ESME_RINVDSTADDRSUBUNIT = 0x00000106
    ESME_RINVBCASTFREQINT = 0x00000107
    ESME_RINVBCASTALIAS_NAME = 0x00000108
    ESME_RINVBCASTAREAFMT = 0x00000109
    ESME_RINVNUMBCAST_AREAS = 0x0000010A
    ESME_RINVBCASTCNTTYPE = 0x0000010B
    ESME_RINVBCASTMSGCLASS = 0x0000010C
    ESME_RBCASTFAIL = 0x0000010D
    ESME_RBCASTQUERYFAIL = 0x0000010E
    ESME_RBCASTCANCELFAIL = 0x0000010F
    ESME_RINVBCAST_REP = 0x00000110
    ESME_RINVBCASTSRVGRP = 0x00000111
    ESME_RINVBCASTCHANIND = 0x00000112


class Meaning(NamedTuple):
    """``words`` say in short what the specification says. ``hint`` goes on with what that is likely to be about; ""
    where the words say enough. ``action`` is for a submit_sm that was refused so."""

    words: str
    action: Action
    hint: str = ""


_LATER, _NUMBER, _SENDER = Action.RETRY_LATER, Action.FIX_THE_NUMBER, Action.FIX_THE_SENDER
_TEXT, _CONFIGURATION, _CARRIER = Action.FIX_THE_TEXT, Action.FIX_THE_CONFIGURATION, Action.CALL_THE_CARRIER
_BROADCAST = "this connector broadcasts nothing"

MEANINGS: dict[int, Meaning] = {
    Status.ESME_RINVMSGLEN: Meaning("message length is invalid", _TEXT, "the text is too long for this SMSC, or empty"),
    Status.ESME_RINVCMDLEN: Meaning("command length is invalid", _CONFIGURATION, "the SMSC may know no TLVs"),
    Status.ESME_RINVCMDID: Meaning("invalid command id", _CONFIGURATION, "this kind of bind may not submit"),
    Status.ESME_RINVBNDSTS: Meaning("wrong bind state for this command", _LATER, "the bind is made anew"),
    Status.ESME_RALYBND: Meaning("already bound", _CONFIGURATION, "the account has no further session"),
    Status.ESME_RINVPRTFLG: Meaning("invalid priority flag", _CONFIGURATION, "set priority_flag as the carrier says"),
    Status.ESME_RINVREGDLVFLG: Meaning(
        "invalid registered_delivery", _CONFIGURATION, "the SMSC may give no receipts: set registered_delivery: none"
    ),
    Status.ESME_RSYSERR: Meaning("system error", _LATER, "the SMSC has trouble of its own"),
    Status.ESME_RINVSRCADR: Meaning(
        "invalid source address", _SENDER, "the sender is not registered for this account, or has the wrong form"
    ),
    Status.ESME_RINVDSTADR: Meaning(
        "invalid destination address", _NUMBER, "the number is not complete, not in use, or not served by this carrier"
    ),
    Status.ESME_RINVMSGID: Meaning("invalid message id", _CARRIER),
    Status.ESME_RBINDFAIL: Meaning("bind failed", _CONFIGURATION),
    Status.ESME_RINVPASWD: Meaning("invalid password", _CONFIGURATION),
    Status.ESME_RINVSYSID: Meaning("invalid system_id", _CONFIGURATION),
    Status.ESME_RCANCELFAIL: Meaning("cancel failed", _CARRIER, "the message is on its way already, or not known"),
    Status.ESME_RREPLACEFAIL: Meaning("replace failed", _CARRIER),
    Status.ESME_RMSGQFUL: Meaning("message queue full", _LATER, "too much waits for this number or this account"),
    Status.ESME_RINVSERTYP: Meaning("invalid service_type", _CONFIGURATION, "set service_type as the carrier says"),
    Status.ESME_RINVNUMDESTS: Meaning("invalid number of destinations", _CARRIER),
    Status.ESME_RINVDLNAME: Meaning("invalid distribution list name", _CARRIER),
    Status.ESME_RINVDESTFLAG: Meaning("invalid destination flag", _CARRIER),
    Status.ESME_RINVSUBREP: Meaning("submit with replace is not supported", _CONFIGURATION),
    Status.ESME_RINVESMCLASS: Meaning(
        "invalid esm_class", _CONFIGURATION, "the SMSC may take no user data headers: try another long_messages"
    ),
    Status.ESME_RCNTSUBDL: Meaning("can't submit to a distribution list", _CARRIER),
    Status.ESME_RSUBMITFAIL: Meaning("submit failed", _LATER, "the SMSC does not say why"),
    Status.ESME_RINVSRCTON: Meaning("invalid source TON", _SENDER, "set source_ton as the carrier says"),
    Status.ESME_RINVSRCNPI: Meaning("invalid source NPI", _SENDER, "set source_npi as the carrier says"),
    Status.ESME_RINVDSTTON: Meaning("invalid destination TON", _NUMBER, "set dest_ton as the carrier says"),
    Status.ESME_RINVDSTNPI: Meaning("invalid destination NPI", _NUMBER, "set dest_npi as the carrier says"),
    Status.ESME_RINVSYSTYP: Meaning("invalid system_type", _CONFIGURATION),
    Status.ESME_RINVREPFLAG: Meaning("invalid replace_if_present flag", _CARRIER),
    Status.ESME_RINVNUMMSGS: Meaning("invalid number of messages", _CARRIER),
    Status.ESME_RTHROTTLED: Meaning("throttled", _LATER, "more came than this account may send in a second"),
    Status.ESME_RINVSCHED: Meaning("invalid scheduled delivery time", _CONFIGURATION),
    Status.ESME_RINVEXPIRY: Meaning("invalid validity period", _CONFIGURATION, "set validity as the carrier says"),
    Status.ESME_RINVDFTMSGID: Meaning("predefined message is invalid or not found", _CARRIER),
    Status.ESME_RX_T_APPN: Meaning("temporary error of the receiver", _LATER),
    Status.ESME_RX_P_APPN: Meaning("permanent error of the receiver", _CARRIER),
    Status.ESME_RX_R_APPN: Meaning("message rejected by the receiver", _CARRIER),
    Status.ESME_RQUERYFAIL: Meaning("query failed", _CARRIER),
    Status.ESME_RINVOPTPARSTREAM: Meaning("error in the TLVs", _CONFIGURATION, "look at tlvs and long_messages"),
    Status.ESME_ROPTPARNOTALLWD: Meaning("TLV not allowed", _CONFIGURATION, "look at tlvs and long_messages"),
    Status.ESME_RINVPARLEN: Meaning("invalid length of a parameter", _CONFIGURATION),
    Status.ESME_RMISSINGOPTPARAM: Meaning(
        "expected TLV is missing", _CONFIGURATION, "ask the carrier which one it wants, and set tlvs"
    ),
    Status.ESME_RINVOPTPARAMVAL: Meaning("invalid value of a TLV", _CONFIGURATION, "look at tlvs"),
    Status.ESME_RDELIVERYFAILURE: Meaning("delivery failed", _CARRIER),
    Status.ESME_RUNKNOWNERR: Meaning("unknown error", _LATER, "the SMSC does not say why"),
    Status.ESME_RSERTYPUNAUTH: Meaning("not authorised for this service_type", _CONFIGURATION),
    Status.ESME_RPROHIBITED: Meaning("prohibited from using this operation", _CARRIER, "the account may not submit"),
    Status.ESME_RSERTYPUNAVAIL: Meaning("service_type is unavailable", _LATER),
    Status.ESME_RSERTYPDENIED: Meaning("service_type is denied", _CARRIER),
    Status.ESME_RINVDCS: Meaning(
        "invalid data_coding", _CONFIGURATION, "set alphabet or data_codings as the carrier says"
    ),
    Status.ESME_RINVSRCADDRSUBUNIT: Meaning("invalid source address subunit", _CONFIGURATION),
    Status.ESME_RINVDSTADDRSUBUNIT: Meaning("invalid destination address subunit", _CONFIGURATION),
    Status.ESME_RINVBCASTFREQINT: Meaning("invalid broadcast frequency interval", _CARRIER, _BROADCAST),
    Status.ESME_RINVBCASTALIAS_NAME: Meaning("invalid broadcast alias name", _CARRIER, _BROADCAST),
    Status.ESME_RINVBCASTAREAFMT: Meaning("invalid broadcast area format", _CARRIER, _BROADCAST),
    Status.ESME_RINVNUMBCAST_AREAS: Meaning("invalid number of broadcast areas", _CARRIER, _BROADCAST),
    Status.ESME_RINVBCASTCNTTYPE: Meaning("invalid broadcast content type", _CARRIER, _BROADCAST),
    Status.ESME_RINVBCASTMSGCLASS: Meaning("invalid broadcast message class", _CARRIER, _BROADCAST),
    Status.ESME_RBCASTFAIL: Meaning("broadcast failed", _CARRIER, _BROADCAST),
    Status.ESME_RBCASTQUERYFAIL: Meaning("broadcast query failed", _CARRIER, _BROADCAST),
    Status.ESME_RBCASTCANCELFAIL: Meaning("broadcast cancel failed", _CARRIER, _BROADCAST),
    Status.ESME_RINVBCAST_REP: Meaning("invalid number of repeated broadcasts", _CARRIER, _BROADCAST),
    Status.ESME_RINVBCASTSRVGRP: Meaning("invalid broadcast service group", _CARRIER, _BROADCAST),
    Status.ESME_RINVBCASTCHANIND: Meaning("invalid broadcast channel indicator", _CARRIER, _BROADCAST),
}
_NAMES = {int(status): status.name for status in Status}


def status_name(status: int) -> str:
    """``ESME_RINVPASWD`` for 14; ``0x00000400`` for a number the specification does not know."""
    return _NAMES.get(status) or f"0x{status:08X}"


def describe_status(status: int) -> str:
    """The name and, where there is one, the plain words: for logs that operators read."""
    if status == Status.ESME_ROK:
        return "ESME_ROK (no error)"
    known = MEANINGS.get(status)
    return f"{status_name(status)} ({known.words})" if known is not None else status_name(status)


def refused_for_now(status: int) -> bool:
    """Whether the same submit_sm may be taken later."""
    known = MEANINGS.get(status)
    return known is not None and known.action is Action.RETRY_LATER
