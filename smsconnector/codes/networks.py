"""network_error_code (SMPP 3.4 section 5.3.2.31, 5.0 section 4.8.4.42): a type of network, and an error of that.

3.4 knows the types 1 (ANSI-136), 2 (IS-95) and 3 (GSM); 5.0 has the others, and calls 1 and 2 the reasons of a denied
access. What 1 and 2 don't have there is read as a cause code.

GSM: the errors of MAP (GSM 09.02 section 17.5) have numbers up to 72, the failure causes of a handset or an SMSC
(TP-FCS, GSM 03.40 section 9.2.3.22) begin at 128. ANSI-136 and IS-95 share the tables of TIA/EIA-41 sections 6.5.2.122
and 6.5.2.125.
"""

from smsconnector.codes.actions import Action, Explanation, by_code

ANSI_136, IS_95, GSM, ANSI_136_CAUSE, IS_95_CAUSE, ANSI_41, SMPP, MESSAGE_CENTRE = range(1, 9)

GSM_ERRORS = by_code(
    {
        Action.FIX_THE_NUMBER: {
            1: "nobody has this number: the network does not know the subscriber",
            5: "the network where the handset is does not know its subscriber",
            9: "the subscriber may not use the network: the SIM is not valid there",
            11: "the subscriber can't get texts: the service is not part of the contract",
            12: "the handset is barred, as stolen ones are",
            28: "the handset or its contract is not fit for texts",
            44: "the number has changed",
            0xC3: "the address is not valid",
            0xD1: "the SIM can't keep texts",
        },
        Action.RETRY_LATER: {
            6: "the handset is switched off or out of reach",
            27: "the handset is switched off or out of reach",
            31: "the handset is busy with another text",
            32: "the handset did not take the text: its memory may be full",
            33: "the list of those who wait for this handset is full",
            34: "a failure in the network",
            39: "the network had no roaming number for the handset",
            45: "the subscriber is busy",
            46: "the handset did not answer",
            51: "the network has no resources left",
            0xC0: "the SMSC is busy",
            0xC2: "a failure of the SMSC",
            0xD0: "the SIM has no room for more texts",
            0xD2: "an error in the handset",
            0xD3: "the handset has no room for more texts",
            0xD4: "the SIM is busy",
            0xD5: "the SIM could not take the text",
        },
        Action.CALL_THE_CARRIER: {
            2: "the network does not know one of its base stations",
            3: "the network does not know one of its exchanges",
            4: "the network refuses what another has sent it",
            7: "the network does not know the handset",
            8: "the subscriber may not roam where the handset is",
            10: "the subscriber has no such bearer service",
            13: "texts to this subscriber are barred, by the network or by the subscriber",
            14: "a forwarding is not allowed",
            15: "the subscriber is in a closed group that takes no texts from outside",
            16: "a supplementary service was used in a way that is not allowed",
            21: "the network where the handset is does not do this",
            29: "the subscriber is denied for a short time",
            30: "the subscriber is denied for a long time",
            35: "the network misses something in what it was sent",
            36: "the network did not expect what it was sent",
            47: "a forwarding has failed",
            48: "the route to this network is not allowed",
            52: "the network may not ask for this subscriber",
            0x80: "the network does not do this kind of message",
            0x81: "the handset does not take this kind of message",
            0x82: "there is no text that could be replaced",
            0x8F: "the protocol_id is not taken",
            0xA0: "a command could not be carried out",
            0xA1: "a command is not supported",
            0xAF: "a command failed",
            0xB0: "this kind of message is not supported",
            0xC1: "the SMSC has no contract for this",
            0xC4: "the address is barred",
            0xC5: "the same text was there already",
            0xC6: "the form of the validity is not supported",
            0xC7: "the validity is not supported",
            0xFF: "the network does not say why",
        },
        Action.FIX_THE_CONFIGURATION: {
            0x90: "the data_coding is not supported",
            0x91: "the class of the message is not supported",
            0x9F: "the data_coding is not taken",
        },
        Action.FIX_THE_TEXT: {71: "the alphabet of the text is not known there"},
    }
)
DENIED = by_code(
    {
        Action.CALL_THE_CARRIER: {1: "the network denies texts to this subscriber"},
        Action.RETRY_LATER: {2: "the delivery was put off", 3: "the handset is out of reach"},
        Action.FIX_THE_NUMBER: {4: "the number is not valid"},
    }
)
CAUSES = by_code(
    {
        Action.FIX_THE_NUMBER: {
            0: "nobody has this number",
            1: "the network can't translate the number",
            38: "the number has moved to another network",
        },
        Action.RETRY_LATER: {
            2: "the network has no resources left",
            3: "a failure in the network",
            5: "a trouble of the network",
            32: "the handset did not answer the call of the network",
            33: "the handset is busy",
            34: "the handset did not confirm the text",
            35: "the handset has no room for more texts",
            36: "the delivery was put off",
            37: "the handset is switched off or out of reach",
            39: "a trouble of the handset",
            64: "the radio network has no resources left",
            66: "a trouble of the radio network",
        },
        Action.CALL_THE_CARRIER: {
            4: "the teleservice is not valid",
            6: "the interface of the network is not supported",
            65: "the handset and the radio network don't fit",
            67: "the base station can't do it",
            97: "the subscriber may not send texts",
            98: "the subscriber may not get texts",
            99: "a supplementary service is not supported",
            100: "the service is not supported",
            101: "the network misses something in what it was sent",
            102: "the network misses something in what it was sent",
            103: "the network does not know a value that it was sent",
            104: "the network did not expect a value that it was sent",
            106: "the network does not say why",
        },
        Action.FIX_THE_TEXT: {96: "the coding of the text is wrong", 105: "the text is too long"},
    }
)
_TABLES: dict[int, dict[int, Explanation]] = {
    ANSI_136: CAUSES | DENIED,
    IS_95: CAUSES | DENIED,
    GSM: GSM_ERRORS,
    ANSI_136_CAUSE: CAUSES,
    IS_95_CAUSE: CAUSES,
    ANSI_41: CAUSES,
}


def network_error(code: int, network_type: int = GSM) -> Explanation | None:
    """What a network says by its error; None if no table has it, as for all codes of the type 8, which are the message
    centre's own."""
    return _TABLES.get(network_type, {}).get(code)
