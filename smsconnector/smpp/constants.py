"""The numbers of SMPP 3.4, with 5.0's TLVs and statuses, under the specification's names.

Values outside these tables are legal on the wire and kept as plain integers; ``status_name`` and
``command_name`` have a word for every number. ``Status`` is in ``codes.command_status``, with what each one means.
"""

import enum

from smsconnector.codes.command_status import Status as Status  # noqa: PLC0414 — of SMPP too
from smsconnector.codes.command_status import describe_status as describe_status  # noqa: PLC0414 — of SMPP too
from smsconnector.codes.command_status import status_name as status_name  # noqa: PLC0414 — of SMPP too


class CommandId(enum.IntEnum):
    """SMPP 3.4 section 5.1.2.1; broadcast PDUs from 5.0 are not for an ESME of ours."""

    generic_nack = 0x80000000
    bind_receiver = 0x00000001
    bind_receiver_resp = 0x80000001
    bind_transmitter = 0x00000002
    bind_transmitter_resp = 0x80000002
    query_sm = 0x00000003
    query_sm_resp = 0x80000003
    submit_sm = 0x00000004
    submit_sm_resp = 0x80000004
    deliver_sm = 0x00000005
    deliver_sm_resp = 0x80000005
    unbind = 0x00000006
    unbind_resp = 0x80000006
    replace_sm = 0x00000007
    replace_sm_resp = 0x80000007
    cancel_sm = 0x00000008
    cancel_sm_resp = 0x80000008
    bind_transceiver = 0x00000009
    bind_transceiver_resp = 0x80000009
    outbind = 0x0000000B
    enquire_link = 0x00000015
    enquire_link_resp = 0x80000015
    submit_multi = 0x00000021
    submit_multi_resp = 0x80000021
    alert_notification = 0x00000102
    data_sm = 0x00000103
    data_sm_resp = 0x80000103


RESPONSE = 0x80000000  # the bit that makes a command_id its response (5.1.2.1)


_COMMAND_NAMES = {int(command): command.name for command in CommandId}


def command_name(command_id: int) -> str:
    """``submit_sm`` for 4; ``0x00000111`` for a number the specification does not know."""
    return _COMMAND_NAMES.get(command_id) or f"0x{command_id:08X}"


class EsmClass(enum.IntFlag):
    """SMPP 3.4 section 5.2.12; bits 5..2 are one field, the message type."""

    MESSAGE_TYPE = 0b0011_1100
    DELIVERY_RECEIPT = 0b0000_0100
    DELIVERY_ACKNOWLEDGEMENT = 0b0000_1000
    MANUAL_ACKNOWLEDGEMENT = 0b0001_0000
    CONVERSATION_ABORT = 0b0001_1000
    INTERMEDIATE_NOTIFICATION = 0b0010_0000
    UDHI = 0b0100_0000
    REPLY_PATH = 0b1000_0000


INTERFACE_VERSIONS = {"3.3": 0x33, "3.4": 0x34, "5.0": 0x50}  # interface_version, SMPP 3.4 section 5.2.4


class RegisteredDelivery(enum.IntEnum):
    """SMPP 3.4 section 5.2.17, bits 1..0."""

    NONE = 0
    FINAL = 1
    FAILURE = 2


class DataCoding(enum.IntEnum):
    """SMPP 3.4 section 5.2.19."""

    DEFAULT = 0
    IA5 = 1
    OCTET = 2
    LATIN1 = 3
    OCTET_UNSPECIFIED = 4
    JIS = 5
    CYRILLIC = 6
    HEBREW = 7
    UCS2 = 8
    PICTOGRAM = 9
    ISO_2022_JP = 10
    EXTENDED_KANJI = 13
    KS_C_5601 = 14


_CODING_WORDS = {
    DataCoding.IA5: "ASCII (IA5)",
    DataCoding.LATIN1: "Latin-1 (ISO-8859-1)",
    DataCoding.UCS2: "UCS-2, big-endian",
    0xF1: "GSM 03.38 default alphabet, message class 1",
}


def describe_data_coding(number: int, default_alphabet: str) -> str:
    """In words. ``default_alphabet`` is what the SMSC means by 0, a name of ``sms.alphabet``."""
    if number == DataCoding.DEFAULT:
        return f"the SMSC's default alphabet, here {default_alphabet}"
    return _CODING_WORDS.get(number) or f"the SMSC's own, 0x{number:02X}"


class MessageStateTLV(enum.IntEnum):
    """message_state, SMPP 3.4 section 5.2.28 (SCHEDULED and SKIPPED from 5.0)."""

    SCHEDULED = 0
    ENROUTE = 1
    DELIVERED = 2
    EXPIRED = 3
    DELETED = 4
    UNDELIVERABLE = 5
    ACCEPTED = 6
    UNKNOWN = 7
    REJECTED = 8
    SKIPPED = 9


class Tag(enum.IntEnum):
    """TLV tags: SMPP 3.4 section 5.3.2, and those that 5.0 section 4.8.4 adds."""

    dest_addr_subunit = 0x0005
    dest_network_type = 0x0006
    dest_bearer_type = 0x0007
    dest_telematics_id = 0x0008
    source_addr_subunit = 0x000D
    source_network_type = 0x000E
    source_bearer_type = 0x000F
    source_telematics_id = 0x0010
    qos_time_to_live = 0x0017
    payload_type = 0x0019
    additional_status_info_text = 0x001D
    receipted_message_id = 0x001E
    ms_msg_wait_facilities = 0x0030
    privacy_indicator = 0x0201
    source_subaddress = 0x0202
    dest_subaddress = 0x0203
    user_message_reference = 0x0204
    user_response_code = 0x0205
    source_port = 0x020A
    destination_port = 0x020B
    sar_msg_ref_num = 0x020C
    language_indicator = 0x020D
    sar_total_segments = 0x020E
    sar_segment_seqnum = 0x020F
    sc_interface_version = 0x0210
    callback_num_pres_ind = 0x0302
    callback_num_atag = 0x0303
    number_of_messages = 0x0304
    callback_num = 0x0381
    dpf_result = 0x0420
    set_dpf = 0x0421
    ms_availability_status = 0x0422
    network_error_code = 0x0423
    message_payload = 0x0424
    delivery_failure_reason = 0x0425
    more_messages_to_send = 0x0426
    message_state = 0x0427
    congestion_state = 0x0428
    ussd_service_op = 0x0501
    broadcast_channel_indicator = 0x0600
    broadcast_content_type = 0x0601
    broadcast_content_type_info = 0x0602
    broadcast_message_class = 0x0603
    broadcast_rep_num = 0x0604
    broadcast_frequency_interval = 0x0605
    broadcast_area_identifier = 0x0606
    broadcast_error_status = 0x0607
    broadcast_area_success = 0x0608
    broadcast_end_time = 0x0609
    broadcast_service_group = 0x060A
    billing_identification = 0x060B
    source_network_id = 0x060D
    dest_network_id = 0x060E
    source_node_id = 0x060F
    dest_node_id = 0x0610
    dest_addr_np_resolution = 0x0611
    dest_addr_np_information = 0x0612
    dest_addr_np_country = 0x0613
    display_time = 0x1201
    sms_signal = 0x1203
    ms_validity = 0x1204
    alert_on_message_delivery = 0x130C
    its_reply_type = 0x1380
    its_session_info = 0x1383


MAX_SEQUENCE = 0x7FFFFFFF  # section 5.1.4: 1 .. 0x7FFFFFFF
HEADER_OCTETS = 16  # section 3.2
DEFAULT_MAX_PDU = 65536  # octets; our cap on command_length, the specification has none
